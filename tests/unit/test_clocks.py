"""Another host's clock is told within the error that is stated, and never runs backwards."""

from __future__ import annotations

import itertools
import random

import pytest

from pytest_timeline._relay import translated
from pytest_timeline.relay.clocks import DRIFT, ClockMap

SECOND = 10**9
OFFSET = 7 * 10**15  # between the two clocks


def there(here: float, rate: float = 1.0) -> int:
    """The other clock's time, where it goes `rate` as fast."""
    return round(here * rate) + OFFSET


def ping(clocks: ClockMap, here: int, out: int, back: int, rate: float = 1.0, newest: int = 0) -> None:
    """One ping, answered at `here`, after `out` ns on its way, and heard of `back` ns later."""
    clocks.add(there(here - out, rate), here, there(here + back, rate), newest)


def test_the_shortest_round_trip_holds() -> None:
    clocks = ClockMap(1.0, 1.0)
    for out, back in [(900_000, 100_000), (21_000, 19_000), (50_000, 400_000)]:
        ping(clocks, 100 * SECOND, out, back)
    assert clocks.error_ns(there(100 * SECOND)) == pytest.approx(20_000, abs=1_001)
    assert abs(translated(there(100 * SECOND), clocks.lines) - 100 * SECOND) == 1_000


def test_ticks_of_other_lengths() -> None:
    clocks = ClockMap(40.0, 0.5)  # a slow counter there, a fast one here
    clocks.add(1_000_000, 9_000, 1_000_100, 0)
    assert clocks.error_ns(1_000_050) == 2000
    assert translated(1_000_050 + 25, clocks.lines) == 9_000 + 25 * 80


@pytest.mark.parametrize("seed", range(10))
def test_a_clock_that_drifts_is_followed_within_the_stated_error(seed: int) -> None:
    """Asked each second for two minutes, with round trips from short to very long."""
    draw = random.Random(seed)
    rate = 1 + draw.uniform(-0.9, 0.9) * DRIFT
    clocks = ClockMap(1.0, 1.0)
    newest, told = 0, []
    for second in range(100, 220):
        here = second * SECOND
        ping(clocks, here, draw.randint(10_000, 3_000_000), draw.randint(10_000, 3_000_000), rate, newest)
        lines = list(clocks.lines)
        for part in range(10):
            moment = here + part * SECOND // 10
            newest = there(moment, rate)
            told.append(translated(newest, lines))
            assert abs(told[-1] - moment) <= clocks.error_ns(newest) + 2
    assert all(a < b for a, b in itertools.pairwise(told))


def test_what_was_translated_stays_and_nothing_leaps() -> None:
    clocks = ClockMap(1.0, 1.0)
    ping(clocks, 100 * SECOND, 2_000_000, 0)
    newest = there(101 * SECOND)
    asked = [there(100 * SECOND + i * SECOND // 100) for i in range(101)]
    before = [translated(tick, clocks.lines) for tick in asked]
    ping(clocks, 101 * SECOND, 1_000, 1_000, newest=newest)
    assert [translated(tick, clocks.lines) for tick in asked] == before
    after = [translated(newest + i * 1000, clocks.lines) for i in range(2_000_000)]
    assert all(995 <= b - a <= 1005 for a, b in itertools.pairwise(after))
    assert after[-1] == pytest.approx(103 * SECOND, abs=2_000)


def test_a_clock_that_was_set_is_waited_for() -> None:
    """A sample that the one before cannot explain is believed; the map slows down until it is met."""
    clocks = ClockMap(1.0, 1.0)
    ping(clocks, 100 * SECOND, 1_000, 1_000)
    newest = there(101 * SECOND)
    clocks.add(newest - 1_000, 98 * SECOND, newest + 1_000, newest)
    told = [translated(newest + i * SECOND, clocks.lines) for i in range(4)]
    assert told == [101 * SECOND, 101 * SECOND + SECOND // 2, 102 * SECOND + SECOND // 2, 103 * SECOND + SECOND // 2]


@pytest.mark.parametrize("sample", [(5, 5, 4), (0, 5, 6), (5, 0, 6), (-5, 5, 6)])
def test_nonsense_is_ignored(sample: tuple[int, int, int]) -> None:
    clocks = ClockMap(1.0, 1.0)
    clocks.add(*sample, 0)
    assert clocks.lines == []
