"""When a test's exception was raised; what every thread and task was doing then, and what took the time shortly before.

A failure is told when pytest meets the exception, and by then nothing is open any more. It was raised when the
innermost function of its traceback was left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from pytest_timeline.collect.rate import Rate
from pytest_timeline.collect.story import CRASHED
from pytest_timeline.timeline.category import OWN, WAITS, Categories, Meaning, main_thread
from pytest_timeline.timeline.model import Process, Timeline, Track

if TYPE_CHECKING:
    from pytest_timeline.collect.family import Window

FAILED = ("failed", "error", CRASHED)
SECONDS = 0.02  # what is shortly before
LEAST_SECONDS = 0.001  # what took less of it is not told
MOST_FAILURES = 4  # of a test
MOST_FRAMES = 5
MOST_OTHERS = 5
MOST_OF_GIL = 0.25  # of that time; who had it for longer comes first
MOST_SPENT = 3
MOST_BLOCKED = 1
CUT_START = 8  # a slice's flag, as columns.pxd has it
COROUTINE = 0x80 | 0x100 | 0x200  # co_flags: what may be awaited


class Frame(TypedDict):
    name: str
    file: str  # "" = C, or not known
    line: int
    seconds: float  # since it began, or since the test did


class Failing(TypedDict):
    """The thread that failed."""

    name: str  # with that of the task that ran in it
    frames: list[Frame]  # own ones and the innermost, outermost first
    hidden: int  # how many are not among these
    spent: list[Frame]  # what took most of its time shortly before; seconds are that time


class Other(TypedDict):
    """A thread or a task that did not fail."""

    name: str
    does: Frame  # named for people: "await Queue.get in consume"; the place is that of the own function
    gil: float  # seconds for which it held the GIL shortly before, if that was long; else 0


class Moment(TypedDict):
    phase: str  # "" = it crashed
    seconds: float  # from the test's start
    lately: float  # seconds: how long "shortly before" is
    failing: Failing | None  # None: nothing is known of it
    others: list[Other]  # those that were at work, then those that waited
    more: int  # how many are not among these
    idle: int  # how many did nothing but wait in the whole test
    blocked: list[str]  # what blocked an event loop shortly before


def moments(window: Window, rate: Rate, categories: Categories) -> list[Moment]:
    """Return the failures of a test, in their order; [] for one that did not fail."""
    timeline = window.alone
    if timeline.args.get("outcome") not in FAILED or not timeline.processes:
        return []
    found: list[Moment] = []
    for instant in timeline.story.instants if timeline.story else []:
        if instant.category == "test" and "phase" in instant.args and len(found) < MOST_FAILURES:
            track, tick = _raised(timeline, instant.tick, instant.args, categories)
            found.append(_Look(window, rate, categories, track, tick).moment(str(instant.args["phase"])))
    if timeline.args["outcome"] == CRASHED:
        ends = [track.slices.end for track in window.timeline.processes[0].tracks if track.kind == "thread"]
        tick = max(ends, default=timeline.end)  # what was open, in idle threads too, ended when the process died
        found.append(_Look(window, rate, categories, main_thread(timeline), tick).moment(""))
    return found


def place(timeline: Timeline, categories: Categories) -> None:
    """Put the instants of exceptions that were raised in the window where they were raised."""
    story = timeline.story
    for instant in story.instants if story is not None and timeline.processes else []:
        if instant.category == "test" and "traceback" in instant.args:
            found, _ = _left(timeline, instant.tick, instant.args, categories)
            if found is not None:
                instant.tick = found[1]
    if story is not None:
        story.instants.sort(key=lambda instant: instant.tick)


def _raised(timeline: Timeline, told: int, args: dict[str, Any], categories: Categories) -> tuple[Track | None, int]:
    """Return the thread in which the exception was raised, and when."""
    found, left = _left(timeline, told, args, categories)
    if found is not None:
        return found
    main = main_thread(timeline)
    return main, max((tick for tick, track, meaning in left if track is main and meaning.category == OWN), default=told)


Left = tuple[int, Track, Meaning]  # when a function was left by an exception, and where


def _left(
    timeline: Timeline, told: int, args: dict[str, Any], categories: Categories
) -> tuple[tuple[Track, int] | None, list[Left]]:
    """Return the thread and the moment in which the innermost function of the traceback was left, if it was in this
    window; and when which functions were left by exceptions before the failure was told."""
    left = _thrown(timeline, told, categories)
    known = left
    raised: tuple[Track, int] | None = None
    for line in _traceback(args):  # the outermost first: what it called was left before it
        found = _named(known, line)
        if raised is not None and any(tick > raised[1] for tick, *_ in found):  # by another exception
            known = _thrown(timeline, raised[1], categories)
            found = _named(known, line)
        if found:
            tick, track, _ = max(found, key=lambda each: each[0])
            raised = track, tick
    return raised, left


def _traceback(args: dict[str, Any]) -> list[str]:
    """Return the lines from the outermost function to where the exception was raised; of a group, its first one."""
    lines = list(args.get("traceback") or [])
    place = 0
    for index, other in enumerate(args.get("others") or [], 1):
        if other["as"] == "member" and other["of"] == place:
            lines += other.get("traceback") or []
            place = index
    return [*map(str, lines)]


def _thrown(timeline: Timeline, until: int, categories: Categories) -> list[Left]:
    """Return for each function that was left by an exception when that happened last, in each thread."""
    left: list[Left] = []
    for track in timeline.processes[0].tracks:
        if track.kind == "thread":
            meanings = categories.meanings(track.names)
            left += [(tick, track, meanings[id]) for id, tick in track.slices.thrown(until).items()]
    return left


def _named(left: list[Left], line: str) -> list[Left]:
    """Return those that a traceback's line is of."""
    place, _, function = line.rpartition(" ")
    key = function, place.rpartition(":")[0]
    return [each for each in left if (each[2].text, each[2].file) == key]


