// @ts-check
import { locale } from "./format.js";

/**
 * The locale of an element: what its attribute or the page says, through all shadow trees between.
 *
 * @param {Element} host
 * @param {string} tag what the attribute says, if anything
 */
export function languageAt(host, tag) {
  /** @type {Element | undefined} */
  let node = host;
  while (!tag && node) {
    tag = node.closest("[lang]")?.getAttribute("lang") ?? "";
    node = /** @type {ShadowRoot} */ (node.getRootNode()).host;
  }
  return locale(tag) || "en";
}
