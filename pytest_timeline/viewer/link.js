// The view in the address: a link shows what its sender saw.
"use strict";

const Link = (() => {
  /**
   * @typedef {object} Said  what an address says; absent where it says nothing
   * @property {[number, number]} [show]
   * @property {Place} [selection]
   * @property {[number, number]} [range]
   * @property {string} [query]
   * @property {number} [minimum]
   * @property {string} [tab]
   * @property {number} [scroll]
   * @property {string[]} [pinned]
   * @property {[string, boolean][]} [toggled]
   * @property {[string, number][]} [moved]
   */

  /** @param {View} view @param {Layout} layout @param {number} scroll */
  function write(view, layout, scroll) {
    const parts = new URLSearchParams();
    const times = (/** @type {number} */ from, /** @type {number} */ to) => [from, to].map((ns) => Number(ns.toFixed(to - from < 1e5 ? 2 : 0))).join("_");
    parts.set("v", times(view.from, view.to));
    if (view.selection) parts.set("s", `${view.selection.track}.${view.selection.row}`);
    if (view.range) parts.set("r", times(...view.range));
    if (view.query.trim()) parts.set("q", view.query.trim());
    if (view.minimum) parts.set("min", String(Math.round(view.minimum)));
    if (view.tab !== "slice") parts.set("tab", view.tab);
    if (scroll) parts.set("y", String(Math.round(scroll)));
    if (layout.pinned.length) parts.set("pin", layout.pinned.join("."));
    if (layout.toggled.size) parts.set("open", [...layout.toggled].map(([key, open]) => key + (open ? "+" : "-")).join("."));
    if (layout.moved.size) parts.set("order", [...layout.moved].map(([key, place]) => `${key}:${place}`).join("."));
    const hash = "#" + parts.toString();
    if (hash !== location.hash) history.replaceState(null, "", hash);
  }

  /** @returns {Said} */
  function read() {
    const parts = new URLSearchParams(location.hash.slice(1));
    /** @type {Said} */
    const said = {};
    const times = (/** @type {string} */ key) => {
      const [from, to] = (parts.get(key) ?? "").split("_").map(Number);
      return to > from ? /** @type {[number, number]} */ ([from, to]) : undefined;
    };
    said.show = times("v");
    said.range = times("r");
    const [track, row] = (parts.get("s") ?? "").split(".").map(Number);
    if (row >= 0) said.selection = { track, row };
    said.query = parts.get("q") ?? undefined;
    if (Number(parts.get("min")) > 0) said.minimum = Number(parts.get("min"));
    said.tab = parts.get("tab") ?? undefined;
    if (Number(parts.get("y")) > 0) said.scroll = Number(parts.get("y"));
    said.pinned = parts.get("pin")?.split(".");
    said.toggled = parts.get("open")?.split(".").map((text) => [text.slice(0, -1), text.endsWith("+")]);
    said.moved = parts.get("order")?.split(".").map((text) => [text.split(":")[0], Number(text.split(":")[1])]);
    return said;
  }

  return { write, read };
})();
