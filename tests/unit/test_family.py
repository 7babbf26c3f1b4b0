"""A pytest process and its descendants are cut into windows by the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_timeline.collect.family import Family, Window
from pytest_timeline.collect.moment import moments
from pytest_timeline.collect.rate import Rate
from pytest_timeline.timeline.category import Categories
from pytest_timeline.timeline.model import Timeline
from support import spool_writer as w
from support.run_writer import Process, RunWriter, gone_pid


def advance(run: RunWriter, family: Family, until: int) -> list[Window]:
    family.look()
    family.scan()
    return list(family.advance(run.start + until))


def slices(run: RunWriter, timeline: Timeline) -> dict[str, list[tuple[int, int]]]:
    """Return (start, end) of each thread's slices, in ticks after the run's start."""
    return {
        f"{process.name}/{track.name}": [(row[0] - run.start, row[1] - run.start) for row in track.slices.rows()]
        for process in timeline.processes
        for track in process.tracks
        if track.kind == "thread"
    }


def test_windows_end_where_tests_begin_and_end(run: RunWriter, family: Family) -> None:
    root = run.process()
    root.call(10, 20)
    root.test(100, 200, "a")
    root.call(230, 240)
    root.test(300, 400, "b", "failed")
    windows = advance(run, family, 1000)
    spans = [(w.timeline.name, w.timeline.start - run.start, w.timeline.end - run.start) for w in windows]
    assert spans == [("", 0, 100), ("a", 100, 200), ("", 200, 300), ("b", 300, 400)]
    name = f"pytest ({os.getpid()})/Thread 1000"
    assert [slices(run, window.timeline) for window in windows] == [
        {name: [(10, 20)]},
        {name: [(110, 190)]},
        {name: [(230, 240)]},
        {name: [(310, 390)]},
    ]
    assert [window.timeline.args.get("outcome") for window in windows] == [None, "passed", None, "failed"]


def threads(timeline: Timeline) -> list[str]:
    return [track.name for process in timeline.processes for track in process.tracks if track.kind == "thread"]


def test_a_thread_from_before_the_first_test_is_in_those_in_which_it_does_anything(
    run: RunWriter, family: Family
) -> None:
    root = run.process()
    for thread, name in enumerate(("MainThread", "server", "other")):
        root.writer.thread(run.start + 1, name, 1000 + thread, thread)
    root.mark(10, w.SPAN_BEGIN, name="collection", cat="test")
    root.call(20, None, thread=1)
    root.mark(50, w.SPAN_END)
    root.test(100, 200, "a")
    root.call(250, None, thread=2)  # of no concern: it began later
    root.mark(300, w.TEST_BEGIN, nodeid="b")
    root.call(350, 360, depth=6, thread=1)
    root.mark(400, w.TEST_END)
    first, a, _, b = advance(run, family, 500)
    assert first.collection and not a.collection

    assert threads(first.alone) == ["server"]
    assert (threads(a.timeline), threads(a.alone)) == (["MainThread", "server"], ["MainThread"])
    assert threads(b.alone) == threads(b.timeline) == ["server", "other"]


def test_a_thread_from_before_the_first_test_that_only_died_in_one_is_not_in_it(tmp_path: Path) -> None:
    run = RunWriter(tmp_path)
    root = run.process()
    early = ["waits", "begins", "ends", "both", "folds", "returns"]
    for thread, name in enumerate(("MainThread", *early)):
        root.writer.thread(run.start + 1, name, 1000 + thread, thread)
    root.mark(10, w.SPAN_BEGIN, name="collection", cat="test")
    for thread in range(1, 1 + len(early)):
        root.call(20, None, thread=thread)
        root.call(30, None, depth=6, thread=thread)
    root.mark(50, w.SPAN_END)
    root.test(100, 200, "a")
    root.test(300, None, "b")
    root.call(310, None, depth=6, thread=7)  # the test's own
    root.call(320, None, depth=7, thread=2)
    root.writer.record(run.start + 330, w.RETURN, 6, 1, 3)
    root.writer.record(run.start + 340, w.RETURN, 6, 1, 4)
    root.call(350, None, depth=6, thread=4)
    root.call(360, 365, depth=7, thread=5)
    for depth in 6, 5:
        root.writer.record(run.start + 370, w.RETURN, depth, 1, 6)
    family = Family(run.spool_dir / "main")
    family.limit(50, 0)
    family.scan()
    family.look()
    _, a, _, b = family.finish(run.start + 10**9)
    family.close()
    assert threads(a.alone) == ["MainThread"]
    assert threads(b.timeline) == ["MainThread", *early, "Thread 1007"]
    assert threads(b.alone) == ["MainThread", *early[1:], "Thread 1007"]


def test_a_crash_is_when_the_process_died_though_only_an_idle_thread_had_anything_open(tmp_path: Path) -> None:
    run = RunWriter(tmp_path)
    root = run.process()
    root.mark(10, w.SPAN_BEGIN, name="collection", cat="test")
    root.writer.thread(run.start + 15, "waits", 1001, 1)
    root.call(20, None, thread=1)
    root.mark(1_000, w.SPAN_END)
    root.mark(100_000, w.TEST_BEGIN, nodeid="a")
    root.call(200_000, 300_000)
    root.mark(500_000, w.SPAN_BEGIN, name="teardown", cat="test")
    family = Family(run.spool_dir / "main")
    family.scan()
    family.look()
    _, window = family.finish(run.start + 10**9)
    assert family.root is not None
    (moment,) = moments(window, Rate(family.root), Categories())
    family.close()
    assert len(threads(window.timeline)) == 2 and len(threads(window.alone)) == 1
    assert moment["seconds"] == pytest.approx(400e-6, rel=0.01)


def test_descendants_are_cut_at_the_same_ticks(run: RunWriter, family: Family) -> None:
    root = run.process()
    root.test(100, 200, "a")
    server = run.process(tick=50, pid=gone_pid())
    server.writer.process(run.start + 50, "python", "-m", "server")
    server.call(60, None)
    server.call(150, 160, depth=6)
    server.writer.record(run.start + 500, w.RETURN, 5, 1)
    root.test(300, 400, "b")
    windows = advance(run, family, 600)
    name = f"python -m server ({server.writer.header()['pid']})/Thread 1000"
    assert [slices(run, window.timeline).get(name) for window in windows] == [
        [(60, 100)],
        [(100, 200), (150, 160)],
        [(200, 300)],
        [(300, 400)],
    ]


def test_a_forked_child_uses_its_parents_names(run: RunWriter, family: Family) -> None:
    root = run.process()
    root.name_code(1, "work")
    child = run.process(tick=50, pid=gone_pid(), first_id=2, parent=root.name)
    child.call(60, 70)
    root.test(100, 200, "a")
    before, _ = advance(run, family, 600)
    process = before.timeline.processes[1]
    assert process.name.startswith("forked (")
    (track,) = process.tracks
    assert track.names[track.slices.rows()[0][2]][0] == "work"


def test_processes_that_ended_are_let_go_but_their_slices_stay(run: RunWriter, family: Family) -> None:
    root = run.process()
    root.mark(10, w.TEST_BEGIN, nodeid="a")
    children = [run.process(tick=50 + i, pid=gone_pid()) for i in range(3)]
    for child in children:
        child.call(60, None)
    assert [window.timeline.name for window in advance(run, family, 600)] == [""]
    children[0].writer.set_dropped(5)
    assert advance(run, family, 601) == []
    assert [child.writer.path.exists() for child in children] == [False] * 3
    assert root.writer.path.exists()
    root.mark(700, w.TEST_END, outcome="passed")
    (window,) = advance(run, family, 800)
    _, *processes = window.timeline.processes
    assert len(processes) == 3
    assert {row[4] for process in processes for row in process.tracks[0].slices.rows()} == {64}
    assert len(family.members) == 1
    assert (window.dropped, family.dropped) == (5, 5)
    root.test(900, 950, "b")
    assert [window.dropped for window in advance(run, family, 1000)] == [0, 0]


def test_exec_ends_the_program_before_it(run: RunWriter, family: Family) -> None:
    root = run.process()
    live = os.getppid()
    before = run.process(tick=50, pid=live)
    before.call(60, None)
    after = run.process(tick=80, pid=live)
    after.call(90, None)
    advance(run, family, 200)
    root.mark(300, w.TEST_BEGIN, nodeid="a")
    (window,) = advance(run, family, 400)
    flags = [process.tracks[0].slices.rows()[0][4] for process in window.timeline.processes[1:]]
    assert flags == [64, 16]
    assert not before.writer.path.exists()
    assert after.writer.path.exists()


def test_what_is_open_at_a_death_does_not_go_on_in_the_next_window(run: RunWriter, family: Family) -> None:
    root = run.process()
    root.mark(10, w.TEST_BEGIN, nodeid="a")
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as process:
        child = run.process(tick=50, pid=process.pid)
        child.call(60, None)
        family.look()
        family.scan()
        process.kill()
    root.mark(200, w.TEST_END, outcome="passed")
    root.mark(300, w.TEST_BEGIN, nodeid="b")
    _, a, between = family.advance(run.start + 400)  # nobody has looked since
    ((_, died, _, _, flags, *_),) = a.timeline.processes[-1].tracks[0].slices.rows()
    assert (died - run.start, flags) == (200, 64)
    assert between.timeline.processes[1:] == []


def test_the_open_test_of_a_dead_process_has_crashed(tmp_path: Path) -> None:
    run = RunWriter(tmp_path)
    root = run.process()
    root.test(100, 200, "a")
    root.test(300, None, "b")
    root.call(350, None, depth=6)
    family = Family(run.spool_dir / "main")
    family.scan()
    family.look()
    assert family.root_is_gone
    windows = list(family.finish(run.start + 10**9))
    assert [window.timeline.args.get("outcome") for window in windows] == [None, "passed", None, "crashed"]
    assert slices(run, windows[-1].timeline) == {f"pytest ({run.pid})/Thread 1000": [(310, 350), (350, 350)]}
    assert windows[-1].timeline.end - run.start == 350
    assert root.writer.header()["stop"] == 1
    family.close()


def test_a_worker_has_its_name(tmp_path: Path) -> None:
    run = RunWriter(tmp_path)
    run.process("gw1").test(100, 200, "a")
    family = Family(run.spool_dir / "gw1")
    family.scan()
    window = list(family.finish(run.start + 1000))[1]
    assert window.timeline.args["worker"] == "gw1"
    assert window.timeline.processes[0].name == f"pytest gw1 ({run.pid})"
    family.close()


def test_what_is_no_spool_is_left_out(run: RunWriter, family: Family) -> None:
    root = run.process()
    directory = run.spool_dir / "main"
    (directory / "1-1.spool").write_bytes(b"?" * 200_000)
    (directory / "2-2.spool").write_bytes(b"")  # not ready yet
    (directory / "notes").touch()
    root.test(100, 200, "a")
    assert len(advance(run, family, 300)) == 2
    assert family.damaged == ["1-1.spool"]


def test_a_removed_directory_ends_nothing(run: RunWriter, family: Family) -> None:
    root: Process = run.process()
    advance(run, family, 10)
    root.writer.path.unlink()
    (run.spool_dir / "main").rmdir()
    root.test(100, 200, "a")
    assert [window.timeline.name for window in advance(run, family, 300)] == ["", "a"]


def test_a_snapshot_shows_the_open_window_and_leaves_it_open(run: RunWriter, family: Family) -> None:
    root = run.process()
    root.test(100, None, "a")
    root.mark(120, w.SPAN_BEGIN, name="setup", cat="test")
    root.mark(130, w.SPAN_END)
    root.mark(140, w.SPAN_BEGIN, name="call", cat="test")
    assert len(advance(run, family, 150)) == 1
    root.writer.set_dropped(2)
    name = f"pytest ({os.getpid()})/Thread 1000"
    for now in (200, 250):
        timeline = family.snapshot(run.start + now)
        assert slices(run, timeline) == {name: [(110, now)]}
        assert [(span.name, span.end - run.start, span.cut) for span in timeline.lanes[0].spans] == [
            ("a", now, "end"),
            ("setup", 130, ""),
            ("call", now, "end"),
        ]
        assert (timeline.name, timeline.args["outcome"], timeline.args["dropped"]) == ("a", "running", 2)
        assert [span.name for span in family.story.open] == ["a", "call"]
    root.mark(300, w.SPAN_END)
    root.writer.record(run.start + 310, w.RETURN, 5, 1)
    root.mark(400, w.TEST_END, outcome="passed")
    (window,) = advance(run, family, 500)
    assert slices(run, window.timeline) == {name: [(110, 310)]}
    assert [(span.end - run.start, span.cut) for span in window.timeline.lanes[0].spans] == [
        (400, ""),
        (130, ""),
        (300, ""),
    ]
    assert (window.timeline.args["outcome"], window.dropped) == ("passed", 2)
    between = family.snapshot(run.start + 600)
    assert (between.name, between.start - run.start, between.args) == ("", 400, {})


def test_a_private_family_leaves_the_spools_as_they_are(run: RunWriter) -> None:
    run.process().test(100, None, "a")
    child = run.process(tick=120, pid=gone_pid())
    child.call(130, 140)
    before = {path: path.read_bytes() for path in (run.spool_dir / "main").iterdir()}
    family = Family(run.spool_dir / "main", private=True)
    advance(run, family, 200)
    timeline = family.snapshot(run.start + 200)
    assert [len(process.tracks[0].slices) for process in timeline.processes] == [1, 1]
    family.close()
    assert {path: path.read_bytes() for path in (run.spool_dir / "main").iterdir()} == before


def test_lost_arguments_are_counted_and_matches_outlive_their_process(run: RunWriter, family: Family) -> None:
    family.limit(50, 0)
    root = run.process()
    child = run.process(tick=5, pid=gone_pid())
    child.writer.matched(run.start + 6, 1)
    root.writer.matched(run.start + 7, 0)
    root.mark(10, w.TEST_BEGIN, nodeid="a")
    for start, end in (20, 30), (100, 200):
        root.writer.record(run.start + start, w.START, 5, 1)
        root.writer.arguments(run.start + start, 1, n="1")
        root.writer.record(run.start + end, w.RETURN, 5, 1)
    root.mark(300, w.TEST_END, outcome="passed")
    root.test(400, 500, "b")
    _, window, *_ = advance(run, family, 600)
    assert window.timeline.args["lost_arguments"] == 1
    assert [process.tracks[0].slices.values() for process in window.timeline.processes] == [{0: ({"n": "1"}, None)}]
    for start in 700, 1000:
        root.test(start, start + 100, "later")
        advance(run, family, start + 200)
    assert len(family.members) == 1
    assert family.matched == 0b11
