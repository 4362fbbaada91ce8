"""What holds for each element beside the line: nothing moves, nothing leaks, and an outage is told."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from browsers import EACH_ENGINE, ENGINES, ChromiumPage, Page
from newsroom import FIVE, Newsroom
from reader import article, five, look, nothing_was_wrong, quote, saying
from reader import few_pages as few_pages
from reader import staffed_room as staffed_room
from stage import PATIENCE
from test_accessible import LANGUAGES, WITHIN, audit
from test_edge import running as serving
from test_outage import (
    CLOCK,
    COUNTERS,
    DAY_MS,
    LINGER_SECONDS,
    LONGEST_DELAY_SECONDS,
    OBSERVERS,
    OFFLINE_SECONDS,
    at_rest,
    counted,
    shift_of,
    soon,
)
from test_widget import policy

import ticker.edge
from ticker.rates.model import Announcement, Quote

if TYPE_CHECKING:
    from tests.conftest import OpenPage

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180), pytest.mark.slow]

SCRIPT = '<script async src="{server}/board.js"></script>'
ELEMENTS = {
    "board": "<currency-board></currency-board>",
    "quote": "<currency-quote symbol='KGS' sparkline></currency-quote>",
    "inline": "<p>One som costs <currency-quote symbol='KGS' format='inline'></currency-quote> dollars.</p>",
    "converter": "<currency-converter from='KGS' to='USD'></currency-converter>",
}

HANDS = r"""
const element = (index = 0) =>
  document.querySelectorAll("currency-board, currency-quote, currency-converter")[index];
const words = (index) => {
  const { shadowRoot } = element(index);
  const seen = [...(shadowRoot?.querySelectorAll("*") ?? [])].filter((each) =>
    !each.children.length && each.checkVisibility());
  return plain(seen.map((each) => `${each.textContent} ${each.dataset.note ?? ""} ${each.title}`).join(" ")
    + ` ${shadowRoot?.querySelector("[part~=mark]")?.title ?? ""}`);
};
const filled = (index) => until(() => element(index).state === "live" && /\d[.,]\d{2,}/.test(words(index)));
// Where all that is seen of an element stands, and the text after it.
const places = () =>
  [...document.querySelectorAll("#after, currency-board, currency-quote, currency-converter")]
    .map((each) => each.getBoundingClientRect())
    .map(({ x, y, width, height }) => [x, y, width, height]);
