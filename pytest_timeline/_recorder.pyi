"""The hooks and the writing side of the spool; built from ext/recorder.pyx."""

from collections.abc import Sequence

def start(
    directory: str,
    *,
    clock: int,
    c_calls: str = "auto",
    included: Sequence[str] = (),
    excluded: Sequence[str] = (),
    machinery: Sequence[str] = (),
) -> None:
    """Record into a new spool in the family `directory`.

    A recording that is already going on is suspended until `stop`. `clock` is what `choose_clock` returned in
    the run's first process; the globs are matched against `co_filename`.

    Raises OSError when the spool cannot be made, RuntimeError when every monitoring tool id is taken.
    """

def stop() -> None:
    """End the newest recording and resume the one before it. Does nothing when there is none."""

def active() -> bool:
    """Whether a recording is going on in this process."""

def mark(code: int, payload: bytes) -> None:
    """Append a PT_MARK record; `code` is a pt_mark, `payload` a JSON object. Nothing happens when not recording."""

def pause() -> None:
    """Record no more calls of this thread until `go_on`, or another recording; marks and names still are."""

def go_on() -> None:
    """Record this thread's calls again."""

def refresh() -> None:
    """Between tests: write thread names that have changed, and re-arm a 3.11 profiler that a test switched off."""

def losses() -> dict[str, int]:
    """Return what this process's recording lost: `dropped` records, `stalled_ns`, `error`, `disarmed`.

    `error` is an errno, or -1 for a failure of our own.
    """

def children() -> list[tuple[int, int]]:
    """Return (pid, tick before its start) of the processes that this one started while recording and that still run."""

def choose_clock() -> int:
    """Return the best pt_clock of this machine: 0 the time-stamp counter, 1 the monotonic clock."""

def now(clock: int) -> int:
    """Return the clock's tick."""

def spawn_detached(argv: Sequence[bytes]) -> int:
    """Run argv[0] (a path) as nobody's child: own session, no descriptors but /dev/null, an empty environment.

    Returns its pid. Raises OSError.
    """

MARKS: dict[str, int]
"""pt_mark by name: SESSION_BEGIN, SESSION_END, TEST_BEGIN, TEST_END, SPAN_BEGIN, SPAN_END, INSTANT."""
