"""A desk that hears rates as a poller brings them, and tables for it to hear; every moment is passed in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from unittest.mock import patch
from zoneinfo import ZoneInfo

from ticker.config import Settings
from ticker.rates.desk import Desk
from ticker.rates.events import Baseline, Said
from ticker.rates.model import Fixing, Pair, Quote, Rate
from ticker.rates.policy import Rule
from ticker.rates.source import Source
from ticker.rates.tables import tables_of
from ticker.rules import new_desk
from ticker.sources import SOURCES

KGS, TMT, KZT = Pair("KGS", "USD"), Pair("TMT", "USD"), Pair("KZT", "USD")
BISHKEK = ZoneInfo("Asia/Bishkek")
WED = date(2026, 9, 16)  # no holiday near, in none of the countries
THU, FRI, SAT, SUN, MON, TUE = (WED + timedelta(days=days) for days in range(1, 7))
DAY = timedelta(days=1)
HOURS = timedelta(hours=1)
MINUTES = timedelta(minutes=1)

PEG = Rate(source="peg", pair=Pair("USD", "TMT"), value=Decimal("3.5"), nominal=1, as_of=date(2015, 1, 1))
BAND = (Decimal(60), Decimal(130))
PANEL = ("fawazahmed0", "frankfurter", "floatrates")
RULE = Rule(symbol=KGS, chain=("nbkr", "cbr"), authorities=frozenset({"nbkr"}), panel=PANEL, band=BAND)
ALONE = replace(RULE, chain=("nbkr",), panel=())
PEGGED = Rule(symbol=TMT, chain=("cbt", "cbr"), authorities=frozenset({"cbt"}), peg=PEG)
TENGE = Rule(symbol=KZT, chain=("nbk",), authorities=frozenset({"nbk"}))
TENGE_LINE = replace(TENGE, chain=("nbk", "cbr"), panel=PANEL, band=(Decimal(300), Decimal(900)))


class Hearing(Desk):
    """
    A desk in ordinary times: every source is proven with its first word, as if it had run for years.

    With `first_start` it is new: first rates wait, and have to be proven.
    """

    def __init__(self, *rules: Any, first_start: bool = False, **others: Any) -> None:
        super().__init__(*rules, **others)
        self._first_start = first_start

    def post(self, rates: Iterable[Rate], *, now: datetime, asked: date | None = None) -> list[Quote]:
        """Hear the tables in an answer; `asked` is the day asked for, if it is not the newest told."""
        quotes: dict[Any, Quote] = {}
        tables = tables_of(rates)
        for source in dict.fromkeys(table.source for table in tables):
            own = [table for table in tables if table.source == source]
            proven = source in {key for key, _ in self.book.series}
            day = asked or max(table.day for table in own)
            said = self.hear(own, source=source, asked=day, now=now, monotonic=now.timestamp())
            if not self._first_start and not proven:
                self._add(Baseline(at=now, verdicts=self.book.verdicts()))
                said = [*said, *self.tick(now=now)]
            quotes |= {quote.symbol: quote for quote in said}
        return list(quotes.values())

    def teach(self, rates: Iterable[Rate], *, now: datetime) -> list[Quote]:
        """Hear what an archive says."""
        return self.learn(tables_of(rates), now=now)

    def again(self, source: str, *, now: datetime) -> list[Quote]:
        """A source gives its answer about its newest day again, if it gave any."""
        events = (entry.event for entry in self.entries)
        said = (each for each in events if isinstance(each, Said) and not each.archive)
        days = {each.table.day: each.table for each in said if each.source == source}
        newest = [days[max(days)]] if days else []
        day = newest[0].day if newest else now.date()
        return self.hear(newest, source=source, asked=day, now=now, monotonic=now.timestamp())

    def none(self, source: str, *days: date, now: datetime) -> list[Quote]:
        """A source has no table for some days."""
        for day in days:
            self.hear_empty(source, day, day, now=now)
        return self.tick(now=now)

    def folded(self, *, quotes: bool = True) -> Hearing:
        """Another process's desk, loaded from the ledger that this one wrote, and from its quotes."""
        other = Hearing(
            self._rules.values(),
            sources=self._sources,
            guard=self._guard,
            history_days=self._history.days,
            absent=self._absent,
            first_start=self._first_start,
        )
        other.load(self.entries, self.quotes.values() if quotes else ())
        return other


class Careful(Hearing):
    """A desk that is restarted after every event: another one that folds its ledger must say the same."""

    def tick(self, *, now: datetime) -> list[Quote]:
        changed = super().tick(now=now)
        assert_same(self, self.folded(), now)
        return changed


