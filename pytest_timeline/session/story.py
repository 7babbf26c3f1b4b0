"""The test run's own story, told in marks: each attempt at a test, its phases, fixtures, failures and outcome."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any, Concatenate, ParamSpec

import pytest

from pytest_timeline.session import failure
from pytest_timeline.session.leaks import Leaks
from pytest_timeline.session.recording import Recording

P = ParamSpec("P")
PARAMETER_CHARACTERS = 500
NODEID_CHARACTERS = 4000  # a mark must fit into a chunk
WHY_CHARACTERS = 500  # of exception and reason together: in the same mark are the leaks
MARKERS, MARKER_CHARACTERS = 16, 80
FIXTURES, FIXTURE_CHARACTERS, FILE_CHARACTERS = 40, 80, 300
NOT_COLLECTED = "not collected"
PARAMETER = "get_direct_param_fixture_func"  # what pytest makes of the values in @pytest.mark.parametrize
GENERATOR_FLAGS = 0x20 | 0x200  # CO_GENERATOR, CO_ASYNC_GENERATOR


def outcome(reports: Iterable[pytest.TestReport]) -> str:
    """Return what became of a test, from the reports of its phases (several of "call" when it has subtests)."""
    reports = list(reports)
    failed = {report.when for report in reports if report.outcome in ("failed", "rerun")}
    if "call" in failed:
        return "failed"
    if failed or not reports:
        return "error"
    last = {report.when: report for report in reports}.values()
    skipped = [report for report in last if report.skipped]
    if skipped:
        return "xfailed" if any(hasattr(report, "wasxfail") for report in skipped) else "skipped"
    return "xpassed" if any(hasattr(report, "wasxfail") for report in last) else "passed"


def reason(reports: Iterable[pytest.TestReport]) -> str:
    """Return why a test was skipped, was expected to fail, or failed without an exception; "" when nobody says."""
    for report in reports:
        expected = getattr(report, "wasxfail", None)
        if isinstance(expected, str):
            return expected.removeprefix("reason: ")
        told = report.longrepr
        if report.skipped and isinstance(told, tuple):
            return str(told[-1]).removeprefix("Skipped: ")
        if report.failed and isinstance(told, str):
            return told
    return ""


class Attempt:
    """One run of a test: a rerun is another one."""

    __slots__ = ("exception", "failure", "phase", "phases", "reports", "set_up")

    def __init__(self) -> None:
        self.set_up = False
        self.phase = "setup"
        self.reports: list[pytest.TestReport] = []
        self.phases: dict[str, float] = {}  # seconds
        self.exception: str | None = None
        self.failure = 0  # id of the exception told last, which pytest may hand on once more


def _guarded(method: Callable[Concatenate[Story, P], None]) -> Callable[Concatenate[Story, P], None]:
    """Let no error of ours reach a test: it ends the recording instead."""

    @functools.wraps(method)
    def call(self: Story, /, *args: P.args, **kwargs: P.kwargs) -> None:
        if not self.recording.on:
            return
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            self.recording.abandon(error)

    return call


class Story:
    """Tells `recording` what the hooks saw. Raises nothing."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self._item: pytest.Item | None = None
        self._rerun = 0
        self._attempt: Attempt | None = None
        self._leaks = Leaks()
        self._tearing_down: list[object] = []  # fixture definitions, the innermost last

    @_guarded
    def begin_collection(self) -> None:
        self.recording.mark("SPAN_BEGIN", {"name": "collection", "cat": "test"})

    @_guarded
    def end_collection(self) -> None:
        self.recording.mark("SPAN_END", {})

    @_guarded
    def not_collected(self, report: pytest.CollectReport) -> None:
        lines = report.longreprtext.splitlines()
        why = next((line[1:].strip() for line in lines if line.startswith("E ")), lines[-1] if lines else "")
        args = {"nodeid": report.nodeid[:NODEID_CHARACTERS], "message": why[:WHY_CHARACTERS]}
        self.recording.mark("INSTANT", {"name": NOT_COLLECTED, "cat": "test", "args": args})

    @_guarded
    def begin_test(self, item: pytest.Item) -> None:
        self._item = item
        self._rerun = 0
        self._begin_attempt()

    @_guarded
    def end_test(self) -> None:
        self._end_attempt()
        self._item = None

    @_guarded
    def begin_phase(self, when: str) -> None:
        if when == "setup":
            if self._attempt is None or self._attempt.set_up:
                self._end_attempt()
                self._rerun += 1
                self._begin_attempt()
            assert self._attempt is not None
            self._attempt.set_up = True
            self._leaks.begin()  # now: what other plugins start around a test is not the test's
        if self._attempt is not None:
            self._attempt.phase = when
        self.recording.go_on()
        self.recording.mark("SPAN_BEGIN", {"name": when, "cat": "test"})

    @_guarded
    def end_phase(self) -> None:
        """What pytest does before the next one, such as formatting a traceback, is not the test's."""
        self.recording.mark("SPAN_END", {})
        self.recording.pause()

    @_guarded
    def begin_tests(self) -> None:
        self.recording.pause()

    @_guarded
    def end_tests(self) -> None:
        self.recording.go_on()

    @_guarded
    def raised(self, error: BaseException) -> None:
        """Tell of an exception that ended a phase, unless it is a skip, or told already."""
        attempt = self._attempt
        if attempt is None or attempt.failure == id(error) or _expected(error):
            return
        attempt.failure = id(error)
        args = failure.describe(error) | {"phase": attempt.phase}
        if attempt.exception is None:
            attempt.exception = failure.line(args, WHY_CHARACTERS)
        self.recording.mark("INSTANT", {"name": args["exception"], "cat": "test", "args": args})

    @_guarded
    def reported(self, report: pytest.TestReport, call: pytest.CallInfo[Any]) -> None:
        """Take a phase's report; that of the teardown ends the attempt."""
        if self._attempt is None:
            return
        if call.excinfo is not None:
            self.raised(call.excinfo.value)  # unittest keeps its exceptions to itself until now
        self._attempt.failure = 0
        self._attempt.reports.append(report)
        self._attempt.phases[call.when] = call.duration
        if call.when == "teardown":
            self._end_attempt()

    @_guarded
    def logged(self, report: pytest.TestReport) -> None:
        """Take a report of a test that ran elsewhere (pytest-forked): nothing else was seen of it here."""
        attempt = self._attempt
        if attempt is not None and not attempt.set_up and self._item is not None and self._item.nodeid == report.nodeid:
            attempt.reports.append(report)
            attempt.phases[report.when or "call"] = report.duration

    @_guarded
    def begin_fixture(self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
        if fixturedef.scope != "function":
            self._leaks.begin_fixture()
        args: dict[str, Any] = {"scope": fixturedef.scope}
        if hasattr(request, "param"):
            args["param"] = _parameter(fixturedef.argname, request)
        if (place := _place(fixturedef)) is not None:
            args["file"], args["line"] = place
        self.recording.mark("SPAN_BEGIN", {"name": fixturedef.argname, "cat": "fixture", "args": args})

    @_guarded
    def end_fixture(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        self.recording.mark("SPAN_END", {})
        if fixturedef.scope != "function":
            self._leaks.end_fixture()

    @_guarded
    def watch_teardown(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Have the fixture's tear-down told, if it has one; finalizers run last in, first out, so ours goes first."""
        code = getattr(fixturedef.func, "__code__", None)
        if getattr(code, "co_flags", 0) & GENERATOR_FLAGS:
            fixturedef.addfinalizer(functools.partial(self.begin_teardown, fixturedef))

    @_guarded
    def begin_teardown(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        self._tearing_down.append(fixturedef)
        args = {"scope": fixturedef.scope}
        self.recording.mark("SPAN_BEGIN", {"name": f"{fixturedef.argname} tear-down", "cat": "fixture", "args": args})

    @_guarded
    def end_teardown(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        if self._tearing_down and self._tearing_down[-1] is fixturedef:
            self._tearing_down.pop()
            self.recording.mark("SPAN_END", {})

    def _begin_attempt(self) -> None:
        assert self._item is not None
        self._attempt = Attempt()
        self.recording.tests += 1
        file, line, _ = self._item.location
        self.recording.mark(
            "TEST_BEGIN",
            {
                "nodeid": self._item.nodeid[:NODEID_CHARACTERS],
                "rerun": self._rerun,
                "file": file,
                "line": None if line is None else line + 1,
                "markers": _markers(self._item),
                "fixtures": _fixtures(self._item),
            },
        )

    def _end_attempt(self) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return
        interrupted = attempt.failure  # a phase raised, and pytest made no report of it
        end: dict[str, Any] = {
            "outcome": "error" if interrupted else outcome(attempt.reports),
            "phases": attempt.phases,
        }
        if attempt.exception is not None:
            end["exception"] = attempt.exception
        why = reason(report for report in attempt.reports if not (report.failed and attempt.exception))
        if why:
            end["reason"] = failure.plain(why, WHY_CHARACTERS - len(attempt.exception or ""))
        if attempt.set_up:
            end |= self._leaks.left()
        self.recording.mark("TEST_END", end)
        self.recording.refresh()


def _markers(item: pytest.Item) -> list[str]:
    names = {mark.name[:MARKER_CHARACTERS] for mark in item.iter_markers()}
    return sorted(names - {"parametrize"})[:MARKERS]


def _fixtures(item: pytest.Item) -> list[str]:
    """Return the names of all fixtures that the test asks for, or that its fixtures ask for."""
    names = [name[:FIXTURE_CHARACTERS] for name in getattr(item, "fixturenames", ()) if name != "request"]
    return names[:FIXTURES]


def _place(fixturedef: pytest.FixtureDef[Any]) -> tuple[str, int] | None:
    """Return where the fixture is defined, None for what is no Python function, or only a parameter's value."""
    code = getattr(fixturedef.func, "__code__", None)
    if not isinstance(code, types.CodeType) or code.co_name == PARAMETER:
        return None
    return code.co_filename[:FILE_CHARACTERS], code.co_firstlineno


def _expected(error: BaseException) -> bool:
    """Whether the exception is a way to say skip or xfail."""
    unittest = sys.modules.get("unittest")
    return isinstance(error, (pytest.skip.Exception, pytest.xfail.Exception)) or (
        unittest is not None and isinstance(error, unittest.SkipTest)
    )


def _parameter(name: str, request: pytest.FixtureRequest) -> str:
    """Return the parameter as pytest would name it; a value that is not plain might have a costly repr."""
    if isinstance(request.param, str | int | float | bool | None):
        return str(request.param)[:PARAMETER_CHARACTERS]
    return f"{name}{getattr(request, 'param_index', '')}"
