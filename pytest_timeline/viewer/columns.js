// One track's slices in columns: who is where, whose child is whose, and what a run of slices comes to.
"use strict";

/** The first number from `low` on for which that holds, `stop` where there is none before it; it holds for all after it. @param {number} low @param {number} stop @param {(at: number) => boolean} holds */
function firstWhere(low, stop, holds) {
  while (low < stop) {
    const middle = (low + stop) >>> 1;
    if (holds(middle)) stop = middle;
    else low = middle + 1;
  }
  return low;
}

class Columns {
  static BITS = 5; // a summary covers 32 rows, the next one 32 of these, and so on

  /** @type {Map<number, Record<string, any>>} arguments, of rows that have any */
  args = new Map();
  /** @type {Map<number, number> | undefined} */
  _throwing = undefined;
  /** @type {Map<number, {count: number, ns: number}> | undefined} */
  _folding = undefined;
  /** @type {Uint32Array[]} the longest row of each block, by level of summary */
  longest = [];
  /** @type {Float64Array[]} the sum of each block's durations */
  sums = [];
  found = { longest: 0, sum: 0 }; // what `summary` found last

  /** @param {Pick<Decoded, "levels"> & Partial<Decoded>} decoded no slices at all where it has but levels */
  constructor({ levels, start = new Float64Array(0), end = start, name = new Uint32Array(0), flags = new Uint8Array(name.length), thrown, folds }) {
    this.levels = levels;
    this.start = start;
    this.end = end;
    this.name = name;
    this.flags = flags;
    this.length = start.length;
    this.depths = levels.length - 1;
    this._thrown = thrown;
    this._folds = folds;
    this._summarize();
  }

  _summarize() {
    const { start, end } = this;
    const width = 1 << Columns.BITS;
    for (let size = this.length >> Columns.BITS, level = 0; size > 0; size >>= Columns.BITS, level++) {
      const longest = new Uint32Array(size);
      const sums = new Float64Array(size);
      for (let block = 0; block < size; block++) {
        let best = -1;
        let row = 0;
        let sum = 0;
        for (let i = block << Columns.BITS, stop = i + width; i < stop; i++) {
          const candidate = level ? this.longest[level - 1][i] : i;
          const duration = end[candidate] - start[candidate];
          sum += level ? this.sums[level - 1][i] : duration;
          if (duration > best) {
            best = duration;
            row = candidate;
          }
        }
        longest[block] = row;
        sums[block] = sum;
      }
      this.longest.push(longest);
      this.sums.push(sums);
    }
  }

  /** Put the longest of rows `from` to `to` (not included) and the sum of their durations into `found`. */
  summary(/** @type {number} */ from, /** @type {number} */ to) {
    const { start, end, found } = this;
    const width = 1 << Columns.BITS;
    let longest = from;
    let best = end[from] - start[from];
    let sum = 0;
    let i = from;
    while (i < to) {
      let level = 0;
      while (level < this.sums.length && !(i & ((width << (level * Columns.BITS)) - 1)) && i + (width << (level * Columns.BITS)) <= to) level++;
      const block = level && i >> (level * Columns.BITS);
      const row = level ? this.longest[level - 1][block] : i;
      const duration = end[row] - start[row];
      sum += level ? this.sums[level - 1][block] : duration;
      if (duration > best) {
        best = duration;
        longest = row;
      }
      i += level ? 1 << (level * Columns.BITS) : 1;
    }
    found.longest = longest;
    found.sum = sum;
  }

  /** The first row at that depth that ends after `ns`; where there is none, the depth's end. */
  after(/** @type {number} */ depth, /** @type {number} */ ns) {
    const { end, levels } = this;
    return firstWhere(levels[depth], levels[depth + 1], (row) => end[row] > ns);
  }

  /** The first row from `low` on, before `stop`, that starts at `ns` or later; else `stop`. It is looked for nearby first. */
  starting(/** @type {number} */ low, /** @type {number} */ stop, /** @type {number} */ ns) {
    const start = this.start;
    let step = 1;
    let high = low;
    while (high < stop && start[high] < ns) {
      low = high + 1;
      high += step;
      step *= 2;
    }
    if (high > stop) high = stop;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (start[middle] >= ns) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The row at that depth that covers the moment, or -1. */
  at(/** @type {number} */ depth, /** @type {number} */ ns) {
    if (depth < 0 || depth >= this.depths) return -1;
    const row = this.after(depth, ns);
    return row < this.levels[depth + 1] && this.start[row] <= ns ? row : -1;
  }

  /** The innermost row that covers the moment, or -1. */
  innermost(/** @type {number} */ ns) {
    let row = -1;
    for (let depth = 0; depth < this.depths; depth++) {
      const next = this.at(depth, ns);
      if (next < 0) break;
      row = next;
    }
    return row;
  }

  depth(/** @type {number} */ row) {
    let depth = 0;
    while (this.levels[depth + 1] <= row) depth++;
    return depth;
  }

  parent(/** @type {number} */ row) {
    return this.at(this.depth(row) - 1, this.start[row]);
  }

  /** The first row of the children, and the row after the last. @returns {[number, number]} */
  children(/** @type {number} */ row) {
    const depth = this.depth(row) + 1;
    if (depth >= this.depths) return [0, 0];
    const first = this.starting(this.levels[depth], this.levels[depth + 1], this.start[row]);
    return [first, this.starting(first, this.levels[depth + 1], this.end[row])];
  }

  duration(/** @type {number} */ row) {
    return this.end[row] - this.start[row];
  }

  /** The time in none of its children. */
  self(/** @type {number} */ row) {
    const [first, stop] = this.children(row);
    if (first === stop) return this.duration(row);
    this.summary(first, stop);
    return this.duration(row) - this.found.sum;
  }

  /** The rows that left by an exception, and the index of its type's name, -1 where that is not known. @returns {Map<number, number>} */
  get throwing() {
    const list = this._thrown ?? [];
    return (this._throwing ??= new Map(Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i], list[2 * i + 1] - 1])));
  }

  /** The rows that slices were folded into: how many, and their time, ns. @returns {Map<number, {count: number, ns: number}>} */
  get folding() {
    const list = this._folds ?? [];
    return (this._folding ??= new Map(Array.from({ length: list.length / 3 }, (_, i) => [list[3 * i], { count: list[3 * i + 1], ns: list[3 * i + 2] }])));
  }
}

/** What a row's flags say. */
const Flag = Object.freeze({ RESUMED: 1, YIELDED: 2, THROWN: 4, CUT_START: 8, CUT_END: 16, HEALED: 32, DIED: 64 });
