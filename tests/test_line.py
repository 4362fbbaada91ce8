"""The line without a script: its words are the widget's, and nobody can put anything else into it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from html.parser import HTMLParser
from itertools import pairwise, product
from pathlib import Path
from typing import Any, get_args
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.async_api import async_playwright

from ticker import assets, line, wire, wording
from ticker.rates.choice import credited
from ticker.rates.model import Announcement, Pair, Quote, Status
from ticker.sources import SOURCES

SVG = "{http://www.w3.org/2000/svg}"
WIDGET = Path(__file__).parent.parent / "widget"
OURS = ("en", "ru", "ky", "kk", "tg", "uz", "tk")


def quote(code: str, price: str, inverse: str, percent: str | None, **others: Any) -> Quote:
    facts: dict[str, Any] = {
        "symbol": Pair(code, "USD"),
        "price": Decimal(price),
        "inverse": Decimal(inverse),
        "previous": Decimal(price),
        "change": None,
        "change_percent": None if percent is None else Decimal(percent),
        "as_of": date(2026, 9, 29),
        "source": "nbkr",
        "source_name": "",
        "status": "live",
        "published_at": datetime(2026, 9, 28, 10, tzinfo=UTC),
    }
    return credited(Quote(**facts | others), SOURCES, label="")


LATER = Announcement(price=Decimal("0.01150"), inverse=Decimal("86.9565"), as_of=date(2026, 9, 30))
KGS = quote("KGS", "0.01143510577", "87.4500", "0.00")
FIVE = (
    KGS,
    quote("KZT", "0.001918833", "521.15", "-0.44", source="nbk", status="stale", as_of=date(2026, 9, 28)),
    quote("TJS", "0.09130670", "10.9521", "0.5", source="nbt", status="unconfirmed", corrected=True),
    quote("UZS", "0.00007698158", "12990.12", "12.34", source="openexchangerates", status="fallback"),
    quote("TMT", "0.2857142857", "3.5", "0.00", source="peg", status="pegged"),
)


class Reader(HTMLParser):
    """The elements of a page, and the texts of its items."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.items: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("link", "meta", "path"):
            self._open.append(tag)
        if tag == "li":
            self.items.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag != "path":
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "li" in self._open:
            self.items[-1] += data


def items(quotes: tuple[Quote, ...] = FIVE, **query: str) -> list[str]:
    return Reader(line.page(quotes, line.look(query))).items


def titles(quotes: tuple[Quote, ...], **query: str) -> list[str]:
    elements = Reader(line.page(quotes, line.look(query))).elements
    return [str(attributes["title"]) for tag, attributes in elements if tag == "li"]


def drawn(quotes: tuple[Quote, ...] = FIVE, **query: str) -> Element:
    return fromstring(line.picture(quotes, line.look(query)))


def spots(picture: Element) -> Iterator[tuple[int, int, int]]:
    """Where every text is: its start, its end, its base line."""
    for text in picture.iter(f"{SVG}text"):
        x = int(text.attrib["x"])
        yield x, x + int(text.attrib["textLength"]), int(text.attrib["y"])


# The words.


def test_the_items_read_like_the_widget_and_say_what_a_shape_says() -> None:
    assert items() == [
        "KGS/USD = 0.01144 0%",
        "KZT/USD = 0.001919 -0.44% (outdated)",
        "TJS/USD = 0.09131 +0.5% (unconfirmed, corrected)",
        "UZS/USD = 0.00007698 +12.34% (another source)",
        "TMT/USD = 0.28571 0% (fixed rate)",
    ]
    assert items((replace(KGS, change_percent=None),)) == ["KGS/USD = 0.01144 "[:-1]]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"format": "compact"}, "KGS 0.01144 0%"),
        ({"format": "names"}, "Kyrgyz som / US dollar = 0.01144 0%"),
        ({"format": "names", "locale": "ru"}, "киргизский сом / доллар США = 0,01144 0\xa0%"),
        ({"format": "names", "locale": "tg"}, "соми қирғизӣ / доллари ИМА = 0,01144 0\xa0%"),
        ({"invert": "1"}, "USD/KGS = 87.45 0%"),
        ({"invert": "1", "format": "compact"}, "KGS 87.45 0%"),
        ({"invert": ""}, "USD/KGS = 87.45 0%"),
        ({"invert": "0"}, "KGS/USD = 0.01144 0%"),
        ({"digits": "0"}, "KGS/USD = 0 0%"),
        ({"digits": "12", "locale": "tk"}, "KGS/USD = 0,011435105770 0\xa0%"),
    ],
)
def test_the_text_is_as_the_reader_wants_it(query: dict[str, str], text: str) -> None:
    assert items((KGS,), **query) == [text]


