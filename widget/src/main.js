// @ts-check
/**
 * The script of the embed: `<script async src="https://host/ticker.js"></script>`.
 *
 * It defines the element, and shows a line where its tag stands, unless the page brings its own
 * element and the script only serves to load the code. `data-symbols` and the like become the
 * line's attributes. With `?define` it only defines the element.
 */

import { NAME } from "./define.js";
import { embed } from "./placement.js";
import { CurrencyTicker } from "./ticker.js";

CurrencyTicker.embed = embed;
const first = /** @type {typeof CurrencyTicker | undefined} */ (customElements.get(NAME));
const current = /** @type {HTMLScriptElement | null} */ (document.currentScript);
(first?.embed ?? embed)(current, `${Error().stack}`);
