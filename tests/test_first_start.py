"""The first start of a service, when nobody's word stands alone: banks on loopback, and a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from banks import (
    OFTEN,
    SELDOM,
    Answer,
    Bank,
    Clock,
    after,
    day,
    everything,
    is_now,
    late,
    nbkr,
    open_bank,
    polling,
    shown,
    table,
)
from redis.asyncio import Redis
from stage import LONG, PATIENCE, answer, outcome, quote, said, until

from ticker import rules
from ticker.config import HistorySettings, PollSettings, SourceSettings
from ticker.poll import alarm, waits
from ticker.rates.events import Waited
from ticker.rates.source import Source
from ticker.sources import SOURCES
from ticker.store import Store

pytestmark = pytest.mark.usefixtures("everything_is_logged")

BAD = "97,9440"
"""The bank's bad print: 12 % above its 87.4500."""
AGGREGATORS = ("fawazahmed0", "floatrates", "frankfurter")
OTHERS = {"KZT": "480.2", "TJS": "9.33", "UZS": "12194.2", "TMT": "3.5"}
"""What the aggregators say of our other currencies, without which their tables are none."""


@pytest.fixture(autouse=True)
def _ticks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm, "LOOK_SECONDS", 0.05)


@pytest.fixture
def short_wait(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(waits, "FIRST_WAIT_SECONDS", 0.6)
    return 0.6


@pytest.fixture
def long_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "FIRST_WAIT_SECONDS", LONG)


@pytest.fixture
async def bank() -> AsyncIterator[Bank]:
    async with open_bank() as bank:
        yield bank


@pytest.fixture
async def market() -> AsyncIterator[Bank]:
    """All aggregators, with about 87.45 som for a dollar."""
    async with open_bank() as market:
        market.answer = aggregator("87.46")
        yield market


@pytest.fixture
def clock() -> Clock:
    return Clock()


def aggregator(som: str) -> Answer:
    """Each aggregator in its own format, by the path that it is asked at."""
    rates, as_of = {**OTHERS, "KGS": som}, day(0)

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("usd.min.json"):
            usd = {code.lower(): float(rate) for code, rate in rates.items()}
            return web.json_response({"date": as_of.isoformat(), "usd": usd})
        if request.path == "/daily/usd.json":
            at = f"{as_of:%a, %d %b %Y} 00:55:01 GMT"
            rows = {code.lower(): {"code": code, "rate": rate, "date": at} for code, rate in rates.items()}
            return web.json_response(rows)
        text = [
            f'{{"date":"{as_of}","base":"USD","quote":"{code}","rate":{rate}}}'
            for code, rate in rates.items()
        ]
        return web.Response(body=f"[{','.join(text)}]".encode())

    return handle


@asynccontextmanager
async def starting(
    store: Store, bank: Bank, market: Bank, clock: Clock, *others: str, **changes: Any
) -> AsyncIterator[None]:
    """A new service that asks NBKR and some aggregators."""
    own: Source = changes.pop("own", nbkr(OFTEN))
    sources = (own, *(replace(SOURCES[key], interval_seconds=SELDOM) for key in others))
    urls = {own.key: bank.url, **dict.fromkeys(others, market.url)}
    facts: dict[str, Any] = {
        "sources": {key: SourceSettings(base_url=url) for key, url in urls.items()},
        "poll": PollSettings(timeout_seconds=2 * LONG, retry_min_seconds=SELDOM),
    }
    async with polling(store, bank, clock, *sources, desk=rules.new_desk, **facts | changes):
        yield


async def statuses(store: Store) -> list[str]:
    """The status of every quote that was published, with its figure."""
    return [f"{each.status} {each.inverse}" for entry in await everything(store) for each in entry.quotes]


def seconds() -> float:
    return asyncio.get_running_loop().time()


async def test_a_first_rate_waits_for_the_other_sources(
    store: Store, redis: Redis, bank: Bank, market: Bank, clock: Clock
) -> None:
    heard = asyncio.Event()
    market.answer = after(heard, market.answer)

    async with starting(store, bank, market, clock, "fawazahmed0"):
        await bank.asked_again(4)
        meanwhile = await quote(store)
        heard.set()
        await until(lambda: quote(store))

    assert meanwhile is None
    assert await statuses(store) == ["live 87.4500"]


