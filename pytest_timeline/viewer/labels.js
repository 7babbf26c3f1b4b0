// The tracks' names: a tree in the DOM beside the canvas, one row for each node that is shown.
"use strict";

class Labels {
  static AROUND = 800; // px above and below what is in view that are in the document too

  focused = ""; // the key of the node that Tab reaches
  drawn = 0; // where it was scrolled to

  /**
   * @param {HTMLElement} tree @param {HTMLElement} scroller @param {View} view @param {Layout} layout
   */
  constructor(tree, scroller, view, layout) {
    this.tree = tree;
    this.scroller = scroller;
    this.view = view;
    this.layout = layout;
    Dom.on(tree, {
      keydown: (event) => this._key(event),
      click: (event) => this._click(event),
      focusin: ({ target }) => this._focus(this._node(target)?.key ?? this.focused, false),
    });
    this._drag();
  }

  draw() {
    const { layout, scroller } = this;
    const { visible } = layout;
    if (!visible.some((node) => node.key === this.focused)) this.focused = visible[0]?.key ?? "";
    this.drawn = scroller.scrollTop;
    const [top, bottom] = [this.drawn - Labels.AROUND, this.drawn + scroller.clientHeight + Labels.AROUND];
    const active = this.tree.contains(document.activeElement);
    const shown = visible.filter(({ key, y, height }) => key === this.focused || (y < bottom && y + height > top));
    Dom.fill(this.tree, shown.map((node) => this._make(node)));
    if (active) this._focus(this.focused, true);
  }

  scrolled() {
    if (Math.abs(this.scroller.scrollTop - this.drawn) > Labels.AROUND / 2) this.draw();
  }

  /** @param {TreeNode} node */
  _make(node) {
    const { layout } = this;
    const { processes } = layout.timeline.head;
    const pinned = layout.pinned.includes(node.key);
    const group = node.kind === "group";
    const folds = layout.folds(node);
    const tall = node.height > 40 && !layout.narrow;
    const of = pinned && node.tracks.length && processes.length > 1 ? processes[node.tracks[0].process].name : "";
    const note = node.warning ?? (of || node.note);
    const noteElement = note ? el(node.warning ? "span.warning" : "span.note-text", note) : null;
    const meta = node.meta && el("span.meta", node.meta);
    const long = tall && node.name.length > 14;
    const said = Format.list(node.name, node.warning, of, node.note, node.meta, pinned && "pinned");
    return el(
      group ? "div.label.group" : `div.label.kind-${node.kind.replace(/\W/g, "")}`,
      {
        role: "treeitem",
        "aria-label": said,
        "aria-level": node.level,
        "aria-posinset": node.place,
        "aria-setsize": node.among,
        "aria-expanded": folds ? String(layout.isOpen(node)) : null,
        "data-key": node.key,
        tabindex: node.key === this.focused ? 0 : -1,
        title: said,
        style: { top: `${node.y}px`, height: `${node.height}px`, "padding-left": `${6 + Math.min(node.level - 1, 5) * 12}px` },
      },
      el("span.twist", folds && Dom.icon("twist")),
      el("span.words", el("span.line", el("span.label-name", node.name), !tall && noteElement, !long && meta), tall && el("span.line", noteElement, long && meta)),
      node.kind !== "more" && el("button.pin", { tabindex: -1, "aria-label": pinned ? "Unpin" : "Pin to the top", "aria-pressed": String(pinned) }, Dom.icon("pin")),
    );
  }

  /** @param {EventTarget | null} target */
  _node(target) {
    const row = target instanceof Element && /** @type {HTMLElement | null} */ (target.closest(".label"));
    return (row && this.layout.nodes.get(row.dataset.key ?? "")) || null;
  }

  /** @param {string} key @param {boolean} take whether the focus goes there */
  _focus(key, take) {
    this.focused = key;
    for (const row of /** @type {NodeListOf<HTMLElement>} */ (this.tree.querySelectorAll(".label"))) {
      row.tabIndex = row.dataset.key === key ? 0 : -1;
      if (take && row.dataset.key === key) row.focus({ preventScroll: true });
    }
  }

