"""Records become nested slices: against a naive nester, with damage, cuts and folding."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_timeline._codec import Slices, Spool
from support import spool_writer as w
from support.naive_nest import (
    CUT_END,
    CUT_START,
    DIED,
    HEALED,
    KEPT,
    RESUMED,
    THROWN,
    YIELDED,
    Nester,
    Record,
    owns,
    rows,
)

if TYPE_CHECKING:
    from pytest_timeline._codec import Recorded

END = 1 << 60


def spool_of(path: Path, records: list[Record]) -> w.SpoolWriter:
    writer = w.SpoolWriter(path, start=1)
    for record in records:
        writer.record(*record)
    return writer


def slices_of(spool: Spool, tick: int = END) -> Slices:
    tracks, *_ = spool.cut(tick)
    (track,) = tracks
    return track[3]


def nested(path: Path, records: list[Record]) -> list[tuple[int, ...]]:
    spool_of(path, records)
    spool = Spool(str(path))
    assert spool.drain(END) is None
    return [row[:6] for row in slices_of(spool).rows()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "1-1.spool"


def test_calls_nest(path: Path) -> None:
    records = [
        (10, w.START, 5, 1),
        (20, w.START, 6, 2),
        (25, w.CALL, 6, 3),
        (27, w.C_RETURN, 6, 3),
        (30, w.RETURN, 6, 2),
        (40, w.RETURN, 5, 1),
    ]
    assert nested(path, records) == [(10, 40, 1, 0, 0, 0), (20, 30, 2, 1, 0, 0), (25, 27, 3, 2, 0, 0)]


def test_ways_in_and_out_are_flagged(path: Path) -> None:
    records = [
        (10, w.START, 5, 1),
        (11, w.YIELD, 5, 1),
        (20, w.RESUME, 5, 1),
        (21, w.RAISED, 0, 9),
        (22, w.UNWIND, 5, 1),
        (30, w.THROW, 5, 1),
        (31, w.CALL, 5, 2),
        (32, w.C_RAISE, 5, 2),
        (33, w.RETURN, 5, 1),
    ]
    assert nested(path, records) == [
        (10, 11, 1, 0, YIELDED, 0),
        (20, 22, 1, 0, RESUMED | THROWN, 9),
        (30, 33, 1, 0, RESUMED, 0),
        (31, 32, 2, 1, THROWN, 0),
    ]


def test_a_missing_exit_is_healed_by_the_next_entry_or_outer_exit(path: Path) -> None:
    records = [
        (10, w.START, 5, 1),
        (11, w.START, 6, 2),
        (12, w.CALL, 6, 3),
        (13, w.START, 6, 4),  # ends 3 and 2
        (14, w.RETURN, 5, 1),  # ends 4
    ]
    assert nested(path, records) == [
        (10, 14, 1, 0, 0, 0),
        (11, 13, 2, 1, HEALED, 0),
        (12, 13, 3, 2, HEALED, 0),
        (13, 14, 4, 1, HEALED, 0),
    ]


def test_an_exit_without_its_entry_is_ignored(path: Path) -> None:
    records = [(5, w.RETURN, 4, 7), (10, w.START, 5, 1), (11, w.RETURN, 5, 2), (12, w.RETURN, 5, 1)]
    spool_of(path, records)
    spool = Spool(str(path))
    spool.drain(END)
    assert slices_of(spool).rows() == [(10, 12, 1, 0, 0, 0, 0, 0)]
    assert spool.ignored == 2


def test_time_does_not_run_backwards(path: Path) -> None:
    records = [(100, w.START, 5, 1), (90, w.START, 6, 2), (95, w.RETURN, 6, 2), (80, w.RETURN, 5, 1)]
    assert nested(path, records) == [(100, 100, 1, 0, 0, 0), (100, 100, 2, 1, 0, 0)]


def test_a_cut_ends_what_is_open_and_begins_it_again(path: Path) -> None:
    writer = spool_of(path, [(10, w.START, 5, 1), (11, w.RESUME, 6, 2), (12, w.START, 7, 3), (13, w.RETURN, 7, 3)])
    spool = Spool(str(path))
    spool.drain(END)
    first = slices_of(spool, 20)
    second = slices_of(spool, 30)
    writer.record(40, w.RETURN, 6, 2)
    spool.drain(END + 1)
    third = slices_of(spool, 50)
    assert [row[:5] for row in first.rows()] == [
        (10, 20, 1, 0, CUT_END),
        (11, 20, 2, 1, RESUMED | CUT_END),
        (12, 13, 3, 2, 0),
    ]
    both = CUT_START | CUT_END
    assert [row[:5] for row in second.rows()] == [(20, 30, 1, 0, both), (20, 30, 2, 1, both | RESUMED)]
    assert [row[:5] for row in third.rows()] == [(30, 50, 1, 0, both), (30, 40, 2, 1, CUT_START | RESUMED)]


def test_the_death_of_a_process_ends_what_is_open_at_its_last_record(path: Path) -> None:
    writer = spool_of(path, [(10, w.START, 5, 1), (11, w.START, 6, 2)])
    writer.record(17, w.START, 9, 3, thread=1)
    spool = Spool(str(path))
    spool.drain(END)
    spool.die()
    tracks, *_ = spool.cut(END)
    assert [[row[:5] for row in track[3].rows()] for track in tracks] == [
        [(10, 17, 1, 0, DIED), (11, 17, 2, 1, DIED)],
        [(17, 17, 3, 0, DIED)],
    ]
    assert spool.cut(END + 1) == ([], None, None)


def random_records(rng: random.Random, count: int) -> list[Record]:
    """Mostly proper calls, with every kind of damage."""
    records: list[Record] = []
    stack: list[tuple[int, int, int]] = []  # depth, id, the kind that entered
    tick = rng.randrange(1, 1000)
    for _ in range(count):
        tick += rng.choice((0, 1, 1, 2, 5, 40, 1000)) - (rng.random() < 0.02)
        roll = rng.random()
        if roll < 0.05:
            records.append((tick, rng.randrange(1, 11), rng.randrange(1, 9), rng.randrange(1, 6)))
        elif roll < 0.5 or not stack:
            depth = stack[-1][0] + 1 if stack else 3
            kind = rng.choice((w.START, w.START, w.RESUME, w.THROW, w.CALL))
            if kind == w.CALL:
                depth -= 1
                if stack and stack[-1][2] == w.CALL:
                    continue
            stack.append((depth, rng.randrange(1, 6), kind))
            records.append((tick, kind, depth, stack[-1][1]))
        else:
            depth, id, kind = stack.pop()
            out = rng.choice((w.C_RETURN, w.C_RAISE) if kind == w.CALL else (w.RETURN, w.YIELD, w.UNWIND))
            if out in (w.UNWIND, w.C_RAISE) and rng.random() < 0.7:
                records.append((tick, w.RAISED, 0, rng.randrange(10, 14)))
            if rng.random() > 0.03:
                records.append((tick, out, depth, id))
    return records


@pytest.mark.parametrize("seed", range(40))
def test_random_records_nest_as_the_naive_nester_nests_them(path: Path, seed: int) -> None:
    rng = random.Random(seed)
    records = random_records(rng, 1500)
    threshold = rng.choice((0, 0, 2, 50, 5000))
    spool_of(path, records)
    spool = Spool(str(path), min_ticks=threshold)
    naive = Nester()
    at = 0
    while at < len(records):
        part = records[at : at + rng.randrange(1, 700)]
        at += len(part)
        tick = max(record[0] for record in records[:at])
        spool.drain(tick)
        # A tick may be smaller than the ones before it: the reader takes what is not later than its limit.
        while at < len(records) and records[at][0] <= tick:
            part.append(records[at])
            at += 1
        naive.take(part)
        tracks, lane, _ = spool.cut(tick)
        assert lane is None
        expected, outer = rows(naive.cut(tick), threshold)
        found = tracks[0][3] if tracks else Slices()
        assert found.rows() == expected
        assert found.outer_folded == outer
    assert spool.ignored == naive.ignored


@pytest.mark.parametrize("budget", [10, 100, 1000])
@pytest.mark.parametrize("seed", range(8))
def test_a_budget_folds_the_shortest_and_loses_nothing(path: Path, seed: int, budget: int) -> None:
    records = random_records(random.Random(seed), 6000)
    spool_of(path, records)
    spool = Spool(str(path), max_slices=budget)
    spool.drain(END)
    found = slices_of(spool)
    naive = Nester()
    naive.take(records)
    roots = naive.cut(END)
    full, _ = rows(roots)
    assert len(found) + found.folded == len(full)
    open_at_the_end = sum(1 for row in full if row[4] & CUT_END)
    assert len(found) <= budget + open_at_the_end
    # What is left is exactly what one threshold leaves, so the folded counts and times are too.
    threshold = min((end - start for start, end, _, _, flags, *_ in found.rows() if not flags & KEPT), default=1 << 59)
    expected, outer = rows(roots, threshold)
    assert found.rows() == expected
    assert found.outer_folded == outer


@pytest.mark.parametrize(("threshold", "budget"), [(2, 0), (50, 0), (5000, 0), (0, 20), (0, 300), (3, 100)])
@pytest.mark.parametrize("seed", range(6))
def test_the_sums_of_a_folded_timeline_are_those_of_the_full_one(
    path: Path, seed: int, threshold: int, budget: int
) -> None:
    rng = random.Random(seed)
    records = random_records(rng, 4000)
    records.sort(key=lambda record: record[0])
    spool_of(path, records)
    spool = Spool(str(path), min_ticks=threshold, max_slices=budget)
    naive = Nester()
    cuts = sorted(rng.sample(range(len(records)), 3))
    folded_any = 0
    for begin, end in itertools.pairwise([0, *cuts, len(records)]):
        tick = records[end - 1][0] if end < len(records) else END
        taken = [record for record in records if (begin == 0 or record[0] > naive.now) and record[0] <= tick]
        assert spool.drain(tick) is None
        naive.take(taken)
        if tick == END:  # the process died
            spool.die()
            naive.die()
        found = slices_of(spool, tick)
        full, _ = rows(naive.cut(tick))
        drawn = found.rows()
        count, ticks = found.outer_folded
        assert len(drawn) + sum(row[6] for row in drawn) + count == len(full)
        assert not owns(drawn) - owns(full)
        outermost = sum(end - start for start, end, _, depth, *_ in full if depth == 0)
        assert sum(end - start for start, end, _, depth, *_ in drawn if depth == 0) + ticks == outermost
        folded_any += found.folded
    assert folded_any


def test_a_budget_holds_with_frames_deeper_than_it(path: Path) -> None:
    deep = 5000
    records = [(10 + i, w.START, i, 1) for i in range(deep)]
    records += [(10 + deep + i, w.RETURN, deep - 1 - i, 1) for i in range(deep)]
    spool_of(path, records)
    spool = Spool(str(path), max_slices=100)
    spool.drain(END)
    found = slices_of(spool)
    assert 0 < len(found) <= 100
    assert len(found) + found.folded == deep
    assert [row[3] for row in found.rows()] == list(range(len(found)))


def test_the_budget_is_each_windows_own(path: Path) -> None:
    records = []
    for i in range(1000):
        start = 10 + 2000 * i
        records += [(start, w.START, 1, 1), (start + 1 + i * 37 % 1000, w.RETURN, 1, 1)]
    writer = spool_of(path, records)
    spool = Spool(str(path), max_slices=100)
    spool.drain(END)
    assert 0 < len(slices_of(spool, 3_000_000)) <= 100
    writer.record(4_000_000, w.START, 1, 1)
    writer.record(4_000_001, w.RETURN, 1, 1)
    spool.drain(END + 1)
    assert slices_of(spool, 5_000_000).rows() == [(4_000_000, 4_000_001, 1, 0, 0, 0, 0, 0)]


@pytest.mark.parametrize("seed", range(20))
def test_a_snapshot_is_what_a_cut_would_be_and_changes_nothing(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    limits = {"min_ticks": rng.choice((0, 50)), "max_slices": rng.choice((0, 20, 200))}
    records = sorted(
        ((*record, thread) for thread in range(2) for record in random_records(rng, 800)), key=lambda record: record[0]
    )
    spools = []
    for name in ("looked-at", "left-alone"):
        writer = w.SpoolWriter(tmp_path / name, start=1)
        for record in records:
            writer.record(*record)
        spools.append(Spool(str(tmp_path / name), **limits))
    looked_at, left_alone = spools

    def plain(window: Recorded) -> object:
        tracks, lane, _ = window
        return [(*track[:3], track[3].rows(), track[3].outer_folded) for track in tracks], lane and lane[0].rows()

    for i in range(0, len(records), 200):
        tick = records[i][0]
        for spool in spools:
            spool.drain(tick)
        snapshot = plain(looked_at.snapshot(tick))
        assert plain(looked_at.snapshot(tick)) == snapshot
        if i % 400:
            cut = plain(left_alone.cut(tick))
            assert snapshot == cut
            assert plain(looked_at.cut(tick)) == cut
    assert plain(looked_at.cut(END)) == plain(left_alone.cut(END))


def test_stacks_are_what_is_open_since_its_true_beginning(path: Path) -> None:
    writer = spool_of(path, [(10, w.START, 5, 1), (11, w.CALL, 5, 2), (12, w.C_RETURN, 5, 2), (13, w.START, 6, 3)])
    writer.record(14, w.START, 5, 4, thread=1)
    writer.record(15, w.RETURN, 5, 4, thread=1)
    spool = Spool(str(path))
    spool.drain(END)
    expected = [(0, 1000, "Thread 1000", [(1, 10), (3, 13)])]
    assert spool.stacks() == expected
    spool.cut(20)
    spool.cut(30)
    assert spool.stacks() == expected
    writer.record(40, w.RETURN, 5, 1)
    spool.drain(END + 1)
    assert spool.stacks() == []
