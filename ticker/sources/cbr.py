"""Bank of Russia: its rates of our currencies in roubles, a check by crosses over the rouble."""

from __future__ import annotations

from datetime import date
from xml.etree.ElementTree import Element

from ticker.rates.calendar import Calendar
from ticker.rates.model import EXACT, Pair, Rate
from ticker.rates.source import (
    History,
    MalformedFeed,
    Schedule,
    Source,
    code,
    day,
    decimal,
    nominal,
    table,
    text_of,
    xml,
)

KEY = "cbr"

# The bank's own names of currencies, the only ones in an answer of XML_dynamic.
_CODES = {
    "R01035": "GBP",
    "R01235": "USD",
    "R01239": "EUR",
    "R01335": "KZT",
    "R01370": "KGS",
    "R01375": "CNY",
    "R01670": "TJS",
    "R01700J": "TRY",
    "R01710A": "TMT",
    "R01717": "UZS",
}


def parse(body: bytes) -> tuple[Rate, ...]:
    """
    Read XML_daily: roubles for `nominal` units of a foreign currency.

    The nominals change over time (KGS 10 in 2023, 100 in 2026). A bad `date_req` is answered with
    status 200 and `Error in parameters`. Raises MalformedFeed.
    """
    root = xml(body, root="ValCurs", who=KEY)
    as_of = day(root.get("Date"), style="dd.mm.yyyy", who=KEY)
    rates = (
        _rate(row, base=code(text_of(row, "CharCode", who=KEY), who=KEY), as_of=as_of)
        for row in root.findall("Valute")
    )
    return table(rates, who=KEY, expected=("USD",))


def parse_history(body: bytes, base: str | None = None) -> tuple[Rate, ...]:
    """
    Read XML_dynamic: the days of one currency, in roubles for `nominal` units, oldest first.

    The answer names the currency, which must be `base` if that is given. A range without a working
    day is an empty table. Raises MalformedFeed.
    """
    root = xml(body, root="ValCurs", who=KEY)
    name = root.get("ID", "")
    if name not in _CODES or any(row.get("Id") != name for row in root.findall("Record")):
        raise MalformedFeed(f"{KEY}: not the history of one known currency: {name!r:.60}")
    if base and _CODES[name] != base:
        raise MalformedFeed(f"{KEY}: the history of {_CODES[name]}, not of {base}")
    rates = (
        _rate(row, base=_CODES[name], as_of=day(row.get("Date"), style="dd.mm.yyyy", who=KEY))
        for row in root.findall("Record")
    )
    return table(rates, who=KEY, expected=())


def _rate(row: Element, *, base: str, as_of: date) -> Rate:
    """One row, checked against <VunitRate>, the price of one unit, where there is one (since about 2023)."""
    rate = Rate(
        source=KEY,
        pair=Pair(base, "RUB"),
        value=decimal(text_of(row, "Value", who=KEY), comma=True, who=KEY),
        nominal=nominal(text_of(row, "Nominal", who=KEY), who=KEY),
        as_of=as_of,
    )
    if row.find("VunitRate") is None or "E" in (unit := text_of(row, "VunitRate", who=KEY)):
        return rate  # small prices come as 5,88139E-05 (the rial, 17 March 2026)
    price = decimal(unit, comma=True, who=KEY)
    if EXACT.quantize(rate.mid, price) != price:
        raise MalformedFeed(f"{KEY}: {rate.value} for {rate.nominal} {base} is not {price} for one")
    return rate


SOURCE = Source(
    key=KEY,
    name="Bank of Russia",
    short="CBR",
    kind="fixing",
    url="https://www.cbr.ru/scripts/XML_daily.asp",
    parse=parse,
    parse_history=parse_history,
    history=History(
        url="https://www.cbr.ru/scripts/XML_dynamic.asp"
        "?date_req1={first:%d/%m/%Y}&date_req2={last:%d/%m/%Y}&VAL_NM_RQ={name}",
        names={code: name for name, code in _CODES.items()},
        parse=parse_history,
    ),
    timezone="Europe/Moscow",
    schedule=Schedule(hour="12-14"),
    attribution="Bank of Russia, www.cbr.ru",
    terms="No terms of use are known to us.",
    coverage="About 54 currencies in roubles, all of ours; they follow other banks' earlier fixings.",
    authority_for="RUB",
    # Half a voice: its som, tenge, somoni and sum are the other banks' own fixings of the day before.
    votes=1,
    # Tuesday to Saturday: Friday's setting is dated Saturday and holds until Monday.
    calendar=Calendar(country="RU"),
)
