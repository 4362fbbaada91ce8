// @ts-check
/** The embed builder: what is chosen becomes a live line and the snippet that gives it. */

import { named } from "./names.js";
import { element, find } from "./nodes.js";
import { lineAddress, pictureSources, snippet, title } from "./snippet.js";
import { LANGUAGES, filled, words } from "./words.js";
import { write } from "./write.js";

/** @typedef {import("./snippet.js").Choice} Choice */
/** @typedef {import("./snippet.js").Form} Form */
/** @typedef {import("./snippet.js").Server} Server */

const USD = "/USD";
const ENOUGH_CONTRAST = 4.5;
const TOLD_MS = 4000;
/** What is on the element of the preview by itself. */
const KEPT = ["aria-label", "state", "style"];

export class Builder {
  #form = /** @type {HTMLFormElement} */ (find("builder"));
  #pairs = find("pairs");
  #preview = find("preview");
  #ticker = document.createElement("currency-ticker");
  #code = find("snippet");
  #told = find("copied");
  #choices = "";
  /** @type {number | undefined} */
  #telling;
  /** @type {Server} */
  #server;

  constructor() {
    const { script = "", integrity = "" } = this.#form.dataset;
    this.#ticker.setAttribute("aria-label", words.previewLine);
    // The address by which the reader came, and not what the server takes for its own: a proxy may
    // serve it under a path.
    this.#server = { home: new URL(".", document.baseURI).href, script, integrity };
    find("locale").append(...LANGUAGES.map(({ code, name }) => element("option", { value: code, lang: code }, name)));
    this.#form.addEventListener("input", () => this.#refresh());
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("reset", () => setTimeout(() => this.#refresh()));
    find("copy").addEventListener("click", () => this.#copy());
    this.#refresh();
  }

  /** @param {readonly string[]} symbols in the server's order */
  offer(symbols) {
    const chosen = new Map(this.#boxes().map(({ value, checked }) => [value, checked]));
    if ([...chosen.keys()].join() === symbols.join()) return;
    this.#pairs.replaceChildren(...symbols.map((symbol) => pairBox(symbol, chosen.get(symbol) ?? true)));
    this.#refresh();
  }

  #boxes() {
    return [...this.#pairs.querySelectorAll("input")];
  }

  /** @param {string} name */
  #value(name) {
    const field = this.#form.elements.namedItem(name);
    return field && "value" in field ? field.value : "";
  }

  /** @param {string} name */
  #isOn(name) {
    const field = this.#form.elements.namedItem(name);
    return field instanceof HTMLInputElement && field.checked;
  }

  /** @returns {Choice} */
  #choice() {
    const isStill = this.#isOn("static");
    /** @type {[string, string][]} */
    const texts = [
      ["symbols", this.#symbols()],
      ["theme", this.#value("theme")],
      ["format", this.#value("format")],
      ["locale", this.#value("locale")],
      ["digits", this.#value("digits")],
      ["speed", isStill || this.#value("speed") === "50" ? "" : this.#value("speed")],
      ["direction", isStill ? "" : this.#value("direction")],
      ["link", this.#value("link").trim()],
    ];
    /** @type {[string, string][]} */
    const switches = ["invert", "sparkline", "static"].filter((name) => this.#isOn(name)).map((name) => [name, ""]);
    return {
      form: /** @type {Form} */ (this.#value("form")),
      attributes: [...texts.filter(([, value]) => value), ...switches],
      colours: this.#colours(),
      isPinned: this.#value("version") === "pinned",
    };
  }

  /** `KGS KZT/RUB`; nothing for all of them, and where none is chosen. */
  #symbols() {
    const boxes = this.#boxes();
    const chosen = boxes.filter(({ checked }) => checked);
    if (chosen.length === boxes.length) return "";
    return chosen.map(({ value }) => (value.endsWith(USD) ? value.slice(0, -USD.length) : value)).join(" ");
  }

  /** @returns {[string, string][]} */
  #colours() {
    if (!this.#isOn("coloured")) return [];
    return ["color", "background", "up", "down"].map((name) => [`--ticker-${name}`, this.#value(name)]);
  }

  #refresh() {
    const choice = this.#choice();
    for (const name of ["speed", "direction"]) this.#enable(name, !this.#isOn("static"));
    for (const name of ["color", "background", "up", "down"]) this.#enable(name, this.#isOn("coloured"));
    const hasScript = choice.form === "element" || choice.form === "script";
    find("versions").hidden = !hasScript;
    write(find("pace"), filled(words.pace, { speed: this.#value("speed") }));
    write(find("none"), this.#boxes().some(({ checked }) => checked) ? "" : words.noPair);
    write(find("contrast"), contrastWarning(choice.colours));
    write(this.#code, snippet(choice, this.#server));
    const choices = JSON.stringify(choice);
    if (choices !== this.#choices) this.#show(choice);
    this.#choices = choices;
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
  }

  /** @param {Choice} choice */
  #previewOf(choice) {
    // Frames and pictures know nothing of colours, links and movement.
    if (choice.form === "iframe") return element("iframe", { src: lineAddress("html", choice, this.#server), title: title(choice) });
    if (choice.form === "picture") return this.#picture(choice);
    dress(this.#ticker, choice);
    return this.#ticker;
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
  const box = /** @type {HTMLInputElement} */ (element("input", { type: "checkbox", value: symbol }));
  box.checked = checked;
  box.defaultChecked = true;
  const [base = ""] = symbol.split("/");
  return element("label", {}, box, element("span", {}, symbol, " ", element("small", {}, named(base))));
}

/**
 * Give an element what was chosen, and take what was chosen before.
 *
 * @param {HTMLElement} ticker
 * @param {Choice} choice
 */
function dress(ticker, { attributes, colours }) {
  const wanted = new Map(attributes);
  for (const name of ticker.getAttributeNames()) {
    if (!KEPT.includes(name) && !wanted.has(name)) ticker.removeAttribute(name);
  }
  for (const [name, value] of wanted) {
    if (ticker.getAttribute(name) !== value) ticker.setAttribute(name, value);
  }
  for (const name of [...ticker.style]) ticker.style.removeProperty(name);
  for (const [name, value] of colours) ticker.style.setProperty(name, value);
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
