"""What a reader finds on a page with the line: a newsroom with quotes, and scripts that look at its pages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest_asyncio
from browsers import BrowserError, ChromiumPage, Engines, FirefoxPage, Page, WebkitPage
from newsroom import File, Newsroom, newsroom, patiently
from playwright.async_api import Error
from redis.asyncio import Redis

from ticker.embedded import EmbeddedServer
from ticker.rates.choice import credited
from ticker.rates.model import DERIVED, NOWHERE, Fixing, Pair, Quote
from ticker.sources import SOURCES
from ticker.store import Batch, Store

PUBLISHED = datetime(2026, 5, 21, 10, 2, 11, tzinfo=UTC)
VALID = date(2026, 5, 22)


def quote(currency: str, inverse: str, before: str | None = None, **others: Any) -> Quote:
    """What a bank says that gives so many units for one dollar, and gave `before` the day before."""
    facts: dict[str, Any] = {
        "symbol": Pair(currency, "USD"),
        "price": DERIVED.divide(Decimal(1), Decimal(inverse)),
        "inverse": Decimal(inverse),
        "previous": None,
        "change": None,
        "change_percent": None,
        "as_of": VALID,
        "source": "nbkr",
        "source_name": "",
        "status": "live",
        "published_at": PUBLISHED,
    }
    if before:
        previous = DERIVED.divide(Decimal(1), Decimal(before))
        percent = (Decimal(before) / Decimal(inverse) - 1) * 100
        facts |= {"previous": previous, "change": facts["price"] - previous}
        facts |= {"change_percent": round(percent, 2) + 0}
    return credited(Quote(**facts | others), SOURCES, label="")


def five() -> tuple[Quote, ...]:
    """One that stood still, two that rose, one that fell, and the peg."""
    return (
        quote("KGS", "87.4500", "87.4500"),
        quote("KZT", "525.30", "527.62", source="nbk"),
        quote("TJS", "9.2850", "9.2440", source="nbt"),
        quote("UZS", "11987.65", "12041.02", source="cbu"),
        quote("TMT", "3.5", "3.5", source="peg", status="pegged", as_of=date(2015, 1, 1)),
    )


@asynccontextmanager
async def opener(engines: Engines) -> AsyncIterator[Any]:
    """
    What opens pages as the fixture `open_page` does, only that all of firefox's are one, and webkit's.

    There a new one takes seconds; chromium has them at once.
    """
    shared: dict[str, Page] = {}
    async with AsyncExitStack() as stack:

        @asynccontextmanager
        async def open_page(
            name: str, *, width: int = 1280, height: int = 300, **options: Any
        ) -> AsyncIterator[Page]:
            engine: Any = await engines.get(name)
            if name == "chromium":
                async with engine.page(width=width, height=height, **options) as page:
                    yield page
                return
            if name not in shared:
                shared[name] = await stack.enter_async_context(engine.page())
            page = shared[name]
            await page.resize(width, height)
            await hover(page, width - 2, height - 2)
            page.complaints.clear()
            yield page

        yield open_page


class Editor:
    """Who decides what the rates are, for as long as a module of tests takes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def say(self, *quotes: Quote, fixings: Iterable[Fixing] = ()) -> None:
        now = time.time_ns() // 1_000_000
        lease = await self._store.acquire("desk", seconds=60, now_ms=now, force=True)
        assert lease
        batch = Batch(quotes=quotes, fixings=tuple(fixings))
        await self._store.write(batch, lease=lease, seen=NOWHERE, now_ms=now)


@asynccontextmanager
async def saying(room: Newsroom, *quotes: Quote) -> AsyncIterator[None]:
    """Publish these, and at the end the usual five again."""
    await room.say(*quotes)
    try:
        yield
    finally:
        await room.say(*five())


@asynccontextmanager
async def staffed(redis_server: EmbeddedServer, database: int = 0, **options: Any) -> AsyncIterator[Newsroom]:
    """A newsroom of a database of its own, which has published `five` and serves WATCH at /watch.js."""
    url = f"{redis_server.url}?db={database}"
    async with Redis.from_url(url) as client:
        await client.flushdb()
    async with Store(url, prefix="{ticker}:", stream_length=10_000, history_days=30) as store:
        desk: Any = Editor(store)
        await patiently(lambda: desk.say(*five()))
        async with newsroom(desk, url, **options) as room:
            room.site.put("/watch.js", File(WATCH.encode(), "text/javascript"))
            yield room


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="room")
async def staffed_room(redis_server: EmbeddedServer) -> AsyncIterator[Newsroom]:
    """One newsroom for all tests of a file that imports this."""
    async with staffed(redis_server) as room:
        yield room


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="open_page")
async def few_pages(engines: Engines) -> AsyncIterator[Any]:
    """The fixture `open_page` by `opener`, in a file that imports this."""
    async with opener(engines) as open_page:
        yield open_page


FIVE_TEXTS = [
    "KGS/USD = 0.01144 0%",
    "KZT/USD = 0.001904 +0.44%",
    "TJS/USD = 0.10770 -0.44%",
    "UZS/USD = 0.00008342 +0.45%",
    "TMT/USD = 0.28571 0%",
]

LANDMARKS = """
<header><a href="#content">To the text</a> <span>The Daily</span></header>{line}
<nav aria-label="Sections"><a href="#content">World</a></nav>
<main id="content"><h1>News</h1><p>Text of an article.</p></main><footer id="credits">Imprint</footer>
"""
LINE = '<currency-ticker style="display:block;min-height:62px"{0}></currency-ticker>{embed}'


