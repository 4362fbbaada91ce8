"""
The recorded days replayed as banks and aggregators, through the real parsers, checks and desk, with faults.

A day at the banks is a value: the true figures are the recording's and what `Move`s make of them, each
bank publishes them in its own format at its own hour, and a `Fault` changes bytes under way. Whatever
happens, after every step every quote is compared with what its source truly said (`Replay.check`),
worked out here in fractions, without the parsers and the desk. No sockets, no clock but the replay's.
"""

from __future__ import annotations

import heapq
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ticker.config import Settings
from ticker.demo import aggregators, formats
from ticker.demo.habits import HABITS, Table
from ticker.demo.replay import as_recorded, held, recording
from ticker.fetch import Refused, check_currency, check_dates
from ticker.poll.plan import due_polls, first_day, next_day
from ticker.rates.desk import Desk
from ticker.rates.model import Announcement, Fixing, Pair, Quote, Rate
from ticker.rates.source import MalformedFeed, NoTable
from ticker.rates.tables import Table as Told
from ticker.rates.tables import tables_of
from ticker.rules import enabled_sources, new_desk
from ticker.sources import SOURCES

KGS, KZT, TJS, UZS, TMT = (Pair(code, "USD") for code in ("KGS", "KZT", "TJS", "UZS", "TMT"))
# Coverage's tracer would make them thrice as long.
pytestmark = pytest.mark.no_cover
HOME = {"nbkr": "KGS", "nbk": "KZT", "nbt": "TJS", "cbu": "UZS", "cbr": "RUB"}
PLACES = {"nbkr": 4, "nbk": 2, "nbt": 4, "cbu": 2, "cbr": 4}
NOMINALS = {
    "nbk": {"UZS": 100},
    "nbt": {"UZS": 100, "KGS": 10, "KZT": 10},
    "cbr": {"KZT": 100, "KGS": 100, "TJS": 10, "UZS": 10000},
}
MARKET = ("fawazahmed0", "frankfurter", "floatrates")
CONDITIONAL = ("nbkr", "fawazahmed0")
"""Who answers a conditional request with 304."""
ZONES = {key: ZoneInfo(source.timezone) for key, source in SOURCES.items()}
AUTHORITY = {"KGS": "nbkr", "KZT": "nbk", "TJS": "nbt", "UZS": "cbu", "TMT": "cbt"}
FORESEEN = (TimeoutError, OSError, MalformedFeed, Refused)
DAY = timedelta(days=1)
MARGIN = timedelta(days=45)
"""How much further back an archive is asked for than the oldest unknown day."""
ORDER = list(SOURCES)


# What is true, and what is not.


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What is beside the recording: from a table on a source gives `factor` times the units per dollar."""

    source: str
    code: str
    factor: Decimal
    since: date
    until: date = date.max
    out_at: datetime | None = None
    """A correction: the moment before which the source said otherwise."""
    false: bool = False
    """A bad print instead: the source and its archive say so, but nobody may believe it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a fault may know of a request."""

    asked: date
    now: datetime
    table: Callable[[date], bytes]
    """The source's true table of another day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """From when to when a source's answers are changed, and how: bytes in, bytes or an exception out."""

    source: str
    since: datetime
    until: datetime
    does: Callable[[bytes, Ask], bytes]
    archive: bool = False
    """Whether its archive does not answer either."""


def fails(error: Exception) -> Callable[[bytes, Ask], bytes]:
    def does(body: bytes, ask: Ask) -> bytes:
        raise error

    return does


def says(page: bytes) -> Callable[[bytes, Ask], bytes]:
    return lambda body, ask: page


HTML = b"<!DOCTYPE html><html><head><title>Attention</title></head><body>Request Rejected</body></html>"

ROWS = {
    "nbkr": r'ISOCode="{code}">\s*<Nominal>(?P<nominal>\d+)</Nominal>\s*<Value>(?P<value>[\d,]+)<',
    "nbk": r"<title>{code}</title>\s*<description>(?P<value>[\d.]+)</description>\s*<quant>(?P<nominal>\d+)<",
    "nbt": r"<CharCode>{code}</CharCode>\s*<Nominal>(?P<nominal>\d+)<[^V]*<Value>(?P<value>[\d.]+)<",
    "cbu": r'"Ccy":"{code}"[^}}]*"Nominal":"(?P<nominal>\d+)","Rate":"(?P<value>[\d.]+)"',
    "cbr": r"<CharCode>{code}</CharCode><Nominal>(?P<nominal>\d+)<.*?<Value>(?P<value>[\d,]+)</Value>"
    r"(?P<unit><VunitRate>[\d,]+</VunitRate>)",
    "fawazahmed0": r'"{lower}":(?P<value>[\d.]+)',
    "floatrates": r'"alphaCode":"{code}","rate":(?P<value>[\d.]+)',
    "frankfurter": r'"quote":"{code}","rate":(?P<value>[\d.]+)',
}


def row(source: str, code: str, **change: Callable[[str], str]) -> Callable[[bytes, Ask], bytes]:
    """One row of a table with another `value`, `nominal` or `unit`, in the source's own notation."""

    def does(body: bytes, ask: Ask) -> bytes:
        text = body.decode("latin-1")
        pattern = ROWS[source].format(code=code, lower=code.lower())
        match = re.search(pattern, text)
        if match is None:
            assert source == "nbk", (source, code, text[:200])  # a day that is not out has no row
            return body
        for name in sorted(change, key=match.start, reverse=True):
            begin, end = match.span(name)
            text = text[:begin] + change[name](match[name]) + text[end:]
        return text.encode("latin-1")

    return does


def times(factor: str) -> Callable[[str], str]:
    """Another figure with the places of the first."""

    def change(text: str) -> str:
        figure, comma = Decimal(text.replace(",", ".")), "," in text
        new = (figure * Decimal(factor)).quantize(figure, ROUND_HALF_UP)
        return str(new).replace(".", ",") if comma else str(new)

    return change


def inverted(text: str) -> str:
    new = f"{1 / Decimal(text.replace(',', '.')):.8f}"
    return new.replace(".", ",") if "," in text else new


def dated(source: str, body: bytes, day: date) -> bytes:
    """A table under another date."""
    layout = "%Y-%m-%d" if source in ("nbt", "fawazahmed0") else "%d.%m.%Y"
    shape = rb"\d{4}-\d\d-\d\d" if "-" in layout else rb"\d\d\.\d\d\.\d{4}"
    return re.sub(shape, f"{day:{layout}}".encode(), body)


