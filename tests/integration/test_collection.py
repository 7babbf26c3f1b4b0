"""Before the first test: the imports of conftest files and test modules, and runs that come to nothing before it."""

from __future__ import annotations

import json
import os
import re
import sys

import pytest

from support import trace_processor

needs_engine = pytest.mark.skipif(trace_processor.missing() is not None, reason=str(trace_processor.missing()))

TRACE = ("--timeline", "--timeline-mode=both", "--timeline-format=perfetto")
STORY = """
    select slice.name from slice join process_track on slice.track_id = process_track.id
    where slice.category = 'test' and slice.depth <= 1 order by slice.ts, slice.depth"""
IMPORTS = """
    with recursive above as (
        select id as module, parent_id, '' as inside from slice where name glob 'import *'
        union all
        select above.module, slice.parent_id, case when slice.name glob 'import *' then slice.name || ' > ' else '' end
            || above.inside
        from above join slice on above.parent_id = slice.id)
    select above.inside || slice.name from above join slice on slice.id = above.module
    where above.parent_id is null order by slice.ts"""


@pytest.fixture
def shop(pytester):
    """A project whose conftest files and test modules import each other's modules."""
    pytester.makeini("[pytest]\npythonpath = .")
    for name, text in {
        "conftest.py": "import shop.cart",
        "shop/__init__.py": "",
        "shop/cart.py": "import shop.price\ndef add(): pass\nadd()",
        "shop/price.py": "",
        "shop/mail.py": "",
        "tests/unit/conftest.py": "import shop.mail",
        "tests/unit/test_cart.py": "def test_cart(): pass",
        "tests/test_price.py": "import shop.late\ndef test_price(): pass\nclass TestX:\n    def test_y(self): pass",
        "shop/late.py": "",
    }.items():
        path = pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return pytester


def imports(path):
    """Return each import of the trace with those around it, of the modules in the project; in order."""
    errors, rows = trace_processor.query(path, trace_processor.ERRORS, IMPORTS)
    assert errors == []
    return [row for (row,) in rows if re.search(r"(shop|conftest|test_)[.\w]*$", row)]


FIRST = ["import conftest", *(f"import conftest > import {name}" for name in (
    "shop", "shop.cart", "shop.cart > import shop.price"
))]  # fmt: skip
LATER = [
    "import test_price",
    "import test_price > import shop.late",
    "import conftest",
    "import conftest > import shop.mail",
    "import test_cart",
]


@needs_engine
def test_nested_imports_are_in_the_combined_trace_and_in_the_collection_s_own(shop, run_pytest):
    run = run_pytest(*TRACE)
    assert run.ret == 0, run.stdout
    for name in ("combined.pftrace.gz", run.manifest["collection"]["files"]["perfetto"]):
        found = imports(run.directory / "timeline" / name)
        assert found[:4] == FIRST
        assert sorted(found[4:]) == sorted(LATER)
    errors, story = trace_processor.query(
        run.directory / "timeline" / "tests" / "collection.pftrace.gz", trace_processor.ERRORS, STORY
    )
    assert errors == []
    names = [name for (name,) in story]
    assert names[:3] == ["start-up", "first conftests", "collection"]
    assert sorted(names[3:]) == ["collect tests/test_price.py", "collect tests/unit/test_cart.py"]


def test_the_imports_are_in_the_manifest_and_in_the_run_page(shop, run_pytest):
    run = run_pytest("--timeline")
    collection = run.manifest["collection"]
    rows = {name: (via, modules) for name, _, _, _, via, modules in collection["imports"]}
    assert rows["shop.price"] == rows["shop.cart"] == ("conftest.py", 1)
    assert rows["shop.late"] == (os.path.join("tests", "test_price.py"), 1)
    assert rows["test_price"] == ("", 1)
    own = [row[1] for row in collection["imports"]]
    assert own == sorted(own, reverse=True)
    assert 0 < sum(own) < collection["duration"]
    assert all(0 <= own <= total for _, own, total, *_ in collection["imports"])
    page = (run.directory / "timeline" / "index.html").read_text(encoding="utf-8")
    (lane,) = json.loads(re.search(r'id="run">(.*?)</script>', page, re.DOTALL)[1])["lanes"]
    begin, end = lane["collection"]
    assert {"conftest", "test_cart", "test_price"} <= {name for name, *_ in lane["modules"]}
    assert all(begin <= start and start + total <= end for _, _, start, total, _ in lane["modules"])
    assert (run.directory / "timeline" / "tests" / f"{lane['page']}.html").exists()
    again = run_pytest("--timeline", "--timeline-format=perfetto")
    assert "collection.html" not in os.listdir(again.directory / "timeline" / "tests")


@needs_engine
def test_workers_and_their_controller(shop, run_pytest):
    pytest.importorskip("xdist")
    run = run_pytest(*TRACE, "-n", "2")
    assert run.ret == 0, run.stdout
    assert run.manifest["warnings"] == []
    for worker in ("gw0", "gw1"):
        found = imports(run.directory / "timeline" / "tests" / f"collection-{worker}.pftrace.gz")
        assert found[:4] == FIRST
        assert sorted(found[4:]) == sorted(LATER)
    everything = imports(run.directory / "timeline" / "combined.pftrace.gz")
    assert everything.count(FIRST[-1]) == 3
    assert run.manifest["collection"]["worker"] in ("gw0", "gw1")


