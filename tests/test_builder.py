"""The builder of the page: lines, tables, rates, converters, and snippets that show what it promised."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from browsers import EACH_ENGINE, Page
from newsroom import Newsroom
from playwright.async_api import Page as Tab
from reader import few_pages as few_pages
from reader import five, look, quote, saying
from test_page import AUDIT, AXE, MISFITS, charted, opened, snippet, until, use

from ticker.embedded import EmbeddedServer

if TYPE_CHECKING:
    from tests.conftest import OpenPage

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120), pytest.mark.slow]

WIDGET = Path(__file__).parents[1] / "widget"
WORDS: dict[str, dict[str, str]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (WIDGET / "src/words").glob("*.json")
}
KINDS = {
    "line": "currency-ticker",
    "board": "currency-board",
    "quote": "currency-quote",
    "converter": "currency-converter",
}

KGS, KZT, TJS = (f"#pairs input[value='{code}/USD']" for code in ("KGS", "KZT", "TJS"))
CASES: dict[str, list[tuple[str, str]]] = {
    "line": [],
    "line, by its script": [("[value=script]", "")],
    "line, as a frame": [("[value=iframe]", ""), (KGS, "")],
    "line, as a picture": [("[value=picture]", ""), (KGS, "")],
    "line, newest": [("[value=newest]", "")],
    "line, small": [("[name=size]", "small"), ("[name=hide]", ""), ("[name=transparent]", "")],
    "line, named": [("[name=titles]", 'KGS=Som <b>&"quoted"</b>, KZT = Tenge'), ("[name=hover]", "")],
    "line, linked": [("[value=script]", ""), ("[name=titles]", "KGS=Som"), ("[name=link]", "/r/{base}")],
    "line, still": [("[name=static]", ""), ("[name=locale]", "kk"), ("[name=format]", "names")],
    "board": [],
    "board, newest": [("[value=newest]", ""), (KGS, ""), (KZT, "")],
    "board, of few columns": [
        ("[name=columns][value=inverse]", ""),
        ("[name=columns][value=status]", ""),
        ("[name=columns][value=source]", ""),
    ],
    "board, dark and Russian": [("[name=theme]", "dark"), ("[name=locale]", "ru"), (TJS, "")],
    "quote": [],
    "quote, reversed": [("[name=symbol]", "USD/KZT"), ("[name=digits]", "3"), ("[name=theme]", "light")],
    "quote, newest": [("[value=newest]", "")],
    "quote, with a chart": [("[name=symbol]", "UZS/USD"), ("[name=sparkline]", "")],
    "quote, in a sentence": [("[name=place]", "inline")],
    "quote, in a sentence with a chart": [
        ("[name=place]", "inline"),
        ("[name=sparkline]", ""),
        ("[name=symbol]", "UZS/USD"),
        ("[name=locale]", "tk"),
    ],
    "converter": [],
    "converter, newest": [("[value=newest]", ""), ("[name=amount]", "1,234.50"), ("[name=from]", "KZT")],
    "converter, Kazakh": [("[name=from]", "KGS"), ("[name=to]", "TJS"), ("[name=locale]", "kk")],
}
ATTRIBUTES = {
    "line, small": 'size="small" hide="change" transparent',
    "line, named": 'titles="KGS=Som &lt;b&gt;&amp;&quot;quoted&quot;&lt;/b&gt;, KZT = Tenge" hover="run"',
    "board": "",
    "board, newest": 'symbols="TJS UZS TMT"',
    "board, of few columns": 'columns="price change chart date"',
    "board, dark and Russian": 'symbols="KGS KZT UZS TMT" theme="dark" locale="ru"',
    "quote": 'symbol="KGS"',
    "quote, reversed": 'symbol="USD/KZT" digits="3" theme="light"',
    "quote, with a chart": 'symbol="UZS" sparkline',
    "quote, in a sentence with a chart": 'symbol="UZS" format="inline" locale="tk" sparkline',
    "converter": "",
    "converter, newest": 'amount="1234.50" from="KZT" to="KGS"',
    "converter, Kazakh": 'from="KGS" to="TJS" locale="kk"',
}

# What an element shows: its texts without those repeated for the eye, its charts, and what one can type into.
SHOWS = r"""
const element = (root) => root.querySelector(
  "currency-ticker, currency-board, currency-quote, currency-converter, iframe, picture");
