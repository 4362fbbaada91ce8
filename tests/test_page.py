"""The page of the service: the board, the charts, and the builder that gives a site its line."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from browsers import ChromiumPage
from newsroom import Newsroom
from playwright.async_api import Page
from reader import FIVE_TEXTS, five, quote, staffed

from ticker.embedded import EmbeddedServer
from ticker.rates.model import Announcement, Fixing, Pair, Rate

if TYPE_CHECKING:
    from tests.conftest import OpenPage

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

AXE = Path(__file__).parents[1] / "widget/node_modules/axe-core/axe.min.js"
FIRST = date(2026, 4, 23)
"""The first of the thirty days before the quotes of `five`."""
WIDTHS = (320, 360, 639, 640, 768, 1079, 1080, 1280)

# What a reader's browser complains of, and what it moved without being asked.
WATCH = """
window.violations = [];
window.shifts = [];
document.addEventListener('securitypolicyviolation', event =>
  violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`));
new PerformanceObserver(list => {
  for (const { hadRecentInput, value, sources } of list.getEntries()) {
    const told = ({ node, previousRect: from, currentRect: to }) =>
      `${node?.nodeName}.${node?.className}#${node?.id} ${[from.x, from.y, to.x, to.y]}`;
    if (!hadRecentInput) shifts.push(`${value} ${sources.map(told)}`);
  }
}).observe({ type: 'layout-shift', buffered: true });
"""

BOARD = "document.querySelector('#quotes').shadowRoot"
DRAWN = f"{BOARD}?.querySelectorAll('.course[d^=M]').length === 5"
FRESH = f"[...{BOARD}.querySelectorAll('[data-fresh]')].map(text => text.closest('td').part.value)"

ROW = """symbol => Object.fromEntries(
  [...document.querySelector('#quotes').shadowRoot.querySelectorAll(`tr[data-symbol="${symbol}"] > *`)]
    .map(cell => [cell.part.value, cell.innerText.replace(/\\n+/g, ' ').trim()]))"""

# Where every part of the board stands that holds no text of its own.
PLACES = """() => [document, document.querySelector('#quotes').shadowRoot]
  .flatMap(root => [...root.querySelectorAll('h2, tr, th, td, button:not(#copy, [type]), svg')])
  .map(node => node.getBoundingClientRect()).map(({ x, y, width, height }) => [x, y, width, height])"""

# What a finger could not hit, or what stands out of the page at the side.
MISFITS = """() => {
  const found = [];
  if (document.documentElement.scrollWidth > innerWidth) found.push('the page scrolls sideways');
  const parts = document.querySelector('#quotes').shadowRoot.querySelectorAll('*');
  for (const node of [...document.querySelectorAll('main *, header *, footer *'), ...parts]) {
    const box = node.getBoundingClientRect();
    const name = `${node.localName}#${node.id}.${node.className}`;
    const isUnseen = node.closest('.unseen')?.getBoundingClientRect().width <= 1;
    if (!box.width || isUnseen || node.closest('currency-ticker, svg')) continue;
    if (box.right > innerWidth + .5 || box.left < -.5) found.push(`${name} reaches out of the page`);
    const mayScroll = /auto|scroll/.test(getComputedStyle(node).overflowX);
    if (mayScroll && node.scrollWidth > node.clientWidth + 1) found.push(`${name} scrolls sideways`);
    const target = node.matches('input') ? node.closest('label').getBoundingClientRect() : box;
    const isTarget = node.matches('button, select, input, summary, nav a');
    if (isTarget && (target.height < 24 || target.width < 24)) found.push(`${name} is a small target`);
  }
  return found;
}"""

SHOWN = """() => [...(document.querySelector('currency-ticker')?.shadowRoot
  ?.querySelectorAll('[part~=item]') ?? [])].filter(each => !each.closest('[aria-hidden=true]'))
  .map(each => each.textContent)"""

REACHED = """() => (node => node.name || node.id || node.closest('[data-symbol]')?.dataset.symbol
  || node.closest('th')?.className || node.localName)(
    document.activeElement.shadowRoot?.activeElement ?? document.activeElement)"""

AUDIT = """async () => {
  const found = await axe.run(document, { resultTypes: ['violations', 'incomplete'] });
  const told = rules => rules.flatMap(({ id, nodes }) => nodes.map(({ target, any }) =>
    `${id} ${target.flat().join(' ')}: ${any.map(each => each.message)}`));
  return [told(found.violations), told(found.incomplete)];
}"""


@asynccontextmanager
async def charted(redis_server: EmbeddedServer) -> AsyncIterator[Newsroom]:
    """A newsroom whose five quotes have their last thirty days."""
    async with staffed(redis_server, database=2) as room:
        for each in five():
            await room.say(fixings=course(str(each.symbol.base), each.inverse, each.source))
        yield room


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="room")
async def _room(redis_server: EmbeddedServer) -> AsyncIterator[Newsroom]:
    async with charted(redis_server) as room:
        yield room


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _same_quotes(room: Newsroom) -> None:
    """Whatever a test said is unsaid for the next."""
    await room.say(*five())


def course(currency: str, inverse: Decimal, source: str) -> list[Fixing]:
    """Thirty days of a source: a weekly wave of a tenth, that ends at `inverse`."""
    pair = Pair("USD", currency)
    days = [FIRST + timedelta(days=number) for number in range(30)] if source != "peg" else []
    wave = [Decimal(number % 7 - 1) / 60 for number in range(len(days))]
    wave[-1:] = [Decimal(0)] if days else []
    return [
        Fixing(
            symbol=Pair(currency, "USD"),
            legs=(
                Rate(source=source, pair=pair, value=round(inverse * (1 + each), 4), nominal=1, as_of=day),
            ),
        )
        for day, each in zip(days, wave, strict=True)
    ]


@asynccontextmanager
async def opened(
    open_page: OpenPage, room: Newsroom, *, width: int = 1280, height: int = 900, **options: Any
) -> AsyncIterator[Page]:
    """The page with its five rows and their charts; at the end nothing was refused or complained of."""
    async with open_page("chromium", width=width, height=height, **options) as page:
        assert isinstance(page, ChromiumPage)
        await page.preload(WATCH)
        await page.open(f"{room.server.url}/")
        await until(page.tab, DRAWN)
        await until(
            page.tab,
            "document.querySelector('#line').shadowRoot.querySelectorAll('[part~=item]').length >= 5",
        )
        yield page.tab
        assert page.complaints == []
        assert await page.run("return window.violations") == []


async def until(page: Page, expression: str, argument: object = None) -> None:
    """Wait for a fact; playwright's own way would need a policy that lets strings be evaluated."""
    async with asyncio.timeout(20):
        while not await page.evaluate(expression, argument):
            await asyncio.sleep(0.02)


