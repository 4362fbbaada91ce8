// @ts-check
/** The element `<currency-board>`: a table of quotes, a row each. */

import { element } from "../parts.js";
import { mark, set } from "../write.js";
import { elementOf } from "./element.js";
import { makeRow, table } from "./row.js";
import { BOARD, CARDS } from "./style.js";

/** @typedef {import("./element.js").Base} Base */
/** @typedef {import("./element.js").Quote} Quote */
/** @typedef {import("./element.js").Words} Words */
/** @typedef {ReturnType<typeof makeRow>} Row */

/** The columns, named as the words of their heads: by what of a quote they sort, and their widths in em if unusual. */
const COLUMNS = /** @type {Record<string, [field?: keyof Quote, width?: number]>} */ ({
  pair: ["symbol", 9],
  price: ["price", 7.5],
  inverse: ["inverse"],
  change: ["change_percent"],
  chart: [],
  source: ["source_name"],
  date: ["as_of", 6.5],
  status: ["status", 12],
});
const [PAIR = "", ...CHOICE] = Object.keys(COLUMNS);
const WIDTH = 6;
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
 * Attributes, each with a property of its name: `symbols`, `src`, `theme`, `locale` as the line has them; `columns`
 * chooses and orders `price`, `inverse`, `change`, `chart`, `source`, `date`, `status`. A child with
 * `slot="KGS/USD"` is what the row of this symbol opens. The slot `attribution` takes the place of the sources.
 *
 * Events: `ticker-quote`, `ticker-status` as of the line; `ticker-select` when a row is chosen or opened
 * (detail: the quote; cancelable, then nothing opens).
 */
export const CurrencyBoard = elementOf(FORMS, BOARD, makeBoard);

/**
 * @param {Base} base
 * @returns {import("./element.js").Part}
 */
function makeBoard(base) {
  const head = table("tr", "");
  const body = table("tbody", "");
  const node = table("table", "table", table("thead", "head", head), body);
  const region = element("div", "region", node, base.foot);
  base.root.append(region);

  /** @type {Map<string, Row>} */
  const rows = new Map();
  /** @type {string[]} */
  let columns = [];
  /** What the rows and the head were made for. */
  let made = "";
  /** What sorts: a column, and 1 or -1; 0 is the server's order. */
  let sorting = "";
  let way = 0;
  /** @type {readonly string[]} */
  let sorted = [];
  /** What was sorted. */
  let ordered = "";
  let changes = 0;

  function show() {
    const { words } = base;
    columns = [PAIR, ...columnsOf(base.value("columns"))];
    const wanted = `${base.look()} ${columns}`;
    if (wanted !== made) build();
    made = wanted;
    base.entitle(node, words.rates);
    for (const [place, cell] of [...head.children].entries()) {
      mark(cell, "aria-sort", columns[place] !== sorting || !way ? "" : way > 0 ? "ascending" : "descending");
    }
    order();
    const nodes = sorted.flatMap(nodesOf);
    const { children } = body;
    if (children[nodes.length] || nodes.some((each, place) => each !== children[place])) {
      body.replaceChildren(...nodes);
      putFoot();
    }
    base.credit(sorted.flatMap((symbol) => base.find(symbol) ?? []));
  }

  /** Put in anew, it was nowhere else before: no layout shift. */
  const putFoot = () => region.append(base.foot);

  /** Make the head, and all rows anew. */
  function build() {
    const widths = columns.map((name) => COLUMNS[name]?.[1] ?? WIDTH);
    set(node, "--columns", widths.map((width) => `minmax(0,${width}fr)`).join(" "));
    set(node, "--row", columns.includes("status") ? "4.75em" : "3.25em");
    const room = widths.reduce((one, other) => one + other + 1, 0);
    base.dress(`@container (max-width:${room}em){${CARDS}}`);
    head.replaceChildren(...columns.map(heading));
    putFoot();
    rows.clear();
  }

  /** @param {string} name */
  function heading(name) {
    const field = COLUMNS[name]?.[0];
    const label = element(field ? "button" : "bdi", "", base.words[/** @type {keyof Words} */ (name)]);
    const cell = table("th", "heading", label);
    cell.className = name;
    if (field) label.onclick = () => sort(name);
    return cell;
  }

  /** Up, down, and then as the server has it. @param {string} name */
  function sort(name) {
    way = name !== sorting || !way ? 1 : way > 0 ? -1 : 0;
    sorting = name;
    ordered = "";
    show();
  }

  /** Sort anew if the order was asked for, or if other symbols have quotes. Later quotes move no row. */
  function order() {
    const all = base.symbols();
    const those = `${all.map((symbol) => base.known.has(symbol))} ${all}`;
    if (those === ordered) return;
    ordered = those;
    const [field = "symbol"] = COLUMNS[sorting] ?? [];
    const value = (/** @type {string} */ symbol) => /** @type {any} */ (base.known.get(symbol)?.[field]);
    sorted = [...all].sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      // What is not known comes last, either way.
      return way && (+(a == null) - +(b == null) || way * (a - b || +(a > b) - +(a < b)));
    });
  }

  /** @param {string} symbol */
  function nodesOf(symbol) {
    const { node, opened, tell } = row(symbol);
    const quote = base.find(symbol);
    if (quote) tell(quote);
    return [node, opened];
  }

  /** @param {string} symbol */
  function row(symbol) {
    // Nothing of a quote stays beside the reason why there is none.
    const key = symbol + base.known.has(symbol);
    const found = rows.get(key) ?? makeRow(symbol, base, { columns, make: table, select, freshen });
    rows.set(key, found);
    return found;
  }

  /** @param {string} symbol */
  function select(symbol) {
    const quote = base.known.get(symbol);
    const found = row(symbol);
    if (quote && (found.isOpen() || base.emit("ticker-select", quote))) found.toggle();
  }

  /** Mark what changed for a moment, which a later change begins anew. @param {Element} each */
  function freshen(each) {
    const now = `${++changes}`;
    mark(each, "data-fresh", now);
    setTimeout(() => each.getAttribute("data-fresh") === now && mark(each, "data-fresh", ""), FRESH_MS);
  }

  return { show };
}
