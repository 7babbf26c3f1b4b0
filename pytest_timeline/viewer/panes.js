// The pane beside the tracks: the failure, the slice that is selected, the range, the log.
"use strict";

class Panes {
  /**
   * @param {HTMLElement} tabs @param {HTMLElement} body
   * @param {View} view @param {Layout} layout @param {Tracks} tracks @param {(selection: Place) => void} go
   */
  constructor(tabs, body, view, layout, tracks, go) {
    this.tabs = tabs;
    this.body = body;
    this.view = view;
    this.timeline = view.timeline;
    this.layout = layout;
    this.tracks = tracks;
    this.go = go;
    this.sort = /** @type {"count" | "total" | "self"} */ ("self");
    this.kind = "all";
    this.flame = false;
    this.reversed = false;
    this.shown = "";
    tabs.addEventListener("keydown", (event) => this._arrow(event));
  }

  /** @returns {[string, string, number][]} key, label, count */
  _kinds() {
    const kinds = /** @type {[string, string, number][]} */ ([["slice", "Slice", 0], ["range", "Range", 0], ["log", "Log", this._logged().length]]);
    if (this.timeline.failure) kinds.unshift(["failure", "Failure", 0]);
    return kinds;
  }

  _logged() {
    return this.timeline.instants;
  }

  /** @param {boolean} [again] whether it shows the same as before */
  draw(again = false) {
    const { view } = this;
    const kinds = this._kinds();
    if (!kinds.some(([key]) => key === view.tab)) view.tab = "slice";
    const focused = this.tabs.contains(document.activeElement);
    Dom.fill(
      this.tabs,
      kinds.map(([key, label, count]) =>
        Dom.el(
          "button",
          { role: "tab", id: `tab-${key}`, "aria-selected": key === view.tab ? "true" : "false", "aria-controls": "pane-body", tabindex: key === view.tab ? 0 : -1, click: () => view.open(key) },
          key === "failure" && Dom.el("i.dot"),
          label,
          count > 0 && Dom.el("small", null, count),
        ),
      ),
    );
    const tab = Dom.get(`tab-${view.tab}`);
    if (focused) tab.focus();
    this.body.setAttribute("aria-labelledby", `tab-${view.tab}`);
    const content = view.tab === "failure" ? this._failure() : view.tab === "range" ? this._range() : view.tab === "log" ? this._log() : this._slice();
    const kept = view.tab === this.shown ? this.body.scrollTop : 0;
    Dom.fill(this.body, content);
    this.body.scrollTop = again ? kept : 0;
    this.shown = view.tab;
  }

  /** @param {KeyboardEvent} event */
  _arrow(event) {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    const keys = this._kinds().map(([key]) => key);
    this.view.open(keys[(keys.indexOf(this.view.tab) + by + keys.length) % keys.length]);
  }

  // --- the slice ---

  _slice() {
    const { selection } = this.view;
    if (!selection) return empty("Nothing selected", "Click a slice, or press an arrow key, to see what it is, what called it and what it called. Drag along the ruler to sum up a stretch of time.");
    const { timeline } = this;
    const { track: index, row } = selection;
    const track = timeline.tracks[index];
    const { columns } = track;
    const id = columns.name[row];
    const name = timeline.names[id];
    const file = timeline.files[name.file];
    const duration = columns.duration(row);
    const calls = track.kind === "thread" ? this._calls(id) : 0;
    const code = track.kind === "thread";
    return [
      section(
        null,
        Dom.el("h2.heading", null, Theme.swatch(name.category, name.group), Dom.el("span", null, name.text)),
        Dom.el("p.dim", null, [file?.package, Theme.label(name.category)].filter(Boolean).join(", ")),
        numbers([
          ["Total", Format.time(duration)],
          ["Self", Format.time(columns.self(row))],
          ["Start", Format.offset(columns.start[row], Math.max(1, duration / 100))],
          calls ? ["Calls in test", Format.count(calls)] : ["End", Format.offset(columns.end[row], Math.max(1, duration / 100))],
        ]),
        code && shares(Tally.within(timeline, index, row)),
        this._notes(columns, row).map((text) => note(text)),
      ),
      this._where(selection),
      this._arguments(columns.args.get(row)),
      code && name.kind < 2 && this._sourceOf(name),
      code && this._callees(selection),
    ];
  }

