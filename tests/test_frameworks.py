"""The line in pages of real frameworks and behind real client-side routers: tests/pages has them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from browsers import EACH_ENGINE, Page
from hosts import ALL, KGS, KZT, MODULE, at, host, placed, subscribed, tag
from hosts import visits as visits
from newsroom import File, Newsroom
from reader import look, nothing_was_wrong
from reader import staffed_room as staffed_room

from ticker import assets

if TYPE_CHECKING:
    from tests.conftest import OpenPage

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

BUILD = Path(__file__).parent / "pages/build.mjs"


@pytest.fixture(scope="module", autouse=True)
def _programs(room: Newsroom, bundles: dict[str, bytes]) -> None:
    """The site of the newsroom has them all."""
    for name, script in bundles.items():
        room.site.put(f"/fw/{name}", File(script, "text/javascript"))


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="bundles")
async def _bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """By file: the program of each framework, and the HTML that its server says first."""
    folder = tmp_path_factory.mktemp("bundles")
    process = await asyncio.create_subprocess_exec("node", BUILD, folder)
    assert await process.wait() == 0
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def program(name: str, how: str = "") -> str:
    return f'<script {how} src="/fw/{name}.js"></script>'


# Frameworks, of which each runs the same small application: three routes, of which two have a line.

FRAMEWORKS = ("react-18", "react-19", "preact", "vue", "svelte")
LOAD = """
  const script = document.createElement("script");
  script.src = SCRIPT;
  document.head.append(script);
  await customElements.whenDefined("currency-ticker");
