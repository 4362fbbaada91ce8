"""What the terminal asks a running service by HTTP: the newest quotes, and the last days of each symbol."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime

import aiohttp

from ticker.client import Pair, Quote
from ticker.client.connection import is_this_machine, service_url
from ticker.protocol import NONSENSE, decode_price, read_quote
from ticker.rates.late import status_at

ANSWER_SECONDS = 5.0
RETRY_SECONDS = 5.0
"""Seconds after a history that could not be read."""
DAYS = 30
"""The days of a history."""


class Unreachable(Exception):
    """The service gave no quotes. Says the address, the reason and what to do."""


async def quotes(url: str) -> list[Quote]:
    """The newest quotes of the service at `url`, judged late or not by its clock. Raises Unreachable."""
    address = service_url(url) + "/v1/quotes"
    try:
        async with session(url) as client, client.get(address) as response:
            if response.status != 200:
                raise Unreachable(f"{address} answered {response.status}: {(await response.text())[:200]}")
            now = served_at(response.headers)
            some = [read_quote(item) for item in (await response.json())["quotes"]]
            return [replace(quote, status=status_at(quote, now)) for quote in some] if now else some
    except (aiohttp.ClientError, OSError, *NONSENSE) as error:
        words = str(error)[:200]
        raise Unreachable(f"no quotes from {address}: {words}; is `ticker serve` running there?") from None


def session(url: str) -> aiohttp.ClientSession:
    """A client for a service's answers. It uses the proxy of the environment, but not to this machine."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    return aiohttp.ClientSession(timeout=timeout, trust_env=not is_this_machine(service_url(url)))


def served_at(headers: Mapping[str, str]) -> datetime | None:
    """The server's time, also if the answer was in a cache for some time; None if the headers lack it."""
    try:
        age = timedelta(seconds=int(headers.get("Age", 0)))
        return parsedate_to_datetime(headers["Date"]).replace(tzinfo=UTC) + age
    except (KeyError, ValueError, OverflowError):
        return None


class Histories:
    """The prices of the last days of each symbol, fetched one after the other beside the stream."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.series: dict[Pair, tuple[Decimal, ...]] = {}
        """By symbol, the prices of its source, one for each day with a rate, the earliest first."""
        self._asked: dict[Pair, tuple[date, str]] = {}
        """The day and the source of the quote for which a history was fetched last."""
        self._wanted: asyncio.Queue[tuple[Pair, date]] = asyncio.Queue()

    def want(self, quotes: Iterable[Quote], now: datetime | None) -> None:
        """Fetch what has changed since it was fetched last."""
        for quote in quotes if now else ():
            reason = quote.as_of, quote.source
            if now and self._asked.get(quote.symbol) != reason:
                self._asked[quote.symbol] = reason
                self._wanted.put_nowait((quote.symbol, now.date() - timedelta(days=DAYS)))

    async def fetch(self) -> None:
        """Fetch until cancelled. A history that could not be read is wanted again."""
        async with session(self._url) as client:
            while True:
                symbol, first = await self._wanted.get()
                try:
                    self.series[symbol] = await self._prices(client, symbol, first)
                except (aiohttp.ClientError, OSError, *NONSENSE):
                    self._asked.pop(symbol, None)
                    await asyncio.sleep(RETRY_SECONDS)

    async def _prices(self, client: aiohttp.ClientSession, symbol: Pair, first: date) -> tuple[Decimal, ...]:
        address = f"{service_url(self._url)}/v1/history/{symbol.base}-{symbol.quote}"
        async with client.get(address, params={"from": first.isoformat()}, raise_for_status=True) as response:
            rows = (await response.json())["fixings"]
        return tuple(decode_price(row["price"]) for row in rows if not row.get("announced"))[-DAYS:]