def test_the_other_way_round_is_the_banks_own_figure_and_its_own_change() -> None:
    # 87.4500 after 86.5000: dear dollars, and not the som's fall with its sign turned.
    fallen = replace(KGS, previous=Decimal("0.01156069364"), change_percent=Decimal("-1.09"), next=LATER)

    assert items((fallen,)) == ["KGS/USD = 0.01144 -1.09%"]
    assert items((fallen,), invert="1") == ["USD/KGS = 87.45 +1.1%"]
    assert items((replace(fallen, previous=None, change_percent=None),), invert="1") == ["USD/KGS = 87.45"]
    # 81.01215 after 81.0000 is 0.015%, which ten digits of a price (81.00000011) would push below its half.
    risen = replace(KGS, inverse=Decimal("81.01215"), previous=Decimal("0.01234567901"))
    assert items((risen,), invert="1") == ["USD/KGS = 81.0122 +0.02%"]


def test_the_title_tells_everything_of_a_quote() -> None:
    told = replace(FIVE[2], next=LATER)

    assert titles((told,)) == [
        "TJS/USD = 0.09130670\nSource: NBT, Sep 29, 2026\nunconfirmed\ncorrected\nSep 30, 2026: 0.01150"
    ]
    assert titles((told,), locale="ru", invert="1") == [
        "USD/TJS = 10,9521\nИсточник: NBT, 29.09.2026\nне подтверждён\nисправлен\n30.09.2026: 86,9565"
    ]


def test_below_stands_who_says_so_and_of_which_days() -> None:
    assert '<p title="">Source: NBKR, NBK, NBT (www.nbt.tj), OXR · Sep 28, 2026 – Sep 29, 2026</p>' in (
        line.page(FIVE, line.look({}))
    )
    moment = replace(KGS, as_of=datetime(2026, 9, 29, 23, 30, tzinfo=UTC), source_name="demo:NBKR")
    assert ">Источник: demo:NBKR · 29.09.2026</p>" in line.page((moment,), line.look({"locale": "ru"}))
    assert ">Source" not in line.page(FIVE[4:], line.look({}))


KZT = line.Wait(Pair("KZT", "USD"), "NBK has not <answered> yet")


def test_a_pair_without_a_quote_stands_in_its_place_and_says_why() -> None:
    assert items((KGS, KZT)) == ["KGS/USD = 0.01144 0%", "KZT/USD = … (waiting for rates…)"]
    assert items((KZT,), invert="1", format="compact", locale="ru") == ["KZT … (ждём курсы…)"]
    assert items((line.Wait(KZT.symbol.inverse, ""),)) == ["USD/KZT = … (waiting for rates…)"]
    assert titles((KZT, KGS))[0] == "KZT/USD: NBK has not <answered> yet"
    assert titles((KZT,), invert="1") == ["USD/KZT: NBK has not <answered> yet"]
    assert 'data-symbol="KZT/USD" data-direction="" data-status="awaited"' in line.page((KZT,), line.look({}))
    picture = drawn((KZT, KGS))
    assert [each.text for each in picture.iter(f"{SVG}text")][:2] == ["KZT/USD", "= …"]
    assert [each.text for each in picture.iter(f"{SVG}title")][1] == "KZT/USD: NBK has not <answered> yet"


def test_below_stands_that_it_waits_only_where_nothing_is_known() -> None:
    for draw in (line.page, line.picture):
        assert draw((KZT,), line.look({"locale": "ru"})).count(">ждём курсы…<") == 1
        assert ">Source: NBKR · Sep 29, 2026<" in draw((KZT, KGS), line.look({}))


