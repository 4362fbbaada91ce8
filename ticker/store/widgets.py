"""The versions of the widget's script."""

from __future__ import annotations

from typing import Any

from ticker.store import lua
from ticker.store.connection import Connected

SCRIPTS_KEPT = 20
"""Versions of the widget's script that pages may ask for by name: at 20 KB each, 400 KB."""
SCRIPT_DAYS = 3 * 366
"""How long one is kept after the last process started with it; a browser may keep its copy a year."""


class Scripts(Connected):
    """The versions of the widget's script."""

    async def keep_script(self, fingerprint: str, script: str, *, now_ms: int) -> None:
        """
        Keep the widget's script that a process starts with, for pages that ask any process for it.

        No lease is checked, as any process may write it: its name is the hash of its bytes, so all that a
        late write of a stopped process can change is the time at which it was last started with.
        """
        day_ms = 86_400_000
        args = [fingerprint, script, now_ms, SCRIPTS_KEPT, SCRIPT_DAYS * day_ms]
        await self._run(lua.KEEP_SCRIPT, ["scripts"], args)

    async def scripts(self) -> frozenset[str]:
        """The fingerprints of the scripts that are kept."""
        async with self._in_time():
            names: Any = await self._reading.commands.hkeys(self._key("scripts"))
        return frozenset(names)

    async def script(self, fingerprint: str) -> str | None:
        """The script that was kept under this fingerprint; None if none is."""
        async with self._in_time():
            text: Any = await self._reading.commands.hget(self._key("scripts"), fingerprint)
        return str(text).partition(" ")[2] if text else None
