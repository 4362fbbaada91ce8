"""What the readers read from: a Redis, a poller and a few serving processes; and what befalls them."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from redis.exceptions import RedisError

import ticker.workers
from ticker import embedded, wire
from ticker.config import RedisSettings, ServerSettings, Settings
from ticker.metrics import Count, Tally, shared_memory
from ticker.poll import Poller
from ticker.poll.clock import WallClock
from ticker.rates.model import Pair, Rate
from ticker.rates.tables import tables_of
from ticker.rules import new_desk
from ticker.store import Store
from ticker.store.clients import Client
from ticker.workers import Workers

from .judge import Outage, Quote, Truth

SYMBOLS = tuple(Pair(f"X{letter}A", "USD") for letter in "ABCDEFGHIJKLMNOP")
SOURCE = "floatrates"
"""An aggregator that nobody asks here: its tables are what we say."""
PREFIX = "{ticker}:"
STREAM = f"{PREFIX}stream"
UPDATES_PER_SECOND = 50
ASKED_SECONDS = 5.0
"""How long a Redis is waited for that may be frozen."""
BACK_SECONDS = 2.0
"""How long after Redis is back a worker may still tell in one what it missed."""
SHORT_STOP_SECONDS = 4.0
"""A stop that no reading worker notices: it waits for longer than this anyway."""
START_SECONDS = 60.0
SETTLED_SECONDS = 60.0


class World:
    """Everything but the readers."""

    symbols = SYMBOLS
    rises = True
    misleads = False

    def __init__(
        self, server: embedded.EmbeddedServer | None, redis: Client, poller: Poller, updates: float
    ) -> None:
        """`server` is None if the Redis is one that this world did not start."""
        self.truth = Truth()
        self.outages: list[Outage] = []
        self.port = 0
        self.workers: Workers | None = None
        self.tally = Tally.alone()
        self.speaks = False
        self.events: dict[str, int] = {}
        self._embedded = server
        self._redis = redis
        self._poller = poller
        self._updates = updates
        self._number = 0

    @property
    def ports(self) -> tuple[int, ...]:
        """The one that all workers share."""
        return (self.port,)

    @property
    def quotes(self) -> dict[str, Quote]:
        """What the board says, as it travels."""
        quotes = self._poller.current.desk.quotes.values()
        return {str(quote.symbol): json.loads(wire.encode_quote(quote)) for quote in quotes}

    @property
    def _server(self) -> embedded.EmbeddedServer:
        assert self._embedded
        return self._embedded

    @property
    def size(self) -> int:
        """How many workers there are."""
        return len(self.workers._workers) if self.workers else 0

    @property
    def conflated(self) -> int:
        """How many frames caught a slow reader up."""
        return self.tally.total(Count.CONFLATED)

    def _count(self, event: str) -> None:
        self.events[event] = self.events.get(event, 0) + 1

    def __str__(self) -> str:
        felt = (Count.DELIVERIES, Count.CONFLATED, Count.CLOSED_SLOW)
        counts = {each.name.lower(): self.tally.total(each) for each in felt} | self.events
        return f"{len(self.truth)} publications in {self.truth.epochs} epochs; {counts}"

    # The bank.

    async def speak(self, dice: random.Random) -> None:
        """New figures of random symbols, so many times a second, while `speaks`; until cancelled."""
        self._say(SYMBOLS)
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + 1 / self._updates, loop.time() - 0.2)
            await asyncio.sleep(due - loop.time())
            if self.speaks:
                self._say(dice.sample(SYMBOLS, dice.choice((1, 1, 1, 2, 4))))

    def _say(self, symbols: tuple[Pair, ...] | list[Pair]) -> None:
        """A table comes in: what the poller does with the answer of a bank."""
        self._number += 1
        now = datetime.now(UTC)
        value = Decimal(1000) + Decimal(self._number) / 10000
        rates = [
            Rate(source=SOURCE, pair=symbol.inverse, value=value, nominal=1, as_of=now) for symbol in symbols
        ]
        desk = self._poller.current.desk
        quotes = desk.hear(tables_of(rates), source=SOURCE, asked=now.date(), now=now)
        self._poller.current.say(desk, [*quotes, *desk.waited(SOURCE, now=now)])

    async def settled(self) -> None:
        """Wait until all that the board says is in Redis, and note it as the truth."""
        await until(self._has_settled, SETTLED_SECONDS, "the board's last words are not in Redis")
        await self.note()

    async def _has_settled(self) -> bool:
        try:
            async with asyncio.timeout(ASKED_SECONDS):
                latest: Any = await self._redis.hgetall(f"{PREFIX}latest")
        except (RedisError, OSError, TimeoutError):
            return False
        published = {symbol: json.loads(text.partition(" ")[2]) for symbol, text in latest.items()}
        return published == self.quotes and not self._poller._outbox.waiting.quotes

    async def note(self) -> None:
        """Take what the stream holds for the truth; to be done before it is lost or trimmed."""
        after = f"({self.truth.last}" if len(self.truth) else "-"
        self.truth.add(entries(await self._redis.xrange(STREAM, min=after)))

    # What befalls Redis.

    async def redis_is_killed(self) -> None:
        start, pid = time.monotonic(), self._server.pid
        os.kill(pid, signal.SIGKILL)
        await until(lambda: self._server.pid != pid, START_SECONDS, "redis was not started again")
        await until(self._answers, START_SECONDS, "redis did not come back")
        self.outages.append((start, time.monotonic() + BACK_SECONDS))
        self._count("redis killed")

    async def redis_is_stopped(self, seconds: float) -> None:
        start, pid = time.monotonic(), self._server.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)
        if seconds > SHORT_STOP_SECONDS:
            self.outages.append((start, time.monotonic() + BACK_SECONDS))
        self._count("redis stopped")

    async def redis_is_flushed(self) -> None:
        """Lose everything; in the same step note what there was."""
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.xrange(STREAM)
            pipeline.flushall()
            rows, _ = await pipeline.execute()
        self.truth.add(entries(rows))
        self._count("redis flushed")

    # What befalls a worker.

    def worker_is_killed(self, number: int) -> None:
        self._signal(number, signal.SIGKILL)
        self._count("worker killed")

    def worker_is_ended(self, number: int) -> None:
        self._signal(number, signal.SIGTERM)
        self._count("worker ended")

    async def worker_is_stopped(self, number: int, seconds: float) -> None:
        self._signal(number, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._signal(number, signal.SIGCONT)
        self._count("worker stopped")

    def _signal(self, number: int, which: signal.Signals) -> None:
        assert self.workers
        self.workers._workers[number].send(which)

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(1):
                # What it has written outlives its own death, if not the machine's, and we are in a hurry.
                return bool(await self._redis.config_set("appendfsync", "no"))
        except (RedisError, OSError, TimeoutError):
            return False


async def until(fact: Callable[[], Awaitable[bool] | bool], seconds: float, otherwise: str) -> None:
    """Wait until it is so. Raises TimeoutError with words."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                so = fact()
                if so if isinstance(so, bool) else await so:
                    return
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise TimeoutError(f"{otherwise}, after {seconds:g} s") from None


