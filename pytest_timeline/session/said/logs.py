"""Log records, as a logger accepts them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from pytest_timeline.session.said.patch import Patch
from pytest_timeline.session.said.teller import Teller

KIND, SOURCE = "log", "log records"
LOGGER_CHARACTERS = 100


class Logs:
    """Stands where every record passes once, whatever handlers there are: `Logger.filter`, which `Logger.handle` asks.

    A handler would be seen, in `logging.root.handlers` and by `basicConfig`, and miss what does not propagate. The
    filter returns before any handler runs, so no traceback and no stack has it.
    """

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._patch = Patch(logging.Logger, "filter", self._filter)

    def stop(self) -> None:
        self._patch.undo()

    def _filter(self, before: Callable[..., Any]) -> Callable[..., Any]:
        def filter(logger: logging.Logger, record: logging.LogRecord) -> Any:
            __tracebackhide__ = True
            passed = before(logger, record)
            try:
                if passed and self._teller.listens and self._teller.works(SOURCE):
                    self._tell(passed if isinstance(passed, logging.LogRecord) else record)
            except Exception as error:
                self._teller.broken(SOURCE, error)
            return passed

        return filter

    def _tell(self, record: logging.LogRecord) -> None:
        if not self._teller.room(KIND):
            return
        args = {"level": str(record.levelname)[:LOGGER_CHARACTERS], "levelno": int(record.levelno)}
        args["logger"] = str(record.name)[:LOGGER_CHARACTERS]
        if record.exc_info and record.exc_info[0] is not None:
            args["exc_info"] = record.exc_info[0].__qualname__
        self._teller.instant(KIND, _message(record), args)


def _message(record: logging.LogRecord) -> str:
    try:
        return str(record.getMessage())
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return f"{record.msg if type(record.msg) is str else '?'} (no message: {type(error).__qualname__})"
