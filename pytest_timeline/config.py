"""Options and ini settings, as one frozen Config; nothing else reads them.

The command line wins over the ini file. Patterns become globs over `co_filename`, times become nanoseconds, and a
value that makes no sense becomes a ConfigError that says what to write instead.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    import pytest

MODES = ("per-test", "combined", "both")
FORMATS = ("html", "perfetto", "chrome")
TRACES = FORMATS[1:]  # the formats of a combined trace
C_CALLS = ("auto", "all", "none")
KINDS = ("logs", "warnings", "output", "subtests", "examples", "gc", "memory")
IMPORTING = "<frozen importlib._bootstrap>"  # what is between an import statement and the finding and loading
MACHINERY = ("_pytest", "pytest", "pluggy", "iniconfig", "pytest_timeline", "xdist", "execnet")
OWN_CODE = "<pytest-timeline>"  # of ours that bears no file's name
SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))
KEEP_ALL = "all"
KEEP_HELP = "write all, failed, slow:2s, slowest:20, or a comma list of these"
NANOSECONDS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


class ConfigError(ValueError):
    """A value that makes no sense; the text names the option and what to write instead."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Which tests' timelines are kept: those that any of `words` asks for."""

    words: tuple[str, ...] = (KEEP_ALL,)  # as they were given, for people
    failed: bool = False
    slow_ns: int | None = None
    slowest: int = 0

    @classmethod
    def of(cls, words: Iterable[str]) -> Keep:
        """Parse words such as `failed`, `slow:2s`, `slowest:20` and `all`. Raises ValueError."""
        words = tuple(dict.fromkeys(words))
        failed, slow, slowest = False, list[int](), 0
        for word in words:
            kind, _, value = word.partition(":")
            try:
                if kind == "slow":
                    slow.append(nanoseconds(value))
                elif kind == "slowest" and value.isascii() and int(value) > 0:
                    slowest = max(slowest, int(value))
                elif word == "failed":
                    failed = True
                elif word != KEEP_ALL:
                    raise ValueError
            except ValueError:
                raise ValueError(f"{word!r} does not say what to keep; {KEEP_HELP}") from None
        if not words:
            raise ValueError(f"nothing is said to be kept; {KEEP_HELP}")
        return cls((KEEP_ALL,) if KEEP_ALL in words else words, failed, min(slow, default=None), slowest)

    @property
    def all(self) -> bool:
        return KEEP_ALL in self.words

    def __str__(self) -> str:
        return ",".join(self.words)


@dataclass(frozen=True, slots=True)
class Config:
    """What to record and what to make of it."""

    root: str  # pytest's root directory
    directory: str  # absolute
    mode: str
    formats: tuple[str, ...]
    keep: Keep
    include: tuple[str, ...]  # globs over co_filename, as are the next two
    exclude: tuple[str, ...]
    machinery: tuple[str, ...]
    min_duration_ns: int
    max_slices: int  # per track and test, 0 = no limit
    record: tuple[str, ...]  # of KINDS
    max_instants: int  # of each kind in a test, 0 = no limit
    block_threshold_ns: int  # a step that keeps its event loop for so long blocks it, 0 = none does
    c_calls: str
    args: tuple[str, ...]  # the functions whose arguments are kept, as `functions` returns them
    full: bool  # every call, also of functions that are called so often that recording them dominates
    standalone: bool  # each page of the report is a single file
    summary: str  # absolute path of the file for a summary in Markdown, "none", or "": where the CI system wants it

    @classmethod
    def of_pytest(cls, config: pytest.Config, options: argparse.Namespace | None = None) -> Config:
        """Read pytest's configuration; `options` are what is known of the command line before pytest has parsed it.

        Raises ConfigError.
        """
        root = str(config.rootpath)
        given = _Given(config, config.option if options is None else options)
        mode, formats = given.choice("mode", MODES), given.formats()
        if mode == "combined" and not set(formats) & set(TRACES):
            raise ConfigError(
                f"--timeline-mode={mode}: html has a page for each test and no combined trace; "
                f"add one of {', '.join(TRACES)} to --timeline-format"
            )
        return cls(
            root=root,
            directory=os.path.abspath(os.path.join(root, os.path.expanduser(given.text("dir")))),
            mode=mode,
            formats=formats,
            keep=given.keep(),
            include=tuple(glob for pattern in given.list("include") for glob in globs(pattern, root)),
            exclude=tuple(glob for pattern in given.list("exclude") for glob in globs(pattern, root)),
            machinery=(*machinery(), *plugins(config)),
            min_duration_ns=given.duration("min-duration"),
            max_slices=given.count("max-slices"),
            record=given.kinds(),
            max_instants=given.count("max-instants"),
            block_threshold_ns=given.duration("block-threshold"),
            c_calls=given.choice("c-calls", C_CALLS),
            args=tuple(functions(each, root) for each in given.list("args", "a function", "Cart.add or shop.cart.*")),
            full=given.flag("full"),
            standalone=given.flag("standalone"),
            summary=given.summary(),
        )

    def settings(self) -> list[tuple[str, str]]:
        """Return the spool's settings; docs/spool-format.md lists them."""
        return [
            ("root", self.root),
            ("directory", self.directory),
            ("mode", self.mode),
            *(("format", name) for name in self.formats),
            *(("keep", word) for word in self.keep.words),
            ("c_calls", self.c_calls),
            ("full", str(int(self.full))),
            *(("include", glob) for glob in self.include),
            *(("exclude", glob) for glob in self.exclude),
            *(("machinery", glob) for glob in self.machinery),
            *(("args", pattern) for pattern in self.args),
            ("min_duration_ns", str(self.min_duration_ns)),
            ("max_slices", str(self.max_slices)),
            *(("record", kind) for kind in self.record),
            ("max_instants", str(self.max_instants)),
            ("block_threshold_ns", str(self.block_threshold_ns)),
            ("standalone", str(int(self.standalone))),
        ]


