// A stream of messages that comes back by itself: WebSocket, or Server-Sent Events where that is blocked.

const BASE_MS = 1000;
const CAP_MS = 30000;
/** A connection that has lived so long was a good one. */
const PROVEN_MS = 10000;
const OPENING_MS = 10000;
/** Handshakes that fail though the server answers, until WebSocket counts as blocked. */
const BLOCKED_AFTER = 2;

/** The longest reason that is shown. */
const LONGEST = 300;
/** What is answered where a WebSocket does not get through, to the request that stands for one. */
const UNHEARD = [405, 426];

/** A request that shows the token. Paths are relative: a proxy may put the server below any other. */
export const ask = (path, token, more) =>
  fetch(path, { cache: "no-store", headers: token ? { Authorization: `Bearer ${token}` } : {}, ...more });

/** Opens a WebSocket; `on` has `open`, `text` and `closed`. Returns how to drop it. */
export function webSocket(query, token, on) {
  const url = new URL(`ws?${query}`, location);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url.href, ["metrics.v1", token].filter(Boolean));
  socket.onopen = on.open;
  socket.onmessage = (event) => on.text(event.data);
  socket.onclose = on.closed;
  return () => {
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  };
}

/** Why an answer is no success. The server's own is a line of text; others are pages of a proxy. */
async function refusal(response) {
  const { status, headers, statusText } = response;
  const isOurs = headers.get("content-type")?.startsWith("text/plain");
  const line = isOurs ? (await response.text()).split("\n")[0].slice(0, LONGEST) : "";
  return { status, reason: line ? `The server says: ${line}` : `A proxy before the server answers ${status} ${statusText}` };
}

/** The same by Server-Sent Events. `fetch` and not `EventSource`, which can show no token. */
function eventStream(query, token, on) {
  const abort = new AbortController();
  const read = async () => {
    const response = await ask(`events?${query}`, token, { signal: abort.signal });
    if (!response.ok) return refusal(response);
    const type = response.headers.get("content-type");
    if (!type?.startsWith("text/event-stream")) return { reason: `What answers is not the server: it sends ${type}, and no events.` };
    on.open();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { reason: "The event stream ended." };
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      // A message is one line of data. What else an event has is in the message as well.
      for (const line of lines) if (line.startsWith("data:")) on.text(line.slice(5));
    }
  };
  read().catch(unanswered).then((how) => abort.signal.aborted || on.closed(how));
  return () => abort.abort();
}

const unanswered = () => ({
  reason: navigator.onLine
    ? `Nothing answers at ${location.host}: the server, a proxy or the network is down${location.protocol.startsWith("https") ? ", or the certificate is not trusted" : ""}.`
    : "This browser is offline.",
});

/** What the server says to a plain request: a WebSocket that fails tells no status. Browsers send the origin with a POST as with a WebSocket, so it is refused for the same reason. */
const probe = (token) => ask("ws", token, { method: "POST" }).then(refusal).catch(unanswered);

const isFinal = (status) => status >= 300 && status < 500 && ![408, 429, ...UNHEARD].includes(status);

export class Connection {
  /** connecting, open, waiting, ended, refused, or token: it needs one. */
  state = "connecting";
  attempt = 0;
  retryAt = 0;
  reason = "";
  /** Why the last attempt failed. */
  trouble = "";
  /** Why Server-Sent Events are used. */
  blockedBy = "";
  /** Whether anything has come by this connection. */
  heard = false;
  token = "";
  #drop = () => {};
  #timer = 0;
  #turn = 0;
  openedAt = 0;
  #everOpened = false;
  #failed = 0;

  get isBlocked() { return this.blockedBy !== ""; }

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
    this.heard = false;
    this.#become("connecting");
    this.#timer = setTimeout(() => this.lose("No answer came in time: a proxy before the server may hold it back."), OPENING_MS);
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
        this.heard = true;
        this.trouble = "";
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
  lose(reason) { this.#closed({ reason }); }

  end() {
    this.#leave();
    this.#become("ended");
  }

  async #closed({ code, status, reason }) {
    this.#leave();
    if (code === 1000) return this.end();
    if (code > 1000 && reason) reason = `The server says: ${reason}`;
    if (code === 1008) return this.#become("refused", reason);
    if (!this.openedAt && !this.isBlocked) {
      const turn = this.#turn;
      ({ status, reason } = await probe(this.token));
      // Somebody was faster.
      if (turn !== this.#turn) return;
      if (status === 403) {
        this.blockedBy = `WebSocket is refused (${reason})`;
        status = 0;
      } else if (UNHEARD.includes(status)) {
        reason = "A WebSocket does not get through: a proxy before the server has to pass Upgrade on.";
        if (!this.#everOpened && (this.#failed += 1) >= BLOCKED_AFTER) this.blockedBy = "WebSocket is blocked";
      }
    }
    if (status === 401) return this.#become("token", this.token && "That is not the token of this server.");
    if (isFinal(status)) return this.#become("refused", reason);
    if (this.openedAt && performance.now() - this.openedAt > PROVEN_MS) this.attempt = 0;
    const wait = Math.random() * Math.min(CAP_MS, BASE_MS * 2 ** this.attempt);
    this.attempt += 1;
    this.trouble = reason || "The connection was cut.";
    this.retryAt = performance.now() + wait;
    this.#timer = setTimeout(() => this.connect(), wait);
    this.#become("waiting");
  }
}
