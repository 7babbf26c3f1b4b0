// The page's data: the head at once, the blocks as the workers hand them back; then one timeline.
"use strict";

/**
 * @typedef {object} Head  docs/report-format.md has its keys
 * @property {string} nodeid
 * @property {string} outcome
 * @property {number} rerun
 * @property {string | null} worker
 * @property {string} [file]
 * @property {number} [line]
 * @property {string} root
 * @property {number} duration
 * @property {{name: string, start: number, end: number}[]} phases
 * @property {Failure[]} [failures]
 * @property {string} [reason]
 * @property {string[]} [not_recorded]
 * @property {number} folded
 * @property {number} folded_ns
 * @property {number} outer_folded
 * @property {number} outer_folded_ns
 * @property {number} dropped
 * @property {Record<string, string>} files
 * @property {string | null} run
 * @property {Record<string, string>} versions
 * @property {string[]} categories
 * @property {Record<string, number>} times
 * @property {{pid: number, parent_pid: number, parent: number | null, name: string, args?: Record<string, any>}[]} processes
 * @property {Track[]} tracks
 * @property {{kind: string, packed: number, raw: number, crc32: number}[]} blocks
 *
 * @typedef {[string, number, string]} Frame  file, line, function
 * @typedef {object} Raised
 * @property {string} type
 * @property {string} message
 * @property {number} [cut]
 * @property {string[]} [notes]
 * @property {(Frame | number)[]} traceback
 * @typedef {Raised & {of: number, as: string}} Other
 * @typedef {Raised & {at: number, phase?: string, others?: Other[], left_out?: number}} Failure
 *
 * @typedef {object} Track
 * @property {number} index  added here
 * @property {Columns} columns  of slices; in the page it is their lengths in bytes
 * @property {number[]} lengths  these
 * @property {number} at
 * @property {number} process
 * @property {string} kind
 * @property {string} name
 * @property {number} id
 * @property {number} serial
 * @property {number | null} parent
 * @property {number} slices
 * @property {number} levels
 * @property {number} first
 * @property {number} last
 * @property {number} busy
 * @property {number} [folded]
 * @property {number} [folded_ns]
 * @property {number} [block]
 *
 * @typedef {object} Name
 * @property {string} text
 * @property {number} kind
 * @property {number} file
 * @property {number} line
 * @property {string} category
 * @property {string} group  what its colour comes from: the top-level package
 *
 * @typedef {{track: number, at: number, name: string, category: string, args: Record<string, any> | null, level?: number}} Instant
 * @typedef {{from: number, start: number, to: number, end: number, name: string}} Flow
 * @typedef {{path: string, short: string, package: string, category: string, source: string}} SourceFile
 * @typedef {{unit: string, ns: number[], value: number[]}} Counter
 * @typedef {[number, number, Record<string, string>, string?]} Values  begin, depth, arguments, result
 */

/** All that the page knows. Before `load` has ended, tracks have no slices and there are no names. */
class Timeline {
  /** @type {Name[]} */
  names = [];
  /** @type {SourceFile[]} */
  files = [];
  /** @type {Instant[]} */
  instants = [];
  /** @type {Flow[]} */
  flows = [];
  /** @type {Map<number, Counter>} */
  counters = new Map();
  /** @type {Record<number, Values[]>} by track */
  values = {};
  /** @type {Map<number, [number, string][]>} */
  sources = new Map();
  /** @type {string[]} what is wrong with the data, for people */
  damage = [];
  complete = false;

  /** @param {Head} head */
  constructor(head) {
    this.head = head;
    this.tracks = head.tracks;
    this.tracks.forEach((track, index) => {
      track.index = index;
      track.lengths = /** @type {any} */ (track.columns);
      track.columns = new Columns({ levels: new Uint32Array(track.levels + 1) });
    });
    this.failures = head.failures ?? [];
    /** @type {Failure | undefined} the first */
    this.failure = this.failures[0];
  }

