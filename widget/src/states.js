// @ts-check

/**
 * How `:state()` of an element is told.
 *
 * @param {HTMLElement} host
 * @returns {(state: string) => void}
 */
export function stateOf(host) {
  /** @type {CustomStateSet | undefined} */
  let states;
  return (state) => {
    try {
      states ??= host.attachInternals().states;
      states.clear();
      states.add(state);
    } catch {
      // There are none, or only of names that begin with two hyphens.
    }
  };
}
