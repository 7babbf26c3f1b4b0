"""What a page says of tests that did not pass: real exceptions of real tests, with xdist and without."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from support import report, trace_processor

SUITE = """
    import asyncio, os, signal, unittest
    import pytest

    async def fetch(number):
        await asyncio.sleep(0)
        if number == 3:
            raise ConnectionResetError("peer 3 went away")

    async def crawl():
        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(fetch(number))

    def test_group():
        asyncio.run(crawl())

    def test_chain():
        try:
            {}["key"]
        except KeyError as error:
            error.add_note("while reading")
            raise ValueError("bad") from error

    def test_long_message():
        rows = [1, 1, 1]
        assert sum(rows) == 4

    @pytest.fixture
    def breaks_later():
        yield
        raise OSError("not empty")

    def test_call_and_teardown(breaks_later):
        assert False, "first"

    @pytest.fixture
    def broken():
        raise RuntimeError("no host")

    def test_setup(broken): pass

    @pytest.mark.skip(reason="no printer")
    def test_skip(): pass

    @pytest.mark.xfail(reason="issue 12")
    def test_xfail(): assert 0

    @pytest.mark.xfail(reason="issue 13", strict=True)
    def test_xpass_strict(): pass

    def test_pytrace():
        pytest.fail("two reports differ", pytrace=False)

    class Hostile(Exception):
        def __str__(self): raise SystemExit("from str")

    def test_hostile():
        raise Hostile

    class TestUnit(unittest.TestCase):
        def test_subtests(self):
            for number in range(3):
                with self.subTest(number=number):
                    self.assertEqual(number, 1)
"""


def pages(directory: Path) -> dict[str, dict[str, Any]]:
    """Return the head of each test's page, by the test's name."""
    heads = [report.read(path).head for path in directory.glob("timeline/tests/*.html")]
    return {head["nodeid"].rpartition("::")[2]: head for head in heads}


def told(head: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(failure["phase"], failure["type"], failure["message"]) for failure in head["failures"]]


def test_the_pages_say_what_was_raised_and_why(pytester, run_pytest):
    pytester.makepyfile(test_suite=SUITE)
    run = run_pytest("--timeline", "--timeline-format=html,perfetto,chrome")
    assert run.manifest["warnings"] == []
    heads = pages(pytester.path)

    (group,) = heads["test_group"]["failures"]
    (member,) = group["others"]
    assert (group["type"], member["as"], member["type"]) == ("ExceptionGroup", "member", "ConnectionResetError")
    assert member["message"] == "peer 3 went away"
    file, line, function = member["traceback"][-1]
    assert (Path(file).name, function) == ("test_suite.py", "fetch")
    assert "raise ConnectionResetError" in Path(file).read_text().splitlines()[line - 1]

    (chain,) = heads["test_chain"]["failures"]
    assert [(other["as"], other["type"], other["notes"]) for other in chain["others"]] == [
        ("cause", "KeyError", ["while reading"])
    ]
    (long,) = heads["test_long_message"]["failures"]
    assert long["message"] == "assert 3 == 4\n +  where 3 = sum([1, 1, 1])"
    assert told(heads["test_call_and_teardown"]) == [
        ("call", "AssertionError", "first\nassert False"),
        ("teardown", "OSError", "not empty"),
    ]
    assert told(heads["test_setup"]) == [("setup", "RuntimeError", "no host")]
    assert told(heads["test_hostile"]) == [("call", "Hostile", "<its __str__ raised SystemExit>")]
    (pytrace,) = heads["test_pytrace"]["failures"]
    assert (pytrace["message"], pytrace["traceback"]) == ("two reports differ", [])
    assert len(heads["test_subtests"]["failures"]) == 2

    reasons = {name: head["reason"] for name, head in heads.items() if "reason" in head}
    assert reasons == {
        "test_skip": "no printer",
        "test_xfail": "issue 12",
        "test_xpass_strict": "[XPASS(strict)] issue 13",
    }
    assert run.tests["test_xpass_strict"]["exception"] == "[XPASS(strict)] issue 13"
    assert not {"failures"} & heads["test_skip"].keys() and not {"failures"} & heads["test_xpass_strict"].keys()


@pytest.mark.skipif(trace_processor.missing() is not None, reason=str(trace_processor.missing()))
def test_the_traces_load_with_what_was_raised(pytester, run_pytest):
    pytester.makepyfile(test_suite=SUITE)
    run = run_pytest("--timeline", "--timeline-format=perfetto,chrome", "-k", "group")
    for file in run.tests["test_group"]["files"].values():
        path = run.directory / "timeline" / file
        assert trace_processor.errors(path) == []
        query = "select key, display_value from slice join args using (arg_set_id) where slice.name = 'ExceptionGroup'"
        (rows,) = trace_processor.query(path, query)
        assert "peer 3 went away" in {value for key, value in rows if key.endswith("others[0].message")}


RAISED = """
    select (select min(ts + dur) from slice where name = 'work'), ts from slice
    where category = 'test' and name = 'ValueError'"""


@pytest.mark.skipif(trace_processor.missing() is not None, reason=str(trace_processor.missing()))
def test_the_failure_s_instant_is_where_it_was_raised_not_where_pytest_met_it(pytester, run_pytest):
    pytester.makepyfile(
        """
        def clean_up():
            try:
                work()
            except ValueError:
                pass

        def work():
            raise ValueError

        def test_it(request):
            request.addfinalizer(clean_up)
            try:
                work()
            finally:
                sorted([3, 1], key=abs)
        """
    )
    run = run_pytest("--timeline", "--timeline-mode=both", "--timeline-format=html,perfetto,chrome")
    for file in run.tests["test_it"]["files"].values():
        if not file.endswith(".html"):
            path = run.directory / "timeline" / file
            (rows,) = trace_processor.query(path, RAISED)
            assert [left - raised for left, raised in rows] == [0]
    page = report.read(run.directory / "timeline" / run.tests["test_it"]["files"]["html"])
    (failure,) = page.head["failures"]
    ends = [row.end for rows in page.slices.values() for row in rows if page.name(row) == "work"]
    assert failure["at"] == min(ends)


def test_the_run_s_page_has_a_group_s_first_exception(pytester, run_pytest):
    pytester.makepyfile(test_suite=SUITE)
    run = run_pytest("--timeline", "-k", "group or call_and_teardown")
    text = (run.directory / "timeline" / "index.html").read_text(encoding="utf-8")
    assert "ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception): ConnectionResetError: peer 3" in text
    assert "AssertionError: first" in text and "not empty" not in text  # the call's, which the outcome is of


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_a_worker_that_is_killed(pytester, run_pytest):
    pytester.makepyfile(
        """
        import os, signal

        def die():
            os.kill(os.getpid(), signal.SIGKILL)

        def test_dies():
            die()
        """
    )
    run = run_pytest("--timeline", "-n1")
    assert run.outcomes == {"test_dies": "crashed"}
    (path,) = pytester.path.glob("timeline/tests/test_*.html")
    read = report.read(path)
    assert "failures" not in read.head and read.head["phases"][-1]["name"] == "call"
    died = [read.name(row) for rows in read.slices.values() for row in rows if row.flags & 64]
    assert died == ["test_dies", "die", "os.kill"]
