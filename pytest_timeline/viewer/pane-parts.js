// What the pane is made of: sections, figures, tables, notes.
"use strict";

/** @typedef {Node | string | number | null | undefined | false} Content */

const Part = (() => {
  /** @param {Content | Content[]} title @param {...(Content | Content[])} content */
  const section = (title, ...content) => Dom.el("section.section", null, title && Dom.el("h3", null, title), ...content);

  /** @param {string} title @param {string} text */
  const empty = (title, text) => section(title, Dom.el("p.dim", null, text));

  /** @param {[string, string][]} list */
  const numbers = (list) => Dom.el("dl.numbers", null, list.map(([key, value]) => Dom.el("div", null, Dom.el("dt", null, key), Dom.el("dd", null, value))));

  /** @param {([string, Content | Content[]] | false)[]} list */
  const pairs = (list) => Dom.el("dl.pairs", null, list.flatMap((pair) => (pair ? [Dom.el("dt", null, pair[0]), Dom.el("dd", null, pair[1])] : [])));

  /** @param {string} text */
  const note = (text) => Dom.el("p.note", null, Dom.icon("warn"), Dom.el("span", null, text));

  /** A bar of time by category, and its legend. @param {Map<string, number>} categories */
  function shares(categories) {
    const list = Theme.CATEGORIES.map(([key]) => /** @type {[string, number]} */ ([key, categories.get(key) ?? 0])).filter(([, ns]) => ns > 0);
    if (!list.length) return null;
    return [
      Dom.el("div.shares", { "aria-hidden": "true" }, list.map(([key, ns]) => Dom.el(`i.${key}`, { style: { flex: `${ns} 0 0` } }))),
      Dom.el("div.legend", null, list.map(([key, ns]) => Dom.el("span", null, Dom.el(`i.swatch.${key}`), `${Theme.label(key)} ${Format.time(ns)}`))),
    ];
  }

  /**
   * The first rows of a list, and a button that makes the rest.
   * @template T @param {HTMLElement} body @param {T[]} list @param {number} most @param {(item: T) => Node} make
   */
  function rows(body, list, most, make) {
    const add = (/** @type {T[]} */ part) => body.append(...part.map(make));
    add(list.slice(0, most));
    if (list.length <= most) return null;
    return Dom.el("button.link.small", { click: (/** @type {Event} */ event) => {
      add(list.slice(most));
      /** @type {Element} */ (event.currentTarget).remove();
    } }, `Show the other ${Format.count(list.length - most)}`);
  }

  return { section, empty, numbers, pairs, note, shares, rows };
})();
