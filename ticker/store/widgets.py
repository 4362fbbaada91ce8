"""The versions of the widget's script."""

from __future__ import annotations

from typing import Any

from ticker.store import lua
from ticker.store.connection import Connected

SCRIPTS_KEPT = 40
"""The widget's scripts that are kept, because pages name them: two of each version, at 25 KB each, 1 MB."""
SCRIPT_DAYS = 3 * 366
"""How long one is kept after the last process started with it. A browser may cache it for a year."""


class Scripts(Connected):
    """The versions of the widget's script."""

    async def keep_script(self, fingerprint: str, script: str, *, now_ms: int) -> None:
        """
        Store the script with which a process starts, for pages that ask any process for it.

        No lease is checked: any process may write it. Its name is the hash of its bytes, so a late write of a
        stopped process can only change the time of its last start.
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
