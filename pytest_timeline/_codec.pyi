"""Spool bytes to columns to encoded bytes; built from ext/codec.pyx."""

from collections.abc import Callable, Collection, Iterable
from typing import Any

from pytest_timeline.timeline.model import Flow

class Names:
    parent: Names | None
    @property
    def first_id(self) -> int: ...
    def __init__(self, parent: Names | None = None, first_id: int = 0) -> None: ...
    def add(self, id: int, text: str, kind: int = 16, file: int = 0, line: int = 0, flags: int = 0) -> None: ...
    def __getitem__(self, id: int) -> tuple[str, int, str, int, int]: ...

class Slices:
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def folded(self) -> int: ...
    @property
    def folded_totals(self) -> tuple[int, int]: ...
    @property
    def outer_folded(self) -> tuple[int, int]: ...
    def __len__(self) -> int: ...
    def open(self) -> list[tuple[int, int]]: ...
    def at(self, tick: int) -> list[tuple[int, int, int]]: ...
    def spent(self, begin: int, end: int) -> dict[int, int]: ...
    def thrown(self, tick: int) -> dict[int, int]: ...
    def select(
        self, ids: Collection[int], min_ticks: int, most: int
    ) -> tuple[int, int, list[tuple[int, int, int, int, int, int, int | None]]]:
        """Return (how many, their ticks, [(start, end, name, depth, flags, raised, the parent's name)]).

        The ticks are those of the outermost of them. Of more than `most` only the longest are listed, in their order.
        """

    def add(
        self,
        start: int,
        end: int,
        name: int,
        depth: int,
        flags: int = 0,
        raised: int = 0,
        folded: int = 0,
        folded_ticks: int = 0,
    ) -> None: ...
    def rows(self) -> list[tuple[int, int, int, int, int, int, int, int]]: ...
    @property
    def values_bytes(self) -> int: ...
    @property
    def values_lost(self) -> int: ...
    def values(self) -> dict[int, tuple[dict[str, str], str | None]]: ...

Tasks = tuple[
    list[tuple[int, str, int, int, int, int, bool, int, bool, bool, int, int, int, Slices, Slices]],
    list[tuple[int, int, int, int, int, int]],
    list[tuple[int, int, int, int, int, int]],
    list[tuple[int, int, int, str]],
    tuple[int, int, int],
]
"""What event loops did in a window, all ids and ticks those of the process:

- tasks that did anything: (id, name, serial and native id of the thread, tick at which it was first heard of, tick of
  its end or 0, whether an exception ended it, the id of its type or 0, whether that was no cancellation, whether it
  blocked its loop, steps, how many of them are not drawn, ticks that it ran, slices of its frames, and of its states);
- arrows: (task or 0, thread serial, tick) of where each leaves, and the same of where it enters;
- what blocked a loop: (thread serial, task or 0, start, end, name of what took most of the time, name of the function
  that called it, or again of the first);
- notes: (task or 0, thread serial, tick, text);
- tasks of which nothing is kept: (how many, their steps, the ticks that these took).
"""

Recorded = tuple[list[tuple[int, int, str, Slices]], tuple[Slices, Names] | None, Tasks | None]

class Spool:
    path: str
    names: Names
    def __init__(
        self,
        path: str,
        *,
        window: int = 0,
        min_ticks: int = 0,
        max_slices: int = 0,
        private: bool = False,
        max_tasks: int = 500,
        block_ticks: int = 0,
    ) -> None: ...
    @property
    def records(self) -> int: ...
    @property
    def last(self) -> int: ...
    @property
    def command(self) -> bytes: ...
    @property
    def pid(self) -> int: ...
    @property
    def parent_pid(self) -> int: ...
    @property
    def start_tick(self) -> int: ...
    @property
    def start_monotonic_ns(self) -> int: ...
    @property
    def start_unix_ns(self) -> int: ...
    @property
    def clock(self) -> int: ...
    @property
    def python(self) -> int: ...
    @property
    def first_id(self) -> int: ...
    @property
    def parent(self) -> str: ...
    @property
    def dropped(self) -> int: ...
    @property
    def stalled_ns(self) -> int: ...
    @property
    def error(self) -> int: ...
    @property
    def ignored(self) -> int: ...
    def adopt(self, names: Names) -> None: ...
    def limit(self, min_ticks: int, max_slices: int, block_ticks: int = 0) -> None: ...
    def close(self) -> None: ...
    @property
    def file_chunks(self) -> int: ...
    def beat(self, monotonic_ns: int, room: int) -> None: ...
    def stop(self) -> None: ...
    @property
    def matched(self) -> int: ...
    @property
    def clock_error_ns(self) -> int: ...
    @property
    def pending(self) -> bool: ...
    def news(self) -> list[tuple[Any, ...]]: ...
    def muted(self) -> list[tuple[int, int, int, float, list[int]]]:
        """Return what was read since the last call of functions that are recorded no more.

        (tick, thread serial, name id, the function's share of that thread's time before, names of its callers).
        """

    def drain(self, until: int) -> tuple[int, int, int, bytes] | None: ...
    def speaker(self, serial: int) -> tuple[int, str, str]: ...
    def cut(self, tick: int) -> Recorded: ...
    def snapshot(self, tick: int) -> Recorded: ...
    def stacks(self) -> list[tuple[int, int, str, list[tuple[int, int]]]]: ...
    def die(self, tick: int = 0) -> None: ...

