"""A function that is called too often is recorded no more in its test, and nothing that is recorded is torn by it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.recording import run, run_one
from support.spool_reader import SpoolFile

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="3.11 mutes nothing")

HOT = "sample=1000, hot_ns=10**9"  # any chunk is hot
BEGIN = '_recorder.mark(_recorder.MARKS["TEST_BEGIN"], b"{}")'


def muted(spool: SpoolFile) -> list[str]:
    return [
        spool.names[record.id] for thread in spool.threads.values() for record in thread.story if record.kind == "muted"
    ]


def entries(spool: SpoolFile, name: str) -> int:
    return sum(kind in ("start", "resume") and name == found for kind, found in spool.frames())


def indented(text: str) -> str:
    return text.replace("\n", "\n        ")


def assert_whole(spool: SpoolFile) -> None:
    """Each exit is of the frame that was entered last, and none is missing."""
    stack: list[str] = []
    for kind, name in spool.frames():
        if kind == "start":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert stack == []


def test_the_most_frequent_function_is_muted_and_no_other(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        f"""
        def leaf(): pass
        def rare(): leaf()
        def work():
            for i in range(20000):
                leaf()
                if i % 100 == 0: rare()
        start(c_calls="none", {HOT})
        work()
    """,
    )
    assert muted(spool) == ["leaf"]
    assert 1000 <= entries(spool, "leaf") <= 3000
    assert entries(spool, "rare") == 200
    assert spool.frames()[0] == ("start", "work")
    assert spool.frames()[-1] == ("return", "work")


def test_frames_that_are_open_when_a_function_is_muted_end_where_they_end(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        f"""
        def fib(n):
            if n < 2: return n
            return fib(n - 1) + fib(n - 2)
        def last(): pass
        start(c_calls="none", {HOT})
        fib(18)
        last()
    """,
    )
    assert muted(spool) == ["fib"]
    frames = spool.frames()
    assert frames[0] == ("start", "fib")
    assert frames[-3:] == [("return", "fib"), ("start", "last"), ("return", "last")]
    assert entries(spool, "fib") == frames.count(("return", "fib")) < 3000
    open = 0
    for kind, _ in frames[:-3]:
        open += 1 if kind == "start" else -1
        assert open > 0


def test_an_exit_that_open_frames_may_still_come_to_is_watched(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        f"""
        def descend(n):
            for i in range(2):
                if n: descend(n - 1)
                if n == 14 and i: return 1
            return 0
        start(c_calls="none", {HOT})
        descend(14)
    """,
    )
    assert muted(spool) == ["descend"]
    frames = spool.frames()
    assert frames.count(("start", "descend")) == frames.count(("return", "descend"))
    assert frames[-1] == ("return", "descend")


def test_in_the_next_test_all_is_recorded_again(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        f"""
        def leaf(): pass
        def numbers():
            for i in range(5000): yield i
        start(c_calls="none", {HOT})
        for _ in numbers(): pass
        for _ in range(5000): leaf()
        {BEGIN}
        for _ in range(500): leaf()
        for _ in numbers(): pass
        {BEGIN}
        for _ in range(500): leaf()
    """,
    )
    assert muted(spool) == ["numbers", "leaf", "numbers"]
    assert entries(spool, "leaf") < 3000 + 1000
    assert spool.frames()[-1000:] == [("start", "leaf"), ("return", "leaf")] * 500


@pytest.mark.parametrize("options", ["full=True, sample=1000, hot_ns=10**9", "sample=1000, hot_ns=1", "hot_ns=10**9"])
def test_all_is_recorded_where_that_is_wanted_or_calls_are_rare_or_few(tmp_path: Path, options: str) -> None:
    spool = run_one(
        tmp_path,
        f"""
        def leaf(): pass
        start(c_calls="none", {options})
        for _ in range(5000): leaf()
    """,
    )
    assert muted(spool) == []
    assert entries(spool, "leaf") == 5000


def test_coroutines_and_what_tells_of_tasks_are_never_muted(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        f"""
        import asyncio
        async def inner(): pass
        async def main():
            for _ in range(5000): await inner()
        start(c_calls="none", included=["*program.py"], {HOT})
        asyncio.run(main())
    """,
    )
    assert muted(spool) == []
    assert entries(spool, "inner") == 5000


AROUND_A_MUTED_ONE = """
def descend(n, then):
    for _ in range(3000): leaf()
    if n: descend(n - 1, then)
    else: then()
    leaf()
