"""Tasks hang below their threads, states below their tasks; trace_processor reads the same from both formats."""

from __future__ import annotations

import gzip
import itertools
import random
from pathlib import Path

import orjson
import pytest

from pytest_timeline.export import About, make
from pytest_timeline.export.tree import in_order, thread_of
from pytest_timeline.timeline.model import Flow, Instant, Process, Timeline, Track
from support import report
from support.timelines import (
    CLOCK,
    CUT_END,
    CUT_START,
    READY,
    RUNNING,
    SLEEP,
    THROWN,
    TRACES,
    WAITING,
    Drawn,
    arguments,
    arrows,
    combine,
    drawn,
    names,
    slices,
    task,
    thread,
    timeline,
    write,
)
from support.trace_processor import missing, query

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))
BLOCKED = 50
TREE = """
    select process.pid, parent.name, track.name from slice join track on slice.track_id = track.id
    join track as parent on track.parent_id = parent.id
    join track as root on root.id = coalesce(parent.parent_id, parent.id)
    join process_track on process_track.id = root.id join process using (upid)
    group by track.id order by process.pid, track.id"""


@pytest.fixture(params=TRACES)
def format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def loop_of(under: Track, *rows: tuple[int, int]) -> Track:
    known = names()
    known.add(BLOCKED, "blocked by time.sleep in io_task")
    args = {
        "duration_ms": 1.5,
        "frame": "time.sleep",
        "function": "io_task",
        "file": "a.py",
        "line": 3,
        "task": "Task-1",
    }
    instants = [Instant("blocked by time.sleep in io_task", "await", start, args) for start, _ in rows]
    made = slices(*((start, end, BLOCKED, 0) for start, end in rows))
    return Track("loop", "event loop", under.native_id, under.serial, made, known, [], instants, under)


def two_tasks(under: Track, serial: int, flow: int) -> list[Track]:
    """Return two tasks: one creates the other, waits for it, and fails with ValueError."""
    first, first_state = task(
        under,
        serial,
        "parent",
        slices((2_000, 9_000, 11, 0, THROWN, 30), (2_100, 8_500, 12, 1), (3_000, 8_000, SLEEP, 2)),
        slices(
            (1_500, 2_000, READY, 0),
            (2_000, 3_000, RUNNING, 0),
            (3_000, 7_000, WAITING, 0),
            (7_000, 8_000, READY, 0),
            (8_000, 9_000, RUNNING, 0),
        ),
    )
    second, second_state = task(
        under,
        serial + 1,
        "child",
        slices((4_000, 6_000, 11, 0)),
        slices((2_500, 4_000, READY, 0), (4_000, 6_000, RUNNING, 0)),
    )
    first.instants.append(Instant("ValueError", "python", 9_000, {"message": "no"}))
    first_state.flows += [Flow(flow, 2_500, False), Flow(flow + 1, 8_000, True)]
    second_state.flows += [Flow(flow, 4_000, True), Flow(flow + 1, 5_999, False)]
    return [first, first_state, second, second_state]


def several() -> Timeline:
    """Return two threads with loops and a child, in which tasks have the numbers of the parent's."""
    call = slices((1_000, 10_000, 10, 0))
    main, worker = thread(call), thread(call, name="worker", id=4712, serial=2)
    made = timeline(*two_tasks(worker, 3, 30), worker, loop_of(main, (2_000, 3_000)), *two_tasks(main, 1, 10), main)
    child = thread(call, id=99)
    made.processes.append(Process(99, 4711, "child", 600, [child, *two_tasks(child, 1, 990)]))
    return made


def short(track: str) -> str:
    """Return the track's name as Perfetto's own format has it."""
    return "state" if track.startswith("state of ") else track.rpartition(" / ")[2]


def test_perfetto_has_a_tree(tmp_path: Path) -> None:
    path = write("perfetto", tmp_path, several())
    drawn(path)
    (rows,) = query(path, TREE)
    main, worker = "Tasks of MainThread", "Tasks of worker"
    in_main = [
        (main, "Task-1 (parent)"),
        ("Task-1 (parent)", "state"),
        (main, "Task-2 (child)"),
        ("Task-2 (child)", "state"),
    ]
    in_worker = [
        (worker, "Task-3 (parent)"),
        ("Task-3 (parent)", "state"),
        (worker, "Task-4 (child)"),
        ("Task-4 (child)", "state"),
    ]
    assert sorted(rows) == sorted(
        [(99, *each) for each in in_main] + [(4711, *each) for each in [*in_main, *in_worker, (main, "event loop")]]
    )


