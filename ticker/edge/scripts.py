"""The widget's script by its fingerprint: that of this version, and those of others beside our Redis."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable
from typing import TypeVar

from ticker import assets
from ticker.edge.packed import Packed, asset
from ticker.store import UNAVAILABLE, Store

log = logging.getLogger(__name__)

SCRIPT = "text/javascript; charset=utf-8"
FOR_EVER = "public, max-age=31536000, immutable"
LOOK_SECONDS = 1.0
"""How long it is believed which scripts there are, or that Redis is away, whoever asks for what meanwhile."""
Answer = TypeVar("Answer")
SCRIPTS_HELD = 20
"""Scripts of other versions that a process has at hand."""


class Scripts:
    """
    What is served as `/ticker.<fingerprint>.js`.

    A page names the script's bytes (`integrity`), so its address must outlive an upgrade, and every machine
    must know it, those too that run another version.
    """

    def __init__(self, store: Store, own: bytes) -> None:
        self.fingerprint = assets.fingerprint(own)
        self._store = store
        self._text = own.decode()
        self._own = asset(own, SCRIPT, FOR_EVER)
        self._held: OrderedDict[str, Packed] = OrderedDict()
        self._known: frozenset[str] = frozenset()
        self._away = ""
        self._looked_at = -LOOK_SECONDS
        # Whoever asks for what is not there yet waits for the one who looks.
        self._looking = asyncio.Lock()

    async def keep(self) -> None:
        """Let every process beside our Redis serve this version's script."""
        try:
            await self._store.keep_script(self.fingerprint, self._text, now_ms=time.time_ns() // 1_000_000)
        except UNAVAILABLE as error:
            log.warning("widget: its script could not be kept, other versions will not know it: %s", error)

    async def find(self, fingerprint: str) -> Packed | None:
        """The script of this fingerprint; None if there is none. Raises one of UNAVAILABLE."""
        if fingerprint == self.fingerprint:
            return self._own
        async with self._looking:
            if found := self._held.get(fingerprint):
                self._held.move_to_end(fingerprint)
                return found
            if fingerprint not in await self._names():
                return None
            return await self._fetch(fingerprint)

    async def _names(self) -> frozenset[str]:
        """All that are kept: one question for a flood of others."""
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self._known = await self._asked(self._store.scripts())
        if self._away:
            raise ConnectionError(self._away)
        return self._known

    async def _asked(self, question: Awaitable[Answer]) -> Answer:
        """What Redis answers; that it does not is known to all who ask next."""
        self._away = ""
        try:
            return await question
        except UNAVAILABLE as error:
            self._away = str(error) or "timed out"
            raise
        finally:
            self._looked_at = time.monotonic()

    async def _fetch(self, fingerprint: str) -> Packed | None:
        script = (await self._asked(self._store.script(fingerprint)) or "").encode()
        # Nobody may be given other bytes than those that the address names, whatever Redis holds.
        if assets.fingerprint(script) != fingerprint:
            return None
        packed = await asyncio.to_thread(asset, script, SCRIPT, FOR_EVER)
        self._held[fingerprint] = packed
        if len(self._held) > SCRIPTS_HELD:
            self._held.popitem(last=False)
        return packed