const shows = (root) => {
  const node = element(root);
  if (!node?.shadowRoot) return node ? [node.localName, node.src ?? node.querySelector("img").src] : [];
  const isRepeated = (each) => each.closest("[aria-hidden=true]") && !each.matches("path");
  const isShown = (each) => !each.children.length && each.part[0] !== "message" && !isRepeated(each);
  const told = (each) => each.getAttribute("d") ?? `${each.value ?? ""}${each.textContent}`;
  const texts = [...node.shadowRoot.querySelectorAll("*")].filter(isShown).map(told);
  return texts.map((text) => text.replace(/\s+/g, " ").trim()).filter(Boolean);
};
"""
PREVIEWED = f"(() => {{ {SHOWS} return shows(document.querySelector('#preview')); }})()"


async def choose(page: Tab, case: str) -> None:
    """Make what a case says, beginning anew."""
    await page.click("button[type=reset]")
    await page.check(f"[name=kind][value={case.partition(',')[0]}]")
    for control, value in CASES[case]:
        await use(page, control, value)


async def settled(page: Tab) -> tuple[str, list[str]]:
    """The snippet and what the preview shows, as soon as neither changes any more."""
    async with asyncio.timeout(20):
        before = None
        while True:
            shown = await page.evaluate(PREVIEWED)
            now = await snippet(page), shown
            if now == before and len(shown) > 1 and "…" not in "".join(shown):
                return now
            before = now
            await asyncio.sleep(0.4)


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="room")
async def _room(redis_server: EmbeddedServer) -> AsyncIterator[Newsroom]:
    async with charted(redis_server) as room:
        yield room


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def made(open_page: OpenPage, room: Newsroom) -> dict[str, tuple[str, list[str]]]:
    """The snippet of every case, and what the preview showed."""
    found = {}
    async with opened(open_page, room) as page:
        for case in CASES:
            await choose(page, case)
            found[case] = await settled(page)
    return found


# The snippets.


async def test_a_snippet_says_what_differs_from_the_defaults_and_no_more(
    made: dict[str, tuple[str, list[str]]],
) -> None:
    for case, attributes in ATTRIBUTES.items():
        tag = KINDS[case.partition(",")[0]]

        assert f"<{' '.join(filter(None, [tag, attributes]))} style=" in made[case][0], case


@pytest.mark.parametrize("kind", KINDS)
async def test_a_snippet_brings_the_script_of_its_element_with_its_hash_or_the_newest(
    made: dict[str, tuple[str, list[str]]], room: Newsroom, kind: str
) -> None:
    name = "ticker" if kind == "line" else "board"
    pinned, newest = (made[case][0].splitlines()[-1] for case in (kind, f"{kind}, newest"))

    assert pinned.startswith(f'<script async src="{room.server.url}/{name}.')
    assert 'integrity="sha384-' in pinned
    assert newest == f'<script async src="{room.server.url}/{name}.js"></script>'


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_a_snippet_shows_on_an_empty_page_what_the_preview_showed(
    open_page: OpenPage, room: Newsroom, made: dict[str, tuple[str, list[str]]], engine: str
) -> None:
    for case, (text, shown) in made.items():
        async with open_page(engine, width=1000, height=900) as page:
            await page.open(room.page(text))
            found = await soon(page, shown)

            assert [case, found] == [case, shown]
            assert [case, page.complaints] == [case, []]


async def soon(page: Page, shown: list[str]) -> list[str]:
    """What the page shows, as soon as it is this, or when it has had its time."""
    script = SHOWS + (
        "const told = () => shows(document.body); const [shown] = arguments;"
        "await until(() => `${told()}` === `${shown}`).catch(() => {}); return told();"
    )
    found: list[str] = await look(page, script, shown)
    return found


PLACED = [case for case in CASES if not case.startswith("line") and "sentence" not in case]
RESERVED = r"""
const [widths, size] = arguments;
document.body.style.fontSize = `${size}px`;
const node = document.querySelector("currency-board, currency-quote, currency-converter");
const ghost = document.createElement("div");
ghost.style.cssText = node.style.cssText;
const heights = [];
for (const width of widths) {
  document.body.style.width = `${width / 16}em`;
  node.style.minHeight = "0";
  await frame();
  const taken = node.getBoundingClientRect().height;
  node.replaceWith(ghost);
  const reserved = ghost.getBoundingClientRect().height;
  ghost.replaceWith(node);
  heights.push([width, Math.round(reserved - taken)]);
  await until(() => node.shadowRoot.textContent.length > 20);
}
node.style.cssText = ghost.style.cssText;
return heights;
"""


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_a_snippet_reserves_the_height_that_its_element_takes_at_any_width(
    open_page: OpenPage, room: Newsroom, made: dict[str, tuple[str, list[str]]], engine: str
) -> None:
    widths = [288, 320, 358, 420, 520, 600, 620, 800, 920, 940, 1060, 1090, 1200]
    for case in PLACED:
        text, shown = made[case]
        async with open_page(engine, width=1300, height=900) as page:
            style = "<style>body { margin: 0; font: 16px sans-serif }</style>"
            await page.open(room.page(style + text))
            await soon(page, shown)
            for size in (13, 16, 20, 24):
                differences = await look(page, RESERVED, widths, size)

                # Of a table a line of text more or less, and what a straight line is above a bent one.
                most = 64 * max(size, 16) / 16
                assert [(case, size, *each) for each in differences if not 0 <= each[1] <= most] == []


async def test_sources_whose_text_does_not_grow_with_the_rest_have_their_rows_at_each_size(
    open_page: OpenPage, room: Newsroom
) -> None:
    """They are 12 px high in text of any size, so they wrap at other widths than it does."""
    rates = [
        replace(rate, source_name=f"demo:{rate.source_name}")
        for rate in (quote("TJS", "10.9513", source="nbt"), quote("UZS", "12131.16", source="cbu"))
    ]
    cases = {
        "board": {"[name=locale]": "ky"},
        "converter": {"[name=from]": "UZS", "[name=to]": "TJS", "[name=locale]": "ru"},
    }
    async with saying(room, *rates):
        for kind, choices in cases.items():
            async with opened(open_page, room) as page:
                await page.check(f"[name=kind][value={kind}]")
                for control, value in choices.items():
                    await use(page, control, value)
                text, shown = await settled(page)
            async with open_page("chromium", width=1300, height=900) as other:
                await other.open(room.page("<style>body { margin: 0; font: 16px sans-serif }</style>" + text))
                await soon(other, shown)
                for size in range(13, 25):
                    widths = [16 * each for each in (17.2, 18, 19, 20, 22, 24, 26, 28, 31, 34, 38, 42)]
                    differences = await look(other, RESERVED, widths, size)

                    assert [(kind, size, *each) for each in differences if each[1] < 0] == []


# Where what follows the element stands, frame by frame.
FOLLOWED = """<style>body { line-height: 1.5 }</style><script>
const places = new Set();
const follow = () => {
  const { x, y } = document.querySelector("#after")?.getBoundingClientRect() ?? {};
  if (y !== undefined) places.add(`${Math.round(x)} ${Math.round(y)}`);
  requestAnimationFrame(follow);
};
follow();
</script>"""
UNRESERVED = ("line, by its script", "line, linked", "line, still", "line, as a picture")
"""As the docs say."""


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_what_follows_the_element_does_not_move_when_it_comes(
    open_page: OpenPage, room: Newsroom, made: dict[str, tuple[str, list[str]]], engine: str, width: int
) -> None:
    for case in CASES.keys() - set(UNRESERVED):
        text, shown = made[case]
        around = (
            '<p>Before it {} <span id="after">after it</span></p>'
            if "sentence" in case
            else '{}<p id="after">'
        )
        async with open_page(engine, width=width, height=900) as page:
            await page.open(room.page(FOLLOWED + around.replace("{}", text)))
            await soon(page, shown)
            await look(page, "await moment(200)")

            places = await page.run("return [...places]")
            assert [case, *places] == [case, places[0]]


# What is refused.


REFUSED = [
    *(("link", text) for text in ("javascript:alert(1)", " JavaScript:alert(1)", "data:text/html,x")),
    *(("link", text) for text in ("http://", "mailto:a@b")),
    *(("titles", text) for text in ("KGS=Som, tenge", "KGS=Som KZT=Tenge", "KGS=Som; KZT=Tenge")),
    *(("titles", text) for text in ("KGS=", "KGS=A=B", "som = KGS=1")),
]


@pytest.mark.parametrize("language", WORDS)
async def test_what_the_element_would_not_take_is_left_out_and_the_reader_is_told_why(
    open_page: OpenPage, room: Newsroom, language: str
) -> None:
    words = WORDS[language]
    async with opened(open_page, room, locale=language) as page:
        for name, text in REFUSED:
            await page.fill(f"[name={name}]", text)
            assert f"{name}=" not in await snippet(page)
            assert await page.inner_text(f"#{name}-hint") == words[f"{name}Refused"]
            assert await page.get_attribute(f"[name={name}]", "aria-invalid") == "true"
            await page.fill(f"[name={name}]", "")
        for link in ("https://example.org/{base}", "/rates/{base}", "?pair={symbol}"):
            await page.fill("[name=link]", link)
            assert f'link="{link}"' in await snippet(page)
            assert await page.inner_text("#link-hint") == words["linkHint"]
            assert await page.get_attribute("[name=link]", "aria-invalid") is None
        await page.fill("[name=titles]", "kgs = Som, USD-KZT=US dollar,")
        assert "titles=" in await snippet(page)
        await page.check("[value=converter]")
        await page.fill("[name=amount]", "ten")
        assert "amount=" not in await snippet(page)
        example = "1234.5" if language == "en" else "1234,5"
        assert await page.inner_text("#amount-hint") == words["notAmount"].replace("{example}", example)


async def test_the_colours_of_a_snippet_are_those_of_its_line_alone(
    open_page: OpenPage, room: Newsroom
) -> None:
    snippets = []
    async with opened(open_page, room) as page:
        await page.check("[value=script]")
        snippets.append(await snippet(page))
        for colour in ("#aa0000", "#0000aa"):
            await use(page, "[name=coloured]", "") if len(snippets) == 1 else None
            await page.fill("[name=color]", colour)
            snippets.append(await snippet(page))
    async with open_page("chromium", height=600) as page:
        await page.open(room.page("".join(f"<section>{each}</section>" for each in snippets)))
        colours = await look(
            page,
            """await until(() => items(2).length);
            return [0, 1, 2].map((index) => getComputedStyle(ticker(index)).color);""",
        )

        assert colours[1:] == ["rgb(170, 0, 0)", "rgb(0, 0, 170)"]
        assert colours[0] not in colours[1:]


async def test_the_preview_follows_no_refused_link(open_page: OpenPage, room: Newsroom) -> None:
    async with opened(open_page, room) as page:
        await page.fill("[name=link]", "javascript:alert(1)")

        assert await page.get_attribute("#preview currency-ticker", "link") is None


# The form.

FIELDS = """() => [...new Set([...document.querySelectorAll('#builder input, #builder select')]
  .filter(field => field.checkVisibility()).map(field => field.name))]"""
LINE = (
    "kind form pairs theme locale size format digits invert sparkline hide transparent titles link"
    " speed direction hover static coloured color background up down version"
)
FRAMED = ["kind", "form", "pairs", "theme", "locale", "format", "digits", "invert"]
SHOWN = {
    "line": LINE,
    "board": "kind pairs columns theme locale version",
    "quote": "kind symbol place theme locale digits sparkline version",
    "converter": "kind amount from to theme locale version",
}


async def test_each_kind_has_its_own_fields_and_each_form_of_the_line(
    open_page: OpenPage, room: Newsroom
) -> None:
    async with opened(open_page, room) as page:
        for kind, names in SHOWN.items():
            await page.check(f"[name=kind][value={kind}]")
            assert await page.evaluate(FIELDS) == names.split()
        await page.check("[name=kind][value=line]")
        for form in ("iframe", "picture"):
            await page.check(f"[value={form}]")
            assert await page.evaluate(FIELDS) == [
                "kind",
                "form",
                "pairs",
                "theme",
                "locale",
                "format",
                "digits",
                "invert",
            ]


async def test_the_keyboard_chooses_the_kind_and_reaches_its_fields(
    open_page: OpenPage, room: Newsroom
) -> None:
    focused = "(node => node.name || node.id)(document.activeElement)"
    async with opened(open_page, room) as page:
        await page.focus("[name=kind]")
        for kind in ("board", "quote", "converter"):
            await page.keyboard.press("ArrowRight")
            assert await page.evaluate("document.activeElement.value") == kind
            assert await page.locator(f"#preview {KINDS[kind]}").count() == 1
        reached = []
        for _ in range(14):
            await page.keyboard.press("Tab")
            reached.append(await page.evaluate(focused))

        fields = [
            name for name in dict.fromkeys(reached) if name in SHOWN["converter"].split() or name == "copy"
        ]
        assert fields == ["amount", "from", "to", "theme", "locale", "version", "copy"]


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (768, 1024), (390, 844), (320, 568)])
async def test_a_change_of_the_kind_moves_neither_the_page_nor_the_focus(
    open_page: OpenPage, room: Newsroom, width: int, height: int
) -> None:
    top = "document.querySelector('#kinds').getBoundingClientRect().top"
    where = f"[scrollY, document.activeElement.value, {top}]"
    async with opened(open_page, room, width=width, height=height) as page:
        await page.locator("#kinds").evaluate("node => node.scrollIntoView()")
        await page.focus("[name=kind]")
        scrolled, _, place = await page.evaluate(where)
        for kind in ("board", "quote", "converter", "line"):
            await page.keyboard.press("ArrowRight")
            await asyncio.sleep(0.3)
            assert await page.evaluate(where) == [scrolled, kind, place]


INSIDE = """([name, part]) => {
  const field = [...document.querySelectorAll(`#builder [name=${name}]`)].at(-1);
  field.scrollIntoView({ block: 'nearest' });
  const preview = document.querySelector('#preview').getBoundingClientRect();
  const code = document.querySelector('#snippet').getBoundingClientRect();
  const box = field.getBoundingClientRect();
  const seen = ({ top, bottom }) => top >= 0 && bottom <= innerHeight;
  const covered = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  return [seen(preview), seen(code), covered === field];
}"""


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (768, 1024), (390, 844)])
async def test_the_preview_stays_in_sight_while_one_chooses(
    open_page: OpenPage, room: Newsroom, width: int, height: int
) -> None:
    async with opened(open_page, room, width=width, height=height) as page:
        for kind in KINDS:
            await page.check(f"[name=kind][value={kind}]")
            await settled(page)
            await page.locator("#kinds").evaluate("node => node.scrollIntoView()")
            for name in SHOWN[kind].split()[2:]:
                preview, code, is_free = await page.evaluate(INSIDE, [name, ""])
                assert [kind, name, preview, is_free] == [kind, name, True, True]
                assert code or width < 960, (kind, name)


# Where the labels and the controls of the fieldsets begin and end, as far as they are off the common lines.
UNEVEN = """() => {
  const found = [];
  const edges = new Map();
  const note = (kind, edge, name) => {
    const line = `${kind} ${Math.round(edge)}`;
    edges.set(line, [...(edges.get(line) ?? []), name]);
  };
  const columns = new Set();
  const rows = [...document.querySelectorAll('.fields .row')].filter(each => each.checkVisibility());
  for (const row of rows) {
    const field = row.querySelector('input, select');
    const box = (field.closest('.slider') ?? field).getBoundingClientRect();
    const set = row.closest('fieldset').getBoundingClientRect();
    columns.add(Math.round(set.left));
    note('label', row.firstElementChild.getBoundingClientRect().left, field.name);
    note('from', box.left, field.name);
    note('to', box.right, field.name);
    if (Math.abs(box.right - set.right) > 1) found.push(`${field.name} ends before its column`);
    const { scrollWidth, clientWidth } = row.firstElementChild;
    if (scrollWidth > clientWidth + 1) found.push(`the label of ${field.name} is cut`);
  }
  for (const kind of ['label', 'from', 'to']) {
    const lines = [...edges].filter(([line]) => line.startsWith(kind));
    if (lines.length !== columns.size) found.push(JSON.stringify(lines));
  }
  const sets = [...document.querySelectorAll('.fields > fieldset')].filter(each => each.checkVisibility());
  for (const [place, one] of sets.entries()) for (const other of sets.slice(place + 1)) {
    const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
    const isBeside = a.left >= b.right || b.left >= a.right || a.top >= b.bottom || b.top >= a.bottom;
    if (!isBeside) found.push('fieldsets overlap');
  }
  return found;
}"""


@pytest.mark.parametrize("language", ["en", "kk", "tk"])
async def test_labels_and_controls_stand_on_common_lines_at_every_width(
    open_page: OpenPage, room: Newsroom, language: str
) -> None:
    async with opened(open_page, room, locale=language) as page:
        for kind in KINDS:
            await page.check(f"[name=kind][value={kind}]")
            for width in (320, 390, 640, 768, 959, 960, 1280):
                await page.set_viewport_size({"width": width, "height": 900})
                assert [kind, width, await page.evaluate(UNEVEN)] == [kind, width, []]
                assert [kind, width, await page.evaluate(MISFITS)] == [kind, width, []]


@pytest.mark.parametrize("language", ["en", "ru", "tk"])
async def test_text_of_twice_the_size_is_in_the_window(
    open_page: OpenPage, room: Newsroom, language: str
) -> None:
    outside = """[...document.querySelectorAll("body *")]
      .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
      .map((each) => each.textContent || each.name)"""
    async with opened(open_page, room, locale=language) as page:
        await page.evaluate("document.documentElement.style.fontSize = '200%'")
        for kind in KINDS:
            await page.check(f"[name=kind][value={kind}]", force=True)
            for width in (390, 640, 1280):
                await page.set_viewport_size({"width": width, "height": 900})
                assert [kind, width, await page.evaluate(outside)] == [kind, width, []]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
async def test_axe_finds_nothing_in_any_kind(
    open_page: OpenPage, room: Newsroom, width: int, scheme: str
) -> None:
    async with opened(open_page, room, width=width, color_scheme=scheme) as page:
        await page.evaluate(AXE.read_text())
        for case in ("line, as a picture", "board", "quote", "quote, in a sentence", "converter"):
            await choose(page, case)
            await settled(page)
            await page.evaluate("scrollTo(0, 0)")
            violations, incomplete = await page.evaluate(AUDIT)

            assert [case, violations] == [case, []]
            assert [each for each in incomplete if "currency-" not in each and "#line" not in each] == []


async def test_a_high_contrast_reader_sees_which_kind_is_chosen(open_page: OpenPage, room: Newsroom) -> None:
    async with opened(open_page, room, forced_colors="active") as page:
        segment = page.locator("[name=kind][value=board] + span")
        before = await segment.screenshot()
        await page.evaluate("document.querySelector('[name=kind][value=board]').click()")

        assert await segment.screenshot() != before


async def test_new_currencies_are_offered_and_what_was_chosen_stays(
    open_page: OpenPage, room: Newsroom
) -> None:
    async with opened(open_page, room) as page:
        symbols = [str(each.symbol) for each in five()]
        offered = "[...document.querySelectorAll('[name=symbol] option')].map(option => option.value)"

        assert await page.evaluate(offered) == symbols + ["/".join(each.split("/")[::-1]) for each in symbols]
        await page.check("[value=converter]")
        assert await page.input_value("[name=to]") == "KGS"
        await page.select_option("[name=to]", "TJS")
        assert '<currency-converter to="TJS"' in await snippet(page)
        await page.click("button[type=reset]")
        await until(page, "document.querySelector('[name=kind]').checked")
        assert await page.input_value("[name=to]") == "KGS"
