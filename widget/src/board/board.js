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

/** The columns: the words of their heads, and by what of a quote they sort. */
const COLUMNS = /** @type {Record<string, [word: keyof Words, field?: keyof Quote]>} */ ({
  pair: ["pair", "symbol"],
  price: ["price", "price"],
  inverse: ["reverse", "inverse"],
  change: ["change", "change_percent"],
  chart: ["days"],
  source: ["source", "source_name"],
  date: ["validFrom", "as_of"],
  status: ["status", "status"],
});
const [PAIR = "", ...CHOICE] = Object.keys(COLUMNS);
/** In em. @type {Record<string, number>} */
const WIDTHS = { pair: 9, price: 7.5, date: 6.5, status: 12 };
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
  /** The order that was sorted, which later quotes do not change. @type {readonly string[]} */
  let sorted = [];
  /** @type {Map<Element, ReturnType<typeof setTimeout>>} */
  const fading = new Map();

  function show() {
    const { language, words } = base;
    columns = [PAIR, ...columnsOf(base.value("columns"))];
    const wanted = `${words.price} ${language} ${columns}`;
    if (wanted !== made) build();
    made = wanted;
    mark(node, "lang", language);
    mark(node, "aria-label", base.host.getAttribute("aria-label") ?? words.rates);
    for (const [place, cell] of [...head.children].entries()) {
      mark(cell, "aria-sort", columns[place] !== sorting || !way ? "" : way > 0 ? "ascending" : "descending");
    }
    const all = base.symbols();
    const shown = [...new Set([...sorted.filter((symbol) => all.includes(symbol)), ...all])];
    const nodes = shown.flatMap(nodesOf);
    const isRight = nodes.length === body.children.length && nodes.every((each, place) => each === body.children[place]);
    if (!isRight) {
      body.replaceChildren(...nodes);
      putFoot();
    }
    base.credit(shown.flatMap((symbol) => base.find(symbol) ?? []));
  }

  /** Put in anew, it was nowhere else before: no layout shift. */
  const putFoot = () => region.append(base.foot);

  /** Make the head, and all rows anew. */
  function build() {
    const widths = columns.map((name) => WIDTHS[name] ?? WIDTH);
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
    const [word, field] = /** @type {typeof COLUMNS[string]} */ (COLUMNS[name]);
    const label = element(field ? "button" : "bdi", "", base.words[word]);
    const cell = table("th", "heading", label);
    cell.classList.add(name);
    if (field) label.onclick = () => sort(name, field);
    return cell;
  }

  /**
   * Up, down, and then as the server has it.
   *
   * @param {string} name
   * @param {keyof Quote} field
   */
  function sort(name, field) {
    way = name !== sorting || !way ? 1 : way > 0 ? -1 : 0;
    sorting = name;
    const value = (/** @type {string} */ symbol) => /** @type {any} */ (base.known.get(symbol)?.[field]);
    sorted = [...(way ? base.symbols() : [])].sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      // What is not known comes last, either way.
      return +(a == null) - +(b == null) || way * (a - b || (a > b ? 1 : -1));
    });
    show();
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
    const found = rows.get(symbol) ?? makeRow(symbol, base, { columns, make: table, select, freshen });
    rows.set(symbol, found);
    return found;
  }

  /** @param {string} symbol */
  function select(symbol) {
    const quote = base.known.get(symbol);
    const found = row(symbol);
    if (quote && (found.isOpen() || base.emit("ticker-select", quote))) found.toggle();
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
    show,
    disconnect() {
      for (const each of fading.keys()) fade(each);
    },
  };
}
