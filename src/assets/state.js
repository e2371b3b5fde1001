// What is known of the hosts. Knows no socket and no document.

/** How far charts look back: as long as a server keeps its log by default. */
export const KEPT_MS = 15 * 60 * 1000;
/** 15 minutes at the shortest interval are 4,500 samples. */
const MOST_SAMPLES = 5000;
const PRESSURE = ["pressureCpu", "pressureMemory", "pressureIo"];
/** What cards and charts draw. Of everything else only the newest value is kept. */
const DRAWN = [
  "cpu", "memory", "activeUsers", "requestsPerSecond", "load1", "swap", "disk", "networkReceived",
  "networkSent", "diskRead", "diskWritten", "temperature", "pressure",
];

/** One value of a sample; `undefined` where it could not be read, whatever stands in its place. */
export function valueOf(message, name) {
  if (name === "pressure") {
    const known = PRESSURE.map((part) => valueOf(message, part)).filter((v) => v !== undefined);
    return known.length ? Math.max(...known) : undefined;
  }
  const value = message?.data[name];
  return typeof value === "number" && !message.absent?.includes(name) ? value : undefined;
}

/** Samples in columns, the oldest dropped, times rising. */
export class History {
  #begin = 0;
  #end = 0;
  #times = new Float64Array(256);
  #seqs = new Float64Array(256);
  #columns = Object.fromEntries(DRAWN.map((name) => [name, new Float64Array(256)]));

  get length() { return this.#end - this.#begin; }
  time(i) { return this.#times[this.#begin + i]; }
  seq(i) { return this.#seqs[this.#begin + i]; }
  /** NaN where there is none. */
  value(name, i) { return this.#columns[name][this.#begin + i]; }
  last() { return this.time(this.length - 1); }

  push(message) {
    const time = message.data.timestamp;
    // A clock that was set back: what it says now counts.
    while (this.length && this.last() >= time) this.#end -= 1;
    if (this.#end === this.#times.length) this.#makeRoom();
    this.#times[this.#end] = time;
    this.#seqs[this.#end] = message.seq;
    for (const name of DRAWN) this.#columns[name][this.#end] = valueOf(message, name) ?? NaN;
    this.#end += 1;
    while (this.time(0) < time - KEPT_MS || this.length > MOST_SAMPLES) this.#begin += 1;
  }

  /** Doubles the space, or moves what is kept to its front when half of it is dropped anyway. */
  #makeRoom() {
    const { length } = this;
    const size = this.#begin >= this.#times.length / 2 ? this.#times.length : this.#times.length * 2;
    const moved = (column) => {
      const room = size === column.length ? column : new Float64Array(size);
      room.set(column.subarray(this.#begin, this.#end));
      return room;
    };
    this.#times = moved(this.#times);
    this.#seqs = moved(this.#seqs);
    for (const name of DRAWN) this.#columns[name] = moved(this.#columns[name]);
    this.#begin = 0;
    this.#end = length;
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

  /** Whether time is missing before sample `i`. Its neighbours tell how long a step is: the interval may change. */
  isGap(i) {
    if (i < 1) return true;
    const step = (j) => (j > 0 && j < this.length ? this.time(j) - this.time(j - 1) : 0);
    const usual = Math.max(step(i - 1), step(i + 1));
    return usual > 0 && step(i) > 2.5 * usual;
  }
}

export class Host {
  hello = { metrics: [], unavailable: [], interval: 1000 };
  /** The newest message with a sample, and where it stands. */
  newest = null;
  stream = "";
  seq = 0;
  /** When the newest came, by our own clock. */
  arrived = 0;
  alerts = new Map();
  ended = false;
  /** Kept for the host that is looked at. `begun`: its first live message; `filled`: what was before is there too. */
  history = new History();
  begun = null;
  filled = false;

  constructor(name) { this.name = name; }

  value(name) { return valueOf(this.newest, name); }
  metric(name) { return this.hello.metrics.find((metric) => metric.name === name); }
  unit(name) { return this.metric(name)?.unit ?? ""; }

  /** "critical", "warn", or "" by the levels that the server names. */
  level(name, value) {
    const { warn, critical } = this.metric(name) ?? {};
    if (value >= critical) return "critical";
    return value >= warn ? "warn" : "";
  }

  get staleAfter() { return Math.max(3 * this.hello.interval, 3000); }
  isStale(now) { return !this.ended && this.newest !== null && now - this.arrived > this.staleAfter; }

  forget() {
    this.history = new History();
    this.begun = null;
    this.filled = false;
  }

  /** Puts older messages before what came live. */
  prepend(messages) {
    const live = this.history;
    this.history = new History();
    for (const message of messages) this.history.push(message);
    for (let i = 0; i < live.length; i += 1) {
      const data = { timestamp: live.time(i) };
      for (const name of DRAWN) data[name] = live.value(name, i);
      this.history.push({ seq: live.seq(i), data });
    }
    this.filled = true;
  }
}

export class State {
  hosts = new Map();
  selected = "";
  gaps = 0;
  duplicates = 0;
  unreadable = 0;

  get host() { return this.hosts.get(this.selected); }

  /** Takes one message. `streams` is the connection's own: which stream each host's numbers belong to. */
  receive(message, streams, now) {
    const name = message.host;
    if (typeof name !== "string") return;
    if (!this.hosts.has(name)) this.hosts.set(name, new Host(name));
    const host = this.hosts.get(name);
    switch (message.type) {
      case "hello":
        streams.set(name, message.stream);
        host.hello = message;
        host.alerts = new Map(message.alerts.map((alert) => [alert.name, alert]));
        break;
      case "metric":
      case "alert":
        this.#numbered(host, message, streams.get(name), now);
        break;
      case "gap":
        this.gaps += 1;
        break;
      case "end":
        host.ended = true;
        break;
    }
  }

  #numbered(host, message, stream, now) {
    if (stream === host.stream && message.seq <= host.seq) {
      this.duplicates += 1;
      return;
    }
    Object.assign(host, { stream, seq: message.seq, ended: false });
    if (message.type === "alert") {
      const { alert } = message;
      if (alert.state === "firing") host.alerts.set(alert.name, alert);
      else host.alerts.delete(alert.name);
      return;
    }
    Object.assign(host, { newest: message, arrived: now });
    if (host.name !== this.selected) return;
    host.begun ??= { stream, seq: message.seq };
    host.history.push(message);
  }

  select(name) {
    if (name === this.selected) return;
    this.host?.forget();
    this.selected = name;
    const { host } = this;
    if (host?.newest) {
      host.begun = { stream: host.stream, seq: host.newest.seq };
      host.history.push(host.newest);
    }
  }

  /** Where to go on after a cut. Other hosts begin at their newest: of them nothing else is shown. */
  position() {
    const { host } = this;
    return host?.seq ? `${host.name}:${host.stream}:${host.seq}` : "";
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