  /** How often a function was called in the whole test. @param {number} id */
  _calls(id) {
    if (!this._counts) {
      this._counts = new Uint32Array(this.timeline.names.length);
      for (const { kind, columns } of this.timeline.tracks) if (kind === "thread") for (const name of columns.name) this._counts[name]++;
    }
    return this._counts[id];
  }

  /** @param {Columns} columns @param {number} row @returns {string[]} */
  _notes(columns, row) {
    const flags = columns.flags[row];
    const folded = columns.folded(row);
    const notes = [];
    const raised = columns.thrown(row);
    if (flags & Flag.THROWN) notes.push(`Left by an exception${raised !== undefined && raised >= 0 ? ": " + this.timeline.names[raised].text : " of unknown type"}.`);
    if (folded) notes.push(`${Format.plural(folded.count, "slice")} below it ${folded.count === 1 ? "is" : "are"} not drawn (${Format.time(folded.ns)}).`);
    if (flags & Flag.CUT_START) notes.push("It began before this test.");
    if (flags & Flag.CUT_END) notes.push("It went on after this test.");
    if (flags & Flag.DIED) notes.push("It was open when its process died.");
    if (flags & Flag.HEALED) notes.push("Its end was not recorded: it ended at the latest here.");
    if (flags & Flag.RESUMED) notes.push("A generator or coroutine went on here.");
    if (flags & Flag.YIELDED) notes.push("It did not return: it yielded.");
    return notes;
  }

  /** @param {Place} selection */
  _where({ track: index, row }) {
    const { timeline } = this;
    const track = timeline.tracks[index];
    const { columns } = track;
    const process = timeline.head.processes[track.process];
    const callers = [];
    for (let above = columns.parent(row); above >= 0; above = columns.parent(above)) callers.push(above);
    const shown = callers.slice(0, 12);
    const flows = flowsOf(timeline, { track: index, row });
    const trackName = track.kind === "test" ? "Test" : track.name;
    return section(
      "Where",
      pairs([
        [track.kind === "thread" ? "Thread" : "Track", [trackName, " ", track.id ? Dom.el("span.dim", null, `tid ${track.id}`) : ""]],
        ["Process", [process.name, " ", Dom.el("span.dim", null, `pid ${process.pid}`)]],
        callers.length > 0 && [
          track.kind === "thread" ? "Called by" : "Within",
          shown
            .flatMap((above, i) => [i > 0 && Dom.el("span.dim", null, " ← "), this._link(index, above)])
            .concat(callers.length > shown.length ? [Dom.el("span.dim", null, ` ← ${callers.length - shown.length} more`)] : []),
        ],
        flows.length > 0 && ["Flows", flows.map((flow) => Dom.el("div", null, this._flow(flow, index)))],
      ]),
    );
  }

  /** @param {Flow} flow @param {number} track the one that is looked at */
  _flow(flow, track) {
    const out = flow.from === track;
    const [other, ns] = out ? [flow.to, flow.end] : [flow.from, flow.start];
    const { columns, name } = this.timeline.tracks[other];
    const row = columns.innermost(ns);
    const text = `${out ? "→" : "←"} ${flow.name || "flow"}, ${name}`;
    return row < 0 ? text : Dom.el("button.link", { click: () => this.go({ track: other, row }) }, text);
  }

  /** A slice's name that goes there. @param {number} track @param {number} row */
  _link(track, row) {
    return Dom.el("button.code", { click: () => this.go({ track, row }) }, this.timeline.nameOf(track, row).text);
  }

  /** @param {Record<string, any> | undefined} args */
  _arguments(args) {
    const list = Object.entries(args ?? {});
    if (!list.length) return null;
    return section(
      "Arguments",
      Dom.el("dl.pairs", null, list.flatMap(([key, value]) => {
        const text = typeof value === "string" ? value : JSON.stringify(value);
        return [Dom.el("dt.mono", null, key), Dom.el("dd.mono", { title: text }, text.length > 400 ? text.slice(0, 400) + "…" : text)];
      })),
    );
  }

