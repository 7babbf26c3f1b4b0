// Which tracks are shown, in which order, how high, and where: a tree of nodes and the flat list of what is visible.
"use strict";

/**
 * @typedef {object} TreeNode
 * @property {string} key  stable, for links: t and a track's index, p and a process's, n and the first track's, m for "more"
 * @property {string} kind  a track's, or group (a process), names (many tracks of one name but for a number), more
 * @property {string} name
 * @property {string} note
 * @property {string} [warning]
 * @property {string} meta
 * @property {Track[]} tracks  one below the other: the rows of a lane; else one, or none
 * @property {Track | null} state  of a task: when it ran
 * @property {TreeNode | null} parent
 * @property {TreeNode[]} children
 * @property {boolean} open
 * @property {number} line  the depth that it shows when it is closed
 * @property {number} level  in the tree as it is shown, from 1
 * @property {number} place  among those beside it, from 1
 * @property {number} among  how many these are
 * @property {number} y  of its top, in the scrolled area
 * @property {number} height
 * @property {number} rowTop  where its first row of slices begins
 *
 * @typedef {{track: Track, depth: number, y: number, height: number}} Row
 */

class Layout {
  static ROW = 17; // a slice of 16 and a gap
  static SIBLINGS = 40;
  static MANY = 300; // beyond as many tracks, those of one name hang below one node
  static ALIKE = 8; // as many of them at least
  static HEAD = 20; // a label above its track, where there is no room beside it

  /** @type {Map<string, TreeNode>} */
  nodes = new Map();
  /** @type {TreeNode[]} */
  roots = [];
  /** @type {string[]} keys, in order */
  pinned = [];
  /** @type {Map<string, boolean>} what the reader opened and closed */
  toggled = new Map();
  /** @type {Map<string, number>} where the reader moved a track to among its siblings */
  moved = new Map();
  /** @type {TreeNode[]} */
  visible = [];
  height = 0;
  narrow = false;

  /** @param {Timeline} timeline */
  constructor(timeline) {
    this.timeline = timeline;
    this._build();
  }

  _build() {
    const { head, tracks } = this.timeline;
    const processes = head.processes.map((process, index) => {
      const node = this._node(`p${index}`, "group", process.name.replace(` (${process.pid})`, ""), null);
      node.note = `pid ${process.pid}`;
      const children = head.processes.filter((other) => other.parent === index).length;
      if (children) node.meta = Format.plural(children, "child", "children");
      return node;
    });
    /** @type {Map<number, TreeNode>} */
    const made = new Map();
    /** @type {(track: Track) => TreeNode} */
    const place = (track) => {
      const known = made.get(track.index);
      if (known) return known;
      const top = track.kind === "test" || track.kind === "log";
      const above = track.parent == null ? (top ? null : processes[track.process]) : place(tracks[track.parent]);
      const lanes = /^(process|span)$/.test(track.kind) && above?.children.find(({ kind }) => kind === track.kind);
      const node = track.kind === "state" && above?.kind === "task" ? above : lanes || this._node(`t${track.index}`, track.kind, track.name, above);
      if (node === above) node.state = track;
      else node.tracks.push(track);
      if (track.kind === "test") node.name = head.outcome ? "Test" : "pytest";
      if (track.kind === "process") node.name = "Children";
      if (track.kind === "log") node.name = "Log";
      if (track.kind === "span") node.name = "spans";
      if (track.kind === "thread" && track.id) node.note = `tid ${track.id}`;
      made.set(track.index, node);
      this.nodes.set(`t${track.index}`, node);
      return node;
    };
    for (const track of tracks) place(track);
    const main = this.mainTrack();
    const rank = (/** @type {TreeNode} */ { kind, tracks: [track] }) => ["gil", "counter", "gc", "process"].indexOf(kind) + 1 || (track === main || track?.name === "MainThread" ? 5 : kind === "task" ? 7 : 6);
    for (const node of [...this.nodes.values()]) {
      node.children.sort((a, b) => rank(a) - rank(b) || (rank(a) > 5 ? a.tracks[0].first - b.tracks[0].first : 0));
      if (tracks.length > Layout.MANY) this._join(node);
    }
    this.roots = [...this.roots.filter((node) => node.tracks.length), ...processes.filter((node) => node.children.length)];
  }