def at(text: str) -> datetime:
    """`09-05 12:00`, UTC, in the year of the recording."""
    return datetime.strptime(f"2026-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


def on(text: str) -> date:
    return date.fromisoformat(f"2026-{text}")


# The replay.


@cache
def effective(key: str, day: date) -> date:
    """The last day up to `day` on which a bank's new figures took effect."""
    return HABITS[key].effective(day)


def stamp_of(key: str, day: date) -> date:
    """The date in the table of a bank that holds on `day`."""
    return day if HABITS[key].repeats else effective(key, day)


@cache
def out_at(key: str, stamp: date) -> datetime:
    """The moment at which a bank's table with this date comes out."""
    return HABITS[key].published_at(stamp)


@cache
def parsed(source: str, body: bytes) -> tuple[Rate, ...]:
    return SOURCES[source].parse(body)


@dataclass(slots=True)
class Replay:
    """
    Banks, aggregators and a desk from `start` to `end`, step by step.

    One long class: the poller, the banks and the truth all hang on its clock, its faults and its moves.
    """

    start: datetime
    end: datetime
    moves: tuple[Move, ...] = ()
    faults: tuple[Fault, ...] = ()
    settings: Settings = field(default_factory=Settings)
    strict: bool = True
    """Whether `previous` must be the publication right before; else any earlier one of the source."""
    every: int = 2
    """Hours between two polls of a source beside its publishing hours."""
    at_moments: Mapping[datetime, Callable[[Replay], object]] = field(default_factory=dict)
    """What an operator does, and when."""
    backfill_days: int = 12
    now: datetime = field(init=False)
    film: list[tuple[datetime, Quote]] = field(default_factory=list)
    stills: dict[datetime, dict[Pair, Quote]] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    market_words: dict[tuple[str, Pair, date], set[str]] = field(default_factory=lambda: defaultdict(set))
    checked: dict[Pair, Quote] = field(default_factory=dict)
    steps: int = 0
    sources: Any = ()
    desk: Desk = field(init=False)
    known: dict[str, tuple[bytes, date]] = field(default_factory=dict)
    """The last answer of who answers conditional requests, and the day that it was about."""
    asked: dict[tuple[str, date], tuple[datetime, date | None]] = field(default_factory=dict)
    """When an archive was asked for a day, and which day was the newest told then."""
    repeated: Mapping[str, frozenset[date]] = field(default_factory=dict)
    """The days for which a source only repeated an earlier table, by a fault: no publications to us."""
    agenda: list[tuple[datetime, int, str]] = field(default_factory=list)
    """What is polled when, by moment and by the order of the sources; no source: only a tick."""

    def run(self) -> Replay:
        # Only these have stand-ins.
        self.sources = [each for each in enabled_sources(self.settings) if each.key in (*HOME, *MARKET)]
        self.desk = new_desk(self.settings, self.sources)
        self.now = self.start
        for source in self.sources:
            self.poll(source.key)
        self.end_waits()
        self.plan()
        while self.agenda:
            self.step()
        return self

    def step(self) -> None:
        """Everything that happens at the next moment."""
        self.now = moment = self.agenda[0][0]
        keys = []
        while self.agenda and self.agenda[0][0] == moment:
            keys.append(heapq.heappop(self.agenda)[2])
        self.note(self.desk.tick(now=moment))
        if act := self.at_moments.get(moment):
            done = act(self)
            self.note(done[0] if isinstance(done, tuple) else [])
        for key in filter(None, dict.fromkeys(keys)):
            self.poll(key)
        self.end_waits()
        self.check()
        self.stills[moment] = dict(self.desk.quotes)
        self.steps += 1
        if self.steps % 50 == 0:
            self.check_fold()
            self.check_history()

    def plan(self) -> None:
        """When what is polled: hourly or so, after publications, after midnight; and ticks at midnights."""
        everybody = [source.key for source in self.sources]
        moment = self.start.replace(minute=5)
        while moment < self.end:
            for key in everybody:
                self.call(key, moment)
            moment += timedelta(hours=self.every)
        for number in range((self.end - self.start).days + 2):
            for key in (each for each in everybody if each in HOME):
                self.plan_day(key, self.start.date() + DAY * number)
        for moment in self.at_moments:
            self.call("", moment)

    def plan_day(self, key: str, day: date) -> None:
        out = datetime.combine(day, HABITS[key].at, UTC)
        midnight = datetime.combine(day, time(0), ZONES[key]).astimezone(UTC)
        self.call(key, out + timedelta(minutes=2))
        self.call(key, out + timedelta(minutes=17))
        self.call("", midnight - timedelta(seconds=1))
        self.call("", midnight)
        self.call(key, midnight + timedelta(minutes=2))

    def call(self, key: str, moment: datetime) -> None:
        """Have a source polled at a moment; without a source, only judge the quotes anew."""
        if self.now < moment < self.end:
            heapq.heappush(self.agenda, (moment.astimezone(UTC), ORDER.index(key) if key else -1, key))

    def restart(self) -> None:
        """Another process goes on with what the first one stored."""
        entries, quotes = self.desk.entries, self.desk.quotes.values()
        self.desk = new_desk(self.settings, self.sources)
        self.desk.load(entries, quotes)
        self.known.clear()
        self.asked.clear()
        assert self.desk.tick(now=self.now) == []  # nothing is published twice

    @property
    def monotonic(self) -> float:
        return (self.now - self.start).total_seconds()

    # What the poll job does (`ticker.poll.feed`).

    def poll(self, key: str) -> None:
        answered = self.walk(key)
        if answered and self.backfill_days and self.desk.serves(key) and key in HOME:
            self.fill(key)
        if self.desk.repeat_wanted(key):
            self.call(key, self.now + timedelta(minutes=self.settings.guard.repeat_minutes, seconds=1))
        dues = self.desk.dues(key)
        for due in dues:
            self.call("", due)
        if moment := due_polls(dues, now=self.now):
            self.call(key, moment)

    def walk(self, key: str) -> bool:
        """Ask for every day from the latest that may be out down to today's; tell whether that went well."""
        source, local = SOURCES[key], self.now.astimezone(ZONES[key])
        announced = self.desk.announced(key, now=self.now)
        day: date | None = first_day(source, local=local, announced=announced)
        failures = len(self.refused[key])
        while day is not None:
            answered = self.ask_day(key, day, today=local.date())
            day = next_day(day, answered, today=local.date())
        return len(self.refused[key]) == failures

    def ask_day(self, key: str, day: date, *, today: date) -> date | None:
        """Ask for one day; give the date in the answer, None if there is no table."""
        source = SOURCES[key]
        try:
            tables = self.ask(key, day, today=today)
        except FORESEEN as error:
            if isinstance(error, NoTable) and not (day == today and source.calendar.works(day)):
                self.desk.hear_empty(key, day, day, now=self.now)
                self.note(self.desk.tick(now=self.now))
            elif day == today:
                self.refused[key].append(str(error) or type(error).__name__)
                self.note(self.desk.miss(key, now=self.now))
            return None
        said = self.desk.hear(tables, source=key, asked=day, now=self.now, monotonic=self.monotonic)
        self.note(said)
        return max(table.day for table in tables)

    def ask(self, key: str, day: date, *, today: date) -> list[Told]:
        """The tables in an answer, checked; the known ones if there is nothing new."""
        source, body = SOURCES[key], self.answer(key, day)
        rates = parsed(key, body)
        if key in CONDITIONAL and (body, day) == self.known.get(key) and not self.desk.unconfirmed(key):
            return tables_of(rates)
        check_dates(source, rates, asked=day, today=today)
        check_currency(source, rates)
        self.known[key] = body, day
        return tables_of(rates)

    def end_waits(self) -> None:
        """Everybody was asked, and the archives too."""
        for key in sorted(self.desk.waiting()):
            self.note(self.desk.waited(key, now=self.now))

    def fill(self, key: str) -> None:
        """The history of a bank, as the back-fill asks for it."""
        source = SOURCES[key]
        today = self.now.astimezone(ZONES[key]).date()
        since = max(today - DAY * self.backfill_days, min(recording()))
        days = self.desk.gaps(key, since=since, now=self.now)
        newest = self.desk.book.newest_day(key)
        days = [day for day in days if not self.was_just_asked(key, day, newest)]
        if not days:
            return
        try:
            tables = self.range(key, days) if source.history else self.day_by_day(key, days, today=today)
            if words := self.desk.contradiction(tables):
                raise MalformedFeed(words)
        except FORESEEN as error:
            self.refused[key].append(str(error) or type(error).__name__)
            return
        self.asked.update(((key, day), (self.now, newest)) for day in days)
        self.note(self.desk.learn([table for table in tables if table.day in days], now=self.now))

    def was_just_asked(self, key: str, day: date, newest: date | None) -> bool:
        """Whether an archive was asked for a day within 24 hours, and its bank told no new day since."""
        moment, then = self.asked.get((key, day), (self.start - DAY, None))
        return self.now - moment < DAY and then == newest

    def range(self, key: str, days: list[date]) -> list[Told]:
        """The days from the oldest to the newest, of three currencies; a day between two rows has none."""
        source = SOURCES[key]
        assert source.history
        newest = self.desk.book.newest_day(key)
        last = max(days[0], newest) if newest else days[0]  # the newest known day shows whose page it is
        own = sorted(self.desk.currencies(key) & source.history.names.keys())
        names = own + [code for code in source.history.names if code not in own][: max(0, 3 - len(own))]
        first = days[-1] - MARGIN
        rates = [
            rate
            for code in names
            for rate in source.history.parse(self.history(key, code, first, last), code)
        ]
        told = {rate.day for rate in rates}
        for day in days:
            if told and min(told) < day < max(told) and day not in told:
                self.desk.hear_empty(key, day, day, now=self.now)
        return tables_of(rates)

    def day_by_day(self, key: str, days: list[date], *, today: date) -> list[Told]:
        told: list[Told] = []
        for day in days:
            try:
                tables = self.ask(key, day, today=today)
            except NoTable:
                self.desk.hear_empty(key, day, day, now=self.now)
                continue
            except MalformedFeed as error:  # three in a row break a real pass off
                self.refused[key].append(str(error))
                continue
            newest = max(table.day for table in tables)
            if newest < day:
                self.desk.hear_empty(key, newest + DAY, day, now=self.now)
            told += tables
        return told

    # What the sources say.

    def active(self) -> list[Fault]:
        return [fault for fault in self.faults if fault.since <= self.now < fault.until]

    def answer(self, key: str, asked: date) -> bytes:
        body = self.truth(key, asked) if key in HOME else self.market(key)
        for fault in self.active():
            if fault.source == key:
                ask = Ask(asked=asked, now=self.now, table=lambda day: self.body(key, day))
                body = fault.does(body, ask)
        return body

    def truth(self, key: str, asked: date) -> bytes:
        """A bank's answer to a request for a day (NBKR and CBR: for the newest table)."""
        newest = self.newest_out(key)
        if key in ("nbkr", "cbr"):
            return self.body(key, newest)
        stamp = stamp_of(key, asked)
        if key == "nbk" and stamp > newest:
            return formats.nbk_none(asked)
        return self.body(key, min(stamp, newest))

    def newest_out(self, key: str) -> date:
        stamp = stamp_of(key, self.now.date() + DAY * 7)
        while out_at(key, stamp) > self.now:
            stamp = stamp_of(key, stamp - DAY)
        return stamp

    def body(self, key: str, stamp: date) -> bytes:
        return {
            "nbkr": formats.nbkr,
            "nbk": formats.nbk,
            "nbt": formats.nbt,
            "cbu": formats.cbu,
            "cbr": formats.cbr,
        }[key](self.table(key, stamp))

    def table(self, key: str, stamp: date) -> Table:
        before = effective(key, effective(key, stamp) - DAY)
        return Table(stamp=stamp, figures=self.figures(key, stamp), previous=self.figures(key, before))

    def history(self, key: str, code: str, first: date, last: date) -> bytes:
        if any(fault.archive and fault.source == key for fault in self.active()):
            raise TimeoutError
        days = {first + DAY * n for n in range((last - first).days + 1)}
        # NBKR's page and CBR's have the publications only; NBT's has every calendar day.
        stamps = sorted(day for day in days if key == "nbt" or effective(key, day) == day)
        oldest, newest = effective(key, min(recording())), self.newest_out(key)
        tables = [self.table(key, each) for each in stamps if oldest <= each <= newest]
        if key == "nbkr":
            return formats.nbkr_history(tables, code)
        if key == "nbt":
            return formats.nbt_history(tables, code, first, last)
        return formats.cbr_history(tables, SOURCES["cbr"].history.names[code], first, last)  # type: ignore[union-attr]

    def figures(
        self, key: str, stamp: date, *, now: datetime | None = None, true: bool = False
    ) -> dict[str, Decimal]:
        """What a source says of a day: the recording, and what is beside it; `true`: without bad prints."""
        day = effective(key, stamp)
        figures = dict(recording()[held(day)])
        if key == "cbr":  # its crosses follow the others' fixings of the day before
            lagging = recording()[held(day - DAY)]
            figures |= {code: lagging[code] for code in ("KGS", "KZT", "TJS", "UZS")}
        for move in self.moves:
            if move.source != key or (true and move.false):
                continue
            if move.since <= day <= move.until and (move.out_at is None or move.out_at <= (now or self.now)):
                figures[move.code] *= move.factor
        return figures

    def market(self, key: str) -> bytes:
        """An aggregator's answer; what it says of our symbols is written down."""
        if key == "frankfurter":
            body, stamp = self.frankfurter(), None
        elif key == "fawazahmed0":
            stamp = aggregators.fawazahmed0_newest(self.now)
            body = aggregators.fawazahmed0(stamp)
        else:
            moment = aggregators.floatrates_newest(self.now)
            stamp, body = moment.date(), aggregators.floatrates(moment)
        for move in self.moves:
            if move.source == key and stamp and move.since <= stamp <= move.until:
                text = f"{move.factor:f}"
                body = row(key, move.code, value=times(text))(body, None)  # type: ignore[arg-type]
        self.write_down(key, body)
        return body

    def frankfurter(self) -> bytes:
        """It follows the banks."""
        rows = []
        for code, bank in aggregators.FOLLOWED.items():
            stamp = effective(bank, min(self.newest_out(bank), self.now.date() + DAY))
            rows.append(aggregators.Row(stamp, code, self.figures(bank, stamp)[code]))
        rows.append(aggregators.Row(max(each.day for each in rows), "TMT", Decimal("3.5")))
        return aggregators.frankfurter(rows, [each.quote for each in rows])

    def write_down(self, key: str, body: bytes) -> None:
        for code, day, text in _market_rows(key, body):
            if code in AUTHORITY:
                self.market_words[key, Pair(code, "USD"), date.fromisoformat(day)].add(text)

    # What must be true after every step.

    def words(self, source: str, symbol: Pair, day: date) -> dict[Fraction, str]:
        """Every price that a source ever truly said of a day: as a fraction, and the inverse's digits."""
        if source in MARKET:
            said = self.market_words[source, symbol, day]
            return {1 / Fraction(text): text for text in said}
        moments = [self.now, *(move.out_at - timedelta.resolution for move in self.moves if move.out_at)]
        return dict(self.said(source, symbol, day, moment) for moment in moments if moment <= self.now)

    def said(self, source: str, symbol: Pair, day: date, now: datetime) -> tuple[Fraction, str]:
        """What a bank's own two figures make of a symbol on a day, in fractions."""
        figures, home = self.figures(source, day, now=now, true=True), HOME[source]

        def digits(code: str) -> Decimal:
            nominal = NOMINALS.get(source, {}).get(code, 1)
            exact = Fraction(figures[home]) / Fraction(figures[code]) * nominal
            return rounded(exact, PLACES[source])

        def unit(code: str) -> Fraction:
            nominal = NOMINALS.get(source, {}).get(code, 1)
            return Fraction(1) if code == home else Fraction(digits(code)) / nominal

        price = unit(symbol.base) / unit(symbol.quote)
        if symbol.base == home and symbol.quote not in NOMINALS.get(source, {}):
            figure = digits(symbol.quote)
            return price, f"{figure.normalize():f}" if source == "nbk" else str(figure)
        return price, ten(1 / price)

    def check(self) -> None:
        for symbol, quote in self.desk.quotes.items():
            if quote is not self.checked.get(symbol):
                self.check_quote(quote)
                self.checked[symbol] = quote
            if quote.next:
                local = self.now.astimezone(ZONES[quote.source]).date()
                assert local < _day(quote.next.as_of), f"{self.now}: {quote}: not switched"

    def check_quote(self, quote: Quote) -> None:
        assert quote.published_at <= self.now
        if quote.source == "peg":
            assert (quote.price, quote.inverse) == (Decimal("0.2857142857"), Decimal("3.5"))
            assert str(quote.change_percent) == "0.00"
            return
        source, day = quote.source, _day(quote.as_of)
        assert day <= self.now.astimezone(ZONES[source]).date(), f"{quote}: of tomorrow"
        price = self.check_word(source, quote.symbol, day, quote.price, quote.inverse)
        own = AUTHORITY.get(quote.symbol.base, "")
        assert (quote.status != "live") or source == own or self.settings.policy != "official"
        assert (quote.status != "fallback") or source != own
        if quote.next:
            self.check_next(quote, quote.next)
        if quote.previous is not None:
            self.check_change(quote, price)
        else:
            assert quote.change is quote.change_percent is None

    def check_word(self, source: str, symbol: Pair, day: date, price: Decimal, inverse: Decimal) -> Fraction:
        """The price is the named source's own word for the day, digit for digit."""
        words = self.words(source, symbol, day)
        found = [word for word, digits in words.items() if digits == str(inverse) and ten(word) == str(price)]
        assert found, f"{self.now}: {source} never said {inverse} ({price}) for {symbol} on {day}: {words}"
        return found[0]

    def check_change(self, quote: Quote, price: Fraction) -> None:
        """From the same source's earlier publication, and the percentage from the two."""
        day = _day(quote.as_of)
        if quote.source in MARKET:
            earlier = [key[2] for key in self.market_words if key[:2] == (quote.source, quote.symbol)]
            days = [each for each in earlier if each < day]
        else:
            days = [self.publication(quote.source, effective(quote.source, day) - DAY)]
            if not self.strict:
                days = sorted({effective(quote.source, day - DAY * back) for back in range(1, 15)} - {day})
        candidates = [word for each in days for word in self.words(quote.source, quote.symbol, each)]
        found = [word for word in candidates if ten(word) == str(quote.previous)]
        assert found, f"{self.now}: {quote}: previous is not {quote.source}'s word of {days}"
        shares = {rounded((price - word) / word * 100, 2) + Decimal("0.00") for word in found}
        assert quote.change_percent in shares, f"{self.now}: {quote}: {shares}"

    def publication(self, source: str, day: date) -> date:
        """The last day up to `day` for which a bank published, as far as anybody could hear it."""
        while (day := effective(source, day)) in self.repeated.get(source, ()):
            day -= DAY
        return day

    def check_next(self, quote: Quote, coming: Announcement) -> None:
        """What is announced is the source's own word, and its next publication: none between is left out."""
        source, day = quote.source, _day(coming.as_of)
        self.check_word(source, quote.symbol, day, coming.price, coming.inverse)
        if source in HOME and self.strict:
            assert effective(source, day) == day, f"{self.now}: {quote}: announces a repeat"
            last = self.publication(source, day - DAY)
            assert last == effective(source, _day(quote.as_of)), f"{self.now}: {quote}: leaves out {last}"

    def check_history(self) -> None:
        """Everything in the history is its source's own word for the day."""
        for fixing in self.desk.fixings():
            source, symbol = fixing.source, fixing.symbol
            if source in HOME and source in (AUTHORITY.get(symbol.base), "cbr") and symbol != TMT:
                words = self.words(source, symbol, fixing.day)
                exact = Fraction(1)
                for leg in fixing.legs:
                    mid = Fraction(leg.value) / leg.nominal
                    exact *= mid if leg.pair.base == symbol.base else 1 / mid
                assert exact in words, f"{self.now}: {fixing}: {words}"

    def check_fold(self) -> None:
        """A desk that takes up the ledger is where this one is."""
        folded = new_desk(self.settings, self.sources)
        folded.load(self.desk.entries)
        folded.tick(now=self.now)
        assert _history(folded) == _history(self.desk)
        assert _doubts(folded) == _doubts(self.desk)
        for symbol, quote in folded.quotes.items():
            mine = self.desk.quotes[symbol]
            assert replace(quote, published_at=mine.published_at) == mine, self.now
        folded.quotes = self.desk.quotes | folded.quotes  # what stands though nothing is believed any more
        assert folded.tick(now=self.now) == []

    # What the line shows.

    def note(self, quotes: Iterable[Quote]) -> None:
        self.film += [(self.now, quote) for quote in quotes]

    def line(self, symbol: Pair, since: str = "01-01 00:00", until: str = "12-31 00:00") -> list[str]:
        """What the line showed of a symbol, a row a change, in the time of its country."""
        rows = [(moment, shown(quote)) for moment, quote in self.film if quote.symbol == symbol]
        before = ["", *(text for _, text in rows)]  # of some quotes only `due_at` changed
        return [
            f"{_local(moment, symbol)} {text}"
            for (moment, text), last in zip(rows, before, strict=False)
            if text != last and at(since) <= moment < at(until)
        ]

    def still(self, moment: str, symbol: Pair) -> str:
        """What the line showed at the last step up to a moment (UTC)."""
        last = max(each for each in self.stills if each <= at(moment))
        return shown(self.stills[last][symbol])

    def statuses(self, symbol: Pair) -> set[str]:
        return {quote.status for _, quote in self.film if quote.symbol == symbol}


def _history(desk: Desk) -> dict[Any, Fixing]:
    return {(fixing.source, fixing.symbol, fixing.day): fixing for fixing in desk.fixings()}


def _doubts(desk: Desk) -> dict[Any, Any]:
    return {key: (word.number, word.fixing, word.doubt) for key, word in desk.book.doubted().items()}


def shown(quote: Quote) -> str:
    """`nbkr live 87.4500 of 05.09 +0.43 %, next 87.5000 of 06.09, corrected`."""
    percent = "-" if quote.change_percent is None else f"{quote.change_percent:+}"
    text = f"{quote.source} {quote.status} {quote.inverse} of {_day(quote.as_of):%d.%m} {percent}"
    if quote.next:
        text += f", next {quote.next.inverse} of {_day(quote.next.as_of):%d.%m}"
    return text + (", corrected" if quote.corrected else "")


def _local(moment: datetime, symbol: Pair) -> str:
    zone = ZONES[AUTHORITY.get(symbol.base, "nbt")]
    return f"{moment.astimezone(zone):%a %d.%m %H:%M:%S}"


def _day(as_of: date) -> date:
    return as_of.date() if isinstance(as_of, datetime) else as_of


@cache
def _market_rows(key: str, body: bytes) -> tuple[tuple[str, str, str], ...]:
    """Code, day and figure of every row of an aggregator, without the parsers."""
    answer = json.loads(body, parse_float=str, parse_int=str)
    if key == "frankfurter":
        return tuple((each["quote"], each["date"], each["rate"]) for each in answer)
    if key == "fawazahmed0":
        return tuple((code.upper(), answer["date"], text) for code, text in answer["usd"].items())
    return tuple((code.upper(), _iso(each["date"]), each["rate"]) for code, each in answer.items())


def _iso(text: str) -> str:
    return f"{datetime.strptime(text, '%a, %d %b %Y %H:%M:%S GMT'):%Y-%m-%d}"  # noqa: DTZ007


def rounded(exact: Fraction, places: int) -> Decimal:
    """Half away from zero."""
    scaled = abs(exact) * 10**places
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Decimal(-whole if exact < 0 else whole).scaleb(-places)


def ten(exact: Fraction) -> str:
    """Ten significant digits as the board publishes them."""
    wide, narrow = Context(prec=60), Context(prec=10, rounding=ROUND_HALF_UP)
    return str(narrow.plus(wide.divide(Decimal(exact.numerator), Decimal(exact.denominator))))


# The tests. A line of a film is a change of what the line shows, in the country's own time; between two
# of them nothing changed. Every step of every replay has passed `Replay.check` as well.

MONDAY, TUESDAY = at("09-07 06:00"), at("09-08 02:00")
GONE_403 = fails(Refused("answered 403"))


def replay(until: str, *faults: Fault, since: datetime = TUESDAY, **more: Any) -> Replay:
    return Replay(start=since, end=at(until), faults=faults, **more).run()


def fault(source: str, since: str, until: str, does: Callable[[bytes, Ask], bytes], **more: Any) -> Fault:
    return Fault(source=source, since=at(since), until=at(until), does=does, **more)


def only_of(day: str, does: Callable[[bytes, Ask], bytes]) -> Callable[[bytes, Ask], bytes]:
    """The change, where a table bears this date."""
    marks = (f"{on(day):%d.%m.%Y}".encode(), f'Date="{on(day)}"'.encode())
    return lambda body, ask: does(body, ask) if any(mark in body for mark in marks) else body


def of_day(source: str, day: str, as_day: str | None = None) -> Callable[[bytes, Ask], bytes]:
    """The table of that day whatever is asked, under another date if one is given."""

    def does(body: bytes, ask: Ask) -> bytes:
        body = ask.table(on(day))
        return dated(source, body, on(as_day)) if as_day else body

    return does


def bad_print(source: str, factor: str, since: str, until: str, code: str = "USD") -> Move:
    """A row that is `factor` times too high in the tables of some days, and stays so in the archive."""
    inverse = 1 / Decimal(factor)
    return Move(source=source, code=code, factor=inverse, since=on(since), until=on(until), false=True)


def devaluation(factor: str, *codes: str, others: str = "09-10") -> tuple[Move, ...]:
    """NBKR's table of 9 September has fewer dollars for a som; the others follow a day later."""
    more = Decimal(factor)
    own = [("KGS", more)] if not codes else [(code, 1 / more) for code in codes]
    followers = ("cbr", "fawazahmed0", "floatrates")
    return (
        *(Move(source="nbkr", code=code, factor=share, since=on("09-09")) for code, share in own),
        *(Move(source=key, code="KGS", factor=more, since=on(others)) for key in followers),
    )


BANK_OF = {KGS: "nbkr", KZT: "nbk", TJS: "nbt", UZS: "cbu"}
each_bank = pytest.mark.parametrize("symbol", BANK_OF, ids=str)


@pytest.mark.slow
def test_seven_weeks_without_a_fault() -> None:
    whole = Replay(start=at("08-10 06:00"), end=at("09-29 17:00"), every=6).run()

    assert not any(whole.refused.values())
    assert {status for symbol in BANK_OF for status in whole.statuses(symbol)} == {"live"}
    assert whole.line(TMT) == ["Mon 10.08 11:00:00 peg pegged 3.5 of 01.01 +0.00"]
    for symbol, source in BANK_OF.items():
        expected = {effective(source, on("08-12") + DAY * n) for n in range(49)}
        shown_days = {_day(quote.as_of) for _, quote in whole.film if quote.symbol == symbol}
        assert expected <= shown_days
        assert whole.desk.missed(source, now=whole.now) == 0


def test_a_weekend_a_holiday_and_tomorrow_s_tables_at_each_bank() -> None:
    # Monday 31 August is a holiday in Bishkek, and with the Tuesday after it in Tashkent.
    week = replay("09-02 12:00", since=at("08-27 12:00"))

    assert week.line(KGS, "08-27 13:00") == [
        "Fri 28.08 00:00:00 nbkr live 87.5480 of 28.08 -0.01",
        "Fri 28.08 16:22:00 nbkr live 87.5480 of 28.08 -0.01, next 87.5381 of 29.08",
        "Sat 29.08 00:00:00 nbkr live 87.5381 of 29.08 +0.01",
        "Tue 01.09 16:22:00 nbkr live 87.5381 of 29.08 +0.01, next 87.5445 of 02.09",
        "Wed 02.09 00:00:00 nbkr live 87.5445 of 02.09 -0.01",
        "Wed 02.09 16:22:00 nbkr live 87.5445 of 02.09 -0.01, next 87.5433 of 03.09",
    ]
    assert week.line(KZT, "08-27 13:00", "09-01 00:00") == [
        "Fri 28.08 00:00:00 nbk live 463.39 of 28.08 -0.33",
        "Fri 28.08 16:02:00 nbk live 463.39 of 28.08 -0.33, next 463.77 of 29.08",
        "Sat 29.08 00:00:00 nbk live 463.77 of 29.08 -0.08",
        "Mon 31.08 16:02:00 nbk live 463.77 of 29.08 -0.08, next 461.61 of 01.09",
        "Tue 01.09 00:00:00 nbk live 461.61 of 01.09 +0.47",
    ]
    assert week.line(TJS, "08-27 13:00") == [
        "Fri 28.08 08:07:00 nbt live 9.2350 of 28.08 -0.03",
        "Sat 29.08 08:07:00 nbt live 9.2447 of 29.08 -0.10",
        "Tue 01.09 08:07:00 nbt live 9.2261 of 01.09 +0.20",
        "Wed 02.09 08:07:00 nbt live 9.2381 of 02.09 -0.13",
    ]
    assert week.line(UZS, "08-27 13:00") == [
        "Fri 28.08 00:00:00 cbu live 11806.71 of 28.08 +0.18",
        "Fri 28.08 14:02:00 cbu live 11806.71 of 28.08 +0.18, next 11815.23 of 02.09",
        "Wed 02.09 00:00:00 cbu live 11815.23 of 02.09 -0.07",
        "Wed 02.09 14:02:00 cbu live 11815.23 of 02.09 -0.07, next 11792.75 of 03.09",
    ]
    sunday = {symbol: week.still("08-30 12:00", symbol).split()[1] for symbol in BANK_OF}
    assert set(sunday.values()) == {"live"}


def test_the_uzbek_bank_dates_friday_s_table_saturday_instead_of_monday_and_every_quote_stays_right() -> None:
    weeks = replay("09-29 17:00", since=at("09-17 12:00"))

    assert weeks.line(UZS, "09-17 13:00") == [
        "Fri 18.09 00:00:00 cbu live 11825.00 of 18.09 -0.34",
        "Fri 18.09 14:02:00 cbu live 11825.00 of 18.09 -0.34, next 11835.53 of 21.09",
        "Mon 21.09 00:00:00 cbu live 11835.53 of 21.09 -0.09",
        "Mon 21.09 14:02:00 cbu live 11835.53 of 21.09 -0.09, next 11797.08 of 22.09",
        "Tue 22.09 00:00:00 cbu live 11797.08 of 22.09 +0.33",
        "Tue 22.09 14:02:00 cbu live 11797.08 of 22.09 +0.33, next 11787.22 of 23.09",
        "Wed 23.09 00:00:00 cbu live 11787.22 of 23.09 +0.08",
        "Wed 23.09 14:02:00 cbu live 11787.22 of 23.09 +0.08, next 11821.40 of 24.09",
        "Thu 24.09 00:00:00 cbu live 11821.40 of 24.09 -0.29",
        "Thu 24.09 14:02:00 cbu live 11821.40 of 24.09 -0.29, next 11815.74 of 25.09",
        "Fri 25.09 00:00:00 cbu live 11815.74 of 25.09 +0.05",
        "Fri 25.09 14:02:00 cbu live 11815.74 of 25.09 +0.05, next 11821.25 of 26.09",
        "Sat 26.09 00:00:00 cbu live 11821.25 of 26.09 -0.05",
        "Mon 28.09 14:02:00 cbu live 11821.25 of 26.09 -0.05, next 11792.22 of 29.09",
        "Tue 29.09 00:00:00 cbu live 11792.22 of 29.09 +0.25",
    ]


@pytest.mark.parametrize(
    ("symbol", "midnight", "was", "becomes"),
    [
        (KGS, "09-08 18:00", "87.5437 of 08.09 +0.01, next 87.5322 of 09.09", "87.5322 of 09.09 +0.01"),
        (KZT, "09-08 19:00", "453.99 of 08.09 +0.41, next 454.01 of 09.09", "454.01 of 09.09 +0.00"),
        (UZS, "09-08 19:00", "11771.50 of 08.09 +0.06, next 11809.17 of 09.09", "11809.17 of 09.09 -0.32"),
    ],
    ids=str,
)
def test_what_was_announced_is_the_value_from_midnight_in_its_country_to_the_second(
    symbol: Pair, midnight: str, was: str, becomes: str
) -> None:
    # A time like `09-08 19:00` is UTC; it is midnight in Tashkent and in Almaty.
    days = replay("09-08 21:00")
    second_before = days.stills[at(midnight) - timedelta(seconds=1)][symbol]
    on_the_second = days.stills[at(midnight)][symbol]

    assert shown(second_before) == f"{BANK_OF[symbol]} live {was}"
    assert shown(on_the_second) == f"{BANK_OF[symbol]} live {becomes}"


def test_a_correction_of_a_rate_in_force_says_so_and_one_of_an_announced_rate_does_not() -> None:
    moves = [
        Move(source=key, code=code, factor=Decimal(factor), since=on(day), until=on(day), out_at=at(out))
        for key, code, factor, day, out in (
            ("nbkr", "KGS", "1.003", "09-08", "09-08 06:00"),
            ("nbkr", "KGS", "1.002", "09-09", "09-08 12:00"),
            ("cbu", "UZS", "1.003", "09-08", "09-08 06:00"),
            ("cbu", "UZS", "1.002", "09-09", "09-08 10:00"),
            ("nbt", "TJS", "1.003", "09-08", "09-08 08:00"),
        )
    ]
    days = replay("09-09 06:00", since=MONDAY, moves=tuple(moves))

    assert days.line(KGS, "09-07 18:00") == [
        "Tue 08.09 00:00:00 nbkr live 87.5437 of 08.09 +0.01",
        "Tue 08.09 12:05:00 nbkr live 87.8063 of 08.09 -0.28, corrected",
        "Tue 08.09 16:22:00 nbkr live 87.8063 of 08.09 -0.28, next 87.5322 of 09.09, corrected",
        "Tue 08.09 18:05:00 nbkr live 87.8063 of 08.09 -0.28, next 87.7073 of 09.09, corrected",
        "Wed 09.09 00:00:00 nbkr live 87.7073 of 09.09 +0.11",
    ]
    assert days.line(UZS, "09-07 19:00") == [
        "Tue 08.09 00:00:00 cbu live 11771.50 of 08.09 +0.06",
        "Tue 08.09 11:05:00 cbu live 11806.81 of 08.09 -0.24, corrected",
        "Tue 08.09 14:02:00 cbu live 11806.81 of 08.09 -0.24, next 11809.17 of 09.09, corrected",
        "Tue 08.09 15:05:00 cbu live 11806.81 of 08.09 -0.24, next 11832.79 of 09.09, corrected",
        "Wed 09.09 00:00:00 cbu live 11832.79 of 09.09 -0.22",
    ]
    assert days.line(TJS, "09-08 00:00") == [
        "Tue 08.09 08:07:00 nbt live 9.2303 of 08.09 +0.03",
        "Tue 08.09 13:05:00 nbt live 9.2580 of 08.09 -0.27, corrected",
        "Wed 09.09 08:07:00 nbt live 9.2347 of 09.09 +0.25",
    ]


# Bad prints.


def test_cbu_s_bad_print_of_the_manat_touches_neither_the_manat_nor_the_sum() -> None:
    # As on 1 April 2026: +15.9 %, in two publications, here those of 10 and 11 September.
    healthy = replay("09-12 12:00")
    faulty = replay("09-12 12:00", moves=(bad_print("cbu", "1.159", "09-10", "09-11", "TMT"),))

    assert faulty.line(TMT) == ["Tue 08.09 07:00:00 peg pegged 3.5 of 01.01 +0.00"]
    assert faulty.line(UZS) == healthy.line(UZS)
    assert [shown(quote) for _, quote in faulty.film] == [shown(quote) for _, quote in healthy.film]


def test_the_same_misprint_of_cbu_s_dollar_is_never_published_and_the_right_table_is_at_once() -> None:
    hours = ("09-09 09:00", "09-11 09:00")
    days = replay("09-14 12:00", fault("cbu", *hours, row("cbu", "USD", value=times("1.159"))))

    assert days.line(UZS, "09-09 00:00") == [
        "Wed 09.09 14:02:00 cbu unconfirmed 11809.17 of 09.09 -0.32",
        # Monday's is told first, and ends the doubt; then today's is asked for. The archive has the 10th
        # right now, and it is filled in.
        "Fri 11.09 14:02:00 cbu live 11809.17 of 09.09 -0.32",
        "Fri 11.09 14:02:00 cbu live 11786.70 of 11.09 -, next 11740.02 of 14.09",
        "Fri 11.09 14:02:00 cbu live 11786.70 of 11.09 +0.19, next 11740.02 of 14.09",
        "Mon 14.09 00:00:00 cbu live 11740.02 of 14.09 +0.40",
        "Mon 14.09 14:02:00 cbu live 11740.02 of 14.09 +0.40, next 11732.34 of 15.09",
    ]


@pytest.mark.parametrize("symbol", [KGS, UZS], ids=str)
def test_a_misprint_of_two_days_that_stays_in_the_archive_is_not_learned_from_it(symbol: Pair) -> None:
    bank = BANK_OF[symbol]
    days = replay("09-14 12:00", moves=(bad_print(bank, "1.159", "09-10", "09-11"),))

    assert days.still("09-12 12:00", symbol).startswith(f"{bank} live ")


def test_a_first_start_does_not_take_its_percentage_from_a_misprint_of_two_days() -> None:
    replay("09-14 12:00", since=at("09-14 06:00"), moves=(bad_print("cbu", "1.159", "09-10", "09-11"),))


def test_a_first_start_does_not_take_its_percentage_from_a_misprint_of_one_day() -> None:
    late = replay(
        "09-14 09:00", since=at("09-14 06:00"), moves=(bad_print("cbu", "1.159", "09-11", "09-11"),)
    )

    # What was said of the 11th is refused, and a change across it would be none to the publication before.
    assert late.still("09-14 08:00", UZS) == "cbu live 11740.02 of 14.09 -"


@pytest.mark.parametrize("symbol", [KZT, UZS], ids=str)
def test_a_doubted_announcement_changes_nothing_before_its_midnight_while_today_s_table_is_asked_for(
    symbol: Pair,
) -> None:
    bank = BANK_OF[symbol]
    days = replay("09-10 06:00", moves=(bad_print(bank, "1.159", "09-10", "09-10"),))

    today = {KZT: "nbk unconfirmed 454.01 of 09.09 +0.00", UZS: "cbu unconfirmed 11809.17 of 09.09 -0.32"}
    assert days.line(symbol, "09-08 20:00") == [f"Thu 10.09 00:00:00 {today[symbol]}"]


def test_the_aggregators_glitches_of_the_manat_are_never_on_the_line() -> None:
    weeks = Replay(start=at("09-03 06:00"), end=at("09-29 12:00"), every=8).run()

    assert weeks.line(TMT) == ["Thu 03.09 11:00:00 peg pegged 3.5 of 01.01 +0.00"]
    assert as_recorded()[on("09-05")]["TMT"] == Decimal("3.57464515")
    told = weeks.market_words["fawazahmed0", TMT, on("09-26")]
    assert told == {"3.42905208"}


def test_the_glitches_of_two_per_cent_are_held_back_where_the_market_is_asked_for() -> None:
    # FloatRates of the stand-ins is fawazahmed0 a day later; here it has none of the glitches of its own.
    calm = [("09-06", "0.98"), ("09-27", "1.02"), ("09-28", "1.02")]
    moves = [
        Move(source="floatrates", code="TMT", factor=Decimal(f), since=on(day), until=on(day))
        for day, f in calm
    ]
    market = Settings(policy={"TMT/USD": "market"})
    first = replay("09-08 00:00", since=at("09-03 06:00"), moves=tuple(moves), settings=market)
    second = replay("09-29 12:00", since=at("09-24 06:00"), moves=tuple(moves), settings=market)

    assert first.line(TMT, "09-04 00:00") == [
        "Fri 04.09 07:05:00 fawazahmed0 live 3.49923209 of 04.09 -0.06",
        "Sat 05.09 07:05:00 fawazahmed0 unconfirmed 3.49923209 of 04.09 -0.06",
        "Sun 06.09 07:05:00 fawazahmed0 live 3.5125885 of 06.09 -",  # the day before is refused
        "Mon 07.09 07:05:00 fawazahmed0 live 3.49992648 of 07.09 +0.36",
    ]
    assert second.line(TMT, "09-25 00:00") == [
        "Fri 25.09 07:05:00 fawazahmed0 live 3.50993815 of 25.09 -0.10",
        "Sat 26.09 07:05:00 fawazahmed0 unconfirmed 3.50993815 of 25.09 -0.10",
        "Mon 28.09 07:05:00 fawazahmed0 live 3.50727005 of 28.09 -",  # the days before are refused
        "Tue 29.09 07:05:00 fawazahmed0 live 3.49982316 of 29.09 +0.21",
    ]


# Ten times, inverted, the nominal forgotten.

WRONG: dict[str, dict[str, Callable[[str], str]]] = {
    "x10": {"value": times("10")},
    "inverted": {"value": inverted},
    "nominal": {"nominal": lambda text: "100"},
}
each_wrong = pytest.mark.parametrize("wrong", WRONG)


@each_bank
@each_wrong
def test_a_table_with_a_wrong_order_of_magnitude_is_held_back_until_the_right_one(
    symbol: Pair, wrong: str
) -> None:
    bank = BANK_OF[symbol]
    out = HABITS[bank].at
    # The print of one day: of tomorrow's table, and for NBT, which publishes in the morning, of today's.
    hours = ("09-11" if bank == "nbt" else "09-09", "09-12" if bank == "nbt" else "09-10")
    bad = fault(bank, f"{hours[0]} {out:%H:%M}", f"{hours[1]} {out:%H:%M}", row(bank, "USD", **WRONG[wrong]))
    days = replay("09-12 07:00", bad)

    expected = {
        # Tomorrow's table changes nothing today. After midnight the bank's page of the past is right.
        KGS: [
            "Thu 10.09 00:00:00 nbkr unconfirmed 87.5322 of 09.09 +0.01",
            "Thu 10.09 00:02:00 nbkr unconfirmed 87.5436 of 10.09 -0.01",
            "Thu 10.09 16:22:00 nbkr live 87.5436 of 10.09 -0.01, next 87.5454 of 11.09",
            "Fri 11.09 00:00:00 nbkr live 87.5454 of 11.09 +0.00",
        ],
        KZT: [
            "Wed 09.09 16:02:00 nbk unconfirmed 454.01 of 09.09 +0.00",
            "Thu 10.09 16:02:00 nbk live 454.01 of 09.09 +0.00",
            "Thu 10.09 16:02:00 nbk live 455.59 of 10.09 -0.35, next 450.46 of 11.09",
            "Fri 11.09 00:00:00 nbk live 450.46 of 11.09 +1.14",
        ],
        TJS: [
            "Fri 11.09 08:07:00 nbt unconfirmed 9.2347 of 09.09 -0.05",
            "Fri 11.09 08:07:00 nbt unconfirmed 9.2385 of 11.09 -0.04",  # its archive is right
            "Sat 12.09 08:07:00 nbt live 9.2464 of 12.09 -0.09",
        ],
        UZS: [
            "Wed 09.09 14:02:00 cbu unconfirmed 11809.17 of 09.09 -0.32",
            "Thu 10.09 14:02:00 cbu live 11809.17 of 09.09 -0.32",
            "Thu 10.09 14:02:00 cbu live 11808.80 of 10.09 +0.00, next 11786.70 of 11.09",
            "Fri 11.09 00:00:00 cbu live 11786.70 of 11.09 +0.19",
        ],
    }[symbol]
    since = "09-10 00:00" if bank == "nbt" else "09-09 09:00" if bank == "cbu" else "09-09 10:30"
    until = "09-12 07:00" if bank == "nbt" else "09-11 08:00"
    assert days.line(symbol, since, until) == expected


@each_bank
def test_a_first_word_of_the_wrong_order_of_magnitude_is_no_quote_though_nobody_else_speaks(
    symbol: Pair,
) -> None:
    bank = BANK_OF[symbol]
    alone = Settings(symbols=(str(symbol),), sources={key: {"enabled": key == bank} for key in SOURCES})
    bad = fault(bank, "09-08 00:00", "09-08 13:00", row(bank, "USD", value=times("10")))
    days = replay("09-11 08:00", bad, settings=alone, backfill_days=0)

    assert [moment for moment, quote in days.film if moment < bad.until] == []
    # Nobody speaks for the right word either: it is unconfirmed until the second next publication.
    expected = {
        KGS: ["nbkr unconfirmed 87.5322 of 09.09 -", "nbkr live 87.5454 of 11.09 +0.00"],
        KZT: ["nbk unconfirmed 454.01 of 09.09 +0.00", "nbk live 450.46 of 11.09 +1.14"],
        TJS: ["nbt unconfirmed 9.2303 of 08.09 -", "nbt live 9.2385 of 11.09 -0.04"],
        UZS: ["cbu unconfirmed 11809.17 of 09.09 -0.32", "cbu live 11786.70 of 11.09 +0.19"],
    }[symbol]
    assert [days.still(moment, symbol) for moment in ("09-08 19:00", "09-11 07:30")] == expected


BARE = {"unit": lambda text: ""}
"""Without <VunitRate>, which would give the error away."""


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"value": times("10")}, True),
        ({"value": times("10"), **BARE}, False),
        ({"value": inverted, **BARE}, False),
        ({"nominal": lambda text: "1", **BARE}, False),
        ({"value": times("1.03"), **BARE}, False),
    ],
    ids=["x10 with its unit", "x10", "inverted", "nominal", "+3 %"],
)
def test_a_stand_in_is_not_believed_either(change: dict[str, Callable[[str], str]], refused: bool) -> None:
    # NBKR is silent; of the Bank of Russia the table of 10 September has a wrong som.
    days = replay(
        "09-11 03:00",
        fault("nbkr", "09-08 00:00", "09-12 00:00", GONE_403),
        fault("cbr", "09-09 11:30", "09-10 11:30", row("cbr", "KGS", **change)),
        since=MONDAY,
    )

    # Its right table of the 11th and, from its archive, that of the 10th come at 17:32, two minutes after it
    # is late itself. Until then one of the aggregators speaks, where its own table of the 10th is doubted.
    between = [
        "Thu 10.09 03:00:00 fawazahmed0 fallback 87.53221087 of 09.09 +0.01",
        "Thu 10.09 06:00:00 frankfurter fallback 87.54 of 10.09 -0.01",
        "Thu 10.09 08:05:00 fawazahmed0 fallback 87.54356982 of 10.09 -0.01",
    ]
    if refused:
        between = ["Thu 10.09 17:30:00 fawazahmed0 fallback 87.54356982 of 10.09 -0.01"]
    assert bool(days.refused["cbr"]) == refused
    film = days.line(KGS, "09-07 18:00")
    assert film[:3] == [
        "Tue 08.09 00:00:00 nbkr live 87.5437 of 08.09 +0.01",
        "Wed 09.09 14:30:00 nbkr stale 87.5437 of 08.09 +0.01",  # for a second, until it was asked once more
        "Wed 09.09 14:30:01 cbr fallback 87.54368379 of 09.09 +0.00",
    ]
    assert film[3 : 3 + len(between)] == between
    assert [text[19:] for text in film[-2:]] == [
        "cbr fallback 87.53219549 of 10.09 +0.01, next 87.54363611 of 11.09",
        "cbr fallback 87.54363611 of 11.09 -0.01",
    ]


