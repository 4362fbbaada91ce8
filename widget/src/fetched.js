// @ts-check

import { keep } from "./format.js";
import { kept } from "./shared.js";

const PATIENCE_MS = 5000;
const AGAIN_MS = 5000;

/**
 * The JSON of an address, read once for all elements of the page; undefined until it is there, null if it can't be had.
 *
 * What could not be had is asked for again by a call some seconds later.
 *
 * @param {string} address
 * @param {() => void} changed is called when it has come
 * @returns {any}
 */
export function fetched(address, changed) {
  const entry = keep(address, () => {
    /** @type {{ value?: any, reading: Promise<void> }} */
    const fresh = {
      reading: fetch(address, { signal: AbortSignal.timeout(PATIENCE_MS) })
        .then((answer) => answer.ok && answer.json())
        .catch(() => false)
        .then((value) => {
          fresh.value = value;
          if (!value) setTimeout(() => kept.delete(address), AGAIN_MS);
        }),
    };
    return fresh;
  });
  if (entry.value === undefined) entry.reading.then(changed);
  return entry.value;
}
