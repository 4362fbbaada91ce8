"""The second script, with the elements beside the line: what it shares with the first; in three engines."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import brotli
import pytest
import pytest_asyncio
from browsers import EACH_ENGINE, ChromiumPage, Page
from newsroom import File, Newsroom
from reader import article, look, nothing_was_wrong, quote, saying, shown, staffed
from reader import few_pages as few_pages
from test_outage import shift_of
from test_page import charted

from tests.tools.bench.widget import MOST_BOARD_BYTES
from ticker import assets
from ticker.embedded import EmbeddedServer
from ticker.rates.model import Announcement

if TYPE_CHECKING:
    from tests.conftest import OpenPage

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="room")
async def _room(redis_server: EmbeddedServer) -> AsyncIterator[Newsroom]:
    async with charted(redis_server) as room:
        yield room


WIDGET = Path(__file__).parents[1] / "widget"
BOARD = '<currency-board style="display:block;min-height:440px"{0}></currency-board>{script}'
SCRIPT = '<script async src="{server}/board.js"></script>'
BOTH = {
    "the line's first": '{embed}<script src="{server}/board.js"></script>'.replace("async ", ""),
    "the board's first": '<script src="{server}/board.js"></script>{embed}',
    "the board's twice": '<script src="{server}/board.js"></script>' * 2 + "{embed}",
    "as modules": '<script type="module" src="{server}/board.js"></script>'
    '<script type="module" src="{server}/ticker.js"></script>',
}

HANDS = r"""
const board = (index = 0) => document.querySelectorAll("currency-board")[index];
const within = (selector, index) => [...(board(index)?.shadowRoot?.querySelectorAll(selector) ?? [])];
const rows = (index) => within("[part=row]", index);
const codes = (index) => rows(index).map(({ dataset }) => dataset.symbol.replace("/USD", "")).join(" ");
const cell = (symbol, column, index) =>
  within(`[data-symbol="${symbol}"] [part=${column}]`, index)[0];
const says = (symbol, column, index) =>
  plain(cell(symbol, column, index)?.innerText ?? "").replace(/\s*\n\s*/g, " ");