def test_the_forgotten_nominal_of_a_foreign_row_is_held_back_in_its_cross() -> None:
    cross = Pair("KGS", "TJS")
    settings = Settings(symbols=("KGS/TJS",), policy={"KGS/TJS": ["nbt"]})
    bad = row("nbt", "KGS", nominal=lambda text: "1")
    days = replay("09-12 07:00", fault("nbt", "09-11 03:05", "09-12 03:05", bad), settings=settings)

    assert days.line(cross, "09-09 00:00") == [
        "Wed 09.09 09:07:00 nbt live 9.478672986 of 09.09 +0.06",
        "Fri 11.09 09:07:00 nbt unconfirmed 9.478672986 of 09.09 +0.06",
        "Fri 11.09 09:07:00 nbt unconfirmed 9.475978395 of 11.09 +0.03",  # its archive is right
        "Sat 12.09 09:07:00 nbt live 9.467903806 of 12.09 +0.09",
    ]


# The wrong day.


@each_bank
def test_yesterday_s_table_under_today_s_date_is_no_publication(symbol: Pair) -> None:
    bank = BANK_OF[symbol]
    out = HABITS[bank].at
    first, last, day, before = ("09-09", "09-10", "09-10", "09-09")
    if bank == "nbt":  # a table comes out on its own day; the 9th was a holiday
        first, last, day, before = ("09-11", "09-12", "09-11", "09-10")
    old = of_day(bank, before, day)
    again = fault(bank, f"{first} {out:%H:%M}", f"{last} {out:%H:%M}", only_of(day, old))
    never_told = frozenset({on(day)}) if bank in ("nbkr", "nbt") else frozenset()
    days = replay("09-12 07:00", again, repeated={bank: never_told})

    # A bank that speaks for a day is not silent: it repeats, and its rate stays the value.
    expected = {
        KGS: [
            "Thu 10.09 16:22:00 nbkr live 87.5322 of 09.09 +0.01, next 87.5454 of 11.09",
            "Fri 11.09 00:00:00 nbkr live 87.5454 of 11.09 -0.02",
        ],
        KZT: [
            "Thu 10.09 16:02:00 nbk live 454.01 of 09.09 +0.00, next 450.46 of 11.09",
            "Thu 10.09 16:02:00 nbk live 455.59 of 10.09 -0.35, next 450.46 of 11.09",  # the right one
            "Fri 11.09 00:00:00 nbk live 450.46 of 11.09 +1.14",
        ],
        TJS: ["Sat 12.09 08:07:00 nbt live 9.2464 of 12.09 -0.13"],
        UZS: [
            "Thu 10.09 14:02:00 cbu live 11809.17 of 09.09 -0.32, next 11786.70 of 11.09",
            "Thu 10.09 14:02:00 cbu live 11808.80 of 10.09 +0.00, next 11786.70 of 11.09",
            "Fri 11.09 00:00:00 cbu live 11786.70 of 11.09 +0.19",
        ],
    }[symbol]
    assert days.line(symbol, "09-10 00:00", "09-12 07:00" if bank == "nbt" else "09-11 08:00") == expected
    assert {quote.status for _, quote in days.film if quote.symbol == symbol} == {"live"}


