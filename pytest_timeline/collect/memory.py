"""How much memory each traced process holds, looked up from outside while the tests run: it costs them nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pytest_timeline._codec import Spool
from pytest_timeline.collect import procfs
from pytest_timeline.timeline.model import Counter

NAME, UNIT = "memory", "MiB"
SECONDS = 0.01  # between two looks
AT_ONCE = 32  # processes; so many more make the looks rarer by as much
MIB = 1 << 20


@dataclass(slots=True)
class _Held:
    """What one process held, in bytes."""

    file: procfs.Resident
    before: int = 0  # when the window began; 0 = not known
    ticks: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    apart: int = 0  # least number of ticks between two values

    def add(self, tick: int, value: int, most: int) -> None:
        if value == (self.values[-1] if self.values else self.before):
            return
        if self.ticks and tick - self.ticks[-1] < self.apart:  # the greatest stands for those near it
            self.values[-1] = max(self.values[-1], value)
            return
        self.ticks.append(tick)
        self.values.append(value)
        if most and len(self.ticks) > most:
            self.apart = 2 * (self.ticks[-1] - self.ticks[0]) // most
            ticks, values, self.ticks, self.values = self.ticks, self.values, [], []
            for tick, value in zip(ticks, values, strict=True):
                self.add(tick, value, 0)


class Memory:
    """At most `most` values of a process in a window, 0 = no limit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[str, _Held] = {}  # by the spool's path
        self._looked = 0  # tick

    def look(self, spools: Iterable[Spool], tick: int, ns_per_tick: float) -> None:
        """See what the processes of these spools hold now, if it is time to."""
        pause = SECONDS * (1 + len(self._held) // AT_ONCE)
        if (tick - self._looked) * ns_per_tick < pause * 1e9:
            return
        self._looked = tick
        for spool in spools:
            held = self._held.get(spool.path)
            if held is None:
                held = self._held[spool.path] = _Held(procfs.Resident(spool.pid))
            value = held.file.bytes()
            if value:
                held.add(tick, value, self._most)

    def draw(self, spool: Spool, start: int, end: int) -> Iterator[Counter]:
        """Yield what the process held from one tick to another; nothing where that is not known."""
        held = self._held.get(spool.path)
        if held is None:
            return
        counter = Counter(NAME, UNIT)
        if held.before:
            counter.ticks.append(start)
            counter.values.append(_mib(held.before))
        for tick, value in zip(held.ticks, held.values, strict=True):
            if tick < end:
                counter.ticks.append(max(start, tick))
                counter.values.append(_mib(value))
        if counter.ticks:
            yield counter

    def next_window(self, tick: int) -> None:
        """The next window begins at the tick."""
        for held in self._held.values():
            past = sum(each < tick for each in held.ticks)
            if past:
                held.before = held.values[past - 1]
            held.ticks, held.values, held.apart = held.ticks[past:], held.values[past:], 0

    def forget(self, spools: Iterable[Spool]) -> None:
        """The processes are gone, and their last windows are drawn."""
        for spool in spools:
            if (held := self._held.pop(spool.path, None)) is not None:
                held.file.close()

    def close(self) -> None:
        for held in self._held.values():
            held.file.close()


def _mib(value: int) -> float:
    return round(value / MIB, 2)
