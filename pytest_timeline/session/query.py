"""What a test asks of its own timeline so far, and how the answers look when an assertion about them fails.

The process can't read its own spool, whose chunks are used again; the collector answers. This runs in the midst of a
test, which records what it calls: so it calls C functions and machinery only.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypedDict, TypeVar, overload

import orjson
import pytest

from pytest_timeline import spooldir
from pytest_timeline.session.hooks import Hooks
from pytest_timeline.spooldir import StatusPage
from pytest_timeline.text import Line, duration, table

if TYPE_CHECKING:
    from pluggy import Result

MOST = 10_000  # slices that an answer lists
SHOWN = 10  # lines of them in a failure's message
NAMED = 3  # of them in a repr
WIDTH = 100  # columns of that message
PATIENCE_NS = 30_000_000_000  # with a collector that is alive
SILENCE_NS = 5_000_000_000  # without a heartbeat: it is gone
RING_NS = 1_000_000_000
SHORTEST_POLL, LONGEST_POLL = 0.0002, 0.002  # seconds
STATEMENT_LINES = 30  # that an assertion may have


TEXT = (str, type(None))
TYPES: Mapping[str, tuple[type, ...]] = {
    "name": TEXT,
    "thread": TEXT,
    "process": (*TEXT, int),
    "category": TEXT,
    "longer_than": (object,),  # _seconds says more of it
}
CATEGORIES = ("python", "c", "await", "test", "fixture", "user", "gc")  # of slices; what else there is are instants


class Filters(TypedDict, total=False):
    """Which slices are meant, beside their name."""

    thread: str | None  # a name or a pattern
    process: str | int | None  # likewise, or a pid
    category: str | None
    longer_than: float  # seconds


class QueryError(RuntimeError):
    """The timeline can't be asked: its collector is gone, or on another host."""


class Slice(NamedTuple):
    """A call, a wait, or a span. Times are seconds from the test's start."""

    name: str
    category: str  # as in the traces: python, c, await, test, fixture, user, ...
    start: float
    duration: float  # so far, if it is open
    thread: str
    task: str  # that it ran in, "" = none
    process: str
    depth: int  # in its thread or task, 0 = outermost
    caller: str  # what it lies in, "" = nothing that is recorded
    file: str  # where it is defined; of a C function, where its caller is; "" = not known
    line: int
    exception: str  # the type that it was left by, "?" = not known, "" = by none
    open: bool


class Block(NamedTuple):
    """What kept an event loop from its other tasks. Times are seconds, from the test's start."""

    start: float
    duration: float
    frame: str  # what took most of the time: time.sleep
    function: str  # that called it; the same for a Python function
    file: str
    line: int
    task: str  # "" = a callback


Item = TypeVar("Item", bound=Slice | Block)


class _Listed(Sequence[Item]):
    """Items in order of time; what looks at it in an assertion that fails gets it explained."""

    def __init__(self, queries: Queries, asked: str, items: list[Item]) -> None:
        self._queries = queries
        self._asked = asked
        self._items = items

    def __len__(self) -> int:
        self._queries.examined(self)
        return len(self._items)

    def __bool__(self) -> bool:
        self._queries.examined(self)
        return bool(self._items)

    def __iter__(self) -> Iterator[Item]:
        self._queries.examined(self)
        return iter(self._items)

    @overload
    def __getitem__(self, place: int) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> list[Item]: ...
    def __getitem__(self, place: int | slice) -> Item | list[Item]:
        self._queries.examined(self)
        return self._items[place]

    def __eq__(self, other: object) -> bool:
        self._queries.examined(self)
        if isinstance(other, _Listed):
            return self._items == other._items
        return self._items == list(other) if isinstance(other, list | tuple) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        named = ", ".join(f"{_what(item)} {duration(item.duration)}" for item in self._longest(NAMED))
        rest = ", ..." if len(self._items) > NAMED else ""
        return f"<{self._headline()}{': ' if named else ''}{named}{rest}>"

    def explain(self) -> Iterator[str]:
        """Yield lines that show it: the longest ones, in order of time."""
        yield f"timeline: {self._headline()}"
        shown = sorted(self._longest(SHOWN), key=lambda item: item.start)
        yield from table([Line(item.duration, _where(item), item.file, item.line) for item in shown], WIDTH)

    def _longest(self, most: int) -> list[Item]:
        return sorted(self._items, key=_duration, reverse=True)[:most]

    def _headline(self) -> str:
        raise NotImplementedError