async def row(page: Page, symbol: str) -> dict[str, str]:
    cells: dict[str, str] = await page.evaluate(ROW, symbol)
    return cells


async def snippet(page: Page) -> str:
    return await page.inner_text("#snippet")


# The board.


async def test_every_pair_is_on_the_board_with_all_that_is_known_of_it(
    open_page: OpenPage, room: Newsroom
) -> None:
    tomorrow = Announcement(price=1 / Decimal("525.91"), inverse=Decimal("525.91"), as_of=date(2026, 5, 23))
    await room.say(
        quote("KZT", "525.30", "527.62", source="nbk", next=tomorrow, corrected=True),
        quote("TJS", "9.2850", "9.2440", source="nbt", status="stale"),
    )
    async with opened(open_page, room) as page:
        await until(page, "document.querySelector('#sources li')")

        assert await row(page, "KZT/USD") == {
            "pair": "KZT/USD Kazakh tenge",
            "price": "0.001904",
            "inverse": "525.30",
            "change": "+0.44%",
            "chart": "",
            "source": "NBK",
            "date": "May 22, 2026",
            "state": "up to date, corrected announced: 0.001901 from May 23, 2026",
        }
        assert (await row(page, "TJS/USD"))["state"] == "outdated"
        assert (await row(page, "TMT/USD"))["state"] == "fixed rate"
        symbols = f"[...{BOARD}.querySelectorAll('tr[data-symbol]')].map(row => row.dataset.symbol)"
        assert await page.evaluate(symbols) == [str(each.symbol) for each in five()]


