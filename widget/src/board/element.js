// @ts-check
/** What the elements of board.js have in common: attributes, language, quotes, state and events. */

import { address, declare, said, upgrade } from "../attributes.js";
import { fetched } from "../fetched.js";
import { credits, languageOf, locale } from "../format.js";
import { languageAt } from "../language.js";
import { element } from "../parts.js";
import { styleSheet } from "../sheets.js";
import { stateOf } from "../states.js";
import { subscribe } from "../stream.js";
import { absent, symbolsOf } from "../symbols.js";
import { timer } from "../timer.js";
import { mark, write } from "../write.js";
import { HOST } from "./style.js";

/** @typedef {import("../item.js").Quote} Quote */
/** @typedef {import("../stream.js").State} State */
/** @typedef {typeof import("../words/en.json") & Record<"rates" | "offline" | "source" | "stale" | "unconfirmed" | "pegged", string>} Words */
/** @typedef {import("../attributes.js").Forms} Forms */

/**
 * @typedef {object} Base what an element finds here
 * @property {HTMLElement} host
 * @property {ShadowRoot} root
 * @property {(more: string) => void} dress give it more style than all of its kind have
 * @property {HTMLElement} foot tells the sources, and that there is no connection; the element puts it into its tree
 * @property {(quotes: readonly Quote[]) => void} credit name the sources of these; none says that they are awaited
 * @property {string} offline the words for it if there is no connection, else empty
 * @property {string} language a locale
 * @property {Words} words of the language
 * @property {Map<string, Quote>} known the quotes that have come
 * @property {() => readonly string[]} symbols those that it asked for, or all that the server has
 * @property {(name: string) => any} value what an attribute says, as its property gives it
 * @property {(node: Element, text: string) => void} entitle name it so, unless the page has another name for the element
 * @property {() => unknown[]} look of what texts are made: server, language, words and names
 * @property {(...codes: string[]) => string} named currencies by their names, unless `codes` has no use for names
 * @property {(symbol: string) => Quote | undefined} find with `reason` where there is no figure; nothing until it is known
 * @property {() => string} server
 * @property {() => void} changed something is to be shown: `show` is called soon
 * @property {(type: string, detail: unknown) => boolean} emit whether nobody has cancelled it
 */

/**
 * @typedef {object} Part what makes the element what it is
 * @property {() => readonly string[]} [symbols] what it wants to hear of, unless its attribute `symbols` tells
 * @property {() => boolean} [codes] whether it shows codes of currencies alone, and no names
 * @property {() => void} show bring everything in line with the attributes, words and quotes, writing only what differs
 */

// Often enough for a reader, and for all elements of the page at once.
const PAINT_EVERY_MS = 1000;
// As for the line: who is not seen hears nothing, but is up to date before it is scrolled into sight.
const LINGER_MS = 2000;
// To the sides there is text for screen readers alone.
const NEAR = "200px 9999px";

/** @type {Forms} */
const COMMON = {
  src: [{ test: address }, ""],
  theme: [/^(auto|light|dark)$/, "auto"],
  locale: [{ test: locale }, ""],
};

/** What is said where no words can be had. */
const SPARE = { source: "Source", rates: "Exchange rates", offline: "offline" };

/**
 * The words of a language; where they can't be had, those that the script has, and no text for the others.
 *
 * @param {any} [answer]
 * @returns {Words}
 */
const wordsOf = (answer) =>
  new Proxy({ ...SPARE, ...answer, ...answer?.board }, { get: (words, /** @type {string} */ key) => words[key] ?? "" });

let home = "";

/** @param {string | null} server of the elements without `src`; else it is the page's own */
export function serveFrom(server) {
  home ||= server ?? "";
}

/**
 * The class of an element.
 *
 * @param {Forms} own its attributes beside the common ones
 * @param {string} style
 * @param {(base: Base) => Part} make
 */
export function elementOf(own, style, make) {
  const forms = { ...COMMON, ...own };
  return class CurrencyElement extends HTMLElement {
    static observedAttributes = Object.keys(forms);

    static {
      declare(this.prototype, forms);
    }

    #life = makeLife(this, forms, HOST + style, make);

    /** How the connection is. */
    get state() {
      return this.#life.state();
    }

    connectedCallback() {
      this.#life.connect();
    }

    disconnectedCallback() {
      this.#life.disconnect();
    }

    attributeChangedCallback() {
      this.#life.change();
    }
  };
}

/**
 * What an element does. A closure and no class, as for the line.
 *
 * @param {HTMLElement} host
 * @param {Forms} forms
 * @param {string} style
 * @param {(base: Base) => Part} make
 */
