import assert from "node:assert/strict";
import { test } from "node:test";
import { load, plain } from "./scripts.js";
import { timeline } from "./timelines.js";
import { rows } from "./trees.js";

const SCRIPTS = ["dom.js", "columns.js", "tally.js", "layout.js", "view.js", "search.js"];
const given = { requestAnimationFrame: () => 1, cancelAnimationFrame() {}, matchMedia: () => ({ matches: true }) };
const scope = load(SCRIPTS, ["Columns", "Layout", "View", "Search"], given);

/** All hits in order of start, then track, then row. */
function hits({ trees, timeline }, matches) {
  return trees
    .flatMap((roots, track) => rows(roots).map(({ slice }, row) => ({ track, row, start: slice.start, name: slice.name })))
    .filter(({ track, name }) => timeline.tracks[track].kind !== "gil" && matches(timeline.names[name], timeline.files))
    .sort((a, b) => a.start - b.start || a.track - b.track || a.row - b.row)
    .map(({ track, row }) => ({ track, row }));
}

function make(...args) {
  const made = timeline(scope, ...args);
  const layout = new scope.Layout(made.timeline);
  const view = new scope.View(made.timeline);
  return { ...made, view, search: new scope.Search(view, layout) };
}

for (const seed of [1, 2, 3]) {
  for (const [query, matches] of [
    ["CALL3", ({ text }) => text.includes("call3")],
    [" file2 ", ({ file }) => file === 2],
    ["f1.", ({ text }) => text.startsWith("f1.")],
  ]) {
    test(`from hit to hit and round, ${query}, ${seed}`, () => {
      const made = make(20 * seed, [150, 40, 80]);
      const { view, search } = made;
      const expected = hits(made, matches);
      search.set(query);
      assert.equal(search.count, expected.length);
      assert.ok(expected.length > 3);
      for (const direction of [1, -1]) {
        view.select(null);
        const way = direction > 0 ? expected : expected.toReversed();
        view.show(0, view.duration);
        for (const hit of [...way, way[0], way[1]]) {
          search.step(direction);
          assert.deepEqual(plain(view.selection), hit);
          assert.equal(search.position, expected.findIndex(({ track, row }) => track === hit.track && row === hit.row) + 1);
        }
      }
    });
  }
}

test("the first step goes to what is in view", () => {
  const made = make(9, [300]);
  const { view, search, trees } = made;
  const expected = hits(made, () => true);
  search.set("call");
  const middle = view.duration / 2;
  view.show(middle, middle + 100);
  search.step(1);
  const all = rows(trees[0]);
  assert.deepEqual(plain(view.selection), expected.find(({ row }) => all[row].slice.start >= middle));
});

test("lanes of the GIL are not searched, and an empty query finds nothing", () => {
  const made = make(4, [60, 60], "gil");
  made.search.set("call");
  assert.equal(made.search.count, hits(made, () => true).length);
  made.search.set("  ");
  assert.equal(made.search.count, 0);
  assert.equal(made.view.hits, null);
  made.search.step(1);
  assert.equal(made.view.selection, null);
});
