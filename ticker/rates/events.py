"""
The ledger's events: what was said, heard and decided, in order. Pure values.

All quotes, doubts and changes are derived only from these, the settings and the clock (`ticker.rates.desk`).
Each event has the wall time at which it happened; the ledger numbers them from 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from ticker.rates.model import Pair, Quote
from ticker.rates.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A source stated a table that is not its last answer for that day."""

    at: datetime
    table: Table
    archive: bool = False
    """Whether its archive said so, not its newest answer."""
    document: str = ""
    """SHA-256 of the answer's bytes, in hex; several are separated by a space. Empty if there is none."""

    @property
    def source(self) -> str:
        return self.table.source


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """
    A source has no table for the days from `first` to `last`.

    It answered 404, or with its own empty answer, or with an older day's table, or with a range that has rows
    on both sides. `at` is when it was heard. `Heard.is_settled` says whether that is final.
    """

    at: datetime
    source: str
    first: date
    last: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """A source gave the same answer for a day again, `repeat_minutes` after it was first given."""

    at: datetime
    source: str
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A source was asked: the first time, after each due time, and when it answers or fails again."""

    at: datetime
    source: str
    answered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """The wait of a source's first rate for its archive and for the other sources is over."""

    at: datetime
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """
    An operator's decision about a symbol.

    `confirm` accepts the figures of `table`; `hold` keeps `quote` unchanged; `release` ends the hold.
    """

    at: datetime
    verb: Literal["confirm", "hold", "release"]
    symbol: Pair
    table: Table | None = None
    quote: Quote | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A word that is not accepted at the time of a baseline, and why."""

    source: str
    symbol: Pair
    day: date
    number: int
    """The number of the event that stated it."""
    reason: str
    by_hand: bool = False
    absurd: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisional:
    """A source and a symbol for which no independent source has spoken at the time of a baseline."""

    source: str
    symbol: Pair
    proof: Literal["none", "archive"]
    """Whether its own archive confirms it."""
    waited: bool
    """Whether it was waited for long enough to be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """
    The sum of everything before this event: all is accepted and proven, except what is named here.

    Written when old events are trimmed, so that newer words do not depend on trimmed witnesses, and when the
    data of an earlier version is imported.
    """

    at: datetime
    verdicts: tuple[Verdict, ...] = ()
    provisional: tuple[Provisional, ...] = ()


Event = Said | Empty | Stood | Asked | Waited | Order | Baseline


@dataclass(frozen=True, slots=True)
class Entry:
    """An event and its number in the ledger, from 1."""

    number: int
    event: Event
