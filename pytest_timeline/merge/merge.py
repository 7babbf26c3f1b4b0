"""Makes one report of several: reads the shards, places their files, writes the manifest and the run page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from pytest_timeline import outputs, spooldir
from pytest_timeline.export.index import write_page
from pytest_timeline.export.whole import WholeFile
from pytest_timeline.merge.files import Placing, pages
from pytest_timeline.merge.page import joined
from pytest_timeline.merge.shards import Shard, read_shards

NO_TESTS = 5  # pytest's exit status


@dataclass(slots=True)
class Merged:
    tests: int
    shards: list[str]  # their names
    problems: list[str]  # shards that could not be used, and why


def merge(directories: Sequence[Path], directory: Path, *, align: bool = False) -> Merged:
    """Join the outputs in `directories` into `directory`; with `align` as if all had begun at the same moment.

    What a previous run or merge left there is removed first. Raises ValueError when nothing can be merged, OSError.
    """
    if directory.resolve() in [each.resolve() for each in directories]:
        raise ValueError(f"{directory} is one of the shards; give another directory to merge into: -o DIR")
    if (directory / spooldir.DIRECTORY).exists():
        raise ValueError(f"{directory} is the output of a run that goes on or was cut short")
    shards, problems = read_shards(directories)
    if not shards:
        raise ValueError("; ".join(problems))
    placing = Placing(shards, directory)
    outputs.remove_previous(directory)
    directory.mkdir(parents=True, exist_ok=True)
    offsets = _offsets(shards, align)
    warnings = [*problems]
    tests: list[dict[str, Any]] = []
    combined: dict[str, str] = {}
    report = dict.fromkeys(placing.place_shared())
    placed: list[dict[str, str]] = []
    for shard, offset in zip(shards, offsets, strict=True):
        combined |= placing.place_combined(shard)
        placed.append(names := placing.place(shard, warnings))
        report |= dict.fromkeys(names[file] for file in shard.manifest.get("report", []) if file in names)
        for entry in shard.manifest["tests"]:
            worker, start = shard.worker(entry["worker"]), entry["start"] + offset
            files = _files(entry, names)
            tests.append(entry | {"worker": worker, "start": start, "files": files, "shard": shard.name})
    run = _manifest(shards, offsets) | {
        "tests": sorted(tests, key=lambda test: float(test["start"])),
        "collection": _collection(shards, placed),
        "combined": combined,
        "report": [],
        "warnings": warnings + [f"{shard.name}: {text}" for shard in shards for text in shard.manifest["warnings"]],
    }
    about = {key: value for key, value in run.items() if key not in ("tests", "report")}
    data = about | joined(shards, [round(offset * 1e6) for offset in offsets], [*map(pages, placed)])
    standalone = not any(file.startswith(f"{outputs.ASSETS}/") for file in report)
    report |= dict.fromkeys(write_page(directory, data, standalone=standalone))
    run["report"] = [*report]
    with WholeFile(directory / outputs.MANIFEST) as file:
        file.write(orjson.dumps(run))
    return Merged(len(tests), [shard.name for shard in shards], problems)


def _offsets(shards: list[Shard], align: bool) -> list[float]:
    """Return the seconds after which each shard began; a start that is not known is the first."""
    first = _first(shards)
    return [
        0.0 if align or shard.start is None or first is None else (shard.start - first).total_seconds()
        for shard in shards
    ]


def _first(shards: list[Shard]) -> datetime | None:
    return min((shard.start for shard in shards if shard.start), default=None)


def _manifest(shards: list[Shard], offsets: list[float]) -> dict[str, Any]:
    """Return what is said of the run as a whole."""
    runs = [shard.manifest for shard in shards]
    first = _first(shards)
    workers = []
    for shard in shards:
        known = {worker["id"]: worker for worker in shard.manifest["workers"]}
        for lane in shard.page["lanes"]:
            worker = {"id": shard.worker(lane["worker"]), "pid": lane["pid"]} | {
                key: value for key, value in known.get(lane["worker"], {}).items() if key not in ("id", "pid")
            }
            workers.append(worker | ({"replaces": shard.worker(worker["replaces"])} if "replaces" in worker else {}))
    return {
        "version": outputs.MANIFEST_VERSION,
        **{key: _all(run.get(key) for run in runs) for key in ("pytest", "python", "platform")},
        "root": runs[0].get("root") if len({run.get("root") for run in runs}) == 1 else "",
        "plugins": list(dict.fromkeys(plugin for run in runs for plugin in run.get("plugins", []))),
        "argv": runs[0].get("argv", []) if all(run.get("argv") == runs[0].get("argv") for run in runs) else [],
        "start": first.isoformat() if first else None,
        "duration": max(run["duration"] + offset for run, offset in zip(runs, offsets, strict=True)),
        "exitstatus": _exitstatus([run.get("exitstatus") for run in runs]),
        "workers": workers,
        "dropped": sum(run.get("dropped") or 0 for run in runs),
        "errors": list(dict.fromkeys((str(where), str(why)) for run in runs for where, why in run.get("errors", []))),
        "shards": [
            {
                key: shard.manifest.get(key)
                for key in ("root", "python", "pytest", "platform", "argv", "start", "exitstatus")
            }
            | {"name": shard.name, "start_s": offset, "duration": shard.manifest["duration"]}
            for shard, offset in zip(shards, offsets, strict=True)
        ],
    }


def _collection(shards: list[Shard], placed: list[dict[str, str]]) -> dict[str, Any] | None:
    """Return what is known of the collection; of the shards', of the longest of those whose timeline was kept."""
    found = [
        each | {"worker": shard.worker(each["worker"]), "files": _files(each, names)}
        for shard, names in zip(shards, placed, strict=True)
        if (each := shard.manifest.get("collection"))
    ]
    return max(found, key=lambda each: (bool(each["files"]), float(each["duration"])), default=None)


def _files(entry: dict[str, Any], placed: dict[str, str]) -> dict[str, str]:
    """Return the files of an entry, as they are called now, that are there."""
    return {format: placed[file] for format, file in entry["files"].items() if file in placed}


def _all(values: Iterable[Any]) -> str | None:
    """Return what all say, or each of what they say."""
    known = dict.fromkeys(str(value) for value in values if value)
    return ", ".join(known) or None


def _exitstatus(statuses: list[int | None]) -> int | None:
    """Return pytest's exit status for all: the first failure; no tests in one shard is none."""
    if None in statuses:
        return None
    bad = [status for status in statuses if status not in (0, NO_TESTS)]
    return bad[0] if bad else 0 if 0 in statuses else NO_TESTS
