// Search: which names match, how many slices have them, and the one before or after a moment.
"use strict";

class Search {
  /** @param {View} view @param {Layout} layout */
  constructor(view, layout) {
    this.view = view;
    this.layout = layout;
    this.count = 0;
    this.position = 0; // of the hit that was gone to, from 1; 0 before the first step
  }

  /** @param {string} query */
  set(query) {
    const { view } = this;
    const { timeline } = view;
    const wanted = query.trim().toLowerCase();
    view.query = query;
    view.hits = null;
    this.count = this.position = 0;
    if (wanted) {
      view.hits = Uint8Array.from(timeline.names, ({ text, file, group }) =>
        `${text} ${timeline.files[file]?.short ?? group}`.toLowerCase().includes(wanted) ? 1 : 0,
      );
      for (const columns of this._searched()) {
        const { name } = columns;
        for (let row = 0; row < name.length; row++) this.count += view.hits[name[row]];
      }
    }
    view.changed("hits");
  }

  *_searched() {
    for (const track of this.view.timeline.tracks) if (isSearched(track)) yield track.columns;
  }

  /** Go to the next hit, in order of start, from the one selected or else from the left edge. @param {1 | -1} direction */
  step(direction) {
    const { view } = this;
    if (!view.hits || !this.count) return;
    const { selection, timeline } = view;
    const current = selection && view.hits[timeline.tracks[selection.track].columns.name[selection.row]] ? selection : null;
    const ns = current ? timeline.tracks[current.track].columns.start[current.row] : direction > 0 ? view.from : view.to;
    const hit = this._nearest(ns, current, direction) ?? this._nearest(direction > 0 ? -Infinity : Infinity, null, direction);
    if (!hit) return;
    this.position = this._rank(hit);
    this.select(hit);
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

  /**
   * Hits are in order of start, then track, then row. Each depth is in order of start already.
   * @param {number} ns @param {Place | null} current not this one nor any before it @param {1 | -1} direction
   * @returns {Place | null}
   */
  _nearest(ns, current, direction) {
    const { timeline, hits } = this.view;
    /** @type {(Place & {start: number}) | null} */
    let best = null;
    for (const track of timeline.tracks) {
      if (!hits || !isSearched(track)) continue;
      const { index, columns } = track;
      const { levels, start, name } = columns;
      for (let depth = 0; depth < columns.depths; depth++) {
        let row = columns.starting(levels[depth], levels[depth + 1], ns);
        if (direction < 0) row = row < levels[depth + 1] && start[row] === ns ? row : row - 1;
        for (; row >= levels[depth] && row < levels[depth + 1]; row += direction) {
          if (!hits[name[row]]) continue;
          const candidate = { track: index, row, start: start[row] };
          if (current && compare(candidate, { ...current, start: ns }) * direction <= 0) continue;
          if (!best || compare(candidate, best) * direction < 0) best = candidate;
          break;
        }
      }
    }
    return best && { track: best.track, row: best.row };
  }

  /** @param {Place} hit */
  _rank(hit) {
    const { timeline, hits } = this.view;
    const at = timeline.tracks[hit.track].columns.start[hit.row];
    let rank = 1;
    for (const track of timeline.tracks) {
      if (!hits || !isSearched(track)) continue;
      const { index, columns } = track;
      const { levels, start, name } = columns;
      for (let depth = 0; depth < columns.depths; depth++) {
        const stop = columns.starting(levels[depth], levels[depth + 1], at);
        for (let row = levels[depth]; row < stop; row++) rank += hits[name[row]];
        if (stop < levels[depth + 1] && start[stop] === at && hits[name[stop]] && compare({ track: index, row: stop, start: at }, { ...hit, start: at }) < 0) rank++;
      }
    }
    return rank;
  }
}

/** A lane repeats what is found elsewhere. @param {Track} track */
const isSearched = ({ kind }) => kind !== "gil" && kind !== "state";

/** @typedef {Place & {start: number}} Placed */
/** @param {Placed} a @param {Placed} b */
const compare = (a, b) => a.start - b.start || a.track - b.track || a.row - b.row;
