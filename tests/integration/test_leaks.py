"""What a test leaves running is marked in it, counted, and said in the summary; outcomes stay as they are."""

from __future__ import annotations

import os
import sys

import pytest

from support import trace_processor

needs_engine = pytest.mark.skipif(trace_processor.missing() is not None, reason=str(trace_processor.missing()))

THREADS = """
import concurrent.futures
import threading

import pytest

stop = threading.Event()
threads = []

def start(name=None):
    threads.append(threading.Thread(target=stop.wait, name=name, daemon=True))
    threads[-1].start()

@pytest.fixture
def function_fixture():
    start("of the function")

@pytest.fixture
def tidy_fixture():
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    yield
    end.set()
    thread.join()

@pytest.fixture(scope="module")
def module_fixture():
    start("of the module")

@pytest.fixture
def asks_for_a_wider_one(request):
    request.getfixturevalue("module_fixture")
    start("of the test")

def test_leaks():
    start("serve")

def test_is_tidy(tidy_fixture):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pool.submit(int).result()

def test_with_a_function_fixture(function_fixture):
    pass

def test_with_a_module_fixture(asks_for_a_wider_one, module_fixture):
    pass

def test_fails_and_leaks():
    start("left behind")
    assert 0

@pytest.mark.parametrize("n", range(3))
def test_many(n):
    for i in range(4):
        start(f"{n}-{i}")

def test_end():
    stop.set()
    for thread in threads:
        thread.join()
"""
LEAKED = {
    "test_leaks": ["thread serve"],
    "test_is_tidy": [],
    "test_with_a_function_fixture": ["thread of the function"],
    "test_with_a_module_fixture": ["thread of the test"],
    "test_fails_and_leaks": ["thread left behind"],
    **{f"test_many[{n}]": [f"thread {n}-{i}" for i in range(4)] for n in range(3)},
    "test_end": [],
}


def test_threads(pytester, run_pytest):
    pytester.makepyfile(THREADS)
    run = run_pytest("--timeline", "--timeline-format=perfetto,chrome", "-p", "no:cacheprovider")
    assert run.ret == 1
    assert {name: test["leaked"] for name, test in run.tests.items()} == LEAKED
    assert {name: test["leaks"] for name, test in run.tests.items()} == {
        name: len(left) for name, left in LEAKED.items()
    }
    file = "test_threads.py"
    assert [line for line in run.stdout.splitlines() if line.startswith("leaked: ")] == [
        f"leaked: thread serve  in {file}::test_leaks",
        f"leaked: thread of the function  in {file}::test_with_a_function_fixture",
        f"leaked: thread of the test  in {file}::test_with_a_module_fixture",
        f"leaked: thread left behind  in {file}::test_fails_and_leaks",
        f"leaked: thread 0-0, thread 0-1, thread 0-2 and 1 more  in {file}::test_many[0]",
        "leaked: and 2 more tests left something running",
    ]
    assert run.outcomes == {name: "failed" if name == "test_fails_and_leaks" else "passed" for name in LEAKED}


@needs_engine
def test_the_mark_is_at_the_end_of_the_test_s_slice(pytester, run_pytest):
    pytester.makepyfile(THREADS)
    run = run_pytest("--timeline", "--timeline-format=perfetto,chrome", "-k", "test_leaks", "-p", "no:cacheprovider")
    for format in ("perfetto", "chrome"):
        file = run.directory / "timeline" / run.tests["test_leaks"]["files"][format]
        errors, marks = trace_processor.query(
            file,
            trace_processor.ERRORS,
            """select mark.name, mark.category, mark.ts >= test.ts + test.dur, mark.ts - (test.ts + test.dur) < 1000
            from slice mark join slice test using (track_id) where mark.name glob 'leaked *' and test.depth = 0
            and test.name glob '*::test_leaks'""",
        )
        assert errors == []
        assert marks == [("leaked thread serve", "test", 1, 1)]


def test_what_plugins_start_around_a_test_is_not_the_test_s(pytester, run_pytest):
    pytester.makeconftest(
        """
        import threading
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_protocol():
            end = threading.Event()
            thread = threading.Thread(target=end.wait)
            thread.start()
            try:
                return (yield)
            finally:
                end.set()
                thread.join()
        """
    )
    pytester.makepyfile("def test_a(): pass")
    run = run_pytest("--timeline")
    assert (run.outcomes, run.tests["test_a"]["leaked"]) == ({"test_a": "passed"}, [])
    assert "leaked" not in run.stdout


