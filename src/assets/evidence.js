// What the samples of a host say: how long a level has held, where a line leads, who is to blame. The terminal has the same
// rules in src/view/sentence.

import { span, text } from "./format.js";

/**
 * @typedef {import("../../docs/protocol").MetricInfo} MetricInfo
 * @typedef {import("../../docs/protocol").Process} Process
 * @typedef {import("./state.js").Firing} Firing
 *
 * The samples, the oldest first. A value that is absent is NaN.
 * @typedef {object} Samples
 * @property {number} length
 * @property {(index: number) => number} time in ms since 1970
 * @property {(name: string, index: number) => number} value
 * @property {(index: number) => Process[]} top the last list of processes
 *
 * Why a host isn't live. Times are in ms.
 * @typedef {object} Silence
 * @property {number} [age] of the newest sample, if there is one
 * @property {string} [reason] why the connection was lost
 * @property {number} [attempt] the next one; none follows a connection that was refused
 * @property {number} [wait] until then
 * @property {boolean} [isOver] the recording is over
 *
 * Messages that are missing, or a restart, so many ms ago.
 * @typedef {Pick<import("../../docs/protocol").Gap, "from" | "to" | "reason"> & { age: number }} Loss
 *
 * What is known of a host.
 * @typedef {object} Situation
 * @property {Samples} samples
 * @property {Map<string, MetricInfo>} metrics
 * @property {number} cores 0 if unknown
 * @property {Iterable<Firing>} alerts
 * @property {Silence | null} silence null if the host is live
 * @property {Loss | null} loss
 *
 * Who does it, such as "rustc 61.4 %". The name tells it from others.
 * @typedef {{ name: string, words: string }} Culprit
 */

/** Their labels are names that an application or another server gave. */
const FOREIGN = ["Other", "Application"];
/**
 * What a sentence calls something shorter than a list does.
 *
 * @type {Record<string, string>}
 */
const NAMES = { __proto__: /** @type {any} */ (null), load1: "load", cpuThrottled: "throttled" };
/** Rise while tasks wait for a disk. */
const WAITING = /^(disk(Await|Busy|Queue)|iowait|pressureIo|tasksBlocked)/;
const FILLING = /^(memory|swap|disk|inodes)(:|$)/;

/** So many samples in a row decide whether a level holds. */
const ENOUGH = 3;
/** The newest samples that may form a straight line. */
const WINDOWS = [300, 60, 30];
const SHORTEST_LINE_MS = 25_000;
const STRAIGHT = 0.9;
const DAY_MS = 86_400_000;
/** The least share of a second culprit, in percent. */
const WORTH_NAMING = 5;

/** @param {string} metric */
export function familyOf(metric) {
  return metric.split(":", 1)[0];
}

/**
 * @param {string} name
 * @param {number} percent
 * @returns {Culprit}
 */
export function sharing(name, percent, words = `${name} `) {
  return { name, words: words + text(percent, "%") };
}

/**
 * @param {string} words
 * @returns {Culprit}
 */
export function nobody(words) {
  return { name: "", words };
}

/** A situation, and what follows from it. */
export class Evidence {
  /** @param {Situation} situation */
  constructor({ samples, metrics, cores }) {
    this.samples = samples;
    this.metrics = metrics;
    this.cores = cores;
    this.last = samples.length - 1;
    this.now = this.last < 0 ? NaN : samples.time(this.last);
    this.top = this.last < 0 ? [] : samples.top(this.last);
  }

  /** @param {string} name */
  value(name) {
    return this.last < 0 ? NaN : this.samples.value(name, this.last);
  }

  /**
   * The newest value with its unit.
   *
   * @param {string} name
   */
  shown(name, value = this.value(name)) {
    return text(value, this.metrics.get(name)?.unit ?? "");
  }

  /**
   * What is measured, as a sentence calls it: "memory", "disk /var".
   *
   * @param {string} name
   */
  subject(name) {
    // The filesystem behind the value of the fullest.
    const isFullest = ["disk", "inodes"].includes(name);
    const keys = isFullest ? [...this.metrics.keys()] : [];
    const fullest = keys.find((key) => key.startsWith(`${name}:`) && this.value(key) === this.value(name));
    const { label = name, section = FOREIGN[0] } = this.metrics.get(fullest ?? name) ?? {};
    const isWord = !FOREIGN.includes(section) && /^.\p{Ll}/u.test(label);
    // "GPU 3 throttled" for what a list calls "GPU throttled 3".
    const word = isWord ? label[0].toLowerCase() + label.slice(1) : label.replace(/^GPU (.+) (\S+)$/, "GPU $2 $1");
    return NAMES[name] ?? word;
  }

