import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./scripts.js";
import { random } from "./trees.js";

const { Format } = load(["dom.js"], ["Format"]);
const NS = { ns: 1, µs: 1e3, ms: 1e6, s: 1e9 };
const value = (text) => Number(text.split(" ")[0].replace("−", "-")) * NS[text.split(" ")[1]];

test("times have three digits and the unit that keeps them below 1000", () => {
  for (const [ns, text] of [
    [0, "0 ns"], [1, "1 ns"], [999, "999 ns"], [999.6, "1.00 µs"], [1_000, "1.00 µs"], [9_994, "9.99 µs"], [9_996, "10.0 µs"], [99_960, "100 µs"],
    [999_400, "999 µs"], [999_600, "1.00 ms"], [1.234e9, "1.23 s"], [59.94e9, "59.9 s"], [59.96e9, "1 m 0 s"], [61.4e9, "1 m 1 s"],
    [3_599.4e9, "59 m 59 s"], [3_599.6e9, "1 h 0 m"], [7_260e9, "2 h 1 m"], [-1_500, "−1.50 µs"],
  ]) assert.equal(Format.time(ns), text);
  const draw = random(1);
  for (let i = 0; i < 5_000; i++) {
    const ns = 10 ** (draw() * 10.7);
    const text = Format.time(ns);
    assert.ok(Math.abs(value(text) - ns) <= Math.max(0.5, ns * 0.005 + 1e-6), `${ns}: ${text}`);
    assert.match(text, /^(\d{1,3}|\d{2}\.\d|\d\.\d\d) (ns|µs|ms|s)$/);
  }
});

test("moments differ when they are a step apart", () => {
  const draw = random(2);
  for (let i = 0; i < 5_000; i++) {
    const step = 10 ** Math.floor(draw() * 10);
    const ns = Math.floor(draw() * 1e4) * step;
    assert.notEqual(Format.moment(ns, step), Format.moment(ns + step, step));
    assert.ok(Math.abs(value(Format.moment(ns, step)) - ns) <= step / 2 + ns * 1e-9, `${ns}, ${step}: ${Format.moment(ns, step)}`);
    assert.equal(Format.offset(-ns - step, step), `−${Format.moment(ns + step, step)}`);
    assert.equal(Format.offset(ns, step), `+${Format.moment(ns, step)}`);
  }
});

test("thousands are set apart", () => {
  for (const count of [0, 7, 999, 1_000, 12_345, 1_000_000, 123_456_789]) {
    assert.equal(Format.count(count), count.toLocaleString("en").replaceAll(",", "\u2009"));
  }
  assert.equal(Format.plural(1, "child", "children"), "1 child");
  assert.equal(Format.plural(2, "child", "children"), "2 children");
  assert.equal(Format.plural(1_200, "slice"), "1\u2009200 slices");
});

test("shares", () => {
  for (const [share, text] of [[0, "0.0 %"], [0.0004, "<0.1 %"], [0.001, "0.1 %"], [0.0994, "9.9 %"], [0.0996, "10 %"], [0.5, "50 %"], [1, "100 %"]]) {
    assert.equal(Format.percent(share), text);
  }
});
