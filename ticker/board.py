"""
Rates in, changed quotes out; and `since(cursor)`, what a reader has not seen. Pure.

A quote is the word of one source: the authority, the central bank of the currency, and while it is
silent a stand-in. Never an average, and never a percentage across two sources. A rate holds from the
midnight of its day in its source's country; what the guard doubts is held back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from typing import Generic, Literal, TypeVar
from zoneinfo import ZoneInfo

from ticker import guard
from ticker.guard import Doubt, Guard, Held
from ticker.model import DERIVED, EXACT, NOWHERE, Announcement, Cursor, Fixing, Pair, Quote, Rate, Status
from ticker.series import Series
from ticker.source import Source

_CENT = Decimal("0.01")
_ONE_DAY = timedelta(days=1)
_ALARM = Decimal("0.005")
"""How far from a peg a bank's rate may be, as a share, before it is a sign."""
_ALARM_DAYS = 2
_ALARM_BANKS = 3
_TABLES = 4
"""Tables of a source that are remembered: tomorrow's, today's, and what they may repeat."""
_WITNESS = 2
"""The half votes of a source that finds prices itself; one that follows others is no witness."""
_CONSENSUS = Decimal("0.01")
_PANEL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How one symbol gets its value."""

    symbol: Pair
    chain: tuple[str, ...]
    """Keys of sources; the first that has a rate that holds is the value."""
    authorities: frozenset[str] = frozenset()
    """Those of the chain whose word is the value; the others only stand in."""
    panel: tuple[str, ...] = ()
    """Sources of which the middle one stands in when the whole chain is silent, if three of them agree."""
    band: tuple[Decimal, Decimal] | None = None
    """Lowest and highest believable units of `symbol.base` per one `symbol.quote`."""
    tolerance: Decimal = Decimal("0.015")
    """How far a new rate may be from the median of the others, as a share."""
    peg: Rate | None = None
    """The fixed rate where there is one; the chain is not asked then, but watched."""


Key = tuple[str, Pair]
"""One source's word about one symbol."""
Table = tuple[Rate, ...]
"""What a source said at once, of one day."""
Basis = tuple[Fixing, Fixing | None, Status, Fixing | None]
"""What a quote is made of: the fixing that holds, the one before it, how good it is, the one announced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a board knows beside its fixings and quotes, so that another process can go on from it."""

    tables: Mapping[str, tuple[Table, ...]] = field(default_factory=dict)
    """The last tables of each source, by day."""
    held: Mapping[Key, Held] = field(default_factory=dict)
    doubted: frozenset[Fixing] = frozenset()
    """What was held back and never believed: the archives of its sources may go on saying so."""
    unproven: frozenset[Fixing] = frozenset()
    """The first rates of their series, which were believed with nothing to compare them with."""
    kept: frozenset[Pair] = frozenset()
    """The symbols that an operator keeps as they are."""
    barren: Mapping[str, frozenset[date]] = field(default_factory=dict)
    """The days for which a source was asked in vain."""


