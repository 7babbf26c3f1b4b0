"""`collect DIR --live`, from outside, on real runs that hang."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pytest_timeline.spooldir import StatusPage
from support import trace_processor
from support.runs import without

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="signals are another thing there"),
    pytest.mark.skipif(trace_processor.missing() is not None, reason=str(trace_processor.missing())),
]

FORMAT = "--timeline-format=perfetto,chrome"
TIMEOUT = 300.0
HELPERS = """
    import os, pathlib, queue, subprocess, sys, threading, time

    def work(): pass

    def await_end(name="end"):
        while not pathlib.Path(name).exists():
            time.sleep(0.01)
"""


class Look(NamedTuple):
    """What the command said."""

    ret: int
    out: str
    err: str

    def frames(self, thread: str) -> list[str]:
        """Return the names of the frames of the only thread with this name, outermost first."""
        (block,) = re.findall(rf"^    {re.escape(thread)} \(\d+\)\n((?: {{6,}}.*\n)*)", self.out, re.MULTILINE)
        return [re.split(r"  +", line.strip())[1] for line in block.splitlines()]


class Hung:
    """A pytest that goes on; `end` lets it come to its end."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.directory = directory
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "--timeline", FORMAT, "-p", "no:cacheprovider", *arguments],
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def look(self, *arguments: str) -> Look:
        command = [sys.executable, "-P", "-m", "pytest_timeline", "collect", "timeline", "--live", *arguments]
        done = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        return Look(done.returncode, done.stdout, done.stderr)

    def look_until(self, *texts: str) -> Look:
        """Look until the collector, which may not have begun, answers, and all that is to be seen is there."""
        found = self.look()
        deadline = time.monotonic() + TIMEOUT
        while found.err or "warning" in found.out or not all(text in found.out for text in texts):
            assert time.monotonic() < deadline, f"{texts} not in {found}"
            found = self.look()
        assert (found.ret, found.err) == (0, "")
        assert max(map(len, found.out.splitlines())) <= 80
        return found

    def end(self) -> str:
        """Let the tests go on; return what pytest said."""
        (self.directory / "end").touch()
        return self.process.communicate(timeout=TIMEOUT)[0]

    @property
    def outputs(self) -> Path:
        return self.directory / "timeline"

    def tests(self) -> dict[str, dict]:
        manifest = json.loads((self.outputs / "run.json").read_bytes())
        return {test["nodeid"].rpartition("::")[2]: test for test in manifest["tests"]}

    def names(self, path: Path) -> set[str]:
        errors, names = trace_processor.query(path, trace_processor.ERRORS, "select distinct name from slice")
        assert errors == []
        return {name for (name,) in names}


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.02)


