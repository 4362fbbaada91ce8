// @ts-check
/**
 * The moving line: the quotes once, and as many copies of them as the width needs, carried by one
 * animation that the compositor runs alone.
 *
 * What is on screen is never moved by anything but the animation, and its clock is never set. Where
 * the loop's own length changes (another set of symbols, a late font, an item that grew out of
 * sight), all lists are shifted so that the first item in sight stays where it is.
 */

import { characters, generous, item, wording } from "./item.js";
import { element } from "./parts.js";
import { timer } from "./timer.js";
import { mark, set } from "./write.js";

/** @typedef {import("./item.js").Quote} Quote */
/** @typedef {import("./item.js").Item} Item */
/** @typedef {import("./item.js").Look} Look */
/** @typedef {import("./item.js").Wording} Wording */
/** @typedef {{ node: HTMLElement, list: HTMLElement, items: Map<string, Item> }} Group */

/**
 * @typedef {object} Movement
 * @property {number} speed px per second, the same at every width
 * @property {boolean} reverse
 * @property {boolean} still no movement and no copies: the line wraps
 */

const MOST_COPIES = 100;
const WIDEN_EVERY_MS = 500;
// The compositor may be a frame or two ahead of what we know.
const MARGIN_PX = 16;

/**
 * A closure and no class: private fields would cost a hundred bytes.
 *
 * @param {(width: number) => void} needs is told the px that the widest item takes
 */
