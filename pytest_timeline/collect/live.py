"""What a run is doing now: what is open in it, for people, and its timeline so far, as a trace.

The collector is asked through its status page, and answers here; when it cannot, `ask.py` uses the same parts.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypedDict

import orjson

from pytest_timeline import outputs, spooldir
from pytest_timeline._codec import Names, Spool
from pytest_timeline.collect.family import Family
from pytest_timeline.collect.rate import Rate
from pytest_timeline.collect.writing import give_way, reason
from pytest_timeline.export import TraceExporter
from pytest_timeline.spooldir import StatusPage
from pytest_timeline.timeline.category import CODE, WAIT
from pytest_timeline.timeline.model import Timeline


class Open(TypedDict):
    """A slice or a span that is open."""

    name: str
    file: str  # "" = not known, or C
    line: int
    seconds: float  # since it began


class LiveThread(TypedDict):
    name: str
    native_id: int
    frames: list[Open]  # outermost first, at least one


class LiveTask(TypedDict):
    """A task that is not over."""

    name: str
    does: Open  # what it waits for, or "running" or "ready"


class LiveProcess(TypedDict):
    pid: int
    name: str
    threads: list[LiveThread]  # none: it is not recorded
    tasks: list[LiveTask]  # what has been so for the longest time first


class LiveFamily(TypedDict):
    """A pytest process with its descendants."""

    worker: str | None
    pid: int
    test: str | None  # node id; None between tests
    seconds: float  # since the test began, or the last one ended
    spans: list[Open]  # the test's phase and the fixtures in it, outermost first
    processes: list[LiveProcess]  # those that have anything open, and those that are not recorded


class Look(TypedDict):
    """What live.json holds."""

    number: int  # of the request that it answers
    partial: bool  # read from what a dead collector left: a test that began earlier is not known
    families: list[LiveFamily]
    files: dict[str, str]  # format -> the trace's name in the output directory


class Snapshot:
    """What the families do at `tick`, up to which they are read."""

    def __init__(
        self,
        families: Iterable[Family],
        rate: Rate,
        tick: int,
        exporters: dict[str, TraceExporter],
        *,
        number: int = 0,
        partial: bool = False,
    ) -> None:
        going_on = [family for family in families if family.root is not None and not family.over]
        self._exporters = exporters
        self._clock = rate.starting_at(rate.origin)
        self._timelines = [family.snapshot(tick) for family in going_on]
        self.look: Look = {
            "number": number,
            "partial": partial,
            "families": [
                _family(family, timeline, rate) for family, timeline in zip(going_on, self._timelines, strict=True)
            ],
            "files": {name: outputs.LIVE + exporter.suffix for name, exporter in exporters.items()},
        }

    def write(self, spool_dir: Path, directory: Path) -> None:
        """Write live.json, then the traces. Raises OSError."""
        draft = spool_dir / f".{spooldir.LIVE}.{os.getpid()}"
        try:
            draft.write_bytes(orjson.dumps(self.look))
            os.replace(draft, spool_dir / spooldir.LIVE)  # it comes first: by it the traces are found and removed
        finally:
            draft.unlink(missing_ok=True)
        for name, exporter in self._exporters.items():
            self._write_trace(exporter, directory / self.look["files"][name])

    def _write_trace(self, exporter: TraceExporter, path: Path) -> None:
        trace = exporter.combined(path, self._clock)
        try:
            for timeline in self._timelines:
                trace.add(timeline)
        except BaseException:
            with contextlib.suppress(OSError):
                trace.close()
            path.unlink(missing_ok=True)  # it may lack anything
            raise
        trace.close()


class Answering:
    """The collector's side: one request at a time, written in a thread so that the spools are followed meanwhile."""

    def __init__(
        self, status: StatusPage, spool_dir: Path, directory: Path, exporters: dict[str, TraceExporter]
    ) -> None:
        self._status = status
        self._spool_dir = spool_dir
        self._directory = directory
        self._exporters = exporters
        self._thread: threading.Thread | None = None

    def serve(self, families: Iterable[Family], rate: Rate | None, tick: int) -> None:
        """Begin to answer if anybody asked. The families are read up to `tick`."""
        number = self._status["asked"]
        if number == self._status["answered"] or not self.wait(0):
            return
        if rate is None:
            self._answer(number, "nothing is recorded yet")
            return
        try:
            snapshot = Snapshot(families, rate, tick, self._exporters, number=number)
        except Exception as error:
            self._answer(number, reason(error))
            return
        self._thread = threading.Thread(target=self._write, args=(snapshot, number), name="live", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Return whether nothing is being written; wait up to `seconds` for it."""
        if self._thread is not None:
            self._thread.join(seconds)
            if self._thread.is_alive():
                return False
            self._thread = None
        return True

    def _write(self, snapshot: Snapshot, number: int) -> None:
        give_way()
        refusal = ""
        try:
            snapshot.write(self._spool_dir, self._directory)
        except Exception as error:
            refusal = reason(error)
        self._answer(number, refusal)

    def _answer(self, number: int, refusal: str) -> None:
        self._status.refusal = refusal
        self._status["answered"] = number


def _family(family: Family, timeline: Timeline, rate: Rate) -> LiveFamily:
    root = family.root
    assert root is not None

    def since(tick: int) -> float:
        return max(rate.seconds(timeline.end - tick), 0.0)

    spans = family.story.open[1:] if timeline.name else family.story.open
    processes: list[LiveProcess] = []
    for member in family.members:
        threads = [
            LiveThread(
                name=name,
                native_id=native_id,
                frames=[_frame(member.spool.names, id, since(tick)) for id, tick in opened],
            )
            for _, native_id, name, opened in member.spool.stacks()
        ]
        if threads:
            name = family.name_of(member.spool)
            tasks = _tasks(timeline, member.spool, since)
            processes.append(LiveProcess(pid=member.spool.pid, name=name, threads=threads, tasks=tasks))
    for lane in timeline.lanes:
        for span in lane.spans:
            if lane.kind == "process" and span.cut in ("end", "both") and not span.args["recorded"]:
                name = f"{' '.join(span.args['argv']) or span.name} ({span.args['pid'] or '?'})"
                processes.append(LiveProcess(pid=span.args["pid"] or 0, name=name, threads=[], tasks=[]))
    return LiveFamily(
        worker=family.worker,
        pid=root.pid,
        test=timeline.name or None,
        seconds=since(timeline.start),
        spans=[Open(name=span.name, file="", line=0, seconds=since(span.start)) for span in spans],
        processes=processes,
    )


def _tasks(timeline: Timeline, spool: Spool, since: Callable[[int], float]) -> list[LiveTask]:
    tracks = [
        track
        for process in timeline.processes
        if (process.pid, process.start) == (spool.pid, spool.start_tick)
        for track in process.tracks
    ]
    tasks = []
    for state in tracks:
        task, opened = state.under, state.slices.open()
        if state.kind == "state" and task is not None and opened:
            [(id, tick)] = opened
            does = _frame(state.names, id, since(tick))
            frames = task.slices.open()
            if does["name"] == "waiting" and frames:
                does = _frame(task.names, frames[-1][0], does["seconds"])
            tasks.append(LiveTask(name=task.name, does=does))
    return sorted(tasks, key=lambda task: -task["does"]["seconds"])


def _frame(names: Names, id: int, seconds: float) -> Open:
    try:
        name, kind, file, line, _ = names[id]
    except KeyError:
        name, kind, file, line = "?", 0, "", 0
    return Open(name=name, file=file if kind in (CODE, WAIT) else "", line=line, seconds=seconds)