@pytest.mark.parametrize("symbol", [KZT, UZS], ids=str)
def test_what_was_no_publication_is_none_in_the_archive_either(symbol: Pair) -> None:
    bank = BANK_OF[symbol]
    again = only_of("09-10", of_day(bank, "09-09", "09-10"))

    # The true table of the 10th is nowhere to be had, so that the 11th is compared with the 9th.
    replay("09-11 07:00", fault(bank, "09-08 00:00", "09-20 00:00", again), strict=False)


@pytest.mark.parametrize("symbol", [KZT, UZS], ids=str)
def test_a_history_of_today_s_table_only_gives_no_percentage_and_no_past(symbol: Pair) -> None:
    """Every past day that is asked for is answered with the newest table under the day asked for."""
    bank = BANK_OF[symbol]
    newest, friday = on("09-07"), on("09-04")

    def does(body: bytes, ask: Ask) -> bytes:
        return body if ask.asked > friday else dated(bank, ask.table(newest), ask.asked)

    days = replay("09-08 02:00", fault(bank, "09-07 00:00", "09-07 07:30", does), since=MONDAY)

    assert (
        days.still("09-07 06:05", symbol)
        == {
            KZT: "nbk live 455.83 of 05.09 -",
            UZS: "cbu live 11779.06 of 07.09 -",
        }[symbol]
    )


