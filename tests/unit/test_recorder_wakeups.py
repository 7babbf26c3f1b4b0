"""What makes tasks, makes them ready and ends them, and what goes from thread to thread."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from support.random_tasks import PROGRAM, RUNS
from support.recording import run_one
from support.spool_reader import FRAME_IN, FRAME_OUT, SpoolFile, Thread
from support.steps import ASK, check_tasks, own_name, replay

FRAMES = {*FRAME_IN.values(), *FRAME_OUT.values()}
UVLOOP = pytest.param("uvloop", marks=pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not for Windows"))


def run_main(tmp_path: Path, program: str, loop: str = "asyncio") -> SpoolFile:
    """Run `main()` of the program on a loop of that kind."""
    return run_one(tmp_path, ASK + program + '\n    start(c_calls="none")\n    ' + RUNS[loop])


def causes(spool: SpoolFile, thread: Thread) -> list[tuple[str, str, str]]:
    """Return, in order, (what, of which task, by which): by the task whose step it is, or "end of" one, or nobody."""
    found = []
    ended: list[tuple[int, int]] = []  # (depth, task)
    for record, steps in replay(thread):
        if record.kind in FRAMES:
            while ended and ended[-1][0] >= record.depth:
                ended.pop()
        elif record.kind == "ended":
            ended.append((record.depth, record.id))
        elif record.kind in {"ready", "task", "awaits"}:
            if record.kind == "task" and not struct.unpack_from("<QIHH", record.payload)[3] & 1:
                continue
            by = ""
            if ended and (not steps or ended[-1][0] > steps[-1][0]):
                by = "end of " + own_name(spool, ended[-1][1])[-1]
            elif steps:
                by = own_name(spool, steps[-1][1])[-1]
            found.append((record.kind, own_name(spool, record.id)[-1], by))
    return found


def main_causes(spool: SpoolFile) -> list[tuple[str, str, str]]:
    """Those of the main thread, but for what asyncio.run does at its end."""
    return [cause for cause in causes(spool, spool.thread("MainThread")) if "shutdown" not in str(cause)]


def test_creation_and_the_end_that_wakes(tmp_path: Path) -> None:
    spool = run_main(
        tmp_path,
        """
    async def child(): await asyncio.sleep(0)
    async def main():
        asyncio.current_task().set_name("main")
        task = asyncio.create_task(child(), name="child"); await task
    """,
    )
    assert main_causes(spool)[:4] == [
        ("task", "main", ""),
        ("task", "child", "main"),
        ("ready", "child", ""),  # sleep(0): the task itself, when its coroutine has yielded
        ("ready", "main", "end of child"),
    ]
    created = {own_name(spool, id)[-1]: task for id, task in spool.tasks.items()}
    assert created["child"].created and spool.tasks[created["child"].parent] is created["main"]
    assert created["child"].loop == created["main"].loop != 0


@pytest.mark.parametrize(
    "wait",
    [
        "await asyncio.gather(child)",
        "await asyncio.wait([child])",
        "await asyncio.shield(child)",
        "await asyncio.wait_for(child, 5)",
        "[await t for t in asyncio.as_completed([child])]",
    ],
)
def test_what_waits_for_a_task_is_woken_by_its_end(tmp_path: Path, wait: str) -> None:
    spool = run_main(
        tmp_path,
        f"""
    async def work(): await asyncio.sleep(0.001)
    async def main():
        asyncio.current_task().set_name("main")
        child = asyncio.create_task(work(), name="child")
        {wait}
    """,
    )
    assert ("ready", "main", "end of child") in main_causes(spool)


def test_a_task_group(tmp_path: Path) -> None:
    spool = run_main(
        tmp_path,
        """
    async def work(n):
        for _ in range(n): await asyncio.sleep(0)
    async def main():
        asyncio.current_task().set_name("main")
        async with asyncio.TaskGroup() as group:
            group.create_task(work(1), name="short"); group.create_task(work(3), name="long")
    """,
    )
    found = main_causes(spool)
    assert found[1:3] == [("task", "short", "main"), ("task", "long", "main")]
    assert [cause for cause in found if cause[:2] == ("ready", "main")] == [("ready", "main", "end of long")]


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ("queue.put_nowait(1)", "await queue.get()"),
        ("event.set()", "await event.wait()"),
        ("future.set_result(1)", "await future"),
        ("lock.release()", "await lock.acquire()"),
        ("task.cancel()", "await swallow()"),
    ],
)
def test_one_task_wakes_another(tmp_path: Path, there: str, here: str) -> None:
    spool = run_main(
        tmp_path,
        f"""
    async def swallow():
        try: await asyncio.sleep(10)
        except asyncio.CancelledError: pass
    async def main():
        global queue, event, future, lock, task
        queue, event, lock = asyncio.Queue(), asyncio.Event(), asyncio.Lock()
        future = asyncio.get_running_loop().create_future(); await lock.acquire()
        async def waits(): {here}
        async def acts(): {there}
        task = asyncio.create_task(waits(), name="waits"); await asyncio.sleep(0)
        await asyncio.create_task(acts(), name="acts")
        await task
    """,
    )
    assert ("ready", "waits", "acts") in main_causes(spool)


def test_a_timer_wakes_for_nobody(tmp_path: Path) -> None:
    spool = run_main(
        tmp_path,
        """
    async def main(): asyncio.current_task().set_name("main"); await asyncio.sleep(0.001)
    """,
    )
    assert ("ready", "main", "") in main_causes(spool)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_an_eager_task_is_created_by_the_step_around(tmp_path: Path) -> None:
    spool = run_main(
        tmp_path,
        """
    async def quick(): pass
    async def slow(): await asyncio.sleep(0)
    async def main():
        asyncio.current_task().set_name("main")
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        asyncio.create_task(quick(), name="quick")
        await asyncio.create_task(slow(), name="slow")
    """,
    )
    found = main_causes(spool)
    assert found[1:3] == [("task", "quick", "main"), ("task", "slow", "main")]
    assert ("ready", "main", "end of slow") in found


@pytest.mark.parametrize("loop", ["asyncio", "eager", "pure"])
def test_nothing_steps_that_was_not_made_ready(tmp_path: Path, loop: str) -> None:
    if loop == "eager" and sys.version_info < (3, 12):
        pytest.skip("eager tasks came with 3.12")
    if loop == "pure" and sys.version_info >= (3, 14):
        pytest.skip("3.14 keeps the two kinds of tasks apart")
    spool = run_main(tmp_path, PROGRAM, loop)
    assert check_tasks(spool) > 700
    ready: set[int] = set()
    callback = 0  # each callback takes one step, in one piece or, when an exception is thrown in, in several
    stepped: dict[int, int] = {}
    counted = 0
    for record, steps in replay(spool.thread("MainThread")):
        if record.kind == "start" and record.name == "Handle._run":
            callback += 1
        elif record.kind == "ready" or record.kind == "task":
            ready.add(record.id)
        elif record.kind == "step" and not any(task == record.id for _, task in steps):
            assert record.id in ready or stepped.get(record.id) == callback
            ready.discard(record.id)
            stepped[record.id] = callback
            counted += 1
    assert counted > 300


def links(spool: SpoolFile) -> dict[int, list[tuple[str, bool]]]:
    """Return by token the (thread's name, taken) of each end, in order of time."""
    ends = [
        (record.tick, record.id, thread.names[-1], bool(struct.unpack_from("<II", record.payload)[1]))
        for thread in spool.threads.values()
        for record in thread.story
        if record.kind == "link"
    ]
    found: dict[int, list[tuple[str, bool]]] = {}
    for _, token, thread, taken in sorted(ends):
        found.setdefault(token, []).append((thread, taken))
    return found


@pytest.mark.parametrize("loop", ["asyncio", UVLOOP])
@pytest.mark.parametrize("call", ["asyncio.to_thread(work)", "asyncio.get_running_loop().run_in_executor(None, work)"])
def test_work_goes_to_a_thread_and_its_result_comes_back(tmp_path: Path, loop: str, call: str) -> None:
    spool = run_main(
        tmp_path,
        f"""
    import threading
    go = threading.Event()
    def work(): go.wait()
    async def release(): go.set()
    async def main():
        asyncio.current_task().set_name("main")
        await asyncio.gather({call}, release())
    """,
        loop,
    )
    there = f"{loop}_0"
    assert list(links(spool).values())[:2] == [  # asyncio.run's own come after
        [("MainThread", False), (there, True)],
        [(there, False), ("MainThread", True)],
    ]
    (taken,) = (r for r in spool.thread(there).story if r.kind == "link" and r.payload[4])
    frames = [r for r in spool.thread(there).records if r.kind == "start" and r.tick < taken.tick]
    assert frames[-1].name == "_WorkItem.run"
    assert frames[-1].depth == struct.unpack_from("<I", taken.payload)[0]


def test_an_executor_without_a_loop(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        """
    from concurrent.futures import ThreadPoolExecutor
    def work(): pass
    start(c_calls="none")
    with ThreadPoolExecutor(1, thread_name_prefix="pool") as pool:
        for _ in range(3): pool.submit(work).result()
    """,
    )
    assert list(links(spool).values()) == [[("MainThread", False), ("pool_0", True)]] * 3


def test_more_work_than_threads(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        """
    from concurrent.futures import ThreadPoolExecutor
    start(c_calls="none")
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(int, n) for n in range(3000)]
        for future in futures[1000:2000]: future.cancel()
        _recorder.mark(8, b"%d" % sum(not future.cancelled() for future in futures))
    """,
    )
    found = links(spool)
    assert len(found) == 3000
    ((_, done),) = spool.marks
    assert sum(len(ends) == 2 for ends in found.values()) >= int(done)  # a cancelled one is taken up, too


def test_another_thread_schedules_a_callback(tmp_path: Path) -> None:
    spool = run_main(
        tmp_path,
        """
    import threading
    async def main():
        asyncio.current_task().set_name("main")
        future = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()
        threading.Thread(target=lambda: loop.call_soon_threadsafe(future.set_result, 1), name="other").start()
        await future
    """,
    )
    assert next(iter(links(spool).values())) == [("other", False), ("MainThread", True)]


def notes(spool: SpoolFile) -> list[tuple[str, str]]:
    return [
        (spool.tasks[r.id].names[-1] if r.id else "", r.payload.decode())
        for t in spool.threads.values()
        for r in t.story
        if r.kind == "note"
    ]


def test_notes(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        """
    import asyncio, gc, warnings
    warnings.simplefilter("ignore")
    class Odd(Exception): pass
    async def forgotten(): pass
    async def fails(): raise Odd
    async def waits(): await asyncio.get_running_loop().create_future()
    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *args: None)
        forgotten()
        task = asyncio.create_task(fails(), name="lost"); await asyncio.sleep(0); await asyncio.sleep(0); del task
        gc.collect()
        task = asyncio.create_task(waits(), name="dropped"); await asyncio.sleep(0); del task
        gc.collect()
    start(c_calls="none")
    asyncio.run(main())
    """,
    )
    assert notes(spool) == [
        ("", "never awaited: forgotten"),
        ("lost (fails)", "exception never retrieved: __main__.Odd"),
        ("dropped (waits)", "destroyed while pending"),
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not for Windows")
@pytest.mark.parametrize(
    "wait",
    [
        "await child",
        "await asyncio.gather(child)",
        "await asyncio.wait([child])",
        "await asyncio.wait_for(child, 5)",
        "async with asyncio.TaskGroup() as group: child = group.create_task(work(), name='child')",
    ],
)
def test_on_uvloop_a_step_ends_with_what_it_waits_for(tmp_path: Path, wait: str) -> None:
    spool = run_main(
        tmp_path,
        f"""
    async def work(): await asyncio.sleep(0.001)
    async def main():
        asyncio.current_task().set_name("main")
        child = asyncio.create_task(work(), name="child")
        {wait}
    """,
        "uvloop",
    )
    assert ("task", "child", "main") in main_causes(spool)
    assert ("awaits", "child", "main") in main_causes(spool)
