"""The stand-in banks of the demo: real formats, real hours, recorded figures, over a loopback socket."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from aiohttp import ClientResponse, ClientSession
from yarl import URL

from ticker import demo
from ticker.demo import HABITS, Banks, DemoClock, Table
from ticker.model import Pair, Rate
from ticker.source import MalformedFeed
from ticker.sources import SOURCES

HOME = {"nbkr": "KGS", "nbk": "KZT", "nbt": "TJS", "cbu": "UZS", "cbr": "RUB"}
HALF_A_DAY = timedelta(hours=12)


class Street:
    """The stand-in banks at a moment that the test sets, and a client that asks them as the service does."""

    def __init__(self) -> None:
        self.at = utc("2026-08-10T06:00")
        self.banks = Banks(lambda: self.at)
        self.session = ClientSession()

    async def get(self, key: str, path: str, **headers: str) -> tuple[ClientResponse, bytes]:
        url = URL(self.banks.base_urls[key] + path, encoded=True)
        async with self.session.get(url, headers=headers) as response:
            return response, await response.read()

    async def poll(self, key: str) -> tuple[Rate, ...]:
        """The bank's table as its adapter reads it, asked at the adapter's address for the bank's today."""
        source = SOURCES[key]
        address = urlsplit(source.address(self.at.astimezone(ZoneInfo(source.timezone)).date()))
        response, body = await self.get(key, f"{address.path}?{address.query}".rstrip("?"))
        assert response.status == 200
        return source.parse(body)


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    here = Street()
    async with here.banks, here.session:
        yield here


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def rate_of(rates: tuple[Rate, ...], base: str) -> Rate:
    return next(rate for rate in rates if rate.pair.base == base)


