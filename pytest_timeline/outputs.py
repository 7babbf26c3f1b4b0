"""What a run leaves in the output directory: the names of its files, and the removal of a previous run's."""

from __future__ import annotations

import os
import re
import zlib
from pathlib import Path

from pytest_timeline import spooldir

MANIFEST = "run.json"
TESTS = "tests"
COMBINED = "combined"
LIVE = "live"  # of a run that is looked at while it goes on
MAX_NAME_BYTES = 150


def stem(nodeid: str, rerun: int = 0) -> str:
    """Return the name, without suffix, of a test's files: a slug, a hash because slugs collide, and the rerun."""
    tail = f"-{zlib.crc32(nodeid.encode('utf-8', 'surrogatepass')):08x}" + (f"-r{rerun}" if rerun else "")
    slug = re.sub(r"[^A-Za-z0-9._]+", "-", nodeid).strip("-.") or "test"
    return slug[: MAX_NAME_BYTES - len(tail)] + tail


def remove_previous(directory: str | Path) -> None:
    """Delete the files that the previous run's manifest lists, and the manifest; nothing else.

    Without a readable manifest nothing is deleted. Raises OSError when a file cannot be deleted.
    """
    import orjson

    directory = Path(directory)
    try:
        manifest = orjson.loads((directory / MANIFEST).read_bytes())
        files = [file for test in manifest["tests"] for file in test["files"].values()]
        files += manifest["combined"].values()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    for file in files:
        if isinstance(file, str) and _is_ours(file):
            (directory / file).unlink(missing_ok=True)
    (directory / MANIFEST).unlink(missing_ok=True)
    try:
        (directory / TESTS).rmdir()
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


def _is_ours(file: str) -> bool:
    """Whether a run may have made a file of this relative name: a manifest is no licence to delete elsewhere."""
    parent, name = os.path.split(file)
    return parent == TESTS if parent else name.startswith(f"{COMBINED}.")
