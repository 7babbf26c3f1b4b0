// What the reader looks at: the range in view, what is selected and searched for, and who wants to know of changes.
"use strict";

/** @typedef {{track: number, row: number}} Place */

class View {
  static LEAST = 20; // ns that are shown

  from = 0;
  /** @type {Place | null} */
  selection = null;
  /** @type {[number, number] | null} a stretch of time, ns */
  range = null;
  /** @type {Place | null} under the pointer */
  hover = null;
  query = "";
  /** @type {Uint8Array | null} by name: whether it is searched for */
  hits = null;
  minimum = 0;
  tab = "slice";
  pane = true;
  /** @type {(changed: Set<string>) => void} */
  _listener = () => {};
  /** @type {Set<string>} */
  _changed = new Set();
  _frame = 0;
  _motion = 0;

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
    this.to = this.end;
  }

  /** Be told once a frame what changed: names of this object's properties, "tracks" for the tree, "data". @param {(changed: Set<string>) => void} listener */
  listen(listener) {
    this._listener = listener;
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
    this._listener(changed);
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
    const begin = clamp(from, -margin, this.duration + margin - length);
    if (begin === this.from && begin + length === this.to) return;
    this.from = begin;
    this.to = begin + length;
    this.changed("range in view");
  }

  /** A stretch that long, or the nearest that can be shown. @param {number} ns */
  _length(ns) {
    return clamp(ns, View.LEAST, this.duration * 1.04);
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

  /** When a slice begins and ends, ns. @param {Place} place @returns {[number, number]} */
  stretch({ track, row }) {
    const { start, end } = this.timeline.tracks[track].columns;
    return [start[row], end[row]];
  }

  /** @param {Place} place */
  bring(place) {
    const [start, end] = this.stretch(place);
    const span = this.to - this.from;
    const length = end - start;
    const tiny = length < span * 0.0005;
    if (end < this.from + span * 0.05 || start > this.to - span * 0.05 || length > span * 2 || tiny) {
      const half = (tiny ? length * 40 : Math.max(span, length * 1.6)) / 2;
      const middle = (start + end) / 2;
      this.jump(middle - half, middle + half);
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
    const stretch = selection ? this.stretch(selection) : range;
    if (!stretch) return;
    const [start, end] = stretch;
    const margin = (end - start) * (selection ? 0.08 : 0.04);
    this.jump(start - margin, end + margin);
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
