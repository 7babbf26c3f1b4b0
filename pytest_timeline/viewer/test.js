// The test's page: makes the parts, hands each what it needs, and draws what changed once a frame.
"use strict";

(() => {
  const OUTCOMES = /** @type {Record<string, string>} */ ({ passed: "Passed", failed: "Failed", error: "Error", skipped: "Skipped", xfailed: "Xfailed", xpassed: "Xpassed", crashed: "Crashed" });
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
  const pane = new Pane(Dom.get("tabs"), Dom.get("pane-body"), view, layout, (selection) => search.select(selection));
  new Interact(view, tracks, minimap, ruler, scroller, tip, (selection) => search.select(selection));
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
    Dom.fill("path", [file, ...rest.slice(0, -1)].join("::"), head.rerun ? ` · rerun ${head.rerun}` : "");
    const outcome = Dom.get("outcome");
    outcome.classList.add(head.outcome in OUTCOMES ? head.outcome : "skipped");
    Dom.fill(outcome, Dom.icon(`outcome-${head.outcome in OUTCOMES ? head.outcome : "skipped"}`), el("span.wide", OUTCOMES[head.outcome] ?? head.outcome));
    const back = Dom.get("back");
    if (head.run) back.setAttribute("href", head.run);
    else back.hidden = true;
    const threads = head.tracks.filter((track) => track.kind === "thread").length;
    const tasks = head.tracks.filter((track) => track.kind === "task").length;
    const where = [head.worker && `on ${head.worker}`, head.versions.python && `Python ${head.versions.python}`].filter(Boolean).join(", ");
    Dom.fill(
      "facts",
      el("div", el("b", Format.time(head.duration)), ` ${where}`),
      el("div", [Format.plural(head.processes.length, "process", "processes"), Format.plural(threads, "thread"), tasks > 0 && Format.plural(tasks, "task")].filter(Boolean).join(", ")),
    );
    const trace = head.files.perfetto;
    const download = Dom.get("perfetto");
    if (trace) {
      download.setAttribute("href", trace);
      download.setAttribute("download", trace);
    } else download.hidden = true;
    Dom.get("to-perfetto").addEventListener("click", () => Perfetto.open(timeline, (text) => Dom.fill("perfetto-said", text)));
    Dom.get("to-failure").hidden = !view.flag;
    if (!timeline.failure) Dom.fill("to-failure", "Died");
    Dom.get("hide-below").hidden = false;
  }

  function banner() {
    /** @type {[string, string, (() => void)?][]} what is wrong, and a way to where */
    const warnings = timeline.damage.map((text) => [text, ""]);
    if (head.dropped) warnings.push([`${Format.plural(head.dropped, "record")} found no room and ${head.dropped === 1 ? "is" : "are"} missing.`, ""]);
    if (head.outcome === "crashed") warnings.push([`The process died ${Format.time(head.duration)} after the test began: slices that were open then end at its last record.`, "Where", showFailure]);
    if (head.folded) {
      const share = head.duration ? `, ${Format.percent(head.folded_ns / head.duration)} of the test` : "";
      const folded = timeline.complete && mostFolded();
      warnings.push([
        `${Format.plural(head.folded, "slice")} too short to keep ${head.folded === 1 ? "is" : "are"} folded into ${head.folded === 1 ? "its caller" : "their callers"} (${Format.time(head.folded_ns)}${share}).${head.dropped ? "" : " Nothing was dropped."}`,
        folded ? "Where" : "",
        () => folded && search.select(folded),
      ]);
    }
    const element = Dom.get("banner");
    element.hidden = !warnings.length;
    Dom.fill(
      element,
      Dom.icon("warn"),
      el("div", warnings.map(([text, label, click]) => el("p", text + " ", label && el("button.link", { click }, label)))),
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
      for (const [row, ns] of columns.folding()) {
        if (ns <= most) continue;
        most = ns;
        best = { track: index, row };
      }
    }
    return best;
  }

  function legend() {
    Dom.fill("legend", Theme.CATEGORIES.map(([key, label]) => el("span", Theme.swatch(key, Theme.SAMPLE), key === "own" ? "own code, hue by package" : label)));
  }

  function nothing() {
    const calls = timeline.tracks.some((track) => track.kind === "thread" && track.slices);
    Dom.get("nothing").hidden = calls;
  }

  // --- drawing ---

  function arrange() {
    layout.arrange(NARROW.matches);
    Dom.get("area").style.height = `${layout.height}px`;
    labels.draw();
  }

  function found() {
    const output = Dom.get("found");
    if (!view.hits) return Dom.fill(output, el("kbd", "/"));
    if (!search.count) return Dom.fill(output, "no match", el("button.clear", { "aria-label": "Clear filter", title: "Clear filter", click: clear }, "✕"));
    const step = (/** @type {1 | -1} */ by) => (/** @type {Event} */ event) => {
      event.preventDefault();
      search.step(by);
      found();
    };
    Dom.fill(
      output,
      search.position ? `${Format.count(search.position)} of ${Format.count(search.count)}` : Format.count(search.count),
      el("button", { "aria-label": "Previous match", click: step(-1) }, "↑"),
      el("button", { "aria-label": "Next match", click: step(1) }, "↓"),
    );
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
    if (changed.has("tracks") || changed.has("data") || changed.has("size")) arrange();
    if (changed.has("scroll")) labels.scrolled();
    if (changed.has("reveal") && view.selection) reveal(view.selection);
    if (changed.has("data") || changed.has("theme")) {
      tracks.learn();
      minimap.forget();
    }
    tracks.draw();
    minimap.draw();
    ruler.draw();
    if (["selection", "range", "tab", "data", "theme"].some((key) => changed.has(key))) pane.draw();
    else if (changed.has("sources")) pane.draw(true);
    if (changed.has("selection")) announce();
    if (changed.has("hits") || changed.has("selection")) found();
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
    const span = Math.min(head.duration, Math.max(2e6, Math.min(head.duration * 0.26, 400e6)));
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

  function controls() {
    searchBox.addEventListener("input", () => search.set(searchBox.value));
    searchBox.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        search.step(event.shiftKey ? -1 : 1);
        found();
      } else if (event.key === "Escape") clear();
    });
    const slider = /** @type {HTMLInputElement} */ (Dom.get("minimum"));
    slider.addEventListener("input", () => {
      view.hideBelow(Number(slider.value) ? 10 ** (Number(slider.value) / 10 + 2) : 0);
    });
    Dom.get("zoom-in").addEventListener("click", () => view.zoom(0.62));
    Dom.get("zoom-out").addEventListener("click", () => view.zoom(1.6));
    Dom.get("sheet-in").addEventListener("click", () => view.zoom(0.62));
    Dom.get("sheet-out").addEventListener("click", () => view.zoom(1.6));
    Dom.get("whole").addEventListener("click", () => view.all());
    Dom.get("to-failure").addEventListener("click", showFailure);
    const help = () => Keys.help(/** @type {HTMLDialogElement} */ (Dom.get("help")));
    Dom.get("help-button").addEventListener("click", help);
    const toggle = () => {
      view.pane = !view.pane;
      Dom.get("pane-button").setAttribute("aria-pressed", String(view.pane));
      view.changed("pane", "size");
    };
    Dom.get("pane-button").addEventListener("click", toggle);
    Keys.listen(view, layout, search, { failure: showFailure, help, pane: toggle, find: () => searchBox.focus(), go: (selection) => search.select(selection) });
    scroller.addEventListener("scroll", () => view.changed("scroll"));
    new ResizeObserver(() => (Theme.stale() && recolour(), view.changed("size"))).observe(scroller);
    NARROW.addEventListener("change", () => view.changed("size"));
    const recolour = () => {
      Theme.refresh();
      legend();
      view.changed("theme");
    };
    for (const look of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) matchMedia(look).addEventListener("change", recolour);
    const sharpen = () => matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener("change", () => (recolour(), sharpen()), { once: true });
    sharpen();
    addEventListener("hashchange", () => location.reload());
  }

  async function begin() {
    Theme.refresh();
    header();
    legend();
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
    nothing();
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
