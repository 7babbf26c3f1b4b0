"""Whose code a function is, and what a C call waits for: the one table of categories.

A file is the project's own when it lies below the root directory and in no environment; the rest is library code. A
wait is known by the name of the C callable, as the recorder writes it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from weakref import WeakKeyDictionary, ref

from pytest_timeline._codec import Names, uses
from pytest_timeline.timeline.model import Clock, Timeline, Track

OWN, LIBRARY, C, OTHER = "own", "library", "c", "other"
CATEGORIES = (OWN, LIBRARY, C, "sleep", "lock", "io", "await", "subprocess", "gc", OTHER)
CODE, CALLABLE, WAIT = 17, 18, 256  # a name's kinds, as columns.pxd has them

_WAITS = {
    "sleep": "time.sleep signal.pause",
    "lock": """
        threading.lock.acquire threading.lock.__enter__ threading.lock.acquire_lock threading.RLock.acquire
        threading.RLock.__enter__ threading.start_joinable_thread threading._ThreadHandle.join threading._shutdown
        queue.SimpleQueue.get multiprocessing.SemLock.acquire multiprocessing.SemLock.__enter__
        fcntl.flock fcntl.lockf os.lockf signal.sigwait signal.sigwaitinfo signal.sigtimedwait
        winapi.WaitForSingleObject winapi.WaitForMultipleObjects""",
    # An event loop waits by these for whatever its tasks await; poll and select are what blocking code waits by.
    "await": "select.epoll.poll select.devpoll.poll select.kqueue.control _overlapped.GetQueuedCompletionStatus",
    "io": """
        select.select select.poll.poll
        socket.socket.accept socket.socket._accept socket.socket.connect socket.socket.connect_ex socket.socket.recv
        socket.socket.recv_into socket.socket.recvfrom socket.socket.recvfrom_into socket.socket.recvmsg
        socket.socket.recvmsg_into socket.socket.send socket.socket.sendall socket.socket.sendto socket.socket.sendmsg
        socket.getaddrinfo socket.gethostbyname
        ssl._SSLSocket.read ssl._SSLSocket.write ssl._SSLSocket.do_handshake ssl._SSLSocket.shutdown
        os.read os.readv os.pread os.write os.writev os.pwrite os.sendfile os.splice os.fsync os.fdatasync fcntl.fcntl
        io.open open io.FileIO.read io.FileIO.readinto io.FileIO.readall io.FileIO.write io.BufferedReader.read
        io.BufferedReader.read1 io.BufferedReader.readinto io.BufferedReader.readline io.BufferedWriter.write
        io.BufferedWriter.flush io.TextIOWrapper.read io.TextIOWrapper.readline io.TextIOWrapper.write input
        winapi.ReadFile winapi.WriteFile winapi.ConnectNamedPipe""",
    "subprocess": """
        os.wait os.wait3 os.wait4 os.waitid os.waitpid os.system os.posix_spawn os.posix_spawnp os.fork os.forkpty
        os.execv os.execve subprocess.fork_exec winapi.CreateProcess""",
    "gc": "gc.collect",
}
WAITS = {name: category for category, names in _WAITS.items() for name in names.split()}

_ENVIRONMENT = re.compile(r"(.*[/\\](?:site|dist)-packages[/\\])(.*)")
_STDLIB = re.compile(r"(.*[/\\][Ll]ib(?:64)?(?:[/\\](?:python|pypy)\d[^/\\]*)?[/\\])(.*)")
_SOURCE_FOLDERS = ("src", "lib")


class File(NamedTuple):
    """A file that code comes from."""

    path: str  # as recorded
    short: str  # for people: from the root, or from the library's directory
    package: str  # the top-level one; "" where there is none
    category: str


@dataclass(frozen=True, slots=True, eq=False)
class Meaning:
    """What an id stands for; the same object wherever it is the same."""

    text: str
    kind: int
    file: str  # path; "" for what is no Python function
    line: int
    flags: int
    category: str


UNKNOWN = Meaning("?", 0, "", 0, 0, OTHER)


class Meanings(dict[int, Meaning]):
    """What the ids of one process stand for, looked up once."""

    def __init__(self, names: Names, categories: Categories) -> None:
        self._names = ref(names)  # that are the key to this
        self._categories = categories

    def __missing__(self, id: int) -> Meaning:
        names = self._names()
        assert names is not None
        try:
            text, kind, file, line, flags = names[id]
        except KeyError:  # it may be told later
            return UNKNOWN
        found = self[id] = self._categories.meaning(text, kind, file, line, flags)
        return found


class Categories:
    """Judges names and files; remembers what it found, since every test has the same ones."""

    def __init__(self, root: str = "") -> None:
        """`root` is the directory whose code is the project's own; with "" it is all that is in no environment."""
        self.root = os.path.normpath(root) if root else ""
        self._files: dict[str, File] = {}
        self._environments: dict[str, bool] = {}
        self._known: dict[tuple[str, int, str, int, int], Meaning] = {}
        self._meanings: WeakKeyDictionary[Names, Meanings] = WeakKeyDictionary()

    def meanings(self, names: Names) -> Mapping[int, Meaning]:
        """Return what each id stands for, UNKNOWN when nobody said."""
        found = self._meanings.get(names)
        if found is None:
            found = self._meanings[names] = Meanings(names, self)
        return found

    def meaning(self, text: str, kind: int, file: str, line: int, flags: int) -> Meaning:
        """Return what a name stands for, that of another process as well."""
        key = text, kind, file, line, flags
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Meaning(*key, self.of(text, kind, file))
        return found

    def of(self, text: str, kind: int, file: str) -> str:
        """Return the category of a name, one of CATEGORIES."""
        if kind == CODE:
            return self.file(file).category
        if kind == CALLABLE:
            return WAITS.get(text, C)
        return "await" if kind == WAIT else OTHER

    def file(self, path: str) -> File:
        found = self._files.get(path)
        if found is None:
            found = self._files[path] = self._judge(path)
        return found

    def times(self, track: Track, clock: Clock) -> dict[str, int]:
        """Return the nanoseconds of a track by category, each slice's own time without its children's."""
        ticks: dict[str, int] = {}
        meanings = self.meanings(track.names)
        for id, (_, exclusive) in uses(track.slices).items():
            if exclusive:
                category = meanings[id].category
                ticks[category] = ticks.get(category, 0) + exclusive
        return {category: round(ticks[category] * clock.ns_per_tick) for category in CATEGORIES if category in ticks}

    def _judge(self, path: str) -> File:
        if path.startswith("<"):  # <string>, <frozen importlib._bootstrap>
            frozen = path.removeprefix("<frozen ").rstrip(">")
            return File(path, path, frozen.partition(".")[0] if frozen != path.rstrip(">") else "", LIBRARY)
        full = os.path.normpath(os.path.join(self.root, path))
        if match := _ENVIRONMENT.match(full):
            return File(path, match[2], _top(match[2]), LIBRARY)
        if self.root:
            below = os.path.join(self.root, "")
            if full.startswith(below) and not self._in_environment(os.path.dirname(full)):
                short = full[len(below) :]
                return File(path, short, _top(short), OWN)
        if match := _STDLIB.match(full):
            return File(path, match[2], _top(match[2]), LIBRARY)
        return File(path, path, Path(path).stem, LIBRARY if self.root else OWN)

    def _in_environment(self, directory: str) -> bool:
        """Whether a directory below the root is in a virtual environment."""
        found = self._environments.get(directory)
        if found is None:
            parent = os.path.dirname(directory)
            found = os.path.exists(os.path.join(directory, "pyvenv.cfg")) or (
                directory != self.root and parent != directory and self._in_environment(parent)
            )
            self._environments[directory] = found
        return found


def main_thread(timeline: Timeline) -> Track | None:
    """Return the track of the thread that runs the tests, None when it recorded nothing."""
    if not timeline.processes:
        return None
    process = timeline.processes[0]
    threads = [track for track in process.tracks if track.kind == "thread"]
    for track in threads:
        if track.name == "MainThread" or track.native_id == process.pid:
            return track
    return None


def _top(short: str) -> str:
    """Return the top-level package of a path: src/shop/cart.py is in shop, six.py in six."""
    parts = Path(short).parts
    if len(parts) > 2 and parts[0] in _SOURCE_FOLDERS:
        parts = parts[1:]
    return Path(parts[0]).stem if parts else ""
