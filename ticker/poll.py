"""
The scheduler's jobs: fetch -> parse -> board -> store, and each source's health.

Polls only put what the board says into an outbox; one writer carries the outbox to Redis and holds
the lease. So a Redis that is away delays a publication and never loses it, and a publication that
was cancelled half way is simply made again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import re
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from yarl import URL

from ticker import __version__, wire
from ticker.board import Board
from ticker.config import PollSettings, Settings
from ticker.model import NOWHERE, Cursor, Fixing, Pair, Quote, Rate
from ticker.source import MalformedFeed, Outcome, Source
from ticker.store import UNAVAILABLE, Behind, LeaseLost, Store

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]

DRAIN_SECONDS = 0.3
"""How long a shutdown waits for polls that are under way."""
LEAVE_SECONDS = 0.3
"""How long it waits for Redis to take what they brought."""
AGAIN_SECONDS = 0.3
"""Between two tries to get the lease, or to reach Redis."""
FURTHEST = timedelta(days=10)
"""No bank sets a rate further ahead: the longest closure is Russia's, 31 December to 9 January."""


class Refused(Exception):
    """The source answered, but not with a table: `answered 403`."""


FORESEEN = (aiohttp.ClientError, OSError, TimeoutError, MalformedFeed, Refused)
"""How a source fails; anything else is a fault of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """A table, with what makes the next request ask only for what is new."""

    rates: tuple[Rate, ...]
    url: str
    etag: str
    modified: str

    @property
    def as_of(self) -> str:
        """The newest day of validity in the table."""
        return max(rate.day for rate in self.rates).isoformat()

    def conditions(self, url: str) -> dict[str, str]:
        """The headers of a conditional request; none for another address."""
        if url != self.url:
            return {}
        conditions = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in conditions.items() if value}


@dataclass(slots=True)
class _State:
    """What the poller remembers of a source between two polls."""

    outcome: Outcome
    last: _Answer | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class Outbox:
    """What the board said and Redis has not yet: per symbol and day the newest, so it can't grow."""

    quotes: dict[Pair, Quote] = field(default_factory=dict)
    fixings: dict[tuple[str, Pair, date], Fixing] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    mode: Literal["changes", "everything", "reset"] = "changes"

    def put(self, quotes: Iterable[Quote], fixings: Iterable[Fixing]) -> None:
        self.quotes.update((quote.symbol, quote) for quote in quotes)
        self.fixings.update(((each.source, each.symbol, each.day), each) for each in fixings)

    async def publish(self, store: Store, *, lease: str, seen: Cursor) -> Cursor:
        """Carry quotes and fixings to Redis; what came in meanwhile stays. Returns the last cursor."""
        quotes, fixings = dict(self.quotes), dict(self.fixings)
        if not quotes and not fixings:
            return seen
        cursor = await store.publish(
            tuple(quotes.values()),
            tuple(fixings.values()),
            lease=lease,
            seen=seen,
            now_ms=_now_ms(),
            mode=self.mode,
        )
        _settle(self.quotes, quotes)
        _settle(self.fixings, fixings)
        self.mode = "changes"
        for quote in quotes.values() if cursor != seen else ():
            log.info(
                "%s = %s as of %s (%s)", quote.symbol, wire.plain(quote.price), quote.as_of, quote.source
            )
        return cursor

    async def record(self, store: Store) -> None:
        """Carry the sources' outcomes to Redis."""
        for key, outcome in list(self.outcomes.items()):
            await store.record(outcome)
            _settle(self.outcomes, {key: outcome})


def _settle(pending: dict[Any, Any], done: dict[Any, Any]) -> None:
    for key, item in done.items():
        if pending.get(key) is item:
            del pending[key]


