// The look on a canvas: colours from the style sheet's tokens, a stable hue for each package, textures for waiting.
"use strict";

const Theme = (() => {
  // Hues, degrees: own code has the cool ones, everything else the warm ones, so that they differ whatever they are called.
  const COOL = { first: 170, step: 18 };
  const WARM = { first: 35, step: 14 }; // not red, which is failure
  const HUES = 9;
  const SEED = 14441; // with it the libraries that are often seen together differ
  const TILE = 8; // CSS pixels
  const WAITS = new Set(["sleep", "lock", "io", "await", "subprocess", "gc"]);
  const SPANS = new Set(["test", "phase", "fixture", "user", "lane", "lane2"]);
  const LIGHTNESS = /** @type {Record<string, [string, string]>} */ ({
    own: ["0.81 0.095", "0.46 0.1"],
    library: ["0.905 0.048", "0.355 0.05"],
    c: ["0.885 0.012", "0.33 0.012"],
  });
  const STRONG = "strong "; // before a category or a token: as in the legend, for a bar that has no text on it
  const SAMPLE = "shop"; // a package whose hue is that of the tokens: for the legend
  /** What the categories are called, in the order of the legend. */
  const CATEGORIES = /** @type {[string, string][]} */ ([
    ["own", "own code"],
    ["library", "library"],
    ["c", "C"],
    ["sleep", "sleep"],
    ["lock", "lock"],
    ["io", "I/O"],
    ["await", "await"],
    ["subprocess", "subprocess"],
    ["gc", "GC"],
  ]);

  /** @typedef {{category: string, hue: number, wait: boolean}} Style */
  const styles = /** @type {Style[]} */ ([]);
  const byKey = /** @type {Map<string, number>} */ (new Map());
  const probe = document.createElement("i");
  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  let colours = /** @type {Map<string, string>} */ (new Map());
  let fills = /** @type {string[]} */ ([]);
  let packed = /** @type {number[]} */ ([]);
  let patterns = /** @type {(CanvasPattern | null)[]} */ ([]);
  let dark = false;
  let ratio = 0;

  /** Forget what was computed: the colour scheme or the pixel ratio is another one. */
  function refresh() {
    if (!probe.isConnected) {
      probe.hidden = true;
      probe.style.setProperty("forced-color-adjust", "none");
      document.body.append(probe);
    }
    colours = new Map();
    fills = [];
    packed = [];
    patterns = [];
    ratio = devicePixelRatio || 1;
    dark = resolve("light-dark(#fff, #000)") === "rgb(0, 0, 0)";
    for (const category in LIGHTNESS) document.documentElement.style.setProperty(`--slice-${category}`, fill(style(category, SAMPLE)));
  }

  /** @param {string} css @returns {string} as the browser computes it */
  function resolve(css) {
    probe.style.color = css;
    return getComputedStyle(probe).color;
  }

  /** A token of the style sheet. @param {string} token */
  function colour(token) {
    let value = colours.get(token);
    if (value === undefined) colours.set(token, (value = resolve(`var(--${token})`)));
    return value;
  }

  /** @param {string} token @param {number} percent */
  const tint = (token, percent) => resolve(`color-mix(in oklab, var(--${token}) ${percent}%, var(--card))`);

  /** Of a package always the same. @param {string} category @param {string} group */
  function hueOf(category, group) {
    let hash = SEED;
    for (let i = 0; i < group.length; i++) hash = Math.imul(hash ^ group.charCodeAt(i), 16777619);
    hash = (hash ^ (hash >>> 15)) >>> 0;
    const { first, step } = category === "own" ? COOL : WARM;
    return (first + (hash % HUES) * step) % 360;
  }

  /** The number of the style in which slices of that category and package are drawn. @param {string} category @param {string} group */
  function style(category, group) {
    const hue = category in LIGHTNESS ? hueOf(category, group) : 0;
    const key = `${category} ${hue}`;
    let index = byKey.get(key);
    if (index === undefined) {
      byKey.set(key, (index = styles.length));
      styles.push({ category, hue, wait: WAITS.has(category.replace(STRONG, "")) });
    }
    return index;
  }

  /** The plain colour of a style. @param {number} index */
  const fill = (index) => (fills[index] ??= compute(styles[index]));

  /** @param {Style} style */
  function compute({ category, hue, wait }) {
    if (category.startsWith(STRONG)) return colour(category.slice(STRONG.length));
    if (category in LIGHTNESS) return resolve(`oklch(${LIGHTNESS[category][dark ? 1 : 0]} ${hue})`);
    if (category === "await") return tint("pattern-await", 9);
    if (wait) return tint(category, category === "sleep" ? 38 : dark ? 30 : 24);
    if (SPANS.has(category)) return colour(category);
    return tint("c", 14);
  }

  /** The colour as ImageData has it, without its alpha. @param {number} index */
  function bits(index) {
    let value = packed[index];
    if (value === undefined && pixel) {
      pixel.fillStyle = fill(index);
      pixel.fillRect(0, 0, 1, 1);
      const [red, green, blue] = pixel.getImageData(0, 0, 1, 1).data;
      packed[index] = value = red | (green << 8) | (blue << 16);
    }
    return value;
  }

  /** The style's texture, null for one that has none. @param {number} index @param {CanvasRenderingContext2D} context */
  function pattern(index, context) {
    if (!styles[index].wait) return null;
    return (patterns[index] ??= texture(styles[index].category, fill(index), context));
  }

  /** @param {string} category @param {string} base @param {CanvasRenderingContext2D} target */
  function texture(category, base, target) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = Math.round(TILE * ratio);
    const context = canvas.getContext("2d");
    if (!context) return null;
    context.scale(canvas.width / TILE, canvas.width / TILE);
    context.fillStyle = base;
    context.fillRect(0, 0, TILE, TILE);
    const strong = category.startsWith(STRONG);
    category = category.replace(STRONG, "");
    const plain = category === "await" || category === "sleep" ? `pattern-${category}` : "pattern";
    const ink = strong ? colour(plain) : category === "await" ? tint("pattern-await", 26) : tint(category, category === "sleep" ? 95 : 62);
    context.strokeStyle = context.fillStyle = ink;
    /** @param {...number[]} lines x, y, x, y */
    const stroke = (...lines) => {
      context.beginPath();
      for (const [x0, y0, x1, y1] of lines) {
        context.moveTo(x0, y0);
        context.lineTo(x1, y1);
      }
      context.stroke();
    };
    if (category === "sleep") {
      for (const [x, y] of [[2, 2], [2, 6], [6, 2], [6, 6]]) {
        context.beginPath();
        context.arc(x, y, 0.9, 0, 7);
        context.fill();
      }
    }
    if (category === "await" || category === "lock") stroke([-1, 9, 9, -1], [-5, 5, 5, -5], [3, 13, 13, 3]);
    if (category === "lock") stroke([-1, -1, 9, 9], [3, -5, 13, 5], [-5, 3, 5, 13]);
    if (category === "io") stroke([0, 1.5, 8, 1.5], [0, 5.5, 8, 5.5]);
    if (category === "subprocess") stroke([1.5, 0, 1.5, 8], [5.5, 0, 5.5, 8]);
    if (category === "gc") for (let i = 0; i < 16; i++) if (((i >> 2) + i) & 1) context.fillRect((i & 3) * 2, (i >> 2) * 2, 2, 2);
    const made = target.createPattern(canvas, "repeat");
    made?.setTransform(new DOMMatrix().scale(TILE / canvas.width));
    return made;
  }

  /** A swatch of the category in the DOM; of code, in its package's hue. @param {string} category @param {string} [group] */
  function swatch(category, group) {
    const hued = category in LIGHTNESS && group !== undefined;
    const plain = SPANS.has(category);
    return el(`i.swatch.${category.replace(/\W/g, "")}`, {
      style: hued ? { background: fill(style(category, group)) } : plain ? { background: colour(category) } : null,
    });
  }

  const waits = (/** @type {string} */ category) => WAITS.has(category);
  const label = (/** @type {string} */ category) => CATEGORIES.find(([key]) => key === category)?.[1] ?? category;

  return { CATEGORIES, refresh, stale: () => ratio !== devicePixelRatio, colour, style, fill, bits, pattern, swatch, waits, label };
})();
