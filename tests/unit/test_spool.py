"""A spool is read as its writer wrote it: chunks, threads, names, marks; and read without harm when it is damaged."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pytest_timeline._codec import Names, Spool, anchor, now
from support import spool_writer as w

END = 1 << 60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "100-a.spool"


def call(writer: w.SpoolWriter, start: int, end: int, id: int, thread: int = 0) -> None:
    writer.record(start, w.START, 5, id, thread)
    writer.record(end, w.RETURN, 5, id, thread)


def rows(spool: Spool, tick: int = END) -> dict[str, list[tuple[int, int, int]]]:
    """End the window; return (start, end, name) of each thread's slices."""
    return {name: [row[:3] for row in slices.rows()] for _, _, name, slices in spool.cut(tick)[0]}


def test_the_header_is_told(path: Path) -> None:
    writer = w.SpoolWriter(path, pid=7, parent_pid=3, start=55, clock=1, first_id=9, parent="3-1.spool")
    writer.set_dropped(12)
    spool = Spool(str(path))
    assert (spool.pid, spool.parent_pid, spool.start_tick, spool.clock, spool.first_id) == (7, 3, 55, 1, 9)
    assert (spool.parent, spool.dropped, spool.stalled_ns, spool.error) == ("3-1.spool", 12, 0, 0)
    head = writer.header()
    assert spool.python == head["python"]
    assert (spool.start_monotonic_ns, spool.start_unix_ns) == (head["start_monotonic_ns"], head["start_unix_ns"])
    spool.beat(77, 12)
    spool.stop()
    head = writer.header()
    assert (head["heartbeat_ns"], head["room"], head["stop"]) == (77, 12, 1)
    spool.close()
    assert (spool.pid, spool.dropped, spool.drain(END)) == (7, 12, None)


def test_it_waits_for_its_writer(path: Path) -> None:
    path.write_bytes(b"")
    with pytest.raises(BlockingIOError):
        Spool(str(path))
    writer = w.SpoolWriter(path, ready=False)
    with pytest.raises(BlockingIOError):
        Spool(str(path))
    writer.make_ready()
    assert Spool(str(path)).pid == 100


def test_what_is_no_spool_of_this_version_is_refused(path: Path) -> None:
    writer = w.SpoolWriter(path)
    writer.map[8] = 2
    with pytest.raises(ValueError, match="version 2"):
        Spool(str(path))
    writer.map[0:8] = b"PTSPOOL9"
    with pytest.raises(ValueError, match="not a spool"):
        Spool(str(path))
    with pytest.raises(FileNotFoundError):
        Spool(str(path) + "x")


def test_names_are_read_whatever_the_thread_that_wrote_them(path: Path) -> None:
    writer = w.SpoolWriter(path)
    writer.string(10, 1, "päth.py")
    writer.code(11, 2, "Parser.parse", file=1, line=30, flags=0x20, thread=1)
    writer.callable(12, 3, "time.sleep", blocking=True)
    writer.string(13, 2, "a second definition")
    spool = Spool(str(path))
    spool.drain(END)
    assert spool.names[1] == ("päth.py", w.STRING, "", 0, 0)
    assert spool.names[2] == ("Parser.parse", w.CODE, "päth.py", 30, 0x20)
    assert spool.names[3] == ("time.sleep", w.CALLABLE, "", 0, 1)
    with pytest.raises(KeyError):
        spool.names[4]


def test_a_forked_child_knows_its_parents_names_up_to_the_fork(tmp_path: Path) -> None:
    parent, child = (w.SpoolWriter(tmp_path / name, first_id=id) for name, id in (("p", 1), ("c", 3)))
    for id in (1, 2, 3):
        parent.string(10, id, f"parent {id}")
    child.string(11, 3, "child 3")
    child.string(11, 2, "not the child's to define")
    spools = [Spool(str(tmp_path / name)) for name in "pc"]
    spools[1].adopt(spools[0].names)
    for spool in spools:
        spool.drain(END)
    assert [spools[1].names[id][0] for id in (1, 2, 3)] == ["parent 1", "parent 2", "child 3"]


