"""A test suite that makes things hard: very many threads and children, children without rights or room, forks at odd
moments. Each test passes whether it is recorded or not."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PYTHON = sys.executable
NOBODY = 65534
is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")


def forked(function: Callable[[], object], status: int = 0) -> None:
    """Run it in a forked child, and see that it came to its end."""
    pid = os.fork()
    if not pid:
        try:
            function()
            os._exit(status)
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status


# ---- very many ----


def short_thread() -> None:
    pass


def test_500_threads() -> None:
    for _ in range(500):
        thread = threading.Thread(target=short_thread)
        thread.start()
        thread.join()


def thread_among_many(barrier: threading.Barrier) -> None:
    barrier.wait()


def test_500_threads_at_once() -> None:
    barrier = threading.Barrier(501)
    threads = [threading.Thread(target=thread_among_many, args=(barrier,)) for _ in range(500)]
    for thread in threads:
        thread.start()
    barrier.wait()
    for thread in threads:
        thread.join()


def short_fork() -> None:
    pass


def test_200_forks() -> None:
    for _ in range(200):
        forked(short_fork)


def fork_among_many() -> None:
    pass


def test_100_forks_at_once() -> None:
    held, release = os.pipe()
    pids = []
    for _ in range(100):
        pids.append(os.fork())
        if not pids[-1]:
            os.close(release)
            os.read(held, 1)
            fork_among_many()
            os._exit(0)
    os.close(held)
    os.close(release)
    assert {os.waitpid(pid, 0)[1] for pid in pids} == {0}


def test_30_programs() -> None:
    code = "def short_program(): pass\nshort_program()"
    for _ in range(30):
        assert subprocess.run([PYTHON, "-c", code]).returncode == 0


# ---- without rights or room ----


def moved() -> None:
    pass


def test_the_directory_goes(tmp_path: Path) -> None:
    def child() -> None:
        place = tmp_path / "place"
        place.mkdir()
        os.chdir(place)
        place.rmdir()
        os.environ["HOME"] = "/nowhere"
        moved()
        forked(moved)

    forked(child)


def closed() -> None:
    pass


def test_all_descriptors_are_closed() -> None:
    def child() -> None:
        os.closerange(0, 65536)
        closed()
        forked(closed)

    forked(child)


def become_nobody() -> None:
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def without_rights() -> None:
    pass


def child_of_nobody() -> None:
    pass


@is_root
def test_a_fork_becomes_nobody() -> None:
    def child() -> None:
        become_nobody()
        without_rights()
        forked(child_of_nobody)

    forked(child)


@is_root
def test_a_program_starts_as_nobody() -> None:
    try:
        done = subprocess.run([PYTHON, "-c", "print(1)"], user=NOBODY, group=NOBODY, cwd="/", capture_output=True)
    except PermissionError:
        pytest.skip("this Python lies where nobody may go")
    assert (done.stdout, done.stderr, done.returncode) == (b"1\n", b"", 0)


@pytest.mark.parametrize("limit", ["RLIMIT_NOFILE", "RLIMIT_FSIZE"])
def test_a_limit_of_nothing(limit: str) -> None:
    def child() -> None:
        resource.setrlimit(getattr(resource, limit), (0, 0))
        limited()
        forked(child_of_limited)

    forked(child)


def limited() -> None:
    pass


def child_of_limited() -> None:
    pass


def read_only() -> None:
    pass


def child_of_read_only() -> None:
    pass


def test_a_read_only_file_system() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    new_namespace, remount, bind, private, recursive, readonly = 0x20000, 32, 4096, 1 << 18, 16384, 1
    here = os.getcwd().encode()

    def child() -> None:
        mounts = (b"none", b"/", private | recursive), (here, here, bind), (here, here, bind | remount | readonly)
        if libc.unshare(new_namespace) or any(libc.mount(what, on, None, how, None) for what, on, how in mounts):
            os._exit(77)
        os.chdir(here)
        with pytest.raises(OSError, match="Read-only"):
            open("new", "w")  # noqa: SIM115
        read_only()
        forked(child_of_read_only)

    pid = os.fork()
    if not pid:
        try:
            child()
            os._exit(0)
        finally:
            os._exit(99)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status == 77:
        pytest.skip("may not mount")
    assert status == 0


# ---- forks at odd moments ----


def odd_fork() -> None:
    pass


def fork_oddly(*ignored: object) -> None:
    forked(odd_fork)


def test_forks_in_threads_while_others_record() -> None:
    over = threading.Event()

    def record() -> None:
        while not over.is_set():
            for _ in range(100):
                short_thread()

    def fork() -> None:
        for _ in range(10):
            forked(lambda: [fork_among_threads() for _ in range(10)])

    others = [threading.Thread(target=record) for _ in range(3)]
    forking = [threading.Thread(target=fork) for _ in range(3)]
    for thread in others + forking:
        thread.start()
    for thread in forking:
        thread.join()
    over.set()
    for thread in others:
        thread.join()


def fork_among_threads() -> None:
    pass


def test_fork_in_a_signal_handler() -> None:
    left = list(range(20))

    def handler(*ignored: object) -> None:
        if left:  # it may be interrupted by itself
            left.pop()
            fork_oddly()

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        while left:
            sorted(range(100), key=lambda number: -number)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class ForksAtItsEnd:
    def __del__(self) -> None:
        fork_oddly()


def test_fork_in_del() -> None:
    for _ in range(5):
        ForksAtItsEnd()


def test_fork_in_the_garbage_collector() -> None:
    for _ in range(3):
        cycle = [ForksAtItsEnd()]
        cycle.append(cycle)
        del cycle
        gc.collect()
    calls = []
    gc.callbacks.append(lambda phase, info: calls.append(fork_oddly()))
    try:
        gc.collect()
    finally:
        gc.callbacks.pop()
    assert len(calls) == 2


def test_fork_in_a_weak_references_callback() -> None:
    referred = ForksAtItsEnd()
    reference = weakref.ref(referred, fork_oddly)
    del referred
    assert reference() is None


def test_fork_in_a_c_call_back() -> None:
    assert sorted(range(5), key=lambda number: [fork_oddly(), -number][1]) == [4, 3, 2, 1, 0]


def test_fork_in_a_generator_and_after_an_exception() -> None:
    def numbers() -> Iterator[int]:
        for number in range(5):
            fork_oddly()
            yield number

    with contextlib.suppress(KeyError):
        for _ in numbers():
            raise KeyError
    assert sum(numbers()) == 10


def test_the_child_returns_from_where_it_was_forked() -> None:
    """It leaves frames that it never entered."""

    def deep(level: int) -> int:
        return os.fork() if level == 0 else deep(level - 1)

    pid = deep(50)
    if not pid:
        odd_fork()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


# ---- sub-interpreters ----

IN_ANOTHER = "def f(n): return n and f(n - 1)\nfor _ in range(100): f(20)\nsorted(range(9), key=lambda n: -n)"


def interpreters():
    """Return (make, run, destroy) of what this Python has."""
    if sys.version_info >= (3, 13):
        import _interpreters

        def run(id: int) -> None:
            failed = _interpreters.exec(id, IN_ANOTHER)
            assert failed is None, failed

        return _interpreters.create, run, _interpreters.destroy
    import _xxsubinterpreters

    def make(kind: str) -> int:
        return _xxsubinterpreters.create(isolated=kind == "isolated")

    return make, lambda id: _xxsubinterpreters.run_string(id, IN_ANOTHER), _xxsubinterpreters.destroy


@pytest.mark.parametrize("kind", ["legacy", "isolated"])
def test_subinterpreters(kind: str) -> None:
    make, run, destroy = interpreters()
    for _ in range(3):
        id = make(kind)
        run(id)
        thread = threading.Thread(target=run, args=(id,))
        thread.start()
        thread.join()
        destroy(id)
        short_thread()


def test_concurrent_interpreters() -> None:
    interpreters = pytest.importorskip("concurrent.interpreters")
    interpreter = interpreters.create()
    interpreter.exec(IN_ANOTHER)
    interpreter.close()


# ---- a child that outlives the run ----


def live_on() -> None:
    while True:
        with open("alive", "a", encoding="ascii") as file:
            file.write(".")
        time.sleep(0.01)


def test_a_daemon_outlives_the_run() -> None:
    def child() -> None:
        os.setsid()
        pid = os.fork()
        if pid:
            Path("daemon.pid").write_text(str(pid), encoding="ascii")
            return
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(null, descriptor)
        os.closerange(3, 65536)
        live_on()

    forked(child)
    while not os.path.exists("alive"):
        time.sleep(0.001)


# ---- order ----


def send(descriptor: int) -> None:
    os.write(descriptor, b".")


def receive(descriptor: int) -> None:
    assert os.read(descriptor, 1) == b"."


def test_ping_pong() -> None:
    (ping, to_child), (pong, to_parent) = os.pipe(), os.pipe()

    def child() -> None:
        for _ in range(2000):
            receive(ping)
            send(to_parent)

    pid = os.fork()
    if not pid:
        try:
            child()
            os._exit(0)
        finally:
            os._exit(99)
    for _ in range(2000):
        send(to_child)
        receive(pong)
    assert os.waitpid(pid, 0)[1] == 0
    for descriptor in (ping, to_child, pong, to_parent):
        os.close(descriptor)
