// @ts-check
/** The start page: the table of quotes and how the sources do, kept live. */

import { direction, percent } from "./format.js";
import { element, mark } from "./item.js";

/** @typedef {import("./stream.js").Quote} Quote */
/** @typedef {{ name: string, short: string, status: string, message: string, next_poll_at?: string | null }} Source */

const POLL_SOURCES_MS = 5000;
const ORDER_AFTER_MS = 500;

/** @type {Map<string, Map<string, HTMLElement>>} the cells of each symbol's row */
const rows = new Map();

/** @param {string} id */
const find = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @param {Quote} quote */
function show(quote) {
  let cells = rows.get(quote.symbol);
  if (!cells) rows.set(quote.symbol, (cells = addRow(quote.symbol)));
  const change = percent(quote.change_percent);
  const texts = {
    price: quote.price,
    inverse: quote.inverse,
    change: change || "–",
    "as of": quote.as_of,
    source: quote.source,
    status: quote.status + (quote.corrected ? ", corrected" : ""),
    announced: quote.next ? `${quote.next.inverse} from ${quote.next.as_of}` : "",
  };
  for (const [column, text] of Object.entries(texts)) {
    const cell = cells.get(column);
    if (cell && cell.textContent !== text) cell.textContent = text;
  }
  const cell = cells.get("change");
  if (cell) mark(cell, "data-direction", direction(change));
  find("waiting").hidden = true;
}

/** @param {string} symbol */
function addRow(symbol) {
  /** @type {Map<string, HTMLElement>} */
  const cells = new Map();
  for (const column of ["price", "inverse", "change", "as of", "source", "status", "announced"]) {
    cells.set(column, element("td", { "data-column": column }));
  }
  const row = element("tr", {}, element("th", { scope: "row" }, symbol), ...cells.values());
  find("quotes").append(row);
  return cells;
}

/**
 * @param {string} path
 * @returns {Promise<any>} null if there is no answer
 */
async function ask(path) {
  try {
    const answer = await fetch(path, { cache: "no-cache", signal: AbortSignal.timeout(POLL_SOURCES_MS) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/** @param {Source} source */
function line({ short, status, message, next_poll_at }) {
  const next = next_poll_at ? `, next poll at ${new Date(next_poll_at).toLocaleTimeString([], { timeStyle: "short" })}` : "";
  const words = `${short}: ${message || status + next}`;
  return status === "waiting" ? `waiting for ${words}` : words;
}

async function showSources() {
  const answer = await ask("v1/sources");
  /** @type {Source[]} */
  const sources = Array.isArray(answer?.sources) ? answer.sources : [];
  const items = sources.map((source) =>
    element("li", { "data-status": source.status, title: source.name }, line(source)),
  );
  if (!answer) items.push(element("li", { "data-status": "failing" }, "the service does not answer"));
  const list = find("sources");
  const same = items.every((item, index) => item.isEqualNode(list.children[index] ?? null));
  if (!same || items.length !== list.children.length) list.replaceChildren(...items);
}

async function showQuotes() {
  const answer = await ask("v1/quotes");
  for (const quote of answer?.quotes ?? []) {
    // The stream may have been faster, and newer; but only here is the order of all.
    if (!rows.has(quote.symbol)) show(quote);
    const row = rows.get(quote.symbol)?.get("price")?.parentElement;
    if (row) find("quotes").append(row);
  }
}

/** @type {number | undefined} */
let ordering;

/** @param {Quote} quote */
function hear(quote) {
  if (!rows.has(quote.symbol)) {
    clearTimeout(ordering);
    ordering = setTimeout(showQuotes, ORDER_AFTER_MS);
  }
  show(quote);
}

document.addEventListener("ticker-quote", (event) => hear(/** @type {CustomEvent<Quote>} */ (event).detail));
setInterval(() => document.hidden || showSources(), POLL_SOURCES_MS);
showSources();
showQuotes();
