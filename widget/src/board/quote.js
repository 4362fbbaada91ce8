// @ts-check
/** The element `<currency-quote>`: one quote, as a box or in a sentence. */

import { exactly } from "../format.js";
import { element } from "../parts.js";
import { symbolsOf } from "../symbols.js";
import { mark } from "../write.js";
import { elementOf } from "./element.js";
import { grounded } from "./figures.js";
import { makeRow } from "./row.js";
import { QUOTE } from "./style.js";

/** @typedef {import("./element.js").Base} Base */
/** @typedef {import("./element.js").Quote} Quote */

/** @type {import("../attributes.js").Forms} */
const FORMS = {
  symbol: [/[a-z]/i, ""],
  format: [/^(box|inline)$/, "box"],
  sparkline: true,
  digits: [/^(\d|1[0-2])$/, null, Number],
};

/** What is asked for without a symbol: nobody serves it, which is told. */
const NONE = "symbol=?";

/**
 * One quote, live from the ticker's stream.
 *
 * Attributes, each with a property of its name: `symbol` (`KGS` or `USD/KGS`); `format`, `box` or `inline` for a
 * sentence; `sparkline` for a chart of 30 days; `digits`, `src`, `theme`, `locale` as the line has them. The slot
 * `attribution` takes the place of the source.
 *
 * Events: `ticker-quote`, `ticker-status`, `ticker-select` as of the line.
 */
export const CurrencyQuote = elementOf(FORMS, QUOTE, makeQuote);

/**
 * @param {Base} base
 * @returns {import("./element.js").Part}
 */
function makeQuote(base) {
  /** @type {ReturnType<typeof makeRow>} */
  let row;
  let made = "";

  const symbols = () => symbolsOf(base.value("symbol")) ?? [NONE];
  const isInline = () => base.value("format") === "inline";

  /** @param {string} symbol */
  function build(symbol) {
    const columns = isInline() ? ["price", "change"] : ["price", "change", "date", "status"];
    if (base.value("sparkline")) columns.splice(2, 0, "chart");
    row = makeRow(symbol, base, {
      columns: ["pair", ...columns],
      // The blank is for what is copied.
      make: (_, part, ...children) => element(isInline() ? "span" : "div", part, ...children, " "),
      freshen() {},
      select: () => base.known.has(symbol) && base.emit("ticker-select", base.known.get(symbol)),
    });
    if (isInline()) row.texts.change?.before(row.note);
    base.root.replaceChildren(element("span", isInline() ? "inline" : "frame", row.node, isInline() ? "" : base.foot));
  }

  function show() {
    const [symbol = NONE] = symbols();
    const wanted = `${["format", "sparkline"].map(base.value)} ${symbol} ${base.known.has(symbol)} ${base.look()}`;
    if (wanted !== made) build(symbol);
    made = wanted;
    const quote = base.find(symbol);
    base.credit(quote ? [quote] : []);
    if (!quote) return;
    const isOffline = isInline() && base.offline && !quote.reason;
    // What a sentence has no room for is in its title.
    const exact = `${symbol} = ${exactly(quote.price, base.language)}`;
    const title = isInline() ? `${grounded(quote, exact, base)}\n${base.offline}`.trim() : undefined;
    row.tell(isOffline ? { ...quote, status: /** @type {any} */ ("offline") } : quote, base.value("digits"), title);
    if (title) mark(row.node, "title", title);
  }

  return { symbols, codes: isInline, show };
}
