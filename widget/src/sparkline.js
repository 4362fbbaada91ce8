// @ts-check
/** The small picture of a quote's last days, cut out by a polygon, from the history of the server. */

import { firstDay, historyFrom } from "./days.js";
import { fetched } from "./fetched.js";

/** @typedef {import("./days.js").Point} Point */

/** Percent of the height that even the lowest day fills. */
const GROUND = 15;

/**
 * What the quote's source said in the days up to it, the earliest first; nothing until it is known.
 *
 * @param {string} server
 * @param {import("./stream.js").Quote} quote
 * @param {() => void} changed is called when it is
 * @returns {Point[]}
 */
export const history = (server, quote, changed) =>
  fetched(historyFrom(server, quote) + firstDay(quote), changed)?.fixings ?? [];

/**
 * The part of a box below the line of the days, for `clip-path`; flat for a single day, as of a peg.
 *
 * @param {readonly Point[]} fixings the earliest first; the text is empty if there are none
 * @param {"price" | "inverse"} of
 */
export function outline(fixings, of) {
  if (!fixings.length) return "";
  const values = fixings.map((fixing) => +fixing[of]);
  if (values.length === 1) values.push(...values);
  const least = Math.min(...values);
  const range = Math.max(...values) - least || 1;
  const points = values.map(
    (value, day) => `${(100 * day) / (values.length - 1)}% ${(1 - (value - least) / range) * (100 - GROUND)}%`,
  );
  return `polygon(${["0 100%", ...points, "100% 100%"]})`;
}
