// A chart on a canvas: areas, lines, a stack, two halves about one line, or a strip of heat. The x axis is time, so a gap is
// as wide as it was long.

import { byId, copyOf, find, resize, setText } from "./dom.js";
import { clock, onScale, scaleOf } from "./format.js";
import { valueOf } from "./history.js";
import { MINUTE_MS, page } from "./page.js";

/**
 * @typedef {import("./history.js").History} History
 * @typedef {import("./state.js").Host} Host
 *
 * What a chart shows. In a stack, the series add up to `total`; in a mirror, the second grows downwards; in a strip, each
 * is a row.
 * @typedef {object} Spec
 * @property {string} id
 * @property {string} title
 * @property {"area" | "stack" | "mirror" | "strip"} kind
 * @property {Record<string, [string, number]>} series the label and the colour of each metric
 * @property {string} [total]
 *
 * The area of the lines, and what is drawn there: pixels, ms since 1970, and the values at top and bottom.
 * @typedef {object} Plot
 * @property {number} em
 * @property {number} left
 * @property {number} right
 * @property {number} top
 * @property {number} bottom
 * @property {number} from
 * @property {number} to
 * @property {number} most
 * @property {number} least 0, or below in a mirror
 *
 * The samples of one column of pixels: the sums, the number, and the most of each series.
 * @typedef {object} Column
 * @property {number} x
 * @property {boolean} isGap whether time is missing before it
 * @property {number[]} sum
 * @property {number[]} count
 * @property {number[]} max
 */

/** The room around the lines, in ems. */
const LEFT = 2.6;
const RIGHT = 0.4;
const TOP = 0.4;
/** The least distance of two labels on the time axis, in ems. */
const TICK_WIDTH = 5;
/** Their distances in time. */
const TICKS_MS = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200]
  .map((seconds) => seconds * 1000);
/** A scale is larger than the highest value by so much. */
const HEADROOM = 1.1;
/** A series that never has this share of the scale needs no place in the legend. */
const LEGEND_SHARE = 0.01;
/** The rows of a strip: so many pixels each, and so many at most in total. */
const ROW = [2, 9];
const MAX_STRIP = 400;

/**
 * The least of 1, 2 or 5 times a power of ten that holds `value`.
 *
 * @param {number} value
 */
export function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  // Half a millionth for what is not exact in binary.
  const factor = [1, 2, 5].find((factor) => factor * power >= value * (1 - 5e-7)) ?? 10;
  return factor * power;
}

/**
 * What is in a window, by columns of pixels.
 *
 * @param {History} history
 * @param {string[]} names
 * @param {Plot} plot
 */
function columnsOf(history, names, plot) {
  /** @type {Column[]} */
  const columns = [];
  // One sample to the left of the window and one to the right, so that lines go on to the edges.
  const end = Math.min(history.length, history.find(plot.to + 1) + 1);
  for (let index = Math.max(0, history.find(plot.from) - 1); index < end; index += 1) {
    const point = history.points[index];
    const x = Math.round(xOf(plot, point.time));
    const isGap = history.isGap(index);
    let column = columns[columns.length - 1];
    if (!column || column.x !== x || isGap) {
      const none = () => names.map(() => 0);
      column = { x, isGap, sum: none(), count: none(), max: names.map(() => NaN) };
      columns.push(column);
    }
    for (let series = 0; series < names.length; series += 1) {
      const name = names[series];
      const value = valueOf(point, name);
      if (Number.isNaN(value)) continue;
      column.sum[series] += value;
      column.count[series] += 1;
      column.max[series] = Math.max(point.bucket?.max[name] ?? value, column.count[series] > 1 ? column.max[series] : -Infinity);
    }
  }
  return columns;
}

/**
 * A canvas of so many pixels of the device as it takes on the screen, empty.
 *
 * @param {HTMLCanvasElement} canvas
 */
