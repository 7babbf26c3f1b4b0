"""A look at a run as text: which test runs, the stack of every thread, the innermost frame last, and all tasks."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_timeline.collect.live import LiveFamily, LiveTask, LiveThread, Look, Open
from pytest_timeline.text import TIME, Line, duration, printable, shortened, table

BOOTSTRAP = ("Thread._bootstrap", "Thread._bootstrap_inner")  # every thread's outermost frames
MOST_TASKS = 50


def show(look: Look, *, depth: int, width: int, bold: bool = False) -> Iterator[str]:
    """Yield the lines, of `width` columns; `depth` frames of each stack, files relative to the working directory."""
    busy = [family for family in look["families"] if family["test"] or family["processes"]] or look["families"]
    workers = [family for family in busy if family["worker"]]  # their controller runs no test
    for family in workers or busy:
        yield _bold(shortened(_heading(family, look["partial"]), width), bold)
        if not family["processes"]:
            yield "  no recorded call is going on"
        for process in family["processes"]:
            yield ""
            yield _bold("  " + shortened(printable(process["name"]), width - 2), bold)
            if not process["threads"]:
                yield "    not recorded"
            for thread in process["threads"]:
                yield from _stack(thread, depth, width)
            if process["tasks"]:
                yield from _all(process["tasks"], width)
        yield ""


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
    lines = zip(frames, names, strict=True)
    yield from table([Line(frame["seconds"], name, frame["file"], frame["line"]) for frame, name in lines], width)


def _bold(text: str, bold: bool) -> str:
    return f"\033[1m{text}\033[m" if bold else text
