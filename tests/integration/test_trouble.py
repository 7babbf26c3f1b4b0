"""Sudden deaths and broken surroundings: tests keep their outcomes, and what was recorded becomes timelines."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_timeline.session.collector import Collector
from support import trace_processor

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="signals and open files are other things there"),
    pytest.mark.skipif(trace_processor.missing() is not None, reason=str(trace_processor.missing())),
]

CALLS = 5000
HELPERS = """
    import os, pathlib, resource, shutil, signal, time
    from pytest_timeline.spooldir import StatusPage

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def work(): pass

    def work_often(count):
        for _ in range(count): work()

    def collector(spool="timeline/.spool", **least):
        "Return the pid of the collector once its status page says at least what is asked for."
        page = StatusPage(spool + "/status")
        while not page["pid"] or any(page[field] < value for field, value in least.items()): time.sleep(0.005)
        return page["pid"]

    def kill_collector():
        pid = collector()
        os.kill(pid, signal.SIGKILL)
        try:
            while os.kill(pid, 0) is None and pathlib.Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z":
                time.sleep(0.005)
        except OSError:
            pass
"""
NAMES = "select name, count(*) from slice where name in ('work', 'work_often', 'outer', 'inner') group by name"
OPEN = """
    select slice.name, slice.ts + slice.dur from slice join args using (arg_set_id) where key glob '*.died'
    and slice.category = 'python' order by slice.depth"""
LAST = "select max(ts + dur) from slice"


@pytest.fixture
def suite(pytester):
    """Make a test module of the helpers above and the given source."""

    def make(source):
        pytester.makepyfile(helpers=HELPERS, test_it="from helpers import *\n" + source)

    return make


def trace(run, name, *queries):
    errors, *rows = trace_processor.query(
        run.directory / "timeline" / run.tests[name]["files"]["perfetto"], trace_processor.ERRORS, *queries
    )
    assert errors == []
    return rows


def collect_by_hand(run):
    command = [sys.executable, "-P", "-m", "pytest_timeline", "collect", "timeline"]
    return subprocess.run(command, cwd=run.directory, capture_output=True, text=True, check=False)


def test_sudden_death_loses_no_record(run_pytest, suite):
    suite(
        f"""
def inner():
    work_often({CALLS})
    os._exit(7)

def outer():
    inner()

def test_before(): work_often(10)
def test_dies(): outer()
def test_never(): pass
"""
    )
    run = run_pytest("--timeline", "-p", "no:rerunfailures")  # which has a thread of its own
    assert run.ret == 7
    run.wait_for_the_collector()
    assert run.outcomes == {"test_before": "passed", "test_dies": "crashed"}
    assert run.manifest["exitstatus"] is None
    names, still_open, last = trace(run, "test_dies", NAMES, OPEN, LAST)
    assert dict(names) == {"inner": 1, "outer": 1, "work": CALLS, "work_often": 1}
    assert [name for name, _ in still_open if name in ("test_dies", "outer", "inner")] == [
        "test_dies",
        "outer",
        "inner",
    ]
    assert {end for _, end in still_open} == {last[0][0]}
    assert dict(trace(run, "test_before", NAMES)[0]) == {"work": 10, "work_often": 1}


def test_the_collector_is_killed_and_what_it_left_is_collected(run_pytest, suite):
    suite(
        f"""
def test_before(): pass
def test_kill(): kill_collector()
def test_after(): work_often({CALLS})
def test_fails(): assert 0
"""
    )
    run = run_pytest("--timeline", "--tb=no")
    assert run.ret == 1
    assert "1 failed, 3 passed" in run.stdout
    assert "the collector is gone, and with it what it had read" in run.stdout
    assert "make timelines of what is left with: python -m pytest_timeline collect timeline" in run.stdout
    assert "Traceback" not in run.stdout + run.stderr

    done = collect_by_hand(run)
    assert (done.returncode, done.stderr) == (0, "")
    assert "warning: the run's own collector did not finish" in done.stdout
    left = run.outcomes
    assert (left.pop("test_after"), left.pop("test_fails")) == ("passed", "failed")
    assert set(left) <= {"test_before", "test_kill"}  # as much as had not been read
    assert run.manifest["exitstatus"] == 1
    assert dict(trace(run, "test_after", NAMES)[0]) == {"work": CALLS, "work_often": 1}


def test_a_run_that_died_with_its_collector_is_collected(run_pytest, suite):
    suite(
        f"""
