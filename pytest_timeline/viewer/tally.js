// What a stretch of time comes to: functions with count, total and self, the same as a tree of calls, time by category.
"use strict";

/**
 * @typedef {{name: number, count: number, total: number, self: number}} Line  times in ns
 * @typedef {{name: number, count: number, total: number, self: number, children: Map<number, Call>}} Call
 * @typedef {{place: Place, longest: number, count: number, total: number}} Use  calls of one function, and the place of the longest
 * @typedef {{lines: Line[], slices: number, categories: Map<string, number>, root: Call, tracks: number, processes: number}} Sums
 */

const Tally = (() => {
  /** @returns {Call} */
  const call = (/** @type {number} */ name) => ({ name, count: 0, total: 0, self: 0, children: new Map() });

  /**
   * Sum the threads' slices between two moments. A slice counts with the part of it that lies between; a function that
   * calls itself counts each call, but its total only once.
   * @param {Timeline} timeline @param {number} from @param {number} to @param {boolean} [tree] whether to make the tree too
   * @returns {Sums}
   */
  function range(timeline, from, to, tree = false) {
    const sums = none(timeline);
    const root = call(-1);
    const processes = new Set();
    let tracks = 0;
    for (const track of timeline.tracks) {
      if (track.kind !== "thread" || !walk(track.columns, from, to, sums, tree ? root : null)) continue;
      tracks++;
      processes.add(track.process);
    }
    const lines = linesOf(sums);
    const slices = lines.reduce((sum, line) => sum + line.count, 0);
    for (const child of root.children.values()) root.total += child.total;
    return { lines, slices, categories: byCategory(timeline, lines), root, tracks, processes: processes.size };
  }

  /** Sums by name. @param {Timeline} timeline */
  function none({ names: { length } }) {
    return { count: new Uint32Array(length), total: new Float64Array(length), self: new Float64Array(length) };
  }

  /** @param {ReturnType<typeof none>} sums */
  function linesOf({ count, total, self }) {
    const lines = /** @type {Line[]} */ ([]);
    count.forEach((count, name) => count && lines.push({ name, count, total: total[name], self: self[name] }));
    return lines;
  }

  /** @param {Timeline} timeline @param {Line[]} lines @returns {Map<string, number>} */
  function byCategory({ names }, lines) {
    const categories = new Map();
    for (const { name, self } of lines) categories.set(names[name].category, (categories.get(names[name].category) ?? 0) + self);
    return categories;
  }

  /**
   * In order of start, from each slice to its children; they lie side by side in the depth below.
   * @param {Columns} columns @param {number} from @param {number} to
   * @param {ReturnType<typeof none>} sums @param {Call | null} [root]
   * @returns {boolean} whether anything lies in between
   */
  function walk(columns, from, to, { count, total, self }, root) {
    const { levels, start, end, name, depths } = columns;
    const active = new Map(); // name: how many of the open slices have it
    const next = new Uint32Array(depths + 1); // the first row not yet visited, by depth
    for (let depth = 0; depth < depths; depth++) next[depth] = columns.after(depth, from);
    const open = new Uint32Array(depths + 1);
    const calls = /** @type {Call[]} */ ([]);
    if (root) calls.push(root);
    let depth = 0;
    let any = false;
    for (;;) {
      const row = next[depth];
      const limit = depth ? Math.min(end[open[depth - 1]], to) : to;
      if (depth < depths && row < levels[depth + 1] && start[row] < limit) {
        next[depth] = row + 1;
        open[depth] = row;
        any = true;
        const id = name[row];
        const part = Math.min(end[row], to) - Math.max(start[row], from);
        const nested = active.get(id) ?? 0;
        active.set(id, nested + 1);
        count[id]++;
        if (!nested) total[id] += part;
        self[id] += part;
        if (depth) self[name[open[depth - 1]]] -= part;
        if (root) {
          const above = calls[depth];
          let here = above.children.get(id);
          if (!here) above.children.set(id, (here = call(id)));
          here.count++;
          here.total += part;
          here.self += part;
          if (depth) above.self -= part;
          calls[depth + 1] = here;
        }
        depth++;
      } else {
        if (!depth) return any;
        depth--;
        const id = name[open[depth]];
        active.set(id, (active.get(id) ?? 1) - 1);
      }
    }
  }

  /**
   * The time in a slice by category of who spent it.
   * @param {Timeline} timeline @param {number} track @param {number} row
   * @returns {Map<string, number>}
   */
  function within(timeline, track, row) {
    const { columns } = timeline.tracks[track];
    const sums = none(timeline);
    walk(below(columns, row), columns.start[row], columns.end[row], sums);
    return byCategory(timeline, linesOf(sums).filter(({ self }) => self));
  }

  /** Add a call to what is known of its function. @param {Map<number, Use>} uses @param {number} name @param {number} track @param {number} row @param {number} duration */
  function use(uses, name, track, row, duration) {
    let known = uses.get(name);
    if (!known) uses.set(name, (known = { place: { track, row }, longest: -1, count: 0, total: 0 }));
    known.count++;
    known.total += duration;
    if (duration <= known.longest) return;
    known.longest = duration;
    known.place = { track, row };
  }

  /**
   * All calls of a function in the test, and from where: each caller with the calls that it made of it.
   * @param {Timeline} timeline @param {number} id
   * @returns {{count: number, total: number, callers: Use[]}}
   */
  function uses(timeline, id) {
    /** @type {Map<number, Use>} */
    const callers = new Map();
    let count = 0;
    let total = 0;
    for (const { kind, index, columns } of timeline.tracks) {
      if (kind !== "thread") continue;
      const { levels, name, start, end } = columns;
      let above = 0; // the caller: siblings lie in order, so it only ever moves on
      for (let depth = 0; depth < columns.depths; depth++) {
        for (let row = levels[depth]; row < levels[depth + 1]; row++) {
          if (name[row] !== id) continue;
          count++;
          total += end[row] - start[row];
          if (!depth) continue;
          if (above < levels[depth - 1]) above = levels[depth - 1];
          while (end[above] <= start[row]) above++;
          use(callers, name[above], index, above, end[row] - start[row]);
        }
      }
    }
    return { count, total, callers: [...callers.values()] };
  }

  /** A view of the columns from the row's depth on. @param {Columns} columns @param {number} row @returns {Columns} */
  const below = (columns, row) => {
    const depth = columns.depth(row);
    return Object.create(columns, {
      levels: { value: columns.levels.subarray(depth) },
      depths: { value: columns.depths - depth },
    });
  };

  /** The share of the window in which the thread ran code, so was not waiting. @param {Timeline} timeline @param {Track} track */
  function running(timeline, track) {
    const { duration } = timeline.head;
    const sums = none(timeline);
    walk(track.columns, 0, Infinity, sums);
    let running = 0;
    for (const [category, ns] of byCategory(timeline, linesOf(sums))) if (!Theme.waits(category)) running += ns;
    return duration ? running / duration : 0;
  }

  return { range, within, uses, use, running };
})();
