// @ts-check
/** The last days of one symbol: read once, and then carried on by its quotes. */

import { dayOf, firstDay, historyFrom } from "./days.js";
import { fetched } from "./fetched.js";

/** @typedef {import("./stream.js").Quote} Quote */
/** @typedef {import("./days.js").Point} Point */

/**
 * @param {() => void} changed is called when there is more to be had
 * @returns {(server: string, quote: Quote) => readonly Point[]} the earliest first; none until they are known
 */
export function followed(changed) {
  /** @type {readonly Point[]} */
  let points = [];
  let source = "";
  return (server, quote) => {
    const now = server + quote.source;
    if (source !== now) points = [];
    source = now;
    if (follows(points.at(-1), quote)) points = withQuote(points, quote);
    else {
      const answer = fetched(historyFrom(server, quote) + firstDay(quote), changed);
      if (answer) points = withQuote(answer.fixings, quote);
    }
    return points;
  };
}

/**
 * Whether no day between a point and a quote can be missing.
 *
 * @param {Point | undefined} last
 * @param {Quote} quote
 */
export const follows = (last, quote) =>
  !!last && (dayOf(last) === dayOf(quote) || (dayOf(last) < dayOf(quote) && last.price === quote.previous));

/**
 * @param {readonly Point[]} points
 * @param {Quote} quote
 * @returns {Point[]}
 */
export const withQuote = (points, quote) => [
  ...points.filter((point) => dayOf(point) < dayOf(quote) && dayOf(point) >= firstDay(quote)),
  quote,
];
