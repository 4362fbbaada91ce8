// @ts-check
/** The element `<currency-converter>`: an amount in another currency, by the figures of the banks. */

import { exactly, number, price } from "../format.js";
import { filled } from "../filled.js";
import { element } from "../parts.js";
import { NOT_SERVED } from "../symbols.js";
import { warn } from "../warn.js";
import { mark, write } from "../write.js";
import { amountOf, typed } from "./amount.js";
import { elementOf } from "./element.js";
import { converted, decimal, stated } from "./exact.js";
import { grounded } from "./figures.js";
import { CONVERTER } from "./style.js";

/** @typedef {import("./element.js").Base} Base */
/** @typedef {import("./element.js").Quote} Quote */

const USD = "USD";
/** Characters of a currency's code. */
const CODE = 3;

/** @param {string} code */
const upper = (code) => code.toUpperCase();

/** @type {import("../attributes.js").Forms} */
const FORMS = {
  amount: [/^\d*\.?\d+$/, "100"],
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
  /** What the attributes were when the reader began. */
  let begun = "";
  let spoken = "";
  let offered = "";
  region.role = "group";
  input.inputMode = "decimal";
  mark(input, "aria-describedby", "hint");
  hint.id = "hint";
  region.oninput = convert;
  swap.onclick = (event) => {
    [from.value, to.value] = [to.value, from.value];
    convert(event);
  };

  function show() {
    const { language, words } = base;
    for (const { firstChild, className } of region.querySelectorAll("label")) {
      write(/** @type {Node} */ (firstChild), words[/** @type {"to"} */ (className)]);
    }
    base.entitle(region, words.converter);
    mark(swap, "aria-label", words.swap);
    const now = `${["amount", "from", "to", "symbols"].map(base.value)}`;
    const isNew = now !== begun;
    // Without words there is nothing to type into.
    if (!begun) base.root.append(region);
    if (isNew) offered = "";
    if (isNew || language !== spoken) {
      input.value = typed(isNew ? base.value("amount") : amountOf(input.value, spoken, from.value), language) || input.value;
    }
    begun = now;
    spoken = language;
    offer();
    convert();
  }

  /** Offer the currencies. What the reader chose is kept, until the attributes choose anew. */
  function offer() {
    // The dollar comes first.
    const codes = [...new Set(base.symbols().flatMap((symbol) => symbol.split("/").reverse()))];
    const names = codes.map((code) => [...new Set([code, base.named(code)])].join(" – "));
    if (!codes.length || `${names}` === offered) return;
    const chosen = offered ? [from.value, to.value] : [base.value("from"), base.value("to")];
    offered = `${names}`;
    for (const select of [from, to]) {
      select.replaceChildren(...names.map((name) => new Option(name, name.slice(0, 3))));
      const wish = (select.value = chosen.shift());
      if (select.value) continue;
      if (wish) warn(`${wish} is not served`);
      select.value = `${codes.find((code) => code !== from.value)}`;
    }
  }

  /** The symbols whose rates lead from one currency to the other: the fewest. */
  function path() {
    const served = base.symbols().filter((symbol) => base.find(symbol)?.reason !== NOT_SERVED);
    const ways = [/** @type {[string, ...string[]]} */ ([from.value])];
    for (const [code, ...way] of ways) {
      if (code === to.value) return way;
      for (const symbol of served) {
        // Of a symbol without this currency more is left than a code.
        const next = symbol.replace(code, "").replace("/", "");
        if (!(next[CODE] || ways.some(([found]) => found === next))) ways.push([next, ...way, symbol]);
      }
    }
    return [`${from.value}/${to.value}`];
  }

  /** @param {Event} [change] that the reader made, who then hears the result */
  function convert(change) {
    const { language, words } = base;
    const amount = amountOf(input.value, language, from.value);
    const quotes = path().flatMap((symbol) => base.find(symbol) ?? []);
    const isKnown = amount && !quotes.some(({ reason }) => reason);
    const [exact, code] = isKnown ? converted(amount, from.value, quotes) : [];
    // There is no code until the server has told what it serves.
    const text = exact && code && code === to.value ? decimal(exact) : "";
    mark(input, "aria-invalid", amount ? "" : "true");
    write(hint, amount ? "" : filled(words.notAmount, { example: typed("1234.5", language) }));
    const result = text && `${price(text, language, base.value("digits"))} ${code}`;
    // What the reader asked for stays to be heard, though something else comes right after it.
    if (sum.textContent !== result) output.ariaLive = change ? "polite" : "off";
    write(sum, result);
    mark(sum, "title", text && `${number(text, language, { maximumFractionDigits: 12 })} ${code}`);
    write(rates, quotes.map(said).join("\n"));
    // Nobody decides what a currency costs in itself.
    base.credit(from.value === to.value ? [/** @type {Quote} */ ({})] : quotes);
  }

  /** A rate as its source states it, and below it who that is. @param {Quote} quote */
  function said(quote) {
    const { units, first, figure, second } = stated(quote);
    return grounded(quote, `${units} ${first} = ${exactly(figure, base.language)} ${second}`, base);
  }

  return { show };
}
