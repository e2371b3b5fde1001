// Fetches what came before: the history of the selected host, and the lines of the rows in view. Each over a WebSocket of
// its own, which is closed where live messages begin.

import { webSocket } from "./connection.js";
import { LINE_POINTS } from "./history.js";
import { BUCKETS, page, windowOf } from "./page.js";

/**
 * @typedef {import("../../docs/protocol").Message} Message
 * @typedef {import("../../docs/protocol").Summary} Summary
 * @typedef {import("../../docs/protocol").Gap} Gap
 * @typedef {import("../../docs/protocol").AlertMessage} AlertMessage
 * @typedef {import("./state.js").Host} Host
 * @typedef {import("./state.js").Numbered} Numbered
 */

/** As much history as is fetched at first. */
export const HISTORY = "15m";
/** How long it may be silent. */
const FILL_MS = 10 * 1000;
/** The pause before it is requested again, and how often. */
const REFILL_MS = 1000;
const REFILLS = 5;
/** The pause before all of that is done again, where nothing came. */
const AGAIN_MS = 10 * 1000;
/** Lengths of buckets, in ms; the most buckets at once. */
const STEPS_MS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600].map((seconds) => seconds * 1000);
const MOST_BUCKETS = 720;
/** How long rows are in view before their lines are fetched: not while somebody scrolls. */
const SETTLED_MS = 150;

/** The host whose history was fetched, or is, and what ends that. */
let filled = /** @type {Host | undefined} */ (undefined);
let stopFilling = () => {};
/** The same for what is older: since when, the length of a bucket, and where the samples began that are kept whole. */
let bucketed = { host: filled, step: Infinity, from: Infinity, begin: -Infinity };
let stopBucketing = () => {};
/** The hosts whose lines are being fetched, and what ends that. */
let lined = /** @type {Set<Host>} */ (new Set());
let stopLining = () => {};
let settling = 0;

/**
 * Asks for what is older, over a connection of its own, until there is enough; again if it is cut off, as charts should
 * rather wait a little than go without. Returns a function that ends it.
 *
 * @param {URLSearchParams} asked
 * @param {() => (message: Message) => boolean | void} begin returns what takes the messages, and says when it has enough
 * @param {(isWhole: boolean) => void} done whether there was enough in the end
 */
function fetchOld(asked, begin, done) {
  let tries = REFILLS;
  let timer = 0;
  let drop = () => {};
  const stop = () => {
    clearTimeout(timer);
    drop();
  };
  /** @type {(ms: number, act: () => void) => void} */
  const wait = (ms, act) => {
    clearTimeout(timer);
    timer = setTimeout(act, ms);
  };
  /** @param {boolean} isWhole */
  const finish = (isWhole) => {
    stop();
    done(isWhole);
  };
  const retry = () => {
    drop();
    tries -= 1;
    if (tries < 0) finish(false);
    else wait(REFILL_MS, start);
  };
  const start = () => {
    const take = begin();
    wait(FILL_MS, retry);
    drop = webSocket(asked, page.connection.token, {
      text(text) {
        wait(FILL_MS, retry);
        const message = page.state.parse(text);
        if (message && take(message)) finish(true);
      },
      closed: retry,
    });
  };
  start();
  return stop;
}

/**
 * Fetches what came before the first live message of the selected host.
 *
 * @param {() => void} done
 */
export function fetchHistory(done) {
  const { host } = page.state;
  const [first] = (host?.waiting ?? []).flatMap((message) => (message.type === "gap" ? [] : message));
  if (!host || !first || filled === host) return;
  filled = host;
  // Events have brought the history already.
  if (page.connection.isBlocked) {
    host.fill([]);
    return;
  }
  const { stream } = host;
  /** @type {(Numbered | Gap)[]} */
  let old = [];
  stopFilling = fetchOld(new URLSearchParams({ host: host.name, since: HISTORY }), () => {
    old = [];
    let current = "";
    return (message) => {
      if (message.type === "hello") current = message.stream;
      else if (message.type === "gap") old.push(message);
      else if (current === stream && !("seq" in message && message.seq < first.seq)) return true;
      else if (message.type === "metric" || message.type === "alert") old.push(message);
    };
  }, () => {
    host.fill(old);
    done();
  });
}

