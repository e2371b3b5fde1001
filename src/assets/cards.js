// A card for each metric that the host has.

import { setText } from "./chart.js";
import { NONE, parts, text } from "./format.js";

/** `notes`: what stands below, as [metric, word]. */
const CARDS = [
  { name: "cpu", title: "CPU", notes: [["iowait", "I/O wait"], ["steal", "stolen"]] },
  { name: "memory", title: "Memory", notes: [["memoryUsed", "used"], ["memoryAvailable", "available"]] },
  { name: "load1", title: "Load", notes: [["load5", "5 min"], ["load15", "15 min"]] },
  { name: "pressure", title: "Pressure", notes: [["pressureCpu", "CPU"], ["pressureMemory", "memory"], ["pressureIo", "I/O"]] },
  { name: "activeUsers", title: "Active users", notes: [] },
  { name: "requestsPerSecond", title: "Requests/s", notes: [["tcpRetransmits", "retransmits"]] },
  { name: "networkReceived", title: "Network in", notes: [["networkSent", "out"]] },
  { name: "diskRead", title: "Disk read", notes: [["diskWritten", "written"], ["diskBusy", "busy"]] },
  { name: "disk", title: "Disk used", notes: [] },
  { name: "swap", title: "Swap", notes: [] },
  { name: "temperature", title: "Temperature", notes: [] },
];
const LEVELS = { warn: "◆ warning", critical: "■ critical", "": "" };
/** Samples in a sparkline. */
const POINTS = 60;
const SPAN = 5;

const unitOf = (host, name) => (name === "pressure" ? "%" : host.unit(name));

/** Compares the mean of the last five with the five before. The dead band keeps the arrow from flickering. */
export function trend(values, unit) {
  const mean = (some) => {
    const known = some.filter((value) => !Number.isNaN(value));
    return known.length < 3 ? NaN : known.reduce((sum, value) => sum + value, 0) / known.length;
  };
  const now = mean(values.slice(-SPAN));
  const before = mean(values.slice(-2 * SPAN, -SPAN));
  const change = now - before;
  if (Number.isNaN(change)) return "";
  if (Math.abs(change) <= (unit === "%" ? 2 : Math.abs(before) * 0.05)) return "▬ steady";
  let much = "";
  if (unit === "%") much = ` ${Math.abs(change).toFixed(1)}`;
  else if (before > 0 && change < before * 10) much = ` ${Math.abs((100 * change) / before).toFixed(0)} %`;
  return change > 0 ? `▲ up${much}` : `▼ down${much}`;
}

/** The path of a sparkline in a box of 100 by 24. */
function sparkline(values, isPercent) {
  const top = isPercent ? 100 : Math.max(...values.filter((value) => value > 0), 1e-9);
  let path = "";
  let isDown = false;
  values.forEach((value, i) => {
    if (Number.isNaN(value)) {
      isDown = false;
      return;
    }
    const x = 100 - ((values.length - 1 - i) * 100) / (POINTS - 1);
    const y = 23 - (22 * Math.max(0, value)) / top;
    path += `${isDown ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    if (!isDown) path += "h.1";
    isDown = true;
  });
  return path;
}

export class Cards {
  #nodes = new Map();

  constructor(grid) { this.grid = grid; }

  /** Shows the cards that this host has. One that is missing for good has none; one that is missing now has a dash. */
  render(host) {
    for (const card of CARDS) {
      const has = card.name === "pressure" ? host.metric("pressureCpu") : host.metric(card.name);
      const node = this.#node(card);
      node.hidden = !has;
      if (has) this.#fill(node, card, host);
    }
    this.grid.dataset.seq = host.newest?.seq ?? "";
  }

  #node(card) {
    if (!this.#nodes.has(card.name)) {
      const node = this.grid.querySelector("template").content.cloneNode(true).firstElementChild;
      node.dataset.metric = card.name;
      this.grid.append(node);
      this.#nodes.set(card.name, node);
    }
    return this.#nodes.get(card.name);
  }

  #fill(node, card, host) {
    const set = (selector, value) => setText(node.querySelector(selector), value);
    const unit = unitOf(host, card.name);
    const value = host.value(card.name);
    const [number, shownUnit] = parts(value, unit);
    const values = [];
    const { history } = host;
    for (let i = Math.max(0, history.length - POINTS); i < history.length; i += 1) {
      // A gap is a blank, of one sample's width here.
      if (values.length && history.isGap(i)) values.push(NaN);
      values.push(history.value(card.name, i));
    }
    const level = value === undefined ? "" : host.level(card.name === "pressure" ? "pressureCpu" : card.name, value);
    const own = card.name === "requestsPerSecond" ? host.metric(card.name)?.label : "";
    set("h3", own || card.title);
    set(".number", number);
    set(".unit", value === undefined ? "not read" : shownUnit);
    set(".level", LEVELS[level]);
    set(".trend", value === undefined ? "" : trend(values, unit));
    set(".note", this.#note(card, host));
    node.dataset.level = level;
    const path = sparkline(values.slice(-POINTS), unit === "%");
    const line = node.querySelector("path");
    if (line.getAttribute("d") !== path) line.setAttribute("d", path);
  }

  #note(card, host) {
    if (card.name === "disk") return fullest(host);
    const known = card.notes.filter(([name]) => host.metric(name));
    return known
      .map(([name, word]) => {
        const value = host.value(name);
        return `${value === undefined ? NONE : text(value, host.unit(name))} ${word}`;
      })
      .join(" · ");
  }
}

/** Which filesystem the disk card is about. */
function fullest(host) {
  const value = host.value("disk");
  const mounts = host.hello.metrics.filter(({ name }) => name.startsWith("disk:"));
  const mount = mounts.find(({ name }) => host.value(name) === value);
  return mount ? `${mount.name.slice("disk:".length)} is the fullest` : "";
}
