"""With pytest-xdist each worker's tests get their files, and a worker's death breaks nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

from support import trace_processor

pytest.importorskip("xdist")

needs_engine = pytest.mark.skipif(trace_processor.missing() is not None, reason=str(trace_processor.missing()))

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
    assert run.stdout.count(f"timeline: timeline{os.sep} (") == 1
    assert run.stdout.count("recorded 6 tests") == 1
    workers = {"gw0", "gw1"} if "2" in arguments else set()
    assert {worker["id"] for worker in run.manifest["workers"]} == workers
    assert {test["worker"] for test in run.manifest["tests"]} == (workers or {None})
    assert len({file for test in run.manifest["tests"] for file in test["files"].values()}) == 12
    assert run.manifest["warnings"] == []


def said(run):
    """Return (worker, outcome, node id) of each test as xdist told them; needs -v."""
    lines = re.findall(r"^\[(gw\d+)\] \[ *\d+%\] ([A-Z]+) (\S+)", run.stdout, re.MULTILINE)
    return sorted((worker, outcome.lower(), nodeid) for worker, outcome, nodeid in lines)


@needs_engine
@pytest.mark.parametrize("dist", ["load", "loadscope", "loadfile", "worksteal", "each"])
def test_every_way_to_distribute(pytester, run_pytest, dist):
    pytester.makepyfile(test_one=SUITE, test_two=SUITE)
    run = run_pytest(
        *("--timeline", "-v", "-n", "2", f"--dist={dist}", "--timeline-mode=both", "--timeline-format=perfetto")
    )
    tests = run.manifest["tests"]
    assert run.ret == 1
    assert run.manifest["warnings"] == []
    assert sorted((test["worker"], test["outcome"], test["nodeid"]) for test in tests) == said(run)
    expected = [(outcome, f"test_{n}.py::{name}") for n in ("one", "two") for name, outcome in OUTCOMES.items()]
    assert sorted((outcome, nodeid) for _, outcome, nodeid in said(run)) == sorted(expected * (1 + (dist == "each")))
    files = {test["files"]["perfetto"] for test in tests}
    assert len(files) == len(tests)
    found = {f"tests/{name}" for name in os.listdir(run.directory / "timeline" / "tests")}
    assert found == files | {f"tests/collection-{worker}.pftrace.gz" for worker in ("gw0", "gw1")}
    assert sorted(os.listdir(run.directory / "timeline")) == ["combined.pftrace.gz", "run.json", "tests"]

    errors, drawn = trace_processor.query(
        run.directory / "timeline" / run.manifest["combined"]["perfetto"],
        trace_processor.ERRORS,
        """select process.name, slice.name from slice join process_track on slice.track_id = process_track.id
        join process using (upid) where slice.category = 'test' and slice.depth = 0 and slice.name glob '*::*'""",
    )
    assert errors == []
    pids = {worker["id"]: worker["pid"] for worker in run.manifest["workers"]}
    assert set(pids) == {"gw0", "gw1"}
    assert sorted(drawn) == sorted((f"pytest {worker} ({pids[worker]})", nodeid) for worker, _, nodeid in said(run))


def test_a_limit_of_workers(pytester, run_pytest):
    pytester.makepyfile(SUITE)
    run = run_pytest("--timeline", "-n", "4", "--maxprocesses=2")
    assert run.outcomes == OUTCOMES
    assert [worker["id"] for worker in run.manifest["workers"]] == ["gw0", "gw1"]


def test_stopping_at_the_first_failure(pytester, run_pytest):
    pytester.makepyfile(SUITE)
    arguments = ["-p", "no:cacheprovider", "-v", "-n", "2", "-x"]
    run, without = run_pytest("--timeline", *arguments), run_pytest(*arguments)
    assert run.ret == without.ret == run.manifest["exitstatus"]
    assert run.outcomes.items() <= OUTCOMES.items()
    assert run.outcomes["test_a[3]"] == "failed"
    assert {test for _, _, test in said(run)} <= {test["nodeid"] for test in run.manifest["tests"]}
    assert run.manifest["warnings"] == []


DEATHS = {"exit": "os._exit(3)"} | {
    name: f"os.kill(os.getpid(), signal.{name})" for name in ("SIGKILL", "SIGSEGV") if hasattr(signal, name)
}


@needs_engine
@pytest.mark.parametrize("death", DEATHS)
def test_a_worker_that_dies(pytester, run_pytest, death):
    """The test that killed it has its timeline up to there, and the worker in its place goes on."""
    pytester.makepyfile(
        f"""
        import os, signal

        def dive(depth):
            if depth:
                dive(depth - 1)
            else:
                {DEATHS[death]}

        def test_before(): pass
        def test_deadly(): dive(3)
        def test_after(): pass
        def test_last(): pass
        """
    )
    arguments = ["-p", "no:cacheprovider", "-p", "no:faulthandler", "-n", "1", "-v"]
    run, without = run_pytest("--timeline", "--timeline-format=perfetto", *arguments), run_pytest(*arguments)
    assert run.ret == without.ret == 1
    assert said(run) == said(without) != []
    assert {name: (test["worker"], test["outcome"]) for name, test in run.tests.items()} == {
        "test_before": ("gw0", "passed"),
        "test_deadly": ("gw0", "crashed"),
        "test_after": ("gw1", "passed"),
        "test_last": ("gw1", "passed"),
    }
    how = {"exit_code": 3} if death == "exit" else {"signal": death}
    assert [{**worker, "pid": 0} for worker in run.manifest["workers"]] == [
        {"id": "gw0", "pid": 0, "died": how},
        {"id": "gw1", "pid": 0, "replaces": "gw0"},
    ]
    assert run.manifest["warnings"] == []
    errors, died, end = trace_processor.query(
        run.directory / "timeline" / run.tests["test_deadly"]["files"]["perfetto"],
        trace_processor.ERRORS,
        """select slice.name, max(slice.ts + slice.dur) over () from slice join args using (arg_set_id)
        where args.key glob '*died' order by slice.depth""",
        "select ts + dur from slice where category = 'test' and name glob '*::test_deadly'",
    )
    assert errors == []
    assert [name for name, _ in died if name in ("test_deadly", "dive")] == ["test_deadly", *["dive"] * 4]
    assert abs(died[0][1] - end[0][0]) < 1000  # ns


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")
@pytest.mark.parametrize("place", ["timeline", "../elsewhere"])
def test_looponfail(pytester, run_pytest, place):
    """It runs again whenever a file below the working directory changes: ours would keep it running."""
    from xdist.looponfail import StatRecorder

    pytester.makeini("[pytest]")
    pytester.makepyfile(SUITE)
    elsewhere = place.startswith("..")
    files = StatRecorder([pytester.path])
    said = []
    for options in ([], ["--timeline", f"--timeline-dir={place}"]):
        with subprocess.Popen(
            [sys.executable, "-u", "-m", "pytest", "-f", "-p", "no:cacheprovider", *options],
            cwd=pytester.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            text = ""
            for line in process.stdout:
                text += line
                if line.startswith("### Watching"):
                    process.send_signal(signal.SIGINT)
        assert process.returncode == 2
        assert not files.check()
        said.append(text)
    assert all("1 failed, 5 passed" in text for text in said)
    without, with_ours = (text.partition("# LOOPONFAILING #")[2] for text in said)
    assert with_ours == without != ""
    assert ("nothing is recorded: --looponfail watches" in said[1]) is not elsewhere
    assert (pytester.path / place / "run.json").exists() is elsewhere


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