  /** Hang children of one name but for a number below one node. @param {TreeNode} parent */
  _join(parent) {
    const name = (/** @type {TreeNode} */ node) => node.kind + " " + node.name.replace(/\d.*$/s, "");
    /** @type {Map<string, TreeNode[]>} */
    const alike = new Map();
    for (const node of parent.children) append(alike, name(node), node);
    parent.children = parent.children.flatMap((node) => {
      const members = alike.get(name(node)) ?? [];
      if (members.length < Layout.ALIKE) return node;
      if (node !== members[0]) return [];
      const joined = this._node(`n${node.tracks[0].index}`, "names", name(node).replace(node.kind + " ", "") + "*", null);
      Object.assign(joined, { parent, children: members, open: false, meta: Format.count(members.length) });
      for (const member of members) member.parent = joined;
      return joined;
    });
  }

  /** @param {string} key @param {string} kind @param {string} name @param {TreeNode | null} parent @returns {TreeNode} */
  _node(key, kind, name, parent) {
    /** @type {TreeNode} */
    const node = { key, kind, name, note: "", meta: "", tracks: [], state: null, parent, children: [], open: true, line: 0, level: 1, place: 1, among: 1, y: 0, height: 0, rowTop: 0 };
    this.nodes.set(key, node);
    if (parent) parent.children.push(node);
    else if (kind === "test" || kind === "log") this.roots.push(node);
    return node;
  }

  /** Close what has little to show, once the slices are there, and say how busy each thread was. */
  settle() {
    const { timeline } = this;
    const { duration } = timeline.head;
    const main = this.mainTrack();
    const told = new Set(timeline.instants.map(({ track }) => track));
    const tasks = timeline.tracks.filter(({ kind }) => kind === "task").length;
    for (const node of new Set(this.nodes.values())) {
      const [track] = node.tracks;
      if (node.kind === "log") node.meta = Format.count(timeline.instants.filter((instant) => instant.track === track.index).length);
      if (!track?.columns.length) continue;
      const { columns } = track;
      node.line = dominant(columns);
      if (track.kind === "thread") {
        const share = Tally.running(timeline, track);
        node.meta = `${Format.percent(Math.min(1, share))} running`;
        node.open = track === main || share * duration > (track.last - track.first) * 0.05;
        const last = columns.levels[1] - 1;
        if (track !== main && columns.flags[last] & Flag.CUT_END && !(columns.flags[0] & Flag.CUT_START)) node.warning = "outlives the test";
      }
      if (track.kind === "task") node.open = tasks <= Layout.ALIKE || track.last >= duration || columns.throwing.size > 0 || told.has(track.index);
    }
  }

  /** The thread that ran the test: of the first process's threads the one named so, else the first. */
  mainTrack() {
    const threads = this.timeline.tracks.filter((track) => track.kind === "thread" && track.process === 0);
    return threads.find((track) => track.name === "MainThread") ?? threads[0] ?? null;
  }

  /** @param {number} track */
  nodeOf(track) {
    return this.nodes.get(`t${track}`);
  }

  isOpen(/** @type {TreeNode} */ node) {
    return this.toggled.get(node.key) ?? node.open;
  }

  /** Whether there is more to see of it, or less. @param {TreeNode} node */
  folds(node) {
    return node.kind === "more" || node.children.length > 0 || depthsOf(node) > 1;
  }

  toggle(/** @type {TreeNode} */ node, open = !this.isOpen(node)) {
    if (this.folds(node)) this.toggled.set(node.key, open);
  }

  pin(/** @type {TreeNode} */ node) {
    if (node.kind === "more") return;
    const at = this.pinned.indexOf(node.key);
    if (at < 0) this.pinned.push(node.key);
    else this.pinned.splice(at, 1);
  }

  /** Move a node by so many places among its siblings. */
  move(/** @type {TreeNode} */ node, /** @type {number} */ by) {
    if (this.pinned.includes(node.key)) return reorder(this.pinned, this.pinned.indexOf(node.key), by);
    const siblings = this._ordered(node.parent ? node.parent.children : this.roots);
    const shown = this._unpinned(siblings);
    const past = shown[clamp(shown.indexOf(node) + by, 0, shown.length - 1)];
    const at = siblings.indexOf(node);
    reorder(siblings, at, siblings.indexOf(past) - at);
    siblings.forEach((sibling, index) => this.moved.set(sibling.key, index));
  }

  /** Show the node: open what it lies in. */
  reveal(/** @type {TreeNode} */ node) {
    for (let { parent } = node; ; { parent } = parent) {
      if ((parent?.children ?? this.roots).length > Layout.SIBLINGS) this.toggled.set("m" + (parent?.key ?? ""), true);
      if (!parent) return;
      this.toggled.set(parent.key, true);
    }
  }

