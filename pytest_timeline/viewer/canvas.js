// Drawing on a canvas fast: rows of slices where what is narrower than a few pixels is set as pixels, and text that fits.
"use strict";

/** A canvas that is as sharp as the screen. Coordinates are CSS pixels. */
class Surface {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.width = 0;
    this.height = 0;
    this.ratio = 1;
  }

  /** As wide as a thin line is: one CSS pixel, in whole ones of the screen. */
  get hair() {
    return Math.max(1, Math.round(this.ratio)) / this.ratio;
  }

  /** The nearest edge of the screen's pixels. @param {number} at */
  snap(at) {
    return Math.round(at * this.ratio) / this.ratio;
  }

  /** Fit the canvas to its place and clear it. @param {number} [height] */
  begin(height = this.canvas.clientHeight) {
    const { canvas, context } = this;
    this.ratio = devicePixelRatio || 1;
    this.width = canvas.clientWidth;
    this.height = height;
    const [wide, high] = [Math.round(this.width * this.ratio), Math.round(height * this.ratio)];
    if (canvas.width !== wide || canvas.height !== high) {
      canvas.width = wide;
      canvas.height = high;
    }
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.width, height);
    context.textBaseline = "middle";
    return context;
  }

  /** A plain box, in the colour of a token. @param {string} token @param {number} x @param {number} y @param {number} width @param {number} height @param {number} [alpha] */
  box(token, x, y, width, height, alpha = 1) {
    const { context } = this;
    context.globalAlpha = alpha;
    context.fillStyle = Theme.colour(token);
    context.fillRect(x, y, width, height);
    context.globalAlpha = 1;
  }

  /** @param {string} token @param {string} text @param {number} x @param {number} y of its middle @param {"" | "600"} [weight] */
  text(token, text, x, y, weight) {
    const { context } = this;
    context.font = Label.font(weight);
    context.fillStyle = Theme.colour(token);
    context.fillText(text, x, y);
  }

  /** What `trace` traces, filled. @param {string} token @param {(context: CanvasRenderingContext2D) => void} trace */
  fill(token, trace) {
    const { context } = this;
    context.fillStyle = Theme.colour(token);
    context.beginPath();
    trace(context);
    context.fill();
  }

  /** What `trace` traces, as a line. @param {string} token @param {number} wide @param {(context: CanvasRenderingContext2D) => void} trace */
  line(token, wide, trace) {
    const { context } = this;
    context.strokeStyle = Theme.colour(token);
    context.lineWidth = wide;
    context.beginPath();
    trace(context);
    context.stroke();
  }
}

/** Trace lines from point to point. @param {CanvasRenderingContext2D} context @param {number[]} points x and y in turn */
function trace(context, points) {
  for (let i = 0; i < points.length; i += 2) context.lineTo(points[i], points[i + 1]);
}

/** Text of one size: how wide it is, and how much of it fits. */
const Label = (() => {
  const SIZE = 11;
  const widths = /** @type {Record<string, Float32Array>} */ ({});
  const others = /** @type {Map<string, number>} */ (new Map());
  const context = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));
  let family = "";

  /** @param {"" | "600"} [weight] */
  function font(weight = "") {
    family ||= getComputedStyle(document.body).fontFamily;
    return `${weight} ${SIZE}px ${family}`;
  }

  /** @param {string} text @param {"" | "600"} [weight] */
  function width(text, weight = "") {
    let table = widths[weight];
    if (!table) {
      context.font = font(weight);
      table = widths[weight] = Float32Array.from({ length: 128 }, (_, code) => (code < 32 ? 0 : context.measureText(String.fromCharCode(code)).width));
    }
    let sum = 0;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code < 128) sum += table[code];
      else sum += other(text[i], weight);
    }
    return sum;
  }

  /** @param {string} character @param {"" | "600"} weight */
  function other(character, weight) {
    let value = others.get(weight + character);
    if (value === undefined) {
      context.font = font(weight);
      others.set(weight + character, (value = context.measureText(character).width));
    }
    return value;
  }

  /** What fits of a dotted name: all; its last part; its first characters; nothing. @param {string} text @param {number} room @param {"" | "600"} [weight] */
  function fit(text, room, weight = "") {
    if (width(text, weight) <= room) return text;
    const last = (text.startsWith("await ") ? "await " : "") + text.slice(text.lastIndexOf(".") + 1);
    return cut(last === "" || last.endsWith(">") ? text : last, room, weight);
  }

  /** @param {string} text @param {number} room @param {"" | "600"} [weight] */
  function cut(text, room, weight = "") {
    if (width(text, weight) <= room) return text;
    if (room < 26) return "";
    let used = width("…", weight);
    let length = 0;
    while (length < text.length) {
      used += width(text[length], weight);
      if (used > room) break;
      length++;
    }
    return length >= 3 ? text.slice(0, length) + "…" : "";
  }

  return { font, width, fit, cut };
})();

