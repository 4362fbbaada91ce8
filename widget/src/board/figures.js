// @ts-check
/** What all elements say of a quote. */

import { day, sourceName } from "../format.js";

/** @typedef {import("./element.js").Quote} Quote */
/** @typedef {import("./element.js").Words} Words */

/** Who decided the price, `demo:` in a demo. @param {Quote} quote @param {Words} words */
export const authority = (quote, words) => (quote.status === "pegged" ? quote.source.replace("peg", words.state) : sourceName(quote));

/** The words for a status, or for why there is no figure. @param {Quote} quote @param {Words} words */
export function standing({ status, reason, price }, words) {
  // Where a symbol is not served, the reason is all that there is.
  if (reason) return reason === price ? reason : words.awaited;
  return words[status] || status;
}

/**
 * A figure, and below it who decided it, since when, and its status unless it is live; else why there is none.
 *
 * @param {Quote} quote
 * @param {string} figure
 * @param {import("./element.js").Base} base
 */
export function grounded(quote, figure, { words, language }) {
  const { status, reason, symbol, as_of } = quote;
  const parts = reason ? [] : [authority(quote, words), day(as_of, language)];
  if (status !== "live") parts.push(standing(quote, words));
  return `${reason ? symbol : figure}\n${parts.join(", ")}`;
}
