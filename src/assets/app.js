// The page: what comes goes into the state, and the state is drawn on the next frame.

import { Cards } from "./cards.js";
import { Chart, nearest, setText } from "./chart.js";
import { Connection, saveRecording, webSocket } from "./connection.js";
import { clock, span, text, uptime } from "./format.js";
import { State } from "./state.js";
import { renderTables } from "./tables.js";

const TOKEN = "metrics-token";
/** After so long without data the word is Stale; so much later the connection is given up. */
const GRACE_MS = 2000;
const $ = (id) => document.getElementById(id);

const state = new State();
const connection = new Connection(query, receive);
const cards = new Cards($("cards"));
const charts = [
  new Chart($("usage"), { unit: "%", percent: true, series: [{ name: "cpu", label: "CPU" }, { name: "memory", label: "Memory" }] }),
  new Chart($("rates"), {
    unit: "B/s",
    series: [
      { name: "networkReceived", label: "Network in" },
      { name: "networkSent", label: "Network out" },
      { name: "diskRead", label: "Disk read" },
      { name: "diskWritten", label: "Disk written" },
    ],
  }),
];
const wished = decodeURIComponent(location.hash.slice(1));
let minutes = 5;
let pausedAt = null;
let cursor = null;
let fill = null;

// What comes.

function query(transport) {
  const asked = new URLSearchParams();
  if (state.position()) asked.set("after", state.position());
  // Events are of one host, and come with its history; a WebSocket tells of all hosts, and each has its history later.
  if (transport !== "WebSocket") {
    const host = state.selected || wished;
    if (host) asked.set("host", host);
    asked.set("since", "15m");
    if (state.host) state.host.filled = true;
  }
  return asked;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    if (!state.unreadable) console.warn("a message cannot be read and is skipped:", text.slice(0, 200));
    state.unreadable += 1;
    return {};
  }
}

function receive(text, streams) {
  const message = parse(text);
  if (!state.selected && (message.host === wished || !wished || message.type === "metric")) select(message.host);
  state.receive(message, streams, performance.now());
  if (connection.transport !== "WebSocket" && state.host) state.host.filled = true;
  if (message.type === "end" && [...state.hosts.values()].every((host) => host.ended)) connection.end();
  if (state.host?.begun && !state.host.filled && !fill) fillHistory(state.host);
  schedule();
}

/** Asks for what was before the first live message, on a connection of its own that ends there. */
function fillHistory(host) {
  const old = [];
  const { begun } = host;
  let stream = "";
  const finish = () => {
    drop();
    if (fill === drop) fill = null;
    if (state.host === host && host.begun === begun) host.prepend(old);
    schedule();
  };
  const drop = webSocket(new URLSearchParams({ host: host.name, since: "15m" }), connection.token, {
    open() {},
    text(text) {
      const message = parse(text);
      if (message.type === "hello") stream = message.stream;
      const isNumbered = message.seq && message.type !== "heartbeat";
      const isLast = message.type === "heartbeat" || message.type === "end" || (stream === begun.stream && message.seq >= begun.seq);
      if (isNumbered && !isLast && message.type === "metric") old.push(message);
      if (isLast) finish();
    },
    closed: finish,
  });
  fill = drop;
}

function select(name) {
  fill?.();
  fill = null;
  state.select(name);
  cursor = null;
  if (state.hosts.size > 1) history.replaceState(null, "", `#${encodeURIComponent(name)}`);
  if (state.host?.begun && connection.state === "open") fillHistory(state.host);
  schedule();
}

// What is shown.

function status() {
  const { state: how, attempt } = connection;
  const { host } = state;
  if (how === "ended" || (host?.ended && how === "open")) return ["ended", "Ended"];
  if (how === "refused" || how === "token") return ["disconnected", "Disconnected"];
  if (how === "open") return host?.isStale(performance.now()) ? ["stale", "Stale"] : ["connected", "Connected"];
  return attempt ? ["reconnecting", `Reconnecting (${attempt})…`] : ["connecting", "Connecting"];
}

