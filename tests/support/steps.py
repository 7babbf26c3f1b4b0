"""Replays what a spool tells of tasks' steps, and holds it against what the program said of itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from support.spool_reader import FRAME_IN, FRAME_OUT, Record, SpoolFile, Thread

# 3.11 tells nothing of a coroutine that goes on because an inner one, which was thrown into, returned.
TELLS_ALL_RESUMES = sys.version_info >= (3, 12)
TASK_MARK = 7  # the program says which task runs: its own name, "" for none

# What a program says where it wants to be checked; a test's program begins with this.
ASK = """
    import asyncio
    def mine():
        task = asyncio.current_task() if asyncio._get_running_loop() else None
        _recorder.mark(7, task.get_name().encode() if task else b"")
"""


def replay(thread: Thread) -> Iterator[tuple[Record, list[tuple[int, int]]]]:
    """Yield each record of the thread with the steps open before it, outermost first: (depth, task)."""
    steps: list[tuple[int, int]] = []
    announced: Record | None = None
    for record in thread.story:
        yield record, steps
        if record.kind in FRAME_IN.values():
            while steps and steps[-1][0] >= record.depth:  # its exit was not recorded
                steps.pop()
            if announced is not None:
                assert announced.depth == record.depth, "a step is announced by the record before its frame's"
                steps.append((record.depth, announced.id))
            announced = None
        elif record.kind in FRAME_OUT.values():
            while steps and steps[-1][0] >= record.depth:
                steps.pop()
        elif record.kind == "step":
            assert record.depth > 0
            announced = record


def own_name(spool: SpoolFile, task: int) -> list[str]:
    """Return all names that the task had, without its coroutine's."""
    return [name.split(" (")[0] for name in spool.tasks[task].names]


def check_tasks(spool: SpoolFile) -> int:
    """Hold each of the program's claims against the steps; return how many there were."""
    claims = missed = 0
    for thread in spool.threads.values():
        for record, steps in replay(thread):
            if record.kind == "mark" and record.id == TASK_MARK:
                claims += 1
                claimed = record.payload.decode()
                if claimed and not steps and not TELLS_ALL_RESUMES:
                    missed += 1
                elif claimed:
                    assert steps, f"{claimed} says that it runs, and no step is open"
                    assert claimed in own_name(spool, steps[-1][1])
                else:
                    assert not steps, "a step is open, and no task runs"
    assert 20 * missed <= claims
    return claims


def count(spool: SpoolFile, kind: str) -> int:
    """Return how many records of the kind all threads have."""
    return sum(record.kind == kind for thread in spool.threads.values() for record in thread.story)
