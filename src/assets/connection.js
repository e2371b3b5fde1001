// A stream of messages that comes back by itself: WebSocket, or Server-Sent Events where that is blocked.

const BASE_MS = 1000;
const CAP_MS = 30000;
/** A connection that has lived so long was a good one. */
const PROVEN_MS = 10000;
const OPENING_MS = 10000;
/** Handshakes that fail though the server answers, until WebSocket counts as blocked. */
const BLOCKED_AFTER = 2;

/** A request that shows the token. */
export const ask = (path, token, more) =>
  fetch(path, { cache: "no-store", headers: token ? { Authorization: `Bearer ${token}` } : {}, ...more });

/** Opens a WebSocket; `on` has `open`, `text` and `closed`. Returns how to drop it. */
export function webSocket(query, token, on) {
  const url = `${location.origin.replace("http", "ws")}/ws?${query}`;
  const socket = new WebSocket(url, ["metrics.v1", token].filter(Boolean));
  socket.onopen = on.open;
  socket.onmessage = (event) => on.text(event.data);
  socket.onclose = on.closed;
  return () => {
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  };
}

/** The same by Server-Sent Events. `fetch` and not `EventSource`, which can show no token. */
function eventStream(query, token, on) {
  const abort = new AbortController();
  const read = async () => {
    const response = await ask(`/events?${query}`, token, { signal: abort.signal });
    if (!response.ok) return { status: response.status, reason: await response.text() };
    on.open();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return {};
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      // A message is one line of data. What else an event has is in the message as well.
      for (const line of lines) if (line.startsWith("data:")) on.text(line.slice(5));
    }
  };
  read().catch(() => ({})).then((how) => abort.signal.aborted || on.closed(how));
  return () => abort.abort();
}

/** What the server says to a plain request: a WebSocket that fails tells no status. */
async function probe(token) {
  try {
    const response = await ask("/ws", token);
    return { status: response.status, reason: await response.text() };
  } catch {
    // It does not answer.
    return {};
  }
}

const isFinal = (status) => status >= 300 && status < 500 && ![408, 426, 429].includes(status);

export class Connection {
  /** connecting, open, waiting, ended, refused, or token: it needs one. */
  state = "connecting";
  attempt = 0;
  retryAt = 0;
  reason = "";
  isBlocked = false;
  token = "";
  #drop = () => {};
  #timer = 0;
  #turn = 0;
  openedAt = 0;
  #everOpened = false;
  #failed = 0;

  /** Has `query()`, awaited at each connection, `deliver(text, streams)`, and `changed()`. */
  constructor(owner) {
    this.owner = owner;
    const hurry = () => this.state === "waiting" && !document.hidden && this.connect();
    addEventListener("online", hurry);
    document.addEventListener("visibilitychange", hurry);
  }

  #become(state, reason = "") {
    Object.assign(this, { state, reason: reason.trim() });
    this.owner.changed();
  }

  async connect() {
    this.#leave();
    const turn = this.#turn;
    const streams = new Map();
    this.openedAt = 0;
    this.#become("connecting");
    this.#timer = setTimeout(() => this.lose(), OPENING_MS);
    const query = await this.owner.query();
    if (turn !== this.#turn) return;
    const open = this.isBlocked ? eventStream : webSocket;
    this.#drop = open(query, this.token, {
      open: () => {
        clearTimeout(this.#timer);
        this.openedAt = performance.now();
        this.#everOpened = true;
        this.#become("open");
      },
      text: (text) => {
        this.attempt = 0;
        this.owner.deliver(text, streams);
      },
      closed: (how) => turn === this.#turn && this.#closed(how),
    });
  }

  #leave() {
    this.#turn += 1;
    clearTimeout(this.#timer);
    this.#drop();
  }

  /** Gives up a connection that says nothing. */
  lose() { this.#closed({}); }

  end() {
    this.#leave();
    this.#become("ended");
  }

  async #closed({ code, status, reason }) {
    this.#leave();
    if (code === 1000) return this.end();
    if (code === 1008) return this.#become("refused", reason);
    if (!this.openedAt && !this.isBlocked) {
      const turn = this.#turn;
      ({ status, reason } = await probe(this.token));
      // Somebody was faster.
      if (turn !== this.#turn) return;
      // 426: it hears us, and a WebSocket does not get there.
      if (status === 426 && !this.#everOpened) this.isBlocked = (this.#failed += 1) >= BLOCKED_AFTER;
    }
    if (status === 401) return this.#become("token", this.token && "That is not the token of this server.");
    if (isFinal(status)) return this.#become("refused", reason);
    if (this.openedAt && performance.now() - this.openedAt > PROVEN_MS) this.attempt = 0;
    const wait = Math.random() * Math.min(CAP_MS, BASE_MS * 2 ** this.attempt);
    this.attempt += 1;
    this.retryAt = performance.now() + wait;
    this.#timer = setTimeout(() => this.connect(), wait);
    this.#become("waiting");
  }
}
