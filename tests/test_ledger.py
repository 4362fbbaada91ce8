"""What the poller writes: the ledger, its documents, and the same again after every kind of loss."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from aiohttp import web
from banks import (
    SELDOM,
    SHORT_LEASE,
    Bank,
    Clock,
    Partitioned,
    day,
    everything,
    late,
    nbkr,
    on,
    open_bank,
    polling,
    shown,
    table,
)
from desks import proven_desk
from pydantic import SecretStr
from redis.asyncio import Redis
from stage import KGS, answer, outcome, quote, said, until

from ticker.config import HistorySettings, PollSettings, Settings, SourceSettings
from ticker.poll import alarm, outbox, shelf
from ticker.rates.desk import Desk
from ticker.rates.events import Baseline, Entry, Said
from ticker.sources import SOURCES
from ticker.store import Batch, Store

pytestmark = pytest.mark.usefixtures("everything_is_logged")

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _ticks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm, "LOOK_SECONDS", 0.05)


@pytest.fixture
async def bank() -> AsyncIterator[Bank]:
    async with open_bank() as bank:
        yield bank


@pytest.fixture
async def other() -> AsyncIterator[Bank]:
    """The same bank, as the other process asks it."""
    async with open_bank() as bank:
        yield bank


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def said_by(store: Store) -> list[Said]:
    """The tables in the ledger, in order."""
    return [entry.event for entry in await store.ledger() if isinstance(entry.event, Said)]


async def documents_are_those_of_the_ledger(store: Store) -> bool:
    """Whether every table of the ledger stands in a document, and no other is kept."""
    cited = [each.document for each in await said_by(store)]
    return set(cited) == set(await store.documents()) and "" not in cited


# Documents.


async def test_every_table_stands_in_a_document_that_has_the_answers_bytes(
    store: Store, bank: Bank, clock: Clock
) -> None:
    bodies = {day(number): table(day(number)) for number in range(3)}
    async with polling(store, bank, clock):
        for number in range(3):
            bank.answer = on(number, clock, bodies[day(number)])
            await until(lambda number=number: shown(store, day(number)))
    tables, documents = await said_by(store), await store.documents()

    assert [each.table.day for each in tables] == list(bodies)
    assert {each.table.day: documents[each.document].raw for each in tables} == bodies
    assert [each.document for each in tables] == [sha256(body).hexdigest() for body in bodies.values()]
    first = documents[tables[0].document]
    assert (first.source, first.address) == ("nbkr", f"{bank.url}/XML/daily.xml")
    assert first.first_heard == first.last_heard == datetime(2026, 5, 18, 18, 30, tzinfo=UTC)


async def test_a_repeated_answer_adds_no_document_also_not_with_other_bytes(
    store: Store, bank: Bank, clock: Clock
) -> None:
    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))
        before, last = await store.documents(), await store.last_event()
        bank.answer = answer(table(day(0)) + b"<!-- served by another machine -->")
        await bank.asked_again(4)
        after, last_later = await store.documents(), await store.last_event()

    assert len(before) == 1
    assert (after, last_later) == (before, last)


async def test_when_a_document_was_heard_last_is_kept_twice_a_day_at_most(
    store: Store, bank: Bank, clock: Clock
) -> None:
    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))
        clock.at += shelf.HEARD_EVERY - timedelta(minutes=1)
        await bank.asked_again(3)
        [before] = (await store.documents()).values()
        clock.at += timedelta(minutes=1)
        await until(lambda: was_heard_again(store))
        [after] = (await store.documents()).values()

    assert before.last_heard == before.first_heard
    assert (after.first_heard, after.last_heard) == (before.first_heard, clock.at)
    assert after.raw == before.raw


async def was_heard_again(store: Store) -> bool:
    [document] = (await store.documents()).values()
    return document.last_heard > document.first_heard


async def test_a_key_is_nowhere_in_redis(store: Store, redis: Redis, bank: Bank, clock: Clock) -> None:
    rates = {"KGS": 87.45, "KZT": 480.2, "TJS": 9.33, "UZS": 12194.2, "TMT": 3.5}
    body = {"timestamp": int(clock.at.timestamp()), "base": "USD", "rates": rates}

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.json_response(body)

    bank.answer = handle
    source = replace(SOURCES["openexchangerates"], interval_seconds=SELDOM)
    settings = {source.key: SourceSettings(base_url=bank.url, key=SecretStr(SECRET), enabled=True)}
    async with polling(store, bank, clock, source, sources=settings, policy=(source.key,)):
        await until(lambda: quote(store))
        [document] = (await store.documents()).values()

    assert bank.asked[0].query["app_id"] == SECRET
    assert document.address == f"{bank.url}/api/latest.json?app_id=KEY"
    assert SECRET not in "".join(await redis.hvals("{ticker}:documents:about"))
    assert SECRET not in (await redis.get("{ticker}:source:openexchangerates") or SECRET)
    assert SECRET not in str(await redis.xrange("{ticker}:ledger"))


async def test_the_tables_of_an_archive_stand_in_all_of_its_answers(
    store: Store, bank: Bank, clock: Clock
) -> None:
    row = "<tr><td><!--date-->{day:%d.%m.%Y}<!--date--></td><td><!--value-->{value}<!--value--></td></tr>"
    near = {"15": "87,4000", "20": "101,5000", "40": "0,1859"}

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path == "/XML/daily.xml":
            return web.Response(body=table(day(0)))
        rows = [row.format(day=day(-back), value=near[request.query["valuta_id"]]) for back in (1, 2)]
        return web.Response(text=f"<table>{''.join(rows)}</table>")

    bank.answer = handle
    history = HistorySettings(backfill_days=2, pause_seconds=0)
    async with polling(store, bank, clock, nbkr(SELDOM), history=history):
        await until(lambda: knows(store, 2))
        tables, documents = await said_by(store), await store.documents()
    # After a restart they are read again.
    async with polling(store, bank, clock, nbkr(SELDOM), history=history) as poller:
        await until(lambda: len(bank.asked) == 5)
        entries = poller.current.desk.entries

    cited = tables[-1].document.split()
    assert [len(each.document.split()) for each in tables] == [1, 3, 3]
    addresses = [documents[each].address for each in cited]
    assert [re.findall("valuta_id=([0-9]+)", address) for address in addresses] == [[each] for each in near]
    assert tables == [each.event for each in entries if isinstance(each.event, Said)]


async def knows(store: Store, count: int) -> bool:
    return len(await store.fixings([KGS])) >= count


# The fold.


def folded(entries: list[Entry], clock: Clock, quotes: Any = ()) -> Desk:
    """A new process's desk, from what was written."""
    settings = Settings(symbols=(KGS,))
    desk = proven_desk(settings, (SOURCES["nbkr"],))
    desk.load(entries, quotes)
    desk.tick(now=clock.now())
    return desk


