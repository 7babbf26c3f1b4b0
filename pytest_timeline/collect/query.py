"""What a test asks of its own timeline so far, answered from a snapshot of its family's window.

A question is a file beside the family's spools; docs/spool-format.md, "Questions", has what is in it.
"""

from __future__ import annotations

import contextlib
import heapq
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from pytest_timeline import spooldir
from pytest_timeline._codec import Names, uses
from pytest_timeline.collect.family import Family
from pytest_timeline.collect.rate import Rate
from pytest_timeline.collect.writing import reason
from pytest_timeline.spooldir import StatusPage
from pytest_timeline.timeline.category import CALLABLE, CODE, UNKNOWN, WAIT, Categories, Meaning, main_thread
from pytest_timeline.timeline.model import Process, Span, Timeline, Track

MOST_STEPS = 100_000  # of a task, for which is known what ran in it
THROWN, CUT_END = 4, 16  # a slice's flags, as columns.pxd has them
COROUTINE = 0x80 | 0x100 | 0x200  # co_flags: what may be awaited
CATEGORIES = {CODE: "python", CALLABLE: "c", WAIT: "await"}


class Row(NamedTuple):
    """A slice, as it is answered; times are seconds from the test's start."""

    name: str
    category: str
    start: float
    duration: float
    thread: str
    task: str
    process: str
    depth: int
    caller: str
    file: str
    line: int
    exception: str
    open: bool


class Questions:
    """Answers those in the run's `spool_dir`; `threshold_ns` is what it takes for a blocked event loop, 0 = nothing."""

    def __init__(self, status: StatusPage, spool_dir: Path, threshold_ns: int) -> None:
        self._status = status
        self._spool_dir = spool_dir
        self._threshold_ns = threshold_ns
        self._bell = 0
        self._asked: list[Path] = []
        self._categories = Categories()

    @property
    def rung(self) -> bool:
        """Whether anybody may have asked since the last look."""
        return self._status["bell"] != self._bell

    def look(self) -> None:
        """See what is asked: any later tick is later than what was recorded before."""
        if self.rung:
            self._bell = self._status["bell"]
            self._asked += sorted(set(self._spool_dir.glob(f"*/*{spooldir.QUESTION}")) - set(self._asked))

    def answer(self, families: Mapping[str, Family], rate: Rate | None, tick: int) -> None:
        """Answer what was seen, as far as its family has been found by now; the families are read up to `tick`."""
        asked, self._asked = self._asked, []
        for path in asked:
            family = families.get(path.parent.name)
            if rate is None or family is None or family.root is None:
                self._asked.append(path)
                continue
            try:
                question = orjson.loads(path.read_bytes())
                path.unlink()
                told = orjson.dumps(self._tell(question, family.without_idle(family.snapshot(tick)), rate))
            except Exception as error:
                told = orjson.dumps({"error": reason(error)})
            with contextlib.suppress(OSError):  # then nobody waits for it, or the disk is full and he gives up
                draft = path.with_suffix(".draft")
                draft.write_bytes(told)
                draft.replace(path.with_suffix(spooldir.ANSWER))

    def _tell(self, question: dict[str, Any], timeline: Timeline, rate: Rate) -> dict[str, Any]:
        if question["what"] == "blocked":
            return {"threshold": self._threshold_ns / 1e9, "blocks": list(_blocks(timeline, rate, question["least"]))}
        return _Search(question, timeline, rate, self._categories).told()


def _blocks(timeline: Timeline, rate: Rate, least: float) -> Iterator[list[Any]]:
    """Yield what blocked an event loop for `least` seconds or more, in order of time."""
    loops = [track for process in timeline.processes for track in process.tracks if track.kind == "loop"]
    for instant in sorted((instant for loop in loops for instant in loop.instants), key=lambda instant: instant.tick):
        if (seconds := instant.args["duration_ms"] / 1e3) >= least:
            start = rate.seconds(instant.tick - timeline.start)
            yield [start, seconds, *(instant.args[key] for key in ("frame", "function", "file", "line", "task"))]