def test_chrome_has_the_order(tmp_path: Path) -> None:
    path = write("chrome", tmp_path, several())
    objects = orjson.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    about = {"thread_name": "name", "thread_sort_index": "sort_index"}
    told = {
        what: {(each["pid"], each["tid"]): each["args"][key] for each in objects if each["name"] == what}
        for what, key in about.items()
    }
    places = [place for place in told["thread_name"] if place[0] == 4711]
    assert [told["thread_name"][place] for place in sorted(places, key=told["thread_sort_index"].__getitem__)] == [
        "MainThread",
        "MainThread / event loop",
        "MainThread / Task-1 (parent)",
        "state of Task-1 (parent)",
        "MainThread / Task-2 (child)",
        "state of Task-2 (child)",
        "worker",
        "worker / Task-3 (parent)",
        "state of Task-3 (parent)",
        "worker / Task-4 (child)",
        "state of Task-4 (child)",
    ]
    tids = {told["thread_name"][place]: place[1] for place in places}
    assert len(set(tids.values())) == len(places)
    assert sorted(tids, key=tids.__getitem__)[:3] == ["MainThread", "worker", "MainThread / event loop"]
    assert tids["state of Task-1 (parent)"] == tids["MainThread / Task-1 (parent)"] + 1 < 1 << 30


def test_both_formats_draw_the_same(tmp_path: Path) -> None:
    perfetto, chrome = (write(format, tmp_path, several()) for format in TRACES)
    assert sorted(arguments(perfetto)) == sorted(arguments(chrome))
    by_format = []
    for path in (perfetto, chrome):
        found = [row._replace(track=short(row.track)) for row in drawn(path)]
        joined = [[(short(end[0]), *end[1:]) for end in arrow] for arrow in arrows(path)]
        by_format.append((sorted(found), sorted(joined)))
    assert by_format[0] == by_format[1]
    found, joined = by_format[0]
    assert [row for row in found if row.track == "Task-3 (parent)"] == [
        Drawn("Task-3 (parent)", 1_000, 7_000, 0, "f1", "python"),
        Drawn("Task-3 (parent)", 1_100, 6_400, 1, "f2", "python"),
        Drawn("Task-3 (parent)", 2_000, 5_000, 2, "await asyncio.sleep", "await"),
        Drawn("Task-3 (parent)", 8_000, 0, 0, "ValueError", "python"),
    ]
    assert [row[1:] for row in found if row.track == "event loop"] == [
        (1_000, 0, 1, "blocked by time.sleep in io_task", "await"),
        (1_000, 1_000, 0, "blocked by time.sleep in io_task", "python"),
    ]
    assert {(row.name, row.category) for row in found if row.track == "state"} == {
        ("running", "python"),
        ("ready", "await"),
        ("waiting", "await"),
    }
    created, awaited = (1_000, 0, "running"), (3_000, 0, "running")
    assert [tuple(end[1:] for end in arrow) for arrow in joined] == [
        *[(created, (3_000, 0, "running"))] * 3,
        *[(awaited, (7_000, 0, "running"))] * 3,
    ]
    assert ("await asyncio.sleep", "line", "7") in arguments(perfetto)
    assert ("blocked by time.sleep in io_task", "duration_ms", "1.5") in arguments(perfetto)


def test_tasks_of_one_name_stay_apart(tmp_path: Path, format: str) -> None:
    main = thread(slices((1_000, 10_000, 10, 0)))
    tracks = [main]
    for serial in range(1, 21):
        frames = slices((2_000 + serial, 9_000 - serial, 11, 0), (3_000, 8_000, SLEEP, 1))
        made, state = task(main, serial, "same", frames, slices((2_000 + serial, 9_000 - serial, RUNNING, 0)))
        made.name = "same"
        tracks += [made, state]
    path = write(format, tmp_path, timeline(*tracks))
    drawn(path)
    (rows,) = query(
        path, "select name, count(), count(distinct track_id), max(depth) from slice group by name order by 1"
    )
    assert rows == [("await asyncio.sleep", 20, 20, 1), ("f0", 1, 1, 0), ("f1", 20, 20, 0), ("running", 20, 20, 0)]


