"""Functions that are called too often to be recorded to the end of their test: from where on, and what that hides."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_timeline._codec import Spool, time_of, uses
from pytest_timeline.timeline.category import Categories
from pytest_timeline.timeline.model import Instant, Process


@dataclass(frozen=True, slots=True)
class Mute:
    """A function is recorded no more."""

    tick: int
    thread: int  # serial of the one in which that began
    id: int  # of its name
    share: float  # of that thread's time, while the function was recorded
    callers: list[int]  # names of what was open there, with its own


@dataclass(frozen=True, slots=True)
class Muted:
    """What a window has of a function that was."""

    name: str
    file: str  # "" = not known
    line: int
    recorded: int  # calls
    exact: bool  # else at least so many: some were folded
    milliseconds: float  # that the others took: an estimate

    @property
    def text(self) -> str:
        """For people, such as "fib beyond 8,704 calls, about 930 ms"."""
        calls = f"{self.recorded:,} calls" if self.exact else f"at least {self.recorded:,} calls"
        ms = self.milliseconds
        return f"{self.name} beyond {calls}, about {f'{ms:.3g} ms' if ms < 1000 else f'{ms / 1000:.3g} s'}"

    def placed(self, categories: Categories) -> str:
        """Return it with its place, such as "fib beyond 8,704 calls, about 930 ms (tests/test_fib.py:3)"."""
        return f"{self.text} ({categories.file(self.file).short}:{self.line})" if self.file else self.text


@dataclass(slots=True)
class Mutes:
    """Those of one process. A pytest process records all functions again in its next test, any other never."""

    told: dict[int, Mute] = field(default_factory=dict)  # by name: the first of each

    def hear(self, spool: Spool) -> None:
        """Take what the process of this spool has told since."""
        for each in spool.muted():
            mute = Mute(*each)
            self.told.setdefault(mute.id, mute)

    def forget(self) -> None:
        self.told = {}

    def mark(self, process: Process, start: int, ns_per_tick: float) -> list[Muted]:
        """Mark on the process's threads from where on calls are missing, in a window from the tick `start` on.

        What they took is estimated: of the own time of those who called the function, the share that it had before.
        """
        tracks = [track for track in process.tracks if track.kind == "thread"]
        found = []
        for mute in self.told.values():
            ticks = mute.share * sum(time_of(track.slices, mute.callers, mute.tick) for track in tracks)
            if not ticks and mute.tick < start:
                continue  # nobody called it here
            recorded = sum(uses(track.slices).get(mute.id, (0, 0))[0] for track in tracks)
            exact = not any(track.slices.folded for track in tracks)
            milliseconds = round(ticks * ns_per_tick / 1e6, 3)
            muted = Muted(*_place(process, mute.id), recorded, exact, milliseconds)
            found.append(muted)
            args = {"file": muted.file, "line": muted.line, "recorded": recorded, "estimated_ms": milliseconds}
            for track in tracks:
                if track.serial == mute.thread and mute.tick >= start:
                    track.instants.append(Instant(f"not recorded from here: {muted.name}", "python", mute.tick, args))
        return found


def _place(process: Process, id: int) -> tuple[str, str, int]:
    """Return the function's name, file and line."""
    try:
        name, _, file, line, _ = process.tracks[0].names[id]
    except (KeyError, IndexError):
        return "?", "", 0
    return name, file, line