export function cleared(canvas) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const { clientWidth: width, clientHeight: height } = canvas;
  // Setting a size also empties it.
  Object.assign(canvas, { width: Math.round(width * devicePixelRatio), height: Math.round(height * devicePixelRatio) });
  context.scale(devicePixelRatio, devicePixelRatio);
  return { context, width, height };
}

export class Chart {
  /** @type {Plot} */
  plot = { em: 0, from: 0, to: 1, left: 0, right: 1, top: 0, bottom: 1, most: 100, least: 0 };
  /** Where a pointer is, in pixels from the top of the canvas; NaN if there is none. */
  pointed = NaN;
  /** The series that are worth a place in the legend. */
  #worth = new Set();
  #scale = scaleOf("%", 100);
  /**
   * A colour of the style sheet.
   *
   * @type {(name: string) => string}
   */
  #colour = () => "";

  /** @param {Spec} spec */
  constructor(spec) {
    this.spec = spec;
    this.isStrip = spec.kind === "strip";
    this.isMirror = spec.kind === "mirror";
    this.figure = copyOf(byId("figure", HTMLTemplateElement));
    this.figure.id = `chart-${spec.id}`;
    this.canvas = find(this.figure, "canvas", HTMLCanvasElement);
    this.canvas.ariaLabel = spec.title;
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    /** @type {Map<string, HTMLElement>} */
    this.legend = new Map(Object.entries(spec.series).map(([name, [label, colour]]) => {
      const item = copyOf(byId("key", HTMLTemplateElement));
      setText(find(item, "span"), label);
      find(item, "button").dataset.series = name;
      find(item, "i").style.background = `var(--c${colour})`;
      find(this.figure, "ul").append(item);
      return [name, item];
    }));
  }

  /**
   * The series that the host has.
   *
   * @param {Host} host
   */
  names(host) {
    return this.isStrip ? host.instances("cpu") : Object.keys(this.spec.series).filter((name) => host.metric(name));
  }

  /**
   * Draws what a host has between two times.
   *
   * @param {Host} host
   * @param {History} history
   * @param {{ from: number, to: number }} window
   * @param {{ from: number, to: number }[]} bands when an alert fired
   * @param {boolean} isTimed whether the times are below it
   */
  draw(host, history, { from, to }, bands, isTimed) {
    const { canvas, context, figure, isStrip, spec } = this;
    const all = this.names(host);
    const names = all.filter((name) => !page.choices.hidden.includes(name));
    if (isStrip) {
      const row = Math.max(ROW[0], Math.min(ROW[1], Math.floor(72 / all.length)));
      canvas.style.height = `calc(${Math.min(MAX_STRIP, all.length * row)}px + .8em)`;
    }
    const style = getComputedStyle(figure);
    this.#colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const em = parseFloat(style.fontSize);
    const { width, height } = cleared(canvas);
    context.font = `${em * 0.9}px ${style.fontFamily}`;
    const bottom = height - (isTimed ? 1.5 : 0.4) * em;
    const plot = { em, from, to, left: LEFT * em, right: width - RIGHT * em, top: TOP * em, bottom, most: 100, least: 0 };
    this.plot = plot;
    const columns = columnsOf(history, spec.total ? [...names, spec.total] : names, plot);
    if (!isStrip) this.#findScale(host, names, columns);
    this.#drawAxes(host, isTimed, all.length, bands);
    context.save();
    context.beginPath();
    context.rect(plot.left, 0, plot.right - plot.left, height);
    context.clip();
    if (isStrip) this.#drawStrip(columns);
    else this.#drawSeries(names, columns);
    context.restore();
  }

