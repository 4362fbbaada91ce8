"""The line in a frame, `/v1/line.html`: it stays current by a script of its own. In three real engines."""

from __future__ import annotations

import asyncio
import base64
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsers import EACH_ENGINE, ChromiumPage, Page
from newsroom import Newsroom
from reader import five, quote

if TYPE_CHECKING:
    from tests.conftest import OpenPage

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

FOLLOWS_SECONDS = 60
"""Within so much a figure has to be there; the tests of what happens then wait no less."""

# What the page looks again by, beside its timer.
LOOK = "document.dispatchEvent(new Event('visibilitychange'));"
SHOWN = """return [...document.querySelectorAll("li")]
  .map((item) => item.textContent.replace(/\\s+/g, " ").trim());"""
NARROW = 320


async def shown(page: Page) -> list[str]:
    items: list[str] = await page.run(SHOWN)
    return items


async def until_shown(page: Page, index: int, text: str, *, asks: bool = False) -> None:
    """Wait until an item is this; the page `asks` at once, or waits for its own time."""
    try:
        async with asyncio.timeout(FOLLOWS_SECONDS):
            while (await shown(page))[index] != text:
                await page.run(LOOK if asks else "")
                await asyncio.sleep(0.2)
    except TimeoutError:
        assert (await shown(page))[index] == text
        raise


@pytest.mark.slow
@pytest.mark.parametrize("name", EACH_ENGINE)
async def test_figures_come_by_themselves_and_nothing_else_is_touched(
    name: str, open_page: OpenPage, newsroom: Newsroom
) -> None:
    async with open_page(name, width=NARROW, height=62) as page:
        await page.open(f"{newsroom.server.url}/v1/line.html")
        awaited = await shown(page)
        await page.run("document.body.kept = true; document.querySelector('.bar').focus();")
        await newsroom.say(*five())
        await until_shown(page, 0, "KGS/USD = 0.01144 0%")
        await page.run(
            """document.querySelector(".bar").scrollLeft = 150;
            window.steady = document.querySelectorAll("li")[1];"""
        )
        await newsroom.say(quote("KGS", "87.0000", "87.4500"))
        await until_shown(page, 0, "KGS/USD = 0.01149 +0.52%", asks=True)
        kept = await page.run(
            """const bar = document.querySelector(".bar");
            return [document.body.kept, document.activeElement === bar, bar.scrollLeft,
                    steady === document.querySelectorAll("li")[1]];"""
        )
        # A browser looks for a picture of every page that is no frame.
        complaints = [each for each in page.complaints if "favicon" not in each]

    assert awaited == [f"{code}/USD = … (waiting for rates…)" for code in ("KGS", "KZT", "TJS", "UZS", "TMT")]
    assert kept == [True, True, 150, True]
    assert complaints == []


@pytest.mark.slow
@pytest.mark.parametrize("name", EACH_ENGINE)
async def test_without_the_server_figures_stay_and_become_outdated_by_its_clock(
    name: str, open_page: OpenPage, newsroom: Newsroom
) -> None:
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=20)
    await newsroom.say(quote("KGS", "87.0000", "87.4500", due_at=due), *five()[1:])
    async with open_page(name, width=NARROW, height=62) as page:
        await page.open(f"{newsroom.server.url}/v1/line.html")
        await page.run(LOOK)
        async with asyncio.timeout(FOLLOWS_SECONDS):
            while not await page.run("return performance.getEntriesByType('resource').length"):
                await asyncio.sleep(0.1)
        await newsroom.server.kill()
        before = await shown(page)
        await until_shown(page, 0, "KGS/USD = 0.01149 +0.52% (outdated)", asks=True)
        others = (await shown(page))[1:]
        now = datetime.now(UTC)

    assert before[0] == "KGS/USD = 0.01149 +0.52%"
    assert now >= due
    assert not any("outdated" in each for each in others)


@pytest.mark.slow
async def test_where_no_script_may_run_the_page_comes_again(open_page: OpenPage, newsroom: Newsroom) -> None:
    await newsroom.say(*five())
    async with open_page("chromium", java_script_enabled=False) as page:
        assert isinstance(page, ChromiumPage)
        await page.open(f"{newsroom.server.url}/v1/line.html")
        await newsroom.say(quote("KGS", "87.0000", "87.4500"))
        async with asyncio.timeout(2 * FOLLOWS_SECONDS):
            while "0.01149" not in await page.tab.inner_text("body"):
                await asyncio.sleep(0.2)


# On pages of others.

PAGE = (Path(__file__).parents[1] / "ticker/docs/embedding.md").read_text(encoding="utf-8")
FRAME, PICTURE = (
    re.findall(rf"```html\n({tag}.*?)\n```", PAGE, re.DOTALL)[0] for tag in ("<iframe", "<picture>")
)
PHONE = '<meta name="viewport" content="width=device-width,initial-scale=1">'


@pytest.mark.parametrize("name", EACH_ENGINE)
async def test_neither_makes_a_page_scroll_sideways_and_the_picture_can_be_read(
    name: str, open_page: OpenPage, newsroom: Newsroom
) -> None:
    await newsroom.say(*five())
    line = f"<p>{FRAME}<p>{PICTURE}".replace("https://HOST", newsroom.server.url)
    found = {}
    for width in (390, 1000, 1600):
        async with open_page(name, width=width, height=400) as page:
            await page.open(newsroom.page(f"{PHONE}<h1>News</h1>{line}"))
            found[width] = await page.run(
                """const [page, image] = [document.documentElement, document.querySelector("img")];
                const scale = image.getBoundingClientRect().width / image.naturalWidth;
                return [page.scrollWidth > innerWidth, image.naturalWidth, scale > .9];"""
            )

    assert found == {390: [False, 360, True], 1000: [False, 640, True], 1600: [False, 1208, True]}


# The brightness of the picture at some places, from 0 to 255.
BRIGHTNESS = """
const [picture, places] = arguments;
const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${picture}`)).blob());
const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
canvas.drawImage(bitmap, 0, 0);
return places.map(([x, y]) => Math.max(...[...canvas.getImageData(x, y, 1, 1).data].slice(0, 3)));
"""
TELLS_FRAMES, TELLS_PICTURES = ("firefox",), ("chromium", "firefox")
"""Engines that tell them of the page's `color-scheme`, as of November 2026."""


@pytest.mark.parametrize("name", EACH_ENGINE)
async def test_both_follow_the_colour_scheme_of_the_page_where_the_engine_tells_it(
    name: str, open_page: OpenPage, newsroom: Newsroom
) -> None:
    await newsroom.say(*five())
    line = f"{FRAME}<p>{PICTURE}".replace("https://HOST", newsroom.server.url)
    style = "<style>:root { color-scheme: dark } body { margin: 0 } p { margin: 40px 0 }</style>"
    async with open_page(name, width=800, height=300) as page:
        await page.open(newsroom.page(style + line))
        await asyncio.sleep(1)  # a frame is painted after it was loaded
        shot = base64.b64encode(await page.screenshot()).decode()
        # The frame's ground, its scroll bar and its foot; the picture's ground.
        found = await page.run(BRIGHTNESS, shot, [[5, 10], [700, 37], [780, 55], [5, 110]])

    assert all(each < 50 for each in found[:3]) or name not in TELLS_FRAMES
    assert found[3] < 50 or name not in TELLS_PICTURES
    # Nothing in between: an engine that does not tell gets the reader's scheme, whole.
    assert all(each < 50 or each > 200 for each in found)
