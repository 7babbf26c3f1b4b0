"""Perfetto protobuf: descriptors, lanes and instants from here, the slices from the codec.

Field numbers are those of Perfetto's trace_packet.proto, track_descriptor.proto and track_event.proto.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Any

from pytest_timeline._codec import double, fixed64, message, perfetto_slices, text, uint
from pytest_timeline.export.flows import End, Flows
from pytest_timeline.export.gzipped import GzippedFile
from pytest_timeline.export.lane_seams import LaneSeams
from pytest_timeline.export.lanes import (
    PlacedLane,
    PlacedSpan,
    clean,
    labels,
    place_counters,
    place_instants,
    place_lanes,
    tell,
)
from pytest_timeline.export.seams import Ended, Seams, TrackKey, key_of
from pytest_timeline.export.span_lanes import SpanLanes
from pytest_timeline.export.tree import rank
from pytest_timeline.outputs import SUFFIXES
from pytest_timeline.timeline.model import Clock, Process, Timeline, Track

TYPES = {"B": 1, "E": 2, "i": 3}  # TrackEvent.Type; a counter's is
COUNTER = 4
EXPLICIT = 3  # TrackDescriptor.ChildTracksOrdering
NEVER_MERGED = 2  # TrackDescriptor.SiblingMergeBehavior: two tasks of one name are two
LANE_RANKS = {"test": 0, "process": 1}  # of the first row
GIL_RANK, THREAD_RANK = 1 << 20, 1 << 21  # so many rows of processes are there not
COUNTER_RANK = GIL_RANK + 1
STORY = 1  # the sequence of descriptors, spans and instants; the tracks' follow
LEVEL = 2  # zlib: 4 saves a twelfth for two fifths more time; docs/traces.md has the figures


class PerfettoExporter:
    """One `.pftrace.gz` for each timeline."""

    suffix = SUFFIXES["perfetto"]

    def __init__(self) -> None:
        self.shared: list[str] = []

    def write(self, timeline: Timeline, clock: Clock, path: Path) -> None:
        """See Exporter."""
        sequence = STORY
        with GzippedFile(path, LEVEL) as file:
            flows = Flows(timeline, clock)
            file.write(_descriptors(timeline))
            for lane in place_lanes(timeline, flows, clock):
                file.write(_lane(lane))
            for process, track, ends in flows.tracks:
                sequence += 1
                uuid, scale = _uuid(key_of(process, track)), (clock.origin, clock.ns_per_tick)
                perfetto_slices(track.slices, track.names, *scale, uuid, sequence, file.write, flows=ends)
                file.write(_instants(track, uuid, clock))
            for lane in SpanLanes(clock).arrive(timeline):
                file.write(_lane(lane))
            file.write(_counters(timeline, clock))

    def combined(self, path: Path, clock: Clock) -> CombinedPerfetto:
        """See Exporter."""
        return CombinedPerfetto(path, clock)


class CombinedPerfetto:
    """Appends windows. The descriptors come again with each, so nothing is kept but what is open."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._file = GzippedFile(path, LEVEL)
        self._clock = clock
        self._seams = Seams()
        self._lanes = LaneSeams(clock)
        self._spans = SpanLanes(clock, joined=True)
        self._sequences: list[int] = []  # how far in time (ns) each sequence after STORY got

    def add(self, timeline: Timeline) -> None:
        """See Combined."""
        flows = Flows(timeline, self._clock)
        self._file.write(_descriptors(timeline))
        for lane in self._lanes.arrive(timeline, flows):
            self._file.write(_lane(lane))
        for process, track, ends in flows.tracks:
            self._add_track(process, track, ends, timeline)
        for lane in self._spans.arrive(timeline):
            self._file.write(_lane(lane))
        self._file.write(_counters(timeline, self._clock))
        self._file.checkpoint()

    def _add_track(self, process: Process, track: Track, ends: list[End], window: Timeline) -> None:
        before, now, ended = self._seams.arrive(process, track)
        self._file.write(_ends(ended))
        index = self._free_sequence(max(now, self._clock.ns(window.start)))
        now, after = perfetto_slices(
            track.slices,
            track.names,
            self._clock.origin,
            self._clock.ns_per_tick,
            _uuid(ended.track),
            STORY + 1 + index,
            self._file.write,
            before,
            now,
            ends,
        )
        self._file.write(_instants(track, _uuid(ended.track), self._clock))
        self._sequences[index] = now
        self._seams.leave(process, track, self._clock.ns(window.end), now, after)

    def _free_sequence(self, ns: int) -> int:
        """Return the index of a sequence whose clock has not passed `ns`.

        A clock must not go back, and workers' windows overlap; but every window begins its sequences anew, so they can
        be shared. Their numbers stay small, which saves bytes in every packet.
        """
        for index, reached in enumerate(self._sequences):
            if reached <= ns:
                return index
        self._sequences.append(0)
        return len(self._sequences) - 1

    def close(self) -> None:
        """See Combined."""
        with self._file:
            for ended in self._seams.rest():
                self._file.write(_ends(ended))
            for lane in (*self._lanes.rest(), *self._spans.rest()):
                self._file.write(_lane(lane))


def _identify(pid: int, start: int, what: str) -> int:
    """Return a track's uuid: the same in every window of a run, and 56 bits, so that nobody rounds it."""
    return int.from_bytes(blake2b(f"{pid}/{start}/{what}".encode(), digest_size=7).digest(), "little") | 1


def _uuid(track: TrackKey) -> int:
    return _identify(track.pid, track.start, f"{track.kind}/{track.serial}/{track.native_id}")


