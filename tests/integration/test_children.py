"""Python processes that a test starts are recorded with it, however they start, and notice nothing."""

from __future__ import annotations

import multiprocessing
import os
import sys

import pytest

from support import trace_processor

pytestmark = pytest.mark.skipif(trace_processor.missing() is not None, reason=str(trace_processor.missing()))

CHILD = """
import sys

def child_work(number): return number

if __name__ == "__main__":
    print(sys.argv[1:], sum(child_work(number) for number in range(100)))
    sys.exit(3)
"""
SAID = "['one', 'two words'] 4950\n"
WORK = """
    select process.pid, count(*) from slice join thread_track on slice.track_id = thread_track.id
    join thread using (utid) join process using (upid) where slice.name = 'child_work' group by 1"""


def record(pytester, run_pytest, body):
    """Record one test of this body; return the pids whose traces have `child_work`, with the number of its slices."""
    pytester.makepyfile(child=CHILD)
    pytester.mkdir("place").joinpath("child.py").write_text(CHILD, encoding="utf-8")
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    pytester.makepyfile(f"import os, signal, subprocess, sys\nfrom child import child_work\ndef test_a():\n{lines}")
    run = run_pytest("--timeline", "--timeline-format=perfetto", "-p", "no:cacheprovider", "-rP")
    assert run.ret == 0, run.stdout
    assert run.manifest["warnings"] == []
    file = run.directory / "timeline" / run.tests["test_a"]["files"]["perfetto"]
    errors, work = trace_processor.query(file, trace_processor.ERRORS, WORK)
    assert errors == []
    return dict(work), run


def pid_said(run):
    return int(next(line for line in run.stdout.splitlines() if line.startswith("PID ")).split()[1])


def test_subprocess(pytester, run_pytest):
    work, run = record(
        pytester,
        run_pytest,
        f"""
process = subprocess.Popen([sys.executable, "child.py", "one", "two words"], stdout=subprocess.PIPE, text=True)
assert process.communicate()[0] == {SAID!r}
assert process.returncode == 3
print("PID", process.pid)
""",
    )
    assert work == {pid_said(run): 100}
    assert run.tests["test_a"]["processes"] == 2


@pytest.mark.skipif(sys.platform == "win32", reason="needs sh")
@pytest.mark.parametrize(
    "command",
    [
        """f"{sys.executable} child.py one 'two words'", shell=True""",
        """["sh", "-c", f"cd place && {sys.executable} child.py one 'two words'"]""",
        """["sh", "-c", f"{sys.executable} place/child.py one 'two words'; exit $?"]""",
    ],
    ids=["shell", "cd", "wait"],
)
def test_through_a_shell(pytester, run_pytest, command):
    work, run = record(
        pytester,
        run_pytest,
        f"""
done = subprocess.run({command}, stdout=subprocess.PIPE, text=True)
assert (done.stdout, done.returncode) == ({SAID!r}, 3)
""",
    )
    assert list(work.values()) == [100]
    assert run.tests["test_a"]["processes"] == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_fork(pytester, run_pytest):
    work, run = record(
        pytester,
        run_pytest,
        """
child_work(0)
child = os.fork()
if not child:
    for number in range(100): child_work(number)
    os._exit(3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
print("PID", child)
""",
    )
    child = pid_said(run)
    assert work.pop(child) == 100
    assert list(work.values()) == [1]  # before the fork, in the test's own process


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_child_that_is_killed(pytester, run_pytest):
    work, run = record(
        pytester,
        run_pytest,
        """
child = os.fork()
if not child:
    for number in range(100): child_work(number)
    os.kill(os.getpid(), signal.SIGKILL)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
print("PID", child)
""",
    )
    assert work == {pid_said(run): 100}


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_multiprocessing(pytester, run_pytest, method):
    work, run = record(
        pytester,
        run_pytest,
        f"""
import multiprocessing
import os
with multiprocessing.get_context({method!r}).Pool(1) as pool:
    assert pool.map(child_work, range(100)) == list(range(100))
    print("PID", pool._pool[0].pid)
    pool.close()
    pool.join()
""",
    )
    assert work == {pid_said(run): 100}


@pytest.mark.parametrize("option", ["-S", "-I", "-E"])
def test_a_child_that_wants_no_site_or_environment(pytester, run_pytest, option):
    """Without site-packages a child is not recorded, and runs all the same; the other options hide nothing from us."""
    work, run = record(
        pytester,
        run_pytest,
        f"""
command = [sys.executable, {option!r}, "child.py", "one", "two words"]
done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
assert (done.stdout, done.stderr, done.returncode) == ({SAID!r}, "", 3)
""",
    )
    assert list(work.values()) == ([] if option == "-S" else [100])
    assert run.tests["test_a"]["processes"] == (1 if option == "-S" else 2)
