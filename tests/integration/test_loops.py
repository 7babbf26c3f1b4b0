"""The timelines of event loops show every task: what it did, what it waited for, who made it; and what blocked them.

One run of pytest has all the loops: support/programs/loops_*.py are its tests, which pass with and without a timeline.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from support import trace_processor
from support.loops import Loops, Slice, Task, Trace, same_in_chrome
from support.runs import without

pytestmark = pytest.mark.skipif(trace_processor.missing() is not None, reason=str(trace_processor.missing()))

PROGRAMS = Path(__file__).parents[1] / "support" / "programs"
LOOPS = ["asyncio", "gevent", "plugins", "trio"] + ["uvloop"] * (sys.platform != "win32")
INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\n"
MAIN = "Tasks of MainThread"
TELLS_TYPES = sys.version_info >= (3, 12)  # of the exceptions by which frames are left


def left_by(what: str) -> str:
    """Return the instant that marks the end of a task."""
    return what if TELLS_TYPES else "left by an exception"


class Shown:
    """The run, and what its timelines show of each test."""

    def __init__(self, run) -> None:
        self.run = run
        self.entries = {each["nodeid"].removeprefix("test_"): each for each in run.manifest["tests"]}
        self._trace = Trace(run.directory / "timeline" / run.manifest["combined"]["perfetto"])
        self._loops: dict[str, Loops] = {}
        assert len(self._trace.tests) == len(self.entries)

    def files(self, test: str) -> dict[str, Path]:
        return {key: self.run.directory / "timeline" / file for key, file in self.entries[test]["files"].items()}

    def __getitem__(self, test: str) -> Loops:
        """Return the tasks of `asyncio.py::test_server` and the like, after what is true of all was checked."""
        if test not in self._loops:
            self._loops[test] = Loops(self._trace, list(self.entries).index(test))
            self._loops[test].check()
        return self._loops[test]


@pytest.fixture(scope="module")
def shown(run_once):
    files = {f"test_{name}.py": (PROGRAMS / f"loops_{name}.py").read_text(encoding="utf-8") for name in LOOPS}
    options = ["--timeline", "--timeline-mode=both", "--timeline-format=perfetto,chrome", "-p", "no:cacheprovider"]
    run = run_once(files | {"pytest.ini": INI}, *options, PYTEST_ADDOPTS=without("anyio", "asyncio", "trio"))
    assert run.ret == 0, run.stdout
    assert set(run.outcomes.values()) <= {"passed", "skipped"}
    return Shown(run)


def between(tasks: Loops, source: Task, target: Task) -> list[tuple[int, int]]:
    """Return the arrows from a task to another: the numbers of the steps that they join."""

    def number(task: Task, slice: Slice) -> int:
        return [each.id for each in task.running].index(slice.id)

    return sorted(
        (number(source, out), number(target, into))
        for out, into in tasks.flows
        if tasks.whose(out) is source and tasks.whose(into) is target
    )


def steps(task: Task) -> int:
    return len(task.running)


@pytest.mark.parametrize(
    "test",
    [
        "asyncio.py::test_executor",
        "asyncio.py::test_loops_in_threads",
        "gevent.py::test_greenlets",
        "trio.py::test_nursery",
    ],
)
def test_both_formats_hold_the_same(shown, test):
    files = shown.files(test)
    same_in_chrome(files["perfetto"], files["chrome"])


def test_a_combined_trace_has_no_errors(run_once):
    source = """
import asyncio, threading
import pytest

async def beat():
    for _ in range(20):
        await asyncio.sleep(0.001)

@pytest.fixture(scope="module")
def loop():
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="loop-thread")
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()

@pytest.fixture(scope="module")
def heart(loop):
    async def forever():
        while not stop:
            await beat()
    stop = []
    future = asyncio.run_coroutine_threadsafe(forever(), loop)
    yield
    stop.append(1)
    future.result()

@pytest.mark.parametrize("n", range(5))
def test_it(heart, loop, n):
    asyncio.run_coroutine_threadsafe(beat(), loop).result()
