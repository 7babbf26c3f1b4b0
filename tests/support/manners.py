"""Projects for runs with other plugins, and what such a run says that is the same with and without `--timeline`."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

MANY = {
    "pytest.ini": """
[pytest]
asyncio_default_fixture_loop_scope = function
markers = known: a mark of the project's own
""",
    "conftest.py": """
import pytest

@pytest.fixture(scope="session")
def database(): raise LookupError("no database")
@pytest.fixture
def ends_badly():
    yield
    raise OSError("not closed")
""",
    "test_errors.py": """
def test_broken(database): pass
def test_broken_again(database): pass
def test_ends_badly(ends_badly): pass
""",
    "test_unit.py": '''
import unittest
import pytest

class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls): cls.shared = [1]
    def setUp(self): self.addCleanup(lambda: None)
    def test_passes(self):
        for i in range(2):
            with self.subTest(i=i): self.assertEqual(self.shared, [1])
    def test_fails(self): self.assertEqual(1, 2)
    @unittest.expectedFailure
    def test_expected(self): self.fail()
    def test_skips(self): self.skipTest("why")

class Async(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self): self.ready = True
    async def test_async(self): self.assertTrue(self.ready)

@pytest.mark.known
@pytest.mark.timeline(keep=True)
def test_prints(capsys):
    print("printed")
    assert capsys.readouterr().out == "printed\\n"

def doubled(x):
    """
    >>> doubled(2)
    4
    >>> doubled(3)
    7
    """
    return 2 * x
''',
    "test_flaky.py": """
attempts = []

def test_flaky():
    attempts.append(1)
    assert len(attempts) == 3

def test_hopeless(): assert 0
""",
    "test_random.py": """
import random
import pytest

@pytest.mark.parametrize("n", range(4))
def test_seeded(n): print("drawn", random.random())
""",
    "test_asyncio.py": """
import asyncio
import pytest
import pytest_asyncio

@pytest_asyncio.fixture
async def server():
    task = asyncio.create_task(asyncio.sleep(30))
    yield task
    task.cancel()

@pytest.mark.asyncio
async def test_asyncio(server):
    await asyncio.sleep(0.001)
    assert not server.done()

@pytest.mark.asyncio
async def test_asyncio_fails():
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(30))
        await asyncio.sleep(0.001)
        assert 0
""",
    "test_anyio.py": """
import anyio
import pytest

@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request): return request.param

@pytest.fixture
async def stream():
    send, receive = anyio.create_memory_object_stream(1)
    async with send, receive: yield send, receive

@pytest.mark.anyio
async def test_anyio(stream):
    await stream[0].send(1)
    assert await stream[1].receive() == 1
""",
    "test_trio.py": """
import pytest
import trio

@pytest.mark.trio
async def test_trio(autojump_clock, nursery):
    nursery.start_soon(trio.sleep, 1)
    await trio.sleep(2)
    assert trio.current_time() == 2
""",
    "test_hypothesis.py": """
from hypothesis import HealthCheck, given, settings, strategies as st

checks = list(HealthCheck)  # of which some tell of a slow machine
settings.register_profile("same", derandomize=True, database=None, deadline=None, suppress_health_check=checks)
settings.load_profile("same")

@settings(max_examples=20)
@given(st.integers(), st.lists(st.text()))
def test_holds(n, texts): assert n + 0 == n

@settings(max_examples=50)
@given(st.integers())
def test_finds(n): assert n < 100
""",
}
SAME = ("-p", "no:cacheprovider", "-W", "error", "--strict-config", "--strict-markers")
MANY_OPTIONS = ("--doctest-modules", "--reruns=2", "--randomly-seed=7", "--html=report.html", *SAME)

# As pytest-playwright is made: a sync API whose event loop runs in a greenlet of its own, for the whole session, and
# stays the running loop of the thread.
GREENLETS = {
    "conftest.py": """
import asyncio
import greenlet
import pytest

class Dispatcher:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.over = self.loop.create_future()
        self.fiber = greenlet.greenlet(lambda: self.loop.run_until_complete(self.over))

    def sync(self, coroutine):
        me = greenlet.getcurrent()
        task = self.loop.create_task(coroutine)
        task.add_done_callback(lambda _: me.switch())
        while not task.done():
            self.fiber.switch()
        asyncio._set_running_loop(self.loop)
        return task.result()

    def stop(self):
        self.over.set_result(None)
        asyncio._set_running_loop(None)
        while not self.fiber.dead:
            self.fiber.switch()
        self.loop.close()

