// The page: messages change the state, and the next frame draws the state.

import { renderCards } from "./cards.js";
import { listenToCharts, openChart, renderCharts } from "./charts.js";
import { Connection, request } from "./connection.js";
import { byId, find, setText } from "./dom.js";
import { sentence } from "./events.js";
import { renderFleet, showRows } from "./fleet.js";
import { pause, press } from "./keys.js";
import { goLive, lookAt, page, recall, remember } from "./page.js";
import { HISTORY, fetchBuckets, fetchHistory, stopFetching } from "./past.js";
import { identity } from "./state.js";
import { LISTEN_MS, showAlerts, showHost, showHosts, showStatus, showWindows } from "./status.js";
import { renderTables } from "./tables.js";

/**
 * @typedef {import("../../docs/protocol").Message} Message
 * @typedef {import("./state.js").Firing} Firing
 * @typedef {import("./state.js").Host} Host
 */

/** The key of the token in the tab's storage. */
const TOKEN = "metrics-token";
/** How long data may be stale before the connection is given up. */
const GRACE_MS = 2000;
/** How often to check whether data is stale. */
const CHECK_MS = 500;
/** How often to bring the table of hosts up to date: with many of them, that takes longer than a frame. */
const FLEET_MS = 1000;
/** The same while their first samples arrive. */
const ARRIVING_MS = 100;
/** How long a file takes to be saved. */
const SAVE_MS = 60 * 1000;

page.connection = new Connection({ query, deliver, changed });
/** The frame that will draw the page; 0 if none is due. */
let frame = 0;
/** What will draw the hosts whose first samples have arrived; 0 if there are none. */
let arriving = 0;
/** Whether the page was drawn since it was paused. */
let isFrozen = false;

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
 * @param {string} text
 * @param {Map<string, string>} streams
 */
function deliver(text, streams) {
  const { state, connection } = page;
  const message = state.parse(text);
  if (!message) return;
  if (message.host && isWelcome(message)) select(message.host);
  const isBehind = state.receive(message, streams, performance.now());
  for (const [host, firing] of state.fired.splice(0)) tell(host, firing);
  if (isBehind && message.host === state.selected) {
    // The server sends nothing until the replay has passed our position, so start over.
    select(message.host);
    connection.connect();
    return;
  }
  if (message.type === "end") {
    // A WebSocket is closed with a code that says the same, but the network may lose that.
    connection.isOver = [...state.hosts.values()].every((host) => host.ended);
    if (connection.isBlocked) connection.end();
  }
  fetchHistory(schedule);
  // What is said of other hosts, and the table of all, is drawn from time to time.
  const isFirst = message.type === "metric" && state.hosts.get(message.host)?.lately.length === 1;
  if (message.host === state.selected || (!state.selected && byId("fleet").hidden)) schedule();
  else if (isFirst && !arriving) arriving = setTimeout(schedule, ARRIVING_MS);
}

/**
 * Whether to show the message's host: the one in the address, or else the only one. Of several, the table is shown.
 *
 * @param {Message} message
 */
function isWelcome({ type, host }) {
  const { state, wanted, connection } = page;
  if (host === wanted) return !state.selected;
  if (wanted || connection.isBlocked) return false;
  if (state.selected && state.hosts.size > 1) select("");
  return !state.selected && state.hosts.size === 1 && type === "metric";
}

/**
 * Shows another host; empty for the table of all.
 *
 * @param {string} name
 */
function select(name) {
  stopFetching();
  page.state.select(name);
  page.cursor = page.paused = null;
  page.isPinned = false;
  fetchHistory(schedule);
  schedule();
}

/** Draws the page on the next frame. */
function schedule() {
  if (!frame) frame = requestAnimationFrame(render);
}

function render() {
  frame = arriving = 0;
  const { host, hosts } = page.state;
  showStatus();
  // Before the first sample, there is nothing to show.
  const isFleet = !host && hosts.size > 1 && !find(document, "main").hidden;
  byId("fleet").hidden = !isFleet;
  document.body.dataset.view = isFleet ? "fleet" : "host";
  if (host) showHosts();
  if (isFleet) {
    byId("alerts").replaceChildren();
    renderFleet();
  }
  if (!host?.history) return;
  showWindows();
  host.history.isHeld = page.paused !== null;
  if (page.paused && isFrozen) {
    // What is folded and opened meanwhile shows what was there.
    showAlerts(true);
    renderTables(host, true);
    renderCharts(host);
    return;
  }
  isFrozen = page.paused !== null;
  const { cursor, isPinned } = page;
  host.then = isPinned && cursor !== null ? host.history.points[host.history.nearest(cursor)] ?? null : null;
  showHost(host);
  showAlerts(false);
  renderCards(byId("cards"), host, openChart);
  renderTables(host, false);
  fetchBuckets(host, schedule);
  renderCharts(host);
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

/** Saves what the server keeps of the host. Returns what to say about it. */
async function save() {
  const { state, connection } = page;
  const asked = new URLSearchParams({ host: state.selected, since: `${Math.max(15, Math.ceil(page.minutes))}m` });
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

/** Shows what the address names. */
function follow() {
  const { state, connection } = page;
  recall();
  const name = state.hosts.has(page.wanted) ? page.wanted : "";
  if (name === state.selected) return;
  // Events are of one host, so what is known of the others has become old.
  if (connection.isBlocked) state.forget();
  select(name);
  if (connection.isBlocked) connection.connect();
  scrollTo(0, 0);
}

function listen() {
  listenToCharts(() => page.state.host, schedule);
  on(byId("windows"), "change", ({ target }) => {
    if (!(target instanceof HTMLInputElement)) return;
    page.minutes = Number(target.value);
    page.until = null;
    remember();
  });
  on(byId("pause"), "click", pause);
  on(byId("live"), "click", goLive);
  on(byId("charts"), "dblclick", goLive);
  on(byId("save"), "click", async () => setText(byId("saved"), await save()));
  on(byId("ask"), "click", () => Notification.requestPermission().then(showAsk));
  showAsk();
  const hosts = byId("hosts", HTMLSelectElement);
  on(hosts, "change", () => (location.hash = hosts.value ? `host=${encodeURIComponent(hosts.value)}` : ""));
  on(byId("retry"), "click", () => page.connection.connect());
  on(byId("filter"), "input", () => {});
  on(byId("dialog", HTMLDialogElement), "close", takeToken);
  addEventListener("hashchange", () => {
    follow();
    schedule();
  });
  addEventListener("keydown", (event) => press(event) && schedule());
  addEventListener("scroll", () => page.state.host || showRows());
  // Sorted, folded and unfolded tables, and moments to go to: the next frame shows them.
  on(document.body, "click", ({ target }) => {
    const { host } = page.state;
    const moment = target instanceof Element ? target.closest("[data-time]") : null;
    const time = moment instanceof HTMLElement ? Number(moment.dataset.time) : NaN;
    if (host && time) lookAt(host, time);
  });
  // `toggle` does not bubble. The next frame fills an opened box.
  document.body.addEventListener("toggle", schedule, true);
}

function start() {
  Object.assign(window, { metrics: page });
  recall();
  listen();
  setInterval(check, CHECK_MS);
  setInterval(() => page.state.hosts.size > 1 && schedule(), FLEET_MS);
  page.connection.token = sessionStorage.getItem(TOKEN) ?? "";
  page.connection.connect();
  byId("unstarted").remove();
}

start();
