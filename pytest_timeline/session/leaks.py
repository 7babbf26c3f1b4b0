"""What a test leaves running: threads, child processes and tasks that it started and that outlive its teardown.

Nothing here calls Python code of the standard library, which would show in the test's timeline.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Iterator
from threading import Thread
from time import sleep  # by itself: a test may leave time.sleep patched
from typing import Any
from weakref import ref

from pytest_timeline import _recorder
from pytest_timeline.session import tasks

MOST = 50  # objects in a mark, which must fit into a chunk
NAME_CHARACTERS = 80
STEP, GRACE = 0.001, 0.02  # seconds for what is just ending, such as a cancelled timer's thread
PATIENCE = 1.0  # seconds of grace in all: where every test leaves something, it is no slower for it
DEBUGGER = "pydev_do_not_trace"  # an attribute that its threads have
MONITORS = {("tqdm._monitor", "TMonitor")}  # types of threads that are made once for the process
HELPERS = (  # children that are made once for the process: module, object, attribute with the pid
    ("multiprocessing.resource_tracker", "_resource_tracker", "_pid"),
    ("multiprocessing.forkserver", "_forkserver", "_forkserver_pid"),
    ("loky.backend.resource_tracker", "_resource_tracker", "_pid"),
    ("joblib.externals.loky.backend.resource_tracker", "_resource_tracker", "_pid"),
)
THREADS: dict[int, Thread] = threading._active  # type: ignore[attr-defined]


class Leaks:
    """Tells what was started since `begin` and still runs."""

    def __init__(self) -> None:
        # Nobody's leaks. Threads by ident, weakly, for a test may look whether one goes; children's start ticks by pid.
        self._threads: dict[int, ref[Thread]] = {}
        self._children: dict[int, int] = {}
        self._tasks: dict[int, ref[Any]] = {}  # by id
        self._patience = PATIENCE
        # Of the fixtures that are being set up.
        self._before: list[tuple[dict[int, ref[Thread]], dict[int, int], dict[int, ref[Any]]]] = []

    def begin(self) -> None:
        """A test begins."""
        self._threads, self._children, self._tasks = _threads(), _children(), tasks.pending()

    def begin_fixture(self) -> None:
        """What starts until its set-up ends is the fixture's, which is of a wider scope than the test."""
        self._before.append((_threads(), _children(), tasks.pending()))

    def end_fixture(self) -> None:
        """The fixture that began last is set up."""
        threads, children, waiting = self._before.pop()
        self._threads |= {ident: ref(thread) for ident, thread in _new_threads(threads)}
        self._children |= {pid: tick for pid, tick in _children().items() if children.get(pid) != tick}
        self._tasks |= {id(task): ref(task) for task in _new_tasks(waiting)}

    def left(self) -> dict[str, Any]:
        """Return TEST_END's `leaks` and `leak_count`; nothing if there are none."""
        left = self._look()
        grace = min(GRACE, self._patience)
        while left and grace > 0:
            sleep(STEP)
            grace -= STEP
            self._patience -= STEP
            left = self._look()
        return {"leaks": [_tell(what) for what in left[:MOST]], "leak_count": len(left)} if left else {}

    def _look(self) -> list[Any]:
        """Return the threads, the pids of the children, and the tasks that are left."""
        left: list[Any] = [thread for _, thread in _new_threads(self._threads) if _counts(thread)]
        children = [pid for pid, tick in _children().items() if self._children.get(pid) != tick]
        if children:
            helpers = set(_helpers())
            left += [pid for pid in children if pid not in helpers]
        return left + _new_tasks(self._tasks)


def _threads() -> dict[int, ref[Thread]]:
    return {ident: ref(thread) for ident, thread in THREADS.copy().items()}


def _new_threads(known: dict[int, ref[Thread]]) -> list[tuple[int, Thread]]:
    return [
        (ident, thread)
        for ident, thread in THREADS.copy().items()
        if (before := known.get(ident)) is None or before() is not thread
    ]


def _new_tasks(known: dict[int, ref[Any]]) -> list[Any]:
    waiting = tasks.pending()
    found = [
        reference() for id, reference in waiting.items() if (old := known.get(id)) is None or old() is not reference()
    ]
    return [task for task in found if task is not None]


def _counts(thread: Thread) -> bool:
    """Whether the thread, which `threading` takes for alive, is one that a test can leave behind."""
    kind = type(thread)
    if hasattr(thread, DEBUGGER) or (kind.__module__, kind.__name__) in MONITORS:
        return False
    if _is_cached(thread):
        return False
    if kind is threading._DummyThread:  # of C code, which does not say when it ends
        try:
            os.stat(f"/proc/self/task/{thread._native_id}")  # type: ignore[attr-defined]
        except OSError:
            return False
    return True


def _is_cached(thread: Thread) -> bool:
    """Whether trio keeps the thread for the next that needs one; it ends by itself if none does."""
    module = sys.modules.get("trio._core._thread_cache")
    idle = getattr(getattr(module, "THREAD_CACHE", None), "_idle_workers", None)
    worker = getattr(getattr(thread, "_target", None), "__self__", None)
    return type(idle) is dict and any(each is worker for each in idle.copy())


def _children() -> dict[int, int]:
    """Return the start tick of each running child by pid; 0 for a forkserver's, whose child it really is."""
    children = dict(_recorder.children())
    for pid, process in _multiprocessing().items():
        if getattr(process._popen, "method", "") == "forkserver" and _is_silent(process._popen.sentinel):
            children[pid] = 0
    return children


def _multiprocessing() -> dict[int, Any]:
    """Return multiprocessing's own processes by pid."""
    module = sys.modules.get("multiprocessing.process")
    if module is None:
        return {}
    return {process._popen.pid: process for process in module._children.copy() if process._popen is not None}


def _is_silent(sentinel: int) -> bool:
    """Whether the pipe, which a process holds open for as long as it lives, has nothing to say."""
    poll = select.poll()
    poll.register(sentinel)
    return not poll.poll(0)


def _helpers() -> Iterator[int]:
    for module, name, attribute in HELPERS:
        if (loaded := sys.modules.get(module)) is not None:
            yield getattr(getattr(loaded, name, None), attribute, None) or 0


def _tell(what: Any) -> dict[str, Any]:
    if isinstance(what, int):
        return {"kind": "process", "name": _child_name(what)[:NAME_CHARACTERS], "pid": what}
    if not isinstance(what, Thread):
        return {"kind": "task", "name": tasks.name(what)[:NAME_CHARACTERS]}
    name, native_id = what._name, what._native_id  # type: ignore[attr-defined]
    return {"kind": "thread", "name": str(name)[:NAME_CHARACTERS], "native_id": native_id}


def _child_name(pid: int) -> str:
    """Return what multiprocessing calls the child, or else its command, "" if that is not known."""
    process = _multiprocessing().get(pid)
    if process is not None:
        return str(process._name)
    command = _command(pid)
    if command and command == _command(os.getpid()):
        return "forked"
    program, _, arguments = command.rstrip(b"\0").partition(b"\0")
    return b" ".join([program.rpartition(b"/")[2], *arguments.split(b"\0")]).decode("utf-8", "replace").strip()


def _command(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read(4096)
    except OSError:
        return b""
