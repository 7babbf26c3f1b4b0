"""Where the windows of a combined trace meet: what each track has open from one window to the next.

A slice that spans windows is begun in its first and ended in its last. Should the two sides of a seam not agree (a
slice was folded away on one side only, or its process was gone), the slice ends where it was last seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pytest_timeline._codec import open_slices
from pytest_timeline.timeline.model import Process, Track

Open = list[tuple[int, int, int]]  # outermost first: name, slices folded into it so far, their ticks


class TrackKey(NamedTuple):
    """What identifies a track in a whole run."""

    pid: int
    start: int  # the process's
    kind: str
    serial: int
    native_id: int


class Ended(NamedTuple):
    """So many slices of a track, the innermost ones, that end at a moment in the past."""

    key: TrackKey
    count: int
    ns: int


class Seams:
    """What is open on every track. It forgets a track that has nothing open."""

    def __init__(self) -> None:
        self._open: dict[TrackKey, tuple[Open, int]] = {}

    def join(self, process: Process, track: Track, end: int) -> tuple[Open, Ended]:
        """Return what goes on from the track's window before, and what does not; remember what this one leaves.

        `end` is the window's, in nanoseconds.
        """
        key = TrackKey(process.pid, process.start, track.kind, track.serial, track.native_id)
        before, ns = self._open.pop(key, ([], 0))
        continued, after = open_slices(track.slices, before)
        if after:
            self._open[key] = after, end
        return before[:continued], Ended(key, len(before) - continued, ns)

    def rest(self) -> Iterator[Ended]:
        """Yield all that is still open at the end of the run."""
        for key, (opened, ns) in self._open.items():
            yield Ended(key, len(opened), ns)
