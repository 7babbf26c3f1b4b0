"""What the hooks record, read back with an independent reader."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.recording import run, run_one

MONITORING = sys.version_info >= (3, 12)


def test_a_function_is_entered_and_left(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        """
        def inner(): pass
        def outer(): inner(); inner()
        start(c_calls="none")
        outer()
    """,
    )
    inner = [("start", "inner"), ("return", "inner")]
    assert spool.frames() == [("start", "outer"), *inner, *inner, ("return", "outer")]


def test_depths_are_equal_at_entry_and_exit_and_grow_inwards(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        """
        def down(n):
            if n: down(n - 1)
        start(c_calls="none")
        down(50)
        sys.setrecursionlimit(5000)
        down(2000)
    """,
    )
    depths: list[int] = []
    for record in spool.thread("MainThread").records:
        if record.kind == "start":
            assert not depths or record.depth > depths[-1]
            depths.append(record.depth)
        else:
            assert record.depth == depths.pop()
    assert depths == []


def test_generators_tell_start_from_resume_and_return_from_yield(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        """
        def numbers():
            yield 1
            yield 2
        start(c_calls="none")
        for _ in numbers(): pass
    """,
    )
    kinds = [kind for kind, name in spool.frames() if name == "numbers"]
    assert kinds == ["start", "yield", "resume", "yield", "resume", "return"]


def test_the_body_of_a_module_is_named_as_its_import(tmp_path: Path) -> None:
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("from . import cart")
    (package / "cart.py").write_text(
        "exec(compile('pass', 'made.py', 'exec')); exec(compile('pass', 'made.py', 'exec'), {'__name__': 'made'})\n"
        "eval(compile('0', 'made.py', 'eval'))"
    )
    (tmp_path / "tool.py").write_text("")
    (tmp_path / "odd.py").write_text("")
    spool = run_one(
        tmp_path,
        """
        import importlib.util, runpy
        class Odd(str):
            def __add__(self, other): raise AssertionError
            __radd__ = __str__ = __add__
        spec = importlib.util.spec_from_file_location("odd", sys.argv[1] + "/odd.py")
        odd = importlib.util.module_from_spec(spec)
        odd.__name__ = Odd("odd")
        start(c_calls="none", included=[sys.argv[1] + "/*", "made.py"])
        import shop
        runpy.run_path(sys.argv[1] + "/tool.py", run_name="__main__")
        runpy.run_path(sys.argv[1] + "/tool.py", run_name="other")
        spec.loader.exec_module(odd)
    """,
    )
    bodies = ["import shop", "import shop.cart", *["<module>"] * 3, "run tool.py", "import other", "<module>"]
    assert [name for kind, name in spool.frames() if kind == "start"] == bodies


def test_coroutines(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        """
        import asyncio
        async def inner(): await asyncio.sleep(0)
        async def outer(): await inner()
        start(c_calls="none")
        asyncio.run(outer())
    """,
    )
    story = [(kind, name) for kind, name in spool.frames() if name in {"inner", "outer"}]
    assert story == [
        ("start", "outer"), ("start", "inner"), ("yield", "inner"), ("yield", "outer"),
        ("resume", "outer"), ("resume", "inner"), ("return", "inner"), ("return", "outer"),
    ]  # fmt: skip


def test_an_exit_by_exception_has_its_type(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        """
        class Odd(Exception): pass
        def boom(): raise Odd
        start(c_calls="none")
        try: boom()
        except Odd: pass
    """,
    )
    kinds = [(r.kind, r.name) for r in spool.thread("MainThread").records]
    told = [("raised", "__main__.Odd")] if MONITORING else []  # 3.11 does not tell a profiler
    assert kinds == [("start", "boom"), *told, ("unwind", "boom")]


def test_thrown_generator(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        """
        def numbers():
            try: yield 1
            except KeyError: yield 2
        start(c_calls="none")
        it = numbers(); next(it); it.throw(KeyError())
    """,
    )
    kinds = [kind for kind, name in spool.frames() if name == "numbers"]
    assert kinds == ["start", "yield", "throw", "yield"]


class TestThreads:
    def test_each_thread_has_its_records_name_and_native_id(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            import threading
            ids = []
            def work(): ids.append(threading.get_native_id())
            start(c_calls="none")
            for name in ("first", "second"):
                thread = threading.Thread(target=work, name=name); thread.start(); thread.join()
            _recorder.mark(7, repr(ids).encode())
        """,
        )
        ids = eval(spool.marks[0][1])
        assert [spool.thread(name).native_id for name in ("first", "second")] == ids
        for name in ("first", "second"):
            assert ("start", "work") in spool.frames(name)
        assert ("start", "work") not in spool.frames()

    def test_a_thread_that_runs_a_c_function_has_its_name(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            import threading, time
            start()
            thread = threading.Thread(target=time.sleep, args=(0,), name="sleeper"); thread.start(); thread.join()
        """,
        )
        assert spool.frames("sleeper")

    def test_a_thread_that_ran_before(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            import threading
            go, done = threading.Event(), threading.Event()
            def inside(): pass
            def work(): go.wait(); inside(); done.set()
            thread = threading.Thread(target=work, name="early"); thread.start()
            start(c_calls="none")
            go.set(); done.wait(); thread.join()
        """,
        )
        frames = spool.frames("early")
        assert ("start", "inside") in frames and ("return", "inside") in frames
        assert ("start", "work") not in frames and ("return", "work") not in frames

    @pytest.mark.skipif(not MONITORING, reason="3.11 cannot reach threads that C code starts")
    def test_a_thread_that_threading_does_not_know(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            import _thread
            def work(): lock.release()
            lock = _thread.allocate_lock(); lock.acquire()
            start(c_calls="none")
            _thread.start_new_thread(work, ())
            lock.acquire()
        """,
        )
        raw = [t for t in spool.threads.values() if ("start", "work") in [(r.kind, r.name) for r in t.records]]
        assert [t.names[-1] for t in raw] == [""]
        assert raw[0].native_id not in {0, spool.pid}

    def test_a_new_name_is_noticed_between_tests(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            import threading
            def work(): pass
            start(c_calls="none")
            work()
            threading.current_thread().name = "renamed"
            _recorder.refresh()
            work()
        """,
        )
        assert spool.threads[0].names[-1] == "renamed"

    def test_chunks_of_ended_threads_are_handed_back(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            import threading
            def work(): pass
            start(c_calls="none")
            for _ in range(40):
                thread = threading.Thread(target=work); thread.start(); thread.join()
        """,
        )
        assert len(spool.threads) == 41


def test_code_objects_are_not_kept_alive(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        import gc, weakref
        start()
        def make():
            space = {}
            exec("def work(): len(())", space)
            return space["work"]
        refs = []
        for _ in range(100):
            work = make(); work(); refs.append(weakref.ref(work.__code__)); del work
        gc.collect()
        assert not any(ref() for ref in refs)
    """,
    )
