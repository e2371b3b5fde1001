// The page: messages change the state, and the next frame draws the state.

import { Chart } from "./chart.js";
import { Connection, request, webSocket } from "./connection.js";
import { append, byId, setText } from "./dom.js";
import { clock, counted, text, unbroken, uptime } from "./format.js";
import { State } from "./state.js";
import { renderCards, renderTables } from "./values.js";

/**
 * @typedef {import("../../docs/protocol").Message} Message
 * @typedef {import("../../docs/protocol").Metric} Metric
 * @typedef {import("./state.js").Host} Host
 *
 * What is said of the connection: its kind for the style sheet, a word, and a sentence for the banner.
 * @typedef {object} Status
 * @property {"connecting" | "live" | "stale" | "lost" | "down" | "over"} kind
 * @property {string} word
 * @property {string} banner
 */

/** The key of the token in the tab's storage. */
const TOKEN = "metrics-token";
/** The history to ask for: as much as the charts can show. */
const HISTORY = "15m";
const MINUTE_MS = 60 * 1000;
/** Stale data are shown for so long before the connection is given up. */
const GRACE_MS = 2000;
/** A connection gets so long in any case: a server without samples must not be flooded with new ones. */
const LISTEN_MS = 5000;
/** The longest that the charts wait for the history. */
const FILL_MS = 10 * 1000;
/** How often to look whether data have become stale. */
const CHECK_MS = 500;
/** A file that is being saved must be kept for so long. */
const SAVE_MS = 60 * 1000;

/** All that changes while the page is open. Tests and the console reach it as `metrics`. */
const page = {
  state: new State(),
  connection: new Connection({ query, deliver, changed }),
  charts: [
    new Chart(byId("usage", HTMLElement), "%", [
      { metric: "cpu", label: "CPU" },
      { metric: "memory", label: "Memory" },
    ]),
    new Chart(byId("rates", HTMLElement), "B/s", [
      { metric: "networkReceived", label: "Network in" },
      { metric: "networkSent", label: "Network out" },
      { metric: "diskRead", label: "Disk read" },
      { metric: "diskWritten", label: "Disk written" },
    ]),
  ],
  /** The host that the page's address names. */
  wanted: location.hash.slice(1),
  /** How much time the charts show. */
  minutes: 5,
  /**
   * Where the charts end while they are paused, in ms since 1970.
   *
   * @type {number | null}
   */
  pausedAt: null,
  /**
   * The time whose values the charts show, in ms since 1970; null for the newest.
   *
   * @type {number | null}
   */
  cursor: null,
  /** The frame that will draw the page; 0 if none is due. */
  frame: 0,
  /**
   * Ends the connection that fetches the selected host's history; null if there is none.
   *
   * @type {(() => void) | null}
   */
  stopFilling: null,
};

// Messages in.

/** What to ask the server for. */
async function query() {
  const { state, connection } = page;
  const asked = new URLSearchParams();
  // An event stream is of one host, and brings its history. A WebSocket is of all hosts.
  if (connection.isBlocked) {
    await findHosts();
    asked.set("since", HISTORY);
    if (state.selected) asked.set("host", state.selected);
  }
  if (state.position()) asked.set("after", state.position());
  return asked;
}

/** Learns which hosts there are from what the server exposes for Prometheus. */
async function findHosts() {
  const { state, connection, wanted } = page;
  const response = await request("metrics", connection.token).catch(() => null);
  const exposed = response?.ok ? await response.text().catch(() => "") : "";
  for (const [, name] of exposed.matchAll(/{host="([^"]+)/g)) state.hostNamed(name);
  const names = state.names();
  if (!state.selected && names.length) select(names.includes(wanted) ? wanted : names[0]);
}

/**
 * A message; null if it cannot be parsed.
 *
 * @param {string} text
 * @returns {Message | null}
 */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    if (!page.state.unreadable) console.warn("skipped a message that cannot be parsed:", text.slice(0, 200));
    page.state.unreadable += 1;
    return null;
  }
}

/**
 * @param {string} text
 * @param {Map<string, string>} streams
 */
