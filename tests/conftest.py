"""Fixtures that run real pytest in a subprocess."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable

import pytest

from support.runs import Run, environment, run_in, without

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # under nohup; what the tests start would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["pytester"]


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """The same without plugins that are slow to load: the import of hypothesis takes longer than a whole run."""
    monkeypatch.setenv("PYTEST_ADDOPTS", without())
    return pytester


@pytest.fixture
def run_pytest(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Run pytest in the pytester directory."""
    for name in os.environ.keys() - environment().keys():
        monkeypatch.delenv(name)
    return functools.partial(run_in, pytester.path)


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Run pytest on files given by name, for all tests of a module: `run_once({"test_a.py": ...}, *arguments)`."""

    def run(files: dict[str, str], *arguments: str, **extra: str) -> Run:
        directory = tmp_path_factory.mktemp("run")
        for name, text in files.items():
            (directory / name).write_text(text, encoding="utf-8")
        return run_in(directory, *arguments, **extra)

    return run
