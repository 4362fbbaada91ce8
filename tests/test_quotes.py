"""`<currency-quote>`: one rate in a box or in a sentence, as readers see and hear it; in three engines."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from browsers import EACH_ENGINE, ChromiumPage, Page
from newsroom import Newsroom
from reader import article, look, nothing_was_wrong, quote, saying
from reader import few_pages as few_pages
from test_accessible import LANGUAGES, audit
from test_outage import COUNTERS, at_rest, counted, shift_of
from test_page import charted

from ticker import assets
from ticker.embedded import EmbeddedServer

if TYPE_CHECKING:
    from tests.conftest import OpenPage

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="room")
async def _room(redis_server: EmbeddedServer) -> AsyncIterator[Newsroom]:
    async with charted(redis_server) as room:
        yield room


SCRIPT = '<script async src="{server}/board.js"></script>'
BOX = '<currency-quote symbol="KGS" style="display:block;min-height:232px"{0}></currency-quote>' + SCRIPT
INLINE = '<currency-quote symbol="KGS" format="inline"{0}></currency-quote>'
SENTENCE = f"<p>The som stood at {INLINE} on Friday, and nobody was surprised.</p>{SCRIPT}"

HANDS = r"""
const element = (index = 0) =>
  document.querySelectorAll("currency-quote, currency-converter, currency-board")[index];
