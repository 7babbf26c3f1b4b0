"""What is recorded of processes: forks, exec, deaths, and the children that they start."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from support.recording import run, run_one, spools

MONITORING = sys.version_info >= (3, 12)


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
            start(full=True)
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
        (spool,) = spools(tmp_path / "later")
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