class _Given:
    """What the user gave, each value with the name to blame for it."""

    def __init__(self, config: pytest.Config, options: argparse.Namespace) -> None:
        self._config = config
        self._options = options

    def value(self, option: str) -> tuple[str, Any]:
        dest = "timeline_" + option.replace("-", "_")
        value = getattr(self._options, dest)
        if value is not None:
            return f"--timeline-{option}", value
        try:
            value = self._config.getini(dest)
        except Exception as error:  # a UsageError, or before pytest 9.2 a bare ValueError or TypeError
            raise ConfigError(f"{dest} in the ini file: {error}") from None
        return f"{dest} in the ini file", value

    def text(self, option: str) -> str:
        name, value = self.value(option)
        if not value or "\n" in value:
            raise ConfigError(f"{name}: {value!r} is no path; name a directory")
        return str(value)

    def summary(self) -> str:
        name, value = self.value("summary")
        if value in ("", "none"):
            return str(value)
        path = os.path.abspath(os.path.join(str(self._config.rootpath), os.path.expanduser(value)))
        if "\n" in value or os.path.isdir(path):
            raise ConfigError(f"{name}: {value!r} is no file; name one, or none")
        return path

    def list(self, option: str, what: str = "a module", example: str = "src or package.module") -> list[str]:
        name, values = self.value(option)
        for value in values:
            if not value.strip() or "\n" in value:
                raise ConfigError(f"{name}: {value!r} is no pattern; write a path or {what}, e.g. {example}")
        return list(values)

    def choice(self, option: str, choices: Sequence[str]) -> str:
        name, value = self.value(option)
        if value not in choices:
            raise ConfigError(f"{name}: {value!r} is none of {', '.join(choices)}")
        return str(value)

    def words(self, option: str, choices: Sequence[str] | None = None) -> tuple[str, Sequence[str]]:
        """Return who is to blame, and the words of a comma list, which may have several lines."""
        name, value = self.value(option)
        lines = [value] if isinstance(value, str) else value
        words = [word.strip() for line in lines for word in line.split(",") if word.strip()]
        for word in words:
            if choices is not None and word not in choices:
                raise ConfigError(f"{name}: {word!r} is none of {', '.join(choices)}")
        return name, tuple(dict.fromkeys(words))

    def formats(self) -> tuple[str, ...]:
        name, formats = self.words("format", FORMATS)
        if not formats:
            raise ConfigError(f"{name}: no format; choose from {', '.join(FORMATS)}")
        return tuple(formats)

    def kinds(self) -> tuple[str, ...]:
        name, kinds = self.words("record", (*KINDS, "all", "none"))
        if not kinds or ("none" in kinds and len(kinds) > 1):
            raise ConfigError(f"{name}: say none alone, or choose from {', '.join(KINDS)}, or all")
        if "none" in kinds:
            return ()
        return KINDS if "all" in kinds else tuple(kinds)

    def keep(self) -> Keep:
        name, words = self.words("keep")
        try:
            return Keep.of(words)
        except ValueError as error:
            raise ConfigError(f"{name}: {error}") from None

    def flag(self, option: str) -> bool:
        return bool(self.value(option)[1])

    def duration(self, option: str) -> int:
        name, value = self.value(option)
        try:
            return nanoseconds(value)
        except ValueError as error:
            raise ConfigError(f"{name}: {error}") from None

    def count(self, option: str) -> int:
        name, value = self.value(option)
        if not re.fullmatch(r"[0-9][0-9_]*", str(value)):
            raise ConfigError(f"{name}: {value!r} is no number; write for example 200000, or 0 for no limit")
        return int(value)