  /** @param {Name} name */
  _sourceOf(name) {
    const { timeline } = this;
    const file = timeline.files[name.file];
    if (!file) return section("Source", Dom.el("p.dim", null, "Not Python code: no source."));
    const lines = Source.listing(this.view, name.file, name.line, "here");
    const missing = file.category === "own" ? "Not kept." : "Kept for your own code only.";
    return section(
      ["Source", Dom.el("span", null, `${file.short}:${name.line}`), Source.link(timeline.head.root, file.path, name.line)],
      lines ?? Dom.el("p.dim", null, missing),
    );
  }

  /** @param {Place} selection */
  _callees({ track, row }) {
    const { timeline } = this;
    const { columns } = timeline.tracks[track];
    const [first, stop] = columns.children(row);
    if (first === stop) return null;
    /** @type {Map<number, {row: number, count: number, total: number}>} */
    const lines = new Map();
    for (let child = first; child < stop; child++) {
      const line = lines.get(columns.name[child]);
      const duration = columns.duration(child);
      if (!line) lines.set(columns.name[child], { row: child, count: 1, total: duration });
      else {
        line.count++;
        line.total += duration;
        if (duration > columns.duration(line.row)) line.row = child;
      }
    }
    const sorted = [...lines.entries()].sort((a, b) => b[1].total - a[1].total);
    const whole = columns.duration(row);
    return section(
      ["Calls", Dom.el("span", null, Format.plural(stop - first, "call") + (sorted.length > 50 ? `, the 50 longest of ${sorted.length} functions` : ""))],
      Dom.el(
        "table",
        null,
        Dom.el("thead", null, Dom.el("tr", null, Dom.el("th", null, "Function"), Dom.el("th", { style: { width: "58px" } }, "Count"), Dom.el("th", { style: { width: "88px" } }, "Total"))),
        Dom.el("tbody", null, sorted.slice(0, 50).map(([id, line]) => {
          const name = timeline.names[id];
          return Dom.el(
            "tr",
            null,
            Dom.el("td", { title: name.text }, Theme.swatch(name.category, name.group), this._link(track, line.row)),
            Dom.el("td", null, Format.count(line.count)),
            Dom.el("td.share", { style: { "--percent": (line.total / whole) * 100 } }, Format.cell(line.total)),
          );
        })),
      ),
    );
  }

  // --- the range ---

  _range() {
    const { range } = this.view;
    if (!range) return empty("No range selected", "Drag along the ruler, or over the tracks with Shift, to sum up a stretch of time. M takes that of the slice that is selected.");
    const { timeline } = this;
    const sums = Tally.range(timeline, range[0], range[1], this.flame);
    const waiting = (/** @type {number} */ name) => Theme.waits(timeline.names[name].category) && timeline.names[name].category !== "gc";
    const lines = sums.lines.filter(({ name }) => this.kind === "all" || waiting(name) === (this.kind === "wait"));
    const several = sums.tracks > 1 ? `${Format.plural(sums.tracks, "thread")} of ${Format.plural(sums.processes, "process", "processes")}, so times add up to more than the range.` : "";
    const step = Math.max(1, (range[1] - range[0]) / 100);
    return [
      section(
        null,
        numbers([["Selected", Format.time(range[1] - range[0])], ["From", Format.offset(range[0], step)], ["To", Format.offset(range[1], step)], ["Slices", Format.count(sums.slices)]]),
        shares(sums.categories),
        several && Dom.el("p.dim.small", null, several),
      ),
      section(
        [
          "Functions",
          Dom.el("span", null, lines.length),
          Dom.el("i.fill"),
          this._segments([["all", "All"], ["run", "Running"], ["wait", "Waiting"]], this.kind, (key) => (this.kind = key)),
          this._segments([["table", "Table"], ["flame", "Flame"]], this.flame ? "flame" : "table", (key) => (this.flame = key === "flame")),
        ],
        !sums.slices ? Dom.el("p.dim", null, "No calls in this range.") : this.flame ? this._flame(sums.root) : this._table(lines),
      ),
    ];
  }

