import assert from "node:assert/strict";
import { test } from "node:test";
import { addressBar, load, plain } from "./scripts.js";
import { random } from "./trees.js";

const bar = addressBar();
const { Link } = load(["link.js"], ["Link"], bar);
const NONE = { show: undefined, range: undefined, query: undefined, tab: undefined, pinned: undefined, toggled: undefined, moved: undefined };

/** What the page looks at, when nothing was done to it. */
const view = (changes) => ({ from: 0, to: 1_000_000, selection: null, range: null, query: "", minimum: 0, tab: "slice", ...changes });
const layout = (changes) => ({ pinned: [], toggled: new Map(), moved: new Map(), ...changes });

test("an untouched page says the range in view and nothing else", () => {
  Link.write(view(), layout(), 0);
  assert.equal(bar.location.hash, "#v=0_1000000");
  assert.deepEqual(plain(Link.read()), { ...NONE, show: [0, 1_000_000] });
});

test("what is written is read", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const draw = random(seed);
    const below = (limit) => Math.floor(draw() * limit);
    const some = (value) => (draw() < 0.5 ? value : undefined);
    const from = below(1e9);
    const range = some([from + 5, from + 10 + below(1e8)]);
    const said = {
      ...NONE,
      show: [from, from + 200_000 + below(1e9)],
      range,
      query: some(["f7", "a b", "50 %&=#+ç", "<b>", "0"][below(5)]),
      tab: some(["range", "log", "failure"][below(3)]),
      pinned: some(["t3", "p1"].slice(below(2))),
      toggled: some([["t1", true], ["p0", false], ["mp0", true]].slice(below(3))),
      moved: some([["t4", 0], ["t2", 11]].slice(below(2))),
    };
    const selection = some({ track: below(300), row: below(1e6) });
    const minimum = some(1 + below(1e6));
    const scroll = some(1 + below(9_000));
    Link.write(
      view({ from: said.show[0], to: said.show[1], selection: selection ?? null, range: range ?? null, query: said.query ?? "", minimum: minimum ?? 0, tab: said.tab ?? "slice" }),
      layout({ pinned: said.pinned ?? [], toggled: new Map(said.toggled), moved: new Map(said.moved) }),
      scroll ?? 0,
    );
    const expected = { ...said, ...(selection && { selection }), ...(minimum && { minimum }), ...(scroll && { scroll }) };
    assert.deepEqual(plain(Link.read()), expected, bar.location.hash);
    const hash = bar.location.hash;
    assert.equal(`#${new URLSearchParams(hash.slice(1))}`, hash);
  }
});

test("a narrow view keeps parts of a nanosecond", () => {
  Link.write(view({ from: 100.256, to: 160.5 }), layout(), 0);
  assert.deepEqual(plain(Link.read().show), [100.26, 160.5]);
});

test("an address that was cut or mistyped says less, and breaks nothing", () => {
  for (const hash of ["", "#", "#v", "#v=9_3", "#v=x_y&s=1&r=5&min=-4&y=abc", "#v=_", "#s=.x"]) {
    bar.location.hash = hash;
    const { show, selection, range, minimum, scroll } = Link.read();
    assert.deepEqual([show, selection, range, minimum, scroll], Array(5).fill(undefined), hash);
  }
});
