// @ts-check
/**
 * Stream protocol 1, from the reader's side: one connection per page and server, however many
 * elements read it. It comes back by itself, and proves with the cursor that nothing was missed.
 */

import { inverted, reverse } from "./inverted.js";
import { connections } from "./shared.js";
import { timer } from "./timer.js";
import { BAD_REQUEST, WAYS } from "./ways.js";

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
 * @property {string} source its key
 * @property {string} [source_name] for readers; not there if the server is older than this
 * @property {string} [source_site] the address that its terms require beside its figures
 * @property {"live" | "pegged" | "unconfirmed" | "stale" | "fallback"} status
 * @property {string} published_at
 * @property {string | null} [value] what the source published
 * @property {number | null} [nominal] how many units of the first currency of `direction` that is for
 * @property {string | null} [direction] the symbol that it published
 * @property {string | null} [due_at] the moment from which it is late if no newer one came
 */

/** @typedef {"connecting" | "live" | "offline"} State */
/**
 * @typedef {object} Frame
 * @property {string} [type]
 * @property {string} [cursor]
 * @property {string | number} [time] the server's, as a text or in ms since 1970
 * @property {string} [message]
 * @property {Quote[]} [quotes]
 * @property {Record<string, string>} [awaited] why there is no quote of a symbol yet
 */
/** @typedef {Record<string, string> | null} Awaited null if the server has not told */

/**
 * @typedef {object} Subscriber
 * @property {readonly string[] | null} symbols what it wants; null is everything
 * @property {(quotes: readonly Quote[], complete: boolean, awaited: Awaited) => void} receive complete: what was before is void
 * @property {(state: State, message: string) => void} status
 */

const SHORTEST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 20_000;
const REFUSED_DELAY_MS = 300_000;
const CONNECT_MS = 15_000;
// The server speaks at least every 25 s: two missed heartbeats and some patience.
const SILENCE_MS = 60_000;
const OFFLINE_AFTER_MS = 30_000;
const BETTER_WAY_MS = 300_000;
// How often a WebSocket may fail on a page where one got through before the other ways have their turns.
const PATIENCE = 11;
// A timer stands still while the machine sleeps, so it never waits longer than this.
const LOOK_MS = 60_000;

/** The close codes after which coming back unchanged is no use. */
export const REFUSALS = [1007, 1008, 1009, BAD_REQUEST];

/**
 * The server's address from that of its script, or from its own: `https://host/prefix`.
 *
 * @param {string | undefined} address
 * @param {string} [base]
 * @returns {string | null} null if it is none
 */
export function serverAddress(address, base) {
  if (!address || !URL.canParse(address, base)) return null;
  const { origin, pathname, protocol } = new URL(address, base);
  return /^https?:$/.test(protocol) ? origin + pathname.replace(/\/([^/]*\.js)?$/, "") : null;
}

/**
 * Milliseconds to wait before the next attempt: exponential with full jitter, so that the readers
 * of a server that fell over do not come back in step.
 *
 * @param {number} attempt from 0
 */
export function backoff(attempt) {
  const ceiling = Math.min(LONGEST_DELAY_MS, SHORTEST_DELAY_MS * 2 ** (attempt + 1));
  return SHORTEST_DELAY_MS + Math.random() * (ceiling - SHORTEST_DELAY_MS);
}

/**
 * Which of WAYS the next attempt goes.
 *
 * A network that lets no WebSocket through is told from a server that is down by what else gets through. It
 * may as well swallow one as refuse it, which takes CONNECT_MS to be seen.
 *
 * @param {number} failures in a row
 * @param {boolean} worked whether a WebSocket has got through on this page
 */
export function wayOf(failures, worked) {
  return Math.max(0, failures - (worked ? PATIENCE : 0)) % WAYS.length;
}

/**
 * Read a server's stream. The subscriber hears its state and what is known soon, and nothing before this returns.
 *
 * @param {string} server from `serverAddress`
 * @param {Subscriber} subscriber
 * @returns {() => void} stop reading
 */
export function subscribe(server, subscriber) {
  /** @type {ReturnType<typeof connect> | undefined} */
  let add = connections.get(server);
  if (!add) connections.set(server, (add = connect(server)));
  return add(subscriber);
}

