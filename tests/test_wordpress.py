"""The plugin for WordPress, in Debian's WordPress with a real browser. The service is of another origin."""

from __future__ import annotations

import asyncio
import html
import json
import re
import tempfile
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio
from browsers import ChromiumPage
from newsroom import File, Newsroom
from playwright.async_api import Page as Tab
from reader import EYES, five, quote
from reader import few_pages as few_pages
from reader import staffed_room as staffed_room
from stage import until
from test_protocol import free_port
from wordpress import PASSWORD, USER, WordPress, wordpress

import ticker
from ticker import assets

if TYPE_CHECKING:
    from tests.conftest import OpenPage

pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).parents[1]
PLUGIN = (ROOT / "widget/wordpress/currency-ticker.php").read_text()
live = pytest.mark.asyncio(loop_scope="session")
"""A test that needs the site."""
SETTINGS = "/wp-admin/options-general.php?page=currency-ticker"
SECONDS = 90
"""Usual are 1 to 5, but a machine may be busy with other tests."""
HARMLESS = ("allow-scripts and allow-same-origin", "was preloaded using link preload but not used")
"""What the browser says of WordPress itself."""


# What needs no site.


def test_the_plugin_has_the_version_of_the_service() -> None:
    assert f" * Version: {ticker.__version__}\n" in PLUGIN


def test_the_zip_has_the_plugin_in_a_folder_of_its_own() -> None:
    with zipfile.ZipFile(BytesIO(assets.plugin())) as archive:
        assert archive.namelist() == ["currency-ticker/currency-ticker.php"]
        assert archive.read("currency-ticker/currency-ticker.php").decode() == PLUGIN


def types() -> dict[str, list[str]]:
    """The attributes of each element that authors may set."""
    found = re.findall(r"'element' => '([a-z-]+)'.*?'names'   => array\( (.*?) \)", PLUGIN, re.DOTALL)
    return {element: re.findall(r"'(\w+)'", names) for element, names in found}


def test_authors_may_set_every_attribute_but_the_server() -> None:
    manifest = json.loads((ROOT / "widget/custom-elements.json").read_text())
    described = {
        each["tagName"]: {one["name"]: one["type"]["text"] for one in each["attributes"]}
        for module in manifest["modules"]
        for each in module["declarations"]
        if "tagName" in each
    }
    switches = re.search(r"CURRENCY_TICKER_SWITCHES = array\( (.*?) \)", PLUGIN)
    assert switches

    assert {tag: set(names) for tag, names in types().items()} == {
        tag: set(attributes) - {"src"} for tag, attributes in described.items()
    }
    assert set(re.findall(r"\w+", switches[1])) == {
        name for attributes in described.values() for name, kind in attributes.items() if kind == "boolean"
    }


def test_every_text_can_be_translated() -> None:
    calls = re.findall(r"__\( '[^']*'(.*?) \)", PLUGIN)

    assert len(calls) == len(re.findall(r"__\(", PLUGIN)) > 20
    assert set(calls) == {", 'currency-ticker'"}


# The site.


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site() -> AsyncIterator[WordPress]:
    with tempfile.TemporaryDirectory(prefix="ticker-", dir="/tmp") as path:
        async with wordpress(Path(path), free_port()) as site:
            yield site


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cookies(site: WordPress, open_page: OpenPage) -> Any:
    """Those of the owner."""
    async with open_page("chromium") as page:
        assert isinstance(page, ChromiumPage)
        await page.open(f"{site.url}/wp-login.php")
        await page.tab.fill("#user_login", USER)
        await page.tab.fill("#user_pass", PASSWORD)
        await page.tab.click("#wp-submit")
        await page.tab.wait_for_url("**/wp-admin/**")
        return await page.tab.context.storage_state()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def owned(cookies: Any, open_page: OpenPage) -> Any:
    """Pages as the owner sees them. Nothing may be wrong on them."""

    @asynccontextmanager
    async def owned(width: int = 1280, height: int = 900) -> AsyncIterator[Tab]:
        async with open_page("chromium", width=width, height=height, storage_state=cookies) as page:
            assert isinstance(page, ChromiumPage)
            page.tab.set_default_timeout(SECONDS * 1000)
            yield page.tab
            assert wrong(page) == []

    return owned


