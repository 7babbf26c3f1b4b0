// A tree of calls as boxes, as wide as their share of the time. A click on one makes it the whole width.
"use strict";

class Flame {
  static ROW = 19; // CSS pixels
  static LEAST = 0.003; // share of the width that is drawn
  static DEEPEST = 120;

  /** @type {number[]} names from the outermost call to the one that is the whole width */
  path = [];
  whole = 0; // ns that are the whole width

  /** @param {Desk} desk */
  constructor({ timeline }) {
    this.timeline = timeline;
  }

  /** @param {Call} root */
  draw(root) {
    const box = el("div.flame", { role: "group", "aria-label": "Flame graph" });
    this._fill(box, root);
    return box;
  }

  /** @param {HTMLElement} box @param {Call} root */
  _fill(box, root) {
    let deepest = 0;
    box.replaceChildren();
    /** @param {Call} call @param {number} left @param {number[]} path the names above it */
    const put = (call, left, path) => {
      const depth = path.length;
      const zoomed = call.children.get(this.path[depth]);
      const children = zoomed ? [zoomed] : [...call.children.values()].sort((a, b) => b.total - a.total);
      if (!zoomed) this.path.length = Math.min(depth, this.path.length);
      for (const child of children) {
        const width = zoomed ? 1 : child.total / this.whole;
        if (width < Flame.LEAST || depth >= Flame.DEEPEST) break;
        if (zoomed) this.whole = child.total;
        deepest = Math.max(deepest, depth);
        const below = [...path, child.name];
        box.append(this._box(child, root, left, width, depth, () => {
          this.path = depth === this.path.length - 1 ? path : below;
          this._fill(box, root);
          /** @type {HTMLElement} */ (box.children[Math.max(0, this.path.length - 1)]).focus();
        }));
        put(child, left, below);
        left += width;
      }
    };
    this.whole = root.total;
    put(root, 0, []);
    box.style.height = `${(deepest + 1) * Flame.ROW}px`;
  }

  /** @param {Call} call @param {Call} root @param {number} left share of the width @param {number} width @param {number} depth @param {() => void} click */
  _box(call, root, left, width, depth, click) {
    const { text, category, group } = this.timeline.names[call.name];
    const title = `${text}\n${Format.percent(call.total / root.total)}, ${Format.time(call.total)}, self ${Format.time(call.self)}, ${Format.plural(call.count, "call")}`;
    const style = { left: `${left * 100}%`, width: `${width * 100}%`, top: `${depth * Flame.ROW}px`, background: Theme.fill(Theme.style(category, group)) };
    return el(depth < this.path.length - 1 ? "button.above" : "button", { title, "aria-label": title, style, click }, width > 0.04 ? text : "");
  }
}
