"""A function of other people's code, replaced for as long as a recording lasts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MISSING = object()


class Patch:
    """Replaces `name` of a class, module or object by what `make` makes of what is there."""

    def __init__(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Raises AttributeError or TypeError where that can't be replaced."""
        self._owner = owner
        self._name = name
        self._before = vars(owner).get(name, MISSING)
        self._ours = make(getattr(owner, name))
        setattr(owner, name, self._ours)

    def undo(self) -> None:
        """Put back what was there; not what somebody else has put there since: ours is harmless below it."""
        if vars(self._owner).get(self._name) is not self._ours:
            return
        if self._before is MISSING:
            delattr(self._owner, self._name)
        else:
            setattr(self._owner, self._name, self._before)
