// @ts-check
/** The nodes of the page: made without markup, and written only where they differ. */

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {{ [name: string]: string }} Attributes */

/**
 * @param {string} tag
 * @param {Attributes} [attributes]
 * @param {...(Node | string)} children
 */
export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/**
 * @param {string} tag
 * @param {Attributes} [attributes]
 * @param {...(Node | string)} children
 */
export function drawn(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/**
 * @template {Element} Kind
 * @param {Kind} node
 * @param {Attributes} attributes
 * @param {(Node | string)[]} children
 * @returns {Kind}
 */
function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/**
 * @param {Element} node
 * @param {string} text
 * @returns {boolean} whether it said something else before
 */
export function write(node, text) {
  if (node.textContent === text) return false;
  node.textContent = text;
  return true;
}

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

/** @param {string} id of an element that index.html has */
export function find(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`the page has no #${id}`);
  return node;
}
