"""Central Bank of Turkmenistan: the official rates of the manat (TMT), pegged at 3.5 for a dollar."""

from __future__ import annotations

from ticker.rates.calendar import MON_SAT, Calendar
from ticker.rates.model import Pair, Rate
from ticker.rates.reader import Reader
from ticker.rates.source import Schedule, Source

KEY = "cbt"
read = Reader(KEY)


def parse(body: bytes) -> tuple[Rate, ...]:
    """
    Read the file of one day: manat for `nominal` units of a foreign currency.

    <rate_usd> is not read: it is units for a dollar, or dollars for a unit (EUR, GBP, AUD, XDR),
    and some of it is stale (TJS 9.24 on 20 May 2026, when NBT said 9.3288). Raises MalformedFeed.
    """
    root = read.xml(body, root="cbt_currency_rate")
    written = read.text(root, "date")
    # The files of 2020 to 2023 have the date in ISO form.
    as_of = read.day(written, style="yyyy-mm-dd" if "-" in written else "dd.mm.yyyy")
    rates = (
        Rate(
            source=KEY,
            pair=Pair(read.code(row.get("code")), "TMT"),
            value=read.decimal(read.text(row, "rate_tmt")),
            nominal=read.nominal(read.text(row, "multiplier")),
            as_of=as_of,
        )
        for row in root.findall("rate")
    )
    return read.table(rates, expected=("USD",))


SOURCE = Source(
    key=KEY,
    name="Central Bank of Turkmenistan",
    short="CBT",
    site="cbt.tm",
    kind="fixing",
    url="https://cbt.tm/kurs/{day:%Y}/{day:%d%m%Y}.xml",
    parse=parse,
    timezone="Asia/Ashgabat",
    # A day's file appears at 15:20 to 15:35 in Ashgabat on the day before (Last-Modified, May 2026).
    schedule=Schedule(hour="15-16", day_of_week="mon-sat"),
    terms="No terms of use are known to us.",
    # As recorded on 21 May 2026.
    lists=(
        "AED AFN AMD AUD AZN BYN CAD CHF CNY CZK DKK EGP EUR GBP GEL HKD ILS INR IQD IRR JPY KGS KRW KWD "
        "KZT MDL MKD MMK MOP MRU MYR NOK PKR PLN QAR RON RUB SAR SEK SGD THB TJS TRY TWD UAH USD UZS XDR"
    ),
    coverage="48 currencies in manat since 17 April 2020; only a confirmation of the peg.",
    authority_for="TMT",
    # Monday to Saturday: there is no file for a Sunday (404).
    calendar=Calendar(country="TM", week=MON_SAT),
    # The name servers of .tm do not answer abroad, and the host refuses connections (2026).
    enabled=False,
)
