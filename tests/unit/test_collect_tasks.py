"""Tasks become tracks, with arrows, lanes of loops and marks, and are counted: in a family's windows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pytest_timeline.collect import tasks
from pytest_timeline.collect.family import Family, Window
from pytest_timeline.collect.follow import Follower
from pytest_timeline.timeline.model import Process, Timeline, Track
from support import spool_writer as w
from support.run_writer import Process as Recorded
from support.run_writer import RunWriter
from unit.test_follow import manifest

MS = 1_000_000
FETCH, SLEEP, ERROR, CANCELLED, FILE = 31, 32, 33, 34, 35


@pytest.fixture
def root(run: RunWriter) -> Recorded:
    """The pytest process, in which `fetch` is a coroutine function."""
    process = run.process()
    writer, tick = process.writer, run.start + 1
    writer.string(tick, FILE, "/home/me/shop/net.py")
    writer.code(tick, FETCH, "fetch", FILE, 7, 0x80)
    writer.callable(tick, SLEEP, "time.sleep")
    writer.string(tick, ERROR, "ValueError")
    writer.string(tick, CANCELLED, "asyncio.exceptions.CancelledError")
    return process


def add_step(
    root: Recorded, task: int, start: int, end: int, *, first: bool = True, how: int = w.RETURN, raised: int = 0
) -> None:
    """A step of one frame."""
    at = root.origin
    root.writer.record(at + start, w.STEP, 5, task)
    root.writer.record(at + start, w.START if first else w.RESUME, 5, FETCH)
    if raised:
        root.writer.record(at + end, w.RAISED, 0, raised)
    root.writer.record(at + end, how, 5, FETCH)


def add_task(root: Recorded, task: int, tick: int) -> None:
    root.writer.task(root.origin + tick, task, f"Task-{task} (fetch)", created=True)


def window(run: RunWriter, family: Family, until: int) -> Window:
    """Return the newest test's window."""
    family.look()
    family.scan()
    *_, newest = [window for window in family.advance(run.start + until) if window.test]
    return newest


def begin(root: Recorded, tick: int, nodeid: str) -> None:
    root.mark(tick, w.TEST_BEGIN, nodeid=nodeid, rerun=0)


def end(root: Recorded, tick: int, **result: Any) -> None:
    root.mark(tick, w.TEST_END, outcome="passed", phases={}, **result)


def tracks(timeline: Timeline, kind: str) -> list[Track]:
    return [track for process in timeline.processes for track in process.tracks if track.kind == kind]


def rows(run: RunWriter, track: Track) -> list[tuple[str, int, int]]:
    return [(track.names[id][0], start - run.start, end - run.start) for start, end, id, *_ in track.slices.rows()]


def test_tasks_lie_below_their_thread_in_order_of_first_activity(
    run: RunWriter, root: Recorded, family: Family
) -> None:
    begin(root, 100, "a")
    add_task(root, 2, 110)
    add_task(root, 1, 120)
    add_step(root, 1, 130, 140)
    add_step(root, 2, 150, 160)
    end(root, 200)
    found = window(run, family, 300)
    (process,) = found.timeline.processes
    assert [(t.kind, t.name, t.serial, t.native_id, t.under and t.under.kind) for t in process.tracks] == [
        ("thread", "Thread 1000", 0, 1000, None),
        ("task", "Task-2 (fetch)", 2, 1000, "thread"),
        ("state", "state", 2, 1000, "task"),
        ("task", "Task-1 (fetch)", 1, 1000, "thread"),
        ("state", "state", 1, 1000, "task"),
    ]
    assert process.tracks[1].under is process.tracks[0]
    assert process.tracks[2].under is process.tracks[1]
    assert rows(run, process.tracks[2]) == [("ready", 110, 150), ("running", 150, 160)]
    assert found.concurrency.tasks == 2


def test_the_end_by_an_exception_and_notes_are_instants(run: RunWriter, root: Recorded, family: Family) -> None:
    begin(root, 100, "a")
    for task, raised in ((1, ERROR), (2, CANCELLED)):
        add_task(root, task, 110 * task)
        add_step(root, task, 130 * task, 140 * task, how=w.UNWIND, raised=raised)
    root.writer.note(run.start + 300, 1, "exception never retrieved: ValueError")
    root.writer.note(run.start + 310, 0, "never awaited: fetch")
    end(root, 400)
    timeline = window(run, family, 500).timeline
    found = [
        (track.name, i.name, i.tick - run.start)
        for t in timeline.processes
        for track in t.tracks
        for i in track.instants
    ]
    assert found == [
        ("Thread 1000", "never awaited: fetch", 310),
        ("Task-1 (fetch)", "ValueError", 140),
        ("Task-1 (fetch)", "exception never retrieved: ValueError", 300),
        ("Task-2 (fetch)", "cancelled", 280),
    ]


def test_arrows_lie_between_states_and_within_the_window(run: RunWriter, root: Recorded, family: Family) -> None:
    begin(root, 100, "a")
    add_task(root, 1, 110)
    add_step(root, 1, 120, 125, how=w.YIELD)
    root.writer.record(run.start + 180, w.START, 5, 1)
    root.writer.record(run.start + 190, w.READY, 0, 1)  # goes on in the next test: from where, cannot be shown
    end(root, 200)
    begin(root, 210, "b")
    add_step(root, 1, 220, 230, first=False)
    end(root, 300)
    family.look()
    family.scan()
    first, second = (window.timeline for window in family.advance(run.start + 400) if window.test)
    (thread,), (state,) = tracks(first, "thread"), tracks(first, "state")
    (leaves,), (enters,) = thread.flows, state.flows
    assert (leaves.id, leaves.tick - run.start, leaves.enters) == (enters.id, 110, False)
    assert (enters.tick - run.start, enters.enters) == (120, True)
    assert [track.flows for process in second.processes for track in process.tracks] == [[], [], []]


