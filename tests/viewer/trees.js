// The oracle: slices as nested objects, made at random from a seed, and the columns that hold the same.

const THROWN = 4;

/** Numbers from 0 to below 1, the same for the same seed. */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Outermost slices, at most `count` in all with their children; neighbours often touch, and children often fill their parent.
 * @returns {{start: number, end: number, name: number, flags: number, thrown: number, folded: [number, number] | null, children: any[]}[]}
 */
export function grow(seed, count, { names = 12, depth = 9 } = {}) {
  const draw = random(seed);
  const below = (limit) => Math.floor(draw() * limit);
  let left = count;
  const fill = (start, end, level) => {
    const made = [];
    let now = start;
    while (left > 0 && now < end && (level === 0 || draw() < 0.8)) {
      const begin = now + [0, 0, 1, below(40)][below(4)];
      if (begin >= end) break;
      left--;
      const stop = level === 0 ? begin + 1 + below(4_000) : [begin + 1, end, begin + 1 + below(end - begin)][below(3)];
      const flags = below(6) ? 0 : 1 << below(7);
      const slice = { start: begin, end: stop, name: below(names), flags, thrown: flags & THROWN ? below(names + 1) : 0 };
      slice.folded = below(8) ? null : [1 + below(300), below(stop - begin + 1)];
      slice.children = level < depth && draw() < 0.7 ? fill(begin, stop, level + 1) : [];
      made.push(slice);
      now = stop;
    }
    return made;
  };
  return fill(0, Infinity, 0);
}

/** All slices with their depth and parent, those of one depth after those of the depth above: so at the place of their row. */
export function rows(roots) {
  const all = [];
  let level = roots.map((slice) => ({ slice, depth: 0, parent: -1 }));
  while (level.length) {
    const first = all.length;
    all.push(...level);
    level = level.flatMap(({ slice, depth }, at) => slice.children.map((child) => ({ slice: child, depth: depth + 1, parent: first + at })));
  }
  return all;
}

/** What the worker makes of them: docs/report-format.md has its order. */
export function decoded(roots) {
  const all = rows(roots);
  const depths = all.length ? all.at(-1).depth + 1 : 0;
  return {
    levels: Uint32Array.from({ length: depths + 1 }, (_, depth) => all.filter((row) => row.depth < depth).length),
    start: Float64Array.from(all, ({ slice }) => slice.start),
    end: Float64Array.from(all, ({ slice }) => slice.end),
    name: Uint32Array.from(all, ({ slice }) => slice.name),
    flags: Uint8Array.from(all, ({ slice }) => slice.flags),
    thrown: Uint32Array.from(all.flatMap(({ slice }, row) => (slice.flags & THROWN ? [row, slice.thrown] : []))),
    folds: Float64Array.from(all.flatMap(({ slice }, row) => (slice.folded ? [row, ...slice.folded] : []))),
  };
}
