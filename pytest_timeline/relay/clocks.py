"""Another host's ticks, told by this host's clock.

A ping gives a sample: a tick of this host that was read while the other's clock went from `before` to `after`. The
middle is the best guess, and half of the way the most that it can be wrong by. The sample with the smallest error
holds; as it ages its error grows by DRIFT, and so a later one takes its place. The map must not run backwards nor
leap, so it then goes a little faster or slower for a second, until the new sample is met: it is a chain of straight
lines.
"""

from __future__ import annotations

from pytest_timeline._relay import translated

DRIFT = 1e-4  # the most by which two clocks are taken to differ in rate: each 50 parts in a million
SLEW_NS = 1_000_000_000
SLOWEST = 0.5  # of the usual rate, when it must wait for this host's clock
KEPT_LINES = 64  # as many as _relay takes

Line = tuple[int, int, float]
"""From this tick there on: the tick here that it is, and how many ticks here one there makes."""


class ClockMap:
    """Translates ticks. `ns_per_tick` is how long a tick is there and here."""

    def __init__(self, ns_per_tick_there: float, ns_per_tick_here: float) -> None:
        self.lines: list[Line] = []
        self._there = ns_per_tick_there
        self._here = ns_per_tick_here
        self._ratio = ns_per_tick_there / ns_per_tick_here
        self._at = 0  # tick there of the sample that holds
        self._local = 0  # and here
        self._error_ns = 0.0  # of it

    def add(self, before: int, here: int, after: int, newest: int) -> None:
        """Take a sample; ticks up to `newest` have been translated, and stay as they are. Nonsense is ignored."""
        if not 0 < before <= after or here <= 0:
            return
        at, error_ns = (before + after) // 2, (after - before) / 2 * self._there
        if self.lines:
            held_ns = self.error_ns(at)
            apart_ns = abs(translated(at, self.lines) - here) * self._here
            if error_ns >= held_ns and apart_ns <= error_ns + held_ns:
                return
        self._at, self._local, self._error_ns = at, here, error_ns
        if not self.lines or not newest:
            self.lines = [(at, here, self._ratio)]
            return
        start, span = max(at, newest + 1), round(SLEW_NS / self._there)
        begin = translated(start, self.lines)
        aim = here + (start + span - at) * self._ratio
        slope = max((aim - begin) / span, SLOWEST * self._ratio)
        kept = [line for line in self.lines if line[0] < start]
        end = (start + span, begin + round(span * slope), self._ratio)
        self.lines = [*kept, (start, begin, slope), end][-KEPT_LINES:]

    def error_ns(self, tick: int) -> int:
        """Return the most by which the translation of that tick can be wrong, as far as the samples tell."""
        away = tick - self._at
        behind = abs(translated(tick, self.lines) - (self._local + away * self._ratio))  # until the sample is met
        return round(self._error_ns + abs(away) * self._there * DRIFT + behind * self._here)
