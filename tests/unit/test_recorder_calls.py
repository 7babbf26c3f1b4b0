"""What is recorded of calls into C: those that wait, those of others, and how sites go quiet."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.recording import run_one

MONITORING = sys.version_info >= (3, 12)


class TestCCalls:
    def test_auto_switches_a_quick_site_off_and_keeps_one_that_waits(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            import time
            def work():
                for _ in range(50):
                    len(())
                    time.sleep(0)
            start()
            work()
        """,
        )
        begun = [name for kind, name in spool.calls() if kind == "call"]
        assert 1 <= begun.count("len") <= 20  # 4 in a row that are quick
        assert begun.count("time.sleep") == 50
        ended = [name for kind, name in spool.calls() if kind == "c_return"]
        assert sorted(ended) == sorted(begun)

    def test_auto_keeps_a_site_that_is_slow(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            def work(data):
                for _ in range(12): sorted(data)
            data = list(range(200_000, 0, -1))
            start()
            work(data)
        """,
        )
        assert [name for kind, name in spool.calls() if kind == "call"].count("sorted") == 12

    def test_all(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            def work():
                for _ in range(50): len(())
            start(c_calls="all")
            work()
        """,
        )
        assert [name for kind, name in spool.calls() if kind == "call"].count("len") == 50

    def test_none(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            import time
            def work(): time.sleep(0)
            start(c_calls="none")
            work()
        """,
        )
        assert spool.calls() == []

    def test_a_call_that_raises(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            def work():
                try: ().index(1)
                except ValueError: pass
            start(c_calls="all")
            work()
        """,
        )
        assert [call for call in spool.calls() if call[1] == "tuple.index"] == [
            ("call", "tuple.index"), ("c_raise", "tuple.index"),
        ]  # fmt: skip

    def test_names_that_a_person_would_write(self, tmp_path: Path) -> None:
        expected = """
            time.sleep len list.append dict.fromkeys str.join os.getpid os.stat threading.lock.acquire
            collections.deque.popleft io.BytesIO.read
        """.split()
        spool = run_one(
            tmp_path,
            """
            import collections, io, os, threading, time
            class Mine(list): pass
            lock = threading.Lock(); queue = collections.deque([1]); mine = Mine()
            def work():
                time.sleep(0); len(()); mine.append(1); dict.fromkeys(()); "".join(()); os.getpid(); os.stat("/")
                lock.acquire(); queue.popleft(); io.BytesIO().read()
            start(c_calls="all")
            work()
        """,
        )
        names = [name for kind, name in spool.calls() if kind == "call"]
        assert [name for name in names if name in expected] == expected

    def test_each_types_methods_have_its_name(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            class Mine(list):
                def append(self, item): pass
            append = super(Mine, Mine()).append
            def work():
                append(1); [].append(1)
                object.__new__(object); int.__new__(int); tuple.__new__(tuple)
            start(c_calls="all")
            work()
        """,
        )
        names = [name for kind, name in spool.calls() if kind == "call" and name.endswith(("append", "__new__"))]
        assert names == ["list.append", "list.append", "object.__new__", "int.__new__", "tuple.__new__"]

    @pytest.mark.skipif(not MONITORING, reason="3.11 does not show constructors to a profiler")
    def test_a_class_that_lies_about_itself_runs_no_code(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            class Evil(type):
                def __getattribute__(cls, name): raise SystemExit(name)
            Lie = Evil("Lie", (), {})
            def work(): Lie()
            start(c_calls="all")
            work()
        """,
        )
        assert ("call", "__main__.Lie") in spool.calls()

    @pytest.mark.skipif(not MONITORING, reason="3.11 does not show callable objects to a profiler")
    def test_a_class_named_like_one_of_the_interpreters_runs_no_code(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            class Lie:
                def __call__(self): pass
                def __getattr__(self, name): raise SystemExit(name)
            Lie.__name__ = "method-wrapper"
            lie = Lie()
            def work(): lie()
            start(c_calls="all")
            work()
        """,
        )
        assert ("call", "__main__.Lie.__call__") in spool.calls()
