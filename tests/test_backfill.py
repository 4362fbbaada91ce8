"""The history, as the poller fills it: banks on loopback with archives, and a real Redis."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from desks import proven_desk
from redis.asyncio import Redis
from stage import PATIENCE, Scheduled, outcome, quote, said, site, until

from ticker.config import HistorySettings, PollSettings, RedisSettings, Settings, SourceSettings
from ticker.fetch import Answer, Fetcher, NotThere, Refused, session
from ticker.poll import Poller, backfill, history
from ticker.poll.backfill import Archive, Told
from ticker.rates.calendar import ONE_DAY, Span
from ticker.rates.events import Empty, Said
from ticker.rates.model import Pair, Rate
from ticker.rates.source import MalformedFeed, Source
from ticker.sources import SOURCES
from ticker.store import Done, Store

pytestmark = pytest.mark.usefixtures("everything_is_logged")

KGS, KZT, TJS, UZS = map(Pair.parse, ("KGS", "KZT", "TJS", "UZS"))
PAYLOADS = Path(__file__).parent / "payloads"
NBKR = (PAYLOADS / "nbkr" / "daily_2026-05-24.xml").read_bytes()
NBKR_ROW = b"<tr><td><!--date-->25.06.2005<!--date--></td><td><!--value-->40,9614<!--value--></td></tr>"
NBK = (PAYLOADS / "nbk" / "get_rates_2026-04-02.xml").read_bytes()
CBU = (PAYLOADS / "cbu" / "all_2026-04-01.json").read_bytes()
CBR = (PAYLOADS / "cbr" / "daily_2026-03-17.xml").read_bytes()
CBR_RECORD = (
    '<Record Date="{day:%d.%m.%Y}" Id="{name}"><Nominal>{nominal}</Nominal><Value>{value}</Value></Record>'
)
LEASE = RedisSettings.model_construct(lease_seconds=2)
"""Shorter than a configuration may have it: a poller looks for orders three times in it."""
FRIDAY = date(2026, 5, 22)
"""Today: the som's, the tenge's and the sum's banks have set rates on all week days since the 12th."""
MARGIN = 45 * ONE_DAY
"""How much further back than the days that are unknown a range is asked for."""


def days(first: date, last: date) -> list[date]:
    return [first + ONE_DAY * count for count in range((last - first).days + 1)]


def figure(day: date, near: str) -> str:
    """A figure of its own for every day, a half at most above."""
    return f"{Decimal(near) + Decimal(day.toordinal() * 37 % 97) / 200:.4f}"


@dataclass
class Bank:
    """A bank that answers by the day, or by the range, that it is asked for; it remembers who asked what."""

    url: str = ""
    asked: list[web.Request] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)
    closed: frozenset[date] = frozenset()
    """The days without a table of their own."""
    failing: dict[object, int] = field(default_factory=dict)
    """What is answered with an error, for as often as that."""
    held: dict[object, asyncio.Event] = field(default_factory=dict)
    """What is answered after a moment of the test."""
    newest: date = FRIDAY

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.times.append(asyncio.get_running_loop().time())
        self.connections.add(id(request.transport))
        what = self.what(request)
        if moment := self.held.get(what):
            await moment.wait()
        if self.failing.get(what):
            self.failing[what] -= 1
            return web.Response(status=503)
        return self.answer(request, what)

    def what(self, request: web.Request) -> object:
        """The day, or the range, that is asked for; `newest` where none is named."""
        query, path = request.query, request.path
        if "fdate" in query:
            return written(query["fdate"], "%d.%m.%Y")
        if path.startswith("/en/arkhiv"):
            return written(path.rstrip("/").rpartition("/")[2], "%Y-%m-%d")
        if "beg_day" in query:
            return tuple(
                date(*(int(query[f"{end}_{part}"]) for part in ("year", "month", "day")))
                for end in ("beg", "end")
            )
        if "VAL_NM_RQ" in query:
            ends = (written(query[name], "%d/%m/%Y") for name in ("date_req1", "date_req2"))
            return (query["VAL_NM_RQ"], *ends)
        return "newest"

    def answer(self, request: web.Request, what: Any) -> web.StreamResponse:
        if request.path == "/XML/daily.xml":
            return web.Response(body=nbkr_table(self.newest))
        if request.path == "/index1.jsp":
            told = self.open(days(*what))
            return web.Response(body=nbkr_archive(told, request.query["valuta_id"]))
        if request.path == "/scripts/XML_daily.asp":
            return web.Response(body=cbr_table(self.newest))
        if request.path == "/scripts/XML_dynamic.asp":
            return web.Response(text=cbr_archive(what[0], self.open(days(*what[1:]))))
        if request.path == "/rss/get_rates.cfm":
            return web.Response(body=nbk_table(what) if self.open([what]) else NBK_WITHOUT_RATES)
        return web.Response(body=cbu_table(max(self.open(days(what - 9 * ONE_DAY, what)))))

    def open(self, asked: Iterable[date]) -> list[date]:
        return [day for day in asked if day not in self.closed and day <= self.newest]

    def asked_for(self, since: int = 0) -> list[object]:
        return [what for request in self.asked[since:] if (what := self.what(request)) != "newest"]


