"""The poller with real banks on loopback, which answer what a test says, and a real Redis."""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import signal
import socket
import threading
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from banks import (
    KGS,
    LONG_LEASE,
    NBKR,
    OFTEN,
    PAYLOADS,
    SELDOM,
    SHORT_LEASE,
    TUESDAY,
    Answer,
    Bank,
    Clock,
    Partitioned,
    announced,
    asking,
    day,
    devalued,
    everything,
    holds,
    is_now,
    late,
    nbkr,
    open_bank,
    open_store,
    polling,
    publications,
    publications_are,
    shown,
    table,
    tagged,
)
from desks import Proven, proven_desk
from redis.asyncio import Redis
from stage import LONG, PATIENCE, Scheduled, answer, outcome, quote, said, until

from ticker.config import HistorySettings, PollSettings, Settings, SourceSettings
from ticker.embedded import EmbeddedServer, embedded
from ticker.poll import alarm, outbox
from ticker.rates.desk import Desk
from ticker.rates.events import Empty, Entry
from ticker.rates.model import NOWHERE, Cursor, Pair, Quote
from ticker.rates.source import Outcome, Source
from ticker.sources import SOURCES
from ticker.store import UNAVAILABLE, Batch, Done, Order, Store

pytestmark = pytest.mark.usefixtures("everything_is_logged")

KZT, TJS, UZS = map(Pair.parse, ("KZT", "TJS", "UZS"))
NBT = (PAYLOADS / "nbt" / "export_2026-05-19.xml").read_bytes()


async def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport
    request.transport.abort()
    return web.Response()


async def break_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(len(NBKR))})
    await response.prepare(request)
    await response.write(NBKR[:100])
    assert request.transport
    request.transport.abort()
    return response


@pytest.fixture(autouse=True)
def _ticks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm, "LOOK_SECONDS", 0.1)


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


@pytest.fixture
async def own_server(short_path: Path) -> AsyncIterator[EmbeddedServer]:
    """A server that the test may stop."""
    async with embedded(short_path / "data") as server:
        yield server


# A poll


async def test_the_first_poll_is_at_the_start(store: Store, bank: Bank, clock: Clock) -> None:
    before = datetime.now(UTC)

    async with polling(store, bank, clock, nbkr(SELDOM)):
        await until(lambda: shown(store, day(0)))
        await until(lambda: outcome_is_whole(store))
        told, now = await outcome(store), await quote(store)

    assert [request.path for request in bank.asked] == ["/XML/daily.xml"]
    assert now
    assert (now.inverse, now.source, now.status) == (Decimal("87.4500"), "nbkr", "live")
    assert told.checked_at
    assert told.succeeded_at
    assert told.next_poll_at
    assert before <= told.checked_at <= told.succeeded_at < told.next_poll_at
    assert (told.status, told.error, told.as_of, told.failures) == ("ok", "", "2026-05-19", 0)
    assert told.latency_ms is not None


async def outcome_is_whole(store: Store) -> bool:
    return (await outcome(store)).next_poll_at is not None


async def outcome_is_new(store: Store, before: Outcome) -> bool:
    told = await outcome(store)
    return told.next_poll_at is not None and told.checked_at != before.checked_at


async def test_the_bank_is_told_who_asks_and_nothing_else(store: Store, bank: Bank, clock: Clock) -> None:
    bank.answer = answer(table(day(0)), **{"Set-Cookie": "cookiesession1=678A3E0D; path=/"})

    async with polling(store, bank, clock):
        await bank.asked_again(3)

    headers = bank.asked[-1].headers
    assert re.fullmatch(r"currency-ticker/\S+", headers["User-Agent"])
    assert set(headers) <= {"Host", "User-Agent", "Accept", "Accept-Encoding"}


async def test_nothing_new_is_one_conditional_request_and_no_publication(
    store: Store, redis: Redis, bank: Bank, clock: Clock
) -> None:
    bank.answer = tagged(table(day(0)))

    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))
        await bank.asked_again(5)

    conditions = [request.headers.get("If-None-Match") for request in bank.asked]
    assert conditions == [None] + ['"1"'] * (len(bank.asked) - 1)
    assert await publications(redis) == 1
    assert (await outcome(store)).as_of == "2026-05-19"


async def test_the_date_of_the_last_change_is_a_condition_too(store: Store, bank: Bank, clock: Clock) -> None:
    changed = "Tue, 19 May 2026 10:20:00 GMT"
    bank.answer = answer(table(day(0)), **{"Last-Modified": changed})

    async with polling(store, bank, clock):
        await bank.asked_again(2)

    assert bank.asked[-1].headers["If-Modified-Since"] == changed


async def test_the_same_table_again_is_no_publication(
    store: Store, redis: Redis, bank: Bank, clock: Clock
) -> None:
    async with polling(store, bank, clock):
        await bank.asked_again(5)

    assert await publications(redis) == 1


async def test_a_new_table_is_a_publication_with_its_change(
    store: Store, redis: Redis, bank: Bank, clock: Clock
) -> None:
    bank.answer = tagged(table(day(0)))
    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))
        bank.answer = tagged(table(day(1), "88,3245"), tag='"2"')
        clock.go_to(1)
        await until(lambda: shown(store, day(1)))

    now = await quote(store)
    assert now
    assert (now.inverse, now.change_percent) == (Decimal("88.3245"), Decimal("-0.99"))
    assert await publications(redis) == 2
    assert [each.day for each in await store.fixings([KGS])] == [day(0), day(1)]


async def test_another_day_is_another_address_and_is_asked_for_without_conditions(
    store: Store, bank: Bank, clock: Clock
) -> None:
    bank.answer = tagged(NBT)
    clock.at = datetime(2026, 5, 19, 3, 59, tzinfo=UTC)  # a minute before nine in Dushanbe
    source = replace(SOURCES["nbt"], interval_seconds=OFTEN)

    async with polling(store, bank, clock, source):
        await bank.asked_again(2)
        clock.at = datetime(2026, 5, 19, 19, 1, tzinfo=UTC)
        await until(lambda: bank.asked[-1].query["date"] == "2026-05-20")

    conditions = {
        request.query["date"]: request.headers.get("If-None-Match") for request in reversed(bank.asked)
    }
    assert conditions == {"2026-05-19": None, "2026-05-20": None}
    assert dict(bank.asked[0].query) == {"date": "2026-05-19", "export": "xmlout"}


# Failures

FAILURES: Mapping[str, tuple[Answer, str]] = {
    "forbidden": (answer(b"", 403), "answered 403"),
    "broken": (answer(NBKR, 500), "answered 500"),
    "moved": (answer(b"", 302, Location="/elsewhere"), "answered 302"),
    "nothing": (answer(b"", 204), "answered 204"),
    "not asked whether it changed": (answer(b"", 304), "answered 304"),
    "slow": (late(5, answer(NBKR)), "timed out"),
    "hangs up": (hang_up, "Server disconnected"),
    "breaks off": (break_off, "Response payload is not completed.*"),
    "a page": (answer(b"<html><body>Request Rejected</body></html>"), "nbkr: the root is <html>, .*"),
    "empty": (answer(b""), r"nbkr: not XML \(.*\): it is empty"),
    "large": (answer(b"x" * 4001), "sent more than 4000 bytes"),
    "packed": (
        answer(gzip.compress(b"x" * 10_000_000), **{"Content-Encoding": "gzip"}),
        "sent more than 4000 bytes",
    ),
    "far future": (
        answer(table(day(11))),
        "nbkr: the table is dated 2026-05-30, but 2026-05-19 was asked for on 2026-05-19",
    ),
}


