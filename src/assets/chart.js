// A line chart on a canvas. x is time, so what is missing has its true width.

import { clock, text } from "./format.js";

const LEFT = 46;
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 22;
/** Tick distances on the time axis, in ms. */
const TICKS = [5, 10, 15, 30, 60, 120, 180, 300].map((seconds) => seconds * 1000);
const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3]];

/** The least 1, 2 or 5 times a power of ten that is no less than `value`. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((factor) => factor * power >= value) * power;
}

export class Chart {
  /** `series`: {name, label}; `percent` fixes the scale to 0..100. The legend is filled in `figure`. */
  constructor(figure, { series, unit, percent = false }) {
    Object.assign(this, { figure, series, unit, percent });
    this.canvas = figure.querySelector("canvas");
    this.context = this.canvas.getContext("2d");
    this.readouts = series.map((one, i) => this.#legend(one, i));
    this.time = figure.querySelector("time");
    new ResizeObserver(() => this.redraw?.()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.colours = null;
      this.redraw?.();
    });
  }

  #legend({ label }, i) {
    const item = this.figure.querySelector("template").content.cloneNode(true).firstElementChild;
    const line = item.querySelector("line");
    line.setAttribute("stroke-dasharray", DASHES[i].join(" "));
    line.style.stroke = `var(--line-${this.figure.id}-${i})`;
    item.querySelector("span").textContent = label;
    this.figure.querySelector("ul").append(item);
    return item.querySelector("b");
  }

  #readColours() {
    const style = getComputedStyle(this.figure);
    const read = (name) => style.getPropertyValue(name).trim();
    return {
      lines: this.series.map((_, i) => read(`--line-${this.figure.id}-${i}`)),
      grid: read("--rule"),
      ink: read("--muted"),
      strong: read("--ink"),
      font: `12px ${style.fontFamily}`,
    };
  }

  /** Draws what `history` has from `from` to `to`, and the values at `cursor`, or the newest. */
  draw(history, from, to, cursor) {
    this.redraw = () => this.draw(history, from, to, cursor);
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width) return;
    const ratio = devicePixelRatio;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    this.colours ??= this.#readColours();
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context.clearRect(0, 0, width, height);
    // One sample to the left of the window, so that the line enters from the edge.
    const begin = Math.max(0, history.find(from) - 1);
    const end = Math.min(history.length, history.find(to + 1));
    const top = this.percent ? 100 : this.#top(history, begin, end);
    const x = (time) => LEFT + ((time - from) / (to - from)) * (width - LEFT - RIGHT);
    const y = (value) => height - BOTTOM - (value / top) * (height - BOTTOM - TOP);
    this.range = { from, to, left: LEFT, right: width - RIGHT };
    this.#axes(width, height, top, x, y);
    this.context.save();
    this.context.beginPath();
    this.context.rect(LEFT, 0, width - LEFT - RIGHT, height);
    this.context.clip();
    this.series.forEach((one, i) => this.#line(history, begin, end, one.name, i, x, y));
    this.context.restore();
    this.#readOut(history, cursor, x, y, height);
  }

  #top(history, begin, end) {
    let most = 1000; // below it, the scale would magnify nothing
    for (const { name } of this.series) {
      for (let i = begin; i < end; i += 1) most = Math.max(most, history.value(name, i) || 0);
    }
    return ceiling(most);
  }

  #axes(width, height, top, x, y) {
    const { context, colours } = this;
    Object.assign(context, { font: colours.font, fillStyle: colours.ink, strokeStyle: colours.grid, lineWidth: 1 });
    Object.assign(context, { textAlign: "right", textBaseline: "middle" });
    context.beginPath();
    for (let i = 0; i <= 4; i += 1) {
      const at = Math.round(y((top * i) / 4)) + 0.5;
      context.moveTo(LEFT, at);
      context.lineTo(width - RIGHT, at);
      const label = this.percent ? `${25 * i}` : text((top * i) / 4, this.unit).replace("B/s", "");
      context.fillText(label, LEFT - 8, at);
    }
    context.stroke();
    const { from, to } = this.range;
    const room = width < 480 ? 4 : 8;
    const step = TICKS.find((tick) => (to - from) / tick <= room) ?? TICKS.at(-1);
    Object.assign(context, { textAlign: "center", textBaseline: "alphabetic" });
    for (let time = Math.ceil(from / step) * step; time <= to; time += step) {
      const at = x(time);
      if (at > LEFT + 20 && at < width - RIGHT - 20) context.fillText(clock(time, step < 60000), at, height - 5);
    }
  }

  #line(history, begin, end, name, i, x, y) {
    const { context } = this;
    context.beginPath();
    let isDown = false;
    for (let j = begin; j < end; j += 1) {
      const value = history.value(name, j);
      if (Number.isNaN(value)) {
        isDown = false;
        continue;
      }
      const at = x(history.time(j));
      if (isDown && !history.isGap(j)) context.lineTo(at, y(value));
      else {
        // A sample between two gaps is a dot.
        context.moveTo(at - 0.5, y(value));
        context.lineTo(at + 0.5, y(value));
      }
      isDown = true;
    }
    Object.assign(context, { strokeStyle: this.colours.lines[i], lineWidth: 2, lineJoin: "round" });
    context.setLineDash(DASHES[i]);
    context.stroke();
    context.setLineDash([]);
  }

  #readOut(history, cursor, x, y, height) {
    const at = cursor === null ? history.length - 1 : nearest(history, cursor);
    const values = this.series.map(({ name }) => (at < 0 ? NaN : history.value(name, at)));
    values.forEach((value, i) => setText(this.readouts[i], text(value, this.unit)));
    setText(this.time, at < 0 ? "" : clock(history.time(at)));
    if (cursor === null || at < 0) return;
    const { context, colours } = this;
    const middle = Math.round(x(history.time(at))) + 0.5;
    context.strokeStyle = colours.strong;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(middle, TOP);
    context.lineTo(middle, height - BOTTOM);
    context.stroke();
    values.forEach((value, i) => {
      if (Number.isNaN(value)) return;
      context.fillStyle = colours.lines[i];
      context.beginPath();
      context.arc(middle, y(value), 4, 0, 2 * Math.PI);
      context.fill();
    });
  }

  /** The time under a pointer. */
  timeAt(clientX) {
    const { from, to, left, right } = this.range;
    const share = (clientX - this.canvas.getBoundingClientRect().left - left) / (right - left);
    return from + Math.min(1, Math.max(0, share)) * (to - from);
  }
}

/** The index of the sample nearest to `time`; -1 when there is none. */
export function nearest(history, time) {
  const after = Math.min(history.find(time), history.length - 1);
  return after > 0 && time - history.time(after - 1) < history.time(after) - time ? after - 1 : after;
}

/** Touches the document only where something changes. */
export function setText(node, value) {
  if (node.textContent !== value) node.textContent = value;
}
