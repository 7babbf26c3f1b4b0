// What the reader does: pointer, wheel, touch and keys, turned into changes of the view.
"use strict";

class Interact {
  /**
   * @param {View} view @param {Tracks} tracks @param {Minimap} minimap @param {Ruler} ruler
   * @param {HTMLElement} scroller @param {Tip} tip @param {(selection: Place) => void} go
   */
  constructor(view, tracks, minimap, ruler, scroller, tip, go) {
    this.view = view;
    this.tracks = tracks;
    this.go = go;
    this.ruler = ruler;
    this.scroller = scroller;
    this.tip = tip;
    this._onTracks(tracks.surface.canvas);
    this._onRuler(ruler.surface.canvas);
    this._onMinimap(minimap);
  }

  /** @param {PointerEvent | MouseEvent} event @param {HTMLElement} canvas @returns {[number, number]} */
  _place(event, canvas) {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  /** @param {HTMLCanvasElement} canvas */
  _onTracks(canvas) {
    const { view, tracks, scroller } = this;
    /** @type {Map<number, [number, number]>} where each finger or button is */
    const held = new Map();
    /** @type {{x: number, y: number, from: number, to: number, scroll: number, moved: boolean, apart: number} | null} */
    let start = null;
    /** @type {{at: number, x: number, y: number, type: string}} the last press that was no drag */
    let tapped = { at: 0, x: 0, y: 0, type: "" };

    const begin = () => {
      const [first, second] = [...held.values()];
      const x = second ? (first[0] + second[0]) / 2 : first[0];
      start = { x, y: first[1], from: view.from, to: view.to, scroll: scroller.scrollTop, moved: (start?.moved ?? false) || held.size > 1, apart: second ? Math.abs(first[0] - second[0]) : 0 };
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button > 1) return;
      if (!held.size) start = null;
      held.set(event.pointerId, this._place(event, canvas));
      canvas.setPointerCapture(event.pointerId);
      begin();
      this.tip.hide();
    });
    canvas.addEventListener("pointermove", (event) => {
      const place = this._place(event, canvas);
      if (!held.has(event.pointerId) || !start) {
        if (event.pointerType !== "touch") this._hover(event, place);
        return;
      }
      held.set(event.pointerId, place);
      const ns = (start.to - start.from) / tracks.surface.width;
      if (held.size === 2) {
        const [first, second] = [...held.values()];
        const factor = start.apart / Math.max(10, Math.abs(first[0] - second[0]));
        const anchor = start.from + start.x * ns;
        const middle = (first[0] + second[0]) / 2;
        const from = anchor - middle * ns * factor;
        view.show(from, from + (start.to - start.from) * factor);
        return;
      }
      const [dx, dy] = [place[0] - start.x, place[1] - start.y];
      if (!start.moved && Math.abs(dx) + Math.abs(dy) < 5) return;
      start.moved = true;
      if (event.shiftKey) view.selectRange([start.from + start.x * ns, start.from + place[0] * ns]);
      else {
        view.show(start.from - dx * ns, start.to - dx * ns);
        scroller.scrollTop = start.scroll - dy;
      }
    });
    const end = (/** @type {PointerEvent} */ event) => {
      if (!held.delete(event.pointerId)) return;
      if (held.size) begin();
      else if (start && !start.moved && event.type === "pointerup") {
        const [x, y] = this._place(event, canvas);
        const touch = event.pointerType === "touch";
        const twice = touch && event.timeStamp - tapped.at < 350 && Math.hypot(x - tapped.x, y - tapped.y) < 30;
        if (twice) this._fit(tapped.x, tapped.y);
        else this._select(x, y);
        tapped = { at: twice ? 0 : event.timeStamp, x, y, type: event.pointerType };
      }
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("pointerleave", () => {
      this.tip.hide();
      this.ruler.cursor = null;
      if (view.hover) view.hover = null;
      view.changed("hover");
    });
    canvas.addEventListener("dblclick", (event) => {
      if (tapped.type !== "touch") this._fit(...this._place(event, canvas)); // of a touch it has been done
    });
    this._wheel(canvas);
  }

  /** Ctrl zooms, and so does a trackpad's pinch; sideways pans; the rest scrolls as everywhere. @param {HTMLCanvasElement} canvas */
  _wheel(canvas) {
    const { view, tracks } = this;
    canvas.addEventListener("wheel", (event) => {
      const { deltaX, deltaY, deltaMode, ctrlKey, metaKey, shiftKey } = event;
      const unit = deltaMode === 1 ? 16 : deltaMode === 2 ? 400 : 1;
      const zooms = ctrlKey || metaKey;
      if (!zooms && !shiftKey && Math.abs(deltaX) <= Math.abs(deltaY)) return;
      if (event.cancelable) event.preventDefault(); // it is not while the page scrolls on by itself
      if (zooms) view.zoom(Math.exp(Math.max(-120, Math.min(120, deltaY * unit)) * 0.004), tracks.ns(this._place(event, canvas)[0]));
      else view.pan(((deltaX || deltaY) * unit) / tracks.surface.width);
    }, { passive: false });
  }

