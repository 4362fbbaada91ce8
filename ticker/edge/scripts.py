"""The widget's script by its fingerprint: this version's, earlier ones', others' beside our Redis."""

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
from ticker.store.widgets import SCRIPTS_KEPT

log = logging.getLogger(__name__)

SCRIPT = "text/javascript; charset=utf-8"
FOR_EVER = "public, max-age=31536000, immutable"
LOOK_SECONDS = 1.0
"""How long it is believed which scripts there are, or that Redis is away, whoever asks for what meanwhile."""
KEEP_SECONDS = 25.0
"""How often Redis is looked through: a flush loses all scripts, and pages name them for years."""
PACKED = 20
"""Scripts of other versions that a process has ready to be sent."""
Answer = TypeVar("Answer")


class Scripts:
    """
    What is served as `/ticker.<fingerprint>.js`.

    A page names the script's bytes (`integrity`), so its address must outlive an upgrade, and every machine
    must know it, those too that run another version. So each process keeps what all of them serve.
    """

    def __init__(self, store: Store, own: bytes) -> None:
        self.fingerprint = assets.fingerprint(own)
        self._store = store
        self._script = own
        self._own = asset(own, SCRIPT, FOR_EVER)
        self._here = {assets.fingerprint(each): each for each in (own, *assets.released())}
        """What came with this package."""
        self._others: dict[str, bytes] = {}
        """What others brought, as far as it was read."""
        self._packed: OrderedDict[str, Packed] = OrderedDict()
        self._known: frozenset[str] = frozenset()
        self._away = ""
        self._looked_at = -LOOK_SECONDS
        self._is_kept = True
        # Whoever asks for what is not there yet waits for the one who looks.
        self._looking = asyncio.Lock()

    async def keep_always(self) -> None:
        """Keep what every process serves in Redis and here, until cancelled."""
        while True:
            await self.keep()
            await asyncio.sleep(KEEP_SECONDS)

    async def keep(self) -> None:
        """Let every process beside our Redis serve this version's script, and the others that we know."""
        try:
            known = await self._store.scripts()
            if self.fingerprint not in known:
                # Redis is new, or has lost everything: the others', too.
                for fingerprint, script in (*self._others.items(), (self.fingerprint, self._script)):
                    now_ms = time.time_ns() // 1_000_000
                    await self._store.keep_script(fingerprint, script.decode(), now_ms=now_ms)
            for fingerprint in known - self._here.keys() - self._others.keys():
                await self._read(fingerprint)
        except UNAVAILABLE as error:
            if self._is_kept:
                log.warning("widget: the script was not stored, other versions can't serve it: %s", error)
            self._is_kept = False
        else:
            self._is_kept = True

    async def find(self, fingerprint: str) -> Packed | None:
        """The script of this fingerprint; None if there is none. Raises one of UNAVAILABLE."""
        if fingerprint == self.fingerprint:
            return self._own
        async with self._looking:
            if found := self._packed.get(fingerprint):
                self._packed.move_to_end(fingerprint)
                return found
            script = self._here.get(fingerprint) or self._others.get(fingerprint)
            if script is None and fingerprint in await self._names():
                script = await self._asked(self._read(fingerprint))
            return await self._pack(fingerprint, script) if script else None

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

    async def _read(self, fingerprint: str) -> bytes | None:
        """Another version's script, kept here from now on."""
        script = (await self._store.script(fingerprint) or "").encode()
        # Nobody may be given other bytes than those that the address names, whatever Redis holds.
        if assets.fingerprint(script) != fingerprint:
            return None
        self._others[fingerprint] = script
        if len(self._others) > SCRIPTS_KEPT:
            del self._others[next(iter(self._others))]
        return script

    async def _pack(self, fingerprint: str, script: bytes) -> Packed:
        packed = await asyncio.to_thread(asset, script, SCRIPT, FOR_EVER)
        self._packed[fingerprint] = packed
        if len(self._packed) > PACKED:
            self._packed.popitem(last=False)
        return packed
