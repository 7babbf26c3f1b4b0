// The run's page: its controls, and the keys.
"use strict";

(() => {
  const { state } = RunList;
  const query = /** @type {HTMLInputElement} */ (Dom.get("query"));
  const selects = /** @type {["file" | "marker", string[]][]} */ ([["file", RunData.files], ["marker", RunData.markers]]);
  const least = /** @type {HTMLSelectElement} */ (Dom.get("least"));

  for (const [id, names] of selects) {
    const select = /** @type {HTMLSelectElement} */ (Dom.get(id));
    select.append(...names.toSorted().map((name) => Dom.el("option", { value: name }, name)));
    select.hidden = !names.length;
    select.addEventListener("change", () => RunList.set({ [id]: select.value }));
  }
  least.addEventListener("change", () => RunList.set({ least: Number(least.value) }));
  query.addEventListener("input", () => RunList.set({ query: query.value }));
  Dom.get("clear").addEventListener("click", RunList.clear);

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

  /** Have the controls say what is so. */
  function sync() {
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
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const row = target.closest("#rows");
    if (event.key === "Escape" && target === query) RunList.set({ query: "" });
    else if (event.key === "ArrowDown" && (target === query || row)) RunTable.step(1);
    else if (event.key === "ArrowUp" && row) RunTable.step(-1);
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
