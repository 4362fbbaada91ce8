// @ts-check
/** The element `<currency-board>`: a table of quotes, a row each. */

import { credits, sourceName } from "../format.js";
import { element } from "../parts.js";
import { symbolsOf } from "../symbols.js";
import { mark, set, write } from "../write.js";
import { elementOf } from "./element.js";
import { makeRow, table } from "./row.js";
import { BOARD, CARDS } from "./style.js";

/** @typedef {import("./element.js").Base} Base */
/** @typedef {import("./element.js").Quote} Quote */
/** @typedef {import("./element.js").Words} Words */
/** @typedef {ReturnType<typeof makeRow>} Row */

/** The columns by what they are called in `columns`: their widths in em, the words of their heads, and their order when sorted. */
const COLUMNS = /** @type {Record<string, { width: number, word: keyof Words, rank: ((quote: Quote) => any) | null }>} */ ({
  pair: { width: 9, word: "pair", rank: ({ symbol }) => symbol },
  price: { width: 6.5, word: "price", rank: (quote) => +quote.price },
  inverse: { width: 6.5, word: "reverse", rank: (quote) => +quote.inverse },
  change: { width: 5.5, word: "change", rank: (quote) => parseFloat(quote.change_percent ?? "") },
  chart: { width: 6.5, word: "days", rank: null },
  source: { width: 6, word: "source", rank: sourceName },
  date: { width: 7, word: "validFrom", rank: (quote) => quote.as_of },
  status: { width: 9, word: "status", rank: (quote) => quote.status },
});
const [, ...CHOICE] = Object.keys(COLUMNS);
const FRESH_MS = 2000;

/** @type {import("../attributes.js").Forms} */
const FORMS = {
  symbols: [/[a-z]/i, ""],
  columns: [{ test: (text) => columnsOf(text).every((name) => CHOICE.includes(name)) }, CHOICE.join(" ")],
};

/** @param {string} text */
const columnsOf = (text) => [...new Set(text.match(/[^\s,]+/g))];

/**
 * A table of quotes, live from the ticker's stream.
 *
 * Attributes, each with a property of its name: `symbols` and `src`, `theme`, `locale` as the line has
 * them; `columns` chooses and orders `price`, `inverse`, `change`, `chart`, `source`, `date`, `status`. A child
 * with `slot="KGS/USD"` is what the row of this symbol opens. The slot `attribution` takes the place of the
 * sources.
 *
 * Events: `ticker-quote`, `ticker-status` as of the line; `ticker-select` when a row is chosen or opened
 * (detail: the quote; cancelable, then nothing opens).
 */
export class CurrencyBoard extends elementOf(FORMS, BOARD, makeBoard) {}

/**
 * @param {Base} base
 * @returns {import("./element.js").Part}
 */
