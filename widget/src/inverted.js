// @ts-check
/** A quote the other way round. */

/** @typedef {import("./stream.js").Quote} Quote */

/** @param {string} symbol `KGS/USD` as `USD/KGS` */
export const reverse = (symbol) => symbol.split("/").reverse().join("/");

/**
 * What the server would say of the reverse symbol; its change is not ours with the sign turned.
 *
 * The quotient's ten digits end in noise; nine are the bank's own figure of the publication before.
 *
 * @param {Quote} quote
 * @returns {Quote}
 */
export function inverted(quote) {
  const { symbol, price, inverse, previous, next } = quote;
  const before = previous && (previous === price ? +inverse : +(1 / +previous).toPrecision(9));
  const places = inverse.split(".")[1]?.length;
  return {
    ...quote,
    symbol: reverse(symbol),
    price: inverse,
    inverse: price,
    previous: before ? before.toFixed(places) : null,
    change: before ? (+inverse - before).toFixed(places) : null,
    change_percent: before ? `${+((+inverse / before - 1) * 100).toFixed(2)}` : null,
    next: next && { ...next, price: next.inverse, inverse: next.price },
  };
}
