// @ts-check
/** The names of currencies in the language of the page, as the server tells them. */

import { ask } from "./ask.js";
import { language } from "./words.js";

/** @type {Record<string, string>} */
let names = {};

/** Ask for the names: until they are there, and if they can't be had, currencies go by their codes. */
export async function learnNames() {
  names = (await ask(`v1/names/${language}.json`)) ?? names;
}

/** @param {...string} codes */
export const named = (...codes) => codes.map((code) => names[code] ?? code).join(" / ");
