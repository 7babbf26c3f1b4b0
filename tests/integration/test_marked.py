"""`@pytest.mark.timeline` in real runs."""

from __future__ import annotations

import gzip
import json

import pytest

WRONG = """
import pathlib
import pytest

@pytest.mark.timeline(keep=1)
class TestIt:
    def test_a(self): pass
    def test_b(self): pass

@pytest.mark.timeline(kepp=True)
def test_c(): pass

def test_d(): pathlib.Path("ran").touch()
"""

OFF = """
import os
import subprocess
import sys
import threading
import pytest

def tick(): pass

@pytest.fixture(scope="session")
def server():
    asked, answered, over = threading.Semaphore(0), threading.Semaphore(0), []
    def serve():
        while asked.acquire() and not over:
            tick()
            answered.release()
    thread = threading.Thread(target=serve)
    thread.start()
    def ask():
        asked.release()
        answered.acquire()
    yield ask
    over.append(1)
    asked.release()
    thread.join()

def here(): pass
def hidden(): pass

def test_before(server):
    server()
    here()

@pytest.mark.timeline(off=True)
class TestOff:
    attempts = []

    def test_off(self, server):
        assert sys.monitoring.get_events(4) == 0 if sys.version_info >= (3, 12) else sys.getprofile() is None
        for _ in range(3):
            server()
        hidden()
        subprocess.run([sys.executable, "-c", "def hidden(): pass\\nhidden()"], check=True)
        assert "PYTEST_TIMELINE_SPOOL" not in os.environ
        self.attempts.append(1)
        assert len(self.attempts) > 1

    @pytest.mark.timeline(off=False)
    def test_on(self, server):
        here()

def test_after(server):
    server()
    here()
    subprocess.run([sys.executable, "-c", "def here(): pass\\nhere()"], check=True)
"""

OTHER = """
import pytest

def many(): pass

@pytest.mark.timeline(max_slices=50)
def test_few():
    for _ in range(1000): many()

def test_all():
    for _ in range(1000): many()
    sorted([1])

@pytest.mark.timeline(c_calls="all")
def test_c():
    sorted([1])

def test_c_after():
    sorted([1])
"""


SILENT = """
import gc
import logging
import warnings
import pytest
from pytest_timeline import counter, instant, span

@pytest.fixture(scope="module")
def serves():
    with span("serves"):
        yield

def say():
    print("printed")
    logging.error("logged")
    warnings.warn("warned")
    with span("hidden", n=1) as told:
        told.add(more=2)
        instant("hidden instant")
        counter("hidden counter", 1)
    gc.collect()

def test_before(serves): pass

@pytest.mark.timeline(off=True)
def test_off(serves): say()

def test_after(serves): pass
"""

ARGUMENTS = """
import pytest

class Cart:
    def add(self, item): return 1

def total(prices): return sum(prices)
def tax(price): return price / 5

@pytest.mark.timeline(args=["Cart.add", "test_it.total", "test_it.py::tax"])
def test_all():
    Cart().add("apple"), total([1, 2]), tax(10)

@pytest.mark.timeline(args=["test_it.py"])
class TestAll:
    def test_file(self): total([3])

def test_none():
    Cart().add("pear"), total([4])
"""


def names(run, test, format="chrome"):
    """Return the names of what was called in the test, with how often."""
    path = run.directory / "timeline" / run.tests[test]["files"][format]
    counts = {}
    for item in json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]:
        if item["ph"] == "X":
            counts[item["name"]] = counts.get(item["name"], 0) + 1
    return counts


def returned(run, test):
    """Return what each function returned in the test, of those that tell."""
    items = json.loads(gzip.decompress((run.directory / "timeline" / run.tests[test]["files"]["chrome"]).read_bytes()))
    return {
        item["name"]: item["args"]["returned"]
        for item in items["traceEvents"]
        if item["ph"] == "X" and "returned" in item.get("args", {})
    }


@pytest.mark.parametrize("arguments", [[], ["--timeline"]], ids=["off", "on"])
def test_a_wrong_marker_is_an_error_of_the_collection(pytester, run_pytest, arguments):
    pytester.makepyfile(test_it=WRONG)
    run = run_pytest(*arguments, "--strict-markers")
    assert run.ret == pytest.ExitCode.INTERRUPTED
    assert not (run.directory / "ran").exists()
    told = "@pytest.mark.timeline: keep=1 makes no sense; write keep=True or keep=False"
    assert f"{told} (at test_it.py::TestIt::test_a and 1 more)\n" in run.stdout
    choices = "off, keep, args, c_calls, full, max_slices"
    assert f"there is no 'kepp'; choose from {choices} (at test_it.py::test_c)" in run.stdout
    assert "2 errors" in run.stdout
    if arguments:
        assert [nodeid for nodeid, _ in run.manifest["errors"]] == ["test_it.py::TestIt::test_a", "test_it.py::test_c"]


