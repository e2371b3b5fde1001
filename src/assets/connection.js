// A stream of messages that comes back by itself: WebSocket, or Server-Sent Events where that is blocked.

const BASE_MS = 1000;
const CAP_MS = 30000;
/** A connection that has lived so long was a good one. */
const PROVEN_MS = 10000;
const OPENING_MS = 10000;
/** Failed handshakes, though the server answers, until WebSocket counts as blocked. */
const BLOCKED_AFTER = 2;

const bearer = (token) => (token ? { Authorization: `Bearer ${token}` } : {});

/** Opens a WebSocket; `on` has `open`, `text` and `closed`. Returns how to drop it. */
export function webSocket(query, token, on) {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const protocols = token ? ["metrics.v1", token] : ["metrics.v1"];
  const socket = new WebSocket(`${scheme}://${location.host}/ws?${query}`, protocols);
  socket.onopen = () => on.open();
  socket.onmessage = (event) => on.text(event.data);
  socket.onclose = (event) => on.closed({ code: event.code, reason: event.reason });
  return () => {
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  };
}

/** The same by Server-Sent Events. `fetch` and not `EventSource`, which can send no token. */
function eventStream(query, token, on) {
  const abort = new AbortController();
  const read = async () => {
    const response = await fetch(`/events?${query}`, {
      headers: { Accept: "text/event-stream", ...bearer(token) },
      cache: "no-store",
      signal: abort.signal,
    });
    if (!response.ok) return { status: response.status, reason: await response.text() };
    on.open();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    let data = [];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return {};
      const lines = (rest + value).split(/\r\n|\n/);
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
        else if (line === "" && data.length) {
          on.text(data.join("\n"));
          data = [];
        }
      }
    }
  };
  read().then(on.closed, (error) => abort.signal.aborted || on.closed({ reason: error.message }));
  return () => abort.abort();
}

/** What the server says to a plain request: a failed WebSocket tells no status. None when it does not answer. */
async function probe(token) {
  try {
    const response = await fetch("/ws", { headers: bearer(token), cache: "no-store" });
    return { status: response.status, reason: (await response.text()).trim() };
  } catch {
    return {};
  }
}

const isFinal = (status) => status >= 300 && status < 500 && ![408, 426, 429].includes(status);

export class Connection extends EventTarget {
  /** connecting, open, waiting, ended, refused, or token: it needs one. */
  state = "connecting";
  attempt = 0;
  retryAt = 0;
  reason = "";
  transport = "WebSocket";
  token = "";
  #query;
  #drop = () => {};
  #timer = 0;
  #opened = false;
  #everOpened = false;
  #blocked = 0;
  #openedAt = 0;
  #deliver;
  #turn = 0;

  /** `query(transport)` is asked at each connection; `deliver(text, streams)` gets what comes. */
  constructor(query, deliver) {
    super();
    this.#query = query;
    this.#deliver = deliver;
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
  }

  #become(state, reason = "") {
    Object.assign(this, { state, reason });
    this.dispatchEvent(new Event("change"));
  }

  connect() {
    this.#drop();
    clearTimeout(this.#timer);
    this.#opened = false;
    this.#turn += 1;
    const streams = new Map();
    this.#become("connecting");
    const open = this.transport === "WebSocket" ? webSocket : eventStream;
    let isCurrent = true;
    const drop = open(this.#query(this.transport), this.token, {
      open: () => {
        clearTimeout(this.#timer);
        this.#opened = this.#everOpened = true;
        this.#openedAt = performance.now();
        this.#become("open");
      },
      text: (text) => {
        this.attempt = 0;
        this.#deliver(text, streams);
      },
      closed: (how) => isCurrent && this.#closed(how),
    });
    this.#drop = () => {
      isCurrent = false;
      drop();
    };
    this.#timer = setTimeout(() => this.lose(), OPENING_MS);
  }

  /** Connects at once if it waits to. */
  hurry() {
    if (this.state === "waiting") this.connect();
  }

  /** Gives up a connection that is open and says nothing. */
  lose() {
    this.#drop();
    this.#closed({});
  }

  /** The server says that everything was said. */
  end() {
    this.#drop();
    clearTimeout(this.#timer);
    this.#become("ended");
  }

  async #closed({ code, status, reason }) {
    clearTimeout(this.#timer);
    this.#drop();
    if (code === 1000) return this.#become("ended");
    if (code === 1008) return this.#become("refused", reason || "the server closed the connection");
    if (!this.#opened && this.transport === "WebSocket") {
      const turn = this.#turn;
      ({ status, reason } = await probe(this.token));
      if (turn !== this.#turn) return; // somebody was faster
      // 426: it hears us, and a WebSocket does not get there.
      if (status === 426 && !this.#everOpened && (this.#blocked += 1) >= BLOCKED_AFTER) {
        this.transport = "Server-Sent Events";
      }
    }
    if (status === 401) return this.#become("token", this.token && "That is not the token of this server.");
    if (isFinal(status)) return this.#become("refused", reason);
    if (this.#opened && performance.now() - this.#openedAt > PROVEN_MS) this.attempt = 0;
    this.attempt += 1;
    const wait = Math.random() * Math.min(CAP_MS, BASE_MS * 2 ** (this.attempt - 1));
    this.retryAt = performance.now() + wait;
    this.#timer = setTimeout(() => this.connect(), wait);
    this.#become("waiting", reason);
  }
}

/** What the server kept of the last 15 minutes, as a recording. */
export async function saveRecording(host, token) {
  const query = new URLSearchParams({ host, since: "15m" });
  const response = await fetch(`/recording.csv?${query}`, { headers: bearer(token) });
  if (!response.ok) throw new Error((await response.text()).trim() || response.statusText);
  return response.blob();
}
