"""
The documents: the bytes of every answer that an event of the ledger came from, once each, compressed.

They are evidence beside the events; no quote is derived from them. They also stay in memory, so that they can
be written again after Redis lost them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from ticker.fetch import Answer
from ticker.rates.events import Entry, Said
from ticker.rates.source import Source
from ticker.records import Document

KEEP_OFFERED = 64
"""Answers that are kept until the events that came from them are known."""
AGGREGATOR_AGE = timedelta(days=30)
"""How much older than its newest table an aggregator's document may get. A bank's goes with its events."""
HEARD_EVERY = timedelta(hours=12)
"""The shortest time between two records that a document was heard again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """What changed on the shelf."""

    kept: tuple[Document, ...] = ()
    """The documents that are new, or were heard again."""
    gone: tuple[str, ...] = ()
    """The SHA-256 of those that were dropped."""


class Shelf:
    """The stored documents by SHA-256, and the answers without a known event."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._aggregators = {source.key for source in sources if source.kind == "market"}
        self._kept: dict[str, Document] = {}
        self._days: dict[str, date] = {}
        """The newest day of a table in each document."""
        self._offered: dict[str, Document] = {}
        self._changed: dict[str, Document] = {}
        self._gone: set[str] = set()

    def load(self, documents: Iterable[Document], entries: Iterable[Entry]) -> None:
        """Take the documents that another process stored, and the events that came from them."""
        self._kept = {each.sha256: each for each in documents}
        self._days.clear()
        self._changed.clear()
        self._gone.clear()
        for entry in entries:
            self._date(entry)

    def offer(self, answer: Answer, *, source: str, asked: date, now: datetime) -> str:
        """Take an answer. It is stored if an event comes from it. Returns its SHA-256 in hex."""
        sha256 = hashlib.sha256(answer.body).hexdigest()
        if known := self._kept.get(sha256):
            if now - known.last_heard >= HEARD_EVERY:
                self._keep(replace(known, last_heard=now))
        elif sha256 not in self._offered:
            self._offered[sha256] = Document.of(
                answer.body, source=source, address=answer.address, asked=asked, heard=now
            )
            for oldest in list(self._offered)[:-KEEP_OFFERED]:
                del self._offered[oldest]
        return sha256

    def cite(self, entries: Iterable[Entry]) -> None:
        """Store the answers that these events came from."""
        for entry in entries:
            self._date(entry)
            for sha256 in _cited(entry):
                if document := self._offered.pop(sha256, None):
                    self._keep(document)

    def _date(self, entry: Entry) -> None:
        if isinstance(entry.event, Said):
            for sha256 in _cited(entry):
                self._days[sha256] = max(self._days.get(sha256, date.min), entry.event.table.day)

    def _keep(self, document: Document) -> None:
        self._kept[document.sha256] = self._changed[document.sha256] = document
        self._gone.discard(document.sha256)
        if document.source in self._aggregators:
            self._drop_old(document)

    def _drop_old(self, newest: Document) -> None:
        """Drop an aggregator's old documents, by the dates in its tables, not by the clock."""
        day = self._days.get(newest.sha256, date.min)
        own = [sha256 for sha256, each in self._kept.items() if each.source == newest.source]
        self._drop(sha256 for sha256 in own if day - self._days.get(sha256, day) > AGGREGATOR_AGE)

    def keep_only(self, entries: Iterable[Entry]) -> None:
        """Drop every document that none of these events came from."""
        cited = {sha256 for entry in entries for sha256 in _cited(entry)}
        self._drop(sha256 for sha256 in self._kept if sha256 not in cited)

    def _drop(self, names: Iterable[str]) -> None:
        for sha256 in list(names):
            del self._kept[sha256]
            self._days.pop(sha256, None)
            self._changed.pop(sha256, None)
            self._gone.add(sha256)

    def all(self) -> Papers:
        """Every stored document."""
        return Papers(kept=tuple(self._kept.values()))

    def drain(self) -> Papers:
        """What changed since the last call."""
        papers = Papers(kept=tuple(self._changed.values()), gone=tuple(self._gone))
        self._changed, self._gone = {}, set()
        return papers


def _cited(entry: Entry) -> Iterator[str]:
    if isinstance(entry.event, Said):
        yield from entry.event.document.split()
