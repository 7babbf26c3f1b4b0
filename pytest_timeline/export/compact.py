"""The viewer's scripts as they ship: without what only their readers need."""

from __future__ import annotations

import re

_TYPES = re.compile(r"/\*\*.*?\*/ ?", re.DOTALL)  # JSDoc; no string of the viewer has it
_COMMENT = re.compile(r"^\s*//.*\n| +// [^\"'`\n]*$", re.MULTILINE)
_INDENT = re.compile(r"^\s+", re.MULTILINE)  # also empty lines; no string of the viewer spans lines
_AROUND = re.compile(r" ?([=*<>{}(),;:?&|!]) ?")
_QUOTES = re.compile("[\"'`/]")


def compact(script: str) -> str:
    """Return a script of `viewer/` without comments and without blanks that mean nothing."""
    bare = _INDENT.sub("", _COMMENT.sub("", _TYPES.sub("", script)))
    return "\n".join(line if _QUOTES.search(line) else _AROUND.sub(r"\1", line) for line in bare.split("\n"))
