"""The section "timeline" of a failure's report in the terminal, in real runs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from textwrap import dedent
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

if TYPE_CHECKING:
    from support.runs import Run

SUITE = """
    import asyncio, queue, threading, time, unittest
    import pytest

    def consume(jobs):
        while jobs.get(): pass

    def deep(level):
        if level:
            return deep(level - 1)
        time.sleep(0.3)  # the other threads come to their wait
        raise ValueError("too deep")

    @pytest.fixture(scope="session", autouse=True)
    def server():
        jobs = queue.SimpleQueue()
        thread = threading.Thread(target=consume, args=(jobs,), name="server")
        thread.start()
        yield
        jobs.put(None)
        thread.join()

    def test_passes(): pass

    def test_threads():
        jobs = queue.SimpleQueue()
        threads = [threading.Thread(target=consume, args=(jobs,), name=f"consumer-{n}") for n in range(8)]
        for thread in threads:
            thread.start()
        try:
            print("something printed")
            deep(20)
        finally:
            for thread in threads: jobs.put(None)
            for thread in threads: thread.join()

    async def fetch():
        async with asyncio.timeout(0.05):
            await asyncio.Event().wait()

    async def block():
        time.sleep(0.06)
        await asyncio.sleep(100)

    async def crawl():
        others = [asyncio.create_task(block(), name="blocker"),
                  asyncio.create_task(asyncio.Event().wait(), name="waiter")]
        await fetch()

    def test_tasks():
        asyncio.run(crawl())

    @pytest.fixture
    def breaks():
        yield
        raise OSError("not empty")

    def test_call_and_teardown(breaks):
        assert False, "first"

    @pytest.fixture
    def broken():
        raise RuntimeError("no host")

    def test_setup(broken): pass

    def work():
        raise KeyError("in a thread")

    def test_pool():
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(1, "pool") as pool:
            pool.submit(work).result()

    def test_pytrace():
        pytest.fail("two reports differ", pytrace=False)

    @pytest.mark.xfail(strict=True)
    def test_strict(): pass

    class TestUnit(unittest.TestCase):
        def test_unit(self):
            self.assertEqual(1, 2)
