// A stream of messages that reconnects by itself: WebSocket, or Server-Sent Events where WebSocket is blocked.

/**
 * How a stream ended: by a close code, by the HTTP status of a refusal, or by a failure of the network.
 * @typedef {{ code?: number, status?: number, reason?: string }} Closed
 *
 * What a stream reports.
 * @typedef {{ open?: () => void, text: (text: string) => void, closed: (closed: Closed) => void }} Listener
 *
 * What a connection needs from the page.
 * @typedef {object} Owner
 * @property {() => Promise<URLSearchParams>} query what to ask for in the next attempt
 * @property {(text: string, streams: Map<string, string>) => void} deliver takes a message; `streams` is the same for
 *   all messages of an attempt
 * @property {() => void} changed the state has changed
 *
 * @typedef {"connecting" | "open" | "waiting" | "ended" | "refused" | "token"} ConnectionState
 */

/** The delay before an attempt is random, up to a limit that doubles from the first to the second of these. */
const RETRY_BASE_MS = 1000;
const RETRY_MAX_MS = 30 * 1000;
/** After a connection of this length, the next delay is short again. */
const PROVEN_MS = 10 * 1000;
/** The longest that an attempt may take. */
const OPENING_MS = 10 * 1000;
/** WebSocket counts as blocked after so many failed handshakes with a server that answers. */
const BLOCKED_AFTER = 2;
const MAX_REASON_CHARS = 300;

/** Close codes that are not retried. */
const CODE_OVER = 1000;
const CODE_VIOLATION = 1008;

/** What the probe is answered where a WebSocket would have been accepted. */
const ONLY_UPGRADE_LOST = [405, 426];
/** Any other 3xx and 4xx is final. */
const RETRIED = [408, 429, ...ONLY_UPGRADE_LOST];

/**
 * A request with the token. Paths are relative: a proxy may put the server below any other path.
 *
 * @param {string} path
 * @param {string} token empty if there is none
 * @param {RequestInit} more
 */
export function request(path, token, more = {}) {
  /** @type {HeadersInit} */
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  return fetch(path, { cache: "no-store", headers, ...more });
}

/**
 * Opens a WebSocket. Returns a function that drops it without a report.
 *
 * @param {URLSearchParams} query
 * @param {string} token
 * @param {Listener} listener
 */
export function webSocket(query, token, listener) {
  const url = new URL(`ws?${query}`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url.href, ["metrics.v1", token].filter(Boolean));
  socket.onopen = () => listener.open?.();
  socket.onmessage = (event) => listener.text(event.data);
  socket.onclose = (event) => listener.closed(event);
  return () => {
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  };
}

/**
 * The same with Server-Sent Events. `EventSource` could not send the token.
 *
 * @param {URLSearchParams} query
 * @param {string} token
 * @param {Listener} listener
 */
function eventStream(query, token, listener) {
  const abort = new AbortController();
  readEvents(query, token, listener, abort.signal)
    .catch(noAnswer)
    .then((closed) => abort.signal.aborted || listener.closed(closed));
  return () => abort.abort();
}

/**
 * Reads events until there are no more. Returns why.
 *
 * @param {URLSearchParams} query
 * @param {string} token
 * @param {Listener} listener
 * @param {AbortSignal} signal
 * @returns {Promise<Closed>}
 */
async function readEvents(query, token, listener, signal) {
  const response = await request(`events?${query}`, token, { signal });
  if (!response.ok) return refusal(response);
  const type = response.headers.get("content-type");
  if (!response.body || !type?.startsWith("text/event-stream")) {
    return { reason: `Something other than the server answered: it sent ${type}, not events.` };
  }
  listener.open?.();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { reason: "The event stream ended." };
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    // A message is one line of data; it says all that the other lines do.
    for (const line of lines) if (line.startsWith("data:")) listener.text(line.slice("data:".length));
  }
}

/**
 * Why a request was refused. The server's own reason is a line of text; a proxy sends a page.
 *
 * @param {Response} response
 */
async function refusal(response) {
  const { status, headers, statusText } = response;
  const isOurs = headers.get("content-type")?.startsWith("text/plain");
  const line = isOurs ? (await response.text()).split("\n")[0].slice(0, MAX_REASON_CHARS) : "";
  const byProxy = `A proxy in front of the server answered ${status} ${statusText}`;
  return { status, reason: line ? `The server says: ${line}` : byProxy };
}

/** Why there was no answer, as far as a page can know. */
function noAnswer() {
  if (!navigator.onLine) return { status: 0, reason: "This browser is offline." };
  const certificate = location.protocol.startsWith("https") ? ", or the certificate is not trusted" : "";
  const reason = `No answer from ${location.host}: the server, a proxy or the network is down${certificate}.`;
  return { status: 0, reason };
}

/**
 * Finds out why a WebSocket failed, which browsers do not say. With a POST they send the origin too, so the server
 * refuses it for the same reason.
 *
 * @param {string} token
 */
function probe(token) {
  return request("ws", token, { method: "POST" }).then(refusal).catch(noAnswer);
}