class _Open(NamedTuple):
    """A slice that was open."""

    id: int
    start: int
    is_cut: bool  # it began before the test
    meaning: Meaning


class _Look:
    """What went on at `tick`, at which the thread of `track` failed."""

    def __init__(self, window: Window, rate: Rate, categories: Categories, track: Track | None, tick: int) -> None:
        self._timeline = window.alone
        self._blocks = window.concurrency.blocked
        self._rate = rate
        self._categories = categories
        self._track = track
        self._tick = tick
        self._begin = max(tick - round(SECONDS / rate.seconds(1)), self._timeline.start)
        self._idle = 0

    def moment(self, phase: str) -> Moment:
        others: list[tuple[tuple[bool, bool, int], Other]] = []
        running: Track | None = None  # the task that failed
        for process in self._timeline.processes:
            held = self._held(process)
            for track in process.tracks:
                if track.kind == "thread" and track is not self._track:
                    others += self._thread(process, track, held.get(track.serial, 0))
                elif track.kind == "state" and track.under is not None and (opened := self._open(track)):
                    if track.under.under is self._track and opened[-1].meaning.text == "running":
                        running = track.under
                    else:
                        others += self._task(process, track.under, opened[-1], len(track.slices))
        others.sort(key=lambda each: each[0])
        lately = self._rate.seconds(self._tick - self._begin)
        blocks = [block for block in self._blocks if block.end > self._begin and block.start < self._tick]
        return Moment(
            phase=phase,
            seconds=self._since(self._timeline.start),
            lately=lately,
            failing=self._failing(self._track, running) if self._track is not None else None,
            others=[other for _, other in others[:MOST_OTHERS]],
            more=max(len(others) - MOST_OTHERS, 0),
            idle=self._idle,
            blocked=[block.told(self._rate, self._categories.root) for block in blocks[-MOST_BLOCKED:]],
        )

    def _failing(self, track: Track, task: Track | None) -> Failing | None:
        opened = self._open(track)
        if task is not None:
            steps = [place for place, frame in enumerate(opened) if frame.meaning.flags & COROUTINE]
            if steps:  # the task knows all that await each other, and since when
                opened[steps[0] : steps[-1] + 1] = self._open(task)
        shown = [frame for frame in opened[:-1] if frame.meaning.category == OWN] + opened[-1:]
        if len(shown) > MOST_FRAMES:
            shown[1 : 1 - MOST_FRAMES] = []
        meanings = self._categories.meanings(track.names)
        times = sorted(track.slices.spent(self._begin, self._tick).items(), key=lambda each: -each[1])
        least = LEAST_SECONDS / self._rate.seconds(1)
        return Failing(
            name=f"{track.name}, {task.name}" if task is not None else track.name,
            frames=[self._frame(frame.meaning, frame.start) for frame in shown],
            hidden=len(opened) - len(shown),
            spent=[self._frame(meanings[id], self._tick - ticks) for id, ticks in times[:MOST_SPENT] if ticks > least],
        )

    def _thread(self, process: Process, track: Track, gil: int) -> list[tuple[tuple[bool, bool, int], Other]]:
        opened = self._open(track)
        if not opened or self._is_idle(opened[-1], len(track.slices), len(opened)):
            return []
        innermost = opened[-1]
        waits = innermost.start <= self._begin and innermost.meaning.text in WAITS
        return [self._other(process, track, opened, innermost.meaning.text, innermost.start, waits, gil)]

    def _task(
        self, process: Process, track: Track, state: _Open, states: int
    ) -> list[tuple[tuple[bool, bool, int], Other]]:
        if self._is_idle(state, states, 1):
            return []
        opened = self._open(track)
        waits = state.meaning.text == "waiting"
        does = opened[-1].meaning.text if waits and opened else state.meaning.text
        return [self._other(process, track, opened, does, state.start, waits, 0)]

    def _is_idle(self, innermost: _Open, slices: int, opened: int) -> bool:
        """Whether nothing happened there since before the test; count it then."""
        idle = innermost.is_cut and slices == opened
        self._idle += idle
        return idle

    def _other(
        self, process: Process, track: Track, opened: list[_Open], does: str, since: int, waits: bool, gil: int
    ) -> tuple[tuple[bool, bool, int], Other]:
        own = next((frame.meaning for frame in reversed(opened) if frame.meaning.category == OWN), None)
        where = own or (opened[-1].meaning if opened else None)
        if own is not None and own.text != does:
            does = f"{does} in {own.text}"
        name = track.name if process is self._timeline.processes[0] else f"{track.name} of {process.name}"
        hog = gil > MOST_OF_GIL * (self._tick - self._begin)
        frame = Frame(
            name=does, file=where.file if where else "", line=where.line if where else 0, seconds=self._since(since)
        )
        rank = not hog, waits, -since
        return rank, Other(name=name, does=frame, gil=self._rate.seconds(gil) if hog else 0.0)

    def _held(self, process: Process) -> dict[int, int]:
        """Return for how long shortly before each thread held the GIL, by serial."""
        lanes = [track for track in process.tracks if track.kind == "gil"]
        return lanes[0].slices.spent(self._begin, self._tick) if lanes else {}

    def _open(self, track: Track) -> list[_Open]:
        meanings = self._categories.meanings(track.names)
        return [
            _Open(id, start, bool(flags & CUT_START), meanings[id]) for id, start, flags in track.slices.at(self._tick)
        ]

    def _frame(self, meaning: Meaning, start: int) -> Frame:
        return Frame(name=meaning.text, file=meaning.file, line=meaning.line, seconds=self._since(start))

    def _since(self, tick: int) -> float:
        return self._rate.seconds(max(self._tick - tick, 0))
