"""The pane's account of what became of a test: exceptions with all that belongs to them, crashes, skips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_timeline._codec import Names
from pytest_timeline.timeline.model import Span
from support import browser
from support.pages import END, FAILED_AT, exception, failing, view, write
from support.timelines import CODE, CUT_END, DIED, lane_of_test, slices, thread, timeline


def summaries(page: browser.Page) -> list[str]:
    return page.texts("summary")


def test_a_failed_test_opens_at_its_failure(tmp_path: Path, page: browser.Page) -> None:
    page.open(failing(tmp_path))
    assert page.text("#outcome") == "Failed" and page.text("#name") == "test_it"
    assert page.text('[role="tab"][aria-selected="true"]') == "Failure"
    assert page.text(".exception") == "AssertionError: 1 == 2"
    assert page.text(".message") == "second"
    start, end = view(page)
    assert start <= FAILED_AT <= end
    assert page.texts(".frame code, .frame button") == ["test_it", "helper"]
    assert page.texts(".frames .source div") == [
        "1def test_it():",
        "2    helper()",
        "5def helper():",
        "6    assert 1 == 2",
    ]
    assert page.texts(".frames .raised") == ["2    helper()", "6    assert 1 == 2"]
    assert page.texts(".moments p:first-child") == ["MainThread", "worker"]
    assert page.texts(".moments p:last-child") == ["left helper by AssertionError", "ended 201 µs before"]


def test_the_exceptions_of_a_group_are_readable_at_once(tmp_path: Path, page: browser.Page) -> None:
    source = tmp_path / "test_a.py"
    where = f"{source}:6 helper"
    library = "/usr/lib/python3/asyncio/tasks.py:12 sleep"
    others = [
        exception("ConnectionResetError", "<b>peer 3</b>\nmore", where, library, of=0, notes=["try <i>again</i>"])
        | {"as": "member"},
        exception("ExceptionGroup", "inner", of=0) | {"as": "member"},
        exception("OSError", "deep", where, of=2) | {"as": "member"},
        exception("KeyError", "'x'", where, of=3) | {"as": "cause"},
    ]
    told = exception("ExceptionGroup", "two", f"{source}:2 test_it", others=others, left_out=3)
    page.open(failing(tmp_path, told))
    assert page.text(".exception") == "ExceptionGroup: two"
    assert summaries(page) == [
        "ConnectionResetError: <b>peer 3</b>\nin helper at test_a.py:6",
        "ExceptionGroup: inner\nnot raised anywhere",
        "OSError: deep\nin helper at test_a.py:6",
        "KeyError: 'x'\ndirect cause of the one above, in helper at test_a.py:6",
    ]
    assert page.texts("details[open] > .message") == ["more", "try <i>again</i>"]
    assert page.texts("details[open] > .frames code") == ["helper", "sleep", "helper"]
    assert "3 more exceptions that were not kept" in page.text("#pane-body")
    page.evaluate("document.querySelector('summary').focus()")
    page.press("Enter")
    assert not page.evaluate("document.querySelector('details').open")


def test_a_chain_lies_below_its_last_exception_in_order(tmp_path: Path, page: browser.Page) -> None:
    source = tmp_path / "test_a.py"
    others = [
        exception("KeyError", "'x'", f"{source}:6 helper", of=0) | {"as": "context"},
        exception("ValueError", "y", f"{source}:2 test_it", of=1) | {"as": "cause"},
    ]
    page.open(failing(tmp_path, exception("TypeError", "z", f"{source}:2 test_it", others=others)))
    assert summaries(page) == [
        "KeyError: 'x'\nhandled when the one above was raised, in helper at test_a.py:6",
        "ValueError: y\ndirect cause of the one above, in test_it at test_a.py:2",
    ]
    assert not page.evaluate("document.querySelector('details details')")
    page.click("summary")
    assert page.texts("details[open] .raised") == ["6    assert 1 == 2"]


def test_what_is_not_kept_is_counted(tmp_path: Path, page: browser.Page) -> None:
    frames = [f"{tmp_path}/test_a.py:2 test_it", "... 980 frames left out", f"{tmp_path}/test_a.py:6 helper"]
    page.open(failing(tmp_path, exception("ValueError", "x" * 4_000, *frames, cut=96_000)))
    assert page.texts(".frames > li")[1] == "980 frames not kept"
    assert "96\u2009000 more characters" in page.text("#pane-body")
    assert page.evaluate("document.getElementById('pane-body').scrollWidth") <= page.box("#pane-body")["width"]


def test_a_failure_in_the_call_and_in_the_teardown(tmp_path: Path, page: browser.Page) -> None:
    told = [
        exception("AssertionError", "assert 3 == 4\n +  where 3 = sum([1, 2])", phase="call"),
        exception("OSError", "no", f"{tmp_path}/test_a.py:6 helper", phase="teardown"),
    ]
    page.open(failing(tmp_path, *told))
    assert page.texts(".exception") == ["AssertionError: assert 3 == 4", "OSError: no"]
    assert page.texts(".message") == [" +  where 3 = sum([1, 2])"]
    titles = page.texts(".section h3")
    assert titles[0].startswith("Failure in call") and titles[1].startswith("Error in teardown")
    assert titles[2].startswith("Traceback")
    start, end = view(page)
    assert start <= FAILED_AT <= end


@pytest.mark.parametrize(
    ("args", "tab", "said"),
    [
        ({"outcome": "skipped", "reason": "no <b>printer</b>"}, "Outcome", "Skipped\n\nno <b>printer</b>"),
        ({"outcome": "skipped"}, "Outcome", "Skipped\n\nNo reason is given."),
        ({"outcome": "xfailed", "reason": "issue 12"}, "Outcome", "Failed, as expected\n\nissue 12"),
        ({"outcome": "xpassed", "reason": "why"}, "Outcome", "Passed, though it was expected to fail\n\nwhy"),
        ({"outcome": "failed", "reason": "[XPASS(strict)] why"}, "Failure", "Failed\n\n[XPASS(strict)] why"),
        ({"outcome": "error"}, "Failure", "Error\n\npytest tells of no exception."),
    ],
)
def test_an_outcome_without_an_exception(
    tmp_path: Path, page: browser.Page, args: dict[str, Any], tab: str, said: str
) -> None:
    spans = [Span("t", "test", 1_000, END, 0), Span("setup", "test", 1_000, 9_000, 1)]
    page.open(write(tmp_path, timeline(thread(slices((2_000, 3_000, 10, 0))), lanes=[lane_of_test(*spans)], args=args)))
    assert page.text('[role="tab"][aria-selected="true"]') == tab
    assert page.text("#pane-body").strip() == said
    assert page.evaluate("document.getElementById('to-failure').hidden")


def test_an_expected_failure_is_no_alarm(tmp_path: Path, page: browser.Page) -> None:
    page.open(failing(tmp_path, outcome="xfailed", reason="issue 12"))
    assert page.text('[role="tab"][aria-selected="true"]') == "Outcome"
    assert not page.evaluate("document.querySelector('#tabs .dot')")
    assert page.text("#pane-body").startswith("Failed, as expected\n\nissue 12")
    assert page.text(".exception") == "AssertionError: 1 == 2"


def test_a_crash_shows_where_the_test_was_cut_off(tmp_path: Path, page: browser.Page) -> None:
    (tmp_path / "test_a.py").write_text("def test_it():\n    helper()\n\n\ndef helper():\n    assert 1 == 2\n")
    known = Names()
    known.add(1, str(tmp_path / "test_a.py"))
    known.add(10, "test_it", CODE, 1, 1)
    known.add(11, "helper", CODE, 1, 5)
    known.add(20, "os.kill", 18)
    cut = CUT_END | DIED
    main = slices(
        (2_000, 3_000, 11, 0),
        (4_000, END, 10, 0, cut), (5_000, 6_000, 11, 1), (7_000, END, 11, 1, cut), (8_000, END, 20, 2, cut),
    )  # fmt: skip
    spans = [
        Span("t", "test", 1_000, END, 0),
        Span("setup", "test", 1_000, 3_500, 1),
        Span("call", "test", 4_000, END, 1),
    ]
    made = timeline(thread(main, known), lanes=[lane_of_test(*spans)], args={"outcome": "crashed"})
    page.open(write(tmp_path, made, root=str(tmp_path)))
    assert page.text('[role="tab"][aria-selected="true"]') == "Failure"
    assert "The process died in call, 999 µs after the test began." in page.text("#pane-body")
    assert page.texts(".frame button") == ["test_it", "helper", "os.kill"]
    assert page.texts(".source .here") == ["5def helper():"]
    assert page.texts(".moments p:last-child") == ["running os.kill for 992 µs"]
    assert view(page)[1] >= END - 1_000
    page.click(".frame button")
    assert page.text(".heading") == "test_it"
