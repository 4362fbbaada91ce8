"""The options of the line: size, ground, names, and what a hand, a pointer and a system's wishes do to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from browsers import EACH_ENGINE, ChromiumPage, Page
from newsroom import Newsroom
from playwright.async_api import CDPSession
from reader import FIVE_TEXTS, article, hover, look, nothing_was_wrong, quote, saying, shown
from reader import few_pages as few_pages
from reader import staffed_room as staffed_room

if TYPE_CHECKING:
    from tests.conftest import OpenPage

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

STANDS = "return until(async () => await motion() === 0)"
MOVES = "return until(async () => await motion() !== 0)"
BOX = "const { x, y, width, height } = ticker().getBoundingClientRect();"


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_a_small_line_takes_the_place_of_its_snippet(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    async with open_page(engine) as page:
        place = '<currency-ticker size="small" style="display:block;min-height:calc(1.625em + 22px)">'
        line = place + '</currency-ticker><p id="below">Text</p>'
        await page.open(room.page(article(line=line, body="{line}", style="font-size: 20px")))
        before = await look(page, "return below.getBoundingClientRect().top")
        script = (
            "document.head.append(Object.assign(document.createElement('script'), { src: arguments[0] }))"
        )
        await look(page, script, f"{room.server.url}/ticker.js?define")
        assert await shown(page) == FIVE_TEXTS

        assert await look(page, "return below.getBoundingClientRect().top") == before
        assert await look(page, BOX + "return height") == 54.5
        assert await look(page, "return getComputedStyle(items()[0]).fontSize") == "16.25px"
        button = "const { width, height } = part('pause').getBoundingClientRect(); return [width, height]"
        assert await look(page, button) == [24, 24]
        await nothing_was_wrong(page)


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_a_transparent_line_has_the_ground_and_the_text_of_the_page(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    async with open_page(engine) as page:
        style = "background: rgb(20, 30, 60); color: rgb(250, 240, 230)"
        await page.open(room.page(article("transparent", style=style)))
        await shown(page)
        colours = """
          const colour = (node) => getComputedStyle(node).color;
          const ground = getComputedStyle(ticker()).backgroundColor;
          return [ground, colour(part("price")), colour(part("attribution"))];
        """
        assert await look(page, colours) == ["rgba(0, 0, 0, 0)", *["rgb(250, 240, 230)"] * 2]
        await look(page, "ticker().transparent = false")
        assert await look(page, "return getComputedStyle(ticker()).backgroundColor") == "rgb(255, 255, 255)"
        await look(page, "ticker().setAttribute('transparent', 'false')")
        assert await look(page, "return getComputedStyle(ticker()).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize(
    ("attributes", "first"),
    [
        ('titles="KGS=Som,KZT=Tenge"', ["Som = 0.01144 0%", "Tenge = 0.001904 +0.44%", FIVE_TEXTS[2]]),
        ('titles="kgs/usd = Som ,XAU=Gold"', ["Som = 0.01144 0%", *FIVE_TEXTS[1:3]]),
        (
            'titles="KGS=Som" format="compact"',
            ["Som 0.01144 0%", "KZT 0.001904 +0.44%"],
        ),
        (
            'titles="USD/KGS=Dollar" symbols="USDKGS TJS KZT"',
            ["Dollar = 87.45 0%", FIVE_TEXTS[2], FIVE_TEXTS[1]],
        ),
        ('titles="KGS=" symbols="KGS KZT TJS"', [" = 0.01144 0%", *FIVE_TEXTS[1:3]]),
        # What is called so is the pair that is shown.
        ('titles="KGS=Som,USD/KZT=Dollar" invert', ["USD/KGS = 87.45 0%", "Dollar = 525.30 -0.44%"]),
        ('hide="change"', ["KGS/USD = 0.01144", "KZT/USD = 0.001904", "TJS/USD = 0.10770"]),
    ],
)
async def test_the_words_are_those_of_the_page(
    room: Newsroom, open_page: OpenPage, attributes: str, first: list[str]
) -> None:
    async with open_page("chromium") as page:
        await page.open(room.page(article(attributes)))
        texts = await shown(page, 3 if "symbols" in attributes else 5)
        assert [text.rstrip() for text in texts[: len(first)]] == first
        await nothing_was_wrong(page)


async def test_a_hidden_change_takes_no_room_and_has_no_arrow(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium") as page:
        await page.open(room.page(article(line="<currency-ticker></currency-ticker>{embed}")))
        await shown(page)
        wide = await look(page, "return part('list').getBoundingClientRect().width")
        await look(page, "ticker().hide = 'change'")
        await look(page, "await until(() => texts()[0].trim() === 'KGS/USD = 0.01144')")

        assert await look(page, "return part('list').getBoundingClientRect().width") < wide - 5 * 40
        assert await look(page, "return items().some(({ dataset }) => dataset.direction)") is False
        async with saying(room, quote("KGS", "88.45", "87.45")):
            await look(page, "await until(() => texts()[0].trim() === 'KGS/USD = 0.01131')")


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_a_line_may_run_on_under_the_pointer(room: Newsroom, open_page: OpenPage, engine: str) -> None:
    async with open_page(engine) as page:
        await page.open(room.page(article('hover="run"')))
        await shown(page)
        x, y = await look(page, BOX + "return [x + 300, y + 20]")
        await hover(page, x, y)
        await look(page, "await until(() => part('viewport').matches(':hover'))")

        assert await look(page, MOVES)
        await look(page, "ticker().hover = 'stop'")
        await hover(page, x, y + 150)
        await hover(page, x, y)
        assert await look(page, STANDS)


async def test_a_screen_without_attendants_moves_whatever_the_system_asks(
    room: Newsroom, open_page: OpenPage
) -> None:
    async with open_page("chromium", reduced_motion="reduce") as page:
        await page.open(room.page(article('motion="always"')))
        await shown(page)

        assert await look(page, MOVES)
        assert await look(page, "return part('pause').checkVisibility()")
        await look(page, "part('pause').click()")
        assert await look(page, STANDS)
        await look(page, "ticker().motion = 'auto'")
        await look(page, "await until(() => copies().length === 0)")


# By hand.

# How far the first item in sight has gone, whichever copy shows it.
PLACE = """
const loop = () => Math.ceil(part("list").getBoundingClientRect().width);
const place = () => {
  const origin = ticker().getBoundingClientRect().left;
  return ((all()[0].getBoundingClientRect().left - origin) % loop() + loop()) % loop();
};
const apart = (one, other) => {
  const away = (((one - other) % loop()) + loop()) % loop();
  return Math.min(away, loop() - away);
};
// That nothing of the line is empty, as far as it is wide.
const covered = () => {
  const { left, right } = part("viewport").getBoundingClientRect();
  const boxes = all().map((each) => each.getBoundingClientRect()).sort((one, other) => one.left - other.left);
  const gaps = boxes.slice(1).map((box, index) => box.left - boxes[index].right);
  return boxes[0].left <= left && boxes.at(-1).right >= right && Math.max(...gaps) <= 2;
};
"""
WATCH_SHIFTS = """
  window.shifts = 0;
  new PerformanceObserver((list) => {
    for (const { value } of list.getEntries()) window.shifts += value;
  }).observe({ type: "layout-shift", buffered: true });
