"""
The serving side of one process: it follows the Redis stream and answers on one port.

It only reads from Redis, except that it stores its version's script. So any number of these can run beside
one poller.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

from aiohttp import web
from aiohttp.http import HttpProcessingError

from ticker import wire
from ticker.config import Settings
from ticker.edge.http import Routes
from ticker.edge.listening import SPREADS, PortBusy, address_of, listeners, rebound
from ticker.edge.mirror import Row
from ticker.edge.port import Port, TooFewFiles, refuse_too_few_files
from ticker.edge.reasons import Reasons
from ticker.edge.stream import Broadcast
from ticker.metrics import Tally
from ticker.rates.late import status_at
from ticker.rates.model import NOWHERE, Cursor, Quote
from ticker.rates.source import Source
from ticker.store import UNAVAILABLE, Store, condition

log = logging.getLogger(__name__)

__all__ = [
    "SPREADS",
    "Edge",
    "PortBusy",
    "TooFewFiles",
    "address_of",
    "listeners",
    "rebound",
    "refuse_too_few_files",
    "utc_now",
]

CLOSE_SECONDS = 0.5
"""Seconds that a shutdown waits for the subscribers' goodbyes, and then again for answers under way."""
LOOK_SECONDS = 0.1
"""Seconds between two questions to Redis whether it has what a client has seen and this process has not."""
CLOCK_SECONDS = 10.0
"""
The longest time between two looks at the clock. The clock may have been set, or the machine may have slept.
"""
IDLE_SECONDS = 75.0
"""
Seconds after which a connection without a whole request is closed. A reverse proxy keeps its own for 60 s.
"""


def utc_now() -> datetime:
    """The clock of this machine."""
    return datetime.now(UTC)