def test_very_many_names(path: Path) -> None:
    names = Names(None, 100)
    for id in range(100, 20_000):
        names.add(id, f"name {id}")
    assert all(names[id][0] == f"name {id}" for id in range(100, 20_000))
    for id in (0, 99, 20_000, 0xFFFFFFFF):
        with pytest.raises(KeyError):
            names[id]


def test_chunks_are_freed_and_used_again(path: Path) -> None:
    writer = w.SpoolWriter(path, chunks=2)
    spool = Spool(str(path))
    tick = 10
    for _ in range(5 * w.CHUNK_RECORDS):
        tick += 2
        call(writer, tick, tick + 1, 1)
        if tick % 1000 == 0:
            spool.drain(tick + 1)
    spool.drain(END)
    assert writer.chunks == 2
    assert len(rows(spool)["Thread 1000"]) == 5 * w.CHUNK_RECORDS
    free = next(i for i in range(2) if writer.state(i) == w.FREE)
    offset = w.CHUNKS + free * w.CHUNK_BYTES
    assert not any(writer.map[offset : offset + w.CHUNK_BYTES])


def test_the_file_grows_while_it_is_read(path: Path) -> None:
    writer = w.SpoolWriter(path, chunks=1)
    spool = Spool(str(path))
    expected = []
    for tick in range(10, 10 + 20 * w.CHUNK_RECORDS, 2):
        call(writer, tick, tick + 1, 1)
        expected.append((tick, tick + 1, 1))
        if tick == 10 * w.CHUNK_RECORDS:
            spool.drain(tick + 1)
    spool.drain(END)
    assert rows(spool)["Thread 1000"] == expected


def test_a_threads_chunks_are_read_in_their_order_wherever_they_lie(path: Path) -> None:
    writer = w.SpoolWriter(path, chunks=3)
    call(writer, 10, 11, 1, thread=1)
    call(writer, 12, 13, 1, thread=0)
    spool = Spool(str(path))
    writer.hand_back(1)
    spool.drain(11)  # chunk 0 is free again
    for tick in range(20, 20 + 3000, 2):  # thread 0 goes on in chunk 0
        call(writer, tick, tick + 1, 2, thread=0)
    assert writer.state(0) == w.OWNED
    spool.drain(END)
    found = rows(spool)
    assert found["Thread 1001"] == [(10, 11, 1)]
    assert found["Thread 1000"] == [(12, 13, 1)] + [(t, t + 1, 2) for t in range(20, 20 + 3000, 2)]


def test_a_record_without_its_tick_is_not_there(path: Path) -> None:
    writer = w.SpoolWriter(path)
    call(writer, 10, 11, 1)
    writer.record(0, w.START, 5, 2)
    spool = Spool(str(path))
    spool.drain(END)
    assert rows(spool) == {"Thread 1000": [(10, 11, 1)]}


def test_a_private_reader_leaves_the_file_as_it_is(path: Path) -> None:
    writer = w.SpoolWriter(path)
    for i in range(w.CHUNK_RECORDS):
        call(writer, 10 + 2 * i, 11 + 2 * i, 1)
    writer.hand_back(0)
    writer.string(20_000, 1, "work")
    before = path.read_bytes()
    private = Spool(str(path), private=True)
    writer.grow(8)  # what comes later is not seen
    grown = path.read_bytes()
    private.drain(END)
    private.beat(123, 5)
    private.stop()
    seen = rows(private)
    assert private.names[1][0] == "work"
    private.drain(END + 1)
    assert rows(private) == {}
    assert path.read_bytes() == grown
    assert grown[w.CHUNKS :].startswith(before[w.CHUNKS :])
    reader = Spool(str(path))  # whose spool it is
    reader.drain(END)
    assert rows(reader) == seen
    assert path.read_bytes() != grown


def test_nothing_is_read_beyond_the_limit(path: Path) -> None:
    writer = w.SpoolWriter(path)
    for tick in (10, 20, 30):
        call(writer, tick, tick + 5, 1)
    spool = Spool(str(path))
    spool.drain(25)
    assert spool.records == 4
    assert spool.last == 25
    assert rows(spool, 26) == {"Thread 1000": [(10, 15, 1), (20, 25, 1)]}
    spool.drain(END)
    assert rows(spool) == {"Thread 1000": [(30, 35, 1)]}


