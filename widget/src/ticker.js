// @ts-check
/** The element `<currency-ticker>`. Importing this registers nothing; see define.js and main.js. */

import { element, mark } from "./item.js";
import { Line } from "./line.js";
import { serverAddress, subscribe } from "./stream.js";
import { STYLE } from "./style.js";

/** @typedef {import("./stream.js").Quote} Quote */
/** @typedef {import("./stream.js").State} State */

const DEFAULT_SPEED = 50;
const FASTEST = 1000;
const MOST_DIGITS = 12;
// Often enough for a reader. Writing each of five updates a second took 18 ms/s of the page, so 13.
const PAINT_EVERY_MS = 500;

/** @type {CSSStyleSheet | undefined} one for all elements */
let sheet;

function styleSheet() {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
  }
  return sheet;
}

/**
 * A line of quotes, live from the ticker's stream.
 *
 * Attributes: `symbols` (`KGS KZT/USD`, all without it), `src` (the server), `speed` (px per
 * second), `direction` (`reverse`), `theme` (`light`, `dark`), `digits`, `paused`. What cannot be
 * read falls back to the default. The element tells its `state`: connecting, live, offline.
 *
 * Events, which bubble out of shadow trees: `ticker-quote` (detail: the quote), `ticker-status`
 * (detail: state and message).
 */
export class CurrencyTicker extends HTMLElement {
  static observedAttributes = ["symbols", "src", "speed", "direction", "theme", "digits", "paused"];

  /** @type {string | null} the server of elements without `src`; else the page's own */
  static server = null;

  #line = new Line();
  #message = element("p", { part: "message" }, "waiting for rates…");
  #status = element("span", { part: "status" }, "offline");
  #button = element("button", { part: "pause", type: "button", "aria-label": "Pause" });

  /** @type {Map<string, Quote>} */
  #quotes = new Map();
  /** @type {readonly string[] | null} */
  #symbols = null;
  #stream = "";
  /** @type {(() => void) | null} */
  #unsubscribe = null;
  /** @type {AbortController | null} */
  #connected = null;

