// Which tests are shown, and in which order; the same in the address, so that a link shows what its sender saw.
"use strict";

const RunList = (() => {
  const { tests } = RunData;
  const WAITS = RunData.categories.map((category) => Theme.waits(category));
  const TEXTS = new Set(["test", "worker", "outcome"]); // sorted upwards first
  const state = {
    outcomes: /** @type {Set<string>} */ (new Set()),
    query: "",
    file: "",
    marker: "",
    least: 0, // ms
    note: "", // a key of NOTES
    fixture: "", // that the test uses
    sort: "", // "": failures first, then the slowest
    up: false,
    category: "",
    mode: "outcome",
    view: "", // of the lanes, "from-to" in ms; "": all
  };
  /** What is worth a note in a row. */
  const NOTES = /** @type {Record<string, (i: number) => number>} */ ({
    leaks: (i) => tests.leaks[i],
    blocks: (i) => tests.blocks[i],
    reruns: (i) => tests.rerun[i] + Number(RunData.again(i)),
    folded: (i) => tests.folded[i],
    dropped: (i) => tests.dropped[i],
  });
  const listeners = /** @type {(() => void)[]} */ ([]);
  const haystacks = /** @type {string[]} */ ([]);
  let shown = /** @type {number[]} */ ([]);
  let isShown = new Uint8Array(RunData.count);

  /** What a query is looked for in. @param {number} i */
  const haystack = (i) =>
    (haystacks[i] ??= [RunData.file(i) + "::" + tests.name[i], RunData.message(i), ...tests.markers[i].map((/** @type {number} */ marker) => RunData.markers[marker])]
      .join("\n")
      .toLowerCase());

  const KEYS = /** @type {Record<string, (i: number) => number | string>} */ ({
    "": (i) => (RunData.bad(i) ? 1e15 : 0) + tests.duration[i],
    outcome: (i) => RunData.rank(tests.outcome[i]),
    test: (i) => RunData.file(i) + "::" + tests.name[i],
    phases: (i) => tests.phases[i][0] + tests.phases[i][2],
    where: (i) => {
      const chosen = RunData.categories.indexOf(state.category);
      return tests.times[i].reduce((/** @type {number} */ sum, /** @type {number} */ us, /** @type {number} */ at) => sum + ((chosen < 0 ? WAITS[at] : chosen === at) ? us : 0), 0);
    },
    worker: (i) => tests.worker[i],
    notes: (i) => (tests.leaks[i] + tests.blocks[i]) * 1e6 + tests.rerun[i] * 1e3 + Math.sign(tests.dropped[i] + tests.folded[i]),
  });

  function update() {
    const words = state.query.toLowerCase().split(/\s+/).filter(Boolean);
    const file = RunData.files.indexOf(state.file);
    const marker = RunData.markers.indexOf(state.marker);
    const note = NOTES[state.note];
    const users = state.fixture ? RunData.uses.map((names) => names.includes(state.fixture)) : null;
    const key = KEYS[state.sort] ?? ((i) => tests[state.sort][i]);
    const values = /** @type {any[]} */ ([]);
    shown = [];
    isShown = new Uint8Array(RunData.count);
    for (let i = 0; i < RunData.count; i++) {
      if (state.outcomes.size && !state.outcomes.has(RunData.counted(i))) continue;
      if (file >= 0 && tests.file[i] !== file) continue;
      if (marker >= 0 && !tests.markers[i].includes(marker)) continue;
      if (tests.duration[i] < state.least * 1e3) continue;
      if (note && !note(i)) continue;
      if (users && !users[tests.uses[i]]) continue;
      if (!words.every((word) => haystack(i).includes(word))) continue;
      shown.push(i);
      isShown[i] = 1;
      values[i] = key(i);
    }
    const sign = state.up ? 1 : -1;
    shown.sort((a, b) => (values[a] < values[b] ? -sign : values[a] > values[b] ? sign : a - b));
    write();
    for (const listener of listeners) listener();
  }

  /** @param {Partial<typeof state>} changes */
  function set(changes) {
    Object.assign(state, changes);
    update();
  }

  /** Sort by that column; the other way round when it is; then as at first. @param {string} column */
  function sortBy(column) {
    const up = TEXTS.has(column);
    if (state.sort !== column) set({ sort: column, up });
    else if (state.up === up) set({ up: !up });
    else set({ sort: "", up: false, category: "" });
  }

  /** Show tests of that outcome too, or no longer. @param {string} outcome */
  function toggle(outcome) {
    if (!state.outcomes.delete(outcome)) state.outcomes.add(outcome);
    update();
  }

  const NONE = { query: "", file: "", marker: "", least: 0, note: "", fixture: "" };
  const clear = () => set({ outcomes: new Set(), ...NONE });

  /** Show these tests and no others. @param {Partial<typeof state>} changes */
  const only = (changes) => set({ outcomes: new Set(), ...NONE, category: "", sort: "", ...changes });

  function write() {
    const said = new URLSearchParams();
    for (const [key, value] of Object.entries(state)) {
      const text = value instanceof Set ? [...value].join(".") : String(value);
      if (value && text && text !== "outcome") said.set(key, text);
    }
    if (state.sort === "outcome") said.set("sort", "outcome");
    const hash = "#" + said;
    if (hash !== (location.hash || "#")) history.replaceState(null, "", hash);
  }

  function read() {
    const said = new URLSearchParams(location.hash.slice(1));
    const text = (/** @type {string} */ key) => said.get(key) ?? "";
    const sort = text("sort");
    set({
      outcomes: new Set(text("outcomes").split(".").filter(Boolean)),
      query: text("query"),
      file: text("file"),
      marker: text("marker"),
      least: Number(text("least")) || 0,
      note: text("note") in NOTES ? text("note") : "",
      fixture: text("fixture"),
      sort: sort in KEYS || sort in tests ? sort : "",
      up: text("up") === "true",
      category: text("category"),
      mode: text("mode") || "outcome",
      view: text("view"),
    });
  }

  return {
    state, set, only, sortBy, toggle, clear, read,
    shown: () => shown,
    /** Note what is to be in the address, though it changes no list. @param {Partial<typeof state>} changes */
    note: (changes) => (Object.assign(state, changes), write()),
    has: (/** @type {number} */ i) => isShown[i] === 1,
    listen: (/** @type {() => void} */ listener) => listeners.push(listener),
  };
})();
