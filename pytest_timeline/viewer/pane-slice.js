// The pane's account of the slice that is selected: what it is, where it lies, what calls it and what it calls.
"use strict";

class SlicePane {
  static LINES = 30; // of a table
  static CHARACTERS = 400; // of an argument

  /** @param {Desk} desk */
  constructor(desk) {
    this.desk = desk;
  }

  label() {
    return "Slice";
  }

  draw() {
    const { timeline, view } = this.desk;
    const { selection } = view;
    if (!selection) return null;
    const { track: index, row } = selection;
    const track = timeline.tracks[index];
    const { columns } = track;
    const id = columns.name[row];
    const name = timeline.names[id];
    const file = timeline.files[name.file];
    const duration = columns.duration(row);
    const code = track.kind === "thread";
    const step = Math.max(1, duration / 100);
    const [, , given = columns.args.get(row), returned] = timeline.valuesOf(selection) ?? [];
    const uses = code ? Tally.uses(timeline, id) : null;
    return [
      Part.section(
        null,
        el("button.button.copy", { title: "Copy name, place and the link to this view", click: (/** @type {Event} */ event) => this._copy(event, name, file) }, "Copy"),
        el("h2.heading", Theme.swatch(name.category, name.group), name.text),
        el("p.dim", Format.list(file?.package, Theme.label(name.category))),
        Part.numbers([
          ["Total", Format.time(duration)],
          ["Self", Format.time(columns.self(row))],
          ["Start", Format.offset(columns.start[row], step)],
          uses ? ["Calls in test", Format.count(uses.count)] : ["End", Format.offset(columns.end[row], step)],
        ]),
        code && Part.shares(Tally.within(timeline, index, row)),
        this._notes(selection).map(Part.note),
      ),
      this._where(selection),
      this._arguments(given),
      returned !== undefined && Part.section("Returned", el("span.mono", returned)),
      code && name.kind < 2 && this._source(name),
      code && this._callees(selection),
      uses && uses.callers.length > 0 && this._table("Callers", `of ${Format.plural(uses.count, "call")} in the test`, uses.callers, uses.total),
    ];
  }

  static FLAGS = /** @type {[number, string][]} */ ([
    [Flag.CUT_START, "It began before this test."],
    [Flag.CUT_END, "It went on after this test."],
    [Flag.DIED, "It was open when its process died."],
    [Flag.HEALED, "Its end was not recorded: it ended at the latest here."],
    [Flag.RESUMED, "A generator or coroutine went on here."],
    [Flag.YIELDED, "It did not return: it yielded."],
  ]);

  /** @param {Place} selection */
  _notes({ track, row }) {
    const { timeline } = this.desk;
    const { columns } = timeline.tracks[track];
    const raised = timeline.thrown(track, row);
    const folded = columns.folding.get(row);
    const notes = SlicePane.FLAGS.filter(([flag]) => columns.flags[row] & flag).map(([, text]) => text);
    if (raised !== undefined) notes.unshift(`Left by an exception${raised ? ": " + raised : " of unknown type"}.`);
    if (folded) notes.unshift(`${Format.plural(folded.count, "slice")} below it ${Format.are(folded.count)} not drawn (${Format.time(folded.ns)}).`);
    return notes;
  }

  /** @param {Place} selection */
  _where({ track: index, row }) {
    const { timeline } = this.desk;
    const track = timeline.tracks[index];
    const { columns } = track;
    const process = timeline.head.processes[track.process];
    const above = columns.parent(row);
    const share = (/** @type {number} */ whole) => `${Format.percent(columns.duration(row) / whole)} of `;
    return Part.section(
      "Where",
      Part.pairs([
        [track.kind === "thread" ? "Thread" : "Track", [track.kind === "test" ? "Test" : track.name, track.id > 0 && el("span.dim", ` tid ${track.id}`)]],
        ["Process", [process.name, el("span.dim", ` pid ${process.pid}`)]],
        ["Share", [above >= 0 && [share(columns.duration(above)), this._link({ track: index, row: above }), ", "], `${share(timeline.head.duration)}the test`].flat()],
        ...flowsOf(timeline, { track: index, row }).map((flow) => this._flow(flow, index)),
      ]),
    );
  }

