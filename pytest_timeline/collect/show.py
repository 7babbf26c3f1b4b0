"""A look at a run as text: which test runs, the stack of every thread, the innermost frame last, and all tasks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from pytest_timeline.collect.live import LiveFamily, LiveTask, LiveThread, Look, Open

LIBRARY = re.compile(r".*[/\\](?:(?:site|dist)-packages|lib[/\\]python3\.\d+t?|Lib)[/\\]")
BOOTSTRAP = ("Thread._bootstrap", "Thread._bootstrap_inner")  # every thread's outermost frames
TIME = 14  # columns, with the margin
MOST_OF_NAME = 0.6  # of what a line has beside the time
MOST_TASKS = 50


def show(look: Look, *, depth: int, width: int, bold: bool = False) -> Iterator[str]:
    """Yield the lines, of `width` columns; `depth` frames of each stack, files relative to the working directory."""
    busy = [family for family in look["families"] if family["test"] or family["processes"]] or look["families"]
    workers = [family for family in busy if family["worker"]]  # their controller runs no test
    for family in workers or busy:
        yield _bold(_shortened(_heading(family, look["partial"]), width), bold)
        if not family["processes"]:
            yield "  no recorded call is going on"
        for process in family["processes"]:
            yield ""
            yield _bold("  " + _shortened(printable(process["name"]), width - 2), bold)
            if not process["threads"]:
                yield "    not recorded"
            for thread in process["threads"]:
                yield from _stack(thread, depth, width)
            if process["tasks"]:
                yield from _all(process["tasks"], width)
        yield ""


def duration(seconds: float) -> str:
    """Return the time as people say it."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def printable(text: str) -> str:
    """Return the text with nothing in it that a terminal would obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text)


def _heading(family: LiveFamily, partial: bool) -> str:
    who = f"{family['worker']}: " if family["worker"] else ""
    if family["test"] is None:
        return who + ("which test runs is not known" if partial else f"between tests, {duration(family['seconds'])}")
    where = ", in " + " > ".join(span["name"] for span in family["spans"]) if family["spans"] else ""
    return f"{who}{printable(family['test'])}, {duration(family['seconds'])}{printable(where)}"


def _stack(thread: LiveThread, depth: int, width: int) -> Iterator[str]:
    yield f"    {printable(thread['name'])} ({thread['native_id']})"
    frames = thread["frames"]
    while len(frames) > 1 and frames[0]["name"] in BOOTSTRAP:
        frames = frames[1:]
    hidden = len(frames) - depth
    if hidden > 0:
        yield f"{'':{TIME}}  ... {hidden} more above"
    shown = frames[-depth:]
    yield from _table(shown, [printable(frame["name"]) for frame in shown], width)


def _all(tasks: list[LiveTask], width: int) -> Iterator[str]:
    """Yield a line for each task: how long it has been doing what."""
    yield "    tasks"
    shown = tasks[:MOST_TASKS]
    column = max(len(printable(task["name"])) for task in shown)
    names = [f"{printable(task['name']).ljust(column)}  {printable(task['does']['name'])}" for task in shown]
    yield from _table([task["does"] for task in shown], names, width)
    if len(tasks) > len(shown):
        yield f"{'':{TIME}}  ... {len(tasks) - len(shown)} more"


def _table(frames: list[Open], names: list[str], width: int) -> Iterator[str]:
    """Yield a line for each frame: since when it is open, its name, and its place."""
    room = width - TIME - 2
    places = [f"{_place(frame['file'])}:{frame['line']}" if frame["file"] else "" for frame in frames]
    column = min(max(map(len, names)), int(room * MOST_OF_NAME))
    for frame, name, place in zip(frames, names, places, strict=True):
        line = _shortened(name, column if place else room).ljust(column)
        if place:
            line += "  " + _shortened_left(place, room - len(line) - 2)
        yield f"{duration(frame['seconds']):>{TIME}}  {line}".rstrip()


def _place(file: str) -> str:
    """Return the file's name as short as it says enough."""
    directory = os.getcwd() + os.sep
    if file.startswith(directory):
        return printable(file[len(directory) :])
    return printable(LIBRARY.sub("", file))


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def _shortened_left(text: str, width: int) -> str:
    return text if len(text) <= width else "..." + text[len(text) - width + 3 :]


def _bold(text: str, bold: bool) -> str:
    return f"\033[1m{text}\033[m" if bold else text