/**
 * What rows of slices need to know to be drawn.
 * @typedef {object} Scene
 * @property {number} from  ns, at the left edge
 * @property {number} to
 * @property {Uint16Array} styles  by name
 * @property {Name[]} names
 * @property {number} minimum  ns; what is shorter is not drawn
 * @property {Uint8Array | null} hits  whether a name is searched for
 * @property {number} marked  the name whose other calls are underlined, or -1
 */

/** Collects rows of slices, then paints them in few calls. */
class Rows {
  static WIDE = 3; // what is narrower (CSS pixels) is set as pixels
  static ROUND = 8; // what is narrower has square corners

  /** @param {Surface} surface */
  constructor(surface) {
    this.surface = surface;
    this.pixels = document.createElement("canvas");
    this.pixelContext = /** @type {CanvasRenderingContext2D} */ (this.pixels.getContext("2d"));
    /** @type {ImageData | null} */
    this.image = null;
    this.words = new Uint32Array(0);
    /** @type {{y: number, height: number}[]} the rows of `image` that are used */
    this.lines = [];
    /** @type {number[][]} x, y, width, height of boxes, by style; a dimmed one's at style * 2 + 1 */
    this.boxes = [];
    /** @type {number[]} */
    this.used = [];
    /** @type {number[]} x, y, width, height, style * 2 of a task's frames, a dimmed one's plus 1 */
    this.frames = [];
    /** @type {number[]} x, y, width, height of red edges */
    this.thrown = [];
    /** @type {{text: string, x: number, y: number, bold: boolean, dim: boolean, quiet: boolean}[]} */
    this.texts = [];
    /** @type {number[]} x, y, width, height, style: plain plates behind text on a texture */
    this.plates = [];
    /** @type {number[]} */
    this.underlines = [];
    /** @type {number[]} */
    this.rings = [];
  }

  /** @param {Scene} scene */
  begin(scene) {
    this.scene = scene;
    const { width, ratio } = this.surface;
    this.scale = width / (scene.to - scene.from); // CSS pixels for one ns
    const wide = Math.max(1, Math.round(width * ratio));
    if (!this.image || this.image.width !== wide) this._grow(wide, 64);
    this.lines.length = 0;
    this.words.fill(0);
    for (const key of this.used) this.boxes[key].length = 0;
    this.used.length = 0;
    for (const list of [this.frames, this.thrown, this.texts, this.plates, this.underlines, this.rings]) list.length = 0;
  }

  /** @param {number} width @param {number} height */
  _grow(width, height) {
    const before = this.image && this.image.width === width ? this.words : null;
    this.image = new ImageData(width, height);
    this.words = new Uint32Array(this.image.data.buffer);
    if (before) this.words.set(before);
    this.pixels.width = width;
    this.pixels.height = height;
  }

