"""Warnings, as they are shown or caught: those that a filter lets through."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from pytest_timeline.session.said.patch import Patch
from pytest_timeline.session.said.teller import Teller

KIND, SOURCE = "warning", "warnings"
FILE_CHARACTERS = 300


class Warned:
    """Stands at `warnings._showwarnmsg`, which C and Python code call for each, at its moment.

    `catch_warnings` replaces what that calls, and pytest's hook comes when the test is over.
    """

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._shows: object = None  # what pytest has it do with a warning
        self._patch = Patch(warnings, "_showwarnmsg", self._show)

    def stop(self) -> None:
        self._patch.undo()

    def begin_phase(self) -> None:
        self._shows = _handler()

    def _show(self, before: Callable[..., Any]) -> Callable[..., Any]:
        def show(message: warnings.WarningMessage) -> None:
            __tracebackhide__ = True
            try:
                if self._teller.listens and self._teller.works(SOURCE):
                    self._tell(message)
            except Exception as error:
                self._teller.broken(SOURCE, error)
            before(message)

        return show

    def _tell(self, message: warnings.WarningMessage) -> None:
        if not self._teller.room(KIND):
            return
        category = message.category.__qualname__
        args: dict[str, Any] = {"category": category, "file": str(message.filename)[:FILE_CHARACTERS]}
        args["line"] = int(message.lineno)
        if _handler() != self._shows:
            args["caught"] = True  # by pytest.warns and the like: the test expects it
        self._teller.instant(KIND, f"{category}: {_text(message.message)}", args)


def _handler() -> object:
    return warnings.showwarning, getattr(warnings, "_showwarnmsg_impl", None)


def _text(message: object) -> str:
    try:
        return str(message)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return f"<its __str__ raised {type(error).__qualname__}>"
