"""Which test is meant, and what its timeline is read from: a file, or what a run's manifest says of it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from pytest_timeline import spooldir
from pytest_timeline.export import FORMATS
from pytest_timeline.outputs import COMBINED, LIVE, MANIFEST, MANIFEST_VERSION, SUFFIXES
from pytest_timeline.read import read
from pytest_timeline.read.model import COLLECTION, Tested, Trace, all_tests, collections, window

MOST = 20  # candidates that are listed
FAILED = ("failed", "error", "crashed")


class Found(NamedTuple):
    trace: Trace  # of the test alone
    test: Tested
    path: Path
    about: str  # which of several attempts it is


class Unclear(ValueError):
    """Several tests may be meant."""

    def __init__(self, text: str, candidates: Iterable[str]) -> None:
        self.candidates = list(candidates)
        super().__init__(text)

    def shown(self) -> list[str]:
        """Return the candidates for people: not too many."""
        more = len(self.candidates) - MOST
        return self.candidates[:MOST] + ([f"and {more} more"] if more > 0 else [])


def find(what: str, directory: Path, rerun: int | None = None) -> Found:
    """Return the test that `what` means: a file, a node id or a part of it. Of several attempts at it `rerun` is meant,
    by default the last one that failed, else the last. `collection` means what came before the first test.

    Raises OSError, ValueError with what to do about it, Unclear.
    """
    path = Path(what)
    if path.name.endswith(tuple(SUFFIXES.values())) and (path.exists() or "::" not in what):
        return _only(path, _root(path))
    manifest = _manifest(directory)
    if manifest is None:
        live = [directory / f"{LIVE}{SUFFIXES[format]}" for format in FORMATS]
        for path in live:
            if path.exists():
                return _in(path, what, rerun, "")
        if (directory / spooldir.DIRECTORY).is_dir():
            raise ValueError(
                f"the run in {directory} goes on or was cut short: 'python -m pytest_timeline collect {directory}' "
                "makes its timelines, with --live it looks into it"
            )
        raise ValueError(f"there is no {directory / MANIFEST}: is it the run's --timeline-dir?")
    if what == COLLECTION and not any(f"::{test['nodeid']}".endswith(f"::{what}") for test in manifest["tests"]):
        return _collection(manifest, directory)
    entries = _attempts(what, manifest["tests"], directory)
    entry, about = _attempt(entries, rerun)
    root = _root_of(entry, manifest)
    files = [directory / entry["files"][format] for format in FORMATS if format in entry["files"]]
    for path in files:
        if path.exists():
            return _only(path, root)._replace(about=about)
    shard = f" {entry['shard']}" if "shard" in entry else ""
    for format in FORMATS:
        combined = manifest["combined"].get(f"{format}{shard}")
        if combined and (directory / combined).exists():
            return _in(directory / combined, entry["nodeid"], entry["rerun"], root)._replace(about=about)
    if files:
        raise ValueError(f"{files[0]} is gone")
    why = "its marker says off=True: nothing was recorded" if entry.get("off") else "its timeline was not kept"
    raise ValueError(f"{entry['nodeid']} {entry['outcome']}, and {why}")


def _collection(manifest: dict[str, Any], directory: Path) -> Found:
    """Return what is known of the collection; of several workers' of that which took longest."""
    files = (manifest.get("collection") or {}).get("files", {})
    for format in FORMATS:
        if format in files:
            return _only(directory / files[format], str(manifest.get("root") or ""))
    raise ValueError(f"no timeline of the collection was kept in {directory}")


def candidates(what: str, nodeids: Iterable[str]) -> list[str]:
    """Return the node ids that `what` means: that one; those so called; those it is part of."""
    known = list(dict.fromkeys(nodeids))
    words = what.lower().split()
    rules = (
        lambda nodeid: nodeid == what,
        lambda nodeid: f"::{nodeid}".endswith(f"::{what}"),
        lambda nodeid: f"::{nodeid.partition('[')[0]}".endswith(f"::{what}"),
        lambda nodeid: what in nodeid,
        lambda nodeid: all(word in nodeid.lower() for word in words),
    )
    return next(filter(None, ([nodeid for nodeid in known if rule(nodeid)] for rule in rules)), [])


