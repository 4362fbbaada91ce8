"""Wakes the poller when a quote changes without a poll, and when the clock was set."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from ticker.poll.clock import Clock

log = logging.getLogger(__name__)

LOOK_SECONDS = 10
"""Real seconds between two looks at the clock, at most."""
STEP = timedelta(seconds=1)
"""The difference between clock and elapsed seconds from which the clock counts as set."""
_SHORTEST = 0.001
"""The shortest sleep in seconds: a timer may fire a little before its moment."""


class Alarm:
    """
    Sleeps on the monotonic clock until something is due by the desk's clock.

    `moment` gives the time at which a quote changes next, and `wait` the real seconds until another reason to
    wake; either may give None. Then `ring` is called. `stepped` is called with the difference after the clock
    was set.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        moment: Callable[[], datetime | None],
        wait: Callable[[], float | None],
        ring: Callable[[], None],
        stepped: Callable[[timedelta], None],
    ) -> None:
        self._clock = clock
        self._moment = moment
        self._wait = wait
        self._ring = ring
        self._stepped = stepped
        self._news = asyncio.Event()
        self._began = self._beginning()
        self._is_well = True

    def news(self) -> None:
        """The desk heard something, so the next moment may have changed."""
        self._news.set()

    async def run(self) -> None:
        """Ring at every moment, until cancelled. A failure is logged once, and tried again at every look."""
        while True:
            try:
                due = await self._sleep()
                if self._look() or due:
                    self._ring()
                self._is_well = True
            except Exception as error:
                if self._is_well:
                    log.exception("the quotes could not be judged, which is tried again soon: %s", error)  # noqa: TRY401
                self._is_well = False
                await asyncio.sleep(LOOK_SECONDS / 10)

    async def _sleep(self) -> bool:
        """Sleep until the next moment, news, or the next look; return whether something is due."""
        moment, wait = self._moment(), self._wait()
        left = [LOOK_SECONDS, *(seconds for seconds in (self._until(moment), wait) if seconds is not None)]
        self._news.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(_SHORTEST, min(left))):
                await self._news.wait()
                return False
        now = self._clock.now()
        return (moment is not None and moment <= now) or (wait is not None and wait <= min(left))

    def _until(self, moment: datetime | None) -> float | None:
        """Real seconds until a moment of the desk's clock."""
        if moment is None:
            return None
        return (moment - self._clock.now()).total_seconds() / self._clock.speed

    def _look(self) -> bool:
        """Report a clock that was set since the last look; return whether it was."""
        before, self._began = self._began, self._beginning()
        step = self._began - before
        # A replayed clock runs fast: the time between two readings of it is not a step.
        if abs(step) < STEP * self._clock.speed:
            return False
        log.warning("the clock jumped by %+d s; the polls are planned again", step.total_seconds())
        self._stepped(step)
        return True

    def _beginning(self) -> datetime:
        """The clock's time at elapsed second 0. Only a step changes it."""
        return self._clock.now() - timedelta(seconds=self._clock.elapsed())
