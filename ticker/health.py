"""The health check: each source's outcome, and pass, warn or fail. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ticker import wire
from ticker.board import Polling, Trouble
from ticker.rates.late import is_late
from ticker.rates.model import Quote
from ticker.rates.source import Outcome

HealthStatus = Literal["pass", "warn", "fail"]


LEASES = 2
"""After so many leases without a write, no process has taken over the polling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """What Redis and our own service know of the process that polls."""

    polling: Polling | None
    lease_seconds: int
    trouble: Trouble | None
    """The error that keeps our own polling process from writing."""
    tried_seconds: float | None
    """Seconds since that process last tried; None if our service has none."""


def judge(
    *,
    now: datetime,
    redis_error: str,
    symbols: int,
    quotes: Sequence[Quote],
    outcomes: Iterable[Outcome],
    lag: int = 0,
    writing: Writing | None = None,
) -> tuple[HealthStatus, list[str]]:
    """
    The status and its reasons. `fail` only if the quotes can't be trusted: no valid rate of any bank.

    A lost Redis or a failing source is a warning: the shown rates were true when they were published. A peg
    alone says nothing about the banks. `lag` counts publications that are in Redis and have not reached the
    readers. An unknown `writing` (None) is not a reason.
    """
    outcomes = tuple(outcomes)
    reasons = [*_of_sources(outcomes), *_of_holds(outcomes, writing)]
    if redis_error:
        reasons.append(f"redis: {redis_error}")
    elif writing and (words := _unwritten(writing)):
        reasons.append(words)
    if lag:
        reasons.append(f"stream: {lag} publication{'s' if lag > 1 else ''} behind Redis")
    reasons += _of_quotes(quotes, symbols, now)
    pegged = [quote for quote in quotes if quote.status == "pegged"]
    trusted = [quote for quote in quotes if quote.status in ("live", "fallback")]
    if symbols > len(pegged) and not trusted:
        return "fail", reasons
    return ("warn" if reasons else "pass"), reasons


def _of_sources(outcomes: Iterable[Outcome]) -> Iterator[str]:
    for each in outcomes:
        gaps = f"{each.gaps} earlier publications are still missing" if each.gaps else ""
        told = (each.fault if each.failures else "", each.frozen, gaps, *each.held)
        yield from (f"{each.source}: {words}" for words in told if words)


def _of_holds(outcomes: Iterable[Outcome], writing: Writing | None) -> Iterator[str]:
    """The holds that no source reports: pegs, and symbols whose bank is not polled."""
    told = [words for each in outcomes for words in each.held]
    for symbol in writing.polling.holds if writing and writing.polling else ():
        if not any(words.startswith(f"{symbol} ") for words in told):
            yield f"{symbol} is on hold; `ticker confirm {symbol}` ends that"


def _of_quotes(quotes: Sequence[Quote], symbols: int, now: datetime) -> Iterator[str]:
    if len(quotes) < symbols:
        yield f"{symbols - len(quotes)} of {symbols} symbols have no quote yet"
    for quote in quotes:
        if quote.status not in ("live", "pegged"):
            yield f"{quote.symbol} is {quote.status}, as of {quote.as_of}{_lateness(quote, now)}"


def _unwritten(writing: Writing) -> str:
    """The reason why the data in Redis may be old, although Redis answers; empty if it is being written."""
    if writing.trouble:
        since = wire.encode_time(writing.trouble.since)
        what = "has refused writes" if writing.trouble.refused else "could not be written"
        return f"Redis {what} since {since}: {writing.trouble.words}"
    polling, patience = writing.polling, LEASES * writing.lease_seconds
    if polling is None:
        return "no process has polled yet"
    if polling.silent_seconds <= patience:
        return ""
    # Our own process would have said why it can't write.
    ours = writing.tried_seconds is not None and writing.tried_seconds > patience
    return f"no process has {'polled' if ours else 'written'} since {wire.encode_time(polling.wrote_at)}"


def _lateness(quote: Quote, now: datetime) -> str:
    """Words about the time since when a newer rate is missing; empty if none was due."""
    if quote.due_at is None or not is_late(quote, now):
        return ""
    return f", late since {wire.encode_time(quote.due_at)}"
