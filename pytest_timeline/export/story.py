"""What the test run itself told, in the order in which it is written: each span's begin and end, each instant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_timeline.timeline.model import Clock, Instant, Span, Timeline

Step = tuple[str, int, Span | Instant]
"""Phase ("B" begin, "E" end, "i" instant), nanoseconds, and of what."""


def tell(timeline: Timeline, clock: Clock) -> Iterator[Step]:
    """Yield every step in order of time; a span lies within its parent, and no two siblings overlap."""
    instants = sorted(timeline.instants, key=lambda instant: instant.tick)
    told = 0
    now = 0
    for phase, ns, span in _begins_and_ends(timeline.spans, clock):
        # An instant at the very end of a span is in the span, one at the very start of the next is not in that.
        while told < len(instants) and clock.ns(instants[told].tick) <= ns:
            now = max(now, clock.ns(instants[told].tick))
            yield "i", now, instants[told]
            told += 1
        now = max(now, ns)
        yield phase, now, span
    for instant in instants[told:]:
        now = max(now, clock.ns(instant.tick))
        yield "i", now, instant


def arguments(timeline: Timeline, what: Span | Instant) -> dict[str, Any]:
    """Return what to say of a span or an instant, in types that every format has; the test's span has its outcome."""
    args = timeline.args | what.args if isinstance(what, Span) and what.depth == 0 else what.args
    return {clean(str(key)): _plain(value) for key, value in args.items() if value is not None}


def clean(text: str) -> str:
    """Return the text as a trace can hold it: valid Unicode without NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _plain(value: Any) -> Any:
    """Return the value as str, bool, float, 64-bit int, and lists and dicts of these."""
    if isinstance(value, bool | float) or isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return value
    if isinstance(value, dict):
        return {clean(str(key)): _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value if item is not None]
    return clean(str(value))


def _begins_and_ends(spans: list[Span], clock: Clock) -> Iterator[tuple[str, int, Span]]:
    opened: list[tuple[Span, int]] = []  # with its end
    for span in spans:
        while opened and opened[-1][0].depth >= span.depth:
            ended, end = opened.pop()
            yield "E", end, ended
        limit = opened[-1][1] if opened else clock.ns(span.end)
        opened.append((span, min(limit, clock.ns(span.end))))
        yield "B", min(limit, clock.ns(span.start)), span
    while opened:
        ended, end = opened.pop()
        yield "E", end, ended
