"""Which task runs: what the recorder tells of steps, against what the program's own coroutines say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.random_tasks import PROGRAM, RUNS
from support.recording import run, run_one
from support.spool_reader import FRAME_IN, FRAME_OUT, SpoolFile
from support.steps import ASK, check_tasks, own_name, replay

FRAMES = {*FRAME_IN.values(), *FRAME_OUT.values()}
EAGER = sys.version_info >= (3, 12)


def steps_of(spool: SpoolFile) -> list[str]:
    """Return the own name of the task of each step, in order, over all threads."""
    records = [r for thread in spool.threads.values() for r in thread.story if r.kind == "step"]
    return [own_name(spool, r.id)[-1] for r in sorted(records, key=lambda r: r.tick)]


def test_each_step_is_announced_once(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        ASK
        + """
    async def inner(): mine(); await asyncio.sleep(0); mine()
    async def middle(): await inner(); await inner()
    async def outer():
        await middle()
        await asyncio.gather(asyncio.create_task(inner(), name="one"), asyncio.create_task(inner(), name="two"))
        mine()
    async def main(): await asyncio.create_task(outer(), name="main")
    start(c_calls="none")
    asyncio.run(main())
    """,
    )
    assert check_tasks(spool) == 9
    names = steps_of(spool)
    assert [name for name in names if not name.startswith("Task-")] == [
        "main", "main", "main", "one", "two", "one", "two", "main",
    ]  # fmt: skip
    assert {name for task in spool.tasks.values() for name in task.names} >= {"main (outer)", "one (inner)"}


def test_a_name_that_comes_later(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        ASK
        + """
    async def work():
        mine(); await asyncio.sleep(0)
        asyncio.current_task().set_name("late")
        for _ in range(5): await asyncio.sleep(0); mine()
    async def main():
        task = asyncio.create_task(work(), name="early"); await task
    start(c_calls="none")
    asyncio.run(main())
    """,
    )
    assert ["early (work)", "late (work)"] in [task.names[-2:] for task in spool.tasks.values()]


def test_coroutines_driven_by_hand_are_no_steps(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        ASK
        + """
    async def inner(): mine()
    async def outer(): await inner(); mine()
    def drive(coroutine):
        try: coroutine.send(None)
        except StopIteration: pass
    async def main(): drive(outer()); mine()
    start(c_calls="none")
    drive(outer())
    asyncio.run(main())
    drive(outer())
    """,
    )
    assert check_tasks(spool) == 7
    assert len({r.id for t in spool.threads.values() for r in t.story if r.kind == "step"}) >= 1


def test_throw_and_cancel(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        ASK
        + """
    async def sleeper():
        try: await asyncio.sleep(10)
        except asyncio.CancelledError: mine(); await asyncio.sleep(0); mine(); raise
    async def catcher():
        try: await sleeper()
        except asyncio.CancelledError: mine(); await asyncio.sleep(0); mine()
    async def main():
        task = asyncio.create_task(catcher(), name="cancelled")
        await asyncio.sleep(0); task.cancel(); await task; mine()
        try:
            async with asyncio.timeout(0): await asyncio.sleep(10)
        except TimeoutError: mine()
    start(c_calls="none")
    asyncio.run(main())
    """,
    )
    assert check_tasks(spool) == 6


def test_generators_of_all_kinds(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        ASK
        + """
    import contextlib, types
    async def leaf(): mine(); await asyncio.sleep(0); mine()
    class Awaitable:
        def __await__(self): return (yield from leaf().__await__())
    @types.coroutine
    def old(): yield from leaf().__await__()
    async def numbers():
        try:
            for n in range(3): await leaf(); yield n; mine()
        finally: await leaf()
    @contextlib.asynccontextmanager
    async def context(): await leaf(); yield; await leaf()
    async def main():
        await Awaitable(); await old()
        async for n in numbers(): mine()
        async for n in numbers(): break
        async with context(): mine()
        print([n async for n in numbers()])
    start(c_calls="none")
    asyncio.run(main())
    """,
    )
    assert check_tasks(spool) > 30


def test_several_loops_in_several_threads_and_loops_after_each_other(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        ASK
        + """
    import threading
    async def work(n):
        for _ in range(n): mine(); await asyncio.sleep(0)
        mine()
    async def main(name):
        await asyncio.gather(*(asyncio.create_task(work(n), name=f"{name}-{n}") for n in range(5)))
    def run(name): asyncio.run(main(name))
    start(c_calls="none")
    threads = [threading.Thread(target=run, args=(name,), name=name) for name in ("left", "right")]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    run("third"); run("fourth")
    """,
    )
    assert check_tasks(spool) == 4 * 15
    for name in ("left", "right"):
        tasks = {r.id for r in spool.thread(name).story if r.kind == "step"}
        assert len(tasks) == 8  # with those that asyncio.run makes at its end
        assert len({spool.tasks[task].loop for task in tasks}) == 1


@pytest.mark.skipif(not EAGER, reason="eager tasks came with 3.12")
def test_eager_tasks(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        ASK
        + """
    async def quick(): mine()
    async def slow(): mine(); await asyncio.sleep(0); mine()
    async def nested(): mine(); await asyncio.create_task(slow(), name="slow"); mine()
    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        mine()
        await asyncio.create_task(quick(), name="quick"); mine()
        await asyncio.gather(asyncio.create_task(nested(), name="nested"), slow()); mine()
    start(c_calls="none")
    asyncio.run(main())
    """,
    )
    assert check_tasks(spool) == 10


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="3.14 keeps the two kinds of tasks apart")
def test_pure_python_tasks_and_factories(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        ASK
        + """
    async def work(): mine(); await asyncio.sleep(0); mine()
    async def main():
        loop = asyncio.get_running_loop()
        await asyncio.tasks._PyTask(work(), loop=loop, name="pure")
        for factory in (asyncio.tasks._PyTask, asyncio.Task):
            loop.set_task_factory(lambda loop, coro, **options: factory(coro, loop=loop, **options))
            await asyncio.create_task(work(), name="made")
    start(c_calls="none")
    asyncio.run(main())
    """,
    )
    assert check_tasks(spool) == 6
    assert [task.names[-1] for task in spool.tasks.values()][1:4] == ["pure (work)", "made (work)", "made (work)"]


def test_a_subclass_that_lies_is_not_asked(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        """
    import asyncio
    class Own(asyncio.Task):
        def __getattribute__(self, name):
            if name in ("get_name", "get_coro", "_coro", "_name", "__dict__", "__class__"): raise SystemExit(name)
            return super().__getattribute__(name)
    async def work(): await asyncio.sleep(0)
    async def main(): await Own(work(), loop=asyncio.get_running_loop(), name="own")
    start(c_calls="none")
    asyncio.run(main())
    """,
    )
    assert ["own (work)"] in [task.names for task in spool.tasks.values()]


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not for Windows")
def test_uvloop(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        ASK
        + """
    import uvloop
    async def inner(): mine(); await asyncio.sleep(0); mine(); await asyncio.sleep(0.001); mine()
    async def main():
        await asyncio.gather(*(asyncio.create_task(inner(), name=f"task {n}") for n in range(4))); mine()
    start(c_calls="none")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner: runner.run(main())
    """,
    )
    assert check_tasks(spool) == 13


@pytest.mark.skipif(sys.platform == "win32", reason="os.fork")
def test_a_fork_within_a_step(tmp_path: Path) -> None:
    spools = run(
        tmp_path,
        ASK
        + """
    import os, threading
    async def inner(): mine(); await asyncio.sleep(0); mine()
    async def fresh(): await asyncio.create_task(inner(), name="new")
    async def main():
        mine()
        if os.fork() == 0:
            mine()  # no loop runs in a child, says asyncio
            thread = threading.Thread(target=lambda: asyncio.run(fresh())); thread.start(); thread.join()
            os._exit(0)
        os.wait()
        await asyncio.create_task(inner(), name="old")
    start(c_calls="none")
    asyncio.run(main())
    """,
    )
    (parent,) = (s for s in spools.values() if not s.parent)
    (child,) = (s for s in spools.values() if s.parent)
    assert check_tasks(parent) == 3
    assert check_tasks(child) == 3
    assert {name for task in child.tasks.values() for name in task.names} >= {"new (inner)"}


def test_tasks_are_not_kept_alive(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
    import asyncio, gc, weakref
    class Loop(asyncio.SelectorEventLoop): pass
    async def work(): await asyncio.sleep(0)
    async def main():
        tasks = [asyncio.create_task(work()) for _ in range(1000)]
        coroutines = [task.get_coro() for task in tasks]
        await asyncio.gather(*tasks)
        return [weakref.ref(task) for task in tasks] + [weakref.ref(c) for c in coroutines]
    start(c_calls="none")
    loop = Loop()
    references = loop.run_until_complete(main())
    loop.close(); references.append(weakref.ref(loop)); del loop
    gc.collect()
    assert not any(reference() for reference in references)
    """,
    )


