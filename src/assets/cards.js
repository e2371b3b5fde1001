// A card for each metric that the host has.

import { copyOf, find, setText } from "./dom.js";
import { parts, text, unbroken } from "./format.js";

/**
 * @typedef {import("./state.js").Host} Host
 * @typedef {import("./state.js").History} History
 *
 * @typedef {object} Card
 * @property {string} metric the name of the metric
 * @property {string} [title] the metric's own label if absent
 * @property {Record<string, string>} [notes] what stands below: words and the metrics that they introduce
 */

/** @type {Card[]} */
const CARDS = [
  { metric: "cpu", title: "CPU", notes: { "I/O wait": "iowait", stolen: "steal" } },
  { metric: "memory", title: "Memory", notes: { used: "memoryUsed", available: "memoryAvailable" } },
  { metric: "load1", title: "Load", notes: { "5 min": "load5", "15 min": "load15" } },
  {
    metric: "pressure",
    title: "Pressure",
    notes: { CPU: "pressureCpu", memory: "pressureMemory", "I/O": "pressureIo" },
  },
  { metric: "activeUsers", title: "Active users" },
  // Its label says whether the system or the application counts them.
  { metric: "requestsPerSecond", notes: { retransmits: "tcpRetransmits" } },
  { metric: "networkReceived", title: "Network in", notes: { out: "networkSent" } },
  { metric: "diskRead", title: "Disk read", notes: { written: "diskWritten", busy: "diskBusy" } },
  { metric: "disk", title: "Disk used" },
  { metric: "swap", title: "Swap" },
  { metric: "temperature", title: "Temperature" },
];

const LEVELS = { warn: "◆ warning", critical: "■ critical", "": "" };

/** Samples in a sparkline. */
const POINTS = 60;
/** The size of its box, and the room at its top and bottom for the width of the line. */
const WIDTH = 100;
const HEIGHT = 24;
const MARGIN = 1;

/** A trend compares the mean of the last samples with that of as many before them. */
const TREND_SAMPLES = 5;
/** With fewer values than this, a mean says nothing. */
const TREND_MIN_VALUES = 3;
/** Smaller changes are steady: otherwise the arrow would flicker. */
const STEADY_PERCENT = 2;
const STEADY_SHARE = 0.05;
/** A change by a greater factor than this is not written as a percentage. */
const MAX_CHANGE = 10;

/**
 * The mean of the values that are there; NaN if they are too few.
 *
 * @param {number[]} values
 */
function mean(values) {
  const known = values.filter((value) => !Number.isNaN(value));
  if (known.length < TREND_MIN_VALUES) return NaN;
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}

/**
 * Where the values are going, such as "▲ up 12 %".
 *
 * @param {number[]} values
 * @param {string} unit
 */
function trend(values, unit) {
  const before = mean(values.slice(-2 * TREND_SAMPLES, -TREND_SAMPLES));
  const change = mean(values.slice(-TREND_SAMPLES)) - before;
  if (Number.isNaN(change)) return "";
  const size = Math.abs(change);
  const isPercent = unit === "%";
  const steady = isPercent ? STEADY_PERCENT : Math.abs(before) * STEADY_SHARE;
  if (size <= steady) return "▬ steady";
  const arrow = change > 0 ? "▲ up" : "▼ down";
  if (isPercent) return `${arrow} ${size.toFixed(1)}`;
  return size < before * MAX_CHANGE ? `${arrow} ${((100 * size) / before).toFixed(0)} %` : arrow;
}

/**
 * The path of a sparkline.
 *
 * @param {number[]} values
 * @param {string} unit
 */
function sparkline(values, unit) {
  // Never 0, so that a line of zeros lies at the bottom.
  const top = unit === "%" ? 100 : Math.max(...values.filter((value) => value > 0), 1e-9);
  const step = WIDTH / (POINTS - 1);
  return values
    .map((value, index) => {
      if (Number.isNaN(value)) return "";
      const x = WIDTH - (values.length - 1 - index) * step;
      const y = HEIGHT - MARGIN - ((HEIGHT - 2 * MARGIN) * Math.max(0, value)) / top;
      const isConnected = index > 0 && !Number.isNaN(values[index - 1]);
      // The short stroke to the right makes a single value a dot.
      return `${isConnected ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}h.1`;
    })
    .join("");
}

/**
 * The newest values. A gap is one value that is missing, however long it was.
 *
 * @param {History} history
 * @param {string} name
 */
function recent(history, name) {
  const values = [];
  for (let index = Math.max(0, history.length - POINTS); index < history.length; index += 1) {
    if (history.isGap(index)) values.push(NaN);
    values.push(history.value(name, index));
  }
  return values.slice(-POINTS);
}

/**
 * @param {Host} host
 * @param {Card} card
 */
function noteOf(host, { metric, notes = {} }) {
  if (metric === "disk") return fullestMount(host);
  const known = Object.entries(notes).filter(([, name]) => host.metric(name));
  return known
    .map(([word, name]) => unbroken(`${word} ${text(host.value(name), host.unit(name))}`))
    .join("\u00a0· ");
}

/**
 * The value of `disk` is that of the fullest filesystem: this says which one that is.
 *
 * @param {Host} host
 */
function fullestMount(host) {
  const prefix = "disk:";
  const value = host.value("disk");
  const fullest = host.hello.metrics.find(({ name }) => name.startsWith(prefix) && host.value(name) === value);
  return fullest ? `fullest: ${fullest.name.slice(prefix.length)}` : "";
}

/**
 * The card of a metric, made if it is not there yet.
 *
 * @param {HTMLElement} grid
 * @param {string} metric
 */
function cardOf(grid, metric) {
  const card = grid.querySelector(`[data-metric=${metric}]`);
  if (card instanceof HTMLElement) return card;
  const made = copyOf(find(grid, "template", HTMLTemplateElement));
  made.dataset.metric = metric;
  grid.append(made);
  return made;
}

/**
 * Shows the cards that this host has. A metric that it lacks for good has no card; one that is missing now has a dash.
 *
 * @param {HTMLElement} grid
 * @param {Host} host
 */
export function renderCards(grid, host) {
  for (const card of CARDS) renderCard(cardOf(grid, card.metric), host, card);
  grid.dataset.seq = `${host.newest?.seq}`;
}

/**
 * @param {HTMLElement} element
 * @param {Host} host
 * @param {Card} card
 */
function renderCard(element, host, card) {
  // Unit, levels and label of the pressure are those of each of its parts.
  const metric = host.metric(card.metric === "pressure" ? "pressureCpu" : card.metric);
  element.hidden = !metric;
  if (!metric || !host.history) return;
  const value = host.value(card.metric);
  const values = recent(host.history, card.metric);
  const [number, unit] = parts(value, metric.unit);
  const level = host.level(metric.name, value);
  const isMissing = Number.isNaN(value);
  const texts = {
    h3: card.title ?? metric.label,
    ".number": number,
    ".unit": isMissing ? "no reading" : unit,
    ".level": LEVELS[level],
    ".trend": isMissing ? "" : trend(values, metric.unit),
    ".note": noteOf(host, card),
  };
  for (const [part, words] of Object.entries(texts)) setText(find(element, part, HTMLElement), words);
  element.className = level;
  find(element, "path", SVGPathElement).setAttribute("d", sparkline(values, metric.unit));
}
