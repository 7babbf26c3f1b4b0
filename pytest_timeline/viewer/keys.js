// The keyboard: what each key does, and the help that says so.
"use strict";

const Keys = (() => {
  const HELP = /** @type {[string, [string, string][]][]} */ ([
    ["Move", [["Zoom in, out", "W S"], ["Pan", "A D"], ["Zoom at the pointer", "Ctrl wheel"], ["Zoom to a slice, or out", "double-click"], ["Touch", "drag pinch"], ["Whole test", "0"], ["Fit the selection", "F"], ["Go to the failure", "X"]]],
    ["Select", [["Caller, callee", "↑ ↓"], ["Previous, next slice", "← →"], ["Same function, previous, next", ", ."], ["Arrow from it, to it", "] ["], ["Range from the slice", "M"], ["Range by hand", "Shift drag"], ["Clear", "Esc"]]],
    ["Find and arrange", [["Search", "/"], ["Next, previous match", "N Shift+N"], ["Collapse, expand track", "Space"], ["Pin track", "P"], ["Move track", "Alt+↑ Alt+↓"], ["Details pane", "I"], ["This help", "?"]]],
  ]);

  /** @param {HTMLDialogElement} dialog */
  function help(dialog) {
    Dom.fill(
      dialog,
      el("div.help-head", el("h2", { id: "help-title" }, "Keyboard and mouse"), el("span.fill"), el("button.button.framed", { click: () => dialog.close() }, "Close ", el("kbd", "Esc"))),
      el("div.help-keys", HELP.map(([title, rows]) => el("section", el("h3", title), el("ul", rows.map(([what, keys]) => el("li", what, el("span", keys.split(" ").map((key) => el("kbd", key))))))))),
      el("div.help-legend", Theme.CATEGORIES.map(([key, label]) => el("div", Theme.swatch(key, Theme.SAMPLE), label[0].toUpperCase() + label.slice(1))), el("p.dim", "Colour says whose code, texture what kind of time. A red right edge: left by an exception.")),
    );
    dialog.showModal();
  }

  /**
   * @param {View} view @param {Layout} layout @param {Search} search
   * @param {{failure: () => void, help: () => void, pane: () => void, find: () => void, go: (selection: Place) => void}} actions
   */
  function listen(view, layout, search, actions) {
    const { timeline } = view;
    const target = () => {
      if (view.selection) return view.selection;
      const track = layout.mainTrack();
      if (!track?.columns.length) return null;
      const row = Math.min(track.columns.after(0, view.from), track.columns.levels[1] - 1);
      actions.go({ track: track.index, row });
      return null;
    };
    const step = (/** @type {(columns: Columns, row: number) => number} */ next) => {
      const from = target();
      if (!from) return;
      const row = next(timeline.tracks[from.track].columns, from.row);
      if (row >= 0) actions.go({ track: from.track, row });
    };
    const sibling = (/** @type {number} */ by) => step((columns, row) => {
      const depth = columns.depth(row);
      return row + by >= columns.levels[depth] && row + by < columns.levels[depth + 1] ? row + by : -1;
    });
    const same = (/** @type {1 | -1} */ by) => step((columns, row) => {
      let best = -1;
      for (let depth = 0; depth < columns.depths; depth++) {
        let at = columns.starting(columns.levels[depth], columns.levels[depth + 1], columns.start[row]);
        if (by < 0) at--;
        for (; at >= columns.levels[depth] && at < columns.levels[depth + 1]; at += by) {
          if (at === row || columns.name[at] !== columns.name[row]) continue;
          if (best < 0 || (columns.start[at] - columns.start[best]) * by < 0) best = at;
          break;
        }
      }
      return best;
    });
    const actionsOf = /** @type {Record<string, () => void>} */ ({
      w: () => view.zoom(0.7),
      "+": () => view.zoom(0.7),
      s: () => view.zoom(1.43),
      "-": () => view.zoom(1.43),
      a: () => view.pan(-0.2),
      d: () => view.pan(0.2),
      0: () => view.all(),
      f: () => view.fit(),
      x: actions.failure,
      "/": actions.find,
      "?": actions.help,
      i: actions.pane,
      n: () => search.step(1),
      N: () => search.step(-1),
      m: () => view.selection && range(view.selection),
      " ": () => fold(),
      p: () => pin(),
      ArrowUp: () => step((columns, row) => columns.parent(row)),
      ArrowDown: () => step((columns, row) => {
        const [first, stop] = columns.children(row);
        return first < stop ? first : -1;
      }),
      ArrowLeft: () => sibling(-1),
      ArrowRight: () => sibling(1),
      "]": () => follow(true),
      "[": () => follow(false),
      ",": () => same(-1),
      ".": () => same(1),
      Escape: () => (view.range ? view.selectRange(null) : view.select(null)),
    });
    const follow = (/** @type {boolean} */ out) => {
      const place = view.selection && followed(timeline, view.selection, out);
      if (place) actions.go(place);
    };
    const range = (/** @type {Place} */ { track, row }) => {
      const { columns } = timeline.tracks[track];
      view.selectRange([columns.start[row], columns.end[row]]);
    };
    const node = () => (view.selection ? layout.nodeOf(view.selection.track) : undefined);
    const fold = () => {
      const here = node();
      if (here) layout.toggle(here);
      view.changed("tracks");
    };
    const pin = () => {
      const here = node();
      if (here) layout.pin(here);
      view.changed("tracks");
    };
    addEventListener("keydown", (event) => {
      const at = event.target;
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
      if (at instanceof HTMLInputElement && (at.type !== "range" || event.key.startsWith("Arrow"))) return;
      if (at instanceof HTMLElement && at.closest("button, a, [role=tab]") && (event.key === " " || event.key === "Enter")) return;
      if (at instanceof HTMLElement && at.closest(".pane-body, pre") && (event.key === "ArrowUp" || event.key === "ArrowDown") && !at.closest("button")) return;
      const action = actionsOf[event.key] ?? actionsOf[event.key.toLowerCase()];
      if (!action) return;
      event.preventDefault();
      action();
    });
  }

  return { help, listen };
})();
