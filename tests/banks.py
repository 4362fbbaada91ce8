"""Banks on loopback that answer what a test says, and a poller that asks them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web
from desks import proven_desk
from redis.asyncio import Redis
from stage import LONG, PATIENCE, answer, outcome, quote, site, until

from ticker.config import HistorySettings, PollSettings, RedisSettings, Settings, SourceSettings
from ticker.poll import Poller
from ticker.rates.desk import Desk
from ticker.rates.model import Cursor, Pair
from ticker.rates.source import Source
from ticker.sources import SOURCES
from ticker.store import Batch, Publication, Store

KGS = Pair.parse("KGS")
PAYLOADS = Path(__file__).parent / "payloads"
NBKR = (PAYLOADS / "nbkr" / "daily_2026-05-24.xml").read_bytes()
TUESDAY = date(2026, 5, 19)

OFTEN: Any = 0.05
"""Seconds between two polls; a configuration can't say less than 1, a source can."""
SELDOM = 3600
LONG_LEASE = RedisSettings(lease_seconds=LONG)
LEASE, SHORT_LEASE = (RedisSettings.model_construct(lease_seconds=seconds) for seconds in (2, 1))
"""Shorter than a configuration may have them: a poller looks for orders three times in one."""

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def day(number: int) -> date:
    """The `number`th day of the story, which begins on a Tuesday."""
    return TUESDAY + timedelta(days=number)


def table(as_of: date, usd: str = "") -> bytes:
    """NBKR's recorded file with another date and another figure of the dollar: every day one of its own."""
    usd = usd or f"87,{45 + (as_of - TUESDAY).days}00"
    return NBKR.replace(b"24.05.2026", f"{as_of:%d.%m.%Y}".encode()).replace(b"87,4500", usd.encode())


def devalued(as_of: date, usd: str = "95,0000") -> bytes:
    """A day on which the som fell by 8.6 % against every currency."""
    moved = table(as_of, usd)
    for old, new in ((b"101,5076", b"110,2600"), (b"0,1859", b"0,2019"), (b"1,2263", b"1,3320")):
        moved = moved.replace(old, new)
    return moved


def tagged(body: bytes, tag: str = '"1"') -> Answer:
    """An answer that is 304 for those who have it."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304)
        return web.Response(body=body, headers={"ETag": tag})

    return handle


def late(seconds: float, then: Answer) -> Answer:
    async def handle(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await then(request)

    return handle


def after(moment: asyncio.Event, then: Answer) -> Answer:
    """An answer that waits for what a test does."""

    async def handle(request: web.Request) -> web.StreamResponse:
        await moment.wait()
        return await then(request)

    return handle


def on(number: int, clock: Clock, body: bytes) -> Answer:
    """A table that comes on the `number`th day: no answer to an earlier request is heard after midnight."""

    async def handle(request: web.Request) -> web.StreamResponse:
        clock.go_to(number)
        return web.Response(body=body)

    return handle


@dataclass
class Bank:
    """A bank whose answer is what the test last said; it remembers who asked what."""

    answer: Answer = field(default_factory=lambda: answer(table(day(0))))
    url: str = ""
    asked: list[web.Request] = field(default_factory=list)
    at_once: int = 0
    """Requests under way."""
    most_at_once: int = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self.answer(request)
        finally:
            self.at_once -= 1

    async def asked_again(self, times: int = 2) -> None:
        """Wait until so many more requests have come, all but the last of them answered for sure."""
        count = len(self.asked) + times
        await until(lambda: len(self.asked) >= count)


@asynccontextmanager
async def open_bank() -> AsyncIterator[Bank]:
    bank = Bank()
    async with site(bank.handle) as bank.url:
        yield bank


@dataclass
class Clock:
    """The desk's time, which stands still until the test moves it; it begins at noon in Bishkek."""

    at: datetime = datetime(2026, 5, 19, 6, tzinfo=UTC)

    speed = 1.0

    def now(self) -> datetime:
        return self.at

    def elapsed(self) -> float:
        return self.at.timestamp()

    def go_to(self, number: int) -> None:
        """Make it the `number`th day's first half hour in Bishkek: its rate holds, and is not late yet."""
        self.at = datetime.combine(day(number), time(0, 30), ZoneInfo("Asia/Bishkek"))


