// Loads traces into trace_processor and answers SQL: node trace_processor.js ENGINE_DIRECTORY
// Each line of stdin is {"trace": path, "queries": [...]} in JSON; each line of stdout the answer: an array with, for each
// query, {columns, rows}, or {"error": text}. Integers beyond 2^53 come as strings. The engine is the WebAssembly worker of
// the Perfetto UI: it is started here as the browser would start it, in a sandbox that has just what it asks for, and spoken
// to in its own protocol (trace_processor.proto's TraceProcessorRpc). To start it takes longer than most answers, so it stays.
'use strict';
const fs = require('fs');
const path = require('path');
const readline = require('readline');
const vm = require('vm');

const APPEND = 1, FINISH = 2, QUERY = 3, RESET = 11;   // TraceProcessorRpc.method

// --- Protocol Buffers: just enough -------------------------------------------------------------------------------
function varint(value) {
  const bytes = [];
  for (let rest = BigInt(value); ; rest >>= 7n) {
    if (rest < 128n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 127n) | 128);
  }
}
const integer = (field, value) => Buffer.concat([varint(field << 3), varint(value)]);
const bytes = (field, data) => Buffer.concat([varint(field << 3 | 2), varint(data.length), data]);

class Reader {
  constructor(data) { this.data = data; this.at = 0; }
  get more() { return this.at < this.data.length; }
  varint() {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.data[this.at++];
      if (byte === undefined) throw new Error('an answer that ends too early');
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asIntN(64, value);
    }
  }
  take(length) { return this.data.subarray(this.at, this.at += length); }
  * fields() {
    while (this.more) {
      const tag = Number(this.varint());
      const kind = tag & 7;
      yield [tag >> 3, kind === 0 ? this.varint() : this.take(kind === 2 ? Number(this.varint()) : kind === 1 ? 8 : 4)];
    }
  }
}
const fields = data => new Reader(data).fields();
function* packed(data) { for (const reader = new Reader(data); reader.more;) yield reader.varint(); }

// --- the engine --------------------------------------------------------------------------------------------------
async function start(directory) {
  const read = name => fs.readFileSync(path.join(directory, path.basename(String(name))));
  const sandbox = {
    console: { log() {}, warn() {}, error() {}, info() {}, debug() {} },
    WebAssembly, TextDecoder, TextEncoder, performance, setTimeout, clearTimeout, URL, Error, RangeError, TypeError,
    crypto: globalThis.crypto,
    location: { href: 'http://localhost/engine_bundle.js' },
    importScripts() {},
    WorkerGlobalScope: function () {},
    fetch: async name => new Response(read(name), { headers: { 'Content-Type': 'application/wasm' } }),
    XMLHttpRequest: class {
      open(_, name) { this.name = name; }
      send() { this.response = Uint8Array.from(read(this.name)).buffer; this.status = 200; }
    },
  };
  sandbox.self = sandbox;
  vm.createContext(sandbox);
  vm.runInContext(read('engine_bundle.js').toString(), sandbox);
  const replies = [];
  const port = { onmessage: null, postMessage: data => replies.push(Buffer.from(data)) };
  sandbox.onmessage({ data: port });
  while (!port.onmessage) await new Promise(resolve => setTimeout(resolve, 5));
  const Bytes = vm.runInContext('Uint8Array', sandbox);
  let sequence = 0;
  return function* call(method, argument) {   // a generator: it has to be drained
    const request = Buffer.concat([integer(1, sequence++), integer(2, method), argument]);
    port.onmessage({ data: new Bytes(bytes(1, request)) });
    // A message may be spread over several posts.
    for (const [, reply] of fields(Buffer.concat(replies.splice(0)))) yield* fields(reply);
  };
}

function load(call, trace) {
  for (let at = 0; at < trace.length; at += 1 << 20) {
    for (const [field, result] of call(APPEND, bytes(101, trace.subarray(at, at + (1 << 20))))) {
      if (field !== 201) continue;
      for (const [inner, error] of fields(result)) if (inner === 2) throw new Error(`load: ${error}`);
    }
  }
  for (const [] of call(FINISH, Buffer.alloc(0)));
}

function query(call, sql) {
  const columns = [], cells = [];
  for (const [field, result] of call(QUERY, bytes(103, bytes(1, Buffer.from(sql))))) {
    if (field !== 203) continue;
    for (const [inner, value] of fields(result)) {
      if (inner === 1) columns.push(value.toString());
      if (inner === 2) throw new Error(`${sql}: ${value}`);
      if (inner === 3) cells.push(...batch(value));
    }
  }
  const rows = [];
  for (let at = 0; at < cells.length; at += columns.length) rows.push(cells.slice(at, at + columns.length));
  return { columns, rows };
}

function batch(data) {   // QueryResult.CellsBatch: the kinds of the cells, then the values of each kind
  const kinds = [], integers = [], doubles = [], blobs = [];
  let strings = [];
  for (const [field, value] of fields(data)) {
    if (field === 1) kinds.push(...packed(value));
    if (field === 2) for (const each of packed(value)) integers.push(Number.isSafeInteger(Number(each)) ? Number(each) : String(each));
    if (field === 3) for (let at = 0; at < value.length; at += 8) doubles.push(value.readDoubleLE(at));
    if (field === 4) blobs.push(value.toString('hex'));
    if (field === 5) strings = value.toString().split('\0');
  }
  let i = 0, d = 0, s = 0, b = 0;
  return kinds.map(kind => [null, null, () => integers[i++], () => doubles[d++], () => strings[s++], () => blobs[b++]][Number(kind)]?.() ?? null);
}

async function main([directory]) {
  const call = await start(directory);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let answer;
    try {
      const { trace, queries } = JSON.parse(line);
      for (const [] of call(RESET, Buffer.alloc(0)));
      load(call, fs.readFileSync(trace));
      answer = queries.map(sql => query(call, sql));
    } catch (error) {
      answer = { error: error.message };
    }
    process.stdout.write(JSON.stringify(answer) + '\n');
  }
}
main(process.argv.slice(2)).catch(error => { console.error(error.message); process.exit(1); });
