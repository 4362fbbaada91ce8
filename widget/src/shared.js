// @ts-check
/** What all scripts of a page have in common, in any order of loading. A script of another version has its own. */

import { VERSION } from "./version.js";

/** @typedef {[connections: Map<string, any>, kept: Map<string, any>, told: Set<string>]} Shared */

const page = /** @type {Record<symbol, Shared | undefined>} */ (/** @type {any} */ (globalThis));

/** The connections of stream.js by server, what format.js keeps, and what warn.js has told. */
export const [connections, kept, told] = (page[Symbol.for(`currency-ticker ${VERSION}`)] ??= [new Map(), new Map(), new Set()]);
