// The table of tests. Only the rows in view are in the document; the two edges stand for the others.
"use strict";

const RunTable = (() => {
  const { tests, time } = RunData;
  const MARGIN = 600; // px
  const narrow = matchMedia("(max-width: 760px)");
  const body = Dom.get("rows");
  const [FAILURES, OTHERS] = [-1, -2]; // headings, among the tests' numbers
  const alive = /** @type {Map<number, HTMLElement>} */ (new Map());
  let items = /** @type {number[]} */ ([]);
  let tops = new Float64Array(1); // of each item, and the end
  let scale = 1;
  let sums = [0, 0, 0, 0]; // failures: count, time; others
  let [first, last] = [0, 0];

  /** @param {number} item */
  const height = (item) => (item < 0 ? 28 : RunData.bad(item) && RunData.message(item) ? (narrow.matches ? 100 : 56) : narrow.matches ? 66 : 32);

  function update() {
    const shown = RunList.shown();
    sums = [0, 0, 0, 0];
    scale = 1;
    for (const i of shown) {
      const at = RunData.bad(i) ? 0 : 2;
      sums[at]++;
      sums[at + 1] += tests.duration[i];
      scale = Math.max(scale, tests.duration[i]);
    }
    items = shown.slice();
    if (!RunList.state.sort && shown.length) {
      if (sums[2]) items.splice(sums[0], 0, OTHERS);
      if (sums[0]) items.unshift(FAILURES);
    }
    tops = new Float64Array(items.length + 1);
    items.forEach((item, at) => (tops[at + 1] = tops[at] + height(item)));
    for (const row of alive.values()) row.remove();
    alive.clear();
    for (const head of document.querySelectorAll("[data-sort]")) {
      const sorted = RunList.state.sort === /** @type {HTMLElement} */ (head).dataset.sort;
      if (sorted) head.parentElement?.setAttribute("aria-sort", RunList.state.up ? "ascending" : "descending");
      else head.parentElement?.removeAttribute("aria-sort");
    }
    Dom.get("table").setAttribute("aria-rowcount", String(items.length + 1));
    Dom.get("nothing").hidden = shown.length > 0 || !RunData.count;
    const all = Format.plural(RunData.count, RunData.noun);
    Dom.get("count").textContent = shown.length < RunData.count ? `${Format.count(shown.length)} of ${all}` : all;
    scroll();
  }

  /** The item at that distance from the first one's top. @param {number} y */
  function at(y) {
    let [low, high] = [0, items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (tops[middle + 1] <= y) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Have the rows in the document that are in view. */
  function scroll() {
    const top = Dom.get("above").getBoundingClientRect().top;
    first = at(-top - MARGIN);
    last = Math.min(items.length, at(innerHeight - top + MARGIN) + 1);
    const wanted = new Set(items.slice(first, last));
    for (const [item, row] of alive) {
      if (wanted.has(item)) continue;
      row.remove();
      alive.delete(item);
    }
    let before = body.firstChild;
    for (let place = first; place < last; place++) {
      const item = items[place];
      let row = alive.get(item);
      if (row && row === before) {
        before = row.nextSibling;
        continue;
      }
      if (!row) alive.set(item, (row = item < 0 ? heading(item) : line(item)));
      row.setAttribute("aria-rowindex", String(place + 2));
      body.insertBefore(row, before);
    }
    Dom.get("above").style.height = `${tops[first]}px`;
    Dom.get("below").style.height = `${tops[items.length] - tops[last]}px`;
  }

  /** @param {number} item */
  function heading(item) {
    const [count, us] = item === FAILURES ? sums : sums.slice(2);
    const text = `${Format.plural(count, RunData.noun)}, ${time(us)}${item === OTHERS ? ", slowest first" : ""}`;
    return el("tr.heading", el("td", { colspan: 10 }, el("b", item === FAILURES ? "Failures" : sums[0] ? "Everything else" : "Tests"), " ", text));
  }

  /** Parts of a whole, side by side. @param {[string, number][]} parts @param {number} [width] percent */
  const bar = (parts, width = 100) =>
    el("div.bar", { style: { width: `${width}%` } }, parts.filter((part) => part[1] > 0).map(([kind, us]) => el("i." + kind, { style: { flex: String(us) } })));

  const phases = (/** @type {number} */ i) => /** @type {[string, number][]} */ ([["setup", tests.phases[i][0]], ["call", tests.phases[i][1]], ["teardown", tests.phases[i][2]]]);

  /** By category, without what is too little to see. @param {number} i */
  const where = (i) =>
    /** @type {[string, number][]} */ (RunData.categories.map((category, at) => [category, tests.times[i][at]]))
      .concat([["machinery", RunData.rest(i)]])
      .filter((part) => part[1] > tests.duration[i] / 100);

  /** @param {string} kind @param {string} icon @param {string} text @param {string} title */
  const tag = (kind, icon, text, title) => el("span.tag" + kind, { title }, Dom.icon(icon), text);

  /** @param {number} i */
  function line(i) {
    const outcome = tests.outcome[i];
    const bad = RunData.bad(i);
    const message = bad && RunData.message(i);
    const page = RunData.page(i);
    const [lost, folded] = [tests.dropped[i], tests.folded[i]];
    const number = (/** @type {number} */ value) => el("td.number-cell" + (value ? "" : ".dim"), value ? Format.count(value) : "·");
    const mark = Dom.icon("outcome-" + outcome);
    mark.classList.add(outcome);
    return el(
      "tr" + (bad ? ".bad" : "") + (message ? ".told" : ""),
      { "data-test": i },
      el("td.icon-cell", { title: outcome }, mark, el("span.unseen", outcome)),
      el(
        "td.test-cell",
        { title: `${RunData.file(i)}::${tests.name[i]}` },
        el("div.named", el("a", { href: page || null, tabindex: page ? null : 0, title: RunData.pageless(i) || null }, RunData.name(i)), tests.name[i] && el("span", RunData.file(i))),
        message && el("div.message", { title: message }, message),
      ),
      el("td.time-cell", Format.cell(tests.duration[i] * 1e3)),
      el("td.phase-cell", { title: [...phases(i), ["in fixtures", tests.fixtures[i]]].map(([phase, us]) => `${phase} ${time(us)}`).join(", ") }, bar(phases(i), Math.max(1, (tests.duration[i] / scale) * 100))),
      el("td.where-cell", { title: where(i).map(([category, us]) => `${category === "machinery" ? "pytest" : Theme.label(category)} ${time(us)}`).join(", ") }, bar(where(i))),
      el("td.worker-cell", RunData.worker(RunData.lanes[tests.worker[i]])),
      number(tests.processes[i] - 1),
      number(tests.threads[i]),
      number(tests.tasks[i]),
      el(
        "td.note-cell",
        tests.leaks[i] > 0 && tag(".amber", "leak", Format.plural(tests.leaks[i], "leak"), "Outlived the test: " + tests.leaked[i].join(", ")),
        tests.blocks[i] > 0 && tag(".amber", "warn", Format.plural(tests.blocks[i], "block"), "Blocked its event loop: " + tests.blocked[i].join(", ")),
        tests.rerun[i] > 0 && tag("", "rerun", `rerun ${tests.rerun[i]}`, "Not the first try"),
        RunData.again(i) && tag("", "rerun", "run again", "Not the last try"),
        lost > 0 && tag(".amber", "cut", `${Format.count(lost)} dropped`, "Records that found no room: calls are missing"),
        tests.off[i] && tag("", "cut", "off", RunData.pageless(i)),
        folded > 0 && tag("", "cut", `${Format.percent(folded / (folded + tests.slices[i]))} folded`, `${Format.plural(folded, "short call")} folded into the callers, which keep the time`),
      ),
    );
  }

  /** Move the focus between rows. @param {number} step */
  function step(step) {
    const focused = document.activeElement?.closest("tr[data-test]");
    let place = items.indexOf(Number(focused instanceof HTMLElement ? focused.dataset.test : NaN));
    do place += step;
    while (items[place] < 0);
    const item = items[Math.max(0, place)];
    if (item === undefined || item < 0) return;
    const y = Dom.get("above").getBoundingClientRect().top + tops[place];
    if (y < 120) scrollBy(0, y - 120);
    else if (y + 70 > innerHeight) scrollBy(0, y + 70 - innerHeight);
    scroll();
    alive.get(item)?.querySelector("a")?.focus({ preventScroll: true });
  }

  body.addEventListener("click", (event) => {
    const target = /** @type {Element} */ (event.target);
    const link = target.closest("a") ? null : target.closest("tr")?.querySelector("a");
    if (link?.href && !getSelection()?.toString()) location.href = link.href;
  });
  Dom.get("table").addEventListener("click", (event) => {
    const head = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("[data-sort]"));
    if (head) RunList.sortBy(head.dataset.sort ?? "");
  });
  let asked = 0;
  const later = () => (asked ||= requestAnimationFrame(() => ((asked = 0), scroll())));
  addEventListener("scroll", later, { passive: true });
  new ResizeObserver(later).observe(document.body);
  addEventListener("resize", later);
  narrow.addEventListener("change", update);
  RunList.listen(update);

  return { bar, phases, where, step };
})();