/**
 * The connection of a page to a server; it lives as long as it has subscribers.
 *
 * A closure and no class: private fields would cost a hundred bytes.
 *
 * @param {string} server
 */
function connect(server) {
  /** @type {Set<Subscriber>} */
  const subscribers = new Set();
  /** @type {Map<string, Quote>} as the server said them */
  const known = new Map();
  /** Milliseconds that the server's clock is ahead of the reader's, which may be days off; NaN until it is known. */
  let ahead = NaN;
  /** @type {Quote[]} those that the readers have as late */
  let late = [];
  let cursor = "";
  /** @type {Awaited} */
  let awaited = null;
  /** @type {State} */
  let state = "connecting";
  /** @type {AbortController | null} */
  let listening = null;

  /** @type {(() => void) | null} of what is open now */
  let close = null;
  let way = 0;
  /** Whether a WebSocket has got through on this page. */
  let worked = false;
  let failures = 0;
  /** @type {readonly string[] | null} what it was opened for; null is everything */
  let selection = null;
  /** Whether one of the symbols is unknown to the server, so that all are taken, and chosen from here. */
  let everything = false;
  /** Whether the next attempt wants a snapshot: an update tells neither the server's order nor what is missing. */
  let unordered = false;

  const openIn = timer(open);
  // Runs out if nothing is heard in that time.
  const watch = timer(() => lost());
  const lookIn = timer(() => look());
  // From now on the silence counts: once it is long, the readers are told.
  const offlineIn = timer(() => become("offline"));

  /** @param {Subscriber} subscriber */
  function add(subscriber) {
    subscribers.add(subscriber);
    if (!covers(subscriber.symbols)) {
      unordered = true;
      awaited = null;
      // What the connection of before still says is not about this reader's symbols.
      if (close) {
        leave();
        openIn(0);
      }
    }
    if (!listening) start();
    // Later, as a framework that puts an element into the page is not ready for its events.
    queueMicrotask(() => {
      if (!subscribers.has(subscriber)) return;
      // What was heard for other readers may not be all that this one wants.
      tell(subscriber, [...known.values()], !!awaited);
      subscriber.status(state, "");
    });
    return () => {
      subscribers.delete(subscriber);
      // An element that only moves in the document comes back before this runs.
      queueMicrotask(() => subscribers.size || stop());
    };
  }

  function start() {
    listening = new AbortController();
    const { signal } = listening;
    // What was open before the network went is dead, and does not know.
    addEventListener("online", wake, { signal });
    // An open connection would keep the page out of the back/forward cache.
    addEventListener("pagehide", sleep, { signal });
    addEventListener("pageshow", ({ persisted }) => persisted && wake(), { signal });
    // The elements of the page are found one after the other: their wishes are put together.
    wake();
  }

  function stop() {
    listening?.abort();
    listening = null;
    sleep();
    if (state === "live") state = "connecting";
  }

  function sleep() {
    drop();
    openIn();
    watch();
    lookIn();
    offlineIn();
  }

  /** The network or the reader came: try now what waits, and anew what may be dead. */
  function wake() {
    offlineIn(OFFLINE_AFTER_MS);
    failures = 0;
    openIn(0);
    look();
  }

  function open() {
    drop();
    selection = wanted();
    watch(CONNECT_MS);
    way = wayOf(failures, worked);
    if (way) openIn(BETTER_WAY_MS);
    try {
      close = /** @type {import("./ways.js").Way} */ (WAYS[way])(server, query(), hear, lost);
    } catch {
      // The page's policy forbids it (Firefox, WebKit): another way may be allowed.
      lost();
    }
  }

  function query() {
    /** @type {any} */
    const asked = { ...(selection && { symbols: selection }), ...(cursor && !unordered && { cursor }) };
    return `${new URLSearchParams(asked)}`;
  }

  /** The union of what the subscribers want; null is everything. */
  function wanted() {
    const wishes = [...subscribers].map(({ symbols }) => symbols);
    if (everything || wishes.includes(null)) return null;
    return [...new Set(wishes.flatMap((symbols) => symbols ?? []))].sort();
  }

  /** @param {readonly string[] | null} symbols */
  const covers = (symbols) => !selection || !!symbols?.every((symbol) => selection?.includes(symbol));

  /** Close what is open without hearing from it again. */
  function drop() {
    close?.();
    close = null;
  }

  /** From now on the silence counts. */
  function leave() {
    drop();
    if (state !== "live") return;
    offlineIn(OFFLINE_AFTER_MS);
    become("connecting");
  }

  /** @param {number} [code] why the server closed it */
  function lost(code = 0) {
    leave();
    watch();
    // One reader's unknown symbol is not to cost the others theirs.
    const choose = code === BAD_REQUEST && !!selection;
    if (choose) everything = unordered = true;
    openIn(REFUSALS.includes(code) && !choose ? REFUSED_DELAY_MS : backoff(failures));
    if (!choose) failures++;
  }

  /**
   * Any frame, a heartbeat too, says that the connection is alive.
   *
   * @param {Frame | null} frame null if it was none
   */
  function hear(frame) {
    if (!frame?.type) return lost();
    watch(SILENCE_MS);
    if (frame.type === "error") return become(state, frame.message);
    worked ||= !way;
    failures = 0;
    offlineIn();
    cursor = frame.cursor ?? cursor;
    if (frame.time) ahead = +new Date(frame.time) - Date.now();
    if (frame.type === "snapshot") awaited = {};
    awaited &&= { ...awaited, ...frame.awaited };
    if (frame.quotes) take(frame.quotes, frame.type === "snapshot");
    else look();
    if (state !== "live") become("live");
  }

  /**
   * @param {readonly Quote[]} quotes
   * @param {boolean} complete
   */
  function take(quotes, complete) {
    if (complete) {
      known.clear();
      unordered = false;
    } else if (!unordered && quotes.some(({ symbol }) => !known.has(symbol))) {
      unordered = true;
      openIn(backoff(1));
    }
    for (const quote of quotes) known.set(quote.symbol, quote);
    look(quotes, complete);
  }

  /**
   * Milliseconds until a quote is late; NaN if nothing is due.
   *
   * @param {Quote} quote
   */
  const left = ({ due_at }) => Date.parse(due_at ?? "") - Date.now() - ahead;

  /** @param {Quote} quote */
  const isLate = (quote) => left(quote) <= 0;

  /**
   * A quote is stale from `due_at` on, whatever it was said with: the server may be out of reach.
   *
   * @param {readonly Quote[]} quotes
   * @returns {Quote[]}
   */
  const judged = (quotes) => quotes.map((quote) => (isLate(quote) ? { ...quote, status: "stale" } : quote));

  /**
   * Tell the readers what is new, and what has become late, or is late no more as a clock was set.
   *
   * @param {readonly Quote[]} [fresh]
   * @param {boolean} [complete]
   */
  function look(fresh = [], complete = false) {
    const quotes = [...known.values()];
    const news = quotes.filter((quote) => fresh.includes(quote) || isLate(quote) !== late.includes(quote));
    late = quotes.filter(isLate);
    lookIn(Math.min(LOOK_MS, ...quotes.map(left).filter((ms) => ms > 0)));
    if (!complete && !news.length) return;
    for (const subscriber of [...subscribers]) tell(subscriber, news, complete);
  }

  /**
   * Tell a reader what it wants of these quotes. Where everything was asked for, the reverse of a symbol is not
   * among it.
   *
   * @param {Subscriber} subscriber
   * @param {readonly Quote[]} quotes
   * @param {boolean} complete
   */
  function tell({ symbols, receive }, quotes, complete) {
    const both = judged(quotes).flatMap((quote) =>
      symbols && !known.has(reverse(quote.symbol)) ? [quote, inverted(quote)] : quote,
    );
    receive(both.filter(({ symbol }) => symbols?.includes(symbol) ?? true), complete, awaited);
  }

  /**
   * @param {State} now
   * @param {string} [message] what the server said was wrong
   */
  function become(now, message = "") {
    state = now;
    for (const subscriber of [...subscribers]) subscriber.status(state, message);
  }

  return add;
}
