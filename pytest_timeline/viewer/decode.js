// The worker: a block's base64 to slices in columns, by depth. docs/report-format.md describes the bytes.
"use strict";

/**
 * The slices of one track. Rows are sorted by depth, then by start: those of depth d are rows
 * `levels[d]` to `levels[d + 1]`. Times are nanoseconds.
 * @typedef {object} Decoded
 * @property {Uint32Array} levels
 * @property {Float64Array} start
 * @property {Float64Array} end
 * @property {Uint32Array} name
 * @property {Uint8Array} flags
 * @property {Uint32Array} thrown  pairs: row, the exception's name plus 1
 * @property {Float64Array} folds  triples: row, how many, ns
 */

/**
 * What runs in the worker; its text is the worker's script, so it may use nothing outside itself.
 * @param {{onmessage: ((event: MessageEvent) => void) | null, postMessage: (message: any, transfer: any[]) => void}} scope
 */
function decodeWorker(scope) {
  const THROWN = 4;

  /** @param {string} text @returns {Uint8Array} */
  function fromBase64(text) {
    const native = /** @type {any} */ (Uint8Array).fromBase64;
    if (native) return native.call(Uint8Array, text);
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  }

  /** @param {Uint8Array} packed @param {number} raw how many bytes come out */
  async function inflate(packed, raw) {
    const stream = new Blob([/** @type {BlobPart} */ (packed)]).stream().pipeThrough(new DecompressionStream("gzip"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    if (bytes.length !== raw) throw new Error(`${bytes.length} of ${raw} bytes`);
    return bytes;
  }

  /** Reads varints, one after the other. */
  class Column {
    /** @param {Uint8Array} bytes @param {number} at @param {number} length */
    constructor(bytes, at, length) {
      this.bytes = bytes;
      this.at = at;
      this.stop = at + length;
    }

    next() {
      const bytes = this.bytes;
      let byte = bytes[this.at++];
      if (byte < 128) return byte;
      let value = byte & 127;
      byte = bytes[this.at++];
      value |= (byte & 127) << 7;
      if (byte < 128) return value;
      byte = bytes[this.at++];
      value |= (byte & 127) << 14;
      if (byte < 128) return value;
      byte = bytes[this.at++];
      value |= (byte & 127) << 21;
      for (let scale = 268435456; byte >= 128; scale *= 128) {
        byte = bytes[this.at++];
        value += (byte & 127) * scale;
      }
      return value;
    }
  }

  /**
   * @param {Uint8Array} bytes
   * @param {{slices: number, levels: number, at: number, columns: number[]}} track
   * @returns {Decoded}
   */
  function slices(bytes, { slices: count, levels: depths, at, columns }) {
    let offset = at;
    const [gap, tail, up, name, mark, fold] = columns.map((length) => {
      offset += length;
      return new Column(bytes, offset - length, length);
    });
    if (offset > bytes.length) throw new Error("a track's columns lie beyond its block");

    const levels = new Uint32Array(depths + 1);
    for (let row = 0, depth = 0; row < count; row++) {
      depth -= up.next();
      levels[++depth]++;
    }
    for (let depth = 0; depth < depths; depth++) levels[depth + 1] += levels[depth];
    up.at = at + columns[0] + columns[1]; // once more from its first byte

    const start = new Float64Array(count);
    const end = new Float64Array(count);
    const names = new Uint32Array(count);
    const flags = new Uint8Array(count);
    const free = levels.slice(); // the next row of each depth
    const open = new Uint32Array(depths + 1);
    const tails = new Float64Array(depths + 1);
    const last = new Float64Array(depths + 2); // where the slice before at each depth ended
    const thrown = [];
    const folds = [];
    let depth = 0;
    let marked = mark.at < mark.stop ? mark.next() : -1;
    let folded = fold.at < fold.stop ? fold.next() : -1;
    for (let row = 0; row < count; row++) {
      for (let closing = up.next(); closing > 0; closing--) {
        depth--;
        end[open[depth]] = last[depth] = last[depth + 1] + tails[depth];
      }
      const here = free[depth]++;
      open[depth] = here;
      tails[depth] = tail.next();
      const begin = last[depth] + gap.next();
      start[here] = begin;
      names[here] = name.next();
      if (row === marked) {
        flags[here] = mark.next();
        if (flags[here] & THROWN) thrown.push(here, mark.next());
        marked = mark.at < mark.stop ? row + 1 + mark.next() : -1;
      }
      if (row === folded) {
        folds.push(here, fold.next(), fold.next());
        folded = fold.at < fold.stop ? row + 1 + fold.next() : -1;
      }
      depth++;
      last[depth] = begin;
    }
    while (depth > 0) {
      depth--;
      end[open[depth]] = last[depth] = last[depth + 1] + tails[depth];
    }
    return { levels, start, end, name: names, flags, thrown: Uint32Array.from(thrown), folds: Float64Array.from(folds) };
  }

  scope.onmessage = async (event) => {
    const { kind, text, raw, tracks } = event.data;
    try {
      const bytes = await inflate(fromBase64(text), raw);
      if (kind !== "slices") {
        scope.postMessage({ json: JSON.parse(new TextDecoder().decode(bytes)) }, []);
        return;
      }
      for (const track of tracks) {
        const columns = slices(bytes, track);
        scope.postMessage({ track: track.index, columns }, Object.values(columns).map((column) => column.buffer));
      }
      scope.postMessage({}, []);
    } catch (error) {
      scope.postMessage({ error: String(error) }, []);
    }
  };
}
