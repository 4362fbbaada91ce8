// @ts-check

/** The elements that stand in the page. @type {Set<Element>} */
export const present = new Set();

/**
 * The lines that scripts have put there: 0 stays, 1 gives way to an element of the page's own, 2 to any other line.
 *
 * @type {WeakMap<Element, number>}
 */
export const lines = new WeakMap();
