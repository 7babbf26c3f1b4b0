"""The hooks and the writing side of the spool; built from ext/recorder.pyx."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import ParamSpec, Self, SupportsFloat, SupportsIndex, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

def start(
    directory: str,
    *,
    clock: int,
    c_calls: str = "auto",
    included: Sequence[str] = (),
    excluded: Sequence[str] = (),
    machinery: Sequence[str] = (),
    args: Sequence[str] = (),
    full: bool = False,
    sample: int = 8192,
    hot_ns: int = 1_000_000,
) -> None:
    """Record into a new spool in the family `directory`.

    A recording that is already going on is suspended until `stop`. `clock` is what `choose_clock` returned in
    the run's first process; the globs are matched against `co_filename`. `args` are the functions whose arguments and
    results are kept, as `config.functions` returns them.

    Unless it is to be `full`, a function is muted until the next test begins, once `sample` of its calls were recorded
    in this one while 1,024 calls took less than `hot_ns`. These two are for tests; 3.11 mutes nothing.

    Raises OSError when the spool cannot be made, RuntimeError when every monitoring tool id is taken.
    """

def stop() -> None:
    """End the newest recording and resume the one before it. Does nothing when there is none."""

def adjust(*, c_calls: str | None = None, args: Sequence[str] = (), full: bool = False) -> None:
    """From now on record as if `start` had been told this `c_calls`, and these patterns beside its own `args`.

    If it is to be `full`, no function is muted. Without arguments: as `start` was told. It holds for the newest
    recording, in this process and what it forks. Nothing happens when not recording, and next to nothing when nothing
    changes. KeyError for an unknown `c_calls`.
    """

def suspend() -> None:
    """Switch the newest recording's hooks off, in all threads, until `resume`; marks are still written.

    What is entered or left meanwhile is not recorded. A recording that begins meanwhile is not suspended.
    """

def resume() -> None:
    """Switch them on again. Does nothing when they are."""

def active() -> bool:
    """Whether a recording is going on in this process."""

def mark(code: int, payload: bytes) -> None:
    """Append a PT_MARK record; `code` is a pt_mark, `payload` a JSON object. Nothing happens when not recording.

    Any thread may. Raises ValueError for more than 32,752 bytes.
    """

class TimelineSpan:
    """See pytest_timeline.api.span."""

    @property
    def name(self) -> str: ...
    def __init__(self, name: str, /, **args: object) -> None: ...
    def __call__(self, function: Callable[P, T], /) -> Callable[P, T]: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...
    def add(self, /, **args: object) -> None: ...
    def again(self) -> Self: ...

def instant(name: str, /, **args: object) -> None:
    """See pytest_timeline.api."""

def counter(name: str, /, value: SupportsFloat | SupportsIndex, unit: str = "") -> None:
    """See pytest_timeline.api."""

def pause() -> None:
    """Record no more calls of this thread until `go_on`, or another recording; marks and names still are."""

def go_on() -> None:
    """Record this thread's calls again."""

def refresh() -> None:
    """Between tests: write thread names that have changed, and re-arm a 3.11 profiler that a test switched off."""

def collections(most: int) -> int:
    """Record runs of the garbage collector from here on, the first `most` of them, 0 = all; half of these places are
    for runs of 1 ms or more.

    Returns how many found no place since the last call.
    """

def unseen(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call the function with all tracing, profiling and monitoring of this thread off: nobody's tool sees it."""

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
"""pt_mark by name: SESSION_BEGIN, SESSION_END, TEST_BEGIN, TEST_END, SPAN_BEGIN, SPAN_END, INSTANT, USER_BEGIN,
USER_END, COUNTER."""
