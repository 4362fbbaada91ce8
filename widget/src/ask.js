// @ts-check

const PATIENCE_MS = 5000;

/**
 * What this page's server answers.
 *
 * @param {string} path
 * @returns {Promise<any>} null if there is no answer
 */
export async function ask(path) {
  try {
    const answer = await fetch(path, { cache: "no-cache", signal: AbortSignal.timeout(PATIENCE_MS) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}
