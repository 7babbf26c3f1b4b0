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
    """Decides what every test's files are called, and puts them there."""

    def __init__(self, shards: list[Shard], directory: Path) -> None:
        """Raises ValueError when the shards' files don't go together, OSError."""
        self._directory = directory
        self._shared = _shared(shards)
        self._taken = Counter(stem for shard in shards for stem in _stems(shard))

    def names(self, shard: Shard) -> dict[str, str]:
        """Return {old: new} of those stems of a shard's files that another shard has too."""
        return {stem: f"{stem}-{shard.name}" for stem in _stems(shard) if self._taken[stem] > 1}

    def place_tests(self, shard: Shard, warnings: list[str]) -> list[dict[str, str]]:
        """Put the files of a shard's tests in their places; return what each test has. Raises OSError."""
        names = self.names(shard)
        placed: list[dict[str, str]] = []
        missing = 0
        for entry in shard.manifest["tests"]:
            placed.append({})
            for format, file in entry["files"].items():
                stem = _stem(file)
                target = f"{TESTS}/{names.get(stem, stem)}{SUFFIXES.get(format, '')}"
                source = shard.directory / file
                if not source.is_file():
                    missing += 1
                elif format == "html" and stem in names:
                    _rename_page(source, self._directory / target, stem, names[stem])
                    placed[-1][format] = target
                else:
                    link(source, self._directory / target)
                    placed[-1][format] = target
        if missing:
            warnings.append(f"{shard.name}: {missing} files of its tests are missing")
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


def _stems(shard: Shard) -> set[str]:
    return {_stem(file) for entry in shard.manifest["tests"] for file in entry["files"].values()}


def _stem(file: str) -> str:
    """Return the name of a file without its suffix. Raises ValueError for one that is no test's."""
    parent, name = os.path.split(file)
    suffix = next((suffix for suffix in SUFFIXES.values() if name.endswith(suffix)), None)
    if parent != TESTS or suffix is None:
        raise ValueError(f"{file!r} is no name of a test's file")
    return name.removesuffix(suffix)


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
