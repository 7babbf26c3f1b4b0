"""Subtests, unittest's and pytest's, as spans in the test's call."""

from __future__ import annotations

import contextlib
import functools
import importlib
import unittest
from collections.abc import Callable
from typing import Any

import pytest

from pytest_timeline.session.said.patch import Patch
from pytest_timeline.session.said.teller import Teller
from pytest_timeline.session.said.values import shown

KIND, SOURCE = "subtest", "subtests"
PARAMETERS = 8
CONTEXTS = (("_pytest.subtests", "_SubTestContextManager"), ("pytest_subtests.plugin", "_SubTestContextManager"))


class Subtests:
    """Stands around the context managers that subtests are."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._open: dict[int, Any] = {}  # by id of the context manager, which is alive until then
        self._patches: list[Patch] = []
        with contextlib.suppress(AttributeError):
            self._patches.append(Patch(unittest.TestCase, "subTest", self._unittest))
        for module, name in CONTEXTS:
            with contextlib.suppress(ImportError, AttributeError):
                context = getattr(importlib.import_module(module), name)
                self._patches.append(Patch(context, "__enter__", self._enter))
                self._patches.append(Patch(context, "__exit__", self._exit))

    def stop(self) -> None:
        for patch in self._patches:
            patch.undo()

    def begin(self, context: object, message: object, parameters: dict[str, Any]) -> None:
        if self._teller.works(SOURCE):
            try:
                if self._teller.has_place(KIND):
                    self._open[id(context)] = self._teller.begin(*_described(message, parameters))
            except Exception as error:
                self._teller.broken(SOURCE, error)

    def end(self, context: object, raised: type[BaseException] | None) -> None:
        try:
            span = self._open.pop(id(context), None)
            if span is not None:
                self._teller.end(span, outcome(raised))
        except Exception as error:
            self._teller.broken(SOURCE, error)

    def _unittest(self, before: Callable[..., Any]) -> Callable[..., Any]:
        source = self

        class Told(contextlib._GeneratorContextManager):  # type: ignore[type-arg]
            """What the original makes, and tells."""

            def __enter__(self) -> Any:
                _, *message = self.args
                parameters = dict(self.kwds)
                source.begin(self, parameters.pop("msg", message[0] if message else None), parameters)
                return super().__enter__()

            def __exit__(self, kind: Any, error: Any, traceback: Any) -> Any:
                source.end(self, kind)
                return super().__exit__(kind, error, traceback)

        made = before.__wrapped__  # type: ignore[attr-defined]

        @functools.wraps(before)
        def subTest(*args: Any, **kwargs: Any) -> Told:
            return Told(made, args, kwargs)

        return subTest

    def _enter(self, before: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(before)
        def enter(context: Any) -> Any:
            __tracebackhide__ = True
            self.begin(context, context.msg, context.kwargs)
            return before(context)

        return enter

    def _exit(self, before: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(before)
        def exit(context: Any, kind: Any, error: Any, traceback: Any) -> Any:
            __tracebackhide__ = True
            self.end(context, kind)
            return before(context, kind, error, traceback)

        return exit


def outcome(raised: type[BaseException] | None) -> dict[str, Any]:
    """Return what a block came to that was left by such an exception."""
    if raised is None:
        return {"outcome": "passed"}
    if issubclass(raised, pytest.skip.Exception | unittest.SkipTest):
        return {"outcome": "skipped"}
    if issubclass(raised, pytest.xfail.Exception):
        return {"outcome": "xfailed"}
    return {"outcome": "failed", "exception": raised.__qualname__}


def _described(message: object, parameters: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the subtest's name, as pytest writes it, and its arguments."""
    args = {name: shown(value) for name, value in list(parameters.items())[:PARAMETERS]}
    name = "subtest"
    if type(message) is str:
        name += f" [{message}]"
    if args:
        name += f" ({', '.join(f'{key}={value}' for key, value in args.items())})"
    return name, args
