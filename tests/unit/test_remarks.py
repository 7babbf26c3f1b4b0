"""What processes say beside the test run's story: on which track, in which window, and how much of it is kept."""

from __future__ import annotations

import os

import pytest

from pytest_timeline.collect import remarks
from pytest_timeline.collect.family import Family, Window
from pytest_timeline.timeline.model import Process, Span, Track
from support import run_writer
from support import spool_writer as w
from support.run_writer import RunWriter, gone_pid


def advance(run: RunWriter, family: Family, until: int) -> list[Window]:
    family.look()
    family.scan()
    return list(family.advance(run.start + until))


def say(process: run_writer.Process, tick: int, code: int, thread: int = 0, **what: object) -> None:
    process.writer.mark(process.origin + tick, code, thread, **what)


def threads(process: Process) -> dict[str, Track]:
    return {track.name: track for track in process.tracks if track.kind == "thread"}


def told(run: RunWriter, spans: list[Span]) -> list[tuple[str, int, int, str]]:
    return [(span.name, span.start - run.start, span.end - run.start, span.cut) for span in spans]


def test_an_instant_is_on_the_track_of_its_thread_and_a_failure_on_the_test_s(run: RunWriter, family: Family) -> None:
    root = run.process()
    root.mark(100, w.TEST_BEGIN, nodeid="a")
    root.call(110, 120)
    root.writer.thread(run.start + 130, "worker", 77, thread=1)
    say(root, 140, w.INSTANT, thread=1, name="from a thread", cat="log", args={"level": "INFO"})
    say(root, 150, w.INSTANT, name="here")
    say(root, 160, w.INSTANT, name="ValueError", cat="test")
    child = run.process(tick=105, pid=gone_pid())
    say(child, 170, w.INSTANT, name="in the child", cat="user")
    say(child, 171, w.INSTANT, name="of nobody", cat="test")
    root.mark(200, w.TEST_END, outcome="failed")
    _, window = advance(run, family, 300)
    first, second = window.timeline.processes
    found = [(i.name, i.category, i.tick - run.start, i.args) for i in threads(first)["worker"].instants]
    assert found == [("from a thread", "log", 140, {"level": "INFO"})]
    assert threads(first)["worker"].native_id == 77
    assert [i.name for i in threads(first)["Thread 1000"].instants] == ["here"]
    assert [i.name for i in threads(second)["Thread 1000"].instants] == ["in the child"]
    assert window.timeline.story is not None
    assert [i.name for i in window.timeline.story.instants] == ["ValueError"]


def test_a_span_ends_in_any_thread_and_may_overlap_others(run: RunWriter, family: Family) -> None:
    root = run.process()
    root.mark(100, w.TEST_BEGIN, nodeid="a")
    say(root, 110, w.USER_BEGIN, id=1, name="a", args={"x": 1})
    say(root, 120, w.USER_BEGIN, id=2, name="b", cat="gc")
    say(root, 130, w.USER_END, thread=1, id=1, args={"y": 2})
    say(root, 140, w.USER_END, id=2)
    say(root, 150, w.USER_END, id=3)  # nobody knows it
    root.mark(200, w.TEST_END, outcome="passed")
    _, window = advance(run, family, 300)
    (track,) = threads(window.timeline.processes[0]).values()
    assert told(run, track.spans) == [("a", 110, 130, ""), ("b", 120, 140, "")]
    assert [(span.category, span.args) for span in track.spans] == [("user", {"x": 1, "y": 2}), ("gc", {})]
    assert family.remarks.damaged == 0


def test_a_span_goes_on_in_the_next_window(run: RunWriter, family: Family) -> None:
    root = run.process()
    root.mark(100, w.TEST_BEGIN, nodeid="a")
    root.writer.thread(run.start + 105, "worker", 77, thread=1)
    say(root, 110, w.USER_BEGIN, thread=1, id=1, name="server")
    advance(run, family, 150)
    (track,) = threads(family.snapshot(run.start + 150).processes[0]).values()
    assert told(run, track.spans) == [("server", 110, 150, "end")]
    root.mark(200, w.TEST_END, outcome="passed")
    root.mark(300, w.TEST_BEGIN, nodeid="b")
    say(root, 310, w.USER_END, id=1, args={"served": 3})
    root.mark(400, w.TEST_END, outcome="passed")
    root.mark(500, w.TEST_BEGIN, nodeid="c")
    windows = advance(run, family, 600)
    found = [threads(window.timeline.processes[0]) for window in windows]
    assert [told(run, tracks["worker"].spans) for tracks in found[:3]] == [
        [("server", 110, 200, "end")],
        [("server", 200, 300, "both")],
        [("server", 300, 310, "start")],
    ]
    assert [tracks["worker"].spans[0].args for tracks in found[:3]] == [{}, {}, {"served": 3}]
    assert "worker" not in found[3]


