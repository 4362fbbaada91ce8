// @ts-check
/** The package's main module. Importing it defines `<currency-ticker>`; on a server it does nothing. */

import { define } from "../define.js";

export { CurrencyTicker } from "../ticker.js";

if (globalThis.customElements) define(null);
