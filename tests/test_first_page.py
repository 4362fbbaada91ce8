"""The page of a service that has just started: nothing is published yet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from browsers import ChromiumPage
from newsroom import Newsroom
from reader import five
from test_page import AUDIT, AXE, BOARD, DRAWN, MISFITS, WATCH, row, until

if TYPE_CHECKING:
    from tests.conftest import OpenPage

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


@pytest.mark.parametrize("width", [360, 1280])
async def test_on_a_first_start_every_pair_is_awaited_with_the_reason_until_its_quote_comes(
    open_page: OpenPage, newsroom: Newsroom, width: int
) -> None:
    symbols = [f"{code}/USD" for code in ("KGS", "KZT", "TJS", "UZS", "TMT")]
    order = f"[...{BOARD}.querySelectorAll('tr[data-symbol]')].map(row => row.dataset.symbol)"
    async with open_page("chromium", width=width, height=900) as page:
        assert isinstance(page, ChromiumPage)
        await page.preload(WATCH)
        await page.open(f"{newsroom.server.url}/")
        await until(page.tab, "document.querySelectorAll('#pairs input:checked').length === 5")
        waiting, rows = await row(page.tab, "KGS/USD"), await page.tab.evaluate(order)
        words = await page.tab.inner_text("#quotes [part=attribution]")
        misfits = await page.tab.evaluate(MISFITS)
        await page.tab.click("#quotes tr[data-symbol='KGS/USD'] th")
        opened = await page.tab.locator("#quotes tr[part=opened]:visible").count()
        await page.tab.evaluate(AXE.read_text())
        faults, _ = await page.tab.evaluate(AUDIT)
        await newsroom.say(five()[1])
        await until(page.tab, f"{BOARD}.querySelector('[data-symbol=\"KZT/USD\"] [data-status=live]')")
        await asyncio.sleep(1)  # the board asks for the order of all
        between = await page.tab.evaluate(order)
        await newsroom.say(*five())
        await until(page.tab, DRAWN)
        quoted, after = await row(page.tab, "KGS/USD"), await page.tab.evaluate(order)
        has_button = await page.tab.is_visible("tr[data-symbol='KGS/USD'] button")
        violations = await page.run("return window.violations")

    assert rows == between == after == symbols
    assert (waiting["price"], waiting["inverse"], waiting["source"]) == ("…", "", "")
    assert waiting["state"] == "waiting for its first rate NBKR has not been asked yet"
    assert (words, misfits, opened, faults) == ("", [], 0, [])
    assert (quoted["price"], quoted["state"], has_button) == ("0.01144", "up to date", True)
    assert (page.complaints, violations) == ([], [])