  /**
   * @param {Host} host
   * @param {string[]} names
   * @param {Column[]} columns
   */
  #findScale(host, names, columns) {
    const { isMirror, plot } = this;
    const unit = host.unit(this.names(host)[0]);
    const highest = names.map((_, series) => Math.max(0, ...columns.map(({ max }) => max[series] || 0)));
    if (unit !== "%") {
      const least = unit ? 1000 : 2 * host.cores || 1;
      const [up, down] = [0, 1].map((half) =>
        roundUp(Math.max(least, ...highest.map((value, series) => (this.#half(names[series]) === half ? HEADROOM * value : 0)))));
      plot.most = up;
      plot.least = isMirror ? -down : 0;
    }
    this.#scale = scaleOf(unit, Math.max(plot.most, -plot.least));
    const tops = [plot.most, -plot.least];
    this.#worth = new Set(names.filter((name, series) =>
      (!series && !isMirror) || highest[series] >= LEGEND_SHARE * tops[this.#half(name)]));
  }

  /**
   * 1 for what grows downwards in a mirror.
   *
   * @param {string} name
   */
  #half(name) {
    return this.isMirror ? Object.keys(this.spec.series).indexOf(name) : 0;
  }

  /**
   * Draws lines of one pixel.
   *
   * @param {string} colour
   * @param {number[]} dash
   * @param {number[][]} lines the two ends of each
   */
  #drawLines(colour, dash, lines) {
    const { context } = this;
    context.strokeStyle = this.#colour(colour);
    context.lineWidth = 1;
    context.setLineDash(dash);
    context.beginPath();
    for (const [x, y, endX, endY] of lines.map((line) => line.map(sharp))) {
      context.moveTo(x, y);
      context.lineTo(endX, endY);
    }
    context.stroke();
    context.setLineDash([]);
  }

  /**
   * The ground: when alerts fired, the scales, and the critical level where the scale holds it.
   *
   * @param {Host} host
   * @param {boolean} isTimed
   * @param {number} rows
   * @param {{ from: number, to: number }[]} bands
   */
  #drawAxes(host, isTimed, rows, bands) {
    const { context, isMirror, isStrip, plot, spec } = this;
    const { em, left, right, top, bottom, from, to, most, least } = plot;
    context.fillStyle = this.#colour("crit-fill");
    for (const band of bands) {
      const [x, end] = [band.from, band.to].map((time) => Math.min(right, Math.max(left, xOf(plot, time))));
      context.fillRect(x, top, end - x, bottom - top);
    }
    const shares = isMirror ? [0, 1, least / most] : bottom - top > 6 * em ? [0, 0.25, 0.5, 0.75, 1] : [0, 0.5, 1];
    /** @type {[number, string][]} */
    const labels = shares.map((share) =>
      [yOf(plot, share * most), `${Number((Math.abs(share * most) / this.#scale.by).toPrecision(3))}`]);
    const height = (bottom - top) / rows;
    if (isStrip) labels.length = 0;
    for (let row = 0; isStrip && row < rows; row += Math.ceil((1.3 * em) / height)) {
      labels.push([top + (row + 0.5) * height, `${row}`]);
    }
    context.fillStyle = this.#colour("muted");
    context.textAlign = "right";
    labels.forEach(([y, label], index) => {
      if (labels.slice(0, index).some(([other]) => Math.abs(y - other) < em)) return;
      context.fillText(label, left - 0.4 * em, y + 0.3 * em);
    });
    const mostTicks = (right - left) / (TICK_WIDTH * em);
    const step = TICKS_MS.find((tick) => (to - from) / tick <= mostTicks) ?? TICKS_MS[TICKS_MS.length - 1];
    const zone = new Date(to).getTimezoneOffset() * MINUTE_MS;
    const lines = isStrip ? [] : labels.map(([y]) => [left, y, right, y]);
    context.textAlign = "center";
    let isDated = false;
    let next = left + 4 * em;
    for (let time = Math.ceil((from - zone) / step) * step + zone; time <= to; time += step) {
      const x = xOf(plot, time);
      lines.push([x, top, x, bottom]);
      if (!isTimed || x < next || x > right - 2 * em) continue;
      // The first of them says the date, unless that is today.
      const label = isDated ? clock(time, step < MINUTE_MS) : host.moment(time, step < MINUTE_MS);
      next = x + label.length * 0.6 * em;
      isDated = true;
      context.fillText(label, x, bottom + 1.2 * em);
    }
    this.#drawLines("rule", [], lines);
    const limit = host.metric(spec.total ?? Object.keys(spec.series)[0])?.critical ?? Infinity;
    const y = yOf(plot, limit);
    if (!isMirror && limit <= most) this.#drawLines("crit", [1, 4], [[left, y, right, y]]);
  }

  /**
   * Draws each series: in a stack, from the top down, as each covers those below it.
   *
   * @param {string[]} names
   * @param {Column[]} columns
   */
  #drawSeries(names, columns) {
    const { isMirror, spec } = this;
    const isStack = spec.kind === "stack";
    /**
     * @param {Column} column
     * @param {number} series
     */
    const mean = ({ sum, count }, series) => sum[series] / count[series];
    // The peaks of the total, behind the means of its parts.
    if (isStack) this.#drawArea(columns, "c0", 0.3, 0, ({ max }) => max[names.length]);
    for (let series = names.length - 1; series >= 0; series -= 1) {
      // A line at 0 tells from a gap.
      if (!isMirror && !this.#worth.has(names[series])) continue;
      const ink = `c${spec.series[names[series]][1]}`;
      const sign = this.#half(names[series]) ? -1 : 1;
      if (isStack) {
        this.#drawArea(columns, ink, 0.9, 0.8, (column) =>
          names.slice(0, series + 1).reduce((sum, _, part) => sum + (mean(column, part) || 0), 0 * mean(column, 0)), "card");
        continue;
      }
      const opacity = series === 0 || isMirror ? 0.15 : 0;
      this.#drawArea(columns, ink, opacity, 0, (column) => sign * mean(column, series));
      this.#drawArea(columns, ink, opacity, 1.5, ({ max }) => sign * max[series]);
    }
  }

  /**
   * Fills from 0 to a value, and draws a line along it. A sample between two gaps becomes a bar.
   *
   * @param {Column[]} columns
   * @param {string} ink
   * @param {number} opacity
   * @param {number} line its width, 0 for none
   * @param {(column: Column) => number} value
   */
  #drawArea(columns, ink, opacity, line, value, lineInk = ink) {
    const { context, isMirror, plot } = this;
    const fill = new Path2D();
    const stroke = new Path2D();
    const base = yOf(plot, 0);
    let last = NaN;
    const end = () => {
      if (!Number.isNaN(last)) fill.lineTo(last, base);
      last = NaN;
    };
    for (const column of columns) {
      // Even 0 is a line, and nothing is none.
      const y = Math.min(yOf(plot, value(column)), isMirror ? Infinity : base - 1);
      if (column.isGap || Number.isNaN(y)) end();
      if (Number.isNaN(y)) continue;
      if (Number.isNaN(last)) {
        fill.moveTo(column.x - 0.5, base);
        fill.lineTo(column.x - 0.5, y);
        stroke.moveTo(column.x - 0.5, y);
      }
      last = column.x + 0.5;
      fill.lineTo(last, y);
      stroke.lineTo(last, y);
    }
    end();
    context.globalAlpha = opacity;
    context.fillStyle = this.#colour(ink);
    context.fill(fill);
    context.globalAlpha = 1;
    context.strokeStyle = this.#colour(lineInk);
    context.lineWidth = line;
    context.lineJoin = "round";
    if (line) context.stroke(stroke);
  }

