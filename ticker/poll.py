"""
The scheduler's jobs: fetch -> parse -> board -> store, and each source's health.

Polls only put what the board says into an outbox; one writer carries the outbox to Redis and holds
the lease. So a Redis that is away delays a publication and never loses it, and a publication that
was cancelled half way is simply made again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from ticker import wire
from ticker.backfill import OVERLAP, Filler
from ticker.board import Board, Key, Memory
from ticker.config import PollSettings, Settings
from ticker.fetch import FORESEEN, Answer, Fetcher, in_words, session
from ticker.guard import Held
from ticker.model import NOWHERE, Cursor, Fixing, Pair, Quote
from ticker.source import Outcome, Source
from ticker.store import UNAVAILABLE, Behind, Done, LeaseLost, Order, Store

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]

DRAIN_SECONDS = 0.3
"""How long a shutdown waits for polls that are under way."""
LEAVE_SECONDS = 0.3
"""How long it waits for Redis to take what they brought."""
AGAIN_SECONDS = 0.3
"""Between two tries to get the lease, or to reach Redis."""
_NOTHING = {"confirm": "nothing is held back", "hold": "there is no quote to keep"}
GIVE_UP = timedelta(days=2)
"""How long a day of the history is asked for at every poll before it counts as one without a table."""
TICK_SECONDS = 1
"""How soon after midnight a rate of the new day is the value."""


@dataclass(slots=True)
class _State:
    """What the poller remembers of a source between two polls."""

    outcome: Outcome
    known: dict[str, Answer] = field(default_factory=dict)
    """The last answers by their address: today's, and the next day's."""
    filling: bool = False
    ordered_days: int = 0
    """Days of history that an operator asked for and that are not filled yet."""
    history_failed: bool = False
    failed_since: dict[date, datetime] = field(default_factory=dict)
    """The days of the history that could not be had, and since when."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class Outbox:
    """What the board said and Redis has not yet: per symbol and day the newest, so it can't grow."""

    quotes: dict[Pair, Quote] = field(default_factory=dict)
    fixings: dict[tuple[str, Pair, date], Fixing] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    memory: Memory | None = None
    withdrawn: list[Fixing] = field(default_factory=list)
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
        """Carry what the board knows and the sources' outcomes to Redis."""
        if gone := list(self.withdrawn):
            await store.forget(gone)
            del self.withdrawn[: len(gone)]
        if memory := self.memory:
            await store.remember(memory)
            self.memory = None if self.memory is memory else self.memory
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
        self._empty_board = new_board
        self._clock = clock
        self._owner = owner
        self._alone = alone
        self._states = {source.key: _State(Outcome(source=source.key)) for source in sources}
        self._board = self._new_board()
        self._outbox = Outbox()
        self._remembered: Memory | None = None
        self._seen = NOWHERE
        self._done: tuple[str, Done] | None = None
        self._news = asyncio.Event()
        self._polls: set[asyncio.Task[object]] = set()
        self._away = False
        self._beginning = False
        self._ticks = True

    async def run(self) -> None:
        """Poll and publish until cancelled; then end the polls under way and give the lease back."""
        async with session(self._settings.poll) as client:
            fetcher = Fetcher(client, self._settings)
            while True:
                lease = await self._elected()
                try:
                    async with self._polling(fetcher) as scheduler:
                        await self._keep(lease, fetcher, scheduler)
                except LeaseLost:
                    log.warning("poller: the lease was lost")
                finally:
                    await self._leave(lease)

    async def begin_again(self) -> None:
        """Forget every rate and open a new epoch with the first tables of every source."""
        self._board, self._beginning = self._new_board(), True
        self._outbox = Outbox(mode="reset", outcomes=self._outbox.outcomes)
        async with session(self._settings.poll) as client:
            fetcher = Fetcher(client, self._settings)
            await asyncio.gather(*(self._first_poll(fetcher, source) for source in self._sources))
        self._beginning = False
        self._say(self._board.quotes.values(), self._board.fixings())

    async def fill(self, days: int) -> str:
        """Poll every source once, fill its history for so many days, publish that; return what was done."""
        async with session(self._settings.poll) as client:
            fetcher = Fetcher(client, self._settings)
            lease = await self._elected()
            try:
                async with asyncio.TaskGroup() as group:
                    keeper = group.create_task(self._keep(lease, fetcher, None))
                    filling = (self._first_poll(fetcher, each, days=days) for each in self._sources)
                    await asyncio.gather(*filling)
                    keeper.cancel()
                await self._write(lease)
            finally:
                await self._leave(lease)
        told = {source.key: len(self._board.fixings(source.key)) for source in self._sources}
        return "fixings that are known now: " + ", ".join(f"{key} {count}" for key, count in told.items())

    async def _first_poll(self, fetcher: Fetcher, source: Source, *, days: int | None = None) -> None:
        """Ask once a poll that is under way, still for the old board, has ended; then for the history."""
        state = self._states[source.key]
        async with state.lock:
            state.known.clear()
            await self._ask(fetcher, source)
        days = self._settings.history.backfill_days if days is None else days
        if days and not state.outcome.failures and self._has_history(source):
            await self._fill(fetcher, source, days)

    def _new_board(self) -> Board:
        """An empty board that waits for the histories which are about to be asked for."""
        self._board = self._empty_board()
        self._board.expect(source.key for source in self._sources if self._is_filled(source))
        return self._board

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
        memory = await self._store.memory() if news else None
        self._seen = max(self._seen, snapshot.cursor)
        if self._outbox.mode == "reset":
            return  # whatever Redis holds is about to be forgotten
        published = {quote.symbol: quote for _, quote in snapshot.rows}
        if news:
            await self._start_from(fixings, published.values(), memory)
        self._board.tick(now=self._clock())
        self._outbox.quotes.clear()
        self._say((each for each in self._board.quotes.values() if each != published.get(each.symbol)), ())

    async def _start_from(
        self, fixings: Iterable[Fixing], quotes: Iterable[Quote], memory: Memory | None
    ) -> None:
        """
        Begin with what others published: whatever this process knew is older.

        So every source is asked in full, and what was still to be said is judged anew.
        """
        outcomes = await self._store.outcomes([source.key for source in self._sources])
        for key, state in self._states.items():
            state.known.clear()
            told = outcomes[key].model_dump(include={"as_of", "published", "succeeded_at", "etag"})
            state.outcome = state.outcome.model_copy(update=told)
        self._board = self._new_board()
        self._board.restore(fixings, quotes, memory)
        self._outbox.fixings.clear()
        self._outbox.withdrawn.clear()

    async def _keep(self, lease: str, fetcher: Fetcher, scheduler: AsyncIOScheduler | None) -> None:
        """Carry news to Redis, obey the operators and keep the lease, until it is lost."""
        seconds = self._settings.redis.lease_seconds
        while True:
            self._news.clear()
            with self._redis_may_be_away():
                last = await self._store.renew(lease, seconds=seconds)
                if last < self._seen:
                    self._heal()
                await self._write(lease)
                await self._obey(lease, fetcher, scheduler)
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
        self._remembered = None
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
        """Put into the outbox what is new, unless a new beginning is to be said as a whole."""
        if self._beginning:
            return
        quotes, fixings, memory = list(quotes), list(fixings), self._board.memory
        for gone in self._board.withdrawn():
            self._outbox.fixings.pop((gone.source, gone.symbol, gone.day), None)
            self._outbox.withdrawn.append(gone)
        if memory != self._remembered:
            self._remembered = self._outbox.memory = memory
            self._news.set()
        if quotes or fixings:
            self._outbox.put(quotes, fixings)
            self._news.set()

    # What operators decide.

    async def _obey(self, lease: str, fetcher: Fetcher, scheduler: AsyncIOScheduler | None) -> None:
        for order in await self._store.orders():
            if self._done is None or self._done[0] != order.id:
                self._done = order.id, self._carry_out(order, fetcher, scheduler)
                log.info("%s: %s %s: %s", order.by, order.verb, order.subject, self._done[1].text)
            await self._write(lease)
            await self._store.answer(order, self._done[1])

    def _carry_out(self, order: Order, fetcher: Fetcher, scheduler: AsyncIOScheduler | None) -> Done:
        """Do what an operator asks for; what can't be done is said."""
        try:
            if order.verb == "backfill":
                return self._fill_all(int(order.subject), fetcher, scheduler)
            decide = {"confirm": self._board.confirm, "hold": self._board.keep}[order.verb]
            symbol = Pair.parse(order.subject)
        except (KeyError, ValueError) as error:
            return Done(f"not understood: {error}", done=False)
        if symbol not in self._settings.symbols:
            return Done(f"{symbol} is not served here", done=False)
        try:
            quotes, what = decide(symbol, now=self._clock())
        except Exception as error:  # a fault of ours must not be carried out anew at every start
            log.exception("%s %s broke: %s", order.verb, order.subject, error)  # noqa: TRY401
            return Done(f"broke: {error}", done=False)
        self._say(quotes, self._board.drain())
        for source in self._sources:
            self._note(source, held=self._held_words(source))
        return Done(f"{symbol}: {what or _NOTHING[order.verb]}", done=bool(what))

    def _fill_all(self, days: int, fetcher: Fetcher, scheduler: AsyncIOScheduler | None) -> Done:
        sources = [source for source in self._sources if self._has_history(source)]
        most = self._settings.history.days
        if scheduler is None or not sources or not 0 < days <= most:
            return Done(
                f"nobody can be asked for {days} days; up to {most} are kept (history.days)", done=False
            )
        for source in sources:
            self._board.ask_again(source.key)
            self._states[source.key].ordered_days = days
            self._fill_soon(scheduler, fetcher, source, days)
        keys = ", ".join(source.key for source in sources)
        return Done(f"asks {keys} for {days} days; /v1/sources tells how far it is", done=True)

    # The schedule.

    @asynccontextmanager
    async def _polling(self, fetcher: Fetcher) -> AsyncIterator[AsyncIOScheduler]:
        scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        scheduler.add_listener(_job_failed, EVENT_JOB_ERROR)
        for source in self._sources:
            self._schedule(scheduler, source, fetcher)
        scheduler.add_job(self._tick, IntervalTrigger(seconds=TICK_SECONDS, timezone=UTC), id="tick")
        scheduler.start()
        try:
            yield scheduler
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

    async def _tick(self) -> None:
        """Midnights, and publications that are late: what changes without a poll."""
        try:
            self._say(self._board.tick(now=self._clock()), self._board.drain())
            self._ticks = True
        except Exception as error:  # once a second: said once, not every time
            if self._ticks:
                log.exception("the board can't be judged, the next poll tries again: %s", error)  # noqa: TRY401
            self._ticks = False

    def _schedule(self, scheduler: AsyncIOScheduler, source: Source, fetcher: Fetcher) -> None:
        interval, zone = self._interval(source), ZoneInfo(source.timezone)
        plain = IntervalTrigger(seconds=interval, timezone=UTC, jitter=min(interval // 10, 60) or None)
        hours = CronTrigger(
            minute=source.schedule.minute,
            hour=source.schedule.hour,
            day_of_week=source.schedule.day_of_week,
            timezone=zone,
            jitter=60,
        )
        args = (scheduler, fetcher, source)
        scheduler.add_job(self._poll, plain, args, id=source.key, next_run_time=datetime.now(UTC))
        scheduler.add_job(self._poll, hours, args, id=f"{source.key}:publishing hours")
        if source.by_day:
            new_day = CronTrigger(hour=0, minute=2, timezone=zone, jitter=60)
            scheduler.add_job(self._poll, new_day, args, id=f"{source.key}:new day")

    def _interval(self, source: Source) -> int:
        return self._settings.source(source.key).interval_seconds or source.interval_seconds

    async def _poll(self, scheduler: AsyncIOScheduler, fetcher: Fetcher, source: Source) -> None:
        """One poll, unless one of this source is under way; a failed one comes back after a while."""
        state = self._states[source.key]
        if state.lock.locked():
            return
        self._drained_at_the_end()
        async with state.lock:
            await self._ask(fetcher, source)
            if state.outcome.failures:
                self._retry_later(scheduler, fetcher, source)
            else:
                with suppress(JobLookupError):
                    scheduler.remove_job(f"{source.key}:retry")
                if self._is_filled(source):
                    self._fill_soon(scheduler, fetcher, source, 0)
                if any(
                    self._waits_for_repetition(each) for each in self._board.held_back(source.key).values()
                ):
                    self._hear_again_soon(scheduler, fetcher, source)
            self._note(source, next_poll_at=_next_poll(scheduler, source))

    def _waits_for_repetition(self, held: Held) -> bool:
        """Whether to hear a rate once more could release it."""
        repeat = timedelta(minutes=self._settings.guard.repeat_minutes)
        return not held.doubt.by_hand and held.last_seen - held.first_seen < repeat

    def _held_words(self, source: Source) -> tuple[str, ...]:
        """What is held back of a source, and what an operator keeps of it, in words."""
        kept = (symbol for symbol in sorted(self._board.kept) if self._board.is_authority(source.key, symbol))
        words = (f"{symbol} is kept as it is; `ticker confirm {symbol}` ends that" for symbol in kept)
        return _held_words(self._board.held_back(source.key)) + tuple(words)

    def _hear_again_soon(self, scheduler: AsyncIOScheduler, fetcher: Fetcher, source: Source) -> None:
        """Ask a source whose rate is held back as soon as its repetition counts."""
        delay = timedelta(minutes=self._settings.guard.repeat_minutes, seconds=1)
        scheduler.add_job(
            self._poll,
            DateTrigger(datetime.now(UTC) + delay, timezone=UTC),
            (scheduler, fetcher, source),
            id=f"{source.key}:again",
            replace_existing=True,
        )

    def _drained_at_the_end(self) -> None:
        if task := asyncio.current_task():
            self._polls.add(task)
            task.add_done_callback(self._polls.discard)

    def _retry_later(self, scheduler: AsyncIOScheduler, fetcher: Fetcher, source: Source) -> None:
        failures = self._states[source.key].outcome.failures
        longest = longest_delay(self._settings.poll, failures, interval_seconds=self._interval(source))
        delay = max(0.5, random.uniform(0, longest))  # noqa: S311 - full jitter is no secret
        scheduler.add_job(
            self._poll,
            DateTrigger(datetime.now(UTC) + timedelta(seconds=delay), timezone=UTC),
            (scheduler, fetcher, source),
            id=f"{source.key}:retry",
            replace_existing=True,
        )

    # One poll.

    async def _ask(self, fetcher: Fetcher, source: Source) -> None:
        """Fetch, parse, post; the one place that decides what a failure of a source means."""
        board, started = self._board, datetime.now(UTC)
        before = board.held_back(source.key)
        try:
            answers = await self._newest(fetcher, source)
            rates = [rate for answer in answers for rate in answer.rates]
            now = self._clock()
            quotes = board.post(rates, now=now) if rates else board.hear(source.key, now=now)
        except Exception as error:  # a fault of ours, too, must show up as a source that fails
            self._failed(source, error, fetcher.words(source, error), started)
            quotes = board.miss(source.key, now=self._clock())
        else:
            self._remember(source, answers)
            self._succeeded(source, answers, started)
        self._say(quotes, board.drain())
        _log_held(before, board.held_back(source.key))
        was_frozen, published = self._states[source.key].outcome.missed, board.published(source.key)
        self._note(
            source,
            held=self._held_words(source),
            missed=board.missed(source.key, now=self._clock()),
            published=published.isoformat() if published else "",
        )
        outcome = self._states[source.key].outcome
        if outcome.missed and not was_frozen:
            log.warning("%s: %s", source.key, outcome.frozen)

    async def _newest(self, fetcher: Fetcher, source: Source) -> list[Answer]:
        """
        The newest table, and today's where that is another one and not known; none if nothing is new.

        A source with a rate that is held back is asked unconditionally: it must say the same again.
        """
        state, now = self._states[source.key], self._clock()
        local = now.astimezone(ZoneInfo(source.timezone))
        known = {} if self._board.held(source.key) else state.known
        days = [local.date()]
        if self._asks_ahead(source, local):
            days.insert(0, source.calendar.next_effect(local.date()))
        answers: list[Answer] = []
        for day in days:
            try:
                answer = await fetcher.table(source, day=day, today=local.date(), known=known)
            except FORESEEN:
                if day == days[-1]:
                    raise
                continue
            answers += [answer] if answer else []
            if answer is None or answer.newest <= local.date() or self._board.in_force(source.key, now=now):
                break
        return answers

    def _remember(self, source: Source, answers: Iterable[Answer]) -> None:
        """Keep the two newest answers, so that the next poll asks only for what is new."""
        known = self._states[source.key].known
        for answer in answers:
            known.pop(answer.url, None)
            known[answer.url] = answer
        for url in list(known)[:-2]:
            del known[url]

    def _asks_ahead(self, source: Source, local: datetime) -> bool:
        """Whether the next day's table is worth asking for: it may be out, or be corrected."""
        hours = source.schedule
        if not source.asks_ahead or local.hour < hours.first_hour:
            return False
        return local.hour <= hours.last_hour or not self._board.announced(source.key, now=local)

    def _failed(self, source: Source, error: Exception, words: str, started: datetime) -> None:
        state = self._states[source.key]
        failures = state.outcome.failures + 1
        self._note(source, checked_at=started, failures=failures, error=words)
        if failures == 1:
            ours = None if isinstance(error, FORESEEN) else error
            log.warning("%s failed: %s", source.key, state.outcome.fault, exc_info=ours)

    def _succeeded(self, source: Source, answers: Sequence[Answer], started: datetime) -> None:
        state, now = self._states[source.key], datetime.now(UTC)
        if state.outcome.failures:
            log.info("%s is back after %d failed polls", source.key, state.outcome.failures)
        table: dict[str, object] = {}
        if answers:
            newest = max(each.newest for each in answers).isoformat()
            # After the hours only today's is asked for, and what is announced stays the newest.
            ahead = self._board.announced(source.key, now=self._clock())
            table = {"as_of": max(newest, state.outcome.as_of) if ahead else newest, "etag": answers[0].etag}
        latency_ms = round((now - started).total_seconds() * 1000)
        self._note(
            source, checked_at=started, succeeded_at=now, failures=0, error="", latency_ms=latency_ms, **table
        )

    # The history.

    def _has_history(self, source: Source) -> bool:
        """Whether a source's earlier days can be asked for, and are good for anything."""
        return self._board.serves(source.key) and bool(source.history or source.by_day)

    def _is_filled(self, source: Source) -> bool:
        """Whether gaps in a source's history are filled after a poll."""
        wanted = self._settings.history.backfill_days or self._states[source.key].ordered_days
        return wanted > 0 and self._has_history(source)

    def _fill_soon(self, scheduler: AsyncIOScheduler, fetcher: Fetcher, source: Source, days: int) -> None:
        scheduler.add_job(
            self._fill, args=(fetcher, source, days), id=f"{source.key}:history", replace_existing=True
        )

    async def _fill(self, fetcher: Fetcher, source: Source, days: int) -> None:
        """Fill the gaps of the last `days` days; a pass that is broken off goes on with the next poll."""
        state, board = self._states[source.key], self._board
        if state.filling:
            return
        self._drained_at_the_end()
        state.filling = True
        try:
            while True:
                ordered = state.ordered_days
                wanted = max(days, ordered, self._settings.history.backfill_days)
                await self._fill_gaps(fetcher, source, wanted, board)
                if state.ordered_days == ordered:
                    break
            state.ordered_days = 0
            state.history_failed = False
        except FORESEEN as error:
            if not state.history_failed:
                words = fetcher.words(source, error)
                log.warning("%s: the history has gaps, the next poll goes on: %s", source.key, words)
            state.history_failed = True
        finally:
            state.filling = False
            board.expect_no_longer(source.key)
            self._note(source, history="")
        if board is self._board:
            self._say(board.tick(now=self._clock()), board.drain())

    async def _fill_gaps(self, fetcher: Fetcher, source: Source, days: int, board: Board) -> None:
        now = self._clock()
        today = now.astimezone(ZoneInfo(source.timezone)).date()
        since = today - timedelta(days=days)
        if not (gaps := board.gaps(source.key, since=since, now=now)):
            self._note(source, gaps=0)
            return
        if not self._states[source.key].history_failed:
            log.info("%s: history: %d days are missing since %s", source.key, len(gaps), since)

        def progress(done: int, of: int) -> None:
            self._note(source, history=f"{done} of {of} requests")

        filler = Filler(
            source=source,
            fetcher=fetcher,
            today=today,
            pause_seconds=self._settings.history.pause_seconds,
            progress=progress,
        )
        asked: list[date] = []
        codes = board.currencies(source.key)
        sure = 0
        try:
            async for told in filler.tables(
                _with_a_known_day(gaps, board.published(source.key), source), codes
            ):
                quotes = board.learn(told.rates, now=self._clock(), more=not told.last)
                if board is not self._board:
                    return  # a new beginning: what this one learns is nobody's any more
                self._say(quotes, board.drain())
                board.asked_in_vain(source.key, self._given_up(source, told.failed))
                asked += told.days
                sure = len(asked) if told.last else len(asked) - OVERLAP
        finally:
            left = set(board.gaps(source.key, since=since, now=now))
            board.asked_in_vain(source.key, left & set(asked[: max(0, sure)]))
            missing = len(board.gaps(source.key, since=since, now=now))
            self._note(source, gaps=missing)
        log.info("%s: history: %d of %d days are told", source.key, len(gaps) - len(left), len(gaps))

    def _given_up(self, source: Source, failed: Iterable[date]) -> list[date]:
        """Those of the days that could not be had which could not be had for a long time already."""
        since, now = self._states[source.key].failed_since, datetime.now(UTC)
        return [day for day in failed if now - since.setdefault(day, now) > GIVE_UP]

    def _note(self, source: Source, **facts: object) -> None:
        state = self._states[source.key]
        state.outcome = self._outbox.outcomes[source.key] = state.outcome.model_copy(update=facts)
        self._news.set()


def longest_delay(settings: PollSettings, failures: int, *, interval_seconds: int) -> float:
    """The most seconds until a retry: doubled with each failure in a row, never past the plain interval."""
    doubled = settings.retry_min_seconds * 2.0 ** min(failures - 1, 30)
    return min(doubled, settings.retry_max_seconds, interval_seconds)


def _with_a_known_day(gaps: list[date], known: date | None, source: Source) -> list[date]:
    """
    The days to ask for: of an archive of one currency also one that is known.

    Its answer may name neither the currency nor the unit (NBKR's page), and this day shows whose it is.
    """
    return [known, *gaps] if known and source.history and known > gaps[0] else gaps


def _held_words(held: Mapping[Key, Held]) -> tuple[str, ...]:
    """What is held back of a source, for an operator."""
    return tuple(
        f"{symbol} of {each.fixing.as_of} is held back: {each.doubt.reason}; `ticker confirm {symbol}`"
        " believes it"
        for (_, symbol), each in sorted(held.items())
    )


def _log_held(before: Mapping[Key, Held], held: Mapping[Key, Held]) -> None:
    known = {key: each.fixing.figures for key, each in before.items()}
    fresh = {key: each for key, each in held.items() if known.get(key) != each.fixing.figures}
    for (source, _), words in zip(sorted(fresh), _held_words(fresh), strict=True):
        log.warning("%s: %s", source, words)


def _next_poll(scheduler: AsyncIOScheduler, source: Source) -> datetime | None:
    jobs = (job for job in scheduler.get_jobs() if job.args and job.args[-1] is source)
    return min((job.next_run_time for job in jobs if job.next_run_time), default=None)


def _job_failed(event: JobExecutionEvent) -> None:
    """Report what even the poll job did not foresee; a poll that was cancelled at the end is no fault."""
    if not isinstance(event.exception, asyncio.CancelledError):
        log.error("poll %s broke: %r\n%s", event.job_id, event.exception, event.traceback)


def _now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)
