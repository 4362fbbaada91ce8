"""What a poller writes in one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ticker import records, wire
from ticker.rates.events import Entry
from ticker.rates.model import Fixing, Quote
from ticker.rates.source import Outcome
from ticker.records import Document
from ticker.store.orders import ORDERS_KEPT, Done


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is written in one step, or not at all."""

    quotes: tuple[Quote, ...] = ()
    fixings: tuple[Fixing, ...] = ()
    """Rows of the history; each replaces its source's row of that day."""
    gone: tuple[Fixing, ...] = ()
    """Rows of the history to be deleted."""
    entries: tuple[Entry, ...] = ()
    """Events of the ledger, with rising numbers."""
    after: int = 0
    """The number of the last event that the caller knows to be written; 0 if it knows none."""
    dropped: tuple[int, ...] = ()
    """The numbers of events to be deleted from the ledger."""
    documents: tuple[Document, ...] = ()
    """New documents, and known ones that were heard again."""
    forgotten: tuple[str, ...] = ()
    """The SHA-256 of documents to be deleted."""
    outcomes: tuple[Outcome, ...] = ()
    answers: tuple[tuple[str, Done], ...] = ()
    """The answers to operators' orders, by rising ids. An order that has an answer keeps it."""
    anew: bool = False
    """Whether the ledger and the documents are emptied first: set in the first part of a rewrite."""
    partial: bool = False
    """Whether another step follows, with what belongs to these events: a backup waits for it."""
    took_over: bool = False
    """Whether the ledger now has the data of an earlier version, so that the old data is deleted."""

    @property
    def symbols(self) -> list[str]:
        """The symbols whose quote or history it changes, sorted."""
        changed: tuple[Quote | Fixing, ...] = (*self.quotes, *self.fixings, *self.gone)
        return sorted({str(each.symbol) for each in changed})


def written_keys(batch: Batch) -> list[str]:
    """The names of the keys that a batch touches, in the script's order."""
    return [
        *(
            "stream",
            "latest",
            "leader",
            "fence",
            "ledger",
            "documents",
            "documents:about",
            "memory",
            "answers",
            "poller",
        ),
        *(f"history:{symbol}" for symbol in batch.symbols),
        *(f"source:{outcome.source}" for outcome in batch.outcomes),
    ]


def as_order(batch: Batch) -> dict[str, Any]:
    """A batch for the script; a row of the history begins with the number of its symbol, from 1."""
    place = {symbol: number for number, symbol in enumerate(batch.symbols, 1)}
    return {
        "quotes": [[str(quote.symbol), wire.encode_quote(quote)] for quote in batch.quotes],
        "fixings": [
            [place[str(each.symbol)], each.day.toordinal(), each.source, _member(each)]
            for each in batch.fixings
        ],
        "gone": [[place[str(each.symbol)], each.day.toordinal(), each.source] for each in batch.gone],
        "entries": [[entry.number, records.encode_event(entry.event)] for entry in batch.entries],
        "after": batch.after,
        "dropped": batch.dropped,
        "documents": [[each.sha256, records.encode_about(each)] for each in batch.documents],
        "forgotten": batch.forgotten,
        "answers": [[order, done.text, int(done.done)] for order, done in batch.answers],
        "answers_kept": ORDERS_KEPT,
        "outcomes": [outcome.model_dump_json() for outcome in batch.outcomes],
        "anew": batch.anew,
        "partial": batch.partial,
        "took_over": batch.took_over,
    }


def _member(fixing: Fixing) -> str:
    return f"{fixing.source}|{records.encode_fixing(fixing)}"
