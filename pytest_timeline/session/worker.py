"""A pytest-xdist worker's session: it records into a family of its own in the controller's spool.

On the controller's host nothing goes back over the channel: a worker that dies by `os._exit` would not send it, and the
spool has it. On another host the spool is shipped.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_timeline import spooldir
from pytest_timeline.config import Config, ConfigError
from pytest_timeline.session.hooks import Hooks
from pytest_timeline.session.lifecycle import Lifecycle
from pytest_timeline.session.links import Links
from pytest_timeline.session.recording import Recording
from pytest_timeline.session.said.sources import Said
from pytest_timeline.session.shipping import Shipping
from pytest_timeline.session.story import Story

if TYPE_CHECKING:
    from pytest_timeline.session.query import Queries

EARLY = pytest.StashKey[Story]()


def begin_early(config: pytest.Config, settings: Config, worker: str) -> None:
    """Record the start-up of `worker` before it hears of the controller's offer, where it can tell what that will be.

    It can if there is a spool where this pytest would make its own, of the process that started this one, in which no
    family has the worker's name. A worker on another host is recorded from its session's start.
    """
    family = os.path.join(settings.directory, spooldir.DIRECTORY, worker)
    if os.path.exists(family) or not spooldir.is_of(os.path.dirname(family), os.getppid()):
        return
    recording = Recording(family, worker=worker)
    try:
        recording.start(config)
    except (OSError, RuntimeError):  # it will be tried again, and told
        return
    config.add_cleanup(lambda: recording.stop(None))
    story = config.stash[EARLY] = Story(recording)
    story.begin_start_up()


class WorkerSession(Hooks):
    """`offer` is what the controller's `Workers.add` says."""

    def __init__(self, config: pytest.Config, offer: dict[str, Any], worker: str) -> None:
        self._config = config
        self._offer = offer
        self._channel = offer["channel"]
        self._worker = worker
        self._recording: Recording | None = None
        self._shipping: Shipping | None = None
        self._said: Said | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        try:
            settings = Config.of_pytest(self._config)
            story = self._record(settings)
        except (OSError, RuntimeError, ImportError, AttributeError, ConfigError) as error:
            if self._shipping is not None:
                self._shipping.stop()
            self._say("unrecorded", getattr(error, "strerror", None) or str(error))
            return
        self._recording = story.recording
        self._said = story.said
        self._said.start(self._config)
        story.links = Links(self._config, settings)
        self._config.pluginmanager.register(Lifecycle(story), "timeline-lifecycle")

    def queries(self) -> Queries | None:
        """Return whom tests ask for what was recorded, None where no test is recorded."""
        from pytest_timeline.session.query import Queries

        if self._recording is None:
            return None
        if self._shipping is not None:
            return Queries("", "the timeline can't be asked on another host than the collector's")
        return Queries(os.path.join(os.fsdecode(self._offer["spool"]), self._worker))

    def _record(self, settings: Config) -> Story:
        """Start recording, or go on. Raises OSError, RuntimeError, ImportError, ConfigError; AttributeError for an
        execnet that we do not know."""
        spool = os.fsdecode(self._offer["spool"])
        if spooldir.is_of(spool, self._offer["pid"]):
            family = os.path.join(spool, self._worker)
            self._say("local")
            early = self._config.stash.get(EARLY, None)
            if early is not None and early.recording.family == family:
                return early
        else:
            if (self._offer["version"], self._offer["byteorder"]) != (spooldir.VERSION, sys.byteorder):
                raise RuntimeError("the controller has another version of pytest-timeline, or another byte order")
            # The patterns are those of this host: its root directory and its installation.
            sent = settings.settings() + _sent_machinery(self._channel)
            self._shipping = Shipping(self._channel, self._worker, sent)
            family = self._shipping.family
        recording = Recording(family, worker=self._worker)
        recording.start(self._config)
        story = Story(recording)
        story.begin_start_up()
        return story

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._stop(int(exitstatus))

    def pytest_unconfigure(self) -> None:
        self._stop(None)

    def _stop(self, exitstatus: int | None) -> None:
        recording, self._recording = self._recording, None
        if recording is None or os.getpid() != recording.pid:
            return
        if self._said is not None:
            self._said.stop()
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
