// @ts-check
/** The small picture of a quote's last days, cut out by a polygon, from the history of the server. */

import { firstDay, historyFrom } from "./days.js";

/** @typedef {import("./days.js").Point} Point */

/** Percent of the height that even the lowest day fills. */
const GROUND = 15;

/**
 * What is known of a symbol by one source, one for all elements of the page, by its address.
 *
 * @type {Map<string, { as_of: string, fixings: Point[], reading: Promise<unknown> | null }>}
 */
const known = new Map();

/**
 * What the quote's source said in the days up to it, the earliest first, as far as it is known.
 *
 * @param {string} server
 * @param {import("./stream.js").Quote} quote
 * @param {() => void} changed is called when more is known
 */
export function history(server, quote, changed) {
  const address = historyFrom(server, quote);
  let entry = known.get(address);
  if (entry?.as_of !== quote.as_of) {
    // Until the new days are there, and if they can't be had, the picture stands as it was.
    const fresh = (entry = { fixings: entry?.fixings ?? [], as_of: quote.as_of, reading: /** @type {any} */ (null) });
    known.set(address, entry);
    fresh.reading = fetch(address + firstDay(quote))
      .then((answer) => answer.json())
      .then(({ fixings }) => {
        fresh.fixings = fixings.slice();
        fresh.reading = null;
      });
    fresh.reading.catch(() => (fresh.as_of = ""));
  }
  entry.reading?.then(changed, () => {});
  return entry.fixings;
}

/**
 * The part of a box below the line of the days, for `clip-path`; flat for a single day, as of a peg.
 *
 * @param {readonly Point[]} fixings the earliest first; nothing is seen if there are none
 * @param {"price" | "inverse"} of
 */
export function outline(fixings, of) {
  const values = fixings.map((fixing) => +fixing[of]);
  if (values.length === 1) values.push(...values);
  const least = Math.min(...values);
  const range = Math.max(...values) - least || 1;
  const points = values.map(
    (value, day) => `${(100 * day) / (values.length - 1)}% ${(1 - (value - least) / range) * (100 - GROUND)}%`,
  );
  return `polygon(${["0 100%", ...points, "100% 100%"]})`;
}
