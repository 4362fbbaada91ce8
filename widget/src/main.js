// @ts-check
/**
 * The script of the embed: `<script async src="https://host/ticker.js"></script>`.
 *
 * It defines the element, and shows a line where the script stands, unless the page brings its own
 * element and the script only serves to load the code. `data-symbols` and the like become the
 * line's attributes.
 */

import { NAME, define } from "./define.js";
import { serverAddress } from "./stream.js";
import { CurrencyTicker } from "./ticker.js";

/** @param {HTMLScriptElement} script */
function embed(script) {
  const server = serverAddress(script.src);
  define(server);
  const names = CurrencyTicker.observedAttributes.filter((name) => name in script.dataset);
  const insert = () => {
    // A page that was kept as it stood (a client-side router's cache) still has its line.
    if (script.nextElementSibling?.localName === NAME || (!names.length && document.querySelector(NAME))) return;
    const ticker = document.createElement(NAME);
    if (server) ticker.setAttribute("src", server);
    for (const name of names) ticker.setAttribute(name, script.dataset[name] ?? "");
    if (document.body.contains(script)) script.after(ticker);
    else document.body.prepend(ticker);
  };
  // A plain script has to see the whole page first, and one in the head needs a body.
  if (document.readyState === "loading" && !(names.length && document.body)) {
    document.addEventListener("DOMContentLoaded", insert);
  } else insert();
}

if (document.currentScript instanceof HTMLScriptElement) embed(document.currentScript);
else define(null);
