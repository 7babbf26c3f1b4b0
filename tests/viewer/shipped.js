// What ships means what is read: node shipped.js DIRECTORY, an installed viewer, compares syntax trees with the sources'.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "acorn";

const SOURCES = fileURLToPath(new URL("../../pytest_timeline/viewer", import.meta.url));
const [shipped] = process.argv.slice(2);

/** The script as JSON of its syntax tree, without where things are. */
function tree(file) {
  const parsed = parse(fs.readFileSync(file, "utf8"), { ecmaVersion: "latest" });
  return JSON.stringify(parsed, (key, value) => (key === "start" || key === "end" ? undefined : value));
}

const names = fs.readdirSync(SOURCES).filter((name) => name.endsWith(".js"));
const changed = names.filter((name) => tree(path.join(SOURCES, name)) !== tree(path.join(shipped, name)));
console.log(`${names.length} scripts, ${changed.length ? `changed: ${changed.join(", ")}` : "all the same"} in ${shipped}`);
process.exitCode = changed.length || !names.length ? 1 : 0;