@pytest.mark.slow
async def test_whenever_a_poller_is_killed_the_next_one_goes_on_from_what_was_written(
    store: Store, redis: Redis, bank: Bank, clock: Clock
) -> None:
    chance = random.Random(13)
    numbers, bodies = iter(range(1000)), set()

    async def handle(request: web.Request) -> web.StreamResponse:
        # Corrections, doubts and new days, as they come.
        figure = f"{chance.choice((87, 87, 87, 88, 96))},{chance.randrange(100):02}00"
        body = table(day(next(numbers) // 12), figure)
        bodies.add(body)
        return web.Response(body=body)

    bank.answer = handle
    async with polling(store, bank, clock):
        await until(store.last_event)
    rounds = 0
    # On a slow machine, some rounds end before anything was written.
    while rounds < 25 or await store.last_event() <= 40:
        rounds += 1
        clock.at = datetime(2026, 5, 19, 6, tzinfo=UTC) + timedelta(days=len(bank.asked) // 12)
        async with polling(store, bank, clock) as poller:
            count = len(bank.asked) + chance.randrange(4)
            await until(lambda count=count: len(bank.asked) >= count)
            for _ in range(chance.randrange(40)):
                await asyncio.sleep(0)
            killed = poller
            # No goodbye: what it has not written yet is lost.
            killed._outbox.leave = nothing  # type: ignore[method-assign]
        entries, snapshot = await store.ledger(), await store.snapshot()
        async with polling(store, bank, clock, nbkr(SELDOM)) as poller:
            bank.answer, held = late(30, handle), handle
            last = entries[-1].number
            await until(lambda poller=poller, last=last: poller._outbox.written == last)
            desk, expected = poller.current.desk, folded(entries, clock, [each for _, each in snapshot.rows])
            bank.answer = held

            assert desk.entries == entries
            assert desk.quotes == expected.quotes
            assert desk.fixings() == expected.fixings()

    numbers_written = [entry.number for entry in await store.ledger()]
    documents = await store.documents()
    assert numbers_written == list(range(1, len(numbers_written) + 1))
    assert len(numbers_written) > 40
    assert {each.document for each in await said_by(store)} <= documents.keys()
    assert {document.raw for document in documents.values()} <= bodies


async def nothing() -> None:
    """What a process does that was killed."""


async def test_after_a_flush_ledger_documents_quotes_and_history_are_written_again_once(
    store: Store, redis: Redis, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with polling(store, bank, clock):
        for number in range(4):
            clock.go_to(number)
            bank.answer = answer(table(day(number)))
            await until(lambda number=number: shown(store, day(number)))
        before = await state(store)
        await redis.flushall()
        await until(lambda: is_state(store, before))
        await bank.asked_again(3)
        after = await state(store)
        entries = await everything(store)
        outcomes = await outcome(store)

    assert after == before
    assert len(before["documents"]) == 4
    assert [len(each.quotes) for each in entries] == [1]
    assert outcomes.succeeded_at
    assert len(said(caplog, "publishing everything again")) == 1


async def state(store: Store) -> dict[str, Any]:
    """All that a poller writes."""
    return {
        "ledger": await store.ledger(),
        "documents": await store.documents(),
        "quotes": [each for _, each in (await store.snapshot()).rows],
        "history": await store.fixings([KGS]),
    }


async def is_state(store: Store, expected: Mapping[str, Any]) -> bool:
    return await state(store) == expected


async def test_a_second_flush_in_the_middle_of_writing_everything_again_is_repaired_too(
    redis: Redis, redis_url: str, bank: Bank, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "ENTRIES_AT_ONCE", 2)

    class Losing(Store):
        """Loses all that there is after the second part of a rewrite."""

        parts = -1

        async def write(self, batch: Batch, **others: Any) -> Any:
            cursor = await super().write(batch, **others)
            self.parts = 0 if batch.anew and self.parts == -1 else self.parts
            if self.parts >= 0:
                self.parts += 1
            if self.parts == 2:
                await redis.delete("{ticker}:stream", "{ticker}:ledger", "{ticker}:documents")
            return cursor

    store = Losing(redis_url, prefix="{ticker}:", stream_length=100, history_days=30)
    async with store, polling(store, bank, clock):
        for number in range(6):
            clock.go_to(number)
            bank.answer = answer(table(day(number)))
            await until(lambda number=number: shown(store, day(number)))
        before = await state(store)
        await redis.flushall()
        await until(lambda: is_state(store, before))

    assert store.parts > 2
    assert len(before["ledger"]) > 6


# Other processes.


async def test_a_second_process_goes_on_with_the_firsts_ledger_and_documents(
    store: Store, bank: Bank, other: Bank, clock: Clock
) -> None:
    other.answer = answer(table(day(1)))
    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))
    first = await store.ledger()
    clock.go_to(1)
    async with polling(store, other, clock, owner="two") as poller:
        await until(lambda: shown(store, day(1)))
        ledger, desk = await store.ledger(), poller.current.desk

    assert ledger[: len(first)] == first
    assert [each.number for each in ledger] == list(range(1, len(ledger) + 1))
    assert desk.entries == ledger
    assert [each.table.day for each in await said_by(store)] == [day(0), day(1)]
    assert await documents_are_those_of_the_ledger(store)


async def test_the_quotes_of_a_version_that_named_no_source_are_published_again_with_its_name(
    store: Store, redis: Redis, bank: Bank, clock: Clock
) -> None:
    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))
    (symbol, text), *_ = (await redis.hgetall("{ticker}:latest")).items()
    assert '"source_name":"NBKR",' in text
    await redis.hset("{ticker}:latest", symbol, text.replace('"source_name":"NBKR",', ""))
    before = await quote(store)
    async with polling(store, bank, clock, owner="two"):
        await until(lambda: is_named(store, "NBKR"))
        after = await quote(store)

    assert before is not None
    assert before.source_name == "nbkr"
    assert after == replace(before, source_name="NBKR")


