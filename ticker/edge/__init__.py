"""
The serving side of one process: it follows the Redis stream and answers on one port.

It only reads Redis, so any number of these can run beside one poller.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager, suppress

from aiohttp import web
from aiohttp.http import HttpProcessingError

from ticker import wire
from ticker.config import Settings
from ticker.edge.http import Routes
from ticker.edge.stream import Broadcast
from ticker.model import Cursor, Pair, Quote
from ticker.source import Source
from ticker.store import UNAVAILABLE, Store

log = logging.getLogger(__name__)

CLOSE_SECONDS = 0.5
"""How long a shutdown waits for the subscribers' goodbyes, and then as long for answers under way."""
IDLE_SECONDS = 75.0
"""How long a connection may send no whole request; a reverse proxy keeps its own for 60 s."""


class PortBusy(Exception):
    """The port can't be had. Says which, why and what to do."""


class Edge:
    """The mirror of what is published, its subscribers and its port."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        sources: dict[str, Source],
        *,
        enabled: frozenset[str],
        notice: str = "",
    ) -> None:
        self._store = store
        self._settings = settings
        self._broadcast = Broadcast(settings.symbols, settings.server)
        self._loaded = asyncio.Event()
        self._routes = Routes(self._broadcast, store, settings, sources, enabled=enabled, notice=notice)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Answer on the port, whose address is given; at the end tell every subscriber 1001."""
        server = self._settings.server
        runner = web.AppRunner(
            self._routes.application(),
            access_log=None,
            logger=_server_log(),
            handle_signals=False,
            keepalive_timeout=IDLE_SECONDS,
            # Waited for twice: before and after the handlers are cancelled.
            shutdown_timeout=CLOSE_SECONDS / 2,
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, server.host, server.port, backlog=1024)
            try:
                await site.start()
            except OSError as error:
                raise PortBusy(_busy(server.host, server.port, error)) from None
            yield f"http://{_in_url(server.host)}:{runner.addresses[0][1]}/"
        finally:
            await self.goodbye()
            await runner.cleanup()

    async def follow(self) -> None:
        """
        Bring every publication to the subscribers, until cancelled.

        After a loss of Redis the snapshot is read anew: whatever was missed comes out of it as one
        publication, and a Redis that has less than we saw is waited for until it is repaired.
        """
        away = False
        while True:
            try:
                snapshot = await self._store.snapshot()
                if away:
                    log.info("stream: redis is back")
                away = False
                self._apply(snapshot.cursor, snapshot.rows)
                self._broadcast.loaded = True
                self._loaded.set()
                async with aclosing(self._store.follow(self._broadcast.mirror.cursor)) as publications:
                    async for publication in publications:
                        self._apply(
                            publication.cursor, ((publication.cursor, each) for each in publication.quotes)
                        )
                        # A burst of publications must not keep everything else waiting.
                        await asyncio.sleep(0)
            except UNAVAILABLE as error:
                if not away:
                    log.error(
                        "stream: redis is away, subscribers keep what they have: %s",
                        str(error) or "timed out",
                    )
                away = True
                await asyncio.sleep(0.2)

    async def until_loaded(self, seconds: float) -> None:
        """Wait until Redis was read once, so that the first client finds a snapshot; at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._loaded.wait()

    async def goodbye(self) -> None:
        """Tell every subscriber that the server goes away."""
        await self._broadcast.close(CLOSE_SECONDS)

    async def beat(self) -> None:
        """Heartbeats, until cancelled."""
        await self._broadcast.beat()

    def _apply(self, cursor: Cursor, rows: Iterable[tuple[Cursor, Quote]]) -> None:
        self._broadcast.apply(cursor, [_encoded(at, quote) for at, quote in rows])


def _server_log() -> logging.Logger:
    """The log of aiohttp, without the traces of requests that were no HTTP: those are the clients' faults."""
    server_log = logging.getLogger(f"{__name__}.aiohttp")
    server_log.filters = [
        lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
    ]
    return server_log


def _encoded(at: Cursor, quote: Quote) -> tuple[Pair, Cursor, str]:
    return quote.symbol, at, wire.encode_quote(quote)


def _in_url(host: str) -> str:
    """The host as a person can open it: a wildcard is reached on loopback."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"[{host}]" if ":" in host else host


def _busy(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{host}:{port} is in use by another process: choose another port (--port, server.port)"
    if error.errno == errno.EACCES:
        return f"{host}:{port} needs rights that this user has not: choose a port above 1023"
    return f"can't listen on {host}:{port}: {error.strerror or error}"
