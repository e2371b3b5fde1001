// What is known of the hosts. Knows no socket and no document.

import { moment } from "./format.js";
import { History, Line, valueOf } from "./history.js";

/**
 * @typedef {import("../../docs/protocol").Message} Message
 * @typedef {import("../../docs/protocol").Hello} Hello
 * @typedef {import("../../docs/protocol").Metric} Metric
 * @typedef {import("../../docs/protocol").AlertMessage} AlertMessage
 * @typedef {import("../../docs/protocol").Alert} Alert
 * @typedef {import("../../docs/protocol").MetricInfo} MetricInfo
 * @typedef {import("../../docs/protocol").Gap} Gap
 *
 * @typedef {import("./history.js").Point} Point
 *
 * A message with a sample.
 * @typedef {Metric | AlertMessage} Numbered
 *
 * An alert, and the sample that came with it, where that is known.
 * @typedef {Pick<AlertMessage, "alert"> & Partial<AlertMessage>} Firing
 */

/** Samples that are kept of every host: so many in a row decide whether a level holds. */
const LATELY = 3;
/** A percentage that is never so high says nothing. */
const WORTH = 1;
const STALE_INTERVALS = 3;
const MIN_STALE_MS = 3000;

/**
 * The same sample with the lists of the one before, where it has none of its own. Returns it.
 *
 * @param {Metric["data"]} data
 * @param {Metric["data"] | undefined} before
 */
function keepLists(data, before) {
  data.top ??= before?.top;
  data.containers ??= before?.containers;
  return data;
}

/**
 * What tells the alerts of a host apart.
 *
 * @param {Alert} alert
 */
export function identity({ name, metric }) {
  return `${name}\n${metric}`;
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
   * @type {(Numbered | Gap)[] | null}
   */
  waiting = null;
  /**
   * The newest sample, and the alerts behind it.
   *
   * @type {Numbered[]}
   */
  tail = [];
  /**
   * The moment that is looked at; null for the newest.
   *
   * @type {Point | null}
   */
  then = null;
  /** The metrics that have said anything, in which history, and from when to when that is known. */
  #said = { history: /** @type {History | null} */ (null), oldest: NaN, until: 0, names: /** @type {Set<string>} */ (new Set()) };
  /** The most rows that the table of its processes had: it keeps room for them. */
  mostRows = 0;
  /** How many cores it has; NaN if that is unknown. */
  cores = NaN;
  /** For the table of all hosts. */
  line = new Line(this.hello.interval);
  /**
   * The last samples, of a host that has no history.
   *
   * @type {Point[]}
   */
  lately = [];
  /**
   * What was lost last, or the last restart.
   *
   * @type {(Gap & { time: number }) | null}
   */
  loss = null;

  /** @param {string} name */
  constructor(name) {
    this.name = name;
  }

  /**
   * A time in words; in a replay always with its date.
   *
   * @param {number} ms since 1970
   */
  moment(ms, withSeconds = true) {
    return moment(ms, Boolean(this.hello.replay), withSeconds);
  }

  /** What is shown: of the moment that is looked at, or the newest. */
  get shown() {
    return this.then ?? this.newest;
  }

  /** @param {string} name */
  value(name) {
    return valueOf(this.shown, name);
  }

  /**
   * The same; what the newest sample lacks is that of one of the two before it, as a disk that answers late is missing
   * from some. A moment in the past has only its own.
   *
   * @param {string} name
   */
  usual(name) {
    const points = this.then ? [this.then] : this.lately;
    return points.map((point) => valueOf(point, name)).filter((value) => value >= 0).pop() ?? NaN;
  }

  /**
   * The instances of a metric, such as `cpu:0` of `cpu`.
   *
   * @param {string} family
   */
  instances(family) {
    return [...this.metrics.keys()].filter((name) => name.startsWith(`${family}:`));
  }

  /**
   * Whether a metric has said anything in what is held: it was not 0 or, of percentages, at least 1. That is not taken back,
   * so nothing leaves the page while the host is shown; what comes later moves what is below it.
   *
   * @param {string} name
   */
  says(name) {
    const { history } = this;
    if (!history) return false;
    const { points } = history;
    const oldest = history.time(0);
    if (this.#said.history !== history) this.#said = { history, oldest, until: 0, names: new Set() };
    // Of a longer time, or since the clock was set back.
    if (oldest < this.#said.oldest || history.last() < this.#said.until) this.#said.until = 0;
    this.#said.oldest = oldest;
    const { names, until } = this.#said;
    for (let index = points.length - 1; index >= 0 && points[index].time > until; index -= 1) {
      const { bucket, data } = points[index];
      for (const [name, value] of Object.entries(bucket?.max ?? data)) {
        if (Number(value) >= (this.unit(name) === "%" ? WORTH : Number.MIN_VALUE)) names.add(name);
      }
    }
    this.#said.until = history.last() || until;
    return names.has(name);
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
   * @returns {"" | "warn" | "critical"}
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
   * @param {(Numbered | Gap)[]} old
   */
  fill(old) {
    /** @type {Metric["data"] | undefined} */
    let last;
    for (const message of [...old, ...(this.waiting ?? [])]) {
      if (message.type !== "gap") last = keepLists(message.data, last);
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
   * A message; null if it cannot be parsed.
   *
   * @param {string} text
   * @returns {Message | null}
   */
  parse(text) {
    try {
      return JSON.parse(text);
    } catch {
      if (!this.unreadable) console.warn("skipped a message that cannot be parsed:", text.slice(0, 200));
      this.unreadable += 1;
      return null;
    }
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
        const line = new Line(message.interval * (message.replay?.speed ?? 1));
        if (host.line.step !== line.step) host.line = line;
        host.metrics = new Map(message.metrics.map((metric) => [metric.name, metric]));
        host.cores = host.instances("cpu").length || message.system?.cores || NaN;
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
        host.loss = { ...message, time: host.newest?.data.timestamp ?? NaN };
        (host.waiting ?? host.history)?.push(message);
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
    keepLists(message.data, host.newest?.data);
    if (message.type === "alert") {
      this.#takeAlert(host, message);
      host.tail.push(message);
    } else {
      Object.assign(host, { newest: message, arrived: now, tail: [message] });
      host.line.push(message.data.timestamp, valueOf(message, "cpu"));
      host.lately = [...host.lately, { ...message, time: message.data.timestamp }].slice(-LATELY);
    }
    (host.waiting ?? host.history)?.push(message);
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
    if (this.host) this.host.history = this.host.waiting = this.host.then = null;
    this.selected = name;
    if (!name) return;
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