async def test_a_first_rate_waits_no_longer_than_until_everybody_was_heard(
    store: Store, bank: Bank, market: Bank, clock: Clock, long_wait: None
) -> None:
    market.answer = answer(b"", 500)  # who fails was heard, too

    async with starting(store, bank, market, clock, "fawazahmed0"):
        await until(lambda: quote(store), PATIENCE)

    assert await statuses(store) == ["unconfirmed 87.4500"]


async def test_the_wait_ends_in_time_and_that_is_an_event(
    store: Store, bank: Bank, market: Bank, clock: Clock, short_wait: float
) -> None:
    market.answer = late(LONG, market.answer)
    began = seconds()

    async with starting(store, bank, market, clock, "fawazahmed0"):
        await until(lambda: quote(store), PATIENCE)
        took = seconds() - began
        waited = [entry.event for entry in await store.ledger() if isinstance(entry.event, Waited)]

    assert took > short_wait * 0.9
    assert [each.source for each in waited] == ["nbkr"]
    assert await statuses(store) == ["unconfirmed 87.4500"]


async def test_a_witness_that_comes_after_the_wait_confirms_what_is_shown(
    store: Store, bank: Bank, market: Bank, clock: Clock, short_wait: float
) -> None:
    heard = asyncio.Event()
    market.answer = after(heard, market.answer)

    async with starting(store, bank, market, clock, "fawazahmed0"):
        await until(lambda: is_now(store, "unconfirmed"))
        heard.set()
        await until(lambda: is_now(store, "live"))

    assert await statuses(store) == ["unconfirmed 87.4500", "live 87.4500"]


# The bank's first word is a bad print, 12 % off.


async def test_a_bad_print_is_never_shown_if_the_others_answer_meanwhile(
    store: Store, bank: Bank, market: Bank, clock: Clock
) -> None:
    bank.answer = answer(table(day(0), BAD))
    market.answer = late(0.5, market.answer)

    async with starting(store, bank, market, clock, *AGGREGATORS):
        await until(lambda: quote(store))
        await bank.asked_again(3)
        [doubt] = (await outcome(store)).held

    assert await statuses(store) == ["fallback 87.46"]
    assert doubt.startswith("KGS/USD of 2026-05-19 is unconfirmed: +11.99 % from ")


async def test_a_bad_print_against_one_witness_is_not_shown(
    store: Store, bank: Bank, market: Bank, clock: Clock
) -> None:
    bank.answer = answer(table(day(0), BAD))
    market.answer = late(0.3, market.answer)

    async with starting(store, bank, market, clock, "fawazahmed0"):
        await until(lambda: in_doubt(store))
        await bank.asked_again(3)
        clock.at += timedelta(minutes=11)
        await bank.asked_again(3)

    assert await quote(store) is None


async def in_doubt(store: Store) -> bool:
    return bool((await outcome(store)).held)


async def test_a_bad_print_that_was_shown_as_unconfirmed_goes_when_the_others_answer_later(
    store: Store, bank: Bank, market: Bank, clock: Clock, short_wait: float
) -> None:
    heard = asyncio.Event()
    bank.answer = answer(table(day(0), BAD))
    market.answer = after(heard, market.answer)

    async with starting(store, bank, market, clock, *AGGREGATORS):
        await until(lambda: is_now(store, "unconfirmed"))
        heard.set()
        await until(lambda: is_now(store, "fallback"))
        await bank.asked_again(3)

    assert await statuses(store) == ["unconfirmed 97.9440", "fallback 87.46"]


async def test_a_bad_print_is_never_live_if_nobody_else_ever_answers(
    store: Store, bank: Bank, market: Bank, clock: Clock, short_wait: float
) -> None:
    bank.answer = answer(table(day(0), BAD))
    market.answer = late(30, market.answer)

    async with starting(store, bank, market, clock, *AGGREGATORS):
        await until(lambda: quote(store))
        for hour in range(7, 12):
            clock.at = clock.at.replace(hour=hour)
            await bank.asked_again(2)

    assert set(await statuses(store)) == {"unconfirmed 97.9440"}