class Slices(_Listed[Slice]):
    """The slices that were asked for, in order of their start.

    `len()` counts all of them. Of more than 10,000 only the longest can be looked at; `cut` says how many can't.
    `folded` is how many short calls of those threads were folded into their callers, and are in no answer.
    """

    def __init__(self, queries: Queries, asked: str, told: dict[str, Any]) -> None:
        super().__init__(queries, asked, [tuple.__new__(Slice, row) for row in told["rows"]])
        self._count: int = told["count"]
        self._seconds: float = told["seconds"]
        self.folded: int = told["folded"]
        self.dropped: int = told["dropped"]

    def __len__(self) -> int:
        self._queries.examined(self)
        return self._count

    def __bool__(self) -> bool:
        self._queries.examined(self)
        return self._count > 0

    @property
    def cut(self) -> int:
        return self._count - len(self._items)

    @property
    def total(self) -> Total:
        """Their seconds; one that lies within another of them counts once, those of several threads add up."""
        return Total(self._seconds, self)

    def _headline(self) -> str:
        missing = [
            f"{number:,} {what}"
            for number, what in (
                (self.cut if len(self._items) == MOST else 0, "of them not listed"),
                (self.folded, "shorter calls were folded into their callers"),
                (self.dropped, "records found no room"),
            )
            if number
        ]
        many = "1 slice" if self._count == 1 else f"{self._count:,} slices"
        text = f"{many} of {self._asked}, {duration(self._seconds)}"
        return f"{text} ({', '.join(missing)})" if missing else text


class Blocks(_Listed[Block]):
    """What blocked event loops, in order of time."""

    def _headline(self) -> str:
        many = "1 block" if len(self._items) == 1 else f"{len(self._items):,} blocks"
        return f"{many} of an event loop, {self._asked}"


class Total(float):
    """Seconds; `slices` are what they come from."""

    slices: Slices

    def __new__(cls, seconds: float, slices: Slices) -> Self:
        total = super().__new__(cls, seconds)
        total.slices = slices
        return total

    def _examined(self) -> None:
        self.slices._queries.examined(self.slices, 3)

    def __lt__(self, other: float) -> bool:
        self._examined()
        return float.__lt__(self, other)

    def __le__(self, other: float) -> bool:
        self._examined()
        return float.__le__(self, other)

    def __gt__(self, other: float) -> bool:
        self._examined()
        return float.__gt__(self, other)

    def __ge__(self, other: float) -> bool:
        self._examined()
        return float.__ge__(self, other)

    def __eq__(self, other: object) -> bool:
        self._examined()
        return float.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        self._examined()
        return float.__ne__(self, other)

    def __bool__(self) -> bool:
        self._examined()
        return float.__bool__(self)

    __hash__ = float.__hash__


