"""The tasks of an exported trace, as trace_processor has them: frames, states, instants, and arrows between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from support.timelines import ARROWS, SLICES
from support.trace_processor import ERRORS, query

TRACKS = """
    select track.id, coalesce(thread.name, track.name), parent.id, parent.name,
        slice.id, slice.ts, slice.dur, slice.depth, slice.name, slice.category
    from slice join track on slice.track_id = track.id left join track as parent on track.parent_id = parent.id
    left join thread_track on thread_track.id = track.id left join thread using (utid)
    order by track.id, slice.ts, slice.depth"""
FLOWS = "select slice_out, slice_in from flow"
TESTS = """
    select ts, ts + dur from slice join track on slice.track_id = track.id
    where track.name = 'test' and depth = 0 and slice.name like '%::%' and dur > 0 order by ts"""
SLACK = 1_000  # ns: a slice that has an arrow begins before what is in it


class Slice(NamedTuple):
    id: int
    ts: int
    dur: int
    depth: int
    name: str
    category: str

    @property
    def end(self) -> int:
        return self.ts + self.dur

    def has(self, other: Slice) -> bool:
        return self.ts - SLACK <= other.ts and other.end <= self.end + SLACK


@dataclass
class Task:
    """One task's track and its state's."""

    name: str
    group: str  # "Tasks of MainThread"
    frames: list[Slice] = field(default_factory=list)
    instants: list[Slice] = field(default_factory=list)
    states: list[Slice] = field(default_factory=list)

    @property
    def waits(self) -> list[str]:
        """What it waited for, one after another, without "await"."""
        return [each.name.removeprefix("await ") for each in self.frames if each.category == "await"]

    @property
    def running(self) -> list[Slice]:
        return [each for each in self.states if each.name == "running"]

    def stack(self, wait: Slice) -> list[str]:
        """Return the names of the frames that a wait is in, outermost first."""
        return [each.name for each in self.frames if each.depth < wait.depth and each.ts <= wait.ts < each.end]


class Trace:
    """A trace in Perfetto's format, in which trace_processor finds nothing wrong, with its tests in order."""

    def __init__(self, path: Path) -> None:
        errors, self.rows, self.flows, self.tests = query(path, ERRORS, TRACKS, FLOWS, TESTS)
        assert errors == []


class Loops:
    """What a trace has of the event loops, of all tests or of one."""

    def __init__(self, trace: Trace, test: int | None = None) -> None:
        start, end = (0, 1 << 63) if test is None else trace.tests[test]
        rows = [row for row in trace.rows if start <= row[5] < end]
        self.tasks: list[Task] = []
        self.threads: dict[str, list[Slice]] = {}
        self._of: dict[int, Task | str] = {}  # by the slice: whose state it is, or on which thread
        tasks: dict[int, Task] = {}
        states: dict[int, list[Slice]] = {}
        for track, name, parent, above, *about in rows:
            slice = Slice(*about)
            group = above or ""
            if name == "state":
                states.setdefault(parent, []).append(slice)
            elif group.startswith("Tasks of "):
                task = tasks.setdefault(track, Task(name, group))
                (task.frames if slice.dur else task.instants).append(slice)
            else:
                self.threads.setdefault(name, []).append(slice)
                self._of[slice.id] = name
        for track, slices in states.items():
            task = tasks.setdefault(track, Task("?", "?"))
            task.states = slices
            self._of |= {each.id: task for each in slices}
        self.lanes = {each.group: each for track, each in tasks.items() if track not in states}
        self.tasks = sorted((tasks[track] for track in states), key=lambda task: (task.states or task.frames)[0].ts)
        self._slices = {row[4]: Slice(*row[4:]) for row in rows}
        within = [
            (out, into) for out, into in trace.flows if {out, into} <= self._slices.keys()
        ]  # not from earlier tests
        self.flows = [(self._slices[out], self._slices[into]) for out, into in within]

    def named(self, name: str) -> Task:
        """Return the one task whose name begins with these words: "client-3" is "client-3 (client)", too."""
        (found,) = self.all_named(name)
        return found

    def all_named(self, name: str) -> list[Task]:
        return [task for task in self.tasks if task.name == name or task.name.startswith(f"{name} (")]

    def running(self, coroutine: str) -> list[Task]:
        """Return the tasks of a coroutine function."""
        return [task for task in self.tasks if task.name.endswith(f"({coroutine})") or coroutine == task.name]

    def with_frame(self, name: str) -> list[Task]:
        """Return the tasks in which a function of that name ran."""
        return [task for task in self.tasks if any(frame.name == name for frame in task.frames)]

    def whose(self, slice: Slice) -> Task | str | None:
        """Return whose state a slice is, or on which thread it is."""
        return self._of.get(slice.id)

    def into(self, task: Task, step: int) -> list[tuple[Task | str | None, Slice]]:
        """Return where the arrows into the task's n-th step come from."""
        target = task.running[step]
        return [(self.whose(out), out) for out, into in self.flows if into.id == target.id]

    def check(self) -> None:
        """Hold every task to what is true of all."""
        assert self.tasks
        for task in self.tasks:
            check(task)
        for group in {task.group for task in self.tasks}:
            steps = sorted((step.ts, step.end) for task in self.tasks if task.group == group for step in task.running)
            assert all(before[1] <= after[0] for before, after in pairwise(steps)), group
        for out, into in self.flows:
            assert out.ts < into.ts


def check(task: Task) -> None:
    """Hold a task to what its tracks promise: no gaps in its states, and its frames run just where they say so."""
    assert task.states and {each.name for each in task.states} <= {"running", "ready", "waiting"}, task
    assert {each.depth for each in task.states} == {0}
    for before, after in pairwise(task.states):
        assert 0 <= after.ts - before.end <= SLACK, (task.name, before, after)
    for each in task.states:
        assert each.category == ("python" if each.name == "running" else "await")
    if not task.frames:
        return
    waits = [each for each in task.frames if each.category == "await"]
    assert all(each.name.startswith("await ") for each in waits)
    assert any(step.has(task.frames[0]._replace(dur=1)) for step in task.running[:1]), task
    for step in task.running:
        assert not any(wait.ts + SLACK < step.end and step.ts + SLACK < wait.end for wait in waits), (task.name, step)
    for state in task.states if waits else ():  # a greenlet has none: it waits in the call that switches
        if state.name == "waiting" and any(each.depth == 0 and each.has(state) for each in task.frames):
            assert any(wait.has(state) for wait in waits), (task.name, state)
    for wait in waits:
        assert task.stack(wait), (task.name, wait)
        assert not any(each.depth > wait.depth and wait.ts <= each.ts < wait.end for each in task.frames)


def same_in_chrome(perfetto: Path, chrome: Path) -> None:
    """Hold the Chrome trace to the other: the same slices, on tracks that say where they belong, and arrows."""

    def short(track: str) -> str:
        return "state" if track.startswith("state of ") else track.rpartition(" / ")[2]

    found = []
    for path in (perfetto, chrome):
        errors, rows, ends = query(path, ERRORS, SLICES, ARROWS)
        assert errors == []
        joined = [(short(row[0]), *row[1:4], short(row[4]), *row[5:]) for row in ends]
        found.append((sorted((short(row[0]), *row[1:]) for row in rows), sorted(joined)))
    assert found[0] == found[1]
