// The newest values of what matters most: a card for each resource that the host has.

import { append, byId, copyOf, find, setText } from "./dom.js";
import { NONE, onScale, parts, scaleOf, text, unbroken } from "./format.js";
import { roundUp } from "./chart.js";

/**
 * @typedef {import("./state.js").Host} Host
 *
 * @typedef {object} Card
 * @property {string} title
 * @property {string[]} metrics what it is about; the first that the host has gives it its level
 * @property {string} chart that shows more
 * @property {boolean} [isRare] whether it is there only if there is something to say
 * @property {string[]} [names] of several values, shown in one unit
 * @property {Record<string, string>} note other metrics and how they are called; those that are 0 are left out
 */

const LEVEL_WORDS = { warn: "◆ warning", critical: "■ critical", "": "" };

/** @type {Card[]} */
const CARDS = [
  { title: "CPU", metrics: ["cpu"], chart: "cpu", note: { cpuUser: "user", cpuSystem: "system" } },
  { title: "Memory", metrics: ["memory"], chart: "memory", note: { memoryUsed: "", swap: "swap" } },
  { title: "Load", metrics: ["load1"], chart: "load", note: { load5: "5 m", tasksRunnable: "runnable" } },
  { title: "Pressure", metrics: ["pressureCpu"], chart: "pressure", isRare: true, note: { pressureMemory: "memory", pressureIo: "I/O" } },
  {
    title: "Network", metrics: ["networkReceived", "networkSent"], names: ["in", "out"], chart: "network", isRare: true,
    note: { networkDrops: "drops", tcpConnections: "TCP" },
  },
  {
    title: "Disk", metrics: ["diskRead", "diskWritten"], names: ["r", "w"], chart: "disk", isRare: true,
    note: { diskBusy: "busy", diskAwait: "" },
  },
  { title: "Fullest disk", metrics: ["disk"], chart: "", note: {} },
  { title: "GPU", metrics: ["gpu"], chart: "gpu", note: { gpuMemory: "memory", gpuTemperature: "" } },
  { title: "Throttled", metrics: ["cpuThrottled"], chart: "cpu", isRare: true, note: { cpuQuota: "of quota" } },
  { title: "Swap", metrics: ["swap"], chart: "memory", isRare: true, note: { swapIn: "in", swapOut: "out" } },
];

/** What has a card needs no line in a table. */
export const ON_CARDS = new Set(CARDS.flatMap(({ metrics }) => metrics));

/**
 * Shows the cards of this host.
 *
 * @param {HTMLElement} grid
 * @param {Host} host
 * @param {(chart: string) => void} open
 */
export function renderCards(grid, host, open) {
  CARDS.forEach((card, index) => {
    const element = grid.children[index] ?? grid.appendChild(newCard(card, open));
    if (!(element instanceof HTMLElement)) return;
    element.hidden = !card.metrics.some((name) => host.metric(name) && (!card.isRare || host.says(name)));
    if (!element.hidden) renderCard(element, host, card);
  });
  grid.dataset.seq = `${host.newest?.seq}`;
}

/**
 * @param {Card} card
 * @param {(chart: string) => void} open
 */
function newCard({ metrics, chart }, open) {
  const element = copyOf(byId("card", HTMLTemplateElement));
  [element.dataset.metric] = metrics;
  find(element, "button").addEventListener("click", () => open(chart));
  return element;
}

/**
 * @param {HTMLElement} element
 * @param {Host} host
 * @param {Card} card
 */
function renderCard(element, host, { title, metrics, names, note }) {
  const values = metrics.map((name) => host.usual(name));
  const [first] = metrics;
  const unit = host.unit(first);
  const level = host.level(first, values[0]);
  const scale = scaleOf(unit, roundUp(Math.max(1000, ...values.filter((value) => value > 0))));
  setText(find(element, "button"), names ? `${title}, ${scale.unit}` : title);
  setText(find(element, ".level"), LEVEL_WORDS[level]);
  const numbers = names
    ? names.flatMap((name, index) => [onScale(values[index], scale), name])
    : values[0] >= 0 ? parts(values[0], unit) : [NONE, "no reading"];
  const shown = find(element, ".numbers");
  while (shown.children.length < numbers.length) append(shown, shown.children.length % 2 ? "span" : "b");
  numbers.forEach((words, index) => setText(shown.children[index], words));
  const words = Object.entries(note).filter(([name]) => host.value(name) > 0)
    .map(([name, word]) => `${word} ${text(host.value(name), host.unit(name))}`.trim());
  const all = host.value("memoryUsed") + host.value("memoryAvailable");
  if (first === "memory" && all > 0) words[0] += ` of ${text(all, "B")}`;
  // Which filesystem is the fullest.
  const mount = first === "disk" && host.instances(first).find((name) => host.usual(name) === values[0])?.slice(5);
  if (mount) words.push(mount, `${text(host.usual(`diskFree:${mount}`), "B")} free`);
  // The style sheet hides those that do not fit.
  const line = words.map(unbroken).join(" ·\u00a0");
  setText(find(element, ".note"), unit === "%" ? line.replaceAll("\u00a0%", "") : line);
  element.className = level;
}
