"""What tests say: log records, warnings, output, subtests, examples, the collector's runs, memory. All in real runs."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import manners
from support.runs import without
from support.trace_processor import ERRORS, missing, query

pytest.importorskip("hypothesis")
RECORDED = ("--timeline", "--timeline-format=perfetto")
needs_trace_processor = pytest.mark.skipif(missing() is not None, reason=str(missing()))
SAYS = Path(__file__).parents[1] / "support" / "programs" / "says.py"
SAID = """
    select slice.name, coalesce(thread.name, track.name), slice.category
    from slice join track on slice.track_id = track.id
    left join thread_track on thread_track.id = track.id left join thread using (utid)
    where slice.category in ('log', 'warning', 'output') order by slice.ts, slice.id"""
ARGUMENTS = """
    select slice.name, replace(key, 'debug.', ''), display_value from slice join args using (arg_set_id)
    where slice.category in ('log', 'warning', 'output') order by slice.ts, slice.id, 2"""
SPANS = """
    select slice.name, parent.name, slice.category from slice left join slice as parent on parent.id = slice.parent_id
    where slice.name glob '{}*' order by slice.ts"""
SPAN_ARGUMENTS = """
    select slice.name, replace(key, 'debug.', ''), display_value from slice join args using (arg_set_id)
    where slice.name glob '{}*' order by slice.ts, 2"""


def lines(run: Any) -> list[str]:
    """Return what pytest wrote without what the timeline adds and what differs from run to run."""
    written = manners.lines(run.directory, run.stdout) + manners.lines(run.directory, run.stderr)
    return [re.sub(r"\d+(\.\d+)?ms", "MS", line) for line in written]


def trace(run: Any, test: str) -> Path:
    return run.directory / "timeline" / run.tests[test]["files"]["perfetto"]


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-s",),
        ("--capture=tee-sys", "-p", "no:logging"),
        ("-p", "no:warnings"),
        ("--capture=sys", "-W", "error", "-o", "log_cli=true"),
    ],
    ids=" ".join,
)
def test_outcomes_and_output_are_the_same(run_pytest: Callable[..., Any], options: tuple[str, ...]) -> None:
    shutil.copy(SAYS, "test_says.py")
    bare, recorded = (run_pytest(*how, "-v", *options, "test_says.py") for how in ((), RECORDED))
    assert bare.ret == recorded.ret == 1
    assert lines(recorded) == lines(bare)


@pytest.mark.parametrize("options", [[], ["-s"]], ids=["captured", "as-it-is"])
def test_a_test_may_replace_what_we_use(run_pytest: Callable[..., Any], options: list[str]) -> None:
    Path("test_a.py").write_text(
        """
import _thread, builtins, sys, threading, weakref

def broken(*args):
    raise ZeroDivisionError

def test_frames(monkeypatch):  # until pytest has written that it passed
    monkeypatch.delattr(sys, "_getframe")
    print("frames")

def test_thread():
    ready = threading.Event()
    class Text(str): pass
    text = Text("thread\\n")
    weakref.finalize(text, ready.set)
    _thread.start_new_thread(sys.stdout.write, (text,))
    del text
    assert ready.wait(60)

def test_identity(monkeypatch):
    monkeypatch.setattr(threading, "get_ident", broken)
    print("identity")

