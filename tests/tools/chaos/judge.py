"""Whether what a reader was told is what was published: no gap, no repeat, no step back. Pure."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from ticker import wire
from ticker.rates.model import NOWHERE, Cursor, Pair, Selection

Quote = dict[str, Any]
"""A quote as it travels."""
Message = dict[str, Any]
Outage = tuple[float, float]
"""From when to when the workers may have been without Redis, in seconds of a steady clock."""


class Truth:
    """Every publication there was: what the stream of Redis itself held."""

    def __init__(self) -> None:
        self.last = NOWHERE
        self._said: dict[tuple[int, str], tuple[list[int], list[Quote]]] = {}
        self._cursors = {NOWHERE}

    def add(self, entries: Iterable[tuple[str, str]]) -> None:
        """Take entries of the stream, in order: their ids and the JSON of their quotes."""
        for entry, text in entries:
            cursor = Cursor.parse(entry)
            if cursor <= self.last:
                continue
            self.last = cursor
            self._cursors.add(cursor)
            for quote in json.loads(text):
                sequences, quotes = self._said.setdefault((cursor.epoch, quote["symbol"]), ([], []))
                sequences.append(cursor.sequence)
                quotes.append(quote)

    def __contains__(self, cursor: Cursor) -> bool:
        return cursor in self._cursors

    def __len__(self) -> int:
        return len(self._cursors) - 1

    @property
    def epochs(self) -> int:
        return len({cursor.epoch for cursor in self._cursors}) - 1

    def since(self, position: Cursor, cursor: Cursor, symbols: Iterable[str]) -> dict[str, Quote]:
        """The newest quote of each symbol as of `cursor`, where it is newer than `position`."""
        found = {}
        for symbol, sequences, quotes in self._of(cursor.epoch, symbols):
            end = bisect_right(sequences, cursor.sequence)
            if end and (position.epoch != cursor.epoch or sequences[end - 1] > position.sequence):
                found[symbol] = quotes[end - 1]
        return found

    def publications(self, position: Cursor, cursor: Cursor, symbols: Iterable[str]) -> int:
        """How many publications between two places of one epoch have to do with these symbols."""
        found: set[int] = set()
        for _, sequences, _ in self._of(cursor.epoch, symbols):
            start, end = (bisect_right(sequences, each.sequence) for each in (position, cursor))
            found.update(sequences[start:end])
        return len(found)

    def _of(self, epoch: int, symbols: Iterable[str]) -> Iterator[tuple[str, list[int], list[Quote]]]:
        for symbol in symbols:
            if said := self._said.get((epoch, symbol)):
                yield symbol, *said


@dataclass(slots=True)
class Connection:
    """One connection of a reader: what it asked for, and every frame that came, with its time."""

    selection: tuple[str, ...]
    cursor: str
    """With which it came; empty: as somebody new."""
    is_slow: bool = False
    """Whether the reader did not always read."""
    asked: list[tuple[str, ...]] = field(default_factory=list)
    """The selections that it changed to."""
    told: list[tuple[float, Message]] = field(default_factory=list)


def faults(
    log: Iterable[Connection],
    truth: Truth,
    symbols: tuple[Pair, ...],
    outages: Sequence[Outage] = (),
    *,
    rises: bool = True,
) -> list[str]:
    """
    What is wrong with everything that a reader was told, in words.

    With `rises`, every word about a symbol has a higher figure, and nothing is ever late. Without it, a quote
    may be told once more when it becomes late, and when it no longer is.
    """
    hearing = _Hearing(truth, symbols, outages, rises=rises)
    for number, connection in enumerate(log):
        hearing.hear(number, connection)
    return hearing.faults


class _Hearing:
    """Goes through the log of one reader, knowing at every frame what it has to be."""

    def __init__(
        self, truth: Truth, symbols: tuple[Pair, ...], outages: Sequence[Outage], *, rises: bool
    ) -> None:
        self.faults: list[str] = []
        self._rises = rises
        self._truth = truth
        self._symbols = symbols
        self._outages = outages
        self._known: dict[str, Quote] = {}
        """The newest that the reader has, by symbol, over all of its connections."""
        self._highest = NOWHERE
        self._position: Cursor | None = None
        """Up to where the reader has everything of its selection; None: a snapshot is due."""
        self._where = ""

    def hear(self, number: int, connection: Connection) -> None:
        offered = [wire.select(each, self._symbols) for each in (connection.selection, *connection.asked)]
        if not connection.cursor:
            # Somebody new, of whom nobody can know what an earlier one was told.
            self._known.clear()
            self._highest = NOWHERE
        self._position = wire.read_cursor(connection.cursor, offered[0]) if connection.cursor else None
        for count, (at, message) in enumerate(connection.told):
            self._where = f"connection {number}, frame {count}: {message['type']} {message.get('cursor')}"
            if message["type"] == "error":
                self._fault(f"an error: {message['message']}")
                return
            found = next((each for each in offered if _is_of(message["cursor"], each)), None)
            if found is None:
                self._fault("the cursor is not of the reader's selection")
                return
            if found is not offered[0]:
                del offered[: offered.index(found)]
                self._position = None
            self._take(message, found, at, connection, is_first=not count)

    def _fault(self, words: str) -> None:
        self.faults.append(f"{self._where}: {words}")

    def _take(
        self, message: Message, selection: Selection, at: float, connection: Connection, *, is_first: bool
    ) -> None:
        cursor, symbols = _unstamped(message["cursor"]), tuple(map(str, selection.symbols))
        if cursor not in self._truth:
            self._fault("a cursor of no publication")
        if cursor < self._highest:
            self._fault(f"a step back, {self._highest} was told before")
        match message["type"]:
            case "snapshot":
                self._snapshot(cursor, symbols, message)
            case "update":
                self._update(cursor, symbols, message, is_first=is_first)
                if not (is_first or connection.is_slow or self._was_away(at)):
                    self._check_conflation(cursor, symbols)
            case "heartbeat":
                self._heartbeat(cursor, symbols)
            case other:
                self._fault(f"{other} is no frame")
        self._position = cursor
        self._highest = max(self._highest, cursor)

    def _snapshot(self, cursor: Cursor, symbols: tuple[str, ...], message: Message) -> None:
        if self._position and self._position.epoch == cursor.epoch and self._position <= cursor:
            self._fault(f"a snapshot, where an update since {self._position} was due")
        self._compare(self._truth.since(NOWHERE, cursor, symbols), message["quotes"])
        self._keep(message["quotes"], is_news=False)

    def _update(self, cursor: Cursor, symbols: tuple[str, ...], message: Message, *, is_first: bool) -> None:
        position = self._position
        if position is None or position.epoch != cursor.epoch:
            self._fault(f"an update, where a snapshot was due (position {position})")
            return
        if not (is_first or message["quotes"]):
            self._fault("an empty update")
        again = {} if self._rises else self._truth.since(NOWHERE, cursor, symbols)
        self._compare(self._truth.since(position, cursor, symbols), message["quotes"], again)
        self._keep(message["quotes"], is_news=self._rises)

    def _check_conflation(self, cursor: Cursor, symbols: tuple[str, ...]) -> None:
        position = self._position
        if position is None or position.epoch != cursor.epoch:
            return
        if (count := self._truth.publications(position, cursor, symbols)) != 1:
            self._fault(f"{count} publications since {position} as one, to a reader that was caught up")

    def _heartbeat(self, cursor: Cursor, symbols: tuple[str, ...]) -> None:
        position = self._position
        if position is None or position.epoch != cursor.epoch:
            self._fault(f"a heartbeat, where a snapshot was due (position {position})")
        elif missed := self._truth.since(position, cursor, symbols):
            self._fault(f"a gap: {', '.join(missed)} never came, since {position}")

    def _was_away(self, at: float) -> bool:
        """Whether a frame of this time may tell in one what was published while Redis was away."""
        return any(start <= at <= end for start, end in self._outages)

    def _compare(
        self, due: dict[str, Quote], told: list[Quote], again: Mapping[str, Quote] = MappingProxyType({})
    ) -> None:
        """`due` are the quotes that have to be told, `again` those that may be told once more."""
        found = {quote["symbol"]: quote for quote in told}
        if len(found) != len(told):
            self._fault("a symbol twice")
        if missing := sorted(due.keys() - found.keys()):
            self._fault(f"a gap: {', '.join(missing)} is missing")
        if extra := sorted(found.keys() - due.keys() - again.keys()):
            self._fault(f"{', '.join(extra)} is not new, or not selected")
        for symbol, quote in sorted({**again, **due}.items()):
            if symbol in found and not self._says(found[symbol], quote):
                self._fault(f"{symbol} is {_figure(found[symbol])}, and {_figure(quote)} was due")

    def _says(self, found: Quote, due: Quote) -> bool:
        """Whether a quote is the one that is due; it may be late by now."""
        is_late = not self._rises and found["status"] == "stale"
        return found == (due | {"status": "stale"} if is_late else due)

    def _keep(self, quotes: list[Quote], *, is_news: bool) -> None:
        """Hold each quote against what the reader had of its symbol, whatever the cursors say."""
        for quote in quotes:
            symbol, known = quote["symbol"], self._known.get(quote["symbol"])
            if self._rises and known and _figure(quote) < _figure(known):
                self._fault(f"a step back of {symbol}: {_figure(quote)} after {_figure(known)}")
            elif is_news and known == quote:
                self._fault(f"a repeat of {symbol}: {_figure(quote)}")
            self._known[symbol] = quote


def _figure(quote: Quote) -> Decimal:
    """The number that rises with every word about a symbol."""
    return Decimal(quote["inverse"])


def _unstamped(text: str) -> Cursor:
    """The place in the stream, without the mark of the selection."""
    cursor = Cursor.parse(text)
    return Cursor(cursor.epoch, cursor.sequence & ((1 << 40) - 1))


def _is_of(text: str, selection: Selection) -> bool:
    return wire.stamp(_unstamped(text), selection) == text
