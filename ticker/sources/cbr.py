"""Bank of Russia: its rates of our currencies in roubles, a check by crosses over the rouble."""

from __future__ import annotations

from datetime import date
from xml.etree.ElementTree import Element

from ticker.rates.calendar import Calendar
from ticker.rates.model import EXACT, Pair, Rate
from ticker.rates.reader import Reader
from ticker.rates.source import History, Schedule, Source

KEY = "cbr"
read = Reader(KEY)

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
    root = read.xml(body, root="ValCurs")
    as_of = read.day(root.get("Date"), style="dd.mm.yyyy")
    rates = (
        _rate(row, base=read.code(read.text(row, "CharCode")), as_of=as_of) for row in root.findall("Valute")
    )
    return read.table(rates, expected=("USD",))


def parse_history(body: bytes, base: str | None = None) -> tuple[Rate, ...]:
    """
    Read XML_dynamic: the days of one currency, in roubles for `nominal` units, oldest first.

    The answer names the currency, which must be `base` if that is given. A range without a working
    day is an empty table. Raises MalformedFeed.
    """
    root = read.xml(body, root="ValCurs")
    name = root.get("ID", "")
    if name not in _CODES or any(row.get("Id") != name for row in root.findall("Record")):
        raise read.malformed(f"not the history of one known currency: {name!r:.60}")
    if base and _CODES[name] != base:
        raise read.malformed(f"the history of {_CODES[name]}, not of {base}")
    rates = (
        _rate(row, base=_CODES[name], as_of=read.day(row.get("Date"), style="dd.mm.yyyy"))
        for row in root.findall("Record")
    )
    return read.table(rates)


def _rate(row: Element, *, base: str, as_of: date) -> Rate:
    """One row, checked against <VunitRate>, the price of one unit, where there is one (since about 2023)."""
    rate = Rate(
        source=KEY,
        pair=Pair(base, "RUB"),
        value=read.decimal(read.text(row, "Value"), comma=True),
        nominal=read.nominal(read.text(row, "Nominal")),
        as_of=as_of,
    )
    if row.find("VunitRate") is None or "E" in (unit := read.text(row, "VunitRate")):
        return rate  # small prices come as 5,88139E-05 (the rial, 17 March 2026)
    price = read.decimal(unit, comma=True)
    if EXACT.quantize(rate.mid, price) != price:
        raise read.malformed(f"{rate.value} for {rate.nominal} {base} is not {price} for one")
    return rate


SOURCE = Source(
    key=KEY,
    name="Bank of Russia",
    short="CBR",
    site="www.cbr.ru",
    kind="fixing",
    url="https://www.cbr.ru/scripts/XML_daily.asp",
    parse=parse,
    history=History(
        url="https://www.cbr.ru/scripts/XML_dynamic.asp"
        "?date_req1={first:%d/%m/%Y}&date_req2={last:%d/%m/%Y}&VAL_NM_RQ={name}",
        names={code: name for name, code in _CODES.items()},
        parse=parse_history,
    ),
    timezone="Europe/Moscow",
    schedule=Schedule(hour="12-14"),
    terms="No terms of use are known to us.",
    # As recorded on 17 March 2026.
    lists=(
        "AED AMD AUD AZN BDT BHD BOB BRL BYN CAD CHF CNY CUP CZK DKK DZD EGP ETB EUR GBP GEL HKD HUF IDR "
        "INR IRR JPY KGS KRW KZT MDL MMK MNT NGN NOK NZD OMR PLN QAR RON RSD SAR SEK SGD THB TJS TMT TRY "
        "UAH USD UZS VND XDR ZAR"
    ),
    coverage="About 54 currencies in roubles, all of ours; they follow other banks' earlier fixings.",
    authority_for="RUB",
    # No witness: its som, tenge, somoni and sum are the other banks' own fixings of the day before.
    follows_banks=True,
    # Tuesday to Saturday: Friday's setting is dated Saturday and holds until Monday.
    calendar=Calendar(country="RU"),
)
