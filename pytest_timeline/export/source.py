"""The source text that pages show, wherever they are opened.

The pages of a run share files with the whole text; a page that stands alone has excerpts, the functions that ran.
"""

from __future__ import annotations

import os
import re
import tokenize
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b

from pytest_timeline.export.page import dumps

MAX_FILE_BYTES = 2 << 20
MAX_LINES = 150  # of one function
MAX_CHARACTERS = 200_000  # of a page
CALL = "timelineSource"  # the page's function that a shared file calls
FILES_KEPT = 128

_HEAD = re.compile(r"\s*(?:async\s+def|def|class)\b")
_CLOSING = (")", "]", "}")


def excerpts(root: str, functions: Iterable[tuple[str, int]]) -> dict[str, list[tuple[int, str]]]:
    """Return {path: [(first line, text), ...]} for functions given as (path, first line), the most wanted first.

    Excerpts are in order and do not overlap. What can't be read is left out, and so is what exceeds the page's bound.
    """
    wanted: dict[str, list[tuple[int, int]]] = {}
    room = MAX_CHARACTERS
    for path, line in functions:
        lines = _lines(os.path.join(root, path))
        if not 0 < line <= len(lines):
            continue
        end = _end(lines, line - 1)
        room -= sum(map(len, lines[line - 1 : end]))
        if room < 0:
            break
        wanted.setdefault(path, []).append((line - 1, end))
    found = {}
    for path, ranges in wanted.items():
        lines = _lines(os.path.join(root, path))
        found[path] = [(start + 1, "".join(lines[start:end])) for start, end in _merged(ranges)]
    return found


def script(root: str, path: str) -> tuple[str, bytes]:
    """Return a shared file's key, and the file: a script, since a page from a disk may load nothing else.

    The key is of what is in it, so that files of several runs may lie side by side; "" when it can't be read.
    """
    text = "".join(_lines(os.path.join(root, path)))
    if not text:
        return "", b""
    key = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return key, b"%s(%s,%s)" % (CALL.encode(), dumps(key), dumps(text))


@lru_cache(FILES_KEPT)
def _lines(path: str) -> tuple[str, ...]:
    """Return a file's lines, none when it can't be read."""
    try:
        if os.path.getsize(path) > MAX_FILE_BYTES or not os.path.isfile(path):
            return ()
        with tokenize.open(path) as file:
            return tuple(file)
    except (OSError, SyntaxError, ValueError):
        return ()


def _end(lines: tuple[str, ...], start: int) -> int:
    """Return the index after the last line of the function that begins, with its decorators, at `start`.

    Told by indentation: a page needs no more, and parsing whole files would take longer than writing the page.
    """
    limit = min(start + MAX_LINES, len(lines))
    head = start
    while head < limit and not _HEAD.match(lines[head]):
        if head > start and _indent(lines[head]) < _indent(lines[start]) and lines[head].strip():
            return head  # a lambda, or a generator expression
        head += 1
    if head == limit:
        return min(start + 1, limit)
    indent = _indent(lines[head])
    end = head + 1
    for at in range(head + 1, limit):
        line = lines[at].strip()
        deeper = _indent(lines[at]) > indent
        if not line or line.startswith("#") and not deeper:
            continue
        if not deeper and not line.startswith(_CLOSING):
            break
        end = at + 1
    return end


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