class Poller:
    """
    Polls the sources while it holds the lease; else stands by.

    `clock` is the board's time, injected; the schedule and the outcomes live in real time.
    `new_board` makes an empty board.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        settings: Settings,
        store: Store,
        *,
        new_board: Callable[[], Board],
        clock: Clock,
        owner: str,
        alone: bool,
    ) -> None:
        self._sources = sources
        self._settings = settings
        self._store = store
        self._new_board = new_board
        self._clock = clock
        self._owner = owner
        self._alone = alone
        self._board = new_board()
        self._states = {source.key: _State(Outcome(source=source.key)) for source in sources}
        self._outbox = Outbox()
        self._seen = NOWHERE
        self._news = asyncio.Event()
        self._polls: set[asyncio.Task[object]] = set()
        self._away = False
        self._beginning = False

    async def run(self) -> None:
        """Poll and publish until cancelled; then end the polls under way and give the lease back."""
        async with _session(self._settings.poll) as session:
            while True:
                lease = await self._elected()
                try:
                    async with self._polling(session):
                        await self._keep(lease)
                except LeaseLost:
                    log.warning("poller: the lease was lost")
                finally:
                    await self._leave(lease)

    async def begin_again(self) -> None:
        """Forget every rate and open a new epoch with the first tables of every source."""
        self._board, self._beginning = self._new_board(), True
        self._outbox = Outbox(mode="reset", outcomes=self._outbox.outcomes)
        async with _session(self._settings.poll) as session:
            await asyncio.gather(*(self._first_poll(session, source) for source in self._sources))
        self._beginning = False
        self._say(self._board.quotes.values(), self._board.fixings())

    async def _first_poll(self, session: aiohttp.ClientSession, source: Source) -> None:
        """Ask once a poll that is under way, still for the old board, has ended."""
        state = self._states[source.key]
        async with state.lock:
            state.last = None
            await self._ask(session, source)

    # The lease and the writer.

    async def _elected(self) -> str:
        """Wait for the lease, then take up what was published before."""
        lease: str | None = None
        standing_by = False
        while True:
            with self._redis_may_be_away():
                lease = lease or await self._acquire()
                if lease:
                    await self._take_up()
                    log.info("poller: polls %d sources", len(self._sources))
                    return lease
                if not standing_by:
                    log.info("poller: another process polls, standing by")
                standing_by = True
            await asyncio.sleep(AGAIN_SECONDS)

    async def _acquire(self) -> str | None:
        seconds = self._settings.redis.lease_seconds
        return await self._store.acquire(self._owner, seconds=seconds, now_ms=_now_ms(), force=self._alone)

    async def _take_up(self) -> None:
        """
        Go on from what Redis holds. What waits in the outbox may be older than that, so the board
        judges anew what is still to be said.
        """
        snapshot = await self._store.snapshot()
        news = snapshot.cursor > self._seen
        fixings = await self._store.fixings(self._settings.symbols) if news else []
        self._seen = max(self._seen, snapshot.cursor)
        if self._outbox.mode == "reset":
            return  # whatever Redis holds is about to be forgotten
        published = {quote.symbol: quote for _, quote in snapshot.rows}
        if news:
            self._board.restore(fixings, published.values())
        self._board.tick(now=self._clock())
        self._outbox.quotes.clear()
        self._say((each for each in self._board.quotes.values() if each != published.get(each.symbol)), ())

    async def _keep(self, lease: str) -> None:
        """Carry news to Redis and keep the lease, until it is lost."""
        seconds = self._settings.redis.lease_seconds
        while True:
            self._news.clear()
            with self._redis_may_be_away():
                last = await self._store.renew(lease, seconds=seconds)
                if last < self._seen:
                    self._heal()
                await self._write(lease)
            if self._away:
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds / 3):
                    await self._news.wait()

    async def _write(self, lease: str) -> None:
        with suppress(Behind):  # lost since the lease was renewed; the next renewal sees it
            self._seen = await self._outbox.publish(self._store, lease=lease, seen=self._seen)
        await self._outbox.record(self._store)

    def _heal(self) -> None:
        """Redis lost what was published (flushed, or restored from an old file): say it all again."""
        if self._outbox.mode == "changes":
            log.warning("redis: the stream ends before %s, publishing everything anew", self._seen)
            self._outbox.mode = "everything"
        self._say(self._board.quotes.values(), self._board.fixings())

    async def _leave(self, lease: str) -> None:
        """Hand over what the last polls brought, and the lease, if Redis takes them at once."""
        with suppress(*UNAVAILABLE, LeaseLost):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._write(lease)
                await self._store.release(lease)

    @contextmanager
    def _redis_may_be_away(self) -> Iterator[None]:
        """Log the first failure and the recovery; between them only try again."""
        try:
            yield
        except UNAVAILABLE as error:
            if not self._away:
                log.error("redis is away, quotes wait in memory: %s", in_words(error))
            self._away = True
        else:
            if self._away:
                log.info("redis is back")
            self._away = False

    def _say(self, quotes: Iterable[Quote], fixings: Iterable[Fixing]) -> None:
        if not self._beginning:
            self._outbox.put(quotes, fixings)
            self._news.set()

    # The schedule.

    @asynccontextmanager
    async def _polling(self, session: aiohttp.ClientSession) -> AsyncIterator[None]:
        scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        scheduler.add_listener(_job_failed, EVENT_JOB_ERROR)
        for source in self._sources:
            self._schedule(scheduler, source, session)
        scheduler.start()
        try:
            yield
        finally:
            # A shutdown cancels coroutine jobs even with wait=True, so the polls are drained first.
            scheduler.pause()
            try:
                await self._polls_end(DRAIN_SECONDS)
            finally:
                scheduler.shutdown(wait=False)
                await self._polls_end(DRAIN_SECONDS)

    async def _polls_end(self, seconds: float) -> None:
        await asyncio.sleep(0)
        if self._polls:
            await asyncio.wait(self._polls, timeout=seconds)

    def _schedule(self, scheduler: AsyncIOScheduler, source: Source, session: aiohttp.ClientSession) -> None:
        interval = self._interval(source)
        hours = CronTrigger(
            minute=source.schedule.minute,
            hour=source.schedule.hour,
            day_of_week=source.schedule.day_of_week,
            timezone=ZoneInfo(source.timezone),
            jitter=60,
        )
        plain = IntervalTrigger(seconds=interval, timezone=UTC, jitter=min(interval // 10, 60) or None)
        args = (scheduler, session, source)
        scheduler.add_job(self._poll, plain, args, id=source.key, next_run_time=datetime.now(UTC))
        scheduler.add_job(self._poll, hours, args, id=f"{source.key}:publishing hours")

    def _interval(self, source: Source) -> int:
        return self._settings.source(source.key).interval_seconds or source.interval_seconds

    async def _poll(
        self, scheduler: AsyncIOScheduler, session: aiohttp.ClientSession, source: Source
    ) -> None:
        """One poll, unless one of this source is under way; a failed one comes back after a while."""
        state = self._states[source.key]
        if state.lock.locked():
            return
        task = asyncio.current_task()
        if task:
            self._polls.add(task)
            task.add_done_callback(self._polls.discard)
        async with state.lock:
            await self._ask(session, source)
            if state.outcome.failures:
                self._retry_later(scheduler, session, source)
            else:
                with suppress(JobLookupError):
                    scheduler.remove_job(f"{source.key}:retry")
            self._note(source, next_poll_at=_next_poll(scheduler, source))

    def _retry_later(
        self, scheduler: AsyncIOScheduler, session: aiohttp.ClientSession, source: Source
    ) -> None:
        failures = self._states[source.key].outcome.failures
        longest = longest_delay(self._settings.poll, failures, interval_seconds=self._interval(source))
        delay = max(0.5, random.uniform(0, longest))  # noqa: S311 - full jitter is no secret
        scheduler.add_job(
            self._poll,
            DateTrigger(datetime.now(UTC) + timedelta(seconds=delay), timezone=UTC),
            (scheduler, session, source),
            id=f"{source.key}:retry",
            replace_existing=True,
        )

    # One poll.

    async def _ask(self, session: aiohttp.ClientSession, source: Source) -> None:
        """Fetch, parse, post; the one place that decides what a failure of a source means."""
        board, started = self._board, datetime.now(UTC)
        before = board.fixings(source.key)
        try:
            answer = await self._fetch(session, source)
            now = self._clock()
            quotes = board.post(answer.rates, now=now) if answer else board.tick(now=now)
        except Exception as error:  # a fault of ours, too, must show up as a source that fails
            self._failed(source, error, started)
            quotes = board.miss(source.key, now=self._clock())
        else:
            self._succeeded(source, answer, started)
        self._say(quotes, board.fixings(source.key) - before)

    async def _fetch(self, session: aiohttp.ClientSession, source: Source) -> _Answer | None:
        """Today's table; None if it is the one that was read last."""
        last = self._states[source.key].last
        today = self._clock().astimezone(ZoneInfo(source.timezone)).date()
        url = rebased(source.address(today), self._settings.source(source.key).base_url)
        conditions = last.conditions(url) if last else {}
        async with session.get(URL(url, encoded=True), headers=conditions, allow_redirects=False) as response:
            if response.status == 304 and conditions:
                return None
            if response.status != 200:
                raise Refused(f"answered {response.status}")
            body = await _body(response, self._settings.poll.max_body_bytes)
        rates = source.parse(body)
        check_dates(source, rates, today)
        check_currency(source, rates)
        etag, modified = (response.headers.get(name, "") for name in ("ETag", "Last-Modified"))
        return _Answer(rates=rates, url=url, etag=etag, modified=modified)

    def _failed(self, source: Source, error: Exception, started: datetime) -> None:
        state = self._states[source.key]
        failures = state.outcome.failures + 1
        self._note(source, checked_at=started, failures=failures, error=in_words(error))
        if failures == 1:
            ours = None if isinstance(error, FORESEEN) else error
            log.warning("%s failed: %s", source.key, state.outcome.fault, exc_info=ours)

    def _succeeded(self, source: Source, answer: _Answer | None, started: datetime) -> None:
        state, now = self._states[source.key], datetime.now(UTC)
        if state.outcome.failures:
            log.info("%s is back after %d failed polls", source.key, state.outcome.failures)
        state.last = answer or state.last
        table = {"as_of": answer.as_of, "etag": answer.etag} if answer else {}
        latency_ms = round((now - started).total_seconds() * 1000)
        self._note(
            source, checked_at=started, succeeded_at=now, failures=0, error="", latency_ms=latency_ms, **table
        )

    def _note(self, source: Source, **facts: object) -> None:
        state = self._states[source.key]
        state.outcome = self._outbox.outcomes[source.key] = state.outcome.model_copy(update=facts)
        self._news.set()