@pytest.mark.parametrize("symbol", [KZT, TJS, UZS], ids=str)
def test_a_table_of_another_day_than_was_asked_for_is_refused(symbol: Pair) -> None:
    # Asked for the 8th, 9th or 10th, the bank answers with the table of the 11th, which nobody could know.
    bank = BANK_OF[symbol]
    early = fault(bank, "09-08 00:00", "09-09 00:00", of_day(bank, "09-11"))
    days = replay("09-09 02:00", early, since=MONDAY)

    assert days.refused[bank]
    assert all("the table is dated 2026-09-11, but 2026-09-0" in words for words in days.refused[bank])
    expected = {KZT: "nbk live 453.99 of 08.09 +0.41", UZS: "cbu live 11771.50 of 08.09 +0.06"}
    if symbol in expected:
        assert days.still("09-08 18:00", symbol) == expected[symbol]
    else:
        assert days.still("09-08 18:00", symbol).startswith("cbr fallback ")


FROZEN = {
    KGS: [
        "Thu 10.09 14:30:00 nbkr stale 87.5322 of 09.09 +0.01",  # for a second, until it was asked once more
        "Thu 10.09 14:30:01 cbr fallback 87.53219549 of 10.09 +0.01",
        "Thu 10.09 17:32:00 cbr fallback 87.53219549 of 10.09 +0.01, next 87.54363611 of 11.09",
        "Fri 11.09 03:00:00 cbr fallback 87.54363611 of 11.09 -0.01",
        "Fri 11.09 17:32:00 cbr fallback 87.54363611 of 11.09 -0.01, next 87.54538913 of 12.09",
        "Sat 12.09 03:00:00 cbr fallback 87.54538913 of 12.09 +0.00",
        "Mon 14.09 12:05:00 nbkr live 87.5444 of 14.09 -",
        "Mon 14.09 12:05:00 nbkr live 87.5444 of 12.09 +0.00",
    ],
    KZT: [
        "Thu 10.09 14:30:00 nbk stale 454.01 of 09.09 +0.00",
        "Thu 10.09 14:30:01 cbr fallback 454.0096469 of 10.09 +0.00",
        "Thu 10.09 16:32:00 cbr fallback 454.0096469 of 10.09 +0.00, next 455.5904042 of 11.09",
        "Fri 11.09 02:00:00 cbr fallback 455.5904042 of 11.09 -0.35",
        "Fri 11.09 16:32:00 cbr fallback 455.5904042 of 11.09 -0.35, next 450.4601391 of 12.09",
        "Sat 12.09 02:00:00 cbr fallback 450.4601391 of 12.09 +1.14",
        "Mon 14.09 11:05:00 nbk live 450.8 of 14.09 -",
        "Mon 14.09 11:05:00 nbk live 450.8 of 12.09 -0.08",
    ],
    TJS: [
        "Fri 11.09 14:30:00 nbt stale 9.2347 of 09.09 -0.05",  # the 9th was a holiday
        "Fri 11.09 14:30:01 cbr fallback 9.236597301 of 11.09 -0.02",
        "Fri 11.09 16:32:00 cbr fallback 9.236597301 of 11.09 -0.02, next 9.238469059 of 12.09",
        "Sat 12.09 02:00:00 cbr fallback 9.238469059 of 12.09 -0.02",
        "Mon 14.09 11:05:00 nbt live 9.2464 of 14.09 -",
        "Mon 14.09 11:05:00 nbt live 9.2464 of 12.09 -0.09",
    ],
    UZS: [
        "Thu 10.09 14:30:00 cbu stale 11809.17 of 09.09 -0.32",
        "Thu 10.09 14:30:01 cbr fallback 11809.17607 of 10.09 -0.32",
        "Thu 10.09 16:32:00 cbr fallback 11809.17607 of 10.09 -0.32, next 11808.81213 of 11.09",
        "Fri 11.09 02:00:00 cbr fallback 11808.81213 of 11.09 +0.00",
        "Fri 11.09 16:32:00 cbr fallback 11808.81213 of 11.09 +0.00, next 11786.70228 of 12.09",
        "Sat 12.09 02:00:00 cbr fallback 11786.70228 of 12.09 +0.19",
        "Mon 14.09 11:05:00 cbu live 11740.02 of 14.09 -",
        "Mon 14.09 11:05:00 cbu live 11740.02 of 14.09 +0.40",
    ],
}
MISSED = {KGS: (0, 1, 2, 2), KZT: (0, 1, 2, 2), TJS: (0, 0, 1, 1), UZS: (0, 1, 2, 2)}
"""At noon (UTC) of the 9th, 10th, 11th and 13th, a Sunday; NBT was closed on the 9th."""


