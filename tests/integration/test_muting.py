"""A test with a hot function, from its calls to the summary, the manifest and every trace."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from support import trace_processor

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="3.11 mutes nothing")

ANY_CHUNK_IS_HOT = """
from pytest_timeline import _recorder

start = _recorder.start
_recorder.start = lambda *args, **options: start(*args, **options, sample=1000, hot_ns=10**9)
"""
HOT = """
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

def test_hot():
    assert fib(20) == 6765

def test_cool():
    assert fib(10) == 55
"""


def run(pytester: pytest.Pytester, *options: str) -> tuple[str, list[dict[str, object]]]:
    pytester.makepyfile(any_chunk_is_hot=ANY_CHUNK_IS_HOT)  # a plugin: recording begins before the first conftest
    pytester.makepyfile(HOT)
    formats = "--timeline-format=html,perfetto,chrome"
    result = pytester.runpytest_subprocess(
        "-p", "any_chunk_is_hot", "--timeline", formats, "--timeline-mode=both", *options
    )
    assert result.ret == 0
    manifest = json.loads((pytester.path / "timeline" / "run.json").read_bytes())
    return result.stdout.str(), manifest["tests"]


def test_a_hot_function_is_told_of_everywhere(pytester: pytest.Pytester) -> None:
    output, (hot, cool) = run(pytester)
    (text,) = hot["unrecorded"]
    assert hot["muted"] == 1
    assert text.startswith("fib beyond ")
    assert text.endswith(f"ms ({Path(hot['nodeid'].partition('::')[0])}:1)")
    assert 1000 < hot["slices"] < 5000
    assert (cool["muted"], cool["unrecorded"]) == (0, [])
    assert f"too hot to record: {text}  in {hot['nodeid']}" in output
    assert "--timeline-full records every call" in output
    directory = pytester.path / "timeline"
    assert text.partition(" (")[0] in (directory / hot["files"]["html"]).read_text()
    if (reason := trace_processor.missing()) is not None:
        pytest.skip(reason)
    for file in (hot["files"]["perfetto"], hot["files"]["chrome"], "combined.pftrace.gz", "combined.json.gz"):
        assert trace_processor.errors(directory / file) == []
        (found,) = trace_processor.query(
            directory / file, "select dur from slice where name = 'not recorded from here: fib'"
        )
        assert found == [(0,)]


def test_full_records_every_call(pytester: pytest.Pytester) -> None:
    output, (hot, cool) = run(pytester, "--timeline-full")
    assert hot["muted"] == cool["muted"] == 0
    assert hot["slices"] > 21891
    assert "too hot" not in output


def test_a_test_may_ask_for_every_call(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(any_chunk_is_hot=ANY_CHUNK_IS_HOT)
    pytester.makepyfile(
        """
        import pytest

        def leaf(): pass

        def call():
            for _ in range(5000): leaf()

        def test_before(): call()

        @pytest.mark.timeline(full=True)
        def test_marked(): call()

        def test_asks(timeline):
            call()
            assert len(timeline.total("leaf").slices) == 5000

        @pytest.mark.timeline(full=False)
        def test_does_not(timeline): call()

        def test_after(): call()
        """
    )
    result = pytester.runpytest_subprocess("-p", "any_chunk_is_hot", "--timeline", "--timeline-format=perfetto")
    assert result.ret == 0
    tests = json.loads((pytester.path / "timeline" / "run.json").read_bytes())["tests"]
    assert [test["muted"] for test in tests] == [1, 0, 0, 1, 1]
