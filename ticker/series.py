"""What one source said of one symbol, by the day from which it holds. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from datetime import date, timedelta

from ticker.calendar import Calendar
from ticker.model import Fixing


class Series:
    """
    The publications of one source about one symbol, oldest first.

    A table of a day on which the source sets nothing, with the figures of the publication before, was
    only stamped anew (NBKR does so on Saturdays for Sunday, seen 2026-05-23): it is no publication.
    """

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._days: list[date] = []
        self._by_day: dict[date, Fixing] = {}

    def __iter__(self) -> Iterator[Fixing]:
        return (self._by_day[day] for day in self._days)

    def __len__(self) -> int:
        return len(self._days)

    def add(self, fixing: Fixing) -> bool:
        """Take a publication, or a correction of its day; False if it was only stamped anew."""
        day = fixing.day
        if day not in self._by_day:
            if self._stamped_anew(fixing):
                return False
            insort(self._days, day)
        self._by_day[day] = fixing
        later = self.after(day)
        if later and self._stamped_anew(later):
            self.remove(later.day)
        return True

    def remove(self, day: date) -> None:
        """Forget the publication of this day."""
        self._days.remove(day)
        del self._by_day[day]

    def on(self, day: date) -> Fixing | None:
        """The publication of exactly this day."""
        return self._by_day.get(day)

    def at(self, day: date) -> Fixing | None:
        """The publication that holds on this day."""
        return self._nth(bisect_right(self._days, day) - 1)

    def before(self, day: date) -> Fixing | None:
        """The publication before this day's."""
        return self._nth(bisect_left(self._days, day) - 1)

    def after(self, day: date) -> Fixing | None:
        """The first publication that takes effect after this day."""
        return self._nth(bisect_right(self._days, day))

    @property
    def newest(self) -> Fixing | None:
        return self._nth(len(self._days) - 1)

    def last(self, count: int) -> list[Fixing]:
        """The newest publications, oldest first."""
        return [self._by_day[day] for day in self._days[-count:]]

    def around(self, first: date, last: date, count: int) -> list[Fixing]:
        """The publications from `first` to `last`, and up to `count` on either side of them."""
        begin, end = bisect_left(self._days, first), bisect_right(self._days, last)
        return [self._by_day[day] for day in self._days[max(0, begin - count) : end + count]]

    def keep_last(self, span: timedelta) -> None:
        """Forget what took effect longer than `span` before the newest publication."""
        count = bisect_left(self._days, self._days[-1] - span)
        for old in self._days[:count]:
            del self._by_day[old]
        del self._days[:count]

    def _nth(self, index: int) -> Fixing | None:
        return self._by_day[self._days[index]] if 0 <= index < len(self._days) else None

    def _stamped_anew(self, fixing: Fixing) -> bool:
        earlier = self.before(fixing.day)
        return (
            earlier is not None
            and earlier.figures == fixing.figures
            and not self._calendar.takes_effect_on(fixing.day)
        )