  /** @param {[string, string][]} choices @param {string} chosen @param {(key: string) => void} choose */
  _segments(choices, chosen, choose) {
    return Dom.el("span.segments", null, choices.map(([key, label]) =>
      Dom.el("button", { "aria-pressed": key === chosen ? "true" : "false", "data-key": key, click: () => {
        choose(key);
        this.draw();
        /** @type {HTMLElement | null} */ (this.body.querySelector(`.segments [data-key=${key}]`))?.focus();
      } }, label)));
  }

  /** @param {Line[]} lines */
  _table(lines) {
    const { sort } = this;
    const sign = this.reversed ? 1 : -1;
    const sorted = [...lines].sort((a, b) => sign * (a[sort] - b[sort]) || a.name - b.name);
    const most = lines.reduce((top, line) => Math.max(top, line[sort]), 0);
    const columns = /** @type {["count" | "total" | "self", string, number][]} */ ([["count", "Count", 58], ["total", "Total", 80], ["self", "Self", 88]]);
    const heads = columns.map(([key, label, width]) => {
      const on = key === sort;
      const click = () => {
        this.reversed = on && !this.reversed;
        this.sort = key;
        this.draw();
        /** @type {HTMLElement | null} */ (this.body.querySelector(`[data-sort=${key}]`))?.focus();
      };
      return Dom.el("th", { style: { width: `${width}px` }, "aria-sort": on && (this.reversed ? "ascending" : "descending") }, Dom.el("button", { "data-sort": key, click }, label, on && (this.reversed ? " ↑" : " ↓")));
    });
    const body = Dom.el("tbody");
    const more = Dom.el("p.dim.small");
    const limit = 200;
    for (const line of sorted.slice(0, limit)) body.append(this._line(line, columns, most));
    if (sorted.length > limit) {
      const rest = Dom.el("button.link", { click: () => {
        for (const line of sorted.slice(limit)) body.append(this._line(line, columns, most));
        more.remove();
      } }, `Show the other ${Format.count(sorted.length - limit)}`);
      more.append(rest);
    }
    return [Dom.el("table.functions", null, Dom.el("thead", null, Dom.el("tr", null, Dom.el("th", null, "Function"), heads)), body), more];
  }

  /** @param {Line} line @param {["count" | "total" | "self", string, number][]} columns @param {number} most */
  _line(line, columns, most) {
    const { text, category, group } = this.timeline.names[line.name];
    return Dom.el(
      "tr",
      null,
      Dom.el("td", { title: `${group}: ${text}` }, Theme.swatch(category, group), Dom.el("button.code", { click: () => this._find(line.name) }, text)),
      columns.map(([key]) =>
        Dom.el(key === this.sort ? "td.share" : "td", { style: key === this.sort ? { "--percent": most ? (line[key] / most) * 100 : 0 } : null }, key === "count" ? Format.count(line.count) : Format.cell(line[key])),
      ),
    );
  }

  /** Select the longest call of a function within the range. @param {number} name */
  _find(name) {
    const [from, to] = this.view.range ?? [0, Infinity];
    let best = /** @type {Place | null} */ (null);
    let longest = -1;
    for (const { index, kind, columns } of this.timeline.tracks) {
      if (kind !== "thread") continue;
      for (let depth = 0; depth < columns.depths; depth++) {
        for (let row = columns.after(depth, from); row < columns.levels[depth + 1] && columns.start[row] < to; row++) {
          if (columns.name[row] !== name || columns.duration(row) <= longest) continue;
          longest = columns.duration(row);
          best = { track: index, row };
        }
      }
    }
    if (best) this.go(best);
  }