def test_behind_the_page_stands_what_is_late_later() -> None:
    at = datetime(2026, 9, 29, 11, 30, tzinfo=timezone(timedelta(hours=6)))
    page = line.page((replace(KGS, due_at=at), replace(FIVE[1], due_at=at), FIVE[4], KZT), line.look({}))
    found = Reader(page).elements
    late = [attributes for tag, attributes in found if tag == "li" and "data-due" in attributes]

    # That of KZT is outdated already.
    assert [(each["data-symbol"], each["data-status"], each["data-due"]) for each in late] == [
        ("KGS/USD", "stale", "2026-09-29T05:30:00Z")
    ]
    assert page.index("<template>") < page.index("data-due") < page.index("</template>")


@pytest.mark.parametrize(
    ("price", "text"),
    [
        ("87.45", "87.45"),
        ("87", "87.00"),
        ("87.4567", "87.4567"),
        ("87.45675", "87.4568"),
        ("1", "1.00"),
        ("0.999996", "1.00000"),
        ("0.099999", "0.10000"),
        ("0.000085", "0.00008500"),
        ("12990.1", "12,990.10"),
        ("1234567", "1,234,567.00"),
    ],
)
def test_a_price_has_the_decimals_that_it_needs(price: str, text: str) -> None:
    assert wording.price(Decimal(price)) == text


def test_every_language_has_every_word() -> None:
    assert assets.languages() == set(OURS)
    for language in OURS:
        words = wording.locale(language).labels
        assert words.keys() == wording.ENGLISH.labels.keys()
        assert words.keys() >= {
            "rates",
            "waiting",
            "source",
            "corrected",
            *(set(get_args(Status)) - {"live"}),
        }
        assert all(words.values())
    assert wording.currency("UZS", wording.ENGLISH) == "Uzbek sum"
    assert wording.currency("UZS", wording.locale("uz-Cyrl")) == "oʻzbek soʻmi"
    assert wording.currency("ZZZ", wording.ENGLISH) == "ZZZ"


NUMBERS = (
    "0.0114351057747",
    "0.00007698158",
    "0.099999",
    "0.999996",
    "1",
    "3.5",
    "87.45675",
    "12990.12",
    "1234567.8",
)
PERCENTS = ("0.00", "-0.00", "-0.004", "0.005", "-0.44", "0.5", "12.345", "-1234.5", "100")
DAYS = ("2026-09-29", "2026-01-03")
WRITTEN = (
    "ru_RU",
    "RU",
    "kk_KZ",
    "kz",
    "KG",
    "tj-TJ",
    "tm",
    "uz-Cyrl-UZ",
    "uz_UZ",
    "de-CH",
    "en_GB",
    "",
    "no tag",
    "rum",
)
"""Tags as pages have them: the widget and the server understand the same language."""
ASK = """
import { ENGLISH, credit, day, direction, exactly, languageOf, locale, percent, price } from "%s";
const { tags, written, numbers, percents, days, quotes } = JSON.parse(process.argv[1]);
const digits = [undefined, 0, 5, 12];
const words = tags.map((tag) => {
  const to = locale(tag);
  return {
    prices: numbers.flatMap((each) => digits.map((digits) => price(each, to, digits))),
    exactly: numbers.map((each) => exactly(each, to)),
    percents: percents.map((each) => percent(each, to)),
    directions: percents.map((each) => direction(percent(each, to))),
    days: days.map((each) => day(each, to)),
    credits: quotes.map(credit),
  };
});
const languages = written.map((tag) => languageOf(locale(tag) ?? "en"));
console.log(JSON.stringify({ words, languages, english: ENGLISH }));
"""


def test_a_frame_wraps_from_the_height_that_is_documented() -> None:
    page = Path(__file__).parents[1] / "ticker/docs/embedding.md"
    _, _, rest = page.read_text("utf-8").partition("In a frame of ")

    assert f"@media (min-height:{rest.split()[0]}px)" in line.page(FIVE, line.look({}))


