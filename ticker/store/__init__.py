"""
All of Redis: write, snapshot, follow, ledger, history, scripts, lease. Redis 6.2 or later, or Valkey.

One publication is one entry of the stream. One Lua script writes it together with the latest quotes, the
history and the events behind it: no reader ever sees one without the others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from ticker.rates.model import Cursor
from ticker.store import lua
from ticker.store.batch import Batch, as_order, written_keys
from ticker.store.copies import Copies
from ticker.store.errors import UNAVAILABLE, Behind, LeaseLost, Refused, condition, is_refusal, public
from ticker.store.leases import Leases
from ticker.store.orders import Done, Order, Orders
from ticker.store.quotes import Publication, Quotes, Snapshot
from ticker.store.widgets import Scripts

__all__ = [
    "UNAVAILABLE",
    "Batch",
    "Behind",
    "Done",
    "LeaseLost",
    "Order",
    "Publication",
    "Refused",
    "Snapshot",
    "Store",
    "condition",
    "is_refusal",
    "public",
]


class Store(Leases, Orders, Scripts, Quotes, Copies):
    """Everything that the service reads and writes in Redis. `write` is the poller's only write."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        stream_length: int,
        history_days: int,
        read_url: str = "",
        sentinels: Mapping[str, str] | None = None,
        keeps: bool = False,
    ) -> None:
        """
        `stream_length` is in publications. An edge may read at `read_url`; a poller may not, because it must
        know everything that was written. `keeps` says that the server never loses what readers were sent.

        `sentinels` are the `username` and the `password` of the Sentinels themselves. Raises Refused.
        """
        super().__init__(url, prefix=prefix, read_url=read_url, sentinels=sentinels)
        self._length = stream_length
        self._days = history_days
        self._keeps = keeps

    async def write(
        self,
        batch: Batch,
        *,
        lease: str,
        seen: Cursor,
        now_ms: int,
        mode: Literal["changes", "everything", "reset"] = "changes",
    ) -> Cursor:
        """
        Write a batch in one atomic step. Returns the last cursor of the stream.

        Idempotent: a quote that is the latest already is not published again, and an event that is in the
        ledger already is not added. So a call may be repeated after a cancellation or a time-out, when it is
        not known whether it was carried out. A repeated `reset` opens one more epoch, and readers get the
        same snapshot again.

        `mode`: `changes` adds to what is there. `everything` repairs a Redis that lost data, in a new epoch.
        `reset` deletes the quotes, and the history of the symbols that the batch names, and opens a new
        epoch. In the last two, `batch.anew` empties the ledger first; further parts come without it.

        Raises LeaseLost; or Behind if the stream has less than `seen`, the highest cursor that the caller
        knows, or the ledger less than `batch.after`. Also Behind if quotes are the first `changes` since
        another server was promoted, or this one was started again: replication and the disk lag behind, so
        readers may have seen cursors of this epoch that nobody here knows. Then nothing was written.
        """
        order = as_order(batch) | {
            "lease": lease,
            "seen": [seen.epoch, seen.sequence],
            "now": now_ms,
            "mode": mode,
            "length": self._length,
            "days": self._days,
            "keeps": self._keeps,
        }
        bodies = [document.body for document in batch.documents]
        keys = written_keys(batch)
        return Cursor.parse(await self._run(lua.WRITE, keys, [json.dumps(order), *bodies]))
