"""The desk in use: its news goes into the outbox, with the documents behind it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime

from ticker.poll.clock import Clock
from ticker.poll.outbox import Outbox
from ticker.poll.shelf import Papers, Shelf
from ticker.rates.desk import Desk, News
from ticker.rates.events import Entry
from ticker.rates.model import Quote
from ticker.records import Document

log = logging.getLogger(__name__)


class CurrentDesk:
    """
    Holds the desk in use, and passes its news to the outbox.

    News of an earlier desk is dropped. While `silent`, nothing is passed on.
    """

    def __init__(self, desk: Desk, outbox: Outbox, shelf: Shelf, *, clock: Clock) -> None:
        self.desk = desk
        self.silent = False
        self.heard: Callable[[], None] = _nobody
        """Called after the desk heard something, or was replaced."""
        self._outbox = outbox
        self._shelf = shelf
        self._clock = clock

    def now(self) -> datetime:
        """The time at the desk."""
        return self._clock.now()

    def use(self, desk: Desk, documents: Iterable[Document] = ()) -> None:
        """Switch to another desk, and to the documents behind its ledger."""
        self.desk = desk
        self._shelf.load(documents, desk.entries)
        self.heard()

    def say(self, desk: Desk, quotes: Iterable[Quote]) -> bool:
        """Pass on what is new at a desk; return whether it is still in use."""
        if desk is not self.desk:
            return False
        news = desk.drain()
        self._shelf.cite(news.entries)
        if not self.silent:
            self._put(list(quotes), news)
        self.heard()
        return True

    def judge(self) -> None:
        """Pass on what changes without a poll: at midnights, and when a quote becomes late."""
        self.say(self.desk, self.desk.tick(now=self._clock.now()))

    def next_change(self) -> datetime | None:
        """The next moment at which `judge` may find a change."""
        return self.desk.next_change(now=self._clock.now())

    def _put(self, quotes: list[Quote], news: News) -> None:
        papers = self._shelf.drain()
        if quotes or news != News() or papers != Papers():
            self._outbox.put(quotes, news, papers)
        if news.entries and self.desk.trim(now=self._clock.now()):
            trimmed = self.desk.drain()
            log.info("ledger: %d events older than the history were trimmed", len(trimmed.dropped))
            self._shelf.keep_only(self.desk.entries)
            self._outbox.put((), trimmed, self._shelf.drain())

    def say_everything(self) -> None:
        """Pass on everything that is known, as if it were new."""
        self._shelf.cite(self.desk.drain().entries)
        self._shelf.drain()
        everything = News(entries=tuple(self.desk.entries), fixings=tuple(self.desk.fixings()))
        self._outbox.put(self.desk.quotes.values(), everything, self._shelf.all())

    def say_as_new(self, entries: Iterable[Entry]) -> None:
        """Pass on a ledger that no process has written yet."""
        self._outbox.put((), News(entries=tuple(entries), fixings=tuple(self.desk.fixings())))


def _nobody() -> None:
    """Does nothing, until a listener is set."""
