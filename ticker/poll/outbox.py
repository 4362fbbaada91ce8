"""
The outbox: it owns the lease, and only it writes.

Polls put the desk's news into it. One writer carries the news to Redis, in steps that each check the lease.
If Redis is away, the news waits and is not lost. A write that was cancelled is repeated.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import islice
from time import monotonic
from typing import Any, Literal, TypeVar

from ticker import __version__, wire
from ticker.board import Board
from ticker.fetch import in_words
from ticker.poll.shelf import Papers
from ticker.rates.desk import News
from ticker.rates.events import Entry
from ticker.rates.model import NOWHERE, Cursor, Fixing, Pair, Quote
from ticker.rates.source import Outcome
from ticker.records import Document
from ticker.store import UNAVAILABLE, Batch, Behind, Done, LeaseLost, Store, condition, is_refusal, public

log = logging.getLogger(__name__)

AGAIN_SECONDS = 0.3
"""Seconds between two tries to get the lease, or to reach Redis."""
LEAVE_SECONDS = 0.3
"""Seconds that a shutdown waits for Redis to take the news of the last polls."""
ENTRIES_AT_ONCE = 500
"""Events that are written in one step; a whole ledger takes several."""
DOCUMENTS_AT_ONCE = 200
FixingKey = tuple[str, Pair, date]
Item = TypeVar("Item")
_NO_PAPERS = Papers()


@dataclass(slots=True)
class Waiting:
    """What is not in Redis yet: the newest of each quote and publication, and every event."""

    quotes: dict[Pair, Quote] = field(default_factory=dict)
    entries: dict[int, Entry] = field(default_factory=dict)
    dropped: set[int] = field(default_factory=set)
    fixings: dict[FixingKey, Fixing] = field(default_factory=dict)
    gone: dict[FixingKey, Fixing] = field(default_factory=dict)
    documents: dict[str, Document] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    answers: dict[str, Done] = field(default_factory=dict)
    """The answers to operators' orders, by their ids, in order."""

    def put(self, quotes: Iterable[Quote], news: News, papers: Papers) -> None:
        """Take the news. What is gone is also removed from what waits."""
        self.quotes.update((quote.symbol, quote) for quote in quotes)
        self.entries.update((entry.number, entry) for entry in news.entries)
        for number in news.dropped:
            if self.entries.pop(number, None) is None:
                self.dropped.add(number)
        for fixing in news.gone:
            self.gone[_key(fixing)] = fixing
            self.fixings.pop(_key(fixing), None)
        for fixing in news.fixings:
            self.fixings[_key(fixing)] = fixing
            self.gone.pop(_key(fixing), None)
        self._put_papers(papers)

    def _put_papers(self, papers: Papers) -> None:
        for sha256 in papers.gone:
            self.documents.pop(sha256, None)
            self.forgotten.add(sha256)
        for document in papers.kept:
            self.documents[document.sha256] = document
            self.forgotten.discard(document.sha256)

    def settle(self, batch: Batch) -> None:
        """Remove what was written, unless something newer has replaced it meanwhile."""
        _settle(self.quotes, {quote.symbol: quote for quote in batch.quotes})
        _settle(self.entries, {entry.number: entry for entry in batch.entries})
        _settle(self.fixings, {_key(fixing): fixing for fixing in batch.fixings})
        _settle(self.gone, {_key(fixing): fixing for fixing in batch.gone})
        _settle(self.documents, {each.sha256: each for each in batch.documents})
        _settle(self.outcomes, {outcome.source: outcome for outcome in batch.outcomes})
        _settle(self.answers, dict(batch.answers))
        self.dropped.difference_update(batch.dropped)
        self.forgotten.difference_update(batch.forgotten)

    def is_empty(self) -> bool:
        """Whether nothing waits."""
        kinds = (
            self.quotes,
            self.entries,
            self.fixings,
            self.gone,
            self.documents,
            self.outcomes,
            self.answers,
        )
        return not any(kinds) and not self.dropped and not self.forgotten


def _key(fixing: Fixing) -> FixingKey:
    return fixing.source, fixing.symbol, fixing.day


def _settle(pending: dict[Any, Any], done: dict[Any, Any]) -> None:
    for key, item in done.items():
        if pending.get(key) is item:
            del pending[key]


