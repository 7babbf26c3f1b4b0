"""The files of several shards in one directory: linked where that can be, renamed where two are called alike."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import orjson

from pytest_timeline.export.page import json_script
from pytest_timeline.export.whole import WholeFile
from pytest_timeline.merge.shards import Shard
from pytest_timeline.outputs import ASSETS, COMBINED, SUFFIXES, TESTS
from pytest_timeline.read.html import HEAD, element

END = b"</script>"


class Placing:
    """Decides what every file of a test or a collection is called, and puts it there."""

    def __init__(self, shards: list[Shard], directory: Path) -> None:
        """Raises ValueError when the shards' files don't go together, OSError."""
        self._directory = directory
        self._shared = _shared(shards)
        self._names = _names(shards)

    def place(self, shard: Shard, warnings: list[str]) -> dict[str, str]:
        """Put the files of a shard's tests and collections in their places; return {old: new} of those that are there.

        Raises OSError.
        """
        names = self._names[shard.name]
        placed: dict[str, str] = {}
        missing = 0
        for file in [*_tests(shard), *_collections(shard)]:
            old = _stem(file)
            new = names.get(old, old)
            target = f"{TESTS}/{new}{file.removeprefix(f'{TESTS}/{old}')}"
            source = shard.directory / file
            if not source.is_file():
                missing += 1
                continue
            if new != old and file.endswith(SUFFIXES["html"]):
                _rename_page(source, self._directory / target, old, new)
            else:
                link(source, self._directory / target)
            placed[file] = target
        if missing:
            warnings.append(f"{shard.name}: {missing} of its files in {TESTS}/ are missing")
        return placed

    def place_combined(self, shard: Shard) -> dict[str, str]:
        """Put a shard's combined traces beside each other; return them by format and shard. Raises OSError."""
        placed = {}
        for format, file in shard.manifest["combined"].items():
            if (shard.directory / file).is_file():
                suffix = SUFFIXES.get(format.partition(" ")[0], "")
                stem = file.removesuffix(suffix).removeprefix(COMBINED)
                placed[f"{format} {shard.name}"] = f"{COMBINED}-{shard.name}{stem}{suffix}"
                link(shard.directory / file, self._directory / placed[f"{format} {shard.name}"])
        return placed

    def place_shared(self) -> list[str]:
        """Copy what pages share; return the files. Raises OSError."""
        for file, source in self._shared.items():
            target = self._directory / file
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, target)
        return [*self._shared]


def _shared(shards: list[Shard]) -> dict[str, Path]:
    """Return what the shards' pages share, and where to have it from."""
    found: dict[str, Path] = {}
    for shard in shards:
        for file in shard.manifest.get("report", []):
            source = shard.directory / file
            if os.path.dirname(file) != ASSETS or not source.is_file():
                continue
            other = found.setdefault(file, source)
            if other != source and other.read_bytes() != source.read_bytes():
                raise ValueError(f"{source} is not {other}: they are of different versions of pytest-timeline")
    return found


def link(source: Path, target: Path) -> None:
    """Make `target` the same file, or a copy where it can't be. Raises OSError."""
    target.parent.mkdir(exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another disk, or one that has no links
        shutil.copyfile(source, target)


def pages(placed: dict[str, str]) -> dict[str, str]:
    """Return {old: new} of the names of pages."""
    return {_stem(old): _stem(new) for old, new in placed.items() if old.endswith(SUFFIXES["html"])}


def _stem(file: str) -> str:
    """Return the name of a test's or a collection's file without its suffix. Raises ValueError for any other."""
    parent, name = os.path.split(file)
    suffix = next((suffix for suffix in SUFFIXES.values() if name.endswith(suffix)), None)
    if parent != TESTS or suffix is None:
        raise ValueError(f"{file!r} is no name of a test's file")
    return name.removesuffix(suffix)


def _names(shards: list[Shard]) -> dict[str, dict[str, str]]:
    """Return by shard {old: new} of the stems that change: those that another shard has too, and all collections'."""
    tests = {shard.name: {_stem(file) for file in _tests(shard)} for shard in shards}
    collections = {shard.name: {_stem(file) for file in _collections(shard)} for shard in shards}
    count = Counter(each for stems in tests.values() for each in stems)
    taken = set(count)
    names: dict[str, dict[str, str]] = {}
    for shard in tests:
        changing = {each for each in tests[shard] if count[each] > 1}
        if len(shards) > 1:
            changing |= collections[shard]
        names[shard] = {}
        for old in sorted(changing):
            new = f"{old}-{shard}"
            while new in taken:
                new += "-again"
            taken.add(new)
            names[shard][old] = new
    return names


def _tests(shard: Shard) -> list[str]:
    return [file for entry in shard.manifest["tests"] for file in entry["files"].values()]


def _collections(shard: Shard) -> list[str]:
    """Return the files beside the tests' that are of no test."""
    return [file for file in shard.manifest.get("report", []) if os.path.dirname(file) == TESTS]


def _rename_page(source: Path, target: Path, old: str, new: str) -> None:
    """Copy a page, whose head names the files beside it."""
    page = source.read_bytes()
    text = element(page, HEAD)
    head = orjson.loads(text)
    head["files"] = {format: file.replace(old, new, 1) for format, file in head["files"].items()}
    start = page.index(HEAD)
    target.parent.mkdir(exist_ok=True)
    with WholeFile(target) as file:
        file.write(page[:start])
        file.write(json_script("head", head))
        file.write(page[start + len(HEAD) + len(text) + len(END) :])
