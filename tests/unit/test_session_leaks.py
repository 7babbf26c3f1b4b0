"""session/leaks.py: which threads a test leaves; test_leaks.py of the integration tests has the processes."""

from __future__ import annotations

import _thread
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator

import orjson
import pytest

from pytest_timeline.session import leaks
from pytest_timeline.session.leaks import Leaks

Start = Callable[..., threading.Thread]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start threads that wait for the test's end, or for the event that they have as `end`."""
    threads: list[threading.Thread] = []

    def start(name: str = "waiting") -> threading.Thread:
        end = threading.Event()
        thread = threading.Thread(target=end.wait, name=name)
        thread.end = end  # type: ignore[attr-defined]
        thread.start()
        threads.append(thread)
        return thread

    yield start
    for thread in threads:
        end(thread)


def end(thread: threading.Thread) -> None:
    thread.end.set()  # type: ignore[attr-defined]
    thread.join()


def names(found: Leaks) -> list[str]:
    return [leak["name"] for leak in found.left().get("leaks", [])]


def test_a_thread_is_left_until_it_ends(start: Start) -> None:
    found = Leaks()
    found.begin()
    assert found.left() == {}
    thread = start("serve")
    assert found.left() == {
        "leaks": [{"kind": "thread", "name": "serve", "native_id": thread.native_id}],
        "leak_count": 1,
    }
    end(thread)
    assert found.left() == {}


def test_what_ran_before_is_not_the_test_s(start: Start) -> None:
    found = Leaks()
    before = start("before")
    found.begin()
    assert names(found) == []
    end(before)
    start("after")  # which may well have the ident of the one before
    assert names(found) == ["after"]
    found.begin()
    assert names(found) == []


def test_a_wider_fixture_s_threads_are_its_own(start: Start) -> None:
    found = Leaks()
    found.begin()
    start("by the test")
    found.begin_fixture()
    start("by the session")
    found.begin_fixture()
    start("by the module")
    found.end_fixture()
    found.end_fixture()
    assert names(found) == ["by the test"]


def test_what_is_ending_is_waited_for(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Leaks()
    found.begin()
    thread = start()
    monkeypatch.setattr(leaks, "sleep", lambda seconds: end(thread))
    assert found.left() == {}


def test_waiting_has_an_end(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(leaks, "sleep", slept.append)
    found = Leaks()
    found.begin()
    start()
    assert names(found) == ["waiting"]
    assert sum(slept) == pytest.approx(leaks.GRACE)
    for _ in range(100):
        assert names(found) == ["waiting"]
    assert sum(slept) == pytest.approx(leaks.PATIENCE)


def test_a_mark_has_room_for_it(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "GRACE", 0)
    found = Leaks()
    found.begin()
    for _ in range(leaks.MOST + 10):
        start("\x01" * 1000)  # 6 bytes each
    left = found.left()
    assert left["leak_count"] == leaks.MOST + 10
    assert len(left["leaks"]) == leaks.MOST
    assert len(orjson.dumps(left)) < 29_000  # and there is the exception's text


def test_no_thread_is_kept(start: Start) -> None:
    found = Leaks()
    thread = start()
    found.begin()
    found.begin_fixture()
    found.end_fixture()
    gone = weakref.ref(thread)
    end(thread)
    start.__closure__[0].cell_contents.clear()  # type: ignore[attr-defined]
    del thread
    assert gone() is None


@pytest.mark.parametrize("attribute", ["pydev_do_not_trace"])
def test_debuggers_have_threads_of_their_own(start: Start, attribute: str) -> None:
    found = Leaks()
    found.begin()
    setattr(start(), attribute, True)
    assert names(found) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whether such a thread lives")
def test_a_thread_of_c_code() -> None:
    """It has an object in `threading` as soon as it asks for one, which may be there after the thread's end."""
    found = Leaks()
    found.begin()
    asked, go_on = threading.Event(), threading.Event()
    native_id = 0

    def run() -> None:
        nonlocal native_id
        native_id = threading.get_native_id()
        threading.current_thread()
        asked.set()
        go_on.wait()

    _thread.start_new_thread(run, ())
    asked.wait()
    left = found.left()
    go_on.set()
    assert [leak["native_id"] for leak in left["leaks"]] == [native_id]
    while os.path.exists(f"/proc/self/task/{native_id}"):
        pass
    assert found.left() == {}


def test_a_thread_that_trio_keeps_is_not_left_once_it_is_idle() -> None:
    from trio._core._thread_cache import start_thread_soon  # the function behind trio.to_thread

    found = Leaks()
    found.begin()
    working, may_end = threading.Event(), threading.Event()

    def work() -> None:
        working.set()
        may_end.wait()

    done = threading.Event()
    start_thread_soon(work, lambda result: done.set(), "trio-work")
    working.wait()
    assert len(names(found)) == 1
    may_end.set()
    done.wait()
    assert names(found) == []