def written(text: str, style: str) -> date:
    return datetime.strptime(text, style).date()  # noqa: DTZ007 - a calendar day has no zone


def nbkr_table(day: date) -> bytes:
    usd = figure(day, "87.45").replace(".", ",").encode()
    return NBKR.replace(b"24.05.2026", f"{day:%d.%m.%Y}".encode()).replace(b"87,4500", usd)


def nbkr_archive(told: Sequence[date], currency: str) -> bytes:
    near = {"15": "87.45", "20": "101.50", "40": "0.1859"}[currency]
    rows = (
        NBKR_ROW.replace(b"25.06.2005", f"{day:%d.%m.%Y}".encode()).replace(
            b"40,9614", figure(day, near).replace(".", ",").encode()
        )
        for day in reversed(told)
    )
    return b"<table>" + b"".join(rows) + b"</table>"


def nbk_table(day: date) -> bytes:
    return NBK.replace(b"02.04.2026", f"{day:%d.%m.%Y}".encode()).replace(
        b"475.09", figure(day, "475.09").encode()
    )


NBK_WITHOUT_RATES = NBK[: NBK.index(b"<item>")] + b"</rates>"


def cbu_table(day: date) -> bytes:
    return CBU.replace(b"01.04.2026", f"{day:%d.%m.%Y}".encode()).replace(
        b"12194.21", figure(day, "12194.21").encode()
    )


def cbr_table(day: date) -> bytes:
    usd = figure(day, "81.05").replace(".", ",").encode()
    return CBR.replace(b"17.03.2026", f"{day:%d.%m.%Y}".encode()).replace(b"81,0517", usd)


def cbr_archive(name: str, told: Sequence[date]) -> str:
    nominal, near = {"R01035": (1, "108.11"), "R01235": (1, "81.05"), "R01370": (100, "92.6835")}[name]
    rows = (
        CBR_RECORD.format(
            day=day,
            name=name,
            nominal=nominal,
            value=(figure(day, near) if nominal == 1 else near).replace(".", ","),
        )
        for day in told
    )
    return f'<ValCurs ID="{name}">{"".join(rows)}</ValCurs>'


@pytest.fixture
async def bank() -> AsyncIterator[Bank]:
    bank = Bank()
    async with site(bank.handle) as bank.url:
        yield bank


