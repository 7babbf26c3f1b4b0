// The pane's list of what was logged, warned and printed, in order of time.
"use strict";

class LogPane {
  static MOST = 2000;

  /** @param {Desk} desk */
  constructor({ view, timeline }) {
    this.view = view;
    this.timeline = timeline;
  }

  label() {
    const { length } = this.timeline.instants;
    return ["Log", length > 0 && el("small", Format.count(length))];
  }

  draw() {
    const { view } = this;
    const list = this.timeline.instants;
    if (!list.length) return null;
    return el("ul.log", list.slice(0, LogPane.MOST).map((instant) => {
      const icon = Dom.icon(`level${levelOf(instant)}`);
      icon.classList.add(`level${levelOf(instant)}`);
      const detail = instant.args?.message ?? instant.args?.logger ?? instant.args?.stream ?? "";
      const go = () => {
        const half = (view.to - view.from) / 2;
        if (instant.at < view.from || instant.at > view.to) view.jump(instant.at - half, instant.at + half);
      };
      return el("li", el("button", { click: go }, icon, el("span.text", instant.name, detail && el("small", Format.cut(String(detail), 500)))), el("span.dim", Format.offset(instant.at)));
    }), list.length > LogPane.MOST && el("li.dim", `and ${Format.count(list.length - LogPane.MOST)} more`));
  }
}
