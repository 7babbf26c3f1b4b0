// The pane's account of a stretch of time: where it went, by function, as a table or as a flame graph.
"use strict";

/** @typedef {"name" | "count" | "total" | "self" | "average"} Key */

class RangePane {
  static LINES = 200; // of the table, at first
  static KEYS = /** @type {[Key, string][]} */ ([["name", "Function"], ["count", "Count"], ["total", "Total"], ["self", "Self"], ["average", "Average"]]);

  sort = /** @type {Key} */ ("self");
  reversed = false; // from the least to the greatest; of names from Z to A
  kind = "all";
  query = "";
  look = "table";

  /** @param {Desk} desk */
  constructor(desk) {
    this.desk = desk;
    this.flame = new Flame(desk);
  }

  label() {
    return "Range";
  }

  draw() {
    const { timeline, view } = this.desk;
    const { range } = view;
    if (!range) return null;
    const flame = this.look === "flame";
    const sums = Tally.range(timeline, range[0], range[1], flame);
    const several = sums.tracks > 1 ? `${Format.plural(sums.tracks, "thread")} of ${Format.plural(sums.processes, "process", "processes")}, so times add up to more than the range.` : "";
    const step = Math.max(1, (range[1] - range[0]) / 100);
    return [
      Part.section(
        null,
        Part.numbers([["Selected", Format.time(range[1] - range[0])], ["From", Format.offset(range[0], step)], ["To", Format.offset(range[1], step)], ["Slices", Format.count(sums.slices)]]),
        Part.shares(sums.categories),
        several && el("p.dim.small", several),
      ),
      Part.section(
        [
          "Functions",
          el("span", Format.count(sums.lines.length)),
          el("i.fill"),
          !flame && this._segments([["all", "All"], ["run", "Running"], ["wait", "Waiting"]], this.kind, (key) => (this.kind = key)),
          this._segments([["table", "Table"], ["flame", "Flame"]], this.look, (key) => (this.look = key)),
        ],
        !sums.slices ? el("p.dim", "No calls in this range.") : flame ? this.flame.draw(sums.root) : this._table(sums.lines),
      ),
    ];
  }

  /** @param {[string, string][]} choices @param {string} chosen @param {(key: string) => void} choose */
  _segments(choices, chosen, choose) {
    return el("span.segments", choices.map(([key, label]) =>
      el("button", { "aria-pressed": String(key === chosen), "data-key": key, click: () => {
        choose(key);
        this._again(`.segments [data-key=${key}]`);
      } }, label)));
  }

  /** Draw once more; what was clicked keeps the focus. @param {string} selector */
  _again(selector) {
    const { body, redraw } = this.desk;
    const { scrollTop } = body;
    redraw();
    body.scrollTop = scrollTop;
    /** @type {HTMLElement | null} */ (body.querySelector(selector))?.focus();
  }

  /** @param {Line} line @param {Key} key */
  _value(line, key) {
    return key === "average" ? line.total / line.count : key === "name" ? 0 : line[key];
  }

  /** @param {Line[]} all */
  _table(all) {
    const { sort } = this;
    const { names } = this.desk.timeline;
    const sign = this.reversed ? 1 : -1;
    const sorted = [...all].sort((a, b) => (sort === "name" ? -sign * names[a.name].text.localeCompare(names[b.name].text) : sign * (this._value(a, sort) - this._value(b, sort))) || a.name - b.name);
    const heads = RangePane.KEYS.map(([key, label]) => {
      const on = key === sort;
      const down = this.reversed === (key === "name");
      const click = () => {
        this.reversed = on && !this.reversed;
        this.sort = key;
        this._again(`[data-sort=${key}]`);
      };
      return el(`th.by-${key}`, { "aria-sort": on && (down ? "descending" : "ascending") }, el("button", { "data-sort": key, click }, label, on && (down ? " ↓" : " ↑")));
    });
    const body = el("tbody");
    const rest = el("div");
    const list = () => {
      const wanted = this.query.trim().toLowerCase();
      const waiting = (/** @type {string} */ category) => Theme.waits(category) && category !== "gc";
      const lines = sorted.filter(({ name }) => {
        const { text, category, group } = names[name];
        return (this.kind === "all" || waiting(category) === (this.kind === "wait")) && (!wanted || `${group} ${text}`.toLowerCase().includes(wanted));
      });
      const most = lines.reduce((top, line) => Math.max(top, this._value(line, sort)), 0);
      body.replaceChildren();
      Dom.fill(rest, lines.length ? Part.rows(body, lines, RangePane.LINES, (line) => this._line(line, most)) : el("p.dim.small", "None of these functions."));
    };
    const input = (/** @type {Event} */ event) => {
      this.query = /** @type {HTMLInputElement} */ (event.target).value;
      list();
    };
    list();
    return [
      el("input.filter", { type: "text", placeholder: "Filter functions", "aria-label": "Filter functions", spellcheck: "false", autocomplete: "off", value: this.query, input }),
      el("table.functions", { "aria-label": "Functions" }, el("thead", el("tr", heads)), body),
      rest,
    ];
  }

  /** @param {Line} line @param {number} most */
  _line(line, most) {
    const { text, category, group } = this.desk.timeline.names[line.name];
    return el(
      "tr",
      el("td", { title: `${group}: ${text}` }, Theme.swatch(category, group), el("button.code", { click: () => this._find(line.name) }, text)),
      RangePane.KEYS.slice(1).map(([key]) => {
        const value = this._value(line, key);
        return el(key === this.sort ? `td.by-${key}.share` : `td.by-${key}`, { style: key === this.sort ? { "--percent": most ? (value / most) * 100 : 0 } : null }, key === "count" ? Format.count(value) : Format.cell(value));
      }),
    );
  }

  /** Select the longest call of a function within the range. @param {number} name */
  _find(name) {
    const { timeline, view, go } = this.desk;
    const [from, to] = view.range ?? [0, Infinity];
    /** @type {Map<number, Use>} */
    const found = new Map();
    for (const { index, kind, columns } of timeline.tracks) {
      if (kind !== "thread") continue;
      for (let depth = 0; depth < columns.depths; depth++) {
        for (let row = columns.after(depth, from); row < columns.levels[depth + 1] && columns.start[row] < to; row++) {
          if (columns.name[row] === name) Tally.use(found, name, index, row, columns.duration(row));
        }
      }
    }
    const use = found.get(name);
    if (use) go(use.place);
  }
}
