"""quota.py: all spools together have a bound, and the room below it is shared alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_timeline._codec import Spool
from pytest_timeline.collect import quota
from support import spool_writer as w


def writer(path: Path, chunks: int) -> w.SpoolWriter:
    made = w.SpoolWriter(path, start=1)
    made.grow(chunks - made.chunks)
    return made


@pytest.mark.parametrize(
    ("most", "sizes", "rooms"),
    [(100, [], []), (100, [8], [100]), (100, [8, 32], [38, 62]), (40, [8, 32], [8, 32]), (20, [8, 32], [8, 32])],
)
def test_what_is_left_is_shared(tmp_path: Path, most: int, sizes: list[int], rooms: list[int]) -> None:
    writers = [writer(tmp_path / f"{n}-1.spool", size) for n, size in enumerate(sizes)]
    quota.beat([Spool(str(each.path)) for each in writers], most)
    heads = [each.header() for each in writers]
    assert [head["room"] for head in heads] == rooms
    assert all(head["heartbeat_ns"] for head in heads)
    assert sum(rooms) <= max(most, sum(sizes))
