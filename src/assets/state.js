// What is known of the hosts. Knows no socket and no document.

/** How far charts look back: as long as a server keeps its log. */
const KEPT_MS = 15 * 60 * 1000;
/** 15 minutes at the shortest interval are 4,500. */
const MOST_SAMPLES = 5000;
const PRESSURE = ["pressureCpu", "pressureMemory", "pressureIo"];
/** What cards and charts draw. Of everything else only the newest value is kept. */
const DRAWN = [
  "cpu", "memory", "activeUsers", "requestsPerSecond", "load1", "swap", "disk", "networkReceived",
  "networkSent", "diskRead", "diskWritten", "temperature", "pressure",
];

/** A value of a sample; NaN where it could not be read, whatever stands in its place. */
function valueOf(message, name) {
  if (name === "pressure") return Math.max(...PRESSURE.map((part) => valueOf(message, part)));
  const value = message?.data[name];
  return typeof value === "number" && !message.absent?.includes(name) ? value : NaN;
}

/** Samples in columns, the oldest dropped, times rising. */
export class History {
  #begin = 0;
  #end = 0;
  #columns = Object.fromEntries(["time", "seq", ...DRAWN].map((name) => [name, new Float64Array(2 * MOST_SAMPLES)]));

  get length() { return this.#end - this.#begin; }
  value(name, i) { return this.#columns[name][this.#begin + i]; }
  time(i) { return this.value("time", i); }
  last() { return this.time(this.length - 1); }

  push(message) {
    const time = message.data.timestamp;
    // A clock that was set back: what it says now counts.
    while (this.length && this.last() >= time) this.#end -= 1;
    if (this.#end === 2 * MOST_SAMPLES) this.#makeRoom();
    this.#columns.time[this.#end] = time;
    this.#columns.seq[this.#end] = message.seq;
    for (const name of DRAWN) this.#columns[name][this.#end] = valueOf(message, name);
    this.#end += 1;
    while (this.time(0) < time - KEPT_MS || this.length > MOST_SAMPLES) this.#begin += 1;
  }

  #makeRoom() {
    for (const column of Object.values(this.#columns)) column.copyWithin(0, this.#begin, this.#end);
    this.#end -= this.#begin;
    this.#begin = 0;
  }

  /** The index of the first sample at `time` or later. */
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

  /** The index of the sample nearest to `time`. */
  nearest(time) {
    const after = Math.min(this.find(time), this.length - 1);
    return after > 0 && time - this.time(after - 1) < this.time(after) - time ? after - 1 : after;
  }

  /** Whether time is missing before sample `i`. Its neighbours tell how long a step is: the interval may change. */
  isGap(i) {
    const step = (j) => (j > 0 && j < this.length ? this.time(j) - this.time(j - 1) : 0);
    const usual = Math.max(step(i - 1), step(i + 1));
    return usual > 0 && step(i) > 2.5 * usual;
  }
}

export class Host {
  hello = { metrics: [], interval: 1000 };
  /** The newest message with a sample, and when it came by our own clock. */
  newest = null;
  arrived = 0;
  stream = "";
  seq = 0;
  alerts = new Map();
  ended = false;
  /** Only of the host that is looked at. While it is filled from the server's log, what comes live waits. */
  history = null;
  waiting = null;

  constructor(name) { this.name = name; }

  value(name) { return valueOf(this.newest, name); }
  metric(name) { return this.hello.metrics.find((metric) => metric.name === name); }
  unit(name) { return this.metric(name)?.unit ?? ""; }

  /** "critical", "warn", or "" by the levels that the server names. */
  level(name, value) {
    const { warn, critical } = this.metric(name) ?? {};
    return value >= critical ? "critical" : value >= warn ? "warn" : "";
  }

  isStale(now) {
    return !this.ended && this.newest !== null && now - this.arrived > Math.max(3 * this.hello.interval, 3000);
  }

  /** Whether a replay has not come as far as what we have of it. Streams are numbers in base 36, a later one is greater. */
  isAheadOf({ replay, stream, newest }) {
    if (!replay || !this.seq) return false;
    return stream === this.stream ? newest < this.seq : parseInt(stream, 36) < parseInt(this.stream, 36);
  }

  /** The history begins with the messages that were before, and goes on with those that waited. */
  fill(old) {
    for (const message of [...old, ...(this.waiting ?? [])]) this.history.push(message);
    this.waiting = null;
  }
}

export class State {
  hosts = new Map();
  selected = "";
  gaps = 0;
  unreadable = 0;

  get host() { return this.hosts.get(this.selected); }

  /** The host of that name, which may be new to us. */
  know(name) {
    if (!this.hosts.has(name)) this.hosts.set(name, new Host(name));
    return this.hosts.get(name);
  }

  /** Keeps the names alone: what was known of the hosts is not followed any more. */
  forget() {
    for (const name of this.hosts.keys()) this.hosts.set(name, new Host(name));
  }

  /** Takes one message; whether it is of a replay that was started again and is behind what we have. `streams` is the connection's own: which stream each host's numbers belong to. */
  receive(message, streams, now) {
    const { host: name, type } = message;
    if (typeof name !== "string") return;
    const host = this.know(name);
    const isBehind = type === "hello" && !streams.has(name) && host.isAheadOf(message);
    if (isBehind) Object.assign(host, new Host(name));
    if (type === "hello") {
      streams.set(name, message.stream);
      host.hello = message;
      host.alerts = new Map(message.alerts.map((alert) => [alert.name, alert]));
    } else if (type === "metric" || type === "alert") this.#numbered(host, message, streams.get(name), now);
    else if (type === "gap") this.gaps += 1;
    else if (type === "end") host.ended = true;
    return isBehind;
  }

  #numbered(host, message, stream, now) {
    const { seq, alert } = message;
    // We have it.
    if (stream === host.stream && seq <= host.seq) return;
    Object.assign(host, { stream, seq, ended: false });
    if (alert) {
      if (alert.state === "firing") host.alerts.set(alert.name, alert);
      else host.alerts.delete(alert.name);
      return;
    }
    Object.assign(host, { newest: message, arrived: now });
    if (host.waiting) host.waiting.push(message);
    else host.history?.push(message);
  }

  select(name) {
    if (this.host) this.host.history = this.host.waiting = null;
    this.selected = name;
    this.know(name).history = new History();
    this.host.waiting = this.host.newest ? [this.host.newest] : [];
  }

  /** Where to go on after a cut. Other hosts begin at their newest: nothing else of them is shown. */
  position() {
    const { name, stream, seq } = this.host ?? {};
    return seq ? `${name}:${stream}:${seq}` : "";
  }

  alerts() {
    return [...this.hosts.values()].flatMap((host) =>
      [...host.alerts.values()].map((alert) => ({ host: host.name, ...alert })));
  }

  /** Whether nothing comes from anybody, though somebody has still something to say. */
  isSilent(now) {
    const speaking = [...this.hosts.values()].filter((host) => host.newest && !host.ended);
    return speaking.length > 0 && speaking.every((host) => host.isStale(now));
  }
}
