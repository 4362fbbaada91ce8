// @ts-check
/** The lines of HTML that a page takes over, for what was chosen. */

import WORDS from "./labels.json" with { type: "json" };

/** @typedef {"line" | "board" | "quote" | "converter"} Kind */
/** @typedef {"element" | "script" | "iframe" | "picture"} Form */

/**
 * @typedef {object} Choice
 * @property {Kind} kind
 * @property {Form} form of a line; the others are elements
 * @property {[name: string, value: string][]} attributes what differs from the default; no value is a boolean
 * @property {[name: string, value: string][]} colours custom properties
 * @property {boolean} isPinned exactly this version, by its hash
 */

/**
 * @typedef {object} Script
 * @property {string} file of this version
 * @property {string} integrity the hash of its bytes
 */

/**
 * @typedef {object} Server
 * @property {string} home its address, ending with a slash
 * @property {Record<"ticker" | "board", Script>} scripts
 */

/** @type {Record<string, string>} */
const LABELS = WORDS;

/** @type {Record<Kind, string>} */
export const TAGS = { line: "currency-ticker", board: "currency-board", quote: "currency-quote", converter: "currency-converter" };
const HEIGHT = "62px";
/** What the line takes at any size of the page's text: 62px at 16px. */
const PLACE = "calc(2.5em + 22px)";
const SMALL_PLACE = "calc(1.625em + 22px)";
/** In flex rows and floats it is as wide as the table and the converter would be by themselves. */
const CONTAINER = "container-type:inline-size;contain-intrinsic-inline-size:min(20em,75vw)";
/** Up to which width of a screen a picture is how wide, with its pairs in rows. */
const WIDTHS = [[700, 360], [1300, 640]];
/** What `/v1/line.html` and `/v1/line.svg` can do as well. */
const OF_THE_LINE = ["symbols", "locale", "theme", "digits", "invert", "format"];

/**
 * @param {Choice} choice
 * @param {Server} server
 * @param {import("./place.js").Place} [place] of what is no line
 * @returns {string}
 */
export function snippet(choice, server, place) {
  const { form } = choice;
  if (choice.kind !== "line") return placed(choice, server, place);
  if (form === "iframe") return frame(choice, server);
  if (form === "picture") return picture(choice, server);
  return form === "script" ? scriptAlone(choice, server) : elementAndScript(choice, server);
}

/**
 * @param {Choice} choice
 * @param {Server} server
 * @param {import("./place.js").Place} [place]
 */
function placed(choice, server, { rules, isFluid } = { rules: [], isFluid: false }) {
  const { kind, attributes } = choice;
  /** @type {[string, string][]} */
  const style = rules.length ? [["style", styled(rules)]] : [];
  const element = `${tag(TAGS[kind], [...attributes, ...style])}</${TAGS[kind]}>`;
  const around = isFluid ? `${tag("div", [["style", CONTAINER]])}${element}</div>` : element;
  return `${around}\n${script(choice, server, [])}`;
}

/** @param {readonly (readonly string[])[]} rules */
const styled = (rules) => rules.map((rule) => rule.join(":")).join(";");

/**
 * @param {Choice} choice
 * @param {Server} server
 */
function elementAndScript(choice, server) {
  const isSmall = choice.attributes.some(([name, value]) => name === "size" && value === "small");
  const style = styled([["display", "block"], ["min-height", isSmall ? SMALL_PLACE : PLACE], ...choice.colours]);
  const opening = tag("currency-ticker", [...choice.attributes, ["style", style]]);
  const fallback = `<noscript>${frame(choice, server)}</noscript>`;
  return `${opening}${fallback}</currency-ticker>\n${script(choice, server, [])}`;
}

/**
 * @param {Choice} choice
 * @param {Server} server
 */
function scriptAlone(choice, server) {
  const line = script(choice, server, choice.attributes.map(([name, value]) => [`data-${name}`, value]));
  const rules = styled(choice.colours);
  // The line, which appears beside its script, inherits them; other lines of the page do not.
  return rules ? `${tag("div", [["style", rules]])}${line}</div>` : line;
}

/**
 * @param {Choice} choice
 * @param {Server} server
 * @param {[string, string][]} attributes
 */
function script({ kind, isPinned }, { home, scripts }, attributes) {
  const name = kind === "line" ? "ticker" : "board";
  const { file, integrity } = scripts[name];
  const src = home + (isPinned ? file : `${name}.js`);
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
