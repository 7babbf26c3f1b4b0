"""Every `pytest` command of the options' page runs in a project, and writes what it says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

OPTIONS = (Path(__file__).parents[2] / "docs" / "options.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    pytest (.*)$", OPTIONS, re.MULTILINE)
PROJECT = {
    "src/shop/cart.py": "class Cart:\n    def add(self, name): return name\n",
    "src/shop/payment.py": "def charge(amount): return amount\n",
    "src/shop/stock.py": "def left(): return 3\n",
    "tests/test_shop.py": """
        import logging, time
        from shop.cart import Cart
        from shop.payment import charge
        from shop.stock import left

        def test_buys():
            logging.error("low")
            print("sold", Cart().add("bread"), charge(2), left())
            time.sleep(0.001)
    """,
}


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 12


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page(pytester: pytest.Pytester, run_pytest, command: str) -> None:
    for name, text in PROJECT.items():
        path = pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(line.removeprefix("        ") for line in text.splitlines()), encoding="utf-8")
    pytester.makeini("[pytest]\npythonpath = src")
    words = shlex.split(command)
    run = run_pytest(*words)
    assert run.ret == 0, run.stdout + run.stderr
    (directory,) = [word.partition("=")[2] for word in words if word.startswith("--timeline-dir=")] or ["timeline"]
    manifest = json.loads((pytester.path / directory / "run.json").read_text(encoding="utf-8"))
    assert manifest["warnings"] == []
    (test,) = manifest["tests"]
    assert test["outcome"] == "passed"
    assert all((pytester.path / directory / file).exists() for file in test["files"].values())
    assert test["files"]
