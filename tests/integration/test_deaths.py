"""Nothing is lost to a death: deaths x moments x ways to start, against what the dying process counted by itself.

One run of pytest has all the children that die; each pytest that dies is a run of its own.
"""

from __future__ import annotations

import json
import struct
import sys
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from support import trace_processor

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="needs fork, signals and /proc"),
    pytest.mark.skipif(trace_processor.missing() is not None, reason=str(trace_processor.missing())),
]

PROGRAMS = Path(__file__).parents[1] / "support" / "programs"
VICTIM = (PROGRAMS / "victim.py").read_text(encoding="utf-8")

# Deaths, with the status that they leave.
BY_ITSELF = {"exit": 7, "kill": -9, "terminate": -15, "segfault": -11, "abort": -6, "exec": 9}
FROM_OUTSIDE = {"killed": -9, "terminated": -15, "segfaulted": -11, "aborted": -6, "hunted": -9}
# Moments, with the frames of the victim's that are open then, and the C call that it waits in.
LOOPS = {
    "busy": ["victim", "busy"],
    "called_back": ["victim", "called_back", "called_back.<locals>.key"],
    "in_a_thread": ["victim", "in_a_thread", "busy"],
}
AT_ONCE = {"at_once": ["victim", "at_once"]}
WAITS = {
    name: ["victim", name, "blocked", f"{name}.<locals>.<lambda>", call]
    for name, call in {"sleeping": "time.sleep", "locked": "threading.lock.acquire", "reading": "os.read"}.items()
}
OPEN = LOOPS | AT_ONCE | WAITS
BETWEEN = ("at_once", "called_back")  # moments that may be between two frames, if death comes from outside

COUNTED = """
    select process.pid, count(*) from slice join thread_track on slice.track_id = thread_track.id
    join thread using (utid) join process using (upid) where slice.name = 'step' group by 1"""
LEFT_OPEN = """
    select process.pid, slice.name, slice.ts, slice.ts + slice.dur
    from slice join thread_track on slice.track_id = thread_track.id join thread using (utid) join process using (upid)
    where extract_arg(slice.arg_set_id, 'debug.died') order by 1, slice.ts, slice.depth"""
LAST = """
    select process.pid, max(slice.ts) from slice join thread_track on slice.track_id = thread_track.id
    join thread using (utid) join process using (upid) group by 1"""
REAPED = "select ts + dur from slice where name = 'reap' order by ts"
END = "select max(ts + dur) from slice"


class Case(NamedTuple):
    start: str
    moment: str
    death: str

    @property
    def id(self) -> str:
        return "-".join(self)

    @property
    def status(self) -> int:
        return (BY_ITSELF | FROM_OUTSIDE)[self.death]


CASES = [
    Case(*case)
    for case in (
        *product(["fork"], [*LOOPS, *AT_ONCE], BY_ITSELF),
        *product(["fork"], [*LOOPS, *AT_ONCE, *WAITS], FROM_OUTSIDE),
        *product(["process"], [*LOOPS, *WAITS], ["killed", "terminated"]),
        *product(["spawn"], ["busy", "sleeping"], ["killed", "terminated"]),
        *product(["program"], ["busy", "in_a_thread"], ["exit", "segfault", "exec"]),
        *product(["program"], ["reading", "called_back"], ["terminated", "hunted"]),
    )
]


class Trace:
    """What the trace has of each process."""

    def __init__(self, file: Path) -> None:
        errors, counted, left_open, last, reaped, ((self.end,),) = trace_processor.query(
            file, trace_processor.ERRORS, COUNTED, LEFT_OPEN, LAST, REAPED, END
        )
        assert errors == []
        self.counted: dict[int, int] = dict(counted)
        self.last: dict[int, int] = dict(last)
        self.reaped: list[int] = [end for (end,) in reaped]
        self.left_open: dict[int, list[tuple[str, int, int]]] = {}
        for pid, *what in left_open:
            self.left_open.setdefault(pid, []).append(tuple(what))

    def check(self, counts: Path, moment: str, death: str) -> int | None:
        """The trace has what the process counted; return the moment at which it says that the process died."""
        begun, ended, _, pid = struct.unpack("=4Q", counts.read_bytes())
        assert 0 <= begun - ended <= 1
        assert ended <= self.counted.get(pid, 0) <= begun
        names = [name for name, _, _ in self.left_open.get(pid, [])]
        expected = OPEN[moment] + ([f"die_{death}"] if death in BY_ITSELF else [])
        names = [name for name in names if name in expected]
        assert names == (expected[: len(names)] if moment in BETWEEN and death in FROM_OUTSIDE else expected)
        if not names:
            return None
        ends = [end for _, _, end in self.left_open[pid]]
        end = max(ends)
        assert end - min(ends) < len(ends)  # a slice has 1 ns at least, and its parent gives way
        assert end >= self.last[pid]
        return end


