// Arrows from slice to slice: which ones begin or end in a slice, on what their ends are, and a child's way to its process.
"use strict";

/** The slice that an end of a flow is on; where none is open then, the one that has just ended. @param {Timeline} timeline @param {number} track @param {number} ns @returns {Place} */
function landing(timeline, track, ns) {
  const { columns } = timeline.tracks[track];
  const row = columns.innermost(ns);
  return { track, row: row < 0 ? columns.innermost(ns - 1) : row };
}

/** The flows that begin or end in a slice. @param {Timeline} timeline @param {Place} selection */
function flowsOf(timeline, { track, row }) {
  const here = (/** @type {number} */ at, /** @type {number} */ ns) => at === track && landing(timeline, at, ns).row === row;
  return timeline.flows.filter(({ from, start, to, end }) => here(from, start) || here(to, end));
}

/**
 * Where a flow leads to or comes from, of the slice or else of what it called; null where there is none.
 * @param {Timeline} timeline @param {Place} selection @param {boolean} out @returns {Place | null}
 */
function followed(timeline, selection, out) {
  const { track, row } = selection;
  const { columns, columns: { start, end } } = timeline.tracks[track];
  const ours = timeline.flows
    .map((flow) => (out ? flow : { from: flow.to, start: flow.end, to: flow.from, end: flow.start }))
    .filter(({ from, start: ns }) => from === track && start[row] <= ns && ns <= end[row]);
  const flow = ours.find(({ start: ns }) => landing(timeline, track, ns).row === row) ?? (columns.children(row)[1] ? ours[0] : null);
  const place = flow && landing(timeline, flow.to, flow.end);
  return place && place.row >= 0 ? place : null;
}

/** Let a child on a process lane lead to the first thread of its process. @param {Timeline} timeline */
function linkProcesses(timeline) {
  const { processes } = timeline.head;
  for (const lane of timeline.tracks.filter(({ kind }) => kind === "process")) {
    for (const [row, { pid }] of lane.columns.args) {
      const start = lane.columns.start[row];
      const threads = timeline.tracks.filter((track) => track.kind === "thread" && track.slices && track.process > 0 && processes[track.process].pid === pid && track.last > start);
      const first = threads.sort((a, b) => a.first - b.first)[0];
      if (first) timeline.flows.push({ from: lane.index, start, to: first.index, end: first.first, name: processes[first.process].name });
    }
  }
}
