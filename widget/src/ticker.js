// @ts-check
/** The element `<currency-ticker>`. Importing this registers nothing; see define.js and main.js. */

import { credit, labels, locale } from "./format.js";
import { makeLine } from "./line.js";
import { element } from "./parts.js";
import { history, outline } from "./sparkline.js";
import { serverAddress, subscribe } from "./stream.js";
import { STYLE } from "./style.js";
import { mark, write } from "./write.js";

/** @typedef {import("./stream.js").Quote} Quote */
/** @typedef {import("./stream.js").State} State */

const DEFAULT_SPEED = 50;
const FASTEST = 1000;
const MOST_DIGITS = 12;
// Often enough for a reader, at a third of what five writings a second took (2026-11), and for all
// elements of the page at once.
const PAINT_EVERY_MS = 1000;
// A line that nobody sees hears nothing either: a socket alone costs 1.5 ms/s at five updates a second (2026-11).
const LINGER_MS = 2000;
// So that the line is up to date before it is scrolled into sight.
const NEAR = "200px";

const SWITCHES = ["invert", "sparkline", "paused", "static"];
const OBSERVED = [
  ...["symbols", "src", "speed", "direction", "theme", "locale", "digits", "format", "link", "attribution"],
  ...SWITCHES,
];

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
 * The property of an attribute that is there or not.
 *
 * @param {string} name
 * @returns {PropertyDescriptor & ThisType<CurrencyTicker>}
 */
const switching = (name) => ({
  get() {
    return this.hasAttribute(name);
  },
  set(value) {
    this.toggleAttribute(name, !!value);
  },
});

/**
 * The property of an attribute with a text.
 *
 * @param {string} name
 * @returns {PropertyDescriptor & ThisType<CurrencyTicker>}
 */
const text = (name) => ({
  get() {
    return this.getAttribute(name) ?? "";
  },
  set(value) {
    mark(this, name, `${value ?? ""}`);
  },
});

/**
 * A line of quotes, live from the ticker's stream.
 *
 * Attributes, each with a property of its name: `symbols` (`KGS USD/KZT`, all without it), `src` (the
 * server), `speed` (px per second), `direction` (`reverse`), `theme` (`light`, `dark`), `locale` (else
 * the page's `lang`), `digits` (decimals), `format` (`compact`, `names`), `link` (an address with
 * `{symbol}`, `{base}`, `{quote}` in it), `attribution` (id of the page's element for it); `invert`,
 * `sparkline`, `paused`, `static` are there or not. What cannot be read falls back to the default.
 * The element tells its `state`: connecting, live, offline.
 *
 * Events, which bubble out of shadow trees: `ticker-quote` (detail: the quote), `ticker-status`
 * (detail: state and message), `ticker-select` (detail: the quote; cancelable, then no link is followed).
 */
export class CurrencyTicker extends HTMLElement {
  static observedAttributes = OBSERVED;

  /** @type {string | null} the server of elements without `src`; else the page's own */
  static server = null;

  #line = makeLine();
  #message = element("div", "message");
  #status = element("span", "status");
  #button = element("button", "pause");
  #credit = element("slot", "");
  #attribution = element("div", "attribution", this.#credit);
  #region = element(
    "div",
    "region",
    element("div", "bar", this.#line.node, this.#status, this.#button),
    this.#attribution,
  );

  /** @type {Map<string, Quote>} */
  #quotes = new Map();
  /** @type {readonly string[] | null} */
  #symbols = null;
  #stream = "";
  /** @type {(() => void) | null} */
  #unsubscribe = null;
  /** @type {AbortController | null} */
  #connected = null;
  #still = matchMedia("(prefers-reduced-motion: reduce)");
  #locale = "";
  /** @type {number | undefined} */
  #painting;
  /** @type {number | undefined} */
  #leaving;
  /** Why the line stands. */
  #holds = { paused: false, pointed: false, focused: false, hidden: false, offScreen: false };

