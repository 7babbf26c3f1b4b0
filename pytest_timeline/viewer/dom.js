// Building the page: elements, icons and numbers. Text from a trace goes in as text nodes and nothing else.
"use strict";

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * Make an element. `tag` is "name.class.class". Properties, when there are any, come first: functions become listeners,
 * `style` keys custom properties or styles, everything else attributes (null and false: none).
 * @param {string} tag
 * @param {...(Record<string, any> | Child | Child[])} content
 * @returns {HTMLElement}
 */
function el(tag, ...content) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  const properties = /** @type {Record<string, any>} */ (content[0]?.constructor === Object ? content.shift() : {});
  for (const [key, value] of Object.entries(properties)) {
    if (value == null || value === false) continue;
    if (typeof value === "function") element.addEventListener(key, value);
    else if (key === "style") for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...Dom.nodes(/** @type {(Child | Child[])[]} */ (content)));
  return element;
}

const Dom = (() => {
  const SVG = "http://www.w3.org/2000/svg";

  /** What can be put into an element. @param {(Child | Child[])[]} children @returns {(Node | string)[]} */
  const nodes = (children) => children.flat().flatMap((child) => (child == null || child === false ? [] : child instanceof Node ? child : String(child)));

  /** Replace what is in an element, or in the one of that id. @param {Element | string} parent @param {...(Child | Child[])} children */
  const fill = (parent, ...children) => (typeof parent === "string" ? get(parent) : parent).replaceChildren(...nodes(children));

  /** An icon of the page's sprite. @param {string} name */
  function icon(name) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS(SVG, "use");
    use.setAttribute("href", "#" + name);
    svg.append(use);
    return svg;
  }

  /**
   * The element with that id, which the page is known to have.
   * @template {HTMLElement} [T=HTMLElement]
   * @param {string} id
   * @returns {T}
   */
  const get = (id) => /** @type {T} */ (document.getElementById(id));

  /** What is in the template of that id, once more. @param {string} id */
  const copy = (id) => /** @type {HTMLElement} */ (/** @type {HTMLTemplateElement} */ (get(id)).content.cloneNode(true));

  /**
   * Listen to an element, or to the one of that id.
   * @param {EventTarget | string} target
   * @param {{[Type in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Type]) => unknown}} listeners
   */
  function on(target, listeners) {
    for (const [type, listener] of Object.entries(listeners)) {
      (typeof target === "string" ? get(target) : target).addEventListener(type, /** @type {EventListener} */ (listener));
    }
  }

  return { nodes, fill, icon, get, copy, on };
})();

/** @param {number} value @param {number} least @param {number} most which gives way where it is less than `least` */
const clamp = (value, least, most) => Math.max(least, Math.min(value, most));

/** Add to the list that a map has under that key. @template K, V @param {Map<K, V[]>} map @param {K} key @param {V} value */
const append = (map, key, value) => map.get(key)?.push(value) ?? map.set(key, [value]);

/** Numbers for people: three significant digits, thin spaces between thousands. Times are nanoseconds. */
const Format = (() => {
  const UNITS = /** @type {[number, string][]} */ ([[1, "ns"], [1e3, "µs"], [1e6, "ms"], [1e9, "s"]]);

  /** @param {number} ns @returns {[string, string]} digits and unit */
  function parts(ns) {
    if (ns < 0) return ["−" + parts(-ns)[0], parts(-ns)[1]];
    if (ns >= 59.95e9) {
      const seconds = Math.round(ns / 1e9);
      const minutes = Math.floor(seconds / 60);
      if (minutes < 60) return [`${minutes} m ${seconds % 60}`, "s"];
      return [`${Math.floor(minutes / 60)} h ${minutes % 60}`, "m"];
    }
    let unit = 0;
    while (unit < 3 && ns / UNITS[unit][0] >= 999.5) unit++;
    const value = ns / UNITS[unit][0];
    if (unit === 0) return [String(Math.round(value)), "ns"];
    return [value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2), UNITS[unit][1]];
  }

  /** @param {number} ns */
  const time = (ns) => parts(ns).join(" ");

  /**
   * A moment, with as many decimals as `step` (ns) can tell apart.
   * @param {number} ns @param {number} [step]
   */
  function moment(ns, step = 1e5) {
    const [size, unit] = step >= 1e8 ? UNITS[3] : step >= 1e5 || ns >= 1e7 ? UNITS[2] : step >= 100 ? UNITS[1] : UNITS[0];
    const decimals = clamp(Math.ceil(Math.log10(size / step) - 1e-9), 0, 6);
    return `${(ns / size).toFixed(decimals)} ${unit}`;
  }

  /** A moment as an offset from the start. @param {number} ns @param {number} [step] */
  const offset = (ns, step) => (ns < 0 ? "−" : "+") + moment(Math.abs(ns), step);

  /** @param {number} value */
  const count = (value) => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, "\u2009");

  /** @param {number} value @param {string} one @param {string} [many] */
  const plural = (value, one, many) => `${count(value)} ${value === 1 ? one : many ?? one + "s"}`;

  /** Those of the texts that there are. @param {...(string | number | false | null | undefined)} texts */
  const list = (...texts) => texts.filter(Boolean).join(", ");

  /** @param {string} text @param {number} most characters */
  const cut = (text, most) => (text.length > most ? text.slice(0, most) + "…" : text);

  /** @param {number} count */
  const are = (count) => (count === 1 ? "is" : "are");

  /** Digits aligned and the unit dim, for a table. @param {number} ns @returns {Node[]} */
  function cell(ns) {
    const [digits, unit] = parts(ns);
    return [document.createTextNode(digits), el("span.unit", unit)];
  }

  /** @param {number} share */
  const percent = (share) => (share > 0 && share < 0.001 ? "<0.1 %" : `${(share * 100).toFixed(share < 0.0995 ? 1 : 0)} %`);

  return { time, moment, offset, count, plural, list, cut, are, cell, percent };
})();
