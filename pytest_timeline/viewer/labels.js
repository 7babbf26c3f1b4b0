// The tracks' names: a tree in the DOM beside the canvas, one row for each node that is shown.
"use strict";

class Labels {
  /**
   * @param {HTMLElement} tree @param {View} view @param {Layout} layout
   */
  constructor(tree, view, layout) {
    this.tree = tree;
    this.view = view;
    this.layout = layout;
    this.focused = ""; // the key of the node that Tab reaches
    tree.addEventListener("keydown", (event) => this._key(event));
    tree.addEventListener("click", (event) => this._click(event));
    tree.addEventListener("focusin", (event) => {
      const row = this._row(event.target);
      if (row) this._focus(row.dataset.key ?? "", false);
    });
    this._drag();
  }

  draw() {
    const { layout } = this;
    const shown = layout.visible;
    if (!shown.some((node) => node.key === this.focused)) this.focused = shown[0]?.key ?? "";
    const active = this.tree.contains(document.activeElement);
    Dom.fill(this.tree, shown.map((node) => this._make(node)));
    if (active) this._focus(this.focused, true);
  }

  /** @param {TreeNode} node */
  _make(node) {
    const { layout } = this;
    const pinned = layout.pinned.includes(node.key);
    const group = node.kind === "group";
    const folds = node.kind === "more" || group || node.children.length > 0 || (node.track?.columns.depths ?? 0) > 1;
    const open = layout.isOpen(node);
    const tall = node.height > 40 && !layout.narrow;
    const note = node.warning ?? node.note;
    const noteElement = note ? Dom.el(node.warning ? "span.warning" : "span.note-text", null, note) : null;
    return Dom.el(
      group ? "div.label.group" : `div.label.kind-${node.kind.replace(/\W/g, "")}`,
      {
        role: "treeitem",
        "aria-level": node.depth + 1,
        "aria-expanded": folds ? (open ? "true" : "false") : null,
        "data-key": node.key,
        tabindex: node.key === this.focused ? 0 : -1,
        title: [node.name, node.note, node.meta].filter(Boolean).join(", "),
        style: { top: `${node.y}px`, height: `${node.height}px`, "padding-left": `${6 + Math.min(node.depth, 5) * 12}px` },
      },
      Dom.el("span.twist", null, folds && Dom.icon("twist")),
      Dom.el("span.words", null, Dom.el("span.line", null, Dom.el("span.label-name", null, node.name), !tall && noteElement, node.meta && Dom.el("span.meta", null, node.meta)), tall && noteElement),
      node.kind !== "more" && Dom.el("button.pin", { tabindex: -1, "aria-label": pinned ? "Unpin" : "Pin to the top", "aria-pressed": pinned ? "true" : "false" }, Dom.icon("pin")),
    );
  }

  /** @param {EventTarget | null} target @returns {HTMLElement | null} */
  _row(target) {
    return target instanceof Element ? target.closest(".label") : null;
  }

  /** @param {EventTarget | null} target */
  _node(target) {
    const key = this._row(target)?.dataset.key;
    return key === undefined ? null : this.layout.nodes.get(key) ?? null;
  }

  /** @param {string} key @param {boolean} take whether the focus goes there */
  _focus(key, take) {
    this.focused = key;
    for (const row of /** @type {NodeListOf<HTMLElement>} */ (this.tree.querySelectorAll(".label"))) {
      row.tabIndex = row.dataset.key === key ? 0 : -1;
      if (take && row.dataset.key === key) row.focus({ preventScroll: false });
    }
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
    const { visible } = this.layout;
    const at = visible.indexOf(node);
    const open = this.layout.isOpen(node);
    const go = (/** @type {TreeNode | null | undefined} */ other) => other && this._focus(other.key, true);
    if (event.altKey) {
      if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
      this.layout.move(node, event.key === "ArrowUp" ? -1 : 1);
      this.view.changed("tracks");
    } else if (event.key === "ArrowDown") go(visible[at + 1]);
    else if (event.key === "ArrowUp") go(visible[at - 1]);
    else if (event.key === "Home") go(visible[0]);
    else if (event.key === "End") go(visible.at(-1));
    else if (event.key === "ArrowRight" && open && node.children.length) go(visible[at + 1]);
    else if (event.key === "ArrowLeft" && !open) go(node.parent);
    else if ((event.key === "ArrowRight" && !open) || (event.key === "ArrowLeft" && open) || event.key === " " || event.key === "Enter") {
      this.layout.toggle(node);
      this.view.changed("tracks");
    } else if (event.key === "p") {
      this.layout.pin(node);
      this.view.changed("tracks");
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** A label that is dragged up or down takes its track along. */
  _drag() {
    let from = /** @type {{node: TreeNode, y: number} | null} */ (null);
    this._dragged = false;
    this.tree.addEventListener("pointerdown", (event) => {
      const node = this._node(event.target);
      this._dragged = false;
      from = node && node.kind !== "more" && event.pointerType === "mouse" ? { node, y: event.clientY } : null;
    });
    this.tree.addEventListener("pointermove", (event) => {
      if (!from || !event.buttons || Math.abs(event.clientY - from.y) < 8) return;
      this._dragged = true;
      const box = this.tree.getBoundingClientRect();
      const over = this.layout.at(event.clientY - box.top);
      if (!over || over === from.node || over.parent !== from.node.parent) return;
      const down = over.y > from.node.y;
      const middle = box.top + over.y + over.height / 2;
      if (down ? event.clientY < middle - over.height / 4 : event.clientY > middle + over.height / 4) return;
      this.layout.move(from.node, down ? 1 : -1);
      this.view.changed("tracks");
    });
  }
}