class Outbox:
    """Writes what waits to the store, under the lease that it holds."""

    def __init__(
        self, store: Store, *, owner: str, alone: bool, lease_seconds: int, board: Board | None = None
    ) -> None:
        """Write errors are shown on the board."""
        self.waiting = Waiting()
        self.seen: Cursor = NOWHERE
        """The highest cursor that this process knows."""
        self.written = 0
        """The number of the last event that this process knows to be in Redis."""
        self.mode: Literal["changes", "everything", "reset"] = "changes"
        self.away = ""
        """Why Redis takes nothing; empty while it does."""
        self.took_over = False
        """Whether an earlier version's data was imported, so that the next complete write deletes it."""
        self._store = store
        self._owner = owner
        self._alone = alone
        self._board = board or Board.alone()
        self._seconds = lease_seconds
        self._lease = ""
        self._emptied_at = math.inf
        """When Redis was first seen without any lease, in monotonic seconds."""
        self._anew = False
        self._beginning = 0
        """How often what waited was replaced."""
        self._lost = False
        """Whether a write showed that Redis has less than was written, or may have."""
        self._logged: dict[Pair, tuple[str, ...]] = {}
        """The last logged lines of each quote."""
        self._news = asyncio.Event()

    def put(self, quotes: Iterable[Quote], news: News, papers: Papers = _NO_PAPERS) -> None:
        """Take the desk's news, and the documents behind it."""
        self.waiting.put(quotes, news, papers)
        self._news.set()

    def note(self, outcome: Outcome) -> None:
        """Take the outcome of a source's last poll."""
        self.waiting.outcomes[outcome.source] = outcome
        self._news.set()

    def answer(self, order: str, done: Done) -> None:
        """Take the answer to an order. It is written with the events that follow from the order."""
        self.waiting.answers[order] = done
        self._news.set()

    @property
    def begins(self) -> bool:
        """Whether everything must be written again, and nothing of it has been written."""
        return self._anew

    def close(self) -> None:
        """Drop what waits, until `begin_again` replaces it and everything in Redis."""
        self.mode, self._anew = "reset", False
        self._replace(Waiting(outcomes=self.waiting.outcomes))

    def begin_again(self) -> None:
        """Write everything again. The first step empties the ledger in Redis."""
        self.mode = "reset" if self.mode == "reset" else "everything"
        self._anew, self.written = True, 0
        self._replace(Waiting(outcomes=self.waiting.outcomes, answers=self.waiting.answers))

    def continue_from(self, cursor: Cursor, number: int) -> None:
        """Continue from what another process left in Redis. What waited here is older."""
        self.seen, self.written = max(self.seen, cursor), number
        self._replace(Waiting(outcomes=self.waiting.outcomes))
        self.mode, self._anew = "changes", False

    def _replace(self, waiting: Waiting) -> None:
        self.waiting = waiting
        self._beginning += 1

    def arrived(self, cursor: Cursor, number: int) -> None:
        """Record that the events up to this number are in Redis, although no answer said so."""
        self.seen, self.written = max(self.seen, cursor), number
        for each in [each for each in self.waiting.entries if each <= number]:
            del self.waiting.entries[each]

    # The lease.

    async def acquire(self, *, stands_by: bool = False) -> bool:
        """
        Try to take the lease. Raises UNAVAILABLE's errors.

        A process that `stands_by` leaves an emptied Redis to the process that polled, which still knows all
        that was there, for as long as a lease lasts.
        """
        now = monotonic()
        lease = await self._store.acquire(
            self._owner,
            seconds=self._seconds,
            now_ms=_now_ms(),
            force=self._alone,
            patient=stands_by and now < self._emptied_at + self._seconds,
        )
        self._emptied_at = min(self._emptied_at, now) if lease == "" else math.inf
        self._lease = lease or ""
        return bool(lease)

    async def note_version(self) -> None:
        """Record the version of this process, for `ticker config check`. Raises LeaseLost."""
        await self._store.note_version(self._lease, __version__)

    async def renew(self, holds: Iterable[Pair] = ()) -> bool:
        """Renew the lease, record the holds; return whether Redis is complete. Raises LeaseLost."""
        last = await self._store.renew(self._lease, seconds=self._seconds, holds=holds)
        is_whole, self._lost = last >= self.seen and not self._lost, False
        return is_whole

    async def wait(self) -> None:
        """Wait for news, or until the lease must be renewed; while Redis is away, a moment."""
        if self.away:
            await asyncio.sleep(AGAIN_SECONDS)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds / 3):
                await self._news.wait()

    async def leave(self) -> None:
        """Write the news of the last polls and give the lease back, if Redis takes them at once."""
        with suppress(*UNAVAILABLE, LeaseLost):
            async with asyncio.timeout(LEAVE_SECONDS):
                with suppress(Behind):
                    await self._write_all()
                await self._store.release(self._lease)

    @contextmanager
    def redis_may_be_away(self) -> Iterator[None]:
        """Log the first failure and the recovery. The failures between them are not logged."""
        self._board.tries()
        try:
            yield
        except UNAVAILABLE as error:
            what = condition(error, "writes")
            if self.away != what:
                log.error("redis %s, quotes wait in memory: %s", what, in_words(error))
            self.away = what
            self._board.fails(public(error), refused=is_refusal(error), now=datetime.now(UTC))
        else:
            if self.away:
                log.info("redis %s", "accepts writes again" if self.away == "refuses writes" else "is back")
            self.away = ""
            self._board.works()

    # Writing.

    async def write(self) -> None:
        """Write what waits to Redis. What arrives meanwhile waits for the next time. Raises LeaseLost."""
        self._news.clear()
        try:
            await self._write_all()
        except Behind:  # the next renewal of the lease reports it
            self._lost = True
            self._news.set()

    async def _write_all(self) -> None:
        while not self.waiting.is_empty() or self._anew:
            await self._write_once()

    async def _write_once(self) -> None:
        batch, before, beginning = self._batch(), self.seen, self._beginning
        # A large ledger takes many steps.
        self._board.tries()
        self.seen = await self._store.write(
            batch, lease=self._lease, seen=self.seen, now_ms=_now_ms(), mode=self._mode_of(batch)
        )
        if self._beginning != beginning:
            return  # what was written belongs to what was replaced meanwhile
        self.waiting.settle(batch)
        self._anew = False
        self.took_over = self.took_over and not batch.took_over
        self.written = max([self.written, *(entry.number for entry in batch.entries)])
        if batch.quotes or (batch.fixings and self.mode != "reset"):
            self.mode = "changes"
        if self.seen != before:
            self._log(batch.quotes)

    def _log(self, quotes: Iterable[Quote]) -> None:
        """Log what is new: a quote is also written again when only its other fields change."""
        for quote in quotes:
            words = _in_words(quote)
            for line in words:
                if line not in self._logged.get(quote.symbol, ()):
                    log.info("%s", line)
            self._logged[quote.symbol] = words

    def _batch(self) -> Batch:
        """
        The next step: documents, then the events that came from them, then what follows from the events.

        So no event names a missing document. Quotes and history come with the last event.
        """
        waiting = self.waiting
        documents = _first(waiting.documents.values(), DOCUMENTS_AT_ONCE)
        if len(documents) < len(waiting.documents):
            return Batch(documents=documents, after=self.written, anew=self._anew, partial=True)
        entries = _first(sorted(waiting.entries.values(), key=lambda each: each.number), ENTRIES_AT_ONCE)
        if len(entries) < len(waiting.entries):
            return Batch(
                documents=documents, entries=entries, after=self.written, anew=self._anew, partial=True
            )
        return Batch(
            quotes=tuple(waiting.quotes.values()),
            fixings=tuple(waiting.fixings.values()),
            gone=tuple(waiting.gone.values()),
            entries=entries,
            dropped=tuple(waiting.dropped),
            documents=documents,
            forgotten=tuple(waiting.forgotten),
            outcomes=tuple(waiting.outcomes.values()),
            answers=tuple(waiting.answers.items()),
            after=self.written,
            anew=self._anew,
            took_over=self.took_over,
        )

    def _mode_of(self, batch: Batch) -> Literal["changes", "everything", "reset"]:
        """A reset deletes the old quotes only in the step that writes the new ones."""
        return "everything" if self.mode == "reset" and not batch.quotes else self.mode


def _in_words(quote: Quote) -> tuple[str, ...]:
    """The log lines of a quote: its rate, and an announced one."""
    status = "" if quote.status in ("live", "pegged") else f", {quote.status}"
    price = wire.plain(quote.price)
    rate = f"{quote.symbol} = {price} as of {quote.as_of} ({quote.source}{status})"
    if not quote.next:
        return (rate,)
    announced = wire.plain(quote.next.price)
    return rate, f"{quote.symbol}: {quote.source} announces {announced} as of {quote.next.as_of}"


def _first(items: Iterable[Item], count: int) -> tuple[Item, ...]:
    return tuple(islice(items, count))


def _now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)