function deliver(text, streams) {
  const { state, connection } = page;
  const message = parse(text);
  if (!message) return;
  if (!state.selected && isWelcome(message)) select(message.host);
  const isBehind = state.receive(message, streams, performance.now());
  if (isBehind && message.host === state.selected) {
    // The server would send nothing until the replay has passed our position, so start over.
    select(message.host);
    connection.connect();
    return;
  }
  // A WebSocket is closed with a code that says the same.
  if (message.type === "end" && connection.isBlocked) connection.end();
  fill();
  schedule();
}

/**
 * Whether to show the message's host: the one that the address names, otherwise the first that has samples.
 *
 * @param {Message} message
 */
function isWelcome({ type, host }) {
  if (!host) return false;
  return !page.wanted || host === page.wanted || type === "metric";
}

/** Fetches what came before the first live message, over a connection of its own that ends there. */
function fill() {
  const { state, connection } = page;
  const { host } = state;
  const first = host?.waiting?.[0];
  if (!host || !first || page.stopFilling) return;
  // Events have brought the history already.
  if (connection.isBlocked) {
    host.fill([]);
    return;
  }
  const { stream } = host;
  /** @type {Metric[]} */
  const old = [];
  let current = "";
  const finish = () => {
    page.stopFilling?.();
    host.fill(old);
    schedule();
  };
  const asked = new URLSearchParams({ host: host.name, since: HISTORY });
  const drop = webSocket(asked, connection.token, {
    text(text) {
      const message = parse(text);
      if (!message || message.type === "gap") return;
      if (message.type === "hello") current = message.stream;
      else if (current === stream && !("seq" in message && message.seq < first.seq)) finish();
      else if (message.type === "metric") old.push(message);
    },
    closed: finish,
  });
  const timer = setTimeout(finish, FILL_MS);
  page.stopFilling = () => {
    clearTimeout(timer);
    drop();
    page.stopFilling = null;
  };
}

/**
 * Shows another host.
 *
 * @param {string} name
 */
function select(name) {
  const { state } = page;
  page.stopFilling?.();
  state.select(name);
  page.cursor = page.pausedAt = null;
  if (state.hosts.size > 1) history.replaceState(null, "", `#${name}`);
  fill();
  schedule();
}

// Pictures out.

/** @returns {Status} */
function status() {
  const { state, connection } = page;
  const { host } = state;
  const now = performance.now();
  const hasEnded = connection.state === "ended" || (host?.ended && connection.state === "open");
  if (hasEnded) return { kind: "over", word: "Ended", banner: "The recording has ended." };
  switch (connection.state) {
    case "token":
      return { kind: "down", word: "Disconnected", banner: "This server requires a token." };
    case "refused":
      return { kind: "down", word: "Disconnected", banner: connection.reason };
    case "connecting":
    case "waiting":
      return reconnecting();
  }
  if (!connection.heard && now - connection.openedAt > LISTEN_MS) {
    const banner = "Connected, but no data has arrived. A proxy in front of the server may be holding it back.";
    return { kind: "stale", word: "No data", banner };
  }
  if (host?.isStale(now)) return { kind: "stale", word: "Stale", banner: "No new data. Data shown may be stale." };
  const banner = connection.isBlocked ? `${connection.blockedBy}: using Server-Sent Events instead.` : "";
  return { kind: "live", word: "Connected", banner };
}

/** @returns {Status} */
function reconnecting() {
  const { attempt, trouble } = page.connection;
  if (!attempt) return { kind: "connecting", word: "Connecting", banner: "" };
  const banner = page.state.host
    ? `Connection lost. Reconnection attempt ${attempt}… Data shown may be stale. ${trouble}`
    : `No connection. Attempt ${attempt}… ${trouble}`;
  return { kind: "lost", word: `Reconnecting (${attempt})…`, banner };
}

function showStatus() {
  const { state, connection } = page;
  const { kind, word, banner } = status();
  byId("status", HTMLElement).dataset.state = kind;
  setText(byId("word", HTMLElement), word);
  byId("banner", HTMLElement).hidden = !banner;
  setText(byId("trouble", HTMLElement), banner);
  const delay = connection.state === "waiting" ? connection.retryAt - performance.now() : 0;
  setText(byId("countdown", HTMLElement), delay > 0 ? `Next in ${Math.ceil(delay / 1000)} s.` : "");
  byId("retry", HTMLElement).hidden = !["lost", "down", "over"].includes(kind);
  const alerts = state.alerts().length;
  const warning = alerts ? `▲ ${alerts} ` : "";
  const doubt = kind === "live" ? "" : `(${word}) `;
  document.title = `${warning}${doubt}${state.selected || "metrics"}`;
}

