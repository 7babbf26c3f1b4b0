"""session/leaks.py and session/tasks.py: which asyncio tasks a test leaves."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from pytest_timeline.session.leaks import Leaks


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The event loop of this thread, which several tests of a user's would share."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    asyncio.set_event_loop(None)


async def serve() -> None:
    await asyncio.Event().wait()


def start(loop: asyncio.AbstractEventLoop, name: str) -> asyncio.Task[None]:
    async def run() -> asyncio.Task[None]:
        task = asyncio.create_task(serve(), name=name)
        await asyncio.sleep(0)
        return task

    return loop.run_until_complete(run())


def test_a_task_is_left_until_it_is_done(loop: asyncio.AbstractEventLoop) -> None:
    found = Leaks()
    earlier = start(loop, "earlier")
    found.begin()
    task = start(loop, "later")
    assert found.left() == {"leaks": [{"kind": "task", "name": "later (serve)"}], "leak_count": 1}
    task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    assert found.left() == {}
    assert not earlier.done()


def test_what_a_wider_fixture_starts_is_its_own(loop: asyncio.AbstractEventLoop) -> None:
    found = Leaks()
    found.begin()
    found.begin_fixture()
    start(loop, "the fixture's")
    found.end_fixture()
    start(loop, "the test's")
    assert [leak["name"] for leak in found.left()["leaks"]] == ["the test's (serve)"]


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
def test_tasks_of_a_closed_loop_wait_for_nothing() -> None:
    found = Leaks()
    found.begin()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    task = start(loop, "lost")
    loop.close()
    assert found.left() == {}
    asyncio.set_event_loop(None)
    task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_asyncio_run_leaves_nothing() -> None:
    found = Leaks()
    found.begin()

    async def main() -> None:
        task = asyncio.create_task(serve())
        await asyncio.sleep(0)
        assert not task.done()

    asyncio.run(main())
    assert found.left() == {}


def test_no_task_is_kept_alive(loop: asyncio.AbstractEventLoop) -> None:
    found = Leaks()
    task = start(loop, "short")
    found.begin()
    task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    known = weakref.ref(task)
    del task
    gc.collect()
    assert known() is None