"""
    run = run_once(
        {"test_it.py": source},
        *("--timeline", "--timeline-mode=combined", "--timeline-format=perfetto,chrome", "-p", "no:cacheprovider"),
    )
    assert run.ret == 0, run.stdout
    files = {format: run.directory / "timeline" / file for format, file in run.manifest["combined"].items()}
    same_in_chrome(files["perfetto"], files["chrome"])
    tasks = Loops(Trace(files["perfetto"]))
    tasks.check()
    assert len(tasks.running("beat")) == 5
    (heart,) = [task for task in tasks.tasks if "forever" in task.name]
    assert steps(heart) > 20  # it goes on over all windows, in one piece
    assert [frame.name.rpartition(".")[2] for frame in heart.frames if frame.depth == 0] == ["forever"]
    assert {task.group for task in tasks.tasks} == {"Tasks of loop-thread"}


class TestAsyncio:
    def test_a_server_with_a_hundred_clients(self, shown):
        tasks = shown["asyncio.py::test_server"]
        clients = [tasks.named(f"client-{number}") for number in range(100)]
        servers = [task for task in tasks.tasks if task.name.endswith("serve)")]
        assert len(servers) == 100
        for client in clients:
            assert client.group == MAIN
            assert client.frames[0].name.endswith("client") and client.frames[0].depth == 0
            assert [name for name in client.waits if "StreamReader" in name]
            stack = client.stack(next(each for each in client.frames if "await StreamReader" in each.name))
            assert [name.rpartition(".")[2] for name in stack][:2] == ["client", "readline"]
        for server in servers:
            assert [name for name in server.waits if "StreamReader" in name]
        (parent,) = tasks.running("test_server")
        assert all(between(tasks, parent, client)[:1] for client in clients)  # created
        assert between(tasks, clients[-1], parent) or any(between(tasks, client, parent) for client in clients)

    def test_steps_are_what_they_are(self, shown):
        tasks = shown["asyncio.py::test_creation"]
        named = {f"create-{n}": n for n in (1, 2, 3)} | {f"group-{n}": n for n in (4, 5)}
        for name, count in named.items():
            assert steps(tasks.named(name)) == count
            assert tasks.named(name).waits == ["asyncio.sleep"] * (count - 1)
            assert tasks.named(name).name == f"{name} (step_by_step)"
        assert [steps(task) for task in tasks.running("step_by_step")] == list(range(1, 9))
        assert all(re.fullmatch(r"Task-\d+ \(step_by_step\)", each.name) for each in tasks.running("step_by_step")[5:])

    def test_creation_and_completion_are_arrows(self, shown):
        tasks = shown["asyncio.py::test_creation"]
        (parent,) = tasks.running("test_creation")
        for child in tasks.running("step_by_step"):
            (created,) = [step for step in between(tasks, parent, child) if step[1] == 0]
            assert parent.running[created[0]].end <= child.running[0].ts + 1_000
        for name in ("create-3", "group-5"):  # the last that is waited for wakes the parent
            child = tasks.named(name)
            ((last, into),) = between(tasks, child, parent)
            assert last == steps(child) - 1
            assert parent.running[into].ts >= child.running[last].end

    def test_the_await_stack_reads_top_down(self, shown):
        tasks = shown["asyncio.py::test_stack"]
        stack = tasks.named("stack")
        (wait,) = [each for each in stack.frames if each.category == "await"]
        assert wait.name == "await asyncio.sleep"
        names = [name.rpartition(".")[2] for name in stack.stack(wait)]
        assert names == ["outer", "middle", "numbers", "inner", "sleep"]
        assert wait.dur >= 25_000_000

    def test_a_put_wakes_the_one_that_gets(self, shown):
        tasks = shown["asyncio.py::test_queue"]
        consumer, producer = tasks.named("consumer"), tasks.named("producer")
        assert set(consumer.waits) == {"Queue.get"}
        assert set(producer.waits) == {"asyncio.sleep"}
        assert len(between(tasks, producer, consumer)) == steps(consumer) - 1

    def test_how_tasks_end_is_marked(self, shown):
        tasks = shown["asyncio.py::test_ends"]

        def instants(task: Task) -> list[str]:
            return [each.name for each in task.instants]

        assert instants(tasks.named("failing")) == [left_by("LookupError")]
        assert instants(tasks.named("cancelled")) == [left_by("cancelled")]
        assert instants(tasks.named("lost")) == [left_by("LookupError"), "exception never retrieved: LookupError"]
        cancelled = tasks.named("cancelled")
        assert cancelled.waits == ["asyncio.sleep"] and steps(cancelled) == 2
        everything = [each.name for task in tasks.tasks for each in task.instants]
        everything += [each.name for slices in tasks.threads.values() for each in slices if not each.dur]
        assert [name for name in everything if name.startswith("never awaited: ")] == [
            "never awaited: test_ends.<locals>.never_awaited"
        ]

    def test_work_in_a_thread_is_joined_by_arrows(self, shown):
        tasks = shown["asyncio.py::test_executor"]
        for name in ("to-thread", "executor"):
            task = tasks.named(name)
            (sent,) = [into for out, into in tasks.flows if tasks.whose(out) is task and into.name != "running"]
            thread = tasks.whose(sent)
            assert isinstance(thread, str) and thread != "MainThread"
            (work,) = [
                each for each in tasks.threads[thread] if each.name == "in_a_thread" and task.frames[0].has(each)
            ]
            assert sent.has(work)
            back = [into for out, into in tasks.flows if tasks.whose(out) == thread and tasks.whose(into) is task]
            assert len(back) == 1 and back[0].ts >= work.end

    def test_what_blocks_is_counted_and_named(self, shown):
        tasks = shown["asyncio.py::test_blocking"]
        lane = tasks.lanes[MAIN]
        blocks = [each for each in lane.frames if "time.sleep in" in each.name and "io_task" in each.name]
        assert [re.sub(r"\S*\.(?=io_task)", "", each.name) for each in blocks] == [
            "blocked by time.sleep in io_task"
        ] * 3
        assert all(each.dur >= 60_000_000 for each in blocks)
        (callback,) = [each for each in lane.frames if "callback" in each.name]
        assert callback.name.startswith("blocked by time.sleep in ")
        assert sorted((each.ts, each.name) for each in lane.instants) == [(each.ts, each.name) for each in lane.frames]
        entry = shown.entries["asyncio.py::test_blocking"]
        assert entry["blocks"] == len(lane.frames) >= 4  # a slow machine may have more
        assert sum(each.startswith("time.sleep in ") for each in entry["blocked"]) >= 4
        for task in tasks.running("test_blocking.<locals>.io_task"):
            assert sum(each.has(step) or step.has(each) for each in blocks for step in task.running) == 1
        assert "blocked" in shown.run.stdout

    @pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in 3.12")
    def test_eager_tasks(self, shown):
        tasks = shown["asyncio.py::test_eager"]
        assert steps(tasks.named("eager-2")) == 2
        assert tasks.named("eager-2").waits == ["asyncio.sleep"]
        (ended,) = tasks.all_named("eager-1")
        assert steps(ended) == 1 and re.fullmatch(r"eager-1 \(test_eager\.<locals>\.\w+\)", ended.name)

    def test_loops_in_several_threads(self, shown):
        tasks = shown["asyncio.py::test_loops_in_threads"]
        for number in range(3):
            for n in range(2):
                task = tasks.named(f"loop{number}-{n}")
                assert task.group == f"Tasks of loop-thread-{number}"
                assert steps(task) == 50

    def test_one_loop_after_another(self, shown):
        tasks = shown["asyncio.py::test_run_twice"]
        assert [steps(task) for task in tasks.running("step_by_step")] == [2, 3]

    def test_tasks_with_contexts_of_their_own(self, shown):
        tasks = shown["asyncio.py::test_context_variables"]
        assert [steps(tasks.named(f"context-{value}")) for value in range(3)] == [2, 2, 2]

    def test_what_is_beyond_the_budget_is_folded_and_said(self, shown):
        tasks = shown["asyncio.py::test_many"]
        entry = shown.entries["asyncio.py::test_many"]
        assert entry["tasks"] >= 2_001
        assert 400 <= len(tasks.tasks) <= 500

    def test_steps_are_on_the_thread_too(self, shown):
        tasks = shown["asyncio.py::test_creation"]
        for task in tasks.tasks:
            on_thread = [each for each in tasks.threads["MainThread"] if each.name == task.name]
            assert len(on_thread) == steps(task), task.name
            for slice, step in zip(on_thread, task.running, strict=True):
                assert abs(slice.ts - step.ts) < 1_000 and abs(slice.end - step.end) < 1_000


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not for Windows")
class TestUvloop:
    def test_a_server(self, shown):
        tasks = shown["uvloop.py::test_server"]
        clients = [tasks.named(f"client-{number}") for number in range(20)]
        (parent,) = tasks.with_frame("server")
        for client in clients:
            assert [name for name in client.waits if "StreamReader" in name]
            assert between(tasks, parent, client)
        assert len([task for task in tasks.tasks if task.name.endswith("(serve)")]) == 20

    def test_tasks(self, shown):
        tasks = shown["uvloop.py::test_tasks"]
        (parent,) = tasks.with_frame("tasks")
        child = tasks.named("child")
        assert steps(child) == 2 and child.waits == ["asyncio.sleep"]
        assert [step for step in between(tasks, parent, child) if step[1] == 0]
        assert [step for step in between(tasks, child, parent) if step[0] == 1]
        blocks = [each.name for each in tasks.lanes[MAIN].frames if each.name.startswith("blocked by time.sleep in ")]
        assert [name for name in blocks if "io_task" in name] == ["blocked by time.sleep in io_task"]


class TestTrio:
    def test_a_server(self, shown):
        tasks = shown["trio.py::test_server"]
        assert len([task for task in tasks.tasks if "client" in task.name]) == 20
        assert len([task for task in tasks.tasks if "echo" in task.name or "_run_handler" in task.name]) >= 20

    def test_a_nursery(self, shown):
        tasks = shown["trio.py::test_nursery"]
        child = tasks.named("child-3")
        assert steps(child) == 4
        assert [child.stack(each)[:2] for each in child.frames if each.category == "await"] == [["child", "sleep"]] * 3
        assert child.frames[0].name == "child"
        assert child.waits == ["trio.sleep"] * 3
        (parent,) = [task for task in tasks.tasks if task.name.endswith("in_nursery")]
        for name in ("child-3", "consumer", "producer", "blocks"):
            (task,) = [task for task in tasks.tasks if task.name.startswith(name)]
            assert [step for step in between(tasks, parent, task) if step[1] == 0], name
        (consumer,) = [task for task in tasks.tasks if task.name.startswith("consumer")]
        (producer,) = [task for task in tasks.tasks if task.name.startswith("producer")]
        assert between(tasks, producer, consumer)
        assert any("io_task" in each.name for each in tasks.lanes[MAIN].frames)

    def test_a_cancel_scope(self, shown):
        tasks = shown["trio.py::test_cancel_scope"]
        (sleeper,) = [task for task in tasks.tasks if task.name.startswith("sleeper")]
        assert [each.name for each in sleeper.instants] == [left_by("cancelled")]
        assert steps(sleeper) == 2

    @pytest.mark.parametrize("test", ["test_by_pytest_trio", "test_with_a_fixture"])
    def test_pytest_trio(self, shown, test):
        tasks = shown[f"trio.py::{test}"]
        assert tasks.with_frame(test)
        assert test != "test_by_pytest_trio" or steps(tasks.named("child-2")) == 3


class TestPlugins:
    def test_pytest_asyncio(self, shown):
        tasks = shown["plugins.py::test_by_pytest_asyncio"]
        assert steps(tasks.named("child")) == 2
        (test,) = tasks.with_frame("test_by_pytest_asyncio")
        assert between(tasks, test, tasks.named("child"))

    def test_httpx(self, shown):
        tasks = shown["plugins.py::test_httpx"]
        for number in range(5):
            ask = tasks.named(f"ask-{number}")
            stack = [frame.name for frame in ask.frames if frame.depth < 2]
            assert stack[0].endswith("ask") and stack[1] == "AsyncClient.get"
            assert [frame.depth for frame in ask.frames].count(0) == 1  # in one piece, whatever was thrown in
        assert len([task for task in tasks.tasks if task.name.endswith("answer)")]) == 5

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_anyio(self, shown, backend):
        tasks = shown[f"plugins.py::test_by_anyio[{backend}]"]
        for count in (2, 3):
            (task,) = [task for task in tasks.tasks if task.name.startswith(f"child-{count}")]
            assert steps(task) >= count + 1
            assert "any_child" in [frame.name for frame in task.frames]

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_anyio_threads(self, shown, backend):
        tasks = shown[f"plugins.py::test_anyio_thread[{backend}]"]
        (task,) = tasks.with_frame("test_anyio_thread")
        assert task.waits


class TestGreenlets:
    def test_each_has_a_track_and_whole_calls(self, shown):
        tasks = shown["gevent.py::test_gevent"]
        spawned = tasks.with_frame("outer")
        assert len(spawned) == 3
        for number, task in enumerate(spawned, 1):
            names = [frame.name for frame in task.frames if frame.name in ("outer", "inner", "leaf")]
            assert names == ["outer", "inner", *["leaf"] * number]
            assert task.name == "Greenlet (outer)"
            depths = [frame.depth for frame in task.frames if frame.name in ("outer", "inner", "leaf")]
            assert depths == sorted(depths)
            assert min(frame.dur for frame in task.frames if frame.name == "leaf") >= 1_000_000

    def test_turns_in_the_middle_of_calls(self, shown):
        tasks = shown["gevent.py::test_greenlets"]
        found = {}
        for task in tasks.tasks:
            for frame in task.frames:
                found.setdefault(frame.name.rpartition(".")[2], []).append((task, frame))
        ((pinger, ping),) = found["ping"]
        ((ponger, _),) = found["pong"]
        assert pinger is not ponger
        assert sum(task is pinger and ping.has(turn) for task, turn in found["turn"]) == 5

    def test_a_queue(self, shown):
        tasks = shown["gevent.py::test_queue"]
        names = {frame.name.rpartition(".")[2] for task in tasks.tasks for frame in task.frames}
        assert {"produce", "consume"} <= names