@pytest.mark.parametrize(("failing", "words"), FAILURES.values(), ids=FAILURES.keys())
async def test_a_failure_is_said_in_words_once_and_so_is_the_recovery(
    failing: Answer, words: str, store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    bank.answer = failing
    poll = asking(timeout_seconds=0.5) if words == "timed out" else asking()

    async with polling(store, bank, clock, poll=poll):
        await until(lambda: failures(store, 2))
        failed = await outcome(store)
        nothing = await quote(store)
        bank.answer = answer(table(day(0)))
        await until(lambda: shown(store, day(0)))
        await until(lambda: failures(store, 0))

    assert re.fullmatch(words, failed.error)
    # Where the source's name stands beside it, it is not said twice.
    fault = words.removeprefix("nbkr: ")
    assert re.fullmatch(f"{fault}, retry in [0-9]+ s", failed.message(datetime.now(UTC)))
    assert (failed.status, failed.succeeded_at, nothing) == ("failing", None, None)
    assert [line for line in said(caplog, "nbkr failed")] == [f"nbkr failed: {failed.fault}"]
    assert len(said(caplog, "nbkr is back after")) == 1
    assert {request.path for request in bank.asked} == {"/XML/daily.xml"}


async def failures(store: Store, least: int) -> bool:
    told = await outcome(store)
    return told.checked_at is not None and (told.failures >= least if least else not told.failures)


async def test_nobody_there_is_said_in_words(store: Store, bank: Bank, clock: Clock) -> None:
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        bank.url = f"http://127.0.0.1:{port.getsockname()[1]}"
        async with polling(store, bank, clock):
            await until(lambda: failures(store, 1))

    assert (await outcome(store)).error == "can't connect: Connection refused"


async def test_a_later_day_than_the_one_asked_for_is_refused(store: Store, bank: Bank, clock: Clock) -> None:
    # NBT answers a day out of its range with today's table.
    bank.answer = answer(NBT.replace(b"2026-05-19", b"2026-05-20"))

    async with polling(store, bank, clock, SOURCES["nbt"]):
        await until(lambda: outcome_of_nbt(store))

    words = "nbt: the table is dated 2026-05-20, but 2026-05-19 was asked for on 2026-05-19"
    assert (await outcome(store, "nbt")).error == words
    assert await quote(store, TJS) is None


async def outcome_of_nbt(store: Store) -> bool:
    return (await outcome(store, "nbt")).failures > 0


async def test_an_earlier_day_than_the_one_asked_for_is_a_holiday(
    store: Store, bank: Bank, clock: Clock
) -> None:
    bank.answer = answer(NBT.replace(b"2026-05-19", b"2026-05-15"))

    async with polling(store, bank, clock, SOURCES["nbt"]):
        await until(lambda: quote(store, TJS))

    assert (await outcome(store, "nbt")).failures == 0


async def test_a_failed_bank_costs_no_quote(store: Store, redis: Redis, bank: Bank, clock: Clock) -> None:
    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))
        bank.answer = answer(b"", 500)
        await until(lambda: failures(store, 3))

    now = await quote(store)
    assert now
    assert now.status == "live"
    assert await publications(redis) == 1
    assert (await outcome(store)).as_of == "2026-05-19"


