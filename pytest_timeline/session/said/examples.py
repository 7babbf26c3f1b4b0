"""Hypothesis's examples, as spans in the test's call: the arguments of each, and what became of it."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pytest_timeline._recorder import unseen
from pytest_timeline.config import OWN_CODE
from pytest_timeline.session.said.patch import Patch
from pytest_timeline.session.said.subtests import outcome
from pytest_timeline.session.said.teller import Teller
from pytest_timeline.session.said.values import shown

__hypothesistracebackhide__ = True  # hypothesis leaves frames out whose module says so

KIND, SOURCE = "example", "examples"
STATEFUL, MAKER = "hypothesis.stateful", "get_state_machine_test"
INVALID = ("UnsatisfiedAssumption", "StopTest", "Frozen")
NAME_ARGUMENT = 60


class Examples:
    """Stands at `inner_test`, which hypothesis lets plugins replace, for as long as an item is called.

    A state machine's test is made when it is called: so also at the function that makes it. Its examples have no
    arguments; what is drawn in them are the steps.
    """

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._handle: Any = None
        self._before: Any = None
        self._ours: Any = None
        self._machines: Patch | None = None

    def stop(self) -> None:
        self.end_call()

    def begin_call(self, item: pytest.Item) -> None:
        """The item is about to be called, and all plugins have wrapped what they wanted to wrap."""
        try:
            self._replace(getattr(getattr(item, "obj", None), "hypothesis", None))
            stateful = sys.modules.get(STATEFUL)
            if hasattr(stateful, MAKER):
                self._machines = Patch(stateful, MAKER, self._maker)
        except Exception as error:
            self._teller.broken(SOURCE, error)

    def _replace(self, handle: Any) -> None:
        inner = getattr(handle, "inner_test", None)
        if not callable(inner) or inspect.iscoroutinefunction(inner):
            return
        given = getattr(handle, "_given_kwargs", None)
        ours = self._told(inner, frozenset(given) if isinstance(given, dict) else None)
        handle.inner_test = ours
        self._handle, self._before, self._ours = handle, inner, ours

    def _maker(self, before: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(before)
        def get_state_machine_test(*args: Any, **kwargs: Any) -> Any:
            test = before(*args, **kwargs)
            test.hypothesis.inner_test = self._told(test.hypothesis.inner_test, frozenset())
            return test

        return get_state_machine_test

    def end_call(self) -> None:
        if self._machines is not None:
            self._machines.undo()
            self._machines = None
        if self._handle is not None and self._handle.inner_test is self._ours:
            self._handle.inner_test = self._before
        self._handle = self._before = self._ours = None

    def _told(self, inner: Callable[..., Any], given: frozenset[str] | None) -> Callable[..., Any]:
        begin, end = self._begin, self._end
        signature = inspect.signature(inner, follow_wrapped=False)
        names = [name for name in signature.parameters if given is None or name in given]

        def test(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            done = False
            span = unseen(begin, names, [*signature.parameters], args, kwargs)
            try:
                result = inner(*args, **kwargs)
                done = True
                return result
            finally:
                unseen(end, span, None if done else sys.exc_info()[0])

        # hypothesis looks at no line of what has no file when it explains a failure by the lines that ran
        test.__code__ = test.__code__.replace(co_filename=OWN_CODE)
        ours: Any = functools.wraps(inner)(test)
        ours.__signature__ = signature  # hypothesis asks for it, and not for inner's
        return ours  # type: ignore[no-any-return]

    def _begin(self, names: list[str], parameters: list[str], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self._teller.works(SOURCE):
            return None
        try:
            if not self._teller.has_place(KIND):
                return None
            values = dict(zip(parameters, args, strict=False)) | kwargs
            told = {name: shown(values[name]) for name in names if name in values}
            listed = ", ".join(f"{name}={_cut(text)}" for name, text in told.items())
            return self._teller.begin(f"example ({listed})" if listed else KIND, told)
        except Exception as error:
            self._teller.broken(SOURCE, error)
            return None

    def _end(self, span: Any, raised: type[BaseException] | None) -> None:
        if span is None:
            return
        try:
            invalid = raised is not None and raised.__name__ in INVALID
            self._teller.end(span, {"outcome": "invalid"} if invalid else outcome(raised))
        except Exception as error:
            self._teller.broken(SOURCE, error)


def _cut(text: str) -> str:
    return text if len(text) <= NAME_ARGUMENT else text[: NAME_ARGUMENT - 1] + "…"
