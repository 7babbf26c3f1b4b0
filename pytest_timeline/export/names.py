"""The names of one page: those of all its processes in one table, the most frequent first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_timeline._codec import Names, uses
from pytest_timeline.export.lanes import clean
from pytest_timeline.timeline.category import CALLABLE, CATEGORIES, CODE, OWN, WAIT, Categories, Meaning
from pytest_timeline.timeline.model import Track

PYTHON_KIND, C_KIND, OTHER_KIND = range(3)


class PageNames:
    """Gathers what the tracks use; then has the tables, and the places of each process's ids in them."""

    def __init__(self, tracks: list[Track], categories: Categories) -> None:
        self._categories = categories
        counts: dict[Meaning, int] = {}
        ticks: dict[Meaning, int] = {}
        used: dict[Names, dict[int, Meaning]] = {}
        for track in tracks:
            known = used.setdefault(track.names, {})
            meanings = categories.meanings(track.names)
            for id, (count, exclusive) in uses(track.slices).items():
                meaning = known[id] = meanings[id]
                counts[meaning] = counts.get(meaning, 0) + count
                if track.kind == "thread":  # a task's frames are there, too, and wait on its own track
                    ticks[meaning] = ticks.get(meaning, 0) + exclusive
        self._names = sorted(counts, key=counts.__getitem__, reverse=True)
        places = {meaning: place for place, meaning in enumerate(self._names)}
        self._places = {names: {id: places[meaning] for id, meaning in known.items()} for names, known in used.items()}
        self._files = list(dict.fromkeys(meaning.file for meaning in self._names if _has_place(meaning)))
        self._file_places = {path: place for place, path in enumerate(self._files)}
        self._ticks = ticks

    def places(self, names: Names) -> dict[int, int]:
        """Return the place in the table of each id that is used."""
        return self._places[names]

    def names_table(self) -> dict[str, list[Any]]:
        """Return the names, as docs/report-format.md has them."""
        places = self._file_places
        category = {name: place for place, name in enumerate(CATEGORIES)}
        kinds = {CODE: PYTHON_KIND, CALLABLE: C_KIND}
        return {
            "text": [meaning.text for meaning in self._names],
            "kind": [kinds.get(meaning.kind, OTHER_KIND) for meaning in self._names],
            "file": [places[meaning.file] if _has_place(meaning) else -1 for meaning in self._names],
            "line": [meaning.line if _has_place(meaning) else 0 for meaning in self._names],
            "flags": [meaning.flags for meaning in self._names],
            "category": [category[meaning.category] for meaning in self._names],
        }

    def files_table(self, sources: Mapping[str, str]) -> dict[str, list[Any]]:
        """Return the files, as docs/report-format.md has them; `sources` are the keys of those that are shared."""
        files = [self._categories.file(path) for path in self._files]
        return {
            "path": [file.path for file in files],
            "short": [clean(file.short) for file in files],
            "package": [clean(file.package) for file in files],
            "category": [CATEGORIES.index(file.category) for file in files],
            "source": [sources.get(file.path, "") for file in files],
        }

    def own_functions(self) -> list[tuple[str, int]]:
        """Return (path, first line) of own code, what ran longest first."""
        own = [m for m in self._names if m.category == OWN]
        return [(m.file, m.line) for m in sorted(own, key=lambda m: self._ticks.get(m, 0), reverse=True)]

    def own_files(self) -> list[str]:
        """Return the paths of own code."""
        return [path for path in self._files if self._categories.file(path).category == OWN]

    def file_place(self, path: str) -> int:
        return self._file_places[path]


def _has_place(meaning: Meaning) -> bool:
    """Whether a name comes with a file and a line."""
    return meaning.kind == CODE or (meaning.kind == WAIT and bool(meaning.file))
