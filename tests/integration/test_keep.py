"""`--timeline-keep` in real runs: what is written, what is said of the rest."""

from __future__ import annotations

import os
import time

import pytest

TIMEOUT = 300.0

MIXED = """
import os
import pytest

attempts = []

def test_passes():
    pass

def test_fails():
    assert 0

def test_flaky():
    attempts.append(1)
    assert len(attempts) > 1

def test_steady():
    pass
"""


def kept(run):
    """Return the tests whose files are there, after a look that these are all."""
    files = {file for test in run.manifest["tests"] for file in test["files"].values()}
    files |= {file for file in run.manifest["report"] if file.startswith("tests/")}  # the collection's
    folder = run.directory / "timeline" / "tests"
    assert {f"tests/{name}" for name in (os.listdir(folder) if folder.exists() else [])} == files
    return {name for name, test in run.tests.items() if test["files"]}


def test_a_run_that_passes_leaves_its_page_and_its_manifest(pytester, run_pytest):
    pytester.makepyfile("def test_a(): pass\ndef test_b(): pass")
    run = run_pytest("--timeline", "--timeline-keep=failed", "--timeline-standalone")
    assert run.ret == 0
    assert sorted(os.listdir(run.directory / "timeline")) == ["index.html", "run.json"]
    assert kept(run) == set()
    assert run.manifest["keep"] == ["failed"] and len(run.tests) == 2
    assert all(test["slices"] and not test["kept"] for test in run.tests.values())
    assert "timeline: timeline/ (per-test; html, perfetto; keep failed)" in run.stdout
    assert "kept 0 of 2 timelines (--timeline-keep=failed)" in run.stdout
    assert "report: timeline/index.html" in run.stdout and "timelines in" not in run.stdout


def test_what_only_a_page_needs_is_not_there_without_one(pytester, run_pytest):
    pytester.makepyfile("def test_a(): pass")
    run = run_pytest("--timeline", "--timeline-keep=failed,slow:99s", "--timeline-format=html")
    found = os.listdir(run.directory / "timeline" / "assets")
    assert "run.js" in found and not any(name.startswith(("source-", "test.")) for name in found)
    assert sorted(f"assets/{name}" for name in found) == sorted(run.manifest["report"])[:-1]


def test_both_attempts_are_kept(pytester, run_pytest):
    pytest.importorskip("pytest_rerunfailures")
    pytester.makepyfile(MIXED)
    pytester.makeini("[pytest]\ntimeline_keep = failed\n")
    run = run_pytest("--timeline", "--reruns", "1")
    assert kept(run) == {"test_fails", "test_fails#1", "test_flaky", "test_flaky#1"}
    run = run_pytest("--timeline", "--timeline-keep", "slow:0s", "-k", "passes or steady")
    assert kept(run) == {"test_passes", "test_steady"}  # the command line wins


def test_in_workers_also_the_one_that_took_its_worker_with_it(pytester, run_pytest):
    pytest.importorskip("xdist")
    pytester.makepyfile(MIXED + "\ndef test_dies():\n    os._exit(3)\n")
    run = run_pytest("--timeline", "-n", "2", "--timeline-keep=failed", "--timeline-format=perfetto")
    assert kept(run) == {"test_fails", "test_flaky", "test_dies"}
    assert run.outcomes["test_dies"] == "crashed"
    assert "kept 3 of 5 timelines (--timeline-keep=failed)" in run.stdout


def test_a_run_that_is_killed_has_what_failed_before(pytester, run_pytest):
    pytester.makepyfile(MIXED + "\ndef test_dies():\n    os.kill(os.getpid(), 9)\n")
    run = run_pytest("--timeline", "--timeline-keep=failed,slowest:9", "--timeline-format=perfetto")
    assert run.ret == -9
    end = time.monotonic() + TIMEOUT
    while (pytester.path / "timeline" / ".spool").exists():  # the collector goes on by itself
        assert time.monotonic() < end, "gave up waiting"
        time.sleep(0.02)
    assert kept(run) == {"test_passes", "test_fails", "test_flaky", "test_steady", "test_dies"}