def wrong(page: ChromiumPage) -> list[str]:
    return [said for said in page.complaints if not any(each in said for each in HARMLESS)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def installed(site: WordPress, room: Newsroom, owned: Any) -> WordPress:
    """The site after its owner has installed the plugin from the service and named the service."""
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"{room.server.url}/currency-ticker.zip") as answer,
    ):
        assert answer.content_type == "application/zip"
        package = await answer.read()
    async with owned() as tab:
        await tab.goto(f"{site.url}/wp-admin/plugin-install.php?tab=upload")
        file: Any = {"name": "currency-ticker.zip", "mimeType": "application/zip", "buffer": package}
        await tab.set_input_files("#pluginzip", file)
        await tab.click("#install-plugin-submit")
        await tab.click("text=Activate Plugin")
        await tab.click("tr[data-slug=currency-ticker] >> text=Settings")
        await tab.fill("#currency-ticker-host", f"{room.server.url}/ticker.js")
        await tab.click("#submit")
        assert "Settings saved." in await tab.inner_text(".notice-success")
    return site


async def choose(site: WordPress, **options: Any) -> None:
    """Change some settings, as the page of settings does."""
    code = "update_option( 'currency_ticker', array_merge( currency_ticker_options(), $given ) );"
    await site.php(code, options)


@asynccontextmanager
async def chosen(site: WordPress, **options: Any) -> AsyncIterator[None]:
    """These settings, and at the end those of before."""
    before = json.loads(await site.php("echo wp_json_encode( currency_ticker_options() );"))
    await choose(site, **options)
    try:
        yield
    finally:
        await choose(site, **before)


async def fetched(url: str) -> str:
    async with aiohttp.ClientSession() as client, client.get(url) as answer:
        return await answer.text()


LINES = """() => [...document.querySelectorAll("currency-ticker")].map((line) =>
  [...(line.shadowRoot?.querySelectorAll("[part~=item]") ?? [])]
    .filter((item) => !item.closest("[aria-hidden=true]"))
    .map((item) => item.textContent.replace(/[\\u00a0\\u202f]/g, " ")))"""


async def shown(tab: Any, *expected: list[str]) -> None:
    """Wait until the lines of a page, or of a frame, are these."""
    found: list[list[str]] = []

    async def so() -> bool:
        found[:] = await tab.evaluate(LINES)
        return found == list(expected)

    try:
        await until(so, SECONDS)
    except TimeoutError:
        assert found == list(expected)
        raise


KGS, KZT = "KGS/USD = 0.01144 0%", "KZT/USD = 0.001904 +0.44%"
ALL = [KGS, KZT, "TJS/USD = 0.10770 -0.44%", "UZS/USD = 0.00008342 +0.45%", "TMT/USD = 0.28571 0%"]
BLOCK = "<!-- wp:currency-ticker/rates %s /-->"


# On the pages.


@pytest.mark.slow
@live
async def test_lines_of_a_post_move_and_follow_the_rates(
    installed: WordPress, room: Newsroom, open_page: OpenPage
) -> None:
    attributes = json.dumps({"symbols": "KZT", "theme": "dark", "align": "wide"})
    content = f'[currency_ticker]\n\n[currency_ticker symbols="KGS"]\n\n{BLOCK % attributes}'
    address = await installed.post(content)
    async with open_page("chromium", height=900) as page:
        assert isinstance(page, ChromiumPage)
        await page.open(address)
        await shown(page.tab, ALL, [KGS], [KZT])
        scripts = await page.run(
            """return [...document.scripts].filter(({ src }) => src.includes("/ticker.js"))
              .map(({ src, async, type }) => [src, async, type]);"""
        )
        moved = await page.run(f"{EYES} return await motion()")
        heights = await page.run(
            """return [...document.querySelectorAll("currency-ticker")].map(
              (each) => [each.offsetHeight, Math.round(parseFloat(getComputedStyle(each).minHeight))]);"""
        )
        await room.say(quote("KGS", "87.0000", "87.4500"), *five()[1:])
        changed = "KGS/USD = 0.01149 +0.52%"
        await shown(page.tab, [changed, *ALL[1:]], [changed], [KZT])
        await room.say(*five())
        wide = await page.run(
            "return document.querySelector('.alignwide > currency-ticker')?.getAttribute('theme')"
        )
        assert wrong(page) == []

    assert scripts == [[f"{room.server.url}/ticker.js?define", True, ""]]
    assert moved < -1
    assert all(height == reserved for height, reserved in heights)
    assert wide == "dark"


