"""Whose code a file is, and what a C call waits for."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pytest_timeline.timeline.category import CATEGORIES, LIBRARY, OTHER, OWN, UNKNOWN, WAITS, C, Categories
from support.timelines import CALLABLE, STRING, names

RECORDER = Path(__file__).parents[2] / "ext" / "names.pxi"


@pytest.mark.parametrize(
    ("path", "category", "short", "package"),
    [
        ("ROOT/src/shop/cart.py", OWN, "src/shop/cart.py", "shop"),
        ("ROOT/shop/cart.py", OWN, "shop/cart.py", "shop"),
        ("ROOT/tests/test_a.py", OWN, "tests/test_a.py", "tests"),
        ("tests/test_a.py", OWN, "tests/test_a.py", "tests"),
        ("ROOT/conftest.py", OWN, "conftest.py", "conftest"),
        ("ROOT/myenv/tool.py", LIBRARY, "ROOT/myenv/tool.py", "tool"),
        ("ROOT/myenv/deep/er/tool.py", LIBRARY, "ROOT/myenv/deep/er/tool.py", "tool"),
        ("ROOT/x/lib/python3.13/site-packages/urllib3/util/wait.py", LIBRARY, "urllib3/util/wait.py", "urllib3"),
        ("/usr/lib/python3/dist-packages/six.py", LIBRARY, "six.py", "six"),
        ("/usr/lib/python3.13/asyncio/base_events.py", LIBRARY, "asyncio/base_events.py", "asyncio"),
        ("/usr/lib/python3.13/threading.py", LIBRARY, "threading.py", "threading"),
        ("/elsewhere/a.py", LIBRARY, "/elsewhere/a.py", "a"),
        ("ROOT2/a.py", LIBRARY, "ROOT2/a.py", "a"),
        ("<frozen importlib._bootstrap>", LIBRARY, "<frozen importlib._bootstrap>", "importlib"),
        ("<string>", LIBRARY, "<string>", ""),
    ],
)
def test_a_file_is_the_project_s_or_a_library_s(
    tmp_path: Path, path: str, category: str, short: str, package: str
) -> None:
    root = tmp_path / "root"
    (root / "myenv").mkdir(parents=True)
    (root / "myenv" / "pyvenv.cfg").touch()
    file = Categories(str(root)).file(path.replace("ROOT", str(root)))
    assert file[1:] == (short.replace("ROOT", str(root)).replace("/", os.sep), package, category)


def test_without_a_root_what_is_installed_is_a_library() -> None:
    categories = Categories()
    assert categories.file("/home/me/a.py").category == OWN
    assert categories.file("/usr/lib/python3.13/json/decoder.py").category == LIBRARY
    assert categories.file("/x/site-packages/a.py").category == LIBRARY


def test_c_calls_are_known_by_name() -> None:
    categories = Categories("/project")
    found = {
        name: categories.of(name, CALLABLE, "")
        for name in ("time.sleep", "select.epoll.poll", "select.poll.poll", "os.waitpid", "gc.collect", "len")
    }
    assert list(found.values()) == ["sleep", "await", "io", "subprocess", "gc", C]
    assert categories.of("ValueError", STRING, "") == UNKNOWN.category == OTHER


def test_all_that_the_recorder_counts_as_waiting_has_a_category() -> None:
    blocking = re.search(r'BLOCKING = frozenset\("""(.*?)"""', RECORDER.read_text(encoding="utf-8"), re.DOTALL)
    assert blocking is not None
    assert set(blocking[1].split()) <= set(WAITS)
    assert set(WAITS.values()) < set(CATEGORIES)


def test_a_meaning_is_remembered_once_it_is_known() -> None:
    categories, known = Categories(), names()
    meanings = categories.meanings(known)
    assert meanings[99] == UNKNOWN
    known.add(99, "late")
    assert meanings[99].text == "late"
    assert categories.meanings(known)[99] is meanings[99]
