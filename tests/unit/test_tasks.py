"""What tasks tell becomes await stacks, states, arrows and blocks: against random programs, with damage and cuts."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_timeline._codec import Slices, Spool
from support import spool_writer as w
from support.naive_nest import owns
from support.task_programs import CODES, GENERATOR, PLAIN, Program

END = 1 << 60
RESUMED, YIELDED, THROWN, CUT_START, CUT_END, HEALED, DIED = (1 << bit for bit in range(7))
COROUTINE, ITERABLE, ASYNC_GENERATOR = 0x80, 0x100, 0x200
RUN = 13  # runs a callback of an event loop
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
        self.spool.code(1, RUN, "Handle._run")
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
            (20, w.START, 4, RUN),
            (21, w.STEP, 5, 1),
            (22, w.START, 5, 1),
            (23, w.START, 6, 2),
            (24, w.START, 7, PLAIN),
            (25, w.RETURN, 7, PLAIN),
            (26, w.YIELD, 6, 2),
            (27, w.YIELD, 5, 1),
            (28, w.RETURN, 4, RUN),
            (30, w.READY, 0, 1),
            (39, w.STEP, 5, 1),
            (40, w.RESUME, 5, 1),
            (41, w.RESUME, 6, 2),
            (42, w.RETURN, 6, 2),
            (43, w.RETURN, 5, 1),
        ]
    )
    found = writer.cut(60)
    assert found.frames[1] == [(22, 43, "c1", 0, 0, 0), (23, 42, "c2", 1, 0, 0), (27, 40, "await c2", 2, 0, 0)]
    assert found.states[1] == [
        (10, 22, READY),
        (22, 27, RUNNING),
        (27, 30, WAITING),
        (30, 40, READY),
        (40, 43, RUNNING),
    ]
    assert found.threads[0] == [
        (20, 28, "Handle._run", 0, 0),
        (22, 27, "Task-1", 1, 0),
        (22, 27, "c1", 2, YIELDED),
        (23, 26, "c2", 3, YIELDED),
        (24, 25, "plain", 4, 0),
        (40, 43, "Task-1", 0, 0),
        (40, 43, "c1", 1, RESUMED),
        (41, 42, "c2", 2, RESUMED),
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


@pytest.mark.parametrize("limits", [{"min_ticks": 30}, {"min_ticks": 300}, {"max_slices": 20}])
@pytest.mark.parametrize("seed", range(6))
def test_the_sums_of_folded_tasks_are_those_of_the_full_ones(
    writer: Writer, tmp_path: Path, seed: int, limits: dict[str, int]
) -> None:
    program = Program(random.Random(seed), tasks=5, steps=300)
    other = Writer(tmp_path / "2-1.spool")
    for each in (writer, other):
        each.tell(program.records)
    folded = 0
    for tick in (program.end // 3, program.end // 2, program.end):
        full, less = writer.cut(tick), other.cut(tick, **limits)
        assert less.tasks.keys() == full.tasks.keys()
        for id, task in full.tasks.items():
            found = less.tasks[id]
            for whole, part in ((task.frames, found.frames), (task.states, found.states)):
                assert len(part) + part.folded == len(whole)
                assert not owns(part.rows()) - owns(whole.rows())
                folded += part.folded
            assert (found.steps, found.ticks) == (task.steps, task.ticks)
    assert folded or limits != {"min_ticks": 300}  # smaller ones leave some programs whole


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


def assert_nested(rows: list[tuple[Any, ...]]) -> None:
    open: list[tuple[Any, ...]] = []
    for row in rows:
        start, end, _, depth = row[:4]
        assert start <= end
        assert depth <= len(open)
        del open[depth:]
        assert not open or (open[-1][0] <= start and end <= open[-1][1])
        open.append(row)
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)


def assert_sound(found: Taken) -> None:
    """Whatever was told: slices nest, states are in one piece, and no two tasks run at once."""
    for rows in [*found.frames.values(), *found.threads.values()]:
        assert_nested(rows)
    ran = []
    for id, lane in found.states.items():
        for one, next in itertools.pairwise(lane):
            assert one[1] == next[0]
        ran += [(start, end, id) for start, end, what in lane if what == RUNNING]
    ran.sort()
    for one, next in itertools.pairwise(ran):
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


def step(tick: int, task: int, code: int, *, kind: int = w.START, end: int = w.RETURN, took: int = 1) -> list[Any]:
    """A step of one frame that begins at the tick."""
    return [(tick, w.STEP, 5, task), (tick, kind, 5, code), (tick + took, end, 5, code)]


def test_an_exception_is_the_tasks_end(writer: Writer) -> None:
    writer.tell(
        [(1, w.TASK, 0, 1), (1, w.TASK, 0, 2), *step(10, 1, 1)[:2], (11, w.RAISED, 0, 20), (12, w.UNWIND, 5, 1)]
    )
    writer.tell([*step(20, 2, 1)[:2], (21, w.YIELD, 5, 1), (30, w.STEP, 5, 2), (30, w.THROW, 5, 1)])
    writer.tell([(31, w.RAISED, 0, 21), (32, w.UNWIND, 5, 1)])
    found = writer.cut(40)
    assert found.frames[1] == [(10, 12, "c1", 0, THROWN, 20)]
    assert found.frames[2] == [(20, 32, "c1", 0, THROWN, 21), (21, 30, "await c1", 1, 0, 0)]
    told = found.tasks
    assert (told[1].thrown, told[1].raised, told[1].failed, told[1].ended) == (True, 20, True, 12)
    assert (told[2].thrown, told[2].raised, told[2].failed, told[2].ended) == (True, 21, False, 32)


def test_an_async_generator_that_yields_a_value_is_awaited_no_more(writer: Writer) -> None:
    agen = 12
    writer.tell(
        [
            (1, w.TASK, 0, 1),
            *[(10, w.STEP, 5, 1), (10, w.START, 5, 1), (11, w.START, 6, agen), (12, w.YIELD, 6, agen)],
            *[(13, w.START, 6, 2), (14, w.YIELD, 6, 2), (15, w.YIELD, 5, 1)],
            *[(20, w.STEP, 5, 1), (20, w.RESUME, 5, 1), (21, w.RESUME, 6, 2), (22, w.RETURN, 6, 2)],
            *[(23, w.RESUME, 6, agen), (24, w.YIELD, 6, agen), (25, w.YIELD, 5, 1)],
            *[(30, w.STEP, 5, 1), (30, w.RESUME, 5, 1), (31, w.RESUME, 6, agen), (32, w.RETURN, 6, agen)],
            (33, w.RETURN, 5, 1),
        ]
    )
    assert writer.cut(40).frames[1] == [
        (10, 33, "c1", 0, 0, 0),
        (11, 12, "agen", 1, YIELDED, 0),
        (13, 22, "c2", 1, 0, 0),
        (15, 20, "await c2", 2, 0, 0),
        (23, 32, "agen", 1, RESUMED, 0),  # this time it waited, and so did what awaits it
        (25, 30, "await agen", 2, 0, 0),
    ]


def test_a_value_that_goes_to_an_excluded_frame_is_no_wait_once_its_task_has_ended(writer: Writer) -> None:
    agen = 12
    writer.tell([(1, w.TASK, 0, 1), (1, w.TASK, 0, 2)])
    writer.tell([*step(10, 1, agen, end=w.YIELD), *step(20, 2, agen, end=w.YIELD)])
    writer.tell([(30, w.START, 4, RUN), (31, w.ENDED, 4, 1), (32, w.RETURN, 4, RUN)])
    found = writer.cut(40)
    assert found.frames[1] == [(10, 11, "agen", 0, YIELDED, 0)]
    assert found.states[1] == [(1, 10, READY), (10, 11, RUNNING)]
    assert found.tasks[1].ended == 11
    assert found.states[2][-1] == (21, 40, WAITING)  # of this one nobody knows


def test_a_task_that_runs_in_anothers_step_runs_alone(writer: Writer) -> None:
    writer.tell(
        [(1, w.TASK, 0, 1), (10, w.STEP, 5, 1), (10, w.START, 5, 1), (12, w.START, 6, PLAIN), (13, w.TASK, 0, 2)]
    )
    writer.tell([(14, w.STEP, 7, 2), (14, w.START, 7, 2), (18, w.YIELD, 7, 2)])
    writer.tell([(20, w.RETURN, 6, PLAIN), (21, w.START, 6, 3), (23, w.RETURN, 6, 3), (25, w.RETURN, 5, 1)])
    found = writer.cut(30)
    assert found.states[1] == [(1, 10, READY), (10, 14, RUNNING), (14, 18, READY), (18, 25, RUNNING)]
    assert found.states[2] == [(13, 14, READY), (14, 18, RUNNING), (18, 30, WAITING)]
    assert found.frames[1] == [(10, 25, "c1", 0, 0, 0), (21, 23, "c3", 1, 0, 0)]
    assert found.frames[2] == [(14, 30, "c2", 0, CUT_END, 0), (18, 30, "await c2", 1, CUT_END, 0)]
    assert (found.tasks[1].ticks, found.tasks[2].ticks) == (11, 4)
    assert ((1, 0, 13), (2, 0, 14)) in found.arrows
    assert_sound(found)


def test_a_step_that_is_told_again_inside_itself_changes_nothing(writer: Writer) -> None:
    writer.tell([(1, w.TASK, 0, 1), (10, w.STEP, 5, 1), (10, w.START, 5, 1), (11, w.START, 6, GENERATOR)])
    writer.tell([(12, w.STEP, 7, 1), (12, w.START, 7, 2), (13, w.YIELD, 7, 2), (14, w.YIELD, 6, GENERATOR)])
    writer.tell([(15, w.YIELD, 5, 1)])
    found = writer.cut(20)
    assert found.frames[1] == [
        (10, 20, "c1", 0, CUT_END, 0),
        (12, 20, "c2", 1, CUT_END, 0),
        (15, 20, "await c2", 2, CUT_END, 0),
    ]
    assert [row[2] for row in found.threads[0]] == ["Task-1", "c1", "generator", "c2"]
    assert found.tasks[1].steps == 1


def test_a_step_of_a_task_that_nobody_told_of_is_ignored(writer: Writer) -> None:
    writer.tell(step(10, 7, 1))
    found = writer.cut(20)
    assert (found.tasks, [row[2] for row in found.threads[0]]) == ({}, ["c1"])
    assert writer.read().ignored == 1


def test_a_step_whose_end_is_missing_ends_where_another_begins(writer: Writer) -> None:
    writer.tell([(1, w.TASK, 0, 1), (1, w.TASK, 0, 2), *step(10, 1, 1)[:2], (11, w.START, 6, 2)])
    writer.tell(step(20, 2, 3))
    writer.tell(
        [(30, w.STEP, 5, 1), (30, w.RESUME, 5, 1), (31, w.RESUME, 6, 2), (32, w.RETURN, 6, 2), (33, w.RETURN, 5, 1)]
    )
    found = writer.cut(40)
    assert found.states[1] == [(1, 10, READY), (10, 20, RUNNING), (20, 30, WAITING), (30, 33, RUNNING)]
    assert [row[:3] for row in found.frames[1]] == [(10, 33, "c1"), (11, 32, "c2"), (20, 30, "await c2")]
    assert_sound(found)


def test_frames_that_are_left_out_do_not_end_their_task(writer: Writer) -> None:
    writer.tell([(1, w.TASK, 0, 1), *step(10, 1, 1), *step(20, 1, 2)])  # an excluded coroutine awaits one, then another
    first = writer.cut(30)
    assert first.frames[1] == [(10, 11, "c1", 0, 0, 0), (20, 21, "c2", 0, 0, 0)]
    assert first.states[1] == [(1, 10, READY), (10, 11, RUNNING), (11, 20, WAITING), (20, 21, RUNNING)]
    writer.tell(step(40, 1, 3))
    assert writer.cut(50).states[1] == [(30, 40, WAITING), (40, 41, RUNNING)]


def test_a_step_goes_on_while_frames_that_are_left_out_run(writer: Writer) -> None:
    writer.tell([(1, w.TASK, 0, 1), (5, w.START, 4, RUN), *step(10, 1, 1), (15, w.START, 5, PLAIN)])
    writer.tell([(16, w.RETURN, 5, PLAIN), *step(20, 1, 2), (25, w.RETURN, 4, RUN)])
    writer.tell([(30, w.START, 4, RUN), *step(31, 1, 3, end=w.YIELD), (35, w.RETURN, 4, RUN)])  # another callback
    found = writer.cut(40)
    assert found.states[1] == [
        (1, 10, READY),
        (10, 21, RUNNING),
        (21, 31, WAITING),
        (31, 32, RUNNING),
        (32, 40, WAITING),
    ]
    assert [row[:3] for row in found.frames[1]] == [
        (10, 11, "c1"),
        (20, 21, "c2"),
        (31, 40, "c3"),
        (32, 40, "await c3"),
    ]
    assert found.tasks[1].steps == 2


@pytest.mark.parametrize("between", [[(15, w.READY, 0, 1)], [(12, w.TASK, 0, 2), (12, w.STEP, 5, 2)]])
def test_a_step_does_not_go_on_after_anything_else(writer: Writer, between: list[Any]) -> None:
    writer.tell([(1, w.TASK, 0, 1), (5, w.START, 4, RUN), *step(10, 1, 1), *between])
    if len(between) == 2:
        writer.tell([(13, w.START, 5, 4), (14, w.RETURN, 5, 4)])
    writer.tell([*step(20, 1, 2), (25, w.RETURN, 4, RUN)])
    states = writer.cut(40).states[1]
    assert states[1] == (10, 11, RUNNING) and states[2][2] == WAITING and states[-1] == (20, 21, RUNNING)


def test_a_step_goes_on_after_a_frame_that_was_thrown_into_is_freed(writer: Writer) -> None:
    writer.tell([(1, w.TASK, 0, 1), (5, w.START, 4, RUN), *step(10, 1, 1)[:2], (11, w.START, 6, 2)])
    writer.tell([(12, w.YIELD, 6, 2), (13, w.YIELD, 5, 1), (14, w.RETURN, 4, RUN), (15, w.READY, 0, 1)])
    writer.tell([(20, w.START, 4, RUN), (21, w.STEP, 5, 1), (21, w.THROW, 5, 2), (22, w.RETURN, 5, 2)])
    writer.tell([(23, w.START, 5, PLAIN), (24, w.RETURN, 5, PLAIN), (25, w.STEP, 5, 1), (25, w.RESUME, 5, 1)])
    writer.tell([(26, w.RETURN, 5, 1), (27, w.RETURN, 4, RUN)])
    found = writer.cut(40)
    assert found.states[1] == [(1, 10, READY), (10, 13, RUNNING), (13, 15, WAITING), (15, 21, READY), (21, 26, RUNNING)]
    assert [row[:3] for row in found.frames[1]] == [(10, 26, "c1"), (11, 22, "c2"), (13, 21, "await c2")]
    assert_sound(found)


def test_a_task_is_forgotten_a_window_after_its_end(writer: Writer) -> None:
    writer.tell([(1, w.TASK, 0, 1), *step(10, 1, 1)])
    assert [*writer.cut(20).tasks] == [1]
    assert [*writer.cut(30).tasks] == []
    writer.tell(step(40, 1, 1))
    assert [*writer.cut(50).tasks] == []
    assert writer.read().ignored == 1


def test_a_task_is_in_the_windows_in_which_it_did_anything(writer: Writer) -> None:
    writer.tell([(1, w.TASK, 0, 1), *step(10, 1, 1, end=w.YIELD)])
    assert [*writer.cut(20).tasks] == [1]
    assert [*writer.cut(30).tasks] == []
    writer.tell([(41, w.READY, 0, 1)])
    assert writer.cut(50).frames[1] == [
        (30, 50, "c1", 0, CUT_START | CUT_END, 0),
        (30, 50, "await c1", 1, CUT_START | CUT_END, 0),
    ]
    writer.tell(step(60, 1, 1, kind=w.RESUME))
    last = writer.cut(70)
    assert last.frames[1] == [(50, 61, "c1", 0, CUT_START, 0), (50, 60, "await c1", 1, CUT_START, 0)]
    assert last.states[1] == [(50, 60, READY), (60, 61, RUNNING)]


def test_the_death_of_a_process_ends_its_tasks(writer: Writer) -> None:
    writer.tell([(1, w.TASK, 0, 1), (1, w.TASK, 0, 2), *step(10, 1, 1, end=w.YIELD), *step(20, 2, 2)[:2]])
    spool = writer.read()
    spool.die(30)
    found = taken(spool, spool.cut(40))
    assert found.frames == {
        1: [(10, 30, "c1", 0, DIED, 0), (11, 30, "await c1", 1, DIED, 0)],
        2: [(20, 30, "c2", 0, DIED, 0)],
    }
    assert [found.states[id][-1] for id in (1, 2)] == [(11, 30, WAITING), (20, 30, RUNNING)]
    assert taken(spool, spool.cut(50)).tasks == {}


def test_waits_are_named_as_a_person_would(writer: Writer) -> None:
    spool = writer.spool
    files = {
        50: "/usr/lib/python3.13/asyncio/tasks.py",
        51: "/venv/lib/python3.12/site-packages/trio/_core/_traps.py",
        52: "/home/me/shop/cart.py",
        53: r"C:\Python313\Lib\asyncio\queues.py",
    }
    for id, file in files.items():
        spool.string(1, id, file)
    names = [
        (60, "sleep", 50), (61, "__sleep0", 50), (62, "_async_yield", 51), (63, "wait_task_rescheduled", 51),
        (64, "_helper", 52), (65, "Queue.get", 53), (66, "gather", 53),
    ]  # fmt: skip
    for id, name, file in names:
        spool.code(1, id, name, file, 7, COROUTINE)
    chains = {1: (60, 61), 2: (1, 61), 3: (63, 62), 4: (1, 64), 5: (64, 65), 6: (66,)}
    for task, chain in chains.items():
        tick = task * 10
        writer.tell([(1, w.TASK, 0, task), (tick, w.STEP, 5, task)])
        writer.tell([(tick, w.START, 5 + i, code) for i, code in enumerate(chain)])
        writer.tell([(tick + 1, w.YIELD, 5 + i, code) for i, code in reversed([*enumerate(chain)])])
    found = writer.cut(100)
    waits = {task: rows[-1][2] for task, rows in found.frames.items()}
    assert waits == {
        1: "await asyncio.sleep",
        2: "await asyncio.__sleep0",
        3: "await trio.wait_task_rescheduled",
        4: "await _helper",
        5: "await Queue.get",
        6: "await asyncio.gather",
    }
    known = writer.read().names
    made = {known[row[2]][0]: known[row[2]][1:4] for row in found.tasks[1].frames.rows()}
    assert made["await asyncio.sleep"] == (256, files[50], 7)


def test_the_end_of_a_task_is_where_the_arrow_leaves(writer: Writer) -> None:
    writer.tell([(1, w.TASK, 0, 1), (1, w.TASK, 0, 2), *step(10, 1, 1, end=w.YIELD), *step(20, 2, 2, took=4)])
    writer.tell([(30, w.START, 4, RUN), (31, w.ENDED, 4, 2), (32, w.START, 5, PLAIN), (33, w.READY, 0, 1)])
    writer.tell([(34, w.RETURN, 5, PLAIN), (35, w.RETURN, 4, RUN)])
    writer.tell([(40, w.START, 4, RUN), *step(40, 1, 1, kind=w.RESUME, end=w.YIELD), (42, w.RETURN, 4, RUN)])
    writer.tell([(50, w.START, 4, RUN), (51, w.READY, 0, 1), (52, w.RETURN, 4, RUN), *step(60, 1, 1, kind=w.RESUME)])
    assert writer.cut(90).arrows[2:] == [
        ((2, 0, 23), (1, 0, 40)),
        ((0, 0, 51), (1, 0, 60)),  # what the callback did ended with it
    ]


def test_no_arrow_tells_that_a_task_made_itself_ready(writer: Writer) -> None:
    writer.tell([(1, w.TASK, 0, 1), (9, w.START, 4, RUN), *step(10, 1, 1, end=w.YIELD), (12, w.START, 5, PLAIN)])
    writer.tell([(13, w.READY, 0, 1), (14, w.RETURN, 5, PLAIN), (15, w.RETURN, 4, RUN), *step(20, 1, 1, kind=w.RESUME)])
    found = writer.cut(90)
    assert found.arrows == [((0, 0, 1), (1, 0, 10))]
    assert found.states[1] == [(1, 10, READY), (10, 11, RUNNING), (11, 13, WAITING), (13, 20, READY), (20, 21, RUNNING)]


def test_where_nothing_made_it_ready_the_newest_that_it_awaited_did(writer: Writer) -> None:
    writer.tell([(1, w.TASK, 0, id) for id in (1, 2, 3, 4)])
    writer.tell(
        [(10, w.STEP, 5, 1), (10, w.START, 5, 1), (11, w.AWAITS, 0, 2), (11, w.AWAITS, 0, 3), (11, w.AWAITS, 0, 4)]
    )
    writer.tell([(12, w.YIELD, 5, 1), *step(20, 3, 2, took=4), *step(30, 2, 2, took=4), *step(40, 4, 2, end=w.YIELD)])
    writer.tell(step(50, 1, 1, kind=w.RESUME))
    assert writer.cut(90).arrows[-1] == ((2, 0, 33), (1, 0, 50))


def test_a_task_that_is_destroyed_is_over(writer: Writer) -> None:
    writer.tell([(1, w.TASK, 0, 1), *step(10, 1, 1, end=w.YIELD)])
    writer.spool.note(30, 1, "destroyed while pending")
    found = writer.cut(90)
    assert found.frames[1] == [(10, 30, "c1", 0, YIELDED, 0), (11, 30, "await c1", 1, 0, 0)]
    assert found.states[1] == [(1, 10, READY), (10, 11, RUNNING), (11, 30, WAITING)]
    assert found.tasks[1].ended == 30


def test_work_in_an_executor_comes_and_goes(writer: Writer) -> None:
    spool = writer.spool
    writer.tell([(1, w.TASK, 0, 1), (10, w.STEP, 5, 1), (10, w.START, 5, 1)])
    spool.link(11, 71)
    writer.tell([(12, w.YIELD, 5, 1)])
    writer.tell([(20, w.START, 3, PLAIN)], thread=1)
    spool.link(21, 71, 3, taken=True, thread=1)
    spool.link(25, 72, thread=1)
    writer.tell([(26, w.RETURN, 3, PLAIN)], thread=1)
    writer.tell([(30, w.START, 4, PLAIN)])
    spool.link(31, 72, 4, taken=True)
    writer.tell([(32, w.READY, 0, 1), (33, w.RETURN, 4, PLAIN), *step(40, 1, 1, kind=w.RESUME)])
    assert writer.cut(90).arrows[1:] == [((1, 0, 11), (0, 1, 21)), ((0, 1, 25), (1, 0, 40))]


def test_a_result_wakes_whose_work_it_was_where_nothing_else_tells(writer: Writer) -> None:
    spool = writer.spool
    writer.tell([(1, w.TASK, 0, 1), (10, w.STEP, 5, 1), (10, w.START, 5, 1)])
    spool.link(11, 71)
    writer.tell([(12, w.YIELD, 5, 1)])
    spool.link(21, 71, 3, taken=True, thread=1)
    spool.link(25, 72, thread=1)
    writer.tell([(30, w.START, 4, PLAIN)])
    spool.link(31, 72, 4, taken=True)
    writer.tell([(33, w.RETURN, 4, PLAIN), *step(40, 1, 1, kind=w.RESUME)])
    assert writer.cut(90).arrows[-1] == ((0, 1, 25), (1, 0, 40))


def test_a_long_step_blocks_and_names_what_took_most_of_it(writer: Writer) -> None:
    writer.read(block_ticks=50)
    writer.tell([(1, w.TASK, 0, 1), (100, w.STEP, 5, 1), (100, w.START, 5, 1), (110, w.START, 6, PLAIN)])
    writer.tell([(115, w.CALL, 6, 14), (170, w.C_RETURN, 6, 14), (175, w.RETURN, 6, PLAIN), (180, w.YIELD, 5, 1)])
    writer.tell(step(200, 1, 1, kind=w.RESUME, end=w.YIELD, took=49))
    writer.tell(step(300, 1, 1, kind=w.RESUME, took=60))
    found = writer.cut(400)
    assert found.blocks == [(0, 1, 100, 180, "time.sleep", "plain"), (0, 1, 300, 360, "c1", "c1")]
    assert found.tasks[1].blocked


def test_what_runs_in_a_step_of_another_task_is_not_its_blocking(writer: Writer) -> None:
    writer.read(block_ticks=50)
    writer.tell([(1, w.TASK, 0, 1), (1, w.TASK, 0, 2), (100, w.STEP, 5, 1), (100, w.START, 5, 1)])
    writer.tell([(105, w.START, 6, PLAIN), (110, w.STEP, 7, 2), (110, w.START, 7, 2), (170, w.YIELD, 7, 2)])
    writer.tell([(175, w.RETURN, 6, PLAIN), (180, w.YIELD, 5, 1)])
    assert writer.cut(200).blocks == [(0, 2, 110, 170, "c2", "c2")]


def test_a_long_callback_blocks_but_not_for_its_tasks(writer: Writer) -> None:
    writer.read(block_ticks=50)
    writer.tell([(1, w.TASK, 0, 1), (100, w.START, 4, RUN), (105, w.START, 5, PLAIN), (170, w.RETURN, 5, PLAIN)])
    writer.tell([(175, w.RETURN, 4, RUN), (200, w.START, 4, RUN), *step(201, 1, 1, took=60), (265, w.RETURN, 4, RUN)])
    assert writer.cut(300).blocks == [(0, 0, 100, 175, "plain", "plain"), (0, 1, 201, 261, "c1", "c1")]


def test_greenlets_have_stacks_of_their_own(writer: Writer) -> None:
    spool = writer.spool
    for id in (1, 2):
        spool.task(5, id, f"Greenlet-{id}", kind=w.GREENLET, created=True)
    writer.tell([(10, w.START, 3, PLAIN), (11, w.SWITCH, 0, 1), (12, w.START, 1, 1), (13, w.START, 2, 2)])
    writer.tell([(20, w.SWITCH, 0, 2), (21, w.START, 1, 3), (25, w.SWITCH, 0, 1), (26, w.RETURN, 2, 2)])
    writer.tell([(27, w.RETURN, 1, 1), (28, w.SWITCH, 0, 0), (30, w.RETURN, 3, PLAIN)])
    found = writer.cut(40)
    assert found.threads[0] == [(10, 30, "plain", 0, 0)]
    assert found.frames == {1: [(12, 27, "c1", 0, 0, 0), (13, 26, "c2", 1, 0, 0)], 2: [(21, 40, "c3", 0, CUT_END, 0)]}
    assert found.states == {
        1: [(5, 11, READY), (11, 20, RUNNING), (20, 25, WAITING), (25, 28, RUNNING)],
        2: [(5, 20, READY), (20, 25, RUNNING), (25, 40, WAITING)],
    }
    assert (found.tasks[1].ended, found.tasks[2].ended) == (28, 0)
    assert writer.read().ignored == 0


def test_a_greenlet_may_run_across_windows_and_in_a_step(writer: Writer) -> None:
    writer.spool.task(5, 9, "Greenlet", kind=w.GREENLET)
    writer.tell(
        [(1, w.TASK, 0, 1), (10, w.STEP, 5, 1), (10, w.START, 5, 1), (11, w.SWITCH, 0, 9), (12, w.START, 1, PLAIN)]
    )
    assert writer.cut(20).frames[9] == [(12, 20, "plain", 0, CUT_END, 0)]
    assert sorted(writer.cut(30).tasks) == [1, 9]
    writer.tell([(35, w.RETURN, 1, PLAIN), (36, w.SWITCH, 0, 0), (37, w.YIELD, 5, 1)])
    last = writer.cut(40)
    assert last.frames[9] == [(30, 35, "plain", 0, CUT_START, 0)]
    assert last.frames[1] == [(30, 40, "c1", 0, CUT_START | CUT_END, 0), (37, 40, "await c1", 1, CUT_END, 0)]


def test_notes_are_kept_with_their_task_and_thread(writer: Writer) -> None:
    writer.tell([(1, w.TASK, 0, 1)])
    writer.spool.note(10, 1, "exception never retrieved: ValueError")
    writer.spool.note(11, 0, "never awaited: fetch", thread=1)
    found = writer.cut(20)
    assert found.notes == [(1, 0, 10, "exception never retrieved: ValueError"), (0, 1, 11, "never awaited: fetch")]


def test_the_budget_keeps_what_failed_or_blocked_or_lived_longest(writer: Writer) -> None:
    writer.read(max_tasks=10, block_ticks=500)
    tick = 10
    longest = range(1, 6)
    writer.tell([(2, w.TASK, 0, id) for id in longest])
    failed, blocked, count = {300, 700}, 500, 1000
    for id in range(6, count + 1):
        writer.tell([(tick, w.TASK, 0, id)])
        took = 600 if id == blocked else 1
        writer.tell(step(tick + 1, id, 1, end=w.UNWIND if id in failed else w.RETURN, took=took))
        tick += took + 2
    for id in longest:
        writer.tell(step(tick, id, 1))
        tick += 2
    found = writer.cut(tick)
    assert {*longest, *failed, blocked} <= found.tasks.keys()
    assert len(found.tasks) <= 100
    told = [*found.tasks.values()]
    assert len(told) + found.folded[0] == count
    assert sum(task.steps for task in told) + found.folded[1] == count
    assert sum(task.ticks for task in told) + found.folded[2] == count - 1 + 600
    assert_sound(found)


def test_tasks_beyond_the_budget_that_live_are_counted_by_the_step(writer: Writer) -> None:
    writer.read(max_tasks=10)
    tick, count = 1000, 400
    writer.tell([(id, w.TASK, 0, id) for id in range(1, count + 1)])
    for kind, end in ((w.START, w.YIELD), (w.RESUME, w.YIELD), (w.RESUME, w.RETURN)):
        for id in range(1, count + 1):
            writer.tell(step(tick, id, 1, kind=kind, end=end))
            tick += 2
    found = writer.cut(tick)
    told = [*found.tasks.values()]
    assert 10 <= len(told) <= 100
    assert len(told) + found.folded[0] == count
    assert sum(task.steps for task in told) + found.folded[1] == 3 * count
    assert sum(task.ticks for task in told) + found.folded[2] == 3 * count
    assert any(task.lost_steps for task in told)
    assert_sound(found)


def test_all_tasks_together_have_about_as_many_slices_as_a_track_may_have(writer: Writer) -> None:
    writer.read(max_slices=1000)
    draw = random.Random(1)
    tick, tasks, rounds = 1000, 20, 100
    writer.tell([(id, w.TASK, 0, id) for id in range(1, tasks + 1)])
    for round in range(rounds):
        for id in range(1, tasks + 1):
            took = draw.randint(1, 5000)
            writer.tell(step(tick, id, 1, kind=w.RESUME if round else w.START, end=w.YIELD, took=took))
            tick += took + draw.randint(1, 5000)
    found = writer.cut(tick)
    rows = sum(len(slices) for task in found.tasks.values() for slices in (task.frames, task.states))
    assert 300 < rows <= 2000  # 8000 without a limit
    assert all(len(task.states) for task in found.tasks.values())
    assert sum(task.states.folded + len(task.states) for task in found.tasks.values()) == tasks * (2 * rounds + 1)
    assert sum(task.steps for task in found.tasks.values()) == tasks * rounds


@pytest.mark.parametrize("seed", range(30))
def test_nothing_that_is_told_of_tasks_breaks_the_reader(writer: Writer, seed: int) -> None:
    draw = random.Random(seed)
    writer.read(max_tasks=5, block_ticks=20, max_slices=draw.choice([0, 50]))
    tick, spool = 10, writer.spool
    for cut in range(4):
        for _ in range(600):
            tick += draw.randint(0, 10)
            kind, thread, task = (
                draw.randint(0, 27),
                draw.randint(0, 1),
                draw.choice([0, 1, 2, 3, draw.randint(0, 300)]),
            )
            if kind == w.TASK:
                spool.task(tick, task, "x" * draw.randint(0, 20), kind=draw.randint(0, 3), created=True, thread=thread)
            elif kind == w.LINK:
                spool.link(tick, task, draw.randint(0, 9), taken=draw.random() < 0.5, thread=thread)
            elif kind == w.NOTE:
                spool.note(tick, task, draw.choice(["", "destroyed while pending", "?"]), thread=thread)
            elif kind == w.SWITCH:
                spool.switch(tick, draw.choice([0, task]), thread)
            elif kind < w.STRING:
                spool.record(tick, kind, draw.randint(0, 9), task if kind >= w.STEP else draw.randint(0, 15), thread)
        if cut == 3:
            writer.read().die()
        found = writer.cut(tick)
        for rows in [*found.frames.values(), *found.threads.values()]:
            assert_nested(rows)
        for lane in found.states.values():
            assert all(start <= end for start, end, _ in lane)
            assert all(one[1] <= next[0] for one, next in itertools.pairwise(lane))
    assert writer.cut(tick + 1).tasks == {}