def leaf(): pass
def last(): pass
"""


@pytest.mark.parametrize("args", [(), ["nothing"], ["leaf"], ["descend"]])
def test_an_adjustment_has_all_recorded_again_and_tears_nothing(tmp_path: Path, args: list[str]) -> None:
    spool = run_one(
        tmp_path,
        f"""
        {indented(AROUND_A_MUTED_ONE)}
        start(c_calls="none", {HOT})
        descend(3, lambda: _recorder.adjust(args={args}))
        _recorder.adjust()
        last(); leaf()
    """,
    )
    assert "leaf" in muted(spool)
    assert spool.frames()[-4:] == [("start", "last"), ("return", "last"), ("start", "leaf"), ("return", "leaf")]
    assert_whole(spool)
    ends = spool.frames()[::-1].index(("start", "<lambda>"))
    assert spool.frames()[-ends:].count(("start", "leaf")) == 4 + 1
    assert spool.frames().count(("return", "descend")) == 4


def test_a_suspension_forgets_what_was_muted(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        f"""
        {indented(AROUND_A_MUTED_ONE)}
        start(c_calls="none", {HOT})
        descend(3, lambda: (_recorder.suspend(), leaf()))
        for _ in range(3000): leaf()
        _recorder.resume()
        leaf(); last()
    """,
    )
    assert muted(spool) == ["leaf"]
    frames = spool.frames()
    assert frames[-4:] == [("start", "leaf"), ("return", "leaf"), ("start", "last"), ("return", "last")]
    assert frames[-5] == ("start", "<lambda>")


def test_a_function_whose_arguments_are_kept_is_never_muted(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        f"""
        def leaf(i): return i
        start(c_calls="none", args=["leaf"], {HOT})
        for i in range(5000): leaf(i)
    """,
    )
    assert muted(spool) == []
    assert entries(spool, "leaf") == 5000


def test_a_recording_within_leaves_nothing_muted_in_the_outer_one(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    spools = run(
        tmp_path,
        f"""
        {indented(AROUND_A_MUTED_ONE)}
        def within():
            _recorder.start({str(tmp_path / "inner")!r}, clock=_recorder.choose_clock(), c_calls="none", {HOT})
            for _ in range(3000): leaf()
            _recorder.stop()
        start(c_calls="none", {HOT})
        descend(3, within)
        leaf()
    """,
    )
    (spool,) = spools.values()
    assert muted(spool) == ["leaf"]
    assert_whole(spool)
    assert entries(spool, "leaf") < 3000 + 5 + 1
    assert spool.frames()[-2:] == [("start", "leaf"), ("return", "leaf")]


def test_c_calls_in_a_muted_function_go_quiet_but_those_that_wait(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        f"""
        import time
        def leaf():
            len("")
        def waits(i):
            if i == 10000: time.sleep(0)
        start(c_calls="all", {HOT})
        for i in range(20000): leaf(); waits(i)
    """,
    )
    assert sorted(muted(spool)) == ["leaf", "waits"]
    assert spool.calls().count(("call", "len")) < 5000
    assert ("call", "time.sleep") in spool.calls()


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork")
def test_a_forked_child_says_what_is_not_recorded_in_it(tmp_path: Path) -> None:
    spools = run(
        tmp_path,
        f"""
        import os
        def leaf(): pass
        def child(): leaf()
        start(c_calls="none", {HOT})
        for _ in range(5000): leaf()
        if os.fork() == 0:
            child(); os._exit(0)
        os.wait()
    """,
    )
    (child,) = (spool for spool in spools.values() if spool.parent)
    (parent,) = (spool for spool in spools.values() if not spool.parent)
    (told,) = (record for record in child.thread("MainThread").story if record.kind == "muted")
    assert parent.names[told.id] == "leaf"
    assert not any(record.id == told.id for record in child.thread("MainThread").records)
