// The tracks: one canvas as high as what is in view, drawn anew for each change.
"use strict";

class Tracks {
  /**
   * @param {HTMLCanvasElement} canvas @param {HTMLElement} scroller
   * @param {View} view @param {Layout} layout
   */
  constructor(canvas, scroller, view, layout) {
    this.surface = new Surface(canvas);
    this.rows = new Rows(this.surface);
    this.scroller = scroller;
    this.view = view;
    this.layout = layout;
    this.styles = new Uint16Array(0);
    /** @type {Map<number, Instant[]>} by track, in order of time */
    this.instants = new Map();
    this.cost = 0; // of the last frame's drawing, ms
  }

  /** The names and instants are there, or the colours are other ones. */
  learn() {
    const { names, instants } = this.view.timeline;
    this.styles = Uint16Array.from(names, ({ category, group, text }) =>
      Theme.style(category === "other" ? (text === "MainThread" ? "lane" : "lane2") : category, group),
    );
    this.instants = new Map();
    for (const instant of instants) {
      const list = this.instants.get(instant.track);
      if (list) list.push(instant);
      else this.instants.set(instant.track, [instant]);
    }
  }

  /** @param {number} ns */
  x(ns) {
    return ((ns - this.view.from) / (this.view.to - this.view.from)) * this.surface.width;
  }

  /** @param {number} x */
  ns(x) {
    return this.view.from + (x / this.surface.width) * (this.view.to - this.view.from);
  }

  /** @returns {Scene} */
  scene() {
    const { view } = this;
    const { from, to, minimum, selection, hits, timeline } = view;
    const marked = selection && !hits ? timeline.tracks[selection.track].columns.name[selection.row] : -1;
    return { from, to, minimum, hits, marked, styles: this.styles, names: timeline.names };
  }

  draw() {
    const began = performance.now();
    const { surface, view, layout, rows } = this;
    const height = this.scroller.clientHeight;
    surface.canvas.style.height = `${height}px`;
    const context = surface.begin(height);
    const top = this.scroller.scrollTop;
    const shown = layout.visible.filter((node) => node.y + node.height > top && node.y < top + height);
    context.save();
    context.translate(0, -top);
    this._ground(context, shown, top, height);
    rows.begin(this.scene());
    for (const node of shown) this._node(context, node, top, height);
    rows.paint();
    for (const node of shown) this._marks(context, node);
    this._lines(context, top, height);
    if (!view.hits) this._flows(context);
    this._ring(context, view.hover, 1);
    this._ring(context, view.selection, 2);
    context.restore();
    this.cost = performance.now() - began;
  }

