"""With pytest-xdist each worker's tests get their files, and a worker's death breaks nothing."""

from __future__ import annotations

import pytest

pytest.importorskip("xdist")

SUITE = """
import pytest

@pytest.mark.parametrize("n", range(6))
def test_a(n):
    assert n != 3
"""

OUTCOMES = {f"test_a[{n}]": "failed" if n == 3 else "passed" for n in range(6)}


@pytest.mark.parametrize("arguments", [["-p", "no:xdist"], ["-n", "0"], ["-n", "2"]])
def test_every_test_has_its_files(pytester, run_pytest, arguments):
    pytester.makepyfile(SUITE)
    run = run_pytest("--timeline", *arguments)
    assert run.ret == 1
    assert run.outcomes == OUTCOMES
    assert run.stdout.count("timeline: ") == 1
    assert run.stdout.count("recorded 6 tests") == 1
    workers = {"gw0", "gw1"} if "2" in arguments else set()
    assert {worker["id"] for worker in run.manifest["workers"]} == workers
    assert {test["worker"] for test in run.manifest["tests"]} == (workers or {None})
    assert len({file for test in run.manifest["tests"] for file in test["files"].values()}) == 12
    assert run.manifest["warnings"] == []


def test_a_worker_that_dies(pytester, run_pytest):
    pytester.makepyfile("import os\ndef test_a(): os._exit(3)\ndef test_b(): pass\ndef test_c(): pass")
    run = run_pytest("--timeline", "-n", "1")
    assert run.ret == 1
    assert run.outcomes == {"test_a": "crashed", "test_b": "passed", "test_c": "passed"}


def test_a_worker_s_children_are_recorded_with_it(pytester, run_pytest):
    pytester.makepyfile(
        """
        import os, subprocess, sys

        def test_a(worker_id):
            assert os.environ["PYTEST_TIMELINE_SPOOL"].endswith(worker_id)
            subprocess.run([sys.executable, "-c", "pass"], check=True)
        """
    )
    run = run_pytest("--timeline", "-n", "1")
    assert run.ret == 0, run.stdout


def test_options_reach_the_workers(pytester, run_pytest):
    pytester.makepyfile("import collections, textwrap\ndef test_a(): textwrap.wrap('a b')")
    everything, nothing = (
        run_pytest("--timeline", "-n", "1", *extra).tests["test_a"]["slices"]
        for extra in ([], ["--timeline-include=nothing.like.it"])
    )
    assert everything > 3
    assert nothing < everything
