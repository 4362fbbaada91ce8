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

import ticker
from ticker import demo
from ticker.demo import Banks, DemoClock, formats
from ticker.demo.habits import HABITS, Table
from ticker.rates.model import Pair, Rate
from ticker.rates.source import MalformedFeed, NoTable
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
        address = urlsplit(source.addresses(self.at.astimezone(ZoneInfo(source.timezone)).date())[0])
        response, body = await self.get(key, f"{address.path}?{address.query}".rstrip("?"))
        assert response.status == 200
        return source.parse(body)

    async def history(self, key: str, currency: str, first: str, last: str) -> tuple[Rate, ...]:
        """The days of one currency, asked and read as its adapter says."""
        source = SOURCES[key].history
        assert source
        address = urlsplit(source.address(currency, date.fromisoformat(first), date.fromisoformat(last)))
        response, body = await self.get(key, f"{address.path}?{address.query}")
        assert response.status == 200
        return source.parse(body, currency)


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
    text = Path(ticker.__file__).with_name("demo_days.csv").read_text("utf-8")
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
    ("nbk", "2026-08-10T06:00", "2026-08-10", "468.95"),  # Saturday's
    ("nbk", "2026-08-10T12:00", "2026-08-10", "468.95"),  # asked for today, not for the next day
    ("nbk", "2026-08-10T19:00", "2026-08-11", "466.74"),  # midnight in Almaty
    ("nbk", "2026-08-14T12:00", "2026-08-14", "465.62"),
    ("nbk", "2026-08-15T12:00", "2026-08-15", "463.89"),  # set on Friday
    ("nbk", "2026-08-16T12:00", "2026-08-16", "463.89"),
    ("nbk", "2026-08-17T06:00", "2026-08-17", "463.89"),
    ("nbk", "2026-08-18T06:00", "2026-08-18", "462.09"),
    ("nbk", "2026-09-29T23:59", "2026-09-29", "441.23"),
    ("nbt", "2026-08-10T06:00", "2026-08-10", "9.2496"),  # Saturday's
    ("nbt", "2026-08-11T03:04", "2026-08-10", "9.2496"),
    ("nbt", "2026-08-11T03:05", "2026-08-11", "9.2434"),
    ("nbt", "2026-08-14T12:00", "2026-08-14", "9.2433"),
    ("nbt", "2026-08-15T12:00", "2026-08-15", "9.2367"),  # set on Friday
    ("nbt", "2026-08-16T12:00", "2026-08-16", "9.2367"),
    ("nbt", "2026-08-17T12:00", "2026-08-17", "9.2367"),
    ("nbt", "2026-08-18T12:00", "2026-08-18", "9.2362"),
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
        ("2026-08-10T06:00", "", "2026-08-10", "11918.82"),  # out since Friday
        ("2026-08-11T08:59", "", "2026-08-11", "11926.69"),
        ("2026-08-11T09:00", "", "2026-08-12", "11924.19"),  # tomorrow's appears during the day
        ("2026-08-11T09:00", "USD/2026-08-11/", "2026-08-11", "11926.69"),
        ("2026-08-15T12:00", "", "2026-08-17", "11904.26"),  # Friday's table was dated Monday
        ("2026-08-16T12:00", "USD/2026-08-16/", "2026-08-14", "11948.19"),
        ("2026-08-16T12:00", "all/2026-08-30/", "2026-08-17", "11904.26"),
        ("2026-08-17T12:00", "all/2026-08-17/", "2026-08-17", "11904.26"),
        ("2026-08-17T12:00", "", "2026-08-18", "11884.26"),
        ("2026-09-18T09:00", "", "2026-09-21", "11835.53"),
        ("2026-09-25T08:59", "", "2026-09-25", "11815.74"),
        ("2026-09-25T09:00", "", "2026-09-26", "11821.25"),  # since then Friday's is dated Saturday
        ("2026-09-25T09:00", "all/2026-09-28/", "2026-09-26", "11821.25"),
        ("2026-09-28T08:59", "all/2026-09-28/", "2026-09-26", "11821.25"),
        ("2026-09-28T09:00", "", "2026-09-29", "11792.22"),
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

    _, monday = await street.get("cbu", "/en/arkhiv-kursov-valyut/json/USD/2026-08-17/")
    _, tuesday = await street.get("nbk", "/rss/get_rates.cfm?fdate=18.08.2026")

    assert b'"Rate":"11904.26","Diff":"-43.93"' in monday  # Friday's was 11948.19
    assert b"<change>-1.80</change>" in tuesday  # from Saturday's 463.89 to 462.09


