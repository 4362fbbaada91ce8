// @ts-check
/** The place that an element takes on a page of any width, measured, so that a snippet can reserve it. */

/**
 * @typedef {object} Place
 * @property {[name: string, value: string][]} rules for its style attribute
 * @property {boolean} isFluid whether they need a container around the element, whose width decides
 */

/** From less than the least phone, where another font may break lines, to more than the widest table needs, in em. */
const [LEAST, MOST, STEP] = [17, 75, 0.5];
/**
 * How much more than needed may be reserved, in em, rather than telling a line of text more or less. A table has a line
 * more or less at many widths.
 */
const [TOLERANCE, OF_A_TABLE] = [1, 3.2];
const PRECISION = 0.05;
/** The sizes of text for which a place is right, in px. What has a size of its own wraps otherwise at each of them. */
const SIZES = [13, 14, 15, 16, 17, 18, 20, 22, 24];

/**
 * @param {HTMLElement} node which is shown
 * @returns {Place}
 */
export function placeOf(node) {
  if (getComputedStyle(node).display.startsWith("inline")) return { rules: inlineRules(node), isFluid: false };
  const runs = measured(node);
  const steps = runs.slice(1).map((run, place) => step(run.from, /** @type {Run} */ (runs[place]), run));
  const widest = /** @type {Run} */ (runs.at(-1));
  return {
    rules: [
      ["display", "block"],
      ["line-height", "1.5"],
      ["min-height", `calc(${[sum(widest.em, widest.px), ...steps].join(" ")})`],
    ],
    isFluid: steps.length > 0,
  };
}

/** @param {Element} node */
const fontSize = (node) => parseFloat(getComputedStyle(node).fontSize);

/** @typedef {{ from: number, at: number, height: number, em: number, px: number }} Run widths of about the same height, in em */

/**
 * The widths from which on it takes how much: `em` and `px` together.
 *
 * @param {HTMLElement} node
 */
function measured(node) {
  const { width, fontSize: size } = node.style;
  const em = fontSize(node);
  const tolerance = node.localName === "currency-board" ? OF_A_TABLE : TOLERANCE;
  const pixelsAt = (/** @type {number} */ wide) => {
    node.style.width = `${wide}em`;
    return node.getBoundingClientRect().height;
  };
  const heightAt = (/** @type {number} */ wide) => pixelsAt(wide) / em;
  const started = (/** @type {number} */ from, /** @type {number} */ at) => ({ from, at, height: heightAt(at), em: 0, px: 0 });
  const runs = [started(LEAST, LEAST)];
  for (let wide = LEAST + STEP; wide <= MOST; wide += STEP) {
    const run = /** @type {Run} */ (runs.at(-1));
    const height = heightAt(wide);
    const isOther = (/** @type {number} */ found) => Math.abs(found - run.height) > tolerance;
    if (isOther(height)) runs.push(started(edge(wide - STEP, wide, (at) => isOther(heightAt(at))), wide));
    else if (height > run.height) Object.assign(run, { height, at: wide });
  }
  const found = SIZES.map((each) => {
    node.style.fontSize = `${each}px`;
    return runs.map(({ from, at }) => ({ size: each, pixels: Math.max(pixelsAt(from + STEP / 2), pixelsAt(at)) }));
  });
  runs.forEach((run, place) => Object.assign(run, lineAbove(found.map((each) => /** @type {Taken} */ (each[place])))));
  Object.assign(node.style, { width, fontSize: size });
  return runs;
}

/** @typedef {{ size: number, pixels: number }} Taken the height at a size of text */

/**
 * A height that is enough at every size, and grows with it as from the least to the greatest.
 *
 * @param {Taken[]} taken
 */
function lineAbove(taken) {
  const [least, most] = /** @type {[Taken, Taken]} */ ([taken[0], taken.at(-1)]);
  const em = (most.pixels - least.pixels) / (most.size - least.size);
  return { em, px: Math.max(...taken.map(({ size, pixels }) => pixels - em * size)) };
}

/**
 * Where it becomes true, between two widths.
 *
 * @param {number} low
 * @param {number} high
 * @param {(wide: number) => boolean} isOther
 */
function edge(low, high, isOther) {
  while (high - low > PRECISION) {
    const middle = (low + high) / 2;
    if (isOther(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/**
 * What is added to a height where the container is narrower than this, in em, or taken from it.
 *
 * @param {number} width
 * @param {Run} narrow
 * @param {Run} wide
 */
function step(width, narrow, wide) {
  const [sign, round] = narrow.height < wide.height ? [-1, Math.floor] : [1, Math.ceil];
  const more = sum((narrow.em - wide.em) * sign, (narrow.px - wide.px) * sign, round);
  return `${sign < 0 ? "-" : "+"} clamp(0em,(${hundredths(width)}em - 100cqi)*999,${more})`;
}

/**
 * @param {number} em
 * @param {number} px
 * @param {(value: number) => number} round so that the reserved place is never too small
 */
function sum(em, px, round = Math.ceil) {
  const pixels = round(px);
  return `${hundredths(em, round)}em${pixels ? ` ${pixels < 0 ? "-" : "+"} ${Math.abs(pixels)}px` : ""}`;
}

/** @param {number} value */
const hundredths = (value, round = Math.ceil) => round(value * 100) / 100;

/**
 * A part of a sentence has a width instead.
 *
 * @param {HTMLElement} node
 * @returns {[string, string][]}
 */
function inlineRules(node) {
  const ruler = document.createElement("span");
  ruler.style.cssText = "display:inline-block;width:1000ch";
  node.after(ruler);
  const character = ruler.getBoundingClientRect().width / 1000;
  ruler.remove();
  const em = fontSize(node);
  // One more, as a plus is wider than a digit, and some languages have a blank before the percent sign.
  const characters = Math.ceil((node.getBoundingClientRect().width - em) / character) + 1;
  return [["display", "inline-block"], ["min-width", `calc(${Math.max(characters, 0)}ch + 1em)`]];
}
