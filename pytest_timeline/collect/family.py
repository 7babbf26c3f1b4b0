"""One pytest process and all that came of it: their spools, cut into windows by the tests."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_timeline import spooldir
from pytest_timeline._codec import Names, Slices, Spool, monotonic_ns, now
from pytest_timeline.collect import leaks, tasks
from pytest_timeline.collect.alive import Life
from pytest_timeline.collect.label import label
from pytest_timeline.collect.processes import Processes, exit_of
from pytest_timeline.collect.story import CRASHED, Story, Told
from pytest_timeline.collect.tasks import Concurrency
from pytest_timeline.timeline.model import Flow, Lane, Process, Timeline, Track

if TYPE_CHECKING:
    from pytest_timeline._codec import Recorded, Tasks

NAMES_KEPT = 64  # of processes that are gone: a child that they forked may yet turn up


@dataclass(slots=True)
class Member:
    """A process of the family."""

    spool: Spool
    watch: Life
    gone: bool = False  # seen before the newest drain, so that nothing can follow
    ended: int = 0  # tick at which that was seen, 0 = it was gone when we came
    replaced: bool = False  # by the next program in the same process
    closed: bool = False  # gone, and read to its end


@dataclass(slots=True)
class Window:
    timeline: Timeline
    test: dict[str, Any] | None  # what TEST_BEGIN said; None between tests
    result: dict[str, Any]  # what TEST_END said
    dropped: int
    concurrency: Concurrency


class Family:
    """Follows the spools of one directory; a `private` one leaves them as they are, for whoever follows them."""

    remote = False

    def __init__(self, directory: Path, *, private: bool = False) -> None:
        self.directory = directory
        self.name = directory.name
        self.story = Story()
        self.processes = Processes()
        self.members: list[Member] = []  # the pytest process first
        self.dropped = 0
        self._leaked = leaks.Leaked()
        self.damaged: list[str] = []  # names of files that are no spools
        self.min_ticks = 0
        self.max_slices = 0
        self.block_ticks = 0
        self.over = False
        self.end = 0  # tick; when it is over
        self._private = private
        self._window = 0
        self._files: set[str] = set()
        self._names: dict[str, Names] = {}
        self._dropped_before = 0
        self._dropped_by_the_gone = 0

    @property
    def root(self) -> Spool | None:
        """The pytest process's spool."""
        return self.members[0].spool if self.members else None

    @property
    def root_is_gone(self) -> bool:
        return bool(self.members) and self.members[0].gone

    def limit(self, min_ticks: int, max_slices: int, block_ticks: int = 0) -> None:
        """Fold slices shorter than `min_ticks`, and what exceeds `max_slices` in a track; from the next window on.

        What keeps an event loop for `block_ticks` or more blocks it; 0 = nothing does.
        """
        self.min_ticks, self.max_slices, self.block_ticks = min_ticks, max_slices, block_ticks
        for member in self.members:
            member.spool.limit(min_ticks, max_slices, block_ticks)

    def look(self) -> None:
        """See who is gone. What is read up to a later moment is then all there is of them."""
        if self.root is None:
            return
        self.processes.look(self.root.pid)
        tick = now(self.root.clock)
        for member in self.members:
            if not member.gone and (member.replaced or member.watch.gone()):
                member.gone = True
                member.ended = member.ended or (tick if member.watch.was_alive else 0)

    def scan(self) -> None:
        """Find the spools of new processes."""
        try:
            found = [name for name in os.listdir(self.directory) if name not in self._files]
        except OSError:  # a test removed it: the mapped ones live on
            return
        for name in sorted(found, key=_start_tick):
            if name.endswith(spooldir.SUFFIX):
                self._join(name)

    def _join(self, name: str) -> None:
        path = self.directory / name
        try:
            spool = Spool(
                str(path),
                window=self._window,
                min_ticks=self.min_ticks,
                max_slices=self.max_slices,
                block_ticks=self.block_ticks,
                max_tasks=tasks.MOST_TASKS,
                private=self._private,
            )
        except BlockingIOError:
            return
        except (OSError, ValueError):
            self._files.add(name)
            self.damaged.append(name)
            return
        self._files.add(name)
        if spool.parent in self._names:
            spool.adopt(self._names[spool.parent])
        self._names[name] = spool.names
        for member in self.members:
            if member.spool.pid == spool.pid and not member.replaced:
                member.replaced = True
                member.ended = spool.start_tick
        if not self.members:
            self._window = spool.start_tick
            self.processes.clock = spool.clock
            self.processes.looked = spool.start_tick
            self.members.append(Member(spool, self.processes.watch(spool.pid)))
        elif spool.pid == self.members[0].spool.pid:  # pytest itself became another program
            self.members.append(Member(spool, self.members[0].watch))
        else:
            self.members.append(Member(spool, self.processes.joined(spool)))

    def beat(self) -> None:
        moment = monotonic_ns()
        for member in self.members:
            member.spool.beat(moment)

    def advance(self, until: int) -> Iterator[Window]:
        """Read all spools up to the tick `until`, and yield the windows that end by then."""
        root = self.root
        if root is None:
            return
        while (mark := root.drain(until)) is not None:
            _, tick, code, payload = mark
            told = self.story.hear(code, tick, payload)
            if told is not None:
                yield self._cut(tick, told)
        for member in self.members[1:]:
            _drain(member.spool, until)
        self._hear(until)
        self._let_go(self.members[1:])

    def finish(self, until: int) -> Iterator[Window]:
        """The run is over: read what there is, and end the last window."""
        yield from self.advance(until)
        self.over = True
        for member in self.members:
            member.spool.stop()
        if self.members:
            lasts = (max(member.spool.last, member.ended) for member in self.members)
            end = self.end = max(self._window, *(min(last, until) for last in lasts))
            yield self._cut(end, self.story.close(end))

    def close(self) -> None:
        self.processes.close()
        for member in self.members:
            member.watch.close()
            member.spool.close()

    def snapshot(self, tick: int) -> Timeline:
        """Return the window that is going on as if it ended at `tick`, up to which all is read; it goes on."""
        told = self.story.snapshot(tick)
        others = self.processes.copy()
        concurrency, drawn = self._processes(others, [member.spool.snapshot(tick) for member in self.members])
        dropped = self._dropped() - self._dropped_before
        return self._timeline(tick, told, drawn, others, told.result or {}, dropped, concurrency)

    def _cut(self, tick: int, told: Told) -> Window:
        if self.root is not None:
            self.processes.look(self.root.pid)  # who died meanwhile would go on in the next window
        for member in self.members:
            _drain(member.spool, tick)
        left = leaks.told(told.result or {})
        self._hear(tick, {leak.id for leak in left if leak.kind == "process" and leak.id is not None})
        concurrency, drawn = self._processes(self.processes, [member.spool.cut(tick) for member in self.members])
        self.dropped = self._dropped()
        dropped, self._dropped_before = self.dropped - self._dropped_before, self.dropped
        result = told.result if told.result is not None else {"outcome": CRASHED if self.over else "error"}
        if told.test is not None:
            found = self.processes.orphans(self._window, self.members[0].spool.pid)
            told.instants += leaks.orphans(found, told.spans, result, tick)
        timeline = self._timeline(tick, told, drawn, self.processes, result, dropped, concurrency)
        if told.test is not None:
            self._leaked.note(timeline, self.members[0].spool.pid, result)
        self._window = tick
        self._leaked.forget(self.processes.next_window(tick))
        self._forget_the_gone()
        return Window(timeline, told.test, result, dropped, concurrency)

    def _processes(self, others: Processes, windows: list[Recorded]) -> tuple[Concurrency, list[Process]]:
        """Return what the processes did in a window, of which the spools gave their parts."""
        drawn: list[Process] = []
        told: list[tuple[Process, Names, Tasks]] = []
        for member, (tracks, lane, of_tasks) in zip(self.members, windows, strict=True):
            process = self._drawn(member.spool, tracks, lane, others)
            if of_tasks is not None:
                process = process or self._process(member.spool)
                told.append((process, member.spool.names, of_tasks))
            if process is not None:
                drawn.append(process)
        return tasks.draw(told, self._window, self.processes.ns_per_tick), drawn

    def _process(self, spool: Spool) -> Process:
        process = Process(spool.pid, spool.parent_pid, self.name_of(spool), spool.start_tick)
        if spool.clock_error_ns:
            process.args["clock_error_us"] = spool.clock_error_ns / 1e3
        return process

    def _drawn(
        self,
        spool: Spool,
        tracks: list[tuple[int, int, str, Slices]],
        lane: tuple[Slices, Names] | None,
        others: Processes,
    ) -> Process | None:
        """Return what a process did in a window; None for nothing, but of pytest's own, which has the lanes."""
        if not tracks and spool is not self.root:
            return None
        process = self._process(spool)
        flows = others.outgoing(spool)
        for serial, native_id, name, slices in tracks:
            track = Track("thread", name, native_id, serial, slices, spool.names, flows.get(serial, []))
            process.tracks.append(track)
        drawn = [track for track in process.tracks if len(track.slices)]
        if drawn and (arrow := others.arrival(spool)):
            first = min(drawn, key=lambda track: track.slices.start)
            first.flows.append(Flow(arrow, first.slices.start, True))
        if lane is not None:
            process.tracks.append(Track("gil", "GIL", 0, 0, *lane))
        return process

    def _timeline(
        self,
        tick: int,
        told: Told,
        processes: list[Process],
        others: Processes,
        result: dict[str, Any],
        dropped: int,
        concurrency: Concurrency,
    ) -> Timeline:
        """Return the window that ends at `tick`."""
        test = told.test
        lanes = [Lane("test", "test", 0, told.spans, told.instants)] if told.spans or told.instants else []
        lanes += others.lanes(self._window, tick)
        timeline = Timeline(str(test.get("nodeid")) if test else "", self._window, tick, processes, lanes)
        if test:
            self._leaked.mark(timeline, self.members[0].spool.pid)
            timeline.args = {"outcome": result.get("outcome"), "worker": self.worker, "rerun": test.get("rerun", 0)}
            timeline.args["folded"] = sum(
                track.slices.folded for process in processes for track in process.tracks if track.kind == "thread"
            )
            timeline.args["dropped"] = dropped
            if (folded := concurrency.folded).tasks:
                timeline.args["folded_tasks"] = {
                    "tasks": folded.tasks,
                    "steps": folded.steps,
                    "running_ms": round(folded.ticks * self.processes.ns_per_tick / 1e6, 3),
                }
            timeline.args |= {key: result[key] for key in ("exception", "reason") if key in result}
        return timeline

    def _dropped(self) -> int:
        return self._dropped_by_the_gone + sum(member.spool.dropped for member in self.members)

    def _hear(self, until: int, alive: Container[int] = ()) -> None:
        """Take the news of what was read up to `until`, and end what those had open who are gone by then."""
        for member in self.members:
            self.processes.hear(member.spool)
        self.processes.settle(until, alive)
        for member in self.members:
            ended = self.processes.end(member.spool) or member.ended
            if ended <= until and (ended or member.gone):
                member.spool.die(ended)

    def died(self, statuses: Mapping[int, int | None]) -> dict[str, Any] | None:
        """Return how the pytest process ended, if it did before its session: {"signal": "SIGSEGV"} and the like.

        `statuses` are known from whoever reaped a process, by pid; the system itself may not tell.
        """
        if self.root is None or self.story.end is not None or not self.root_is_gone:
            return None
        status = self.members[0].watch.status()
        return exit_of(statuses.get(self.root.pid) if status is None else status)

    @property
    def worker(self) -> str | None:
        """The pytest-xdist worker that this family is of."""
        return None if self.name == "main" else self.name

    def name_of(self, spool: Spool) -> str:
        """Return the process's name, for people."""
        if spool is self.root:
            what = f"pytest {self.worker}" if self.worker else "pytest"
        elif spool.parent:
            command = self.processes.command(spool)
            what = f"{label(command)} (forked)" if command else "forked"
        else:
            what = label(spool.command)
        return f"{what} ({spool.pid})"

    def _let_go(self, members: list[Member]) -> None:
        """Delete the files of processes that are gone and read to their end: a run may start very many."""
        for member in members:
            if member.gone and not member.closed:
                member.closed = True
                member.spool.close()
                if self._private:
                    continue
                try:
                    os.unlink(member.spool.path)
                except OSError:
                    pass

    def _forget_the_gone(self) -> None:
        gone = [member for member in self.members[1:] if member.closed]
        if not gone:
            return
        self._dropped_by_the_gone += sum(member.spool.dropped for member in gone)
        self.members = [member for member in self.members if member not in gone]
        living = {os.path.basename(member.spool.path) for member in self.members}
        departed = [name for name in self._names if name not in living]
        for name in departed[:-NAMES_KEPT]:
            del self._names[name]


def _drain(spool: Spool, until: int) -> None:
    while spool.drain(until) is not None:
        pass


def _start_tick(name: str) -> int:
    try:
        return int(name.removesuffix(spooldir.SUFFIX).rpartition("-")[2], 16)
    except ValueError:
        return 0
