"""A test of very many calls, for the figure memory: writes the process's peak of resident memory to MEMORY_RESULT."""

import itertools
import os
import sys
from pathlib import Path

CALLS = int(os.environ.get("MEMORY_CALLS", "1"))


def empty() -> None:
    pass


def peak() -> int:
    """Return the process's peak of resident memory in bytes."""
    if sys.platform == "linux":
        # Not getrusage: what it says includes the process before exec.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_many_calls() -> None:
    for _ in itertools.repeat(None, CALLS):
        empty()
    Path(os.environ["MEMORY_RESULT"]).write_text(str(peak()))