class Board:
    """
    The quotes of all symbols, and the fixings that they rest on.

    `sources` are all that may be heard. `label` (`demo`) is put before the source's key in every
    quote, where the rates are nobody's word; sources in `absent` are not polled, so nobody waits for them.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        *,
        sources: Mapping[str, Source],
        guard: Guard | None = None,
        history_days: int = 1830,
        label: str = "",
        absent: Iterable[str] = (),
    ) -> None:
        self._rules = {rule.symbol: rule for rule in rules}
        self._sources = sources
        self._zones: dict[str, tzinfo] = {key: ZoneInfo(each.timezone) for key, each in sources.items()}
        self._guard = guard or Guard()
        self._history = timedelta(days=history_days)
        self._label = f"{label}:" if label else ""
        self._series: dict[Key, Series] = {}
        self._tables: dict[str, tuple[Table, ...]] = {}
        self._held: dict[Key, Held] = {}
        self._doubted: set[Fixing] = set()
        self._unproven: dict[Key, Fixing] = {}
        self._kept: set[Pair] = set()
        self._barren: dict[str, frozenset[date]] = {}
        self._heard: set[str] = set()
        self._silent = set(absent)
        self._expected: set[str] = set()
        self._filled: frozenset[str] = frozenset()
        self._withdrawn: dict[tuple[str, Pair, date], Fixing] = {}
        self._fresh: dict[tuple[str, Pair, date], Fixing] = {}
        self._bases: dict[Pair, Basis] = {}
        self.quotes: dict[Pair, Quote] = {}

    # What an earlier process knew.

    def restore(
        self, fixings: Iterable[Fixing], quotes: Iterable[Quote], memory: Memory | None = None
    ) -> None:
        """
        Take up what another process published, so that nothing is said twice.

        Its memory takes the place of what this board remembered: it has gone on meanwhile.
        """
        memory = memory or self.memory
        for fixing in fixings:
            if fixing not in memory.doubted:
                self._restore(fixing)
        for quote in quotes:
            if quote.symbol in self._rules:
                self.quotes[quote.symbol] = quote
        self._tables = {key: tables for key, tables in memory.tables.items() if key in self._sources}
        self._held = {key: held for key, held in memory.held.items() if self._knows(key)}
        self._doubted = set(memory.doubted)
        unproven = {(first.source, first.symbol): first for first in memory.unproven}
        self._unproven = {key: first for key, first in unproven.items() if self._knows(key)}
        self._kept = set(memory.kept & self._rules.keys())
        self._barren = dict(memory.barren)

    def _restore(self, fixing: Fixing) -> None:
        if self._knows((fixing.source, fixing.symbol)):
            self._series_of(fixing.source, fixing.symbol).add(fixing)

    def _knows(self, key: Key) -> bool:
        return key[0] in self._sources and key[1] in self._rules

    @property
    def memory(self) -> Memory:
        """What another process needs to go on from here, beside fixings and quotes."""
        return Memory(
            tables=dict(self._tables),
            held=dict(self._held),
            doubted=frozenset(self._doubted),
            unproven=frozenset(self._unproven.values()),
            kept=frozenset(self._kept),
            barren=dict(self._barren),
        )

    # What comes in.

    def post(self, rates: Iterable[Rate], *, now: datetime) -> list[Quote]:
        """Take the rates of a source's newest table; return the quotes that changed by it."""
        for source, table in _tables(rates):
            self._silent.discard(source)
            self._heard.add(source)
            self._take(source, table, now)
        return self.tick(now=now)

    def learn(self, rates: Iterable[Rate], *, now: datetime, more: bool = False) -> list[Quote]:
        """
        Take the rates of earlier days, where they are not known; return the quotes that changed by it.

        With `more` to come, the oldest days only serve as neighbours, and are to be told again.
        A rate that is far off its neighbours is left out, and one that the guard holds back or has never
        believed; and so is a whole table with the very figures of the one before, which was only stamped
        anew, or of the newest one: banks answer so to days that they do not have.
        """
        told: dict[Key, dict[date, Fixing]] = defaultdict(dict)
        tables = _tables(rates)
        days = sorted({table[0].day for _, table in tables})
        oldest = set(days[: guard.NEIGHBOURS]) if more else set()
        for source, table, before in self._with_the_one_before(tables):
            if self._is_todays(source, table) or self._is_stamped_anew(source, table, before):
                continue
            for symbol in self._served(source):
                if fixing := fixing_of(symbol, table):
                    told[source, symbol][fixing.day] = fixing
        for (source, symbol), by_day in told.items():
            self._learn(self._series_of(source, symbol), self._rules[symbol], by_day, oldest)
        return self.tick(now=now)

    def miss(self, source: str, *, now: datetime) -> list[Quote]:
        """Note that a source did not answer; return the quotes that changed by it."""
        self._silent.add(source)
        return self.tick(now=now)

    def hear(self, source: str, *, now: datetime) -> list[Quote]:
        """Note that a source says what it said before; return the quotes that changed by it."""
        self._silent.discard(source)
        self._heard.add(source)
        return self.tick(now=now)

    def expect(self, sources: Iterable[str]) -> None:
        """
        Know whose histories are going to be told.

        Nobody stands in for these sources before that, as they may hold today's rate; and a change is
        unknown while a publication in between is still to be told.
        """
        self._filled = frozenset(sources)
        self._expected = set(self._filled)

    def expect_no_longer(self, source: str) -> None:
        """The history of a source was told, or can't be had."""
        self._expected.discard(source)

    def tick(self, *, now: datetime) -> list[Quote]:
        """Judge every symbol anew; return the quotes that changed."""
        self._review(now)
        changed = []
        for rule in self._rules.values():
            quote = self._judge(rule, now)
            if quote is None:
                continue
            known = self.quotes.get(rule.symbol)
            if known is None or replace(quote, published_at=known.published_at) != known:
                self.quotes[rule.symbol] = quote
                changed.append(quote)
        return changed

    # What an operator decides.

    def confirm(self, symbol: Pair, *, now: datetime) -> tuple[list[Quote], str]:
        """
        End what an operator keeps; else believe what is held back of the authority, or of a stand-in.

        Returns the quotes that changed and what was done in words; no words: nothing is held back.
        """
        held = self._most_official_held(self._rules[symbol])
        if symbol in self._kept:
            self._kept.discard(symbol)
            still = f"; {_said(held)} is still held back, confirm again to believe it" if held else ""
            return self.tick(now=now), "its quote follows its sources again" + still
        if held is None:
            return [], ""
        del self._held[held.fixing.source, symbol]
        self._release(held, now)
        return self.tick(now=now), f"{_said(held)} is believed"

    def _most_official_held(self, rule: Rule) -> Held | None:
        """What is held back of the first source of a chain; of a stand-in nothing that is absurd."""
        for source in rule.chain:
            held = self._held.get((source, rule.symbol))
            if held and (source in rule.authorities or not held.doubt.absurd):
                return held
        return None

    def is_authority(self, source: str, symbol: Pair) -> bool:
        """Whether a source's word is the value of a symbol."""
        return source in self._rules[symbol].authorities

    @property
    def kept(self) -> frozenset[Pair]:
        """The symbols that an operator keeps as they are."""
        return frozenset(self._kept)

    def keep(self, symbol: Pair, *, now: datetime) -> tuple[list[Quote], str]:
        """Keep the quote of a symbol as it is until it is confirmed; return as `confirm` does."""
        quote = self.quotes.get(symbol)
        if quote is None:
            return [], ""
        self._kept.add(symbol)
        return self.tick(now=now), f"{_plain(quote.price)} as of {quote.as_of} is kept until it is confirmed"

    # What can be asked.

    def held(self, source: str | None = None) -> dict[Key, Held]:
        """What is held back, of one source or of all; a source with any must be asked unconditionally."""
        return {key: held for key, held in self._held.items() if source in (None, key[0])}

    def held_back(self, source: str) -> dict[Key, Held]:
        """What is held back of a source whose word may become a value: an operator should know."""
        served = self._served(source)
        return {key: held for key, held in self.held(source).items() if key[1] in served}

    def missed(self, source: str, *, now: datetime) -> int:
        """How many publications of a source are late, whether it answers or not."""
        if not (days := self._days_of(source)):
            return 0
        return self._sources[source].calendar.missed(max(days), now=now, zone=self._zones[source])

    def serves(self, source: str) -> bool:
        """Whether a source's word may become a value."""
        return bool(self._served(source))

    def currencies(self, source: str) -> set[str]:
        """The currencies of the symbols whose value a source may say."""
        return {code for symbol in self._served(source) for code in (symbol.base, symbol.quote)}

    def _served(self, source: str) -> list[Pair]:
        return [rule.symbol for rule in self._rules.values() if source in rule.chain and not rule.peg]

    def in_force(self, source: str, *, now: datetime) -> bool:
        """Whether a rate of a source is known that holds now and should."""
        held = (self._holds(source, symbol, now) for symbol in self._rules)
        return any(fixing and not self._late(fixing, now) for fixing in held)

    def published(self, source: str) -> date | None:
        """The day of a source's newest word, believed or held back."""
        return max(self._days_of(source), default=None)

    def announced(self, source: str, *, now: datetime) -> bool:
        """Whether a source has told a rate that takes effect later than today."""
        return max(self._days_of(source), default=date.min) > self._today(source, now)

    def gaps(self, source: str, *, since: date, now: datetime) -> list[date]:
        """The days from `since` on, newest first, whose rate of a source took effect and is not known."""
        told = (self._series.get((source, symbol)) for symbol in self._told_symbols(source))
        known = [series for series in told if series]
        newest = max((each.newest.day for each in known if each.newest), default=date.max)
        last = min(self._today(source, now), newest)
        days = (last - _ONE_DAY * back for back in range((last - since).days + 1))
        return [
            day
            for day in days
            if self._was_published(source, day)
            and (not known or any(series.on(day) is None and series.after(day) for series in known))
        ]

    def _told_symbols(self, source: str) -> list[Pair]:
        """The symbols that a source serves and whose earlier days it can tell."""
        served, history = self._served(source), self._sources[source].history
        if history is None:
            return served
        names = {*history.names, self._sources[source].authority_for}
        return [symbol for symbol in served if {symbol.base, symbol.quote} <= names]

    def _was_published(self, source: str, day: date) -> bool:
        """Whether a source has a rate that took effect on this day, as far as anybody knows."""
        barren = self._barren.get(source, frozenset())
        return day not in barren and self._sources[source].calendar.takes_effect_on(day)

    def asked_in_vain(self, source: str, days: Iterable[date]) -> None:
        """Remember days for which a source has no table of its own, so that it is not asked again."""
        self._barren[source] = self._barren.get(source, frozenset()) | frozenset(days)

    def ask_again(self, source: str) -> None:
        """Forget for which days a source was asked in vain."""
        self._barren.pop(source, None)

    def fixings(self, source: str | None = None) -> frozenset[Fixing]:
        """Everything that is remembered, of one source or of all."""
        return frozenset(
            fixing for (key, _), series in self._series.items() if source in (None, key) for fixing in series
        )

    def withdrawn(self) -> list[Fixing]:
        """The fixings that were given up since the last call."""
        gone, self._withdrawn = list(self._withdrawn.values()), {}
        return gone

    def drain(self) -> list[Fixing]:
        """The fixings that are new since the last call."""
        fresh, self._fresh = list(self._fresh.values()), {}
        return fresh

    # The guard.

    def _take(self, source: str, table: Table, now: datetime) -> None:
        if self._is_stamped_anew(source, table, self._table_before(source, table[0].day)):
            # Nothing was set: the bank was closed, or it is frozen, which its calendar tells.
            for key, held in self.held(source).items():
                self._say_again(key, held, table, now)
            return
        for rule in self._rules.values():
            if fixing := fixing_of(rule.symbol, table):
                self._consider(rule, fixing, table, now)
        others = (each for each in self._tables.get(source, ()) if each[0].day != table[0].day)
        self._tables[source] = tuple(sorted([*others, table], key=lambda each: each[0].day)[-_TABLES:])

    def _say_again(self, key: Key, held: Held, table: Table, now: datetime) -> None:
        """What a table that was only stamped anew says of what is held back: the same, or something else."""
        said = fixing_of(held.fixing.symbol, table)
        if said and said.figures == held.fixing.figures:
            self._held[key] = replace(held, last_seen=now)
        elif held.fixing.day <= table[0].day:
            del self._held[key]

    def _table_replaced(self, table: Table) -> Table:
        """What a table replaces: another one of its day, or else the one before."""
        source, day = table[0].source, table[0].day
        same = (known for known in self._tables.get(source, ()) if known[0].day == day and known != table)
        return next(same, self._table_before(source, day))

    def _table_before(self, source: str, day: date) -> Table:
        """The newest table of a source that is of an earlier day; empty if none is known."""
        return max(
            (table for table in self._tables.get(source, ()) if table[0].day < day),
            key=lambda table: table[0].day,
            default=(),
        )

    def _with_the_one_before(self, tables: Iterable[tuple[str, Table]]) -> Iterable[tuple[str, Table, Table]]:
        """Tables of earlier days (oldest first), each with the one before it, told or known."""
        told: dict[str, Table] = {}
        for source, table in tables:
            known, last = self._table_before(source, table[0].day), told.get(source, ())
            yield source, table, max(known, last, key=lambda each: each[0].day if each else date.min)
            told[source] = table

    def _is_stamped_anew(self, source: str, table: Table, before: Table) -> bool:
        return self._sources[source].kind == "fixing" and guard.stamped_anew(table, before)

    def _consider(self, rule: Rule, fixing: Fixing, table: Table, now: datetime) -> None:
        """Believe a rate of a newest table, or hold it back."""
        key = fixing.source, fixing.symbol
        series, held = self._series_of(*key), self._held.get(key)
        known, holds = series.on(fixing.day), series.at(self._today(fixing.source, now))
        if known and known.figures == fixing.figures:
            if held and held.fixing.day <= fixing.day:
                del self._held[key]  # the source took back what was held
            return
        if known and holds and fixing.day < holds.day:
            return  # what is over is not corrected by a newest table
        doubt = self._doubt(rule, fixing)
        if doubt is None:
            self._held.pop(key, None)
            self._accept(fixing, now)
            return
        self._doubted = {each for each in self._doubted if fixing.day - each.day <= self._history} | {fixing}
        moved = self._coherent(fixing, table)
        if held and self._same(held.fixing, fixing, rule):
            self._held[key] = held.again(fixing, doubt, coherent=moved, now=now)
        else:
            self._held[key] = Held(fixing=fixing, doubt=doubt, first_seen=now, last_seen=now, coherent=moved)

    def _review(self, now: datetime) -> None:
        """Look again at what is held back, and at what was believed without any evidence."""
        for key, held in list(self._held.items()):
            rule = self._rules[key[1]]
            doubt = self._doubt(rule, held.fixing)
            if doubt is None or self._confirmed(held, doubt):
                del self._held[key]
                self._release(held, now, proven=doubt is not None)
        for key, first in list(self._unproven.items()):
            self._prove(key, first, now)

    def _prove(self, key: Key, first: Fixing, now: datetime) -> None:
        """
        Look again at a series that began with nothing to compare it with, since others have spoken.

        Its own days before are no witnesses: they come from its own archive, and a bad print may last. So
        what is off the others is held back with all that agrees with it.
        """
        series, rule = self._series_of(*key), self._rules[key[1]]
        if (newest := series.newest) is None or key in self._held:
            del self._unproven[key]  # it is in doubt already
            return
        is_first = (newest.day, newest.figures) == (first.day, first.figures)
        doubt = self._doubt(rule, newest) if is_first else None
        if self._reference(newest) is not None:
            doubt = doubt or self._doubt(rule, newest, alone=True)
            if doubt or not any(map(self._is_unheard, self._sources)):
                del self._unproven[key]
        if doubt is None:
            return
        days = series.around(newest.day - guard.FRESH, newest.day, 0)
        alike = [each for each in days if guard.apart(each.price, newest.price) <= rule.tolerance]
        for fixing in alike:
            self._withdraw(fixing)
        self._held[key] = Held(
            fixing=newest,
            doubt=doubt,
            first_seen=now,
            last_seen=now,
            coherent=False,
            earlier=tuple(alike[:-1]),
        )

    def _withdraw(self, fixing: Fixing) -> None:
        """Give up what was believed."""
        self._series_of(fixing.source, fixing.symbol).remove(fixing.day)
        self._doubted.add(fixing)
        self._fresh.pop((fixing.source, fixing.symbol, fixing.day), None)
        self._withdrawn[fixing.source, fixing.symbol, fixing.day] = fixing

    def _release(self, held: Held, now: datetime, *, proven: bool = True) -> None:
        """Believe what was held back, for every day for which the source has said so."""
        for fixing in held.said:
            self._accept(fixing, now)
        if proven:
            self._unproven.pop((held.fixing.source, held.fixing.symbol), None)

    def _accept(self, fixing: Fixing, now: datetime) -> None:
        key = fixing.source, fixing.symbol
        series, source = self._series_of(*key), self._sources[fixing.source]
        self._doubted.discard(fixing)
        self._withdrawn.pop((*key, fixing.day), None)
        if not len(series) and (self._reference(fixing) is None or any(map(self._is_unheard, self._sources))):
            self._unproven[key] = fixing
        replaced = series.on(fixing.day)
        late = fixing.day <= self._today(fixing.source, now)
        corrected = replaced is not None and source.kind == "fixing" and (late or replaced.corrected)
        self._add(series, replace(fixing, corrected=corrected))

    def _add(self, series: Series, fixing: Fixing) -> None:
        if series.add(fixing):
            self._fresh[fixing.source, fixing.symbol, fixing.day] = fixing
        series.keep_last(self._history)

    def _learn(self, series: Series, rule: Rule, told: Mapping[date, Fixing], oldest: set[date]) -> None:
        believable = [
            fixing
            for day, fixing in told.items()
            if series.on(day) is None
            and fixing not in self._doubted
            and not (rule.band and not rule.band[0] <= fixing.inverse <= rule.band[1])
        ]
        if not believable or self._contradicts(series, rule, told):
            return
        days = [fixing.day for fixing in believable]
        near = series.around(min(days), max(days), guard.NEIGHBOURS)
        # There and back within days is no move of an official rate; a devaluation stays where it is.
        jump = min(self._guard.jump, 2 * rule.tolerance)
        off = guard.spikes(sorted([*near, *believable], key=lambda each: each.day), jump=jump)
        for fixing in sorted(believable, key=lambda each: each.day):
            if fixing.day not in off | oldest and not self._is_held_alike(rule, fixing):
                self._add(series, fixing)

    def _is_held_alike(self, rule: Rule, fixing: Fixing) -> bool:
        """Whether an archive only repeats for an earlier day what is held back of its source."""
        held = self._held.get((fixing.source, fixing.symbol))
        if held is None or not timedelta(0) <= held.fixing.day - fixing.day <= guard.FRESH:
            return False
        return guard.apart(held.fixing.price, fixing.price) <= rule.tolerance

    def _contradicts(self, series: Series, rule: Rule, told: Mapping[date, Fixing]) -> bool:
        """Whether an archive says of a known day something else altogether: it is about another currency."""
        known = ((series.on(day), fixing) for day, fixing in told.items())
        return any(own and guard.apart(own.price, fixing.price) > rule.tolerance for own, fixing in known)

    def _is_todays(self, source: str, table: Table) -> bool:
        """Whether a table of an earlier day is the newest one under another date."""
        newest, day, calendar = (
            self._tables.get(source, ((),))[-1],
            table[0].day,
            self._sources[source].calendar,
        )
        if not newest or not guard.stamped_anew(table, newest):
            return False
        later = (day + _ONE_DAY * ahead for ahead in range(1, (newest[0].day - day).days + 1))
        return any(calendar.takes_effect_on(each) for each in later)

    def _doubt(self, rule: Rule, fixing: Fixing, *, alone: bool = False) -> Doubt | None:
        """Why a rate is not believed; `alone` it is measured by the others only, whatever was before it."""
        return guard.doubt(
            fixing,
            before=None if alone else self._before(fixing),
            reference=self._reference(fixing),
            band=rule.band,
            tolerance=rule.tolerance,
            guard=self._guard,
        )

    def _before(self, fixing: Fixing) -> Fixing | None:
        """What a rate would replace: the same day's, if it differs, or the publication before."""
        series = self._series_of(fixing.source, fixing.symbol)
        known = series.on(fixing.day)
        return known if known and known.figures != fixing.figures else series.before(fixing.day)

    def _reference(self, fixing: Fixing) -> Decimal | None:
        """The median of what the others say at about the same day; None if there are too few."""
        opinions = [(said.price, self._votes(said)) for said in self._beside(fixing)]
        return guard.median(opinions) if len(opinions) >= guard.LEAST_WITNESSES else None

    def _beside(self, fixing: Fixing) -> list[Fixing]:
        """What the others said at about the day of a rate, however long ago that is."""
        others = self._others(fixing, until=fixing.day + guard.FRESH)
        return [said for said in others if abs(said.day - fixing.day) <= guard.FRESH]

    def _votes(self, said: Fixing) -> int:
        """Half votes: a bank's cross of foreign currencies only follows other banks."""
        source = self._sources[said.source]
        foreign = source.kind == "fixing" and source.authority_for not in (
            said.symbol.base,
            said.symbol.quote,
        )
        return 1 if foreign else source.votes

    def _others(self, fixing: Fixing, *, until: date = date.max) -> Iterable[Fixing]:
        """The newest word up to a day of every other source, also where it is held back, if not absurd."""
        for source in self._sources:
            key = source, fixing.symbol
            if source == fixing.source or key not in self._series:
                continue
            words, held = [self._series[key].at(until)], self._held.get(key)
            if held and not held.doubt.absurd:
                words += [each for each in held.said if each.day <= until]
            if said := max(filter(None, words), key=lambda each: each.day, default=None):
                yield said

    def _confirmed(self, held: Held, doubt: Doubt) -> bool:
        """Whether a rate is released: the source stands by it, and there is a witness."""
        if doubt.by_hand or not held.repeated(self._guard):
            return False
        before = self._before(held.fixing)
        if before is None:
            return bool(held.earlier)
        if held.coherent or self._is_agreed(held.fixing, before):
            return True
        move = guard.share(held.fixing.price, before.price)
        return guard.witnessed(move, self._moves(held.fixing, since=before.day))

    def _is_agreed(self, fixing: Fixing, before: Fixing) -> bool:
        """Whether those who find prices themselves are where a rate is, and not where it was."""
        said = [each.price for each in self._beside(fixing) if self._votes(each) >= _WITNESS]
        if len(said) < guard.LEAST_WITNESSES:
            return False
        middle = guard.median([(price, _WITNESS) for price in said])
        tolerance = self._rules[fixing.symbol].tolerance
        return guard.apart(fixing.price, middle) <= tolerance < guard.apart(before.price, middle)

    def _moves(self, fixing: Fixing, *, since: date) -> Iterable[Decimal]:
        """How far every other source that finds prices itself has moved from its own word of that day."""
        for said in self._others(fixing):
            if self._votes(said) < _WITNESS:
                continue
            then = self._series[said.source, said.symbol].at(since)
            if then and then.day < said.day:
                yield guard.share(said.price, then.price)

    def _coherent(self, fixing: Fixing, table: Table) -> bool:
        """Whether the whole table moved as this rate did; a cross has two and is no single one."""
        before, last = self._before(fixing), self._table_replaced(table)
        if before is None or len(fixing.legs) != 1 or before.legs[0].pair != fixing.legs[0].pair:
            return False
        leg = fixing.legs[0]
        return guard.coherent(leg, table, last, move=guard.share(leg.mid, before.legs[0].mid))

    def _same(self, one: Fixing, other: Fixing, rule: Rule) -> bool:
        """Whether a source says the same again: the same figure, or about the same for a later day."""
        if one.day == other.day:
            return one.figures == other.figures
        return one.day < other.day and guard.apart(other.price, one.price) <= rule.tolerance

    # The choice.

    def _judge(self, rule: Rule, now: datetime) -> Quote | None:
        """The quote of a symbol, or None if it stands as it is."""
        known = self.quotes.get(rule.symbol)
        basis = None if rule.symbol in self._kept and known else self._basis_of(rule, now)
        if basis and self._bases.get(rule.symbol) == basis:
            return None
        self._bases.pop(rule.symbol, None)
        if basis:
            self._bases[rule.symbol] = basis
            return self._quote(*basis, now=now)
        if known and rule.symbol in self._kept:
            return replace(known, status="unconfirmed", next=None, published_at=_seconds(now))
        return self._left(rule, known, now) if known else None

    def _basis_of(self, rule: Rule, now: datetime) -> Basis | None:
        """What the quote of a symbol is made of."""
        if rule.peg:
            fixing = Fixing(symbol=rule.symbol, legs=(rule.peg,))
            return fixing, fixing, self._peg_status(rule), None
        chosen = self._choose(rule, now)
        if chosen is None:
            return None
        fixing, status = chosen
        series = self._series[fixing.source, rule.symbol]
        coming = series.after(self._today(fixing.source, now)) if status != "stale" else None
        return fixing, self._previous(series, fixing), status, coming

    def _previous(self, series: Series, fixing: Fixing) -> Fixing | None:
        """The publication before; unknown while the history that may hold it is still to be told."""
        before = series.before(fixing.day)
        if before is None or fixing.source not in self._filled:
            return before
        between = (before.day + _ONE_DAY * ahead for ahead in range(1, (fixing.day - before.day).days))
        return None if any(self._was_published(fixing.source, day) for day in between) else before

    def _choose(self, rule: Rule, now: datetime) -> tuple[Fixing, Status] | None:
        """The fixing that is the value now, and how good it is; None to wait for the authority."""
        own: Fixing | None = None
        for source in rule.chain:
            fixing, official = self._holds(source, rule.symbol, now), source in rule.authorities
            if official and self._waits_for(source, fixing, now):
                return None
            held = official and (source, rule.symbol) in self._held
            if fixing and held and not self._shows_later(rule, fixing):
                return fixing, "unconfirmed"
            newer = fixing and (own is None or fixing.day > own.day)
            if fixing and newer and not held and not self._late(fixing, now):
                return fixing, "live" if official else "fallback"
            own = own or fixing
        if middle := self._middle(rule, now, own):
            return middle, "fallback"
        return (own, "stale") if own else None

    def _shows_later(self, rule: Rule, fixing: Fixing) -> bool:
        """Whether a stand-in of a later day is the value already: the line is not to go back."""
        known = self.quotes.get(rule.symbol)
        return known is not None and known.status == "fallback" and _day(known.as_of) > fixing.day

    def _waits_for(self, source: str, fixing: Fixing | None, now: datetime) -> bool:
        """Whether a source will soon say what holds: after a night off its last word is late, or none."""
        if fixing is None:
            return self._is_unheard(source) or (source in self._expected and source not in self._silent)
        return self._is_unheard(source) and self._late(fixing, now)

    def _is_unheard(self, source: str) -> bool:
        """Whether a source was not asked yet since the start of this process."""
        return source not in self._heard and source not in self._silent

    def _middle(self, rule: Rule, now: datetime, own: Fixing | None) -> Fixing | None:
        """
        The word of the source in the middle of the panel, if three of them agree.

        Of one of them that is the value already, as long as it agrees: the line is not to change hands.
        """
        said = [fixing for source in rule.panel if (fixing := self._holds(source, rule.symbol, now))]
        said = [each for each in said if not self._late(each, now) and (own is None or each.day > own.day)]
        agreed = consensus(said)
        if len(agreed) < _PANEL:
            return None
        known = self.quotes.get(rule.symbol)
        incumbent = [each for each in agreed if known and known.source == self._label + each.source]
        return incumbent[0] if incumbent else agreed[(len(agreed) - 1) // 2]

    def _holds(self, source: str, symbol: Pair, now: datetime) -> Fixing | None:
        """The publication of a source that is in force."""
        series = self._series.get((source, symbol))
        return series.at(self._today(source, now)) if series else None

    def _late(self, fixing: Fixing, now: datetime) -> bool:
        """Whether a later publication than this one should be there."""
        source = self._sources[fixing.source]
        return source.calendar.late(fixing.day, now=now, zone=self._zones[fixing.source])

    def _left(self, rule: Rule, known: Quote, now: datetime) -> Quote | None:
        """The last quote when there is nothing to choose from: in doubt if its source's word is, or old."""
        if any((source, rule.symbol) in self._held for source in rule.authorities):
            return replace(known, status="unconfirmed", next=None, published_at=_seconds(now))
        source = self._sources.get(known.source.removeprefix(self._label))
        if any(map(self._is_unheard, rule.authorities)):
            return None
        if source is None or known.status not in ("live", "fallback"):
            return None
        if not source.calendar.late(_day(known.as_of), now=now, zone=self._zones[source.key]):
            return None
        return replace(known, status="stale", next=None, published_at=_seconds(now))

    def _peg_status(self, rule: Rule) -> Status:
        """
        `pegged`, unless the banks say otherwise: its own, or three others, for two publications.

        That is an alarm and not a new peg: one bank alone can be wrong for days.
        """
        astray = [source for source in self._sources if self._strays(source, rule)]
        codes = (rule.symbol.base, rule.symbol.quote)
        own = any(self._sources[source].authority_for in codes for source in astray)
        return "unconfirmed" if own or len(astray) >= _ALARM_BANKS else "pegged"

    def _strays(self, source: str, rule: Rule) -> bool:
        key = source, rule.symbol
        if self._sources[source].kind != "fixing" or key not in self._series or rule.peg is None:
            return False
        peg = Fixing(symbol=rule.symbol, legs=(rule.peg,)).price
        said = self._series[key].last(_ALARM_DAYS)
        if held := self._held.get(key):
            said += held.said
        last = said[-_ALARM_DAYS:]
        return len(last) == _ALARM_DAYS and all(guard.apart(each.price, peg) > _ALARM for each in last)

    def _quote(
        self,
        fixing: Fixing,
        previous: Fixing | None,
        status: Status,
        coming: Fixing | None,
        *,
        now: datetime,
    ) -> Quote:
        price, leg = published(fixing), fixing.legs[0] if len(fixing.legs) == 1 else None
        return Quote(
            symbol=fixing.symbol,
            price=price,
            inverse=published(fixing, inverse=True),
            previous=published(previous) if previous else None,
            change=_change(fixing, previous, price) if previous else None,
            change_percent=change_percent(fixing.price, previous.price) if previous else None,
            as_of=fixing.as_of,
            source=self._label + fixing.source,
            status=status,
            published_at=_seconds(now),
            value=leg.value if leg else None,
            nominal=leg.nominal if leg else None,
            direction=leg.pair if leg else None,
            next=_announcement(coming) if coming else None,
            corrected=fixing.corrected,
        )

    def _today(self, source: str, now: datetime) -> date:
        return now.astimezone(self._zones[source]).date()

    def _days_of(self, source: str) -> set[date]:
        """The days of a source's newest words, believed or held back."""
        newest = {
            series.newest.day for (key, _), series in self._series.items() if key == source and series.newest
        }
        return newest | {held.fixing.day for held in self.held(source).values()}

    def _series_of(self, source: str, symbol: Pair) -> Series:
        return self._series.setdefault((source, symbol), Series(self._sources[source].calendar))


def _tables(rates: Iterable[Rate]) -> list[tuple[str, Table]]:
    """The tables of each source, one for each day that it is of, oldest first."""
    tables: dict[tuple[str, date], list[Rate]] = defaultdict(list)
    for rate in rates:
        tables[rate.source, rate.day].append(rate)
    ordered = sorted(tables.items(), key=lambda item: item[0][1])
    return [(source, tuple(table)) for (source, _), table in ordered]


def consensus(said: Sequence[Fixing]) -> list[Fixing]:
    """Those that agree with the middle one, by price: within 1 %, or 6 median deviations."""
    if not said:
        return []
    ordered = sorted(said, key=lambda each: each.price)
    middle = ordered[(len(ordered) - 1) // 2].price
    distances = [guard.apart(each.price, middle) for each in ordered]
    limit = max(6 * sorted(distances)[(len(distances) - 1) // 2], _CONSENSUS)
    return [each for each, distance in zip(ordered, distances, strict=True) if distance <= limit]


def fixing_of(symbol: Pair, table: Sequence[Rate]) -> Fixing | None:
    """What one table says of a symbol: the pair itself, either way round, or its cross over a third."""
    bases, quotes = _partners(symbol.base, table), _partners(symbol.quote, table)
    if direct := bases.get(symbol.quote):
        return Fixing(symbol=symbol, legs=(direct,))
    if not (shared := bases.keys() & quotes.keys()):
        return None
    third = min(shared)
    return Fixing(symbol=symbol, legs=(bases[third], quotes[third]))


def _partners(currency: str, table: Sequence[Rate]) -> dict[str, Rate]:
    """The rates of a table that a currency is in, by the other one."""
    found = {rate.pair.quote: rate for rate in table if rate.pair.base == currency}
    return found | {rate.pair.base: rate for rate in table if rate.pair.quote == currency}


def published(fixing: Fixing, *, inverse: bool = False) -> Decimal:
    """The price (or its inverse) as it is published: the bank's own digits, else ten significant ones."""
    leg, symbol = fixing.legs[0], fixing.symbol.inverse if inverse else fixing.symbol
    if len(fixing.legs) == 1 and leg.pair == symbol and leg.nominal == 1:
        return leg.value
    return DERIVED.plus(fixing.inverse if inverse else fixing.price)


def change_percent(price: Decimal, previous: Decimal) -> Decimal:
    """(price - previous) / previous in percent, to two places, half up, never -0."""
    share = EXACT.divide(EXACT.subtract(price, previous), previous)
    return share.scaleb(2).quantize(_CENT, rounding=ROUND_HALF_UP) + Decimal("0.00")


def _change(fixing: Fixing, previous: Fixing, price: Decimal) -> Decimal:
    """Price - previous at full precision, rounded to the places that the price is published with."""
    exact = EXACT.subtract(fixing.price, previous.price)
    places = Decimal((0, (1,), min(0, int(price.as_tuple().exponent))))
    return exact.quantize(places, rounding=ROUND_HALF_UP) if exact else Decimal(0)


def _announcement(fixing: Fixing) -> Announcement:
    return Announcement(price=published(fixing), inverse=published(fixing, inverse=True), as_of=fixing.as_of)


def _day(as_of: date) -> date:
    return as_of.date() if isinstance(as_of, datetime) else as_of


def _said(held: Held) -> str:
    return f"{held.fixing.source}'s {_words(held.fixing)}"


def _seconds(now: datetime) -> datetime:
    return now.replace(microsecond=0)


def _plain(number: Decimal) -> str:
    return format(number, "f")


def _words(fixing: Fixing) -> str:
    """`97.7254 KGS per USD as of 2026-02-26`."""
    symbol = fixing.symbol
    return f"{_plain(published(fixing, inverse=True))} {symbol.base} per {symbol.quote} as of {fixing.as_of}"


Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Delta(Generic[Item]):
    """What a reader has not seen: a snapshot voids what it had, an update adds to it."""

    kind: Literal["snapshot", "update"]
    cursor: Cursor
    items: tuple[Item, ...]


class Mirror(Generic[Item]):
    """
    The newest item of every symbol and the cursor at which it changed.

    Snapshot, update, resume and conflation are four names for `since(cursor)`; nothing is queued.
    """

    def __init__(self, symbols: Sequence[Pair]) -> None:
        self.symbols = tuple(symbols)
        self.cursor = NOWHERE
        self._rows: dict[Pair, tuple[Cursor, Item]] = {}

    def apply(self, cursor: Cursor, rows: Iterable[tuple[Pair, Cursor, Item]]) -> frozenset[Pair]:
        """
        Take what was published up to `cursor`; return the symbols that changed.

        Each row is a symbol, the cursor at which it changed and its item. A cursor of a newer epoch
        voids everything before it; an older one than the mirror's own is not news.
        """
        if cursor < self.cursor:
            return frozenset()
        if cursor.epoch != self.cursor.epoch:
            self._rows.clear()
        changed = set()
        for symbol, at, item in rows:
            known = self._rows.get(symbol)
            if symbol in self.symbols and (known is None or at > known[0]):
                self._rows[symbol] = at, item
                changed.add(symbol)
        self.cursor = cursor
        return frozenset(changed)

    def since(self, cursor: Cursor | None, symbols: Sequence[Pair] | None = None) -> Delta[Item]:
        """
        What a reader at `cursor` has not seen of `symbols` (none given: of all).

        A snapshot where the cursor is None, of another epoch or ahead of us; else an update, which
        is empty if there is nothing new.
        """
        rows = [self._rows[symbol] for symbol in symbols or self.symbols if symbol in self._rows]
        if cursor is None or cursor.epoch != self.cursor.epoch or cursor > self.cursor:
            return Delta("snapshot", self.cursor, tuple(item for _, item in rows))
        return Delta("update", self.cursor, tuple(item for at, item in rows if at > cursor))

    def get(self, symbol: Pair) -> Item | None:
        """The newest item of one symbol."""
        row = self._rows.get(symbol)
        return row[1] if row else None