@each_bank
def test_a_bank_that_stands_still_for_five_days_is_replaced_and_counted_and_comes_back(symbol: Pair) -> None:
    bank = BANK_OF[symbol]
    frozen = fault(bank, "09-09 06:00", "09-14 06:00", of_day(bank, "09-09"), archive=True)
    missed: list[int] = []
    noons = {at(f"09-{day:02} 12:00"): missed_at(bank, missed) for day in (9, 10, 11, 13)}
    days = replay("09-14 08:00", frozen, at_moments=noons)

    assert days.line(symbol, "09-09 12:00") == FROZEN[symbol]
    assert tuple(missed) == MISSED[symbol]


def missed_at(bank: str, missed: list[int]) -> Callable[[Replay], None]:
    return lambda day: missed.append(day.desk.missed(bank, now=day.now))


def test_the_fifth_working_day_of_a_file_that_is_only_stamped_anew_is_stale_and_nobody_stands_in() -> None:
    def does(body: bytes, ask: Ask) -> bytes:
        tomorrow = (ask.now + timedelta(hours=13, minutes=40)).date()
        return dated("nbkr", ask.table(on("09-09")), tomorrow)

    repeats: list[int] = []
    noons: dict[datetime, Callable[[Replay], object]] = {
        at(f"09-{day:02} 12:00"): lambda day: repeats.append(day.desk.repeats("nbkr", now=day.now))
        for day in range(9, 19)
    }
    told_again = frozenset(on("09-10") + DAY * ahead for ahead in range(8))
    days = replay(
        "09-18 14:00",
        fault("nbkr", "09-09 06:00", "09-18 06:00", does),
        at_moments=noons,
        repeated={"nbkr": told_again},
    )

    assert days.line(KGS, "09-09 12:00") == [
        "Wed 16.09 00:00:00 nbkr stale 87.5322 of 09.09 +0.01",
        "Fri 18.09 12:05:00 nbkr live 87.4498 of 18.09 +0.09",
        "Fri 18.09 16:22:00 nbkr live 87.4498 of 18.09 +0.09, next 87.4583 of 19.09",
    ]
    assert repeats == [0, 1, 2, 2, 2, 3, 4, 5, 6, 0]  # the 12th and 13th were a weekend


