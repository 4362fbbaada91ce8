"""Open Exchange Rates: indicative rates of the dollar, every hour. It requires a key."""

from __future__ import annotations

import re
from datetime import time, timedelta

from ticker.rates.calendar import EVERY_DAY, Calendar
from ticker.rates.model import Rate
from ticker.rates.reader import Reader
from ticker.rates.source import Schedule, Source

KEY = "openexchangerates"
read = Reader(KEY)

_CURRENCY = re.compile(r"[A-Z]{3}")
_NO_CURRENCIES = {"USD", "BTC", "XAU", "XAG", "XPT", "XPD"}
"""The base itself, a coin and the metals."""


def parse(body: bytes) -> tuple[Rate, ...]:
    """
    Read latest.json: units of a currency for one dollar, as of `timestamp` (UTC).

    An error is {"error": true, "status": 403, "message": "not_allowed", ...}. Raises MalformedFeed.
    """
    answer = read.json(body)
    if not isinstance(answer, dict):
        raise read.malformed(f"no object in {body[:40]!r}")
    if answer.get("error", False) is not False:
        raise read.malformed(f"the answer is an error: {answer.get('message')!r:.60}")
    if answer.get("base") != "USD":
        raise read.malformed(f"the base is {answer.get('base')!r:.60}, not the dollar")
    if not isinstance(entries := answer.get("rates"), dict):
        raise read.malformed(f"no rates in {body[:40]!r}")
    as_of = read.moment(str(answer.get("timestamp")))
    listed = {name: entries[name] for name in entries if _CURRENCY.fullmatch(name)}
    return read.per_dollar(
        {name: figure for name, figure in listed.items() if name not in _NO_CURRENCIES}, as_of=as_of
    )


SOURCE = Source(
    key=KEY,
    name="Open Exchange Rates",
    short="OXR",
    site="openexchangerates.org",
    kind="market",
    url="https://openexchangerates.org/api/latest.json?app_id={key}",
    parse=parse,
    timezone="UTC",
    # Once an hour is 744 requests a month of the free plan's 1,000; so the plain interval is a day.
    schedule=Schedule(hour="0-23", minute="5", day_of_week="mon-sun"),
    interval_seconds=24 * 3600,
    terms=(
        "A key is needed (free for 1,000 requests a month), and its terms and licence agreement hold: "
        "resale is prohibited, and whether a public ticker may show the rates is for its operator to settle."
    ),
    coverage="About 170 currencies per dollar, all of ours, every hour.",
    calendar=Calendar(week=EVERY_DAY, due_by=time(0), grace=timedelta(hours=48)),
    enabled=False,
)
