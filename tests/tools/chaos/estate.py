"""
What operators run, as real processes: two services, Redis with a replica under Sentinel, the banks.

`big` polls and serves with two workers, `small` does both in one process. All are on one clock, which the
tool moves. The banks are the demo's, behind a proxy.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from tests import services
from tests.servers import Server, Watched, free_ports, watched
from tests.services import Service
from ticker.config import Settings, load
from ticker.rates.model import NOWHERE
from ticker.store import Store
from ticker.workers import store_of

from .health import ask
from .judge import Outage, Quote, Truth
from .street import Street, day_in_force
from .world import STREAM, entries

START = datetime(2026, 9, 7, 7, tzinfo=UTC)
"""A Monday on which all banks have published."""
END = datetime(2026, 9, 25, 7, tzinfo=UTC)
"""After that an aggregator's peg is off in the recording, which `/health` tells."""
LEASE_SECONDS = 3
DOWN_SECONDS = 1.0
"""How long the Sentinels wait for the master."""
SETTLED_SECONDS = 60.0
AUTHORITIES = {"KGS/USD": "nbkr", "KZT/USD": "nbk", "TJS/USD": "nbt", "UZS/USD": "cbu"}
CONFIG = """
[server]
port = {port}
workers = {workers}
heartbeat_seconds = 1
silent_seconds = 30
slow_seconds = 5
[redis]
url = "{redis}"
lease_seconds = {lease}
[poll]
timeout_seconds = 1.5
retry_min_seconds = 0.2
[history]
backfill_days = 10
pause_seconds = 0
"""


class Unit:
    """A service that can be killed and started again, with a clock of its own."""

    def __init__(self, name: str, folder: Path, port: int, *, workers: int) -> None:
        self.name = name
        self.folder = folder
        self.port = port
        self.count = workers
        self.off = timedelta(0)
        """How far its clock is ahead of the banks'."""
        self.service: Service | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def pid(self) -> int:
        """The process that polls."""
        assert self.service
        return self.service.process.pid

    @property
    def workers(self) -> list[int]:
        """The pids of the processes that serve, unless the polling one does."""
        assert self.service
        return list(self.service.workers.values())

    @property
    def pids(self) -> list[int]:
        return [self.pid, *self.workers]

    def configure(self, redis: str, urls: dict[str, str]) -> None:
        text = CONFIG.format(port=self.port, workers=self.count, redis=redis, lease=LEASE_SECONDS)
        lines = (f'[sources.{key}]\nbase_url = "{url}"\ninterval_seconds = 1' for key, url in urls.items())
        (self.folder / "ticker.toml").write_text("\n".join([text, *lines]))

    async def start(self, clock: Path) -> None:
        """Start it, and wait until it is ready."""
        arguments = ("serve", "--config", f"{self.folder}/ticker.toml")
        environment = services.on_clock(clock, self.folder / "ahead")
        self.service = services.start(self.folder, *arguments, environment=environment)
        await services.ready(self.service)

    def end(self) -> None:
        """Kill it; its workers end with it."""
        if self.service:
            self.service.process.kill()
            self.service.process.wait()
            assert self.service.process.stdout
            self.service.process.stdout.close()


