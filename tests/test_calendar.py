"""Working days and late quotes: weekends, holidays, days moved by decree, a year walked by the clock."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from time import process_time
from zoneinfo import ZoneInfo

import pytest

from ticker.rates.calendar import Calendar, Span, spans
from ticker.rates.desk import Desk
from ticker.rates.model import Pair, Rate
from ticker.rates.policy import Rule
from ticker.rates.source import Source
from ticker.rates.tables import tables_of
from ticker.sources import SOURCES

DAY = timedelta(days=1)
BISHKEK = ZoneInfo("Asia/Bishkek")
NBKR, NBK, NBT, CBU, CBR = (SOURCES[key].calendar for key in ("nbkr", "nbk", "nbt", "cbu", "cbr"))
WED = date(2026, 9, 16)
FRI, SAT, SUN, MON, TUE = (WED + DAY * ahead for ahead in range(2, 7))


def test_a_bank_works_from_monday_to_friday_but_not_on_the_holidays_of_its_country() -> None:
    # Independence day of Kyrgyzstan: Monday 31 August 2026.
    days = [date(2026, 8, 28) + DAY * ahead for ahead in range(6)]

    assert [f"{day:%a %d}" for day in days if NBKR.works(day)] == ["Fri 28", "Tue 01", "Wed 02"]


def test_a_weekend_day_that_a_government_declared_a_working_day_is_one() -> None:
    # Kazakhstan worked on Saturday 4 May 2024 for Wednesday 8 May.
    assert NBK.works(date(2024, 5, 4))
    assert not NBK.works(date(2024, 5, 8))


def test_a_closure_that_no_list_knows_can_be_added() -> None:
    closed = replace(NBKR, closed=frozenset({WED}))

    assert (NBKR.works(WED), closed.works(WED)) == (True, False)
    assert closed.working_day_after(WED - DAY) == WED + DAY


def test_working_days_are_counted_over_holidays_both_ways() -> None:
    # Nauryz in Kazakhstan: 21 to 23 March, in 2026 from a Saturday on, so that the 24th and 25th are off too.
    assert NBK.working_day_after(date(2026, 3, 20)) == date(2026, 3, 26)
    assert NBK.working_day_after(date(2026, 3, 20), 2) == date(2026, 3, 27)
    assert NBK.working_day_before(date(2026, 3, 26)) == date(2026, 3, 20)
    assert NBK.working_days(date(2026, 3, 20), date(2026, 3, 27)) == 3
    assert CBR.working_day_after(date(2026, 12, 31)) >= date(2027, 1, 10)


def test_no_working_days_are_counted_backwards_and_not_more_than_a_year_of_them() -> None:
    assert NBK.working_days(WED, WED - DAY) == 0
    assert 200 < NBK.working_days(WED, WED + 4000 * DAY) < 300


@pytest.mark.parametrize(
    ("dated", "late"),
    [
        (WED, WED + DAY),
        (FRI, MON),
        (SAT, TUE),  # set on Friday, for Saturday
        (SUN, TUE),
        (MON, TUE),  # set on Friday, for Monday: the habit of CBU until September 2026
        (TUE, TUE + DAY),
    ],
)
def test_a_quote_is_late_on_the_second_working_day_after_the_last_before_its_date(
    dated: date, late: date
) -> None:
    assert NBKR.late_on(dated) == late
    assert NBKR.late_at(dated, BISHKEK) == datetime.combine(late, time(14, 30), BISHKEK)


def test_a_bank_that_publishes_for_the_same_day_later_is_late_later() -> None:
    evening = replace(NBKR, due_by=time(15))

    assert evening.late_at(WED, BISHKEK) == datetime(2026, 9, 17, 18, tzinfo=BISHKEK)


def test_publications_are_missed_one_by_one_and_none_over_the_weekend() -> None:
    evenings = [datetime(2026, 9, day, 18, tzinfo=BISHKEK) for day in range(18, 25)]

    missed = [NBKR.missed(FRI, now=evening, zone=BISHKEK) for evening in evenings]

    assert missed == [0, 0, 0, 1, 2, 3, 4]
    assert NBKR.missed(date(2026, 9, 25), now=evenings[0], zone=BISHKEK) == 0


def test_not_more_than_a_year_of_missed_publications_is_counted() -> None:
    now = datetime(2036, 9, 18, 18, tzinfo=BISHKEK)

    assert 200 < NBKR.missed(FRI, now=now, zone=BISHKEK) < 300


def test_a_source_of_every_day_is_late_48_hours_after_the_end_of_its_day() -> None:
    calendar = SOURCES["fawazahmed0"].calendar

    assert calendar.late_at(WED, UTC) == datetime(2026, 9, 19, tzinfo=UTC)
    assert calendar.missed(WED, now=datetime(2026, 9, 18, 23, 59, tzinfo=UTC), zone=UTC) == 0
    assert calendar.missed(WED, now=datetime(2026, 9, 19, tzinfo=UTC), zone=UTC) == 1


@pytest.mark.parametrize("key", SOURCES)
def test_the_holidays_of_every_bank_s_country_are_known(key: str) -> None:
    calendar, new_year = SOURCES[key].calendar, date(2027, 1, 1)
    days = (new_year + timedelta(days=ahead) for ahead in range(365))

    closed = [each for each in days if each.weekday() in calendar.week and not calendar.works(each)]
    assert bool(closed) == bool(calendar.country)


NEW_YORK = replace(SOURCES["nbt"], key="fed", timezone="America/New_York", calendar=Calendar(country="US"))
"""A source whose clocks change, as none of our banks' do."""
AHEAD = {"nbkr": "day", "nbk": "day", "nbt": "day", "cbu": "working day", "fed": "working day"}
"""The day after its setting from which each one's rate holds; CBU's was the next working day until 2026."""
SET_AT = 16
"""The local hour at which a rate is set."""
HOURS = {0, 4, 5, 6, 9, 10, 11, 16, 18, 19, 20, 21, 22}
"""The hours (UTC) at which something happens at one of them, in winter or in summer, and a few others."""