def test_builtin(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(builtins, "min", broken)
        print("builtin")
"""
    )
    bare, recorded = (run_pytest(*how, "-v", *options, "test_a.py") for how in ((), RECORDED))
    assert bare.ret == recorded.ret == 0, recorded.stdout
    assert lines(recorded) == lines(bare)
    assert "lines of output are no longer recorded, by an error of pytest-timeline's: ZeroDivisionError()" in str(
        recorded.manifest["warnings"]
    )


def test_hypothesis_finds_stores_and_explains_the_same(run_pytest: Callable[..., Any]) -> None:
    """It knows a test by its source and its signature, and explains a failure by the lines that ran in it alone."""
    Path("test_a.py").write_text(
        """
from hypothesis import HealthCheck, database, given, settings, strategies as st

# Said in full: a CI's profile stores nothing.
stored = database.DirectoryBasedExampleDatabase(".hypothesis/examples")

@settings(max_examples=500, deadline=None, derandomize=False, database=stored,
          suppress_health_check=list(HealthCheck))
@given(x=st.integers(), y=st.none())
def test_a(x, y):
    if x > 1000:  # the first that fails is hardly ever the least
        raise ValueError("more")
"""
    )
    ways = []
    for how in ((), (*RECORDED, "--timeline-exclude=hypothesis")):
        shutil.rmtree(".hypothesis", ignore_errors=True)
        run = run_pytest(*how, "-v", "test_a.py", PYTEST_ADDOPTS=without("hypothesispytest"))
        stored = sorted(path.name for path in Path(".hypothesis", "examples").iterdir())
        ways.append((run.ret, lines(run), stored))
    assert ways[0] == ways[1]


SUITE = """
import logging, sys, threading, warnings
import pytest

log = logging.getLogger("shop.cart")

def noise():
    log.warning("price %s", 12)

def thread():
    log.error("from a thread")
    print("by a thread")

@pytest.fixture
def made():
    log.info("set up")
    yield
    log.info("torn down")

def test_says(made, caplog):
    caplog.set_level("INFO")
    noise()
    print("one\\ntwo", "more")
    sys.stderr.writelines(["a\\n", "b\\n"])
    sys.stdout.write("no end")
    warnings.warn("old", DeprecationWarning)
    with pytest.warns(UserWarning):
        warnings.warn("expected")
    worker = threading.Thread(target=thread, name="worker")
    worker.start()
    worker.join()
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("failed")
"""
LINES = [
    ("price 12", "MainThread", "log"),
    ("one", "MainThread", "output"),
    ("two more", "MainThread", "output"),
    ("a", "MainThread", "output"),
    ("b", "MainThread", "output"),
    ("DeprecationWarning: old", "MainThread", "warning"),
    ("UserWarning: expected", "MainThread", "warning"),
    ("from a thread", "worker", "log"),
    ("by a thread", "worker", "output"),
    ("failed", "MainThread", "log"),
    ("no end", "MainThread", "output"),
]


@needs_trace_processor
@pytest.mark.parametrize("options", [(), ("-s",), ("-p", "no:logging"), ("-n1",)], ids=" ".join)
def test_all_that_is_said_is_told_in_its_place(run_once: Callable[..., Any], options: tuple[str, ...]) -> None:
    suite = SUITE
    if "no:logging" in options:
        suite = SUITE.replace("made, caplog", "made").replace(
            'caplog.set_level("INFO")', "log.setLevel('INFO'); log.addHandler(logging.NullHandler())"
        )
    run = run_once({"test_a.py": suite}, "--timeline", "--timeline-format=perfetto", *options)
    assert run.outcomes == {"test_says": "passed"}
    errors, said, arguments, noise, begin = query(
        trace(run, "test_says"),
        ERRORS,
        SAID,
        ARGUMENTS,
        """select count(*) from slice as said join slice as f on f.track_id = said.track_id and f.name = 'noise'
           where said.name = 'price 12' and said.ts between f.ts and f.ts + f.dur""",
        "select count(*) from slice where name = 'torn down'",
    )
    assert errors == []
    expected = LINES + [("torn down", "MainThread", "log")] * begin[0][0]
    assert said == expected
    assert noise == [(1,)]
    told: dict[str, dict[str, str]] = {}
    for name, key, value in arguments:
        told.setdefault(name, {})[key] = value
    assert told["price 12"] == {"level": "WARNING", "levelno": "30", "logger": "shop.cart"}
    assert told["failed"]["exc_info"] == "ZeroDivisionError"
    assert told["one"] == {"stream": "stdout"} and told["a"] == {"stream": "stderr"}
    assert told["DeprecationWarning: old"].items() >= {("category", "DeprecationWarning"), ("line", "26")}
    assert "caught" not in told["DeprecationWarning: old"]
    assert told["UserWarning: expected"]["caught"] == "true"


@needs_trace_processor
def test_each_kind_has_a_switch(run_once: Callable[..., Any]) -> None:
    for kind, category in [("logs", "log"), ("warnings", "warning"), ("output", "output"), ("none", None)]:
        run = run_once({"test_a.py": SUITE}, "--timeline", "--timeline-format=perfetto", f"--timeline-record={kind}")
        said, others = query(
            trace(run, "test_says"),
            SAID,
            "select count(*) from slice where category = 'gc' union all select count(*) from counter",
        )
        assert {each for _, _, each in said} == ({category} if category else set())
        assert others == [(0,), (0,)]


@needs_trace_processor
def test_what_is_too_much_is_counted(run_once: Callable[..., Any]) -> None:
    suite = """
import gc, logging, os, warnings
def test_much():
    for i in range(30):
        logging.error("%s", i)
        print(i)
        gc.collect(0)
    pid = os.fork()
    if not pid:
        logging.error("child")
        os._exit(0)
    os.waitpid(pid, 0)
def test_little():
    print("x" * 3000)
"""
    run = run_once({"test_a.py": suite}, "--timeline", "--timeline-format=perfetto", "--timeline-max-instants=10")
    left_out = run.tests["test_much"]["left_out"]
    assert left_out.pop("gc") >= 15
    assert left_out == {"log": 20, "output": 20}
    assert run.tests["test_little"]["left_out"] == {}
    said, runs = query(trace(run, "test_much"), SAID, "select count(*) from slice where category = 'gc'")
    assert [name for name, _, category in said if category == "log"] == [
        *map(str, range(10)),
        "log: from here on only counted",
    ]
    assert runs[0][0] <= 10
    (long,) = query(trace(run, "test_little"), SAID)
    assert [len(name) for name, _, _ in long] == [1000]


@needs_trace_processor
def test_subtests_and_examples_are_spans_in_the_call(run_once: Callable[..., Any]) -> None:
    suite = """
import unittest
from hypothesis import assume, example, given, settings, Phase, strategies as st

class Case(unittest.TestCase):
    def test_sub(self):
        for i in range(3):
            with self.subTest("mm", i=i):
                if i == 1:
                    self.skipTest("why")
                assert i != 2

class Any:
    @settings(phases=[Phase.explicit], database=None)
    @example(x=1, names=["a"])
    @example(x=2, names=[])
    @given(x=st.integers(), names=st.lists(st.text()))
    def test_examples(self, tmp_path_factory, x, names):
        assume(x != 2)

class TestAny(Any):
    pass
"""
    run = run_once(
        {"test_a.py": suite}, "--timeline", "--timeline-format=perfetto", PYTEST_ADDOPTS=without("hypothesispytest")
    )
    assert run.outcomes["TestAny::test_examples"] == "passed"
    examples, about = query(
        trace(run, "TestAny::test_examples"), SPANS.format("example"), SPAN_ARGUMENTS.format("example")
    )
    one, two = sorted(name for name, parent, category in examples)
    assert {(parent, category) for _, parent, category in examples} == {("call", "test")}
    assert one == "example (x=1, names=['a'])" and two == "example (x=2, names=[])"
    assert {(one, "outcome", "passed"), (one, "x", "1"), (two, "outcome", "invalid")} <= set(about)
    subtests, about = query(trace(run, "Case::test_sub"), SPANS.format("subtest "), SPAN_ARGUMENTS.format("subtest "))
    names = [f"subtest [mm] (i={i})" for i in range(3)]
    assert subtests == [(name, "call", "test") for name in names]
    outcomes = [(name, value) for name, key, value in about if key == "outcome"]
    assert outcomes == list(zip(names, ["passed", "skipped", "failed"], strict=True))
    assert (names[2], "exception", "AssertionError") in about


@needs_trace_processor
@pytest.mark.parametrize("capture", ["fd", "sys", "no"])
def test_output_that_is_not_captured_for_a_while(run_pytest: Callable[..., Any], capture: str) -> None:
    Path("test_a.py").write_text(
        """
import sys

def test_a(capsys):
    print("before")
    with capsys.disabled():
        print("out")
        sys.stderr.write("err\\n")
    print("after")
"""
    )
    run = run_pytest(*RECORDED, f"--capture={capture}")
    assert " out\n" in run.stdout and "err\n" in run.stderr
    (said,) = query(trace(run, "test_a"), SAID)
    assert [name for name, _, category in said if category == "output"] == ["before", "out", "err", "after"]


@needs_trace_processor
def test_the_runs_of_a_state_machine_are_examples(run_pytest: Callable[..., Any]) -> None:
    Path("test_a.py").write_text(
        """
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

class Machine(RuleBasedStateMachine):
    count = 0

    @rule()
    def add(self):
        self.count += 1

    @invariant()
    def is_small(self):
        assert self.count < 2

TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=10, stateful_step_count=3, derandomize=True, database=None, deadline=None,
                                suppress_health_check=list(HealthCheck))
