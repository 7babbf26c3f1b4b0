"""What a test left running: told at its end, and marked where it goes on in later tests' timelines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pytest_timeline.collect.label import label
from pytest_timeline.collect.processes import Child
from pytest_timeline.timeline.model import Instant, Span, Timeline, Track

ID = {"thread": "native_id", "process": "pid"}  # the key of what identifies one, by kind


@dataclass(frozen=True, slots=True)
class Leak:
    """One thing that was left."""

    kind: str  # thread, process, task
    name: str
    id: int | None

    @property
    def text(self) -> str:
        """For people, such as "thread Thread-3 (serve)" or "process sleep 60 (4711)"."""
        words = [self.kind, self.name, f"({self.id})" if self.kind == "process" else ""]
        return " ".join(filter(None, words))


def told(result: dict[str, Any]) -> list[Leak]:
    """Return what the TEST_END object `result` tells of; it has no more than fits into a mark."""
    found = result.get("leaks")
    return [
        Leak(kind := str(each.get("kind")), str(each.get("name", "")), each.get(ID.get(kind)))
        for each in (found if isinstance(found, list) else [])
        if isinstance(each, dict)
    ]


def count(result: dict[str, Any]) -> int:
    """Return how many things were left."""
    return int(result.get("leak_count", 0))


def instants(result: dict[str, Any], tick: int) -> Iterator[Instant]:
    """Yield what the test's own track shows at its end."""
    for leak in told(result):
        yield _instant(leak, tick)


def _instant(leak: Leak, tick: int) -> Instant:
    args = {"kind": leak.kind, "name": leak.name, ID.get(leak.kind, "id"): leak.id}
    return Instant(f"leaked {leak.text}", "test", tick, args)


def orphans(found: Iterable[Child], spans: Iterable[Span], result: dict[str, Any], tick: int) -> Iterator[Instant]:
    """Add processes that have lost their parent to the TEST_END object `result`; yield what the test's track shows.

    pytest knows of its own children only. What a fixture of a wider scope started in its set-up is that fixture's.
    """
    wide = [span for span in spans if span.category == "fixture" and span.args.get("scope") != "function"]
    for child in found:
        if any(span.start <= child.start <= span.end for span in wide):
            continue
        leak = Leak("process", label(child.command), child.pid)
        result["leaks"] = [*result.get("leaks", ()), {"kind": leak.kind, "name": leak.name, "pid": leak.id}]
        result["leak_count"] = count(result) + 1
        yield _instant(leak, tick)


class Leaked:
    """Knows the leaked threads, tasks and processes of one family; `root` is its pytest process's pid."""

    def __init__(self) -> None:
        self._threads: dict[int, tuple[str, int | None]] = {}  # native id: test, serial of the track if it had one
        self._tasks: dict[int, str] = {}  # serial of the track: test
        self._processes: dict[int, str] = {}  # pid: test

    def note(self, timeline: Timeline, root: int, result: dict[str, Any]) -> None:
        """Remember what the test left; `timeline` is its window, `result` its TEST_END."""
        for leak in told(result):
            if leak.kind == "task":  # known by its name alone; the newest of that name is the test's
                serials = [track.serial for track in _tracks(timeline, root, "task") if track.name == leak.name]
                if serials:
                    self._tasks[max(serials)] = timeline.name
            elif leak.id is None:
                continue
            elif leak.kind == "process":
                self._processes[leak.id] = timeline.name
            elif leak.kind == "thread":
                serials = [track.serial for track in _tracks(timeline, root, "thread") if track.native_id == leak.id]
                self._threads[leak.id] = (timeline.name, max(serials, default=None))

    def mark(self, timeline: Timeline, root: int) -> None:
        """Say of what earlier tests left, where it does something in this window, which test it is from."""
        for track in _tracks(timeline, root, "task"):
            if track.serial in self._tasks:
                track.args["leaked_from"] = self._tasks[track.serial]
                _mark(track, self._tasks[track.serial], timeline)
        for track in _tracks(timeline, root, "thread"):
            if (known := self._threads.get(track.native_id)) is not None:
                test, serial = known
                if serial in (None, track.serial):
                    _mark(track, test, timeline)
        for process in timeline.processes:  # parents first
            origin = self._processes.get(process.pid) or self._processes.get(process.parent_pid)
            if origin is None:
                continue
            self._processes[process.pid] = origin
            process.args["leaked_from"] = origin
            for track in process.tracks[:1]:
                _mark(track, origin, timeline)
        for span in (span for lane in timeline.lanes if lane.kind == "process" for span in lane.spans):
            origin = self._processes.get(span.args.get("pid", 0)) or self._processes.get(span.args.get("parent_pid", 0))
            if origin is not None:
                span.args["leaked_from"] = origin

    def forget(self, pids: Iterable[int]) -> None:
        """These processes are gone, and others may get their pids."""
        for pid in pids:
            self._processes.pop(pid, None)


def _tracks(timeline: Timeline, pid: int, kind: str) -> Iterator[Track]:
    for process in timeline.processes:
        if process.pid == pid:
            yield from (track for track in process.tracks if track.kind == kind)


def _mark(track: Track, test: str, timeline: Timeline) -> None:
    tick = track.slices.start or timeline.start
    track.instants.append(Instant(f"leaked from {test}", "test", tick, {"test": test}))
