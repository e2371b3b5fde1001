// The values beside and below the charts: tables of processes, of filesystems and other instances, of events, of the rest.

import { ON_CARDS } from "./cards.js";
import { append, byId, copyOf, find, resize, setText } from "./dom.js";
import { eventsOf } from "./events.js";
import { counted, onScale, span, text } from "./format.js";
import { POINTS } from "./history.js";
import { keep, page, toggle } from "./page.js";

/**
 * @typedef {import("./state.js").Host} Host
 * @typedef {import("./state.js").MetricInfo} MetricInfo
 *
 * @typedef {object} Cell
 * @property {string} text
 * @property {number | string} [by] what it is sorted by, if not its text
 * @property {number} [share] a bar of so many percent
 * @property {string} [level]
 * @property {number[]} [line] a sparkline before the text
 * @property {number} [top] of its scale
 * @property {number} [points] how many it has room for
 * @property {string} [href] where it leads
 * @property {number} [time] the moment that it leads to
 *
 * A row of a table, which its first cell names; `key` tells it from others of this name.
 * @typedef {{ cells: Cell[], key?: string | number, isLast?: boolean }} Row
 *
 * @typedef {object} Box
 * @property {string} id of the table
 * @property {string} title
 * @property {string[]} heads
 * @property {Row[]} rows
 * @property {number} by the column that they are sorted by at first; -1 for none
 * @property {number} [room] for how many rows it keeps room, so that what is below it stays where it is
 */

/** What comes before what, in a column. */
const LEVEL_ORDER = ["", "warn", "stale", "critical"];
/** What `web-2` comes before: `web-10`. Made once, as that takes longer than a comparison. */
const ORDER = new Intl.Collator("en", { numeric: true });
/** Rows of a table before the rest is folded. */
const MOST_ROWS = 10;
/** The size of a sparkline. */
const LINE_WIDTH = 100;
const LINE_HEIGHT = 24;
/** Sections whose single values are listed together; any other has a box of its own. */
const COMMON = ["CPU", "Memory", "Filesystems", "Disks", "Network", "Temperatures", "System"];
/** The boxes beside the charts, in this order. */
const ASIDE = ["processes", "section Filesystems", "events", "counters"];
/** What the charts, the header and the foot say: it needs no line in a table. */
const SAID = new Set([...ON_CARDS, ..."cpuUser cpuSystem iowait steal memoryUsed memoryAvailable load5 load15 pressureMemory pressureIo uptime agentCpu agentMemory viewers exitedCpu gpuMemory".split(" ")]);
/** What the rows of a section are sorted by, where that is not the server's first. */
const FIRST = ["disk", "diskBusy", "networkReceived"];

/**
 * The path of a sparkline.
 *
 * @param {number[]} values
 * @param {number} points how many it has room for
 * @param {number} top of its scale
 */
function sparkline(values, points = POINTS, top = 1.5 * Math.max(...values.filter((value) => value > 0), 1e-9)) {
  // Never 0, so that a line of zeros lies at the bottom. A constant value is not drawn along the edge of its own scale.
  return values.map((value, index) => {
    if (Number.isNaN(value)) return "";
    const x = LINE_WIDTH - ((values.length - 1 - index) * LINE_WIDTH) / (points - 1);
    const y = (LINE_HEIGHT - 1) * (1 - Math.max(0, value) / top);
    // The short stroke to the right makes a single value a dot.
    return `${index && values[index - 1] >= 0 ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}h.1`;
  }).join("");
}

/**
 * A label without the words of the title above it: "Memory used" below "Memory" is "used". A plural is the same word.
 *
 * @param {string} label
 * @param {string} title
 */
function shortened(label, title) {
  /** @param {string} word */
  const stem = (word) => word.toLowerCase().replace(/s$/, "");
  const said = title.split(" ").map(stem);
  return label.split(" ").filter((word) => !said.includes(stem(word))).join(" ") || label;
}

/**
 * @param {Host} host
 * @param {string} metric
 * @returns {Cell}
 */
function cellOf(host, metric) {
  const by = host.value(metric);
  const unit = host.unit(metric);
  return { text: text(by, unit), by, share: unit === "%" ? by : NaN, level: host.level(metric, by) };
}