"""


def board(attributes: str = "", *, script: str = SCRIPT, **how: str) -> str:
    """A page of a news site with a table."""
    return article(attributes, line=BOARD.replace("{script}", script), **how)


async def see(page: Page, script: str, *arguments: object) -> object:
    """What the body of an async function returns that has the words of EYES and HANDS."""
    return await look(page, HANDS + script, *arguments)


async def full(page: Page, codes: str = "KGS KZT TJS UZS TMT", index: int = 0) -> None:
    """Wait until the table has these rows, with their figures."""
    await see(
        page,
        """
        const [expected, index] = arguments;
        const isFull = () => rows(index).every((row) => /\\d/.test(row.innerText));
        await until(() => codes(index) === expected && isFull());
        """,
        codes,
        index,
    )


# The script.


async def test_the_script_is_not_over_its_limit_on_the_wire() -> None:
    assert len(brotli.compress(assets.built("board.js"), quality=11)) <= MOST_BOARD_BYTES


async def test_the_elements_use_no_other_words_than_those_they_are_told() -> None:
    scripts = [path.read_text() for path in (WIDGET / "src/board").glob("**/*.js")]
    scripts += [(WIDGET / "src/course.js").read_text()]
    used = {key for text in scripts for key in re.findall(r"\bwords\.(\w+)\b(?!\()", text)} - {"noHistory"}

    assert used <= {*assets.board_words("en"), *assets.labels("en")}


@pytest.mark.parametrize("order", BOTH)
@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_both_scripts_share_one_connection_in_any_order(
    room: Newsroom, open_page: OpenPage, engine: str, order: str
) -> None:
    before = await room.subscribers()
    async with open_page(engine) as page:
        lines = "<currency-ticker></currency-ticker>" * 2
        await page.open(room.page(board(script=lines + BOTH[order])))
        await full(page)
        await shown(page)
        await shown(page, index=1)

        assert await room.subscribers() == before + 1
        shared = "return Object.getOwnPropertySymbols(globalThis).map(String)"
        names = [each for each in await page.run(shared) if "currency-ticker" in each]
        assert len(names) == 1
        assert re.fullmatch(r"Symbol\(currency-ticker [0-9a-f]{8}\)", names[0])
        await nothing_was_wrong(page)
        await page.open("about:blank")


async def test_another_version_keeps_its_own_connection(room: Newsroom, open_page: OpenPage) -> None:
    text = assets.built("board.js").decode()
    other = re.sub(r"(?<=currency-ticker )[0-9a-f]{8}", "01234567", text)
    assert other != text
    address = room.site.put("/other/board.js", File(other.encode(), "text/javascript"))
    async with open_page("chromium") as page:
        assert isinstance(page, ChromiumPage)
        sockets: list[str] = []
        page.tab.on("websocket", lambda socket: sockets.append(socket.url))
        script = f'<script async src="{address}"></script>{{embed}}<currency-ticker></currency-ticker>'
        await page.open(room.page(board(f'src="{room.server.url}"', script=script)))
        await full(page)
        await shown(page)

        assert len(sockets) == 2
        await nothing_was_wrong(page)


async def test_what_both_scripts_need_is_asked_for_once(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium") as page:
        assert isinstance(page, ChromiumPage)
        asked: list[str] = []
        page.tab.on("request", lambda request: asked.append(request.url.removeprefix(room.server.url)))
        line = '<currency-ticker format="names" sparkline></currency-ticker>{embed}'
        await page.open(room.page(board(script=SCRIPT + line, html='lang="ru"')))
        await full(page)
        await shown(page)
        await see(page, "await until(() => within('path[d^=M]').length === 9)")

        told = [path for path in asked if path.startswith("/v1/") and "stream" not in path]
        assert len(told) == len(set(told)) == 7
        assert {"/v1/labels/ru.json", "/v1/names/ru.json"} <= set(told)


@pytest.mark.parametrize("language", sorted(assets.languages()))
async def test_the_words_of_the_elements_are_those_of_the_page(language: str) -> None:
    words = json.loads((WIDGET / f"src/words/{language}.json").read_text())

    assert assets.board_words(language).items() <= words.items()


# The order of the rows.

SORTED = "return [codes(), within('[aria-sort]').map((each) => each.ariaSort).join()]"


async def test_what_the_head_says_of_the_order_is_true_of_quotes_that_come_later(
    redis_server: EmbeddedServer, open_page: OpenPage
) -> None:
    async with staffed(redis_server, database=5) as room, open_page("chromium", height=900) as page:
        await page.open(room.page(board('symbols="KGS KZT TJS"')))
        await full(page, "KGS KZT TJS")
        await see(page, "within('[part=heading].price button')[0].click()")
        assert await see(page, SORTED) == ["KZT KGS TJS", "ascending"]
        await see(page, "board().symbols = 'KGS KZT TJS UZS TMT'")
        await full(page, "UZS KZT KGS TJS TMT")

        assert await see(page, SORTED) == ["UZS KZT KGS TJS TMT", "ascending"]
        # A figure that changes later moves nothing.
        await room.say(quote("KGS", "2.0000", "87.4500"))
        await see(page, "await until(() => says('KGS/USD', 'price') === '0.50000')")
        assert await see(page, SORTED) == ["UZS KZT KGS TJS TMT", "ascending"]


async def test_a_press_before_the_quotes_sorts_them_when_they_come(
    room: Newsroom, open_page: OpenPage
) -> None:
    head = "within('[part=heading].price button')[0]"
    silent = ("/v1/stream", "/v1/events", "/v1/quotes")
    async with (
        room.front(*silent, swallows=True) as front,
        open_page("chromium", height=900) as page,
    ):
        await page.open(room.page(board(f'symbols="KGS TJS KZT" src="{front.url}"')))
        await see(page, f"await until(() => {head}); {head}.click()")
        await see(page, "board().src = arguments[0]", room.server.url)
        await full(page, "KZT KGS TJS")


async def test_equal_figures_keep_their_order(room: Newsroom, open_page: OpenPage) -> None:
    """All rows have the same date; a comparison that gives no answer shuffled them."""
    async with open_page("chromium", height=900) as page:
        await page.open(room.page(board('symbols="TMT UZS TJS KZT KGS"')))
        await full(page, "TMT UZS TJS KZT KGS")
        await see(page, "within('[part=heading].date button')[0].click()")

        assert await see(page, SORTED) == ["TMT UZS TJS KZT KGS", "ascending"]


async def test_an_announced_price_is_of_the_row_that_it_stands_in(
    redis_server: EmbeddedServer, open_page: OpenPage
) -> None:
    tomorrow = Announcement(price=Decimal("0.01136363636"), inverse=Decimal(88), as_of=date(2026, 5, 23))
    async with staffed(redis_server, database=5) as room, open_page("chromium", height=900) as page:
        await room.say(replace(quote("KGS", "87.4500", "87.4500"), next=tomorrow))
        await page.open(room.page(board('symbols="KGS USD/KGS"')))
        await see(page, "await until(() => says('KGS/USD', 'state').includes('announced'))")

        assert (await see(page, "return says('KGS/USD', 'state')")).endswith(
            "announced: 0.01136 from May 23, 2026"
        )
        assert (await see(page, "return says('USD/KGS', 'state')")).endswith(
            "announced: 88.00 from May 23, 2026"
        )


@pytest.mark.parametrize("is_hidden", [True, False])
async def test_what_a_row_opens_moves_nothing_if_the_page_hides_it_until_the_script_has_come(
    room: Newsroom, open_page: OpenPage, is_hidden: bool
) -> None:
    rule = "<style>currency-board:not(:defined) > [slot] { display: none }</style>" * is_hidden
    own = "<p slot='KGS/USD' id='story'>Of the som</p></currency-board>"
    async with open_page("chromium", width=1200, height=900) as page:
        assert isinstance(page, ChromiumPage)

        async def late(route: Any) -> None:
            await asyncio.sleep(0.5)
            await route.continue_()

        await page.tab.route("**/board.js", late)
        table = BOARD.replace("{script}", SCRIPT).replace("</currency-board>", own).replace("440px", "700px")
        await page.open(room.page(article(line=rule + table + "<p>News</p>")))
        await full(page)

        assert (await shift_of(page) == 0) == is_hidden
        await see(page, "rows()[0].click(); await until(() => story.getBoundingClientRect().height > 0)")


# The frameworks around it.


@pytest.mark.parametrize("element", ["ticker", "board", "quote", "converter"])
@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_no_event_comes_while_an_element_is_put_in(
    room: Newsroom, open_page: OpenPage, engine: str, element: str
) -> None:
    """React warns of what changes its state before the tree stands."""
    async with open_page(engine, height=700) as page:
        await page.open(
            room.page(board(script=SCRIPT + '<script async src="{server}/ticker.js?define"></script>'))
        )
        await full(page)
        heard = await see(
            page,
            """
            await until(() => customElements.get(`currency-${arguments[0]}`));
            let isDone = false;
            const heard = [];
            const added = document.createElement(`currency-${arguments[0]}`);
            for (const type of ["ticker-status", "ticker-quote"]) {
              added.addEventListener(type, ({ type }) => heard.push(`${type} ${isDone}`));
            }
            document.body.append(added);
            added.symbols = added.symbol = "KZT";
            isDone = true;
            await until(() => heard.some((each) => each.startsWith("ticker-quote")));
            return [...new Set(heard)].sort();
            """,
            element,
        )

        assert heard == ["ticker-quote true", "ticker-status true"]


# What changes while the server is away.

LINE_AND_BOX = '<currency-ticker symbols="KGS KZT"></currency-ticker><p id="place"></p>{embed}' + SCRIPT


async def test_figures_that_the_page_has_stay_in_an_outage_whatever_is_asked_for(
    redis_server: EmbeddedServer, open_page: OpenPage
) -> None:
    async with staffed(redis_server, database=5) as room, open_page("chromium", height=700) as page:
        await page.open(room.page(article(line=LINE_AND_BOX)))
        two = await shown(page, 2)
        await room.server.kill()
        for symbols, count in (("KGS KZT TJS", 2), ("TJS", 0), ("KZT KGS", 2)):
            await see(page, "ticker().symbols = arguments[0]; await moment(1500)", symbols)
            assert len(await see(page, "return texts()")) == count
        assert sorted(await see(page, "return texts()")) == sorted(two)
        late = """
        const late = document.createElement("currency-quote");
        late.symbol = "KZT";
        document.querySelector("#place").append(late);
        await until(() => late.shadowRoot.textContent.includes("0.001904"));
        """
        await see(page, late)
        await room.server.start()
        # As late as the longest wait between two attempts may be.
        await see(page, "ticker().symbols = 'KGS KZT TJS'; await until(() => items().length === 3, 40)")


async def test_another_symbol_moves_none_of_those_that_stay(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium", height=700) as page:
        await page.open(room.page(article(line=LINE_AND_BOX)))
        await shown(page, 2)
        lost = await see(
            page,
            """
            await moment(2000);
            let least = 2;
            const count = () => {
              least = Math.min(least, items().length);
              requestAnimationFrame(count);
            };
            count();
            const before = items()[0].getBoundingClientRect().left;
            ticker().symbols = "KGS KZT TJS";
            await until(() => items().length === 3);
            return [least, Math.abs(items()[0].getBoundingClientRect().left - before) < 60];
            """,
        )

        assert lost == [2, True]


@pytest.mark.slow
async def test_a_server_that_says_nothing_any_more_is_offline_though_the_page_asks_for_more(
    redis_server: EmbeddedServer, open_page: OpenPage
) -> None:
    async with staffed(redis_server, database=5) as room, open_page("chromium", height=700) as page:
        await page.open(room.page(article(line=LINE_AND_BOX)))
        await shown(page, 2)
        with room.server.frozen():
            await see(
                page,
                """
                const asked = ["TJS", "UZS", "TMT"];
                const ask = () => (ticker().symbols = `KGS KZT ${asked.unshift(asked.pop()) && asked[0]}`);
                ask();
                await until(() => ticker().state === "connecting");
                setInterval(ask, 8000);
                await until(() => ticker().state === "offline", 45);
                """,
            )
            assert len(await see(page, "return texts()")) == 2


OVER = """
await until(() => within("[part~=row]").length);
const drawn = [];
for (const node of [...board().shadowRoot.querySelectorAll("bdi, [part~=symbol], button")]) {
  if (!node.textContent.trim() || node.querySelector("bdi, button")) continue;
  if (getComputedStyle(node.parentElement).clipPath !== "none") continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  const { bottom } = node.getBoundingClientRect();
  const isCut = getComputedStyle(node).overflow === "hidden";
  for (const box of range.getClientRects()) {
    if (box.width > 1 && !(isCut && box.top >= bottom)) drawn.push([node, box]);
  }
}
const over = (one, other) => Math.min(one.right, other.right) - Math.max(one.left, other.left) > 1
  && Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 3;
