"""How one symbol gets its value: its sources, its fallbacks and its limits. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ticker.rates.model import Pair, Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How one symbol gets its value."""

    symbol: Pair
    chain: tuple[str, ...]
    """Keys of sources. The first with a valid rate is the value."""
    authorities: frozenset[str] = frozenset()
    """The sources of the chain that may provide the value; the others are only fallbacks."""
    panel: tuple[str, ...] = ()
    """Sources whose middle one is the fallback if the whole chain is late and three of them agree."""
    band: tuple[Decimal, Decimal] | None = None
    """Lowest and highest plausible units of `symbol.base` per one `symbol.quote`."""
    tolerance: Decimal = Decimal("0.015")
    """How far a new rate may be from the median of the others, as a share."""
    peg: Rate | None = None
    """The official fixed rate, if there is one. The chain then only confirms it."""

    def may_use(self, source: str) -> bool:
        """Whether a source may provide the value."""
        return self.peg is None and (source in self.chain or source in self.panel)