/** @param {Host} host */
function showHost(host) {
  const { system, interval, server } = host.hello;
  const up = host.value("uptime");
  const facts = [
    system?.os,
    system?.kernel,
    system?.cores && counted(system.cores, "core"),
    system?.memory && text(system.memory, "B"),
    up >= 0 && `up ${uptime(up)}`,
    `every ${interval / 1000} s`,
  ];
  const known = facts.flatMap((fact) => (fact ? [unbroken(fact)] : []));
  setText(byId("host", HTMLElement), host.name);
  setText(byId("system", HTMLElement), known.join(" · "));
  if (host.newest) {
    const { seq, data } = host.newest;
    setText(byId("about", HTMLElement), `Sample ${seq}, ${clock(data.timestamp)} · ${server}`);
  }
}

/** @param {Host} host the one that is shown */
function showHosts(host) {
  const { hosts } = page.state;
  const names = page.state.names();
  byId("switch", HTMLElement).hidden = names.length < 2;
  const list = byId("hosts", HTMLSelectElement);
  if (list.options.length !== names.length) list.replaceChildren(...names.map((name) => new Option(name, name)));
  for (const option of list.options) {
    const mark = hosts.get(option.value)?.alerts.size ? "▲ " : "";
    setText(option, mark + option.value);
  }
  list.value = host.name;
}

function showAlerts() {
  const { state } = page;
  const lines = state.alerts().map(({ host, name, rule, metric, value = NaN, since }) => {
    const shown = text(value, state.hostNamed(host).unit(metric));
    return `▲ ${host}: ${name} (${rule}), ${shown} since ${clock(since)}`;
  });
  const list = byId("alerts", HTMLElement);
  // A screen reader reads a list that is replaced aloud, so do that only if it has changed.
  const isShown = lines.join("\n") === [...list.children].map((item) => item.textContent).join("\n");
  if (isShown) return;
  list.replaceChildren();
  for (const textContent of lines) append(list, "li", { textContent });
}

/** @param {Host} host */
function showCharts(host) {
  const { charts, cursor, minutes, pausedAt } = page;
  byId("pause", HTMLElement).setAttribute("aria-pressed", `${pausedAt !== null}`);
  if (!host.history?.length) return;
  const now = performance.now();
  // While nothing arrives, the gap at the right grows.
  const silence = host.isStale(now) ? now - host.arrived : 0;
  const to = pausedAt ?? host.history.last() + silence;
  for (const chart of charts) {
    chart.figure.hidden = !chart.series.some(({ metric }) => host.metric(metric));
    chart.draw(host.history, to - minutes * MINUTE_MS, to, cursor);
  }
}

/** Draws the page on the next frame, however many messages arrive until then. */
function schedule() {
  page.frame ||= requestAnimationFrame(render);
}

function render() {
  page.frame = 0;
  showStatus();
  const { host } = page.state;
  if (!host?.history) return;
  showHost(host);
  showHosts(host);
  showAlerts();
  renderCards(byId("cards", HTMLElement), host);
  renderTables(host);
  showCharts(host);
}

/** The connection has changed. */
function changed() {
  const { connection } = page;
  const dialog = byId("dialog", HTMLDialogElement);
  if (connection.state === "token" && !dialog.open) {
    setText(byId("wrong", HTMLElement), connection.reason);
    dialog.showModal();
  }
  showStatus();
  schedule();
}

/** Looks at what changes with time alone. By a timer, as a tab in the background has no frames. */
function check() {
  const { state, connection } = page;
  const now = performance.now();
  const hadTime = connection.state === "open" && now - connection.openedAt > LISTEN_MS;
  if (hadTime && state.isSilent(now - GRACE_MS)) connection.lose();
  showStatus();
  if (state.host?.isStale(now)) schedule();
}

// What people do.

