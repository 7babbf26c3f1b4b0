"""Spool bytes to columns to encoded bytes; built from ext/codec.pyx."""

class Names:
    def __init__(self, parent: Names | None = None, first_id: int = 0) -> None: ...
    def add(self, id: int, text: str, kind: int = 16, file: int = 0, line: int = 0, flags: int = 0) -> None: ...
    def __getitem__(self, id: int) -> tuple[str, int, str, int, int]: ...

class Slices:
    def __len__(self) -> int: ...
    def add(
        self,
        start: int,
        end: int,
        name: int,
        depth: int,
        flags: int = 0,
        raised: int = 0,
        folded: int = 0,
        folded_ticks: int = 0,
    ) -> None: ...
    def rows(self) -> list[tuple[int, int, int, int, int, int, int, int]]: ...

def perfetto_slices(
    slices: Slices,
    names: Names,
    origin: int,
    ns_per_tick: float,
    track: int,
    sequence: int,
    before: list[tuple[int, int, int]] | None = None,
) -> bytes: ...
def chrome_slices(
    slices: Slices,
    names: Names,
    origin: int,
    ns_per_tick: float,
    lane: bytes,
    before: list[tuple[int, int, int]] | None = None,
) -> bytes: ...
def open_slices(slices: Slices, before: list[tuple[int, int, int]]) -> tuple[int, list[tuple[int, int, int]]]: ...
