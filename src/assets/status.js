// The header: what is shown, whether it is live, and what is wrong.

import { append, byId, find, resize, setText } from "./dom.js";
import { problemsOf } from "./events.js";
import { counted, span, text, unbroken, uptime } from "./format.js";
import { MINUTE_MS, RANGES, page, toggle, windowOf } from "./page.js";

/**
 * @typedef {import("./state.js").Host} Host
 *
 * What is said of the connection. The style sheet knows the kinds.
 * @typedef {"connecting" | "waiting" | "live" | "replay" | "paused" | "back" | "stale" | "lost" | "down" | "over"} Kind
 * @typedef {{ kind: Kind, word: string, banner: string }} Status
 */

/** How long any connection gets: a server without samples must not be flooded with new ones. */
export const LISTEN_MS = 5000;
/** How long a server takes at most to name its hosts. */
const NAMING_MS = 1000;
/** More than any page is open for. */
const AGE_MS = 1e12;
/** Lines of what is wrong before the rest is folded; on a telephone, where a chart has to be in view below them. */
const MOST_LINES = [8, 2];
/** The widest telephone, in pixels. The style sheet knows it too. */
const TELEPHONE = 600;
/** How wide a letter is there at least, in the first of these lines, which may be two, and in others. */
const LETTERS = [6.5, 9];
const TITLES = /** @type {Record<Kind, string>} */ ({ live: "", replay: "▷ ", paused: "‖ ", back: "◀ ", stale: "○ " });

/** The host that is shown; of many, the one heard of last, rather not of a recording, and rather not one that is over. */
function shown() {
  const { host, hosts } = page.state;
  if (host || !hosts.size) return host;
  /** @param {Host} host */
  const rank = ({ arrived, ended, hello }) => arrived - (ended ? 2 * AGE_MS : 0) - (hello.replay ? AGE_MS : 0);
  return [...hosts.values()].reduce((one, other) => (rank(other) > rank(one) ? other : one));
}

