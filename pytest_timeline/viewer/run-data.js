// The run's data: its tests by number, in order of start, and what they come to together.
"use strict";

const RunData = (() => {
  /**
   * @typedef {object} Lane  a pytest process; microseconds
   * @property {string | null} worker
   * @property {number} pid
   * @property {number} begin
   * @property {number} end
   * @property {number[]} tests  in order of start
   * @property {number} busy
   */
  /** @typedef {[name: string, scope: string, count: number, setUp: number, tearDown: number, longest: [number, number][]]} Fixture */

  const data = JSON.parse(Dom.get("run").textContent ?? "");
  const tests = /** @type {Record<string, any[]>} */ (data.tests);
  const count = tests.name.length;
  const lanes = /** @type {Lane[]} */ (data.lanes.map((/** @type {Lane} */ lane) => ({ ...lane, tests: [], busy: 0 })));
  const files = /** @type {string[]} */ (data.files);
  const markers = /** @type {string[]} */ (data.markers);
  const categories = /** @type {string[]} */ (data.categories);
  const OUTCOMES = ["failed", "crashed", "error", "passed", "skipped", "xfailed", "xpassed"];
  const outcomes = /** @type {Map<string, number>} */ (new Map());
  const phases = [0, 0, 0];
  const times = categories.map(() => 0);
  let machinery = 0;
  for (let i = 0; i < count; i++) {
    outcomes.set(tests.outcome[i], (outcomes.get(tests.outcome[i]) ?? 0) + 1);
    tests.phases[i].forEach((/** @type {number} */ us, /** @type {number} */ phase) => (phases[phase] += us));
    tests.times[i].forEach((/** @type {number} */ us, /** @type {number} */ category) => (times[category] += us));
    machinery += rest(i);
    const lane = lanes[tests.worker[i]];
    if (lane) {
      lane.tests.push(i);
      lane.busy += tests.duration[i];
    }
  }

  /** What is left of a test's time: pytest itself. @param {number} i */
  function rest(i) {
    return tests.times[i].reduce((/** @type {number} */ left, /** @type {number} */ us) => Math.max(0, left - us), tests.duration[i]);
  }

  const rank = (/** @type {string} */ outcome) => (OUTCOMES.includes(outcome) ? OUTCOMES.indexOf(outcome) : OUTCOMES.length);
  const bad = (/** @type {number} */ i) => rank(tests.outcome[i]) < 3;
  const total = (/** @type {string} */ column) => tests[column].reduce((sum, value) => sum + value, 0);
  /** Where the test's page is, "" = there is none. @param {number} i */
  const page = (i) => tests.page[i] && `tests/${encodeURIComponent(tests.page[i])}.html`;
  const file = (/** @type {number} */ i) => files[tests.file[i]];
  const name = (/** @type {number} */ i) => tests.name[i] || file(i);
  const worker = (/** @type {Lane | undefined} */ lane) => (lane ? lane.worker ?? "main" : "");
  /** @param {number} us */
  const time = (us) => Format.time(us * 1e3);

  return {
    data, tests, count, lanes, files, markers, categories, phases, times, machinery,
    outcomes: [...outcomes].sort((a, b) => rank(a[0]) - rank(b[0])),
    fixtures: /** @type {Fixture[]} */ (data.fixtures),
    end: Math.max(1, data.duration * 1e6, ...lanes.map((lane) => lane.end)),
    rest, rank, bad, total, page, file, name, worker, time,
  };
})();
