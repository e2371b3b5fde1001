// What is wrong with a host, and what happened in the time that is held: alerts, gaps, restarts, processes killed for lack of
// memory.

import { problems } from "./sentence.js";
import { valueOf } from "./history.js";
import { identity } from "./state.js";

/**
 * @typedef {import("./state.js").Firing} Firing
 * @typedef {import("./state.js").Host} Host
 * @typedef {import("./history.js").Point} Point
 *
 * @typedef {object} Event
 * @property {number} time when it began, in ms since 1970
 * @property {number} [end] when it was over
 * @property {"▲" | "△" | "╌" | "R" | "■"} mark
 * @property {string} what
 */

/** So many are shown. */
const MOST_EVENTS = 500;

/**
 * What is wrong with a host, the most urgent first, as far as some points and alerts tell.
 *
 * @param {Host} host
 * @param {Point[]} points
 * @param {Firing[]} alerts
 */
function judge(host, points, alerts, age = NaN) {
  const { loss, metrics } = host;
  const last = points[points.length - 1]?.time ?? NaN;
  return problems({
    samples: {
      length: points.length,
      time: (index) => points[index]?.time ?? NaN,
      value: (name, index) => valueOf(points[index] ?? null, name),
      top: (index) => points[index]?.data.top ?? [],
    },
    metrics,
    alerts,
    cores: host.cores || 0,
    silence: age > 0 ? { age } : null,
    loss: loss && loss.time <= last ? { ...loss, age: last - loss.time } : null,
  });
}

/**
 * What is wrong with a host now, or at a moment that is looked at.
 *
 * @param {Host} host
 * @param {Point | null} then
 */
export function problemsOf(host, then = null) {
  const points = host.history?.points ?? host.lately;
  if (then) return judge(host, points.slice(0, points.indexOf(then) + 1), firingAt(host, then.time));
  const now = performance.now();
  return judge(host, points, [...host.alerts.values()], host.isStale(now) ? now - host.arrived : NaN);
}

/**
 * The alerts that fired at a moment.
 *
 * @param {Host} host
 * @param {number} time
 */
function firingAt(host, time) {
  /** @type {Map<string, Firing>} */
  const firing = new Map();
  for (const change of host.history?.changes ?? []) {
    const key = identity(change.alert);
    if (change.data.timestamp > time) continue;
    if (change.alert.state === "firing") firing.set(key, change);
    else firing.delete(key);
  }
  return [...firing.values()];
}

/**
 * The sentences of alerts when they fired.
 *
 * @type {WeakMap<Firing, string>}
 */
const sentences = new WeakMap();

/**
 * What was wrong when an alert fired, and who did it.
 *
 * @param {Host} host
 * @param {Firing} firing
 */
export function sentence(host, firing) {
  const data = firing.data ?? host.newest?.data;
  const known = sentences.get(firing) ?? judge(host, data ? [{ data, time: data.timestamp }] : [], [firing])[0].forms[0];
  if (firing.data) sentences.set(firing, known);
  return known;
}

/**
 * The alerts of the time that is held.
 *
 * @param {Host} host
 * @returns {Event[]}
 */
function alertsOf(host) {
  /** @type {Map<string, { told: Firing, over?: Firing }>} */
  const alerts = new Map();
  for (const told of [...host.alerts.values(), ...(host.history?.changes ?? [])]) {
    const key = `${told.alert.since} ${identity(told.alert)}`;
    const known = alerts.get(key);
    if (told.alert.state === "firing") alerts.set(key, { ...known, told });
    else alerts.set(key, { told: known?.told ?? told, over: told });
  }
  return [...alerts.values()].map(({ told, over }) => {
    const time = told.alert.since;
    const isFiring = host.isFiring(told.alert);
    const end = isFiring ? undefined : over?.data?.timestamp ?? time;
    return { time, end, mark: isFiring ? "▲" : "△", what: sentence(host, told) };
  });
}

/**
 * All that happened, the newest first.
 *
 * @param {Host} host
 * @returns {Event[]}
 */
export function eventsOf(host) {
  const { history } = host;
  if (!history) return [];
  const events = alertsOf(host);
  history.points.forEach(({ bucket, gap, time: end }, index) => {
    const time = history.time(index - 1);
    if ((bucket?.max.oomKills ?? history.value("oomKills", index)) > 0) events.push({ time: end, end, mark: "■", what: "OOM kill" });
    if (!index || !(gap || history.isGap(index))) return;
    if (gap === "restarted") events.push({ time, end, mark: "R", what: "restarted" });
    else events.push({ time, end, mark: "╌", what: gap ? "gap: messages expired" : "gap: no samples" });
  });
  return events.sort((one, other) => other.time - one.time).slice(0, MOST_EVENTS);
}
