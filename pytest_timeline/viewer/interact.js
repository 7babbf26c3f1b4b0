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
    this._onTracks();
    this._onRuler();
    this._onMinimap(minimap);
  }

  _onTracks() {
    const { view, tracks, scroller } = this;
    /** @type {Map<number, [number, number]>} where each finger or button is */
    const held = new Map();
    /** @type {{x: number, y: number, from: number, to: number, scroll: number, moved: boolean, apart: number} | null} */
    let start = null;
    /** @type {{at: number, x: number, y: number, type: string}} the last press that was no drag */
    let tapped = { at: 0, x: 0, y: 0, type: "" };

    /** Halfway between the fingers, and how far these are apart. */
    const pinch = () => {
      const [[first, y], [second]] = [...held.values()].concat([...held.values()]); // one finger is both
      return { x: (first + second) / 2, y, apart: Math.abs(first - second) };
    };
    const begin = () => {
      start = { ...pinch(), from: view.from, to: view.to, scroll: scroller.scrollTop, moved: (start?.moved ?? false) || held.size > 1 };
    };
    const end = (/** @type {PointerEvent} */ event) => {
      if (!held.delete(event.pointerId)) return;
      if (held.size) begin();
      else if (start && !start.moved && event.type === "pointerup") {
        const [x, y] = placeOf(event);
        const type = event.pointerType;
        const twice = type === "touch" && event.timeStamp - tapped.at < 350 && Math.hypot(x - tapped.x, y - tapped.y) < 30;
        if (twice) this._fit(tapped.x, tapped.y);
        else this._select(x, y);
        tapped = { at: twice ? 0 : event.timeStamp, x, y, type };
      }
    };
    Dom.on(tracks.surface.canvas, {
      pointerdown: (event) => {
        if (event.button > 1) return;
        if (!held.size) start = null;
        held.set(event.pointerId, hold(event));
        begin();
        this.tip.hide();
      },
      pointermove: (event) => {
        const place = placeOf(event);
        if (!held.has(event.pointerId) || !start) {
          if (event.pointerType !== "touch") this._hover(event, place);
          return;
        }
        held.set(event.pointerId, place);
        const span = start.to - start.from;
        const ns = span / tracks.surface.width;
        if (held.size === 2) {
          const { x, apart } = pinch();
          const factor = start.apart / Math.max(10, apart);
          const from = start.from + (start.x - x * factor) * ns;
          return view.show(from, from + span * factor);
        }
        const [dx, dy] = [place[0] - start.x, place[1] - start.y];
        if (!start.moved && Math.abs(dx) + Math.abs(dy) < 5) return;
        start.moved = true;
        if (event.shiftKey) return view.selectRange([start.from + start.x * ns, start.from + place[0] * ns]);
        view.show(start.from - dx * ns, start.to - dx * ns);
        scroller.scrollTop = start.scroll - dy;
      },
      pointerup: end,
      pointercancel: end,
      pointerleave: () => {
        this.tip.hide();
        this.ruler.cursor = view.hover = null;
        view.changed("hover");
      },
      dblclick: (event) => {
        if (tapped.type !== "touch") this._fit(...placeOf(event)); // of a touch it has been done
      },
      wheel: (event) => this._wheel(event),
    });
  }

  /** Ctrl zooms, and so does a trackpad's pinch; sideways pans; the rest scrolls as everywhere. @param {WheelEvent} event */
  _wheel(event) {
    const { view, tracks } = this;
    const { deltaX, deltaY, deltaMode, shiftKey } = event;
    const unit = [1, 16, 400][deltaMode];
    const zooms = event.ctrlKey || event.metaKey;
    if (!zooms && !shiftKey && Math.abs(deltaX) <= Math.abs(deltaY)) return;
    if (event.cancelable) event.preventDefault(); // it is not while the page scrolls on by itself
    if (zooms) view.zoom(Math.exp(clamp(deltaY * unit, -120, 120) * 0.004), tracks.ns(placeOf(event)[0]));
    else view.pan(((deltaX || deltaY) * unit) / tracks.surface.width);
  }

  /** @param {PointerEvent} event @param {[number, number]} place */
  _hover(event, [x, y]) {
    const { view, tracks, tip } = this;
    const hit = tracks.hit(x, y);
    const instant = tracks.instant(x, y);
    tracks.surface.canvas.style.cursor = hit || instant || tracks.way(x, y) || tracks.beyond(y) ? "pointer" : "grab";
    if (instant) tip.instant(instant, event);
    else if (hit) tip.slice(hit, event);
    else tip.hide();
    view.hover = hit;
    this.ruler.cursor = tracks.ns(x);
    view.changed("hover");
  }

  /** @param {number} x @param {number} y */
  _select(x, y) {
    const { view, tracks } = this;
    const way = tracks.way(x, y);
    if (way) return this.go(way);
    const hit = tracks.hit(x, y);
    if (hit) return view.select(hit);
    if (tracks.instant(x, y)) return view.open("log");
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

  _onRuler() {
    const { view, tracks } = this;
    /** @type {number | null} where it was pressed */
    let pressed = null;
    let from = 0; // ns there
    Dom.on(this.ruler.surface.canvas, {
      pointerdown(event) {
        [pressed] = hold(event);
        from = tracks.ns(pressed);
      },
      pointermove(event) {
        const [x] = placeOf(event);
        if (pressed !== null && Math.abs(x - pressed) > 3) view.selectRange([from, tracks.ns(x)]);
      },
      pointerup(event) {
        if (pressed !== null && Math.abs(placeOf(event)[0] - pressed) <= 3) view.selectRange(null);
        pressed = null;
      },
      pointercancel: () => (pressed = null),
      wheel: (event) => this._wheel(event),
    });
  }

  /** @param {Minimap} minimap */
  _onMinimap(minimap) {
    const { view } = this;
    const { canvas } = minimap.surface;
    /** @type {"" | "left" | "right" | "both"} */
    let holding = "";
    let grip = 0; // ns between the pointer and the left edge
    const release = () => (holding = "");
    const ns = (/** @type {number} */ x) => (x / canvas.clientWidth) * view.duration;
    Dom.on(canvas, {
      pointerdown(event) {
        const [x] = hold(event);
        const { from, to } = view;
        const [at, span] = [ns(x), to - from];
        const near = (/** @type {number} */ edge) => Math.abs(minimap.x(edge) - x) < 7;
        holding = near(from) ? "left" : near(to) ? "right" : "both";
        if (holding === "both" && (at < from || at > to)) view.jump(at - span / 2, at + span / 2);
        grip = clamp(at - view.from, 0, view.to - view.from);
      },
      pointermove(event) {
        const at = ns(placeOf(event)[0]);
        if (holding === "left") view.show(Math.min(at, view.to - View.LEAST), view.to);
        if (holding === "right") view.show(view.from, Math.max(at, view.from + View.LEAST));
        if (holding === "both" && event.movementX) view.show(at - grip, at - grip + view.to - view.from);
      },
      pointerup: release,
      pointercancel: release,
    });
  }
}

