"""What the hooks record, read back with an independent reader."""

from __future__ import annotations

import signal
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
        assert 1 <= begun.count("len") <= 5
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


def test_excluded_code_is_silent_and_hides_nothing_below(tmp_path: Path) -> None:
    (tmp_path / "wrapper.py").write_text("def call(function):\n    len(())\n    function()\n")
    spool = run_one(
        tmp_path,
        """
        import wrapper
        def below(): pass
        def above(): wrapper.call(below)
        start(excluded=["*/wrapper.py"])
        above()
        above()
    """,
    )
    twice = [("start", "above"), ("start", "below"), ("return", "below"), ("return", "above")]
    assert spool.frames() == twice * 2
    assert ("call", "len") not in spool.calls()


def test_included_code_is_all_there_is_and_beats_the_machinery(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("def one(): pass\n")
    (tmp_path / "two.py").write_text("def two(): pass\n")
    spool = run_one(
        tmp_path,
        """
        import one, two
        def work(): one.one(); two.two()
        start(included=["*/one.py"], machinery=["*/one.py", "*/two.py"])
        work()
    """,
    )
    assert spool.frames() == [("start", "one"), ("return", "one")]


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


class TestProcesses:
    def test_a_forked_child_writes_its_own_file_and_knows_its_parents_names(self, tmp_path: Path) -> None:
        spools = run(
            tmp_path,
            """
            import os
            def work(): pass
            start(c_calls="none")
            work()
            if os.fork() == 0:
                work(); os._exit(0)
            os.wait()
        """,
        )
        (child,) = (s for s in spools.values() if s.parent)
        (parent,) = (s for s in spools.values() if not s.parent)
        assert child.parent_pid == parent.pid
        known = [r for r in child.thread("MainThread").records if r.id < child.first_id]
        assert [(r.kind, parent.names[r.id]) for r in known][-2:] == [("start", "work"), ("return", "work")]

    def test_a_forked_childs_first_new_name_is_its_own(self, tmp_path: Path) -> None:
        spools = run(
            tmp_path,
            """
            import os
            def fresh(): pass
            def other(): pass
            start(c_calls="none")
            os.getppid()
            if os.fork() == 0:
                fresh(); os._exit(0)
            os.wait()
            other()
        """,
        )
        (child,) = (s for s in spools.values() if s.parent)
        assert "fresh" in child.names.values()
        assert min(child.names) == child.first_id

    @pytest.mark.parametrize("death", ["os.kill(os.getpid(), 9)", "os._exit(9)", "os.abort()"])
    def test_no_record_is_lost_when_the_process_dies(self, tmp_path: Path, death: str) -> None:
        status = {"os.kill(os.getpid(), 9)": -signal.SIGKILL, "os._exit(9)": 9, "os.abort()": -signal.SIGABRT}[death]
        spool = run_one(
            tmp_path,
            f"""
            import os
            def work(): pass
            def last(): {death}
            start()
            for _ in range(10_000): work()
            last()
        """,
            status=status,
        )
        frames = spool.frames()
        assert frames.count(("start", "work")) == frames.count(("return", "work")) == 10_000
        assert frames[-1] == ("start", "last")
        assert spool.calls()[-1][0] == "call"

    def test_a_forked_child_that_ends_both_of_nested_recordings_writes_to_neither(self, tmp_path: Path) -> None:
        (tmp_path / "inner").mkdir()
        (tmp_path / "later").mkdir()
        run(
            tmp_path,
            """
            import os
            def work(): pass
            def later(): pass
            def begin(name):
                _recorder.start(os.path.join(sys.argv[1], name), clock=_recorder.choose_clock(), c_calls="none")
            start(c_calls="none")
            begin("inner")
            child = os.fork()
            if not child:
                work(); _recorder.stop()
                work(); _recorder.stop()
                begin("later")
                later()
                _recorder.stop()
                os._exit(0)
            os.waitpid(child, 0)
            _recorder.stop()
        """,
        )
        (spool,) = run_inner(tmp_path / "later")
        assert spool.frames() == [("start", "later"), ("return", "later")]

    def test_a_finalizer_that_runs_when_the_modules_are_gone(self, tmp_path: Path) -> None:
        run(
            tmp_path,
            """
            import _bisect, contextvars
            class Late:
                search = staticmethod(_bisect.bisect_right)
                def __del__(self): self.search([1], 1)
            late = contextvars.ContextVar("late")
            late.set(Late())
            start(c_calls="all")
            sys.exit(3)  # without stop(), as a child does
        """,
            status=3,
        )


class TestTrouble:
    def test_growth_that_fails_is_counted_and_harms_nobody(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            import os, resource
            def work(): pass
            start(c_calls="none")
            resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
            for _ in range(100_000): work()
            print(_recorder.losses())
        """,
        )
        kept = len(spool.thread("MainThread").records)
        assert spool.error != 0
        assert kept > 10_000
        assert kept + spool.dropped >= 200_000 - 2 * 2048  # what the last sink held is counted when it ends

    def test_tests_go_on_while_there_is_no_room(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            import resource
            def work(): pass
            start(c_calls="none")
            resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
            for _ in range(20):
                for _ in range(10_000): work()
                _recorder.refresh()
        """,
        )
        kept = len(spool.thread("MainThread").records)
        assert kept + spool.dropped >= 400_000 - 2 * 2048

    def test_the_directory_vanishes(self, tmp_path: Path) -> None:
        assert run(tmp_path, """
            import shutil
            def work(): pass
            start(c_calls="none")
            shutil.rmtree(sys.argv[1])
            for _ in range(100_000): work()
            assert _recorder.losses()["error"]
        """) == {}  # fmt: skip

    def test_every_descriptor_is_closed(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            import os
            def work(): pass
            start(c_calls="none")
            os.closerange(3, 256)
            for _ in range(20_000): work()
        """,
        )
        assert spool.frames().count(("start", "work")) == 20_000

    def test_a_directory_that_is_not_there(self, tmp_path: Path) -> None:
        assert (
            run(
                tmp_path,
                """
            try: _recorder.start("/nonexistent/family", clock=1)
            except OSError as error: assert error.filename == "/nonexistent/family"
            else: raise SystemExit(1)
            assert not _recorder.active()
        """,
            )
            == {}
        )

    @pytest.mark.skipif(not MONITORING, reason="sys.monitoring came with 3.12")
    def test_every_tool_id_is_taken(self, tmp_path: Path) -> None:
        run(
            tmp_path,
            """
            for id in (3, 4, 5): sys.monitoring.use_tool_id(id, f"tool {id}")
            try: start()
            except RuntimeError as error: assert "3 by tool 3" in str(error)
            else: raise SystemExit(1)
            assert not _recorder.active()
        """,
        )


class TestSuspension:
    def test_an_inner_recording_suspends_the_outer(self, tmp_path: Path) -> None:
        (tmp_path / "inner").mkdir()
        spool = run_one(
            tmp_path,
            """
            def before(): pass
            def within(): pass
            def after(): pass
            def outer():
                before(); within()
                _recorder.start(sys.argv[1] + "/inner", clock=_recorder.choose_clock(), c_calls="none")
                within()
                _recorder.stop()
                within(); after()
            start(c_calls="none")
            outer()
        """,
        )
        names = [name for _, name in spool.frames()]
        assert names == ["outer", "before", "before", "within", "within", "within", "within", "after", "after", "outer"]
        assert len(spool.threads) == 1
        (inner,) = run_inner(tmp_path / "inner")
        assert inner.frames() == [("start", "within"), ("return", "within")]

    def test_what_the_inner_met_too_is_left_in_the_outer(self, tmp_path: Path) -> None:
        (tmp_path / "inner").mkdir()
        spool = run_one(
            tmp_path,
            """
            def call(function): function()
            def nothing(): pass
            def within():
                _recorder.start(sys.argv[1] + "/inner", clock=_recorder.choose_clock(), c_calls="none")
                call(nothing)
                _recorder.stop()
            start(c_calls="none")
            call(within)
        """,
        )
        assert spool.frames() == [("start", "call"), ("start", "within"), ("return", "within"), ("return", "call")]

    def test_stop_leaves_nothing_behind(self, tmp_path: Path) -> None:
        run(
            tmp_path,
            """
            start()
            _recorder.stop(); _recorder.stop()
            assert not _recorder.active()
            assert sys.getprofile() is None
            if sys.version_info >= (3, 12):
                assert all(sys.monitoring.get_tool(id) is None for id in range(6))
        """,
        )

    def test_a_hook_that_was_taken_away_is_put_back(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            def work(): pass
            start(c_calls="none")
            if sys.version_info >= (3, 12): sys.monitoring.free_tool_id(4)
            else: sys.setprofile(None)
            _recorder.refresh()
            work()
            assert _recorder.losses()["disarmed"] == 1
        """,
        )
        assert ("start", "work") in spool.frames()


def run_inner(directory: Path) -> list:
    from support.spool_reader import read_directory

    return list(read_directory(directory).values())


def test_what_a_paused_thread_calls_is_left_out_and_its_names_and_marks_are_not(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        """
        import threading
        def one(): pass
        def two(): pass
        def other(): pass
        start(c_calls="none")
        one()
        _recorder.pause()
        for _ in range(3000): two()
        _recorder.mark(_recorder.MARKS["INSTANT"], b'{"name": "meanwhile"}')
        _recorder.refresh()
        thread = threading.Thread(target=other, name="other")
        thread.start()
        thread.join()
        _recorder.pause()
        _recorder.go_on()
        two()
        _recorder.go_on()
        one()
    """,
    )
    expected = [(kind, name) for name in ("one", "two", "one") for kind in ("start", "return")]
    assert spool.frames() == expected
    assert [payload for _, payload in spool.marks] == [b'{"name": "meanwhile"}']
    assert ("start", "other") in spool.frames("other")
    assert spool.dropped == 0


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


def test_a_detached_process_is_nobodys_child(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        import os, time
        report = sys.argv[1] + "/report"
        script = f"echo $PPID > {report}.part; mv {report}.part {report}; sleep 1"
        pid = _recorder.spawn_detached([b"/bin/sh", b"-c", script.encode()])
        assert os.getsid(pid) not in (os.getsid(0), os.getpid())
        try: os.waitpid(-1, 0)
        except ChildProcessError: pass
        else: raise SystemExit(1)
        while not os.path.exists(report): time.sleep(0.01)
        assert int(open(report).read()) != os.getpid()
        try: _recorder.spawn_detached([b"/nonexistent"])
        except FileNotFoundError: pass
        else: raise SystemExit(1)
    """,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="os.fork and its kin")
class TestChildren:
    def test_every_way_to_start_and_to_reap_is_told(self, tmp_path: Path) -> None:
        spools = run(
            tmp_path,
            """
            import os, subprocess
            start(c_calls="none")
            def reaped(pid, wait, *args): print(pid, flush=True); wait(*args)
            if (pid := os.fork()) == 0: os._exit(1)
            reaped(pid, os.wait)
            reaped(os.posix_spawn("/bin/sh", ["sh", "-c", "exit 2"], {}), os.wait3, 0)
            reaped(pid := os.posix_spawnp("sh", ["sh", "-c", "kill -9 $$"], {}), os.wait4, pid, 0)
            reaped(pid := os.spawnlp(os.P_NOWAIT, "sh", "sh", "-c", "exit 4"), os.waitid, os.P_PID, pid, os.WEXITED)
            pid, descriptor = os.forkpty()
            if pid == 0: os._exit(5)
            reaped(pid, os.waitpid, pid, 0)
            os.system("exit 6")
            assert subprocess.call(["sh", b"-c", "exit 7"]) == 7
            assert _recorder.children() == []
            left = subprocess.Popen(["sleep", "60"])
            assert [pid for pid, tick in _recorder.children()] == [left.pid]
            left.kill(); os.waitid(os.P_PID, left.pid, os.WEXITED | os.WNOWAIT)
            assert _recorder.children() == []  # a zombie does not run
            left.wait()
        """,
        )
        (spool,) = (s for s in spools.values() if not s.parent)
        assert [words for _, words in spool.children] == [
            [b""],
            [b"sh", b"-c", b"exit 2"],
            [b"sh", b"-c", b"kill -9 $$"],
            [b""],
            [b""],
            [b"sh", b"-c", b"exit 6"],
            [b"sh", b"-c", b"exit 7"],
            [b"sleep", b"60"],
        ]
        pids = [pid for pid, _ in spool.children]
        assert [pid == 0 for pid in pids] == [n == 5 for n in range(8)]
        statuses = dict(spool.reaped)
        assert [statuses[pid] for pid in pids] == [1 << 8, 2 << 8, 9, 4 << 8, 5 << 8, 6 << 8, 7 << 8, 9]
        assert {s.pid for s in spools.values() if s.parent} == {pids[0], pids[3], pids[4]}

    def test_the_functions_are_what_they_were(self, tmp_path: Path) -> None:
        run_one(
            tmp_path,
            """
            import inspect, os, pickle, _posixsubprocess
            names = "fork forkpty posix_spawn posix_spawnp system wait waitpid wait3 wait4 waitid".split()
            functions = [getattr(os, name) for name in names] + [_posixsubprocess.fork_exec]
            def look():
                def signature(function):
                    try: return str(inspect.signature(function))
                    except ValueError: return None
                return [(id(f), repr(f), f.__doc__, f.__self__, signature(f), pickle.dumps(f)) for f in functions]
            def use():
                try: os.waitpid(-1, 0)
                except ChildProcessError as error: failure = str(error)
                try: os.posix_spawn("/does/not/exist", ["x"], {})
                except FileNotFoundError as error: failure += str(error)
                try: os.waitpid("x")
                except TypeError as error: failure += str(error)
                return failure, os.system(command="exit 3"), os.waitstatus_to_exitcode(os.system("exit 4"))
            before, used = look(), use()
            start()
            assert look() == before
            assert use() == used
            _recorder.stop()
            assert look() == before
            assert use() == used
        """,
        )

    def test_a_forked_child_goes_on_with_what_was_running(self, tmp_path: Path) -> None:
        spools = run(
            tmp_path,
            """
            import os, signal, threading
            def outer(): inner()
            def inner():
                read, write = os.pipe()
                if (pid := os.fork()) == 0:
                    os.write(write, b"x")
                    while True: pass  # calls nothing any more
                os.read(read, 1)
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            start()
            thread = threading.Thread(target=outer, name="forking")
            thread.start()
            thread.join()
        """,
        )
        (child,) = (s for s in spools.values() if s.parent)
        (parent,) = (s for s in spools.values() if not s.parent)
        (thread,) = child.threads.values()
        inherited = [r for r in thread.records if r.kind == "inherited"]
        assert [parent.names[r.id] for r in inherited][-2:] == ["outer", "inner"]
        assert [r.depth for r in inherited] == sorted({r.depth for r in inherited})
        assert thread.records[: len(inherited)] == inherited
        assert thread.names[-1] == "forking"

    def test_what_it_inherited_ends_in_the_child_too(self, tmp_path: Path) -> None:
        spools = run(
            tmp_path,
            """
            import os
            def outer(): return inner()
            def inner(): return os.fork()
            start(c_calls="none")
            if outer() == 0: os._exit(0)
            os.wait()
        """,
        )
        (child,) = (s for s in spools.values() if s.parent)
        (parent,) = (s for s in spools.values() if not s.parent)
        assert [(r.kind, parent.names[r.id]) for r in child.thread("MainThread").records if r.id < child.first_id] == [
            ("inherited", "outer"),
            ("inherited", "inner"),
            ("return", "inner"),
            ("return", "outer"),
        ]