@pytest.mark.parametrize("width", [320, 768, 1280])
async def test_what_changes_is_marked_for_a_moment_and_moves_nothing(
    open_page: OpenPage, room: Newsroom, width: int
) -> None:
    async with opened(open_page, room, width=width) as page:
        before = await page.evaluate(PLACES)
        assert await page.evaluate(FRESH) == []
        tomorrow = Announcement(price=1 / Decimal("13001"), inverse=Decimal("13001"), as_of=date(2026, 5, 23))
        await room.say(
            quote("UZS", "12041.02", "11987.65", source="cbu", next=tomorrow, status="unconfirmed")
        )
        await until(page, f"{FRESH}.length > 0")

        fresh = dict.fromkeys(await page.evaluate(FRESH))
        assert list(fresh) == ["price", "inverse", "change", "state"]
        assert await page.evaluate(PLACES) == before
        await until(page, f"{FRESH}.length === 0")
        assert await page.evaluate(PLACES) == before


async def test_the_board_lives_on_the_connection_of_the_line(open_page: OpenPage, room: Newsroom) -> None:
    async with open_page("chromium") as opened:
        assert isinstance(opened, ChromiumPage)
        sockets: list[str] = []
        asked: list[str] = []
        opened.tab.on("websocket", lambda socket: sockets.append(socket.url))
        opened.tab.on("request", lambda request: asked.append(request.url.removeprefix(room.server.url)))
        await opened.open(f"{room.server.url}/")
        await until(opened.tab, DRAWN)
        await room.say(quote("KGS", "87.9900", "87.4500"))
        await until(opened.tab, f"{BOARD}.querySelector('td[part=inverse]').textContent === '87.99'")
        await opened.tab.check("input[name=invert]")
        await until(
            opened.tab,
            "document.querySelector('#preview currency-ticker').shadowRoot.textContent.includes('USD/KGS')",
        )

        assert len(sockets) == 1
        assert asked.count("/ticker.js") == 1
        # Once more at most, where the stream was much faster than the first answer: for the order.
        assert len([path for path in asked if path.startswith("/v1/quotes")]) <= 2


async def test_an_outage_is_told_in_words_and_moves_nothing(open_page: OpenPage, room: Newsroom) -> None:
    async with opened(open_page, room, width=320) as page:
        before = await page.evaluate(PLACES)
        tell = """state => document.querySelector('#quotes').dispatchEvent(
          new CustomEvent('ticker-status', { detail: { state, message: '' } }))"""
        await page.evaluate(tell, "offline")

        assert "No connection" in await page.inner_text("#connection")
        assert await page.evaluate(PLACES) == before
        await page.evaluate(tell, "live")
        assert await page.inner_text("#connection") == ""


# Charts.


