// Instances as tables and bars: cores, filesystems, devices, interfaces, sensors, processes; and a table of all values.

import { append, byId, resize, setText } from "./dom.js";
import { NONE, text } from "./format.js";

/**
 * @typedef {import("./state.js").Host} Host
 *
 * @typedef {object} Cell
 * @property {string} text
 * @property {number} [share] a bar of so many percent
 * @property {string} [level]
 *
 * @typedef {object} Table
 * @property {string} title
 * @property {string[]} columns
 * @property {string[]} [metrics] a row for each `name:instance` of these, with a cell for each of them
 */

/** @type {Record<string, Table>} */
const TABLES = {
  processes: { title: "Top processes", columns: ["Name", "PID", "CPU", "Memory"] },
  interfaces: {
    title: "Network interfaces",
    columns: ["Name", "In", "Out", "Errors"],
    metrics: ["networkReceived", "networkSent", "networkErrors"],
  },
  filesystems: { title: "Filesystems", columns: ["Mount", "Used"], metrics: ["disk"] },
  disks: {
    title: "Disks",
    columns: ["Device", "Read", "Written", "Busy"],
    metrics: ["diskRead", "diskWritten", "diskBusy"],
  },
  sensors: { title: "Temperatures", columns: ["Sensor", "Now"], metrics: ["temperature"] },
  values: { title: "All values", columns: ["Metric", "Now"] },
};

/**
 * The table with this id, made if it is not there yet.
 *
 * @param {string} id
 */
function tableOf(id) {
  const table = document.getElementById(id);
  return table instanceof HTMLTableElement ? table : build(id);
}

/** @param {string} id */
function build(id) {
  const { title, columns } = TABLES[id];
  // The table of all values begins closed: most of them are shown elsewhere on the page.
  const box = append(byId("tables", HTMLElement), "details", { open: id !== "values" });
  append(box, "summary", { textContent: title });
  const table = append(box, "table", { id });
  append(table, "caption", { textContent: title, className: "hidden" });
  const heads = append(table.createTHead(), "tr");
  for (const textContent of columns) append(heads, "th", { textContent, scope: "col" });
  table.createTBody();
  return table;
}

/**
 * Sets the length of an element's bar.
 *
 * @param {HTMLElement} element
 * @param {number} percent NaN for none
 */
function setShare(element, percent) {
  const share = `${Math.min(100, percent || 0).toFixed(0)}%`;
  const { style } = element;
  if (style.getPropertyValue("--share") !== share) style.setProperty("--share", share);
}

/**
 * Shows these rows. The first cell of each names it.
 *
 * @param {string} id of the table
 * @param {Cell[][]} rows
 */
function fill(id, rows) {
  const table = tableOf(id);
  const box = table.parentElement;
  if (!(box instanceof HTMLDetailsElement)) return;
  box.hidden = rows.length === 0;
  if (!box.open) return;
  resize(table.tBodies[0], rows.length, "tr").forEach((row, index) => fillRow(row, rows[index]));
}

/**
 * @param {HTMLElement} row
 * @param {Cell[]} cells
 */
function fillRow(row, cells) {
  if (!row.children.length) append(row, "th", { scope: "row" });
  resize(row, cells.length, "td").forEach((element, index) => {
    const { text, share = NaN, level = "" } = cells[index];
    setText(element, text);
    setShare(element, share);
    element.className = level;
  });
}

/**
 * The instances that a metric has on this host, such as the mounts of `disk`.
 *
 * @param {Host} host
 * @param {string} metric
 */
function instances(host, metric) {
  const prefix = `${metric}:`;
  const names = host.hello.metrics.map(({ name }) => name);
  return names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
}

/**
 * @param {Host} host
 * @param {string} metric
 * @returns {Cell}
 */
function cellOf(host, metric) {
  const value = host.value(metric);
  const unit = host.unit(metric);
  return { text: text(value, unit), share: unit === "%" ? value : NaN, level: host.level(metric, value) };
}

/** @param {Host} host */
function renderCores(host) {
  const strip = byId("cores", HTMLElement);
  const cores = instances(host, "cpu");
  if (strip.parentElement) strip.parentElement.hidden = cores.length === 0;
  resize(strip, cores.length, "li").forEach((element, index) => {
    const value = host.value(`cpu:${cores[index]}`);
    setShare(element, value);
    setText(element, wholePercent(value));
    element.title = `CPU ${cores[index]}`;
  });
}

/**
 * A box of a core has room for two digits. A core that is not idle does not show 0.
 *
 * @param {number} value
 */
function wholePercent(value) {
  if (Number.isNaN(value)) return NONE;
  return value > 0 && value < 0.5 ? "<1" : value.toFixed(0);
}

/** @param {Host} host */
function renderProcesses(host) {
  /** @param {number} value */
  const percent = (value) => ({ text: text(value, "%"), share: value });
  const top = host.newest?.data.top ?? [];
  const rows = top.map(({ pid, name, cpu, memory }) =>
    [{ text: name }, { text: `${pid}` }, percent(cpu), percent(memory)]);
  fill("processes", rows);
}

/** @param {Host} host */
export function renderTables(host) {
  renderCores(host);
  renderProcesses(host);
  for (const [id, { metrics }] of Object.entries(TABLES)) {
    if (!metrics) continue;
    const names = new Set(metrics.flatMap((metric) => instances(host, metric)));
    const rows = [...names].map((name) =>
      [{ text: name }, ...metrics.map((metric) => cellOf(host, `${metric}:${name}`))]);
    fill(id, rows);
  }
  const values = host.hello.metrics.map(({ name, label, unit }) =>
    [{ text: label || name }, { text: text(host.value(name), unit) }]);
  fill("values", values);
}
