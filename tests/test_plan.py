"""What is asked next, and when: the poll's pure decisions."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from ticker.config import PollSettings
from ticker.poll import plan
from ticker.sources import SOURCES

TUE = date(2026, 5, 19)
WED, THU, FRI, SAT, SUN, MON = (TUE + timedelta(days=ahead) for ahead in range(1, 7))


def first_day(key: str, day: date, hour: int, *, announced: bool = False) -> date:
    local = datetime.combine(day, time(hour), ZoneInfo(SOURCES[key].timezone))
    return plan.first_day(SOURCES[key], local=local, announced=announced)


@pytest.mark.parametrize(
    ("key", "day", "hour", "expected"),
    [
        ("nbk", TUE, 13, TUE),  # its publishing hours begin at 14
        ("nbk", TUE, 14, WED),
        ("nbk", TUE, 18, WED),  # after the hours too, while the next day's is not known
        ("nbk", TUE, 23, WED),
        ("nbk", TUE, 0, TUE),
        ("nbk", FRI, 14, MON),  # Saturday's and Sunday's are asked for on the way
        ("nbk", SAT, 15, MON),
        ("cbu", FRI, 13, MON),
        ("cbu", FRI, 12, FRI),
        ("cbu", SAT, 15, MON),
        ("nbt", TUE, 8, TUE),
        ("nbt", TUE, 9, WED),
        ("nbkr", TUE, 16, TUE),  # it only tells its newest table
        ("cbr", FRI, 14, FRI),
        ("fawazahmed0", TUE, 2, TUE),  # no aggregator tells a later day
    ],
)
def test_from_its_publishing_hours_on_a_bank_is_asked_from_its_next_working_day_down(
    key: str, day: date, hour: int, expected: date
) -> None:
    assert first_day(key, day, hour) == expected


def test_after_the_hours_a_bank_that_has_announced_is_asked_for_today_only() -> None:
    assert first_day("nbk", TUE, 16, announced=True) == WED  # it may still be corrected
    assert first_day("nbk", TUE, 17, announced=True) == TUE
    assert first_day("nbk", TUE, 17) == WED


def test_a_working_saturday_is_a_working_day() -> None:
    # 12 December 2026 is one in Uzbekistan, by decree.
    assert first_day("cbu", date(2026, 12, 11), 14) == date(2026, 12, 12)


@pytest.mark.parametrize(
    ("asked", "answered", "expected"),
    [
        (MON, MON, SUN),
        (MON, None, SUN),
        (MON, SAT, FRI),  # Saturday's for Monday: nothing on Sunday
        (MON, FRI, None),  # today's stands for every day since
        (MON, THU, None),
        (SAT, None, FRI),
        (FRI, FRI, None),
        (FRI, None, None),
    ],
)
def test_every_day_down_to_today_is_asked_for_until_one_answer_stands_for_the_rest(
    asked: date, answered: date | None, expected: date | None
) -> None:
    assert plan.next_day(asked, answered, today=FRI) == expected


def test_a_source_is_asked_just_before_its_quote_is_late_and_once_it_is() -> None:
    due = datetime(2026, 5, 20, 8, 30, tzinfo=UTC)
    dues = [due, due + timedelta(days=1)]
    before, after = due - timedelta(minutes=2), due + timedelta(seconds=1)

    assert plan.due_polls(dues, now=due - timedelta(hours=3)) == before
    assert plan.due_polls(dues, now=before) == after
    assert plan.due_polls(dues, now=after) == before + timedelta(days=1)
    assert plan.due_polls([due], now=after) is None
    assert plan.due_polls([], now=due) is None


def test_the_longest_delay_doubles_up_to_the_plain_interval() -> None:
    settings = PollSettings(retry_min_seconds=5, retry_max_seconds=900)

    delays = [plan.longest_delay(settings, failures, interval_seconds=3600) for failures in (1, 2, 5, 9, 99)]

    assert delays == [5, 10, 80, 900, 900]
    assert plan.longest_delay(settings, 9, interval_seconds=60) == 60


def test_retries_are_spread_over_all_of_the_delay() -> None:
    settings = PollSettings(retry_min_seconds=100, retry_max_seconds=900)

    drawn = [plan.retry_delay(settings, 1, interval_seconds=3600) for _ in range(500)]

    assert all(plan.SHORTEST_RETRY <= seconds <= 100 for seconds in drawn)
    assert min(drawn) < 10 < 90 < max(drawn)
