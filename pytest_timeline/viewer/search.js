// Search: which names match, how many slices have them, and the one before or after a moment.
"use strict";

class Search {
  count = 0;
  position = 0; // of the hit that was gone to, from 1; 0 before the first step

  /** @param {View} view @param {Layout} layout */
  constructor(view, layout) {
    this.view = view;
    this.layout = layout;
  }

  /** @param {string} query */
  set(query) {
    const { view } = this;
    const { names, files } = view.timeline;
    const wanted = query.trim().toLowerCase();
    view.query = query;
    view.hits = wanted
      ? Uint8Array.from(names, ({ text, file, group }) => (`${text} ${files[file]?.short ?? group}`.toLowerCase().includes(wanted) ? 1 : 0))
      : null;
    this.count = this._before(edge(-1, Infinity));
    this.position = 0;
    view.changed("hits");
  }

  /** Go to the next hit, in order of start, from the one selected or else from the left edge. @param {1 | -1} direction */
  step(direction) {
    const { selection, timeline, hits, from, to } = this.view;
    if (!hits || !this.count) return;
    const { name, start } = timeline.tracks[selection?.track ?? 0].columns;
    const current = selection && hits[name[selection.row]] ? { ...selection, start: start[selection.row] } : edge(direction, direction > 0 ? from : to);
    const next = (/** @type {Placed} */ place) => nearest(this._searched(), (name) => hits[name], place, direction);
    const hit = next(current) ?? next(edge(direction, -direction * Infinity));
    if (!hit) return;
    this.position = this._before(hit) + 1;
    this.select({ track: hit.track, row: hit.row });
  }

  /** @param {Place} hit */
  select(hit) {
    const node = this.layout.nodeOf(hit.track);
    if (node) {
      this.layout.reveal(node);
      this.layout.toggle(node, true);
      this.view.changed("tracks");
    }
    this.view.select(hit, true);
  }

  /** A lane repeats what is found elsewhere. */
  _searched() {
    return this.view.timeline.tracks.filter(({ kind }) => kind !== "gil" && kind !== "state");
  }

  /** How many hits are before that place. @param {Placed} place */
  _before(place) {
    const { hits } = this.view;
    let count = 0;
    for (const { index, columns: { levels, start, name, depths } } of hits ? this._searched() : []) {
      for (let depth = 0; depth < depths; depth++) {
        for (let row = levels[depth]; row < levels[depth + 1] && compare(start[row], index, row, place) < 0; row++) count += /** @type {Uint8Array} */ (hits)[name[row]];
      }
    }
    return count;
  }
}

/** @typedef {Place & {start: number}} Placed */

/** Slices are in order of start, then track, then row. @param {number} start @param {number} track @param {number} row @param {Placed} other */
const compare = (start, track, row, other) => start - other.start || track - other.track || row - other.row;

/** A moment as a place: before all slices that start there, or after them. @param {1 | -1} direction @param {number} ns @returns {Placed} */
const edge = (direction, ns) => ({ start: ns, track: -direction * Infinity, row: 0 });

/**
 * The next slice after a place, or before it, whose name is wanted. Each depth is in order of start already.
 * @param {{index: number, columns: Columns}[]} tracks @param {(name: number) => unknown} wanted
 * @param {Placed} from @param {1 | -1} direction @returns {Placed | null}
 */
function nearest(tracks, wanted, from, direction) {
  /** @type {Placed | null} */
  let best = null;
  for (const { index: track, columns } of tracks) {
    const { levels, start, name } = columns;
    for (let depth = 0; depth < columns.depths; depth++) {
      const stop = levels[depth + 1];
      let row = columns.starting(levels[depth], stop, from.start);
      if (direction < 0 && (row === stop || start[row] !== from.start)) row--;
      for (; row >= levels[depth] && row < stop; row += direction) {
        if (!wanted(name[row]) || compare(start[row], track, row, from) * direction <= 0) continue;
        if (!best || compare(start[row], track, row, best) * direction < 0) best = { track, row, start: start[row] };
        break;
      }
    }
  }
  return best;
}
