import assert from "node:assert/strict";
import { test } from "node:test";

import { outline } from "../../widget/src/sparkline.js";

/** @param {...string} prices */
const days = (...prices) => prices.map((price) => ({ as_of: "2026-09-29", price, inverse: `${1 / +price}` }));

test("the highest day reaches the top, the lowest leaves some ground", () => {
  assert.equal(outline(days("1", "3", "2"), "price"), "polygon(0 100%,0% 85%,50% 0%,100% 42.5%,100% 100%)");
});

test("the inverse has its own picture", () => {
  assert.match(outline(days("1", "2"), "inverse"), /^polygon\(0 100%,0% 0%,100% 85%/);
});

test("a single day, and days without a change, are the ground alone", () => {
  for (const fixings of [days("3.5"), days("3.5", "3.5")]) {
    assert.equal(outline(fixings, "price"), "polygon(0 100%,0% 85%,100% 85%,100% 100%)");
  }
});

test("no day is no picture", () => {
  assert.equal(outline([], "price"), "");
});
