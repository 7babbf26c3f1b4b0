"""Each attempt of pytest-rerunfailures is a test of its own."""

from __future__ import annotations

import pytest

pytest.importorskip("pytest_rerunfailures")


def test_each_attempt_has_its_timeline(pytester, run_pytest):
    pytester.makepyfile(
        """
        import pytest

        attempts = []

        def test_flaky():
            attempts.append(1)
            assert len(attempts) == 3

        def test_steady():
            pass
        """
    )
    run = run_pytest("--timeline", "--reruns", "4", "--timeline-summary=summary.md")
    assert run.ret == 0
    assert "recorded 2 tests and 2 reruns," in run.stdout
    summary = (pytester.path / "summary.md").read_text(encoding="utf-8")
    assert "**2 passed, 2 rerun**" in summary
    assert "#### Failed" not in summary
    assert summary.partition("#### Run again")[2].partition("####")[0].count("AssertionError") == 2
    assert run.outcomes == {
        "test_flaky": "failed",
        "test_flaky#1": "failed",
        "test_flaky#2": "passed",
        "test_steady": "passed",
    }
    files = [test["files"]["perfetto"] for test in run.manifest["tests"]]
    assert len(set(files)) == 4
    assert files[1] == files[0].replace(".pftrace.gz", "-r1.pftrace.gz")
    starts = [test["start"] for test in run.manifest["tests"]]
    assert starts == sorted(starts)


def test_reruns_in_workers(pytester, run_pytest):
    pytest.importorskip("xdist")
    pytester.makepyfile("def test_fails(): assert 0")
    run = run_pytest("--timeline", "--reruns", "1", "-n", "1")
    assert run.ret == 1
    assert run.outcomes == {"test_fails": "failed", "test_fails#1": "failed"}
    assert "recorded 1 test and 1 rerun," in run.stdout