def test_a_wrong_marker_in_a_worker(pytester, run_pytest):
    pytest.importorskip("xdist")
    pytester.makepyfile(test_it=WRONG)
    run = run_pytest("--timeline", "-n", "1", "--timeline-format=perfetto")
    assert run.ret == 1
    assert run.stdout.count("keep=1 makes no sense; write keep=True") >= 1
    assert {*run.outcomes.values()} == {"passed"}  # pytest-xdist runs what was collected


def test_the_marker_is_known(pytester, run_pytest):
    assert "@pytest.mark.timeline(off=..., keep=..., args=[...]" in run_pytest("--markers").stdout


def test_off(pytester, run_pytest):
    pytest.importorskip("pytest_rerunfailures")
    pytester.makepyfile(OFF)
    run = run_pytest("--timeline", "--timeline-format=chrome,perfetto", "--timeline-mode=both", "--reruns", "1")
    assert run.ret == 0, run.stdout
    assert run.manifest["warnings"] == []
    off = [run.tests["TestOff::test_off"], run.tests["TestOff::test_off#1"]]
    assert [test["outcome"] for test in off] == ["failed", "passed"]
    assert all(test["off"] and (test["slices"], test["processes"], test["files"]) == (0, 1, {}) for test in off)
    assert [name for name, test in run.tests.items() if "off" not in test] == [
        "test_before",
        "TestOff::test_on",
        "test_after",
    ]
    for test in ("test_before", "test_after"):
        called = names(run, test)
        assert called["tick"] == 1 and "hidden" not in called
        assert called["here"] == (2 if test == "test_after" else 1)
    assert names(run, "TestOff::test_on")["here"] == 1
    combined = run.directory / "timeline" / run.manifest["combined"]["chrome"]
    items = json.loads(gzip.decompress(combined.read_bytes()))["traceEvents"]
    assert sum(item["name"] == "tick" and item["ph"] == "X" for item in items) == 2
    assert not any(item["name"] == "hidden" for item in items)
    assert "test_it.py" not in run.stderr


def test_settings_of_one_test(pytester, run_pytest):
    pytester.makepyfile(OTHER)
    run = run_pytest("--timeline", "--timeline-format=chrome", "--timeline-c-calls=none")
    assert run.ret == 0 and run.manifest["warnings"] == []
    assert run.tests["test_few"]["slices"] <= 50 < 1000 <= run.tests["test_few"]["folded"] + 50
    assert names(run, "test_all")["many"] == 1000
    assert [("sorted" in names(run, test)) for test in ("test_all", "test_c", "test_c_after")] == [False, True, False]


def test_off_is_silent_whatever_the_test_says(pytester, run_pytest):
    pytester.makepyfile(SILENT)
    run = run_pytest("--timeline", "--timeline-format=chrome", "--timeline-mode=both", "--timeline-max-instants=1")
    assert run.ret == 0, run.stdout
    assert run.manifest["warnings"] == []
    assert run.tests["test_off"]["left_out"] == {}
    combined = run.directory / "timeline" / run.manifest["combined"]["chrome"]
    items = json.loads(gzip.decompress(combined.read_bytes()))["traceEvents"]
    told = " ".join(item["name"] for item in items if item["ph"] in "XiCBE")
    assert "serves" in told and "test_off" in told
    for word in ("hidden", "printed", "logged", "warned"):
        assert word not in told
    start = run.tests["test_off"]["start"] * 1e6
    off = [item for item in items if item.get("ts", -1) > start and item["name"].startswith("GC generation")]
    assert [item for item in off if item["ts"] < start + run.tests["test_off"]["duration"] * 1e6] == []


def test_arguments_of_one_test(pytester, run_pytest):
    pytester.makepyfile(test_it=ARGUMENTS)
    run = run_pytest("--timeline", "--timeline-format=chrome")
    assert run.ret == 0, run.stdout
    assert run.manifest["warnings"] == []
    told = {test: returned(run, test) for test in run.tests}
    assert told["test_all"] == {"Cart.add": "1", "total": "3", "tax": "2.0"}
    assert told["TestAll::test_file"] == {"TestAll.test_file": "None", "total": "3"}
    assert told["test_none"] == {}


def test_kept_in_a_worker(pytester, run_pytest):
    pytest.importorskip("xdist")
    pytester.makepyfile(
        "import pytest\n@pytest.mark.timeline(keep=True)\ndef test_a(): pass\ndef test_b(): pass\n"
        "@pytest.mark.timeline(off=True)\ndef test_c(): assert 0"
    )
    run = run_pytest("--timeline", "-n", "2", "--timeline-keep=failed", "--timeline-format=perfetto")
    assert [name for name, test in run.tests.items() if test["files"]] == ["test_a"]
    assert "kept 1 of 2 timelines (--timeline-keep=failed)" in run.stdout
    assert run.tests["test_c"]["off"]
