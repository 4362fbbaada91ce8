"""The store against real servers: every redis and valkey that this machine has."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis
from stage import LONG, PATIENCE

import ticker.records
import ticker.store
from ticker.embedded import EmbeddedServer, Release, embedded, find_servers
from ticker.rates.events import Baseline, Empty, Entry, Event, Said, Waited
from ticker.rates.model import NOWHERE, Cursor, Pair
from ticker.rates.source import Outcome
from ticker.rates.tables import Figure, Table
from ticker.records import Document
from ticker.store import (
    UNAVAILABLE,
    Behind,
    Done,
    LeaseLost,
    Order,
    Publication,
    Store,
)
from ticker.store.quotes import SNAPSHOT_TRIES
from ticker.store.widgets import SCRIPT_DAYS, SCRIPTS_KEPT

if TYPE_CHECKING:
    from tests.conftest import FixingOf, OpenStore, Publisher, QuoteOf

Elected = Callable[[Store], Awaitable["Publisher"]]

KGS, KZT = Pair("KGS", "USD"), Pair("KZT", "USD")
FRIDAY = date(2026, 5, 22)
NOW = 1_790_000_000_000
AT = datetime(2026, 5, 21, 10, 2, 11, 123456, tzinfo=UTC)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test with every server."""
    servers = find_servers()
    for name in {"redis_server", "binary"} & set(metafunc.fixturenames):
        metafunc.parametrize(
            name, servers, ids=map(str, map(Release.of, servers)), indirect=name == "redis_server"
        )


async def following(
    store: Store, position: Cursor, count: int, seconds: float = PATIENCE
) -> list[Publication]:
    """The next `count` publications after `position`."""
    found: list[Publication] = []
    async with asyncio.timeout(seconds), aclosing(store.follow(position)) as publications:
        async for publication in publications:
            found.append(publication)
            if len(found) == count:
                break
    return found


async def contents(redis: Redis) -> dict[str, Any]:
    """Everything that a poller wrote, byte for byte."""
    leases = {"{ticker}:leader", "{ticker}:fence", "{ticker}:poller"}
    keys = {str(key) for key in await redis.keys("{ticker}:*")} - leases
    return {key: await redis.dump(key) for key in sorted(keys)}


def said(number: int, value: str = "87.45", **others: Any) -> Entry:
    """An event of the ledger: a table of two figures, of a day of its own."""
    figures = {Pair(code, "KGS"): Figure(Decimal(value), 1) for code in ("USD", "EUR")}
    table = Table(source="nbkr", day=FRIDAY + timedelta(days=number), figures=figures)
    return Entry(number, Said(at=AT, table=table, **others))


def document(raw: bytes = b"<CurrencyRates>" * 20) -> Document:
    address = "https://www.nbkr.kg/XML/daily.xml"
    return Document.of(raw, source="nbkr", address=address, asked=FRIDAY, heard=AT)


@contextmanager
def stopped(server: EmbeddedServer) -> Iterator[None]:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


# Publishing.


async def test_a_publication_is_in_the_stream_in_the_latest_quotes_and_in_the_history(
    store: Store, publisher: Publisher, quote_of: QuoteOf, fixing_of: FixingOf
) -> None:
    quote, fixing = quote_of("KGS", "87.45"), fixing_of("KGS", "87.4500", FRIDAY)

    cursor = await publisher.say(quote, fixings=[fixing], now_ms=NOW)

    assert cursor == Cursor(NOW, 1)
    assert (await store.snapshot()).cursor == cursor
    assert (await store.snapshot()).rows == ((cursor, quote),)
    assert await following(store, NOWHERE, 1) == [Publication(cursor, (quote,))]
    assert await store.fixings([KGS]) == [fixing]


async def test_nobody_sees_one_of_them_without_the_others(
    redis: Redis, publisher: Publisher, quote_of: QuoteOf, fixing_of: FixingOf
) -> None:
    async def watch() -> list[tuple[str, str, int]]:
        seen: list[tuple[str, str, int]] = []
        while not seen or seen[-1][2] < 100:
            async with redis.pipeline(transaction=True) as pipeline:
                pipeline.xrevrange("{ticker}:stream", count=1)
                pipeline.hget("{ticker}:latest", "KGS/USD")
                pipeline.zcard("{ticker}:history:KGS/USD")
                last, latest, rows = await pipeline.execute()
            if last:
                seen.append((last[0][0], latest.split()[0], rows))
        return seen

    async with asyncio.TaskGroup() as group:
        watcher = group.create_task(watch())
        for number in range(100):
            fixing = fixing_of("KGS", "87.45", FRIDAY, f"bank{number}")
            await publisher.say(quote_of("KGS", f"{number + 1}"), fixings=[fixing], now_ms=NOW)

    assert all(entry == latest == f"{NOW}-{rows}" for entry, latest, rows in watcher.result())
    assert len({rows for *_, rows in watcher.result()}) > 10


async def test_what_was_published_already_is_not_published_again(
    redis: Redis, publisher: Publisher, quote_of: QuoteOf, fixing_of: FixingOf
) -> None:
    quotes, fixings = (quote_of("KGS", "87.45"), quote_of("KZT", "471")), [fixing_of("KGS", "87.45", FRIDAY)]
    first = await publisher.say(*quotes, fixings=fixings)
    before = await contents(redis)

    assert await publisher.say(*quotes, fixings=fixings) == first
    assert await publisher.say(*quotes, fixings=fixings, mode="everything") == first
    assert await contents(redis) == before


