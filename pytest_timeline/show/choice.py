"""Which part of a timeline is wanted."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass

from pytest_timeline.read.model import Process, Trace, Track
from pytest_timeline.text import printable


@dataclass(frozen=True, slots=True)
class Choice:
    depth: int | None = None  # most levels of calls, None for all
    least: int | None = None  # ns; what took less is summed up, None for what a screen or two has room for
    thread: str = ""  # a pattern for names of tracks
    process: str = ""  # a pattern for names of processes, or a pid
    instants: bool = False  # all of them, not only the first

    def tracks(self, trace: Trace) -> list[tuple[Process, list[Track]]]:
        """Return the tracks that are wanted. Raises ValueError where a pattern matches none."""
        processes = [
            each for each in trace.processes if not self.process or _matches(self.process, each.name, each.pid)
        ]
        if not processes:
            raise ValueError(
                f"no process matches {self.process!r}; there are {_listed(p.name for p in trace.processes)}"
            )
        chosen = [(each, [track for track in each.tracks if self._wants(track)]) for each in processes]
        if not any(tracks for _, tracks in chosen):
            tracks = [track for each in processes for track in each.tracks if track.kind not in ("state", "counter")]
            names = dict.fromkeys(track.name for track in tracks)
            raise ValueError(f"no thread matches {self.thread!r}; there are {_listed(names)}")
        return [(each, tracks) for each, tracks in chosen if tracks]

    def _wants(self, track: Track) -> bool:
        """Whether it, or what it hangs below, is wanted."""
        return (
            not self.thread
            or _matches(self.thread, track.name, track.id)
            or bool(track.under and self._wants(track.under))
        )


def _matches(pattern: str, name: str, number: int) -> bool:
    pattern, name = pattern.lower(), name.lower()
    if pattern.isdecimal() and int(pattern) == number:
        return True
    return fnmatch.fnmatchcase(name, pattern) if set(pattern) & set("*?[") else pattern in name


def _listed(names: Iterable[str], most: int = 12) -> str:
    names = [printable(name) for name in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
