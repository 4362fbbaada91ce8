"""The words of the page: seven languages, each with every word, and none left in English."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from browsers import ChromiumPage
from newsroom import Newsroom
from playwright.async_api import Page
from reader import quote
from test_page import AUDIT, AXE, BOARD, MISFITS, PLACES, charted, opened, row, until

from ticker import assets
from ticker.embedded import EmbeddedServer
from ticker.rates.model import Announcement
from ticker.sources import SOURCES

if TYPE_CHECKING:
    from tests.conftest import OpenPage

WIDGET = Path(__file__).parents[1] / "widget"
WORDS: dict[str, dict[str, str]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (WIDGET / "src/words").glob("*.json")
}
FOREIGN = sorted(set(WORDS) - {"en"})
CYRILLIC = {"ru", "ky", "kk", "tg"}
PLACEHOLDER = re.compile(r"{\w*}")
NAMES = re.compile(
    "|".join(
        [
            PLACEHOLDER.pattern,
            *(re.escape(name) for each in SOURCES.values() for name in (each.short, each.site)),
        ]
    )
)
ENGLISH = re.compile(r"[a-z]{2,}")
VOID = {"meta", "link", "input"}

# What a reader of the page reads or hears, without code and without what is marked as of another language.
TEXTS = """() => {
  const others = 'code, noscript, style, script, currency-ticker, iframe, a[rel=noopener]';
  const isOurs = node => !node.closest(others) && node.closest('[lang]') === document.documentElement;
  const found = [];
  const board = document.querySelector('#quotes').shadowRoot;
  const isIts = node => node.closest('[lang]')?.localName === 'table' || !node.closest('[lang]');
  for (const [root, isOfIt] of [[document, isOurs], [board, isIts]]) {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const { data, parentElement } = walker.currentNode;
      if (data.trim() && isOfIt(parentElement)) found.push(data.trim());
    }
    for (const name of ['title', 'aria-label', 'data-label', 'data-note']) {
      for (const node of root.querySelectorAll(`[${name}]`)) {
        if (isOfIt(node)) found.push(node.getAttribute(name));
      }
    }
  }
  return [...found, document.querySelector('meta[name=description]').content];
}"""

OFFLINE = """document.querySelector('#quotes').dispatchEvent(
  new CustomEvent('ticker-status', { detail: { state: 'offline', message: '' } }))"""

LINE = """() => {
  const region = document.querySelector('#line').shadowRoot.querySelector('[part~=region]');
  return [document.documentElement.lang, region.lang, region.ariaLabel, region.textContent];
}"""


class Document(HTMLParser):
    """The texts of index.html beside styles and scripts, each with the attributes of its element."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, dict[str, str], list[str]]] = []
        self._open: list[tuple[str, dict[str, str]]] = []
        self.feed((WIDGET / "index.html").read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = tag, {name: value or "" for name, value in attrs}
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if text := " ".join(data.split()):
            self.texts.append((text, self._open[-1][1], [tag for tag, _ in self._open]))


def test_the_page_has_the_languages_of_the_line() -> None:
    assert set(WORDS) == assets.languages()


@pytest.mark.parametrize("language", FOREIGN)
def test_every_language_has_every_word_with_its_placeholders(language: str) -> None:
    placeholders = {
        code: {key: sorted(PLACEHOLDER.findall(text)) for key, text in WORDS[code].items()}
        for code in ("en", language)
    }

    assert placeholders[language] == placeholders["en"]
    assert all(WORDS[language].values())
    assert {key for key, text in WORDS[language].items() if text == WORDS["en"][key]} == set()


def test_every_word_is_used_and_every_word_that_is_used_is_there() -> None:
    scripts = [path.read_text(encoding="utf-8") for path in (WIDGET / "src").glob("*.js")]
    scripts = [script for script in scripts if '"./words.js"' in script]
    used = {key for script in scripts for key in re.findall(r"(?<!\.)\bwords\.(\w+)\b(?!\()", script)} - {
        "js"
    }
    used.add("language")  # what a language calls itself is read of all of them
    placed = {
        attributes.get(name, "")
        for _, attributes in Document().elements
        for name in ("data-word", "data-name")
    }

    used |= assets.board_words("en").keys()
    assert used | placed - {"", *assets.labels("en")} == set(WORDS["en"])


def test_a_text_of_the_document_is_the_word_that_takes_its_place() -> None:
    document = Document()
    ours = [
        (text, attributes)
        for text, attributes, path in document.texts
        if not {"style", "script", "noscript", "code"} & set(path)
    ]
    named = [
        (attributes["aria-label"], attributes["data-name"])
        for _, attributes in document.elements
        if "aria-label" in attributes
    ]
    [description] = [
        attributes for _, attributes in document.elements if attributes.get("name") == "description"
    ]

    assert [text for text, attributes in ours if ENGLISH.search(text) and "data-word" not in attributes] == []
    for text, attributes in ours:
        if "data-word" in attributes:
            assert text == WORDS["en"][attributes["data-word"]]
    assert [(text, WORDS["en"][key]) for text, key in named if text != WORDS["en"][key]] == []
    assert description["content"] == WORDS["en"][description["data-word"]]


browser = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="room")
async def _room(redis_server: EmbeddedServer) -> AsyncIterator[Newsroom]:
    async with charted(redis_server) as room:
        tomorrow = Announcement(
            price=1 / Decimal("525.91"), inverse=Decimal("525.91"), as_of=date(2026, 5, 23)
        )
        await room.say(
            quote("KGS", "87.4500", "87.4500", status="fallback"),
            quote("KZT", "525.30", "527.62", source="nbk", next=tomorrow, corrected=True),
            quote("TJS", "9.2850", "9.2440", source="nbt", status="stale"),
            quote("UZS", "11987.65", "12041.02", source="cbu", status="unconfirmed"),
        )
        yield room


