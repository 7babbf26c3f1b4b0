"""What our plugin objects have in common."""

from __future__ import annotations


class Hooks:
    """A plugin whose hooks are all that pytest finds in it.

    It looks for fixtures as well, at length: in four such objects for 10 ms.
    """

    def __dir__(self) -> list[str]:
        return [name for name in dir(type(self)) if name.startswith("pytest_")]
