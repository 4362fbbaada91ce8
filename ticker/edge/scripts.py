"""The widget's scripts by their fingerprints: of this version, and of others on the same Redis."""

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
"""Seconds for which the list of scripts is cached, or that Redis is away."""
KEEP_SECONDS = 25.0
"""Seconds between two checks of Redis: a flush loses all scripts, and pages name them for years."""
PACKED = 20
"""The number of other versions' scripts that a process keeps ready to be sent."""
Answer = TypeVar("Answer")
_Key = tuple[str, bool]
"""A fingerprint, and whether it is that of a `board.js`."""


class Scripts:
    """
    The scripts that are served as `/ticker.<fingerprint>.js` and `/board.<fingerprint>.js`.

    A page names the hash of the script (`integrity`), so its address must outlive an upgrade. Every machine
    must serve it, also one that runs another version. So each process stores the scripts of all of them.
    """

    def __init__(self, store: Store, *own: bytes) -> None:
        """`own` are the scripts of this version."""
        self._store = store
        self._own = {assets.fingerprint(each): each for each in own}
        self._ready = {_key(each): asset(each, SCRIPT, FOR_EVER) for each in own}
        self._here = {assets.fingerprint(each): each for each in (*own, *assets.released())}
        """The scripts in this package."""
        self._others: dict[str, bytes] = {}
        """The scripts of other versions, as far as they were read."""
        self._packed: OrderedDict[_Key, Packed] = OrderedDict()
        self._known: frozenset[str] = frozenset()
        self._away = ""
        self._looked_at = -LOOK_SECONDS
        self._is_kept = True
        # Requests for a missing script wait for one shared look into Redis.
        self._looking = asyncio.Lock()

    async def keep_always(self) -> None:
        """Keep the scripts of all processes in Redis and here, until cancelled."""
        while True:
            await self.keep()
            await asyncio.sleep(KEEP_SECONDS)

    async def keep(self) -> None:
        """Store this version's scripts and all others that we know, for every process on this Redis."""
        try:
            known = await self._store.scripts()
            if not self._own.keys() <= known:
                # Redis is new, or has lost everything: store the others', too.
                for fingerprint, script in (*self._others.items(), *self._own.items()):
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

    async def find(self, fingerprint: str, *, board: bool = False) -> Packed | None:
        """The script with this fingerprint; None if there is none. Raises one of UNAVAILABLE."""
        key = fingerprint, board
        if own := self._ready.get(key):
            return own
        async with self._looking:
            if found := self._packed.get(key):
                self._packed.move_to_end(key)
                return found
            script = self._here.get(fingerprint) or self._others.get(fingerprint)
            if script is None and fingerprint in await self._names():
                script = await self._asked(self._read(fingerprint))
            return await self._pack(script) if script and _key(script) == key else None

    async def _names(self) -> frozenset[str]:
        """The names of all stored scripts: one question answers a flood of requests."""
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self._known = await self._asked(self._store.scripts())
        if self._away:
            raise ConnectionError(self._away)
        return self._known

    async def _asked(self, question: Awaitable[Answer]) -> Answer:
        """The answer of Redis. A failure is remembered for the next requests."""
        self._away = ""
        try:
            return await question
        except UNAVAILABLE as error:
            self._away = str(error) or "timed out"
            raise
        finally:
            self._looked_at = time.monotonic()

    async def _read(self, fingerprint: str) -> bytes | None:
        """Keep another version's script here."""
        script = (await self._store.script(fingerprint) or "").encode()
        # Whatever Redis holds, nobody may get other bytes than those that the address names.
        if assets.fingerprint(script) != fingerprint:
            return None
        self._others[fingerprint] = script
        if len(self._others) > SCRIPTS_KEPT:
            del self._others[next(iter(self._others))]
        return script

    async def _pack(self, script: bytes) -> Packed:
        packed = await asyncio.to_thread(asset, script, SCRIPT, FOR_EVER)
        self._packed[_key(script)] = packed
        if len(self._packed) > PACKED:
            self._packed.popitem(last=False)
        return packed


def _key(script: bytes) -> _Key:
    return assets.fingerprint(script), assets.is_board(script)
