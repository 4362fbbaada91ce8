import assert from "node:assert/strict";
import { test } from "node:test";

import { inverted } from "../../widget/src/inverted.js";
import { backoff, serverAddress, wayOf } from "../../widget/src/stream.js";

test("the delay doubles up to twenty seconds and is never under half a second", () => {
  const { random } = Math;
  Math.random = () => 0;
  const shortest = [0, 1, 5, 30].map(backoff);
  Math.random = () => 1;
  const longest = [0, 1, 2, 3, 4, 5, 30].map(backoff);
  Math.random = random;

  assert.deepEqual(shortest, [500, 500, 500, 500]);
  assert.deepEqual(longest, [1000, 2000, 4000, 8000, 16000, 20000, 20000]);
});

test("the server is where its script is, prefix and all", () => {
  const address = (text) => serverAddress(text, "https://site.example/news/");

  assert.equal(address("https://rates.example/ticker.js"), "https://rates.example");
  assert.equal(address("https://rates.example/fx/ticker.0a1b2c.js?v=1"), "https://rates.example/fx");
  assert.equal(address("https://rates.example/fx"), "https://rates.example/fx");
  assert.equal(address("http://127.0.0.1:8080/"), "http://127.0.0.1:8080");
  assert.equal(address("/ticker.js"), "https://site.example");
});

test("what is no address of a server is none", () => {
  assert.equal(serverAddress("javascript:alert(1)"), null);
  assert.equal(serverAddress("http://"), null);
  assert.equal(serverAddress(""), null);
});

test("where no WebSocket ever got through, all ways are tried in turn", () => {
  const ways = [0, 1, 2, 3, 4, 5].map((failures) => wayOf(failures, false));

  assert.deepEqual(ways, [0, 1, 2, 0, 1, 2]);
});

test("where one did, the server is given two minutes", () => {
  const ways = [0, 1, 2, 11, 12, 13, 14].map((failures) => wayOf(failures, true));

  assert.deepEqual(ways, [0, 0, 0, 0, 1, 2, 0]);
});

test("the change of a reverse quote has two decimals, and none where the rate stood still", () => {
  const quote = { symbol: "EUR/USD", price: "1.163602518", inverse: "0.859400000", previous: "1.163602518", change: "0.000000000", change_percent: "0.00" };
  const still = inverted(/** @type {any} */ (quote));
  const rose = inverted(/** @type {any} */ ({ ...quote, previous: "1.158" }));
  const hardly = inverted(/** @type {any} */ ({ ...quote, previous: "1.163602500" }));

  assert.deepEqual([still.previous, +(still.change ?? NaN), still.change_percent], ["0.859400000", 0, "0"]);
  assert.equal(rose.change_percent, "-0.48");
  assert.equal(hardly.change_percent, "0");
});

test("nothing is known of the change of a reverse quote without the rate of before", () => {
  const quote = { symbol: "EUR/USD", price: "1.16", inverse: "0.862", previous: null, change: null, change_percent: null };
  const { change, change_percent } = inverted(/** @type {any} */ (quote));

  assert.deepEqual([change, change_percent], [null, null]);
});
