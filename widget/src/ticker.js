// @ts-check
/** The element `<currency-ticker>`. Importing this registers nothing; see define.js and main.js. */

import { address, declare, oneOf, said, upgrade } from "./attributes.js";
import { fetched } from "./fetched.js";
import { ENGLISH, credits, languageOf, locale } from "./format.js";
import { languageAt } from "./language.js";
import { makeLine } from "./line.js";
import { element } from "./parts.js";
import { lines, present } from "./present.js";
import { sharedSheet, styleSheet } from "./sheets.js";
import { history, outline } from "./sparkline.js";
import { stateOf } from "./states.js";
import { subscribe } from "./stream.js";
import { STYLE } from "./style.js";
import { absent, symbolsOf } from "./symbols.js";
import { timer } from "./timer.js";
import { mark, write } from "./write.js";

/** @typedef {import("./item.js").Quote} Quote */
/** @typedef {import("./stream.js").State} State */
/** @typedef {import("./stream.js").Awaited} Awaited */

// Often enough for a reader, at a third of what five writings a second took (2026-11), and for all
// elements of the page at once.
const PAINT_EVERY_MS = 1000;
// A line that nobody sees hears nothing either: a socket alone costs 1.5 ms/s at five updates a second (2026-11).
const LINGER_MS = 2000;
// So that the line is up to date before it is scrolled into sight.
const NEAR = "200px";

// Why a line stands, as bits.
const PAUSED = 1;
const POINTED = 2;
const FOCUSED = 4;
const HIDDEN = 8;
const OFF_SCREEN = 16;

const AN_ADDRESS = { test: address };

/** @type {import("./attributes.js").Forms} */
const FORMS = {
  symbols: [/[a-z]/i, ""],
  titles: [/=/, ""],
  attribution: [/^/, ""],
  src: [AN_ADDRESS, ""],
  link: [AN_ADDRESS, ""],
  locale: [{ test: locale }, ""],
  speed: [/^(?!0)(\d{1,3}|1000)\b/, 50, parseFloat],
  digits: [/^(\d|1[0-2])\b/, null, parseFloat],
  direction: oneOf("left", "reverse"),
  theme: oneOf("auto", "light", "dark"),
  size: oneOf("regular", "small"),
  format: oneOf("line", "compact", "names"),
  hide: oneOf("", "change"),
  hover: oneOf("stop", "run"),
  motion: oneOf("auto", "always"),
  invert: true,
  sparkline: true,
  static: true,
  paused: true,
  transparent: true,
};
const OBSERVED = Object.keys(FORMS);

/**
 * A line of quotes, live from the ticker's stream.
 *
 * Attributes, each with a property of its name: `symbols` (`KGS USD/KZT`, all without it), `titles` (names
 * for some: `KGS=Som`), `src` (the server), `speed` (px per second), `direction` (`reverse`), `theme`
 * (`light`, `dark`), `size` (`small`), `locale` (else the page's `lang`), `digits` (decimals), `format`
 * (`compact`, `names`), `hide` (`change`), `hover` (`run`), `motion` (`always`), `link` (an address with
 * `{symbol}`, `{base}`, `{quote}` in it), `attribution` (id of the page's element for it); `invert`,
 * `sparkline`, `paused`, `static`, `transparent` are there or not, and `false` is off. What cannot be read
 * falls back to the default, and is told on the console. Its property `state` says how the connection is (connecting,
 * live, offline), as does `:state(live)` in style sheets. It writes no attribute of its own accord: a
 * framework compares what it finds with what it wrote.
 *
 * Events, which bubble out of shadow trees: `ticker-quote` (detail: the quote), `ticker-status`
 * (detail: state and message), `ticker-select` (detail: the quote; cancelable, then no link is followed).
 */
export class CurrencyTicker extends HTMLElement {
  static observedAttributes = OBSERVED;

  /** @type {string | null} the server of elements without `src`; else the page's own */
  static server = null;

  /** @type {typeof import("./placement.js").embed | undefined} what later runs of the script call */
  static embed;

  #ticker = makeTicker(this);

  static {
    declare(this.prototype, FORMS);
  }

  /** How the connection is. */
  get state() {
    return this.#ticker.state();
  }

  connectedCallback() {
    this.#ticker.connect();
  }

  disconnectedCallback() {
    this.#ticker.disconnect();
  }

  attributeChangedCallback() {
    this.#ticker.change();
  }
}

/**
 * What an element does.
 *
 * A closure and no class: private fields would cost two hundred bytes.
 *
 * @param {HTMLElement} host
 */
