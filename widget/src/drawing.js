// @ts-check
/** Nodes of pictures. A picture is stretched over its box, and its lines keep their width. */

import { SIZE } from "./course.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {...Node} children
 */
export function drawn(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/**
 * @param {string} name
 * @param {string} [d]
 */
export const path = (name, d = "") => drawn("path", { class: name, d, "vector-effect": "non-scaling-stroke" });

/** @param {...Node} children */
export const picture = (...children) =>
  drawn("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...children);
