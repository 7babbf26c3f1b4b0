"""What tasks tell becomes await stacks, states, arrows and blocks: against random programs, with damage and cuts."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_timeline._codec import Slices, Spool
from support import spool_writer as w
from support.task_programs import CODES, GENERATOR, PLAIN, Program

END = 1 << 60
RESUMED, YIELDED, THROWN, CUT_START, CUT_END, HEALED, DIED = (1 << bit for bit in range(7))
COROUTINE, ITERABLE, ASYNC_GENERATOR = 0x80, 0x100, 0x200
RUNNING, READY, WAITING = "running", "ready", "waiting"


class Told(NamedTuple):
    """A task as the codec tells it."""

    id: int
    name: str
    thread: int
    native_id: int
    created: int
    ended: int
    thrown: bool
    raised: int
    failed: bool
    blocked: bool
    steps: int
    lost_steps: int
    ticks: int
    frames: Slices
    states: Slices


class Taken(NamedTuple):
    """A window."""

    threads: dict[int, list[tuple[Any, ...]]]  # serial: (start, end, name, depth, flags)
    tasks: dict[int, Told]
    frames: dict[int, list[tuple[Any, ...]]]  # task: (start, end, name, depth, flags, raised)
    states: dict[int, list[tuple[Any, ...]]]  # task: (start, end, name)
    arrows: list[tuple[tuple[int, int, int], tuple[int, int, int]]]
    blocks: list[tuple[int, int, int, int, str, str]]
    notes: list[tuple[int, int, int, str]]
    folded: tuple[int, int, int]


class Writer:
    """One process, with the functions that the tests are about."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spool = w.SpoolWriter(path, start=1, chunks=16)
        for code in CODES:
            self.spool.code(1, code, f"c{code}", flags=COROUTINE)
        self.spool.code(1, PLAIN, "plain")
        self.spool.code(1, GENERATOR, "generator", flags=0x20)
        self.spool.code(1, 12, "agen", flags=ASYNC_GENERATOR)
        self.spool.code(1, 13, "Handle._run")
        self.spool.callable(1, 14, "time.sleep", blocking=True)
        self.spool.string(1, 20, "ValueError")
        self.spool.string(1, 21, "asyncio.exceptions.CancelledError")
        self.reader: Spool | None = None
        self.drained = 0

    def tell(self, records: Iterable[tuple[int, int, int, int]], thread: int = 0) -> None:
        """Write records (tick, kind, depth, id); a TASK is one that was created then, a SWITCH goes to a greenlet."""
        for tick, kind, depth, id in records:
            if kind == w.TASK:
                self.spool.task(tick, id, f"Task-{id}", created=True, thread=thread)
            elif kind == w.SWITCH:
                self.spool.switch(tick, id, thread)
            else:
                self.spool.record(tick, kind, depth, id, thread)

    def read(self, **options: Any) -> Spool:
        if self.reader is None:
            self.reader = Spool(str(self.path), **options)
        self.drained += 1  # a spool looks for new records when it is asked for another moment
        assert self.reader.drain(END + self.drained) is None
        return self.reader

    def cut(self, tick: int, **options: Any) -> Taken:
        spool = self.read(**options)
        return taken(spool, spool.cut(tick))


def taken(spool: Spool, window: Any) -> Taken:
    tracks, _, told = window

    def name(id: int) -> str:
        try:
            return spool.names[id][0]
        except KeyError:
            return "?"

    def rows(slices: Slices) -> list[tuple[Any, ...]]:
        return [(start, end, name(id), *rest) for start, end, id, *rest in slices.rows()]

    tasks, arrows, blocks, notes, folded = told or ([], [], [], [], (0, 0, 0))
    made = [Told(*task) for task in tasks]
    return Taken(
        {serial: [row[:5] for row in rows(slices)] for serial, _, _, slices in tracks},
        {task.id: task for task in made},
        {task.id: [row[:6] for row in rows(task.frames)] for task in made},
        {task.id: [row[:3] for row in rows(task.states)] for task in made},
        [(arrow[:3], arrow[3:]) for arrow in arrows],
        [(*block[:4], name(block[4]), name(block[5])) for block in blocks],
        notes,
        folded,
    )


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "1-1.spool")