async def test_the_banks_own_correction_is_live_with_its_witness(
    store: Store, bank: Bank, market: Bank, clock: Clock
) -> None:
    bank.answer = answer(table(day(0), BAD))

    async with starting(store, bank, market, clock, "fawazahmed0"):
        await until(lambda: in_doubt(store))
        bank.answer = answer(table(day(0)))
        await until(lambda: is_now(store, "live"))
        await until(lambda: nothing_in_doubt(store))

    assert (await statuses(store))[-1] == "live 87.4500"
    assert not any("97.9440" in each for each in await statuses(store))


async def test_a_doubt_that_another_s_word_brings_is_told_at_once(
    store: Store, bank: Bank, market: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    bank.answer = answer(table(day(0), BAD))
    market.answer = late(0.3, market.answer)

    async with starting(store, bank, market, clock, "fawazahmed0", own=nbkr(SELDOM)):
        await until(lambda: in_doubt(store))

    assert len(bank.asked) == 1
    assert said(caplog, "is unconfirmed") == [f"nbkr: {each}" for each in (await outcome(store)).held]


async def nothing_in_doubt(store: Store) -> bool:
    return not (await outcome(store)).held


# The archive.


def with_archive(rows: dict[date, str], *, after: float = 0, today: str = "87,4500") -> Answer:
    """NBKR whose archive has these days of every currency."""
    row = "<tr><td><!--date-->{day:%d.%m.%Y}<!--date--></td><td><!--value-->{usd}<!--value--></td></tr>"

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path == "/XML/daily.xml":
            return web.Response(body=table(day(0), today))
        await asyncio.sleep(after)
        text = "".join(row.format(day=each, usd=usd) for each, usd in rows.items())
        return web.Response(text=f"<table>{text}</table>")

    return handle


BACKFILL = HistorySettings(backfill_days=3, pause_seconds=0)


async def test_a_first_rate_waits_for_its_archive_which_may_confirm_it(
    store: Store, bank: Bank, market: Bank, clock: Clock
) -> None:
    bank.answer = with_archive({day(-1): "87,4000", day(-3): "87,3000"}, after=0.2)
    market.answer = answer(b"", 500)

    async with starting(store, bank, market, clock, "fawazahmed0", own=nbkr(SELDOM), history=BACKFILL):
        await until(lambda: quote(store))
        first = await quote(store)

    assert first
    assert (first.status, first.inverse) == ("live", Decimal("87.4500"))
    assert await statuses(store) == ["live 87.4500"]


async def test_the_archive_of_a_bad_print_keeps_it_from_being_shown_and_is_shown_itself_unconfirmed(
    store: Store, bank: Bank, market: Bank, clock: Clock
) -> None:
    bank.answer = with_archive({day(-1): "87,4000", day(-3): "87,3000"}, today=BAD)
    market.answer = answer(b"", 500)

    async with starting(store, bank, market, clock, "fawazahmed0", own=nbkr(SELDOM), history=BACKFILL):
        await until(lambda: quote(store))
        await until(lambda: in_doubt(store))

    assert not any("97.9440" in each for each in await statuses(store))
    assert not any("live" in each for each in await statuses(store))


# Restarts.


async def test_who_waited_once_does_not_wait_after_a_restart(
    store: Store, bank: Bank, market: Bank, clock: Clock, long_wait: None
) -> None:
    async with starting(store, bank, market, clock, "fawazahmed0"):
        await until(lambda: is_now(store, "live"))
    market.answer = late(LONG, market.answer)
    clock.go_to(1)
    bank.answer = answer(table(day(1)))

    async with starting(store, bank, market, clock, "fawazahmed0"):
        await until(lambda: shown(store, day(1)), PATIENCE)

    assert (await statuses(store))[-1] == "live 87.4600"


async def test_a_restart_in_the_wait_waits_anew(store: Store, bank: Bank, market: Bank, clock: Clock) -> None:
    market.answer, patient = late(30, market.answer), market.answer
    async with starting(store, bank, market, clock, "fawazahmed0"):
        await bank.asked_again(2)
        await until(lambda: has_events(store))
    market.answer = late(0.4, patient)

    async with starting(store, bank, market, clock, "fawazahmed0"):
        await until(lambda: quote(store))

    assert await statuses(store) == ["live 87.4500"]


async def has_events(store: Store) -> bool:
    return await store.last_event() > 0
