"""When a bank publishes and what it missed: weekends, holidays, midnights, a year walked by the clock."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from time import process_time
from zoneinfo import ZoneInfo

import pytest

from ticker.board import Board, Rule
from ticker.calendar import Calendar
from ticker.model import Pair, Rate
from ticker.source import Source
from ticker.sources import SOURCES

DAY = timedelta(days=1)
BISHKEK = ZoneInfo("Asia/Bishkek")
NBKR, NBK, NBT, CBU, CBR = (SOURCES[key].calendar for key in ("nbkr", "nbk", "nbt", "cbu", "cbr"))


def effects(calendar: Calendar, first: date, count: int) -> list[str]:
    """The days on which a rate takes effect, as `Tue 15`."""
    days = (first + DAY * number for number in range(count))
    return [f"{day:%a %d}" for day in days if calendar.takes_effect_on(day)]


@pytest.mark.parametrize(
    ("calendar", "days"),
    [
        (NBKR, ["Tue 15", "Wed 16", "Thu 17", "Fri 18", "Sat 19"]),
        (CBU, ["Tue 15", "Wed 16", "Thu 17", "Fri 18", "Sat 19"]),
        (NBK, ["Mon 14", "Tue 15", "Wed 16", "Thu 17", "Fri 18"]),
        (NBT, ["Mon 14", "Tue 15", "Wed 16", "Thu 17", "Fri 18"]),
    ],
)
def test_a_rate_takes_effect_on_the_day_or_the_next_or_the_next_working_day(
    calendar: Calendar, days: list[str]
) -> None:
    assert effects(calendar, date(2026, 9, 14), 7) == days


def test_a_bank_whose_rate_is_of_the_next_day_sets_none_on_a_holiday() -> None:
    # Independence day of Kyrgyzstan: Monday 31 August 2026.
    assert effects(NBKR, date(2026, 8, 28), 8) == ["Fri 28", "Sat 29", "Wed 02", "Thu 03", "Fri 04"]


def test_a_bank_whose_rate_is_of_the_next_working_day_has_none_for_a_holiday() -> None:
    # Nauryz in Kazakhstan: 21 to 23 March, in 2026 from a Saturday on, so that the 24th and 25th are off too.
    assert effects(NBK, date(2026, 3, 19), 9) == ["Thu 19", "Fri 20", "Thu 26", "Fri 27"]
    assert NBK.set_on(date(2026, 3, 26)) == date(2026, 3, 20)


def test_a_closure_that_nobody_knew_of_can_be_added() -> None:
    closed = replace(NBKR, closed=frozenset({date(2026, 9, 15)}))

    assert effects(closed, date(2026, 9, 14), 4) == ["Tue 15", "Thu 17"]


def test_the_next_effect_and_the_working_days_ahead_pass_over_what_is_closed() -> None:
    new_year = date(2026, 12, 30)

    assert CBR.next_effect(date(2026, 12, 31)) >= date(2027, 1, 10)
    assert NBK.next_effect(date(2026, 3, 20)) == date(2026, 3, 26)
    assert NBK.working_days_ahead(date(2026, 3, 20), 2) == date(2026, 3, 27)
    assert NBKR.working_days_ahead(new_year, 2) >= date(2027, 1, 8)


def test_a_publication_is_late_three_hours_after_it_should_hold() -> None:
    wednesday = date(2026, 9, 16)

    assert NBKR.due(wednesday, BISHKEK) == datetime(2026, 9, 16, 3, tzinfo=BISHKEK)
    dushanbe = ZoneInfo("Asia/Dushanbe")
    assert NBT.due(wednesday, dushanbe) == datetime(2026, 9, 16, 14, 30, tzinfo=dushanbe)


def test_publications_are_missed_one_by_one_and_none_over_the_weekend() -> None:
    friday, zone = date(2026, 9, 18), BISHKEK
    noons = [datetime(2026, 9, day, 12, tzinfo=zone) for day in range(18, 25)]

    assert [NBKR.missed(friday, now=noon, zone=zone) for noon in noons] == [0, 1, 1, 1, 2, 3, 4]
    assert NBKR.missed(date(2026, 9, 25), now=noons[0], zone=zone) == 0


def test_a_source_of_every_day_is_late_when_it_is_three_days_old() -> None:
    calendar = SOURCES["fawazahmed0"].calendar
    said = date(2026, 9, 16)

    assert calendar.missed(said, now=datetime(2026, 9, 18, 23, 59, tzinfo=UTC), zone=UTC) == 0
    assert calendar.missed(said, now=datetime(2026, 9, 19, tzinfo=UTC), zone=UTC) == 1


def test_the_holidays_of_every_bank_s_country_are_known() -> None:
    new_year = date(2027, 1, 1)

    assert not any(source.calendar.works(new_year) for source in SOURCES.values() if source.kind == "fixing")
    assert all(source.calendar.works(new_year) for source in SOURCES.values() if source.kind == "market")


NEW_YORK = replace(
    SOURCES["nbt"],
    key="fed",
    timezone="America/New_York",
    calendar=Calendar(country="US", out_by=time(12, 15), takes_effect="next working day"),
)
"""A source whose clocks change, as none of our banks' do."""


