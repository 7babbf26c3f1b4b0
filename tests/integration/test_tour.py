"""The timelines of the tour show its programs as docs/tour/README.md says, to Perfetto's own SQL."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from support import trace_processor

pytestmark = pytest.mark.skipif(trace_processor.missing() is not None, reason=str(trace_processor.missing()))

ROOT = Path(__file__).parents[2]
DELAY = 0.5  # seconds
THREADS = 1 << 27  # from here on tids are not those of threads
TESTS = """
    test_cpu.py::test_one_thread test_cpu.py::test_three_threads test_cpu.py::test_three_processes
    test_io.py::test_in_sequence test_io.py::test_three_threads test_io.py::test_three_tasks
    test_io.py::test_three_blocking_tasks""".split()
has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()


class Slice(NamedTuple):
    """Times are nanoseconds. `tid` is None on a track that is no thread's."""

    track: str
    pid: int | None
    tid: int | None
    ts: int
    dur: int
    depth: int
    name: str

    @property
    def end(self) -> int:
        return self.ts + self.dur

    def has(self, other: Slice) -> bool:
        return self.tid == other.tid and self.ts <= other.ts and other.end <= self.end and self.depth < other.depth


SLICES = f"""
    select coalesce(thread.name, track.name), iif(thread.tid < {THREADS}, process.pid, null),
        iif(thread.tid < {THREADS}, thread.tid, null), slice.ts, slice.dur, slice.depth, slice.name
    from slice join track on slice.track_id = track.id
    left join thread_track on thread_track.id = track.id left join thread using (utid) left join process using (upid)
    order by slice.ts, slice.depth"""


@dataclasses.dataclass
class Tour:
    """The run of the tour: its process, the native ids of its threads, and its files by test and format."""

    pid: int
    threads: dict[str, int]
    files: dict[str, dict[str, Path]]

    def slices(self, test: str, format: str = "perfetto") -> list[Slice]:
        return read(self.files[test][format])


@functools.cache
def read(path: Path) -> list[Slice]:
    """Return all slices in order of time and depth, of a trace that has no errors."""
    errors, rows = trace_processor.query(path, trace_processor.ERRORS, SLICES)
    assert errors == []
    return [Slice(*row) for row in rows]


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Tour:
    directory = tmp_path_factory.mktemp("tour")
    outer = ("PYTEST_TIMELINE", "PYTEST_XDIST", "PYTEST_ADDOPTS")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(outer)} | {
        "PYTHONPATH": str(ROOT / "tests" / "support" / "programs"),
        "TOUR_DELAY": str(DELAY),
        "TOUR_THREADS": str(directory / "threads.json"),
    }
    options = ["-p", "tour_probe", "-p", "no:cacheprovider", f"--timeline-dir={directory}"]
    options.append("--timeline-format=html,perfetto,chrome")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "--timeline", *options, "docs/tour"],  # -P: a checkout is not built
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads((directory / "threads.json").read_bytes())
    manifest = json.loads((directory / "run.json").read_bytes())
    files = {
        test["nodeid"].removeprefix("docs/tour/"): {key: directory / file for key, file in test["files"].items()}
        for test in manifest["tests"]
    }
    assert manifest["warnings"] == []
    return Tour(said["pid"], said["threads"], files)


def named(slices: Iterable[Slice], name: str) -> list[Slice]:
    return [one for one in slices if one.name == name]


def overlap(slices: list[Slice]) -> bool:
    """Whether each begins before the one that began before it ends."""
    return all(after.ts < before.end for before, after in pairwise(slices))


def in_turn(slices: list[Slice]) -> bool:
    return all(before.end <= after.ts for before, after in pairwise(slices))


def test_each_test_has_its_timelines(tour: Tour) -> None:
    assert sorted(tour.files) == sorted(TESTS)
    assert {tuple(files) for files in tour.files.values()} == {("html", "perfetto", "chrome")}


@pytest.mark.parametrize("test", TESTS)
def test_both_formats_hold_the_same_slices(tour: Tour, test: str) -> None:
    def ordered(format: str) -> list[tuple[object, ...]]:
        slices = (one._replace(track=short(one.track)) for one in tour.slices(test, format))
        return sorted(one._replace(pid=one.pid or 0, tid=one.tid or 0) for one in slices)

    def short(track: str) -> str:  # Chrome JSON has no tree of tracks, so the names there say what is below what
        return "state" if track.startswith("state of ") else track.rpartition(" / ")[2]

    perfetto = ordered("perfetto")
    assert len(perfetto) > 20
    assert perfetto == ordered("chrome")


def test_the_test_comes_with_its_phases(tour: Tour) -> None:
    story = [one for one in tour.slices("test_cpu.py::test_one_thread") if one.track == "test"]
    assert [(one.depth, one.name) for one in story] == [
        (0, "docs/tour/test_cpu.py::test_one_thread"),
        (1, "setup"),
        (1, "call"),
        (1, "teardown"),
    ]
    assert in_turn(story[1:])


