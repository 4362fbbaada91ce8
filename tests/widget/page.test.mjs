import assert from "node:assert/strict";
import { test } from "node:test";

import { follows, withQuote } from "../../widget/src/followed.js";
import { snippet } from "../../widget/src/snippet.js";

const day = (number) => `2026-05-${`${number}`.padStart(2, "0")}`;
const point = (number, price = `0.0${number}`) => ({ as_of: day(number), price, inverse: "1" });
const quote = (number, previous, price = `0.0${number}`) => ({ ...point(number, price), symbol: "KGS/USD", previous });

const points = (all) => all.map(({ as_of, price, inverse }) => ({ as_of, price, inverse }));
const extended = (all, next) => (follows(all.at(-1), next) ? points(withQuote(all, next)) : null);

const SERVER = {
  home: "https://rates.example/",
  scripts: {
    ticker: { file: "ticker.0123.js", integrity: "sha384-abc" },
    board: { file: "board.4567.js", integrity: "sha384-def" },
  },
};
const CHOICE = { kind: "line", form: "element", attributes: [], colours: [], isPinned: true };

test("a quote that follows from the last day carries the history on", () => {
  assert.deepEqual(extended([point(20), point(21)], quote(22, "0.021")), [point(20), point(21), point(22)]);
});

test("a quote of the same day takes the place of what was said of it", () => {
  const corrected = quote(21, "0.020", "0.5");
  assert.deepEqual(extended([point(20), point(21)], corrected), [point(20), point(21, "0.5")]);
});

test("a history with a gap, or one that is ahead, is read anew", () => {
  assert.equal(extended([point(20)], quote(22, "0.021")), null);
  assert.equal(extended([point(20)], quote(22, null)), null);
  assert.equal(extended([point(20), point(23)], quote(22, "0.020")), null);
  assert.equal(extended([], quote(22, null)), null);
});

test("a history is thirty days long and ends with the quote", () => {
  const old = { ...point(1), as_of: "2026-04-21" };
  const first = { ...point(1), as_of: "2026-04-22" };
  assert.deepEqual(points(withQuote([old, first, point(23)], quote(22, null))), [first, point(22)]);
});

test("what a reader typed can't leave its attribute", () => {
  const attributes = [["link", '"><script>alert(1)</script>&amp;']];
  const text = snippet({ ...CHOICE, attributes }, SERVER);
  assert.match(text, / link="&quot;&gt;&lt;script&gt;alert\(1\)&lt;\/script&gt;&amp;amp;" /);
});

test("the newest version comes without the hash of this one", () => {
  assert.equal(
    snippet({ ...CHOICE, form: "script", isPinned: false }, SERVER),
    '<script async src="https://rates.example/ticker.js"></script>',
  );
  assert.equal(
    snippet({ ...CHOICE, form: "script" }, SERVER),
    '<script async src="https://rates.example/ticker.0123.js" integrity="sha384-abc" crossorigin="anonymous"></script>',
  );
});

test("another element than the line comes with the other script and its place", () => {
  const choice = { ...CHOICE, kind: "quote", attributes: [["symbol", "KGS"]] };
  const place = { rules: [["min-height", "9em"]], isFluid: false };
  const script = '<script async src="https://rates.example/board.4567.js" integrity="sha384-def" crossorigin="anonymous"></script>';
  assert.equal(snippet(choice, SERVER), `<currency-quote symbol="KGS"></currency-quote>\n${script}`);
  assert.equal(
    snippet(choice, SERVER, place),
    `<currency-quote symbol="KGS" style="min-height:9em"></currency-quote>\n${script}`,
  );
});