def published_rows() -> dict[date, dict[str, Decimal]]:
    """The recorded days, read here anew; units per USD."""
    text = Path(demo.__file__).with_name("demo_days.csv").read_text("utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if line[0] != "#")
    return {
        date.fromisoformat(row.pop("date")): {code: Decimal(figure) for code, figure in row.items()}
        for row in rows
    }


# Source, moment (UTC), date in the table, the bank's own currency for one dollar. Worked out by hand from
# demo_days.csv: 10 August 2026 is the recording's first Monday, 29 September its last day, a Tuesday.
TABLES = [
    ("nbkr", "2026-08-10T06:00", "2026-08-10", "87.7585"),  # Saturday's figures, from before the recording
    ("nbkr", "2026-08-10T10:19", "2026-08-10", "87.7585"),
    ("nbkr", "2026-08-10T10:20", "2026-08-11", "87.4854"),  # tomorrow's, at 16:20 in Bishkek
    ("nbkr", "2026-08-11T06:00", "2026-08-11", "87.4854"),
    ("nbkr", "2026-08-14T12:00", "2026-08-15", "87.4598"),
    ("nbkr", "2026-08-15T12:00", "2026-08-16", "87.4598"),  # stamped anew on Saturday
    ("nbkr", "2026-08-16T12:00", "2026-08-17", "87.4598"),  # and on Sunday
    ("nbkr", "2026-08-17T06:00", "2026-08-17", "87.4598"),
    ("nbkr", "2026-08-17T12:00", "2026-08-18", "87.8304"),
    ("nbkr", "2026-09-29T23:59", "2026-09-29", "87.4571"),
    ("nbk", "2026-08-10T06:00", "2026-08-10", "468.49"),
    ("nbk", "2026-08-10T12:00", "2026-08-10", "468.49"),  # asked for today, not for the next business day
    ("nbk", "2026-08-10T19:00", "2026-08-11", "466.74"),  # midnight in Almaty
    ("nbk", "2026-08-14T12:00", "2026-08-14", "465.62"),
    ("nbk", "2026-08-15T12:00", "2026-08-14", "465.62"),
    ("nbk", "2026-08-16T12:00", "2026-08-14", "465.62"),
    ("nbk", "2026-08-17T06:00", "2026-08-17", "463.33"),
    ("nbk", "2026-09-29T23:59", "2026-09-29", "441.23"),
    ("nbt", "2026-08-10T06:00", "2026-08-10", "9.2012"),
    ("nbt", "2026-08-11T04:59", "2026-08-10", "9.2012"),
    ("nbt", "2026-08-11T05:00", "2026-08-11", "9.2434"),
    ("nbt", "2026-08-14T12:00", "2026-08-14", "9.2433"),
    ("nbt", "2026-08-15T12:00", "2026-08-15", "9.2433"),  # carried forward under the day asked for
    ("nbt", "2026-08-16T12:00", "2026-08-16", "9.2433"),
    ("nbt", "2026-08-17T12:00", "2026-08-17", "9.2159"),
    ("nbt", "2026-09-29T23:59", "2026-09-29", "9.2325"),
    ("cbr", "2026-08-10T06:00", "2026-08-08", "81.6055"),  # Saturday's, holding to Monday
    ("cbr", "2026-08-14T12:00", "2026-08-15", "84.1604"),
    ("cbr", "2026-08-15T12:00", "2026-08-15", "84.1604"),
    ("cbr", "2026-08-16T12:00", "2026-08-15", "84.1604"),
    ("cbr", "2026-08-17T11:29", "2026-08-15", "84.1604"),
    ("cbr", "2026-08-17T11:30", "2026-08-18", "85.0282"),
    ("cbr", "2026-09-29T23:59", "2026-09-29", "84.5085"),
]


@pytest.mark.parametrize(("key", "at", "as_of", "value"), TABLES)
async def test_a_bank_says_its_figure_at_its_hour_under_its_date(
    street: Street, key: str, at: str, as_of: str, value: str
) -> None:
    street.at = utc(at)

    dollar = rate_of(await street.poll(key), "USD")

    assert dollar.pair == Pair("USD", HOME[key])
    assert dollar.as_of == date.fromisoformat(as_of)
    assert (str(dollar.value), dollar.nominal) == (value, 1)


@pytest.mark.parametrize(
    ("at", "path", "as_of", "value"),
    [
        ("2026-08-10T06:00", "", "2026-08-08", "11951.99"),
        ("2026-08-11T08:59", "", "2026-08-11", "11926.69"),
        ("2026-08-11T09:00", "", "2026-08-12", "11924.19"),  # tomorrow's appears during the day
        ("2026-08-11T09:00", "USD/2026-08-11/", "2026-08-11", "11926.69"),
        ("2026-08-15T12:00", "", "2026-08-15", "11901.12"),
        ("2026-08-16T12:00", "USD/2026-08-16/", "2026-08-15", "11901.12"),
        ("2026-08-16T12:00", "all/2026-08-30/", "2026-08-15", "11901.12"),
        ("2026-08-17T12:00", "all/2026-08-17/", "2026-08-15", "11901.12"),
        ("2026-08-17T12:00", "", "2026-08-18", "11884.26"),
        ("2026-09-29T23:59", "", "2026-09-29", "11792.22"),
    ],
)
async def test_the_uzbek_bank_answers_a_day_without_a_table_with_the_last_one_and_its_own_date(
    street: Street, at: str, path: str, as_of: str, value: str
) -> None:
    street.at = utc(at)

    _, body = await street.get("cbu", f"/en/arkhiv-kursov-valyut/json/{path}")
    dollar = rate_of(SOURCES["cbu"].parse(body), "USD")

    assert (dollar.as_of, str(dollar.value)) == (date.fromisoformat(as_of), value)


async def test_the_uzbek_bank_lists_one_currency_or_none_when_asked_for_it(street: Street) -> None:
    json = "/en/arkhiv-kursov-valyut/json"

    _, one = await street.get("cbu", f"{json}/USD/2026-08-10/")
    _, none = await street.get("cbu", f"{json}/XTS/2026-08-10/")

    assert one.count(b'"Ccy"') == 1
    assert none == b"[]"


async def test_a_move_is_counted_from_the_publication_before_not_from_yesterday(street: Street) -> None:
    street.at = utc("2026-08-17T12:00")

    _, tuesday = await street.get("cbu", "/en/arkhiv-kursov-valyut/json/USD/2026-08-18/")
    _, monday = await street.get("nbk", "/rss/get_rates.cfm?fdate=17.08.2026")

    assert b'"Rate":"11884.26","Diff":"-16.86"' in tuesday  # Saturday's was 11901.12
    assert b"<change>-2.29</change>" in monday  # from Friday's 465.62 to 463.33


async def test_a_whole_recording_polled_every_half_day_never_goes_back_and_is_true_to_its_rows(
    street: Street,
) -> None:
    rows, clock = published_rows(), DemoClock(every=1, monotonic=lambda: 0)
    moments = [clock.start + n * HALF_A_DAY for n in range(200) if clock.start + n * HALF_A_DAY < clock.end]
    seen: dict[str, tuple[Rate, ...]] = {}

    for street.at, key in itertools.product(moments, HABITS):
        rates = await street.poll(key)
        before, seen[key] = seen.get(key, rates), rates
        (as_of,) = {rate.day for rate in rates}
        assert as_of >= before[0].day, f"{key} at {street.at}"
        if as_of.weekday() in HABITS[key].effective and as_of in rows:
            assert_true_to(rows[as_of], rates)
        else:
            assert [rate.value for rate in rates] == [rate.value for rate in before]

    assert len(moments) == 102
    assert {rates[0].day for rates in seen.values()} == {date(2026, 9, 29)}


def assert_true_to(row: Mapping[str, Decimal], rates: tuple[Rate, ...]) -> None:
    """Each rate is the row's figure to half a unit of the last place that the bank prints."""
    places = {"nbk": 2, "cbu": 2}.get(rates[0].source, 4)
    per_dollar = {**row, "USD": Decimal(1), "TMT": Decimal("3.5")}
    for rate in rates:
        exact = rate.nominal * per_dollar[rate.pair.quote] / per_dollar[rate.pair.base]
        assert abs(rate.value - exact) <= Decimal(5).scaleb(-places - 1), rate


@pytest.mark.parametrize(
    ("key", "codes"),
    [
        ("nbkr", "USD EUR CNY KZT RUB"),
        ("nbk", "USD EUR CNY KGS RUB TJS UZS"),
        ("nbt", "USD EUR CNY RUB UZS KGS KZT TMT"),
        ("cbr", "USD EUR KZT KGS CNY TJS TMT UZS"),
    ],
)
async def test_a_bank_lists_the_currencies_that_it_lists(street: Street, key: str, codes: str) -> None:
    rates = await street.poll(key)

    assert [rate.pair.base for rate in rates] == codes.split()


async def test_the_manat_is_at_its_peg_in_every_table(street: Street) -> None:
    street.at = utc("2026-09-26T12:00")  # the aggregator printed 3.42905 on that day

    nbt, cbr = await street.poll("nbt"), await street.poll("cbr")

    for rates, tolerance in ((nbt, Decimal("0.0002")), (cbr, Decimal("0.00002"))):
        peg = rate_of(rates, "USD").mid / rate_of(rates, "TMT").mid
        assert abs(peg - Decimal("3.5")) < tolerance


@pytest.mark.parametrize(
    ("key", "path", "content_type"),
    [
        ("nbkr", "/XML/daily.xml", "application/xml"),
        ("nbk", "/rss/get_rates.cfm?fdate=10.08.2026", "text/xml; charset=UTF-8"),
        ("nbt", "/en/kurs/export_xml.php?date=2026-08-10&export=xmlout", "text/xml;charset=UTF-8"),
        ("cbu", "/en/arkhiv-kursov-valyut/json/", "application/json"),
        ("cbr", "/scripts/XML_daily.asp", "application/xml; charset=windows-1251"),
    ],
)
async def test_the_content_type_is_the_banks_own(
    street: Street, key: str, path: str, content_type: str
) -> None:
    response, _ = await street.get(key, path)

    assert response.headers["Content-Type"] == content_type


async def test_the_bank_of_russia_writes_windows_1251(street: Street) -> None:
    _, body = await street.get("cbr", "/scripts/XML_daily.asp")

    assert "Доллар США".encode("cp1251") in body
    with pytest.raises(UnicodeDecodeError):
        body.decode("utf-8")


async def test_an_unchanged_table_of_the_kyrgyz_bank_is_not_sent_again(street: Street) -> None:
    path = "/XML/daily.xml"
    first, _ = await street.get("nbkr", path)
    tag, modified = first.headers["ETag"], first.headers["Last-Modified"]

    same, nothing = await street.get("nbkr", path, **{"If-None-Match": tag})
    dated, _ = await street.get("nbkr", path, **{"If-Modified-Since": modified})
    street.at = utc("2026-08-10T10:20")
    by_tag, body = await street.get("nbkr", path, **{"If-None-Match": tag, "If-Modified-Since": modified})
    by_date, _ = await street.get("nbkr", path, **{"If-Modified-Since": modified})

    assert modified == "Sun, 09 Aug 2026 10:20:00 GMT"
    assert (same.status, nothing, dated.status) == (304, b"", 304)
    assert same.headers["ETag"] == tag
    assert (by_tag.status, by_date.status) == (200, 200)
    assert b'Date="11.08.2026"' in body


async def test_a_new_loop_is_not_mistaken_for_an_unchanged_table(street: Street) -> None:
    street.at = utc("2026-09-29T12:00")
    last, _ = await street.get("nbkr", "/XML/daily.xml")

    street.at = utc("2026-08-10T06:00")
    first, body = await street.get(
        "nbkr", "/XML/daily.xml", **{"If-Modified-Since": last.headers["Last-Modified"]}
    )

    assert first.status == 200
    assert b'Date="10.08.2026"' in body


@pytest.mark.parametrize("asked", ["2026-08-09", "2026-08-12"])
async def test_the_tajik_bank_honours_the_day_asked_for(street: Street, asked: str) -> None:
    street.at = utc("2026-08-13T12:00")

    _, body = await street.get("nbt", f"/en/kurs/export_xml.php?date={asked}&export=xmlout")

    assert SOURCES["nbt"].parse(body)[0].as_of == date.fromisoformat(asked)


@pytest.mark.parametrize("asked", ["2026-08-14", "2031-01-01", "2026-08-08", "1999-01-01", "yesterday", ""])
async def test_the_tajik_bank_answers_a_day_out_of_range_with_todays_table(
    street: Street, asked: str
) -> None:
    street.at = utc("2026-08-13T12:00")

    _, body = await street.get("nbt", f"/en/kurs/export_xml.php?date={asked}&export=xmlout")
    dollar = rate_of(SOURCES["nbt"].parse(body), "USD")

    assert (dollar.as_of, str(dollar.value)) == (date(2026, 8, 13), "9.2544")


async def test_the_tajik_bank_sends_a_page_to_those_who_forget_export(street: Street) -> None:
    _, body = await street.get("nbt", "/en/kurs/export_xml.php?date=2026-08-10")

    with pytest.raises(MalformedFeed):
        SOURCES["nbt"].parse(body)


async def test_the_kazakh_bank_gives_the_next_business_day_once_it_is_set(street: Street) -> None:
    monday = "/rss/get_rates.cfm?fdate=17.08.2026"
    street.at = utc("2026-08-14T10:59")
    _, before = await street.get("nbk", monday)
    street.at = utc("2026-08-14T11:00")
    _, after = await street.get("nbk", monday)

    assert SOURCES["nbk"].parse(before)[0].as_of == date(2026, 8, 14)
    assert SOURCES["nbk"].parse(after)[0].as_of == date(2026, 8, 17)


@pytest.mark.parametrize(
    ("asked", "as_of"),
    [
        ("14/08/2026", "2026-08-14"),
        ("16.08.2026", "2026-08-15"),
        ("17/08/2026", "2026-08-15"),
        ("01/09/2026", "2026-08-18"),
    ],
)
async def test_the_bank_of_russia_honours_the_day_asked_for(street: Street, asked: str, as_of: str) -> None:
    street.at = utc("2026-08-17T12:00")

    _, body = await street.get("cbr", f"/scripts/XML_daily.asp?date_req={asked}")

    assert SOURCES["cbr"].parse(body)[0].as_of == date.fromisoformat(as_of)


@pytest.mark.parametrize(
    "asked", ["", "2026-08-10", "08/17/2026", "1/8/2026", "32/08/2026", "%00", "x" * 4000]
)
async def test_the_bank_of_russia_answers_a_bad_date_with_its_error_and_status_200(
    street: Street, asked: str
) -> None:
    response, body = await street.get("cbr", f"/scripts/XML_daily.asp?date_req={asked}")

    assert response.status == 200
    assert b"Error in parameters" in body
    with pytest.raises(MalformedFeed):
        SOURCES["cbr"].parse(body)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("nbk", "/rss/get_rates.cfm?fdate=08.08.2026"),
        ("nbk", "/rss/get_rates.cfm?fdate=2026-08-10"),
        ("nbk", "/rss/get_rates.cfm"),
        ("cbu", "/en/arkhiv-kursov-valyut/json/all/2026-08-08/"),
        ("cbu", "/en/arkhiv-kursov-valyut/json/all/10.08.2026/"),
        ("cbr", "/scripts/XML_daily.asp?date_req=08/08/2026"),
        ("nbkr", "/"),
    ],
)
async def test_what_is_not_recorded_is_not_found(street: Street, key: str, path: str) -> None:
    response, _ = await street.get(key, path)

    assert response.status == 404


