"""The tracks of tasks: what each awaits, the state that it is in, what came of what, and what blocked an event loop."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pytest_timeline._codec import Names, Slices
from pytest_timeline.collect.rate import Rate
from pytest_timeline.timeline.model import Flow, Instant, Process, Track

if TYPE_CHECKING:
    from pytest_timeline._codec import Tasks

MOST_TASKS = 500  # tracks of tasks in a window
MOST_BLOCKED = 50  # of which run.json says what they were
CODE, CALLABLE = 17, 18  # a name's kinds, as columns.pxd has them

_flow_ids = itertools.count(1 << 32)  # unique in a run, apart from those of processes


class _Task(NamedTuple):
    """As the codec tells it."""

    id: int
    name: str
    thread: int
    native_id: int
    created: int
    ended: int
    thrown: bool
    raised: int
    failed: bool
    blocked: bool
    steps: int
    lost_steps: int
    ticks: int
    frames: Slices
    states: Slices


class _Arrow(NamedTuple):
    source_task: int
    source_thread: int
    source_tick: int
    task: int
    thread: int
    tick: int


class _Block(NamedTuple):
    thread: int
    task: int
    start: int
    end: int
    frame: int
    function: int


@dataclass(slots=True)
class Blocked:
    """What kept an event loop from everybody else."""

    start: int  # tick
    end: int  # tick
    frame: str  # what took most of the time: time.sleep
    function: str  # that called it; the same for a Python function
    file: str
    line: int
    task: str  # "" = a callback

    @property
    def what(self) -> str:
        """For people, such as "time.sleep in io_task"."""
        return self.frame if self.frame == self.function else f"{self.frame} in {self.function}"

    def told(self, rate: Rate, root: str) -> str:
        """Return it for people, such as "time.sleep in io_task for 61 ms (tests/test_io.py:27)"."""
        milliseconds = rate.seconds(self.end - self.start) * 1e3
        file = self.file.removeprefix(os.path.join(root, "")) if root else self.file
        place = f" ({file}:{self.line})" if file else ""
        return f"{self.what} for {milliseconds:.3g} ms{place}"


@dataclass(slots=True)
class Folded:
    """Tasks that have no track."""

    tasks: int = 0
    steps: int = 0
    ticks: int = 0


@dataclass(slots=True)
class Concurrency:
    """What the event loops of all processes did in one window."""

    blocked: list[Blocked] = field(default_factory=list)
    folded: Folded = field(default_factory=Folded)
    tasks: int = 0  # all of them, also those folded


def draw(told: Iterable[tuple[Process, Names, Tasks]], start: int, ns_per_tick: float) -> Concurrency:
    """Add to each process the tracks of its tasks in the window that begins at `start`, MOST_TASKS in all."""
    concurrency = Concurrency()
    drawn = [(process, names, [_Task(*task) for task in tasks[0]], tasks) for process, names, tasks in told]
    ranked = sorted(
        (task for _, _, tasks, _ in drawn for task in tasks),
        key=lambda task: (not (task.failed or task.blocked), task.created - (task.ended or 1 << 64), task.id),
    )
    keep = {id(task) for task in ranked[:MOST_TASKS]}
    for process, names, tasks, (_, arrows, blocks, notes, folded) in drawn:
        fold(concurrency.folded, *folded)
        for task in tasks:
            if id(task) not in keep:
                fold(concurrency.folded, 1, task.steps, task.ticks)
        kept = [task for task in tasks if id(task) in keep]
        concurrency.tasks += len(tasks) + folded[0]
        named = {task.id: task.name for task in tasks}
        found = [_blocked(names, _Block(*block), named) for block in blocks]
        concurrency.blocked += [block for _, block in found]
        _Drawing(process, names, start, ns_per_tick).draw(kept, [_Arrow(*arrow) for arrow in arrows], notes, found)
    return concurrency


def fold(total: Folded, tasks: int, steps: int, ticks: int) -> None:
    total.tasks += tasks
    total.steps += steps
    total.ticks += ticks


def _blocked(names: Names, block: _Block, tasks: dict[int, str]) -> tuple[int, Blocked]:
    """Return the serial of the thread whose loop it was, and what blocked it."""
    frame, kind, file, line, _ = _name(names, block.frame)
    function = frame
    if kind == CALLABLE:
        function, _, file, line, _ = _name(names, block.function)
    return block.thread, Blocked(block.start, block.end, frame, function, file, line, tasks.get(block.task, ""))


def _name(names: Names, id: int) -> tuple[str, int, str, int, int]:
    try:
        return names[id]
    except KeyError:
        return "?", CODE, "", 0, 0


class _Drawing:
    """The tracks of one process."""

    def __init__(self, process: Process, names: Names, start: int, ns_per_tick: float) -> None:
        self._process = process
        self._names = names
        self._start = start
        self._ns_per_tick = ns_per_tick
        self._threads = {track.serial: track for track in process.tracks if track.kind == "thread"}
        self._states: dict[int, Track] = {}  # by task
        self._below: dict[int, list[Track]] = {}  # by thread

    def draw(
        self,
        tasks: list[_Task],
        arrows: list[_Arrow],
        notes: list[tuple[int, int, int, str]],
        blocked: list[tuple[int, Blocked]],
    ) -> None:
        self._add_loops(blocked)
        frames = {}
        for task in sorted(tasks, key=lambda task: (task.states.start or task.created, task.id)):
            frames[task.id] = self._add_task(task)
        for id, serial, tick, text in notes:
            track = frames.get(id) or self._threads.get(serial)
            if track is not None:
                track.instants.append(Instant(text, "await", tick))
        for arrow in arrows:
            self._add_arrow(arrow)
        others = [track for track in self._process.tracks if track.kind != "thread"]
        tracks = [track for thread in self._threads.values() for track in (thread, *self._below.pop(thread.serial, ()))]
        left = [track for below in self._below.values() for track in below]  # their threads have no slice
        self._process.tracks = [*tracks, *left, *others]

    def _add_task(self, task: _Task) -> Track:
        under = self._threads.get(task.thread)
        name = task.name or f"task {task.id}"
        track = Track("task", name, task.native_id, task.id, task.frames, self._names, under=under)
        state = Track("state", "state", task.native_id, task.id, task.states, self._names, under=track)
        if task.lost_steps:
            track.args["folded_steps"] = task.lost_steps
        if task.thrown and task.ended:
            raised = _name(self._names, task.raised)[0] if task.raised else ""
            name = (raised or "left by an exception") if task.failed else "cancelled"
            track.instants.append(Instant(name, "python", task.ended))
        self._states[task.id] = state
        self._below.setdefault(task.thread, []).extend((track, state))
        return track

    def _add_loops(self, blocked: list[tuple[int, Blocked]]) -> None:
        for serial in dict.fromkeys(serial for serial, _ in blocked):
            names, slices = Names(), Slices()
            under = self._threads.get(serial)
            track = Track("loop", "event loop", under.native_id if under else 0, serial, slices, names, under=under)
            blocks = sorted((block for thread, block in blocked if thread == serial), key=lambda b: (b.start, -b.end))
            around: list[int] = []  # ends of those that the next may lie in: a task may run another one
            for id, block in enumerate(blocks, 1):
                start, end = max(block.start, self._start), block.end
                while around and around[-1] <= start:
                    around.pop()
                if around:
                    end = min(end, around[-1])
                names.add(id, f"blocked by {block.what}")
                slices.add(start, max(end, start), id, len(around))
                around.append(end)
                args = {
                    "duration_ms": round((block.end - block.start) * self._ns_per_tick / 1e6, 3),
                    "frame": block.frame,
                    "function": block.function,
                    "file": block.file,
                    "line": block.line,
                    "task": block.task,
                }
                track.instants.append(Instant(f"blocked by {block.what}", "await", start, args))
            self._below.setdefault(serial, []).insert(0, track)

    def _add_arrow(self, arrow: _Arrow) -> None:
        """Draw it if both ends are to be seen, and it does not point back."""
        source, target = (
            self._states.get(task) if task else self._threads.get(thread)
            for task, thread in ((arrow.source_task, arrow.source_thread), (arrow.task, arrow.thread))
        )
        if source is None or target is None or not self._start <= arrow.source_tick <= arrow.tick:
            return
        flow = next(_flow_ids)
        source.flows.append(Flow(flow, arrow.source_tick, False))
        target.flows.append(Flow(flow, arrow.tick, True))
