// The test's page: makes the parts, hands each what it needs, and draws what changed once a frame.
"use strict";

(() => {
  const NARROW = matchMedia("(max-width: 760px)");
  const SAVE_MS = 250;

  const timeline = new Timeline(Data.head());
  const { head } = timeline;
  const view = new View(timeline);
  const layout = new Layout(timeline);
  const scroller = Dom.get("scroll");
  const tracks = new Tracks(Dom.get("tracks"), scroller, view, layout);
  const minimap = new Minimap(Dom.get("minimap"), view, layout, tracks);
  const ruler = new Ruler(Dom.get("ruler"), view, tracks);
  const labels = new Labels(Dom.get("labels"), scroller, view, layout);
  const search = new Search(view, layout);
  const tip = new Tip(Dom.get("tip"), timeline);
  const go = (/** @type {Place} */ place) => search.select(place);
  const pane = new Pane(Dom.get("tabs"), Dom.get("pane-body"), view, layout, go);
  new Interact(view, tracks, minimap, ruler, scroller, tip, go);
  const searchBox = /** @type {HTMLInputElement} */ (Dom.get("search"));
  const said = Link.read();

  /** Show a slice and what it lies in, within the scrolled area. @param {Place} selection */
  function reveal(selection) {
    const node = layout.nodeOf(selection.track);
    if (!node) return;
    const track = timeline.tracks[selection.track];
    const { y, height } = layout.rowBox(node, track, track.columns.depth(selection.row));
    const [top, room] = [scroller.scrollTop, scroller.clientHeight];
    if (y < top + 20) scroller.scrollTop = Math.max(0, y - Math.min(room / 3, 120));
    else if (y + height > top + room - 20) scroller.scrollTop = y + height - room * 0.7;
  }

  // --- the frame: the header, what is said of the whole test ---

  function header() {
    const [file, ...rest] = head.nodeid.split("::");
    const name = rest.at(-1) ?? head.nodeid;
    Dom.fill("name", name);
    Dom.fill("path", rest.length ? [file, ...rest.slice(0, -1)].join("::") : "", head.rerun ? ` · rerun ${head.rerun}` : "");
    const known = document.getElementById(`outcome-${head.outcome}`) ? head.outcome : "skipped";
    Dom.get("outcome").classList.add(known);
    Dom.get("outcome").hidden = !head.outcome; // the collection has none
    Dom.fill("outcome", Dom.icon(`outcome-${known}`), el("span.wide", head.outcome));
    for (const [id, file] of [["back", head.run], ["perfetto", head.files.perfetto]]) {
      const link = /** @type {HTMLAnchorElement} */ (Dom.get(String(id)));
      link.hidden = !file;
      link.href = file ?? "";
    }
    const many = (/** @type {string} */ kind) => head.tracks.filter((track) => track.kind === kind).length;
    Dom.fill(
      "facts",
      el("div", el("b", Format.time(head.duration)), " ", Format.list(head.worker && `on ${head.worker}`, head.versions.python && `Python ${head.versions.python}`)),
      el("div", Format.list(Format.plural(head.processes.length, "process", "processes"), Format.plural(many("thread"), "thread"), many("task") && Format.plural(many("task"), "task"))),
    );
    Dom.get("to-failure").hidden = !view.flag;
    if (!timeline.failure) Dom.fill("to-failure", "Died");
    Dom.get("hide-below").hidden = false;
  }

  function banner() {
    /** @type {[string, (false | null | (() => void))?][]} what is wrong, and a way to where */
    const warnings = timeline.damage.map((text) => [text]);
    if (head.dropped) warnings.push([`${Format.plural(head.dropped, "record")} found no room and ${Format.are(head.dropped)} missing.`]);
    if (head.outcome === "crashed") warnings.push([`The process died ${Format.time(head.duration)} after the test began: slices that were open then end at its last record.`, showFailure]);
    if (head.folded) {
      const share = head.duration ? `, ${Format.percent(head.folded_ns / head.duration)} of the test` : "";
      const folded = timeline.complete && mostFolded();
      const callers = head.folded === 1 ? "its caller" : "their callers";
      warnings.push([
        `${Format.plural(head.folded, "slice")} too short to keep ${Format.are(head.folded)} folded into ${callers} (${Format.time(head.folded_ns)}${share}).${head.dropped ? "" : " Nothing was dropped."}`,
        folded && (() => go(folded)),
      ]);
    }
    if (head.not_recorded) warnings.push([`Called too often to be recorded to the end: ${head.not_recorded.join("; ")}. --timeline-full records every call.`]);
    const element = Dom.get("banner");
    element.hidden = !warnings.length;
    Dom.fill(
      element,
      Dom.icon("warn"),
      el("div", warnings.map(([text, click]) => el("p", text + " ", click && el("button.link", { click }, "Where")))),
      timeline.damage.length > 0 && head.files.perfetto && el("a.link", { href: head.files.perfetto, download: true }, "Perfetto trace"),
      el("i.fill"),
      el("button.link.wide", { click: () => (element.hidden = true) }, "Dismiss"),
    );
  }

  /** Say what the reader hides. */
  function below() {
    let [hidden, all] = [0, 0];
    if (view.minimum) {
      for (const { columns: { start, end, length } } of timeline.tracks) {
        all += length;
        for (let row = 0; row < length; row++) if (end[row] - start[row] < view.minimum) hidden++;
      }
    }
    const slider = Dom.get("minimum");
    const said = `${Format.count(hidden)} of ${Format.plural(all, "slice")} hidden: shorter than ${Format.time(view.minimum)}`;
    Dom.fill("minimum-value", Format.time(view.minimum));
    slider.setAttribute("aria-valuetext", view.minimum ? said : "nothing hidden");
    Dom.get("below").hidden = !hidden;
    Dom.fill("below", said + " ", el("button.link", { click: () => hideBelow(0) }, "Show all"));
  }

  /** The slice that most time was folded into. @returns {Place | null} */
  function mostFolded() {
    let best = null;
    let most = 0;
    for (const { index, columns } of timeline.tracks) {
      for (const [row, { ns }] of columns.folding) {
        if (ns <= most) continue;
        most = ns;
        best = { track: index, row };
      }
    }
    return best;
  }

  // --- drawing ---

  function arrange() {
    layout.arrange(NARROW.matches);
    Dom.get("area").style.height = `${layout.height}px`;
    labels.draw();
  }

  function found() {
    const { count, position } = search;
    Dom.get("found").className = view.hits ? (count ? "some" : "none") : "";
    Dom.fill("count", count ? (position ? `${Format.count(position)} of ` : "") + Format.count(count) : "no match");
  }

  /** @param {1 | -1} by */
  function step(by) {
    search.step(by);
    found();
  }

  function clear() {
    searchBox.value = "";
    search.set("");
    Dom.get("tracks").focus();
  }

  function announce() {
    const { selection } = view;
    if (!selection) return;
    const { columns, name } = timeline.tracks[selection.track];
    Dom.fill("live", `${timeline.nameOf(selection.track, selection.row).text}, ${Format.time(columns.duration(selection.row))}, at ${Format.offset(columns.start[selection.row])}, ${name}`);
  }

  let saving = 0;
  function save() {
    clearTimeout(saving);
    if (timeline.complete) saving = setTimeout(() => Link.write(view, layout, scroller.scrollTop), SAVE_MS);
  }

  view.listen((changed) => {
    const any = (/** @type {string[]} */ ...names) => names.some((name) => changed.has(name));
    if (any("tracks", "data", "size")) arrange();
    if (changed.has("scroll")) labels.scrolled();
    if (changed.has("reveal") && view.selection) reveal(view.selection);
    if (any("data", "theme")) {
      tracks.learn();
      minimap.forget();
    }
    tracks.draw();
    minimap.draw();
    ruler.draw();
    if (any("selection", "range", "tab", "data", "theme")) pane.draw();
    else if (changed.has("sources")) pane.draw(true);
    if (changed.has("selection")) announce();
    if (any("hits", "selection")) found();
    if (changed.has("minimum") || (view.minimum && changed.has("data"))) below();
    if (changed.has("pane")) document.body.classList.toggle("without-pane", !view.pane);
    const step = (view.to - view.from) / 1000;
    Dom.fill("status", el("b", `${Format.moment(view.from, step)} to ${Format.moment(view.to, step)}`), `\u2002${Format.time(view.to - view.from)} shown`);
    if (!(changed.size === 1 && changed.has("hover"))) save();
  });

  // --- what begins it ---

  function showFailure() {
    const { flag } = view;
    if (!flag) return;
    const span = Math.min(head.duration, clamp(head.duration * 0.26, 2e6, 400e6));
    view.jump(flag.at - span * 0.83, flag.at + span * 0.17);
    view.open("failure");
    const main = layout.mainTrack();
    const node = main && layout.nodeOf(main.index);
    if (node && timeline.complete) layout.reveal(node);
  }

  function restore() {
    const { selection, range, query, minimum, tab, scroll } = said;
    if (selection && selection.row < (timeline.tracks[selection.track]?.columns.length ?? 0)) view.selection = selection;
    if (range) view.range = range;
    if (query) {
      searchBox.value = query;
      search.set(query);
    }
    if (minimum) hideBelow(minimum);
    view.tab = tab ?? (selection ? "slice" : view.tab);
    arrange();
    if (scroll) scroller.scrollTop = scroll;
    view.changed("selection", "range", "tab");
  }

  /** @param {number} ns */
  function hideBelow(ns) {
    /** @type {HTMLInputElement} */ (Dom.get("minimum")).value = String(ns > 0 ? Math.round((Math.log10(ns) - 2) * 10) : 0);
    view.hideBelow(ns);
  }

  function togglePane() {
    view.pane = !view.pane;
    Dom.get("pane-button").setAttribute("aria-pressed", String(view.pane));
    view.changed("pane", "size");
  }

  function recolour() {
    Theme.refresh();
    view.changed("theme");
  }

  function controls() {
    const slider = /** @type {HTMLInputElement} */ (Dom.get("minimum"));
    const help = /** @type {HTMLDialogElement} */ (Dom.get("help"));
    const [closer, farther] = [() => view.zoom(0.62), () => view.zoom(1.6)];
    const buttons = /** @type {Record<string, () => void>} */ ({
      "zoom-in": closer,
      "zoom-out": farther,
      "sheet-in": closer,
      "sheet-out": farther,
      whole: () => view.all(),
      "to-failure": showFailure,
      "to-perfetto": () => Perfetto.open(timeline, (text) => Dom.fill("perfetto-said", text)),
      "help-button": () => help.showModal(),
      "help-close": () => help.close(),
      "pane-button": togglePane,
      previous: () => step(-1),
      next: () => step(1),
      clear,
    });
    for (const [id, act] of Object.entries(buttons)) {
      Dom.on(id, { click: (event) => {
        event.preventDefault(); // of a button in the search box's label: it would take the focus there
        act();
      } });
    }
    Dom.on(searchBox, {
      input: () => search.set(searchBox.value),
      keydown(event) {
        if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
        else if (event.key === "Escape") clear();
      },
    });
    Dom.on(slider, { input: () => view.hideBelow(slider.valueAsNumber && 10 ** (slider.valueAsNumber / 10 + 2)) });
    Keys.listen(view, layout, search, { x: showFailure, "?": () => help.showModal(), i: togglePane, "/": () => searchBox.focus() });
    Dom.on(scroller, { scroll: () => view.changed("scroll") });
    new ResizeObserver(() => (Theme.stale() && recolour(), view.changed("size"))).observe(scroller);
    Dom.on(NARROW, { change: () => view.changed("size") });
    for (const look of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) Dom.on(matchMedia(look), { change: recolour });
    const sharpen = () => matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener("change", () => (recolour(), sharpen()), { once: true });
    sharpen();
    addEventListener("hashchange", () => location.reload());
  }

  async function begin() {
    Theme.refresh();
    header();
    banner();
    controls();
    if (said.pinned) layout.pinned = said.pinned.filter((key) => layout.nodes.has(key));
    layout.toggled = new Map(said.toggled ?? []);
    layout.moved = new Map(said.moved ?? []);
    if (said.show) view.show(...said.show);
    else if (pane.failure.any) {
      showFailure();
      view.tab = "failure";
    }
    view.changed("tracks");
    view.flush();
    performance.mark("frame");
    if (document.readyState === "loading") await new Promise((resolve) => addEventListener("DOMContentLoaded", resolve, { once: true }));
    await Data.load(timeline, (done) => {
      ruler.progress = done;
      view.changed("data");
    });
    ruler.progress = 1;
    linkProcesses(timeline);
    layout.settle();
    banner();
    Dom.get("nothing").hidden = timeline.tracks.some((track) => track.kind === "thread" && track.slices);
    Dom.get("to-perfetto").removeAttribute("disabled");
    if (!said.selection && !said.show) {
      const failed = pane.failure.failed();
      if (failed) {
        view.selection = failed;
        view.changed("reveal");
      }
    }
    restore();
    view.changed("data");
    view.flush();
    performance.mark("complete");
    document.documentElement.dataset.ready = timeline.damage.length ? "damaged" : "complete";
  }

  begin();
})();
