"""Which track is drawn below which: a thread, the lane of its loop, its tasks, each with its state."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_timeline.timeline.model import Track


def in_order(tracks: Iterable[Track]) -> list[Track]:
    """Return a process's tracks, each followed by those below it: a lane first, then tasks as they were first seen.

    The others stay in their order. What is below a track that is not among them comes last.
    """
    below: dict[int, list[Track]] = {}
    ordered: list[Track] = []
    for track in tracks:
        below.setdefault(id(track.under), []).append(track)

    def add(tracks: list[Track]) -> None:
        for track in tracks:
            ordered.append(track)
            add(sorted(below.pop(id(track), []), key=rank))

    add(below.pop(id(None), []))
    while below:
        add(sorted(below.pop(next(iter(below))), key=rank))
    return ordered


def rank(track: Track) -> int:
    """Return the place of a track among those below the same one, the same in every window of a run."""
    return track.serial if track.kind == "task" else 0


def thread_of(track: Track) -> Track | None:
    """Return the thread that a track is below, at any level; None where that is not known."""
    under = track.under
    while under is not None and under.under is not None:
        under = under.under
    return under
