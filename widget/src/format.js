// @ts-check
/** The text of prices and percentages. Decimals stay strings: no digit passes through a float. */

const DECIMAL = /^(-?)(\d{1,40})(?:\.(\d{0,40}))?$/;
const LEAST_DECIMALS = 5;
const LEAST_DIGITS = 4;

/**
 * A decimal rounded half-up (away from zero) to so many places; null if it is no plain decimal.
 *
 * @param {string} decimal as published, such as `0.0114351057747`
 * @param {number} places digits after the point, trailing zeros included
 * @returns {string | null}
 */
export function round(decimal, places) {
  const match = DECIMAL.exec(decimal);
  if (!match) return null;
  const [, sign = "", whole = "", fraction = ""] = match;
  let number = BigInt(whole + fraction.slice(0, places).padEnd(places, "0"));
  if ((fraction[places] ?? "0") >= "5") number += 1n;
  const digits = `${number}`.padStart(places + 1, "0");
  const point = digits.length - places;
  return (number ? sign : "") + digits.slice(0, point) + (places ? `.${digits.slice(point)}` : "");
}

/**
 * `0.01144`: at least 5 decimals and at least 4 significant digits, or exactly `digits` decimals.
 *
 * What is no decimal is shown as it came.
 *
 * @param {string} decimal
 * @param {number | null} [digits]
 */
export function price(decimal, digits = null) {
  return round(decimal, digits ?? enough(decimal)) ?? decimal;
}

/** @param {string} decimal */
function enough(decimal) {
  const zeros = /^-?0*\.(0*)/.exec(decimal)?.[1]?.length ?? 0;
  return Math.max(LEAST_DECIMALS, zeros + LEAST_DIGITS);
}

/**
 * `+0.5%`, `-0.44%`, `0%`: at most two decimals, with its sign, never `-0%`; nothing if unknown.
 *
 * @param {string | null | undefined} decimal
 */
export function percent(decimal) {
  const rounded = round(decimal ?? "", 2);
  if (rounded === null) return "";
  const short = rounded.replace(/\.?0+$/, "");
  return `${short === "0" || short[0] === "-" ? "" : "+"}${short}%`;
}

/**
 * Which way the text of a percentage points; nothing if it is unknown.
 *
 * It is read from the text, so that an arrow never contradicts the number beside it.
 *
 * @param {string} text
 * @returns {"up" | "down" | "flat" | ""}
 */
export function direction(text) {
  if (!text) return "";
  return text[0] === "+" ? "up" : text[0] === "-" ? "down" : "flat";
}
