"""The orders of operators to the process that polls, and the answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ticker.store import lua
from ticker.store.connection import Connected

ORDERS_KEPT = 1000
"""The number of orders, and of answers, that are kept as a record."""


@dataclass(frozen=True, slots=True)
class Order:
    """An operator's decision: `confirm` or `hold` a symbol, or `backfill` so many days."""

    id: str
    """The position of the order among all. Its time in ms is the first part."""
    verb: str
    subject: str
    by: str
    """`user@host`, for the record."""


@dataclass(frozen=True, slots=True)
class Done:
    """The answer to an order."""

    text: str
    done: bool
    """Whether it was carried out."""


class Orders(Connected):
    """The orders of operators to the process that polls. Its answers are part of its writes (`Batch`)."""

    async def order(self, verb: str, subject: str, by: str) -> str:
        """Record an operator's decision for the process that polls; return the order's id."""
        async with self._in_time():
            order: Any = await self._writing.commands.xadd(
                self._key("orders"), {"verb": verb, "subject": subject, "by": by}, maxlen=ORDERS_KEPT
            )
        return str(order)

    async def orders(self) -> list[Order]:
        """The orders without an answer, oldest first."""
        rows = await self._run(lua.ORDERS, ["answers", "orders"], [])
        told = ((entry, dict(zip(words[::2], words[1::2], strict=True))) for entry, words in rows)
        return [
            Order(entry, *(fields.get(name, "") for name in ("verb", "subject", "by")))
            for entry, fields in told
        ]

    async def answered(self, order: str) -> Done | None:
        """The answer to an order; None while there is none."""
        async with self._in_time():
            rows: Any = await self._writing.commands.xrange(self._key("answers"), min=order, max=order)
        return Done(rows[0][1].get("text", ""), rows[0][1].get("done") == "1") if rows else None
