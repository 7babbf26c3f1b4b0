"""The processes that a pytest process and its descendants start, Python or not: each from its start to its exit.

Three sources: a traced process tells whom it started and whom it reaped; a spool says who records; and what C code
started, or a shell, is looked for in /proc. Whichever is first, they are about one process.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Container, Iterable
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from pytest_timeline._codec import Spool, now
from pytest_timeline.collect import procfs
from pytest_timeline.collect.alive import Life, Watch
from pytest_timeline.collect.label import label, words
from pytest_timeline.timeline.model import Flow, Lane, Span

LANE = "processes"
HELPERS = (b"multiprocessing.resource_tracker", b"multiprocessing.forkserver")  # end by themselves, when nobody is left
LOOK_SECONDS = 0.05  # between two looks into /proc

_flow_ids = itertools.count(1)  # unique in a run: one collector follows it


@dataclass(slots=True, eq=False)
class Child:
    """A process of the family other than the pytest process itself."""

    pid: int  # 0 = not known
    start: int  # tick: before the call that started it, or of the first sign of it
    parent_pid: int
    command: bytes  # words separated by NUL; b"" = not known
    told: bool = False  # its start was told by who started it
    forked: bool = False  # it began as a copy of its parent
    spools: list[Spool] = field(default_factory=list)  # its own; each Python that it becomes by exec has one
    became: list[tuple[int, bytes]] = field(default_factory=list)  # tick and command of other programs
    watch: Life | None = None
    alive: int = 0  # tick at which it was seen to run
    end: int | None = None  # tick
    status: int | None = None  # as wait() tells it
    flow: int = 0  # the arrow from the call that started it
    row: int = -1


@dataclass(slots=True)
class Start:
    """A call that started a process: where its arrow begins."""

    spool: Spool
    thread: int
    flow: Flow


class Processes:
    """Hears of processes, looks after them, and draws them."""

    def __init__(self) -> None:
        self.clock = 1
        self.ns_per_tick = 1.0
        self.foreign: Container[int] = ()  # processes of other families
        self.foreign_status: dict[int, int | None] = {}  # of those that one of this family has reaped
        self._children: list[Child] = []  # of this window
        self._by_pid: dict[int, Child] = {}  # the newest of that pid
        self._unnamed: dict[tuple[str, int], Child] = {}  # pid not known; by the spool and thread that told of it
        self._starts: list[Start] = []  # of this window
        self._rows: list[Child | None] = []
        self.looked = 0  # tick of the newest look into /proc
        self._seen: dict[int, int] = {}  # pids that it found, and when each started

    def copy(self) -> Processes:
        """Return one to draw a snapshot from: drawing uses arrows up and gives rows away."""
        made = copy(self)
        everybody = {*self._children, *self._by_pid.values(), *(child for child in self._rows if child is not None)}
        copies: dict[Child | None, Child] = {child: copy(child) for child in everybody}
        made._children = [copies[child] for child in self._children]
        made._by_pid = {pid: copies[child] for pid, child in self._by_pid.items()}
        made._rows = [copies.get(child) for child in self._rows]
        return made

    def watch(self, pid: int) -> Life:
        """Return what tells when the process is gone."""
        return Watch(pid)

    def joined(self, spool: Spool) -> Life:
        """A process has a spool; return who watches it."""
        child = self._by_pid.get(spool.pid)
        if child is None or (child.end is not None and child.end < spool.start_tick):
            child = self._add(Child(spool.pid, spool.start_tick, spool.parent_pid, b""))
        child.spools.append(spool)
        child.forked = child.forked or bool(child.spools[0].parent)
        if child.watch is None:
            child.watch = self.watch(child.pid)
        return child.watch

    def hear(self, spool: Spool) -> None:
        """Take what the process of this spool has told since."""
        for what, tick, thread, pid, *rest in spool.news():
            if what == "child":
                self._started(spool, thread, pid, tick, *rest)
            else:
                self._reaped(spool, thread, pid, tick, *rest)

    def _started(self, spool: Spool, thread: int, pid: int, tick: int, start: int, command: bytes) -> None:
        child = self._by_pid.get(pid) if pid else None
        if child is None or child.told or (child.end is not None and child.end < start):
            if child is not None and child.end is None:
                child.end = start  # its pid was given anew
            child = self._add(Child(pid, start, spool.pid, command))
        if not pid:
            self._unnamed[spool.path, thread] = child
        child.told = True
        child.forked = not command
        child.start = start
        child.parent_pid = spool.pid
        child.command = command or spool.command
        child.flow = next(_flow_ids)
        self._starts.append(Start(spool, thread, Flow(child.flow, tick, False)))

    def _reaped(self, spool: Spool, thread: int, pid: int, tick: int, status: int | None) -> None:
        if pid in self.foreign:
            self.foreign_status[pid] = status
        child = self._by_pid.get(pid) if pid else self._unnamed.pop((spool.path, thread), None)
        if child is not None and child.start <= tick:
            child.end = tick if child.end is None else min(child.end, tick)
            child.status = status if child.status is None else child.status

    def _add(self, child: Child) -> Child:
        self._children.append(child)
        if child.pid:
            self._by_pid[child.pid] = child
        return child

    def command(self, spool: Spool) -> bytes:
        """Return the command line with which the spool's process was started, b"" when it is not known."""
        child = self._by_pid.get(spool.pid)
        return child.command if child is not None else b""

    def end(self, spool: Spool) -> int:
        """Return the tick at which the spool's process ended, 0 when that is not known."""
        child = self._by_pid.get(spool.pid)
        if child is None or not child.spools or child.spools[-1] is not spool:
            return 0
        return child.end or 0

    def look(self, root_pid: int) -> None:
        """See who is gone, and now and then who is there of whom nobody told."""
        tick = now(self.clock)
        for child in self._children:
            if child.end is None and child.pid:
                if child.watch is None:
                    child.watch = self.watch(child.pid)
                if child.watch.gone():
                    child.end = tick
                    child.status = child.watch.status()
                else:
                    child.alive = tick
        if (tick - self.looked) * self.ns_per_tick >= LOOK_SECONDS * 1e9:
            self._sight(root_pid, tick)
            self.looked = tick

    def _sight(self, root_pid: int, tick: int) -> None:
        """Look into /proc. One that is seen twice, and that nobody has told of meanwhile, was started by C code."""
        seen, self._seen = self._seen, {}
        living = [child.pid for child in self._children if child.end is None and child.pid not in self.foreign]
        for parent in (root_pid, *living):
            for pid in procfs.children(parent):
                known = self._by_pid.get(pid)
                if known is not None and known.end is None:
                    _see_program(known, tick)
                elif pid in seen:
                    self._found(pid, parent, seen[pid])
                elif pid not in self.foreign and pid != os.getpid() and procfs.runs(pid):
                    age = procfs.age(pid)
                    self._seen[pid] = (
                        tick if age is None else max(self.looked, tick - int(age * 1e9 / self.ns_per_tick))
                    )

    def _found(self, pid: int, parent: int, start: int) -> None:
        unnamed = [child for child in self._unnamed.values() if not child.pid and child.parent_pid == parent]
        if len(unnamed) == 1:
            unnamed[0].pid = pid
            self._by_pid[pid] = unnamed[0]
        else:
            self._add(Child(pid, start, parent, procfs.command(pid)))

    def settle(self, until: int, alive: Container[int] = ()) -> None:
        """All up to `until` is heard. Who was seen to be gone since, and to run no more after it, is gone by then.

        `alive` are pids of those who are told to have run then; one that has records to be read did, too.
        """
        for child in self._children:
            if child.end is None or child.end <= until or child.alive >= until or child.start >= until:
                continue
            if child.pid not in alive and not any(spool.pending for spool in child.spools):
                child.end = until

    def outgoing(self, spool: Spool) -> dict[int, list[Flow]]:
        """Return the arrows to the processes that this one started in the window, by thread."""
        flows: dict[int, list[Flow]] = {}
        for start in self._starts:
            if start.spool is spool:
                flows.setdefault(start.thread, []).append(start.flow)
        return flows

    def arrival(self, spool: Spool) -> int:
        """Return the arrow that is to enter the first slice of the spool, 0 for none; once."""
        child = self._by_pid.get(spool.pid)
        if child is None or not child.spools or child.spools[0] is not spool:
            return 0
        flow, child.flow = child.flow, 0
        return flow

    def lanes(self, start: int, end: int) -> list[Lane]:
        """Return what to draw of the window; call `arrival` before."""
        spans: dict[int, list[Span]] = {}
        for child in sorted(self._children, key=lambda child: child.start):
            if child.start < end:
                spans.setdefault(self._row(child), []).extend(_spans(child, start, end))
        return [Lane("process", LANE, row, spans[row]) for row in sorted(spans)]

    def orphans(self, since: int, root_pid: int) -> list[Child]:
        """Return those who were started since the tick, live on, and have lost the parent that they had."""
        living = {root_pid, *(child.pid for child in self._children if child.end is None)}
        return [
            child
            for child in self._children
            if child.start >= since
            and child.end is None
            and child.pid
            and child.parent_pid not in living
            and not any(helper in child.command for helper in HELPERS)
        ]

    def next_window(self, tick: int) -> list[int]:
        """Forget who is over, and what the window's arrows were; return the pids of the former."""
        gone = [child.pid for child in self._children if child.end is not None and child.end <= tick]
        self._starts = []
        for child in self._children:
            child.flow = 0
            if child.end is not None and child.end <= tick:
                if child.row >= 0 and self._rows[child.row] is child:
                    self._rows[child.row] = None
                if self._by_pid.get(child.pid) is child:
                    del self._by_pid[child.pid]
                if child.watch is not None:
                    child.watch.close()
        self._children = [child for child in self._children if child.end is None or child.end > tick]
        return gone

    def close(self) -> None:
        for child in self._children:
            if child.watch is not None:
                child.watch.close()

    def _row(self, child: Child) -> int:
        """Return the row where it is drawn: the first that is free when it starts. It stays there."""
        if child.row < 0:
            for row, last in enumerate(self._rows):
                if last is None or (last.end is not None and last.end <= child.start):
                    child.row = row
                    self._rows[row] = child
                    break
            else:
                child.row = len(self._rows)
                self._rows.append(child)
        return child.row


