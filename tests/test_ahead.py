"""A client that another server has told more than this one has: nobody is taken back to what is older."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis
from test_edge import Client, Site, client, digest, head, place, running, stopped, subscribe, until

import ticker.edge.stream
import ticker.store
from ticker import wire
from ticker.edge.stream import NOTHING
from ticker.embedded import EmbeddedServer
from ticker.store import Store

if TYPE_CHECKING:
    from tests.conftest import Publisher, QuoteOf

Elected = Callable[[Store], Awaitable[Any]]

LONG = 0.35
"""Seconds in which an edge asks Redis three times whether it is behind."""


@pytest.fixture
async def site(store: Store) -> AsyncIterator[Site]:
    async with running(store) as site:
        yield site


class Lag:
    """Holds back what an edge reads from Redis, on its way to the subscribers, until it catches up."""

    def __init__(self, site: Site) -> None:
        self._edge = site.edge
        self._apply = site.edge._apply
        self.held: list[tuple[Any, list[Any]]] = []
        site.edge._apply = lambda cursor, rows: self.held.append(  # type: ignore[method-assign]
            (cursor, list(rows))
        )

    def step(self) -> None:
        """One publication reaches the subscribers."""
        self._apply(*self.held.pop(0))

    def catch_up(self) -> None:
        while self.held:
            self.step()
        self._edge._apply = self._apply  # type: ignore[method-assign]


@asynccontextmanager
async def ahead(site: Site, target: str) -> AsyncIterator[Client]:
    """A client that is let in and waits."""
    async with client(site, target) as one:
        await is_silent(one)
        assert len(site.broadcast.ahead) == 1
        yield one
    await until(lambda: not site.broadcast.size and not site.broadcast.ahead)


async def is_silent(one: Client) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(one.reader.read(1), LONG)


async def said(site: Site, publisher: Publisher, *quotes: Any) -> None:
    await publisher.say(*quotes)
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)


async def test_who_is_ahead_waits_and_is_told_only_what_is_new(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await said(site, publisher, quote_of("KGS", "87"), quote_of("KZT", "471"))
    lag = Lag(site)
    await publisher.say(quote_of("KGS", "88"))
    seen = await publisher.say(quote_of("KZT", "472"))
    async with ahead(site, f"/v1/stream?cursor={seen}") as one:
        lag.catch_up()
        first = await one.receive()
        assert (digest(first), place(first)) == (("update", {}), seen)
        await publisher.say(quote_of("KGS", "89"))
        assert digest(await one.receive()) == ("update", {"KGS": "89"})


async def test_who_is_further_ahead_than_a_first_step_waits_on(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await said(site, publisher, quote_of("KGS", "87"))
    lag = Lag(site)
    await publisher.say(quote_of("KGS", "88"))
    seen = await publisher.say(quote_of("KGS", "89"))
    async with ahead(site, f"/v1/stream?cursor={seen}") as one:
        lag.step()
        await is_silent(one)
        await publisher.say(quote_of("KGS", "90"))
        lag.catch_up()
        assert digest(await one.receive()) == ("update", {})
        assert digest(await one.receive()) == ("update", {"KGS": "90"})


async def test_the_mirror_may_leap_over_the_place_as_after_an_outage(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await said(site, publisher, quote_of("KGS", "87"))
    lag = Lag(site)
    seen = await publisher.say(quote_of("KGS", "88"))
    await publisher.say(quote_of("KGS", "89"))
    async with ahead(site, f"/v1/stream?cursor={seen}") as one:
        del lag.held[0]
        lag.catch_up()
        assert digest(await one.receive()) == ("update", {"KGS": "89"})


async def test_everybody_else_is_served_meanwhile(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await said(site, publisher, quote_of("KGS", "87"))
    Lag(site)
    seen = await publisher.say(quote_of("KGS", "88"))
    async with ahead(site, f"/v1/stream?cursor={seen}"), client(site) as other:
        assert digest(await other.receive()) == ("snapshot", {"KGS": "87"})


async def test_heartbeats_do_not_take_it_back(store: Store, publisher: Publisher, quote_of: QuoteOf) -> None:
    async with running(store, heartbeat_seconds=1) as site:
        await said(site, publisher, quote_of("KGS", "87"))
        Lag(site)
        seen = await publisher.say(quote_of("KGS", "88"))
        async with ahead(site, f"/v1/stream?cursor={seen}") as one, client(site) as other:
            await other.receive()
            assert (await other.receive())["type"] == "heartbeat"
            await is_silent(one)


async def test_who_comes_with_other_symbols_gets_their_snapshot_when_it_is_no_older(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await said(site, publisher, quote_of("KGS", "87"), quote_of("KZT", "471"))
    lag = Lag(site)
    seen = await publisher.say(quote_of("KGS", "88"))
    of_another = wire.stamp(seen, wire.select(("KZT",), site.broadcast.symbols))
    async with ahead(site, f"/v1/stream?symbols=KGS&cursor={of_another}") as one:
        lag.catch_up()
        assert digest(await one.receive()) == ("snapshot", {"KGS": "88"})


async def test_a_selection_that_changes_meanwhile_is_answered_when_the_wait_is_over(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await said(site, publisher, quote_of("KGS", "87"), quote_of("KZT", "471"))
    lag = Lag(site)
    seen = await publisher.say(quote_of("KGS", "88"))
    async with ahead(site, f"/v1/stream?cursor={seen}") as one:
        one.send(subscribe("KGS"))
        await is_silent(one)
        lag.catch_up()
        assert digest(await one.receive()) == ("snapshot", {"KGS": "88"})


async def test_an_event_stream_waits_as_well(site: Site, publisher: Publisher, quote_of: QuoteOf) -> None:
    await said(site, publisher, quote_of("KGS", "87"))
    lag = Lag(site)
    seen = await publisher.say(quote_of("KGS", "88"))
    one = await Client.dial(site)
    one.writer.write(head("/v1/events", {"Last-Event-ID": str(seen)}))
    assert b"\nretry: " in await one.reader.readuntil(b"\n\n")
    await is_silent(one)
    lag.catch_up()
    assert f'id: {seen}\ndata: {{"type":"update"'.encode() in await one.reader.readuntil(b"\n\n")
    one.hang_up()


async def test_a_place_that_redis_has_not_either_is_lost_and_a_snapshot_comes(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await said(site, publisher, quote_of("KGS", "87"))
    beyond = f"{publisher.seen.epoch}-{publisher.seen.sequence + 1}"
    async with client(site, f"/v1/stream?cursor={beyond}") as one:
        async with asyncio.timeout(LONG):
            assert digest(await one.receive()) == ("snapshot", {"KGS": "87"})
        await publisher.say(quote_of("KGS", "88"))
        assert digest(await one.receive()) == ("update", {"KGS": "88"})


async def test_an_emptied_redis_proves_nothing_and_the_new_epoch_ends_the_wait(
    site: Site, publisher: Publisher, elected: Elected, quote_of: QuoteOf, redis: Redis
) -> None:
    await said(site, publisher, quote_of("KGS", "87"))
    lag = Lag(site)
    seen = await publisher.say(quote_of("KGS", "88"))
    async with ahead(site, f"/v1/stream?cursor={seen}") as one:
        await redis.flushall()
        lag.held.clear()
        await is_silent(one)
        successor = await elected(publisher.store)
        later = await successor.say(quote_of("KGS", "88"), seen=seen, mode="everything")
        lag.catch_up()
        message = await one.receive()
        assert (digest(message), place(message)) == (("snapshot", {"KGS": "88"}), later)
        assert later > seen


async def test_a_redis_that_was_set_back_proves_nothing(
    site: Site, publisher: Publisher, quote_of: QuoteOf, redis_url: str
) -> None:
    await said(site, publisher, quote_of("KGS", "86"))
    async with Redis.from_url(redis_url) as redis:
        backup = {key: await redis.dump(key) for key in await redis.keys()}
        await said(site, publisher, quote_of("KGS", "87"))
        lag = Lag(site)
        seen = await publisher.say(quote_of("KGS", "88"))
        async with ahead(site, f"/v1/stream?cursor={seen}") as one:
            await redis.flushall()
            for key, value in backup.items():
                await redis.restore(key, 0, value)
            await is_silent(one)
            lag.catch_up()
            assert digest(await one.receive()) == ("update", {})


async def test_a_redis_that_is_away_proves_nothing(
    redis_server: EmbeddedServer,
    publisher: Publisher,
    quote_of: QuoteOf,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ticker.store.clients, "COMMAND_TIMEOUT", 0.05)
    async with running(store) as site:
        await said(site, publisher, quote_of("KGS", "87"))
        lag = Lag(site)
        seen = await publisher.say(quote_of("KGS", "88"))
        with stopped(redis_server):
            async with ahead(site, f"/v1/stream?cursor={seen}") as one:
                lag.catch_up()
                assert digest(await one.receive()) == ("update", {})


async def test_who_waits_too_long_is_sent_away_for_a_while(
    site: Site, publisher: Publisher, quote_of: QuoteOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticker.edge.stream, "AHEAD_SECONDS", 2 * LONG)
    await said(site, publisher, quote_of("KGS", "87"))
    lag = Lag(site)
    seen = await publisher.say(quote_of("KGS", "88"))
    async with ahead(site, f"/v1/stream?cursor={seen}") as one:
        code, reason = await one.goodbye()
        assert (code, "behind" in reason) == (1013, True)
        lag.catch_up()
        assert await one.reader.read() == b""


@pytest.mark.parametrize("reads", ["before it is told", "after it was to be told"])
async def test_who_does_not_read_while_it_waits_is_told_once_it_does(
    reads: str, site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await said(site, publisher, quote_of("KGS", "87"))
    lag = Lag(site)
    seen = await publisher.say(quote_of("KGS", "88"))
    async with ahead(site, f"/v1/stream?cursor={seen}") as one:
        (waiting,) = site.broadcast.ahead
        waiting.block(NOTHING, site.broadcast.mirror.cursor)
        if reads == "before it is told":
            await is_silent(one)
            assert not site.broadcast.blocked
        lag.catch_up()
        await until(lambda: not site.broadcast.blocked)
        await publisher.say(quote_of("KGS", "89"))
        told = await one.receive()
        if digest(told) == ("update", {}):
            told = await one.receive()
        assert digest(told) == ("update", {"KGS": "89"})
