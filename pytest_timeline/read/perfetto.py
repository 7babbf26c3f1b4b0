"""Perfetto protobuf as export/perfetto.py writes it: slices by the compiled reader, the rest here."""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from pytest_timeline._reading import Packets, Rows, Sequence
from pytest_timeline.read.gzipped import pieces
from pytest_timeline.read.model import Instant, Name, Names, Process, Trace, Track, Unplaced
from pytest_timeline.read.protobuf import double, fields, signed

CATEGORIES = {1: "python", 2: "c", 3: "await"}  # as every sequence interns them
LOOP = "event loop"
KINDS = {"GIL": "gil", LOOP: "loop", "state": "state", "test": "test", "processes": "process"}
GROUP = "Tasks of "
BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4
FIRST_THREAD = 1 << 21  # the rank from which on threads come, each followed by what hangs below it


def read_perfetto(path: Path) -> Trace:
    """See Reader."""
    trace = _Trace()
    packets = Packets(trace)
    rest = b""
    for piece in pieces(path):
        data = rest + piece if rest else piece
        rest = data[packets.feed(data) :]
    if rest:
        raise ValueError("its last packet is cut off")
    return trace.made()


@dataclass(slots=True)
class _Described:
    """What a descriptor says of a track."""

    parent: int = 0  # the uuid of what it is below
    name: str = ""
    pid: int = 0  # of a process
    thread: int = 0  # its id
    rank: int = 0
    counts: bool = False  # it is a counter


