"""What a test left is told at its end, and where it goes on."""

from __future__ import annotations

import os
from typing import Any

from pytest_timeline.collect import leaks
from pytest_timeline.collect.family import Family, Window
from pytest_timeline.timeline.model import Timeline
from support import spool_writer as w
from support.run_writer import Process, RunWriter, gone_pid

THREAD = {"kind": "thread", "name": "serve", "native_id": 1007}  # spool_writer's thread of serial 7
SLEEP = {"kind": "process", "name": "sleep 60", "pid": 4711}
TASK = {"kind": "task", "name": "Task-1"}


def add_test(root: Process, start: int, end: int, nodeid: str, *left: dict[str, Any]) -> None:
    root.mark(start, w.TEST_BEGIN, nodeid=nodeid, rerun=0)
    root.mark(
        end, w.TEST_END, outcome="passed", phases={}, **({"leaks": left, "leak_count": len(left)} if left else {})
    )


def ended(family: Family, until: int) -> list[Window]:
    family.look()
    family.scan()
    return [window for window in family.advance(until) if window.test]


def marked(run: RunWriter, timeline: Timeline) -> list[tuple[int, int, str, int, Any]]:
    """Return (pid, track's serial, name, tick, args) of the instants on tracks."""
    return [
        (process.pid, track.serial, instant.name, instant.tick - run.start, instant.args)
        for process in timeline.processes
        for track in process.tracks
        for instant in track.instants
    ]


def test_a_leak_is_told_at_the_test_s_end(run: RunWriter, family: Family) -> None:
    root = run.process()
    add_test(root, 100, 200, "a", THREAD, SLEEP, TASK)
    (window,) = ended(family, run.start + 300)
    assert [(i.name, i.category, i.tick - run.start, i.args) for i in window.timeline.lanes[0].instants] == [
        ("leaked thread serve", "test", 200, {"kind": "thread", "name": "serve", "native_id": 1007}),
        ("leaked process sleep 60 (4711)", "test", 200, {"kind": "process", "name": "sleep 60", "pid": 4711}),
        ("leaked task Task-1", "test", 200, {"kind": "task", "name": "Task-1", "id": None}),
    ]
    assert leaks.count(window.result) == 3


def test_there_may_be_more_than_was_told() -> None:
    assert leaks.count({"leaks": [THREAD], "leak_count": 70}) == 70
    assert leaks.count({}) == 0
    assert leaks.told({"leaks": None}) == []


def test_a_thread_is_marked_where_it_goes_on(run: RunWriter, family: Family) -> None:
    root = run.process()
    root.call(110, None, depth=1, thread=7)
    add_test(root, 100, 200, "a", THREAD)
    root.call(210, 220, thread=7)  # between tests
    add_test(root, 300, 400, "b")
    root.call(450, 460, thread=8)
    root.writer.record(run.start + 510, w.RETURN, 1, 1, thread=7)
    root.call(530, 540, thread=7)
    add_test(root, 500, 600, "c")
    add_test(root, 700, 800, "d")
    windows = ended(family, run.start + 1000)
    assert {window.timeline.name: marked(run, window.timeline) for window in windows} == {
        "a": [],
        "b": [(run.pid, 7, "leaked from a", 300, {"test": "a"})],
        "c": [(run.pid, 7, "leaked from a", 500, {"test": "a"})],
        "d": [],
    }


def test_another_thread_with_its_native_id_is_not_it(run: RunWriter, family: Family) -> None:
    root = run.process()
    root.call(110, 120, thread=7)
    add_test(root, 100, 200, "a", THREAD)
    root.writer.hand_back(7)
    root.writer.thread(run.start + 310, "another", 1007, thread=9)
    root.call(320, 330, thread=9)
    add_test(root, 300, 400, "b")
    _, window = ended(family, run.start + 500)
    assert 1007 in {track.native_id for track in window.timeline.processes[0].tracks}
    assert marked(run, window.timeline) == []


def test_a_thread_without_a_record_in_its_own_test(run: RunWriter, family: Family) -> None:
    root = run.process()
    add_test(root, 100, 200, "a", THREAD)
    root.call(320, 330, thread=7)
    add_test(root, 300, 400, "b")
    _, window = ended(family, run.start + 500)
    assert marked(run, window.timeline) == [(run.pid, 7, "leaked from a", 320, {"test": "a"})]


def test_a_process_and_its_children_are_marked_where_they_go_on(run: RunWriter, family: Family) -> None:
    root = run.process()
    child = run.process(tick=110, pid=os.getppid(), parent_pid=run.pid)
    child.call(120, None)
    other = run.process(tick=115, pid=gone_pid(), parent_pid=run.pid)
    other.call(320, 330)
    grandchild = run.process(tick=310, pid=1, parent_pid=os.getppid())
    grandchild.call(325, 335)
    add_test(root, 100, 200, "a", {"kind": "process", "name": "server", "pid": os.getppid()})
    add_test(root, 300, 400, "b")
    first, second = (window.timeline for window in ended(family, run.start + 500))
    assert marked(run, first) == []
    assert [process.args for process in first.processes[1:]] == [{}]
    assert {process.pid: process.args for process in second.processes[1:]} == {
        os.getppid(): {"leaked_from": "a"},
        other.writer.header()["pid"]: {},
        1: {"leaked_from": "a"},
    }
    assert marked(run, second) == [
        (os.getppid(), 0, "leaked from a", 300, {"test": "a"}),
        (1, 0, "leaked from a", 325, {"test": "a"}),
    ]


def test_a_pid_is_forgotten_when_its_process_is_gone(run: RunWriter, family: Family) -> None:
    pid = gone_pid()
    root = run.process()
    root.mark(100, w.TEST_BEGIN, nodeid="a", rerun=0)
    run.process(tick=110, pid=pid).call(120, 130)
    assert ended(family, run.start + 150) == []
    root.mark(
        200, w.TEST_END, outcome="passed", leaks=[{"kind": "process", "name": "server", "pid": pid}], leak_count=1
    )
    ended(family, run.start + 250)
    add_test(root, 260, 270, "in which it is gone")
    ended(family, run.start + 280)
    run.process(tick=310, pid=pid).call(320, 330)
    add_test(root, 300, 400, "b")
    (window,) = ended(family, run.start + 500)
    assert [process.args for process in window.timeline.processes[1:]] == [{}]
