// The keyboard: what each key does. The page's help says so.
"use strict";

const Keys = (() => {
  /**
   * @param {View} view @param {Layout} layout @param {Search} search
   * @param {Record<string, () => void>} others what the keys do that are the page's
   */
  function listen(view, layout, search, others) {
    const { timeline } = view;
    /** Go from the slice that is selected to that row of its track, or to the first slice in view. @param {(columns: Columns, row: number) => number} next */
    const step = (next) => () => {
      const { selection } = view;
      const { columns, index: track } = (selection ? timeline.tracks[selection.track] : layout.mainTrack()) ?? {};
      if (!columns?.length || track === undefined) return;
      const row = selection ? next(columns, selection.row) : Math.min(columns.after(0, view.from), columns.levels[1] - 1);
      if (row >= 0) search.select({ track, row });
    };
    const sibling = (/** @type {number} */ by) => step((columns, row) => {
      const depth = columns.depth(row);
      return row + by >= columns.levels[depth] && row + by < columns.levels[depth + 1] ? row + by : -1;
    });
    const same = (/** @type {1 | -1} */ by) => step((columns, row) => {
      const from = { track: 0, row, start: columns.start[row] };
      return nearest([{ index: 0, columns }], (name) => name === columns.name[row], from, by)?.row ?? -1;
    });
    const follow = (/** @type {boolean} */ out) => () => {
      const place = view.selection && followed(timeline, view.selection, out);
      if (place) search.select(place);
    };
    const change = (/** @type {(node: TreeNode) => void} */ act) => () => {
      const node = view.selection && layout.nodeOf(view.selection.track);
      if (node) act(node);
      view.changed("tracks");
    };
    const closer = () => view.zoom(0.7);
    const farther = () => view.zoom(1.43);
    const actions = /** @type {Record<string, () => void>} */ ({
      ...others,
      w: closer,
      "+": closer,
      s: farther,
      "-": farther,
      a: () => view.pan(-0.2),
      d: () => view.pan(0.2),
      0: () => view.all(),
      f: () => view.fit(),
      n: () => search.step(1),
      N: () => search.step(-1),
      m: () => view.selection && view.selectRange(view.stretch(view.selection)),
      " ": change((node) => layout.toggle(node)),
      p: change((node) => layout.pin(node)),
      ArrowUp: step((columns, row) => columns.parent(row)),
      ArrowDown: step((columns, row) => {
        const [first, stop] = columns.children(row);
        return first < stop ? first : -1;
      }),
      ArrowLeft: sibling(-1),
      ArrowRight: sibling(1),
      "]": follow(true),
      "[": follow(false),
      ",": same(-1),
      ".": same(1),
      Escape: () => (view.range ? view.selectRange(null) : view.select(null)),
    });
    addEventListener("keydown", (event) => {
      const { key, target } = event;
      const at = target instanceof Element ? target : document.body;
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
      if (at.matches(key.startsWith("Arrow") ? "input" : "input:not([type=range])")) return;
      if (at.closest("button, a") ? key === " " || key === "Enter" : at.closest(".pane-body, pre") && (key === "ArrowUp" || key === "ArrowDown")) return;
      const action = actions[key] ?? actions[key.toLowerCase()];
      if (!action) return;
      event.preventDefault();
      action();
    });
  }

  return { listen };
})();
