"""What operators ask of the process that polls, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ticker.store import lua
from ticker.store.connection import Connected

ORDERS_KEPT = 1000
"""Orders of operators, and their answers, that are kept as a record."""


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator decided: `confirm` or `hold` a symbol, or `backfill` so many days."""

    id: str
    """The order's place among all; its time in ms is the first part."""
    verb: str
    subject: str
    by: str
    """`user@host`, for the record."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of an order."""

    text: str
    done: bool
    """Whether it was carried out."""


class Orders(Connected):
    """What operators ask of the process that polls. Its answers are a part of what it writes (`Batch`)."""

    async def order(self, verb: str, subject: str, by: str) -> str:
        """Record an operator's decision for the process that polls; return the order's id."""
        async with self._in_time():
            order: Any = await self._writing.commands.xadd(
                self._key("orders"), {"verb": verb, "subject": subject, "by": by}, maxlen=ORDERS_KEPT
            )
        return str(order)

    async def orders(self) -> list[Order]:
        """The orders that nobody has answered yet, oldest first."""
        rows = await self._run(lua.ORDERS, ["answers", "orders"], [])
        told = ((entry, dict(zip(words[::2], words[1::2], strict=True))) for entry, words in rows)
        return [
            Order(entry, *(fields.get(name, "") for name in ("verb", "subject", "by")))
            for entry, fields in told
        ]

    async def answered(self, order: str) -> Done | None:
        """What came of an order; None while nobody has answered it."""
        async with self._in_time():
            rows: Any = await self._writing.commands.xrange(self._key("answers"), min=order, max=order)
        return Done(rows[0][1].get("text", ""), rows[0][1].get("done") == "1") if rows else None
