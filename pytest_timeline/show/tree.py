"""A test's timeline as a tree with durations, for people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pytest_timeline.read.model import Instant, Process, Tested, Trace, Track
from pytest_timeline.show.calls import TOLD, Call, below, merged
from pytest_timeline.show.choice import Choice
from pytest_timeline.text import precise, printable, short_file, shortened, shortened_left
from pytest_timeline.timeline.category import CALLABLE, CODE, LIBRARY, OWN, WAIT, Categories

LINES = 60  # calls shown by default, in all
SHARE = 100  # by default what took less than this part of the test is summed up
TIME = 9  # columns
MOST_INSTANTS = 12  # by default, of the whole test
MOST_TRACKS = 12  # by default, of one kind below one thread or process
MOST_OF_NAME = 0.62  # of what a line has beside the time
FAILED = ("failed", "error", "crashed")
KINDS = {"python": CODE, "c": CALLABLE, "await": WAIT}
BOLD, DIM, RED, YELLOW = "1", "2", "31", "33"


@dataclass(frozen=True, slots=True)
class Style:
    """What the terminal can do."""

    width: int = 80
    colour: bool = False
    ellipsis: str = "\u2026"

    def paint(self, text: str, *codes: str) -> str:
        return f"\033[{';'.join(codes)}m{text}\033[m" if self.colour and text else text


def tree(trace: Trace, test: Tested, about: str, choice: Choice, style: Style) -> Iterator[str]:
    """Yield the lines: what is known of the test, then a tree for each thread, task and lane.

    `about` is what else there is to say of the file. Raises ValueError where the choice leaves nothing.
    """
    return _Tree(trace, test, choice, style).lines(about)


@dataclass(slots=True)
class _Line:
    level: int
    time: str
    text: str
    place: str = ""
    colour: str = ""
    note: str = ""  # follows the text; it is the text that is shortened for it


class _Tree:
    def __init__(self, trace: Trace, test: Tested, choice: Choice, style: Style) -> None:
        self._trace = trace
        self._test = test
        self._args = test.track.args.get(test.row, {})
        self._duration = test.ns
        self._choice = choice
        self._style = style
        self._categories = Categories(trace.root)
        self._chosen = choice.tracks(trace)
        self._below: dict[Track, list[Track]] = defaultdict(list)
        for track in (track for _, tracks in self._chosen for track in tracks):
            if track.under:
                self._below[track.under].append(track)
        self._failures = [each for each in test.track.instants if each.category == "test" and "traceback" in each.args]
        self._hidden = 0  # instants
        self._calls = self._merge()
        self._least = self._chosen_least()

    def lines(self, about: str) -> Iterator[str]:
        yield from self._header(about)
        for process, tracks in self._chosen:
            lines = [*self._process(tracks)]
            if lines and len(self._chosen) > 1:
                yield ""
                yield self._style.paint(shortened(printable(process.name), self._style.width), BOLD)
            yield from lines
        yield from self._footer()

    # What is counted

    def _merge(self) -> dict[Track, Call]:
        """Return the calls of each track, with the instants that are shown where they happened."""
        calls = {}
        left = None if self._choice.instants else MOST_INSTANTS
        for process, tracks in self._chosen:
            main = _main(process) if process is self._test.process else None
            for track in tracks:
                if track.kind in ("state", "gil", "process") or (main in tracks and self._is_told(track)):
                    continue
                told = [*track.instants, *(self._told(process) if track is main else ())]
                shown = sorted(told, key=lambda instant: instant.ns)[:left]
                self._hidden += len(told) - len(shown)
                left = left - len(shown) if left is not None else None
                spans = self._test.track if track is main else None
                calls[track] = merged(track, spans, shown, self._on_path if spans else None)
        return calls

    def _on_path(self, args: dict[str, Any]) -> bool:
        """Whether a slice of the thread that ran the test is part of how it ended."""
        if "died" in args:
            return self._args.get("outcome") == "crashed"
        exception = args.get("exception")  # "?" if not known: of a C function, and of all on 3.11
        return any(exception in (failure.name, "?") for failure in self._failures)

    def _told(self, process: Process) -> Iterator[Instant]:
        for track in process.tracks:
            if self._is_told(track):
                yield from track.instants

    def _is_told(self, track: Track) -> bool:
        """Whether what a track has is shown on the thread that ran the test: its phases, or nothing but instants."""
        return track is self._test.track or (not track.count and track.kind not in ("thread", "task", "state"))

    def _chosen_least(self) -> int:
        if self._choice.least is not None:
            return self._choice.least
        totals = sorted((call.total for calls in self._calls.values() for call in below(calls)), reverse=True)
        return max(self._duration // SHARE, totals[LINES] if len(totals) > LINES else 0)

    # What is said

    def _header(self, about: str) -> Iterator[str]:
        style, args = self._style, self._args
        outcome = str(args.get("outcome", ""))
        name = self._trace.names[self._test.track.names[self._test.row]].text
        colour = (RED,) if outcome in FAILED else ()
        facts = [style.paint(printable(name), BOLD), style.paint(outcome, BOLD, *colour), precise(self._duration)]
        yield "  ".join(filter(None, facts))  # the collection has no outcome
        where = f"{args['file']}:{args['line']}" if args.get("file") and args.get("line") else ""
        worker = f"worker {args['worker']}" if args.get("worker") else ""
        facts = [printable(fact) for fact in (where, worker, about) if fact]
        if facts:
            yield style.paint(", ".join(facts), DIM)
        told = str(args.get("exception") or args.get("reason") or "")
        if told:
            yield style.paint(shortened(printable(told.partition("\n")[0]), style.width), *colour)

    def _footer(self) -> Iterator[str]:
        notes = []
        if self._least and self._choice.least is None:
            notes.append(f"calls below {precise(self._least)} are summed up (--min 0 shows them)")
        if self._choice.depth is not None:
            notes.append(f"calls deeper than {self._choice.depth} are left out")
        if self._hidden:
            notes.append(f"{self._hidden:,} instants are left out (--instants shows them)")
        if self._args.get("folded"):
            notes.append(f"{self._args['folded']:,} short calls were folded into their callers when this was recorded")
        if self._args.get("dropped"):
            notes.append(f"{self._args['dropped']:,} records found no room and are missing")
        if notes:
            yield ""
            for note in notes:
                yield self._style.paint(note, DIM)

    def _process(self, tracks: list[Track]) -> Iterator[str]:
        """Yield the tracks that hang below nothing, each with what hangs below it."""
        lanes = [track for track in tracks if track.kind == "process"]
        outer = [track for track in tracks if track.under not in tracks and track in self._calls]
        yield from self._group(outer, 0)
        yield from self._children(lanes)

    def _group(self, group: list[Track], level: int) -> Iterator[str]:
        """Yield tracks that lie side by side; the shortest are summed up where they are many."""
        telling = shown = [track for track in group if self._tells(track, level)]
        if len(telling) > MOST_TRACKS and not self._choice.thread:
            longest = sorted(telling, key=lambda track: (bool(track.instants), _busy(track)), reverse=True)
            shown = [track for track in telling if track in longest[:MOST_TRACKS]]
        for track in shown:
            yield from self._track(track, level)
        rest = [track for track in group if track.count and track not in shown]
        busy = sum(map(_busy, rest))
        if len(shown) < len(telling) or (busy and busy >= self._least and not self._is_too_deep(level)):
            hint = " (--thread NAME shows one)" if len(shown) < len(telling) else ""
            yield ""
            yield f"{'  ' * level}{self._style.ellipsis} {len(rest):,} more {rest[0].kind}s, {precise(busy)}{hint}"

    def _tells(self, track: Track, level: int) -> bool:
        """Whether there is more to show of a track than its name."""
        below = self._below.get(track, [])
        return (
            any(each.kind == "state" and each.count for each in below)
            or next(self._lines(self._calls[track], level), None) is not None
            or any(self._tells(each, level + 1) for each in below if each in self._calls)
        )

    def _track(self, track: Track, level: int) -> Iterator[str]:
        calls = self._calls[track]
        heading = printable(track.name)
        if track.kind == "thread" and track.id:
            heading += f" ({track.id})"
        yield ""
        below = self._below.get(track, [])
        state = next((each for each in below if each.kind == "state"), None)
        summary = self._states(state) if state else ""
        room = self._style.width - 2 * level - len(summary) - 2
        yield (
            "  " * level
            + self._style.paint(shortened(heading, max(room, 20)), BOLD)
            + (f"  {summary}" if summary else "")
        )
        yield from self._laid_out([*self._lines(calls, level)])
        below = [each for each in below if each in self._calls]
        yield from self._group([each for each in below if each.kind == "loop"], level + 1)
        yield from self._group([each for each in below if each.kind != "loop"], level + 1)

    def _states(self, track: Track) -> str:
        """Return how long a task was what."""
        spent: dict[str, int] = {}
        for start, end, name in zip(track.starts, track.ends, track.names, strict=True):
            text = self._trace.names[name].text
            spent[text] = spent.get(text, 0) + end - start
        return ", ".join(f"{text} {precise(ns)}" for text, ns in sorted(spent.items(), key=lambda item: -item[1]))

    def _children(self, lanes: list[Track]) -> Iterator[str]:
        """Yield the processes that were started, in order of start."""
        found = [(start, track, row) for track in lanes for row, start in enumerate(track.starts)]
        if not found:
            return
        found.sort(key=lambda each: each[0])
        yield ""
        yield self._style.paint("processes", BOLD)
        most = MOST_TRACKS if self._choice.least is None else len(found)
        lines = []
        for start, track, row in found[:most]:
            args = track.args.get(row, {})
            pid = f" ({args['pid']})" if args.get("pid") else ""
            end = f"exit code {args['exit_code']}" if "exit_code" in args else str(args.get("signal", ""))
            bad = bool(args.get("exit_code") or args.get("signal"))
            name = printable(self._trace.names[track.names[row]].text) + pid
            said = end or {"end": "goes on", "both": "goes on"}.get(str(args.get("cut")), "")
            lines.append(_Line(track.depths[row], precise(track.ends[row] - start), name, said, RED if bad else ""))
        yield from self._laid_out(lines)
        if len(found) > most:
            yield f"{'':{TIME}}  {self._style.ellipsis} {len(found) - most:,} more"

    def _lines(self, call: Call, level: int) -> Iterator[_Line]:
        """Yield the calls and instants below one, in order of time; what is too short as one line."""
        if self._is_too_deep(level):
            return
        parts: list[tuple[int, Call | Instant]] = [
            (inner.first, inner) for inner in call.calls.values() if self._shows(inner)
        ]
        hidden = [inner for inner in call.calls.values() if not self._shows(inner)]
        instants = [*call.instants, *(instant for inner in hidden for instant in _all_instants(inner))]
        parts += [(instant.ns, instant) for instant in instants]
        for _, part in sorted(parts, key=lambda part: part[0]):
            if isinstance(part, Call):
                yield self._call(part, level)
                yield from self._lines(part, level + 1)
            else:
                yield self._instant(part, level)
        total = sum(inner.total for inner in hidden)
        if hidden and total >= self._least:
            count = sum(inner.count for inner in hidden)
            text = f"{self._style.ellipsis} {count:,} call{'s' * (count != 1)}"
            yield _Line(level, precise(total), text, colour=DIM)

    def _is_too_deep(self, level: int) -> bool:
        return self._choice.depth is not None and level >= self._choice.depth

    def _shows(self, call: Call) -> bool:
        return call.total >= self._least or call.on_path or (TOLD in call.marks and self._choice.least is None)

    def _call(self, call: Call, level: int) -> _Line:
        name = self._trace.names[call.name]
        category = self._categories.of(name.text, KINDS.get(name.category, 0), name.file)
        note = ""
        if call.count > 1:
            note += f"  x{call.count:,}, longest {precise(call.longest)}"
        for type, count in call.raised.items():
            if type != "?" or call.on_path:
                note += f"  raised {printable(type)}".removesuffix(" ?") + (
                    f" x{count:,}" if count < call.count else ""
                )
        ends = [_CUTS[call.marks["cut"]]] if call.marks.get("cut") in _CUTS else []
        ends += ["open at the end of its process"] if "died" in call.marks else []
        if ends:
            note += f"  ({', '.join(ends)})"
        if call.marks.get("folded"):
            note += f"  ({call.marks['folded']:,} calls folded)"
        file, line = (call.marks.get("file"), call.marks.get("line")) if TOLD in call.marks else (name.file, name.line)
        if file and line:
            where = f"{short_file(self._categories.file(str(file)).short)}:{line}"
        else:
            where = category if category not in (OWN, LIBRARY, "c", "other") else ""
        waits = category not in (OWN, LIBRARY, "c", "gc", "other")
        colour = RED if call.on_path else YELLOW if waits else ""
        return _Line(level, precise(call.total), printable(name.text), where, colour, note)

    def _instant(self, instant: Instant, level: int) -> _Line:
        args = instant.args
        text = printable(instant.name)
        failure = instant in self._failures
        message = str(args.get("message") or args.get("text") or "").partition("\n")[0]
        if message:
            text += f": {printable(message)}"
        if args.get("level"):
            text = f"{printable(str(args['level']))} {text}"
        return _Line(
            level, f"@ {precise(instant.ns)}", ("!! " if failure else "! ") + text, colour=RED if failure else ""
        )

    def _laid_out(self, lines: list[_Line]) -> Iterator[str]:
        """Yield the lines with their places one below the other."""
        if not lines:
            return
        width = self._style.width - TIME - 2
        deepest = max(line.level for line in lines)
        step = 2 if deepest <= width // 5 else 1
        most = int(width * MOST_OF_NAME)
        names = [" " * min(step * line.level, most // 2) + line.text for line in lines]
        placed = [len(name + line.note) for name, line in zip(names, lines, strict=True) if line.place]
        column = min(most, max(placed, default=0))
        for name, line in zip(names, lines, strict=True):
            room = max(column, width - len(line.place) - 2) if line.place else width
            text = shortened(shortened(name, max(room - len(line.note), room // 4)) + line.note, room)
            where = ""
            if line.place:
                text = text.ljust(column)
                where = "  " + self._style.paint(shortened_left(line.place, width - len(text) - 2), DIM)
            painted = self._style.paint(text, line.colour) if line.colour else text
            yield f"{line.time:>{TIME}}  {painted}{where}".rstrip()


_CUTS = {"start": "began before", "end": "goes on", "both": "began before, goes on"}


def _main(process: Process) -> Track | None:
    """Return the thread that runs the tests."""
    threads = [track for track in process.tracks if track.kind == "thread"]
    named = [track for track in threads if track.name == "MainThread" or track.id == process.pid]
    return named[0] if named else None


def _busy(track: Track) -> int:
    columns = zip(track.starts, track.ends, track.depths, strict=True)
    return sum(end - start for start, end, depth in columns if not depth)


def _all_instants(call: Call) -> Iterator[Instant]:
    yield from call.instants
    for inner in below(call):
        yield from inner.instants
