"""
Rates in, changed quotes out; and `since(cursor)`, what a reader has not seen. Pure.

A quote is the word of the first source of its symbol's chain that has spoken: the authority, the
central bank of the currency. Never an average, and never a percentage across two sources.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from typing import Generic, Literal, TypeVar

from ticker.model import DERIVED, EXACT, NOWHERE, Cursor, Fixing, Pair, Quote, Rate, Status

_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How one symbol gets its value."""

    symbol: Pair
    chain: tuple[str, ...]
    """Keys of sources, the authority first; the later ones stand in when it fails."""
    zone: tzinfo
    """Where the authority's day begins."""
    band: tuple[Decimal, Decimal] | None = None
    """Lowest and highest believable units of `symbol.base` per one `symbol.quote`."""
    peg: Rate | None = None
    """The fixed rate where there is one; the chain is not asked then."""


@dataclass(slots=True)
class _Series:
    """What one source said of one symbol, by day of validity."""

    effective_days: frozenset[int]
    by_day: dict[date, Fixing] = field(default_factory=dict)

    def add(self, fixing: Fixing) -> None:
        """
        Take a fixing, or a correction of the same day.

        A table of a day on which the bank sets nothing, with the figures of the day before, was
        only stamped anew (NBKR does so on Saturdays, seen 2026-05-23): no publication.
        """
        before = self.before(fixing.day)
        restamped = fixing.day.weekday() not in self.effective_days and fixing.day not in self.by_day
        if not (restamped and before and _figures(before) == _figures(fixing)):
            self.by_day[fixing.day] = fixing

    @property
    def newest(self) -> Fixing | None:
        return self.by_day[max(self.by_day)] if self.by_day else None

    def before(self, day: date) -> Fixing | None:
        """The publication before that of `day`."""
        earlier = [known for known in self.by_day if known < day]
        return self.by_day[max(earlier)] if earlier else None

    def forget_before(self, day: date) -> None:
        for known in [known for known in self.by_day if known < day]:
            del self.by_day[known]


def _figures(fixing: Fixing) -> tuple[tuple[Pair, Decimal, int], ...]:
    return tuple((leg.pair, leg.value, leg.nominal) for leg in fixing.legs)


