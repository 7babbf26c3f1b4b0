"""The outputs of several jobs, read: their manifests, and what their run pages know beside these."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from pytest_timeline import spooldir
from pytest_timeline.export import About
from pytest_timeline.export.index import Index
from pytest_timeline.outputs import INDEX, MANIFEST, MANIFEST_VERSION
from pytest_timeline.read.html import element
from pytest_timeline.timeline.model import Clock, Timeline

RUN = b'<script type="application/json" id="run">'
MAX_NAME = 40


@dataclass(slots=True)
class Shard:
    """One job's output directory."""

    name: str  # unique, and good for a file's name
    directory: Path
    manifest: dict[str, Any]
    page: dict[str, Any]  # the run page's data
    start: datetime | None

    def worker(self, worker: str | None) -> str:
        """Return what a worker of this shard is called among those of all."""
        return f"{self.name}/{worker}" if worker else self.name


def read_shards(directories: Sequence[Path]) -> tuple[list[Shard], list[str]]:
    """Return the shards, and what is wrong with those that can't be used.

    Raises ValueError when a shard is of another version, or given twice, OSError.
    """
    shards, problems = [], []
    for directory, name in zip(directories, names(directories), strict=True):
        try:
            manifest = _manifest(directory)
        except _Unusable as error:
            problems.append(str(error))
            continue
        shards.append(Shard(name, directory, manifest, _page(directory, manifest), _time(manifest.get("start"))))
    return shards, problems


def names(directories: Sequence[Path]) -> list[str]:
    """Return short names that tell them apart: what differs in their paths. Raises ValueError for one given twice."""
    parts = [path.resolve().parts for path in directories]
    if len(set(parts)) < len(parts):
        twice = next(path for path, its in zip(directories, parts, strict=True) if parts.count(its) > 1)
        raise ValueError(f"{twice} is given twice")
    for depth in range(1, max(map(len, parts), default=1) + 1):
        for at in range(1, depth + 1):
            found = [_slug("-".join(its[-depth : len(its) - depth + at])) for its in parts]
            if len(set(found)) == len(found):
                return found
    return [f"{number}-{_slug(its[-1])}" for number, its in enumerate(parts, 1)]


def _slug(text: str) -> str:
    short = re.sub(r"^timeline[-_.]+(?=.)", "", text)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", short).strip("-.")[-MAX_NAME:] or "shard"


class _Unusable(Exception):
    """A shard that has nothing to merge."""


def _manifest(directory: Path) -> dict[str, Any]:
    path = directory / MANIFEST
    try:
        manifest = orjson.loads(path.read_bytes())
    except OSError:
        if (directory / spooldir.DIRECTORY).is_dir():
            raise _Unusable(
                f"{directory} holds an unfinished run: 'python -m pytest_timeline collect {directory}' first"
            ) from None
        if not directory.is_dir():
            raise _Unusable(f"{directory} is no directory") from None
        raise _Unusable(f"{directory} has no {MANIFEST}: it is no output directory, or its job died") from None
    except ValueError as error:
        raise _Unusable(f"{path} is damaged: {error}") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("tests"), list):
        raise _Unusable(f"{path} is no manifest of a run")
    if manifest.get("version") != MANIFEST_VERSION:
        version = manifest.get("version")
        raise ValueError(
            f"{path} has version {version}, not {MANIFEST_VERSION}: merge by the pytest-timeline that made it"
        )
    return manifest


def _time(text: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):  # it did not say
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _page(directory: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the data of the run page; without one, or with one of another run, what the manifest has of it."""
    try:
        page = orjson.loads(element((directory / INDEX).read_bytes(), RUN))
        if page["start"] == manifest["start"] and len(page["tests"]["name"]) == len(manifest["tests"]):
            return dict(page)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    index = Index(About(root=str(manifest.get("root") or "")))
    for entry in manifest["tests"]:
        index.add(entry, Timeline(entry["nodeid"], 0, 0, []), Clock(0, 1.0), [])
    pids = {worker["id"]: worker["pid"] for worker in manifest["workers"]}
    return index.data(manifest, [_lane(worker, manifest["tests"], pids) for worker in _workers(manifest)])


def _workers(manifest: dict[str, Any]) -> list[str | None]:
    return list(dict.fromkeys(entry["worker"] for entry in manifest["tests"]))


def _lane(worker: str | None, entries: list[dict[str, Any]], pids: dict[str, int]) -> dict[str, Any]:
    own = [entry for entry in entries if entry["worker"] == worker]
    begin, end = min(entry["start"] for entry in own), max(entry["start"] + entry["duration"] for entry in own)
    return {"worker": worker, "pid": pids.get(worker or "", 0), "begin": round(begin * 1e6), "end": round(end * 1e6)}
