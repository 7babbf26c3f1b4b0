"""What a run leaves in the output directory: the names of its files, and the removal of a previous run's."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Container, Iterator, Mapping
from pathlib import Path

from pytest_timeline import spooldir

MANIFEST = "run.json"
MANIFEST_VERSION = 1
INDEX = "index.html"
TESTS = "tests"
ASSETS = "assets"
COMBINED = "combined"
LIVE = "live"  # of a run that is looked at while it goes on
MAX_NAME_BYTES = 150
SUFFIXES = {"html": ".html", "perfetto": ".pftrace.gz", "chrome": ".json.gz"}
"""What the file names of each format end in, with the dot; in the order in which people want them."""


def stem(nodeid: str, rerun: int = 0) -> str:
    """Return the name, without suffix, of a test's files: a slug, a hash because slugs collide, and the rerun."""
    tail = f"-{zlib.crc32(nodeid.encode('utf-8', 'surrogatepass')):08x}" + (f"-r{rerun}" if rerun else "")
    slug = re.sub(r"[^A-Za-z0-9._]+", "-", nodeid).strip("-.") or "test"
    return slug[: MAX_NAME_BYTES - len(tail)] + tail


def collection_stem(worker: str | None) -> str:
    """Return the same of what came before the first test; no test's ends like it."""
    return f"collection-{worker}" if worker else "collection"


def preferred(files: Mapping[str, str]) -> str | None:
    """Return of a test's files, by format, the one to name; None where there is none."""
    return next((files[format] for format in SUFFIXES if format in files), None)


def remove_previous(directory: str | Path) -> None:
    """Delete the files that the previous run's manifest lists, and the manifest; nothing else.

    Without a readable manifest nothing is deleted. Raises OSError when a file cannot be deleted.
    """
    for _ in removing_previous(directory, ()):
        pass


def removing_previous(directory: str | Path, made: Container[str]) -> Iterator[None]:
    """Do that bit by bit: in the first step with what is of no test, the manifest too, then with one file in each, but
    for those that are among `made` by then."""
    import orjson

    directory = Path(directory)
    try:
        manifest = orjson.loads((directory / MANIFEST).read_bytes())
        files = [str(file) for test in manifest["tests"] for file in test["files"].values()]
        others = [str(file) for file in (*manifest["combined"].values(), *manifest.get("report", []))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    del manifest  # of a large run it is a burden to the garbage collector
    (directory / MANIFEST).unlink(missing_ok=True)  # it would be read as this run's
    for file in others:
        _remove(directory, file)
    yield
    for file in files:
        if file not in made:
            _remove(directory, file)
            yield
    for folder in (TESTS, ASSETS):
        try:
            (directory / folder).rmdir()
        except OSError:  # there is none, or it holds what is not ours
            pass


def remove_live(directory: str | Path, spool_dir: str | Path) -> None:
    """Delete the files that a look at the run of `spool_dir` left in `directory`: the run's own say it all."""
    import orjson

    try:
        files = list(orjson.loads((Path(spool_dir) / spooldir.LIVE).read_bytes())["files"].values())
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # nobody looked
        return
    for file in files:
        if isinstance(file, str) and file.startswith(f"{LIVE}.") and os.path.basename(file) == file:
            try:
                (Path(directory) / file).unlink(missing_ok=True)
            except OSError:
                pass


def _remove(directory: Path, file: str) -> None:
    if _is_ours(file):
        try:
            os.unlink(os.path.join(directory, file))
        except (FileNotFoundError, ValueError):  # a NUL in it is no name
            pass


def _is_ours(file: str) -> bool:
    """Whether a run may have made a file of this relative name: a manifest is no licence to delete elsewhere."""
    parent, name = os.path.split(file)
    return parent in (TESTS, ASSETS) if parent else name == INDEX or name.startswith((f"{COMBINED}.", f"{COMBINED}-"))