# Silence.


@pytest.mark.parametrize(
    ("does", "words"),
    [(says(HTML), "not XML"), (GONE_403, "answered 403"), (fails(TimeoutError()), "TimeoutError")],
    ids=["HTML with 200", "403", "time-out"],
)
def test_an_authority_that_is_gone_for_four_days(does: Callable[[bytes, Ask], bytes], words: str) -> None:
    days = replay("09-14 08:00", fault("nbkr", "09-09 06:00", "09-13 06:00", does))

    assert all(words in each for each in days.refused["nbkr"])
    assert days.line(KGS, "09-09 06:00") == [
        *FROZEN[KGS][:6],
        # Sunday's file is Saturday's, stamped anew; the history tells so.
        "Sun 13.09 12:05:00 nbkr live 87.5444 of 13.09 -",
        "Sun 13.09 12:05:00 nbkr live 87.5444 of 12.09 +0.00",
    ]


def test_without_the_stand_in_the_middle_aggregator_speaks_and_without_any_the_last_word_is_stale() -> None:
    gone = [fault(key, "09-08 00:00", "09-14 00:00", fails(TimeoutError())) for key in ("nbkr", "cbr")]
    middle = replay("09-11 00:00", *gone, since=MONDAY)
    market = [fault(key, "09-08 00:00", "09-14 00:00", GONE_403) for key in MARKET]
    nobody = replay("09-14 02:00", *gone, *market, since=MONDAY)

    assert middle.line(KGS, "09-08 00:00") == [
        "Wed 09.09 14:30:00 nbkr stale 87.5437 of 08.09 +0.01",
        "Wed 09.09 18:05:00 fawazahmed0 fallback 87.53221087 of 09.09 +0.01",
        "Thu 10.09 06:00:00 frankfurter fallback 87.54 of 10.09 -0.01",  # the middle one by now
        "Thu 10.09 08:05:00 fawazahmed0 fallback 87.54356982 of 10.09 -0.01",
        "Thu 10.09 18:05:00 frankfurter fallback 87.54 of 10.09 -0.01, next 87.55 of 11.09",
    ]
    assert nobody.line(KGS, "09-08 00:00") == [
        "Wed 09.09 14:30:00 nbkr stale 87.5437 of 08.09 +0.01",
        "Mon 14.09 06:05:00 nbkr live 87.5444 of 14.09 -",
        "Mon 14.09 06:05:00 nbkr live 87.5444 of 12.09 +0.00",
    ]


# Devaluations.


def test_a_devaluation_of_the_whole_table_is_confirmed_by_its_repetition() -> None:
    # As on 26 February 2022: +11.75 %, every currency of NBKR's table alike.
    days = replay("09-12 06:00", moves=devaluation("1.1175"))

    assert days.line(KGS, "09-08 06:00", "09-09 10:00") == [
        "Tue 08.09 16:32:01 nbkr live 87.5437 of 08.09 +0.01, next 97.8172 of 09.09",
        "Wed 09.09 00:00:00 nbkr live 97.8172 of 09.09 -10.50",
    ]
    assert days.still("09-09 18:00", KGS).startswith("nbkr live 97.8299 of 10.09 -0.01")
    assert days.still("09-11 18:00", KGS).startswith("nbkr live 97.8309 of 12.09 +0.00")


def test_the_day_after_a_confirmed_devaluation_is_not_doubted_again() -> None:
    days = replay("09-12 06:00", moves=devaluation("1.1175"))

    statuses = {quotes[KGS].status for moment, quotes in days.stills.items() if moment > at("09-08 18:00")}
    assert statuses == {"live"}


def test_a_devaluation_of_the_dollar_alone_waits_for_another_source() -> None:
    # The rows of EUR, CNY and RUB stay: not the table is the witness, but who follows.
    days = replay("09-11 00:00", moves=devaluation("1.1175", "USD", "KZT"))

    assert days.line(KGS, "09-08 06:00", "09-10 06:00") == [
        "Wed 09.09 00:00:00 nbkr unconfirmed 87.5437 of 08.09 +0.01",  # nothing before its midnight
        "Thu 10.09 08:05:00 nbkr live 97.8299 of 10.09 -0.01",
    ]


