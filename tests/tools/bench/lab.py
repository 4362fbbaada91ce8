"""One benchmark's surroundings: Redis, who takes part, and how a load is put on a server."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from tests.tools.bench.load import Load, load
from tests.tools.bench.machine import LOAD_CORE, compiled
from tests.tools.bench.peers import Peers, Publisher, Server
from tests.tools.bench.servers import store_of
from ticker.embedded import embedded

ROUNDS = 5


@dataclass(slots=True)
class Lab:
    """What every benchmark is given."""

    folder: Path
    binary: Path
    peers: Peers
    publisher: Publisher
    quick: bool
    _loads: int = 0

    @property
    def rounds(self) -> int:
        return 1 if self.quick else ROUNDS

    def load(self, server: Server) -> AbstractAsyncContextManager[Load]:
        """A load on a server, without a connection yet."""
        self._loads += 1
        return load(self.binary, server.port, self.folder / f"load-{self._loads}.log", greeted=server.greeted)


@asynccontextmanager
async def laboratory(*, quick: bool) -> AsyncIterator[Lab]:
    """Everything prepared; a Redis, whose own time is not counted, shares the load's core."""
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        binary = await compiled("load", folder)
        async with embedded(folder / "redis") as redis, store_of(redis.url) as store:
            async with Redis.from_url(redis.url) as client:
                # The disk of the machine is not what is measured.
                await client.config_set("appendfsync", "no")
            publisher = await Publisher.elected(store)
            await publisher.update()
            peers = Peers(folder, redis.url, publisher)
            await peers.prepare()
            yield Lab(folder, binary, peers, publisher, quick)


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def median_ratio(ones: Iterable[float], others: Iterable[float]) -> float:
    """The median of the ratios of each round; so what a noisy minute does to both falls out."""
    return statistics.median(one / other for one, other in zip(ones, others, strict=True))
