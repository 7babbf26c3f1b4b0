"""A pytest-xdist worker's session: it records into a family of its own in the controller's spool.

Nothing goes back over the worker's channel: a worker that dies by `os._exit` would not send it, and the spool has it.
"""

from __future__ import annotations

import os

import pytest

from pytest_timeline.session.lifecycle import Lifecycle
from pytest_timeline.session.recording import Recording
from pytest_timeline.session.story import Story


class WorkerSession:
    def __init__(self, config: pytest.Config, spool: str, worker: str) -> None:
        self._config = config
        self._recording = Recording(os.path.join(spool, worker), worker=worker)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        try:
            self._recording.start(self._config)
        except (OSError, RuntimeError, ImportError):
            return  # on another host, or the run is over: these tests run unrecorded
        self._config.pluginmanager.register(Lifecycle(Story(self._recording)), "timeline-lifecycle")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._recording.stop(int(exitstatus))

    def pytest_unconfigure(self) -> None:
        self._recording.stop(None)