def test_what_blocks_a_loop_is_on_its_lane_and_told(run: RunWriter, root: Recorded, family: Family) -> None:
    family.limit(0, 0, 50 * MS)
    begin(root, 1 * MS, "a")
    add_task(root, 1, 2 * MS)
    at = run.start
    root.writer.record(at + 10 * MS, w.STEP, 5, 1)
    root.writer.record(at + 10 * MS, w.START, 5, FETCH)
    root.writer.record(at + 11 * MS, w.CALL, 5, SLEEP)
    root.writer.record(at + 71 * MS, w.C_RETURN, 5, SLEEP)
    root.writer.record(at + 72 * MS, w.RETURN, 5, FETCH)
    end(root, 80 * MS)
    found = window(run, family, 90 * MS)
    (lane,) = tracks(found.timeline, "loop")
    assert (lane.name, lane.serial, lane.under and lane.under.kind) == ("event loop", 0, "thread")
    name = "blocked by time.sleep in fetch"
    assert rows(run, lane) == [(name, 10 * MS, 72 * MS)]
    (instant,) = lane.instants
    assert (instant.name, instant.tick) == (name, at + 10 * MS)
    assert instant.args == {
        "duration_ms": 62.0,
        "frame": "time.sleep",
        "function": "fetch",
        "file": "/home/me/shop/net.py",
        "line": 7,
        "task": "Task-1 (fetch)",
    }
    assert [track.kind for track in found.timeline.processes[0].tracks] == ["thread", "loop", "task", "state"]


def test_run_json_has_tasks_and_what_blocked(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "timeline", root="/home/me/shop", block_threshold_ns=50 * MS)
    root = run.process()
    root.writer.string(run.start + 1, FILE, "/home/me/shop/net.py")
    root.writer.code(run.start + 1, FETCH, "fetch", FILE, 7, 0x80)
    begin(root, 1 * MS, "a")
    for task in (1, 2):
        add_task(root, task, 2 * MS)
        add_step(root, task, task * 100 * MS, (task * 100 + 60) * MS)
    end(root, 300 * MS)
    Follower(run.spool_dir).run()
    (test,) = manifest(run.directory)["tests"]
    assert (test["tasks"], test["blocks"]) == (2, 2)
    assert test["blocked"] == ["fetch for 60 ms (net.py:7)"] * 2


def test_tasks_beyond_the_budget_of_a_window_are_counted(
    run: RunWriter, root: Recorded, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "MOST_TASKS", 3)
    family.processes.ns_per_tick = 1e6
    begin(root, 100, "a")
    tick = 110
    for task in range(1, 11):
        add_task(root, task, tick)
        add_step(
            root, task, tick + 1, tick + 2 + (task == 5) * 50, how=w.UNWIND if task == 7 else w.RETURN, raised=ERROR
        )
        tick += 100
    end(root, tick)
    found = window(run, family, tick)
    assert {track.serial for track in tracks(found.timeline, "task")} == {1, 5, 7}
    assert found.timeline.args["folded_tasks"] == {"tasks": 7, "steps": 7, "running_ms": 7.0}
    assert found.concurrency.tasks == 10


def test_a_task_that_was_left_is_marked_where_it_goes_on(run: RunWriter, root: Recorded, family: Family) -> None:
    begin(root, 100, "a")
    add_task(root, 1, 110)
    add_step(root, 1, 120, 125, how=w.YIELD)
    end(root, 200, leaks=[{"kind": "task", "name": "Task-1 (fetch)"}], leak_count=1)
    begin(root, 210, "b")
    end(root, 300)
    assert tracks(window(run, family, 400).timeline, "task") == []
    begin(root, 410, "c")
    add_step(root, 1, 420, 430, first=False, how=w.YIELD)
    end(root, 500)
    (task,) = tracks(window(run, family, 600).timeline, "task")
    assert task.args == {"leaked_from": "a"}
    assert [(i.name, i.args) for i in task.instants] == [("leaked from a", {"test": "a"})]


def test_a_look_shows_tasks_and_leaves_them_as_they_are(run: RunWriter, root: Recorded, family: Family) -> None:
    begin(root, 100, "a")
    add_task(root, 1, 110)
    add_step(root, 1, 120, 125, how=w.YIELD)
    family.look()
    family.scan()
    assert list(family.advance(run.start + 190))[-1].timeline.name == ""
    looks = [family.snapshot(run.start + 190) for _ in range(2)]
    for look in looks:
        (task,) = tracks(look, "task")
        assert rows(run, task) == [("fetch", 120, 190), ("await fetch", 125, 190)]
    end(root, 200)
    (task,) = tracks(window(run, family, 300).timeline, "task")
    assert rows(run, task) == [("fetch", 120, 200), ("await fetch", 125, 200)]


def test_a_process_of_which_only_a_task_is_to_be_drawn_is_drawn(run: RunWriter, root: Recorded, family: Family) -> None:
    begin(root, 100, "a")
    child = run.process(tick=50, pid=os.getppid())
    child.writer.task(run.start + 110, 1, "Task-1 (fetch)", created=True)
    end(root, 200)
    timeline = window(run, family, 300).timeline
    assert [(p.pid, [t.kind for t in p.tracks]) for p in timeline.processes] == [
        (run.pid, []),
        (os.getppid(), ["task", "state"]),
    ]
    assert isinstance(timeline.processes[1], Process)