"""


def sections(out: str, title: str = "timeline") -> dict[str, list[str]]:
    """Return the lines of the section in each failure's report, by the report's headline."""
    found: dict[str, list[str]] = {}
    headline, inside = "", False
    for line in out.splitlines():
        if match := re.fullmatch(r"_{3,} (.*?) _{3,}", line):
            headline, inside = match[1], False
        elif match := re.fullmatch(r"([-=_!])\1{2,} (.*?) \1{3,}|_ (_ )+", line):
            inside = match[2] == title and match[1] == "-"
        elif inside:
            found.setdefault(headline, []).append(line)
    return found


def names(lines: list[str]) -> list[str]:
    """Return what the lines that begin with a time are of."""
    return [re.split("  +", line.strip())[1] for line in lines if re.match(r" +[\d.]+ (ms|s)  ", line)]


@pytest.fixture(scope="module", params=[(), ("-n2",)], ids=["alone", "xdist"])
def run(request: pytest.FixtureRequest, run_once: Callable[..., Run]) -> Run:
    if request.param:
        pytest.importorskip("xdist")
    files = {"test_it.py": dedent(SUITE)}
    return run_once(files, "--timeline", "--timeline-format=html", "--junitxml=x.xml", *request.param, COLUMNS="100")


@pytest.fixture(scope="module")
def told(run: Run) -> dict[str, list[str]]:
    return sections(run.stdout)


def test_every_failure_has_one_with_its_page(run: Run, told: dict[str, list[str]]) -> None:
    assert set(told) == {
        "test_threads",
        "test_tasks",
        "test_call_and_teardown",
        "ERROR at teardown of test_call_and_teardown",
        "ERROR at setup of test_setup",
        "test_pool",
        "test_pytrace",
        "test_strict",
        "TestUnit.test_unit",
    }
    for headline, lines in told.items():
        assert len(lines) <= 19
        assert max(map(len, lines)) < 100
        nodeid = f"test_it.py::{headline.rpartition(' ')[2].replace('.', '::')}"
        (test,) = [test for test in run.manifest["tests"] if test["nodeid"] == nodeid]
        assert lines[-1] == f"timeline: timeline/{test['files']['html']}".replace("/", os.sep)


def test_the_stack_is_that_at_which_the_exception_was_raised(told: dict[str, list[str]]) -> None:
    lines = told["test_threads"]
    assert re.fullmatch(r"[\d.]+ m?s into the test:", lines[0])
    assert lines[1] == "  MainThread"
    assert names(lines)[:5] == ["test_threads", *["deep"] * 4]
    assert re.fullmatch(" +... 17 more", lines[3])


def test_other_threads_have_a_line_each_and_there_is_a_bound(told: dict[str, list[str]]) -> None:
    lines = told["test_threads"]
    others = [line.split() for line in lines[lines.index("  others") + 1 :]]
    consumers = [words for words in others[:5] if words[2].startswith("consumer-")]
    assert len(consumers) >= 4  # and pytest-rerunfailures's server, if it was just started
    assert all(words[3:6] == ["queue.SimpleQueue.get", "in", "consume"] for words in consumers)
    assert others[5] in (["...", "3", "more"], ["...", "4", "more"])


def test_the_task_that_failed_and_the_others(told: dict[str, list[str]]) -> None:
    lines = told["test_tasks"]
    assert re.fullmatch(r"  MainThread, Task-\d+ \(crawl\)", lines[1])
    assert [name for name in names(lines) if name in ("test_tasks", "crawl", "fetch")] == [
        "test_tasks",
        "crawl",
        "fetch",
    ]
    assert any(re.match(r"  blocked: time.sleep in block for [\d.]+ m?s \(test_it.py:\d+\)", line) for line in lines)
    assert any(re.match(r" +[\d.]+ m?s  blocker \(block\) +await ", line) for line in lines)
    assert any(re.match(r" +[\d.]+ m?s  waiter \(Event.wait\) +await ", line) for line in lines)
    assert any(re.fullmatch(r"  its last 20 ms: .* [\d.]+ m?s.*", line) for line in lines)


def test_each_phase_has_its_own_failure(told: dict[str, list[str]]) -> None:
    assert names(told["test_call_and_teardown"])[0] == "test_call_and_teardown"
    assert names(told["ERROR at teardown of test_call_and_teardown"])[0] == "breaks"
    assert names(told["ERROR at setup of test_setup"])[0] == "broken"


def test_the_thread_that_raised_is_the_one_that_failed(told: dict[str, list[str]]) -> None:
    lines = told["test_pool"]
    assert lines[1] == "  pool_0"
    assert names(lines)[0] == "work"
    assert any(re.search(" MainThread[ ,]", line) for line in lines[lines.index("  others") :])


def test_failures_that_say_little(told: dict[str, list[str]]) -> None:
    assert names(told["test_pytrace"])[-1] == "test_pytrace"
    assert len(told["test_strict"]) == 1
    assert names(told["TestUnit.test_unit"])[0] == "TestUnit.test_unit"


def test_junit_xml_is_as_without(run: Run) -> None:
    tree = ElementTree.parse(run.directory / "x.xml")
    texts = [element.text or "" for element in tree.iter("failure")]
    assert len(texts) == 7
    assert not any("into the test" in text for text in texts)


FAILS = """
import os, time

def test_a():
    print("printed")
    time.sleep(0.001)
    assert False

def test_b():
    assert False

def test_c():
    raise KeyboardInterrupt