async def test_a_fault_of_ours_shows_up_as_a_source_that_fails_and_polling_goes_on(
    store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    broken = True

    def parse(body: bytes) -> Any:
        if broken:
            raise KeyError("Valute")
        return SOURCES["nbkr"].parse(body)

    async with polling(store, bank, clock, nbkr(parse=parse)):
        await until(lambda: failures(store, 3))
        failed = await outcome(store)
        broken = False
        await until(lambda: shown(store, day(0)))

    assert failed.error == "KeyError: 'Valute'"
    warned = [record for record in caplog.records if "nbkr failed" in record.getMessage()]
    assert [record.getMessage() for record in warned] == ["nbkr failed: KeyError: 'Valute'"]
    assert warned[0].exc_info  # with the line that broke


class Stumbling(Proven):
    """A desk with a fault in it."""

    faults: frozenset[str] = frozenset()

    def hear(self, tables: Any, **others: Any) -> list[Quote]:
        if "hear" in self.faults:
            raise ZeroDivisionError("by nought")
        return super().hear(tables, **others)

    def tick(self, *, now: datetime) -> list[Quote]:
        if "tick" in self.faults:
            raise ZeroDivisionError("by nought")
        return super().tick(now=now)


def stumbling(settings: Settings, sources: Sequence[Source]) -> Desk:
    return proven_desk(settings, sources, Stumbling)


async def test_a_table_that_the_desk_did_not_take_is_asked_for_again_in_full(
    store: Store, bank: Bank, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stumbling, "faults", frozenset({"hear"}))
    bank.answer = tagged(table(day(0)))

    async with polling(store, bank, clock, desk=stumbling):
        await until(lambda: failures(store, 2))
        failed = await outcome(store)
        monkeypatch.setattr(Stumbling, "faults", frozenset())
        await until(lambda: shown(store, day(0)))

    assert failed.error == "ZeroDivisionError: by nought"


async def test_what_even_the_poll_job_did_not_foresee_is_reported_and_polling_goes_on(
    store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stumbling, "faults", frozenset())

    async with polling(store, bank, clock, desk=stumbling):
        await until(lambda: shown(store, day(0)))
        monkeypatch.setattr(Stumbling, "faults", frozenset({"hear", "tick"}))
        await until(lambda: failures(store, 2))
        monkeypatch.setattr(Stumbling, "faults", frozenset())
        bank.answer = answer(table(day(1)))
        clock.go_to(1)
        await until(lambda: shown(store, day(1)))

    words = "poll nbkr failed after an internal error: ZeroDivisionError"
    broke = [record for record in caplog.records if words in record.message]
    assert broke
    assert "in tick" in str(broke[0].exc_text)


# Retries


async def test_a_failed_poll_comes_back_before_its_interval(store: Store, bank: Bank, clock: Clock) -> None:
    bank.answer = answer(b"", 500)

    async with polling(store, bank, clock, nbkr(SELDOM), poll=PollSettings(retry_min_seconds=0.1)):
        await until(lambda: failures(store, 2))
        bank.answer = answer(table(day(0)))
        await until(lambda: shown(store, day(0)))


async def test_a_retry_that_is_not_needed_any_more_is_dropped(
    store: Store, bank: Bank, clock: Clock, scheduled: Scheduled
) -> None:
    bank.answer = answer(b"", 500)

    async with polling(store, bank, clock, nbkr(SELDOM)):
        await until(lambda: "nbkr:retry" in scheduled.plans())
        await until(lambda: outcome_is_whole(store))
        bank.answer = answer(table(day(0)))
        scheduled.poll_now("nbkr")
        await until(lambda: shown(store, day(0)))
        await until(lambda: "nbkr:retry" not in scheduled.plans())


async def test_a_poll_that_is_due_while_one_is_under_way_is_left_out(
    store: Store, bank: Bank, clock: Clock, scheduled: Scheduled
) -> None:
    bank.answer = late(0.2, answer(table(day(0))))

    async with polling(store, bank, clock, nbkr(SELDOM)):
        await until(lambda: bank.asked)
        scheduled.poll_now("nbkr", "publishing hours")
        await until(lambda: shown(store, day(0)))
        await asyncio.sleep(0.1)

    assert len(bank.asked) == 1


async def test_no_source_is_ever_asked_twice_at_once(store: Store, bank: Bank, clock: Clock) -> None:
    bank.answer = late(0.2, answer(b"", 500))

    async with polling(store, bank, clock, poll=PollSettings(retry_min_seconds=0.01)) as poller:
        await bank.asked_again(3)
        again = asyncio.create_task(poller.begin_again())
        await bank.asked_again(3)
        await again

    assert bank.most_at_once == 1


# The schedule


async def all_have_failed(store: Store) -> bool:
    return all(told.failures for told in (await store.outcomes(list(SOURCES))).values())


async def test_an_interval_of_one_second_is_kept(store: Store, bank: Bank, clock: Clock) -> None:
    times: list[float] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        times.append(asyncio.get_running_loop().time())
        return web.Response(body=table(day(0)))

    bank.answer = handle
    sources = {"nbkr": SourceSettings(base_url=bank.url, interval_seconds=1)}
    async with polling(store, bank, clock, nbkr(SELDOM), sources=sources):
        await until(lambda: len(times) >= 3, PATIENCE)

    assert times[2] - times[0] > 1.6


# Asking ahead

NBK = (PAYLOADS / "nbk" / "get_rates_2026-04-02.xml").read_bytes()
CBU = (PAYLOADS / "cbu" / "all_2026-04-01.json").read_bytes()
ADDRESS = {"nbk": "%d.%m.%Y", "cbu": "%Y-%m-%d"}


def nbk_table(as_of: date, usd: str = "") -> bytes:
    usd = usd or f"475.{as_of.day}"
    return NBK.replace(b"02.04.2026", f"{as_of:%d.%m.%Y}".encode()).replace(b"475.09", usd.encode())


def cbu_table(as_of: date, usd: str = "") -> bytes:
    usd = usd or f"12194.{as_of.day}"
    return CBU.replace(b"01.04.2026", f"{as_of:%d.%m.%Y}".encode()).replace(b"12194.21", usd.encode())


def asked_day(request: web.Request) -> date:
    """The day that a request of NBK's or CBU's table names."""
    text = request.query.get("fdate") or request.path.rstrip("/").rpartition("/")[2]
    return datetime.strptime(text, ADDRESS["nbk" if "fdate" in request.query else "cbu"]).date()  # noqa: DTZ007


def by_day(tables: Mapping[date, bytes], *, otherwise: Answer | None = None, tags: bool = True) -> Answer:
    """A bank that has these tables; another day is answered otherwise, else with the table before."""

    async def handle(request: web.Request) -> web.StreamResponse:
        asked = asked_day(request)
        day_ = asked if otherwise else max((each for each in tables if each <= asked), default=asked)
        if day_ not in tables:
            return await (otherwise or answer(b"", 404))(request)
        body = tables[day_]
        return await (tagged(body, f'"{zlib.crc32(body)}"') if tags else answer(body))(request)

    return handle


NO_RATES = answer(NBK[: NBK.index(b"<item>")] + b"</rates>")
"""A day for which there is no table: the page without an item, which is no day's rates."""


@dataclass
class Asked:
    """Polls one by one, and what each of them asked for."""

    store: Store
    bank: Bank
    scheduled: Scheduled
    key: str

    async def polled(self) -> list[tuple[date, bool]]:
        """The days that the next poll asks for (the first is at the start), and whether conditionally."""
        await until(lambda: self.ended())
        before, count = await outcome(self.store, self.key), len(self.bank.asked)
        self.scheduled.poll_now(self.key)
        await until(lambda: self.ended(before.checked_at))
        return self.days(count)

    async def ended(self, before: datetime | None = None) -> bool:
        told = await outcome(self.store, self.key)
        return told.checked_at not in (None, before) and told.next_poll_at is not None

    def days(self, since: int = 0) -> list[tuple[date, bool]]:
        return [
            (asked_day(request), "If-None-Match" in request.headers) for request in self.bank.asked[since:]
        ]


def seldom(key: str) -> Source:
    return replace(SOURCES[key], interval_seconds=SELDOM)


async def test_before_its_publishing_hours_a_bank_is_asked_for_today_only(
    store: Store, redis: Redis, bank: Bank, clock: Clock, scheduled: Scheduled
) -> None:
    bank.answer = by_day({day(0): nbk_table(day(0)), day(1): nbk_table(day(1))}, otherwise=NO_RATES)
    asked = Asked(store, bank, scheduled, "nbk")

    async with polling(store, bank, clock, seldom("nbk")):
        again = await asked.polled()

    assert asked.days()[0] == (day(0), False)
    assert again == [(day(0), True)]
    assert await publications(redis) == 1


async def test_in_its_publishing_hours_a_bank_is_asked_for_the_next_day_first(
    store: Store, redis: Redis, bank: Bank, clock: Clock, scheduled: Scheduled
) -> None:
    tables = {day(0): nbk_table(day(0), "475.10")}
    bank.answer = by_day(tables, otherwise=NO_RATES)
    asked = Asked(store, bank, scheduled, "nbk")
    clock.at = datetime(2026, 5, 19, 9, 30, tzinfo=UTC)  # half past two in Almaty

    async with polling(store, bank, clock, seldom("nbk")):
        not_yet = await asked.polled()
        told_before, none = await outcome(store, "nbk"), await empty_days(store)
        tables[day(1)] = nbk_table(day(1), "477.20")
        out = await asked.polled()
        await until(lambda: announced(store, KZT, day(1)))
        now, told = await quote(store, KZT), await outcome(store, "nbk")
        nothing_new = await asked.polled()

    assert asked.days()[:2] == [(day(1), False), (day(0), False)]
    assert not_yet == [(day(1), False), (day(0), True)]
    assert (told_before.status, told_before.error, told_before.as_of) == ("ok", "", "2026-05-19")
    assert none == [day(1)]
    assert out == [(day(1), False), (day(0), True)]
    assert now
    assert (now.as_of, now.inverse, now.status) == (day(0), Decimal("475.10"), "live")
    assert now.next
    assert (now.next.as_of, now.next.inverse) == (day(1), Decimal("477.20"))
    assert told.as_of == "2026-05-20"
    assert nothing_new == [(day(1), True), (day(0), True)]
    assert await publications(redis) == 2


async def empty_days(store: Store) -> list[date]:
    """The days for which the ledger says that there is no table."""
    events = [entry.event for entry in await store.ledger()]
    spans = [(each.first, each.last) for each in events if isinstance(each, Empty)]
    return [first + timedelta(days=n) for first, last in spans for n in range((last - first).days + 1)]


@pytest.mark.parametrize("nothing", [answer(b"", 404), NO_RATES], ids=["no page", "no rates"])
async def test_a_bank_that_has_no_table_on_a_day_off_has_not_failed(
    nothing: Answer, store: Store, bank: Bank, clock: Clock, scheduled: Scheduled
) -> None:
    bank.answer = by_day({day(4): nbk_table(day(4))}, otherwise=nothing)
    asked = Asked(store, bank, scheduled, "nbk")
    clock.at = datetime(2026, 5, 23, 6, tzinfo=UTC)  # Saturday, before noon in Almaty

    async with polling(store, bank, clock, seldom("nbk")):
        await until(lambda: shown(store, day(4), KZT))
        clock.at += timedelta(days=1)
        sunday = await asked.polled()
        told = await outcome(store, "nbk")
        clock.at += timedelta(days=1)
        monday = await asked.polled()
        failed = await outcome(store, "nbk")

    assert (sunday, monday) == ([(day(5), False)], [(day(6), False)])
    assert (told.status, told.error) == ("ok", "")
    assert failed.status == "failing"  # on a working day it should have one
    assert await empty_days(store) == [day(5)]


async def test_on_a_friday_every_day_down_to_today_is_asked_for(
    store: Store, bank: Bank, clock: Clock, scheduled: Scheduled
) -> None:
    # Early with Saturday's table, which it repeats for Monday already; Sunday's request fails.
    tables = {
        day(3): nbk_table(day(3)),
        day(4): nbk_table(day(4), "477.20"),
        day(6): nbk_table(day(6), "477.20"),
    }
    bank.answer = by_day(tables, otherwise=answer(b"", 500))
    asked = Asked(store, bank, scheduled, "nbk")
    clock.at = datetime(2026, 5, 22, 9, 30, tzinfo=UTC)

    async with polling(store, bank, clock, seldom("nbk")):
        await until(lambda: announced(store, KZT, day(4)))
        now, told = await quote(store, KZT), await outcome(store, "nbk")

    assert [each for each, _ in asked.days()] == [day(6), day(5), day(4), day(3)]
    assert told.status == "ok"
    assert now
    assert now.next
    assert (now.as_of, now.next.inverse) == (day(3), Decimal("477.20"))


async def test_a_first_poll_in_the_publishing_hours_asks_for_both_days(
    store: Store, bank: Bank, clock: Clock, scheduled: Scheduled
) -> None:
    bank.answer = by_day({day(0): cbu_table(day(0)), day(1): cbu_table(day(1))})
    asked = Asked(store, bank, scheduled, "cbu")
    clock.at = datetime(2026, 5, 19, 9, 30, tzinfo=UTC)

    async with polling(store, bank, clock, seldom("cbu")):
        await until(lambda: announced(store, UZS, day(1)))
        now = await quote(store, UZS)

    assert asked.days() == [(day(1), False), (day(0), False)]
    assert now
    assert (now.as_of, now.inverse, now.previous) == (day(0), Decimal("12194.19"), None)


async def test_who_answers_a_future_day_with_todays_table_is_not_asked_twice(
    store: Store, bank: Bank, clock: Clock, scheduled: Scheduled
) -> None:
    tables = {day(0): cbu_table(day(0))}
    bank.answer = by_day(tables)
    asked = Asked(store, bank, scheduled, "cbu")
    clock.at = datetime(2026, 5, 19, 9, 30, tzinfo=UTC)

    async with polling(store, bank, clock, seldom("cbu")):
        again = await asked.polled()
        first, now = asked.days()[:-1], await quote(store, UZS)

    assert first == [(day(1), False)]
    assert again == [(day(1), True)]
    assert now
    assert (now.as_of, now.next) == (day(0), None)


async def failures_of(store: Store, key: str) -> bool:
    return (await outcome(store, key)).failures > 0


async def test_after_the_hours_who_has_told_the_next_day_is_asked_for_today(
    store: Store, redis: Redis, bank: Bank, clock: Clock, scheduled: Scheduled
) -> None:
    bank.answer = by_day({day(0): nbk_table(day(0)), day(1): nbk_table(day(1))}, otherwise=NO_RATES)
    asked = Asked(store, bank, scheduled, "nbk")
    clock.at = datetime(2026, 5, 19, 12, 30, tzinfo=UTC)  # half past five in Almaty

    async with polling(store, bank, clock, seldom("nbk")):
        await until(lambda: announced(store, KZT, day(1)))
        later = await asked.polled(), await asked.polled()

    assert later == ([(day(0), True)], [(day(0), True)])
    assert await publications(redis) == 1


async def test_the_newest_day_that_a_bank_has_told_stays_the_newest(
    store: Store, bank: Bank, clock: Clock, scheduled: Scheduled
) -> None:
    tables = {day(0): nbk_table(day(0)), day(1): nbk_table(day(1))}
    bank.answer = by_day(tables, otherwise=NO_RATES, tags=False)  # so that today's is told again
    asked = Asked(store, bank, scheduled, "nbk")
    clock.at = datetime(2026, 5, 19, 12, 30, tzinfo=UTC)

    async with polling(store, bank, clock, seldom("nbk")):
        await until(lambda: announced(store, KZT, day(1)))
        again = await asked.polled()
        told = await outcome(store, "nbk")

    assert again == [(day(0), False)]
    assert told.as_of == "2026-05-20"


async def test_a_correction_of_what_is_announced_replaces_it_and_is_no_correction_of_the_value(
    store: Store, redis: Redis, bank: Bank, clock: Clock, scheduled: Scheduled
) -> None:
    tables = {day(0): nbk_table(day(0)), day(1): nbk_table(day(1), "477.20")}
    bank.answer = by_day(tables, otherwise=NO_RATES)
    asked = Asked(store, bank, scheduled, "nbk")
    clock.at = datetime(2026, 5, 19, 9, 30, tzinfo=UTC)

    async with polling(store, bank, clock, seldom("nbk")):
        await until(lambda: announced(store, KZT, day(1)))
        tables[day(1)] = nbk_table(day(1), "477.30")
        again = await asked.polled()
        await until(lambda: publications_are(redis, 2))
        now = await quote(store, KZT)
        clock.at = datetime(2026, 5, 19, 19, 30, tzinfo=UTC)
        await until(lambda: shown(store, day(1), KZT))
        at_last = await quote(store, KZT)

    assert again == [(day(1), True), (day(0), True)]
    assert now
    assert now.next
    assert (now.as_of, now.next.inverse, now.corrected) == (day(0), Decimal("477.30"), False)
    assert at_last
    assert (at_last.inverse, at_last.corrected) == (Decimal("477.30"), False)


async def test_todays_table_that_fails_is_a_failure_of_the_source(
    store: Store, bank: Bank, clock: Clock, scheduled: Scheduled
) -> None:
    bank.answer = by_day({}, otherwise=answer(b"", 403))
    asked = Asked(store, bank, scheduled, "nbk")
    clock.at = datetime(2026, 5, 19, 9, 30, tzinfo=UTC)

    async with polling(store, bank, clock, seldom("nbk")):
        await until(lambda: failures_of(store, "nbk"))

    assert asked.days() == [(day(1), False), (day(0), False)]
    assert (await outcome(store, "nbk")).error == "answered 403"


# Midnight


async def test_a_rate_of_tomorrow_becomes_the_value_at_the_banks_midnight_without_a_poll(
    store: Store, redis: Redis, bank: Bank, clock: Clock
) -> None:
    async with polling(store, bank, clock, nbkr(SELDOM)):
        await until(lambda: shown(store, day(0)))
    bank.answer = answer(table(day(1), "88,3245"))
    async with polling(store, bank, clock, nbkr(SELDOM)):
        await until(lambda: announced(store, KGS, day(1)))
        asked = len(bank.asked)
        clock.at = datetime(2026, 5, 19, 17, 59, 59, tzinfo=UTC)
        await asyncio.sleep(1.2 * alarm.LOOK_SECONDS)
        before = await quote(store)
        clock.at += timedelta(seconds=1)
        await until(lambda: shown(store, day(1)))
        now = await quote(store)

    assert len(bank.asked) == asked
    assert before
    assert (before.as_of, before.inverse, before.change) == (day(0), Decimal("87.4500"), None)
    assert now
    assert (now.inverse, now.change_percent, now.next) == (Decimal("88.3245"), Decimal("-0.99"), None)
    assert now.published_at == clock.at
    assert await publications(redis) == 3


async def test_a_rate_that_is_late_makes_the_quote_stale_without_a_poll(
    store: Store, bank: Bank, clock: Clock
) -> None:
    async with polling(store, bank, clock, nbkr(SELDOM)):
        await until(lambda: shown(store, day(0)))
        clock.at = datetime(2026, 5, 20, 8, 29, tzinfo=UTC)  # half past two in Bishkek, less a minute
        await asyncio.sleep(2 * alarm.LOOK_SECONDS)
        before = await quote(store)
        clock.at += timedelta(minutes=1)
        await until(lambda: is_now(store, "stale"))

    assert len(bank.asked) == 1
    assert before
    assert before.status == "live"


# What is unconfirmed


async def test_what_is_unconfirmed_is_asked_for_in_full_until_it_is_settled(
    store: Store, redis: Redis, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    bank.answer = tagged(table(day(0)))
    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))
        clock.go_to(1)
        bank.answer = tagged(table(day(1), "95,0000"), '"slip"')
        await until(lambda: is_now(store, "unconfirmed"))
        await bank.asked_again(4)
        in_doubt = {request.headers.get("If-None-Match") for request in bank.asked[-3:]}
        doubts, now = (await outcome(store)).held, await quote(store)
        bank.answer = tagged(table(day(1), "87,5000"), '"mended"')
        await until(lambda: is_now(store, "live"))
        await bank.asked_again(3)
        settled = bank.asked[-1].headers.get("If-None-Match")
        doubts_later = (await outcome(store)).held

    assert in_doubt == {None}
    [words] = doubts
    assert re.fullmatch(
        r"KGS/USD of 2026-05-20 is unconfirmed: \S+ % from one publication to the next; "
        r"`ticker confirm KGS/USD` accepts it",
        words,
    )
    assert now
    assert (now.as_of, now.inverse, now.next) == (day(0), Decimal("87.4500"), None)
    assert (settled, doubts_later) == ('"mended"', ())
    assert len(said(caplog, "is unconfirmed")) == 1
    assert await publications(redis) == 3