  /**
   * Add the slices of one depth.
   * @param {Columns} columns @param {number} depth @param {number} y @param {number} height
   * @param {boolean} labels @param {number[] | null} [runs] where a task ran: x of begin and end in turn
   * @returns {boolean} whether there is any slice in view
   */
  add(columns, depth, y, height, labels, runs = null) {
    const top = this.surface.snap(y);
    height = this.surface.snap(y + height) - top;
    y = top;
    const { from, to, styles, minimum, hits, marked } = /** @type {Scene} */ (this.scene);
    const { start, end, name, flags, levels } = columns;
    const stop = levels[depth + 1];
    let row = columns.after(depth, from);
    if (row >= stop || start[row] >= to) return false;
    const { ratio, width } = this.surface;
    const scale = /** @type {number} */ (this.scale);
    const device = scale * ratio;
    const pixelNs = 1 / device;
    const narrow = Rows.WIDE / scale; // ns
    const last = Math.round(width * ratio) - 1;
    let line = -1;
    while (row < stop && start[row] < to) {
      const duration = end[row] - start[row];
      if (duration >= narrow) {
        if (duration >= minimum) this._box(columns, row, y, height, labels, runs);
        row++;
        continue;
      }
      if (line < 0) {
        line = this._line(y, height);
      }
      const column = Math.max(0, Math.min(last, Math.floor((start[row] - from) * device)));
      const at = line + column;
      let alpha = 255;
      let shown = row;
      let next = row + 1;
      let span = 1;
      if (duration >= pixelNs) {
        span = Math.min(last + 1 - column, Math.max(1, Math.round((end[row] - from) * device) - column));
      } else {
        next = columns.starting(next, stop, from + (column + 1) * pixelNs);
        if (next > row + 1 && end[next - 1] - start[next - 1] >= pixelNs) next--;
        let sum = duration;
        if (next > row + 1) {
          columns.summary(row, next);
          ({ longest: shown, sum } = columns.found);
        }
        alpha = 110 + 145 * Math.min(1, sum * device);
      }
      const found = !hits || this._anyHit(hits, name, row, next);
      if (end[shown] - start[shown] >= minimum) {
        if (!found) alpha *= 0.25;
        const word = ((alpha << 24) | Theme.bits(styles[name[shown]])) >>> 0;
        if (span === 1 && alpha < this.words[at] >>> 24) {
          // what is there already covers more of this pixel
        } else for (let i = 0; i < span; i++) this.words[at + i] = word;
        if (hits && found) this.rings.push(column / ratio, y, span / ratio, height);
        else if (flags[row] & Flag.THROWN && span > 2 && next === row + 1) this.thrown.push((column + span) / ratio - 1.5, y, 1.5, height);
        if (marked >= 0 && name[shown] === marked) this.underlines.push(column / ratio, y + height - 1.5, span / ratio, 1.5);
      }
      row = next;
    }
    return true;
  }

  /** @param {Uint8Array} hits @param {Uint32Array} name @param {number} from @param {number} to */
  _anyHit(hits, name, from, to) {
    const step = Math.max(1, Math.floor((to - from) / 256)); // of a crowd a sample: it is one pixel
    for (let row = from; row < to; row += step) if (hits[name[row]]) return true;
    return false;
  }

  /** The offset in `words` of a line of pixels that is free. @param {number} y @param {number} height */
  _line(y, height) {
    const image = /** @type {ImageData} */ (this.image);
    if (this.lines.length === image.height) this._grow(image.width, image.height * 2);
    this.lines.push({ y, height });
    return (this.lines.length - 1) * image.width;
  }

  /** @param {Columns} columns @param {number} row @param {number} y @param {number} height @param {boolean} labels @param {number[] | null} runs */
  _box(columns, row, y, height, labels, runs) {
    const { from, styles, names, hits, marked } = /** @type {Scene} */ (this.scene);
    const scale = /** @type {number} */ (this.scale);
    const { width } = this.surface;
    const left = (columns.start[row] - from) * scale;
    const right = (columns.end[row] - from) * scale;
    const id = columns.name[row];
    const style = styles[id];
    const x = Math.max(left, -6);
    const wide = Math.max(1, Math.min(right, width + 6) - x - 0.75);
    const dim = hits !== null && !hits[id];
    const key = style * 2 + (dim ? 1 : 0);
    const boxes = (this.boxes[key] ??= []);
    if (!boxes.length) this.used.push(key);
    if (runs && !Theme.waits(names[id].category)) {
      this.frames.push(x, y, wide, height, key);
      for (let i = 0; i < runs.length; i += 2) {
        const [begin, end] = [Math.max(runs[i], x), Math.min(runs[i + 1], x + wide)];
        if (end > begin) boxes.push(begin, y, end - begin, height);
      }
    } else boxes.push(x, y, wide, height);
    if (hits && !dim) this.rings.push(x, y, wide, height);
    else if (id === marked) this.underlines.push(x, y + height - 1.5, wide, 1.5);
    const thrown = columns.flags[row] & Flag.THROWN;
    if (thrown && right <= width + 6) this.thrown.push(right - 3.25, y, 2.5, height);
    if (!labels || height < 12) return;
    const textured = Theme.waits(names[id].category);
    const at = Math.max(left, 0) + 5;
    const room = Math.min(right, width) - at - (thrown ? 7 : 5);
    if (room <= (textured ? 34 : 12)) return;
    const bold = names[id].category === "test";
    const weight = bold ? "600" : "";
    const text = Label.fit(names[id].text, room, weight);
    if (!text) return;
    let used = Label.width(text, weight);
    this.texts.push({ text, x: at, y: y + height / 2 + 0.5, bold, dim, quiet: false });
    if (text === names[id].text && room > 80) {
      const time = Format.time(columns.end[row] - columns.start[row]);
      const more = Label.width(time) + 6;
      if (used + more + 2 < room) {
        this.texts.push({ text: time, x: at + used + 6, y: y + height / 2 + 0.5, bold: false, dim, quiet: true });
        used += more;
      }
    }
    if (textured && wide > 30 && !dim) this.plates.push(x, y, Math.min(wide, at - x + used + 5), height, style);
  }

