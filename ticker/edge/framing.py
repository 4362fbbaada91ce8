"""The two framings of stream protocol 1: WebSocket frames and server-sent events."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache

from websockets.frames import Frame, Opcode

EVENT_STREAM = "text/event-stream"
"""The headers that an EventSource accepts. It gives up for ever after any other kind of answer."""
RETRY_MS = 2_000, 10_000
"""The range in ms from which an EventSource's reconnect delay is drawn, so that not all return at once."""
MOST_REASON_BYTES = 123
"""The longest reason: a control frame has at most 125 bytes, of which two are the code."""


@dataclass(frozen=True, slots=True)
class Framing:
    """A framing of the messages of stream protocol 1."""

    message: Callable[[str, str], bytes]
    """The bytes of a message; its cursor (none: empty) and its JSON text."""
    ping: bytes
    """A ping, if the framing has one."""
    goodbye: Callable[[int, str], bytes]
    """The last bytes: a close code and its reason."""


def frame(text: str) -> bytes:
    """A text frame as it goes over the wire, unmasked."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


@lru_cache(maxsize=256)
def _close_frame(code: int, reason: str) -> bytes:
    text = reason.encode()[:MOST_REASON_BYTES].decode(errors="ignore")
    return Frame(Opcode.CLOSE, code.to_bytes(2, "big") + text.encode()).serialize(mask=False)


def event(cursor: str, text: str) -> bytes:
    """A message as a server-sent event. Its id comes back as `Last-Event-ID`."""
    return (f"id: {cursor}\ndata: {text}\n\n" if cursor else f"data: {text}\n\n").encode()


def retry_event() -> bytes:
    """The `retry` field: the delay in ms after which an EventSource reconnects."""
    return f"retry: {random.randint(*RETRY_MS)}\n\n".encode()  # noqa: S311 - spreads load, guards nothing


def _event_goodbye(code: int, reason: str) -> bytes:
    """The end of an event stream. It has no close code: a comment has the reason, `retry` the delay."""
    return f": {code} {reason}\n".encode() + retry_event()


WEBSOCKET = Framing(
    message=lambda _, text: frame(text),
    ping=Frame(Opcode.PING, b"").serialize(mask=False),
    goodbye=_close_frame,
)
EVENTS = Framing(message=event, ping=b"", goodbye=_event_goodbye)


# An event stream's first and last bytes.


def event_head(reader: str) -> bytes:
    """The head of an event stream, which ends with the connection. `reader` is the permitted origin."""
    headers = {
        "Date": formatdate(usegmt=True),
        "Content-Type": EVENT_STREAM,
        "Cache-Control": "no-store, no-transform",
        "X-Accel-Buffering": "no",
        "Connection": "close",
    }
    if reader:
        headers["Access-Control-Allow-Origin"] = reader
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode()


def come_back(detail: str, seconds: int) -> bytes:
    """A whole event stream that refuses an EventSource for a while."""
    return f": 503 {detail}\nretry: {seconds * 1000}\n\n".encode()