  /** The tree of calls as boxes, as wide as their share. @param {Call} root */
  _flame(root) {
    const box = Dom.el("div.flame");
    let deepest = 0;
    const put = (/** @type {Call} */ call, /** @type {number} */ left, /** @type {number} */ depth) => {
      let at = left;
      for (const child of [...call.children.values()].sort((a, b) => b.total - a.total)) {
        const share = child.total / root.total;
        if (share < 0.003 || depth > 120) break;
        deepest = Math.max(deepest, depth);
        const { text, category, group } = this.timeline.names[child.name];
        box.append(
          Dom.el("button", {
            title: `${text}\n${Format.percent(share)}, ${Format.time(child.total)}, self ${Format.time(child.self)}, ${Format.plural(child.count, "call")}`,
            style: { left: `${at * 100}%`, width: `${share * 100}%`, top: `${depth * 19}px`, background: Theme.fill(Theme.style(category, group)) },
            click: () => this._find(child.name),
          }, share > 0.04 ? text : ""),
        );
        put(child, at, depth + 1);
        at += share;
      }
    };
    put(root, 0, 0);
    box.style.height = `${(deepest + 1) * 19}px`;
    return box;
  }

  // --- the failure ---

  _failure() {
    const { failure } = this.timeline;
    if (!failure) return empty("No failure", "");
    const { type, message, at, traceback } = failure;
    const [first, ...rest] = message.split("\n");
    const frames = traceback;
    return [
      section(null, Dom.el("p.exception", null, first ? `${type}: ${first}` : type), rest.length > 0 && Dom.el("pre.message", null, rest.join("\n"))),
      frames.length > 0 &&
        section(["Traceback", Dom.el("span", null, Format.offset(at))], Dom.el("ol.frames", null, frames.map((frame, i) => this._frame(frame, i === frames.length - 1)))),
      this._handled(at),
      this._lastMoments(at),
    ];
  }

  /** @param {[string, number, string]} frame @param {boolean} last */
  _frame([path, line, name], last) {
    const { timeline } = this;
    const file = timeline.files.findIndex((known) => known.path === path || known.short === path);
    const short = timeline.files[file]?.short ?? path;
    const own = timeline.files[file]?.category === "own";
    return Dom.el(
      "li",
      null,
      Dom.el("div.frame", null, Dom.el("code", null, name), Dom.el("span", null, `${short}:${line}`, " ", Source.link(timeline.head.root, path, line))),
      (own || last) && file >= 0 && Source.listing(this.view, file, line, "raised"),
    );
  }

  /** The innermost slice of own code that the failure's exception left, on the main thread. @returns {Place | null} */
  failed() {
    const main = this.layout.mainTrack();
    const { failure, names } = this.timeline;
    if (!main || !failure) return null;
    const { columns } = main;
    let best = -1;
    for (let i = 0; i < columns.throwing.length; i += 2) {
      const row = columns.throwing[i];
      const name = columns.throwing[i + 1] - 1;
      const late = columns.end[row] > failure.at + 1e6 || failure.at - columns.end[row] > 1e8;
      if (late || (name >= 0 && names[name].text !== failure.type) || names[columns.name[row]].category !== "own") continue;
      const later = best < 0 ? Infinity : columns.end[row] - columns.end[best];
      if (later > 1e6 || (later > -1e6 && columns.depth(row) > columns.depth(best))) best = row;
    }
    return best < 0 ? null : { track: main.index, row: best };
  }

  /** Exceptions that left a function of the test's process before the failure, the latest first. @param {number} at */
  _handled(at) {
    const { timeline } = this;
    /** @type {Map<string, {track: number, row: number, end: number, count: number, type: string}>} */
    const seen = new Map();
    for (const { kind, index, process, columns } of timeline.tracks) {
      if (kind !== "thread" || process) continue;
      const { throwing } = columns;
      for (let i = 0; i < throwing.length; i += 2) {
        const row = throwing[i];
        const name = throwing[i + 1] - 1;
        if (name < 0 || columns.end[row] >= at - 1000) continue;
        const above = columns.parent(row);
        if (above >= 0 && columns.thrown(above) === name && columns.end[above] - columns.end[row] < 1e6) continue; // it goes on in its caller
        if (above < 0 && timeline.names[name].text === timeline.failure?.type && at - columns.end[row] < 1e8) continue; // the failure
        const type = timeline.names[name].text;
        if (/^(StopIteration|StopAsyncIteration|GeneratorExit)$/.test(type)) continue;
        const known = seen.get(type);
        if (!known) seen.set(type, { track: index, row, end: columns.end[row], count: 1, type });
        else {
          known.count++;
          if (columns.end[row] > known.end) Object.assign(known, { track: index, row, end: columns.end[row] });
        }
      }
    }
    const list = [...seen.values()].sort((a, b) => b.end - a.end).slice(0, 12);
    if (!list.length) return null;
    return section("Handled before it", Dom.el("ul.handled", null, list.map(({ track, row, end, count, type }) =>
      Dom.el("li", null,
        Dom.el("button", { click: () => this.go({ track, row }) }, Dom.el("code", null, type), ` in ${timeline.nameOf(track, row).text}${count > 1 ? ", " + Format.plural(count, "time") : ""}`),
        Dom.el("span", null, Format.offset(end))))));
  }