def test_the_words_are_those_of_the_widget_to_the_letter() -> None:
    script = ASK % (WIDGET / "src" / "format.js").as_uri()
    quotes = [json.loads(wire.encode_quote(each)) for each in FIVE]
    asked = {"tags": OURS, "written": WRITTEN, "numbers": NUMBERS, "percents": PERCENTS, "days": DAYS}
    asked["quotes"] = quotes
    answer = subprocess.run(
        ["node", "--input-type=module", "--no-warnings", "-e", script, "--", json.dumps(asked)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    said = json.loads(answer.stdout)
    assert said["english"] == {key: assets.labels("en")[key] for key in said["english"]}
    assert said["english"].keys() == assets.labels("en").keys()
    assert said["languages"] == [wording.locale(tag).language for tag in WRITTEN]
    for tag, told in zip(OURS, said["words"], strict=True):
        to = wording.locale(tag)
        assert told == {
            "prices": [
                wording.price(Decimal(each), digits=digits, locale=to)
                for each, digits in product(NUMBERS, (None, 0, 5, 12))
            ],
            "exactly": [wording.exactly(Decimal(each), to) for each in NUMBERS],
            "percents": [wording.percent(Decimal(each), to) for each in PERCENTS],
            "directions": [wording.direction(wording.percent(Decimal(each), to)) for each in PERCENTS],
            "days": [wording.day(date.fromisoformat(each), to) for each in DAYS],
            "credits": [wording.credit(each) for each in FIVE],
        }


def test_a_moment_is_told_in_utc() -> None:
    at = datetime(2026, 9, 9, 15, 2, tzinfo=UTC)

    assert wording.day(at, wording.ENGLISH) == "Sep 9, 2026, 3:02 PM UTC"
    assert wording.day(at.replace(hour=0), wording.ENGLISH) == "Sep 9, 2026, 12:02 AM UTC"
    assert wording.day(at, wording.locale("kk")) == "09.09.2026, 15:02 UTC"


# What is asked for.


@pytest.mark.parametrize(
    ("tag", "language", "rtl"),
    [
        ("ru", "ru", False),
        ("RU-kz", "ru", False),
        ("uz-Cyrl-UZ", "uz", False),
        ("uz-Arab", "uz", True),
        ("de-CH", "en", False),
        ("ar", "en", True),
        ("fa-IR", "en", True),
        ("he-Latn", "en", False),
        ("", "en", False),
        ("ru_RU", "ru", False),
        ("kk_KZ", "kk", False),
        ("uz_UZ", "uz", False),
        ("uz_Cyrl_UZ", "uz", False),
        ("uz-Cyrl", "uz", False),
        ("kz", "kk", False),
        ("kg", "ky", False),
        ("tj", "tg", False),
        ("tm", "tk", False),
        ("KZ_KZ", "kk", False),
        ("kz-Arab", "kk", True),
        ("ru-", "en", False),
        ("ru_", "en", False),
        ("_ru", "en", False),
        ("ru__RU", "en", False),
        ("x", "en", False),
        ("ру", "en", False),
        ("keys", "en", False),
        ("en\n", "en", False),
        ("ar" + "-abcdefgh" * 1000, "en", True),
    ],
)
def test_a_tag_gives_a_language_of_ours_and_a_direction(tag: str, language: str, rtl: bool) -> None:
    assert wording.locale(tag) == wording.Locale(language=language, rtl=rtl)


def test_what_can_not_be_read_is_the_default() -> None:
    asked = {"locale": "<b>", "theme": "pink", "digits": "13", "format": "x", "width": "1e3", "more": "x"}

    assert line.look(asked) == line.look({}) == line.Look()
    for digits in ("-1", "5.0", "", " 5", "٥", "²", "9" * 10_000):
        assert line.look({"digits": digits}).digits is None
    for width in ("79", "4001", "-100", "0x99"):
        assert line.look({"width": width}).width is None
    assert line.look({"digits": "5", "width": "80"}) == line.Look(digits=5, width=80)


# The page.


def test_the_page_is_whole_and_says_its_language_direction_and_theme() -> None:
    page = line.page(FIVE, line.look({"locale": "ar", "theme": "dark"}))
    root = Reader(page).elements[0]

    assert page.startswith("<!doctype html>\n")
    assert root == ("html", {"lang": "en", "dir": "rtl", "data-theme": "dark"})
    assert Reader(line.page(FIVE, line.look({"locale": "ky-KG"}))).elements[0][1]["lang"] == "ky"
    # Only where no script may run.
    assert page.count("http-equiv") == 1
    assert '<noscript><meta http-equiv="refresh" content="60"></noscript>' in page


def test_every_state_has_its_own_shape_and_the_direction_has_one() -> None:
    def shapes(quote: Quote) -> tuple[str | None, ...]:
        elements = Reader(line.page((quote,), line.look({}))).elements
        return tuple(attributes["d"] for tag, attributes in elements if tag == "path")

    ways = {shapes(replace(KGS, change_percent=Decimal(each))) for each in ("0", "1", "-1")}
    states = {
        shapes(replace(KGS, status=each)) for each in ("live", "stale", "unconfirmed", "fallback", "pegged")
    }  # type: ignore[arg-type]
    assert (len(ways), len(states)) == (3, 5)


def luminance(colour: str) -> float:
    parts = (
        [colour[1 + n : 2 + n] * 2 for n in range(3)]
        if len(colour) == 4
        else [colour[n : n + 2] for n in (1, 3, 5)]
    )
    shares = [int(part, 16) / 255 for part in parts]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colours", [assets.look()["light"], assets.look()["dark"]])
def test_every_colour_of_text_and_shapes_stands_out_from_the_ground(colours: dict[str, str]) -> None:
    ground = luminance(colours["ground"])
    for name in ("text", "muted", "up", "down", "warn"):
        dark, bright = sorted((ground, luminance(colours[name])))
        assert (bright + 0.05) / (dark + 0.05) >= 4.5


# The picture.


@pytest.mark.parametrize("locale", ["en", "ru", "ar"])
@pytest.mark.parametrize("form", ["line", "compact", "names"])
@pytest.mark.parametrize("width", ["", "80", "320", "480", "4000"])
def test_everything_has_a_place_of_its_own_in_the_picture(locale: str, form: str, width: str) -> None:
    picture = drawn(locale=locale, format=form, width=width)
    _, _, wide, high = map(int, picture.attrib["viewBox"].split())

    found = sorted(spots(picture), key=lambda spot: (spot[2], spot[0]))
    for start, end, y in found:
        assert 0 <= start < end <= wide
        assert 16 <= y <= high - 4
    for (_, end, y), (start, _, other_y) in pairwise(found):
        assert other_y > y or start > end
    assert int(picture.attrib["width"]) == (int(width) if width else wide)


def test_a_picture_without_a_width_is_one_row_as_high_as_the_widget() -> None:
    assert drawn().attrib["height"] == "62"
    assert len({y for _, _, y in spots(drawn())}) == 2
    narrow = drawn(width="320")
    assert len({y for _, _, y in spots(narrow)}) == 7
    assert narrow.attrib["height"] == f"{42 + 4 * 30 + 4 + 2 * 16}"


def test_the_picture_says_to_a_screen_reader_what_it_shows() -> None:
    picture = drawn()
    named = picture.attrib["aria-labelledby"].split()
    texts = {each.attrib.get("id"): each.text for each in picture}

    assert picture.attrib["role"] == "img"
    assert texts[named[0]] == "Exchange rates"
    for item in items():
        assert item in str(texts[named[1]])


# Whatever comes in.

TAGS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "main",
    "div",
    "ul",
    "li",
    "b",
    "span",
    "svg",
    "path",
    "p",
    "noscript",
    "template",
    "link",
}
ATTRIBUTES = {
    "lang",
    "dir",
    "charset",
    "name",
    "content",
    "class",
    "role",
    "aria-label",
    "aria-hidden",
    "tabindex",
    "http-equiv",
    "rel",
    "type",
    "href",
}
ATTRIBUTES |= {"title", "viewbox", "d", "data-theme", "data-symbol", "data-direction", "data-status"}
DRAWN = {f"{SVG}{tag}" for tag in ("svg", "title", "desc", "style", "rect", "path", "g", "text")}
HOSTILE = st.one_of(
    st.sampled_from(
        (
            "</style><script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "]]>",
            "&#x3c;",
            "'\"",
            "javascript:",
        )
    ),
    st.text(),
)
# What XML can't hold at all, the wire does not let in: a source's key is ours.
SOURCE = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)
QUERY = st.fixed_dictionaries(
    {},
    optional={
        name: HOSTILE for name in ("locale", "theme", "digits", "invert", "format", "width", "symbols")
    },
)


