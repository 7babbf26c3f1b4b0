// Timelines made of trees, for what reads more than one track.
import { decoded, grow, rows } from "./trees.js";

const CATEGORIES = ["own", "library", "c", "sleep", "lock"];

/**
 * A timeline of threads, of so many slices each, in two processes.
 * @param {{Columns: any}} scope @param {number} seed @param {number[]} counts @param {string} [kind] of the second track
 */
export function timeline({ Columns }, seed, counts, kind = "thread") {
  const trees = counts.map((count, index) => grow(seed + index, count));
  const names = Array.from({ length: 12 }, (_, name) => ({
    text: `f${name % 7}.call${name}`,
    category: CATEGORIES[name % CATEGORIES.length],
    file: name % 3 ? name % 3 : -1,
    group: "",
  }));
  const tracks = trees.map((roots, index) => ({
    index,
    kind: index === 1 ? kind : "thread",
    name: index ? `worker-${index}` : "MainThread",
    id: 100 + index,
    process: index >> 1,
    parent: null,
    columns: new Columns(decoded(roots)),
    slices: rows(roots).length,
    first: 0,
    last: roots.at(-1)?.end ?? 0,
  }));
  const duration = Math.max(1, ...tracks.map((track) => track.last));
  const processes = [...new Set(tracks.map(({ process }) => process))].map((process) => ({ name: `python ${process}`, pid: 50 + process }));
  const files = [0, 1, 2].map((file) => ({ short: `src/file${file}.py` }));
  return { trees, timeline: { head: { duration, processes }, tracks, names, files } };
}
