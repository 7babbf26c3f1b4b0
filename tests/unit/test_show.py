"""What a look at a run says to people."""

from __future__ import annotations

import os

import pytest

from pytest_timeline.collect.live import LiveFamily, LiveProcess, LiveTask, LiveThread, Look, Open
from pytest_timeline.collect.show import show
from pytest_timeline.text import duration


def frame(name: str, file: str = "", line: int = 0, seconds: float = 12.3) -> Open:
    return Open(name=name, file=file, line=line, seconds=seconds)


def family(
    test: str | None, *threads: LiveThread, worker: str | None = None, spans: list[Open] | None = None
) -> LiveFamily:
    processes = [LiveProcess(pid=41, name="pytest (41)", threads=list(threads), tasks=[])] if threads else []
    return LiveFamily(worker=worker, pid=41, test=test, seconds=12.34, spans=spans or [], processes=processes)


def text(*families: LiveFamily, depth: int = 12, width: int = 80, partial: bool = False) -> str:
    look = Look(number=1, partial=partial, families=list(families), files={})
    return "\n".join(show(look, depth=depth, width=width))


HUNG = LiveThread(
    name="MainThread",
    native_id=41,
    frames=[
        frame("test_get", os.path.join(os.getcwd(), "tests", "test_q.py"), 7),
        frame("Queue.get", "/usr/lib/python3.13/queue.py", 180),
        frame("Pool.take", "/srv/venv/lib/python3.13/site-packages/pool/a.py", 5),
        frame("threading.lock.acquire", seconds=0.0371),
    ],
)


def test_a_stack_ends_where_it_waits() -> None:
    spans = [frame("setup"), frame("db")]
    assert text(family("test_q.py::test_get", HUNG, spans=spans)) == (
        "test_q.py::test_get, 12.3 s, in setup > db\n"
        "\n"
        "  pytest (41)\n"
        "    MainThread (41)\n"
        f"        12.3 s  test_get                {os.path.join('tests', 'test_q.py')}:7\n"
        "        12.3 s  Queue.get               queue.py:180\n"
        "        12.3 s  Pool.take               pool/a.py:5\n"
        "         37 ms  threading.lock.acquire\n"
    )


def test_each_task_has_a_line() -> None:
    hung = family("a", HUNG)
    queue = "/usr/lib/python3.13/asyncio/queues.py"
    hung["processes"][0]["tasks"] = [
        LiveTask(name="Task-1 (main)", does=frame("await TaskGroup.__aexit__", "/usr/lib/python3.13/asyncio/t.py", 71)),
        *(LiveTask(name=f"worker-{n} (work)", does=frame("await Queue.get", queue, 186, 3.0)) for n in range(59)),
        LiveTask(name="busy", does=frame("running", seconds=0.001)),
    ]
    lines = text(hung).splitlines()
    assert lines[8:11] == [
        "    tasks",
        "        12.3 s  Task-1 (main)     await TaskGroup.__ae...  asyncio/t.py:71",
        "         3.0 s  worker-0 (work)   await Queue.get          asyncio/queues.py:186",
    ]
    assert lines[-1] == "                ... 11 more"
    assert len(lines) == 8 + 1 + 50 + 1
    hung["processes"][0]["tasks"] = hung["processes"][0]["tasks"][-1:]
    assert text(hung).splitlines()[9:] == ["          1 ms  busy  running"]


def test_only_the_innermost_frames_are_shown() -> None:
    assert text(family("a", HUNG), depth=1).splitlines()[4:] == [
        "                ... 3 more above",
        "         37 ms  threading.lock.acquire",
    ]


def test_a_process_that_is_not_recorded_is_there() -> None:
    hung = family("a", HUNG)
    hung["processes"].append(LiveProcess(pid=42, name="sleep 100 (42)", threads=[], tasks=[]))
    assert text(hung).splitlines()[-3:] == ["", "  sleep 100 (42)", "    not recorded"]


def test_how_every_thread_begins_is_left_out() -> None:
    names = ["Thread._bootstrap", "Thread._bootstrap_inner", "Thread.run", "work"]
    shown = text(family("a", LiveThread(name="T", native_id=42, frames=[frame(name) for name in names])))
    assert [line.split()[-1] for line in shown.splitlines()[4:]] == ["Thread.run", "work"]


def test_families_that_do_nothing_are_left_out_beside_others() -> None:
    idle, busy = family(None), family("a", HUNG, worker="gw0")
    assert text(idle) == "between tests, 12.3 s\n  no recorded call is going on\n"
    assert text(idle, partial=True).startswith("which test runs is not known\n")
    assert text(idle, busy) == text(busy)
    assert text(busy).startswith("gw0: a, 12.3 s\n")


def test_a_controller_is_left_out_beside_its_workers() -> None:
    controller, worker = family(None, HUNG), family("a", HUNG, worker="gw0")
    assert text(controller, worker) == text(worker)
    assert text(controller).startswith("between tests, 12.3 s\n")


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_is_too_long(width: int) -> None:
    long = LiveThread(
        name="T", native_id=42, frames=[frame("a" * 200, "/srv/" + "b" * 200 + ".py", 77), frame("c" * 200)]
    )
    lines = text(family("n" * 200, long), width=width).splitlines()
    assert max(map(len, lines)) == width
    assert lines[4].endswith("b.py:77")


def test_nothing_moves_the_terminal() -> None:
    evil = "a\033[2J\n\u202e"
    thread = LiveThread(name=evil, native_id=42, frames=[frame(evil, evil, 1)])
    shown = text(family(evil, thread, spans=[frame(evil)]))
    assert shown.replace("\n", "").isprintable()
    assert len(shown.splitlines()) == 5


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0 ms"),
        (0.9996, "1.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (192.2, "3 min 12 s"),
        (7500.0, "2 h 05 min"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said