/** @returns {Status} */
function status() {
  const { connection, paused, state } = page;
  const host = shown();
  const now = performance.now();
  // Of many hosts, that is one that is over only if all are.
  const hasEnded = connection.state === "ended" || (host?.ended && connection.state === "open");
  if (hasEnded) return { kind: "over", word: "Ended", banner: "The recording is over." };
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
  if (!state.host && page.wanted && state.hosts.size && now - connection.openedAt > NAMING_MS) {
    const banner = `There is no host "${page.wanted}" yet. Without "#host=…" in its address, the page shows those that there are.`;
    return { kind: "waiting", word: "Waiting for a host", banner };
  }
  if (state.host ? state.host.isStale(now) : state.isSilent(now)) {
    return { kind: "stale", word: "Stale", banner: "No new data. Data shown may be stale." };
  }
  const banner = connection.isBlocked ? `${connection.blockedBy}: using Server-Sent Events instead.` : "";
  const replay = host?.hello.replay;
  if (host ? !host.newest : !state.names().length) {
    const awaited = replay?.wait ? counted(replay.wait, "viewer") : "the first sample";
    return { kind: "waiting", word: `${replay ? "Replay: waiting" : "Waiting"} for ${awaited}`, banner };
  }
  if (paused) return { kind: "paused", word: "Paused", banner };
  if (page.until !== null || page.isPinned) return { kind: "back", word: "Looking back", banner };
  if (!replay) return { kind: "live", word: "Live", banner };
  return { kind: "replay", word: replay.speed ? `Replay ×${replay.speed}` : "Replay at full speed", banner };
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

/**
 * The time of the newest sample, or how old it is; of a replay, with its date and how much was played.
 *
 * @param {Kind} kind
 */
function clockNow(kind) {
  const host = shown();
  if (!host?.newest) return "";
  const { timestamp } = host.newest.data;
  const { cursor, paused } = page;
  const { first = NaN, last = NaN } = host.hello.replay ?? {};
  const now = host.moment(timestamp);
  if (isOld(kind)) return `${span(performance.now() - host.arrived)} old, of ${now}`;
  if (kind === "paused" && paused) return `at ${host.moment(paused.at)}, ${counted(host.seq - paused.seq, "new message")}`;
  if (kind === "back") {
    const time = cursor ?? windowOf(host).to;
    return `at ${host.moment(time)}, ${span(timestamp - time)} back`;
  }
  const played = (100 * (timestamp - first)) / (last - first);
  return kind === "replay" && played >= 0 && played <= 100 ? `${now}, ${played.toFixed()} % played` : now;
}

/** @param {Kind} kind */
function isOld(kind) {
  return ["stale", "lost", "down"].includes(kind);
}

export function showStatus() {
  const { state, connection, paused } = page;
  const { kind, word, banner } = status();
  document.body.dataset.state = kind;
  document.body.toggleAttribute("data-old", isOld(kind));
  const isShown = (state.host || state.hosts.size > 1) && [...state.hosts.values()].some((host) => host.newest);
  find(document, "main").hidden = !isShown;
  byId("controls").hidden = !isShown;
  const name = !state.host && state.hosts.size > 1 ? counted(state.hosts.size, "host") : shown()?.name ?? "metrics";
  setText(byId("host"), name);
  setText(byId("word"), word);
  setText(byId("clock"), clockNow(kind));
  byId("banner").hidden = !banner;
  setText(byId("trouble"), banner);
  const delay = connection.state === "waiting" ? connection.retryAt - performance.now() : 0;
  setText(byId("countdown"), delay > 0 ? `Next in ${Math.ceil(delay / 1000)} s.` : "");
  byId("retry").hidden = !isOld(kind) && kind !== "over";
  setText(byId("pause"), paused ? "Resume" : "Pause");
  byId("pause").hidden = kind === "over";
  byId("live").hidden = page.until === null && !page.isPinned;
  const alerts = state.alerts().length;
  document.title = `${alerts ? `▲ ${alerts} ` : ""}${TITLES[kind] ?? `(${word}) `}${name}`;
}

/** @param {Host} host */
export function showHost(host) {
  const { system, interval, server } = host.hello;
  const up = host.value("uptime");
  const facts = [
    system?.os,
    system?.cores && counted(system.cores, "core"),
    system?.memory && text(system.memory, "B"),
    up >= 0 && `up ${uptime(up)}`,
    `every ${interval / 1000} s`,
  ];
  const known = facts.flatMap((fact) => (fact ? [unbroken(fact)] : []));
  setText(byId("system"), known.join(" · "));
  if (!host.newest) return;
  const { seq, data } = host.newest;
  const cost = host.metric("agentCpu") ? ` · agent ${text(host.value("agentCpu"), "%")} CPU, ${text(host.value("agentMemory"), "B")}` : "";
  setText(byId("about"), `Sample ${seq}, ${host.moment(data.timestamp)} · ${server}${cost}`);
}

/** Shows the windows that the server holds, and the chosen one. */
export function showWindows() {
  const { host } = page.state;
  const newest = host?.newest?.data.timestamp ?? 0;
  const held = (newest - (host?.hello.held ?? newest)) / MINUTE_MS;
  const inputs = /** @type {NodeListOf<HTMLInputElement>} */ (byId("windows").querySelectorAll("input"));
  inputs.forEach((input, index) => {
    const minutes = RANGES[index];
    const label = input.parentElement;
    // One that is longer than what is held shows all of it.
    if (label) label.hidden = index > 2 && minutes !== page.minutes && held <= RANGES[index - 1];
    input.checked = minutes === page.minutes;
  });
}

/** Shows the names of the hosts. */
export function showHosts() {
  const { hosts, selected } = page.state;
  const names = page.state.names();
  byId("switch").hidden = names.length < 2;
  const list = byId("hosts", HTMLSelectElement);
  const all = page.connection.isBlocked ? names : ["", ...names];
  if (list.options.length !== all.length) list.replaceChildren(...all.map((name) => new Option("", name)));
  for (const option of list.options) {
    const firing = hosts.get(option.value)?.alerts.size;
    setText(option, firing ? `▲ ${option.value}, ${firing} firing` : option.value || "all");
  }
  list.value = selected;
}

/** @type {Record<import("./sentence.js").Urgency, [string, string]>} */
export const URGENCY_MARKS = {
  silent: ["○", "stale"], alert: ["▲", "critical"], critical: ["■", "critical"], warning: ["◆", "warn"], event: ["·", ""],
  note: ["·", ""], well: ["✓", ""],
};

/** @typedef {{ words: string, level: string, since: number, fold?: string }} Told */

/**
 * What is wrong with this host, and since when; of others, which alerts fire.
 *
 * @param {boolean} isNarrow
 */
function problemLines(isNarrow) {
  const { host: own, hosts } = page.state;
  /** @type {Told[]} */
  const lines = [];
  /** @type {(host: Host, prefix: string, then?: Host["then"]) => void} */
  const add = (host, prefix, then) => problemsOf(host, then).forEach(({ urgency, forms, since }, index) => {
    const [mark, level] = URGENCY_MARKS[urgency];
    if (urgency === "silent" || (index && (host !== own || prefix === "now: "))) return;
    const room = isNarrow ? innerWidth / LETTERS[Math.min(1, lines.length)] - prefix.length : Infinity;
    const form = forms.find(({ length }) => length <= room) ?? forms[forms.length - 1];
    lines.push({ words: `${mark} ${prefix}${form}`, level, since: host === own ? since : NaN });
  });
  if (own?.then) add(own, "then: ", own.then);
  const past = lines.length;
  if (own) add(own, own.then ? "now: " : "");
  // What is wrong now is not hidden behind all that was.
  if (past) lines.splice(1, 0, ...lines.splice(past));
  for (const host of hosts.values()) if (host !== own && host.alerts.size) add(host, `${host.name}: `);
  return lines;
}

/** All that was wrong when the page was drawn last while it was not paused. */
let toldLines = /** @type {Told[]} */ ([]);

/**
 * Shows what is wrong, but for what is folded.
 *
 * @param {boolean} isFrozen whether nothing new is shown
 */
export function showAlerts(isFrozen) {
  const own = page.state.host;
  const isNarrow = innerWidth <= TELEPHONE;
  if (!isFrozen) toldLines = problemLines(isNarrow);
  const lines = [...toldLines];
  const more = lines.length - MOST_LINES[Number(isNarrow)];
  // On a telephone, the button shares a line; elsewhere, it would take that of the problem that it hides.
  if (more > Number(!isNarrow)) {
    const isAll = page.choices.unfolded.includes("alerts");
    if (!isAll) lines.length -= more;
    lines.push({ words: "", level: isAll ? "fewer" : "fold", since: NaN, fold: isAll ? "fewer" : `+ ${more}` });
  }
  const list = byId("alerts");
  list.className = ["critical", "warn"].find((level) => lines.some((line) => line.level === level)) ?? "";
  resize(list, lines.length, "li").forEach((line, index) => {
    const { words, since, level, fold } = lines[index];
    if (!line.firstChild) {
      append(line, "span");
      append(line, "button");
    }
    const [text, button] = /** @type {HTMLCollectionOf<HTMLElement>} */ (line.children);
    line.className = level;
    setText(text, words);
    button.hidden = !fold && Number.isNaN(since);
    button.dataset.time = `${since}`;
    button.onclick = fold ? () => toggle("unfolded", "alerts") : null;
    setText(button, fold ?? `since ${own?.moment(since || 0)}`);
  });
}
