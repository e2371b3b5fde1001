// A card for each metric that the host has.

import { keep, parts, setText, text } from "./format.js";

/** [metric, title, what stands below as word and metric]. */
const CARDS = [
  ["cpu", "CPU", { "I/O wait": "iowait", stolen: "steal" }],
  ["memory", "Memory", { used: "memoryUsed", available: "memoryAvailable" }],
  ["load1", "Load", { "5 min": "load5", "15 min": "load15" }],
  ["pressure", "Pressure", { CPU: "pressureCpu", memory: "pressureMemory", "I/O": "pressureIo" }],
  ["activeUsers", "Active users", {}],
  ["requestsPerSecond", "", { retransmits: "tcpRetransmits" }],
  ["networkReceived", "Network in", { out: "networkSent" }],
  ["diskRead", "Disk read", { written: "diskWritten", busy: "diskBusy" }],
  ["disk", "Disk used", {}],
  ["swap", "Swap", {}],
  ["temperature", "Temperature", {}],
];
const LEVELS = { warn: "◆ warning", critical: "■ critical", "": "" };
/** Samples in a sparkline. */
const POINTS = 60;

/** Compares the mean of the last five with the five before. The dead band keeps the arrow from flickering. */
function trend(values, unit) {
  const mean = (some) => {
    const known = some.filter((value) => !Number.isNaN(value));
    return known.length < 3 ? NaN : known.reduce((sum, value) => sum + value, 0) / known.length;
  };
  const before = mean(values.slice(-10, -5));
  const change = mean(values.slice(-5)) - before;
  if (Number.isNaN(change)) return "";
  const size = Math.abs(change);
  if (size <= (unit === "%" ? 2 : Math.abs(before) * 0.05)) return "▬ steady";
  const much = unit === "%" ? size.toFixed(1) : size < before * 10 ? `${((100 * size) / before).toFixed(0)} %` : "";
  return `${change > 0 ? "▲ up" : "▼ down"} ${much}`;
}

/** The path of a sparkline in a box of 100 by 24. */
function sparkline(values, unit) {
  const top = unit === "%" ? 100 : Math.max(...values.filter((value) => value > 0), 1e-9);
  return values
    .map((value, i) => {
      if (Number.isNaN(value)) return "";
      const x = 100 - ((values.length - 1 - i) * 100) / (POINTS - 1);
      const y = 23 - (22 * Math.max(0, value)) / top;
      return `${i && !Number.isNaN(values[i - 1]) ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}h.1`;
    })
    .join("");
}

/** The newest values; a gap is a blank, of one sample's width here. */
function recent(history, name) {
  const values = [];
  for (let i = Math.max(0, history.length - POINTS); i < history.length; i += 1) {
    if (history.isGap(i)) values.push(NaN);
    values.push(history.value(name, i));
  }
  return values.slice(-POINTS);
}

function noteOf(host, name, notes) {
  if (name === "disk") {
    const fullest = host.hello.metrics.find((metric) => metric.name.startsWith("disk:") && host.value(metric.name) === host.value(name));
    return fullest ? `fullest: ${fullest.name.slice(5)}` : "";
  }
  const known = Object.entries(notes).filter(([, metric]) => host.metric(metric));
  return known.map(([word, metric]) => keep(`${word} ${text(host.value(metric), host.unit(metric))}`)).join("\u00a0· ");
}

/** Shows the cards that this host has. What it lacks for good has none; what is missing now has a dash. */
export function renderCards(grid, host) {
  for (const [name, title, notes] of CARDS) {
    let card = grid.querySelector(`[data-metric=${name}]`);
    if (!card) {
      card = grid.querySelector("template").content.cloneNode(true).firstElementChild;
      card.dataset.metric = name;
      grid.append(card);
    }
    const metric = host.metric(name === "pressure" ? "pressureCpu" : name);
    card.hidden = !metric;
    if (!metric) continue;
    const value = host.value(name);
    const values = recent(host.history, name);
    const [number, unit] = parts(value, metric.unit);
    const level = host.level(metric.name, value);
    const shown = {
      h3: title || metric.label,
      ".number": number,
      ".unit": Number.isNaN(value) ? "not read" : unit,
      ".level": LEVELS[level],
      ".trend": Number.isNaN(value) ? "" : trend(values, metric.unit),
      ".note": noteOf(host, name, notes),
    };
    for (const [part, words] of Object.entries(shown)) setText(card.querySelector(part), words);
    card.className = level;
    card.querySelector("path").setAttribute("d", sparkline(values, metric.unit));
  }
  grid.dataset.seq = host.newest?.seq;
}
