// What is known of the hosts. Knows no socket and no document.

/**
 * @typedef {import("../../docs/protocol").Message} Message
 * @typedef {import("../../docs/protocol").Hello} Hello
 * @typedef {import("../../docs/protocol").Metric} Metric
 * @typedef {import("../../docs/protocol").AlertMessage} AlertMessage
 * @typedef {import("../../docs/protocol").Alert} Alert
 * @typedef {import("../../docs/protocol").MetricInfo} MetricInfo
 *
 * A message with a sample.
 * @typedef {Metric | AlertMessage} Numbered
 */

/** How far back the charts look: as far as a server keeps its log. */
const KEPT_MS = 15 * 60 * 1000;
/** 15 minutes at the shortest interval are 4,500 samples. */
const MAX_SAMPLES = 5000;
/** The columns have room for twice as many, so that they are moved only once in a while. */
const ROOM = 2 * MAX_SAMPLES;
/** Samples in a sparkline. So many are kept whole. */
export const POINTS = 60;
/** What the charts draw, as columns: of everything else, only the last values are kept. */
const CHARTED = ["cpu", "memory", "networkReceived", "networkSent", "diskRead", "diskWritten"];
/** The highest of the pressures, as no server names a metric. */
export const PRESSURE = "pressure:*";
export const PRESSURES = ["pressureCpu", "pressureMemory", "pressureIo"];

/** A step this many times as long as its neighbours is a gap. */
const GAP_STEPS = 2.5;
const STALE_INTERVALS = 3;
const MIN_STALE_MS = 3000;

/**
 * A value of a sample; NaN if it could not be read, even where the sample has 0 in its place.
 *
 * @param {Numbered | null} message
 * @param {string} name
 * @returns {number}
 */
function valueOf(message, name) {
  if (name === PRESSURE) return Math.max(...PRESSURES.map((pressure) => valueOf(message, pressure)));
  const value = message?.data[name];
  return typeof value === "number" && !message?.absent?.includes(name) ? value : NaN;
}

/** The last samples in columns, their times rising. */
export class History {
  #begin = 0;
  #end = 0;
  /** @type {Record<string, Float64Array>} */
  #columns = Object.fromEntries(["time", "seq", ...CHARTED].map((name) => [name, new Float64Array(ROOM)]));
  /**
   * The last of the samples.
   *
   * @type {Numbered[]}
   */
  #whole = [];

  get length() {
    return this.#end - this.#begin;
  }

  /**
   * @param {string} name
   * @param {number} index
   */
  value(name, index) {
    return this.#columns[name][this.#begin + index];
  }

  /** @param {number} index */
  time(index) {
    return this.value("time", index);
  }

  last() {
    return this.time(this.length - 1);
  }

  /** @param {Numbered} message */
  push(message) {
    const time = message.data.timestamp;
    // If the clock was set back, what it says now counts.
    while (this.length && this.last() >= time) {
      this.#end -= 1;
      this.#whole.pop();
    }
    if (this.#end === ROOM) this.#makeRoom();
    this.#columns.time[this.#end] = time;
    this.#columns.seq[this.#end] = message.seq;
    for (const name of CHARTED) this.#columns[name][this.#end] = valueOf(message, name);
    this.#end += 1;
    while (this.time(0) < time - KEPT_MS || this.length > MAX_SAMPLES) this.#begin += 1;
    this.#whole.push(message);
    if (this.#whole.length > Math.min(POINTS, this.length)) this.#whole.shift();
  }

  /**
   * The last values of any metric. A gap is one value that is missing, however long it was.
   *
   * @param {string} name
   */
  recent(name) {
    const first = this.length - this.#whole.length;
    const values = this.#whole.flatMap((message, index) => {
      const value = valueOf(message, name);
      return this.isGap(first + index) ? [NaN, value] : value;
    });
    return values.slice(-POINTS);
  }

