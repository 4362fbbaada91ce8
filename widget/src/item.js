// @ts-check
/** One quote of the line: its words, and the nodes that show them. */

import { direction, percent, price } from "./format.js";

/** @typedef {import("./stream.js").Quote} Quote */

/**
 * @typedef {object} Wording the words of a quote, the same for the line and its copies
 * @property {string} price
 * @property {string} change
 * @property {string} direction
 * @property {string} status
 * @property {string} title
 */

// `-12.34%`: so that an ordinary day does not outgrow what a quiet one reserved.
const CHANGE_CHARACTERS = 7;

/**
 * @param {Quote} quote
 * @param {number | null} digits
 * @returns {Wording}
 */
export function wording(quote, digits) {
  const change = percent(quote.change_percent);
  return {
    price: price(quote.price, digits),
    change,
    direction: direction(change),
    status: quote.status,
    title: `${quote.symbol} ${quote.price} (${quote.source}, ${quote.as_of}, ${quote.status})`,
  };
}

/** @param {Wording} words */
export const characters = ({ price, change }) => price.length + 1 + change.length;

/** @param {Wording} words */
export const generous = ({ price, change }) => price.length + 1 + Math.max(CHANGE_CHARACTERS, change.length);

/**
 * @param {string} tag
 * @param {{ [attribute: string]: string }} attributes
 * @param {...(Node | string)} children
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** The nodes of one quote. Writing is in place, and touches only what differs. */
export class Item {
  #price = new Text();
  #change = new Text();
  #gap = new Text();
  #value = element(
    "span",
    { class: "value" },
    element("span", { part: "price" }, this.#price),
    this.#gap,
    element("span", { part: "change" }, this.#change),
  );
  #slot = element("span", { class: "slot" }, this.#value);
  #reserved = 0;

  /** @param {string} symbol */
  constructor(symbol) {
    this.node = element(
      "li",
      { part: "item", "data-symbol": symbol },
      element("span", { part: "symbol" }, symbol),
      " = ",
      this.#slot,
    );
  }

  /** @param {number} reserved width in characters */
  reserve(reserved) {
    if (reserved === this.#reserved) return;
    this.#reserved = reserved;
    this.#slot.style.setProperty("--reserved", `${reserved}`);
  }

  /** @param {Wording} words */
  show(words) {
    write(this.#price, words.price);
    write(this.#gap, words.change && " ");
    write(this.#change, words.change);
    mark(this.node, "data-direction", words.direction);
    mark(this.node, "data-status", words.status);
    mark(this.node, "title", words.title);
    this.#squeeze(this.#reserved / characters(words));
  }

  /**
   * Text that outgrew its place is drawn narrower, rather than over its neighbours.
   *
   * @param {number} scale
   */
  #squeeze(scale) {
    const transform = scale < 1 ? `scaleX(${scale.toFixed(3)})` : "";
    if (this.#value.style.transform !== transform) this.#value.style.transform = transform;
  }
}

/**
 * @param {Text} node
 * @param {string} text
 */
function write(node, text) {
  if (node.data !== text) node.data = text;
}

/**
 * @param {Element} node
 * @param {string} name
 * @param {string} value nothing removes the attribute
 */
export function mark(node, name, value) {
  if ((node.getAttribute(name) ?? "") === value) return;
  if (value) node.setAttribute(name, value);
  else node.removeAttribute(name);
}
