"""What both sides of the stream know of protocol 1: close codes, times, quotes. Pure, without any library."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum
from typing import Any

from ticker.rates.model import Announcement, Pair, Quote


class CloseCode(IntEnum):
    """Why the server ends a stream. `CLOSES` has the words; after those in `COME_BACK`, clients reconnect."""

    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    INVALID_DATA = 1007
    TOO_BIG = 1009
    TRY_AGAIN_LATER = 1013
    BAD_REQUEST = 4400
    SILENT = 4408


CLOSES = {
    CloseCode.GOING_AWAY: "The server is stopping.",
    CloseCode.PROTOCOL_ERROR: "A frame violates RFC 6455.",
    CloseCode.INVALID_DATA: "A text message is not UTF-8.",
    CloseCode.TOO_BIG: "A message is too long.",
    CloseCode.TRY_AGAIN_LATER: "The client read nothing for too long, or sent too many messages.",
    CloseCode.BAD_REQUEST: "The address is wrong, a frame is binary, three frames in a row are wrong, or "
    "none of the symbols is served any more.",
    CloseCode.SILENT: "The client did not answer pings.",
}
COME_BACK = (CloseCode.GOING_AWAY, CloseCode.TRY_AGAIN_LATER, CloseCode.SILENT)
"""Clients reconnect after a random delay. All others are final."""


def decode_time(text: str) -> date:
    """Read a day or an instant. Raises ValueError."""
    return date.fromisoformat(text) if len(text) == 10 else decode_moment(text)


def decode_moment(text: str) -> datetime:
    """Read an instant. Raises ValueError, also for one without a time zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return at


def read_quote(members: Mapping[str, Any]) -> Quote:
    """
    The quote of a JSON object. Members that this version does not know are ignored.

    Raises ValueError, KeyError, TypeError, AttributeError or ArithmeticError if it is not a quote.
    """
    direction, coming, due_at = (members.get(name) for name in ("direction", "next", "due_at"))
    return Quote(
        symbol=Pair.parse(members["symbol"]),
        price=Decimal(members["price"]),
        inverse=Decimal(members["inverse"]),
        previous=_decimal(members["previous"]),
        change=_decimal(members["change"]),
        change_percent=_decimal(members["change_percent"]),
        as_of=decode_time(members["as_of"]),
        source=members["source"],
        # Earlier versions did not write it.
        source_name=members.get("source_name") or members["source"],
        status=members["status"],
        published_at=decode_moment(members["published_at"]),
        value=_decimal(members.get("value")),
        nominal=members.get("nominal"),
        direction=Pair.parse(direction) if direction else None,
        next=_read_announcement(coming) if coming else None,
        corrected=members.get("corrected", False),
        due_at=None if due_at is None else decode_moment(due_at),
        source_site=members.get("source_site", ""),
    )


def _read_announcement(members: Mapping[str, Any]) -> Announcement:
    return Announcement(
        price=Decimal(members["price"]),
        inverse=Decimal(members["inverse"]),
        as_of=decode_time(members["as_of"]),
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
