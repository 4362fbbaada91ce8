"""Parses what is stored. The append-only file has no checksum, so everything is validated."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ticker import records, wire
from ticker.rates.events import Entry
from ticker.rates.model import Cursor, Fixing, Pair, Quote
from ticker.records import Document

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 50
"""Rows of a history or of the ledger that are parsed before other work gets a turn: some ms."""


def latest(symbol: str, text: str) -> tuple[Cursor, Quote] | None:
    """The latest quote of a symbol and the cursor at which it was published; None if it is unreadable."""
    cursor, _, quote = text.partition(" ")
    try:
        return Cursor.parse(cursor), wire.decode_quote(quote)
    except ValueError as error:
        log.error("redis: the latest quote of %s is unreadable and was skipped: %s", symbol, error)
        return None


def quotes(entry: str, fields: Mapping[str, str]) -> tuple[Quote, ...]:
    """The quotes of one entry of the stream; none if it is unreadable."""
    try:
        return wire.decode_quotes(fields.get("quotes", ""))
    except ValueError as error:
        log.error("redis: entry %s of the stream is unreadable and was skipped: %s", entry, error)
        return ()


def fixing(key: str, member: str, symbol: Pair) -> Fixing | None:
    """A row of a history; None if it is unreadable."""
    source, _, text = member.partition("|")
    try:
        return records.decode_fixing(text, symbol=symbol, source=source)
    except ValueError as error:
        log.error("redis: a row of %s is unreadable and was skipped: %s", key, error)
        return None


def event(name: str, fields: Mapping[str, str]) -> Entry | None:
    """An event of the ledger; None if it is unreadable."""
    try:
        return Entry(Cursor.parse(name).epoch, records.decode_event(fields.get("e", "")))
    except ValueError as error:
        log.error("redis: event %s of the ledger is unreadable and was skipped: %s", name, error)
        return None


def document(name: str, body: bytes | None, about: str) -> Document | None:
    """A document by its SHA-256; None if it is unreadable."""
    try:
        return records.decode_document(name, body or b"", about)
    except ValueError as error:
        log.error("redis: document %s is unreadable and was skipped: %s", name, error)
        return None