def now(clock: int) -> int: ...
def monotonic_ns() -> int: ...
def anchor(clock: int) -> tuple[int, int]: ...
def uint(field: int, value: int) -> bytes:
    """Return a Protocol Buffers field of an integer from -2**63 to 2**64 - 1, a boolean or an enumeration.

    Raises OverflowError for any other.
    """

def double(field: int, value: float) -> bytes:
    """Return a field of that type."""

def fixed64(field: int, value: int) -> bytes:
    """Return a field of that type. Raises OverflowError for what is no unsigned 64-bit integer."""

def message(field: int, *parts: bytes) -> bytes:
    """Return a field that holds a message, of which `parts` are the fields."""

def text(field: int, value: str) -> bytes:
    """Return a string field. Raises UnicodeEncodeError for a lone surrogate."""

def perfetto_slices(
    slices: Slices,
    names: Names,
    origin: int,
    ns_per_tick: float,
    track: int,
    sequence: int,
    write: Callable[[bytes], object],
    before: list[tuple[int, int, int, int]] | None = None,
    now: int = 0,
    flows: list[tuple[int, int, bool, int]] | None = None,
) -> tuple[int, list[tuple[int, int, int, int]]]:
    """Write the slices as packets of the sequence, on the track with that uuid; return what comes of the window.

    `write` gets whole packets, some 256 KiB at a time; what it raises ends the work.

    With `before` the window is one of many: the slices that are cut at its end are not ended, and the first rows go on
    with `before` (outermost first: name, start in ns, slices folded into it, their ticks), all of which must be
    `continued`. No slice begins or ends before `now` (ns). The result is the `now` and the `before` for the
    next window.

    `flows` are what `flow_rows` returned, or some of it. Those on rows that go on with `before` are left out.
    """

def chrome_slices(
    slices: Slices,
    names: Names,
    origin: int,
    ns_per_tick: float,
    lane: bytes,
    write: Callable[[bytes], object],
    before: list[tuple[int, int, int, int]] | None = None,
    now: int = 0,
    flows: list[tuple[int, int, bool, int]] | None = None,
) -> tuple[int, list[tuple[int, int, int, int]]]:
    """Write the same as JSON objects, each with a comma and a line break after it; `lane` is their pid and tid."""

def html_slices(
    slices: Slices, names: Names, origin: int, ns_per_tick: float, places: dict[int, int]
) -> tuple[list[bytes], int, int, int, int, int, list[tuple[int, int, dict[str, str], str | None]]]:
    """Return (columns, number of slices, levels, begin of the first in ns, end of the last, busy ns, values).

    The values are those of slices that tell: (begin in ns, depth, {parameter: repr}, result's repr or None).

    The columns are those of docs/report-format.md. `places` are those of the ids in the page's names; KeyError if one
    that is used has none.
    """

def uses(slices: Slices) -> dict[int, tuple[int, int]]:
    """Return {id: (how often it is there, its exclusive ticks)}: the names of slices, and of exceptions (0 ticks).

    What was folded into a slice is its own time. It is remembered: change nothing in it.
    """

def named(slices: Slices, ids: Iterable[int]) -> list[tuple[int, int, int, int, int]]:
    """Return [(id, start tick, end tick, depth, place)] of the slices whose names are `ids`, in order of begin.

    `place` is that of the nearest one around it in this list, -1 = none.
    """

def time_of(slices: Slices, names: list[int], since: int) -> int:
    """Return the own time, in ticks from the tick `since` on, of the slices of these names; of at most 32 names.

    What was folded into a slice is not its own.
    """

def continued(slices: Slices, before: list[tuple[int, int, int, int]]) -> int:
    """Return how many of the slices that were open after the window before, outermost first, go on in this one."""

def flow_rows(slices: Slices, flows: list[Flow]) -> list[tuple[int, int, bool, int]]:
    """Return on which rows the flows are: (row, id, whether it enters, tick at which the slice starts), by row.

    That is the innermost slice drawn that is open at the flow's tick, or starts then. Flows without one are left out.
    """