def _attempts(what: str, entries: list[dict[str, Any]], directory: Path) -> list[dict[str, Any]]:
    """Return the attempts at the one test that is meant, in order."""
    wanted = _some(what, [str(entry["nodeid"]) for entry in entries], str(directory))
    chosen = [entry for entry in entries if entry["nodeid"] in wanted]
    if len({entry["nodeid"] for entry in chosen}) > 1:
        raise Unclear(f"{what!r} is part of several tests' names", dict.fromkeys(entry["nodeid"] for entry in chosen))
    if len({entry.get("shard") for entry in chosen}) > 1:
        files = [str(directory / file) for entry in chosen for file in [*entry["files"].values()][:1]]
        raise Unclear(f"{chosen[0]['nodeid']} ran in several shards: name a file", files)
    return sorted(chosen, key=lambda entry: int(entry["rerun"]))


def _some(what: str, nodeids: list[str], where: str) -> list[str]:
    """Return what `what` means; raises ValueError where that is nothing."""
    if found := candidates(what, nodeids):
        return found
    if not nodeids:
        raise ValueError(f"no test was recorded in {where}")
    names = {nodeid.rpartition("::")[2]: nodeid for nodeid in nodeids}
    close = difflib.get_close_matches(what.rpartition("::")[2], names, 3, 0.5)
    hint = ", ".join(names[name] for name in close) or f"the first is {nodeids[0]}"
    raise ValueError(f"none of the {len(nodeids)} tests in {where} is called {what!r}; {'close: ' * bool(close)}{hint}")


def _attempt(entries: list[dict[str, Any]], rerun: int | None) -> tuple[dict[str, Any], str]:
    """Return the attempt that is wanted, and what there is to say of it."""
    if rerun is None:
        entry = next((entry for entry in reversed(entries) if entry["outcome"] in FAILED), entries[-1])
    else:
        entry = next((entry for entry in entries if entry["rerun"] == rerun), {})
        if not entry:
            known = ", ".join(str(entry["rerun"]) for entry in entries)
            raise ValueError(f"{entries[0]['nodeid']} has no --rerun {rerun}; there is {known}")
    others = [f"{each['rerun']} {each['outcome']}" for each in entries if each is not entry]
    return entry, f"rerun {entry['rerun']} (--rerun: {', '.join(others)})" if others else ""


def _only(path: Path, root: str) -> Found:
    """Return the test of a file that holds one."""
    trace = read(path)
    found = list(all_tests(trace)) or list(collections(trace))
    if not found:
        raise ValueError(f"{path} holds no test")
    if len(found) > 1:
        names = [trace.names[test.track.names[test.row]].text for test in found]
        raise Unclear(f"{path} holds several tests; name one and its --dir", names)
    trace.root = trace.root or root
    if path.name.startswith((f"{COMBINED}.", f"{LIVE}.")):
        return _window(trace, found[0], path)
    return Found(trace, found[0], path, "")


def _in(path: Path, what: str, rerun: int | None, root: str) -> Found:
    """Return a test out of a file that holds many."""
    trace = read(path)
    trace.root = trace.root or root
    by_name: dict[str, list[Tested]] = {}
    for test in all_tests(trace):
        by_name.setdefault(trace.names[test.track.names[test.row]].text, []).append(test)
    names = _some(what, list(by_name), str(path))
    if len(names) > 1:
        raise Unclear(f"{what!r} is part of several tests' names", names)
    attempts = by_name[names[0]]
    numbers = [int(test.track.args[test.row].get("rerun", 0)) for test in attempts]
    if rerun is not None and rerun not in numbers:
        raise ValueError(f"{names[0]} has no --rerun {rerun}; there is {', '.join(map(str, numbers))}")
    return _window(trace, attempts[numbers.index(rerun) if rerun is not None else -1], path)


def _window(trace: Trace, test: Tested, path: Path) -> Found:
    part = window(trace, test)
    return Found(part, next(all_tests(part)), path, "")


def _manifest(directory: Path) -> dict[str, Any] | None:
    path = directory / MANIFEST
    try:
        manifest = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("version") != MANIFEST_VERSION:
        raise ValueError(f"{path} is of another version of pytest-timeline")
    return manifest


def _root_of(entry: dict[str, Any], manifest: dict[str, Any]) -> str:
    """Return the root directory of the run that a test is of."""
    shards = {shard["name"]: shard["root"] for shard in manifest.get("shards", [])}
    return str(shards.get(entry.get("shard")) or manifest.get("root") or "")


def _root(path: Path) -> str:
    """Return the root directory that is in the manifest of the run that a file belongs to, "" where none says."""
    for directory in (path.parent, path.parent.parent):
        try:
            manifest = _manifest(directory)
        except (OSError, ValueError):
            continue
        if manifest is not None:
            entry: dict[str, Any] = next(
                (each for each in manifest["tests"] if path.name in map(_name, each["files"].values())), {}
            )
            return _root_of(entry, manifest)
    return ""


def _name(file: str) -> str:
    return file.rpartition("/")[2]
