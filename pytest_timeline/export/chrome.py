"""Chrome Trace Event JSON: the slices from the codec, orjson for what is around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from pytest_timeline._codec import chrome_slices
from pytest_timeline.export.flows import End, Flows
from pytest_timeline.export.gzipped import GzippedFile
from pytest_timeline.export.lane_seams import LaneSeams
from pytest_timeline.export.lanes import (
    PlacedInstant,
    PlacedLane,
    clean,
    labels,
    place_counters,
    place_instants,
    place_lanes,
)
from pytest_timeline.export.seams import Ended, Seams, TrackKey
from pytest_timeline.export.span_lanes import SpanLanes
from pytest_timeline.export.tree import thread_of
from pytest_timeline.outputs import SUFFIXES
from pytest_timeline.timeline.category import CALLABLE, CODE, WAIT
from pytest_timeline.timeline.model import Clock, Process, Timeline, Track

GIL_TID = (1 << 30) + 1  # above every thread id of Linux, and within 31 bits
LANE_TIDS = {"test": 1 << 30, "process": GIL_TID + 1}  # of the first row
SPAN_TIDS = 3 << 29  # of the first lane
LOOP_TIDS, TASK_TIDS = 1 << 27, 1 << 28
TASKS = 1 << 28  # more have no place of their own
LANE_RANKS = {"test": -1 << 20, "process": (-1 << 20) + 1}  # of the first row; the GIL's is -1
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
            flows = Flows(timeline, clock)
            array.extend(_metadata(timeline))
            chains: set[int] = set()
            for lane in place_lanes(timeline, flows, clock):
                array.extend(_lane(lane, chains))
            for process, track, ends in flows.tracks:
                place, scale = _place(process, track), (clock.origin, clock.ns_per_tick)
                chrome_slices(track.slices, track.names, *scale, place, array.extend, flows=ends)
                array.extend(_instants(process, track, clock))
            for lane in SpanLanes(clock).arrive(timeline):
                array.extend(_lane(lane, chains))
            array.extend(_counters(timeline, clock))
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
        self._lanes = LaneSeams(clock)
        self._chains: set[int] = set()
        self._spans = SpanLanes(clock, joined=True)

    def add(self, timeline: Timeline) -> None:
        """See Combined."""
        flows = Flows(timeline, self._clock)
        self._array.extend(_metadata(timeline))
        for lane in self._lanes.arrive(timeline, flows):
            self._array.extend(_lane(lane, self._chains))
        for process, track, ends in flows.tracks:
            self._add_track(process, track, ends, self._clock.ns(timeline.end))
        for lane in self._spans.arrive(timeline):
            self._array.extend(_lane(lane, self._chains))
        self._array.extend(_counters(timeline, self._clock))
        self._file.checkpoint()

    def _add_track(self, process: Process, track: Track, ends: list[End], end: int) -> None:
        clock, place = self._clock, _place(process, track)
        before, now, ended = self._seams.arrive(process, track)
        self._array.extend(_ended(ended))
        now, after = chrome_slices(
            track.slices, track.names, clock.origin, clock.ns_per_tick, place, self._array.extend, before, now, ends
        )
        self._array.extend(_instants(process, track, clock))
        self._seams.leave(process, track, end, now, after)

    def close(self) -> None:
        """See Combined."""
        with self._file:
            for ended in self._seams.rest():
                self._array.extend(_ended(ended))
            for lane in (*self._lanes.rest(), *self._spans.rest()):
                self._array.extend(_lane(lane, self._chains))
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


def _tid(track: Track | TrackKey) -> int:
    """Return a tid below 2**31; the Perfetto UI has tracks in their order, and heeds no sort index."""
    match track.kind:
        case "thread":
            return track.native_id & 0x7FFFFFFF
        case "loop":
            return LOOP_TIDS + track.serial
        case "task" | "state":
            return TASK_TIDS + track.serial % TASKS * 2 + (track.kind == "state")
    return GIL_TID


def _rank(track: Track) -> int:
    """Return the place of a track below its process: tasks come after their thread, before the next one."""
    if track.kind == "gil":
        return -1
    thread = track if track.kind == "thread" else thread_of(track)
    inner = 0 if track is thread else _tid(track)
    return (thread.serial if thread is not None else 0) * 4 * TASKS + inner


def _name(track: Track) -> str:
    """Return a name that says by itself where the track belongs."""
    name = clean(track.name)
    if track.under is None:
        return name
    above = clean(track.under.name)
    return f"{name} of {above}" if track.kind == "state" else f"{above} / {name}"


def _place(process: Process, track: Track) -> bytes:
    return b'"pid":%d,"tid":%d' % (process.pid, _tid(track))


def _lines(objects: list[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(each) + b",\n" for each in objects)


def _about(what: str, pid: int, tid: int, **args: Any) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": args}


def _metadata(timeline: Timeline) -> bytes:
    objects: list[dict[str, Any]] = []
    for index, process in enumerate(timeline.processes):
        main = next((_tid(track) for track in process.tracks if track.kind == "thread"), process.pid)
        objects.append(_about("process_name", process.pid, main, name=clean(process.name)))
        objects.append(_about("process_sort_index", process.pid, main, sort_index=index))
        if process.args:
            objects.append(_about("process_labels", process.pid, main, labels=",".join(labels(process))))
        for track in process.tracks:
            tid = _tid(track)
            objects.append(_about("thread_name", process.pid, tid, name=_name(track)))
            objects.append(_about("thread_sort_index", process.pid, tid, sort_index=_rank(track)))
    return _lines(objects)


def _lane(lane: PlacedLane, chains: set[int]) -> bytes:
    """Return the lane's metadata, its spans and its instants; `chains` are those that have begun."""
    if lane.kind in LANE_TIDS:
        pid, tid, place = lane.pid, LANE_TIDS[lane.kind] + lane.row, LANE_RANKS[lane.kind] + lane.row
    else:
        pid, tid, place = lane.pid, SPAN_TIDS + lane.number, lane.thread * 4 * TASKS + 1
    objects = [
        _about("thread_name", pid, tid, name=lane.name),
        _about("thread_sort_index", pid, tid, sort_index=place),
    ]
    at = {"pid": pid, "tid": tid}
    for span in lane.spans:
        times = {"ph": "X", "ts": span.start / 1000, "dur": (span.end - span.start) / 1000}
        objects.append(at | times | {"name": span.name, "cat": span.category, "args": span.args})
        if span.flow:
            objects.append(at | _flow("f", span.flow) | {"ts": span.start / 1000})
        if span.chain:
            objects.append(at | _flow("t" if span.chain in chains else "s", span.chain) | {"ts": span.start / 1000})
            chains.add(span.chain)
    return _lines(objects + [at | _instant(each) for each in lane.instants])


