// @ts-check
/** Writes into the nodes of the element and of the page, only where they differ. */

/**
 * @param {Element} node
 * @param {string} name
 * @param {string} value nothing removes the attribute
 */
export function mark(node, name, value) {
  if ((node.getAttribute(name) ?? "") === value) return;
  if (value) node.setAttribute(name, value);
  else node.removeAttribute(name);
}

/**
 * @param {Node} node
 * @param {string} text
 */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * @param {HTMLElement} node
 * @param {string} property one of our own: the text of others is not read as it was written
 * @param {string} value
 */
export function set({ style }, property, value) {
  if (style.getPropertyValue(property) !== value) style.setProperty(property, value);
}
