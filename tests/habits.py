"""
Banks that tell real publications by any habit: when, under which date, and what on the days without one.

The publications are those of `payloads/series`. A bank here answers with bytes in its own format, so that
its real parser reads them. Nothing of the core is used but the calendar of working days.
"""

from __future__ import annotations

import csv
import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from ticker.rates.source import Source

SERIES = Path(__file__).parent / "payloads" / "series"
ONE_DAY = timedelta(days=1)
_LONGEST_CLOSURE = timedelta(days=45)
"""No table that is out is dated later."""

Figures = Mapping[str, str]
"""The bank's figure for each currency, digit for digit, all for a nominal of 1."""
Dated = Literal["next calendar day", "next working day", "same day"]
Told = Literal["early", "on time", "late"]
Closed = Literal["repeated", "last table", "no answer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What a bank set on a working day, and the date that it gave it in fact."""

    set_on: date
    dated: date
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """How a bank tells its publications."""

    dated: Dated
    """The date of a table, counted from the day on which it is set."""
    told: Told
    closed: Closed
    """What is answered for days without a publication."""
    changes_on: date | None = None
    """From this day on tables are dated the next calendar day."""

    def __str__(self) -> str:
        change = f", the next calendar day since {self.changes_on}" if self.changes_on else ""
        return f"{self.dated}, {self.told}, {self.closed}{change}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table as it is out from a moment on."""

    day: date
    at: datetime
    figures: Figures
    repeat: bool
    """Whether it only repeats the publication before."""


# The series.


def publications(name: str, source: Source) -> list[Publication]:
    """The publications of a file of `payloads/series`, oldest first, with at least three currencies."""
    with (SERIES / f"{name}.csv").open(encoding="ascii") as file:
        rows: dict[date, Figures] = {date.fromisoformat(row.pop("date")): row for row in csv.DictReader(file)}
    if name.startswith("cbu"):
        found = list(rows.items())
    else:
        found = list(_changes(rows, source if name.startswith(("nbt_", "nbk_")) else None))
    days = [day for day, _ in found]
    figures = [_with_synthetic(at, row) for at, (_, row) in enumerate(found)]
    set_on = _set_days(days, source) if name.startswith("cbu") else [day - ONE_DAY for day in days]
    return [
        Publication(set_on=on, dated=day, figures=row)
        for on, day, row in zip(set_on, days, figures, strict=True)
    ]


def _changes(rows: Mapping[date, Figures], source: Source | None) -> Iterator[tuple[date, Figures]]:
    """
    The days on which new figures begin.

    With a source also the days after its working days: NBT's dollar stood still for weeks, and NBK's until
    August 2015, and the files have no other currency.
    """
    first, last = min(rows), max(rows)
    known: Figures = {}
    for ahead in range((last - first).days + 1):
        day = first + ONE_DAY * ahead
        figures = rows.get(day, known)
        if figures != known or (source and source.calendar.works(day - ONE_DAY)):
            yield day, figures
        known = figures


def _set_days(days: Sequence[date], source: Source) -> list[date]:
    """The working days before the dates of tables; of two that share one, the later was set a day later."""
    found: list[date] = []
    for day in days:
        set_on = source.calendar.working_day_before(day)
        found.append(day - ONE_DAY if found and set_on <= found[-1] else set_on)
    return found


def _with_synthetic(number: int, figures: Figures) -> Figures:
    """A series of the dollar alone gets two synthetic currencies, which move with every publication."""
    if len(figures) > 1:
        return figures
    dollar = Decimal(figures["USD"])
    euro = dollar * (Decimal("1.05") + Decimal(number * 7919 % 1009) / 20000)
    pound = dollar * (Decimal("1.25") + Decimal(number * 10007 % 997) / 20000)
    return {**figures, "EUR": _rounded(euro, dollar), "GBP": _rounded(pound, dollar)}


def _rounded(number: Decimal, like: Decimal) -> str:
    return str(number.quantize(like, ROUND_HALF_UP))


# The tables of a habit.

_ON_TIME = {"nbt": time(10, 20)}
_SAME_DAY = {"early": time(7, 30), "on time": time(11), "late": time(13, 50)}
_EARLY, _USUAL, _LATE = time(10), time(15, 20), time(8, 10)


def tables(found: Sequence[Publication], habit: Habit, source: Source) -> list[Table]:
    """What a bank tells by a habit, in the order of the dates of its tables."""
    days = [_date(at, found, habit, source) for at in range(len(found))]
    told: list[Table] = []
    for at, (publication, day) in enumerate(zip(found, days, strict=True)):
        out = _told_at(publication.set_on, day, habit, source)
        told.append(Table(day=day, at=out, figures=publication.figures, repeat=False))
        if habit.closed == "repeated" and at + 1 < len(found):
            for ahead in range(1, (days[at + 1] - day).days):
                again = day + ONE_DAY * ahead
                moment = max(out, _repeated_at(again, out, habit, source))
                told.append(Table(day=again, at=moment, figures=publication.figures, repeat=True))
    return told


def _date(at: int, found: Sequence[Publication], habit: Habit, source: Source) -> date:
    """The date of a table. A bank counts a day as working if it works, whatever the calendar says."""
    publication = found[at]
    changed = habit.changes_on is not None and publication.set_on >= habit.changes_on
    if changed or habit.dated == "next calendar day":
        return publication.set_on + ONE_DAY
    if habit.dated == "same day":
        return publication.set_on
    if source.key == "cbu":
        return publication.dated
    following = source.calendar.working_day_after(publication.set_on)
    return min(following, found[at + 1].set_on) if at + 1 < len(found) else following


def _told_at(set_on: date, day: date, habit: Habit, source: Source) -> datetime:
    """When a publication is told: late is in the morning of its date, or at 13:50 of the same day."""
    zone = ZoneInfo(source.timezone)
    if day == set_on:
        return datetime.combine(set_on, _SAME_DAY[habit.told], zone)
    if habit.told == "late":
        return datetime.combine(day, _LATE, zone)
    usual = _ON_TIME.get(source.key, _USUAL)
    return datetime.combine(set_on, min(usual, _EARLY) if habit.told == "early" else usual, zone)


def _repeated_at(day: date, published: datetime, habit: Habit, source: Source) -> datetime:
    """When the table of a day without a publication is told: early is together with the publication."""
    zone = ZoneInfo(source.timezone)
    if habit.dated == "same day":
        return datetime.combine(day, _SAME_DAY[habit.told], zone)
    if habit.told == "late":
        return datetime.combine(day, _LATE, zone)
    if habit.told == "early" and source.by_day:
        return published
    return datetime.combine(day - ONE_DAY, _ON_TIME.get(source.key, _USUAL), zone)


# The bank.


class Bank:
    """Answers for a day, or for a range of days, as it would at a moment."""

    def __init__(self, source: Source, told: Sequence[Table], habit: Habit) -> None:
        self.source = source
        self.told = told
        self._habit = habit
        self._by_day = {table.day: table for table in told}
        self._days = [table.day for table in told]

    def is_out(self, day: date, now: datetime) -> bool:
        """Whether there is a table with this date."""
        table = self._by_day.get(day)
        return table is not None and table.at <= now

    def newest_day(self, now: datetime) -> date | None:
        """The date of the newest table that is out."""
        newest = self._newest(now.date() + _LONGEST_CLOSURE, now)
        return newest.day if newest else None

    def answer(self, day: date, now: datetime) -> bytes | None:
        """The bytes of the answer about a day; None for a 404."""
        if not self.source.by_day:
            today = now.astimezone(ZoneInfo(self.source.timezone)).date()
            newest = self._newest(today + _LONGEST_CLOSURE, now)
            silent = self._habit.closed == "no answer" and today not in self._by_day
            return None if newest is None or (silent and newest.day < today) else self._page(newest)
        if self.is_out(day, now):
            return self._page(self._by_day[day])
        last = self._newest(day, now)
        if last is None:
            return None
        if day in self._by_day:
            return nbk(day) if self.source.key == "nbk" else self._page(last)
        if self._habit.closed == "no answer":
            return nbk(day) if self.source.key == "nbk" else None
        return self._page(last)

    def archive(self, currency: str, first: date, last: date, now: datetime) -> bytes | None:
        """The bytes of the answer about the days of one currency; None if there is none, which is no page."""
        inside = self.told[bisect_right(self._days, first - ONE_DAY) : bisect_right(self._days, last)]
        rows = [(table.day, table.figures[currency]) for table in inside if table.at <= now]
        if not rows:
            return None
        return nbkr_history(rows) if self.source.key == "nbkr" else nbt_history(rows, currency)

    def _newest(self, day: date, now: datetime) -> Table | None:
        """The newest table up to a day that is out; None before the series begins."""
        at = bisect_right(self._days, day) - 1
        while at >= 0 and self.told[at].at > now:
            at -= 1
        return self.told[at] if at >= 0 else None

    def _page(self, table: Table) -> bytes:
        return FORMATS[self.source.key](table.day, table.figures)


# The banks' formats, as in `payloads`.


def nbkr(day: date, figures: Figures) -> bytes:
    """NBKR's daily.xml."""
    rows = "".join(
        f'<Currency ISOCode="{code}">\n<Nominal>1</Nominal>\n'
        f"<Value>{figure.replace('.', ',')}</Value>\n</Currency>\n"
        for code, figure in figures.items()
    )
    return (
        '<?xml version="1.0" encoding="windows-1251" ?>\n'
        f'<CurrencyRates Name="Daily Exchange Rates" Date="{day:%d.%m.%Y}">\n{rows}</CurrencyRates>\n'
    ).encode("windows-1251")


def nbkr_history(rows: Iterable[tuple[date, str]]) -> bytes:
    """NBKR's page of dated rates, newest first."""
    cells = "".join(
        f"<tr><td><!--date-->{day:%d.%m.%Y}<!--date--></td>"
        f"<td><!--value-->{figure.replace('.', ',')}<!--value--></td></tr>"
        for day, figure in sorted(rows, reverse=True)
    )
    return f"<table>{cells}</table>".encode("ascii")


def nbk(day: date, figures: Figures | None = None) -> bytes:
    """NBK's get_rates.cfm; without figures its page of a day that has none."""
    items = "".join(
        f"<item><fullname>{code}</fullname><title>{code}</title><description>{figure}</description>"
        "<quant>1</quant><index></index><change>0.00</change></item>\n"
        for code, figure in (figures or {}).items()
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<rates>\n<date>{day:%d.%m.%Y}</date>\n{items}</rates>\n'
    ).encode()


def nbt(day: date, figures: Figures) -> bytes:
    """NBT's export_xml.php."""
    rows = "".join(
        f'<Valute ID="0"><CharCode>{code}</CharCode><Nominal>1</Nominal><Name>{code}</Name>'
        f"<Value>{figure}</Value></Valute>\n"
        for code, figure in figures.items()
    )
    return f'<?xml version="1.0" encoding="utf-8" ?>\n<ValCurs Date="{day}">\n{rows}</ValCurs>\n'.encode()


def nbt_history(rows: Iterable[tuple[date, str]], code: str) -> bytes:
    """NBT's export_xml_dynamic.php, oldest first."""
    records = "".join(
        f'<Record Date="{day:%d.%m.%Y}" Id="0"><CharCode>{code}</CharCode><Nominal>1</Nominal>'
        f"<Value>{figure}</Value></Record>\n"
        for day, figure in rows
    )
    return (
        f'<?xml version="1.0" encoding="windows-1251" ?>\n<ValCurs ID="0" Name="{code}">\n{records}</ValCurs>'
    ).encode("windows-1251")


def cbu(day: date, figures: Figures) -> bytes:
    """CBU's /json/all/."""
    rows = [
        {"Ccy": code, "Nominal": "1", "Rate": figure, "Diff": "0", "Date": f"{day:%d.%m.%Y}"}
        for code, figure in figures.items()
    ]
    return json.dumps(rows).encode("ascii")


FORMATS: Mapping[str, Callable[[date, Figures], bytes]] = {"nbkr": nbkr, "nbk": nbk, "nbt": nbt, "cbu": cbu}
