"""A process that dies as it is told, at the moment that it is told, and counts for itself what it did until then.

Its counts live in a mapped file, which outlives it: what it began and what it ended of the calls of `step`, whether it
is about to block, and its pid.
"""

from __future__ import annotations

import faulthandler
import mmap
import os
import signal
import sys
import threading
import time

BEGUN, ENDED, BLOCKS, PID = range(4)
ENOUGH = 300  # steps before a death


class Counts:
    def __init__(self, path: str) -> None:
        with open(path, "r+b") as file:
            self.fields = memoryview(mmap.mmap(file.fileno(), 32)).cast("Q")


def step() -> None:
    for _ in range(100):
        pass


def take_steps(counts: Counts, count: int) -> None:
    fields = counts.fields
    for _ in range(count):
        fields[BEGUN] += 1
        step()
        fields[ENDED] += 1


# ---- deaths; the others come from outside ----


def die_exit() -> None:
    os._exit(7)


def die_kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_terminate() -> None:
    signal.raise_signal(signal.SIGTERM)


def die_segfault() -> None:
    faulthandler._sigsegv()


def die_abort() -> None:
    os.abort()


def die_exec() -> None:
    os.execv("/bin/sh", ["sh", "-c", "exit 9"])


def live() -> None:
    """Go on until somebody else does it."""


# ---- moments ----


def busy(counts: Counts, die) -> None:
    while True:
        take_steps(counts, 50)
        if counts.fields[ENDED] >= ENOUGH:
            die()


def at_once(counts: Counts, die) -> None:
    die()
    take_steps(counts, 1)
    time.sleep(600)


def blocked(counts: Counts, block) -> None:
    take_steps(counts, ENOUGH)
    counts.fields[BLOCKS] = 1
    block()


def sleeping(counts: Counts, die) -> None:
    blocked(counts, lambda: time.sleep(600))


def locked(counts: Counts, die) -> None:
    lock = threading.Lock()
    lock.acquire()
    blocked(counts, lambda: lock.acquire())


def reading(counts: Counts, die) -> None:
    pipe = os.pipe()
    blocked(counts, lambda: os.read(pipe[0], 1))


def called_back(counts: Counts, die) -> None:
    def key(number: int) -> int:
        take_steps(counts, 10)
        if counts.fields[ENDED] >= ENOUGH:
            die()
        return -number

    while True:
        sorted(range(100_000), key=key)


def in_a_thread(counts: Counts, die) -> None:
    thread = threading.Thread(target=busy, args=(counts, die), name="doomed", daemon=True)
    thread.start()
    thread.join()


def victim(path: str, moment: str, death: str) -> None:
    counts = Counts(path)
    counts.fields[PID] = os.getpid()
    globals()[moment](counts, globals().get(f"die_{death}", live))


if __name__ == "__main__":
    victim(*sys.argv[1:])
