"""Continues from what is in Redis: after taking the lease, after a loss, and from an earlier version."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from ticker import legacy
from ticker.config import Settings
from ticker.poll.current import CurrentDesk
from ticker.poll.feed import Feed
from ticker.poll.outbox import Outbox
from ticker.rates.desk import Desk
from ticker.rates.events import Entry
from ticker.rates.model import Quote
from ticker.store import Snapshot, Store

log = logging.getLogger(__name__)

_KEPT = {"as_of", "published", "succeeded_at"}
"""The fields of an outcome that are taken from another process. The others are this process's own."""


class Takeover:
    """Loads a desk from what was written, and writes again what was lost."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        current: CurrentDesk,
        outbox: Outbox,
        feeds: Sequence[Feed],
        *,
        new_desk: Callable[[], Desk],
    ) -> None:
        self._store = store
        self._settings = settings
        self._current = current
        self._outbox = outbox
        self._feeds = feeds
        self._new_desk = new_desk

    async def take_up(self) -> None:
        """Continue from what is in Redis, if other processes wrote it. Raises UNAVAILABLE's errors."""
        snapshot, last = await self._store.snapshot(), await self._store.last_event()
        if self._outbox.mode == "reset":
            self._outbox.seen = max(self._outbox.seen, snapshot.cursor)
            return  # everything in Redis is about to be replaced
        if last > self._outbox.written or snapshot.cursor > self._outbox.seen:
            await self._start_from(snapshot, last)

    async def _start_from(self, snapshot: Snapshot, last: int) -> None:
        """
        Start with what other processes wrote, which is newer than what this process knows.

        Every source is then asked in full, and all quotes are judged again. If this process wrote the ledger,
        and only the answer to its write was lost, it keeps its desk.
        """
        await self._take_outcomes()
        quotes = [quote for _, quote in snapshot.rows]
        with _no_garbage_collection():
            entries, documents = await self._store.ledger(), await self._store.documents()
        if self._is_ours(entries):
            self._outbox.arrived(snapshot.cursor, last)
            self._say_changes(self._current.desk, quotes)
            return
        old = [] if entries else await self._events_of_an_earlier_version(quotes)
        desk = self._new_desk()
        # A ledger of five years takes some seconds; this process must serve its readers meanwhile.
        with _no_garbage_collection():
            await asyncio.to_thread(desk.load, entries or old, quotes)
        gc.freeze()
        self._current.use(desk, documents.values())
        self._outbox.continue_from(snapshot.cursor, last)
        for feed in self._feeds:
            feed.forget()
        if old:
            self._outbox.took_over = True
            self._current.say_as_new(old)
        self._say_changes(desk, quotes)

    def _is_ours(self, entries: Sequence[Entry]) -> bool:
        """Whether this process wrote the ledger that is in Redis."""
        known = {entry.number: entry for entry in self._current.desk.entries}
        return any(entry.number in known for entry in entries[-1:]) and all(
            known.get(entry.number, entry) == entry for entry in entries
        )

    def _say_changes(self, desk: Desk, quotes: Iterable[Quote]) -> None:
        published = {quote.symbol: quote for quote in quotes}
        desk.tick(now=self._current.now())
        changed = [each for each in desk.quotes.values() if each != published.get(each.symbol)]
        self._current.say(desk, changed)

    async def _take_outcomes(self) -> None:
        outcomes = await self._store.outcomes([feed.source.key for feed in self._feeds])
        for feed in self._feeds:
            told = outcomes[feed.source.key].model_dump(include=_KEPT)
            feed.outcome = feed.outcome.model_copy(update=told)

    async def _events_of_an_earlier_version(self, quotes: Iterable[Quote]) -> list[Entry]:
        """The ledger that follows from the data of a version without one; empty if there is none."""
        fixings = await self._store.fixings(self._settings.symbols)
        memory = await self._store.legacy_memory()
        if not fixings and memory is None:
            return []
        log.info("ledger: %d publications of an earlier version were imported", len(fixings))
        events = legacy.events_of(fixings, memory, quotes, now=self._current.now())
        return [Entry(number, event) for number, event in enumerate(events, 1)]

    def heal(self) -> None:
        """Redis lost what was written, or may have (flushed, restored, promoted): write it all again."""
        if self._outbox.begins:
            return
        if self._outbox.mode == "changes":
            log.warning("redis: published data may be lost, publishing everything again")
        self._outbox.begin_again()
        self._current.say_everything()
        for feed in self._feeds:
            self._outbox.note(feed.outcome)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """
    Switch the garbage collector off while many lasting values are made: it takes a third of a fold's time.

    The caller freezes them afterwards, so that later collections skip them. With five years of eleven sources
    a collection would take nearly a second, in which no reader is served.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
