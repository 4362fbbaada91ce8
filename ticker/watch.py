"""The terminal's view of a running service: the line of quotes as text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

import aiohttp

from ticker import wire
from ticker.model import Quote

LEAST_DECIMALS = 5
LEAST_SIGNIFICANT = 4
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


def price(number: Decimal, *, digits: int | None = None) -> str:
    """With exactly `digits` decimals; not given, at least five and at least four significant digits."""
    if digits is None:
        digits = max(LEAST_DECIMALS, LEAST_SIGNIFICANT - 1 - number.adjusted())
    return format(number.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP), "f")


def percent(number: Decimal) -> str:
    """At most two decimals, no trailing zeros, signed, never -0%."""
    rounded = number.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
    if not rounded:
        return "0%"
    text = format(rounded, "+f").rstrip("0").rstrip(".")
    return f"{text}%"