function trouble(kind) {
  const { host } = state;
  switch (kind) {
    case "stale":
      return `No data for ${span(3 * Math.floor((performance.now() - host.arrived) / 3000) * 1000)}. Data shown may be stale.`;
    case "reconnecting":
      return host?.newest
        ? `Connection lost. Reconnection attempt ${connection.attempt}… Data shown may be stale.`
        : `No connection yet. Attempt ${connection.attempt}…`;
    case "disconnected":
      return connection.state === "token" ? "This server asks for a token." : `Disconnected: ${connection.reason}.`;
    case "ended":
      return "The recording has ended. What is shown is its end.";
  }
  return connection.transport === "WebSocket" ? "" : "WebSocket is blocked here: the data come as Server-Sent Events.";
}

function showStatus() {
  const [kind, word] = status();
  $("status").dataset.state = kind;
  setText($("word"), word);
  const said = trouble(kind);
  $("banner").hidden = !said;
  setText($("trouble"), said);
  const left = connection.state === "waiting" ? connection.retryAt - performance.now() : 0;
  setText($("countdown"), left > 0 ? `Next in ${Math.ceil(left / 1000)} s.` : "");
  $("retry").hidden = !["reconnecting", "disconnected", "ended"].includes(kind);
  const alerts = state.alerts().length;
  const mark = alerts ? `▲ ${alerts} ` : "";
  const doubt = { connected: "", connecting: "" }[kind] ?? `(${word}) `;
  document.title = `${mark}${doubt}${state.selected || "metrics"}`;
  if (connection.state === "token" && !$("ask").open) {
    setText($("wrong"), connection.reason);
    $("ask").showModal();
  }
}

function showHost(host) {
  const { system, interval, server } = host.hello;
  const up = host.value("uptime");
  const facts = [
    system?.os,
    system?.kernel,
    system && `${system.cores} cores`,
    system && text(system.memory, "B"),
    up !== undefined && `up ${uptime(up)}`,
    `every ${span(interval)}`,
  ];
  setText($("host"), host.name);
  setText($("system"), facts.filter(Boolean).join(" · "));
  const seen = host.newest ? `Sample ${host.newest.seq} of ${clock(host.newest.data.timestamp)}` : "No sample yet";
  setText($("about"), `${seen} · ${connection.transport} · ${server ?? ""}`);
  const names = [...state.hosts.keys()].sort();
  $("switch").hidden = names.length < 2;
  const select = $("hosts");
  if (select.options.length !== names.length) select.replaceChildren(...names.map((name) => new Option(name, name)));
  for (const option of select.options) {
    const { alerts } = state.hosts.get(option.value);
    setText(option, alerts.size ? `▲ ${option.value}` : option.value);
  }
  select.value = host.name;
}

function showAlerts() {
  const lines = state.alerts().map(({ host, name, rule, value, since }) => {
    const now = value === undefined ? "" : `, ${+value.toFixed(2)}`;
    return `▲ ${host}: ${name} (${rule})${now}, since ${clock(since)}`;
  });
  const list = $("alerts");
  if (lines.join("\n") === [...list.children].map((item) => item.textContent).join("\n")) return;
  list.replaceChildren(...lines.map((line) => Object.assign(document.createElement("li"), { textContent: line })));
}

function showCharts(host) {
  if (!host.history.length) return;
  const now = performance.now();
  // Time goes on while nothing comes: the hole grows.
  const waited = host.ended || !host.isStale(now) ? 0 : now - host.arrived;
  const to = pausedAt ?? host.history.last() + waited;
  for (const chart of charts) chart.draw(host.history, to - minutes * 60000, to, cursor);
}

let scheduled = 0;
function schedule() {
  scheduled ||= requestAnimationFrame(render);
}

