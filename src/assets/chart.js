// A line chart on a canvas. The x axis is time, so a gap is as wide as it was long.

import { byId, copyOf, find, setText } from "./dom.js";
import { clock, moment, text } from "./format.js";

/**
 * @typedef {import("./state.js").History} History
 * @typedef {import("./state.js").Host} Host
 *
 * @typedef {(name: string) => string} Colour a colour of the style sheet
 *
 * The area of the lines, and what is drawn there: pixels, ms since 1970, and the value at the top.
 * @typedef {object} Plot
 * @property {number} em
 * @property {number} left
 * @property {number} right
 * @property {number} top
 * @property {number} bottom
 * @property {number} height of the whole canvas
 * @property {number} from
 * @property {number} to
 * @property {number} begin the index of the first sample
 * @property {number} end the index after the last sample
 * @property {number} most
 */

/** The room around the lines, in ems. */
const LEFT = 3;
const RIGHT = 0.5;
const TOP = 0.5;
const BOTTOM = 1.4;

/** Lines of the grid above the bottom. */
const GRID_LINES = 4;
/** The least distance of two labels on the time axis, in ems. */
const TICK_WIDTH = 4;
/** Their distances in time. */
const TICKS_MS = [5, 10, 15, 30, 60, 120, 180, 300].map((seconds) => seconds * 1000);
const MINUTE_MS = 60 * 1000;
/** Not everybody can tell the colours of the lines apart. */
const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3]];
/** A smaller scale of rates would only magnify noise. */
const MIN_SCALE = 1000;

/**
 * The least round number that is not below `value` and whose quarters are round as well.
 *
 * @param {number} value
 */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 4, 6, 8, 10].find((factor) => factor * power >= value) ?? 10;
  return factor * power;
}

export class Chart {
  /** @type {Plot | null} */
  #plot = null;
  #redraw = () => {};

  /**
   * @param {HTMLElement} figure has the canvas and gets the legend
   * @param {string} unit of all metrics; percentages have the scale 0 to 100
   * @param {string[]} metrics
   */
  constructor(figure, unit, metrics) {
    this.figure = figure;
    this.unit = unit;
    this.metrics = metrics;
    this.canvas = find(figure, "canvas", HTMLCanvasElement);
    const context = this.canvas.getContext("2d");
    if (!context) throw new Error("this browser cannot draw on a canvas");
    this.context = context;
    this.legend = metrics.map((_, index) => this.#addLegend(index));
    new ResizeObserver(() => this.#redraw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#redraw());
  }

  /** @param {number} index */
  #addLegend(index) {
    const item = copyOf(byId("legend", HTMLTemplateElement));
    const line = find(item, "line", SVGLineElement);
    line.setAttribute("stroke-dasharray", DASHES[index].join());
    line.style.stroke = `var(--line-${index})`;
    find(this.figure, "ul").append(item);
    return item;
  }

  /**
   * Draws what a host has between two times, and the values at the cursor, or the newest.
   *
   * @param {Host} host
   * @param {History} history
   * @param {number} from in ms since 1970, as are the next two
   * @param {number} to
   * @param {number | null} cursor
   */
  draw(host, history, from, to, cursor) {
    this.#redraw = () => this.draw(host, history, from, to, cursor);
    const style = getComputedStyle(this.figure);
    /** @type {Colour} */
    const colour = (name) => style.getPropertyValue(`--${name}`);
    const plot = this.#layOut(history, from, to, parseFloat(style.fontSize));
    this.#plot = plot;
    const { context } = this;
    context.font = `${plot.em * 0.75}px ${style.fontFamily}`;
    this.#drawAxes(plot, colour);
    context.save();
    context.beginPath();
    context.rect(plot.left, 0, plot.right - plot.left, plot.height);
    context.clip();
    this.metrics.forEach((_, index) => this.#drawLine(history, index, plot, colour));
    context.restore();
    this.#showValues(host, history, cursor, plot, colour);
  }

  /**
   * Makes the canvas as large as its element, in pixels of the device, and clears it.
   *
   * @param {History} history
   * @param {number} from
   * @param {number} to
   * @param {number} em
   * @returns {Plot}
   */
  #layOut(history, from, to, em) {
    const { canvas, context } = this;
    const { clientWidth: width, clientHeight: height } = canvas;
    const [deviceWidth, deviceHeight] = [width, height].map((size) => Math.round(size * devicePixelRatio));
    if (canvas.width !== deviceWidth || canvas.height !== deviceHeight) {
      canvas.width = deviceWidth;
      canvas.height = deviceHeight;
    }
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, width, height);
    // One sample to the left of the window, so that the line enters from the edge.
    const begin = Math.max(0, history.find(from) - 1);
    const end = history.find(to + 1);
    return {
      em,
      left: LEFT * em,
      right: width - RIGHT * em,
      top: TOP * em,
      bottom: height - BOTTOM * em,
      height,
      from,
      to,
      begin,
      end,
      most: this.unit === "%" ? 100 : this.#scaleOf(history, begin, end),
    };
  }

