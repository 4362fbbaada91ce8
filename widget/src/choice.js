// @ts-check
/** What the form of the builder says, as attributes of an element. */

import { address } from "./attributes.js";
import { amountOf } from "./board/amount.js";

/** @typedef {import("./snippet.js").Choice} Choice */
/** @typedef {import("./snippet.js").Form} Form */
/** @typedef {import("./snippet.js").Kind} Kind */

/**
 * @typedef {object} Fields the fields of the form, by their names
 * @property {(name: string) => string} text
 * @property {(name: string) => boolean} isOn
 * @property {(name: string) => HTMLInputElement[]} boxes
 */

/** @typedef {[name: string, value: string][]} Attributes */

const USD = "USD";
/** What the elements do by themselves. @type {Record<string, string>} */
const DEFAULTS = { speed: "50", amount: "100", from: USD };
const MOST_CHARACTERS = 30;

/** @type {Record<Kind, (fields: Fields, language: string) => Attributes>} */
const TEXTS = {
  line: (fields) => [
    ["symbols", listed(fields.boxes("pairs"), short)],
    ...chosen(fields, "titles", "theme", "size", "format", "locale", "digits"),
    ["hide", fields.isOn("hide") ? "change" : ""],
    ...(fields.isOn("static") ? [] : [...chosen(fields, "speed", "direction"), hovered(fields)]),
    ...chosen(fields, "link"),
  ],
  board: (fields) => [
    ["symbols", listed(fields.boxes("pairs"), short)],
    ["columns", listed(fields.boxes("columns"))],
    ...chosen(fields, "theme", "locale"),
  ],
  quote: (fields) => [
    ["symbol", short(fields.text("symbol"))],
    ["format", fields.text("place")],
    ...chosen(fields, "digits", "theme", "locale"),
  ],
  converter: (fields, language) => [
    ["amount", amountOf(fields.text("amount"), language, fields.text("from"))],
    ["from", fields.text("from")],
    ["to", isFirst(fields) ? "" : fields.text("to")],
    ...chosen(fields, "theme", "locale"),
  ],
};

/** @type {Record<Kind, string[]>} */
const SWITCHES = { line: ["invert", "sparkline", "static", "transparent"], board: [], quote: ["sparkline"], converter: [] };

/** `KGS=Som`, or `USD/KGS = Dollar`. */
const TITLE = /^\s*[a-z]{3}(?:[/-]?[a-z]{3})?\s*=[^=]*[^=\s]\s*$/i;

/** What may not become an attribute, because the element would not take it. @type {Record<string, (text: string, language: string, from: string) => boolean>} */
const REFUSALS = {
  link: (text) => !address(text),
  titles: (text) => text.split(",").some((each) => !TITLE.test(each) && !!each.trim()),
  amount: (text, language, from) => !amountOf(text, language, from) || amountOf(text, language, from).length > MOST_CHARACTERS,
};

/**
 * @param {HTMLFormElement} form
 * @returns {Fields}
 */
export function fieldsOf(form) {
  const field = (/** @type {string} */ name) => form.elements.namedItem(name);
  return {
    text(name) {
      const found = field(name);
      return found && "value" in found ? `${found.value}`.trim() : "";
    },
    isOn(name) {
      const found = field(name);
      return found instanceof HTMLInputElement && found.checked;
    },
    boxes: (name) => [...form.querySelectorAll("input")].filter((each) => each.name === name),
  };
}

/**
 * @param {Fields} fields
 * @param {string} language in which the reader types
 * @returns {Choice}
 */
export function choiceOf(fields, language) {
  const kind = /** @type {Kind} */ (fields.text("kind"));
  const refused = refusedOf(fields, language);
  const texts = TEXTS[kind](fields, language).filter(([name, value]) => value && value !== DEFAULTS[name] && !refused.includes(name));
  const switches = SWITCHES[kind].filter(fields.isOn).map((name) => /** @type {[string, string]} */ ([name, ""]));
  return {
    kind,
    form: kind === "line" ? /** @type {Form} */ (fields.text("form")) : "element",
    attributes: [...texts, ...switches],
    colours: kind === "line" ? coloursOf(fields) : [],
    isPinned: fields.text("version") === "pinned",
  };
}

/**
 * @param {Fields} fields
 * @param {string} language
 * @returns {string[]} the fields whose texts no element takes
 */
export const refusedOf = (fields, language) =>
  Object.entries(REFUSALS).flatMap(([name, isRefused]) => {
    const text = fields.text(name);
    return text && isRefused(text, language, fields.text("from")) ? name : [];
  });

/** The currencies of these symbols, the dollar first, as the converter offers them. @param {readonly string[]} symbols */
export const codesOf = (symbols) => [...new Set(symbols.flatMap((symbol) => symbol.split("/").reverse()))];

/** `KGS` for `KGS/USD`. @param {string} symbol */
const short = (symbol) => symbol.replace(`/${USD}`, "");

/**
 * Of boxes, those that are ticked; nothing for all of them, and where none is.
 *
 * @param {HTMLInputElement[]} boxes
 * @param {(value: string) => string} [worded]
 */
function listed(boxes, worded = String) {
  const ticked = boxes.filter(({ checked }) => checked);
  return ticked.length === boxes.length ? "" : ticked.map(({ value }) => worded(value)).join(" ");
}

/**
 * @param {Fields} fields
 * @param {...string} names
 * @returns {Attributes}
 */
const chosen = ({ text }, ...names) => names.map((name) => [name, text(name)]);

/** @param {Fields} fields @returns {[string, string]} */
const hovered = ({ isOn }) => ["hover", isOn("hover") ? "run" : ""];

/** Whether the converter would choose this currency by itself. @param {Fields} fields */
function isFirst({ text, boxes }) {
  const codes = codesOf(boxes("pairs").map(({ value }) => value));
  return text("to") === codes.find((code) => code !== text("from"));
}

/** @param {Fields} fields @returns {Attributes} */
function coloursOf({ text, isOn }) {
  if (!isOn("coloured")) return [];
  return ["color", "background", "up", "down"].map((name) => [`--ticker-${name}`, text(name)]);
}
