"""ExchangeRate-API's open endpoint: indicative rates of the dollar, once a day. Off: see the terms."""

from __future__ import annotations

import re
from datetime import time, timedelta

from ticker.rates.calendar import EVERY_DAY, Calendar
from ticker.rates.model import Rate
from ticker.rates.reader import Reader
from ticker.rates.source import Schedule, Source

KEY = "erapi"
read = Reader(KEY)

_CURRENCY = re.compile(r"[A-Z]{3}")


def parse(body: bytes) -> tuple[Rate, ...]:
    """
    Read /v6/latest/USD: units of a currency for one dollar, as of `time_last_update_unix` (UTC).

    An error may come with status 200. `time_eol_unix`, the day on which the endpoint is shut down
    (0 while none is set), has nothing to do with the rates and is not read. Raises MalformedFeed.
    """
    answer = read.json(body)
    if not isinstance(answer, dict):
        raise read.malformed(f"no object in {body[:40]!r}")
    if answer.get("result") != "success":
        raise read.malformed(f"the answer is an error: {answer.get('error-type')!r:.60}")
    if answer.get("base_code") != "USD":
        raise read.malformed(f"the base is {answer.get('base_code')!r:.60}, not the dollar")
    if not isinstance(entries := answer.get("rates"), dict):
        raise read.malformed(f"no rates in {body[:40]!r}")
    as_of = read.moment(str(answer.get("time_last_update_unix")))
    listed = {name: entries[name] for name in entries if _CURRENCY.fullmatch(name) and name != "USD"}
    return read.per_dollar(listed, as_of=as_of)


SOURCE = Source(
    key=KEY,
    name="ExchangeRate-API (open access)",
    short="ExchangeRate-API",
    site="www.exchangerate-api.com",
    site_required=True,
    credit="Rates by Exchange Rate API",
    kind="market",
    url="https://open.er-api.com/v6/latest/USD",
    parse=parse,
    timezone="UTC",
    # Its table is of about 00:02:31. Who asks more than once an hour is refused for 20 minutes (429).
    schedule=Schedule(hour="0-1", minute="40", day_of_week="mon-sun"),
    interval_seconds=6 * 3600,
    terms=(
        "A link to exchangerate-api.com is required and caching is allowed, but the rates must not be "
        "redistributed: so it is off, and a public ticker that turns it on needs the publisher's leave."
    ),
    coverage="About 160 currencies per dollar, all of ours, to 6 decimals.",
    calendar=Calendar(week=EVERY_DAY, due_by=time(0), grace=timedelta(hours=48)),
    enabled=False,
)
