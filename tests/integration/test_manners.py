"""With other plugins, all at once and each on its own terms, a run is the same with and without `--timeline`."""

from __future__ import annotations

import importlib.util
import json
import sys
from typing import Any, NamedTuple

import pytest

from support import manners, trace_processor
from support.runs import Run, without

PERFETTO = ("--timeline", "--timeline-mode=both", "--timeline-format=perfetto")


def needs(*modules: str) -> pytest.MarkDecorator:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


class Suite(NamedTuple):
    files: dict[str, str]
    options: tuple[str, ...]
    plugins: tuple[str, ...]  # of those that the tests block


MANY = Suite(manners.MANY, manners.MANY_OPTIONS, ("anyio", "asyncio", "hypothesispytest", "randomly", "trio"))
GREENLETS = Suite(manners.GREENLETS, manners.GREENLETS_OPTIONS, ())
PLUGINS = needs(
    "pytest_asyncio", "pytest_trio", "anyio", "hypothesis", "pytest_randomly", "pytest_rerunfailures", "pytest_html"
)
SUITES = [
    pytest.param((suite, *workers), id=name + "".join(workers or ("-n0",)), marks=(mark, needs("xdist")))
    for name, suite, mark in (("many", MANY, PLUGINS), ("greenlets", GREENLETS, needs("greenlet")))
    for workers in ((), ("-n2",))
]


class Pair(NamedTuple):
    """The same run without and with a timeline."""

    without: Run
    recorded: Run
    ordered: bool

    def lines(self) -> list[list[str]]:
        both = [manners.lines(run.directory, run.stdout) for run in self[:2]]
        return both if self.ordered else [sorted(lines) for lines in both]


@pytest.fixture(scope="module", params=SUITES)
def pair(request, run_once) -> Pair:
    suite, *workers = request.param
    options = ["-rA", "-v", "--junitxml=junit.xml", *suite.options, *workers]
    runs = (run_once(suite.files, *options, *extra, PYTEST_ADDOPTS=without(*suite.plugins)) for extra in ((), PERFETTO))
    return Pair(*runs, ordered=not workers)


def test_the_exit_code_and_each_outcome_are_the_same(pair):
    before, after = (manners.outcomes(run.directory / "junit.xml") for run in pair[:2])
    assert len(before) > 4 and any(outcome == "failure" for _, outcome in before)
    assert (before, pair.without.ret) == (after, pair.recorded.ret) if pair.ordered else sorted(before) == sorted(after)


def test_the_output_is_the_same(pair):
    before, after = pair.lines()
    assert after == before
    assert pair.recorded.stderr == pair.without.stderr


def test_every_test_has_a_timeline(pair):
    run = pair.recorded
    assert run.manifest["warnings"] == []
    assert len(run.manifest["tests"]) == len(manners.outcomes(run.directory / "junit.xml"))
    for test in run.manifest["tests"]:
        assert test["dropped"] == 0 and (run.directory / "timeline" / test["files"]["perfetto"]).stat().st_size
        assert test["slices"] or test["outcome"] == "skipped"


@pytest.mark.skipif(trace_processor.missing() is not None, reason=str(trace_processor.missing()))
def test_the_trace_loads(pair):
    run = pair.recorded
    assert trace_processor.errors(run.directory / "timeline" / run.manifest["combined"]["perfetto"]) == []


def in_order(found: Any) -> Any:
    """Return the JSON with its lists in order: the contexts of a line are in none."""
    if isinstance(found, dict):
        return {key: in_order(value) for key, value in found.items()}
    return sorted(found) if isinstance(found, list) else found


SYSMON = pytest.mark.skipif(sys.version_info < (3, 12), reason="needs sys.monitoring")


