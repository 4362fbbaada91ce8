import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { ENGLISH, credit, day, direction, exactly, languageOf, locale, percent, price, sourceName } from "../../widget/src/format.js";

const OURS = ["en", "ru", "ky", "kk", "tg", "uz", "tk"];

/** @param {(...args: any[]) => unknown} format @param {[unknown[], unknown][]} cases */
function each(format, cases) {
  for (const [args, expected] of cases) {
    // Whether a blank may break is not what is asked here.
    const said = String(format(...args)).replace(/[\u00a0\u202f]/g, " ");
    assert.equal(said, expected, `of ${JSON.stringify(args)}`);
  }
}

test("a price below one has at least five decimals and four significant digits", () => {
  each(price, [
    [["0.0114351057747", "en"], "0.01144"],
    [["0.0000769823", "en"], "0.00007698"],
    [["0.0019188", "en"], "0.001919"],
    [["0.285714", "en"], "0.28571"],
    [["0.1", "en"], "0.10000"],
    [["0.00999996", "en"], "0.010000"],
    [["0", "en"], "0.00000"],
  ]);
});

test("nothing at all has five decimals, however many it came with", () => {
  for (const text of ["0", "0.0", `0.${"0".repeat(60)}`]) assert.equal(price(text, "en"), "0.00000");
});

test("a price of one and more has two to four decimals", () => {
  each(price, [
    [["87.4500", "en"], "87.45"],
    [["87.45", "en"], "87.45"],
    [["3.5", "en"], "3.50"],
    [["9.25461", "en"], "9.2546"],
    [["11942.86", "en"], "11,942.86"],
    [["1", "en"], "1.00"],
  ]);
});

test("five digits print the line of 23 January 2025", () => {
  each(price, [
    [["0.0114351", "en", 5], "0.01144"],
    [["0.0019188", "en", 5], "0.00192"],
    [["0.09131", "en", 5], "0.09131"],
    [["0.0000769823", "en", 5], "0.00008"],
    [["0.2849", "en", 5], "0.28490"],
  ]);
});

test("an exact half is rounded away from zero, whatever a float would make of it", () => {
  each(price, [
    [["0.000085", "en", 5], "0.00009"],
    [["0.000075", "en", 5], "0.00008"],
    [["1.005", "en", 2], "1.01"],
    [["-1.005", "en", 2], "-1.01"],
    [["2.675", "en", 2], "2.68"],
    [["0.0049999999999999999999", "en", 2], "0.00"],
    [["9.995", "en", 2], "10.00"],
    [["0.5", "en", 0], "1"],
    [["12.4", "en", 0], "12"],
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
    [["n/a", "en"], "n/a"],
    [["1e-7", "en"], "1e-7"],
    [["", "en"], ""],
  ]);
});

test("the six languages write figures and days as Russian does, whatever data the engine has", () => {
  for (const tag of ["ru", "ky", "kk", "tg", "uz", "tk", "ru-KG", "uz-Latn-UZ"]) {
    each(price, [[["0.0114351", tag], "0,01144"], [["11942.86", tag], "11 942,86"]]);
    each(percent, [[["-0.44", tag], "-0,44 %"]]);
    each(day, [[["2026-09-29", tag], "29.09.2026"]]);
  }
});

test("other locales write as they do at home", () => {
  each(price, [[["1234.5", "de"], "1.234,50"]]);
  each(percent, [[["-0.44", "sv"], "−0,44 %"]]);
  each(day, [[["2026-09-29", "en"], "Sep 29, 2026"], [["2026-09-29", "en-GB"], "29 Sept 2026"], [["soon", "en"], "soon"]]);
});

test("a moment is told with its time", () => {
  assert.match(day("2026-09-29T10:02:11Z", "en"), /2026, \d+:\d+.[AP]M/);
  assert.match(day("2026-09-29T10:02:11Z", "ru"), /2026, \d+:\d+$/);
});

const { keys, board: _, ...LABELS } = JSON.parse(readFileSync(new URL("../../widget/src/labels.json", import.meta.url), "utf8"));

test("every language has every word, and another than English", () => {
  assert.deepEqual(Object.keys(LABELS).sort(), OURS.toSorted());
  assert.deepEqual(Object.keys(ENGLISH), keys.split("|"));
  for (const [language, text] of Object.entries(LABELS)) {
    for (const [index, word] of text.split("|").entries()) {
      const english = Object.values(ENGLISH)[index];
      assert.ok(word, `${language} has no ${english}`);
      assert.equal(word === english, language === "en", `${language} ${english}`);
    }
  }
});

test("a language that nobody has words of is English", () => {
  each(languageOf, [[["de"], "en"], [["ru-KG"], "ru"], [["kk"], "kk"], [["kkj"], "en"], [["uz-UZ"], "uz"]]);
});

test("a tag is understood as people write it; what is none is told from others", () => {
  each(locale, [[["RU-kg"], "ru-KG"], [["kk_KZ"], "kk-KZ"], [["kz"], "kk"], [["TJ"], "tg"], [["uz-Cyrl-UZ"], "uz-UZ"]]);
  for (const tag of ["!!", "", "a b"]) assert.equal(locale(tag), undefined);
});

test("a source is named as the server says, with its site where that is required; of an older server, by its key", () => {
  const nbt = { source: "nbt", source_name: "NBT", source_site: "www.nbt.tj" };
  each(sourceName, [[[nbt], "NBT"], [[{ source: "nbt" }], "nbt"]]);
  each(credit, [[[nbt], "NBT (www.nbt.tj)"], [[{ source: "cbu", source_name: "CBU" }], "CBU"]]);
});

test("a percentage has its sign, at most two decimals and no trailing zeros", () => {
  each(percent, [
    [["0.00", "en"], "0%"],
    [["0", "en"], "0%"],
    [["-0.44", "en"], "-0.44%"],
    [["0.50", "en"], "+0.5%"],
    [["1.4", "en"], "+1.4%"],
    [["10.00", "en"], "+10%"],
    [["-100.00", "en"], "-100%"],
    [["0.005", "en"], "+0.01%"],
    [["-0.005", "en"], "-0.01%"],
    [["-12.345", "en"], "-12.35%"],
  ]);
});

test("nothing is never minus nothing", () => {
  each(percent, [
    [["-0.00", "en"], "0%"],
    [["-0.004", "en"], "0%"],
    [["0.0049", "en"], "0%"],
  ]);
});

test("an unknown percentage shows nothing, not 0%", () => {
  each(percent, [
    [[null, "en"], ""],
    [[undefined, "en"], ""],
    [["unknown", "en"], ""],
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
