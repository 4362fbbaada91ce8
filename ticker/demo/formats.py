"""The banks' formats. Pure: a table in, bytes out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from ticker.demo.habits import Table


def nbkr(table: Table) -> bytes:
    """NBKR's /XML/daily.xml: som with a decimal comma, four places."""
    rows = "".join(
        f'<Currency ISOCode="{code}">\n'
        "<Nominal>1</Nominal>\n"
        f"<Value>{_comma(table.rate(code, 'KGS', 1, 4))}</Value>\n"
        "</Currency>\n"
        for code in ("USD", "EUR", "CNY", "KZT", "RUB")
    )
    return (
        '<?xml version="1.0" encoding="windows-1251" ?>\n'
        f'<CurrencyRates Name="Daily Exchange Rates" Date="{table.stamp:%d.%m.%Y}">\n{rows}</CurrencyRates>\n'
    ).encode("windows-1251")


NBKR_IDS = {"15": "USD", "20": "EUR", "40": "KZT"}
"""The bank's own numbers of the currencies that it quotes per unit, as its page of dated rates takes them."""


def nbkr_history(tables: Iterable[Table], code: str) -> bytes:
    """
    NBKR's page index1.jsp?item=1562: the days of one currency, newest first.

    Only the table of the page was ever recorded, and no range without a day. Such a range is a table
    without a row.
    """
    rows = "".join(
        f"<tr><td><!--date-->{table.stamp:%d.%m.%Y}<!--date--></td>"
        f"<td><!--value-->{_comma(table.rate(code, 'KGS', 1, 4))}<!--value--></td></tr>"
        for table in sorted(tables, key=lambda table: table.stamp, reverse=True)
    )
    return f"<table>{rows}</table>".encode("ascii")


NBK_ROWS = (
    ("ДОЛЛАР США", "USD", 1),
    ("ЕВРО", "EUR", 1),
    ("КИТАЙСКИЙ ЮАНЬ", "CNY", 1),
    ("КЫРГЫЗСКИЙ СОМ", "KGS", 1),
    ("РОССИЙСКИЙ РУБЛЬ", "RUB", 1),
    ("ТАДЖИКСКИЙ СОМОНИ", "TJS", 1),
    ("УЗБЕКСКИХ СУМОВ", "UZS", 100),
)
"""Full name, code, quant. The bank lists no manat."""


def nbk(table: Table) -> bytes:
    """NBK's get_rates.cfm: tenge with a decimal point, two places, without trailing zeros (`179.5`, `3`)."""
    return _nbk_page(table.stamp, "".join(_nbk_item(table, *row) for row in NBK_ROWS))


def nbk_none(day: date) -> bytes:
    """
    The same for a day without a table: its date, no item, and an <info>, as one reader reported.

    The text of the <info> was never recorded.
    """
    return _nbk_page(day, "<info>No rates for this date</info>\n")


def _nbk_page(day: date, items: str) -> bytes:
    name = "Official exchange rates of National Bank of Republic Kazakhstan"
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        "<rates>\n"
        "    <generator>Alternate RSS Builder</generator>\n"
        f"    <title>{name}</title>\n"
        "    <link>www.nationalbank.kz</link>\n"
        f"    <description>{name}</description>\n"
        "    <copyright>www.nationalbank.kz</copyright>\n"
        f"    <date>{day:%d.%m.%Y}</date>\n\n"
        f"    {items}        </rates>\n"
    ).encode()


def _nbk_item(table: Table, full_name: str, code: str, quant: int) -> str:
    change = table.change(code, "KZT", quant, 2)
    index = "UP" if change > 0 else "DOWN" if change < 0 else ""
    return (
        "                    <item>\n"
        f"            <fullname>{full_name}</fullname>\n"
        f"            <title>{code}</title>\n"
        f"            <description>{trimmed(table.rate(code, 'KZT', quant, 2))}</description>\n"
        f"            <quant>{quant}</quant>\n"
        f"            <index>{index}</index>\n"
        f"            <change>{'+' if change > 0 else ''}{change}</change>\n"
        "            </item>\n"
    )


