// @ts-check
/**
 * Stream protocol 1, from the reader's side: one WebSocket per page and server, however many
 * elements read it. It comes back by itself, and proves with the cursor that nothing was missed.
 */

/**
 * @typedef {object} Quote as the server sends it; decimals are strings, unknown is null
 * @property {string} symbol
 * @property {string} price
 * @property {string} inverse
 * @property {string | null} previous
 * @property {string | null} change
 * @property {string | null} change_percent
 * @property {{price: string, inverse: string, as_of: string} | null} [next] what takes effect on a later day
 * @property {boolean} [corrected] whether the source replaced its figure of `as_of`
 * @property {string} as_of the day it is valid for, or the moment
 * @property {string} source
 * @property {"live" | "pegged" | "unconfirmed" | "stale" | "fallback"} status
 * @property {string} published_at
 */

/** @typedef {"connecting" | "live" | "offline"} State */

/**
 * @typedef {object} Subscriber
 * @property {readonly string[] | null} symbols what it wants; null is everything
 * @property {(quotes: readonly Quote[], complete: boolean) => void} receive complete: what was before is void
 * @property {(state: State, message: string) => void} status
 */

const SHORTEST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 20_000;
const REFUSED_DELAY_MS = 300_000;
// The server speaks at least every 25 s: two missed heartbeats and some patience.
const SILENCE_MS = 60_000;
const OFFLINE_AFTER_MS = 30_000;

/** The server says that coming back unchanged is no use: 1008 policy, 1009 too big. */
const REFUSALS = [1008, 1009];
/** The server does not understand the address, as when one of the symbols is unknown to it. */
const BAD_REQUEST = 4400;

/**
 * The server's address from that of its script, or from its own: `https://host/prefix`.
 *
 * @param {string} address
 * @param {string} [base]
 * @returns {string | null} null if it is none
 */
export function serverAddress(address, base) {
  try {
    const { origin, pathname, protocol } = new URL(address, base);
    return /^https?:$/.test(protocol) ? origin + pathname.replace(/\/([^/]*\.js)?$/, "") : null;
  } catch {
    return null;
  }
}

/**
 * Milliseconds to wait before the next attempt: exponential with full jitter, so that the readers
 * of a server that fell over do not come back in step.
 *
 * @param {number} attempt from 0
 */
export function backoff(attempt, random = Math.random) {
  const ceiling = Math.min(LONGEST_DELAY_MS, SHORTEST_DELAY_MS * 2 ** (attempt + 1));
  return SHORTEST_DELAY_MS + random() * (ceiling - SHORTEST_DELAY_MS);
}

/** @type {Map<string, Connection>} */
const connections = new Map();

/**
 * Read a server's stream. The subscriber hears its state at once and what is known soon.
 *
 * @param {string} server from `serverAddress`
 * @param {Subscriber} subscriber
 * @returns {() => void} stop reading
 */
export function subscribe(server, subscriber) {
  let connection = connections.get(server);
  if (!connection) connections.set(server, (connection = new Connection(server)));
  return connection.add(subscriber);
}

class Connection {
  #server;
  /** @type {Set<Subscriber>} */
  #subscribers = new Set();
  /** @type {Map<string, Quote>} */
  #quotes = new Map();
  #cursor = "";
  /** @type {State} */
  #state = "connecting";

  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {readonly string[] | null} what the socket was opened for */
  #selection = [];
  #everything = false;
  #attempt = 0;
  #refused = false;
  #suspect = false;
  /** Whether the next attempt wants everything in the server's order, which an update can't tell. */
  #unordered = false;
  #heardAt = 0;
  /** @type {Record<"retry" | "silence" | "offline", number | undefined>} */
  #timers = { retry: undefined, silence: undefined, offline: undefined };
  /** @type {AbortController | null} */
  #listening = null;

  /** @param {string} server */
  constructor(server) {
    this.#server = server;
  }

