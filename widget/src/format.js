// @ts-check
/**
 * The text of prices, percentages, days and names, as a locale writes them.
 *
 * Decimals stay strings: `Intl` rounds them half-up (away from zero) digit by digit, and no float
 * comes in between. Building a formatter costs a hundred times what using it does, so they are kept.
 */

import LABELS from "./labels.json" with { type: "json" };

/**
 * @typedef {Record<"rates" | "offline" | "pause" | "source", string> & Record<string, string | undefined>} Labels
 * the words of one language, by the names in labels.json; those of a status only where it needs one
 */
/** @typedef {"up" | "down" | "flat" | ""} Direction */

const DECIMAL = /^-?(\d{1,40})(?:\.(\d*))?$/;
const MOST_KEPT = 99;

/** @type {Record<string, string>} */
const languages = LABELS;
/** @type {Map<string, any>} */
const kept = new Map();

/**
 * @template T
 * @param {string} key
 * @param {() => T} make
 * @returns {T}
 */
function keep(key, make) {
  if (kept.size > MOST_KEPT) kept.clear();
  if (!kept.has(key)) kept.set(key, make());
  return kept.get(key);
}

/**
 * A language tag as it should be written; `en` if it is none.
 *
 * @param {string | null | undefined} tag
 */
export function locale(tag) {
  try {
    return Intl.getCanonicalLocales(tag ?? "")[0] ?? "en";
  } catch {
    return "en";
  }
}

/**
 * The words of a locale; English where there are none.
 *
 * @param {string} locale
 * @returns {Labels}
 */
export function labels(locale) {
  const words = (languages[locale.split("-")[0] ?? ""] ?? LABELS.en).split("|");
  const entries = LABELS.keys.split("|").map((key, index) => [key, words[index]]);
  return /** @type {Labels} */ (Object.fromEntries(entries));
}

/**
 * The locale whose figures are written: Russian for our languages beside English.
 *
 * Chromium has no data of theirs: a date in Kazakh was `2026 M09 29` (2026-11).
 *
 * @param {string} locale
 */
const written = (locale) => (/^(ru|k[yk]|tg|uz|tk)\b/.test(locale) ? "ru" : locale);

/**
 * @param {string} locale
 * @param {Intl.NumberFormatOptions} options
 * @returns {(decimal: string) => string}
 */
function number(locale, options) {
  return keep(`${locale}${Object.values(options)}`, () => {
    const format = new Intl.NumberFormat(written(locale), options);
    // Strings are exact since ES2023; before, they become the nearest float, which ends in the same digits.
    return (decimal) => format.format(/** @type {any} */ (decimal));
  });
}

/**
 * `0.01144`: below 1 at least 5 decimals and 4 significant digits, else 2 to 4 decimals, or exactly `digits`.
 *
 * What is no decimal is shown as it came.
 *
 * @param {string} decimal as published, such as `0.0114351057747`
 * @param {{ locale?: string, digits?: number | null }} [options]
 */
export function price(decimal, { locale = "en", digits = null } = {}) {
  const match = DECIMAL.exec(decimal);
  if (!match) return decimal;
  const [, whole = "", fraction = ""] = match;
  const small = Math.max(5, fraction.search(/[1-9]|$/) + 4);
  const [least, most] = digits !== null ? [digits, digits] : +whole ? [2, 4] : [small, small];
  return number(locale, { minimumFractionDigits: least, maximumFractionDigits: most })(decimal);
}

/**
 * Every digit of a decimal.
 *
 * @param {string} decimal
 * @param {string} locale
 */
export const exactly = (decimal, locale) => price(decimal, { locale, digits: decimal.split(".")[1]?.length ?? 0 });

/**
 * `+0.5%`, `-0.44%`, `0%`: at most two decimals, with its sign, never `-0%`; nothing if unknown.
 *
 * @param {string | null | undefined} decimal
 * @param {string} [locale]
 */
export function percent(decimal, locale = "en") {
  if (!DECIMAL.test(decimal ?? "")) return "";
  const options = { style: "unit", unit: "percent", maximumFractionDigits: 2, signDisplay: "exceptZero" };
  return number(locale, /** @type {Intl.NumberFormatOptions} */ (options))(decimal ?? "");
}

/**
 * Which way the text of a percentage points; nothing if it is unknown.
 *
 * It is read from the text, so that an arrow never contradicts the number beside it.
 *
 * @param {string} text
 * @returns {Direction}
 */
export function direction(text) {
  if (!text) return "";
  return /\+/.test(text) ? "up" : /[-−]/.test(text) ? "down" : "flat";
}

/**
 * A day of validity, or a moment in the reader's own time zone, as a locale writes it.
 *
 * @param {string} at `2026-09-29`, or an instant in UTC
 * @param {string} locale
 */
export function day(at, locale) {
  const moment = new Date(at);
  if (isNaN(+moment)) return at;
  const exact = at.length > 10;
  const known = written(locale);
  return keep(known + exact, () =>
    new Intl.DateTimeFormat(known, {
      // All the figures of a Russian date, but the name of the month in an English one: 9/2 is not 2/9 everywhere.
      dateStyle: known === "ru" ? "short" : "medium",
      ...(exact ? { timeStyle: "short" } : { timeZone: "UTC" }),
    }),
  ).format(moment);
}

/**
 * The name of a currency in a locale's language, in Russian where the browser has none for ours.
 *
 * @param {string} code
 * @param {string} locale
 * @returns {string} the code if nobody knows it
 */
export function currency(code, locale) {
  /** @param {string} tag */
  const name = (tag) =>
    keep(`names ${tag}`, () => new Intl.DisplayNames([tag, "en"], { type: "currency" })).of(code) ?? code;
  return name(name(locale) === name("en") ? written(locale) : locale);
}

/**
 * A quote's source as readers know it.
 *
 * @param {import("./stream.js").Quote} quote
 */
export const sourceName = ({ source, source_name = source }) => source_name;

/**
 * A quote's source as its terms want it named.
 *
 * @param {import("./stream.js").Quote} quote
 */
export const credit = (quote) => sourceName(quote) + (quote.source_site ? ` (${quote.source_site})` : "");