  /** @param {number} since */
  lasted(since, isEarlier = false) {
    return ` for ${isEarlier ? "over " : ""}${span(this.now - since)}`;
  }

  /**
   * The indices of the samples of the last `reach` ms, the newest first.
   *
   * @param {number} reach
   */
  recent(reach) {
    const indices = [];
    for (let index = this.last; index > 0 && this.samples.time(index) > this.now - reach; index -= 1) indices.push(index);
    return indices;
  }

  /**
   * How often something happened, by its rate.
   *
   * @param {string} rate
   * @param {number} reach
   */
  count(rate, reach) {
    const { samples } = this;
    const count = (/** @type {number} */ sum, /** @type {number} */ index) =>
      sum + (samples.value(rate, index) || 0) * (samples.time(index) - samples.time(index - 1));
    return Math.round(this.recent(reach).reduce(count, 0) / 1000);
  }

  /**
   * Since when a metric is at a level: for three samples, and not gone for three.
   *
   * @param {string} name
   * @param {number} [level]
   */
  held(name, level) {
    if (level === undefined) return null;
    let [isThere, length, since, time] = [false, 0, NaN, NaN];
    for (let index = this.last; index >= 0; index -= 1) {
      const value = this.samples.value(name, index);
      if (Number.isNaN(value)) continue;
      length = isThere === value >= level ? length + 1 : 1;
      isThere = value >= level;
      time = this.samples.time(index);
      if (length < ENOUGH) continue;
      if (!isThere) break;
      since = time;
    }
    return since ? { since, lasted: this.lasted(since, isThere && time === since) } : null;
  }

  /**
   * When a metric reaches 100 %, if it is below that, rises in a straight line and gets there within a day.
   *
   * @param {string} name
   */
  outlook(name) {
    const now = this.value(name);
    const isLong = this.now - this.samples.time(0) >= SHORTEST_LINE_MS;
    // What is shown as 100.0 % is full.
    if (!isLong || !(now < 99.95) || !FILLING.test(name)) return null;
    for (const size of WINDOWS) {
      const { slope, r2, length } = this.#line(name, size);
      const left = (100 - now) / slope;
      if (length >= SHORTEST_LINE_MS && r2 > STRAIGHT && left >= 1000 && left <= DAY_MS) {
        return { left, risen: slope * length, words: `, full in ${span(left)}` };
      }
    }
    return null;
  }

  /**
   * The straight line through the newest values.
   *
   * @param {string} name
   * @param {number} size
   */
  #line(name, size) {
    let [n, t, v, tt, tv, vv, length] = [0, 0, 0, 0, 0, 0, 0];
    for (let index = this.last; index >= 0 && index > this.last - size; index -= 1) {
      const value = this.samples.value(name, index);
      if (Number.isNaN(value)) continue;
      length = this.now - this.samples.time(index);
      n += 1;
      t -= length;
      v += value;
      tt += length * length;
      tv -= length * value;
      vv += value * value;
    }
    const [over, up, across] = [n * tv - t * v, n * vv - v * v, n * tt - t * t];
    return { slope: over / across, r2: (over * over) / (across * up), length };
  }

  /**
   * Who is to blame for a metric, the first before the others.
   *
   * @param {string} name
   * @returns {Culprit[]}
   */
  suspects(name, top = this.top) {
    // Threads of the kernel, which have no memory, wait on behalf of others.
    const waits = top.filter(({ state }) => state === "D").sort((one, other) => +!one.memory - +!other.memory)
      .slice(0, 1).map(({ name }) => ({ name, words: name }));
    // A process that waits for what was swapped out is kept small by that.
    if (WAITING.test(name) || (name === "swapIn" && waits.length)) return waits;
    const section = this.metrics.get(name)?.section;
    const by = section === "CPU" ? "cpu" : section === "Memory" && "memory";
    if (!by || ["steal", "oomKills"].includes(name)) return [];
    const shares = top.map((process) => ({ name: process.name, share: process[by] })).sort(byShare).slice(0, 1);
    if (by === "cpu") shares.push({ name: "came and went", share: this.value("exitedCpu") || 0 });
    const worth = shares.sort(byShare).filter(({ share }, nth) => share && share >= (nth && WORTH_NAMING));
    // The share of the machine would mislead: what counts is the share of the quota.
    if (name === "cpuThrottled") return worth.slice(0, 1).map(({ name }) => ({ name, words: name }));
    return worth.map(({ name, share }) => sharing(name, share));
  }
}

/**
 * @param {{ share: number }} one
 * @param {{ share: number }} other
 */
function byShare(one, other) {
  return other.share - one.share;
}