@pytest.fixture
def hung(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Hung]]:
    """Begin a run of a test module with the helpers above and the given source."""
    for name in [name for name in os.environ if name.startswith(("PYTEST_TIMELINE", "PYTEST_XDIST", "PYTEST_ADDOPTS"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTEST_ADDOPTS", without("asyncio"))
    begun: list[Hung] = []

    def begin(source: str, *arguments: str) -> Hung:
        pytester.makepyfile(helpers=HELPERS, test_it=f"from helpers import *\n{source}")
        begun.append(Hung(pytester.path, *arguments))
        return begun[-1]

    yield begin
    for run in begun:
        if run.process.poll() is None:
            run.process.kill()
            run.process.communicate()


def test_what_each_task_waits_for(hung: Callable[..., Hung]) -> None:
    run = hung(
        """
import asyncio

async def get(queue):
    await queue.get()

async def main():
    queue = asyncio.Queue()
    getters = [asyncio.create_task(get(queue), name=f"getter-{n}") for n in range(3)]
    while not pathlib.Path("end").exists():
        await asyncio.sleep(0.01)
    for getter in getters:
        getter.cancel()

def test_tasks():
    asyncio.run(main())
"""
    )
    wait_for(lambda: run.look().out.count("await Queue.get") == 3)
    found = run.look()
    (tasks,) = re.findall(r"^    tasks\n((?: {6,}.*\n)*)", found.out, re.MULTILINE)
    words = [re.split("  +", line.strip()) for line in tasks.splitlines()]
    getters = sorted(tuple(line[1:]) for line in words if line[1].startswith("getter"))
    assert [line[:2] for line in getters] == [(f"getter-{n} (get)", "await Queue.get") for n in range(3)]
    assert {re.sub(r":\d+$", "", line[2]) for line in getters} == {"asyncio/queues.py"}
    assert any(line[1].endswith("(main)") for line in words)
    assert {"await Queue.get", "waiting"} <= run.names(run.outputs / "live.pftrace.gz")
    assert "1 passed" in run.end()


def test_a_test_that_waits_for_a_queue(hung: Callable[..., Hung]) -> None:
    run = hung(
        """
def feed(line):
    await_end()
    line.put(1)

def test_before(): pass

def test_get():
    for _ in range(1000): work()
    line = queue.Queue()
    feeder = threading.Thread(target=feed, args=(line,), name="feeder")
    feeder.start()
    line.get()
    feeder.join()
    for _ in range(1000): work()

def test_after(): pass
"""
    )
    for _ in range(2):
        found = run.look_until("test_it.py::test_get, ", "Queue.get", "threading.lock.acquire", "await_end")
        assert ", in call\n" in found.out
        assert found.frames("MainThread") == ["test_get", "Queue.get", "Condition.wait", "threading.lock.acquire"]
        frames = found.frames("feeder")
        assert frames[frames.index("feed") :][:2] == ["feed", "await_end"]  # 3.11 does not see Thread.run
    for file in ("live.pftrace.gz", "live.json.gz"):
        assert f"the timeline so far: timeline/{file}\n" in found.out
        assert {"test_get", "work", "feed"} < run.names(run.outputs / file)
    assert "... 3 more above" in run.look("--depth=1").out
    assert "3 passed" in run.end()
    tests = run.tests()
    assert {name: test["outcome"] for name, test in tests.items()} == {
        "test_before": "passed",
        "test_get": "passed",
        "test_after": "passed",
    }
    assert sorted(path.name for path in run.outputs.iterdir()) == ["run.json", "tests"]
    for file in tests["test_get"]["files"].values():
        errors, counts, cuts = trace_processor.query(
            run.outputs / file,
            trace_processor.ERRORS,
            "select name, count(*) from slice where name in ('work', 'test_get', 'feed', 'Queue.get') group by 1",
            "select slice.name from slice join args using (arg_set_id) where key glob '*cut'",
        )
        assert errors == []
        assert dict(counts) == {"work": 2000, "test_get": 1, "feed": 1, "Queue.get": 1}
        assert cuts == []
    assert run.look().err.startswith("pytest-timeline: no run is going on in timeline; the last one is over")


def test_two_threads_that_wait_for_each_other(hung: Callable[..., Hung]) -> None:
    run = hung(
        """
def take(first, second, both):
    first.acquire()
    both.wait()
    second.acquire()

def test_deadlock():
    a, b, both = threading.Lock(), threading.Lock(), threading.Barrier(2)
    threads = [
        threading.Thread(target=take, args=args, name=name)
        for name, args in [("ab", (a, b, both)), ("ba", (b, a, both))]
    ]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""
    )
    waiting = re.compile(r"  take .*\n.*  threading\.lock\.acquire$", re.MULTILINE)
    wait_for(lambda: len(waiting.findall(run.look().out)) == 2)
    found = run.look()
    for name in ("ab", "ba"):
        assert found.frames(name)[-2:] == ["take", "threading.lock.acquire"]
    run.process.kill()
    run.process.communicate()
    wait_for(lambda: not (run.outputs / ".spool").exists())
    assert run.tests()["test_deadlock"]["outcome"] == "crashed"
    assert sorted(path.name for path in run.outputs.iterdir()) == ["run.json", "tests"]


def test_a_child_that_hangs_in_a_fixture(hung: Callable[..., Hung]) -> None:
    run = hung(
        """
import pytest

CHILD = "from helpers import *\\ndef stuck(): await_end()\\nstuck()"

@pytest.fixture
def server():
    subprocess.run([sys.executable, "-c", CHILD], check=True)

def test_it(server): pass
"""
    )
    found = run.look_until("in setup > server\n", "Popen.wait", "stuck", "await_end", "  python")
    assert "stuck" in run.names(run.outputs / "live.pftrace.gz")
    assert found.out.index("Popen.wait") < found.out.index("stuck")
    assert "1 passed" in run.end()


def test_a_program_that_is_not_recorded(hung: Callable[..., Hung]) -> None:
    run = hung("def test_it(): subprocess.run(['cat', 'pipe'], check=True)\nos.mkfifo('pipe')")
    found = run.look_until("cat pipe (")
    assert re.search(r"^  cat pipe \(\d+\)\n    not recorded$", found.out, re.MULTILINE)
    (run.directory / "pipe").write_text("go on")
    assert "1 passed" in run.end()


def test_two_workers(hung: Callable[..., Hung]) -> None:
    pytest.importorskip("xdist")
    run = hung("def test_a(): await_end()\ndef test_b(): await_end()", "-n2")
    wait_for(lambda: run.look().out.count("await_end") == 2)
    for _ in range(2):
        found = run.look_until("gw0: test_it.py::test_", "gw1: test_it.py::test_", "::test_a,", "::test_b,")
        assert "between tests" not in found.out
    assert {"test_a", "test_b"} < run.names(run.outputs / "live.json.gz")
    assert "2 passed" in run.end()
    assert {test["outcome"] for test in run.tests().values()} == {"passed"}


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_the_spools_are_read_from_outside_when_nobody_answers(hung: Callable[..., Hung], death: signal.Signals) -> None:
    run = hung(
        """
def test_it():
    line = queue.Queue()
    os.mkfifo("pipe")
    def last_wait(): line.get()  # a name that nobody read before
    await_end("go")
    threading.Thread(target=lambda: (open("pipe").read(), line.put(1))).start()
    work()
    last_wait()
"""
    )
    wait_for((run.directory / "pipe").exists)
    page = StatusPage(str(run.outputs / ".spool" / "status"))
    wait_for(lambda: page["pid"] > 0)
    collector = page["pid"]
    os.kill(collector, death)
    (run.directory / "go").touch()
    wait_for(lambda: "last_wait" in run.look().out)
    spools = [*(run.outputs / ".spool" / "main").iterdir(), run.outputs / ".spool" / "settings"]
    before = [path.read_bytes() for path in spools]
    found = run.look()
    assert (found.ret, found.err) == (0, "")
    assert "warning: the collector does not answer, so this was read from the spools" in found.out
    assert [path.read_bytes() for path in spools] == before
    assert "work" in run.names(run.outputs / "live.pftrace.gz")
    if death == signal.SIGSTOP:
        os.kill(collector, signal.SIGCONT)
    (run.directory / "pipe").write_text("go on")
    assert "1 passed" in run.process.communicate(timeout=TIMEOUT)[0]
    if death == signal.SIGKILL:
        command = [sys.executable, "-P", "-m", "pytest_timeline", "collect", "timeline"]
        assert subprocess.run(command, cwd=run.directory, check=False, stdout=subprocess.DEVNULL).returncode == 0
    left = {path.name for path in run.outputs.iterdir()}
    assert left in ([{"run.json", "tests"}, {"run.json"}] if death == signal.SIGKILL else [{"run.json", "tests"}])
    outcomes = {name: test["outcome"] for name, test in run.tests().items()}
    # Which test ran may have been among what the killed one had read.
    assert outcomes in ([{"test_it": "passed"}, {}] if death == signal.SIGKILL else [{"test_it": "passed"}])
    written = list((run.outputs / "tests").glob("*-test_it-*"))
    assert len(written) == (2 if outcomes else 0)  # of the killed one's files only the collection's may be there
