// @ts-check
/** Amounts as people type them. */

import { price } from "../format.js";

/** In groups, such as `1 234,5`. */
const GROUPED = /^([1-9]\d{0,2}([ .,])(?:\d{2,3}\2)*\d{3})(?:(?!\2)[.,](\d*))?$/;
const PLAIN = /^(\d*)()(?:[.,](\d*))?$/;

const MOST_DIGITS = 30;

/**
 * The decimal of what was typed; empty if it is no amount.
 *
 * `1,234` has a group where the locale writes groups so, and decimals elsewhere.
 *
 * @param {string} text
 * @param {string} locale
 * @param {string} code of the currency, which may stand beside the figures
 */
export function amountOf(text, locale, code) {
  const own = `(${code.replace("USD", "USD|(US)?\\$")})`;
  const typed = text
    .replace(/\p{Cf}/gu, "")
    .trim()
    // Only the currency itself may stand before or after the figures: `5 mln` is not 5.
    .replace(RegExp(`^${own}|${own}$`, "gi"), "")
    .trim()
    .replace(/[\s'’]/g, " ");
  const forms = [PLAIN, GROUPED];
  // Where the locale's own mark between groups is in it, groups are more likely than decimals.
  if (typed.includes(`${price("11111", locale)[2]}`)) forms.reverse();
  const [, first = "", , places = ""] = forms.map((form) => form.exec(typed)).find(Boolean) ?? [];
  const whole = first.replace(/\D/g, "");
  const all = whole + places;
  return all && !all[MOST_DIGITS] ? (whole || "0") + (places && `.${places}`) : "";
}

/**
 * A decimal as one would type it.
 *
 * @param {string} decimal
 * @param {string} locale
 */
export const typed = (decimal, locale) => decimal.replace(".", price("1.5", locale, 1)[1] === "," ? "," : ".");