async def test_a_whole_recording_polled_every_half_day_never_goes_back_and_is_true_to_its_rows(
    street: Street,
) -> None:
    rows, clock = published_rows(), DemoClock(every=1, monotonic=lambda: 0)
    first = utc("2026-08-10T06:00")
    moments = [first + n * HALF_A_DAY for n in range(200) if first + n * HALF_A_DAY < clock.end]
    seen: dict[str, tuple[Rate, ...]] = {}

    for street.at, key in itertools.product(moments, HABITS):
        rates = await street.poll(key)
        before, seen[key] = seen.get(key, rates), rates
        (as_of,) = {rate.day for rate in rates}
        assert as_of >= before[0].day, f"{key} at {street.at}"
        if HABITS[key].effective(as_of) == as_of and as_of in rows:
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


@pytest.mark.parametrize(
    ("asked", "out_at", "value"),
    [
        ("2026-08-14", "2026-08-13T11:00", "465.62"),
        ("2026-08-15", "2026-08-14T11:00", "463.89"),
        ("2026-08-16", "2026-08-15T11:00", "463.89"),  # Saturday's again
        ("2026-08-17", "2026-08-16T11:00", "463.89"),  # and again, not told on Friday
    ],
)
async def test_the_kazakh_bank_has_a_table_of_every_day_and_no_item_before_it_is_out(
    street: Street, asked: str, out_at: str, value: str
) -> None:
    path = f"/rss/get_rates.cfm?fdate={date.fromisoformat(asked):%d.%m.%Y}"
    street.at = utc(out_at) - timedelta(minutes=1)
    _, before = await street.get("nbk", path)
    street.at = utc(out_at)
    _, after = await street.get("nbk", path)

    assert b"<info>" in before
    with pytest.raises(NoTable, match=f"no table for {asked}"):
        SOURCES["nbk"].parse(before)
    dollar = rate_of(SOURCES["nbk"].parse(after), "USD")
    assert (str(dollar.as_of), str(dollar.value)) == (asked, value)
    assert b"<info>" not in after


async def test_after_the_recording_the_kazakh_bank_stays_at_its_last_table(street: Street) -> None:
    street.at = utc("2026-09-29T12:00")

    _, body = await street.get("nbk", "/rss/get_rates.cfm?fdate=30.09.2026")

    assert SOURCES["nbk"].parse(body)[0].as_of == date(2026, 9, 29)


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


# Holidays within the recording: 31 August (KG, UZ), 1 September (UZ), 9 September 2026 (TJ).


@pytest.mark.parametrize(
    ("key", "asked", "as_of"),
    [
        ("nbkr", "2026-09-01", "2026-09-01"),
        ("cbu", "2026-09-01", "2026-08-28"),
        ("nbt", "2026-09-10", "2026-09-10"),
    ],
)
async def test_a_holiday_brings_no_new_figure(street: Street, key: str, asked: str, as_of: str) -> None:
    street.at = utc("2026-08-29T07:00") if key != "nbt" else utc("2026-09-09T07:00")
    before = await street.poll(key)

    street.at = utc(f"{asked}T07:00")
    after = await street.poll(key)

    assert {rate.day for rate in after} == {date.fromisoformat(as_of)}
    assert [rate.value for rate in after] == [rate.value for rate in before]


@pytest.mark.parametrize(
    ("currency", "newest", "oldest"),
    [("USD", "87.8281", "87.7585"), ("EUR", "101.6665", "101.4520"), ("KZT", "0.1901", "0.1871")],
)
async def test_the_kyrgyz_bank_tells_the_days_of_one_currency_newest_first(
    street: Street, currency: str, newest: str, oldest: str
) -> None:
    street.at = utc("2026-08-18T12:00")

    rates = await street.history("nbkr", currency, "2026-07-31", "2026-08-31")

    assert [rate.as_of for rate in rates] == [date(2026, 8, day) for day in (19, 18, 15, 14, 13, 12, 11, 8)]
    assert (str(rates[0].value), str(rates[-1].value)) == (newest, oldest)


