"""session/said/values.py: bounded text of any value, running no code of it."""

from __future__ import annotations

import dataclasses
import enum

import pytest

from pytest_timeline.session.said.values import shown


class Hostile:
    def __repr__(self, *_: object) -> str:
        raise AssertionError("asked")

    __str__ = __hash__ = __eq__ = __getattribute__ = __repr__  # type: ignore[assignment]


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Point:
    x: int
    y: object = None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, "1"),
        (None, "None"),
        (1.5, "1.5"),
        ("a'b", '"a\'b"'),
        ([1, [2, (3, [4])]], "[1, [2, (3, […])]]"),
        ({"a": {1}, 2: b"c"}, "{'a': {1}, 2: b'c'}"),
        (list(range(10)), "[0, 1, 2, 3, 4, 5, 6, 7, … 2 more]"),
        (1 << 1000, "<int of 1001 bits>"),
        (Colour.RED, "Colour.RED"),
        (Point(1, [2]), "Point(x=1, y=[2])"),
        (Point, "<class Point>"),
        (len, "<function len>"),
    ],
)
def test_shown(value: object, expected: str) -> None:
    assert shown(value) == expected


def test_no_code_of_the_value_runs() -> None:
    assert shown([Hostile(), {1: Hostile()}]) == "[<Hostile>, {1: <Hostile>}]"


def test_it_is_bounded() -> None:
    assert shown("x" * 10_000) == "'" + "x" * 198 + "…"
    assert len(shown([["x" * 1000] * 100] * 100)) == 200
