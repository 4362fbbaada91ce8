"""What a reader has not seen: `since(cursor)`, the late items, and the awaited symbols. Pure."""

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
    """The published item of a symbol, and the item that readers get once the first is late."""

    at: Cursor
    """The position in the stream at which it was published."""
    item: Item
    due_at: datetime | None = None
    """The moment from which it is late. None if it never is, or if that makes no difference."""
    late: Item | None = None
    """The item from `due_at` on."""

    def told(self, *, late: bool) -> Item:
        """The item that readers get now."""
        return self.late if late and self.late is not None else self.item


@dataclass(frozen=True, slots=True)
class Delta(Generic[Item]):
    """What a reader has not seen. A snapshot replaces what it has, an update adds to it."""

    kind: Literal["snapshot", "update"]
    cursor: Cursor
    items: tuple[Item, ...]
    awaited: Awaited = ()


class Mirror(Generic[Item]):
    """
    The newest item of every symbol, its cursor, and which items are late.

    Snapshot, update, resume and conflation are four names for `since(cursor)`; nothing is queued. An item
    that becomes late gets no cursor of its own: each process finds this out by its clock. Every symbol can
    also be read as its reverse.
    """

    def __init__(self, symbols: Sequence[Pair], invert: Callable[[Item], Item]) -> None:
        """`invert` gives the item of the reversed symbol."""
        self.symbols = tuple(symbols)
        self._invert = invert
        self._origins = both_ways(self.symbols)
        self._inverted: dict[Pair, tuple[Item, Item]] = {}
        """By symbol, the item that was inverted last, and the result."""
        self.cursor = NOWHERE
        self.late: frozenset[Pair] = frozenset()
        """The symbols that are late."""
        self.awaited: Awaited = ()
        """The symbols without an item."""
        self._reasons: Mapping[Pair, str] = {}
        """The reason for each symbol that has no item."""
        self._rows: dict[Pair, Row[Item]] = {}
        self._turned: set[Pair] = set()
        """The symbols that have been late at any time since they were published."""
        self._note_awaited()

    @property
    def version(self) -> tuple[Cursor, frozenset[Pair], tuple[Pair, ...], Awaited]:
        """Changes with every result of `since` and `get`."""
        return self.cursor, self.late, self.symbols, self.awaited

    def serve(
        self, symbols: Sequence[Pair], rows: Iterable[tuple[Pair, Row[Item]]], *, now: datetime
    ) -> None:
        """Switch to other symbols. `rows` are the published items of the new ones."""
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
        Take the publications up to `cursor`, and return the symbols that changed.

        A cursor of a newer epoch replaces everything. A cursor that is older than the mirror's changes
        nothing. `look` finds out which of the other items have become late.
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
        """Take the reasons of symbols without an item, and return those whose readers must be told."""
        before = frozenset(self.awaited)
        self._reasons = reasons
        self._note_awaited()
        return frozenset(symbol for symbol, _ in frozenset(self.awaited) - before)

    def _note_awaited(self) -> None:
        """Find the symbols without an item. Usually there are none, and nothing is searched."""
        is_full = len(self._rows) == len(self.symbols)
        missing = () if is_full else (symbol for symbol in self.symbols if symbol not in self._rows)
        self.awaited = tuple((symbol, self._reasons.get(symbol, NOT_YET)) for symbol in missing)

    def look(self, now: datetime) -> frozenset[Pair]:
        """
        Judge again which symbols are late, and return those whose readers must be told.

        If the clock was set back, an item may no longer be late.
        """
        late = frozenset(symbol for symbol, row in self._rows.items() if is_late(row, now))
        turned, self.late = self.late ^ late, late
        self._turned |= turned
        return turned

    @property
    def next_due(self) -> datetime | None:
        """The next moment at which a symbol becomes late; None if there is none."""
        moments = [row.due_at for symbol, row in self._rows.items() if row.due_at and symbol not in self.late]
        return min(moments, default=None)

    def since(self, cursor: Cursor | None, symbols: Sequence[Pair] | None = None) -> Delta[Item]:
        """
        What a reader at `cursor` has not seen of `symbols` (default: all).

        A snapshot if the cursor is None, of another epoch, or ahead of this process. Otherwise an update,
        which is empty if nothing is new. A cursor does not say whether its reader knows the late items, so an
        update also has those, and the reasons of awaited symbols.
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
        """These symbols as they are now, for a reader that has everything else."""
        symbols = tuple(symbols)
        known = [symbol for symbol in symbols if self._origins[symbol] in self._rows]
        return Delta("update", self.cursor, self._told(known), self.reasons(symbols))

    def reasons(self, symbols: Iterable[Pair]) -> Awaited:
        """The awaited ones of these symbols, spelled as the request has them, with the reasons."""
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
        """The inverted item, made once for all its readers."""
        known, made = self._inverted.get(symbol, (None, item))
        if known is not item:
            made = self._invert(item)
            self._inverted[symbol] = item, made
        return made
