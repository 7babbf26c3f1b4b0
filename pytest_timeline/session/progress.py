"""The wait for the collector, shown to whoever sits before a terminal; a short one is not worth a line."""

from __future__ import annotations

import time
from typing import Self

import pytest

WORTH_SECONDS = 1.0  # less than this left: say nothing
SETTLE_SECONDS = 0.3  # before any estimate
BAR = 30


class Progress:
    """Call it with (done, total); as a context manager it tidies the line up."""

    def __init__(self, config: pytest.Config) -> None:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        self._reporter: pytest.TerminalReporter | None = reporter if config.get_verbosity() >= 0 else None
        self._start = time.monotonic()
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __call__(self, done: int, total: int) -> None:
        if self._reporter is None or not (self._shown or self._worth_showing(done, total)):
            return
        if self._reporter.isatty:
            if not self._shown:
                self._reporter.ensure_newline()
            filled = BAR * done // total if total else 0
            count = f"{done} of {total}" if total else "reading what was recorded"
            bar = "━" * filled + "─" * (BAR - filled)
            self._reporter.rewrite(f"timeline: {bar} {count}", erase=True)
        elif not self._shown:
            self._reporter.ensure_newline()
            self._reporter.write_line(f"timeline: writing {total or 'the'} timelines ...")
        self._shown = True

    def __exit__(self, *exception: object) -> None:
        if self._shown and self._reporter is not None and self._reporter.isatty:
            self._reporter.rewrite("", erase=True)

    def _worth_showing(self, done: int, total: int) -> bool:
        elapsed = time.monotonic() - self._start
        if elapsed < SETTLE_SECONDS:
            return False
        if not done:
            return elapsed > WORTH_SECONDS
        return elapsed * (total - done) / done > WORTH_SECONDS
