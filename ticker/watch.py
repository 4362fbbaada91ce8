"""The terminal's view of a running service: the line of quotes as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp

from ticker import wire
from ticker.rates.late import status_at
from ticker.rates.model import Quote
from ticker.wording import percent, price

_MARKS = {"stale": " (stale)", "unconfirmed": " (unconfirmed)", "fallback": " (fallback)"}


class Unreachable(Exception):
    """The service gave no quotes. Says the address, the reason and what to do."""


async def quotes(url: str) -> list[Quote]:
    """The newest quotes of the service at `url`, judged late or not by its clock. Raises Unreachable."""
    address = url.rstrip("/") + "/v1/quotes"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.get(address) as response,
        ):
            if response.status != 200:
                raise Unreachable(f"{address} answered {response.status}: {(await response.text())[:200]}")
            now = served_at(response.headers)
            some = [wire.decode_quote(json.dumps(item)) for item in (await response.json())["quotes"]]
            return [replace(quote, status=status_at(quote, now)) for quote in some] if now else some
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError) as error:
        raise Unreachable(f"no quotes from {address}: {error}; is `ticker serve` running there?") from None


def served_at(headers: Mapping[str, str]) -> datetime | None:
    """The server's time, also if the answer was in a cache for some time; None if the headers lack it."""
    try:
        age = timedelta(seconds=int(headers.get("Age", 0)))
        return parsedate_to_datetime(headers["Date"]).replace(tzinfo=UTC) + age
    except (KeyError, ValueError, OverflowError):
        return None


def line(some: Iterable[Quote], *, digits: int | None = None) -> str:
    """`KGS/USD = 0.01144 0%  •  TJS/USD = 0.09131 -0.44%`, as the widget shows it."""
    return "  •  ".join(_item(quote, digits) for quote in some)


def _item(quote: Quote, digits: int | None) -> str:
    change = "" if quote.change_percent is None else " " + percent(quote.change_percent)
    return f"{quote.symbol} = {price(quote.price, digits=digits)}{change}{_MARKS.get(quote.status, '')}"
