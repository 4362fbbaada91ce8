"""
Turns the data of the last version before the ledger into events: its history, memory and quotes. Pure.

That version stored conclusions. Its history has one row for each publication that it accepted. Its memory has
the rates that were unconfirmed ("held"), those that it doubted and never accepted, the newest tables, the
symbols on hold ("kept"), and the days for which it found no table ("barren").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import groupby

from pydantic import BaseModel, ConfigDict

from ticker.protocol import decode_moment
from ticker.rates.calendar import ONE_DAY, spans
from ticker.rates.events import Baseline, Empty, Event, Order, Said, Verdict
from ticker.rates.model import Fixing, Pair, Quote, Rate
from ticker.rates.tables import Figure, Table, fixing_of, tables_of
from ticker.records import FixingRecord, LegRecord
from ticker.wire import Symbol

_REASON = "doubted by an earlier version"

_Day = tuple[str, date]
"""A day of a source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyHeld:
    """An unconfirmed rate."""

    fixing: Fixing
    first_seen: datetime
    earlier: tuple[Fixing, ...] = ()
    """Its earlier versions with the same figures, for the days before."""

    @property
    def said(self) -> tuple[Fixing, ...]:
        """All versions, one for each day, oldest first."""
        return (*self.earlier, self.fixing)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyMemory:
    """What that version knew beside its fixings and quotes."""

    tables: tuple[Table, ...] = ()
    """The last tables of each source, one for each day."""
    held: tuple[LegacyHeld, ...] = ()
    doubted: frozenset[Fixing] = frozenset()
    """What was once doubted and never accepted."""
    kept: frozenset[Pair] = frozenset()
    """The symbols that an operator had put on hold."""
    barren: Mapping[str, frozenset[date]] = field(default_factory=dict)
    """The days for which a source had no table."""

    @property
    def doubts(self) -> frozenset[Fixing]:
        """Everything that was not accepted."""
        return self.doubted.union(*(held.said for held in self.held))


# Its text.


