"""The whole service seen by a reader: a page of another origin, a real chromium, one line of HTML."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Page, async_playwright
from services import running

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]

LINE = re.compile(
    r"KGS/USD = 0\.01\d{3}(?: (?:0|[+-]\d+(?:\.\d{1,2})?)%)?\n"
    r"KZT/USD = 0\.00\d{4}(?: (?:0|[+-]\d+(?:\.\d{1,2})?)%)?\n"
    r"TJS/USD = 0\.1\d{4}(?: (?:0|[+-]\d+(?:\.\d{1,2})?)%)?\n"
    r"UZS/USD = 0\.0000\d{4}(?: (?:0|[+-]\d+(?:\.\d{1,2})?)%)?\n"
    r"TMT/USD = 0\.28571 0%"
)

CODES = [f"{code}/USD" for code in ("KGS", "KZT", "TJS", "UZS", "TMT")]
SYMBOLS = "rows => rows.map(row => row.dataset.symbol)"

READ = """() => {
  const root = document.querySelector('currency-ticker')?.shadowRoot;
  const items = [...(root?.querySelectorAll('[part~=item]') ?? [])]
    .filter(each => !each.closest('[aria-hidden=true]'));
  return items.map(each => each.textContent).join('\\n');
}"""

# Where the items are in two frames, half a second apart, and what the animation's clock says.
MOVE = """async () => {
  const root = document.querySelector('currency-ticker').shadowRoot;
  const item = root.querySelector('[part~=item]');
  const frame = () => new Promise(requestAnimationFrame);
  await frame();
  const [from, start] = [item.getBoundingClientRect().left, document.timeline.currentTime];
  await new Promise(resolve => setTimeout(resolve, 500));
  await frame();
  return (item.getBoundingClientRect().left - from) / (document.timeline.currentTime - start) * 1000;
}"""

# Whether the line covers the whole width of its element: the largest hole between items, in pixels.
HOLE = """() => {
  const ticker = document.querySelector('currency-ticker');
  const view = ticker.getBoundingClientRect();
  const boxes = [...ticker.shadowRoot.querySelectorAll('[part~=item]')]
    .map(each => each.getBoundingClientRect())
    .filter(box => box.right > view.left && box.left < view.right).sort((a, b) => a.left - b.left);
  let [hole, reached] = [0, view.left];
  for (const box of boxes) {
    hole = Math.max(hole, box.left - reached);
    reached = Math.max(reached, box.right);
  }
  return [Math.max(hole, view.right - reached), boxes.length];
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="service")
async def _service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    folder = tmp_path_factory.mktemp("demo")
    demo = ("demo", "--port", "0", "--every", "2", "--data-dir", f"{folder}/data")
    async with running(folder, *demo) as service:
        yield service.url
        await service.interrupted()


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="site")
async def _site(service: str) -> AsyncIterator[str]:
    """A news site of another origin that embeds the script with one line."""

    async def article(request: web.Request) -> web.Response:
        line = f'<script async src="{service}ticker.js"></script>'
        lines = "<currency-ticker></currency-ticker>" * int(request.query.get("elements", 0)) + line
        html = f"<!doctype html><html lang=en><title>News</title><h1>News</h1>{lines}<p>Text"
        return web.Response(text=html, content_type="text/html")

    async def nothing(_: web.Request) -> web.Response:
        return web.Response(status=204)

    app = web.Application()
    app.router.add_get("/", article)
    app.router.add_get("/favicon.ico", nothing)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="module", name="page")