  /**
   * @param {History} history
   * @param {number} begin
   * @param {number} end
   */
  #scaleOf(history, begin, end) {
    let most = MIN_SCALE;
    for (const metric of this.metrics) {
      for (let index = begin; index < end; index += 1) most = Math.max(most, history.value(metric, index) || 0);
    }
    return roundUp(most);
  }

  /**
   * @param {Plot} plot
   * @param {Colour} colour
   */
  #drawAxes(plot, colour) {
    const { context } = this;
    const { em, left, right, from, to, height } = plot;
    context.fillStyle = colour("muted");
    context.strokeStyle = colour("rule");
    context.lineWidth = 1;
    context.textAlign = "right";
    context.beginPath();
    for (let line = 0; line <= GRID_LINES; line += 1) {
      const value = (plot.most * line) / GRID_LINES;
      const y = sharp(yOf(plot, value));
      context.moveTo(left, y);
      context.lineTo(right, y);
      // The heading names the unit.
      const label = text(value, this.unit).replace(/\.0|%|B\/s/g, "");
      context.fillText(label, left - 0.5 * em, y + 0.25 * em);
    }
    context.stroke();
    context.textAlign = "center";
    const mostTicks = (right - left) / (TICK_WIDTH * em);
    const step = TICKS_MS.find((tick) => (to - from) / tick <= mostTicks) ?? TICKS_MS[TICKS_MS.length - 1];
    for (let time = Math.ceil(from / step) * step; time <= to; time += step) {
      const x = xOf(plot, time);
      const isInside = x > left + em && x < right - em;
      if (isInside) context.fillText(clock(time, step < MINUTE_MS), x, height - 0.3 * em);
    }
  }

  /**
   * @param {History} history
   * @param {number} line
   * @param {Plot} plot
   * @param {Colour} colour
   */
  #drawLine(history, line, plot, colour) {
    const { context } = this;
    context.beginPath();
    let isPenDown = false;
    for (let index = plot.begin; index < plot.end; index += 1) {
      const value = history.value(this.metrics[line], index);
      const x = xOf(plot, history.time(index));
      const y = yOf(plot, value);
      // A sample between two gaps becomes a dot.
      if (!isPenDown || history.isGap(index)) context.moveTo(x - 0.5, y);
      context.lineTo(x, y);
      isPenDown = !Number.isNaN(value);
    }
    context.strokeStyle = colour(`line-${line}`);
    context.lineWidth = plot.em / 8;
    context.lineJoin = "round";
    context.setLineDash(DASHES[line]);
    context.stroke();
    context.setLineDash([]);
  }

  /**
   * Shows the values at the cursor in the legend and as dots on the lines; or else the newest, in the legend.
   *
   * @param {Host} host
   * @param {History} history
   * @param {number | null} cursor
   * @param {Plot} plot
   * @param {Colour} colour
   */
  #showValues(host, history, cursor, plot, colour) {
    const { context, figure, legend, metrics, unit } = this;
    const index = history.nearest(cursor ?? Infinity);
    const time = history.time(index);
    const values = metrics.map((metric) => history.value(metric, index));
    legend.forEach((item, line) => {
      setText(find(item, "span"), host.metric(metrics[line])?.label || metrics[line]);
      setText(find(item, "b"), text(values[line], unit));
    });
    setText(find(figure, "time"), moment(time, Boolean(host.hello.replay)));
    if (cursor === null) return;
    const x = sharp(xOf(plot, time));
    context.strokeStyle = colour("ink");
    context.lineWidth = 1;
    context.strokeRect(x, plot.top, 0, plot.bottom - plot.top);
    values.forEach((value, line) => {
      context.fillStyle = colour(`line-${line}`);
      context.beginPath();
      context.arc(x, yOf(plot, value), plot.em / 4, 0, 2 * Math.PI);
      context.fill();
    });
  }

  /**
   * The time under a pointer; null before anything was drawn.
   *
   * @param {number} clientX
   */
  timeAt(clientX) {
    if (!this.#plot) return null;
    const { from, to, left, right } = this.#plot;
    const x = clientX - this.canvas.getBoundingClientRect().left;
    return from + ((x - left) / (right - left)) * (to - from);
  }
}

/**
 * @param {Plot} plot
 * @param {number} time
 */
function xOf({ left, right, from, to }, time) {
  return left + ((time - from) / (to - from)) * (right - left);
}

/**
 * @param {Plot} plot
 * @param {number} value
 */
function yOf({ top, bottom, most }, value) {
  return bottom - (value / most) * (bottom - top);
}

/**
 * The middle of a pixel, where a line of one pixel is not blurred over two.
 *
 * @param {number} position
 */
function sharp(position) {
  return Math.round(position) + 0.5;
}
