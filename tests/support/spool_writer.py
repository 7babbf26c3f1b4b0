"""Writes spool files in plain Python, from ext/spool.h's description alone: what the reader is tested against."""

from __future__ import annotations

import json
import mmap
import struct
import time
from pathlib import Path
from typing import Any

MAGIC = 0x314C4F4F50535450
CHUNK_RECORDS = 2048
CHUNK_BYTES = CHUNK_RECORDS * 16
TABLE, CHUNKS = 4096, 196608
FREE, OWNED, FULL = range(3)
START, RESUME, THROW, RETURN, YIELD, UNWIND, CALL, C_RETURN, C_RAISE, RAISED = range(1, 11)
STEP, READY, AWAITS, ENDED = range(12, 16)
STRING, CODE, CALLABLE, THREAD, PROCESS, MARK, CHILD, REAPED, TASK, LINK, NOTE, SWITCH, MUTED = range(16, 29)
ARGS, RESULT, MATCHED = range(29, 32)
ASYNCIO, TRIO, GREENLET = range(3)
SESSION_BEGIN, SESSION_END, TEST_BEGIN, TEST_END, SPAN_BEGIN, SPAN_END, INSTANT = range(1, 8)
USER_BEGIN, USER_END, COUNTER = range(8, 11)
MONOTONIC = 1
HEADER = struct.Struct("=QIIIIQQQIIQQIIQIIQ256sI")
ENTRY = struct.Struct("=IIIIQ")