function makeTicker(host) {
  /** @type {CSSStyleSheet} of this element alone, which is no attribute of the page's node */
  let own;
  const line = makeLine((item) => {
    const { width, maxWidth } = getComputedStyle(probe);
    own.replaceSync(`:host{--item:${item}px;${width + maxWidth === "auto100%" ? "" : "min-width:0"}}`);
  });
  /** It inherits what the page says of the element's width, which is not to be overruled. */
  const probe = element("p", "");
  const message = element("div", "message", "…");
  const status = element("output", "status");
  const button = element("button", "pause");
  const sources = element("slot", "");
  const attribution = element("div", "attribution", sources);
  const region = element("section", "region", element("div", "bar", line.node, status, button), attribution);
  const root = host.attachShadow({ mode: "open" });
  const become = stateOf(host);
  const motion = matchMedia("(prefers-reduced-motion: reduce)");

  /** @type {Map<string, Quote>} */
  const known = new Map();
  /** @type {Awaited} */
  let awaited = null;
  /** @type {readonly string[] | null} */
  let symbols = null;
  let stream = "";
  /** @type {(() => void) | null} */
  let unsubscribe = null;
  /** @type {State} */
  let state = "connecting";
  /** @type {AbortController} */
  let connected;
  let language = "";
  /** @type {import("./format.js").Labels | undefined} */
  let labels;
  const refreshIn = timer(refresh);
  const leaveIn = timer(hearNothing);
  /** Why the line stands: some of PAUSED and the others. */
  let holds = 0;
  /** Where the pointer was last, in px. */
  let finger = 0;

  line.node.prepend(message);
  root.append(region, probe);
  mark(sources, "name", "attribution");

  function listen() {
    const { node } = line;
    const { signal } = (connected = new AbortController());
    /** @type {(target: EventTarget, type: string, act: (event: any) => void) => void} */
    const on = (target, type, act) => target.addEventListener(type, act, { signal });
    on(node, "pointerenter", (event) => {
      finger = event.clientX;
      hold(POINTED, isFinger(event) || value("hover") === "stop");
    });
    on(node, "pointerleave", () => hold(POINTED, false));
    on(node, "pointermove", (event) => {
      mark(node, "title", line.title(line.at(event)));
      if (event.buttons && isFinger(event)) line.push(event.clientX - finger);
      finger = event.clientX;
    });
    on(node, "wheel", turn);
    on(node, "click", select);
    on(node, "focusin", ({ target }) => {
      if (!target.matches(":focus-visible")) return;
      hold(FOCUSED, true);
      line.reveal(symbolOf(target));
    });
    on(node, "focusout", () => hold(FOCUSED, false));
    on(document, "visibilitychange", () => hold(HIDDEN, document.hidden));
    on(button, "click", () => (/** @type {any} */ (host).paused = !value("paused")));
    on(motion, "change", refresh);
    const watch = new IntersectionObserver((entries) => hold(OFF_SCREEN, !entries.at(-1)?.isIntersecting), {
      rootMargin: NEAR,
    });
    // Where the page lets it make no box, its content has one.
    watch.observe(region);
    signal.onabort = () => watch.disconnect();
  }

  /**
   * @param {number} reason
   * @param {boolean} is
   */
  function hold(reason, is) {
    const wasAway = away();
    holds = is ? holds | reason : holds & ~reason;
    line.hold(!!holds, away());
    if (away() === wasAway) return;
    leaveIn(away() ? LINGER_MS : undefined);
    if (wasAway) refresh();
  }

  function hearNothing() {
    unsubscribe?.();
    unsubscribe = null;
  }

  /** Whether nobody can see the line. */
  const away = () => !!(holds & (HIDDEN | OFF_SCREEN));

  /** What an attribute says, as its property gives it. @param {string} name */
  const value = (name) => said(host, name, FORMS[name]);

  /** A wheel that turns sideways moves the line; any other is the page's. @param {WheelEvent} event */
  function turn(event) {
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY) && line.push(-event.deltaX)) event.preventDefault();
  }

  /** Bring everything in line with the attributes, the page and the quotes; only what differs is written. */
  function refresh() {
    refreshIn();
    if (!host.isConnected) return;
    language = languageAt(host, value("locale"));
    hold(PAUSED, value("paused"));
    // What is known comes at once.
    if ((!away() || !stream) && read()) return;
    // The quotes are on their way meanwhile.
    const labels = words();
    const names = value("format") === "names" && told("names");
    if (!labels || names === undefined) return giveCredit([]);
    value("theme");
    value("size");
    line.configure(
      {
        speed: value("speed"),
        reverse: value("direction") === "reverse",
        still: value("static") || (motion.matches && value("motion") === "auto"),
      },
      {
        locale: language,
        labels,
        digits: value("digits"),
        invert: value("invert"),
        format: value("format"),
        hide: value("hide"),
        titles: value("titles"),
        link: value("link"),
        sparkline: value("sparkline"),
        names,
      },
    );
    mark(region, "lang", language);
    mark(region, "aria-label", host.getAttribute("aria-label") || `${labels.rates} ${value("symbols")}`.trim());
    mark(button, "aria-label", labels.pause);
    mark(button, "aria-pressed", `${value("paused")}`);
    write(message, `${labels.rates}…`);
    sayState();
    paint();
  }

  function read() {
    symbols = symbolsOf(value("symbols"));
    const wanted = `${server()} ${symbols}`;
    if (unsubscribe && wanted === stream) return;
    const stop = unsubscribe;
    if (wanted !== stream) {
      known.clear();
      awaited = null;
    }
    stream = wanted;
    unsubscribe = subscribe(server(), { symbols, receive, status: tell });
    stop?.();
    return true;
  }

  function server() {
    const { server } = /** @type {typeof CurrencyTicker} */ (host.constructor);
    return address(value("src")) || server || location.origin;
  }

  /** What the server has in the line's language. @param {"names" | "labels"} kind */
  const told = (kind) => fetched(`${server()}/v1/${kind}/${languageOf(language)}.json`, refresh);

  /** The words of the language, or those of before until they are there; undefined if there are none yet. */
  function words() {
    const found = languageOf(language) === "en" ? ENGLISH : told("labels");
    if (found !== undefined) labels = found?.rates ? found : ENGLISH;
    return labels;
  }

  /** @type {import("./stream.js").Subscriber["receive"]} */
  function receive(quotes, complete, missing) {
    const isFirst = !known.size;
    if (complete) known.clear();
    for (const quote of quotes) known.set(quote.symbol, quote);
    awaited = missing;
    isFirst ? refresh() : schedule();
    for (const detail of quotes) emit("ticker-quote", detail);
  }

  /** Nothing is written where nobody sees it: that is done when the line comes into sight. */
  function schedule() {
    if (!away()) refreshIn(PAINT_EVERY_MS - (performance.now() % PAINT_EVERY_MS));
  }

  function paint() {
    const all = symbols ?? [...known.keys(), ...Object.keys(awaited ?? {})];
    const quotes = all.flatMap((symbol) => known.get(symbol) ?? absent(symbol, awaited));
    message.hidden = quotes.length > 0;
    line.show(quotes, chart);
    giveCredit(quotes);
  }

  /** @param {Quote} quote */
  function chart(quote) {
    if (!value("sparkline") || quote.reason) return "";
    return outline(history(server(), quote, schedule), value("invert") ? "inverse" : "price");
  }

  /** @param {readonly Quote[]} quotes */
  function giveCredit(quotes) {
    const text = credits(quotes, labels?.source);
    const id = value("attribution");
    const elsewhere =
      /** @type {Document} */ (host.getRootNode()).getElementById(id) ?? document.getElementById(id);
    // Until there are quotes, the words of the page's own element stay.
    write((quotes[0] && elsewhere) || sources, text);
    attribution.hidden = !!elsewhere;
  }

  /**
   * A click on an item, or on a copy, which has no links of its own.
   *
   * @param {MouseEvent} event
   */
  function select(event) {
    const own = symbolOf(event.target);
    const symbol = own || line.at(event);
    const detail = known.get(symbol);
    if (!detail) return;
    const content = /** @type {HTMLElement} */ (line.content(symbol));
    if (!own && content.matches("a")) content.dispatchEvent(new MouseEvent("click", event));
    else if (!emit("ticker-select", detail)) event.preventDefault();
  }

  /** @type {import("./stream.js").Subscriber["status"]} */
  function tell(now, message) {
    state = now;
    become(state);
    sayState();
    emit("ticker-status", { state, message });
  }

  function sayState() {
    write(status, (state === "offline" && labels?.offline) || "");
  }

  /**
   * @param {string} type
   * @param {unknown} detail
   * @returns {boolean} whether nobody has cancelled it
   */
  function emit(type, detail) {
    const cancelable = type === "ticker-select";
    return host.dispatchEvent(new CustomEvent(type, { detail, cancelable, bubbles: true, composed: true }));
  }

  return {
    state: () => state,

    connect() {
      upgrade(host, OBSERVED);
      const least = lines.has(host) ? 1 : 0;
      for (const each of present) if ((lines.get(each) ?? 0) > least) each.remove();
      present.add(host);
      // A move to another document takes it away.
      const { ownerDocument } = host;
      root.adoptedStyleSheets = [sharedSheet(ownerDocument, STYLE), (own = styleSheet(ownerDocument, ""))];
      listen();
      line.connect();
      hold(HIDDEN, document.hidden);
      refresh();
    },

    disconnect() {
      present.delete(host);
      connected.abort();
      hearNothing();
      refreshIn();
      hold(POINTED | FOCUSED | OFF_SCREEN, false);
      leaveIn();
      line.disconnect();
    },

    change() {
      if (host.isConnected) refreshIn(0);
    },
  };
}

/** A pen, too: with a mouse one marks what is to be copied. @param {PointerEvent} event */
const isFinger = ({ pointerType }) => pointerType !== "mouse";

/** @param {EventTarget | null} target inside the line */
const symbolOf = (target) =>
  /** @type {any} */ (target).closest("[data-symbol]")?.dataset.symbol ?? "";
