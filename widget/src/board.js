// @ts-check
/** The table of quotes: a row each, which opens to show its last days at large. */

import { chart, sparkline, words } from "./chart.js";
import { DAYS } from "./days.js";
import { day, direction, exactly, percent, price, sourceName } from "./format.js";
import { extended, read, withQuote } from "./history.js";
import { named } from "./names.js";
import { drawn, element, rewrite } from "./nodes.js";
import { mark, write } from "./write.js";

/** @typedef {import("./stream.js").Quote} Quote */
/** @typedef {import("./days.js").Point} Point */
/** @typedef {import("./sources.js").Sources} Sources */

const LOCALE = "en";
const FRESH_MS = 2000;
const COLUMNS = ["price", "inverse", "change", "days", "source", "date", "status"];

/** @type {Record<Quote["status"], string>} */
const STATUS = {
  live: "live",
  pegged: "fixed rate",
  stale: "outdated",
  unconfirmed: "unconfirmed",
  fallback: "another source",
};

/** @type {Record<Quote["status"], string>} */
const MEANING = {
  live: "The newest rate of the source that decides, on time by its own calendar.",
  pegged: "The state has fixed this rate.",
  stale: "The source has missed a publication: this is the last rate that it gave.",
  unconfirmed: "A new figure is held back until a second source moves the same way; this is the last confirmed rate.",
  fallback: "The source that decides has missed a publication: another one stands in for it.",
};

export class Board {
  #body;
  #sources;
  /** @type {Map<string, Row>} */
  #rows = new Map();

  /**
   * @param {HTMLElement} body
   * @param {Sources} sources
   */
  constructor(body, sources) {
    this.#body = body;
    this.#sources = sources;
  }

  get size() {
    return this.#rows.size;
  }

  /** Whether a row has no quote yet. */
  get waits() {
    return [...this.#rows.values()].some((row) => row.waits);
  }

  /** @param {string} symbol that may have its quote */
  has(symbol) {
    return this.#rows.get(symbol)?.waits === false;
  }

  /** @param {Quote} quote */
  show(quote) {
    this.#row(quote.symbol).show(quote);
  }

  /**
   * @param {string} symbol that has no quote yet
   * @param {string} reason
   */
  wait(symbol, reason) {
    this.#row(symbol).wait(reason);
  }

  /** @param {string} symbol */
  #row(symbol) {
    let row = this.#rows.get(symbol);
    if (!row) {
      this.#rows.set(symbol, (row = new Row(symbol, this.#sources)));
      this.#body.append(...row.nodes);
    }
    return row;
  }

