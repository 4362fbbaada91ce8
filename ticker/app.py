"""The composition root: builds everything, runs it in one task group, ends it in order."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ticker.board import Board, Rule
from ticker.config import ConfigError, Settings, SourceSettings
from ticker.demo import NOTICE, Banks, DemoClock
from ticker.edge import Edge
from ticker.embedded import embedded
from ticker.model import Pair, Rate
from ticker.poll import Poller
from ticker.source import Source
from ticker.sources import SOURCES
from ticker.store import Store

log = logging.getLogger(__name__)

LOADING_SECONDS = 5.0
ENDING_SECONDS = 0.8
"""How long the tasks may take to end before they are cancelled again."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)
STAND_INS = ("cbr",)
"""Sources that stand in for an authority that fails, in this order."""


def default_data_dir(name: str) -> Path:
    """Where the embedded Redis keeps its data, if nothing is said: one folder for each way to run."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "currency-ticker" / name


async def until_stopped(service: Coroutine[Any, Any, None]) -> None:
    """Run the service until SIGINT or SIGTERM; a second one ends the process the hard way."""
    loop, task, asked = asyncio.get_running_loop(), asyncio.current_task(), asyncio.Event()

    def ask() -> None:
        log.info("ending")
        asked.set()
        _forget_signals()
        if task:
            task.cancel()

    def _forget_signals() -> None:
        for each in SIGNALS:
            loop.remove_signal_handler(each)

    for each in SIGNALS:
        loop.add_signal_handler(each, ask)
    try:
        await service
    except asyncio.CancelledError:
        if not asked.is_set():
            raise
        log.info("ended")
    finally:
        _forget_signals()


async def serve(settings: Settings, *, replay: DemoClock | None = None, notice: str = "") -> None:
    """
    Run the whole service until cancelled; prints `ready http://HOST:PORT/` when it answers.

    `replay` is another clock, with the days of a recording, which begins anew at its end. Raises
    ConfigError, EmbeddedServerError or PortBusy in words.
    """
    sources = enabled_sources(settings)
    for symbol in without_source(settings.symbols, settings, sources):
        log.warning("symbols: no enabled source has %s, it stays without a quote", symbol)
    async with _redis_url(settings) as url, _store(url, settings) as store:
        if replay:
            await _resume(replay, store)
        poller = Poller(
            sources,
            settings,
            store,
            new_board=lambda: new_board(settings, sources),
            clock=replay.now if replay else _utc_now,
            owner=f"{socket.gethostname()}:{os.getpid()}",
            alone=settings.redis.url == "embedded",
        )
        edge = Edge(
            store, settings, dict(SOURCES), enabled=frozenset(each.key for each in sources), notice=notice
        )
        async with AsyncExitStack() as port:
            address = await port.enter_async_context(edge.serving())
            await _run(poller, edge, replay, address, port)


async def _run(
    poller: Poller, edge: Edge, replay: DemoClock | None, address: str, port: AsyncExitStack
) -> None:
    jobs = [edge.follow(), edge.beat(), poller.run()] + ([_rounds(replay, poller)] if replay else [])
    async with asyncio.TaskGroup() as group:
        work = {group.create_task(job) for job in jobs}
        try:
            await edge.until_loaded(LOADING_SECONDS)
            print(f"ready {address}", flush=True)
            await asyncio.Event().wait()
        finally:
            # Side by side: banks, Redis and clients may each take as long as they are given.
            await asyncio.gather(_end(work), port.aclose())


async def _end(work: set[asyncio.Task[None]]) -> None:
    """
    Cancel the tasks until they have ended.

    A library may swallow a cancellation: wait_for() of Python 3.11 does, when it comes just as the
    thing waited for is done, and with it a shutdown hung for ever (in redis-py, seen 2026-11-24).
    """
    while work:
        for task in work:
            task.cancel()
        _, work = await asyncio.wait(work, timeout=ENDING_SECONDS)


async def demo(settings: Settings, *, every: float) -> None:
    """Run the whole service with stand-in banks that replay recorded days, one every `every` seconds."""
    clock = DemoClock(every)
    async with Banks(clock.now) as banks:
        log.warning("%s", NOTICE)
        await serve(demo_settings(settings, banks.base_urls, every), replay=clock, notice=NOTICE)


def demo_settings(settings: Settings, base_urls: Mapping[str, str], every: float) -> Settings:
    """The settings with every source at its stand-in, asked often, and every quote labelled `demo`."""
    interval = max(1, int(every / 4))
    rehearsed = {
        key: SourceSettings(
            enabled=key in base_urls, base_url=base_urls.get(key, ""), interval_seconds=interval
        )
        for key in SOURCES
    }
    return settings.model_copy(update={"sources": rehearsed, "label": "demo"})


def enabled_sources(settings: Settings) -> tuple[Source, ...]:
    """The sources to poll. Raises ConfigError for a key that no source has."""
    if unknown := set(settings.sources) - set(SOURCES):
        raise ConfigError(f"sources.{min(unknown)}: there is no such source; there are {', '.join(SOURCES)}")
    chosen = []
    for source in SOURCES.values():
        said = settings.source(source.key).enabled
        if source.enabled if said is None else said:
            chosen.append(source)
    return tuple(chosen)


def new_board(settings: Settings, sources: Iterable[Source]) -> Board:
    """An empty board with the rules of every symbol."""
    return Board(
        [rule(symbol, settings) for symbol in settings.symbols],
        effective_days={source.key: source.effective_days for source in SOURCES.values()},
        stale_days=settings.guard.stale_days,
        history_days=settings.history.days,
        label=settings.label,
        absent=set(SOURCES) - {source.key for source in sources},
    )


def rule(symbol: Pair, settings: Settings) -> Rule:
    """The authority of a symbol is the central bank of its base, else of its quote; then the stand-ins."""
    banks = {source.authority_for: source for source in SOURCES.values() if source.authority_for}
    authority = banks.get(symbol.base) or banks.get(symbol.quote)
    peg = settings.pegs.get(symbol.base) if symbol.quote == "USD" else None
    return Rule(
        symbol=symbol,
        chain=((authority.key,) if authority else ()) + STAND_INS,
        zone=ZoneInfo(authority.timezone) if authority else UTC,
        band=settings.guard.bands.get(symbol.base) if symbol.quote == "USD" else None,
        peg=Rate(source="peg", pair=symbol.inverse, value=peg.units_per_usd, nominal=1, as_of=peg.since)
        if peg
        else None,
    )


def without_source(symbols: Iterable[Pair], settings: Settings, polled: Iterable[Source]) -> list[Pair]:
    """The symbols that can't get a quote, as nobody is polled who has them."""
    keys = {source.key for source in polled}
    rules = [rule(symbol, settings) for symbol in symbols]
    return [each.symbol for each in rules if not each.peg and keys.isdisjoint(each.chain)]