async def test_an_announcement_in_doubt_changes_nothing_before_its_midnight(
    store: Store, redis: Redis, bank: Bank, clock: Clock
) -> None:
    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))
        before = await quote(store)
        bank.answer = answer(table(day(1), "95,0000"))
        await until(lambda: holds(store))
        await bank.asked_again(3)
        meanwhile, count = await quote(store), await publications(redis)
        clock.at = datetime(2026, 5, 19, 18, tzinfo=UTC)  # midnight in Bishkek
        await until(lambda: is_now(store, "unconfirmed"))
        now = await quote(store)

    assert (meanwhile, count) == (before, 1)
    assert now
    assert (now.as_of, now.inverse) == (day(0), Decimal("87.4500"))


async def test_a_devaluation_is_published_after_its_repetition(
    store: Store, bank: Bank, clock: Clock
) -> None:
    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))
        bank.answer = answer(devalued(day(1)))
        await until(lambda: holds(store))
        clock.at += timedelta(minutes=9)
        await bank.asked_again(3)
        before = await quote(store)
        clock.at += timedelta(minutes=1)
        await until(lambda: announced(store, KGS, day(1)))
        clock.go_to(1)
        await until(lambda: shown(store, day(1)))

    now = await quote(store)
    assert before
    assert (before.status, before.next) == ("live", None)
    assert now
    assert (now.status, now.inverse, now.change_percent) == ("live", Decimal("95.0000"), Decimal("-7.95"))


