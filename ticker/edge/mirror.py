"""What a reader has not seen: `since(cursor)`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from ticker.rates.model import NOWHERE, Cursor, Pair

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Delta(Generic[Item]):
    """What a reader has not seen: a snapshot replaces what it had, an update adds to it."""

    kind: Literal["snapshot", "update"]
    cursor: Cursor
    items: tuple[Item, ...]


class Mirror(Generic[Item]):
    """
    The newest item of every symbol and the cursor at which it changed.

    Snapshot, update, resume and conflation are four names for `since(cursor)`; nothing is queued.
    """

    def __init__(self, symbols: Sequence[Pair]) -> None:
        self.symbols = tuple(symbols)
        self.cursor = NOWHERE
        self._rows: dict[Pair, tuple[Cursor, Item]] = {}

    def apply(self, cursor: Cursor, rows: Iterable[tuple[Pair, Cursor, Item]]) -> frozenset[Pair]:
        """
        Take what was published up to `cursor`; return the symbols that changed.

        Each row is a symbol, the cursor at which it changed and its item. A cursor of a newer epoch
        replaces everything; one that is older than the mirror's own changes nothing.
        """
        if cursor < self.cursor:
            return frozenset()
        if cursor.epoch != self.cursor.epoch:
            self._rows.clear()
        changed = set()
        for symbol, at, item in rows:
            known = self._rows.get(symbol)
            if symbol in self.symbols and (known is None or at > known[0]):
                self._rows[symbol] = at, item
                changed.add(symbol)
        self.cursor = cursor
        return frozenset(changed)

    def since(self, cursor: Cursor | None, symbols: Sequence[Pair] | None = None) -> Delta[Item]:
        """
        What a reader at `cursor` has not seen of `symbols` (none given: of all).

        A snapshot where the cursor is None, of another epoch or ahead of us; else an update, which
        is empty if there is nothing new.
        """
        rows = [self._rows[symbol] for symbol in symbols or self.symbols if symbol in self._rows]
        if cursor is None or cursor.epoch != self.cursor.epoch or cursor > self.cursor:
            return Delta("snapshot", self.cursor, tuple(item for _, item in rows))
        return Delta("update", self.cursor, tuple(item for at, item in rows if at > cursor))

    def get(self, symbol: Pair) -> Item | None:
        """The newest item of one symbol."""
        row = self._rows.get(symbol)
        return row[1] if row else None
