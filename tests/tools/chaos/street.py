"""The demo banks behind a proxy that can fail in every way, and that knows what each bank really said."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Literal
from zoneinfo import ZoneInfo

from aiohttp import ClientSession, web

from tests.stage import site
from ticker.demo import Banks
from ticker.demo.habits import HABITS, Bank
from ticker.rates.model import Fixing, Pair, Rate
from ticker.rates.source import MalformedFeed
from ticker.rates.tables import fixing_of, shown_price, tables_of
from ticker.sources import SOURCES

from .judge import Quote

How = Literal["slow", "cut off", "500", "wrong bytes", "stands still", "tenfold"]
"""
How a bank fails.

If it stands still, it goes on to say what it said last. Tenfold are NBKR's figures of days that are new, and
its archive answers nothing meanwhile.
"""
SLOW_SECONDS = 4.0
"""Longer than the service waits."""
PASSED_ON = ("Content-Type", "ETag", "Last-Modified")
ASKED_WITH = ("If-None-Match", "If-Modified-Since")


@dataclass
class Said:
    """What the banks said, by what the proxy passed on unharmed."""

    symbols: tuple[Pair, ...]
    bodies: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The SHA-256 of every answer, by source."""
    prices: dict[tuple[str, str, str], set[Decimal]] = field(default_factory=lambda: defaultdict(set))
    """By source, symbol and day, as a quote names them: the price that follows from its figures."""
    _rates: dict[tuple[str, date], dict[Pair, Rate]] = field(default_factory=lambda: defaultdict(dict))

    def note(self, key: str, body: bytes, words: Iterable[str]) -> None:
        """Take an answer of a bank to a request with these values in its query."""
        if _name(body) in self.bodies[key]:
            return
        self.bodies[key].add(_name(body))
        rates = _read(key, body, set(words))
        for rate in rates:
            self._rates[key, rate.day][rate.pair] = rate
        for day in {rate.day for rate in rates}:
            self._note_day(key, day)

    def _note_day(self, key: str, day: date) -> None:
        """Work out the prices of a day. An archive gives the two figures of a cross in two answers."""
        for table in tables_of(self._rates[key, day].values()):
            for symbol in self.symbols:
                if fixing := fixing_of(symbol, table):
                    self._note_price(fixing)

    def is_new(self, key: str, body: bytes) -> bool:
        """Whether an answer has a day of which the bank has said nothing."""
        days = {
            (key, str(symbol), str(rate.day)) for rate in _read(key, body, set()) for symbol in self.symbols
        }
        return bool(days) and days.isdisjoint(self.prices)

    def _note_price(self, fixing: Fixing) -> None:
        self.prices[fixing.source, str(fixing.symbol), str(fixing.day)].add(shown_price(fixing))

    def faults(self, quote: Quote) -> list[str]:
        """What in a quote its source has never said, in words."""
        if quote["status"] == "pegged":
            return []
        days = {quote["as_of"][:10]: quote["price"]}
        if quote["next"]:
            days[quote["next"]["as_of"][:10]] = quote["next"]["price"]
        wrong = [f"{day}: {price}" for day, price in days.items() if not self._has(quote, day, price)]
        if quote["previous"] and not self._has_earlier(quote):
            wrong.append(f"before {quote['as_of']}: {quote['previous']}")
        return [f"{quote['source']} never said of {quote['symbol']} of {each}" for each in wrong]

    def _has(self, quote: Quote, day: str, price: str) -> bool:
        return Decimal(price) in self.prices.get((quote["source"], quote["symbol"], day), ())

    def _has_earlier(self, quote: Quote) -> bool:
        earlier = (
            prices
            for (source, symbol, day), prices in self.prices.items()
            if (source, symbol) == (quote["source"], quote["symbol"]) and day < quote["as_of"][:10]
        )
        return any(Decimal(quote["previous"]) in prices for prices in earlier)


def _name(body: bytes) -> str:
    return sha256(body).hexdigest()


def _read(key: str, body: bytes, words: set[str]) -> tuple[Rate, ...]:
    """The rates of an answer of a bank, its archive's among them; none if it is no table."""
    archive = SOURCES[key].history
    currencies = [code for code, name in archive.names.items() if name in words] if archive else []
    try:
        if archive and currencies:
            return archive.parse(body, currencies[0])
        return SOURCES[key].parse(body)
    except MalformedFeed:
        return ()


class Street:
    """The banks, and the proxy before them."""

    def __init__(self, symbols: tuple[Pair, ...]) -> None:
        self.said = Said(symbols)
        self.how: dict[str, How] = {}
        """How each source fails now; those that are not here are well."""
        self.base_urls: dict[str, str] = {}
        self._origin = ""
        self._session: ClientSession | None = None
        self._last: dict[str, tuple[bytes, dict[str, str]]] = {}
        """The last answer to each request."""

    @asynccontextmanager
    async def opened(self, now: Callable[[], datetime]) -> AsyncIterator[None]:
        """Open for business; `now` is the banks' clock."""
        async with AsyncExitStack() as stack:
            banks = await stack.enter_async_context(Banks(now))
            self._session = await stack.enter_async_context(ClientSession())
            self._origin = next(iter(banks.base_urls.values())).rpartition("/")[0]
            address = await stack.enter_async_context(site(self._answer))
            self.base_urls = {key: f"{address}/{key}" for key in banks.base_urls}
            yield

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        key = request.path.split("/")[1]
        is_archive = self.how.get(key) == "tenfold" and not request.path.endswith(".xml")
        match "500" if is_archive else self.how.get(key):
            case "slow":
                await asyncio.sleep(SLOW_SECONDS)
            case "cut off":
                assert request.transport
                request.transport.abort()
            case "500":
                return web.Response(status=500, text="Internal Server Error")
            case "wrong bytes":
                return web.Response(body=b"\x00\xff<rates>" + b"12,34" * 100, content_type="text/xml")
            case "stands still" if request.raw_path in self._last:
                body, headers = self._last[request.raw_path]
                return web.Response(body=body, headers=headers)
            case "stands still":
                return web.Response(status=404)
        return await self._passed_on(request, key)

    async def _passed_on(self, request: web.Request, key: str) -> web.StreamResponse:
        assert self._session
        asked = {name: request.headers[name] for name in ASKED_WITH if name in request.headers}
        async with self._session.get(self._origin + request.raw_path, headers=asked) as answer:
            body = await answer.read()
        headers = {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}
        if self.how.get(key) == "tenfold" and self.said.is_new(key, body):
            body = re.sub(rb"<Value>(\d+),", rb"<Value>\g<1>0,", body)
            self.said.bodies[key].add(_name(body))  # it is kept as it came, and never shown
            return web.Response(body=body)
        if answer.status == 200:
            self._last[request.raw_path] = body, headers
            self.said.note(key, body, request.query.values())
        return web.Response(status=answer.status, body=body, headers=headers)


def day_in_force(key: str, now: datetime) -> date:
    """The day of the publication of a bank that is out and holds at a moment."""
    bank, today = Bank(HABITS[key], lambda: now), now.astimezone(ZoneInfo(SOURCES[key].timezone)).date()
    return HABITS[key].effective(min(today, bank.newest()))
