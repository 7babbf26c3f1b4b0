// "Worth a look": what the figures say that a person would find, had they the time. Each is computed, none is invented.
"use strict";

(() => {
  const { tests, lanes, time, last } = RunData;
  const TAIL = 0.05; // of the run: a worker that is alone for less is no matter
  const MUCH = 0.15; // of the time of all tests
  const MOST = 6;
  const all = RunData.total("duration");
  /** @typedef {{text: (Node | string)[], about?: (Node | string)[], act?: [string, Partial<typeof RunList.state>]}} Finding */

  /** @param {number} i */
  const link = (i) => el("a", { href: RunData.page(i) || null }, RunData.name(i));
  const code = (/** @type {string} */ text) => el("code", text);
  const sum = (/** @type {number[]} */ of, /** @type {string} */ column = "duration") => of.reduce((total, i) => total + tests[column][i], 0);
  const every = (/** @type {(i: number) => boolean} */ wanted) => tests.duration.map((_, i) => i).filter(wanted);

  /** One worker alone at the end. @returns {Finding | null} */
  function tail() {
    const [longest, next] = lanes.filter((lane) => lane.tests.length).sort((a, b) => b.done - a.done);
    if (!next) return null;
    const alone = longest.done - next.done;
    if (alone < Math.max(last * TAIL, 100_000)) return null;
    const late = longest.tests.filter((i) => tests.start[i] + tests.duration[i] > next.done);
    const slowest = late.reduce((a, b) => (tests.duration[b] > tests.duration[a] ? b : a));
    const running = lanes.filter((lane) => lane.tests.length && !lane.died).length || 1;
    const gain = alone * (1 - 1 / Math.max(2, running));
    if (tests.duration[slowest] > alone / 2)
      return { text: [link(slowest), ` kept one worker busy alone for the last ${time(alone)}.`], about: [`Started first, it would let the run end up to ${time(gain)} sooner.`] };
    return { text: [`${RunData.worker(longest)} alone ran the last ${Format.plural(late.length, "test")}, for ${time(alone)}.`], about: [`Spread evenly, the run would end up to ${time(gain)} sooner.`] };
  }

  /** @returns {Finding | null} */
  function fixture() {
    const [slowest] = RunData.fixtures;
    if (!slowest) return null;
    const [name, scope, count, setUp, tearDown, , place] = slowest;
    if (setUp + tearDown < all * MUCH) return null;
    return {
      text: [code(name), ` takes ${time(setUp + tearDown)}, ${Format.percent((setUp + tearDown) / all)} of all tests' time.`],
      about: [`${scope} scope, ${Format.plural(count, "set-up")}${place && ", " + place}`],
      act: ["Show who uses it", { fixture: name }],
    };
  }

  /** @returns {Finding | null} */
  function leaks() {
    const leaking = every((i) => tests.leaks[i] > 0);
    if (!leaking.length) return null;
    const kinds = /** @type {Map<string, number>} */ (new Map());
    const names = /** @type {Map<string, number>} */ (new Map());
    for (const i of leaking) {
      for (const text of tests.leaked[i]) {
        const [, kind, name] = /^(\w+) (.*?)(?: \(\d+\))?$/s.exec(text) ?? ["", "thing", text];
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
        const same = name.replace(/\d+/g, "*");
        names.set(same, (names.get(same) ?? 0) + 1);
      }
    }
    const what = [...kinds].map(([kind, count]) => Format.plural(count, kind, kind === "process" ? "processes" : undefined)).join(" and ") || Format.plural(sum(leaking, "leaks"), "thing");
    return {
      text: [`${what} outlived ${leaking.length === 1 ? "the test that began it" : leaking.length + " tests"}.`],
      about: [...names].sort((a, b) => b[1] - a[1]).slice(0, 4).flatMap(([name, count], at) => [at ? ", " : "", code(name), ` ×${count}`]),
      act: [leaking.length === 1 ? "Show it" : "Show them", { note: "leaks", sort: "notes" }],
    };
  }

  /** @returns {Finding | null} */
  function blocks() {
    const blocking = every((i) => tests.blocks[i] > 0);
    if (!blocking.length) return null;
    const [what] = tests.blocked[blocking[0]];
    return {
      text: [`${Format.plural(blocking.length, "test")} blocked the event loop, ${Format.plural(sum(blocking, "blocks"), "time")} in all.`],
      about: what ? [code(what)] : [],
      act: [blocking.length === 1 ? "Show it" : "Show them", { note: "blocks", sort: "notes" }],
    };
  }

  /** Tests that mostly wait for one thing. @param {string} category @param {[string, string]} does  of one, of several @returns {Finding | null} */
  function waiting(category, does) {
    const at = RunData.categories.indexOf(category);
    const found = every((i) => tests.times[i][at] > tests.duration[i] / 2 && tests.times[i][at] > 50_000);
    const waited = found.reduce((total, i) => total + tests.times[i][at], 0);
    if (!found.length || waited < all * MUCH / 2) return null;
    return {
      text: [`${Format.plural(found.length, "test")} mostly ${does[found.length === 1 ? 0 : 1]}: ${time(waited)}, ${Format.percent(waited / all)} of all tests' time.`],
      act: ["Sort by it", { category, sort: "where" }],
    };
  }

  /** @returns {Finding | null} */
  function reruns() {
    const again = every((i) => tests.rerun[i] > 0 && !RunData.bad(i) && tests.outcome[i] !== "skipped");
    if (!again.length) return null;
    return { text: [`${Format.plural(again.length, "test")} passed only when run again.`], about: again.slice(0, 3).flatMap((i, at) => [at ? ", " : "", link(i)]), act: ["Show reruns", { note: "reruns" }] };
  }

  /** @returns {Finding | null} */
  function collection() {
    const took = Math.max(0, ...lanes.map((lane) => (lane.collection ? lane.collection[1] - lane.collection[0] : 0)));
    if (took < RunData.end * MUCH || took < 500_000) return null;
    return { text: [`Collection took ${time(took)}, ${Format.percent(took / RunData.end)} of the run${lanes.length > 1 ? ", on every worker" : ""}.`] };
  }

  /** A few tests that take most of the time. @returns {Finding | null} */
  function few() {
    const slowest = every(() => true).sort((a, b) => tests.duration[b] - tests.duration[a]).slice(0, 5);
    const share = sum(slowest) / Math.max(1, all);
    if (RunData.count < 50 || share < 0.4) return null;
    return { text: [`5 of ${Format.count(RunData.count)} tests take ${Format.percent(share)} of all tests' time.`], about: [link(slowest[0]), ` alone ${time(tests.duration[slowest[0]])}`], act: ["Slowest first", { sort: "duration" }] };
  }

  const found = [tail(), fixture(), leaks(), blocks(), reruns(), few(), waiting("sleep", ["sleeps", "sleep"]), waiting("lock", ["waits for locks", "wait for locks"]), collection()];
  const shown = /** @type {Finding[]} */ (found.filter(Boolean)).slice(0, MOST);
  Dom.get("look").hidden = !shown.length;
  Dom.get("aside").hidden = !shown.length && !RunData.fixtures.length && Dom.get("imports").hidden;
  Dom.fill(
      "look-list",
    shown.map(({ text, about, act }) =>
      el(
        "li",
        Dom.icon("warn"),
        el("div", text, " ", act && el("button.link", { click: () => RunList.only(act[1]) }, act[0]), about && el("div.dim", about)),
      ),
    ),
  );
})();
