"""What was open, what took the time, and what has a name, among one track's slices: against a naive search."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from pytest_timeline._codec import Slices
from support.timelines import THROWN, Row, random_rows, slices

ROWS = (
    (100, 900, 10, 0),
    (200, 300, 11, 1, THROWN),
    (300, 700, 11, 1),
    (350, 400, 11, 2, THROWN),
    (500, 600, 12, 2),
    (950, 980, 10, 0, THROWN),
)


def naive_spent(rows: list[Row], begin: int, end: int) -> dict[int, int]:
    """Ask every tick which slice it belongs to."""
    found: Counter[int] = Counter()
    for tick in range(begin, end):
        inside = [row for row in rows if row[0] <= tick < row[1]]
        if inside:
            found[inside[-1][2]] += 1
    return dict(found)


def test_what_was_open() -> None:
    made = slices(*ROWS)
    assert made.at(100) == []
    assert made.at(101) == [(10, 100, 0)]
    assert made.at(300) == [(10, 100, 0), (11, 200, THROWN)]  # what ends at the moment was open, what begins was not
    assert made.at(550) == [(10, 100, 0), (11, 300, 0), (12, 500, 0)]
    assert made.at(940) == []
    assert made.at(10_000) == []
    assert Slices().at(5) == []


@pytest.mark.parametrize("seed", range(5))
def test_what_took_the_time(seed: int) -> None:
    rows = random_rows(seed, 60, first=1_000, shortest=1)
    made = slices(*rows)
    draw = random.Random(seed)
    for _ in range(5):
        begin = draw.randint(900, rows[-1][1])
        end = begin + draw.randint(1, 2_000)
        found = made.spent(begin, end)
        assert {name: ticks for name, ticks in found.items() if ticks} == naive_spent(rows, begin, end)
    assert Slices().spent(1, 2) == {}


def test_what_was_left_by_an_exception() -> None:
    made = slices(*ROWS)
    assert made.thrown(1_000) == {11: 400, 10: 980}
    assert made.thrown(399) == {11: 300}
    assert made.thrown(299) == {}


def test_slices_of_a_name_within_each_other_count_but_their_time_only_once() -> None:
    made = slices(*ROWS)
    parents = [None, 10, 10, 11, 11, None]
    rows = [(*row[:4], sum(row[4:]), 0, parent) for row, parent in zip(ROWS, parents, strict=True)]
    assert made.select({11}, 0, 9) == (3, 500, rows[1:4])
    assert made.select({11, 12}, 0, 9) == (4, 500, rows[1:5])
    assert made.select({11}, 51, 9) == (2, 500, rows[1:3])
    assert made.select(set(), 0, 9) == (0, 0, [])
    assert made.select({1 << 31, 99_999}, 0, 9) == (0, 0, [])


def test_of_too_many_slices_the_longest_are_listed() -> None:
    rows = [(1_000 * i, 1_000 * i + 1 + i % 10, 10, 0) for i in range(1, 1_001)]
    made = slices(*rows)
    count, ticks, listed = made.select([10], 0, 150)
    assert (count, ticks) == (1_000, 5_500)
    assert Counter(end - start for start, end, *_ in listed) == {10: 100, 9: 50}
    assert listed == sorted(listed)
    assert made.select([10], 0, 0) == (1_000, 5_500, [])
