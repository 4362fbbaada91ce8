// @ts-check
/** The embed builder: what is chosen becomes a live line and the snippet that gives it. */

import { typed } from "./board/amount.js";
import { choiceOf, codesOf, fieldsOf, refusedOf } from "./choice.js";
import { named } from "./names.js";
import { element, find } from "./nodes.js";
import { placeOf } from "./place.js";
import { TAGS, lineAddress, pictureSources, snippet, title } from "./snippet.js";
import { timer } from "./timer.js";
import { LANGUAGES, filled, language, words } from "./words.js";
import { mark, write } from "./write.js";

/** @typedef {import("./snippet.js").Choice} Choice */
/** @typedef {import("./snippet.js").Server} Server */

const ENOUGH_CONTRAST = 4.5;
const TOLD_MS = 4000;
const MEASURE_AFTER_MS = 100;
/** What is on the element of the preview by itself. */
const KEPT = ["aria-label", "state", "style"];

export class Builder {
  #form = /** @type {HTMLFormElement} */ (find("builder"));
  #fields = fieldsOf(this.#form);
  #pairs = find("pairs");
  #preview = find("preview");
  #code = find("snippet");
  #told = find("copied");
  /** What the preview shows, by its kind and language. @type {Map<string, HTMLElement>} */
  #elements = new Map();
  /** @type {Choice} */
  #choice = choiceOf(this.#fields, language);
  /** @type {import("./place.js").Place | undefined} */
  #place;
  #symbols = "";
  #choices = "";
  /** @type {number | undefined} */
  #telling;
  /** @type {Server} */
  #server;
  #measureSoon = timer(() => this.#measure());
  #texts = new MutationObserver(() => this.#measureSoon(MEASURE_AFTER_MS));