  /** In the reader's order. @param {TreeNode[]} siblings */
  _ordered(siblings) {
    return siblings
      .map((node, index) => ({ node, rank: this.moved.get(node.key) ?? index }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ node }) => node);
  }

  /** The same without those that are pinned. @param {TreeNode[]} siblings */
  _unpinned(siblings) {
    return this._ordered(siblings).filter((node) => !this.pinned.includes(node.key));
  }

  /** Place everything anew. @param {boolean} narrow whether labels are above their tracks */
  arrange(narrow) {
    this.narrow = narrow;
    this.visible = [];
    let y = narrow ? 4 : 0;
    /** @type {(nodes: TreeNode[], level: number, parent: TreeNode | null) => void} */
    const show = (nodes, level, parent) => {
      const key = "m" + (parent?.key ?? "");
      const few = nodes.length > Layout.SIBLINGS && !this.toggled.get(key);
      const shown = few ? nodes.slice(0, Layout.SIBLINGS) : nodes;
      if (nodes.length > Layout.SIBLINGS) {
        const more = this.nodes.get(key) ?? this._node(key, "more", "", null);
        Object.assign(more, { parent, open: false, name: few ? `and ${Format.count(nodes.length - shown.length)} more` : "show fewer" });
        shown.push(more);
      }
      shown.forEach((node, index) => {
        const height = this._height(node);
        Object.assign(node, { level, place: index + 1, among: shown.length, y, height, rowTop: y + (narrow ? Layout.HEAD + 1 : 4) });
        y += height;
        this.visible.push(node);
        if (this.isOpen(node)) show(this._unpinned(node.children), level + 1, node);
      });
    };
    const pinned = this.pinned.map((key) => this.nodes.get(key)).filter((node) => node !== undefined);
    show([...pinned, ...this._unpinned(this.roots)], 1, null);
    this.height = y + (narrow ? 60 : 8);
  }

  /** @param {TreeNode} node */
  _height(node) {
    const { kind } = node;
    if (kind === "group" || kind === "more") return this.narrow ? 24 : kind === "group" ? 26 : 25;
    const head = this.narrow ? Layout.HEAD : 4;
    const fixed = /** @type {Record<string, number>} */ ({ names: 18, gil: 18, gc: 18, state: 12, counter: 30 })[kind];
    if (fixed) return fixed + head;
    return this._lines(node) * Layout.ROW + (node.state ? 12 : 4) + head;
  }

  /** How many rows of slices it shows. @param {TreeNode} node */
  _lines(node) {
    return this.isOpen(node) ? Math.max(1, depthsOf(node)) : 1;
  }

  /** The visible node at that height, or null. @param {number} y */
  at(y) {
    return this.visible.find((node) => y >= node.y && y < node.y + node.height) ?? null;
  }

  /** The rows of slices that a node shows, from top to bottom. @param {TreeNode} node @returns {Generator<Row>} */
  *rows(node) {
    const closed = !this.isOpen(node) && node.tracks.length === 1;
    for (const track of node.tracks) {
      for (let depth = closed ? node.line : 0; depth < track.columns.depths; depth++) {
        yield { track, depth, ...this.rowBox(node, track, depth) };
        if (closed) break;
      }
    }
  }

  /** Where the row of that depth lies. @param {TreeNode} node @param {Track} track @param {number} depth */
  rowBox(node, track, depth) {
    const top = node.rowTop;
    if (node.kind === "gil" || node.kind === "gc") return { y: top + 1, height: 13 };
    if (node.kind === "state") return { y: top + 1, height: 8 };
    if (track === node.state) return { y: top + this._lines(node) * Layout.ROW + 1, height: 6 };
    const above = node.tracks.slice(0, node.tracks.indexOf(track)).reduce((sum, other) => sum + other.columns.depths, 0);
    if (this.isOpen(node)) return { y: top + (above + depth) * Layout.ROW, height: Layout.ROW - 1 };
    const each = (Layout.ROW - 1) / node.tracks.length;
    return { y: top + node.tracks.indexOf(track) * each, height: Math.max(1, each - (each < 16 ? 0.5 : 0)) };
  }
}

/** @param {TreeNode} node */
const depthsOf = (node) => node.tracks.reduce((sum, track) => sum + track.columns.depths, 0);

/** The innermost depth that covers most of what the outermost does: of a worker that idles what it waits for. @param {Columns} columns */
function dominant(columns) {
  const sum = (/** @type {number} */ depth) => (columns.summary(columns.levels[depth], columns.levels[depth + 1]), columns.found.sum);
  let depth = 0;
  while (depth + 1 < columns.depths && sum(depth + 1) > 0.8 * sum(0)) depth++;
  return depth;
}

/** @template T @param {T[]} list @param {number} from @param {number} by */
function reorder(list, from, by) {
  const to = clamp(from + by, 0, list.length - 1);
  if (from >= 0 && to !== from) list.splice(to, 0, ...list.splice(from, 1));
}
