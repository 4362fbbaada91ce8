"""What a reader has not seen: `since(cursor)`, what is late by now, and what is awaited. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, TypeVar

from ticker.rates.late import is_late
from ticker.rates.model import NOWHERE, Cursor, Pair, both_ways

Item = TypeVar("Item")

Awaited = tuple[tuple[Pair, str], ...]
"""Symbols that have no item yet, each with the reason in words."""
NOT_YET = "It has not been published yet"
"""The reason while nothing is known."""


@dataclass(frozen=True, slots=True)
class Row(Generic[Item]):
    """What was published of a symbol: an item, and the other one that readers get once it is late."""

    at: Cursor
    """Where in the stream it was published."""
    item: Item
    due_at: datetime | None = None
    """The moment from which it is late; None: never, or it makes no difference."""
    late: Item | None = None
    """The item from `due_at` on."""

    def told(self, *, late: bool) -> Item:
        """The item that readers get."""
        return self.late if late and self.late is not None else self.item


@dataclass(frozen=True, slots=True)
class Delta(Generic[Item]):
    """What a reader has not seen: a snapshot replaces what it had, an update adds to it."""

    kind: Literal["snapshot", "update"]
    cursor: Cursor
    items: tuple[Item, ...]
    awaited: Awaited = ()


class Mirror(Generic[Item]):
    """
    The newest item of every symbol, the cursor at which it was published, and which of them are late.

    Snapshot, update, resume and conflation are four names for `since(cursor)`; nothing is queued. That an
    item becomes late has no cursor of its own: each process finds it out by its clock. What is published of a
    symbol can also be read as its reverse.
    """

    def __init__(self, symbols: Sequence[Pair], invert: Callable[[Item], Item]) -> None:
        """`invert` gives the item of a symbol the other way round."""
        self.symbols = tuple(symbols)
        self._invert = invert
        self._origins = both_ways(self.symbols)
        self._inverted: dict[Pair, tuple[Item, Item]] = {}
        """By symbol, the item that was inverted last and what came of it."""
        self.cursor = NOWHERE
        self.late: frozenset[Pair] = frozenset()
        """The symbols that are late."""
        self.awaited: Awaited = ()
        """The symbols without an item."""
        self._reasons: Mapping[Pair, str] = {}
        """Why a symbol has no item, if it has none."""
        self._rows: dict[Pair, Row[Item]] = {}
        self._turned: set[Pair] = set()
        """The symbols that have been late at any time since they were published."""
        self._note_awaited()

    @property
    def version(self) -> tuple[Cursor, frozenset[Pair], tuple[Pair, ...], Awaited]:
        """Changes with everything that `since` and `get` give."""
        return self.cursor, self.late, self.symbols, self.awaited

    def serve(
        self, symbols: Sequence[Pair], rows: Iterable[tuple[Pair, Row[Item]]], *, now: datetime
    ) -> None:
        """Hold other symbols from now on; `rows` are what was published of those that are new."""
        self.symbols = tuple(symbols)
        self._origins = both_ways(self.symbols)
        known = dict(rows)
        known = {symbol: row for symbol, row in known.items() if row.at <= self.cursor} | self._rows
        self._rows = {symbol: known[symbol] for symbol in self.symbols if symbol in known}
        self._inverted.clear()
        self._turned &= self._rows.keys()
        self._note_awaited()
        self.look(now)

    def apply(
        self, cursor: Cursor, rows: Iterable[tuple[Pair, Row[Item]]], *, now: datetime
    ) -> frozenset[Pair]:
        """
        Take what was published up to `cursor`; return the symbols that changed.

        A cursor of a newer epoch replaces everything; one that is older than the mirror's own changes
        nothing. What has become late of the others is left to `look`.
        """
        if cursor < self.cursor:
            return frozenset()
        if cursor.epoch != self.cursor.epoch:
            self._rows.clear()
        changed = set()
        for symbol, row in rows:
            known = self._rows.get(symbol)
            if symbol in self.symbols and (known is None or row.at > known.at):
                self._rows[symbol] = row
                changed.add(symbol)
        self.cursor = cursor
        kept = self._rows.keys() - changed
        late = {symbol for symbol in changed if is_late(self._rows[symbol], now)}
        self.late = self.late & kept | late
        self._turned = self._turned & kept | late
        self._note_awaited()
        return frozenset(changed)

    def explain(self, reasons: Mapping[Pair, str]) -> frozenset[Pair]:
        """Take why symbols have no item; return those without one of which readers have to be told."""
        before = frozenset(self.awaited)
        self._reasons = reasons
        self._note_awaited()
        return frozenset(symbol for symbol, _ in frozenset(self.awaited) - before)

    def _note_awaited(self) -> None:
        """Find the symbols without an item. Usually there is none, and nothing is looked up."""
        is_full = len(self._rows) == len(self.symbols)
        missing = () if is_full else (symbol for symbol in self.symbols if symbol not in self._rows)
        self.awaited = tuple((symbol, self._reasons.get(symbol, NOT_YET)) for symbol in missing)

    def look(self, now: datetime) -> frozenset[Pair]:
        """
        Judge again which symbols are late; return those of which readers have to be told.

        A clock that was set back gives back what was published.
        """
        late = frozenset(symbol for symbol, row in self._rows.items() if is_late(row, now))
        turned, self.late = self.late ^ late, late
        self._turned |= turned
        return turned

    @property
    def next_due(self) -> datetime | None:
        """When the next symbol will be late; None if none will be."""
        moments = [row.due_at for symbol, row in self._rows.items() if row.due_at and symbol not in self.late]
        return min(moments, default=None)

    def since(self, cursor: Cursor | None, symbols: Sequence[Pair] | None = None) -> Delta[Item]:
        """
        What a reader at `cursor` has not seen of `symbols` (none given: of all).

        A snapshot where the cursor is None, of another epoch or ahead of us; else an update, which
        is empty if there is nothing new. A cursor does not tell whether its reader knows what is late, so
        an update has that, too, and why symbols are awaited.
        """
        symbols = symbols or self.symbols
        known = [symbol for symbol in symbols if self._origins[symbol] in self._rows]
        awaited = self.reasons(symbols)
        if cursor is None or cursor.epoch != self.cursor.epoch or cursor > self.cursor:
            return Delta("snapshot", self.cursor, self._told(known), awaited)
        new = [symbol for symbol in known if self._is_new(self._origins[symbol], cursor)]
        return Delta("update", self.cursor, self._told(new), awaited)

    def _is_new(self, symbol: Pair, cursor: Cursor) -> bool:
        return self._rows[symbol].at > cursor or symbol in self._turned

    def current(self, symbols: Iterable[Pair]) -> Delta[Item]:
        """These symbols as they are now, for whoever has everything else."""
        symbols = tuple(symbols)
        known = [symbol for symbol in symbols if self._origins[symbol] in self._rows]
        return Delta("update", self.cursor, self._told(known), self.reasons(symbols))

    def reasons(self, symbols: Iterable[Pair]) -> Awaited:
        """Those of the symbols that have no item yet, each as it was asked for, and why."""
        if not self.awaited:
            return ()
        awaited = dict(self.awaited)
        return tuple(
            (symbol, awaited[origin]) for symbol in symbols if (origin := self._origins[symbol]) in awaited
        )

    def get(self, symbol: Pair) -> Item | None:
        """The newest item of one symbol."""
        return self._item(symbol) if self._origins[symbol] in self._rows else None

    def is_late(self, symbol: Pair) -> bool:
        """Whether the item of a symbol is late."""
        return self._origins[symbol] in self.late

    def _told(self, symbols: Iterable[Pair]) -> tuple[Item, ...]:
        return tuple(map(self._item, symbols))

    def _item(self, symbol: Pair) -> Item:
        origin = self._origins[symbol]
        item = self._rows[origin].told(late=origin in self.late)
        return item if origin == symbol else self._other_way_round(symbol, item)

    def _other_way_round(self, symbol: Pair, item: Item) -> Item:
        """The item inverted, once for all who read it."""
        known, made = self._inverted.get(symbol, (None, item))
        if known is not item:
            made = self._invert(item)
            self._inverted[symbol] = item, made
        return made
