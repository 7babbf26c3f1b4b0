// The pane beside the tracks: its tabs, and which part of it is shown.
"use strict";

/**
 * What the parts of the pane share.
 * @typedef {object} Desk
 * @property {View} view
 * @property {Timeline} timeline
 * @property {Layout} layout
 * @property {HTMLElement} body
 * @property {(place: Place) => void} go  select a slice and bring it into view
 * @property {() => void} redraw
 */

class Pane {
  /** @param {HTMLElement} tabs @param {HTMLElement} body @param {View} view @param {Layout} layout @param {(place: Place) => void} go */
  constructor(tabs, body, view, layout, go) {
    this.tabs = tabs;
    this.body = body;
    this.view = view;
    const desk = { view, timeline: view.timeline, layout, body, go, redraw: () => this.draw() };
    this.failure = new FailurePane(desk);
    /** @type {Record<string, {draw: () => Content | Content[], label: () => Content | Content[]}>} */
    this.parts = { slice: new SlicePane(desk), range: new RangePane(desk), log: new LogPane(desk) };
    if (this.failure.any) this.parts = { failure: this.failure, ...this.parts };
    Dom.on(tabs, { keydown: (event) => this._arrow(event) });
  }

  /** @param {boolean} [again] whether it shows the same as before, with sources that have arrived */
  draw(again = false) {
    const { view, parts, tabs, body } = this;
    if (!(view.tab in parts)) view.tab = "slice";
    if (again && view.tab !== "failure" && view.tab !== "slice") return;
    const focused = tabs.contains(document.activeElement);
    Dom.fill(
      tabs,
      Object.entries(parts).map(([key, part]) => {
        const on = key === view.tab;
        return el("button", { role: "tab", id: `tab-${key}`, "aria-selected": String(on), "aria-controls": "pane-body", tabindex: on ? 0 : -1, click: () => view.open(key) }, part.label());
      }),
    );
    if (focused) Dom.get(`tab-${view.tab}`).focus();
    body.setAttribute("aria-labelledby", `tab-${view.tab}`);
    const kept = again ? body.scrollTop : 0;
    Dom.fill(body, parts[view.tab].draw() ?? Dom.copy(`no-${view.tab}`));
    body.scrollTop = kept;
  }

  /** @param {KeyboardEvent} event */
  _arrow(event) {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    const keys = Object.keys(this.parts);
    this.view.open(keys[(keys.indexOf(this.view.tab) + by + keys.length) % keys.length]);
  }
}
