"""Tests of trio code, whose timelines tests/integration/test_loops.py looks at."""

import time

import pytest
import trio
import trio.testing

CLIENTS = 20


async def echo(stream):
    async for data in stream:
        await stream.send_all(data)


async def client(number, listener):
    stream = await trio.testing.open_stream_to_socket_listener(listener)
    async with stream:
        for _ in range(3):
            await stream.send_all(b"%d" % number)
            assert await stream.receive_some() == b"%d" % number


def test_server():
    async def serve():
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with trio.open_nursery() as servers:
            servers.start_soon(trio.serve_listeners, echo, listeners)
            async with trio.open_nursery() as nursery:
                for number in range(CLIENTS):
                    nursery.start_soon(client, number, listeners[0])
            servers.cancel_scope.cancel()

    trio.run(serve)


async def child(steps):
    for _ in range(steps):
        await trio.sleep(0.001)


async def io_task():
    await trio.lowlevel.checkpoint()
    time.sleep(0.06)


async def in_nursery():
    send, receive = trio.open_memory_channel(0)

    async def produce():
        async with send:
            for number in range(3):
                await trio.sleep(0.001)
                await send.send(number)

    async def consume():
        assert [number async for number in receive] == [0, 1, 2]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(child, 3, name="child-3")
        nursery.start_soon(consume, name="consumer")
        nursery.start_soon(produce, name="producer")
        nursery.start_soon(io_task, name="blocks")


def test_nursery():
    trio.run(in_nursery)


def test_cancel_scope():
    async def main():
        with trio.move_on_after(0.005) as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever, name="sleeper")
        assert scope.cancelled_caught

    trio.run(main)


@pytest.mark.trio
async def test_by_pytest_trio():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(child, 2, name="child-2")


@pytest.fixture
async def value():
    await trio.sleep(0.001)
    return 17


@pytest.mark.trio
async def test_with_a_fixture(value):
    assert value == 17
    await trio.sleep(0.001)
