"""The spool directory: where both wings meet. Its names, its settings, and the collector's status page.

    DIR/.spool/settings         what to record and what to make of it, `key=value` lines
    DIR/.spool/status           the collector's status page, mapped by both sides
    DIR/.spool/live.json        what the run did when it was last looked at
    DIR/.spool/FAMILY/*.spool   the spools of one pytest process ("main", "gw0") and of its descendants
    DIR/.spool/FAMILY/*.question, *.answer    what a test of that family asks of its timeline, and is told
    DIR/.spool/gw1.remote/      what came from a pytest-xdist worker on another host, see relay/land.py

The settings are lines, not JSON, because a traced child reads them in its first millisecond and must import
nothing for it. Keys may repeat; order is kept.
"""

import sys

VERSION = 1  # of the records and of the settings
DIRECTORY = ".spool"
SETTINGS = "settings"
STATUS = "status"
LIVE = "live.json"
SUFFIX = ".spool"
REMOTE = ".remote"  # of the directory of a family on another host
OUT = "out"  # on that host: what waits to be sent
CLOCK = "clock"  # how the clocks of the two compare
QUESTION, ANSWER = ".question", ".answer"
ENVIRONMENT = "PYTEST_TIMELINE_SPOOL"  # the family's directory, for the children of a traced process


def write_settings(path: str, settings: list[tuple[str, str]]) -> None:
    """Write `settings` to the file `path`; a newline in a value is an error (ValueError)."""
    for key, value in settings:
        if "\n" in value:
            raise ValueError(f"{key}: a line break in {value!r}")
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        file.writelines(f"{key}={value}\n" for key, value in settings)


def read_settings(path: str) -> dict[str, list[str]]:
    """Return every key's values, in order. Raises OSError when there is no such file."""
    settings: dict[str, list[str]] = {}
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        for line in file:
            key, _, value = line.rstrip("\n").partition("=")
            settings.setdefault(key, []).append(value)
    return settings


def remove(directory: str) -> None:
    """Remove the directory and all that is in it, as far as that goes. The collector has no use for all of shutil."""
    import os
    from contextlib import suppress

    for folder, folders, files in os.walk(directory, topdown=False):
        for names, unlink in ((files, os.unlink), (folders, os.rmdir)):
            for name in names:
                with suppress(OSError):
                    unlink(os.path.join(folder, name))
    with suppress(OSError):
        os.rmdir(directory)


def segment(number: int) -> str:
    """Return the file name of the segment `number`; see relay/segment.py."""
    return f"{number:08}.segment"


def host() -> str:
    """Return what two processes share if they see each other's pids and one monotonic clock, and no others do."""
    import os

    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        return " ".join([boot, *(os.readlink(f"/proc/self/ns/{name}") for name in ("pid", "time"))])
    except OSError:  # no Linux, or one before it had namespaces of time
        import socket

        return socket.gethostname()


def is_of(spool_dir: str, pid: int) -> bool:
    """Whether a spool directory is of the process `pid` of this host: a path alone may be a network file system's, or
    another file by the same name."""
    from os.path import join

    try:
        settings = read_settings(join(spool_dir, SETTINGS))
    except OSError:
        return False
    return (settings.get("host"), settings.get("pid")) == ([host()], [str(pid)])


def command(spool_dir: str, program: str = "collect.follow") -> list[str]:
    """Return the words of the command that runs the collector of `spool_dir`, or another `program` of its wing.

    Its standard library comes first on its path, then only where this package and its one dependency live: the
    tests' own modules must not get in its way. Raises ImportError without orjson.
    """
    from importlib.util import find_spec
    from os.path import abspath, dirname

    paths = [dirname(dirname(abspath(__file__)))]
    spec = find_spec("orjson")
    if spec is None or spec.origin is None:
        raise ImportError("orjson is not installed")
    paths.append(dirname(dirname(abspath(spec.origin))))
    start = f"import sys; sys.path += sys.argv[2:]; from pytest_timeline.{program} import main; main(sys.argv[1])"
    return [sys.executable, "-I", "-S", "-c", start, abspath(spool_dir), *paths]


class StatusPage:
    """The collector's progress, in a mapped page that both sides hold.

    Attributes in the page, each a native unsigned 64-bit integer: `state` (see the constants), `done` and `total`
    timelines, `heartbeat` (monotonic ns), `pid` of the collector; `finish`, which the plugin sets to OVER when the run
    is over, lest the mark that says so found no room, and to ABANDONED when it came to nothing; `asked`, which whoever
    wants to know what the run is doing counts up, and `answered`, up to which the collector has said it; `bell`, when a
    test last put a question beside its spools (monotonic ns), or was about to. `reason` says why the collector FAILED,
    `refusal` why the newest answer is not whole (else ""); they are in the page because a full disk may be the reason.
    """

    STARTING, FOLLOWING, FINISHING, DONE, FAILED = range(5)
    OVER, ABANDONED = 1, 2
    FIELDS = ("state", "done", "total", "heartbeat", "pid", "finish", "asked", "answered", "bell")
    _REASON, _REFUSAL = slice(256, 2048), slice(2048, 4096)

    def __init__(self, path: str, *, create: bool = False) -> None:
        """Map the page of the file `path`. Raises OSError."""
        import mmap

        size = mmap.PAGESIZE
        with open(path, "x+b" if create else "r+b") as file:
            if create:
                file.write(bytes(size))
                file.flush()
            self._map = mmap.mmap(file.fileno(), size)
        self._fields = memoryview(self._map).cast("Q")

    def __getitem__(self, field: str) -> int:
        return self._fields[self.FIELDS.index(field)]

    def __setitem__(self, field: str, value: int) -> None:
        self._fields[self.FIELDS.index(field)] = value

    def silence(self) -> int:
        """Return how long ago the heart beat, in ns; less than 0 if the clock has begun anew since."""
        from time import monotonic_ns

        beat = self["heartbeat"]  # before the clock is read, or a beat between the two would lie in the future
        return monotonic_ns() - beat

    @property
    def reason(self) -> str:
        return self._text(self._REASON)

    @reason.setter
    def reason(self, text: str) -> None:
        self._set_text(self._REASON, text)

    @property
    def refusal(self) -> str:
        return self._text(self._REFUSAL)

    @refusal.setter
    def refusal(self, text: str) -> None:
        self._set_text(self._REFUSAL, text)

    def _text(self, place: slice) -> str:
        return self._map[place].rstrip(b"\0").decode("utf-8", "replace")

    def _set_text(self, place: slice, text: str) -> None:
        size = place.stop - place.start
        self._map[place] = text.encode("utf-8", "replace")[:size].ljust(size, b"\0")

    def close(self) -> None:
        self._fields.release()
        self._map.close()
