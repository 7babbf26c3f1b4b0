"""Trio's tasks and anyio's: who runs, against what the program says; what wakes them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from support.recording import run_one
from support.spool_reader import SpoolFile
from support.steps import check_tasks, count, own_name, replay

TRIO_ASK = """
    import trio
    from trio._core import _run
    def mine():
        task = getattr(_run.GLOBAL_RUN_CONTEXT, "task", None)
        _recorder.mark(7, task.name.split(" (")[0].encode() if task else b"")
"""
ANYIO_ASK = """
    import anyio, asyncio, sys
    from anyio.lowlevel import checkpoint
    def mine():
        if asyncio._get_running_loop(): name = asyncio.current_task().get_name()
        else: name = sys.modules["trio"].lowlevel.current_task().name
        _recorder.mark(7, name.split(" (")[0].encode())
"""


def woken(spool: SpoolFile) -> list[tuple[str, str]]:
    """Return (task, by which or "end of" which) of each PT_READY."""
    found = []
    ended: list[tuple[int, int]] = []
    for record, steps in replay(spool.thread("MainThread")):
        if record.kind in {"start", "resume", "throw", "return", "yield", "unwind"}:
            while ended and ended[-1][0] >= record.depth:
                ended.pop()
        elif record.kind == "ended":
            ended.append((record.depth, record.id))
        elif record.kind == "ready":
            by = "end of " + spool.tasks[ended[-1][1]].names[-1] if ended else ""
            if not ended and steps:
                by = spool.tasks[steps[-1][1]].names[-1]
            found.append((spool.tasks[record.id].names[-1], by))
    return found


def test_nurseries_channels_and_cancel_scopes(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        TRIO_ASK
        + """
    async def leaf(): mine(); await trio.lowlevel.checkpoint(); mine()
    async def numbers():
        for n in range(3): await leaf(); yield n
    async def put(channel):
        async with channel:
            for n in range(3): await channel.send(n); mine()
    async def get(channel):
        async for _ in channel: mine()
    async def main():
        mine()
        async for _ in numbers(): mine()
        with trio.move_on_after(0.001): await trio.sleep_forever()
        mine()
        sender, receiver = trio.open_memory_channel(0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(put, sender, name="put"); nursery.start_soon(get, receiver, name="get")
            nursery.start_soon(leaf, name="leaf")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever, name="forever"); await leaf(); nursery.cancel_scope.cancel()
        mine()
    start(c_calls="none")
    trio.run(main)
    mine()
    """,
    )
    assert check_tasks(spool) > 20
    tasks = {own_name(spool, id)[-1]: task for id, task in spool.tasks.items()}
    for name in ("put", "get", "leaf", "forever"):
        assert tasks[name].created and tasks[name].kind == 1
        assert spool.tasks[tasks[name].parent].names == ["__main__.main"]
    assert len({task.loop for task in spool.tasks.values()}) == 1
    assert {("get", "put"), ("put", "get")} & set(woken(spool))  # trio runs in random order who may run
    assert any(task == "__main__.main" and by.startswith("end of ") for task, by in woken(spool))


def test_a_random_program_of_trio_never_shows_a_wrong_task(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        TRIO_ASK
        + """
    import random
    R = random.Random(3); serial = iter(range(10**6))
    async def leaf():
        mine()
        if R.random() < .7: await trio.lowlevel.checkpoint()
        else: await trio.to_thread.run_sync(int)
        mine()
    async def numbers(n):
        for _ in range(R.randrange(3)): await work(n); yield; mine()
    async def work(n):
        mine(); x = R.random()
        if n <= 0: await leaf()
        elif x < .3:
            async with trio.open_nursery() as nursery:
                for _ in range(2): nursery.start_soon(work, n - 1, name=f"t{next(serial)}")
        elif x < .5: await work(n - 1); await work(n - 2)
        elif x < .7: [mine() async for _ in numbers(n - 1)]
        elif x < .8:
            with trio.move_on_after(.0005): await work(n - 1); await trio.sleep_forever()
        else:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(work, n - 1, name=f"t{next(serial)}"); await leaf(); nursery.cancel_scope.cancel()
        mine()
    async def main():
        async with trio.open_nursery() as nursery:
            for _ in range(20): nursery.start_soon(work, 5, name=f"t{next(serial)}")
    start(c_calls="none")
    trio.run(main)
    """,
    )
    assert check_tasks(spool) > 300  # trio shuffles, so it is not always the same


def test_trios_threads(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        """
    import trio
    def work(): return trio.from_thread.run_sync(int)
    async def main(): await trio.to_thread.run_sync(work)
    start(c_calls="none")
    trio.run(main)
    """,
    )
    ends = sorted(
        (record.id, struct.unpack_from("<II", record.payload)[1], thread.names[-1])
        for thread in spool.threads.values()
        for record in thread.story
        if record.kind == "link"
    )
    there = ends[1][2]
    assert there != "MainThread"
    assert [end[1:] for end in ends] == [(0, "MainThread"), (1, there), (0, there), (1, "MainThread")]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio(tmp_path: Path, backend: str) -> None:
    spool = run_one(
        tmp_path,
        ANYIO_ASK
        + f"""
    async def put(channel):
        async with channel:
            for n in range(3): await channel.send(n); mine()
    async def get(channel):
        async for _ in channel: mine()
    async def main():
        sender, receiver = anyio.create_memory_object_stream(0)
        async with anyio.create_task_group() as group:
            group.start_soon(put, sender, name="put"); group.start_soon(get, receiver, name="get")
        with anyio.move_on_after(0.001): await anyio.sleep_forever()
        mine(); await anyio.to_thread.run_sync(int); mine()
    start(c_calls="none")
    anyio.run(main, backend={backend!r})
    """,
    )
    assert check_tasks(spool) == 8
    names = {own_name(spool, id)[-1] for id, task in spool.tasks.items() if task.created}
    assert {"put", "get"} <= names
    assert count(spool, "ready") > 4
    assert count(spool, "link") >= 2