/** Where an event is in the element that listens to it. @param {MouseEvent} event @returns {[number, number]} */
function placeOf({ currentTarget, clientX, clientY }) {
  const { left, top } = /** @type {Element} */ (currentTarget).getBoundingClientRect();
  return [clientX - left, clientY - top];
}

/** Let the element have all that this pointer does from here on. @param {PointerEvent} event */
function hold(event) {
  /** @type {Element} */ (event.currentTarget).setPointerCapture(event.pointerId);
  return placeOf(event);
}

/** The small card at the pointer. */
class Tip {
  static LONGEST = 300; // characters

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
    this._show(
      event,
      el("b", Format.cut(name.text, Tip.LONGEST)),
      Format.time(columns.duration(row)),
      el("span.dim", ` self ${Format.time(columns.self(row))}, `, Format.list(file && (file.package || file.short), Theme.label(name.category))),
      (columns.flags[row] & Flag.THROWN) > 0 && el("div.failed", `✕ ${this.timeline.thrown(track, row) || "exception"}`),
    );
  }

  /** @param {Instant} instant @param {PointerEvent} event */
  instant({ name, at, args }, event) {
    this._show(event, el("b", Format.cut(name, Tip.LONGEST)), Format.offset(at), args?.message && el("div", Format.cut(String(args.message), Tip.LONGEST)));
  }

  /** @param {PointerEvent} event @param {...Content} content */
  _show({ clientX, clientY }, ...content) {
    const { element } = this;
    const { style } = element;
    Dom.fill(element, content);
    const { width, height } = element.getBoundingClientRect();
    style.left = `${clamp(clientX + 14, 4, innerWidth - width - 8)}px`;
    style.top = `${Math.max(4, clientY + 16 + height > innerHeight ? clientY - height - 10 : clientY + 16)}px`;
    style.visibility = "visible";
  }
}