@settings(deadline=None, max_examples=100)
@given(query=QUERY, source=SOURCE | HOSTILE.filter(lambda text: text.isprintable()), attributions=SOURCE)
def test_nobody_puts_anything_into_the_page(query: dict[str, str], source: str, attributions: str) -> None:
    quotes = (replace(KGS, source=source), FIVE[1], line.Wait(Pair("TMT", "USD"), source))
    page = line.page(quotes, line.look(query), attributions=attributions, discovery=f"{source}{attributions}")
    found = Reader(page)

    tags = [tag for tag, _ in found.elements]
    assert set(tags) - {"script"} <= TAGS
    assert tags.count("script") == 1
    assert {name for _, attributes in found.elements for name in attributes} <= ATTRIBUTES
    assert len(found.items) == 3


@settings(deadline=None, max_examples=100)
@given(query=QUERY, source=SOURCE | HOSTILE.filter(lambda text: text.isprintable()), attributions=SOURCE)
def test_nobody_puts_anything_into_the_picture(query: dict[str, str], source: str, attributions: str) -> None:
    quotes = (replace(KGS, source=source), FIVE[1], line.Wait(Pair("TMT", "USD"), attributions))
    picture = fromstring(line.picture(quotes, line.look(query), attributions=attributions))

    assert {each.tag for each in picture.iter()} <= DRAWN
    names = {name for each in picture.iter() for name in each.attrib}
    assert not {name for name in names if name.startswith("on") or "href" in name or name in ("src", "style")}
    style = picture.find(f"{SVG}style")
    assert style is not None
    assert "url(" not in str(style.text)


