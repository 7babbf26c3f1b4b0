"""What an exception says of itself: message, notes, traceback; those it came from, and those of its group.

The result is plain and bounded, whatever the exception is, since a mark must fit into a chunk; what is left out is
counted. None of the exception's own code runs but its `__str__`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from pytest_timeline.config import MACHINERY

MOST = 24  # exceptions beside the failure itself
BYTES = 24_000  # of JSON, keys not counted
LEAST = 600  # bytes for which another exception is begun
CHARACTERS, OTHERS_CHARACTERS = 4000, 1000  # of a message
NOTES, NOTE_CHARACTERS = 8, 400
OUTERMOST, INNERMOST, FRAME_CHARACTERS = 4, 16, 300
TYPE_CHARACTERS = 200
WORST = 7  # bytes of JSON for a character: "\\\\udc80"

_cause = BaseException.__dict__["__cause__"].__get__
_context = BaseException.__dict__["__context__"].__get__
_suppressed = BaseException.__dict__["__suppress_context__"].__get__
_traceback = BaseException.__dict__["__traceback__"].__get__
_members = BaseExceptionGroup.__dict__["exceptions"].__get__
_attributes = BaseException.__dict__["__dict__"].__get__
_qualname = type.__dict__["__qualname__"].__get__


def describe(error: BaseException) -> dict[str, Any]:
    """Return `exception` (its type), `message`, `traceback` and, where there are such, `cut`, `notes`, `others` and
    `left_out`; docs/spool-format.md has them all.
    """
    room = _Room(BYTES)
    described = _describe(error, room, CHARACTERS)
    others: list[dict[str, Any]] = []
    left_out = 0
    seen = {id(error)}  # chains may be cycles
    waiting = deque([(0, error)])
    while waiting:
        place, one = waiting.popleft()
        for relation, other in _related(one):
            if id(other) in seen:
                continue
            if len(others) == MOST or room.left < LEAST:
                left_out += 1
                continue
            seen.add(id(other))
            others.append({"of": place, "as": relation} | _describe(other, room, OTHERS_CHARACTERS))
            waiting.append((len(others), other))
    return described | ({"others": others} if others else {}) | ({"left_out": left_out} if left_out else {})


def line(described: dict[str, Any], most: int) -> str:
    """Return what was described as one text of so many characters; of a group also its first exception that is none."""
    text = _headline(described)
    place = 0
    for index, other in enumerate(described.get("others", ()), 1):
        if other["as"] == "member" and other["of"] == place:
            text += f": {_headline(other)}"
            place = index
    return text[:most]


def plain(text: str, most: int) -> str:
    """Return the first characters; a lone surrogate becomes its escape."""
    first = str.__getitem__(text, slice(most))  # a subclass might run code
    return first.encode("utf-8", "backslashreplace").decode()


class _Room:
    """So many bytes of JSON."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, text: str, most: int) -> tuple[str, int]:
        """Return so many characters of the text, fewer if there is no room, and how many are missing."""
        kept = plain(text, most)
        if len(orjson.dumps(kept)) > self.left:
            most = max(0, self.left) // WORST
            kept = plain(text, most)
        self.left -= len(orjson.dumps(kept))
        return kept, max(0, str.__len__(text) - most)


def _describe(error: BaseException, room: _Room, characters: int) -> dict[str, Any]:
    described: dict[str, Any] = {"exception": room.take(_qualname(type(error)), TYPE_CHARACTERS)[0]}
    traceback = [room.take(frame, FRAME_CHARACTERS)[0] for frame in _frames(error)]
    message, cut = room.take(_text(error), characters)
    described |= {"message": message, "traceback": traceback} | ({"cut": cut} if cut else {})
    notes = [room.take(note, NOTE_CHARACTERS)[0] for note in _notes(error)]
    return described | ({"notes": notes} if notes else {})


def _headline(described: dict[str, Any]) -> str:
    message = described["message"]
    return f"{described['exception']}: {message}" if message else str(described["exception"])


def _related(error: BaseException) -> Iterator[tuple[str, BaseException]]:
    """Yield the exceptions that belong to this one, in the order in which Python prints them, reversed."""
    if issubclass(type(error), BaseExceptionGroup):  # isinstance would ask the exception for its class
        for member in _members(error):
            yield "member", member
    cause, context = _cause(error), _context(error)
    if cause is not None:
        yield "cause", cause
    elif context is not None and not _suppressed(error):
        yield "context", context


def _frames(error: BaseException) -> Iterator[str]:
    """Yield where the exception went through, as `file:line function`, the outermost first, without the machinery.

    Nothing where the test said `pytest.fail(pytrace=False)`.
    """
    if issubclass(type(error), pytest.fail.Exception) and not _attributes(error).get("pytrace", True):
        return
    first: list[str] = []
    last: deque[str] = deque(maxlen=INNERMOST)
    count = 0
    step = _traceback(error)
    while step is not None:
        frame = step.tb_frame
        module = dict.get(frame.f_globals, "__name__")  # a subclass might run code
        if not isinstance(module, str) or module.partition(".")[0] not in MACHINERY:
            place = f"{frame.f_code.co_filename}:{step.tb_lineno} {frame.f_code.co_qualname}"
            (first if count < OUTERMOST else last).append(place)
            count += 1
        step = step.tb_next
    yield from first
    if count > OUTERMOST + INNERMOST:
        yield f"... {count - OUTERMOST - INNERMOST} frames left out"
    yield from last


def _notes(error: BaseException) -> Iterator[str]:
    notes = _attributes(error).get("__notes__")
    if type(notes) not in (list, tuple):
        return
    for note in notes[:NOTES]:
        yield note if isinstance(note, str) else _text(note)
    if len(notes) > NOTES:
        yield f"... {len(notes) - NOTES} notes left out"


def _text(value: object) -> str:
    try:
        return str(value)
    except KeyboardInterrupt:
        raise
    except BaseException as failure:
        return f"<its __str__ raised {_qualname(type(failure))}>"
