"""Random programs of tasks that await each other's frames: the records that they leave, and what is to be drawn.

Every frame is an object that lives from its start to its end: what is expected comes from no rule about records.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from support import spool_writer as w

CODES = range(1, 7)  # coroutine functions c1 to c6, in a few of which a frame awaits another of the same
PLAIN = 10  # a plain function
GENERATOR = 11  # a plain generator between two coroutines
TYPE = 20  # of an exception
BASE = 5  # depth of the outermost frame of a step
RESUMED, YIELDED, THROWN = 1, 2, 4


@dataclass
class Frame:
    code: int  # 0 = a wait
    start: int
    between: bool = False  # a plain generator lies around it
    end: int = 0
    flags: int = 0
    raised: int = 0
    waits_for: int = 0  # of a wait: the code of the frame that waits
    children: list[Frame] = field(default_factory=list)

    def rows(self, depth: int = 0) -> Iterator[tuple[int, int, str, int, int, int]]:
        name = f"c{self.code}" if self.code else f"await c{self.waits_for}"
        yield self.start, self.end, name, depth, self.flags, self.raised
        for child in self.children:
            yield from child.rows(depth + 1)


@dataclass
class Task:
    id: int
    roots: list[Frame] = field(default_factory=list)
    stack: list[Frame] = field(default_factory=list)
    states: list[tuple[str, int]] = field(default_factory=list)  # what it is, from when on
    over: bool = False


class Program:
    """Tasks on one thread. `records` are (tick, kind, depth, id); a TASK, at its tick, creates one."""

    def __init__(self, random: Random, tasks: int, steps: int) -> None:
        self.random = random
        self.now = 100
        self.records: list[tuple[int, int, int, int]] = []
        self.tasks = [Task(id) for id in range(1, tasks + 1)]
        for task in self.tasks:
            self._tell(w.TASK, 0, task.id)
            task.states.append(("ready", self.now))
        for _ in range(steps):
            living = [task for task in self.tasks if not task.over]
            if living:
                self._step(random.choice(living))
        self.end = self.now + 10

    def _tell(self, kind: int, depth: int, id: int) -> int:
        self.now += self.random.choice([1, 1, 3, 50])
        self.records.append((self.now, kind, depth, id))
        return self.now

    def _step(self, task: Task) -> None:
        if task.states[-1][0] == "waiting" and self.random.random() < 0.7:
            task.states.append(("ready", self._tell(w.READY, 0, task.id)))
        self._tell(w.STEP, BASE, task.id)
        if not task.stack:
            if self.random.random() < 0.1:  # cancelled before it began
                frame = self._enter(task, w.THROW, BASE, self.random.choice(CODES))
                frame.flags = RESUMED
                self._begun(task, frame.start)
                self._raise(task, BASE)
                self._ended(task)
                return
            self._begun(task, self._enter(task, w.START, BASE, self.random.choice(CODES)).start)
            self._run(task, [BASE])
            return
        if self.random.random() < 0.2:
            self._throw(task)
        else:
            self._resume(task)

    def _begun(self, task: Task, tick: int) -> None:
        task.states.append(("running", tick))
        if task.stack and task.stack[-1].code == 0:
            task.stack.pop().end = tick

    def _resume(self, task: Task) -> None:
        depths: list[int] = []
        depth = BASE
        for frame in [frame for frame in task.stack if frame.code]:
            if frame.between:
                self._tell(w.RESUME, depth, GENERATOR)
                depth += 1
            tick = self._tell(w.RESUME, depth, frame.code)
            if not depths:
                self._begun(task, tick)
            depths.append(depth)
            depth += 1
        self._run(task, depths)

    def _throw(self, task: Task) -> None:
        """Each frame is thrown into, from the innermost on, until one catches it."""
        began = False
        while True:
            frame = [frame for frame in task.stack if frame.code][-1]
            tick = self._tell(w.THROW, BASE, frame.code)
            if not began:
                self._begun(task, tick)
                began = True
            if self.random.random() < 0.3:  # it goes on, and those that await it hear nothing of that
                self._run(task, [BASE], outer=len(task.stack) - 1)
                return
            self._raise(task, BASE)
            if not task.stack:
                self._ended(task)
                return
            self._tell(w.STEP, BASE, task.id)

    def _enter(self, task: Task, kind: int, depth: int, code: int, *, between: bool = False) -> Frame:
        frame = Frame(code, self._tell(kind, depth, code), between)
        (task.stack[-1].children if task.stack else task.roots).append(frame)
        task.stack.append(frame)
        return frame

    def _return(self, task: Task, depth: int) -> None:
        frame = task.stack.pop()
        frame.end = self._tell(w.RETURN, depth, frame.code)

    def _raise(self, task: Task, depth: int) -> None:
        frame = task.stack.pop()
        self._tell(w.RAISED, 0, TYPE)
        frame.end = self._tell(w.UNWIND, depth, frame.code)
        frame.flags |= THROWN
        frame.raised = TYPE

    def _run(self, task: Task, depths: list[int], outer: int = 0) -> None:
        """The innermost frame runs; `depths` are those of the frames that do, above `outer` that hear of nothing."""
        while True:
            what = self.random.random()
            if what < 0.2:
                self._tell(w.START, depths[-1] + 1, PLAIN)
                self._tell(w.RETURN, depths[-1] + 1, PLAIN)
            elif what < 0.45 and len(depths) < 6:
                between = self.random.random() < 0.3
                depth = depths[-1] + 1
                if between:
                    self._tell(w.START, depth, GENERATOR)
                    depth += 1
                self._enter(task, w.START, depth, self.random.choice(CODES), between=between)
                depths.append(depth)
            elif what < 0.7:
                between = task.stack[-1].between
                raises = self.random.random() < 0.3
                if raises:
                    self._raise(task, depths[-1])
                else:
                    self._return(task, depths[-1])
                depth = depths.pop()
                if between and depths:
                    self._tell(w.RETURN, depth - 1, GENERATOR)
                if depths:
                    continue
                if outer:  # the next one goes on, at the same depth
                    outer -= 1
                    self._tell(w.STEP, BASE, task.id)
                    self._tell(w.THROW if raises else w.RESUME, BASE, task.stack[-1].code)
                    depths.append(BASE)
                    continue
                self._ended(task)
                return
            else:
                self._suspend(task, depths)
                return

    def _suspend(self, task: Task, depths: list[int]) -> None:
        running = task.stack[len(task.stack) - len(depths) :]
        for index, (frame, depth) in reversed(list(enumerate(zip(running, depths, strict=True)))):
            tick = self._tell(w.YIELD, depth, frame.code)
            if frame.between and index:
                self._tell(w.YIELD, depth - 1, GENERATOR)
        wait = Frame(0, tick, waits_for=task.stack[-1].code)
        task.stack[-1].children.append(wait)
        task.stack.append(wait)
        task.states.append(("waiting", tick))

    def _ended(self, task: Task) -> None:
        task.over = True
        task.states.append(("over", self.now))

    def frames(self, task: Task) -> list[tuple[int, int, str, int, int, int]]:
        """Return (start, end, name, depth, flags, raised) of what the task awaits; what is open ends at the end."""
        return [
            (start, end or self.end, name, depth, flags | (0 if end else 16), raised)
            for root in task.roots
            for start, end, name, depth, flags, raised in root.rows()
        ]

    def lane(self, task: Task) -> list[tuple[int, int, str]]:
        """Return (start, end, state)."""
        ends = [start for _, start in task.states[1:]] + [self.end]
        return [(start, end, what) for (what, start), end in zip(task.states, ends, strict=True) if what != "over"]
