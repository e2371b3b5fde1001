// The newest values: a card for each main metric, a strip of the cores, and boxes of rows for whatever else there is.

import { append, byId, copyOf, find, resize, setText } from "./dom.js";
import { NONE, moment, parts, span, text, unbroken } from "./format.js";
import { POINTS, PRESSURE, PRESSURES, identity } from "./state.js";

/**
 * @typedef {import("./state.js").Firing} Firing
 * @typedef {import("./state.js").Host} Host
 * @typedef {import("./state.js").MetricInfo} MetricInfo
 *
 * @typedef {object} Cell
 * @property {string} [text]
 * @property {number} [share] a bar of so many percent
 * @property {string} [level]
 * @property {string} [line] a sparkline instead of the text
 *
 * Rows without and then with heads above them. The first cell of a row names it.
 * @typedef {object} Box
 * @property {string} id of the table with heads
 * @property {string} title
 * @property {Cell[][]} [lines]
 * @property {string[]} heads
 * @property {Cell[][]} rows
 */

/**
 * The cards: a metric, and those that stand in the note below.
 *
 * @type {Record<string, string[]>}
 */
const CARDS = {
  cpu: ["iowait", "steal"],
  memory: ["memoryUsed", "memoryAvailable"],
  load1: ["load5", "load15"],
  // Unit and levels of the highest are those of each.
  [PRESSURE]: PRESSURES,
  activeUsers: [],
  requestsPerSecond: ["tcpRetransmits"],
  networkReceived: ["networkSent"],
  diskRead: ["diskWritten", "diskBusy"],
  disk: [],
  swap: [],
  temperature: [],
};

/**
 * Where the label of the metric is not the title of its card.
 *
 * @type {Record<string, string>}
 */
const TITLES = { load1: "Load", [PRESSURE]: "Pressure", disk: "Disk used" };

/** What needs no line in a box: the metrics of the cards, and the uptime in the header. */
const ON_CARDS = new Set(["uptime", ...Object.keys(CARDS), ...Object.values(CARDS).flat()]);

const LEVELS = { warn: "◆ warning", critical: "■ critical", "": "" };

/** Rows of the events. */
const MOST_EVENTS = 100;

/** The size of a sparkline, and the room above and below for the width of the line. */
const WIDTH = 100;
const HEIGHT = 24;
const MARGIN = 1;

/** A trend compares the mean of so many samples with that of as many before them. */
const TREND_SAMPLES = 5;
/** Fewer values have no mean. */
const TREND_MIN_VALUES = 3;
/** Smaller changes would make the arrow flicker. */
const STEADY_PERCENT = 2;
const STEADY_SHARE = 0.05;
/** Greater factors are not written as a percentage. */
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
 * @param {string} name of the card
 * @param {string} title
 */
function noteOf(host, name, title) {
  if (name === "disk") return fullestMount(host);
  const known = CARDS[name].flatMap((other) => host.metric(other) ?? []);
  return known
    .map(({ name, label, unit }) => unbroken(`${shortened(label, title)} ${text(host.value(name), unit)}`))
    .join("\u00a0· ");
}

/**
 * Which filesystem the value of `disk` is of.
 *
 * @param {Host} host
 */
function fullestMount(host) {
  const prefix = "disk:";
  const value = host.value("disk");
  const fullest = [...host.metrics.keys()].find((name) => name.startsWith(prefix) && host.value(name) === value);
  return fullest ? `fullest: ${fullest.slice(prefix.length)}` : "";
}

/**
 * The card of a metric, made if need be.
 *
 * @param {HTMLElement} grid
 * @param {string} metric
 */
function cardOf(grid, metric) {
  const card = grid.querySelector(`[data-metric="${metric}"]`);
  if (card instanceof HTMLElement) return card;
  const made = copyOf(find(grid, "template", HTMLTemplateElement));
  made.dataset.metric = metric;
  grid.append(made);
  return made;
}

/**
 * Shows the cards of this host. A metric that it lacks has no card; one that is missing now has a dash.
 *
 * @param {HTMLElement} grid
 * @param {Host} host
 */
export function renderCards(grid, host) {
  for (const name of Object.keys(CARDS)) renderCard(cardOf(grid, name), host, name);
  grid.dataset.seq = `${host.newest?.seq}`;
}

/**
 * @param {HTMLElement} element
 * @param {Host} host
 * @param {string} name
 */
function renderCard(element, host, name) {
  const metric = host.metric(name === PRESSURE ? PRESSURES[0] : name);
  element.hidden = !metric;
  if (!metric || !host.history) return;
  const title = TITLES[name] ?? metric.label;
  const value = host.value(name);
  const values = host.history.recent(name);
  const [number, unit] = parts(value, metric.unit);
  const level = host.level(metric.name, value);
  const isMissing = Number.isNaN(value);
  const texts = {
    h3: title,
    ".number": number,
    ".unit": isMissing ? "no reading" : unit,
    ".level": LEVELS[level],
    ".trend": isMissing ? "" : trend(values, metric.unit),
    ".note": noteOf(host, name, title),
  };
  for (const [part, words] of Object.entries(texts)) setText(find(element, part), words);
  element.className = level;
  find(element, "path", SVGPathElement).setAttribute("d", sparkline(values, metric.unit));
}