async def test_the_last_table_and_what_is_unconfirmed_survive_a_restart(
    store: Store, bank: Bank, clock: Clock, scheduled: Scheduled
) -> None:
    async with polling(store, bank, clock, nbkr(SELDOM)):
        await until(lambda: shown(store, day(0)))
    bank.answer = answer(devalued(day(1)))
    # Who did not know the table before could not see that all of it has moved.
    async with polling(store, bank, clock, nbkr(SELDOM)):
        await until(lambda: holds(store))
    # How long it has stood is counted by a clock that no restart survives.
    before = await outcome(store)
    async with polling(store, bank, clock, nbkr(SELDOM)):
        await until(lambda: outcome_is_new(store, before))
        clock.at += timedelta(minutes=10)
        scheduled.poll_now("nbkr")
        await until(lambda: announced(store, KGS, day(1)))

    now = await quote(store)
    assert now
    assert now.status == "live"
    assert len(bank.asked) == 4


# What operators decide


async def decided(store: Store, verb: str, subject: str, by: str = "aigul@desk") -> Done:
    """What came of an order."""
    number = await store.order(verb, subject, by)
    found: list[Done] = []

    async def answered() -> bool:
        found.extend(filter(None, [await store.answered(number)]))
        return bool(found)

    await until(answered)
    return found[0]


async def test_an_operator_confirms_what_is_unconfirmed(
    store: Store, redis: Redis, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    before = int(datetime.now(UTC).timestamp() * 1000)
    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))
        bank.answer = tagged(table(day(0), "95,0000"), '"2"')
        await until(lambda: is_now(store, "unconfirmed"))
        done = await decided(store, "confirm", "kgs")
        now = await quote(store)
        again = await decided(store, "confirm", "KGS/USD")
        await until(lambda: nothing_is_in_doubt(store))

    words = "KGS/USD: nbkr's 95.0000 KGS per USD as of 2026-05-19 is accepted"
    assert done == Done(words, done=True)
    assert now  # published before the operator is answered
    assert (now.inverse, now.status, now.corrected) == (Decimal("95.0000"), "live", True)
    assert again == Done("KGS/USD: nothing is unconfirmed", done=False)
    assert said(caplog, words) == [f"aigul@desk: confirm kgs: {words}"]
    [(number, order), _] = await redis.xrange("{ticker}:orders")
    assert order == {"verb": "confirm", "subject": "kgs", "by": "aigul@desk"}
    assert before <= int(number.partition("-")[0]) <= datetime.now(UTC).timestamp() * 1000


async def nothing_is_in_doubt(store: Store) -> bool:
    return not (await outcome(store)).held


async def test_an_operator_keeps_a_quote_as_it_is_also_over_a_restart(
    store: Store, bank: Bank, clock: Clock
) -> None:
    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))
        done = await decided(store, "hold", "KGS")
        kept = await quote(store)
        clock.go_to(1)
        bank.answer = answer(table(day(1)))
        await bank.asked_again(3)
    async with polling(store, bank, clock):
        await bank.asked_again(3)
        still = await quote(store)
        released = await decided(store, "confirm", "KGS")
        await until(lambda: shown(store, day(1)))

    assert done == Done("KGS/USD: 0.01143510577 as of 2026-05-19 is on hold until it is confirmed", done=True)
    assert kept
    assert (kept.inverse, kept.status) == (Decimal("87.4500"), "unconfirmed")
    assert still == kept
    assert released == Done("KGS/USD: its quote follows its sources again", done=True)


async def test_there_must_be_a_quote_to_keep(store: Store, bank: Bank, clock: Clock) -> None:
    bank.answer = answer(b"", 500)
    async with polling(store, bank, clock):
        await until(lambda: failures(store, 1))

        for name in ("KGS", "usd-kgs"):
            kept = await decided(store, "hold", name)
            assert kept == Done("KGS/USD: there is no quote to keep", done=False)


@pytest.mark.parametrize(
    ("verb", "subject", "words"),
    [
        ("confirm", "TJS", "TJS/USD is not served here"),
        ("confirm", "K", "not understood: 'K' is not a symbol like KGS or KGS/USD: .*"),
        ("hold", "", "not understood: '' is not a symbol like KGS or KGS/USD: .*"),
        ("sell", "KGS", "not understood: 'sell'"),
        ("backfill", "soon", "not understood: invalid literal for int.*"),
        ("backfill", "0", r"0 days are out of range: write 1 to 1830 \(history.days\)"),
        ("backfill", "1831", r"1831 days are out of range: write 1 to 1830 \(history.days\)"),
    ],
)
async def test_an_order_that_can_not_be_carried_out_is_answered_and_polling_goes_on(
    verb: str, subject: str, words: str, store: Store, bank: Bank, clock: Clock
) -> None:
    async with polling(store, bank, clock, history=HistorySettings(pause_seconds=0)):
        await until(lambda: bank.asked)
        done = await decided(store, verb, subject)
        await bank.asked_again(2)

    assert re.fullmatch(words, done.text)
    assert not done.done


async def test_what_an_operator_keeps_is_told_with_its_source(store: Store, bank: Bank, clock: Clock) -> None:
    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))
        await decided(store, "hold", "KGS")
        await until(lambda: holds(store))
        kept = (await outcome(store)).held
        await decided(store, "confirm", "KGS")
        await until(lambda: holds_nothing(store))

    assert kept == ("KGS/USD is on hold; `ticker confirm KGS/USD` ends that",)


async def holds_nothing(store: Store) -> bool:
    return not (await outcome(store)).held


async def test_a_restart_remembers_what_a_source_told_last(store: Store, bank: Bank, clock: Clock) -> None:
    async with polling(store, bank, clock, nbkr(SELDOM)):
        await until(lambda: outcome_is_whole(store))
        before = await outcome(store)
    bank.answer = answer(b"", 403)

    async with polling(store, bank, clock, nbkr(SELDOM)):
        await until(lambda: is_failing(store))
        after = await outcome(store)

    assert (after.as_of, after.published, after.succeeded_at) == (
        before.as_of,
        before.published,
        before.succeeded_at,
    )
    assert before.published == day(0).isoformat()


async def is_failing(store: Store) -> bool:
    return (await outcome(store)).failures > 0


@pytest.mark.parametrize(("usd", "again"), [("98,0000", True), ("120,0000", False)])
async def test_a_source_is_asked_again_soon_only_where_that_can_release_a_rate(
    usd: str, again: bool, store: Store, bank: Bank, clock: Clock, scheduled: Scheduled
) -> None:
    async with polling(store, bank, clock, nbkr(SELDOM)):
        await until(lambda: shown(store, day(0)))
        bank.answer = answer(table(day(1), usd))
        clock.go_to(1)
        scheduled.poll_now()
        await until(lambda: holds(store))
        plans = scheduled.plans()

    assert ("nbkr:again" in plans) is again


async def test_an_order_is_obeyed_when_a_process_polls(store: Store, bank: Bank, clock: Clock) -> None:
    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))
    number = await store.order("hold", "KGS", "aigul@desk")
    before = await store.answered(number)

    async with polling(store, bank, clock):
        await until(lambda: is_now(store, "unconfirmed"))
        await until(lambda: store.answered(number))

    assert before is None


