"""What is read back from each format, held against the model that it was written from."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from pytest_timeline._reading import Packets, page_rows
from pytest_timeline.export import FORMATS
from pytest_timeline.read import Damaged, read
from pytest_timeline.read.model import Name, Trace, Track, all_tests, window
from pytest_timeline.timeline.model import Instant, Process, Span, Timeline
from support.timelines import (
    CUT_END,
    DIED,
    HEALED,
    READY,
    RESUMED,
    RUNNING,
    SLEEP,
    THROWN,
    TRACES,
    WAITING,
    YIELDED,
    combine,
    lane_of_processes,
    lane_of_test,
    random_rows,
    slices,
    task,
    thread,
    timeline,
    write,
)

FUNCTION = Name("f0", "python", "src/a.py", 100)


def track(trace: Trace, name: str) -> Track:
    (found,) = (track for process in trace.processes for track in process.tracks if track.name == name)
    return found


def rows(trace: Trace, name: str) -> list[tuple[int, int, int, str, dict[str, Any]]]:
    """Return (begin, end, depth, name, arguments) of the track's slices."""
    found = track(trace, name)
    columns = zip(found.starts, found.ends, found.depths, found.names, strict=True)
    return [(*times, trace.names[name].text, found.args.get(row, {})) for row, (*times, name) in enumerate(columns)]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("seed", range(3))
def test_slices_are_what_they_were(tmp_path: Path, format: str, seed: int) -> None:
    made = random_rows(seed, 500, first=2_000, shortest=1)
    trace = read(write(format, tmp_path, timeline(thread(slices(*made)), end=10_000_000)))
    flags = {RESUMED: "resumed", YIELDED: "yielded", HEALED: "healed"}
    expected = []
    for start, end, name, depth, flag, raised, folded, ticks in made:
        args: dict[str, Any] = {flags[flag]: True} if flag in flags else {}
        args |= {"exception": "ValueError" if raised else "?"} if flag & THROWN else {}
        args |= {"folded": folded, "folded_ms": ticks / 1e6} if folded else {}
        expected.append((start - 1_000, end - 1_000, depth, f"{'fc'[name >= 20]}{name % 10}", args))
    assert rows(trace, "MainThread") == expected
    assert {name.category: (name.file, name.line > 0) for name in trace.names} == {
        "python": ("src/a.py", True),
        "c": ("", False),
    }