NBT_ROWS = (
    ("840", "USD", 1, "US Dollar"),
    ("978", "EUR", 1, "EURO"),
    ("156", "CNY", 1, "Chinese Yuan"),
    ("810", "RUB", 1, "Russian Ruble"),
    ("860", "UZS", 100, "Uzbekistan Sum"),
    ("417", "KGS", 10, "Kyrgyzstan Som"),
    ("398", "KZT", 10, "Kazakhstan Tenge"),
    ("934", "TMT", 1, "New Turkmenistan Manat"),
)
"""The bank's own id, code, nominal, name."""


def nbt(table: Table) -> bytes:
    """NBT's export_xml.php: somoni with a decimal point, four places, an ISO date."""
    rows = "".join(
        f'<Valute ID="{ident}">\n'
        f"   <CharCode>{code}</CharCode>\n"
        f"   <Nominal>{nominal}</Nominal>\n"
        f"   <Name>{name}</Name>\n"
        f"   <Value>{table.rate(code, 'TJS', nominal, 4)}</Value>\n"
        "</Valute>\n"
        for ident, code, nominal, name in NBT_ROWS
    )
    return (
        '<?xml version="1.0" encoding="utf-8" ?>\n'
        f'<ValCurs Date="{table.stamp}" name="Foreign Currency Market">\n{rows}</ValCurs>\n'
    ).encode()


def nbt_history(tables: Iterable[Table], code: str, first: date, last: date) -> bytes:
    """
    NBT's export_xml_dynamic.php: the calendar days of one currency, oldest first, in windows-1251.

    What it says of a range or a currency without a day was never recorded: here a list without a row.
    """
    ident, nominal, name = next(
        (row[0], *row[2:]) for row in (*NBT_ROWS, ("", code, 1, "")) if row[1] == code
    )
    records = "".join(
        f'<Record Date="{table.stamp:%d.%m.%Y}" Id="{ident}">\n'
        f"  <CharCode>{code}</CharCode>\n"
        f"     <Nominal>{nominal}</Nominal>\n"
        f"   <Value>{table.rate(code, 'TJS', nominal, 4)}</Value>\n"
        "</Record>\n"
        for table in tables
        if ident
    )
    return (
        '<?xml version="1.0" encoding="windows-1251" ?>\n'
        f'<ValCurs ID="{ident}"  DateRange1="{first:%d/%m/%Y}" DateRange2="{last:%d/%m/%Y}"  Name="{name}">\n'
        f"{records}</ValCurs>"
    ).encode("windows-1251")


CBU_FIELDS = ("id", "Code", "Ccy", "CcyNm_RU", "CcyNm_UZ", "CcyNm_UZC", "CcyNm_EN")
CBU_ROWS = """\
69|840|USD|Доллар США|AQSH dollari|АҚШ доллари|US Dollar
21|978|EUR|Евро|EVRO|EВРО|Euro
57|643|RUB|Российский рубль|Rossiya rubli|Россия рубли|Russian Ruble
15|156|CNY|Юань ренминби|Xitoy yuani|Хитой юани|Yuan Renminbi
34|417|KGS|Киргизский сом|Qirg‘iz somi|Қирғиз соми|Kyrgyzstan Som
38|398|KZT|Казахстанский тенге|Qozog‘iston tengesi|Қозоғистон тенгеси|Kazakhstan Tenge
64|972|TJS|Сомони|Tojikiston somonisi|Тожикистон сомониси|Tajikistan Somoni
65|934|TMT|Новый туркменский манат|Turkmaniston manati|Туркманистон манати|Turkmenistan New Manat
"""