def test_primes_in_one_thread(tour: Tour) -> None:
    slices = tour.slices("test_cpu.py::test_one_thread")
    (work,) = named(slices, "get_prime_arr")
    assert (work.track, work.pid, work.tid) == ("MainThread", tour.pid, tour.pid)
    checks = named(slices, "check_prime")
    assert len(checks) == 600
    assert all(work.has(check) for check in checks)
    assert in_turn(checks)
    assert {one.track for one in slices} - {"processes"} == {"test", "MainThread"}  # 3.14's fork server lives on


def test_primes_in_three_threads(tour: Tour) -> None:
    slices = tour.slices("test_cpu.py::test_three_threads")
    works = named(slices, "get_prime_arr")
    assert {one.track: one.tid for one in works} == {
        name: tour.threads[name] for name in ("primes-1", "primes-2", "primes-3")
    }
    assert {one.pid for one in works} == {tour.pid}
    for work in works:
        assert sum(work.has(check) for check in named(slices, "check_prime")) == 200
    lives = [[one for one in slices if one.track == name] for name in sorted({one.track for one in works})]
    for before, after in pairwise(lives):  # all look busy
        assert after[0].ts < max(one.end for one in before)

    lane = [one for one in slices if one.track == "GIL"]
    assert in_turn(lane)
    turns = [name for name, _ in groupby(one.name for one in lane if one.name.startswith("primes-"))]
    if has_gil:
        assert set(turns) == {"primes-1", "primes-2", "primes-3"}
        assert len(turns) > 3  # whoever had it got it again


def test_primes_in_three_processes(tour: Tour) -> None:
    slices = tour.slices("test_cpu.py::test_three_processes")
    works = named(slices, "get_prime_arr")
    pids = {one.pid for one in works}
    assert len(works) == len(pids) == 3
    assert tour.pid not in pids
    assert {one.track for one in works} == {"MainThread"}
    for work in works:
        checks = [check for check in named(slices, "check_prime") if check.pid == work.pid]
        assert len(checks) == 200
        assert all(work.has(check) for check in checks)
    assert overlap(works)
    ours = [one for one in slices if one.pid == tour.pid]
    for step in ("BaseProcess.start", "_ConnectionBase.recv", "BaseProcess.join"):
        assert len(named(ours, step)) == 3
    reads = named(ours, "os.read")
    assert all(any(recv.has(read) for read in reads) for recv in named(ours, "_ConnectionBase.recv"))


def waits(slices: list[Slice], task: str, count: int = 3) -> list[Slice]:
    """Return the sleeps, each of which is in a slice `task` of its own."""
    sleeps = named(slices, "time.sleep")
    assert len(sleeps) == count
    assert [sum(one.has(sleep) for sleep in sleeps) for one in named(slices, task)[-count:]] == [1] * count
    assert all(one.dur >= DELAY * 1e9 for one in sleeps)
    return sleeps


def test_waits_in_sequence(tour: Tour) -> None:
    sleeps = waits(tour.slices("test_io.py::test_in_sequence"), "io_task")
    assert {one.track for one in sleeps} == {"MainThread"}
    assert in_turn(sleeps)


def test_waits_in_three_threads(tour: Tour) -> None:
    sleeps = waits(tour.slices("test_io.py::test_three_threads"), "io_task")
    assert {one.track: one.tid for one in sleeps} == {name: tour.threads[name] for name in ("io-1", "io-2", "io-3")}
    assert max(one.ts for one in sleeps) < min(one.end for one in sleeps)


@pytest.mark.parametrize("which", ["async", "blocking"])
def test_waits_in_three_tasks(tour: Tour, which: str) -> None:
    """Each task runs up to its wait, the loop waits once for all, then each runs to its end."""
    test, waiting = ("three_tasks", 0) if which == "async" else ("three_blocking_tasks", 3)
    everything = tour.slices(f"test_io.py::test_{test}")
    slices = [one for one in everything if one.track == "MainThread"]
    steps = named(slices, f"{which}_io_task")
    assert len(steps) == 6
    assert in_turn(steps)
    begun, resumed = steps[:3], steps[3:]
    selects = [one for one in slices if one.name.endswith("Selector.select")]
    assert [one for one in selects if begun[0].end <= one.ts and one.end <= begun[2].ts] == []
    assert any(begun[2].end <= one.ts and one.end <= resumed[0].ts for one in selects)
    sleeps = waits(slices, f"{which}_io_task", waiting) if waiting else named(slices, "time.sleep")
    assert len(sleeps) == waiting
    assert in_turn(sleeps)
    tasks = {f"io-{number} ({which}_io_task)" for number in (1, 2, 3)}
    found = {one.track for one in everything if not one.track.startswith("Task-")} - {"processes", "event loop"}
    assert found == {"test", "MainThread", "state", *tasks}  # 3.14's fork server lives on
    for task in tasks:
        frames = [one.name for one in everything if one.track == task]
        assert frames == [f"{which}_io_task", "sleep", "await asyncio.sleep"]
    slow = [one for one in everything if one.track == "event loop" and one.dur]  # no instants
    blocks = [one for one in slow if " by time.sleep in " in one.name]  # a machine may stall elsewhere, too
    assert [one.name for one in blocks] == [f"blocked by time.sleep in {which}_io_task"] * waiting
    assert all(block.ts <= sleep.ts and sleep.end <= block.end for block, sleep in zip(blocks, sleeps, strict=True))
