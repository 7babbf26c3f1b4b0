"""`--timeline-args` from outside: one run with children, a worker, tasks and threads, read in every format."""

from __future__ import annotations

import json

import pytest

from pytest_timeline import cli
from support import trace_processor
from support.report import read

pytestmark = pytest.mark.skipif(trace_processor.missing() is not None, reason=str(trace_processor.missing()))

FILES = {
    "shop.py": """
class Cart:
    def __init__(self, owner): self.items, self.owner = [], owner
    def add(self, item, *, count=1):
        self.items += [item] * count
        return len(self.items)
    def drop(self, item): self.items.remove(item)
    @staticmethod
    def empty(): return ""
    def __repr__(self): return f"<cart of {self.owner}>"
def login(password): return "secret " + password
""",
    "test_it.py": """
import asyncio, subprocess, sys, threading
import pytest, shop
def test_cart():
    cart = shop.Cart("me")
    assert cart.add("apple", count=2) == 2
    shop.login("hunter2")
    shop.Cart.empty()
    with pytest.raises(ValueError): cart.drop("plum")
    thread = threading.Thread(target=cart.add, args=("pear",)); thread.start(); thread.join()
    program = "import shop; shop.Cart('child').add('plum')"
    subprocess.run([sys.executable, "-c", program], check=True)
async def fetch(n):
    await asyncio.sleep(0.001)
    return n * 2
async def main():
    return await asyncio.gather(fetch(1), fetch(2))
def test_tasks():
    assert asyncio.run(main()) == [2, 4]
""",
}
OPTIONS = ("--timeline", "--timeline-format=html,perfetto,chrome", "-p", "no:cacheprovider")
PATTERNS = ("--timeline-args=Cart.*", "--timeline-args=test_it.fetch", "--timeline-args=Card.add")
TOLD = """
    select slice.name, args.key, args.string_value, thread.name
    from slice join args using (arg_set_id) join thread_track on slice.track_id = thread_track.id
    join thread using (utid)
    where args.key glob '*.arguments.*' or args.key glob '*.returned' order by slice.ts, args.key"""
OF_TASKS = """
    select args.key, args.string_value from slice join args using (arg_set_id)
    where slice.name = 'fetch' and (args.key glob '*.arguments.*' or args.key glob '*.returned')"""


@pytest.fixture(scope="module", params=[(), ("-n2",)], ids=["alone", "xdist"])
def run(request, run_once):
    if request.param:
        pytest.importorskip("xdist")
    run = run_once(FILES, *OPTIONS, *PATTERNS, *request.param)
    assert run.ret == 0, run.stdout
    return run


def short(key: str) -> str:
    return key.partition(".")[2]


@pytest.mark.parametrize("format", ["perfetto", "chrome"])
def test_functions_in_threads_and_children(run, format):
    file = run.directory / "timeline" / run.tests["test_cart"]["files"][format]
    rows, errors = trace_processor.query(file, TOLD, trace_processor.ERRORS)
    assert errors == []
    assert {(name, short(key), value) for name, key, value, *_ in rows if "object at" not in value} == {
        ("Cart.__init__", "arguments.owner", "'me'"),
        ("Cart.__init__", "arguments.owner", "'child'"),
        ("Cart.__init__", "returned", "None"),
        ("Cart.add", "arguments.self", "<cart of me>"),
        ("Cart.add", "arguments.item", "'apple'"),
        ("Cart.add", "arguments.count", "2"),
        ("Cart.add", "returned", "2"),
        ("Cart.add", "arguments.item", "'pear'"),
        ("Cart.add", "arguments.count", "1"),
        ("Cart.add", "returned", "3"),
        ("Cart.add", "arguments.self", "<cart of child>"),
        ("Cart.add", "arguments.item", "'plum'"),
        ("Cart.add", "returned", "1"),
        ("Cart.drop", "arguments.self", "<cart of me>"),
        ("Cart.drop", "arguments.item", "'plum'"),
        ("Cart.empty", "returned", "''"),
    }
    assert len({thread for *_, thread in rows}) == 2


@pytest.mark.parametrize("format", ["perfetto", "chrome"])
def test_a_task_tells_on_its_own_track(run, format):
    file = run.directory / "timeline" / run.tests["test_tasks"]["files"][format]
    rows, errors = trace_processor.query(file, OF_TASKS, trace_processor.ERRORS)
    assert errors == []
    found = [(short(key), value) for key, value in rows]
    assert sorted(found) == sorted(
        [("arguments.n", "1"), ("arguments.n", "2"), ("returned", "2"), ("returned", "4")] * 2  # on the thread's, too
    )


def test_the_page_has_the_same(run):
    page = read(run.directory / "timeline" / run.tests["test_cart"]["files"]["html"])
    told = [what for values in page.model["values"].values() for _, _, *what in values]
    assert [{"self": "<cart of me>", "item": "'apple'", "count": "2"}, "2"] in told
    assert [{"self": "<cart of child>", "item": "'plum'", "count": "1"}, "1"] in told
    tracks = {page.head["tracks"][int(track)]["kind"] for track in page.model["values"]}
    assert tracks == {"thread"}


@pytest.mark.parametrize("test", ["test_cart", "test_tasks"])
def test_show_has_the_same_from_every_format(run, test, capsys):
    told = {}
    for format, file in run.tests[test]["files"].items():
        assert cli.main(["show", str(run.directory / "timeline" / file), "--json"]) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        names = {line["id"]: line["name"] for line in lines if line["type"] == "track"}
        told[format] = sorted(  # as text, for the order of the keys
            json.dumps([names[line["track"]], line["id"], line["name"], line["args"]])
            for line in lines
            if line["type"] == "slice" and line.get("args", {}).keys() & {"arguments", "returned"}
        )
    assert told["html"] == told["perfetto"] == told["chrome"]
    expected = {
        "test_cart": [
            '"Cart.add", {"arguments": {"self": "<cart of me>", "item": "\'apple\'", "count": "2"}, "returned": "2"}]',
            '"Cart.empty", {"returned": "\'\'"}]',  # nothing that it was called with
            '"Cart.drop", {"arguments": {"self": "<cart of me>", "item": "\'plum\'"}, "exception": ',  # or ?
        ],
        "test_tasks": ['"fetch", {"arguments": {"n": "2"}, "yielded": true}]'],
    }
    assert all(any(part in line for line in told["html"]) for part in expected[test])


def test_of_the_others_there_is_nothing_anywhere(run):
    page = read(run.directory / "timeline" / run.tests["test_cart"]["files"]["html"])
    assert b"'hunter2'" not in b"".join(
        block for about, block in zip(page.head["blocks"], page.blocks, strict=True) if about["kind"] != "source"
    )


def test_a_pattern_that_means_nothing_is_told(run):
    (warning,) = run.manifest["warnings"]
    assert "no function that was recorded matches 'Card.add'" in warning
    assert warning in run.stdout