async def tell_all(page: Page) -> None:
    """Bring the page to say all that it can."""
    await until(page, "document.querySelectorAll('#sources li').length > 5")
    for symbol in ("KGS", "KZT", "TJS", "UZS", "TMT"):
        await page.click(f"#quotes tr[data-symbol='{symbol}/USD'] button")
        await page.uncheck(f"#pairs input[value='{symbol}/USD']")
    for number in range(5):
        await page.click(f"#quotes summary >> nth={number}")
    await page.click("#sources summary >> nth=0")
    await page.check("[name=coloured]")
    await page.fill("[name=background]", "#08713a")
    await page.evaluate(OFFLINE)


@browser
@pytest.mark.timeout(120)
@pytest.mark.parametrize("language", FOREIGN)
async def test_the_page_speaks_the_language_of_the_reader(
    open_page: OpenPage, room: Newsroom, language: str
) -> None:
    async with opened(open_page, room) as page:
        await tell_all(page)
        english = {text for text in await page.evaluate(TEXTS) if ENGLISH.search(text)}
    async with opened(open_page, room, locale=language) as page:
        await until(page, "document.querySelectorAll('#sources li').length > 5")
        shifts = await page.evaluate("shifts")
        await tell_all(page)
        texts = {NAMES.sub("", text) for text in await page.evaluate(TEXTS)}
        document, line, rates, shown = await page.evaluate(LINE)
        cells = await row(page, "KZT/USD")

        assert len(english) > 90
        assert texts & english == set()
        assert language not in CYRILLIC or [text for text in texts if ENGLISH.search(text)] == []
        assert (document, line, rates) == (language, language, assets.labels(language)["rates"])
        assert "0,01144" in shown
        assert (cells["price"], cells["date"]) == ("0,001904", "22.05.2026")
        assert cells["pair"] == f"KZT/USD {assets.names(language)['KZT']}"
        assert shifts == []


@browser
@pytest.mark.timeout(120)
@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("language", FOREIGN)
async def test_every_language_fits_and_axe_finds_nothing(
    open_page: OpenPage, room: Newsroom, language: str, width: int
) -> None:
    async with opened(open_page, room, width=width, locale=language) as page:
        await tell_all(page)
        misfits = await page.evaluate(MISFITS)
        # Colours that the reader chose for the preview are the reader's own fault.
        await page.uncheck("[name=coloured]")
        await page.evaluate("scrollTo(0, 0)")  # further down, the preview would cover what is behind it
        await page.evaluate(AXE.read_text())
        violations, incomplete = await page.evaluate(AUDIT)

        assert misfits == []
        assert violations == []
        assert [each for each in incomplete if "currency-ticker" not in each and "#line" not in each] == []


@browser
@pytest.mark.parametrize(("language", "width"), [("ru", 320), ("tk", 768), ("ky", 1280)])
async def test_an_announcement_moves_nothing_in_any_language(
    open_page: OpenPage, room: Newsroom, language: str, width: int
) -> None:
    async with opened(open_page, room, width=width, locale=language) as page:
        before = await page.evaluate(PLACES)
        tomorrow = Announcement(price=1 / Decimal("13001"), inverse=Decimal("13001"), as_of=date(2026, 5, 23))
        said = quote("UZS", "11987.65", "12041.02", source="cbu", status="unconfirmed")
        await room.say(
            quote("UZS", "11987.65", "12041.02", source="cbu", next=tomorrow, status="unconfirmed")
        )
        await until(page, f"{BOARD}.querySelector('.more[data-fresh]')")
        after = await page.evaluate(PLACES)
        await room.say(said)

        assert after == before


@browser
async def test_the_address_chooses_the_language_before_the_browser(
    open_page: OpenPage, room: Newsroom
) -> None:
    async with open_page("chromium", locale="kk-KZ") as page:
        assert isinstance(page, ChromiumPage)
        found = []
        for query in ("", "?lang=tg", "?lang=kz", "?lang=TK-tm", "?lang=de", "?lang=constructor", "?lang="):
            await page.open(f"{room.server.url}/{query}")
            found.append(await page.tab.evaluate("document.documentElement.lang"))

        assert found == ["kk", "tg", "kk", "tk", "kk", "kk", "kk"]
        assert page.complaints == []
    async with open_page("chromium", locale="de-DE") as page:
        await page.open(f"{room.server.url}/")

        assert await page.run("return document.documentElement.lang") == "en"


@browser
async def test_the_switch_keeps_the_language_in_the_address_and_nowhere_else(
    open_page: OpenPage, room: Newsroom
) -> None:
    async with open_page("chromium") as page:
        assert isinstance(page, ChromiumPage)
        await page.open(f"{room.server.url}/")
        names = await page.tab.locator("#languages a").all_inner_texts()
        await page.tab.click("#languages a[lang=ky]")
        await until(page.tab, "document.documentElement.lang === 'ky'")

        assert sorted(names) == sorted(words["language"] for words in WORDS.values())
        assert page.tab.url == f"{room.server.url}/?lang=ky"
        assert await page.tab.inner_text("#languages [aria-current=true]") == "Кыргызча"
        assert await page.tab.inner_text("h1") == WORDS["ky"]["title"]
        assert await page.run("return [document.cookie, localStorage.length, sessionStorage.length]") == [
            "",
            0,
            0,
        ]
        assert page.complaints == []