/**
 * The label of a metric, and its value after a sparkline.
 *
 * @param {Host} host
 * @param {MetricInfo} metric
 * @returns {Row}
 */
function rowOf(host, { name, label }) {
  const { share = NaN, ...cell } = cellOf(host, name);
  return { cells: [{ text: label || name }, { ...cell, line: host.history?.recent(name), top: share >= 0 ? 100 : undefined }], key: name };
}

/**
 * A percentage in a column of percentages.
 *
 * @param {number} [by]
 * @returns {Cell}
 */
function percent(by = NaN) {
  return { text: onScale(by, { by: 1, decimals: 1 }), by, share: by };
}

/**
 * @param {Host} host
 * @returns {Box}
 */
function processes(host) {
  const top = host.shown?.data.top ?? [];
  /** @type {Row[]} */
  const rows = top.map(({ pid, name, rss = NaN, memory, cpu }) => ({
    key: pid,
    cells: [{ text: name }, { text: `${pid}`, by: pid }, { text: text(rss, "B"), by: rss }, percent(memory), percent(cpu)],
  }));
  /** @type {(name: string, cpu: number, isLast?: boolean) => void} */
  const add = (name, cpu, isLast) => void rows.push({ cells: [...[name, "", "", ""].map((text) => ({ text })), percent(cpu)], isLast });
  const [exited, user, system, count, forks] = ["exitedCpu", "cpuUser", "cpuSystem", "processCount", "forks"].map((name) => host.value(name));
  if (exited > 0) add(`came and went${forks > 0 ? `, ${text(forks, "1/s")}` : ""}`, exited);
  const rest = user + system - top.reduce((sum, { cpu }) => sum + cpu, exited || 0);
  if (top.length && count > top.length) add(counted(count - top.length, "other"), Math.max(0, rest), true);
  host.mostRows = Math.max(host.mostRows, rows.length);
  return { id: "processes", title: "Processes", heads: ["Name", "PID", "RSS", "Mem %", "CPU %"], rows, by: 4, room: host.mostRows };
}

/**
 * @param {Host} host
 * @returns {Box}
 */
function containers(host) {
  const rows = (host.shown?.data.containers ?? []).map(({ name, memory, cpu }) => ({ cells: [{ text: name }, percent(memory), percent(cpu)] }));
  return { id: "containers", title: "Containers and services", heads: ["Name", "Mem %", "CPU %"], rows, by: 2 };
}

/**
 * @param {Host} host
 * @returns {Box}
 */
function events(host) {
  const rows = eventsOf(host).map(({ time, end = Infinity, mark, what }) => ({
    key: `${time} ${what}`,
    cells: [
      { text: `${mark} ${host.moment(time)}`, by: time, time, level: mark === "▲" ? "critical" : "" },
      { text: end === Infinity ? "firing" : end > time ? span(end - time) : "", by: end - time },
      { text: what },
    ],
  }));
  return { id: "events", title: "Events", heads: ["Began", "Lasted", "What"], rows, by: 0 };
}

/**
 * For each section, in the server's order, a row for each metric that has no place elsewhere, and a table of instances, with
 * a column for each metric that has instances. Rows of known sections that say anything are in one table.
 *
 * @param {Host} host
 * @returns {Box[]}
 */
function sections(host) {
  /** @type {Map<string, MetricInfo[]>} */
  const sections = new Map();
  for (const metric of host.metrics.values()) {
    if (SAID.has(metric.name) || metric.name.startsWith("cpu:")) continue;
    const title = metric.section || "Other";
    sections.set(title, [...(sections.get(title) ?? []), metric]);
  }
  const counters = { id: "counters", title: "Counters", heads: ["Name", "Now"], rows: /** @type {Row[]} */ ([]), by: -1 };
  return [counters, ...[...sections].flatMap(([title, metrics]) => {
    const single = metrics.filter(({ name }) => !name.includes(":"));
    const isCommon = COMMON.includes(title);
    // An only disk or interface says the same as all of them.
    const isWorth = (/** @type {MetricInfo} */ { name }) => host.says(name) && host.instances(name).length !== 1;
    const rows = single.filter((metric) => !isCommon || isWorth(metric)).map((metric) => rowOf(host, metric));
    if (isCommon) counters.rows.push(...rows);
    const own = { ...counters, id: `values ${title}`, title, rows: isCommon ? [] : rows };
    return [own, instancesOf(host, title, metrics.filter(({ name }) => name.includes(":") && (!isCommon || host.says(name))))];
  })];
}