function makeLife(host, forms, style, make) {
  /** @type {Map<string, Quote>} */
  const known = new Map();
  /** @type {import("../stream.js").Awaited} */
  let awaited = null;
  let stream = "";
  /** @type {(() => void) | null} */
  let unsubscribe = null;
  /** @type {State} */
  let state = "connecting";
  /** @type {Record<string, string> | null | undefined} */
  let names;
  /** @type {Words | undefined} */
  let words;
  /** All symbols of the server, if it was asked for all. @type {readonly string[]} */
  let order = [];
  let more = "";
  let isFar = false;
  let isAway = false;
  const refreshIn = timer(refresh);
  const leaveIn = timer(hearNothing);
  const become = stateOf(host);
  const see = () => look(isFar);
  const watch = new IntersectionObserver(
    // Where the page lets it make no box, it is nowhere, but may be seen.
    (entries) => look(!entries.at(-1)?.isIntersecting && !!host.getClientRects()[0]),
    { rootMargin: NEAR },
  );
  const status = element("span", "status");
  const sources = /** @type {HTMLSlotElement} */ (element("slot", ""));

  /** @type {Base} */
  const base = {
    dress,
    host,
    root: host.attachShadow({ mode: "open" }),
    foot: element("div", "foot", element("span", "attribution", sources), status),
    offline: "",
    known,
    language: "",
    words: /** @type {any} */ ({}),
    symbols: () => wanted() ?? order,
    value: (name) => said(host, name, forms[name]),
    named: (...codes) => codes.map((code) => names?.[code] ?? code).join(" / "),
    entitle(node, text) {
      mark(node, "lang", base.language);
      mark(node, "aria-label", host.getAttribute("aria-label") ?? text);
    },
    look: () => [base.server(), base.language, base.words.source, base.named("USD")],
    find: (symbol) => known.get(symbol) ?? [absent(symbol, awaited)].flat()[0],
    credit: (quotes) => write(sources, quotes.length ? credits(quotes, base.words.source) : `${base.words.rates}…`),
    server: () => address(base.value("src")) || home || location.origin,
    changed,
    emit,
  };
  const part = make(base);
  status.role = "status";
  sources.name = "attribution";

  /** Null is everything. */
  const wanted = () => (part.symbols ? part.symbols() : symbolsOf(base.value("symbols")));

  function dress(text = more) {
    more = text;
    base.root.adoptedStyleSheets = [styleSheet(host.ownerDocument, style + more)];
  }

  /** Whether nobody can see it. @param {boolean} far */
  function look(far) {
    const wasAway = isAway;
    isFar = far;
    isAway = far || document.hidden;
    if (isAway === wasAway) return;
    leaveIn(isAway ? LINGER_MS : undefined);
    if (wasAway) refresh();
  }

  function hearNothing() {
    unsubscribe?.();
    unsubscribe = null;
  }

  function refresh() {
    refreshIn();
    if (!host.isConnected) return;
    base.language = languageAt(host, base.value("locale"));
    // What is known comes at once.
    if ((!isAway || !stream) && read()) return;
    // The quotes are on their way meanwhile.
    const answer = told("labels");
    if (answer !== undefined) words = wordsOf(answer);
    const found = part.codes?.() ? null : told("names");
    if (found !== undefined) names = found;
    if (!words || names === undefined) return;
    base.words = words;
    base.value("theme");
    sayState();
    part.show();
  }

  /** What the server has in the language. @param {"names" | "labels"} kind */
  const told = (kind) => fetched(`${base.server()}/v1/${kind}/${languageOf(base.language)}.json`, refresh);

  function read() {
    const symbols = wanted();
    const source = `${base.server()} ${symbols}`;
    if (unsubscribe && source === stream) return;
    const stop = unsubscribe;
    if (source !== stream) {
      known.clear();
      awaited = null;
      order = [];
    }
    stream = source;
    unsubscribe = subscribe(base.server(), { symbols, receive, status: tell });
    stop?.();
    return true;
  }

  /** @type {import("../stream.js").Subscriber["receive"]} */
  function receive(quotes, complete, missing) {
    const isFirst = !known.size;
    if (complete) known.clear();
    for (const quote of quotes) known.set(quote.symbol, quote);
    awaited = missing;
    // What waits for its quote keeps its place until all are there.
    const all = missing ? [...known.keys(), ...Object.keys(missing)] : order;
    const kept = complete && !all[known.size] ? [] : order;
    order = [...new Set([...kept, ...all])].filter((symbol) => all.includes(symbol));
    if (isFirst) refresh();
    else changed();
    for (const detail of quotes) emit("ticker-quote", detail);
  }

  /** Nothing is written where nobody sees it: that is done when it comes into sight. */
  function changed() {
    if (!isAway) refreshIn(PAINT_EVERY_MS - (performance.now() % PAINT_EVERY_MS));
  }

  /** @type {import("../stream.js").Subscriber["status"]} */
  function tell(now, message) {
    state = now;
    become(state);
    sayState();
    changed();
    emit("ticker-status", { state, message });
  }

  function sayState() {
    base.offline = state === "offline" ? base.words.offline : "";
    write(status, base.offline);
  }

  /** @type {Base["emit"]} */
  function emit(type, detail) {
    const cancelable = type === "ticker-select";
    return host.dispatchEvent(new CustomEvent(type, { detail, cancelable, bubbles: true, composed: true }));
  }

  return {
    state: () => state,

    connect() {
      upgrade(host, Object.keys(forms));
      dress();
      document.addEventListener("visibilitychange", see);
      watch.observe(host);
      look(false);
      refresh();
    },

    disconnect() {
      document.removeEventListener("visibilitychange", see);
      watch.disconnect();
      hearNothing();
      refreshIn();
      leaveIn();
    },

    change() {
      if (host.isConnected) refreshIn(0);
    },
  };
}
