// A line chart on a canvas. x is time, so what is missing has its true width.

import { $, clock, setText, text } from "./format.js";

/** The room around the lines, in ems. */
const LEFT = 3;
const RIGHT = 0.5;
const TOP = 0.5;
const BOTTOM = 1.4;
/** Tick distances on the time axis, in ms. */
const TICKS = [5, 10, 15, 30, 60, 120, 180, 300].map((seconds) => seconds * 1000);
const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3]];

/** The least round number that is no less than `value`, and whose quarters are round as well. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].find((factor) => factor * power >= value) * power;
}

export class Chart {
  /** `series`: names and labels of metrics; percent has the scale 0 to 100. The legend goes into `figure`. */
  constructor(figure, unit, series) {
    Object.assign(this, { figure, series, unit });
    this.canvas = figure.querySelector("canvas");
    this.context = this.canvas.getContext("2d");
    this.readouts = series.map(([, label], i) => this.#legend(label, i));
    const restyle = () => {
      this.style = null;
      this.redraw?.();
    };
    new ResizeObserver(restyle).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
  }

  #legend(label, i) {
    const item = $("legend").content.cloneNode(true).firstElementChild;
    const line = item.querySelector("line");
    line.setAttribute("stroke-dasharray", DASHES[i].join());
    line.style.stroke = `var(--line-${i})`;
    setText(item.querySelector("span"), label);
    this.figure.querySelector("ul").append(item);
    return item.querySelector("b");
  }

  #readStyle() {
    const style = getComputedStyle(this.figure);
    const em = parseFloat(style.fontSize);
    const read = (name) => style.getPropertyValue(`--${name}`);
    const lines = this.series.map((_, i) => read(`line-${i}`));
    return { em, lines, rule: read("rule"), ink: read("ink"), muted: read("muted"), font: `${em * 0.75}px ${style.fontFamily}` };
  }

  /** Draws what `history` has from `from` to `to`, and the values at `cursor`, or the newest. */
  draw(history, from, to, cursor) {
    this.redraw = () => this.draw(history, from, to, cursor);
    const { canvas, context } = this;
    const { clientWidth: width, clientHeight: height } = canvas;
    const size = [width * devicePixelRatio, height * devicePixelRatio].map(Math.round);
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    this.style ??= this.#readStyle();
    const { em } = this.style;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, width, height);
    // One sample to the left of the window, so that the line enters from the edge.
    const begin = Math.max(0, history.find(from) - 1);
    const end = history.find(to + 1);
    const box = { left: LEFT * em, right: width - RIGHT * em, top: TOP * em, bottom: height - BOTTOM * em };
    const most = this.unit === "%" ? 100 : this.#most(history, begin, end);
    const x = (time) => box.left + ((time - from) / (to - from)) * (box.right - box.left);
    const y = (value) => box.bottom - (value / most) * (box.bottom - box.top);
    this.range = { from, to, ...box };
    this.#axes(most, height, x, y);
    context.save();
    context.beginPath();
    context.rect(box.left, 0, box.right - box.left, height);
    context.clip();
    this.series.forEach(([name], i) => this.#line(history, begin, end, name, i, x, y));
    context.restore();
    this.#readOut(history, cursor, x, y);
  }

  #most(history, begin, end) {
    // Below it, the scale would magnify nothing.
    let most = 1000;
    for (const [name] of this.series) for (let i = begin; i < end; i += 1) most = Math.max(most, history.value(name, i) || 0);
    return ceiling(most);
  }

  #axes(most, height, x, y) {
    const { context, style } = this;
    const { from, to, left, right } = this.range;
    Object.assign(context, { font: style.font, fillStyle: style.muted, strokeStyle: style.rule, lineWidth: 1, textAlign: "right" });
    context.beginPath();
    for (let i = 0; i <= 4; i += 1) {
      const at = Math.round(y((most * i) / 4)) + 0.5;
      context.moveTo(left, at);
      context.lineTo(right, at);
      context.fillText(text((most * i) / 4, this.unit).replace(/\.0|%|B\/s/g, ""), left - 0.5 * style.em, at + 0.25 * style.em);
    }
    context.stroke();
    const step = TICKS.find((tick) => (to - from) / tick <= (right - left) / (4 * style.em)) ?? TICKS.at(-1);
    context.textAlign = "center";
    for (let time = Math.ceil(from / step) * step; time <= to; time += step) {
      const at = x(time);
      if (at > left + style.em && at < right - style.em) context.fillText(clock(time, step < 60000), at, height - 0.3 * style.em);
    }
  }

  #line(history, begin, end, name, i, x, y) {
    const { context, style } = this;
    context.beginPath();
    let isDown = false;
    for (let j = begin; j < end; j += 1) {
      const value = history.value(name, j);
      const at = x(history.time(j));
      if (isDown && !history.isGap(j)) context.lineTo(at, y(value));
      else {
        // A sample between two gaps is a dot.
        context.moveTo(at - 0.5, y(value));
        context.lineTo(at, y(value));
      }
      isDown = !Number.isNaN(value);
    }
    Object.assign(context, { strokeStyle: style.lines[i], lineWidth: style.em / 8, lineJoin: "round" });
    context.setLineDash(DASHES[i]);
    context.stroke();
    context.setLineDash([]);
  }

  #readOut(history, cursor, x, y) {
    const { context, style, range } = this;
    const at = history.nearest(cursor ?? Infinity);
    const values = this.series.map(([name]) => history.value(name, at));
    values.forEach((value, i) => setText(this.readouts[i], text(value, this.unit)));
    setText(this.figure.querySelector("time"), clock(history.time(at)));
    if (cursor === null) return;
    const middle = Math.round(x(history.time(at))) + 0.5;
    context.strokeStyle = style.ink;
    context.lineWidth = 1;
    context.strokeRect(middle, range.top, 0, range.bottom - range.top);
    values.forEach((value, i) => {
      context.fillStyle = style.lines[i];
      context.beginPath();
      context.arc(middle, y(value), style.em / 4, 0, 7);
      context.fill();
    });
  }

  /** The time under a pointer. */
  timeAt(clientX) {
    const { from, to, left, right } = this.range;
    return from + ((clientX - this.canvas.getBoundingClientRect().left - left) / (right - left)) * (to - from);
  }
}
