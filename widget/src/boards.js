// @ts-check
/**
 * The second script: `<script async src="https://host/board.js"></script>`.
 *
 * It only defines elements: the table, and beside it what shows or converts a single rate.
 */

import { define } from "./board/define.js";
import { serverAddress } from "./stream.js";

/** The address of the script, without its query: WordPress appends `?ver=`. */
const OURS = /https?:[^?#\s]*\/board(\.[\w-]+)?\.js\b/;

/** @param {string | undefined} text */
const ours = (text) => text?.match(OURS)?.[0];

/** The stack of an error names it, also in a module; where a page has taken it apart, its tag does. */
const ownAddress = () => ours(Error().stack) ?? [...document.scripts].map(({ src }) => ours(src)).find(Boolean);

define(serverAddress(ownAddress()));
