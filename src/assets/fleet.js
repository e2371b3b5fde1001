// The table of all hosts: trouble first.

import { byId, find, setText } from "./dom.js";
import { problemsOf } from "./events.js";
import { counted, onScale, text } from "./format.js";
import { LINE_POINTS } from "./history.js";
import { page } from "./page.js";
import { fetchLines } from "./past.js";
import { URGENCY_MARKS } from "./status.js";
import { fillHeads, fillRows } from "./tables.js";

/**
 * @typedef {import("./state.js").Host} Host
 * @typedef {import("./tables.js").Row} Row
 */

/** What the marks of the rows say: a level is one thing, an alert another. */
const COUNTED = { "▲": "firing", "■": "critical", "○": "stale", "◆": "warning", "●": "well", "□": "over" };
/** Rows above and below those in view. */
const SPARE = 5;

/**
 * How a host is, and what is to be said of it.
 *
 * @param {Host} host
 * @returns {{ mark: string, level: string, what: string }}
 */
function stateOf(host) {
  // Nothing is known to be wrong with one whose first sample is on its way.
  if (!host.newest) return { mark: "○", level: "", what: "" };
  if (host.ended) return { mark: "□", level: "", what: "the recording is over" };
  const [first] = problemsOf(host);
  const [mark, level] = URGENCY_MARKS[first?.urgency ?? "well"];
  const [top] = [...(host.newest.data.top ?? [])].sort((one, other) => other.cpu - one.cpu);
  const what = first?.forms[0] ?? (top ? `${top.name} ${text(top.cpu, "%")}` : "");
  const { size } = host.alerts;
  return { mark: level ? mark : "●", level, what: size > 1 ? `${what}, ${size} alerts` : what };
}

/** @type {(value: number, decimals?: number) => import("./tables.js").Cell} */
const number = (value, decimals = 1) => ({ text: onScale(value, { by: 1, decimals }), by: value });

/**
 * All hosts that are to be shown, in order.
 *
 * @type {Row[]}
 */
let rows = [];

/** Shows the hosts whose names have the filter in them. */
export function renderFleet() {
  const filter = byId("filter", HTMLInputElement).value.toLowerCase();
  /** @type {Record<string, number>} */
  const counts = {};
  const all = [...page.state.hosts.values()].map((host) => {
    const { name, line } = host;
    const { level, mark, what } = stateOf(host);
    if (host.newest) counts[mark] = (counts[mark] ?? 0) + 1;
    /** @type {Row} */
    const row = {
      key: name,
      cells: [
        { text: `${mark} ${name}`, by: name, level, href: `#host=${encodeURIComponent(name)}` },
        { text: what }, { ...number(host.value("cpu")), line: line.values, points: LINE_POINTS, top: 100 },
        number(host.value("memory")), number(host.value("disk")), number(host.value("load1") / host.cores, 2),
      ],
    };
    return row;
  });
  const said = Object.entries(COUNTED).flatMap(([mark, word]) => (counts[mark] ? `${mark} ${counts[mark]} ${word}` : []));
  setText(byId("counts"), [counted(all.length, "host"), ...said].join("   "));
  rows = fillHeads(byId("hosts-table", HTMLTableElement), ["Host", "What is wrong, and who", "CPU %", "Mem %", "Disk %", "Load/core"],
    all.filter(({ key = "" }) => `${key}`.toLowerCase().includes(filter)), 0);
  showRows();
}

/** Shows the rows that are in view, and fetches their lines. */
export function showRows() {
  const [above, body, below] = byId("hosts-table", HTMLTableElement).tBodies;
  const height = body.rows[0]?.offsetHeight || 32;
  const { top } = above.getBoundingClientRect();
  const scrolled = Math.floor(-top / height);
  const first = Math.max(0, Math.min(scrolled, rows.length) - SPARE);
  const end = first + Math.ceil(innerHeight / height) + 2 * SPARE;
  const inView = rows.slice(Math.max(0, scrolled), Math.max(0, Math.ceil((innerHeight - top) / height)));
  fetchLines(inView.map(({ key }) => `${key}`), showRows);
  fillRows(body, rows.slice(first, end));
  [[above, first], [below, Math.max(0, rows.length - end)]].forEach(([spacer, hidden]) => {
    find(/** @type {HTMLElement} */ (spacer), "td").style.height = `${Number(hidden) * height}px`;
  });
}