@asynccontextmanager
async def _redis_url(settings: Settings) -> AsyncIterator[str]:
    """The address of Redis; for `embedded`, of a private server that lives as long as we do."""
    if settings.redis.url != "embedded":
        yield settings.redis.url
        return
    directory = Path(settings.redis.data_dir) if settings.redis.data_dir else default_data_dir("serve")
    async with embedded(directory.expanduser()) as server:
        yield server.url


def _store(url: str, settings: Settings) -> Store:
    try:
        return Store(
            url,
            prefix=settings.redis.prefix,
            stream_length=settings.redis.stream_length,
            history_days=settings.history.days,
        )
    except ValueError as error:
        raise ConfigError(f"redis.url: {error}") from None


async def _resume(replay: DemoClock, store: Store) -> None:
    """Go on where an earlier run stopped, so that its quotes are not ahead of the clock."""
    snapshot = await store.snapshot()
    if said := [quote.published_at for _, quote in snapshot.rows]:
        replay.resume(max(said))


async def _rounds(replay: DemoClock, poller: Poller) -> None:
    """At the end of the recording begin anew, in a new epoch."""
    while True:
        await asyncio.sleep(replay.remaining)
        log.info("the recording begins anew")
        replay.restart()
        await poller.begin_again()


def _utc_now() -> datetime:
    return datetime.now(UTC)
