"""When every source is polled: APScheduler's jobs, in each bank's own time zone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from zoneinfo import ZoneInfo

from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from ticker.poll.feed import Feed

log = logging.getLogger(__name__)

DRAIN_SECONDS = 0.3
"""How long a shutdown waits for polls that are under way."""
TICK_SECONDS = 1
"""How soon after midnight a rate of the new day is the value."""
STEP = timedelta(seconds=5)
"""How far the wall and the monotonic clock must drift apart within a second to be called a step."""

Poll = Callable[[Feed], Awaitable[None]]
Fill = Callable[[Feed, int], Awaitable[None]]


def wall() -> datetime:
    """The machine's wall clock, by which the jobs are planned; it may step."""
    return datetime.now(UTC)


def _beginning() -> datetime:
    """The wall clock's time at the zero of the monotonic clock: it changes when the wall clock steps."""
    return wall() - timedelta(seconds=monotonic())


class Schedule:
    """
    The jobs of every feed: `poll` asks one, `fill` asks its archive, `tick` comes every second.

    The jobs are planned by the wall clock. When that steps back, the jobs with an interval or a delay keep
    theirs, and `replan` is called.
    """

    def __init__(
        self, *, poll: Poll, fill: Fill, tick: Callable[[], Awaitable[None]], replan: Callable[[], None]
    ) -> None:
        self._poll = poll
        self._fill = fill
        self._tick = tick
        self._replan = replan
        self._running: set[asyncio.Task[object]] = set()
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        self._scheduler.add_listener(_job_failed, EVENT_JOB_ERROR)

    @asynccontextmanager
    async def running(self, feeds: Iterable[Feed]) -> AsyncIterator[None]:
        """Poll on schedule, at once for the first time; at the end, wait a moment for polls under way."""
        for feed in feeds:
            self._add(feed)
        self._scheduler.start()
        beat = asyncio.create_task(self._beat(_beginning()))
        try:
            yield
        finally:
            beat.cancel()
            # A shutdown cancels coroutine jobs even with wait=True, so the polls are drained first.
            self._scheduler.pause()
            try:
                await self._drained()
            finally:
                self._scheduler.shutdown(wait=False)
                await self._drained()

    async def _beat(self, began: datetime) -> None:
        """Tick every second by the monotonic clock, and replan when the wall clock steps."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            before, began = began, _beginning()
            if abs(began - before) > STEP:
                log.warning("the clock stepped by %d s", (began - before).total_seconds())
                self._stepped(began - before)
            await self._tick()

    def _stepped(self, step: timedelta) -> None:
        """After a step back move the jobs back as well; after one forward run what is overdue, once."""
        if step > timedelta(0):
            self._scheduler.wakeup()
            return
        for job in self._scheduler.get_jobs():
            if isinstance(job.trigger, CronTrigger):
                job.modify(next_run_time=job.trigger.get_next_fire_time(None, wall()))
            else:
                job.modify(next_run_time=job.next_run_time + step)
        self._replan()

    def _add(self, feed: Feed) -> None:
        interval, source = feed.interval_seconds, feed.source
        jitter = min(interval // 10, 60) or None
        plain = IntervalTrigger(seconds=interval, timezone=UTC, jitter=jitter)
        zone, hours = ZoneInfo(source.timezone), source.schedule
        publishing = CronTrigger(
            minute=hours.minute, hour=hours.hour, day_of_week=hours.day_of_week, timezone=zone, jitter=60
        )
        add = self._scheduler.add_job
        add(self._run_poll, plain, [feed], id=source.key, next_run_time=wall())
        add(self._run_poll, publishing, [feed], id=f"{source.key}:publishing hours")
        if source.by_day:
            new_day = CronTrigger(hour=0, minute=2, timezone=zone, jitter=60)
            add(self._run_poll, new_day, [feed], id=f"{source.key}:new day")

    def poll_in(self, feed: Feed, delay: timedelta, *, why: str) -> None:
        """Poll once after a delay; a later call with the same `why` replaces this one."""
        when = DateTrigger(wall() + delay, timezone=UTC)
        key = f"{feed.source.key}:{why}"
        self._scheduler.add_job(self._run_poll, when, [feed], id=key, replace_existing=True)

    def drop(self, feed: Feed, *, why: str) -> None:
        """Give up a poll that is not needed any more."""
        with suppress(JobLookupError):
            self._scheduler.remove_job(f"{feed.source.key}:{why}")

    def fill_soon(self, feed: Feed, days: int) -> None:
        """Ask the archive of a source, at once."""
        key = f"{feed.source.key}:history"
        self._scheduler.add_job(self._run_fill, args=[feed, days], id=key, replace_existing=True)

    def next_poll(self, feed: Feed) -> datetime | None:
        """When a source is polled next."""
        jobs = (job for job in self._scheduler.get_jobs() if job.args and job.args[-1] is feed)
        return min((job.next_run_time for job in jobs if job.next_run_time), default=None)

    async def _run_poll(self, feed: Feed) -> None:
        self._is_running()
        await self._poll(feed)

    async def _run_fill(self, feed: Feed, days: int) -> None:
        self._is_running()
        await self._fill(feed, days)

    def _is_running(self) -> None:
        if task := asyncio.current_task():
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _drained(self) -> None:
        await asyncio.sleep(0)
        if self._running:
            await asyncio.wait(self._running, timeout=DRAIN_SECONDS)


def _job_failed(event: JobExecutionEvent) -> None:
    """Log an error that the job did not handle; a job that was cancelled at the end is none."""
    if not isinstance(event.exception, asyncio.CancelledError):
        log.error("poll %s broke: %r\n%s", event.job_id, event.exception, event.traceback)
