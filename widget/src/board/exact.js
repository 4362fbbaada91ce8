// @ts-check
/** Exact amounts: fractions of decimal texts, by rates as their sources state them. No figure becomes a float. */

import { reverse } from "../inverted.js";

/** @typedef {import("../item.js").Quote} Quote */
/** @typedef {readonly [numerator: bigint, denominator: bigint]} Fraction */

/**
 * @param {string | number} decimal such as `87.4500`
 * @returns {Fraction}
 */
export function fraction(decimal) {
  const [whole, places = ""] = `${decimal}`.split(".");
  return [BigInt(whole + places), 10n ** BigInt(places.length)];
}

/**
 * A rate as its source states it: so many units of the first currency cost so many of the second.
 *
 * @param {Quote} quote
 */
export function stated({ symbol, price, inverse, value, nominal, direction }) {
  // One of the two is a quotient of ten digits, or as short as the other.
  const isTurned = inverse.length < price.length;
  const pair = (value && direction) || (isTurned ? reverse(symbol) : symbol);
  const [first, second] = /** @type {[string, string]} */ (pair.split("/"));
  return { units: (value && nominal) || 1, first, figure: value || (isTurned ? inverse : price), second };
}

/**
 * What an amount of a currency is after each of these rates, and of which currency.
 *
 * @param {string} amount
 * @param {string} code
 * @param {readonly Quote[]} quotes
 * @returns {[Fraction, string]}
 */
export function converted(amount, code, quotes) {
  let [above, below] = fraction(amount);
  for (const { units, first, figure, second } of quotes.map(stated)) {
    const [up, places] = fraction(figure);
    const down = places * BigInt(units);
    if (code === first) {
      code = second;
      above *= up;
      below *= down;
    } else {
      code = first;
      above *= down;
      below *= up;
    }
  }
  return [[above, below], code];
}

/**
 * The 60 decimals of a fraction, cut and not rounded: rounding them half-up gives what the fraction would give.
 *
 * The least amount at the least price has four digits in them.
 *
 * @param {Fraction} fraction
 */
export function decimal([above, below]) {
  return `${(above * 10n ** 60n) / below}`.padStart(61, "0").replace(/(?=.{60}$)/, ".");
}