/**
 * Fetches what is older than the samples that are kept whole, in buckets, if the charts are to show it.
 *
 * @param {Host} host
 * @param {() => void} done
 */
export function fetchBuckets(host, done) {
  const { history } = host;
  const { held = Infinity } = host.hello;
  const range = windowOf(host);
  const from = Math.max(range.from, held);
  const begin = history?.time(history.buckets) ?? NaN;
  if (!history || host.waiting || page.connection.isBlocked || !(from < begin - 60_000)) return;
  const since = history.last() - from;
  const length = Math.max((range.to - range.from) / BUCKETS, since / MOST_BUCKETS);
  const step = STEPS_MS.find((step) => step >= length) ?? STEPS_MS[STEPS_MS.length - 1];
  // Samples that were dropped meanwhile leave a hole behind the buckets. One that was there before is the server's.
  const hasHole = history.buckets > 0 && begin - Math.max(history.time(history.buckets - 1), bucketed.begin) > 3 * step;
  if (bucketed.host === host && bucketed.from <= from && bucketed.step <= step && !hasHole) return;
  bucketed = { host, step, from, begin };
  const own = bucketed;
  /** @type {(Summary | Gap | AlertMessage)[]} */
  let old = [];
  const asked = new URLSearchParams({ host: host.name, since: `${Math.ceil(since / 1000)}s`, step: `${step / 1000}s` });
  stopBucketing();
  stopBucketing = fetchOld(asked, () => {
    old = [];
    return (message) => {
      if (message.type === "metric") return true;
      if (message.type === "summary" || message.type === "gap" || message.type === "alert") old.push(message);
    };
  }, (isWhole) => {
    // One that has ended has no newest sample to come.
    if (isWhole || old.length) history.deepen(old);
    else {
      setTimeout(() => {
        own.host = undefined;
        done();
      }, AGAIN_MS);
    }
    done();
  });
}

/**
 * Fetches the lines of the hosts in view, unless others come into view at once. What is being fetched of those that are no
 * longer in view is dropped.
 *
 * @param {string[]} names
 * @param {() => void} done
 */
export function fetchLines(names, done) {
  clearTimeout(settling);
  settling = setTimeout(() => {
    const { hosts, selected } = page.state;
    const inView = names.flatMap((name) => hosts.get(name) ?? []);
    if (!selected && !page.connection.isBlocked) fetchLinesOf(inView.filter(hasMore), done);
  }, SETTLED_MS);
}

/**
 * Whether a line has more to it, which this server has: it is there, and sent the newest sample.
 *
 * @param {Host} host
 */
function hasMore({ arrived, line }) {
  const { openedAt, state } = page.connection;
  return !line.isFilled && ["open", "ended"].includes(state) && arrived > openedAt;
}

/**
 * @param {Host[]} hosts
 * @param {() => void} done
 */
function fetchLinesOf(hosts, done) {
  // Those with other steps come next.
  const step = hosts[0]?.line.step;
  const wanted = hosts.filter(({ line }) => line.step === step);
  if (wanted.length === lined.size && wanted.every((host) => lined.has(host))) return;
  stopLining();
  lined = new Set(wanted);
  if (!lined.size) return;
  const asked = new URLSearchParams({ since: `${(LINE_POINTS * step) / 1000}s`, step: `${step / 1000}s` });
  for (const { name } of lined) asked.append("host", name);
  stopLining = fetchOld(asked, () => {
    /** @type {Map<string, [number, number | undefined][]>} */
    const old = new Map();
    // Other hosts go on while one that is gone says nothing.
    const latest = performance.now() + FILL_MS;
    return (message) => {
      const { host: name = "", type } = message;
      if (type === "summary") old.set(name, [...(old.get(name) ?? []), [message.from, message.mean.cpu]]);
      const host = page.state.hosts.get(name);
      const isWhole = type === "metric" || type === "end";
      if (host && isWhole && lined.delete(host)) host.line.fill(old.get(name) ?? []);
      return !lined.size || performance.now() > latest;
    };
  }, () => {
    // What could not be had is not asked for again and again.
    for (const { line } of lined) line.fill([]);
    lined.clear();
    done();
  });
}

/** Ends all of it, as another host is shown. */
export function stopFetching() {
  clearTimeout(settling);
  for (const stop of [stopFilling, stopBucketing, stopLining]) stop();
  filled = bucketed.host = undefined;
  lined.clear();
}