const bits = (selector, index) => [...(element(index)?.shadowRoot?.querySelectorAll(selector) ?? [])];
const bit = (name, index) => bits(`[part~=${name}]`, index)[0];
const says = (name, index) => plain(bit(name, index)?.innerText ?? "").trim();
const filled = (index) => until(() => /\d/.test(says("price", index)));
"""


async def see(page: Page, script: str, *arguments: object) -> Any:
    """What the body of an async function returns that has the words of EYES and HANDS."""
    return await look(page, HANDS + script, *arguments)


TELLS = """
const [index = 0] = arguments;
await filled(index);
return ["symbol", "name", "price", "change", "date", "state", "foot"].map((name) => says(name, index));
"""


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_a_box_tells_all_of_a_quote(room: Newsroom, open_page: OpenPage, engine: str) -> None:
    async with open_page(engine, height=900) as page:
        lines = "".join(f'<currency-quote symbol="{each}"></currency-quote>' for each in ("usd-kzt", "TMT"))
        await page.open(room.page(article(line=BOX + lines)))

        som = ["KGS/USD", "Kyrgyz som", "0.01144", "0%", "May 22, 2026", "up to date", "Source: NBKR"]
        assert await see(page, TELLS) == som
        tenge = ["USD/KZT", "US dollar / Kazakh tenge", "525.30", "-0.44%", "May 22, 2026", "up to date"]
        assert await see(page, TELLS, 1) == [*tenge, "Source: NBK"]
        manat = ["TMT/USD", "Turkmen manat", "0.28571", "0%", "Jan 1, 2015", "fixed rate", ""]
        assert await see(page, TELLS, 2) == manat
        assert await see(page, "return bit('price').querySelector('bdi').title") == "0.01143510577"
        await nothing_was_wrong(page)


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_a_sentence_keeps_its_look_and_its_lines(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    style = "p { color: #306; background: #fed; font: italic 19px/31px serif; margin: 0; width: 60em }"
    plain = "<p>The som stood at 0.01144 0% on Friday, and nobody was surprised.</p>"
    async with open_page(engine, height=600) as page:
        await page.open(room.page(article(line=plain + SENTENCE, style=f"}} {style} body {{")))
        seen = await see(
            page,
            """
            await filled();
            const [before, after] = document.querySelectorAll("p");
            const inside = getComputedStyle(bit("price"));
            const around = getComputedStyle(after);
            const names = ["color", "fontSize", "fontStyle", "fontFamily", "lineHeight"];
            return {
              text: plain(bit("row").innerText),
              same: names.filter((name) => inside[name] !== around[name]),
              grounds: [element(), bit("inline"), bit("row"), bit("price")].map(
                (node) => getComputedStyle(node).backgroundColor),
              heights: [before, after].map((each) => each.offsetHeight),
              title: plain(bit("row").title),
            };
            """,
        )

        assert seen["text"].split() == ["0.01144", "0%"]
        assert seen["same"] == []
        assert set(seen["grounds"]) == {"rgba(0, 0, 0, 0)"}
        assert seen["heights"] == [31, 31]
        assert seen["title"] == "KGS/USD = 0.01143510577\nNBKR, May 22, 2026"
        await nothing_was_wrong(page)


async def test_what_is_copied_from_a_sentence_has_blanks(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium") as page:
        await page.open(room.page(article(line=SENTENCE)))
        copied = "await filled(); return bits('[part~=row]')[0].innerText.trim()"

        assert await see(page, copied) == "0.01144 0%"


async def test_a_page_that_indents_its_paragraphs_indents_nothing_in_them(
    room: Newsroom, open_page: OpenPage
) -> None:
    async with open_page("chromium") as page:
        gaps = []
        for style in ("", "text-indent: 40px"):
            await page.open(room.page(article(line=SENTENCE.replace("<p", f'<p style="{style}"', 1))))
            gap = """
                await filled();
                const box = (name) => {
                  const range = document.createRange();
                  range.selectNodeContents(bit(name));
                  return range.getBoundingClientRect();
                };
                return Math.round(box("change").left - box("price").right);
                """
            gaps.append(await see(page, gap))

        assert gaps[0] == gaps[1]


async def test_a_page_can_leave_the_change_out_of_a_sentence(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium") as page:
        rule = "<style>currency-quote[format=inline]::part(change) { display: none }</style>"
        await page.open(room.page(article(line=SENTENCE.replace("<p", rule + "<p", 1))))
        widths = "element().offsetWidth, bit('price').offsetWidth"
        text, width, price = await see(
            page, f"await filled(); return [bit('row').innerText.trim(), {widths}]"
        )

        assert text == "0.01144"
        # What is left is a blank.
        assert 0 <= width - price < 8


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_a_chart_is_drawn_if_it_is_wanted(room: Newsroom, open_page: OpenPage, engine: str) -> None:
    async with open_page(engine, height=600) as page:
        drawn = (
            "await until(() => bit('picture')?.querySelector('path[d^=M]')); const chart = bit('picture');"
        )
        await page.open(room.page(article("sparkline", line=BOX)))
        label = await see(page, drawn + "return chart.ariaLabel ?? chart.getAttribute('aria-label')")
        assert label.startswith("30 days: from 0.01163 on Apr 23, 2026 to 0.01144 on May 22, 2026; lowest")

        await page.open(room.page(article("sparkline", line=SENTENCE)))
        em = await see(
            page, drawn + "const { width, height } = chart.getBoundingClientRect(); return [width, height]"
        )
        # And three pixels for the dot at its end.
        assert em == [64 + 3, 16]
        await see(page, "element().sparkline = false; await until(() => !bit('picture'))")
        await nothing_was_wrong(page)


async def test_every_property_gives_what_counts(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium") as page:
        attributes = 'digits="3" sparkline format="inline" theme="dark"'
        await page.open(room.page(article(attributes, line=BOX + "<currency-quote></currency-quote>")))
        given = "const { symbol, format, sparkline, digits, theme, locale } = element(arguments[0]);"
        given += "await filled(); return { symbol, format, sparkline, digits, theme, locale }"

        assert await see(page, given, 0) == {
            **{"symbol": "KGS", "format": "inline", "sparkline": True},
            **{"digits": 3, "theme": "dark", "locale": ""},
        }
        assert (await see(page, "await filled(); return says('price')")) == "0.011"
        bare = await see(page, given.replace("await filled();", ""), 1)
        assert bare == {
            **{"symbol": "", "format": "box", "sparkline": False},
            **{"digits": None, "theme": "auto", "locale": ""},
        }


@pytest.mark.parametrize("attributes", ['symbol=""', 'symbol="123"', 'symbol="EUR"'])
async def test_a_symbol_that_nobody_serves_is_told(
    room: Newsroom, open_page: OpenPage, attributes: str
) -> None:
    async with open_page("chromium", height=600) as page:
        line = f"<currency-quote {attributes}></currency-quote><currency-quote {attributes}></currency-quote>"
        await page.open(room.page(article(line=line + SCRIPT)))
        await see(page, "await until(() => [0, 1].every((index) => says('price', index) === 'no data'))")

        assert await see(page, "return says('state')") == "no data"
        served = [each for each in await page.run("return wrongs") if "is not served" in each]
        assert len(served) == 1


# Nothing moves.


AFTER = """
const range = document.createRange();
return [...document.querySelectorAll("p")].flatMap((paragraph) => {
  range.selectNodeContents(paragraph.lastChild);
  const { left, top } = range.getBoundingClientRect();
  return [left, top];
});
"""


@pytest.mark.slow
@pytest.mark.parametrize("line", [BOX, SENTENCE])
async def test_no_quote_shifts_the_page(room: Newsroom, open_page: OpenPage, line: str) -> None:
    below = "<p>What stands below.</p>"
    statuses = ("live", "stale", "unconfirmed", "fallback")
    async with open_page("chromium", height=900) as page:
        await page.open(room.page(article("sparkline", line=line.replace("{0}", "{0} lang=en") + below)))
        await see(page, "await until(() => bit('picture')?.querySelector('path[d^=M]'))")
        # What stands where is known from here on.
        start = await see(page, AFTER)
        begun = await shift_of(page)
        for inverse, status in zip(("87.99", "88.9910", "80.1", "87.4500"), statuses, strict=True):
            async with saying(room, quote("KGS", inverse, "87.4500", status=status)):
                await see(page, "await until(() => bit('row').innerText.includes(arguments[0]))", "0.01")
                await asyncio.sleep(1.2)
        # Chromium counts the dot of the chart, which follows the rate.
        assert await shift_of(page) - begun < 1e-5
        # A sentence makes room for the first figure, and then never again.
        assert line is not BOX or not begun
        assert await see(page, AFTER) == pytest.approx(start, abs=0.5)


@pytest.mark.parametrize("width", [200, 390])
@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_a_box_fits_into_a_narrow_place(
    room: Newsroom, open_page: OpenPage, engine: str, width: int
) -> None:
    async with open_page(engine, width=640, height=900) as page:
        uzs = '<currency-quote symbol="UZS" sparkline></currency-quote>'
        dollars = '<currency-quote symbol="USD/UZS" locale="ru" style="display:block"></currency-quote>'
        line = f'<div style="width:{width}px">{uzs}{dollars}</div>{SCRIPT}'
        await page.open(room.page(article(line=line)))
        cut = await see(
            page,
            """
            await filled(0); await filled(1);
            return [0, 1].flatMap((index) => bits("*", index).filter((node) => {
              const box = node.getBoundingClientRect();
              const { overflowY, textOverflow } = getComputedStyle(node);
              // A name may be longer than the place, and then shows it.
              return box.right > arguments[0] + 0.5
                || (node.scrollWidth > node.clientWidth + 1 && textOverflow !== "ellipsis")
                || (node.scrollHeight > node.clientHeight + 1 && overflowY === "hidden");
            }).filter((node) => getComputedStyle(node).display !== "inline" && !node.closest("svg"))
              .map((node) => `${node.localName}.${node.className}`));
            """,
            width,
        )

        assert cut == []


EMBEDDING = " ".join((Path(__file__).parents[1] / "ticker/docs/embedding.md").read_text("utf-8").split())


async def test_the_heights_that_are_documented_are_what_the_elements_take(
    room: Newsroom, open_page: OpenPage
) -> None:
    told = [
        r"a box is (\d+) px high",
        r"high, and (\d+) px with a chart",
        r"<currency-converter [^>]*min-height:(\d+)px",
        r"two columns and needs only (\d+) px",
    ]
    lines = '<currency-quote symbol="KGS"></currency-quote>'
    lines += '<currency-quote symbol="KGS" sparkline></currency-quote>'
    lines += '<currency-converter to="KGS" style="width:33.9em"></currency-converter>'
    lines += '<currency-converter to="KGS" style="width:34em"></currency-converter>'
    async with open_page("chromium", width=1000, height=1400) as page:
        await page.open(room.page(article(line=lines + SCRIPT)))
        heights = """
          await filled(0); await filled(1);
          for (const each of [2, 3]) await until(() => /\\d/.test(says("sum", each)));
          return [0, 1, 2, 3].map((each) => Math.ceil(element(each).getBoundingClientRect().height));
        """
        assert await see(page, heights) == [int(re.findall(each, EMBEDDING)[0]) for each in told]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_width_that_is_documented_is_enough_in_a_sentence(
    room: Newsroom, open_page: OpenPage, language: str
) -> None:
    rule = r"calc\((\d+)ch \+ 1em\)\"`\. The \1 are the characters of a price such as `(.*?)`, and (\d+) more"
    [(width, price, more)] = re.findall(rule, EMBEDDING)
    assert int(width) == len(price) + int(more)
    symbols = ["KGS", "KZT", "TJS", "UZS", "TMT", "USD/KGS", "USD/KZT", "USD/TJS", "USD/UZS"]
    lines = "".join(f'<currency-quote symbol="{each}" format="inline"></currency-quote> ' for each in symbols)
    async with open_page("chromium", width=1000) as page:
        await page.open(room.page(article(line=lines + SCRIPT, html=f'lang="{language}"')))
        lacking = """
          const [count, more] = arguments;
          const lacking = [];
          for (let each = 0; each < count; each++) {
            await filled(each);
            const node = element(each);
            node.style.display = "inline-block";
            const taken = node.getBoundingClientRect().width;
            const place = document.createElement("span");
            const characters = says("price", each).length + more;
            place.style.cssText = `display:inline-block;width:calc(${characters}ch + 1em)`;
            node.after(place);
            const room = place.getBoundingClientRect().width;
            place.remove();
            if (taken > room) lacking.push([node.getAttribute("symbol"), taken, room]);
          }
          return lacking;
        """
        assert await see(page, lacking, len(symbols), int(more)) == []


# Readers of all kinds.


@pytest.mark.parametrize("language", LANGUAGES)
async def test_both_forms_speak_the_language_of_the_page(
    room: Newsroom, open_page: OpenPage, language: str
) -> None:
    words = assets.board_words(language) | assets.labels(language)
    async with (
        saying(room, quote("KGS", "87.4500", "87.4500", status="stale")),
        open_page("chromium") as page,
    ):
        await page.open(room.page(article(line=BOX + INLINE, html=f'lang="{language}"')))
        await see(page, "await filled(0); await filled(1)")

        assert await see(page, "return says('state')") == words["stale"]
        assert await see(page, "return says('foot')") == f"{words['source']}: NBKR"
        title = await see(page, "return plain(bit('row', 1).title)")
        assert title.endswith(f", {words['stale']}")
        assert await see(page, "return bit('mark', 1).title") == words["stale"]
        assert await see(page, "return bit('mark', 1).checkVisibility()") is True
        assert await see(page, "return says('name')") == assets.names(language)["KGS"]


STATES: dict[str, tuple[str, dict[str, Any]]] = {
    "light": ("", {}),
    "dark": ('theme="dark"', {}),
    "a dark scheme": ("", {"color_scheme": "dark"}),
    "forced colours": ("", {"forced_colors": "active"}),
    "a chart": ("sparkline", {}),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("status", ["live", "stale", "pegged"])
async def test_axe_finds_nothing_in_a_box_or_a_sentence(
    room: Newsroom, open_page: OpenPage, state: str, status: str
) -> None:
    attributes, options = STATES[state]
    whole = "<header>The Daily</header><main><h1>News</h1>{line}<p>Text of an article.</p></main>"
    async with (
        saying(room, quote("KGS", "87.4500", "87.3", status=status)),
        open_page("chromium", height=700, **options) as page,
    ):
        # A sentence of a light page is not dark.
        sentence = SENTENCE if "dark" not in attributes else '<currency-quote symbol="TJS"></currency-quote>'
        await page.open(room.page(article(attributes, line=BOX + sentence, body=whole)))
        await see(page, "await filled(0)")
        await see(page, "await filled(1)")
        if "sparkline" in attributes:
            await see(page, "await until(() => bit('picture').querySelector('path[d^=M]'))")
        await audit(page)
        await nothing_was_wrong(page)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["firefox", "webkit"])
async def test_axe_finds_nothing_in_other_engines(room: Newsroom, open_page: OpenPage, engine: str) -> None:
    whole = "<header>The Daily</header><main><h1>News</h1>{line}<p>Text of an article.</p></main>"
    async with open_page(engine, height=700) as page:
        await page.open(room.page(article("sparkline", line=BOX + SENTENCE, body=whole)))
        await see(page, "await filled(0); await filled(1)")
        await see(page, "await until(() => bit('picture').querySelector('path[d^=M]'))")
        await audit(page)
        await nothing_was_wrong(page)


def said(nodes: dict[str, Any], node: dict[str, Any]) -> list[str]:
    """The texts below a node of the accessibility tree, in order."""
    if node["role"]["value"] == "StaticText" and not node["ignored"]:
        return [node["name"]["value"]]
    return [text for child in node.get("childIds", ()) for text in said(nodes, nodes[child])]


async def test_a_screen_reader_meets_price_change_and_status_in_a_sentence(
    room: Newsroom, open_page: OpenPage
) -> None:
    async with (
        saying(room, quote("KGS", "87.4500", "87.3", status="stale")),
        open_page("chromium") as page,
    ):
        await page.open(room.page(article(line=SENTENCE)))
        await see(page, "await filled()")
        assert isinstance(page, ChromiumPage)
        nodes = {each["nodeId"]: each for each in (await page.cdp("Accessibility.getFullAXTree"))["nodes"]}
        [root] = [each for each in nodes.values() if "parentId" not in each]
        heard = [each.strip() for each in said(nodes, root)]

        begin = next(place for place, text in enumerate(heard) if text.startswith("The som stood"))
        sentence = " ".join(text for text in heard[begin : begin + 5] if text)
        expected = r"The som stood at 0\.01144 outdated -0\.17% on Friday, and nobody was surprised\."
        assert re.fullmatch(expected, sentence), sentence


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_a_page_from_right_to_left_has_the_figures_in_order(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    async with open_page(engine, height=600) as page:
        await page.open(
            room.page(article(line=BOX + "<p>השער " + INLINE + " היום", html='lang="en" dir="rtl"'))
        )
        ordered = await see(
            page,
            """
            await filled(0); await filled(1);
            const [symbol, around] = [bit("symbol"), element()].map((node) => node.getBoundingClientRect());
            const [price, change] = ["price", "change"].map((name) => bit(name, 1).getBoundingClientRect());
            return [symbol.right <= around.right, bit("price").textContent.trim(), price.left > change.left];
            """,
        )

        assert ordered == [True, "0.01144", True]


async def test_late_quotes_are_stale_without_a_word_from_the_server(
    room: Newsroom, open_page: OpenPage
) -> None:
    due = datetime.now(UTC) + timedelta(seconds=5)
    async with saying(room, quote("KGS", "87.4500", due_at=due)), open_page("chromium", height=600) as page:
        await page.open(room.page(article(line=BOX + SENTENCE)))
        await see(page, "await filled(0); await filled(1)")
        await see(page, "await until(() => says('state') === 'outdated', 60)")
        await see(page, "await until(() => bit('mark', 1).dataset.status === 'stale', 60)")


@pytest.mark.slow
@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_an_outage_is_told_and_moves_nothing(
    redis_server: EmbeddedServer, open_page: OpenPage, engine: str
) -> None:
    """Where the source and the word for it have no room in one line, too."""
    others = '<currency-quote symbol="TJS" lang="ru"></currency-quote><p>What stands below.</p>'
    others += (
        '<currency-converter to="TJS" lang="kk" style="width:230px"></currency-converter><p>It, too.</p>'
    )
    long = quote("TJS", "10.9513", source="nbt")
    async with (
        charted(redis_server) as room,
        saying(room, long),
        open_page(engine, height=1200) as page,
    ):
        await page.open(room.page(article(line=BOX + SENTENCE + others)))
        await see(page, "for (const each of [0, 1, 2]) await filled(each)")
        await see(page, "await until(() => /nbt/.test(says('foot', 3)))")
        places = """return [0, 1, 2, 3].flatMap((each) => bits("*", each))
          .concat(...document.querySelectorAll("p"))
          .filter((node) => !/^(mark|status)$/.test(node.className) && node.checkVisibility())
          .map((node) => node.getBoundingClientRect()).map(({ y, height }) => [y, height])"""
        before = await see(page, places)
        await room.server.kill()
        await see(page, "await until(() => element().state === 'offline', 90)")
        await see(page, "await until(() => bit('mark', 1).dataset.status === 'offline', 30)")

        assert await see(page, "return says('status')") == "offline"
        assert await see(page, "return bit('mark', 1).title") == "offline"
        assert (await see(page, "return bit('row', 1).title")).endswith("offline")
        assert await see(page, "return says('price')") == "0.01144"
        assert await see(page, places) == before
        # The word is at the end of the source's line, or else in the room below it.
        words = """return [0, 2, 3].map((each) => {
          const [word, source, frame] = ["status", "attribution", "frame"].map((name) => bit(name, each));
          const told = document.createRange();
          told.selectNodeContents(word);
          const [one, other, around] = [told, source, frame].map((node) => node.getBoundingClientRect());
          return [one.bottom <= around.bottom && one.right <= around.right,
            one.left >= other.right || one.top >= other.bottom - 6];
        })"""
        assert await see(page, words) == [[True, True]] * 3


# The page around it.


@pytest.mark.parametrize("format", ["box", "inline"])
async def test_a_click_is_told_to_the_page(room: Newsroom, open_page: OpenPage, format: str) -> None:
    async with open_page("chromium", height=600) as page:
        await page.open(room.page(article(f'format="{format}"', line=BOX)))
        told = await see(
            page,
            """
            const told = [];
            for (const type of ["ticker-quote", "ticker-select"]) {
              document.addEventListener(type, ({ detail }) => told.push(`${type} ${detail.symbol}`));
            }
            await filled();
            bit("price").click();
            return told.filter((each) => each.includes("select"));
            """,
        )

        assert told == ["ticker-select KGS/USD"]


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_ten_elements_of_all_kinds_share_one_connection(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    async with open_page(engine, height=900) as page:
        joined = "ticker_subscribers_joined_total"
        before = await room.server.count(joined)
        others = "<currency-board></currency-board>" * 2 + "<currency-converter></currency-converter>" * 2
        lines = "<currency-ticker></currency-ticker>{embed}"
        quotes = INLINE.replace("{0}", "") * 2 + '<currency-quote symbol="KZT"></currency-quote>' * 2
        await page.open(room.page(article(line=BOX + quotes + others + lines)))
        await see(page, "for (const index of [0, 1, 2, 3, 4]) await filled(index)")
        await see(page, "await until(() => [7, 8].every((index) => says('sum', index) === '8,745.00 KGS'))")
        await see(page, "await until(() => items().length === 5)")

        assert await room.server.count(joined) == before + 1
        await nothing_was_wrong(page)
        await page.open("about:blank")


async def test_a_strict_policy_breaks_nothing(room: Newsroom, open_page: OpenPage) -> None:
    server = room.server.url
    rules = f"default-src 'none'; script-src {server} 'unsafe-inline' {room.site.url}"
    rules += "; require-trusted-types-for 'script'"
    rules += f"; connect-src {server} {server.replace('http', 'ws')}"
    async with open_page("chromium", height=900) as page:
        line = '<currency-quote symbol="KGS" sparkline></currency-quote>' + INLINE.replace("{0}", "") + SCRIPT
        html = article(line=line + "<currency-converter></currency-converter>")
        await page.open(
            room.page(re.sub("<style>.*?</style>", "", html), headers={"Content-Security-Policy": rules})
        )
        await see(page, "await filled(0); await filled(1); await until(() => says('sum', 2))")
        await see(page, "await until(() => bit('picture').querySelector('path[d^=M]'))")

        assert await see(page, "return getComputedStyle(bit('price').parentElement).display") == "block"
        await nothing_was_wrong(page)


CYCLE = """
const [count] = arguments;
for (let turn = 0; turn < count; turn++) {
  const nodes = ["currency-quote", "currency-converter"].map((name) => document.createElement(name));
  nodes[0].symbol = "KGS";
  nodes[0].sparkline = true;
  document.body.append(...nodes);
  await until(() => nodes.every((node) => /\\d{3}/.test(node.shadowRoot.textContent)));
  for (const node of nodes) node.remove();
}
"""


async def test_elements_that_came_and_went_leave_nothing(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium") as page:
        assert isinstance(page, ChromiumPage)
        await page.open(room.page(article(line=INLINE.replace("{0}", "") + SCRIPT)))
        await see(page, "await filled()")
        first = await counted(page)
        await see(page, CYCLE, 20)
        before = await at_rest(page, first)
        await see(page, CYCLE, 60)
        after = await at_rest(page, first)

        assert {name: after[name] for name in COUNTERS if after[name] > before[name]} == {}
        assert after["bytes"] < before["bytes"] + 200_000


async def test_where_no_words_can_be_had_the_figures_are_shown(room: Newsroom, open_page: OpenPage) -> None:
    async with room.front("/v1/labels/en.json") as front, open_page("chromium", height=700) as page:
        src = f'src="{front.url}"'
        line = BOX + f'<currency-quote symbol="KGS" format="inline" {src}></currency-quote>'
        await page.open(
            room.page(article(src, line=line + f"<currency-converter {src}></currency-converter>"))
        )
        await see(
            page, "await filled(0); await filled(1); await until(() => says('sum', 2) === '8,745.00 KGS')"
        )

        assert await see(page, "return says('foot')") == "Source: NBKR"
        text = await see(
            page, "return [0, 1, 2].map((index) => element(index).shadowRoot.textContent).join()"
        )
        assert "undefined" not in text


# Where there is little room, and where a quote is gone.


@pytest.mark.parametrize("engine", EACH_ENGINE)
@pytest.mark.parametrize("symbol", ["USD/UZS", "UZS/USD", "KGS/USD"])
async def test_no_digit_is_cut_off_in_a_narrow_place(
    room: Newsroom, open_page: OpenPage, engine: str, symbol: str
) -> None:
    boxes = "".join(
        f'<div style="width:{width}px"><currency-quote symbol="{symbol}" {digits}></currency-quote></div>'
        for width in (110, 150, 200)
        for digits in ("", "digits=12")
    )
    async with open_page(engine, height=900) as page:
        await page.open(room.page(article(line=boxes + SCRIPT)))
        cut = await see(
            page,
            """
            const boxes = [...document.querySelectorAll("currency-quote")];
            for (const index of boxes.keys()) await filled(index);
            const isWhole = (index) => {
              const price = bit("price", index).querySelector("bdi");
              const text = document.createRange();
              text.selectNodeContents(price);
              return whole(text.getBoundingClientRect(), bit("frame", index).getBoundingClientRect());
            };
            return [...boxes.keys()].filter((index) => !isWhole(index));
            """,
        )
        assert cut == []
        await nothing_was_wrong(page)


async def test_a_page_whose_text_does_not_wrap_lets_a_box_wrap(room: Newsroom, open_page: OpenPage) -> None:
    line = f'<div style="white-space:nowrap;width:300px">{BOX}<currency-converter></currency-converter></div>'
    async with open_page("chromium", height=900) as page:
        await page.open(room.page(article(line=line)))
        await see(page, "await filled(); await until(() => /KGS/.test(says('sum', 1)))")

        await see(page, "bit('input', 1).value = '9'.repeat(25); bit('frame', 1).oninput()")
        text = "const text = document.createRange(); text.selectNodeContents(bit('sum', 1));"
        inside = "whole(text.getBoundingClientRect(), bit('frame', 1).getBoundingClientRect())"
        assert await see(page, f"{text} return {inside}") is True


FOUND_BY_READERS = [
    (element, style)
    for element in ("quote", "board", "ticker")
    for style in (
        "display:contents",
        "position:absolute;left:-9999px",
        "position:absolute;width:1px;height:1px",
    )
    if element != "ticker" or "9999" not in style  # the line stands while it is out of sight
]


@pytest.mark.parametrize(("element", "style"), FOUND_BY_READERS)
async def test_what_only_screen_readers_find_is_kept_up_to_date(
    room: Newsroom, open_page: OpenPage, element: str, style: str
) -> None:
    line = (
        f'<div style="{style}"><currency-{element} symbol="KGS" symbols="KGS"></currency-{element}></div>'
        if "contents" not in style
        else f'<currency-{element} symbol="KGS" symbols="KGS" style="{style}"></currency-{element}>'
    )
    scripts = SCRIPT + '<script async src="{server}/ticker.js?define"></script>'
    async with open_page("chromium", height=700) as page:
        await page.open(room.page(article(line=line + scripts)))
        text = "return document.querySelector(':state(live)')?.shadowRoot.textContent ?? ''"
        await look(page, f"await until(() => (() => {{ {text} }})().includes('0.01144')); await moment(3000)")
        async with saying(room, quote("KGS", "80.0000", "87.4500")):
            await look(page, f"await until(() => (() => {{ {text} }})().includes('0.0125'))")


@pytest.mark.slow
@pytest.mark.parametrize("element", ["quote", "quote inline", "board"])
async def test_nothing_of_a_quote_stays_when_it_is_no_longer_served(
    redis_server: EmbeddedServer, open_page: OpenPage, element: str
) -> None:
    tag, _, format_ = element.partition(" ")
    attributes = f'symbol="KGS" symbols="KGS KZT" sparkline format="{format_ or "box"}"'
    line = f"<currency-{tag} {attributes}></currency-{tag}>{SCRIPT}"
    async with charted(redis_server) as room, open_page("chromium", height=700) as page:
        await page.open(room.page(article(line=line)))
        await see(page, "await filled(); await until(() => bits('path[d^=M]').length)")
        await room.server.stop()
        room.server.serve("KZT")
        await room.server.start()
        await see(page, "await until(() => says('price') === 'no data', 60)")

        row = await see(page, "return plain(bit('row').textContent).replace(/\\s+/g, ' ')")
        assert not re.search(r"\d", re.sub("30 days", "", row)), row
        drawn = "return bit('row').querySelectorAll('path[d^=M]').length"
        assert await see(page, drawn) == 0


@pytest.mark.slow
async def test_offline_hides_neither_the_status_nor_who_has_fixed_a_rate(
    redis_server: EmbeddedServer, open_page: OpenPage
) -> None:
    lines = '<currency-quote symbol="TMT" format="inline"></currency-quote>' + INLINE
    async with charted(redis_server) as room, open_page("chromium", height=600) as page:
        await room.say(quote("KGS", "87.4500", "87.4500", status="unconfirmed"))
        await page.open(room.page(article(line=lines + SCRIPT)))
        await see(page, "await filled(0); await filled(1)")
        await room.server.kill()
        await see(page, "await until(() => bit('mark').dataset.status === 'offline', 90); await moment(1500)")

        titles = [await see(page, f"return bit('row', {index}).title") for index in (0, 1)]
        assert titles[0].split("\n")[1:] == ["the state, Jan 1, 2015, fixed rate", "offline"]
        assert titles[1].split("\n")[1:] == ["NBKR, May 22, 2026, unconfirmed", "offline"]


async def test_a_peg_of_a_demo_says_so(room: Newsroom, open_page: OpenPage) -> None:
    peg = quote("TMT", "3.5", "3.5", source="demo:peg", status="pegged", as_of=date(2015, 1, 1))
    async with saying(room, peg), open_page("chromium", height=600) as page:
        await page.open(
            room.page(article(line='<currency-quote symbol="TMT" format="inline"></currency-quote>' + SCRIPT))
        )
        await see(page, "await filled(); await until(() => bit('row').title.includes('demo'))")

        assert (await see(page, "return bit('row').title")).split("\n")[
            1
        ] == "demo:the state, Jan 1, 2015, fixed rate"


@pytest.mark.slow
async def test_names_that_could_not_be_had_come_later(room: Newsroom, open_page: OpenPage) -> None:
    line = BOX + '<currency-board symbols="KGS"></currency-board>'
    async with open_page("chromium", height=900) as page:
        assert isinstance(page, ChromiumPage)
        refused: list[str] = []

        async def refuse(route: Any) -> None:
            refused.append(route.request.url)
            await route.fulfill(status=500) if len(refused) < 2 else await route.continue_()

        await page.tab.route("**/v1/names/*", refuse)
        await page.open(room.page(article(line=line)))
        await see(page, "await filled(0); await filled(1)")
        assert await see(page, "return says('name')") == "KGS"
        await see(page, "await moment(5500)")
        async with saying(room, quote("KGS", "80.0000", "87.4500")):
            await see(
                page, "await until(() => says('name') === 'Kyrgyz som' && says('name', 1) === 'Kyrgyz som')"
            )


async def test_another_server_is_asked_for_all_anew(room: Newsroom, open_page: OpenPage) -> None:
    """A server that does not answer has no quotes; those of the one before do not stand for its own."""
    async with open_page("chromium", height=600) as page:
        await page.open(room.page(article("sparkline", line=BOX)))
        await see(page, "await filled(); await until(() => bits('path[d^=M]').length)")
        await see(page, "element().src = 'http://127.0.0.1:9'; await until(() => !/\\d/.test(says('price')))")

        assert await see(page, "return [says('state'), bits('path[d^=M]').length]") == ["", 0]
        async with room.front() as front:
            await see(page, "element().src = arguments[0]; await filled()", front.url)
            await see(page, "await until(() => bits('path[d^=M]').length)")
            assert any("/v1/history/" in each for each in front.asked)


async def test_a_figure_that_the_page_has_is_shown_until_the_script_has_come(
    room: Newsroom, open_page: OpenPage
) -> None:
    text = "return plain(document.querySelector('.fact').innerText)"
    async with open_page("chromium", height=600) as page:
        fact = f'<p class="fact">A som costs {INLINE.replace("></", ">0.0111</")} dollars.</p>'
        await page.open(room.page(article(line=fact)))
        assert await look(page, text) == "A som costs 0.0111 dollars."
        script = "document.head.append(Object.assign(document.createElement('script'), arguments[0]))"
        await look(page, script, {"src": f"{room.server.url}/board.js"})
        await see(page, "await filled()")

        # It has none of what is in the shadow tree.
        assert await look(page, text) == "A som costs dollars."
        assert await see(page, "return says('price')") == "0.01144"
