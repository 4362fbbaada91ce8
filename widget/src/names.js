// @ts-check
/** The names of currencies on the page, as the server tells them. */

import { ask } from "./ask.js";
import { write } from "./write.js";

/** @type {Promise<Record<string, string> | null> | undefined} */
let names;

/**
 * Write the names of currencies into a node once they are known; the codes if they can't be had.
 *
 * @template {Node} Kind
 * @param {Kind} node
 * @param {...string} codes
 * @returns {Kind} the node
 */
export function named(node, ...codes) {
  names ??= ask("v1/names/en.json");
  names.then((known) => write(node, codes.map((code) => known?.[code] ?? code).join(" / ")));
  return node;
}
