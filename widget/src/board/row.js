// @ts-check
/** A row of the table: the cells of one quote, and below them what the row opens. */

import { course, told } from "../course.js";
import { path, picture } from "../drawing.js";
import { filled } from "../filled.js";
import { followed } from "../followed.js";
import { day, direction, exactly, percent, price, sourceName } from "../format.js";
import { element } from "../parts.js";
import { mark, write } from "../write.js";

/** @typedef {import("./element.js").Base} Base */
/** @typedef {import("./element.js").Quote} Quote */

/**
 * @typedef {object} Table what a row is told by its table
 * @property {readonly string[]} columns
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
  mark(node, "role", ROLES[tag]);
  return node;
}

/**
 * @param {string} symbol
 * @param {Base} base
 * @param {Table} table
 */
export function makeRow(symbol, base, { columns, select, freshen }) {
  const { words, language } = base;
  const [first = "", second = ""] = symbol.split("/");
  /** @type {Record<string, HTMLElement>} by their columns */
  const texts = {};
  const more = element("bdi", "more");
  const line = path("course");
  const dot = path("dots");
  const follow = followed(base.changed);
  let isShown = false;
  let drawn = "";

  const names = base.named(first, ...(second === "USD" ? [] : [second]));
  const note = element("span", "mark");
  let title = element("span", "symbol", symbol, note);
  const head = table("th", "pair", title, element("bdi", "name", names));
  const slot = /** @type {HTMLSlotElement} */ (element("slot", ""));
  const opened = table("tr", "opened", table("td", "", slot));
  const node = table("tr", "row", head, ...columns.slice(1).map(cell));

  mark(head, "role", "rowheader");
  mark(head, "scope", "row");
  mark(node, "data-symbol", symbol);
  mark(slot, "name", symbol);
  opened.id = `opened-${symbol}`;
  opened.hidden = true;
  slot.addEventListener("slotchange", entitle);
  node.addEventListener("click", choose);

  /** @param {string} name of a column */
  function cell(name) {
    const text = (texts[name] = element(name === "chart" ? "div" : "bdi", name === "chart" ? "picture" : ""));
    const node = table("td", name === "status" ? "state" : name, text);
    if (name === "chart") text.append(picture(line, dot));
    if (name === "status") node.append(more);
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
    const { getSelection = () => document.getSelection() } = /** @type {any} */ (base.root);
    if (title.contains(/** @type {Node} */ (event.target)) || getSelection.call(base.root)?.type !== "Range") select(symbol);
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
    const points = chart && !quote.reason ? follow(base.server(), quote) : [];
    const last = points.at(-1);
    const now = `${points.length} ${last?.as_of} ${last?.price}`;
    if (!chart || !last || now === drawn) return;
    drawn = now;
    const isPegged = quote.status === "pegged";
    const [d, end] = course(points, isPegged);
    mark(line, "d", d);
    mark(dot, "d", end);
    mark(chart, "role", "img");
    mark(chart, "aria-label", `${words.days}: ${told(points, isPegged, words, language)}`);
  }

  /** @param {Quote} quote */
  function tell(quote) {
    const { reason } = quote;
    const change = percent(quote.change_percent, language);
    say("price", price(quote.price, language), exactly(quote.price, language));
    if (reason) return tellStatus(quote);
    say("inverse", price(quote.inverse, language), exactly(quote.inverse, language));
    say("change", change || "–");
    if (texts.change) mark(texts.change, "data-direction", direction(change));
    say("source", quote.status === "pegged" ? words.state : sourceName(quote));
    say("date", day(quote.as_of, language));
    tellStatus(quote);
    draw(quote);
    isShown = true;
  }

  /** @param {Quote} quote */
  function tellStatus({ status, next, corrected, reason, price: text }) {
    const isUnknown = reason === text;
    const state = isUnknown ? text : reason ? words.awaited : (words[status] ?? status);
    const kind = reason ? "awaited" : status;
    const announced = next && filled(words.announced, { price: price(next.inverse, language), day: day(next.as_of, language) });
    const before = more.textContent;
    write(more, (isUnknown ? "" : reason) ?? announced ?? "");
    mark(more, "lang", reason ? "en" : "");
    say("status", state + (corrected ? `, ${words.corrected}` : ""));
    if (texts.status) mark(texts.status, "data-status", kind);
    if (texts.status && isShown && before !== more.textContent) freshen(more);
    // Where there is no column for it, it stands beside the symbol.
    note.hidden = !!texts.status || status === "live" || !status;
    mark(note, "data-status", kind);
    mark(note, "data-note", state);
    mark(note, "title", state);
  }

  return {
    isOpen: () => !opened.hidden,

    /** Open or close what the page has for this row, if anything. */
    toggle() {
      open(opensIt() && !!opened.hidden);
    },

    /** @param {Quote | undefined} quote nothing as long as nothing is known */
    show(quote) {
      if (quote) tell(quote);
      return [node, opened];
    },
  };
}
