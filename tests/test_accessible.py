"""What the line is for people: by eye, by ear, by keyboard, on paper, in any language and in an outage."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import web
from browsers import EACH_ENGINE, ChromiumPage, Engines, Page
from newsroom import File, Newsroom
from reader import (
    FIVE_TEXTS,
    LANDMARKS,
    LINE,
    arrived,
    article,
    click,
    five,
    hover,
    look,
    nothing_was_wrong,
    press,
    quote,
    saying,
    shown,
    staffed,
)
from reader import few_pages as few_pages
from reader import staffed_room as staffed_room
from services import running
from stage import site

from ticker.embedded import EmbeddedServer
from ticker.rates.model import Quote

if TYPE_CHECKING:
    from tests.conftest import OpenPage

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

AXE = Path(__file__).parents[1] / "widget/node_modules/axe-core/axe.min.js"

AUDIT = """
const [everything] = arguments;
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const { violations, incomplete } = await axe.run(document, {
  runOnly: tags, resultTypes: ["violations", "incomplete"],
});
// A page of our own making is judged as a whole; of another, what the line adds to it.
const ours = ({ target }) => everything || `${target.flat()}`.includes("currency-ticker");
const told = (rules) => rules.flatMap(({ id, nodes }) => nodes.filter(ours).map((node) => {
  const part = node.target.flat().at(-1);
  const words = [...node.any, ...node.all, ...node.none].map((each) => each.message);
  return [id, part.includes("data-symbol") ? "[part=item]" : part, `${words}`];
}));
return { violations: told(violations), incomplete: told(incomplete) };
"""

FREEZE = """
  const animations = [...document.querySelectorAll("currency-ticker")].flatMap((each) =>
    each.shadowRoot?.getAnimations() ?? []);
  globalThis.frozen = animations.filter(({ playState }) => playState === "running");
  for (const animation of frozen) animation.pause();
  await Promise.all(frozen.map(({ ready }) => ready));"""
"""Stop the clock of what moves; the line itself does not know."""

EXPLAINED = {
    ("color-contrast", "output", "overlapped by another element"): (
        "The line ends before it, which axe does not see in `overflow: clip`. The test computes its contrast."
    ),
}
"""What axe can't decide by itself: rule, part, its words; and why it is fine. Each was looked at."""

WITHIN = "<header>The Daily</header><main><h1>News</h1>{line}<p>Text of an article.</p></main>"
BARE = "<h1>News</h1>{line}<p>Text of an article.</p>"
PICTURE = (
    "background: linear-gradient(90deg, #fff, #000 30%, #f60 60%, #9cf),"
    "url(data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'/%3E)"
)
BACKGROUNDS = {
    "white": "background: #fff; color: #111",
    "dark": "background: #0b0d10; color: #eee; color-scheme: dark",
    "picture": PICTURE,
    "dark picture": PICTURE + "; color-scheme: dark",
    "grey": "background: #6a6a6a; color: #fff",
}
LANGUAGES = ("en", "ru", "ky", "kk", "tg", "uz", "tk")
STATES: dict[str, tuple[str, dict[str, Any]]] = {
    "live": ("", {}),
    "paused": ("paused", {}),
    "static": ("static", {}),
    "reduced motion": ("", {"reduced_motion": "reduce"}),
    "dark": ('theme="dark"', {}),
    "a dark scheme": ("", {"color_scheme": "dark"}),
    "forced colours": ("", {"forced_colors": "active"}),
    "links": ('link="/rates/{base}"', {}),
    "static links": ('static link="/rates/{base}"', {}),
    "forced colours and links": ('link="/rates/{base}"', {"forced_colors": "active"}),
    "names and charts": ('format="names" sparkline invert', {}),
    "compact": ('format="compact"', {}),
    "attribution elsewhere": ('attribution="credits"', {}),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True, name="outage")