@asynccontextmanager
async def world(
    dice: random.Random, *, workers: int, url: str = "", updates: float = UPDATES_PER_SECOND
) -> AsyncIterator[World]:
    """
    The product's poller with a bank that speaks all the time, and workers.

    Redis is its own, or the one at `url`. `updates` come a second.
    """
    async with AsyncExitStack() as stack:
        # They are killed again and again, and need not be spared.
        stack.enter_context(patch.object(embedded, "LONGEST_DELAY_SECONDS", embedded.FIRST_DELAY_SECONDS))
        stack.enter_context(patch.object(ticker.workers, "LONGEST_PAUSE_SECONDS", 0))
        server = None if url else await stack.enter_async_context(_server())
        settings = _settings(server.url if server else url)
        poller_store, watching = [
            await stack.enter_async_context(
                Store(
                    settings.redis.url,
                    prefix=PREFIX,
                    stream_length=settings.redis.stream_length,
                    history_days=30,
                    keeps=server is not None,
                )
            )
            for _ in range(2)
        ]
        poller = Poller(
            (),
            settings,
            poller_store,
            new_desk=lambda: new_desk(settings, ()),
            clock=WallClock(),
            owner="chaos",
            alone=True,
        )
        found = World(server, watching._writing.commands, poller, updates)
        if server:
            await until(found._answers, START_SECONDS, "redis does not answer")
        async with _running(poller.run(), found.speak(dice)):
            await found.settled()
            async with _serving(settings, workers) as (found.port, found.workers, found.tally):
                yield found


@asynccontextmanager
async def _server() -> AsyncIterator[embedded.EmbeddedServer]:
    with tempfile.TemporaryDirectory(prefix="ticker-", dir="/tmp") as folder:
        async with embedded.embedded(Path(folder, "data")) as server:
            yield server


def _settings(url: str) -> Settings:
    return Settings(
        symbols=SYMBOLS,
        policy=(SOURCE,),
        redis=RedisSettings(url=url, prefix=PREFIX),
        server=ServerSettings(port=0, heartbeat_seconds=1, silent_seconds=20, slow_seconds=1),
    )


@asynccontextmanager
async def _serving(settings: Settings, count: int) -> AsyncIterator[tuple[int, Workers, Tally]]:
    """The product's own workers; gives their port, themselves and what they count."""
    settings = settings.model_copy(update={"server": settings.server.model_copy(update={"workers": count})})
    memory = shared_memory(count)
    tally = Tally.shared(memory, count, count)
    try:
        workers = Workers(
            settings,
            settings.redis.url,
            enabled=(),
            demo=False,
            memory=memory,
            tally=tally,
        )
        async with workers.serving() as address, _running(workers.keep()):
            yield urlsplit(address).port or 0, workers, tally
    finally:
        os.close(memory)


@asynccontextmanager
async def _running(*work: Any) -> AsyncIterator[None]:
    """Tasks beside the block; whoever ends early ends the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


def entries(rows: Any) -> list[tuple[str, str]]:
    """What rows of the stream say, for the truth."""
    return [(entry, fields["quotes"]) for entry, fields in rows]
