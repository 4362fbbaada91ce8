"""
The guard: which new rate is believed at once, which is held back, and what releases it. Pure.

A rate that is held back is never lost: on 26 February 2022 the som really fell by 11.75 % in a day,
and on 1 April 2026 a central bank's own table had the manat 15.9 % too high. The first is confirmed
by a repetition and a witness, the second is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from ticker.model import EXACT, Fixing, Pair, Rate

LEAST_WITNESSES = 2
"""Other sources that a median needs, and other currencies of a table that moves as a whole."""
NEIGHBOURS = 3
"""Publications on either side that a rate of the history is compared with."""
FRESH = timedelta(days=3)
"""How far the day of another source's rate may be from ours for a comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The limits, as shares: 0.05 is 5 %."""

    jump: Decimal = Decimal("0.05")
    """A move from one publication to the next that always needs a confirmation."""
    human: Decimal = Decimal("0.15")
    """A move that only an operator can confirm."""
    repeat: timedelta = timedelta(minutes=10)
    """How long after its first sight a source must say the same again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Why a rate is not believed."""

    reason: str
    by_hand: bool = False
    """Whether only an operator can release it."""
    absurd: bool = False
    """Whether it is outside its band: no witness for others either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A rate that is held back."""

    fixing: Fixing
    doubt: Doubt
    first_seen: datetime
    last_seen: datetime
    coherent: bool
    """Whether the source's whole table moved with it."""
    earlier: tuple[Fixing, ...] = ()
    """The same, as the source said it for days before."""

    def again(self, fixing: Fixing, doubt: Doubt, *, coherent: bool, now: datetime) -> Held:
        """The same rate said once more, maybe for another day."""
        return replace(
            self,
            fixing=fixing,
            doubt=doubt,
            last_seen=now,
            coherent=self.coherent or coherent,
            earlier=self.earlier + ((self.fixing,) if fixing.day != self.fixing.day else ()),
        )

    @property
    def said(self) -> tuple[Fixing, ...]:
        """What is held back, one for each day of validity, oldest first."""
        return (*self.earlier, self.fixing)

    def repeated(self, guard: Guard) -> bool:
        """Whether the source has stood by its word."""
        return self.last_seen - self.first_seen >= guard.repeat


def doubt(
    fixing: Fixing,
    *,
    before: Fixing | None,
    reference: Decimal | None,
    band: tuple[Decimal, Decimal] | None,
    tolerance: Decimal,
    guard: Guard,
) -> Doubt | None:
    """
    Why `fixing` is not believed at once; None if it is.

    `before` is what it would replace, `reference` the median of independent others, both in units of
    symbol.quote for one symbol.base; `band` is in units of symbol.base for one symbol.quote. A rate
    that is off the median, but no further than what it replaces, or that hardly moved from one that was
    off already, is no news to doubt: official rates may stand still while markets move, and the other
    way round after a devaluation.
    """
    if band and not band[0] <= fixing.inverse <= band[1]:
        return Doubt(
            reason=f"{_short(fixing.inverse)} is outside of {_short(band[0])} to {_short(band[1])} "
            f"{fixing.symbol.base} per {fixing.symbol.quote}",
            by_hand=True,
            absurd=True,
        )
    if before and apart(fixing.price, before.price) > guard.jump:
        return Doubt(
            reason=f"{_moved(fixing, before.price)} from one publication to the next",
            by_hand=apart(fixing.price, before.price) > guard.human,
        )
    if reference is None or apart(fixing.price, reference) <= tolerance:
        return None
    if before and _is_no_news(fixing.price, before.price, reference, tolerance):
        return None
    return Doubt(reason=f"{_moved(fixing, reference)} from the median of the others")


def _is_no_news(price: Decimal, before: Decimal, reference: Decimal, tolerance: Decimal) -> bool:
    nearer = (price > reference) == (before > reference) and apart(price, reference) <= apart(
        before, reference
    )
    return nearer or apart(before, reference) > tolerance >= apart(price, before)


def apart(one: Decimal, other: Decimal) -> Decimal:
    """How far two prices are apart, as a share of the lower: the same for prices and for their inverses."""
    return share(max(one, other), min(one, other))


def share(number: Decimal, of: Decimal) -> Decimal:
    """How far `number` is from `of`, as a share of `of`."""
    return EXACT.divide(EXACT.subtract(number, of), of)


