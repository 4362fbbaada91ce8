"""The poller's lease."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ticker.board import Polling
from ticker.rates.model import NOWHERE, Cursor, Pair
from ticker.store import lua
from ticker.store.connection import Connected


class Leases(Connected):
    """The poller's lease, and what is known of its holder."""

    async def acquire(
        self, owner: str, *, seconds: int, now_ms: int, force: bool = False, patient: bool = False
    ) -> str | None:
        """
        Take the poller's lease if it is free, or by `force`; None if another process has it.

        The lease starts with a fencing token, a number that only grows. If Redis knows of no earlier lease,
        as after a flush, a `patient` caller gets an empty text and no lease.
        """
        args = [owner, seconds * 1000, now_ms, int(force), int(patient)]
        lease: str | None = await self._run(lua.ACQUIRE, ["leader", "fence", "poller"], args)
        return lease

    async def led(self) -> bool:
        """Whether some process holds the lease."""
        async with self._in_time():
            return bool(await self._writing.commands.exists(self._key("leader")))

    async def polls(self) -> Polling | None:
        """The process that polls, or polled last, and its last write; None if none ever did."""
        async with self._in_time():
            told: Any = await self._reading.commands.hgetall(self._key("poller"))
            seconds, micros = await self._reading.commands.time()
        if not told:
            return None
        since, _, owner = told["lease"].partition(" ")
        wrote_ms = int(told["wrote_at"])
        silent = seconds + micros / 1e6 - wrote_ms / 1000
        holds = tuple(told.get("holds", "").split())
        return Polling(owner, _moment(int(since)), _moment(wrote_ms), max(0.0, silent), holds)

    async def renew(self, lease: str, *, seconds: int, holds: Iterable[Pair] = ()) -> Cursor:
        """Renew the lease and record the holds; return the last cursor of the stream. Raises LeaseLost."""
        await self._writing.look()
        args = [lease, seconds * 1000, " ".join(sorted(map(str, holds)))]
        last = await self._run(lua.RENEW, ["leader", "stream", "fence", "poller"], args)
        return Cursor.parse(last) if last else NOWHERE

    async def note_version(self, lease: str, version: str) -> None:
        """Record the version of this service that polls. Raises LeaseLost."""
        await self._run(lua.NOTE_VERSION, ["leader", "fence", "version"], [lease, version])

    async def version(self) -> str:
        """The version that polled last; empty if none has recorded it."""
        async with self._in_time():
            return str(await self._reading.commands.get(self._key("version")) or "")

    async def release(self, lease: str) -> None:
        """Give the lease back, so that the next poller does not have to wait."""
        await self._run(lua.RELEASE, ["leader", "fence"], [lease])


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
