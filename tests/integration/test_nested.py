"""pytest inside pytest: each session keeps its own story, and the outer recording goes on."""

from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize("how", ["runpytest_inprocess", "runpytest_subprocess"])
@pytest.mark.parametrize("arguments", [[], ["--timeline"]])
def test_a_nested_session_does_not_mix(pytester, run_pytest, how, arguments):
    pytester.makepyfile(
        f"""
        import json, os
        from pytest_timeline import _recorder

        pytest_plugins = ["pytester"]

        def test_outer(pytester):
            before = os.environ["PYTEST_TIMELINE_SPOOL"]
            pytester.makepyfile("def test_inner(): assert 0")
            result = pytester.{how}(*{arguments})
            assert result.ret == 1
            assert os.environ["PYTEST_TIMELINE_SPOOL"] == before
            assert _recorder.active()
            assert pytester.path.joinpath("timeline").exists() == bool({arguments})
            if {arguments}:
                with open("timeline/run.json") as file:
                    print("INNER", [test["nodeid"] for test in json.load(file)["tests"]])

        def test_next():
            sum(map(abs, range(10)))
        """
    )
    run = run_pytest("--timeline", "-p", "no:cacheprovider", "-rP")
    assert run.ret == 0, run.stdout
    assert run.outcomes == {"test_outer": "passed", "test_next": "passed"}
    assert run.manifest["warnings"] == []
    if arguments:
        inner = next(line for line in run.stdout.splitlines() if line.startswith("INNER"))
        assert "::test_inner" in inner
        assert "::test_outer" not in inner


def test_a_recorded_session_in_one_that_is_not(pytester, run_pytest):
    pytester.makepyfile(
        """
        import os
        from pytest_timeline import _recorder

        pytest_plugins = ["pytester"]

        def test_outer(pytester):
            pytester.makepyfile("def test_inner(): pass")
            for _ in range(2):
                assert pytester.runpytest_inprocess("--timeline").ret == 0
                assert not _recorder.active()
                assert "PYTEST_TIMELINE_SPOOL" not in os.environ
        """
    )
    run = run_pytest()
    assert run.ret == 0, run.stdout


def test_an_inner_session_that_may_not_record_leaves_the_outer_alone(pytester, run_pytest):
    pytester.makepyfile(
        """
        from pytest_timeline import _recorder

        pytest_plugins = ["pytester"]

        def test_outer(pytester):
            pytester.makepyfile("def test_inner(): pass")
            pytester.path.joinpath("timeline").touch()
            assert pytester.runpytest_inprocess("--timeline").ret == 4
            assert _recorder.active()
        """
    )
    run = run_pytest("--timeline")
    assert run.ret == 0, run.stdout
    assert run.outcomes == {"test_outer": "passed"}


def test_a_forked_child_that_runs_on_ends_nothing(pytester, run_pytest):
    pytest.importorskip("posix")
    pytester.makepyfile(
        """
        import os, pytest

        def test_fork():
            if not os.fork():
                pytest.exit("the child goes on to the end of its session")
            assert os.wait()[1] != 0

        def test_next(): pass
        """
    )
    run = run_pytest("--timeline")
    assert json.loads((run.directory / "timeline" / "run.json").read_text(encoding="utf-8"))["exitstatus"] == 0
    assert run.outcomes == {"test_fork": "passed", "test_next": "passed"}
