"""What tests, helpers and applications tell by span, instant and counter, in real runs, in both trace formats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support import report
from support.runs import Run
from support.trace_processor import errors, missing, query

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

HELPERS = """
from pytest_timeline import counter, instant, span

@span("work", kind="helper")
def work(n):
    instant("in work", n=n)
    counter("done", n, unit="jobs")
"""

PROGRAM = """
import asyncio, os, subprocess, sys, threading
import pytest
from helpers import counter, instant, span, work

def test_threads(timeline):
    def serve():
        with timeline.span("serve") as s:
            work(1)
            s.add(served=3)
    thread = threading.Thread(target=serve, name="server")
    with timeline.span("all", table="users", odd={1}):
        thread.start()
        thread.join()
    timeline.instant("after", ok=True)

def test_only_marks_of_a_thread():
    thread = threading.Thread(target=instant, args=("alone",), name="lonely")
    thread.start()
    thread.join()

def test_tasks():
    async def fetch(first, second, n):
        with span(f"fetch {n}", n=n):
            await first.wait()
            second.set()
    async def main():
        a, b, c = asyncio.Event(), asyncio.Event(), asyncio.Event()
        tasks = [asyncio.create_task(fetch(a, b, 1), name="one"), asyncio.create_task(fetch(b, c, 2), name="two")]
        await asyncio.sleep(0)
        a.set()
        await asyncio.gather(*tasks)
    asyncio.run(main())

def test_children():
    code = "from helpers import work; work(7)"
    subprocess.run([sys.executable, "-c", code], check=True)
    with span("around the fork"):
        if (pid := os.fork()) == 0:
            try:
                work(8)
                span("never ended").__enter__()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)

def test_exception():
    with pytest.raises(ValueError):
        with span("fails"):
            raise ValueError

@pytest.fixture(scope="module")
def server():
    with span("session"):
        yield

