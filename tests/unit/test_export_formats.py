"""Both formats hold the same slices, as trace_processor reads them."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import orjson
import pytest

from pytest_timeline._codec import Names
from pytest_timeline.timeline.model import Clock, Instant, Process, Span, Timeline, Track
from support import timelines
from support.timelines import (
    CALLABLE,
    CLOCK,
    CODE,
    CUT_END,
    CUT_START,
    DIED,
    HEALED,
    RESUMED,
    THROWN,
    TRACES,
    YIELDED,
    Drawn,
    Row,
    arguments,
    combine,
    drawn,
    lane_of_test,
    names,
    random_rows,
    slices,
    thread,
    timeline,
)
from support.trace_processor import missing, query

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))
HOUR = 3600 * 10**9


@pytest.fixture(params=TRACES)
def format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def write(format: str, directory: Path, made: Timeline, clock: Clock = CLOCK) -> Path:
    path = timelines.write(format, directory, made, clock)
    assert list(directory.iterdir()) == [path]
    return path


def write_both(directory: Path, made: Timeline, clock: Clock = CLOCK) -> list[Path]:
    paths = []
    for format in TRACES:
        (directory / format).mkdir()
        paths.append(write(format, directory / format, made, clock))
    return paths


@pytest.mark.parametrize("shortest", [0, 1])
@pytest.mark.parametrize(("clock", "first"), [(CLOCK, 5_000), (Clock(7, 1 / 2.9), 5_000), (CLOCK, HOUR)])
def test_random_slices_are_the_same(tmp_path: Path, clock: Clock, first: int, shortest: int) -> None:
    rows = [random_rows(seed, 3_000, first=first + seed, shortest=shortest) for seed in (1, 2)]
    made = timeline(thread(slices(*rows[0])), thread(slices(*rows[1]), name="other", id=4712, serial=2))
    perfetto, chrome = write_both(tmp_path, made, clock)
    assert drawn(perfetto) == drawn(chrome)
    assert arguments(perfetto) == arguments(chrome)
    found = drawn(perfetto)
    for name, track in zip(("MainThread", "other"), rows, strict=True):
        inside = [row for row in found if row.track == name]
        assert [row.name for row in inside] == [("f" if row[2] < 20 else "c") + str(row[2] % 10) for row in track]
        assert [row.depth for row in inside] == [row[3] for row in track]
        assert min(row.dur for row in inside) >= 1
        if shortest and clock.ns_per_tick == 1.0:  # nothing had to give way
            assert [(row.ts, row.dur) for row in inside] == [(clock.ns(row[0]), row[1] - row[0]) for row in track]


def test_a_slice_of_no_duration_gets_a_nanosecond(tmp_path: Path, format: str) -> None:
    rows: list[Row] = [(2_000, 2_000, 10, 0), (2_000, 2_100, 11, 0), (2_100, 2_100, 12, 1), (2_100, 2_100, 13, 2)]
    found = drawn(write(format, tmp_path, timeline(thread(slices(*rows)))))
    assert [row[1:5] for row in found] == [
        (1_000, 1, 0, "f0"),
        (1_001, 100, 0, "f1"),
        (1_100, 1, 1, "f2"),
        (1_100, 1, 2, "f3"),
    ]


def test_time_before_the_origin_is_zero(tmp_path: Path, format: str) -> None:
    found = drawn(write(format, tmp_path, timeline(thread(slices((10, 1_500, 10, 0), (20, 900, 11, 1))))))
    assert [row[1:5] for row in found] == [(0, 500, 0, "f0"), (0, 1, 1, "f1")]


@pytest.mark.parametrize("deepest", [511, 512, 20_000])
def test_slices_too_deep_are_folded_into_the_deepest_drawn(tmp_path: Path, format: str, deepest: int) -> None:
    rows: list[Row] = [(10_000 + depth, 90_000 - depth, 10, depth) for depth in range(deepest)]
    rows += [(90_000, 91_000, 11, 0)]
    path = write(format, tmp_path, timeline(thread(slices(*rows))))
    found = drawn(path)
    assert [row.depth for row in found] == [*range(min(deepest, 512)), 0]
    folded = [(key, value) for _, key, value in arguments(path) if key.startswith("folded")]
    longest = 90_000 - 10_000 - 2 * 512
    assert folded == ([("folded", str(deepest - 512)), ("folded_ms", str(longest / 1e6))] if deepest > 512 else [])


def test_what_was_folded_below_the_deepest_counts(tmp_path: Path, format: str) -> None:
    rows: list[Row] = [(2_000, 9_000, 10, depth) for depth in range(512)]
    rows += [(3_000, 4_000, 11, 512, 0, 0, 5, 100), (3_100, 3_200, 12, 513), (5_000, 5_500, 11, 512)]
    path = write(format, tmp_path, timeline(thread(slices(*rows))))
    assert [each[1:] for each in arguments(path) if each[1].startswith("folded")] == [
        ("folded", "8"),
        ("folded_ms", "0.0015"),
    ]


def test_arguments_tell_how_a_slice_ended(tmp_path: Path, format: str) -> None:
    made = timeline(
        thread(
            slices(
                (1_000, 9_000, 10, 0, CUT_START | CUT_END, 0, 42, 1_234_567),
                (1_000, 2_000, 11, 1, CUT_START),
                (2_000, 3_000, 12, 1, RESUMED | YIELDED),
                (3_000, 4_000, 13, 1, THROWN, 30),
                (4_000, 5_000, 24, 1, THROWN),
                (5_000, 6_000, 15, 1, HEALED | RESUMED),
                (6_000, 9_000, 16, 1, DIED | THROWN, 30),
                (7_000, 9_000, 27, 2, CUT_END),
                (8_000, 8_500, 28, 3),
            )
        )
    )
    told: dict[str, dict[str, str]] = {}
    for name, key, value in arguments(write(format, tmp_path, made)):
        told.setdefault(name, {})[key] = value
    place = {f"f{i}": {"file": "src/a.py", "line": f"10{i}"} for i in range(10)}
    assert told == {
        "f0": place["f0"] | {"cut": "both", "folded": "42", "folded_ms": "1.234567"},
        "f1": place["f1"] | {"cut": "start"},
        "f2": place["f2"] | {"resumed": "true", "yielded": "true"},
        "f3": place["f3"] | {"exception": "ValueError"},
        "c4": {"exception": "?"},
        "f5": place["f5"] | {"healed": "true", "resumed": "true"},
        "f6": place["f6"] | {"died": "true", "exception": "ValueError"},
        "c7": {"cut": "end"},
    }


HOSTILE = [
    'quote " backslash \\ slash /',
    "control \x01\x1f\x7f\n\t",
    "ünïcödé 漢字 🐍",
    "</script><!--",
    "",
    "x" * 70_000,
]
INVALID = {b"\xff\xfe": 2, b"a\xc3": 1, b"\xed\xa0\x80": 3, b"\xf0\x9f\x90": 1, b"\xc0\xaf": 2, b"\xf5\x80": 2}


def test_any_text_is_a_name(tmp_path: Path) -> None:
    known = Names()
    known.add(1, 'dir "x"\\y.py')
    expected = []
    for i, text in enumerate([*HOSTILE, *(bad.decode("utf-8", "surrogateescape") for bad in INVALID), "nul\0nul"]):
        known.add(10 + i, text, CODE if i % 2 else CALLABLE, 1, i)
        shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\0", "\ufffd")
        expected.append(shown or None)  # trace_processor has no empty names
    assert [name.count("\ufffd") for name in expected if name and "\ufffd" in name] == [*INVALID.values(), 1]
    made = slices(*((2_000 + 10 * i, 2_005 + 10 * i, 10 + i, 0) for i in range(len(expected))))
    perfetto, chrome = write_both(tmp_path, timeline(thread(made, known, name='a "thread"\n\udcff')))
    found = drawn(perfetto)
    assert [row.name or None for row in found] == expected
    assert {row.track for row in found} == {'a "thread"\n?'}
    # trace_processor leaves the escapes of most JSON names as they are, so this asks a JSON parser.
    assert len(drawn(chrome)) == len(expected)
    objects = orjson.loads(gzip.decompress(chrome.read_bytes()))["traceEvents"]
    assert [each["name"] or None for each in objects if each["ph"] == "X"] == expected
    assert [each["args"]["name"] for each in objects if each["name"] == "thread_name"] == ['a "thread"\n?']
    assert {each["args"]["file"] for each in objects if each["ph"] == "X" and each["args"]} == {'dir "x"\\y.py'}


def test_an_id_that_nobody_explained_is_a_question_mark(tmp_path: Path, format: str) -> None:
    known = Names(names(), 100)  # a forked child's
    known.add(100, "its own", CODE, 77, 5)
    made = slices((2_000, 2_500, 99, 0), (2_500, 3_000, 101, 0), (3_000, 3_500, 100, 0), (3_500, 4_000, 10, 0))
    path = write(format, tmp_path, timeline(thread(made, known)))
    assert [row[4:] for row in drawn(path)] == [
        ("?", "python"),
        ("?", "python"),
        ("its own", "python"),
        ("f0", "python"),
    ]
    assert ("its own", "file", "?") in arguments(path)
    assert ("f0", "file", "src/a.py") in arguments(path)


def test_tracks_have_their_processes_and_ids(tmp_path: Path, format: str) -> None:
    call = slices((2_000, 3_000, 10, 0))
    gil = Track("gil", "GIL", 0, 0, slices((2_000, 3_000, 10, 0)), names())
    made = timeline(thread(call), gil, thread(call, name="worker", id=4712, serial=2))
    made.processes.append(Process(99, 4711, "python -c 'é'", 600, [thread(call, name="MainThread", id=99)]))
    made.lanes.append(lane_of_test(Span("test_it", "test", 1_000, 9_000, 0)))
    path = write(format, tmp_path, made)
    found = drawn(path)
    assert sorted({(row.track, row.category) for row in found}) == [
        ("GIL", "python"),
        ("MainThread", "python"),
        ("test", "test"),
        ("worker", "python"),
    ]
    processes, threads = query(
        path,
        "select pid, name from process where pid order by pid",
        "select pid, tid, thread.name from thread join process using (upid) where pid and tid < 1 << 22 order by 1, 2",
    )
    assert processes == [(99, "python -c 'é'"), (4711, "pytest")]
    assert threads == [(99, 99, "MainThread"), (4711, 4711, "MainThread"), (4711, 4712, "worker")]


def test_threads_and_processes_that_reuse_an_id_keep_their_slices(tmp_path: Path, format: str) -> None:
    first = thread(slices((2_000, 3_000, 10, 0)), name="one", id=4712, serial=2)
    second = thread(slices((4_000, 5_000, 11, 0)), name="two", id=4712, serial=3)
    made = timeline(thread(slices((1_000, 9_000, 12, 0))), first, second)
    made.processes.append(Process(4711, 1, "after exec", 5_500, [thread(slices((9_500, 9_900, 13, 0)))]))
    found = drawn(write(format, tmp_path, made))
    assert sorted((row.name, row.ts, row.dur, row.depth) for row in found) == [
        ("f0", 1_000, 1_000, 0),
        ("f1", 3_000, 1_000, 0),
        ("f2", 0, 8_000, 0),
        ("f3", 8_500, 400, 0),
    ]


def test_the_test_tells_its_story(tmp_path: Path) -> None:
    made = timeline(
        thread(slices()),
        args={"outcome": "failed", "worker": None, "rerun": 0},
        lanes=[
            lane_of_test(
                Span("test_it", "test", 1_000, 10_000, 0, {"marks": ["slow", 3, None]}),
                Span("setup", "test", 1_000, 3_000, 1),
                Span("tmp_path", "fixture", 2_000, 3_000, 2, {"scope": "function", "new": True, "took": 0.25}),
                Span("nothing", "fixture", 3_000, 3_000, 2),
                Span("call", "test", 3_000, 9_000, 1, {"params": {"x": 1, "y": {"z": -5, "big": 1 << 70}}}),
                Span("lone \udc80", "user", 9_000, 10_000, 1),
                instants=[
                    Instant("failure", "test", 8_000, {"exception": 'ValueError("é")'}),
                    Instant("at the seam", "log", 9_001, {}),
                ],
            )
        ],
    )
    perfetto, chrome = write_both(tmp_path, made)
    assert (
        drawn(perfetto)
        == drawn(chrome)
        == [
            Drawn("test", 0, 9_000, 0, "test_it", "test"),
            Drawn("test", 0, 2_001, 1, "setup", "test"),
            Drawn("test", 1_000, 1_000, 2, "tmp_path", "fixture"),
            Drawn("test", 2_000, 1, 2, "nothing", "fixture"),
            Drawn("test", 2_001, 5_999, 1, "call", "test"),
            Drawn("test", 7_000, 0, 2, "failure", "test"),
            Drawn("test", 8_000, 1_000, 1, "lone ?", "user"),
            Drawn("test", 8_001, 0, 2, "at the seam", "log"),
        ]
    )
    assert (
        arguments(perfetto)
        == arguments(chrome)
        == [
            ("test_it", "marks[0]", "slow"),
            ("test_it", "marks[1]", "3"),
            ("test_it", "outcome", "failed"),
            ("test_it", "rerun", "0"),
            ("tmp_path", "new", "true"),
            ("tmp_path", "scope", "function"),
            ("tmp_path", "took", "0.25"),
            ("call", "params.x", "1"),
            ("call", "params.y.big", str(1 << 70)),
            ("call", "params.y.z", "-5"),
            ("failure", "exception", 'ValueError("é")'),
        ]
    )


def test_an_empty_timeline_is_a_trace(tmp_path: Path, format: str) -> None:
    assert drawn(write(format, tmp_path, timeline())) == []


class TestCombined:
    def test_a_slice_that_spans_windows_is_one(self, tmp_path: Path, format: str) -> None:
        path = combine(
            format,
            tmp_path,
            timeline(
                thread(slices((2_000, 5_000, 10, 0, CUT_END), (3_000, 5_000, 11, 1, CUT_END, 0, 2, 100))), end=5_000
            ),
            timeline(
                thread(
                    slices(
                        (5_000, 7_000, 10, 0, CUT_START | CUT_END, 0, 1, 500_000),
                        (5_000, 7_000, 11, 1, CUT_START | CUT_END, 0, 3, 100),
                        (5_000, 5_000, 12, 2),
                        (7_000, 7_000, 13, 2),
                    )
                ),
                start=5_000,
                end=7_000,
            ),
            timeline(
                thread(
                    slices(
                        (7_000, 9_000, 10, 0, CUT_START | THROWN, 30),
                        (7_000, 8_000, 11, 1, CUT_START),
                        (8_000, 8_500, 14, 1),
                    )
                ),
                start=7_000,
                end=9_000,
            ),
        )
        assert [row[1:5] for row in drawn(path)] == [
            (1_000, 7_000, 0, "f0"),
            (2_000, 5_000, 1, "f1"),
            (4_000, 1, 2, "f2"),
            (6_000, 1, 2, "f3"),
            (7_000, 500, 1, "f4"),
        ]
        assert [each for each in arguments(path) if each[1] not in ("file", "line")] == [
            ("f0", "exception", "ValueError"),
            ("f0", "folded", "1"),
            ("f0", "folded_ms", "0.5"),
            ("f1", "folded", "5"),
            ("f1", "folded_ms", "0.0002"),
        ]

    def test_what_is_open_at_the_end_of_the_run_ends_there(self, tmp_path: Path, format: str) -> None:
        path = combine(
            format,
            tmp_path,
            timeline(thread(slices((2_000, 5_000, 10, 0, CUT_END), (3_000, 5_000, 21, 1, CUT_END))), end=5_000),
        )
        assert [row[1:] for row in drawn(path)] == [(1_000, 3_000, 0, "f0", "python"), (2_000, 2_000, 1, "c1", "c")]
        assert [each for each in arguments(path) if each[1] not in ("file", "line")] == [
            ("f0", "cut", "end"),
            ("c1", "cut", "end"),
        ]

    def test_sides_of_a_seam_that_do_not_agree(self, tmp_path: Path, format: str) -> None:
        path = combine(
            format,
            tmp_path,
            timeline(
                thread(
                    slices(
                        (2_000, 5_000, 10, 0, CUT_END), (2_000, 5_000, 11, 1, CUT_END), (3_000, 5_000, 12, 2, CUT_END)
                    )
                ),
                end=5_000,
            ),
            timeline(
                thread(slices((6_000, 7_000, 10, 0, CUT_START), (6_000, 6_500, 13, 1, CUT_START))),
                start=6_000,
                end=8_000,
            ),
        )
        assert [row[1:5] for row in drawn(path)] == [
            (1_000, 5_000, 0, "f0"),
            (1_000, 3_000, 1, "f1"),
            (2_000, 2_000, 2, "f2"),
            (5_000, 500, 1, "f3"),
        ]
        assert [each for each in arguments(path) if each[1] == "cut"] == [
            ("f1", "cut", "end"),
            ("f2", "cut", "end"),
            ("f3", "cut", "start"),
        ]

    def test_a_process_that_died_stays_dead(self, tmp_path: Path, format: str) -> None:
        path = combine(
            format,
            tmp_path,
            timeline(thread(slices((2_000, 4_000, 10, 0, DIED), (3_000, 4_000, 11, 1, DIED))), end=9_000),
            timeline(start=9_000, end=10_000),
        )
        assert [row[1:5] for row in drawn(path)] == [(1_000, 2_000, 0, "f0"), (2_000, 1_000, 1, "f1")]

    def test_random_slices_cut_into_windows_are_those_that_were_not(self, tmp_path: Path) -> None:
        rows = random_rows(5, 4_000, first=10_000, shortest=1)
        end = max(row[1] for row in rows)
        seams = [1_000, *range(20_000, end, 7_919), end + 1]
        windows = []
        for start, stop in itertools.pairwise(seams):
            cut = []
            for row in rows:
                if row[0] < stop and row[1] > start:
                    flags = row[4] | (CUT_START if row[0] < start else 0) | (CUT_END if row[1] > stop else 0)
                    cut.append((max(row[0], start), min(row[1], stop), row[2], row[3], flags, row[5]))
            for offset, pid in enumerate((10, 20)):  # two workers take turns
                process = Process(pid, 1, f"gw{offset}", 1, [thread(slices(*cut), name=f"gw{offset}", id=pid)])
                lane = lane_of_test(Span("test", "test", start, stop, 0))
                windows.append(Timeline(f"test[{start}]", start, stop, [process], [lane]))
        traces = []
        for format in TRACES:
            found = drawn(combine(format, tmp_path, *windows))
            assert len([row for row in found if row.track == "test"]) == 2 * (len(seams) - 1)
            for worker in ("gw0", "gw1"):
                assert [row[1:5] for row in found if row.track == worker] == [
                    (row[0] - 1_000, row[1] - row[0], row[3], ("f" if row[2] < 20 else "c") + str(row[2] % 10))
                    for row in rows
                ]
            traces.append(found)
        assert traces[0] == traces[1]

    def test_workers_windows_overlap(self, tmp_path: Path, format: str) -> None:
        windows = []
        for start in range(10_000, 60_000, 5_000):
            for pid, early in ((10, 0), (20, 3_000), (30, 1_000)):
                begin, end = start - early, start - early + 5_000
                call = slices((begin, begin + 100, 10, 0), (end - 100, end, 11, 0))
                tracks = [
                    thread(call, id=pid, name=f"main {pid}"),
                    thread(call, id=pid + 1, name=f"own {pid}", serial=2),
                ]
                windows.append(Timeline("test", begin, end, [Process(pid, 1, f"gw {pid}", 1, tracks)]))
        found = drawn(combine(format, tmp_path, *windows))
        assert len(found) == 10 * 3 * 2 * 2
        assert {(row.dur, row.depth) for row in found} == {(100, 0)}

    def test_a_long_run_is_many_gzip_members(self, tmp_path: Path, format: str) -> None:
        rows = [(start, start + 10, 10 + start // 20 % 20, 0) for start in range(1_000, 1_001_000, 20)]
        windows = [
            timeline(thread(slices(*rows[i : i + 5_000])), end=rows[i][0] + 100_000) for i in range(0, 50_000, 5_000)
        ]
        path = combine(format, tmp_path, *windows)
        assert path.read_bytes().count(b"\x1f\x8b\x08\0\0\0\0\0") > 1
        assert len(drawn(path)) == len(rows)
