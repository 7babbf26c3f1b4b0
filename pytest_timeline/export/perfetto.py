"""Perfetto protobuf: descriptors and the test's own track from here, the slices from the codec.

Field numbers are those of Perfetto's trace_packet.proto, track_descriptor.proto and track_event.proto.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Any

from pytest_timeline._codec import perfetto_slices
from pytest_timeline.export import SUFFIXES
from pytest_timeline.export.gzipped import GzippedFile
from pytest_timeline.export.protobuf import double, message, text, uint
from pytest_timeline.export.seams import Ended, Seams, TrackKey, key_of
from pytest_timeline.export.story import arguments, clean, tell
from pytest_timeline.timeline.model import Clock, Process, Timeline, Track

TYPES = {"B": 1, "E": 2, "i": 3}  # TrackEvent.Type
EXPLICIT = 3  # TrackDescriptor.ChildTracksOrdering
TEST_RANK, LANE_RANK, THREAD_RANK = 0, 1, 2
STORY = 1  # the sequence of descriptors and spans; the tracks' follow
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
            file.write(_descriptors(timeline) + _story(timeline, clock))
            for process in timeline.processes:
                for track in process.tracks:
                    sequence += 1
                    uuid = _uuid(key_of(process, track))
                    perfetto_slices(
                        track.slices, track.names, clock.origin, clock.ns_per_tick, uuid, sequence, file.write
                    )

    def combined(self, path: Path, clock: Clock) -> CombinedPerfetto:
        """See Exporter."""
        return CombinedPerfetto(path, clock)


class CombinedPerfetto:
    """Appends windows. The descriptors come again with each, so nothing is kept but what is open."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._file = GzippedFile(path, LEVEL)
        self._clock = clock
        self._seams = Seams()
        self._sequences: list[int] = []  # how far in time (ns) each sequence after STORY got

    def add(self, timeline: Timeline) -> None:
        """See Combined."""
        self._file.write(_descriptors(timeline) + _story(timeline, self._clock))
        for process in timeline.processes:
            for track in process.tracks:
                self._add_track(process, track, timeline)
        self._file.checkpoint()

    def _add_track(self, process: Process, track: Track, window: Timeline) -> None:
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
        )
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
        about = message(3, uint(1, process.pid), text(6, clean(process.name)))
        packets.append(_packet(message(60, uint(1, uuid), about, uint(11, EXPLICIT))))
        if process is timeline.processes[0]:
            test = _identify(process.pid, process.start, "test")
            packets.append(_packet(message(60, uint(1, test), uint(5, uuid), text(2, "test"), uint(12, TEST_RANK))))
        for track in process.tracks:
            parts = [uint(1, _uuid(key_of(process, track))), uint(5, uuid)]
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
        return name + b"".join(message(11, _annotation(inner, item)) for inner, item in value.items())
    if isinstance(value, list):
        return name + b"".join(message(12, _annotation(None, item)) for item in value)
    return name + text(6, value)


def _ends(ended: Ended) -> bytes:
    cut = message(4, _annotation("cut", "end"))
    end = message(11, uint(9, TYPES["E"]), uint(11, _uuid(ended.track)), cut)
    return _packet(uint(8, ended.ns), end) * len(ended.slices)