async def _outage(redis_server: EmbeddedServer, engines: Engines) -> AsyncIterator[Outage]:
    """
    A server that is cut off from pages which showed its line.

    A line is quiet about its first 30 s without a server, so this begins with the module and is looked at
    last.
    """
    async with AsyncExitStack() as stack:
        room = await stack.enter_async_context(staffed(redis_server, database=1))
        chromium = await engines.get("chromium")
        outage = Outage()
        for name, (attributes, html) in OFFLINE.items():
            page = await stack.enter_async_context(chromium.page())
            await page.open(room.page(article(attributes, html=html)))
            outage.before[name] = await shown(page)
            outage.pages[name] = page
        await room.server.kill()
        outage.began = time.monotonic()
        yield outage


class Outage:
    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.before: dict[str, list[str]] = {}
        self.began = 0.0


OFFLINE = {
    "light": ("", 'lang="en"'),
    "dark": ('theme="dark"', 'lang="en"'),
    "static, linked and Russian": ('static link="/rates/{base}"', 'lang="ru"'),
    "right-to-left": ("", 'lang="en" dir="rtl"'),
}


async def audit(page: Page, *, everything: bool = True) -> None:
    """
    Hold the page against axe-core's rules.

    It asks what lies under a point that it has measured before: a line that moves on is caught in between.
    """
    await page.evaluate(f"(async () => {{ {AXE.read_text()} }})().then(() => '')")
    await page.run(FREEZE)
    found = await page.run(AUDIT, everything)
    await page.run("for (const animation of frozen) animation.play();")

    assert found["violations"] == []
    assert [each for each in found["incomplete"] if not explained(*each)] == []


def explained(rule: str, part: str, words: str) -> bool:
    return any((rule, part) == (its, where) and said in words for its, where, said in EXPLAINED)


# axe-core, in every state.


@pytest.mark.parametrize("state", STATES)
async def test_axe_finds_nothing_in_the_state(room: Newsroom, open_page: OpenPage, state: str) -> None:
    attributes, options = STATES[state]
    async with open_page("chromium", **options) as page:
        await page.open(room.page(article(attributes)))
        await shown(page)

        await audit(page)
        await nothing_was_wrong(page)


@pytest.mark.parametrize("background", BACKGROUNDS)
async def test_axe_finds_nothing_on_the_background(
    room: Newsroom, open_page: OpenPage, background: str
) -> None:
    async with open_page("chromium") as page:
        for body, attributes in (
            (LANDMARKS, 'link="/rates/{base}"'),
            (WITHIN, 'static theme="dark"'),
            (BARE, 'theme="dark"'),
        ):
            await page.open(room.page(article(attributes, body=body, style=BACKGROUNDS[background])))
            await shown(page)
            await audit(page, everything=body != BARE)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_axe_finds_nothing_in_the_language(room: Newsroom, open_page: OpenPage, language: str) -> None:
    async with open_page("chromium") as page:
        await page.open(room.page(article(f'locale="{language}" format="names"')))
        await shown(page)

        await audit(page)


async def test_axe_finds_nothing_where_the_text_runs_from_right_to_left(
    room: Newsroom, open_page: OpenPage
) -> None:
    async with open_page("chromium") as page:
        await page.open(room.page(article('link="/rates/{base}"', html='lang="ar" dir="rtl"')))
        await shown(page)

        await audit(page)


