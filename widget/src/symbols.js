// @ts-check
/** The symbols that a page asks for. */

import { reverse } from "./inverted.js";
import { warn } from "./warn.js";

/** @typedef {import("./item.js").Quote} Quote */

/**
 * `KGS kzt/usd,TJS-USD USDUZS` as symbols; null, which is all, where there is none.
 *
 * What is none stays as it was written, so that it is told, rather than something else shown.
 *
 * @param {string} text
 */
export function symbolsOf(text) {
  const whole = text
    .toUpperCase()
    .match(/[^\s,;]+/g)
    ?.map((word) => {
      const [, base, other = "USD"] = word.match(/^([A-Z]{3})(?:[/-]?([A-Z]{3}))?$/) ?? [];
      return base ? `${base}/${other}` : word;
    });
  return whole ? [...new Set(whole)] : null;
}

export const NOT_SERVED = "no data";

/**
 * What stands for a symbol without a quote, once the server has told of it.
 *
 * @param {string} symbol
 * @param {import("./stream.js").Awaited} awaited
 * @returns {Quote | []}
 */
export function absent(symbol, awaited) {
  if (!awaited) return [];
  const reason = awaited[symbol] ?? awaited[reverse(symbol)];
  if (!reason) warn(`${symbol} is not served`);
  // As long as a price, which is to take its place.
  const price = reason ? "…".padEnd(7) : NOT_SERVED;
  return /** @type {Quote} */ ({ symbol, price, inverse: price, reason: reason ?? price });
}
