"""A pytest-xdist worker's session: it records into a family of its own in the controller's spool.

On the controller's host nothing goes back over the channel: a worker that dies by `os._exit` would not send it, and the
spool has it. On another host the spool is shipped.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from pytest_timeline import spooldir
from pytest_timeline.config import Config, ConfigError
from pytest_timeline.session.lifecycle import Lifecycle
from pytest_timeline.session.recording import Recording
from pytest_timeline.session.shipping import Shipping
from pytest_timeline.session.story import Story


class WorkerSession:
    """`offer` is what the controller's `Workers.add` says."""

    def __init__(self, config: pytest.Config, offer: dict[str, Any], worker: str) -> None:
        self._config = config
        self._offer = offer
        self._channel = offer["channel"]
        self._worker = worker
        self._recording: Recording | None = None
        self._shipping: Shipping | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        try:
            recording = self._record()
        except (OSError, RuntimeError, ImportError, AttributeError, ConfigError) as error:
            if self._shipping is not None:
                self._shipping.stop()
            self._say("unrecorded", getattr(error, "strerror", None) or str(error))
            return
        self._recording = recording
        self._config.pluginmanager.register(Lifecycle(Story(recording)), "timeline-lifecycle")

    def _record(self) -> Recording:
        """Start recording. Raises OSError, RuntimeError, ImportError, ConfigError; AttributeError for an execnet that
        we do not know."""
        spool = os.fsdecode(self._offer["spool"])
        if self._is_here(spool):
            family = os.path.join(spool, self._worker)
            self._say("local")
        else:
            if (self._offer["version"], self._offer["byteorder"]) != (spooldir.VERSION, sys.byteorder):
                raise RuntimeError("the controller has another version of pytest-timeline, or another byte order")
            # The patterns are those of this host: its root directory and its installation.
            settings = Config.of_pytest(self._config).settings() + _sent_machinery(self._channel)
            self._shipping = Shipping(self._channel, self._worker, settings)
            family = self._shipping.family
        recording = Recording(family, worker=self._worker)
        recording.start(self._config)
        return recording

    def _is_here(self, spool: str) -> bool:
        """Whether this process and the controller share files, process ids and clocks: a path alone may be a network
        file system's, or another file by the same name."""
        try:
            settings = spooldir.read_settings(os.path.join(spool, spooldir.SETTINGS))
        except OSError:
            return False
        return (settings.get("host"), settings.get("pid")) == ([spooldir.host()], [str(self._offer["pid"])])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._stop(int(exitstatus))

    def pytest_unconfigure(self) -> None:
        self._stop(None)

    def _stop(self, exitstatus: int | None) -> None:
        recording, self._recording = self._recording, None
        if recording is None or os.getpid() != recording.pid:
            return
        recording.stop(exitstatus)
        if self._shipping is not None:
            self._shipping.stop()
            if self._shipping.problem:
                self._say("cut short", self._shipping.problem)

    def _say(self, *what: str) -> None:
        try:
            self._channel.send(what)
        except OSError:  # the controller is gone
            pass


def _sent_machinery(channel: Any) -> list[tuple[str, str]]:
    """Return settings for the machinery that is not installed here but was sent by the controller."""
    execnet = channel.send.__code__.co_filename
    globs = [f"*{os.sep}xdist{os.sep}remote.py"] + [execnet] * (execnet != "<string>")  # others use that name, too
    return [("machinery", glob) for glob in globs]