def check_dates(source: Source, rates: Sequence[Rate], today: date) -> None:
    """
    Refuse a table that is dated as no bank dates it: it would stay the newest for ever.

    A source that was asked for a day may answer with an earlier one (it carries forward over
    weekends), never with a later one: NBT answers dates out of its range with today's table.
    """
    if not rates:
        raise MalformedFeed(f"{source.key}: an empty table")
    newest = max(rate.day for rate in rates)
    latest = today if "{day" in source.url else today + FURTHEST
    if newest > latest:
        raise MalformedFeed(f"{source.key}: dated {newest}, but asked on {today}")


def check_currency(source: Source, rates: Sequence[Rate]) -> None:
    """Refuse a table of an authority without its own currency's dollar rate: it answers something else."""
    own = source.authority_for
    if own and not any({rate.pair.base, rate.pair.quote} == {own, "USD"} for rate in rates):
        raise MalformedFeed(f"{source.key}: no {own} for the dollar in a table of {len(rates)}")


def longest_delay(settings: PollSettings, failures: int, *, interval_seconds: int) -> float:
    """The most seconds until a retry: doubled with each failure in a row, never past the plain interval."""
    doubled = settings.retry_min_seconds * 2.0 ** min(failures - 1, 30)
    return min(doubled, settings.retry_max_seconds, interval_seconds)


