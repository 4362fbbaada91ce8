"""
Three aggregators in their own formats. Pure: the recording and a moment in, bytes out.

fawazahmed0 has the recorded day itself, digit for digit. floatrates has the day before, so that
the two differ. frankfurter follows the demo banks, as the real one follows the banks.
No figure was made up; the real tables have many more currencies.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from ticker.demo.formats import trimmed
from ticker.demo.habits import Bank
from ticker.demo.replay import TMT_PER_USD, as_recorded, held
from ticker.rates.calendar import ONE_DAY
from ticker.rates.model import EXACT


def _figures(day: date) -> list[tuple[str, Decimal]]:
    """Every figure of a recorded day's file, the dollar's own among them, by code."""
    return sorted(as_recorded()[day].items())


# fawazahmed0: one file a day

FAWAZAHMED0_AT = timedelta(minutes=10)
"""How long after midnight UTC the file of a day is out; its figures are the market of the day before."""


def fawazahmed0_newest(now: datetime) -> date:
    """The day of the newest file that is out."""
    return held((now - FAWAZAHMED0_AT).date())


def fawazahmed0(day: date) -> bytes:
    """
    usd.min.json of a recorded day: units for one dollar, codes in small letters, no blank.

    TMT is as the aggregator had it: noise around the peg, and three glitches (5, 26 and 27 September).
    """
    figures = ",".join(f'"{code.lower()}":{figure}' for code, figure in _figures(day))
    return f'{{"date":"{day}","usd":{{{figures}}}}}'.encode("ascii")


# floatrates: two files a day

FLOATRATES_TIMES = (time(11, 55, 1), time(23, 55, 1))
WEEK_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def floatrates_newest(now: datetime) -> datetime:
    """The moment at which the newest table came out."""
    days = (now.date() - ONE_DAY, now.date())
    moments = (datetime.combine(day, at, UTC) for day in days for at in FLOATRATES_TIMES)
    return max(moment for moment in moments if moment <= now)


def floatrates(moment: datetime) -> bytes:
    """
    daily/usd.json as of a moment: units for one dollar as numbers, without the dollar itself.

    Its days have one digit where they can. Answers of 2021 to 2024 have numbers; that it writes
    strings since 2026 was reported, not recorded. Numeric codes and names are left out.
    """
    rows = ",".join(
        f'"{code.lower()}":{_floatrates_row(code, rate, moment)}'
        for code, rate in _figures(held(moment.date() - ONE_DAY))
        if code != "USD"
    )
    return f"{{{rows}}}".encode("ascii")


def _floatrates_row(code: str, rate: Decimal, moment: datetime) -> str:
    inverse = EXACT.divide(Decimal(1), rate)
    return (
        f'{{"code":"{code}","alphaCode":"{code}","rate":{rate},'
        f'"date":"{_rfc_1123(moment)}","inverseRate":{inverse:.14g}}}'
    )


def _rfc_1123(moment: datetime) -> str:
    """`Mon, 7 Sep 2026 11:55:01 GMT`, in English whatever the locale."""
    month = MONTHS[moment.month - 1]
    return f"{WEEK_DAYS[moment.weekday()]}, {moment.day} {month} {moment:%Y %H:%M:%S} GMT"


# frankfurter: the banks' tables again, each row under its bank's date

FOLLOWED = {
    "CNY": "cbr",
    "EUR": "cbr",
    "KGS": "nbkr",
    "KZT": "nbk",
    "RUB": "cbr",
    "TJS": "nbt",
    "UZS": "cbu",
}
"""Currency -> the bank whose tables make its rows. The real one blends all who have the currency."""
ROUNDED = ((5000, 0), (80, 2), (20, 3), (1, 4), (0, 5))
"""Above which figure it keeps how many places; none that was recorded is below 0.0001."""


class Row(NamedTuple):
    """One row of frankfurter: units of a currency for one dollar."""

    day: date
    quote: str
    rate: Decimal

    def __str__(self) -> str:
        rate = "1.0" if self.quote == "USD" else trimmed(_as_frankfurter_rounds(self.rate))
        return f'{{"date":"{self.day}","base":"USD","quote":"{self.quote}","rate":{rate}}}'


def frankfurter(rows: Iterable[Row], quotes: Container[str]) -> bytes:
    """/v2/rates: the rows of the currencies asked for."""
    return f"[{','.join(str(row) for row in rows if row.quote in quotes)}]".encode("ascii")


def frankfurter_day(banks: Mapping[str, Bank], day: date) -> list[Row]:
    """
    The row of each currency that holds on `day`, by currency.

    Each row has its own day. The peg has the newest of them.
    """
    rows = [row for code in FOLLOWED for row in _followed(banks, code, date.min, day)[-1:]]
    return sorted(rows + _constant(max(row.day for row in rows)), key=lambda row: row.quote) if rows else []


def frankfurter_range(banks: Mapping[str, Bank], first: date, last: date) -> list[Row]:
    """
    Every row of the days from `first` to `last`, by day and currency.

    A currency without a row on the first day has the one before it too, under its own date.
    """
    rows = [row for code in FOLLOWED for row in _followed(banks, code, first, last)]
    rows += [row for day in {row.day for row in rows} for row in _constant(day)]
    return sorted({*rows, *frankfurter_day(banks, first)})


def _followed(banks: Mapping[str, Bank], code: str, first: date, last: date) -> list[Row]:
    tables = banks[FOLLOWED[code]].tables(first, last)
    return [Row(table.stamp, code, table.figures[code]) for table in tables]


def _constant(day: date) -> list[Row]:
    """The peg, and the base's own row."""
    return [Row(day, "TMT", TMT_PER_USD), Row(day, "USD", Decimal(1))]


def _as_frankfurter_rounds(rate: Decimal) -> Decimal:
    places = next(places for above, places in ROUNDED if rate > above)
    return rate.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