  /** @param {number} track @param {number} row */
  nameOf(track, row) {
    return this.names[this.tracks[track].columns.name[row]];
  }

  /** The type of the exception that a slice left by: "" where it is not known, undefined where there was none. @param {number} track @param {number} row */
  thrown(track, row) {
    const name = this.tracks[track].columns.throwing.get(row);
    return name === undefined ? undefined : this.names[name]?.text ?? "";
  }

  /** What a call was given and gave back. @param {Place} place @returns {Values | undefined} */
  valuesOf({ track, row }) {
    const { columns } = this.tracks[track];
    const depth = columns.depth(row);
    return this.values[track]?.find(([start, level]) => start === columns.start[row] && level === depth);
  }

  /**
   * The text around `line` of that file; null where there is none, or none yet: it is fetched, then `arrived` is called.
   * @param {number} file @param {number} line @param {() => void} arrived
   */
  source(file, line, arrived) {
    const key = this.files[file]?.source;
    if (key) {
      const lines = sharedSource(key, arrived);
      return lines && line <= lines.length ? { first: 1, lines } : null;
    }
    for (const [first, text] of this.sources.get(file) ?? []) {
      const lines = text.replace(/\n$/, "").split("\n");
      if (first <= line && line < first + lines.length) return { first, lines };
    }
    return null;
  }
}

/** @type {Map<string, string[] | null>} lines of the sources that a run's pages share, by key; null while they are fetched */
const sharedSources = new Map();

/* exported timelineSource */
/** Called by each `assets/source-KEY.js`. @param {string} key @param {string} text */
function timelineSource(key, text) {
  sharedSources.set(key, text.split(/\r\n?|\n/));
}

/** A page from a disk can read no other file, but it can run a script. @param {string} key @param {() => void} arrived */
function sharedSource(key, arrived) {
  if (!sharedSources.has(key)) {
    sharedSources.set(key, null);
    document.head.append(el("script", { src: `../assets/source-${key}.js`, load: arrived }));
  }
  return sharedSources.get(key) ?? null;
}