def test_a_task_goes_on_over_windows(tmp_path: Path, format: str) -> None:
    """Each window has its own tracks; the thread has nothing to show in the second one."""
    windows = []
    for start in range(10_000, 40_000, 10_000):
        flags = (CUT_START if start > 10_000 else 0) | (CUT_END if start < 30_000 else 0)
        end = start + 10_000
        main = thread(slices((start + 100, end, 10, 0)) if start != 20_000 else slices())
        frames = [(start, end, 11, 0, flags), (start, end, SLEEP, 1, flags)]
        states = [(start, end, WAITING, 0, flags)]
        if start == 30_000:
            states = [(start, start + 5_000, WAITING, 0, flags), (start + 5_000, end, RUNNING, 0)]
            frames[1] = (start, start + 5_000, SLEEP, 1, flags)
        long = task(main, 1, "long", slices(*frames), slices(*states))
        ran = (start, start + 1_000)
        quick = task(main, start // 10_000 + 1, "quick", slices((*ran, 12, 0)), slices((*ran, RUNNING, 0)))
        tracks = [*long, *quick] if start == 20_000 else [main, *long, *quick]
        windows.append(timeline(*tracks, start=start, end=end))
    path = combine(format, tmp_path, *windows)
    found = [row._replace(track=short(row.track)) for row in drawn(path)]
    assert [row[1:] for row in found if row.track == "Task-1 (long)"] == [
        (9_000, 30_000, 0, "f1", "python"),
        (9_000, 25_000, 1, "await asyncio.sleep", "await"),
    ]
    assert [row.track for row in found if row.name == "f2"] == [f"Task-{n} (quick)" for n in (2, 3, 4)]
    states = [row[1:3] for row in found if row.track == "state"]
    assert sorted(states) == [(9_000, 1_000), (9_000, 25_000), (19_000, 1_000), (29_000, 1_000), (34_000, 5_000)]
    (rows,) = query(path, "select count(distinct track_id) from slice")
    assert rows == [(1 + 2 + 3 * 2,)]


def test_a_page_has_the_tree(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    path = tmp_path / "tests" / "t.html"
    made = several()
    made.processes[0].tracks[0].args["folded_steps"] = 12
    make("html", About()).write(made, CLOCK, path)
    page = report.read(path)
    tracks = page.head["tracks"]

    def above(track: dict[str, int]) -> str:
        return "" if track["parent"] is None else tracks[track["parent"]]["name"]

    assert [(track["kind"], track["name"], above(track)) for track in tracks if track["process"] == 0] == [
        ("thread", "worker", ""),
        ("task", "Task-3 (parent)", "worker"),
        ("state", "state", "Task-3 (parent)"),
        ("task", "Task-4 (child)", "worker"),
        ("state", "state", "Task-4 (child)"),
        ("thread", "MainThread", ""),
        ("loop", "event loop", "MainThread"),
        ("task", "Task-1 (parent)", "MainThread"),
        ("state", "state", "Task-1 (parent)"),
        ("task", "Task-2 (child)", "MainThread"),
        ("state", "state", "Task-2 (child)"),
    ]
    assert [track["args"] for track in tracks if "args" in track] == [{"folded_steps": 12}]
    assert [track["process"] for track in tracks] == [0] * 11 + [1] * 5
    table = page.model["names"]
    await_, other = (page.head["categories"].index(name) for name in ("await", "other"))
    said = {text: (table["category"][at], table["line"][at]) for at, text in enumerate(table["text"])}
    assert said["await asyncio.sleep"] == (await_, 7)
    assert (said["waiting"], said["ready"], said["running"]) == ((await_, 0), (await_, 0), (other, 0))
    state = 8
    assert [(each.start, each.end, page.name(each)) for each in page.slices[state]] == [
        (500, 1_000, "ready"),
        (1_000, 2_000, "running"),
        (2_000, 6_000, "waiting"),
        (6_000, 7_000, "ready"),
        (7_000, 8_000, "running"),
    ]
    starts = [(tracks[a]["parent"], ns, tracks[b]["parent"], to) for a, ns, b, to, _ in page.model["flows"]]
    assert (7, 1_500, 9, 3_000) in starts and len(starts) == 6


def test_what_is_below_comes_in_the_order_of_tasks() -> None:
    main, other = thread(slices()), thread(slices(), serial=2)
    gone = thread(slices(), serial=3)
    tracks = [main, other, loop_of(main), *task(gone, 9, "orphan", slices(), slices())]
    for serial in range(1, 6):
        tracks += task(main if serial % 2 else other, serial, "t", slices(), slices())
    shuffled = tracks[2:]
    random.Random(3).shuffle(shuffled)
    ordered = in_order([main, other, *shuffled])
    assert [(track.kind, track.serial) for track in ordered if track.kind != "state"] == [
        ("thread", 1), ("loop", 1), ("task", 1), ("task", 3), ("task", 5),
        ("thread", 2), ("task", 2), ("task", 4), ("task", 9),
    ]  # fmt: skip
    assert all(a.kind == "task" and b.under is a for a, b in itertools.pairwise(ordered) if b.kind == "state")
    assert {thread_of(track) for track in ordered if track.serial == 9} == {gone}
