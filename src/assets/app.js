// The page: messages change the state, and the next frame draws the state.

import { Chart } from "./chart.js";
import { Connection, request, webSocket } from "./connection.js";
import { byId, find, resize, setText } from "./dom.js";
import { counted, moment, text, unbroken, uptime } from "./format.js";
import { CHARTED, State, identity } from "./state.js";
import { LISTEN_MS, clockNow, statusOf } from "./status.js";
import { renderCards, renderTables, sentence } from "./values.js";

/**
 * @typedef {import("../../docs/protocol").Message} Message
 * @typedef {import("./state.js").Firing} Firing
 * @typedef {import("./state.js").Host} Host
 * @typedef {import("./state.js").Numbered} Numbered
 */

/** The key of the token in the tab's storage. */
const TOKEN = "metrics-token";
/** As much history as the charts can show. */
const HISTORY = "15m";
const MINUTE_MS = 60 * 1000;
/** How long data may be stale before the connection is given up. */
const GRACE_MS = 2000;
/** How long the history may be silent. */
const FILL_MS = 10 * 1000;
/** The pause before it is requested again, and how often. */
const REFILL_MS = 1000;
const REFILLS = 5;
/** How often to check whether data is stale. */
const CHECK_MS = 500;
/** Lines of the alerts; the rest is counted. */
const MOST_ALERTS = 8;
/** How long a file takes to be saved. */
const SAVE_MS = 60 * 1000;

/** All that changes. Tests and the console reach it as `metrics`. */
const page = {
  state: new State(),
  connection: new Connection({ query, deliver, changed }),
  charts: [
    new Chart(byId("usage"), "%", CHARTED.slice(0, 2)),
    new Chart(byId("rates"), "B/s", CHARTED.slice(2)),
  ],
  /** The host that the page's address names. */
  wanted: location.hash.slice(1),
  /** How much time the charts show. */
  minutes: 5,
  /** Where paused charts end, in ms since 1970. */
  pausedAt: /** @type {number | null} */ (null),
  /** The time whose values the charts show, in ms since 1970; null for the newest. */
  cursor: /** @type {number | null} */ (null),
  /** The frame that will draw the page; 0 if none is due. */
  frame: 0,
  /** Ends the connection that fetches the history; null if there is none. */
  stopFilling: /** @type {(() => void) | null} */ (null),
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

/** Learns the names of the hosts from the exposition for Prometheus. */
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
  for (const [host, firing] of state.fired.splice(0)) tell(host, firing);
  if (isBehind && message.host === state.selected) {
    // The server sends nothing until the replay has passed our position, so start over.
    select(message.host);
    connection.connect();
    return;
  }
  if (message.type === "end" && connection.isBlocked) connection.end();
  // A WebSocket is closed with a code that says the same, but the network may lose that.
  connection.isOver = [...state.hosts.values()].every((host) => host.ended);
  fill();
  schedule();
}

/**
 * Whether to show the message's host: the one in the address, or else the first that has samples.
 *
 * @param {Message} message
 */
function isWelcome({ type, host }) {
  if (!host) return false;
  return !page.wanted || host === page.wanted || type === "metric";
}

