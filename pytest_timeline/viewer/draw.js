// The tracks: one canvas as high as what is in view, drawn anew for each change.
"use strict";

class Tracks {
  styles = new Uint16Array(0);
  /** @type {Map<number, Instant[]>} by track, in order of time */
  instants = new Map();
  /** @type {[Place | null, Flow[]]} the flows of a selection */
  flows = [null, []];
  /** @type {{x: number, y: number, place: Place}[]} where arrows leave what is in view, on the canvas */
  ways = [];

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
  }

  /** The names and instants are there, or the colours are other ones. */
  learn() {
    const { names, instants } = this.view.timeline;
    this.styles = Uint16Array.from(names, ({ category, group, text }) =>
      Theme.style(category === "other" ? (text === "MainThread" ? "lane" : "lane2") : category, group),
    );
    this.instants = new Map();
    for (const instant of instants) {
      instant.level = levelOf(instant);
      append(this.instants, instant.track, instant);
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
    const { surface, view, layout, rows } = this;
    const height = this.scroller.clientHeight;
    surface.canvas.style.height = `${height}px`;
    const context = surface.begin(height);
    const top = surface.snap(this.scroller.scrollTop);
    const shown = layout.visible.filter((node) => node.y + node.height > top && node.y < top + height);
    context.save();
    context.translate(0, -top);
    this._ground(shown, top, height);
    rows.begin(this.scene());
    for (const node of shown) this._node(node, top, height);
    rows.paint();
    for (const node of shown) this._marks(node);
    this._lines(top, height);
    this.ways.length = 0;
    if (!view.hits) this._flows(top);
    this._ring(view.hover, 1);
    this._ring(view.selection, 2);
    context.restore();
  }

  /** @param {TreeNode[]} shown @param {number} top @param {number} height */
  _ground(shown, top, height) {
    const { view, layout, surface } = this;
    const { width, hair } = surface;
    if (!layout.narrow) for (const { kind, y, height } of shown) if (kind === "group") surface.box("sunk", 0, y, width, height);
    const step = gridStep(view.to - view.from, width);
    for (let ns = Math.ceil(view.from / step) * step; ns <= view.to; ns += step) surface.box("grid", surface.snap(this.x(ns)), top, hair, height);
    for (const { kind, y, height } of shown) surface.box(kind === "group" ? "line" : "grid", 0, surface.snap(y + height) - hair, width, hair);
    if (!view.range) return;
    const [left, right] = view.range.map((ns) => this.x(ns));
    surface.box("sel", left, top, right - left, height, 0.7);
  }

  /** @param {TreeNode} node @param {number} top @param {number} height */
  _node(node, top, height) {
    const { layout, rows, surface, view } = this;
    const open = layout.isOpen(node);
    if (node.kind === "counter") return this._counter(node);
    if (node.kind === "names" || node.kind === "group") {
      if (!open && !layout.narrow) this._summary(node);
      return;
    }
    if (!node.tracks.some(({ columns }) => columns.length)) return;
    const other = elsewhere(node.tracks, view);
    if (other) return surface.text("ink3", other.text, other.left ? 6 : surface.width - Label.width(other.text) - 8, node.rowTop + 8.5);
    const runs = node.state && this._stretches(node.state, "running");
    for (const { track, depth, y, height: high } of layout.rows(node)) {
      if (y > top + height) break;
      if (y + high >= top) rows.add(track.columns, depth, y, high, true, runs);
    }
    if (open && node.state && runs) this._state(node, node.state, runs);
  }

  /** What lies in a closed node: threads, one over the other. @param {TreeNode} node */
  _summary(node) {
    const threads = node.children.flatMap(({ tracks, children }) => [...tracks, ...children.flatMap((child) => child.tracks)]);
    const shown = node.kind === "names" ? threads.slice(0, 64) : threads.filter(({ kind }) => kind === "thread").slice(0, 1);
    for (const { columns } of shown) {
      if (node.kind === "names") this.rows.add(columns, 0, node.rowTop + 1, 13, false);
      else for (let depth = 0; depth < Math.min(2, columns.depths); depth++) this.rows.add(columns, depth, node.y + 4 + depth * 9, 8, false);
    }
  }

  /**
   * Where a task was in that state, in pixels: x of begin and end in turn. What is narrower than one is skipped over.
   * @param {Track} state @param {string} wanted @returns {number[]}
   */
  _stretches({ columns }, wanted) {
    const { view, surface } = this;
    const { start, end, name, levels } = columns;
    const pixel = (view.to - view.from) / surface.width;
    const found = [];
    for (let row = columns.after(0, view.from); row < levels[1] && start[row] < view.to; ) {
      let next = row + 1;
      if (view.timeline.names[name[row]].text === wanted) {
        const left = Math.max(-6, this.x(start[row]));
        const right = Math.min(surface.width + 6, Math.max(left + 1, this.x(end[row])));
        if (found.length && left < found[found.length - 1] + 0.5) found[found.length - 1] = right;
        else found.push(left, right);
        if (end[row] - start[row] < pixel) next = columns.starting(next, levels[1], start[row] + pixel);
        if (next > row + 1 && end[next - 1] - start[next - 1] >= pixel) next--;
      }
      row = next;
    }
    return found;
  }

  /** The lane below a task: a bar where it ran, a hairline where it waited, outlined where it was ready, a tick at its end. @param {TreeNode} node @param {Track} state @param {number[]} runs */
  _state(node, state, runs) {
    const { surface } = this;
    const { y, height } = this.layout.rowBox(node, state, 0);
    const [left, right] = [Math.max(0, this.x(state.first)), Math.min(surface.width, this.x(state.last))];
    surface.box("line2", left, y + height / 2, Math.max(0, right - left), 1);
    for (let i = 0; i < runs.length; i += 2) surface.box("own", runs[i], y, runs[i + 1] - runs[i], height);
    const ready = this._stretches(state, "ready");
    for (let i = 0; i < ready.length; i += 2) {
      const wide = ready[i + 1] - ready[i];
      surface.box("warn", ready[i], y, wide, height);
      surface.box("warn-bg", ready[i] + 1, y + 1, Math.max(0, wide - 2), height - 2);
    }
    if (state.last < this.view.duration) surface.box("ink2", this.x(state.last) - 1, y - 1, 1.5, height + 2);
  }

  /** @param {TreeNode} node */
  _counter(node) {
    const { view, surface } = this;
    const { ns, value, unit } = view.timeline.counters.get(node.tracks[0].index) ?? { ns: [], value: [], unit: "" };
    let at = Math.max(0, firstWhere(0, ns.length, (i) => ns[i] > view.from) - 1);
    if (!ns.length || ns[at] >= view.to) return;
    /** @type {[number, number][]} x and value; of those within one pixel the greatest */
    const points = [];
    let [low, high, peak] = [Infinity, -Infinity, 0];
    for (; at < ns.length && (at === 0 || ns[at - 1] < view.to); at++) {
      const x = this.x(ns[at]);
      const last = points.at(-1);
      if (last && x - last[0] < 0.5) last[1] = Math.max(last[1], value[at]);
      else points.push([x, value[at]]);
      low = Math.min(low, value[at]);
      if (value[at] > high) [high, peak] = [value[at], x];
    }
    const [x0, end] = points[points.length - 1];
    const x1 = clamp(this.x(view.duration), x0, surface.width);
    points.push([x1, end]);
    const bottom = node.rowTop + 24;
    const base = low - (high - low) * 0.35;
    const y = (/** @type {number} */ of) => bottom - ((of - base) / (high - base || 1)) * 21;
    const line = points.flatMap(([x, of]) => [x, y(of)]);
    surface.fill("memory-bg", (context) => (context.lineTo(line[0], bottom), trace(context, line), context.lineTo(x1, bottom)));
    surface.line("memory", 1.25, (context) => trace(context, line));
    peak = clamp(peak, 0, surface.width);
    surface.fill("memory", (context) => context.arc(peak, y(high), 2.2, 0, 7));
    const text = `peak ${high >= 100 ? Format.count(high) : +high.toPrecision(3)} ${unit}`;
    const wide = Label.width(text);
    const left = peak > wide + 12 ? peak - wide - 8 : peak + 8;
    surface.box("card", left - 2, y(high) - 1, wide + 4, 13);
    surface.text("ink2", text, left, y(high) + 6);
  }

  /** The instants of a track: shapes, with text where it is a log. @param {TreeNode} node */
  _marks(node) {
    const { surface } = this;
    const list = this._told(node);
    const y = node.rowTop + 7;
    let free = -Infinity; // where the text before ends
    for (let i = Math.max(0, firstWhere(0, list.length, (at) => this.x(list[at].at) > -6) - 1); i < list.length; ) {
      let shown = list[i];
      const x = this.x(shown.at);
      if (x > surface.width + 6) break;
      while (++i < list.length && this.x(list[i].at) - x < 1) if ((list[i].level ?? 0) > (shown.level ?? 0)) shown = list[i]; // of a crowd the gravest
      const { level = 0, name } = shown;
      surface.fill(LEVEL_COLOURS[level], (context) => mark(context, level, x, y));
      if (node.kind !== "log") continue;
      const start = Math.max(x, -4) + 8;
      const limit = (i < list.length ? this.x(list[i].at) : surface.width) - 9;
      const text = start < free || limit - start < 30 ? "" : Label.cut(name, limit - start);
      if (!text) continue;
      surface.text(level > 1 ? LEVEL_COLOURS[level] : "ink2", text, start, y + 0.5);
      free = start + Label.width(text);
    }
  }

  /** The instants that are drawn on a node. @param {TreeNode | null} node */
  _told(node) {
    return (node && node.tracks[0] && node.kind !== "test" && this.instants.get(node.tracks[0].index)) || [];
  }

  /** What crosses all tracks: phases, the failure, the range, where a crashed test is cut off. @param {number} top @param {number} height */
  _lines(top, height) {
    const { view, surface } = this;
    const { head } = view.timeline;
    surface.context.setLineDash([2, 3]);
    surface.line("line2", 1, (context) => {
      for (const { start } of head.phases.slice(1)) {
        const x = Math.round(this.x(start)) + 0.5;
        context.moveTo(x, top);
        context.lineTo(x, top + height);
      }
    });
    surface.context.setLineDash([]);
    if (head.outcome === "crashed") surface.box("sunk", this.x(head.duration), top, surface.width, height);
    const bar = (/** @type {string} */ token, /** @type {number} */ ns, /** @type {number} */ wide) => surface.box(token, Math.round(this.x(ns)) - wide / 2, top, wide, height);
    if (view.flag) bar("fail", view.flag.at, 1.5);
    for (const ns of view.range ?? []) bar("accent", ns, 1);
  }

  /** Where a slice lies, or null while it is not shown. @param {Place} selection */
  box({ track, row }) {
    const { layout } = this;
    const { columns } = this.view.timeline.tracks[track];
    const node = layout.nodeOf(track);
    if (!node || !layout.visible.includes(node)) return null;
    const { y, height } = layout.rowBox(node, this.view.timeline.tracks[track], columns.depth(row));
    const left = Math.max(this.x(columns.start[row]), -6);
    const right = Math.min(this.x(columns.end[row]), this.surface.width + 6);
    return { x: left, y, width: Math.max(1, right - left - 0.75), height };
  }

  /** @param {Place | null} selection @param {number} wide */
  _ring(selection, wide) {
    const { surface } = this;
    const box = selection && this.box(selection);
    if (!box || box.x + box.width < -6 || box.x > surface.width + 6) return;
    const outline = (/** @type {string} */ token, /** @type {number} */ line, /** @type {number} */ by) =>
      surface.line(token, line, (context) => context.roundRect(box.x - by, box.y - by, box.width + 2 * by, box.height + 2 * by, 2 + by));
    if (wide > 1) outline("card", 4, 0.5);
    outline("ink", wide, wide > 1 ? 0.5 : -0.5);
  }

  /** The flows of what is selected; one whose other end is not in view leads to the edge. @param {number} top */
  _flows(top) {
    const { surface } = this;
    const { selection, timeline } = this.view;
    if (!selection) return;
    if (this.flows[0] !== selection) this.flows = [selection, flowsOf(timeline, selection)];
    for (const flow of this.flows[1]) {
      const from = this._end(flow.from, flow.start, top);
      const to = this._end(flow.to, flow.end, top);
      if (from.away && to.away) continue;
      const bend = clamp(Math.abs(to.x - from.x) * 0.5 + 14, 18, 60);
      const curve = (/** @type {CanvasRenderingContext2D} */ context) => {
        context.moveTo(from.x, from.y);
        context.bezierCurveTo(from.x + bend, from.y, to.x - (to.away ? 0 : bend), to.y, to.x - 1, to.y);
      };
      surface.line("card", 4.5, curve);
      surface.line("accent", 1.75, curve);
      surface.fill("accent", (context) => context.arc(from.x, from.y, from.away ? 4.5 : 3, 0, 7));
      const [cos, sin] = [Math.cos(to.angle), Math.sin(to.angle)];
      const head = [[1, 0], [-7, -4], [-7, 4]].flatMap(([x, y]) => [to.x + x * cos - y * sin, to.y + x * sin + y * cos]);
      surface.fill("accent", (context) => trace(context, head));
      for (const { x, y, away, place } of [to, from]) if (away) this.ways.push({ x, y: y - top, place });
    }
  }

  /** Where one end of a flow is drawn: on its slice, on what its track is hidden in, or at the edge. @param {number} track @param {number} ns @param {number} top */
  _end(track, ns, top) {
    const { layout, surface } = this;
    const { timeline } = this.view;
    const own = layout.nodeOf(track);
    let node = own ?? null;
    while (node && !layout.visible.includes(node)) node = node.parent;
    const place = landing(timeline, track, ns);
    const box = node && node === own ? layout.rowBox(node, timeline.tracks[track], timeline.tracks[track].columns.depth(place.row)) : { y: node?.y ?? 0, height: 24 };
    const [x0, y0] = [this.x(ns), box.y + box.height / 2];
    const x = clamp(x0, 6, surface.width - 6);
    const y = clamp(y0, top + 6, top + surface.height - 6);
    const away = x !== x0 || y !== y0 || node !== own;
    return { x, y, away, place, angle: away ? Math.atan2(y0 - y, x0 - x) : 0 };
  }

  /** Where an arrow leads that leaves what is in view at that place of the canvas. @param {number} x @param {number} y */
  way(x, y) {
    return this.ways.find((way) => Math.hypot(way.x - x, way.y - y) < 12)?.place ?? null;
  }

  /**
   * The slice at a place of the canvas; of those within one pixel the longest.
   * @param {number} x @param {number} y @returns {Place | null}
   */
  hit(x, y) {
    const at = y + this.scroller.scrollTop;
    const node = this.layout.at(at);
    if (!node) return null;
    const { minimum } = this.view;
    for (const { track, depth, y: top, height } of this.layout.rows(node)) {
      if (at < top || at > top + height + 1) continue;
      const { columns } = track;
      const from = columns.after(depth, this.ns(x - 1));
      const to = columns.starting(from, columns.levels[depth + 1], this.ns(x + 1));
      if (from >= to) continue;
      columns.summary(from, to);
      const row = columns.found.longest;
      if (columns.duration(row) >= minimum) return { track: track.index, row };
    }
    return null;
  }

  /** Where to go from a node that has slices, but none in view. @param {number} y @returns {Place | null} */
  beyond(y) {
    const node = this.layout.at(y + this.scroller.scrollTop);
    return (node && elsewhere(node.tracks, this.view)?.place) ?? null;
  }

  /** The instant at a place of the canvas. @param {number} x @param {number} y @returns {Instant | null} */
  instant(x, y) {
    const at = y + this.scroller.scrollTop;
    const node = this.layout.at(at);
    const list = this._told(node);
    if (!node || Math.abs(at - node.rowTop - 7) > 9) return null;
    const last = list[firstWhere(0, list.length, (i) => this.x(list[i].at) > x + 6) - 1];
    return last && x - this.x(last.at) < (node.kind === "log" ? 200 : 7) ? last : null;
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

/** Trace a mark of that level: levels differ by shape. @param {CanvasRenderingContext2D} context @param {number} level @param {number} x @param {number} y */
function mark(context, level, x, y) {
  if (level === 3) context.rect(x - 4, y - 4, 8, 8);
  else if (level === 1) context.arc(x, y, 3.2, 0, 7);
  else trace(context, level ? [x, y - 5, x + 5, y + 4, x - 5, y + 4] : [x, y - 4, x + 4, y, x, y + 4, x - 4, y]);
}

/** The distance of grid lines: 1, 2 or 5 times a power of ten. @param {number} span ns @param {number} width px */
function gridStep(span, width) {
  const least = span / Math.max(1, width / 100);
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least) ?? least;
}

/** Where the slices are of tracks that have some, but none in view. @param {Track[]} tracks @param {View} view */
function elsewhere(tracks, { from, to }) {
  let [away, left, place] = [Infinity, false, { track: -1, row: -1 }];
  for (const { columns: { length, levels, start, end }, columns, index: track } of tracks) {
    if (!length) continue;
    const row = columns.after(0, from);
    const within = row < levels[1];
    if (within && start[row] < to) return null;
    if (row && from - end[row - 1] < away) [away, left, place] = [from - end[row - 1], true, { track, row: row - 1 }];
    if (within && start[row] - to < away) [away, left, place] = [start[row] - to, false, { track, row }];
  }
  if (place.row < 0) return null;
  return { text: left ? `← ended ${Format.time(away)} before this view` : `starts ${Format.time(away)} after this view →`, left, place };
}