def test_first(server): counter("load", 1)
def test_second(server): counter("load", 2.5)
"""

SPANS = """
    select slice.name, coalesce(process.name, p2.name), track.name, slice.dur, slice.category, slice.ts
    from slice join track on slice.track_id = track.id left join thread_track on thread_track.id = track.id
    left join thread using (utid) left join process using (upid) left join process_track on process_track.id = track.id
    left join process p2 on p2.upid = process_track.upid where slice.category = 'user' and slice.dur > 0 order by ts"""
INSTANTS = """
    select slice.name, thread.name from slice join thread_track on slice.track_id = thread_track.id
    join thread using (utid) where slice.category = 'user' and slice.dur = 0 order by ts"""
VALUES = """
    select process.name, counter.value from counter join process_counter_track t on t.id = counter.track_id
    join process using (upid) order by ts"""
ARGUMENTS = """
    select slice.name, replace(replace(key, 'debug.', ''), 'args.', ''), display_value from slice
    join args using (arg_set_id) where slice.category = 'user' order by ts, 2"""


@pytest.fixture(scope="module")
def run(run_once: Callable[..., Run]) -> Run:
    run = run_once(
        {"test_it.py": PROGRAM, "helpers.py": HELPERS},
        *(
            "--timeline",
            "--timeline-record=none",
            "--timeline-mode=both",
            "--timeline-format=html,perfetto,chrome",
            "-p",
            "no:cacheprovider",
        ),
        PYTHONPATH=".",
    )
    assert run.ret == 0, run.stdout + run.stderr
    return run


def told(run: Run, test: str, format: str) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    path = run.directory / "timeline" / run.tests[test]["files"][format]
    assert errors(path) == []
    spans, instants, values, arguments = query(path, SPANS, INSTANTS, VALUES, ARGUMENTS)
    return spans, instants, values, arguments


@pytest.mark.parametrize("format", ["perfetto", "chrome"])
def test_they_are_on_their_thread_s_tracks(run: Run, format: str) -> None:
    spans, instants, values, arguments = told(run, "test_threads", format)
    assert [row[0] for row in spans] == ["all", "serve", "work"]
    assert instants == [("in work", "server"), ("after", "MainThread")]
    assert [value for _, value in values] == [1]
    assert arguments == [
        ("all", "odd", "{1}"),
        ("all", "table", "users"),
        ("serve", "served", "3"),
        ("work", "kind", "helper"),
        ("in work", "n", "1"),
        ("after", "ok", "true"),
    ]


@pytest.mark.parametrize("format", ["perfetto", "chrome"])
def test_a_thread_that_only_tells_has_a_track(run: Run, format: str) -> None:
    ((name, thread),) = told(run, "test_only_marks_of_a_thread", format)[1]
    assert name == "alone"
    assert thread != "MainThread"  # it has no name: no frame but threading's own was ever seen in it


def test_the_machinery_does_not_show(run: Run) -> None:
    page = report.read(run.directory / "timeline" / run.tests["test_threads"]["files"]["html"])
    text = set(page.model["names"]["text"])
    assert {"test_threads", "work"} <= text
    assert not [name for name in text if "TimelineSpan" in name or "_around" in name]
    assert text.isdisjoint({"span", "instant", "counter"})


@pytest.mark.parametrize("format", ["perfetto", "chrome"])
def test_spans_of_tasks_overlap_and_say_whose_they_are(run: Run, format: str) -> None:
    spans, _, _, arguments = told(run, "test_tasks", format)
    (first, second) = spans
    assert (first[0], second[0]) == ("fetch 1", "fetch 2")
    assert first[5] < second[5] < first[5] + first[3] < second[5] + second[3]
    assert [row for row in arguments if row[1] == "task"] == [
        ("fetch 1", "task", "one (test_tasks.<locals>.fetch)"),
        ("fetch 2", "task", "two (test_tasks.<locals>.fetch)"),
    ]


@pytest.mark.parametrize("format", ["perfetto", "chrome"])
def test_children_tell_for_themselves(run: Run, format: str) -> None:
    spans, instants, values, arguments = told(run, "test_children", format)
    assert [row[0] for row in spans] == ["work", "around the fork", "work", "never ended"]
    pytest_process, program, child = spans[1][1], spans[0][1], spans[2][1]
    assert len({pytest_process, program, child}) == 3
    assert spans[3][1] == child
    assert values == [(program, 7), (child, 8)]
    assert [name for name, _ in instants] == ["in work", "in work"]
    assert [(name, value) for name, key, value in arguments if key == "died"] == [("never ended", "true")]


def test_an_exception_is_noted(run: Run) -> None:
    spans, _, _, arguments = told(run, "test_exception", "perfetto")
    assert [row[0] for row in spans] == ["fails"]
    assert arguments == [("fails", "exception", "ValueError")]


def test_a_span_of_a_wide_fixture_is_cut_by_tests_and_whole_in_the_combined_trace(run: Run) -> None:
    for test, cut in (("test_first", "end"), ("test_second", "start")):
        _, _, _, arguments = told(run, test, "perfetto")
        assert arguments == [("session", "cut", cut)]
    for format in ("perfetto", "chrome"):
        path = run.directory / "timeline" / run.manifest["combined"][format]
        assert errors(path) == []
        spans, values, arguments = query(path, SPANS, VALUES, ARGUMENTS)
        assert [row[0] for row in spans].count("session") == 1
        assert not [row for row in arguments if row[0] == "session"]
        assert [value for _, value in values] == [1, 7, 8, 1, 2.5]


def test_workers_tell_for_themselves(run_once: Callable[..., Run]) -> None:
    pytest.importorskip("xdist")
    files = {"test_it.py": PROGRAM, "helpers.py": HELPERS}
    run = run_once(files, "--timeline", "--timeline-format=perfetto", "-n2", PYTHONPATH=".")
    assert run.ret == 0, run.stdout + run.stderr
    spans, *_ = told(run, "test_threads", "perfetto")
    assert [row[0] for row in spans] == ["all", "serve", "work"]
    spans, *_ = told(run, "test_children", "perfetto")
    assert [row[0] for row in spans] == ["work", "around the fork", "work", "never ended"]


# A test that forks beside another plugin's thread is warned of it.
FORKS = ("-W", "ignore:This process:DeprecationWarning")


@pytest.mark.parametrize("arguments", [(), ("-p", "no:timeline")])
def test_without_a_timeline_all_of_it_does_nothing(run_once: Callable[..., Run], arguments: tuple[str, ...]) -> None:
    options = [*arguments, "-Werror", *FORKS, *(("-k", "not test_threads") if arguments else ())]
    run = run_once({"test_it.py": PROGRAM, "helpers.py": HELPERS}, *options, PYTHONPATH=".")
    assert run.ret == 0, run.stdout + run.stderr
    assert not (run.directory / "timeline").exists()
