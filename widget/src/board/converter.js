// @ts-check
/** The element `<currency-converter>`: an amount in another currency, by the figures of the banks. */

import { exactly, price } from "../format.js";
import { filled } from "../filled.js";
import { element } from "../parts.js";
import { mark, write } from "../write.js";
import { amountOf, typed } from "./amount.js";
import { elementOf } from "./element.js";
import { converted, decimal, stated, twelve } from "./exact.js";
import { grounded } from "./figures.js";
import { CONVERTER } from "./style.js";

/** @typedef {import("./element.js").Base} Base */
/** @typedef {import("./element.js").Quote} Quote */

const USD = "USD";

/** @param {string} code */
const upper = (code) => code.toUpperCase();

/** @type {import("../attributes.js").Forms} */
const FORMS = {
  amount: [/^\d{1,20}(\.\d{1,10})?$/, "100"],
  from: [/^[a-z]{3}$/i, USD, upper],
  to: [/^[a-z]{3}$/i, "", upper],
  symbols: [/[a-z]/i, ""],
  digits: [/^(\d|1[0-2])$/, null, Number],
};

/**
 * A converter by the newest official rates, live from the ticker's stream.
 *
 * Attributes, each with a property of its name: `amount`, `from` and `to` are what it begins with; `symbols` limits
 * the currencies to those of these symbols; `digits`, `src`, `theme`, `locale` as the line has them. What the reader
 * chooses is written into no attribute. The slot `attribution` takes the place of the sources.
 *
 * Events: `ticker-quote`, `ticker-status` as of the line.
 */
export const CurrencyConverter = elementOf(FORMS, CONVERTER, makeConverter);

/**
 * @param {Base} base
 * @returns {import("./element.js").Part}
 */
function makeConverter(base) {
  const input = /** @type {HTMLInputElement} */ (element("input", "input"));
  const from = /** @type {HTMLSelectElement} */ (element("select", "select"));
  const to = /** @type {HTMLSelectElement} */ (element("select", "select"));
  const swap = element("button", "swap");
  const sum = element("bdi", "sum");
  const hint = element("bdi", "hint");
  const output = element("output", "output", sum, hint);
  const rates = element("bdi", "rates");
  const controls = Object.entries({ amount: input, from, to, result: output });
  const labels = controls.map(([word, control]) => element("label", word, element("span", "label"), control));
  const answer = element("div", "answer", /** @type {Node} */ (labels.pop()), rates, base.foot);
  const fields = element("div", "fields", ...labels, swap);
  const region = element("div", "frame", fields, answer);
  /** What the attributes and the language were when the reader began. */
  let begun = "";
  let offered = "";
  base.root.append(region);
  region.role = "group";
  input.inputMode = "decimal";
  mark(input, "aria-describedby", "hint");
  hint.id = "hint";
  region.oninput = () => convert("polite");
  swap.onclick = () => {
    [from.value, to.value] = [to.value, from.value];
    convert("polite");
  };

  function show() {
    const { language, words } = base;
    for (const { firstChild, className } of region.querySelectorAll("label")) {
      write(/** @type {Node} */ (firstChild), words[/** @type {"to"} */ (className)]);
    }
    mark(region, "lang", language);
    mark(region, "aria-label", base.host.getAttribute("aria-label") ?? words.converter);
    mark(swap, "aria-label", words.swap);
    const now = `${["amount", "from", "to", "symbols"].map(base.value)} ${language}`;
    if (now !== begun) {
      input.value = typed(base.value("amount"), language);
      offered = "";
    }
    begun = now;
    offer();
    convert("off");
  }

  /** Offer the currencies. What the reader chose is kept, until the attributes choose anew. */
  function offer() {
    // The dollar comes first.
    const codes = [...new Set(base.symbols().flatMap((symbol) => symbol.split("/").reverse()))];
    const names = codes.map((code) => [...new Set([code, base.named(code)])].join(" – "));
    if (`${names}` === offered) return;
    const chosen = offered ? [from.value, to.value] : [base.value("from"), base.value("to")];
    offered = `${names}`;
    for (const select of [from, to]) {
      select.replaceChildren(...names.map((name) => new Option(name, name.slice(0, 3))));
      select.value = chosen.shift();
      if (!select.value) select.value = `${codes.find((code) => code !== from.value)}`;
    }
  }

  /** The symbols whose rates lead from one currency to the other. */
  function path() {
    const between = (/** @type {string} */ one, /** @type {string} */ other) =>
      base.symbols().find((symbol) => symbol.includes(one) && symbol.includes(other));
    const direct = between(from.value, to.value);
    if (direct) return [direct];
    return [from.value, to.value].filter((code) => code !== USD).map((code) => between(code, USD) ?? `${code}/${USD}`);
  }

  /** @param {"polite" | "off"} live whether the reader has changed something, who then hears the result */
  function convert(live) {
    const { language, words } = base;
    const amount = amountOf(input.value, language);
    const quotes = from.value === to.value ? [] : path().flatMap((symbol) => base.find(symbol) ?? []);
    const isKnown = amount && !quotes.some(({ reason }) => reason);
    const [exact, code] = isKnown ? converted(amount, from.value, quotes) : [];
    // There is no code until the server has told what it serves.
    const text = exact && code && code === to.value ? decimal(exact) : "";
    mark(output, "aria-live", live);
    mark(input, "aria-invalid", amount ? "" : "true");
    write(hint, amount ? "" : filled(words.notAmount, { example: typed("1234.5", language) }));
    write(sum, text && `${price(text, language, base.value("digits") ?? NaN)} ${code}`);
    mark(sum, "title", text && `${exactly(twelve(text), language)} ${code}`);
    write(rates, quotes.map(said).join("\n"));
    base.credit(quotes);
  }

  /** A rate as its source states it, and below it who that is. @param {Quote} quote */
  function said(quote) {
    const { units, first, figure, second } = stated(quote);
    return grounded(quote, `${units} ${first} = ${exactly(figure, base.language)} ${second}`, base);
  }

  return { show };
}