  #refreshing = false;
  #paintedAt = 0;
  /** @type {number | undefined} */
  #painting;
  /** Why the line stands. */
  #holds = { paused: false, pointed: false, focused: false, hidden: false, offScreen: false };
  /** @type {MediaQueryList | null} */
  #still = null;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [styleSheet()];
    this.#line.node.prepend(this.#message);
    root.append(element("div", { class: "bar", part: "bar" }, this.#line.node, this.#status, this.#button));
  }

  get paused() {
    return this.hasAttribute("paused");
  }

  set paused(paused) {
    this.toggleAttribute("paused", paused);
  }

  connectedCallback() {
    this.#connected = new AbortController();
    this.#still = matchMedia("(prefers-reduced-motion: reduce)");
    this.#listen(this.#connected.signal);
    this.#line.connect();
    this.#holds.hidden = document.hidden;
    this.#refresh();
  }

  disconnectedCallback() {
    this.#connected?.abort();
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    this.#unschedule();
    this.#holds.pointed = this.#holds.focused = false;
    this.#line.disconnect();
  }

  attributeChangedCallback() {
    if (this.#refreshing) return;
    this.#refreshing = true;
    queueMicrotask(() => {
      this.#refreshing = false;
      if (this.isConnected) this.#refresh();
    });
  }

  /** @param {AbortSignal} signal */
  #listen(signal) {
    const { node } = this.#line;
    /** @type {(target: EventTarget, type: string, act: () => void) => void} */
    const on = (target, type, act) => target.addEventListener(type, act, { signal });
    on(node, "pointerenter", () => this.#hold("pointed", true));
    on(node, "pointerleave", () => this.#hold("pointed", false));
    on(node, "focusin", () => this.#hold("focused", true));
    on(node, "focusout", () => this.#hold("focused", false));
    on(document, "visibilitychange", () => this.#hold("hidden", document.hidden));
    on(this.#button, "click", () => (this.paused = !this.paused));
    if (this.#still) on(this.#still, "change", () => this.#refresh());
    const watch = new IntersectionObserver((entries) => {
      this.#hold("offScreen", !entries.at(-1)?.isIntersecting);
    });
    watch.observe(this);
    signal.addEventListener("abort", () => watch.disconnect(), { once: true });
  }

  /** Bring everything in line with the attributes. */
  #refresh() {
    this.#line.configure({
      speed: number(this.getAttribute("speed"), FASTEST) || DEFAULT_SPEED,
      reverse: this.getAttribute("direction") === "reverse",
      digits: whole(this.getAttribute("digits"), MOST_DIGITS),
      still: !!this.#still?.matches,
    });
    mark(this.#button, "aria-pressed", `${this.paused}`);
    this.#hold("paused", this.paused);
    this.#read();
    this.#paint();
  }

  /**
   * @param {"paused" | "pointed" | "focused" | "hidden" | "offScreen"} reason
   * @param {boolean} held
   */
  #hold(reason, held) {
    this.#holds[reason] = held;
    const { hidden, offScreen } = this.#holds;
    this.#line.hold(Object.values(this.#holds).includes(true), hidden || offScreen);
  }

  #read() {
    const server = this.#server();
    this.#symbols = symbols(this.getAttribute("symbols"));
    const stream = `${server} ${this.#symbols}`;
    if (this.#unsubscribe && stream === this.#stream) return;
    const stop = this.#unsubscribe;
    if (stream !== this.#stream) this.#quotes.clear();
    this.#stream = stream;
    this.#unsubscribe = subscribe(server, {
      symbols: this.#symbols,
      receive: (quotes, complete) => this.#receive(quotes, complete),
      status: (state, message) => this.#tell(state, message),
    });
    stop?.();
  }

  #server() {
    const { baseURI } = document;
    const source = this.getAttribute("src");
    return (
      (source && serverAddress(source, baseURI)) ||
      /** @type {typeof CurrencyTicker} */ (this.constructor).server ||
      location.origin
    );
  }

  /**
   * @param {readonly Quote[]} quotes
   * @param {boolean} complete
   */
  #receive(quotes, complete) {
    const wanted = quotes.filter(({ symbol }) => this.#symbols?.includes(symbol) ?? true);
    const first = !this.#quotes.size;
    if (complete) this.#quotes.clear();
    for (const quote of wanted) this.#quotes.set(quote.symbol, quote);
    if (first) this.#paint();
    else this.#schedule();
    for (const detail of wanted) this.#emit("ticker-quote", detail);
  }

  #schedule() {
    const wait = this.#paintedAt + PAINT_EVERY_MS - performance.now();
    this.#painting ??= setTimeout(() => this.#paint(), wait);
  }

  #unschedule() {
    clearTimeout(this.#painting);
    this.#painting = undefined;
  }

  #paint() {
    this.#unschedule();
    this.#paintedAt = performance.now();
    const quotes = this.#symbols
      ? this.#symbols.flatMap((symbol) => this.#quotes.get(symbol) ?? [])
      : [...this.#quotes.values()];
    this.#message.hidden = quotes.length > 0;
    this.#line.node.classList.toggle("idle", !quotes.length);
    this.#line.show(quotes);
  }

  /**
   * @param {State} state
   * @param {string} message
   */
  #tell(state, message) {
    mark(this, "state", state);
    this.#emit("ticker-status", { state, message });
  }

  /**
   * @param {string} type
   * @param {unknown} detail
   */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}

/**
 * `KGS kzt/usd,TJS` as symbols; null, which is all, where there is none.
 *
 * @param {string | null} text
 */
function symbols(text) {
  const found = (text ?? "").toUpperCase().match(/\b[A-Z]{3}(\/[A-Z]{3})?\b/g) ?? [];
  const whole = found.map((symbol) => (symbol.includes("/") ? symbol : `${symbol}/USD`));
  return whole.length ? [...new Set(whole)] : null;
}

/**
 * @param {string | null} text
 * @param {number} most
 * @returns {number | null} null if it is none from 0 to `most`
 */
function number(text, most) {
  const value = text?.trim() ? Number(text) : NaN;
  return value >= 0 && value <= most ? value : null;
}

/**
 * @param {string | null} text
 * @param {number} most
 */
function whole(text, most) {
  const value = number(text, most);
  return value !== null && Number.isInteger(value) ? value : null;
}
