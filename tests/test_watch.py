"""The line as text: the format that the widget has too."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from stage import answer, site

from ticker import watch, wire
from ticker.rates.model import Pair, Quote


def quote(code: str, price: str, percent: str | None) -> Quote:
    return Quote(
        symbol=Pair(code, "USD"),
        price=Decimal(price),
        inverse=1 / Decimal(price),
        previous=None,
        change=None,
        change_percent=None if percent is None else Decimal(percent),
        as_of=date(2025, 1, 23),
        source="nbkr",
        source_name="NBKR",
        status="live",
        published_at=datetime(2025, 1, 22, tzinfo=UTC),
    )


MISSION = [
    quote("KGS", "0.01143511", "0.00"),
    quote("KZT", "0.0019188", "0.00"),
    quote("TJS", "0.09131", "-0.44"),
    quote("UZS", "0.00007698", "0.00"),
    quote("TMT", "0.28490", "-0.42"),
]


def test_five_digits_print_the_line_of_the_news_site() -> None:
    assert watch.line(MISSION, digits=5) == (
        "KGS/USD = 0.01144 0%  •  KZT/USD = 0.00192 0%  •  TJS/USD = 0.09131 -0.44%  •  "
        "UZS/USD = 0.00008 0%  •  TMT/USD = 0.28490 -0.42%"
    )


def test_by_default_a_small_price_keeps_four_significant_digits() -> None:
    assert watch.line(MISSION) == (
        "KGS/USD = 0.01144 0%  •  KZT/USD = 0.001919 0%  •  TJS/USD = 0.09131 -0.44%  •  "
        "UZS/USD = 0.00007698 0%  •  TMT/USD = 0.28490 -0.42%"
    )


def test_an_unknown_change_shows_nothing() -> None:
    assert watch.line([quote("KGS", "0.01143511", None)]) == "KGS/USD = 0.01144"


def test_a_quote_that_is_not_live_says_so() -> None:
    assert watch.line([replace(MISSION[0], status="stale")]) == "KGS/USD = 0.01144 0% (stale)"


@pytest.mark.parametrize(
    ("price", "text"),
    [
        ("87.45", "87.45"),
        ("0.000085", "0.00008500"),
        ("0.011435", "0.01144"),
        ("0.099999", "0.10000"),
        ("1234.56789", "1,234.5679"),
    ],
)
def test_a_price_has_the_decimals_that_the_widget_gives_it(price: str, text: str) -> None:
    assert watch.line([quote("KGS", price, None)]) == f"KGS/USD = {text}"


@pytest.mark.parametrize(
    ("percent", "text"),
    [
        ("0.00", "0%"),
        ("-0.00", "0%"),
        ("-0.004", "0%"),
        ("0.005", "+0.01%"),
        ("0.50", "+0.5%"),
        ("-0.44", "-0.44%"),
        ("11.75", "+11.75%"),
        ("10", "+10%"),
        ("-100", "-100%"),
    ],
)
def test_a_percentage_is_signed_and_short_and_never_minus_nought(percent: str, text: str) -> None:
    assert watch.line([quote("KGS", "1", percent)]) == f"KGS/USD = 1.00 {text}"


SERVED = datetime(2026, 11, 27, 18, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Date": "Fri, 27 Nov 2026 18:05:00 GMT"}, SERVED),
        ({"Date": "Fri, 27 Nov 2026 18:05:00 -0000"}, SERVED),
        ({"Date": "Fri, 27 Nov 2026 18:04:30 GMT", "Age": "30"}, SERVED),
        ({"Date": "Fri, 27 Nov 2026 18:05:00 GMT", "Age": "old"}, None),
        ({"Date": "Fri, 27 Nov 2026 18:05:00 GMT", "Age": "9" * 30}, None),
        ({"Date": "today"}, None),
        ({}, None),
    ],
)
def test_the_time_is_read_from_the_answer(headers: dict[str, str], expected: datetime | None) -> None:
    assert watch.served_at(headers) == expected


@pytest.mark.parametrize(
    ("date", "age", "statuses"),
    [
        ("Fri, 27 Nov 2026 18:04:59 GMT", "0", ["live", "live"]),
        ("Fri, 27 Nov 2026 18:05:00 GMT", "0", ["stale", "live"]),
        ("Fri, 27 Nov 2026 18:04:59 GMT", "1", ["stale", "live"]),
        # From a proxy that does not tell it: as the server said.
        ("", "0", ["live", "live"]),
    ],
)
async def test_a_quote_is_stale_from_its_due_moment_on_by_the_server_s_time(
    date: str, age: str, statuses: list[str]
) -> None:
    quotes = [replace(MISSION[0], due_at=SERVED), MISSION[1]]
    body = f'{{"cursor":"1-1","quotes":[{",".join(map(wire.encode_quote, quotes))}]}}'.encode()
    headers = {"Content-Type": "application/json", "Date": date, "Age": age}
    async with site(answer(body, **headers)) as url:
        assert [quote.status for quote in await watch.quotes(url)] == statuses
