"""A source's history: finds the unknown days, and asks its archive for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from time import monotonic
from typing import Protocol
from zoneinfo import ZoneInfo

from ticker.config import Settings
from ticker.fetch import FORESEEN, Fetcher
from ticker.poll.backfill import Archive, Told
from ticker.poll.clock import Clock
from ticker.poll.shelf import Shelf
from ticker.rates.desk import Desk
from ticker.rates.model import Quote
from ticker.rates.source import MalformedFeed, Source

log = logging.getLogger(__name__)

Say = Callable[[Desk, Iterable[Quote]], bool]
"""
Passes on what changed at a desk, and returns whether that desk is in use.

The news of an earlier desk is dropped.
"""

GIVE_UP = timedelta(days=2)
"""How long a day whose requests fail is asked for at every poll; after that once per ASK_AGAIN."""
ASK_AGAIN = timedelta(days=1)
"""Delay after an answer before a day that is still unknown or refused is asked for again."""


class Note(Protocol):
    """Records facts of the source's outcome."""

    def __call__(self, **facts: object) -> None: ...


class History:
    """The back-fill of one source: it asks for unknown days, as often as that is useful."""

    def __init__(
        self,
        source: Source,
        settings: Settings,
        shelf: Shelf,
        *,
        clock: Clock,
        say: Say,
        note: Note,
    ) -> None:
        self.told = False
        """Whether the archive was asked for the desk in use."""
        self.fault = ""
        """Why the last pass stopped early; empty if it did not."""
        self._source = source
        self._settings = settings
        self._shelf = shelf
        self._clock = clock
        self._say = say
        self._note = note
        self._zone = ZoneInfo(source.timezone)
        self._ordered_days = 0
        """The days that an operator ordered and that are not filled yet."""
        self._filling: Desk | None = None
        self._asked: dict[date, float] = {}
        self._failed_since: dict[date, float] = {}
        self._newest: date | None = None
        """The newest day with a table when the archive was asked last."""

    def is_there(self, desk: Desk) -> bool:
        """Whether the source has an archive, and its rate may become a value."""
        return desk.serves(self._source.key) and bool(self._source.history or self._source.by_day)

    def is_wanted(self, desk: Desk) -> bool:
        """Whether its archive is asked for unknown days after a poll."""
        wanted = self._settings.history.backfill_days or self._ordered_days
        return wanted > 0 and self.is_there(desk)

    def order(self, days: int) -> None:
        """Ask for so many days in the next pass, also for days that were asked for already."""
        self._ordered_days = days
        self._asked.clear()
        self._failed_since.clear()

    def forget(self) -> None:
        """Ask for every unknown day again: another desk is in use."""
        self.told = False
        self._asked.clear()

    async def fill(self, fetcher: Fetcher, desk: Desk, days: int) -> None:
        """
        Ask for the unknown days of the last `days` (0: as configured, and at least as many as were ordered).

        If a pass stops early, the next poll continues it.
        """
        if self._filling is desk:
            return
        self._filling = desk
        try:
            await self._fill_all(fetcher, desk, days)
            self.fault = ""
        except FORESEEN as error:
            words = fetcher.words(self._source, error)
            if not self.fault:
                log.warning("%s: the history has gaps, the next poll continues: %s", self._source.key, words)
            self.fault = words
        finally:
            if self._filling is desk:
                self._filling, self.told = None, True
                self._note(history="")
        self._say(desk, desk.tick(now=self._clock.now()))

    async def _fill_all(self, fetcher: Fetcher, desk: Desk, days: int) -> None:
        while True:
            ordered = self._ordered_days
            wanted = days or self._settings.history.backfill_days
            await self._pass(fetcher, desk, max(wanted, ordered))
            if self._ordered_days == ordered:
                self._ordered_days = 0
                return

    async def _pass(self, fetcher: Fetcher, desk: Desk, days: int) -> None:
        today = self._clock.now().astimezone(self._zone).date()
        since = today - timedelta(days=days)
        self._ask_again_after_a_new_table(desk)
        unknown = self._unknown(desk, since)
        if not unknown:
            self._tell_gaps(desk, since)
            return
        if not self.fault:
            log.info("%s: history: unknown days since %s: %d", self._source.key, since, len(unknown))
        archive = Archive(
            source=self._source,
            fetcher=fetcher,
            today=today,
            pause_seconds=self._settings.history.pause_seconds,
            progress=lambda done, of: self._note(history=f"{done} of {of} requests"),
        )
        try:
            asked = self._with_a_known_day(desk, unknown)
            async for told in archive.ask(asked, desk.currencies(self._source.key)):
                if not await self._learn(desk, told, set(unknown)):
                    return
        finally:
            left = self._tell_gaps(desk, since)
        done = len(unknown) - left
        log.info("%s: history: received days: %d of %d", self._source.key, done, len(unknown))

    def _ask_again_after_a_new_table(self, desk: Desk) -> None:
        """After a new table ask for all unknown days again: its change needs the days before it."""
        newest = desk.book.heard.newest_day(self._source.key)
        if newest != self._newest:
            self._newest = newest
            self._asked.clear()

    def _unknown(self, desk: Desk, since: date) -> list[date]:
        """The days to ask for now, newest first. Polls ask for today, until its table is out."""
        now, moment = self._clock.now(), monotonic()
        gaps, today = desk.gaps(self._source.key, since=since, now=now), now.astimezone(self._zone).date()
        is_open = desk.book.heard.heard_empty(self._source.key, today) is not None
        return [
            day for day in gaps if not self._was_just_asked(day, moment) and not (is_open and day == today)
        ]

    def _was_just_asked(self, day: date, moment: float) -> bool:
        asked = self._asked.get(day)
        return asked is not None and moment - asked < ASK_AGAIN.total_seconds()

    def _tell_gaps(self, desk: Desk, since: date) -> int:
        gaps = self._unknown(desk, since)
        self._note(gaps=len(gaps))
        return len(gaps)

    def _with_a_known_day(self, desk: Desk, unknown: list[date]) -> list[date]:
        """
        The days to ask for. For an archive by currency this includes the newest known day.

        Its answer may name neither the currency nor the unit (NBKR's page); the known day checks both.
        """
        known = desk.book.newest_day(self._source.key)
        return [known, *unknown] if known and self._source.history and known > unknown[0] else unknown

    async def _learn(self, desk: Desk, told: Told, unknown: set[date]) -> bool:
        """
        Take the answers of an archive; return whether the desk is in use.

        Raises MalformedFeed if they contradict the source's own answers.
        """
        if words := desk.contradiction(told.tables):
            raise MalformedFeed(f"{self._source.key}: {words}")
        now = self._clock.now()
        for answer in told.answers:
            self._shelf.offer(answer, source=self._source.key, asked=told.asked[0], now=now)
        for span in told.empty:
            desk.hear_empty(self._source.key, span.first, span.last, now=now)
        # The newest first: the newest of them is in force until today's is known.
        tables = sorted(
            (table for table in told.tables if table.day in unknown), key=lambda each: each.day, reverse=True
        )
        self._remember_asked(told)
        if not tables:
            return self._say(desk, desk.tick(now=now))
        document = told.document
        for table in tables:
            began = monotonic()
            if not self._say(desk, desk.learn([table], now=self._clock.now(), document=document)):
                return False
            # Judging a table with its neighbours takes a while; the event loop's other work gets as much
            # time.
            await asyncio.sleep(monotonic() - began)
        return True

    def _remember_asked(self, told: Told) -> None:
        moment = monotonic()
        for day in told.asked:
            self._asked[day] = moment
        for day in told.failed:
            since = self._failed_since.setdefault(day, moment)
            if moment - since > GIVE_UP.total_seconds():
                self._asked[day] = moment