# Rows as the banks sent them: NBKR 2026-05-24 (whole), NBK 2026-04-01, NBT 2026-05-18, CBU 2026-04-01,
# CBR 2026-03-17.
NBKR_DAILY = b"""\
<?xml version="1.0" encoding="windows-1251" ?>
<CurrencyRates Name="Daily Exchange Rates" Date="24.05.2026">
<Currency ISOCode="USD">
<Nominal>1</Nominal>
<Value>87,4500</Value>
</Currency>
<Currency ISOCode="EUR">
<Nominal>1</Nominal>
<Value>101,5076</Value>
</Currency>
<Currency ISOCode="CNY">
<Nominal>1</Nominal>
<Value>12,8707</Value>
</Currency>
<Currency ISOCode="KZT">
<Nominal>1</Nominal>
<Value>0,1859</Value>
</Currency>
<Currency ISOCode="RUB">
<Nominal>1</Nominal>
<Value>1,2263</Value>
</Currency>
</CurrencyRates>
"""
NBK_DOLLAR = """\
    <date>01.04.2026</date>

                        <item>
            <fullname>ДОЛЛАР США</fullname>
            <title>USD</title>
            <description>478.77</description>
            <quant>1</quant>
            <index>DOWN</index>
            <change>-2.77</change>
            </item>
"""
NBK_SUM = """\
                    <item>
            <fullname>УЗБЕКСКИХ СУМОВ</fullname>
            <title>UZS</title>
            <description>3.93</description>
            <quant>100</quant>
            <index>DOWN</index>
            <change>-0.02</change>
            </item>
"""
NBT_SUM = b"""\
<Valute ID="860">
   <CharCode>UZS</CharCode>
   <Nominal>100</Nominal>
   <Name>Uzbekistan Sum</Name>
   <Value>0.0780</Value>
</Valute>
"""
CBU_DOLLAR = (
    rb'[{"id":69,"Code":"840","Ccy":"USD",'
    rb'"CcyNm_RU":"\u0414\u043e\u043b\u043b\u0430\u0440 \u0421\u0428\u0410",'
    rb'"CcyNm_UZ":"AQSH dollari","CcyNm_UZC":"\u0410\u049a\u0428 \u0434\u043e\u043b\u043b\u0430\u0440\u0438",'
    rb'"CcyNm_EN":"US Dollar","Nominal":"1","Rate":"12194.21","Diff":"-16.5","Date":"01.04.2026"},'
)
CBR_SUM = (
    '<Valute ID="R01717"><NumCode>860</NumCode><CharCode>UZS</CharCode><Nominal>10000</Nominal>'
    "<Name>Узбекских сумов</Name><Value>67,0335</Value><VunitRate>0,00670335</VunitRate></Valute>"
)