/**
 * @param {Host} host
 * @param {string} title
 * @param {MetricInfo[]} metrics
 * @returns {Box}
 */
function instancesOf(host, title, metrics) {
  /** @type {Map<string, string>} */
  const heads = new Map();
  const instances = new Set();
  for (const { name, label } of metrics) {
    const [family] = name.split(":", 1);
    const instance = name.slice(family.length + 1);
    instances.add(instance);
    const own = label === name ? family : label.split(` ${instance}`)[0];
    heads.set(family, family === "disk" ? "used" : shortened(host.metric(family)?.label || own, title));
  }
  const families = [...heads.keys()].sort((one, other) => FIRST.indexOf(other) - FIRST.indexOf(one));
  const rows = [...instances].map((text) => ({ cells: [{ text }, ...families.map((family) => cellOf(host, `${family}:${text}`))] }));
  return { id: `section ${title}`, title, heads: ["Name", ...families.map((family) => heads.get(family) ?? "")], rows, by: 1 };
}

/**
 * The boxes by their ids.
 *
 * @type {Map<string, HTMLElement>}
 */
const elements = new Map();

/** What was shown last while the page was not paused. */
let shownBoxes = /** @type {Box[]} */ ([]);

/**
 * Rows that nobody sees are not made: there may be hundreds. On a page that pauses, they may be opened.
 *
 * @param {Host} host
 * @returns {Box}
 */
function allValues(host) {
  const isOpen = elementOf("values").hasAttribute("open");
  const rows = [...host.metrics.values()].slice(isOpen || page.paused ? 0 : -1).map((metric) => rowOf(host, metric));
  return { id: "values", title: "All values", heads: ["Metric", "Now"], rows, by: -1 };
}

/**
 * @param {Host} host
 * @param {boolean} isFrozen whether nothing new is shown
 */
export function renderTables(host, isFrozen) {
  if (!isFrozen) {
    shownBoxes = [processes(host), ...sections(host), containers(host), events(host), allValues(host)].filter(({ rows }) => rows.length);
  }
  const aside = ASIDE.flatMap((id) => shownBoxes.filter((box) => box.id === id));
  placeBoxes(byId("side"), aside);
  placeBoxes(byId("more"), shownBoxes.filter((box) => !aside.includes(box)));
}

/**
 * @param {HTMLElement} parent
 * @param {Box[]} boxes
 */
function placeBoxes(parent, boxes) {
  boxes.forEach((box, index) => {
    const element = elementOf(box.id);
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] ?? null);
    fillBox(element, box);
  });
  while (parent.children.length > boxes.length) parent.lastElementChild?.remove();
}

/** @param {string} id */
function elementOf(id) {
  const known = elements.get(id);
  if (known) return known;
  const element = copyOf(byId("box", HTMLTemplateElement));
  find(element, "table").id = id;
  // Most values are shown elsewhere on the page.
  const isUsual = () => element.hasAttribute("open") === (id !== "values");
  element.toggleAttribute("open", (id !== "values") !== page.choices.closed.includes(id));
  element.addEventListener("toggle", () => isUsual() === page.choices.closed.includes(id) && toggle("closed", id));
  find(element, ".unfold").onclick = () => toggle("unfolded", id);
  elements.set(id, element);
  return element;
}

/**
 * @param {HTMLElement} element
 * @param {Box} box
 */
function fillBox(element, { id, title, heads, rows, by, room = 0 }) {
  setText(find(element, "summary"), title);
  if (!element.hasAttribute("open")) return;
  const table = find(element, "table", HTMLTableElement);
  const all = fillHeads(table, heads, rows, by);
  // As many more take no more room than the button, or say what is not listed.
  const isShort = rows.length <= MOST_ROWS + 2;
  const isFolded = !isShort && !page.choices.unfolded.includes(id);
  const [body] = table.tBodies;
  fillRows(body, isFolded ? all.slice(0, MOST_ROWS) : all);
  const missing = isShort ? Math.min(room, MOST_ROWS + 2) - rows.length : 0;
  table.style.marginBottom = missing > 0 ? `${(missing * body.offsetHeight) / rows.length}px` : "";
  const unfold = find(element, ".unfold");
  unfold.hidden = isShort;
  setText(unfold, isFolded ? `${rows.length - MOST_ROWS} more` : "fewer");
}