"""


async def turn(page: Page, x: float, y: float, across: float, down: float = 0) -> None:
    """Turn a wheel over a point of a page of chromium."""
    assert isinstance(page, ChromiumPage)
    await page.tab.mouse.move(x, y)
    await page.tab.mouse.wheel(across, down)


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
async def test_a_wheel_moves_the_line_sideways_and_the_page_down(
    room: Newsroom, open_page: OpenPage, direction: str
) -> None:
    async with open_page("chromium") as page:
        body = "{line}<div style='height:5000px;width:3000px'></div>"
        await page.open(room.page(article(body=body, html=f'lang="en" dir="{direction}"')))
        await shown(page)
        await look(page, WATCH_SHIFTS)
        x, y = await look(page, BOX + "return [innerWidth / 2, y + 20]")
        await hover(page, x, y)
        await look(page, STANDS)
        for across in (150, -400, 2300, -3100):
            before = await look(page, PLACE + "return place()")
            await turn(page, x, y, across)
            gone = f"apart(place(), {before} - {across}) < 1"
            await look(page, PLACE + f"await until(() => {gone}, 30)")
            assert await look(page, PLACE + "return covered()")
        assert await look(page, "return [scrollX, scrollY]") == [0, 0]
        await turn(page, x, y, 10, 120)
        await look(page, "await until(() => scrollY > 50)")

        assert await look(page, "return window.shifts") == 0
        await nothing_was_wrong(page)


async def test_a_line_that_runs_on_can_be_turned_too(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium") as page:
        await page.open(room.page(article('hover="run" speed="100"')))
        await shown(page)
        await look(page, WATCH_SHIFTS)
        x, y = await look(page, BOX + "return [x + 300, y + 20]")
        for _ in range(12):
            await turn(page, x, y, 333)
            await asyncio.sleep(0.1)
            assert await look(page, PLACE + "return covered()")
        assert await look(page, MOVES)
        await look(page, "await moment(12_000);" + PLACE + "await until(covered, 5)")
        assert await look(page, "return window.shifts") == 0


async def touch(session: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    """What a finger does, as chromium gets it from a screen."""
    fingers = [{"x": x, "y": y} for x, y in points]
    await session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})


async def drag(page: Page, session: CDPSession, start: tuple[float, float], across: float) -> None:
    """Put a finger on the line, take it so many px along, and leave it there; the line has to follow."""
    x, y = start
    await touch(session, "touchStart", start)
    assert await look(page, STANDS)
    before = await look(page, PLACE + "return place()")
    for step in range(1, 11):
        await touch(session, "touchMove", (x + across * step / 10, y))
    await look(page, PLACE + f"await until(() => apart(place(), {before} + {across}) < 2, 30)")


async def test_a_finger_drags_the_line_and_lets_it_run_on(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium", has_touch=True) as page:
        assert isinstance(page, ChromiumPage)
        await page.open(room.page(article('link="/rates/{base}"')))
        await shown(page)
        x, y = await look(page, BOX + "return [x + 600, y + 20]")
        session = await page.tab.context.new_cdp_session(page.tab)
        await drag(page, session, (x, y), -300)
        assert await look(page, PLACE + "return covered()")
        await touch(session, "touchEnd")

        assert await look(page, MOVES)
        # It was no click.
        assert await page.run("return location.pathname") != "/rates/KGS"
        await nothing_was_wrong(page)


@pytest.mark.parametrize("style", ["zoom: 2", "zoom: .5", "transform: scale(.5)"])
async def test_a_finger_takes_the_line_along_at_any_scale(
    room: Newsroom, open_page: OpenPage, style: str
) -> None:
    async with open_page("chromium", has_touch=True) as page:
        assert isinstance(page, ChromiumPage)
        await page.open(room.page(article(style=style)))
        await shown(page)
        x, y = await look(page, BOX + "return [x + width / 2, y + height / 3]")
        session = await page.tab.context.new_cdp_session(page.tab)

        await drag(page, session, (x, y), -120)
        await touch(session, "touchEnd")


@pytest.mark.parametrize("hand", ["finger", "wheel"])
async def test_a_line_goes_with_the_hand_after_the_page_has_turned(
    room: Newsroom, open_page: OpenPage, hand: str
) -> None:
    async with open_page("chromium", has_touch=hand == "finger") as page:
        assert isinstance(page, ChromiumPage)
        await page.open(room.page(article()))
        await shown(page)
        session = await page.tab.context.new_cdp_session(page.tab)
        for direction in ("rtl", "ltr"):
            await look(page, f"document.documentElement.dir = '{direction}'; await moment(500)")
            x, y = await look(page, BOX + "return [x + width / 2, y + 20]")
            if hand == "finger":
                await drag(page, session, (x, y), 90)
                await touch(session, "touchEnd")
            else:
                await hover(page, x, y)
                assert await look(page, STANDS)
                before = await look(page, PLACE + "return place()")
                await turn(page, x, y, -90)
                await look(page, PLACE + f"await until(() => apart(place(), {before} + 90) < 2, 30)")
            assert await look(page, PLACE + "return covered()")


async def test_a_mouse_marks_text_and_drags_nothing(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium") as page:
        assert isinstance(page, ChromiumPage)
        await page.open(room.page(article()))
        await shown(page)
        x, y = await look(page, BOX + "return [x + 600, y + 20]")
        await hover(page, x, y)
        await look(page, STANDS)
        before = await look(page, PLACE + "return place()")
        await page.tab.mouse.down()
        await page.tab.mouse.move(x - 200, y, steps=5)
        await page.tab.mouse.up()

        assert await look(page, PLACE + f"return apart(place(), {before})") < 0.5
