"""What processes are called."""

from __future__ import annotations

import pytest

from pytest_timeline.collect.label import MAX_LENGTH, label


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["/usr/bin/python3.13", "-m", "foo.bar", "-v"], "python3.13 -m foo.bar"),
        (["python", "-X", "dev", "-I", "-W", "error", "/tmp/script.py", "-c"], "python script.py"),
        (["python", "-c", "import this"], "python -c"),
        (["python"], "python"),
        (["python", "-m"], "python -m"),
        (["/venv/bin/gunicorn", "app"], "gunicorn app"),
        (["/bin/sh", "-c", "cd place && ls"], "sh -c cd place && ls"),
        (["C:\\Python\\python.exe", "-m", "x"], "python.exe -m x"),
        ([""], "python"),
    ],
)
def test_a_command_line_gets_a_short_name(words: list[str], expected: str) -> None:
    assert label("\0".join(words).encode()) == expected


def test_a_label_is_never_long_and_takes_any_bytes() -> None:
    assert len(label(b"/bin/" + b"x" * 1000)) == MAX_LENGTH
    assert label(b"\xff\xfe") == "\ufffd\ufffd"
