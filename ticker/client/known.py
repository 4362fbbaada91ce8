"""What a client knows: the quotes as its reader has them, judged by the server's time. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from ticker.protocol import NONSENSE, decode_moment, read_quote, read_text
from ticker.rates.late import is_late, status_at
from ticker.rates.model import Pair, Quote

_YEARS = range(1970, 9000)
"""The years of a server's clock. Days can be added to them and subtracted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A message of the server."""

    members: Mapping[str, Any]
    """What the server sent, also what this version does not know."""
    type: str
    cursor: str = ""
    time: datetime | None = None
    """The time of the server."""
    quotes: tuple[Quote, ...] = ()
    awaited: Mapping[Pair, str] = field(default_factory=dict)


def read_frame(text: str | bytes) -> Frame:
    """Read a message of the server. Raises ValueError if it is none of this protocol."""
    try:
        members = json.loads(text)
        time, awaited = members.get("time"), members.get("awaited", {})
        return Frame(
            members=members,
            type=read_text(members["type"]),
            cursor=read_text(members.get("cursor", "")),
            time=_read_time(time) if time else None,
            quotes=tuple(map(read_quote, members.get("quotes", ()))),
            awaited={Pair.parse(symbol): read_text(why) for symbol, why in awaited.items()},
        )
    except NONSENSE as error:
        raise ValueError(
            f"the server sent what is not a frame ({repr(error)[:200]}): {text[:80]!r}"
        ) from None


def _read_time(text: str) -> datetime:
    time = decode_moment(text)
    if time.year not in _YEARS:
        raise ValueError(f"{text!r} is not a time of a server")
    return time


class Known:
    """What the server has said, and what of it is late. `at` is a time of the monotonic clock in seconds."""

    def __init__(self) -> None:
        self.awaited: dict[Pair, str] = {}
        self._start: datetime | None = None
        """The time of the server when the monotonic clock of this machine was at 0."""
        self._said: dict[Pair, Quote] = {}
        """The newest quote of every symbol, as it was sent."""
        self._given: dict[Pair, Quote] = {}
        """The same as it was given to the reader last."""
        self._symbols: dict[Pair, None] = {}
        """The symbols that have a quote now, in the server's order."""

    @property
    def quotes(self) -> dict[Pair, Quote]:
        return {symbol: self._given[symbol] for symbol in self._symbols}

    def time(self, at: float) -> datetime | None:
        return self._start + timedelta(seconds=at) if self._start else None

    def hear(self, frame: Frame, at: float) -> tuple[Quote, ...]:
        """Take a frame, and return what is news to the reader."""
        if frame.time:
            self._start = frame.time - timedelta(seconds=at)
        if frame.type == "snapshot":
            self._symbols.clear()
            self.awaited.clear()
        self.awaited |= frame.awaited
        for quote in frame.quotes:
            self.awaited.pop(quote.symbol, None)
            self._symbols[quote.symbol] = None
            if not self._is_older(quote, at):
                self._said[quote.symbol] = quote
        return self.look(at)

    def _is_older(self, quote: Quote, at: float) -> bool:
        """
        Whether a newer quote of the symbol is known.

        One from the server's future is not newer: its clock was set back since.
        """
        known, now = self._said.get(quote.symbol), self.time(at)
        if known is None or (now and known.published_at > now):
            return False
        return quote.published_at < known.published_at

    def look(self, at: float) -> tuple[Quote, ...]:
        """Judge what is late now, and return what is news to the reader."""
        judged = {symbol: self._judged(self._said[symbol], at) for symbol in self._symbols}
        news = tuple(quote for symbol, quote in judged.items() if quote != self._given.get(symbol))
        self._given |= judged
        return news

    def _judged(self, quote: Quote, at: float) -> Quote:
        now = self.time(at)
        status = status_at(quote, now) if now else quote.status
        return quote if status == quote.status else replace(quote, status=status)

    def seconds_left(self, at: float) -> float | None:
        """Seconds until the next quote becomes late; None if none does."""
        now = self.time(at)
        if now is None:
            return None
        due = (self._said[symbol] for symbol in self._symbols)
        left = [(each.due_at - now).total_seconds() for each in due if each.due_at and not is_late(each, now)]
        return min(left, default=None)
