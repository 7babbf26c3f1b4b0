"""What is taken out of a spool and landed in another is read as if it had been written there, at other ticks."""

from __future__ import annotations

import random
import struct
import time
import zlib
from pathlib import Path

import pytest

from pytest_timeline._codec import Spool
from pytest_timeline._relay import Landed, Source, translate, translated
from pytest_timeline.relay.clocks import Line
from pytest_timeline.relay.segment import News, Segment, pack, unpack
from support import spool_writer as w

END = 1 << 60
CHILD = 22
SAME: list[Line] = [(0, 0, 1.0)]
TWICE: list[Line] = [(1000, 5000, 2.0)]


def records(*rows: tuple[int, int]) -> bytes:
    """Return records of (tick, word)."""
    return b"".join(struct.pack("=QQ", *row) for row in rows)


def ticks(data: bytes) -> list[int]:
    return [tick for tick, _ in struct.iter_unpack("=QQ", data)]


def ship(source: Source, landed: Landed, lines: list[Line]) -> int:
    """Land what is new; return how many chunks had news."""
    taken: list[tuple[int, int, int, int, int, bytes]] = []
    source.take(lambda *chunk: taken.append(chunk))
    for chunk in taken:
        landed.land(*chunk, lines)
    landed.update(source.header, 77)
    return len(taken)


def rows(spool: Spool) -> dict[str, list[tuple[int, int, int]]]:
    spool.drain(END)
    return {name: [row[:3] for row in slices.rows()] for _, _, name, slices in spool.cut(END)[0]}


def test_a_spool_arrives_as_it_was_with_its_ticks_translated(tmp_path: Path) -> None:
    writer = w.SpoolWriter(tmp_path / "7-a.spool", pid=7, parent_pid=3, start=1000, first_id=9, parent="3-1.spool")
    source = Source(str(writer.path))
    landed = Landed(str(tmp_path / "landed"), source.header, 0, TWICE)
    spool = Spool(landed.path)
    writer.thread(1001, "MainThread", 4711)
    writer.code(1002, 10, "work")
    for i in range(5000):  # more than two chunks; the payloads' tails must not be taken for records
        writer.record(1010 + 4 * i, w.START, 5, 10)
        writer.record(1012 + 4 * i, w.RETURN, 5, 10)
        if i % 1000 == 0:
            assert ship(source, landed, TWICE)
            spool.drain(10**6 + i)
            writer.string(1013 + 4 * i, 100 + i, "x" * 33)
    writer.record(90_000, w.START, 5, 10, thread=1)
    writer.hand_back(1)
    writer.set_dropped(12)
    assert ship(source, landed, TWICE)
    assert ship(source, landed, TWICE) == 0
    assert rows(spool) == {
        "MainThread": [(5020 + 8 * i, 5024 + 8 * i, 10) for i in range(5000)],
        "Thread 1001": [(183_000, END, 10)],
    }
    assert spool.names[10][0] == "work"
    assert (spool.pid, spool.parent_pid, spool.first_id, spool.parent) == (7, 3, 9, "3-1.spool")
    assert (spool.clock, spool.start_tick, spool.dropped, spool.clock_error_ns) == (0, 5000, 12, 77)
    assert sorted(writer.state(i) for i in range(8)) == [w.FREE] * 7 + [w.OWNED]  # full chunks are free again


def test_a_landed_spool_grows_and_its_chunks_are_used_again(tmp_path: Path) -> None:
    writer = w.SpoolWriter(tmp_path / "7-a.spool", start=1)
    source = Source(str(writer.path))
    landed = Landed(str(tmp_path / "landed"), source.header, 1, SAME)
    size = (tmp_path / "landed").stat().st_size
    spool = Spool(landed.path)
    for round in range(4):
        for i in range(20 * w.CHUNK_RECORDS):
            writer.record(10 + round * 10**6 + i, w.START, 5, 1)
        ship(source, landed, SAME)
        spool.drain(END - 5 + round)
    assert spool.records == 80 * w.CHUNK_RECORDS
    assert (tmp_path / "landed").stat().st_size == size
    for i in range(100 * w.CHUNK_RECORDS):
        writer.record(10**7 + i, w.START, 5, 1)
    ship(source, landed, SAME)
    spool.drain(END)
    assert spool.records == 180 * w.CHUNK_RECORDS
    assert spool.dropped == 0


def test_what_finds_no_room_is_counted(tmp_path: Path) -> None:
    writer = w.SpoolWriter(tmp_path / "7-a.spool", start=1)
    landed = Landed(str(tmp_path / "landed"), Source(str(writer.path)).header, 1, SAME)
    chunk = records(*[(1, w.START)] * w.CHUNK_RECORDS)
    for seq in range(2048 + 3):
        landed.land(0, seq, 1, 0, w.CHUNK_RECORDS, chunk, SAME)
    spool = Spool(landed.path)
    assert spool.dropped == 3 * w.CHUNK_RECORDS
    landed.update(Source(str(writer.path)).header, 1)
    assert spool.dropped == 3 * w.CHUNK_RECORDS