def nbkr(interval_seconds: int = OFTEN, **others: Any) -> Source:
    return replace(SOURCES["nbkr"], interval_seconds=interval_seconds, **others)


def asking(timeout_seconds: float = PATIENCE) -> PollSettings:
    """How a poller asks: it takes small answers only, and after a failure no second attempt is made."""
    return PollSettings(timeout_seconds=timeout_seconds, max_body_bytes=4000, retry_min_seconds=SELDOM)


@asynccontextmanager
async def polling(
    store: Store,
    bank: Bank,
    clock: Clock,
    *sources: Source,
    owner: str = "one",
    alone: bool = True,
    desk: Callable[[Settings, Sequence[Source]], Desk] = proven_desk,
    **changes: Any,
) -> AsyncIterator[Poller]:
    """A poller that runs, its every source at `bank`; if none is named, NBKR's, asked often."""
    sources = sources or (nbkr(),)
    settings = Settings(
        symbols=(Pair.parse(sources[0].authority_for or "KGS"),),
        poll=asking(),
        redis=LEASE,
        history=HistorySettings(backfill_days=0),
        sources={source.key: SourceSettings(base_url=bank.url) for source in sources},
    ).model_copy(update=changes)
    poller = Poller(
        sources,
        settings,
        store,
        new_desk=lambda: desk(settings, sources),
        clock=clock,
        owner=owner,
        alone=alone,
    )
    running = asyncio.create_task(poller.run())
    try:
        yield poller
    finally:
        running.cancel()
        await ended(running)


async def ended(running: asyncio.Task[None]) -> None:
    """See the poller end by its cancellation, with nothing left behind."""
    await asyncio.wait({running}, timeout=PATIENCE)
    assert running.cancelled() or (running.done() and not running.result())
    assert not [task for task in asyncio.all_tasks() if "run_coroutine_job" in repr(task)]


async def shown(store: Store, as_of: date, symbol: Pair = KGS) -> bool:
    return (now := await quote(store, symbol)) is not None and now.as_of == as_of


async def announced(store: Store, symbol: Pair, as_of: date) -> bool:
    now = await quote(store, symbol)
    return now is not None and now.next is not None and now.next.as_of == as_of


async def is_now(store: Store, status: str) -> bool:
    now = await quote(store)
    return now is not None and now.status == status


async def holds(store: Store) -> bool:
    return bool((await outcome(store)).held)


async def publications(redis: Redis) -> int:
    return int(await redis.xlen("{ticker}:stream"))


async def publications_are(redis: Redis, count: int) -> bool:
    return await publications(redis) == count


class Partitioned(Store):
    """A Redis that this process can't reach while the test says so."""

    cut_off = False
    loses_the_next_reply = False
    """Whether the next quotes arrive, and then nothing comes back."""
    calls = 0

    async def write(self, batch: Batch, **others: Any) -> Cursor:
        loses_the_reply = self.loses_the_next_reply and bool(batch.quotes)
        cursor = await super().write(batch, **others)
        if loses_the_reply:
            self.cut_off, self.loses_the_next_reply = True, False
        self._reach()
        return cursor

    async def renew(self, lease: str, *, seconds: int, **others: Any) -> Cursor:
        self.calls += 1
        self._reach()
        return await super().renew(lease, seconds=seconds, **others)

    async def acquire(self, owner: str, **others: Any) -> str | None:
        self.calls += 1
        self._reach()
        return await super().acquire(owner, **others)

    async def last_event(self) -> int:
        self._reach()
        return await super().last_event()

    def _reach(self) -> None:
        if self.cut_off:
            raise ConnectionError("cut off")


def open_store(url: str) -> Store:
    return Store(url, prefix="{ticker}:", stream_length=100, history_days=30, keeps=True)


async def everything(store: Store) -> list[Publication]:
    """All that is in the stream."""
    last = (await store.snapshot()).cursor
    entries = []
    async for entry in store.follow(Cursor(0, 0)):
        entries.append(entry)
        if entry.cursor == last:
            break
    return entries