HEIGHTS = """return [...document.querySelectorAll("currency-quote, currency-converter")].map((each) => [
  each.offsetHeight, /\\d/.test(each.shadowRoot?.textContent)]);"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
@live
async def test_a_box_and_a_converter_come_into_the_places_that_are_kept(
    width: int, installed: WordPress, room: Newsroom, open_page: OpenPage
) -> None:
    codes = ("type=quote symbol=KGS", "type=quote symbol=KGS sparkline", "type=converter from=USD to=KGS")
    address = await installed.post("\n\n".join(f"[currency_ticker {each}]" for each in codes))
    async with open_page("chromium", width=width) as page:
        assert isinstance(page, ChromiumPage)
        await page.tab.route("**/board.js", lambda route: route.abort())
        await page.open(address)
        kept = [height for height, _ in await page.run(HEIGHTS)]
        await page.tab.unroute("**/board.js")
        await page.open(address)

        async def came() -> bool:
            return all(shows for _, shows in await page.run(HEIGHTS))

        await until(came, SECONDS)
        found = [height for height, _ in await page.run(HEIGHTS)]

    assert min(kept) > 150
    assert found == kept


@pytest.mark.slow
@live
async def test_authors_override_the_settings(installed: WordPress, room: Newsroom) -> None:
    usual = {"symbols": "KGS TJS", "format": "names", "theme": "dark", "sparkline": True, "invert": True}
    cases = {
        "": 'symbols="KGS TJS" theme="dark" format="names" invert sparkline',
        'symbols="KZT" format="line" theme="light" sparkline="false" invert=0': (
            'symbols="KZT" theme="light" format="line"'
        ),
        "sparkline paused speed=30": (
            'symbols="KGS TJS" speed="30" theme="dark" format="names" invert sparkline paused'
        ),
        'src="https://theirs.example" host="https://theirs.example" onclick="x" style="color:red"': (
            'symbols="KGS TJS" theme="dark" format="names" invert sparkline'
        ),
        'link="javascript:alert(1)"': (
            'symbols="KGS TJS" theme="dark" format="names" invert sparkline link="alert(1)"'
        ),
        'link="/rates/{base}"': (
            'symbols="KGS TJS" theme="dark" format="names" invert sparkline link="/rates/{base}"'
        ),
        'symbols="" theme="" paused="" invert=no sparkline=OFF': 'format="names" paused',
        'size="small"': 'symbols="KGS TJS" theme="dark" format="names" invert sparkline size="small"',
        'type="nothing"': 'symbols="KGS TJS" theme="dark" format="names" invert sparkline',
        "type=board symbols=KGS columns='price change'": 'symbols="KGS" columns="price change" theme="dark"',
        "type=quote symbol=KGS format=inline": 'symbol="KGS" format="inline" sparkline theme="dark"',
        "type=quote symbol=USD/KGS invert=1 sparkline=0": 'symbol="USD/KGS" theme="dark"',
        "type=converter amount=100 from=USD to=KGS": 'amount="100" from="USD" to="KGS" theme="dark"',
    }
    async with chosen(installed, **usual):
        text = await fetched(await installed.post("\n\n".join(f"[currency_ticker {each}]" for each in cases)))
    found = re.findall(r'<currency-([a-z]+) src="([^"]+)" (.*?)(?: style="[^"]*")?><noscript>', text)

    assert [html.unescape(attributes) for _, _, attributes in found] == list(cases.values())
    assert {server for _, server, _ in found} == {room.server.url}
    assert [element for element, _, _ in found[-4:]] == ["board", "quote", "quote", "converter"]
    assert text.count("/board.js") == text.count("/ticker.js") == 1
    assert text.count("calc(1.625em + 22px)") == 1


HOSTILE = (
    '"><script>hit()</script>',
    "&quot;&gt;&lt;script&gt;hit()&lt;/script&gt;",
    "' onmouseover='hit()",
    '" onfocus="hit()" tabindex="0" autofocus x="',
    "javascript:hit()",
    "</noscript><img src=x onerror=hit()>",
    "\\u0022 onload=\\u0022hit()",
)


@pytest.mark.slow
@live
async def test_what_authors_write_stays_text(installed: WordPress, open_page: OpenPage) -> None:
    names = types()["currency-ticker"]
    blocks = [BLOCK % json.dumps(dict.fromkeys(names, text)).replace("--", "") for text in HOSTILE]
    codes = [
        f"[currency_ticker {name}={mark}{text}{mark}]" for text in HOSTILE for name in names for mark in "\"'"
    ]
    arrays = BLOCK % json.dumps({"symbols": ["x"], "type": {"x": 1}, "sparkline": "yes", "speed": 5})
    async with open_page("chromium") as page:
        assert isinstance(page, ChromiumPage)
        await page.preload("window.hits = 0; window.hit = () => { hits += 1; };")
        for content in ("\n\n".join([*blocks, arrays]), "\n\n".join(codes)):
            await page.open(await installed.post(content))
            found = await page.run(
                """const lines = [...document.querySelectorAll("currency-ticker")];
                for (const line of lines) line.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
                const names = new Set(lines.flatMap((line) => line.getAttributeNames()));
                const strange = document.querySelectorAll("[onerror], [onmouseover], [src=x]");
                return [lines.length > 5, [...names], hits, strange.length];"""
            )
            assert found[0]
            assert set(found[1]) <= {*names, "src", "style"}
            assert found[2:] == [0, 0]
    assert "currency-ticker" not in installed.debug_log


@pytest.mark.slow
@live
async def test_feeds_have_a_link_and_excerpts_nothing(installed: WordPress, room: Newsroom) -> None:
    words = "Rates of the day. " * 3
    await installed.post(f"{words}[currency_ticker]")
    await installed.post(f"<!-- wp:paragraph --><p>{words}</p><!-- /wp:paragraph -->{BLOCK % '{}'}")
    feed = await fetched(f"{installed.url}/?feed=rss2")
    bodies = re.findall(r"<content:encoded><!\[CDATA\[(.*?)\]\]>", feed, re.DOTALL)[:2]
    excerpts = re.findall(r"<item>.*?<description><!\[CDATA\[(.*?)\]\]>", feed, re.DOTALL)[:2]

    for body in bodies:
        assert f'<a href="{room.server.url}/">Exchange rates</a>' in body
        assert "<currency-ticker" not in body
    assert "<script" not in feed
    assert [" ".join(each.split()) for each in excerpts] == [words.strip()] * 2
    assert "currency_ticker]" not in await fetched(f"{installed.url}/")


@pytest.mark.slow
@live
async def test_until_a_service_is_named_only_who_can_name_it_is_told(
    installed: WordPress, owned: Any
) -> None:
    address = await installed.post(f"[currency_ticker]{BLOCK % '{}'}")
    async with chosen(installed, host=""):
        text = await fetched(address)
        async with owned() as tab:
            await tab.goto(address)
            links = await tab.locator("main a", has_text="enter the address of your service").count()
            await tab.locator("main a", has_text="enter the address of your service").first.click()
            assert await tab.inner_text("h1") == "Currency ticker"

    assert links == 2
    assert "currency-ticker" not in text
    assert "address of your service" not in text


@pytest.mark.slow
@live
async def test_what_caching_plugins_make_of_a_post_still_shows_its_lines(
    installed: WordPress, room: Newsroom, open_page: OpenPage
) -> None:
    """A page is kept and served from elsewhere; scripts get a version, or are combined into one file."""
    text = await fetched(await installed.post("[currency_ticker symbols=KGS]"))
    [tag] = re.findall(r"<script[^>]*/ticker\.js[^>]*></script>", text)
    code = assets.built("ticker.js")
    combined = room.site.put("/combined.js", File(b"var theme = 1;\n" + code, "text/javascript"))
    ours = f"{room.server.url}/ticker.js?define"
    for changed in (
        tag,
        tag.replace("?define", "?define&#038;ver=6.1"),
        f'<script src="{combined}" defer></script>',
        f'<script data-type="lazy" data-src="{ours}"></script>'
        "<script>setTimeout(() => { const lazy = document.querySelector('[data-src]');"
        " const now = document.createElement('script'); now.src = lazy.dataset.src; lazy.replaceWith(now); })"
        "</script>",
    ):
        async with open_page("chromium") as page:
            assert isinstance(page, ChromiumPage)
            await page.open(room.page(text.replace(tag, changed)))
            await shown(page.tab, [KGS])


# The settings.


@pytest.mark.slow
@live
async def test_the_owner_chooses_on_the_page_of_settings(
    installed: WordPress, room: Newsroom, owned: Any
) -> None:
    async with chosen(installed), owned() as tab:
        await tab.goto(f"{installed.url}{SETTINGS}")
        await shown(tab, ALL)
        await tab.fill("#currency-ticker-symbols", "kgs,<tjs>")
        await tab.select_option("#currency-ticker-format", "compact")
        await tab.select_option("#currency-ticker-theme", "dark")
        await tab.select_option("#currency-ticker-size", "small")
        await tab.check("#currency-ticker-invert")
        await tab.click("#submit")
        await shown(tab, ["KGS 87.45 0%", "TJS 9.285 +0.44%"])
        stored = json.loads(await installed.php("echo wp_json_encode( get_option( 'currency_ticker' ) );"))
        assert stored == {
            "host": room.server.url,
            "symbols": "KGS TJS",
            "format": "compact",
            "theme": "dark",
            "size": "small",
            "invert": True,
            "sparkline": False,
        }
        assert await tab.input_value("#currency-ticker-symbols") == "KGS TJS"
        for text in (
            "javascript:alert(1)",
            "ftp://a.example",
            'https://a"><script>',
            "https://u:p@a.example",
        ):
            await tab.fill("#currency-ticker-host", text)
            await tab.click("#submit")
            assert "This is not the address of a service." in await tab.inner_text(".notice-error")
            assert await tab.input_value("#currency-ticker-host") == room.server.url


@pytest.mark.slow
@live
async def test_only_an_address_of_the_web_is_one_of_a_service(installed: WordPress) -> None:
    cases = {
        "": "",
        " https://rates.example.org/ ": "https://rates.example.org",
        "Rates.Example.org/fx/": "https://rates.example.org/fx",
        "HTTPS://rates.example.org:8443/a/ticker.js": "https://rates.example.org:8443/a",
        "http://[::1]:8080": "http://[::1]:8080",
        "https://rates.example.org/board.0123456789abcdef.js": "https://rates.example.org",
        "javascript:alert(1)": None,
        "javascript://a.example/%0aalert(1)": None,
        "data:text/html,x": None,
        "ftp://a.example": None,
        "//a.example": None,
        "https://": None,
        "https://u:p@a.example": None,
        'https://a.example"><script>': None,
        "https://a.example/\n": "https://a.example",
        "https://a.example/x\ny": None,
        "https://a.example/a b": None,
        "https://a.example/?x": None,
        "https://a.example/#x": None,
        "https://a.example/'": None,
        "https://a\\b": None,
    }
    code = "echo wp_json_encode( array_map( 'currency_ticker_host', $given ) );"

    assert dict(zip(cases, json.loads(await installed.php(code, list(cases))), strict=True)) == cases


@pytest.mark.slow
@live
async def test_nobody_else_changes_the_settings(
    installed: WordPress, cookies: Any, open_page: OpenPage
) -> None:
    before = await installed.php("echo wp_json_encode( get_option( 'currency_ticker' ) );")
    jar = {each["name"]: each["value"] for each in cookies["cookies"]}
    form = {
        "option_page": "currency_ticker",
        "action": "update",
        "currency_ticker[host]": "https://theirs.example",
    }
    address = f"{installed.url}/wp-admin/options.php"
    async with aiohttp.ClientSession(cookies=jar) as client, client.post(address, data=form) as answer:
        assert answer.status == 403, await answer.text()
    await installed.php(
        f"wp_create_user( 'author', '{PASSWORD}', 'author@example.org' );"
        " ( new WP_User( get_user_by( 'login', 'author' )->ID ) )->set_role( 'author' );"
    )
    async with open_page("chromium") as page:
        assert isinstance(page, ChromiumPage)
        await page.open(f"{installed.url}/wp-login.php")
        await page.tab.fill("#user_login", "author")
        await page.tab.fill("#user_pass", PASSWORD)
        await page.tab.click("#wp-submit")
        await page.tab.wait_for_url("**/wp-admin/**")
        answer = await page.tab.goto(f"{installed.url}{SETTINGS}")
        assert answer
        assert answer.status == 403

    assert await installed.php("echo wp_json_encode( get_option( 'currency_ticker' ) );") == before


# The editor.


@pytest.mark.slow
@live
async def test_the_block_is_inserted_chosen_and_published(
    installed: WordPress, room: Newsroom, owned: Any
) -> None:
    async with owned() as tab:
        await tab.goto(f"{installed.url}/wp-admin/post-new.php")
        await tab.locator(".editor-post-title__input").type("Rates today")
        await tab.click("button.edit-post-header-toolbar__inserter-toggle")
        await tab.fill(".block-editor-inserter__search input", "exchange")
        await tab.click(".block-editor-block-types-list__item:has-text('Exchange rates')")
        await shown(await preview(tab), ALL)
        await tab.click("button.edit-post-header-toolbar__inserter-toggle")
        if not await tab.locator(".edit-post-sidebar").count():
            await tab.click("button[aria-label=Settings]")
        await tab.fill("label:has-text('Pairs') + input", "KGS KZT")
        await tab.select_option("label:has-text('Colours') >> xpath=../../.. >> select", "dark")
        await shown(await preview(tab), [KGS, KZT])
        await tab.click(".editor-post-publish-button__button")
        await tab.click(".editor-post-publish-panel .editor-post-publish-button")
        await tab.wait_for_selector(".post-publish-panel__postpublish")
        address = await tab.evaluate("wp.data.select('core/editor').getCurrentPost().link")
        content = await tab.evaluate("wp.data.select('core/editor').getEditedPostContent()")
        await tab.goto(address)
        await shown(tab, [KGS, KZT])

    assert content == BLOCK % '{"symbols":"KGS KZT","theme":"dark"}'
    assert "currency-ticker" not in installed.debug_log


@pytest.mark.slow
@live
async def test_the_preview_is_as_high_as_what_it_shows(installed: WordPress, owned: Any) -> None:
    """A list of long names takes several rows, but only once the rates are there."""
    address = await installed.post(BLOCK % '{"static":true,"format":"names"}')
    async with owned() as tab:
        await tab.goto(f"{installed.url}/wp-admin/post.php?action=edit&post={address.rpartition('=')[2]}")
        frame = await preview(tab)

        async def fits() -> bool:
            high = await frame.evaluate("() => document.querySelector('currency-ticker')?.offsetHeight ?? 0")
            room = await tab.evaluate(
                "() => document.querySelector('.wp-block-currency-ticker-rates iframe').offsetHeight"
            )
            return bool(high > 100 and room >= high)

        await until(fits, SECONDS)


async def preview(tab: Tab) -> Any:
    """The frame of the block's preview."""
    frame = await tab.wait_for_selector(".wp-block-currency-ticker-rates iframe")
    assert frame
    return await frame.content_frame()


