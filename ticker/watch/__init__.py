"""The terminal's view of a running service: `ticker quotes` and `ticker watch`."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from collections.abc import Coroutine, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ticker import streams
from ticker.client import Pair, Quote, Subscription
from ticker.client.connection import Frames
from ticker.watch.questions import Unreachable, quotes
from ticker.wire import encode_time
from ticker.wording import credit, percent, price

__all__ = ["NoTable", "Unreachable", "change_line", "follow", "line", "quotes"]

_MARKS = {"stale": " (stale)", "unconfirmed": " (unconfirmed)", "fallback": " (fallback)"}


class NoTable(Exception):
    """The library that draws the table is missing. Says how to install it."""


def line(some: Iterable[Quote], *, digits: int | None = None) -> str:
    """`KGS/USD = 0.01144 0%  •  TJS/USD = 0.09131 -0.44%`, as the widget shows it."""
    return "  •  ".join(_item(quote, digits) for quote in some)


def _item(quote: Quote, digits: int | None = None) -> str:
    change = "" if quote.change_percent is None else " " + percent(quote.change_percent)
    return f"{quote.symbol} = {price(quote.price, digits=digits)}{change}{_MARKS.get(quote.status, '')}"


async def follow(url: str, *, as_json: bool) -> None:
    """
    Show the quotes of the service at `url` until cancelled, or until nobody reads them.

    A table in a terminal, otherwise a line for each change; `as_json`: the frames of the stream. Raises
    NoTable, streams.Lost, and Refused if the service does not want this client.
    """
    if as_json:
        await _while_read(_tell_frames(url))
    elif not (sys.stdout.isatty() and await _show_table(url)):
        await _while_read(_tell_changes(url))


async def _show_table(url: str) -> bool:
    """Show the table; False if the terminal can't: it cannot move its cursor."""
    try:
        from ticker.watch import screen
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "rich":
            raise
        raise NoTable(
            "the table needs the package `rich`. Install it with `pip install rich`, "
            "or with this program: `currency-ticker[watch]`. `ticker watch --json` works without it."
        ) from None
    return await screen.show(url)


async def _tell_frames(url: str) -> None:
    frames = Frames(url)
    try:
        while True:
            if frame := await frames.next():
                streams.tell(json.dumps(frame.members, separators=(",", ":")))
    finally:
        await frames.aclose()


async def _tell_changes(url: str) -> None:
    """Print a line for each new quote, and for each new reason why there is none."""
    async with Subscription(url) as subscription:
        told: Mapping[Pair, str] = {}
        while True:
            some = await subscription.change()
            now = subscription.server_time() or datetime.now(UTC)
            for quote in some:
                streams.tell(change_line(quote, now))
            for symbol, reason in subscription.awaited.items():
                if told.get(symbol) != reason:
                    streams.tell(f"{encode_time(now)} {symbol}: {reason}")
            told = subscription.awaited


def change_line(quote: Quote, now: datetime) -> str:
    """`2026-09-29T10:02:11Z TJS/USD = 0.09131 -0.44%, 2026-09-29, NBT`; what is announced follows the day."""
    days = [encode_time(quote.as_of)]
    if quote.next:
        days.append(f"{price(quote.next.price)} from {encode_time(quote.next.as_of)}")
    return f"{encode_time(now)} {_item(quote)}, {', '.join(days)}, {credit(quote)}"


async def _while_read(telling: Coroutine[Any, Any, None]) -> None:
    """Run it until it ends, or until nobody reads the pipe of standard output any more."""
    told, unread = asyncio.ensure_future(telling), asyncio.ensure_future(_unread())
    try:
        await asyncio.wait((told, unread), return_when=asyncio.FIRST_COMPLETED)
        if told.done():
            told.result()
    except streams.Unread:
        pass
    finally:
        told.cancel()
        unread.cancel()
        await asyncio.gather(told, unread, return_exceptions=True)


async def _unread() -> None:
    """Wait until nobody reads the pipe of standard output any more; for ever if it is not a pipe."""
    gone, number = asyncio.Event(), sys.stdout.fileno()
    if not stat.S_ISFIFO(os.fstat(number).st_mode):
        await gone.wait()
    # A pipe that is only written to becomes "readable" when its reader is gone.
    asyncio.get_running_loop().add_reader(number, gone.set)
    try:
        await gone.wait()
    finally:
        asyncio.get_running_loop().remove_reader(number)