def nanoseconds(text: str) -> int:
    """Return a time such as `5us`, `1.5 ms` or `0` in nanoseconds. Raises ValueError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s)?\s*", text)
    if match is None:
        raise ValueError(f"{text!r} is no time; write for example 5us or 1ms")
    number, unit = match.groups()
    if unit is None and float(number):
        raise ValueError(f"{text!r} has no unit; write for example {number}us or {number}ms")
    return round(float(number) * NANOSECONDS[unit or "ns"])


def globs(pattern: str, root: str) -> list[str]:
    """Return the globs over `co_filename` that a path or module pattern means.

    A path (it has a separator, ends in .py, or exists) is relative to `root`, and a directory means all below it.
    Anything else is a dotted module name: the module's file wherever it is, and all of the package of that name.
    """
    pattern = pattern.strip()
    if pattern.startswith("<"):  # <string>, <frozen ...>
        return [pattern]
    path = _path(pattern, root)
    if path is None:
        module = pattern.replace(".", os.sep)
        return [f"*{os.sep}{module}.py", f"*{os.sep}{module}{os.sep}*"]
    if os.path.isdir(path) or pattern.endswith(SEPARATORS):
        return [_below(path)]
    if pattern.endswith(".py") or os.path.exists(path):
        return [path]
    return [path, _below(path)]  # with wildcards it may be either


def functions(pattern: str, root: str) -> str:
    """Return the functions that a pattern means, for the recorder: `FILE::NAME`, docs/spool-format.md.

    A path is relative to `root`, and means all functions in that file or below that directory; `PATH::NAME` those of
    that qualified name. Anything else is a name, as `--timeline-args` has it.
    """
    where, separator, name = pattern.strip().partition("::")
    path = _path(where, root) if where else None
    if path is not None:
        return f"{path}::{name or '*'}"
    if where.startswith("<") and separator:  # <string>
        return f"{where}::{name}"
    return f"::{where}:{name}" if separator else f"::{where}"


def _path(pattern: str, root: str) -> str | None:
    """Return the absolute path that a pattern is, None for the name of something in Python."""
    path = os.path.normpath(os.path.join(root, os.path.expanduser(pattern)))
    if pattern.endswith(".py") or any(each in pattern for each in SEPARATORS) or os.path.exists(path):
        return path
    return None


def machinery() -> tuple[str, ...]:
    """Return the globs of the test machinery that is installed, and of Python's own of each import."""
    return (OWN_CODE, IMPORTING, *(glob for name in MACHINERY for glob in _module_globs(name)))


def plugins(config: pytest.Config) -> Iterable[str]:
    """Yield the globs of the installed plugins' own files; not of one under the root directory, which is under test.

    A plugin that is a module of a library (anyio, hypothesis) hides that module and not the library.
    """
    root = os.path.join(str(config.rootpath), "")
    for plugin, _ in config.pluginmanager.list_plugin_distinfo():
        file, name = getattr(plugin, "__file__", None), getattr(plugin, "__name__", "")
        if not file or file.startswith(root):
            continue
        package = name.partition(".")[0]
        yield from _module_globs(package) if package.startswith("pytest") else [file]


def _module_globs(name: str) -> Iterable[str]:
    try:
        spec = importlib.util.find_spec(name)  # finds, and does not import
    except ValueError:  # in sys.modules without a spec
        spec = None
    if spec is None:
        return []
    if spec.submodule_search_locations:
        return [_below(os.path.abspath(path)) for path in spec.submodule_search_locations]
    return [spec.origin] if spec.origin else []


def _below(path: str) -> str:
    return os.path.join(path, "*")
