"""`/v1/history/{symbol}`: the publications of one source for one symbol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from aiohttp import web

from ticker import answers, wire
from ticker.answers import FixingAnswer, HistoryAnswer
from ticker.edge import query
from ticker.edge.packed import JSON, SHELF_BYTES, Packed, Shelf, digest
from ticker.edge.problems import Problem, away, parameters, symbol_of
from ticker.edge.stream import Broadcast
from ticker.rates.model import Fixing, Pair, both_ways
from ticker.rates.source import Source
from ticker.rates.tables import shown_price
from ticker.store import UNAVAILABLE, Store

CACHE = "public, no-cache"
"""A history grows while an archive is read, so a cached copy is revalidated before every use."""
ROWS_AT_ONCE = 20
"""Rows that are encoded before the event loop's other work gets a turn: about a millisecond."""
PEG = "peg"
"""The source key of a fixed official rate."""


class Part(NamedTuple):
    """The requested part of a history."""

    symbol: Pair
    source: str
    """The source as quotes name it; empty if the symbol has no quote and the request names no source."""
    first: date
    last: date
    today: date | None
    """The current day in the country of the source; None for a source that is not known."""


class Histories:
    """Reads histories from Redis, one at a time. Each is cached until something new is known."""

    def __init__(self, broadcast: Broadcast, store: Store, sources: dict[str, Source], *, label: str) -> None:
        """`label` is the prefix of every source, such as `demo`."""
        self._broadcast = broadcast
        self._store = store
        self._sources = sources
        self._label = label
        self.shelf = Shelf(SHELF_BYTES)
        # One at a time: a history of years takes a thousand times the work of other answers.
        self._reading = asyncio.Semaphore(1)

    async def answer(self, request: web.Request) -> web.Response:
        """`?from=&to=` (inclusive) and `source=`."""
        part = self._part(request)
        # An archive's answer also changes a history without a publication, but always as an event.
        key = part, await self._last_event()
        async with self._reading:
            kept = self.shelf.find(self._broadcast.mirror.cursor, key)
            if kept is None:
                kept = self.shelf.keep(key, await self._read(part))
        return kept.answer(request)

    def _part(self, request: web.Request) -> Part:
        asked = parameters(request, "/v1/history/{symbol}")
        symbol = symbol_of(request, both_ways(self._broadcast.symbols))
        first, last = _day(asked, "from", date.min), _day(asked, "to", date.max)
        if first > last:
            raise Problem(400, f"from={first} is after to={last}")
        source = asked.get("source", "")
        if source and self._key(source) not in (PEG, *self._sources):
            there = ", ".join(self._sources)
            raise Problem(404, f"unknown source {source[: query.LONGEST_NAME]!r}; the sources are {there}")
        source = f"{self._label}{self._key(source)}" if source else self._quote(symbol).get("source", "")
        known = self._sources.get(self._key(source))
        today = self._broadcast.clock().astimezone(ZoneInfo(known.timezone)).date() if known else None
        return Part(symbol, source, first, last, today)

    def _key(self, source: str) -> str:
        """The key of a source without the label: `demo:nbkr` is nbkr."""
        return source.removeprefix(self._label)

    def _quote(self, symbol: Pair) -> dict[str, Any]:
        """The newest quote as JSON text; empty if there is none."""
        return json.loads(self._broadcast.mirror.get(symbol) or "{}")  # type: ignore[no-any-return]

    async def _last_event(self) -> int:
        try:
            return await self._store.last_event()
        except UNAVAILABLE as error:
            raise _out_of_reach(error) from None

    async def _read(self, part: Part) -> Packed:
        symbol, source, key = part.symbol, part.source, self._key(part.source)
        origin, rows = both_ways(self._broadcast.symbols)[symbol], []
        try:
            fixings = await self._store.fixings([origin], since=part.first, until=part.last, source=key)
        except UNAVAILABLE as error:
            raise _out_of_reach(error) from None
        for number, fixing in enumerate(fixings):
            rows.append(_row(fixing if origin == symbol else fixing.inverted, part.today))
            if not number % ROWS_AT_ONCE:
                await asyncio.sleep(0)
        answer = HistoryAnswer(symbol=str(symbol), source=source, fixings=rows or self._peg_row(symbol, key))
        body = answers.encode(answer).encode()
        return Packed(body, JSON, tag=digest(body), cache=CACHE)

    def _peg_row(self, symbol: Pair, source: str) -> list[FixingAnswer]:
        """The whole history of a peg: the fixed rate and its first day."""
        quote = self._quote(symbol)
        if source != PEG or not quote.get("source", "").endswith(PEG):
            return []
        names = FixingAnswer.model_fields.keys() & quote.keys()
        return [FixingAnswer(**{name: quote[name] for name in names}, announced=False)]


def _row(fixing: Fixing, today: date | None) -> FixingAnswer:
    leg = fixing.legs[0] if len(fixing.legs) == 1 else None
    return FixingAnswer(
        as_of=wire.encode_time(fixing.as_of),
        price=wire.plain(shown_price(fixing)),
        inverse=wire.plain(shown_price(fixing, inverse=True)),
        value=wire.plain(leg.value) if leg else None,
        nominal=leg.nominal if leg else None,
        direction=str(leg.pair) if leg else None,
        corrected=fixing.corrected,
        announced=today is not None and fixing.day > today,
    )


def _day(asked: Mapping[str, str], name: str, default: date) -> date:
    text = asked.get(name)
    try:
        return date.fromisoformat(text) if text else default
    except ValueError:
        raise Problem(400, f"{name}={text!r:.40} is not a date like 2026-09-29") from None


def _out_of_reach(error: BaseException) -> Problem:
    return away(f"the history is unreachable: {type(error).__name__}")