"""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-ra", "--tb=short", "-q"), {"test_a", "test_b"}),
        (("--show-capture=no",), {"test_a", "test_b"}),
        (("--tb=native", "-x"), {"test_a"}),
        (("--show-capture=log", "--maxfail=2"), {"test_a", "test_b"}),
        (("--tb=line",), set()),
        (("--tb=no",), set()),
        (("-p", "no:terminal"), set()),
    ],
)
def test_what_pytest_is_asked_to_show(
    pytester: pytest.Pytester, run_pytest: Callable[..., Run], arguments: tuple[str, ...], told: set[str]
) -> None:
    pytester.makepyfile(test_it=FAILS)
    run = run_pytest("--timeline", "--timeline-format=html", *arguments)
    found = sections(run.stdout)
    assert set(found) == told
    assert "INTERNALERROR" not in run.stdout + run.stderr
    if told:
        assert ("Captured stdout call" in run.stdout) == (not any("show-capture" in each for each in arguments))
    assert [test["outcome"] for test in run.manifest["tests"]][:2] == ["failed", "failed"][: len(run.manifest["tests"])]


def test_a_dead_collector_leaves_the_reports_alone(pytester: pytest.Pytester, run_pytest: Callable[..., Run]) -> None:
    pytester.makepyfile(
        test_it="""
        import os, pathlib, signal, time
        from pytest_timeline.spooldir import StatusPage

        def test_kill():
            page = StatusPage("timeline/.spool/status")
            while not (pid := page["pid"]):
                time.sleep(0.01)
            page.close()
            os.kill(pid, signal.SIGKILL)
            assert False
        """
    )
    run = run_pytest("--timeline")
    assert sections(run.stdout) == {}
    assert run.ret == 1
    assert "the collector is gone" in run.stdout


def test_a_worker_that_died(pytester: pytest.Pytester, run_pytest: Callable[..., Run]) -> None:
    pytest.importorskip("xdist")
    pytester.makepyfile(
        test_it="""
        import os, time

        def deadly():
            time.sleep(0.03)
            os.kill(os.getpid(), 9)
            time.sleep(100)

        def test_dies(): deadly()
        """
    )
    run = run_pytest("--timeline", "-n1", "--timeline-format=html")
    (lines,) = sections(run.stdout).values()
    assert names(lines)[:2] == ["test_dies", "deadly"]
    assert lines[-1].startswith("timeline: ")


def test_reruns_have_their_own(pytester: pytest.Pytester, run_pytest: Callable[..., Run]) -> None:
    pytest.importorskip("pytest_rerunfailures")
    pytester.makepyfile(
        test_it="""
        def first(): raise ValueError
        def last(): raise OSError
        tries = []

        def test_it():
            tries.append(1)
            (first if len(tries) < 3 else last)()
        """
    )
    run = run_pytest("--timeline", "--reruns=2", "--timeline-format=html")
    (lines,) = sections(run.stdout).values()
    assert names(lines) == ["test_it", "last"]
    assert lines[-1].endswith("-r2.html")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are another thing there")
def test_ctrl_c_ends_the_timeline_where_the_test_was(pytester: pytest.Pytester, run_pytest: Callable[..., Run]) -> None:
    pytester.makepyfile(
        test_it="""
        import pathlib, time

        def waits():
            pathlib.Path("ready").touch()
            time.sleep(100)

        def test_fails(): assert False
        def test_hangs(): waits()
        def test_later(): pass
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--timeline", "--timeline-format=html", "-p", "no:cacheprovider"],
        cwd=pytester.path,
        stdout=subprocess.PIPE,
        text=True,
    )
    while not (pytester.path / "ready").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 2
    assert set(sections(out)) == {"test_fails"}
    tests = {
        test["nodeid"]: test for test in json.loads((pytester.path / "timeline" / "run.json").read_bytes())["tests"]
    }
    hung = tests["test_it.py::test_hangs"]
    assert len(tests) == 2
    assert hung["outcome"] == "error"
    (failure,) = hung["failures"]
    assert [frame["name"] for frame in failure["failing"]["frames"]][:2] == ["test_hangs", "waits"]
