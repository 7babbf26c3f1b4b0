// What is said of the run as a whole: outcomes, facts, warnings, where its time went, the slowest fixtures.
"use strict";

const RunFacts = (() => {
  const { data, tests, time } = RunData;
  const FIXTURES = 12;
  const NAMES = /** @type {Record<string, string>} */ ({ perfetto: "Combined Perfetto trace", chrome: "Combined Chrome trace" });

  /** @param {string} kind @param {string} text */
  const swatch = (kind, text) => Dom.el("span", null, Dom.el("i.swatch." + kind), text);

  function head() {
    const project = String(data.root).split(/[/\\]/).filter(Boolean).pop() ?? "";
    Dom.fill(Dom.get("project"), project || "pytest");
    Dom.fill(Dom.get("command"), ["pytest", ...data.argv].join(" "));
    Dom.get("command").title = data.argv.join(" ");
    Dom.fill(
      Dom.get("links"),
      Object.entries(data.combined ?? {}).map(([format, file]) => Dom.el("a.button.framed", { href: encodeURI(String(file)), download: true }, NAMES[format] ?? format)),
    );
    Dom.fill(
      Dom.get("outcomes"),
      RunData.outcomes.map(([outcome, count]) => {
        const mark = Dom.icon("outcome-" + outcome);
        mark.classList.add(outcome);
        return Dom.el("button", { "data-outcome": outcome }, Dom.el("b." + outcome, null, Format.count(count)), Dom.el("span", null, mark, outcome));
      }),
    );
    const [slices, folded] = [RunData.total("slices"), RunData.total("folded")];
    const facts = [
      ["Wall time", time(data.duration * 1e6)],
      ["Workers", data.workers?.length || ""],
      ["Started", data.start ? new Date(data.start).toLocaleString() : ""],
      ["Python", data.python],
      ["pytest", data.pytest],
      ["Exit status", String(data.exitstatus ?? "none")],
      ["Slices", Format.count(slices)],
      ["Folded", folded ? `${Format.count(folded)} (${Format.percent(folded / (slices + folded))})` : "0"],
      ["Dropped", Format.count(data.dropped ?? 0)],
    ];
    Dom.fill(Dom.get("facts"), facts.filter((fact) => fact[1]).map(([name, fact]) => Dom.el("div", null, Dom.el("dt", null, name), Dom.el("dd", null, fact))));
    const leaks = RunData.total("leaks");
    const warnings = [...data.warnings, ...(leaks ? [`${Format.plural(leaks, "thread, process or task", "threads, processes or tasks")} outlived ${leaks === 1 ? "its test" : "their tests"}: sort by notes to see whose.`] : [])];
    Dom.get("warnings").hidden = !warnings.length;
    Dom.fill(Dom.get("warnings"), warnings.map((text) => Dom.el("li", null, Dom.icon("warn"), Dom.el("span", null, text))));
  }

  /** A bar of shares with its legend. @param {string} title @param {string} about @param {[string, string, number][]} parts @param {boolean} choosable */
  function shares(title, about, parts, choosable) {
    const seen = parts.filter((part) => part[2] > 0);
    const sum = seen.reduce((sum, part) => sum + part[2], 0);
    return Dom.el(
      "div",
      null,
      Dom.el("h2", null, title, Dom.el("span", null, `${time(sum)} ${about}`)),
      RunTable.bar(seen.map(([kind, , us]) => [kind, us])),
      Dom.el(
        "div.shares-key",
        null,
        seen.map(([kind, text, us]) =>
          Dom.el(
            choosable ? "button" : "div",
            choosable ? { "data-category": kind, title: "Sort the tests by it" } : null,
            swatch(kind, text),
            Dom.el("b", null, time(us), Dom.el("em", null, Format.percent(us / sum))),
          ),
        ),
      ),
    );
  }

  function where() {
    const begun = RunData.lanes.reduce((sum, lane) => sum + Math.max(0, (lane.tests.length ? tests.start[lane.tests[0]] : lane.end) - lane.begin), 0);
    const there = RunData.lanes.reduce((sum, lane) => sum + lane.end - lane.begin, 0);
    const [setUp, call, tearDown] = RunData.phases;
    Dom.fill(
      Dom.get("shares"),
      shares("By phase", "of all workers", [["begin", "Collection", begun], ["setup", "Set-up", setUp], ["call", "Test bodies", call], ["teardown", "Tear-down", tearDown], ["idle", "Between tests", there - begun - setUp - call - tearDown]], false),
      shares(
        "Where the time went",
        "of tests; solid is running, patterned is waiting",
        [.../** @type {[string, string, number][]} */ (RunData.categories.map((category, at) => [category, Theme.label(category), RunData.times[at]])), ["machinery", "pytest", RunData.machinery]],
        true,
      ),
    );
  }

  function fixtures() {
    const all = RunData.fixtures.toSorted((a, b) => b[3] + b[4] - a[3] - a[4]);
    const most = Math.max(1, ...all.map((fixture) => fixture[3] + fixture[4]));
    Dom.get("aside").hidden = !all.length;
    Dom.get("fixtures-sum").textContent = Format.plural(all.length, "fixture");
    Dom.fill(
      Dom.get("fixture-list"),
      all.slice(0, FIXTURES).map(([name, scope, count, setUp, tearDown, longest]) =>
        Dom.el(
          "li",
          null,
          Dom.el(
            "details",
            null,
            Dom.el(
              "summary",
              null,
              Dom.el("code", null, name),
              Dom.el("span", null, Format.cell((setUp + tearDown) * 1e3)),
              Dom.el("small", null, `${scope}, ${Format.plural(count, "set-up")}`),
              RunTable.bar([["setup", setUp], ["teardown", tearDown]], ((setUp + tearDown) / most) * 100),
            ),
            Dom.el("ol", null, longest.slice(0, 8).map(([test, us]) => Dom.el("li", null, Dom.el("a", { href: RunData.page(test) || null }, RunData.name(test)), Dom.el("span", null, Format.cell(us * 1e3))))),
          ),
        ),
      ),
    );
  }

  /** What the lanes' colours mean. @param {string} mode */
  function key(mode) {
    const outcomes = RunData.outcomes.map(([outcome]) => swatch("bar-" + outcome, outcome === "passed" ? "passed, set-up lighter" : outcome));
    const categories = [...RunData.categories.filter((_, at) => RunData.times[at]), "machinery"].map((category) => swatch(category, Theme.label(category)));
    Dom.fill(Dom.get("lanes-key"), mode === "category" ? categories : [...outcomes, swatch("begin", "start and collection"), swatch("idle", "idle")]);
  }

  head();
  where();
  fixtures();
  return { key };
})();
