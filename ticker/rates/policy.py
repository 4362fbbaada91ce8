"""How one symbol gets its value: whose word it is, who stands in, and within which limits. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ticker.rates.model import Pair, Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How one symbol gets its value."""

    symbol: Pair
    chain: tuple[str, ...]
    """Keys of sources; the first that has a rate that holds is the value."""
    authorities: frozenset[str] = frozenset()
    """Those of the chain whose word is the value; the others only stand in."""
    panel: tuple[str, ...] = ()
    """Sources of which the middle one stands in when the whole chain is late, if three of them agree."""
    band: tuple[Decimal, Decimal] | None = None
    """Lowest and highest plausible units of `symbol.base` per one `symbol.quote`."""
    tolerance: Decimal = Decimal("0.015")
    """How far a new rate may be from the median of the others, as a share."""
    peg: Rate | None = None
    """The fixed rate where there is one; the chain is not asked then, but watched."""

    def may_use(self, source: str) -> bool:
        """Whether a source's word may become the value."""
        return self.peg is None and (source in self.chain or source in self.panel)
