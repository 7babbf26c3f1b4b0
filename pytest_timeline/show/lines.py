"""A test's timeline for tools: a JSON object a line, nothing merged; docs/command-line.md has the keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from pytest_timeline.read.model import Name, Tested, Trace, Track
from pytest_timeline.show.choice import Choice
from pytest_timeline.show.tree import KINDS
from pytest_timeline.timeline.category import Categories

VERSION = 1


def lines(trace: Trace, test: Tested, file: str, choice: Choice) -> Iterator[str]:
    """Yield the test, each process, track, slice and instant. Raises ValueError where the choice leaves nothing."""
    chosen = choice.tracks(trace)
    args = test.track.args.get(test.row, {})
    name = trace.names[test.track.names[test.row]]
    about = {"version": VERSION, "nodeid": name.text, "duration_ns": test.ns, "root": trace.root, "timeline": file}
    yield _line("test", about | args)
    categories = Categories(trace.root)
    told = [_named(each, categories) for each in trace.names]
    ids: dict[Track, int] = {}
    for at, (process, tracks) in enumerate(chosen):
        yield _line("process", {"id": at, "pid": process.pid, "name": process.name})
        for track in tracks:
            ids[track] = len(ids)
            about = {"id": ids[track], "process": at, "kind": track.kind, "name": track.name, "native_id": track.id}
            yield _line("track", about | {"parent": ids.get(track.under) if track.under else None})
            yield from _slices(track, ids[track], told, choice)
            for instant in track.instants:
                about = {"track": ids[track], "at_ns": instant.ns, "name": instant.name, "category": instant.category}
                yield _line("instant", about | {"args": instant.args})


def _slices(track: Track, id: int, told: list[dict[str, Any]], choice: Choice) -> Iterator[str]:
    least, deepest = choice.least or 0, choice.depth
    opened: list[int] = []  # rows
    columns = zip(track.starts, track.ends, track.depths, track.names, strict=True)
    for row, (start, end, depth, name) in enumerate(columns):
        opened[depth:] = [row]
        if end - start < least or (deepest is not None and depth >= deepest):
            continue
        times = {"track": id, "id": row, "parent": opened[depth - 1] if depth else None, "start_ns": start}
        about = times | {"duration_ns": end - start} | told[name]
        yield _line("slice", about | {"args": track.args[row]} if row in track.args else about)


def _named(name: Name, categories: Categories) -> dict[str, Any]:
    kind = KINDS.get(name.category)
    category = name.category if kind is None else categories.of(name.text, kind, name.file)
    return {"name": name.text, "category": category} | ({"file": name.file, "line": name.line} if name.file else {})


def _line(type: str, about: dict[str, Any]) -> str:
    return orjson.dumps({"type": type} | about).decode()
