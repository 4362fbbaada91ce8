"""Whether what is kept is right: the ledger's fold, the documents, memory and open files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from ticker.config import Settings
from ticker.rates.desk import Desk
from ticker.rules import enabled_sources, new_desk
from ticker.store import Store

from .estate import Estate
from .street import Said

MEMORY_MB = 25.0
"""How much more memory a process may have at the end than after its first fault."""
FILES = 15
"""How many more open files."""


async def kept_faults(store: Store, settings: Settings, said: Said, *, now: datetime) -> list[str]:
    """What Redis has that does not follow from its ledger, and documents that no bank sent."""
    desk = new_desk(settings, enabled_sources(settings))
    desk.load(await store.ledger())
    desk.tick(now=now)
    found = [*await _quote_faults(store, desk), *await _history_faults(store, settings, desk)]
    for document in (await store.documents()).values():
        if document.sha256 not in said.bodies[document.source]:
            found.append(f"{document.source} never sent the document {document.sha256:.12}")
    return found


async def _quote_faults(store: Store, desk: Desk) -> list[str]:
    quotes = {quote.symbol: quote for _, quote in (await store.snapshot()).rows}
    folded = {
        symbol: replace(quote, published_at=quotes[symbol].published_at) if symbol in quotes else quote
        for symbol, quote in desk.quotes.items()
    }
    return [
        f"{symbol} is {quotes.get(symbol)}, and the ledger says {folded.get(symbol)}"
        for symbol in sorted(quotes.keys() | folded.keys())
        if quotes.get(symbol) != folded.get(symbol)
    ]


async def _history_faults(store: Store, settings: Settings, desk: Desk) -> list[str]:
    stored, folded = set(await store.fixings(settings.symbols)), set(desk.fixings())
    return [f"the history has {each}, and the ledger does not" for each in stored - folded] + [
        f"the ledger has {each}, and the history does not" for each in folded - stored
    ]


@dataclass
class Use:
    """What one process takes, after each fault."""

    name: str
    memory: list[float] = field(default_factory=list)
    """Resident, in MB."""
    files: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.memory[0]:.0f} to {self.memory[-1]:.0f} MB "
            f"(at most {max(self.memory):.0f}), "
            f"{self.files[0]} to {self.files[-1]} files (at most {max(self.files)})"
        )

    def faults(self) -> Iterator[str]:
        """What has grown."""
        if self.memory[-1] - self.memory[0] > MEMORY_MB:
            yield f"memory grew: {self}"
        if self.files[-1] - self.files[0] > FILES:
            yield f"open files grew: {self}"


class Uses:
    """What every process took, from its start to its end."""

    def __init__(self) -> None:
        self._known: dict[int, Use] = {}

    def note(self, estate: Estate) -> None:
        """Measure every process of the services."""
        for unit in estate.units.values():
            for number, pid in enumerate(unit.pids):
                use = self._known.setdefault(pid, Use(f"{unit.name}, process {number} ({pid})"))
                folder = Path(f"/proc/{pid}")
                use.memory.append(_resident(folder))
                use.files.append(len(list((folder / "fd").iterdir())))

    def __iter__(self) -> Iterator[Use]:
        """Those that were measured more than once."""
        return (use for use in self._known.values() if len(use.memory) > 1)


def _resident(folder: Path) -> float:
    lines = (folder / "status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024