"""
HYDRATE = "begin(true); await until(() => window.go); await moment(50);"
SHOWN = "await until(() => items().length);"


def application(name: str, rendered: str) -> str:
    script = '<script>window.SCRIPT = "{server}/ticker.js"</script>'
    return host(f'<div id="root">{rendered}</div>{script}{program(name)}')


async def the_switches_work(page: Page) -> None:
    """The framework writes `static="false"`, or sets the property; and the other one, too."""
    assert await look(page, "return until(async () => await motion(100) < 0)")
    await look(page, "pause(true); await until(async () => ticker().paused && await motion(100) === 0)")
    await look(page, "pause(false); await until(async () => await motion(100) < 0)")


async def the_routes_have_their_line(room: Newsroom, page: Page) -> None:
    """One on a route that has it, none on the others; the page has one stream, or none."""
    for _ in range(2):
        await go(room, page, "about", lines=0)
        await go(room, page, "home", lines=1)
    await go(room, page, "embed", lines=1)
    await go(room, page, "home", lines=1)
    await go(room, page, "embed", lines=1)
    await go(room, page, "about", lines=0)


async def go(room: Newsroom, page: Page, route: str, *, lines: int) -> None:
    await look(page, "go(arguments[0]); await moment(20)", route)
    expected = ["route: KGS KZT"] * lines
    assert await placed(page, *expected) == expected, route
    await subscribed(room, lines)


@pytest.mark.parametrize("first", ["the script", "the framework"])
@pytest.mark.parametrize("name", FRAMEWORKS)
async def test_a_framework_takes_over_what_its_server_wrote(
    room: Newsroom, bundles: dict[str, bytes], open_page: OpenPage, name: str, first: str
) -> None:
    rendered = bundles[f"{name}.html"].decode()
    async with open_page("chromium") as page:
        await page.open(room.page(application(name, rendered)))
        steps = (LOAD + SHOWN, HYDRATE) if first == "the script" else (HYDRATE, LOAD + SHOWN)
        await look(page, "window.written = ticker()")
        for step in steps:
            await look(page, step)

        assert await placed(page, "route: KGS KZT") == ["route: KGS KZT"]
        # The framework kept the element, and did not make another one.
        assert await look(page, "return ticker() === window.written")
        await the_switches_work(page)
        await nothing_was_wrong(page)


@pytest.mark.parametrize("name", FRAMEWORKS)
async def test_a_line_comes_and_goes_with_the_routes_of_a_framework(
    room: Newsroom, open_page: OpenPage, name: str
) -> None:
    async with open_page("chromium") as page:
        await page.open(room.page(application(name, "")))
        # The script of the site has made its line before the framework mounts the page's own.
        await look(page, LOAD + SHOWN + "begin(false); await until(() => window.go)")

        assert await placed(page, "route: KGS KZT") == ["route: KGS KZT"]
        await the_switches_work(page)
        await the_routes_have_their_line(room, page)
        await nothing_was_wrong(page)


# Client-side routers: two pages, and the ways between them.

META = '<meta name="astro-view-transitions-{0}" content="{1}">'
ASTRO = META.format("enabled", "true") + META.format("fallback", "animate") + program("astro", MODULE)
HEADS = {"turbo": program("turbo"), "htmx-2": program("htmx-2"), "htmx-4": program("htmx-4"), "astro": ASTRO}
KEPT = {
    "turbo": "data-turbo-permanent",
    "htmx-2": 'hx-preserve="true"',
    "htmx-4": 'hx-preserve="true"',
    # What Astro's compiler makes of `transition:persist="rates"`.
    "astro": 'data-astro-transition-persist="rates"',
}
"""With an id: how a page says that its element stays the same on the next page."""
VISITS = ("2", "1", "back", "back", "forward")
ARE_AT = {"back": {"2": "1", "1": "2"}, "forward": {"1": "2", "2": "1"}}


def published(room: Newsroom, router: str, *bodies: str, head: str = "") -> str:
    """Two pages with links to each other; the address of the first."""
    boost = '<div hx-boost:inherited="true" hx-boost="true">' if "htmx" in router else ""
    links = "".join(f'<a id="to-{number}" href="/{router}/{number}">{number}</a>' for number in (1, 2))
    for number, body in enumerate(bodies, 1):
        html = host(f"{boost}<nav>{links}</nav><h2>{number}</h2>{body}", head=HEADS[router] + head)
        html = html.replace("{server}", room.server.url)
        room.site.put(f"/{router}/{number}", File(html.encode()))
    return f"{room.site.url}/{router}/1"


ARRIVED = """
const [number] = arguments;
const shows = () => document.querySelector("h2").textContent;
const isThere = () => location.pathname.endsWith(number) && shows() === number;
await until(() => isThere() && !document.querySelector("[aria-busy]"));
"""


async def visit(page: Page, to: str, at: str) -> str:
    """Follow a link, or go back or forward; the number of the page that is reached."""
    if to in ("1", "2"):
        await look(page, "document.querySelector(`#to-${arguments[0]}`).click()", to)
    else:
        await look(page, f"history.{to}()")
        to = ARE_AT[to][at]
    await look(page, ARRIVED, to)
    return to


async def the_page_stayed(page: Page) -> None:
    """No visit loaded a page anew: then no router was at work."""
    assert await look(page, "return window.stays")


@pytest.mark.parametrize("engine", EACH_ENGINE)
@pytest.mark.parametrize("router", KEPT)
async def test_a_router_keeps_the_element_that_a_page_wants_to_keep(
    room: Newsroom, open_page: OpenPage, router: str, engine: str
) -> None:
    line = f'<currency-ticker id="rates" symbols="KGS KZT" {KEPT[router]}></currency-ticker>'
    address = published(room, router, line, line, head=tag())
    async with open_page(engine) as page:
        await page.open(address)
        assert await placed(page, "rates: KGS KZT") == ["rates: KGS KZT"]
        await look(page, "window.stays = true; ticker().first = true")
        number = "1"
        for to in VISITS:
            number = await visit(page, to, number)

            assert await placed(page, "rates: KGS KZT") == ["rates: KGS KZT"], to
            assert await look(page, "return ticker().first === true"), to
            await subscribed(room, 1)
        assert await look(page, "return until(async () => await motion(100) < 0)")
        await the_page_stayed(page)
        await nothing_was_wrong(page)


RERUN = "data-astro-rerun"
"""Astro does not run a script again that the page before had, too, unless it says this. Others ignore it."""
PLAIN = {
    "with data": ((f"{KGS} {RERUN}", f"{KZT} {RERUN}"), {"1": "here: KGS", "2": "here: KZT"}),
    "without": ((RERUN, RERUN), {"1": f"here: {ALL}", "2": f"here: {ALL}"}),
}


@pytest.mark.parametrize("router", KEPT)
@pytest.mark.parametrize(
    ("kind", "engine"),
    [
        ("without", "chromium"),
        ("with data", "chromium"),
        pytest.param("with data", "firefox", marks=pytest.mark.slow),
        pytest.param("with data", "webkit", marks=pytest.mark.slow),
    ],
)
async def test_each_page_of_a_router_has_the_line_of_its_script(
    room: Newsroom, open_page: OpenPage, router: str, kind: str, engine: str
) -> None:
    data, expected = PLAIN[kind]
    address = published(room, router, *(at("here", tag(each)) for each in data))
    async with open_page(engine) as page:
        await page.open(address)
        assert await placed(page, expected["1"]) == [expected["1"]]
        await look(page, "window.stays = true")
        number = "1"
        for to in VISITS:
            number = await visit(page, to, number)

            assert await placed(page, expected[number]) == [expected[number]], to
            await subscribed(room, 1)
        await the_page_stayed(page)
        await nothing_was_wrong(page)


@pytest.mark.parametrize("router", KEPT)
async def test_a_page_without_a_line_has_none_behind_a_router(
    room: Newsroom, open_page: OpenPage, router: str
) -> None:
    address = published(room, router, at("here", tag(f"{KGS} {RERUN}")), "<p>No rates here")
    async with open_page("chromium") as page:
        await page.open(address)
        assert await placed(page, "here: KGS") == ["here: KGS"]
        await look(page, "window.stays = true")

        await visit(page, "2", "1")
        assert await placed(page) == []
        await subscribed(room, 0)
        await visit(page, "back", "2")
        assert await placed(page, "here: KGS") == ["here: KGS"]
        await subscribed(room, 1)
        await the_page_stayed(page)
        await nothing_was_wrong(page)


@pytest.mark.parametrize("version", ["htmx-2", "htmx-4"])
async def test_a_swapped_part_has_one_line(room: Newsroom, open_page: OpenPage, version: str) -> None:
    part = tag(KGS).replace("{server}", room.server.url)
    room.site.put("/part", File(part.encode()))
    swap = '<button id="swap" hx-get="/part" hx-target="#here">Rates</button>' + at("here")
    async with open_page("chromium") as page:
        await page.open(room.page(host(program(version) + swap)))
        for _ in range(3):
            await look(page, "here.replaceChildren(); swap.click(); await until(() => here.firstChild)")

            assert await placed(page, "here: KGS") == ["here: KGS"]
            await subscribed(room, 1)
        await nothing_was_wrong(page)


# jQuery runs a script of its own in place of the page's. From the page's own server it evaluates the text.


def snippet(server: str) -> str:
    return tag(KGS).replace("{server}/", f"{server}/").replace("data-", 'data-src="{server}" data-', 1)


@pytest.mark.parametrize("engine", EACH_ENGINE)
@pytest.mark.parametrize("own", [False, True], ids=["another server", "the page's server"])
@pytest.mark.parametrize("version", ["jquery-3", "jquery-4"])
async def test_jquery_puts_the_line_where_it_puts_the_snippet(
    room: Newsroom, open_page: OpenPage, version: str, own: bool, engine: str
) -> None:
    script = assets.built("ticker.js")
    room.site.put("/ticker.js", File(script, "text/javascript"))
    template = f"<template>{snippet('' if own else '{server}')}</template>"
    body = at("one") + at("two") + at("three") + template + program(version)
    html = "const html = document.querySelector('template').innerHTML;"
    async with open_page(engine) as page:
        await page.open(room.page(host(body)))
        for _ in range(2):
            await look(page, html + "$('#one').html(html)")
            assert await placed(page, "one: KGS") == ["one: KGS"]
        await look(page, html + "$('#two').append(html); $('#three').append(html)")
        expected = ["one: KGS", "three: KGS", "two: KGS"]
        assert await placed(page, *expected) == expected
        await look(page, "$('#one, #two, #three').empty()")

        assert await placed(page) == []
        await subscribed(room, 0)
        await nothing_was_wrong(page)
