"""Each source's last answer for each day, and the days for which it has no table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from ticker.rates.calendar import ONE_DAY
from ticker.rates.events import Asked, Empty, Said
from ticker.rates.source import Source
from ticker.rates.tables import Table


class Heard:
    """The last answer for each day, and the times of the polls."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self.asked: dict[str, Asked] = {}
        """The last poll of each source, as far as the ledger knows."""
        self._zones = {key: ZoneInfo(source.timezone) for key, source in sources.items()}
        self._answers: dict[str, dict[date, Table]] = {}
        self._archive: dict[str, dict[date, Table]] = {}
        self._calendars = {key: source.calendar for key, source in sources.items()}
        self._empty: dict[str, dict[date, datetime]] = {}
        self._passed: dict[str, set[date]] = {}
        self._newest: dict[str, date] = {}

    def say(self, event: Said) -> None:
        """Take a table."""
        source, day = event.source, event.table.day
        answers = self._archive if event.archive else self._answers
        answers.setdefault(source, {})[day] = event.table
        self._newest[source] = max(day, self._newest.get(source, day))
        if not event.archive:
            self.ask(source, event.at)

    def deny(self, event: Empty) -> None:
        """Take that there is no table for some days."""
        days = self._empty.setdefault(event.source, {})
        passed, newest = self._passed.setdefault(event.source, set()), self._newest.get(event.source)
        for ahead in range((event.last - event.first).days + 1):
            day = event.first + ONE_DAY * ahead
            days[day] = event.at
            if newest and newest > day:
                passed.add(day)
        self.ask(event.source, event.at)

    def ask(self, source: str, at: datetime) -> None:
        """Take that a source answered."""
        self.asked[source] = Asked(at=at, source=source, answered=True)

    def today(self, source: str, now: datetime) -> date:
        """The current day in the country of a source."""
        return now.astimezone(self._zones[source]).date()

    def last_answer(self, source: str, day: date, *, archive: bool = False) -> Table | None:
        """The source's last answer for a day, or its archive's."""
        return (self._archive if archive else self._answers).get(source, {}).get(day)

    def newest_day(self, source: str) -> date | None:
        """The newest day for which a source stated a table."""
        return self._newest.get(source)

    def span(self, source: str) -> timedelta:
        """The time between the oldest and the newest table of a source."""
        days = [*self._answers.get(source, ()), *self._archive.get(source, ())]
        return max(days) - min(days) if days else timedelta(0)

    def heard_empty(self, source: str, day: date) -> datetime | None:
        """When a source last said that it has no table for a day."""
        return self._empty.get(source, {}).get(day)

    def is_settled(self, source: str, day: date) -> bool:
        """
        Whether it is final that a source has no table for a day.

        Most banks date a publication the day after a working day. For such a day, "none" counts only if a
        later day's table was published when it was heard: a frozen server has no table either. For any other
        day it counts once the day has ended, or has begun with a later day's table published. Before, it may
        mean "not yet".
        """
        if day in self._passed.get(source, ()):
            return True
        heard = self.heard_empty(source, day)
        if heard is None or self._calendars[source].works(day - ONE_DAY):
            return False
        then = self.today(source, heard)
        return then > day or (then == day and self._newest.get(source, date.min) > day)

    def would_settle(self, source: str, day: date, now: datetime) -> bool:
        """Whether it is news that a day has no table: the first time, or when that may become final."""
        if self.is_settled(source, day):
            return False
        if self._newest.get(source, date.min) > day:
            return True
        heard, today = self.heard_empty(source, day), self.today(source, now)
        if heard is None:
            return True
        then = self.today(source, heard)
        return then < day <= today or then == day < today

    def is_none(self, source: str, day: date) -> bool:
        """Whether it is known that a day without a word about a symbol has none."""
        return day in self._answers.get(source, ()) or self.is_settled(source, day)

    def drop_before(self, source: str, day: date) -> None:
        """Forget what a source said of earlier days."""
        for known in (self._answers, self._archive, self._empty):
            for each in [each for each in known.get(source, ()) if each < day]:
                del known[source][each]
        self._passed[source] = {each for each in self._passed.get(source, ()) if each >= day}
