import assert from "node:assert/strict";
import { test } from "node:test";

import { amountOf, typed } from "../../widget/src/board/amount.js";

/** @param {string} locale @param {Record<string, string>} cases */
function reads(locale, cases) {
  for (const [text, decimal] of Object.entries(cases)) assert.equal(amountOf(text, locale, "USD"), decimal, `${text} in ${locale}`);
}

test("an amount may be written with either mark before its decimals", () => {
  for (const locale of ["en", "ru", "de", "fr", "kk"]) {
    reads(locale, { 100: "100", "12,5": "12.5", "12.5": "12.5", "0.001": "0.001", "0,001": "0.001", ".5": "0.5", ",5": "0.5", "7.": "7" });
  }
});

test("an amount may be written in groups", () => {
  for (const locale of ["en", "ru", "de", "fr"]) {
    reads(locale, {
      "1 234 567": "1234567",
      "1\u00a0234\u202f567,8": "1234567.8",
      "1 234.5": "1234.5",
      "12'345.67": "12345.67",
      "12’345,67": "12345.67",
      "1,234,567.89": "1234567.89",
      "1.234.567,89": "1234567.89",
      "12,34,567.8": "1234567.8",
      "1,234.5": "1234.5",
      "1.234,5": "1234.5",
    });
  }
});

test("what may be a group or decimals is read as the locale writes figures", () => {
  reads("en", { "1,234": "1234", "1.234": "1.234" });
  reads("ru", { "1,234": "1.234", "1.234": "1.234" });
  reads("uz", { "1,234": "1.234", "1.234": "1.234" });
  reads("de", { "1,234": "1.234", "1.234": "1234" });
  reads("es", { "1,234": "1.234", "1.234": "1234" });
  reads("en-IN", { "1,234": "1234" });
});

test("what is no amount is none", () => {
  for (const text of ["", " ", ".", ",", "-5", "+5", "1e5", "5 of 7", "five", "1 2", "1,2,3", "1,23,45", "1.2.3", "1,234,5", "1 234 5", "1..2", "1kgs2", "1kgs234", "5of700", "1$234", "hello5", "0x10", "9".repeat(31)]) {
    for (const locale of ["en", "ru", "de"]) assert.equal(amountOf(text, locale, "USD"), "", `${text} in ${locale}`);
  }
});

test("its own currency, and marks that nobody sees, are no part of an amount", () => {
  for (const text of ["$100", "USD 100", "100USD", "100 usd", "US$ 100", "100 US$", " USD  100 ", "$ 100", "$\u00a0100", "\u200e100\u200f", "\ufeff100"]) reads("en", { [text]: "100" });
  reads("en", { "1,234.5 USD": "1234.5", USD: "", $: "" });
  assert.equal(amountOf("1\u00a0234,5 KGS", "ru", "KGS"), "1234.5");
  assert.equal(amountOf("kgs100", "en", "KGS"), "100");
  assert.equal(amountOf("100", "en", ""), "100");
});

test("an amount with any other word is none: it could be of another size, or of another currency", () => {
  for (const text of ["5 mln", "5 bn", "5 mio", "2 mrd", "5 kg", "no 5", "in 5", "5 k", "5m", "5%", "500 TJS", "€100", "100 ₸", "100 сом", "USD 5 mln", "5 USDT", "CA$ 5", "5 US"]) {
    reads("en", { [text]: "" });
    reads("ru", { [text]: "" });
  }
  for (const text of ["$100", "100 USD", "US$ 100", "100 KZT"]) assert.equal(amountOf(text, "en", "KGS"), "", text);
});

test("an amount is typed with the mark of the language", () => {
  assert.deepEqual(["en", "ru", "kk", "de", "de-CH", "fr", "ar-EG"].map((locale) => typed("1234.5", locale)), ["1234.5", "1234,5", "1234,5", "1234,5", "1234.5", "1234,5", "1234.5"]);
});

test("an amount has up to thirty digits", () => {
  assert.equal(amountOf("9".repeat(30), "en", "USD"), "9".repeat(30));
  assert.equal(amountOf(`0.${"1".repeat(29)}`, "en", "USD"), `0.${"1".repeat(29)}`);
  assert.equal(amountOf(`1.${"1".repeat(30)}`, "en", "USD"), "");
});

test("every amount that a locale writes is read back", () => {
  let seed = 20261129;
  const dice = (/** @type {number} */ most) => (seed = (seed * 48271) % 2147483647) % most;
  for (const locale of ["en", "ru", "kk", "de", "fr", "es", "en-IN", "de-CH", "pt-BR", "ja"]) {
    for (let round = 0; round < 30; round++) {
      const whole = `${1 + dice(9)}${"7".repeat(dice(12))}${dice(10)}`;
      const places = dice(2) ? "" : `${dice(10)}${dice(10)}${dice(2) ? "3" : ""}5`;
      const decimal = whole + (places && `.${places}`);
      const written = new Intl.NumberFormat(locale === "kk" ? "ru" : locale, {
        minimumFractionDigits: places.length,
        maximumFractionDigits: 20,
      }).format(/** @type {any} */ (decimal));
      assert.equal(amountOf(written, locale, "USD"), decimal, `${written} in ${locale}`);
      assert.equal(amountOf(typed(decimal, locale), locale, "USD"), decimal, `typed ${decimal} in ${locale}`);
    }
  }
});
