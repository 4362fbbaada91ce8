// @ts-check
// First, so that all styles stand together in the script: it takes less so, as sent.
import "./style.js";
import { CurrencyBoard } from "./board.js";
import { CurrencyConverter } from "./converter.js";
import { serveFrom } from "./element.js";
import { CurrencyQuote } from "./quote.js";

/**
 * Define the elements, once per page: a second copy of the script leaves the first its names.
 *
 * @param {string | null} server of elements without `src`
 */
export function define(server) {
  serveFrom(server);
  for (const [name, kind] of Object.entries({ board: CurrencyBoard, quote: CurrencyQuote, converter: CurrencyConverter })) {
    if (!customElements.get(`currency-${name}`)) customElements.define(`currency-${name}`, kind);
  }
}
