// @ts-check
/**
 * The course of a symbol as a picture and in words.
 *
 * A picture is stretched over its box, and its lines keep their width; what is written beside it is
 * HTML, so that it is neither stretched nor out of a reader's reach.
 */

import { day, price } from "./format.js";
import { number } from "./history.js";
import { drawn, element } from "./nodes.js";
import { filled, language, words } from "./words.js";

/** @typedef {import("./days.js").Point} Point */

const SIZE = 100;
const MARGIN = 6;
const TICKS = 5;
const MOST_DECIMALS = 12;

/** @typedef {{ at: string, x: number, y: number, point: Point }} Place a point, in hundredths of the box */

/** @typedef {{ places: Place[], height: (value: number) => number, least: number, most: number }} Plot */

/**
 * @param {readonly Point[]} points at least one, the earliest first
 * @returns {Plot}
 */
function plot(points) {
  const values = points.map((point) => Number(point.price));
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const days = points.map(number);
  const [first = 0, last = 0] = [days[0], days.at(-1)];
  /** @param {number} value */
  const height = (value) => (most > least ? SIZE - MARGIN - ((value - least) / (most - least)) * (SIZE - 2 * MARGIN) : SIZE / 2);
  const places = points.map((point, index) => ({
    at: day(point.as_of, language),
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
function line(places, flat) {
  const first = places[0];
  if (places.length === 1 && first && flat) return `M0 ${first.y}H${SIZE}`;
  return places.map(({ x, y }, index) => `${index ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`).join("");
}

/** @param {Place} place a dot is a line with round ends; WebKitGTK stretches those of a line without length (2026-11) */
const dot = ({ x, y }) => `M${x.toFixed(2)} ${y.toFixed(2)}h.01`;

/**
 * @param {string} d
 * @param {string} name
 */
const path = (d, name) => drawn("path", { d, class: name, "vector-effect": "non-scaling-stroke" });

/** @param {...Node} children */
const picture = (...children) =>
  drawn("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...children);

/**
 * The small picture of a row; the words beside it are `told`.
 *
 * @param {readonly Point[]} points
 * @param {boolean} pegged
 */
export function sparkline(points, pegged) {
  const { places } = plot(points);
  const last = places.at(-1);
  return picture(path(line(places, pegged), "course"), path(last && !pegged ? dot(last) : "", "dots"));
}

/**
 * First, last, lowest and highest.
 *
 * @param {readonly Point[]} points
 * @param {boolean} pegged
 */
export function told(points, pegged) {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last) return words.noHistory;
  if (pegged) return filled(words.flat, { price: said(first), day: day(first.as_of, language) });
  if (points.length === 1) return filled(words.onlyOne, { rate: rate(first) });
  const sorted = [...points].sort((one, other) => Number(one.price) - Number(other.price));
  const [least = first, most = last] = [sorted[0], sorted.at(-1)];
  const course = filled(words.course, { first: rate(first), last: rate(last) });
  if (least.price === most.price) return filled(words.unchanged, { course });
  return filled(words.range, { course, least: rate(least), most: rate(most) });
}

/** @param {Point} point */
const said = (point) => price(point.price, language);

/** @param {Point} point */
const rate = (point) => filled(words.told, { price: said(point), day: day(point.as_of, language) });

/**
 * The large picture with its values and dates, and what the pointer is at.
 *
 * @param {readonly Point[]} points at least one
 * @param {boolean} pegged
 * @returns {HTMLElement}
 */
export function chart(points, pegged) {
  const drawing = plot(points);
  const { places } = drawing;
  const [first, last] = [places[0], places.at(-1)];
  const cursor = path("", "cursor");
  const levels = pegged ? [] : ticks(drawing);
  const grid = levels.map(({ y }) => `M0 ${y.toFixed(2)}H${SIZE}`).join("");
  const dots = pegged ? "" : places.map(dot).join("");
  const box = element("div", { class: "box" }, picture(path(grid, "grid"), path(line(places, pegged), "course"), path(dots, "dots"), cursor));
  const values = element("div", { class: "values", "aria-hidden": "true" }, ...levels.map(level));
  if (pegged && first) values.append(level({ y: first.y, text: said(first.point) }));
  const days = element("div", { class: "days", "aria-hidden": "true" });
  if (first && last) days.append(element("span", {}, pegged ? filled(words.since, { day: first.at }) : first.at));
  if (first && last && last !== first) days.append(element("span", {}, last.at));
  const reading = element("p", { class: "reading", "aria-hidden": "true" });
  const plate = element("div", { class: "chart" }, reading, values, box, days);
  follow(box, places, cursor, reading);
  return plate;
}

/** @param {{ y: number, text: string }} tick */
function level({ y, text }) {
  const node = element("span", {}, text);
  node.style.setProperty("--at", `${y}%`);
  return node;
}

/**
 * Round values between the lowest and the highest.
 *
 * @param {Plot} drawing
 * @returns {{ y: number, text: string }[]}
 */
function ticks({ least, most, height, places }) {
  const only = places[0];
  if (most === least) return only ? [{ y: only.y, text: said(only.point) }] : [];
  const rough = (most - least) / TICKS;
  const power = Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * 10 ** power).find((each) => each >= rough) ?? rough;
  const digits = Math.min(MOST_DECIMALS, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  const found = [];
  for (let at = Math.ceil(least / step); at * step <= most; at++) {
    found.push({ y: height(at * step), text: price((at * step).toFixed(digits), language, digits) });
  }
  return found;
}

/**
 * Tell the value nearest to the pointer; without one, the last.
 *
 * @param {HTMLElement} box
 * @param {readonly Place[]} places
 * @param {Element} cursor
 * @param {HTMLElement} reading
 */
function follow(box, places, cursor, reading) {
  /** @param {Place | undefined} place */
  const tell = (place) => {
    if (!place) return;
    const reverse = price(place.point.inverse, language);
    reading.textContent = filled(words.reading, { day: place.at, price: said(place.point), reverse });
    cursor.setAttribute("d", place === places.at(-1) ? "" : `M${place.x.toFixed(2)} 0V${SIZE}`);
  };
  /** @param {PointerEvent} event */
  const point = ({ clientX }) => {
    const { left, width } = box.getBoundingClientRect();
    const x = ((clientX - left) / width) * SIZE;
    tell([...places].sort((one, other) => Math.abs(one.x - x) - Math.abs(other.x - x))[0]);
  };
  box.addEventListener("pointermove", point);
  box.addEventListener("pointerdown", point);
  box.addEventListener("pointerleave", () => tell(places.at(-1)));
  tell(places.at(-1));
}