  static {
    for (const name of OBSERVED) {
      Object.defineProperty(this.prototype, name, SWITCHES.includes(name) ? switching(name) : text(name));
    }
  }

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [styleSheet()];
    this.#line.node.prepend(this.#message);
    root.append(this.#region);
    mark(this.#region, "role", "region");
    mark(this.#status, "role", "status");
    mark(this.#credit, "name", "attribution");
  }

  connectedCallback() {
    this.#upgrade();
    this.#connected = new AbortController();
    this.#listen(this.#connected.signal);
    this.#line.connect();
    this.#hold({ hidden: document.hidden });
    this.#refresh();
  }

  disconnectedCallback() {
    this.#connected?.abort();
    this.#leave();
    clearTimeout(this.#painting);
    this.#hold({ pointed: false, focused: false, offScreen: false });
    clearTimeout(this.#leaving);
    this.#line.disconnect();
  }

  attributeChangedCallback() {
    if (this.isConnected) this.#refreshIn(0);
  }

  /** Properties that were set before the element was defined hide the class's own. */
  #upgrade() {
    const self = /** @type {any} */ (this);
    for (const name of OBSERVED.filter((name) => Object.hasOwn(self, name))) {
      const value = self[name];
      delete self[name];
      self[name] = value;
    }
  }

  /** @param {AbortSignal} signal */
  #listen(signal) {
    const { node } = this.#line;
    /** @type {(target: EventTarget, type: string, act: (event: any) => void) => void} */
    const on = (target, type, act) => target.addEventListener(type, act, { signal });
    on(node, "pointerenter", () => this.#hold({ pointed: true }));
    on(node, "pointerleave", () => this.#hold({ pointed: false }));
    on(node, "pointermove", (event) => mark(node, "title", this.#line.title(this.#line.at(event))));
    on(node, "click", (event) => this.#select(event));
    on(node, "focusin", ({ target }) => {
      if (!target.matches(":focus-visible")) return;
      this.#hold({ focused: true });
      this.#line.reveal(symbolOf(target));
    });
    on(node, "focusout", () => this.#hold({ focused: false }));
    on(document, "visibilitychange", () => this.#hold({ hidden: document.hidden }));
    on(this.#button, "click", () => this.toggleAttribute("paused"));
    on(this.#still, "change", () => this.#refresh());
    const watch = new IntersectionObserver(
      (entries) => this.#hold({ offScreen: !entries.at(-1)?.isIntersecting }),
      { rootMargin: NEAR },
    );
    watch.observe(this);
    signal.onabort = () => watch.disconnect();
  }

  /** @param {Partial<Record<"paused" | "pointed" | "focused" | "hidden" | "offScreen", boolean>>} change */
  #hold(change) {
    const wasAway = this.#away();
    Object.assign(this.#holds, change);
    const isAway = this.#away();
    this.#line.hold(Object.values(this.#holds).includes(true), isAway);
    if (isAway === wasAway) return;
    clearTimeout(this.#leaving);
    if (isAway) this.#leaving = setTimeout(() => this.#leave(), LINGER_MS);
    else this.#refresh();
  }

  #leave() {
    this.#unsubscribe?.();
    this.#unsubscribe = null;
  }

  /** Whether nobody can see the line. */
  #away() {
    return this.#holds.hidden || this.#holds.offScreen;
  }

  /** @param {number} milliseconds */
  #refreshIn(milliseconds) {
    clearTimeout(this.#painting);
    this.#painting = setTimeout(() => this.#refresh(), milliseconds);
  }

  /** Bring everything in line with the attributes, the page and the quotes; only what differs is written. */
  #refresh() {
    clearTimeout(this.#painting);
    if (!this.isConnected) return;
    this.#locale = this.#pageLocale();
    /** @param {string} name */
    const text = (name) => this.getAttribute(name) ?? "";
    this.#line.configure(
      {
        speed: number(text("speed"), FASTEST) || DEFAULT_SPEED,
        reverse: text("direction") === "reverse",
        still: this.hasAttribute("static") || this.#still.matches,
      },
      {
        locale: this.#locale,
        digits: number(text("digits"), MOST_DIGITS),
        invert: this.hasAttribute("invert"),
        format: text("format"),
        link: serverAddress(text("link"), document.baseURI) ? text("link") : "",
        sparkline: this.hasAttribute("sparkline"),
      },
    );
    const { rates, pause } = labels(this.#locale);
    mark(this.#region, "lang", this.#locale);
    mark(this.#region, "aria-label", text("aria-label") || `${rates} ${text("symbols")}`.trim());
    mark(this.#button, "aria-label", pause);
    mark(this.#button, "aria-pressed", `${this.hasAttribute("paused")}`);
    write(this.#message, `${rates}…`);
    this.#hold({ paused: this.hasAttribute("paused") });
    if (!this.#away() || !this.#stream) this.#read();
    this.#sayState();
    this.#paint();
  }

  /** What `locale` or the page says, through all shadow trees between. */
  #pageLocale() {
    /** @type {Element | undefined} */
    let node = this;
    let tag = this.getAttribute("locale");
    while (!tag && node) {
      tag = node.closest("[lang]")?.getAttribute("lang") ?? "";
      node = /** @type {ShadowRoot} */ (node.getRootNode()).host;
    }
    return locale(tag);
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
    const { server } = /** @type {typeof CurrencyTicker} */ (this.constructor);
    const source = this.getAttribute("src");
    return (source && serverAddress(source, document.baseURI)) || server || location.origin;
  }

  /**
   * @param {readonly Quote[]} quotes
   * @param {boolean} complete
   */
  #receive(quotes, complete) {
    const first = !this.#quotes.size;
    if (complete) this.#quotes.clear();
    for (const quote of quotes) this.#quotes.set(quote.symbol, quote);
    if (first) this.#refresh();
    else this.#schedule();
    for (const detail of quotes) this.#emit("ticker-quote", detail);
  }

  /** Nothing is written where nobody sees it: that is done when the line comes into sight. */
  #schedule() {
    if (!this.#away()) this.#refreshIn(PAINT_EVERY_MS - (performance.now() % PAINT_EVERY_MS));
  }

  #paint() {
    const symbols = this.#symbols ?? [...this.#quotes.keys()];
    const quotes = symbols.flatMap((symbol) => this.#quotes.get(symbol) ?? []);
    this.#message.hidden = quotes.length > 0;
    this.#line.show(quotes, (quote) => this.#chart(quote));
    this.#giveCredit(quotes);
  }

  /** @param {Quote} quote */
  #chart(quote) {
    if (!this.hasAttribute("sparkline")) return "";
    const fixings = history(this.#server(), quote, () => this.#schedule());
    return outline(fixings, this.hasAttribute("invert") ? "inverse" : "price");
  }

  /** @param {readonly Quote[]} quotes */
  #giveCredit(quotes) {
    const names = quotes.filter(({ status }) => status !== "pegged").map(credit);
    const text = names.length ? `${labels(this.#locale).source}: ${[...new Set(names)].join(", ")}` : "";
    const elsewhere = document.getElementById(this.getAttribute("attribution") ?? "");
    write(elsewhere ?? this.#credit, text);
    this.#attribution.hidden = !!elsewhere;
  }

  /**
   * A click on an item, or on a copy, which has no links of its own.
   *
   * @param {MouseEvent} event
   */
  #select(event) {
    const symbol = symbolOf(event.target);
    const known = symbol || this.#line.at(event);
    const content = this.#line.content(known);
    const detail = this.#quotes.get(known);
    if (!detail || !content) return;
    if (!symbol && content.matches("a")) content.dispatchEvent(new MouseEvent("click", event));
    else if (!this.#emit("ticker-select", detail)) event.preventDefault();
  }

  /**
   * @param {State} state
   * @param {string} message
   */
  #tell(state, message) {
    mark(this, "state", state);
    this.#sayState();
    this.#emit("ticker-status", { state, message });
  }

  #sayState() {
    const isOffline = this.getAttribute("state") === "offline";
    write(this.#status, isOffline ? labels(this.#locale).offline : "");
  }

  /**
   * @param {string} type
   * @param {unknown} detail
   * @returns {boolean} whether nobody has cancelled it
   */
  #emit(type, detail) {
    const cancelable = type === "ticker-select";
    return this.dispatchEvent(new CustomEvent(type, { detail, cancelable, bubbles: true, composed: true }));
  }
}

/** @param {EventTarget | null} target inside the line */
const symbolOf = (target) =>
  /** @type {Element} */ (target).closest("[data-symbol]")?.getAttribute("data-symbol") ?? "";

/**
 * `KGS kzt/usd,TJS-USD USDUZS` as symbols; null, which is all, where there is none.
 *
 * @param {string | null} text
 */
function symbols(text) {
  const found = text?.toUpperCase().match(/\b[A-Z]{3}([/-]?[A-Z]{3})?\b/g);
  const whole = found?.map((symbol) => `${symbol.slice(0, 3)}/${symbol[3] ? symbol.slice(-3) : "USD"}`);
  return whole ? [...new Set(whole)] : null;
}

/**
 * @param {string} text
 * @param {number} most
 * @returns {number | null} null if it is none from 0 to `most`
 */
function number(text, most) {
  const value = parseFloat(text);
  return value >= 0 && value <= most ? value : null;
}
