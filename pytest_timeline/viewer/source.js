// Source text around a line, with keywords and strings in colour, and links that open it in an editor.
"use strict";

const Source = (() => {
  const WORDS = new Set(
    "and as assert async await break case class continue def del elif else except finally for from global if import in is lambda match nonlocal not or pass raise return try while with yield None True False".split(" "),
  );
  const TOKEN = /("""|'''|"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?)|(#.*)|([A-Za-z_]\w*)|[^\w"'#]+|\d\w*/g;
  const EDITOR = "vscode://file"; // VS Code, and what is made of it

  /** @param {string} line @returns {Node[]} */
  function coloured(line) {
    return Array.from(line.matchAll(TOKEN), ([token, string, comment, word]) => {
      const kind = string ? "string" : comment ? "comment" : word && WORDS.has(word) ? "keyword" : "";
      return kind ? Dom.el(`span.${kind}`, null, token) : document.createTextNode(token);
    });
  }

  /**
   * The lines around one, or those of the function from its first on; a sentence where there are none.
   * @param {Timeline} timeline @param {number} file @param {number} line @param {{mark: "here" | "raised", before: number, after: number}} how
   */
  function listing(timeline, file, line, { mark, before, after }) {
    const found = timeline.source(file, line);
    if (!found) return null;
    const from = Math.max(0, line - found.first - before);
    const shown = found.lines.slice(from, line - found.first + after + 1);
    const indents = shown.filter((text) => text.trim()).map((text) => text.length - text.trimStart().length);
    const indent = Math.min(...indents, 80);
    return Dom.el(
      "pre.source",
      { tabindex: 0, "aria-label": "Source" },
      shown.map((text, i) => {
        const number = found.first + from + i;
        return Dom.el(number === line ? `div.${mark}` : "div", null, Dom.el("em", null, number), coloured(text.slice(indent)), text.trim() ? "" : " ");
      }),
    );
  }

  /** A link that opens the place in the reader's editor. @param {string} root @param {string} path @param {number} line */
  function link(root, path, line) {
    const absolute = /^([/\\]|[A-Za-z]:)/.test(path) ? path : root ? `${root}/${path}` : "";
    if (!absolute) return null;
    const place = encodeURI(absolute.replaceAll("\\", "/")).replaceAll("#", "%23").replaceAll("?", "%3F");
    return Dom.el("a", { href: `${EDITOR}${place.startsWith("/") ? "" : "/"}${place}:${line}`, title: `${absolute}:${line}` }, "Open in editor");
  }

  return { listing, link };
})();
