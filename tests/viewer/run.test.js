import assert from "node:assert/strict";
import { test } from "node:test";
import { addressBar, load, plain } from "./scripts.js";
import { random } from "./trees.js";

const OUTCOMES = ["failed", "crashed", "error", "passed", "skipped", "xfailed", "xpassed"];
const CATEGORIES = ["own", "library", "c", "sleep", "lock", "io"];
const WAITS = ["sleep", "lock", "io"];
const FILES = ["tests/test_b.py", "test_a.py", "tests/unit/test_c.py"];
const MARKERS = ["slow", "db"];
const USES = [[], ["engine"], ["engine", "client"]]; // fixtures

/** A run of so many tests, one object each; times in microseconds. */
function run(seed, count) {
  const draw = random(seed);
  const below = (limit) => Math.floor(draw() * limit);
  return Array.from({ length: count }, (_, i) => {
    const duration = below(5) ? below(20_000) : below(3_000_000);
    const failed = !below(5);
    const times = CATEGORIES.map(() => Math.floor((draw() * duration) / 7));
    return {
      file: below(3), line: i, name: below(20) ? `TestX::test_${below(count)}[${i}]` : "", outcome: OUTCOMES[failed ? below(3) : 3 + below(4)],
      rerun: below(9) ? 0 : 1, slices: below(1_000), folded: below(4) ? 0 : below(9), dropped: 0, processes: 1 + below(3), threads: 1 + below(5),
      tasks: below(3), leaks: below(9) ? 0 : below(3), leaked: [], blocks: below(9) ? 0 : 1, blocked: [], worker: below(3) - 1, start: i * 1_000, duration,
      phases: [below(500), below(500), below(500)], times, fixtures: 0, uses: below(3), markers: [0, 1].filter(() => !below(3)),
      exception: failed ? `ValueError: ${i} is Odd` : "", page: below(4) ? `t ${i}#` : "", also: 0,
    };
  });
}

/** The page's scripts on that run. */
function open(tests, hash = "") {
  const columns = Object.fromEntries(Object.keys(run(1, 1)[0]).map((key) => [key, tests.map((each) => each[key])]));
  const lanes = ["gw0", "gw1"].map((worker, index) => ({ worker, pid: index, begin: 5, end: 9_000_000 }));
  const data = { files: FILES, markers: MARKERS, categories: CATEGORIES, fixtures: [], wide: [], uses: USES, lanes, duration: 10, tests: columns };
  const bar = addressBar();
  bar.location.hash = hash;
  const canvas = { getContext: () => null };
  const document = { getElementById: () => ({ textContent: JSON.stringify(data) }), createElement: () => canvas };
  const scripts = ["dom.js", "theme.js", "run-data.js", "run-list.js"];
  return { ...load(scripts, ["RunData", "RunList"], { ...bar, document }), bar };
}

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
const bad = ({ outcome }) => OUTCOMES.indexOf(outcome) < 3;
const id = ({ file, name }) => `${FILES[file]}::${name}`;
const again = (each, tests) => tests.some((other) => id(other) === id(each) && other.rerun > each.rerun);
const counted = (each, tests) => (again(each, tests) ? "rerun" : each.outcome);

test("what the run comes to", () => {
  const tests = run(3, 400);
  const { RunData } = open(tests);
  assert.deepEqual(plain(RunData.phases), [0, 1, 2].map((phase) => sum(tests.map(({ phases }) => phases[phase]))));
  assert.deepEqual(plain(RunData.times), CATEGORIES.map((_, at) => sum(tests.map(({ times }) => times[at]))));
  assert.equal(RunData.machinery, sum(tests.map(({ duration, times }) => duration - sum(times))));
  assert.equal(RunData.total("leaks"), sum(tests.map(({ leaks }) => leaks)));
  const outcomes = [...OUTCOMES, "rerun"].map((outcome) => [outcome, tests.filter((each) => counted(each, tests) === outcome).length]);
  assert.ok(outcomes.every(([, count]) => count > 0));
  assert.deepEqual(plain(RunData.outcomes), outcomes);
  assert.deepEqual(plain(RunData.drawn), OUTCOMES);
  assert.equal(RunData.end, Math.max(10_000_000, ...tests.map(({ start, duration }) => start + duration)));
  RunData.lanes.forEach((lane, worker) => {
    const own = tests.flatMap((each, i) => (each.worker === worker ? [i] : []));
    assert.deepEqual(plain(lane.tests), own);
    assert.equal(lane.busy, sum(own.map((i) => tests[i].duration)));
  });
  tests.forEach((each, i) => {
    assert.equal(RunData.bad(i), bad(each));
    assert.equal(RunData.name(i), each.name || FILES[each.file]);
    assert.equal(RunData.page(i), each.page && `tests/t%20${i}%23.html`);
  });
});