async def _page() -> AsyncIterator[Page]:
    """An empty page of a fresh browser; at the end it must have had nothing to complain of."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=[
                *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
                *("--disable-background-networking", "--disable-component-update"),
            ],
        )
        page = await browser.new_page(viewport={"width": 1280, "height": 300})
        complaints: list[str] = []
        page.on(
            "console",
            lambda message: message.type in ("error", "warning") and complaints.append(message.text),
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        await browser.close()
        assert complaints == []


async def line_of(page: Page) -> str:
    text: str = await page.evaluate(READ)
    return text


async def until_whole(page: Page) -> str:
    async with asyncio.timeout(20):
        while not LINE.fullmatch(text := await line_of(page)):
            await asyncio.sleep(0.05)
    return text


async def test_one_line_of_html_shows_the_five_pairs_scrolling_and_live(page: Page, site: str) -> None:
    await page.goto(site)

    before = await until_whole(page)
    async with asyncio.timeout(20):
        while (after := await line_of(page)) == before:
            await asyncio.sleep(0.05)

    assert LINE.fullmatch(after)
    assert await page.evaluate("document.querySelector('currency-ticker').shadowRoot.mode") == "open"
    assert -60 < await page.evaluate(MOVE) < -40


@pytest.mark.parametrize("width", [320, 2560])
async def test_the_line_has_no_hole_at_any_width(page: Page, site: str, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 300})
    await page.goto(site)
    await until_whole(page)
    holes = []
    for _ in range(10):
        await asyncio.sleep(0.2)
        holes.append(await page.evaluate(HOLE))

    assert all(count > 0 for _, count in holes)
    assert max(hole for hole, _ in holes) < 48


async def test_the_line_shows_what_the_service_says(page: Page, site: str, service: str) -> None:
    await page.goto(site)
    await until_whole(page)
    # Both are read until they agree: a day of the demo may pass between the two.
    async with asyncio.timeout(20):
        while True:
            said = json.loads(await asyncio.to_thread(fetch, f"{service}v1/quotes"))["quotes"]
            shown = await line_of(page)
            if [row.split()[0] for row in shown.splitlines()] == [quote["symbol"] for quote in said] and all(
                abs(float(row.split()[2]) / float(quote["price"]) - 1) < 5e-4
                for row, quote in zip(shown.splitlines(), said, strict=True)
            ):
                break
            await asyncio.sleep(0.1)


async def test_two_lines_on_a_page_share_one_socket(page: Page, site: str) -> None:
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    await page.goto(f"{site}?elements=2")
    await until_whole(page)
    await asyncio.sleep(0.5)

    assert await page.evaluate("document.querySelectorAll('currency-ticker').length") == 2
    assert len(sockets) == 1


async def test_the_page_of_the_service_shows_the_line_the_quotes_and_that_it_is_a_demo(
    page: Page, service: str
) -> None:
    await page.goto(service)

    await until_whole(page)
    async with asyncio.timeout(20):
        while "demo:NBKR" not in await page.inner_text("#quotes [part=table]"):
            await asyncio.sleep(0.1)
        while "demo:NBKR: answers" not in await page.inner_text("#sources"):
            await asyncio.sleep(0.1)
    text = await page.inner_text("body")
    assert "No bank published them" in text
    assert f'<script async src="{service}ticker.js"></script>' in text
    assert await page.eval_on_selector_all("#quotes tr[data-symbol]", SYMBOLS) == CODES


async def test_the_board_of_a_demo_is_live_and_draws_the_days_that_have_passed(
    page: Page, service: str
) -> None:
    await page.set_viewport_size({"width": 1280, "height": 900})  # out of sight, the board would rest
    await page.goto(service)
    date, words = "tr[data-symbol='KZT/USD'] [part=date]", "tr[data-symbol='KZT/USD'] [role=img]"
    async with asyncio.timeout(30):
        while not (first := await page.inner_text(date) if await page.query_selector(date) else ""):
            await asyncio.sleep(0.05)
        while (today := await page.inner_text(date)) == first:
            await asyncio.sleep(0.05)
        while f"on {today}" not in (await page.get_attribute(words, "aria-label") or ""):
            today = await page.inner_text(date)
            await asyncio.sleep(0.05)

    course = await page.get_attribute("tr[data-symbol='KZT/USD'] svg .course", "d")
    assert course is not None
    assert len(re.findall("[ML]", course)) > 10


LATE = """
symbols = ["KGS", "TMT"]
[server]
port = 0
[redis]
data_dir = "{data_dir}"
[sources.nbkr]
base_url = "{bank}"
interval_seconds = 1
[sources]
nbk.enabled = false
nbt.enabled = false
cbu.enabled = false
cbr.enabled = false
"""


async def test_quotes_that_come_late_still_stand_in_the_server_s_order(page: Page, tmp_path: Path) -> None:
    async with asyncio.timeout(30), late_bank() as (bank, opens):
        config = tmp_path / "late.toml"
        config.write_text(LATE.format(data_dir=tmp_path / "data", bank=bank))
        async with running(tmp_path, "serve", "--config", str(config)) as service:
            try:
                await page.goto(service.url)
                while await line_of(page) != "TMT/USD = 0.28571 0%":
                    await asyncio.sleep(0.05)
                opens.set()
                while await line_of(page) != "KGS/USD = 0.01144\nTMT/USD = 0.28571 0%":
                    await asyncio.sleep(0.05)
                while await page.eval_on_selector_all("#quotes tr[data-symbol]", SYMBOLS) != CODES[::4]:
                    await asyncio.sleep(0.05)
            finally:
                # A page that stays complains when it does not get back to the service.
                await page.goto("about:blank")
            await service.interrupted()


@asynccontextmanager
async def late_bank() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A stand-in for NBKR that refuses until it opens."""
    opens = asyncio.Event()

    async def daily(_: web.Request) -> web.Response:
        if not opens.is_set():
            return web.Response(status=403)
        day = datetime.now(UTC).strftime("%d.%m.%Y")
        rate = '<Currency ISOCode="USD"><Nominal>1</Nominal><Value>87,4500</Value></Currency>'
        head = '<?xml version="1.0" encoding="windows-1251" ?>'
        text = f'{head}<CurrencyRates Date="{day}">{rate}</CurrencyRates>'
        return web.Response(body=text.encode("windows-1251"), content_type="application/xml")

    app = web.Application()
    app.router.add_get("/XML/daily.xml", daily)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", opens
    await runner.cleanup()


async def test_a_reader_who_wants_no_movement_gets_a_list_that_stands_still(page: Page, site: str) -> None:
    await page.emulate_media(reduced_motion="reduce")
    await page.goto(site)
    await until_whole(page)

    assert await page.evaluate(MOVE) == 0


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - a loopback address
        text: str = answer.read().decode()
    return text