class Board:
    """
    The quotes of all symbols, and the fixings that they rest on.

    `effective_days` names for each source the week days on which a new rate takes effect; `label`
    (`demo`) is put before the source's key in every quote, where the rates are nobody's word; sources
    in `absent` are not polled, so nobody waits for them.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        *,
        effective_days: Mapping[str, frozenset[int]],
        stale_days: int = 5,
        history_days: int = 1830,
        label: str = "",
        absent: Iterable[str] = (),
    ) -> None:
        self._rules = {rule.symbol: rule for rule in rules}
        self._effective_days = effective_days
        self._stale = timedelta(days=stale_days)
        self._history = timedelta(days=history_days)
        self._label = f"{label}:" if label else ""
        self._series: dict[tuple[str, Pair], _Series] = {}
        self._missed = set(absent)
        self._held: set[tuple[str, Pair]] = set()
        self.quotes: dict[Pair, Quote] = {}

    def restore(self, fixings: Iterable[Fixing], quotes: Iterable[Quote]) -> None:
        """Take up what an earlier process published, so that nothing is said twice."""
        for fixing in sorted(fixings, key=lambda each: each.day):
            if (rule := self._rules.get(fixing.symbol)) and fixing.source in rule.chain:
                self._series_of(fixing.source, fixing.symbol).add(fixing)
        for quote in quotes:
            if rule := self._rules.get(quote.symbol):
                self.quotes[quote.symbol] = quote
                if quote.status == "unconfirmed" and rule.chain:
                    self._held.add((rule.chain[0], quote.symbol))

    def post(self, rates: Iterable[Rate], *, now: datetime) -> list[Quote]:
        """Take the rates of a source's table; return the quotes that changed by it."""
        tables: dict[tuple[str, date], list[Rate]] = defaultdict(list)
        for rate in rates:
            tables[rate.source, rate.as_of].append(rate)
        for (source, _), table in sorted(tables.items(), key=lambda item: item[1][0].day):
            self._missed.discard(source)
            self._take(source, table)
        return self.tick(now=now)

    def miss(self, source: str, *, now: datetime) -> list[Quote]:
        """Note that a source did not answer; return the quotes that changed by it."""
        self._missed.add(source)
        return self.tick(now=now)

    def tick(self, *, now: datetime) -> list[Quote]:
        """Judge every symbol anew; return the quotes that changed."""
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

    def fixings(self, source: str | None = None) -> frozenset[Fixing]:
        """Everything that is remembered, of one source or of all."""
        return frozenset(
            fixing
            for (key, _), series in self._series.items()
            if source in (None, key)
            for fixing in series.by_day.values()
        )

    def _series_of(self, source: str, symbol: Pair) -> _Series:
        everyday = frozenset(range(7))
        return self._series.setdefault((source, symbol), _Series(self._effective_days.get(source, everyday)))

    def _take(self, source: str, table: Sequence[Rate]) -> None:
        for rule in self._rules.values():
            if rule.peg or source not in rule.chain:
                continue
            if (fixing := fixing_of(rule.symbol, table)) is None:
                continue
            if rule.band and not rule.band[0] <= fixing.inverse <= rule.band[1]:
                self._held.add((source, rule.symbol))
                continue
            self._held.discard((source, rule.symbol))
            series = self._series_of(source, rule.symbol)
            series.add(fixing)
            series.forget_before(max(series.by_day) - self._history)

    def _judge(self, rule: Rule, now: datetime) -> Quote | None:
        if rule.peg:
            fixing = Fixing(symbol=rule.symbol, legs=(rule.peg,))
            return self._quote(fixing, previous=fixing, status="pegged", now=now)
        chosen = self._choose(rule, now.astimezone(rule.zone).date())
        if chosen is None:
            return self._hold_back(rule, now)
        fixing, status = chosen
        series = self._series_of(fixing.source, rule.symbol)
        return self._quote(fixing, previous=series.before(fixing.day), status=status, now=now)

    def _choose(self, rule: Rule, today: date) -> tuple[Fixing, Status] | None:
        """The fixing that is the value now: the authority's, or a stand-in's if it has none that is fresh."""
        if not rule.chain:
            return None
        authority = rule.chain[0]
        said = {key: self._series_of(key, rule.symbol).newest for key in rule.chain}
        own, held = said.pop(authority), (authority, rule.symbol) in self._held
        if own and today - own.day <= self._stale:
            return own, "unconfirmed" if held else "live"
        if not own and not held and authority not in self._missed:
            return None
        others = [fixing for fixing in said.values() if fixing]
        for fixing in others:
            if today - fixing.day <= self._stale:
                return fixing, "fallback"
        return (own or others[0], "stale") if own or others else None

    def _hold_back(self, rule: Rule, now: datetime) -> Quote | None:
        """With nothing to choose, keep the last quote of an earlier process, and say that it is old."""
        known = self.quotes.get(rule.symbol)
        if known and known.status in ("live", "fallback") and now - known.published_at > self._stale:
            return replace(known, status="stale", published_at=now.replace(microsecond=0))
        return None

    def _quote(self, fixing: Fixing, *, previous: Fixing | None, status: Status, now: datetime) -> Quote:
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
            published_at=now.replace(microsecond=0),
            value=leg.value if leg else None,
            nominal=leg.nominal if leg else None,
            direction=leg.pair if leg else None,
        )


def fixing_of(symbol: Pair, table: Sequence[Rate]) -> Fixing | None:
    """What one table says of a symbol: the pair itself, either way round, or its cross over a third."""
    by_codes = {frozenset((rate.pair.base, rate.pair.quote)): rate for rate in table}
    if direct := by_codes.get(frozenset((symbol.base, symbol.quote))):
        return Fixing(symbol=symbol, legs=(direct,))
    for third in sorted({rate.pair.quote for rate in table}):
        first = by_codes.get(frozenset((symbol.base, third)))
        second = by_codes.get(frozenset((third, symbol.quote)))
        if first and second:
            return Fixing(symbol=symbol, legs=(first, second))
    return None


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