def table(stamp: str, previous: Mapping[str, str] | None = None, /, **figures: str) -> Table:
    now, before = (
        dict.fromkeys(("USD", "TMT", "KGS", "KZT", "TJS", "UZS", "RUB", "EUR", "CNY"), Decimal(1))
        | {code: Decimal(text) for code, text in row.items()}
        for row in (figures, previous or figures)
    )
    return Table(stamp=date.fromisoformat(stamp), figures=now, previous=before)


def test_a_table_looks_exactly_as_the_bank_writes_it() -> None:
    som = table("2026-05-24", KGS="87.45", EUR="0.8615118", CNY="6.794502", KZT="470.4142", RUB="71.31208")
    tenge = table("2026-04-01", {"KZT": "481.54", "UZS": "12190"}, KZT="478.77", UZS="12194.21")
    somoni = table("2026-05-18", TJS="9.3450", UZS="11980")
    sum_ = table("2026-04-01", {"UZS": "12210.71"}, UZS="12194.21")
    rouble = table("2026-03-17", RUB="81.0517", UZS="12091.22")

    assert demo.nbkr(som) == NBKR_DAILY
    assert NBK_DOLLAR.encode() in demo.nbk(tenge)
    assert NBK_SUM.encode() in demo.nbk(tenge)
    assert NBT_SUM in demo.nbt(somoni)
    assert demo.cbu(sum_).startswith(CBU_DOLLAR)
    assert CBR_SUM.encode("cp1251") in demo.cbr(rouble)