/**
 * Acts on an event, then draws.
 *
 * @template {keyof HTMLElementEventMap} Type
 * @param {HTMLElement} target
 * @param {Type} type
 * @param {(event: HTMLElementEventMap[Type]) => void} act
 */
function on(target, type, act) {
  target.addEventListener(type, (event) => {
    act(event);
    schedule();
  });
}

/**
 * Moves the cursor from sample to sample by keys, and reads the values aloud.
 *
 * @param {KeyboardEvent} event
 * @param {Chart} chart
 */
function moveCursor(event, chart) {
  const { host } = page.state;
  if (!host?.history?.length) return;
  const { history } = host;
  if (event.key === "Escape") page.cursor = null;
  const at = history.nearest(page.cursor ?? Infinity);
  const last = history.length - 1;
  /** @type {Record<string, number>} */
  const targets = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last };
  const target = targets[event.key];
  if (target === undefined) return;
  event.preventDefault();
  const index = Math.min(last, Math.max(0, target));
  page.cursor = history.time(index);
  const values = chart.valuesAt(history, index).map((value) => text(value, chart.unit));
  const readings = chart.series.map(({ label }, series) => `${label} ${values[series]}`);
  setText(byId("reading", HTMLElement), `${clock(page.cursor)}: ${readings.join(", ")}`);
}

/** @param {Chart} chart */
function followPointer(chart) {
  /** @param {PointerEvent} event */
  const move = ({ clientX }) => (page.cursor = chart.timeAt(clientX));
  on(chart.canvas, "pointermove", move);
  on(chart.canvas, "pointerdown", move);
  on(chart.canvas, "pointerleave", ({ pointerType }) => {
    // A finger is lifted to look at what it touched, so the cursor stays.
    if (pointerType !== "touch") page.cursor = null;
  });
  on(chart.canvas, "blur", () => (page.cursor = null));
  on(chart.canvas, "keydown", (event) => moveCursor(event, chart));
}

/** Saves what the server keeps of the host as a file. Returns what to say about it. */
async function save() {
  const { state, connection } = page;
  const asked = new URLSearchParams({ host: state.selected, since: HISTORY });
  const response = await request(`recording.csv?${asked}`, connection.token).catch(() => null);
  if (!response) return "Not saved: no connection";
  if (!response.ok) return `Not saved: ${await response.text()}`;
  const href = URL.createObjectURL(await response.blob());
  Object.assign(document.createElement("a"), { href, download: `${state.selected}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(href), SAVE_MS);
  return "Saved.";
}

function takeToken() {
  const { connection } = page;
  const input = byId("token", HTMLInputElement);
  if (!input.value) return;
  connection.token = input.value;
  input.value = "";
  sessionStorage.setItem(TOKEN, connection.token);
  connection.connect();
}

/** @param {string} name */
function switchTo(name) {
  const { state, connection } = page;
  // Events are of one host, so what is known of the others has become old.
  if (connection.isBlocked) state.forget();
  select(name);
  if (connection.isBlocked) connection.connect();
}

function listen() {
  page.charts.forEach(followPointer);
  on(byId("windows", HTMLElement), "change", ({ target }) => {
    if (target instanceof HTMLInputElement) page.minutes = Number(target.value);
  });
  on(byId("pause", HTMLElement), "click", () => {
    page.pausedAt = page.pausedAt ? null : page.state.host?.history?.last() || null;
  });
  on(byId("save", HTMLElement), "click", async () => setText(byId("saved", HTMLElement), await save()));
  const hosts = byId("hosts", HTMLSelectElement);
  on(hosts, "change", () => switchTo(hosts.value));
  on(byId("retry", HTMLElement), "click", () => page.connection.connect());
  on(byId("dialog", HTMLDialogElement), "close", takeToken);
  // `toggle` does not bubble. A table that was opened is filled by the next frame.
  byId("tables", HTMLElement).addEventListener("toggle", schedule, true);
}

function start() {
  Object.assign(window, { metrics: page });
  listen();
  setInterval(check, CHECK_MS);
  page.connection.token = sessionStorage.getItem(TOKEN) ?? "";
  page.connection.connect();
  byId("unstarted", HTMLElement).remove();
}

start();
