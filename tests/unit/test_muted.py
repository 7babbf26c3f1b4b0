"""What a window tells of functions that are recorded no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_timeline._codec import Spool
from pytest_timeline.collect.muted import Mutes
from pytest_timeline.timeline.model import Process, Track
from support import spool_writer as w

END = 1 << 60
LEAF, WORK, TEST, OTHER = 1, 2, 3, 4


@pytest.fixture
def writer(tmp_path: Path) -> w.SpoolWriter:
    writer = w.SpoolWriter(tmp_path / "1-1.spool", start=1)
    writer.string(1, 9, "/src/test_a.py")
    for id, name in ((LEAF, "leaf"), (WORK, "work"), (TEST, "test_a"), (OTHER, "other")):
        writer.code(1, id, name, file=9, line=10 * id)
    for record in [
        (1000, w.START, 1, TEST),
        (2000, w.START, 2, WORK),
        (2100, w.START, 3, LEAF),
        (2400, w.RETURN, 3, LEAF),
        (2500, w.START, 3, LEAF),
        (2800, w.RETURN, 3, LEAF),
    ]:
        writer.record(*record)
    writer.muted(3000, LEAF, 0.5)
    for record in [
        (4000, w.START, 3, OTHER),
        (5000, w.RETURN, 3, OTHER),
        (7000, w.RETURN, 2, WORK),
        (7000, w.START, 2, OTHER),
        (9000, w.RETURN, 2, OTHER),
    ]:
        writer.record(*record)
    return writer


def window(spool: Spool, tick: int) -> Process:
    spool.drain(tick)
    tracks, *_ = spool.cut(tick)
    process = Process(1, 0, "", 1)
    process.tracks = [
        Track("thread", name, native_id, serial, slices, spool.names) for serial, native_id, name, slices in tracks
    ]
    return process


def test_what_was_not_recorded_is_a_share_of_its_callers_own_time(writer: w.SpoolWriter) -> None:
    spool, mutes = Spool(str(writer.path)), Mutes()
    process = window(spool, 9000)
    mutes.hear(spool)
    (muted,) = mutes.mark(process, 1, 1e3)
    # From 3000 on `work` runs itself for 3000 ticks and `test_a` for none; half of that, at 1 us a tick.
    assert (muted.name, muted.file, muted.line) == ("leaf", "/src/test_a.py", 10)
    assert (muted.recorded, muted.exact, muted.milliseconds) == (2, True, 1.5)
    assert muted.text == "leaf beyond 2 calls, about 1.5 ms"
    (instant,) = process.tracks[0].instants
    assert (instant.name, instant.tick) == ("not recorded from here: leaf", 3000)
    assert instant.args == {"file": "/src/test_a.py", "line": 10, "recorded": 2, "estimated_ms": 1.5}


def test_folded_slices_were_recorded_and_count_for_nothing(writer: w.SpoolWriter) -> None:
    spool, mutes = Spool(str(writer.path), min_ticks=1500), Mutes()
    process = window(spool, 9000)
    mutes.hear(spool)
    (muted,) = mutes.mark(process, 1, 1e3)
    assert muted.text.startswith("leaf beyond at least 0 calls")
    # 1600 of the 5000 ticks of `work` are folded, wherever in it.
    assert muted.milliseconds == pytest.approx((4000 - 1600 * 4 / 5) / 2 / 1e3 * 1.0, rel=0.01)


def test_a_child_process_goes_on_without_it_until_it_ends(writer: w.SpoolWriter) -> None:
    spool, mutes = Spool(str(writer.path)), Mutes()
    process = window(spool, 3500)
    mutes.hear(spool)
    assert [muted.milliseconds for muted in mutes.mark(process, 1, 1e3)] == [0.25]
    process = window(spool, 6000)
    mutes.hear(spool)
    assert [muted.milliseconds for muted in mutes.mark(process, 3500, 1e3)] == [0.75]
    assert process.tracks[0].instants == []
    writer.record(10000, w.RETURN, 1, TEST)
    process = window(spool, 9000)
    mutes.mark(process, 6000, 1e3)
    process = window(spool, END)
    assert [muted.milliseconds for muted in mutes.mark(process, 9000, 1e3)] == [0.5]
    mutes.forget()
    assert mutes.mark(process, 9000, 1e3) == []