class Page:
    def __init__(self, dispatcher, browser): self.sync, self.browser = dispatcher.sync, browser
    async def _goto(self, url):
        await asyncio.sleep(0.001)
        if url == "nowhere": raise LookupError(url)
        return url
    def goto(self, url): return self.sync(self._goto(url))

@pytest.fixture(scope="session")
def playwright():
    dispatcher = Dispatcher()
    yield dispatcher
    dispatcher.stop()

@pytest.fixture(scope="session")
def browser(playwright):
    return playwright.sync(asyncio.sleep(0.001, "browser"))

@pytest.fixture
def page(playwright, browser):
    yield Page(playwright, browser)
    playwright.sync(asyncio.sleep(0))
""",
    "test_pages.py": """
import pytest

def test_goes(page):
    assert page.goto("here") == "here" and page.goto("there") == "there"

def test_goes_nowhere(page):
    page.goto("nowhere")

@pytest.mark.parametrize("n", range(3))
def test_goes_on(page, n):
    assert page.goto(f"{n}") == f"{n}"
""",
}
GREENLETS_OPTIONS = SAME

COVERED = {
    "shop.py": """
import threading

def total(prices):
    if not prices:
        return 0
    return sum(price for price in prices)

def later(prices):
    found = []
    thread = threading.Thread(target=lambda: found.append(total(prices)))
    thread.start()
    thread.join()
    return found[0] if found else None

def never():
    return 1
""",
    "test_shop.py": """
import subprocess, sys
import shop

def test_total(): assert shop.total([1, 2]) == 3
def test_later(): assert shop.later([]) == 0
def test_child(): subprocess.run([sys.executable, "-c", "import shop; shop.later([])"], check=True)
""",
    ".coveragerc": "[run]\npatch = subprocess\n[json]\nshow_contexts = true\n",
}
COVERED_OPTIONS = ("--cov=shop", "--cov-report=json", "--cov-report=term-missing", *SAME)

MEASURED = {
    "test_it.py": """
import pytest

def work(): return sum(range(100))
def test_called(benchmark): assert benchmark(work) == 4950
def test_pedantic(benchmark): benchmark.pedantic(work, rounds=3)
@pytest.mark.timeline(off=True)
def test_off(benchmark): benchmark(work)
def test_not_measured(): pass
""",
}
MEASURED_OPTIONS = ("--benchmark-max-time=0.01", "--benchmark-min-rounds=2", *SAME)

SECTION = re.compile(r"^(-+|=+) timeline (-+|=+)$")
OTHERS = re.compile(r"^([-=_!])\1* .* \1+$")  # a long title leaves room for one
CHANGING = [(re.compile(pattern), by) for pattern, by in (
    (r"\b\d+\.\d+s\b( \(\d+:\d\d:\d\d\))?", "TIME"), (r"\b0x[0-9a-f]+", "0x"), (r"\bgw\d\b", "gw"),
    (r"\[ *\d+%\]", "[%]"), (r"^[-=_]+(?= )|(?<= )[-=_]+$|[-=_]{3,}", "---"),
)]  # fmt: skip


def lines(directory: Path, stdout: str) -> list[str]:
    """Return the lines of pytest's output without what the timeline adds and what differs from run to run."""
    kept, ours = [], False
    for line in stdout.splitlines():
        if ours := bool(SECTION.match(line)) or (ours and not OTHERS.match(line)):
            continue
        if line.startswith("timeline: "):
            continue
        line = line.replace(str(directory), "DIR")
        for pattern, by in CHANGING:
            line = pattern.sub(by, line)
        kept.append(line.rstrip())
    return kept


def outcomes(junit: Path) -> list[tuple[str, str]]:
    """Return (name, outcome) of each test, in the order in which they ran."""
    cases = ElementTree.parse(junit).iter("testcase")
    return [
        (
            f"{case.get('classname')}::{case.get('name')}",
            " ".join(child.tag for child in case if child.tag in ("failure", "error", "skipped")) or "passed",
        )
        for case in cases
    ]
