"""session/story.py: what became of a test, from its reports."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from pytest_timeline.session.story import outcome, reason


def report(when: Literal["setup", "call", "teardown"], result: Any, **attributes: Any) -> pytest.TestReport:
    made = pytest.TestReport("a.py::test", ("a.py", 1, "test"), {}, result, None, when)
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


UP, DOWN = report("setup", "passed"), report("teardown", "passed")
PASSED, FAILED, SKIPPED = (report("call", result) for result in ("passed", "failed", "skipped"))


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([UP, PASSED, DOWN], "passed"),
        ([UP, FAILED, DOWN], "failed"),
        ([UP, FAILED, report("teardown", "failed")], "failed"),
        ([UP, PASSED, report("teardown", "failed")], "error"),
        ([report("setup", "failed"), DOWN], "error"),
        ([UP, SKIPPED, DOWN], "skipped"),
        ([report("setup", "skipped"), DOWN], "skipped"),
        ([UP, report("call", "skipped", wasxfail="why"), DOWN], "xfailed"),
        ([report("setup", "skipped", wasxfail="no run"), DOWN], "xfailed"),
        ([UP, report("call", "passed", wasxfail="why"), DOWN], "xpassed"),
        ([UP, report("call", "rerun"), DOWN], "failed"),
        ([UP, SKIPPED, PASSED, DOWN], "passed"),  # a skipped subtest
        ([UP, FAILED, PASSED, DOWN], "failed"),  # a failed subtest
        ([], "error"),  # nothing is known of it
    ],
)
def test_outcome(reports: list[pytest.TestReport], expected: str) -> None:
    assert outcome(reports) == expected


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([UP, PASSED, DOWN], ""),
        ([UP, FAILED, DOWN], ""),
        ([report("setup", "skipped", longrepr=("a.py", 1, "Skipped: no printer")), DOWN], "no printer"),
        ([UP, report("call", "skipped", wasxfail="reason: not here"), DOWN], "not here"),
        ([UP, report("call", "skipped", wasxfail="issue 12"), DOWN], "issue 12"),
        ([UP, report("call", "passed", wasxfail=""), DOWN], ""),
        ([UP, report("call", "failed", longrepr="[XPASS(strict)] why"), DOWN], "[XPASS(strict)] why"),
    ],
)
def test_reason(reports: list[pytest.TestReport], expected: str) -> None:
    assert reason(reports) == expected
