// The viewer's scripts without a page: each test file makes a scope of its own with those that it needs, in a page's order.
import fs from "node:fs";
import vm from "node:vm";

const VIEWER = new URL("../../pytest_timeline/viewer/", import.meta.url);

/**
 * Run the scripts in one scope, as a page does; return those of their names that are asked for.
 * @param {string[]} scripts @param {string[]} names @param {Record<string, unknown>} [given] what else the scope has
 */
export function load(scripts, names, given = {}) {
  const context = vm.createContext({ ...given });
  for (const script of scripts) vm.runInContext(fs.readFileSync(new URL(script, VIEWER), "utf8"), context, { filename: script });
  return vm.runInContext(`({ ${names.join(", ")} })`, context);
}

/** The value as one of this scope, so that it can be compared. */
export const plain = (value) => structuredClone(value);

/** An address and its history, as far as the scripts use them. */
export function addressBar() {
  const location = { hash: "" };
  return { location, history: { replaceState: (_state, _title, hash) => (location.hash = hash) }, URLSearchParams };
}