/**
 * The boxes by their ids: one that was closed stays so.
 *
 * @type {Map<string, HTMLElement>}
 */
const made = new Map();

/** @param {string} id */
function elementOf(id) {
  const element = made.get(id) ?? copyOf(byId("box", HTMLTemplateElement));
  if (!made.has(id)) {
    find(element, "thead").parentElement?.setAttribute("id", id);
    // Most values are shown elsewhere on the page.
    element.toggleAttribute("open", id !== "values");
    made.set(id, element);
  }
  return element;
}

/**
 * @param {HTMLElement} element
 * @param {Box} box
 */
function fill(element, { title, lines = [], heads, rows }) {
  setText(find(element, "summary"), title);
  if (!element.hasAttribute("open")) return;
  fillRows(find(element, "tbody"), lines);
  resize(find(element, "thead tr"), heads.length, "th")
    .forEach((head, index) => setText(head, heads[index]));
  fillRows(find(element, "thead + tbody"), rows);
}

/**
 * @param {HTMLElement} body
 * @param {Cell[][]} rows
 */
function fillRows(body, rows) {
  resize(body, rows.length, "tr").forEach((row, index) => {
    if (!row.children.length) append(row, "th", { scope: "row" });
    resize(row, rows[index].length, "td").forEach((element, column) => fillCell(element, rows[index][column]));
  });
}

/**
 * @param {HTMLElement} element
 * @param {Cell} cell
 */
function fillCell(element, { text = "", share = NaN, level = "", line }) {
  if (line === undefined) setText(element, text);
  else {
    if (!element.firstChild) element.append(copyOf(byId("line", HTMLTemplateElement)));
    find(element, "path", SVGPathElement).setAttribute("d", line);
  }
  setShare(element, share);
  element.className = level;
}

/**
 * Sets the length of an element's bar.
 *
 * @param {HTMLElement} element
 * @param {number} percent NaN for none
 */
function setShare({ style }, percent) {
  const share = `${Math.min(100, percent || 0).toFixed(0)}%`;
  if (style.getPropertyValue("--share") !== share) style.setProperty("--share", share);
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
  const strip = byId("cores");
  const cores = [...host.metrics.keys()].filter((name) => name.startsWith("cpu:"));
  if (strip.parentElement) strip.parentElement.hidden = cores.length === 0;
  resize(strip, cores.length, "li").forEach((element, index) => {
    const value = host.value(cores[index]);
    setShare(element, value);
    setText(element, wholePercent(value));
    element.title = cores[index].replace("cpu:", "CPU ");
  });
}

/**
 * There is room for two digits. A core that is not idle does not show 0.
 *
 * @param {number} value
 */
function wholePercent(value) {
  if (Number.isNaN(value)) return NONE;
  return value > 0 && value < 0.5 ? "<1" : value.toFixed(0);
}

/**
 * @param {Host} host
 * @returns {Box}
 */
function processes(host) {
  /** @param {number} value */
  const percent = (value) => ({ text: text(value, "%"), share: value });
  const top = host.newest?.data.top ?? [];
  const rows = top.map(({ pid, name, cpu, memory }) =>
    [{ text: name }, { text: `${pid}` }, percent(cpu), percent(memory)]);
  return { id: "processes", title: "Top processes", heads: ["Name", "PID", "CPU", "Memory"], rows };
}

/**
 * Value and limit, such as "98.2 % > 90", or the rule.
 *
 * @param {Host} host
 * @param {Firing} firing
 */