@needs("pytest_cov", "xdist")
@pytest.mark.parametrize(
    ("core", "options"),
    [
        pytest.param("ctrace", ["--cov-branch", "--cov-context=test"], id="ctrace"),
        pytest.param("ctrace", ["--cov-branch", "-n2"], id="ctrace-n2"),
        pytest.param("sysmon", [], id="sysmon", marks=SYSMON),
        pytest.param("sysmon", ["-n2"], id="sysmon-n2", marks=SYSMON),
    ],
)
def test_what_is_covered_is_the_same(run_once, core, options):
    found = []
    for extra in ((), PERFETTO):
        run = run_once(
            manners.COVERED, *manners.COVERED_OPTIONS, *options, *extra,
            COVERAGE_CORE=core, PYTEST_ADDOPTS=without("pytest_cov"),
        )  # fmt: skip
        assert run.ret == 0, run.stdout
        covered = json.loads((run.directory / "coverage.json").read_bytes())
        (table,) = (line.split() for line in run.stdout.splitlines() if line.startswith("shop.py "))
        found.append((in_order(covered["files"]), covered["totals"], table))
    assert found[0] == found[1]
    assert found[0][0]["shop.py"]["missing_lines"] == [17]
    assert run.manifest["warnings"] == [] and set(run.outcomes.values()) == {"passed"}
    assert run.tests["test_child"]["processes"] == 2 and run.tests["test_later"]["threads"] >= 2


@needs("pytest_benchmark", "xdist")
@pytest.mark.parametrize(("options", "told"), [([], 1), (["--benchmark-disable"], 0), (["-n2"], 0)])
def test_benchmarks_are_told_that_the_recording_is_in_their_figures(run_once, options, told):
    blocked = without("benchmark")
    run = run_once(manners.MEASURED, *manners.MEASURED_OPTIONS, *options, *PERFETTO, PYTEST_ADDOPTS=blocked)
    assert run.ret == 0, run.stdout
    assert set(run.outcomes.values()) == {"passed"} and len(run.outcomes) == 4
    assert run.manifest["warnings"] == []
    said = "pytest-benchmark's figures of 2 tests include the recording: for figures without it mark them "
    assert run.stdout.count(f"{said}@pytest.mark.timeline(off=True), or run without --timeline") == told
    assert run.stdout.count("include the recording") == told


NATIVE = pytest.mark.skipif(pytest.version_tuple < (9,), reason="[tool.pytest] is pytest 9's")
SETTINGS = """
timeline = true
timeline_dir = "out"
timeline_format = ["perfetto"]
timeline_exclude = ["sqlalchemy"]
timeline_max_slices = 200_000
timeline_standalone = false
timeline_keep = ["failed"]
"""
TEST = "import pytest\n@pytest.mark.timeline(keep=True)\ndef test_a(): pass\n"


@NATIVE
def test_native_toml(run_once):
    run = run_once({"pyproject.toml": f"[tool.pytest]\nstrict = true{SETTINGS}", "test_it.py": TEST}, "-W", "error")
    assert run.ret == 0, run.stdout
    manifest = json.loads((run.directory / "out" / "run.json").read_bytes())
    assert manifest["warnings"] == [] and manifest["keep"] == ["failed"]
    assert set(manifest["tests"][0]["files"]) == {"perfetto"}


@NATIVE
@pytest.mark.parametrize(
    "setting",
    ["timeline = 1", 'timeline_dir = ["a"]', 'timeline_format = "html"', 'timeline_max_slices = "many"',
     "timeline_keep = [1]", 'timeline_standalone = "yes"'],
)  # fmt: skip
def test_native_toml_of_the_wrong_type(run_once, setting):
    name = setting.partition(" ")[0]
    on = "" if name == "timeline" else "timeline = true\n"
    run = run_once({"pyproject.toml": f"[tool.pytest]\n{on}{setting}\n", "test_it.py": TEST})
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = filter(None, run.stderr.splitlines())
    assert line.startswith("ERROR: ") and name in line


def test_without_the_plugin(run_once):
    files = {"test_it.py": "def test_a(): pass"}
    run = run_once(files, *manners.SAME, "-p", "no:timeline")
    assert run.ret == 0 and "timeline" not in run.stdout.replace("no:timeline", "")
    run = run_once(files, *manners.SAME, "-p", "no:timeline", "--timeline")
    assert run.ret == pytest.ExitCode.USAGE_ERROR and "unrecognized arguments: --timeline" in run.stderr