class Edge:
    """
    The mirror of what is published, its subscribers and its port.

    It judges by `clock` which quotes are late, even if no process polls or Redis does not answer.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        sources: dict[str, Source],
        *,
        enabled: frozenset[str],
        demo: bool = False,
        tally: Tally | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._settings = settings
        tally = tally or Tally.alone()
        self._broadcast = Broadcast(settings.symbols, settings.server, settings.limits, tally, clock=clock)
        self._port = Port(self._broadcast, settings.server, settings.limits)
        self._reasons = Reasons(self._broadcast, store, settings, sources, enabled)
        self._loaded = asyncio.Event()
        self._moved = asyncio.Event()
        self._routes = Routes(
            self._broadcast, store, settings, sources, port=self._port, enabled=enabled, demo=demo
        )

    @asynccontextmanager
    async def serving(self, listening: tuple[socket.socket, ...] | None = None) -> AsyncIterator[str]:
        """
        Answer on the listening sockets (default: those of the settings), and give the address.

        At the end, `/readyz` answers 503 for `server.lame_seconds`. Then no connection is accepted.
        Subscribers are closed with 1001, spread over `server.drain_seconds` if there are many, and answers
        under way are finished. Raises PortBusy.
        """
        server = self._settings.server
        listening = listening or listeners(server)[0]
        runner = web.AppRunner(
            self._routes.application(),
            access_log=None,
            logger=_server_log(),
            handle_signals=False,
            keepalive_timeout=IDLE_SECONDS,
            max_line_size=self._settings.limits.head_bytes,
            max_field_size=self._settings.limits.head_bytes,
            # Waited for twice: before and after the handlers are cancelled.
            shutdown_timeout=CLOSE_SECONDS / 2,
        )
        await runner.setup()
        self._broadcast.open()
        http = cast(web.Server, runner.server)
        self._port.open(listening, cast(Callable[[], asyncio.Protocol], http), lambda: len(http.connections))
        try:
            yield address_of(server.host, listening)
        finally:
            self.leave()
            await asyncio.sleep(server.lame_seconds)
            self._port.close()
            await self._broadcast.close(server.drain_seconds, CLOSE_SECONDS)
            await runner.cleanup()
            self._broadcast.sockets.close()

    async def serve(self, settings: Settings, enabled: frozenset[str]) -> None:
        """Switch to the symbols, limits and sources of other settings. No subscriber is disconnected."""
        rows: tuple[tuple[Cursor, Quote], ...] = ()
        with suppress(*UNAVAILABLE):
            rows = (await self._store.snapshot()).rows
        known = [(quote.symbol, _row(at, quote)) for at, quote in rows]
        self._reasons.serve(settings, enabled)
        self._broadcast.serve(settings.symbols, settings.limits, known)
        self._port.serve(settings.limits)
        self._routes.enable(enabled)
        self._reasons.look()
        self._moved.set()

    def leave(self) -> None:
        """Mark this service as not ready."""
        self._broadcast.leaving_soon = True

    def administration(self) -> web.Application:
        """The application that answers operators on `server.admin`."""
        return self._routes.administration()

    async def follow(self) -> None:
        """Send every publication and every quote that becomes late to the subscribers, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_the_clock())
            group.create_task(self._routes.scripts.keep_always())
            group.create_task(self._reasons.watch())
            await self._follow()

    async def _watch_the_clock(self) -> None:
        """Send each quote to the subscribers at the moment from which it is late."""
        while True:
            seconds = self._broadcast.look()
            self._moved.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(seconds, CLOCK_SECONDS)):
                    await self._moved.wait()

    async def _follow(self) -> None:
        """
        Send every publication to the subscribers.

        After a loss of Redis the snapshot is read again, and everything that was missed becomes one
        publication. If Redis then has less than this process has seen, it waits until Redis is repaired.
        """
        away = ""
        while True:
            try:
                snapshot = await self._store.snapshot()
                if away:
                    log.info("stream: redis is back")
                away = ""
                self._apply(snapshot.cursor, snapshot.rows)
                if not self._broadcast.loaded and self._broadcast.mirror.awaited:
                    await self._reasons.read()
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
                if away != (away := condition(error, "reads")):
                    log.error(
                        "stream: redis %s, subscribers keep their last quotes: %s",
                        away,
                        str(error) or "timed out",
                    )
                await asyncio.sleep(0.2)

    async def until_loaded(self, seconds: float) -> None:
        """Wait until Redis was read once, so that the first client finds a snapshot; at most this long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._loaded.wait()

    async def beat(self) -> None:
        """Send heartbeats, and disconnect clients that are slow, silent or stuck, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._broadcast.beat())
            group.create_task(self._port.beat())
            group.create_task(self._find_the_lost())

    async def _find_the_lost(self) -> None:
        """
        Release clients that are ahead not only of this process but also of Redis: what they have seen is
        lost.

        A Redis that is empty, or has less than the mirror, decides nothing: it is about to be repaired.
        """
        while True:
            if not self._broadcast.ahead:
                self._broadcast.lost.clear()
                await self._broadcast.lost.wait()
            await asyncio.sleep(LOOK_SECONDS)
            waiting = tuple(self._broadcast.ahead)
            before = self._broadcast.mirror.cursor
            try:
                newest = (await self._store.snapshot()).cursor
            except UNAVAILABLE:
                continue
            if newest > NOWHERE and before <= newest <= self._broadcast.mirror.cursor:
                self._broadcast.go_on(waiting)

    def _apply(self, cursor: Cursor, rows: Iterable[tuple[Cursor, Quote]]) -> None:
        self._broadcast.apply(cursor, [(quote.symbol, _row(at, quote)) for at, quote in rows])
        self._reasons.look()
        self._moved.set()


def _server_log() -> logging.Logger:
    """The log of aiohttp without the traces of malformed requests, which are the clients' faults."""
    server_log = logging.getLogger(f"{__name__}.aiohttp")
    server_log.filters = [
        lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
    ]
    return server_log


def _row(at: Cursor, quote: Quote) -> Row[str]:
    """The JSON text of a quote as it was published, and as it will be once it is late."""
    item, due_at = wire.encode_quote(quote), quote.due_at
    if due_at is None or (status := status_at(quote, due_at)) == quote.status:
        return Row(at, item)
    return Row(at, item, due_at, wire.encode_quote(replace(quote, status=status)))
