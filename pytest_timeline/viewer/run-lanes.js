// The run by worker: a lane for each pytest process, a bar for each test, what went before the first and between them.
"use strict";

const RunLanes = (() => {
  const { tests, lanes, end, time } = RunData;
  const [ROW, TOP, BAR, RIGHT] = [44, 26, 22, 16]; // px
  const IDLE = 600_000; // us; a shorter pause is not named
  const TOKENS = /** @type {Record<string, string>} */ ({ failed: "fail-bar", crashed: "fail-bar", error: "error", passed: "pass-bar", xfailed: "xfail", xpassed: "xfail" });
  const canvas = /** @type {HTMLCanvasElement} */ (Dom.get("gantt"));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const tip = Dom.get("tip");
  const family = getComputedStyle(document.body).fontFamily;
  let [from, to] = [0, end];
  let [width, left] = [0, 0];
  let hovered = -1;
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
  const fitting = (texts, room) => texts.find((text) => context.measureText(text).width <= room) ?? "";

  function paint() {
    asked = 0;
    const ratio = devicePixelRatio || 1;
    width = canvas.clientWidth;
    left = width < 700 ? 52 : 92;
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
      write(RunData.worker(lane), 16, laneTop(at) + 17, "ink", "600");
      if (width >= 700) write(`${Format.percent(lane.busy / (lane.end - lane.begin))} in tests`, 16, laneTop(at) + 32, "ink3");
    });
    context.save();
    context.beginPath();
    context.rect(left, 0, width - left - RIGHT + 1, height);
    context.clip();
    lanes.forEach((lane, at) => paintLane(lane, laneTop(at) + 16));
    if (hovered >= 0) {
      const [begin, wide] = place(hovered);
      context.strokeStyle = Theme.colour("ink");
      context.lineWidth = 2;
      context.strokeRect(begin - 1, laneTop(tests.worker[hovered]) + 15, wide + 2, BAR + 2);
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

  /** Where the test's bar begins, and how wide it is. @param {number} i @returns {[number, number]} */
  function place(i) {
    const begin = x(tests.start[i]);
    return [begin, Math.max(1, x(tests.start[i] + tests.duration[i]) - begin)];
  }

  /** @param {typeof lanes[number]} lane @param {number} y */
  function paintLane(lane, y) {
    const first = lane.tests.length ? tests.start[lane.tests[0]] : lane.end;
    const last = lane.tests[lane.tests.length - 1];
    const crashed = tests.outcome[last] === "crashed";
    const until = crashed ? lane.end : end;
    hatch(x(lane.begin), y, x(until) - x(lane.begin));
    span(x(lane.begin), x(first), y, "start and collection");
    let [done, painted] = [first, -Infinity];
    for (const i of lane.tests) {
      if (tests.start[i] - done > IDLE) idle(done, tests.start[i], y);
      done = Math.max(done, tests.start[i] + tests.duration[i]);
      const [begin, wide] = place(i);
      if (begin > width || begin + wide < left || (begin + wide < painted + 1 && !RunData.bad(i))) continue;
      painted = begin + wide;
      paintTest(i, begin, wide, y);
    }
    if (!crashed && until - done > IDLE) idle(done, until, y);
    for (const i of lane.tests) if (RunData.bad(i)) flag(i, y);
    if (crashed) {
      context.strokeStyle = Theme.colour("fail");
      context.lineWidth = 2;
      context.beginPath();
      for (let bend = 0; bend <= 5; bend++) context.lineTo(x(done) + (bend % 2 ? 5 : 1), y - 4 + bend * 6);
      context.stroke();
      write("crashed", x(done) + 10, y + 11, "fail", "600");
    }
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

  /** @param {number} begin @param {number} y @param {number} wide */
  function hatch(begin, y, wide) {
    context.save();
    context.beginPath();
    context.rect(begin, y, wide, BAR);
    context.clip();
    context.strokeStyle = Theme.colour("line");
    context.lineWidth = 1;
    context.beginPath();
    for (let at = Math.max(begin, left) - BAR - (Math.max(begin, left) % 6); at < Math.min(begin + wide, width); at += 6) {
      context.moveTo(at, y + BAR);
      context.lineTo(at + BAR, y);
    }
    context.stroke();
    context.restore();
  }

  /** @param {number} begin @param {number} close @param {number} y @param {string} text */
  function span(begin, close, y, text) {
    if (close - begin < 2) return;
    context.fillStyle = Theme.colour("phase");
    context.fillRect(begin, y, close - begin - 1, BAR);
    context.font = `11px ${family}`;
    const seen = Math.max(begin, left);
    write(fitting([text, "start"], close - seen - 12), seen + 6, y + 11, "ink2");
  }

  /** Name a pause. @param {number} begin @param {number} close @param {number} y */
  function idle(begin, close, y) {
    const text = `idle ${time(close - begin)}`;
    const [from, to] = [Math.max(x(begin), left), Math.min(x(close), width - RIGHT)];
    context.font = `11px ${family}`;
    const wide = context.measureText(text).width;
    if (to - from < wide + 24) return;
    context.fillStyle = Theme.colour("card");
    context.fillRect(from + 8, y + 3, wide + 8, 16);
    write(text, from + 12, y + 11, "ink3");
  }

  /** @param {number} i @param {number} begin @param {number} wide @param {number} y */
  function paintTest(i, begin, wide, y) {
    const outcome = tests.outcome[i];
    const shown = wide > 3 ? wide - 1 : RunData.bad(i) ? Math.max(3, wide) : wide;
    context.fillStyle = Theme.colour("card");
    context.fillRect(begin, y, wide, BAR);
    context.globalAlpha = RunList.has(i) ? 1 : 0.22;
    if (RunList.state.mode === "category") paintTimes(i, begin, shown, y);
    else if (TOKENS[outcome]) {
      context.fillStyle = Theme.colour(TOKENS[outcome]);
      context.fillRect(begin, y, shown, BAR);
      if (wide > 24 && outcome === "passed") {
        const scale = shown / tests.duration[i];
        context.fillStyle = Theme.colour("pass-soft");
        context.fillRect(begin, y, tests.phases[i][0] * scale, BAR);
        context.fillRect(begin + shown, y, -tests.phases[i][2] * scale, BAR);
      }
    } else {
      context.strokeStyle = Theme.colour("ink3");
      context.lineWidth = 1;
      context.strokeRect(begin + 0.5, y + 0.5, Math.max(0.5, shown - 1), BAR - 1);
    }
    if (RunList.state.mode !== "category" && wide > 46) {
      context.font = `11px ${family}`;
      const seen = Math.max(begin, left);
      const name = RunData.name(i).replace(/^(.*::)?(test_)?/, "");
      let text = name;
      const room = Math.min(begin + wide, width) - seen - 12;
      while (text.length > 4 && context.measureText(text + "…").width > room) text = text.slice(0, -1);
      if (text.length > 4 || text === name) write(text === name ? text : text + "…", seen + 6, y + 11, TOKENS[outcome] === "fail-bar" ? "on-bar" : /error|^x/.test(outcome) ? "card" : "ink");
    }
    context.globalAlpha = 1;
  }

  /** @param {number} i @param {number} begin @param {number} wide @param {number} y */
  function paintTimes(i, begin, wide, y) {
    const parts = RunTable.where(i);
    const most = parts.reduce((a, b) => (b[1] > a[1] ? b : a), ["machinery", 0]);
    for (const [category, us] of wide < 4 ? [[most[0], tests.duration[i]]] : parts) {
      const part = (Number(us) / tests.duration[i]) * wide;
      const style = Theme.style(category === "machinery" ? "lane2" : Theme.waits(String(category)) ? String(category) : `strong ${category === "other" ? "lane" : category}`, "");
      context.fillStyle = Theme.pattern(style, context) ?? Theme.fill(style);
      context.fillRect(begin, y, part + 0.4, BAR);
      begin += part;
    }
  }

  /** The test whose bar is there, -1 = none. @param {MouseEvent} event */
  function testAt({ offsetX, offsetY }) {
    const lane = lanes[Math.floor((offsetY - TOP) / ROW)];
    if (!lane || offsetX < left) return -1;
    let [best, distance] = [-1, 3];
    for (const i of lane.tests) {
      const [begin, wide] = place(i);
      const away = Math.max(begin - offsetX, offsetX - begin - wide, 0);
      if (away < distance || (away === distance && RunData.bad(i))) [best, distance] = [i, away];
    }
    return best;
  }

  /** Ring the test's bar. @param {number} i */
  function ring(i) {
    if (hovered === i) return;
    hovered = i;
    draw();
  }

  /** Say what the test is, beside a point of the window. @param {number} i @param {number} clientX @param {number} clientY */
  function show(i, clientX, clientY) {
    ring(i);
    tip.classList.toggle("shown", i >= 0);
    if (i < 0) return;
    const outcome = tests.outcome[i];
    const [setUp, call, tearDown] = tests.phases[i].map(time);
    Dom.fill(
      tip,
      Dom.el("b", null, RunData.name(i)),
      Dom.el("div.dim", null, RunData.file(i)),
      RunTable.bar(RunTable.where(i)),
      Dom.el("div", null, `${outcome} in ${time(tests.duration[i])} `, Dom.el("span.dim", null, `set-up ${setUp}, call ${call}, tear-down ${tearDown}`)),
    );
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(innerWidth - width - 8, clientX + 12))}px`;
    tip.style.top = `${clientY + height + 24 > innerHeight ? clientY - height - 12 : clientY + 18}px`;
  }

  /** @param {number} begin @param {number} close */
  function look(begin, close) {
    const span = Math.max(1000, Math.min(close - begin, end));
    from = Math.max(0, Math.min(begin, end - span));
    to = from + span;
    draw();
  }

  /** @param {number} factor @param {number} [about] */
  const zoom = (factor, about = (from + to) / 2) => look(about - (about - from) * factor, about + (to - about) * factor);
  const open = (/** @type {number} */ i) => {
    if (i >= 0 && RunData.page(i)) location.href = RunData.page(i);
  };

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
    const i = testAt(event);
    canvas.style.cursor = i >= 0 ? "pointer" : "";
    show(i, event.clientX, event.clientY);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (drag && Math.abs(event.clientX - drag.x) < 4) open(testAt(event));
    drag = null;
  });
  canvas.addEventListener("pointercancel", () => (drag = null));
  for (const type of ["pointerleave", "blur"]) canvas.addEventListener(type, () => show(-1, 0, 0));
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
    let i;
    const lane = lanes.findIndex((lane) => lane.tests.includes(hovered));
    if (lane < 0) i = lanes.find((lane) => lane.tests.length)?.tests[0] ?? -1;
    else if (!across) i = lanes[lane].tests[lanes[lane].tests.indexOf(hovered) + step] ?? hovered;
    else i = lanes[lane + step]?.tests.findLast((other) => tests.start[other] <= tests.start[hovered]) ?? lanes[lane + step]?.tests[0] ?? hovered;
    if (i < 0) return;
    if (tests.start[i] < from || tests.start[i] > to) look(tests.start[i] - (to - from) / 2, tests.start[i] + (to - from) / 2);
    const box = canvas.getBoundingClientRect();
    show(i, box.left + place(i)[0], box.top + laneTop(tests.worker[i]) + 24);
    Dom.get("live").textContent = `${RunData.name(i)}, ${tests.outcome[i]}, ${time(tests.duration[i])}`;
  }

  Theme.refresh();
  new ResizeObserver(draw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (Theme.refresh(), draw()));
  RunList.listen(draw);

  return { ring };
})();