async def test_a_row_opens_to_the_days_that_the_server_has_in_a_picture_in_words_and_in_figures(
    open_page: OpenPage, room: Newsroom
) -> None:
    async with opened(open_page, room) as page:
        answer = await page.request.get(
            f"{room.server.url}/v1/history/KGS/USD?from={FIRST - timedelta(days=1)}"
        )
        fixings = (await answer.json())["fixings"]
        button = page.locator("tr[data-symbol='KGS/USD'] button")
        await button.focus()
        await page.keyboard.press("Enter")

        prices = [Decimal(each["price"]) for each in fixings]
        assert len(prices) == 30
        assert await button.get_attribute("aria-expanded") == "true"
        detail = page.locator("#days-KGS-USD")
        words = await detail.locator("figcaption").inner_text()
        assert re.fullmatch(
            r"KGS/USD, from 0\.01163 on Apr 23, 2026 to 0\.01144 on May 22, 2026; "
            r"lowest (0\.\d+) on [A-Z][a-z]+ \d+, 2026, highest (0\.\d+) on [A-Z][a-z]+ \d+, 2026\.",
            words,
        )
        assert f"lowest {min(prices):.5f} on" in words
        assert f"highest {max(prices):.5f} on" in words
        chart = page.locator("tr[data-symbol='KGS/USD'] [role=img]")
        assert words.removeprefix("KGS/USD, ").rstrip(".") in (await chart.get_attribute("aria-label") or "")
        path = await detail.locator("svg .course").get_attribute("d")
        assert path is not None
        assert len(re.findall("[ML]", path)) == 30
        heights = [float(each) for each in re.findall(r" ([\d.]+)", path)]
        assert heights.index(max(heights)) == prices.index(min(prices))
        assert heights.index(min(heights)) == prices.index(max(prices))
        await detail.locator("summary").click()
        assert await detail.locator("tbody tr").count() == 30
        assert (await detail.locator("tbody tr").first.inner_text()).split("\t") == [
            "May 22, 2026",
            "0.01144",
            "87.45",
        ]
        assert "www.nbkr.kg" in await detail.inner_text()


async def test_a_chart_tells_the_value_under_the_pointer(open_page: OpenPage, room: Newsroom) -> None:
    async with opened(open_page, room) as page:
        await page.click("tr[data-symbol='KGS/USD'] [part=price]")
        reading = page.locator("#days-KGS-USD .reading")
        assert await reading.inner_text() == "May 22, 2026: 0.01144, reverse rate 87.45"
        await page.hover("#days-KGS-USD .box", position={"x": 2, "y": 20})

        assert (await reading.inner_text()).startswith("Apr 23, 2026: 0.01163")


async def test_a_new_day_carries_the_chart_on_without_asking_for_the_old_ones(
    open_page: OpenPage, room: Newsroom
) -> None:
    async with opened(open_page, room) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.click("tr[data-symbol='KGS/USD'] button")
        await room.say(quote("KGS", "85.0000", "87.4500", as_of=date(2026, 5, 23)))
        await until(page, "document.querySelector('#days-KGS-USD figcaption').textContent.includes('May 23')")

        path = await page.get_attribute("#days-KGS-USD svg .course", "d")
        assert path is not None
        assert len(re.findall("[ML]", path)) == 31
        assert path.endswith("100.00 6.00")
        assert [url for url in asked if "history/KGS" in url] == []
        # A day that does not follow from the last one leaves a gap, which only the server can fill.
        await room.say(quote("KGS", "86.0000", "80.0000", as_of=date(2026, 5, 26)))
        await until(page, "document.querySelector('#days-KGS-USD figcaption').textContent.includes('May 26')")
        assert len([url for url in asked if "history/KGS" in url]) == 1


async def test_a_pegged_pair_is_a_flat_line_that_says_so(open_page: OpenPage, room: Newsroom) -> None:
    async with opened(open_page, room) as page:
        await page.click("tr[data-symbol='TMT/USD'] button")
        detail = page.locator("#days-TMT-USD")

        assert "fixed at 0.28571 since Jan 1, 2015" in await detail.inner_text()
        assert await detail.locator("svg .course").get_attribute("d") == "M0 50H100"


# The builder.


