// What keys do, the same as in the terminal.

import { reading, renderCursor } from "./charts.js";
import { byId, setText } from "./dom.js";
import { eventsOf } from "./events.js";
import { RANGES, goLive, lookAt, page, remember, windowOf } from "./page.js";

/** @typedef {import("./state.js").Host} Host */

/**
 * Moves the cursor by so many samples, or to the first or the last.
 *
 * @param {Host} host
 * @param {number} steps
 */
function moveCursor(host, steps) {
  const { history } = host;
  if (!history?.length) return;
  const last = history.length - 1;
  const index = Math.min(last, Math.max(0, history.nearest(page.cursor ?? Infinity) + steps));
  lookAt(host, history.time(index));
  renderCursor(host);
  setText(byId("reading"), reading(host));
}

/**
 * Looks at the event before or after what is shown.
 *
 * @param {Host} host
 * @param {number} direction
 */
function moveToMark(host, direction) {
  const now = page.cursor ?? windowOf(host).to;
  const times = eventsOf(host).map(({ time }) => time);
  const [next] = times.filter((time) => direction * (time - now) > 0).sort((one, other) => direction * (one - other));
  if (next) lookAt(host, next);
  // What is older is fetched for a longer window.
  else if (direction < 0 && (host.hello.held ?? Infinity) < (host.history?.time(0) ?? 0)) changeWindow(1);
}

/** @param {number} direction */
function changeWindow(direction) {
  const wider = RANGES.find((minutes) => minutes > page.minutes);
  const narrower = [...RANGES].reverse().find((minutes) => minutes < page.minutes);
  page.minutes = (direction > 0 ? wider : narrower) ?? page.minutes;
  remember();
}

/** Freezes the page, or lets it resume. */
export function pause() {
  const { host } = page.state;
  if (page.paused) {
    page.paused = null;
    if (host?.history) host.history.isHeld = false;
  } else if (host?.history?.length) page.paused = { at: host.history.last(), seq: host.seq };
}

/**
 * Does what a key stands for. Returns whether it stands for anything.
 *
 * @param {KeyboardEvent} event
 */
export function press(event) {
  const { host } = page.state;
  const { key, target, shiftKey } = event;
  if (event.ctrlKey || event.altKey || event.metaKey || byId("dialog", HTMLDialogElement).open) return false;
  if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) return false;
  const steps = shiftKey ? 10 : 1;
  /** @type {Record<string, () => void>} */
  const acts = {
    r: () => page.connection.connect(),
    "/": () => byId(host ? "hosts" : "filter").focus(),
    ...(host && {
      "+": () => changeWindow(-1),
      "-": () => changeWindow(1),
      ArrowLeft: () => moveCursor(host, -steps),
      ArrowRight: () => moveCursor(host, steps),
      Home: () => moveCursor(host, -Infinity),
      End: goLive,
      Escape: goLive,
      "[": () => moveToMark(host, -1),
      "]": () => moveToMark(host, 1),
      e: () => document.getElementById("events")?.scrollIntoView({ block: "center" }),
      p: pause,
    }),
  };
  if (!Object.hasOwn(acts, key)) return false;
  event.preventDefault();
  acts[key]();
  return true;
}
