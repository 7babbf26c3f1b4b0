"""Which asyncio tasks wait to go on, without a call of Python code: it would show in the test's timeline."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any
from weakref import ref

ALL = "_all_tasks" if sys.version_info < (3, 12) else "_scheduled_tasks"  # a WeakSet
LISTED = sys.version_info >= (
    3,
    14,
)  # asyncio keeps its own tasks in a list of C's, which all_tasks() reads for one loop


def pending() -> dict[int, ref[Any]]:
    """Return the tasks by id that are not done and whose loop is open, weakly, for a test may look whether one goes.

    From 3.14 on they are those of this thread's event loop, and tasks that are not asyncio's own.
    """
    tasks = sys.modules.get("asyncio.tasks")
    if tasks is None:
        return {}
    return {id(task): ref(task) for task in _all(tasks) if not task.done() and _is_open(task.get_loop())}


def name(task: Any) -> str:
    """Return what to call a task, such as "Task-3 (serve)"."""
    function = getattr(task.get_coro(), "__qualname__", "")
    return f"{task.get_name()} ({function})" if function else str(task.get_name())


def _all(tasks: Any) -> Iterator[Any]:
    for reference in getattr(tasks, ALL).data.copy():
        if (task := reference()) is not None:
            yield task
    if LISTED:
        policy = sys.modules["asyncio.events"]._event_loop_policy  # None until somebody asked for a loop
        loop = getattr(getattr(policy, "_local", None), "_loop", None)
        if loop is not None:
            yield from _of_loop(loop)


def _of_loop(loop: Any) -> list[Any]:
    listed = sys.modules.get("_asyncio")
    return list(listed.all_tasks(loop)) if listed is not None else []


def _is_open(loop: Any) -> bool:
    closed = getattr(loop, "_closed", None)  # asyncio's own; uvloop's is_closed() is C
    return not (loop.is_closed() if closed is None else closed)
