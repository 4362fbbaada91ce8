"""Frankfurter: rates of the dollar, blended from the central banks that publish them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import time, timedelta

from ticker.rates.calendar import EVERY_DAY, Calendar
from ticker.rates.model import Pair, Rate
from ticker.rates.reader import OURS, Reader
from ticker.rates.source import History, Schedule, Source

KEY = "frankfurter"
read = Reader(KEY)

_ASKED = (*OURS, "EUR", "RUB", "CNY", "TRY", "GBP")
_METALS = {"XAU", "XAG", "XPT", "XPD"}
_CURRENCY = re.compile(r"[A-Z]{3}")


def parse(body: bytes) -> tuple[Rate, ...]:
    """
    Read /v2/rates: units of a currency for one dollar, each with its own day, which may be tomorrow.

    Raises MalformedFeed, also for an error's {"message": ...}, for a table without one of our five
    currencies, and for more than one day of a currency, which is a history.
    """
    rates = read.table(_rates(body), quoted=OURS)
    if len({rate.pair.quote for rate in rates}) < len(rates):
        raise read.malformed("more than one day of a currency")
    return rates


def parse_history(body: bytes, quote: str | None = None) -> tuple[Rate, ...]:
    """
    Read /v2/rates of a range of days and one currency, which is `quote` if that is given.

    A range without a rate is an empty list. Raises MalformedFeed.
    """
    rates = read.table(_rates(body))
    listed = {rate.pair.quote for rate in rates}
    if len(listed) > 1 or (quote and listed - {quote}):
        raise read.malformed(f"the history of {', '.join(sorted(listed))}, not of {quote or 'one currency'}")
    return rates


def _rates(body: bytes) -> Iterator[Rate]:
    rows = read.json(body)
    if not isinstance(rows, list):
        raise read.malformed(f"no list of rates in {body[:60]!r}")
    for row in rows:
        if not isinstance(row, dict) or row.get("base") != "USD" or not isinstance(row.get("quote"), str):
            raise read.malformed(f"no rate of the dollar: {row!r:.60}")
        if not _CURRENCY.fullmatch(row["quote"]) or row["quote"] in _METALS:
            continue
        yield Rate(
            source=KEY,
            pair=Pair("USD", row["quote"]),
            value=read.decimal(str(row.get("rate"))),
            nominal=1,
            as_of=read.day(str(row.get("date")), style="yyyy-mm-dd"),
        )


SOURCE = Source(
    key=KEY,
    name="Frankfurter",
    short="Frankfurter",
    site="frankfurter.dev",
    kind="market",
    # With the dollar as base: the inverse rates are rounded to 5 or 6 places (0.6 % of the sum).
    url="https://api.frankfurter.dev/v2/rates?base=USD&quotes=" + ",".join(_ASKED),
    parse=parse,
    history=History(
        url="https://api.frankfurter.dev/v2/rates"
        "?from={first:%Y-%m-%d}&to={last:%Y-%m-%d}&base=USD&quotes={name}",
        names={code: code for code in _ASKED},
        parse=parse_history,
    ),
    timezone="UTC",
    # It passes on what the banks publish, which is spread over the day.
    schedule=Schedule(hour="6-18", minute="45"),
    terms="No key and no quota; the rates are the central banks' own, on the terms of each bank.",
    lists=" ".join(_ASKED),
    coverage=(
        "All of ours, blended from every bank that covers a currency and so no witness apart from the banks. "
        "Above 5,000 a rate is rounded to a whole number; the manat is the peg."
    ),
    follows_banks=True,
    calendar=Calendar(week=EVERY_DAY, due_by=time(0), grace=timedelta(hours=48)),
)
