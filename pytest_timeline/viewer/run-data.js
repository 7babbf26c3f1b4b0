// The run's data: its tests by number, in order of start, and what they come to together.
"use strict";

const RunData = (() => {
  /**
   * @typedef {object} Lane  a pytest process; microseconds
   * @property {string | null} worker
   * @property {number} pid
   * @property {number} begin
   * @property {number} end  of its session, or its own
   * @property {[number, number]} [collection]  from pytest's start-up on
   * @property {Module[]} [modules]  that no other module imported, in order of start
   * @property {string} [page]  of the collection, "" = there is none
   * @property {{signal?: string, exit_code?: number}} [died]  before its session ended
   * @property {string} [replaces]  another worker, which died
   * @property {number} [over]  when its run ended, where that is one of several
   * @property {number} [last]  when all tests of its run were done
   * @property {number[]} tests  in order of start
   * @property {number[]} wide  set-ups and tear-downs of fixtures that outlive a test, indexes into `wide`, in order of start
   * @property {number} busy
   * @property {number} ready  when it could begin with its tests
   * @property {number} done  when it had ended the last
   */
  /** @typedef {[name: string, file: string, start: number, total: number, own: number]} Module */
  /** In seconds; of a library all modules. @typedef {[name: string, own: number, total: number, file: string, via: string, modules: number]} Import */
  /** @typedef {[name: string, scope: string, count: number, setUp: number, tearDown: number, longest: [number, number][], place: string]} Fixture */
  /** @typedef {[fixture: number, start: number, duration: number, test: number, tearDown: 0 | 1]} Wide */

  const data = JSON.parse(Dom.get("run").textContent ?? "");
  const tests = /** @type {Record<string, any[]>} */ (data.tests);
  const count = tests.name.length;
  const lanes = /** @type {Lane[]} */ (data.lanes.map((/** @type {Lane} */ lane) => ({ ...lane, tests: [], wide: [], busy: 0, ready: lane.collection?.[1] ?? lane.begin, done: 0 })));
  const files = /** @type {string[]} */ (data.files);
  const markers = /** @type {string[]} */ (data.markers);
  const categories = /** @type {string[]} */ (data.categories);
  const OUTCOMES = ["failed", "crashed", "error", "passed", "skipped", "xfailed", "xpassed"];
  const outcomes = /** @type {Map<string, number>} */ (new Map());
  const attempts = /** @type {Map<string, number>} */ (new Map()); // the last rerun of each test
  const phases = [0, 0, 0];
  const times = categories.map(() => 0);
  let machinery = 0;
  for (let i = 0; i < count; i++) {
    attempts.set(key(i), Math.max(attempts.get(key(i)) ?? 0, tests.rerun[i]));
    tests.phases[i].forEach((/** @type {number} */ us, /** @type {number} */ phase) => (phases[phase] += us));
    tests.times[i].forEach((/** @type {number} */ us, /** @type {number} */ category) => (times[category] += us));
    machinery += rest(i);
    const lane = lanes[tests.worker[i]];
    if (lane) {
      lane.tests.push(i);
      lane.busy += tests.duration[i];
      lane.done = Math.max(lane.done, tests.start[i] + tests.duration[i]);
      if (!lane.collection && lane.tests.length === 1) lane.ready = tests.start[i];
    }
  }
  const wide = /** @type {Wide[]} */ (data.wide);
  wide.forEach(([, , , test], at) => lanes[tests.worker[test]]?.wide.push(at));
  const last = Math.max(0, ...lanes.map((lane) => lane.done)); // when all tests were done
  const end = Math.max(1, data.duration * 1e6, last, ...lanes.map((lane) => lane.end));
  for (const lane of lanes) {
    lane.done ||= lane.ready;
    lane.end = lane.died ? Math.max(lane.end, lane.done) : lane.over ?? end;
  }

  /** Of all workers' time, what no phase of a test took: collection, pytest itself, idle, and after all tests. */
  function between() {
    const sums = { collection: 0, machinery: 0, idle: 0, after: 0 };
    for (const lane of lanes) {
      const collected = lane.collection ? lane.collection[1] - lane.collection[0] : 0;
      const over = Math.max(lane.done, Math.min(lane.end, lane.last ?? last));
      sums.collection += collected;
      sums.machinery += lane.ready - lane.begin - collected + lane.tests.reduce((sum, i) => sum + Math.max(0, tests.duration[i] - tests.phases[i][0] - tests.phases[i][1] - tests.phases[i][2]), 0);
      sums.idle += Math.max(0, over - lane.ready - lane.busy);
      sums.after += lane.end - over;
    }
    return sums;
  }

  /** The same for all attempts at a test. @param {number} i */
  function key(i) {
    return `${tests.file[i]}\n${tests.name[i]}`;
  }
  /** Whether the test was run again after this attempt. @param {number} i */
  const again = (i) => (attempts.get(key(i)) ?? 0) > tests.rerun[i];
  /** What the attempt counts as: as in pytest's own summary, only the last one is the test's. @param {number} i @returns {string} */
  const counted = (i) => (again(i) ? "rerun" : tests.outcome[i]);
  for (let i = 0; i < count; i++) outcomes.set(counted(i), (outcomes.get(counted(i)) ?? 0) + 1);

  /** What is left of a test's time: pytest itself. @param {number} i */
  function rest(i) {
    return tests.times[i].reduce((/** @type {number} */ left, /** @type {number} */ us) => Math.max(0, left - us), tests.duration[i]);
  }

  const rank = (/** @type {string} */ outcome) => (OUTCOMES.includes(outcome) ? OUTCOMES.indexOf(outcome) : OUTCOMES.length);
  const bad = (/** @type {number} */ i) => rank(tests.outcome[i]) < 3;
  const total = (/** @type {string} */ column) => tests[column].reduce((sum, value) => sum + value, 0);
  /** Where the test's page is, "" = there is none. @param {number} i */
  const page = (i) => pageOf(tests.page[i]);
  const pageOf = (/** @type {string | undefined} */ name) => (name ? `tests/${encodeURIComponent(name)}.html` : "");
  const keep = /** @type {string[]} */ (data.keep ?? []).filter((word) => word !== "all").join(",");
  /** Why the test has no page, "" = it has one, or nobody knows. @param {number} i @returns {string} */
  const pageless = (i) => (page(i) || tests.kept[i] ? "" : tests.off[i] ? "Not recorded: marked timeline(off=True)" : keep && `Not kept: --timeline-keep=${keep}`);
  const file = (/** @type {number} */ i) => files[tests.file[i]];
  const name = (/** @type {number} */ i) => tests.name[i] || file(i);
  /** What a reader calls it, with a capital. @param {string} category */
  const label = (category) => Theme.label(category).replace(/^./, (first) => first.toUpperCase());
  /** How it ended that died. @param {Lane} lane */
  function ended({ died }) {
    const how = died?.signal ?? (died?.exit_code === undefined ? "" : `exit status ${died.exit_code}`);
    return how ? `crashed, ${how}` : "crashed";
  }
  /** Why a test failed. @param {number} i @returns {string} */
  function message(i) {
    const lane = lanes[tests.worker[i]];
    return tests.exception[i] || (tests.outcome[i] === "crashed" && lane ? `${lane.worker ? "worker " + lane.worker : "pytest"} ${ended(lane)}` : "");
  }
  const worker = (/** @type {Lane | undefined} */ lane) => (lane ? lane.worker ?? "main" : "");
  /** @param {number} us */
  const time = (us) => Format.time(us * 1e3);

  return {
    pageOf,
    collection: /** @type {{worker: string | null, duration: number, imports: Import[]} | null} */ (data.collection ?? null),
    data, tests, count, lanes, files, markers, categories, phases, times, machinery,
    outcomes: [...outcomes].sort((a, b) => rank(a[0]) - rank(b[0])),
    fixtures: /** @type {Fixture[]} */ (data.fixtures),
    uses: /** @type {string[][]} */ (data.uses),
    noun: tests.rerun.some(Boolean) ? "attempt" : "test", // what a row is
    drawn: [...new Set(tests.outcome)].sort((a, b) => rank(a) - rank(b)),
    wide, last, end, between, rest, rank, bad, again, counted, ended, message, total, page, pageless, keep, file, name, label, worker, time,
  };
})();
