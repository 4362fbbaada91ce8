// @ts-check
/** The last days of one symbol: read once, and then carried on by its quotes. */

import { extended, withQuote } from "./history.js";
import { history } from "./sparkline.js";

/** @typedef {import("./stream.js").Quote} Quote */
/** @typedef {import("./days.js").Point} Point */

/**
 * @param {() => void} changed is called when there is more to be had
 * @returns {(server: string, quote: Quote) => readonly Point[]} the earliest first; none until they are known
 */
export function followed(changed) {
  /** @type {Point[] | null} */
  let points = null;
  let source = "";
  return (server, quote) => {
    const known = points && source === quote.source && extended(points, quote);
    const read = known ? [] : history(server, quote, changed);
    if (known) points = known;
    else if (read.length) points = withQuote(read, quote);
    else return (points && source === quote.source && points) || [];
    source = quote.source;
    return points;
  };
}
