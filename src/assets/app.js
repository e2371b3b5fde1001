// The page: what comes goes into the state, and the state is drawn on the next frame.

import { renderCards } from "./cards.js";
import { Chart } from "./chart.js";
import { Connection, ask, webSocket } from "./connection.js";
import { $, clock, keep, setText, text, uptime } from "./format.js";
import { State } from "./state.js";
import { renderTables } from "./tables.js";

const TOKEN = "metrics-token";
/** How long after the word Stale the connection is given up. */
const GRACE_MS = 2000;
/** A connection is listened to so long, whatever was before: a server without samples is not to be flooded. */
const LISTEN_MS = 5000;
/** The most that history may take before the charts begin without it. */
const FILL_MS = 10000;

const state = new State();
const connection = new Connection({ query, deliver, changed });
const charts = [
  new Chart($("usage"), "%", [["cpu", "CPU"], ["memory", "Memory"]]),
  new Chart($("rates"), "B/s", [
    ["networkReceived", "Network in"],
    ["networkSent", "Network out"],
    ["diskRead", "Disk read"],
    ["diskWritten", "Disk written"],
  ]),
];
const wished = location.hash.slice(1);
let minutes = 5;
let pausedAt = null;
let cursor = null;
let scheduled = 0;
let stopFilling = null;

// What comes.

async function query() {
  const asked = new URLSearchParams();
  // Events are of one host, and come with its history; a WebSocket tells of all hosts.
  if (connection.isBlocked) {
    await findHosts();
    asked.set("since", "15m");
    if (state.selected) asked.set("host", state.selected);
  }
  if (state.position()) asked.set("after", state.position());
  return asked;
}

/** Which hosts there are, by what Prometheus is told of them. */
async function findHosts() {
  const told = await ask("metrics", connection.token).then((response) => response.ok && response.text()).catch(() => "");
  for (const [, name] of (told || "").matchAll(/{host="([^"]+)/g)) state.know(name);
  const names = [...state.hosts.keys()].sort();
  if (!state.selected && names[0]) select(names.includes(wished) ? wished : names[0]);
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    if (!state.unreadable) console.warn("skipped, as it cannot be read:", text.slice(0, 200));
    state.unreadable += 1;
    return {};
  }
}

function deliver(text, streams) {
  const message = parse(text);
  // The first host that has anything, where the one that was wished for is not there.
  const isWelcome = message.host === wished || (message.host && !wished) || message.type === "metric";
  if (!state.selected && isWelcome) select(message.host);
  const isBehind = state.receive(message, streams, performance.now());
  if (isBehind && message.host === state.selected) {
    // It would send nothing until it has passed our position.
    select(message.host);
    return connection.connect();
  }
  // A WebSocket is closed behind it, with a code that says the same.
  if (message.type === "end" && connection.isBlocked) connection.end();
  fill();
  schedule();
}

/** Asks for what was before the first live message, by a connection of its own that ends there. */
function fill() {
  const { host } = state;
  const first = host?.waiting?.[0];
  if (!first || stopFilling) return;
  if (connection.isBlocked) return host.fill([]);
  const old = [];
  const { stream } = host;
  let current = "";
  const finish = () => {
    stopFilling();
    host.fill(old);
    schedule();
  };
  const drop = webSocket(new URLSearchParams({ host: host.name, since: "15m" }), connection.token, {
    text(text) {
      const message = parse(text);
      if (message.type === "hello") current = message.stream;
      else if (message.type !== "gap" && (!(message.seq < first.seq) && current === stream)) finish();
      else if (message.type === "metric") old.push(message);
    },
    closed: finish,
  });
  const timer = setTimeout(finish, FILL_MS);
  stopFilling = () => {
    clearTimeout(timer);
    drop();
    stopFilling = null;
  };
}

function select(name) {
  stopFilling?.();
  state.select(name);
  cursor = pausedAt = null;
  if (state.hosts.size > 1) history.replaceState(null, "", `#${name}`);
  fill();
  schedule();
}

// What is shown.

/** The kind of the connection, its word, and what the banner says. */
function status() {
  const { state: how, attempt, reason, trouble } = connection;
  const { host } = state;
  if (how === "ended" || (host?.ended && how === "open")) return ["over", "Ended", "The recording is over."];
  if (how === "token") return ["down", "Disconnected", "This server asks for a token."];
  if (how === "refused") return ["down", "Disconnected", reason];
  if (how !== "open") {
    if (!attempt) return ["connecting", "Connecting", ""];
    const lost = host ? "Connection lost. Reconnection" : "No connection.";
    return ["lost", `Reconnecting (${attempt})…`, `${lost} attempt ${attempt}…${host ? " Data shown may be stale." : ""} ${trouble}`];
  }
  if (!connection.heard && performance.now() - connection.openedAt > LISTEN_MS) {
    return ["stale", "No data", "The server has answered, but no data come. A proxy before it may hold them back."];
  }
  if (host?.isStale(performance.now())) return ["stale", "Stale", "No new data come. Data shown may be stale."];
  return ["live", "Connected", connection.isBlocked ? `${connection.blockedBy}: data come as Server-Sent Events.` : ""];
}

function showStatus() {
  const [kind, word, trouble] = status();
  $("status").dataset.state = kind;
  setText($("word"), word);
  $("banner").hidden = !trouble;
  setText($("trouble"), trouble);
  const left = connection.state === "waiting" ? connection.retryAt - performance.now() : 0;
  setText($("countdown"), left > 0 ? `Next in ${Math.ceil(left / 1000)} s.` : "");
  $("retry").hidden = !["lost", "down", "over"].includes(kind);
  const alerts = state.alerts().length;
  const doubt = kind === "live" ? "" : `(${word}) `;
  document.title = `${alerts ? `▲ ${alerts} ` : ""}${doubt}${state.selected || "metrics"}`;
}

