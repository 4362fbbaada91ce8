import assert from "node:assert/strict";
import { test } from "node:test";

import { converted, decimal, fraction, stated } from "../../widget/src/board/exact.js";

/** @param {string} symbol @param {string} price @param {string} inverse @param {object} [more] */
const quote = (symbol, price, inverse, more) => /** @type {any} */ ({ symbol, price, inverse, ...more });

const KGS = quote("KGS/USD", "0.01143510577", "87.4500");
const KZT = quote("KZT/USD", "0.001903674091", "525.30");
const TMT = quote("TMT/USD", "0.2857142857", "3.5");
const AMD = quote("AMD/USD", "0.0026", "384.6153846", { value: "2.6", nominal: 1000, direction: "AMD/USD" });

/** The first twelve decimals, or digits. @param {string} text */
const cut = (text) => `${/0\.0*\d{12}|\d+\.\d{12}/.exec(text)}`.replace(/0+$/, "");

/** @param {string} amount @param {string} code @param {any[]} quotes */
const told = (amount, code, quotes) => cut(decimal(converted(amount, code, quotes)[0]));

test("a rate is used as its bank states it", () => {
  assert.deepEqual(stated(KGS), { units: 1, first: "USD", figure: "87.4500", second: "KGS" });
  assert.deepEqual(stated(TMT), { units: 1, first: "USD", figure: "3.5", second: "TMT" });
  assert.deepEqual(stated(AMD), { units: 1000, first: "AMD", figure: "2.6", second: "USD" });
  const turned = quote("USD/KGS", "87.4500", "0.01143510577", { value: "87.4500", nominal: 1, direction: "USD/KGS" });
  assert.deepEqual(stated(turned), stated(KGS));
});

test("a bank's own figure is used though the quotient is shorter", () => {
  const long = quote("KGS/USD", "0.011435105774728", "87.45", { value: "0.011435105774728", nominal: 1, direction: "KGS/USD" });
  assert.equal(told("100", "KGS", [long]), "1.143510577472");
  assert.equal(stated(long).figure, "0.011435105774728");
});

test("a conversion in the bank's direction is a product, and back a quotient", () => {
  assert.equal(told("100", "USD", [KGS]), "8745.");
  assert.equal(told("100", "KGS", [KGS]), "1.143510577472");
  assert.equal(converted("100", "KGS", [KGS])[1], "USD");
  assert.equal(told("1000", "AMD", [AMD]), "2.6");
});

test("a cross takes both banks' figures", () => {
  assert.equal(told("87.45", "KGS", [KGS, KZT]), "525.3");
  assert.equal(converted("1", "KGS", [KGS, KZT])[1], "KZT");
  assert.equal(told("100", "USD", []), "100.");
});

test("the decimals are cut, so that they round once", () => {
  assert.equal(decimal([2n, 3n]), `0.${"6".repeat(60)}`);
  assert.equal(decimal([1n, 1n]), `1.${"0".repeat(60)}`);
  assert.equal(decimal(fraction("0.00001")), `0.00001${"0".repeat(55)}`);
});

test("hundreds of conversions are what whole numbers give", () => {
  let seed = 20261129;
  const dice = (/** @type {number} */ most) => (seed = (seed * 48271) % 2147483647) % most;
  const digits = (/** @type {number} */ count) => Array.from({ length: count }, () => dice(10)).join("");
  for (let round = 0; round < 400; round++) {
    // Everything in billionths: the same figures without a decimal point.
    const scale = 10n ** 9n;
    const [amount, one, other] = [0, 1, 2].map(() => BigInt(`${1 + dice(9)}${digits(6 + dice(9))}`));
    if (!amount || !one || !other) throw new Error("no dice");
    const text = (/** @type {bigint} */ number) => `${number / scale}.${`${number % scale}`.padStart(9, "0")}`;
    const nominal = [1, 10, 100, 1000][dice(4)];
    const first = quote("AAA/USD", "0", "0", { value: text(one), nominal, direction: round % 2 ? "AAA/USD" : "USD/AAA" });
    const second = quote("BBB/USD", "0", "0", { value: text(other), nominal: 1, direction: "USD/BBB" });
    const expected =
      round % 2
        ? (amount * one * other * 10n ** 60n) / (scale ** 3n * BigInt(nominal ?? 1))
        : (amount * BigInt(nominal ?? 1) * other * 10n ** 60n) / (one * scale);
    const whole = `${expected}`.padStart(61, "0");
    assert.equal(decimal(converted(text(amount), "AAA", [first, second])[0]), `${whole.slice(0, -60)}.${whole.slice(-60)}`);
  }
});