def test_a_span_ends_with_its_process(run: RunWriter, family: Family) -> None:
    root = run.process()
    root.mark(100, w.TEST_BEGIN, nodeid="a")
    child = run.process(tick=105, pid=gone_pid())
    say(child, 110, w.USER_BEGIN, id=1, name="work")
    child.call(120, None)
    advance(run, family, 150)
    root.mark(200, w.TEST_END, outcome="passed")
    root.mark(300, w.TEST_BEGIN, nodeid="b")
    window, between = advance(run, family, 400)
    (track,) = window.timeline.processes[1].tracks
    ((_, died, *_),) = track.slices.rows()
    assert told(run, track.spans) == [("work", 110, died - run.start, "")]
    assert track.spans[0].args == {"died": True}
    assert len(between.timeline.processes) == 1


def test_a_counter_is_of_its_process(run: RunWriter, family: Family) -> None:
    root = run.process()
    root.mark(100, w.TEST_BEGIN, nodeid="a")
    say(root, 110, w.COUNTER, name="queue", value=3)
    say(root, 120, w.COUNTER, thread=1, name="queue", value=4.5, unit="items")
    say(root, 130, w.COUNTER, name="large", value=1 << 63)
    child = run.process(tick=105, pid=gone_pid())
    say(child, 140, w.COUNTER, name="queue", value=-1)
    root.mark(200, w.TEST_END, outcome="passed")
    _, window = advance(run, family, 300)
    found = [
        [(each.name, each.unit, [tick - run.start for tick in each.ticks], each.values) for each in process.counters]
        for process in window.timeline.processes
    ]
    assert found == [
        [("queue", "items", [110, 120], [3, 4.5]), ("large", "", [130], [float(1 << 63)])],
        [("queue", "", [140], [-1])],
    ]


def test_what_is_beyond_the_bounds_is_counted(run: RunWriter, family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remarks, "MOST", 8)
    monkeypatch.setattr(remarks, "MOST_COUNTERS", 2)
    root = run.process()
    root.mark(100, w.TEST_BEGIN, nodeid="a")
    for i in range(10):
        say(root, 110 + i, w.INSTANT, name=f"i{i}")
    for i in range(12):
        say(root, 130 + i, w.USER_BEGIN, id=i, name=f"s{i}")
    for i in range(20):
        say(root, 150 + i, w.COUNTER, name="often", value=i)
    say(root, 170, w.COUNTER, name="second", value=1)
    say(root, 171, w.COUNTER, name="third", value=1)
    root.mark(200, w.TEST_END, outcome="passed")
    root.mark(300, w.TEST_BEGIN, nodeid="b")
    root.mark(400, w.TEST_END, outcome="passed")
    _, a, _, b = advance(run, family, 500)
    (track,) = threads(a.timeline.processes[0]).values()
    assert (len(track.instants), len(track.spans)) == (8, 8)
    often, second = a.timeline.processes[0].counters
    assert (often.values[0], second.values) == (0, [1])
    assert len(often.values) <= 8
    assert often.values[-1] >= 16  # it covers the whole window
    assert a.timeline.args["left_out"] == {"instants": 2, "spans": 4, "values": 21 - len(often.values)}
    assert "left_out" not in b.timeline.args
    (track,) = threads(b.timeline.processes[0]).values()
    assert len(track.spans) == 8  # they go on


@pytest.mark.parametrize(
    ("code", "payload"),
    [
        (w.INSTANT, b"{"),
        (w.INSTANT, b"[]"),
        (w.INSTANT, b"{}"),
        (w.INSTANT, b'{"name": "x", "args": 3}'),
        (w.USER_BEGIN, b'{"name": "x"}'),
        (w.USER_BEGIN, b'{"name": "x", "id": []}'),
        (w.USER_END, b"3"),
        (w.COUNTER, b'{"name": "x", "value": "3"}'),
        (w.COUNTER, b'{"name": "x", "value": null}'),
        (w.COUNTER, b'{"name": "x", "value": true}'),
        (99, b'{"name": "x"}'),
    ],
)
def test_damaged_marks_are_counted(run: RunWriter, family: Family, code: int, payload: bytes) -> None:
    root = run.process()
    root.writer.payload(run.start + 10, w.MARK, code, payload)
    root.test(100, 200, "a")
    windows = advance(run, family, 300)
    assert [window.timeline.name for window in windows] == ["", "a"]
    assert (family.remarks.damaged, family.story.damaged) == (1, 0)


def test_the_task_whose_step_is_open_is_in_the_arguments(run: RunWriter, family: Family) -> None:
    root = run.process()
    root.mark(100, w.TEST_BEGIN, nodeid="a")
    root.writer.code(run.start + 101, 1, "fetch", flags=0x80)
    root.writer.task(run.start + 102, 5, "Task-5 (fetch)")
    root.writer.record(run.start + 110, w.STEP, 6, 5)
    root.writer.record(run.start + 111, w.START, 6, 1)
    say(root, 112, w.USER_BEGIN, id=1, name="inside", args={"x": 1})
    root.writer.record(run.start + 113, w.YIELD, 6, 1)
    say(root, 120, w.USER_BEGIN, id=2, name="outside")
    root.mark(200, w.TEST_END, outcome="passed")
    _, window = advance(run, family, 300)
    spans = threads(window.timeline.processes[0])["Thread 1000"].spans
    assert [(span.name, span.args) for span in spans] == [
        ("inside", {"task": "Task-5 (fetch)", "x": 1}),
        ("outside", {}),
    ]
    assert window.timeline.processes[0].pid == os.getpid()