  /** What each thread and task did before the failure. @param {number} at */
  _lastMoments(at) {
    const { timeline } = this;
    const span = Math.min(at, Math.max(1e6, Math.min(125e6, timeline.head.duration / 4)));
    const tracks = timeline.tracks.filter(({ kind, columns }) => (kind === "thread" || kind === "task") && columns.length && columns.start[0] <= at);
    if (!tracks.length || span <= 0) return null;
    const shown = tracks.slice(0, 60);
    const failed = this.failed();
    const left = failed && `left ${timeline.nameOf(failed.track, failed.row).text} by ${timeline.failure?.type}`;
    return section(
      [`The last ${Format.time(span)}`, Dom.el("span", null, "what each thread did")],
      Dom.el("ul.moments", null, shown.map((track) => {
        const row = track.columns.innermost(at - 1);
        const go = () => this.go({ track: track.index, row: row >= 0 ? row : Math.max(0, track.columns.after(0, at) - 1) });
        return Dom.el("li", null, strip(timeline, track, at - span, at), Dom.el("div", null, Dom.el("p", null, Dom.el("button.plain", { click: go }, track.name), track.process > 0 && Dom.el("span.dim", null, ` ${timeline.head.processes[track.process].name}`)), Dom.el("p", null, left && failed.track === track.index ? left : doing(timeline, track, row, at))));
      })),
      tracks.length > shown.length && Dom.el("p.dim.small", null, `and ${tracks.length - shown.length} more`),
      Dom.el("div.legend", null, Dom.el("span", null, Dom.el("i.swatch.own"), "running"), Dom.el("span", null, Dom.el("i.swatch.hairline"), "waiting")),
    );
  }

  // --- the log ---

  _log() {
    const list = this._logged();
    if (!list.length) return empty("Nothing logged", "Failures, log records, warnings and output are listed here in order of time.");
    return Dom.el("ul.log", null, list.slice(0, 2000).map((instant) => {
      const level = levelOf(instant);
      const svg = document.createElementNS(Dom.SVG, "svg");
      svg.setAttribute("viewBox", "0 0 12 12");
      svg.setAttribute("class", `icon level${level}`);
      const path = document.createElementNS(Dom.SVG, "path");
      path.setAttribute("d", ["M6 1 11 6 6 11 1 6Z", "M6 2a4 4 0 1 0 .01 0Z", "M6 1 11 11H1Z", "M2 2h8v8H2Z"][level]);
      path.setAttribute("fill", "currentColor");
      svg.append(path);
      const detail = instant.args?.message ?? instant.args?.logger ?? "";
      const go = () => {
        const half = (this.view.to - this.view.from) / 2;
        if (instant.at < this.view.from || instant.at > this.view.to) this.view.jump(instant.at - half, instant.at + half);
      };
      return Dom.el("li", null, Dom.el("button", { click: go }, svg, Dom.el("span.text", null, instant.name, detail && Dom.el("small", null, String(detail).slice(0, 500)))), Dom.el("span.dim", null, Format.offset(instant.at)));
    }), list.length > 2000 && Dom.el("li.dim", null, `and ${Format.count(list.length - 2000)} more`));
  }
}

/** @typedef {Node | string | number | null | undefined | false} Content */