def test_a_child_s_tick_is_translated_too() -> None:
    data = records((1010, CHILD | 12 << 8 | 5 << 32), (1005, 0x616161), (1020, w.START))
    moved, newest = translate(data, TWICE)
    assert ticks(moved) == [5020, 5010, 5040]
    assert newest == 1020
    assert ticks(data) == [1010, 1005, 1020]  # bytes do not change


def test_each_tick_goes_by_the_line_that_it_is_on() -> None:
    lines: list[Line] = [(1000, 50_000, 1.0), (2000, 51_000, 0.5), (4000, 52_000, 1.0)]
    asked = [1, 999, 1000, 1999, 2000, 3000, 3999, 4000, 5000]
    expected = [49_001, 49_999, 50_000, 50_999, 51_000, 51_500, 51_999, 52_000, 53_000]
    assert [translated(tick, lines) for tick in asked] == expected
    assert translated(1, [(1000, 10, 1.0)]) == 1  # 0 would be no record
    with pytest.raises(ValueError, match="no lines"):
        translated(1, [])


@pytest.mark.parametrize("seed", range(30))
def test_damaged_records_do_no_harm(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    data = bytearray(draw.randbytes(16 * draw.randint(0, 2048)))
    for at in range(8, len(data), 16):  # more often than by chance a kind that has a payload, of a size that may fit
        struct.pack_into("=I", data, at, draw.choice([1, 4, 16, 20, CHILD, 255]) | draw.randint(0, 4000) << 8)
    moved, _ = translate(bytes(data), [(draw.getrandbits(63), draw.getrandbits(63), draw.random())])
    assert len(moved) == len(data)
    assert 0 not in [new for new, old in zip(ticks(moved), ticks(bytes(data)), strict=True) if old]

    writer = w.SpoolWriter(tmp_path / "7-a.spool", start=1)
    header = bytearray(Source(str(writer.path)).header)
    header[12:] = draw.randbytes(len(header) - 12)
    landed = Landed(str(tmp_path / "landed"), bytes(header), 1, SAME)
    spool = Spool(landed.path)
    for _ in range(20):
        chunk = draw.randint(0, 3), draw.randint(0, 3), 1, draw.randint(0, 2100), draw.randint(-2, 2100)
        try:
            landed.land(*chunk, bytes(data[: 16 * draw.randint(0, 100)]), SAME)
        except ValueError:
            pass
        spool.drain(draw.getrandbits(64))
    spool.cut(END)


@pytest.mark.parametrize(
    ("position", "used", "size"), [(2049, -1, 0), (2048, -1, 16), (0, 2049, 0), (0, -2, 0), (0, -1, 15), (0, -1, 32784)]
)
def test_what_is_no_part_of_a_chunk_is_refused(tmp_path: Path, position: int, used: int, size: int) -> None:
    writer = w.SpoolWriter(tmp_path / "7-a.spool", start=1)
    landed = Landed(str(tmp_path / "landed"), Source(str(writer.path)).header, 1, SAME)
    with pytest.raises(ValueError, match="do not fit"):
        landed.land(0, 0, 1, position, used, bytes(size), SAME)


def test_a_source_is_a_spool_that_is_ready(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(BlockingIOError):
        Source(str(tmp_path / "a"))
    (tmp_path / "b").write_bytes(b"?" * 200_000)
    with pytest.raises(ValueError, match="not a spool"):
        Source(str(tmp_path / "b"))
    writer = w.SpoolWriter(tmp_path / "c", start=1)
    writer.map[8] = 99
    with pytest.raises(ValueError, match="version 99"):
        Source(str(tmp_path / "c"))
    size = len(Source(str(w.SpoolWriter(tmp_path / "e", start=1).path)).header)
    with pytest.raises(ValueError, match="no header"):
        Landed(str(tmp_path / "d"), writer.map[:size], 1, SAME)
    with pytest.raises(ValueError, match="a header of"):
        Landed(str(tmp_path / "d"), writer.map[: size - 1], 1, SAME)


def test_a_writer_hears_that_it_is_read(tmp_path: Path) -> None:
    writer = w.SpoolWriter(tmp_path / "7-a.spool", start=1)
    source = Source(str(writer.path))
    now = time.monotonic_ns()
    source.beat(now, 12)
    source.stop()
    head = writer.header()
    assert (head["heartbeat_ns"], head["room"], head["stop"]) == (now, 12, 1)


def test_a_segment_is_unpacked_as_it_was_packed() -> None:
    news = News("7-a.spool", b"head", True, [(1, 2, 3, 4, -1, b"r" * 32), (1, 3, 3, 0, 7, b"")])
    segment = Segment(0.4, 123, [news, News("8-b.spool", b"")])
    assert unpack(pack(segment)) == segment


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no zlib",
        pack(Segment(0.4, 1, []))[:-3],
        zlib.compress(b""),
        zlib.compress(b"\0\0\0\2[]"),
        zlib.compress(b"\0\0\1\0{}"),
        pack(Segment(0.4, -1, [])),
        pack(Segment(1e9, 1, [])),
        pack(Segment(0.4, 1, [News("../7-a.spool", b"")])),
        pack(Segment(0.4, 1, [News("7-a.spool/", b"")])),
        zlib.compress(bytes(65 << 20)),
    ],
    ids=range(11),
)
def test_what_is_no_segment_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(data)