@pytest.mark.parametrize(("key", "days"), [("nbkr", 28), ("nbt", 40), ("cbr", 29)])
async def test_what_a_bank_tells_of_its_past_is_what_it_told_day_by_day(
    street: Street, key: str, days: int
) -> None:
    told: set[Rate] = set()

    for street.at in (utc("2026-08-12T04:00") + HALF_A_DAY * n for n in range(79)):
        told.add(rate_of(await street.poll(key), "USD"))
    past = await street.history(key, "USD", "2026-08-12", "2026-12-31")

    repeats = {rate for rate in told if HABITS[key].effective(rate.day) != rate.day}
    earlier = {rate for rate in told if rate.day < date(2026, 8, 12)}
    assert set(past) == told - earlier - (repeats if key != "nbt" else set())
    assert len(past) == days


@pytest.mark.parametrize("currency", ["USD", "EUR", "CNY", "KZT", "KGS", "TJS", "UZS"])
async def test_the_bank_of_russia_tells_the_days_of_one_currency_oldest_first(
    street: Street, currency: str
) -> None:
    street.at = utc("2026-08-14T11:30")

    rates = await street.history("cbr", currency, "2026-08-09", "2026-08-31")
    today = rate_of(await street.poll("cbr"), currency)

    assert [rate.as_of for rate in rates] == [date(2026, 8, day) for day in range(11, 16)]
    assert rates[-1] == today


@pytest.mark.parametrize(
    ("currency", "first", "last"),
    [
        ("USD", "2026-08-16", "2026-08-17"),
        ("USD", "2026-08-18", "2026-08-31"),
        ("USD", "2025-01-01", "2025-12-31"),
        ("GBP", "2026-08-09", "2026-08-17"),
    ],
)
async def test_the_bank_of_russia_tells_of_no_day_when_there_is_none(
    street: Street, currency: str, first: str, last: str
) -> None:
    street.at = utc("2026-08-17T11:29")

    assert await street.history("cbr", currency, first, last) == ()


@pytest.mark.parametrize(
    "query",
    [
        "date_req1=2026-08-10&date_req2=11/08/2026&VAL_NM_RQ=R01235",
        "date_req1=08/31/2026&date_req2=31/08/2026&VAL_NM_RQ=R01235",
        "date_req1=10/08/2026&VAL_NM_RQ=R01235",
        "date_req1=10/08/2026&date_req2=11/08/2026",
        "date_req1=10/08/2026&date_req2=11/08/2026&VAL_NM_RQ=%22%3E%3Cx%3E",
    ],
)
async def test_the_bank_of_russia_has_its_error_for_a_bad_question_about_the_past(
    street: Street, query: str
) -> None:
    _, body = await street.get("cbr", f"/scripts/XML_dynamic.asp?{query}")

    assert body == formats.CBR_ERROR


@pytest.mark.parametrize("currency", ["USD", "EUR", "RUB", "CNY", "KGS", "KZT", "UZS", "TMT"])
async def test_the_tajik_bank_tells_every_calendar_day_of_one_currency(street: Street, currency: str) -> None:
    street.at = utc("2026-08-17T03:04")

    rates = await street.history("nbt", currency, "2026-08-01", "2026-08-31")
    today = rate_of(await street.poll("nbt"), currency)

    assert [rate.as_of for rate in rates] == [date(2026, 8, day) for day in range(9, 17)]
    assert rates[-1] == today
    assert rates[-1].value == rates[-2].value  # Saturday's on Sunday


