// @ts-check
/** The last days of a symbol: read once, and then carried on by the quotes of the stream. */

import { ask } from "./ask.js";
import { DAYS, firstDay, historyFrom } from "./days.js";

/** @typedef {import("./stream.js").Quote} Quote */
/** @typedef {import("./days.js").Point} Point */

/** @param {{ as_of: string }} point */
export const dayOf = ({ as_of }) => as_of.slice(0, 10);

/**
 * Days since 1970.
 *
 * @param {{ as_of: string }} point
 */
export const number = (point) => Date.parse(dayOf(point)) / 864e5;

/**
 * The points of the days before a quote and of its own, of its own source.
 *
 * @param {Quote} quote
 * @returns {Promise<Point[] | null>} null if there is no answer
 */
export async function read(quote) {
  const answer = await ask(historyFrom(".", quote) + firstDay(quote));
  return Array.isArray(answer?.fixings) ? answer.fixings : null;
}

/**
 * The points with a quote's own; null if one between them may be missing.
 *
 * @param {readonly Point[]} points
 * @param {Quote} quote
 * @returns {Point[] | null}
 */
export function extended(points, quote) {
  const last = points.at(-1);
  if (!last || dayOf(last) > dayOf(quote)) return null;
  const isNew = dayOf(last) < dayOf(quote);
  if (isNew && last.price !== quote.previous) return null;
  return withQuote(points, quote);
}

/**
 * @param {readonly Point[]} points
 * @param {Quote} quote
 * @returns {Point[]}
 */
export function withQuote(points, quote) {
  const { as_of, price, inverse } = quote;
  const before = points.filter((point) => dayOf(point) < dayOf(quote) && number(point) >= number(quote) - DAYS);
  return [...before, { as_of, price, inverse }];
}