class _Search:
    """The slices that a question is about: of threads, of coroutines in their tasks, and what was told.

    A coroutine's steps on its thread are left out where its task has all of it in one slice.
    """

    def __init__(self, question: dict[str, Any], timeline: Timeline, rate: Rate, categories: Categories) -> None:
        self._name: str | None = question["name"]
        self._thread: str | None = question["thread"]
        self._process: str | int | None = question["process"]
        self._category: str | None = question["category"]
        self._ticks = round(question["least"] / rate.seconds(1))
        self._most: int = question["most"]
        self._timeline = timeline
        self._rate = rate
        self._categories = categories
        self._count = self._total = self._folded = 0
        self._rows: list[Row] = []

    def told(self) -> dict[str, Any]:
        for process in self._timeline.processes:
            if self._process in (None, process.pid) or _matches(process.name, self._process):
                self._search(process)
                if process is self._timeline.processes[0] and self._timeline.story is not None:
                    main = main_thread(self._timeline)
                    self._add_spans(self._timeline.story.spans, main.name if main else "", process.name)
        rows = heapq.nlargest(self._most, self._rows, key=lambda row: row.duration)
        return {
            "count": self._count,
            "seconds": self._rate.seconds(self._total),
            "rows": [list(row) for row in sorted(rows, key=lambda row: (row.start, row.depth))],
            "folded": self._folded,
            "dropped": self._timeline.args.get("dropped", 0),
        }

    def _search(self, process: Process) -> None:
        awaited = {
            id
            for track in process.tracks
            if track.kind == "task"
            for id in uses(track.slices)
            if self._meaning(track.names, id).flags & COROUTINE and self._meaning(track.names, id).kind == CODE
        }
        steps = _Steps(process)
        for track in process.tracks:
            if track.kind == "thread" and self._is_wanted(track.name):
                self._folded += track.slices.folded
                self._add(process, track, track.name, lambda id, _: id not in awaited, steps)
                self._add_spans(track.spans, track.name, process.name)
            elif track.kind == "task" and self._is_wanted(track.under.name if track.under else ""):
                thread = track.under.name if track.under else ""
                self._add(process, track, thread, lambda id, meaning: id in awaited or meaning.kind == WAIT, None)

    def _is_wanted(self, thread: str) -> bool:
        return self._thread is None or _matches(thread, self._thread)

    def _add(self, process: Process, track: Track, thread: str, takes: Any, steps: _Steps | None) -> None:
        found = []
        for id in uses(track.slices):
            meaning = self._meaning(track.names, id)
            if self._means(meaning.text, CATEGORIES.get(meaning.kind, "")) and takes(id, meaning):
                found.append(id)
        count, ticks, rows = track.slices.select(found, self._ticks, self._most)
        self._count += count
        self._total += ticks
        for start, end, id, depth, flags, raised, parent in rows:
            meaning = self._meaning(track.names, id)
            caller = UNKNOWN if parent is None else self._meaning(track.names, parent)
            place = meaning if meaning.file else caller
            self._rows.append(
                Row(
                    name=meaning.text,
                    category=CATEGORIES.get(meaning.kind, ""),
                    start=self._rate.seconds(start - self._timeline.start),
                    duration=self._rate.seconds(end - start),
                    thread=thread,
                    task=track.name if steps is None else steps.at(track, start),
                    process=process.name,
                    depth=depth,
                    caller="" if parent is None else caller.text,
                    file=place.file,
                    line=place.line,
                    exception=(self._meaning(track.names, raised).text if flags & THROWN else ""),
                    open=bool(flags & CUT_END),
                )
            )

    def _add_spans(self, spans: list[Span], thread: str, process: str) -> None:
        """Add what was told. Such spans overlap as they like: time in which several were open counts once."""
        if not self._is_wanted(thread):
            return
        until = 0
        for span in sorted(spans, key=lambda span: span.start):
            if not self._means(span.name, span.category) or span.end - span.start < self._ticks:
                continue
            place = span.args if span.category in ("test", "fixture") else {}  # a program's may mean anything
            self._count += 1
            self._total += max(span.end - max(span.start, until), 0)
            until = max(until, span.end)
            self._rows.append(
                Row(
                    name=span.name,
                    category=span.category,
                    start=self._rate.seconds(span.start - self._timeline.start),
                    duration=self._rate.seconds(span.end - span.start),
                    thread=thread,
                    task=str(span.args.get("task", "")),
                    process=process,
                    depth=span.depth,
                    caller="",
                    file=str(place.get("file") or ""),
                    line=int(place.get("line") or 0),
                    exception=str(span.args.get("exception") or ""),
                    open=span.cut in ("end", "both"),
                )
            )

    def _means(self, name: str, category: str) -> bool:
        return (self._name is None or _matches(name, self._name)) and self._category in (None, category)

    def _meaning(self, names: Names, id: int) -> Meaning:
        return self._categories.meanings(names)[id]


class _Steps:
    """Which task ran when in a thread of the process."""

    def __init__(self, process: Process) -> None:
        self._states: dict[int, list[Track]] = {}  # by serial of the thread
        for track in process.tracks:
            if track.kind == "state" and track.under is not None and track.under.under is not None:
                self._states.setdefault(track.under.under.serial, []).append(track)
        self._steps: dict[int, list[tuple[int, int, str]]] = {}

    def at(self, thread: Track, tick: int) -> str:
        """Return the name of the task that ran at the tick, "" if none did."""
        if thread.serial not in self._states:
            return ""
        if thread.serial not in self._steps:
            self._steps[thread.serial] = sorted(self._of(self._states[thread.serial]))
        steps = self._steps[thread.serial]
        place = bisect_right(steps, (tick, 1 << 64, ""))
        return steps[place - 1][2] if place and steps[place - 1][1] > tick else ""

    def _of(self, states: list[Track]) -> Iterator[tuple[int, int, str]]:
        for state in states:
            assert state.under is not None
            running = [id for id in uses(state.slices) if state.names[id][0] == "running"]
            for start, end, *_ in state.slices.select(running, 0, MOST_STEPS)[2]:
                yield start, end, state.under.name


def _matches(text: str, pattern: object) -> bool:
    return isinstance(pattern, str) and (text == pattern or fnmatchcase(text, pattern))
