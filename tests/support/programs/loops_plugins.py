"""Tests under pytest-asyncio and anyio's plugin, whose timelines tests/integration/test_loops.py looks at."""

import asyncio

import anyio
import httpx
import pytest
import pytest_asyncio


async def child():
    await asyncio.sleep(0.002)


@pytest_asyncio.fixture
async def value():
    await asyncio.sleep(0.001)
    yield 17
    await asyncio.sleep(0.001)


@pytest.mark.asyncio
async def test_by_pytest_asyncio(value):
    assert value == 17
    await asyncio.create_task(child(), name="child")


@pytest.mark.asyncio
async def test_httpx():
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    async def ask(client, url):
        assert (await client.get(url)).text == "hello"

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(ask(client, url), name=f"ask-{number}")


async def any_child(steps):
    for _ in range(steps):
        await anyio.sleep(0.001)


@pytest.mark.anyio
async def test_by_anyio():
    async with anyio.create_task_group() as group:
        group.start_soon(any_child, 2, name="child-2")
        group.start_soon(any_child, 3, name="child-3")


@pytest.mark.anyio
async def test_anyio_thread():
    assert await anyio.to_thread.run_sync(in_a_thread) == 17


def in_a_thread():
    return 17