class _Text(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _HeldText(_Text):
    fixing: FixingRecord
    reason: str
    by_hand: bool
    absurd: bool
    first_seen: str
    last_seen: str
    coherent: bool
    earlier: list[FixingRecord]

    def held(self) -> LegacyHeld:
        return LegacyHeld(
            fixing=self.fixing.fixing(),
            first_seen=decode_moment(self.first_seen),
            earlier=tuple(each.fixing() for each in self.earlier),
        )


class _MemoryText(_Text):
    tables: dict[str, list[list[LegRecord]]]
    held: list[_HeldText]
    doubted: list[FixingRecord]
    unproven: list[FixingRecord]
    kept: list[Symbol]
    barren: dict[str, list[str]]

    def rates(self) -> Iterator[Rate]:
        for source, tables in self.tables.items():
            for table in tables:
                for leg in table:
                    yield leg.rate(source)


def decode_memory(text: str) -> LegacyMemory:
    """Read the JSON object of a memory. Raises ValueError if it is not one."""
    told = _MemoryText.model_validate_json(text)
    return LegacyMemory(
        tables=tuple(tables_of(told.rates())),
        held=tuple(each.held() for each in told.held),
        doubted=frozenset(each.fixing() for each in told.doubted),
        kept=frozenset(map(Pair.parse, told.kept)),
        barren={source: frozenset(map(date.fromisoformat, days)) for source, days in told.barren.items()},
    )


# Its events.


def events_of(
    fixings: Iterable[Fixing], memory: LegacyMemory | None, quotes: Iterable[Quote], *, now: datetime
) -> list[Event]:
    """
    The data of that version as the first events of a ledger, to be numbered from 1.

    First come the tables that were accepted or given up, and a baseline with the verdicts on them. Then come
    the unconfirmed ones, to be judged again, and the holds. A corrected publication becomes a single table,
    so its `corrected` is lost.
    """
    memory = memory or LegacyMemory()
    latest = {quote.symbol: quote for quote in quotes}
    believed = [fixing for fixing in fixings if fixing not in memory.doubts]
    settled = _settled(believed, memory, now)
    stated = {(said.source, said.table.day) for said in settled}
    empty = _empty(_barren(memory) | _skipped(latest.values(), believed), stated, now)
    drawn = Baseline(at=now, verdicts=_verdicts(settled, believed, memory.doubts))
    events: list[Event] = [*settled, *empty, drawn, *_held(memory), *_holds(memory, latest, now)]
    return events if len(events) > 1 else []


def _settled(believed: Iterable[Fixing], memory: LegacyMemory, now: datetime) -> list[Said]:
    """
    Every table of which something was accepted or given up, day by day.

    What was given up of a day comes first, because the source has stated something else since.
    """
    given_up = _by_day(memory.doubted.difference(*(held.said for held in memory.held)))
    accepted, remembered = _by_day(believed), _remembered(memory)
    said: list[Said] = []
    for key in sorted(
        given_up.keys() | accepted.keys() | remembered.keys(), key=lambda key: (key[1], key[0])
    ):
        tables = _tables(key, given_up.get(key, []))
        tables += _tables(key, accepted.get(key, []), remembered.get(key))
        said += [Said(at=now, table=table) for table in tables]
    return said


def _verdicts(
    settled: Sequence[Said], believed: Iterable[Fixing], doubts: Collection[Fixing]
) -> tuple[Verdict, ...]:
    """
    A verdict on everything in these tables that is not accepted; tables are numbered from 1.

    A table that was given up for one symbol may be wrong for others as well.
    """
    good = {_figures(fixing) for fixing in believed}
    bad = {_figures(fixing) for fixing in doubts}
    symbols = sorted({fixing.symbol for fixing in (*believed, *doubts)})
    found = []
    for number, said in enumerate(settled, 1):
        told = [fixing for symbol in symbols if (fixing := fixing_of(symbol, said.table))]
        if any(_figures(fixing) in bad for fixing in told):
            found += [_verdict(fixing, number) for fixing in told if _figures(fixing) not in good]
    return tuple(found)


def _figures(fixing: Fixing) -> Hashable:
    return fixing.source, fixing.symbol, fixing.day, fixing.figures


def _verdict(fixing: Fixing, number: int) -> Verdict:
    return Verdict(source=fixing.source, symbol=fixing.symbol, day=fixing.day, number=number, reason=_REASON)


def _remembered(memory: LegacyMemory) -> dict[_Day, Table]:
    """The remembered tables of which nothing was doubted."""
    doubted = {(fixing.source, fixing.day) for fixing in memory.doubts}
    tables = {(table.source, table.day): table for table in memory.tables}
    return {key: table for key, table in tables.items() if key not in doubted}


def _by_day(fixings: Iterable[Fixing]) -> dict[_Day, list[Fixing]]:
    """Fixings by source and day. Crosses come first, so that direct figures replace them."""
    days: dict[_Day, list[Fixing]] = defaultdict(list)
    for fixing in sorted(fixings, key=lambda each: (-len(each.legs), str(each.symbol), str(each.price))):
        days[fixing.source, fixing.day].append(fixing)
    return days


def _tables(key: _Day, fixings: Iterable[Fixing], remembered: Table | None = None) -> list[Table]:
    """
    The table of the fixings of one day, completed from the remembered table.

    More than one if the fixings contradict each other: they came from several versions of the table.
    """
    versions: list[list[Fixing]] = []
    for fixing in fixings:
        fitting = (version for version in versions if _fits(_table(key, version), fixing))
        if version := next(fitting, None):
            version.append(fixing)
        else:
            versions.append([fixing])
    tables = [_filled(_table(key, version), remembered) for version in versions]
    return tables or ([remembered] if remembered else [])


def _table(key: _Day, fixings: Iterable[Fixing]) -> Table:
    """A table with only the figures of these fixings."""
    legs = [leg for fixing in fixings for leg in fixing.legs]
    return Table(
        source=key[0],
        day=key[1],
        figures={leg.pair: Figure(leg.value, leg.nominal) for leg in legs},
        times={leg.pair: leg.as_of for leg in legs if isinstance(leg.as_of, datetime)},
    )


def _fits(table: Table, fixing: Fixing) -> bool:
    return table.says_as(_table((table.source, table.day), [fixing]))


def _filled(table: Table, remembered: Table | None) -> Table:
    """A table completed from the remembered one of its day, if that is the same version."""
    if remembered is None or not table.says_as(remembered):
        return table
    figures = {**remembered.figures, **table.figures}
    return replace(table, figures=figures, times={**remembered.times, **table.times})


def _held(memory: LegacyMemory) -> list[Said]:
    """The tables with unconfirmed rates; each version once."""
    tables = {(table.source, table.day): table for table in memory.tables}
    seen = {fixing: held.first_seen for held in memory.held for fixing in held.said}
    said = []
    for key, fixings in _by_day(seen).items():
        for table in _tables(key, fixings, tables.get(key)):
            at = min(at for fixing, at in seen.items() if _is_in(table, fixing))
            said.append(Said(at=at, table=table))
    return sorted(said, key=lambda each: (each.at, each.table.day))


def _is_in(table: Table, fixing: Fixing) -> bool:
    return (table.source, table.day) == (fixing.source, fixing.day) and _fits(table, fixing)


def _holds(memory: LegacyMemory, quotes: Mapping[Pair, Quote], now: datetime) -> list[Order]:
    """The holds of operators, with the last published quotes."""
    return [
        Order(
            at=now,
            verb="hold",
            symbol=symbol,
            quote=replace(quotes[symbol], status="unconfirmed", due_at=None, next=None),
        )
        for symbol in sorted(memory.kept & quotes.keys())
    ]


# Days without a table.


def _barren(memory: LegacyMemory) -> set[_Day]:
    return {(source, day) for source, days in memory.barren.items() for day in days}


def _skipped(quotes: Iterable[Quote], believed: Iterable[Fixing]) -> set[_Day]:
    """
    The days between the publications that a quote compares or announces.

    That version knew by its calendar that there was no publication between them.
    """
    days: dict[tuple[str, Pair], list[date]] = defaultdict(list)
    for fixing in believed:
        days[fixing.source, fixing.symbol].append(fixing.day)
    found: set[_Day] = set()
    for quote in quotes:
        source, today = quote.source.rpartition(":")[2], _day(quote.as_of)
        before = max((day for day in days[source, quote.symbol] if day < today), default=today)
        begin = before if quote.previous is not None else today
        end = _day(quote.next.as_of) if quote.next else today
        found |= {(source, begin + ONE_DAY * ahead) for ahead in range(1, (end - begin).days)}
    return found


def _day(as_of: date) -> date:
    return as_of.date() if isinstance(as_of, datetime) else as_of


def _empty(days: set[_Day], stated: set[_Day], now: datetime) -> list[Empty]:
    """The days without a table, as ranges without a gap."""
    return [
        Empty(at=now, source=source, first=span.first, last=span.last)
        for source, own in groupby(sorted(days - stated), key=lambda each: each[0])
        for span in spans(day for _, day in own)
    ]
