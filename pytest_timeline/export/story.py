"""What the test run itself told, ready to write: spans and instants in nanoseconds, with plain arguments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pytest_timeline.timeline.model import Clock, Instant, Span, Timeline


@dataclass(slots=True)
class PlacedSpan:
    """A span in time; it lasts at least 1 ns and lies within its parent, and siblings do not overlap."""

    span: Span
    start: int  # ns
    end: int


def place(timeline: Timeline, clock: Clock) -> list[PlacedSpan]:
    """Return the spans in order of start, by the rules by which the codec places slices."""
    placed: list[PlacedSpan] = []
    opened: list[PlacedSpan] = []
    now = 0

    def end_last() -> None:
        nonlocal now
        last = opened.pop()
        last.end = now = max(now, last.end, last.start + 1)

    for span in timeline.spans:
        while opened and opened[-1].span.depth >= span.depth:
            end_last()
        now = max(now, clock.ns(span.start))
        opened.append(PlacedSpan(span, now, clock.ns(span.end)))
        placed.append(opened[-1])
    while opened:
        end_last()
    return placed


def tell(timeline: Timeline, clock: Clock) -> Iterator[tuple[str, int, Span | Instant]]:
    """Yield each span's begin ("B") and end ("E") and each instant ("i") with its time, in order of time.

    What happens at the moment of an instant happens before it, as readers of JSON see it too.
    """
    steps: list[tuple[str, int, Span | Instant]] = []
    opened: list[PlacedSpan] = []
    for placed in place(timeline, clock):
        while opened and opened[-1].span.depth >= placed.span.depth:
            steps.append(("E", opened[-1].end, opened.pop().span))
        steps.append(("B", placed.start, placed.span))
        opened.append(placed)
    while opened:
        steps.append(("E", opened[-1].end, opened.pop().span))
    steps += [("i", clock.ns(instant.tick), instant) for instant in timeline.instants]
    yield from sorted(steps, key=lambda step: step[1])  # stable


def arguments(timeline: Timeline, what: Span | Instant) -> dict[str, Any]:
    """Return what to say of a span or an instant, in types that every format has; the test's span has its outcome."""
    args = timeline.args | what.args if isinstance(what, Span) and what.depth == 0 else what.args
    return {clean(str(key)): _plain(value) for key, value in args.items() if value is not None}


def clean(text: str) -> str:
    """Return the text as a trace can hold it: valid Unicode without NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _plain(value: Any) -> Any:
    """Return the value as str, bool, float, 64-bit int, and lists and dicts of these."""
    if isinstance(value, bool | float) or (isinstance(value, int) and -(1 << 63) <= value < 1 << 63):
        return value
    if isinstance(value, dict):
        return {clean(str(key)): _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value if item is not None]
    return clean(str(value))