export function makeLine(needs) {
  /** @type {Look} */
  let look = /** @type {any} */ ({});
  /** @type {Movement} */
  let movement = /** @type {any} */ ({});
  /** @type {Map<string, Wording>} in the order of the line */
  let words = new Map();
  /** @type {Map<string, number>} characters, never fewer than before */
  const reserved = new Map();

  /** The one that is read; the others are copies. */
  const main = group("group");
  /** @type {Group[]} */
  const copies = [];
  const track = element("div", "track", main.node);
  const node = element("div", "viewport", track);

  /** @type {Map<string, { start: number, width: number }>} px from the start of the loop */
  const places = new Map();
  let length = 0;
  let width = 0;

  /** @type {Animation | null} */
  let animation = null;
  /** How far all is shifted beside what the animation does, in px; by `translate`, as a margin that changes is a layout shift. */
  let shift = 0;
  /** To which side it moves: -1, or 1 in text from right to left. */
  let sign = -1;
  /** Px of the line for each px of the screen: the page may be zoomed or scaled. */
  let scale = 1;
  let isHeld = false;
  /** Whether it stands where the focus wanted it. */
  let isRevealed = false;
  let isAway = false;
  const widenIn = timer(widen);
  const observer = new ResizeObserver(fit);

  /** @param {number} offset px */
  const inLoop = (offset) => ((offset % length) + length) % length || 0;

  /** How far the animation has moved the track within the loop, in px. */
  const moved = () => length * (animation?.effect?.getComputedTiming().progress ?? 0);

  /** How far the start of the viewport is within the loop, in px. */
  const now = () => inLoop(shift + moved());

  /** @param {number} offset px from the start of the first list to that of the viewport */
  function seek(offset) {
    shift = offset - moved();
    set(track, "--shift", `${shift}px`);
  }

  /**
   * The same picture, with enough of the track on either side.
   *
   * The list that is read comes after one copy, and is in sight at first. It may grow by half a loop before
   * all is shifted by a whole one, which looks the same. Where the focus is in it, it is the first in sight:
   * no copy has the focus.
   *
   * @param {number} [offset] px within the loop
   */
  function settle(offset = now()) {
    const least = isRevealed ? length - 2 * MARGIN_PX : moved() + length / 2;
    seek(least + inLoop(offset - least));
  }

  const groups = () => [main, ...copies];

  function write(some = groups()) {
    for (const { items } of some) {
      for (const [symbol, item] of items) {
        const said = words.get(symbol);
        if (said) item.show(said, reserved.get(symbol) ?? 0);
      }
    }
  }

  /** Give room to what outgrew its place, as soon as no copy of it is in sight. */
  function widen() {
    widenIn();
    const cramped = [...words].filter(([symbol, said]) => characters(said) > (reserved.get(symbol) ?? 0));
    const ready = cramped.filter(([symbol]) => !isInSight(symbol));
    for (const [symbol, said] of ready) reserved.set(symbol, generous(said));
    if (ready.length) {
      write();
      fit();
    }
    if (ready.length < cramped.length) widenIn(WIDEN_EVERY_MS);
  }

  /** @param {string} symbol */
  function isInSight(symbol) {
    const place = places.get(symbol);
    if (!place || isAway) return movement.still && !isAway;
    // Where it starts in the copy that is the first to end after the viewport's start.
    const start = inLoop(place.start + place.width - now() + MARGIN_PX) - place.width - MARGIN_PX;
    return start < width + MARGIN_PX;
  }

  /** Measure, and keep the first item in sight where it is. */
  function fit() {
    const anchor = findAnchor();
    if (movement.still || !measure()) {
      places.clear();
      animation?.cancel();
      animation = null;
      set(track, "--shift", "0px");
      return repeat(0);
    }
    set(track, "--loop", `${length}px`);
    needs(Math.ceil(Math.max(...[...places.values()].map(({ width }) => width))));
    // One loop is the animation's, one and a half are the shift's.
    repeat(Math.min(MOST_COPIES, Math.ceil(width / length + 1.5)));
    animate();
    const place = places.get(anchor?.symbol ?? "");
    settle(place && place.start + (anchor?.past ?? 0));
  }

  function measure() {
    const { list } = main;
    const box = list.getBoundingClientRect();
    const { width: natural, direction } = getComputedStyle(list);
    scale = parseFloat(natural) / box.width;
    sign = direction === "rtl" ? 1 : -1;
    width = node.clientWidth;
    if (!(scale && width && words.size)) return false;
    // A loop of whole pixels: text in a copy is drawn exactly as in the first.
    length = Math.ceil(parseFloat(natural));
    places.clear();
    for (const [symbol, { node }] of main.items) {
      const { left, right, width } = node.getBoundingClientRect();
      const start = sign > 0 ? box.right - right : left - box.left;
      places.set(symbol, { start: start * scale, width: width * scale });
    }
    return true;
  }

  /** The first item in sight that stays in the line, and how far the start of the viewport is past its start. */
  function findAnchor() {
    if (!animation) return;
    const found = [...places].map(([symbol, { start, width }]) => {
      const past = inLoop(now() - start);
      return { symbol, past: past < width ? past : past - length };
    });
    const kept = found.filter(({ symbol }) => main.items.has(symbol));
    return kept.sort((one, other) => other.past - one.past)[0];
  }

  function animate() {
    // The sign follows the page's direction by the style sheet, also when that changes.
    const end = `translate3d(calc(var(--sign)*${length}px),0,0)`;
    const keyframes = { transform: ["translate3d(0,0,0)", end] };
    /** @type {OptionalEffectTiming} */
    const timing = {
      duration: (length / movement.speed) * 1000,
      direction: movement.reverse ? "reverse" : "normal",
      iterations: Infinity,
    };
    if (animation) {
      const effect = /** @type {KeyframeEffect} */ (animation.effect);
      effect.setKeyframes(keyframes);
      effect.updateTiming(timing);
    } else {
      animation = track.animate(keyframes, timing);
      if (isHeld) animation.pause();
    }
  }

  /** @param {number} count copies */
  function repeat(count) {
    for (const { node } of copies.splice(count)) node.remove();
    while (copies.length < count) {
      const copy = group("copy");
      mark(copy.node, "aria-hidden", "true");
      copy.node.inert = true;
      fill(copy, words.keys(), look, true);
      write([copy]);
      // One is before the list that is read, for that to be in sight at first.
      if (copies.push(copy) > 1) track.append(copy.node);
      else track.prepend(copy.node);
    }
  }

  return {
    node,

    connect() {
      observer.observe(node);
      observer.observe(main.list);
    },

    /** An endless animation would keep the element alive for ever. */
    disconnect() {
      observer.disconnect();
      widenIn();
      shift = now();
      animation?.cancel();
      animation = null;
    },

    /**
     * @param {Movement} moves
     * @param {Look} looks another one makes the items anew with the next `show`
     */
    configure(moves, looks) {
      if (differ(moves, movement)) {
        movement = moves;
        node.classList.toggle("still", moves.still);
        fit();
      }
      if (differ(looks, look)) {
        look = looks;
        reserved.clear();
        words.clear();
      }
    },

    /**
     * @param {boolean} held the movement stops where it is
     * @param {boolean} away nobody can see it
     */
    hold(held, away) {
      isAway = away;
      if (held === isHeld) return;
      isHeld = held;
      if (held) return animation?.pause();
      isRevealed = false;
      settle();
      animation?.play();
    },

    /**
     * Move it by hand.
     *
     * @param {number} px of the screen, to the right
     * @returns {boolean} whether it can be moved
     */
    push(px) {
      // Nothing tells when the page's direction or scale has changed.
      if (animation && measure()) settle(now() + sign * scale * px);
      return !!animation;
    },

    /**
     * @param {readonly Quote[]} quotes all that the line has, in its order
     * @param {(quote: Quote) => string} chart
     */
    show(quotes, chart) {
      const before = `${[...words.keys()]}`;
      words = new Map(quotes.map((quote) => [quote.symbol, wording(quote, look, chart(quote))]));
      for (const [symbol, said] of words) {
        if (!reserved.has(symbol)) reserved.set(symbol, generous(said));
      }
      if (!words.size || `${[...words.keys()]}` !== before) {
        repeat(0);
        /** @type {HTMLElement | null} */ (node.querySelector(":focus"))?.blur();
        fill(main, words.keys(), look);
        write();
        fit();
      } else {
        write();
        widen();
      }
    },

    /**
     * The symbol under a point of the viewport, be it in a copy, which has no events.
     *
     * @param {{ clientX: number, clientY: number }} point
     */
    at({ clientX, clientY }) {
      for (const { items } of groups()) {
        for (const [symbol, { node }] of items) {
          const { left, right, top, bottom } = node.getBoundingClientRect();
          if (left <= clientX && clientX < right && top <= clientY && clientY < bottom) return symbol;
        }
      }
      return "";
    },

    /** @param {string} symbol */
    title: (symbol) => words.get(symbol)?.title ?? "",

    /**
     * What can be clicked, or focused, of a symbol.
     *
     * @param {string} symbol
     */
    content: (symbol) => main.items.get(symbol)?.content,

    /**
     * Bring an item that has the focus to the start of the line, as no copy of it will do.
     *
     * @param {string} symbol
     */
    reveal(symbol) {
      const place = places.get(symbol);
      isRevealed = true;
      if (place) seek(length + place.start - MARGIN_PX);
    },
  };
}

/**
 * @param {any} one
 * @param {any} other
 */
const differ = (one, other) => Object.keys(one).some((key) => one[key] !== other[key]);

/**
 * @param {string} part
 * @returns {Group}
 */
function group(part) {
  const list = element("ul", "list");
  // Without its marks a list is none any more, to some (WebKit).
  mark(list, "role", "list");
  return { node: element("div", part, list), list, items: new Map() };
}

/**
 * @param {Group} group
 * @param {Iterable<string>} symbols
 * @param {Look} look
 * @param {boolean} [copy]
 */
function fill(group, symbols, look, copy = false) {
  group.items = new Map([...symbols].map((symbol) => [symbol, item(symbol, look, copy)]));
  group.list.replaceChildren(...[...group.items.values()].map(({ node }) => node));
}