async def is_named(store: Store, name: str) -> bool:
    now = await quote(store)
    return now is not None and now.source_name == name


async def test_who_lost_the_lease_writes_nothing_more(
    store: Store, redis: Redis, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with polling(store, bank, clock, alone=False):
        await until(lambda: shown(store, day(0)))
        lease = await store.acquire("other", seconds=60, now_ms=0, force=True)
        before = await state(store)
        bank.answer = answer(table(day(0), "87,6000"))
        await until(lambda: said(caplog, "the lease was lost"))
        await until(lambda: said(caplog, "standing by"))
        after = await state(store)

    assert lease
    assert after == before
    assert await state(store) == before


async def test_what_this_process_wrote_itself_is_no_reason_to_drop_what_waits(
    redis: Redis, redis_url: str, bank: Bank, clock: Clock
) -> None:
    store = Partitioned(redis_url, prefix="{ticker}:", stream_length=100, history_days=30)
    async with store, polling(store, bank, clock, redis=SHORT_LEASE):
        await until(lambda: shown(store, day(0)))
        store.loses_the_next_reply = True
        for number in (1, 2, 3):
            clock.go_to(number)
            bank.answer = answer(table(day(number)))
            await bank.asked_again(3)
        assert store.cut_off
        await until(lambda: leaderless(redis))
        store.cut_off = False
        await until(lambda: shown(store, day(3)))
        history = [each.day for each in await store.fixings([KGS])]
        tables = [each.table.day for each in await said_by(store)]
        is_whole = await documents_are_those_of_the_ledger(store)

    assert history == tables == [day(0), day(1), day(2), day(3)]
    assert is_whole


async def leaderless(redis: Redis) -> bool:
    return not await redis.exists("{ticker}:leader")


async def test_hundreds_of_events_wait_for_redis_and_are_written_in_order(
    redis: Redis, redis_url: str, bank: Bank, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "ENTRIES_AT_ONCE", 50)
    monkeypatch.setattr(outbox, "DOCUMENTS_AT_ONCE", 30)
    row = "<tr><td><!--date-->{day:%d.%m.%Y}<!--date--></td><td><!--value-->{value}<!--value--></td></tr>"
    near = {"15": 87, "20": 101, "40": 5}
    batches: list[Batch] = []

    class Slow(Partitioned):
        async def write(self, batch: Batch, **others: Any) -> Any:
            if not self.cut_off:
                batches.append(batch)
            self._reach()
            return await super().write(batch, **others)

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path == "/XML/daily.xml":
            return web.Response(body=table(day(0)))
        store.cut_off = True
        query, units = request.query, near[request.query["valuta_id"]]
        first, last = (
            date(*(int(query[f"{end}_{part}"]) for part in ("year", "month", "day")))
            for end in ("beg", "end")
        )
        days = [first + timedelta(days=count) for count in range((last - first).days + 1)]
        rows = [row.format(day=each, value=f"{units},{each.toordinal() % 97:02}00") for each in days]
        return web.Response(text=f"<table>{''.join(rows)}</table>")

    bank.answer = handle
    history = HistorySettings(backfill_days=250, pause_seconds=0)
    store = Slow(redis_url, prefix="{ticker}:", stream_length=100, history_days=400)
    async with store:
        async with polling(store, bank, clock, nbkr(SELDOM), history=history, poll=PollSettings()) as poller:
            await until(lambda: store.cut_off)
            await until(lambda: len(poller._outbox.waiting.entries) >= 250)
            batches.clear()
            store.cut_off = False
            await until(lambda: knows(store, 251))
            ledger, desk = await store.ledger(), poller.current.desk

        assert ledger == desk.entries
        assert [entry.number for entry in ledger] == list(range(1, len(ledger) + 1))
        assert await store.fixings([KGS]) == sorted(desk.fixings(), key=lambda each: each.day)
    assert len([batch for batch in batches if batch.entries]) >= 5
    assert max(len(batch.entries) for batch in batches) == 50
    assert [bool(batch.quotes or batch.fixings) for batch in batches if batch.entries][:-1].count(True) == 0


# Trimming.


async def test_what_is_older_than_the_history_goes_with_its_documents(
    store: Store, bank: Bank, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ticker.rates.desk.TRIM_EVERY", timedelta(days=3))
    short = HistorySettings.model_construct(days=7, backfill_days=0, pause_seconds=0)
    async with polling(store, bank, clock, history=short):
        for number in range(14):
            clock.go_to(number)
            bank.answer = answer(table(day(number)))
            await until(lambda number=number: shown(store, day(number)))
        await until(lambda: said(caplog, "older than the history were trimmed"))
        now = await quote(store)
    ledger = await store.ledger()
    # Who folds it knows the same.
    async with polling(store, bank, clock, nbkr(SELDOM), history=short):
        await until(lambda: shown(store, day(13)))
        later = await quote(store)

    days = [each.table.day for each in await said_by(store)]
    assert days == [day(number) for number in range(14 - len(days), 14)]
    assert 7 <= len(days) <= 11
    assert any(isinstance(entry.event, Baseline) for entry in ledger)
    assert await documents_are_those_of_the_ledger(store)
    assert later == now


async def test_a_clock_that_the_banks_contradict_trims_nothing(
    store: Store, bank: Bank, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticker.rates.desk.TRIM_EVERY", timedelta(days=3))
    short = HistorySettings.model_construct(days=7, backfill_days=0, pause_seconds=0)
    async with polling(store, bank, clock, history=short):
        for number in range(3):
            clock.go_to(number)
            bank.answer = answer(table(day(number)))
            await until(lambda number=number: shown(store, day(number)))
        right = clock.at
        clock.at += timedelta(days=4000)
        await bank.asked_again(4)
        clock.at = right
        await bank.asked_again(2)
        days = [each.table.day for each in await said_by(store)]

    assert days == [day(0), day(1), day(2)]
    assert await documents_are_those_of_the_ledger(store)
