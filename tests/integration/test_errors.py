"""What bad input gets: one clear line and exit code 4 before any test runs, or a run that says what is missing."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

import pytest_timeline

TEST = "import pathlib\ndef test_a(): pathlib.Path('ran').touch()"


def assert_refused(run, *texts):
    """One line that starts with ERROR holds all of `texts`; no test ran."""
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    lines = [line for line in run.stderr.splitlines() if line]
    assert len(lines) == 1, run.stderr
    assert lines[0].startswith("ERROR: ")
    for text in texts:
        assert text in lines[0]
    assert not (run.directory / "ran").exists()


@pytest.mark.parametrize(
    "argument",
    [
        "--timeline-mode=x",
        "--timeline-format=svg",
        "--timeline-c-calls=some",
        "--timeline-min-duration=5",
        "--timeline-max-slices=-1",
        "--timeline-keep=slow",
    ],
)
def test_a_value_that_makes_no_sense(pytester, run_pytest, argument):
    pytester.makepyfile(TEST)
    assert_refused(run_pytest("--timeline", argument), argument.partition("=")[0])
    assert run_pytest(argument).ret == 0


def test_a_flag_in_the_ini_file_that_makes_no_sense(pytester, run_pytest):
    pytester.makepyfile(TEST)
    pytester.makeini("[pytest]\ntimeline = maybe")
    assert_refused(run_pytest(), "timeline in the ini file", "maybe")


def test_the_directory_is_a_file(pytester, run_pytest):
    pytester.makepyfile(TEST)
    pytester.path.joinpath("timeline").touch()
    assert_refused(run_pytest("--timeline"), "--timeline-dir", "is a file")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc takes no files, not even from root")
def test_the_directory_cannot_be_written_to(pytester, run_pytest):
    pytester.makepyfile(TEST)
    assert_refused(run_pytest("--timeline", "--timeline-dir=/proc/timeline"), "--timeline-dir", "cannot be written to")


def test_the_disk_is_full(pytester, run_pytest):
    pytest.importorskip("resource")
    pytester.makepyfile(TEST)
    pytester.makepyfile(plugin="import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))")
    run = run_pytest("--timeline", "-p", "plugin")
    assert_refused(run, "--timeline-dir", "cannot be written to", "File too large")
    assert list((run.directory / "timeline").iterdir()) == []


def test_the_directory_is_in_use(pytester, run_pytest):
    pytester.makepyfile(
        """
        import subprocess, sys

        def test_inner():
            inner = [sys.executable, "-m", "pytest", "--timeline", "--timeline-dir=timeline", "-p", "no:cacheprovider"]
            done = subprocess.run([*inner, "-k", "nothing"], capture_output=True, encoding="utf-8")
            assert done.returncode == 4
            assert "is in use by another run" in done.stderr
        """
    )
    run = run_pytest("--timeline")
    assert run.ret == 0, run.stdout
    assert run.outcomes == {"test_inner": "passed"}


def test_a_dead_run_s_leftover_is_replaced(pytester, run_pytest):
    pytester.makepyfile(TEST)
    spool = pytester.mkdir("timeline") / ".spool" / "main"
    spool.mkdir(parents=True)
    run = run_pytest("--timeline")
    assert run.ret == 0
    assert "python -m pytest_timeline collect timeline" in run.stdout
    assert not spool.exists()
    assert run.outcomes == {"test_a": "passed"}


def test_the_compiled_module_is_missing(pytester, run_pytest):
    package = Path(pytest_timeline.__file__).parent
    shutil.copytree(package, pytester.path / "pytest_timeline", ignore=shutil.ignore_patterns("*.so", "*.pyd"))
    pytester.makepyfile(TEST)
    run = run_pytest("--timeline")  # python -m puts the working directory first
    assert_refused(run, "compiled module", "python ext/build.py")
    assert run_pytest().ret == 0


def test_the_collector_is_killed(pytester, run_pytest):
    pytester.makepyfile(
        """
        import os, pathlib, signal, time
        from pytest_timeline.spooldir import StatusPage

        def test_kill():
            page = StatusPage("timeline/.spool/status")
            while not page["pid"]:
                time.sleep(0.01)
            os.kill(page["pid"], signal.SIGTERM)

        def test_after(): pass
        """
    )
    run = run_pytest("--timeline")
    assert run.ret == 0
    assert "2 passed" in run.stdout
    assert "the collector is gone" in run.stdout
    assert "python -m pytest_timeline collect timeline" in run.stdout


def test_an_error_of_our_own_ends_the_recording_and_no_test(pytester, run_pytest):
    pytester.makepyfile(
        """
        from pytest_timeline import _recorder

        def test_a(): pass
        def test_b(): _recorder.mark = None
        def test_c(): assert not _recorder.active()
        """
    )
    run = run_pytest("--timeline")
    assert run.ret == 0
    assert "3 passed" in run.stdout
    assert run.stdout.count("recording was switched off by an error of pytest-timeline's own: TypeError") == 1
    assert run.outcomes["test_a"] == "passed"


@pytest.fixture
def other_timeline(pytester):
    """A plugin with a --timeline of its own, as pytest-isolate has."""
    pytester.makepyfile(
        pytest_isolate="""
        def pytest_addoption(parser):
            parser.addoption("--timeline", dest="timeline", action="store_true")
        """
    )
    pytester.makepyfile(TEST)


@pytest.mark.parametrize("first", [True, False])
def test_another_plugin_has_the_option_too(pytester, run_pytest, other_timeline, first):
    ours, theirs = ["-p", "pytest_timeline.plugin"], ["-p", "pytest_isolate"]
    plugins = ours + theirs if first else theirs + ours
    environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": os.pathsep.join(["", *sys.path])}
    assert_refused(run_pytest("--timeline", *plugins, **environment), "-p no:isolate", "-p no:timeline")
    assert run_pytest(*plugins, **environment).ret == 0
    assert run_pytest("--timeline", *theirs, **environment).ret == 0


@pytest.mark.parametrize("error", ["ValueError", "KeyboardInterrupt", "RuntimeError", "OSError"])
def test_a_start_that_fails_leaves_the_previous_run_s_report(pytester, run_pytest, error):
    pytester.makepyfile(TEST)
    pytester.makepyfile(
        broken=f"""
        from pytest_timeline.session import recording

        def fail(config):
            raise {error}("no")

        recording._plugins = fail
        """
    )
    assert run_pytest("--timeline").ret == 0
    before = {path.name: path.stat().st_mtime_ns for path in (pytester.path / "timeline").rglob("*")}
    assert "run.json" in before and "index.html" in before
    run = run_pytest("--timeline", "-p", "broken", PYTHONPATH=str(pytester.path))
    assert run.ret == 0 if error == "RuntimeError" else run.ret != 0
    run.wait_for_the_collector()
    after = {path.name: path.stat().st_mtime_ns for path in (pytester.path / "timeline").rglob("*")}
    assert after.keys() == before.keys() and after["run.json"] == before["run.json"]
