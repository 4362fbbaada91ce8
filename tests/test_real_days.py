"""
Real publications of the banks, walked through poll decisions, parsers and core by every habit.

What is expected is worked out from the files alone, with fractions. As a script it walks every day of every
series by every habit, and prints what it found: `PYTHONPATH=. python tests/test_real_days.py [series ...]`.
"""

from __future__ import annotations

import sys
import time as clocks
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from functools import cache
from itertools import product
from typing import Literal, get_args
from zoneinfo import ZoneInfo

import pytest
from habits import ONE_DAY, Bank, Closed, Dated, Habit, Publication, Table, Told, publications, tables

from ticker.config import Settings
from ticker.fetch import check_currency, check_dates
from ticker.poll.plan import due_polls, first_day, next_day
from ticker.rates.desk import Desk
from ticker.rates.late import status_at
from ticker.rates.model import Pair, Quote, Rate
from ticker.rates.source import NoTable, Source
from ticker.rates.tables import Figure, tables_of
from ticker.rates.tables import Table as Heard
from ticker.rules import new_desk
from ticker.sources import SOURCES

# Coverage's tracer would make them thrice as long.
pytestmark = pytest.mark.no_cover
BANKS = {
    "nbkr_2021-2025": "nbkr",
    "nbkr_2026-01": "nbkr",
    "nbk_2015-2020": "nbk",
    "nbk_2024-2025": "nbk",
    "nbt_2011-2020": "nbt",
    "cbu_2024-2025": "cbu",
    "cbu_2026-09": "cbu",
}
CURRENCIES = {"nbkr": "KGS", "nbk": "KZT", "nbt": "TJS", "cbu": "UZS"}
BANDS = {"KGS": (60, 130), "KZT": (100, 900), "TJS": (3, 16), "UZS": (8000, 20000)}
"""Wider than the service's own, for the figures of ten years ago."""
MARKET = ("floatrates", "fawazahmed0")
"""Synthetic witnesses: they follow the bank within 0.2 %."""
POLLS = (time(0, 5), time(8, 30), time(10, 40), time(12, 40), time(15, 40), time(20))
"""Beside these a poll comes just before and just after each due time, and where a doubt may be released."""
BACK_FILL = timedelta(days=30)
LONGEST_CLOSURE = timedelta(days=45)
REPEAT = timedelta(minutes=10, seconds=1)
JUMP, BY_HAND = Fraction(5, 100), Fraction(15, 100)
DUE = time(14, 30)
"""Three hours after 11:30, at every bank."""
STALE_REPEATS = 5
TEN_DIGITS = Context(prec=10, rounding=ROUND_HALF_UP)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

