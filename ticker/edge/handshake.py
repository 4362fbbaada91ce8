"""
From the head of a request to the answer that opens a WebSocket. Pure.

`ordinary` reads what browsers, common libraries and proxies send, in one pass. It refuses nothing: if
anything is unusual, `by_websockets` decides, which takes ten times as long. Where `ordinary` gives a
handshake, `by_websockets` gives the same one; `tests/test_handshake.py` compares them on mutated heads.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.utils import accept_key

MOST_BYTES = 8192
"""The longest line that `websockets` allows. A head of at most this size has no longer line."""
MOST_FIELDS = 64
"""The most fields that `websockets` allows."""
_CONNECTIONS = frozenset({"upgrade", "keep-alive, upgrade"})
_KEY = re.compile(r"[A-Za-z0-9+/]{21}[AQgw]==")
"""16 bytes in base64, with no stray bit in the last letter."""
_DOUBTFUL = frozenset({"content-length", "transfer-encoding", "sec-websocket-protocol"})
"""Fields whose values `websockets` checks."""


class Handshake(NamedTuple):
    """A valid request for an upgrade."""

    answer: bytes
    """The head of the answer that accepts it."""
    query: str
    """The query of the target, as it was sent."""
    origin: str | None
    forwarded: str
    """X-Forwarded-For; empty if there is none."""


def ordinary(head: bytes, now: int) -> Handshake | None:
    """
    The handshake of an ordinary head, with an answer dated `now` (seconds since 1970); None if not ordinary.

    An ordinary head is printable ASCII, has no field twice, and spells every upgrade field as the standard
    does.
    """
    if len(head) > MOST_BYTES or not head.isascii():
        return None
    start, *lines = head.decode("ascii").split("\r\n")
    words = start.split(" ")
    if len(words) != 3 or words[0] != "GET" or words[2] != "HTTP/1.1" or not start.isprintable():
        return None
    fields = _fields(lines)
    if fields is None or not _is_upgrade(fields):
        return None
    return Handshake(
        _answer(fields["sec-websocket-key"], now),
        words[1].partition("?")[2],
        fields.get("origin"),
        fields.get("x-forwarded-for", ""),
    )


def _fields(lines: Sequence[str]) -> dict[str, str] | None:
    """The values by their names in lower case; None if a line is unusual or a name is repeated."""
    count = len(lines) - 2
    if count > MOST_FIELDS or lines[count:] != ["", ""] or not "".join(lines).isprintable():
        return None
    fields = {}
    for line in lines[:count]:
        name, colon, value = line.partition(":")
        if not colon or not (known := _name(name)):
            return None
        fields[known] = value.strip(" ")
    return fields if len(fields) == count else None


@lru_cache(maxsize=256)
def _name(text: str) -> str:
    """
    The name of a field in lower case; empty if it is unusual.

    The standard allows more than letters, digits, hyphens and underscores, but only those are in use.
    """
    return text.lower() if text.replace("-", "_").isidentifier() else ""


def _is_upgrade(fields: dict[str, str]) -> bool:
    return (
        "host" in fields
        and fields.get("upgrade", "").lower() == "websocket"
        and fields.get("connection", "").lower() in _CONNECTIONS
        and fields.get("sec-websocket-version") == "13"
        and _KEY.fullmatch(fields.get("sec-websocket-key", "")) is not None
        and _DOUBTFUL.isdisjoint(fields)
    )


def _answer(key: str, now: int) -> bytes:
    """The same answer as `websockets` writes. No extension is offered, so none is accepted."""
    return (
        f"HTTP/1.1 101 Switching Protocols\r\nDate: {http_date(now)}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
    ).encode()


@lru_cache(maxsize=2)
def http_date(seconds: int) -> str:
    """
    Seconds since 1970 in the format of HTTP (RFC 9110, 5.6.7).

    The cache holds two values because the clock of a demo differs from the clock of the machine.
    """
    return formatdate(seconds, usegmt=True)


def by_websockets(head: bytes) -> Handshake | None:
    """The handshake of any head that `websockets` accepts; None if it refuses."""
    protocol = ServerProtocol()
    protocol.receive_data(head)
    request = next(iter(protocol.events_received()), None)
    # Exactly one Host (RFC 9112, 3.2): `websockets` leaves this check to its caller.
    if not isinstance(request, Request) or len(request.headers.get_all("Host")) != 1:
        return None
    response = protocol.accept(request)
    if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
        return None
    protocol.send_response(response)
    return Handshake(
        b"".join(protocol.data_to_send()),
        request.path.partition("?")[2],
        next(iter(request.headers.get_all("Origin")), None),
        ",".join(request.headers.get_all("X-Forwarded-For")),
    )