function excess(host, { alert: { rule, metric, value, threshold } }) {
  if (value === undefined || threshold === undefined) return rule.replace(/ for [^"]*$/, "");
  const unit = host.unit(metric);
  const limit = unit === "%" ? threshold : text(threshold, unit);
  // The metric may hold such signs too.
  const rest = rule.replace(metric, "").replace(/"(\\.|[^"\\])*"/, "");
  return `${text(value, unit)} ${/[<>]=?/.exec(rest) ?? "beyond"} ${limit}`;
}

/**
 * The top process when an alert about CPU or memory fired, such as "rustc 61.4 %".
 *
 * @param {Host} host
 * @param {Firing} firing
 */
function culprit(host, { alert, data }) {
  const section = host.metric(alert.metric)?.section;
  const by = section === "CPU" ? "cpu" : "memory";
  if (section !== "CPU" && section !== "Memory") return "";
  const [first] = [...(data?.top ?? [])].sort((one, other) => other[by] - one[by]);
  return first && first[by] > 0 ? `${first.name} ${text(first[by], "%")}` : "";
}

/**
 * The alert's name, and its metric where the name may stand for several.
 *
 * @param {Host} host
 * @param {Firing["alert"]} alert
 */
function title(host, { name, rule, metric }) {
  const label = host.metric(metric)?.label || metric;
  if (name !== rule) return `${name}: ${label}`;
  return rule.includes("*") ? label : rule;
}

/**
 * What is wrong, since when, and who did it: "CPU 98.2 % > 90 for 2 m 10 s: rustc 61.4 %".
 *
 * @param {Host} host
 * @param {Firing} firing
 */
export function sentence(host, firing) {
  const { name, rule, metric, value, since } = firing.alert;
  const title = name === rule ? "" : `${name}: `;
  const label = value === undefined ? "" : `${host.metric(metric)?.label || metric} `;
  const length = span((host.newest?.data.timestamp ?? since) - since);
  const who = culprit(host, firing);
  return `${title}${label}${excess(host, firing)} for ${length}${who && `: ${who}`}`;
}

/**
 * A row for each alert of the time that the server holds, the newest first.
 *
 * @param {Host} host
 */
function events(host) {
  /** @type {Map<string, Partial<Record<"firing" | "resolved", Firing>>>} */
  const events = new Map();
  for (const change of [...host.alerts.values(), ...(host.history?.changes ?? [])]) {
    const { since, state } = change.alert;
    const key = `${since} ${identity(change.alert)}`;
    events.set(key, { ...events.get(key), [state]: change });
  }
  const rows = [...events.values()].map(({ firing, resolved }) => {
    const { alert } = /** @type {Firing} */ (firing ?? resolved);
    const lasted = resolved?.data ? span(resolved.data.timestamp - alert.since) : NONE;
    return {
      since: alert.since,
      cells: [
        { text: title(host, alert) },
        { text: moment(alert.since, Boolean(host.hello.replay)) },
        host.isFiring(alert) ? { text: "firing", level: "critical" } : { text: lasted },
        { text: firing ? culprit(host, firing) : "" },
        { text: firing ? excess(host, firing) : "" },
      ],
    };
  });
  return rows.sort((one, other) => other.since - one.since).map(({ cells }) => cells).slice(0, MOST_EVENTS);
}

/**
 * A box for each section, in the server's order: a line for each metric that has no place elsewhere, and a row for each
 * instance, with a column for each metric that has instances.
 *
 * @param {Host} host
 */
function sections(host) {
  /** @type {Map<string, MetricInfo[]>} */
  const sections = new Map();
  for (const metric of host.metrics.values()) {
    if (ON_CARDS.has(metric.name) || metric.name.startsWith("cpu:")) continue;
    const title = metric.section || "Other";
    const section = sections.get(title) ?? [];
    section.push(metric);
    sections.set(title, section);
  }
  return [...sections].map(([title, metrics]) => sectionBox(host, title, metrics));
}

/**
 * @param {Host} host
 * @param {string} title
 * @param {MetricInfo[]} metrics
 * @returns {Box}
 */
function sectionBox(host, title, metrics) {
  /** @type {Map<string, string>} */
  const heads = new Map();
  const instances = new Set();
  const lines = [];
  for (const { name, label, unit } of metrics) {
    const [family] = name.split(":", 1);
    const instance = name.slice(family.length + 1);
    if (family === name) {
      const values = host.history?.recent(name) ?? [];
      const line = sparkline(values, unit);
      lines.push([{ text: label || name }, { line }, { text: trend(values, unit) }, cellOf(host, name)]);
    } else {
      instances.add(instance);
      const own = label === name ? family : label.split(` ${instance}`)[0];
      heads.set(family, family === "disk" ? "Used" : shortened(host.metric(family)?.label || own, title));
    }
  }
  const rows = [...instances].map((instance) =>
    [{ text: instance }, ...[...heads.keys()].map((family) => cellOf(host, `${family}:${instance}`))]);
  return { id: `section ${title}`, title, lines, heads: rows.length ? ["Name", ...heads.values()] : [], rows };
}

/** @param {Host} host */
export function renderTables(host) {
  renderCores(host);
  const all = byId("tables");
  const rows = [...host.metrics.values()].map(({ name, label, unit }) =>
    [{ text: label || name }, { text: text(host.value(name), unit) }]);
  const values = { id: "values", title: "All values", heads: ["Metric", "Now"], rows };
  /** @type {Box[]} */
  const boxes = [
    { id: "events", title: "Events", heads: ["Alert", "Began", "Lasted", "Process", "Value"], rows: events(host) },
    processes(host),
    ...sections(host),
    values,
  ];
  const shown = boxes.filter(({ lines = [], rows }) => lines.length + rows.length);
  shown.forEach((box, index) => {
    const element = elementOf(box.id);
    if (all.children[index] !== element) all.insertBefore(element, all.children[index]);
    fill(element, box);
  });
  while (all.children.length > shown.length) all.lastElementChild?.remove();
}
