"""What both sides of the stream know of protocol 1: close codes, times, quotes. Pure, without any library."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import IntEnum
from typing import Any, TypeVar, cast

from ticker.rates.model import Announcement, Pair, Quote, Status


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
NONSENSE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading JSON raises if it is not what it should be."""
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_MOST_DIGITS = 60
Kind = TypeVar("Kind")


def decode_time(text: str) -> date:
    """Read a day or an instant. Raises ValueError."""
    return date.fromisoformat(text) if len(text) == 10 else decode_moment(text)


def decode_moment(text: str) -> datetime:
    """Read an instant, in UTC. Raises ValueError, also for one without a time zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is before the year 1 or after 9999 in UTC") from None


def decode_number(text: str) -> Decimal:
    """Read a number. Raises ValueError, also for one with an exponent and for `NaN`."""
    if not _NUMBER.fullmatch(text) or len(text) > _MOST_DIGITS:
        raise ValueError(f"{text!r} is not a number")
    return Decimal(text)


def decode_price(text: str) -> Decimal:
    """Read a number above zero. Raises ValueError."""
    if (price := decode_number(text)) <= 0:
        raise ValueError(f"{text!r} is not a price")
    return price


def read_text(value: Any) -> str:
    """A text that can be written. Raises ValueError or TypeError."""
    _of(str, value).encode()
    return str(value)


def _of(kind: type[Kind], value: Any) -> Kind:
    if type(value) is not kind:
        raise TypeError(f"{value!r} is not {kind.__name__}")
    return value


def read_quote(members: Mapping[str, Any]) -> Quote:
    """
    The quote of a JSON object. Members that this version does not know are ignored.

    Raises one of NONSENSE if it is not a quote.
    """
    value, nominal, due_at = (members.get(name) for name in ("value", "nominal", "due_at"))
    direction, coming = members.get("direction"), members.get("next")
    return Quote(
        symbol=Pair.parse(members["symbol"]),
        price=decode_price(members["price"]),
        inverse=decode_price(members["inverse"]),
        previous=_known(decode_price, members["previous"]),
        change=_known(decode_number, members["change"]),
        change_percent=_known(decode_number, members["change_percent"]),
        as_of=decode_time(members["as_of"]),
        source=read_text(members["source"]),
        # Earlier versions did not write it.
        source_name=read_text(members.get("source_name") or members["source"]),
        status=cast("Status", read_text(members["status"])),
        published_at=decode_moment(members["published_at"]),
        value=_known(decode_price, value),
        nominal=None if nominal is None else _of(int, nominal),
        direction=Pair.parse(direction) if direction else None,
        next=_read_announcement(coming) if coming else None,
        corrected=_of(bool, members.get("corrected", False)),
        due_at=_known(decode_moment, due_at),
        source_site=read_text(members.get("source_site", "")),
    )


def _read_announcement(members: Mapping[str, Any]) -> Announcement:
    return Announcement(
        price=decode_price(members["price"]),
        inverse=decode_price(members["inverse"]),
        as_of=decode_time(members["as_of"]),
    )


def _known(decode: Callable[[str], Kind], text: str | None) -> Kind | None:
    """What a text says; None is unknown."""
    return None if text is None else decode(text)