  /** @param {PointerEvent} event @param {[number, number]} place */
  _hover(event, [x, y]) {
    const { view, tracks } = this;
    const hit = tracks.hit(x, y);
    const instant = tracks.instant(x, y);
    tracks.surface.canvas.style.cursor = hit || instant || tracks.way(x, y) || tracks.beyond(y) ? "pointer" : "grab";
    if (instant) this.tip.instant(instant, event);
    else if (hit) this.tip.slice(hit, event);
    else this.tip.hide();
    view.hover = hit;
    this.ruler.cursor = tracks.ns(x);
    view.changed("hover");
  }

  /** @param {number} x @param {number} y */
  _select(x, y) {
    const { view, tracks } = this;
    const instant = tracks.instant(x, y);
    const hit = tracks.hit(x, y);
    const way = tracks.way(x, y);
    if (way) return this.go(way);
    if (hit) return view.select(hit);
    if (instant) return view.open("log");
    const beyond = tracks.beyond(y);
    if (beyond) return view.select(beyond, true);
    view.range = null;
    view.select(null);
    view.changed("range");
  }

  /** @param {number} x @param {number} y */
  _fit(x, y) {
    const hit = this.tracks.hit(x, y);
    if (!hit) return this.view.all();
    this.view.select(hit);
    this.view.fit();
  }

  /** @param {HTMLCanvasElement} canvas */
  _onRuler(canvas) {
    const { view, tracks } = this;
    /** @type {number | null} */
    let from = null;
    let at = 0;
    canvas.addEventListener("pointerdown", (event) => {
      at = this._place(event, canvas)[0];
      from = tracks.ns(at);
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const [x] = this._place(event, canvas);
      if (from !== null && Math.abs(x - at) > 3) view.selectRange([from, tracks.ns(x)]);
    });
    canvas.addEventListener("pointerup", (event) => {
      if (from !== null && Math.abs(this._place(event, canvas)[0] - at) <= 3) view.selectRange(null);
      from = null;
    });
    canvas.addEventListener("pointercancel", () => (from = null));
    this._wheel(canvas);
  }

  /** @param {Minimap} minimap */
  _onMinimap(minimap) {
    const { view } = this;
    const { canvas } = minimap.surface;
    /** @type {"" | "left" | "right" | "both"} */
    let holding = "";
    let grip = 0; // ns between the pointer and the left edge
    canvas.addEventListener("pointerdown", (event) => {
      const [x] = this._place(event, canvas);
      const ns = (x / canvas.clientWidth) * view.duration;
      const near = (/** @type {number} */ edge) => Math.abs(minimap.x(edge) - x) < 7;
      holding = near(view.from) ? "left" : near(view.to) ? "right" : "both";
      if (holding === "both" && (ns < view.from || ns > view.to)) view.jump(ns - (view.to - view.from) / 2, ns + (view.to - view.from) / 2);
      grip = Math.min(Math.max(ns - view.from, 0), view.to - view.from);
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const ns = (this._place(event, canvas)[0] / canvas.clientWidth) * view.duration;
      if (holding === "left") view.show(Math.min(ns, view.to - View.LEAST), view.to);
      if (holding === "right") view.show(view.from, Math.max(ns, view.from + View.LEAST));
      if (holding === "both" && Math.abs(event.movementX) > 0) view.show(ns - grip, ns - grip + view.to - view.from);
    });
    for (const type of ["pointerup", "pointercancel"]) canvas.addEventListener(type, () => (holding = ""));
  }
}

/** The small card at the pointer. */
class Tip {
  /** @param {HTMLElement} element @param {Timeline} timeline */
  constructor(element, timeline) {
    this.element = element;
    this.timeline = timeline;
  }

  hide() {
    this.element.style.visibility = "hidden";
  }

  /** @param {Place} hit @param {PointerEvent} event */
  slice({ track, row }, event) {
    const { columns } = this.timeline.tracks[track];
    const name = this.timeline.nameOf(track, row);
    const file = this.timeline.files[name.file];
    const raised = columns.thrown(row);
    this._show(event, [
      el("b", name.text.length > 300 ? name.text.slice(0, 300) + "…" : name.text),
      Format.time(columns.duration(row)),
      el("span.dim", ` self ${Format.time(columns.self(row))}, ${file ? (file.package || file.short) + ", " : ""}${Theme.label(name.category)}`),
      columns.flags[row] & Flag.THROWN ? el("div.failed", `✕ ${raised !== undefined && raised >= 0 ? this.timeline.names[raised].text : "exception"}`) : null,
    ]);
  }

  /** @param {Instant} instant @param {PointerEvent} event */
  instant(instant, event) {
    const detail = instant.args?.message;
    this._show(event, [el("b", instant.name.slice(0, 300)), Format.offset(instant.at), detail ? el("div", String(detail).slice(0, 300)) : null]);
  }

  /** @param {PointerEvent} event @param {(Content)[]} content */
  _show(event, content) {
    const { element } = this;
    Dom.fill(element, content);
    const { width, height } = element.getBoundingClientRect();
    element.style.left = `${Math.max(4, Math.min(innerWidth - width - 8, event.clientX + 14))}px`;
    element.style.top = `${Math.max(4, event.clientY + 16 + height > innerHeight ? event.clientY - height - 10 : event.clientY + 16)}px`;
    element.style.visibility = "visible";
  }
}
