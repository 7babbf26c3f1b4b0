"""What the recorder is told to leave out, to pause, to suspend and to record otherwise."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from support.recording import run, run_one, spools

MONITORING = sys.version_info >= (3, 12)


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
        (inner,) = spools(tmp_path / "inner")
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


class TestAdjustment:
    def test_other_c_calls_for_a_while(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            def work(n):
                for _ in range(n): abs(1)
            start()
            work(50)
            _recorder.adjust(c_calls="all")
            work(50)
            _recorder.adjust(c_calls="none")
            work(50)
            _recorder.adjust()
            work(50)
        """,
        )
        counts: list[int] = []
        for record in spool.thread("MainThread").records:
            if (record.kind, record.name) == ("start", "work"):
                counts.append(0)
            elif (record.kind, record.name) == ("call", "abs"):
                counts[-1] += 1
        quick, every, none, again = counts
        assert every == 50
        assert none == 0
        assert quick <= 20  # 4 in a row that are quick
        assert again <= 20

    def test_names_are_written_once_whatever_is_adjusted(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            def work(): pass
            def outer():
                for _ in range(3):
                    _recorder.adjust(args=["::other"])
                    work()
                    _recorder.adjust()
                    work()
            start(c_calls="none")
            outer()
        """,
        )
        work = [("start", "work"), ("return", "work")]
        assert spool.frames() == [("start", "outer"), *work * 6, ("return", "outer")]
        assert sorted(spool.names.values()).count("work") == 1

    def test_an_inner_recording_has_its_own(self, tmp_path: Path) -> None:
        (tmp_path / "inner").mkdir()
        spool = run_one(
            tmp_path,
            """
            def work():
                for _ in range(9): abs(1)
            start(c_calls="none")
            _recorder.adjust(c_calls="all")
            _recorder.start(sys.argv[1] + "/inner", clock=_recorder.choose_clock(), c_calls="none")
            work()
            _recorder.stop()
            work()
            _recorder.adjust()
            work()
        """,
        )
        (inner,) = spools(tmp_path / "inner")
        assert inner.calls() == []
        assert [kind for kind, name in spool.calls() if name == "abs"] == ["call", "c_return"] * 9

    def test_an_unknown_mode(self, tmp_path: Path) -> None:
        run_one(
            tmp_path,
            """
            start()
            try: _recorder.adjust(c_calls="some")
            except KeyError: pass
            else: raise AssertionError
        """,
        )

    def test_a_suspended_recording_has_marks_only(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            import threading
            def before(): pass
            def meanwhile(): len(())
            def after(): pass
            start()
            before(); meanwhile()
            _recorder.suspend(); _recorder.suspend()
            assert _recorder.active()
            meanwhile()
            thread = threading.Thread(target=meanwhile); thread.start(); thread.join()
            _recorder.refresh()
            _recorder.mark(7, b"{}")
            meanwhile()
            if sys.version_info >= (3, 12): assert sys.monitoring.get_events(4) == 0
            _recorder.resume(); _recorder.resume()
            after(); meanwhile()
            assert _recorder.losses()["disarmed"] == 0
        """,
        )
        starts = [name for kind, name in spool.frames() if kind == "start"]
        assert starts == ["before", "meanwhile", "after", "meanwhile"]
        assert [name for _, name in spool.frames()].count("meanwhile") == 4
        assert len(spool.marks) == 1
        assert len(spool.threads) == 1

    def test_threads_that_run_are_recorded_again(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            import queue, threading
            asked, answered = queue.SimpleQueue(), queue.SimpleQueue()
            def job(): pass
            def serve():
                while asked.get():
                    job()
                    answered.put(1)
            def ask():
                asked.put(1); answered.get()
            thread = threading.Thread(target=serve, name="server")
            start(c_calls="none")
            thread.start()
            ask()
            _recorder.suspend()
            ask(); ask()
            _recorder.resume()
            ask()
            asked.put(0); thread.join()
        """,
        )
        assert [kind for kind, name in spool.frames("server") if name == "job"] == ["start", "return"] * 2

    def test_a_recording_in_a_suspended_one(self, tmp_path: Path) -> None:
        (tmp_path / "inner").mkdir()
        spool = run_one(
            tmp_path,
            """
            def work(): pass
            start(c_calls="none")
            _recorder.suspend()
            _recorder.start(sys.argv[1] + "/inner", clock=_recorder.choose_clock(), c_calls="none")
            work()
            _recorder.stop()
            work()
            _recorder.resume()
            work()
        """,
        )
        (inner,) = spools(tmp_path / "inner")
        assert inner.frames() == [("start", "work"), ("return", "work")]
        assert spool.frames() == [("start", "work"), ("return", "work")]

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
    def test_a_forked_child_goes_on_as_adjusted(self, tmp_path: Path) -> None:
        spools = run(
            tmp_path,
            """
            import os
            def work(): pass
            def child():
                if pid := os.fork(): os.waitpid(pid, 0)
                else:
                    work()
                    _recorder.resume()
                    work()
                    os._exit(0)
            start(c_calls="none")
            _recorder.suspend()
            child()
        """,
        )
        (child,) = (spool for spool in spools.values() if spool.parent)
        assert [name for kind, name in child.frames() if kind == "start"] == ["work"]