async def test_the_tajik_bank_tells_nothing_of_a_currency_that_was_not_recorded(street: Street) -> None:
    with pytest.raises(MalformedFeed, match="nothing"):
        await street.history("nbt", "GBP", "2026-08-09", "2026-08-31")


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("nbkr", "/index1.jsp?item=1562&lang=ENG&valuta_id=15"),
        (
            "nbkr",
            "/index1.jsp?item=1562&valuta_id=7&beg_day=1&beg_month=8&beg_year=2026&end_day=9&end_month=8",
        ),
        ("nbkr", "/index1.jsp?item=1562&valuta_id=15&beg_day=31&beg_month=2&beg_year=2026&end_day=9"),
        ("nbt", "/en/kurs/export_xml_dynamic.php?d1=2026-08-09&cs=USD&export=xml"),
        ("fawazahmed0", "/npm/@fawazahmed0/currency-api@2026-08-08/v1/currencies/usd.min.json"),
        ("fawazahmed0", "/npm/@fawazahmed0/currency-api@2026.8.9/v1/currencies/usd.min.json"),
        ("fawazahmed0", "/npm/@fawazahmed0/currency-api@2026-08-09/v1/currencies/kgs.min.json"),
        ("frankfurter", "/v2/rates?base=KGS"),
        ("frankfurter", "/v2/rates?base=USD&providers=NBKR"),
    ],
)
async def test_a_question_that_no_recording_answers_is_not_found(street: Street, key: str, path: str) -> None:
    response, _ = await street.get(key, path)

    assert response.status == 404


def test_every_stand_in_is_that_of_a_source() -> None:
    assert Banks(lambda: utc("2026-08-10T06:00")).base_urls.keys() <= SOURCES.keys()


FILE = "/v1/currencies/usd.min.json"


def npm(version: str) -> str:
    return f"/npm/@fawazahmed0/currency-api@{version}{FILE}"


async def test_fawazahmed0_has_the_file_of_a_day_ten_minutes_after_midnight(street: Street) -> None:
    street.at = utc("2026-09-05T00:09")
    before, _ = await street.get("fawazahmed0", npm("2026-09-05"))
    _, latest = await street.get("fawazahmed0", npm("latest"))
    street.at = utc("2026-09-05T00:10")
    after, body = await street.get("fawazahmed0", npm("2026-09-05"))
    _, newest = await street.get("fawazahmed0", FILE)

    assert (before.status, after.status) == (404, 200)
    assert SOURCES["fawazahmed0"].parse(latest)[0].as_of == date(2026, 9, 4)
    assert SOURCES["fawazahmed0"].parse(body)[0].as_of == date(2026, 9, 5)
    assert newest == body


async def test_fawazahmed0_says_its_own_figures_digit_for_digit_and_its_own_manat(street: Street) -> None:
    rows, source = published_rows(), SOURCES["fawazahmed0"]
    street.at = utc("2026-09-29T12:00")

    for day, row in rows.items():
        _, body = await street.get("fawazahmed0", npm(str(day)))
        said = {rate.pair.quote: rate.value for rate in source.parse(body)}
        assert row.items() <= said.items()

    assert str(rows[date(2026, 9, 26)]["TMT"]).startswith("3.42905")


async def test_a_currency_that_was_not_recorded_stands_still(street: Street) -> None:
    first = await street.poll("fawazahmed0")
    street.at = utc("2026-09-20T12:00")
    later = await street.poll("fawazahmed0")

    moved = {
        after.pair.quote for before, after in zip(first, later, strict=True) if before.value != after.value
    }
    assert moved == {"KGS", "KZT", "TJS", "UZS", "TMT", "RUB", "EUR", "CNY"}


@pytest.mark.parametrize(
    ("at", "as_of", "recorded"),
    [
        ("2026-08-10T06:00", "2026-08-09T23:55:01", "2026-08-09"),  # the 8th is not recorded
        ("2026-08-11T11:55", "2026-08-10T23:55:01", "2026-08-09"),
        ("2026-08-11T11:56", "2026-08-11T11:55:01", "2026-08-10"),
        ("2026-08-11T23:56", "2026-08-11T23:55:01", "2026-08-10"),
        ("2026-09-07T12:00", "2026-09-07T11:55:01", "2026-09-06"),
        ("2026-09-29T23:59", "2026-09-29T23:55:01", "2026-09-28"),
    ],
)
async def test_floatrates_says_the_day_before_twice_a_day(
    street: Street, at: str, as_of: str, recorded: str
) -> None:
    street.at = utc(at)

    rates = await street.poll("floatrates")

    assert {rate.as_of for rate in rates} == {utc(as_of)}
    said = {rate.pair.quote: rate.value for rate in rates}
    assert published_rows()[date.fromisoformat(recorded)].items() <= said.items()


