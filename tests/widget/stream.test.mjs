import assert from "node:assert/strict";
import { test } from "node:test";

import { backoff, serverAddress, wayOf } from "../../widget/src/stream.js";

test("the delay doubles up to twenty seconds and is never under half a second", () => {
  const shortest = [0, 1, 5, 30].map((attempt) => backoff(attempt, () => 0));
  const longest = [0, 1, 2, 3, 4, 5, 30].map((attempt) => backoff(attempt, () => 1));

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
