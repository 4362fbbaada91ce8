"""What a source says of one day: its table, and what the table says of a symbol. Pure."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import islice
from typing import NamedTuple

from ticker.rates.model import DERIVED, EXACT, Fixing, Pair, Rate

_CENT = Decimal("0.01")
_NO_TIMES: Mapping[Pair, datetime] = {}

WHOLE = 3
"""Common currencies that show that two tables are the same one: of three, one would have moved."""


class Figure(NamedTuple):
    """`nominal` units of a pair's first currency cost `value` units of its second."""

    value: Decimal
    nominal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a document says of one day: every figure, in the publisher's own direction and digits."""

    source: str
    """Key of the source, as in `ticker.sources.SOURCES`."""
    day: date
    """The day from which it is valid, by the publisher's own date."""
    figures: Mapping[Pair, Figure]
    times: Mapping[Pair, datetime] = field(default_factory=dict)
    """The instants of intraday prices."""

    def rate(self, pair: Pair) -> Rate:
        """One row as a rate."""
        value, nominal = self.figures[pair]
        as_of = self.times.get(pair, self.day)
        return Rate(source=self.source, pair=pair, value=value, nominal=nominal, as_of=as_of)

    def with_also(self, other: Table) -> Table:
        """A table with the figures of both; where they differ, those of the other one."""
        return replace(
            self, figures={**self.figures, **other.figures}, times={**self.times, **other.times} or _NO_TIMES
        )

    def says_as(self, other: Table) -> bool:
        """Whether all figures that both have are equal."""
        mine, theirs = self.figures, other.figures
        if mine == theirs:
            return True
        if mine.keys() is theirs.keys():  # tables of the ledger share the view of their pairs
            return False
        return all(theirs[pair] == mine[pair] for pair in mine if pair in theirs)

    def is_whole_with(self, other: Table) -> bool:
        """Whether two tables share enough currencies to be distinguished by their figures."""
        common = (pair for pair in self.figures if pair in other.figures)
        return len(list(islice(common, WHOLE))) == WHOLE

    def repeats(self, other: Table) -> bool:
        """Whether this is the other table under another date: three common currencies, all figures equal."""
        return self.says_as(other) and self.is_whole_with(other)


def tables_of(rates: Iterable[Rate]) -> list[Table]:
    """The tables in an answer of a source, one for each day that it is about, oldest first."""
    days: dict[tuple[str, date], list[Rate]] = defaultdict(list)
    for rate in rates:
        days[rate.source, rate.day].append(rate)
    return [
        Table(
            source=source,
            day=day,
            figures={rate.pair: Figure(rate.value, rate.nominal) for rate in rows},
            times={rate.pair: rate.as_of for rate in rows if isinstance(rate.as_of, datetime)} or _NO_TIMES,
        )
        for (source, day), rows in sorted(days.items())
    ]


class Route(NamedTuple):
    """The pairs of a table that lead from one currency of a symbol to the other: one, or two for a cross."""

    symbol: Pair
    pairs: tuple[Pair, ...]

    def fixing(self, table: Table) -> Fixing:
        """What a table that has these pairs says of the symbol."""
        return Fixing(symbol=self.symbol, legs=tuple(table.rate(pair) for pair in self.pairs))


def fixing_of(symbol: Pair, table: Table) -> Fixing | None:
    """What one table says of a symbol: the pair itself, either way round, or its cross over a third."""
    route = next(iter(routes_of((symbol,), tuple(table.figures))), None)
    return route.fixing(table) if route else None


@functools.lru_cache(maxsize=256)
def routes_of(symbols: tuple[Pair, ...], pairs: tuple[Pair, ...]) -> tuple[Route, ...]:
    """The route to each of the symbols that a table of these pairs has, directly or as a cross."""
    neighbours = _neighbours(pairs)
    routes = (_route(symbol, pairs, neighbours) for symbol in symbols)
    return tuple(route for route in routes if route)


def _route(symbol: Pair, pairs: tuple[Pair, ...], neighbours: _Neighbours) -> Route | None:
    for pair in (symbol, symbol.inverse):
        if pair in pairs:
            return Route(symbol, (pair,))
    cross = _cross(symbol, neighbours)
    return Route(symbol, cross) if cross else None


_Neighbours = dict[str, dict[str, Pair]]


def _neighbours(pairs: Iterable[Pair]) -> _Neighbours:
    """For each currency of a table: the currencies that it has a pair with, and that pair."""
    found: _Neighbours = defaultdict(dict)
    for pair in pairs:
        found[pair.base][pair.quote] = found[pair.quote][pair.base] = pair
    return found


def _cross(symbol: Pair, neighbours: _Neighbours) -> tuple[Pair, Pair] | None:
    """The two pairs that lead from one currency of a symbol to the other."""
    bases, quotes = neighbours.get(symbol.base, {}), neighbours.get(symbol.quote, {})
    if not (shared := bases.keys() & quotes.keys()):
        return None
    return bases[third := min(shared)], quotes[third]


def shown_price(fixing: Fixing, *, inverse: bool = False) -> Decimal:
    """The price (or its inverse) as readers get it: the bank's own digits, else ten significant ones."""
    leg, symbol = fixing.legs[0], fixing.symbol.inverse if inverse else fixing.symbol
    if len(fixing.legs) == 1 and leg.pair == symbol and leg.nominal == 1:
        return leg.value
    return DERIVED.plus(fixing.inverse if inverse else fixing.price)


def change_percent(price: Decimal, previous: Decimal) -> Decimal:
    """(price - previous) / previous in percent, to two places, half up, never -0."""
    share = EXACT.divide(EXACT.subtract(price, previous), previous)
    return share.scaleb(2).quantize(_CENT, rounding=ROUND_HALF_UP) + Decimal("0.00")


def change(price: Decimal, previous: Decimal, shown: Decimal) -> Decimal:
    """Price - previous, rounded to the places of the price as readers get it."""
    exact = EXACT.subtract(price, previous)
    places = Decimal((0, (1,), min(0, int(shown.as_tuple().exponent))))
    return exact.quantize(places, rounding=ROUND_HALF_UP) if exact else Decimal(0)


def in_words(fixing: Fixing) -> str:
    """`97.7254 KGS per USD as of 2026-02-26`."""
    symbol, figure = fixing.symbol, format(shown_price(fixing, inverse=True), "f")
    return f"{figure} {symbol.base} per {symbol.quote} as of {fixing.as_of}"