async def test_floatrates_writes_a_day_of_one_digit_as_one(street: Street) -> None:
    street.at = utc("2026-09-07T12:00")

    _, body = await street.get("floatrates", "/daily/usd.json")

    assert b'"kgs":{"code":"KGS","alphaCode":"KGS","rate":87.' in body
    assert b'"date":"Mon, 7 Sep 2026 11:55:01 GMT","inverseRate":0.0114' in body


async def test_frankfurter_follows_the_banks_each_row_under_its_banks_day(street: Street) -> None:
    street.at = utc("2026-08-17T12:00")

    rates = await street.poll("frankfurter")

    assert [(rate.pair.quote, str(rate.as_of), str(rate.value)) for rate in rates] == [
        ("CNY", "2026-08-18", "6.7432"),
        ("EUR", "2026-08-18", "0.86372"),
        ("KGS", "2026-08-18", "87.83"),
        ("KZT", "2026-08-18", "462.09"),
        ("RUB", "2026-08-18", "85.03"),
        ("TJS", "2026-08-15", "9.2367"),
        ("TMT", "2026-08-18", "3.5"),
        ("UZS", "2026-08-18", "11884"),
    ]


async def test_frankfurter_has_tomorrows_row_but_not_mondays_on_a_friday(street: Street) -> None:
    street.at = utc("2026-08-14T12:00")

    days = {rate.pair.quote: rate.as_of for rate in await street.poll("frankfurter")}

    assert days["KGS"] == days["TMT"] == date(2026, 8, 15)
    assert days["UZS"] == date(2026, 8, 14)  # the bank has set Monday's three hours ago


async def test_frankfurter_tells_a_range_with_the_row_that_holds_on_its_first_day(street: Street) -> None:
    street.at = utc("2026-08-19T12:00")

    rates = await street.history("frankfurter", "KGS", "2026-08-16", "2026-08-18")
    pegged = await street.history("frankfurter", "TMT", "2026-08-16", "2026-08-18")

    assert [(str(rate.as_of), str(rate.value)) for rate in rates] == [
        ("2026-08-15", "87.46"),
        ("2026-08-18", "87.83"),
    ]
    assert {str(rate.value) for rate in pegged} == {"3.5"}


async def test_frankfurter_tells_of_no_day_before_the_recording(street: Street) -> None:
    assert await street.history("frankfurter", "KGS", "2026-07-01", "2026-07-31") == ()


async def test_frankfurter_tells_the_day_asked_for_and_the_base_itself(street: Street) -> None:
    street.at = utc("2026-08-19T12:00")

    _, body = await street.get("frankfurter", "/v2/rates?base=usd&quotes=usd,kgs&date=2026-08-17")

    assert body == (
        b'[{"date":"2026-08-15","base":"USD","quote":"KGS","rate":87.46},'
        b'{"date":"2026-08-17","base":"USD","quote":"USD","rate":1.0}]'
    )


@pytest.mark.parametrize("query", ["from=2026", "date=2026-08-10&to=2026-08-11", "symbols=KGS"])
async def test_frankfurter_says_what_it_does_not_understand(street: Street, query: str) -> None:
    response, body = await street.get("frankfurter", f"/v2/rates?base=USD&{query}")

    assert response.status == 422
    with pytest.raises(MalformedFeed):
        SOURCES["frankfurter"].parse(body)


async def test_the_aggregators_are_no_copies_of_each_other(street: Street) -> None:
    for n in range(50):
        street.at = utc("2026-08-11T06:00") + timedelta(days=n)
        if street.at > utc("2026-09-29T23:00"):
            break
        said = [await street.poll(key) for key in ("fawazahmed0", "frankfurter", "floatrates")]
        tenge = {next(rate.value for rate in rates if rate.pair.quote == "KZT") for rates in said}
        assert len(tenge) == 3, street.at


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

    assert formats.nbkr(som) == NBKR_DAILY
    assert NBK_DOLLAR.encode() in formats.nbk(tenge)
    assert NBK_SUM.encode() in formats.nbk(tenge)
    assert NBT_SUM in formats.nbt(somoni)
    assert formats.cbu(sum_).startswith(CBU_DOLLAR)
    assert CBR_SUM.encode("cp1251") in formats.cbr(rouble)


