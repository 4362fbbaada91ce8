// @ts-check
/** The names of currencies in the language of the page, as the server tells them. */

import { fetched } from "./fetched.js";
import { serverAddress } from "./stream.js";
import { language } from "./words.js";

/** Named as the board names it, so that both ask once. */
const ADDRESS = `${serverAddress(document.baseURI)}/v1/names/${language}.json`;

/** @type {Record<string, string>} */
let names = {};

/**
 * Ask for the names: until they are there, and if they can't be had, currencies go by their codes.
 *
 * @returns {Promise<void>}
 */
export const learnNames = () =>
  new Promise((done) => {
    const look = () => {
      const found = fetched(ADDRESS, look);
      if (found === undefined) return;
      names = found || {};
      done();
    };
    look();
  });

/** @param {...string} codes */
export const named = (...codes) => codes.map((code) => names[code] ?? code).join(" / ");
