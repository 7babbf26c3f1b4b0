"""Three waits of 10 ms: one after another, in threads, in tasks, and in tasks that block their event loop."""

import asyncio
import threading
import time

DELAY = 0.01  # seconds


def io_task(done: list[str], name: str) -> None:
    """Wait as a read from a slow disk would."""
    time.sleep(DELAY)
    done.append(name)


async def async_io_task(name: str) -> str:
    """Wait as a read from a socket would: the event loop runs other tasks meanwhile."""
    await asyncio.sleep(DELAY)
    return name


async def blocking_io_task(name: str) -> str:
    """Wait twice, and the second time keep the event loop from everybody else."""
    await asyncio.sleep(DELAY)
    time.sleep(DELAY)  # the mistake that the timeline shows
    return name


async def run_tasks(function) -> list[str]:
    """Run three tasks of the coroutine function at once and return their results."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(function(f"io-{number}"), name=f"io-{number}") for number in (1, 2, 3)]
    return [task.result() for task in tasks]


def test_in_sequence():
    done: list[str] = []
    for number in (1, 2, 3):
        io_task(done, f"io-{number}")
    assert done == ["io-1", "io-2", "io-3"]


def test_three_threads():
    done: list[str] = []
    threads = [
        threading.Thread(target=io_task, args=(done, f"io-{number}"), name=f"io-{number}") for number in (1, 2, 3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == ["io-1", "io-2", "io-3"]


def test_three_tasks():
    assert asyncio.run(run_tasks(async_io_task)) == ["io-1", "io-2", "io-3"]


def test_three_blocking_tasks():
    assert asyncio.run(run_tasks(blocking_io_task)) == ["io-1", "io-2", "io-3"]
