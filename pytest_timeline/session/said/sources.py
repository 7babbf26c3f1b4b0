"""All that a test can say, switched on and off together with the recording."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from pytest_timeline import _recorder
from pytest_timeline.session.recording import Recording
from pytest_timeline.session.said.examples import Examples
from pytest_timeline.session.said.logs import Logs
from pytest_timeline.session.said.printed import Printed
from pytest_timeline.session.said.subtests import Subtests
from pytest_timeline.session.said.teller import Teller
from pytest_timeline.session.said.warned import Warned


class Said:
    """Tells `recording`, which has begun, of the kinds that its settings name, from `start` to `stop`."""

    def __init__(self, recording: Recording) -> None:
        settings = recording.settings
        self._most = int(settings["max_instants"][0])
        self._teller = Teller(recording, self._most)
        self._wanted = settings.get("record", [])
        self._logs: Logs | None = None
        self._warned: Warned | None = None
        self._printed: Printed | None = None
        self._subtests: Subtests | None = None
        self._examples: Examples | None = None

    def start(self, config: pytest.Config) -> None:
        self._teller.start()
        if "logs" in self._wanted:
            self._logs = Logs(self._teller)
        if "warnings" in self._wanted:
            self._warned = Warned(self._teller)
        if "output" in self._wanted:
            self._printed = Printed(self._teller, captured=config.getoption("capture", "fd") != "no")
        if "subtests" in self._wanted:
            self._subtests = Subtests(self._teller)
        if "examples" in self._wanted:
            self._examples = Examples(self._teller)

    def stop(self) -> None:
        """Put back what was there; harmless the second time."""
        self._teller.stop()
        for source in (self._logs, self._warned, self._printed, self._subtests, self._examples):
            if source is not None:
                with contextlib.suppress(Exception):
                    source.stop()

    def begin_test(self) -> None:
        self._teller.begin_test()
        self._collections()

    def end_test(self) -> dict[str, Any]:
        """Return what TEST_END says of what was too much to be told."""
        left_out = self._teller.end_test()
        if collections := self._collections():
            left_out["gc"] = collections
        return {"left_out": left_out} if left_out else {}

    def _collections(self) -> int:
        """Give the garbage collector's runs new places; return how many found none."""
        return _recorder.collections(self._most) if "gc" in self._wanted else 0

    def begin_phase(self) -> None:
        if self._warned is not None:
            self._warned.begin_phase()

    def begin_call(self, item: pytest.Item) -> None:
        if self._examples is not None:
            self._examples.begin_call(item)

    def end_phase(self) -> None:
        if self._examples is not None:
            self._examples.end_call()
        if self._printed is not None:
            self._printed.end_phase()
        self._teller.end_phase()
