"""Where the windows of a combined trace meet: what each track has open from one window to the next.

A slice that spans windows is one slice in the trace. Should the two sides of a seam not agree (it was folded away on
one side, or its process was gone), it ends where it was last seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pytest_timeline._codec import Names, continued
from pytest_timeline.timeline.model import Process, Track

Open = list[tuple[int, int, int, int]]
"""What a track has open, outermost first: name, start in ns, slices folded into it so far, their ticks."""


class TrackKey(NamedTuple):
    """What identifies a track in a whole run."""

    pid: int
    start: int  # the process's
    kind: str
    serial: int
    native_id: int


class Ended(NamedTuple):
    """Slices of a track, outermost first, that end where they were last seen."""

    track: TrackKey
    names: Names
    slices: Open
    ns: int


def key_of(process: Process, track: Track) -> TrackKey:
    return TrackKey(process.pid, process.start, track.kind, track.serial, track.native_id)


class Seams:
    """What is open on every track. It forgets a track that has nothing open, and never holds a window's slices."""

    def __init__(self) -> None:
        self._left: dict[TrackKey, Ended] = {}

    def arrive(self, process: Process, track: Track) -> tuple[Open, int, Ended]:
        """Return what goes on from the window before, the earliest time of this one, and what does not go on."""
        key = key_of(process, track)
        left = self._left.pop(key, Ended(key, track.names, [], 0))
        count = continued(track.slices, left.slices)
        return left.slices[:count], left.ns, left._replace(slices=left.slices[count:])

    def leave(self, process: Process, track: Track, end: int, now: int, after: Open) -> None:
        """Remember what the encoder returned for the window that ends at `end` (ns)."""
        if after or now > end:
            key = key_of(process, track)
            self._left[key] = Ended(key, track.names, after, max(now + 1, end))

    def rest(self) -> Iterator[Ended]:
        """Yield all that is still open at the end of the run."""
        yield from self._left.values()
