"""collect/imports.py: who imported what, and how long each took itself."""

from __future__ import annotations

from pytest_timeline._codec import Names, Slices, named
from pytest_timeline.collect import imports
from pytest_timeline.timeline.category import Categories
from support.timelines import CODE, Row, random_rows, slices, thread, timeline

ROOT = "/home/shop"
LIBRARY = "/usr/lib/python3.13/site-packages"
LOADER = 1
OWN = {10: ("import conftest", "conftest.py"), 11: ("import test_a", "test_a.py"), 12: ("import cart", "cart.py")}
LIBRARIES = {20: "import numpy", 21: "import numpy.core", 22: "import numpy.core.flat", 23: "import attr"}
CATEGORIES = Categories(ROOT)


def known() -> Names:
    names = Names()
    files = iter(range(100, 200))

    def add(id: int, text: str, path: str) -> None:
        file = next(files)
        names.add(file, path)
        names.add(id, text, CODE, file, 1)

    add(LOADER, imports.LOADER, "<frozen importlib._bootstrap_external>")
    add(2, "work", f"{ROOT}/cart.py")
    for id, (text, path) in OWN.items():
        add(id, text, f"{ROOT}/{path}")
    for id, text in LIBRARIES.items():
        add(id, text, f"{LIBRARY}/{text.removeprefix('import ').replace('.', '/')}.py")
    return names


def modules(*rows: Row) -> list[imports.Module]:
    return imports.imported(timeline(thread(slices(*rows), known())), CATEGORIES)


def test_own_time_is_without_what_a_module_imports() -> None:
    found = modules(
        (0, 100, 10, 0), (10, 90, 2, 1), (20, 60, LOADER, 2), (30, 50, 12, 3),
        (200, 300, 2, 0), (210, 290, 11, 1),
    )  # fmt: skip
    assert [(each.name, each.start, each.total, each.own) for each in found] == [
        ("conftest", 0, 100, 60),
        ("cart", 20, 40, 40),  # with reading it, which its loader does
        ("test_a", 210, 80, 80),
    ]
    assert [each.importer and each.importer.name for each in found] == [None, "conftest", None]
    assert [each.name for each in imports.outermost(found)] == ["conftest", "test_a"]


def test_a_loader_that_ended_is_around_nothing() -> None:
    found = modules((0, 10, LOADER, 0), (1, 9, 23, 1), (20, 30, 2, 0), (21, 29, 11, 1))
    assert [(each.name, each.start, each.total) for each in found] == [("attr", 0, 10), ("test_a", 21, 8)]


def test_a_library_is_one_row_of_the_table() -> None:
    found = modules(
        (0, 1000, 11, 0), (100, 600, 20, 1), (200, 300, 21, 2), (210, 290, 23, 3), (400, 500, 22, 2),
        (700, 760, 22, 1), (800, 900, 12, 1),
    )  # fmt: skip
    rows = imports.table(found, CATEGORIES)
    assert [(row.name, row.own, row.total, row.file, row.via, row.modules) for row in rows] == [
        ("numpy", 480, 560, "numpy.py", "test_a.py", 4),
        ("test_a", 340, 1000, "test_a.py", "", 1),
        ("cart", 100, 100, "cart.py", "test_a.py", 1),
        ("attr", 80, 80, "attr.py", "test_a.py", 1),
    ]
    assert rows[0].seconds(2.0) == ["numpy", 0.000001, 0.000001, "numpy.py", "test_a.py", 4]


def test_a_thread_that_recorded_nothing() -> None:
    assert imports.imported(timeline(), CATEGORIES) == []
    assert modules((0, 10, 2, 0)) == []


def test_the_named_slices_are_those_of_a_naive_search() -> None:
    for seed in range(20):
        rows = random_rows(seed, 300, first=0, shortest=1)
        made: Slices = slices(*rows)
        wanted = {10, 15, 22}
        places: dict[int, int] = {}
        expected = []
        for at, row in enumerate(rows):
            if row[2] in wanted:
                above = at
                around = -1
                depth = row[3]
                while around < 0 and depth > 0:
                    above = next(i for i in range(above - 1, -1, -1) if rows[i][3] == depth - 1)
                    depth -= 1
                    around = places.get(above, -1)
                places[at] = len(expected)
                expected.append((row[2], row[0], row[1], row[3], around))
        assert named(made, wanted) == expected