@pytest.mark.parametrize("format", FORMATS)
def test_all_kinds_of_tracks_are_there_in_their_order(tmp_path: Path, format: str) -> None:
    main = thread(slices((2_000, 900_000, 10, 0, DIED)))
    awaits = slices((3_000, 800_000, 11, 0), (4_000, 700_000, SLEEP, 1))
    states = slices((3_000, 4_000, RUNNING, 0), (4_000, 700_000, WAITING, 0), (700_000, 800_000, READY, 0))
    tasks = [*task(main, 1, "a", awaits, states), *task(main, 2, "b", slices(), slices((5_000, 6_000, READY, 0)))]
    tasks[0].instants.append(Instant("cancelled", "await", 750_000, {"why": ["x", {"y": 1.5}], "n": -3, "yes": True}))
    other = thread(slices((2_000, 3_000, 12, 0)), name="other", id=4712, serial=2)
    spans = Span("t", "test", 1_000, 950_000, 0, {"outcome": "passed"}), Span("call", "test", 2_000, 940_000, 1)
    child = Span("sleep 1", "process", 10_000, 20_000, 0, {"pid": 99, "argv": ["sleep", "1"], "exit_code": 3})
    made = timeline(main, *tasks, other, lanes=[lane_of_test(*spans), lane_of_processes(0, child)])
    made.processes.append(Process(99, 4711, "sleep (99)", 10_000, [thread(slices((11_000, 12_000, 13, 0)), name="in")]))
    trace = read(write(format, tmp_path, made))
    assert [(process.pid, process.name) for process in trace.processes] == [(4711, "pytest"), (99, "sleep (99)")]
    assert [
        (track.kind, track.name, track.id, track.under.name if track.under else None)
        for track in trace.processes[0].tracks
    ] == [
        ("test", "test", 0, None),
        ("process", "processes", 0, None),
        ("thread", "MainThread", 4711, None),
        ("task", "Task-1 (a)", 4711, "MainThread"),
        ("state", "state", 4711, "Task-1 (a)"),
        ("task", "Task-2 (b)", 4711, "MainThread"),
        ("state", "state", 4711, "Task-2 (b)"),
        ("thread", "other", 4712, None),
    ]
    assert rows(trace, "Task-1 (a)") == [(2_000, 799_000, 0, "f1", {}), (3_000, 699_000, 1, "await asyncio.sleep", {})]
    assert Name("await asyncio.sleep", "await", "src/a.py", 7) in trace.names
    assert Name("waiting", "await") in trace.names and Name("running", "python") in trace.names
    (instant,) = track(trace, "Task-1 (a)").instants
    assert (instant.ns, instant.name, instant.category) == (749_000, "cancelled", "await")
    assert instant.args == {"why": ["x", {"y": 1.5}], "n": -3, "yes": True}
    assert rows(trace, "processes") == [(9_000, 19_000, 0, "sleep 1", child.args)]
    assert rows(trace, "MainThread")[0][4] == {"died": True}
    (test,) = all_tests(trace)
    assert test.process is trace.processes[0] and test.track.args[test.row]["outcome"] == "passed"


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_told_of_a_slice_is_in_the_same_order(tmp_path: Path, format: str) -> None:
    flags = THROWN | CUT_END | HEALED | DIED | RESUMED | YIELDED
    trace = read(write(format, tmp_path, timeline(thread(slices((2_000, 1_000_000, 10, 0, flags, 30, 2, 3_000))))))
    ((*_, args),) = rows(trace, "MainThread")
    assert list(args) == ["exception", "folded", "folded_ms", "cut", "died", "healed", "resumed", "yielded"]


@pytest.mark.parametrize("format", FORMATS)
def test_an_empty_list_is_one(tmp_path: Path, format: str) -> None:
    args = {"traceback": [], "others": [{"exception": "E", "traceback": []}, []]}
    made = timeline(thread(slices((2_000, 3_000, 10, 0))), lanes=[lane_of_test(Span("t", "test", 1_000, 9_000, 0))])
    made.lanes[0].instants.append(Instant("told", "log", 2_500, args))
    (instant,) = track(read(write(format, tmp_path, made)), "test").instants
    assert instant.args == args


