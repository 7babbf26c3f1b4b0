"""A value as text: bounded, and without running any code of the value's own type."""

from __future__ import annotations

import enum
import types
from collections.abc import Iterable
from itertools import islice
from typing import Any

MEMBERS, DEPTH = 8, 3
DIGITS = 60
_qualname = type.__dict__["__qualname__"].__get__
_attributes = object.__getattribute__
_PLAIN = (int, float, complex, bool, type(None), type(...))
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType)
_BRACKETS: dict[type, tuple[str, str]] = {list: ("[", "]"), tuple: ("(", ")"), set: ("{", "}"), frozenset: ("{", "}")}


def shown(value: object, most: int = 200) -> str:
    """Return the value in at most so many characters: what is built in as its repr, dataclasses and enums by their
    members, anything else by its type.
    """
    try:
        text = _shown(value, most, DEPTH)
    except Exception:  # it changed meanwhile, in another thread
        text = f"<{_qualname(type(value))}>"
    return text if len(text) <= most else text[: most - 1] + "…"


def _shown(value: Any, most: int, depth: int) -> str:
    kind = type(value)
    if kind is int and value.bit_length() > 3 * DIGITS:
        return f"<int of {value.bit_length()} bits>"
    if kind in _PLAIN:
        return repr(value)
    if kind is str or kind is bytes:
        return repr(value) if len(value) <= most else f"{value[:most]!r}…"
    if kind in _BRACKETS:
        left, right = _BRACKETS[kind]
        return left + _joined((_shown(each, most, depth - 1) for each in value), len(value), depth) + right
    if kind is dict:
        pairs = (f"{_shown(key, most, depth - 1)}: {_shown(each, most, depth - 1)}" for key, each in value.items())
        return "{" + _joined(pairs, len(value), depth) + "}"
    if kind in _FUNCTIONS:
        return f"<function {value.__qualname__}>"
    name = _qualname(kind)
    if any(base is enum.Enum for base in kind.__mro__):
        return f"{name}.{_attributes(value, '__dict__')['_name_']}"
    if "__dataclass_fields__" in vars(kind):
        fields, members = vars(kind)["__dataclass_fields__"], _attributes(value, "__dict__")
        pairs = (f"{field}={_shown(members[field], most, depth - 1)}" for field in fields if field in members)
        return f"{name}({_joined(pairs, len(fields), depth)})"
    return f"<class {_qualname(value)}>" if kind is type else f"<{name}>"


def _joined(parts: Iterable[str], count: int, depth: int) -> str:
    if not depth:
        return "…" if count else ""
    return ", ".join(islice(parts, MEMBERS)) + (f", … {count - MEMBERS} more" if count > MEMBERS else "")
