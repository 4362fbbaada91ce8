// @ts-check
/** The course of a symbol in its last days: as a line, and in words. */

import { day, price } from "./format.js";
import { number } from "./history.js";
import { filled } from "./filled.js";

/** @typedef {import("./days.js").Point} Point */
/** @typedef {{ x: number, y: number, point: Point }} Place a point, in hundredths of its box */
/** @typedef {{ places: Place[], height: (value: number) => number, least: number, most: number }} Plot */
/** @typedef {Record<"noHistory" | "flat" | "onlyOne" | "course" | "unchanged" | "range" | "told", string>} Words */

export const SIZE = 100;
const MARGIN = 6;

/**
 * @param {readonly Point[]} points at least one, the earliest first
 * @returns {Plot}
 */
export function plot(points) {
  const values = points.map((point) => Number(point.price));
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const days = points.map(number);
  const [first = 0, last = 0] = [days[0], days.at(-1)];
  /** @param {number} value */
  const height = (value) => (most > least ? SIZE - MARGIN - ((value - least) / (most - least)) * (SIZE - 2 * MARGIN) : SIZE / 2);
  const places = points.map((point, index) => ({
    x: last > first ? (((days[index] ?? 0) - first) / (last - first)) * SIZE : SIZE,
    y: height(values[index] ?? 0),
    point,
  }));
  return { places, height, least, most };
}

/**
 * @param {readonly Place[]} places
 * @param {boolean} flat whether the value has been the same all the time, as that of a peg
 */
export function line(places, flat) {
  const first = places[0];
  if (places.length === 1 && first && flat) return `M0 ${first.y}H${SIZE}`;
  return places.map(({ x, y }, index) => `${index ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`).join("");
}

/** @param {Place} place a dot is a line with round ends; WebKitGTK stretches those of a line without length (2026-11) */
export const dot = ({ x, y }) => `M${x.toFixed(2)} ${y.toFixed(2)}h.01`;

/**
 * First, last, lowest and highest.
 *
 * @param {readonly Point[]} points
 * @param {boolean} pegged
 * @param {Words} words
 * @param {string} language
 */
export function told(points, pegged, words, language) {
  /** @param {Point} point */
  const rate = (point) => filled(words.told, { price: price(point.price, language), day: day(point.as_of, language) });
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last) return words.noHistory;
  if (pegged) return filled(words.flat, { price: price(first.price, language), day: day(first.as_of, language) });
  if (points.length === 1) return filled(words.onlyOne, { rate: rate(first) });
  const sorted = [...points].sort((one, other) => Number(one.price) - Number(other.price));
  const [least = first, most = last] = [sorted[0], sorted.at(-1)];
  const course = filled(words.course, { first: rate(first), last: rate(last) });
  if (least.price === most.price) return filled(words.unchanged, { course });
  return filled(words.range, { course, least: rate(least), most: rate(most) });
}
