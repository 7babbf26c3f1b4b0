"""Chrome Trace Event JSON: the slices from the codec, orjson for what is around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from pytest_timeline._codec import chrome_slices
from pytest_timeline.export.gzipped import GzippedFile
from pytest_timeline.export.seams import Ended, Seams
from pytest_timeline.export.story import arguments, clean, tell
from pytest_timeline.timeline.model import Clock, Process, Timeline, Track

TEST_TID = 1 << 30  # above every thread id of Linux, and within 31 bits
GIL_TID = TEST_TID + 1


class ChromeExporter:
    suffix = ".json.gz"

    def write(self, timeline: Timeline, clock: Clock, path: Path) -> None:
        with GzippedFile(path) as file:
            array = _Array(file)
            array.extend(_metadata(timeline) + _story(timeline, clock))
            for process in timeline.processes:
                for track in process.tracks:
                    array.extend(
                        chrome_slices(track.slices, track.names, clock.origin, clock.ns_per_tick, _lane(process, track))
                    )
            array.close()

    def combined(self, path: Path, clock: Clock) -> CombinedChrome:
        return CombinedChrome(path, clock)


class CombinedChrome:
    """Appends windows. The metadata comes again with each, so nothing is kept but what is open."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._file = GzippedFile(path)
        self._array = _Array(self._file)
        self._clock = clock
        self._seams = Seams()

    def add(self, timeline: Timeline) -> None:
        clock = self._clock
        self._array.extend(_metadata(timeline) + _story(timeline, clock))
        for process in timeline.processes:
            for track in process.tracks:
                before, ended = self._seams.join(process, track, clock.ns(timeline.end))
                self._array.extend(_cut(ended))
                self._array.extend(
                    chrome_slices(track.slices, track.names, clock.origin, clock.ns_per_tick, _lane(process, track), before)
                )
        self._file.checkpoint()

    def close(self) -> None:
        try:
            for ended in self._seams.rest():
                self._array.extend(_cut(ended))
            self._array.close()
        except BaseException:
            self._file.discard()
            raise
        self._file.close()


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


def _lane(process: Process, track: Track) -> bytes:
    return b'"pid":%d,"tid":%d' % (process.pid, _tid(track.kind, track.native_id))


def _lines(objects: list[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(each) + b",\n" for each in objects)


def _metadata(timeline: Timeline) -> bytes:
    objects: list[dict[str, Any]] = []

    def say(what: str, pid: int, tid: int, **args: Any) -> None:
        objects.append({"ph": "M", "name": what, "pid": pid, "tid": tid, "args": args})

    for index, process in enumerate(timeline.processes):
        main = next((track.native_id for track in process.tracks if track.kind == "thread"), process.pid)
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
    for phase, ns, what in tell(timeline, clock):
        each: dict[str, Any] = {"ph": phase, **lane, "ts": ns / 1000}
        if phase != "E":
            each |= {"name": clean(what.name), "cat": what.category, "args": arguments(timeline, what)}
        if phase == "i":
            each["s"] = "t"
        objects.append(each)
    return _lines(objects)


def _cut(ended: Ended) -> bytes:
    """Return the ends of slices that nobody saw end."""
    key = ended.key
    lane = {"pid": key.pid, "tid": _tid(key.kind, key.native_id)}
    return _lines([{"ph": "E", **lane, "ts": ended.ns / 1000, "args": {"cut": "end"}}] * ended.count)
