"""Marks become tests, spans and instants."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_timeline.collect.story import (
    INSTANT,
    SESSION_BEGIN,
    SESSION_END,
    SPAN_BEGIN,
    SPAN_END,
    TEST_BEGIN,
    TEST_END,
    Story,
    Told,
)


def hear(story: Story, tick: int, code: int, **what: Any) -> Told | None:
    return story.hear(code, tick, json.dumps(what).encode())


def test_a_test_is_told_with_its_spans() -> None:
    story = Story()
    hear(story, 1, SESSION_BEGIN, pytest="9.2")
    between = hear(story, 10, TEST_BEGIN, nodeid="a::b", file="a", line=3)
    assert between is not None and between.test is None
    hear(story, 11, SPAN_BEGIN, name="setup", cat="test")
    hear(story, 12, SPAN_BEGIN, name="db", cat="fixture", args={"scope": "module"})
    hear(story, 13, SPAN_END, args={"cached": True})
    hear(story, 14, SPAN_END)
    hear(story, 15, INSTANT, name="ValueError", cat="test", args={"message": "no"})
    told = hear(story, 20, TEST_END, outcome="failed")
    hear(story, 30, SESSION_END, exitstatus=1)
    assert told is not None
    assert (told.test or {})["nodeid"] == "a::b"
    assert told.result == {"outcome": "failed"}
    assert [(s.name, s.category, s.start, s.end, s.depth, s.args) for s in told.spans] == [
        ("a::b", "test", 10, 20, 0, {"file": "a", "line": 3}),
        ("setup", "test", 11, 14, 1, {}),
        ("db", "fixture", 12, 13, 2, {"scope": "module", "cached": True}),
    ]
    assert [(i.name, i.tick, i.args) for i in told.instants] == [("ValueError", 15, {"message": "no"})]
    assert story.session == {"pytest": "9.2"}
    assert story.end == {"exitstatus": 1}


def test_the_collection_is_told_between_tests() -> None:
    story = Story()
    hear(story, 1, SESSION_BEGIN)
    hear(story, 2, SPAN_BEGIN, name="collection", cat="test")
    hear(story, 4, INSTANT, name="not collected", cat="test", args={"nodeid": "b.py", "message": "E"})
    hear(story, 5, SPAN_END)
    hear(story, 10, TEST_BEGIN, nodeid="a")
    hear(story, 11, SPAN_BEGIN, name="collection")  # a span of the test's own
    hear(story, 12, INSTANT, name="not collected")
    hear(story, 13, SPAN_END)
    hear(story, 20, TEST_END, outcome="passed")
    hear(story, 30, SESSION_END, exitstatus=0)
    assert story.collection is not None
    assert (story.collection.start, story.collection.end) == (2, 5)
    assert story.not_collected == [("b.py", "E")]
    assert story.ended == 30


def test_the_time_before_the_first_test_is_the_collection() -> None:
    story = Story()
    hear(story, 1, SPAN_BEGIN, name="start-up", cat="test")
    hear(story, 2, SPAN_END)
    hear(story, 3, SPAN_BEGIN, name="collection", cat="test")
    hear(story, 5, SPAN_END)
    windows = [hear(story, tick, *what) for tick, what in ((10, [TEST_BEGIN]), (20, [TEST_END]), (30, [TEST_BEGIN]))]
    assert [window is not None and window.collection for window in windows] == [True, False, False]
    assert story.start_up is not None and (story.start_up.start, story.start_up.end) == (1, 2)


@pytest.mark.parametrize(("ends", "expected"), [(True, False), (False, True)])
def test_a_process_that_died_in_its_start_up_looked_for_tests(ends: bool, expected: bool) -> None:
    """One that ended it and collected nothing is a controller."""
    story = Story()
    hear(story, 1, SPAN_BEGIN, name="start-up", cat="test")
    if ends:
        hear(story, 2, SPAN_END)
    assert story.close(10).collection is expected


def test_spans_that_are_open_end_with_the_test() -> None:
    story = Story()
    hear(story, 10, TEST_BEGIN, nodeid="a")
    hear(story, 11, SPAN_BEGIN, name="call")
    told = hear(story, 20, TEST_END, outcome="passed")
    assert told is not None
    assert [(span.name, span.end) for span in told.spans] == [("a", 20), ("call", 20)]


def test_an_end_too_many_does_not_end_the_test() -> None:
    story = Story()
    hear(story, 5, SPAN_END)
    hear(story, 10, TEST_BEGIN, nodeid="a")
    hear(story, 11, SPAN_END)
    told = hear(story, 20, TEST_END, outcome="passed")
    assert told is not None
    assert [span.end for span in told.spans] == [20]
    assert hear(story, 21, TEST_END, outcome="passed") is None


def test_a_test_without_its_end_has_no_result() -> None:
    story = Story()
    hear(story, 10, TEST_BEGIN, nodeid="a")
    told = hear(story, 20, TEST_BEGIN, nodeid="b")
    assert told is not None and told.test is not None and told.result is None


def test_damaged_marks_are_counted() -> None:
    story = Story()
    for payload in (b"", b"{", b"[]", b"\xff"):
        assert story.hear(TEST_BEGIN, 1, payload) is None
    assert story.hear(99, 1, b"{}") is None
    assert story.damaged == 4