  constructor() {
    const { script = "", scriptIntegrity = "", board = "", boardIntegrity = "" } = this.#form.dataset;
    // The address by which the reader came, and not what the server takes for its own: a proxy may
    // serve it under a path.
    const home = new URL(".", document.baseURI).href;
    const scripts = { ticker: { file: script, integrity: scriptIntegrity }, board: { file: board, integrity: boardIntegrity } };
    this.#server = { home, scripts };
    find("locale").append(...LANGUAGES.map(({ code, name }) => element("option", { value: code, lang: code }, name)));
    this.#form.addEventListener("input", () => this.#refresh());
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("reset", () => setTimeout(() => this.#refresh()));
    find("copy").addEventListener("click", () => this.#copy());
    this.#refresh();
  }

  /** @param {readonly string[]} symbols in the server's order */
  offer(symbols) {
    if (this.#symbols === symbols.join()) return;
    this.#symbols = symbols.join();
    const chosen = new Map(this.#fields.boxes("pairs").map(({ value, checked }) => [value, checked]));
    this.#pairs.replaceChildren(...symbols.map((symbol) => pairBox(symbol, chosen.get(symbol) ?? true)));
    const codes = codesOf(symbols);
    this.#choose("symbol", [...symbols, ...symbols.map((symbol) => symbol.split("/").reverse().join("/"))], 0, (symbol) => symbol);
    this.#choose("from", codes, 0, labelled);
    this.#choose("to", codes, 1, labelled);
    this.#refresh();
  }

  /**
   * Give a select its options, and keep what was chosen.
   *
   * @param {string} name
   * @param {readonly string[]} values
   * @param {number} first which of them is chosen at first
   * @param {(value: string) => string} worded
   */
  #choose(name, values, first, worded) {
    const select = /** @type {HTMLSelectElement} */ (this.#form.elements.namedItem(name));
    const { value: kept } = select;
    const options = values.map((value) => /** @type {HTMLOptionElement} */ (element("option", { value }, worded(value))));
    if (options[first]) options[first].defaultSelected = true;
    select.replaceChildren(...options);
    if (values.includes(kept)) select.value = kept;
  }

  #refresh() {
    const choice = (this.#choice = choiceOf(this.#fields, language));
    this.#hideOthers(choice);
    for (const name of ["speed", "direction", "hover"]) this.#enable(name, !this.#fields.isOn("static"));
    for (const name of ["color", "background", "up", "down"]) this.#enable(name, this.#fields.isOn("coloured"));
    write(find("pace"), filled(words.pace, { speed: this.#fields.text("speed") }));
    this.#hint(choice);
    const choices = JSON.stringify(choice);
    if (choices !== this.#choices) this.#show(choice);
    this.#choices = choices;
    this.#write();
  }

  /** Hide the fields that say nothing of what is made. @param {Choice} choice */
  #hideOthers({ kind, form }) {
    mark(this.#form, "data-kind", kind);
    const hasScript = form === "element" || form === "script";
    for (const node of this.#form.querySelectorAll("[data-for]")) {
      const kinds = `${node.getAttribute("data-for")}`.split(" ");
      /** @type {HTMLElement} */ (node).hidden = !kinds.includes(kind) || (kinds.includes("scripts") && !hasScript);
    }
  }

  /** @param {Choice} choice */
  #hint({ colours }) {
    const { boxes } = this.#fields;
    const refused = refusedOf(this.#fields, language);
    write(find("none"), boxes("pairs").some(({ checked }) => checked) ? "" : words.noPair);
    write(find("no-column"), boxes("columns").some(({ checked }) => checked) ? "" : words.noColumn);
    write(find("contrast"), contrastWarning(colours));
    this.#explain("amount", refused, "", filled(words.notAmount, { example: typed("1234.5", language) }));
    this.#explain("titles", refused, words.titlesHint, words.titlesRefused);
    this.#explain("link", refused, words.linkHint, words.linkRefused);
  }

  /**
   * @param {string} name of a field
   * @param {readonly string[]} refused
   * @param {string} hint
   * @param {string} refusal
   */
  #explain(name, refused, hint, refusal) {
    const isRefused = refused.includes(name);
    const node = find(`${name}-hint`);
    write(node, isRefused ? refusal : hint);
    node.classList.toggle("refused", isRefused);
    mark(/** @type {HTMLInputElement} */ (this.#form.elements.namedItem(name)), "aria-invalid", isRefused ? "true" : "");
  }

  /**
   * @param {string} name
   * @param {boolean} isEnabled
   */
  #enable(name, isEnabled) {
    const field = this.#form.elements.namedItem(name);
    if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement) field.disabled = !isEnabled;
  }

  /** @param {Choice} choice */
  #show(choice) {
    const node = this.#previewOf(choice);
    if (this.#preview.firstElementChild !== node) this.#preview.replaceChildren(node);
    this.#texts.disconnect();
    this.#place = undefined;
    if (choice.kind !== "line") this.#follow(node);
  }

  /** What it takes is known only when its texts are there, and they come later. @param {Element} node */
  async #follow({ localName }) {
    await customElements.whenDefined(localName);
    const { shadowRoot } = this.#preview.firstElementChild ?? {};
    if (shadowRoot) this.#texts.observe(shadowRoot, { childList: true, characterData: true, subtree: true });
    this.#measure();
  }

  #measure() {
    const node = this.#preview.firstElementChild;
    if (this.#choice.kind === "line" || !(node instanceof HTMLElement)) return;
    this.#place = placeOf(node);
    this.#write();
  }

  #write() {
    write(this.#code, snippet(this.#choice, this.#server, this.#place));
  }

  /** @param {Choice} choice */
  #previewOf(choice) {
    // Frames and pictures know nothing of colours, links and movement.
    if (choice.form === "iframe") return element("iframe", { src: lineAddress("html", choice, this.#server), title: title(choice) });
    if (choice.form === "picture") return this.#picture(choice);
    const { kind } = choice;
    // A new one for another language: tables and boxes keep the words that their rows were made with.
    const key = kind === "line" ? kind : `${kind} ${this.#fields.text("locale")}`;
    const node = this.#elements.get(key) ?? document.createElement(TAGS[kind]);
    this.#elements.set(key, node);
    if (kind === "line") node.setAttribute("aria-label", words.previewLine);
    dress(node, choice);
    return node;
  }

  /** @param {Choice} choice */
  #picture(choice) {
    const sources = pictureSources(choice, this.#server).map(([media, srcset]) => element("source", { media, srcset }));
    return element("picture", {}, ...sources, element("img", { src: lineAddress("svg", choice, this.#server), alt: title(choice) }));
  }

  async #copy() {
    const text = this.#code.textContent ?? "";
    this.#tell((await copied(text)) || copiedByHand(this.#code) ? words.copied : words.selected);
  }

  /** @param {string} text */
  #tell(text) {
    clearTimeout(this.#telling);
    // Emptied first, so that a second copy is told as well.
    this.#told.textContent = "";
    requestAnimationFrame(() => (this.#told.textContent = text));
    this.#telling = setTimeout(() => (this.#told.textContent = ""), TOLD_MS);
  }
}

/**
 * @param {string} symbol
 * @param {boolean} checked
 */
function pairBox(symbol, checked) {
  const box = /** @type {HTMLInputElement} */ (element("input", { type: "checkbox", name: "pairs", value: symbol }));
  box.checked = checked;
  box.defaultChecked = true;
  const [base = ""] = symbol.split("/");
  return element("label", {}, box, element("span", {}, symbol, " ", element("small", {}, named(base))));
}

/** @param {string} code of a currency */
const labelled = (code) => [code, named(code)].filter((text, place) => !place || text !== code).join(" – ");

/**
 * Give an element what was chosen, and take what was chosen before.
 *
 * @param {HTMLElement} node
 * @param {Choice} choice
 */
function dress(node, { attributes, colours }) {
  const wanted = new Map(attributes);
  for (const name of node.getAttributeNames()) {
    if (!KEPT.includes(name) && !wanted.has(name)) node.removeAttribute(name);
  }
  for (const [name, value] of wanted) {
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  }
  for (const name of [...node.style]) node.style.removeProperty(name);
  for (const [name, value] of colours) node.style.setProperty(name, value);
}

/**
 * @param {string} text
 * @returns {Promise<boolean>} whether it worked: a page that came by plain http has no clipboard
 */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * The old way, which leaves the text selected.
 *
 * @param {HTMLElement} node
 */
function copiedByHand(node) {
  getSelection()?.selectAllChildren(node);
  return document.execCommand("copy");
}

/**
 * @param {[string, string][]} colours
 * @returns {string} which colours are too near to the background to be read
 */
function contrastWarning(colours) {
  const named = new Map(colours);
  const ground = named.get("--ticker-background");
  if (!ground) return "";
  const faint = [["color", words.text], ["up", words.rising], ["down", words.falling]].filter(
    ([name]) => contrast(named.get(`--ticker-${name}`) ?? ground, ground) < ENOUGH_CONTRAST,
  );
  return faint.length ? filled(words.faint, { colours: faint.map(([, label]) => label).join(", ") }) : "";
}

/**
 * The ratio of WCAG 2, from 1 to 21.
 *
 * @param {string} one `#rrggbb`
 * @param {string} other
 */
function contrast(one, other) {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((first, second) => first - second);
  return (light + 0.05) / (dark + 0.05);
}

/** @param {string} colour `#rrggbb` */
function luminance(colour) {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const share = parseInt(colour.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