/**
 * The keys of the rows of each table, in order.
 *
 * @type {Record<string, string[]>}
 */
const orders = {};

/**
 * Names the columns, and sorts the rows by one of them: numbers from the largest, names from the first. What is at a level
 * comes first, until a click chooses a column. A second click reverses it, and a third one ends the choice.
 *
 * @param {HTMLTableElement} table
 * @param {string[]} heads
 * @param {Row[]} rows
 * @param {number} by the column that they are sorted by at first; -1 for none
 */
export function fillHeads(table, heads, rows, by) {
  const { id } = table;
  const chosen = page.choices.sorts[id];
  const [column, isReversed] = chosen ?? [by, false];
  const isNumber = typeof rows[0]?.cells[column]?.by === "number";
  resize(find(table, "thead tr"), heads.length, "th").forEach((head, index) => {
    const button = /** @type {HTMLElement} */ (head.firstChild ?? append(head, "button"));
    setText(button, heads[index]);
    /** @type {[number, boolean] | undefined} */
    const next = index !== chosen?.[0] ? [index, false] : isReversed ? undefined : [index, true];
    button.onclick = () => keep({ sorts: { ...page.choices.sorts, [id]: next } });
    if (index === column) head.ariaSort = isReversed === isNumber ? "ascending" : "descending";
    else head.removeAttribute("aria-sort");
  });
  if (column < 0) return rows;
  // No row moves away from under a pointer. One on a head asks for another order.
  const shown = table.querySelector("tbody:hover") ? orders[id] ?? [] : [];
  const known = new Map(shown.map((key, at) => [key, at]));
  const places = rows.map((row) => {
    // Another host's table of this name may have more columns.
    const { by, level = "", text } = row.cells[column] ?? row.cells[0];
    const at = known.get(keyOf(row)) ?? Infinity;
    return { row, at, isLast: row.isLast ?? false, level: chosen ? 0 : LEVEL_ORDER.indexOf(level),
      number: Number(by) || -1, text: `${by ?? text}` };
  });
  const sign = isReversed ? -1 : 1;
  places.sort((one, other) => {
    if (one.at !== other.at) return one.at - other.at;
    const order = isNumber ? other.number - one.number : ORDER.compare(one.text, other.text);
    return Number(one.isLast) - Number(other.isLast) || other.level - one.level || sign * order;
  });
  const sorted = places.map(({ row }) => row);
  // What a filter hides keeps its place, too.
  orders[id] = [...shown, ...sorted.map(keyOf).filter((key) => !known.has(key))];
  return sorted;
}

/** @param {Row} row */
function keyOf({ key, cells: [first] }) {
  return `${key ?? first.text}`;
}

/**
 * @param {HTMLElement} body
 * @param {Row[]} rows
 */
export function fillRows(body, rows) {
  resize(body, rows.length, "tr").forEach((element, index) => {
    const row = rows[index];
    element.dataset.key = keyOf(row);
    element.className = row.isLast ? "last" : "";
    if (!element.firstChild) append(element, "th", { scope: "row" });
    resize(element, row.cells.length, "td").forEach((cell, column) => fillCell(cell, row.cells[column]));
  });
}

/**
 * @param {HTMLElement} element
 * @param {Cell} cell
 */
function fillCell(element, { text, by, share = 0, level = "", href = "", time, line, points, top }) {
  const tag = href ? "a" : time ? "button" : "b";
  if (!element.firstChild) {
    if (line) element.append(copyOf(byId("line", HTMLTemplateElement)));
    append(element, tag);
  }
  if (line) element.querySelector("path")?.setAttribute("d", sparkline(line, points, top));
  const own = /** @type {HTMLElement} */ (element.lastElementChild);
  setText(own, text);
  if (href) own.setAttribute("href", href);
  if (time) own.dataset.time = `${time}`;
  if (typeof by !== "number") element.title = text;
  const width = `${Math.min(100, share || 0).toFixed()}%`;
  if (element.style.getPropertyValue("--share") !== width) element.style.setProperty("--share", width);
  element.className = level;
}