def rebased(address: str, base_url: str) -> str:
    """The address with scheme, host and port of `base_url`, whose path is put in front of its own."""
    if not base_url:
        return address
    own, base = urlsplit(address), urlsplit(base_url)
    return urlunsplit((base.scheme, base.netloc, base.path.rstrip("/") + own.path, own.query, ""))


def in_words(error: BaseException) -> str:
    """The error in a few words for an operator: `timed out`, `can't connect: ...`, `answered 403`."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"can't connect: {_cause(error.os_error)}"
    text = re.sub(r"\s+", " ", str(error))[:300]
    if isinstance(error, (*FORESEEN, *UNAVAILABLE)):
        return text or type(error).__name__
    return f"{type(error).__name__}: {text}"


def _cause(error: OSError) -> str:
    """The system's own word, `Connection refused`, where asyncio names only the address."""
    if error.errno and not isinstance(error, (socket.gaierror, ssl.SSLError)):
        return os.strerror(error.errno)
    return error.strerror or str(error)


def _next_poll(scheduler: AsyncIOScheduler, source: Source) -> datetime | None:
    jobs = (job for job in scheduler.get_jobs() if job.id.partition(":")[0] == source.key)
    return min((job.next_run_time for job in jobs if job.next_run_time), default=None)


def _job_failed(event: JobExecutionEvent) -> None:
    """Report what even the poll job did not foresee; a poll that was cancelled at the end is no fault."""
    if not isinstance(event.exception, asyncio.CancelledError):
        log.error("poll %s broke: %r\n%s", event.job_id, event.exception, event.traceback)


def _now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def _session(settings: PollSettings) -> aiohttp.ClientSession:
    """The client of all sources: honest about who asks, no cookies, no proxies, no redirects."""
    about = f" (+{settings.project_url})" if settings.project_url else ""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=settings.timeout_seconds),
        headers={"User-Agent": f"currency-ticker/{__version__}{about}", "Accept": "*/*"},
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=aiohttp.TCPConnector(limit_per_host=2, keepalive_timeout=60, resolver=_Resolver()),
    )


class _Resolver(AbstractResolver):
    """
    The system's look-up of names, in a thread that nobody waits for.

    A process joins the loop's own threads at its end, and a name server that does not answer would
    hold up a Ctrl-C for as long as the system tries (those of .tm are silent abroad).
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found: Future[list[tuple[Any, ...]]] = Future()
        found.set_running_or_notify_cancel()

        def look_up() -> None:
            try:
                found.set_result(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM))
            except Exception as error:
                found.set_exception(error)

        threading.Thread(target=look_up, name=f"look up {host}", daemon=True).start()
        numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(
                hostname=host, host=address[0], port=address[1], family=kind, proto=proto, flags=numeric
            )
            for kind, _, proto, _, address in await asyncio.wrap_future(found)
        ]

    async def close(self) -> None:
        """A look-up that is under way is left to itself."""


async def _body(response: aiohttp.ClientResponse, most: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        body += chunk
        if len(body) > most:
            raise Refused(f"sent more than {most} bytes")
    return bytes(body)
