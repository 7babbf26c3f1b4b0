// What is said of the run as a whole: outcomes, facts, warnings, where its time went, the slowest fixtures.
"use strict";

const RunFacts = (() => {
  const { data, tests, time } = RunData;
  const FIXTURES = 12;
  const IMPORTS = 10;
  const WORTH = 0.2; // s; nobody asks where a shorter collection's time went
  const SET_UPS = 8; // named of each fixture
  const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
  const TRACES = /** @type {Record<string, string>} */ ({ perfetto: "Combined trace", chrome: "Combined trace, Chrome" });
  const EXITS = ["all passed", "tests failed", "interrupted", "internal error", "usage error", "no tests ran"];
  const exit = data.exitstatus == null ? "did not come to its end" : `${data.exitstatus}, ${EXITS[data.exitstatus] ?? "set by a plugin"}`;
  const [slices, folded] = [RunData.total("slices"), RunData.total("folded")];
  const workers = /** @type {{id: string, pid: number, died?: object, replaces?: string, clock_error_us?: number}[]} */ (data.workers ?? []);

  /** The same for every reader: no locale has a say. @param {string} iso */
  function moment(iso) {
    const at = new Date(iso);
    if (Number.isNaN(at.getTime())) return iso;
    const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
    return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]} ${at.getUTCFullYear()}, ${[at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()].map(two).join(":")} UTC`;
  }

  /** @param {string} kind @param {string} text */
  const swatch = (kind, text) => el("span", el("i.swatch." + kind), text);
  /** @param {string} text @param {() => void} act */
  const action = (text, act) => el("button.link", { click: act }, text);

  function head() {
    const project = String(data.root).split(/[/\\]/).filter(Boolean).pop() ?? "";
    const command = ["pytest", ...data.argv].join(" ");
    Dom.fill("project", project || "pytest");
    Dom.fill("command", command);
    Dom.get("command").title = command;
    Dom.fill(
      "links",
      Object.entries(data.combined ?? {}).map(([format, file]) => el("a.button.framed", { href: encodeURI(String(file)), download: true }, Dom.icon("download"), format.replace(/^\w+/, (kind) => TRACES[kind] ?? kind))),
    );
    Dom.fill(
      "outcomes",
      RunData.outcomes.map(([outcome, count]) => {
        const mark = Dom.icon(outcome === "rerun" ? outcome : "outcome-" + outcome);
        mark.classList.add(outcome);
        return el("button", { "data-outcome": outcome }, el("b." + outcome, Format.count(count)), el("span", mark, outcome));
      }),
    );
    const replaced = workers.filter((worker) => worker.replaces).length;
    const facts = /** @type {[string, string][]} */ ([
      ["Wall time", time(data.duration * 1e6)],
      ["Workers", workers.length ? `${workers.length - replaced}${replaced ? " + " + replaced + " replaced" : ""}` : ""],
      ["Started", data.start ? moment(data.start) : ""],
      ["Python", data.python],
      ["pytest", data.pytest],
      ["Platform", data.platform],
      ["Exit status", exit],
      ["Slices", Format.count(slices)],
      ["Folded", folded ? `${Format.count(folded)} (${Format.percent(folded / (slices + folded))})` : "0"],
      ["Dropped", Format.count(data.dropped ?? 0)],
      ["Timelines", RunData.keep && `${Format.count(tests.page.filter(Boolean).length)} of ${Format.count(tests.off.filter((off) => !off).length)} kept (${RunData.keep})`],
    ]);
    Dom.fill("facts", facts.filter((fact) => fact[1]).map(([name, fact]) => el("div", el("dt", name), el("dd", fact))));
  }

  function warnings() {
    const many = (/** @type {string} */ column) => Format.plural(tests[column].filter(Boolean).length, "test");
    const shown = /** @type {[string, string][]} */ (data.warnings.map((/** @type {string} */ text) => [text, /records found no room/.test(text) && tests.dropped.some(Boolean) ? "dropped" : ""]));
    if (folded)
      shown.push([`${Format.count(folded)} short calls (${Format.percent(folded / (slices + folded))}) are folded into their callers in ${many("folded")}: those keep their time.`, "folded"]);
    const errors = /** @type {[string, string][]} */ (data.errors ?? []);
    Dom.get("errors").hidden = !errors.length;
    Dom.fill(
      "errors",
      errors.map(([what, why]) => el("li", Dom.icon("outcome-error"), el("span", "Not collected: ", el("b", what), why && " ", why && el("code", why)))),
    );
    Dom.get("warnings").hidden = !shown.length;
    Dom.fill(
      "warnings",
      shown.map(([text, note]) => el("li", Dom.icon("warn"), el("span", text, " ", note && action("Show them", () => RunList.only({ note, sort: "notes" }))))),
    );
  }

  /** A bar of shares with its legend. @param {string} title @param {string} about @param {[string, string, number, string?][]} parts @param {boolean} choosable */
  function shares(title, about, parts, choosable) {
    const sum = parts.reduce((sum, part) => sum + part[2], 0);
    const seen = parts.filter((part) => part[2] > (choosable ? 0 : sum / 1000));
    return el(
      "div",
      el("h2", title, el("span", `${time(sum)} ${about}`)),
      RunTable.bar(seen.map(([kind, , us]) => [kind, us])),
      el(
        "div.shares-key",
        seen.map(([kind, text, us, title]) =>
          el(
            choosable ? "button" : "div",
            choosable ? { "data-category": kind, title: "Sort the tests by it" } : { title },
            swatch(kind, text),
            el("b", time(us), el("em", Format.percent(us / sum))),
          ),
        ),
      ),
    );
  }

  function where() {
    const { collection, machinery, idle, after } = RunData.between();
    const [setUp, call, tearDown] = RunData.phases;
    const noun = workers.length ? "of worker time" : "in all";
    Dom.fill(
      "shares",
      shares(
        "By phase",
        noun,
        [
          ["collection", "Collection", collection, "pytest's start-up and finding the tests: conftest files, imports"],
          ["machinery", "pytest", machinery, "pytest and its plugins, between the phases of a test"],
          ["setup", "Setup", setUp, "Fixtures set up, and what pytest does around them"],
          ["call", "Test bodies", call],
          ["teardown", "Teardown", tearDown],
          ["idle", "Idle", idle, "No test ran, though there were more to come, here or on another worker"],
          ["after", "Shutdown", after, "After the last test of the run"],
        ],
        false,
      ),
      shares(
        "Where the time went",
        "of tests; solid is running, patterned is waiting",
        [.../** @type {[string, string, number][]} */ (RunData.categories.map((category, at) => [category, RunData.label(category), RunData.times[at]])), ["machinery", "pytest", RunData.machinery]],
        true,
      ),
    );
  }

  function fixtures() {
    const all = RunData.fixtures;
    const cost = (/** @type {typeof all[number]} */ fixture) => fixture[3] + fixture[4];
    const most = Math.max(1, ...all.map(cost));
    const users = /** @type {Map<string, number>} */ (new Map());
    for (const use of tests.uses) for (const name of RunData.uses[use]) users.set(name, (users.get(name) ?? 0) + 1);
    Dom.get("fixtures").hidden = !all.length;
    Dom.get("fixtures-sum").textContent = `${time(all.reduce((sum, fixture) => sum + cost(fixture), 0))} in ${Format.plural(all.length, "fixture")}`;
    const made = (/** @type {typeof all[number]} */ fixture) => {
      const [name, scope, count, setUp, tearDown, longest, place] = fixture;
      const used = users.get(name) ?? 0;
      return el(
        "li",
        el(
          "details",
          el(
            "summary",
            { title: `set up in ${time(setUp)}, torn down in ${time(tearDown)}` },
            el("code", name),
            el("span.scope", scope),
            el("span.cost", Format.cell(cost(fixture) * 1e3)),
            el("small", { title: place }, place),
            el("small", Format.plural(count, "set-up")),
            RunTable.bar([["setup", setUp], ["teardown", tearDown]], (cost(fixture) / most) * 100),
          ),
          el("p", `${time(setUp)} to set up, ${time(tearDown)} to tear down. `, used > 0 && action(`Show the ${Format.plural(used, "test")} that ${used === 1 ? "uses" : "use"} it`, () => RunList.only({ fixture: name }))),
          longest.length > 0 && el("p.dim", count > longest.length || longest.length > SET_UPS ? "The longest set-ups, for" : "Set up for"),
          el("ol", longest.slice(0, SET_UPS).map(([test, us]) => el("li", el("a", { href: RunData.page(test) || null }, RunData.name(test)), el("span", Format.cell(us * 1e3))))),
        ),
      );
    };
    Dom.fill("fixture-list", all.slice(0, FIXTURES).map(made));
    if (all.length > FIXTURES) {
      const rest = el("li.rest", action(`Show ${all.length - FIXTURES} more`, () => rest.replaceWith(...all.slice(FIXTURES).map(made))));
      Dom.get("fixture-list").append(rest);
    }
  }

  function imports() {
    const collection = RunData.collection;
    const all = collection && collection.duration >= WORTH ? collection.imports : [];
    Dom.get("imports").hidden = !all.length;
    if (!collection || !all.length) return;
    const page = RunData.pageOf(RunData.lanes.find((lane) => lane.worker === collection.worker)?.page);
    Dom.fill("imports-sum", el("a", { href: page || null }, `${time(collection.duration * 1e6)} in collection`), collection.worker && ` of ${collection.worker}`);
    const cell = (/** @type {number} */ seconds) => el("span.cost", Format.cell(seconds * 1e9));
    const row = (/** @type {typeof all[number]} */ [name, own, total, file, via, modules]) =>
      el("li", el("code", { title: file }, name), cell(total), cell(own), el("small", { title: via || file }, via ? `for ${via}` : file), modules > 1 && el("small", Format.plural(modules, "module")));
    Dom.fill("import-list", all.slice(0, IMPORTS).map(row));
  }

  /** What the lanes' colours mean. @param {string} mode */
  function key(mode) {
    const outcomes = RunData.drawn.map((outcome) => swatch("bar-" + outcome, outcome === "passed" ? "passed, setup lighter" : outcome));
    const categories = [...RunData.categories.filter((_, at) => RunData.times[at]), "machinery"].map((category) => swatch(category, category === "machinery" ? "pytest" : RunData.label(category)));
    const others = [swatch("collected", "collection"), ...(RunData.lanes.some((lane) => lane.modules?.length) ? [swatch("imported", "import")] : []), ...(RunData.wide.length ? [swatch("wide-fixture", "fixture for many tests")] : []), swatch("idle", "idle")];
    Dom.fill("lanes-key", ...(mode === "category" ? categories : outcomes), ...others);
  }

  /** All that is known of the run. */
  function details() {
    const errors = new Map(workers.filter((worker) => worker.clock_error_us).map((worker) => [worker.id, worker.clock_error_us]));
    const rows = /** @type {[string, any][]} */ ([
      ["Command", el("code", ["pytest", ...data.argv].join(" "))],
      ["Root", el("code", data.root)],
      ["Started", data.start && moment(data.start)],
      ["Wall time", `${time(data.duration * 1e6)}, until pytest's session ended`],
      ["Exit status", exit],
      ["Versions", [data.python && `Python ${data.python}`, data.pytest && `pytest ${data.pytest}`].filter(Boolean).join(", ")],
      ["Platform", data.platform],
      ["Plugins", (data.plugins ?? []).join(", ")],
      ["Workers", RunData.lanes.filter((lane) => lane.worker).map((lane) => el("div", [
        `${lane.worker}: process ${lane.pid}`, Format.plural(lane.tests.length, "test"), lane.replaces && `replaces ${lane.replaces}`, lane.died && RunData.ended(lane),
        errors.has(lane.worker ?? "") && `clock known to ${time(errors.get(lane.worker ?? "") ?? 0)}`,
      ].filter(Boolean).join(", ")))],
    ]);
    tell("This run", el("dl.details", rows.filter((row) => row[1] && row[1].length !== 0).flatMap(([name, fact]) => [el("dt", name), el("dd", fact)])));
  }

  /** Open the dialog. @param {string} title @param {...Node} about */
  function tell(title, ...about) {
    const dialog = /** @type {HTMLDialogElement} */ (Dom.get("dialog"));
    const close = el("button.button.framed", { click: () => dialog.close() }, "Close ", el("kbd", "Esc"));
    Dom.fill(dialog, el("div.help-head", el("h2", { id: "dialog-title" }, title), el("span.fill"), close), about);
    dialog.showModal();
  }

  /** A run may have no tests. */
  function none() {
    const none = !RunData.count;
    for (const id of ["shares", "lanes", "table"]) Dom.get(id).hidden = none && (id !== "lanes" || !RunData.lanes.length);
    Dom.get("none").hidden = !none;
    Dom.fill("none", `No test was run: ${exit}.`);
    Dom.get("table").classList.toggle("alone", !workers.length);
    if (!workers.length) Dom.fill("lanes-title", "The run");
  }

  head();
  none();
  warnings();
  where();
  fixtures();
  imports();
  return { key, details, tell };
})();