def test_records_before_the_window_count_as_its_first(path: Path) -> None:
    writer = w.SpoolWriter(path)
    call(writer, 10, 110, 1)
    spool = Spool(str(path), window=100)
    spool.drain(END)
    assert rows(spool) == {"Thread 1000": [(100, 110, 1)]}


def test_a_thread_has_its_newest_name(path: Path) -> None:
    writer = w.SpoolWriter(path)
    call(writer, 10, 11, 1, thread=3)
    writer.thread(12, "Thread-1", 555, thread=3)
    writer.thread(13, "worker", 555, thread=3)
    call(writer, 10, 11, 1, thread=4)
    spool = Spool(str(path))
    spool.drain(END)
    tracks, *_ = spool.cut(END)
    assert [track[:3] for track in tracks] == [(3, 555, "worker"), (4, 1004, "Thread 1004")]
    writer.thread(14, "", 555, thread=3)
    call(writer, 20, 21, 1, thread=3)
    spool.drain(END + 1)
    assert [track[:3] for track in spool.cut(END + 1)[0]] == [(3, 555, "Thread 555")]


def test_reading_stops_after_each_mark(path: Path) -> None:
    writer = w.SpoolWriter(path)
    writer.process(9, "python", "-m", "pytest")
    call(writer, 10, 11, 1)
    writer.mark(12, w.TEST_BEGIN, nodeid="t")
    call(writer, 13, 14, 1, thread=1)
    writer.mark(15, w.TEST_END, thread=1)
    call(writer, 16, 17, 1)
    spool = Spool(str(path))
    assert spool.drain(END) == (0, 12, w.TEST_BEGIN, b'{"nodeid": "t"}')
    assert rows(spool, 12) == {"Thread 1000": [(10, 11, 1)]}
    assert spool.drain(END) == (1, 15, w.TEST_END, b"{}")
    assert rows(spool, 15) == {"Thread 1001": [(13, 14, 1)]}
    assert spool.drain(END) is None
    assert rows(spool) == {"Thread 1000": [(16, 17, 1)]}
    assert spool.command == b"python\0-m\0pytest"


def test_an_id_out_of_all_proportion_is_damage(path: Path) -> None:
    writer = w.SpoolWriter(path)
    call(writer, 10, 20, 0xFFFFFFF0)  # a table of that size would not fit into memory
    spool = Spool(str(path))
    spool.drain(END)
    assert rows(spool) == {"Thread 1000": [(10, 20, 0)]}


def lane_of(spool: Spool, tick: int = END) -> list[tuple[int, int, str]] | None:
    _, lane, _ = spool.cut(tick)
    if lane is None:
        return None
    slices, names = lane
    return [(start, end, names[id][0]) for start, end, id, *_ in slices.rows()]


def test_the_gil_lane_shows_who_ran(path: Path) -> None:
    writer = w.SpoolWriter(path)
    writer.thread(5, "main", 1, thread=0)
    for start, thread in ((10, 0), (20, 1), (30, 1), (40, 0)):
        call(writer, start, start + 5, 1, thread)
    spool = Spool(str(path))
    spool.drain(END)
    assert lane_of(spool) == [(5, 15, "main"), (20, 35, "Thread 1001"), (40, 45, "main")]


def test_a_run_lasts_until_the_switch_while_anything_is_open(path: Path) -> None:
    writer = w.SpoolWriter(path)
    for start, depth, thread in ((10, 1, 0), (30, 1, 1), (50, 2, 0)):
        writer.record(start, w.START, depth, 1, thread)
        call(writer, start + 1, start + 2, 2, thread)
    writer.record(60, w.RETURN, 2, 1, thread=0)
    spool = Spool(str(path))
    spool.drain(END)
    assert lane_of(spool, 80) == [(10, 30, "Thread 1000"), (30, 50, "Thread 1001"), (50, 80, "Thread 1000")]


def test_a_thread_in_a_blocking_call_does_not_hold_the_gil(path: Path) -> None:
    writer = w.SpoolWriter(path)
    writer.callable(4, 2, "time.sleep", blocking=True)
    writer.callable(5, 3, "len")
    for start, id in ((10, 2), (30, 3)):
        writer.record(start, w.CALL, 5, id)
        writer.record(start + 10, w.C_RETURN, 5, id)
    call(writer, 50, 51, 1, thread=1)
    spool = Spool(str(path))
    spool.drain(END)
    assert lane_of(spool) == [(4, 10, "Thread 1000"), (20, 40, "Thread 1000"), (50, 51, "Thread 1001")]


