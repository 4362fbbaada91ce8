"""Who polls."""

from __future__ import annotations

from ticker.rates.model import NOWHERE, Cursor
from ticker.store import lua
from ticker.store.connection import Connected, in_time


class Leases(Connected):
    """Who polls."""

    async def acquire(self, owner: str, *, seconds: int, now_ms: int, force: bool = False) -> str | None:
        """
        Take the poller's lease, if nobody has it (or by `force`); None if somebody has.

        The lease begins with a fencing token, a number that only grows.
        """
        args = [owner, seconds * 1000, now_ms, int(force)]
        lease: str | None = await self._run(lua.ACQUIRE, ["leader", "fence"], args)
        return lease

    async def led(self) -> bool:
        """Whether some process holds the lease."""
        async with in_time():
            return bool(await self._commands.exists(self._key("leader")))

    async def renew(self, lease: str, *, seconds: int) -> Cursor:
        """Keep the lease; return the last cursor of the stream. Raises LeaseLost."""
        last = await self._run(lua.RENEW, ["leader", "stream", "fence"], [lease, seconds * 1000])
        return Cursor.parse(last) if last else NOWHERE

    async def release(self, lease: str) -> None:
        """Give the lease back, so that the next poller need not wait."""
        await self._run(lua.RELEASE, ["leader", "fence"], [lease])
