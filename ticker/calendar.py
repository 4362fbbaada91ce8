"""
When a source publishes, and so which publications it missed. Pure: every moment is passed in.

A bank sets rates on its working days; a rate takes effect on that day, on the next one, or on the
next working day. National holidays are those that the `holidays` package knows; it marks the
moon's ones as estimated, and a closure that it does not know can be added (`closed`).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Literal

import holidays

ONE_DAY = timedelta(days=1)
MON_FRI = frozenset(range(5))
MON_SAT = frozenset(range(6))
EVERY_DAY = frozenset(range(7))

LONGEST_LOOK = 400
"""Days that a walk through a calendar goes at most: no bank is closed for longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The days on which a source sets rates and the days on which they take effect, in its own zone."""

    out_by: time
    """The local time by which the day's rates are out."""
    takes_effect: Literal["same day", "next day", "next working day"]
    country: str = ""
    """ISO 3166 code whose national holidays are kept; empty where none are."""
    week: frozenset[int] = MON_FRI
    """Week days (Monday is 0) on which rates are set."""
    grace: timedelta = timedelta(hours=3)
    """How late a publication may be before it counts as missed."""
    closed: frozenset[date] = frozenset()
    """Further days without a publication."""

    def works(self, day: date) -> bool:
        """Whether rates are set on this day."""
        return day.weekday() in self.week and day not in self.closed and day not in _holidays(self.country)

    def set_on(self, day: date) -> date | None:
        """The working day on which the rate is set that takes effect on `day`; None if none does."""
        if self.takes_effect == "next day":
            return day - ONE_DAY if self.works(day - ONE_DAY) else None
        if not self.works(day):
            return None
        return day if self.takes_effect == "same day" else self._work(day, -ONE_DAY)

    def takes_effect_on(self, day: date) -> bool:
        """Whether a new rate takes effect on this day."""
        return self.set_on(day) is not None

    def next_effect(self, day: date) -> date:
        """The first day after `day` on which a new rate takes effect."""
        return next(
            later
            for later in (day + ONE_DAY * ahead for ahead in range(1, LONGEST_LOOK))
            if self.takes_effect_on(later)
        )

    def working_days_ahead(self, day: date, count: int) -> date:
        """The working day that is `count` working days after `day`."""
        for _ in range(count):
            day = self._work(day, ONE_DAY)
        return day

    def due(self, day: date, zone: tzinfo) -> datetime:
        """The moment from which the rate that takes effect on `day` is late: missed, if it is not there."""
        set_on = self.set_on(day) or day
        out = datetime.combine(set_on, self.out_by, zone)
        return max(out, datetime.combine(day, time(0), zone)) + self.grace

    def late(self, newest: date, *, now: datetime, zone: tzinfo) -> bool:
        """Whether any publication is late at `now` if the newest one took effect on `newest`."""
        return self.due(self.next_effect(newest), zone) <= now

    def missed(self, newest: date, *, now: datetime, zone: tzinfo) -> int:
        """How many publications are late at `now` if the newest one took effect on `newest`."""
        today = now.astimezone(zone).date()
        days = (today - ONE_DAY * back for back in range(min((today - newest).days, LONGEST_LOOK)))
        return sum(1 for day in days if self.takes_effect_on(day) and self.due(day, zone) <= now)

    def _work(self, day: date, step: timedelta) -> date:
        """The nearest working day after (or, with a step back, before) `day`."""
        return next(
            other for other in (day + step * count for count in range(1, LONGEST_LOOK)) if self.works(other)
        )


@functools.cache
def _holidays(country: str) -> holidays.HolidayBase | frozenset[date]:
    """The national holidays of a country, worked out year by year as they are asked for."""
    return holidays.country_holidays(country) if country else frozenset()