class Queries(Hooks):
    """Asks the collector for those of one pytest process, whose spools are in the directory `family`.

    It is a plugin, too: it explains assertions that fail. With a `problem` nothing can be asked, for that reason.
    """

    def __init__(self, family: str, problem: str = "") -> None:
        self._family = family
        self._problem = problem
        self._page: StatusPage | None = None
        if not problem:
            try:
                self._page = StatusPage(os.path.join(os.path.dirname(family), spooldir.STATUS))
            except OSError as error:
                self._problem = f"the timeline can't be asked: {error.strerror or error}"
        self._numbers = itertools.count(1)
        self._examined: dict[CodeType, tuple[int, _Listed[Any]]] = {}  # by whose code, the newest line and result
        self._explained: BaseException | None = None

    def expect(self) -> None:
        """A test is about to ask: have the collector listen."""
        self._examined.clear()
        if self._page is not None:
            self._page["bell"] = time.monotonic_ns()

    def slices(self, name: str | None, filters: Filters, most: int = MOST) -> Slices:
        """Raises TypeError or ValueError for filters that make no sense."""
        __tracebackhide__ = True
        _check(name, filters)
        named = [] if name is None and filters else [repr(name) if name is not None else "any name"]
        asked = ", ".join([*named, *(f"{key}={value!r}" for key, value in filters.items())])
        texts = {key: filters.get(key) for key in ("thread", "process", "category")}
        least = _seconds(filters.get("longer_than", 0))
        return Slices(self, asked, self._ask({"what": "slices", "name": name, "least": least, "most": most, **texts}))

    def blocked(self, longer_than: float) -> Blocks:
        """Raises ValueError where the run does not mark what is so short."""
        __tracebackhide__ = True
        told = self._ask({"what": "blocked", "least": _seconds(longer_than)})
        threshold = told["threshold"]
        if not threshold or longer_than < threshold:
            marked = f"what blocks an event loop for {threshold:g} s or more" if threshold else "no blocked event loop"
            raise ValueError(
                f"timeline.blocked(longer_than={longer_than:g}): this run marks {marked}; "
                f"run it with --timeline-block-threshold={longer_than * 1e3:g}ms"
            )
        blocks = [tuple.__new__(Block, block) for block in told["blocks"]]
        return Blocks(self, f"{longer_than * 1e3:g} ms or longer", blocks)

    def examined(self, result: _Listed[Any], depth: int = 2) -> None:
        """Remember where a result was looked at last."""
        frame = sys._getframe(depth)
        self._examined[frame.f_code] = frame.f_lineno, result

    def explain(self, error: BaseException) -> None:
        """Add to a failed assertion what it looked at, if that was an answer."""
        step = error.__traceback__
        if not isinstance(error, AssertionError) or step is None or error is self._explained:
            return
        while step.tb_next is not None:
            step = step.tb_next
        line, result = self._examined.get(step.tb_frame.f_code, (0, None))
        if result is not None and step.tb_lineno <= line < step.tb_lineno + STATEMENT_LINES:
            self._explained = error
            error.add_note("\n".join(result.explain()))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        if self._page is not None:
            self._page.close()
            self._page, self._problem = None, "the timeline can't be asked: the session is over"

    @pytest.hookimpl(hookwrapper=True)  # for a wrapper would stand in the traceback
    def pytest_runtest_call(self) -> Generator[None, Result[object], None]:
        result = yield
        if result.exception is not None:
            self.explain(result.exception)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        if call.excinfo is not None:
            self.explain(call.excinfo.value)
        return (yield)

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return the answer. Raises QueryError."""
        __tracebackhide__ = True
        if self._page is None:
            raise QueryError(self._problem)
        stem = f"{self._family}{os.sep}{os.getpid()}-{next(self._numbers)}"
        path = stem + spooldir.QUESTION
        try:
            with open(stem + ".draft", "wb") as file:
                file.write(orjson.dumps(question))
            os.rename(stem + ".draft", path)
            told = self._await(self._page, stem + spooldir.ANSWER)
        except OSError as error:
            raise QueryError(f"the timeline can't be asked: {error.strerror or error}") from None
        if "error" in told:
            raise QueryError(f"the timeline can't be asked: {told['error']}")
        return told

    def _await(self, page: StatusPage, path: str) -> dict[str, Any]:
        __tracebackhide__ = True
        begun = rung = page["bell"] = time.monotonic_ns()
        pause = SHORTEST_POLL
        while True:
            try:
                with open(path, "rb") as file:
                    told: dict[str, Any] = orjson.loads(file.read())
                os.unlink(path)
                return told
            except FileNotFoundError:
                pass
            now = time.monotonic_ns()
            if _is_gone(page, now) or now - begun > PATIENCE_NS:
                raise QueryError("the timeline can't be asked: its collector is gone, or does not answer")
            if now - rung > RING_NS:
                rung = page["bell"] = now
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_POLL)


def _is_gone(page: StatusPage, now: int) -> bool:
    if page["state"] not in (StatusPage.STARTING, StatusPage.FOLLOWING) or now - page["heartbeat"] > SILENCE_NS:
        return True
    if sys.platform == "win32" or not page["pid"]:
        return False
    try:
        os.kill(page["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _check(name: object, filters: Mapping[str, object]) -> None:
    """Raises TypeError or ValueError for what would find nothing, whatever the timeline has."""
    __tracebackhide__ = True
    for key, value in {"name": name, **filters}.items():
        if key not in TYPES:
            raise TypeError(f"the timeline's slices have no {key!r}; choose by {', '.join(TYPES)}")
        if not isinstance(value, TYPES[key]):
            raise TypeError(f"{key} is a name or a pattern{' or a pid' * (key == 'process')}, not {value!r}")
    category = filters.get("category")
    if category is not None and category not in CATEGORIES:
        raise ValueError(f"there is no category {category!r}; choose from {', '.join(CATEGORIES)}")


def _seconds(value: float) -> float:
    __tracebackhide__ = True
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"longer_than is a number of seconds, not {value!r}")
    if not 0 <= value < float("inf"):
        raise ValueError(f"longer_than is a number of seconds, not {value!r}")
    return float(value)


def _duration(item: Slice | Block) -> float:
    return item.duration


def _what(item: Slice | Block) -> str:
    if isinstance(item, Block):
        return item.frame if item.frame == item.function else f"{item.frame} in {item.function}"
    if item.category not in ("python", "c", "await"):  # a span may be called as the function that it is around
        return f"{item.name} ({item.category})"
    return f"{item.name} in {item.caller}" if item.category == "c" and item.caller else item.name


def _where(item: Slice | Block) -> str:
    """Return what it is for a line of a message: what, who did it, and when."""
    who = item.task or ("" if isinstance(item, Block) else item.thread)
    return f"{_what(item)}, at {duration(item.start)}" + (f", {who}" if who else "")