class Forgetful(Store):
    """A Redis whose answer to the next answer does not arrive: before or after it is written."""

    loses: Literal["", "before", "after"] = ""
    answers = 0
    published: Quote | None = None
    """What was published when the first answer was there."""

    async def write(self, batch: Batch, **facts: Any) -> Cursor:
        if not batch.answers:
            return await super().write(batch, **facts)
        self.answers += 1
        loses, self.loses = self.loses, ""
        if loses == "before":
            raise ConnectionError("cut off")
        cursor = await super().write(batch, **facts)
        self.published = self.published or await quote(self)
        if loses == "after":
            raise ConnectionError("cut off")
        return cursor


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_an_order_is_answered_with_what_was_done_also_when_redis_goes_away_meanwhile(
    moment: Any, redis: Redis, redis_url: str, bank: Bank, clock: Clock
) -> None:
    async with Forgetful(redis_url, prefix="{ticker}:", stream_length=100, history_days=30) as store:
        async with polling(store, bank, clock):
            await until(lambda: shown(store, day(0)))
            bank.answer = answer(table(day(0), "95,0000"))
            await until(lambda: is_now(store, "unconfirmed"))
            store.loses = moment
            done = await decided(store, "confirm", "KGS")
            await bank.asked_again(3)
        now = await quote(store)

    assert done == Done("KGS/USD: nbkr's 95.0000 KGS per USD as of 2026-05-19 is accepted", done=True)
    assert await redis.xlen("{ticker}:answers") == 1
    assert store.answers == 2
    assert store.published == now
    assert now
    assert now.inverse == Decimal("95.0000")


class Overtaken(Store):
    """Reads the orders, and stands still until another process has polled in its place."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.meanwhile: Any = None

    async def orders(self) -> list[Order]:
        found = await super().orders()
        if found and self.meanwhile:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return found


@pytest.mark.parametrize("symbol", ["KGS", "TJS"])
async def test_a_process_that_was_overtaken_answers_no_order_and_carries_it_out_when_it_polls_again(
    symbol: str, redis: Redis, redis_url: str, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The order for TJS, which is not served, comes of no event: its answer is all that is written."""
    answered: list[object] = []

    async def other_polls() -> None:
        async with open_store(redis_url) as other:
            lease = await other.acquire("two", seconds=60, now_ms=0, force=True)
            last = await other.last_event()
            event = Entry(last + 1, Empty(at=clock.at, source="nbkr", first=day(-9), last=day(-9)))
            await other.write(Batch(entries=(event,)), lease=lease or "", seen=NOWHERE, now_ms=0)
            await asyncio.sleep(0.1)
            answered.append(await redis.exists("{ticker}:answers"))
            asyncio.get_running_loop().call_later(1, lambda: asyncio.create_task(leave(other, lease or "")))

    async def leave(_: Store, lease: str) -> None:
        async with open_store(redis_url) as other:
            answered.append(await redis.exists("{ticker}:answers"))
            await other.release(lease)

    async with (
        Overtaken(redis_url, prefix="{ticker}:", stream_length=100, history_days=30) as store,
        polling(store, bank, clock, alone=False),
    ):
        await until(lambda: shown(store, day(0)))
        store.meanwhile = other_polls
        done = await decided(store, "hold", symbol)
        now = await quote(store)

    assert answered == [0, 0]
    assert len(said(caplog, "the lease was lost")) == 1
    assert now
    assert (done.done, now.status) == ((True, "unconfirmed") if symbol == "KGS" else (False, "live"))
    assert await redis.xlen("{ticker}:answers") == 1


