// The pane's account of a failure: what was raised with all that belongs to it, where a crash cut the test off, what came before.
"use strict";

class FailurePane {
  static TITLES = /** @type {Record<string, string>} */ ({ failed: "Failed", error: "Error", skipped: "Skipped", xfailed: "Failed, as expected", xpassed: "Passed, though it was expected to fail" });
  static RELATIONS = /** @type {Record<string, string>} */ ({ cause: "direct cause of the one above, ", context: "handled when the one above was raised, " });
  static OPEN = 3; // members of a group whose tracebacks are shown at once

  /** @param {Desk} desk */
  constructor(desk) {
    this.desk = desk;
    const { failures, head } = desk.timeline;
    this.crashed = head.outcome === "crashed";
    /** Whether there is anything to tell. */
    this.any = this.crashed || failures.length > 0 || head.outcome in FailurePane.TITLES;
    /** When it happened, ns. */
    this.at = failures.length ? failures[0].at : this.crashed ? head.duration : -1;
  }

  label() {
    return /skip|^x/.test(this.desk.timeline.head.outcome) ? "Outcome" : [el("i.dot"), "Failure"];
  }

  draw() {
    const { failures } = this.desk.timeline;
    return [
      this._outcome(),
      ...failures.flatMap((failure) => this._failure(failure)),
      this.crashed && this._open(),
      this.at >= 0 && Before.handled(this.desk, this.at),
      this.at >= 0 && Before.lastMoments(this.desk, this.at, this.failed()),
    ];
  }

  /** What pytest made of the test, where no exception says it. */
  _outcome() {
    const { failures, head } = this.desk.timeline;
    const { phases, duration, reason, outcome } = head;
    const expected = /skip|^x/.test(outcome);
    if (failures.length && !reason && !expected) return null;
    const last = phases.find(({ end }) => end >= duration) ?? phases.at(-1);
    const text = this.crashed
      ? `The process died${last ? " in " + last.name : ""}, ${Format.time(duration)} after the test began. All that it recorded until then is here.`
      : reason || (expected ? "No reason is given." : "pytest tells of no exception.");
    return Part.section(null, el(`h2.outcome.${outcome}`, FailurePane.TITLES[outcome] ?? "Crashed"), el("p.why", text));
  }

  /** @param {Failure} failure */
  _failure(failure) {
    const { head, failures } = this.desk.timeline;
    const { phase, at } = failure;
    const titled = phase && (failures.length > 1 || phase !== "call");
    const [first, ...rest] = failure.message.split("\n");
    const related = this._related(failure, 0);
    return [
      Part.section(
        titled && [`${phase === "call" ? "Failure" : "Error"} in ${phase}`, el("span", Format.offset(at, head.duration / 1e4))],
        el("p.exception", first ? `${failure.type}: ${first}` : failure.type),
        ...this._message(failure, rest),
      ),
      related.length > 0 && Part.section(failure.others?.[0].as === "member" ? "Exceptions of the group" : "Chain of exceptions", related, failure.left_out && el("p.dim.small", `and ${Format.plural(failure.left_out, "more exception")} that ${failure.left_out > 1 ? "were" : "was"} not kept`)),
      failure.traceback.length > 0 && Part.section(["Traceback", !titled && el("span", Format.offset(at))], this._frames(failure)),
    ];
  }

  /** What an exception says below its first line. @param {Raised} raised @param {string[]} rest */
  _message({ cut, notes = [] }, rest) {
    return [
      rest.length > 0 && el("pre.message", { tabindex: rest.length > 20 ? 0 : null }, rest.join("\n")),
      cut && el("p.dim.small", `and ${Format.plural(cut, "more character")}, not kept`),
      ...notes.map((text) => el("pre.message.added", text)),
    ];
  }

