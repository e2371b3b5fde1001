/**
 * The messages of `metrics serve` and `metrics replay`, version 1. PROTOCOL.md says what they mean and what you may rely
 * on. Ignore unknown types and fields: later versions add some.
 *
 * ```ts
 * import type { Message } from "./protocol";
 * socket.onmessage = (event) => {
 *   const message: Message = JSON.parse(event.data);
 *   if (message.type === "metric") draw(message.data.timestamp, message.data.cpu);
 * };
 * ```
 */
export type Message = Hello | Metric | AlertMessage | Heartbeat | Summary | Gap | End;

/** Sent before a host's first message, and again whenever its stream, interval, metrics or `replay` change. */
export interface Hello {
  type: "hello";
  host: string;
  /** The version of the protocol. */
  protocol: 1;
  /** Name and version of the server, such as `metrics/0.1.0`. */
  server: string;
  /** The run of the host's source that the numbers belong to, in base 36; greater for a later run. */
  stream: string;
  /** The oldest number of the stream that the server holds; 0 if it holds none. */
  oldest: number;
  /** The newest number of the stream; 0 before the first. */
  newest: number;
  /** The time of the oldest message that the server holds, of this stream or an earlier one, in ms since 1970. */
  held?: number;
  /** Milliseconds between two samples. Data is stale after three of them, at least 3 s. */
  interval: number;
  /** Milliseconds between two heartbeats. */
  heartbeat: number;
  /** The machine; absent in a replay. */
  system?: System;
  /** How the recording is played; in a replay only. */
  replay?: Replay;
  /** What `data` holds, in its order. */
  metrics: MetricInfo[];
  /** Whether samples carry `containers`. */
  containers?: boolean;
  /** The alerts firing now. */
  alerts: Alert[];
  /** Names of metrics that this system permanently lacks. */
  unavailable: string[];
}

/** The machine that is measured. */
export interface System {
  os: string;
  kernel: string;
  /** Logical cores, if known. */
  cores?: number;
  /** Bytes, if known. */
  memory?: number;
}

/** How a recording is played. */
export interface Replay {
  /** How many times as fast as it was recorded; absent: as fast as the viewers read. */
  speed?: number;
  /** Whether it starts over at its end. */
  loop: boolean;
  /** The time of the first message as it is sent, in milliseconds since 1970; absent if not known yet. */
  first?: number;
  /** The time of the last message of the first pass, likewise; absent for a recording from a pipe. */
  last?: number;
  /** How many viewers it waits for before the first message; absent if it waits for none. */
  wait?: number;
}

/** The description of one metric. */
export interface MetricInfo {
  /** The key in `data`: `name` or `name:instance`. */
  name: string;
  /** `%`, `B`, `B/s`, `1/s`, `s`, `ms`, `°C`, `W`, `MHz`, `users`, or empty for a plain number. */
  unit: string;
  label: string;
  /** The heading under which a screen groups it, such as `CPU`. */
  section: string;
  /** From this value on, it deserves attention. */
  warn?: number;
  /** From this value on, it requires action. */
  critical?: number;
}

/** One reading of a host: flat, numbers only, and two lists. A value that could not be read is missing, never null. */
export interface Sample {
  /** Milliseconds since 1970. */
  timestamp: number;
  /** The next four are always present: 0, and listed in the message's `absent`, if they could not be read. */
  cpu: number;
  memory: number;
  activeUsers: number;
  requestsPerSecond: number;
  /**
   * The top processes by CPU and by memory, and those that wait for a disk (state `D`). Listed at most once a second: if
   * it is missing, the last list holds.
   */
  top?: Process[];
  /** The top containers and services by CPU and by memory, listed as often. */
  containers?: Container[];
  /** Every other metric. */
  [name: string]: number | Process[] | Container[] | undefined;
}

/** One of `containers`. A share that is not known is missing. */
export interface Container {
  name: string;
  /** Percent of the whole machine. */
  cpu?: number;
  /** Percent of the same memory as the metric `memory`. */
  memory?: number;
}

/** One process of `top`. */
export interface Process {
  pid: number;
  name: string;
  /** Percent of the whole machine, its children that have ended included. */
  cpu: number;
  /** Percent of the same memory as the metric `memory`. */
  memory: number;
  /** Resident memory in bytes. This and the next two are missing where they were not read. */
  rss?: number;
  /** The letter that `ps` shows, such as `R` (running) or `D` (waiting for I/O). */
  state?: string;
  threads?: number;
}

/** A sample. */
export interface Metric {
  type: "metric";
  host: string;
  /** Starts at 1 and increases by 1 with each numbered message of the stream. */
  seq: number;
  data: Sample;
  /** Which of the four values in `data` are 0 because they are absent. */
  absent?: string[];
}

/** A rule began or ceased to hold; sent directly after the sample that triggered it. */
export interface AlertMessage {
  type: "alert";
  host: string;
  seq: number;
  alert: Alert;
  data: Sample;
  absent?: string[];
}

/** Identified by its name and its metric: a rule about instances has an alert for each. */
export interface Alert {
  name: string;
  /** The rule as written. */
  rule: string;
  state: "firing" | "resolved";
  /** The metric that the rule is about. */
  metric: string;
  /** The metric's value in the sample; missing if it is absent. */
  value?: number;
  /** The number in the rule, in the metric's own unit; missing in a rule about absence. */
  threshold?: number;
  /** The time of the first sample for which the rule was true, in milliseconds since 1970. */
  since: number;
}

/** The newest sample once more, to viewers that have everything. */
export interface Heartbeat {
  type: "heartbeat";
  host: string;
  /** The number of the newest message. */
  seq: number;
  data: Sample;
  absent?: string[];
}

/** What the samples of a bucket of time have in common, in place of them: only if the query has `step`. */
export interface Summary {
  type: "summary";
  host: string;
  /** The bucket's bounds in ms since 1970, multiples of the step; `to` is where the next one begins. */
  from: number;
  to: number;
  /** How many samples it stands for. */
  count: number;
  /** The values of each metric that any of the samples has. */
  mean: Record<string, number>;
  min: Record<string, number>;
  max: Record<string, number>;
}

/** Numbered messages that will not arrive. */
export interface Gap {
  type: "gap";
  host: string;
  /** The first and last of them, if known. */
  from?: number;
  to?: number;
  /** The server no longer has them, or another stream follows. */
  reason: "expired" | "restarted";
}

/** A recording is over. The server then closes with 1000; do not reconnect. */
export interface End {
  type: "end";
  host: string;
}
