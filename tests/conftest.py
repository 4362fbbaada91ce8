"""A real server for a whole run, and the values that several tests need."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio
import uvloop
from browsers import Engines, Page
from coverage import Coverage
from hypothesis import settings
from newsroom import Newsroom
from newsroom import newsroom as opened_newsroom
from redis.asyncio import Redis
from stage import LONG, Scheduled

import ticker.edge.stream
from ticker.embedded import EmbeddedServer, embedded
from ticker.poll import poller
from ticker.poll.feed import Feed
from ticker.poll.schedule import Schedule
from ticker.rates.choice import credited
from ticker.rates.model import NOWHERE, Cursor, Fixing, Pair, Quote, Rate
from ticker.sources import SOURCES
from ticker.store import Batch, Store

# No example has a time limit: a machine may be busy.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


class QuoteOf(Protocol):
    def __call__(self, currency: str, inverse: str, **others: Any) -> Quote: ...


class OpenStore(Protocol):
    def __call__(self, url: str, *, stream_length: int = 10_000, keeps: bool = False) -> Store: ...


class FixingOf(Protocol):
    def __call__(self, currency: str, value: str, day: date, source: str = "nbkr") -> Fixing: ...


class Elected(Protocol):
    def __call__(self, store: Store) -> Awaitable[Publisher]: ...


class OpenPage(Protocol):
    def __call__(
        self, engine: str, *, width: int = 1280, height: int = 300, **options: Any
    ) -> AbstractAsyncContextManager[Page]: ...


ON_BOTH_LOOPS = {"test_protocol", "test_limits"}
"""Where connections change hands. The service runs on uvloop, all other tests on asyncio's own loop."""


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    loops = {"asyncio": asyncio.new_event_loop}
    if item.path.stem in ON_BOTH_LOOPS:
        loops["uvloop"] = uvloop.new_event_loop
    return loops


BROWSERS, SERVERS = {"engines"}, {"redis_server"}
"""The fixtures that make a test one of a browser, or of a real Redis."""


def pytest_configure(config: pytest.Config) -> None:
    """
    End a worker's first measurement of the coverage, that of its start.

    pytest-cov begins another one, and `no_cover` suspends only that: the first went on, which made long
    walks thrice as long (pytest-cov 7.1).
    """
    if hasattr(config, "workerinput") and (first := Coverage.current()):
        first.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of a browser or a server by their fixtures. All other marks stand in the files."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & BROWSERS:
            item.add_marker("browser")
        if fixtures & SERVERS:
            item.add_marker("redis")


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose name leaves room for a socket's: on macOS that of tmp_path does not."""
    with tempfile.TemporaryDirectory(prefix="ticker-", dir="/tmp") as path:
        yield Path(path)


@pytest.fixture(scope="session")
def redis_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """
    The first server of this machine; a test may be parametrized with the path of another.

    It lives on a loop of its own, in a thread: pytest-asyncio ends a session's async fixtures after every
    test whose loop is parametrized, and here all are (1.5; a server's start and end were half of a test).
    """
    with ThreadPoolExecutor(1) as thread:
        started, over = Future[EmbeddedServer](), Future[None]()
        life = thread.submit(asyncio.run, _live(getattr(request, "param", None), started, over))
        try:
            wait((started, life), return_when=FIRST_COMPLETED)
            yield started.result() if started.done() else life.result()
        finally:
            over.set_result(None)
        life.result()


async def _live(binary: Path | None, started: Future[EmbeddedServer], over: Future[None]) -> Any:
    """Run a server until it is over."""
    with tempfile.TemporaryDirectory(prefix="ticker-", dir="/tmp") as path:
        async with embedded(Path(path, "data"), binary=binary) as server:
            async with Redis.from_url(server.url) as client:
                # Nobody needs the data of a test after a power cut.
                await client.config_set("appendfsync", "no")
            started.set_result(server)
            await asyncio.wrap_future(over)


@pytest.fixture
async def redis(redis_server: EmbeddedServer) -> AsyncIterator[Redis]:
    """The server from behind, empty at first."""
    async with Redis.from_url(redis_server.url, decode_responses=True) as client:
        await client.flushall()
        yield client


@pytest.fixture
def redis_url(redis_server: EmbeddedServer, redis: Redis) -> str:
    return redis_server.url


@pytest.fixture(scope="session")
def open_store() -> OpenStore:
    return _open_store


