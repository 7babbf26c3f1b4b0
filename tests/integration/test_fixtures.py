"""Fixtures on the test's track: made or reused, with scope and parameter, and arrows through all uses of one."""

from __future__ import annotations

import json

import pytest

from support import report, trace_processor
from support.runs import without
from support.trace_processor import query

needs_engine = pytest.mark.skipif(trace_processor.missing() is not None, reason=str(trace_processor.missing()))

SUITE = """
    import pytest

    @pytest.fixture(scope="session")
    def db():
        yield 1

    @pytest.fixture(scope="module", params=["a", "b"])
    def table(request, db):
        request.addfinalizer(lambda: None)
        return request.param

    @pytest.fixture
    def late(request):
        return request.getfixturevalue("db")

    @pytest.fixture(autouse=True)
    def quiet():
        pass

    @pytest.fixture(scope="module")
    def broken():
        raise OSError("no host")

    def test_make(db): pass
    def test_tables(table): pass
    def test_late(late): pass
    def test_in_call(request): assert request.getfixturevalue("db") == 1
    def test_broken(broken): pass
    def test_broken_again(broken): pass
    def test_none(tmp_path): pass
"""
SPANS = """
    select s.name, extract_arg(s.arg_set_id, '{0}.scope'), extract_arg(s.arg_set_id, '{0}.param'),
        coalesce(extract_arg(s.arg_set_id, '{0}.made_in'), ''), p.name
    from slice s join slice p on s.parent_id = p.id where s.category = 'fixture' order by s.ts
"""
ARROWS = """
    select a.name, b.name, a.ts < b.ts from flow
    join slice a on a.id = slice_out join slice b on b.id = slice_in where a.category = 'fixture' order by a.ts
"""


@needs_engine
def test_set_up_reuse_and_tear_down_are_slices_with_arrows(pytester, run_pytest):
    pytester.makepyfile(test_f=SUITE)
    run = run_pytest("--timeline", "--timeline-mode=both", "--timeline-format=html,perfetto,chrome")
    assert run.manifest["warnings"] == []
    made = "test_f.py::test_make"
    told = []
    for file, prefix in (("combined.pftrace.gz", "debug"), ("combined.json.gz", "args")):
        spans, arrows, errors = query(
            pytester.path / "timeline" / file, SPANS.format(prefix), ARROWS, trace_processor.ERRORS
        )
        assert errors == []
        assert [(name, parent) for name, *_, parent in spans].count(("quiet", "setup")) == 6
        told.append((spans, arrows))
        of_db = [(scope, origin, parent) for name, scope, _, origin, parent in spans if name == "db"]
        assert of_db == [
            ("session", "", "setup"),
            ("session", made, "setup"),
            ("session", made, "setup"),
            ("session", made, "setup"),
            ("session", made, "call"),
        ]
        tables = [(name, param, parent) for name, _, param, _, parent in spans if name.startswith("table")]
        assert tables == [
            ("table", "a", "setup"),
            ("table tear-down", None, "setup"),
            ("table", "b", "setup"),
            ("table tear-down", None, "teardown"),
        ]
        assert [origin for name, _, _, origin, _ in spans if name == "broken"] == ["", "test_f.py::test_broken"]
        assert ("broken", "broken", 1) in arrows
        assert ("tmp_path tear-down", "function", None, "", "teardown") in spans
        assert [arrow for arrow in arrows if arrow[0] == "db"] == [
            ("db", "db", 1),
            ("db", "db", 1),
            ("db", "db", 1),
            ("db", "db", 1),
            ("db", "db tear-down", 1),
        ]
        assert [arrow[:2] for arrow in arrows if arrow[0] == "table"] == [("table", "table tear-down")] * 2
    assert told[0] == told[1]


@needs_engine
def test_a_test_of_its_own_has_arrows_between_what_is_in_it_only(pytester, run_pytest):
    pytester.makepyfile(test_f=SUITE)
    run = run_pytest("--timeline", "-k", "test_tables", "--timeline-format=html,perfetto,chrome")
    # The first test's table is torn down in the second's set-up; the second's, and what all used, when both are over.
    last = [("table", "table tear-down"), ("db", "db tear-down")]
    for name, expected in (("test_tables[a]", []), ("test_tables[b]", last)):
        files = run.tests[name]["files"]
        for format in ("perfetto", "chrome"):
            arrows, errors = query(pytester.path / "timeline" / files[format], ARROWS, trace_processor.ERRORS)
            assert errors == []
            assert [arrow[:2] for arrow in arrows] == expected
        page = report.read(pytester.path / "timeline" / files["html"])
        assert len(page.model["flows"]) == len(expected)
    index = (pytester.path / "timeline" / "index.html").read_text(encoding="utf-8")
    run_data = json.loads(report.Elements(index).scripts["run"])
    assert [fixture[:3] for fixture in run_data["fixtures"] if fixture[0] == "db"] == [["db", "session", 1]]


def test_finalizers_that_come_after_the_set_up_are_a_tear_down(pytester, run_pytest):
    pytester.makepyfile(
        test_f="""
        import pytest

        @pytest.fixture(scope="module")
        def places(request): return request

        @pytest.fixture
        def make(request, places):
            def make(name):
                request.addfinalizer(lambda: places.addfinalizer(lambda: None))
                return name
            return make

        @pytest.fixture
        def plain(places): return 1

        def test_one(make): make("a"), make("b")
        def test_two(plain): pass
        """
    )
    run = run_pytest("--timeline", "--timeline-format=html")
    assert run.manifest["warnings"] == []
    found = {}
    for name, test in run.tests.items():
        page = report.read(pytester.path / "timeline" / test["files"]["html"])
        (at,) = [at for at, track in enumerate(page.head["tracks"]) if track["kind"] == "test"]
        found[name] = [row[3] for row in page.model["rows"][str(at)] if row[3].endswith(" tear-down")]
    assert found == {"test_one": ["make tear-down"], "test_two": ["places tear-down"]}


def test_async_fixtures_have_their_tear_down(pytester, run_pytest):
    pytest.importorskip("pytest_asyncio")
    pytester.makepyfile(
        """
        import pytest, pytest_asyncio

        @pytest_asyncio.fixture(scope="module", loop_scope="module")
        async def server():
            yield "server"

        @pytest.mark.asyncio(loop_scope="module")
        async def test_first(server): assert server == "server"

        @pytest.mark.asyncio(loop_scope="module")
        async def test_second(server): assert server == "server"
        """
    )
    run = run_pytest("--timeline", "--timeline-format=html", "-p", "asyncio", PYTEST_ADDOPTS=without("asyncio"))
    rows = []
    for name in ("test_first", "test_second"):
        page = report.read(pytester.path / "timeline" / run.tests[name]["files"]["html"])
        (test,) = [at for at, track in enumerate(page.head["tracks"]) if track["kind"] == "test"]
        rows.append([(row[3], (row[5] or {}).get("made_in")) for row in page.model["rows"][str(test)]])
    assert ("server", None) in rows[0]
    assert ("server", run.manifest["tests"][0]["nodeid"]) in rows[1]
    assert ("server tear-down", None) in rows[1]
