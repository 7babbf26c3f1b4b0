"""Lines that Python code writes to stdout and stderr, as their ends are written."""

from __future__ import annotations

import functools
import io
import sys
from collections.abc import Callable
from threading import get_ident  # tests replace it there

from _pytest import capture

from pytest_timeline.session.said.patch import MISSING, Patch
from pytest_timeline.session.said.teller import NAME_CHARACTERS, Teller

KIND, SOURCE = "output", "lines of output"
TERMINAL = "_pytest._io.terminalwriter"
_frame = sys._getframe  # this, too


class Printed:
    """Stands at `write` of what pytest's capture puts into `sys.stdout`, whoever reads that later.

    With -s nothing is put there, and under `capsys.disabled()` it is taken away: so also at that of the streams
    themselves, where pytest writes as well.
    """

    def __init__(self, teller: Teller, *, captured: bool) -> None:
        self._teller = teller
        self._begun: dict[tuple[int, str], str] = {}  # lines without an end, by thread and stream
        self._patches: list[Patch] = []
        streams = (sys.__stdout__, sys.__stderr__) if captured else (sys.stdout, sys.stderr)
        for owner in (capture.CaptureIO, capture.EncodedFile, *streams):
            make = self._method if isinstance(owner, type) else functools.partial(self._function, owner)
            try:
                self._patches.append(Patch(owner, "write", make))
            except (AttributeError, TypeError):  # a stream of some other kind
                continue

    def stop(self) -> None:
        for patch in self._patches:
            patch.undo()

    def end_phase(self) -> None:
        """Tell of lines that have no end."""
        begun, self._begun = self._begun, {}
        for (_, stream), line in begun.items():
            self._tell(stream, line)

    def _method(self, before: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(before)
        def write(stream: io.TextIOWrapper, text: str, /) -> int:
            __tracebackhide__ = True
            written = before(stream, text)
            self._hear(stream, text)
            return written

        return write

    def _function(self, stream: object, before: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(before)
        def write(text: str, /) -> int:
            __tracebackhide__ = True
            written = before(text)
            self._hear(stream, text, by_pytest_itself=False)
            return written

        return write

    def _hear(self, stream: object, text: str, *, by_pytest_itself: bool = True) -> None:
        """Take what was written; by pytest itself it may not be where it writes to the same stream."""
        try:
            caller = _frame(1).f_back  # of `write`; None where a thread began with that
            if not by_pytest_itself and caller is not None and caller.f_globals.get("__name__") == TERMINAL:
                return
            name = "stdout" if stream is sys.__dict__.get("stdout", MISSING) else "stderr"
            if name == "stderr" and stream is not sys.__dict__.get("stderr", MISSING):
                return  # one below it: it gets a copy
            if self._teller.listens and self._teller.works(SOURCE):
                self._lines(name, str.__str__(text))
        except Exception as error:
            self._teller.broken(SOURCE, error)

    def _lines(self, stream: str, text: str) -> None:
        key = get_ident(), stream
        start = 0
        while (end := text.find("\n", start)) >= 0:
            self._tell(stream, self._begun.pop(key, "") + text[start : min(end, start + NAME_CHARACTERS + 1)])
            start = end + 1
        if start < len(text):
            self._begun[key] = (self._begun.get(key, "") + text[start : start + NAME_CHARACTERS + 1])[
                : NAME_CHARACTERS + 1
            ]

    def _tell(self, stream: str, line: str) -> None:
        line = line.rstrip()
        if line and self._teller.room(KIND):
            self._teller.instant(KIND, line, {"stream": stream})
