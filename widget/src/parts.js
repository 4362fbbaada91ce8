// @ts-check
/** The parts of the element, made without markup. */

import { mark } from "./write.js";

/**
 * @param {string} tag
 * @param {string} part its name for style sheets, ours and the page's
 * @param {...(Node | string)} children
 */
export function element(tag, part, ...children) {
  const node = document.createElement(tag);
  mark(node, "part", part);
  node.className = part;
  node.append(...children);
  return node;
}