def test_a_year_is_walked_by_the_clock_without_a_false_word() -> None:
    """It takes at most ten times the usual CPU time, without what measuring the coverage costs: 1.5 s."""
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        began = process_time()
        walk_a_year()
        took = process_time() - began
    finally:
        sys.settrace(tracer)

    assert took < 30


def walk_a_year() -> None:
    """
    2027-06 to 2028-06: New Year, Nauryz, a leap day, and two changes of the clocks in New York.

    Every bank sets a rate on every working day. At every hour that matters each quote is live, of the newest
    day that has begun at its bank, and changes of price come at that bank's midnight.
    """
    sources = {key: SOURCES[key] for key in AHEAD if key != "fed"} | {"fed": NEW_YORK}
    codes = ("KGS", "KZT", "TJS", "UZS", "CAD")
    pairs = {key: Pair("USD", code) for key, code in zip(AHEAD, codes, strict=True)}
    rules = [Rule(symbol=pairs[key].inverse, chain=(key,), authorities=frozenset({key})) for key in AHEAD]
    desk = Desk(rules, sources=sources)
    now, end = datetime(2027, 6, 1, tzinfo=UTC), datetime(2028, 6, 1, tzinfo=UTC)
    for key, source in sources.items():
        tell(desk, source, pairs[key], [day for day in dates(source, now) if day], now)
    while now < end:
        for key, source in sources.items():
            local = now.astimezone(ZoneInfo(source.timezone))
            if local.hour == SET_AT and source.calendar.works(local.date()):
                tell(desk, source, pairs[key], [holds_from(source, local.date())], now)
        changed = desk.tick(now=now)
        for key, source in sources.items() if changed or now.hour % 6 == 0 else ():
            quote, local = desk.quotes[pairs[key].inverse], now.astimezone(ZoneInfo(source.timezone))
            assert quote.as_of == max(day for day in dates(source, now) if day <= local.date()), (quote, now)
        assert {quote.status for quote in desk.quotes.values()} == {"live"}, now
        later = (now + timedelta(hours=ahead) for ahead in range(1, 24))
        now = next(hour for hour in later if hour.hour in HOURS)

    assert date(2028, 2, 29) in {fixing.day for fixing in desk.fixings("nbkr")}


def tell(desk: Desk, source: Source, pair: Pair, days: list[date], now: datetime) -> None:
    """Let a bank state its tables of some days."""
    rates = [Rate(source=source.key, pair=pair, value=figure(day), nominal=1, as_of=day) for day in days]
    desk.hear(tables_of(rates), source=source.key, asked=max(days), now=now)
    desk.waited(source.key, now=now)


def figure(day: date) -> Decimal:
    """A figure that tells its day: it moves a little every day, there and back."""
    return Decimal("87.4500") + Decimal(day.toordinal() % 7) / 100


def dates(source: Source, now: datetime) -> list[date]:
    """The days of the tables that a bank set in the last weeks, up to now."""
    local = now.astimezone(ZoneInfo(source.timezone))
    last = local.date() if local.hour >= SET_AT else local.date() - DAY
    days = (last - DAY * back for back in range(20))
    return [holds_from(source, day) for day in days if source.calendar.works(day)]


def holds_from(source: Source, day: date) -> date:
    """The day from which a rate holds that was set on this one."""
    return day + DAY if AHEAD[source.key] == "day" else source.calendar.working_day_after(day)


def test_days_in_order_are_told_as_spans_without_a_gap() -> None:
    assert spans([]) == []
    assert spans([WED, FRI, SAT, SUN, TUE]) == [Span(WED, WED), Span(FRI, SUN), Span(TUE, TUE)]
