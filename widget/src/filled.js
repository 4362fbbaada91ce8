// @ts-check

/**
 * Put values into `{name}` of a text.
 *
 * @param {string} text
 * @param {Record<string, string | undefined>} values
 */
export const filled = (text, values) => text.replace(/{(\w+)}/g, (all, name) => values[name] ?? all);
