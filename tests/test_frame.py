"""The line in a frame, `/v1/line.html`: it stays current by a script of its own. In three real engines."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from browsers import ENGINES, ChromiumPage, Page
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


@pytest.mark.parametrize("name", ENGINES)
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


@pytest.mark.parametrize("name", ENGINES)
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


async def test_where_no_script_may_run_the_page_comes_again(open_page: OpenPage, newsroom: Newsroom) -> None:
    await newsroom.say(*five())
    async with open_page("chromium", java_script_enabled=False) as page:
        assert isinstance(page, ChromiumPage)
        await page.open(f"{newsroom.server.url}/v1/line.html")
        await newsroom.say(quote("KGS", "87.0000", "87.4500"))
        async with asyncio.timeout(2 * FOLLOWS_SECONDS):
            while "0.01149" not in await page.tab.inner_text("body"):
                await asyncio.sleep(0.2)
