"""The fixture's questions about what the test did so far, in real runs: the inner tests' assertions are the checks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.runs import Run

ASKING = """
    import asyncio, os, subprocess, sys, threading, time
    import pytest

    def work(seconds=0.002):
        time.sleep(seconds)

    def down(levels):
        return down(levels - 1) if levels else time.sleep(0.002)

    def raises():
        raise ValueError

    @pytest.fixture
    def database():
        time.sleep(0.001)

    def test_calls(timeline):
        assert timeline.recording
        assert timeline.slices("work") == []
        for _ in range(3):
            work()
        found = timeline.slices("work")
        assert len(found) == 3 and found.cut == 0
        assert [each.start for each in found] == sorted(each.start for each in found)
        assert abs(found.total - sum(each.duration for each in found)) < 1e-6
        for each in found:
            assert each.duration >= 0.002
            assert (each.name, each.category, each.thread, each.task) == ("work", "python", "MainThread", "")
            assert (each.caller, each.exception, each.open) == ("test_calls", "", False)
            assert each.file == __file__ and each.line == work.__code__.co_firstlineno
            assert str(os.getpid()) in each.process
        assert found[0] == found[:1][0]
        work()
        assert len(timeline.slices("work")) == 4

    def test_each_test_has_its_own(timeline):
        assert not timeline.slices("work")

    def test_what_is_open(timeline):
        (each,) = timeline.slices("test_what_is_open")
        assert each.open and each.duration > 0

    def test_names_are_patterns(timeline):
        work()
        assert timeline.slices("wor?") == timeline.slices("work")
        (sleep,) = timeline.slices("time.*", category="c")
        assert (sleep.name, sleep.caller, sleep.file, sleep.line) == (
            "time.sleep", "work", __file__, work.__code__.co_firstlineno)
        assert timeline.slices("time.*", category="python") == []

    def test_nested_ones_count_once(timeline):
        down(3)
        found = timeline.slices("down")
        assert len(found) == 4
        assert timeline.total("down") == found[0].duration == found.total
        assert [each.depth - found[0].depth for each in found] == [0, 1, 2, 3]

    def test_longer_than(timeline):
        work(0)
        work(0.5)
        assert len(timeline.slices("work")) == 2
        assert len(timeline.slices("work", longer_than=0.5)) == 1
        assert 0.5 <= timeline.total("work", longer_than=0.5) == timeline.slices("work", longer_than=0.5)[0].duration

    def test_exceptions(timeline):
        with pytest.raises(ValueError):
            raises()
        (each,) = timeline.slices("raises")
        assert each.exception == ("ValueError" if sys.version_info >= (3, 12) else "?")

    def test_what_the_run_told(timeline, database):
        assert {each.category for each in timeline.slices("database")} == {"fixture", "python"}
        (setup,) = timeline.slices("setup", category="test")
        (call,) = timeline.slices("call", category="test")
        assert call.open and not setup.open
        assert len(timeline.slices("database", category="fixture")) == 1

    def test_what_the_test_told(timeline):
        with timeline.span("import", rows=3):
            work()
            with timeline.span("import"):
                work()
        found = timeline.slices("import", category="user")
        assert len(found) == 2 and found[0].duration == found.total > found[1].duration
        with timeline.span("goes on"):
            assert timeline.slices("goes on")[0].open

    def test_threads(timeline):
        threads = [threading.Thread(target=work, name=f"worker-{n}") for n in range(3)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert {each.thread for each in timeline.slices("work")} == {"worker-0", "worker-1", "worker-2"}
        (each,) = timeline.slices("work", thread="worker-1")
        assert each.thread == "worker-1"
        assert timeline.total("work", thread="worker-*") == timeline.total("work")

    def test_a_thread_asks(timeline):
        found = []
        def ask():
            work()
            found.append(len(timeline.slices("work", thread=threading.current_thread().name)))
        threads = [threading.Thread(target=ask, name=f"asker-{n}") for n in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert found == [1, 1, 1, 1]

    async def fetch():
        await asyncio.sleep(0.01)
        work()

    async def block():
        time.sleep(0.3)  # long beside what a busy machine adds

    def test_tasks(timeline):
        async def main():
            await asyncio.gather(*(asyncio.create_task(fetch(), name=f"fetch-{n}") for n in range(3)))
            assert not timeline.blocked(1000)
            await block()
        asyncio.run(main())
        found = timeline.slices("fetch")
        assert len(found) == 3
        assert {each.task for each in found} == {f"fetch-{n} (fetch)" for n in range(3)}
        assert all(each.duration >= 0.012 for each in found)
        assert {each.task for each in timeline.slices("work")} == {each.task for each in found}
        assert len(timeline.slices("await asyncio.sleep", category="await")) == 3
        blocks = timeline.blocked()
        assert ("time.sleep", "block") in [(each.frame, each.function) for each in blocks]
        assert timeline.blocked(longer_than=1000) == []
        with pytest.raises(ValueError, match="--timeline-block-threshold=10ms"):
            timeline.blocked(longer_than=0.01)

    def test_child(timeline, tmp_path):
        script = tmp_path / "child.py"
        script.write_text("def child_work(): pass\\nchild_work()")
        subprocess.run([sys.executable, str(script)], check=True)
        (each,) = timeline.slices("child_work")
        assert "child.py" in each.process
        assert timeline.slices("child_work", process=os.getpid()) == []
        assert timeline.slices("child_work", process="*child.py*") == [each]

    def test_there_is_a_bound(timeline):
        def quick(): pass
        for _ in range(12_000): quick()
        found = timeline.slices("*.quick")
        assert len(found) + found.folded == 12_000
        if not found.folded:
            assert found.cut == 2_000 and len(list(found)) == 10_000
            assert "2,000 of them not listed" in repr(found)
            assert len(timeline.total("*.quick").slices) == 12_000

    def test_wrong_use(timeline):
        with pytest.raises(TypeError, match="longer_than"):
            timeline.slices("work", longer_than="1s")
        with pytest.raises(ValueError, match="longer_than"):
            timeline.total("work", longer_than=-1)

    def test_asking_leaves_no_trace(timeline):
        timeline.slices("work")
        timeline.total("work")
        timeline.blocked()
        names = {each.name for each in timeline.slices(longer_than=0) if each.caller == "test_asking_leaves_no_trace"}
        assert names == set(), names
"""


@pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["alone", "xdist"])
def test_answers(pytester: pytest.Pytester, run_pytest: Callable[..., Run], arguments: tuple[str, ...]) -> None:
    if arguments:
        pytest.importorskip("xdist")
    pytester.makepyfile(test_it=ASKING)
    run = run_pytest("--timeline", "--timeline-format=html", "-q", *arguments)
    assert run.ret == 0, run.stdout
    assert set(run.outcomes.values()) == {"passed"}


FAILING = """
    import asyncio, time
    import pytest

    def work(): time.sleep(0.002)

    def test_total(timeline):
        work()
        assert timeline.total("time.sleep") < 0.001

    def test_length(timeline):
        work()
        assert len(timeline.slices("work")) == (
            2
        )

    def test_empty(timeline):
        for _ in range(20): work()
        assert not timeline.slices("wor*", thread="Main*")

    def test_several(timeline):
        with timeline.span("work"): work()
        assert not timeline.slices("*ork")

    async def block(): time.sleep(0.6)

    def test_blocked(timeline):
        asyncio.run(block())
        assert not timeline.blocked(longer_than=0.5)

    @pytest.fixture
    def checked(timeline):
        yield
        assert timeline.slices("nothing"), "never called"

    def test_teardown(checked): pass

    def test_unrelated(timeline):
        work()
        assert timeline.slices("work")
        assert 1 == 2
"""


def messages(out: str) -> dict[str, list[str]]:
    """Return the lines of each failure's message, by the report's headline."""
    found: dict[str, list[str]] = {}
    headline = ""
    for line in out.splitlines():
        if match := re.fullmatch(r"_{3,} (.*?) _{3,}", line):
            headline = match[1]
        elif match := re.match(r"E {3}(.*)", line):
            found.setdefault(headline, []).append(match[1].strip())
    return found


def test_a_failed_assertion_shows_the_slices(pytester: pytest.Pytester, run_pytest: Callable[..., Run]) -> None:
    pytester.makepyfile(test_it=FAILING)
    run = run_pytest("--timeline", "--timeline-format=html")
    found = messages(run.stdout)
    assert run.ret == 1
    explained = {name: lines[place:] for name, lines in found.items() for place in [_first(lines)] if place}
    assert set(explained) == {
        "test_total",
        "test_length",
        "test_empty",
        "test_several",
        "test_blocked",
        "ERROR at teardown of test_teardown",
    }
    assert re.fullmatch(r"timeline: 1 slice of 'time.sleep', [\d.]+ ms", explained["test_total"][0])
    assert re.fullmatch(
        r"[\d.]+ ms  time.sleep in work, at [\d.]+ m?s, MainThread  test_it.py:\d+", explained["test_total"][1]
    )
    assert len(explained["test_length"]) == 2
    assert re.match(r"timeline: 20 slices of 'wor\*', thread='Main\*', [\d.]+ m?s", explained["test_empty"][0])
    assert len(explained["test_empty"]) == 11
    assert [line.split("  ")[1].partition(",")[0] for line in explained["test_several"][1:]] == ["work (user)", "work"]
    assert explained["test_blocked"][0] == "timeline: 1 block of an event loop, 500 ms or longer"
    assert re.match(r"[\d.]+ ms  time.sleep in block, at ", explained["test_blocked"][1])
    assert explained["ERROR at teardown of test_teardown"] == ["timeline: 0 slices of 'nothing', 0 ms"]
    assert any(re.match(r"\+  where <20 slices of .* m?s: work [\d.]+ m?s, ", line) for line in found["test_empty"])
    assert "+    where slices = timeline.slices" in found["test_empty"]


def _first(lines: list[str]) -> int:
    return next((place for place, line in enumerate(lines) if line.startswith("timeline: ")), 0)


def test_without_a_timeline_a_question_skips_the_test(
    pytester: pytest.Pytester, run_pytest: Callable[..., Run]
) -> None:
    pytester.makepyfile(
        test_it="""
        def test_asks(timeline):
            assert not timeline.recording
            assert not timeline.blocked()

        def test_does_not_ask(timeline): pass
        """
    )
    run = run_pytest("-rs")
    assert run.ret == 0
    assert "SKIPPED [1] test_it.py:3: no timeline is recorded: say --timeline" in run.stdout
    assert "1 passed, 1 skipped" in run.stdout


def test_where_the_marker_is_off_a_question_skips_the_test(
    pytester: pytest.Pytester, run_pytest: Callable[..., Run]
) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.timeline(off=True)
        class TestOff:
            def test_asks(self, timeline):
                assert not timeline.recording
                assert not timeline.slices()

            def test_tells(self, timeline):
                with timeline.span("nothing"): timeline.instant("nothing")

        def test_on(timeline): assert timeline.recording
        """
    )
    run = run_pytest("--timeline", "-rs")
    assert run.ret == 0
    assert "no timeline is recorded of this test: its marker says off=True" in run.stdout
    assert "2 passed, 1 skipped" in run.stdout


def test_questions_that_make_no_sense(pytester: pytest.Pytester, run_pytest: Callable[..., Run]) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.parametrize(("filters", "says"), [
            ({"thraed": "a"}, "no 'thraed'; choose by name, thread, process, category, longer_than"),
            ({"category": "pyton"}, "no category 'pyton'; choose from python, c, await, test, fixture, user, gc"),
            ({"name": 3}, "name is a name or a pattern, not 3"),
            ({"process": 1.5}, "process is a name or a pattern or a pid, not 1.5"),
            ({"longer_than": "1ms"}, "longer_than is a number of seconds, not '1ms'"),
        ])
        def test_wrong(timeline, filters, says):
            for ask in (timeline.slices, timeline.total):
                with pytest.raises((TypeError, ValueError), match=says):
                    ask(**filters)

        def test_fails(timeline):
            timeline.total(thread=7)
        """
    )
    run = run_pytest("--timeline", "--tb=short")
    assert "1 failed, 5 passed" in run.stdout
    assert "test_it.py:16: in test_fails" in run.stdout and "query.py" not in run.stdout


def test_a_thread_of_earlier_that_idles_is_in_no_answer(
    pytester: pytest.Pytester, run_pytest: Callable[..., Run]
) -> None:
    pytester.makeconftest(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    )
    pytester.makepyfile(
        test_it="""
        def test_it(timeline):
            assert {each.thread for each in timeline.slices()} == {"MainThread"}
        """
    )
    run = run_pytest("--timeline", "-p", "no:rerunfailures")
    assert run.ret == 0, run.stdout


def test_a_collector_that_is_gone(pytester: pytest.Pytester, run_pytest: Callable[..., Run]) -> None:
    pytester.makepyfile(
        test_it="""
        import os, signal, time
        import pytest
        from pytest_timeline.session.query import QueryError
        from pytest_timeline.spooldir import StatusPage

        def test_kill(timeline):
            page = StatusPage("timeline/.spool/status")
            while not (pid := page["pid"]):
                time.sleep(0.01)
            page.close()
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(QueryError, match="^the timeline can't be asked: its collector is gone"):
                timeline.slices()
        """
    )
    assert run_pytest("--timeline").ret == 0
