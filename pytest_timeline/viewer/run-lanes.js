// The run by worker: a lane for each pytest process, with its collection, its tests, the fixtures that outlive a test, and its pauses.
"use strict";

const RunLanes = (() => {
  const { tests, lanes, wide, fixtures, end, last, time } = RunData;
  const [ROW, TOP, BAR, RIGHT] = [44, 26, 22, 16]; // px
  const IDLE = 600_000; // us; a shorter pause is not named
  const TOKENS = /** @type {Record<string, string>} */ ({ failed: "fail-bar", crashed: "fail-bar", error: "error-bar", passed: "pass-bar", xfailed: "xfail", xpassed: "xfail" });
  const canvas = /** @type {HTMLCanvasElement} */ (Dom.get("gantt"));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const tip = Dom.get("tip");
  const family = getComputedStyle(document.body).fontFamily;
  /** What a pointer is at: a test, and its fixture if it is at one; or a lane's collection, and a module that it imported. @typedef {{test: number, wide: number, lane: number, module: number}} Spot */
  const NOWHERE = /** @type {Spot} */ ({ test: -1, wide: -1, lane: -1, module: -1 });
  let [from, to] = [0, end];
  let [width, left] = [0, 0];
  let hovered = NOWHERE;
  let asked = 0;

  const x = (/** @type {number} */ us) => left + ((us - from) / (to - from)) * (width - left - RIGHT);
  const laneTop = (/** @type {number} */ lane) => TOP + lane * ROW;
  const draw = () => (asked ||= requestAnimationFrame(paint));

  /** @param {string} text @param {number} atX @param {number} atY @param {string} colour @param {string} [weight] */
  function write(text, atX, atY, colour, weight = "") {
    context.font = `${weight} ${weight && colour === "ink" ? 12 : 11}px ${family}`;
    context.fillStyle = Theme.colour(colour);
    context.fillText(text, atX, atY);
  }

  /** The longest of these texts that fits. @param {string[]} texts @param {number} room */
  function fitting(texts, room) {
    context.font = `11px ${family}`;
    return texts.find((text) => context.measureText(text).width <= room) ?? "";
  }

  function paint() {
    asked = 0;
    const ratio = devicePixelRatio || 1;
    width = canvas.clientWidth;
    left = width < 700 ? 52 : 100;
    const height = laneTop(lanes.length) + 6;
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.textBaseline = "middle";
    grid(height);
    lanes.forEach((lane, at) => {
      context.fillStyle = Theme.colour("line");
      context.fillRect(0, laneTop(at), width, 1);
      const about = lane.replaces ? `replaces ${lane.replaces}` : `${Format.percent(lane.busy / Math.max(1, Math.min(lane.end, last) - lane.begin))} busy`;
      write(RunData.worker(lane), 16, laneTop(at) + (width < 700 ? 27 : 17), "ink", "600");
      if (width >= 700) write(about, 16, laneTop(at) + 32, "ink3");
    });
    context.save();
    context.beginPath();
    context.rect(left, 0, width - left - RIGHT + 1, height);
    context.clip();
    lanes.forEach((lane, at) => paintLane(lane, laneTop(at) + 16));
    if (hovered.lane >= 0) {
      const [begin, wide] = placeOf(hovered);
      context.strokeStyle = Theme.colour("ink");
      context.lineWidth = 2;
      box(begin - 1, laneTop(hovered.lane) + 15, wide + 1, BAR + 2, 3);
      context.stroke();
    }
    context.restore();
  }

  /** @param {number} height */
  function grid(height) {
    const raw = ((to - from) * 110) / (width - left - RIGHT);
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = power * ([1, 2, 5].find((factor) => factor * power >= raw) ?? 10);
    for (let us = Math.ceil(from / step) * step; us <= to; us += step) {
      context.fillStyle = Theme.colour("line");
      context.fillRect(Math.round(x(us)), TOP - 8, 1, height);
      if (x(us) + 50 < width) write(`${Number((us / 1e6).toFixed(6))} s`, x(us) + 4, TOP - 13, "ink3");
    }
  }

  /** Where a stretch of time lies: begin and width. @param {number} start @param {number} duration @returns {[number, number]} */
  const stretch = (start, duration) => [x(start), Math.max(1, x(start + duration) - x(start))];
  /** @param {number} i */
  const place = (i) => stretch(tests.start[i], tests.duration[i]);

  /** @param {Spot} spot */
  function placeOf(spot) {
    if (spot.wide >= 0) return stretch(wide[spot.wide][1], wide[spot.wide][2]);
    if (spot.test >= 0) return place(spot.test);
    const module = lanes[spot.lane].modules?.[spot.module];
    if (module) return stretch(module[2], module[3]);
    const [begin, close] = lanes[spot.lane].collection ?? [0, 0];
    return stretch(begin, close - begin);
  }

  /** @param {typeof lanes[number]} lane @param {number} y */
  function paintLane(lane, y) {
    hatch(x(lane.begin), y, x(lane.end) - x(lane.begin));
    if (lane.collection) {
      const [begin, close] = lane.collection;
      const [from, long] = stretch(begin, close - begin);
      block(from, long, y, [], "phase", "");
      let [free, gap, room] = [from, from, 0]; // its name goes where most room is
      for (const [name, , start, total] of [...(lane.modules ?? []), ["", "", close, 0]]) {
        const [at, long] = stretch(+start, +total);
        if (at - free > room) [gap, room] = [free, at - free];
        if (long < 3) continue;
        free = at + long;
        if (at < width && free > left) block(at, long, y, [`${name} ${time(+total)}`, `${name}`], "import-bar", "import-line");
      }
      const seen = Math.max(gap, left);
      write(fitting([`collection ${time(close - begin)}`, "collection", "collect"], gap + room - seen - 12), seen + 6, y + 11, "ink2");
    }
    let [done, painted] = [lane.ready, -Infinity];
    for (const i of lane.tests) {
      idle(done, tests.start[i], y, "idle");
      done = Math.max(done, tests.start[i] + tests.duration[i]);
      const [begin, wide] = place(i);
      if (begin > width || begin + wide < left || (begin + wide < painted + 1 && !RunData.bad(i))) continue;
      painted = begin + wide;
      paintTest(i, begin, wide, y);
    }
    for (const at of lane.wide) {
      const [fixture, start, duration, test, tearDown] = wide[at];
      const [begin, long] = stretch(start, duration);
      if (long < 3 || begin > width || begin + long < left) continue;
      const name = fixtures[fixture][0] + (tearDown ? " tear-down" : "");
      context.globalAlpha = RunList.has(test) ? 1 : 0.22;
      block(begin, long, y, [`${name} ${time(duration)}`, name], "fixture-bar", "fixture-line");
      context.globalAlpha = 1;
    }
    idle(done, Math.min(last, lane.end), y, "idle");
    if (!lane.died) idle(Math.max(last, lane.ready), lane.end, y, "shutdown");
    for (const i of lane.tests) if (RunData.bad(i)) flag(i, y);
    if (lane.died) zigzag(lane, y);
  }

  /** @param {typeof lanes[number]} lane @param {number} y */
  function zigzag(lane, y) {
    const at = x(lane.end);
    context.strokeStyle = Theme.colour("fail");
    context.lineWidth = 2;
    context.beginPath();
    for (let bend = 0; bend <= 5; bend++) context.lineTo(at + (bend % 2 ? 5 : 1), y - 4 + bend * 6);
    context.stroke();
    const text = RunData.ended(lane);
    context.font = `600 11px ${family}`;
    const wide = context.measureText(text).width;
    const begin = width - RIGHT - at - 10 < wide ? at - wide - 10 : at + 10;
    context.fillStyle = Theme.colour("card");
    context.fillRect(begin - 4, y + 3, wide + 8, 16);
    write(text, begin, y + 11, "fail", "600");
  }

  /** @param {number} i @param {number} y */
  function flag(i, y) {
    const [begin, wide] = place(i);
    const middle = begin + wide / 2;
    context.fillStyle = Theme.colour(tests.outcome[i] === "error" ? "error" : "fail");
    context.beginPath();
    context.moveTo(middle - 4.5, y - 8);
    context.lineTo(middle + 4.5, y - 8);
    context.lineTo(middle, y - 2);
    context.fill();
  }

  /** Lines aslant, `apart` px from each other. @param {number} begin @param {number} y @param {number} wide @param {string} token @param {number} [apart] @param {number} [thick] */
  function hatch(begin, y, wide, token = "line", apart = 6, thick = 1) {
    context.save();
    context.beginPath();
    context.rect(begin, y, wide, BAR);
    context.clip();
    context.strokeStyle = Theme.colour(token);
    context.lineWidth = thick;
    context.beginPath();
    for (let at = Math.max(begin, left) - BAR - (Math.max(begin, left) % apart); at < Math.min(begin + wide, width); at += apart) {
      context.moveTo(at, y + BAR);
      context.lineTo(at + BAR, y);
    }
    context.stroke();
    context.restore();
  }

  /** @param {number} begin @param {number} y @param {number} wide @param {number} high @param {number} radius */
  function box(begin, y, wide, high, radius) {
    context.beginPath();
    context.roundRect(begin, y, Math.max(0.5, wide), high, wide > 5 ? radius : 0);
  }

  /** A bar that is no test. @param {number} begin @param {number} wide @param {number} y @param {string[]} texts @param {string} token @param {string} border */
  function block(begin, wide, y, texts, token, border) {
    if (wide < 2) return;
    context.fillStyle = Theme.colour("card");
    context.fillRect(begin, y, wide, BAR);
    context.fillStyle = Theme.colour(token);
    box(begin + 0.5, y + 0.5, wide - 2, BAR - 1, 2);
    context.fill();
    if (border) {
      context.strokeStyle = Theme.colour(border);
      context.lineWidth = 1;
      context.stroke();
    }
    const seen = Math.max(begin, left);
    write(fitting(texts, begin + wide - seen - 12), seen + 6, y + 11, "ink2");
  }

  /** Name a pause. @param {number} begin @param {number} close @param {number} y @param {string} what */
  function idle(begin, close, y, what) {
    if (close - begin < IDLE) return;
    const [start, stop] = [Math.max(x(begin), left), Math.min(x(close), width - RIGHT)];
    const text = fitting([`${what} ${time(close - begin)}`, what], stop - start - 24);
    if (!text) return;
    context.fillStyle = Theme.colour("card");
    context.fillRect(start + 8, y + 3, context.measureText(text).width + 8, 16);
    write(text, start + 12, y + 11, "ink3");
  }

  /** @param {number} i @param {number} begin @param {number} wide @param {number} y */
  function paintTest(i, begin, wide, y) {
    const outcome = tests.outcome[i];
    const shown = wide > 3 ? wide - 1 : RunData.bad(i) ? Math.max(3, wide) : wide;
    context.fillStyle = Theme.colour("card");
    context.fillRect(begin, y, wide, BAR);
    context.globalAlpha = RunList.has(i) ? 1 : 0.22;
    const byCategory = RunList.state.mode === "category";
    if (byCategory) paintTimes(i, begin, shown, y);
    else if (TOKENS[outcome]) {
      context.fillStyle = Theme.colour(TOKENS[outcome]);
      box(begin, y, shown, BAR, 2);
      context.fill();
      if (wide > 24 && outcome === "passed") {
        const scale = shown / tests.duration[i];
        context.fillStyle = Theme.colour("pass-soft");
        context.fillRect(begin, y, tests.phases[i][0] * scale, BAR);
        context.fillRect(begin + shown, y, -tests.phases[i][2] * scale, BAR);
      } else if (outcome === "error" || outcome === "crashed") hatch(begin, y, shown, "notch", 6, 1.5);
    } else {
      context.strokeStyle = Theme.colour("ink3");
      context.lineWidth = 1;
      context.strokeRect(begin + 0.5, y + 0.5, Math.max(0.5, shown - 1), BAR - 1);
    }
    if (!byCategory && wide > 46) {
      const seen = Math.max(begin, left);
      const name = RunData.name(i).replace(/^(.*::)?(test_)?/, "");
      const room = Math.min(begin + wide, width) - seen - 12;
      let text = name;
      context.font = `11px ${family}`;
      while (text.length > 4 && context.measureText(text + "…").width > room) text = text.slice(0, -1);
      const colour = outcome === "passed" ? "pass-ink" : TOKENS[outcome] === "xfail" ? "card" : TOKENS[outcome] ? "on-bar" : "ink";
      if (text.length > 4 || text === name) write(text === name ? text : text + "…", seen + 6, y + 11, colour, outcome === "passed" ? "" : "600");
    }
    context.globalAlpha = 1;
  }

  /** @param {number} i @param {number} begin @param {number} wide @param {number} y */
  function paintTimes(i, begin, wide, y) {
    const parts = RunTable.where(i);
    const most = parts.reduce((a, b) => (b[1] > a[1] ? b : a), ["machinery", 0]);
    for (const [category, us] of wide < 4 ? [[most[0], tests.duration[i]]] : parts) {
      const part = (Number(us) / tests.duration[i]) * wide;
      const style = Theme.style(`strong ${category === "other" ? "lane" : category}`, "");
      context.fillStyle = Theme.pattern(style, context) ?? Theme.fill(style);
      context.fillRect(begin, y, part + 0.4, BAR);
      begin += part;
    }
  }

  /** What lies there. @param {MouseEvent} event @returns {Spot} */
  function spotAt({ offsetX, offsetY }) {
    const at = Math.floor((offsetY - TOP) / ROW);
    const lane = lanes[at];
    if (!lane || offsetX < left) return NOWHERE;
    const away = (/** @type {[number, number]} */ [begin, wide]) => Math.max(begin - offsetX, offsetX - begin - wide, 0);
    const fixture = lane.wide.findLast((each) => stretch(wide[each][1], wide[each][2])[1] >= 3 && away(stretch(wide[each][1], wide[each][2])) === 0) ?? -1;
    if (fixture >= 0) return { ...NOWHERE, test: wide[fixture][3], wide: fixture, lane: at };
    let [best, distance] = [-1, 3];
    for (const i of lane.tests) {
      const far = away(place(i));
      if (far < distance || (far === distance && RunData.bad(i))) [best, distance] = [i, far];
    }
    if (best >= 0) return { ...NOWHERE, test: best, lane: at };
    const collects = lane.collection && away(stretch(lane.collection[0], lane.collection[1] - lane.collection[0])) === 0;
    if (!collects) return NOWHERE;
    return { ...NOWHERE, lane: at, module: (lane.modules ?? []).findLastIndex(([, , start, total]) => away(stretch(start, total)) === 0) };
  }

  /** Ring what is there. @param {Spot} spot */
  function ring(spot) {
    if (hovered.test === spot.test && hovered.wide === spot.wide && hovered.lane === spot.lane && hovered.module === spot.module) return;
    hovered = spot;
    draw();
  }

  /** @param {Spot} spot @returns {Child[]} */
  function told(spot) {
    const i = spot.test;
    if (spot.wide >= 0) {
      const [fixture, , duration, test, tearDown] = wide[spot.wide];
      const [name, scope, , , , , at] = fixtures[fixture];
      return [
        el("b", name),
        el("div.dim", at),
        el("div", `${tearDown ? "torn down" : "set up"} in ${time(duration)} `, el("span.dim", `${scope} fixture, in ${RunData.name(test)}`)),
      ];
    }
    if (i < 0) {
      const lane = lanes[spot.lane];
      const module = lane.modules?.[spot.module];
      if (module) return [el("b", `import ${module[0]}`), el("div.dim", module[1]), el("div", time(module[3]), el("span.dim", ` with all that it imports, ${time(module[4])} itself`))];
      const [begin, close] = lane.collection ?? [0, 0];
      return [el("b", "Collection"), el("div", time(close - begin), el("span.dim", ` of ${RunData.worker(lane)}: start-up, conftest files, imports, finding the tests`))];
    }
    const [setUp, call, tearDown] = tests.phases[i].map(time);
    const fixtured = tests.fixtures[i] ? `, in fixtures ${time(tests.fixtures[i])}` : "";
    return [
      el("b", RunData.name(i)),
      el("div.dim", RunData.file(i)),
      RunTable.bar(RunTable.where(i)),
      el("div", `${tests.outcome[i]} in ${time(tests.duration[i])} `, el("span.dim", `setup ${setUp}, call ${call}, teardown ${tearDown}${fixtured}`)),
      RunData.pageless(i) && el("div.dim", RunData.pageless(i)),
    ];
  }

  /** Say what it is, beside a point of the window. @param {Spot} spot @param {number} clientX @param {number} clientY */
  function show(spot, clientX, clientY) {
    ring(spot);
    tip.classList.toggle("shown", spot.lane >= 0);
    if (spot.lane < 0) return;
    Dom.fill(tip, told(spot));
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(innerWidth - width - 8, clientX + 12))}px`;
    tip.style.top = `${clientY + height + 24 > innerHeight ? clientY - height - 12 : clientY + 18}px`;
  }

  /** @param {number} begin @param {number} close */
  function look(begin, close) {
    const span = Math.max(1000, Math.min(close - begin, end));
    from = Math.max(0, Math.min(begin, end - span));
    to = from + span;
    RunList.note({ view: span < end ? `${Math.floor(from / 1e3)}-${Math.ceil(to / 1e3)}` : "" });
    draw();
  }

  /** @param {number} factor @param {number} [about] */
  const zoom = (factor, about = (from + to) / 2) => look(about - (about - from) * factor, about + (to - about) * factor);
  /** The page of what is there. @param {Spot} spot */
  const page = ({ test, lane }) => (test >= 0 ? RunData.page(test) : RunData.pageOf(lanes[lane]?.page));
  /** @param {Spot} spot @param {boolean} [elsewhere] in a tab of its own */
  function open(spot, elsewhere) {
    const there = page(spot);
    if (!there) return;
    if (elsewhere) window.open(there);
    else location.href = there;
  }

  let drag = /** @type {{x: number, from: number, to: number} | null} */ (null);
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, from, to };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag && Math.abs(event.clientX - drag.x) > 3) {
      const us = ((drag.x - event.clientX) / (width - left - RIGHT)) * (drag.to - drag.from);
      look(drag.from + us, drag.to + us);
    }
    const spot = spotAt(event);
    canvas.style.cursor = page(spot) ? "pointer" : "";
    show(spot, event.clientX, event.clientY);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (drag && Math.abs(event.clientX - drag.x) < 4) open(spotAt(event), event.ctrlKey || event.metaKey || event.button === 1);
    drag = null;
  });
  canvas.addEventListener("pointercancel", () => (drag = null));
  for (const type of ["pointerleave", "blur"]) canvas.addEventListener(type, () => show(NOWHERE, 0, 0));
  canvas.addEventListener("dblclick", () => look(0, end));
  canvas.addEventListener(
    "wheel",
    (event) => {
      const us = (to - from) / (width - left - RIGHT);
      if (event.ctrlKey || event.metaKey) zoom(Math.exp(event.deltaY * 0.002), from + (event.offsetX - left) * us);
      else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) look(from + event.deltaX * us, to + event.deltaX * us);
      else return;
      event.preventDefault();
    },
    { passive: false },
  );
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[key];
    const pan = { a: -0.2, d: 0.2 }[key];
    if (key === "Enter") open(hovered);
    else if (key === "0") look(0, end);
    else if (key === "w" || key === "s") zoom(key === "w" ? 0.7 : 1 / 0.7);
    else if (pan) look(from + (to - from) * pan, to + (to - from) * pan);
    else if (step) go(step, key.endsWith("p") || key.endsWith("n"));
    else return;
    event.preventDefault();
  });

  /** Go to the next test of the lane, or to another lane's at that time. @param {number} step @param {boolean} across */
  function go(step, across) {
    let i = hovered.test;
    const lane = i < 0 ? -1 : tests.worker[i];
    if (lane < 0) i = lanes.find((lane) => lane.tests.length)?.tests[0] ?? -1;
    else if (!across) i = lanes[lane].tests[lanes[lane].tests.indexOf(i) + step] ?? i;
    else {
      let other = lane + step;
      while (lanes[other] && !lanes[other].tests.length) other += step;
      i = lanes[other]?.tests.findLast((each) => tests.start[each] <= tests.start[i]) ?? lanes[other]?.tests[0] ?? i;
    }
    if (i < 0) return;
    if (tests.start[i] < from || tests.start[i] > to) look(tests.start[i] - (to - from) / 2, tests.start[i] + (to - from) / 2);
    const box = canvas.getBoundingClientRect();
    show(spotOf(i), box.left + place(i)[0], box.top + laneTop(tests.worker[i]) + 24);
    Dom.get("live").textContent = `${RunData.name(i)}, ${tests.outcome[i]}, ${time(tests.duration[i])}`;
  }

  /** @param {number} i @returns {Spot} */
  const spotOf = (i) => (i < 0 || tests.worker[i] < 0 ? NOWHERE : { ...NOWHERE, test: i, lane: tests.worker[i] });

  /** Look at what the address says. */
  function update() {
    const [begin, close] = RunList.state.view.split("-").map((ms) => Number(ms) * 1e3);
    [from, to] = close > begin && begin >= 0 ? [begin, Math.min(close, end)] : [0, end];
    draw();
  }

  Theme.refresh();
  new ResizeObserver(draw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (Theme.refresh(), draw()));
  RunList.listen(update);

  return { ring: (/** @type {number} */ i) => ring(spotOf(i)) };
})();
