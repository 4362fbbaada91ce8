"""National Bank of Tajikistan: the official rates of the somoni (TJS)."""

from __future__ import annotations

from ticker.model import Pair, Rate
from ticker.source import Schedule, Source, code, day, decimal, nominal, table, text_of, xml

KEY = "nbt"


def parse(body: bytes) -> tuple[Rate, ...]:
    """
    Read export_xml.php of one day: somoni for `nominal` units of a foreign currency.

    A day out of range is answered with today's table, so compare `as_of` with the day asked for.
    Valute@ID is not read: it is no reliable code of the currency. Raises MalformedFeed.
    """
    root = xml(body, root="ValCurs", who=KEY)
    as_of = day(root.get("Date"), style="yyyy-mm-dd", who=KEY)
    rates = (
        Rate(
            source=KEY,
            pair=Pair(code(text_of(row, "CharCode", who=KEY), who=KEY), "TJS"),
            value=decimal(text_of(row, "Value", who=KEY), who=KEY),
            nominal=nominal(text_of(row, "Nominal", who=KEY), who=KEY),
            as_of=as_of,
        )
        for row in root.findall("Valute")
    )
    return table(rates, who=KEY, expected=("USD",))


SOURCE = Source(
    key=KEY,
    name="National Bank of Tajikistan",
    short="NBT",
    kind="fixing",
    # Without `export` the bank answers with an HTML page of help.
    url="https://www.nbt.tj/en/kurs/export_xml.php?date={day:%Y-%m-%d}&export=xmlout",
    parse=parse,
    timezone="Asia/Dushanbe",
    schedule=Schedule(hour="9-11", day_of_week="mon-sun"),
    attribution="National Bank of Tajikistan, www.nbt.tj",
    terms="A reference to www.nbt.tj is required.",
    coverage="36 currencies in somoni, KGS, KZT, UZS and TMT among them.",
    authority_for="TJS",
    # There is a table for every day, but weekends and holidays carry the last business day's figures.
    effective_days=frozenset({0, 1, 2, 3, 4}),
)
