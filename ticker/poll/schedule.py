"""When every source is polled: intervals, delays, and APScheduler's jobs in each bank's time zone."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger

from ticker.poll.feed import Feed

log = logging.getLogger(__name__)

DRAIN_SECONDS = 0.3
"""Seconds that a shutdown waits for running polls."""
SPREAD_SECONDS = 60
"""The longest random delay of a poll in a bank's publishing hours, so that not all sites ask at once."""

Poll = Callable[[Feed], Awaitable[None]]
Fill = Callable[[Feed, int], Awaitable[None]]


def wall() -> datetime:
    """The machine's wall clock, by which the banks' hours are planned. It may step."""
    return datetime.now(UTC)


class Hours(BaseTrigger):  # type: ignore[misc]
    """
    The future moments of a cron line in a bank's time zone.

    APScheduler's own trigger lists every missed moment, which takes seconds after a step of half a year. It
    also skips a local time that does not exist, or exists twice, when clocks change.
    """

    def __init__(self, *, zone: ZoneInfo, **fields: str) -> None:
        self._zone = zone
        self._line = CronTrigger(timezone=UTC, **fields)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """
        The first moment from `now` on, after `previous_fire_time`.

        A local time that does not exist is moved an hour later. Of one that exists twice, the first counts.
        """
        after = max(now, previous_fire_time + timedelta.resolution) if previous_fire_time else now
        local = after.astimezone(self._zone).replace(tzinfo=UTC, fold=0)
        while local := self._line.get_next_fire_time(None, local):
            moment: datetime = local.replace(tzinfo=self._zone).astimezone(UTC)
            if moment >= after:
                return moment
            local += timedelta.resolution
        return None


@dataclass(frozen=True, slots=True)
class _Planned:
    """A poll that is planned after a delay."""

    at: float
    """The time on the event loop's clock."""
    handle: asyncio.TimerHandle


class Schedule:
    """
    Plans the polls of every feed: `poll` asks one, `fill` asks its archive.

    Intervals and delays are counted on the event loop's monotonic clock, so that no step of the wall clock
    moves them. Only the banks' hours follow the wall clock. After a step, `stepped` must be called.
    """

    def __init__(self, *, poll: Poll, fill: Fill) -> None:
        self._poll = poll
        self._fill = fill
        self._planned: dict[tuple[Feed, str], _Planned] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._ends = False
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )

    @asynccontextmanager
    async def running(self, feeds: Iterable[Feed]) -> AsyncIterator[None]:
        """Poll on schedule, the first time at once; at the end, wait a moment for running polls."""
        for feed in feeds:
            self.poll_in(feed, 0, why="interval")
            self._add_hours(feed)
        self._scheduler.start()
        try:
            yield
        finally:
            self._ends = True
            self._scheduler.shutdown(wait=False)
            for planned in self._planned.values():
                planned.handle.cancel()
            self._planned.clear()
            await self._end_running()

    def _add_hours(self, feed: Feed) -> None:
        source, zone = feed.source, ZoneInfo(feed.source.timezone)
        hours = source.schedule
        publishing = Hours(zone=zone, minute=hours.minute, hour=hours.hour, day_of_week=hours.day_of_week)
        self._scheduler.add_job(self._poll_soon, publishing, [feed, "publishing hours"])
        if source.by_day:
            new_day = Hours(zone=zone, hour="0", minute="2")
            self._scheduler.add_job(self._poll_soon, new_day, [feed, "new day"])

    async def _poll_soon(self, feed: Feed, why: str) -> None:
        self.poll_in(feed, random.uniform(0, SPREAD_SECONDS), why=why)  # noqa: S311 - no secret

    # What is planned.

    def poll_in(self, feed: Feed, seconds: float, *, why: str) -> None:
        """Poll once after so many real seconds. A later call with the same `why` replaces this one."""
        self.drop(feed, why=why)
        if self._ends:
            return
        loop = asyncio.get_running_loop()
        handle = loop.call_later(max(0, seconds), self._begin, feed, why)
        self._planned[feed, why] = _Planned(loop.time() + seconds, handle)

    def drop(self, feed: Feed, *, why: str) -> None:
        """Cancel a poll that is no longer needed."""
        if planned := self._planned.pop((feed, why), None):
            planned.handle.cancel()

    def fill_soon(self, feed: Feed, days: int) -> None:
        """Ask the archive of a source, at once."""
        if not self._ends:
            self._run(f"{feed.source.key}:history", self._fill(feed, days))

    def plans(self, feed: Feed) -> dict[str, datetime]:
        """When a source is polled, by reason: the earliest poll of each, by the wall clock."""
        now, clock = wall(), asyncio.get_running_loop().time()
        jobs = (job for job in self._scheduler.get_jobs() if job.args[0] is feed)
        hours = {job.args[1]: job.next_run_time for job in jobs if job.next_run_time}
        delays = {why: planned.at - clock for (other, why), planned in self._planned.items() if other is feed}
        return hours | {why: now + timedelta(seconds=delay) for why, delay in delays.items()}

    def next_poll(self, feed: Feed) -> datetime | None:
        """When a source is polled next, by the wall clock."""
        return min(self.plans(feed).values(), default=None)

    def stepped(self, step: timedelta) -> None:
        """
        Plan again after the wall clock stepped, forward if `step` is positive.

        Everything that became due by the step is done at once, and once. The same holds after the machine
        slept.
        """
        clock = asyncio.get_running_loop().time()
        for (feed, why), planned in list(self._planned.items()):
            if planned.at - clock <= step.total_seconds():
                self.poll_in(feed, 0, why=why)
        now = wall()
        for job in self._scheduler.get_jobs():
            if job.next_run_time > now:
                job.modify(next_run_time=job.trigger.get_next_fire_time(None, now))
        self._scheduler.wakeup()

    def _begin(self, feed: Feed, why: str) -> None:
        """Start a poll whose time has come. A poll of the interval plans the next one."""
        del self._planned[feed, why]
        if why == "interval":
            jitter = min(feed.interval_seconds // 10, 60)
            self.poll_in(feed, feed.interval_seconds + random.uniform(0, jitter), why=why)  # noqa: S311
        self._run(feed.source.key, self._poll(feed))

    # What is under way.

    def _run(self, name: str, work: Awaitable[None]) -> None:
        task = asyncio.create_task(_logged(name, work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _end_running(self) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=DRAIN_SECONDS)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


async def _logged(name: str, work: Awaitable[None]) -> None:
    """Do the work, and log an unexpected error: the next poll happens all the same."""
    try:
        await work
    except Exception as error:
        log.exception("poll %s failed after an internal error: %r", name, error)  # noqa: TRY401