def test_a_task_is_drawn_from_start_to_return_with_its_waits(writer: Writer) -> None:
    writer.tell(
        [
            (10, w.TASK, 0, 1),
            (20, w.START, 4, PLAIN),
            (21, w.STEP, 5, 1),
            (22, w.START, 5, 1),
            (23, w.START, 6, 2),
            (24, w.START, 7, PLAIN),
            (25, w.RETURN, 7, PLAIN),
            (26, w.YIELD, 6, 2),
            (27, w.YIELD, 5, 1),
            (30, w.READY, 0, 1),
            (39, w.STEP, 5, 1),
            (40, w.RESUME, 5, 1),
            (41, w.RESUME, 6, 2),
            (42, w.RETURN, 6, 2),
            (43, w.RETURN, 5, 1),
            (50, w.RETURN, 4, PLAIN),
        ]
    )
    found = writer.cut(60)
    assert found.frames[1] == [(22, 43, "c1", 0, 0, 0), (23, 42, "c2", 1, 0, 0), (27, 40, "await c2", 2, 0, 0)]
    assert found.states[1] == [(10, 22, READY), (22, 27, RUNNING), (27, 30, WAITING), (30, 40, READY), (40, 43, RUNNING)]
    assert found.threads[0] == [
        (20, 50, "plain", 0, 0),
        (22, 27, "Task-1", 1, 0),
        (22, 27, "c1", 2, YIELDED),
        (23, 26, "c2", 3, YIELDED),
        (24, 25, "plain", 4, 0),
        (40, 43, "Task-1", 1, 0),
        (40, 43, "c1", 2, RESUMED),
        (41, 42, "c2", 3, RESUMED),
    ]
    task = found.tasks[1]
    assert (task.steps, task.ticks, task.created, task.ended, task.thrown) == (2, 8, 10, 43, False)
    assert found.arrows == [((0, 0, 10), (1, 0, 22)), ((0, 0, 30), (1, 0, 40))]
    assert writer.read().ignored == 0


@pytest.mark.parametrize("seed", range(60))
def test_random_programs(writer: Writer, seed: int) -> None:
    program = Program(random.Random(seed), tasks=5, steps=120)
    writer.tell(program.records)
    found = writer.cut(program.end)
    assert writer.read().ignored == 0
    for task in program.tasks:
        assert found.frames[task.id] == program.frames(task), f"task {task.id}"
        lane = [(start, end, what) for start, end, what in program.lane(task)]
        assert found.states[task.id] == lane
        assert bool(found.tasks[task.id].ended) == task.over


@pytest.mark.parametrize("seed", range(12))
def test_windows_hold_the_same_in_pieces(writer: Writer, tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    program = Program(draw, tasks=4, steps=100)
    cuts = sorted({*draw.sample(range(101, program.end), 5), program.end})
    frames: dict[int, list[tuple[Any, ...]]] = {}
    states: dict[int, list[tuple[Any, ...]]] = {}
    records = iter([*program.records, (END, 0, 0, 0)])
    ahead = next(records)
    for cut in cuts:
        while ahead[0] <= cut:
            writer.tell([ahead])
            ahead = next(records)
        spool = writer.read()
        before = taken(spool, spool.snapshot(cut))
        window = taken(spool, spool.cut(cut))
        assert (before.frames, before.states, before.arrows) == (window.frames, window.states, window.arrows)
        for id in window.tasks:
            join(frames.setdefault(id, []), window.frames[id], window.tasks[id].frames)
            join(states.setdefault(id, []), window.states[id], window.tasks[id].states)
    for task in program.tasks:
        assert sorted(frames[task.id]) == sorted(row[:4] for row in program.frames(task))
        assert states[task.id] == [row for row in program.lane(task) if row[0] < cuts[-1]]


def join(rows: list[tuple[Any, ...]], window: list[tuple[Any, ...]], slices: Slices) -> None:
    """Add a window's rows, joining what goes on. A task that did nothing in a window is not in it."""
    for row, flags in zip(window, (raw[4] for raw in slices.rows()), strict=True):
        if flags & CUT_START:
            at = max(i for i, known in enumerate(rows) if known[2:4] == row[2:4])
            rows[at] = (rows[at][0], row[1], *rows[at][2:])
        else:
            rows.append(row[:4])


def assert_sound(found: Taken) -> None:
    """Whatever was told: slices nest, states are in one piece, and no two tasks run at once."""
    for rows in [*found.frames.values(), *found.threads.values()]:
        open: list[tuple[Any, ...]] = []
        for row in rows:
            start, end, _, depth = row[:4]
            assert start <= end and depth <= len(open)
            del open[depth:]
            assert not open or (open[-1][0] <= start and end <= open[-1][1])
            open.append(row)
        assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    ran = []
    for id, lane in found.states.items():
        for one, next in zip(lane, lane[1:], strict=False):
            assert one[1] == next[0]
        ran += [(start, end, id) for start, end, what in lane if what == RUNNING]
    ran.sort()
    for one, next in zip(ran, ran[1:], strict=False):
        assert one[1] <= next[0], "two tasks run at once on one thread"


@pytest.mark.parametrize("seed", range(40))
def test_damage_costs_what_is_damaged(writer: Writer, seed: int) -> None:
    draw = random.Random(seed)
    program = Program(draw, tasks=5, steps=80)
    records = []
    for record in program.records:
        what = draw.random()
        if record[1] == w.TASK or what < 0.9:
            records.append(record)
        elif what < 0.94:
            tick, kind, depth, id = record
            kinds = [*range(1, 16), 200]
            records.append((tick, draw.choice([kind, *kinds]), draw.choice([depth, 0, 3, 9]), draw.choice([id, 0, 99])))
    writer.tell(records)
    for cut in (program.end // 2, program.end):
        assert_sound(writer.cut(cut))
    spool = writer.read()
    spool.die()
    assert_sound(taken(spool, spool.cut(program.end + 1)))
