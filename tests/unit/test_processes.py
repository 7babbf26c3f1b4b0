"""Processes are drawn from start to exit, whoever tells of them and in whatever order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_timeline.collect.family import Family, Window
from pytest_timeline.timeline.model import Flow, Span, Timeline
from support.run_writer import Process, RunWriter, gone_pid

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="statuses as wait() tells them")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def advance(run: RunWriter, family: Family, until: int) -> list[Window]:
    family.look()
    family.scan()
    return list(family.advance(run.start + until))


def of_tests(windows: list[Window]) -> list[Window]:
    return [window for window in windows if window.test]


def drawn(window: Window) -> list[Span]:
    """Return the spans of processes, in order of start."""
    lanes = [lane for lane in window.timeline.lanes if lane.kind == "process"]
    assert [lane.row for lane in lanes] == sorted({lane.row for lane in lanes})
    return sorted((span for lane in lanes for span in lane.spans), key=lambda span: (span.start, span.depth))


def brief(run: RunWriter, span: Span) -> tuple[Any, ...]:
    return span.name, span.start - run.start, span.end - run.start, span.cut


def child(root: Process, tick: int, pid: int, *words: str, start: int) -> None:
    root.writer.child(root.origin + tick, pid, *words, start=root.origin + start)


def test_a_program_from_its_start_to_its_exit(run: RunWriter, family: Family) -> None:
    root, pid = run.process(), gone_pid()
    root.mark(100, 3, nodeid="a")
    child(root, 120, pid, "/bin/ls", "-l", start=110)
    root.writer.reaped(root.origin + 180, pid, 3 << 8)
    root.mark(200, 4, outcome="passed")
    (window,) = of_tests(advance(run, family, 1000))
    (span,) = drawn(window)
    assert brief(run, span) == ("ls -l", 110, 180, "")
    assert span.args == {
        "argv": ["/bin/ls", "-l"],
        "pid": pid,
        "parent_pid": os.getpid(),
        "recorded": False,
        "exit_code": 3,
    }


@pytest.mark.parametrize(
    ("status", "end"),
    [
        (0, {"exit_code": 0}),
        (signal.SIGKILL, {"signal": "SIGKILL"}),
        (signal.SIGSEGV | 0x80, {"signal": "SIGSEGV"}),  # and dumped core
        (None, {"exit": "not known"}),
    ],
)
def test_how_it_ended(run: RunWriter, family: Family, status: int | None, end: dict[str, Any]) -> None:
    root, pid = run.process(), gone_pid()
    root.mark(100, 3, nodeid="a")
    child(root, 120, pid, "true", start=110)
    root.writer.reaped(root.origin + 180, pid, status)
    root.mark(200, 4)
    (window,) = of_tests(advance(run, family, 1000))
    assert {key: value for key, value in drawn(window)[0].args.items() if key in ("exit_code", "signal", "exit")} == end


def test_one_that_lives_through_several_tests_is_cut_by_them(
    run: RunWriter, family: Family, sleeper: subprocess.Popen[bytes]
) -> None:
    root = run.process()
    root.test(100, 200, "a")
    child(root, 250, sleeper.pid, "server", start=250)
    root.test(300, 400, "b")
    root.mark(500, 3, nodeid="c")
    windows = advance(run, family, 1000)
    root.writer.reaped(root.origin + 550, sleeper.pid, 0)
    root.mark(600, 4)
    windows += advance(run, family, 2000)
    assert [brief(run, span) for window in windows for span in drawn(window)] == [
        ("server", 250, 300, "end"),
        ("server", 300, 400, "both"),
        ("server", 400, 500, "both"),
        ("server", 500, 550, "start"),
    ]
    assert len({span.key for window in windows for span in drawn(window)}) == 1


def test_the_call_that_started_it_points_at_it(run: RunWriter, family: Family) -> None:
    root, pid = run.process(), gone_pid()
    root.mark(100, 3, nodeid="a")
    root.call(105, None)
    child(root, 120, pid, "ls", start=110)
    root.mark(200, 4)
    (window,) = of_tests(advance(run, family, 1000))
    (process,) = window.timeline.processes
    (track,) = process.tracks
    ((id, tick, enters),) = track.flows
    assert (tick - run.start, enters) == (120, False)
    assert [span.flow for span in drawn(window)] == [id]


def test_a_recorded_one_is_pointed_at_where_it_begins(
    run: RunWriter, family: Family, sleeper: subprocess.Popen[bytes]
) -> None:
    root = run.process()
    root.mark(100, 3, nodeid="a")
    root.call(105, None)
    child(root, 120, sleeper.pid, "python", "x.py", start=110)
    own = run.process(tick=140, pid=sleeper.pid)
    own.call(150, 160)
    root.mark(200, 4)
    (window,) = of_tests(advance(run, family, 1000))
    (span,) = drawn(window)
    assert (*brief(run, span), span.flow, span.args["recorded"]) == ("python x.py", 110, 200, "end", 0, True)
    flows = [
        (track.name, *flow) for process in window.timeline.processes for track in process.tracks for flow in track.flows
    ]
    (_, out, at, enters), (_, into, there, entered) = flows
    assert (out, at - run.start, enters, there - run.start, entered) == (into, 120, False, 150, True)


def test_it_may_be_met_before_its_start_is_told(
    run: RunWriter, family: Family, sleeper: subprocess.Popen[bytes]
) -> None:
    root = run.process()
    root.mark(100, 3, nodeid="a")
    own = run.process(tick=140, pid=sleeper.pid)
    own.call(150, 160)
    assert of_tests(advance(run, family, 170)) == []
    child(root, 120, sleeper.pid, "python", "x.py", start=110)
    root.writer.reaped(root.origin + 180, sleeper.pid, 0)
    root.mark(200, 4)
    (window,) = of_tests(advance(run, family, 1000))
    assert [brief(run, span) for span in drawn(window)] == [("python x.py", 110, 180, "")]


def test_a_fork_has_its_parents_name_until_it_becomes_a_program(
    run: RunWriter, family: Family, sleeper: subprocess.Popen[bytes]
) -> None:
    root = run.process()
    root.writer.process(root.origin + 1, "python", "-m", "pytest")
    root.mark(100, 3, nodeid="a")
    child(root, 120, sleeper.pid, start=110)
    fork = run.process(tick=130, pid=sleeper.pid, parent=root.name)
    fork.call(140, None)
    root.mark(200, 4)
    root.mark(300, 3, nodeid="b")
    own = run.process(tick=310, pid=sleeper.pid)
    own.writer.process(own.origin + 311, "python", "x.py")
    own.call(320, 330)
    root.mark(400, 4)
    first, second = of_tests(advance(run, family, 1000))
    assert [brief(run, span) for span in drawn(first)] == [("python -m pytest (forked)", 110, 200, "end")]
    assert [(*brief(run, span), span.depth) for span in drawn(second)] == [
        ("python x.py", 300, 400, "both", 0),
        ("python x.py", 310, 400, "", 1),
    ]


def test_side_by_side_they_take_rows_of_their_own_and_leave_them(run: RunWriter, family: Family) -> None:
    root, pids = run.process(), [gone_pid() for _ in range(3)]
    root.mark(100, 3, nodeid="a")
    child(root, 111, pids[0], "one", start=110)
    child(root, 121, pids[1], "two", start=120)
    root.writer.reaped(root.origin + 130, pids[0], 0)
    child(root, 141, pids[2], "three", start=140)
    root.writer.reaped(root.origin + 150, pids[1], 0)
    root.writer.reaped(root.origin + 160, pids[2], 0)
    root.mark(200, 4)
    (window,) = of_tests(advance(run, family, 1000))
    rows = {lane.row: [span.name for span in lane.spans] for lane in window.timeline.lanes if lane.kind == "process"}
    assert rows == {0: ["one", "three"], 1: ["two"]}


def test_what_system_runs_has_no_pid_but_an_end(run: RunWriter, family: Family) -> None:
    root = run.process()
    root.mark(100, 3, nodeid="a")
    child(root, 120, 0, "sh", "-c", "exit 3", start=119)
    root.writer.reaped(root.origin + 150, 0, 3 << 8)
    root.mark(200, 4)
    (window,) = of_tests(advance(run, family, 1000))
    (span,) = drawn(window)
    assert (*brief(run, span), span.args["pid"], span.args["exit_code"]) == ("sh -c exit 3", 119, 150, "", None, 3)


def test_a_pid_is_given_anew(run: RunWriter, family: Family) -> None:
    root, pid = run.process(), gone_pid()
    root.mark(100, 3, nodeid="a")
    child(root, 120, pid, "one", start=110)
    child(root, 140, pid, "two", start=135)
    root.writer.reaped(root.origin + 150, pid, 0)
    root.mark(200, 4)
    (window,) = of_tests(advance(run, family, 1000))
    assert [brief(run, span) for span in drawn(window)] == [("one", 110, 135, ""), ("two", 135, 150, "")]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_one_that_nobody_told_of_is_found(tmp_path: Path) -> None:
    shell = subprocess.Popen(["sh", "-c", "sleep 60 & read line; kill $!; wait $!"], stdin=subprocess.PIPE)
    run = RunWriter(tmp_path / "timeline", pid=shell.pid)
    root = run.process()
    root.mark(100, 3, nodeid="a")
    family = Family(run.spool_dir / "main")
    try:
        deadline = time.monotonic() + 120
        seen: list[Span] = []
        tick = 1000
        while not (seen and seen[-1].name == "sleep 60"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
            tick = time.monotonic_ns() - run.start
            root.mark(tick, 3, nodeid="b")
            seen += [span for window in advance(run, family, tick) for span in drawn(window)]
        assert shell.stdin is not None
        shell.stdin.close()
        shell.wait()
        seen += [span for window in family.finish(time.monotonic_ns()) for span in drawn(window)]
    finally:
        family.close()
        shell.kill()
        shell.wait()
    assert seen[-1].args["parent_pid"] == shell.pid
    assert seen[-1].args["argv"] == ["sleep", "60"]


def test_a_snapshot_uses_up_no_arrow_and_no_row(
    run: RunWriter, family: Family, sleeper: subprocess.Popen[bytes]
) -> None:
    root = run.process()
    root.mark(100, 3, nodeid="a")
    root.call(105, None)
    child(root, 120, sleeper.pid, sys.executable, start=110)
    run.process(tick=130, pid=sleeper.pid).call(140, None)
    advance(run, family, 200)

    def flows(timeline: Timeline) -> list[list[Flow]]:
        return [track.flows for process in timeline.processes for track in process.tracks if track.kind == "thread"]

    snapshots = [family.snapshot(run.start + 200) for _ in range(2)]
    root.mark(300, 4, outcome="passed")
    (window,) = of_tests(advance(run, family, 400))
    for timeline in (*snapshots, window.timeline):
        (out,), (into,) = flows(timeline)
        assert (out.id, out.enters, into.enters) == (into.id, False, True)
    assert [[brief(run, span)[1:] for span in lane.spans] for lane in snapshots[1].lanes if lane.kind == "process"] == [
        [(110, 200, "end")]
    ]