def _open_store(url: str, *, stream_length: int = 10_000, keeps: bool = False) -> Store:
    return Store(url, prefix="{ticker}:", stream_length=stream_length, history_days=30, keeps=keeps)


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Store]:
    async with _open_store(redis_url) as store:
        yield store


@pytest.fixture
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="ticker")


@pytest.fixture
def scheduled(monkeypatch: pytest.MonkeyPatch) -> Scheduled:
    """The polls that the poller planned."""
    found = Scheduled()

    class Spied(Schedule):
        def running(self, feeds: Iterable[Feed]) -> AbstractAsyncContextManager[None]:
            found.schedule, found.feeds = self, list(feeds)
            return super().running(found.feeds)

    monkeypatch.setattr(poller, "Schedule", Spied)
    return found


@pytest.fixture
def no_late_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """An edge that waits for the answer to a goodbye waits longer than the test."""
    monkeypatch.setattr(ticker.edge.stream, "LATE_CLOSE_SECONDS", LONG)


@pytest.fixture(scope="session")
def quote_of() -> QuoteOf:
    return _quote_of


@pytest.fixture(scope="session")
def fixing_of() -> FixingOf:
    return _fixing_of


def _quote_of(currency: str, inverse: str, **others: Any) -> Quote:
    """What the board says when a central bank gives so many units for one dollar."""
    facts: dict[str, Any] = {
        "symbol": Pair(currency, "USD"),
        "price": (1 / Decimal(inverse)).normalize(),
        "inverse": Decimal(inverse),
        "previous": None,
        "change": None,
        "change_percent": None,
        "as_of": date(2026, 5, 22),
        "source": "nbkr",
        "source_name": "",
        "status": "live",
        "published_at": datetime(2026, 5, 21, 10, 2, 11, tzinfo=UTC),
    }
    return credited(Quote(**facts | others), SOURCES, label="")


def _fixing_of(currency: str, value: str, day: date, source: str = "nbkr") -> Fixing:
    symbol = Pair(currency, "USD")
    leg = Rate(source=source, pair=symbol.inverse, value=Decimal(value), nominal=1, as_of=day)
    return Fixing(symbol=symbol, legs=(leg,))


class Publisher:
    """The poller's part, without banks: holds the lease and publishes what a test says."""

    def __init__(self, store: Store, lease: str) -> None:
        self.store = store
        self.lease = lease
        self.seen = NOWHERE

    @classmethod
    async def elected(cls, store: Store) -> Publisher:
        lease = await store.acquire("test", seconds=600, now_ms=now_ms(), force=True)
        assert lease
        return cls(store, lease)

    async def say(self, *quotes: Quote, **others: Any) -> Cursor:
        """Write quotes and what `others` name of a batch; the rest of `others` is passed on."""
        parts = {name: others.pop(name) for name in others.keys() & Batch.__dataclass_fields__.keys()}
        facts: dict[str, Any] = {"lease": self.lease, "seen": self.seen, "now_ms": now_ms()}
        batch = Batch(quotes=quotes, **{name: _tuple(value) for name, value in parts.items()})
        self.seen = await self.store.write(batch, **facts | others)
        return self.seen


def _tuple(value: Any) -> Any:
    return value if isinstance(value, bool | int) else tuple(value)


@pytest.fixture(scope="session")
def elected() -> Elected:
    """Make a publisher that takes the lease by force."""
    return Publisher.elected


@pytest.fixture
async def publisher(store: Store) -> Publisher:
    return await Publisher.elected(store)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


# What the tests of the widget share. Engines take seconds to start, and live on the loop of the session.


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engines() -> AsyncIterator[Engines]:
    started = Engines()
    yield started
    await started.close()


@pytest.fixture(scope="session")
def open_page(engines: Engines) -> OpenPage:
    """A page of its own in one of the three engines; `options` of chromium are a context's."""

    @asynccontextmanager
    async def open_page(
        engine: str, *, width: int = 1280, height: int = 300, **options: Any
    ) -> AsyncIterator[Page]:
        started: Any = await engines.get(engine)
        async with started.page(width=width, height=height, **options) as page:
            yield page

    return open_page


@pytest_asyncio.fixture(loop_scope="session")
async def newsroom(redis_server: EmbeddedServer) -> AsyncIterator[Newsroom]:
    """A site of another origin, a server with the five symbols and nothing published, a publisher."""
    async with Redis.from_url(redis_server.url) as client:
        await client.flushall()
    async with _open_store(redis_server.url) as store:
        publisher = await Publisher.elected(store)
        async with opened_newsroom(publisher, redis_server.url) as room:
            yield room