function showHost(host) {
  const { system, interval, server } = host.hello;
  const up = host.value("uptime");
  const facts = [
    ...(system ? [system.os, system.kernel, system.cores && `${system.cores} cores`, system.memory && text(system.memory, "B")] : []),
    up >= 0 && `up ${uptime(up)}`,
    `every ${interval / 1000} s`,
  ];
  setText($("host"), host.name);
  setText($("system"), facts.filter(Boolean).map(keep).join(" · "));
  if (host.newest) setText($("about"), `Sample ${host.newest.seq}, ${clock(host.newest.data.timestamp)} · ${server}`);
  const names = [...state.hosts.keys()].sort();
  $("switch").hidden = names.length < 2;
  const { options } = $("hosts");
  if (options.length !== names.length) $("hosts").replaceChildren(...names.map((name) => new Option(name, name)));
  for (const option of options) setText(option, (state.hosts.get(option.value).alerts.size ? "▲ " : "") + option.value);
  $("hosts").value = host.name;
}

function showAlerts() {
  const lines = state.alerts().map(({ host, name, rule, metric, value, since }) =>
    `▲ ${host}: ${name} (${rule}), ${text(value, state.hosts.get(host).unit(metric))} since ${clock(since)}`);
  const list = $("alerts");
  if (lines.join() === [...list.children].map((item) => item.textContent).join()) return;
  list.replaceChildren(...lines.map((textContent) => Object.assign(document.createElement("li"), { textContent })));
}

function showCharts(host) {
  const { history } = host;
  $("pause").setAttribute("aria-pressed", pausedAt !== null);
  if (!history.length) return;
  const now = performance.now();
  // Time goes on while nothing comes: the hole grows.
  const to = pausedAt ?? history.last() + (host.isStale(now) ? now - host.arrived : 0);
  for (const chart of charts) {
    chart.figure.hidden = !chart.series.some(([name]) => host.metric(name));
    chart.draw(history, to - minutes * 60000, to, cursor);
  }
}

function schedule() {
  scheduled ||= requestAnimationFrame(render);
}

function render() {
  scheduled = 0;
  showStatus();
  const { host } = state;
  if (!host?.history) return;
  showHost(host);
  showAlerts();
  renderCards($("cards"), host);
  renderTables(host);
  showCharts(host);
}

function changed() {
  if (connection.state === "token" && !$("dialog").open) {
    setText($("wrong"), connection.reason);
    $("dialog").showModal();
  }
  showStatus();
  schedule();
}

// What changes with time alone. It also runs where frames don't: in a background tab.
setInterval(() => {
  const now = performance.now();
  if (connection.state === "open" && now - connection.openedAt > LISTEN_MS && state.isSilent(now - GRACE_MS)) connection.lose();
  showStatus();
  if (state.host?.isStale(now)) schedule();
}, 500);

// What people do.

const on = (target, event, act) => target.addEventListener(event, (details) => {
  act(details);
  schedule();
});

function moveCursor(event, chart) {
  const { history } = state.host ?? {};
  if (!history?.length) return;
  const last = history.length - 1;
  const at = history.nearest(cursor ?? Infinity);
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[event.key];
  if (event.key === "Escape") cursor = null;
  if (to === undefined) return;
  event.preventDefault();
  cursor = history.time(Math.min(last, Math.max(0, to)));
  const values = chart.series.map(([name, label]) => `${label} ${text(history.value(name, history.nearest(cursor)), chart.unit)}`);
  setText($("reading"), `${clock(cursor)}: ${values.join(", ")}`);
}

for (const chart of charts) {
  for (const event of ["pointermove", "pointerdown"]) {
    on(chart.canvas, event, ({ clientX }) => (cursor = chart.range ? chart.timeAt(clientX) : null));
  }
  // A finger leaves what it touched, to look at it.
  for (const event of ["pointerleave", "blur"]) {
    on(chart.canvas, event, ({ pointerType }) => (cursor = pointerType === "touch" ? cursor : null));
  }
  on(chart.canvas, "keydown", (event) => moveCursor(event, chart));
}
on($("windows"), "change", ({ target }) => (minutes = Number(target.value)));
on($("pause"), "click", () => {
  pausedAt = pausedAt ? null : state.host?.history?.last() || null;
});
on($("save"), "click", async () => {
  const response = await ask(`recording.csv?${new URLSearchParams({ host: state.selected, since: "15m" })}`, connection.token).catch(() => {});
  if (!response?.ok) return setText($("saved"), `Not saved: ${response ? await response.text() : "no connection"}`);
  const href = URL.createObjectURL(await response.blob());
  Object.assign(document.createElement("a"), { href, download: `${state.selected}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60000);
  setText($("saved"), "Saved.");
});
on($("hosts"), "change", ({ target }) => {
  if (connection.isBlocked) state.forget();
  select(target.value);
  if (connection.isBlocked) connection.connect();
});
on($("retry"), "click", () => connection.connect());
on($("dialog"), "close", () => {
  if (!$("token").value) return;
  connection.token = $("token").value;
  $("token").value = "";
  sessionStorage.setItem(TOKEN, connection.token);
  connection.connect();
});
$("tables").addEventListener("toggle", schedule, true);

/** For tests and the console. */
window.metrics = { state, connection };
connection.token = sessionStorage.getItem(TOKEN) ?? "";
connection.connect();
$("unstarted").remove();
