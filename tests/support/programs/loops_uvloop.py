"""Tests of asyncio code under uvloop, whose timelines tests/integration/test_loops.py looks at."""

import asyncio
import time

import uvloop


async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()


async def client(port, number):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(3):
        writer.write(b"hello %d\n" % number)
        assert await reader.readline() == b"HELLO %d\n" % number
    writer.close()
    await writer.wait_closed()


async def server():
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(client(port, number), name=f"client-{number}")


def test_server():
    uvloop.run(server())


async def child():
    await asyncio.sleep(0.002)


async def io_task():
    await asyncio.sleep(0)
    time.sleep(0.06)


async def tasks():
    await asyncio.create_task(child(), name="child")
    await asyncio.gather(child(), child())
    await asyncio.create_task(io_task(), name="blocks")


def test_tasks():
    uvloop.run(tasks())
