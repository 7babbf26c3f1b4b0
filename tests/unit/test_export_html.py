"""A test's page, read back by an independent decoder: the same slices as the other formats, and nothing breaks out."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_timeline._codec import Names, uses
from pytest_timeline.export import About, make
from pytest_timeline.timeline.model import Clock, Flow, Instant, Process, Span, Timeline
from support.report import Damaged, Page, Slice, read
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
    YIELDED,
    Row,
    lane_of_processes,
    lane_of_test,
    names,
    random_rows,
    slices,
    thread,
    timeline,
)

HOUR = 3600 * 10**9
HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]></title><img src=x onerror=alert(1)>",
    "{{blocks}}{{head}}",
    '" onmouseover="alert(1)',
    "&lt;b&gt;\u2028\r\n\t\x00\x1b[31m",
    "\udcff\ud800",
    "<a>.<locals>.<lambda>",
]


def write(directory: Path, made: Timeline, clock: Clock = CLOCK, **about: Any) -> Path:
    path = directory / "tests" / "t.html"
    path.parent.mkdir(exist_ok=True)
    make("html", About(**about)).write(made, clock, path)
    return path


def page(directory: Path, made: Timeline, clock: Clock = CLOCK, **about: Any) -> Page:
    return read(write(directory, made, clock, **about))


def chrome(directory: Path, made: Timeline, clock: Clock) -> list[dict[str, Any]]:
    """Return the slices that the Chrome exporter has, which writes them in order of begin, track by track."""
    path = directory / "t.json.gz"
    make("chrome").write(made, clock, path)
    return [event for event in json.loads(gzip.decompress(path.read_bytes()))["traceEvents"] if event["ph"] == "X"]


@pytest.mark.parametrize("shortest", [0, 1])
@pytest.mark.parametrize(("clock", "first"), [(CLOCK, 5_000), (Clock(7, 1 / 2.9), 5_000), (CLOCK, 200 * HOUR)])
def test_random_slices_are_those_of_the_other_formats(tmp_path: Path, clock: Clock, first: int, shortest: int) -> None:
    rows = [random_rows(seed, 3_000, first=first + seed, shortest=shortest) for seed in (1, 2)]
    made = timeline(thread(slices(*rows[0])), thread(slices(*rows[1]), name="other", id=4712, serial=2))
    found = page(tmp_path, made, clock)
    events = chrome(tmp_path, made, clock)
    assert len(events) == 6_000
    for track, expected in ((0, events[:3_000]), (1, events[3_000:])):
        for slice, event in zip(found.slices[track], expected, strict=True):
            args = event["args"]
            assert found.name(slice) == event["name"]
            if first < HOUR:  # else a float of microseconds has not all the digits
                assert (slice.start, slice.end - slice.start) == (round(event["ts"] * 1e3), round(event["dur"] * 1e3))
            raised = "?" if slice.raised is None else found.model["names"]["text"][slice.raised]
            assert (raised if slice.flags & THROWN else None) == args.get("exception")
            assert slice.folded == args.get("folded", 0)
            assert bool(slice.flags & HEALED) == args.get("healed", False)
    if shortest and clock.ns_per_tick == 1.0:  # nothing had to give way
        expected_rows = [(row[0] - 1_000, row[1] - 1_000, row[3]) for row in rows[0]]
        assert [slice[:3] for slice in found.slices[0]] == expected_rows


def test_every_flag_and_what_was_folded(tmp_path: Path) -> None:
    rows: list[Row] = [
        (2_000, 9_000, 10, 0, CUT_START | CUT_END),
        (2_100, 2_200, 11, 1, RESUMED | YIELDED, 0, 5, 77),
        (2_200, 2_300, 12, 1),
        (2_300, 2_400, 13, 1, THROWN, 30),
        (2_400, 2_500, 13, 1, THROWN),
        (2_500, 2_600, 13, 1, THROWN | HEALED | DIED, 30, 1 << 40, 1 << 50),
    ]
    found = page(tmp_path, timeline(thread(slices(*rows))))
    text = found.model["names"]["text"]
    assert found.slices[0] == [
        Slice(1_000, 8_000, 0, text.index("f0"), CUT_START | CUT_END),
        Slice(1_100, 1_200, 1, text.index("f1"), RESUMED | YIELDED, None, 5, 77),
        Slice(1_200, 1_300, 1, text.index("f2")),
        Slice(1_300, 1_400, 1, text.index("f3"), THROWN, text.index("ValueError")),
        Slice(1_400, 1_500, 1, text.index("f3"), THROWN, None),
        Slice(1_500, 1_600, 1, text.index("f3"), THROWN | HEALED | DIED, text.index("ValueError"), 1 << 40, 1 << 50),
    ]
    assert text[0] == "f3"  # the most frequent first
    totals = ((1 << 40) + 5, (1 << 50) + 77)
    assert (found.head["folded"], found.head["folded_ns"]) == totals
    assert (found.head["tracks"][0]["folded"], found.head["tracks"][0]["folded_ns"]) == totals


@pytest.mark.parametrize("deepest", [511, 512, 20_000])
def test_slices_too_deep_are_folded_into_the_deepest_drawn(tmp_path: Path, deepest: int) -> None:
    rows: list[Row] = [(10_000 + depth, 90_000 - depth, 10, depth) for depth in range(deepest)]
    found = page(tmp_path, timeline(thread(slices(*rows)))).slices[0]
    assert [slice.depth for slice in found] == list(range(min(deepest, 512)))
    too_deep = max(deepest - 512, 0)
    assert found[-1][-2:] == (too_deep, 80_000 - 2 * 512 if too_deep else 0)


def test_the_names_of_processes_are_one_table(tmp_path: Path) -> None:
    mine, other = Names(), Names()
    mine.add(5, "lib/a.py")
    other.add(3, "lib/a.py")
    mine.add(1, "shared", CODE, 5, 7, 32)
    other.add(2, "shared", CODE, 3, 7, 32)
    mine.add(2, "mine", CODE, 5, 9)
    other.add(9, "time.sleep", CALLABLE, 0, 0, 1)
    made = timeline(thread(slices((2_000, 2_500, 1, 0), (2_500, 2_600, 2, 0), (2_700, 2_701, 99, 0)), mine))
    made.processes.append(
        Process(77, 4711, "child", 1, [thread(slices((2_000, 2_400, 2, 0), (2_500, 2_900, 9, 0)), other)])
    )
    found = page(tmp_path, made, root="/project")
    table = found.model["names"]
    rows = {
        text: [table[key][at] for key in ("kind", "file", "line", "flags")] for at, text in enumerate(table["text"])
    }
    assert rows == {"shared": [0, 0, 7, 32], "mine": [0, 0, 9, 0], "time.sleep": [1, -1, 0, 1], "?": [2, -1, 0, 0]}
    assert [[found.name(slice) for slice in track] for track in found.slices.values()] == [
        ["shared", "mine", "?"],
        ["shared", "time.sleep"],
    ]
    assert table["text"][0] == "shared"
    assert found.model["files"] == {
        "path": ["lib/a.py"], "short": ["lib/a.py"], "package": ["lib"], "category": [0], "source": [""],
    }  # fmt: skip
    categories = [found.head["categories"][category] for category in table["category"]]
    assert dict(zip(table["text"], categories, strict=True)) == {
        "shared": "own", "mine": "own", "time.sleep": "sleep", "?": "other",
    }  # fmt: skip
    assert [process["parent"] for process in found.head["processes"]] == [None, 0]
    assert [track["process"] for track in found.head["tracks"]] == [0, 1]


def test_times_by_category_add_up_to_what_the_main_thread_did(tmp_path: Path) -> None:
    known = names()
    known.add(40, "time.sleep", CALLABLE)
    rows: list[Row] = [
        (2_000, 3_000, 10, 0, 0, 0, 2, 100),
        (2_100, 2_700, 20, 1),
        (2_200, 2_600, 40, 2),
        (3_000, 3_500, 40, 0),
    ]
    waiting = thread(slices((2_000, 9_000, 40, 0)), known, name="waiting", id=1, serial=2)
    found = page(tmp_path, timeline(waiting, thread(slices(*rows), known)), root="/project")
    assert found.head["times"] == {"own": 400, "c": 200, "sleep": 900}
    assert sum(found.head["times"].values()) == found.head["tracks"][1]["busy"]
    assert uses(slices((2_000, 3_000, 10, 0, THROWN, 30), (2_000, 2_100, 11, 1))) == {
        10: (1, 900), 11: (1, 100), 30: (1, 0),
    }  # fmt: skip


def test_the_story_is_a_track_of_its_own(tmp_path: Path) -> None:
    spans = [
        Span("tests/test_a.py::test_x", "test", 1_000, 9_000, 0, {"file": "tests/test_a.py", "line": 3}),
        Span("setup", "test", 1_000, 2_000, 1),
        Span("database", "fixture", 1_500, 1_900, 2, {"scope": "session", "big": 1 << 60, "none": None}),
        Span("call", "test", 2_000, 8_000, 1),
    ]
    instants = [
        Instant(
            "ValueError",
            "test",
            7_000,
            {
                "exception": "ValueError",
                "message": "no",
                "phase": "call",
                "left_out": 2,
                "notes": ["why"],
                "traceback": ["a.py:3 f", "... 12 frames left out", "C:\\b.py:4 K.<lambda> x"],
                "others": [{"of": 0, "as": "cause", "exception": "OSError", "message": "x", "cut": 9, "traceback": []}],
            },
        ),
        Instant("note", "user", 3_000),
    ]
    made = timeline(
        thread(slices((2_500, 2_600, 10, 0))),
        end=9_000,
        lanes=[lane_of_test(*spans, instants=instants)],
        args={
            "outcome": "failed",
            "worker": "gw0",
            "rerun": 1,
            "folded": 0,
            "dropped": 4,
            "exception": "ValueError: no",
            "reason": "since",
        },
    )
    found = page(tmp_path, made, formats=("html", "perfetto", "chrome"), versions={"python": "3.13.0"})
    head = found.head
    assert [track["kind"] for track in head["tracks"]] == ["test", "thread"]
    assert {"slices": 4, "levels": 3, "first": 0, "last": 8_000, "busy": 8_000}.items() <= head["tracks"][0].items()
    rows = found.model["rows"]["0"]
    assert rows[1:] == [
        [0, 1_000, 1, "setup", "test", None],
        [500, 900, 2, "database", "fixture", {"scope": "session", "big": str(1 << 60)}],
        [1_000, 7_000, 1, "call", "test", None],
    ]
    assert rows[0][:5] == [0, 8_000, 0, "tests/test_a.py::test_x", "test"]
    assert found.model["instants"] == [
        [0, 2_000, "note", "user", None],
        [0, 6_000, "ValueError", "test", instants[0].args],
    ]
    assert head["failures"] == [
        {
            "at": 6_000, "phase": "call", "type": "ValueError", "message": "no", "left_out": 2, "notes": ["why"],
            "traceback": [["a.py", 3, "f"], 12, ["C:\\b.py", 4, "K.<lambda> x"]],
            "others": [{"of": 0, "as": "cause", "type": "OSError", "message": "x", "cut": 9, "traceback": []}],
        }
    ]  # fmt: skip
    assert head["phases"] == [
        {"name": "setup", "start": 0, "end": 1_000},
        {"name": "call", "start": 1_000, "end": 7_000},
    ]
    about = ("outcome", "worker", "rerun", "dropped", "duration", "file", "line", "versions", "run", "reason")
    assert [head[key] for key in about] == [
        "failed", "gw0", 1, 4, 8_000, "tests/test_a.py", 3, {"python": "3.13.0"}, "../index.html", "since",
    ]  # fmt: skip
    assert head["files"] == {"perfetto": "t.pftrace.gz", "chrome": "t.json.gz"}
    assert "failed" in found.elements.title


def test_processes_arrows_and_instants_of_any_track(tmp_path: Path) -> None:
    main = thread(slices((2_000, 8_000, 10, 0), (3_000, 4_000, 11, 1)))
    main.flows = [Flow(1, 3_500, False), Flow(2, 3_600, False), Flow(9, 3_700, False)]
    main.instants = [Instant("blocked", "user", 5_000, {"ms": 3})]
    child = thread(slices((5_000, 7_000, 12, 0)), id=78, serial=1)
    child.flows = [Flow(1, 5_500, True)]
    lanes = [
        lane_of_test(Span("t", "test", 1_000, 9_000, 0)),
        lane_of_processes(0, Span("sh -c x", "process", 4_500, 9_000, 0, {"status": 0}, flow=2, cut="end")),
    ]
    made = timeline(main, lanes=lanes, end=9_000)
    made.processes.append(Process(78, 4711, "child", 4_500, [child], args={"leaked_from": "a::b", "big": 1 << 60}))
    found = page(tmp_path, made)
    assert [track["kind"] for track in found.head["tracks"]] == ["test", "process", "thread", "thread"]
    assert found.model["rows"]["1"] == [[3_500, 8_000, 0, "sh -c x", "process", {"status": 0, "cut": "end"}]]
    assert sorted(found.model["flows"]) == [[2, 2_500, 3, 4_500, ""], [2, 2_600, 1, 3_500, ""]]
    assert found.model["instants"] == [[2, 4_000, "blocked", "user", {"ms": 3}]]
    assert found.head["processes"][1]["args"] == {"leaked_from": "a::b", "big": str(1 << 60)}


def test_a_test_without_anything(tmp_path: Path) -> None:
    found = page(tmp_path, Timeline("test_it", 1_000, 2_000, []))
    assert (found.head["tracks"], found.head["processes"], found.slices) == ([], [], {})
    assert not {"failures", "reason"} & found.head.keys()
    empty = page(tmp_path, timeline(thread(slices())))
    assert empty.slices == {0: []}


def test_many_threads_share_blocks_and_long_tracks_have_their_own(tmp_path: Path) -> None:
    long = [(start, start + 10, 10 + start % 7, 0) for start in range(2_000, 8_002_000, 20)]
    tracks = [thread(slices((2_000 + i, 2_900, 10, 0)), name=f"t{i}", id=i + 1, serial=i + 1) for i in range(300)]
    tracks.insert(150, thread(slices(*long), name="long", id=999))
    found = page(tmp_path, timeline(*tracks, end=9_000_000))
    assert [about["kind"] for about in found.head["blocks"]] == ["model", "slices", "slices"]
    assert [found.slices[found.track(f"t{i}")][0].start for i in range(300)] == [1_000 + i for i in range(300)]
    assert len(found.slices[found.track("long")]) == len(long)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("standalone", [False, True])
def test_no_text_breaks_out(tmp_path: Path, hostile: str, standalone: bool) -> None:
    plain = write(tmp_path, timeline(thread(slices((2_000, 3_000, 10, 0)))), standalone=standalone)
    tags = [tag for tag, _ in read(plain).elements.tags]
    clean = hostile.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    code = hostile.replace("\ud800", "")  # no file system and no spool has it
    known = Names()
    known.add(1, code)
    known.add(10, code, CODE, 1, 1)
    failure = Instant(hostile, "test", 2_000, {"message": hostile, "exception": hostile})
    made = timeline(
        thread(slices((2_000, 3_000, 10, 0)), known, name=hostile),
        lanes=[lane_of_test(Span(hostile, "test", 1_000, 9_000, 0, {hostile: hostile}), instants=[failure])],
        args={"outcome": "failed", "exception": hostile},
    )
    made.name = made.processes[0].name = hostile
    found = page(tmp_path, made, standalone=standalone, root=hostile)
    assert [tag for tag, _ in found.elements.tags if tag not in ("p", "pre")] == [tag for tag in tags if tag != "p"]
    assert found.head["nodeid"] == found.head["processes"][0]["name"] == found.head["failures"][0]["type"] == clean
    assert found.head["tracks"][1]["name"] == found.model["instants"][0][2] == clean
    assert found.model["rows"]["0"][0][5][clean] == clean
    assert found.name(found.slices[1][0]) == found.model["files"]["path"][0]
    assert found.name(found.slices[1][0]) == code.replace("\udcff", "\ufffd")


def test_a_page_that_is_cut_off_says_so(tmp_path: Path) -> None:
    rows = random_rows(1, 3_000, first=5_000, shortest=1)
    path = write(tmp_path, timeline(thread(slices(*rows))))
    text = path.read_text(encoding="utf-8")
    assert len(read(path).slices[0]) == 3_000
    start = text.index('id="block-1">')
    for end in (start, start + 20, start + 1_001, text.index("</script>", start) - 1):
        path.write_text(text[:end], encoding="utf-8")
        with pytest.raises(Damaged):
            read(path)


def test_own_functions_bring_their_source(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "b.py").write_text("def g(): pass")
    text = "import x\n\n@x\ndef f0(\n    a,\n):\n    return a\n\n\ndef unused():\n    pass\n"
    (tmp_path / "src" / "a.py").write_text(text)
    known = Names()
    known.add(1, "src/a.py")
    known.add(2, "f0", CODE, 1, 3)
    known.add(3, str(tmp_path / "site-packages" / "b.py"))
    known.add(4, "g", CODE, 3, 1)
    made = timeline(thread(slices((2_000, 3_000, 2, 0), (2_100, 2_200, 4, 1)), known))
    alone = page(tmp_path, made, root=str(tmp_path), standalone=True)
    place = alone.model["files"]["path"].index("src/a.py")
    assert alone.source == {str(place): [[3, "@x\ndef f0(\n    a,\n):\n    return a\n"]]}
    assert alone.model["files"]["source"] == ["", ""]
    assert not (tmp_path / "assets").exists()

    exporter = make("html", About(root=str(tmp_path)))
    for name in ("t.html", "t2.html"):
        exporter.write(made, CLOCK, tmp_path / "tests" / name)
    shared = read(tmp_path / "tests" / "t2.html")
    assert shared.source == {}
    key = shared.model["files"]["source"][place]
    assert [bool(each) for each in shared.model["files"]["source"]] == [at == place for at in (0, 1)]
    assert [name for name in exporter.shared if "source-" in name] == [f"assets/source-{key}.js"]
    script = (tmp_path / f"assets/source-{key}.js").read_text(encoding="utf-8")
    assert json.loads(script.removeprefix("timelineSource(").join("[]").replace(")]", "]")) == [key, text]
