"""The source that a page brings along: the functions that ran, bounded."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from pytest_timeline.export import source
from pytest_timeline.export.source import excerpts

TEXT = '''\
import a

@one
@two(
    3,
)
def decorated(
    x,
    y=")",
):
    """Doc."""

    if x:

        return y


class K:
    async def method(self):
        await self
        # a comment

    def next(self): return 1

    value = lambda: (
        2
    )

def last():
    pass
'''


def lines(first: int, last: int) -> str:
    return "".join(TEXT.splitlines(keepends=True)[first - 1 : last])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text(TEXT)
    return tmp_path


@pytest.mark.parametrize(("first", "last"), [(3, 15), (19, 21), (23, 23), (29, 30), (18, 27)])
def test_a_function_is_there_whole_with_its_decorators(file: Path, first: int, last: int) -> None:
    assert excerpts(str(file), [("a.py", first)]) == {"a.py": [(first, lines(first, last))]}


def test_excerpts_are_in_order_and_do_not_overlap(file: Path) -> None:
    found = excerpts(str(file), [("a.py", 29), ("a.py", 19), ("a.py", 18), ("a.py", 23)])
    assert found == {"a.py": [(18, lines(18, 27)), (29, lines(29, 30))]}


def test_what_can_not_be_read_is_left_out(file: Path) -> None:
    (file / "bad.py").write_bytes(b"\xff\xfe\x00")
    (file / "coding.py").write_bytes(b"# coding: nonsense\n")
    (file / "dir.py").mkdir()
    functions = [("bad.py", 1), ("coding.py", 1), ("dir.py", 1), ("none.py", 1), ("a.py", 0), ("a.py", 999), ("\0", 1)]
    assert excerpts(str(file), functions) == {}


def test_a_page_has_a_bound(tmp_path: Path) -> None:
    body = "".join(f"    x{number} = '{'x' * 60}'\n" for number in range(1_000))
    for number in range(100):
        (tmp_path / f"f{number}.py").write_text(f"def f():\n{body}")
    found = excerpts(str(tmp_path), [(f"f{number}.py", 1) for number in range(100)])
    assert list(found)[:2] == ["f0.py", "f1.py"]
    texts = [text for ranges in found.values() for _, text in ranges]
    assert 0.8 * source.MAX_CHARACTERS < sum(map(len, texts)) <= source.MAX_CHARACTERS
    assert {text.count("\n") for text in texts} == {source.MAX_LINES}


def test_real_code_ends_where_the_parser_says() -> None:
    path = inspect.getsourcefile(inspect)
    assert path is not None
    text = Path(path).read_text(encoding="utf-8")
    checked = 0
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno < source.MAX_LINES:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            ((_, found),) = excerpts("", [(path, first)])[path]
            length = (node.end_lineno or 0) - first + 1
            assert len(found.splitlines()) >= length, node.name
            assert all(line.strip()[:1] in ("", "#") for line in found.splitlines()[length:]), node.name
            checked += 1
    assert checked > 100
