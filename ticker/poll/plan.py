"""What to ask a source next, and when. Pure: the known facts and the time are arguments."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta

from ticker.config import PollSettings
from ticker.rates.calendar import ONE_DAY
from ticker.rates.source import Source

BEFORE_DUE = timedelta(minutes=2)
"""How long before a quote is late its source is asked."""
AFTER_DUE = timedelta(seconds=1)
"""How long after a quote became late its source is asked again, before a fallback is used."""
SHORTEST_RETRY = 0.5
"""The shortest delay of a retry in seconds."""


def first_day(source: Source, *, local: datetime, announced: bool) -> date:
    """
    The latest day whose table is worth asking a source for at its local time.

    Before its publishing hours, and after them if a later day's table is known (`announced`), that is
    today. Otherwise it is the next working day.
    """
    today, hours = local.date(), source.schedule
    if source.kind == "market" or not source.by_day or local.hour < hours.first_hour:
        return today
    if local.hour > hours.last_hour and announced:
        return today
    return source.calendar.working_day_after(today)


def next_day(asked: date, answered: date | None, *, today: date) -> date | None:
    """
    The next day to ask for after an answer; None if the answer had the table that is valid today.

    `answered` is the date in the answer; None if there was no table. Every day from the latest down to today
    is asked for: on a Friday a bank may have tables of Monday and of Saturday.
    """
    earlier = min(asked, answered or asked) - ONE_DAY
    return earlier if earlier >= today else None


def due_polls(dues: list[datetime], *, now: datetime) -> datetime | None:
    """The next moment to ask at: just before or just after one of `dues`; None if all are past."""
    moments = (moment for due in dues for moment in (due - BEFORE_DUE, due + AFTER_DUE))
    return min((moment for moment in moments if moment > now), default=None)


def longest_delay(settings: PollSettings, failures: int, *, interval_seconds: int) -> float:
    """The longest delay of a retry: doubled with each failure in a row, never longer than the interval."""
    doubled = settings.retry_min_seconds * 2.0 ** min(failures - 1, 30)
    return min(doubled, settings.retry_max_seconds, interval_seconds)


def retry_delay(settings: PollSettings, failures: int, *, interval_seconds: int) -> float:
    """The delay of a retry in seconds, drawn from 0 to the longest (full jitter)."""
    longest = longest_delay(settings, failures, interval_seconds=interval_seconds)
    return max(SHORTEST_RETRY, random.uniform(0, longest))  # noqa: S311 - full jitter is no secret
