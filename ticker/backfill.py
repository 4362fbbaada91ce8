"""
Filling the gaps of a source's history, politely: paced, over the connection that is open, newest first.

A pass that is broken off leaves gaps, which the next one takes up; days without a table of their own
are remembered, so that nobody is asked twice for a holiday.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from ticker.fetch import FORESEEN, Fetcher, NotThere
from ticker.model import Rate
from ticker.source import MalformedFeed, Source

FIRST_BATCH, BATCH = 3, 10
"""Days that are learned at once: the change is right long before five years are told."""
OVERLAP = 2
"""Days of the batch before that are told again: the last one had no neighbour to be measured by."""
MOST_FAILURES = 3
"""Answers in a row that are no table after which a source is left alone."""
MOST_ABSENT = 15
"""Days in a row without a page: no bank is closed for so long, so here its archive begins."""

Told = tuple[list[date], list[Rate]]
"""The days that were asked for, and the rates that were told."""
Progress = Callable[[int, int], None]
"""Is told how many of how many requests are answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filler:
    """Asks one source for many days."""

    source: Source
    fetcher: Fetcher
    today: date
    """The day at the source."""
    pause_seconds: float
    progress: Progress

    async def tables(self, days: Sequence[date], currencies: Iterable[str]) -> AsyncIterator[Told]:
        """
        The rates of these days (newest first), a batch at a time; of `currencies`, where each is asked for.

        The last days of a batch are told again with the next one. Raises one of FORESEEN when the
        source is to be left alone for now.
        """
        told = self._ranges(days, currencies) if self.source.history else self._days(days)
        async for batch in told:
            yield batch

    async def _ranges(self, days: Sequence[date], currencies: Iterable[str]) -> AsyncIterator[Told]:
        history = self.source.history
        assert history  # noqa: S101 - tables() has looked
        names = sorted(set(currencies) & history.names.keys())
        spans = list(_spans(days, history.longest_days))
        done = 0
        for first, last in spans:
            rates: list[Rate] = []
            for currency in names:
                await self._pause(done)
                rates += await self.fetcher.history(self.source, currency, first, last)
                done += 1
                self.progress(done, len(spans) * len(names))
            yield [day for day in days if first <= day <= last], rates

    async def _days(self, days: Sequence[date]) -> AsyncIterator[Told]:
        asked: list[date] = []
        tables: list[tuple[Rate, ...]] = []
        failures, absent, batch = 0, 0, FIRST_BATCH
        for done, day in enumerate(days):
            await self._pause(done)
            asked.append(day)
            try:
                # A day without a table may be answered with the one before.
                if answer := await self.fetcher.table(self.source, day=day, today=self.today):
                    tables.append(answer.rates)
                failures = absent = 0
            except NotThere:
                absent += 1
            except MalformedFeed:
                failures += 1
                if failures == MOST_FAILURES:
                    yield asked, _flat(tables)
                    raise
            except FORESEEN:
                yield asked[:-1], _flat(tables)
                raise
            self.progress(done + 1, len(days))
            if absent == MOST_ABSENT:
                asked += days[done + 1 :]
                break
            if len(tables) >= batch:
                yield asked, _flat(tables)
                asked, tables, batch = asked[-OVERLAP:], tables[-OVERLAP:], BATCH
        yield asked, _flat(tables)

    async def _pause(self, done: int) -> None:
        if done:
            await asyncio.sleep(self.pause_seconds)


def _spans(days: Sequence[date], longest: int) -> Iterator[tuple[date, date]]:
    """The ranges that cover these days (newest first), none longer than `longest` days."""
    left = list(days)
    while left:
        last = left[0]
        inside = [day for day in left if day > last - timedelta(days=longest)]
        yield inside[-1], last
        left = left[len(inside) :]


def _flat(tables: Iterable[tuple[Rate, ...]]) -> list[Rate]:
    return [rate for table in tables for rate in table]
