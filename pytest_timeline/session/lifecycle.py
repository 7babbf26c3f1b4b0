"""The hooks around the collection and around a test, which tell the story. Each passes on what it wraps, untouched."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from pytest_timeline.session.story import Story


class Lifecycle:
    """The outermost wrapper of each hook, so that a span holds all that other plugins do in it."""

    def __init__(self, story: Story) -> None:
        self._story = story

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        self._story.begin_collection()
        try:
            return (yield)
        finally:
            self._story.end_collection()

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

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self) -> Generator[None, None, None]:
        return (yield from self._phase("setup"))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Generator[None, None, None]:
        return (yield from self._phase("call"))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, None, None]:
        return (yield from self._phase("teardown"))

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

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        self._story.begin_fixture(fixturedef, request)
        try:
            value = yield
        finally:
            self._story.end_fixture(fixturedef)
        self._story.watch_teardown(fixturedef)
        return value

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        self._story.end_teardown(fixturedef)

    def _phase(self, when: str) -> Generator[None, None, None]:
        self._story.begin_phase(when)
        try:
            return (yield)
        except BaseException as error:
            self._story.raised(error)
            raise
        finally:
            self._story.end_phase()
