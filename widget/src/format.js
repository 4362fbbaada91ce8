// @ts-check
/**
 * The text of prices, percentages, days and names, as a locale writes them.
 *
 * Decimals stay strings: `Intl` rounds them half-up (away from zero) digit by digit, and no float
 * comes in between. Building a formatter costs a hundred times what using it does, so they are kept.
 */

import { kept } from "./shared.js";

/**
 * @typedef {Record<"rates" | "offline" | "pause" | "source", string> & Record<string, string | undefined>} Labels
 * the words of one language; those of a status only where it needs one
 */
/** @typedef {"up" | "down" | "flat" | ""} Direction */

const DECIMAL = /^-?(\d{1,40})(?:\.(\d*))?$/;
const MOST_KEPT = 999;

/**
 * @template T
 * @param {string} key
 * @param {() => T} make
 * @returns {T}
 */
export function keep(key, make) {
  if (kept.size > MOST_KEPT) kept.clear();
  if (!kept.has(key)) kept.set(key, make());
  return kept.get(key);
}

/** Countries that are written for the languages that they speak. @type {Record<string, string>} */
const LANGUAGES = { kz: "kk", kg: "ky", tj: "tg", tm: "tk" };

/**
 * A language tag as it should be written: `kk-KZ` of `kk_KZ`, `kk` of `kz`.
 *
 * @param {string} tag
 * @returns {string | undefined} undefined if it is none
 */
export function locale(tag) {
  const [language = "", ...rest] = tag.toLowerCase().split(/[-_]/);
  try {
    return Intl.getCanonicalLocales([LANGUAGES[language] ?? language, ...rest].join("-").replace("-cyrl", ""))[0];
  } catch {
    // What is no tag is reported by whoever asked.
  }
}

/** The language of a locale that the server has words of. @param {string} locale */
export const languageOf = (locale) => /^(ru|k[yk]|tg|uz|tk)\b/.exec(locale)?.[0] ?? "en";

/** Those of the other languages are asked for, as most readers need none or one. @type {Labels} */
export const ENGLISH = {
  rates: "Exchange rates",
  offline: "offline",
  pause: "Pause",
  source: "Source",
  stale: "outdated",
  unconfirmed: "unconfirmed",
  pegged: "fixed rate",
};

/**
 * The locale whose figures are written: Russian for our languages beside English.
 *
 * Chromium has no data of theirs: a date in Kazakh was `2026 M09 29` (2026-11).
 *
 * @param {string} locale
 */
const written = (locale) => (languageOf(locale) === "en" ? locale : "ru");

/**
 * @param {any} decimal a text: exact since ES2023; before, it becomes the nearest float, which ends in the same digits
 * @param {string} locale
 * @param {Intl.NumberFormatOptions} options
 */
export const number = (decimal, locale, options) =>
  keep(locale + Object.values(options), () => new Intl.NumberFormat(written(locale), options)).format(decimal);

/**
 * `0.01144`: below 1 at least 5 decimals and 4 significant digits, else 2 to 4 decimals, or exactly `digits`.
 *
 * What is no decimal is shown as it came.
 *
 * @param {string} decimal as published, such as `0.0114351057747`
 * @param {string} locale
 * @param {number | null} [digits]
 */
export function price(decimal, locale, digits) {
  const match = DECIMAL.exec(decimal);
  if (!match) return decimal;
  const [, whole = "", fraction = ""] = match;
  const small = Math.max(5, fraction.search(/[1-9]/) + 4);
  const [least, most] = digits == null ? (+whole ? [2, 4] : [small, small]) : [digits, digits];
  return number(decimal, locale, { minimumFractionDigits: least, maximumFractionDigits: most });
}

/**
 * Every digit of a decimal.
 *
 * @param {string} decimal
 * @param {string} locale
 */
export const exactly = (decimal, locale) => price(decimal, locale, decimal.split(".")[1]?.length ?? 0);

/**
 * `+0.5%`, `-0.44%`, `0%`: at most two decimals, with its sign, never `-0%`; nothing if unknown.
 *
 * @param {string | null | undefined} decimal
 * @param {string} locale
 */
export function percent(decimal, locale) {
  if (!decimal || !DECIMAL.test(decimal)) return "";
  return number(decimal, locale, { style: "unit", unit: "percent", maximumFractionDigits: 2, signDisplay: "exceptZero" });
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
  if (!+moment) return at;
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

/**
 * The sources of quotes, each once.
 *
 * @param {readonly import("./stream.js").Quote[]} quotes
 * @param {string} [label] the word for a source
 */
export function credits(quotes, label) {
  const names = quotes.filter(({ status }) => status && status !== "pegged").map(credit);
  return names.length ? `${label}: ${[...new Set(names)].join(", ")}` : "";
}
