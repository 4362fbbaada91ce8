// @ts-check
/** The lines of HTML that a page takes over, for what was chosen. */

import WORDS from "./labels.json" with { type: "json" };

/** @typedef {"element" | "script" | "iframe" | "picture"} Form */

/**
 * @typedef {object} Choice
 * @property {Form} form
 * @property {[name: string, value: string][]} attributes what differs from the default; no value is a boolean
 * @property {[name: string, value: string][]} colours custom properties
 * @property {boolean} isPinned exactly this version, by its hash
 */

/**
 * @typedef {object} Server
 * @property {string} home its address, ending with a slash
 * @property {string} script the file of this version
 * @property {string} integrity the hash of its bytes
 */

/** @type {Record<string, string>} */
const LABELS = WORDS;

const HEIGHT = "62px";
/** What the line takes at any size of the page's text: 62px at 16px. */
const PLACE = "calc(2.5em + 22px)";
/** Up to which width of a screen a picture is how wide, with its pairs in rows. */
const WIDTHS = [[700, 360], [1300, 640]];
/** What `/v1/line.html` and `/v1/line.svg` can do as well. */
const OF_THE_LINE = ["symbols", "locale", "theme", "digits", "invert", "format"];

/**
 * @param {Choice} choice
 * @param {Server} server
 * @returns {string}
 */
export function snippet(choice, server) {
  const { form } = choice;
  if (form === "iframe") return frame(choice, server);
  if (form === "picture") return picture(choice, server);
  return form === "script" ? scriptAlone(choice, server) : elementAndScript(choice, server);
}

/**
 * @param {Choice} choice
 * @param {Server} server
 */
function elementAndScript(choice, server) {
  const style = [["display", "block"], ["min-height", PLACE], ...choice.colours].map((rule) => rule.join(":")).join(";");
  const opening = tag("currency-ticker", [...choice.attributes, ["style", style]]);
  const fallback = `<noscript>${frame(choice, server)}</noscript>`;
  return `${opening}${fallback}</currency-ticker>\n${script(choice, server, [])}`;
}

/**
 * @param {Choice} choice
 * @param {Server} server
 */
function scriptAlone(choice, server) {
  const rules = choice.colours.map((rule) => rule.join(":")).join(";");
  const style = rules ? `<style>currency-ticker{${rules}}</style>\n` : "";
  return style + script(choice, server, choice.attributes.map(([name, value]) => [`data-${name}`, value]));
}

/**
 * @param {Choice} choice
 * @param {Server} server
 * @param {[string, string][]} attributes
 */
function script({ isPinned }, { home, script, integrity }, attributes) {
  const src = home + (isPinned ? script : "ticker.js");
  /** @type {[string, string][]} */
  const proof = isPinned ? [["integrity", integrity], ["crossorigin", "anonymous"]] : [];
  return `${tag("script", [["async", ""], ["src", src], ...proof, ...attributes])}</script>`;
}

/**
 * @param {Choice} choice
 * @param {Server} server
 */
function frame(choice, server) {
  const style = `display:block;width:100%;height:${HEIGHT};border:0`;
  return `${tag("iframe", [["src", lineAddress("html", choice, server)], ["title", title(choice)], ["loading", "lazy"], ["style", style]])}</iframe>`;
}

/**
 * @param {Choice} choice
 * @param {Server} server
 */
function picture(choice, server) {
  const sources = pictureSources(choice, server).map(([media, srcset]) => tag("source", [["media", media], ["srcset", srcset]]));
  const image = tag("img", [["src", lineAddress("svg", choice, server)], ["alt", title(choice)], ["style", "max-width:100%;height:auto"]]);
  return `<picture>${sources.join("")}${image}</picture>`;
}

/**
 * The whole line in one row is about 1200 px wide: on less it would shrink until nobody can read it.
 *
 * @param {Choice} choice
 * @param {Server} server
 * @returns {[media: string, address: string][]}
 */
export const pictureSources = (choice, server) =>
  WIDTHS.map(([screen, width]) => [`(max-width:${screen}px)`, lineAddress("svg", choice, server, [`width=${width}`])]);

/** @param {Choice} choice what a frame is called, in the language of the line */
export const title = ({ attributes }) => (LABELS[new Map(attributes).get("locale") ?? ""] ?? LABELS.en ?? "").split("|")[0] ?? "";

/**
 * @param {"html" | "svg"} kind
 * @param {Choice} choice
 * @param {Server} server
 * @param {string[]} more of the query
 */
export function lineAddress(kind, { attributes }, { home }, more = []) {
  const asked = attributes
    .filter(([name]) => OF_THE_LINE.includes(name))
    .map(([name, value]) => `${name}=${value.replaceAll(" ", ",") || 1}`);
  const query = [...asked, ...more];
  return `${home}v1/line.${kind}${query.length ? `?${query.join("&")}` : ""}`;
}

/**
 * @param {string} name
 * @param {[string, string][]} attributes
 */
const tag = (name, attributes) =>
  `<${[name, ...attributes.map(([key, value]) => (value ? `${key}="${escaped(value)}"` : key))].join(" ")}>`;

/** @type {Record<string, string>} */
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** @param {string} text */
const escaped = (text) => text.replace(/[&<>"]/g, (found) => ENTITIES[found] ?? found);