def test_the_past_looks_exactly_as_the_bank_writes_it() -> None:
    som = [table("2005-06-18", KGS="41.0685"), table("2005-06-25", KGS="40.9614")]
    rouble = [
        table("2026-03-03", RUB="63.3058", UZS="10000"),
        table("2026-03-04", RUB="63.5628", UZS="10000"),
    ]
    somoni = [table(f"2026-09-{day}", TJS="2.07", KZT="100") for day in (20, 21)]
    somoni += [table("2026-09-22", TJS="2.072", KZT="100")]
    march = (date(2026, 3, 1), date(2026, 3, 4))
    september = (date(2026, 9, 20), date(2026, 9, 22))

    assert formats.nbkr_history(som, "USD") == payload("nbkr/history_USD_2005-06.html")
    assert formats.cbr_history(rouble, "R01717", *march) == payload("cbr/dynamic_UZS_2026-03.xml")
    assert formats.nbt_history(somoni, "KZT", *september) == payload("nbt/dynamic_KZT_2026-09.xml")


def payload(name: str) -> bytes:
    return Path(__file__).with_name("payloads").joinpath(name).read_bytes().strip()


def test_a_rate_that_did_not_move_says_so_in_the_banks_words() -> None:
    still = table("2026-04-01", KZT="479.50", UZS="12142.10")

    assert b"<description>479.5</description>" in formats.nbk(still)
    assert b"<index></index>\n            <change>0.00</change>" in formats.nbk(still)
    assert b'"Rate":"12142.10","Diff":"0"' in formats.cbu(still)


def test_half_a_unit_is_rounded_up() -> None:
    assert b"<Value>87,4501</Value>" in formats.nbkr(table("2026-08-11", KGS="87.45005"))


def test_the_recording_has_no_gap_and_says_where_it_is_from() -> None:
    text = Path(ticker.__file__).with_name("demo_days.csv").read_text("utf-8")
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


def test_the_clock_starts_on_a_monday_two_weeks_into_the_recording_and_runs_evenly() -> None:
    seconds = Seconds()
    clock = DemoClock(4, monotonic=seconds)

    times = []
    for seconds.value in (1000, 1001, 1004, 1020):
        times.append(clock.now())

    assert times == [
        utc("2026-08-24T06:00"),
        utc("2026-08-24T12:00"),
        utc("2026-08-25T06:00"),
        utc("2026-08-29T06:00"),
    ]
    assert times[0].utcoffset() == timedelta(0)


def test_edges_judge_lateness_two_real_seconds_behind_it() -> None:
    clock = DemoClock(4, monotonic=lambda: 1000)

    assert clock.told() == clock.now() - HALF_A_DAY


def test_the_clock_knows_how_long_the_recording_lasts() -> None:
    seconds = Seconds()
    clock = DemoClock(4, monotonic=seconds)

    assert clock.loop_seconds == clock.remaining == 36.75 * 4
    seconds.value += 3
    assert (clock.loop_seconds, clock.remaining) == (147, 144)


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
    assert (clock.now(), clock.remaining) == (utc("2026-08-24T06:00"), clock.loop_seconds)
    seconds.value += 1
    assert clock.now() == utc("2026-08-24T12:00")


def test_a_clock_that_is_held_at_the_start_plays_from_there() -> None:
    seconds = Seconds()
    clock = DemoClock(4, monotonic=seconds)
    seconds.value += 500

    with clock.at_the_start():
        seconds.value += 3
        held = clock.now(), clock.remaining
    seconds.value += 1

    assert held == (clock.start, clock.loop_seconds)
    assert clock.now() == utc("2026-08-24T12:00")


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
    assert "No bank published them" in demo.NOTICE


def test_the_clock_goes_on_where_an_earlier_run_stopped() -> None:
    clock = DemoClock(6, monotonic=lambda: 1000.0)
    clock.resume(datetime(2026, 9, 1, 12, tzinfo=UTC))

    assert clock.now() == datetime(2026, 9, 1, 12, tzinfo=UTC)


def test_the_clock_starts_anew_after_a_time_outside_the_recording() -> None:
    clock = DemoClock(6, monotonic=lambda: 1000.0)
    clock.resume(datetime(2027, 1, 1, tzinfo=UTC))

    assert clock.now() == clock.start