return drawn.flatMap(([node, box], index) => drawn.slice(index + 1)
  .filter(([other, its]) => other !== node && over(box, its))
  .map(([other]) => `${node.textContent} | ${other.textContent}`));
"""


@pytest.mark.parametrize("language", sorted(assets.languages()))
async def test_no_text_is_drawn_over_another_at_any_width(
    room: Newsroom, open_page: OpenPage, language: str
) -> None:
    """The longest words stand for who has fixed a rate, where the server has a label."""
    peg = quote("TMT", "3.5", "3.5", source="recorded:peg", status="pegged", as_of=date(2015, 1, 1))
    async with open_page("chromium", width=1600, height=900) as page, saying(room, peg):
        await page.open(room.page(board(html=f'lang="{language}"')))
        await see(page, "await until(() => /recorded:/.test(board().shadowRoot.textContent))")
        found = {}
        for width in range(320, 1600, 40):
            await page.resize(width, 900)
            found[width] = await see(page, OVER)

        assert {width: texts for width, texts in found.items() if texts} == {}


ROOMS = {"price": 8.5, "inverse": 7, "change": 7, "chart": 7, "source": 7, "date": 7.5, "status": 13}
"""Of the 67em that all need, as ticker/docs/embedding.md says it."""


@pytest.mark.parametrize(
    "left_out", [(), ("price",), ("date", "status"), ("inverse", "change", "chart", "source")]
)
async def test_rows_are_cards_where_the_columns_have_not_the_documented_room(
    room: Newsroom, open_page: OpenPage, left_out: tuple[str, ...]
) -> None:
    columns = " ".join(each for each in ROOMS if each not in left_out)
    width = 67 - sum(ROOMS[each] for each in left_out)
    async with open_page("chromium", width=1600, height=900) as page:
        await page.open(room.page(board(f'columns="{columns}"')))
        await full(page)
        shown = """
            board().style.width = `${arguments[0]}em`;
            return getComputedStyle(board().shadowRoot.querySelector("tbody")).display === "grid";
        """

        assert await see(page, shown, width)
        assert not await see(page, shown, width + 0.2)


SIDES = ("grid", "inline-flex", "inline-block", "float: left")


@pytest.mark.parametrize("element", ["board", "converter"])
async def test_a_small_window_is_not_scrolled_sideways(
    room: Newsroom, open_page: OpenPage, element: str
) -> None:
    """320 px are also a page of 1280 px at four times its size (WCAG 1.4.10)."""
    async with open_page("chromium", width=320, height=900) as page:
        for side in SIDES:
            style = side if ":" in side else f"display: {side}"
            line = f'<div style="{style}; padding: 20px"><currency-{element}></currency-{element}></div>'
            await page.open(room.page(article(line=line + SCRIPT)))
            await see(
                page, f"await until(() => document.querySelector('currency-{element}').state === 'live')"
            )
            await see(page, "await moment(300)")

            assert await see(page, "return document.documentElement.scrollWidth") == 320, side


async def test_a_card_has_a_head_for_each_of_its_cells(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium", width=390, height=900) as page:
        assert isinstance(page, ChromiumPage)
        await page.open(room.page(board()))
        await full(page)
        nodes = (await page.cdp("Accessibility.getFullAXTree"))["nodes"]
        roles = [node["role"]["value"] for node in nodes if not node["ignored"]]

        assert roles.count("columnheader") == 8
        assert roles.count("cell") + roles.count("gridcell") + roles.count("rowheader") == 5 * 8


async def test_words_before_a_figure_are_read_in_forced_colours(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium", width=390, height=900, forced_colors="active") as page:
        await page.open(room.page(board() + "<currency-ticker sparkline></currency-ticker>{embed}"))
        await full(page)
        await see(page, "await until(() => part('sparkline'))")
        before, chart, text = await see(
            page,
            """
            const { backgroundColor } = getComputedStyle(cell("KGS/USD", "inverse"), "::before");
            return [backgroundColor, getComputedStyle(part("sparkline")).backgroundColor,
                getComputedStyle(document.body).color];
            """,
        )

        # Transparent, whatever the colour.
        assert before.endswith(", 0)")
        assert chart == text


ELEMENTS = (
    BOARD.replace("{script}", "")
    + '<currency-quote symbol="USD/KZT"></currency-quote><currency-converter></currency-converter>'
    + "<currency-ticker></currency-ticker>{embed}"
    + SCRIPT
)
WITHIN = """
const nodes = (tag, names) => names.split(" ").flatMap((name) =>
  [...document.querySelector(`currency-${tag}`).shadowRoot.querySelectorAll(`[part~=${name}]`)]);