  /**
   * Draws a row for each series: the hotter, the darker. If they are more than rows of two pixels, the hottest counts.
   *
   * @param {Column[]} columns
   */
  #drawStrip(columns) {
    const { left, right, top, bottom } = this.plot;
    const series = columns[0]?.max.length ?? 0;
    const [start, width] = [left, right - left].map(Math.round);
    const rows = Math.min(series, Math.floor((bottom - top) / ROW[0]));
    if (!rows || width < 1) return;
    const heats = [0, 1, 2, 3].map((heat) => {
      const hex = parseInt(this.#colour(`heat${heat}`).slice(1), 16);
      return [hex >> 16, (hex >> 8) & 255, hex & 255];
    });
    // A colour for each percent, as the bytes of a pixel.
    const inks = Array.from({ length: 101 }, (_, value) => {
      const [red, green, blue] = value >= 90 ? heats[3] : value >= 70 ? heats[2]
        : heats[0].map((part, index) => part + ((heats[1][index] - part) * value) / 70);
      return (255 << 24) | (blue << 16) | (green << 8) | red;
    });
    const pixels = new Int32Array(width * rows);
    const steps = columns.slice(1).flatMap(({ x, isGap }, index) => (isGap ? [] : x - columns[index].x));
    const usual = Math.max(1, Math.min(...steps));
    columns.forEach(({ x, max }, index) => {
      const next = columns[index + 1];
      const begin = Math.max(0, x - start);
      const end = Math.min(width, (next && !next.isGap ? next.x : x + usual) - start);
      for (let row = 0; row < rows && begin < end; row += 1) {
        let value = -1;
        for (let core = Math.floor((row * series) / rows); core < ((row + 1) * series) / rows; core += 1) {
          if (max[core] > value) value = max[core];
        }
        if (value >= 0) pixels.fill(inks[Math.min(100, Math.floor(value))], row * width + begin, row * width + end);
      }
    });
    const image = new ImageData(new Uint8ClampedArray(pixels.buffer), width, rows);
    const picture = Object.assign(document.createElement("canvas"), { width, height: rows });
    picture.getContext("2d")?.putImageData(image, 0, 0);
    this.context.imageSmoothingEnabled = false;
    this.context.drawImage(picture, left, top, width, bottom - top);
  }

