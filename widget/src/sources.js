// @ts-check
/** The list of sources: how each does, and on what terms it speaks. */

import { ask } from "./ask.js";
import { element } from "./nodes.js";
import { filled, quoted, timeOfDay, words } from "./words.js";
import { mark } from "./write.js";

/**
 * @typedef {object} Source as `/v1/sources` tells it
 * @property {string} key
 * @property {string} name
 * @property {string} short
 * @property {string} site
 * @property {string} status
 * @property {string} message
 * @property {string | null} [next_poll_at]
 * @property {string} attribution
 * @property {string} terms
 * @property {string} coverage
 */

/** @type {Record<string, string>} */
const STATUS = { ok: words.answers, failing: words.failing, waiting: words.notAsked, disabled: words.disabled };

export class Sources {
  #list;
  #label = "";
  /** @type {Map<string, Source>} */
  #known = new Map();
  /** @type {Map<string, Entry>} */
  #entries = new Map();
  #silence = element("li", { "data-status": "failing" }, words.silent);

  /** @param {HTMLElement} list */
  constructor(list) {
    this.#list = list;
  }

  async refresh() {
    const answer = await ask("v1/sources");
    this.#list.classList.toggle("silent", !answer);
    if (!answer) return this.#list.prepend(this.#silence);
    this.#silence.remove();
    this.#label = answer.label ? `${answer.label}:` : "";
    /** @type {Source[]} */
    const sources = Array.isArray(answer.sources) ? answer.sources : [];
    this.#known = new Map(sources.map((source) => [source.key, source]));
    for (const source of sources) this.#show(source);
  }

  /** @param {Source} source */
  #show(source) {
    let entry = this.#entries.get(source.key);
    if (!entry) {
      this.#entries.set(source.key, (entry = new Entry(source.key)));
      this.#list.append(entry.node);
    }
    entry.show(source, !!this.#label);
  }

  /**
   * What is known of a quote's source: `demo:nbkr` is nbkr in a demo.
   *
   * @param {string} source
   * @returns {Source | undefined}
   */
  of(source) {
    return this.#known.get(this.#key(source));
  }

  /** @param {string} source */
  isPeg(source) {
    return this.#key(source) === "peg";
  }

  /**
   * Who says it and on what terms, for the page to show.
   *
   * @param {string} source
   * @returns {(Node | string)[]}
   */
  words(source) {
    const known = this.of(source);
    if (this.isPeg(source)) return [words.pegSource];
    return known ? terms(known, !!this.#label) : [source];
  }

  /** @param {string} source */
  #key(source) {
    return source.startsWith(this.#label) ? source.slice(this.#label.length) : source;
  }
}

class Entry {
  #line = element("span");
  #terms = element("p");
  #said = "";
  #told = "";

  /** @param {string} key */
  constructor(key) {
    this.node = element("li", { id: `source-${key}` }, element("details", {}, element("summary", {}, this.#line), this.#terms));
  }

  /**
   * @param {Source} source
   * @param {boolean} isDemo
   */
  show(source, isDemo) {
    mark(this.node, "data-status", source.status);
    const said = [source.short, source.status, source.message, source.next_poll_at].join();
    if (said !== this.#said) this.#line.replaceChildren(...line(source));
    this.#said = said;
    const told = [source.name, source.attribution, source.terms, source.coverage].join();
    if (told === this.#told) return;
    this.#told = told;
    this.#terms.replaceChildren(...terms(source, isDemo), " ", quoted(source.coverage));
  }
}

/**
 * @param {Source} source
 * @returns {(Node | string)[]}
 */
function line({ short, status, message, next_poll_at }) {
  const said = `${short}: ${STATUS[status] ?? status}`;
  if (message) return [`${said} – `, quoted(message)];
  return [next_poll_at ? `${said}, ${filled(words.nextCheck, { time: timeOfDay(next_poll_at) })}` : said];
}

/**
 * @param {Source} source
 * @param {boolean} isDemo the numbers are not the bank's: then it is named, and not quoted
 * @returns {(Node | string)[]}
 */
function terms({ name, site, attribution, terms }, isDemo) {
  const preface = isDemo ? `${filled(words.demo, { name })} ` : "";
  const link = element("a", { href: `https://${site}`, rel: "noopener" }, site);
  return [preface, quoted(attribution.replace(site, "")), link, ". ", quoted(terms)];
}
