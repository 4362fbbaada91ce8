"""The live table of `ticker watch`, drawn by `rich`: as many columns and rows as the terminal can show."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from io import TextIOWrapper
from typing import Literal
from urllib.parse import urlsplit

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ticker.client import Pair, Quote, Subscription
from ticker.client.connection import service_url
from ticker.watch.questions import DAYS, Histories
from ticker.wire import encode_time
from ticker.wording import credit, direction, percent, price

REDRAW_SECONDS = 1.0
BARS = "▁▂▃▄▅▆▇█"
_COLOURS = {"up": "green", "down": "red", "flat": "", "": ""}
_STATUS_STYLES = {"live": "", "pegged": "", "stale": "yellow", "fallback": "cyan", "unconfirmed": "magenta"}


async def show(url: str) -> bool:
    """Draw the table until cancelled. False if this terminal cannot move its cursor. Raises Refused."""
    console = Console()
    if not console.is_interactive:
        return False
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    # The table tells it. A line of the log would be written across it.
    logging.getLogger("ticker.client").setLevel(logging.CRITICAL)
    histories = Histories(url)
    async with Subscription(url) as subscription, _beside(histories):

        def drawn() -> RenderableType:
            return page(url, subscription, histories.series, console)

        with Live(console=console, screen=True, auto_refresh=False, get_renderable=drawn) as live:
            while True:
                live.refresh()
                with suppress(TimeoutError):
                    async with asyncio.timeout(REDRAW_SECONDS):
                        await subscription.change()
                histories.want(subscription.quotes.values(), subscription.server_time())


@asynccontextmanager
async def _beside(histories: Histories) -> AsyncIterator[None]:
    task = asyncio.ensure_future(histories.fetch())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table: its head and the text of a quote in it."""

    head: str
    of: Callable[[Quote], Text]
    justify: Literal["left", "right"] = "left"
    rank: int = 0
    """The columns with the highest rank are left out first. Those with 0 stay."""


def columns(
    series: dict[Pair, tuple[Decimal, ...]], now: datetime | None, *, ascii_only: bool
) -> tuple[Column, ...]:
    """All columns in the order of the table. `now` is the time of the service."""
    spark = Column(f"{DAYS} days", lambda quote: Text(sparkline(series.get(quote.symbol, ()))), rank=4)
    return (
        Column("Pair", lambda quote: Text(str(quote.symbol))),
        Column("Price", lambda quote: Text(price(quote.price)), justify="right"),
        Column("Change", _change, justify="right", rank=1),
        *(() if ascii_only else (spark,)),
        Column("Status", lambda quote: Text(quote.status, _STATUS_STYLES.get(quote.status, "")), rank=2),
        Column("Age", lambda quote: Text(age(quote, now)), justify="right", rank=3),
        Column("As of", lambda quote: Text(encode_time(quote.as_of)), rank=5),
        Column("Source", lambda quote: Text(credit(quote)), rank=6),
    )


def _change(quote: Quote) -> Text:
    words = percent(quote.change_percent)
    return Text(words, _COLOURS[direction(words)])


def sparkline(prices: Sequence[Decimal]) -> str:
    """One bar for each price, from the lowest to the highest; a price that never moved is in the middle."""
    if not prices:
        return ""
    low, span = min(prices), max(prices) - min(prices)
    most = len(BARS) - 1
    return "".join(
        BARS[int((each - low) / span * most + Decimal("0.5")) if span else most // 2] for each in prices
    )


def age(quote: Quote, now: datetime | None) -> str:
    """The time since a quote was published, by the clock of the service: `42 s`, `3 h`. Empty if unknown."""
    if now is None:
        return ""
    seconds = max(0, int((now - quote.published_at).total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def page(
    url: str, subscription: Subscription, series: dict[Pair, tuple[Decimal, ...]], console: Console
) -> RenderableType:
    """The connection, the table, and below it what readers must know, cut to the size of the terminal."""
    quotes = list(subscription.quotes.values())
    known = columns(series, subscription.server_time(), ascii_only=console.options.ascii_only)
    chosen = fitting(known, quotes[: console.size.height], console)
    below = [f"{symbol}  {reason}" for symbol, reason in subscription.awaited.items()]
    if chosen != known:
        below += [f"Source: {each}" for each in required_credits(quotes)]
    room = max(1, console.size.height - 2 - len(below))
    if len(quotes) > room:
        room = max(1, room - 1)
        below.insert(0, f"Not shown, for lack of room: {len(quotes) - room}")
    table = drawn(chosen, quotes[:room]) if quotes else Text("waiting for rates")
    lines = (Text(words, "dim", no_wrap=True, overflow="ellipsis") for words in below)
    return Group(title(url, subscription), table, *lines)


def fitting(known: tuple[Column, ...], quotes: Sequence[Quote], console: Console) -> tuple[Column, ...]:
    """The most columns that the terminal has room for."""
    wide = console.options.update(max_width=1000)
    for most in range(max(column.rank for column in known), 0, -1):
        chosen = tuple(column for column in known if column.rank <= most)
        if Measurement.get(console, wide, drawn(chosen, quotes)).maximum <= console.size.width:
            return chosen
    return tuple(column for column in known if not column.rank)


def drawn(chosen: Sequence[Column], quotes: Sequence[Quote]) -> Table:
    """The table with these columns. A figure that does not fit goes on in the next line."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in chosen:
        table.add_column(column.head, justify=column.justify, overflow="fold")
    for quote in quotes:
        table.add_row(*(column.of(quote) for column in chosen))
    return table


def required_credits(quotes: Iterable[Quote]) -> list[str]:
    """The sources whose terms require that their site is named beside the figures."""
    return sorted({credit(quote) for quote in quotes if quote.source_site})


def title(url: str, subscription: Subscription) -> Text:
    """The state of the connection, the service, the label of a demo, and what is wrong."""
    labels = {quote.source.rpartition(":")[0] for quote in subscription.quotes.values()} - {""}
    words, style = state(subscription)
    text = Text(words, style, no_wrap=True, overflow="ellipsis")
    text.append(
        "  " + " ".join([urlsplit(service_url(url)).netloc.rpartition("@")[2], *sorted(labels)]), "bold"
    )
    return text.append(f"  {trouble(subscription)}", "yellow")


def state(subscription: Subscription) -> tuple[str, str]:
    """The state of the connection in words, and their style."""
    if subscription.is_live:
        return "live", "green"
    return ("not connected" if subscription.trouble else "connecting"), "bold yellow"


def trouble(subscription: Subscription) -> str:
    """Why there is no connection, and when the next attempt comes; empty if there is one."""
    if not subscription.trouble:
        return ""
    seconds = subscription.seconds_to_retry
    when = f"in {seconds:.0f} s" if seconds >= 1 else "now"
    return f"next attempt {when}: {subscription.trouble}"