@dataclass
class Clock:
    """The desk's time, which stands still until the test moves it; it begins on a Friday at noon."""

    at: datetime = datetime(2026, 5, 22, 6, tzinfo=UTC)

    speed = 1.0

    def now(self) -> datetime:
        return self.at

    def elapsed(self) -> float:
        return self.at.timestamp()

    def go_to(self, day: date) -> None:
        self.at = datetime.combine(day, time(1), ZoneInfo("Asia/Bishkek"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Store]:
    """Redis, where five years are kept."""
    async with Store(redis_url, prefix="{ticker}:", stream_length=1000, history_days=1830) as store:
        yield store


@asynccontextmanager
async def polling(
    store: Store, bank: Bank, clock: Clock, *keys: str, backfill_days: int = 10, **history: Any
) -> AsyncIterator[Poller]:
    """A poller that asks these sources (else NBKR) at `bank`, once, and for ten days of history."""
    sources = [replace(SOURCES[key], interval_seconds=3600) for key in keys or ("nbkr",)]
    symbols = {"nbkr": KGS, "nbk": KZT, "cbu": UZS, "nbt": TJS, "cbr": KGS}
    settings = Settings(
        symbols=(symbols[sources[0].key],),
        poll=PollSettings(timeout_seconds=PATIENCE, retry_min_seconds=3600),
        redis=LEASE,
        history=HistorySettings(**{"backfill_days": backfill_days, "pause_seconds": 0, **history}),
        sources={source.key: SourceSettings(base_url=bank.url) for source in sources},
    )
    poller = Poller(
        sources,
        settings,
        store,
        new_desk=lambda: proven_desk(settings, sources),
        clock=clock,
        owner="one",
        alone=True,
    )
    running = asyncio.create_task(poller.run())
    try:
        yield poller
    finally:
        running.cancel()
        await asyncio.wait({running}, timeout=PATIENCE)
        assert running.cancelled() or (running.done() and not running.result())


async def filled(caplog: pytest.LogCaptureFixture, times: int = 1) -> None:
    """Wait for so many passes to have come to their end."""
    await until(lambda: len(said(caplog, "received days: ")) >= times)


async def known(store: Store, symbol: Pair = KGS, source: str = "") -> list[date]:
    return [each.day for each in await store.fixings([symbol], source=source or None)]


async def knows_only(store: Store, expected: Sequence[date], symbol: Pair = KGS) -> bool:
    return await known(store, symbol) == list(expected)


async def knows(store: Store, count: int, symbol: Pair = KGS) -> bool:
    return len(await known(store, symbol)) >= count


async def polled(store: Store, key: str = "nbkr") -> bool:
    return (await outcome(store, key)).next_poll_at is not None


def on_work_days(*given: date) -> list[date]:
    """Those of the days on which a rate takes effect that was set the day before: Tuesday to Saturday."""
    return [day for day in given if 1 <= day.weekday() <= 5]


# A first start.


async def test_a_first_start_knows_the_days_before_from_one_request_a_currency(
    store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    bank.closed = frozenset(day for day in days(date(2026, 5, 1), FRIDAY) if not on_work_days(day))
    async with polling(store, bank, clock):
        await until(lambda: knows(store, 9))
        await filled(caplog)
        await until(lambda: changed(store))
        now, told = await quote(store), await outcome(store)

    today, before = (Decimal(figure(FRIDAY - ONE_DAY * back, "87.45")) for back in (0, 1))
    assert await known(store) == on_work_days(*days(date(2026, 5, 12), FRIDAY))
    # Friday's is known already: it shows whose archive this is. Three currencies tell a repeat.
    assert bank.asked_for() == [(date(2026, 5, 12) - MARGIN, FRIDAY)] * 3
    assert now
    assert (now.as_of, now.inverse, now.status) == (FRIDAY, today, "live")
    assert now.previous == pytest.approx(1 / before)
    assert now.change_percent == ((before / today - 1) * 100).quantize(Decimal("0.01"))
    assert now.change_percent
    assert told.history == ""
    assert said(caplog, "history:") == [
        "nbkr: history: unknown days since 2026-05-12: 10",
        "nbkr: history: received days: 10 of 10",
    ]


async def changed(store: Store) -> bool:
    now = await quote(store)
    return now is not None and now.change is not None


async def test_a_first_start_waits_for_the_archive_with_its_first_quote(
    store: Store, redis: Redis, bank: Bank, clock: Clock
) -> None:
    async with polling(store, bank, clock, "nbk", pause_seconds=0.01):
        await until(lambda: len(bank.asked) > 5)
        meanwhile = await quote(store, KZT)
        await until(lambda: quote(store, KZT))
        now = await quote(store, KZT)

    assert meanwhile is None
    assert now
    assert now.change
    assert await redis.xlen("{ticker}:stream") == 1


async def test_a_source_of_crosses_is_asked_for_each_currency_that_is_needed_and_for_three_at_least(
    store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with polling(store, bank, clock, "cbr"):
        await filled(caplog)
        await until(lambda: knows(store, 8))

    ends = (date(2026, 5, 12) - MARGIN, FRIDAY)
    assert bank.asked_for() == [("R01370", *ends), ("R01235", *ends), ("R01035", *ends)]
    fixings = await store.fixings([KGS], source="cbr")
    assert {len(each.legs) for each in fixings} == {2}
    thursday = next(each for each in fixings if each.day == FRIDAY - ONE_DAY)
    assert thursday.legs[1].value == Decimal(figure(thursday.day, "81.05"))


async def test_a_bank_without_a_history_is_asked_for_every_day_newest_first(
    store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    class Carrying(Bank):
        """NBK: on Sunday and Monday it repeats Saturday's."""

        def answer(self, request: web.Request, what: Any) -> web.StreamResponse:
            back = {6: 1, 0: 2}.get(what.weekday(), 0)
            told = nbk_table(what - back * ONE_DAY).replace(
                f"{what - back * ONE_DAY:%d.%m.%Y}".encode(), f"{what:%d.%m.%Y}".encode()
            )
            return web.Response(body=told)

    bank.__class__ = Carrying
    async with polling(store, bank, clock, "nbk"):
        await filled(caplog)
        await until(lambda: knows(store, 9, KZT))

    assert bank.asked_for() == days(date(2026, 5, 12), FRIDAY)[::-1]
    assert await known(store, KZT) == on_work_days(*days(date(2026, 5, 12), FRIDAY))


async def test_an_older_table_for_a_day_is_that_of_the_days_between_which_are_not_asked_for(
    store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    bank.closed = frozenset(day for day in days(date(2026, 4, 1), FRIDAY) if not on_work_days(day))
    async with polling(store, bank, clock, "cbu", backfill_days=45):
        await filled(caplog)
        await until(lambda: knows(store, 30, UZS))
    count = len(bank.asked)
    async with polling(store, bank, clock, "cbu", backfill_days=45):
        await until(lambda: len(bank.asked) > count)
        await asyncio.sleep(0.1)

    # Monday's answer is Saturday's table.
    span = days(FRIDAY - 45 * ONE_DAY, FRIDAY)
    asked = [day for day in span if day.weekday() not in (5, 6)]
    assert bank.asked_for()[:count] == asked[::-1]
    assert await known(store, UZS) == on_work_days(*span)
    assert len(bank.asked) == count + 1


async def test_nothing_is_asked_for_where_no_history_is_wanted_or_needed(
    store: Store, bank: Bank, clock: Clock
) -> None:
    async with polling(store, bank, clock, backfill_days=0):
        await until(lambda: polled(store))
        await asyncio.sleep(0.1)
    # The Bank of Russia can say the som too, but the tenge is all that is served.
    async with polling(store, bank, clock, "nbk", "nbkr", backfill_days=1):
        await until(lambda: polled(store))
        await asyncio.sleep(0.1)

    assert [what for what in bank.asked_for() if isinstance(what, tuple)] == []


async def test_years_are_asked_for_in_ranges_that_a_source_answers(
    store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    # A table a month is enough here.
    bank.closed = frozenset(day for day in days(date(2023, 1, 1), FRIDAY) if day.day != FRIDAY.day)
    async with polling(store, bank, clock, backfill_days=1000):
        await filled(caplog)

    ranges: Any = bank.asked_for()[::3]
    assert bank.asked_for() == [each for each in ranges for _ in range(3)]
    assert len(ranges) == 4
    assert all(0 < (last - first).days < backfill.LONGEST_DAYS for first, last in ranges)
    assert all(later[0] + MARGIN == earlier[1] + ONE_DAY for later, earlier in pairwise(ranges))
    assert ranges[0][1] == FRIDAY
    assert ranges[-1][0] + MARGIN == FRIDAY - 1000 * ONE_DAY


# Only what is unknown.


async def test_a_restart_asks_for_nothing_that_is_known(
    store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with polling(store, bank, clock):
        await filled(caplog)
    count = len(bank.asked)

    async with polling(store, bank, clock):
        await until(lambda: len(bank.asked) > count)
        await asyncio.sleep(0.1)

    assert bank.asked_for(count) == []


@pytest.mark.parametrize("key", ["nbkr", "nbk", "cbu"])
async def test_a_day_without_a_table_is_never_asked_for_again(
    key: str,
    store: Store,
    bank: Bank,
    clock: Clock,
    scheduled: Scheduled,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # A holiday that no calendar knows: a range goes without it, NBK has no rates, CBU tells the day before.
    bank.closed = frozenset({date(2026, 5, 20)})
    async with polling(store, bank, clock, key):
        await filled(caplog)
        await until(lambda: is_none(store, date(2026, 5, 20)))
        count = len(bank.asked)
        scheduled.poll_now(key)
        await until(lambda: len(bank.asked) > count)
        await asyncio.sleep(0.1)
    async with polling(store, bank, clock, key):
        await until(lambda: len(bank.asked) > count + 1)
        await asyncio.sleep(0.1)

    # Only today's table, twice.
    assert len(bank.asked) == count + 2
    assert set(bank.asked_for(count)) <= {FRIDAY}
    assert said(caplog, "received days: ") == [f"{key}: history: received days: 10 of 10"]


async def is_none(store: Store, day: date) -> bool:
    """Whether the ledger says that there is no table for a day."""
    events = [entry.event for entry in await store.ledger()]
    return any(isinstance(each, Empty) and each.first <= day <= each.last for each in events)


@pytest.mark.parametrize("key", ["nbk", "cbu"])
async def test_a_day_whose_table_is_not_out_yet_is_left_to_the_polls(
    key: str, store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    bank.closed = frozenset({FRIDAY + ONE_DAY})
    clock.at += ONE_DAY  # to Saturday
    async with polling(store, bank, clock, key):
        await filled(caplog)
        await until(lambda: told_gaps(store, 0, key))

    assert bank.asked_for().count(FRIDAY + ONE_DAY) == 1


async def test_a_day_that_can_not_be_had_is_asked_for_again_until_it_is_given_up(
    store: Store,
    bank: Bank,
    clock: Clock,
    scheduled: Scheduled,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bank.failing[date(2026, 5, 20)] = 9
    async with polling(store, bank, clock, "nbk"):
        await until(lambda: said(caplog, "the history has gaps"))
        await until(lambda: told_gaps(store, 1))
        count = len(bank.asked)
        scheduled.poll_now("nbk")
        await until(lambda: len(bank.asked) == count + 2)
        asked = set(bank.asked_for(count))
        monkeypatch.setattr(history, "GIVE_UP", timedelta(0))
        scheduled.poll_now("nbk")
        await until(lambda: told_gaps(store, 0))
        count = len(bank.asked)
        scheduled.poll_now("nbk")
        await until(lambda: len(bank.asked) == count + 1)
        await asyncio.sleep(0.1)
        given_up, warnings = bank.asked_for(count), said(caplog, "the history has gaps")
        monkeypatch.setattr(history, "ASK_AGAIN", timedelta(0))
        scheduled.poll_now("nbk")
        await until(lambda: bank.asked_for(count).count(date(2026, 5, 20)))

    assert asked == {FRIDAY, date(2026, 5, 20)}
    assert given_up == [FRIDAY]
    assert len(warnings) == 1


async def told_gaps(store: Store, count: int, key: str = "nbk") -> bool:
    told = await outcome(store, key)
    return told.gaps == count and told.succeeded_at is not None


async def test_a_gap_after_an_outage_is_filled(
    store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with polling(store, bank, clock):
        await filled(caplog)
    count = len(bank.asked)
    later = date(2026, 6, 2)  # a Tuesday
    bank.newest, bank.closed = (
        later,
        frozenset(each for each in days(FRIDAY, later) if not on_work_days(each)),
    )
    clock.go_to(later)

    async with polling(store, bank, clock):
        await filled(caplog, 2)
        await until(lambda: knows(store, 15))

    assert bank.asked_for(count) == [(FRIDAY + ONE_DAY - MARGIN, later)] * 3
    assert set(on_work_days(*days(FRIDAY + ONE_DAY, later - ONE_DAY))) <= set(await known(store))
    now = await quote(store)
    assert now
    assert now.as_of == later
    before = Decimal(figure(date(2026, 5, 30), "87.45"))  # a Saturday
    assert now.previous == pytest.approx(1 / before)


# Politeness.


async def test_requests_are_paced_over_one_connection(
    store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with polling(store, bank, clock, "nbk", pause_seconds=0.05):
        await filled(caplog)

    gaps = [later - earlier for earlier, later in pairwise(bank.times[1:])]
    assert len(gaps) == 9
    assert min(gaps) >= 0.05
    assert len(bank.connections) == 1


async def test_an_end_in_the_middle_is_soon_and_the_next_start_goes_on(
    store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    bank.held = {FRIDAY - 12 * ONE_DAY: asyncio.Event()}
    async with polling(store, bank, clock, "nbk", backfill_days=30):
        await until(lambda: wrote(store, 10))
    bank.held.clear()
    before, count = await said_days(store), len(bank.asked)
    ended_early = not said(caplog, "received days: ")

    async with polling(store, bank, clock, "nbk", backfill_days=30):
        await filled(caplog)

    asked: Any = bank.asked_for(count + 1)
    assert ended_early
    assert asked
    assert before.isdisjoint(asked)


async def said_days(store: Store) -> set[date]:
    """The days of which a table is in the ledger."""
    events = [entry.event for entry in await store.ledger()]
    return {each.table.day for each in events if isinstance(each, Said)}


async def wrote(store: Store, count: int) -> bool:
    return len(await said_days(store)) >= count


async def test_the_progress_is_told_meanwhile(store: Store, bank: Bank, clock: Clock) -> None:
    fourth, last = asyncio.Event(), asyncio.Event()
    bank.held = {FRIDAY - 4 * ONE_DAY: fourth, FRIDAY - 10 * ONE_DAY: last}

    async with polling(store, bank, clock, "nbk"):
        await until(lambda: progress_is(store, "3 of 10 requests"))
        fourth.set()
        await until(lambda: progress_is(store, "9 of 10 requests"))
        last.set()
        await until(lambda: progress_is(store, ""))


async def progress_is(store: Store, words: str) -> bool:
    return (await outcome(store, "nbk")).history == words


async def test_a_poll_that_is_under_way_when_a_new_loop_begins_does_not_take_its_history_away(
    store: Store, bank: Bank, clock: Clock, scheduled: Scheduled, caplog: pytest.LogCaptureFixture
) -> None:
    answered, told = asyncio.Event(), asyncio.Event()
    async with polling(store, bank, clock) as poller:
        await filled(caplog)
        bank.held = {"newest": answered, (date(2026, 5, 12) - MARGIN, FRIDAY): told}
        count = len(bank.asked)
        scheduled.poll_now()
        await until(lambda: len(bank.asked) > count)
        again = asyncio.create_task(poller.begin_again())
        await asyncio.sleep(0)
        answered.set()
        await until(lambda: len(bank.asked) > count + 2)
        await asyncio.sleep(0.1)
        is_early = again.done()
        told.set()
        await again

    assert not is_early


# Failures.


async def test_a_history_that_fails_is_no_failure_of_the_source_and_is_said_once(
    store: Store, bank: Bank, clock: Clock, scheduled: Scheduled, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = (date(2026, 5, 12) - MARGIN, FRIDAY)
    bank.failing[wanted] = 2
    async with polling(store, bank, clock):
        await until(lambda: said(caplog, "the history has gaps"))
        await until(lambda: polled(store))
        told, now = await outcome(store), await quote(store)
        scheduled.poll_now()
        await until(lambda: not bank.failing[wanted])
        await asyncio.sleep(0.1)
        warnings = said(caplog, "the history has gaps")
        scheduled.poll_now()
        await filled(caplog)

    assert warnings == ["nbkr: the history has gaps, the next poll continues: answered 503"]
    assert (told.status, told.error) == ("ok", "")
    assert now
    assert (now.as_of, now.status, now.change) == (FRIDAY, "live", None)
    assert len(said(caplog, "unknown days since")) == 1
    assert len(await known(store)) > 8


async def test_a_pass_that_breaks_off_keeps_what_it_was_told(
    store: Store, bank: Bank, clock: Clock, scheduled: Scheduled, caplog: pytest.LogCaptureFixture
) -> None:
    bank.failing[date(2026, 5, 15)] = 1  # the sixth of eight
    async with polling(store, bank, clock, "nbk"):
        await until(lambda: said(caplog, "the history has gaps"))
        count = len(bank.asked)
        scheduled.poll_now("nbk")
        await filled(caplog)

    # The days before it were asked for all the same.
    assert bank.asked_for(count + 1) == [date(2026, 5, 15)]


async def test_a_past_day_that_is_answered_with_todays_table_is_not_learned(
    store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    class Lying(Bank):
        def answer(self, request: web.Request, what: Any) -> web.StreamResponse:
            if what < date(2026, 5, 20):
                body = nbk_table(FRIDAY).replace(b"22.05.2026", f"{what:%d.%m.%Y}".encode())
                return web.Response(body=body)
            return super().answer(request, what)

    bank.__class__ = Lying
    async with polling(store, bank, clock, "nbk"):
        await filled(caplog)
        await until(lambda: knows(store, 3, KZT))

    assert await known(store, KZT) == [date(2026, 5, 20), date(2026, 5, 21), FRIDAY]


async def test_a_later_day_than_the_one_asked_for_is_not_learned(
    store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    class Today(Bank):
        def answer(self, request: web.Request, what: Any) -> web.StreamResponse:
            return super().answer(request, FRIDAY)

    bank.__class__ = Today
    async with polling(store, bank, clock, "nbk"):
        await until(lambda: said(caplog, "the history has gaps"))

    assert await known(store, KZT) == [FRIDAY]
    # After three answers in a row that are none it is left alone.
    assert bank.asked_for() == [FRIDAY, FRIDAY - ONE_DAY, FRIDAY - 2 * ONE_DAY, FRIDAY - 3 * ONE_DAY]


# By order of an operator.


async def decided(store: Store, subject: str) -> Done:
    number = await store.order("backfill", subject, "aigul@desk")
    await until(lambda: store.answered(number))
    done = await store.answered(number)
    assert done
    return done


async def test_an_operator_has_more_days_filled(
    store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with polling(store, bank, clock, "nbkr"):
        await filled(caplog)
        done = await decided(store, "60")
        await filled(caplog, 2)
        await until(lambda: knows(store, 30))

    assert done == Done("asks nbkr for 60 days; /v1/sources shows the progress", done=True)
    assert min(await known(store)) == FRIDAY - 60 * ONE_DAY


async def test_an_operator_has_the_days_asked_for_again_that_were_given_up(
    store: Store,
    bank: Bank,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(history, "GIVE_UP", timedelta(seconds=-1))
    bank.failing[date(2026, 5, 20)] = 1
    async with polling(store, bank, clock, "cbu"):
        await until(lambda: said(caplog, "the history has gaps"))
        before = await known(store, UZS)
        await decided(store, "10")
        await until(lambda: knows(store, 11, UZS))

    assert date(2026, 5, 20) not in before
    assert date(2026, 5, 20) in await known(store, UZS)


async def test_an_operator_may_fill_the_histories_where_no_start_does(
    store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with polling(store, bank, clock, backfill_days=0):
        await until(lambda: polled(store))
        done = await decided(store, "10")
        await filled(caplog)

    assert done.done


async def test_an_order_that_comes_while_a_history_is_being_filled_is_not_lost(
    store: Store, bank: Bank, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    moment = asyncio.Event()
    bank.held = {FRIDAY - 4 * ONE_DAY: moment}
    async with polling(store, bank, clock, "nbk"):
        await until(lambda: len(bank.asked) > 3)
        done = await decided(store, "40")
        assert said(caplog, "received days: ") == []
        moment.set()
        await until(lambda: knows(store, 20, KZT))

    assert done.done


async def test_an_order_that_breaks_off_goes_on_with_the_next_poll(
    store: Store, bank: Bank, clock: Clock, scheduled: Scheduled, caplog: pytest.LogCaptureFixture
) -> None:
    async with polling(store, bank, clock, "nbk"):
        await filled(caplog)
        bank.failing[date(2026, 5, 6)] = 1
        await decided(store, "40")
        await until(lambda: said(caplog, "the history has gaps"))
        scheduled.poll_now("nbk")
        await until(lambda: knows(store, 20, KZT))


async def test_all_histories_are_filled_and_published_where_no_service_runs(
    store: Store, redis: Redis, bank: Bank, clock: Clock
) -> None:
    sources = [SOURCES["nbkr"]]
    settings = Settings(
        symbols=(KGS,),
        history=HistorySettings(pause_seconds=0),
        sources={"nbkr": SourceSettings(base_url=bank.url)},
    )
    poller = Poller(
        sources,
        settings,
        store,
        new_desk=lambda: proven_desk(settings, sources),
        clock=clock,
        owner="one",
        alone=False,
    )

    words = await poller.fill(40)

    assert words == f"publications that are known now: nbkr {len(await known(store))}"
    assert len(await known(store)) > 12
    assert await quote(store)
    assert not await redis.exists("{ticker}:leader")


# One pass, without a poller.


@dataclass
class Shelves:
    """An archive that is asked day by day: what it answers, and what was asked."""

    answers: Callable[[date], tuple[Rate, ...]]
    asked: list[date] = field(default_factory=list)

    async def table(self, source: Source, *, day: date, today: date) -> Answer:
        self.asked.append(day)
        return Answer(rates=self.answers(day), url="", body=str(day).encode(), address="")

    def archive(self, progress: Callable[[int, int], None] = lambda done, of: None) -> Archive:
        fetcher: Any = self
        return Archive(
            source=SOURCES["nbk"], fetcher=fetcher, today=FRIDAY, pause_seconds=0, progress=progress
        )


def rate(day: date) -> tuple[Rate, ...]:
    return (Rate(source="nbk", pair=Pair("USD", "KZT"), value=Decimal(475), nominal=1, as_of=day),)


def told_days(batches: Iterable[Told]) -> list[date]:
    return [table.day for told in batches for table in told.tables]


NEWEST_FIRST = [FRIDAY - ONE_DAY * back for back in range(40)]


async def test_every_day_is_told_as_soon_as_it_is_answered() -> None:
    progress: list[tuple[int, int]] = []
    shelves = Shelves(rate)

    seen = [
        (told, len(shelves.asked))
        async for told in shelves.archive(lambda *step: progress.append(step)).ask(NEWEST_FIRST[:21], ())
    ]

    assert shelves.asked == told_days(told for told, _ in seen) == NEWEST_FIRST[:21]
    assert [count for _, count in seen] == list(range(1, 22))
    assert progress == [(count, 21) for count in range(1, 22)]
    assert {told.asked for told, _ in seen} == {(day,) for day in NEWEST_FIRST[:21]}
    assert seen[0][0].document == hashlib.sha256(str(FRIDAY).encode()).hexdigest()


async def test_an_older_table_is_told_with_the_days_that_have_none() -> None:
    shelves = Shelves(lambda day: rate(min(day, date(2026, 5, 16))))

    batches = [told async for told in shelves.archive().ask(NEWEST_FIRST[:10], ())]

    assert shelves.asked == [FRIDAY, date(2026, 5, 15), date(2026, 5, 14), date(2026, 5, 13)]
    assert batches[0].empty == (Span(first=date(2026, 5, 17), last=FRIDAY),)
    assert told_days(batches) == [date(2026, 5, 16), *shelves.asked[1:]]


async def test_where_an_archive_begins_the_days_before_are_not_asked_for() -> None:
    def answers(day: date) -> tuple[Rate, ...]:
        if day < FRIDAY - 4 * ONE_DAY:
            raise NotThere("answered 404")
        return rate(day)

    shelves = Shelves(answers)

    batches = [told async for told in shelves.archive().ask(NEWEST_FIRST, ())]

    assert len(shelves.asked) == 5 + backfill.MOST_ABSENT
    assert told_days(batches) == NEWEST_FIRST[:5]
    assert [told.empty for told in batches[5:]] == [
        (Span(first=day, last=day),) for day in NEWEST_FIRST[5 : 5 + backfill.MOST_ABSENT]
    ]


async def test_a_few_days_that_are_no_table_do_not_end_a_pass() -> None:
    def answers(day: date) -> tuple[Rate, ...]:
        if day.weekday() in (1, 2):
            raise MalformedFeed("nbk: no USD in a table of 0")
        return rate(day)

    shelves = Shelves(answers)

    told: list[Told] = []
    with suppress(MalformedFeed):
        async for batch in shelves.archive().ask(NEWEST_FIRST[:14], ()):
            told.append(batch)
        pytest.fail("the pass ended as if nothing was missing")

    failed = {day for day in NEWEST_FIRST[:14] if day.weekday() in (1, 2)}
    assert shelves.asked == NEWEST_FIRST[:14]
    assert {day for batch in told for day in batch.failed} == failed
    assert set(told_days(told)) == set(NEWEST_FIRST[:14]) - failed


async def test_refusals_in_a_row_end_a_pass_after_what_was_told() -> None:
    def answers(day: date) -> tuple[Rate, ...]:
        if day <= NEWEST_FIRST[3]:
            raise Refused("answered 403")
        return rate(day)

    shelves = Shelves(answers)
    told: list[Told] = []

    with suppress(Refused):
        async for batch in shelves.archive().ask(NEWEST_FIRST, ()):
            told.append(batch)

    assert shelves.asked == NEWEST_FIRST[: 3 + backfill.MOST_FAILURES]
    assert told_days(told) == NEWEST_FIRST[:3]


@asynccontextmanager
async def asking(bank: Bank, key: str) -> AsyncIterator[Archive]:
    """A pass over real requests."""
    async with session(PollSettings()) as client:
        yield Archive(
            source=SOURCES[key],
            fetcher=Fetcher(client, Settings(sources={key: SourceSettings(base_url=bank.url)})),
            today=FRIDAY,
            pause_seconds=0,
            progress=lambda done, of: None,
        )


async def test_a_history_is_asked_for_what_it_has_only(bank: Bank) -> None:
    # NBKR's numbers of other currencies than three are not known to us.
    async with asking(bank, "nbkr") as archive:
        batches = [told async for told in archive.ask([FRIDAY], {"USD", "KGS", "CNY"})]

    assert [request.query["valuta_id"] for request in bank.asked] == ["15", "20", "40"]
    assert bank.asked_for() == [(FRIDAY - MARGIN, FRIDAY)] * 3
    assert [told.asked for told in batches] == [(FRIDAY,)]


async def test_the_tables_of_a_range_have_all_its_currencies_and_the_days_between_are_none(
    bank: Bank,
) -> None:
    monday = date(2026, 5, 18)
    bank.closed = frozenset({monday - ONE_DAY, monday})
    asked = days(date(2026, 5, 15), FRIDAY)[::-1]

    async with asking(bank, "nbkr") as archive:
        [told] = [told async for told in archive.ask(asked, {"USD", "KGS"})]

    assert told.asked == tuple(asked)
    assert {len(table.figures) for table in told.tables} == {3}
    assert told_days([told]) == [day for day in days(date(2026, 5, 15), FRIDAY) if day not in bank.closed]
    assert told.empty == (Span(first=monday - ONE_DAY, last=monday),)
    assert told.document.split() == [hashlib.sha256(each.body).hexdigest() for each in told.answers]


async def test_what_is_before_the_first_row_of_a_range_or_after_its_last_stays_unknown(bank: Bank) -> None:
    bank.closed = frozenset([*days(date(2026, 3, 1), date(2026, 5, 18)), FRIDAY])

    async with asking(bank, "nbkr") as archive:
        [told] = [told async for told in archive.ask(NEWEST_FIRST[:10], {"USD", "KGS"})]

    assert set(told_days([told])) == {date(2026, 5, 19), date(2026, 5, 20), date(2026, 5, 21)}
    assert told.empty == ()