def test_kill(): kill_collector()
def test_dies():
    work_often({CALLS})
    os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    run = run_pytest("--timeline")
    assert run.ret == -9
    done = collect_by_hand(run)
    assert (done.returncode, done.stderr) == (0, "")
    assert "crashed: test_it.py::test_dies" in done.stdout
    assert run.outcomes["test_dies"] == "crashed"
    assert dict(trace(run, "test_dies", NAMES)[0]) == {"work": CALLS, "work_often": 1}
    again = collect_by_hand(run)
    assert again.returncode == 1
    assert "holds no unfinished run" in again.stderr


def test_a_test_closes_all_descriptors(run_pytest, suite):
    suite(
        f"""
def test_closes():
    os.closerange(3, 4096)
    work_often({CALLS})
def test_after(): work_often({40 * CALLS})
"""
    )
    # pytest's own files may be among them.
    without = ("logging", "faulthandler", "cacheprovider")
    run = run_pytest("--timeline", "--timeline-full", "-s", *(f"-pno:{name}" for name in without))
    assert run.ret == 0, run.stdout + run.stderr
    assert run.outcomes == {"test_closes": "passed", "test_after": "passed"}
    assert run.manifest["warnings"] == []
    assert dict(trace(run, "test_closes", NAMES)[0])["work"] == CALLS
    assert dict(trace(run, "test_after", NAMES)[0])["work"] == 40 * CALLS


def test_a_test_removes_the_spool(run_pytest, suite):
    suite(
        f"""
def test_before(): pass
def test_removes():
    collector(total=2)
    shutil.rmtree("timeline/.spool")
    work_often(10)
def test_after(): work_often({CALLS})
def test_fails(): assert 0
"""
    )
    run = run_pytest("--timeline", "--tb=no")
    assert run.ret == 1
    assert run.outcomes == {
        "test_before": "passed",
        "test_removes": "passed",
        "test_after": "passed",
        "test_fails": "failed",
    }
    assert dict(trace(run, "test_after", NAMES)[0])["work"] == CALLS
    assert "Traceback" not in run.stdout + run.stderr


def test_the_spool_is_removed_before_the_collector_sees_it(tmp_path):
    spool = tmp_path / ".spool"
    spool.mkdir()
    collector = Collector(str(spool))
    shutil.rmtree(spool)
    collector.start()
    collector.wait(lambda done, total: None)
    collector.close()
    assert collector.problem == "the collector is gone, and so is the spool: a test removed it"


@pytest.fixture
def small_disk(pytester):
    """A file system of 32 MiB in the directory `disk`."""
    disk = pytester.mkdir("disk")
    if sys.platform != "linux" or shutil.which("mount") is None:
        pytest.skip("needs Linux's tmpfs")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "none", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"may not mount a small disk: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.parametrize("freed", [True, False])
def test_the_disk_fills_up_during_the_run(run_pytest, suite, small_disk: Path, freed):
    suite(
        f"""
def test_before(): work_often(10)
def test_fills():
    pid = collector("disk/timeline/.spool", done=2)
    with open("disk/fill", "wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)): pass
        except OSError: pass
    os.kill(pid, signal.SIGSTOP)  # so that no chunk is freed meanwhile
    work_often({20 * CALLS})
    os.kill(pid, signal.SIGCONT)
def test_after():
    if {freed}: os.unlink("disk/fill")
    work_often({CALLS})
def test_fails(): assert 0
"""
    )
    run = run_pytest("--timeline", "--timeline-full", "--timeline-dir=disk/timeline", "--tb=no", "-pno:cacheprovider")
    assert run.ret == 1
    assert "1 failed, 3 passed" in run.stdout
    assert "No space left on device" in run.stdout.partition("= timeline =")[2]
    assert "Traceback" not in run.stdout + run.stderr
    written = {path.name.split("-")[1] for path in (small_disk / "timeline" / "tests").glob("test_*.gz")}
    assert "test_before" in written
    if freed:
        manifest = json.loads((small_disk / "timeline" / "run.json").read_bytes())
        tests = {test["nodeid"].partition("::")[2]: test["outcome"] for test in manifest["tests"]}
        assert (tests["test_before"], tests["test_fails"]) == ("passed", "failed")
        assert manifest["dropped"] > 0
        assert manifest["tests"][0]["files"].keys() == {"html", "perfetto"}
        assert manifest["warnings"] != []