CONTROLS: dict[str, tuple[str, str, str]] = {
    "a pair less": ("#pairs input[value='KZT/USD']", "", 'symbols="KGS TJS UZS TMT"'),
    "theme": ("[name=theme]", "dark", 'theme="dark"'),
    "format": ("[name=format]", "names", 'format="names"'),
    "language": ("[name=locale]", "ru", 'locale="ru"'),
    "decimals": ("[name=digits]", "6", 'digits="6"'),
    "speed": ("[name=speed]", "120", 'speed="120"'),
    "direction": ("[name=direction]", "reverse", 'direction="reverse"'),
    "invert": ("[name=invert]", "", "invert"),
    "sparkline": ("[name=sparkline]", "", "sparkline"),
    "static": ("[name=static]", "", "static"),
    "link": ("[name=link]", '/r?a="{base}"&b', 'link="/r?a=&quot;{base}&quot;&amp;b"'),
}


async def use(page: Page, control: str, value: str) -> None:
    """Set one control of the builder; a box is ticked or unticked."""
    field = page.locator(f"#builder {control}")
    kind = await field.evaluate("field => field.type")
    if kind in ("checkbox", "radio"):
        await field.click()
    elif kind == "select-one":
        await field.select_option(value)
    elif kind == "range":
        # Nothing types into a slider.
        await field.evaluate(
            "(field, value) => { field.value = value;"
            " field.dispatchEvent(new Event('input', { bubbles: true })); }",
            value,
        )
    else:
        await field.fill(value)


async def test_the_snippet_without_a_choice_has_nothing_but_what_every_page_needs(
    open_page: OpenPage, room: Newsroom
) -> None:
    async with opened(open_page, room) as page:
        form = page.locator("#builder")
        script, integrity = (
            await form.get_attribute("data-script"),
            await form.get_attribute("data-script-integrity"),
        )
        assert re.fullmatch(r"ticker\.[0-9a-f]+\.js", script or "")
        assert re.fullmatch(r"sha384-[A-Za-z0-9+/]{64}", integrity or "")

        assert await snippet(page) == (
            '<currency-ticker style="display:block;min-height:calc(2.5em + 22px)"><noscript>'
            f'<iframe src="{room.server.url}/v1/line.html" title="Exchange rates" loading="lazy" '
            'style="display:block;width:100%;height:62px;border:0"></iframe></noscript></currency-ticker>\n'
            f'<script async src="{room.server.url}/{script}" integrity="{integrity}" '
            'crossorigin="anonymous"></script>'
        )


async def test_each_control_changes_the_snippet_and_the_preview_and_can_be_taken_back(
    open_page: OpenPage, room: Newsroom
) -> None:
    async with opened(open_page, room) as page:
        plain = await snippet(page)
        for name, (control, value, attribute) in CONTROLS.items():
            await use(page, control, value)
            assert f"<currency-ticker {attribute} style=" in await snippet(page), name
            preview = await page.eval_on_selector("#preview currency-ticker", "node => node.outerHTML")
            assert attribute in preview, name
            await page.click("button[type=reset]")
            await until(page, "plain => document.querySelector('#snippet').textContent === plain", plain)
            preview = await page.eval_on_selector("#preview currency-ticker", "node => node.outerHTML")
            assert attribute not in preview, name


async def test_own_colours_are_custom_properties_and_too_faint_ones_are_told(
    open_page: OpenPage, room: Newsroom
) -> None:
    async with opened(open_page, room) as page:
        await page.check("[name=coloured]")
        await page.fill("[name=background]", "#000000")
        await page.fill("[name=color]", "#222222")

        colours = (
            "--ticker-color:#222222;--ticker-background:#000000;--ticker-up:#08713a;--ticker-down:#b8251c"
        )
        assert f'style="display:block;min-height:calc(2.5em + 22px);{colours}"' in await snippet(page)
        assert await page.inner_text("#contrast") == "Hard to read on this background: Text, Rise, Fall."
        assert (
            await page.eval_on_selector(
                "#preview currency-ticker",
                "node => getComputedStyle(node).getPropertyValue('--ticker-color')",
            )
            == "#222222"
        )
        await page.check("[value=script]")
        assert (await snippet(page)).startswith(f'<div style="{colours}"><script async ')


