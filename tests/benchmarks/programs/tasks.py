"""Tests of an event loop, for the figure loops: an echo server with clients, and a storm of tasks.

Each writes the seconds that its own loop took to LOOPS_RESULT.
"""

import asyncio
import os
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

CLIENTS = 50
TRIPS = int(os.environ.get("LOOPS_TRIPS", "50"))  # round trips, of all clients
TASKS = int(os.environ.get("LOOPS_TASKS", "100"))


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def client(port: int, trips: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(trips):
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
    writer.close()
    await writer.wait_closed()


async def echo() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await asyncio.gather(*(client(port, TRIPS // CLIENTS) for _ in range(CLIENTS)))


async def work(number: int) -> int:
    await asyncio.sleep(0)
    return number


async def storm() -> None:
    assert sum(await asyncio.gather(*(work(number) for number in range(TASKS)))) == TASKS * (TASKS - 1) // 2


def timed(main: Coroutine[Any, Any, None]) -> None:
    before = time.perf_counter()
    asyncio.run(main)
    taken = time.perf_counter() - before
    Path(os.environ["LOOPS_RESULT"]).write_text(str(taken))


def test_echo() -> None:
    timed(echo())


def test_storm() -> None:
    timed(storm())
