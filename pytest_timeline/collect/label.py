"""What to call a process, for people."""

from __future__ import annotations

import os

PREFIX = ("python", "pypy")
WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")
MAX_LENGTH = 60


def words(command: bytes) -> list[str]:
    """Return the words of a command line, which are separated by NUL."""
    return [word.decode("utf-8", "replace") for word in command.rstrip(b"\0").split(b"\0")]


def label(command: bytes) -> str:
    """Return the short name of a command line, whose words are separated by NUL."""
    first, *rest = words(command)
    program = os.path.basename(first.replace("\\", "/")) or "python"
    if program.lower().startswith(PREFIX):
        while rest and rest[0].startswith("-") and rest[0] not in ("-m", "-c", "-"):
            rest = rest[2:] if rest[0] in WITH_VALUE else rest[1:]
        if rest and rest[0] == "-m":
            program = " ".join([program, *rest[:2]])
        elif rest and rest[0].startswith("-"):
            program += " " + rest[0]
        elif rest:
            program += " " + os.path.basename(rest[0])
    elif rest:
        program = " ".join([program, *rest])
    return program[:MAX_LENGTH]
