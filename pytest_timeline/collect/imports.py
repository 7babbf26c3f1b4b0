"""What was imported before the first test, how long each module took, and who wanted it: from the slices of bodies."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_timeline._codec import named, uses
from pytest_timeline.timeline.category import CODE, LIBRARY, Categories, Meaning, main_thread
from pytest_timeline.timeline.model import Timeline, Track

BODY = "import "  # what the name of a module's body begins with
LOADER = "_LoaderBasics.exec_module"  # reads or compiles a module, then runs its body
MOST = 100  # rows of the table
MOST_DRAWN = 200  # modules that nothing recorded imported, in a lane


@dataclass(slots=True)
class Module:
    """A module that was imported. Times are ticks, of reading or compiling it and running its body."""

    name: str
    file: str
    library: str  # the top-level package of a library's module, else ""
    start: int
    total: int
    own: int  # without the modules that it imported
    importer: Module | None
    outermost: Module  # whose import this was a part of: a conftest, a test module; the module itself if it is of none


@dataclass(slots=True)
class Row:
    """One line of the table: a module of the project, or all that were imported of a library."""

    name: str
    own: int
    total: int
    file: str  # for people
    via: str  # the file of the conftest or test module that it was imported for, "" where none was
    modules: int

    def seconds(self, ns_per_tick: float) -> list[object]:
        """Return it as run.json has it."""
        own, total = (round(ticks * ns_per_tick / 1e9, 6) for ticks in (self.own, self.total))
        return [self.name, own, total, self.file, self.via, self.modules]


def imported(timeline: Timeline, categories: Categories) -> list[Module]:
    """Return the modules that the main thread imported, in order of start."""
    track = main_thread(timeline)
    return _modules(track, categories) if track is not None else []


def table(modules: list[Module], categories: Categories) -> list[Row]:
    """Return where the time of importing went, the most own time first; libraries as a whole."""
    rows: dict[tuple[str, str], Row] = {}
    for module in modules:
        key = (module.library, "") if module.library else (module.name, module.file)
        row = rows.get(key)
        if row is None:
            via = module.outermost
            row = rows[key] = Row(
                module.library or module.name,
                0,
                0,
                categories.file(module.file).short,
                categories.file(via.file).short if via is not module else "",
                0,
            )
        row.own += module.own
        row.modules += 1
        if not (module.library and _within(module)):
            row.total += module.total
    return sorted(rows.values(), key=lambda row: -row.own)[:MOST]


def outermost(modules: list[Module]) -> list[Module]:
    """Return those that no other imported, in order of start; the longest where there are many."""
    outer = [module for module in modules if module.importer is None]
    outer = sorted(outer, key=lambda module: -module.total)[:MOST_DRAWN]
    return sorted(outer, key=lambda module: module.start)


def _modules(track: Track, categories: Categories) -> list[Module]:
    meanings = categories.meanings(track.names)
    wanted = {id: meanings[id] for id in uses(track.slices)}
    wanted = {id: meaning for id, meaning in wanted.items() if is_body(meaning) or meaning.text == LOADER}
    found = named(track.slices, wanted)
    modules: list[Module | None] = []  # None: a loader
    for id, start, end, depth, place in found:
        meaning = wanted[id]
        if meaning.text == LOADER:
            modules.append(None)
            continue
        importer = place
        if place >= 0 and modules[place] is None and found[place][3] == depth - 1:
            _, start, end, _, importer = found[place]
        while importer >= 0 and modules[importer] is None:
            importer = found[importer][4]
        outer = modules[importer] if importer >= 0 else None
        file = categories.file(meaning.file)
        module = Module(
            name=meaning.text.removeprefix(BODY),
            file=meaning.file,
            library=file.package if file.category == LIBRARY else "",
            start=start,
            total=end - start,
            own=end - start,
            importer=outer,
            outermost=None,  # type: ignore[arg-type]
        )
        module.outermost = outer.outermost if outer is not None else module
        if outer is not None:
            outer.own -= module.total
        modules.append(module)
    return [module for module in modules if module is not None]


def is_body(meaning: Meaning) -> bool:
    """Whether a name is that of a module's body."""
    return meaning.kind == CODE and meaning.text.startswith(BODY)


def _within(module: Module) -> bool:
    """Whether the import is a part of that of another module of the same library."""
    outer = module.importer
    while outer is not None:
        if outer.library == module.library:
            return True
        outer = outer.importer
    return False