def test_a_rate_that_did_not_move_says_so_in_the_banks_words() -> None:
    still = table("2026-04-01", KZT="479.50", UZS="12142.10")

    assert b"<description>479.5</description>" in demo.nbk(still)
    assert b"<index></index>\n            <change>0.00</change>" in demo.nbk(still)
    assert b'"Rate":"12142.10","Diff":"0"' in demo.cbu(still)


def test_half_a_unit_is_rounded_up() -> None:
    assert b"<Value>87,4501</Value>" in demo.nbkr(table("2026-08-11", KGS="87.45005"))


def test_the_recording_has_no_gap_and_says_where_it_is_from() -> None:
    text = Path(demo.__file__).with_name("demo_days.csv").read_text("utf-8")
    days = list(published_rows())

    assert days == [date(2026, 8, 9) + timedelta(days=n) for n in range(52)]
    assert re.match(r"(#.*\n)+date,KGS,KZT,TJS,UZS,TMT,RUB,EUR,CNY\n", text)
    assert all(word in text for word in ("fawazahmed0", "CC0-1.0", "NOT the banks' own", "2026-11-24"))


class Seconds:
    """A monotonic clock in a test's hand."""

    def __init__(self) -> None:
        self.value = 1000.0

    def __call__(self) -> float:
        return self.value


