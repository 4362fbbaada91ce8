"""The poller: while it holds the lease, it asks the sources on schedule and carries out operators' orders."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

from ticker.board import Board
from ticker.config import Settings
from ticker.fetch import Fetcher, session
from ticker.poll import plan
from ticker.poll.alarm import Alarm
from ticker.poll.clock import Clock
from ticker.poll.current import CurrentDesk
from ticker.poll.feed import Feed
from ticker.poll.orders import Orders
from ticker.poll.outbox import AGAIN_SECONDS, Outbox
from ticker.poll.schedule import Schedule
from ticker.poll.shelf import Shelf
from ticker.poll.takeover import Takeover
from ticker.poll.waits import Waits
from ticker.rates.desk import Desk
from ticker.rates.source import Source
from ticker.store import LeaseLost, Store

log = logging.getLogger(__name__)


class NobodyAnswered(Exception):
    """Every source failed. Says why."""


class Poller:
    """
    Polls the sources while it holds the lease; otherwise it stands by.

    It is long because everything that happens to a poller is here.

    `clock` is the desk's. The schedule and the outcomes have real time. `new_desk` makes an empty desk. The
    `board` shows why it can't write.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        settings: Settings,
        store: Store,
        *,
        new_desk: Callable[[], Desk],
        clock: Clock,
        owner: str,
        alone: bool,
        board: Board | None = None,
    ) -> None:
        self._settings = settings
        self._new_desk = new_desk
        self._clock = clock
        shelf = Shelf(sources)
        self._outbox = Outbox(
            store, owner=owner, alone=alone, lease_seconds=settings.redis.lease_seconds, board=board
        )
        self.current = CurrentDesk(new_desk(), self._outbox, shelf, clock=clock)
        """The desk in use, whose news is published."""
        self._feeds = [
            Feed(
                source,
                settings,
                shelf,
                clock=clock,
                say=self.current.say,
                noted=self._outbox.note,
            )
            for source in sources
        ]
        self._orders = Orders(store, settings, self.current, self._outbox, self._feeds)
        self._takeover = Takeover(store, settings, self.current, self._outbox, self._feeds, new_desk=new_desk)
        for source in sources:
            # The `holidays` package computes a country's year at its first use, which takes a while: do it
            # now.
            source.calendar.late_on(clock.now().date())
        self._waits = Waits()

    async def run(self) -> None:
        """Poll and publish until cancelled; then end the current polls and give the lease back."""
        async with session(self._settings.poll) as client:
            fetcher = Fetcher(client, self._settings)
            while True:
                await self._elected()
                try:
                    await self._poll_on_schedule(fetcher)
                except LeaseLost:
                    log.warning("poller: the lease was lost")
                finally:
                    await self._outbox.leave()

    async def _poll_on_schedule(self, fetcher: Fetcher) -> None:
        async def poll(feed: Feed) -> None:
            await self._poll(schedule, fetcher, feed)

        async def fill(feed: Feed, days: int) -> None:
            if self.current.silent:
                return  # `begin_again` fills the new desk itself, and waits for that
            await feed.history.fill(fetcher, self.current.desk, days)
            self._end_waits()
            self._note_states()

        schedule = Schedule(poll=poll, fill=fill)
        alarm = Alarm(
            self._clock,
            moment=self.current.next_change,
            wait=self._wait_left,
            ring=self._ring,
            stepped=lambda step: self._stepped(schedule, step),
        )
        self.current.heard = alarm.news
        async with schedule.running(self._feeds):
            if not self._feeds:
                # Pegs need no bank, so no poll publishes them.
                self._ring()
            bell = asyncio.create_task(alarm.run())
            try:
                await self._keep(schedule)
            finally:
                bell.cancel()

    async def begin_again(self) -> None:
        """Forget every rate, and open a new epoch with the first table of every source."""
        self.current.silent = True
        self._use(self._new_desk())
        self._outbox.close()
        async with session(self._settings.poll) as client:
            fetcher = Fetcher(client, self._settings)
            await asyncio.gather(*(self._first_poll(fetcher, feed) for feed in self._feeds))
        self._end_all_waits()
        self.current.silent = False
        self._outbox.begin_again()
        self.current.say_everything()

    async def fill(self, days: int) -> str:
        """
        Poll every source once, fill its history for so many days, publish both; return what was done.

        Raises NobodyAnswered.
        """
        async with AsyncExitStack() as stack:
            fetcher = Fetcher(await stack.enter_async_context(session(self._settings.poll)), self._settings)
            await self._elected()
            stack.push_async_callback(self._outbox.leave)
            async with asyncio.TaskGroup() as group:
                keeper = group.create_task(self._keep(None))
                filling = (self._first_poll(fetcher, feed, days=days) for feed in self._feeds)
                await asyncio.gather(*filling)
                self._end_all_waits()
                keeper.cancel()
            while not self._outbox.waiting.is_empty():
                await self._carry()
        faults = {feed.source.key: feed.outcome.fault or feed.history.fault for feed in self._feeds}
        failed = "".join(f"; {key} failed: {fault}" for key, fault in faults.items() if fault)
        if all(feed.outcome.failures for feed in self._feeds):
            raise NobodyAnswered(f"no source answered{failed}")
        told = {feed.source.key: len(self.current.desk.fixings(feed.source.key)) for feed in self._feeds}
        counts = ", ".join(f"{key} {count}" for key, count in told.items())
        return f"publications that are known now: {counts}{failed}"

    async def _first_poll(self, fetcher: Fetcher, feed: Feed, *, days: int | None = None) -> None:
        """Ask a source, then its archive, after the end of a poll that still runs for the old desk."""
        desk = self.current.desk
        async with feed.lock:
            feed.forget()
            await feed.ask(fetcher, desk)
        days = self._settings.history.backfill_days if days is None else days
        if days and not feed.outcome.failures and feed.history.is_there(desk):
            await feed.history.fill(fetcher, desk, days)
        feed.note_state(desk)

    def _use(self, desk: Desk) -> None:
        self.current.use(desk)
        self._waits.clear()
        for feed in self._feeds:
            feed.forget()

    # The lease.

    async def _elected(self) -> None:
        """Wait for the lease, then continue from what was written before."""
        elected = standing_by = False
        while True:
            with self._outbox.redis_may_be_away():
                elected = elected or await self._outbox.acquire(stands_by=standing_by)
                if elected:
                    await self._takeover.take_up()
                    await self._outbox.note_version()
                    self._waits.clear()
                    log.info("poller: polling %d sources", len(self._feeds))
                    return
                if not standing_by:
                    log.info("poller: another process polls, standing by")
                standing_by = True
            await asyncio.sleep(AGAIN_SECONDS)

    async def _keep(self, schedule: Schedule | None) -> None:
        """Write news to Redis, carry out orders and renew the lease, until it is lost."""
        while True:
            with self._outbox.redis_may_be_away():
                await self._carry()
                await self._orders.obey(schedule)
            await self._outbox.wait()

    async def _carry(self) -> None:
        """Write news to Redis, and all that it may have lost. Raises LeaseLost, or UNAVAILABLE's errors."""
        if not await self._outbox.renew(self.current.desk.on_hold):
            self._takeover.heal()
        await self._outbox.write()

    # What happens by the clock.

    def _ring(self) -> None:
        """Publish what changes without a poll: at midnights, when a quote is late, when a wait ends."""
        self._end_waits()
        self.current.judge()

    def _stepped(self, schedule: Schedule, step: timedelta) -> None:
        """Plan again after the clock was set. A bank whose due time has passed is asked at once."""
        schedule.stepped(step)
        for feed in self._feeds:
            if self.current.desk.is_to_be_asked(feed.source.key, now=self._clock.now()):
                schedule.poll_in(feed, 0, why="due")
            else:
                self._poll_when_due(schedule, feed)
            feed.note(next_poll_at=schedule.next_poll(feed))

    def _wait_left(self) -> float | None:
        """Seconds until the first wait is over; None if there is none, or if `begin_again` ends them."""
        return None if self.current.silent else self._waits.left(self.current.desk.waiting())

    def _end_waits(self) -> None:
        """End the wait of first rates, after every source was asked or after FIRST_WAIT_SECONDS."""
        if self.current.silent:
            return  # `begin_again` ends them
        for key in sorted(self.current.desk.waiting()):
            if self._waits.is_over(key) or self._all_heard(key):
                self._end_wait(key)

    def _end_all_waits(self) -> None:
        for key in sorted(self.current.desk.waiting()):
            self._end_wait(key)

    def _end_wait(self, key: str) -> None:
        desk = self.current.desk
        self.current.say(desk, desk.waited(key, now=self._clock.now()))

    def _all_heard(self, key: str) -> bool:
        """Whether every source was asked, and the archive of this one."""
        desk = self.current.desk
        own = (feed.history for feed in self._feeds if feed.source.key == key)
        told = all(history.told or not history.is_wanted(desk) for history in own)
        return told and all(feed.outcome.checked_at for feed in self._feeds)

    # One poll.

    async def _poll(self, schedule: Schedule, fetcher: Fetcher, feed: Feed) -> None:
        """Poll once, unless a poll of this source is running. After a failure, plan a retry."""
        if feed.lock.locked() or self.current.silent:
            return
        async with feed.lock:
            await feed.ask(fetcher, self.current.desk)
            if feed.outcome.failures:
                schedule.poll_in(feed, self._retry_delay(feed), why="retry")
            else:
                self._after_success(schedule, feed)
            self._end_waits()
            self._note_states()
            self._poll_when_due(schedule, feed)
            feed.note(next_poll_at=schedule.next_poll(feed))

    def _note_states(self) -> None:
        """Record the state of every source: the rate of one may confirm or contradict another's."""
        for feed in self._feeds:
            feed.note_state(self.current.desk)

    def _after_success(self, schedule: Schedule, feed: Feed) -> None:
        schedule.drop(feed, why="retry")
        if feed.history.is_wanted(self.current.desk):
            schedule.fill_soon(feed, 0)
        if self.current.desk.repeat_wanted(feed.source.key):
            delay = timedelta(minutes=self._settings.guard.repeat_minutes, seconds=1)
            schedule.poll_in(feed, self._real_seconds(delay), why="again")

    def _poll_when_due(self, schedule: Schedule, feed: Feed) -> None:
        """Plan a poll just before a quote of the source is late, and one just after that."""
        now = self._clock.now()
        if moment := plan.due_polls(self.current.desk.dues(feed.source.key), now=now):
            schedule.poll_in(feed, self._real_seconds(moment - now), why="due")

    def _real_seconds(self, delay: timedelta) -> float:
        """The real seconds of a delay on the desk's clock."""
        return delay.total_seconds() / self._clock.speed

    def _retry_delay(self, feed: Feed) -> float:
        failures, interval = feed.outcome.failures, feed.interval_seconds
        return plan.retry_delay(self._settings.poll, failures, interval_seconds=interval)
