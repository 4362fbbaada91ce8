// @ts-check
/** The package's second module. Importing it defines the elements beside the line; on a server it does nothing. */

import { define } from "../board/define.js";

export { CurrencyBoard } from "../board/board.js";
export { CurrencyConverter } from "../board/converter.js";
export { CurrencyQuote } from "../board/quote.js";

if (globalThis.customElements) define(null);