class SpoolWriter:
    """One process. Every thread, named by its serial, appends to chunks of its own."""

    def __init__(
        self,
        path: Path,
        *,
        pid: int = 100,
        parent_pid: int = 1,
        start: int = 0,
        clock: int = MONOTONIC,
        first_id: int = 1,
        parent: str = "",
        chunks: int = 8,
        free_threaded: bool = False,
        ready: bool = True,
    ) -> None:
        self.path = path
        self.chunks = chunks
        path.write_bytes(bytes(CHUNKS + chunks * CHUNK_BYTES))
        self._map()
        monotonic, unix = start or time.monotonic_ns(), time.time_ns()
        HEADER.pack_into(
            self.map, 0, 0, 1, clock, pid, parent_pid, start, monotonic, unix, first_id, chunks, 0, 0, 0, 0x030D0000,
            0, 0, free_threaded, 0, parent.encode(), chunks,
        )  # fmt: skip
        self._chunk: dict[int, int] = {}
        self._position: dict[int, int] = {}
        self._sequence: dict[int, int] = {}
        if ready:
            self.make_ready()

    def make_ready(self) -> None:
        struct.pack_into("=Q", self.map, 0, MAGIC)

    def _map(self) -> None:
        with self.path.open("r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)

    def header(self) -> dict[str, Any]:
        names = "magic version clock pid parent_pid start_tick start_monotonic_ns start_unix_ns first_id chunks dropped"
        names += " stalled_ns error python heartbeat_ns stop free_threaded clock_error_ns parent room"
        return dict(zip(names.split(), HEADER.unpack_from(self.map), strict=True))

    def set_dropped(self, count: int) -> None:
        struct.pack_into("=Q", self.map, 56, count)

    def state(self, chunk: int) -> int:
        return int(struct.unpack_from("=I", self.map, TABLE + chunk * 64)[0])

    def grow(self, count: int) -> None:
        self.chunks += count
        with self.path.open("r+b") as file:
            file.truncate(CHUNKS + self.chunks * CHUNK_BYTES)
        self._map()
        struct.pack_into("=I", self.map, 52, self.chunks)

    def _room(self, thread: int, count: int) -> int:
        """Return the offset of `count` free records."""
        if thread in self._chunk and self._position[thread] + count > CHUNK_RECORDS:
            self.hand_back(thread)
        if thread not in self._chunk:
            free = next((i for i in range(self.chunks) if self.state(i) == FREE), None)
            if free is None:
                free = self.chunks
                self.grow(8)
            sequence = self._sequence.get(thread, 0)
            ENTRY.pack_into(self.map, TABLE + free * 64, FREE, thread, sequence, 0, 1000 + thread)
            struct.pack_into("=I", self.map, TABLE + free * 64, OWNED)
            self._sequence[thread] = sequence + 1
            self._chunk[thread], self._position[thread] = free, 0
        offset = CHUNKS + self._chunk[thread] * CHUNK_BYTES + self._position[thread] * 16
        self._position[thread] += count
        return offset

    def hand_back(self, thread: int) -> None:
        """Declare the thread's chunk full as it is."""
        entry = TABLE + self._chunk.pop(thread) * 64
        struct.pack_into("=I", self.map, entry + 12, self._position[thread])
        struct.pack_into("=I", self.map, entry, FULL)

    def record(self, tick: int, kind: int, depth: int, id: int, thread: int = 0) -> None:
        offset = self._room(thread, 1)
        struct.pack_into("=QQ", self.map, offset, tick, kind | depth << 8 | id << 32)

    def payload(self, tick: int, kind: int, id: int, data: bytes, thread: int = 0) -> None:
        offset = self._room(thread, 1 + (len(data) + 15) // 16)
        self.map[offset + 16 : offset + 16 + len(data)] = data
        struct.pack_into("=QQ", self.map, offset, tick, kind | len(data) << 8 | id << 32)

    def string(self, tick: int, id: int, text: str, thread: int = 0) -> None:
        self.payload(tick, STRING, id, text.encode(), thread)

    def code(
        self, tick: int, id: int, name: str, file: int = 0, line: int = 0, flags: int = 0, thread: int = 0
    ) -> None:
        self.payload(tick, CODE, id, struct.pack("=III", file, line, flags) + name.encode(), thread)

    def callable(self, tick: int, id: int, name: str, *, blocking: bool = False, thread: int = 0) -> None:
        self.payload(tick, CALLABLE, id, struct.pack("=I", blocking) + name.encode(), thread)

    def thread(self, tick: int, name: str, native_id: int, thread: int = 0) -> None:
        self.payload(tick, THREAD, 0, struct.pack("=QQ", native_id, native_id + 7) + name.encode(), thread)

    def process(self, tick: int, *words: str, thread: int = 0) -> None:
        self.payload(tick, PROCESS, 0, "\0".join(words).encode(), thread)

    def child(self, tick: int, pid: int, *words: str, start: int = 0, thread: int = 0) -> None:
        self.payload(tick, CHILD, pid, struct.pack("=Q", start or tick) + "\0".join(words).encode(), thread)

    def reaped(self, tick: int, pid: int, status: int | None, thread: int = 0) -> None:
        self.payload(tick, REAPED, pid, struct.pack("=iI", status or 0, status is not None), thread)

    def task(
        self, tick: int, id: int, name: str, *, kind: int = ASYNCIO, created: bool = False, thread: int = 0
    ) -> None:
        self.payload(tick, TASK, id, struct.pack("=QIHH", 1, 0, kind, created) + name.encode(), thread)

    def link(self, tick: int, token: int, depth: int = 0, *, taken: bool = False, thread: int = 0) -> None:
        self.payload(tick, LINK, token, struct.pack("=II", depth, taken), thread)

    def note(self, tick: int, task: int, text: str, thread: int = 0) -> None:
        self.payload(tick, NOTE, task, text.encode(), thread)

    def arguments(self, tick: int, id: int, thread: int = 0, **arguments: str) -> None:
        data = "".join(f"{name}\0{text}\0" for name, text in arguments.items()).encode()
        self.payload(tick, ARGS, id, data, thread)

    def result(self, tick: int, id: int, text: str, thread: int = 0) -> None:
        self.payload(tick, RESULT, id, text.encode(), thread)

    def matched(self, tick: int, place: int, thread: int = 0) -> None:
        self.payload(tick, MATCHED, place, b"", thread)

    def switch(self, tick: int, greenlet: int, thread: int = 0) -> None:
        self.payload(tick, SWITCH, greenlet, b"", thread)

    def muted(self, tick: int, id: int, share: float, thread: int = 0) -> None:
        self.payload(tick, MUTED, id, struct.pack("=I", round(share * 1e6)), thread)

    def mark(self, tick: int, code: int, thread: int = 0, **what: Any) -> None:
        self.payload(tick, MARK, code, json.dumps(what).encode(), thread)
