// @ts-check
/**
 * The words of the page in the reader's language, which stays the same until the page is loaded again.
 *
 * All languages are part of the script: the page shows its words at once, and nothing moves later.
 */

import { locale } from "./format.js";
import LABELS from "./labels.json" with { type: "json" };
import { element, find } from "./nodes.js";
import en from "./words/en.json" with { type: "json" };
import kk from "./words/kk.json" with { type: "json" };
import ky from "./words/ky.json" with { type: "json" };
import ru from "./words/ru.json" with { type: "json" };
import tg from "./words/tg.json" with { type: "json" };
import tk from "./words/tk.json" with { type: "json" };
import uz from "./words/uz.json" with { type: "json" };
import { write } from "./write.js";

/** @typedef {typeof en} Words */
/** @typedef {keyof typeof WORDS} Language */

const WORDS = { en, ru, ky, kk, tg, uz, tk };

/** Every language of the page, with its own name. */
export const LANGUAGES = Object.entries(WORDS).map(([code, { language: name }]) => ({ code, name }));

/** The language of `?lang=`, else the first of the browser's languages that the page has, else English. */
export const language = chosen([new URLSearchParams(location.search).get("lang") ?? "", ...navigator.languages]);

/** @type {Words} */
export const words = WORDS[language];

/** The words of the line, for what the page shows as well. */
export const labels = /** @type {Record<"source" | "stale" | "unconfirmed" | "pegged", string>} */ (
  Object.fromEntries(LABELS.keys.split("|").map((key, index) => [key, LABELS[language].split("|")[index]]))
);

/**
 * @param {readonly string[]} tags the preferred first
 * @returns {Language}
 */
function chosen(tags) {
  const codes = tags.map((tag) => locale(tag)?.split("-")[0] ?? "");
  return /** @type {Language | undefined} */ (codes.find((code) => Object.hasOwn(WORDS, code))) ?? "en";
}

export { filled } from "./filled.js";

/** @param {string} at an instant in UTC, shown as a time of day of the reader's time zone */
export const timeOfDay = (at) =>
  // The other languages are written as in Russian: Chromium has no data of theirs.
  new Date(at).toLocaleTimeString(language === "en" ? "en" : "ru", { timeStyle: "short" });

/** @param {string} text as the server said it, in English */
export const quoted = (text) => element("span", { lang: "en" }, text);

/** Give the page of index.html its words and the switch of languages. */
export function translate() {
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-word]")) put(node, word(node, "data-word"));
  for (const node of document.querySelectorAll("[data-name]")) node.setAttribute("aria-label", word(node, "data-name"));
  find("languages").append(...LANGUAGES.map(link));
}

/**
 * @param {Element} node
 * @param {string} attribute with the key of a word
 */
function word(node, attribute) {
  /** @type {Record<string, string>} */
  const all = { ...labels, ...words };
  return all[node.getAttribute(attribute) ?? ""] ?? "";
}

/**
 * @param {Element} node which may have a child that stands in the text at `{}`
 * @param {string} text
 */
function put(node, text) {
  const [before = "", after] = text.split("{}");
  if (node instanceof HTMLMetaElement) node.content = text;
  else if (after === undefined) write(node, text);
  else {
    node.prepend(before);
    node.append(after);
  }
}

/** @param {{ code: string, name: string }} target */
function link({ code, name }) {
  /** @type {Record<string, string>} */
  const current = code === language ? { "aria-current": "true" } : {};
  return element("a", { href: `?lang=${code}`, lang: code, hreflang: code, ...current }, name);
}