  #makeRoom() {
    for (const column of Object.values(this.#columns)) column.copyWithin(0, this.#begin, this.#end);
    this.#end -= this.#begin;
    this.#begin = 0;
  }

  /**
   * The index of the first sample at `time` or later.
   *
   * @param {number} time
   */
  find(time) {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.time(middle) < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * The index of the sample nearest to `time`.
   *
   * @param {number} time
   */
  nearest(time) {
    const after = Math.min(this.find(time), this.length - 1);
    const isBeforeNearer = after > 0 && time - this.time(after - 1) < this.time(after) - time;
    return isBeforeNearer ? after - 1 : after;
  }

  /**
   * Whether time is missing before a sample. The steps around it tell how long one is: the interval may change.
   *
   * @param {number} index
   */
  isGap(index) {
    const usual = Math.max(this.#step(index - 1), this.#step(index + 1));
    return usual > 0 && this.#step(index) > GAP_STEPS * usual;
  }

  /** @param {number} index */
  #step(index) {
    const isInside = index > 0 && index < this.length;
    return isInside ? this.time(index) - this.time(index - 1) : 0;
  }
}

export class Host {
  /**
   * The server's last hello, or as much as the page needs until one arrives.
   *
   * @type {Pick<Hello, "interval"> & Partial<Hello>}
   */
  hello = { interval: 1000 };
  /**
   * What is known of the metrics, by name, in the server's order.
   *
   * @type {Map<string, MetricInfo>}
   */
  metrics = new Map();
  /**
   * The newest message with a sample.
   *
   * @type {Metric | null}
   */
  newest = null;
  /** When it arrived, by the browser's monotonic clock. */
  arrived = 0;
  /** The position of the newest numbered message: its stream and number. */
  stream = "";
  seq = 0;
  /**
   * The alerts that are firing, by name.
   *
   * @type {Map<string, Alert>}
   */
  alerts = new Map();
  ended = false;
  /**
   * What the charts show. Only the selected host has one.
   *
   * @type {History | null}
   */
  history = null;
  /**
   * Live samples wait here while the history is still being fetched from the server's log; null afterwards.
   *
   * @type {Metric[] | null}
   */
  waiting = null;

  /** @param {string} name */
  constructor(name) {
    this.name = name;
  }

  /** @param {string} name */
  value(name) {
    return valueOf(this.newest, name);
  }

  /** @param {string} name */
  metric(name) {
    return this.metrics.get(name);
  }

  /** @param {string} name */
  unit(name) {
    return this.metric(name)?.unit ?? "";
  }

  /**
   * How bad a value is by the levels that the server names.
   *
   * @param {string} name
   * @param {number} value
   */
  level(name, value) {
    const { warn = Infinity, critical = Infinity } = this.metric(name) ?? {};
    if (value >= critical) return "critical";
    return value >= warn ? "warn" : "";
  }

  /** @param {number} now */
  isStale(now) {
    const limit = Math.max(STALE_INTERVALS * this.hello.interval, MIN_STALE_MS);
    return !this.ended && this.newest !== null && now - this.arrived > limit;
  }

  /**
   * Whether a replay was started again and has not yet reached our position. Streams are numbers in base 36, and a
   * later one is greater.
   *
   * @param {Hello} hello
   */
  isAheadOf({ replay, stream, newest }) {
    if (!replay || !this.seq) return false;
    if (stream === this.stream) return newest < this.seq;
    return parseInt(stream, 36) < parseInt(this.stream, 36);
  }

  /**
   * Completes the history: first the samples from the log, then those that waited.
   *
   * @param {Metric[]} old
   */
  fill(old) {
    for (const message of [...old, ...(this.waiting ?? [])]) this.history?.push(message);
    this.waiting = null;
  }
}

export class State {
  /** @type {Map<string, Host>} */
  hosts = new Map();
  /** The name of the host that is shown. */
  selected = "";
  /** How often the server reported that messages are missing. */
  gaps = 0;
  /** How many messages could not be parsed. */
  unreadable = 0;

  get host() {
    return this.hosts.get(this.selected);
  }

  /**
   * The host with this name, added if it is new.
   *
   * @param {string} name
   */
  hostNamed(name) {
    const host = this.hosts.get(name) ?? new Host(name);
    this.hosts.set(name, host);
    return host;
  }

  names() {
    return [...this.hosts.keys()].sort();
  }

  /** Forgets everything but the names. Used where hosts that are not shown are not followed any more. */
  forget() {
    for (const name of this.hosts.keys()) this.hosts.set(name, new Host(name));
  }

  /**
   * Takes one message. Returns whether it comes from a replay that was started again and is behind what we have.
   *
   * @param {Message} message
   * @param {Map<string, string>} streams which stream each host's numbers belong to on this connection
   * @param {number} now by the browser's monotonic clock
   */
  receive(message, streams, now) {
    const name = message.host;
    if (typeof name !== "string") return false;
    const host = this.hostNamed(name);
    switch (message.type) {
      case "hello": {
        const isBehind = !streams.has(name) && host.isAheadOf(message);
        if (isBehind) Object.assign(host, new Host(name));
        streams.set(name, message.stream);
        host.hello = message;
        host.metrics = new Map(message.metrics.map((metric) => [metric.name, metric]));
        host.alerts = new Map(message.alerts.map((alert) => [alert.name, alert]));
        return isBehind;
      }
      case "metric":
      case "alert":
        this.#takeNumbered(host, message, streams.get(name) ?? "", now);
        break;
      case "gap":
        this.gaps += 1;
        break;
      case "end":
        host.ended = true;
        break;
    }
    return false;
  }

  /**
   * @param {Host} host
   * @param {Numbered} message
   * @param {string} stream
   * @param {number} now
   */
  #takeNumbered(host, message, stream, now) {
    const { seq } = message;
    const isKnown = stream === host.stream && seq <= host.seq;
    if (isKnown) return;
    Object.assign(host, { stream, seq, ended: false });
    if (message.type === "alert") {
      const { alert } = message;
      if (alert.state === "firing") host.alerts.set(alert.name, alert);
      else host.alerts.delete(alert.name);
      return;
    }
    host.newest = message;
    host.arrived = now;
    if (host.waiting) host.waiting.push(message);
    else host.history?.push(message);
  }

  /** @param {string} name */
  select(name) {
    if (this.host) this.host.history = this.host.waiting = null;
    this.selected = name;
    const host = this.hostNamed(name);
    host.history = new History();
    host.waiting = host.newest ? [host.newest] : [];
  }

  /** Where to resume after a cut. Other hosts begin with their newest sample: nothing else of them is shown. */
  position() {
    if (!this.host?.seq) return "";
    const { name, stream, seq } = this.host;
    return `${name}:${stream}:${seq}`;
  }

  /** The firing alerts of all hosts. */
  alerts() {
    return [...this.hosts.values()].flatMap((host) =>
      [...host.alerts.values()].map((alert) => ({ host: host.name, ...alert })));
  }

  /**
   * Whether every host that should send something is stale.
   *
   * @param {number} now
   */
  isSilent(now) {
    const active = [...this.hosts.values()].filter((host) => host.newest && !host.ended);
    return active.length > 0 && active.every((host) => host.isStale(now));
  }
}
