// @ts-check
import { CurrencyTicker } from "./ticker.js";

export const NAME = "currency-ticker";

/**
 * Define `<currency-ticker>`, once per page: a second copy of the script leaves the first its name.
 *
 * @param {string | null} server of elements without `src`
 */
export function define(server) {
  if (customElements.get(NAME)) return;
  CurrencyTicker.server = server;
  customElements.define(NAME, CurrencyTicker);
}