# Pasted addresses.


FRAMES = """() => [...document.querySelectorAll("main iframe")].map((frame) => ({
  src: frame.src.replace(/#.*/, ""), sandbox: frame.getAttribute("sandbox"), width: frame.offsetWidth,
  height: frame.offsetHeight, border: getComputedStyle(frame).borderTopWidth, title: frame.title,
}))"""
LOOK = "document.dispatchEvent(new Event('visibilitychange'))"


@pytest.mark.slow
@pytest.mark.parametrize("is_named", [False, True], ids=["alone", "plugin"])
@live
async def test_a_pasted_address_becomes_its_frame(
    is_named: bool, installed: WordPress, room: Newsroom, open_page: OpenPage
) -> None:
    """WordPress finds out by itself. It trusts the service only if the plugin names it."""
    base = room.server.url
    addresses = (f"{base}/", f"{base}/v1/line.html?symbols=KGS,KZT&theme=dark")
    blocks = (
        f'<!-- wp:embed {{"url":"{each}"}} --><figure class="wp-block-embed">'
        f'<div class="wp-block-embed__wrapper">\n{html.escape(each)}\n</div></figure><!-- /wp:embed -->'
        for each in addresses
    )
    async with chosen(installed, host=base if is_named else ""), open_page("chromium", height=900) as page:
        assert isinstance(page, ChromiumPage)
        await page.open(await installed.post("\n\n".join(blocks)))
        frames = await page.run(f"return ({FRAMES})()")
        inner = [each for each in page.tab.frames if each.parent_frame]
        await until(lambda: figures(inner[0], KGS), SECONDS)
        await room.say(quote("KGS", "87.0000", "87.4500"))
        for frame in inner:
            await frame.evaluate(LOOK)
        await until(lambda: figures(inner[1], "KGS/USD = 0.01149 +0.52%"), SECONDS)
        await room.say(*five())
        assert wrong(page) == []

    assert [each["src"] for each in frames] == [
        f"{base}/v1/line.html",
        f"{base}/v1/line.html?symbols=KGS/USD,KZT/USD&theme=dark",
    ]
    for frame in frames:
        assert frame["sandbox"] == (None if is_named else "allow-scripts")
        assert (frame["height"], frame["border"], frame["title"]) == (62, "0px", "Exchange rates")
        # The text of the post is 650 pixels wide.
        assert frame["width"] == (650 if is_named else 500)


