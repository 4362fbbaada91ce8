// @ts-check
/** The table of quotes: a row each, which opens to show its last days at large. */

import { chart, sparkline, told } from "./chart.js";
import { day, direction, exactly, percent, price, sourceName } from "./format.js";
import { extended, read, withQuote } from "./history.js";
import { named } from "./names.js";
import { drawn, element, rewrite } from "./nodes.js";
import { filled, labels, language, quoted, words } from "./words.js";
import { mark, write } from "./write.js";

/** @typedef {import("./stream.js").Quote} Quote */
/** @typedef {import("./days.js").Point} Point */
/** @typedef {import("./sources.js").Sources} Sources */

const FRESH_MS = 2000;
const COLUMNS = ["price", "inverse", "change", "days", "source", "date", "status"];

/** @type {Record<Quote["status"], string>} */
const STATUS = {
  live: words.live,
  pegged: labels.pegged,
  stale: labels.stale,
  unconfirmed: labels.unconfirmed,
  fallback: words.fallback,
};

/** @type {Record<Quote["status"], string>} */
const MEANING = {
  live: words.liveMeans,
  pegged: words.peggedMeans,
  stale: words.staleMeans,
  unconfirmed: words.unconfirmedMeans,
  fallback: words.fallbackMeans,
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
    this.#tellStatus({ state: words.awaited, more: quoted(reason) }, true);
  }

  /** @param {Quote} quote */
  show(quote) {
    const isFirst = !this.#quote;
    this.#quote = quote;
    this.#button.hidden = false;
    const change = percent(quote.change_percent, language);
    const texts = {
      price: price(quote.price, language),
      inverse: price(quote.inverse, language),
      change: change || "–",
      date: day(quote.as_of, language),
    };
    for (const [column, text] of Object.entries(texts)) this.#write(column, text, isFirst);
    mark(this.#cell("change"), "data-direction", direction(change));
    mark(this.#row, "data-status", quote.status);
    this.#showStatus(quote, isFirst);
    this.refresh();
  }

  refresh() {
    if (!this.#quote) return;
    write(this.#cell("source"), this.#quote.status === "pegged" ? words.state : sourceName(this.#quote));
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
    const state = (STATUS[quote.status] ?? quote.status) + (corrected ? `, ${words.corrected}` : "");
    const more = next && filled(words.announced, { price: price(next.inverse, language), day: day(next.as_of, language) });
    this.#tellStatus({ state, more, meaning: MEANING[quote.status] }, isFirst);
  }

  /**
   * @param {{ state: string, more?: Node | string | null, meaning?: string }} texts `meaning` explains the state
   * @param {boolean} isFirst
   */
  #tellStatus({ state, more, meaning = "" }, isFirst) {
    const cell = this.#cell("status");
    const parts = [element("span", { class: "state" }, state)];
    mark(/** @type {HTMLElement} */ (parts[0]), "title", meaning);
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
    const text = told(points, isPegged);
    const said = filled(words.lastDays, { symbol: quote.symbol, course: text });
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
    const head = [words.date, words.price, words.reverse].map((name) => element("th", { scope: "col" }, name));
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
    const exact = filled(words.exact, { price: exactly(quote.price, language), reverse: exactly(quote.inverse, language) });
    write(this.#meaning, `${MEANING[quote.status] ?? ""} ${exact}`);
    this.#source.replaceChildren(...sources.words(quote.source));
    write(this.#count, filled(words.all, { count: `${points.length}` }));
    this.#rows.replaceChildren(...[...points].reverse().map(valueRow));
  }
}

/** @param {Point} point */
function valueRow({ as_of, price: said, inverse }) {
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, day(as_of, language)),
    element("td", {}, price(said, language)),
    element("td", {}, price(inverse, language)),
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
