"""National Bank of the Kyrgyz Republic: the official rates of the som (KGS)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ticker.rates.calendar import Calendar
from ticker.rates.model import Pair, Rate
from ticker.rates.reader import Reader
from ticker.rates.source import History, Schedule, Source

KEY = "nbkr"
read = Reader(KEY)

_MARK = re.compile(r"<!--(date|value)-->")
_ROW = ["date", "date", "value", "value"]
_FORM = re.compile(r"""name=["']?valuta_id""")
_FIGURE = re.compile(r"[0-9],[0-9]{4}")


def parse(body: bytes) -> tuple[Rate, ...]:
    """
    Read daily.xml or weekly.xml: som for `nominal` units of a foreign currency.

    `as_of` is the day the table is valid for: from about 10:00 UTC on it is tomorrow's.
    The weekly table has only currencies that the daily one lacks, so it has no dollar.
    Raises MalformedFeed.
    """
    root = read.xml(body, root="CurrencyRates")
    as_of = read.day(root.get("Date"), style="dd.mm.yyyy")
    rates = (
        Rate(
            source=KEY,
            pair=Pair(read.code(row.get("ISOCode")), "KGS"),
            value=read.decimal(read.text(row, "Value"), comma=True),
            nominal=read.nominal(read.text(row, "Nominal")),
            as_of=as_of,
        )
        for row in root.findall("Currency")
    )
    weekly = root.get("Name", "").startswith("Weekly")
    return read.table(rates, expected=("TJS", "UZS") if weekly else ("USD",))


def parse_history(body: bytes, base: str = "USD") -> tuple[Rate, ...]:
    """
    Read the page index1.jsp?item=1562: som for one unit of the currency that was asked for, newest first.

    The page names neither a currency nor a nominal, so the caller must know `base`. It is used only for
    currencies that the bank quotes per unit (as it does USD and EUR). Raises MalformedFeed. A page
    without a row is an empty range only if it has the archive's form (none is recorded): any other
    may be a page of something else.
    """
    rates = (
        Rate(
            source=KEY,
            pair=Pair(base, "KGS"),
            value=read.decimal(figure, comma=True),
            nominal=1,
            as_of=read.day(date, style="dd.mm.yyyy"),
        )
        for date, figure in _dated_figures(body.decode("latin-1"))
    )
    return read.table(rates)


def _dated_figures(page: str) -> Iterator[tuple[str, str]]:
    """The texts between the marks of the page. Raises MalformedFeed if the page or its table is not whole."""
    if _is_empty_archive(page.lower()):
        return iter(())
    before, *parts = _MARK.split(page)
    marks, texts = parts[::2], parts[1::2]
    if not marks or marks != _ROW * (len(marks) // 4):
        raise read.malformed(f"{len(marks)} marks of dates and values, not four for each row")
    beginning, ending = before.lower(), texts[-1].lower()
    for element in ("table", "html") if "<html" in beginning or "</html" in ending else ("table",):
        if f"<{element}" not in beginning or f"</{element}>" not in ending:
            raise read.malformed(f"the page of dated rates has no whole <{element}>")
    return zip(texts[0::4], texts[2::4], strict=True)


def _is_empty_archive(page: str) -> bool:
    """Whether this is a whole page with the archive's form, and neither a mark nor a figure on it."""
    whole = "<html" in page and page.rstrip().endswith("</html>")
    return whole and bool(_FORM.search(page)) and not _MARK.search(page) and not _FIGURE.search(page)


SOURCE = Source(
    key=KEY,
    name="National Bank of the Kyrgyz Republic",
    short="NBKR",
    site="www.nbkr.kg",
    kind="fixing",
    url="https://www.nbkr.kg/XML/daily.xml",
    parse=parse,
    history=History(
        url="https://www.nbkr.kg/index1.jsp?item=1562&lang=ENG&valuta_id={name}"
        "&beg_day={first:%d}&beg_month={first:%m}&beg_year={first:%Y}"
        "&end_day={last:%d}&end_month={last:%m}&end_year={last:%Y}",
        # The bank's own numbers of currencies that it quotes per unit: of three, one would have moved.
        names={"USD": "15", "EUR": "20", "KZT": "40"},
        parse=parse_history,
    ),
    timezone="Asia/Bishkek",
    # The file flips at about 16:00 to 16:20 in Bishkek (Last-Modified, May 2026).
    schedule=Schedule(hour="14-16"),
    terms="The bank publishes no terms of use.",
    lists="CNY EUR KZT RUB USD",
    coverage="USD, EUR, CNY, KZT and RUB in som, every day; other currencies weekly.",
    authority_for="KGS",
    # A working day's table holds from the next calendar day: Tuesday to Saturday (0 of 268 Mondays brought
    # another figure, and 16 Sundays, each after a working Saturday). The file is stamped anew for every
    # other day with the same figures (24 May 2026).
    calendar=Calendar(country="KG"),
)
