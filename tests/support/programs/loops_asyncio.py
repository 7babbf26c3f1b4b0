"""Tests of asyncio code, whose timelines tests/integration/test_loops.py looks at."""

import asyncio
import concurrent.futures
import contextvars
import functools
import gc
import sys
import threading
import time
import warnings

import pytest

CLIENTS = 100


def running(test):
    """Make a test of a coroutine function: it runs in asyncio.run."""

    @functools.wraps(test)
    def run():
        asyncio.run(test())

    return run


@running
async def test_server():
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    async def client(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(b"hello %d\n" % number)
            assert await reader.readline() == b"HELLO %d\n" % number
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(client(number), name=f"client-{number}")


async def step_by_step(steps):
    for _ in range(steps - 1):
        await asyncio.sleep(0)


@running
async def test_creation():
    tasks = [asyncio.create_task(step_by_step(steps), name=f"create-{steps}") for steps in (1, 2, 3)]
    for task in tasks:
        await task
    async with asyncio.TaskGroup() as group:
        for steps in (4, 5):
            group.create_task(step_by_step(steps), name=f"group-{steps}")
    await asyncio.gather(step_by_step(6), step_by_step(7))
    future = asyncio.ensure_future(step_by_step(8))
    await asyncio.wait([future])


@running
async def test_stack():
    async def outer():
        await middle()

    async def middle():
        async with asyncio.timeout(10):
            async for number in numbers():
                assert number

    async def numbers():
        yield 1
        await inner()
        yield 2

    async def inner():
        await asyncio.sleep(0.05)

    await asyncio.create_task(outer(), name="stack")


@running
async def test_queue():
    queue = asyncio.Queue()

    async def produce():
        for number in range(3):
            await asyncio.sleep(0.001)
            await queue.put(number)

    async def consume():
        for number in range(3):
            assert await queue.get() == number

    async with asyncio.TaskGroup() as group:
        group.create_task(consume(), name="consumer")
        group.create_task(produce(), name="producer")


@running
async def test_ends():
    async def fails():
        await asyncio.sleep(0)
        raise LookupError("as it should")

    async def waits():
        await asyncio.sleep(100)

    async def never_awaited():
        raise AssertionError

    failing = asyncio.create_task(fails(), name="failing")
    cancelled = asyncio.create_task(waits(), name="cancelled")
    with pytest.raises(LookupError):
        await failing
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        never_awaited()
        gc.collect()
    lost = asyncio.create_task(fails(), name="lost")
    await asyncio.sleep(0.001)
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    del lost
    gc.collect()


def in_a_thread(awaited):
    awaited.wait()  # a result that is there before is taken without the thread's doing


@running
async def test_executor():
    loop = asyncio.get_running_loop()

    def soon():
        awaited = threading.Event()
        loop.call_soon(awaited.set)
        return awaited

    async def by_to_thread():
        await asyncio.to_thread(in_a_thread, soon())

    async def by_executor():
        with concurrent.futures.ThreadPoolExecutor(1, "pool") as pool:
            await loop.run_in_executor(pool, in_a_thread, soon())

    await asyncio.create_task(by_to_thread(), name="to-thread")
    await asyncio.create_task(by_executor(), name="executor")


@running
async def test_blocking():
    async def io_task():
        await asyncio.sleep(0)
        time.sleep(0.06)

    def callback():
        time.sleep(0.06)
        called.set()

    called = asyncio.Event()
    await asyncio.gather(*(io_task() for _ in range(3)))
    asyncio.get_running_loop().call_later(0.001, callback)
    await called.wait()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in 3.12")
@running
async def test_eager():
    async def at_once():
        pass

    async def then_waits():
        await asyncio.sleep(0.001)

    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    await asyncio.gather(
        asyncio.create_task(at_once(), name="eager-1"), asyncio.create_task(then_waits(), name="eager-2")
    )


def test_loops_in_threads():
    meet = threading.Barrier(3)

    async def main(name):
        await asyncio.gather(*(asyncio.create_task(step_by_step(50), name=f"{name}-{n}") for n in range(2)))

    def run(name):
        meet.wait()
        asyncio.run(main(name))

    threads = [threading.Thread(target=run, args=[f"loop{n}"], name=f"loop-thread-{n}") for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_run_twice():
    asyncio.run(step_by_step(2))
    asyncio.run(step_by_step(3))


@running
async def test_context_variables():
    which = contextvars.ContextVar("which")

    async def sees():
        await asyncio.sleep(0)
        return which.get()

    tasks = []
    for value in range(3):
        context = contextvars.copy_context()
        context.run(which.set, value)
        tasks.append(asyncio.create_task(sees(), name=f"context-{value}", context=context))
    assert await asyncio.gather(*tasks) == [0, 1, 2]


@running
async def test_many():
    await asyncio.gather(*(step_by_step(2) for _ in range(2_000)))
