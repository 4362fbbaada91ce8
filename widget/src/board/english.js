// @ts-check
/** The English words of the elements; build.js puts these alone into the script. */

import { ENGLISH as LINE } from "../format.js";
import LABELS from "../labels.json" with { type: "json" };
import en from "../words/en.json" with { type: "json" };

/** @typedef {typeof en & Record<"rates" | "offline" | "source" | "stale" | "unconfirmed" | "pegged", string>} Words */

/** Of the page's words, those that LABELS.board names. */
export const MORE = Object.fromEntries(
  LABELS.board.split("|").map((key) => [key, /** @type {Record<string, string>} */ (en)[key]]),
);

/** With those of the line. */
export const ENGLISH = /** @type {Words} */ (/** @type {unknown} */ ({ ...LINE, ...MORE }));
