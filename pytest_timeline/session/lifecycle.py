"""The hooks around the collection and around a test, which tell the story. Each passes on what it wraps, untouched."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.unittest import TestCaseFunction

from pytest_timeline.session.hooks import Hooks
from pytest_timeline.session.story import Story

if TYPE_CHECKING:
    from pluggy import Result


class Lifecycle(Hooks):
    """The outermost wrapper of each hook, so that a span holds all that other plugins do in it.

    Those through which goes what a test or a fixture raises are `hookwrapper`s: a `wrapper` stands in its traceback.
    """

    def __init__(self, story: Story) -> None:
        self._story = story

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        self._story.begin_collection()
        try:
            return (yield)
        finally:
            self._story.end_collection()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        if not isinstance(collector, pytest.File):
            return (yield)
        self._story.begin_file(collector)
        found = None
        try:
            report = yield
            found = len(report.result) if report.passed else None
            return report
        finally:
            self._story.end_file(found)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._story.not_collected(report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        self._story.begin_tests()
        try:
            return (yield)
        finally:
            self._story.end_tests()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._story.begin_test(item)
        try:
            return (yield)
        finally:
            self._story.end_test()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_setup(self) -> Generator[None, Result[object], None]:
        yield from self._phase("setup")

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Result[object], None]:
        if isinstance(item, TestCaseFunction):
            self._story.begin_call(item)  # unittest does the calling
        yield from self._phase("call")

    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> None:
        """Neither first nor last: after those that wrap what is called, and before pytest calls it."""
        self._story.begin_call(pyfuncitem)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, Result[object], None]:
        yield from self._phase("teardown")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        self._story.reported(report, call)
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._story.logged(report)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, Result[object], None]:
        self._story.begin_fixture(fixturedef, request)
        result = yield
        self._story.end_fixture(fixturedef, result.exception)

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        self._story.end_teardown(fixturedef)

    def _phase(self, when: str) -> Generator[None, Result[object], None]:
        self._story.begin_phase(when)
        result = yield
        if result.exception is not None:
            self._story.raised(result.exception)
        self._story.end_phase()