Kind = Literal["price", "status", "percentage", "next", "history", "restart"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a reader should not have seen."""

    kind: Kind
    at: datetime
    words: str

    def __str__(self) -> str:
        return f"{self.at:%a %Y-%m-%d %H:%M:%S} {self.kind}: {self.words}"


class Truth:
    """What the bank said, and what follows from it at a moment."""

    def __init__(self, source: Source, told: Sequence[Table]) -> None:
        self.news = [table for table in told if not table.repeat]
        self.days = [table.day for table in self.news]
        self._told = told
        self._told_days = [table.day for table in told]
        self._zone = ZoneInfo(source.timezone)
        self._works = source.calendar.works

    def in_force(self, today: date, heard: datetime) -> int:
        """The number of the publication that holds on a day, of those that were out at a moment."""
        return _newest(self.news, self.days, today, heard)

    def figure(self, number: int) -> str:
        """Units of the bank's currency for one dollar, digit for digit."""
        return self.news[number].figures["USD"]

    def percent(self, number: int) -> Decimal:
        """How far the price of one unit in dollars moved, to two places, half away from zero."""
        return _percent(self.figure(number - 1), self.figure(number))

    def jump(self, number: int) -> Fraction:
        """How far a publication is from the one before, as a share of the lower."""
        return _jump(self.figure(number - 1), self.figure(number))

    def jumps(self) -> dict[date, int]:
        """The publications that the guard must doubt, by the date of their table."""
        return {self.days[at]: at for at in range(1, len(self.news)) if self.jump(at) > JUMP}

    def coming(self, today: date) -> Table | None:
        """The next publication after a day, told or not."""
        at = bisect_right(self.days, today)
        return self.news[at] if at < len(self.news) else None

    def may_be_late(self, today: date, now: datetime, heard: datetime) -> bool:
        """Whether the bank has not spoken in time, or has repeated itself on five working days."""
        newest = self._told[_newest(self._told, self._told_days, today + LONGEST_CLOSURE, heard)]
        spoke = self._told[_newest(self._told, self._told_days, today, heard)].day == today
        if not spoke and now >= datetime.combine(self._second_working_day(newest.day), DUE, self._zone):
            return True
        due = self._second_working_day(self.days[self.in_force(today, heard)])
        again = (due + ONE_DAY * ahead for ahead in range((today - due).days + 1))
        return sum(map(self._works, again)) >= STALE_REPEATS

    def _second_working_day(self, day: date) -> date:
        """The second working day after the last one before a table's date."""
        day, left = day - ONE_DAY, 2
        while not self._works(day):
            day -= ONE_DAY
        while left:
            day += ONE_DAY
            left -= self._works(day)
        return day


# Cached, as every habit tells the same figures.


@cache
def _percent(before: str, now: str) -> Decimal:
    move = (Fraction(before) / Fraction(now) - 1) * 10000
    whole = int(abs(move) + Fraction(1, 2))
    return Decimal(whole if move >= 0 else -whole).scaleb(-2) + Decimal("0.00")


@cache
def _jump(before: str, now: str) -> Fraction:
    both = Fraction(before), Fraction(now)
    return max(both) / min(both) - 1


@cache
def _publications(name: str) -> list[Publication]:
    return publications(name, SOURCES[BANKS[name]])


def _newest(told: Sequence[Table], days: Sequence[date], day: date, heard: datetime) -> int:
    """The number of the newest table up to a day that was out at a moment."""
    at = bisect_right(days, day) - 1
    while at > 0 and told[at].at > heard:
        at -= 1
    return at


def desk_of(source: Source) -> Desk:
    """A new desk for the symbol of a bank, with two aggregators as witnesses."""
    currency = CURRENCIES[source.key]
    settings = Settings.model_validate(
        {
            "symbols": [f"{currency}/USD"],
            "guard": {"bands": {currency: BANDS[currency]}},
            "history": {"days": 4000},
        }
    )
    return new_desk(settings, [source, *(SOURCES[key] for key in MARKET)])


class Walk:
    """One series by one habit: polls, back-fills and midnights, and what readers saw that was not so."""

    def __init__(self, name: str, habit: Habit, *, restart_every: int = 0) -> None:
        self.source = SOURCES[BANKS[name]]
        told = tables(_publications(name), habit, self.source)
        self.truth = Truth(self.source, told)
        self.bank = Bank(self.source, told, habit)
        self.zone = ZoneInfo(self.source.timezone)
        self.symbol = Pair(CURRENCIES[self.source.key], "USD")
        self.desk = desk_of(self.source)
        self.findings: list[Finding] = []
        self.days = self.polls = 0
        self._restart_every = restart_every
        self._jumps = self.truth.jumps()
        self._heard = LONG_AGO
        self._doubt: tuple[int, datetime] | None = None  # the number of a jump, and when it is heard again
        self._again: datetime | None = None
        self._newest: date | None = None
        self._asked: dict[date, datetime] = {}

    @property
    def span(self) -> tuple[date, date]:
        """The days that can be walked: there must be some before them for the back-fill."""
        days = self.truth.days
        return next(day for day in days if day >= days[0] + BACK_FILL / 2), days[-1] - ONE_DAY

    def run(self, first: date, last: date) -> list[Finding]:
        """Walk from the morning of one day to the evening of another; return what was wrong."""
        self._begin(datetime.combine(first, POLLS[1], self.zone))
        for ahead in range((last - first).days + 1):
            day = first + ONE_DAY * ahead
            if ahead:
                self._midnight(datetime.combine(day, time(0), self.zone))
            for at in POLLS if ahead else POLLS[2:]:
                self._until(datetime.combine(day, at, self.zone))
            self.days += 1
        self._check_history(datetime.combine(last, POLLS[-1], self.zone))
        return self.findings

    def _begin(self, now: datetime) -> None:
        """The first poll of a new service, its back-fill, and the end of the wait."""
        self._hear_market(now)
        self._ask(now)
        self._fill(now)
        for key in (self.source.key, *MARKET):
            self.desk.waited(key, now=now)
        self._poll(now + REPEAT)

    def _until(self, moment: datetime) -> None:
        """Poll at a moment, and before it where a quote falls due or an answer must be heard again."""
        now = self._heard
        while True:
            due = due_polls(self.desk.dues(self.source.key), now=now)
            decided = self._doubt[1] if self._doubt else None
            extra = min((at for at in (due, self._again, decided) if at and at > now), default=moment)
            if extra >= moment:
                break
            self._poll(extra.astimezone(self.zone))
            now = extra
        self._poll(moment)

    def _midnight(self, now: datetime) -> None:
        self.desk.tick(now=now)
        self._check(now)

    def _poll(self, now: datetime) -> None:
        if self.polls:
            self._check(now - timedelta(seconds=1))
        self._hear_market(now)
        self._ask(now)
        self._again = now + REPEAT if self.desk.repeat_wanted(self.source.key) else None
        self._fill(now)
        self._check(now)
        self.polls += 1
        if self._restart_every and self.polls % self._restart_every == 0:
            self._restart(now)

    def _hear_market(self, now: datetime) -> None:
        """The aggregators follow the bank's newest publication."""
        latest = self.truth.in_force(now.date() + LONGEST_CLOSURE, now)
        day = now.astimezone(UTC).date()
        for key, step in zip(MARKET, (7, 11), strict=True):
            noise = Decimal(day.toordinal() * step % 41 - 20) / 10000
            value = (Decimal(self.truth.figure(latest)) * (1 + noise)).quantize(Decimal("0.0001"))
            heard = Heard(source=key, day=day, figures={self.symbol.inverse: Figure(value, 1)})
            self.desk.hear([heard], source=key, asked=day, now=now, monotonic=now.timestamp())

    # One poll, as the poller decides it.

    def _ask(self, now: datetime) -> None:
        """Ask for every day; in every second week the answers are heard in the other order."""
        local, source = now.astimezone(self.zone), self.source
        announced = self.desk.announced(source.key, now=now)
        day: date | None = first_day(source, local=local, announced=announced)
        answers: list[tuple[date, Sequence[Rate]]] = []
        while day is not None:
            rates = self._answer(day, now)
            answers.append((day, rates))
            day = next_day(day, max((rate.day for rate in rates), default=None), today=local.date())
        for day, rates in reversed(answers) if local.isocalendar().week % 2 else answers:
            self._hear(day, rates, now)
            self._check_between(now)
        self._heard = now
        self._decide(now)

    def _answer(self, day: date, now: datetime) -> Sequence[Rate]:
        """What is read of the answer about a day; nothing if there is no table."""
        body = self.bank.answer(day, now)
        if body is None:
            return ()
        try:
            rates = self.source.parse(body)
        except NoTable:
            return ()
        check_dates(self.source, rates, asked=day, today=now.astimezone(self.zone).date())
        check_currency(self.source, rates)
        return rates

    def _hear(self, day: date, rates: Sequence[Rate], now: datetime) -> None:
        """Hear an answer; no table for today is a failure of a bank that should have one."""
        key, today = self.source.key, now.astimezone(self.zone).date()
        if rates:
            if number := self._jumps.pop(max(rate.day for rate in rates), 0):
                self._doubt = number, now + REPEAT
            self.desk.hear(tables_of(rates), source=key, asked=day, now=now, monotonic=now.timestamp())
        elif day == today and self.source.calendar.works(day):
            self.desk.miss(key, now=now)
        else:
            self.desk.hear_empty(key, day, day, now=now)
            self.desk.tick(now=now)

    def _decide(self, now: datetime) -> None:
        """An operator accepts the jump that only an operator can accept."""
        if self._doubt and now >= self._doubt[1]:
            if self.truth.jump(self._doubt[0]) > BY_HAND:
                self.desk.confirm(self.symbol, now=now)
            self._doubt = None

    # The archive.

    def _fill(self, now: datetime) -> None:
        """Ask for the days that are not known, once a day and after every newer table."""
        key = self.source.key
        newest = self.desk.book.heard.newest_day(key)
        if newest != self._newest:
            self._newest, self._asked = newest, {}
        gaps = self.desk.gaps(key, since=now.date() - BACK_FILL, now=now)
        gaps = [day for day in gaps if now - self._asked.get(day, LONG_AGO) >= ONE_DAY]
        if not gaps:
            return
        self._asked |= dict.fromkeys(gaps, now)
        if self.source.history:
            self._fill_range(gaps, now)
        else:
            for day in gaps:
                self._fill_day(day, now)
        self.desk.tick(now=now)

    def _fill_day(self, day: date, now: datetime) -> None:
        rates = self._answer(day, now)
        newest = max((rate.day for rate in rates), default=day - ONE_DAY)
        if newest < day:
            self.desk.hear_empty(self.source.key, newest + ONE_DAY, day, now=now)
        self.desk.learn(tables_of(rates), now=now)

    def _fill_range(self, gaps: Sequence[date], now: datetime) -> None:
        """Ask from some days before up to the newest one told; a day with rows on both sides has none."""
        history, known = self.source.history, self._newest or gaps[0]
        assert history
        first, last = gaps[-1] - LONGEST_CLOSURE, max(gaps[0], known)
        names = [name for name in history.names if name in self.truth.news[0].figures]
        pages = {name: self.bank.archive(name, first, last, now) for name in names}
        rates = [rate for name, page in pages.items() if page for rate in history.parse(page, name)]
        told = {rate.day for rate in rates}
        for day in gaps:
            if told and min(told) < day < max(told) and day not in told:
                self.desk.hear_empty(self.source.key, day, day, now=now)
        self.desk.learn((table for table in tables_of(rates) if table.day in gaps), now=now)

    # What readers saw.

    def _check(self, now: datetime) -> None:
        """Compare the quote with what the bank had said at the last poll."""
        self.findings += self._faults(now, self._heard)

    def _check_between(self, now: datetime) -> None:
        """While a poll is under way, a quote may be that of before or that of after, yet without a change."""
        if self.polls and not self._doubt and self._faults(now, self._heard):
            wrong, quote = self._faults(now, now), self.desk.quotes.get(self.symbol)
            unknown = quote is not None and quote.change_percent is None
            self.findings += [each for each in wrong if not (unknown and each.kind == "percentage")]

    def _faults(self, now: datetime, heard: datetime) -> list[Finding]:
        quote, today = self.desk.quotes.get(self.symbol), now.astimezone(self.zone).date()
        if quote is None:
            return [Finding("status", now, "no quote")]
        number, status = self.truth.in_force(today, heard), status_at(quote, now)
        if self._doubt and self._doubt[0] == number and status == "unconfirmed":
            return list(self._wrong_figures(quote, number - 1, now))
        if status != "live" and self.truth.may_be_late(today, now, heard):
            return list(self._wrong_figures(quote, number, now)) if status == "stale" else []
        wrong = [*self._wrong_figures(quote, number, now), *self._wrong_next(quote, today, now, heard)]
        if status != "live":
            wrong.append(Finding("status", now, f"{status}: {quote.source} of {quote.as_of}"))
        if status == "live" and quote.due_at is None:
            wrong.append(Finding("status", now, "live for ever"))
        return wrong

    def _wrong_figures(self, quote: Quote, number: int, now: datetime) -> Iterator[Finding]:
        figure, day = self.truth.figure(number), self.truth.days[number]
        if (str(quote.value), str(quote.inverse), quote.as_of, quote.corrected) != (
            figure,
            figure,
            day,
            False,
        ):
            yield Finding("price", now, f"{quote.inverse} of {quote.as_of} instead of {figure} of {day}")
        if quote.price != TEN_DIGITS.divide(Decimal(1), Decimal(figure)):
            yield Finding("price", now, f"{quote.price} for one, but {figure} for a dollar")
        if quote.change_percent != self.truth.percent(number):
            words = f"{quote.change_percent} instead of {self.truth.percent(number)}"
            yield Finding("percentage", now, words)

    def _wrong_next(self, quote: Quote, today: date, now: datetime, heard: datetime) -> Iterator[Finding]:
        coming = self.truth.coming(today)
        if quote.next is None:
            return
        seen = str(quote.next.inverse), quote.next.as_of
        if coming is None or coming.at > heard or seen != (coming.figures["USD"], coming.day):
            yield Finding("next", now, f"{seen[0]} of {seen[1]} is announced")

    def _check_history(self, now: datetime) -> None:
        """Compare the publications that are kept with the file's, from the second on."""
        kept = {each.day: str(each.legs[0].value) for each in self.desk.fixings(self.source.key)}
        told = {each.day: each.figures["USD"] for each in self.truth.news if each.at <= self._heard}
        first = min(kept, default=date.min)
        for day in sorted(kept.keys() | told.keys()):
            if day > first and kept.get(day) != told.get(day):
                words = f"{kept.get(day)} instead of {told.get(day)} on {day}"
                self.findings.append(Finding("history", now, words))

    def _restart(self, now: datetime) -> None:
        """A desk that takes up the ledger says the same as this one."""
        other = desk_of(self.source)
        other.load(self.desk.entries)
        other.tick(now=now)
        if _said(other) != _said(self.desk):
            self.findings.append(Finding("restart", now, f"{_said(other)} instead of {_said(self.desk)}"))


def _said(desk: Desk) -> tuple[list[Quote], list[str]]:
    """The quotes, but for the moment at which they were said, and the history."""
    quotes = [replace(each, published_at=LONG_AGO) for each in desk.quotes.values()]
    return quotes, sorted(map(str, desk.fixings()))


HABITS = [
    Habit(dated=dated, told=told, closed=closed)
    for dated, told, closed in product(get_args(Dated), get_args(Told), get_args(Closed))
]
CHANGES = [
    Habit(dated="next working day", told=told, closed=closed, changes_on=date(2025, 3, 3) + ONE_DAY * ahead)
    for told, closed, ahead in product(get_args(Told), get_args(Closed), range(7))
]
"""A bank that goes over from one habit to the other, on each day of a week."""
STRETCHES = [
    ("nbkr_2021-2025", date(2022, 2, 22), date(2022, 3, 31)),  # +11.75 % and back, Nauryz, working Saturdays
    ("nbkr_2021-2025", date(2024, 12, 24), date(2025, 1, 14)),
    ("nbkr_2021-2025", date(2025, 4, 28), date(2025, 5, 16)),  # closed for eleven days
    ("nbkr_2026-01", date(2025, 12, 26), date(2026, 1, 18)),  # closed, and no calendar knows it
    ("nbk_2015-2020", date(2015, 8, 17), date(2015, 9, 1)),  # +35 %
    ("nbk_2015-2020", date(2019, 3, 18), date(2019, 4, 1)),
    ("nbk_2024-2025", date(2024, 4, 29), date(2024, 5, 14)),  # a working Saturday
    ("nbt_2011-2020", date(2019, 3, 18), date(2019, 4, 1)),
    ("nbt_2011-2020", date(2020, 10, 30), date(2020, 11, 14)),  # +9.29 %
    ("cbu_2024-2025", date(2024, 12, 27), date(2025, 1, 12)),
    ("cbu_2024-2025", date(2025, 3, 17), date(2025, 4, 8)),
    ("cbu_2026-09", date(2026, 9, 10), date(2026, 10, 4)),  # the change of habit as it was
]


def ordinary(habit: Habit, turn: int) -> bool:
    """
    Whether a habit is walked in the ordinary run, too: nine of 27, another nine at each turn.

    In each nine every two ways of dating, telling and closing come together; three turns have all 27.
    """
    places = zip((Dated, Told, Closed), (habit.dated, habit.told, habit.closed), strict=True)
    return (sum(get_args(kind).index(way) for kind, way in places) + turn) % 3 == 0


def walked(*values: object, ordinary: bool) -> object:
    return pytest.param(*values, marks=() if ordinary else pytest.mark.slow, id="-".join(map(str, values)))


@pytest.mark.parametrize(
    ("name", "first", "last", "habit"),
    [
        walked(*stretch, habit, ordinary=ordinary(habit, turn))
        for (turn, stretch), habit in product(enumerate(STRETCHES), HABITS)
    ],
)
def test_readers_see_what_the_bank_said_by_every_habit(
    name: str, first: date, last: date, habit: Habit
) -> None:
    walk = Walk(name, habit, restart_every=50)

    assert not walk.run(first, last)


@pytest.mark.parametrize(
    "habit", [walked(habit, ordinary=ordinary(habit, turn % 7)) for turn, habit in enumerate(CHANGES)]
)
def test_readers_see_what_the_bank_said_when_it_changes_its_habit(habit: Habit) -> None:
    walk = Walk("cbu_2024-2025", habit, restart_every=50)

    assert not walk.run(date(2025, 2, 27), date(2025, 3, 12))


def test_a_walk_finds_a_figure_that_the_bank_did_not_say() -> None:
    walk = Walk("nbk_2024-2025", HABITS[0])
    wrong = walk.truth.in_force(date(2024, 6, 12), datetime.max.replace(tzinfo=UTC))
    walk.truth.news[wrong] = replace(walk.truth.news[wrong], figures={"USD": "449.99"})

    kinds = {each.kind for each in walk.run(date(2024, 6, 6), date(2024, 6, 14))}

    assert kinds == {"price", "percentage", "next", "history"}


def test_a_walk_finds_that_a_table_was_never_heard() -> None:
    walk = Walk("nbk_2024-2025", HABITS[0])
    silent = replace(walk.bank.told[-1], day=date(2024, 6, 12))
    walk.bank = Bank(walk.source, [table for table in walk.bank.told if table.day < silent.day], HABITS[0])

    kinds = {each.kind for each in walk.run(date(2024, 6, 6), date(2024, 6, 16))}

    assert kinds == {"price", "percentage", "status", "history"}


def main(names: Sequence[str]) -> None:
    """Walk every day of the series by every habit, and print what was found."""
    total: Counter[str] = Counter()
    days = walks = 0
    for name in names or BANKS:
        for habit in HABITS + (CHANGES if name == "cbu_2024-2025" else []):
            walk, started = Walk(name, habit), clocks.process_time()
            walk.run(*walk.span)
            kinds: Counter[str] = Counter(each.kind for each in walk.findings)
            total, days, walks = total + kinds, days + walk.days, walks + 1
            seconds = clocks.process_time() - started
            print(f"{name}: {habit}: {walk.days} days, {walk.polls} polls, {seconds:.0f} s: {dict(kinds)}")
            print(*(f"    {each}\n" for each in walk.findings[:3]), sep="", end="", flush=True)
    print(f"{walks} walks, {days} bank-days: {dict(total) or 'nothing found'}")


if __name__ == "__main__":
    main(sys.argv[1:])
