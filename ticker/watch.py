"""The terminal's view of a running service: the line of quotes as text."""

from __future__ import annotations

import json
from collections.abc import Iterable

import aiohttp

from ticker import wire
from ticker.rates.model import Quote
from ticker.wording import percent, price

_MARKS = {"stale": " (stale)", "unconfirmed": " (unconfirmed)", "fallback": " (fallback)"}


class Unreachable(Exception):
    """The service gave no quotes. Says where, why and what to do."""


async def quotes(url: str) -> list[Quote]:
    """The newest quotes of the service at `url`. Raises Unreachable."""
    address = url.rstrip("/") + "/v1/quotes"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.get(address) as response,
        ):
            if response.status != 200:
                raise Unreachable(f"{address} answered {response.status}: {(await response.text())[:200]}")
            return [wire.decode_quote(json.dumps(item)) for item in (await response.json())["quotes"]]
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError) as error:
        raise Unreachable(f"no quotes from {address}: {error}; is `ticker serve` running there?") from None


def line(some: Iterable[Quote], *, digits: int | None = None) -> str:
    """`KGS/USD = 0.01144 0%  •  TJS/USD = 0.09131 -0.44%`, as the widget shows it."""
    return "  •  ".join(_item(quote, digits) for quote in some)


def _item(quote: Quote, digits: int | None) -> str:
    change = "" if quote.change_percent is None else " " + percent(quote.change_percent)
    return f"{quote.symbol} = {price(quote.price, digits=digits)}{change}{_MARKS.get(quote.status, '')}"
