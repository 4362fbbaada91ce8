"""
Stand-in banks on loopback: recorded days, replayed in the banks' own formats and at their hours.

The service does not know: it asks its usual paths at another `base_url` and is given another clock.
"""

from __future__ import annotations

import csv
import functools
import json
import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from importlib import resources
from time import monotonic
from types import TracebackType
from typing import Self

from aiohttp import ETag, web

from ticker.model import EXACT

NOTICE = (
    "Demo: recorded days of an aggregator (August and September 2026), "
    "replayed as the banks would publish them. No bank said these numbers."
)
"""What the page and the log of a demo say."""

Figures = Mapping[str, Decimal]
"""Units of each currency for one US dollar."""

ONE_DAY = timedelta(days=1)
# Official since 2015-01-01 and what every bank's table gives; the aggregator's own column is noise around it.
TMT_PER_USD = Decimal("3.5")


# The recording and its clock


@functools.cache
def recording() -> dict[date, Figures]:
    """The recorded days in order, without a gap; digits as published, TMT at its peg."""
    text = resources.files("ticker").joinpath("demo_days.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {date.fromisoformat(row.pop("date")): _figures(row) for row in rows}


def _figures(row: Mapping[str, str]) -> Figures:
    return {code: Decimal(text) for code, text in row.items()} | {"USD": Decimal(1), "TMT": TMT_PER_USD}


class DemoClock:
    """
    A clock that plays the recording: one virtual day takes `every` real seconds.

    It starts on the recording's first Monday at 06:00 UTC and stands still at the end of its last day.
    """

    def __init__(self, every: float, *, monotonic: Callable[[], float] = monotonic) -> None:
        if not (every > 0 and math.isfinite(every)):
            raise ValueError(f"a day of the demo cannot take {every} seconds")
        self._every = every
        self._monotonic = monotonic
        monday = next(day for day in recording() if day.weekday() == 0)
        self.start = datetime.combine(monday, time(6), UTC)
        self.end = datetime.combine(max(recording()), time(0), UTC) + ONE_DAY
        self.restart()

    def restart(self) -> None:
        """Go back to the start: a new loop of the recording."""
        self._began = self._monotonic()

    def resume(self, at: datetime) -> None:
        """Go on from a virtual time of an earlier run; from one that is not in the recording, start anew."""
        played = (at - self.start) / ONE_DAY * self._every
        self._began = self._monotonic() - (played if 0 <= played < self.loop_seconds else 0)

    def now(self) -> datetime:
        """The virtual time (aware, UTC), never past the last microsecond of the recording."""
        virtual = self.start + (self.loop_seconds - self.remaining) / self._every * ONE_DAY
        return min(virtual, self.end - timedelta.resolution)

    @property
    def loop_seconds(self) -> float:
        """Real seconds that one loop of the recording takes."""
        return (self.end - self.start) / ONE_DAY * self._every

    @property
    def remaining(self) -> float:
        """Real seconds until the recording ends; 0 from then on."""
        return max(0.0, self.loop_seconds - (self._monotonic() - self._began))


# The banks' habits: which table is out at which moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """When a bank publishes what."""

    at: time
    """UTC."""
    published_on: Callable[[date], date]
    """The day on which the table stamped with this day comes out."""
    effective: frozenset[int]
    """Week days (Monday is 0) on which new figures take effect."""
    restamps: bool
    """Whether the other days get a table of their own, with the figures of the last effective day."""

    def figures_day(self, day: date) -> date:
        """The last day up to `day` on which new figures took effect."""
        while day.weekday() not in self.effective:
            day -= ONE_DAY
        return day

    def stamp(self, day: date) -> date:
        """The date in the table that holds on `day`."""
        return day if self.restamps else self.figures_day(day)

    def published_at(self, stamp: date) -> datetime:
        """The moment at which the table with this date comes out."""
        return datetime.combine(self.published_on(stamp), self.at, UTC)


def _day_before(day: date) -> date:
    return day - ONE_DAY


def _workday_before(day: date) -> date:
    return day - ONE_DAY * (3 if day.weekday() == 0 else 1)


def _same_day(day: date) -> date:
    return day


_MON_FRI = frozenset(range(5))
_TUE_SAT = frozenset(range(1, 6))

HABITS = {
    # Values change with effect Tuesday to Saturday (0 of 268 Mondays); the file is stamped anew daily:
    # seen on Saturday 2026-05-23 at 10:20 UTC with Sunday's date and the same values.
    "nbkr": Habits(at=time(10, 20), published_on=_day_before, effective=_TUE_SAT, restamps=True),
    # The exchange's average at 10:30 UTC and the crosses from 11:00 are official on the next business day.
    "nbk": Habits(at=time(11), published_on=_workday_before, effective=_MON_FRI, restamps=False),
    "nbt": Habits(at=time(5), published_on=_same_day, effective=_MON_FRI, restamps=True),
    # Asked for Sunday 2026-10-04 it gave the table of Saturday, under Saturday's date.
    "cbu": Habits(at=time(9), published_on=_day_before, effective=_TUE_SAT, restamps=False),
    # Friday's setting is dated Saturday and holds to Monday; 10:49 UTC still showed the same day.
    "cbr": Habits(at=time(11, 30), published_on=_day_before, effective=_TUE_SAT, restamps=False),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a bank publishes for one day."""

    stamp: date
    """The date that the table bears."""
    figures: Figures
    previous: Figures
    """The figures of the publication before, for the fields that say how much a rate moved."""

    def rate(self, base: str, home: str, nominal: int, places: int) -> Decimal:
        """Units of `home` for `nominal` units of `base`, rounded half-up as the bank does."""
        return _cross(self.figures, base, home, nominal, places)

    def change(self, base: str, home: str, nominal: int, places: int) -> Decimal:
        """How far the published rate is from the one published before."""
        return self.rate(base, home, nominal, places) - _cross(self.previous, base, home, nominal, places)


def _cross(figures: Figures, base: str, home: str, nominal: int, places: int) -> Decimal:
    units = EXACT.divide(nominal * figures[home], figures[base])
    return units.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


class Bank:
    """The tables of one bank as they are out at a moment of the recording."""

    def __init__(self, habits: Habits, now: Callable[[], datetime]) -> None:
        self.habits = habits
        self._now = now
        self._stamps = sorted({habits.stamp(day) for day in recording()})

    def newest(self) -> date:
        """The date of the newest table that is out."""
        now = self._now()
        return max(
            (stamp for stamp in self._stamps if self.habits.published_at(stamp) <= now),
            default=self._stamps[0],
        )

    def has(self, day: date) -> bool:
        """Whether the recording reaches back to `day`."""
        return day >= min(recording())

    def table(self, asked: date | None = None) -> Table:
        """The table that holds on the day asked for, or the newest one if that is not out yet."""
        newest = self.newest()
        stamp = newest if asked is None else self.habits.stamp(min(asked, newest))
        effective = self.habits.figures_day(stamp)
        before = self.habits.figures_day(effective - ONE_DAY)
        return Table(stamp=stamp, figures=_recorded(effective), previous=_recorded(before))


def _recorded(day: date) -> Figures:
    """The figures of a day; the recording's first ones if it lies before (a Monday needs Saturday's)."""
    return recording()[max(day, min(recording()))]


# The banks' formats: pure, a table in and bytes out


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
    """NBK's get_rates.cfm: tenge with a decimal point, two places, trailing zeros gone (`179.5`, `3`)."""
    name = "Official exchange rates of National Bank of Republic Kazakhstan"
    items = "".join(_nbk_item(table, *row) for row in NBK_ROWS)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        "<rates>\n"
        "    <generator>Alternate RSS Builder</generator>\n"
        f"    <title>{name}</title>\n"
        "    <link>www.nationalbank.kz</link>\n"
        f"    <description>{name}</description>\n"
        "    <copyright>www.nationalbank.kz</copyright>\n"
        f"    <date>{table.stamp:%d.%m.%Y}</date>\n\n"
        f"    {items}        </rates>\n"
    ).encode()


