"""The domain as frozen values: Pair, Rate, Fixing, Quote, Cursor. Decimal, no effects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from typing import Literal, NamedTuple, Self

Status = Literal["live", "pegged", "unconfirmed", "stale", "fallback"]

# Precise enough that no quotient of published digits loses a place before the last rounding.
EXACT = Context(prec=50, rounding=ROUND_HALF_UP)
# Derived prices (inversions, crosses) keep ten significant digits.
DERIVED = Context(prec=10, rounding=ROUND_HALF_UP)

_ONE = Decimal(1)
_CODE = re.compile(r"[A-Z]{3}")
_SPELLING = re.compile(r"([A-Z]{3})(?:[/-]?([A-Z]{3}))?", re.ASCII | re.IGNORECASE)


class _Codes(NamedTuple):
    base: str
    quote: str


class Pair(_Codes):
    """
    The price of one `base` counted in `quote`; `str` is `KGS/USD`.

    A tuple, because tuples are hashed and compared fastest: pairs are the keys of every table.
    """

    __slots__ = ()

    def __new__(cls, base: str, quote: str) -> Self:
        for code in (base, quote):
            if not _CODE.fullmatch(code):
                raise ValueError(f"{code!r} is not a currency code of three capital letters")
        return super().__new__(cls, base, quote)

    def __str__(self) -> str:
        return f"{self.base}/{self.quote}"

    @property
    def inverse(self) -> Pair:
        """The pair of the same two currencies, reversed."""
        return Pair(self.quote, self.base)

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read `KGS/USD`, `KGS-USD` or `KGSUSD`; a bare `KGS` means `KGS/USD`. Case does not matter.

        Raises ValueError that names the text.
        """
        found = _SPELLING.fullmatch(text.strip())
        if not found:
            raise ValueError(
                f"{text!r} is not a symbol like KGS or KGS/USD: give one or two codes of three letters"
            )
        return cls(found[1].upper(), (found[2] or "USD").upper())


