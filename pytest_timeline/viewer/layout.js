// Which tracks are shown, in which order, how high, and where: a tree of nodes and the flat list of what is visible.
"use strict";

/**
 * @typedef {object} TreeNode
 * @property {string} key  stable, for links: t and the track's index, p and the process's, m for "more"
 * @property {string} kind  a track's, or group (a process), more
 * @property {string} name
 * @property {string} note
 * @property {string} [warning]
 * @property {string} meta
 * @property {Track | null} track
 * @property {TreeNode | null} parent
 * @property {TreeNode[]} children
 * @property {boolean} open
 * @property {boolean} foldable
 * @property {number} depth  in the tree
 * @property {number} y  of its top, in the scrolled area
 * @property {number} height
 * @property {number} rowTop  where its first row of slices begins
 */

class Layout {
  static ROW = 17; // a slice of 16 and a gap
  static SIBLINGS = 40;
  static HEAD = 20; // a label above its track, where there is no room beside it

  /** @param {Timeline} timeline */
  constructor(timeline) {
    this.timeline = timeline;
    /** @type {Map<string, TreeNode>} */
    this.nodes = new Map();
    /** @type {TreeNode[]} */
    this.roots = [];
    /** @type {string[]} keys, in order */
    this.pinned = [];
    /** @type {Map<string, boolean>} what the reader opened and closed */
    this.toggled = new Map();
    /** @type {Map<string, number>} where the reader moved a track to among its siblings */
    this.moved = new Map();
    /** @type {TreeNode[]} */
    this.visible = [];
    this.height = 0;
    this.narrow = false;
    this._build();
  }

  _build() {
    const { head, tracks } = this.timeline;
    const processes = head.processes.map((process, index) =>
      this._node(`p${index}`, "group", process.name, `pid ${process.pid}`, null, null),
    );
    /** @type {Map<number, TreeNode>} */
    const made = new Map();
    const place = (/** @type {Track} */ track) => {
      const known = made.get(track.index);
      if (known) return known;
      const above = track.parent == null ? null : place(tracks[track.parent]);
      const top = above ?? (track.kind === "test" || track.kind === "log" ? null : processes[track.process]);
      const node = this._node(`t${track.index}`, track.kind, track.name, "", track, top);
      if (track.kind === "test") node.name = "Test";
      if (track.kind === "process") node.name = "Children";
      if (track.kind === "log") node.name = "Log";
      if (track.kind === "thread" && track.id) node.note = `tid ${track.id}`;
      made.set(track.index, node);
      return node;
    };
    for (const track of tracks) place(track);
    for (const process of processes) process.children.sort((a, b) => rank(a) - rank(b));
    const own = this.roots.filter((node) => node.track);
    this.roots = [...own, ...processes.filter((node) => node.children.length)];
    const children = head.processes.length - 1;
    if (processes[0] && children) processes[0].meta = Format.plural(children, "child", "children");
  }

  /** @param {string} key @param {string} kind @param {string} name @param {string} note @param {Track | null} track @param {TreeNode | null} parent @returns {TreeNode} */
  _node(key, kind, name, note, track, parent) {
    const node = { key, kind, name, note, meta: "", track, parent, children: [], open: true, foldable: true, depth: parent ? parent.depth + 1 : 0, y: 0, height: 0, rowTop: 0 };
    this.nodes.set(key, node);
    if (parent) parent.children.push(node);
    else if (kind !== "group") this.roots.push(node);
    return node;
  }

  /** Close what has little to show, once the slices are there, and say how busy each thread was. */
  settle() {
    const { duration } = this.timeline.head;
    for (const node of this.nodes.values()) {
      const { track } = node;
      if (track?.kind !== "thread" || !track.columns.length) continue;
      const share = Tally.running(this.timeline, track);
      node.meta = `${Format.percent(Math.min(1, share))} running`;
      node.open = share > 0.05 || track.columns.depths <= 2;
      if (track.last - track.first < duration * 0.001 && track.slices > 0) node.open = true;
    }
    this._openFailure();
  }

  _openFailure() {
    const main = this.mainTrack();
    const node = main && this.nodes.get(`t${main.index}`);
    if (node) node.open = true;
  }

  /** The thread that ran the test: of the first process's threads the one named so, else the first. */
  mainTrack() {
    const threads = this.timeline.tracks.filter((track) => track.kind === "thread" && track.process === 0);
    return threads.find((track) => track.name === "MainThread") ?? threads[0] ?? null;
  }

  isOpen(/** @type {TreeNode} */ node) {
    return this.toggled.get(node.key) ?? node.open;
  }

  toggle(/** @type {TreeNode} */ node, open = !this.isOpen(node)) {
    this.toggled.set(node.key, open);
  }

  pin(/** @type {TreeNode} */ node) {
    if (node.kind === "more") return;
    const at = this.pinned.indexOf(node.key);
    if (at < 0) this.pinned.push(node.key);
    else this.pinned.splice(at, 1);
  }

