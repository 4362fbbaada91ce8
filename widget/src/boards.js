// @ts-check
/**
 * The second script: `<script async src="https://host/board.js"></script>`.
 *
 * It only defines elements: the table, and beside it what shows or converts a single rate.
 */

import { CurrencyBoard } from "./board/board.js";
import { serveFrom } from "./board/element.js";
import { serverAddress } from "./stream.js";

/** The address of the script, without its query: WordPress appends `?ver=`. */
const OURS = /https?:[^?#\s]*\/board(\.[\w-]+)?\.js\b/;

/** @param {string | undefined} text */
const ours = (text) => text?.match(OURS)?.[0];

/** Where browsers tell of no current script, as in a module, the stack of an error names it. */
function ownAddress() {
  const current = /** @type {HTMLScriptElement | null} */ (document.currentScript);
  return ours(current?.src) ?? ours(Error().stack) ?? [...document.scripts].map(({ src }) => ours(src)).find(Boolean);
}

serveFrom(serverAddress(ownAddress()));
for (const [name, kind] of Object.entries({ "currency-board": CurrencyBoard })) {
  if (!customElements.get(name)) customElements.define(name, kind);
}
