"""FloatRates: indicative rates of the dollar, twice a day."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any

from ticker.rates.calendar import EVERY_DAY, Calendar
from ticker.rates.model import Pair, Rate
from ticker.rates.reader import OURS, Reader
from ticker.rates.source import Schedule, Source

KEY = "floatrates"
read = Reader(KEY)

_NAME = re.compile(r"[a-z]{3}")
# RFC 1123, but for days of one digit: `Fri, 4 Feb 2022 11:55:01 GMT`.
_DATE = re.compile(r"[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT")


def parse(body: bytes) -> tuple[Rate, ...]:
    """
    Read daily/usd.json: units of a currency for one dollar, each with its own moment (UTC).

    The answer does not name its base; the table of another currency has an entry for the dollar.
    Raises MalformedFeed, also for a table without one of our five currencies.
    """
    entries = read.json(body)
    if not isinstance(entries, dict) or "usd" in entries:
        raise read.malformed(f"no rates of the dollar in {body[:40]!r}")
    rates = (_rate(name, row) for name, row in entries.items() if _NAME.fullmatch(name))
    return read.table(rates, quoted=OURS)


def _rate(name: str, row: Any) -> Rate:
    """One entry. Its rate was a number from 2021 to 2024, and is reported to be a string in 2026."""
    if not isinstance(row, dict) or row.get("code") != name.upper():
        raise read.malformed(f"{name} is not the entry of its own currency: {row!r:.60}")
    return Rate(
        source=KEY,
        pair=Pair("USD", row["code"]),
        value=read.decimal(str(row.get("rate"))),
        nominal=1,
        as_of=_moment(str(row.get("date"))),
    )


def _moment(text: str) -> datetime:
    try:
        if _DATE.fullmatch(text):
            return datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        pass
    raise read.malformed(f"{text!r:.60} is not a date (RFC 1123)")


SOURCE = Source(
    key=KEY,
    name="FloatRates",
    short="FloatRates",
    site="www.floatrates.com",
    kind="market",
    url="https://www.floatrates.com/daily/usd.json",
    parse=parse,
    timezone="UTC",
    # Its tables are of 11:55 and 23:55; the plain interval finds the second.
    schedule=Schedule(hour="12", minute="5,35", day_of_week="mon-sun"),
    interval_seconds=6 * 3600,
    terms="No terms of use are known to us; it asks for no key.",
    # As recorded on 28 June 2021, without three that are no longer in use.
    lists=(
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BND BOB BRL BSD BWP BYN BZD CAD "
        "CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD GBP GEL GHS GIP GMD GNF "
        "GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KRW KWD KZT LAK LBP "
        "LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD "
        "OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SOS SRD SSP STN SVC "
        "SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX UYU UZS VES VND VUV WST XAF XCD XOF XPF YER "
        "ZAR ZMW"
    ),
    coverage="149 currencies per dollar, all of ours.",
    calendar=Calendar(week=EVERY_DAY, due_by=time(0), grace=timedelta(hours=48)),
)
