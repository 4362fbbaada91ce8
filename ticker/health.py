"""What an operator needs to know, from facts: each source's outcome, and pass, warn or fail. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from ticker import wire
from ticker.rates.late import is_late
from ticker.rates.model import Quote
from ticker.rates.source import Outcome

Verdict = Literal["pass", "warn", "fail"]


def judge(
    *,
    now: datetime,
    redis_error: str,
    symbols: int,
    quotes: Sequence[Quote],
    outcomes: Iterable[Outcome],
    lag: int = 0,
) -> tuple[Verdict, list[str]]:
    """
    The verdict and its reasons. `fail` only when quotes can't be trusted: no bank's word that holds.

    A lost Redis or a failing source is a warning: what is shown was true when it was published.
    A peg alone says nothing about the banks. `lag` counts publications that Redis has and readers not.
    """
    reasons = []
    for each in outcomes:
        gaps = f"{each.gaps} earlier publications could not be had yet" if each.gaps else ""
        told = (each.fault if each.failures else "", each.frozen, gaps, *each.held)
        reasons += [f"{each.source}: {words}" for words in told if words]
    if redis_error:
        reasons.append(f"redis: {redis_error}")
    if lag:
        reasons.append(f"stream: {lag} publication{'s' if lag > 1 else ''} behind Redis")
    if len(quotes) < symbols:
        reasons.append(f"{symbols - len(quotes)} of {symbols} symbols have no quote yet")
    reasons += [
        f"{quote.symbol} is {quote.status}, as of {quote.as_of}{_lateness(quote, now)}"
        for quote in quotes
        if quote.status not in ("live", "pegged")
    ]
    pegged = [quote for quote in quotes if quote.status == "pegged"]
    trusted = [quote for quote in quotes if quote.status in ("live", "fallback")]
    if symbols > len(pegged) and not trusted:
        return "fail", reasons
    return ("warn" if reasons else "pass"), reasons


def _lateness(quote: Quote, now: datetime) -> str:
    """Since when a newer rate is missing, in words; nothing if none was due."""
    if quote.due_at is None or not is_late(quote, now):
        return ""
    return f", late since {wire.encode_time(quote.due_at)}"
