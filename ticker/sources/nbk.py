"""National Bank of Kazakhstan: the official rates of the tenge (KZT)."""

from __future__ import annotations

from datetime import time

from ticker.calendar import Calendar
from ticker.model import Pair, Rate
from ticker.source import Schedule, Source, code, day, decimal, nominal, table, text_of, xml

KEY = "nbk"


def parse(body: bytes) -> tuple[Rate, ...]:
    """
    Read get_rates.cfm of one day: tenge for `nominal` units of a foreign currency.

    The figure stands in <description>, the nominal in <quant> (the som per 1, the sum per 100).
    Raises MalformedFeed, as for an answer that does not say its date.
    """
    root = xml(body, root="rates", who=KEY)
    as_of = day(text_of(root, "date", who=KEY), style="dd.mm.yyyy", who=KEY)
    rates = (
        Rate(
            source=KEY,
            pair=Pair(code(text_of(row, "title", who=KEY), who=KEY), "KZT"),
            value=decimal(text_of(row, "description", who=KEY), who=KEY),
            nominal=nominal(text_of(row, "quant", who=KEY), who=KEY),
            as_of=as_of,
        )
        for row in root.findall("item")
    )
    return table(rates, who=KEY, expected=("USD",))


SOURCE = Source(
    key=KEY,
    name="National Bank of Kazakhstan",
    short="NBK",
    kind="fixing",
    asks_ahead=True,
    url="https://nationalbank.kz/rss/get_rates.cfm?fdate={day:%d.%m.%Y}",
    parse=parse,
    timezone="Asia/Almaty",
    # The dollar is the exchange's weighted average at 15:30 in Astana; the crosses follow from 16:00.
    schedule=Schedule(hour="14-16"),
    attribution="National Bank of Kazakhstan, nationalbank.kz",
    terms="No terms of use are known to us.",
    coverage="39 currencies in tenge, KGS, TJS and UZS among them; no TMT.",
    authority_for="KZT",
    # The afternoon's rate is official for the next business day.
    calendar=Calendar(country="KZ", out_by=time(16, 30), takes_effect="next working day"),
)
