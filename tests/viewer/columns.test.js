import assert from "node:assert/strict";
import { test } from "node:test";
import { load, plain } from "./scripts.js";
import { decoded, grow, random, rows } from "./trees.js";

const { Columns } = load(["columns.js"], ["Columns"]);
const TREES = [[1, 1], [2, 31], [3, 32], [4, 33], [5, 700], [6, 1_024], [7, 3_000]];

for (const [seed, count] of TREES) {
  const roots = grow(seed, count);
  const all = rows(roots);
  const columns = new Columns(decoded(roots));

  test(`who covers a moment, of ${count}`, () => {
    const draw = random(seed);
    const end = roots.at(-1).end + 20;
    const edges = all.flatMap(({ slice }) => [slice.start, slice.end]);
    for (let i = 0; i < 300; i++) {
      const ns = i & 1 ? Math.floor(draw() * end) : edges[Math.floor(draw() * edges.length)];
      const covering = [];
      for (let level = roots, found; (found = level.find((slice) => slice.start <= ns && ns < slice.end)); level = found.children) covering.push(found);
      const places = covering.map((slice) => all.findIndex((row) => row.slice === slice));
      for (let depth = -1; depth <= columns.depths; depth++) assert.equal(columns.at(depth, ns), places[depth] ?? -1);
      assert.equal(columns.innermost(ns), places.at(-1) ?? -1);
      for (let depth = 0; depth < columns.depths; depth++) {
        const within = all.filter((row) => row.depth === depth);
        const first = all.indexOf(within[0]);
        assert.equal(columns.after(depth, ns), first + within.filter(({ slice }) => slice.end <= ns).length);
        const from = first + Math.floor(draw() * within.length);
        const later = within.findIndex(({ slice }, at) => first + at >= from && slice.start >= ns);
        assert.equal(columns.starting(from, first + within.length, ns), later < 0 ? first + within.length : first + later);
      }
    }
  });

  test(`parents, children and time of their own, of ${count}`, () => {
    all.forEach(({ slice, depth, parent }, row) => {
      assert.equal(columns.depth(row), depth);
      assert.equal(columns.parent(row), parent);
      const [first, stop] = columns.children(row);
      assert.deepEqual(all.slice(first, stop).map((child) => child.slice), slice.children);
      assert.equal(columns.duration(row), slice.end - slice.start);
      assert.equal(columns.self(row), slice.children.reduce((left, child) => left - (child.end - child.start), slice.end - slice.start));
      assert.equal(columns.throwing.get(row), slice.flags & 4 ? slice.thrown - 1 : undefined);
      assert.deepEqual(plain(columns.folding.get(row)), slice.folded ? { count: slice.folded[0], ns: slice.folded[1] } : undefined);
    });
    assert.equal(columns.folding.size, all.filter(({ slice }) => slice.folded).length);
  });

  test(`what a run of rows comes to, of ${count}`, () => {
    const draw = random(seed);
    for (let i = 0; i < 300; i++) {
      const from = Math.floor(draw() * all.length);
      const to = from + 1 + Math.floor(draw() * (all.length - from));
      const durations = all.slice(from, to).map(({ slice }) => slice.end - slice.start);
      columns.summary(from, to);
      assert.equal(columns.found.sum, durations.reduce((sum, duration) => sum + duration));
      assert.ok(from <= columns.found.longest && columns.found.longest < to);
      assert.equal(columns.duration(columns.found.longest), Math.max(...durations));
    }
  });
}

test("no slices", () => {
  const none = new Columns({ levels: new Uint32Array(1) });
  assert.equal(none.innermost(0), -1);
  assert.equal(none.at(0, 0), -1);
  assert.equal(new Columns({ levels: new Uint32Array(3 + 1) }).innermost(5), -1);
});