PROCESSES = """
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
started = []

@pytest.fixture(scope="session")
def server():
    process = subprocess.Popen(SLEEP)
    yield process
    process.kill()
    process.wait()

def test_leaks():
    started.append(subprocess.Popen(SLEEP))

def test_is_tidy():
    subprocess.run([sys.executable, "-c", ""], check=True)

def test_did_not_wait():
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert process.stdout.read() == b""
    started.append(process)
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    else:
        process.wait()

def test_with_a_server(server):
    assert server.poll() is None

@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_multiprocessing(method):
    context = multiprocessing.get_context(method)
    started.append(context.Process(target=time.sleep, args=(600,), name=method))
    started[-1].start()

@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_fork():
    child = os.fork()
    if not child:
        time.sleep(600)
        os._exit(0)
    started.append(child)

def test_end():
    for process in started:
        if isinstance(process, int):
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        elif isinstance(process, subprocess.Popen):
            process.kill()
            process.wait()
        else:
            process.kill()
            process.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="names of commands are told by Linux only")
def test_processes(pytester, run_pytest):
    pytester.makepyfile(PROCESSES)
    run = run_pytest("--timeline", "-p", "no:cacheprovider", "-W", "ignore")
    assert run.ret == 0, run.stdout
    leaked = {name: [text.rpartition(" (")[0] for text in test["leaked"]] for name, test in run.tests.items()}
    python = os.path.basename(sys.executable)
    assert leaked == {
        "test_leaks": [f"process {python} -c import time; time.sleep(600)"],
        "test_is_tidy": [],
        "test_did_not_wait": [],
        "test_with_a_server": [],
        "test_multiprocessing[fork]": ["process fork"],
        "test_multiprocessing[spawn]": ["process spawn"],
        "test_multiprocessing[forkserver]": ["process forkserver"],
        "test_fork": ["process forked"],
        "test_end": [],
    }


LATER = """
import subprocess
import sys
import threading

CHILD = '''
import sys

def answer(): print("done", flush=True)

for line in sys.stdin: answer()
'''
turn, done, stop = threading.Event(), threading.Event(), threading.Event()

def work():
    pass

def serve():
    while not stop.is_set():
        turn.wait()
        turn.clear()
        work()
        done.set()

def ask():
    done.clear()
    turn.set()
    done.wait()
    child.stdin.write("go\\n")
    child.stdin.flush()
    assert child.stdout.readline() == "done\\n"

def test_leaks():
    global thread, child
    thread = threading.Thread(target=serve, name="leaky", daemon=True)
    thread.start()
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ask()

def test_later():
    ask()

def test_end():
    stop.set()
    turn.set()
    thread.join()
    child.communicate()

def test_after_all():
    pass
"""


@needs_engine
def test_where_a_leak_goes_on_it_is_said_where_it_is_from(pytester, run_pytest):
    pytester.makepyfile(LATER)
    run = run_pytest("--timeline", "--timeline-format=perfetto,chrome", "-p", "no:cacheprovider")
    assert run.ret == 0, run.stdout
    assert [test["leaks"] for test in run.tests.values()] == [2, 0, 0, 0]
    child = int(run.tests["test_leaks"]["leaked"][1].rpartition("(")[2].rstrip(")"))
    origin = run.tests["test_leaks"]["nodeid"]
    goes_on = [("MainThread", 1), ("leaky", 0)]
    for name, marks in {"test_leaks": [], "test_later": goes_on, "test_after_all": []}.items():
        for format in ("perfetto", "chrome"):
            errors, found, before = trace_processor.query(
                run.directory / "timeline" / run.tests[name]["files"][format],
                trace_processor.ERRORS,
                f"""select thread.name, process.pid = {child} from slice join thread_track
                on slice.track_id = thread_track.id join thread using (utid) join process using (upid)
                where slice.category = 'test' and slice.dur = 0 and slice.name = 'leaked from {origin}' order by 1""",
                """select count(*) from slice mark join slice using (track_id)
                where mark.name glob 'leaked from *' and slice.ts < mark.ts""",
            )
            assert errors == []
            assert found == marks
            assert before == [(0,)]


def test_a_task_that_outlives_its_test(pytester, run_pytest):
    pytester.makepyfile(
        """
        import asyncio, pytest

        @pytest.fixture(scope="module")
        def loop():
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            yield loop
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()
            asyncio.set_event_loop(None)

        async def poll():
            await asyncio.sleep(60)

        async def start():
            asyncio.create_task(poll(), name="poller").add_done_callback(len_of)
            await asyncio.sleep(0)

        def len_of(task):
            pass

        def test_leaks(loop):
            loop.run_until_complete(start())

        def test_is_tidy(loop):
            loop.run_until_complete(asyncio.sleep(0))
        """
    )
    run = run_pytest("--timeline", "--timeline-format=perfetto")
    assert run.ret == 0, run.stdout
    assert {name: test["leaked"] for name, test in run.tests.items()} == {
        "test_leaks": ["task poller (poll)"],
        "test_is_tidy": [],
    }
    assert "leaked: task poller (poll)" in run.stdout
