"""The recording of one pytest process, from the session's start to its end."""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import platform
from collections.abc import Iterable
from typing import Any

import orjson
import pytest

from pytest_timeline import _recorder, record
from pytest_timeline.spooldir import ENVIRONMENT

ARGV_CHARACTERS = 4000  # a mark must fit into a chunk
STALLED_NS = 100_000_000  # less is not worth a warning
NO_ROOM = {getattr(errno, name, 0) for name in ("ENOSPC", "EDQUOT", "EFBIG")}
OWN_FAILURE = -1  # where an errno would be: the recorder failed by itself


class Recording:
    """Records this process into the directory `family`, and its children too when they are `traced`.

    `warnings` is what the run's manifest should say about it.
    """

    def __init__(self, family: str, *, worker: str | None = None, traced: bool = True) -> None:
        self.warnings: list[str] = []
        self.on = False
        self.tests = 0  # begun
        self._family = family
        self._worker = worker
        self._traced = traced
        self._environment: str | None = None
        self.pid = os.getpid()

    def start(self, config: pytest.Config) -> None:
        """Start it. Raises what `record.start` raises."""
        if not os.path.isdir(self._family):
            os.mkdir(self._family)  # its parent is the run's spool: gone, or on another host, means no recording
        record.start(self._family)
        self.on = True
        self._environment = os.environ.pop(ENVIRONMENT, None)
        if self._traced:
            os.environ[ENVIRONMENT] = self._family
        self.mark(
            "SESSION_BEGIN",
            {
                "pytest": pytest.__version__,
                "python": platform.python_version(),
                "argv": _first(map(str, config.invocation_params.args)),
                "start": datetime.datetime.now(datetime.UTC).isoformat(),
                "platform": f"{platform.system()} {platform.release().partition('-')[0]}, {platform.machine()}",
                "plugins": _first(_plugins(config)) if self._worker is None else [],
                "rootdir": str(config.rootpath),
                "worker": self._worker,
            },
        )

    def mark(self, kind: str, payload: dict[str, Any]) -> None:
        """Append a mark; see docs/spool-format.md for the keys."""
        if self.on:
            _recorder.mark(_recorder.MARKS[kind], _json(payload))

    def pause(self) -> None:
        """Leave out what this thread calls, until `go_on`."""
        if self.on:
            _recorder.pause()

    def go_on(self) -> None:
        if self.on:
            _recorder.go_on()

    def refresh(self) -> None:
        """To be called between two tests."""
        if self.on:
            _recorder.refresh()

    def abandon(self, error: Exception) -> None:
        """Switch the recording off because our own code failed; the tests go on."""
        if self.on:
            self.warnings.append(f"recording was switched off by an error of pytest-timeline's own: {error!r}")
            with contextlib.suppress(Exception):
                self.stop(None)

    def stop(self, exitstatus: int | None) -> None:
        """End it and put back what was there before; does nothing the second time, or in a forked child."""
        if not self.on or os.getpid() != self.pid:
            return
        try:
            self.warnings += _loss_warnings(_recorder.losses())
            self.mark("SESSION_END", {"exitstatus": exitstatus, "tests": self.tests, "warnings": self.warnings})
        finally:
            self.on = False
            _recorder.stop()
            os.environ.pop(ENVIRONMENT, None)
            if self._environment is not None:
                os.environ[ENVIRONMENT] = self._environment


def _plugins(config: pytest.Config) -> list[str]:
    """Return the distributions that registered plugins, with their versions."""
    found = (distribution for _, distribution in config.pluginmanager.list_plugin_distinfo())
    return sorted({f"{each.project_name} {each.version}" for each in found})


def _first(words: Iterable[str]) -> list[str]:
    """Return as many words as a mark may hold, and "..." for the rest."""
    kept: list[str] = []
    room = ARGV_CHARACTERS
    for word in words:
        room -= len(word)
        if room < 0:
            return [*kept, "..."]
        kept.append(word)
    return kept


def _json(payload: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(payload)
    except TypeError:  # a lone surrogate, from a file name or an exception's text
        import json

        return json.dumps(payload, ensure_ascii=False).encode("utf-8", "replace")


def _loss_warnings(losses: dict[str, int]) -> list[str]:
    warnings = []
    if losses["error"] == OWN_FAILURE:
        warnings.append("recording was switched off by an error of pytest-timeline's own")
    elif losses["error"]:
        remedy = "; make room, or choose another directory with --timeline-dir" if losses["error"] in NO_ROOM else ""
        warnings.append(f"the spool could not grow ({os.strerror(losses['error'])}), so records were dropped{remedy}")
    elif losses["dropped"]:
        warnings.append("the spool was full, so records were dropped; exclude hot code with --timeline-exclude")
    if losses["stalled_ns"] > STALLED_NS:
        warnings.append(
            f"the tests waited {losses['stalled_ns'] / 1e9:.1f} s for the collector, which did not keep up; "
            "exclude hot code with --timeline-exclude"
        )
    if losses["disarmed"]:
        warnings.append(
            "a test took the profiling hook away (sys.setprofile, cProfile); recording went on after that test"
        )
    return warnings
