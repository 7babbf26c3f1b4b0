"""The run pages of several shards as one: columns one after the other, what they refer to by number renumbered."""

from __future__ import annotations

from typing import Any

import orjson

from pytest_timeline.export.index import LONGEST_SET_UPS
from pytest_timeline.merge.shards import Shard

REFERENCES = {"file": "files", "also": "suffixes", "uses": "uses"}  # columns of `tests`, and the tables they refer to


def joined(shards: list[Shard], offsets: list[int], pages: list[dict[str, str]]) -> dict[str, Any]:
    """Return the data of one page beside what the manifest has of it.

    `offsets` are the shards' starts in us; `pages` say of each shard's pages what they are called now, and miss those
    that are not there.
    """
    tables = {name: _Table() for name in ("files", "markers", "suffixes", "uses")}
    tests: dict[str, list[Any]] = {}
    lanes: list[dict[str, Any]] = []
    fixtures: dict[tuple[str, str, str], list[Any]] = {}
    wide: list[tuple[tuple[str, str, str], int, int, int, int]] = []
    for shard, offset, names in zip(shards, offsets, pages, strict=True):
        page = shard.page
        first_test, first_lane = len(tests.get("name", ())), len(lanes)
        lanes += _lanes(shard, offset, names)
        columns = page["tests"]
        for column, table in REFERENCES.items():
            columns[column] = tables[table].renumbered(columns[column], page[table])
        columns["markers"] = [tables["markers"].renumbered(each, page["markers"]) for each in columns["markers"]]
        columns["start"] = [start + offset for start in columns["start"]]
        columns["worker"] = [lane + first_lane if lane >= 0 else -1 for lane in columns["worker"]]
        columns["page"] = [names.get(name, "") for name in columns["page"]]
        for key, column in columns.items():
            tests.setdefault(key, []).extend(column)
        keys = [(row[0], row[1], row[6]) for row in page["fixtures"]]
        for key, row in zip(keys, page["fixtures"], strict=True):
            longest = [[test + first_test, us] for test, us in row[5]]
            _add_fixture(fixtures.setdefault(key, [*row[:2], 0, 0, 0, [], row[6]]), row, longest)
        wide += [
            (keys[fixture], start + offset, us, test + first_test, down)
            for fixture, start, us, test, down in page["wide"]
        ]
    order = sorted(range(len(tests.get("start", ()))), key=lambda at: (tests["start"][at], at))
    places = {at: place for place, at in enumerate(order)}
    ranked = sorted(fixtures, key=lambda key: -fixtures[key][3] - fixtures[key][4])
    for row in fixtures.values():
        row[5] = [[places[test], us] for test, us in row[5]]
    return {
        "root": shards[0].page["root"] if shards else "",
        "categories": shards[0].page["categories"] if shards else [],
        "lanes": lanes,
        **{name: table.items for name, table in tables.items()},
        "tests": {key: [column[at] for at in order] for key, column in tests.items()},
        "fixtures": [fixtures[key] for key in ranked],
        "wide": sorted([ranked.index(key), start, us, places[test], down] for key, start, us, test, down in wide),
    }


def _lanes(shard: Shard, offset: int, names: dict[str, str]) -> list[dict[str, Any]]:
    """Return a shard's lanes; they end with its run, and not with the last of all."""
    tests = shard.page["tests"]
    done = max((start + us for start, us in zip(tests["start"], tests["duration"], strict=True)), default=0)
    over = max([round(shard.manifest["duration"] * 1e6), done, *(lane["end"] for lane in shard.page["lanes"])])
    lanes = []
    for lane in shard.page["lanes"]:
        moved = lane | {key: lane[key] + offset for key in ("begin", "end")} | {"worker": shard.worker(lane["worker"])}
        if "collection" in lane:
            moved["collection"] = [us + offset for us in lane["collection"]]
        if "modules" in lane:
            moved["modules"] = [
                [name, file, begin + offset, total, own] for name, file, begin, total, own in lane["modules"]
            ]
        if "page" in lane:
            moved["page"] = names.get(lane["page"], "")
        if "replaces" in lane:
            moved["replaces"] = shard.worker(lane["replaces"])
        # A shard that was merged itself has its own.
        lanes.append(moved | {"last": lane.get("last", done) + offset, "over": lane.get("over", over) + offset})
    return lanes


class _Table:
    """What numbers stand for, each item once."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self._places: dict[bytes, int] = {}

    def renumbered(self, numbers: list[int], items: list[Any]) -> list[int]:
        """Return the numbers here of what they are in `items`."""
        places = [self._place(item) for item in items]
        return [places[number] for number in numbers]

    def _place(self, item: Any) -> int:
        place = self._places.setdefault(orjson.dumps(item), len(self.items))
        if place == len(self.items):
            self.items.append(item)
        return place


def _add_fixture(total: list[Any], row: list[Any], longest: list[list[int]]) -> None:
    for at in (2, 3, 4):
        total[at] += row[at]
    total[5] = sorted(total[5] + longest, key=lambda each: -each[1])[:LONGEST_SET_UPS]
