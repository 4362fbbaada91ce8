import assert from "node:assert/strict";
import { test } from "node:test";

import { direction, percent, price, round } from "../../widget/src/format.js";

/** @param {(...args: any[]) => unknown} format @param {[unknown[], unknown][]} cases */
function each(format, cases) {
  for (const [args, expected] of cases) {
    assert.equal(format(...args), expected, `of ${JSON.stringify(args)}`);
  }
}

test("a price has at least five decimals and four significant digits", () => {
  each(price, [
    [["0.0114351057747"], "0.01144"],
    [["0.0000769823"], "0.00007698"],
    [["0.0019188"], "0.001919"],
    [["0.285714"], "0.28571"],
    [["87.45"], "87.45000"],
    [["12990"], "12990.00000"],
    [["1"], "1.00000"],
    [["0.1"], "0.10000"],
    [["0.00999996"], "0.010000"],
  ]);
});

test("five digits print the line of 23 January 2025", () => {
  each(price, [
    [["0.0114351", 5], "0.01144"],
    [["0.0019188", 5], "0.00192"],
    [["0.09131", 5], "0.09131"],
    [["0.0000769823", 5], "0.00008"],
    [["0.2849", 5], "0.28490"],
  ]);
});

test("an exact half is rounded away from zero, whatever a float would make of it", () => {
  each(round, [
    [["0.000085", 5], "0.00009"],
    [["0.000075", 5], "0.00008"],
    [["1.005", 2], "1.01"],
    [["-1.005", 2], "-1.01"],
    [["2.675", 2], "2.68"],
    [["0.0049999999999999999999", 2], "0.00"],
    [["9.995", 2], "10.00"],
    [["0.5", 0], "1"],
    [["12.4", 0], "12"],
  ]);
});

test("no digit is lost on the way", () => {
  each(round, [
    [["12345678901234567890.123456789", 9], "12345678901234567890.123456789"],
    [["0.1", 12], "0.100000000000"],
  ]);
});

test("what is no decimal is shown as it came", () => {
  each(price, [
    [["n/a"], "n/a"],
    [["1e-7"], "1e-7"],
    [[""], ""],
  ]);
});

test("a percentage has its sign, at most two decimals and no trailing zeros", () => {
  each(percent, [
    [["0.00"], "0%"],
    [["0"], "0%"],
    [["-0.44"], "-0.44%"],
    [["0.50"], "+0.5%"],
    [["1.4"], "+1.4%"],
    [["10.00"], "+10%"],
    [["-100.00"], "-100%"],
    [["0.005"], "+0.01%"],
    [["-0.005"], "-0.01%"],
    [["-12.345"], "-12.35%"],
  ]);
});

test("nothing is never minus nothing", () => {
  each(percent, [
    [["-0.00"], "0%"],
    [["-0.004"], "0%"],
    [["0.0049"], "0%"],
  ]);
});

test("an unknown percentage shows nothing, not 0%", () => {
  each(percent, [
    [[null], ""],
    [[undefined], ""],
    [["unknown"], ""],
  ]);
});

test("the direction is that of the text", () => {
  each(direction, [
    [["+0.5%"], "up"],
    [["-0.44%"], "down"],
    [["0%"], "flat"],
    [[""], ""],
  ]);
});