async def test_axe_finds_nothing_with_several_lines_on_a_page(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium") as page:
        named = LINE.replace("{0}", ' symbols="KGS KZT"')
        await page.open(room.page(article(line=LINE + named)))
        await shown(page)
        await shown(page, 2, index=1)

        await audit(page)


async def test_axe_finds_nothing_while_the_line_waits_for_rates(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium") as page:
        await page.open(room.page(article('src="http://127.0.0.1:9"')))
        await look(page, "await until(() => part('message'))")

        assert await look(page, "return part('message').checkVisibility()")
        await audit(page)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["firefox", "webkit"])
async def test_axe_finds_nothing_in(room: Newsroom, open_page: OpenPage, engine: str) -> None:
    async with open_page(engine) as page:
        await page.open(room.page(article()))
        await shown(page)
        await audit(page)
        await look(page, "ticker().paused = true; await until(() => part('pause').ariaPressed === 'true')")
        await audit(page)
        await nothing_was_wrong(page)


# A bank that has said nothing for weeks.

SERVICE = """
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


ROW = "<tr><td><!--date-->{day:%d.%m.%Y}<!--date--></td><td><!--value-->{som}<!--value--></td></tr>"


async def sleepy(request: web.Request) -> web.StreamResponse:
    """NBKR, whose newest table is three weeks old; its archive speaks for it."""
    newest = datetime.now(UTC) - timedelta(weeks=3)
    if request.path == "/index1.jsp":
        rows = ((newest - timedelta(days=1), "87,4400"), (newest, "87,4500"))
        page = "".join(ROW.format(day=day, som=som) for day, som in rows)
        return web.Response(text=f"<table>{page}</table>", content_type="text/html")
    if request.path != "/XML/daily.xml":
        return web.Response(status=403)
    day = newest.strftime("%d.%m.%Y")
    rate = '<Currency ISOCode="USD"><Nominal>1</Nominal><Value>87,4500</Value></Currency>'
    head = '<?xml version="1.0" encoding="windows-1251" ?>'
    text = f'{head}<CurrencyRates Date="{day}">{rate}</CurrencyRates>'
    return web.Response(body=text.encode("windows-1251"), content_type="application/xml")


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="sleepy_service")
async def _sleepy_service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of the whole service, whose bank sleeps."""
    folder = tmp_path_factory.mktemp("sleepy")
    async with site(sleepy) as bank:
        config = folder / "ticker.toml"
        config.write_text(SERVICE.format(data_dir=folder / "data", bank=bank))
        async with running(folder, "serve", "--config", str(config)) as service:
            yield service.url.rstrip("/")
            await service.interrupted()


STALE = LINE.replace("{embed}", '<script async src="{bank}/ticker.js"></script>')


async def open_stale(room: Newsroom, page: Page, service: str, attributes: str = "", **how: Any) -> None:
    await page.open(room.page(article(attributes, line=STALE.replace("{bank}", service), **how)))
    await shown(page, 2)
    await look(page, "await until(() => `${items().map((each) => each.dataset.status)}` === 'stale,pegged')")


@pytest.mark.parametrize("attributes", ["", 'theme="dark"', 'static locale="ru"', 'link="/rates/{base}"'])
async def test_axe_finds_nothing_when_the_bank_is_silent(
    room: Newsroom, open_page: OpenPage, sleepy_service: str, attributes: str
) -> None:
    async with open_page("chromium") as page:
        await open_stale(room, page, sleepy_service, attributes)

        await audit(page)
        await nothing_was_wrong(page)


async def test_what_is_stale_says_so_to_the_eye_and_to_the_ear(
    room: Newsroom, open_page: OpenPage, sleepy_service: str
) -> None:
    async with open_page("chromium") as page:
        await open_stale(room, page, sleepy_service)
        assert isinstance(page, ChromiumPage)

        stale, pegged = await spoken(page)
        assert stale.startswith("KGS/USD = 0.01144")
        assert stale.endswith("outdated")
        assert pegged.startswith("TMT/USD = 0.28571 0%")
        assert pegged.endswith("fixed rate")
        assert await look(page, "return items().map((each) => each.title.split('\\n').at(-1))") == [
            "outdated",
            "fixed rate",
        ]
        shapes = await look(page, SHAPES + "return items().map((each) => shapes(each, '[part~=mark]'))")
        assert [len(each) for each in shapes] == [1, 1]
        assert shapes[0][0]["outline"] != shapes[1][0]["outline"]
        # Not by fading, which costs contrast.
        faded = "all().concat([ticker()]).filter((each) => getComputedStyle(each).opacity !== '1')"
        assert await look(page, f"return {faded}.length") == 0


STATUSES = ("live", "stale", "unconfirmed", "pegged", "fallback")

# What is heard.


async def spoken(page: Page) -> list[str]:
    """What the accessibility tree has of each item of the line, in order."""
    assert isinstance(page, ChromiumPage)
    nodes = {node["nodeId"]: node for node in (await page.cdp("Accessibility.getFullAXTree"))["nodes"]}

    def text(node: dict[str, Any]) -> str:
        if not node["ignored"] and node["role"]["value"] == "StaticText":
            return str(node["name"]["value"])
        return " ".join(text(nodes[child]) for child in node.get("childIds", ()) if child in nodes)

    found = [node for node in nodes.values() if not node["ignored"] and node["role"]["value"] == "listitem"]
    return [" ".join(text(node).split()) for node in found]


@pytest.mark.parametrize("attributes", ["", 'link="/rates/{base}"', "static", "paused"])
async def test_a_screen_reader_meets_every_quote_once(
    room: Newsroom, open_page: OpenPage, attributes: str
) -> None:
    async with open_page("chromium") as page:
        await page.open(room.page(article(attributes)))
        await shown(page)

        heard = await spoken(page)
        assert [each.removesuffix(" fixed rate") for each in heard] == FIVE_TEXTS
        if "static" not in attributes:
            assert await look(page, "return copies().length") > 0


LIVE = """
const live = [...ticker().shadowRoot.querySelectorAll(
  "[aria-live], [role=status], [role=alert], [role=log], [role=marquee], [role=timer], output")];
"""


async def test_nothing_is_read_again_at_a_tick(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium") as page:
        await page.open(room.page(article()))
        await shown(page)
        script = """
          window.said = 0;
          const counter = new MutationObserver((all) => { said += all.length; });
          const what = { subtree: true, childList: true, characterData: true, attributes: true };
          for (const each of live) counter.observe(each, what);
          return live.map((each) => each.part.value);
        """
        assert await look(page, LIVE + script) == ["status"]
        for inverse, price in (("87.5", "0.01143"), ("87.6", "0.01142")):
            async with saying(room, quote("KGS", inverse, "87.4500")):
                await look(
                    page, "const [price] = arguments; await until(() => texts()[0].includes(price))", price
                )

        assert await page.run("return window.said") == 0


async def test_all_of_the_page_copied_has_every_quote_once(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium") as page:
        line = LINE + '<textarea id="paste" aria-label="Notes"></textarea>'
        await page.open(room.page(article(line=line)))
        await shown(page)
        assert isinstance(page, ChromiumPage)
        await page.tab.keyboard.press("Control+A")
        await page.tab.keyboard.press("Control+C")
        await page.tab.focus("#paste")
        await page.tab.keyboard.press("Control+V")

        pasted = " ".join((await page.run("return document.querySelector('#paste').value")).split())
        assert [pasted.count(text) for text in FIVE_TEXTS] == [1] * 5, pasted
        assert [pasted.count(text.split()[0]) for text in FIVE_TEXTS] == [1] * 5


# What the keyboard reaches.

# A pause is carried out with the next frame, and on a busy machine that may take some.
STANDS = "return until(async () => await motion(200) === 0)"
MOVES = "return until(async () => await motion(200) !== 0)"
FOCUSED = """
const node = deepest();
const name = node.dataset?.symbol ?? node.closest("[data-symbol]")?.dataset.symbol ?? node.textContent;
return `${node.part?.value ?? ""} ${name}`.trim();
"""
SEEN = """
// The focused link is in sight, as far as there is room, and has a ring; and the line stands.
const node = deepest();
const view = part("viewport").getBoundingClientRect();
const inSight = () => {
  const { left, right, width } = node.getBoundingClientRect();
  const fits = width < view.width - 60;
  return left >= view.left - 0.5 && (fits ? right <= view.right + 0.5 : left < view.left + 60);
};
const { outlineStyle, outlineWidth } = getComputedStyle(node);
const seen = !node.matches("a") || await until(inSight).catch(() => false);
const stands = !node.matches("a") || await until(async () => await motion(100) === 0).catch(() => false);
return [seen, stands, node.matches(":focus-visible"), outlineStyle, outlineWidth];
"""
SYMBOLS = [text.split()[0] for text in FIVE_TEXTS]
STOPS = ["To the text", *(f"link {symbol}" for symbol in SYMBOLS), "pause", "World"]


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_tab_reaches_every_link_and_the_button_once_in_order_and_in_sight(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    for width in (320, 1280):
        async with open_page(engine, width=width) as page:
            await page.open(room.page(article('link="/rates/{base}"')))
            await shown(page)
            walk = []
            for _ in STOPS:
                await press(page, "Tab")
                walk.append(await look(page, FOCUSED))
                # Where nobody manages windows, none is active: WebKit knows where it is, but draws no ring.
                active = await page.run("return document.hasFocus()") or engine != "webkit"
                if active and walk[-1].startswith(("link", "pause")):
                    assert await look(page, SEEN) == [True, True, True, "solid", "2px"], walk[-1]

            assert walk == STOPS
            assert await look(page, MOVES)


@pytest.mark.parametrize("engine", ["chromium", "firefox"])
async def test_a_focused_link_stays_in_sight_when_the_line_is_measured_anew(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    async with open_page(engine, width=700) as page:
        await page.open(room.page(article('link="/rates/{base}"')))
        await shown(page)
        for _ in range(1 + len(SYMBOLS)):
            await press(page, "Tab")
        assert await look(page, FOCUSED) == "link TMT/USD"
        assert await look(page, SEEN) == [True, True, True, "solid", "2px"]
        async with saying(room, quote("TJS", "0.00000001")):
            await look(page, "await until(() => texts().some((each) => each.includes('100,000,000')))")
            await page.resize(690, 300)
            await asyncio.sleep(1)

            assert await look(page, SEEN) == [True, True, True, "solid", "2px"]


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_enter_follows_a_link_and_space_pauses(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    room.site.put("/rates/KZT", File(b"<!doctype html><html lang=en><title>KZT</title>"))
    async with open_page(engine) as page:
        await page.open(room.page(article('link="/rates/{base}"')))
        await shown(page)
        await look(page, "part('pause').focus()")
        for paused in (True, False):
            await press(page, "Space")
            script = "const [paused] = arguments; const button = part('pause');"
            pressed = "await until(() => ticker().paused === paused && button.ariaPressed === `${paused}`);"
            # What is pressed is the same button, so its name stays.
            assert await look(page, script + pressed + "return button.ariaLabel", paused) == "Pause"

        await press(page, "Space")
        await press(page, "Tab")
        assert await look(page, STANDS)
        keep = "({ detail }) => { sessionStorage.kept = detail.symbol; }"
        await look(page, f"ticker().addEventListener('ticker-select', {keep})")
        await look(page, "items()[1].querySelector('a').focus()")
        await press(page, "Enter")
        await arrived(page, "/rates/KZT")
        assert await page.run("return sessionStorage.kept") == "KZT/USD"


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_the_line_stands_under_the_mouse_and_goes_on_after_it(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    async with open_page(engine) as page:
        await page.open(room.page(article()))
        await shown(page)
        x, y = await look(
            page, "const { x, y, height } = ticker().getBoundingClientRect(); return [x + 300, y + 20]"
        )
        await hover(page, x, y)
        assert await look(page, STANDS)
        await hover(page, x, y + 150)
        assert await look(page, MOVES)
        # The button, by mouse: its focus is not to hold the line that it has let go.
        x, y = await look(
            page, "const { x, y } = part('pause').getBoundingClientRect(); return [x + 12, y + 12]"
        )
        await click(page, x, y)
        assert await look(page, "await until(() => ticker().paused);" + STANDS)
        await click(page, x, y)
        assert await look(page, MOVES)


# What is seen.

SHAPES = """
// What is drawn by cutting a shape out of a coloured box, inside of what `within` selects.
const shapes = (item, within) => [...item.querySelectorAll(within)].flatMap((node) =>
  ["::before", "::after"].flatMap((pseudo) => {
    const style = getComputedStyle(node, pseudo);
    const cut = style.clipPath.startsWith("polygon");
    // With fewer corners than three it only keeps the room.
    const corners = style.clipPath.split(",").length;
    const drawn = !["none", "normal"].includes(style.content) && parseFloat(style.width) > 2;
    return drawn && cut && corners > 2 ? [{ outline: style.clipPath, colour: style.backgroundColor }] : [];
  }));
"""
CONTRAST = """
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const rgba = (colour) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data].map((each) => each / 255);
};
const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a), 1];
const parent = (node) => node.assignedSlot ?? node.parentElement ?? node.getRootNode().host;
const ground = (node, paper) => {
  if (!node) return [1, 1, 1, 1];
  const own = rgba(paper ? "transparent" : getComputedStyle(node).backgroundColor);
  return own[3] === 1 ? own : over(own, ground(parent(node), paper));
};
const light = (colour) => {
  const [r, g, b] = colour.map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ratio = (one, other) => {
  const [more, less] = [light(one), light(other)].sort((a, b) => b - a);
  return (more + 0.05) / (less + 0.05);
};
// Every text of the line with its contrast; on paper, where browsers print no backgrounds.
const contrasts = (paper = false, index = 0) => {
  const walker = document.createTreeWalker(ticker(index).shadowRoot, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const { data, parentElement } = walker.currentNode;
    if (!data.trim() || !parentElement.checkVisibility({ visibilityProperty: true })) continue;
    const behind = ground(parentElement, paper);
    const colour = over(rgba(getComputedStyle(parentElement).color), behind);
    found.push([data, ratio(colour, behind)]);
  }
  return found;
};
// Every shape that means something, with its contrast.
const DRAWN = "[part~=change], [part~=mark], [part~=pause]";
const drawings = (index = 0) => [...ticker(index).shadowRoot.querySelectorAll(DRAWN)]
  .filter((node) => node.checkVisibility({ visibilityProperty: true }))
  .map((node) => {
    const { backgroundColor } = getComputedStyle(node, "::before");
    const behind = ground(node);
    return [node.part.value, ratio(over(rgba(backgroundColor), behind), behind)];
  });
"""


def doubtful() -> list[Quote]:
    """The five quotes, each of another status."""
    return [replace(each, status=status) for each, status in zip(five(), STATUSES, strict=True)]


ALL_DOUBTFUL = "await until(() => new Set(items().map((each) => each.dataset.status)).size === 5);"


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_every_text_and_shape_has_contrast(room: Newsroom, open_page: OpenPage, engine: str) -> None:
    async with saying(room, *doubtful()), open_page(engine) as page:
        for style in (BACKGROUNDS["white"], BACKGROUNDS["dark"]):
            await page.open(room.page(article('format="names" sparkline', style=style)))
            await look(page, ALL_DOUBTFUL)
            for theme in ("auto", "light", "dark"):
                await look(page, "ticker().theme = arguments[0]; await moment(100)", theme)
                texts = await look(page, CONTRAST + "return contrasts()")
                assert len(texts) > 20
                assert [each for each in texts if each[1] < 4.5] == []
                shapes = await look(page, CONTRAST + "return drawings()")
                assert len(shapes) > 10
                assert [each for each in shapes if each[1] < 3] == []


async def test_direction_and_status_are_told_without_colour(room: Newsroom, open_page: OpenPage) -> None:
    async with saying(room, *doubtful()), open_page("chromium") as page:
        await page.open(room.page(article()))
        await look(page, ALL_DOUBTFUL)
        marks = await look(page, SHAPES + "return items().map((each) => shapes(each, '[part~=mark]'))")
        arrows = await look(page, SHAPES + "return items().map((each) => shapes(each, '[part~=change]'))")
        texts = await look(page, "return texts()")

    assert STATUSES[0] == "live"
    assert marks[0] == []
    assert len({each[0]["outline"] for each in marks[1:]}) == 4
    flat, up, down, again, peg = (each[0]["outline"] for each in arrows)
    assert len({flat, up, down}) == 3
    assert (again, peg) == (up, flat)
    assert texts == FIVE_TEXTS


PIXELS = """
// How many pixels of the picture differ from its corner.
const [picture] = arguments;
const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${picture}`)).blob());
const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
canvas.drawImage(bitmap, 0, 0);
const { data } = canvas.getImageData(0, 0, bitmap.width, bitmap.height);
let count = 0;
for (let at = 0; at < data.length; at += 4) {
  const far = [0, 1, 2].some((each) => Math.abs(data[at + each] - data[each]) > 96);
  if (far) count += 1;
}
return count;
"""
# Where the arrow of the second item is: before the text of its change.
ARROW = """
const change = items()[1].querySelector("[part~=change]");
const text = document.createRange();
text.selectNodeContents(change);
const { left, top, height } = change.getBoundingClientRect();
return { x: left, y: top, width: text.getBoundingClientRect().left - left, height };
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_arrows_and_the_button_are_visible_in_forced_colours(
    room: Newsroom, open_page: OpenPage, scheme: str
) -> None:
    async with open_page("chromium", forced_colors="active", color_scheme=scheme) as page:
        await page.open(room.page(article("static")))
        await shown(page)
        assert isinstance(page, ChromiumPage)
        arrow = await look(page, ARROW)
        assert arrow["width"] > 4
        button = "return part('pause').getBoundingClientRect().toJSON()"
        pictures = [await page.tab.screenshot(clip=arrow)]
        await look(page, "ticker().static = false; await until(() => part('pause').checkVisibility())")
        pictures.append(await page.tab.screenshot(clip=await look(page, button)))

        for picture in pictures:
            assert await page.run(PIXELS, base64.b64encode(picture).decode()) > 10


BOXES = """
const boxes = [part("pause"), part("viewport"), ticker(), ...items().map((each) => each.querySelector("a"))];
const [button, viewport, line, ...links] = boxes.map((each) => each.getBoundingClientRect().toJSON());
return [button, viewport, line, links];
"""


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_the_button_is_large_enough_and_clear_of_the_line(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    for width in (320, 1280):
        async with open_page(engine, width=width) as page:
            await page.open(room.page(article('link="/rates/{base}"')))
            await shown(page)
            button, viewport, line, links = await look(page, BOXES)

            assert min(button["width"], button["height"]) >= 24
            assert viewport["right"] <= button["left"]
            assert button["right"] <= line["right"] == width
            assert all(min(link["width"], link["height"]) >= 24 for link in links)


WRAPPED = """
const [index = 0] = arguments;
const around = ticker(index).getBoundingClientRect();
const boxes = items(index).map((each) => each.getBoundingClientRect());
return {
  rows: new Set(boxes.map((each) => each.top)).size,
  visible: boxes.filter((each) => each.width > 50 && each.height > 10 && whole(each, around)).length,
  overlapping: boxes.some((one, index) => boxes.slice(index + 1).some((other) => overlap(one, other))),
  copies: copies(index).filter((each) => each.checkVisibility()).length,
  button: part("pause", index).checkVisibility({ visibilityProperty: true }),
  wide: document.documentElement.scrollWidth > innerWidth,
};
"""
ALL_VISIBLE = {"visible": 5, "overlapping": False, "copies": 0, "button": False, "wide": False}


@pytest.mark.parametrize("attributes", ["", 'theme="dark"', "paused", 'link="/rates/{base}" format="names"'])
@pytest.mark.parametrize("width", [320, 794])
async def test_paper_has_every_quote_once_and_whole(
    room: Newsroom, open_page: OpenPage, attributes: str, width: int
) -> None:
    async with open_page("chromium", width=width, height=1123) as page:
        await page.open(room.page(article(attributes)))
        await shown(page)
        assert isinstance(page, ChromiumPage)
        await page.tab.emulate_media(media="print")

        wrapped = await look(page, WRAPPED)
        assert wrapped.pop("rows") > 1
        assert wrapped == ALL_VISIBLE
        texts = await look(page, CONTRAST + "return contrasts(true)")
        assert [each for each in texts if each[1] < 4.5] == []
        kept = "getComputedStyle(items()[1].querySelector('[part~=change]'), '::before').printColorAdjust"
        assert await look(page, f"return {kept}") == "exact"


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_a_static_line_wraps_and_stands(room: Newsroom, open_page: OpenPage, engine: str) -> None:
    async with open_page(engine, width=320, height=900) as page:
        for attributes in (
            "static",
            'static format="names" sparkline',
            'static link="/rates/{base}" locale="ru"',
        ):
            await page.open(room.page(article(attributes)))
            await shown(page)

            wrapped = await look(page, WRAPPED)
            assert wrapped.pop("rows") > 1
            assert wrapped == ALL_VISIBLE, attributes
            assert await look(
                page, "return [await motion(), ticker().shadowRoot.getAnimations().length]"
            ) == [0, 0]


async def test_who_asks_for_less_motion_meanwhile_gets_it(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium", width=320, height=600) as page:
        await page.open(room.page(article()))
        await shown(page)
        assert isinstance(page, ChromiumPage)
        assert await look(page, MOVES)
        await page.tab.emulate_media(reduced_motion="reduce")
        await look(page, "await until(() => !copies().length)")

        wrapped = await look(page, WRAPPED)
        assert wrapped.pop("rows") > 1
        assert wrapped == ALL_VISIBLE
        assert await look(page, STANDS)
        await page.tab.emulate_media(reduced_motion="no-preference")
        assert await look(page, "return until(async () => copies().length && await motion(100) !== 0)")
        await nothing_was_wrong(page)


SPACED = "letter-spacing: .12em; word-spacing: .16em; line-height: 1.5"
LARGE = "font-size: 32px"
CUT = """
// Each run of text is inside of its item and apart from the others of it, and each item apart from the next.
const text = (node) => {
  const range = document.createRange();
  range.selectNodeContents(node);
  return range.getBoundingClientRect();
};
const boxes = items().map((each) => each.getBoundingClientRect());
const cut = items().filter((item, index) => {
  const parts = ["symbol", "price", "change"].map((each) => text(item.querySelector(`[part~=${each}]`)));
  const { left, right, top, bottom } = boxes[index];
  const inside = parts.every((each) => each.left >= left - 1 && each.right <= right + 1
    && each.top >= top - 1 && each.bottom <= bottom + 1);
  const apart = boxes.slice(index + 1).every((each) => !overlap(boxes[index], each));
  return !inside || !apart || overlap(parts[0], parts[1]) || overlap(parts[1], parts[2]);
});
return cut.map((item) => item.textContent);
"""


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_text_spaced_or_enlarged_as_a_reader_may_wish_is_not_cut(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    async with open_page(engine, width=640, height=900) as page:
        for style in (SPACED, LARGE):
            for attributes in ("", "static", 'static format="names" sparkline'):
                await page.open(room.page(article(attributes, style=style)))
                await shown(page)
                assert await look(page, CUT) == [], (style, attributes)


# An outage of more than 30 seconds. It began with the module.


@pytest.mark.parametrize("page_name", OFFLINE)
async def test_an_outage_is_told_without_hiding_the_last_values(outage: Outage, page_name: str) -> None:
    page = outage.pages[page_name]
    await look(page, "await until(() => ticker().state === 'offline', 60)")

    assert time.monotonic() - outage.began > 25
    assert await look(page, "return texts()") == outage.before[page_name]
    word = "нет связи" if "Russian" in page_name else "offline"
    told = await look(page, LIVE + "return [live[0].textContent, live[0].checkVisibility()]")
    assert told == [word, True]
    texts = await look(page, CONTRAST + "return contrasts()")
    assert word in [text for text, _ in texts]
    assert [each for each in texts if each[1] < 4.5] == []
    await audit(page)
