"""Pages of sites that have the line, and where on them it stands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest_asyncio
from browsers import Engines, Page
from newsroom import Newsroom
from reader import look, opener
from stage import until

ALL = "KGS KZT TJS UZS TMT"
KGS, KZT, TJS = (f'data-symbols="{code}"' for code in ("KGS", "KZT", "TJS"))
ASYNC, DEFER, MODULE, BLOCKED = "async", "defer", 'type="module"', 'type="7f-text/javascript"'
REFUSED = 'type="text/plain" data-consent'


def tag(data: str = "", how: str = ASYNC, *, file: str = "ticker.js") -> str:
    return f'<script {how} src="{{server}}/{file}" {data}></script>'


def at(place: str, *content: str) -> str:
    return f'<div id="{place}">{"".join(content)}</div>'


def host(body: str, *, head: str = "", html: str = 'lang="en"') -> str:
    """A page of a site; what stands before its own first script has run, `reader.WATCH` hears."""
    return (
        f'<!doctype html><html {html}><meta charset="utf-8"><script src="/watch.js"></script>'
        f'<meta name="viewport" content="width=device-width"><title>News</title>{head}'
        f"<body><h1>News</h1>{body}<p>Text"
    )


PLACES = """
// Every line of the page, in open shadow trees, too.
const trees = (root = document) => {
  const nodes = [...root.querySelectorAll(":not(currency-ticker)")];
  return [root, ...nodes.flatMap(({ shadowRoot }) => (shadowRoot ? trees(shadowRoot) : []))];
};
const lines = () => trees().flatMap((tree) => [...tree.querySelectorAll("currency-ticker")]);
// The id of the nearest element around a line, or "body".
const home = (node) => {
  const { host } = node.getRootNode();
  return node.closest("[id]")?.id ?? (host ? home(host) : "body");
};
const of = (line) =>
  [...(line.shadowRoot?.querySelectorAll("[part~=item]") ?? [])].filter((item) => !copied(item));
const code = ({ dataset }) => dataset.symbol.replace("/USD", "");
const placed = () => lines().map((line) => `${home(line)}: ${of(line).map(code).join(" ")}`);
// In the order of the ids: that in which two scripts come is not told.
const sorted = (rows) => `${[...rows].sort()}`;
"""


async def placed(page: Page, *expected: str) -> list[str]:
    """The lines of a page, 350 ms after they were the expected ones; or as they are in the end."""
    script = """
      const loaded = () => performance.getEntriesByType("resource").map(({ name }) => name);
      const ran = () => loaded().some((name) => name.includes("/ticker."));
      await until(() => ran() && sorted(placed()) === sorted(arguments), 8).catch(() => {});
      await moment(350);
      return placed().sort();
    """
    found: list[str] = await look(page, PLACES + script, *expected)
    return found


async def subscribed(room: Newsroom, count: int) -> None:
    """Wait until so many streams are open at the server: a page has one, or none where it has no line."""

    async def so() -> bool:
        return await room.subscribers() == count

    await until(so, 15)


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="open_page")
async def visits(engines: Engines) -> AsyncIterator[Any]:
    """The fixture `open_page` by `reader.opener`; each page is left at the end, so that it has no stream."""
    async with opener(engines) as open_page:

        @asynccontextmanager
        async def visit(name: str, **options: Any) -> AsyncIterator[Page]:
            async with open_page(name, **options) as page:
                try:
                    yield page
                finally:
                    await page.open("about:blank")

        yield visit
