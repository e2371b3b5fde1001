// The charts of a host, one below the other over the same time, and the timeline of all that is held above them.

import { Chart, cleared, timeAt, xOf } from "./chart.js";
import { append, byId, find, setText } from "./dom.js";
import { eventsOf } from "./events.js";
import { lookAt, page, toggle, windowOf, zoom } from "./page.js";

/**
 * @typedef {import("./history.js").History} History
 * @typedef {import("./state.js").Host} Host
 * @typedef {import("./events.js").Event} Event
 */

const CHARTS = [
  new Chart({
    id: "cpu", title: "CPU", kind: "stack", total: "cpu",
    series: { cpuUser: ["user", 0], cpuSystem: ["system", 1], iowait: ["I/O wait", 2], steal: ["stolen", 3] },
  }),
  // Of a host that does not tell the parts.
  new Chart({ id: "total", title: "CPU", kind: "area", series: { cpu: ["busy", 0] } }),
  new Chart({ id: "gpu", title: "GPU", kind: "area", series: { gpu: ["busy", 0], gpuMemory: ["memory", 4] } }),
  new Chart({ id: "cores", title: "Cores", kind: "strip", series: {} }),
  new Chart({ id: "memory", title: "Memory", kind: "area", series: { memory: ["used", 4], swap: ["swap", 2] } }),
  new Chart({ id: "load", title: "Load", kind: "area", series: { load1: ["1 min", 0], load5: ["5 min", 3] } }),
  new Chart({
    id: "pressure", title: "Pressure", kind: "area",
    series: { pressureCpu: ["CPU", 0], pressureMemory: ["memory", 4], pressureIo: ["I/O", 2] },
  }),
  new Chart({
    id: "network", title: "Network", kind: "mirror", series: { networkReceived: ["in ↑", 0], networkSent: ["out ↓", 2] },
  }),
  new Chart({ id: "disk", title: "Disk", kind: "mirror", series: { diskRead: ["read ↑", 0], diskWritten: ["written ↓", 2] } }),
];
/** Charts of values that are as they should be at 0 are there only if there was another one. */
const QUIET = ["gpu", "pressure", "network", "disk"];
/** A dragged distance below this is a click, in pixels. */
const CLICK = 5;
/** The height of the marks in the timeline, in pixels. */
const MARKS_HEIGHT = 12;

/**
 * The charts that have anything to show.
 *
 * @param {Host} host
 */
function worthy(host) {
  return CHARTS.filter((chart) => {
    const { id } = chart.spec;
    const names = chart.names(host);
    if (id === "total" && host.metric("cpuUser")) return false;
    return names.some((name) => !QUIET.includes(id) || host.says(name));
  });
}

/** The first chart that is shown: all have the same edges. */
function firstChart() {
  return CHARTS.find(({ figure }) => !figure.hidden) ?? CHARTS[0];
}

/** @param {Host} host */
export function renderCharts(host) {
  const { history } = host;
  if (!history?.length) return;
  const range = windowOf(host);
  const events = eventsOf(host);
  const bands = events.filter(({ mark }) => "▲△".includes(mark)).map(({ time, end = history.last() }) => ({ from: time, to: end }));
  const shown = worthy(host);
  for (const chart of CHARTS) chart.figure.hidden = !shown.includes(chart);
  for (const chart of shown) {
    chart.draw(host, history, range, bands, chart === shown[0] || chart === shown[shown.length - 1]);
  }
  renderTimeline(host, history, events);
  renderCursor(host);
}

/**
 * Shows the values at the cursor, or the newest.
 *
 * @param {Host} host
 */
export function renderCursor(host) {
  const { history } = host;
  if (!history?.length) return;
  const { from, to } = windowOf(host);
  const isLive = page.until === null && !page.paused;
  const index = history.nearest(page.cursor ?? (isLive ? Infinity : to));
  const time = history.time(index);
  for (const chart of CHARTS) if (!chart.figure.hidden) chart.showValues(host, history, index);
  const cross = byId("cross");
  cross.hidden = page.cursor === null || time < from || time > to;
  const { canvas, plot } = firstChart();
  const x = xOf(plot, time);
  cross.style.left = `${canvas.offsetLeft + x}px`;
  cross.classList.toggle("late", x > plot.right / 2);
  const label = find(cross, "time");
  setText(label, host.moment(time));
  // Over the times of the axis, as it would hide the values above the chart.
  label.style.top = `${canvas.offsetTop + plot.bottom}px`;
}

/**
 * What the charts say at the cursor, to be read aloud.
 *
 * @param {Host} host
 */
export function reading(host) {
  const captions = CHARTS.filter(({ figure }) => !figure.hidden).map(({ figure }) => find(figure, "figcaption").innerText);
  return [host.moment(page.cursor ?? 0), ...captions].join(". ");
}

/**
 * The timeline: its edges in pixels, and the time that is held.
 *
 * @param {Host} host
 */
function timelineOf(host) {
  const canvas = find(byId("timeline"), "canvas", HTMLCanvasElement);
  const { history } = host;
  const from = history?.time(0) ?? 0;
  return { canvas, left: 0, right: canvas.clientWidth, from, to: Math.max(windowOf(host).to, history?.last() ?? 0, from + 1) };
}

/**
 * Draws what is held of the CPU, what happened, and a frame around what the charts show.
 *
 * @param {Host} host
 * @param {History} history
 * @param {Event[]} events
 */