def _see_program(child: Child, tick: int) -> None:
    """Note the program that a process has become, where nobody tells: after a fork, or when C code started it."""
    seen = procfs.command(child.pid) if child.forked or not child.told else b""
    if seen and not child.told and not child.spools:
        child.command = seen
    elif seen and seen != (child.became[-1][1] if child.became else child.command):
        child.became.append((tick, seen))


def _spans(child: Child, start: int, end: int) -> Iterable[Span]:
    """Yield the process's span in the window, and below it those of the programs that it became."""
    over = child.end is not None and child.end <= end
    last = min(end, child.end) if child.end is not None else end
    first = max(start, child.start)
    last = max(first, last)
    cut = "both"
    if child.start >= start:
        cut = "" if over else "end"
    elif over:
        cut = "start"
    command = child.command or (child.spools[0].command if child.spools else b"")
    programs = [(spool.start_tick, spool.command) for spool in child.spools if not spool.parent]
    programs = sorted(program for program in programs[not child.forked :] + child.became if program[0] < end)
    name = label(command) if command else "process"
    if child.forked:
        name = label(programs[-1][1]) if programs else f"{name} (forked)"
    args: dict[str, Any] = {"argv": words(command), "pid": child.pid or None, "parent_pid": child.parent_pid}
    args["recorded"] = bool(child.spools)
    if over:
        args |= exit_of(child.status)
    yield Span(name, "process", first, last, 0, args, child.flow, cut=cut, key=(child.pid, child.start))
    for (tick, program), following in itertools.zip_longest(programs, programs[1:]):
        begun = max(first, tick)
        ended = min(last, following[0]) if following is not None else last
        if begun < ended:
            yield Span(label(program), "process", begun, ended, 1, {"argv": words(program)})


def exit_of(status: int | None) -> dict[str, Any]:
    """Return how it ended, as the operating system tells it."""
    if status is None:
        return {"exit": "not known"}
    if sys.platform == "win32":
        return {"exit_code": status}
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return {"exit_code": code}
    try:
        return {"signal": signal.Signals(-code).name}
    except ValueError:
        return {"signal": f"signal {-code}"}
