// @ts-check

import { keep, kept } from "./format.js";

const PATIENCE_MS = 5000;
const AGAIN_MS = 5000;

/**
 * The JSON of an address, read once for all elements of the page; undefined until it is there, null if it can't be had.
 *
 * What could not be had is asked for again with a later call.
 *
 * @param {string} address
 * @param {() => void} changed is called when it has come
 * @returns {any}
 */
export function fetched(address, changed) {
  const entry = keep(address, () => {
    const reading = fetch(address, { signal: AbortSignal.timeout(PATIENCE_MS) })
      .then((answer) => answer.json())
      .catch(() => {
        setTimeout(() => kept.delete(address), AGAIN_MS);
        return null;
      });
    const fresh = /** @type {{ value?: any, reading: Promise<unknown> }} */ ({ reading });
    reading.then((value) => (fresh.value = value));
    return fresh;
  });
  if (entry.value === undefined) entry.reading.then(changed);
  return entry.value;
}
