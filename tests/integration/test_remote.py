"""A pytest-xdist worker that shares neither files nor clocks with the controller is recorded like any other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import runs, trace_processor

pytest.importorskip("xdist")

NAMESPACES = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc"]
AHEAD = 1_000_000  # seconds by which the worker's monotonic clock is
FALSE_CLOCK = ["--time", "--monotonic", str(AHEAD)]
CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
BARE = ["-p", "no:cacheprovider", "-p", "no:rerunfailures"]  # which talks over the network


def missing() -> str | None:
    """Return why no worker can be set apart here, None when it can."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return "needs unshare"
    done = subprocess.run([*NAMESPACES, *FALSE_CLOCK, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
    return done.stderr.decode() or "unshare is refused" if done.returncode else None


pytestmark = [
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
    pytest.mark.skipif(trace_processor.missing() is not None, reason=str(trace_processor.missing())),
]


class Host:
    """Another host: `python` starts an interpreter there, which sees neither DIR nor the network; `tmp` is its own."""

    def __init__(self, directory: Path, output: Path) -> None:
        self.tmp = directory / "tmp"
        self.python = directory / "python"
        self._output = output
        self.tmp.mkdir(parents=True)
        self.make()

    def make(self, *options: str, prepare: str = "true", environment: str = "") -> None:
        hidden = f"mount -t tmpfs none {self._output} && {prepare} && exec {environment} {sys.executable}"
        command = f'exec {" ".join([*NAMESPACES, *options])} env TMPDIR={self.tmp} sh -c \'{hidden} "$@"\' sh "$@"\n'
        self.python.write_text(f"#!/bin/sh\n{command}")
        self.python.chmod(0o755)

    def lie(self) -> None:
        """Tell another time, by the clock that is asked for the time where the counter does not serve."""
        source = self.tmp.parent / "clocksource"
        source.write_text("hpet\n")
        bind = f"mount --bind {source} {CLOCKSOURCE}" if os.path.exists(CLOCKSOURCE) else "true"
        self.make(*FALSE_CLOCK, prepare=bind)

    @property
    def arguments(self) -> list[str]:
        return [*BARE, "--timeline", "--dist=load", f"--tx=popen//python={self.python}"]


@pytest.fixture
def host(pytester, tmp_path):
    return Host(tmp_path / "host", pytester.mkdir("timeline"))


def sql(run, test, query):
    """Return the rows of a query on the test's trace, in which nothing may be wrong."""
    file = run.directory / "timeline" / (test and run.tests[test]["files"]["perfetto"] or "combined.pftrace.gz")
    errors, rows = trace_processor.query(file, trace_processor.ERRORS, query)
    assert errors == []
    return rows


CALLS = """select process.pid, thread.name, count(*) from slice join thread_track on slice.track_id = thread_track.id
    join thread using (utid) join process using (upid) where slice.name = '{}' group by 1, 2"""

SUITE = """
import os, subprocess, sys, threading

def work(number): return number

def test_a():
    assert "timeline-" in os.environ["PYTEST_TIMELINE_SPOOL"]
    for number in range(1000): work(number)

def test_threads():
    assert threading.active_count() == 1
    thread = threading.Thread(target=lambda: [work(number) for number in range(100)], name="helper")
    thread.start()
    thread.join()

def test_child():
    done = subprocess.run([sys.executable, "child.py"], check=True, stdout=subprocess.PIPE, text=True)
    assert done.stdout == "4950"

def test_fails(): assert 0
"""
CHILD = """
def child_work(number): return number
if __name__ == "__main__": print(sum(child_work(number) for number in range(100)), end="")
"""


def test_all_of_it_arrives(pytester, run_pytest, host):
    pytester.makepyfile(test_it=SUITE, child=CHILD)
    run = run_pytest(*host.arguments)
    assert run.ret == 1, run.stdout
    assert run.outcomes == {
        "test_a": "passed",
        "test_threads": "passed",
        "test_child": "passed",
        "test_fails": "failed",
    }
    assert (run.manifest["warnings"], run.manifest["dropped"]) == ([], 0)
    (worker,) = run.manifest["workers"]
    assert worker["id"] == "gw0"
    assert 0 < worker["clock_error_us"] < 5_000_000
    assert {test["worker"] for test in run.manifest["tests"]} == {"gw0"}
    pid = worker["pid"]
    assert sql(run, "test_a", CALLS.format("work")) == [(pid, "MainThread", 1000)]
    assert sql(run, "test_threads", CALLS.format("work")) == [(pid, "helper", 100)]
    ((child, _, count),) = sql(run, "test_child", CALLS.format("child_work"))
    assert child != pid
    assert count == 100
    assert run.tests["test_child"]["processes"] == 2
    said = sql(run, "test_child", "select distinct key, display_value from args where key glob '*process_label*'")
    assert any("clock_error_us" in text for _, text in said), said
    failures = sql(run, "test_fails", "select count(*) from slice where dur = 0 and name glob 'AssertionError*'")
    assert failures == [(1,)]
    assert not (run.directory / "timeline" / ".spool").exists()
    assert not list(host.tmp.glob("pytest-timeline-*"))


def test_another_clock_is_told_within_the_stated_error(pytester, run_pytest, host):
    """The oracle is the namespace: there it is AHEAD seconds later, to the nanosecond."""
    host.lie()
    pytester.makeconftest(
        """
        import os, time

        def here():
            return time.monotonic_ns()

        def pytest_xdist_node_collection_finished():
            print("HERE", here())
        """
    )
    pytester.makepyfile(
        """
        import time, pytest

        def there():
            return time.monotonic_ns()

        @pytest.mark.parametrize("n", range(3))
        def test_a(n, record_property):
            record_property("there", there())
            time.sleep(0.6)
        """
    )
    run = run_pytest(*host.arguments, "-s", "--timeline-mode=both", "--junitxml=report.xml")
    assert run.ret == 0, run.stdout
    assert run.manifest["warnings"] == []
    error = run.manifest["workers"][0]["clock_error_us"] * 1000
    assert 0 < error < 5e9
    places = "select ts, dur from slice where name = '{}' order by ts"
    ((here_start, here_dur),) = sql(run, None, places.format("here"))
    there_places = sql(run, None, places.format("there"))
    here = int(next(line for line in run.stdout.splitlines() if "HERE " in line).split("HERE ")[1])
    report = (run.directory / "report.xml").read_text()
    theres = sorted(int(part.split('"')[0]) for part in report.split('name="there" value="')[1:])
    assert len(theres) == len(there_places) == 3
    for there, (start, duration) in zip(theres, there_places, strict=True):
        expected = there - AHEAD * 10**9 - here  # after the controller's call
        earliest, latest = start - (here_start + here_dur), start + duration - here_start
        assert earliest - error <= expected <= latest + error


def test_nothing_of_much_is_lost(pytester, run_pytest, host):
    pytester.makepyfile(
        """
        import pytest

        def work(): pass

        @pytest.mark.parametrize("n", range(16))
        def test_a(n):
            for _ in range(200_000): work()
        """
    )
    only = "--timeline-include=test_nothing_of_much_is_lost.py"
    how = [only, "--timeline-full", "--timeline-c-calls=none", "--timeline-format=perfetto", "-q"]
    run = run_pytest(*host.arguments, *how)
    assert run.ret == 0, run.stdout
    assert run.manifest["dropped"] == 0  # it may well have been waited for
    assert [test["slices"] - test["folded"] for test in run.manifest["tests"]] == [200_001] * 16
    assert sql(run, "test_a[7]", CALLS.format("work")) == [(run.manifest["workers"][0]["pid"], "MainThread", 200_000)]


def test_a_worker_that_dies_is_replaced_and_both_are_recorded(pytester, run_pytest, host):
    pytester.makepyfile(
        """
        import os, time

        def work(): pass

        def test_a():
            work()
            time.sleep(5)  # what is written in the last moments may be lost
            os._exit(3)

        def test_b(): work()
        def test_c(): work()
        """
    )
    run = run_pytest(*host.arguments)
    assert run.ret == 1
    assert run.outcomes == {"test_a": "crashed", "test_b": "passed", "test_c": "passed"}
    assert [worker["id"] for worker in run.manifest["workers"]] == ["gw0", "gw1"]
    for test in ("test_a", "test_b", "test_c"):
        assert [count for _, _, count in sql(run, test, CALLS.format("work"))] == [1]


def test_stopping_after_a_failure(pytester, run_pytest, host):
    pytester.makepyfile("import pytest\n@pytest.mark.parametrize('n', range(50))\ndef test_a(n): assert n < 3")
    run = run_pytest(*host.arguments, "--maxfail=1")
    assert run.ret in (1, 2), run.stdout
    assert run.outcomes["test_a[3]"] == "failed"
    assert run.manifest["warnings"] == []


def test_an_interrupt(pytester, host):
    """Ctrl-C on the controller's host while a test runs."""
    pytester.makepyfile("import time\ndef test_a(): time.sleep(600)")
    pytester.makeconftest(
        """
        import os, signal

        def pytest_runtest_logstart():
            if "PYTEST_XDIST_WORKER" not in os.environ:
                os.kill(os.getpid(), signal.SIGINT)
        """
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *host.arguments], cwd=pytester.path, env=environment, stdout=subprocess.PIPE
    )
    output = process.communicate(timeout=300)[0].decode()
    assert process.returncode == 2, output
    assert (pytester.path / "timeline" / "run.json").exists(), output


def test_a_host_where_the_plugin_is_off(pytester, run_pytest, host):
    host.make(environment=f'env PYTEST_ADDOPTS="-p no:timeline {runs.without()}"')
    pytester.makeini("[pytest]\ntimeline = true")
    pytester.makepyfile("def test_a(): pass\ndef test_b(): assert 0")
    run = run_pytest(*[word for word in host.arguments if word != "--timeline"])
    assert run.ret == 1, run.stdout
    assert "1 failed, 1 passed" in run.stdout
    assert run.outcomes == {}
    assert run.stdout.count("tests of gw0 are missing: pytest-timeline is not installed there") == 1


def test_a_host_without_room(pytester, run_pytest, host):
    host.make(prepare=f"mount -t tmpfs -o size=64k none {host.tmp}")
    pytester.makepyfile("def test_a(): pass\ndef test_b(): assert 0")
    run = run_pytest(*host.arguments)
    assert run.ret == 1, run.stdout
    assert "1 failed, 1 passed" in run.stdout
    assert run.stdout.count("tests of gw0 are missing: No space left on device") == 1


def test_workers_of_two_kinds(pytester, run_pytest, host):
    pytester.makepyfile("import pytest\n@pytest.mark.parametrize('n', range(8))\ndef test_a(n): pass")
    run = run_pytest(*host.arguments, "--tx=popen", "--timeline-mode=both")
    assert run.ret == 0, run.stdout
    assert run.manifest["warnings"] == []
    assert len(run.manifest["tests"]) == 8
    errors = {worker["id"]: worker.get("clock_error_us", 0) for worker in run.manifest["workers"]}
    assert errors["gw0"] > 0
    assert errors["gw1"] == 0
    assert sql(run, None, "select count(*) from slice where name glob '*::test_a*'") == [(8,)]


def test_over_a_socket(pytester, run_pytest, tmp_path):
    """Such a worker runs in a directory of its own, to which pytest-xdist copies the tests."""
    execnet = pytest.importorskip("execnet")
    place, output = tmp_path / "place", pytester.mkdir("timeline")
    (place / "tmp").mkdir(parents=True)
    server = Path(execnet.__file__).with_name("script") / "socketserver.py"
    command = f"mount -t tmpfs none {output} && exec {sys.executable} -u {server} 127.0.0.1:0"
    environment = {**runs.environment(), "TMPDIR": str(place / "tmp")}
    suite = pytester.mkdir("suite")
    suite.joinpath("test_it.py").write_text(
        "import os\ndef work(): pass\ndef test_a():\n    work()\n    assert os.getcwd().endswith('place')\n"
    )
    with subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", command], cwd=place, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            port = process.stdout.readline().rsplit(", ", 1)[1].strip(" )\n")
            transport = f"--tx=socket=127.0.0.1:{port}//chdir={place}"
            run = run_pytest(
                *BARE, "-W", "ignore", "--timeline", "--dist=load", transport, f"--rsyncdir={suite}", str(suite)
            )
        finally:
            process.kill()
    assert run.ret == 0, run.stdout
    assert run.outcomes == {"test_a": "passed"}
    assert run.manifest["workers"][0]["clock_error_us"] > 0
    assert [count for _, _, count in sql(run, "test_a", CALLS.format("work"))] == [1]
    assert sql(run, "test_a", "select count(*) from slice where name glob '_Serializer*'") == [(0,)]
