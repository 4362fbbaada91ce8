"""National Bank of Tajikistan: the official rates of the somoni (TJS)."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from ticker.rates.calendar import Calendar
from ticker.rates.model import Pair, Rate
from ticker.rates.reader import Reader
from ticker.rates.source import History, Schedule, Source

KEY = "nbt"
read = Reader(KEY)


def parse(body: bytes) -> tuple[Rate, ...]:
    """
    Read export_xml.php of one day: somoni for `nominal` units of a foreign currency.

    A day out of range is answered with today's table, so compare `as_of` with the day asked for.
    Valute@ID is not read: it is not a reliable code of the currency. Raises MalformedFeed.
    """
    root = read.xml(body, root="ValCurs")
    as_of = read.day(root.get("Date"), style="yyyy-mm-dd")
    rates = (
        Rate(
            source=KEY,
            pair=Pair(read.code(read.text(row, "CharCode")), "TJS"),
            value=read.decimal(read.text(row, "Value")),
            nominal=read.nominal(read.text(row, "Nominal")),
            as_of=as_of,
        )
        for row in root.findall("Valute")
    )
    return read.table(rates, expected=("USD",))


def parse_history(body: bytes, base: str | None = None) -> tuple[Rate, ...]:
    """
    Read export_xml_dynamic.php: the days of one currency, which is `base` if that is given, oldest first.

    Weekends and holidays have rows, too, with the last business day's figure. So an answer without
    a row does not come from the bank. It is windows-1251, unlike the table of one day, and a figure may
    have a point or (as is reported) a comma. Raises MalformedFeed.
    """
    root = read.xml(body, root="ValCurs")
    rates = read.table(_dated(row) for row in root.findall("Record"))
    listed = {rate.pair.base for rate in rates}
    if len(listed) != 1 or (base and listed != {base}):
        raise read.malformed(
            f"the history of {', '.join(sorted(listed)) or 'nothing'}, not of {base or 'one currency'}"
        )
    return rates


def _dated(row: Element) -> Rate:
    figure = read.text(row, "Value")
    return Rate(
        source=KEY,
        pair=Pair(read.code(read.text(row, "CharCode")), "TJS"),
        value=read.decimal(figure, comma="," in figure),
        nominal=read.nominal(read.text(row, "Nominal")),
        as_of=read.day(row.get("Date"), style="dd.mm.yyyy"),
    )


SOURCE = Source(
    key=KEY,
    name="National Bank of Tajikistan",
    short="NBT",
    site="www.nbt.tj",
    site_required=True,
    kind="fixing",
    # Without `export` the bank answers with an HTML page of help.
    url="https://www.nbt.tj/en/kurs/export_xml.php?date={day:%Y-%m-%d}&export=xmlout",
    parse=parse,
    history=History(
        url="https://www.nbt.tj/en/kurs/export_xml_dynamic.php"
        "?d1={first:%Y-%m-%d}&d2={last:%Y-%m-%d}&cs={name}&export=xml",
        names={code: code for code in ("USD", "EUR", "RUB", "CNY", "GBP", "TRY", "KGS", "KZT", "UZS", "TMT")},
        parse=parse_history,
    ),
    timezone="Asia/Dushanbe",
    schedule=Schedule(hour="9-11", day_of_week="mon-sun"),
    terms="A reference to www.nbt.tj is required.",
    # As recorded on 19 May 2026.
    lists=(
        "AED AFN AMD AUD AZN BYN CAD CHF CNY DKK EUR GBP GEL INR IRR ISK JPY KGS KRW KWD KZT MDL MYR NOK "
        "PKR PLN RUB SAR SEK SGD THB TMT TRY UAH USD UZS"
    ),
    coverage="36 currencies in somoni, KGS, KZT, UZS and TMT among them.",
    authority_for="TJS",
    # Set on a working day, it holds from the next calendar day (2,086 of 2,088 changes, 2011 to 2021).
    # Sundays, Mondays and days after holidays have a table that repeats the one before.
    calendar=Calendar(country="TJ"),
)
