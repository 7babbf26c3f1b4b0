"""A track as a tree in which all calls of a function by the same caller are one: how often, and how long."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pytest_timeline.read.model import Instant, Track

NONE: dict[str, Any] = {}
NEVER = 1 << 64
TOLD = "told"  # a mark of what is a phase or a fixture


class Call:
    """All calls of one name by one caller."""

    __slots__ = ("calls", "count", "first", "instants", "longest", "marks", "name", "on_path", "raised", "total")

    def __init__(self, name: int, first: int) -> None:
        self.name = name  # its number in the trace
        self.first = first  # ns at which the first began
        self.count = self.total = self.longest = 0  # ns
        self.calls: dict[int, Call] = {}  # by name, in order of their first
        self.instants: list[Instant] = []
        self.raised: dict[str, int] = {}  # how many were left by an exception, by its type
        self.marks: dict[str, Any] = {}  # of what else was told of one of them: folded, cut, died, ...
        self.on_path = False  # the failure passed through it, or the process died in it


def merged(
    track: Track,
    spans: Track | None = None,
    instants: Sequence[Instant] = (),
    on_path: Callable[[dict[str, Any]], bool] | None = None,
) -> Call:
    """Return a call that holds all outermost ones of a track.

    `spans` is the test's own track, whose phases and fixtures hold what began in them. `instants`, in order of time,
    are put where they happened. `on_path` judges by a slice's arguments whether the failure passed through it, or the
    process died in it; it is asked where that holds for all that the slice is in.
    """
    root = Call(-1, 0)
    deepest = max(track.depths, default=0) + max(spans.depths if spans else (), default=0)
    stack = [root] * (deepest + 2)
    until = [NEVER] * (deepest + 2)  # ns, of each in the stack
    top = path = 0
    waiting = iter(instants)
    instant = next(waiting, None)
    moment = instant.ns if instant else NEVER
    for start, end, depth, number, args in _rows(track, spans):
        while start > moment:
            assert instant is not None
            _put(instant, stack, until, top)
            instant = next(waiting, None)
            moment = instant.ns if instant else NEVER
        calls = stack[depth].calls
        call = calls.get(number)
        if call is None:
            call = calls[number] = Call(number, start)
        took = end - start
        call.count += 1
        call.total += took
        if took > call.longest:
            call.longest = took
        top = depth + 1
        stack[top] = call
        until[top] = end
        if depth < path:
            path = depth
        if args is not NONE:
            path = _tell(call, args, depth, path, on_path)
    while instant:
        _put(instant, stack, until, top)
        instant = next(waiting, None)
    return root


def _rows(track: Track, spans: Track | None) -> Iterator[tuple[int, int, int, int, dict[str, Any]]]:
    """Yield (begin, end, depth, name, what is told of it) of the slices, nested in the spans below the test itself."""
    told = _told(spans) if spans else iter(())
    span = next(told, None)
    opened: list[int] = []  # ends of spans
    about = track.args.get
    base = 0
    columns = zip(track.starts, track.ends, track.depths, track.names, strict=True)
    for row, (start, end, depth, name) in enumerate(columns):
        if not depth and (span or opened):
            while span and span[0] <= start:
                yield span
                opened[span[2] :] = [span[1]]
                span = next(told, None)
            while opened and opened[-1] <= start:
                opened.pop()
            base = len(opened)
        yield start, end, depth + base, name, about(row, NONE)
    while span:
        yield span
        span = next(told, None)


def _told(spans: Track) -> Iterator[tuple[int, int, int, int, dict[str, Any]]]:
    for row, depth in enumerate(spans.depths):
        if depth:
            args = {TOLD: True} | spans.args.get(row, NONE)
            yield spans.starts[row], spans.ends[row], depth - 1, spans.names[row], args


def _tell(
    call: Call, args: dict[str, Any], depth: int, path: int, on_path: Callable[[dict[str, Any]], bool] | None
) -> int:
    """Keep what is told of a slice; return up to which depth the calls that are open are on the failure's path."""
    exception = args.get("exception")
    if exception is not None:
        call.raised[exception] = call.raised.get(exception, 0) + 1
    for key, value in args.items():
        if key in ("folded", "folded_ms"):
            call.marks[key] = call.marks.get(key, 0) + value
        elif key not in ("exception", "resumed", "yielded"):
            call.marks[key] = value
    if path == depth and on_path is not None:
        if TOLD in args:
            return depth + 1
        if on_path(args):
            call.on_path = True
            return depth + 1
    return path


def _put(instant: Instant, stack: list[Call], until: list[int], top: int) -> None:
    while top and until[top] < instant.ns:
        top -= 1
    stack[top].instants.append(instant)


def below(call: Call) -> Iterator[Call]:
    """Yield all calls below this one."""
    rest = [*call.calls.values()]
    while rest:
        yield (inner := rest.pop())
        rest += inner.calls.values()
