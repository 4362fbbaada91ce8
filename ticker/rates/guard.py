"""
The guard: which new rate is accepted at once, which is doubted, and what releases a doubted one. Pure.

On 26 February 2022 the som really fell by 11.75 % in a day; a repetition and a witness confirm it. On 1 April
2026 a central bank's own table had the manat 15.9 % too high; only an operator could accept that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple, Protocol

from ticker.rates.model import EXACT, Fixing, Pair
from ticker.rates.tables import Table

LEAST_WITNESSES = 2
"""Other sources that a median needs, and other currencies of a table that moves as a whole."""
NEIGHBOURS = 3
"""Publications on either side that a rate of the history is compared with."""
FRESH = timedelta(days=3)
"""How far the day of another source's rate may be from ours for a comparison."""


Price = Decimal | None
"""Units of symbol.quote for one symbol.base; None if unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The limits, as shares: 0.05 is 5 %."""

    jump: Decimal = Decimal("0.05")
    """A move from one publication to the next that always needs a confirmation."""
    human: Decimal = Decimal("0.15")
    """A move that only an operator can confirm."""
    repeat: timedelta = timedelta(minutes=10)
    """How long after the first time the source must repeat the rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Why a rate is not accepted."""

    reason: str
    by_hand: bool = False
    """Whether only an operator can release it."""
    absurd: bool = False
    """Whether it is outside its band, so that it is not a witness for other rates."""


class Priced(Protocol):
    """What a source says of a symbol: a fixing, or a word."""

    @property
    def symbol(self) -> Pair: ...

    @property
    def price(self) -> Decimal:
        """Units of symbol.quote for one symbol.base."""

    @property
    def inverse(self) -> Decimal: ...

    @property
    def is_direct(self) -> bool:
        """Whether the source quotes the symbol itself, not its inverse or a cross."""


def doubt(
    said: Priced,
    *,
    before: Price,
    reference: Callable[[], Price],
    band: tuple[Decimal, Decimal] | None,
    tolerance: Decimal,
    guard: Guard,
) -> Doubt | None:
    """
    The reason why `said` is not accepted at once; None if it is.

    `before` is the rate that it would replace, and `reference` the median of the others; both are in units of
    symbol.quote for one symbol.base. `band` is in units of symbol.base for one symbol.quote.

    A rate that differs from the median is still accepted if it came nearer to it, or if the rate before
    differed as well and the new one hardly moved. Official rates may stand still while markets move, and
    after a devaluation the others may lag.
    """
    if absurd := outside(said, band):
        return absurd
    if before and (jump := apart(price := said.price, before)) > guard.jump:
        return Doubt(
            reason=f"{moved(said, before)} from one publication to the next", by_hand=jump > guard.human
        )
    if (median := reference()) is None or apart(price := said.price, median) <= tolerance:
        return None
    if before and _is_no_news(price, before, median, tolerance):
        return None
    return Doubt(reason=f"{moved(said, median)} from the median of the others")


def outside(said: Priced, band: tuple[Decimal, Decimal] | None) -> Doubt | None:
    """The reason why `said` is absurd: it is outside its band, in units of base for one quote."""
    if band is None or band[0] <= (inverse := said.inverse) <= band[1]:
        return None
    return Doubt(
        reason=f"{_short(inverse)} is outside of {_short(band[0])} to {_short(band[1])} "
        f"{said.symbol.base} per {said.symbol.quote}",
        by_hand=True,
        absurd=True,
    )


def _is_no_news(price: Decimal, before: Decimal, reference: Decimal, tolerance: Decimal) -> bool:
    nearer = (price > reference) == (before > reference) and apart(price, reference) <= apart(
        before, reference
    )
    return nearer or apart(before, reference) > tolerance >= apart(price, before)


def apart(one: Decimal, other: Decimal) -> Decimal:
    """The distance of two prices, as a share of the lower: the same for prices and for their inverses."""
    return share(one, other) if one > other else share(other, one)


def share(number: Decimal, of: Decimal) -> Decimal:
    """The distance of `number` from `of`, as a share of `of`."""
    return EXACT.divide(EXACT.subtract(number, of), of)


class Middle(NamedTuple):
    """The numbers with half of the votes on either side: all from `low` to `high`."""

    low: Decimal
    high: Decimal


def middle(votes: Iterable[Decimal]) -> Middle:
    """The middle of the prices by votes: one number, or two if the votes split into halves."""
    ordered = sorted(votes)
    return Middle(ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2])


def median(votes: Iterable[Decimal]) -> Decimal:
    """The price with half of the votes on either side; of two such prices their mean. Not published."""
    low, high = middle(votes)
    return low if low == high else EXACT.divide(EXACT.add(low, high), Decimal(2))


def witnessed(move: Decimal, others: Iterable[Decimal]) -> bool:
    """Whether another source moved the same way, by at least half as much."""
    return any(_follows(other, move) for other in others)


def moved_as_a_whole(fixing: Fixing, table: Table, last: Table, *, since: Decimal) -> bool:
    """
    Whether a table moved as a whole with one of its rates, against the source's last table.

    A bank that devalues moves every foreign currency by about the same share; a typing error moves one.
    `since` is the last accepted price. If the last table had already made the move, this one is not a
    witness. A cross has two rates, so this never holds for one.
    """
    leg, *others = fixing.legs
    if others or leg.pair not in last.figures:
        return False
    own = share(leg.mid, last.rate(leg.pair).mid)
    if not _follows(own, move(fixing, since)):
        return False
    moves = [
        share(table.rate(pair).mid, last.rate(pair).mid)
        for pair in table.figures
        if pair != leg.pair and pair.quote == leg.pair.quote and pair in last.figures
    ]
    along = sum(1 for each in moves if _follows(each, own))
    return along >= LEAST_WITNESSES and 3 * along >= 2 * len(moves)


def stands_out(price: Decimal, sides: Sequence[Sequence[Decimal]], *, jump: Decimal) -> bool:
    """
    Whether a rate of a history differs, in the same direction, from at least half of its neighbours on each
    side.

    `sides` are the prices of up to NEIGHBOURS publications before and after it, nearest first; an empty side
    is ignored. Half is enough, because an error may last for two publications (CBU's did in 2026). A
    devaluation differs from one side only. With only one side, the rate must differ from all of it.
    """
    off = [[other < price for other in side if apart(price, other) > jump] for side in sides]
    if not sides or not all(off) or len({way for ways in off for way in ways}) != 1:
        return False
    if len(sides) == 1:
        return len(off[0]) == len(sides[0])
    return all(2 * len(ways) >= len(side) for ways, side in zip(off, sides, strict=True))


def _follows(move: Decimal, leader: Decimal) -> bool:
    return move * leader > 0 and 2 * abs(move) >= abs(leader)


def move(said: Priced, since: Decimal) -> Decimal:
    """The distance of a price from another one, as a share, in the direction in which its source quotes."""
    return share(said.price, since) if said.is_direct else share(since, said.price)


def moved(said: Priced, since: Decimal) -> str:
    """The distance of a price from another one, `+11.75 %`, in the direction in which its source quotes."""
    return f"{move(said, since) * 100:+.2f} %"


def _short(number: Decimal) -> str:
    return f"{number:.6g}"
