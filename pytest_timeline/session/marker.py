"""`@pytest.mark.timeline(...)`: what a test asks for itself, checked when it is collected."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_timeline.config import C_CALLS

NAME = "timeline"


class MarkerError(ValueError):
    """A marker that makes no sense; the text says what to write instead."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a test asks for; None and False: what the run's options say."""

    off: bool = False  # nothing of it is recorded
    keep: bool = False  # whatever --timeline-keep says
    args: tuple[str, ...] = ()  # patterns, beside those of --timeline-args
    c_calls: str | None = None
    full: bool = False  # every call: no function is muted
    max_slices: int | None = None

    @property
    def adjusts(self) -> bool:
        """Whether the recorder must be told."""
        return self.c_calls is not None or self.full or bool(self.args)

    @property
    def marks(self) -> dict[str, Any]:
        """What the collector must know."""
        told = {"off": self.off or None, "keep": self.keep or None, "max_slices": self.max_slices}
        return {key: value for key, value in told.items() if value is not None}


def wanted(item: pytest.Item) -> Wanted:
    """Return what the markers of a test, its class and its module ask for: for each keyword the closest's word.

    A test that is given its timeline, to ask it what was called, has all calls in it. Raises MarkerError.
    """
    merged: dict[str, Any] = {}
    for mark in item.iter_markers(NAME):
        _check(mark)
        merged = {**mark.kwargs, **merged}
    asks = NAME in getattr(item, "fixturenames", ())
    return Wanted(**{"full": asks, **merged, "args": tuple(merged.get("args", ()))})


def report(items: Iterable[pytest.Item]) -> None:
    """Report the markers that make no sense as errors of the collection, each at the first test that has it."""
    errors: dict[str, list[pytest.Item]] = {}
    for item in items:
        try:
            wanted(item)
        except MarkerError as error:
            errors.setdefault(str(error), []).append(item)
    for text, (item, *others) in errors.items():
        more = f" and {len(others)} more" if others else ""
        told = pytest.CollectReport(item.nodeid, "failed", f"{text} (at {item.nodeid}{more})", [])
        item.ihook.pytest_collectreport(report=told)


def _check(mark: pytest.Mark) -> None:
    """Raise MarkerError unless each keyword has a value that it may have."""

    def refuse(what: str) -> None:
        raise MarkerError(f"@pytest.mark.{NAME}: {what}")

    if mark.args:
        refuse(f"{mark.args[0]!r} has no keyword; write for example {NAME}(keep=True)")
    for key, value in mark.kwargs.items():
        if key not in _VALUES:
            refuse(f"there is no {key!r}; choose from {', '.join(_VALUES)}")
        is_good, example = _VALUES[key]
        if not is_good(value):
            refuse(f"{key}={value!r} makes no sense; write {example}")
    if mark.kwargs.get("off") and len(mark.kwargs) > 1:
        others = ", ".join(key for key in mark.kwargs if key != "off")
        refuse(f"off=True records nothing, so {others} must go")


def _is_patterns(value: object) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(each, str) and each.strip() and "\n" not in each for each in value
    )


_VALUES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "off": (lambda value: isinstance(value, bool), "off=True or off=False"),
    "keep": (lambda value: isinstance(value, bool), "keep=True or keep=False"),
    "args": (_is_patterns, 'a list of patterns, e.g. args=["shop.cart.*"]'),
    "c_calls": (lambda value: value in C_CALLS, " or ".join(f'c_calls="{each}"' for each in C_CALLS)),
    "full": (lambda value: isinstance(value, bool), "full=True or full=False"),
    "max_slices": (
        lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0,
        "max_slices=200_000, or 0 for no limit",
    ),
}