  /** Put the focus on a node, and the node in view. @param {TreeNode | null | undefined} node */
  _go(node) {
    if (!node) return;
    const { scroller } = this;
    this.focused = node.key;
    scroller.scrollTop = Math.max(Math.min(scroller.scrollTop, node.y), Math.min(node.y, node.y + Math.min(node.height, 60) - scroller.clientHeight));
    this.draw();
    this._focus(node.key, true);
  }

  /** @param {MouseEvent} event */
  _click(event) {
    const node = this._node(event.target);
    if (!node || this._dragged) return;
    if (event.target instanceof Element && event.target.closest(".pin")) this.layout.pin(node);
    else this.layout.toggle(node);
    this.view.changed("tracks");
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    const node = this._node(event.target);
    if (!node || event.ctrlKey || event.metaKey) return;
    const { key } = event;
    const { layout } = this;
    const { visible } = layout;
    const at = visible.indexOf(node);
    const open = layout.isOpen(node);
    const by = key === "ArrowUp" ? -1 : key === "ArrowDown" ? 1 : 0;
    /** @type {TreeNode | null | undefined} where the focus goes */
    let next;
    if (event.altKey) {
      if (!by) return;
      layout.move(node, by);
    } else if (by) next = visible[at + by] ?? null;
    else if (key === "Home") next = visible[0];
    else if (key === "End") next = visible.at(-1);
    else if (key === "ArrowRight" && open && node.children.length) next = visible[at + 1];
    else if (key === "ArrowLeft" && !open) next = node.parent;
    else if (key === (open ? "ArrowLeft" : "ArrowRight") || key === " " || key === "Enter") layout.toggle(node);
    else if (key === "p") layout.pin(node);
    else return;
    if (next === undefined) this.view.changed("tracks");
    else this._go(next);
    event.preventDefault();
    event.stopPropagation();
  }

  /** A label that is dragged up or down takes its track along, past the ones beside it. */
  _drag() {
    let from = /** @type {{node: TreeNode, y: number} | null} */ (null);
    this._dragged = false;
    const release = () => (from = null);
    Dom.on(this.tree, {
      pointerdown: (event) => {
        const node = this._node(event.target);
        this._dragged = false;
        from = node && node.kind !== "more" && event.pointerType === "mouse" && !event.button ? { node, y: event.clientY } : null;
      },
      pointermove: (event) => {
        if (!from || !event.buttons || (!this._dragged && Math.abs(event.clientY - from.y) < 8)) return;
        const { layout } = this;
        const { node } = from;
        if (!this._dragged) this.tree.setPointerCapture(event.pointerId);
        this._dragged = true;
        const y = event.clientY - this.tree.getBoundingClientRect().top;
        const beside = layout.visible.filter((other) => other.level === node.level && other.kind !== "more" && (node.level === 1 || other.parent === node.parent));
        const at = beside.indexOf(node);
        const [above, below] = [beside[at - 1], beside[at + 1]];
        // past the middle of a neighbour, so that it does not spring back
        const by = above && y < above.y + Math.min(node.height, above.height) / 2 ? -1 : below && y > this._bottom(below) - Math.min(node.height, below.height) / 2 ? 1 : 0;
        if (!by || layout.pinned.includes(node.key) !== layout.pinned.includes(beside[at + by].key)) return;
        layout.move(node, by);
        layout.arrange(layout.narrow); // for the next move, which may come before the next frame
        this.view.changed("tracks");
      },
      pointerup: release,
      pointercancel: release,
    });
  }

  /** Where a node ends with all that is shown of what hangs below it. @param {TreeNode} node */
  _bottom(node) {
    const { visible, height } = this.layout;
    return visible.slice(visible.indexOf(node) + 1).find(({ level }) => level <= node.level)?.y ?? height;
  }
}
