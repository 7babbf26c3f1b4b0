import assert from "node:assert/strict";
import { test } from "node:test";
import { load, plain } from "./scripts.js";
import { random } from "./trees.js";

const { Columns, Layout } = load(["dom.js", "columns.js", "layout.js"], ["Columns", "Layout"]);

/** A layout of so many threads in each process, some below others, and the tests' own lanes. */
function make(...threads) {
  const tracks = [];
  const add = (kind, process, name, parent = null) => {
    tracks.push({ index: tracks.length, kind, process, name, parent, id: 7, columns: new Columns({ levels: new Uint32Array(2 + (tracks.length % 4)) }), slices: 0, first: 0, last: 0 });
    return tracks.length - 1;
  };
  add("test", 0, "test");
  threads.forEach((count, process) => {
    for (let thread = 0; thread < count; thread++) {
      const parent = add("thread", process, thread ? `worker-${thread}` : "MainThread");
      if (thread % 3 === 1) add("task", process, `task-${thread}`, parent);
    }
    add("process", process, "processes");
  });
  const processes = threads.map((_, process) => ({ name: `python ${process}`, pid: 100 + process, parent: process ? 0 : null }));
  return new Layout({ head: { processes, duration: 1_000 }, tracks });
}

const keys = (layout) => plain(layout.visible.map(({ key }) => key));

/** What is shown, by walking the tree: pinned first, each with what is below it; no more than 40 siblings unless asked for. */
function expected(layout, order) {
  const below = (key, siblings) => {
    const wanted = siblings.filter((each) => !layout.pinned.includes(each));
    const many = wanted.length > 40;
    const shown = many && !layout.toggled.get(`m${key}`) ? wanted.slice(0, 40) : wanted;
    return [...shown.flatMap(withBelow), ...(many ? [`m${key}`] : [])];
  };
  const withBelow = (key) => [key, ...(layout.isOpen(layout.nodes.get(key)) ? below(key, order(layout.nodes.get(key).children.map((node) => node.key), key)) : [])];
  return [...plain(layout.pinned).flatMap(withBelow), ...below("", order(layout.roots.map((node) => node.key), ""))];
}

test("lanes come before threads, children below their parent, each process below its name", () => {
  const layout = make(2, 1);
  layout.arrange(false);
  assert.deepEqual(keys(layout), ["t0", "p0", "t4", "t1", "t2", "t3", "p1", "t6", "t5"]);
  assert.deepEqual(plain(layout.visible.map(({ level }) => level)), [1, 1, 2, 2, 2, 3, 1, 2, 2]);
  assert.equal(layout.mainTrack().name, "MainThread");
  assert.equal(layout.nodes.get("p0").meta, "1 child");
});

for (const narrow of [false, true]) {
  test(`after whatever the reader does, ${narrow ? "narrow" : "wide"}`, () => {
    for (let seed = 1; seed <= 20; seed++) {
      const draw = random(seed);
      const layout = make(1 + Math.floor(draw() * 60), 3, 1);
      const pick = (list) => list[Math.floor(draw() * list.length)];
      const placed = new Map(); // by parent, the order that the reader gave
      const order = (siblings, parent) => [...(placed.get(parent) ?? siblings)];
      for (let step = 0; step < 30; step++) {
        layout.arrange(narrow);
        assert.deepEqual(keys(layout), expected(layout, order), `seed ${seed}, step ${step}`);
        let y = layout.visible[0].y;
        for (const node of layout.visible) {
          assert.equal(node.y, y);
          assert.ok(node.height > 0 && node.rowTop >= node.y);
          for (const at of [y, y + node.height / 2, y + node.height - 0.01]) assert.equal(layout.at(at)?.key, node.key);
          for (const row of layout.rows(node)) assert.ok(row.y >= node.rowTop && row.y + row.height <= node.y + node.height, node.key);
          y += node.height;
        }
        assert.equal(layout.at(y), null);
        assert.ok(layout.height >= y);

        const node = pick(layout.visible);
        const action = Math.floor(draw() * 3);
        if (action === 0) layout.toggle(node);
        if (action === 1) layout.pin(node);
        const parent = node.parent?.key ?? "";
        const siblings = order((node.parent ? node.parent.children : layout.roots).map((each) => each.key), parent);
        if (action === 2 && node.kind !== "more" && !siblings.some((key) => layout.pinned.includes(key))) {
          const by = pick([-2, -1, 1, 2]);
          layout.move(node, by);
          const to = Math.min(siblings.length - 1, Math.max(0, siblings.indexOf(node.key) + by));
          siblings.splice(siblings.indexOf(node.key), 1);
          siblings.splice(to, 0, node.key);
          placed.set(parent, siblings);
        }
      }
    }
  });
}

for (const [what, threads] of [["threads", [70]], ["processes", Array(50).fill(2)]]) {
  test(`what is looked for is shown, however deep it lies and however many ${what} come before it`, () => {
    const layout = make(...threads);
    const deep = [...layout.nodes.values()].findLast((node) => node.kind === "task");
    layout.toggle(deep.parent, false);
    layout.arrange(false);
    assert.ok(!keys(layout).includes(deep.key));
    layout.reveal(deep);
    layout.arrange(false);
    assert.ok(keys(layout).includes(deep.key));
  });
}