@pytest.mark.parametrize("format", TRACES)
def test_a_test_out_of_a_combined_trace(tmp_path: Path, format: str) -> None:
    windows = []
    for at, name in enumerate(["t0", "t1"]):
        start, end = 1_000 + at * 1_000_000, 1_000 + (at + 1) * 1_000_000
        span = Span(name, "test", start, end, 0, {"outcome": "passed"})
        server = Span("server", "process", 1_500, end, 0, {"pid": 99}, cut="end" if at == 0 else "start", key=(99, 1))
        main = slices(
            (start + 1_000, start + 2_000, 10 + at, 0), (start + 3_000, end, 12, 0, CUT_END if at == 0 else 8)
        )
        made = Timeline(name, start, end, [Process(4711, 1, "pytest", 500, [thread(main)])])
        made.lanes = [lane_of_test(span), lane_of_processes(0, server)]
        made.processes.append(
            Process(99, 4711, "server", 1_500, [thread(slices((start + 5, start + 9, 13, 0)), name="in")])
        )
        made.processes.append(
            Process(77, 1, "stranger", 1_500, [thread(slices((start + 5, start + 9, 13, 0)), name="x")])
        )
        windows.append(made)
    trace = read(combine(format, tmp_path, *windows))
    found = list(all_tests(trace))
    assert [trace.names[test.track.names[test.row]].text for test in found] == ["t0", "t1"]
    second = window(trace, found[1])
    assert [process.name for process in second.processes] == ["pytest", "server"]  # and nobody else's
    assert [row[:4] for row in rows(second, "test")] == [(0, 1_000_000, 0, "t1")]
    assert [row[:4] for row in rows(second, "MainThread")][-2:] == [
        (1_000, 2_000, 0, "f1"),
        (3_000, 1_000_000, 0, "f2"),
    ]
    assert [row[:4] for row in rows(second, "processes")] == [(0, 1_000_000, 0, "server")]
    assert [row[:2] for row in rows(second, "in")] == [(5, 9)]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_what_is_cut_off_is_damaged(tmp_path: Path, format: str, part: float) -> None:
    rows = random_rows(1, 2_000, first=2_000, shortest=1)
    path = write(format, tmp_path, timeline(thread(slices(*rows)), lanes=[lane_of_test(Span("t", "test", 1, 2, 0))]))
    whole = path.read_bytes()
    end = whole.rindex(b"</script>") if format == "html" else len(whole)  # a page has no data beyond
    path.write_bytes(whole[: int(end * part)])
    with pytest.raises(Damaged, match=r"is damaged: .") as error:
        read(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("format", FORMATS)
def test_damage_anywhere_never_crashes(tmp_path: Path, format: str) -> None:
    path = write(format, tmp_path, timeline(thread(slices(*random_rows(2, 60, first=2_000, shortest=1)))))
    good = path.read_bytes()
    for at in range(0, len(good), max(1, len(good) // 100)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x55]) + good[at + 1 :])
        try:
            read(path)
        except Damaged:
            pass


@pytest.mark.parametrize("format", ["perfetto", "chrome"])
def test_damage_that_the_checksum_does_not_see_never_crashes(tmp_path: Path, format: str) -> None:
    path = write(format, tmp_path, timeline(thread(slices(*random_rows(2, 60, first=2_000, shortest=1)))))
    good = gzip.decompress(path.read_bytes())
    for at in range(0, len(good), max(1, len(good) // 150)):
        for flip in (0x01, 0x80):
            path.write_bytes(gzip.compress(good[:at] + bytes([good[at] ^ flip]) + good[at + 1 :], 0))
            try:
                read(path)
            except Damaged:
                pass


def test_other_files_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"trace\.zip is no timeline: the name ends in none of \.html"):
        read(tmp_path / "trace.zip")
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b'{"traceEvents": []}'))
    with pytest.raises(Damaged, match="not written by pytest-timeline"):
        read(tmp_path / "a.json.gz")
    (tmp_path / "a.html").write_text("<html>")
    with pytest.raises(Damaged, match="no page of a report"):
        read(tmp_path / "a.html")
    with pytest.raises(OSError, match="gone"):
        read(tmp_path / "gone.html")


@pytest.mark.parametrize(
    ("block", "at", "lengths", "count"),
    [
        (b"", 0, [1, 0, 0, 0, 0, 0], 0),
        (b"", 0, [0] * 6, 1),
        (b"\x01" * 8, 9, [0] * 6, 0),
        (b"\x01\x01\x01\x01", 0, [1, 1, 1, 1, 0, 0], 1),  # closes what is not open
        (b"\x01\x01\x00\x80", 0, [1, 1, 1, 1, 0, 0], 1),  # a number without an end
        (b"\x01\x01\x00\x00\x80", 0, [1, 1, 1, 1, 1, 0], 1),
        (b"\x01" * 1200 + b"\x00" * 1200, 0, [600] * 4 + [0, 0], 600),  # deeper than any track is
        (b"\x01\x01\x01\x01", 0, [2**63, 1, 1, 1, 0, 0], 1),
    ],
)
def test_columns_that_are_none(block: bytes, at: int, lengths: list[int], count: int) -> None:
    with pytest.raises(ValueError, match=r"missing|cut off"):
        page_rows(block, at, lengths, count)


def test_packets_that_are_none() -> None:
    for data in (
        b"\x00",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x0a\x02\x5a\x05",
        b"\x0a\x02\x5a\x00",
    ):
        with pytest.raises(ValueError, match="packet"):
            Packets(None).feed(data)  # type: ignore[arg-type]
    assert Packets(None).feed(b"\x0a\x05\x00") == 0  # type: ignore[arg-type]