async def test_what_another_process_was_told_by_an_operator_holds_when_the_first_polls_again(
    store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with polling(store, bank, clock, alone=False):
        await until(lambda: shown(store, day(0)))
        await decided(store, "hold", "KGS")
        # Another process takes over, and there the operator lets the quote go.
        async with polling(store, bank, clock, owner="two", alone=True) as other:
            await until(lambda: said(caplog, "the lease was lost"))
            await decided(store, "confirm", "KGS")
            await until(lambda: is_now(store, "live"))
            assert other
        caplog.clear()
        await until(lambda: said(caplog, "polling 1 sources"))
        await bank.asked_again(3)
        await asyncio.sleep(0.1)
        now = await quote(store)

    assert now
    assert now.status == "live"


# Addresses


async def test_the_bank_is_asked_at_its_base_url(store: Store, bank: Bank, clock: Clock) -> None:
    bank.url += "/stand-ins/nbt"
    bank.answer = answer(NBT)

    async with polling(store, bank, clock, SOURCES["nbt"]):
        await until(lambda: quote(store, TJS))

    assert bank.asked[0].raw_path == "/stand-ins/nbt/en/kurs/export_xml.php?date=2026-05-20&export=xmlout"


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The names that were asked for; there is no network in this world."""
    names: Counter[str] = Counter()

    def getaddrinfo(host: str, *_: object, **__: object) -> Any:
        names[host] += 1
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


async def test_no_other_host_is_asked_than_the_banks(
    store: Store, bank: Bank, clock: Clock, looked_up: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    bank.url = ""

    async with polling(store, bank, clock, *SOURCES.values()):
        await until(lambda: all_have_failed(store))

    assert set(looked_up) == {
        urlsplit(address).hostname for source in SOURCES.values() for address in source.addresses(TUESDAY)
    }
    assert (await outcome(store, "nbt")).error == "can't connect: Name or service not known"
    assert not bank.asked


async def test_with_a_base_url_no_name_is_looked_up(
    store: Store, bank: Bank, clock: Clock, looked_up: Counter[str]
) -> None:
    bank.answer = answer(b"", 302, Location="http://elsewhere.example/")

    async with polling(store, bank, clock, *SOURCES.values()):
        await until(lambda: all_have_failed(store))

    assert bank.asked
    assert not looked_up


async def test_a_name_server_that_is_silent_holds_nothing_up(
    store: Store, bank: Bank, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_last = threading.Event()

    def getaddrinfo(host: str, *_: object, **__: object) -> Any:
        at_last.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    bank.url = "http://bank.invalid"
    try:
        async with polling(store, bank, clock, poll=asking(timeout_seconds=0.5)):
            await until(lambda: failures(store, 1))
            told = await outcome(store)
            waiting = [each for each in threading.enumerate() if "bank.invalid" in each.name]
    finally:
        at_last.set()

    assert told.error == "timed out"
    assert waiting
    assert all(thread.daemon for thread in waiting)


async def test_a_name_is_looked_up(store: Store, bank: Bank, clock: Clock) -> None:
    bank.url = bank.url.replace("127.0.0.1", "localhost")

    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))


# The end


async def test_a_poll_that_is_under_way_at_the_end_is_waited_for_and_published(
    store: Store, bank: Bank, clock: Clock
) -> None:
    bank.answer = late(0.1, answer(table(day(0))))

    async with polling(store, bank, clock):
        await until(lambda: bank.asked)

    assert await shown(store, day(0))


async def test_a_bank_that_hangs_does_not_hold_up_the_end(
    store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    bank.answer = late(LONG, answer(NBKR))

    async with polling(store, bank, clock, poll=PollSettings(timeout_seconds=LONG)):
        await until(lambda: bank.asked)

    assert not said(caplog, "failed after an internal error")


async def test_the_lease_is_given_back_at_the_end(
    store: Store, redis: Redis, bank: Bank, clock: Clock
) -> None:
    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))
        held = await redis.get("{ticker}:leader")

    assert held.endswith(" one")
    assert await redis.get("{ticker}:leader") is None


async def test_a_cancellation_at_any_moment_ends_it_and_loses_nothing(
    store: Store, redis: Redis, bank: Bank, clock: Clock
) -> None:
    # Also just when a command has gone to Redis: wait_for() of Python 3.11 swallows a cancellation then.
    bank.answer = late(0, answer(table(day(0))))

    for steps in range(100):
        await redis.flushall()
        bank.asked.clear()
        async with polling(store, bank, clock, nbkr(SELDOM)):
            await until(lambda: bank.asked)
            for _ in range(steps):
                await asyncio.sleep(0)
        async with polling(store, bank, clock, nbkr(SELDOM)):
            await until(lambda: shown(store, day(0)))
        assert await publications(redis) == 1, steps


# Redis away


@pytest.fixture
async def partitioned(redis_url: str) -> AsyncIterator[Partitioned]:
    async with Partitioned(redis_url, prefix="{ticker}:", stream_length=100, history_days=30) as store:
        yield store


async def test_redis_may_come_later_than_the_service(
    short_path: Path, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"unix://{short_path}/data/redis.sock"

    async with open_store(url) as store, polling(store, bank, clock):
        await asyncio.sleep(1)
        async with embedded(short_path / "data") as server:
            assert server.url == url
            await until(lambda: shown(store, day(0)))
            away = said(caplog, "redis is unreachable, quotes wait in memory: ")
            back = said(caplog, "redis is back")

    assert (len(away), len(back)) == (1, 1)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_while_redis_stands_still_everything_waits_and_nothing_is_lost(
    own_server: EmbeddedServer,
    bank: Bank,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ticker.store.clients.COMMAND_TIMEOUT", 0.3)
    async with open_store(own_server.url) as store, polling(store, bank, clock, redis=SHORT_LEASE):
        await until(lambda: shown(store, day(0)))
        with stopped(own_server.pid):
            for number, figure in ((1, "87,5000"), (2, "87,6000"), (3, "87,7000")):
                clock.go_to(number)
                bank.answer = answer(table(day(number), figure))
                await bank.asked_again(3)
                await asyncio.sleep(0.5)  # longer, in all, than the lease lasts
        await until(lambda: shown(store, day(3)))
        await until(lambda: said(caplog, "redis is back"))
        history = await store.fixings([KGS])
        entries = await everything(store)

    assert [each.day for each in history] == [day(0), day(1), day(2), day(3)]
    assert [[each.as_of for each in entry.quotes] for entry in entries] == [[day(0)], [day(3)]]
    assert entries[0].cursor.epoch == entries[1].cursor.epoch
    now = entries[-1].quotes[0]
    assert (now.inverse, now.change_percent) == (Decimal("87.7000"), Decimal("-0.11"))
    assert len(said(caplog, "redis is unreachable")) == 1
    assert len(said(caplog, "redis is back")) == 1


async def test_a_stopped_redis_does_not_hold_up_the_end(
    own_server: EmbeddedServer, bank: Bank, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticker.store.clients.COMMAND_TIMEOUT", LONG)
    async with open_store(own_server.url) as store:
        async with polling(store, bank, clock):
            await until(lambda: shown(store, day(0)))
            os.kill(own_server.pid, signal.SIGSTOP)
            await bank.asked_again(2)
        os.kill(own_server.pid, signal.SIGCONT)


async def test_a_server_that_was_killed_comes_back_with_what_it_had(
    own_server: EmbeddedServer, bank: Bank, clock: Clock
) -> None:
    async with open_store(own_server.url) as store, polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))
        before = (await store.snapshot()).cursor
        os.kill(own_server.pid, signal.SIGKILL)
        bank.answer = answer(table(day(1)))
        clock.go_to(1)
        await until(lambda: reachable_and(store, day(1)))
        after = (await store.snapshot()).cursor

    assert after == Cursor(before.epoch, before.sequence + 1)


async def reachable_and(store: Store, as_of: date) -> bool:
    try:
        return await shown(store, as_of)
    except UNAVAILABLE:
        return False


async def test_after_a_flush_everything_is_said_again_in_a_new_epoch(
    store: Store, redis: Redis, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))
        bank.answer = answer(table(day(1)))
        clock.go_to(1)
        await until(lambda: shown(store, day(1)))
    # What is restored must also be what an earlier process had published.
    async with polling(store, bank, clock):
        await bank.asked_again(3)
        before = await store.snapshot()
        await redis.flushall()
        await until(lambda: shown(store, day(1)))
        after = await store.snapshot()
        await until(lambda: outcome_is_whole(store))

    assert after.cursor.epoch > before.cursor.epoch
    assert [row for _, row in after.rows] == [row for _, row in before.rows]
    assert [each.day for each in await store.fixings([KGS])] == [day(0), day(1)]
    assert len(said(caplog, "publishing everything again")) == 1


async def test_with_the_first_publication_after_a_promotion_everything_is_said_again_once(
    store: Store, redis: Redis, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))
        before = (await store.snapshot()).cursor
        # As a server that was promoted finds it.
        await redis.hset("{ticker}:poller", "server", "0" * 40)
        for number in (1, 2):
            bank.answer = answer(table(day(number)))
            clock.go_to(number)
            await until(lambda: shown(store, day(number)))  # noqa: B023 - awaited at once
        after = (await store.snapshot()).cursor

    assert after.epoch > before.epoch
    assert [each.day for each in await store.fixings([KGS])] == [day(0), day(1), day(2)]
    assert len(said(caplog, "publishing everything again")) == 1


async def test_a_loss_between_two_commands_is_repaired_too(
    redis: Redis, redis_url: str, bank: Bank, clock: Clock
) -> None:
    class Losing(Partitioned):
        lose = False

        async def write(self, batch: Batch, **others: Any) -> Cursor:
            # The lease was just renewed, and nothing was missing then.
            if self.lose and batch.quotes:
                self.lose = False
                await redis.delete("{ticker}:stream", "{ticker}:latest", "{ticker}:history:KGS/USD")
            return await super().write(batch, **others)

    async with Losing(redis_url, prefix="{ticker}:", stream_length=100, history_days=30) as store:
        async with polling(store, bank, clock):
            await until(lambda: shown(store, day(0)))
            before = await store.snapshot()
            store.lose = True
            clock.go_to(1)
            bank.answer = answer(table(day(1)))
            await until(lambda: shown(store, day(1)))

        assert (await store.snapshot()).cursor.epoch > before.cursor.epoch
        assert [each.day for each in await store.fixings([KGS])] == [day(0), day(1)]


async def test_a_redis_that_takes_no_writes_is_tried_a_few_times_a_second(
    partitioned: Partitioned, redis: Redis, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    time = asyncio.get_running_loop().time
    async with polling(partitioned, bank, clock):
        await until(lambda: shown(partitioned, day(0)))
        await redis.config_set("maxmemory", 1)
        try:
            await redis.delete("{ticker}:stream", "{ticker}:latest")
            await until(lambda: said(caplog, "redis refuses writes"))
            before, began = partitioned.calls, time()
            await until(lambda: partitioned.calls >= before + 4, PATIENCE)
            took = time() - began
        finally:
            await redis.config_set("maxmemory", 256_000_000)
        await until(lambda: shown(partitioned, day(0)))

    assert took > 2 * outbox.AGAIN_SECONDS
    assert "maxmemory" in said(caplog, "redis refuses writes")[0]
    assert len(said(caplog, "redis refuses writes")) == 1
    assert len(said(caplog, "publishing everything again")) == 1


# One of several


async def test_what_was_published_is_not_published_again_after_a_restart(
    store: Store, redis: Redis, bank: Bank, clock: Clock
) -> None:
    for _ in range(3):
        async with polling(store, bank, clock, nbkr(SELDOM)):
            await until(lambda: bank.asked)
            await until(lambda: shown(store, day(0)))
            await asyncio.sleep(0.1)
        bank.asked.clear()
        clock.at += timedelta(hours=1)

    assert await publications(redis) == 1


async def test_the_change_is_right_over_a_restart(store: Store, bank: Bank, clock: Clock) -> None:
    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))
    bank.answer = answer(table(day(1), "88,3245"))
    clock.go_to(1)
    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(1)))

    now = await quote(store)
    assert now
    assert now.change_percent == Decimal("-0.99")


async def test_of_two_one_polls_and_the_other_takes_over_when_it_ends(
    store: Store, bank: Bank, other: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    other.answer = answer(table(day(1)))

    async with AsyncExitStack() as first:
        await first.enter_async_context(polling(store, bank, clock, alone=False, redis=LONG_LEASE))
        await until(lambda: shown(store, day(0)))
        # One that stands by for a shorter lease shortens that of the first.
        async with polling(store, other, clock, owner="two", alone=False, redis=LONG_LEASE):
            await until(lambda: said(caplog, "standing by"))
            await bank.asked_again(5)
            asked_meanwhile = len(other.asked)
            clock.go_to(1)
            await first.aclose()
            await until(lambda: shown(store, day(1)), PATIENCE)

    assert asked_meanwhile == 0
    now = await quote(store)
    assert now
    assert now.previous  # of the first one's publication


async def test_of_two_the_other_takes_over_when_the_lease_of_a_dead_one_runs_out(
    store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await store.acquire("dead", seconds=1, now_ms=0)

    async with polling(store, bank, clock, alone=False):
        await until(lambda: said(caplog, "standing by"))
        asked_meanwhile = len(bank.asked)
        await until(lambda: shown(store, day(0)))

    assert asked_meanwhile == 0


async def test_an_emptied_redis_is_filled_by_the_process_that_knows_what_was_there(
    partitioned: Partitioned,
    store: Store,
    redis: Redis,
    bank: Bank,
    other: Bank,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also if the other one, which would have to ask the banks first, is the first to notice it."""
    async with AsyncExitStack() as both:
        await both.enter_async_context(polling(partitioned, bank, clock, alone=False, redis=LONG_LEASE))
        await until(lambda: shown(store, day(0)))
        second = polling(store, other, clock, owner="two", alone=False, redis=LONG_LEASE)
        await both.enter_async_context(second)
        await until(lambda: said(caplog, "standing by"))
        before = await store.snapshot()
        partitioned.cut_off = True
        await redis.flushall()
        await asyncio.sleep(5 * outbox.AGAIN_SECONDS)
        partitioned.cut_off = False
        bank.answer = answer(table(day(1)))
        clock.go_to(1)
        await until(lambda: shown(store, day(1)))
        first, *_ = await everything(store)

    assert first.cursor.epoch > before.cursor.epoch
    assert [quote.symbol for quote in first.quotes] == [quote.symbol for _, quote in before.rows]
    assert not other.asked
    assert [each.day for each in await store.fixings([KGS])] == [day(0), day(1)]


async def test_an_emptied_redis_is_taken_by_another_process_if_the_one_that_polled_is_gone(
    store: Store, redis: Redis, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await store.acquire("dead", seconds=60, now_ms=0)

    async with polling(store, bank, clock, alone=False, redis=SHORT_LEASE):
        await until(lambda: said(caplog, "standing by"))
        await redis.flushall()
        await until(lambda: shown(store, day(0)))


async def test_who_lost_the_lease_stands_by(
    store: Store, redis: Redis, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with polling(store, bank, clock, alone=False):
        await until(lambda: shown(store, day(0)))
        bank.answer = late(0.2, answer(table(day(1))))
        await bank.asked_again(1)
        lease = await store.acquire("other", seconds=60, now_ms=0, force=True)
        assert lease
        await until(lambda: said(caplog, "standing by"))
        asked = len(bank.asked)
        await asyncio.sleep(0.3)
        asked_later = len(bank.asked)
        at_last = await quote(store)
        clock.go_to(1)
        await store.release(lease)
        await until(lambda: shown(store, day(1)))

    assert said(caplog, "the lease was lost")
    assert asked == asked_later
    assert at_last
    assert at_last.as_of == day(0)


async def test_what_waited_is_not_said_when_another_has_said_something_newer(
    partitioned: Partitioned,
    redis_url: str,
    bank: Bank,
    other: Bank,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other.answer = answer(table(day(1), "87,8000"))

    async with open_store(redis_url) as store:
        async with polling(partitioned, bank, clock, alone=False, redis=SHORT_LEASE):
            await until(lambda: shown(store, day(0)))
            partitioned.cut_off = True
            clock.go_to(1)
            bank.answer = answer(table(day(1), "87,8000"))
            await bank.asked_again(3)
            async with polling(store, other, clock, owner="two", alone=False):
                await until(lambda: shown(store, day(1)))
                other.answer = answer(table(day(2), "87,9000"))
                clock.go_to(2)
                await until(lambda: shown(store, day(2)))
            partitioned.cut_off = False
            await until(lambda: said(caplog, "the lease was lost"))
            await bank.asked_again(5)
        entries = await everything(store)
        history = await store.fixings([KGS])

    assert [each.as_of for entry in entries for each in entry.quotes] == [day(0), day(1), day(2)]
    assert [each.day for each in history] == [day(0), day(1), day(2)]


async def test_a_redis_that_goes_away_between_the_lease_and_the_reading_is_waited_for(
    store: Store, redis_url: str, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with polling(store, bank, clock):
        await until(lambda: shown(store, day(0)))

    class Unlucky(Partitioned):
        async def acquire(self, owner: str, **others: Any) -> str | None:
            lease = await super().acquire(owner, **others)
            self.cut_off = True
            asyncio.get_running_loop().call_later(0.5, self._mend)
            return lease

        def _mend(self) -> None:
            self.cut_off = False

    caplog.clear()
    bank.answer = answer(table(day(1)))
    clock.go_to(1)
    unlucky = Unlucky(redis_url, prefix="{ticker}:", stream_length=9, history_days=30)
    async with unlucky, polling(unlucky, bank, clock, alone=False):
        await until(lambda: shown(unlucky, day(1)))

    assert not said(caplog, "standing by")
    assert said(caplog, "redis is back")


# A recording that begins anew


async def test_a_new_loop_of_the_recording_is_a_new_epoch_that_knows_nothing_of_the_old(
    store: Store, bank: Bank, clock: Clock
) -> None:
    bank.answer = tagged(table(day(8)))
    clock.go_to(8)

    async with polling(store, bank, clock) as poller:
        await until(lambda: shown(store, day(8)))
        before = await store.snapshot()
        clock.go_to(0)
        bank.answer = tagged(table(day(0)))  # its tag is the same, as in a loop it well may be
        await poller.begin_again()
        await until(lambda: shown(store, day(0)))
        after = await store.snapshot()

    assert after.cursor.epoch > before.cursor.epoch
    assert [(each.as_of, each.previous) for _, each in after.rows] == [(day(0), None)]
    assert [each.day for each in await store.fixings([KGS])] == [day(0)]


async def test_a_loop_may_begin_anew_while_redis_is_away(
    partitioned: Partitioned, bank: Bank, clock: Clock
) -> None:
    async with polling(partitioned, bank, clock, redis=SHORT_LEASE) as poller:
        bank.answer = answer(table(day(8)))
        clock.go_to(8)
        await until(lambda: shown(partitioned, day(8)))
        # The last word of the old loop arrives, and nobody hears that it did.
        partitioned.loses_the_next_reply = True
        bank.answer = answer(table(day(9)))
        clock.go_to(9)
        await until(lambda: shown(partitioned, day(9)))
        before = await partitioned.snapshot()
        clock.go_to(0)
        bank.answer = answer(table(day(0)))
        await poller.begin_again()
        await bank.asked_again(3)
        await asyncio.sleep(1.2)  # until the lease has run out
        partitioned.cut_off = False
        await until(lambda: shown(partitioned, day(0)))
        after = await partitioned.snapshot()

    assert after.cursor.epoch > before.cursor.epoch
    assert [each.day for each in await partitioned.fixings([KGS])] == [day(0)]


async def test_a_poll_of_the_old_loop_that_comes_late_is_not_part_of_the_new(
    store: Store, bank: Bank, clock: Clock
) -> None:
    bank.answer = answer(table(day(8)))
    clock.go_to(8)

    async with polling(store, bank, clock) as poller:
        await until(lambda: shown(store, day(8)))
        bank.answer = late(0.2, answer(table(day(9))))
        await bank.asked_again(1)
        clock.go_to(0)
        bank.answer = answer(table(day(0)))
        await poller.begin_again()
        await until(lambda: shown(store, day(0)))

    assert [each.day for each in await store.fixings([KGS])] == [day(0)]