const Data = (() => {
  /** @returns {Head} */
  const head = () => JSON.parse(Dom.get("head").textContent ?? "");

  /**
   * Decode the blocks; `progress` is called with the share done when something can be drawn that could not before.
   * @param {Timeline} timeline
   * @param {(done: number) => void} progress
   */
  async function load(timeline, progress) {
    const { blocks } = timeline.head;
    const script = URL.createObjectURL(new Blob([`(${decodeWorker})(self)`], { type: "text/javascript" }));
    const size = clamp(navigator.hardwareConcurrency - 1, 1, Math.min(blocks.length || 1, 4));
    const workers = Array.from({ length: size }, () => new Worker(script));
    const total = packedIn(blocks) + 1;
    let done = 0;
    let next = 0;
    const take = async (/** @type {Worker} */ worker) => {
      while (next < blocks.length) {
        const index = next++;
        try {
          await decode(worker, index, timeline);
        } catch (error) {
          timeline.damage.push(error instanceof Error ? error.message : String(error));
        }
        done += blocks[index].packed;
        progress(done / total);
      }
    };
    await Promise.all(workers.map(take));
    for (const worker of workers) worker.terminate();
    URL.revokeObjectURL(script);
    timeline.complete = true;
  }

  /** How many bytes blocks have. @param {Head["blocks"]} blocks */
  const packedIn = (blocks) => blocks.reduce((sum, { packed }) => sum + packed, 0);

  /** @param {Worker} worker @param {number} index @param {Timeline} timeline @returns {Promise<void>} */
  async function decode(worker, index, timeline) {
    const { blocks } = timeline.head;
    const { kind, packed, raw } = blocks[index];
    const element = document.getElementById(`block-${index}`);
    const text = element?.textContent?.trim() ?? "";
    element?.remove(); // the text is as large as all the columns
    const whole = 4 * Math.ceil(packed / 3);
    if (text.length < whole) {
      const share = (packedIn(blocks.slice(0, index)) + (packed * text.length) / whole) / packedIn(blocks);
      throw new Error(`This page's data is cut off at ${Math.floor(share * 100)} %.`);
    }
    const wanted = timeline.tracks
      .filter(({ block }) => block === index)
      .map(({ index, slices, levels, at, lengths }) => ({ index, slices, levels, at, columns: lengths }));
    return new Promise((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(`This page's data cannot be read: ${event.message}.`));
      worker.onmessage = ({ data }) => {
        if (data.error) reject(new Error(`Part ${index + 1} of this page's data is damaged (${data.error}).`));
        else if (data.columns) timeline.tracks[data.track].columns = new Columns(data.columns);
        else {
          if (kind === "model") model(timeline, data.json);
          if (kind === "source") for (const [file, parts] of Object.entries(data.json)) timeline.sources.set(+file, /** @type {any} */ (parts));
          resolve();
        }
      };
      worker.postMessage({ kind, text, raw, tracks: wanted });
    });
  }

  /** @param {Timeline} timeline @param {any} block */
  function model(timeline, { names, files, rows, instants, flows, counters, values }) {
    const { categories } = timeline.head;
    timeline.files = files.path.map((/** @type {string} */ path, /** @type {number} */ i) => ({
      path,
      short: files.short[i],
      package: files.package[i],
      category: categories[files.category[i]],
      source: files.source?.[i] ?? "",
    }));
    timeline.names = names.text.map((/** @type {string} */ text, /** @type {number} */ i) => ({
      text,
      kind: names.kind[i],
      file: names.file[i],
      line: names.line[i],
      category: categories[names.category[i]],
      group: timeline.files[names.file[i]]?.package ?? text.split(".")[0],
    }));
    for (const [track, list] of Object.entries(rows ?? {})) timeline.tracks[+track].columns = told(timeline, /** @type {any} */ (list));
    timeline.instants = (instants ?? []).map((/** @type {any[]} */ [track, at, name, category, args]) => ({ track, at, name, category, args }));
    timeline.flows = (flows ?? []).map((/** @type {any[]} */ [from, start, to, end, name]) => ({ from, start, to, end, name }));
    timeline.values = values ?? {};
    timeline.counters = new Map(Object.entries(counters ?? {}).map(([track, counter]) => [+track, /** @type {Counter} */ (counter)]));
  }

  /**
   * Columns of rows that came as objects, and so may lie as they like.
   * @param {Timeline} timeline
   * @param {[number, number, number, string, string, Record<string, any> | null][]} list
   */
  function told(timeline, list) {
    const rows = [...list].sort((a, b) => a[2] - b[2] || a[0] - b[0]);
    const levels = new Uint32Array(2 + rows.reduce((most, row) => Math.max(most, row[2]), -1));
    for (const row of rows) levels[row[2] + 1]++;
    for (let depth = 1; depth < levels.length; depth++) levels[depth] += levels[depth - 1];
    /** @type {Map<string, number>} */
    const known = new Map();
    const name = rows.map(([, , depth, text, category]) => {
      const kind = category === "test" && depth > 0 ? "phase" : category === "process" ? "subprocess" : category;
      const key = `${kind}\n${text}`;
      let index = known.get(key);
      if (index === undefined) {
        known.set(key, (index = timeline.names.length));
        timeline.names.push({ text, kind: 2, file: -1, line: 0, category: kind, group: "" });
      }
      return index;
    });
    const columns = new Columns({
      levels,
      start: Float64Array.from(rows, (row) => row[0]),
      end: Float64Array.from(rows, (row) => row[1]),
      name: Uint32Array.from(name),
    });
    rows.forEach((row, i) => row[5] && columns.args.set(i, row[5]));
    return columns;
  }

  return { head, load };
})();
