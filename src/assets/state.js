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
 *
 * An alert, and the sample that came with it, where that is known.
 * @typedef {Pick<AlertMessage, "alert"> & Partial<AlertMessage>} Firing
 */

/** How far back the page looks: as far as a server keeps its log. */
const KEPT_MS = 15 * 60 * 1000;
/** 15 minutes at the shortest interval are 4,500 samples. */
const MAX_SAMPLES = 5000;
/** Samples in a sparkline. So many are kept whole. */
export const POINTS = 60;
/** What the charts draw: shares, then rates. Of the rest, only the last values are kept. */
export const CHARTED = ["cpu", "memory", "networkReceived", "networkSent", "diskRead", "diskWritten"];
/** The highest of the pressures, as no server names a metric. */
export const PRESSURE = "pressure:*";
export const PRESSURES = ["pressureCpu", "pressureMemory", "pressureIo"];

/** A step so many times as long as its neighbours is a gap. */
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

/**
 * What tells the alerts of a host apart.
 *
 * @param {Alert} alert
 */
export function identity({ name, metric }) {
  return `${name}\n${metric}`;
}

/** The last samples, their times rising, and what happened meanwhile. */
export class History {
  /**
   * What the charts draw of each sample, and the last samples as they came.
   *
   * @type {{ values: Record<string, number>, message: Metric | null }[]}
   */
  #rows = [];
  /**
   * The alerts that fired or were resolved.
   *
   * @type {AlertMessage[]}
   */
  changes = [];

  get length() {
    return this.#rows.length;
  }

  /**
   * @param {string} name
   * @param {number} index
   */
  value(name, index) {
    return this.#rows[index].values[name];
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
    if (message.type === "alert") {
      this.changes.push(message);
      return;
    }
    const time = message.data.timestamp;
    // If the clock was set back, what it says now counts.
    while (this.length && this.last() >= time) this.#rows.pop();
    const values = Object.fromEntries(CHARTED.map((name) => [name, valueOf(message, name)]));
    this.#rows.push({ values: { ...values, time, seq: message.seq }, message });
    if (this.length > POINTS) this.#rows[this.length - POINTS - 1].message = null;
    while (this.time(0) < time - KEPT_MS || this.length > MAX_SAMPLES) this.#rows.shift();
    this.changes = this.changes.filter(({ data }) => data.timestamp >= time - KEPT_MS);
  }

  /**
   * The last values of any metric. A gap is one value that is missing, however long it was.
   *
   * @param {string} name
   */
  recent(name) {
    const first = Math.max(0, this.length - POINTS);
    const values = this.#rows.slice(first).flatMap(({ message }, index) => {
      const value = valueOf(message, name);
      return this.isGap(first + index) ? [NaN, value] : value;
    });
    return values.slice(-POINTS);
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
   * Whether time is missing before a sample, judging by the steps around it: the interval may change.
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
   * The server's last hello, or what the page needs until one arrives.
   *
   * @type {Pick<Hello, "interval"> & Partial<Hello>}
   */
  hello = { interval: 1000 };
  /**
   * The metrics that the hello announces, by name.
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
  /** The stream and number of the newest message. */
  stream = "";
  seq = 0;
  /**
   * The alerts that are firing, by their identity.
   *
   * @type {Map<string, Firing>}
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
   * Live messages wait here while the history is fetched; null afterwards.
   *
   * @type {Numbered[] | null}
   */
  waiting = null;
  /**
   * The newest sample, and the alerts behind it.
   *
   * @type {Numbered[]}
   */
  tail = [];

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
   * Whether a replay was started again and has not yet reached our position. Later streams are greater, in base 36.
   *
   * @param {Hello} hello
   */
  isAheadOf({ replay, stream, newest }) {
    if (!replay || !this.seq) return false;
    if (stream === this.stream) return newest < this.seq;
    return parseInt(stream, 36) < parseInt(this.stream, 36);
  }

  /**
   * Completes the history with what came before, and with what waited.
   *
   * @param {Numbered[]} old
   */
  fill(old) {
    let { top } = old[0]?.data ?? {};
    for (const message of [...old, ...(this.waiting ?? [])]) {
      top = message.data.top ??= top;
      this.history?.push(message);
      // A hello lists alerts without their samples.
      const isFired = message.type === "alert" && message.alert.state === "firing" && this.isFiring(message.alert);
      if (isFired) this.alerts.set(identity(message.alert), message);
    }
    this.waiting = null;
  }

  /**
   * Whether an alert still fires, as it did when it was told.
   *
   * @param {Alert} alert
   */
  isFiring(alert) {
    return this.alerts.get(identity(alert))?.alert.since === alert.since;
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
  /**
   * Alerts that began to fire, and that nobody was told of yet.
   *
   * @type {[Host, Firing][]}
   */
  fired = [];

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

  /** Forgets everything but the names, where other hosts are no longer followed. */
  forget() {
    for (const name of this.hosts.keys()) this.hosts.set(name, new Host(name));
  }

  /**
   * Takes one message. Returns whether it comes from a restarted replay that is behind what we have.
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
        const { alerts, hello } = host;
        host.hello = message;
        host.metrics = new Map(message.metrics.map((metric) => [metric.name, metric]));
        host.alerts = new Map(message.alerts.map((alert) => {
          const key = identity(alert);
          const known = alerts.get(key);
          // The alerts of the first hello are no news.
          if (hello.stream && !known) this.fired.push([host, { alert }]);
          return [key, known?.alert.since === alert.since ? known : { alert }];
        }));
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
    message.data.top ??= host.newest?.data.top;
    if (message.type === "alert") {
      this.#takeAlert(host, message);
      host.tail.push(message);
    } else {
      Object.assign(host, { newest: message, arrived: now, tail: [message] });
    }
    if (host.waiting) host.waiting.push(message);
    else host.history?.push(message);
  }

  /**
   * @param {Host} host
   * @param {AlertMessage} message
   */
  #takeAlert(host, message) {
    const key = identity(message.alert);
    // The hello told of those before it.
    const isNews = message.seq > (host.hello.newest ?? 0) && !host.alerts.has(key);
    if (message.alert.state === "resolved") host.alerts.delete(key);
    else {
      host.alerts.set(key, message);
      if (isNews) this.fired.push([host, message]);
    }
  }

  /** @param {string} name */
  select(name) {
    if (this.host) this.host.history = this.host.waiting = null;
    this.selected = name;
    const host = this.hostNamed(name);
    host.history = new History();
    host.waiting = [...host.tail];
  }

  /** Where to resume after a cut. Of other hosts, only the newest sample is shown. */
  position() {
    if (!this.host?.seq) return "";
    const { name, stream, seq } = this.host;
    return `${name}:${stream}:${seq}`;
  }

  /** The firing alerts of all hosts. */
  alerts() {
    return [...this.hosts.values()].flatMap((host) => [...host.alerts.values()].map((firing) => ({ host, firing })));
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
