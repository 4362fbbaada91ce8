"""What a poller reads to continue after another one."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from redis.exceptions import ResponseError

from ticker import legacy
from ticker.legacy import LegacyMemory
from ticker.rates.events import Entry
from ticker.rates.model import Cursor
from ticker.records import Document
from ticker.store import rows
from ticker.store.connection import Connected

log = logging.getLogger(__name__)

ENTRIES_AT_ONCE = 1000
"""Entries of the ledger that one command reads: up to two megabytes."""
DOCUMENTS_AT_ONCE = 100
"""Documents that one command reads: up to one megabyte."""


class Ledger(Connected):
    """What a poller reads to continue after another one."""

    async def ledger(self) -> list[Entry]:
        """Every event, in order. Unreadable ones are skipped."""
        found: list[Entry] = []
        key, after = self._key("ledger"), "-"
        while True:
            async with self._in_time():
                told: Any = await self._writing.commands.xrange(key, min=after, count=ENTRIES_AT_ONCE)
            if not told:
                return found
            for number, (name, fields) in enumerate(told):
                if entry := rows.event(name, fields):
                    found.append(entry)
                if not number % rows.ROWS_AT_ONCE:
                    await asyncio.sleep(0)
            after = f"({told[-1][0]}"

    async def last_event(self) -> int:
        """The number of the last event that was written; 0 if none was."""
        try:
            async with self._in_time():
                info: Any = await self._writing.bytes.xinfo_stream(self._key("ledger"))
        except ResponseError as error:
            if "no such key" in str(error):
                return 0
            raise
        return Cursor.parse(info["last-generated-id"].decode()).epoch

    async def documents(self) -> dict[str, Document]:
        """Every document, by its SHA-256. Unreadable ones are skipped."""
        async with self._in_time():
            abouts: Any = await self._writing.commands.hgetall(self._key("documents:about"))
        found: dict[str, Document] = {}
        names = sorted(abouts)
        for start in range(0, len(names), DOCUMENTS_AT_ONCE):
            some = names[start : start + DOCUMENTS_AT_ONCE]
            async with self._in_time():
                bodies: Any = await self._writing.bytes.hmget(self._key("documents"), some)
            read = (rows.document(name, body, abouts[name]) for name, body in zip(some, bodies, strict=True))
            found |= {document.sha256: document for document in read if document}
        return found

    async def legacy_memory(self) -> LegacyMemory | None:
        """The data of a poller of an earlier version; None if there is nothing readable."""
        async with self._in_time():
            text: Any = await self._writing.commands.get(self._key("memory"))
        try:
            return legacy.decode_memory(text) if text else None
        except ValueError as error:
            log.error("redis: the record of an earlier version is unreadable and was skipped: %s", error)
            return None
