// @ts-check
/**
 * The moving line: the quotes once, and as many copies of them as the width needs, carried by one
 * animation that the compositor runs alone.
 *
 * What is on screen is never moved by anything but the animation. Where the loop's own length
 * changes (another set of symbols, a late font, an item that grew out of sight), the animation is
 * set so that the first item in sight stays where it is.
 */

import { Item, characters, element, generous, wording } from "./item.js";

/** @typedef {import("./stream.js").Quote} Quote */
/** @typedef {import("./item.js").Wording} Wording */
/** @typedef {{ node: HTMLElement, list: HTMLElement, items: Map<string, Item> }} Group */

/**
 * @typedef {object} Settings
 * @property {number} speed px per second, the same at every width
 * @property {boolean} reverse
 * @property {number | null} digits
 * @property {boolean} still no movement and no copies: the line wraps
 */

const MOST_COPIES = 100;
const WIDEN_EVERY_MS = 500;
// The compositor may be a frame or two ahead of what we know.
const MARGIN_PX = 16;

export class Line {
  /** @type {Settings} */
  #settings = { speed: 50, reverse: false, digits: null, still: false };
  /** @type {Map<string, Wording>} in the order of the line */
  #words = new Map();
  /** @type {Map<string, number>} characters, never fewer than before */
  #reserved = new Map();

  /** @type {Group} the one that is read; the others are copies */
  #main = group();
  /** @type {Group[]} */
  #copies = [];
  #track = element("div", { class: "track", part: "track" }, this.#main.node);

  /** @type {Map<string, { start: number, width: number }>} px from the start of the loop */
  #places = new Map();
  #length = 0;
  #width = 0;

  /** @type {Animation | null} */
  #animation = null;
  #offset = 0;
  #held = false;
  #away = false;
  /** @type {number | undefined} */
  #widening;
  #observer = new ResizeObserver(() => this.#fit());

