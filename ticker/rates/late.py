"""Whether a quote is late at a moment, and its status then: a function of the quote and the time. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from ticker.rates.model import Quote, Status


class Due(Protocol):
    """Something that becomes late at a moment, if it has one."""

    @property
    def due_at(self) -> datetime | None: ...


def status_at(quote: Quote, now: datetime) -> Status:
    """
    The status of a quote at a moment: `stale` from its `due_at` on, whatever its published status.

    A quote without `due_at` (pegged, on hold or unconfirmed) is never late.
    """
    return "stale" if is_late(quote, now) else quote.status


def is_late(due: Due, now: datetime) -> bool:
    """Whether a newer table was due by now."""
    return due.due_at is not None and due.due_at <= now