def rate(source: str, pair: Pair, day: date) -> Rate:
    """A figure that tells its day: it moves a little every day, there and back."""
    figure = Decimal("87.4500") + Decimal(day.toordinal() % 7) / 100
    return Rate(source=source, pair=pair, value=figure, nominal=1, as_of=day)


HOURS = {0, 4, 5, 6, 9, 10, 11, 16, 17, 18, 19, 22}
"""The hours (UTC) at which something happens at one of them, in winter or in summer, and a few others."""


def test_a_year_is_walked_by_the_clock_without_a_false_word() -> None:
    walk_a_year()


def test_a_year_is_walked_in_under_five_seconds() -> None:
    """CPU time, without what measuring the coverage costs: that doubles it."""
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        began = process_time()
        walk_a_year()
        took = process_time() - began
    finally:
        sys.settrace(tracer)

    assert took < 5


def walk_a_year() -> None:
    """
    2027-06 to 2028-06: New Year, Nauryz, a leap day, and two changes of the clocks in New York.

    Every bank publishes by its calendar. At every hour that matters each quote is live, of the newest day
    that has begun at its bank, and changes only at that bank's midnight, once for each day of effect.
    """
    sources = {key: SOURCES[key] for key in ("nbkr", "nbk", "nbt", "cbu")} | {"fed": NEW_YORK}
    pairs = dict(
        zip(sources, (Pair("USD", code) for code in ("KGS", "KZT", "TJS", "UZS", "CAD")), strict=True)
    )
    rules = [Rule(symbol=pairs[key].inverse, chain=(key,), authorities=frozenset({key})) for key in sources]
    board = Board(rules, sources=sources)
    now = start = datetime(2027, 6, 1, tzinfo=UTC)
    end = datetime(2028, 6, 1, tzinfo=UTC)
    for key, source in sources.items():
        local = now.astimezone(ZoneInfo(source.timezone))
        out = [
            day
            for ahead in range(-12, 8)
            if is_out(source.calendar, day := local.date() + DAY * ahead, local)
        ]
        board.post([rate(key, pairs[key], day) for day in out], now=now)
    changes = dict.fromkeys(sources, 0)
    while now < end:
        for key, source in sources.items():
            local = now.astimezone(ZoneInfo(source.timezone))
            if local.hour == source.calendar.out_by.hour and source.calendar.works(local.date()):
                coming = local.date() if source.calendar.set_on(local.date()) == local.date() else None
                day = coming or source.calendar.next_effect(local.date())
                board.post([rate(key, pairs[key], day)], now=now)
        changed = board.tick(now=now)
        for quote in changed:
            changes[quote.source] += 1
        for key, source in sources.items() if changed or now.hour % 6 == 0 else ():
            quote, local = board.quotes[pairs[key].inverse], now.astimezone(ZoneInfo(source.timezone))
            assert quote.as_of == newest_effect(source.calendar, local), (quote, now)
        assert {quote.status for quote in board.quotes.values()} == {"live"}, now
        later = (now + timedelta(hours=ahead) for ahead in range(1, 24))
        now = next(hour for hour in later if hour.hour in HOURS)

    for key in ("nbkr", "nbk", "cbu", "fed"):  # those whose rates are told before they hold
        assert changes[key] == midnights(sources[key], start, end)
    assert date(2028, 2, 29) in {fixing.day for fixing in board.fixings("nbkr")}


def midnights(source: Source, start: datetime, end: datetime) -> int:
    """How many rates of a source took effect between two moments."""
    zone = ZoneInfo(source.timezone)
    days = [start.date() + DAY * number for number in range(-1, 368)]
    begins = [datetime.combine(day, time(0), zone) for day in days if source.calendar.takes_effect_on(day)]
    return sum(1 for begin in begins if start < begin < end)


def is_out(calendar: Calendar, day: date, local: datetime) -> bool:
    """Whether the rate that takes effect on `day` is known at this local time (to the hour)."""
    set_on = calendar.set_on(day)
    return set_on is not None and (set_on, calendar.out_by.hour) <= (local.date(), local.hour)


def newest_effect(calendar: Calendar, local: datetime) -> date:
    """The last day on which a rate took effect that is out at this local time."""
    day = local.date()
    while not is_out(calendar, day, local):
        day -= DAY
    return day