  /** @param {Subscriber} subscriber */
  add(subscriber) {
    this.#subscribers.add(subscriber);
    if (!this.#listening) this.#start();
    else if (this.#socket && !this.#covers(subscriber.symbols)) this.#openIn(0);
    subscriber.status(this.#state, "");
    queueMicrotask(() => {
      if (!this.#quotes.size || !this.#subscribers.has(subscriber)) return;
      subscriber.receive([...this.#quotes.values()], true);
    });
    return () => this.#remove(subscriber);
  }

  /** @param {Subscriber} subscriber */
  #remove(subscriber) {
    this.#subscribers.delete(subscriber);
    // An element that only moves in the document comes back before this runs.
    queueMicrotask(() => {
      if (!this.#subscribers.size) this.#stop();
    });
  }

  #start() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    addEventListener("offline", () => (this.#suspect = true), { signal });
    addEventListener("online", () => this.#wake(this.#suspect), { signal });
    // An open socket would keep the page out of the back/forward cache.
    addEventListener("pagehide", () => this.#sleep(), { signal });
    addEventListener("pageshow", ({ persisted }) => persisted && this.#openIn(0), { signal });
    document.addEventListener(
      "visibilitychange",
      () => document.hidden || this.#wake(Date.now() - this.#heardAt > SILENCE_MS),
      { signal },
    );
    this.#expectNews();
    // The elements of the page are found one after the other: their wishes are put together.
    this.#openIn(0);
  }

  #stop() {
    this.#listening?.abort();
    this.#listening = null;
    this.#sleep();
    if (connections.get(this.#server) === this) connections.delete(this.#server);
  }

  #sleep() {
    this.#drop();
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#timers.offline = undefined;
  }

  /**
   * The network or the reader came back: try now what waits, and anew what may be dead.
   *
   * @param {boolean} doubtful
   */
  #wake(doubtful) {
    if (this.#refused || (this.#socket && !doubtful)) return;
    this.#attempt = 0;
    this.#openIn(0);
  }

  /** @param {number} milliseconds */
  #openIn(milliseconds) {
    clearTimeout(this.#timers.retry);
    this.#timers.retry = setTimeout(() => this.#open(), milliseconds);
  }

  #open() {
    this.#drop();
    this.#refused = false;
    this.#selection = this.#wanted();
    this.#listen();
    try {
      const socket = (this.#socket = new WebSocket(this.#address()));
      socket.onmessage = ({ data }) => this.#hear(data);
      socket.onclose = ({ code }) => this.#lost(code);
    } catch {
      // A plain socket on a secure page: no later attempt will be allowed either.
      this.#lost(REFUSALS[0]);
    }
  }

  #address() {
    const query = new URLSearchParams();
    if (this.#selection) query.set("symbols", this.#selection.join());
    if (this.#cursor && !this.#unordered) query.set("cursor", this.#cursor);
    return `${this.#server.replace(/^http/, "ws")}/v1/stream?${query}`.replace(/\?$/, "");
  }

  /** The union of what the subscribers want; null is everything. */
  #wanted() {
    const wishes = [...this.#subscribers].map(({ symbols }) => symbols);
    if (this.#everything || wishes.includes(null)) return null;
    return [...new Set(wishes.flatMap((symbols) => symbols ?? []))].sort();
  }

  /** @param {readonly string[] | null} symbols */
  #covers(symbols) {
    const selection = this.#selection;
    return !selection || !!symbols?.every((symbol) => selection.includes(symbol));
  }

  /** Close the socket without hearing from it again. */
  #drop() {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = null;
    socket.onmessage = socket.onclose = null;
    // Closing a socket that is not open yet writes an error on the page's console.
    if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
    else socket.close();
  }

  /** @param {number} [code] why the server closed it */
  #lost(code = 0) {
    this.#drop();
    clearTimeout(this.#timers.silence);
    this.#expectNews();
    if (this.#state === "live") this.#become("connecting");
    // One reader's unknown symbol is not to cost the others theirs: take all, and choose here.
    const choose = code === BAD_REQUEST && this.#selection !== null;
    this.#everything ||= choose;
    this.#refused = REFUSALS.includes(code) || (code === BAD_REQUEST && !choose);
    this.#openIn(this.#refused ? REFUSED_DELAY_MS : backoff(this.#attempt++));
  }

  /** From now on the silence counts: once it is long, the readers are told. */
  #expectNews() {
    this.#timers.offline ??= setTimeout(() => this.#become("offline"), OFFLINE_AFTER_MS);
  }

  /** Any frame, a heartbeat too, says that the connection is alive. */
  #listen() {
    this.#heardAt = Date.now();
    clearTimeout(this.#timers.silence);
    this.#timers.silence = setTimeout(() => this.#lost(), SILENCE_MS);
  }

  /** @param {unknown} data */
  #hear(data) {
    const frame = decode(data);
    if (!frame) return this.#lost();
    this.#listen();
    if (frame.type === "error") return this.#become(this.#state, String(frame.message ?? ""));
    this.#suspect = false;
    this.#attempt = 0;
    clearTimeout(this.#timers.offline);
    this.#timers.offline = undefined;
    if (typeof frame.cursor === "string") this.#cursor = frame.cursor;
    if (frame.type === "snapshot" || frame.type === "update") {
      this.#take(quotesOf(frame), frame.type === "snapshot");
    }
    if (this.#state !== "live") this.#become("live");
  }

  /**
   * @param {readonly Quote[]} quotes
   * @param {boolean} complete
   */
  #take(quotes, complete) {
    if (complete) {
      this.#quotes.clear();
      this.#unordered = false;
    } else if (!this.#unordered && quotes.some(({ symbol }) => !this.#quotes.has(symbol))) {
      this.#unordered = true;
      this.#openIn(backoff(1));
    }
    for (const quote of quotes) this.#quotes.set(quote.symbol, quote);
    for (const subscriber of [...this.#subscribers]) subscriber.receive(quotes, complete);
  }

  /**
   * @param {State} state
   * @param {string} [message] what the server said was wrong
   */
  #become(state, message = "") {
    this.#state = state;
    for (const subscriber of [...this.#subscribers]) subscriber.status(state, message);
  }
}

/**
 * @param {unknown} data
 * @returns {Record<string, unknown> | null} null if it is no frame
 */
function decode(data) {
  try {
    const frame = JSON.parse(String(data));
    return typeof frame?.type === "string" ? frame : null;
  } catch {
    return null;
  }
}

/**
 * @param {Record<string, unknown>} frame
 * @returns {Quote[]}
 */
function quotesOf({ quotes }) {
  if (!Array.isArray(quotes)) return [];
  return quotes.filter((quote) => typeof quote?.symbol === "string" && typeof quote.price === "string");
}
