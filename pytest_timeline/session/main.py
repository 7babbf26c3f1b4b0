"""The session that owns the run: it makes the spool, starts the collector, records, waits, and sums up.

It starts before pytest imports the first conftest file, and begins with pytest's session: until then it can be
discarded, as if it had never been. With pytest-xdist it is the controller's, which runs no test itself and hands the
spool to its workers.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_timeline import _recorder, spooldir
from pytest_timeline.config import Config
from pytest_timeline.session import benchmarks, failing, markdown, output, summary
from pytest_timeline.session.collector import Collector
from pytest_timeline.session.hooks import Hooks
from pytest_timeline.session.progress import Progress
from pytest_timeline.session.recording import Recording
from pytest_timeline.session.workers import Workers

if TYPE_CHECKING:
    from pytest_timeline.session.query import Queries
    from pytest_timeline.session.said.sources import Said
    from pytest_timeline.session.story import Story


class MainSession(Hooks):
    """One per pytest session that has --timeline; sessions nest, so nothing of it is global."""

    def __init__(self, config: pytest.Config, settings: Config) -> None:
        self._config = config
        self.settings = settings
        self._started = False
        self._begun = False
        self._spool: str | None = None
        self._story: Story | None = None
        self._recording: Recording | None = None
        self._collector: Collector | None = None
        self._warnings: list[str] = []
        self._workers: Workers | None = None
        self._said: Said | None = None
        self._problem: str | None = None  # why there are no timelines, for the summary
        self._run: dict[str, Any] = {}  # the manifest, once there is one
        self._markdown: str | None = None  # the file that a summary is to be appended to

    def start(self) -> None:
        """Record from now on; does nothing the second time. Raises UsageError."""
        if self._started:
            return
        self._started = True
        if watched := _watched(self._config, self.settings.directory):
            self._problem = (
                f"nothing is recorded: --looponfail watches {watched}, and would run again for every file written "
                "there; name a directory elsewhere with --timeline-dir"
            )
            return
        try:
            self._spool, warnings = output.claim(self.settings.directory)
        except output.OutputError as error:
            raise pytest.UsageError(str(error)) from None
        try:
            self._start(self._spool, warnings)
        except OSError as error:
            self._close()
            raise pytest.UsageError(
                f"--timeline-dir: cannot record into {self.settings.directory} ({error.strerror or error}); "
                "name another directory with --timeline-dir"
            ) from None
        except RuntimeError as error:
            self._close()
            self._problem = f"nothing is recorded: {error}"
        except BaseException:  # the collector would take it for a run that is over
            self._close()
            raise
        else:
            self._config.add_cleanup(self.discard)

    def load_conftests(self) -> Generator[None, object, object]:
        """Tell of what is done meanwhile."""
        if self._story is None:
            return (yield)
        self._story.begin_conftests()
        try:
            return (yield)
        finally:
            self._story.end_conftests()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        self.start()
        self._begin_summary()
        self._begun = True
        if self._recording is None or self._story is None or self._spool is None:
            return
        if self._config.pluginmanager.has_plugin("dsession"):  # its children are workers, which record for themselves
            self._recording.leave_children()
            self._story.end_start_up()
        else:
            from pytest_timeline.session.lifecycle import Lifecycle
            from pytest_timeline.session.links import Links

            self._said = self._story.said
            self._said.start(self._config)
            self._story.links = Links(self._config, self.settings)
            self._config.pluginmanager.register(Lifecycle(self._story), "timeline-lifecycle")

    def queries(self) -> Queries | None:
        """Return whom tests ask for what was recorded, None where no test is recorded."""
        from pytest_timeline.session.query import Queries

        return Queries(os.path.join(self._spool, "main")) if self._said is not None and self._spool else None

    def _begin_summary(self) -> None:
        try:
            self._markdown = markdown.begin(self.settings.summary)
        except OSError as error:
            if self.settings.summary:
                raise pytest.UsageError(
                    f"--timeline-summary: cannot write {self.settings.summary} ({error.strerror or error}); "
                    "name another file with --timeline-summary, or none"
                ) from None
            self._warnings.append(f"no summary in GITHUB_STEP_SUMMARY: {error}")

    def _start(self, spool: str, warnings: list[str]) -> None:
        clock = _recorder.choose_clock()
        own = [("version", str(spooldir.VERSION)), ("pid", str(os.getpid())), ("clock", str(clock))]
        own += [("python", platform.python_version()), ("pytest", pytest.__version__)]
        own.append(("host", spooldir.host()))
        self._workers = Workers(spool, clock)
        spooldir.write_settings(os.path.join(spool, spooldir.SETTINGS), own + self.settings.settings())
        self._collector = Collector(spool)
        self._collector.start()  # it takes as long to start as pytest does

        from pytest_timeline.session.story import Story

        recording = Recording(os.path.join(spool, "main"))
        recording.warnings += warnings
        recording.start(self._config)
        self._recording = recording
        self._story = Story(recording)
        self._story.begin_start_up()

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
        settings = self.settings
        kept = "" if settings.keep.all else f"; keep {settings.keep}"
        formats = ", ".join(settings.formats)
        lines = [f"timeline: {summary.short(settings.directory)}{os.sep} ({settings.mode}; {formats}{kept})"]
        if self._problem:
            lines.append(f"timeline: {self._problem}")
        elif self._recording is not None:
            lines += [f"timeline: {warning}" for warning in self._recording.warnings]
        return lines

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._finish(int(exitstatus))

    def pytest_unconfigure(self) -> None:
        if self._begun:
            self._finish(None)  # the session did not come to its end

    def discard(self) -> None:
        """Leave no trace of a recording whose session has not begun."""
        recording = self._recording
        if self._begun or recording is None or os.getpid() != recording.pid:
            return
        self._recording = None
        recording.discard()
        self._close()

    def _finish(self, exitstatus: int | None) -> None:
        recording, collector = self._recording, self._collector
        if recording is None or collector is None or os.getpid() != recording.pid:
            return
        self._recording = None
        if self._workers is not None:
            recording.warnings += self._workers.warnings()
        if self._said is not None:
            self._said.stop()
        recording.stop(exitstatus)
        self._warnings += recording.warnings
        with Progress(self._config) as progress:
            collector.wait(progress)
        self._problem = collector.problem
        collector.close()
        self._collector = None
        if self._problem is None:
            self._read()

    def _read(self) -> None:
        """Read what the collector says of the run, and pass it on."""
        try:
            self._run = summary.manifest(self.settings.directory)
        except (OSError, ValueError) as error:
            self._problem = f"the collector left no manifest ({error})"
            return
        if self._markdown is not None:
            try:
                markdown.append(self._markdown, self._run, self.settings.directory)
            except OSError as error:
                self._warnings.append(f"no summary in {self._markdown} ({error.strerror or error})")
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if isinstance(reporter, pytest.TerminalReporter):
            try:
                failing.add_sections(reporter, self._run, self.settings.directory)
            except Exception as error:
                self._warnings.append(f"failures are reported without their timeline: {error!r}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._config.get_verbosity() > -2:
            summary.write(terminalreporter, self.settings, self._run, self._warnings, self._problem)
            if remark := benchmarks.remark(self._config, self._run):
                terminalreporter.write_line(remark, yellow=True)

    def _close(self) -> None:
        """Undo a start that failed half-way."""
        if self._collector is not None:
            self._collector.abandon()
            self._collector.close()
            self._collector = None
        if self._spool is not None:
            output.give_up(self._spool)


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
