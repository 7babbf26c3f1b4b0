"""What the codec wrote, back into columns; built from ext/reading.pyx."""

from array import array
from typing import Any, Protocol

Columns = tuple[array[int], array[int], array[int], array[int]]
"""Begins and ends in ns (typecode Q), depths and indexes of names (I), a value for each slice in order of begin."""

class Rows:
    args: dict[int, dict[str, Any]]
    def __len__(self) -> int: ...
    def begin(self, ns: int, name: int) -> int: ...
    def end(self, ns: int) -> int | None: ...
    def finish(self) -> Columns: ...

def page_rows(
    block: bytes, at: int, lengths: list[int], count: int
) -> tuple[array[int], array[int], array[int], array[int], list[int], list[int]]:
    """Return the columns of a track in a block of a page, and the numbers in its columns `mark` and `fold`.

    Raises ValueError when the block does not have them.
    """

class Sequence:
    texts: dict[int, str]
    files: dict[int, tuple[str, int]]
    annotations: dict[int, str]
    strings: dict[int, str]
    def start(self, now: int, rows: Rows) -> None: ...

class Listener(Protocol):
    def about(self, sequence: Sequence, packet: bytes) -> None: ...
    def told(self, sequence: Sequence, ns: int, event: bytes) -> None: ...
    def name(self, sequence: Sequence, iid: int, category: int, location: int) -> int: ...
    def arguments(self, sequence: Sequence, annotations: list[bytes]) -> dict[str, Any]: ...

class Packets:
    def __init__(self, listener: Listener) -> None: ...
    def feed(self, data: bytes | memoryview) -> int: ...
