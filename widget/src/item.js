// @ts-check
/** One quote of the line: its words, and the nodes that show them. */

import { day, direction, exactly, percent, price, sourceName } from "./format.js";
import { inverted } from "./inverted.js";
import { element } from "./parts.js";
import { symbolsOf } from "./symbols.js";
import { mark, set, write } from "./write.js";

/** @typedef {import("./stream.js").Quote & { reason?: string }} Quote with the reason where there is no figure yet */
/** @typedef {ReturnType<typeof item>} Item */
/** @typedef {Record<string, string> | null} Names of currencies, by their codes */

/**
 * @typedef {object} Look how quotes are worded, and what an item is made of
 * @property {string} locale
 * @property {import("./format.js").Labels} labels
 * @property {number | null} digits null for as many as the price needs
 * @property {boolean} invert
 * @property {string} format `line`, `compact` or `names`
 * @property {string} hide `change`, or nothing
 * @property {string} titles what to call some symbols: `KGS=Som, KZT=Tenge`
 * @property {string} link an address with `{symbol}`, `{base}`, `{quote}` in it; empty for none
 * @property {boolean} sparkline
 * @property {Names} names to show instead of codes
 */

/**
 * @typedef {object} Wording the words of a quote, the same for the line and its copies
 * @property {string} name
 * @property {string} price
 * @property {string} change
 * @property {number} room characters that a change may need
 * @property {string} status the key
 * @property {string} [note] the words for a status that a reader has to know of
 * @property {string} part of the item
 * @property {string} title
 * @property {string} chart a clip-path
 */

// `-12.34%`: so that an ordinary day does not outgrow what a quiet one reserved.
const CHANGE_CHARACTERS = 7;
// A percent sign is wider than a digit.
const SPARE_CHARACTERS = 1;

/**
 * @param {Quote} quote
 * @param {Look} look
 * @param {string} chart
 * @returns {Wording}
 */
export function wording(quote, { locale, labels, digits, invert, format, hide, titles, names }, chart) {
  if (invert) quote = inverted(quote);
  const title = titled(quote.symbol, titles);
  const source = `${labels.source}: ${sourceName(quote)}`;
  const word = quote.status === "fallback" ? source : labels[quote.status];
  const lines = [
    `${quote.symbol} = ${exactly(quote.price, locale)}`,
    `${source}, ${day(quote.as_of, locale)}`,
    labels[quote.status],
    quote.next && `${day(quote.next.as_of, locale)}: ${exactly(quote.next.price, locale)}`,
  ];
  return {
    name: title ?? name(quote.symbol.split("/"), format, names),
    price: price(quote.price, locale, digits),
    change: hide ? "" : percent(quote.change_percent, locale),
    room: hide ? 0 : CHANGE_CHARACTERS,
    status: quote.status,
    note: word,
    part: quote.reason ? "absent" : "item",
    title: quote.reason ?? lines.filter(Boolean).join("\n"),
    chart,
  };
}

/**
 * What the page calls a symbol; undefined if it does not say.
 *
 * @param {string} symbol
 * @param {string} titles
 */
const titled = (symbol, titles) =>
  titles
    .split(",")
    .map((each) => each.split("="))
    .find(([name = ""]) => symbolsOf(name) + "" === symbol)?.[1]
    ?.trim();

/**
 * @param {string[]} codes
 * @param {string} format
 * @param {Names} names
 */
function name(codes, format, names) {
  if (names) return codes.map((code) => names[code] ?? code).join(" / ");
  return (format === "compact" ? codes.filter((code) => code !== "USD") : codes).join("/");
}

/** @param {Pick<Wording, "price" | "change">} words */
export const characters = ({ price, change }) => price.length + change.length + SPARE_CHARACTERS;

/** @param {Wording} words */
export const generous = ({ price, change, room }) => characters({ price, change: change.padEnd(room) });

/**
 * The nodes of one quote. Writing is in place, and touches only what differs.
 *
 * @param {string} symbol
 * @param {Look} look
 * @param {boolean} isCopy
 */
export function item(symbol, { format, link, sparkline }, isCopy) {
  const name = element("span", "symbol");
  const price = element("span", "price");
  const gap = new Text();
  const change = element("span", "change");
  const status = element("span", "mark");
  const chart = element("span", "sparkline");
  const value = element("span", "value", price, gap, change, status);
  const slot = element("span", "slot", value);
  const content = element(link ? "a" : "span", link && "link", name, format === "compact" ? " " : " = ", slot);
  if (sparkline) name.after(chart);
  const [base, quote] = symbol.split("/");
  const names = /** @type {Record<string, string>} */ ({ symbol: encodeURIComponent(symbol), base, quote });
  mark(content, "href", link.replace(/{(\w+)}/g, (all, name) => names[name] ?? all));
  const node = element("li", "", content);
  mark(node, "data-symbol", symbol);
  return {
    node,
    content,

    /**
     * Text that outgrew its place is drawn narrower, rather than over its neighbours.
     *
     * @param {Wording} words
     * @param {number} reserved width in characters
     */
    show(words, reserved) {
      write(name, words.name);
      // Put in anew, what stands behind a longer price was nowhere else before: no layout shift.
      if (words.price.length !== price.textContent.length) value.append(gap, change, status);
      write(price, words.price);
      write(gap, words.change && " ");
      write(change, words.change);
      // What has no figure is no item for the page's own scripts and styles.
      mark(node, "part", words.part);
      mark(node, "data-direction", direction(words.change));
      mark(node, "data-status", words.status);
      status.hidden = !words.note;
      set(slot, "--reserved", `${reserved}`);
      set(slot, "--squeeze", `${Math.min(1, reserved / characters(words))}`);
      // Until the new days are there, the picture stands as it was.
      if (words.chart) set(chart, "--chart", words.chart);
      if (isCopy) return;
      mark(node, "title", words.title);
      mark(status, "data-note", words.note ?? "");
    },
  };
}