@pytest.mark.parametrize("how", ["timeline = true", "native", "addopts"])
def test_switched_on_in_the_configuration(shop, run_pytest, how):
    if how == "native":
        if int(pytest.__version__.split(".")[0]) < 9:
            pytest.skip("pytest 9 reads it")
        (shop.path / "tox.ini").unlink()
        (shop.path / "pyproject.toml").write_text(
            '[tool.pytest]\ntimeline = true\npythonpath = ["."]', encoding="utf-8"
        )
    else:
        shop.makeini(f"[pytest]\npythonpath = .\n{'addopts = --timeline' if how == 'addopts' else how}")
    rows = run_pytest().manifest["collection"]["imports"]
    assert "conftest.py" in [via for name, _, _, _, via, _ in rows if name == "shop.price"]


def left(directory):
    """Return every file in the directory with what is in it."""
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


BROKEN = {
    "conftest": "raise ValueError('broken')",
    "exit": "import pytest\npytest.exit('enough')",
    "interrupt": "raise KeyboardInterrupt",
    "usage": "import pytest\ndef pytest_configure(): raise pytest.UsageError('not so')",
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("before", [True, False])
def test_a_run_that_fails_before_its_session_leaves_no_trace(pytester, run_pytest, broken, before):
    pytester.makepyfile("def test_a(): pass")
    directory = pytester.path / "timeline"
    if before:
        assert run_pytest("--timeline").ret == 0
    files = left(directory)
    pytester.makeconftest(BROKEN[broken])
    without, run = run_pytest("-p", "no:cacheprovider"), run_pytest("-p", "no:cacheprovider", "--timeline")
    assert (run.ret, run.stdout) == (without.ret, without.stdout)
    assert run.stderr.splitlines()[-1:] == without.stderr.splitlines()[-1:]  # above it we are in a traceback
    assert left(directory) == files
    assert directory.exists() is before
    assert not (directory / ".spool").exists()


@pytest.mark.skipif(not hasattr(os, "execv") or sys.platform == "win32", reason="exec")
def test_a_conftest_that_starts_pytest_anew(pytester, run_pytest):
    pytester.makeconftest(
        """
        import os, sys
        if "AGAIN" not in os.environ:
            os.environ["AGAIN"] = "1"
            os.execv(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[1:]])
        """
    )
    pytester.makepyfile("def test_a(): pass")
    run = run_pytest("--timeline")
    assert run.ret == 0, run.stderr
    assert run.outcomes == {"test_a": "passed"}
    assert run.manifest["warnings"] == []


@needs_engine
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_death_while_a_conftest_is_imported_is_in_a_timeline(pytester, run_pytest):
    pytester.makeconftest("import os\ndef dive(): os.kill(os.getpid(), 9)\ndive()")
    run = run_pytest("--timeline", "--timeline-format=perfetto")
    assert run.ret == -9
    wait_for(run.directory / "timeline" / "run.json")
    path = run.directory / "timeline" / "tests" / "collection.pftrace.gz"
    errors, died = trace_processor.query(
        path,
        trace_processor.ERRORS,
        "select slice.name from slice join args using (arg_set_id) where key glob '*died' order by slice.depth",
    )
    assert errors == []
    assert [name for (name,) in died if name in ("import conftest", "dive")] == ["import conftest", "dive"]


def wait_for(path):
    import time

    deadline = time.monotonic() + 300
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("option", ["--help", "--version", "--markers", "--collect-only", "--fixtures", "--cache-show"])
def test_nothing_is_recorded_where_no_test_runs(pytester, run_pytest, option):
    pytester.makeini("[pytest]\ntimeline = true")
    pytester.makeconftest("import os\nassert 'PYTEST_TIMELINE_SPOOL' not in os.environ")
    assert run_pytest(option).ret in (0, 5)
    assert not (pytester.path / "timeline").exists()


def test_a_conftest_that_wants_something_else(pytester, run_pytest):
    """What was recorded by then is left out: it was recorded as nobody wanted it."""
    pytester.makeconftest("def pytest_cmdline_main(config): config.option.timeline_dir = 'elsewhere'")
    pytester.makepyfile("def test_a(): pass")
    run = run_pytest("--timeline")
    assert run.ret == 0
    assert not (run.directory / "timeline").exists()
    manifest = json.loads((run.directory / "elsewhere" / "run.json").read_text(encoding="utf-8"))
    assert [test["outcome"] for test in manifest["tests"]] == ["passed"]


def test_a_session_within_a_session_that_fails_early(pytester, run_pytest):
    pytester.makepyfile(
        """
        from pytest_timeline import _recorder

        pytest_plugins = ["pytester"]

        def test_outer(pytester):
            pytester.makeconftest("raise ValueError")
            assert pytester.runpytest_inprocess("--timeline").ret == 4
            assert not (pytester.path / "timeline").exists()
            assert _recorder.active()
        """
    )
    run = run_pytest("--timeline")
    assert run.ret == 0, run.stdout
    assert run.outcomes == {"test_outer": "passed"}