@lru_cache(maxsize=16)
def both_ways(symbols: tuple[Pair, ...]) -> Mapping[Pair, Pair]:
    """
    Every pair whose price the symbols give, in their order, and the symbol that gives it.

    A symbol gives its own price and that of its reverse, unless the reverse is a symbol itself.
    """
    own = frozenset(symbols)
    return {
        pair: symbol
        for symbol in symbols
        for pair in (symbol, symbol.inverse)
        if pair == symbol or pair not in own
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """
    What one source says: `nominal` units of `pair.base` cost `value` units of `pair.quote`.

    The digits and the direction are the publisher's own: NBKR's `87,4500` som for one dollar is
    `Rate(pair=Pair("USD", "KGS"), value=Decimal("87.4500"), nominal=1)`, never its reciprocal.
    """

    source: str
    """Key of the source, as in `ticker.sources.SOURCES`."""
    pair: Pair
    value: Decimal
    nominal: int
    """Units of base that `value` buys. It differs per source and over time."""
    as_of: date
    """The day from which the rate is valid (maybe tomorrow); an aware datetime for an intraday price."""

    @property
    def mid(self) -> Decimal:
        """The price of ONE unit of base in quote: value / nominal, to 50 digits."""
        return EXACT.divide(self.value, Decimal(self.nominal))

    @property
    def day(self) -> date:
        """The calendar day of `as_of`, with or without a time."""
        return self.as_of.date() if isinstance(self.as_of, datetime) else self.as_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixing:
    """
    What one source said of one of our symbols on one day: the legs that give its price.

    One leg where the bank lists the pair itself (either way round), two for a cross over the
    bank's own currency (KGS/RUB and USD/RUB give KGS/USD).
    """

    symbol: Pair
    legs: tuple[Rate, ...]
    corrected: bool = False
    """Whether the source replaced its own figure of this day after that had become valid."""

    @property
    def figures(self) -> tuple[tuple[Pair, Decimal, int], ...]:
        """What was said, without its day."""
        return tuple((leg.pair, leg.value, leg.nominal) for leg in self.legs)

    @property
    def source(self) -> str:
        return self.legs[0].source

    @property
    def as_of(self) -> date:
        """The day the price is valid for; of two legs, the earlier."""
        return min((leg.as_of for leg in self.legs), key=lambda at: at.isoformat())

    @property
    def day(self) -> date:
        first, *others = self.legs
        return min(first.day, *(leg.day for leg in others)) if others else first.day

    @property
    def price(self) -> Decimal:
        """The price of one `symbol.base` in `symbol.quote`, to 50 digits."""
        return self._fraction.price

    @property
    def inverse(self) -> Decimal:
        """The price of one `symbol.quote` in `symbol.base`, to 50 digits."""
        return self._fraction.inverse

    @property
    def _fraction(self) -> Fraction:
        return fraction(self.symbol, [(leg.pair, leg.value, leg.nominal) for leg in self.legs])

    @property
    def inverted(self) -> Fixing:
        """The price of the reverse symbol from the same rates."""
        return replace(self, symbol=self.symbol.inverse, legs=self.legs[::-1])

    @property
    def is_direct(self) -> bool:
        """Whether the source quotes the symbol itself, not its inverse or a cross."""
        return len(self.legs) == 1 and self.legs[0].pair == self.symbol


class Fraction(NamedTuple):
    """A price as two numbers, so that it is divided only once."""

    numerator: Decimal
    denominator: Decimal

    @property
    def price(self) -> Decimal:
        return EXACT.divide(self.numerator, self.denominator)

    @property
    def inverse(self) -> Decimal:
        return EXACT.divide(self.denominator, self.numerator)


def fraction(symbol: Pair, legs: Iterable[tuple[Pair, Decimal, int]]) -> Fraction:
    """
    The price of one `symbol.base` in `symbol.quote`, over pairs with their values and nominals.

    Raises ValueError if they do not lead from the one to the other.
    """
    numerator = denominator = _ONE
    at = symbol.base
    for pair, value, nominal in legs:
        if pair.base == at:
            at = pair.quote
            numerator, denominator = EXACT.multiply(numerator, value), EXACT.multiply(denominator, nominal)
        elif pair.quote == at:
            at = pair.base
            numerator, denominator = EXACT.multiply(numerator, nominal), EXACT.multiply(denominator, value)
        else:
            raise ValueError(f"{pair} does not lead from {at} to {symbol.quote}")
    if at != symbol.quote:
        raise ValueError(f"{symbol}: the legs end at {at}")
    return Fraction(numerator, denominator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A known price that becomes valid on a later day: units of quote for one base."""

    price: Decimal
    inverse: Decimal
    as_of: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """
    The published rate of a symbol, every number already rounded.

    `price` is units of `symbol.quote` for one `symbol.base`; `change` is `price - previous` and
    `change_percent` its share of `previous` in percent, both computed at full precision and
    rounded last. `previous` is the same source's earlier publication; unknown is None, never 0.
    """

    symbol: Pair
    price: Decimal
    inverse: Decimal
    """Units of `symbol.base` for one `symbol.quote`; the bank's own digits if it quotes this direction."""
    previous: Decimal | None
    change: Decimal | None
    change_percent: Decimal | None
    as_of: date
    source: str
    """Key of the source, with the label of a service that has one: `demo:nbkr`."""
    source_name: str
    """The source's short name, with the same label: `demo:NBKR`."""
    status: Status
    published_at: datetime
    """When it was published (UTC, whole seconds)."""
    value: Decimal | None = None
    """The bank's own figure, digit for digit; None for a cross, which no single figure gives."""
    nominal: int | None = None
    """Units of the first currency of `direction` that `value` buys."""
    direction: Pair | None = None
    """The bank's own direction: `USD/KGS` is som per `nominal` dollars."""
    next: Announcement | None = None
    """The price that the same source announced for a later day, from that day's midnight in its zone."""
    corrected: bool = False
    """Whether the source replaced its own figure of `as_of` after it had become valid."""
    due_at: datetime | None = None
    """
    The moment from which it is late if no newer one arrives (UTC, whole seconds).

    None if nothing is due: pegged, unconfirmed or on hold.
    """
    source_site: str = ""
    """The address that the source's terms require beside its figures; empty if they require none."""


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """
    A position in the stream of publications: `<epoch in ms>-<sequence>`, the Redis stream's own id.

    A new epoch opens when Redis lost what was already published. Ordered by epoch, then sequence.
    """

    epoch: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.sequence}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `1790000000000-17`. Raises ValueError on anything else, or past 64 bits a part."""
        match = re.fullmatch(r"([0-9]{1,20})-([0-9]{1,20})", text)
        if not match or max(parts := [int(part) for part in match.groups()]) >= 1 << 64:
            raise ValueError(f"{text[:60]!r} is not a cursor")
        return cls(*parts)


NOWHERE = Cursor(0, 0)
"""Before every publication."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The symbols that a subscriber selected, or their reverses, in the order of the configuration."""

    symbols: tuple[Pair, ...]
    tag: int = 0
    """0 if everything is selected, else a number that only this selection has."""
    is_all: bool = False
    """Whether no symbol was named: then it is all of them, also after a change of the served symbols."""
    has_reversed: bool = False
    """Whether one of the symbols is not configured, but its reverse is."""
