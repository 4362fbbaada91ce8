// @ts-check
/**
 * The script of the embed: `<script async src="https://host/ticker.js"></script>`.
 *
 * It defines the element, and shows a line where the script stands, unless the page brings its own
 * element and the script only serves to load the code. `data-symbols` and the like become the
 * line's attributes.
 */

import { define } from "./define.js";
import { serverAddress } from "./stream.js";
import { CurrencyTicker } from "./ticker.js";

/** @param {HTMLScriptElement} script */
function embed(script) {
  const server = serverAddress(script.src);
  define(server);
  const attributes = CurrencyTicker.observedAttributes.flatMap((name) => {
    const value = script.getAttribute(`data-${name}`);
    return value === null ? [] : [[name, value]];
  });
  const insert = () => {
    if (attributes.length || !document.querySelector("currency-ticker")) place(script, server, attributes);
  };
  // A plain script has to see the whole page first, and one in the head needs a body.
  const early = document.readyState === "loading" && (!attributes.length || !document.body);
  if (early) document.addEventListener("DOMContentLoaded", insert, { once: true });
  else insert();
}

/**
 * @param {HTMLScriptElement} script
 * @param {string | null} server
 * @param {string[][]} attributes
 */
function place(script, server, attributes) {
  // A page that was kept as it stood (a client-side router's cache) still has its line.
  if (script.nextElementSibling?.localName === "currency-ticker") return;
  const ticker = document.createElement("currency-ticker");
  if (server) ticker.setAttribute("src", server);
  for (const [name = "", value = ""] of attributes) ticker.setAttribute(name, value);
  if (document.body.contains(script)) script.after(ticker);
  else document.body.prepend(ticker);
}

if (document.currentScript instanceof HTMLScriptElement) embed(document.currentScript);
else define(null);