/** @param {number} status */
function isFinal(status) {
  return status >= 300 && status < 500 && !RETRIED.includes(status);
}

export class Connection {
  /**
   * `ended` and `refused` do not reconnect; `token` needs one first.
   *
   * @type {ConnectionState}
   */
  state = "connecting";
  /** Attempts since the last message. */
  attempt = 0;
  /** When the next attempt begins, by the browser's monotonic clock. */
  retryAt = 0;
  /** Why the connection is refused, or why the token is. */
  reason = "";
  /** Why the last attempt failed. */
  trouble = "";
  /** Why Server-Sent Events are used; empty while WebSocket is. */
  blockedBy = "";
  /** Whether this attempt delivered anything. */
  heard = false;
  /** When this attempt succeeded; 0 before. */
  openedAt = 0;
  /** Whether nothing will follow, however this ends. */
  isOver = false;
  token = "";
  #everOpened = false;
  #failedHandshakes = 0;
  /** Drops the current stream. */
  #drop = () => {};
  #timer = 0;
  /** The number of the attempt: what belongs to an earlier one comes too late. */
  #turn = 0;

  /** @param {Owner} owner */
  constructor(owner) {
    this.owner = owner;
    const hurry = () => {
      if (this.state === "waiting" && !document.hidden) this.connect();
    };
    addEventListener("online", hurry);
    document.addEventListener("visibilitychange", hurry);
  }

  get isBlocked() {
    return this.blockedBy !== "";
  }

  /**
   * @param {ConnectionState} state
   * @param {string} reason
   */
  #become(state, reason = "") {
    this.state = state;
    this.reason = reason.trim();
    this.owner.changed();
  }

  /** Connects at once, whatever the state. */
  async connect() {
    this.#leave();
    const turn = this.#turn;
    /** @type {Map<string, string>} */
    const streams = new Map();
    this.openedAt = 0;
    this.heard = this.isOver = false;
    this.#become("connecting");
    const late = "No answer in time. A proxy in front of the server may be holding it back.";
    this.#timer = setTimeout(() => this.lose(late), OPENING_MS);
    const query = await this.owner.query();
    if (turn !== this.#turn) return;
    const open = this.isBlocked ? eventStream : webSocket;
    this.#drop = open(query, this.token, {
      open: () => this.#opened(),
      text: (text) => {
        this.attempt = 0;
        this.heard = true;
        this.trouble = "";
        this.owner.deliver(text, streams);
      },
      closed: (closed) => {
        if (turn === this.#turn) this.#closed(closed);
      },
    });
  }

  #opened() {
    clearTimeout(this.#timer);
    this.openedAt = performance.now();
    this.#everOpened = true;
    this.#become("open");
  }

  #leave() {
    this.#turn += 1;
    clearTimeout(this.#timer);
    this.#drop();
  }

  /**
   * Gives up a connection that sends nothing.
   *
   * @param {string} reason
   */
  lose(reason = "") {
    this.#closed({ reason });
  }

  end() {
    this.#leave();
    this.#become("ended");
  }

  /** @param {Closed} closed */
  async #closed({ code = 0, status = 0, reason = "" }) {
    this.#leave();
    if (code === CODE_OVER || this.isOver) return this.end();
    if (code && reason) reason = `The server says: ${reason}`;
    if (code === CODE_VIOLATION) return this.#become("refused", reason);
    if (!this.openedAt && !this.isBlocked) {
      const turn = this.#turn;
      const found = await probe(this.token);
      // Something else may have begun meanwhile.
      if (turn !== this.#turn) return;
      ({ status, reason } = this.#judge(found));
    }
    if (status === 401) return this.#become("token", this.token && "This is not the server’s token.");
    if (isFinal(status)) return this.#become("refused", reason);
    this.#retryLater(reason);
  }

  /**
   * Decides whether WebSocket is blocked. Returns what remains to be judged.
   *
   * @param {{ status: number, reason: string }} found
   */
  #judge({ status, reason }) {
    if (status === 403) {
      this.blockedBy = `WebSocket is refused (${reason})`;
      return { status: 0, reason };
    }
    if (!ONLY_UPGRADE_LOST.includes(status)) return { status, reason };
    // Once a WebSocket was open, no proxy blocks them all.
    if (!this.#everOpened) this.#failedHandshakes += 1;
    if (this.#failedHandshakes >= BLOCKED_AFTER) this.blockedBy = "WebSocket is blocked";
    const missing = "a proxy in front of the server must forward the Upgrade header";
    return { status, reason: `WebSocket does not get through: ${missing}.` };
  }

  /** @param {string} reason */
  #retryLater(reason) {
    if (this.openedAt && performance.now() - this.openedAt > PROVEN_MS) this.attempt = 0;
    const delay = Math.random() * Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** this.attempt);
    this.attempt += 1;
    this.trouble = reason || "The connection was cut.";
    this.retryAt = performance.now() + delay;
    this.#timer = setTimeout(() => this.connect(), delay);
    this.#become("waiting");
  }
}
