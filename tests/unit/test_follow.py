"""The collector follows a run to its end, whatever that is, and writes what the manifest says."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_timeline import spooldir
from pytest_timeline.collect.follow import Follower
from pytest_timeline.spooldir import StatusPage
from support import spool_writer as w
from support.run_writer import RunWriter
from support.timelines import drawn

TIMEOUT = 300.0


def manifest(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "run.json").read_bytes())
    return found


def slice_names(path: Path) -> set[str]:
    items = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    return {item["name"] for item in items if item["ph"] in "XB"}


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_a_finished_run_is_written(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "timeline", mode="both")
    root = run.process()
    root.mark(
        1, w.SESSION_BEGIN, pytest="9.2.0", python="3.13.0", argv=["-x"], start="2026-11-22T10:00:00+00:00", worker=None
    )
    root.name_code(1, "work")
    root.test(1_000_000, 2_000_000, "test_a.py::test_x[1]")
    root.test(3_000_000, 5_000_000, "test_a.py::test_y", "failed", rerun=1)
    root.mark(6_000_000, w.SESSION_END, exitstatus=1, warnings=["beware"])
    Follower(run.spool_dir).run()
    found = manifest(run.directory)
    tests = found.pop("tests")
    assert found == {
        "version": 1,
        "pytest": "9.2.0",
        "python": "3.13.0",
        "argv": ["-x"],
        "start": "2026-11-22T10:00:00+00:00",
        "duration": 0.006,
        "platform": None,
        "plugins": [],
        "errors": [],
        "collection": None,
        "root": "",
        "keep": ["all"],
        "exitstatus": 1,
        "workers": [],
        "combined": {"perfetto": "combined.pftrace.gz", "chrome": "combined.json.gz"},
        "report": [],
        "dropped": 0,
        "warnings": ["beware"],
    }
    listed = [file for test in tests for file in test.pop("files").values()]
    assert tests[1] == {
        "nodeid": "test_a.py::test_y",
        "outcome": "failed",
        "exception": None,
        "worker": None,
        "start": 0.003,
        "duration": 0.002,
        "rerun": 1,
        "phases": {"call": 0.002},
        "slices": 1,
        "folded": 0,
        "dropped": 0,
        "processes": 1,
        "threads": 1,
        "tasks": 0,
        "leaks": 0,
        "leaked": [],
        "left_out": {},
        "blocks": 0,
        "blocked": [],
        "kept": True,
        "muted": 0,
        "unrecorded": [],
    }
    assert files(run.directory) == {"run.json", *found["combined"].values(), *listed}
    assert len(listed) == 4
    assert not run.spool_dir.exists()
    assert run.status["state"] == StatusPage.DONE
    assert slice_names(run.directory / listed[1]) == {"test_a.py::test_x[1]", "work"}
    assert slice_names(run.directory / "combined.json.gz") == {"test_a.py::test_x[1]", "test_a.py::test_y", "work"}


def test_a_crashed_run_has_its_crashed_test(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "timeline")
    root = run.process()
    root.test(1_000_000, 2_000_000, "a")
    root.test(3_000_000, None, "b")
    root.call(4_000_000, None, depth=6)
    Follower(run.spool_dir).run()
    found = manifest(run.directory)
    assert [(test["nodeid"], test["outcome"], test["slices"]) for test in found["tests"]] == [
        ("a", "passed", 1),
        ("b", "crashed", 2),
    ]
    assert found["exitstatus"] is None
    assert found["combined"] == {}


def test_workers_are_merged(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "timeline", mode="both", format=["chrome"])
    run.process().mark(1, w.SESSION_BEGIN, pytest="9", python="3", argv=[], start="now", worker=None)
    pids = {}
    for worker in ("gw0", "gw1"):
        process = run.process(worker, tick=500_000)
        pids[worker] = process.writer.header()["pid"]
        process.test(1_000_000, 2_000_000, "same::test")
    Follower(run.spool_dir).run()
    found = manifest(run.directory)
    assert [(worker["id"], worker["pid"]) for worker in found["workers"]] == list(pids.items())
    assert [(test["worker"], test["start"]) for test in found["tests"]] == [("gw0", 0.001), ("gw1", 0.001)]
    assert len({test["files"]["chrome"] for test in found["tests"]}) == 2


def test_nothing_was_recorded(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "timeline")
    Follower(run.spool_dir).run()
    found = manifest(run.directory)
    assert (found["tests"], found["duration"], found["warnings"]) == ([], 0.0, [])


def test_a_previous_runs_files_go(tmp_path: Path) -> None:
    directory = tmp_path / "timeline"
    for name in ("first", "second"):
        run = RunWriter(directory)
        run.process().test(1_000_000, 2_000_000, name)
        Follower(run.spool_dir).run()
        (directory / "tests" / "of-the-user").touch()
    assert sorted(path.name.split("-")[0] for path in (directory / "tests").iterdir()) == ["of", "second", "second"]


@pytest.mark.parametrize("began", [False, True])
def test_a_run_that_came_to_nothing_leaves_the_previous_ones_files(tmp_path: Path, began: bool) -> None:
    directory = tmp_path / "timeline"
    first = RunWriter(directory)
    first.process().test(1_000_000, 2_000_000, "first")
    Follower(first.spool_dir).run()
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    run = RunWriter(directory, mode="both")
    if began:
        run.process().mark(1_000_000, w.SPAN_BEGIN, name="start-up", cat="test")
    run.status["finish"] = StatusPage.ABANDONED
    Follower(run.spool_dir).run()
    shutil.rmtree(run.spool_dir)  # whoever abandons it does that
    assert {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()} == before != {}


def test_a_budget_and_a_shortest_duration_hold(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "timeline", max_slices=100, min_duration_ns=50)
    root = run.process()
    root.mark(1_000, w.TEST_BEGIN, nodeid="a")
    for i in range(2000):
        root.call(2_000 + i * 10_000, 2_000 + i * 10_000 + i)
    root.mark(90_000_000, w.TEST_END, outcome="passed", phases={})
    Follower(run.spool_dir).run()
    (test,) = manifest(run.directory)["tests"]
    assert 0 < test["slices"] <= 100
    assert test["slices"] + test["folded"] == 2000


def test_what_cannot_be_written_is_said_and_the_rest_goes_on(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "timeline", format=["chrome"])
    root = run.process()
    root.writer.set_dropped(3)
    root.test(1_000_000, 2_000_000, "a")
    (run.directory / "tests").touch()  # not a directory
    Follower(run.spool_dir).run()
    found = manifest(run.directory)
    assert found["tests"][0]["files"] == {}
    assert found["dropped"] == 3
    assert len(found["warnings"]) == 2
    assert found["warnings"][0].startswith("not written: a: ")
    assert "3 records" in found["warnings"][1]


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end, "gave up waiting"
        time.sleep(0.005)


@pytest.fixture
def sleeper() -> Any:
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def start(run: RunWriter) -> subprocess.Popen[bytes]:
    return subprocess.Popen(spooldir.command(str(run.spool_dir)), env={}, cwd="/")


@pytest.mark.parametrize("ending", ["mark", "flag", "death"])
def test_the_process_follows_until_the_run_is_over(
    tmp_path: Path, sleeper: subprocess.Popen[bytes], ending: str
) -> None:
    run = RunWriter(tmp_path / "timeline", pid=sleeper.pid)
    collector = start(run)
    root = run.process()
    root.test(1_000_000, 2_000_000, "a")
    wait_for(lambda: run.status["total"] == 1 and run.status["done"] == 1)  # long before the end
    assert run.status["state"] == StatusPage.FOLLOWING
    assert run.status["pid"] == collector.pid
    assert root.writer.header()["heartbeat_ns"] > 0
    late = run.process(tick=3_000_000, pid=os.getpid())
    late.call(3_000_000, 4_000_000)
    beat = run.status["heartbeat"]
    wait_for(lambda: run.status["heartbeat"] > beat)  # these ticks are long past: it might read of "b" before it looks
    root.test(2_500_000, 5_000_000, "b")
    if ending == "mark":
        root.mark(6_000_000, w.SESSION_END, exitstatus=0, warnings=[])
    elif ending == "flag":
        run.status["finish"] = 1
    else:
        sleeper.kill()
        sleeper.wait()
    assert collector.wait(TIMEOUT) == 0
    assert run.status["state"] == StatusPage.DONE
    assert (run.status["done"], run.status["total"]) == (2, 2)
    found = manifest(run.directory)
    assert [(test["nodeid"], test["outcome"], test["processes"]) for test in found["tests"]] == [
        ("a", "passed", 1),
        ("b", "passed", 2),
    ]
    assert found["exitstatus"] == (0 if ending == "mark" else None)
    assert late.writer.header()["stop"] == 1
    assert not run.spool_dir.exists()


def test_a_failure_is_said_in_the_status(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "timeline", format=["png"])
    assert start(run).wait(TIMEOUT) == 1
    assert run.status["state"] == StatusPage.FAILED
    assert "png" in run.status.reason


def test_a_test_that_removes_the_spool_does_no_harm(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    run = RunWriter(tmp_path / "timeline", pid=sleeper.pid)
    collector = start(run)
    root = run.process()
    root.test(1_000_000, 2_000_000, "a")
    wait_for(lambda: run.status["done"] == 1)
    for path in sorted(run.spool_dir.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    run.spool_dir.rmdir()
    root.test(3_000_000, 4_000_000, "b")
    root.mark(6_000_000, w.SESSION_END, exitstatus=0, warnings=[])
    assert collector.wait(TIMEOUT) == 0
    assert [test["nodeid"] for test in manifest(run.directory)["tests"]] == ["a", "b"]


def test_tests_whose_marks_were_lost_are_counted(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "timeline")
    root = run.process()
    root.test(1_000_000, 2_000_000, "a")
    root.mark(3_000_000, w.SESSION_END, exitstatus=0, tests=3, warnings=[])
    Follower(run.spool_dir).run()
    assert manifest(run.directory)["warnings"] == ["main: 2 of its tests found no room to be told of and are missing"]


def look(run: RunWriter) -> dict[str, Any]:
    """Ask the collector what is going on."""
    run.status["asked"] += 1
    wait_for(lambda: run.status["answered"] == run.status["asked"])
    assert run.status.refusal == ""
    found: dict[str, Any] = json.loads((run.spool_dir / "live.json").read_bytes())
    assert found["number"] == run.status["asked"]
    return found


def test_looks_at_a_run_leave_no_trace_in_it(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    def slices(path: Path) -> list[Any]:
        items = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
        return [(item["name"], item["ts"], item["dur"], item.get("args")) for item in items if item["ph"] == "X"]

    def drawn_in(looks: bool) -> list[list[Any]]:
        run = RunWriter(tmp_path / str(looks), pid=sleeper.pid, mode="both")
        collector = start(run)
        root = run.process()
        root.name_code(1, "work")
        root.test(1_000_000, None, "a")
        root.call(2_000_000, 3_000_000, depth=6, thread=1)
        if looks:
            for _ in range(3):  # also when nothing happened in between
                (family,) = look(run)["families"]
                assert (family["test"], family["worker"], family["spans"]) == ("a", None, [])
                (thread,) = family["processes"][0]["threads"]
                assert [frame["name"] for frame in thread["frames"]] == ["work"]
            for file in ("live.pftrace.gz", "live.json.gz"):
                assert {each.name for each in drawn(run.directory / file)} >= {"a", "work"}
        root.writer.record(run.start + 8_000_000, w.RETURN, 5, 1)
        root.mark(9_000_000, w.TEST_END, outcome="passed", phases={})
        root.mark(10_000_000, w.SESSION_END, exitstatus=0, warnings=[])
        assert collector.wait(TIMEOUT) == 0
        (test,) = manifest(run.directory)["tests"]
        combined = manifest(run.directory)["combined"]
        assert files(run.directory) == {"run.json", *test["files"].values(), *combined.values()}
        return [slices(run.directory / path) for path in (test["files"]["chrome"], combined["chrome"])]

    assert drawn_in(True) == drawn_in(False)


def test_a_look_that_cannot_be_written_is_refused_and_the_run_goes_on(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    run = RunWriter(tmp_path / "timeline", pid=sleeper.pid, format=["chrome"])
    run.status["asked"] = 1
    collector = start(run)
    wait_for(lambda: run.status["answered"] == 1)
    assert run.status.refusal == "nothing is recorded yet"
    root = run.process()
    root.test(1_000_000, None, "a")
    (run.directory / "live.json.gz").mkdir()
    (run.directory / "live.json.gz" / "in-the-way").touch()
    wait_for(lambda: run.status["heartbeat"] > 0 and root.writer.header()["heartbeat_ns"] > 0)
    run.status["asked"] = 2
    wait_for(lambda: run.status["answered"] == 2)
    assert "live.json.gz" in run.status.refusal
    root.mark(9_000_000, w.TEST_END, outcome="passed", phases={})
    root.mark(10_000_000, w.SESSION_END, exitstatus=0, warnings=[])
    assert collector.wait(TIMEOUT) == 0
    assert [test["outcome"] for test in manifest(run.directory)["tests"]] == ["passed"]
    assert [path.name for path in run.directory.iterdir() if path.name.startswith(".")] == []
