"""Very many threads and children, children without rights or room, forks at odd moments: outcomes stay what they were.

One run of pytest has it all: each test of support/programs/hostile.py passes whether it is recorded or not.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from support import trace_processor

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="needs fork, signals, /proc and namespaces"),
    pytest.mark.skipif(trace_processor.missing() is not None, reason=str(trace_processor.missing())),
]

PROGRAM = Path(__file__).parents[1] / "support" / "programs" / "hostile.py"
CALLED = """
    select slice.name, count(*), count(distinct utid), count(distinct upid) from slice
    join thread_track on slice.track_id = thread_track.id join thread using (utid)
    where category = 'python' group by 1"""
UNRECORDED = """
    select count(*) from slice
    where category = 'process' and name glob '*(forked)' and extract_arg(arg_set_id, 'debug.recorded') = 0"""

MESSAGES = """
    with place as materialized (
        select thread_track.id as track_id, pid from thread_track join thread using (utid) join process using (upid))
    select name, pid, ts, ts + dur from slice join place using (track_id)
    where name in ('send', 'receive') order by ts"""


@pytest.fixture(scope="module")
def run(run_once):
    done = run_once(
        {"test_it.py": PROGRAM.read_text(encoding="utf-8")},
        "--timeline",
        "--timeline-mode=combined",
        "--timeline-format=perfetto",
        "--timeline-max-slices=200000",
        "-p",
        "no:cacheprovider",
    )
    yield done
    daemon = done.directory / "daemon.pid"
    if daemon.exists():
        os.kill(int(daemon.read_text(encoding="ascii")), signal.SIGKILL)


@pytest.fixture(scope="module")
def trace(run):
    file = run.directory / "timeline" / run.manifest["combined"]["perfetto"]
    errors, called, ((unrecorded,),), messages = trace_processor.query(
        file, trace_processor.ERRORS, CALLED, UNRECORDED, MESSAGES
    )
    assert errors == []
    return {name: tuple(counts) for name, *counts in called}, unrecorded, messages


def test_outcomes_are_what_they_were(run):
    assert run.ret == 0, run.stdout
    assert set(run.outcomes.values()) <= {"passed", "skipped"}
    assert run.manifest["exitstatus"] == 0


@pytest.mark.parametrize(
    ("name", "calls", "threads", "processes"),
    [
        ("thread_among_many", 500, 500, 1),
        ("short_fork", 200, 200, 200),
        ("fork_among_many", 100, 100, 100),
        ("short_program", 30, 30, 30),
        ("moved", 2, 2, 2),
        ("closed", 2, 2, 2),
        ("limited", 2, 2, 2),
        ("fork_among_threads", 300, 30, 30),
        ("odd_fork", 44, 44, 44),  # 20 of them in a signal handler
    ],
)
def test_what_they_called_is_there(trace, name, calls, threads, processes):
    assert trace[0][name] == (calls, threads, processes)


def test_a_fork_that_may_not_open_its_spool_is_a_process_all_the_same(run, trace):
    """It has no calls, and is on the lane of processes."""
    called, unrecorded, _ = trace
    expected = 2  # without descriptors, without file size
    assert "child_of_limited" not in called
    if run.outcomes["test_a_read_only_file_system"] == "passed":
        assert called["read_only"] == (1, 1, 1)
        assert "child_of_read_only" not in called
        expected += 1
    if run.outcomes["test_a_fork_becomes_nobody"] == "passed":
        assert called["without_rights"] == (1, 1, 1)
        expected += "child_of_nobody" not in called
    assert unrecorded >= expected


def test_no_message_is_received_before_it_was_sent(trace):
    """In both directions, by the clocks of two processes."""
    begun: dict[int, list[int]] = {}
    ended: dict[int, list[int]] = {}
    for name, pid, start, end in trace[2]:
        if name == "send":
            begun.setdefault(pid, []).append(start)
        else:
            ended.setdefault(pid, []).append(end)
    one, other = begun
    assert len(begun[one]) == len(begun[other]) == len(ended[one]) == len(ended[other]) == 2000
    assert [sent for sent, got in zip(begun[one], ended[other], strict=True) if got < sent] == []
    assert [sent for sent, got in zip(begun[other], ended[one], strict=True) if got < sent] == []


def test_a_daemon_lives_on_and_holds_nothing_of_the_run(run):
    pid = int((run.directory / "daemon.pid").read_text(encoding="ascii"))
    assert not (run.directory / "timeline" / ".spool").exists()
    alive = run.directory / "alive"
    before = alive.stat().st_size
    deadline = time.monotonic() + 300
    while alive.stat().st_size < before + 10:
        assert time.monotonic() < deadline, "the daemon hangs"
        time.sleep(0.01)
    os.kill(pid, 0)
