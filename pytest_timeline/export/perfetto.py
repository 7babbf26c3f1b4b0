"""Perfetto protobuf: descriptors and the test's own track from here, the slices from the codec.

Field numbers are those of Perfetto's trace_packet.proto, track_descriptor.proto and track_event.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pytest_timeline._codec import perfetto_slices
from pytest_timeline.export.gzipped import GzippedFile
from pytest_timeline.export.protobuf import double, message, text, uint
from pytest_timeline.export.seams import Ended, Seams, TrackKey
from pytest_timeline.export.story import arguments, clean, tell
from pytest_timeline.timeline.model import Clock, Process, Timeline, Track

TYPES = {"B": 1, "E": 2, "i": 3}  # TrackEvent.Type
TEST_RANK, LANE_RANK, THREAD_RANK = 0, 1, 2
STORY = 1  # the sequence of descriptors and spans; the tracks' follow


class PerfettoExporter:
    suffix = ".pftrace.gz"

    def write(self, timeline: Timeline, clock: Clock, path: Path) -> None:
        with GzippedFile(path) as file:
            file.write(_descriptors(timeline) + _story(timeline, clock))
            for sequence, (process, track) in enumerate(_tracks(timeline), STORY + 1):
                file.write(
                    perfetto_slices(
                        track.slices, track.names, clock.origin, clock.ns_per_tick, _uuid(process, track), sequence
                    )
                )

    def combined(self, path: Path, clock: Clock) -> CombinedPerfetto:
        return CombinedPerfetto(path, clock)


class CombinedPerfetto:
    """Appends windows. The descriptors come again with each, so nothing is kept but what is open."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._file = GzippedFile(path)
        self._clock = clock
        self._seams = Seams()
        self._sequence = STORY

    def add(self, timeline: Timeline) -> None:
        clock = self._clock
        self._file.write(_descriptors(timeline) + _story(timeline, clock))
        for process, track in _tracks(timeline):
            before, ended = self._seams.join(process, track, clock.ns(timeline.end))
            self._file.write(_cut(ended))
            self._sequence += 1
            self._file.write(
                perfetto_slices(
                    track.slices,
                    track.names,
                    clock.origin,
                    clock.ns_per_tick,
                    _uuid(process, track),
                    self._sequence,
                    before,
                )
            )
        self._file.checkpoint()

    def close(self) -> None:
        try:
            for ended in self._seams.rest():
                self._file.write(_cut(ended))
        except BaseException:
            self._file.discard()
            raise
        self._file.close()


def _tracks(timeline: Timeline) -> Iterator[tuple[Process, Track]]:
    for process in timeline.processes:
        for track in process.tracks:
            yield process, track


def _identify(pid: int, start: int, what: str) -> int:
    """Return a track's uuid: the same in every window of a run, and 56 bits, so that nobody rounds it."""
    return int.from_bytes(blake2b(f"{pid}/{start}/{what}".encode(), digest_size=7).digest(), "little") | 1


def _uuid(process: Process, track: Track) -> int:
    return _identify(process.pid, process.start, f"{track.kind}/{track.serial}/{track.native_id}")


def _packet(*parts: bytes) -> bytes:
    return message(1, *parts, uint(10, STORY))


def _descriptors(timeline: Timeline) -> bytes:
    packets = []
    for process in timeline.processes:
        uuid = _identify(process.pid, process.start, "process")
        about = message(3, uint(1, process.pid), text(6, clean(process.name)))
        packets.append(_packet(message(60, uint(1, uuid), about, uint(11, 3))))  # children in explicit order
        if process is timeline.processes[0]:
            own = _identify(process.pid, process.start, "test")
            packets.append(
                _packet(message(60, uint(1, own), uint(5, uuid), text(2, "test"), uint(12, TEST_RANK)))
            )
        for track in process.tracks:
            parts = [uint(1, _uuid(process, track)), uint(5, uuid)]
            if track.kind == "thread":
                about = message(4, uint(1, process.pid), uint(2, track.native_id), text(5, clean(track.name)))
                parts += [about, uint(12, THREAD_RANK + track.serial)]
            else:
                parts += [text(2, clean(track.name)), uint(12, LANE_RANK)]
            packets.append(_packet(message(60, *parts)))
    return b"".join(packets)


def _story(timeline: Timeline, clock: Clock) -> bytes:
    if not timeline.processes:
        return b""
    process = timeline.processes[0]
    track = uint(11, _identify(process.pid, process.start, "test"))
    packets = []
    for phase, ns, what in tell(timeline, clock):
        parts = [uint(9, TYPES[phase]), track]
        if phase != "E":
            parts += [text(22, what.category), text(23, clean(what.name))]
            parts += [message(4, _annotation(key, value)) for key, value in arguments(timeline, what).items()]
        packets.append(_packet(uint(8, ns), message(11, *parts)))
    return b"".join(packets)


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
        return name + b"".join(message(11, _annotation(key, item)) for key, item in value.items())
    if isinstance(value, list):
        return name + b"".join(message(12, _annotation(None, item)) for item in value)
    return name + text(6, value)


def _cut(ended: Ended) -> bytes:
    """Return the ends of slices that nobody saw end."""
    key: TrackKey = ended.key
    track = uint(11, _identify(key.pid, key.start, f"{key.kind}/{key.serial}/{key.native_id}"))
    cut = message(4, _annotation("cut", "end"))
    return _packet(uint(8, ended.ns), message(11, uint(9, TYPES["E"]), track, cut)) * ended.count
