// @ts-check
/** The start page: the board, how the sources do, and the builder of the embed. */

import { ask } from "./ask.js";
import { Builder } from "./builder.js";
import { Details } from "./details.js";
import { learnNames } from "./names.js";
import { find } from "./nodes.js";
import { Sources } from "./sources.js";
import { translate, words } from "./words.js";
import { write } from "./write.js";

/** @typedef {import("./stream.js").Quote} Quote */

const POLL_SOURCES_MS = 5000;
const ORDER_AFTER_MS = 500;

translate();

const board = find("quotes");
const sources = new Sources(find("sources"));
const details = new Details(board, sources);
const builder = new Builder();

/** @type {number | undefined} */
let ordering;

/** @param {Quote} quote */
function hear(quote) {
  if (!details.has(quote.symbol)) {
    clearTimeout(ordering);
    ordering = setTimeout(offer, ORDER_AFTER_MS);
  }
  details.hear(quote);
}

/** Offer the builder every symbol, in the server's order. */
async function offer() {
  /** @type {{ quotes?: Quote[], awaited?: Record<string, string> }} */
  const { quotes = [], awaited = {} } = (await ask("v1/quotes")) ?? {};
  const symbols = [...quotes.map(({ symbol }) => symbol), ...Object.keys(awaited)];
  if (symbols.length) builder.offer(symbols);
  else showLater();
}

/** What stands below the board comes when the board is full, so that it need not move. */
function showLater() {
  find("later").hidden = false;
}

async function showSources() {
  await sources.refresh();
  details.refresh();
}

/** @param {string} state of the connection */
function tell(state) {
  write(find("connection"), state === "offline" ? words.noConnection : "");
}

/**
 * @template Detail
 * @param {string} type
 * @param {(detail: Detail) => void} act
 */
const on = (type, act) => board.addEventListener(type, (event) => act(/** @type {CustomEvent<Detail>} */ (event).detail));

async function start() {
  on("ticker-quote", hear);
  on("ticker-status", (/** @type {{ state: string }} */ { state }) => tell(state));
  on("ticker-select", (/** @type {Quote} */ { symbol }) => details.open(symbol));
  new ResizeObserver((_, watch) => {
    if (!board.shadowRoot?.querySelector("[part=row]")) return;
    watch.disconnect();
    showLater();
  }).observe(board);
  // First, so that no name of the builder changes when they come.
  await learnNames();
  setInterval(() => document.hidden || showSources(), POLL_SOURCES_MS);
  find("app").hidden = false;
  showSources();
  offer();
}

start();