def _nbk_item(table: Table, full_name: str, code: str, quant: int) -> str:
    change = table.change(code, "KZT", quant, 2)
    index = "UP" if change > 0 else "DOWN" if change < 0 else ""
    return (
        "                    <item>\n"
        f"            <fullname>{full_name}</fullname>\n"
        f"            <title>{code}</title>\n"
        f"            <description>{_trimmed(table.rate(code, 'KZT', quant, 2))}</description>\n"
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
        "Diff": _trimmed(table.change(code, "UZS", 1, 2)),
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


def _cbr_row(table: Table, ident: str, number: str, code: str, nominal: int, name: str) -> str:
    value = table.rate(code, "RUB", nominal, 4)
    return (
        f'<Valute ID="{ident}"><NumCode>{number}</NumCode><CharCode>{code}</CharCode>'
        f"<Nominal>{nominal}</Nominal><Name>{name}</Name><Value>{_comma(value)}</Value>"
        f"<VunitRate>{_comma(_trimmed(value / nominal))}</VunitRate></Valute>"
    )


def _comma(figure: Decimal | str) -> str:
    return str(figure).replace(".", ",")


def _trimmed(figure: Decimal) -> str:
    """Without trailing zeros: `-0.6`, `3`, `0`."""
    return f"{figure.normalize():f}" if figure else "0"


# The banks' addresses


def _answer(body: bytes, content_type: str) -> web.Response:
    return web.Response(body=body, headers={"Content-Type": content_type})


def _not_recorded() -> web.Response:
    return web.Response(status=404, text="Nothing is recorded for that day.\n")


def _day(text: str, layout: str) -> date | None:
    """The day written in exactly this layout, else None."""
    try:
        day = datetime.strptime(text, layout).date()  # noqa: DTZ007 - a calendar day has no zone
    except ValueError:
        return None
    return day if f"{day:{layout}}" == text else None


def _nbkr_daily(bank: Bank, request: web.Request) -> web.Response:
    table = bank.table()
    body = nbkr(table)
    modified = bank.habits.published_at(table.stamp)
    tag = ETag(f"{len(body):x}-{int(modified.timestamp()):x}")
    known = _knows(request, tag, modified)
    answer = web.Response(status=304) if known else _answer(body, "application/xml")
    answer.etag = tag
    answer.last_modified = modified
    return answer


def _knows(request: web.Request, tag: ETag, modified: datetime) -> bool:
    """
    Whether the client holds this very table.

    The times must be equal, not just later: in a new loop of the recording the bank's time goes back.
    """
    if (tags := request.if_none_match) is not None:
        return any(held.value == tag.value for held in tags)
    return request.if_modified_since == modified


def _nbk_of_day(bank: Bank, request: web.Request) -> web.Response:
    # The bank's answer for a day without a session is not known (never recorded); here it is the table
    # of the last session under its own date.
    asked = _day(request.query.get("fdate", ""), "%d.%m.%Y")
    if asked is None or not bank.has(asked):
        return _not_recorded()
    return _answer(nbk(bank.table(asked)), "text/xml; charset=UTF-8")


def _nbt_of_day(bank: Bank, request: web.Request) -> web.Response:
    if "export" not in request.query:
        return web.Response(text="<html><body>export_xml.php?date=YYYY-MM-DD&amp;export=xmlout</body></html>")
    asked = _day(request.query.get("date", ""), "%Y-%m-%d")
    # A date out of range gets today's table, without a word.
    in_range = asked if asked and bank.has(asked) else None
    return _answer(nbt(bank.table(in_range)), "text/xml;charset=UTF-8")


def _cbu_newest(bank: Bank, _: web.Request) -> web.Response:
    return _answer(cbu(bank.table()), "application/json")


def _cbu_of_day(bank: Bank, request: web.Request) -> web.Response:
    asked = _day(request.match_info["day"], "%Y-%m-%d")
    if asked is None or not bank.has(asked):
        return _not_recorded()
    return _answer(cbu(bank.table(asked), request.match_info["code"]), "application/json")


def _cbr_of_day(bank: Bank, request: web.Request) -> web.Response:
    content_type = "application/xml; charset=windows-1251"
    if (text := request.query.get("date_req")) is None:
        return _answer(cbr(bank.table()), content_type)
    if (asked := _day(re.sub(r"[./]", "/", text), "%d/%m/%Y")) is None:
        return _answer(CBR_ERROR, content_type)
    return _answer(cbr(bank.table(asked)), content_type) if bank.has(asked) else _not_recorded()


Answer = Callable[[Bank, web.Request], web.Response]

ROUTES: tuple[tuple[str, str, Answer], ...] = (
    ("nbkr", "/XML/daily.xml", _nbkr_daily),
    ("nbk", "/rss/get_rates.cfm", _nbk_of_day),
    ("nbt", "/en/kurs/export_xml.php", _nbt_of_day),
    ("cbu", "/en/arkhiv-kursov-valyut/json/", _cbu_newest),
    ("cbu", "/en/arkhiv-kursov-valyut/json/{code}/{day}/", _cbu_of_day),
    ("cbr", "/scripts/XML_daily.asp", _cbr_of_day),
)


class Banks:
    """
    The stand-in banks as one HTTP server on 127.0.0.1, each under a path of its own.

    `now` says the moment of the recording: `DemoClock.now`. The system picks the port.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._runner = web.AppRunner(_application(now), access_log=None, shutdown_timeout=1.0)
        self._port = 0

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    @property
    def base_urls(self) -> dict[str, str]:
        """Source key -> what its `base_url` must be."""
        return {key: f"http://127.0.0.1:{self._port}/{key}" for key in HABITS}


def _application(now: Callable[[], datetime]) -> web.Application:
    # Nobody sends these banks a body.
    app = web.Application(client_max_size=1024)
    banks = {key: Bank(habits, now) for key, habits in HABITS.items()}
    for key, path, answer in ROUTES:
        app.router.add_get(f"/{key}{path}", _handler(banks[key], answer))
    return app


def _handler(bank: Bank, answer: Answer) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return answer(bank, request)

    return handle