def assert_same(one: Hearing, folded: Hearing, now: datetime) -> None:
    """Another process publishes nothing anew, and comes to the same quotes, publications and doubts."""
    assert Desk.tick(folded, now=now) == []
    afresh = one.folded(quotes=False)
    Desk.tick(afresh, now=now)
    for symbol, quote in afresh.quotes.items():
        assert replace(quote, published_at=one.quotes[symbol].published_at) == one.quotes[symbol]
    assert set(folded.fixings()) == set(one.fixings())
    assert _numbers(folded) == _numbers(one)
    assert (folded.on_hold, folded.waiting()) == (one.on_hold, one.waiting())


def _numbers(one: Desk) -> dict[Any, int]:
    return {key: word.number for key, word in one.book.doubted().items()}


class Proven(Desk):
    """A desk in ordinary times, for a poller: who has waited for the others is proven."""

    def waited(self, source: str, *, now: datetime) -> list[Quote]:
        first = source in self.waiting()
        changed = {each.symbol: each for each in super().waited(source, now=now)}
        if first:
            self._add(Baseline(at=now, verdicts=self.book.verdicts()))
            changed |= {each.symbol: each for each in self.tick(now=now)}
        return list(changed.values())


def proven_desk(settings: Settings, sources: Iterable[Source], kind: type[Desk] = Proven) -> Desk:
    """An empty desk of a kind, by the settings."""
    with patch("ticker.rules.Desk", kind):
        return new_desk(settings, sources)


def desk(*rules: Rule, **others: Any) -> Hearing:
    return Hearing(rules or (RULE,), sources=SOURCES, **others)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=BISHKEK)


def midnight(day: date) -> datetime:
    """The beginning of a day in Bishkek."""
    return noon(day) - 12 * HOURS


def late(day: date) -> datetime:
    """The moment of a day at which a quote is late whose newest table is that of the working day before."""
    return noon(day) + 150 * MINUTES


def som(value: str, as_of: date, *, base: str = "USD") -> Rate:
    return Rate(source="nbkr", pair=Pair(base, "KGS"), value=Decimal(value), nominal=1, as_of=as_of)


def table(usd: str, as_of: date, *, others: str = "1") -> list[Rate]:
    """NBKR's table: the dollar, and three more currencies, each `others` times its usual figure."""
    usual = {"EUR": "101.5076", "CNY": "12.0713", "RUB": "1.1330"}
    factor = Decimal(others)
    return [
        som(usd, as_of),
        *(som(str(Decimal(figure) * factor), as_of, base=base) for base, figure in usual.items()),
    ]


def roubles_for_tenge(as_of: date, *, kzt: str = "16.9600") -> list[Rate]:
    """The Bank of Russia's: 16.96 roubles for 100 tenge, 77.1770 for a dollar: 455.05 tenge a dollar."""
    return [roubles("KZT", kzt, 100, as_of), roubles("USD", "77.1770", 1, as_of)]


def tenge(usd: str, day: date, *, of: date | None = None) -> list[Rate]:
    """NBK's table of a day, others than the dollar move daily; `of` another day, under this date."""
    rows = {"USD": usd, "EUR": "520.10", "CNY": "63.70", "RUB": "5.80"}
    moved = Decimal((of or day).day) / 1000
    return [
        Rate(
            source="nbk",
            pair=Pair(base, "KZT"),
            value=Decimal(value) + (moved if base != "USD" else 0),
            nominal=1,
            as_of=day,
        )
        for base, value in rows.items()
    ]


def roubles(base: str, value: str, nominal: int, as_of: date) -> Rate:
    return Rate(source="cbr", pair=Pair(base, "RUB"), value=Decimal(value), nominal=nominal, as_of=as_of)


def cbr_table(as_of: date, *, kgs: str = "88.2534") -> list[Rate]:
    """The Bank of Russia's: 88.2534 roubles for 100 som and 77.1770 for a dollar are 87.4493 som a dollar."""
    return [roubles("KGS", kgs, 100, as_of), roubles("USD", "77.1770", 1, as_of)]


def market(source: str, value: str, as_of: date, *, quote: str = "KGS") -> Rate:
    return Rate(source=source, pair=Pair("USD", quote), value=Decimal(value), nominal=1, as_of=as_of)


def with_others(one: Hearing, value: str, day: date) -> None:
    """All three aggregators say about this."""
    for source in PANEL:
        one.post([market(source, value, day)], now=noon(day))


def of(quotes: Iterable[Quote], symbol: Pair = KGS) -> Quote:
    found = [quote for quote in quotes if quote.symbol == symbol]
    assert len(found) == 1
    return found[0]


class Shown(NamedTuple):
    """What a reader sees of a quote."""

    inverse: str
    as_of: date
    source: str
    status: str


def shown(one: Desk, symbol: Pair = KGS) -> Shown:
    quote = one.quotes[symbol]
    return Shown(str(quote.inverse), quote.as_of, quote.source, quote.status)


def days_of(fixings: Iterable[Fixing]) -> set[date]:
    return {fixing.day for fixing in fixings}
