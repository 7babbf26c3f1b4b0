"""Nests records into trees of objects, in the plainest way: what the codec's columns are compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from support import spool_writer as w

RESUMED, YIELDED, THROWN, CUT_START, CUT_END, HEALED, DIED = 1, 2, 4, 8, 16, 32, 64
KEPT = CUT_START | CUT_END | DIED
Record = tuple[int, int, int, int]  # tick, kind, depth, id
Row = tuple[int, int, int, int, int, int, int, int]


@dataclass
class Slice:
    key: int
    id: int
    start: int
    flags: int = 0
    end: int = 0
    raised: int = 0
    children: list[Slice] = field(default_factory=list)

    def size(self) -> int:
        return 1 + sum(child.size() for child in self.children)


class Nester:
    """One thread's records, window by window."""

    def __init__(self) -> None:
        self.roots: list[Slice] = []
        self.stack: list[Slice] = []
        self.raised = 0
        self.ignored = 0
        self.now = 0

    def take(self, records: Iterable[Record]) -> None:
        for tick, kind, depth, id in records:
            self.now = max(self.now, tick)
            key = 2 * depth + (kind in (w.CALL, w.C_RETURN, w.C_RAISE))
            if kind in (w.START, w.RESUME, w.THROW, w.CALL):
                while self.stack and self.stack[-1].key >= key:
                    self._end(HEALED)
                self._begin(Slice(key, id, self.now, RESUMED if kind in (w.RESUME, w.THROW) else 0))
            elif kind == w.RAISED:
                self.raised = id
            else:
                while self.stack and self.stack[-1].key > key:
                    self._end(HEALED)
                thrown = kind in (w.UNWIND, w.C_RAISE)
                if self.stack and (self.stack[-1].key, self.stack[-1].id) == (key, id):
                    self.stack[-1].raised = self.raised if thrown else 0
                    self._end(THROWN if thrown else YIELDED if kind == w.YIELD else 0)
                else:
                    self.ignored += 1
                if thrown:
                    self.raised = 0

    def _begin(self, slice: Slice) -> None:
        (self.stack[-1].children if self.stack else self.roots).append(slice)
        self.stack.append(slice)

    def _end(self, flags: int) -> None:
        slice = self.stack.pop()
        slice.end = self.now
        slice.flags |= flags

    def die(self) -> None:
        while self.stack:
            self._end(DIED)

    def cut(self, tick: int) -> list[Slice]:
        """End the window; return its outermost slices."""
        self.now = max(self.now, tick)
        roots, open = self.roots, self.stack
        self.roots, self.stack = [], []
        for slice in open:
            slice.end = self.now
            slice.flags |= CUT_END
            self._begin(Slice(slice.key, slice.id, self.now, CUT_START | slice.flags & RESUMED))
        return roots


def owns(rows: list[Row]) -> Counter[tuple[int, ...]]:
    """Return the rows (start, end, id, depth), each with its own time: what neither children nor folded slices took."""
    own = [end - start - ticks for start, end, *_, ticks in rows]
    above: list[int] = []
    for i, (start, end, _, depth, *_) in enumerate(rows):
        del above[depth:]
        if above:
            own[above[-1]] -= end - start
        above.append(i)
    return Counter((*row[:4], time) for row, time in zip(rows, own, strict=True))


def rows(roots: list[Slice], threshold: int = 0) -> tuple[list[Row], tuple[int, int]]:
    """Return the rows, slices shorter than `threshold` folded, and (number, ticks) of those folded at the top."""

    def walk(slices: list[Slice], depth: int) -> Iterator[Row]:
        for s in slices:
            if is_short(s):
                continue
            short = [child for child in s.children if is_short(child)]
            folded = sum(child.size() for child in short)
            ticks = sum(child.end - child.start for child in short)
            yield s.start, s.end, s.id, depth, s.flags, s.raised, folded, ticks
            yield from walk(s.children, depth + 1)

    def is_short(s: Slice) -> bool:
        return s.end - s.start < threshold and not s.flags & KEPT

    outer = [root for root in roots if is_short(root)]
    return list(walk(roots, 0)), (sum(s.size() for s in outer), sum(s.end - s.start for s in outer))
