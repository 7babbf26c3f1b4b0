"""A plain reader of spool files, independent of the codec: an oracle for what the recorder wrote."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

HEADER = struct.Struct("<QIIIIQQQIIQQIIQIIQ256s")
CHUNK = struct.Struct("<IIIIQ40x")
TABLE_OFFSET, MAX_CHUNKS, CHUNK_BYTES = 4096, 2048, 32768
CHUNKS_OFFSET = 196608
MAGIC = int.from_bytes(b"PTSPOOL1", "little")

FRAME_IN = {1: "start", 2: "resume", 3: "throw"}
FRAME_OUT = {4: "return", 5: "yield", 6: "unwind"}
CALLS = {7: "call", 8: "c_return", 9: "c_raise"}
FRAMES = {**FRAME_IN, **FRAME_OUT, 11: "inherited"}
LOOPS = {12: "step", 13: "ready", 14: "awaits", 15: "ended"}
KINDS = {**FRAMES, **CALLS, **LOOPS, 10: "raised"}
PAYLOADS = {21: "mark", 24: "task", 25: "link", 26: "note", 27: "switch", 28: "muted"} | {
    29: "args",
    30: "result",
    31: "matched",
}


@dataclass
class Record:
    tick: int
    kind: str
    depth: int
    id: int
    name: str = ""
    payload: bytes = b""


@dataclass
class Thread:
    native_id: int = 0
    ident: int = 0
    names: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    story: list[Record] = field(default_factory=list)  # with marks and what tells of tasks, in order


@dataclass
class Task:
    loop: int
    parent: int
    kind: int
    created: bool
    names: list[str]


@dataclass
class SpoolFile:
    pid: int
    parent_pid: int
    first_id: int
    dropped: int
    error: int
    parent: str
    chunks: int
    names: dict[int, str] = field(default_factory=dict)
    lines: dict[int, tuple[int, int]] = field(default_factory=dict)  # code id: (file id, line)
    blocking: set[int] = field(default_factory=set)
    marks: list[tuple[int, bytes]] = field(default_factory=list)
    children: list[tuple[int, list[bytes]]] = field(default_factory=list)  # pid, command line
    reaped: list[tuple[int, int]] = field(default_factory=list)  # pid, status
    tasks: dict[int, Task] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    threads: dict[int, Thread] = field(default_factory=dict)

    def thread(self, name: str) -> Thread:
        """Return the one thread whose newest name this is."""
        (thread,) = (t for t in self.threads.values() if t.names and t.names[-1] == name)
        return thread

    def frames(self, name: str = "MainThread") -> list[tuple[str, str]]:
        """Return (kind, qualified name) of the thread's frame records, in order."""
        return [(r.kind, r.name) for r in self.thread(name).records if r.kind in FRAMES.values()]

    def calls(self, name: str = "MainThread") -> list[tuple[str, str]]:
        return [(r.kind, r.name) for r in self.thread(name).records if r.kind in CALLS.values()]

    def arguments(self, name: str = "MainThread") -> list[tuple[str, dict[str, str] | str]]:
        """Return (qualified name, {parameter: repr} or the result's repr) of what the thread tells, in order."""
        told: list[tuple[str, dict[str, str] | str]] = []
        for record in self.thread(name).story:
            if record.kind == "args":
                words = record.payload.decode().split("\0")
                told.append((self.names[record.id], dict(zip(words[:-1:2], words[1::2], strict=True))))
            elif record.kind == "result":
                told.append((self.names[record.id], record.payload.decode()))
        return told


def read(path: Path) -> SpoolFile:
    """Read all committed records of a spool that no collector has drained."""
    data = path.read_bytes()
    head = HEADER.unpack_from(data)
    assert head[0] == MAGIC, f"{path}: not ready"
    spool = SpoolFile(
        pid=head[3],
        parent_pid=head[4],
        first_id=head[8],
        chunks=head[9],
        dropped=head[10],
        error=head[12],
        parent=head[18].split(b"\0")[0].decode(),
    )
    table = [CHUNK.unpack_from(data, TABLE_OFFSET + i * CHUNK.size) for i in range(spool.chunks)]
    owned = sorted((thread, seq, i) for i, (state, thread, seq, _, _) in enumerate(table) if state in (1, 2))
    for serial, _, i in owned:
        state, _, _, used, _ = table[i]
        start = CHUNKS_OFFSET + i * CHUNK_BYTES
        end = start + (used * 16 if state == 2 else CHUNK_BYTES)
        _read_chunk(spool, spool.threads.setdefault(serial, Thread()), data, start, end)
    for thread in spool.threads.values():
        for record in thread.records:
            if record.kind in LOOPS.values():
                record.name = spool.tasks[record.id].names[-1]
            else:
                record.name = spool.names.get(record.id, "?")
    return spool


def read_directory(directory: Path) -> dict[int, SpoolFile]:
    """Read every spool of a family, by pid."""
    spools = [read(path) for path in directory.glob("*.spool")]
    return {spool.pid: spool for spool in spools}


def _read_chunk(spool: SpoolFile, thread: Thread, data: bytes, at: int, end: int) -> None:
    while at < end:
        tick, word = struct.unpack_from("<QQ", data, at)
        if tick == 0:
            return
        kind, depth, id = word & 0xFF, word >> 8 & 0xFFFFFF, word >> 32
        at += 16
        if kind < 16:
            thread.records.append(Record(tick, KINDS[kind], depth, id))
            thread.story.append(thread.records[-1])
            continue
        payload = data[at : at + depth]
        if kind in PAYLOADS:
            thread.story.append(Record(tick, PAYLOADS[kind], 0, id, "", payload))
        at += (depth + 15) // 16 * 16
        if kind == 16:
            spool.names[id] = payload.decode()
        elif kind == 17:
            file, line, _ = struct.unpack_from("<III", payload)
            spool.names[id] = payload[12:].decode()
            spool.lines[id] = (file, line)
        elif kind == 18:
            spool.names[id] = payload[4:].decode()
            if payload[0] & 1:
                spool.blocking.add(id)
        elif kind == 19:
            thread.native_id, thread.ident = struct.unpack_from("<QQ", payload)
            thread.names.append(payload[16:].decode())
        elif kind == 20:
            spool.command = payload.decode().split("\0")
        elif kind == 21:
            spool.marks.append((id, payload))
        elif kind == 22:
            spool.children.append((id, payload[8:].split(b"\0")))
        elif kind == 23:
            spool.reaped.append((id, struct.unpack_from("<i", payload)[0]))
        elif kind == 24:
            loop, parent, what, flags = struct.unpack_from("<QIHH", payload)
            task = spool.tasks.setdefault(id, Task(loop, parent, what, bool(flags & 1), []))
            task.names.append(payload[16:].decode())
        elif kind not in PAYLOADS:
            raise AssertionError(f"unknown record kind {kind}")
