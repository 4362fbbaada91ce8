// @ts-check
/** The nodes of the page, made without markup. */

import { write } from "./write.js";

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
export function rewrite(node, text) {
  const before = node.textContent;
  write(node, text);
  return before !== text;
}

/** @param {string} id of an element that index.html has */
export function find(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`the page has no #${id}`);
  return node;
}
