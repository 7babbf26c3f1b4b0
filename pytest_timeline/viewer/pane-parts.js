// What the pane is made of: sections, figures, tables, notes.
"use strict";

/** @typedef {Node | string | number | null | undefined | false} Content */

const Part = (() => {
  /** @param {Content | Content[]} title @param {...(Content | Content[])} content */
  const section = (title, ...content) => el("section.section", title && el("h3", title), ...content);

  /** @param {[string, string][]} list */
  const numbers = (list) => el("dl.numbers", list.map(([key, value]) => el("div", el("dt", key), el("dd", value))));

  /** @param {([string, Content | Content[]] | false)[]} list */
  const pairs = (list) => el("dl.pairs", list.flatMap((pair) => (pair ? [el("dt", pair[0]), el("dd", pair[1])] : [])));

  /** @param {string} text */
  const note = (text) => el("p.note", Dom.icon("warn"), el("span", text));

  /** A bar of time by category, and its legend. @param {Map<string, number>} categories */
  function shares(categories) {
    const list = Theme.CATEGORIES.map(([key]) => /** @type {[string, number]} */ ([key, categories.get(key) ?? 0])).filter(([, ns]) => ns > 0);
    if (!list.length) return null;
    return [
      el("div.shares", { "aria-hidden": "true" }, list.map(([key, ns]) => el(`i.${key}`, { style: { flex: `${ns} 0 0` } }))),
      el("div.legend", list.map(([key, ns]) => el("span", el(`i.swatch.${key}`), `${Theme.label(key)} ${Format.time(ns)}`))),
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
    return el("button.link.small", { click: (/** @type {Event} */ event) => {
      add(list.slice(most));
      /** @type {Element} */ (event.currentTarget).remove();
    } }, `Show the other ${Format.count(list.length - most)}`);
  }

  return { section, numbers, pairs, note, shares, rows };
})();