def median(opinions: Sequence[tuple[Decimal, int]]) -> Decimal:
    """The number with half of the votes on either side; of two such numbers their mean. Never published."""
    ordered = sorted(opinions)
    everything, votes = sum(votes for _, votes in ordered), 0
    for index, (number, own) in enumerate(ordered):
        votes += own
        if 2 * votes > everything:
            return number
        if 2 * votes == everything:
            return EXACT.divide(EXACT.add(number, ordered[index + 1][0]), Decimal(2))
    raise ValueError("no opinions, no median")


def witnessed(move: Decimal, others: Iterable[Decimal]) -> bool:
    """Whether another source moved the same way, by at least half as much."""
    return any(_follows(other, move) for other in others)


def coherent(leg: Rate, table: Sequence[Rate], last: Sequence[Rate], *, move: Decimal) -> bool:
    """
    Whether a table moved as a whole with one of its rates, against the source's last table.

    A bank that devalues moves every foreign currency by about the same; a slip of the pen moves one.
    `move` is how far the rate is from the last one that was believed: a second table with the same slip
    shows no move of its own, and is no witness.
    """
    then = {rate.pair: rate for rate in last}
    if leg.pair not in then or not _follows(own := share(leg.mid, then[leg.pair].mid), move):
        return False
    moves = [
        share(rate.mid, then[rate.pair].mid)
        for rate in table
        if rate.pair != leg.pair and rate.pair.quote == leg.pair.quote and rate.pair in then
    ]
    along = sum(1 for each in moves if _follows(each, own))
    return along >= LEAST_WITNESSES and 3 * along >= 2 * len(moves)


def stamped_anew(table: Sequence[Rate], last: Sequence[Rate]) -> bool:
    """Whether a table has every figure of the last one: of three currencies, one would have moved."""
    return len(table) > LEAST_WITNESSES and figures(table) == figures(last)


def figures(table: Iterable[Rate]) -> Mapping[Pair, tuple[Decimal, int]]:
    """What a table says, without its day."""
    return {rate.pair: (rate.value, rate.nominal) for rate in table}


def spikes(series: Sequence[Fixing], *, jump: Decimal) -> set[date]:
    """
    The days of a history whose rate is no word to rely on: off most of the three publications on either side.

    Both sides, and the same way: a bad print may last for two publications (CBU's did in 2026), and a
    devaluation is off one side only. At an end there is one side, and a rate that is off it, its next
    neighbour included, is left out.
    """
    left = list(series)
    # One after the other: the first of two bad prints is hidden by the second, and an end by either.
    while off := _inner(left, jump) or _outer(left, jump):
        left = [fixing for fixing in left if fixing.day not in off]
    return {fixing.day for fixing in series} - {fixing.day for fixing in left}


def _inner(series: Sequence[Fixing], jump: Decimal) -> set[date]:
    return {series[at].day for at in range(1, len(series) - 1) if _stands_out(series, at, jump)}


def _outer(series: Sequence[Fixing], jump: Decimal) -> set[date]:
    return {series[at].day for at in {0, len(series) - 1} if series and _stands_out(series, at, jump)}


def _stands_out(series: Sequence[Fixing], index: int, jump: Decimal) -> bool:
    price = series[index].price
    before, after = series[max(0, index - NEIGHBOURS) : index][::-1], series[index + 1 :][:NEIGHBOURS]
    seen = [[each.price for each in side] for side in (before, after) if side]
    off = [[other < price for other in side if apart(price, other) > jump] for side in seen]
    most = all(2 * len(ways) > len(side) for ways, side in zip(off, seen, strict=True))
    if not most or len({way for ways in off for way in ways}) != 1:
        return False
    return len(seen) == 2 or apart(price, seen[0][0]) > jump


def _follows(move: Decimal, leader: Decimal) -> bool:
    return move * leader > 0 and 2 * abs(move) >= abs(leader)


def _moved(fixing: Fixing, since: Decimal) -> str:
    """How far a price is from another one, `+11.75 %`, in the direction in which its source says it."""
    direct = len(fixing.legs) == 1 and fixing.legs[0].pair == fixing.symbol
    part = share(fixing.price, since) if direct else share(since, fixing.price)
    return f"{part * 100:+.2f} %"


def _short(number: Decimal) -> str:
    return f"{number:.6g}"
