"""Which table of a bank is out at which moment, and what it contains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal

from ticker.demo.replay import Figures, held, recording
from ticker.rates.calendar import ONE_DAY, Calendar
from ticker.rates.model import EXACT
from ticker.sources import SOURCES


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """
    When a bank publishes which table.

    It sets rates on working days. Such a table is dated the next calendar day and holds from then on.
    """

    calendar: Calendar
    """Its working days, national holidays and all."""
    at: time
    """
    When a table comes out, UTC: on the day on which it was set, and a repeat on the day before its date.

    With `same_day`, every table comes out on the day of its date.
    """
    repeats: bool = False
    """Whether the other days have a table of their own, with the same figures as the day before."""
    same_day: bool = False
    """Whether a table comes out on the day of its date."""
    skipped_until: date = date.min
    """Tables that are set before this day are dated the next working day."""

    def dated(self, set_on: date) -> date:
        """The date of the table that is set on a working day."""
        if set_on < self.skipped_until:
            return self.calendar.working_day_after(set_on)
        return set_on + ONE_DAY

    def set_on(self, day: date) -> date | None:
        """The working day on which new figures for `day` were set; None if that day brings none."""
        last = self.calendar.working_day_before(day)
        return last if self.dated(last) == day else None

    def effective(self, day: date) -> date:
        """The last day up to `day` on which new figures took effect."""
        while self.set_on(day) is None:
            day -= ONE_DAY
        return day

    def stamp(self, day: date) -> date:
        """The date in the table that holds on `day`."""
        return day if self.repeats else self.effective(day)

    def published_at(self, stamp: date) -> datetime:
        """The moment at which the table with this date comes out."""
        day = stamp if self.same_day else self.set_on(stamp) or stamp - ONE_DAY
        return datetime.combine(day, self.at, UTC)


HABITS = {
    # The file is stamped anew daily: seen on Saturday 2026-05-23 at 10:20 UTC with Sunday's date and
    # the same values.
    "nbkr": Habits(calendar=SOURCES["nbkr"].calendar, at=time(10, 20), repeats=True),
    # The exchange's average at 10:30 UTC and the crosses from 11:00. When Sunday's and Monday's tables,
    # which repeat Saturday's, come out was never recorded: here at that hour of the day before.
    "nbk": Habits(calendar=SOURCES["nbk"].calendar, at=time(11), repeats=True),
    # Public by 08:05 in Dushanbe on the day itself; the hour of the flip was never recorded.
    "nbt": Habits(calendar=SOURCES["nbt"].calendar, at=time(3, 5), repeats=True, same_day=True),
    # Friday's table was dated Monday until mid-September 2026 at least, and Saturday by 26 September.
    "cbu": Habits(calendar=SOURCES["cbu"].calendar, at=time(9), skipped_until=date(2026, 9, 25)),
    # 10:49 UTC still showed the same day.
    "cbr": Habits(calendar=SOURCES["cbr"].calendar, at=time(11, 30)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a bank publishes for one day."""

    stamp: date
    """The date that the table bears."""
    figures: Figures
    previous: Figures
    """The figures of the publication before, for the fields that say how much a rate moved."""

    def rate(self, base: str, home: str, nominal: int, places: int) -> Decimal:
        """Units of `home` for `nominal` units of `base`, rounded half-up as the bank does."""
        return _cross(self.figures, base, home, nominal, places)

    def change(self, base: str, home: str, nominal: int, places: int) -> Decimal:
        """How far the published rate is from the one published before."""
        return self.rate(base, home, nominal, places) - _cross(self.previous, base, home, nominal, places)


def _cross(figures: Figures, base: str, home: str, nominal: int, places: int) -> Decimal:
    units = EXACT.divide(nominal * figures[home], figures[base])
    return units.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


class Bank:
    """The tables of one bank as they are out at a moment of the recording."""

    def __init__(self, habits: Habits, now: Callable[[], datetime]) -> None:
        self.habits = habits
        self._now = now
        self._stamps = sorted({habits.stamp(day) for day in recording()})
        self._effective = sorted({habits.effective(day) for day in recording()})

    def is_out(self, stamp: date) -> bool:
        """Whether the table with this date has come out."""
        return self.habits.published_at(stamp) <= self._now()

    def newest(self) -> date:
        """The date of the newest table that is out."""
        return next((stamp for stamp in reversed(self._stamps) if self.is_out(stamp)), self._stamps[0])

    def has(self, day: date) -> bool:
        """Whether the recording reaches back to `day`."""
        return day >= min(recording())

    def table(self, asked: date | None = None) -> Table:
        """The table that holds on the day asked for, or the newest one if that is not out yet."""
        newest = self.newest()
        return self._table(newest if asked is None else self.habits.stamp(min(asked, newest)))

    def tables(self, first: date, last: date, *, repeats: bool = False) -> list[Table]:
        """
        Those that are out of the days `first` to `last` on which a rate took effect, oldest first.

        With `repeats`, also those of the other days that have a table of their own.
        """
        stamps = self._stamps if repeats else self._effective
        return [self._table(stamp) for stamp in stamps if first <= stamp <= last and self.is_out(stamp)]

    def _table(self, stamp: date) -> Table:
        effective = self.habits.effective(stamp)
        before = self.habits.effective(effective - ONE_DAY)
        return Table(stamp=stamp, figures=recording()[held(effective)], previous=recording()[held(before)])
