// @ts-check
/**
 * Where lines stand: each run of the script serves one of its tags.
 *
 * What is known here is known once per page: a later run of the script calls the first one.
 */

import { NAME, define } from "./define.js";
import { lines, present } from "./present.js";
import { serverAddress } from "./stream.js";
import { CurrencyTicker } from "./ticker.js";
import { warn } from "./warn.js";

/** The address of the script, without its query: WordPress appends `?ver=`. */
const OURS = /https?:[^?#\s]*\/ticker(\.[\w-]+)?\.js\b/;
// Consent managers keep a blocked tag as text/plain; deferred loaders write a prefix before text/javascript.
const EXECUTABLE = /^$|module|javascript/;

/** @type {WeakSet<HTMLScriptElement>} */
const served = new WeakSet();

/**
 * Define the element, and show a line at the tag that this run of the script serves.
 *
 * @param {HTMLScriptElement | null} current `document.currentScript`
 * @param {string} stack of an error in the script
 */
export function embed(current, stack) {
  const tags = current?.src ? [current] : find(stack);
  define(serverAddress(tags[0]?.src ?? stack.match(OURS)?.[0]));
  for (const tag of tags) {
    served.add(tag);
    const act = () => insert(tag);
    // Beside its tag a line with attributes comes at once; another has to see the whole page first.
    if (attributes(tag).length && !isInHead(tag)) act();
    else if (document.readyState === "loading") addEventListener("DOMContentLoaded", act);
    else setTimeout(act);
  }
}

/** @param {HTMLScriptElement} tag */
const attributes = ({ dataset }) => CurrencyTicker.observedAttributes.filter((name) => name in dataset);

/**
 * The tags that a run serves where the browser does not tell: a module runs once for all that name it.
 *
 * @param {string} stack
 */
function find(stack) {
  const open = unserved();
  const named = open.filter(({ src }) => stack.includes(`${src}:`));
  const servers = new Set(open.map(({ src }) => serverAddress(src)));
  if (named.length) return named;
  if (servers.size < 2) return open.slice(0, 1);
  warn(`no line, as several servers are possible: ${[...servers]}`);
  return [];
}

/**
 * The tags of the script, also those in the shadow roots of components.
 *
 * @param {Document | ShadowRoot} [root]
 * @returns {HTMLScriptElement[]}
 */
const unserved = (root = document) =>
  [.../** @type {NodeListOf<HTMLScriptElement>} */ (root.querySelectorAll("*"))].flatMap((node) =>
    node.shadowRoot
      ? unserved(node.shadowRoot)
      : OURS.test(node.src) && EXECUTABLE.test(node.type) && !served.has(node)
        ? node
        : [],
  );

/** @param {HTMLScriptElement} script */
function insert(script) {
  // What is gone, or stands in the head only to load the code, as a tag of jQuery's `.html()` does, gives its turn to
  // a tag that did not run itself.
  const isSpare = !script.isConnected || (isInHead(script) && !attributes(script).length);
  const tag = (isSpare && unserved().find((each) => each.src === script.src && !isInHead(each))) || script;
  const names = attributes(tag);
  const yields = names.length ? 0 : isInHead(tag) ? 2 : 1;
  served.add(tag);
  // A page that was kept as it stood (a client-side router's cache) still has its line.
  const isThere = tag.nextElementSibling?.localName === NAME;
  if (isThere || !tag.isConnected || /[?&]define\b/.test(tag.src)) return;
  if (yields && [...present].some((each) => yields > 1 || !lines.has(each))) return;
  const line = document.createElement(NAME);
  lines.set(line, yields);
  line.setAttribute("src", `${serverAddress(tag.src)}`);
  for (const name of names) line.setAttribute(name, `${tag.dataset[name]}`);
  if (isInHead(tag)) document.body.prepend(line);
  else tag.after(line);
}

/** @param {HTMLScriptElement} tag */
const isInHead = (tag) => document.head.contains(tag);
