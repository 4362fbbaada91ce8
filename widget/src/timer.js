// @ts-check

/**
 * A timer of one act: called with milliseconds it is set to then, and with none it is stopped.
 *
 * @param {() => void} act
 * @returns {(milliseconds?: number) => void}
 */
export function timer(act) {
  /** @type {number | undefined} */
  let waiting;
  return (milliseconds) => {
    clearTimeout(waiting);
    if (milliseconds !== undefined) waiting = setTimeout(act, milliseconds);
  };
}