"""
    )
    ways = [run_pytest(*how, PYTEST_ADDOPTS=without("hypothesispytest")) for how in ((), RECORDED)]
    assert (ways[0].ret, lines(ways[0])) == (ways[1].ret, lines(ways[1]))
    test = "TestMachine::runTest"
    spans, about = query(trace(ways[1], test), SPANS.format("example"), SPAN_ARGUMENTS.format("example"))
    assert set(spans) == {("example", "call", "test")}
    assert ("example", "exception", "AssertionError") in about


@needs_trace_processor
def test_subtests_of_pytest(run_once: Callable[..., Any]) -> None:
    pytest.importorskip("_pytest.subtests")
    suite = """
def test_sub(subtests):
    with subtests.test("outer", a={"k": [1]}):
        with subtests.test(b=2):
            print("inside")
            assert 0
"""
    run = run_once({"test_a.py": suite}, "--timeline", "--timeline-format=perfetto")
    spans, about, said = query(
        trace(run, "test_sub"), SPANS.format("subtest "), SPAN_ARGUMENTS.format("subtest "), SAID
    )
    outer = "subtest [outer] (a={'k': [1]})"
    assert spans == [(outer, "call", "test"), ("subtest (b=2)", outer, "test")]
    assert {("subtest (b=2)", "outcome", "failed"), (outer, "outcome", "passed")} <= set(about)
    assert said == [("inside", "MainThread", "output")]


@needs_trace_processor
def test_collections_and_memory(run_once: Callable[..., Any]) -> None:
    suite = """
