"""Tests for the figures keeping_up and growth: so many calls, tasks, threads or processes as the environment says.

Each writes the seconds that its work took to BUSY_RESULT.
"""

import asyncio
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

COUNT = int(os.environ.get("BUSY_COUNT", "1"))
CALLS = int(os.environ.get("BUSY_CALLS", "1000"))


def leaf(n: int) -> int:
    return n + 1


def middle(n: int) -> int:
    for _ in range(10):
        n = leaf(n)
    return n


def call(calls: int) -> None:
    """Make about so many calls."""
    n = 0
    for _ in range(calls // 11):
        n = middle(n)


def timed(work: Callable[[], object]) -> None:
    before = time.perf_counter()
    work()
    Path(os.environ["BUSY_RESULT"]).write_text(repr(time.perf_counter() - before))


def test_calls() -> None:
    timed(lambda: call(COUNT))


def in_parts(make: Callable[[], threading.Thread | multiprocessing.process.BaseProcess]) -> None:
    parts = [make() for _ in range(COUNT)]
    for part in parts:
        part.start()
    for part in parts:
        part.join()


def test_threads() -> None:
    timed(lambda: in_parts(lambda: threading.Thread(target=call, args=(CALLS // COUNT,))))


def test_processes() -> None:
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    timed(lambda: in_parts(lambda: context.Process(target=call, args=(CALLS // COUNT,))))


async def step(number: int) -> int:
    await asyncio.sleep(0)
    return leaf(number)


async def gathered() -> None:
    await asyncio.gather(*map(step, range(COUNT)))


def test_tasks() -> None:
    timed(lambda: asyncio.run(gathered()))
