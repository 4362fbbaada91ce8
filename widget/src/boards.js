// @ts-check
/**
 * The second script: `<script async src="https://host/board.js"></script>`.
 *
 * It only defines elements: the table, and beside it what shows or converts a single rate.
 */

// First, so that all styles stand together in the script: it takes less so, as sent.
import "./board/style.js";
import { CurrencyBoard } from "./board/board.js";
import { CurrencyConverter } from "./board/converter.js";
import { serveFrom } from "./board/element.js";
import { CurrencyQuote } from "./board/quote.js";
import { serverAddress } from "./stream.js";

/** The address of the script, without its query: WordPress appends `?ver=`. */
const OURS = /https?:[^?#\s]*\/board(\.[\w-]+)?\.js\b/;

/** @param {string | undefined} text */
const ours = (text) => text?.match(OURS)?.[0];

/** The stack of an error names it, also in a module; where a page has taken it apart, its tag does. */
const ownAddress = () => ours(Error().stack) ?? [...document.scripts].map(({ src }) => ours(src)).find(Boolean);

serveFrom(serverAddress(ownAddress()));
for (const [name, kind] of Object.entries({ board: CurrencyBoard, quote: CurrencyQuote, converter: CurrencyConverter })) {
  if (!customElements.get(`currency-${name}`)) customElements.define(`currency-${name}`, kind);
}
