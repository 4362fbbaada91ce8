// @ts-check
/** The large picture of a course: what is written beside it is HTML, neither stretched nor out of a reader's reach. */

import { SIZE, course, places as placesOf } from "./course.js";
import { path, picture } from "./drawing.js";
import { day, price } from "./format.js";
import { element } from "./nodes.js";
import { filled, language, words } from "./words.js";

/** @typedef {import("./days.js").Point} Point */
/** @typedef {ReturnType<typeof placesOf>[number]} Place */

const TICKS = 5;
const MOST_DECIMALS = 12;

/** @param {Point} point */
const said = (point) => price(point.price, language);

/** @param {Point} point */
const at = (point) => day(point.as_of, language);

/**
 * The large picture with its values and dates, and what the pointer is at.
 *
 * @param {readonly Point[]} points at least one
 * @param {boolean} pegged
 * @returns {HTMLElement}
 */
export function chart(points, pegged) {
  const places = placesOf(points);
  const [first, last] = [places[0], places.at(-1)];
  const cursor = path("cursor");
  const levels = pegged ? [] : ticks(places);
  const grid = levels.map(({ y }) => `M0 ${y.toFixed(2)}H${SIZE}`).join("");
  const dots = pegged ? "" : places.map(({ x, y }) => `M${x.toFixed(2)} ${y.toFixed(2)}h.01`).join("");
  const [line] = course(points, pegged);
  const box = element("div", { class: "box" }, picture(path("grid", grid), path("course", line), path("dots", dots), cursor));
  const values = element("div", { class: "values", "aria-hidden": "true" }, ...levels.map(level));
  if (pegged && first) values.append(level({ y: first.y, text: said(first.point) }));
  const days = element("div", { class: "days", "aria-hidden": "true" });
  if (first && last) days.append(element("span", {}, pegged ? filled(words.since, { day: at(first.point) }) : at(first.point)));
  if (first && last && last !== first) days.append(element("span", {}, at(last.point)));
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
 * @param {readonly Place[]} places
 * @returns {{ y: number, text: string }[]}
 */
function ticks(places) {
  const sorted = [...places].sort((one, other) => +one.point.price - +other.point.price);
  const [lowest, highest] = [sorted[0], sorted.at(-1)];
  if (!lowest || !highest) return [];
  const [least, most] = [lowest, highest].map(({ point }) => +point.price);
  if (least === undefined || most === undefined || most === least) return [{ y: lowest.y, text: said(lowest.point) }];
  /** @param {number} value */
  const height = (value) => lowest.y + ((value - least) / (most - least)) * (highest.y - lowest.y);
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
    reading.textContent = filled(words.reading, { day: at(place.point), price: said(place.point), reverse });
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
