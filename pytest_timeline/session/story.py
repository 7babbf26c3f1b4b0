"""The test run's own story, told in marks: each attempt at a test, its phases, fixtures, failures and outcome."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any, Concatenate, NamedTuple, ParamSpec

import pytest

from pytest_timeline.config import functions
from pytest_timeline.session import failure, marker
from pytest_timeline.session.leaks import Leaks
from pytest_timeline.session.links import Links
from pytest_timeline.session.recording import Recording
from pytest_timeline.session.said.sources import Said

P = ParamSpec("P")
PARAMETER_CHARACTERS = 500
NODEID_CHARACTERS = 4000  # a mark must fit into a chunk
WHY_CHARACTERS = 500  # of exception and reason together: in the same mark are the leaks
MARKERS, MARKER_CHARACTERS = 16, 80
FIXTURES, FIXTURE_CHARACTERS, FILE_CHARACTERS = 40, 80, 300
NOT_COLLECTED = "not collected"
PARAMETER = "get_direct_param_fixture_func"  # what pytest makes of the values in @pytest.mark.parametrize


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

    __slots__ = ("begun", "exception", "failure", "fixtures", "phase", "phases", "reports", "set_up", "wanted")

    def __init__(self, wanted: marker.Wanted) -> None:
        self.wanted = wanted
        self.begun = perf_counter()
        self.set_up = False
        self.phase = "setup"
        self.fixtures: set[object] = set()  # definitions of those that were told of
        self.reports: list[pytest.TestReport] = []
        self.phases: dict[str, float] = {}  # seconds
        self.exception: str | None = None
        self.failure = 0  # id of the exception told last, which pytest may hand on once more


class _Made(NamedTuple):
    """A fixture that outlives its test."""

    chain: int  # joins its set-up, the tests that use it and its tear-down; unique in the process
    nodeid: str  # of the test that it was made for


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
        self.links: Links | None = None  # for others' reports
        self.said = Said(recording)
        self._item: pytest.Item | None = None
        self._rerun = 0
        self._attempt: Attempt | None = None
        self._leaks = Leaks()
        self._tearing_down: list[object] = []  # fixture definitions, the innermost last
        self._finalizers: list[int] = []  # how many each fixture had before its set-up, the innermost last
        self._set_up: dict[pytest.FixtureDef[Any], int] = {}  # how many those had after it that are set up
        self._serial = 0  # of the newest of these
        self._made: dict[pytest.FixtureDef[Any], _Made] = {}  # those of wider scopes that are set up
        self._starting_up = False

    @_guarded
    def begin_start_up(self) -> None:
        self._starting_up = True
        self._begin("start-up")

    @_guarded
    def begin_conftests(self) -> None:
        self._begin("first conftests")

    @_guarded
    def end_conftests(self) -> None:
        self.recording.mark("SPAN_END", {})

    @_guarded
    def end_start_up(self) -> None:
        if self._starting_up:
            self._starting_up = False
            self.recording.mark("SPAN_END", {})

    @_guarded
    def begin_collection(self) -> None:
        self.end_start_up()
        self._begin("collection")

    @_guarded
    def end_collection(self) -> None:
        self.recording.mark("SPAN_END", {})

    @_guarded
    def begin_file(self, collector: pytest.Collector) -> None:
        self._begin(f"collect {collector.nodeid[:NODEID_CHARACTERS]}")

    @_guarded
    def end_file(self, found: int | None) -> None:
        """`found` is how many tests and classes are in it, None for a file that could not be collected."""
        self.recording.mark("SPAN_END", {} if found is None else {"args": {"found": found}})

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
        if when == "teardown":
            self._expect_teardowns()
        self.recording.go_on()
        self._begin(when)
        self.said.begin_phase()

    @_guarded
    def begin_call(self, item: pytest.Item) -> None:
        """The item's function is called next."""
        self.said.begin_call(item)

    @_guarded
    def end_phase(self) -> None:
        """What pytest does before the next one, such as formatting a traceback, is not the test's."""
        self._tell_reused()
        self.said.end_phase()
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
            if self.links is not None:
                attempt, seconds = self._attempt, perf_counter() - self._attempt.begun
                self.links.add(report, self._rerun, outcome(attempt.reports), seconds, attempt.wanted)
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
        self._finalizers.append(len(_finalizers(fixturedef)))
        args: dict[str, Any] = {"scope": fixturedef.scope}
        if hasattr(request, "param"):
            args["param"] = _parameter(fixturedef.argname, request)
        if (place := _place(fixturedef)) is not None:
            args["file"], args["line"] = place
        span: dict[str, Any] = {"name": fixturedef.argname, "cat": "fixture", "args": args}
        if self._attempt is not None:
            self._attempt.fixtures.add(fixturedef)
        if fixturedef.scope != "function":
            self._leaks.begin_fixture()
            if self._item is not None and not _is_parameter(fixturedef):
                self._serial += 1
                self._made[fixturedef] = _Made(self._serial, self._item.nodeid[:NODEID_CHARACTERS])
                span["chain"] = self._serial
        self.recording.mark("SPAN_BEGIN", span)

    @_guarded
    def end_fixture(self, fixturedef: pytest.FixtureDef[Any], raised: BaseException | None) -> None:
        args = {} if raised is None or _expected(raised) else {"args": {"exception": type(raised).__name__}}
        self.recording.mark("SPAN_END", args)
        if fixturedef.scope != "function":
            self._leaks.end_fixture()
        if len(_finalizers(fixturedef)) > self._finalizers.pop():
            self._expect_teardown(fixturedef)
        self._set_up[fixturedef] = len(_finalizers(fixturedef))

    def _expect_teardown(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Have its tear-down told, which has something to do: finalizers run last in, first out, so ours goes first."""
        fixturedef.addfinalizer(functools.partial(self.begin_teardown, fixturedef))

    def _expect_teardowns(self) -> None:
        """Likewise of those that were given finalizers since their set-up, and not only to end others before them."""
        for fixturedef, before in self._set_up.items():
            if not all(map(_ends_another, _finalizers(fixturedef)[before:])):
                self._expect_teardown(fixturedef)
                self._set_up[fixturedef] = len(_finalizers(fixturedef))

    @_guarded
    def begin_teardown(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        if self._tearing_down and self._tearing_down[-1] is fixturedef:
            return
        self._tearing_down.append(fixturedef)
        name = f"{fixturedef.argname} tear-down"
        span: dict[str, Any] = {"name": name, "cat": "fixture", "args": {"scope": fixturedef.scope}}
        if made := self._made.get(fixturedef):
            span["chain"] = made.chain
        self.recording.mark("SPAN_BEGIN", span)

    @_guarded
    def end_teardown(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        self._made.pop(fixturedef, None)
        self._set_up.pop(fixturedef, None)
        if self._tearing_down and self._tearing_down[-1] is fixturedef:
            self._tearing_down.pop()
            self.recording.mark("SPAN_END", {})

    def _tell_reused(self) -> None:
        """Tell which fixtures of wider scopes the phase used that were there already; pytest has no hook for that."""
        told, failure = (self._attempt.fixtures, self._attempt.failure) if self._attempt is not None else (set(), 0)
        used = getattr(getattr(self._item, "_request", None), "_fixture_defs", None) or {}
        failed = [fixturedef for fixturedef in self._made if failure and id(_raised(fixturedef)) == failure]
        for fixturedef in [*used.values(), *failed]:  # what failed once fails again, and is not among those used
            if fixturedef not in told and (made := self._made.get(fixturedef)):
                told.add(fixturedef)
                args = {"scope": fixturedef.scope, "reused": True, "made_in": made.nodeid}
                if fixturedef in failed:
                    args["exception"] = type(_raised(fixturedef)).__name__
                span = {"name": fixturedef.argname, "cat": "fixture", "chain": made.chain, "args": args}
                self.recording.mark("SPAN_BEGIN", span)
                self.recording.mark("SPAN_END", {})

    def _begin(self, name: str) -> None:
        self.recording.mark("SPAN_BEGIN", {"name": name, "cat": "test"})

    def _begin_attempt(self) -> None:
        assert self._item is not None
        wanted = _wanted(self._item)
        self._attempt = Attempt(wanted)
        self.said.begin_test()
        self.recording.tests += 1
        if wanted.adjusts:
            root = str(self._item.config.rootpath)
            args = [functions(pattern, root) for pattern in wanted.args]
            self.recording.adjust(wanted.c_calls, args, wanted.full)
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
                **wanted.marks,
            },
        )
        if wanted.off:
            self.recording.suspend()

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
        if attempt.set_up and not attempt.wanted.off:
            end |= self._leaks.left()
        self.recording.resume()
        end |= self.said.end_test()
        self.recording.mark("TEST_END", end)
        if attempt.wanted.adjusts:
            self.recording.adjust()
        self.recording.refresh()


def _wanted(item: pytest.Item) -> marker.Wanted:
    try:
        return marker.wanted(item)
    except marker.MarkerError:  # told when it was collected, and the run goes on all the same
        return marker.Wanted()


def _markers(item: pytest.Item) -> list[str]:
    names = {mark.name[:MARKER_CHARACTERS] for mark in item.iter_markers()}
    return sorted(names - {"parametrize"})[:MARKERS]


def _fixtures(item: pytest.Item) -> list[str]:
    """Return the names of all fixtures that the test asks for, or that its fixtures ask for."""
    names = [name[:FIXTURE_CHARACTERS] for name in getattr(item, "fixturenames", ()) if name != "request"]
    return names[:FIXTURES]


def _finalizers(fixturedef: pytest.FixtureDef[Any]) -> list[Callable[[], object]]:
    return getattr(fixturedef, "_finalizers", [])


def _ends_another(finalizer: object) -> bool:
    """Whether the finalizer of a fixture ends one that depends on it."""
    function = finalizer.func if isinstance(finalizer, functools.partial) else None
    return isinstance(getattr(function, "__self__", None), pytest.FixtureDef)


def _raised(fixturedef: pytest.FixtureDef[Any]) -> BaseException | None:
    """Return what its set-up raised, as pytest remembers it for the next test that asks for it."""
    match getattr(fixturedef, "cached_result", None):
        case (_, _, (BaseException() as error, _)):
            return error
    return None


def _is_parameter(fixturedef: pytest.FixtureDef[Any]) -> bool:
    return getattr(getattr(fixturedef.func, "__code__", None), "co_name", "") == PARAMETER


def _place(fixturedef: pytest.FixtureDef[Any]) -> tuple[str, int] | None:
    """Return where the fixture is defined, None for what is no Python function, or only a parameter's value."""
    code = getattr(fixturedef.func, "__code__", None)
    if not isinstance(code, types.CodeType) or _is_parameter(fixturedef):
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