class _Trace:
    """Gathers what the packets say; the listener of Packets."""

    def __init__(self) -> None:
        self._names = Names()
        self._described: dict[int, _Described] = {}
        self._rows: dict[int, Rows] = {}
        self._instants: dict[int, list[Instant]] = {}

    def about(self, sequence: Sequence, packet: bytes) -> None:
        """See Packets."""
        parts = dict(fields(packet))
        if snapshot := parts.get(6):
            self._start(sequence, _bytes(snapshot), _bytes(parts[59]))
        if interned := parts.get(12):
            self._intern(sequence, _bytes(interned))
        if descriptor := parts.get(60):
            self._describe(_bytes(descriptor))

    def told(self, sequence: Sequence, ns: int, event: bytes) -> None:
        """See Packets."""
        type = uuid = 0
        name = category = ""
        annotations: list[bytes] = []
        for number, value in fields(event):
            match number:
                case 9:
                    type = _int(value)
                case 11:
                    uuid = _int(value)
                case 22:
                    category = _text(value)
                case 23:
                    name = _text(value)
                case 4:
                    annotations.append(_bytes(value))
        if type == COUNTER:
            return
        args = self.arguments(sequence, annotations)
        if type == INSTANT:
            self._instants.setdefault(uuid, []).append(Instant(ns, name, category, args))
            return
        rows = self._rows.setdefault(uuid, Rows())
        row = None
        if type == BEGIN:
            row = rows.begin(ns, self._names.number(Name(name, category)))
        elif type == END:
            row = rows.end(ns)
        if args and row is not None:
            rows.args.setdefault(row, {}).update(args)

    def name(self, sequence: Sequence, iid: int, category: int, location: int) -> int:
        """See Packets."""
        file, line = sequence.files.get(location, ("", 0))
        return self._names.number(Name(sequence.texts[iid], CATEGORIES.get(category, "python"), file, line))

    def arguments(self, sequence: Sequence, annotations: list[bytes]) -> dict[str, Any]:
        """See Packets."""
        return dict(_annotation(each, sequence) for each in annotations)

    def made(self) -> Trace:
        """Return what has been gathered."""
        processes = {uuid: Process(each.pid, each.name) for uuid, each in self._described.items() if each.pid}
        threads = sorted((each.parent, each.rank, uuid) for uuid, each in self._described.items() if each.thread)
        tracks: dict[int, Track] = {}
        for uuid in sorted(self._described, key=self._place):  # stable
            each = self._described[uuid]
            above = self._described.get(each.parent)
            if above is None or each.name.startswith(GROUP):
                continue
            track = tracks[uuid] = self._track(uuid, each)
            if above.pid and (each.thread or each.rank < FIRST_THREAD):
                pass
            elif above.pid or above.name.startswith(GROUP):  # what comes after a thread, before the next, is below it
                process, rank = (each.parent, each.rank) if above.pid else (above.parent, above.rank)
                at = bisect(threads, (process, rank, 0)) - 1
                track.under = tracks.get(threads[at][2]) if at >= 0 and threads[at][0] == process else None
                track.kind = "span" if above.pid else track.kind
            else:
                track.under = tracks.get(each.parent)
            if track.under:
                track.id = track.under.id
            processes[self._process(each)].tracks.append(track)
        return Trace(self._names.all, list(processes.values()))

    def _process(self, each: _Described) -> int:
        """Return the uuid of the process that a track is of. Raises KeyError."""
        while not self._described[each.parent].pid:
            each = self._described[each.parent]
        return each.parent

    def _place(self, uuid: int) -> tuple[int, ...]:
        """Return the key by which tracks are sorted: each is followed by those below it, a loop's lane before tasks."""
        each = self._described[uuid]
        above = self._described.get(each.parent)
        if above is None or above.pid:
            return (each.rank,)
        if above.name.startswith(GROUP):
            return (above.rank, each.name != LOOP, each.rank)
        return (*self._place(each.parent), 1)

    def _track(self, uuid: int, each: _Described) -> Track:
        is_task = self._described[each.parent].name.startswith(GROUP) and each.name != LOOP
        kind = (
            "thread"
            if each.thread
            else "task"
            if is_task
            else "counter"
            if each.counts
            else KINDS.get(each.name, "lane")
        )
        track = Track(kind, each.name, each.thread)
        rows = self._rows.get(uuid)
        if rows is not None:
            starts, ends, depths, names = rows.finish()
            if all(before <= after for before, after in pairwise(starts)):
                track.starts, track.ends, track.depths, track.names, track.args = starts, ends, depths, names, rows.args
            else:  # a lane of a combined trace: what goes across windows comes where it ends
                slices = Unplaced()
                slices.starts, slices.ends, slices.names, slices.args = starts, ends, names, rows.args
                slices.fill(track)
        track.instants = sorted(self._instants.get(uuid, []), key=lambda instant: instant.ns)
        return track

    def _start(self, sequence: Sequence, snapshot: bytes, defaults: bytes) -> None:
        clock, event = _bytes(dict(fields(snapshot))[1]), _bytes(dict(fields(defaults))[11])
        now, uuid = _int(dict(fields(clock))[2]), _int(dict(fields(event))[11])
        sequence.start(now, self._rows.setdefault(uuid, Rows()))

    def _intern(self, sequence: Sequence, interned: bytes) -> None:
        for number, value in fields(interned):
            entry = dict(fields(_bytes(value)))
            iid = _int(entry[1])
            match number:
                case 2:
                    sequence.texts[iid] = _text(entry[2])
                case 3:
                    sequence.annotations[iid] = _text(entry[2])
                case 4:
                    sequence.files[iid] = (_text(entry[2]), _int(entry.get(4, 0)))
                case 29:
                    sequence.strings[iid] = _text(entry[2])

    def _describe(self, descriptor: bytes) -> None:
        parts = dict(fields(descriptor))
        uuid = _int(parts[1])
        found = _Described(
            _int(parts.get(5, 0)), _text(parts.get(2, b"")), rank=_int(parts.get(12, 0)), counts=8 in parts
        )
        if process := parts.get(3):
            about = dict(fields(_bytes(process)))
            found.pid, found.name = _int(about[1]), _text(about.get(6, b""))
        elif thread := parts.get(4):
            about = dict(fields(_bytes(thread)))
            found.thread, found.name = _int(about[2]), _text(about.get(5, b""))
        self._described[uuid] = found


def _annotation(data: bytes, sequence: Sequence) -> tuple[str, Any]:
    name = ""
    value: Any = []  # which has no field
    for number, field in fields(data):
        match number:
            case 1:
                name = sequence.annotations.get(_int(field), "")
            case 10:
                name = _text(field)
            case 2:
                value = bool(field)
            case 3 | 4:
                value = signed(_int(field))
            case 5:
                value = double(_bytes(field))
            case 6:
                value = _text(field)
            case 17:
                value = sequence.strings.get(_int(field), "")
            case 11:
                value = dict(value) | dict([_annotation(_bytes(field), sequence)])
            case 12:
                value = [*value, _annotation(_bytes(field), sequence)[1]]
    return name, value


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a packet is damaged")
    return value


def _int(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise ValueError("a packet is damaged")
    return value


def _text(value: int | bytes) -> str:
    return _bytes(value).decode("utf-8", "replace")