  /** Move a node by so many places among its siblings. */
  move(/** @type {TreeNode} */ node, /** @type {number} */ by) {
    if (this.pinned.includes(node.key)) {
      reorder(this.pinned, this.pinned.indexOf(node.key), by);
      return;
    }
    const siblings = this._ordered(node.parent ? node.parent.children : this.roots).filter((other) => other.kind !== "more");
    reorder(siblings, siblings.indexOf(node), by);
    siblings.forEach((sibling, index) => this.moved.set(sibling.key, index));
  }

  /** Show the node: open what it lies in. */
  reveal(/** @type {TreeNode} */ node) {
    for (let above = node.parent; above; above = above.parent) {
      this.toggled.set(above.key, true);
      if (above.children.length > Layout.SIBLINGS) this.toggled.set("m" + above.key, true);
    }
    if (this.roots.length > Layout.SIBLINGS) this.toggled.set("m", true);
  }

  /** @param {TreeNode[]} siblings */
  _ordered(siblings) {
    return siblings
      .map((node, index) => ({ node, rank: this.moved.get(node.key) ?? index }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ node }) => node);
  }

  /** Place everything anew. @param {boolean} narrow whether labels are above their tracks */
  arrange(narrow) {
    this.narrow = narrow;
    this.visible = [];
    let y = narrow ? 4 : 0;
    const put = (/** @type {TreeNode} */ node) => {
      node.y = y;
      node.height = this._height(node);
      node.rowTop = y + (narrow ? Layout.HEAD + 1 : 4);
      y += node.height;
      this.visible.push(node);
    };
    const show = (/** @type {TreeNode[]} */ siblings, /** @type {string} */ parent) => {
      const shown = this._ordered(siblings).filter((node) => !this.pinned.includes(node.key));
      const limit = shown.length > Layout.SIBLINGS && !this.toggled.get("m" + parent) ? Layout.SIBLINGS : shown.length;
      for (const node of shown.slice(0, limit)) {
        put(node);
        if (this.isOpen(node)) show(node.children, node.key);
      }
      if (shown.length > Layout.SIBLINGS) {
        const above = this.nodes.get(parent) ?? null;
        const key = "m" + parent;
        const text = limit < shown.length ? `and ${Format.count(shown.length - limit)} more` : "show fewer";
        const more = this.nodes.get(key) ?? this._more(key, above);
        more.name = text;
        more.open = false;
        put(more);
      }
    };
    for (const key of this.pinned) {
      const node = this.nodes.get(key);
      if (!node) continue;
      put(node);
      if (this.isOpen(node)) show(node.children, node.key);
    }
    show(this.roots, "");
    this.height = y + (narrow ? 60 : 8);
  }

  /** @param {string} key @param {TreeNode | null} parent */
  _more(key, parent) {
    const node = this._node(key, "more", "", "", null, null);
    this.roots = this.roots.filter((other) => other !== node);
    node.parent = parent;
    node.depth = parent ? parent.depth + 1 : 0;
    return node;
  }

  /** Rows of slices that the node shows; a closed one shows all its depths within one. */
  rows(/** @type {TreeNode} */ node) {
    if (!node.track) return 0;
    return this.isOpen(node) ? Math.max(1, node.track.columns.depths) : 1;
  }

  /** @param {TreeNode} node */
  _height(node) {
    const head = this.narrow ? Layout.HEAD : 4;
    if (node.kind === "group") return this.narrow ? 24 : 26;
    if (node.kind === "more") return this.narrow ? 24 : 25;
    if (node.kind === "gil") return 18 + head;
    if (node.kind === "state") return 12 + head;
    if (node.kind === "counter") return 30 + head;
    return this.rows(node) * Layout.ROW + 4 + head;
  }

  /** The visible node at that height, or null. @param {number} y */
  at(y) {
    let low = 0;
    let high = this.visible.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const node = this.visible[middle];
      if (y < node.y) high = middle;
      else if (y >= node.y + node.height) low = middle + 1;
      else return node;
    }
    return null;
  }

  /** Where the row of that depth lies. @returns {{y: number, height: number}} */
  rowBox(/** @type {TreeNode} */ node, /** @type {number} */ depth) {
    if (node.kind === "gil") return { y: node.rowTop + 1, height: 13 };
    if (node.kind === "state") return { y: node.rowTop + 1, height: 8 };
    if (node.kind === "group") return { y: node.y + (this.narrow ? 14 : 7), height: this.narrow ? 8 : 12 };
    if (this.isOpen(node)) return { y: node.rowTop + depth * Layout.ROW, height: Layout.ROW - 1 };
    const each = (Layout.ROW - 1) / Math.max(1, node.track?.columns.depths ?? 1);
    return { y: node.rowTop + depth * each, height: Math.max(1, each) };
  }
}

/** Lanes of the process come before its threads. @param {TreeNode} node */
const rank = ({ kind }) => ["gil", "gc", "counter", "process"].indexOf(kind) + 1 || 9;

/** @template T @param {T[]} list @param {number} from @param {number} by */
function reorder(list, from, by) {
  const to = Math.max(0, Math.min(list.length - 1, from + by));
  if (from < 0 || to === from) return;
  list.splice(to, 0, ...list.splice(from, 1));
}
