// All that changes, but for what is known of the hosts: which of it is shown, and how.

import { State } from "./state.js";

/**
 * @typedef {import("./connection.js").Connection} Connection
 * @typedef {import("./state.js").Host} Host
 *
 * What people chose, which this browser remembers: the hidden series of the charts, the closed and the unfolded boxes, and
 * by which column a table is sorted.
 * @typedef {{ hidden: string[], closed: string[], unfolded: string[],
 *   sorts: Record<string, [number, boolean] | undefined> }} Choices
 */

const CHOICES = "metrics-choices";
export const MINUTE_MS = 60 * 1000;
/** The windows that can be chosen, in minutes. */
export const RANGES = [1, 5, 15, 60, 360, 1440];
/** Longer ones are shown as buckets, about so many. */
export const BUCKETS = 240;
/** A window is at least so long, in ms. */
const SHORTEST_MS = 5000;

/** Tests and the console reach it as `metrics`. */
export const page = {
  state: new State(),
  connection: /** @type {Connection} */ (/** @type {unknown} */ (null)),
  /** The host that the page's address names; empty for all of them. */
  wanted: "",
  /** How much time the charts show. */
  minutes: 5,
  /** Where they end, in ms since 1970; null if they follow the newest sample. */
  until: /** @type {number | null} */ (null),
  /** The time whose values are shown, in ms since 1970; null for the newest. */
  cursor: /** @type {number | null} */ (null),
  /** Whether the cursor stays, and the tables show that moment. */
  isPinned: false,
  /** When the page was paused, and the samples since; null while it follows them. */
  paused: /** @type {{ at: number, seq: number } | null} */ (null),
  choices: /** @type {Choices} */ ({ hidden: [], closed: [], unfolded: [], sorts: {} }),
};

/** Reads what people chose: in the address what can be shared, in this browser the rest. */
export function recall() {
  try {
    Object.assign(page.choices, JSON.parse(localStorage.getItem(CHOICES) ?? "{}"));
  } catch {
    // A browser may forbid it.
  }
  const hash = location.hash.slice(1);
  const asked = new URLSearchParams(hash.includes("=") ? hash : { host: decodeURIComponent(hash) });
  page.wanted = asked.get("host") ?? "";
  page.minutes = parseFloat(asked.get("last") ?? "") || page.minutes;
  page.until = Date.parse(asked.get("to") ?? "") || null;
  page.cursor = null;
  page.isPinned = false;
}

/** Writes the host and the window into the address. */
export function remember() {
  const { minutes, state, until, wanted } = page;
  const asked = new URLSearchParams();
  const host = state.hosts.size > 1 ? state.selected : wanted;
  if (host) asked.set("host", host);
  if (minutes !== 5) asked.set("last", `${Number(minutes.toFixed(2))}m`);
  if (until !== null) asked.set("to", new Date(until).toISOString());
  const hash = `${asked}`.replaceAll("%3A", ":");
  if (hash !== location.hash.slice(1)) history.replaceState(null, "", `#${hash}`);
}

/**
 * Adds to a list of the choices what is not there, or else removes it.
 *
 * @param {"hidden" | "closed" | "unfolded"} list
 * @param {string} item
 */
export function toggle(list, item) {
  const { choices } = page;
  const others = choices[list].filter((other) => other !== item);
  keep({ [list]: others.length < choices[list].length ? others : [...others, item] });
}

/** @param {Partial<Choices>} changed */
export function keep(changed) {
  Object.assign(page.choices, changed);
  try {
    localStorage.setItem(CHOICES, JSON.stringify(page.choices));
  } catch {
    // They last as long as the page.
  }
}

/**
 * What the charts show, in ms since 1970.
 *
 * @param {Host} host
 */
export function windowOf(host) {
  // While nothing arrives, the gap at the right grows.
  const now = performance.now();
  const silence = host.isStale(now) && !page.paused ? now - host.arrived : 0;
  const to = page.until ?? page.paused?.at ?? (host.history?.last() ?? 0) + silence;
  return { from: to - page.minutes * MINUTE_MS, to };
}

/**
 * Shows the time from one moment to another.
 *
 * @param {number} from in ms since 1970
 * @param {number} to
 */
export function zoom(from, to) {
  page.minutes = Math.max(to - from, SHORTEST_MS) / MINUTE_MS;
  page.until = to;
  remember();
}

/** Follows the newest sample again, over one of the usual windows. */
export function goLive() {
  page.until = page.cursor = page.paused = null;
  page.isPinned = false;
  page.minutes = RANGES.find((minutes) => minutes >= page.minutes) ?? 1440;
  remember();
}

/**
 * Looks at a moment: the charts stay where they are if they show it.
 *
 * @param {Host} host
 * @param {number} time in ms since 1970
 */
export function lookAt(host, time) {
  const { from, to } = windowOf(host);
  const half = (to - from) / 2;
  const isInside = from <= time && time <= to;
  page.until = isInside ? to : Math.min(time + half, Math.max(host.history?.last() ?? 0, from + 2 * half));
  page.cursor = time;
  page.isPinned = true;
  remember();
}