async def test_the_script_alone_takes_the_same_as_data(open_page: OpenPage, room: Newsroom) -> None:
    async with opened(open_page, room) as page:
        await use(page, "[name=theme]", "dark")
        await use(page, "[name=invert]", "")
        await page.check("[value=script]")
        await page.check("[value=newest]")

        newest = f'<script async src="{room.server.url}/ticker.js" data-theme="dark" data-invert></script>'
        assert await snippet(page) == newest


async def test_a_site_that_allows_no_script_gets_a_frame_or_a_picture(
    open_page: OpenPage, room: Newsroom
) -> None:
    async with opened(open_page, room) as page:
        await use(page, "#pairs input[value='UZS/USD']", "")
        await use(page, "[name=locale]", "ru")
        await use(page, "[name=invert]", "")
        query = "?symbols=KGS,KZT,TJS,TMT&amp;locale=ru&amp;invert=1"
        await page.check("[value=iframe]")

        assert await snippet(page) == (
            f'<iframe src="{room.server.url}/v1/line.html{query}" title="Курсы валют" loading="lazy" '
            'style="display:block;width:100%;height:62px;border:0"></iframe>'
        )
        assert "USD/KGS" in await page.frame_locator("#preview iframe").locator("body").inner_text()
        await page.check("[value=picture]")
        svg = f"{room.server.url}/v1/line.svg{query}"
        assert await snippet(page) == (
            f'<picture><source media="(max-width:700px)" srcset="{svg}&amp;width=360">'
            f'<source media="(max-width:1300px)" srcset="{svg}&amp;width=640">'
            f'<img src="{svg}" alt="Курсы валют" style="max-width:100%;height:auto"></picture>'
        )
        await until(page, "document.querySelector('#preview img').naturalWidth > 0")


async def test_copying_gives_the_snippet_and_says_so(open_page: OpenPage, room: Newsroom) -> None:
    permissions = ["clipboard-read", "clipboard-write"]
    async with opened(open_page, room, permissions=permissions) as page:
        await page.click("#copy")
        await until(page, "document.querySelector('#copied').textContent === 'Copied.'")

        assert await page.get_attribute("#copied", "role") == "status"
        assert await page.evaluate("navigator.clipboard.readText()") == await snippet(page)


async def test_copying_works_where_the_browser_gives_a_page_no_clipboard(
    open_page: OpenPage, room: Newsroom
) -> None:
    async with opened(open_page, room) as page:
        # As on a page that came by plain http from another machine.
        await page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
        copied = await snippet(page)
        await page.click("#copy")
        await until(page, "document.querySelector('#copied').textContent === 'Copied.'")
        await page.focus("[name=link]")
        await page.keyboard.press("ControlOrMeta+V")

        pasted = await page.input_value("[name=link]")
        # A field of one line has no room for the break.
        assert "".join(pasted.split()) == "".join(copied.split())


FORMS = ("element", "script")


@pytest.mark.parametrize("version", ["pinned", "newest"])
@pytest.mark.parametrize("form", FORMS)
async def test_the_copied_snippet_shows_the_line_on_another_site(
    open_page: OpenPage, room: Newsroom, form: str, version: str
) -> None:
    async with opened(open_page, room) as page:
        await use(page, "#pairs input[value='KZT/USD']", "")
        await page.check(f"[value={form}]")
        await page.check(f"[value={version}]")
        copied = await snippet(page)
        assert ("integrity=" in copied) == (version == "pinned")
        await page.goto(room.page(copied))
        expected = [text for text in FIVE_TEXTS if not text.startswith("KZT")]

        await until(page, f"expected => String(({SHOWN})()) === String(expected)", expected)