def test_a_finalizer_that_awaits_and_a_task_destroyed_pending(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        ASK
        + """
    import gc
    async def forever():
        try: await asyncio.get_running_loop().create_future()
        finally: mine2()
    def mine2(): pass
    class Cycle:
        def __init__(self): self.me = self
        def __del__(self):
            c = nothing()
            try: c.send(None)
            except StopIteration: pass
    async def nothing(): mine()
    async def main():
        task = asyncio.create_task(forever(), name="lost"); await asyncio.sleep(0)
        asyncio.tasks._unregister_task(task)
        Cycle(); del task; gc.collect(); mine()
    start(c_calls="none")
    loop = asyncio.new_event_loop(); loop.set_exception_handler(lambda *a: None)
    loop.run_until_complete(main()); loop.close(); gc.collect()
    """,
    )
    assert check_tasks(spool) == 2


@pytest.mark.parametrize("loop", RUNS)
def test_a_random_program_never_shows_a_wrong_task(tmp_path: Path, loop: str) -> None:
    if loop == "eager" and not EAGER:
        pytest.skip("eager tasks came with 3.12")
    if loop == "pure" and sys.version_info >= (3, 14):
        pytest.skip("3.14 keeps the two kinds of tasks apart")
    spool = run_one(tmp_path, ASK + PROGRAM + '\n    start(c_calls="none")\n    ' + RUNS[loop])
    assert check_tasks(spool) > 700


