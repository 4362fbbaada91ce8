"""National Bank of Kazakhstan: the official rates of the tenge (KZT)."""

from __future__ import annotations

from ticker.rates.calendar import Calendar
from ticker.rates.model import Pair, Rate
from ticker.rates.reader import Reader
from ticker.rates.source import NoTable, Schedule, Source

KEY = "nbk"
read = Reader(KEY)


def parse(body: bytes) -> tuple[Rate, ...]:
    """
    Read get_rates.cfm of one day: tenge for `nominal` units of a foreign currency.

    The figure stands in <description>, the nominal in <quant> (the som per 1, the sum per 100).
    Raises MalformedFeed, also for an answer without its date. Raises NoTable for a date without rates,
    which has no item (and an <info>, as one reader reported).
    """
    root = read.xml(body, root="rates")
    as_of = read.day(read.text(root, "date"), style="dd.mm.yyyy")
    if root.find("item") is None:
        raise NoTable(f"{KEY}: no table for {as_of}")
    rates = (
        Rate(
            source=KEY,
            pair=Pair(read.code(read.text(row, "title")), "KZT"),
            value=read.decimal(read.text(row, "description")),
            nominal=read.nominal(read.text(row, "quant")),
            as_of=as_of,
        )
        for row in root.findall("item")
    )
    return read.table(rates, expected=("USD",))


SOURCE = Source(
    key=KEY,
    name="National Bank of Kazakhstan",
    short="NBK",
    site="nationalbank.kz",
    kind="fixing",
    url="https://nationalbank.kz/rss/get_rates.cfm?fdate={day:%d.%m.%Y}",
    parse=parse,
    timezone="Asia/Almaty",
    # The dollar is the exchange's weighted average at 15:30 in Astana; the crosses follow from 16:00.
    schedule=Schedule(hour="14-16"),
    terms="No terms of use are known to us.",
    # As recorded on 2 April 2026.
    lists=(
        "AED AMD AUD AZN BRL BYN CAD CHF CNY CZK DKK EUR GBP GEL HKD HUF INR IRR JPY KGS KRW KWD MDL MXN "
        "MYR NOK PLN RUB SAR SEK SGD THB TJS TRY UAH USD UZS XDR ZAR"
    ),
    coverage="39 currencies in tenge, KGS, TJS and UZS among them; no TMT.",
    authority_for="KZT",
    # The afternoon's rate is official from the next calendar day: Friday's holds from Saturday to Monday
    # (1,828 days of 2015 to 2020 without an exception). There is a table for every day; those of Sundays,
    # Mondays and days after holidays repeat the one before.
    calendar=Calendar(country="KZ"),
)