/** What each column sorts by. */
const SORTS = {
  outcome: ({ outcome }) => OUTCOMES.indexOf(outcome),
  test: id,
  duration: ({ duration }) => duration,
  phases: ({ phases }) => phases[0] + phases[2],
  where: ({ times }) => sum(times.filter((_, at) => WAITS.includes(CATEGORIES[at]))),
  worker: ({ worker }) => worker,
  processes: ({ processes }) => processes,
  threads: ({ threads }) => threads,
  tasks: ({ tasks }) => tasks,
};

const order = (tests, shown, key, up) =>
  shown.toSorted((a, b) => {
    const [left, right] = [key(tests[a]), key(tests[b])];
    return left === right ? a - b : left < right === up ? -1 : 1;
  });

test("failures first, then the slowest; a column one way, the other way, and back", () => {
  const tests = run(4, 300);
  const { RunList, bar } = open(tests);
  const all = tests.map((_, i) => i);
  const first = [...order(tests, all.filter((i) => bad(tests[i])), SORTS.duration, false), ...order(tests, all.filter((i) => !bad(tests[i])), SORTS.duration, false)];
  RunList.read();
  assert.deepEqual(plain(RunList.shown()), first);
  for (const [column, key] of Object.entries(SORTS)) {
    const up = ["test", "worker", "outcome"].includes(column);
    for (const way of [up, !up]) {
      RunList.sortBy(column);
      assert.deepEqual(plain(RunList.shown()), order(tests, all, key, way), column);
      const other = open(tests, bar.location.hash);
      other.RunList.read();
      assert.deepEqual(plain(other.RunList.shown()), plain(RunList.shown()), bar.location.hash);
    }
    RunList.sortBy(column);
    assert.deepEqual(plain(RunList.shown()), first, column);
  }
  CATEGORIES.forEach((category, at) => {
    RunList.set({ sort: "where", up: false, category });
    assert.deepEqual(plain(RunList.shown()), order(tests, all, ({ times }) => times[at], false), category);
  });
});

test("filters, alone and together, and the same in the address", () => {
  const tests = run(5, 500);
  for (let seed = 1; seed <= 60; seed++) {
    const draw = random(seed);
    const some = (...values) => (draw() < 0.4 ? values[Math.floor(draw() * values.length)] : undefined);
    const { RunList, bar } = open(tests);
    let told = 0;
    RunList.listen(() => told++);
    const outcomes = some(["failed"], ["passed", "error"], ["rerun"], []) ?? [];
    const query = some("odd", "TEST_1 unit", "slow test_b", "  ", "nowhere") ?? "";
    const file = some(...FILES) ?? "";
    const marker = some(...MARKERS) ?? "";
    const least = some(10, 1_000) ?? 0;
    for (const outcome of outcomes) RunList.toggle(outcome);
    RunList.toggle("skipped");
    RunList.toggle("skipped");
    const note = some("leaks", "blocks", "reruns", "folded") ?? "";
    const fixture = some("engine", "client") ?? "";
    RunList.set({ query, file, marker, least, note, fixture });
    assert.equal(told, outcomes.length + 3);
    const words = query.toLowerCase().split(" ").filter(Boolean);
    const expected = tests.flatMap((each, i) => {
      const text = [id(each), each.exception, ...each.markers.map((at) => MARKERS[at])].map((part) => part.toLowerCase());
      const kept =
        (!outcomes.length || outcomes.includes(counted(each, tests))) &&
        words.every((word) => text.some((part) => part.includes(word))) &&
        (!file || FILES[each.file] === file) &&
        (!marker || each.markers.includes(MARKERS.indexOf(marker))) &&
        each.duration >= least * 1_000 &&
        (!note || (note === "reruns" ? each.rerun || again(each, tests) : each[note]) > 0) &&
        (!fixture || USES[each.uses].includes(fixture));
      return kept ? [i] : [];
    });
    assert.deepEqual(plain(RunList.shown()).sort((a, b) => a - b), expected);
    tests.forEach((_, i) => assert.equal(RunList.has(i), expected.includes(i)));
    const other = open(tests, bar.location.hash);
    other.RunList.read();
    assert.deepEqual(plain(other.RunList.shown()), plain(RunList.shown()), bar.location.hash);
    RunList.clear();
    assert.equal(RunList.shown().length, tests.length);
  }
});

test("an address that was mistyped shows what it can", () => {
  const { RunList } = open(run(6, 20), "#sort=constructor&least=x&outcomes=.&up=maybe&mode=");
  RunList.read();
  assert.equal(RunList.shown().length, 20);
});
