"""`<currency-converter>`: exact conversions by the banks' own figures; in three engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from browsers import EACH_ENGINE, ChromiumPage, Page
from newsroom import Newsroom
from reader import article, nothing_was_wrong, quote, saying, staffed
from reader import few_pages as few_pages
from test_accessible import LANGUAGES, audit
from test_outage import shift_of
from test_quotes import HANDS, SCRIPT
from test_quotes import see as look_at

from ticker import assets
from ticker.embedded import EmbeddedServer
from ticker.rates.model import Pair

if TYPE_CHECKING:
    from tests.conftest import OpenPage

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="room")
async def _room(redis_server: EmbeddedServer) -> AsyncIterator[Newsroom]:
    async with staffed(redis_server, database=3) as room:
        yield room


LINE = '<currency-converter style="display:block;min-height:390px"{0}></currency-converter>' + SCRIPT
WORDS = r"""
const [amount, swap, output] = ["input", "swap", "output"].map((name) => () => bit(name));
const from = () => bits("select")[0];
const to = () => bits("select")[1];
const change = (control, value) => {
  control.value = value;
  control.dispatchEvent(new InputEvent("input", { bubbles: true, composed: true }));
};
const sum = () => says("sum");
// Its own lines, as WebKit gives none.
const told = () => plain(bit("rates")?.textContent ?? "");
const ready = () => until(() => /\d/.test(sum()));
const convert = (text, one, other) => {
  change(from(), one);
  change(to(), other);
  change(amount(), text);
  return [sum(), plain(bit("sum").title), told().split("\n")];
};
"""
assert "const says" in HANDS


async def see(page: Page, script: str, *arguments: object) -> Any:
    """What the body of an async function returns that has the words of EYES, HANDS and WORDS."""
    return await look_at(page, WORDS + script, *arguments)


CONVERT = "await ready(); return convert(...arguments)"


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_it_begins_with_a_hundred_dollars(room: Newsroom, open_page: OpenPage, engine: str) -> None:
    async with open_page(engine, height=700) as page:
        await page.open(room.page(article(line=LINE)))
        begun = (
            "await ready(); return [amount().value, from().value, to().value, sum(), told(), says('foot')]"
        )

        rate = "1 USD = 87.4500 KGS\nNBKR, May 22, 2026"
        assert await see(page, begun) == ["100", "USD", "KGS", "8,745.00 KGS", rate, "Source: NBKR"]
        offered = await see(page, "return [...to().options].map(({ text }) => text)")
        assert offered == [
            "USD – US dollar",
            "KGS – Kyrgyz som",
            "KZT – Kazakhstani tenge" if "Kazakhstani" in offered[2] else "KZT – Kazakh tenge",
            "TJS – Tajik somoni" if "Tajik " in offered[3] else "TJS – Tajikistani somoni",
            "UZS – Uzbek sum",
            "TMT – Turkmen manat",
        ]
        await nothing_was_wrong(page)


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_every_way_between_currencies_is_exact(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    som, tenge = ["1 USD = 87.4500 KGS", "NBKR, May 22, 2026"], ["1 USD = 525.30 KZT", "NBK, May 22, 2026"]
    async with open_page(engine, height=700) as page:
        await page.open(room.page(article(line=LINE)))

        there = ["8,745.00 KGS", "8,745 KGS", som]
        assert await see(page, CONVERT, "100", "USD", "KGS") == there
        assert await see(page, CONVERT, "100", "KGS", "USD") == ["1.1435 USD", "1.143510577473 USD", som]
        cross = Decimal(525_30) * 100 / Decimal(87_45)
        title = f"{cross:.12f}"
        assert await see(page, CONVERT, "100", "KGS", "KZT") == [
            f"{cross:.4f} KZT",
            f"{title} KZT",
            som + tenge,
        ]
        assert (await see(page, CONVERT, "0.01", "UZS", "USD"))[0] == "0.0000008342 USD"
        assert await see(page, CONVERT, "5", "KGS", "KGS") == ["5.00 KGS", "5 KGS", [""]]
        pegged = ["1 USD = 3.5 TMT", "the state, Jan 1, 2015, fixed rate"]
        assert await see(page, CONVERT, "7", "TMT", "USD") == ["2.00 USD", "2 USD", pegged]
        many = "123456789012345678901234567890"
        exact = f"{int(many) * 8745 // 100:,}.{int(many) * 8745 % 100:02}"
        assert (await see(page, CONVERT, many, "USD", "KGS"))[0] == f"{exact.removesuffix('0')}".ljust(
            len(exact), "0"
        ) + " KGS"
        await nothing_was_wrong(page)


async def test_the_banks_own_figure_counts_and_not_the_quotient(room: Newsroom, open_page: OpenPage) -> None:
    stated: dict[str, Any] = {"value": Decimal("2.6"), "nominal": 1000, "direction": Pair("KGS", "USD")}
    said = quote("KGS", "384.6153846", **stated | {"price": Decimal("0.0026")})
    async with saying(room, said), open_page("chromium", height=700) as page:
        await page.open(room.page(article(line=LINE)))
        await see(page, "await until(() => told().startsWith('1000 KGS = 2.6 USD'))")

        assert (await see(page, CONVERT, "1000", "KGS", "USD"))[:2] == ["2.60 USD", "2.6 USD"]
        assert (await see(page, CONVERT, "2.6", "USD", "KGS"))[:2] == ["1,000.00 KGS", "1,000 KGS"]


async def test_the_attributes_choose_until_the_reader_does(room: Newsroom, open_page: OpenPage) -> None:
    attributes = 'amount="2.5" from="kgs" to="TJS" digits="3" symbols="KGS TJS/USD"'
    async with open_page("chromium", height=700) as page:
        await page.open(room.page(article(attributes, line=LINE, html='lang="ru"')))
        now = "await ready(); return [amount().value, from().value, to().value]"
        assert await see(page, now) == ["2,5", "KGS", "TJS"]
        given = "return Object.fromEntries(arguments[0].map((name) => [name, element()[name]]))"
        properties = {"amount": "2.5", "from": "KGS", "to": "TJS", "digits": 3, "symbols": "KGS TJS/USD"}
        assert await see(page, given, [*properties]) == properties
        assert await see(page, "return [...from().options].map(({ value }) => value)") == [
            "USD",
            "KGS",
            "TJS",
        ]
        assert (await see(page, "return sum()")) == "0,265 TJS"

        await see(page, "convert('7', 'TJS', 'USD')")
        await see(page, "element().toggleAttribute('data-other'); await moment(100)")
        assert await see(page, now) == ["7", "TJS", "USD"]
        assert await see(page, "return element().getAttribute('amount')") == "2.5"
        await see(page, "element().amount = '8'; await until(() => amount().value === '8')")
        assert await see(page, now) == ["8", "KGS", "TJS"]


async def test_defaults_count_where_attributes_are_wrong(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium", height=700) as page:
        await page.open(room.page(article('amount="1e5" from="dollar" to="EUR" digits="99"', line=LINE)))
        now = "await ready(); const [value, one, other] = [amount(), from(), to()].map(({ value }) => value);"
        now += "return [value, one, other, element().amount, element().digits]"

        assert await see(page, now) == ["100", "USD", "KGS", "100", None]
        assert len([each for each in await page.run("return wrongs") if "is not understood" in each]) == 3


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_what_is_no_amount_is_told(room: Newsroom, open_page: OpenPage, engine: str) -> None:
    async with open_page(engine, height=700) as page:
        await page.open(room.page(article(line=LINE)))
        await see(page, "await ready(); change(amount(), 'many')")
        state = "return [amount().getAttribute('aria-invalid'), sum(), says('hint')]"
        assert await see(page, state) == ["true", "", "Type a number, such as 1234.5."]
        described = "return bits(`#${amount().getAttribute('aria-describedby')}`)[0] === bit('hint')"
        assert await see(page, described) is True

        await see(page, "change(amount(), '1,000')")
        assert await see(page, state) == [None, "87,450.00 KGS", ""]
        # Millions, and another currency than the one that is converted.
        for text in ("5 mln", "500 TJS", "€100"):
            await see(page, "change(amount(), arguments[0])", text)
            assert await see(page, state) == ["true", "", "Type a number, such as 1234.5."]
        await see(page, "convert('5,000 kgs', 'KGS', 'USD')")
        assert await see(page, state) == [None, "57.1755 USD", ""]


async def test_the_reader_types_as_the_language_writes(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium", height=700) as page:
        for language, text in (("ru", "1,234"), ("en", "1.234"), ("de", "1,234")):
            await page.open(room.page(article(line=LINE, html=f'lang="{language}"')))
            await see(page, "await ready()")
            title = (await see(page, CONVERT, text, "USD", "KGS"))[1]
            assert title.replace(",", ".") == "107.9133 KGS"


async def test_the_keyboard_alone_converts(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium", height=700) as page:
        assert isinstance(page, ChromiumPage)
        await page.open(room.page(article(line=LINE, body="{line}")))
        await see(page, "await ready()")
        reached = []
        for _ in range(4):
            await page.tab.keyboard.press("Tab")
            reached.append(await see(page, "return deepest().className || deepest().localName"))
        assert reached == ["input", "select", "select", "swap"]

        await page.tab.keyboard.press("Enter")
        assert await see(page, "return [from().value, to().value, sum()]") == ["KGS", "USD", "1.1435 USD"]
        await see(page, "amount().select(); amount().focus()")
        await page.tab.keyboard.type("200")
        assert await see(page, "return sum()") == "2.287 USD"
        assert await see(page, "return bits('input, select').every((each) => each.labels.length === 1)")


async def test_a_new_rate_changes_the_result_and_nothing_else(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium", height=700) as page:
        assert isinstance(page, ChromiumPage)
        await page.open(room.page(article(line=LINE + "<p>What stands below.</p>")))
        await see(page, "await ready(); amount().select(); amount().focus()")
        await page.tab.keyboard.type("10")
        await see(page, "amount().setSelectionRange(1, 1)")
        live = "return output().getAttribute('aria-live')"
        assert await see(page, live) == "polite"
        # What comes right after it, and changes no result, keeps nobody from hearing this one.
        await see(page, "element().locale = 'en-GB'; await moment(100)")
        assert await see(page, live) == "polite"
        before = await shift_of(page)
        options = "return [...to().options].map((each) => (each.kept ??= Math.random()))"
        kept = await see(page, options)
        async with saying(room, quote("KGS", "88.1000", "87.4500")):
            await see(page, "await until(() => sum() === '881.00 KGS')")

            assert await see(page, live) == "off"
            assert await see(
                page, "return [deepest() === amount(), amount().value, amount().selectionStart]"
            ) == [
                *(True, "10", 1),
            ]
            assert await see(page, options) == kept
            assert await shift_of(page) == before == 0


async def test_late_awaited_and_pegged_rates_say_so(room: Newsroom, open_page: OpenPage) -> None:
    due = datetime.now(UTC) + timedelta(seconds=4)
    async with saying(room, quote("KGS", "87.4500", due_at=due)), open_page("chromium", height=700) as page:
        await page.open(room.page(article(line=LINE)))
        await see(page, "await ready(); await until(() => told().endsWith('2026, outdated'), 60)")
        assert await see(page, "return sum()") == "8,745.00 KGS"


async def test_a_cross_names_both_banks_with_their_days(room: Newsroom, open_page: OpenPage) -> None:
    old = quote("KZT", "525.30", source="nbk", as_of=date(2026, 5, 20))
    async with saying(room, old), open_page("chromium", height=700) as page:
        await page.open(room.page(article('from="KGS" to="KZT"', line=LINE)))
        await see(page, "await until(() => told().includes('May 20'))")

        assert (await see(page, "return told()")).split("\n") == [
            *("1 USD = 87.4500 KGS", "NBKR, May 22, 2026"),
            *("1 USD = 525.30 KZT", "NBK, May 20, 2026"),
        ]
        assert await see(page, "return says('foot')") == "Source: NBKR, NBK"


@pytest.mark.parametrize("symbols", ["KGS XAU", "XAU"])
async def test_a_currency_that_nobody_serves_has_no_result(
    room: Newsroom, open_page: OpenPage, symbols: str
) -> None:
    async with open_page("chromium", height=700) as page:
        await page.open(room.page(article(f'symbols="{symbols}" to="XAU"', line=LINE)))
        await see(page, "await until(() => told() === 'USD/XAU\\nno data')")

        assert await see(page, "return sum()") == ""


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_converter_speaks_the_language_of_the_page(
    room: Newsroom, open_page: OpenPage, language: str
) -> None:
    words = assets.board_words(language)
    async with open_page("chromium", height=700) as page:
        await page.open(room.page(article(line=LINE, html=f'lang="{language}"')))
        labels = await see(page, "await ready(); return bits('.label').map((each) => each.textContent)")
        assert labels == [words["amount"], words["from"], words["to"], words["result"]]
        named = "return [bit('frame').ariaLabel, swap().ariaLabel, bit('frame').getAttribute('lang')]"
        assert await see(page, named) == [words["converter"], words["swap"], language]
        assert (await see(page, "return to().selectedOptions[0].text")).endswith(
            assets.names(language)["KGS"]
        )
        example = "1234.5" if language == "en" else "1234,5"
        told = await see(page, "change(amount(), '?'); return says('hint')")
        assert told == words["notAmount"].replace("{example}", example)
        assert await see(
            page, "return bits('.label, .hint').every((e) => e.scrollWidth <= e.clientWidth + 1)"
        )


STATES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "light": ("", "", {}),
    "dark": ('theme="dark"', "", {}),
    "a dark scheme": ("", "color-scheme: dark", {"color_scheme": "dark"}),
    "forced colours": ("", "", {"forced_colors": "active"}),
    "no amount": ("", "", {}),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("width", [390, 1280])
async def test_axe_finds_nothing_in_a_converter(
    room: Newsroom, open_page: OpenPage, state: str, width: int
) -> None:
    attributes, style, options = STATES[state]
    whole = "<header>The Daily</header><main><h1>News</h1>{line}<p>Text of an article.</p></main>"
    async with open_page("chromium", width=width, height=700, **options) as page:
        await page.open(room.page(article(attributes, line=LINE, body=whole, style=style)))
        await see(page, "await ready()")
        if state == "no amount":
            await see(page, "change(amount(), '?')")
        await audit(page)
        await nothing_was_wrong(page)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["firefox", "webkit"])
async def test_axe_finds_nothing_in_another_engine(room: Newsroom, open_page: OpenPage, engine: str) -> None:
    whole = "<header>The Daily</header><main><h1>News</h1>{line}<p>Text of an article.</p></main>"
    async with open_page(engine, height=700) as page:
        await page.open(room.page(article(line=LINE, body=whole)))
        await see(page, "await ready()")
        await audit(page)
        await nothing_was_wrong(page)


@pytest.mark.parametrize("html", ['lang="en"', 'lang="en" dir="rtl"'])
@pytest.mark.parametrize("width", [200, 390, 1000])
@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_it_has_one_column_or_two_and_nothing_stands_out(
    room: Newsroom, open_page: OpenPage, engine: str, width: int, html: str
) -> None:
    async with open_page(engine, width=1280, height=900) as page:
        line = f'<div style="width:{width}px">{LINE}</div>'
        await page.open(room.page(article('to="UZS"', line=line, html=html)))
        found = await see(
            page,
            """
            await ready();
            const around = element().getBoundingClientRect();
            const [fields, answer] = ["fields", "answer"].map((name) => bit(name).getBoundingClientRect());
            const out = bits("*:not(option)").filter((node) =>
              node.checkVisibility() && !whole(node.getBoundingClientRect(), around));
            const small = bits("input, select, button").map((node) => node.getBoundingClientRect())
              .filter((box) => Math.min(box.width, box.height) < 24);
            const beside = Math.abs(fields.top - answer.top) < 1;
            return [out.map((node) => node.className), small.length, beside, overlap(fields, answer)];
            """,
        )

        assert found == [[], 0, width == 1000, False]


@pytest.mark.slow
async def test_no_rate_shifts_the_page(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium", width=390, height=900) as page:
        for attributes in ("", 'from="KGS" to="KZT"'):
            await page.open(room.page(article(attributes, line=LINE + "<p>What stands below.</p>")))
            await see(page, "await ready()")
            for inverse, status in (("87.99", "stale"), ("188.991", "unconfirmed")):
                async with saying(room, quote("KGS", inverse, "87.4500", status=status)):
                    await see(page, "await until(() => told().includes(arguments[0]))", inverse)
            assert await shift_of(page) == 0


@pytest.mark.slow
async def test_an_outage_is_told_and_the_converter_goes_on(
    redis_server: EmbeddedServer, open_page: OpenPage
) -> None:
    async with staffed(redis_server, database=3) as room, open_page("chromium", height=700) as page:
        await page.open(room.page(article(line=LINE)))
        await see(page, "await ready()")
        height = await see(page, "return bit('frame').offsetHeight")
        await room.server.kill()
        await see(page, "await until(() => says('status') === 'offline', 90)")

        assert await see(page, "return bit('frame').offsetHeight") == height
        assert (await see(page, CONVERT, "200", "USD", "KGS"))[0] == "17,490.00 KGS"


# What the reader or the page has chosen stays.

CHOSEN = "return [amount().value, from().value, to().value]"


@pytest.mark.parametrize(
    "before", ['<currency-quote symbol="KGS"></currency-quote>', "<currency-ticker symbols=KGS>"]
)
async def test_what_other_elements_hear_does_not_choose_for_it(
    room: Newsroom, open_page: OpenPage, before: str
) -> None:
    """A connection for one symbol is open: it has not all that the converter wants."""
    script = SCRIPT + '<script async src="{server}/ticker.js?define"></script>'
    async with open_page("chromium", height=700) as page:
        await page.open(room.page(article(line=before + script)))
        await look_at(page, "await until(() => document.querySelector(':state(live)'))")
        await look_at(
            page,
            """
            const late = document.createElement("currency-converter");
            Object.assign(late, { amount: 5, from: "TJS", to: "KZT" });
            document.body.append(late);
            document.querySelector("currency-quote, currency-ticker").remove();
            """,
        )

        assert await see(page, "await ready();" + CHOSEN) == ["5", "TJS", "KZT"]
        await nothing_was_wrong(page)


async def test_what_was_typed_before_the_words_came_counts(room: Newsroom, open_page: OpenPage) -> None:
    """There is nothing to type into until then."""
    async with open_page("chromium", height=700) as page:
        assert isinstance(page, ChromiumPage)

        async def late(route: Any) -> None:
            await asyncio.sleep(1.5)
            await route.continue_()

        await page.tab.route("**/v1/labels/*", late)
        await page.open(room.page(article(line=LINE, html='lang="ru"')))
        await see(page, "await until(() => bit('input')); change(amount(), '250')")
        await see(page, "await ready(); await moment(2500)")

        assert await see(page, CHOSEN) == ["250", "USD", "KGS"]
        await nothing_was_wrong(page)


async def test_another_language_keeps_what_the_reader_chose(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium", height=700) as page:
        await page.open(room.page(article(line=LINE)))
        await see(page, "await ready(); convert('1,234.5', 'TJS', 'KZT')")
        await see(page, "element().locale = 'ru'; await until(() => amount().value.includes('1234,5'))")

        assert await see(page, CHOSEN) == ["1234,5", "TJS", "KZT"]
        await see(page, "change(amount(), '12 apples')")
        await see(page, "element().locale = 'en'; await until(() => says('hint').includes('1234.5'))")
        assert await see(page, CHOSEN) == ["12 apples", "TJS", "KZT"]


async def test_another_server_keeps_what_the_reader_chose(room: Newsroom, open_page: OpenPage) -> None:
    async with room.front() as front, open_page("chromium", height=700) as page:
        await page.open(room.page(article(line=LINE)))
        await see(page, "await ready(); convert('7', 'TJS', 'KZT')")
        await see(page, "element().src = arguments[0]; await moment(100); await ready()", front.url)

        assert await see(page, CHOSEN) == ["7", "TJS", "KZT"]


@pytest.mark.parametrize(
    ("amount", "typed"),
    [("0.30000000000000004",) * 2, (".5", ".5"), ("0", "0"), ("12345678901234567890.12345",) * 2],
)
async def test_an_amount_is_any_that_a_reader_could_type(
    room: Newsroom, open_page: OpenPage, amount: str, typed: str
) -> None:
    async with open_page("chromium", height=700) as page:
        await page.open(room.page(article(f'amount="{amount}"', line=LINE)))

        assert await see(page, "await ready(); return [amount().value, says('hint')]") == [typed, ""]
        await nothing_was_wrong(page)


async def test_nothing_is_nothing_with_as_many_decimals_as_usual(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium", height=700) as page:
        await page.open(room.page(article(line=LINE)))

        assert (await see(page, CONVERT, "0", "USD", "KGS"))[:2] == ["0.00000 KGS", "0 KGS"]


async def test_a_currency_that_is_not_offered_is_told(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium", height=700) as page:
        await page.open(room.page(article('from="EUR"', line=LINE)))

        assert await see(page, "await ready();" + CHOSEN) == ["100", "USD", "KGS"]
        assert (
            await page.run("return wrongs.filter((each) => each.includes('EUR is not served')).length") == 1
        )


async def test_a_currency_in_itself_has_no_source(room: Newsroom, open_page: OpenPage) -> None:
    async with open_page("chromium", height=700) as page:
        await page.open(room.page(article(line=LINE)))

        assert await see(page, CONVERT, "5", "KGS", "KGS") == ["5.00 KGS", "5 KGS", [""]]
        assert await see(page, "return says('foot')") == ""


async def test_the_way_goes_by_any_rates_that_are_served(
    redis_server: EmbeddedServer, open_page: OpenPage
) -> None:
    """EUR has a rate in som alone; EUR/KZT is not served, though it is asked for."""
    euro = quote("KGS", "100.0000", symbol=Pair("EUR", "KGS"), direction=Pair("EUR", "KGS"))
    euro = replace(euro, price=Decimal(100), inverse=Decimal("0.01"), value=Decimal(100))
    served = ("KGS", "KZT", "EUR/KGS")
    async with (
        staffed(redis_server, database=4, symbols=served) as room,
        open_page("chromium", height=700) as page,
    ):
        await room.say(euro)
        await page.open(room.page(article('symbols="KGS KZT EUR/KGS EUR/KZT"', line=LINE)))

        assert (await see(page, CONVERT, "8.745", "EUR", "USD"))[0] == "10.00 USD"
        assert (await see(page, CONVERT, "8.745", "EUR", "KZT"))[0] == "5,253.00 KZT"
        assert len((await see(page, "return told()")).split("\n")) == 6
