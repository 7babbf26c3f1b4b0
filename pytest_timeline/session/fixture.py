"""What a test is given as `timeline`: to tell its own timeline more, and to ask what is in it so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import pytest

from pytest_timeline import api

if TYPE_CHECKING:
    from pytest_timeline.session.query import Blocks, Filters, Queries, Slices, Total

FEW = 10  # slices that a total lists: no more are shown
NOT_RECORDED = "no timeline is recorded: say --timeline"


class Timeline:
    """The fixture `timeline`. Where no timeline is recorded, telling does nothing.

    `span`, `instant` and `counter` are pytest_timeline's own.
    `slices`, `total` and `blocked` ask what was recorded so far in this test, in all its threads and processes. Where
    no timeline of it is recorded, they skip the test. They raise session.query.QueryError where the collector can't be
    asked.
    """

    span = api.span
    instant = staticmethod(api.instant)
    counter = staticmethod(api.counter)

    def __init__(self, queries: Queries | None, why_not: str = NOT_RECORDED) -> None:
        self._queries = queries
        self._why_not = why_not
        if queries is not None:
            queries.expect()

    def __repr__(self) -> str:
        return "timeline"  # in the message of a failed assertion

    @property
    def recording(self) -> bool:
        """Whether a timeline of this test is recorded."""
        return self._queries is not None

    def slices(self, name: str | None = None, **filters: Unpack[Filters]) -> Slices:
        """Return the calls, waits and spans so far that have this name and lasted so many seconds or more.

        `name` and `thread` are names or patterns (`Queue.*`), `process` is that or a pid, `category` is python, c,
        await, test, fixture, user or gc. Raises TypeError or ValueError for what makes no sense.
        """
        __tracebackhide__ = True
        return self._asked().slices(name, filters)

    def total(self, name: str | None = None, **filters: Unpack[Filters]) -> Total:
        """Return the seconds of those slices; of some that lie within each other only the outermost count."""
        __tracebackhide__ = True
        return self._asked().slices(name, filters, FEW).total

    def blocked(self, longer_than: float = 0.05) -> Blocks:
        """Return what kept an event loop from its other tasks for so many seconds or more.

        Raises ValueError if the run's --timeline-block-threshold is longer than that.
        """
        __tracebackhide__ = True
        return self._asked().blocked(longer_than)

    def _asked(self) -> Queries:
        __tracebackhide__ = True
        if self._queries is None:
            pytest.skip(self._why_not)
        return self._queries