  /** Paint what was added. */
  paint() {
    const { context } = this.surface;
    const { frames } = this;
    this._paintPixels(context);
    const pale = Theme.fill(Theme.style("await", ""));
    for (let i = 0; i < frames.length; i += 5) {
      context.globalAlpha = frames[i + 4] & 1 ? 0.25 : 1;
      context.fillStyle = pale;
      context.fillRect(frames[i], frames[i + 1], frames[i + 2], frames[i + 3]);
    }
    for (const key of this.used) {
      const style = key >> 1;
      const boxes = this.boxes[key];
      context.globalAlpha = key & 1 ? 0.25 : 1;
      context.fillStyle = Theme.pattern(style, context) ?? Theme.fill(style);
      let round = false;
      for (let i = 0; i < boxes.length; i += 4) {
        if (boxes[i + 2] < Rows.ROUND || boxes[i + 3] < 6) context.fillRect(boxes[i], boxes[i + 1], boxes[i + 2], boxes[i + 3]);
        else {
          if (!round) context.beginPath();
          round = true;
          context.roundRect(boxes[i], boxes[i + 1], boxes[i + 2], boxes[i + 3], 2);
        }
      }
      if (round) context.fill();
    }
    context.lineWidth = 1;
    for (let i = 0; i < frames.length; i += 5) {
      context.globalAlpha = frames[i + 4] & 1 ? 0.25 : 1;
      context.strokeStyle = Theme.fill(frames[i + 4] >> 1);
      context.strokeRect(frames[i] + 0.5, frames[i + 1] + 0.5, Math.max(0.5, frames[i + 2] - 1), frames[i + 3] - 1);
    }
    context.globalAlpha = 1;
    for (let i = 0; i < this.plates.length; i += 5) {
      context.fillStyle = Theme.fill(this.plates[i + 4]);
      context.fillRect(this.plates[i], this.plates[i + 1], this.plates[i + 2], this.plates[i + 3]);
    }
    fillAll(context, this.thrown, Theme.colour("fail"));
    fillAll(context, this.underlines, Theme.colour("ink"));
    this._paintTexts(context);
    if (this.rings.length) {
      context.strokeStyle = Theme.colour("ink");
      context.lineWidth = 1;
      for (let i = 0; i < this.rings.length; i += 4) {
        const [x, y, width, height] = this.rings.slice(i, i + 4);
        if (width > 2 && height > 6) context.strokeRect(x + 0.5, y + 0.5, width - 1, height - 1);
      }
    }
  }

  /** @param {CanvasRenderingContext2D} context */
  _paintPixels(context) {
    const image = /** @type {ImageData} */ (this.image);
    if (!this.lines.length) return;
    this.pixelContext.putImageData(image, 0, 0, 0, 0, image.width, this.lines.length);
    context.imageSmoothingEnabled = false;
    const width = image.width / this.surface.ratio;
    this.lines.forEach(({ y, height }, line) => {
      context.drawImage(this.pixels, 0, line, image.width, 1, 0, y, width, height);
    });
  }

  /** @param {CanvasRenderingContext2D} context */
  _paintTexts(context) {
    const inks = [Theme.colour("ink"), Theme.colour("ink2")];
    for (const bold of [false, true]) {
      context.font = Label.font(bold ? "600" : "");
      for (const quiet of [false, true]) {
        context.fillStyle = inks[quiet ? 1 : 0];
        for (const text of this.texts) {
          if (text.bold !== bold || text.quiet !== quiet) continue;
          if (text.dim) context.globalAlpha = 0.35;
          context.fillText(text.text, text.x, text.y);
          if (text.dim) context.globalAlpha = 1;
        }
      }
    }
  }
}

/** @param {CanvasRenderingContext2D} context @param {number[]} boxes x, y, width, height @param {string} colour */
function fillAll(context, boxes, colour) {
  if (!boxes.length) return;
  context.fillStyle = colour;
  for (let i = 0; i < boxes.length; i += 4) context.fillRect(boxes[i], boxes[i + 1], boxes[i + 2], boxes[i + 3]);
}