function renderTimeline(host, history, events) {
  const plot = timelineOf(host);
  [plot.from, plot.to].forEach((time, index) =>
    setText(byId("timeline").querySelectorAll("time")[index], host.moment(time, false)));
  const { context, width, height } = cleared(plot.canvas);
  const style = getComputedStyle(plot.canvas);
  /** @param {string} name */
  const colour = (name) => style.getPropertyValue(`--${name}`);
  const { from, to } = windowOf(host);
  const [left, right] = [from, to].map((time) => Math.min(width - 1, Math.max(1, xOf(plot, time))));
  const room = height - MARKS_HEIGHT;
  context.fillStyle = colour("sel");
  context.fillRect(left, MARKS_HEIGHT, right - left, room);
  context.fillStyle = colour("c3");
  history.points.forEach(({ bucket, time }, index) => {
    const x = xOf(plot, time);
    const before = history.isGap(index) || !index ? x - 1 : xOf(plot, history.time(index - 1));
    // Even 0 is a line, and nothing is none.
    const bar = ((bucket?.max.cpu ?? history.value("cpu", index)) / 100) * (room - 1) + 1;
    context.fillRect(before, height - bar, x - before + 0.5, bar);
  });
  context.strokeStyle = colour("c0");
  context.lineWidth = 2;
  context.strokeRect(left, MARKS_HEIGHT, right - left, room - 1);
  context.font = `${MARKS_HEIGHT - 1}px ${style.fontFamily}`;
  context.textAlign = "center";
  for (const { time, mark } of [...events].reverse()) {
    context.fillStyle = colour("▲■".includes(mark) ? "crit" : "muted");
    context.fillText(mark, Math.min(width - 5, Math.max(5, xOf(plot, time))), MARKS_HEIGHT - 2);
  }
}

/**
 * Scrolls to a chart.
 *
 * @param {string} id
 */
export function openChart(id) {
  const chart = CHARTS.find(({ spec, figure }) => spec.id === id && !figure.hidden) ?? firstChart();
  chart.figure.scrollIntoView({ block: "center" });
}

/**
 * Lets a pointer move the cursor, look at a moment by a click, choose a time by dragging, and hide series.
 *
 * @param {() => Host | undefined} shown
 * @param {() => void} schedule draws everything
 */
export function listenToCharts(shown, schedule) {
  const area = byId("charts");
  area.append(...CHARTS.map(({ figure }) => figure));
  new ResizeObserver(schedule).observe(area);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", schedule);
  listenTo(area, (x) => timeAt(firstChart().plot, x - firstChart().canvas.offsetLeft), shown, schedule);
  listenTo(byId("timeline"), (x, host) => timeAt(timelineOf(host), x - timelineOf(host).canvas.offsetLeft), shown, schedule);
  area.addEventListener("pointerleave", ({ pointerType }) => {
    pointAt(null);
    // A finger is lifted to look at what it touched, so the cursor stays.
    if (pointerType === "touch" || page.isPinned) return;
    page.cursor = null;
    schedule();
  });
  area.addEventListener("click", ({ target }) => {
    const name = target instanceof Element && target.closest("button")?.dataset.series;
    if (name) toggle("hidden", name);
    schedule();
  });
}

/**
 * Tells each chart where the pointer is in it.
 *
 * @param {PointerEvent | null} event
 */
function pointAt(event) {
  for (const chart of CHARTS) chart.pointed = event?.target === chart.canvas ? event.offsetY : NaN;
}

/**
 * A mouse chooses a time by dragging, a finger moves the cursor.
 *
 * @param {HTMLElement} area
 * @param {(x: number, host: Host) => number} timeOf the time at a place in it
 * @param {() => Host | undefined} shown
 * @param {() => void} schedule
 */
function listenTo(area, timeOf, shown, schedule) {
  const drag = append(area, "div", { className: "drag", hidden: true });
  /** Where a button of the mouse or a finger was pressed, and what was looked at before. */
  let pressed = NaN;
  let before = page.cursor;
  /**
   * @param {keyof HTMLElementEventMap & `pointer${string}`} type
   * @param {(event: PointerEvent, x: number, host: Host) => void} act
   */
  const on = (type, act) => area.addEventListener(type, (event) => {
    const host = shown();
    if (host?.history?.length) act(/** @type {PointerEvent} */ (event), /** @type {PointerEvent} */ (event).clientX - area.getBoundingClientRect().left, host);
  });
  on("pointerdown", ({ button, isPrimary, pointerId, pointerType, target }, x) => {
    // Two fingers are the browser's.
    pressed = NaN;
    before = page.cursor;
    if (button || !isPrimary || (target instanceof Element && target.closest("button"))) return;
    pressed = x;
    if (pointerType === "mouse") area.setPointerCapture(pointerId);
  });
  on("pointermove", (event, x, host) => {
    const isMouse = event.pointerType === "mouse";
    drag.hidden = !isMouse || !(Math.abs(x - pressed) > CLICK);
    drag.style.left = `${Math.min(x, pressed)}px`;
    drag.style.width = `${Math.abs(x - pressed)}px`;
    if (area.id !== "charts") return;
    pointAt(event);
    if (isMouse ? !page.isPinned : pressed) page.cursor = timeOf(x, host);
    renderCursor(host);
  });
  on("pointercancel", () => {
    // The browser scrolls or zooms.
    pressed = NaN;
    page.cursor = before;
    schedule();
  });
  on("pointerup", ({ pointerType }, x, host) => {
    const [from, to] = [Math.min(x, pressed), Math.max(x, pressed)];
    pressed = NaN;
    drag.hidden = true;
    if (Number.isNaN(from)) return;
    if (to - from > CLICK && pointerType === "mouse") {
      page.cursor = null;
      page.isPinned = false;
      zoom(timeOf(from, host), timeOf(to, host));
    } else if (page.isPinned && pointerType === "mouse" && area.id === "charts") page.isPinned = false;
    else lookAt(host, timeOf(x, host));
    schedule();
  });
}
