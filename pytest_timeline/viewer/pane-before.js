// The pane's account of what came before a failure: what was handled, and what each thread did last.
"use strict";

const Before = (() => {
  /** Exceptions that left a function of the test's process before the failure and are no part of it, the latest first. @param {Desk} desk @param {number} at */
  function handled({ timeline, go }, at) {
    const told = new Set(timeline.failure?.others?.map(({ type }) => type));
    /** @type {Map<string, {track: number, row: number, end: number, count: number, type: string}>} */
    const seen = new Map();
    for (const { kind, index, process, columns } of timeline.tracks) {
      if (kind !== "thread" || process) continue;
      for (const [row, name] of columns.throwing) {
        if (name < 0 || columns.end[row] >= at - 1000) continue;
        const above = columns.parent(row);
        if (above >= 0 && columns.throwing.get(above) === name && columns.end[above] - columns.end[row] < 1e6) continue; // it goes on in its caller
        const type = timeline.names[name].text;
        if (type === timeline.failure?.type && at - columns.end[row] < 1e8) continue; // the failure, on its way
        if (told.has(type) || /^(StopIteration|StopAsyncIteration|GeneratorExit)$/.test(type)) continue;
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
    return Part.section("Handled before it", el("ul.handled", list.map(({ track, row, end, count, type }) =>
      el("li",
        el("button", { click: () => go({ track, row }) }, el("code", type), ` in ${timeline.nameOf(track, row).text}${count > 1 ? ", " + Format.plural(count, "time") : ""}`),
        el("span", Format.offset(end))))));
  }

  /** What each thread and task did before the failure. @param {Desk} desk @param {number} at @param {Place | null} failed what the failure left */
  function lastMoments(desk, at, failed) {
    const { timeline } = desk;
    const span = Math.min(at, clamp(timeline.head.duration / 4, 1e6, 125e6));
    const tracks = timeline.tracks.filter(({ kind, columns }) => (kind === "thread" || kind === "task") && columns.length && columns.start[0] <= at);
    if (!tracks.length || span <= 0) return null;
    const shown = tracks.slice(0, 60);
    const left = failed && timeline.failure && `left ${timeline.nameOf(failed.track, failed.row).text} by ${timeline.failure?.type}`;
    return Part.section(
      [`The last ${Format.time(span)}`, el("span", "what each thread did")],
      el("ul.moments", shown.map((track) => {
        const row = track.columns.innermost(at - 1);
        const select = () => desk.go({ track: track.index, row: row >= 0 ? row : Math.max(0, track.columns.after(0, at) - 1) });
        return el("li", strip(timeline, track, at - span, at), el("div", el("p", el("button.plain", { click: select }, track.name), track.process > 0 && el("span.dim", ` ${timeline.head.processes[track.process].name}`)), el("p", left && failed?.track === track.index ? left : doing(timeline, track, row, at))));
      })),
      tracks.length > shown.length && el("p.dim.small", `and ${tracks.length - shown.length} more`),
      Dom.copy("moments-legend"),
    );
  }

  /** What a thread did at a moment, in words. @param {Timeline} timeline @param {Track} track @param {number} row the innermost then, or -1 @param {number} at */
  function doing(timeline, track, row, at) {
    const { columns } = track;
    if (row < 0) {
      const before = columns.after(0, at) - 1;
      if (before < 0) return "not begun";
      const left = Format.time(at - columns.end[before]);
      if (columns.flags[before] & Flag.THROWN) return `left ${timeline.nameOf(track.index, before).text} by ${timeline.thrown(track.index, before) || "an exception"}`;
      return before === columns.levels[1] - 1 ? `ended ${left} before` : `idle for ${left}`;
    }
    const name = timeline.nameOf(track.index, row);
    const time = Format.time(at - columns.start[row]);
    if (!Theme.waits(name.category)) return `running ${name.text} for ${time}`;
    return `${name.category === "await" ? "awaits" : "waits in"} ${name.text} for ${time}`;
  }

  /** A thread's stretch of time in a line: bars where it ran, a hairline where it waited. @param {Timeline} timeline @param {Track} track @param {number} from @param {number} to */
  function strip(timeline, track, from, to) {
    const WIDTH = 106; // CSS pixels
    const bars = [];
    let begun = 0;
    let state = 0;
    for (let x = 0; x <= WIDTH; x++) {
      const row = x < WIDTH ? track.columns.innermost(from + ((x + 0.5) / WIDTH) * (to - from)) : -1;
      const now = x === WIDTH ? -1 : row < 0 ? 0 : Theme.waits(timeline.nameOf(track.index, row).category) ? 1 : 2;
      if (now === state) continue;
      if (state) bars.push(el(state === 2 ? "i.own" : "i.hairline", { style: { left: `${begun}px`, width: `${x - begun}px` } }));
      begun = x;
      state = now;
    }
    return el("div.bars", { "aria-hidden": "true" }, bars);
  }

  return { handled, lastMoments };
})();
