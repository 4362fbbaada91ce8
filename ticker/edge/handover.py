"""
Everything that relies on private parts of aiohttp. Look here first if a new version breaks something.

It passes connections to aiohttp and takes them back, and hides the version of aiohttp from clients.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress

from aiohttp import web, web_response

WRITTEN_SECONDS = 5.0
"""Seconds that a pipelining client may take to read earlier answers before its upgrade."""

# Set globally because aiohttp also answers malformed requests itself. The version would only help attackers.
web_response.SERVER_SOFTWARE = "ticker"  # type: ignore[attr-defined]


class First(asyncio.Protocol):
    """Passes the bytes that were already read to the new owner of a connection, before any other."""

    def __init__(self, handler: asyncio.Protocol, data: bytes) -> None:
        self._handler = handler
        self._data = data

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.set_protocol(self._handler)
        self._handler.connection_made(transport)
        self._handler.data_received(self._data)


class HandedOver(web.Response):
    """Stands for a response that was already written elsewhere."""

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


class _Tail:
    """Collects the bytes that a client sent directly after its request."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        return None


async def written(transport: asyncio.Transport) -> None:
    """
    Wait until a client that pipelines its requests has been sent all earlier answers.

    Raises TimeoutError and ends the connection if the client does not read them.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(WRITTEN_SECONDS):
            while transport.get_write_buffer_size():  # noqa: ASYNC110 - aiohttp has the protocol's callbacks
                await asyncio.sleep(0.02)
            return
    transport.abort()
    raise TimeoutError("earlier answers were not read")


def taken(request: web.Request, transport: asyncio.Transport) -> tuple[socket.socket, bytes]:
    """
    The socket of a request and the bytes after it. aiohttp and the event loop no longer know the socket.

    Raises OSError, with nothing changed, if no more files can be opened.
    """
    sock = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
    sock.setblocking(False)
    tail = _Tail()
    transport.pause_reading()
    request.protocol.set_parser(tail)  # type: ignore[arg-type]
    request.protocol.transport = None
    request.protocol.connection_lost(None)
    transport.set_protocol(asyncio.Protocol())
    # This closes the transport's descriptor silently: our duplicate keeps the connection open.
    transport.abort()
    return sock, tail.data
