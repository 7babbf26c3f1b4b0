// Above the tracks: the minimap of the whole test, and the ruler of what is in view with its flags.
"use strict";

class Minimap {
  static STRIP = 16; // where the phases are named

  key = ""; // of what `picture` shows

  /** @param {HTMLCanvasElement} canvas @param {View} view @param {Layout} layout @param {Tracks} tracks */
  constructor(canvas, view, layout, tracks) {
    this.surface = new Surface(canvas);
    this.view = view;
    this.layout = layout;
    this.tracks = tracks;
    this.picture = new Surface(document.createElement("canvas"));
    this.rows = new Rows(this.surface);
  }

  /** Draw the picture anew next time. */
  forget() {
    this.key = "";
  }

  /** @param {number} ns */
  x(ns) {
    return (ns / this.view.duration) * this.surface.width;
  }

  draw() {
    const { surface, view } = this;
    const context = surface.begin();
    const { width, height } = surface;
    const key = `${width} ${height} ${surface.ratio}`;
    if (key !== this.key) this._render(key);
    else context.drawImage(this.picture.canvas, 0, 0, width, height);
    const left = Math.max(0, this.x(view.from));
    const right = Math.min(width, this.x(view.to));
    surface.box("card", 0, 0, left, height, 0.55);
    surface.box("card", right, 0, width - right, height, 0.55);
    if (view.range) {
      const [start, end] = view.range.map((ns) => this.x(ns));
      surface.box("accent", start, 0, Math.max(1, end - start), height, 0.18);
    }
    if (view.flag) {
      const x = Math.min(width - 1, this.x(view.flag.at));
      surface.box("fail", x - 0.75, 0, 1.5, height);
      surface.fill("fail", (context) => trace(context, [x - 4, 0, x + 4, 0, x, 6]));
    }
    surface.line("ink2", 1, (context) => context.rect(left + 0.5, 0.5, Math.max(2, right - left - 1), height - 1));
    for (const x of [left, right]) surface.fill("ink2", (context) => context.roundRect(clamp(x - 2.5, 0, width - 5), height / 2 - 8, 5, 16, 2));
  }

  /** The busiest thread of the test's process as a small flame, and the phases. @param {string} key */
  _render(key) {
    const { surface, view, rows } = this;
    const { width, height, ratio } = surface;
    const { head } = view.timeline;
    const room = height - Minimap.STRIP - 6;
    const columns = this.layout.mainTrack()?.columns;
    const styles = Uint16Array.from(view.timeline.names, ({ category }) => Theme.style(`strong ${category}`, ""));
    rows.begin({ ...this.tracks.scene(), styles, from: 0, to: view.duration, hits: null, minimum: 0, marked: -1 });
    if (columns?.length) {
      const each = clamp(room / columns.depths, 1, 6);
      const shown = Math.min(columns.depths, Math.floor(room / each));
      for (let depth = 0; depth < shown; depth++) rows.add(columns, depth, 4 + room - (depth + 1) * each, each, false);
    }
    rows.paint();
    for (const { name, start, end } of head.phases) {
      const [left, right] = [this.x(start), this.x(end)];
      surface.box("phase", left, height - Minimap.STRIP, Math.max(0.5, right - left - 1), Minimap.STRIP - 2);
      surface.text("ink3", Label.cut(name, right - left - 8), left + 4, height - Minimap.STRIP / 2 - 0.5);
    }
    const { canvas } = this.picture;
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
    this.picture.context.drawImage(surface.canvas, 0, 0);
    this.key = key;
  }
}

class Ruler {
  progress = 0; // share of the data that is decoded
  /** @type {number | null} ns, under the pointer */
  cursor = null;

  /** @param {HTMLCanvasElement} canvas @param {View} view @param {Tracks} tracks */
  constructor(canvas, view, tracks) {
    this.surface = new Surface(canvas);
    this.view = view;
    this.tracks = tracks;
  }

  draw() {
    const { view, surface, tracks } = this;
    surface.begin();
    const { width, height } = surface;
    const span = view.to - view.from;
    const step = gridStep(span, width);
    const flag = view.flag ? tracks.x(view.flag.at) : -1;
    for (let ns = Math.ceil(view.from / step) * step - step; ns <= view.to; ns += step) {
      const x = Math.round(tracks.x(ns));
      surface.box("line2", x, height - 12, 1, 12);
      for (let minor = 1; minor < 5; minor++) surface.box("line2", Math.round(tracks.x(ns + (step * minor) / 5)), height - 4, 1, 4);
      const label = Format.moment(Math.abs(ns) < step / 2 ? 0 : ns, step);
      const right = x + 5 + Label.width(label);
      if (x > -6 && right < width && (flag < x || flag > right)) surface.text("ink2", label, x + 5, height - 9);
    }
    const taken = this._flag(width);
    if (view.range) this._range(view.range, width, taken);
    if (this.cursor !== null) surface.box("ink3", Math.round(tracks.x(this.cursor)), 0, 1, height);
    if (this.progress < 1) surface.box("accent", 0, height - 2, width * this.progress, 2);
  }

  /** @param {[number, number]} range @param {number} width @param {[number, number]} taken by the flag */
  _range(range, width, taken) {
    const { surface, tracks } = this;
    const [left, right] = range.map((ns) => clamp(tracks.x(ns), 0, width));
    for (const ns of range) surface.box("accent", tracks.x(ns) - 0.5, 4, 1, surface.height - 4);
    const text = Format.time(range[1] - range[0]);
    const wide = Label.width(text, "600");
    let [from, to] = [left, Math.min(right, taken[0])]; // on the flag's left, or else on its right
    if (to - from < wide && right > taken[1]) [from, to] = [Math.max(left, taken[1]), right];
    if (to <= from) return;
    surface.box("sel", from, 0, to - from, 17);
    surface.box("accent", from, 16, to - from, 1.5);
    const x = clamp((from + to - wide) / 2, 4, width - wide - 4);
    if (x > taken[1] || x + wide < taken[0]) surface.text("accent", text, x, 8.5, "600");
  }

  /** @param {number} width @returns {[number, number]} where it is */
  _flag(width) {
    const { surface } = this;
    const { flag, from, to } = this.view;
    const x = flag ? this.tracks.x(flag.at) : -9;
    if (!flag || x < -2 || x > width + 2) return [Infinity, Infinity];
    const text = `✕ ${flag.text} ${Format.offset(flag.at, (to - from) / 2000)}`;
    const wide = Math.min(width, Label.width(text, "600") + 12);
    const left = clamp(x - 0.75, 0, width - wide);
    surface.fill("fail-bar", (context) => context.roundRect(left, 1, wide, 16, 3));
    surface.box("fail-bar", x - 0.75, 1, 1.5, surface.height);
    surface.text("flag", Label.cut(text, wide - 8, "600"), left + 6, 9.5, "600");
    return [left, left + wide];
  }
}
