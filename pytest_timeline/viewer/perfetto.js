// What the page holds as a trace of its own, handed to the Perfetto UI: a page from a disk can't read the file beside it.
"use strict";

const Perfetto = (() => {
  const PING_MS = 50;
  const PATIENCE_MS = 60_000;
  const LANES = 2 ** 30; // ids of tracks that are no threads: above every thread's, and within 31 bits

  /** The trace as Chrome's JSON. @param {Timeline} timeline @returns {ArrayBuffer} */
  function trace({ head, tracks, names, files, instants, flows, counters }) {
    const events = /** @type {string[]} */ ([]);
    const add = (/** @type {Record<string, any>} */ event) => events.push(JSON.stringify(event));
    const taken = new Set();
    const places = tracks.map(({ process, kind, id, index }) => {
      const { pid } = head.processes[process];
      const free = kind === "thread" && id > 0 && id < LANES && !taken.has(`${pid} ${id}`);
      if (free) taken.add(`${pid} ${id}`);
      return { pid, tid: free ? id : LANES + index };
    });
    const ends = tracks.map(() => /** @type {Map<number, Record<string, any>[]>} */ (new Map())); // arrows' ends, by row
    flows.forEach(({ from, start, to, end, name }, id) => {
      const [out, into] = [tracks[from].columns, tracks[to].columns];
      const [first, last] = [out.innermost(start), into.innermost(end)];
      if (first < 0 || last < 0 || into.start[last] < out.start[first]) return; // one that points back is an error
      const flow = { cat: "flow", name: name || "flow", id: id + 1 };
      append(ends[from], first, { ph: "s", ...flow });
      append(ends[to], last, { ph: "f", bp: "e", ...flow });
    });
    const about = (/** @type {{pid: number, tid?: number}} */ place, /** @type {string} */ name, /** @type {Record<string, any>} */ args) => add({ ph: "M", ...place, name, args });
    head.processes.forEach(({ pid, name }) => about({ pid }, "process_name", { name }));
    for (const { index, name, kind, columns } of tracks) {
      const place = places[index];
      about(place, "thread_name", { name: kind === "test" ? "test" : name });
      about(place, "thread_sort_index", { sort_index: index });
      for (let row = 0; row < columns.length; row++) {
        const { text, category, file, line } = names[columns.name[row]];
        const raised = columns.throwing.get(row);
        add({
          ph: "X", ...place, ts: columns.start[row] / 1e3, dur: columns.duration(row) / 1e3, name: text, cat: category,
          args: { ...(file >= 0 && { file: files[file].path, line }), ...(raised !== undefined && { exception: names[raised]?.text ?? "?" }), folded: columns.folding.get(row)?.count, ...columns.args.get(row) },
        });
        for (const end of ends[index].get(row) ?? []) add({ ...end, ...place, ts: columns.start[row] / 1e3 }); // is taken as the last slice's
      }
    }
    for (const { track, at, name, category, args } of instants) add({ ph: "i", s: "t", ...places[track], ts: at / 1e3, name, cat: category, args: args ?? {} });
    for (const [track, { unit, ns, value }] of counters) ns.forEach((at, i) => add({ ph: "C", ...places[track], ts: at / 1e3, name: tracks[track].name, args: { [unit]: value[i] } }));
    return new TextEncoder().encode(`{"displayTimeUnit":"ms","traceEvents":[\n${events.join(",\n")}\n]}`).buffer;
  }

  /**
   * Open the UI and hand the trace over once it answers: the protocol that the UI documents for deep links.
   * @param {Timeline} timeline @param {(text: string) => void} say
   */
  function open(timeline, say) {
    const slices = timeline.tracks.reduce((sum, { columns }) => sum + columns.length, 0);
    if (slices > Perfetto.MOST) return say(`${Format.count(slices)} slices are too many to hand over: download the trace`);
    const ui = window.open(Perfetto.UI);
    if (!ui) return say("The browser allows no new window");
    say("Opening…");
    const origin = new URL(Perfetto.UI).origin;
    const began = performance.now();
    const timer = setInterval(() => {
      if (ui.closed || performance.now() - began > PATIENCE_MS) stop(ui.closed ? "" : "No answer: download the trace");
      else ui.postMessage("PING", origin);
    }, PING_MS);
    const stop = (/** @type {string} */ text) => {
      clearInterval(timer);
      removeEventListener("message", hear);
      say(text);
    };
    const hear = (/** @type {MessageEvent} */ event) => {
      if (event.source !== ui || event.data !== "PONG") return;
      stop("");
      ui.postMessage({ perfetto: { buffer: Perfetto.trace(timeline), title: timeline.head.nodeid } }, origin);
    };
    addEventListener("message", hear);
  }

  return {
    UI: "https://ui.perfetto.dev",
    MOST: 500_000, // slices; JSON of more opens slowly, or not at all
    trace,
    open,
  };
})();
