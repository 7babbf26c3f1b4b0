// The run's page: its controls, the keys, and their help.
"use strict";

(() => {
  const { state } = RunList;
  const query = /** @type {HTMLInputElement} */ (Dom.get("query"));
  const selects = /** @type {["file" | "marker", string[]][]} */ ([["file", RunData.files], ["marker", RunData.markers]]);
  const least = /** @type {HTMLSelectElement} */ (Dom.get("least"));

  for (const [id, names] of selects) {
    const select = /** @type {HTMLSelectElement} */ (Dom.get(id));
    select.append(...names.toSorted().map((name) => el("option", { value: name }, name)));
    select.hidden = !names.length;
    select.addEventListener("change", () => RunList.set({ [id]: select.value }));
  }
  least.addEventListener("change", () => RunList.set({ least: Number(least.value) }));
  query.addEventListener("input", () => RunList.set({ query: query.value }));
  Dom.get("clear").addEventListener("click", RunList.clear);
  Dom.get("about").addEventListener("click", RunFacts.details);
  Dom.get("help").addEventListener("click", help);

  /** Call `act` with what the pressed button has under `key`. @param {string} id @param {string} key @param {(value: string) => void} act */
  function buttons(id, key, act) {
    Dom.get(id).addEventListener("click", (event) => {
      const button = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("button"));
      const value = button?.dataset[key];
      if (value) act(value);
    });
  }
  buttons("outcomes", "outcome", RunList.toggle);
  buttons("mode", "mode", (mode) => RunList.set({ mode }));
  buttons("shares", "category", (category) => RunList.set(state.category === category ? { category: "", sort: "" } : { category, sort: "where", up: false }));

  const HELP = /** @type {[string, [string, string][]][]} */ ([
    ["Find", [["Filter", "/"], ["Clear the filter", "Esc"], ["Next, previous test", "↓ ↑"], ["Open it", "Enter"], ["This help", "?"]]],
    ["Workers, when focused", [["Next, previous test", "→ ←"], ["Other worker", "↓ ↑"], ["Open it", "Enter"], ["Zoom in, out", "W S"], ["Pan", "A D"], ["The whole run", "0"]]],
    ["Mouse and touch", [["Zoom the workers", "Ctrl wheel"], ["Pan", "drag"], ["The whole run", "double-click"], ["Sort, turn round, as at first", "click a column"], ["Filter", "click a count"]]],
  ]);

  function help() {
    RunFacts.tell(
      "Keyboard and mouse",
      el("div.help-keys", HELP.map(([title, rows]) => el("section", el("h3", title), el("ul", rows.map(([what, keys]) => el("li", what, el("span", (/^\w+ a|-/.test(keys) ? [keys] : keys.split(" ")).map((key) => el("kbd", key))))))))),
      el("p.help-foot.dim", "The address holds what you see, filters and all: a link shows it to others. Colour says whose code, texture what kind of waiting."),
    );
  }

  const CHIPS = /** @type {Record<string, string>} */ ({ leaks: "with leaks", blocks: "that block their event loop", reruns: "reruns", folded: "with folded calls", dropped: "with dropped records" });

  /** Filters that have no control of their own. */
  function chips() {
    const chip = (/** @type {string} */ text, /** @type {Partial<typeof state>} */ without) => el("button.chip", { click: () => RunList.set(without), "aria-label": `${text}: remove this filter` }, text, el("span", { "aria-hidden": "true" }, "×"));
    Dom.fill("chips", state.note && chip(CHIPS[state.note], { note: "" }), state.fixture && chip(`using ${state.fixture}`, { fixture: "" }));
  }

  /** Have the controls say what is so. */
  function sync() {
    chips();
    if (query.value !== state.query) query.value = state.query;
    for (const [id] of selects) /** @type {HTMLSelectElement} */ (Dom.get(id)).value = state[id];
    least.value = String(state.least);
    for (const button of document.querySelectorAll("button")) {
      const { outcome, mode, category } = button.dataset;
      const pressed = outcome ? state.outcomes.has(outcome) : mode ? state.mode === mode : category ? state.category === category : null;
      if (pressed !== null) button.setAttribute("aria-pressed", String(pressed));
    }
    RunFacts.key(state.mode);
  }

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const row = target.closest("#rows");
    if (event.key === "Escape" && target === query) RunList.set({ query: "" });
    else if (event.key === "ArrowDown" && (target === query || row)) RunTable.step(1);
    else if (event.key === "ArrowUp" && row) RunTable.step(-1);
    else if (event.key === "?" && !/INPUT|SELECT/.test(target.tagName)) help();
    else if (event.key === "/" && !/INPUT|SELECT/.test(target.tagName)) query.focus();
    else return;
    event.preventDefault();
  });
  Dom.get("rows").addEventListener("pointerover", (event) => {
    const row = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("tr[data-test]"));
    RunLanes.ring(row ? Number(row.dataset.test) : -1);
  });
  Dom.get("rows").addEventListener("pointerleave", () => RunLanes.ring(-1));
  addEventListener("hashchange", RunList.read);

  RunList.listen(sync);
  RunList.read();
  document.documentElement.dataset.ready = "whole";
})();
