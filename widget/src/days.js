// @ts-check
/** The last days of a symbol: how many, and where the server tells them. */

/** @typedef {{ as_of: string, price: string, inverse: string }} Point what one source said of one day */

const DAYS = 30;

/** @param {{ as_of: string }} point */
export const dayOf = ({ as_of }) => as_of.slice(0, 10);

/** Days since 1970. @param {{ as_of: string }} point */
export const number = (point) => Date.parse(dayOf(point)) / 864e5;

/**
 * The first of the days up to this one.
 *
 * @param {{ as_of: string }} point
 */
export const firstDay = ({ as_of }) => new Date(Date.parse(as_of) - DAYS * 864e5).toISOString().slice(0, 10);

/**
 * Where a server tells what a quote's source said of its symbol; the first day follows.
 *
 * @param {string} server
 * @param {import("./stream.js").Quote} quote
 */
export const historyFrom = (server, { source, symbol }) => `${server}/v1/history/${symbol}?source=${source}&from=`;