  /**
   * Those that belong to one of the failure's exceptions: a group's members, and from one to the next where it came from.
   * @param {Failure} failure @param {number} place @param {(as: string) => boolean} wanted @returns {Content[]}
   */
  _related(failure, place, wanted = () => true) {
    let open = FailurePane.OPEN;
    const member = (/** @type {string} */ as) => as === "member";
    return (failure.others ?? []).flatMap((other, i) => {
      if (other.of !== place || !wanted(other.as)) return [];
      const inner = member(other.as);
      const [first, ...rest] = other.message.split("\n");
      const frames = other.traceback.filter((frame) => typeof frame !== "number");
      const [path, line, name] = frames.findLast(([path]) => this._file(path).category === "own") ?? frames.at(-1) ?? [];
      const where = path ? `in ${name} at ${this._file(path).short}:${line}` : "not raised anywhere";
      return [
        el(
          "details",
          { open: inner && open-- > 0 },
          el("summary", Dom.icon("twist"), el("span", el("code", other.type), first && `: ${first}`, el("small", FailurePane.RELATIONS[other.as], where))),
          ...this._message(other, rest),
          ...this._related(failure, i + 1, inner ? undefined : member),
          this._frames(other),
        ),
        ...(inner ? [] : this._related(failure, i + 1, (as) => !member(as))),
      ];
    });
  }

  /** What is known of a file. @param {string} path @returns {Partial<SourceFile> & {path: string, short: string}} */
  _file(path) {
    return this.desk.timeline.files.find((known) => known.path === path || known.short === path) ?? { path, short: path };
  }

  /** @param {Raised} raised */
  _frames({ traceback }) {
    return el("ol.frames", traceback.map((frame, i) => (typeof frame === "number" ? el("li.dim", `${Format.plural(frame, "frame")} not kept`) : this._frame(frame, String(frame) !== String(traceback[i - 1]), i === traceback.length - 1))));
  }

  /** @param {Frame} frame @param {boolean} first of several that are the same @param {boolean} last */
  _frame([path, line, name], first, last) {
    const file = this._file(path);
    return this._step(el("code", name), file, line, (file.category === "own" && first) || last ? "raised" : null);
  }

  /** @param {Content | Content[]} name @param {Partial<SourceFile> & {path: string, short: string}} file @param {number} line @param {"raised" | "here" | null} mark */
  _step(name, file, line, mark) {
    const { timeline, view } = this.desk;
    const source = mark && Source.listing(view, timeline.files.indexOf(/** @type {SourceFile} */ (file)), line, mark);
    return el("li", el("div.frame", name, line > 0 && Source.link(timeline.head.root, file, line)), source);
  }

  /** What was open when the process died, the outermost first. */
  _open() {
    const { timeline, layout, go } = this.desk;
    const main = layout.mainTrack();
    if (!main) return null;
    const { columns, index: track } = main;
    const open = Array.from({ length: columns.depths }, (_, depth) => columns.levels[depth + 1] - 1).filter((row, depth) => row >= columns.levels[depth] && columns.flags[row] & Flag.DIED);
    if (!open.length) return Dom.copy("none-open");
    const own = open.findLast((row) => timeline.nameOf(track, row).category === "own");
    return Part.section(
      ["Cut off in", el("span", main.name)],
      el("ol.frames", open.map((row) => {
        const { text, file, line } = timeline.nameOf(track, row);
        const name = [el("button.code", { click: () => go({ track, row }) }, text), el("span", Format.time(columns.duration(row)))];
        return this._step(name, timeline.files[file], line, row === own ? "here" : null);
      })),
    );
  }

  /** The innermost slice of own code that the failure's exception left, or where a crash cut off, on the main thread. @returns {Place | null} */
  failed() {
    const { timeline, layout } = this.desk;
    const main = layout.mainTrack();
    const { failure, names } = timeline;
    if (!main || this.at < 0) return null;
    const { columns } = main;
    let best = -1;
    if (!failure) best = columns.innermost(this.at - 1);
    else for (const [row, name] of columns.throwing) {
      const late = columns.end[row] > failure.at + 1e6 || failure.at - columns.end[row] > 1e8;
      if (late || (name >= 0 && names[name].text !== failure.type) || names[columns.name[row]].category !== "own") continue;
      const later = best < 0 ? Infinity : columns.end[row] - columns.end[best];
      if (later > 1e6 || (later > -1e6 && columns.depth(row) > columns.depth(best))) best = row;
    }
    return best < 0 ? null : { track: main.index, row: best };
  }
}
