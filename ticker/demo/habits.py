"""Which table of a bank is out at which moment, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal

from ticker.calendar import Calendar
from ticker.demo.replay import ONE_DAY, Figures, held, recording
from ticker.model import EXACT
from ticker.sources import SOURCES


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """When a bank publishes what."""

    calendar: Calendar
    """The days on which it sets rates and on which they take effect, national holidays and all."""
    at: time
    """When a table comes out, UTC."""
    restamps: bool = False
    """Whether the other days get a table of their own, with the figures of the last effective day."""

    def effective(self, day: date) -> date:
        """The last day up to `day` on which new figures took effect."""
        while not self.calendar.takes_effect_on(day):
            day -= ONE_DAY
        return day

    def stamp(self, day: date) -> date:
        """The date in the table that holds on `day`."""
        return day if self.restamps else self.effective(day)

    def published_at(self, stamp: date) -> datetime:
        """The moment at which the table with this date comes out."""
        eve = self.calendar.takes_effect != "same day"
        set_on = self.calendar.set_on(stamp) or (stamp - ONE_DAY if eve else stamp)
        return datetime.combine(set_on, self.at, UTC)


def _habits(key: str, at: time, *, restamps: bool = False) -> Habits:
    return Habits(calendar=SOURCES[key].calendar, at=at, restamps=restamps)


HABITS = {
    # The file is stamped anew daily: seen on Saturday 2026-05-23 at 10:20 UTC with Sunday's date and
    # the same values.
    "nbkr": _habits("nbkr", time(10, 20), restamps=True),
    # The exchange's average at 10:30 UTC and the crosses from 11:00.
    "nbk": _habits("nbk", time(11)),
    "nbt": _habits("nbt", time(5), restamps=True),
    # Asked for Sunday 2026-10-04 it gave the table of Saturday, under Saturday's date.
    "cbu": _habits("cbu", time(9)),
    # 10:49 UTC still showed the same day.
    "cbr": _habits("cbr", time(11, 30)),
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

    def tables(self, first: date, last: date, *, restamped: bool = False) -> list[Table]:
        """
        Those that are out of the days `first` to `last` on which a rate took effect, oldest first.

        With `restamped`, also those of the other days that have a table of their own.
        """
        stamps = self._stamps if restamped else self._effective
        return [self._table(stamp) for stamp in stamps if first <= stamp <= last and self.is_out(stamp)]

    def _table(self, stamp: date) -> Table:
        effective = self.habits.effective(stamp)
        before = self.habits.effective(effective - ONE_DAY)
        return Table(stamp=stamp, figures=recording()[held(effective)], previous=recording()[held(before)])
