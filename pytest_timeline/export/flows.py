"""Which slice each end of an arrow is on, and which arrows there are.

trace_processor draws an arrow from the slice that began first to the one that began later, wherever its ends are. An
arrow that would point back is therefore left out, and one whose ends are on slices that begin in the same nanosecond.
"""

from __future__ import annotations

from pytest_timeline._codec import flow_rows
from pytest_timeline.timeline.model import Clock, Process, Timeline, Track

End = tuple[int, int, bool, int]
"""row, id of the flow, whether it enters, tick at which the slice starts"""


class Flows:
    """The flows of one timeline. What an end in another timeline is on is not known; both are drawn then."""

    def __init__(self, timeline: Timeline, clock: Clock) -> None:
        self.tracks: list[tuple[Process, Track, list[End]]] = []
        """Every track of the timeline with its ends, as an encoder takes them."""
        self._back: set[int] = set()
        for process in timeline.processes:
            for track in process.tracks:
                self.tracks.append((process, track, flow_rows(track.slices, track.flows) if track.flows else []))
        left = {id: start for _, _, ends in self.tracks for _, id, enters, start in ends if not enters}
        if not left:
            return
        for _, _, ends in self.tracks:
            for _, id, enters, start in ends:
                if enters and id in left and clock.ns(start) <= clock.ns(left[id]):
                    self._back.add(id)
        for lane in timeline.lanes:
            for span in lane.spans:
                if span.flow in left and clock.ns(span.start) <= clock.ns(left[span.flow]):
                    self._back.add(span.flow)
        if self._back:
            self.tracks = [
                (process, track, [end for end in ends if end[1] not in self._back])
                for process, track, ends in self.tracks
            ]

    def points_back(self, id: int) -> bool:
        """Whether a flow is left out for that reason."""
        return id in self._back