/** Fetches what came before the first live message, over a second connection. */
function fill(tries = REFILLS) {
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
  /** @type {Numbered[]} */
  const old = [];
  let current = "";
  const finish = () => {
    page.stopFilling?.();
    host.fill(old);
    schedule();
  };
  // Cut off: live samples wait a little longer rather than go without what came before them.
  const retry = () => {
    if (!tries) return finish();
    page.stopFilling?.();
    const later = setTimeout(() => {
      page.stopFilling = null;
      fill(tries - 1);
    }, REFILL_MS);
    page.stopFilling = () => {
      clearTimeout(later);
      page.stopFilling = null;
    };
  };
  const asked = new URLSearchParams({ host: host.name, since: HISTORY });
  const drop = webSocket(asked, connection.token, {
    text(text) {
      const message = parse(text);
      clearTimeout(timer);
      timer = setTimeout(retry, FILL_MS);
      if (!message || message.type === "gap") return;
      if (message.type === "hello") current = message.stream;
      else if (current === stream && !("seq" in message && message.seq < first.seq)) finish();
      else if (message.type === "metric" || message.type === "alert") old.push(message);
    },
    closed: retry,
  });
  let timer = setTimeout(retry, FILL_MS);
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

/** The host that is shown or, before there is a sample, the first that was named. */
function shown() {
  const [first] = page.state.hosts.values();
  return page.state.host ?? first;
}

function showStatus() {
  const { state, connection } = page;
  const host = shown();
  const { kind, word, banner } = statusOf(connection, host);
  document.body.dataset.state = kind;
  find(document, "main").hidden = !state.host?.newest;
  setText(byId("host"), host?.name ?? "metrics");
  setText(byId("word"), word);
  setText(byId("clock"), clockNow(kind, host));
  byId("banner").hidden = !banner;
  setText(byId("trouble"), banner);
  const delay = connection.state === "waiting" ? connection.retryAt - performance.now() : 0;
  setText(byId("countdown"), delay > 0 ? `Next in ${Math.ceil(delay / 1000)} s.` : "");
  byId("retry").hidden = !["lost", "down", "over"].includes(kind);
  const alerts = state.alerts().length;
  const warning = alerts ? `▲ ${alerts} ` : "";
  const doubt = kind === "live" ? "" : kind === "replay" ? "▷ " : `(${word}) `;
  document.title = `${warning}${doubt}${host?.name ?? "metrics"}`;
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
  setText(byId("system"), known.join(" · "));
  if (host.newest) {
    const { seq, data } = host.newest;
    setText(byId("about"), `Sample ${seq}, ${moment(data.timestamp, Boolean(host.hello.replay))} · ${server}`);
  }
}

/** @param {Host} host the one that is shown */
function showHosts(host) {
  const { hosts } = page.state;
  const names = page.state.names();
  byId("switch").hidden = names.length < 2;
  const list = byId("hosts", HTMLSelectElement);
  if (list.options.length !== names.length) list.replaceChildren(...names.map((name) => new Option(name, name)));
  for (const option of list.options) {
    const firing = hosts.get(option.value)?.alerts.size;
    setText(option, firing ? `▲ ${option.value}, ${firing} firing` : option.value);
  }
  list.value = host.name;
}

function showAlerts() {
  const alerts = page.state.alerts();
  const lines = alerts.slice(0, MOST_ALERTS).map(({ host, firing }) => `▲ ${host.name}: ${sentence(host, firing)}`);
  if (alerts.length > lines.length) lines.push(`▲ ${counted(alerts.length - lines.length, "more alert")}`);
  resize(byId("alerts"), lines.length, "li").forEach((line, index) => setText(line, lines[index]));
}

/**
 * Tells screen readers, and the desktop where that is allowed, of an alert that began to fire.
 *
 * @param {Host} host
 * @param {Firing} firing
 */
function tell(host, firing) {
  const body = sentence(host, firing);
  setText(byId("fired"), `${host.name}: ${body}`);
  if (window.Notification?.permission !== "granted") return;
  const title = `${host.hello.replay ? "Replay of" : "▲"} ${host.name}`;
  try {
    new Notification(title, { body, tag: `${host.name} ${identity(firing.alert)}` });
  } catch {
    // On telephones, only service workers may.
  }
}

/** Shows the button where the browser may still be asked. Without TLS, only a page of this machine may. */
function showAsk() {
  byId("ask").hidden = !isSecureContext || window.Notification?.permission !== "default";
}

/** @param {Host} host */
function showCharts(host) {
  const { charts, cursor, minutes, pausedAt } = page;
  byId("pause").setAttribute("aria-pressed", `${pausedAt !== null}`);
  if (!host.history?.length) return;
  const now = performance.now();
  // While nothing arrives, the gap at the right grows.
  const silence = host.isStale(now) ? now - host.arrived : 0;
  const to = pausedAt ?? host.history.last() + silence;
  for (const chart of charts) {
    chart.figure.hidden = !chart.metrics.some((name) => host.metric(name));
    chart.draw(host, host.history, to - minutes * MINUTE_MS, to, cursor);
  }
}

/** Draws the page on the next frame. */
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
  renderCards(byId("cards"), host);
  renderTables(host);
  showCharts(host);
}

/** The connection has changed. */
function changed() {
  const { connection } = page;
  const dialog = byId("dialog", HTMLDialogElement);
  if (connection.state === "token" && !dialog.open) {
    setText(byId("wrong"), connection.reason);
    dialog.showModal();
  }
  showStatus();
  schedule();
}

/** Checks what changes with time alone. A tab in the background has no frames. */
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
  const readings = chart.metrics.map((name) =>
    `${host.metric(name)?.label} ${text(history.value(name, index), chart.unit)}`);
  setText(byId("reading"), `${moment(page.cursor, Boolean(host.hello.replay))}: ${readings.join(", ")}`);
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

/** Saves what the server keeps of the host. Returns what to say about it. */
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
  on(byId("windows"), "change", ({ target }) => {
    if (target instanceof HTMLInputElement) page.minutes = Number(target.value);
  });
  on(byId("pause"), "click", () => {
    page.pausedAt = page.pausedAt ? null : page.state.host?.history?.last() || null;
  });
  on(byId("save"), "click", async () => setText(byId("saved"), await save()));
  on(byId("ask"), "click", () => Notification.requestPermission().then(showAsk));
  showAsk();
  const hosts = byId("hosts", HTMLSelectElement);
  on(hosts, "change", () => switchTo(hosts.value));
  on(byId("retry"), "click", () => page.connection.connect());
  on(byId("dialog", HTMLDialogElement), "close", takeToken);
  // `toggle` does not bubble. The next frame fills an opened box.
  byId("tables").addEventListener("toggle", schedule, true);
}

function start() {
  Object.assign(window, { metrics: page });
  listen();
  setInterval(check, CHECK_MS);
  page.connection.token = sessionStorage.getItem(TOKEN) ?? "";
  page.connection.connect();
  byId("unstarted").remove();
}

start();
