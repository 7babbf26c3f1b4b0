"""span, instant and counter: what they write, what they bear, and that they are nothing where nothing is recorded."""

from __future__ import annotations

import asyncio
import functools
import json
import math
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pytest_timeline import counter, instant, span
from support.recording import environment, run_one

DOCS = Path(__file__).resolve().parents[2] / "docs" / "api.md"
CODES = {7: "instant", 8: "begin", 9: "end", 10: "counter"}


def told(directory: Path, program: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the marks of a program that is recorded, in order of time."""
    spool = run_one(directory, "start(machinery=['*/pytest_timeline/*'])\n" + program)
    marks = [record for thread in spool.threads.values() for record in thread.story if record.kind == "mark"]
    marks.sort(key=lambda record: record.tick)
    return [(CODES[record.id], json.loads(record.payload)) for record in marks]


def test_what_is_told_is_in_the_spool(tmp_path: Path) -> None:
    program = """
from pytest_timeline import counter, instant, span
with span("a", x=1, name="its own") as s:
    s.add(rows=3)
    instant('quote " and \\\\ and \\n', self=None)
    counter("queue", 3, unit="jobs")
    counter("share", 0.5)
    counter("large", 10**30)
    counter("yes", True)
    for value in (float("nan"), float("inf"), 10**400):
        counter("lost", value)
"""
    assert told(tmp_path, program) == [
        ("begin", {"id": 1, "name": "a", "args": {"x": 1, "name": "its own"}}),
        ("instant", {"name": 'quote " and \\ and \n', "cat": "user", "args": {"self": None}}),
        ("counter", {"name": "queue", "value": 3, "unit": "jobs"}),
        ("counter", {"name": "share", "value": 0.5}),
        ("counter", {"name": "large", "value": 1e30}),
        ("counter", {"name": "yes", "value": 1}),
        ("end", {"id": 1, "args": {"rows": 3}}),
    ]


def test_while_the_recording_is_suspended_only_ends_are_told(tmp_path: Path) -> None:
    program = """
from pytest_timeline import _recorder, counter, instant, span
across, within, fresh = span("across"), span("within"), span("fresh")
across.__enter__()
_recorder.suspend()
with across:
    with within: instant("untold"); counter("untold", 1)
fresh.__enter__()
across.__exit__(None, None, None)
_recorder.resume()
with fresh: pass
fresh.__exit__(None, None, None)
instant("told")
"""
    assert [(kind, what.get("name", what.get("id"))) for kind, what in told(tmp_path, program)] == [
        ("begin", "across"),
        ("end", 1),
        ("begin", "fresh"),
        ("end", 2),
        ("instant", "told"),
    ]


def test_spans_of_all_kinds_of_functions(tmp_path: Path) -> None:
    program = """
import asyncio, functools, threading
from pytest_timeline import span

@span("function")
def function(x): return x
@span("coroutine")
async def coroutine(x):
    await asyncio.sleep(0)
    return x
@span("generator")
def generator():
    try:
        got = yield 1
    except KeyError:
        got = "thrown"
    yield got
    return 3
@span("async generator")
async def async_generator():
    try:
        got = yield 1
    except KeyError:
        got = "thrown"
    yield got

assert function(1) == 1
assert asyncio.run(coroutine(2)) == 2
each = generator()
assert (next(each), each.send("sent")) == (1, "sent")
try:
    next(each)
except StopIteration as end:
    assert end.value == 3
each = generator()
assert (next(each), each.throw(KeyError)) == (1, "thrown")
each.close()

async def main():
    each = async_generator()
    assert (await anext(each), await each.asend("sent")) == (1, "sent")
    assert [item async for item in each] == []
    each = async_generator()
    assert (await anext(each), await each.athrow(KeyError)) == (1, "thrown")
    await each.aclose()
asyncio.run(main())
"""
    marks = told(tmp_path, program)
    names = {what["id"]: what["name"] for kind, what in marks if kind == "begin"}
    assert list(names.values()) == [
        "function",
        "coroutine",
        "generator",
        "generator",
        "async generator",
        "async generator",
    ]
    ends = [(names[what["id"]], what.get("args")) for kind, what in marks if kind == "end"]
    assert ends == [
        ("function", None),
        ("coroutine", None),
        ("generator", None),
        ("generator", {"exception": "GeneratorExit"}),
        ("async generator", None),
        ("async generator", {"exception": "GeneratorExit"}),
    ]


def test_a_span_may_be_entered_again_and_a_decorated_function_may_recurse(tmp_path: Path) -> None:
    program = """
from pytest_timeline import span
s = span("s")
with s:
    with s:
        s.add(inner=1)
    s.add(outer=1)

@span("down")
def down(n):
    if n: down(n - 1)
down(2)
"""
    marks = [(kind, what["id"], what.get("args")) for kind, what in told(tmp_path, program)]
    assert marks == [
        ("begin", 1, None),
        ("begin", 2, None),
        ("end", 2, {"inner": 1}),
        ("end", 1, {"outer": 1}),
        *(("begin", id, None) for id in (3, 4, 5)),
        *(("end", id, None) for id in (5, 4, 3)),
    ]


def test_any_value_is_told_within_bounds(tmp_path: Path) -> None:
    program = """
import sys
from pytest_timeline import instant
class Bad:
    def __repr__(self): raise KeyError("no")
class Worse:
    def __repr__(self): return 3
class Long:
    def __repr__(self): return "x" * 10**6
loop = []
loop.append(loop)
instant("values", text="x" * 2000, bad=Bad(), worse=Worse(), long=Long(), inf=float("inf"), big=1 << 100,
        huge=1 << 100_000, many=list(range(60)), loop=loop, keys={1: 2, "a": (True, None)}, lone="\\ud800",
        bytes=b"x", large=b"x" * 10**6, text_of_a_class=type("S", (str,), {})("sub"))
instant("much", **{f"k{i}": "x" * 900 for i in range(40)})
instant("n" * 300)
"""
    (_, values), (_, much), (_, name) = told(tmp_path, program)
    args = values["args"]
    assert args["text"] == "x" * 1000 + "... 1000 more"
    assert args["long"] == "x" * 1000 + f"... {10**6 - 1000} more"
    assert args["bad"] == "<Bad object, its repr raised KeyError>"
    assert args["worse"] == "<Worse object, its repr raised TypeError>"
    assert (args["inf"], args["big"], args["huge"]) == ("inf", str(1 << 100), "<int of 100001 bits>")
    assert args["many"] == [*range(50), "... 10 more"]
    assert args["large"] == "<bytes of 1000000 items>"
    assert args["loop"] == [[["[[...]]"]]]
    assert args["keys"] == {"1": 2, "a": [True, None]}
    assert (args["lone"], args["bytes"], args["text_of_a_class"]) == ("?", "b'x'", "'sub'")
    assert re.fullmatch(r"\d+ characters of arguments", much["args"]["left_out"])
    assert name["name"] == "n" * 200 + "... 100 more"


def test_what_interrupts_a_program_reaches_it(tmp_path: Path) -> None:
    program = """
from pytest_timeline import instant
class Interrupted:
    def __repr__(self): raise KeyboardInterrupt
try:
    instant("x", value=Interrupted())
except KeyboardInterrupt:
    instant("reached")
"""
    assert [what["name"] for _, what in told(tmp_path, program)] == ["reached"]


@pytest.mark.parametrize("tell", [span, instant, lambda name: counter(name, 1)])
def test_a_name_is_text(tell: Any) -> None:
    with pytest.raises(TypeError, match="the name must be a str, not int"):
        tell(3)
    with pytest.raises(ValueError, match="the name is empty"):
        tell("")


def test_a_counter_has_a_number() -> None:
    for value in (1, 1.5, True, Decimal("1.5"), math.nan, 10**400):
        counter("x", value)
    for wrong in ("3", b"3", None, 1j, [1]):
        with pytest.raises(TypeError, match="counter: the value must be a number, not"):
            counter("x", wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="the unit must be a str"):
        counter("x", 1, unit=3)  # type: ignore[arg-type]


def test_what_is_no_function_is_not_decorated() -> None:
    for wrong in (3, "f", classmethod(print), type("C", (), {})):
        with pytest.raises(TypeError, match="span decorates functions"):
            span("x")(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="the name must be a str"):
        span(print)  # type: ignore[arg-type]


def test_a_decorated_function_stays_what_it_is() -> None:
    @span("x")
    def function(a: int, *, b: int = 2) -> int:
        """Says something."""
        return a + b

    async def coroutine() -> int:
        return 3

    @span("x")
    def generator() -> Iterator[int]:
        yield from (1, 2)

    @span("x")
    async def async_generator() -> AsyncIterator[int]:
        yield 1
        yield 2

    async def gather() -> list[int]:
        return [item async for item in async_generator()]

    assert (function.__name__, function.__doc__) == ("function", "Says something.")
    assert function(1, b=3) == 4
    assert asyncio.run(span("x")(functools.partial(coroutine))()) == 3  # type: ignore[arg-type]
    assert list(generator()) == [1, 2]
    assert asyncio.run(gather()) == [1, 2]
    assert repr(span("x")) == "span('x')"
    with pytest.raises(ZeroDivisionError), span("x"):
        raise ZeroDivisionError


def test_importing_it_is_light() -> None:
    code = "import sys; from pytest_timeline import span, instant; print(*sys.modules)"
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{code}"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert {"orjson", "json", "asyncio", "typing", "inspect", "pytest"}.isdisjoint(done.stdout.split())
    with pytest.raises(ImportError):
        from pytest_timeline import nothing  # type: ignore[attr-defined]  # noqa: F401


def test_the_documentation_s_examples_run(pytester: pytest.Pytester) -> None:
    text = DOCS.read_text(encoding="utf-8").partition("\n## ")[0]  # those of assertions are about a shop
    examples = [re.sub("(?m)^    ", "", block) for block in re.findall(r"(?:^(?:    .*)?\n)+", text, re.MULTILINE)]
    pytester.makepyfile("\n".join(examples))
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