def article(
    attributes: str = "", *, line: str = LINE, body: str = LANDMARKS, style: str = "", html: str = 'lang="en"'
) -> str:
    """A whole page of a news site; `line` may have any number of elements, and the script."""
    return (
        f'<!doctype html><html {html}><meta charset="utf-8"><script src="/watch.js"></script>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>News</title>'
        f"<style>a {{ color: inherit }} body {{ margin: 0; font: 16px/1.5 sans-serif; {style} }}</style>"
        "<body>" + body.replace("{line}", line.replace("{0}", f" {attributes}" if attributes else ""))
    )


WATCH = """
// Before anything else of the page: what goes wrong from here on, in any engine.
window.wrongs = [];
addEventListener("error", (event) => wrongs.push(`error ${event.message}`));
addEventListener("unhandledrejection", (event) => wrongs.push(`rejection ${event.reason}`));
addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI, sample }) =>
  wrongs.push(`violation ${effectiveDirective} ${blockedURI} ${sample}`));
for (const level of ["error", "warn"]) {
  const say = console[level].bind(console);
  console[level] = (...words) => { wrongs.push(`${level} ${words.join(" ")}`); say(...words); };
}
"""

EYES = r"""
const ticker = (index = 0) => document.querySelectorAll("currency-ticker")[index];
const part = (name, index) => ticker(index)?.shadowRoot?.querySelector(`[part~=${name}]`);
const all = (index) => [...(ticker(index)?.shadowRoot?.querySelectorAll("[part~=item]") ?? [])];
const copied = (node) => node.closest("[aria-hidden=true]") !== null;
const items = (index) => all(index).filter((each) => !copied(each));
const copies = (index) => all(index).filter(copied);
// Which space it is that a language puts before a sign is not what is asked here.
const plain = (text) => text.replace(/[\u00a0\u202f]/g, " ");
const texts = (index) => items(index).map((each) => plain(each.textContent));
const moment = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const frame = () => new Promise(requestAnimationFrame);
const until = async (fact, seconds = 15) => {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const value = await fact();
    if (value) return value;
    if (performance.now() > end) throw new Error(`never: ${fact}`);
    await moment(25);
  }
};
// How far the first item goes in so many milliseconds, in px.
const motion = async (ms = 250, index = 0) => {
  await frame();
  const from = all(index)[0].getBoundingClientRect().left;
  await moment(ms);
  await frame();
  return all(index)[0].getBoundingClientRect().left - from;
};
const overlap = (one, other) =>
  Math.min(one.right, other.right) - Math.max(one.left, other.left) > 0.5 &&
  Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 0.5;
const whole = (one, around) =>
  one.left >= around.left - 0.5 && one.right <= around.right + 0.5 &&
  one.top >= around.top - 0.5 && one.bottom <= around.bottom + 0.5;
const deepest = (node = document.activeElement) =>
  node?.shadowRoot?.activeElement ? deepest(node.shadowRoot.activeElement) : node;
"""


async def look(page: Page, script: str, *arguments: object) -> Any:
    """What the body of an async function returns that has the words of EYES."""
    return await page.run(EYES + script, *arguments)


async def shown(page: Page, count: int = 5, index: int = 0) -> list[str]:
    """The texts of the line as soon as it has so many items."""
    script = "const [count, index] = arguments; await until(() => items(index).length === count);"
    texts: list[str] = await look(page, script + "return texts(index)", count, index)
    return texts


async def arrived(page: Page, path: str) -> None:
    """Wait until the page is another one: meanwhile there may be none to be asked."""
    async with asyncio.timeout(15):
        while True:
            with suppress(BrowserError, Error):
                if await page.run("return location.pathname") == path:
                    return
            await asyncio.sleep(0.05)


KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Space": " ", "Shift+Tab": "\ue008\ue004"}


async def press(page: Page, key: str) -> None:
    """One key, as the engine gets it from a keyboard."""
    if isinstance(page, ChromiumPage):
        await page.tab.keyboard.press(key)
        return
    keys = KEYS[key]
    strokes = [{"type": "keyDown", "value": each} for each in keys]
    strokes += [{"type": "keyUp", "value": each} for each in reversed(keys)]
    actions = [{"type": "key", "id": "keyboard", "actions": strokes}]
    if isinstance(page, FirefoxPage):
        await page.call("input.performActions", actions=actions)
    elif isinstance(page, WebkitPage):
        await page.call("POST", "/actions", actions=actions)


async def click(page: Page, x: float, y: float) -> None:
    """Bring the mouse there, wait until what is below stands, and press its button."""
    await hover(page, x, y)
    await _mouse(page, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0})


async def hover(page: Page, x: float, y: float) -> None:
    await _mouse(page, {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 0})


async def _mouse(page: Page, *strokes: dict[str, Any]) -> None:
    if isinstance(page, ChromiumPage):
        for stroke in strokes:
            if stroke["type"] == "pointerMove":
                await page.tab.mouse.move(stroke["x"], stroke["y"])
            elif stroke["type"] == "pointerDown":
                await page.tab.mouse.down()
            else:
                await page.tab.mouse.up()
        return
    kind = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}}
    actions = [kind | {"actions": list(strokes)}]
    if isinstance(page, FirefoxPage):
        await page.call("input.performActions", actions=actions)
    elif isinstance(page, WebkitPage):
        await page.call("POST", "/actions", actions=actions)


async def nothing_was_wrong(page: Page) -> None:
    wrongs = await page.run("return window.wrongs")
    assert wrongs == [], wrongs
    assert page.complaints == [], page.complaints
