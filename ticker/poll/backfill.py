"""
Asks a source's archive for many days, newest first, with pauses, over one connection.

If a pass stops early, its days stay unknown, and the next pass asks for them.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from ticker.fetch import FORESEEN, Answer, Fetcher, NotThere
from ticker.rates.calendar import ONE_DAY, Span, spans
from ticker.rates.model import Rate
from ticker.rates.source import NoTable, Source
from ticker.rates.tables import WHOLE, Table, tables_of

MOST_FAILURES = 3
"""Failed requests in a row after which a pass stops."""
MOST_ABSENT = 15
"""Days in a row without a table after which the archive has ended: no bank is closed for so long."""
LONGEST_DAYS = 366
"""The most days of one request for a range."""
MARGIN = timedelta(days=45)
"""
Days that are added before a range: otherwise the days before its first row would stay unknown.

No bank is closed for longer (NBKR was from 2 to 12 May 2025).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The result of one request, or of several requests for the same days."""

    asked: tuple[date, ...] = ()
    """The days that were answered."""
    tables: tuple[Table, ...] = ()
    empty: tuple[Span, ...] = ()
    """The days without a table."""
    failed: tuple[date, ...] = ()
    """The days whose request failed."""
    answers: tuple[Answer, ...] = ()
    """The answers with the tables."""

    @property
    def document(self) -> str:
        """The names of the answers: their SHA-256, separated by spaces."""
        return " ".join(hashlib.sha256(each.body).hexdigest() for each in self.answers)


Progress = Callable[[int, int], None]
"""Called with the number of answered requests, and of all requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Asks one source for many days."""

    source: Source
    fetcher: Fetcher
    today: date
    """The current day in the country of the source."""
    pause_seconds: float
    progress: Progress

    async def ask(self, days: Sequence[date], currencies: Iterable[str]) -> AsyncIterator[Told]:
        """
        What the archive has of these days (newest first), request by request.

        An archive by currency is asked for `currencies`, and for others until there are three: a table of
        three can be told apart from the one before. Raises one of FORESEEN if too many requests failed, or at
        the end if some did.
        """
        told = self._ranges(days, currencies) if self.source.history else self._days(days)
        async for batch in told:
            yield batch

    async def _ranges(self, days: Sequence[date], currencies: Iterable[str]) -> AsyncIterator[Told]:
        history = self.source.history
        assert history  # noqa: S101 - ask() has looked
        names = _enough(sorted(set(currencies) & history.names.keys()), history.names)
        ranges = list(_covering(days, LONGEST_DAYS - MARGIN.days))
        done = 0
        for span in ranges:
            answers: list[Answer] = []
            for currency in names:
                await self._pause(done)
                first = span.first - MARGIN
                answers.append(await self.fetcher.history(self.source, currency, first, span.last))
                done += 1
                self.progress(done, len(ranges) * len(names))
            yield _told_of_range(days, span, answers)

    async def _days(self, days: Sequence[date]) -> AsyncIterator[Told]:
        fault: Exception | None = None
        requests = failures = absent = 0
        told_from = date.max
        for done, day in enumerate(days):
            if day >= told_from:
                continue  # a later day was answered with an older table, so there is none between
            await self._pause(requests)
            requests += 1
            try:
                told = await self._day(day)
                failures, absent = 0, 0 if told.tables else absent + 1
                told_from = min([day, *(table.day for table in told.tables)])
                yield told
            except FORESEEN as error:
                fault, failures = error, failures + 1
                yield Told(failed=(day,))
                if failures == MOST_FAILURES:
                    raise
            self.progress(done + 1, len(days))
            if absent == MOST_ABSENT:
                break
        if fault:
            raise fault

    async def _day(self, day: date) -> Told:
        """The result for one day. A day without a table may be answered with the table before it."""
        try:
            answer = await self.fetcher.table(self.source, day=day, today=self.today)
        except (NotThere, NoTable):
            return Told(asked=(day,), empty=(Span(first=day, last=day),))
        empty = (Span(first=answer.newest + ONE_DAY, last=day),) if answer.newest < day else ()
        return Told(asked=(day,), tables=tuple(tables_of(answer.rates)), empty=empty, answers=(answer,))

    async def _pause(self, done: int) -> None:
        if done:
            await asyncio.sleep(self.pause_seconds)


def _enough(names: list[str], all_names: Iterable[str]) -> list[str]:
    others = [name for name in all_names if name not in names]
    return names + others[: max(0, WHOLE - len(names))]


def _told_of_range(days: Sequence[date], span: Span, answers: Sequence[Answer]) -> Told:
    """The tables of a range, all currencies in one. A day without a row between two rows has none."""
    by_day: dict[date, list[Rate]] = defaultdict(list)
    for answer in answers:
        for rate in answer.rates:
            by_day[rate.day].append(rate)
    asked = tuple(day for day in days if span.first <= day <= span.last)
    first, last = min(by_day, default=date.max), max(by_day, default=date.min)
    empty = [day for day in asked if first < day < last and day not in by_day]
    rates = [rate for day in asked for rate in by_day.get(day, ())]
    return Told(
        asked=asked,
        tables=tuple(tables_of(rates)),
        empty=tuple(reversed(spans(reversed(empty)))),
        answers=tuple(answers),
    )


def _covering(days: Sequence[date], longest: int) -> Iterator[Span]:
    """The ranges that cover these days (newest first), none longer than `longest` days."""
    left = list(days)
    while left:
        last = left[0]
        inside = [day for day in left if day > last - timedelta(days=longest)]
        yield Span(first=inside[-1], last=last)
        left = left[len(inside) :]
