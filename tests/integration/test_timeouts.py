"""A test that hangs and is stopped keeps its timeline, which ends there, whoever stops it and however."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from support import trace_processor
from support.runs import Run, without

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="needs signals"),
    pytest.mark.skipif(trace_processor.missing() is not None, reason=str(trace_processor.missing())),
]
timeout = pytest.mark.skipif(importlib.util.find_spec("pytest_timeout") is None, reason="needs pytest_timeout")

HANGS = """
import time
import pytest

def waits(): time.sleep({seconds})

def test_before(): pass

@pytest.mark.timeout({timeout})
def test_hangs(): waits()

def test_after(): pass
"""
MARKERS = "[pytest]\nmarkers = timeout"
SAME = ("-W", "error", "--strict-markers", "-p", "no:cacheprovider")
OPTIONS = ("--timeline", "--timeline-format=perfetto", *SAME)
WAITING = """
    select name, dur, ts + dur, coalesce(extract_arg(arg_set_id, 'debug.died'), 0) from slice
    where name in ('test_hangs', 'waits', 'time.sleep') order by ts"""
END = "select max(ts + dur) from slice"
RAISED = "select count(*) from slice where name glob '*Failed*'"


def stopped(run: Run) -> tuple[bool, list[str]]:
    """Return whether the test's process died in it, and which calls it was in; they end where the timeline does."""
    test = run.tests["test_hangs"]
    file = run.directory / "timeline" / test["files"]["perfetto"]
    errors, calls, ((end,),) = trace_processor.query(file, trace_processor.ERRORS, WAITING, END)
    assert errors == []
    names, durations, ends, died = zip(*calls, strict=True)
    assert min(durations) > 0 and durations[0] <= test["duration"] * 1e9 + 1
    assert len(set(died)) == 1
    assert not died[0] or end - min(ends) < len(ends)
    return bool(died[0]), list(names)


@timeout
@pytest.mark.parametrize("workers", [[], ["-n1"]], ids=["n0", "n1"])
@pytest.mark.parametrize("method", ["signal", "thread"])
def test_pytest_timeout(run_once, method, workers):
    if workers:
        pytest.importorskip("xdist")
    files = {"test_it.py": HANGS.format(seconds=60, timeout=2.0)}
    options = [f"--timeout-method={method}", *workers]
    before, run = (run_once(files, *options, *extra, PYTEST_ADDOPTS=without("timeout")) for extra in (SAME, OPTIONS))
    run.wait_for_the_collector()
    assert run.ret == before.ret == 1
    assert run.manifest["warnings"] == []
    goes_on = method == "signal" or bool(workers)
    outcome = "failed" if method == "signal" else "crashed"
    outcomes = {"test_before": "passed", "test_hangs": outcome} | ({"test_after": "passed"} if goes_on else {})
    assert run.outcomes == outcomes
    assert ("1 failed, 2 passed" in run.stdout, "1 failed, 2 passed" in before.stdout) == (goes_on, goes_on)
    assert stopped(run) == (method == "thread", ["test_hangs", "waits", "time.sleep"])
    if method == "signal":
        assert run.tests["test_hangs"]["exception"] == "Failed: Timeout (>2.0s) from pytest-timeout."


def test_faulthandler_tells_and_the_test_goes_on(run_once):
    files = {"test_it.py": HANGS.format(seconds=4, timeout=0), "pytest.ini": MARKERS}
    run = run_once(files, *OPTIONS, "-o", "faulthandler_timeout=1.5")
    assert run.ret == 0, run.stdout
    assert "Timeout (0:00:01.5" in run.stderr and "in waits" in run.stderr
    assert run.manifest["warnings"] == [] and {*run.outcomes.values()} == {"passed"}
    assert stopped(run) == (False, ["test_hangs", "waits", "time.sleep"])


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="an option of pytest 9's")
def test_faulthandler_ends_the_run(run_once):
    files = {"test_it.py": HANGS.format(seconds=60, timeout=0), "pytest.ini": MARKERS}
    ends = ["-o", "faulthandler_timeout=2", "-o", "faulthandler_exit_on_timeout=true", "-k", "hangs"]
    before, run = (run_once(files, *ends, *extra) for extra in (SAME, OPTIONS))
    run.wait_for_the_collector()
    assert run.ret == before.ret == 1
    assert "in waits" in run.stderr
    assert run.manifest["exitstatus"] is None and run.manifest["warnings"] == []
    assert run.outcomes == {"test_hangs": "crashed"}
    assert stopped(run) == (True, ["test_hangs", "waits", "time.sleep"])
