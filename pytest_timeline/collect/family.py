"""One pytest process and all that came of it: their spools, cut into windows by the tests."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_timeline import spooldir
from pytest_timeline._codec import Names, Slices, Spool, now
from pytest_timeline.collect import leaks, tasks
from pytest_timeline.collect.alive import Life
from pytest_timeline.collect.label import label
from pytest_timeline.collect.memory import Memory
from pytest_timeline.collect.moment import place
from pytest_timeline.collect.muted import Muted, Mutes
from pytest_timeline.collect.processes import Processes, exit_of
from pytest_timeline.collect.remarks import Remarks
from pytest_timeline.collect.story import COLLECTION, CRASHED, Story, Told
from pytest_timeline.collect.tasks import Concurrency
from pytest_timeline.timeline.category import Categories
from pytest_timeline.timeline.model import Flow, Lane, Process, Timeline, Track

if TYPE_CHECKING:
    from pytest_timeline._codec import Recorded, Tasks

MAIN = "MainThread"
CUT_START, CUT_END, DIED = 8, 16, 64  # a slice's flags, as columns.pxd has them
UNRECORDED: Recorded = ([], None, None)
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
    mutes: Mutes = field(default_factory=Mutes)


@dataclass(slots=True)
class Window:
    timeline: Timeline
    test: dict[str, Any] | None  # what TEST_BEGIN said; None between tests
    result: dict[str, Any]  # what TEST_END said
    dropped: int
    concurrency: Concurrency
    muted: list[Muted]  # functions of which calls are missing
    alone: Timeline  # the same, as it stands by itself: without threads of an earlier time that do nothing in it
    collection: bool = False  # it is what came before the first test


class Family:
    """Follows the spools of one directory; a `private` one leaves them as they are, for whoever follows them."""

    remote = False

    def __init__(self, directory: Path, *, private: bool = False) -> None:
        self.directory = directory
        self.name = directory.name
        self.story = Story()
        self.remarks = Remarks()
        self.memory: Memory | None = None  # looks at what the processes hold, where anybody wants that
        self.processes = Processes()
        self.members: list[Member] = []  # the pytest process first
        self.dropped = 0
        self._leaked = leaks.Leaked()
        self._categories = Categories()
        self._early: set[int] = set()  # serials of threads that began before the first test
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
        self._matched_by_the_gone = 0

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
        self._limit_next()

    def _limit_next(self) -> None:
        for member in self.members:
            member.spool.limit(self.min_ticks, self._most_slices(), self.block_ticks)

    def _most_slices(self) -> int:
        """Return how many slices a track may have in the window that begins next: the test's marker comes first."""
        asked = (self.story.test or {}).get("max_slices")
        return self.max_slices if asked is None else int(asked)

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
        if self.memory is not None:
            living = (member.spool for member in self.members if not member.gone)
            self.memory.look(living, tick, self.processes.ns_per_tick)

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
                max_slices=self._most_slices(),
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

    def growing(self) -> list[Spool]:
        """Return the spools that have a writer, as far as we know."""
        return [member.spool for member in self.members if not member.closed]

    def advance(self, until: int) -> Iterator[Window]:
        """Read all spools up to the tick `until`, and yield the windows that end by then."""
        root = self.root
        if root is None:
            return
        self.remarks.ns_per_tick = self.processes.ns_per_tick
        while (mark := root.drain(until)) is not None:
            if self.remarks.hear(root, mark):
                continue
            _, tick, code, payload = mark
            told = self.story.hear(code, tick, payload)
            if told is not None:
                self._limit_next()
                yield self._cut(tick, told)
        for member in self.members[1:]:
            self._drain(member.spool, until)
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
        if self.memory is not None:
            self.memory.close()
        for member in self.members:
            member.watch.close()
            member.spool.close()

    def snapshot(self, tick: int) -> Timeline:
        """Return the window that is going on as if it ended at `tick`, up to which all is read; it goes on."""
        told = self.story.snapshot(tick)
        others = self.processes.copy()
        concurrency, drawn = self._processes(others, [member.spool.snapshot(tick) for member in self.members], tick)
        dropped = self._dropped() - self._dropped_before
        return self._timeline(tick, told, drawn, others, told.result or {}, dropped, concurrency)

    def _drain(self, spool: Spool, until: int) -> None:
        while (mark := spool.drain(until)) is not None:
            self.remarks.hear(spool, mark)  # a test run's story is told by the pytest process alone

    def _cut(self, tick: int, told: Told) -> Window:
        if self.root is not None:
            self.processes.look(self.root.pid)  # who died meanwhile would go on in the next window
        for member in self.members:
            self._drain(member.spool, tick)
        left = leaks.told(told.result or {})
        self._hear(tick, {leak.id for leak in left if leak.kind == "process" and leak.id is not None})
        windows = [member.spool.cut(tick) for member in self.members]
        off = bool(told.test and told.test.get("off"))  # what others did meanwhile is thrown away
        if off:
            windows = [UNRECORDED] * len(windows)
        concurrency, drawn = self._processes(self.processes, windows, tick)
        if off:
            drawn = [self._process(self.members[0].spool)]
        self.dropped = self._dropped()
        dropped, self._dropped_before = self.dropped - self._dropped_before, self.dropped
        result = told.result if told.result is not None else {"outcome": CRASHED if self.over else "error"}
        if told.test is not None and not off:
            found = self.processes.orphans(self._window, self.members[0].spool.pid)
            told.instants += leaks.orphans(found, told.spans, result, tick)
        timeline = self._timeline(tick, told, drawn, self.processes, result, dropped, concurrency)
        place(timeline, self._categories)
        self.remarks.next_window()
        if off:
            timeline.lanes = timeline.lanes[:1]  # the test's own
        if self.memory is not None:
            self.memory.next_window(tick)
        if told.test is not None:
            self._leaked.note(timeline, self.members[0].spool.pid, result)
        muted = self._muted(drawn)
        if muted:
            timeline.args["not_recorded"] = [each.text for each in muted]
        self._window = tick
        self._leaked.forget(self.processes.next_window(tick))
        self._forget_the_gone()
        alone = timeline if told.collection else self.without_idle(timeline)
        if told.collection and drawn:
            self._early = {each.serial for each in drawn[0].tracks if each.kind == "thread" and each.name != MAIN}
        return Window(timeline, told.test, result, dropped, concurrency, muted, alone, told.collection)

    def without_idle(self, timeline: Timeline) -> Timeline:
        """Leave out threads that plugins and conftests started, as far as they only wait: they are no test's."""
        if not self._early or not timeline.processes:
            return timeline
        process, *others = timeline.processes
        used = {id(track.under) for track in process.tracks}
        tracks = [
            track
            for track in process.tracks
            if track.kind != "thread"
            or track.serial not in self._early
            or id(track) in used
            or not _goes_through(track.slices)
        ]
        return replace(timeline, processes=[replace(process, tracks=tracks), *others])

    def _processes(self, others: Processes, windows: list[Recorded], tick: int) -> tuple[Concurrency, list[Process]]:
        """Return what the processes did in the window that ends at `tick`, of which the spools gave their parts."""
        drawn: list[Process] = []
        told: list[tuple[Process, Names, Tasks]] = []
        for member, (tracks, lane, of_tasks) in zip(self.members, windows, strict=True):
            process = self._drawn(member.spool, tracks, lane, others)
            if self.remarks.speaks(member.spool):
                process = process or self._process(member.spool)
                self.remarks.draw(process, member.spool, self._window, tick)
            if process is not None and self.memory is not None:
                process.counters += self.memory.draw(member.spool, self._window, tick)
            if of_tasks is not None:
                process = process or self._process(member.spool)
                told.append((process, member.spool.names, of_tasks))
            if process is not None:
                drawn.append(process)
        return tasks.draw(told, self._window, self.processes.ns_per_tick), drawn

    def _muted(self, drawn: list[Process]) -> list[Muted]:
        """Mark in what was drawn of a window from where on calls are missing; return of which functions."""
        muted: list[Muted] = []
        processes = {(process.pid, process.start): process for process in drawn}
        for member in self.members:
            member.mutes.hear(member.spool)
            process = processes.get((member.spool.pid, member.spool.start_tick))
            if process is not None:
                muted += member.mutes.mark(process, self._window, self.processes.ns_per_tick)
        self.members[0].mutes.forget()  # pytest's own: in the next test all is recorded again
        return muted

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
        name = str(test.get("nodeid")) if test else COLLECTION if told.collection else ""
        timeline = Timeline(name, self._window, tick, processes, lanes)
        if test:
            self._leaked.mark(timeline, self.members[0].spool.pid)
            timeline.args = {"outcome": result.get("outcome"), "rerun": test.get("rerun", 0)}
        if name:
            timeline.args["worker"] = self.worker
            timeline.args["folded"] = sum(
                track.slices.folded for process in processes for track in process.tracks if track.kind == "thread"
            )
            timeline.args["dropped"] = dropped
            if lost := sum(track.slices.values_lost for process in processes for track in process.tracks):
                timeline.args["lost_arguments"] = lost
            if (folded := concurrency.folded).tasks:
                timeline.args["folded_tasks"] = {
                    "tasks": folded.tasks,
                    "steps": folded.steps,
                    "running_ms": round(folded.ticks * self.processes.ns_per_tick / 1e6, 3),
                }
            if left_out := dict(self.remarks.left_out) | result.get("left_out", {}):
                timeline.args["left_out"] = left_out
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
                if not member.spool.pending:
                    self.remarks.die(member.spool, max(ended, member.spool.last))

    def died(self, statuses: Mapping[int, int | None]) -> dict[str, Any] | None:
        """Return how the pytest process ended, if it did before its session: {"signal": "SIGSEGV"} and the like.

        `statuses` are known from whoever reaped a process, by pid; the system itself may not tell.
        """
        if self.root is None or self.story.end is not None or not self.root_is_gone:
            return None
        status = self.members[0].watch.status()
        return exit_of(statuses.get(self.root.pid) if status is None else status)

    @property
    def matched(self) -> int:
        """A bit for each of the run's first 64 patterns of `--timeline-args`: whether a function that ran is meant."""
        matched = self._matched_by_the_gone
        for member in self.members:
            matched |= member.spool.matched
        return matched

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
        self._matched_by_the_gone = self.matched
        if self.memory is not None:
            self.memory.forget(member.spool for member in gone)
        self.members = [member for member in self.members if member not in gone]
        living = {os.path.basename(member.spool.path) for member in self.members}
        departed = [name for name in self._names if name not in living]
        for name in departed[:-NAMES_KEPT]:
            del self._names[name]


def _goes_through(slices: Slices) -> bool:
    """Whether nothing begins or ends in the window: all began before it, and only its end or a death cuts them."""
    last = slices.at(slices.end)
    if slices.folded or len(last) < len(slices):
        return False
    return all(flags & CUT_START and flags & (CUT_END | DIED) for _, _, flags in last)


def _start_tick(name: str) -> int:
    try:
        return int(name.removesuffix(spooldir.SUFFIX).rpartition("-")[2], 16)
    except ValueError:
        return 0
