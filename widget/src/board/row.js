// @ts-check
/** One quote: the cells of a row of the table, and below them what the row opens; a box has them, too. */

import { course, told } from "../course.js";
import { path, picture } from "../drawing.js";
import { filled } from "../filled.js";
import { followed } from "../followed.js";
import { day, direction, exactly, percent, price } from "../format.js";
import { element } from "../parts.js";
import { mark, write } from "../write.js";
import { authority, standing } from "./figures.js";

/** @typedef {import("./element.js").Base} Base */
/** @typedef {import("./element.js").Quote} Quote */

/**
 * @typedef {object} Table what a row is told by its table
 * @property {readonly string[]} columns
 * @property {typeof table} make its nodes
 * @property {(symbol: string) => void} select
 * @property {(node: Element) => void} freshen
 */

const ROLES = { table: "table", thead: "rowgroup", tbody: "rowgroup", tr: "row", th: "columnheader", td: "cell" };

/**
 * @param {keyof typeof ROLES} tag whose role is told in words, as another layout takes it away
 * @param {string} part
 * @param {...(Node | string)} children
 */
export function table(tag, part, ...children) {
  const node = element(tag, part, ...children);
  mark(node, "role", part === "pair" ? "rowheader" : ROLES[tag]);
  return node;
}

/**
 * @param {string} symbol
 * @param {Base} base
 * @param {Table} table
 */
export function makeRow(symbol, base, { columns, make, select, freshen }) {
  const { words, language } = base;
  const [, second] = symbol.split("/");
  /** @type {Record<string, HTMLElement>} by their columns */
  const texts = {};
  const more = element("bdi", "more");
  const line = path("course");
  const dot = path("dots");
  const follow = followed(base.changed);
  let isShown = false;

  const names = base.named(...symbol.replace(/\/USD$/, "").split("/"));
  const note = element("span", "mark");
  let title = element("span", "symbol", symbol, note);
  const head = make("th", "pair", title, element("bdi", "name", names));
  const slot = /** @type {HTMLSlotElement} */ (element("slot", ""));
  const opened = make("tr", "opened", make("td", "", slot));
  const node = make("tr", "row", head, ...columns.slice(1).map(cell));

  mark(node, "data-symbol", symbol);
  slot.name = symbol;
  opened.id = `opened-${symbol}`;
  opened.hidden = true;
  slot.onslotchange = entitle;
  node.onclick = choose;

  /** @param {string} name of a column */
  function cell(name) {
    const text = (texts[name] = element(name === "chart" ? "div" : "bdi", name === "chart" ? "picture" : ""));
    const node = make("td", name === "status" ? "state" : name, text);
    if (name === "chart") text.append(picture(line, dot));
    if (name === "status") node.append((texts.more = more));
    if (name === "inverse") mark(node, "data-label", `1 ${second} =`);
    return node;
  }

  /** The symbol is a button where the page has something to open. */
  function entitle() {
    const opens = slot.assignedNodes().length > 0;
    const next = element(opens ? "button" : "span", "symbol", symbol, note);
    title.replaceWith(next);
    title = next;
    if (opens) mark(title, "aria-controls", opened.id);
    open(opens && !opened.hidden);
  }

  /** @param {boolean} isOpen */
  function open(isOpen) {
    opened.hidden = !isOpen;
    if (opensIt()) mark(title, "aria-expanded", `${isOpen}`);
  }

  const opensIt = () => title.localName === "button";

  /** @param {MouseEvent} event */
  function choose(event) {
    // Who marks a figure to copy it does not choose the row.
    const selection = /** @type {any} */ (base.root).getSelection?.() ?? document.getSelection();
    if (title.contains(/** @type {Node} */ (event.target)) || selection?.type !== "Range") select(symbol);
  }

  /**
   * @param {string} name of a column
   * @param {string} text
   * @param {string} [exact]
   */
  function say(name, text, exact = "") {
    const node = texts[name];
    if (!node) return;
    if (node.textContent !== text && isShown) freshen(node);
    write(node, text);
    mark(node, "title", exact === text ? "" : exact);
  }

  /** @param {Quote} quote */
  function draw(quote) {
    const { chart } = texts;
    if (!chart) return;
    const points = follow(base.server(), quote);
    if (!points.length) return;
    const isPegged = quote.status === "pegged";
    const [d, end] = course(points, isPegged);
    mark(line, "d", d);
    mark(dot, "d", end);
    mark(chart, "role", "img");
    mark(chart, "aria-label", `${words.chart}: ${told(points, isPegged, words, language)}`);
  }

  /**
   * @param {Quote} quote
   * @param {number | null} [digits]
   * @param {string} [title] of the price
   */
  function tell(quote, digits, title = exactly(quote.price, language)) {
    const { status, next, corrected, reason } = quote;
    say("price", price(quote.price, language, digits), title);
    if (!reason) {
      const change = percent(quote.change_percent, language);
      say("inverse", price(quote.inverse, language), exactly(quote.inverse, language));
      say("change", change || "–");
      if (texts.change) mark(texts.change, "data-direction", direction(change));
      say("source", authority(quote, words));
      say("date", day(quote.as_of, language));
      draw(quote);
    }
    const state = standing(quote, words);
    const kind = reason ? "awaited" : status;
    const announced = next && filled(words.announced, { price: price(next.price, language), day: day(next.as_of, language) });
    say("more", (reason === state ? "" : reason) ?? announced ?? "");
    mark(more, "lang", reason ? "en" : "");
    say("status", state + (corrected ? `, ${words.corrected}` : ""));
    if (texts.status) mark(texts.status, "data-status", kind);
    // Where there is no column for it, it stands beside the symbol.
    note.hidden = !!texts.status || status === "live" || !status;
    mark(note, "data-status", kind);
    mark(note, "title", state);
    isShown = !reason;
  }

  return {
    node,
    opened,
    note,
    texts,
    isOpen: () => !opened.hidden,

    /** Open or close what the page has for this row, if anything. */
    toggle() {
      open(opensIt() && !!opened.hidden);
    },

    tell,
  };
}
