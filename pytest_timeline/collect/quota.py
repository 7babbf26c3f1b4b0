"""How far each spool may grow, so that those of a whole run stay within a bound on the disk."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from pytest_timeline._codec import monotonic_ns

CHUNK_BYTES = 32768
MOST_CHUNKS = (256 << 20) // CHUNK_BYTES


class Growing(Protocol):
    """A spool that is being written."""

    @property
    def file_chunks(self) -> int: ...
    def beat(self, monotonic_ns: int, room: int) -> None: ...


def beat(spools: Collection[Growing], most: int = MOST_CHUNKS) -> None:
    """Tell each writer that its reader is alive, and how many chunks its file may have until this is called again.

    What is left of `most` chunks is shared alike. A writer that may not grow waits a moment for a free chunk, then
    drops records and counts them: see spool-format.md.
    """
    moment = monotonic_ns()
    sizes = [spool.file_chunks for spool in spools]
    share = max(most - sum(sizes), 0) // max(len(sizes), 1)
    for spool, size in zip(spools, sizes, strict=True):
        spool.beat(moment, size + share)
