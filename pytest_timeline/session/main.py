"""The session that owns the run: it makes the spool, starts the collector, records, waits, and sums up.

With pytest-xdist it is the controller's, which runs no test itself and hands the spool to its workers.
"""

from __future__ import annotations

import os
import platform
import shutil
from typing import Any

import pytest

from pytest_timeline import _recorder, spooldir
from pytest_timeline.config import Config
from pytest_timeline.session import output, summary
from pytest_timeline.session.collector import Collector
from pytest_timeline.session.lifecycle import Lifecycle
from pytest_timeline.session.progress import Progress
from pytest_timeline.session.recording import Recording
from pytest_timeline.session.story import Story
from pytest_timeline.session.workers import Workers


class MainSession:
    """One per pytest session that has --timeline; sessions nest, so nothing of it is global."""

    def __init__(self, config: pytest.Config, settings: Config) -> None:
        self._config = config
        self._settings = settings
        self._spool: str | None = None
        self._recording: Recording | None = None
        self._collector: Collector | None = None
        self._warnings: list[str] = []
        self._workers: Workers | None = None
        self._problem: str | None = None  # why there are no timelines, for the summary

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        if watched := _watched(self._config, self._settings.directory):
            self._problem = (
                f"nothing is recorded: --looponfail watches {watched}, and would run again for every file written "
                "there; name a directory elsewhere with --timeline-dir"
            )
            return
        try:
            self._spool, warnings = output.claim(self._settings.directory)
        except output.OutputError as error:
            raise pytest.UsageError(str(error)) from None
        try:
            self._start(self._spool, warnings)
        except OSError as error:
            self._close()
            raise pytest.UsageError(
                f"--timeline-dir: cannot record into {self._settings.directory} ({error.strerror or error}); "
                "name another directory with --timeline-dir"
            ) from None
        except RuntimeError as error:
            self._close()
            self._problem = f"nothing is recorded: {error}"

    def _start(self, spool: str, warnings: list[str]) -> None:
        clock = _recorder.choose_clock()
        own = [("version", str(spooldir.VERSION)), ("pid", str(os.getpid())), ("clock", str(clock))]
        own += [("python", platform.python_version()), ("pytest", pytest.__version__)]
        own.append(("host", spooldir.host()))
        self._workers = Workers(spool, clock)
        spooldir.write_settings(os.path.join(spool, spooldir.SETTINGS), own + self._settings.settings())
        self._collector = Collector(spool)
        controller = self._config.pluginmanager.has_plugin("dsession")
        # A controller's children are its workers, which record for themselves.
        recording = Recording(os.path.join(spool, "main"), traced=not controller)
        recording.warnings += warnings
        recording.start(self._config)
        self._recording = recording
        self._collector.start()
        if not controller:
            self._config.pluginmanager.register(Lifecycle(Story(recording)), "timeline-lifecycle")

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """pytest-xdist is about to start a worker."""
        if self._recording is not None and self._workers is not None:
            self._workers.add(node)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodeready(self, node: Any) -> None:
        if self._workers is not None:
            self._workers.ready(node)

    def pytest_report_header(self) -> list[str]:
        settings = self._settings
        lines = [
            f"timeline: {summary.short(settings.directory)}{os.sep} ({settings.mode}; {', '.join(settings.formats)})"
        ]
        if self._problem:
            lines.append(f"timeline: {self._problem}")
        elif self._recording is not None:
            lines += [f"timeline: {warning}" for warning in self._recording.warnings]
        return lines

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._finish(int(exitstatus))

    def pytest_unconfigure(self) -> None:
        self._finish(None)  # the session did not come to its end

    def _finish(self, exitstatus: int | None) -> None:
        recording, collector = self._recording, self._collector
        if recording is None or collector is None or os.getpid() != recording.pid:
            return
        self._recording = None
        if self._workers is not None:
            recording.warnings += self._workers.warnings()
        recording.stop(exitstatus)
        self._warnings = recording.warnings
        with Progress(self._config) as progress:
            collector.wait(progress)
        self._problem = collector.problem
        collector.close()
        self._collector = None

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._config.get_verbosity() > -2:
            summary.write(terminalreporter, self._settings, self._warnings, self._problem)

    def _close(self) -> None:
        """Undo a start that failed half-way."""
        if self._collector is not None:
            self._collector.close()
            self._collector = None
        if self._spool is not None:
            shutil.rmtree(self._spool, ignore_errors=True)


def _watched(config: pytest.Config, directory: str) -> str | None:
    """Return the root below which pytest-xdist's --looponfail would see files in `directory` change."""
    if not any(type(plugin).__name__ == "WorkerFailSession" for plugin in config.pluginmanager.get_plugins()):
        return None
    roots: list[os.PathLike[str] | str] = config.getini("looponfailroots") or [os.getcwd()]
    below = os.path.realpath(directory)
    for root in [os.path.realpath(root) for root in roots]:
        if os.path.join(below, "").startswith(os.path.join(root, "")):
            return root
    return None