def cbu(table: Table, only: str = "all") -> bytes:
    """CBU's /json/: sum in strings, two places; the rows of one currency (`[]` if not listed) or of all."""
    rows = [_cbu_row(table, line.split("|")) for line in CBU_ROWS.splitlines()]
    asked = [row for row in rows if only in ("all", row["Ccy"])]
    return json.dumps(asked, separators=(",", ":")).encode("ascii")


def _cbu_row(table: Table, words: Sequence[str]) -> dict[str, str | int]:
    code = words[CBU_FIELDS.index("Ccy")]
    return {
        **dict(zip(CBU_FIELDS, words, strict=True)),
        "id": int(words[0]),
        "Nominal": "1",
        "Rate": str(table.rate(code, "UZS", 1, 2)),
        "Diff": trimmed(table.change(code, "UZS", 1, 2)),
        "Date": f"{table.stamp:%d.%m.%Y}",
    }


CBR_ROWS = (
    ("R01235", "840", "USD", 1, "Доллар США"),
    ("R01239", "978", "EUR", 1, "Евро"),
    ("R01335", "398", "KZT", 100, "Тенге"),
    ("R01370", "417", "KGS", 100, "Сомов"),
    ("R01375", "156", "CNY", 1, "Юань"),
    ("R01670", "972", "TJS", 10, "Сомони"),
    ("R01710A", "934", "TMT", 1, "Новый туркменский манат"),
    ("R01717", "860", "UZS", 10000, "Узбекских сумов"),
)
"""The bank's own id, numeric code, code, nominal, name."""

CBR_ERROR = (
    b'<?xml version="1.0" encoding="windows-1251" ?>\n<ValCurs>\n    Error in parameters\n</ValCurs>\n'
)


def cbr(table: Table) -> bytes:
    """The Bank of Russia's XML_daily.asp: roubles with a decimal comma, four places, on one line."""
    rows = "".join(_cbr_row(table, *row) for row in CBR_ROWS)
    return (
        '<?xml version="1.0" encoding="windows-1251"?>'
        f'<ValCurs Date="{table.stamp:%d.%m.%Y}" name="Foreign Currency Market">{rows}</ValCurs>'
    ).encode("windows-1251")


def cbr_history(tables: Iterable[Table], ident: str, first: date, last: date) -> bytes:
    """
    The Bank of Russia's XML_dynamic.asp: the days of one currency, oldest first.

    A list without a day, for a holiday or a currency that the recording has not, was never recorded.
    """
    records = "".join(
        f'<Record Date="{table.stamp:%d.%m.%Y}" Id="{ident}"><Nominal>{nominal}</Nominal>'
        f"{_cbr_price(table, code, nominal)}</Record>"
        for name, _, code, nominal, _ in CBR_ROWS
        if name == ident
        for table in tables
    )
    return (
        '<?xml version="1.0" encoding="windows-1251"?>'
        f'<ValCurs ID="{ident}" DateRange1="{first:%d.%m.%Y}" DateRange2="{last:%d.%m.%Y}" '
        f'name="Foreign Currency Market Dynamic">{records}</ValCurs>'
    ).encode("windows-1251")


def _cbr_row(table: Table, ident: str, number: str, code: str, nominal: int, name: str) -> str:
    return (
        f'<Valute ID="{ident}"><NumCode>{number}</NumCode><CharCode>{code}</CharCode>'
        f"<Nominal>{nominal}</Nominal><Name>{name}</Name>{_cbr_price(table, code, nominal)}</Valute>"
    )


def _cbr_price(table: Table, code: str, nominal: int) -> str:
    value = table.rate(code, "RUB", nominal, 4)
    return f"<Value>{_comma(value)}</Value><VunitRate>{_comma(trimmed(value / nominal))}</VunitRate>"


def _comma(figure: Decimal | str) -> str:
    return str(figure).replace(".", ",")


def trimmed(figure: Decimal) -> str:
    """Without trailing zeros: `-0.6`, `3`, `0`."""
    return f"{figure.normalize():f}" if figure else "0"