async def test_a_snippet_runs_no_script_but_the_one_that_was_seen(
    open_page: OpenPage, room: Newsroom
) -> None:
    async with opened(open_page, room) as page:
        copied = await snippet(page)
    other = re.sub("sha384-.", lambda found: "sha384-" + ("B" if found[0].endswith("A") else "A"), copied)
    async with open_page("chromium") as reader:
        await reader.open(room.page(other))

        assert (
            json.loads(await reader.evaluate("JSON.stringify(!!customElements.get('currency-ticker'))"))
            is False
        )
        assert "integrity" in " ".join(reader.complaints)


# For everyone.


async def test_nothing_scrolls_sideways_and_every_target_is_large_enough(
    open_page: OpenPage, room: Newsroom
) -> None:
    async with opened(open_page, room) as page:
        await page.click("tr[data-symbol='UZS/USD'] button")
        await page.click("#days-UZS-USD summary")
        await page.check("[name=coloured]")
        await page.click("#sources summary >> nth=0")

        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 900})
            assert [width, await page.evaluate(MISFITS)] == [width, []]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
async def test_axe_finds_nothing(open_page: OpenPage, room: Newsroom, width: int, scheme: str) -> None:
    await room.say(quote("KZT", "525.30", "527.62", source="nbk", status="stale"))
    async with opened(open_page, room, width=width, color_scheme=scheme) as page:
        await page.click("tr[data-symbol='KGS/USD'] button")
        await page.click("#days-KGS-USD summary")
        await page.click("#sources summary >> nth=0")
        await page.evaluate("scrollTo(0, 0)")  # out of sight, the board would rest
        await room.say(quote("UZS", "12041.02", "11987.65", source="cbu", status="unconfirmed"))
        await until(page, f"{FRESH}.length > 0")
        await page.evaluate(AXE.read_text())
        violations, incomplete = await page.evaluate(AUDIT)

        assert violations == []
        assert [each for each in incomplete if "currency-ticker" not in each and "#line" not in each] == []


@pytest.mark.parametrize("width", [320, 1280])
async def test_what_comes_late_moves_nothing(open_page: OpenPage, room: Newsroom, width: int) -> None:
    async with opened(open_page, room, width=width, height=800) as page:
        await until(page, "document.querySelectorAll('#sources li').length > 5")
        await page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

        assert await page.evaluate("shifts") == []


async def test_the_keyboard_reaches_every_row_and_control(open_page: OpenPage, room: Newsroom) -> None:
    async with opened(open_page, room) as page:
        reached = set()
        for _ in range(60):
            await page.keyboard.press("Tab")
            reached.add(await page.evaluate(REACHED))

        look, movement = "theme format locale digits invert sparkline link", "speed direction static"
        fields = set(f"{look} {movement}".split())
        assert fields <= reached
        assert {str(each.symbol) for each in five()} <= reached
        assert {"coloured", "form", "version", "copy", "summary"} <= reached


async def test_a_reader_who_wants_no_movement_sees_what_changed_without_a_fade(
    open_page: OpenPage, room: Newsroom
) -> None:
    async with opened(open_page, room, reduced_motion="reduce") as page:
        await room.say(quote("KGS", "87.9900", "87.4500"))
        await until(page, f"{FRESH}.includes('price')")
        styles = await page.eval_on_selector(
            "[part=price] [data-fresh]",
            "cell => [getComputedStyle(cell).transitionDuration, getComputedStyle(cell).backgroundColor]",
        )

        assert styles == ["0s", "rgb(255, 243, 196)"]


async def test_without_script_the_page_still_has_the_line(open_page: OpenPage, room: Newsroom) -> None:
    async with open_page("chromium", java_script_enabled=False) as page:
        assert isinstance(page, ChromiumPage)
        await page.open(f"{room.server.url}/")
        frame = page.tab.frame_locator(".line iframe")

        for text in FIVE_TEXTS:
            assert text.split()[0] in await frame.locator("body").inner_text()
        assert f'<script async src="{room.server.url}/ticker.js"></script>' in await page.tab.inner_text(
            "main"
        )
