// @ts-check
/** The course of a symbol in its last days: as a line, and in words. */

import { number } from "./days.js";
import { filled } from "./filled.js";
import { day, price } from "./format.js";

/** @typedef {import("./days.js").Point} Point */
/** @typedef {Record<"flat" | "course" | "range" | "told", string>} Words */

/** The side of the box in which it is drawn. */
export const SIZE = 100;
const MARGIN = 6;

/**
 * How far each value is between the least and the greatest; in the middle if all are the same.
 *
 * @param {readonly number[]} values
 */
function spread(values) {
  const least = Math.min(...values);
  const range = Math.max(...values) - least;
  return values.map((value) => (range ? (value - least) / range : 0.5));
}

/**
 * Where each point is in the box; the only one is at the end.
 *
 * @param {readonly Point[]} points the earliest first
 */
export function places(points) {
  const rows = spread(points.map(({ price }) => +price));
  const columns = points.length > 1 ? spread(points.map(number)) : [1];
  return points.map((point, index) => ({
    point,
    x: (columns[index] ?? 0) * SIZE,
    y: SIZE - MARGIN - (rows[index] ?? 0) * (SIZE - 2 * MARGIN),
  }));
}

/**
 * The line of the points, and the dot at its end: a line with round ends, as WebKitGTK stretches those of a line
 * without length (2026-11).
 *
 * @param {readonly Point[]} points
 * @param {boolean} isPegged the value has been the same all the time, and has no days
 * @returns {[line: string, dot: string]}
 */
export function course(points, isPegged) {
  if (isPegged && points.length < 2) return [`M0 ${SIZE / 2}H${SIZE}`, ""];
  const all = places(points).map(({ x, y }) => `${x.toFixed(2)} ${y.toFixed(2)}`);
  return [`M${all.join("L")}`, isPegged ? "" : `M${all.at(-1)}h.01`];
}

/**
 * First, last, lowest and highest.
 *
 * @param {readonly Point[]} points at least one
 * @param {boolean} isPegged
 * @param {Words} words
 * @param {string} language
 */
export function told(points, isPegged, words, language) {
  /** @param {Point | undefined} point */
  const rate = (point) =>
    point ? filled(isPegged ? words.flat : words.told, { price: price(point.price, language), day: day(point.as_of, language) }) : "";
  if (isPegged || points.length < 2) return rate(points[0]);
  const sorted = [...points].sort((one, other) => +one.price - +other.price);
  const course = filled(words.course, { first: rate(points[0]), last: rate(points.at(-1)) });
  return filled(words.range, { course, least: rate(sorted[0]), most: rate(sorted.at(-1)) });
}
