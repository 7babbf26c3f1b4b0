"""Times, numbers, names and places as people read them in a terminal."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

LIBRARY = re.compile(r".*[/\\](?:(?:site|dist)-packages|lib[/\\]python3\.\d+t?|Lib)[/\\]")
TIME = 14  # columns, with the margin
LEAST_OF_NAME = 0.6  # of what a line has beside the time


class Line(NamedTuple):
    """What took a time, and where it is."""

    seconds: float
    name: str
    file: str  # "" = none
    line: int


def duration(seconds: float) -> str:
    """Return the time as people say it."""
    if seconds < 0.00995:
        return f"{seconds * 1000:.2g} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def precise(ns: int) -> str:
    """Return the time with three digits."""
    if ns < 1000:
        return f"{ns} ns"
    for unit, of in (("us", 1e3), ("ms", 1e6), ("s", 1e9)):
        value = ns / of
        if value < 999.5 or unit == "s":
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{value:.{digits}f} {unit}" if value < 59.95 or unit != "s" else duration(ns / 1e9)
    raise AssertionError


def count(number: int, what: str) -> str:
    """Return such as "1 test" or "2,400 processes"."""
    if number == 1:
        return f"1 {what}"
    return f"{number:,} {what}{'es' if what.endswith('s') else 's'}"


def printable(text: str) -> str:
    """Return the text with nothing in it that a terminal would obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text)


def table(lines: list[Line], width: int) -> Iterator[str]:
    """Yield each line in `width` columns: its time, its name, and its place, relative to the working directory."""
    room = width - TIME - 2
    places = [place(line.file, line.line) for line in lines]
    left = room - 2 - max(map(len, places), default=0)
    column = min(max((len(line.name) for line in lines), default=0), max(int(room * LEAST_OF_NAME), left))
    for line, where in zip(lines, places, strict=True):
        text = shortened(line.name, column if where else room).ljust(column)
        if where:
            text += "  " + shortened_left(where, room - len(text) - 2)
        yield f"{duration(line.seconds):>{TIME}}  {text}".rstrip()


def place(file: str, line: int) -> str:
    """Return `file:line`, as short as it says enough; "" for no file."""
    return f"{short_file(file)}:{line}" if file else ""


def short_file(file: str) -> str:
    """Return the file's name, as short as it says enough."""
    directory = os.getcwd() + os.sep
    return printable(file.removeprefix(directory) if file.startswith(directory) else LIBRARY.sub("", file))


def shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 3, 0)] + "..."


def shortened_left(text: str, width: int) -> str:
    return text if len(text) <= width else "..." + text[len(text) - max(width - 3, 0) :]