const seen = () => [
  ...nodes("board", "symbol name price change"), ...nodes("quote", "symbol name price date"),
  ...nodes("converter", "input select sum rates"), ...nodes("ticker", "symbol price"),
];
await until(() => nodes("converter", "sum")[0]?.textContent && nodes("ticker", "price").length
  && nodes("board", "price").some((each) => /\\d/.test(each.textContent))
  && nodes("quote", "price").some((each) => /\\d/.test(each.textContent)));
"""


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_text_has_our_colour_also_where_the_page_fills_its_own_with_another(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    colours = """return seen().map((each) => getComputedStyle(each))
      .filter((each) => each.webkitTextFillColor !== each.color).length"""
    async with open_page(engine, width=1200, height=900) as page:
        await page.open(room.page(article(line=ELEMENTS, style="-webkit-text-fill-color: transparent")))

        assert await see(page, WITHIN + colours) == 0


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_text_is_level_on_a_page_of_vertical_text(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    modes = "return [...new Set(seen().map((each) => getComputedStyle(each).writingMode))]"
    sentence = '<p>A som costs <currency-quote symbol="KGS" format="inline" id="fact"></currency-quote>.</p>'
    async with open_page(engine, width=1200, height=900) as page:
        await page.open(room.page(article(line=ELEMENTS + sentence, style="writing-mode: vertical-rl")))

        assert await see(page, WITHIN + modes) == ["horizontal-tb"]
        turned = "return getComputedStyle(fact.shadowRoot.querySelector('[part=price]')).writingMode"
        assert await see(page, turned) == "vertical-rl"


@pytest.mark.parametrize("language", ["en", "ru", "tk"])
async def test_a_name_that_is_cut_shows_that_it_is(
    room: Newsroom, open_page: OpenPage, language: str
) -> None:
    """Which of two currencies a name ends with is a fact."""
    names = """
    const names = [...nodes("board", "name"), ...nodes("quote", "name")];
    const isCut = ({ scrollWidth, clientWidth }) => scrollWidth > clientWidth;
    const isMarked = (node) => getComputedStyle(node).textOverflow === "ellipsis";
    return [names.some(isCut), names.every((each) => each.scrollHeight <= each.clientHeight + 1
      && (isMarked(each) || !isCut(each)))];
    """
    symbols = ' symbols="USD/KGS USD/KZT USD/TJS USD/TMT"'
    lines = ELEMENTS.replace("{0}", symbols).replace("USD/KZT", "USD/TMT", 1)
    async with open_page("chromium", width=1100, height=900) as page:
        seen = []
        for width in (1100, 1000, 700, 360, 320):
            await page.resize(width, 900)
            await page.open(room.page(article(line=lines, html=f'lang="{language}"')))
            seen.append(await see(page, WITHIN + names))

        assert [is_shown for _, is_shown in seen] == [True] * 5
        assert any(is_cut for is_cut, _ in seen)
