// What is said of the connection: whether what is shown is live, and of when it is.

import { counted, moment, span } from "./format.js";

/**
 * @typedef {import("./connection.js").Connection} Connection
 * @typedef {import("./state.js").Host} Host
 *
 * The style sheet knows the kinds.
 * @typedef {"connecting" | "waiting" | "live" | "replay" | "stale" | "lost" | "down" | "over"} Kind
 * @typedef {{ kind: Kind, word: string, banner: string }} Status
 */

/** How long any connection gets: a server without samples must not be flooded with new ones. */
export const LISTEN_MS = 5000;

/**
 * @param {Connection} connection
 * @param {Host | undefined} host
 * @returns {Status}
 */
export function statusOf(connection, host) {
  const now = performance.now();
  const hasEnded = connection.state === "ended" || (host?.ended && connection.state === "open");
  if (hasEnded) return { kind: "over", word: "Ended", banner: "The recording is over." };
  switch (connection.state) {
    case "token":
      return { kind: "down", word: "Disconnected", banner: "This server requires a token." };
    case "refused":
      return { kind: "down", word: "Disconnected", banner: connection.reason };
    case "connecting":
    case "waiting":
      return reconnecting(connection, host);
  }
  if (!connection.heard && now - connection.openedAt > LISTEN_MS) {
    const banner = "Connected, but no data has arrived. A proxy in front of the server may be holding it back.";
    return { kind: "stale", word: "No data", banner };
  }
  if (host?.isStale(now)) return { kind: "stale", word: "Stale", banner: "No new data. Data shown may be stale." };
  const banner = connection.isBlocked ? `${connection.blockedBy}: using Server-Sent Events instead.` : "";
  const replay = host?.hello.replay;
  if (host && !host.newest) {
    const awaited = replay?.wait ? counted(replay.wait, "viewer") : "the first sample";
    return { kind: "waiting", word: `${replay ? "Replay: waiting" : "Waiting"} for ${awaited}`, banner };
  }
  if (!replay) return { kind: "live", word: "Live", banner };
  return { kind: "replay", word: replay.speed ? `Replay ×${replay.speed}` : "Replay at full speed", banner };
}

/**
 * The time of the newest sample, or how old it is; of a replay, with its date and how much was played.
 *
 * @param {Kind} kind
 * @param {Host | undefined} host
 */
export function clockNow(kind, host) {
  if (!host?.newest) return "";
  const { timestamp } = host.newest.data;
  const { replay } = host.hello;
  if (kind === "stale" || kind === "lost" || kind === "down") {
    return `${span(performance.now() - host.arrived)} old, of ${moment(timestamp, Boolean(replay))}`;
  }
  const { first = 0, last = 0 } = replay ?? {};
  const played = (100 * (timestamp - first)) / (last - first);
  const share = kind === "replay" && first && 0 <= played && played <= 100 ? `, ${played.toFixed(0)} % played` : "";
  return moment(timestamp, Boolean(replay)) + share;
}

/**
 * @param {Connection} connection
 * @param {Host | undefined} host
 * @returns {Status}
 */
function reconnecting({ attempt, trouble }, host) {
  if (!attempt) return { kind: "connecting", word: "Connecting", banner: "" };
  const banner = host
    ? `Connection lost. Reconnection attempt ${attempt}… Data shown may be stale. ${trouble}`
    : `No connection. Attempt ${attempt}… ${trouble}`;
  return { kind: "lost", word: `Reconnecting (${attempt})…`, banner };
}