  /** Where an arrow comes from or leads to, as a link. @param {Flow} flow @param {number} track the one that is looked at @returns {[string, Content | Content[]]} */
  _flow(flow, track) {
    const { timeline, go } = this.desk;
    const out = flow.from === track;
    const [other, ns] = out ? [flow.to, flow.end] : [flow.from, flow.start];
    const { columns, name, process } = timeline.tracks[other];
    const row = columns.innermost(ns);
    const where = name === "processes" ? "" : ` in ${name}${process === timeline.tracks[track].process ? "" : " of " + timeline.head.processes[process].name}`;
    const text = `${row < 0 ? "" : timeline.nameOf(other, row).text}${where}`;
    return [flow.name || (out ? "Started" : "Started by"), row < 0 ? text : el("button.link.flow", { click: () => go({ track: other, row }) }, out ? `${text} →` : `← ${text}`)];
  }

  /** A slice's name that goes there. @param {Place} place */
  _link(place) {
    return el("button.code", { click: () => this.desk.go(place) }, this.desk.timeline.nameOf(place.track, place.row).text);
  }

  /** @param {Record<string, any> | undefined} args */
  _arguments(args) {
    const entries = Object.entries(args ?? {});
    return entries.length > 0 && Part.section(
      "Arguments",
      Part.pairs(entries.map(([key, value]) => {
        const text = typeof value === "string" ? value : JSON.stringify(value);
        return [key, el("span.mono", { title: text }, Format.cut(text, SlicePane.CHARACTERS))];
      })),
    );
  }

  /** @param {Name} name */
  _source(name) {
    const { timeline, view } = this.desk;
    const file = timeline.files[name.file];
    if (!file) return Part.section("Source", el("p.dim", "Not Python code: no source."));
    return Part.section(
      ["Source", Source.link(timeline.head.root, file, name.line)],
      Source.listing(view, name.file, name.line, "here") ?? el("p.dim", file.category === "own" ? "Not kept." : "Kept for your own code only."),
    );
  }

  /** What this one call called. @param {Place} selection */
  _callees({ track, row }) {
    const { columns } = this.desk.timeline.tracks[track];
    const [first, stop] = columns.children(row);
    if (first === stop) return null;
    /** @type {Map<number, Use>} */
    const lines = new Map();
    for (let child = first; child < stop; child++) Tally.use(lines, columns.name[child], track, child, columns.duration(child));
    return this._table("Calls", Format.plural(stop - first, "call"), [...lines.values()], columns.duration(row));
  }

  /** @param {string} title @param {string} text @param {Use[]} uses @param {number} whole ns */
  _table(title, text, uses, whole) {
    const { timeline } = this.desk;
    const body = el("tbody");
    uses.sort((a, b) => b.total - a.total);
    const more = Part.rows(body, uses, SlicePane.LINES, ({ place, count, total }) => {
      const { text, category, group } = timeline.nameOf(place.track, place.row);
      return el(
        "tr",
        el("td", { title: text }, Theme.swatch(category, group), this._link(place)),
        el("td", Format.count(count)),
        el("td.share", { style: { "--percent": (total / whole) * 100 } }, Format.cell(total)),
      );
    });
    return Part.section(
      [title, el("span", text)],
      el("table", { "aria-label": title }, Dom.copy("calls"), body),
      more,
    );
  }

  /** @param {Event} event @param {Name} name @param {SourceFile | undefined} file */
  _copy(event, name, file) {
    const button = /** @type {HTMLElement} */ (event.currentTarget);
    const text = [name.text, file && `${file.short}:${name.line}`, location.href].filter(Boolean).join("\n");
    const say = (/** @type {string} */ said) => Dom.fill(button, said);
    Promise.resolve(navigator.clipboard?.writeText(text) ?? Promise.reject()).then(() => say("Copied"), () => say("Not allowed"));
  }
}