/** @param {string | (Content | Content[])[] | null} title @param {...(Content | Content[])} content */
function section(title, ...content) {
  return Dom.el("section.section", null, title && Dom.el("h3", null, ...(Array.isArray(title) ? title : [title])), ...content);
}

/** @param {string} title @param {string} text */
const empty = (title, text) => section(null, Dom.el("h3", null, title), Dom.el("p.dim", null, text));

/** @param {[string, string][]} list */
const numbers = (list) => Dom.el("dl.numbers", null, list.map(([key, value]) => Dom.el("div", null, Dom.el("dt", null, key), Dom.el("dd", null, value))));

/** @param {([string, Content | Content[]] | false)[]} list */
const pairs = (list) => Dom.el("dl.pairs", null, list.flatMap((pair) => (pair ? [Dom.el("dt", null, pair[0]), Dom.el("dd", null, pair[1])] : [])));

/** @param {string} text */
const note = (text) => Dom.el("p.note", null, Dom.icon("warn"), Dom.el("span", null, text));

/** A bar of time by category, and its legend. @param {Map<string, number>} categories */
function shares(categories) {
  const list = Theme.CATEGORIES.map(([key]) => /** @type {[string, number]} */ ([key, categories.get(key) ?? 0])).filter(([, ns]) => ns > 0);
  if (!list.length) return null;
  return [
    Dom.el("div.shares", { "aria-hidden": "true" }, list.map(([key, ns]) => Dom.el(`i.${key}`, { style: { flex: `${ns} 0 0` } }))),
    Dom.el("div.legend", null, list.map(([key, ns]) => Dom.el("span", null, Dom.el(`i.swatch.${key}`), `${Theme.label(key)} ${Format.time(ns)}`))),
  ];
}

/** What a thread did at a moment, in words. @param {Timeline} timeline @param {Track} track @param {number} row the innermost then, or -1 @param {number} at */
function doing(timeline, track, row, at) {
  const { columns } = track;
  if (row < 0) {
    const before = columns.after(0, at) - 1;
    if (before < 0) return "not begun";
    const left = Format.time(at - columns.end[before]);
    const raised = columns.thrown(before);
    if (columns.flags[before] & Flag.THROWN) return `left ${timeline.nameOf(track.index, before).text} by ${raised !== undefined && raised >= 0 ? timeline.names[raised].text : "an exception"}`;
    return before === columns.levels[1] - 1 ? `ended ${left} before` : `idle for ${left}`;
  }
  const name = timeline.nameOf(track.index, row);
  const time = Format.time(at - columns.start[row]);
  if (!Theme.waits(name.category)) return `running ${name.text} for ${time}`;
  return `${name.category === "await" ? "awaits" : "waits in"} ${name.text} for ${time}`;
}

/** A thread's stretch of time in a line: bars where it ran, a hairline where it waited. @param {Timeline} timeline @param {Track} track @param {number} from @param {number} to */
function strip(timeline, track, from, to) {
  const WIDTH = 106;
  const svg = document.createElementNS(Dom.SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} 14`);
  svg.setAttribute("aria-hidden", "true");
  const shape = (/** @type {string} */ kind, /** @type {Record<string, string | number>} */ attributes) => {
    const element = document.createElementNS(Dom.SVG, kind);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
    svg.append(element);
  };
  let begun = 0;
  let state = 0;
  for (let x = 0; x <= WIDTH; x++) {
    const row = x < WIDTH ? track.columns.innermost(from + ((x + 0.5) / WIDTH) * (to - from)) : -1;
    const now = x === WIDTH ? -1 : row < 0 ? 0 : Theme.waits(timeline.nameOf(track.index, row).category) ? 1 : 2;
    if (now === state) continue;
    if (state === 2) shape("rect", { x: begun, y: 1, width: x - begun, height: 12, rx: 1, fill: "var(--own)" });
    if (state === 1) shape("path", { d: `M${begun} 7H${x}`, stroke: "var(--line2)" });
    begun = x;
    state = now;
  }
  shape("path", { d: `M${WIDTH - 0.6} 0V14`, stroke: "var(--fail)", "stroke-width": 1.2 });
  return svg;
}