SUITE = {"victim.py": VICTIM, "test_it.py": (PROGRAMS / "deaths.py").read_text(encoding="utf-8")}
EVERY = ["--timeline-full", "--timeline-max-slices=0"]
OPTIONS = ["--timeline", "--timeline-format=perfetto", *EVERY, "-p", "no:cacheprovider"]


def suite(cases: list[Case]) -> dict[str, str]:
    return SUITE | {"cases.json": json.dumps([[*case, case.status] for case in cases])}


@pytest.fixture(scope="module")
def children(run_once):
    """The run in which all the children die, and its trace."""
    run = run_once(suite(CASES), *OPTIONS, "--timeline-mode=combined")
    assert run.ret == 0, run.stdout
    assert run.manifest["warnings"] == []
    assert list(run.outcomes) == [f"test_dies[{case.id}]" for case in CASES]
    return run, Trace(run.directory / "timeline" / run.manifest["combined"]["perfetto"])


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_a_child_dies(children, case):
    run, trace = children
    died = trace.check(run.directory / f"{case.id}.counts", case.moment, case.death)
    if died is None:  # killed before it did anything
        assert case.moment == "at_once" and case.death in FROM_OUTSIDE
    else:
        assert died <= trace.reaped[CASES.index(case)]
        if case.start == "fork" and case.death != "hunted":  # the victim of the test before is not in this one
            assert run.tests[f"test_dies[{case.id}]"]["processes"] == 2


DEATHS_OF_PYTEST = [
    Case("nothing", *case)
    for case in (
        *product(["busy"], BY_ITSELF),
        *product(["in_a_thread"], ["exit", "segfault"]),
        *product(["called_back"], ["abort", "hunted"]),
        *product(["sleeping"], ["killed", "terminated"]),
    )
]


@pytest.mark.parametrize("case", DEATHS_OF_PYTEST, ids=[case.id for case in DEATHS_OF_PYTEST])
def test_pytest_dies(run_once, case):
    run = run_once(suite([case]), *OPTIONS)
    assert run.ret == case.status
    run.wait_for_the_collector()
    (test,) = run.manifest["tests"]
    assert test["outcome"] == "crashed"
    assert run.manifest["exitstatus"] is None
    trace = Trace(run.directory / "timeline" / test["files"]["perfetto"])
    died = trace.check(run.directory / f"{case.id}.counts", case.moment, case.death)
    assert died == trace.end if case.death in BY_ITSELF else died <= trace.end  # who killed it lives a little longer


TWO_THREADS = """
    import threading
    asked, worked, never = (threading.Event() for _ in range(3))

    def work():
        asked.wait()
        worked.set()
        never.wait()

    for target in never.wait, work:
        threading.Thread(target=target, daemon=True).start()
"""


@pytest.mark.parametrize(("does", "threads"), [("pass", 1), ("asked.set(), worked.wait()", 2)], ids=["waits", "works"])
def test_a_thread_from_before_that_only_waits_is_not_in_the_test_that_dies(pytester, run_pytest, does, threads):
    pytester.makeconftest(TWO_THREADS)
    pytester.makepyfile(
        f"""
        import os
        from conftest import asked, worked

        def test_before(): pass

        def test_dies():
            {does}
            os._exit(3)
        """
    )
    run = run_pytest(*OPTIONS)
    assert run.ret == 3
    run.wait_for_the_collector()
    assert {name: test["threads"] for name, test in run.tests.items()} == {"test_before": 1, "test_dies": threads}