  /** @param {readonly string[]} symbols as they are to stand */
  order(symbols) {
    const nodes = symbols.flatMap((symbol) => this.#rows.get(symbol)?.nodes ?? []);
    const inOrder = nodes.every((node, index) => node === this.#body.children[index]);
    if (!inOrder) this.#body.append(...nodes);
  }

  /** Name the sources anew, and ask for what is missing of the histories. */
  refresh() {
    for (const row of this.#rows.values()) row.refresh();
  }
}

class Row {
  /** @type {Map<string, HTMLElement>} */
  #cells = new Map();
  #sources;
  /** @type {Quote | null} */
  #quote = null;
  /** @type {Point[] | null} */
  #points = null;
  /** The source of the points. */
  #source = "";
  #isReading = false;
  #picture = element("span", { class: "picture" });
  #said = element("span", { class: "unseen" });
  #button;
  #row;
  #open;
  #detail = new Detail();

  /**
   * @param {string} symbol
   * @param {Sources} sources
   */
  constructor(symbol, sources) {
    this.#sources = sources;
    const [base = "", other = ""] = symbol.split("/");
    const id = `days-${base}-${other}`;
    for (const column of COLUMNS) this.#cells.set(column, element("td", { role: "cell", "data-column": column }));
    const name = element("span", { class: "name" }, named(base, ...(other === "USD" ? [] : [other])));
    const head = element("th", { scope: "row", role: "rowheader" }, element("span", { class: "symbol" }, symbol), " ", name);
    this.#button = element("button", { type: "button", "aria-expanded": "false", "aria-controls": id }, this.#said, this.#picture, chevron());
    this.#cell("days").append(this.#button);
    this.#cell("inverse").dataset.label = `1 ${other} =`;
    this.#row = element("tr", { role: "row", class: "quote", "data-symbol": symbol }, head, ...this.#cells.values());
    const all = element("td", { role: "cell", colspan: `${COLUMNS.length + 1}` }, this.#detail.node);
    this.#open = element("tr", { role: "row", class: "detail", id, hidden: "" }, all);
    this.#row.addEventListener("click", (event) => this.#click(event));
  }

  get nodes() {
    return [this.#row, this.#open];
  }

  get waits() {
    return !this.#quote;
  }

  /** @param {string} reason why there is no quote yet; once there is one, it says nothing any more */
  wait(reason) {
    if (this.#quote) return;
    this.#button.hidden = true;
    write(this.#cell("price"), "…");
    mark(this.#row, "data-status", "awaited");
    this.#tellStatus(["waiting for its first rate", reason], true);
  }

  /** @param {Quote} quote */
  show(quote) {
    const isFirst = !this.#quote;
    this.#quote = quote;
    this.#button.hidden = false;
    const change = percent(quote.change_percent, LOCALE);
    const texts = {
      price: price(quote.price, LOCALE),
      inverse: price(quote.inverse, LOCALE),
      change: change || "–",
      date: day(quote.as_of, LOCALE),
    };
    for (const [column, text] of Object.entries(texts)) this.#write(column, text, isFirst);
    mark(this.#cell("change"), "data-direction", direction(change));
    mark(this.#row, "data-status", quote.status);
    this.#showStatus(quote, isFirst);
    this.refresh();
  }

  refresh() {
    if (!this.#quote) return;
    write(this.#cell("source"), sourceName(this.#quote));
    mark(this.#cell("source"), "title", this.#sources.of(this.#quote.source)?.name ?? "");
    this.#follow(this.#quote);
    this.#draw(this.#quote);
  }

  /** @param {string} column */
  #cell(column) {
    return /** @type {HTMLElement} */ (this.#cells.get(column));
  }

  /**
   * @param {string} column
   * @param {string} text
   * @param {boolean} isFirst nothing was there before, so that nothing is marked
   */
  #write(column, text, isFirst) {
    const cell = this.#cell(column);
    if (rewrite(cell, text) && !isFirst) freshen(cell);
  }

  /**
   * @param {Quote} quote
   * @param {boolean} isFirst
   */
  #showStatus(quote, isFirst) {
    const { next, corrected } = quote;
    const state = (STATUS[quote.status] ?? quote.status) + (corrected ? ", corrected" : "");
    const more = next ? `announced ${price(next.inverse, LOCALE)} from ${day(next.as_of, LOCALE)}` : "";
    this.#tellStatus([state, more], isFirst);
  }

  /**
   * @param {[state: string, more: string]} texts
   * @param {boolean} isFirst
   */
  #tellStatus([state, more], isFirst) {
    const cell = this.#cell("status");
    const parts = [element("span", { class: "state" }, state)];
    if (more) parts.push(element("span", { class: "more" }, more));
    const lines = parts.flatMap((part, index) => (index ? [" ", part] : [part]));
    if (lines.map((each) => (typeof each === "string" ? each : each.textContent)).join("") === cell.textContent) return;
    cell.replaceChildren(...lines);
    if (!isFirst) freshen(cell);
  }

  /**
   * Carry the history on, or read it.
   *
   * @param {Quote} quote
   */
  async #follow(quote) {
    const known = this.#points && this.#source === quote.source ? extended(this.#points, quote) : null;
    if (known) this.#points = known;
    if (known || this.#isReading) return;
    this.#isReading = true;
    const points = await read(quote);
    this.#isReading = false;
    if (!points || !this.#quote) return;
    // A newer quote may have come in the meantime; of another source, it has another history.
    this.#points = withQuote(points, quote);
    this.#source = quote.source;
    if (this.#quote === quote) this.#draw(quote);
    else this.refresh();
  }

  /** @param {Quote} quote */
  #draw(quote) {
    const points = this.#points;
    if (!points || this.#source !== quote.source) return;
    const isPegged = this.#sources.isPeg(quote.source);
    const text = words(points, isPegged);
    const said = `${DAYS} days of ${quote.symbol}: ${text}`;
    if (rewrite(this.#said, said)) this.#picture.replaceChildren(sparkline(points, isPegged));
    if (!this.#open.hidden) this.#detail.show(quote, points, { isPegged, text, sources: this.#sources });
  }

  /** @param {MouseEvent} event */
  #click({ target }) {
    if (!(target instanceof Element) || target.closest("a")) return;
    // Who marks a number to copy it does not ask for its chart.
    const isMarking = !target.closest("button") && !getSelection()?.isCollapsed;
    if (!isMarking) this.#toggle();
  }

  #toggle() {
    if (!this.#quote) return;
    this.#open.hidden = !this.#open.hidden;
    mark(this.#button, "aria-expanded", `${!this.#open.hidden}`);
    this.#draw(this.#quote);
  }
}

/** What a row opens: the chart, its words, every value, and whose word it is. */
class Detail {
  #plate = element("div");
  #words = element("figcaption");
  #meaning = element("p");
  #source = element("p");
  #rows = element("tbody");
  #count = element("summary");
  #drawn = "";

  constructor() {
    const head = ["Date", "Price", "Inverse"].map((name) => element("th", { scope: "col" }, name));
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...head)), this.#rows);
    const values = element("details", {}, this.#count, table);
    const text = element("div", { class: "story" }, this.#meaning, this.#source, values);
    this.node = element("div", { class: "opened" }, element("figure", {}, this.#plate, this.#words), text);
  }

  /**
   * @param {Quote} quote
   * @param {readonly Point[]} points
   * @param {{ isPegged: boolean, text: string, sources: Sources }} how
   */
  show(quote, points, { isPegged, text, sources }) {
    const shown = JSON.stringify([quote, points, sources.of(quote.source)?.name]);
    if (shown === this.#drawn) return;
    this.#drawn = shown;
    this.#plate.replaceChildren(chart(points, isPegged));
    write(this.#words, `${quote.symbol}, ${text}.`);
    write(this.#meaning, `${MEANING[quote.status] ?? ""} In full: ${exactly(quote.price, LOCALE)}, inverse ${exactly(quote.inverse, LOCALE)}.`);
    this.#source.replaceChildren(...sources.words(quote.source));
    write(this.#count, points.length === 1 ? "The one value" : `All ${points.length} values`);
    this.#rows.replaceChildren(...[...points].reverse().map(valueRow));
  }
}

/** @param {Point} point */
function valueRow({ as_of, price: said, inverse }) {
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, day(as_of, LOCALE)),
    element("td", {}, price(said, LOCALE)),
    element("td", {}, price(inverse, LOCALE)),
  );
}

function chevron() {
  return drawn("svg", { class: "chevron", viewBox: "0 0 12 12", "aria-hidden": "true" }, drawn("path", { d: "M2 4l4 4 4-4" }));
}

/** @type {WeakMap<HTMLElement, number>} */
const fading = new WeakMap();

/** @param {HTMLElement} cell what changed, to be marked for a moment */
function freshen(cell) {
  clearTimeout(fading.get(cell));
  cell.dataset.fresh = "";
  fading.set(cell, setTimeout(() => delete cell.dataset.fresh, FRESH_MS));
}