async def test_only_the_quotes_that_differ_are_published(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    kgs, kzt, dearer = quote_of("KGS", "87.45"), quote_of("KZT", "471"), quote_of("KZT", "472")
    first = await publisher.say(kgs, kzt)
    second = await publisher.say(kgs, dearer)

    assert await following(store, first, 1) == [Publication(second, (dearer,))]
    assert set((await store.snapshot()).rows) == {(first, kgs), (second, dearer)}


async def test_there_and_back_again_are_three_publications(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    there, back = quote_of("KGS", "87.45"), quote_of("KGS", "87.50")
    cursors = [await publisher.say(quote, now_ms=NOW) for quote in (there, back, there)]

    assert cursors == [Cursor(NOW, 1), Cursor(NOW, 2), Cursor(NOW, 3)]
    assert [each.quotes for each in await following(store, NOWHERE, 3)] == [(there,), (back,), (there,)]


async def test_history_alone_is_no_publication(
    store: Store, publisher: Publisher, quote_of: QuoteOf, fixing_of: FixingOf
) -> None:
    thursday = fixing_of("KGS", "87.40", FRIDAY - timedelta(days=1))
    friday = fixing_of("KGS", "87.45", FRIDAY)

    assert await publisher.say(fixings=[thursday]) == NOWHERE
    cursor = await publisher.say(quote_of("KGS", "87.45"))
    assert await publisher.say(fixings=(each for each in [friday])) == cursor
    assert await store.fixings([KGS]) == [thursday, friday]


async def test_the_stream_is_trimmed(
    redis: Redis, redis_url: str, open_store: OpenStore, elected: Elected, quote_of: QuoteOf
) -> None:
    async with open_store(redis_url, stream_length=50) as store:
        publisher = await elected(store)
        for number in range(400):
            last = await publisher.say(quote_of("KGS", f"{number + 1}"))

    # Redis trims by whole nodes, which hold a hundred entries.
    assert 50 <= await redis.xlen("{ticker}:stream") <= 200
    assert last.sequence == 400


# Epochs.


async def test_behind_what_was_seen_nothing_is_written(
    redis: Redis, publisher: Publisher, quote_of: QuoteOf, fixing_of: FixingOf
) -> None:
    reached = await publisher.say(quote_of("KGS", "87.45"))
    before = await contents(redis)
    news = {"fixings": [fixing_of("KGS", "87.50", FRIDAY)]}

    for seen in (Cursor(reached.epoch, reached.sequence + 1), Cursor(reached.epoch + 1, 0)):
        with pytest.raises(Behind, match=str(reached)):
            await publisher.say(quote_of("KGS", "87.50"), seen=seen, **news)
    assert await contents(redis) == before
    await redis.xtrim("{ticker}:stream", maxlen=0, approximate=False)
    with pytest.raises(Behind):
        await publisher.say(quote_of("KGS", "87.50"), seen=reached, **news)
    await redis.flushall()
    again = await publisher.store.acquire("test", seconds=60, now_ms=NOW)
    with pytest.raises(Behind, match="0-0"):
        await publisher.say(quote_of("KGS", "87.50"), lease=again, seen=reached, **news)
    assert await contents(redis) == {}


@pytest.mark.parametrize("loss", ["flushed", "emptied", "older"])
async def test_a_loss_is_repaired_by_a_new_epoch_that_wakes_those_who_wait_at_the_old_place(
    loss: str, redis: Redis, store: Store, publisher: Publisher, elected: Elected, quote_of: QuoteOf
) -> None:
    kgs, kzt = quote_of("KGS", "87.45"), quote_of("KZT", "471")
    await publisher.say(kgs, now_ms=NOW)
    seen = Cursor(NOW, 40) if loss == "older" else publisher.seen

    async with asyncio.TaskGroup() as group:
        follower = group.create_task(following(store, seen, 1))
        await asyncio.sleep(0.05)
        if loss == "flushed":
            await redis.flushall()
        if loss == "emptied":
            await redis.xtrim("{ticker}:stream", maxlen=0, approximate=False)
        successor = await elected(store)
        assert await store.renew(successor.lease, seconds=60) < seen
        # Even with a clock that went back.
        cursor = await successor.say(kgs, kzt, seen=seen, mode="everything", now_ms=5)

    assert follower.result() == [Publication(cursor, (kgs, kzt))]
    assert cursor == Cursor(NOW + 1, 1)
    assert await successor.say(kgs, kzt, seen=seen, mode="everything") == cursor
    assert set((await store.snapshot()).rows) == {(cursor, kgs), (cursor, kzt)}
    assert (await store.snapshot()).cursor == cursor == await store.renew(successor.lease, seconds=60)


async def test_a_reset_forgets_everything_and_opens_an_epoch(
    store: Store, publisher: Publisher, quote_of: QuoteOf, fixing_of: FixingOf
) -> None:
    kgs, kzt = quote_of("KGS", "87.45"), quote_of("KZT", "471")
    await publisher.say(kgs, kzt, fixings=[fixing_of("KGS", "87.45", FRIDAY)], now_ms=NOW)
    earlier = fixing_of("KGS", "80", FRIDAY - timedelta(days=20))

    cursor = await publisher.say(kgs, fixings=[earlier], mode="reset", now_ms=NOW)

    assert cursor == Cursor(NOW + 1, 1)
    assert (await store.snapshot()).rows == ((cursor, kgs),)
    assert await store.fixings([KGS, KZT]) == [earlier]


async def test_an_epoch_and_its_numbers_outlive_the_server(
    short_path: Path, binary: Path, open_store: OpenStore, elected: Elected, quote_of: QuoteOf
) -> None:
    async with (
        embedded(short_path / "data", binary=binary) as server,
        open_store(server.url, keeps=True) as store,
        open_store(server.url) as careful,
    ):
        publisher = await elected(store)
        for number in range(3):
            await publisher.say(quote_of("KGS", f"{87 + number}"), now_ms=NOW)
        os.kill(server.pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE):
            while not await reachable(store):
                await asyncio.sleep(0.01)

        assert (await store.snapshot()).cursor == Cursor(NOW, 3)
        # A server that does not sync every write may have told more than it has now.
        with pytest.raises(Behind, match="another server"):
            await type(publisher)(careful, publisher.lease).say(quote_of("KGS", "90"))
        assert await publisher.say(quote_of("KGS", "90"), now_ms=NOW + 99) == Cursor(NOW, 4)
        assert [each.cursor.sequence for each in await following(store, Cursor(NOW, 1), 3)] == [2, 3, 4]


async def reachable(store: Store) -> bool:
    try:
        await store.last_event()
    except UNAVAILABLE:
        return False
    return True


# The lease.


async def test_one_holds_the_lease_until_it_is_given_back_or_runs_out(store: Store, redis: Redis) -> None:
    first = await store.acquire("one", seconds=60, now_ms=NOW)
    assert first
    assert first.endswith("one")
    assert await store.acquire("two", seconds=60, now_ms=NOW) is None
    await store.release(first)
    second = await store.acquire("two", seconds=60, now_ms=NOW)
    assert second
    await store.release(first)
    assert await redis.get("{ticker}:leader") == second
    await redis.pexpire("{ticker}:leader", 1)
    await asyncio.sleep(0.01)

    assert await store.acquire("one", seconds=60, now_ms=NOW)


async def test_the_first_lease_of_an_emptied_redis_is_not_for_who_is_patient(
    store: Store, redis: Redis
) -> None:
    assert await store.acquire("two", seconds=60, now_ms=NOW, patient=True) == ""
    assert not await redis.keys("*")

    first = await store.acquire("one", seconds=60, now_ms=NOW)
    assert first
    assert await store.acquire("two", seconds=60, now_ms=NOW, patient=True) is None
    await store.release(first)
    assert await store.acquire("two", seconds=60, now_ms=NOW, patient=True)


async def test_a_renewed_lease_lasts_and_a_lost_one_is_not_renewed(
    store: Store, redis: Redis, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await redis.pexpire("{ticker}:leader", 500)

    assert await store.renew(publisher.lease, seconds=60) == NOWHERE
    assert await redis.pttl("{ticker}:leader") > 50_000
    cursor = await publisher.say(quote_of("KGS", "87.45"))
    assert await store.renew(publisher.lease, seconds=60) == cursor
    await store.acquire("two", seconds=60, now_ms=NOW, force=True)
    with pytest.raises(LeaseLost):
        await store.renew(publisher.lease, seconds=60)


async def test_a_lease_that_ran_out_holds_until_another_process_takes_one(
    store: Store, redis: Redis, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await redis.delete("{ticker}:leader")  # as when Redis's clock jumps
    cursor = await publisher.say(quote_of("KGS", "87.45"))

    assert await store.renew(publisher.lease, seconds=60) == cursor
    assert await redis.get("{ticker}:leader") == publisher.lease
    assert await redis.pttl("{ticker}:leader") > 50_000
    assert await store.acquire("two", seconds=60, now_ms=NOW) is None


async def test_a_lease_that_was_given_back_is_lost(
    store: Store, redis: Redis, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await store.release(publisher.lease)

    with pytest.raises(LeaseLost):
        await store.renew(publisher.lease, seconds=60)
    with pytest.raises(LeaseLost):
        await publisher.say(quote_of("KGS", "87.45"))


async def test_a_lease_that_outlasts_any_other_is_cut_short(store: Store, redis: Redis) -> None:
    assert await store.acquire("one", seconds=60, now_ms=NOW)
    await redis.pexpire("{ticker}:leader", 172_800_000)  # as after Redis's clock was set back by two days

    assert await store.acquire("two", seconds=60, now_ms=NOW) is None
    assert 50_000 < await redis.pttl("{ticker}:leader") <= 60_000


@pytest.mark.parametrize("mode", ["changes", "everything", "reset"])
async def test_without_the_lease_nothing_is_written(
    mode: str,
    redis: Redis,
    store: Store,
    publisher: Publisher,
    elected: Elected,
    quote_of: QuoteOf,
    fixing_of: FixingOf,
) -> None:
    await publisher.say(quote_of("KGS", "87.45"), fixings=[fixing_of("KGS", "87.45", FRIDAY)])
    await publisher.say(entries=[said(1)], documents=[document(b"kept")])
    await redis.set("{ticker}:memory", "{}")
    before = await contents(redis)
    news: dict[str, Any] = {
        "fixings": [fixing_of("KGS", "87.50", FRIDAY)],
        "gone": [fixing_of("KGS", "87.45", FRIDAY)],
        "entries": [said(2)],
        "dropped": [1],
        "documents": [document()],
        "forgotten": [document(b"kept").sha256],
        "outcomes": [Outcome(source="nbkr", failures=1)],
        "answers": [("1-1", Done("on hold", done=True))],
        "anew": True,
        "took_over": True,
        "mode": mode,
    }

    await elected(store)
    with pytest.raises(LeaseLost):
        await publisher.say(quote_of("KGS", "87.50"), **news)
    await redis.delete("{ticker}:leader")
    with pytest.raises(LeaseLost):
        await publisher.say(quote_of("KGS", "87.50"), **news)

    assert await contents(redis) == before


async def test_tokens_only_grow(store: Store, redis: Redis) -> None:
    leases = [
        await store.acquire("one", seconds=60, now_ms=now, force=True)
        for now in (NOW, NOW, NOW - 5000, NOW + 7)
    ]
    await redis.flushall()
    leases.append(await store.acquire("one", seconds=60, now_ms=NOW + 8))

    tokens = [int(lease.split()[0]) for lease in leases if lease]
    assert tokens == [NOW, NOW + 1, NOW + 2, NOW + 7, NOW + 8]


# History.


async def test_a_correction_replaces_what_the_same_source_said_of_the_same_day(
    store: Store, publisher: Publisher, fixing_of: FixingOf
) -> None:
    kept = [
        fixing_of("KGS", "87.40", FRIDAY - timedelta(days=1)),
        fixing_of("KGS", "87.44", FRIDAY, "nbk"),
        fixing_of("KGS", "87.43", FRIDAY, "nbkr2"),
        fixing_of("KZT", "471", FRIDAY),
    ]
    wrong, right = fixing_of("KGS", "8.745", FRIDAY), fixing_of("KGS", "87.45", FRIDAY)
    await publisher.say(fixings=[*kept, wrong])
    await publisher.say(fixings=[right])

    assert set(await store.fixings([KGS, KZT])) == {*kept, right}
    assert set(await store.fixings([KGS], since=FRIDAY)) == {*kept[1:3], right}


async def test_history_is_trimmed_by_days(
    store: Store, publisher: Publisher, redis: Redis, fixing_of: FixingOf
) -> None:
    days = [fixing_of("KGS", "87.45", FRIDAY + timedelta(days=number)) for number in range(50)]
    await publisher.say(fixings=days[:40])
    await publisher.say(fixings=days[40:])

    assert await store.fixings([KGS]) == days[-31:]
    assert await redis.zcard("{ticker}:history:KGS/USD") == 31


async def test_a_row_of_an_old_day_trims_nothing(
    store: Store, publisher: Publisher, fixing_of: FixingOf
) -> None:
    kept = [fixing_of("KGS", "87.45", FRIDAY + timedelta(days=number)) for number in range(31)]
    await publisher.say(fixings=kept)
    await publisher.say(fixings=[fixing_of("KGS", "80", FRIDAY + timedelta(days=5), "cbr"), kept[0]])
    await publisher.say(fixings=[fixing_of("KGS", "80", FRIDAY - timedelta(days=1), "cbr")])

    assert [each.price for each in await store.fixings([KGS], source="cbr")] == [Decimal("0.0125")]
    assert await store.fixings([KGS], source="nbkr") == kept


async def test_the_order_of_rows_does_not_matter_for_what_is_trimmed(
    store: Store, publisher: Publisher, fixing_of: FixingOf
) -> None:
    days = [fixing_of("KGS", "87.45", FRIDAY + timedelta(days=number)) for number in range(50)]
    await publisher.say(fixings=reversed(days))

    assert await store.fixings([KGS]) == days[-31:]


async def test_what_is_no_publication_any_more_is_taken_out(
    store: Store, publisher: Publisher, fixing_of: FixingOf
) -> None:
    gone, other = fixing_of("KGS", "97.7254", FRIDAY), fixing_of("KGS", "87.44", FRIDAY, "cbr")
    kept = fixing_of("KZT", "471", FRIDAY)
    await publisher.say(fixings=[gone, other, kept])

    for _ in range(2):
        await publisher.say(gone=[gone, fixing_of("TJS", "9.2", FRIDAY)])
        assert set(await store.fixings([KGS, KZT])) == {other, kept}


async def test_a_long_history_is_written_in_the_time_of_one_command(
    redis_url: str, elected: Elected, fixing_of: FixingOf
) -> None:
    many = [fixing_of("KGS", "87.45", date(2021, 1, 1) + timedelta(days=day)) for day in range(1830)]
    some = [fixing_of("KZT", "471", each.day, source) for each in many for source in ("nbk", "cbr")]
    async with Store(redis_url, prefix="{ticker}:", stream_length=10, history_days=1830) as store:
        publisher = await elected(store)
        await publisher.say(fixings=[*many, *some])

        assert len(await store.fixings([KGS, KZT])) == 3 * 1830


# The ledger.


async def test_events_come_back_in_order_with_their_numbers(store: Store, publisher: Publisher) -> None:
    entries = [
        said(1, archive=True, document=document().sha256),
        Entry(2, Empty(at=AT, source="nbk", first=FRIDAY, last=FRIDAY)),
        Entry(4, Waited(at=AT, source="nbk")),
        Entry(5, Baseline(at=AT)),
    ]
    await publisher.say(entries=entries[:2])
    await publisher.say(entries=entries[2:], after=2)

    assert await store.ledger() == entries
    assert await store.last_event() == 5


async def test_an_empty_redis_has_no_ledger_and_no_documents(store: Store) -> None:
    assert await store.ledger() == []
    assert await store.last_event() == 0
    assert await store.documents() == {}


async def test_events_and_quotes_are_seen_together_or_not_at_all(
    redis: Redis, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async def watch() -> list[tuple[int, int, int, int]]:
        seen: list[tuple[int, int, int, int]] = []
        while not seen or seen[-1][0] < 100:
            async with redis.pipeline(transaction=True) as pipeline:
                for key in ("stream", "ledger"):
                    pipeline.xlen(f"{{ticker}}:{key}")
                pipeline.hlen("{ticker}:documents:about")
                pipeline.get("{ticker}:source:nbkr")
                *counts, outcome = await pipeline.execute()
            if outcome:
                seen.append((*counts, Outcome.model_validate_json(outcome).failures))
        return seen

    async with asyncio.TaskGroup() as group:
        watcher = group.create_task(watch())
        for number in range(1, 101):
            await publisher.say(
                quote_of("KGS", f"{number}"),
                entries=[said(number)],
                after=number - 1,
                documents=[document(b"%d" % number)],
                outcomes=[Outcome(source="nbkr", failures=number)],
                now_ms=NOW,
            )

    assert all(len(set(counts)) == 1 for counts in watcher.result())
    assert len(watcher.result()) > 10


async def test_a_repeated_write_changes_nothing(
    redis: Redis, publisher: Publisher, quote_of: QuoteOf, fixing_of: FixingOf
) -> None:
    await publisher.say(entries=[said(1), said(2)])
    batch: dict[str, Any] = {
        "fixings": [fixing_of("KGS", "87.45", FRIDAY)],
        "gone": [fixing_of("KGS", "87.40", FRIDAY)],
        "entries": [said(3), said(4)],
        "after": 2,
        "dropped": [1],
        "documents": [document()],
        "forgotten": ["0" * 64],
        "outcomes": [Outcome(source="nbkr")],
        "seen": NOWHERE,
    }
    cursor = await publisher.say(quote_of("KGS", "87.45"), **batch)
    before = await contents(redis)

    assert await publisher.say(quote_of("KGS", "87.45"), **batch) == cursor
    assert await contents(redis) == before


async def test_a_repeated_write_adds_only_the_events_that_are_new_since(
    store: Store, publisher: Publisher
) -> None:
    await publisher.say(entries=[said(1), said(2)])
    await publisher.say(entries=[said(1, "99"), said(2, "99"), said(3)])

    assert await store.ledger() == [said(1), said(2), said(3)]


@pytest.mark.parametrize("loss", ["flushed", "emptied", "older"])
@pytest.mark.parametrize("mode", ["changes", "everything", "reset"])
async def test_behind_a_ledger_that_lost_events_nothing_is_written(
    loss: str, mode: str, redis: Redis, store: Store, publisher: Publisher, elected: Elected
) -> None:
    await publisher.say(entries=[said(number) for number in range(1, 4)])
    if loss == "flushed":
        await redis.delete("{ticker}:ledger")
    if loss == "emptied":
        await redis.xtrim("{ticker}:ledger", maxlen=0, approximate=False)
    known = 4 if loss == "older" else 3
    before = await contents(redis)

    with pytest.raises(Behind, match="the ledger ends at"):
        await publisher.say(entries=[said(known + 1)], after=known, documents=[document()], mode=mode)
    assert await contents(redis) == before
    await publisher.say(entries=[said(1), said(2)], after=known, anew=True, mode="everything")
    assert await store.ledger() == [said(1), said(2)]


@pytest.mark.parametrize("mode", ["everything", "reset"])
async def test_a_rewrite_comes_in_several_parts(
    mode: str, store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    old, new = document(b"old"), document(b"new")
    await publisher.say(entries=[said(number, "80") for number in range(1, 9)], documents=[old])
    rewrite = [said(number) for number in range(1, 7)]

    # The first part twice, as after a time-out.
    for _ in range(2):
        await publisher.say(entries=rewrite[:2], anew=True, documents=[new], mode=mode)
    await publisher.say(entries=rewrite[2:4], after=2, mode="everything")
    await publisher.say(quote_of("KGS", "87.45"), entries=rewrite[4:], after=4, mode="everything")

    assert await store.ledger() == rewrite
    assert await store.documents() == {new.sha256: new}
    assert await store.last_event() == 6


async def test_changes_never_empty_the_ledger(store: Store, publisher: Publisher) -> None:
    await publisher.say(entries=[said(1)], documents=[document()])
    await publisher.say(entries=[said(2)], anew=True)

    assert await store.ledger() == [said(1), said(2)]
    assert set(await store.documents()) == {document().sha256}


async def test_dropped_events_are_gone_and_their_numbers_are_not_used_again(
    store: Store, publisher: Publisher
) -> None:
    await publisher.say(entries=[said(number) for number in range(1, 5)])
    await publisher.say(entries=[said(5)], after=4, dropped=[1, 3, 5, 99])
    await publisher.say(entries=[said(3), said(5)], after=5)

    assert await store.ledger() == [said(2), said(4)]
    assert await store.last_event() == 5


async def test_an_unreadable_event_is_left_out_and_said(
    store: Store, redis: Redis, publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    await publisher.say(entries=[said(1)])
    await redis.xadd("{ticker}:ledger", {"e": '{"e":"said"}'}, "2-0")
    await redis.xadd("{ticker}:ledger", {"other": "x"}, "3-0")
    await publisher.say(entries=[said(4)])

    assert await store.ledger() == [said(1), said(4)]
    assert [record.getMessage().partition(" and was skipped: ")[0] for record in caplog.records] == [
        f"redis: event {number}-0 of the ledger is unreadable" for number in (2, 3)
    ]


async def test_a_long_ledger_is_read_while_others_go_on(
    store: Store, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticker.store.ledger, "ENTRIES_AT_ONCE", 300)
    entries = [said(number) for number in range(1, 1001)]
    await publisher.say(entries=entries)
    at_once, most, decode = 0, 0, ticker.records.decode_event

    def counted(text: str) -> Event:
        nonlocal at_once
        at_once += 1
        return decode(text)

    async def others() -> None:
        nonlocal at_once, most
        while True:
            most, at_once = max(most, at_once), 0
            await asyncio.sleep(0)

    monkeypatch.setattr(ticker.records, "decode_event", counted)
    async with asyncio.TaskGroup() as group:
        working = group.create_task(others())
        assert await store.ledger() == entries
        working.cancel()

    assert 0 < most <= ticker.store.rows.ROWS_AT_ONCE


# Documents.


async def test_a_document_comes_back_with_its_bytes(store: Store, publisher: Publisher) -> None:
    one, other = document(bytes(range(256))), document("<Курс>".encode("cp1251"))
    await publisher.say(documents=[one])
    await publisher.say(documents=[other])

    found = await store.documents()

    assert found == {one.sha256: one, other.sha256: other}
    assert found[one.sha256].raw == bytes(range(256))


async def test_a_document_that_is_heard_again_is_kept_once(
    store: Store, redis: Redis, publisher: Publisher
) -> None:
    await publisher.say(documents=[document()])
    later = replace(document(), last_heard=AT + timedelta(hours=5), body=b"")
    await publisher.say(documents=[later])

    assert await store.documents() == {later.sha256: replace(later, body=document().body)}


async def test_forgotten_documents_are_gone(store: Store, redis: Redis, publisher: Publisher) -> None:
    kept = document(b"kept")
    await publisher.say(documents=[document(), kept])
    await publisher.say(forgotten=[document().sha256])

    assert await store.documents() == {kept.sha256: kept}
    assert await redis.hlen("{ticker}:documents") == 1


async def test_many_documents_are_read_in_parts(
    store: Store, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticker.store.ledger, "DOCUMENTS_AT_ONCE", 10)
    some = [document(b"%d" % number) for number in range(25)]
    await publisher.say(documents=some)

    assert await store.documents() == {each.sha256: each for each in some}


async def test_an_unreadable_document_is_left_out_and_said(
    store: Store, redis: Redis, publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    await publisher.say(documents=[document()])
    await redis.hset("{ticker}:documents:about", "0" * 64, "{}")

    assert set(await store.documents()) == {document().sha256}
    assert f"redis: document {'0' * 64} is unreadable and was skipped: " in caplog.text


# Reading.


async def test_a_snapshot_is_of_one_moment(store: Store, publisher: Publisher, quote_of: QuoteOf) -> None:
    async def write() -> None:
        for number in range(1, 201):
            await publisher.say(quote_of("KGS", f"{number}"), quote_of("KZT", f"{number}"), now_ms=NOW)

    snapshots = []
    async with asyncio.TaskGroup() as group:
        writer = group.create_task(write())
        while not writer.done():
            snapshots.append(await store.snapshot())

    full = [each for each in snapshots if each.rows]
    assert len({each.cursor for each in full}) > 10
    for each in full:
        assert [row[0] for row in each.rows] == [each.cursor, each.cursor]
        assert [row[1].inverse for row in each.rows] == [each.cursor.sequence] * 2


async def test_a_snapshot_between_publications_is_that_of_the_first_look(
    redis_url: str, publisher: Publisher, quote_of: QuoteOf
) -> None:
    """Publications without end: no two looks at the cursor agree. What is newer is left to who follows."""

    class Restless(Store):
        looks = 0

        async def _latest(self) -> tuple[Cursor, dict[str, str], Cursor]:
            before, _, _ = await super()._latest()
            self.looks += 1
            await publisher.say(quote_of("KZT", f"{470 + self.looks}"), now_ms=NOW)
            _, latest, after = await super()._latest()
            return before, latest, after

    kgs = quote_of("KGS", "87.45")
    await publisher.say(kgs, quote_of("KZT", "470"), now_ms=NOW)
    async with Restless(redis_url, prefix="{ticker}:", stream_length=100, history_days=30) as store:
        snapshot = await store.snapshot()
        follows = await following(store, snapshot.cursor, 1)

    last = Cursor(NOW, SNAPSHOT_TRIES)
    assert snapshot == ticker.store.Snapshot(last, ((Cursor(NOW, 1), kgs),))
    assert [quote.inverse for quote in follows[0].quotes] == [470 + SNAPSHOT_TRIES]


async def test_a_snapshot_is_read_again_if_something_was_published_meanwhile(
    redis_url: str, publisher: Publisher, quote_of: QuoteOf
) -> None:
    class Once(Store):
        said = False

        async def _latest(self) -> tuple[Cursor, dict[str, str], Cursor]:
            before, latest, after = await super()._latest()
            if not self.said:
                self.said = True
                await publisher.say(quote_of("KGS", "88"), now_ms=NOW)
                _, latest, after = await super()._latest()
            return before, latest, after

    await publisher.say(quote_of("KGS", "87.45"), quote_of("KZT", "470"), now_ms=NOW)
    async with Once(redis_url, prefix="{ticker}:", stream_length=100, history_days=30) as store:
        snapshot = await store.snapshot()

    assert snapshot.cursor == Cursor(NOW, 2)
    assert {quote.inverse for _, quote in snapshot.rows} == {88, 470}


async def test_an_empty_redis_gives_an_empty_snapshot(store: Store) -> None:
    assert await store.snapshot() == ticker.store.Snapshot(NOWHERE, ())


async def test_what_can_not_be_read_is_left_out_and_said(
    store: Store,
    redis: Redis,
    publisher: Publisher,
    quote_of: QuoteOf,
    fixing_of: FixingOf,
    caplog: pytest.LogCaptureFixture,
) -> None:
    kgs, fixing = quote_of("KGS", "87.45"), fixing_of("KGS", "87.45", FRIDAY)
    cursor = await publisher.say(kgs, fixings=[fixing])
    broken = [
        "",
        "garbage",
        "1-1 ",
        f"{cursor} {{}}",
        f"{cursor} nonsense",
        "x" * 5000,
        '9-9 {"symbol":"KGS/USD"}',
    ]
    for number, text in enumerate(broken):
        await redis.hset("{ticker}:latest", f"BAD/{number}", text)
        await redis.zadd("{ticker}:history:KGS/USD", {text: FRIDAY.toordinal()})
        await redis.xadd("{ticker}:stream", {"quotes": text}, f"{cursor.epoch}-{number + 2}")
    await redis.xadd("{ticker}:stream", {"other": "x"}, f"{cursor.epoch}-90")
    await redis.set("{ticker}:source:nbkr", "garbage")

    assert [quote for _, quote in (await store.snapshot()).rows] == [kgs]
    assert await store.fixings([KGS]) == [fixing]
    entries = await following(store, NOWHERE, len(broken) + 2)
    assert [each.quotes for each in entries] == [(kgs,)] + [()] * (len(broken) + 1)
    assert await store.outcomes(["nbkr"]) == {"nbkr": Outcome(source="nbkr")}
    for where in ("quote of BAD/1", "history:KGS/USD", f"entry {cursor.epoch}-90"):
        assert f"{where} " in caplog.text


async def test_an_outcome_is_kept(store: Store, publisher: Publisher) -> None:
    failed = Outcome(source="nbk", checked_at=datetime.now(UTC), failures=3, error="timed out")
    waiting = Outcome(source="cbu")
    await publisher.say(outcomes=[failed, waiting])

    assert await store.outcomes(["nbk", "nbt"]) == {"nbk": failed, "nbt": Outcome(source="nbt")}
    assert await publisher.say() == NOWHERE


# Following.


async def test_snapshot_and_follow_leave_no_gap_and_repeat_nothing(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    last, written = 300, list[int]()

    async def write() -> None:
        for number in range(1, last + 1):
            await publisher.say(quote_of("KGS", f"{number}"), now_ms=NOW)
            written.append(number)

    async def read(start: int) -> list[int]:
        while len(written) < start:
            await asyncio.sleep(0)
        snapshot = await store.snapshot()
        seen = [int(quote.inverse) for _, quote in snapshot.rows]
        async with aclosing(store.follow(snapshot.cursor)) as publications:
            while not seen or seen[-1] < last:
                publication = await anext(publications)
                assert publication.cursor == Cursor(NOW, int(publication.quotes[0].inverse))
                seen.append(publication.cursor.sequence)
        return seen

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        readers = [group.create_task(read(number * last // 8)) for number in range(8)]
        await write()

    for reader in readers:
        seen = reader.result()
        assert seen == list(range(seen[0], last + 1))
    assert len({reader.result()[0] for reader in readers}) > 3


async def test_a_quiet_stream_is_followed_over_one_connection(
    redis_url: str,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    open_store: OpenStore,
    elected: Elected,
    quote_of: QuoteOf,
) -> None:
    monkeypatch.setattr(ticker.store.clients, "FOLLOW_BLOCK", 0.1)
    async with open_store(redis_url) as store, asyncio.TaskGroup() as group:
        publisher = await elected(store)
        follower = group.create_task(following(store, NOWHERE, 1))
        await asyncio.sleep(0.2)
        before = (await redis.info("stats"))["total_connections_received"]
        await asyncio.sleep(0.6)
        cursor = await publisher.say(quote_of("KGS", "87.45"))

    assert follower.result()[0].cursor == cursor
    assert (await redis.info("stats"))["total_connections_received"] == before


async def test_a_stopped_server_is_noticed_by_those_who_follow_it(
    redis_server: EmbeddedServer,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    open_store: OpenStore,
    elected: Elected,
    quote_of: QuoteOf,
) -> None:
    monkeypatch.setattr(ticker.store.clients, "FOLLOW_BLOCK", 0.2)
    async with open_store(redis_url) as store:
        publisher = await elected(store)
        first = await publisher.say(quote_of("KGS", "87.45"))
        async with asyncio.TaskGroup() as group:
            follower = group.create_task(failure_of(following(store, first, 1, LONG)))
            await asyncio.sleep(0.1)
            with stopped(redis_server):
                await asyncio.wait({follower}, timeout=2 * PATIENCE)
                assert follower.done()

        assert isinstance(follower.result(), UNAVAILABLE)
        second = await publisher.say(quote_of("KGS", "87.50"))
        assert [each.cursor for each in await following(store, first, 1)] == [second]


async def failure_of(work: Awaitable[object]) -> Exception | None:
    try:
        await work
    except Exception as error:
        return error
    return None


# Redis away.


async def test_a_stopped_server_holds_no_command_for_long(
    redis_server: EmbeddedServer,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    open_store: OpenStore,
    elected: Elected,
    quote_of: QuoteOf,
    fixing_of: FixingOf,
) -> None:
    monkeypatch.setattr(ticker.store.clients, "COMMAND_TIMEOUT", 0.1)
    quote, fixing = quote_of("KGS", "87.45"), fixing_of("KGS", "87.45", FRIDAY)
    async with open_store(redis_url) as store:
        publisher = await elected(store)
        commands: list[Callable[[], Awaitable[object]]] = [
            store.last_event,
            store.snapshot,
            lambda: store.fixings([KGS]),
            lambda: store.outcomes(["nbkr"]),
            lambda: store.renew(publisher.lease, seconds=60),
            lambda: store.acquire("two", seconds=60, now_ms=NOW),
            store.led,
            store.ledger,
            store.last_event,
            store.documents,
            store.legacy_memory,
            lambda: store.order("confirm", "KGS", "aigul@desk"),
            store.orders,
            lambda: store.answered("1-1"),
            lambda: publisher.say(quote, fixings=[fixing]),
        ]
        with stopped(redis_server):
            for command in commands:
                start = time.monotonic()
                error = await failure_of(command())
                assert isinstance(error, UNAVAILABLE), error
                # A client that waits and tries again as it likes takes a minute.
                assert time.monotonic() - start < 2
        await store.renew(publisher.lease, seconds=60)

        # Whether one of those tries was carried out or not, after a repetition it is there once.
        cursor = await publisher.say(quote, fixings=[fixing])
        assert cursor.sequence == 1
        assert await store.fixings([KGS]) == [fixing]


@pytest.mark.parametrize(
    "url", ["unix:///tmp/no-such-socket", "redis://127.0.0.1:1", "redis://no.such.host.invalid"]
)
async def test_no_server_is_an_error_that_callers_expect(url: str, open_store: OpenStore) -> None:
    async with open_store(url) as store:
        assert isinstance(await failure_of(store.last_event()), UNAVAILABLE)
        assert isinstance(await failure_of(store.snapshot()), UNAVAILABLE)
        assert isinstance(await failure_of(following(store, NOWHERE, 1)), UNAVAILABLE)


async def test_a_cancelled_publication_is_there_once_after_it_is_repeated(
    store: Store, publisher: Publisher, redis: Redis, quote_of: QuoteOf, fixing_of: FixingOf
) -> None:
    chance, rounds, cancelled = random.Random(7), 150, 0
    for number in range(1, rounds + 1):
        quote = quote_of("KGS", f"{number}")
        fixings = [fixing_of("KGS", f"{number}", FRIDAY)]
        attempt = asyncio.create_task(publisher.say(quote, fixings=fixings, now_ms=NOW))
        for _ in range(chance.randrange(25)):
            await asyncio.sleep(0)
        attempt.cancel()
        await asyncio.wait({attempt})
        cancelled += attempt.cancelled()
        if number % 3 == 0:
            assert len((await store.snapshot()).rows) <= 1

        assert await publisher.say(quote, fixings=fixings, now_ms=NOW) == Cursor(NOW, number)

    assert cancelled > 20
    assert await redis.xlen("{ticker}:stream") == rounds
    assert await store.fixings([KGS]) == fixings


async def test_a_cancellation_is_never_swallowed(
    redis_url: str, redis: Redis, open_store: OpenStore, publisher: Publisher, quote_of: QuoteOf
) -> None:
    """Whatever the client does at that moment: it connects, it sends, it waits."""

    async def follow(store: Store) -> None:
        await store.last_event()
        async for _ in store.follow(NOWHERE):
            pass

    chance = random.Random(3)
    await publisher.say(quote_of("KGS", "87.45"))
    for _ in range(300):
        async with open_store(redis_url) as store:
            task = asyncio.create_task(follow(store))
            for _ in range(chance.randrange(90)):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task}, timeout=0.5)
            assert task.cancelled()
            snapshot = await store.snapshot()
            assert [quote.inverse for _, quote in snapshot.rows] == [Decimal("87.45")]


# Orders of operators.


async def test_an_order_is_recorded_with_who_and_when_and_waits_until_it_is_answered(
    store: Store, publisher: Publisher
) -> None:
    before = time.time_ns() // 1_000_000
    first = await store.order("confirm", "KGS/USD", "aigul@desk")
    second = await store.order("backfill", "30", "root@bishkek")

    waiting = await store.orders()
    await publisher.say(answers=[(waiting[0].id, Done("KGS/USD: believed", done=True))])

    assert waiting == [
        Order(first, "confirm", "KGS/USD", "aigul@desk"),
        Order(second, "backfill", "30", "root@bishkek"),
    ]
    assert before <= int(first.partition("-")[0]) <= time.time_ns() // 1_000_000
    assert await store.orders() == waiting[1:]
    assert await store.answered(first) == Done("KGS/USD: believed", done=True)
    assert await store.answered(second) is None


async def test_an_order_is_answered_once(store: Store, publisher: Publisher) -> None:
    number = await store.order("confirm", "KGS", "aigul@desk")
    [order] = await store.orders()

    for text, done in (("believed", True), ("nothing is held back", False)):
        await publisher.say(answers=[(order.id, Done(text, done=done))])

    assert await store.answered(number) == Done("believed", done=True)
    assert await store.orders() == []


async def test_what_was_not_done_is_answered_so(store: Store, publisher: Publisher) -> None:
    number = await store.order("confirm", "KGS", "aigul@desk")
    [order] = await store.orders()

    await publisher.say(answers=[(order.id, Done("nothing is held back", done=False))])

    assert await store.answered(number) == Done("nothing is held back", done=False)


async def test_of_orders_and_answers_the_last_ones_are_a_record(
    store: Store, redis: Redis, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticker.store.orders, "ORDERS_KEPT", 10)
    monkeypatch.setattr(ticker.store.batch, "ORDERS_KEPT", 10)
    for number in range(250):
        order = await store.order("confirm", f"{number}", "aigul@desk")
        await publisher.say(answers=[(order, Done("believed", done=True))])

    # Redis drops whole blocks of a hundred.
    orders, answers = await redis.xrange("{ticker}:orders"), await redis.xrange("{ticker}:answers")
    assert (orders[-1][1]["subject"], orders[-1][0]) == ("249", answers[-1][0])
    assert 10 <= len(orders) <= 110
    assert 10 <= len(answers) <= 110


async def test_an_order_that_someone_wrote_by_hand_is_an_order(store: Store, redis: Redis) -> None:
    await redis.xadd("{ticker}:orders", {"verb": "confirm", "subject": "KGS"})

    assert [(each.verb, each.subject, each.by) for each in await store.orders()] == [("confirm", "KGS", "")]


# Scripts.


async def test_a_script_is_kept_to_the_letter(store: Store) -> None:
    script = "'use strict'; // 1 2 3\n\tconst курс = `€ ${1}`;\n"
    assert await store.scripts() == frozenset()
    await store.keep_script("0" * 16, script, now_ms=NOW)

    assert await store.scripts() == {"0" * 16}
    assert await store.script("0" * 16) == script
    assert await store.script("1" * 16) is None


async def test_of_scripts_those_that_processes_started_with_last_are_kept(store: Store) -> None:
    for number in range(SCRIPTS_KEPT + 10):
        await store.keep_script(f"{number:016x}", f"let it = {number}", now_ms=NOW + number)
        # The first is started with again and again, by a machine that is never upgraded.
        await store.keep_script(f"{0:016x}", "let it = 0", now_ms=NOW + number)

    assert await store.scripts() == {f"{number:016x}" for number in (0, *range(11, SCRIPTS_KEPT + 10))}


async def test_a_script_that_nobody_started_with_for_years_goes(store: Store, redis: Redis) -> None:
    day = 86_400_000
    for number, days in enumerate((0, 1, SCRIPT_DAYS)):
        await store.keep_script(f"{number:016x}", "it", now_ms=NOW + days * day)
    await redis.hset("{ticker}:scripts", "written by hand", "without a time")  # type: ignore[misc]
    assert f"{0:016x}" in await store.scripts()
    await store.keep_script(f"{2:016x}", "it", now_ms=NOW + SCRIPT_DAYS * day + 1)

    assert await store.scripts() == {f"{1:016x}", f"{2:016x}"}


async def test_who_starts_with_a_clock_that_is_behind_still_keeps_its_script(store: Store) -> None:
    for number in range(SCRIPTS_KEPT):
        await store.keep_script(f"{number:016x}", "it", now_ms=NOW + number)
    await store.keep_script("f" * 16, "it", now_ms=1000)

    assert await store.scripts() == {f"{number:016x}" for number in range(1, SCRIPTS_KEPT)} | {"f" * 16}


# The lease, from outside.


async def test_whether_a_process_polls_is_known(store: Store) -> None:
    before = await store.led()
    lease = await store.acquire("one", seconds=60, now_ms=NOW)
    assert lease
    polls = await store.led()
    await store.release(lease)

    assert (before, polls, await store.led()) == (False, True, False)