@settings(deadline=None, max_examples=300)
@given(
    price=st.decimals("1e-12", "1e12", allow_nan=False, places=12).filter(bool),
    digits=st.none() | st.integers(0, 12),
)
def test_a_price_that_is_shown_is_as_near_as_its_decimals_allow(price: Decimal, digits: int | None) -> None:
    text = wording.price(price, digits=digits)
    shown = Decimal(text.replace(",", ""))
    decimals = len(text.partition(".")[2])

    assert abs(shown - price) <= Decimal(5).scaleb(-decimals - 1)
    assert wording.price(price, digits=digits, locale=wording.locale("ru")) == text.translate(
        {ord(","): "\xa0", ord("."): ","}
    )


# In a browser.

MEASURE = """() => {
  const [root, bar] = [document.documentElement, document.querySelector('.bar')];
  const hidden = bar.scrollWidth - bar.clientWidth;
  bar.focus();
  return [root.scrollHeight, root.scrollWidth, hidden > 0, document.activeElement === bar,
          getComputedStyle(document.body).backgroundColor];
}"""


@pytest.mark.timeout(120)
async def test_one_line_fits_into_its_frame_and_is_scrolled_where_it_is_wider() -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = await browser.new_page(viewport={"width": 1280, "height": 62}, color_scheme="dark")
        measured = {}
        for width, query in product((320, 2000), ({}, {"locale": "ar"}, {"theme": "light", "locale": "ru"})):
            await page.set_viewport_size({"width": width, "height": 62})
            await page.set_content(line.page(FIVE, line.look(query)))
            measured[width, query.get("theme")] = await page.evaluate(MEASURE)
        await page.set_viewport_size({"width": 320, "height": 400})
        await page.set_content(line.page(FIVE, line.look({"format": "names", "locale": "tg"})))
        wrapped = await page.evaluate(MEASURE)
        await browser.close()

    light, dark = "rgb(255, 255, 255)", "rgb(17, 17, 17)"
    for (width, theme), found in measured.items():
        assert found == [62, width, width == 320, True, light if theme else dark]
    assert wrapped[:3] == [400, 320, False]
