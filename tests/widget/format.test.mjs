import assert from "node:assert/strict";
import { test } from "node:test";

import { credit, currency, day, direction, exactly, labels, locale, percent, price, sourceName } from "../../widget/src/format.js";

const OURS = ["en", "ru", "ky", "kk", "tg", "uz", "tk"];

/** @param {(...args: any[]) => unknown} format @param {[unknown[], unknown][]} cases */
function each(format, cases) {
  for (const [args, expected] of cases) {
    // Whether a blank may break is not what is asked here.
    const said = String(format(...args)).replace(/[\u00a0\u202f]/g, " ");
    assert.equal(said, expected, `of ${JSON.stringify(args)}`);
  }
}

/** @param {number} digits */
const with_ = (digits) => ({ digits });

test("a price below one has at least five decimals and four significant digits", () => {
  each(price, [
    [["0.0114351057747"], "0.01144"],
    [["0.0000769823"], "0.00007698"],
    [["0.0019188"], "0.001919"],
    [["0.285714"], "0.28571"],
    [["0.1"], "0.10000"],
    [["0.00999996"], "0.010000"],
    [["0"], "0.00000"],
  ]);
});

test("a price of one and more has two to four decimals", () => {
  each(price, [
    [["87.4500"], "87.45"],
    [["87.45"], "87.45"],
    [["3.5"], "3.50"],
    [["9.25461"], "9.2546"],
    [["11942.86"], "11,942.86"],
    [["1"], "1.00"],
  ]);
});

test("five digits print the line of 23 January 2025", () => {
  each(price, [
    [["0.0114351", with_(5)], "0.01144"],
    [["0.0019188", with_(5)], "0.00192"],
    [["0.09131", with_(5)], "0.09131"],
    [["0.0000769823", with_(5)], "0.00008"],
    [["0.2849", with_(5)], "0.28490"],
  ]);
});

test("an exact half is rounded away from zero, whatever a float would make of it", () => {
  each(price, [
    [["0.000085", with_(5)], "0.00009"],
    [["0.000075", with_(5)], "0.00008"],
    [["1.005", with_(2)], "1.01"],
    [["-1.005", with_(2)], "-1.01"],
    [["2.675", with_(2)], "2.68"],
    [["0.0049999999999999999999", with_(2)], "0.00"],
    [["9.995", with_(2)], "10.00"],
    [["0.5", with_(0)], "1"],
    [["12.4", with_(0)], "12"],
  ]);
});

test("no digit is lost on the way", () => {
  each(exactly, [
    [["12345678901234567890.123456789", "en"], "12,345,678,901,234,567,890.123456789"],
    [["0.100000000000", "en"], "0.100000000000"],
    [["87.4500", "ru"], "87,4500"],
    [["12", "en"], "12"],
  ]);
});

test("what is no decimal is shown as it came", () => {
  each(price, [
    [["n/a"], "n/a"],
    [["1e-7"], "1e-7"],
    [[""], ""],
  ]);
});

test("the six languages write figures and days as Russian does, whatever data the engine has", () => {
  for (const tag of ["ru", "ky", "kk", "tg", "uz", "tk", "ru-KG", "uz-Latn-UZ"]) {
    each(price, [[["0.0114351", { locale: tag }], "0,01144"], [["11942.86", { locale: tag }], "11 942,86"]]);
    each(percent, [[["-0.44", tag], "-0,44 %"]]);
    each(day, [[["2026-09-29", tag], "29.09.2026"]]);
  }
});

test("other locales write as they do at home", () => {
  each(price, [[["1234.5", { locale: "de" }], "1.234,50"]]);
  each(percent, [[["-0.44", "sv"], "−0,44 %"]]);
  each(day, [[["2026-09-29", "en"], "Sep 29, 2026"], [["2026-09-29", "en-GB"], "29 Sept 2026"], [["soon", "en"], "soon"]]);
});

test("a moment is told with its time", () => {
  assert.match(day("2026-09-29T10:02:11Z", "en"), /2026, \d+:\d+.[AP]M/);
  assert.match(day("2026-09-29T10:02:11Z", "ru"), /2026, \d+:\d+$/);
});

test("every language has every word, and another than English", () => {
  for (const tag of OURS) {
    const words = labels(tag);
    assert.deepEqual(Object.keys(words), Object.keys(labels("en")));
    for (const [key, word] of Object.entries(words)) {
      assert.ok(word, `${tag} has no ${key}`);
      assert.equal(word === labels("en")[key], tag === "en", `${tag} ${key}`);
    }
  }
  assert.deepEqual(labels("de"), labels("en"));
  assert.deepEqual(labels("ru-KG"), labels("ru"));
});

test("a tag that is none is English", () => {
  each(locale, [[["!!"], "en"], [[""], "en"], [[null], "en"], [["RU-kg"], "ru-KG"], [["a b"], "en"]]);
});

test("a currency has its name in the reader's language, or its code", () => {
  each(currency, [[["KGS", "ru"], "киргизский сом"], [["XQQ", "en"], "XQQ"]]);
  assert.match(currency("KGS", "en"), /Som/);
  assert.doesNotMatch(currency("KGS", "kk"), /Som/);
});

test("a source is named as the server says, with its site where that is required; of an older server, by its key", () => {
  const nbt = { source: "nbt", source_name: "NBT", source_site: "www.nbt.tj" };
  each(sourceName, [[[nbt], "NBT"], [[{ source: "nbt" }], "nbt"]]);
  each(credit, [[[nbt], "NBT (www.nbt.tj)"], [[{ source: "cbu", source_name: "CBU" }], "CBU"]]);
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
    [["−0,44 %"], "down"],
    [[""], ""],
  ]);
});
