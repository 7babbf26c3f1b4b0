"""Chrome Trace Event JSON: the slices from the codec, orjson for what is around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from pytest_timeline._codec import chrome_slices
from pytest_timeline.export import SUFFIXES
from pytest_timeline.export.gzipped import GzippedFile
from pytest_timeline.export.seams import Ended, Seams
from pytest_timeline.export.story import arguments, clean, place
from pytest_timeline.timeline.model import Clock, Process, Timeline, Track

TEST_TID = 1 << 30  # above every thread id of Linux, and within 31 bits
GIL_TID = TEST_TID + 1
CODE, CALLABLE = 17, 18  # a name's kinds, as spool.h has them
LEVEL = 1  # zlib: 4 saves a seventh for three quarters more time; docs/traces.md has the figures


class ChromeExporter:
    """One `.json.gz` for each timeline."""

    suffix = SUFFIXES["chrome"]

    def __init__(self) -> None:
        self.shared: list[str] = []

    def write(self, timeline: Timeline, clock: Clock, path: Path) -> None:
        """See Exporter."""
        with GzippedFile(path, LEVEL) as file:
            array = _Array(file)
            array.extend(_metadata(timeline) + _story(timeline, clock))
            for process in timeline.processes:
                for track in process.tracks:
                    lane = _lane(process.pid, track.kind, track.native_id)
                    chrome_slices(track.slices, track.names, clock.origin, clock.ns_per_tick, lane, array.extend)
            array.close()

    def combined(self, path: Path, clock: Clock) -> CombinedChrome:
        """See Exporter."""
        return CombinedChrome(path, clock)


class CombinedChrome:
    """Appends windows. The metadata comes again with each, so nothing is kept but what is open."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._file = GzippedFile(path, LEVEL)
        self._array = _Array(self._file)
        self._clock = clock
        self._seams = Seams()

    def add(self, timeline: Timeline) -> None:
        """See Combined."""
        self._array.extend(_metadata(timeline) + _story(timeline, self._clock))
        for process in timeline.processes:
            for track in process.tracks:
                self._add_track(process, track, self._clock.ns(timeline.end))
        self._file.checkpoint()

    def _add_track(self, process: Process, track: Track, end: int) -> None:
        clock, lane = self._clock, _lane(process.pid, track.kind, track.native_id)
        before, now, ended = self._seams.arrive(process, track)
        self._array.extend(_ended(ended))
        now, after = chrome_slices(
            track.slices, track.names, clock.origin, clock.ns_per_tick, lane, self._array.extend, before, now
        )
        self._seams.leave(process, track, end, now, after)

    def close(self) -> None:
        """See Combined."""
        with self._file:
            for ended in self._seams.rest():
                self._array.extend(_ended(ended))
            self._array.close()


class _Array:
    """The document: an array of objects that come with a comma and a line break after each."""

    def __init__(self, file: GzippedFile) -> None:
        self._file = file
        self._separator = b""
        file.write(b'{"displayTimeUnit":"ms","traceEvents":[\n')

    def extend(self, objects: bytes) -> None:
        if objects:
            self._file.write(self._separator)
            self._file.write(memoryview(objects)[: -len(b",\n")])
            self._separator = b",\n"

    def close(self) -> None:
        self._file.write(b"\n]}\n")


def _tid(kind: str, native_id: int) -> int:
    return native_id & 0x7FFFFFFF if kind == "thread" else GIL_TID


def _lane(pid: int, kind: str, native_id: int) -> bytes:
    return b'"pid":%d,"tid":%d' % (pid, _tid(kind, native_id))


def _lines(objects: list[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(each) + b",\n" for each in objects)


def _metadata(timeline: Timeline) -> bytes:
    objects: list[dict[str, Any]] = []

    def say(what: str, pid: int, tid: int, **args: Any) -> None:
        objects.append({"ph": "M", "name": what, "pid": pid, "tid": tid, "args": args})

    for index, process in enumerate(timeline.processes):
        main = next(
            (_tid("thread", track.native_id) for track in process.tracks if track.kind == "thread"), process.pid
        )
        say("process_name", process.pid, main, name=clean(process.name))
        say("process_sort_index", process.pid, main, sort_index=index)
        if index == 0:
            say("thread_name", process.pid, TEST_TID, name="test")
            say("thread_sort_index", process.pid, TEST_TID, sort_index=-2)
        for track in process.tracks:
            tid = _tid(track.kind, track.native_id)
            say("thread_name", process.pid, tid, name=clean(track.name))
            say("thread_sort_index", process.pid, tid, sort_index=track.serial if track.kind == "thread" else -1)
    return _lines(objects)


def _story(timeline: Timeline, clock: Clock) -> bytes:
    if not timeline.processes:
        return b""
    lane = {"pid": timeline.processes[0].pid, "tid": TEST_TID}
    objects: list[dict[str, Any]] = []
    for placed in place(timeline, clock):
        times = {"ph": "X", "ts": placed.start / 1000, "dur": (placed.end - placed.start) / 1000}
        about = {"name": clean(placed.span.name), "cat": placed.span.category}
        objects.append(lane | times | about | {"args": arguments(timeline, placed.span)})
    for instant in timeline.instants:
        times = {"ph": "i", "ts": clock.ns(instant.tick) / 1000, "s": "t"}
        about = {"name": clean(instant.name), "cat": instant.category}
        objects.append(lane | times | about | {"args": arguments(timeline, instant)})
    return _lines(objects)


def _ended(ended: Ended) -> bytes:
    key = ended.track
    lane = {"pid": key.pid, "tid": _tid(key.kind, key.native_id)}
    objects: list[dict[str, Any]] = []
    for id, start, folded, _ in ended.slices:
        try:
            name, kind, file, line, _ = ended.names[id]
        except KeyError:
            name, kind, file, line = "?", 0, "", 0
        args: dict[str, Any] = {"file": clean(file), "line": line} if kind == CODE else {}
        args |= {"folded": folded} if folded else {}
        category = "c" if kind == CALLABLE else "python"
        times = {"ph": "X", "ts": start / 1000, "dur": (ended.ns - start) / 1000}
        objects.append(lane | times | {"name": clean(name), "cat": category, "args": args | {"cut": "end"}})
    return _lines(objects)
