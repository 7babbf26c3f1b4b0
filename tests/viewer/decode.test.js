import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { load, plain } from "./scripts.js";
import { decoded, grow } from "./trees.js";

const given = { atob, Blob, DecompressionStream, Response, TextDecoder };
const { decodeWorker } = load(["decode.js"], ["decodeWorker"], given);
const THROWN = 4;

/** The value in 7 bits a byte, the lowest first; more than 32 bits too. */
function varint(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return [...bytes, value];
}

/** The six columns of docs/report-format.md, each a list of values. */
function encode(roots) {
  const [gap, tail, up, name, mark, fold] = Array.from({ length: 6 }, () => []);
  let row = 0;
  let closed = 0;
  let marked = 0;
  let folded = 0;
  const visit = (siblings, from) => {
    let last = from;
    for (const slice of siblings) {
      gap.push(slice.start - last);
      up.push(closed);
      closed = 0;
      name.push(slice.name);
      const place = tail.push(0) - 1;
      if (slice.flags) {
        mark.push(row - marked, slice.flags, ...(slice.flags & THROWN ? [slice.thrown] : []));
        marked = row + 1;
      }
      if (slice.folded) {
        fold.push(row - folded, ...slice.folded);
        folded = row + 1;
      }
      row++;
      tail[place] = slice.end - visit(slice.children, slice.start);
      closed++;
      last = slice.end;
    }
    return last;
  };
  visit(roots, 0);
  return [gap, tail, up, name, mark, fold];
}

/** A block with these trees, and where in it each lies. */
function block(...trees) {
  let bytes = [];
  const tracks = trees.map((roots, index) => {
    const columns = encode(roots).map((values) => values.flatMap(varint));
    const all = decoded(roots);
    const track = { index, slices: all.start.length, levels: all.levels.length - 1, at: bytes.length, columns: columns.map(({ length }) => length) };
    bytes = bytes.concat(...columns);
    return track;
  });
  return { raw: bytes.length, text: gzipSync(Uint8Array.from(bytes)).toString("base64"), tracks };
}

/** What the worker answers. */
function decode(data) {
  return new Promise((resolve) => {
    const answers = [];
    const scope = {
      onmessage: null,
      postMessage: (answer) => {
        answers.push(answer);
        if (!answer.columns) resolve(answers);
      },
    };
    decodeWorker(scope);
    scope.onmessage({ data });
  });
}

/** Columns whose pairs and triples are in order of row: the worker has them as they come. */
function sorted({ thrown, folds, ...columns }) {
  const split = (list, size) => Array.from({ length: list.length / size }, (_, at) => Array.from(list.slice(at * size, at * size + size))).sort((a, b) => a[0] - b[0]);
  return { ...columns, thrown: split(thrown, 2), folds: split(folds, 3) };
}

const stretched = (roots, factor) =>
  roots.map((slice) => ({ ...slice, start: slice.start * factor, end: slice.end * factor, children: stretched(slice.children, factor) }));

for (const [seed, factor] of [[1, 1], [2, 1], [3, 997], [4, 5e8]]) {
  test(`the columns are those of the trees, ${seed}`, async () => {
    const trees = [grow(seed, 1), grow(seed, 900), [], grow(seed + 50, 400, { names: 70_000, depth: 60 })].map((roots) => stretched(roots, factor));
    const answers = await decode({ kind: "slices", ...block(...trees) });
    assert.deepEqual(answers.map((answer) => answer.track), [0, 1, 2, 3, undefined]);
    trees.forEach((roots, index) => assert.deepEqual(sorted(plain(answers[index].columns)), sorted(decoded(roots))));
    assert.deepEqual(plain(answers.at(-1)), {});
  });
}

test("a block of JSON", async () => {
  const text = '{"a": ["é", 1e300, null]}';
  const packed = gzipSync(text).toString("base64");
  const [answer] = await decode({ kind: "model", text: packed, raw: Buffer.byteLength(text) });
  assert.deepEqual(plain(answer.json), JSON.parse(text));
});

test("a block that is not what it should be is an error", async () => {
  const good = block(grow(1, 300));
  const middle = good.text.length >> 1;
  for (const [what, bad] of Object.entries({
    "cut off": { text: good.text.slice(0, middle - (middle % 4)) },
    changed: { text: good.text.slice(0, middle) + (good.text[middle] === "A" ? "B" : "A") + good.text.slice(middle + 1) },
    "no base64": { text: good.text.slice(0, 8) + "!" + good.text.slice(9) },
    "longer than said": { raw: good.raw - 1 },
    "shorter than said": { raw: good.raw + 1 },
    "columns beyond it": { tracks: good.tracks.map((track) => ({ ...track, at: 1 })) },
  })) {
    const answers = await decode({ kind: "slices", ...good, ...bad });
    assert.equal(answers.length, 1, what);
    assert.ok(answers[0].error, what);
  }
});
