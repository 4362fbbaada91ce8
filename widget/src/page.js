// @ts-check
/** The start page: the board, how the sources do, and the builder of the embed. */

import { ask } from "./ask.js";
import { Board } from "./board.js";
import { Builder } from "./builder.js";
import { learnNames } from "./names.js";
import { find } from "./nodes.js";
import { Sources } from "./sources.js";
import { translate, words } from "./words.js";
import { write } from "./write.js";

/** @typedef {import("./stream.js").Quote} Quote */

const POLL_SOURCES_MS = 5000;
const ORDER_AFTER_MS = 500;

translate();

const sources = new Sources(find("sources"));
const board = new Board(find("quotes"), sources);
const builder = new Builder();

/** @type {number | undefined} */
let ordering;

/** @param {Quote} quote */
function hear(quote) {
  if (!board.has(quote.symbol)) {
    clearTimeout(ordering);
    ordering = setTimeout(showQuotes, ORDER_AFTER_MS);
  }
  show(quote);
}

/** @param {Quote} quote */
function show(quote) {
  board.show(quote);
  find("waiting").hidden = true;
}

async function showQuotes() {
  /** @type {{ quotes?: Quote[], awaited?: Record<string, string> }} */
  const { quotes = [], awaited = {} } = (await ask("v1/quotes")) ?? {};
  // The stream may have been faster, and newer; but only here is the order of all.
  for (const quote of quotes) board.has(quote.symbol) || show(quote);
  for (const [symbol, reason] of Object.entries(awaited)) board.wait(symbol, reason);
  const symbols = [...quotes.map(({ symbol }) => symbol), ...Object.keys(awaited)];
  if (symbols.length) find("waiting").hidden = true;
  // A row that waits keeps its place until every pair has its quote.
  if (!board.waits) board.order(symbols);
  // What the stream told in the meantime is in this answer.
  if (symbols.length === board.size) clearTimeout(ordering);
  if (symbols.length) builder.offer(symbols);
  // What stands below the board comes when the board is full, so that it need not move.
  find("later").hidden = false;
}

async function showSources() {
  await sources.refresh();
  board.refresh();
  if (board.waits) showQuotes();
}

/** @param {{ state: string }} status of the line above, by whose connection the board lives */
function tell({ state }) {
  write(find("connection"), state === "offline" ? words.noConnection : "");
}

async function start() {
  // First, so that no row moves when they come.
  await learnNames();
  const line = /** @type {import("./ticker.js").CurrencyTicker} */ (find("line"));
  line.addEventListener("ticker-quote", (event) => hear(/** @type {CustomEvent<Quote>} */ (event).detail));
  line.addEventListener("ticker-status", (event) => tell(/** @type {CustomEvent<{ state: string }>} */ (event).detail));
  tell(line);
  setInterval(() => document.hidden || showSources(), POLL_SOURCES_MS);
  find("app").hidden = false;
  showSources();
  showQuotes();
}

start();