  /** @param {CanvasRenderingContext2D} context @param {TreeNode[]} shown @param {number} top @param {number} height */
  _ground(context, shown, top, height) {
    const { width } = this.surface;
    const { view, layout } = this;
    if (!layout.narrow) {
      context.fillStyle = Theme.colour("sunk");
      for (const node of shown) if (node.kind === "group") context.fillRect(0, node.y, width, node.height);
    }
    context.fillStyle = Theme.colour("grid");
    const step = gridStep(view.to - view.from, width);
    for (let ns = Math.ceil(view.from / step) * step; ns <= view.to; ns += step) context.fillRect(Math.round(this.x(ns)), top, 1, height);
    for (const node of shown) {
      context.fillStyle = Theme.colour(node.kind === "group" ? "line" : "grid");
      context.fillRect(0, node.y + node.height - 1, width, 1);
    }
    if (view.range) {
      const [left, right] = view.range.map((ns) => this.x(ns));
      context.fillStyle = Theme.colour("sel");
      context.globalAlpha = 0.7;
      context.fillRect(left, top, right - left, height);
      context.globalAlpha = 1;
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {TreeNode} node @param {number} top @param {number} height */
  _node(context, node, top, height) {
    const { layout, rows, view } = this;
    if (node.kind === "group") {
      const first = !layout.isOpen(node) && node.children.find((child) => child.kind === "thread");
      if (first && first.track && !layout.narrow) for (let depth = 0; depth < Math.min(2, first.track.columns.depths); depth++) rows.add(first.track.columns, depth, node.y + 4 + depth * 9, 8, false);
      return;
    }
    const { track } = node;
    if (!track) return;
    const { columns } = track;
    const open = layout.isOpen(node);
    if (node.kind === "counter") return this._counter(context, node);
    let any = false;
    for (let depth = 0; depth < columns.depths; depth++) {
      const box = layout.rowBox(node, depth);
      if (box.y > top + height) break;
      if (box.y + box.height < top) {
        any = true;
        continue;
      }
      if (rows.add(columns, depth, box.y, box.height, open || columns.depths === 1)) any = true;
      else if (!open) break;
      else if (depth === 0 && !columns.length) break;
    }
    if (!any && columns.length) this._elsewhere(context, node, columns, view);
  }

  /** Say where a track's slices are that has none in view. @param {CanvasRenderingContext2D} context @param {TreeNode} node @param {Columns} columns @param {View} view */
  _elsewhere(context, node, columns, view) {
    const { text, left } = elsewhere(columns, view);
    context.font = Label.font();
    context.fillStyle = Theme.colour("ink3");
    context.fillText(text, left ? 6 : this.surface.width - Label.width(text) - 8, node.rowTop + 8.5);
  }

  /** @param {CanvasRenderingContext2D} context @param {TreeNode} node */
  _counter(context, node) {
    const counter = node.track && this.view.timeline.counters.get(node.track.index);
    if (!counter?.ns.length) return;
    const { ns, value, unit } = counter;
    const { width } = this.surface;
    let first = ns.findIndex((at) => at >= this.view.from) - 1;
    if (first < 0) first = first === -2 ? ns.length - 1 : 0;
    let last = first;
    while (last < ns.length - 1 && ns[last] < this.view.to) last++;
    const seen = value.slice(first, last + 1);
    const high = Math.max(...seen);
    const low = Math.min(...seen) - (high - Math.min(...seen)) * 0.35;
    const bottom = node.rowTop + 24;
    const y = (/** @type {number} */ at) => bottom - ((value[at] - low) / (high - low || 1)) * 21;
    const line = () => {
      for (let at = first; at <= last; at++) context.lineTo(this.x(ns[at]), y(at));
      context.lineTo(width, y(last));
    };
    context.beginPath();
    context.moveTo(this.x(ns[first]), bottom);
    line();
    context.lineTo(width, bottom);
    context.fillStyle = Theme.colour("memory-bg");
    context.fill();
    context.beginPath();
    line();
    context.strokeStyle = Theme.colour("memory");
    context.lineWidth = 1.25;
    context.stroke();
    const peak = first + seen.indexOf(high);
    const text = `peak ${high >= 100 ? Format.count(high) : high.toPrecision(3)} ${unit}`;
    const left = Math.min(width - Label.width(text) - 8, Math.max(4, this.x(ns[peak]) - Label.width(text) - 8));
    context.fillStyle = Theme.colour("card");
    context.fillRect(left - 2, y(peak) - 1, Label.width(text) + 4, 13);
    context.fillStyle = Theme.colour("ink2");
    context.font = Label.font();
    context.fillText(text, left, y(peak) + 6);
  }

  /** The instants of a track: shapes, with text where it is a log. @param {CanvasRenderingContext2D} context @param {TreeNode} node */
  _marks(context, node) {
    const list = node.track && this.instants.get(node.track.index);
    if (!list || node.kind === "test") return;
    const y = node.rowTop + 7;
    context.font = Label.font();
    let free = -Infinity; // where the text before ends
    for (let i = 0; i < list.length; i++) {
      const x = this.x(list[i].at);
      if (x < -240 || x > this.surface.width + 6) continue;
      const level = levelOf(list[i]);
      if (x > -6) {
        context.fillStyle = Theme.colour(LEVEL_COLOURS[level]);
        shape(context, level, x, y);
      }
      if (node.kind !== "log") continue;
      const start = Math.max(x, -4) + 8;
      const limit = (i + 1 < list.length ? this.x(list[i + 1].at) : this.surface.width) - 9;
      if (start < free || limit - start < 30) continue;
      const text = Label.cut(list[i].name, limit - start);
      if (!text) continue;
      context.fillStyle = Theme.colour(level > 1 ? LEVEL_COLOURS[level] : "ink2");
      context.fillText(text, start, y + 0.5);
      free = start + Label.width(text);
    }
  }

  /** What crosses all tracks: phases, the failure, the range, the end of a crashed test. @param {CanvasRenderingContext2D} context @param {number} top @param {number} height */
  _lines(context, top, height) {
    const { view } = this;
    const { head, failure } = view.timeline;
    context.strokeStyle = Theme.colour("line2");
    context.lineWidth = 1;
    context.setLineDash([2, 3]);
    context.beginPath();
    for (const phase of head.phases.slice(1)) {
      const x = Math.round(this.x(phase.start)) + 0.5;
      context.moveTo(x, top);
      context.lineTo(x, top + height);
    }
    context.stroke();
    context.setLineDash([]);
    const bar = (/** @type {number} */ ns, /** @type {number} */ wide) => context.fillRect(Math.round(this.x(ns)) - wide / 2, top, wide, height);
    context.fillStyle = Theme.colour("fail");
    if (failure) bar(failure.at, 1.5);
    if (head.outcome === "crashed") bar(head.duration, 3);
    context.fillStyle = Theme.colour("accent");
    for (const ns of view.range ?? []) bar(ns, 1);
  }

  /** Where a slice lies, or null while it is not shown. @param {Place} selection */
  box({ track, row }) {
    const { layout } = this;
    const node = layout.nodes.get(`t${track}`);
    if (!node || !layout.visible.includes(node)) return null;
    const { columns } = this.view.timeline.tracks[track];
    const { y, height } = layout.rowBox(node, columns.depth(row));
    const left = Math.max(this.x(columns.start[row]), -6);
    const right = Math.min(this.x(columns.end[row]), this.surface.width + 6);
    return { x: left, y, width: Math.max(1, right - left - 0.75), height };
  }

  /** @param {CanvasRenderingContext2D} context @param {Place | null} selection @param {number} wide */
  _ring(context, selection, wide) {
    const box = selection && this.box(selection);
    if (!box || box.x + box.width < -6 || box.x > this.surface.width + 6) return;
    const outline = (/** @type {string} */ colour, /** @type {number} */ line, /** @type {number} */ by) => {
      context.strokeStyle = Theme.colour(colour);
      context.lineWidth = line;
      context.beginPath();
      context.roundRect(box.x - by, box.y - by, box.width + 2 * by, box.height + 2 * by, 2 + by);
      context.stroke();
    };
    if (wide > 1) outline("card", 4, 0.5);
    outline("ink", wide, wide > 1 ? 0.5 : -0.5);
  }

  /** The flows of what is selected. @param {CanvasRenderingContext2D} context */
  _flows(context) {
    const { selection, timeline } = this.view;
    if (!selection) return;
    for (const flow of flowsOf(timeline, selection)) {
      const [from, to] = [this._end(flow.from, flow.start), this._end(flow.to, flow.end)];
      if (!from || !to) continue;
      const bend = Math.max(18, Math.min(60, Math.abs(to.x - from.x) * 0.5 + 14));
      for (const [colour, wide] of /** @type {[string, number][]} */ ([["card", 4.5], ["accent", 1.75]])) {
        context.strokeStyle = Theme.colour(colour);
        context.lineWidth = wide;
        context.beginPath();
        context.moveTo(from.x, from.y);
        context.bezierCurveTo(from.x + bend, from.y, to.x - bend, to.y, to.x - 1, to.y);
        context.stroke();
      }
      context.fillStyle = Theme.colour("accent");
      context.beginPath();
      context.arc(from.x, from.y, 3, 0, 7);
      context.moveTo(to.x + 1, to.y);
      context.lineTo(to.x - 7, to.y - 4);
      context.lineTo(to.x - 7, to.y + 4);
      context.fill();
    }
  }

  /** Where one end of a flow is drawn. @param {number} track @param {number} ns */
  _end(track, ns) {
    const node = this.layout.nodes.get(`t${track}`);
    if (!node || !this.layout.visible.includes(node)) return null;
    const { columns } = this.view.timeline.tracks[track];
    const row = columns.innermost(ns);
    const { y, height } = this.layout.rowBox(node, row < 0 ? 0 : columns.depth(row));
    return { x: this.x(ns), y: y + height / 2 };
  }

  /**
   * The slice at a place of the canvas; of those within one pixel the longest.
   * @param {number} x @param {number} y @returns {Place | null}
   */
  hit(x, y) {
    const at = y + this.scroller.scrollTop;
    const node = this.layout.at(at);
    if (!node?.track?.columns.length) return null;
    const { columns, index } = node.track;
    const { minimum } = this.view;
    for (let depth = 0; depth < columns.depths; depth++) {
      const box = this.layout.rowBox(node, depth);
      if (at < box.y || at > box.y + box.height + 1) continue;
      const stop = columns.levels[depth + 1];
      const first = columns.after(depth, this.ns(x - 1));
      const last = columns.starting(first, stop, this.ns(x + 1));
      if (first >= last) continue;
      columns.summary(first, last);
      const row = columns.found.longest;
      if (columns.duration(row) >= minimum) return { track: index, row };
    }
    return null;
  }

  /** The instant at a place of the canvas. @param {number} x @param {number} y @returns {Instant | null} */
  instant(x, y) {
    const node = this.layout.at(y + this.scroller.scrollTop);
    const list = node?.track && this.instants.get(node.track.index);
    if (!node || !list || node.kind === "test" || Math.abs(y + this.scroller.scrollTop - node.rowTop - 7) > 9) return null;
    const before = list.filter((instant) => this.x(instant.at) <= x + 6);
    const last = before.at(-1);
    return last && (node.kind === "log" ? x - this.x(last.at) < 200 : x - this.x(last.at) < 7) ? last : null;
  }
}

const LEVEL_COLOURS = ["ink3", "own", "warn", "fail"];

/** How grave an instant is: 0 debug, 1 info, 2 warning, 3 error. @param {Instant} instant */
function levelOf({ category, args }) {
  const level = String(args?.level ?? "").toLowerCase();
  if (category === "test" || /err|crit|fatal/.test(level)) return 3;
  if (/warn/.test(level + category)) return 2;
  return /debug|notset/.test(level) ? 0 : 1;
}

/** A mark of that level: levels differ by shape. @param {CanvasRenderingContext2D} context @param {number} level @param {number} x @param {number} y */
function shape(context, level, x, y) {
  context.beginPath();
  if (level === 3) context.rect(x - 4, y - 4, 8, 8);
  else if (level === 2) {
    context.moveTo(x, y - 5);
    context.lineTo(x + 5, y + 4);
    context.lineTo(x - 5, y + 4);
  } else if (level === 1) context.arc(x, y, 3.2, 0, 7);
  else {
    context.moveTo(x, y - 4);
    context.lineTo(x + 4, y);
    context.lineTo(x, y + 4);
    context.lineTo(x - 4, y);
  }
  context.fill();
}

/** The distance of grid lines: 1, 2 or 5 times a power of ten. @param {number} span ns @param {number} width px */
function gridStep(span, width) {
  const least = span / Math.max(1, width / 100);
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least) ?? least;
}

/** Where the slices of a track are that has none in view. @param {Columns} columns @param {View} view */
function elsewhere(columns, { from, to }) {
  const next = columns.after(0, from);
  const before = next > 0 ? columns.end[next - 1] : -Infinity;
  const after = next < columns.levels[1] ? columns.start[next] : Infinity;
  const left = from - before <= after - to;
  const text = left ? `← ended ${Format.time(from - before)} before this view` : `starts ${Format.time(after - to)} after this view →`;
  return { text, left, row: left ? next - 1 : next };
}

/** The flows that begin or end in a slice, innermost there. @param {Timeline} timeline @param {Place} selection */
function flowsOf(timeline, { track, row }) {
  const { columns } = timeline.tracks[track];
  const inside = (/** @type {number} */ ns) => columns.start[row] <= ns && ns <= columns.end[row] && (columns.innermost(ns) === row || ns === columns.end[row] || ns === columns.start[row]);
  return timeline.flows.filter((flow) => (flow.from === track && inside(flow.start)) || (flow.to === track && inside(flow.end)));
}