def test_what_only_an_operator_can_believe_waits_for_one() -> None:
    confirmed: dict[datetime, Callable[[Replay], object]] = {
        at("09-10 08:00"): lambda day: day.desk.confirm(KGS, now=day.now)
    }
    moves = devaluation("1.2")
    waiting = replay("09-10 09:00", moves=moves)
    days = replay("09-10 10:00", moves=moves, at_moments=confirmed)

    assert waiting.line(KGS, "09-08 06:00") == ["Wed 09.09 00:00:00 nbkr unconfirmed 87.5437 of 08.09 +0.01"]
    assert days.line(KGS, "09-08 06:00", "09-10 10:00") == [
        "Wed 09.09 00:00:00 nbkr unconfirmed 87.5437 of 08.09 +0.01",
        "Thu 10.09 14:00:00 nbkr live 105.0523 of 10.09 -0.01",  # as is the 9th, which it had said too
    ]


def test_a_quote_that_an_operator_keeps_stands_still_until_it_is_confirmed() -> None:
    orders: dict[datetime, Callable[[Replay], object]] = {
        at("09-08 08:00"): lambda day: day.desk.hold(KGS, now=day.now),
        at("09-10 08:00"): lambda day: day.desk.confirm(KGS, now=day.now),
    }
    days = replay("09-10 09:00", at_moments=orders)

    assert days.line(KGS, "09-08 06:00") == [
        "Tue 08.09 14:00:00 nbkr unconfirmed 87.5437 of 08.09 +0.01",
        "Thu 10.09 14:00:00 nbkr live 87.5436 of 10.09 -0.01",
    ]


@pytest.mark.parametrize("factor", ["1.03", "1.08", "0.9"])
def test_a_slip_in_one_row_of_one_table_is_never_published(factor: str) -> None:
    days = replay("09-10 07:00", moves=(bad_print("nbkr", factor, "09-09", "09-09"),))

    assert days.still("09-09 10:00", KGS) == "nbkr unconfirmed 87.5437 of 08.09 +0.01"
    assert days.still("09-10 06:00", KGS).startswith("nbkr live 87.5436 of 10.09")


@pytest.mark.parametrize("factor", ["1.03", "1.08", "0.9"])
def test_a_slip_in_one_row_of_two_tables_is_never_published(factor: str) -> None:
    replay("09-11 07:00", moves=(bad_print("nbkr", factor, "09-09", "09-10"),))


def test_a_slip_that_only_its_followers_repeat_is_not_confirmed_by_them() -> None:
    # Frankfurter passes NBKR's figure on, and the Bank of Russia takes it over for the next day.
    echo = [
        fault("frankfurter", "09-08 10:30", "09-09 10:30", row("frankfurter", "KGS", value=times("1.08"))),
        fault("cbr", "09-09 11:30", "09-10 11:30", row("cbr", "KGS", value=times("0.925926"), **BARE)),
    ]
    replay("09-10 07:00", *echo, moves=(bad_print("nbkr", "1.08", "09-09", "09-09"),))


# Everything together.


def test_seven_weeks_with_every_fault_and_restarts_in_between() -> None:
    """No wrong price, no wrong percentage; the real devaluation is there in the end."""
    faults = (
        fault("nbk", "08-18 11:00", "08-19 11:00", row("nbk", "USD", value=times("10"))),
        fault("nbt", "08-19 03:05", "08-20 03:05", row("nbt", "USD", value=inverted)),
        fault("cbu", "08-19 09:00", "08-20 09:00", row("cbu", "USD", nominal=lambda text: "100")),
        fault("nbkr", "08-20 00:00", "08-24 00:00", GONE_403),
        fault("cbr", "08-20 11:30", "08-21 11:30", row("cbr", "KGS", value=times("10"), **BARE)),
        fault("fawazahmed0", "08-21 00:00", "08-22 00:00", says(HTML)),
        fault("nbt", "08-25 03:05", "08-27 03:05", of_day("nbt", "08-24")),
        fault("nbk", "08-26 00:00", "08-31 00:00", of_day("nbk", "08-25")),
        fault("cbr", "08-27 00:00", "08-28 00:00", says(HTML)),
        fault("cbu", "09-02 09:00", "09-04 09:00", row("cbu", "USD", value=times("1.159"))),
        fault("floatrates", "09-03 00:00", "09-05 00:00", row("floatrates", "UZS", value=times("10"))),
        fault("nbk", "09-09 11:00", "09-10 11:00", only_of("09-10", of_day("nbk", "09-09", "09-10"))),
        *(fault(key, "09-12 03:00", "09-12 15:00", fails(TimeoutError())) for key in SOURCES),
        fault("frankfurter", "09-14 00:00", "09-18 00:00", GONE_403),
        fault("cbu", "09-15 00:00", "09-16 00:00", of_day("cbu", "09-18")),
    )
    moves = (
        bad_print("cbu", "1.159", "09-23", "09-24", "TMT"),
        Move(
            source="nbt",
            code="TJS",
            factor=Decimal("1.004"),
            since=on("09-24"),
            until=on("09-24"),
            out_at=at("09-24 08:00"),
        ),
        *(
            Move(source=key, code="KGS", factor=Decimal("1.1175"), since=on(day))
            for key, day in (
                ("nbkr", "09-17"),
                ("cbr", "09-18"),
                ("fawazahmed0", "09-18"),
                ("floatrates", "09-18"),
            )
        ),
    )
    moments = ("08-19 03:00", "08-22 10:00", "09-03 12:00", "09-12 10:00", "09-16 10:30")
    restarts = {at(moment): Replay.restart for moment in moments}
    whole = replay("09-29 17:00", *faults, since=at("08-10 06:00"), moves=moves, at_moments=restarts, every=4)

    assert whole.line(TMT) == ["Mon 10.08 11:00:00 peg pegged 3.5 of 01.01 +0.00"]
    assert whole.line(KGS, "08-20 06:00", "08-24 06:00") == [
        "Fri 21.08 14:30:00 nbkr stale 87.5442 of 20.08 +0.32",  # CBR is unconfirmed, an aggregator is gone
        "Fri 21.08 17:32:00 cbr fallback 87.54427778 of 21.08 +0.32, next 87.54822569 of 22.08",
        "Sat 22.08 03:00:00 cbr fallback 87.54822569 of 22.08 +0.00",
        "Mon 24.08 08:05:00 nbkr live 87.6456 of 24.08 -",
        "Mon 24.08 08:05:00 nbkr live 87.6456 of 22.08 -0.11",
    ]
    assert whole.line(KGS, "09-16 00:00", "09-17 12:00") == [
        # The restart at 16:30 does not know how long the table had stood.
        "Wed 16.09 16:42:02 nbkr live 87.4634 of 16.09 +0.10, next 97.7357 of 17.09",
        "Thu 17.09 00:00:00 nbkr live 97.7357 of 17.09 -10.51",
        "Thu 17.09 16:22:00 nbkr live 97.7357 of 17.09 -10.51, next 97.7252 of 18.09",
    ]
    assert whole.line(KZT, "08-18 06:00", "08-19 18:00") == [
        "Tue 18.08 16:02:00 nbk unconfirmed 462.09 of 18.08 +0.39",
        "Wed 19.08 16:02:00 nbk live 462.09 of 18.08 +0.39",
        "Wed 19.08 16:02:00 nbk live 462.08 of 19.08 +0.00, next 461.27 of 20.08",
    ]
    assert whole.line(KZT, "08-26 00:00", "08-31 06:00") == [
        "Thu 27.08 14:30:00 nbk stale 457.62 of 26.08 -0.07",
        "Thu 27.08 14:30:01 cbr fallback 457.6188458 of 27.08 -0.08",
        "Fri 28.08 07:05:00 cbr fallback 461.8575697 of 28.08 -0.92",
        "Fri 28.08 16:32:00 cbr fallback 461.8575697 of 28.08 -0.92, next 463.3879458 of 29.08",
        "Sat 29.08 02:00:00 cbr fallback 463.3879458 of 29.08 -0.33",
        "Mon 31.08 07:05:00 nbk live 463.77 of 31.08 -",
        "Mon 31.08 07:05:00 nbk live 463.77 of 29.08 -0.08",
    ]
    assert whole.line(TJS, "08-19 00:00", "08-20 12:00") == [
        "Wed 19.08 08:07:00 nbt unconfirmed 9.2362 of 18.08 +0.01",
        "Wed 19.08 08:07:00 nbt unconfirmed 9.2416 of 19.08 -0.06",  # its archive is right
        "Thu 20.08 08:07:00 nbt live 9.1725 of 20.08 +0.75",
    ]
    assert whole.line(TJS, "09-24 00:00", "09-25 12:00") == [
        "Thu 24.09 08:07:00 nbt live 9.2583 of 24.09 -0.22",
        "Thu 24.09 14:28:00 nbt live 9.2953 of 24.09 -0.62, corrected",
        "Fri 25.09 08:07:00 nbt live 9.2185 of 25.09 +0.83",
    ]
    assert whole.line(UZS, "09-02 06:00", "09-07 06:00") == [
        "Wed 02.09 14:02:00 cbu unconfirmed 11815.23 of 02.09 -0.07",
        "Fri 04.09 14:02:00 cbu live 11815.23 of 02.09 -0.07",
        "Fri 04.09 14:02:00 cbu live 11779.56 of 04.09 -, next 11779.06 of 07.09",
        "Fri 04.09 14:02:00 cbu live 11779.56 of 04.09 +0.11, next 11779.06 of 07.09",
        "Mon 07.09 00:00:00 cbu live 11779.06 of 07.09 +0.00",
    ]
    assert whole.line(UZS, "09-15 00:00", "09-16 06:00") == [
        "Wed 16.09 07:05:00 cbu live 11771.21 of 16.09 -0.33",
    ]
