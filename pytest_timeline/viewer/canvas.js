// Drawing on a canvas fast: rows of slices where what is narrower than a few pixels is set as pixels, and text that fits.
"use strict";

/** A canvas that is as sharp as the screen. Coordinates are CSS pixels. */
class Surface {
  width = 0;
  height = 0;
  ratio = 1;

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
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
  const widths = /** @type {Record<string, Float32Array>} */ ({}); // by UTF-16 unit, 0 where not measured yet
  const context = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));
  let family = "";

  /** @param {"" | "600"} [weight] */
  function font(weight = "") {
    family ||= getComputedStyle(document.body).fontFamily;
    return `${weight} ${SIZE}px ${family}`;
  }

  /** @param {string} text @param {"" | "600"} [weight] */
  function width(text, weight = "") {
    const table = (widths[weight] ??= new Float32Array(65536));
    let sum = 0;
    for (let i = 0; i < text.length; i++) sum += table[text.charCodeAt(i)] || measure(table, text[i], weight);
    return sum;
  }

  /** @param {Float32Array} table @param {string} character @param {"" | "600"} weight */
  function measure(table, character, weight) {
    context.font = font(weight);
    return (table[character.charCodeAt(0)] = context.measureText(character).width);
  }

  /** What fits of a dotted name: all; its last part; its first characters; nothing. @param {string} text @param {number} room @param {"" | "600"} [weight] */
  function fit(text, room, weight = "") {
    if (width(text, weight) <= room) return text;
    const last = (text.startsWith("await ") ? "await " : "") + text.slice(text.lastIndexOf(".") + 1);
    return cut(last === "" || last.endsWith(">") || text.startsWith("blocked ") ? text : last, room, weight);
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

  /** @type {ImageData | null} */
  image = null;
  words = new Uint32Array(0);
  /** @type {{y: number, height: number}[]} the rows of `image` that are used */
  lines = [];
  /** @type {number[][]} x, y, width, height of boxes, by style; a dimmed one's at style * 2 + 1 */
  boxes = [];
  /** @type {number[]} */
  used = [];
  /** @type {number[]} x, y, width, height, style * 2 of a task's frames, a dimmed one's plus 1 */
  frames = [];
  /** @type {number[]} x, y, width, height of red edges */
  thrown = [];
  /** @type {{text: string, x: number, y: number, weight: "" | "600", token: string, alpha: number}[]} */
  texts = [];
  /** @type {number[]} x, y, width, height, style: plain plates behind text on a texture */
  plates = [];
  /** @type {number[]} */
  underlines = [];
  /** @type {number[]} */
  rings = [];

  /** @param {Surface} surface */
  constructor(surface) {
    this.surface = surface;
    this.pixels = document.createElement("canvas");
    this.pixelContext = /** @type {CanvasRenderingContext2D} */ (this.pixels.getContext("2d"));
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
   */
  add(columns, depth, y, height, labels, runs = null) {
    const top = this.surface.snap(y);
    height = this.surface.snap(y + height) - top;
    y = top;
    const { from, to, styles, minimum, hits, marked } = /** @type {Scene} */ (this.scene);
    const { start, end, name, flags, levels } = columns;
    const stop = levels[depth + 1];
    let row = columns.after(depth, from);
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
      const column = clamp(Math.floor((start[row] - from) * device), 0, last);
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
        if (span > 1 || alpha >= this.words[at] >>> 24) this.words.fill(word, at, at + span); // else what is there covers more of this pixel
        if (hits && found) this.rings.push(column / ratio, y, span / ratio, height);
        else if (flags[row] & Flag.THROWN && span > 2 && next === row + 1) this.thrown.push((column + span) / ratio - 1.5, y, 1.5, height);
        if (marked >= 0 && name[shown] === marked) this.underlines.push(column / ratio, y + height - 1.5, span / ratio, 1.5);
      }
      row = next;
    }
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
    const textured = Theme.waits(names[id].category);
    if (runs && !textured) {
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
    const at = Math.max(left, 0) + 5;
    const room = Math.min(right, width) - at - (thrown ? 7 : 5);
    if (room <= (textured ? 34 : 12)) return;
    const weight = names[id].category === "test" ? "600" : "";
    const text = Label.fit(names[id].text, room, weight);
    if (!text) return;
    let used = Label.width(text, weight);
    const middle = y + height / 2 + 0.5;
    const alpha = dim ? 0.35 : 1;
    this.texts.push({ text, x: at, y: middle, weight, token: "ink", alpha });
    if (text === names[id].text && room > 80) {
      const time = Format.time(columns.end[row] - columns.start[row]);
      const more = Label.width(time) + 6;
      if (used + more + 2 < room) {
        this.texts.push({ text: time, x: at + used + 6, y: middle, weight: "", token: "ink2", alpha });
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
    const alpha = (/** @type {number} */ key) => (context.globalAlpha = key & 1 ? 0.25 : 1);
    each(frames, 5, (x, y, width, height, key) => {
      alpha(key);
      context.fillStyle = pale;
      context.fillRect(x, y, width, height);
    });
    for (const key of this.used) {
      alpha(key);
      context.fillStyle = Theme.pattern(key >> 1, context) ?? Theme.fill(key >> 1);
      context.beginPath();
      each(this.boxes[key], 4, (x, y, width, height) => {
        if (width < Rows.ROUND || height < 6) context.fillRect(x, y, width, height);
        else context.roundRect(x, y, width, height, 2);
      });
      context.fill();
    }
    context.lineWidth = 1;
    each(frames, 5, (x, y, width, height, key) => {
      alpha(key);
      context.strokeStyle = Theme.fill(key >> 1);
      context.strokeRect(x + 0.5, y + 0.5, Math.max(0.5, width - 1), height - 1);
    });
    context.globalAlpha = 1;
    each(this.plates, 5, (x, y, width, height, style) => {
      context.fillStyle = Theme.fill(style);
      context.fillRect(x, y, width, height);
    });
    each(this.thrown, 4, (x, y, width, height) => this.surface.box("fail", x, y, width, height));
    each(this.underlines, 4, (x, y, width, height) => this.surface.box("ink", x, y, width, height));
    this._paintTexts(context);
    context.strokeStyle = Theme.colour("ink");
    each(this.rings, 4, (x, y, width, height) => {
      if (width > 2 && height > 6) context.strokeRect(x + 0.5, y + 0.5, width - 1, height - 1);
    });
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
    let last = null;
    for (const { text, x, y, weight, token, alpha } of this.texts) {
      if (weight !== last) context.font = Label.font((last = weight));
      context.globalAlpha = alpha;
      context.fillStyle = Theme.colour(token);
      context.fillText(text, x, y);
    }
    context.globalAlpha = 1;
  }
}

/** What lies flat in a list, so many numbers for each. @param {number[]} list @param {number} size @param {(x: number, y: number, width: number, height: number, more: number) => void} act */
function each(list, size, act) {
  for (let i = 0; i < list.length; i += size) act(list[i], list[i + 1], list[i + 2], list[i + 3], list[i + 4]);
}
