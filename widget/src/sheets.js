// @ts-check
/** Style sheets for shadow trees. A document takes only those that were made in it. */

/** @type {WeakMap<Document, Map<string, CSSStyleSheet>>} */
const made = new WeakMap();

/**
 * A sheet for one element alone.
 *
 * @param {Document} document
 * @param {string} text
 * @returns {CSSStyleSheet}
 */
export function styleSheet(document, text) {
  const sheet = new /** @type {any} */ (document.defaultView).CSSStyleSheet();
  sheet.replaceSync(text);
  return sheet;
}

/**
 * The same sheet for all elements of a document that have this text.
 *
 * @param {Document} document
 * @param {string} text
 */
export function sharedSheet(document, text) {
  const sheets = made.get(document) ?? new Map();
  made.set(document, sheets);
  if (!sheets.has(text)) sheets.set(text, styleSheet(document, text));
  return sheets.get(text);
}
