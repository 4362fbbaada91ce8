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
from ticker.source import Source

FIRST_BATCH, BATCH = 5, 10
"""Days that are learned at once: the change is right long before five years are told."""
OVERLAP = 3
"""Days of a batch that are told again with the next one: they had too few neighbours to be measured by."""
MOST_FAILURES = 3
"""Failed requests in a row after which a source is left alone."""
MOST_ABSENT = 15
"""Days in a row without a page: no bank is closed for so long, so here its archive begins."""


@dataclass(frozen=True, slots=True)
class Told:
    """A batch: the days that were answered, those that were not, and the rates; `last` closes the pass."""

    days: list[date]
    rates: list[Rate]
    failed: tuple[date, ...] = ()
    last: bool = False


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

        The last OVERLAP tables of a batch are told again with the next one. Raises one of FORESEEN when
        the source is to be left alone for now, or at the end if a day could not be had.
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
            yield Told([day for day in days if first <= day <= last], rates, last=True)

    async def _days(self, days: Sequence[date]) -> AsyncIterator[Told]:
        answered: list[date] = []
        failed: tuple[date, ...] = ()
        fault: Exception | None = None
        tables: list[tuple[Rate, ...]] = []
        failures, absent, batch = 0, 0, FIRST_BATCH
        for done, day in enumerate(days):
            await self._pause(done)
            try:
                # A day without a table may be answered with the one before.
                if answer := await self.fetcher.table(self.source, day=day, today=self.today):
                    tables.append(answer.rates)
                answered.append(day)
                failures = absent = 0
            except NotThere:
                answered.append(day)
                absent += 1
            except FORESEEN as error:
                failed, fault = (*failed, day), error
                failures += 1
                if failures == MOST_FAILURES:
                    yield Told(answered, _flat(tables), failed)
                    raise
            self.progress(done + 1, len(days))
            if absent == MOST_ABSENT:
                answered += days[done + 1 :]
                break
            if len(tables) >= batch:
                yield Told(answered, _flat(tables), failed)
                answered, failed, tables = answered[-OVERLAP:], (), tables[-OVERLAP:]
                batch = BATCH
        yield Told(answered, _flat(tables), failed, last=True)
        if fault:
            raise fault

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