function render() {
  scheduled = 0;
  showStatus();
  const { host } = state;
  if (!host) return;
  showHost(host);
  showAlerts();
  cards.render(host);
  renderTables(host);
  showCharts(host);
  if (host.newest && !performance.getEntriesByName("first-data").length) performance.mark("first-data");
}

/** What changes with time alone. It also runs where frames don't: in a background tab. */
function tick() {
  const now = performance.now();
  if (connection.state === "open" && state.isSilent(now - GRACE_MS)) connection.lose();
  showStatus();
  if (!document.hidden && state.host?.isStale(now)) schedule();
}

// What people do.

function moveCursor(event) {
  const { history } = state.host ?? {};
  if (!history?.length) return;
  const last = history.length - 1;
  const at = cursor === null ? last : nearest(history, cursor);
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - 10, PageDown: at + 10, Home: 0, End: last }[event.key];
  if (to === undefined && event.key !== "Escape") return;
  event.preventDefault();
  cursor = to === undefined ? null : history.time(Math.min(last, Math.max(0, to)));
  schedule();
  const figure = event.target.closest("figure");
  const values = charts.find((chart) => chart.figure === figure).series.map(({ name, label }) =>
    `${label} ${text(history.value(name, nearest(history, cursor ?? history.last())), state.host.unit(name))}`);
  setText($("reading"), cursor === null ? "" : `${clock(cursor)}: ${values.join(", ")}`);
}

for (const chart of charts) {
  const { canvas } = chart;
  const point = (event) => {
    if (!chart.range) return;
    cursor = chart.timeAt(event.clientX);
    schedule();
  };
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", point);
  canvas.addEventListener("pointerleave", () => {
    cursor = null;
    schedule();
  });
  canvas.addEventListener("keydown", moveCursor);
}
for (const radio of document.querySelectorAll("[name=window]")) {
  radio.addEventListener("change", () => {
    minutes = Number(radio.value);
    schedule();
  });
}
$("pause").addEventListener("click", () => {
  pausedAt = pausedAt === null && state.host?.history.length ? state.host.history.last() : null;
  $("pause").setAttribute("aria-pressed", String(pausedAt !== null));
  setText($("pause"), pausedAt === null ? "Pause" : "Paused: go on");
  schedule();
});
$("save").addEventListener("click", async () => {
  setText($("saved"), "");
  try {
    const blob = await saveRecording(state.selected, connection.token);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${state.selected}-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}Z.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    setText($("saved"), `Saved ${text(blob.size, "B")}.`);
  } catch (error) {
    setText($("saved"), `Not saved: ${error.message}`);
  }
});
$("hosts").addEventListener("change", (event) => select(event.target.value));
$("retry").addEventListener("click", () => connection.connect());
$("ask").addEventListener("close", () => {
  connection.token = $("token").value;
  $("token").value = "";
  if (!connection.token) return;
  sessionStorage.setItem(TOKEN, connection.token);
  connection.connect();
});
document.querySelector("details").addEventListener("toggle", schedule);
document.addEventListener("visibilitychange", schedule);
connection.addEventListener("change", () => {
  showStatus();
  schedule();
});

/** For tests and the console: what the page knows, to read. */
window.metrics = Object.freeze({
  get view() {
    const { host } = state;
    return {
      status: $("word").textContent, attempt: connection.attempt, transport: connection.transport, host: state.selected,
      stream: host?.stream, seq: host?.newest?.seq, data: host?.newest?.data, filled: host?.filled,
      alerts: state.alerts(), gaps: state.gaps, duplicates: state.duplicates, unreadable: state.unreadable,
    };
  },
  series(name) {
    const { history } = state.host;
    return Array.from({ length: history.length }, (_, i) => [history.seq(i), history.time(i), history.value(name, i)]);
  },
});

connection.token = sessionStorage.getItem(TOKEN) ?? "";
setInterval(tick, 500);
connection.connect();
