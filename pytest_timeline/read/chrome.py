"""Chrome Trace Event JSON as export/chrome.py writes it: an object a line, read some lines at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from pytest_timeline.export.chrome import GIL_TID, LANE_TIDS, LOOP_TIDS, TASK_TIDS, TASKS
from pytest_timeline.read.gzipped import pieces
from pytest_timeline.read.model import Instant, Name, Names, Process, Trace, Track, Unplaced

HEAD, TAIL = b'{"displayTimeUnit":"ms","traceEvents":[\n', b"\n]}\n"
BELOW = ("loop", "task", "state", "span")
SPAN_TIDS = 3 << 29  # above those of processes: what a program says that it does
RECORDED = ("python", "c", "await")  # the categories of slices whose file and line are their name's

Place = tuple[int, int]
"""pid and tid"""


def read_chrome(path: Path) -> Trace:
    """See Reader."""
    trace = _Trace()
    for lines in _lines(path):
        for line in lines.split(b"\n"):
            head, found, times = line.rpartition(b'},"ts":')  # the codec writes so; there are many of these
            if not (found and trace.add_slice(head, times)):
                trace.add(orjson.loads(line.removesuffix(b",")))
    return trace.made()


class _Trace:
    """Gathers what the objects say."""

    def __init__(self) -> None:
        self._names = Names()
        self._slices: dict[Place, Unplaced] = defaultdict(Unplaced)
        self._instants: dict[Place, list[Instant]] = defaultdict(list)
        self._about: dict[str, dict[Place, Any]] = defaultdict(dict)
        self._heads: dict[bytes, tuple[Unplaced, int, dict[str, Any] | None] | None] = {}

    def add_slice(self, head: bytes, times: bytes) -> bool:
        """Add a slice by the part of its line that many have in common, and the rest; False if it is none."""
        start, found, duration = times.partition(b',"dur":')
        try:
            known = self._heads[head]
        except KeyError:
            known = self._heads[head] = self._known(head)
        if not (found and known):
            return False
        slices, number, args = known
        ns = int(start.replace(b".", b""))  # three decimals
        slices.add(ns, ns + int(duration.rstrip(b"},").replace(b".", b"")), number, args)
        return True

    def _known(self, head: bytes) -> tuple[Unplaced, int, dict[str, Any] | None] | None:
        try:
            each = orjson.loads(head + b"}}")
        except ValueError:
            return None
        return self._about_slice(each) if each.get("ph") == "X" else None

    def _about_slice(self, each: dict[str, Any]) -> tuple[Unplaced, int, dict[str, Any] | None]:
        args, category = each["args"], each["cat"]
        place = (args.pop("file", ""), args.pop("line", 0)) if category in RECORDED else ()
        number = self._names.number(Name(each["name"], category, *place))
        return self._slices[each["pid"], each["tid"]], number, args or None

    def add(self, each: dict[str, Any]) -> None:
        """Add an object."""
        at = each["pid"], each.get("tid", 0)  # a counter has none
        if each["ph"] == "X":
            slices, number, args = self._about_slice(each)
            start = round(each["ts"] * 1000)
            slices.add(start, start + round(each["dur"] * 1000), number, args)
        elif each["ph"] == "i":
            self._instants[at].append(Instant(round(each["ts"] * 1000), each["name"], each["cat"], each["args"]))
        elif each["ph"] == "M":
            (self._about[each["name"]][at],) = each["args"].values()

    def made(self) -> Trace:
        """Return what has been gathered."""
        processes = {pid: Process(pid, name) for (pid, _), name in self._about["process_name"].items()}
        names, ranks = self._about["thread_name"], self._about["thread_sort_index"]
        threads = {(pid, ranks[pid, tid]): (pid, tid) for pid, tid in names if tid < LOOP_TIDS}
        tracks: dict[Place, Track] = {}
        for at in sorted(names, key=ranks.__getitem__):  # a thread comes first, a task before its state
            pid, tid = at
            track = tracks[at] = _track(tid, names[at])
            if track.kind in BELOW:
                thread = threads.get((pid, ranks[at] // (4 * TASKS) * 4 * TASKS), (0, 0))
                track.under = tracks.get((pid, tid - 1) if track.kind == "state" else thread)
                track.id = track.under.id if track.under else 0
            self._slices.pop(at, Unplaced()).fill(track)
            track.instants = sorted(self._instants[at], key=lambda instant: instant.ns)
            processes[pid].tracks.append(track)
        if self._slices:
            raise ValueError("slices are on no track")
        return Trace(self._names.all, list(processes.values()))


def _lines(path: Path) -> Iterator[bytes]:
    """Yield whole lines of the array. Raises ValueError when it is cut off, or was written by somebody else."""
    rest = b""
    begun = False
    for piece in pieces(path):
        rest += piece
        if not begun and len(rest) >= len(HEAD):
            begun, rest = rest.startswith(HEAD), rest.removeprefix(HEAD)
            if not begun:
                break
        lines, newline, rest = rest.rpartition(b",\n")
        if newline:
            yield lines
    if not (begun and rest.endswith(TAIL)):
        raise ValueError("its end is missing, or it was not written by pytest-timeline")
    if lines := rest.removesuffix(TAIL):
        yield lines


def _track(tid: int, name: str) -> Track:
    if tid == LANE_TIDS["test"]:
        return Track("test", name, 0)
    if tid >= SPAN_TIDS:
        return Track("span", name, 0)
    if tid >= LANE_TIDS["process"]:
        return Track("process", name, 0)
    if tid == GIL_TID:
        return Track("gil", name, 0)
    if tid < LOOP_TIDS:
        return Track("thread", name, tid)
    if tid >= TASK_TIDS and tid & 1:
        return Track("state", "state", 0)
    return Track("loop" if tid < TASK_TIDS else "task", name.partition(" / ")[2], 0)