"""


async def see(page: Page, script: str, *arguments: object) -> Any:
    """What the body of an async function returns that has the words of EYES and HANDS."""
    return await look(page, HANDS + script, *arguments)


def page_of(*elements: str, script: str = SCRIPT, **how: str) -> str:
    return article(line="".join(elements) + "<p id=after>Text after it.</p>" + script, **how)


def odd(dice: random.Random, code: str) -> Quote:
    """Any figure, change and status that a day might bring."""
    inverse = Decimal(f"{10 ** dice.uniform(-3, 5):.7g}")
    before = inverse * Decimal(f"{dice.uniform(0.2, 1.8):.4f}")
    more: dict[str, Any] = {"status": dice.choice(("live", "live", "stale", "unconfirmed", "fallback"))}
    if dice.random() < 0.3:
        price = round(1 / (inverse * 2), 9)
        more["next"] = Announcement(
            price=price, inverse=inverse * 2, as_of=quote(code, "1").as_of + timedelta(1)
        )
    if dice.random() < 0.3:
        more["corrected"] = True
    return quote(code, f"{inverse:f}", f"{before:f}", **more)


# Nothing moves.


@pytest.mark.parametrize("engine", EACH_ENGINE)
@pytest.mark.parametrize("name", ELEMENTS)
async def test_no_update_moves_the(room: Newsroom, open_page: OpenPage, name: str, engine: str) -> None:
    dice = random.Random(20261129)
    async with open_page(engine, height=900) as page:
        await page.open(room.page(page_of(ELEMENTS[name])))
        await see(page, "await filled()")
        # The element takes its place when it is defined; from there on nothing is to move.
        shifted = await shift_of(page) if engine == "chromium" else 0
        places = await see(page, "return places()")
        async with saying(room, *five()):
            for _ in range(12):
                before = await see(page, "return words()")
                await room.say(*(odd(dice, code) for code in FIVE[:4]))
                await see(page, "const [before] = arguments; await until(() => words() !== before)", before)
                now = await see(page, "return places()")
                if name != "inline":
                    assert now == places
                else:
                    # A price of more digits than any before may make the sentence longer, but no line higher.
                    assert [each[3] for each in now] == [each[3] for each in places]
        if engine == "chromium" and name != "inline":
            assert await shift_of(page) == shifted
        await nothing_was_wrong(page)


async def test_words_that_come_before_the_rates_move_nothing(newsroom: Newsroom, open_page: OpenPage) -> None:
    await newsroom.say(*five())
    reserved = ELEMENTS["board"].replace(">", " style='display:block;min-height:600px'>", 1)
    async with newsroom.front("/v1/stream") as front, open_page("chromium", height=900) as page:
        await page.open(newsroom.page(page_of(reserved), server=front.url))
        await see(page, "await until(() => element().shadowRoot?.querySelector('[part~=heading]'))")
        assert await see(page, "return element().state") == "connecting"
        await see(page, "await filled()")

        assert await shift_of(page) == 0


async def test_ordinary_updates_leave_a_sentence_as_it_is(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium", height=900) as page:
        await page.open(room.page(page_of(ELEMENTS["inline"])))
        await see(page, "await filled()")
        shifted, places = await shift_of(page), await see(page, "return places()")
        for inverse, price, status in (
            ("88.00", "0.01136", "live"),
            ("86.10", "0.01161", "stale"),
            ("91.25", "0.01096", "unconfirmed"),
        ):
            async with saying(room, quote("KGS", inverse, "87.45", status=status)):
                await see(page, "await until(() => words().includes(arguments[0]))", price)
                assert await see(page, "return places()") == places
        assert await shift_of(page) == shifted


# A server that is gone.


@pytest.mark.parametrize("engine", ENGINES)
async def test_an_outage_is_told_without_hiding_the_last_values(
    newsroom: Newsroom, open_page: OpenPage, engine: str
) -> None:
    await newsroom.say(*five())
    async with open_page(engine, height=1400) as page:
        await page.open(newsroom.page(page_of(*ELEMENTS.values())))
        for index in range(len(ELEMENTS)):
            await see(page, f"await filled({index})")
        figures = "return [0, 1, 2, 3].map((index) => words(index).match(/\\d+[.,]\\d{2,}/)[0])"
        before = await see(page, figures)
        shifted = await shift_of(page) if engine == "chromium" else 0
        places = await see(page, "return places()")

        await newsroom.server.kill()
        gone = "await until(() => [0, 1, 2, 3].every((index) => /offline/.test(words(index))), arguments[0])"
        await see(page, gone, OFFLINE_SECONDS + PATIENCE)
        assert await see(page, "return [0, 1, 2, 3].map((index) => element(index).state)") == ["offline"] * 4
        assert await see(page, figures) == before
        assert await see(page, "return places()") == places

        await newsroom.server.start()
        back = "await until(() => [0, 1, 2, 3].every((index) => !/offline/.test(words(index))), arguments[0])"
        await see(page, back, LONGEST_DELAY_SECONDS + PATIENCE)
        assert await see(page, "return places()") == places
        if engine == "chromium":
            assert await shift_of(page) == shifted
        await asyncio.sleep(1)
        assert await newsroom.subscribers() == 1


@pytest.mark.parametrize("ahead", [-DAY_MS, DAY_MS], ids=["a day behind", "a day ahead"])
async def test_what_is_late_is_told_by_the_time_of_the_server(
    newsroom: Newsroom, open_page: OpenPage, ahead: int
) -> None:
    await newsroom.say(*five())
    async with open_page("chromium", height=1400) as page:
        await page.preload(CLOCK % ahead)
        await page.open(newsroom.page(page_of(*ELEMENTS.values())))
        for index in range(len(ELEMENTS)):
            await see(page, f"await filled({index})")
        due_at = soon(10)
        await newsroom.say(quote("KGS", "80", "87.45", due_at=due_at))
        await see(page, "await until(() => [0, 1, 2].every((index) => /0[.]01250/.test(words(index))))")
        late = "[0, 1, 2, 3].map((index) => /outdated/.test(words(index)))"
        await newsroom.server.kill()
        assert datetime.now(UTC) < due_at
        assert await see(page, f"return {late}") == [False] * 4

        await see(page, f"await until(() => {late}.every(Boolean), 60)")
        assert datetime.now(UTC) >= due_at
        await newsroom.server.start()


async def test_they_follow_the_clock_of_their_server_forwards_and_back(
    newsroom: Newsroom, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticker.edge, "CLOCK_SECONDS", 0.1)
    now, due_at = [datetime.now(UTC)], soon(3600)
    await newsroom.say(quote("KGS", "87.45", "87.45", due_at=due_at))
    async with (
        serving(newsroom.publisher.store, clock=lambda: now[0], alone=False) as site,
        open_page("chromium", height=1400) as page,
    ):
        await page.open(newsroom.page(page_of(*ELEMENTS.values()), server=site.url))
        late = "[0, 1, 2, 3].map((index) => /outdated/.test(words(index)))"
        for index in range(len(ELEMENTS)):
            await see(page, f"await filled({index})")
        now[0] = due_at
        await see(page, f"await until(() => {late}.every(Boolean))")
        now[0] -= timedelta(seconds=30)
        await see(page, f"await until(() => !{late}.some(Boolean))")


# One page, one connection, and nothing left behind.


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_ten_elements_of_all_kinds_share_one_connection(
    newsroom: Newsroom, open_page: OpenPage, engine: str
) -> None:
    await newsroom.say(*five())
    lines = "<currency-ticker></currency-ticker><currency-ticker symbols='KGS'></currency-ticker>"
    async with open_page(engine, height=2400) as page:
        await page.open(newsroom.page(page_of(*ELEMENTS.values(), *ELEMENTS.values(), lines, "{embed}")))
        for index in range(8):
            await see(page, f"await filled({index})")
        await see(page, "await until(() => items(0).length === 5 && items(1).length === 1)")
        assert await newsroom.subscribers() == 1
        assert await newsroom.server.count("ticker_subscribers_joined_total") == 1
        await see(
            page,
            "for (const each of document.querySelectorAll(':defined')) if (each.shadowRoot) each.remove()",
        )
        await see(page, "await moment(300)")
        async with asyncio.timeout(30):
            while await newsroom.subscribers():
                await asyncio.sleep(0.05)


async def test_what_nobody_sees_hears_nothing_and_is_current_when_it_is_seen(
    newsroom: Newsroom, open_page: OpenPage
) -> None:
    await newsroom.say(*five())
    async with open_page("chromium", height=900) as page:
        deep = "<div style='height:5000px'></div>"
        await page.open(newsroom.page(page_of(*ELEMENTS.values(), deep)))
        for index in range(len(ELEMENTS)):
            await see(page, f"scrollTo(0, 0); element({index}).scrollIntoView(); await filled({index})")
        await page.run("scrollTo(0, 4500)")
        async with asyncio.timeout(30 + LINGER_SECONDS):
            while await newsroom.subscribers():
                await asyncio.sleep(0.05)
        await newsroom.say(quote("KGS", "80", "87.45"))
        await page.run("scrollTo(0, 0)")
        await see(page, "await until(() => /0[.]01250/.test(words(0)))")
        assert await newsroom.subscribers() == 1


CYCLE = """
  const [html, turns] = arguments;
  for (let turn = 0; turn < turns; turn++) {
    const holder = document.createElement("div");
    holder.innerHTML = html;
    document.body.append(holder);
    if (turn % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    if (turn % 3 === 0) document.body.prepend(holder);
    holder.remove();
  }"""


@pytest.mark.parametrize("name", ELEMENTS)
async def test_a_hundred_that_came_and_went_leave_nothing_of_the(
    newsroom: Newsroom, open_page: OpenPage, name: str
) -> None:
    await newsroom.say(*five())
    async with open_page("chromium", height=900) as page:
        assert isinstance(page, ChromiumPage)
        await page.open(newsroom.page(page_of(ELEMENTS[name])))
        await see(page, "await filled()")
        first = await counted(page)
        await page.run(CYCLE, ELEMENTS[name], 20)
        before = await at_rest(page, first)
        await page.run(CYCLE, ELEMENTS[name], 100)
        after = await at_rest(page, first)
        assert {each: after[each] for each in COUNTERS if after[each] > first[each]} == {}
        assert after["bytes"] < before["bytes"] + 200_000
        assert await newsroom.subscribers() == 1


@pytest.mark.parametrize("name", ELEMENTS)
async def test_one_that_moves_a_hundred_times_is_observed_once(
    room: Newsroom, open_page: OpenPage, name: str
) -> None:
    async with open_page("chromium", height=900) as page:
        await page.preload(OBSERVERS)
        await page.open(room.page(page_of(ELEMENTS[name])))
        await see(page, "await filled()")
        await see(page, "for (let turn = 0; turn < 100; turn++) document.body.prepend(element())")

        assert await page.run("return observers") == 1


# Policies, and who reads with other means.


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_the_strictest_policy_has_nothing_to_report(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    headers = policy(room, "require-trusted-types-for 'script'", "trusted-types 'none'")
    html = '<!doctype html><html lang="en"><meta charset="utf-8"><script src="/watch.js"></script>'
    async with open_page(engine, height=1400) as page:
        await page.open(
            room.page(html + "<title>News</title>" + "".join(ELEMENTS.values()) + SCRIPT, headers=headers)
        )
        for index in range(len(ELEMENTS)):
            await see(page, f"await filled({index})")
        async with saying(room, quote("KGS", "80", "87.45")):
            await see(page, "await until(() => /0[.]01250/.test(words(1)))")
        await nothing_was_wrong(page)


HOW: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "light": ({}, {}),
    "dark": ({"style": "color-scheme: dark; background: #111; color: #eee"}, {}),
    "a dark system": (
        {"style": "color-scheme: light dark; background: Canvas; color: CanvasText"},
        {"color_scheme": "dark"},
    ),
    "forced colours": ({}, {"forced_colors": "active"}),
    "right-to-left": ({"html": 'lang="ar" dir="rtl"'}, {}),
    **{f"in {code}": ({"html": f'lang="{code}"'}, {}) for code in LANGUAGES[1:]},
}


@pytest.mark.parametrize("how", HOW)
async def test_axe_finds_nothing(room: Newsroom, open_page: OpenPage, how: str) -> None:
    page_is, options = HOW[how]
    async with open_page("chromium", height=1800, **options) as page:
        await page.open(room.page(page_of(*ELEMENTS.values(), body=WITHIN, **page_is)))
        for index in range(len(ELEMENTS)):
            await see(page, f"await filled({index})")
        await audit(page)
        for status in ("stale", "unconfirmed", "fallback"):
            async with saying(room, quote("KGS", "80", "87.45", status=status)):
                await see(
                    page,
                    "await until(() => element(1).shadowRoot.querySelector(arguments[0]))",
                    f"[data-status={status}]",
                )
                await audit(page)
        await nothing_was_wrong(page)


@pytest.mark.parametrize("name", ELEMENTS)
async def test_axe_finds_nothing_without_a_rate(room: Newsroom, open_page: OpenPage, name: str) -> None:
    html = {
        "board": "<currency-board symbols='XAU'></currency-board>",
        "quote": "<currency-quote symbol='XAU'></currency-quote>",
        "inline": "<p>Gold: <currency-quote symbol='XAU' format='inline'></currency-quote></p>",
        "converter": "<currency-converter from='XAU' to='KGS'></currency-converter>",
    }
    async with open_page("chromium", height=900) as page:
        await page.open(room.page(page_of(html[name], body=WITHIN)))
        await see(page, "await until(() => element().state === 'live' && words().trim())")
        await audit(page)