def test_the_clock_starts_on_the_first_monday_and_runs_evenly() -> None:
    seconds = Seconds()
    clock = DemoClock(4, monotonic=seconds)

    times = []
    for seconds.value in (1000, 1001, 1004, 1020):
        times.append(clock.now())

    assert times == [
        utc("2026-08-10T06:00"),
        utc("2026-08-10T12:00"),
        utc("2026-08-11T06:00"),
        utc("2026-08-15T06:00"),
    ]
    assert times[0].utcoffset() == timedelta(0)


def test_the_clock_knows_how_long_the_recording_lasts() -> None:
    seconds = Seconds()
    clock = DemoClock(4, monotonic=seconds)

    assert clock.loop_seconds == clock.remaining == 50.75 * 4
    seconds.value += 3
    assert (clock.loop_seconds, clock.remaining) == (203, 200)


@pytest.mark.parametrize("elapsed", [203, 204, 1e12])
def test_the_clock_stands_still_at_the_end_of_the_last_day(elapsed: float) -> None:
    seconds = Seconds()
    clock = DemoClock(4, monotonic=seconds)
    seconds.value += elapsed

    assert clock.now() == utc("2026-09-29T23:59:59.999999")
    assert clock.remaining == 0


def test_a_restarted_clock_plays_the_recording_again() -> None:
    seconds = Seconds()
    clock = DemoClock(4, monotonic=seconds)
    seconds.value += 500

    clock.restart()
    assert (clock.now(), clock.remaining) == (utc("2026-08-10T06:00"), clock.loop_seconds)
    seconds.value += 1
    assert clock.now() == utc("2026-08-10T12:00")


@pytest.mark.parametrize("every", [0, -1, float("nan"), float("inf")])
def test_a_day_must_take_some_time(every: float) -> None:
    with pytest.raises(ValueError, match="cannot take"):
        DemoClock(every)


async def test_the_banks_close_with_their_context(street: Street) -> None:
    async with Banks(lambda: street.at) as other:
        url = other.base_urls["nbkr"]
        async with street.session.get(f"{url}/XML/daily.xml") as response:
            assert response.status == 200

    with pytest.raises(OSError, match="Cannot connect"):
        await street.session.get(f"{url}/XML/daily.xml")


def test_the_notice_says_that_it_is_a_demo_and_that_no_bank_said_it() -> None:
    assert demo.NOTICE.startswith("Demo: ")
    assert "No bank said these numbers" in demo.NOTICE


def test_the_clock_goes_on_where_an_earlier_run_stopped() -> None:
    clock = DemoClock(6, monotonic=lambda: 1000.0)
    clock.resume(datetime(2026, 9, 1, 12, tzinfo=UTC))

    assert clock.now() == datetime(2026, 9, 1, 12, tzinfo=UTC)


def test_the_clock_starts_anew_after_a_time_outside_the_recording() -> None:
    clock = DemoClock(6, monotonic=lambda: 1000.0)
    clock.resume(datetime(2027, 1, 1, tzinfo=UTC))

    assert clock.now() == clock.start
