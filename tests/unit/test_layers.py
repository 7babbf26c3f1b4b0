"""Imports point one way: recording and collecting meet only in what both may import."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_timeline

PACKAGE = "pytest_timeline"
SOURCE = Path(pytest_timeline.__file__).parent
RECORDING = ("plugin", "api", "session", "record", "_recorder")
COLLECTING = (
    "cli", "collect", "relay", "timeline", "export", "read", "show", "merge", "_codec", "_relay", "_reading",
)  # fmt: skip
SHARED = ("config", "spooldir", "outputs", "text")
SHARED = ("config", "spooldir", "outputs", "text")
HEAVY = (
    "isal",
    "orjson",
    f"{PACKAGE}._recorder",
    f"{PACKAGE}._codec",
    f"{PACKAGE}._relay",
    f"{PACKAGE}.config",
    f"{PACKAGE}.session",
)


def layer(module: str) -> str:
    """Return the part of the package that the module is in: "session" for pytest_timeline.session.main."""
    return module.removeprefix(f"{PACKAGE}.").split(".")[0]


def imports() -> Iterator[tuple[str, str]]:
    """Yield (importing module, imported module) for every import statement of the package, also those in functions."""
    for path in SOURCE.rglob("*.py"):
        importer = ".".join((PACKAGE, *path.relative_to(SOURCE).with_suffix("").parts))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((importer, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{importer}: a relative import"
                module = str(node.module)
                if module == PACKAGE or module.startswith(f"{PACKAGE}."):  # where a name may be a module
                    yield from ((importer, f"{module}.{alias.name}") for alias in node.names)
                else:
                    yield importer, module


def test_every_part_of_the_package_is_in_a_wing() -> None:
    parts = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or path.is_dir()} - {"__pycache__"}
    assert parts - {"__init__", "__main__", "viewer"} == {*RECORDING, *COLLECTING, *SHARED} - {
        "_recorder",
        "_codec",
        "_relay",
        "_reading",
    }


@pytest.mark.parametrize(
    ("wing", "others"),
    [(RECORDING, COLLECTING), (COLLECTING, RECORDING), (SHARED, (*RECORDING, *COLLECTING))],
    ids=["recording", "collecting", "shared"],
)
def test_no_wing_imports_the_other(wing: tuple[str, ...], others: tuple[str, ...]) -> None:
    found = [(importer, module) for importer, module in imports() if layer(importer) in wing]
    assert found
    ours = [(importer, module) for importer, module in found if module.startswith(f"{PACKAGE}.")]
    assert [(importer, module) for importer, module in ours if layer(module) in others] == []


def test_pytest_is_imported_by_the_plugin_s_side_only() -> None:
    importers = {layer(importer) for importer, module in imports() if module.split(".")[0] in ("pytest", "_pytest")}
    assert importers <= {"plugin", "session", "config"}


def test_the_lower_floors_of_the_collector_know_nothing_of_the_upper() -> None:
    order = ["_relay", "relay", "_codec", "_reading", "timeline", "export", "read", "show", "merge", "collect", "cli"]
    for importer, module in imports():
        if layer(importer) in order and layer(module) in order and module.startswith(f"{PACKAGE}."):
            assert order.index(layer(module)) <= order.index(layer(importer)), (importer, module)


def loaded_by(statement: str, *, after: str = "") -> set[str]:
    """Return the modules that `statement` loads in a fresh interpreter that has run `after`."""
    code = f"import sys\n{after}\nbefore = set(sys.modules)\n{statement}\nprint(*sorted(set(sys.modules) - before))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_TIMELINE")}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_plugin_alone_loads_nothing_heavy() -> None:
    """Every pytest run pays for it, also those that want no timeline."""
    loaded = loaded_by("import pytest_timeline.plugin", after="import pytest")
    assert {name for name in loaded if name.startswith(PACKAGE)} == {PACKAGE, f"{PACKAGE}.plugin"}
    assert loaded.isdisjoint(HEAVY)


def test_a_traced_child_loads_a_handful_of_light_modules() -> None:
    """Every Python that a test starts pays for it."""
    loaded = loaded_by("from pytest_timeline import _recorder, record, spooldir")
    ours = {name for name in loaded if name.startswith(PACKAGE)}
    assert ours == {PACKAGE, *(f"{PACKAGE}.{name}" for name in ("_recorder", "record", "spooldir"))}
    assert len(loaded - ours - {"gc"}) < 3  # gc is built in


@pytest.mark.parametrize("format", ["html", "perfetto", "chrome"])
def test_a_format_is_loaded_when_it_is_asked_for(format: str) -> None:
    formats = {f"{PACKAGE}.export.{name}" for name in ("html", "perfetto", "chrome")}
    assert loaded_by("import pytest_timeline.collect.follow").isdisjoint(formats)
    loaded = loaded_by(f"from pytest_timeline import export\nexport.make('{format}')")
    assert loaded & formats == {f"{PACKAGE}.export.{format}"}


def test_the_process_that_ships_loads_no_format_and_nothing_of_pytest() -> None:
    loaded = loaded_by("import pytest_timeline.collect.ship")
    assert {name.split(".")[0] for name in loaded}.isdisjoint({"pytest", "_pytest", "pluggy"})
    assert f"{PACKAGE}._recorder" not in loaded
    assert not any(name.startswith(f"{PACKAGE}.export") for name in loaded)


def test_the_collector_loads_neither_pytest_nor_the_recorder() -> None:
    modules = "collect.follow, cli, show.find, show.tree, show.lines, merge.merge".split(", ")
    loaded = loaded_by("import " + ", ".join(f"{PACKAGE}.{module}" for module in modules))
    assert {name.split(".")[0] for name in loaded}.isdisjoint({"pytest", "_pytest", "pluggy"})
    assert f"{PACKAGE}._recorder" not in loaded
