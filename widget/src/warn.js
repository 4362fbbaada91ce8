// @ts-check

import { told } from "./shared.js";

/**
 * Tell whoever writes the page, once.
 *
 * @param {string} words
 */
export function warn(words) {
  if (!told.has(words)) console.warn(`currency-ticker: ${words}`);
  told.add(words);
}
