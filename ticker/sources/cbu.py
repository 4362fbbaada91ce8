"""Central Bank of Uzbekistan: the official rates of the sum (UZS)."""

from __future__ import annotations

from typing import Any

from ticker.rates.calendar import Calendar
from ticker.rates.model import Pair, Rate
from ticker.rates.reader import Reader
from ticker.rates.source import Schedule, Source

KEY = "cbu"
read = Reader(KEY)


def parse(body: bytes) -> tuple[Rate, ...]:
    """
    Read the JSON list of one currency or of all: sum for `nominal` units of a foreign currency.

    A future day is answered with the newest rate under its own date, so compare `as_of` with the
    day asked for. Raises MalformedFeed, as for `[]`, the answer to an unknown currency.
    """
    rows = read.json(body)
    if not isinstance(rows, list) or not rows:
        raise read.malformed(f"no list of rates in {body[:40]!r}")
    rates = read.table(map(_rate, rows), expected=("USD",) if len(rows) > 1 else ())
    if len({rate.as_of for rate in rates}) > 1:
        raise read.malformed("a table of more than one day")
    return rates


def _rate(row: Any) -> Rate:
    return Rate(
        source=KEY,
        pair=Pair(read.code(_text(row, "Ccy")), "UZS"),
        value=read.decimal(_text(row, "Rate")),
        # 10 for IDR, IRR and VND.
        nominal=read.nominal(_text(row, "Nominal")),
        as_of=read.day(_text(row, "Date"), style="dd.mm.yyyy"),
    )


def _text(row: Any, name: str) -> str:
    """A member of a row, which the bank always writes as a string. Raises MalformedFeed."""
    text = row.get(name) if isinstance(row, dict) else None
    if not isinstance(text, str):
        raise read.malformed(f"no text {name!r} in {row!r:.60}")
    return text


SOURCE = Source(
    key=KEY,
    name="Central Bank of Uzbekistan",
    short="CBU",
    site="cbu.uz",
    kind="fixing",
    # The whole table, 26 kB a day: it has the crosses, and shows whether a move is the sum's or one
    # currency's. The server has no http (403, no redirect).
    url="https://cbu.uz/en/arkhiv-kursov-valyut/json/all/{day:%Y-%m-%d}/",
    parse=parse,
    timezone="Asia/Tashkent",
    schedule=Schedule(hour="13-15"),
    terms="No terms of use are known to us; the bank publishes no limit of requests.",
    # As recorded on 2 April 2026.
    lists=(
        "AED AFN AMD ARS AUD AZN BDT BGN BHD BND BRL BYN CAD CHF CNY CUP CZK DKK DZD EGP EUR GBP GEL HKD "
        "HUF IDR ILS INR IQD IRR ISK JOD JPY KGS KHR KRW KWD KZT LAK LBP LYD MAD MDL MMK MNT MXN MYR NOK "
        "NZD OMR PHP PKR PLN QAR RON RSD RUB SAR SDG SEK SGD SYP THB TJS TMT TND TRY UAH USD UYU VES VND "
        "XDR YER ZAR"
    ),
    coverage="About 75 currencies in sum, all of ours among them.",
    authority_for="UZS",
    # Until mid-September 2026 a table was dated the next working day (Friday's Monday), since then the next
    # calendar day. A day without a table, and a future one, is answered with the newest earlier table under
    # its own date (asked for Sunday 4 October 2026, got Saturday's).
    calendar=Calendar(country="UZ"),
)
