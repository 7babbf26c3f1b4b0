"""The recording of one pytest process, from the session's start to its end."""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import platform
from collections.abc import Iterable, Sequence
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
    """Records this process and its children into the directory `family`.

    `warnings` is what the run's manifest should say about it.
    """

    def __init__(self, family: str, *, worker: str | None = None) -> None:
        self.warnings: list[str] = []
        self.on = False
        self.paused = False  # the thread that runs the tests is
        self.settings: dict[str, list[str]] = {}  # of the spool; docs/spool-format.md lists them
        self.tests = 0  # begun
        self.suspended = False  # the whole process is
        self.family = family
        self._worker = worker
        self._environment: str | None = None
        self.pid = os.getpid()

    def start(self, config: pytest.Config) -> None:
        """Start it. Raises what `record.start` raises."""
        if not os.path.isdir(self.family):
            os.mkdir(self.family)  # its parent is the run's spool: gone, or on another host, means no recording
        begin = {
            "pytest": pytest.__version__,
            "python": platform.python_version(),
            "argv": _first(map(str, config.invocation_params.args)),
            "platform": f"{platform.system()} {platform.release().partition('-')[0]}, {platform.machine()}",
            "plugins": _first(_plugins(config)) if self._worker is None else [],
            "rootdir": str(config.rootpath),
            "worker": self._worker,
        }  # made before, for it imports what the tests' own imports are not to be blamed for
        self.settings = record.start(self.family)
        self.on = True
        self._environment = os.environ.pop(ENVIRONMENT, None)
        os.environ[ENVIRONMENT] = self.family
        self.mark("SESSION_BEGIN", begin | {"start": datetime.datetime.now(datetime.UTC).isoformat()})

    def mark(self, kind: str, payload: dict[str, Any]) -> None:
        """Append a mark; see docs/spool-format.md for the keys."""
        if self.on and not self.suspended:
            _recorder.mark(_recorder.MARKS[kind], _json(payload))

    def pause(self) -> None:
        """Leave out what this thread calls, until `go_on`."""
        if self.on:
            self.paused = True
            _recorder.pause()

    def go_on(self) -> None:
        if self.on:
            self.paused = False
            _recorder.go_on()

    def suspend(self) -> None:
        """Record nothing until `resume`: no thread, no process that starts meanwhile, no mark."""
        if self.on and not self.suspended:
            _recorder.suspend()
            self.suspended = True
            os.environ.pop(ENVIRONMENT, None)

    def resume(self) -> None:
        if self.on and self.suspended:
            self.suspended = False  # the whole process is
            _recorder.resume()
            os.environ[ENVIRONMENT] = self.family

    def adjust(self, c_calls: str | None = None, args: Sequence[str] = (), full: bool = False) -> None:
        """Record with other settings than the run's, or without arguments by these again."""
        if self.on:
            _recorder.adjust(c_calls=c_calls, args=args, full=full)

    def refresh(self) -> None:
        """To be called between two tests."""
        if self.on:
            _recorder.refresh()

    def leave_children(self) -> None:
        """Record no child that is started from now on."""
        os.environ.pop(ENVIRONMENT, None)

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
        self.resume()
        try:
            self.warnings += _loss_warnings(_recorder.losses())
            self.mark("SESSION_END", {"exitstatus": exitstatus, "tests": self.tests, "warnings": self.warnings})
        finally:
            self.discard()

    def discard(self) -> None:
        """End it without a word, and put back what was there before."""
        if self.on:
            self.on = False
            _recorder.stop()
            os.environ.pop(ENVIRONMENT, None)
            if self._environment is not None:
                os.environ[ENVIRONMENT] = self._environment


def _plugins(config: pytest.Config) -> list[str]:
    """Return the distributions that registered plugins, with their versions."""
    found = (distribution for _, distribution in config.pluginmanager.list_plugin_distinfo())
    return sorted({_name(each) for each in found})


def _name(distribution: Any) -> str:
    """Return its name and version; importlib.metadata would parse it as an e-mail, and import what that takes."""
    head = (distribution.read_text("METADATA") or "").partition("\n\n")[0]
    fields = dict(line.split(": ", 1) for line in head.splitlines() if line.startswith(("Name: ", "Version: ")))
    if len(fields) < 2:  # an egg
        return f"{distribution.project_name} {distribution.version}"
    return f"{fields['Name']} {fields['Version']}"


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
