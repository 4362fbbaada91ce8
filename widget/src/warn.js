// @ts-check

/** @type {Set<string>} */
const told = new Set();

/**
 * Tell whoever writes the page, once.
 *
 * @param {string} words
 */
export function warn(words) {
  if (!told.has(words)) console.warn(`currency-ticker: ${words}`);
  told.add(words);
}
