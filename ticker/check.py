"""`ticker check`: every enabled source is asked once, and the rates are shown side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from time import perf_counter
from zoneinfo import ZoneInfo

from ticker.config import Settings
from ticker.fetch import FORESEEN, Fetcher, session
from ticker.rates import guard
from ticker.rates.model import Fixing, Pair
from ticker.rates.policy import Rule
from ticker.rates.source import Source
from ticker.rates.tables import fixing_of, shown_price, tables_of
from ticker.rates.witnesses import FOLLOWER, WITNESS


@dataclass(slots=True)
class Row:
    """The result of asking one source."""

    source: Source
    status: str = "ok"
    as_of: str = ""
    latency_ms: int | None = None
    said: dict[Pair, Fixing] = field(default_factory=dict)


async def checked(
    settings: Settings, sources: Sequence[Source], rules: Sequence[Rule], *, now: datetime
) -> tuple[str, bool]:
    """
    The table of the sources' rates, and whether every authority gave a rate for its symbols.

    A value is the price of a symbol or, if that is below 1, its inverse (som for a dollar), with its distance
    from the median of all.
    """
    symbols = [rule.symbol for rule in rules]
    async with session(settings.poll) as client:
        fetcher = Fetcher(client, settings)
        rows = await asyncio.gather(*(_ask(fetcher, source, symbols, now) for source in sources))
    by_key = {row.source.key: row for row in rows}
    failed = [words for rule in rules if (words := _fault(rule, by_key))]
    lines = [*_table(rows, symbols), *failed]
    return "\n".join(lines), not failed


async def _ask(fetcher: Fetcher, source: Source, symbols: Iterable[Pair], now: datetime) -> Row:
    row, started = Row(source), perf_counter()
    today = now.astimezone(ZoneInfo(source.timezone)).date()
    try:
        answer = await fetcher.table(source, day=today, today=today)
    except FORESEEN as error:
        row.status = fetcher.words(source, error).removeprefix(f"{source.key}: ")
        return row
    row.latency_ms = round((perf_counter() - started) * 1000)
    if answer:
        row.as_of = answer.newest.isoformat()
        tables = tables_of(answer.rates)
        row.said = {
            symbol: said for symbol in symbols for table in tables if (said := fixing_of(symbol, table))
        }
    return row


def _fault(rule: Rule, rows: Mapping[str, Row]) -> str:
    """Why a symbol has no rate of an authority; empty if it has one, or needs none."""
    asked = [rows[key] for key in rule.chain if key in rule.authorities and key in rows]
    said = [row.said[rule.symbol] for row in asked if rule.symbol in row.said]
    if said and rule.band and not rule.band[0] <= said[0].inverse <= rule.band[1]:
        return f"{rule.symbol}: {said[0].source}'s {said[0].inverse:.6g} is outside of its band (guard.bands)"
    if rule.peg or said:
        return ""
    what = "; ".join(f"{row.source.key}: {row.status}" for row in asked) or "no authority is enabled"
    return f"{rule.symbol} has no official rate: {what}"


def _table(rows: Sequence[Row], symbols: Sequence[Pair]) -> list[str]:
    head = ["source", "status", "as of", "ms", *map(str, symbols)]
    medians = {symbol: _median(rows, symbol) for symbol in symbols}
    cells = [head, *(_cells(row, medians) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def _cells(row: Row, medians: Mapping[Pair, Decimal | None]) -> list[str]:
    latency = "" if row.latency_ms is None else str(row.latency_ms)
    values = [_value(row.said.get(symbol), median) for symbol, median in medians.items()]
    return [row.source.key, row.status, row.as_of, latency, *values]


def _median(rows: Iterable[Row], symbol: Pair) -> Decimal | None:
    said = [row for row in rows if symbol in row.said]
    votes = [row.said[symbol].price for row in said for _ in range(_votes(row.source))]
    return guard.median(votes) if votes else None


def _votes(source: Source) -> int:
    return FOLLOWER if source.follows_banks else WITNESS


def _value(said: Fixing | None, median: Decimal | None) -> str:
    """The price or its inverse, whichever is above 1, and its distance from the median."""
    if said is None or median is None:
        return "-"
    inverse = said.price < 1
    distance = guard.share(said.inverse, 1 / median) if inverse else guard.share(said.price, median)
    percent = round(distance * 100, 2) + 0  # never -0
    return f"{shown_price(said, inverse=inverse):f} ({percent:+.2f} %)"