  constructor() {
    this.node = element("div", { class: "viewport", part: "viewport" }, this.#track);
  }

  connect() {
    this.#observer.observe(this.node);
    this.#observer.observe(this.#main.list);
  }

  /** An endless animation would keep the element alive for ever. */
  disconnect() {
    this.#observer.disconnect();
    clearTimeout(this.#widening);
    this.#halt();
  }

  /** @param {Settings} settings */
  configure(settings) {
    if (settings.digits !== this.#settings.digits) this.#reserved.clear();
    this.#settings = settings;
    this.node.classList.toggle("still", settings.still);
    this.#fit();
  }

  /**
   * @param {boolean} held the movement stops where it is
   * @param {boolean} away nobody can see it
   */
  hold(held, away) {
    this.#away = away;
    if (held === this.#held) return;
    this.#held = held;
    if (held) this.#animation?.pause();
    else this.#animation?.play();
  }

  /** @param {readonly Quote[]} quotes all that the line has, in its order */
  show(quotes) {
    const words = new Map(quotes.map((quote) => [quote.symbol, wording(quote, this.#settings.digits)]));
    for (const [symbol, each] of words) {
      if (!this.#reserved.has(symbol)) this.#reserved.set(symbol, generous(each));
    }
    const before = this.#words;
    this.#words = words;
    if (`${[...words.keys()]}` === `${[...before.keys()]}`) {
      this.#write();
      this.#widen();
    } else {
      this.#rebuild();
    }
  }

  #rebuild() {
    this.#repeat(0);
    fill(this.#main, this.#words.keys());
    this.#write();
    this.#fit();
  }

  #write(groups = [this.#main, ...this.#copies]) {
    for (const { items } of groups) {
      for (const [symbol, item] of items) this.#writeItem(symbol, item);
    }
  }

  /**
   * @param {string} symbol
   * @param {Item} item
   */
  #writeItem(symbol, item) {
    const words = this.#words.get(symbol);
    if (!words) return;
    item.reserve(this.#reserved.get(symbol) ?? 0);
    item.show(words);
  }

  /** Give room to what outgrew its place, as soon as no copy of it is in sight. */
  #widen() {
    clearTimeout(this.#widening);
    const cramped = [...this.#words].filter(([symbol, words]) => characters(words) > (this.#reserved.get(symbol) ?? 0));
    const ready = cramped.filter(([symbol]) => !this.#inSight(symbol));
    for (const [symbol, words] of ready) this.#reserved.set(symbol, generous(words));
    if (ready.length) {
      this.#write();
      this.#fit();
    }
    if (ready.length < cramped.length) this.#widening = setTimeout(() => this.#widen(), WIDEN_EVERY_MS);
  }

  /** @param {string} symbol */
  #inSight(symbol) {
    const place = this.#places.get(symbol);
    if (!place || this.#away || this.#settings.still) return false;
    // Where it starts in the copy that is the first to end after the viewport's start.
    const end = place.start + place.width - this.#now() + MARGIN_PX;
    const start = (((end % this.#length) + this.#length) % this.#length) - place.width - MARGIN_PX;
    return start < this.#width + MARGIN_PX;
  }

  /** Measure, and keep the first item in sight where it is. */
  #fit() {
    const anchor = this.#anchor();
    if (this.#settings.still || !this.#measure()) {
      this.#halt();
      this.#repeat(0);
      return;
    }
    this.#track.style.setProperty("--loop", `${this.#length}px`);
    this.#repeat(Math.min(MOST_COPIES, Math.ceil(this.#width / this.#length)));
    this.#animate();
    const place = anchor && this.#places.get(anchor.symbol);
    this.#seek(place ? place.start + anchor.past : this.#offset);
  }

  #measure() {
    const { list } = this.#main;
    const box = list.getBoundingClientRect();
    const natural = parseFloat(getComputedStyle(list).width) || 0;
    this.#width = this.node.clientWidth;
    if (!natural || !box.width || !this.#width || !this.#words.size) return false;
    // A loop of whole pixels: text in a copy is drawn exactly as in the first.
    this.#length = Math.ceil(natural);
    const scale = natural / box.width;
    const rtl = getComputedStyle(list).direction === "rtl";
    this.#places.clear();
    for (const [symbol, { node }] of this.#main.items) {
      const { left, right, width } = node.getBoundingClientRect();
      const start = (rtl ? box.right - right : left - box.left) * scale;
      this.#places.set(symbol, { start, width: width * scale });
    }
    return true;
  }

  /** The first item in sight that stays in the line, and how far the start of the viewport is past its start. */
  #anchor() {
    if (!this.#animation || !this.#length) return null;
    const now = this.#now();
    const places = [...this.#places].map(([symbol, { start, width }]) => {
      const round = Math.floor((now - start) / this.#length) * this.#length;
      const past = now - start - round;
      return { symbol, past: past < width ? past : past - this.#length };
    });
    const kept = places.filter(({ symbol }) => this.#main.items.has(symbol));
    return kept.sort((one, other) => other.past - one.past)[0] ?? null;
  }

  /** How far the line has moved within the loop, in px. */
  #now() {
    const progress = this.#animation?.effect?.getComputedTiming().progress;
    return typeof progress === "number" ? progress * this.#length : this.#offset;
  }

  /** @param {number} offset px */
  #seek(offset) {
    this.#offset = ((offset % this.#length) + this.#length) % this.#length;
    const way = this.#settings.reverse ? this.#length - this.#offset : this.#offset;
    if (this.#animation) this.#animation.currentTime = (way / this.#settings.speed) * 1000;
  }

  #animate() {
    const { speed, reverse } = this.#settings;
    const rtl = getComputedStyle(this.node).direction === "rtl";
    const end = `translate3d(${rtl ? "" : "-"}${this.#length}px,0,0)`;
    const keyframes = { transform: ["translate3d(0,0,0)", end] };
    /** @type {OptionalEffectTiming} */
    const timing = {
      duration: (this.#length / speed) * 1000,
      direction: reverse ? "reverse" : "normal",
      iterations: Infinity,
    };
    if (this.#animation) {
      const effect = /** @type {KeyframeEffect} */ (this.#animation.effect);
      effect.setKeyframes(keyframes);
      effect.updateTiming(timing);
    } else {
      this.#animation = this.#track.animate(keyframes, timing);
      if (this.#held) this.#animation.pause();
    }
  }

  #halt() {
    this.#offset = this.#now();
    this.#animation?.cancel();
    this.#animation = null;
  }

  /** @param {number} count copies */
  #repeat(count) {
    for (const { node } of this.#copies.splice(count)) node.remove();
    while (this.#copies.length < count) {
      const copy = group({ "aria-hidden": "true", inert: "" });
      fill(copy, this.#main.items.keys());
      this.#write([copy]);
      this.#copies.push(copy);
      this.#track.append(copy.node);
    }
  }
}

/**
 * @param {{ [attribute: string]: string }} [copy] attributes of a copy
 * @returns {Group}
 */
function group(copy) {
  const list = element("ul", { role: "list" });
  return { node: element("div", { class: copy ? "group copy" : "group", ...copy }, list), list, items: new Map() };
}

/**
 * @param {Group} group
 * @param {Iterable<string>} symbols
 */
function fill(group, symbols) {
  group.items = new Map([...symbols].map((symbol) => [symbol, new Item(symbol)]));
  group.list.replaceChildren(...[...group.items.values()].map(({ node }) => node));
}
