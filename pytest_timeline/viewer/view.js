// What the reader looks at: the range in view, what is selected and searched for, and who wants to know of changes.
"use strict";

/** @typedef {{track: number, row: number}} Place */

class View {
  static LEAST = 20; // ns that are shown

  /** @param {Timeline} timeline */
  constructor(timeline) {
    this.timeline = timeline;
    const { duration } = timeline.head;
    this.duration = Math.max(1, duration);
    const { failure, head } = timeline;
    /** What the ruler has a flag for. */
    this.flag = failure ? { at: failure.at, text: failure.type } : head.outcome === "crashed" ? { at: duration, text: "Process died" } : null;
    /** Where the whole test ends, with room beside it for what follows. */
    this.end = head.outcome === "crashed" ? this.duration * 1.02 : this.duration;
    this.from = 0;
    this.to = this.end;
    /** @type {Place | null} */
    this.selection = null;
    /** @type {[number, number] | null} a stretch of time, ns */
    this.range = null;
    /** @type {Place | null} under the pointer */
    this.hover = null;
    this.query = "";
    /** @type {Uint8Array | null} by name: whether it is searched for */
    this.hits = null;
    this.minimum = 0;
    this.tab = "slice";
    this.pane = true;
    this.scroll = 0;
    /** @type {((changed: Set<string>) => void)[]} */
    this._listeners = [];
    /** @type {Set<string>} */
    this._changed = new Set();
    this._frame = 0;
    this._motion = 0;
  }

  /** Be told once a frame what changed: names of this object's properties, "tracks" for the tree, "data". @param {(changed: Set<string>) => void} listener */
  listen(listener) {
    this._listeners.push(listener);
  }

  /** @param {...string} names */
  changed(...names) {
    for (const name of names) this._changed.add(name);
    this._frame ||= requestAnimationFrame(() => this.flush());
  }

  /** Tell of the changes now. */
  flush() {
    cancelAnimationFrame(this._frame);
    this._frame = 0;
    const changed = this._changed;
    this._changed = new Set();
    for (const listener of this._listeners) listener(changed);
  }

  /** Show that stretch of time, as far as there is any. @param {number} from @param {number} to */
  show(from, to) {
    cancelAnimationFrame(this._motion);
    this._place(from, to);
  }

  /** @param {number} from @param {number} to */
  _place(from, to) {
    const margin = this.duration * 0.02;
    const length = this._length(to - from);
    const begin = Math.max(-margin, Math.min(from, this.duration + margin - length));
    if (begin === this.from && begin + length === this.to) return;
    this.from = begin;
    this.to = begin + length;
    this.changed("range in view");
  }

  /** A stretch that long, or the nearest that can be shown. @param {number} ns */
  _length(ns) {
    return Math.max(View.LEAST, Math.min(ns, this.duration * 1.04));
  }

  /** The same in a short motion, where the reader wants motion. @param {number} from @param {number} to */
  jump(from, to) {
    cancelAnimationFrame(this._motion);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this._place(from, to);
      return;
    }
    const [from0, to0] = [this.from, this.to];
    const began = performance.now();
    const step = () => {
      const share = Math.min(1, (performance.now() - began) / 120);
      const eased = 1 - (1 - share) ** 3;
      this._place(from0 + (from - from0) * eased, to0 + (to - to0) * eased);
      if (share < 1) this._motion = requestAnimationFrame(step);
    };
    step();
  }

  /** @param {number} factor below 1 is closer @param {number} [around] ns */
  zoom(factor, around = (this.from + this.to) / 2) {
    const span = this.to - this.from;
    factor = this._length(span * factor) / span; // or it would move where it can't zoom
    this.show(around - (around - this.from) * factor, around + (this.to - around) * factor);
  }

  /** @param {number} share of what is in view */
  pan(share) {
    const by = (this.to - this.from) * share;
    this.show(this.from + by, this.to + by);
  }

  /** @param {Place | null} selection @param {boolean} [bring] into view */
  select(selection, bring = false) {
    this.selection = selection;
    if (selection) {
      this.tab = "slice";
      if (bring) this.bring(selection);
    }
    this.changed("selection", "tab");
  }

  /** @param {Place} selection */
  bring({ track, row }) {
    const { start, end } = this.timeline.tracks[track].columns;
    const span = this.to - this.from;
    const length = end[row] - start[row];
    if (end[row] < this.from + span * 0.05 || start[row] > this.to - span * 0.05 || length > span * 2 || length < span * 0.0005) {
      const wide = length < span * 0.0005 ? length * 40 : Math.max(span, length * 1.6);
      const middle = (start[row] + end[row]) / 2;
      this.jump(middle - wide / 2, middle + wide / 2);
    }
    this.changed("reveal");
  }

  /** @param {[number, number] | null} range */
  selectRange(range) {
    this.range = range && [Math.max(0, Math.min(...range)), Math.min(this.duration, Math.max(...range))];
    if (range) this.tab = "range";
    this.changed("range", "tab");
  }

  /** Show the whole of what is selected, with a margin. */
  fit() {
    const { selection, range } = this;
    if (selection) {
      const { start, end } = this.timeline.tracks[selection.track].columns;
      const margin = (end[selection.row] - start[selection.row]) * 0.08;
      this.jump(start[selection.row] - margin, end[selection.row] + margin);
    } else if (range) this.jump(range[0] - (range[1] - range[0]) * 0.04, range[1] + (range[1] - range[0]) * 0.04);
  }

  all() {
    this.jump(0, this.end);
  }

  /** @param {number} minimum ns */
  hideBelow(minimum) {
    this.minimum = minimum;
    this.changed("minimum");
  }

  /** @param {string} tab */
  open(tab) {
    this.tab = tab;
    this.changed("tab");
  }
}
