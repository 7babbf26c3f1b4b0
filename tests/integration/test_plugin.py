"""`pytest --timeline` from outside: outcomes, manifest, header, summary, and every way to switch it on."""

from __future__ import annotations

import gzip
import json
import os
import platform
import re

import pytest

SUITE = '''
import unittest

import pytest


@pytest.fixture(scope="module", params=[1, "x"])
def resource(request):
    yield request.param


@pytest.fixture
def broken():
    raise ValueError("no resource")


@pytest.fixture
def breaks_later():
    yield
    raise KeyError("later")


def test_passes(resource):
    pass

def test_fails():
    assert [1] == [2]

def test_errors(broken):
    pass

def test_errors_later(breaks_later):
    pass

def test_skips():
    pytest.skip("not today")

@pytest.mark.xfail
def test_xfails():
    assert 0

@pytest.mark.xfail
def test_xpasses():
    pass

@pytest.mark.xfail(strict=True)
def test_xpasses_strictly():
    pass

@pytest.mark.skipif(True, reason="never")
def test_never():
    pass

class Case(unittest.TestCase):
    def test_unit_fails(self):
        self.assertEqual(1, 2)

    def test_unit_skips(self):
        self.skipTest("why")

def doubled(x):
    """
    >>> doubled(2)
    4
    """
    return 2 * x
'''

OUTCOMES = {
    "test_passes[1]": "passed",
    "test_passes[x]": "passed",
    "test_fails": "failed",
    "test_errors": "error",
    "test_errors_later": "error",
    "test_skips": "skipped",
    "test_xfails": "xfailed",
    "test_xpasses": "xpassed",
    "test_xpasses_strictly": "failed",
    "test_never": "skipped",
    "Case::test_unit_fails": "failed",
    "Case::test_unit_skips": "skipped",
    "test_suite.doubled": "passed",
}


def test_every_outcome_is_in_the_manifest(pytester, run_pytest):
    pytester.makepyfile(test_suite=SUITE)
    run = run_pytest("--timeline", "--doctest-modules")
    assert run.ret == 1
    assert run.outcomes == OUTCOMES
    assert run.manifest["exitstatus"] == 1
    assert run.manifest["pytest"] == pytest.__version__
    assert run.manifest["warnings"] == []
    test = run.tests["test_passes[1]"]
    assert set(test["phases"]) == {"setup", "call", "teardown"}
    assert set(test["files"]) == {"html", "perfetto"}
    assert all((run.directory / "timeline" / file).stat().st_size for file in test["files"].values())
    assert set(run.tests["test_errors"]["phases"]) == {"setup", "teardown"}
    assert not (run.directory / "timeline" / ".spool").exists()


def test_outcomes_and_output_are_those_of_a_run_without(pytester, run_pytest):
    pytester.makepyfile(test_suite=SUITE)
    without, recorded = (run_pytest("-rA", "-v", *extra).stdout for extra in ([], ["--timeline"]))
    lines = [
        sorted(
            line for line in out.splitlines() if line.startswith(("PASSED", "FAILED", "ERROR", "SKIP", "X", "test_"))
        )
        for out in (without, recorded)
    ]
    assert len(lines[0]) > 20
    assert lines[0] == [line for line in lines[1] if "tests/test_suite.py-" not in line]


def test_the_story_of_a_test_is_in_its_trace(pytester, run_pytest):
    pytester.makepyfile(test_suite=SUITE)
    run = run_pytest("--timeline", "--timeline-format=chrome", "-k", "test_errors_later or test_passes")

    def story(name):
        file = run.directory / "timeline" / run.tests[name]["files"]["chrome"]
        trace = json.loads(gzip.decompress(file.read_bytes()))
        return [(one["name"], one["ph"]) for one in trace["traceEvents"] if one.get("cat") in ("test", "fixture")]

    names = [name for name, phase in story("test_errors_later") if phase != "E"]
    assert [
        name for name in names if name in ("setup", "breaks_later", "call", "teardown", "breaks_later tear-down")
    ] == [
        "setup",
        "breaks_later",
        "call",
        "teardown",
        "breaks_later tear-down",
    ]
    assert ("KeyError", "i") in story("test_errors_later")
    assert "resource" in [name for name, _ in story("test_passes[1]")]


