import assert from "node:assert/strict";
import { test } from "node:test";
import { load, plain } from "./scripts.js";
import { timeline } from "./timelines.js";
import { random, rows } from "./trees.js";

const WAITS = ["sleep", "lock"];
const { Columns, Tally } = load(["columns.js", "tally.js"], ["Columns", "Tally"], { Theme: { waits: (category) => WAITS.includes(category) } });

/** The part of the slice that lies between. */
const part = (slice, from, to) => Math.max(0, Math.min(slice.end, to) - Math.max(slice.start, from));

/** Lines by name and the tree of calls, from nested slices. */
function naive(trees, from, to) {
  const lines = new Map();
  const root = { name: -1, count: 0, total: 0, self: 0, children: new Map() };
  const visit = (slice, above, names) => {
    const total = part(slice, from, to);
    if (!total) return;
    const own = total - slice.children.reduce((sum, child) => sum + part(child, from, to), 0);
    const line = lines.get(slice.name) ?? { name: slice.name, count: 0, total: 0, self: 0 };
    lines.set(slice.name, line);
    const call = above.children.get(slice.name) ?? { name: slice.name, count: 0, total: 0, self: 0, children: new Map() };
    above.children.set(slice.name, call);
    for (const each of [line, call]) {
      each.count++;
      each.self += own;
    }
    call.total += total;
    if (!names.includes(slice.name)) line.total += total;
    for (const child of slice.children) visit(child, call, [...names, slice.name]);
  };
  for (const slice of trees.flat()) visit(slice, root, []);
  for (const call of root.children.values()) root.total += call.total;
  return { lines: [...lines.values()].sort((a, b) => a.name - b.name), root };
}

/** Own time by category. */
function categories(names, lines) {
  const sums = new Map();
  for (const { name, self } of lines) sums.set(names[name].category, (sums.get(names[name].category) ?? 0) + self);
  return sums;
}

/** A call without an order among its children. */
const ordered = (call) => ({ ...call, children: [...call.children.values()].sort((a, b) => a.name - b.name).map(ordered) });

for (const seed of [1, 2, 3, 4, 5]) {
  const { trees, timeline: made } = timeline({ Columns }, 10 * seed, [200 * seed, 90, 1]);
  const { duration } = made.head;

  test(`the sums of a range, ${seed}`, () => {
    const draw = random(seed);
    const ranges = [[0, duration], [-Infinity, Infinity], [duration + 1, duration + 9]];
    for (let i = 0; i < 40; i++) ranges.push([draw() * duration, draw() * duration].map(Math.floor).sort((a, b) => a - b));
    for (const [from, to] of ranges) {
      const expected = naive(trees, from, to);
      const sums = Tally.range(made, from, to, true);
      assert.deepEqual(plain(sums.lines), expected.lines);
      assert.deepEqual(ordered(plain(sums.root)), ordered(expected.root));
      assert.equal(sums.slices, expected.lines.reduce((sum, { count }) => sum + count, 0));
      assert.deepEqual(plain(sums.categories), categories(made.names, expected.lines));
      const touched = made.tracks.filter((_, index) => naive([trees[index]], from, to).lines.length);
      assert.equal(sums.tracks, touched.length);
      assert.equal(sums.processes, new Set(touched.map(({ process }) => process)).size);
      assert.deepEqual(plain(Tally.range(made, from, to).lines), expected.lines);
    }
  });

  test(`time in a slice by category, ${seed}`, () => {
    rows(trees[0]).forEach(({ slice }, row) => {
      const expected = categories(made.names, naive([[slice]], slice.start, slice.end).lines);
      assert.deepEqual(plain(Tally.within(made, 0, row)), new Map([...expected].filter(([, ns]) => ns > 0)));
    });
  });

  test(`the share in which a thread ran, ${seed}`, () => {
    made.tracks.forEach((track, index) => {
      const spent = categories(made.names, naive([trees[index]], 0, Infinity).lines);
      const ran = [...spent].reduce((sum, [category, ns]) => (WAITS.includes(category) ? sum : sum + ns), 0);
      assert.equal(Tally.running(made, track), ran / duration);
    });
  });
}

test("lanes that are no threads do not count", () => {
  const { trees, timeline: made } = timeline({ Columns }, 7, [50, 50], "gil");
  assert.deepEqual(plain(Tally.range(made, 0, Infinity).lines), naive([trees[0]], 0, Infinity).lines);
});
