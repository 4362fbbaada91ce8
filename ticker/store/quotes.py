"""What every process reads: the quotes, the history, the outcomes of the sources."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import ValidationError

from ticker.rates.model import NOWHERE, Cursor, Fixing, Pair, Quote
from ticker.rates.source import Outcome
from ticker.store import clients, rows
from ticker.store.connection import Connected

SNAPSHOT_TRIES = 5
"""How often a snapshot is read again while publications arrive between its reads."""


@dataclass(frozen=True, slots=True)
class Publication:
    """One entry of the stream: the quotes that changed together."""

    cursor: Cursor
    quotes: tuple[Quote, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The newest quotes, each with the cursor at which it changed, all as of one moment."""

    cursor: Cursor
    rows: tuple[tuple[Cursor, Quote], ...]


class Quotes(Connected):
    """What every process reads: the quotes, the history, the outcomes of the sources."""

    async def snapshot(self) -> Snapshot:
        """
        The latest quotes and the last cursor, as of one moment. Unreadable rows are skipped.

        It needs neither MULTI nor a script, which a server over its `maxmemory`, a replica or an ACL may
        refuse. If the cursor moves between the reads, they are repeated. If it never rests, the snapshot is
        that of the first read. What is newer is left out, because a reader that follows from there gets it
        next.
        """
        for _ in range(SNAPSHOT_TRIES):
            cursor, latest, after = await self._latest()
            if cursor == after:
                break
        found = (rows.latest(symbol, text) for symbol, text in latest.items())
        return Snapshot(cursor, tuple(row for row in found if row and row[0] <= cursor))

    async def _latest(self) -> tuple[Cursor, dict[str, str], Cursor]:
        """The latest quotes as stored, and the last cursors before and after they were read."""
        stream = self._key("stream")
        async with self._in_time(), self._reading.commands.pipeline(transaction=False) as pipeline:
            pipeline.xrevrange(stream, count=1)
            pipeline.hgetall(self._key("latest"))
            pipeline.xrevrange(stream, count=1)
            before, latest, after = await pipeline.execute()
        return _last(before), latest, _last(after)

    async def follow(self, position: Cursor) -> AsyncGenerator[Publication, None]:
        """
        Every publication after `position`, as it arrives, without end. Raises UNAVAILABLE's errors.

        The position is always explicit: `$` would lose what is published between two reads.
        """
        while True:
            await self._reading.look()
            async with self._in_time(clients.FOLLOW_BLOCK + 2):
                answer: Any = await self._reading.follower.xread(
                    {self._key("stream"): str(position)}, count=100, block=int(clients.FOLLOW_BLOCK * 1000)
                )
            for entry, fields in (answer or {}).get(self._key("stream"), ()):
                position = Cursor.parse(entry)
                yield Publication(position, rows.quotes(entry, fields))

    async def fixings(
        self,
        symbols: Iterable[Pair],
        *,
        since: date = date.min,
        until: date = date.max,
        source: str | None = None,
    ) -> list[Fixing]:
        """
        The rates of every source (or of one) for each symbol, by day, from `since` to `until` inclusive.

        Unreadable rows are skipped.
        """
        found: list[Fixing] = []
        for symbol in symbols:
            key = self._key(f"history:{symbol}")
            async with self._in_time():
                members: Any = await self._reading.commands.zrange(
                    key, since.toordinal(), until.toordinal(), byscore=True
                )
            if source is not None:
                members = [member for member in members if member.startswith(f"{source}|")]
            for number, member in enumerate(members):
                if fixing := rows.fixing(key, member, symbol):
                    found.append(fixing)
                # Five years take a tenth of a second; the event loop's other work must not wait for that.
                if not number % rows.ROWS_AT_ONCE:
                    await asyncio.sleep(0)
        return found

    async def outcomes(self, sources: Sequence[str]) -> dict[str, Outcome]:
        """The outcome of each source's last poll, where it is known."""
        async with self._in_time():
            texts = await self._reading.commands.mget([self._key(f"source:{source}") for source in sources])
        found = {}
        for source, text in zip(sources, texts, strict=True):
            try:
                found[source] = Outcome.model_validate_json(text) if text else Outcome(source=source)
            except ValidationError:
                found[source] = Outcome(source=source)
        return found


def _last(entries: Sequence[tuple[str, object]]) -> Cursor:
    return Cursor.parse(entries[0][0]) if entries else NOWHERE
