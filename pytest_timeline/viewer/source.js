// Source text around a line, with keywords and strings in colour, and links that open it in an editor.
"use strict";

const Source = (() => {
  const WORDS = new Set(
    "and as assert async await break case class continue def del elif else except finally for from global if import in is lambda match nonlocal not or pass raise return try while with yield None True False".split(" "),
  );
  const TOKEN = /("""|'''|"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?)|(#.*)|([A-Za-z_]\w*)|[^\w"'#]+|\d\w*/g;
  const MOST = 40; // lines
  const EDITOR = "vscode://file"; // VS Code, and what is made of it

  /** @param {string} line @returns {Node[]} */
  function coloured(line) {
    return Array.from(line.matchAll(TOKEN), ([token, string, comment, word]) => {
      const kind = string ? "string" : comment ? "comment" : word && WORDS.has(word) ? "keyword" : "";
      return kind ? el(`span.${kind}`, token) : document.createTextNode(token);
    });
  }

  /**
   * The lines around the one where an exception was raised, or those of the function that begins there.
   * @param {View} view @param {number} file @param {number} line @param {"here" | "raised"} mark
   */
  function listing(view, file, line, mark) {
    const found = view.timeline.source(file, line, () => view.changed("sources"));
    if (!found) return null;
    const at = line - found.first;
    const from = mark === "raised" ? before(found.lines, at) : at;
    const shown = found.lines.slice(from, mark === "raised" ? after(found.lines, at) : Math.min(at + MOST, end(found.lines, at)));
    const margin = Math.min(...shown.filter((text) => text.trim()).map(indent), 80);
    return el(
      "pre.source",
      { tabindex: 0, "aria-label": "Source" },
      shown.map((text, i) => {
        const number = found.first + from + i;
        return el(number === line ? `div.${mark}` : "div", el("em", number), coloured(text.slice(margin)), text.trim() ? "" : " ");
      }),
    );
  }

  const indent = (/** @type {string} */ line) => line.length - line.trimStart().length;

  const DEFINES = /^\s*(async\s+)?(def|class)\b/;

  /** The index of the first of up to four lines before, in the same function. @param {string[]} lines @param {number} at */
  function before(lines, at) {
    let row = at;
    while (row > Math.max(0, at - 4) && !DEFINES.test(lines[row])) row--;
    return row;
  }

  /** The index after two more lines of the same function. @param {string[]} lines @param {number} at */
  function after(lines, at) {
    let row = at + 1;
    while (row < at + 3 && lines[row]?.trim() && indent(lines[row]) >= Math.min(indent(lines[at]), 4)) row++;
    return row;
  }

  /** The index after a function's last line: its body is further in than its first line. @param {string[]} lines @param {number} at */
  function end(lines, at) {
    let row = at;
    while (row < lines.length && !DEFINES.test(lines[row]) && !lines[row].includes("lambda")) row++;
    const own = indent(lines[row] ?? "");
    for (row++; row < lines.length; row++) if (lines[row].trim() && indent(lines[row]) <= own && !/^\s*[)\]}]/.test(lines[row])) break;
    while (row > at + 1 && !lines[row - 1].trim()) row--;
    return row;
  }

  /** A place in a file, as a link that opens it in the reader's editor. @param {string} root @param {{path: string, short: string}} file @param {number} line */
  function link(root, { path, short }, line) {
    const absolute = /^([/\\]|[A-Za-z]:)/.test(path) ? path : root ? `${root}/${path}` : "";
    const place = encodeURI(absolute.replaceAll("\\", "/")).replaceAll("#", "%23").replaceAll("?", "%3F");
    return el(absolute ? "a" : "span", absolute ? { href: `${EDITOR}${place.startsWith("/") ? "" : "/"}${place}:${line}`, title: `Open ${absolute}:${line} in the editor` } : null, `${short}:${line}`);
  }

  return { listing, link };
})();
