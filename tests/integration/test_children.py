"""Python processes that a test starts are recorded with it, however they start, and notice nothing.

One run of pytest has all the ways: support/programs/children.py is the table, of which each row is a test that looks at
its child's output and exit code.
"""

from __future__ import annotations

import collections
from pathlib import Path

import pytest

from support import trace_processor

pytestmark = pytest.mark.skipif(trace_processor.missing() is not None, reason=str(trace_processor.missing()))

PROGRAMS = Path(__file__).parents[1] / "support" / "programs"
FILES = {
    "child.py": (PROGRAMS / "child.py").read_text(encoding="utf-8"),
    "test_it.py": (PROGRAMS / "children.py").read_text(encoding="utf-8"),
}
NOT_RECORDED = {"by_without_site", "by_without_environment"}
WORK = """
    select slice.name, process.pid, count(*), min(thread.name), max(thread.name) from slice
    join thread_track on slice.track_id = thread_track.id join thread using (utid) join process using (upid)
    group by 1, 2"""
PROCESSES = "select pid, name from process where pid > 0"
UNRECORDED = """
    select count(*) from slice join args using (arg_set_id)
    where category = 'process' and key glob '*recorded' and display_value = 'false' and name glob 'python*child.py'"""


@pytest.fixture(scope="module")
def children(run_once):
    """The run that starts them all."""
    run = run_once(
        FILES, "--timeline", "--timeline-mode=combined", "--timeline-format=perfetto", "-p", "no:cacheprovider"
    )
    assert run.ret == 0, run.stdout
    assert run.manifest["warnings"] == []
    assert set(run.outcomes.values()) <= {"passed", "skipped"}
    return run


@pytest.fixture(scope="module")
def trace(children):
    """The rows of WORK, of PROCESSES, and of UNRECORDED."""
    file = children.directory / "timeline" / children.manifest["combined"]["perfetto"]
    errors, *rows = trace_processor.query(file, trace_processor.ERRORS, WORK, PROCESSES, UNRECORDED)
    assert errors == []
    return rows


def test_every_child_has_all_its_calls_in_a_track_of_its_own(children, trace):
    work = trace[0]
    did, recorded = {}, collections.defaultdict(dict)
    for file in children.directory.glob("*.pid"):
        pids = collections.Counter(map(int, file.read_text(encoding="ascii").split()))
        did[file.stem] = {pid: (100 * times, "MainThread") for pid, times in pids.items()}
    assert len(did) >= len([outcome for outcome in children.outcomes.values() if outcome == "passed"])
    for name, pid, count, thread, other in work:
        if name in did:
            assert thread == other
            recorded[name][pid] = (count, thread)
    assert did.keys() - recorded.keys() == NOT_RECORDED
    assert dict(recorded) == {row: counts for row, counts in did.items() if row not in NOT_RECORDED}
    assert trace[2] == [(len(NOT_RECORDED),)]


def test_every_process_is_named_after_its_command(children, trace):
    named = dict(trace[1])

    def names(row):
        file = children.directory / f"by_{row}.pid"
        return {named[int(pid)].replace(pid, "PID") for pid in file.read_text(encoding="ascii").split()}

    def ends(row, what):
        (name,) = names(row)
        return name.endswith(what)

    assert ends("script", " child.py (PID)")
    assert ends("module", " -m child (PID)")
    assert ends("standard_input", " - (PID)")
    assert ends("options__I", " -c (PID)")
    assert ends("zipapp", " app.pyz (PID)")
    assert ends("process_spawn", " -c (PID)")
    if (children.directory / "by_fork.pid").exists():
        assert ends("fork", " (forked) (PID)")


def test_every_test_has_its_own_children_only(children):
    """Forked in the test and reaped in it, there are two processes."""
    tests = children.tests
    for name in ["test_script", "test_fork", "test_module"]:
        if name in tests and tests[name]["outcome"] == "passed":
            assert (name, tests[name]["processes"]) == (name, 2)