import gc, threading, time
from pytest_timeline.spooldir import StatusPage

def looked_at():
    status, wanted = StatusPage("timeline/.spool/status"), time.monotonic_ns() + 40_000_000
    while (seen := status["heartbeat"]) < wanted:
        time.sleep(0.001)
    while status["heartbeat"] == seen:  # it looks after its beat
        time.sleep(0.001)

def test_a():
    looked_at()
    held = bytearray(64 << 20)
    for page in range(0, len(held), 4096):
        held[page] = 1
    cycle = []
    cycle.append(cycle)
    del cycle
    gc.collect()
    worker = threading.Thread(target=lambda: gc.collect(0), name="worker")
    worker.start()
    worker.join()
    looked_at()
def test_b():
    pass
"""
    run = run_once({"test_a.py": suite}, "--timeline", "--timeline-format=perfetto")
    path = trace(run, "test_a")
    errors, runs, about, memory = query(
        path,
        ERRORS,
        "select slice.name, track.name, slice.dur > 0 from slice join track on track.id = slice.track_id "
        "where category = 'gc' and slice.name in ('GC generation 2', 'GC generation 0') order by slice.ts",
        "select cast(display_value as integer) from slice join args using (arg_set_id) "
        "where category = 'gc' and key = 'debug.collected' and slice.name = 'GC generation 2'",
        "select max(value) - min(value), max(value), unit from counter join counter_track as track "
        "on track_id = track.id where track.name = 'memory'",
    )
    assert errors == []
    assert ("GC generation 2", "GC in MainThread", 1) in runs
    assert ("GC generation 0", "GC in worker", 1) in runs
    assert max(about)[0] >= 1
    if sys.platform == "linux":
        ((grown, most, unit),) = memory
        assert grown > 50 and most > 64 and unit == "MiB"
        (((values,),),) = query(trace(run, "test_b"), "select count(*) from counter")
        assert values >= 1  # what it held when the test began


def test_a_kind_that_is_none_is_an_error(run_once: Callable[..., Any]) -> None:
    for value, why in [("logs,films", "'films' is none of logs"), ("none,logs", "say none alone")]:
        run = run_once({"test_a.py": ""}, "--timeline", f"--timeline-record={value}")
        assert run.ret == pytest.ExitCode.USAGE_ERROR
        assert f"--timeline-record: {why}" in run.stderr
