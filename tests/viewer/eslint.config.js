// What the viewer's scripts are linted by. They are classic scripts that share one scope in a page, so what a script may name
// follows from the pages: what its fellows declare, in every page that has it.
import fs from "node:fs";
import eslint from "@eslint/js";
import { parse } from "acorn";
import globals from "globals";

const VIEWER = new URL("../../pytest_timeline/viewer/", import.meta.url);
const files = fs.readdirSync(VIEWER).map((name) => ({ name, text: fs.readFileSync(new URL(name, VIEWER), "utf8") }));
const pages = files
  .filter(({ name }) => name.endsWith(".html"))
  .map(({ text }) => Array.from(text.matchAll(/<script src="[./]*assets\/(.+?)"/g), (match) => match[1]));
const scripts = new Map(files.filter(({ name }) => name.endsWith(".js")).map(({ name, text }) => [name, text]));
const names = new Map([...scripts].map(([script, text]) => [script, declared(text)]));

/** The names that a script adds to its page's scope. */
function declared(text) {
  const { body } = parse(text, { ecmaVersion: "latest" });
  return body.flatMap((part) => part.declarations ?? [part]).flatMap((part) => part.id?.name ?? []);
}

/** What is linted differently in each script: the names of others that it may use, and which of its own others use. */
function scope(script) {
  const fellows = pages.filter((page) => page.includes(script)).map((page) => page.filter((name) => name !== script));
  const known = fellows.map((page) => page.flatMap((name) => names.get(name) ?? []));
  const shared = (known[0] ?? []).filter((name) => known.every((others) => others.includes(name)));
  const used = names.get(script).filter((name) => {
    const mention = new RegExp(`\\b${name}\\b`);
    return [...scripts].some(([other, text]) => other !== script && mention.test(text));
  });
  return {
    files: [`pytest_timeline/viewer/${script}`],
    languageOptions: {
      sourceType: "script",
      globals: { ...globals.browser, ...Object.fromEntries(shared.map((name) => [name, "readonly"])) },
    },
    rules: { "no-unused-vars": ["error", { varsIgnorePattern: `^(${used.join("|")})$` }] },
  };
}

export default [
  eslint.configs.recommended,
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ["pytest_timeline/viewer/*.js"],
    rules: {
      eqeqeq: ["error", "always", { null: "ignore" }],
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-throw-literal": "error",
      "no-unused-expressions": "error",
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      strict: ["error", "global"],
      // Text from a trace is never markup.
      "no-restricted-properties": [
        "error",
        ...["innerHTML", "outerHTML", "insertAdjacentHTML", "createContextualFragment"].map((property) => ({ property })),
        { object: "document", property: "write" },
      ],
      "no-restricted-syntax": ["error", { selector: "TemplateLiteral TemplateLiteral", message: "rjsmin takes blanks out of the inner one." }],
      // Every window has these: where a declaration was forgotten, nothing else would say so.
      "no-restricted-globals": ["error", ..."close closed event external find frames length name open origin parent print scroll status stop top".split(" ")],
    },
  },
  ...Array.from(scripts.keys(), scope),
  { files: ["tests/viewer/*.js"], languageOptions: { globals: globals.node } },
];