function makeBoard(base) {
  const { host, root } = base;
  const head = table("tr", "");
  const body = table("tbody", "");
  const message = element("div", "message", "…");
  const sources = element("slot", "");
  const foot = element("div", "foot", base.status, element("div", "attribution", sources));
  const node = table("table", "table", table("thead", "head", head), body);
  mark(sources, "name", "attribution");
  root.append(element("div", "region", node, message, foot));

  /** @type {Map<string, Row>} */
  const rows = new Map();
  /** @type {string[]} */
  let columns = [];
  /** What the rows and the head were made for. */
  let made = "";
  /** The column that sorts, and 1 or -1. */
  let sorting = "";
  let way = 1;
  /** @type {readonly string[]} the order that was sorted, which later quotes do not change */
  let sorted = [];
  /** @type {Map<Element, ReturnType<typeof setTimeout>>} */
  const fading = new Map();

  const symbols = () => symbolsOf(base.value("symbols"));

  function show() {
    columns = columnsOf(base.value("columns"));
    const wanted = `${base.language}|${columns}`;
    if (wanted !== made) build();
    made = wanted;
    mark(node, "lang", base.language);
    mark(node, "aria-label", host.getAttribute("aria-label") ?? base.words.rates);
    write(message, `${base.words.rates}…`);
    const shown = order();
    message.hidden = shown.length > 0;
    arrange(shown.map(row));
    for (const symbol of shown) row(symbol).show(base.find(symbol));
    const quotes = shown.flatMap((symbol) => base.known.get(symbol) ?? []);
    write(sources, credits(quotes, base.words.source));
  }

  /** Make the head, and all rows anew. */
  function build() {
    const all = ["pair", ...columns];
    const widths = all.map((name) => COLUMNS[name]?.width ?? 0);
    const sum = widths.reduce((one, other) => one + other + 1, 0);
    set(node, "--columns", widths.map((width) => `minmax(0,${width}fr)`).join(" "));
    set(node, "--row", columns.includes("status") ? "4.75em" : "3.25em");
    base.own.replaceSync(`@container (max-width:${sum}em){${CARDS}}`);
    head.replaceChildren(...all.map(heading));
    tellSorting();
    rows.clear();
  }

  /** @param {string} name */
  function heading(name) {
    const { word, rank } = /** @type {typeof COLUMNS[string]} */ (COLUMNS[name]);
    const label = element(rank ? "button" : "span", "", base.words[word]);
    label.onclick = () => rank && sort(name);
    const cell = table("th", "heading", label);
    cell.classList.add(name);
    mark(cell, "scope", "col");
    return cell;
  }

  /** Up, down, and then as the server has it. @param {string} name */
  function sort(name) {
    if (name !== sorting) [sorting, way] = [name, 1];
    else if (way > 0) way = -1;
    else sorting = "";
    sorted = sorting ? ranked(order([])) : [];
    tellSorting();
    arrange(order().map(row));
  }

  function tellSorting() {
    for (const cell of head.children) {
      const isIt = !!sorting && cell.classList.contains(sorting);
      mark(cell, "aria-sort", isIt ? (way > 0 ? "ascending" : "descending") : "");
    }
  }

  /** @param {readonly string[]} all */
  function ranked(all) {
    const rank = /** @type {(quote: Quote) => any} */ (COLUMNS[sorting]?.rank);
    const ranks = new Map(all.map((symbol) => [symbol, base.known.has(symbol) ? rank(/** @type {Quote} */ (base.find(symbol))) : NaN]));
    // What is not known comes last, either way.
    const isNone = (/** @type {any} */ value) => value !== value;
    return [...all].sort((one, other) => {
      const [a, b] = [ranks.get(one), ranks.get(other)];
      return isNone(a) || isNone(b) ? +isNone(a) - +isNone(b) : a < b ? -way : a > b ? way : 0;
    });
  }

  /** The symbols as they are to stand. */
  function order(before = sorted) {
    const all = symbols() ?? base.order;
    return [...new Set([...before.filter((symbol) => all.includes(symbol)), ...all])];
  }

  /** @param {string} symbol */
  function row(symbol) {
    const found = rows.get(symbol) ?? makeRow(symbol, base, { columns, select, freshen });
    rows.set(symbol, found);
    return found;
  }

  /** @param {readonly Row[]} shown */
  function arrange(shown) {
    const nodes = shown.flatMap((each) => each.nodes);
    const isRight = nodes.length === body.children.length && nodes.every((each, place) => each === body.children[place]);
    if (!isRight) body.replaceChildren(...nodes);
  }

  /**
   * @param {string} symbol
   */
  function select(symbol) {
    const found = rows.get(symbol);
    const quote = base.known.get(symbol);
    if (!quote || !found) return;
    if (found.isOpen() || base.emit("ticker-select", quote)) found.toggle();
  }

  /** Mark what changed for a moment. @param {Element} each */
  function freshen(each) {
    clearTimeout(fading.get(each));
    mark(each, "data-fresh", "true");
    fading.set(each, setTimeout(() => fade(each), FRESH_MS));
  }

  /** @param {Element} each */
  function fade(each) {
    clearTimeout(fading.get(each));
    fading.delete(each);
    mark(each, "data-fresh", "");
  }

  return {
    symbols,
    names: () => true,
    show,
    disconnect() {
      for (const each of fading.keys()) fade(each);
    },
  };
}