def test_one_question_a_step(tmp_path: Path) -> None:
    spool = run_one(
        tmp_path,
        ASK
        + PROGRAM
        + """
    async def counted():
        asyncio.get_running_loop().set_task_factory(lambda loop, c, **k: asyncio.Task(Stepper(c), loop=loop, **k))
        await main()
    start(c_calls="none")
    asyncio.run(counted())
    _recorder.mark(8, b"%d" % sent)
    _recorder.mark(9, b"%d" % thrown)
    """,
    )
    claims = {id: int(payload) for id, payload in spool.marks if id != 7}
    outer = sum(
        record.kind == "step" and not any(task == record.id for _, task in steps)
        for thread in spool.threads.values()
        for record, steps in replay(thread)
    )
    assert check_tasks(spool) > 700
    assert claims[8] - 1 <= outer  # the first step of counted() is sent by no Stepper
    assert outer <= claims[8] + 1 + 7 * claims[9]  # each of the frames that an exception passes begins anew
    assert len(steps_of(spool)) < 2 * outer  # and so does what a plain generator awaits


def test_who_goes_on_after_one_that_was_thrown_into_is_told(tmp_path: Path) -> None:
    """3.11 tells nothing of it; what frees the variables of the one that returned runs in between."""
    spool = run_one(
        tmp_path,
        ASK
        + """
    class Freed:
        def __del__(self): int()
    async def inner():
        freed = Freed()
        try: await asyncio.sleep(10)
        except asyncio.CancelledError: return 1
    async def middle(): return await inner()
    async def outer(): await middle(); after()
    def after(): mine()
    async def main():
        task = asyncio.create_task(outer(), name="outer")
        await asyncio.sleep(0); task.cancel(); await task
    start(c_calls="none")
    asyncio.run(main())
    """,
    )
    assert check_tasks(spool) == 1
    wanted = ("inner", "middle", "outer", "after", "Freed.__del__")
    frames = [(r.kind, r.name) for r in spool.thread("MainThread").story if r.kind in FRAMES and r.name in wanted]
    freed = [each for each in frames if each[1] == "Freed.__del__"]
    assert freed == [("start", "Freed.__del__"), ("return", "Freed.__del__")]
    told = [(kind.replace("throw", "resume"), name) for kind, name in frames if name != "Freed.__del__"]
    assert told[told.index(("return", "inner")) :] == [
        ("return", "inner"),
        ("resume", "middle"),
        ("return", "middle"),
        ("resume", "outer"),
        ("start", "after"),
        ("return", "after"),
        ("return", "outer"),
    ]