def test_the_run_page_has_the_fixtures_and_what_was_not_collected(pytester, run_pytest):
    pytester.makepyfile(
        test_suite="""
        import pytest
        @pytest.fixture(scope="module")
        def engine(): yield
        @pytest.fixture
        def client(engine): pass
        @pytest.mark.parametrize("n", [1, 2])
        def test_a(client, n): pass
        def test_b(engine): pass
        """,
        test_broken="import nothing_of_this_name",
    )
    run = run_pytest("--timeline", "--timeline-format=html", "--continue-on-collection-errors")
    assert run.ret == 1
    page = (run.directory / "timeline" / "index.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="run">(.*?)</script>', page, re.DOTALL)[1])
    assert {row[0]: (row[1], row[2], row[6]) for row in data["fixtures"]} == {
        "engine": ("module", 1, "test_suite.py:2"),
        "client": ("function", 2, "test_suite.py:4"),
    }
    uses = [set(data["uses"][use]) for use in data["tests"]["uses"]]
    assert uses == [{"client", "engine", "n"}, {"client", "engine", "n"}, {"engine"}]
    assert [(data["fixtures"][each[0]][0], *each[3:]) for each in data["wide"]] == [("engine", 0, 0), ("engine", 2, 1)]
    ((nodeid, message),) = run.manifest["errors"]
    assert nodeid == "test_broken.py" and message.startswith("ModuleNotFoundError")
    begin, end = data["lanes"][0]["collection"]
    assert 0 < begin < end <= data["tests"]["start"][0]
    assert run.manifest["platform"].startswith(platform.system())
    assert any(plugin.startswith("pytest-timeline ") for plugin in run.manifest["plugins"])


def read_chrome(path):
    """Return (name, start, end) of every call, and of every span that was told: the test, its phases, its fixtures."""
    events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    calls, told, stacks = [], [], {}
    for event in events:
        stack = stacks.setdefault(event.get("tid"), [])
        if event["ph"] == "B":
            stack.append(event)
        elif event["ph"] in "EX":
            begun = stack.pop() if event["ph"] == "E" else event
            end = event["ts"] + event.get("dur", 0)
            (told if begun["cat"] in ("test", "fixture") else calls).append((begun["name"], begun["ts"], end))
    return calls, told


def test_what_pytest_does_between_the_phases_is_left_out(pytester, run_pytest):
    pytester.makeconftest("""
        import pytest
        def at_work(): pass
        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_logreport(report): at_work()
        def pytest_sessionfinish(session): at_work()
    """)
    pytester.makepyfile("def called(): pass\ndef test_fails():\n    called()\n    assert 0")
    run = run_pytest("--timeline", "--timeline-format=chrome", "--timeline-mode=both")
    calls, told = read_chrome(run.directory / "timeline" / run.tests["test_fails"]["files"]["chrome"])
    phases = [(start, end) for name, start, end in told if name in ("setup", "call", "teardown")]
    assert len(phases) == 3
    assert all(any(begin <= start and end <= until for begin, until in phases) for _, start, end in calls)
    assert "called" in {name for name, *_ in calls}
    calls, _ = read_chrome(run.directory / "timeline" / "combined.json.gz")
    assert [name for name, *_ in calls if name == "at_work"] == ["at_work"]  # at the session's end


def test_header_and_summary(pytester, run_pytest):
    pytester.makepyfile(test_suite=SUITE)
    run = run_pytest("--timeline", "--timeline-mode=both", "--timeline-format=perfetto")
    assert f"timeline: timeline{os.sep} (both; perfetto)" in run.stdout
    section = run.stdout.partition(" timeline ===")[2].replace("collection.pftrace.gz", "")  # named where it was slow
    assert "recorded 12 tests" in section
    assert "ui.perfetto.dev" in section
    assert "combined.pftrace.gz" in section
    assert section.count(".pftrace.gz") == 4  # the three slowest and the combined one

    assert "timeline: timeline/ (" not in run_pytest("--timeline", "-q").stdout
    assert "timeline" not in run_pytest("--timeline", "-qq", "--tb=no").stdout


def test_off_means_off(pytester, run_pytest):
    pytester.makepyfile(
        """
        import sys

        def test_nothing_of_it_is_imported():
            ours = [name for name in sys.modules if name.startswith("pytest_timeline.")]
            assert ours == ["pytest_timeline.plugin"]
        """
    )
    run = run_pytest()
    assert run.ret == 0
    assert "timeline:" not in run.stdout
    assert not (run.directory / "timeline").exists()


@pytest.mark.parametrize("ini", ["[pytest]\ntimeline = true\n", "[pytest]\naddopts = --timeline\n"])
def test_switched_on_in_the_ini_file(pytester, run_pytest, ini):
    pytester.makeini(ini)
    pytester.makepyfile("def test_a(): pass")
    assert run_pytest().outcomes == {"test_a": "passed"}


def test_the_flag_does_not_eat_the_path(pytester, run_pytest):
    pytester.makepyfile(test_one="def test_a(): pass", test_two="def test_b(): pass")
    assert run_pytest("--timeline", "test_two.py").outcomes == {"test_b": "passed"}


def test_only_the_previous_run_s_own_files_are_deleted(pytester, run_pytest):
    pytester.makepyfile("def test_a(): pass\ndef test_b(): pass")
    first = run_pytest("--timeline")
    (first.directory / "timeline" / "tests" / "mine.txt").write_text("keep me", encoding="utf-8")
    run_pytest("--timeline", "-k", "test_a", "--timeline-format=chrome")
    left = {path.name for path in (first.directory / "timeline" / "tests").iterdir()}
    assert len(left) == 3
    assert {"mine.txt", "collection.json.gz"} < left


def test_the_summary_names_what_folded(pytester, run_pytest):
    pytester.makepyfile("def f(): pass\ndef test_a():\n    for _ in range(100): f()")
    by_number = run_pytest("--timeline", "--timeline-max-slices=10").stdout
    assert "more is kept with a larger --timeline-max-slices" in by_number
    assert "--timeline-min-duration" not in by_number
    assert "a smaller --timeline-min-duration" in run_pytest("--timeline", "--timeline-min-duration=1s").stdout


@pytest.mark.parametrize("option", ["--collect-only", "--fixtures", "--fixtures-per-test"])
def test_where_no_test_runs_nothing_is_recorded(pytester, run_pytest, option):
    pytester.makepyfile("def test_a(): pass")
    run = run_pytest("--timeline", option)
    assert run.ret == 0
    assert not (run.directory / "timeline").exists()


def test_long_and_strange_node_ids(pytester, run_pytest):
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("x", ["a/b", "x" * 50_000, "tab\\t", "\\N{SNOWMAN}", ""], ids=lambda x: x)
        def test_a(x):
            raise ValueError("\\udc80 is no character" * 1000)
        """
    )
    run = run_pytest("--timeline", "--tb=no", "-q")
    assert run.ret == 1
    assert [test["outcome"] for test in run.manifest["tests"]] == ["failed"] * 5
    assert run.manifest["warnings"] == []
    assert len({test["files"]["perfetto"] for test in run.manifest["tests"]}) == 5


def test_an_interrupted_run_has_its_timelines(pytester, run_pytest):
    pytester.makepyfile("def test_a(): pass\ndef test_b(): raise KeyboardInterrupt\ndef test_c(): pass")
    run = run_pytest("--timeline")
    assert run.ret == pytest.ExitCode.INTERRUPTED
    assert run.outcomes == {"test_a": "passed", "test_b": "error"}
    assert run.manifest["exitstatus"] == 2


def test_a_test_that_kills_pytest_is_marked_crashed(pytester, run_pytest):
    import time

    pytester.makepyfile("import os\ndef test_a(): pass\ndef test_b(): os.kill(os.getpid(), 9)")
    run = run_pytest("--timeline")
    assert run.ret == -9
    manifest = run.directory / "timeline" / "run.json"
    deadline = time.monotonic() + 120
    while not manifest.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert run.outcomes == {"test_a": "passed", "test_b": "crashed"}


def test_the_environment_is_as_it_was(pytester, run_pytest):
    pytester.makeconftest(
        """
        import os

        def pytest_unconfigure():
            with open("environment", "w") as file:
                file.write(os.environ.get("PYTEST_TIMELINE_SPOOL", "none"))
        """
    )
    pytester.makepyfile("import os\ndef test_a(): assert os.environ['PYTEST_TIMELINE_SPOOL'].endswith('main')")
    run = run_pytest("--timeline")
    assert run.ret == 0
    assert (run.directory / "environment").read_text(encoding="utf-8") == "none"
