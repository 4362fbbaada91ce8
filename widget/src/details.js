// @ts-check
/** What the rows of the board open: the last days at large, in words and in figures, and whose word they are. */

import { chart } from "./chart.js";
import { told } from "./course.js";
import { followed } from "./followed.js";
import { day, exactly, price } from "./format.js";
import { element } from "./nodes.js";
import { serverAddress } from "./stream.js";
import { filled, language, words } from "./words.js";
import { write } from "./write.js";

/** @typedef {import("./stream.js").Quote} Quote */
/** @typedef {import("./days.js").Point} Point */
/** @typedef {import("./sources.js").Sources} Sources */

/** @type {Record<Quote["status"], string>} */
const MEANING = {
  live: words.liveMeans,
  pegged: words.peggedMeans,
  stale: words.staleMeans,
  unconfirmed: words.unconfirmedMeans,
  fallback: words.fallbackMeans,
};
/** Named as the board names it, so that both ask for a history once. */
const SERVER = `${serverAddress(document.baseURI)}`;

export class Details {
  #board;
  #sources;
  /** @type {Map<string, Detail>} */
  #all = new Map();

  /**
   * @param {HTMLElement} board
   * @param {Sources} sources
   */
  constructor(board, sources) {
    this.#board = board;
    this.#sources = sources;
  }

  /** @param {string} symbol */
  has(symbol) {
    return this.#all.has(symbol);
  }

  /** @param {Quote} quote */
  hear(quote) {
    let detail = this.#all.get(quote.symbol);
    if (!detail) {
      this.#all.set(quote.symbol, (detail = new Detail(quote.symbol, this.#sources)));
      this.#board.append(detail.node);
    }
    detail.hear(quote);
  }

  /** @param {string} symbol */
  open(symbol) {
    this.#all.get(symbol)?.open();
  }

  /** Name the sources anew. */
  refresh() {
    for (const detail of this.#all.values()) detail.refresh();
  }
}

class Detail {
  #plate = element("div");
  #words = element("figcaption");
  #meaning = element("p");
  #source = element("p");
  #rows = element("tbody");
  #count = element("summary");
  #sources;
  /** @type {Quote | null} */
  #quote = null;
  #isOpen = false;
  #drawn = "";
  #follow = followed(() => this.refresh());

  /**
   * @param {string} symbol
   * @param {Sources} sources
   */
  constructor(symbol, sources) {
    this.#sources = sources;
    const head = [words.day, words.price, words.inverse].map((name) => element("th", { scope: "col" }, name));
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...head)), this.#rows);
    const values = element("details", {}, this.#count, table);
    const text = element("div", { class: "story" }, this.#meaning, this.#source, values);
    const figure = element("figure", {}, this.#plate, this.#words);
    this.node = element("div", { slot: symbol, id: `days-${symbol.replace("/", "-")}`, class: "opened" }, figure, text);
  }

  /** @param {Quote} quote */
  hear(quote) {
    this.#quote = quote;
    this.refresh();
  }

  open() {
    this.#isOpen = true;
    this.refresh();
  }

  /** What was never opened is not drawn. */
  refresh() {
    if (this.#isOpen && this.#quote) this.#show(this.#quote);
  }

  /** @param {Quote} quote */
  #show(quote) {
    const points = this.#follow(SERVER, quote);
    const shown = JSON.stringify([quote, points, this.#sources.of(quote.source)?.name]);
    if (shown === this.#drawn || !points.length) return;
    this.#drawn = shown;
    const isPegged = this.#sources.isPeg(quote.source);
    this.#plate.replaceChildren(chart(points, isPegged));
    write(this.#words, `${quote.symbol}, ${told(points, isPegged, words, language)}.`);
    const exact = filled(words.exact, { price: exactly(quote.price, language), reverse: exactly(quote.inverse, language) });
    write(this.#meaning, `${MEANING[quote.status] ?? ""} ${exact}`);
    this.#source.replaceChildren(...this.#sources.words(quote.source));
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