def _packet(*parts: bytes) -> bytes:
    return message(1, *parts, uint(10, STORY))


def _descriptors(timeline: Timeline) -> bytes:
    packets = []
    for process in timeline.processes:
        uuid = _identify(process.pid, process.start, "process")
        said = b"".join(text(8, label) for label in labels(process))
        about = message(3, uint(1, process.pid), text(6, clean(process.name)), said)
        packets.append(_packet(message(60, uint(1, uuid), about, uint(11, EXPLICIT))))
        groups: dict[int, Track] = {}
        for track in process.tracks:
            packets.append(_descriptor(process, track, uuid))
            if track.under is not None and track.kind != "state":
                groups[_group(process, track.under)] = track.under
        for group, thread in groups.items():
            about = text(2, f"Tasks of {clean(thread.name)}") + uint(12, _thread_rank(thread) + 2)
            packets.append(_packet(message(60, uint(1, group), uint(5, uuid), about, uint(11, EXPLICIT))))
    return b"".join(packets)


def _descriptor(process: Process, track: Track, parent: int) -> bytes:
    """Return the descriptor of a track of the process whose uuid is `parent`."""
    if track.kind == "thread":
        about = message(4, uint(1, process.pid), uint(2, track.native_id), text(5, clean(track.name)))
        place = _thread_rank(track)
    else:
        about = text(2, clean(track.name))
        place = GIL_RANK if track.kind == "gil" else rank(track)
        if track.under is not None:
            is_state = track.kind == "state"
            parent = _uuid(key_of(process, track.under)) if is_state else _group(process, track.under)
            about += uint(11, EXPLICIT) + uint(15, NEVER_MERGED)
    return _packet(message(60, uint(1, _uuid(key_of(process, track))), uint(5, parent), about, uint(12, place)))


def _group(process: Process, thread: Track) -> int:
    """Return the uuid of the track that has a thread's tasks below it.

    The UI draws the children of a thread's track elsewhere, in no order, with the thread's id after each name.
    """
    return _identify(process.pid, process.start, f"tasks/{thread.serial}/{thread.native_id}")


def _thread_rank(thread: Track) -> int:
    """Return its place; its spans come after it, then its tasks."""
    return THREAD_RANK + 4 * thread.serial


def _lane(lane: PlacedLane) -> bytes:
    """Return the lane's descriptor, its spans and its instants."""
    if lane.kind in LANE_RANKS:
        what, place = f"{lane.kind}/{lane.row}", LANE_RANKS[lane.kind] + lane.row
    else:
        what, place = f"{lane.kind}/{lane.thread}/{lane.row}", THREAD_RANK + 4 * lane.thread + 1
    uuid = _identify(lane.pid, lane.process_start, what)
    about = [uint(5, _identify(lane.pid, lane.process_start, "process")), text(2, lane.name)]
    packets = [_packet(message(60, uint(1, uuid), *about, uint(12, place)))]
    for phase, ns, told in tell(lane):
        parts = []
        if phase != "E":
            parts = [text(22, told.category), text(23, told.name), _annotations(told.args)]
            if isinstance(told, PlacedSpan) and told.flow:
                parts.append(fixed64(48, told.flow))  # terminating_flow_ids
            if isinstance(told, PlacedSpan) and told.chain:
                parts.append(fixed64(47, told.chain))  # flow_ids
        packets.append(_event(phase, ns, uuid, *parts))
    return b"".join(packets)


def _instants(track: Track, uuid: int, clock: Clock) -> bytes:
    return b"".join(
        _event("i", each.ns, uuid, text(22, each.category), text(23, each.name), _annotations(each.args))
        for each in place_instants(track.instants, clock)
    )


def _counters(timeline: Timeline, clock: Clock) -> bytes:
    packets = []
    for process in timeline.processes:
        parent = uint(5, _identify(process.pid, process.start, "process"))
        for counter in place_counters(process, clock):
            uuid = _identify(process.pid, process.start, f"counter/{counter.name}")
            about = text(2, counter.name) + message(8, text(6, counter.unit) if counter.unit else b"")
            packets.append(_packet(message(60, uint(1, uuid), parent, about, uint(12, COUNTER_RANK))))
            for ns, value in zip(counter.ns, counter.values, strict=True):
                said = uint(30, value) if isinstance(value, int) else double(44, value)
                packets.append(_packet(uint(8, ns), message(11, uint(9, COUNTER), uint(11, uuid), said)))
    return b"".join(packets)


def _event(phase: str, ns: int, track: int, *parts: bytes) -> bytes:
    """Return a packet of the track with that uuid."""
    return _packet(uint(8, ns), message(11, uint(9, TYPES[phase]), uint(11, track), *parts))


def _annotations(args: dict[str, Any]) -> bytes:
    return b"".join(message(4, _annotation(key, value)) for key, value in args.items())


def _annotation(key: str | None, value: Any) -> bytes:
    """Return the fields of a DebugAnnotation; an entry of a list has no key."""
    name = b"" if key is None else text(10, key)
    if isinstance(value, bool):
        return name + uint(2, value)
    if isinstance(value, int):
        return name + uint(4, value)
    if isinstance(value, float):
        return name + double(5, value)
    if isinstance(value, dict):
        return name + b"".join(message(11, _annotation(inner, item)) for inner, item in value.items())
    if isinstance(value, list):
        return name + b"".join(message(12, _annotation(None, item)) for item in value)
    return name + text(6, value)


def _ends(ended: Ended) -> bytes:
    return _event("E", ended.ns, _uuid(ended.track), _annotations({"cut": "end"})) * len(ended.slices)