def test_there_is_no_gil_lane_for_one_thread_nor_without_a_gil(tmp_path: Path) -> None:
    for free_threaded, threads in ((False, 1), (True, 2)):
        writer = w.SpoolWriter(tmp_path / f"{threads}", free_threaded=free_threaded)
        for thread in range(threads):
            call(writer, 10 + thread, 20 + thread, 1, thread)
        spool = Spool(str(tmp_path / f"{threads}"))
        spool.drain(END)
        tracks, lane, _ = spool.cut(END)
        assert len(tracks) == threads
        assert lane is None


def test_the_gil_lane_is_each_windows_own(path: Path) -> None:
    writer = w.SpoolWriter(path)
    call(writer, 10, 11, 1, thread=0)
    call(writer, 12, 25, 1, thread=1)
    spool = Spool(str(path))
    spool.drain(20)
    assert lane_of(spool, 20) == [(10, 11, "Thread 1000"), (12, 20, "Thread 1001")]
    spool.drain(END)
    assert lane_of(spool) is None


def test_threads_that_ended_are_forgotten_but_not_their_slices(path: Path) -> None:
    writer = w.SpoolWriter(path)
    spool = Spool(str(path))
    found = 0
    for thread in range(500):
        call(writer, 10 * thread + 10, 10 * thread + 15, 1, thread)
        writer.hand_back(thread)
        spool.drain(10 * thread + 16)
        found += len(rows(spool, 10 * thread + 16))
    assert found == 500
    assert spool.ignored == 0


def test_random_threads_are_read_in_the_order_of_time(path: Path) -> None:
    rng = random.Random(5)
    writer = w.SpoolWriter(path)
    expected: list[tuple[int, int]] = []
    for tick in range(10, 20_000):
        thread = rng.randrange(7) if rng.random() < 0.1 or not expected else expected[-1][1]
        writer.mark(tick, w.INSTANT, thread=thread)
        expected.append((tick, thread))
    spool = Spool(str(path))
    found = []
    until = 0
    while until < 20_000:
        until += rng.randrange(1, 3000)
        while (mark := spool.drain(until)) is not None:
            found.append((mark[1], mark[0]))
    assert found == expected


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sample") / "1-1.spool"
    writer = w.SpoolWriter(path, chunks=4, start=1)
    writer.process(1, "python")
    tick = 1
    for i in range(1, 1500):
        tick += 3
        writer.code(tick, i, f"function {i}", file=1, line=i, thread=i % 2)
        call(writer, tick + 1, tick + 2, i, thread=i % 3)
        if i % 50 == 0:
            writer.mark(tick + 2, w.TEST_BEGIN, nodeid="x" * i)
    return path.read_bytes()


@pytest.mark.parametrize("seed", range(150))
def test_a_damaged_spool_does_no_harm(path: Path, sample: bytes, seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(sample)
    if seed % 5 == 0:
        del data[rng.randrange(len(data)) :]
    places = [range(8, 128), range(w.TABLE, w.TABLE + 4 * 64), range(w.CHUNKS, len(data))]
    for _ in range(rng.choice((1, 10, 1000))):
        place = rng.choice([place for place in places if place and place.stop <= len(data)] or [range(1)])
        if data:
            data[rng.choice(place)] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    try:
        spool = Spool(str(path), max_slices=rng.choice((0, 50)))
    except (ValueError, BlockingIOError):
        return
    for until in (1000, 3000, END):
        while (mark := spool.drain(until)) is not None:
            assert len(mark[3]) <= w.CHUNK_BYTES
        tracks, *_ = spool.cut(until)
        for *_, slices in tracks:
            for start, end, name, *_ in slices.rows():
                assert start <= end
                try:
                    spool.names[name]
                except KeyError:
                    pass
    assert spool.records <= 4 * w.CHUNK_RECORDS
    assert isinstance(spool.parent, str)


def test_clocks_agree() -> None:
    first = anchor(1)
    assert first[0] <= now(1) <= anchor(1)[0]
    assert abs(first[0] - first[1]) < 10**9  # a monotonic tick is a nanosecond of that clock