class Estate:
    """Everything but the readers; a place for a crowd."""

    rises = False
    misleads = False

    def __init__(self, folder: Path, redis: Watched) -> None:
        self.settings = Settings()
        self.symbols = self.settings.symbols
        self.truth = Truth()
        self.outages: list[Outage] = [(0, float("inf"))]
        """What was missed may always come in one: what a storm is for is not tried again here."""
        self.speaks = False
        self.redis = redis
        self.street = Street(self.symbols)
        self.clock = services.compiled_clock(folder)
        ports = free_ports(2)
        self.units = {
            name: Unit(name, folder / name, port, workers=count)
            for name, port, count in (("big", ports[0], 2), ("small", ports[1], 1))
        }
        self.well_at = 0.0
        """When all was well again, by the steady clock."""
        self.trouble = ""
        """What was not well in the end, although nothing was broken any more."""
        self._slept = timedelta(0)
        self._began = datetime.now(UTC)

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(unit.port for unit in self.units.values())

    @property
    def quotes(self) -> dict[str, Quote]:
        """The newest of each symbol that was published."""
        return self.truth.since(NOWHERE, self.truth.last, map(str, self.symbols))

    # The clock.

    def now(self) -> datetime:
        """What time it is at the banks."""
        return START + (datetime.now(UTC) - self._began) + self._slept

    @property
    def left(self) -> timedelta:
        """How much of the recording is left."""
        return END - self.now()

    def hop(self, by: timedelta) -> None:
        """Let so much time pass at once, for everybody."""
        self._slept += by
        self.set_clocks()

    def set_clocks(self) -> None:
        """Set every service's clock to the banks' time, or as far off as it is said to be."""
        for unit in self.units.values():
            services.set_ahead(unit.folder / "ahead", self.now() + unit.off - datetime.now(UTC))

    # Who is who.

    async def poller(self) -> Unit:
        """The service that polls."""
        looks = [await ask(unit.url) for unit in self.units.values()]
        owners = {(look.body.get("poller") or {}).get("owner", "").rpartition(":")[2] for look in looks}
        return next(unit for unit in self.units.values() if str(unit.pid) in owners)

    async def idle(self) -> Unit:
        """The service that does not poll."""
        poller = await self.poller()
        return next(unit for unit in self.units.values() if unit is not poller)

    async def master(self) -> Server:
        return await self.redis.master()

    async def master_says(self, *words: str) -> Any:
        """What the master answers to a command."""
        return await (await self.master()).tell(*words)

    # Whether all is well.

    async def settled(self) -> None:
        """Wait until all is well, and note when it was; or note what is not."""
        self.trouble = "nothing answers"
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLED_SECONDS):
                while self.trouble:
                    self.trouble = await self._trouble()
                    await asyncio.sleep(0.05)
        self.well_at = time.monotonic()

    async def _trouble(self) -> str:
        """What is not well yet, in words; empty if nothing is."""
        for unit in self.units.values():
            for _ in range(2 * unit.count - 1):  # the kernel chooses the worker
                look = await ask(unit.url)
                if not look.is_well:
                    return f"{unit.name}: {look.status} {look.notes}"
        return self._late()

    def _late(self) -> str:
        """Whose newest publication is not the one that holds now."""
        for symbol, key in AUTHORITIES.items():
            quote, day = self.quotes.get(symbol), day_in_force(key, self.now()).isoformat()
            if not quote or (quote["source"], quote["as_of"], quote["status"]) != (key, day, "live"):
                found = quote and (quote["source"], quote["as_of"], quote["status"])
                return f"{symbol}: {found}, where {key} of {day} was due"
        return ""

    async def listen(self, server: Server) -> None:
        """Take what the stream of a server holds for the truth, as soon as it is there, until cancelled."""
        while True:
            with suppress(RedisError, OSError, TimeoutError):
                async with server.client(protocol=2, socket_timeout=3) as client:
                    while True:
                        found = await client.xread({STREAM: str(self.truth.last)}, block=1000)
                        for stream in found:
                            self.truth.add(entries(stream[1]))
            await asyncio.sleep(0.05)

    def store(self) -> Store:
        """A store of the Redis of these services."""
        return store_of(self.settings, self.redis.url)


@asynccontextmanager
async def estate(folder: Path) -> AsyncIterator[Estate]:
    """Everything, up and well."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(watched(folder / "redis", servers=2, down_after=DOWN_SECONDS))
        found = Estate(folder, redis)
        await stack.enter_async_context(found.street.opened(found.now))
        for unit in found.units.values():
            unit.folder.mkdir()
            unit.configure(redis.url, found.street.base_urls)
        found.settings = load(found.units["small"].folder / "ticker.toml")
        found.set_clocks()
        group = await stack.enter_async_context(asyncio.TaskGroup())
        tasks = [group.create_task(found.listen(server)) for server in redis.servers]
        stack.callback(lambda: [task.cancel() for task in tasks])
        for unit in found.units.values():
            stack.callback(unit.end)
            await unit.start(found.clock)
        await found.settled()
        assert not found.trouble, found.trouble
        yield found


def send(pid: int, which: signal.Signals) -> None:
    """Send a signal to a process that may be gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, which)