@pytest.mark.slow
@live
async def test_the_editor_shows_the_frame_of_a_pasted_address(
    installed: WordPress, room: Newsroom, owned: Any
) -> None:
    async with owned() as tab:
        await tab.goto(f"{installed.url}/wp-admin/post-new.php")
        await tab.locator(".editor-post-title__input").type("Rates today\n")
        # On its own line an address is enough, but only one with https.
        await tab.wait_for_selector(".wp-block-paragraph:focus")
        await tab.keyboard.type("/embed")
        await tab.wait_for_selector(".components-autocomplete__result")
        await tab.keyboard.press("Enter")
        await tab.fill("input[type=url]", f"{room.server.url}/v1/line.html?symbols=KZT")
        await tab.click(".wp-block-embed button[type=submit]")
        await tab.wait_for_selector(".wp-block-embed iframe")

        async def shows() -> bool:
            frames = [each for each in tab.frames if "/v1/line.html" in each.url]
            return bool(frames) and await figures(frames[0], KZT)

        await until(shows, SECONDS)


async def figures(frame: Any, text: str) -> bool:
    """Whether the first item of a line without our element is this."""
    items = await frame.evaluate("() => [...document.querySelectorAll('li')].map((each) => each.textContent)")
    await frame.evaluate(LOOK)
    return bool(items) and " ".join(items[0].split()) == text


# At the end.


@pytest.mark.slow
@live
async def test_a_deleted_plugin_leaves_nothing(installed: WordPress, owned: Any) -> None:
    """It is the last test: the plugin is gone."""
    asked = "SELECT option_name FROM wp_options WHERE option_name LIKE '%currency%'"
    assert await installed.sql(asked) == [["currency_ticker"]]
    async with owned() as tab:
        tab.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        await tab.goto(f"{installed.url}/wp-admin/plugins.php")
        await tab.click("tr[data-slug=currency-ticker] >> text=Deactivate")
        await tab.click("tr[data-slug=currency-ticker] >> text=Delete")
        await tab.wait_for_selector("tr.deleted[data-slug=currency-ticker]", state="attached")

    assert await installed.sql(asked) == []
    assert not (installed.folder / "site/wp-content/plugins/currency-ticker").exists()