  /**
   * Shows the values of a sample in the legend, and the unit in the heading.
   *
   * @param {Host} host
   * @param {History} history
   * @param {number} index
   */
  showValues(host, history, index) {
    const { figure, isStrip, legend, spec } = this;
    const { unit } = this.#scale;
    setText(find(figure, "h2"), unit && !isStrip ? `${spec.title}, ${unit}` : spec.title);
    for (const [name, item] of legend) {
      const isHidden = page.choices.hidden.includes(name);
      item.hidden = !host.metric(name) || !(this.#worth.has(name) || isHidden);
      setText(find(item, "b"), onScale(history.value(name, index), this.#scale));
      find(item, "button").ariaPressed = `${!isHidden}`;
    }
    if (!isStrip) return;
    const cores = this.names(host);
    /** @param {string} name */
    const busy = (name) => history.value(name, index);
    const hottest = cores.filter((name) => busy(name) >= 0).sort((one, other) => busy(other) - busy(one)).slice(0, 3);
    const { top, bottom } = this.plot;
    const core = cores[Math.floor(((this.pointed - top) / (bottom - top)) * cores.length)];
    /** @param {string} name */
    const share = (name) => `${onScale(busy(name), { by: 1, decimals: 0 })} %`;
    const words = hottest.map((name, nth) => name.slice(4) + (core || nth ? "" : ` (${share(name)})`)).join(", ");
    setText(resize(find(figure, "ul"), 1, "li")[0], (core ? `core ${core.slice(4)}: ${share(core)}; ` : "") + `hottest: ${words}`);
  }
}

/**
 * @param {Pick<Plot, "left" | "right" | "from" | "to">} plot
 * @param {number} time
 */
export function xOf({ left, right, from, to }, time) {
  return left + ((time - from) / (to - from)) * (right - left);
}

/**
 * The time at a horizontal place in the plot, or at the nearest one.
 *
 * @param {Pick<Plot, "left" | "right" | "from" | "to">} plot
 * @param {number} x
 */
export function timeAt({ left, right, from, to }, x) {
  return from + ((Math.min(right, Math.max(left, x)) - left) / (right - left)) * (to - from);
}

/**
 * @param {Plot} plot
 * @param {number} value
 */
function yOf({ top, bottom, most, least }, value) {
  return bottom - ((value - least) / (most - least)) * (bottom - top);
}

/**
 * The middle of a pixel, where a line of one pixel is not blurred over two.
 *
 * @param {number} position
 */
function sharp(position) {
  return Math.round(position) + 0.5;
}