def _flow(phase: str, id: int) -> dict[str, Any]:
    return {"name": "flow", "cat": "flow", "ph": phase, "bp": "e", "id": hex(id)}


def _instants(process: Process, track: Track, clock: Clock) -> bytes:
    place = {"pid": process.pid, "tid": _tid(track)}
    return _lines([place | _instant(each) for each in place_instants(track.instants, clock)])


def _counters(timeline: Timeline, clock: Clock) -> bytes:
    return _lines(
        [
            {"ph": "C", "pid": process.pid, "ts": ns / 1000, "name": each.name, "args": {each.unit or "value": value}}
            for process in timeline.processes
            for each in place_counters(process, clock)
            for ns, value in zip(each.ns, each.values, strict=True)
        ]
    )


def _instant(instant: PlacedInstant) -> dict[str, Any]:
    about = {"name": instant.name, "cat": instant.category, "args": instant.args}
    return {"ph": "i", "ts": instant.ns / 1000, "s": "t"} | about


def _ended(ended: Ended) -> bytes:
    key = ended.track
    lane = {"pid": key.pid, "tid": _tid(key)}
    objects: list[dict[str, Any]] = []
    for id, start, folded, _ in ended.slices:
        try:
            name, kind, file, line, _ = ended.names[id]
        except KeyError:
            name, kind, file, line = "?", 0, "", 0
        args: dict[str, Any] = {"file": clean(file), "line": line} if kind == CODE or (kind == WAIT and file) else {}
        args |= {"folded": folded} if folded else {}
        category = {CALLABLE: "c", WAIT: "await"}.get(kind, "python")
        times = {"ph": "X", "ts": start / 1000, "dur": (ended.ns - start) / 1000}
        objects.append(lane | times | {"name": clean(name), "cat": category, "args": args | {"cut": "end"}})
    return _lines(objects)
