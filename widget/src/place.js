// @ts-check
/** The place that an element takes on a page of any width, measured, so that a snippet can reserve it. */

/**
 * @typedef {object} Place
 * @property {[name: string, value: string][]} rules for its style attribute
 * @property {boolean} isFluid whether they need a container around the element, whose width decides
 */

/** From less than the least phone, where another font may break lines, to more than the widest table needs, in em. */
const [LEAST, MOST, STEP] = [17, 75, 2];
/** How much more than needed may be reserved, in em, rather than telling a line of text more or less. */
const TOLERANCE = 3.2;
const PRECISION = 0.05;
/** Of a height, what does not grow with the text. */
const FIXED_PX = 40;

/**
 * @param {HTMLElement} node which is shown
 * @returns {Place}
 */
export function placeOf(node) {
  if (getComputedStyle(node).display.startsWith("inline")) return { rules: inlineRules(node), isFluid: false };
  const runs = measured(node);
  const steps = runs.slice(1).map(({ from, height }, place) => step(from, (runs[place]?.height ?? 0) - height));
  const height = `${round((runs.at(-1)?.height ?? 0) - FIXED_PX / fontSize(node))}em + ${FIXED_PX}px`;
  return {
    rules: [["display", "block"], ["line-height", "1.5"], ["min-height", `calc(${[height, ...steps].join(" ")})`]],
    isFluid: steps.length > 0,
  };
}

/** @param {Element} node */
const fontSize = (node) => parseFloat(getComputedStyle(node).fontSize);

/**
 * The widths from which on it takes how much, in em.
 *
 * @param {HTMLElement} node
 */
function measured(node) {
  const { width } = node.style;
  const em = fontSize(node);
  const heightAt = (/** @type {number} */ wide) => {
    node.style.width = `${wide}em`;
    return node.getBoundingClientRect().height / em;
  };
  const runs = [{ from: LEAST, height: heightAt(LEAST) }];
  for (let wide = LEAST + STEP; wide <= MOST; wide += STEP) {
    const run = /** @type {typeof runs[number]} */ (runs.at(-1));
    const height = heightAt(wide);
    const isOther = (/** @type {number} */ found) => Math.abs(found - run.height) > TOLERANCE;
    if (isOther(height)) runs.push({ from: edge(wide - STEP, wide, (at) => isOther(heightAt(at))), height });
    else run.height = Math.max(run.height, height);
  }
  node.style.width = width;
  return runs;
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
 * What is added to a height where the container is narrower than this.
 *
 * @param {number} width in em
 * @param {number} more in em, or less
 */
const step = (width, more) => `${more < 0 ? "-" : "+"} clamp(0em,(${round(width)}em - 100cqi)*999,${round(Math.abs(more))}em)`;

/** Up, as the reserved place must not be too small. @param {number} value */
const round = (value) => Math.ceil(value * 100) / 100;

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
  const characters = Math.ceil((node.getBoundingClientRect().width - em) / character);
  return [["display", "inline-block"], ["min-width", `calc(${Math.max(characters, 0)}ch + 1em)`]];
}
