"""
The working days of a source, and when its quote is late. Pure: every moment is an argument.

A calendar knows only working days. The date in the bank's own table says from which day a rate is valid:
banks change that habit without notice (the Central Bank of Uzbekistan did in September 2026). The `holidays`
package gives the national holidays, and the weekend days that a government declared working days. A closure
that it does not know can be added (`closed`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

import holidays

ONE_DAY = timedelta(days=1)
MON_FRI = frozenset(range(5))
MON_SAT = frozenset(range(6))
EVERY_DAY = frozenset(range(7))

LONGEST_LOOK = 400
"""The most days of a search through a calendar: no bank is closed for longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The days on which a source sets rates, in its own time zone."""

    due_by: time = time(11, 30)
    """The local time by which a day's table is published. Later for a source that publishes later."""
    country: str = ""
    """ISO 3166 code of the country whose holidays the source observes; empty if it observes none."""
    week: frozenset[int] = MON_FRI
    """Week days (Monday is 0) on which rates are set."""
    grace: timedelta = timedelta(hours=3)
    """How long after `due_by` a quote counts as late."""
    closed: frozenset[date] = frozenset()
    """Further days without a publication."""

    def works(self, day: date) -> bool:
        """Whether the source sets rates on this day."""
        if day in self.closed:
            return False
        national = _national(self.country, day) if self.country else None
        return day.weekday() in self.week if national is None else national

    def working_day_after(self, day: date, count: int = 1) -> date:
        """The working day that is `count` working days after `day`."""
        for _ in range(count):
            day = self._nearest(day, ONE_DAY)
        return day

    def working_day_before(self, day: date) -> date:
        """The last working day before `day`."""
        return self._nearest(day, -ONE_DAY)

    def working_days(self, first: date, last: date) -> int:
        """The number of working days from `first` to `last`, both included."""
        days = (first + ONE_DAY * ahead for ahead in range(min((last - first).days + 1, LONGEST_LOOK)))
        return sum(1 for day in days if self.works(day))

    def late_on(self, day: date) -> date:
        """
        The day on which a quote is late if no table newer than that of `day` arrived.

        It is the second working day after the last working day before `day`. A table that was set on a Friday
        may be dated Saturday or Monday; either way the next one is late on Tuesday.
        """
        return _late_on(self, day)

    def late_at(self, day: date, zone: tzinfo) -> datetime:
        """The moment from which a quote is late if no table newer than that of `day` arrived."""
        return datetime.combine(self.late_on(day), self.due_by, zone) + self.grace

    def missed(self, newest: date, *, now: datetime, zone: tzinfo) -> int:
        """The number of late publications at `now` if the newest table is that of the day `newest`."""
        late = 0
        for day in self._working_from(self.late_on(newest)):
            if datetime.combine(day, self.due_by, zone) + self.grace > now:
                return late
            late += 1
        return late

    def _working_from(self, day: date) -> list[date]:
        days = (day + ONE_DAY * ahead for ahead in range(LONGEST_LOOK))
        return [each for each in days if self.works(each)]

    def _nearest(self, day: date, step: timedelta) -> date:
        """The nearest working day after (or, with a step back, before) `day`."""
        days = (day + step * count for count in range(1, LONGEST_LOOK))
        return next(filter(self.works, days))


class Span(NamedTuple):
    """Days without a gap, the first and the last one included."""

    first: date
    last: date


def spans(days: Iterable[date]) -> list[Span]:
    """Days, in order, as spans without a gap."""
    found: list[Span] = []
    for day in days:
        if found and found[-1].last + ONE_DAY == day:
            found[-1] = found[-1]._replace(last=day)
        else:
            found.append(Span(day, day))
    return found


@functools.lru_cache(maxsize=8192)
def _late_on(calendar: Calendar, day: date) -> date:
    """Cached, because every judgement of a quote needs it."""
    return calendar.working_day_after(calendar.working_day_before(day), 2)


@functools.lru_cache(maxsize=8192)
def _national(country: str, day: date) -> bool | None:
    """
    True for a weekend day that a country declared a working day, False for a holiday, None for all others.

    Cached: quotes need the same few weeks again and again, and the package takes 3 microseconds per day.
    """
    national = _holidays(country)
    is_holiday = day in national  # `in` also loads the year's weekend_workdays
    if day in national.weekend_workdays:
        return True
    return False if is_holiday else None


@functools.cache
def _holidays(country: str) -> holidays.HolidayBase:
    """The national holidays of a country; the package computes each year at its first use."""
    return holidays.country_holidays(country)
