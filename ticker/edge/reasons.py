"""Why symbols have no quote yet: read from Redis while there are such symbols, and sent to their readers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from ticker.awaited import Known, reason
from ticker.board import Polling
from ticker.config import Settings
from ticker.edge.stream import Broadcast
from ticker.rates.source import Outcome, Source
from ticker.rules import rule
from ticker.store import UNAVAILABLE, Store

LOOK_SECONDS = 2.0
"""Seconds between two reads while a symbol has no quote. If all have one, nothing is read."""


class Reasons:
    """Keeps the mirror informed why symbols have no quote yet."""

    def __init__(
        self,
        broadcast: Broadcast,
        store: Store,
        settings: Settings,
        sources: dict[str, Source],
        enabled: frozenset[str],
    ) -> None:
        self._broadcast = broadcast
        self._store = store
        self._sources = sources
        self._outcomes: Mapping[str, Outcome] = {}
        self._polling: Polling | None = None
        self._wanted = asyncio.Event()
        self.serve(settings, enabled)

    def serve(self, settings: Settings, enabled: frozenset[str]) -> None:
        """Switch to the symbols and sources of other settings."""
        self._settings = settings
        self._polled = {key: source for key, source in self._sources.items() if key in enabled}
        self._tell()

    def look(self) -> None:
        """Continue to read if a symbol has no quote now."""
        if self._broadcast.mirror.awaited:
            self._wanted.set()

    async def watch(self) -> None:
        """Read while a symbol has no quote, until cancelled."""
        while True:
            self._wanted.clear()
            self.look()
            await self._wanted.wait()
            with suppress(*UNAVAILABLE):  # the last answer of Redis is better than none
                await self.read()
            await asyncio.sleep(LOOK_SECONDS)

    async def read(self) -> None:
        """Read the state of the sources, and publish the reasons. Raises UNAVAILABLE's errors."""
        self._outcomes = await self._store.outcomes(list(self._sources))
        self._polling = await self._store.polls()
        self._tell()

    def _tell(self) -> None:
        settings = self._settings
        known = Known(
            sources=self._polled,
            outcomes=self._outcomes,
            polling=self._polling,
            label=f"{settings.label}:" if settings.label else "",
        )
        rules = [rule(symbol, settings, self._polled.values()) for symbol in settings.symbols]
        self._broadcast.explain({each.symbol: reason(each, known) for each in rules})
