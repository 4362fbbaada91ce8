"""One request and its answer: a real client, and banks on loopback which answer what a test says."""

from __future__ import annotations

import asyncio
import gzip
import logging
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr
from stage import answer, site

from ticker import fetch
from ticker.config import PollSettings, Settings, SourceSettings
from ticker.fetch import (
    FORESEEN,
    Answer,
    Fetcher,
    NotThere,
    Refused,
    check_dates,
    in_words,
    proxy_for,
    rebased,
    session,
)
from ticker.rates.model import Pair, Rate
from ticker.rates.source import MalformedFeed, Source
from ticker.sources import SOURCES

pytestmark = pytest.mark.usefixtures("everything_is_logged")

PAYLOADS = Path(__file__).parent / "payloads"
NBKR = (PAYLOADS / "nbkr" / "daily_2026-05-24.xml").read_bytes()
NBT = (PAYLOADS / "nbt" / "export_2026-05-19.xml").read_bytes()
ARCHIVE = (PAYLOADS / "nbkr" / "history_USD_2005-06.html").read_bytes()
TUESDAY = date(2026, 5, 19)
ONE_DAY = timedelta(days=1)
SECRET = "0123456789abcdef0123456789abcdef"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def table(as_of: date) -> bytes:
    """NBKR's recorded file with another date."""
    return NBKR.replace(b"24.05.2026", f"{as_of:%d.%m.%Y}".encode())


@dataclass
class Bank:
    """A bank that answers by path, where nothing else is said with NBKR's table; it remembers who asked."""

    answers: dict[str, Handler] = field(default_factory=dict)
    answer: Handler = field(default_factory=lambda: answer(table(TUESDAY)))
    url: str = ""
    asked: list[web.Request] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self.answers.get(request.path, self.answer)(request)

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.asked]


@pytest.fixture
async def bank() -> AsyncIterator[Bank]:
    bank = Bank()
    async with site(bank.handle) as bank.url:
        yield bank


@pytest.fixture
async def fetcher(bank: Bank) -> AsyncIterator[Fetcher]:
    async with session(PollSettings()) as client:
        yield fetcher_of(client, bank)


def fetcher_of(client: aiohttp.ClientSession, bank: Bank, *, key: str = "", **poll: Any) -> Fetcher:
    """A fetcher with every source at `bank`."""
    sources = {name: SourceSettings(base_url=bank.url, key=SecretStr(key)) for name in SOURCES}
    return Fetcher(client, Settings(poll=PollSettings(**poll), sources=sources))


async def newest(
    fetcher: Fetcher, source: Source = SOURCES["nbkr"], known: Mapping[str, Answer] | None = None
) -> Answer:
    return await fetcher.table(source, day=TUESDAY, today=TUESDAY, known=known)


# One request.


async def test_the_answer_is_the_table_of_the_day(bank: Bank, fetcher: Fetcher) -> None:
    bank.answer = answer(table(TUESDAY), ETag='"1"', **{"Last-Modified": "Tue, 19 May 2026 10:20:00 GMT"})

    told = await newest(fetcher)

    assert told.rates == SOURCES["nbkr"].parse(told.body)
    assert told.body == table(TUESDAY)
    assert (told.url, told.newest) == (f"{bank.url}/XML/daily.xml", TUESDAY)
    assert told.address == told.url
    assert told.conditions == {
        "If-None-Match": '"1"',
        "If-Modified-Since": "Tue, 19 May 2026 10:20:00 GMT",
    }


@pytest.mark.parametrize(
    ("project_url", "expected"),
    [
        ("", r"currency-ticker/[0-9.]+"),
        ("https://example.org/ticker", r"currency-ticker/[0-9.]+ \(\+https://example\.org/ticker\)"),
    ],
)
async def test_a_bank_is_told_who_asks_and_may_answer_in_any_format(
    project_url: str, expected: str, bank: Bank
) -> None:
    bank.answer = answer(table(TUESDAY), **{"Set-Cookie": "a=b; path=/"})
    async with session(PollSettings(project_url=project_url)) as client:
        await newest(fetcher_of(client, bank))
        await newest(fetcher_of(client, bank))

    headers = bank.asked[1].headers
    assert re.fullmatch(expected, headers["User-Agent"])
    assert headers["Accept"] == "*/*"
    assert set(headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding"}


async def test_only_the_same_address_is_asked_for_what_is_new(bank: Bank, fetcher: Fetcher) -> None:
    source = SOURCES["nbt"]
    bank.answer = answer(NBT, ETag='"1"')
    known = await newest(fetcher, source)
    assert known

    for day in (TUESDAY, TUESDAY + ONE_DAY):
        await fetcher.table(source, day=day, today=day, known={known.url: known})

    assert [(each.query["date"], each.headers.get("If-None-Match")) for each in bank.asked] == [
        ("2026-05-19", None),
        ("2026-05-19", '"1"'),
        ("2026-05-20", None),
    ]


async def test_nothing_new_is_the_answer_that_is_known(bank: Bank, fetcher: Fetcher) -> None:
    bank.answer = answer(table(TUESDAY), ETag='"1"')
    known = await newest(fetcher)
    assert known
    bank.answer = answer(b"", 304)

    assert await newest(fetcher, known={known.url: known}) is known


@pytest.mark.parametrize(
    ("failing", "words"),
    [
        (answer(b"", 304), "answered 304"),  # to a question without conditions
        (answer(b"<html>Forbidden</html>", 403), "answered 403"),
        (answer(NBKR, 500), "answered 500"),
        (answer(b"", 204), "answered 204"),
        (answer(b"", 301, Location="/XML/new.xml"), "answered 301"),
        (answer(b"", 302, Location="http://elsewhere.example/"), "answered 302"),
        (
            answer(b"<html><body>Request Rejected</body></html>"),
            "nbkr: the root is <html>, not <CurrencyRates>",
        ),
        (answer(b"\xef\xbb\xbf"), r"nbkr: not XML \(no element found.*\): it begins with .*"),
        (answer(b"x" * 4001), "sent more than 4000 bytes"),
        (
            answer(gzip.compress(b"x" * 10_000_000), **{"Content-Encoding": "gzip"}),
            "sent more than 4000 bytes(?# unpacked)",
        ),
        (
            answer(NBKR.replace(b'"USD"', b'"CHF"')),
            "nbkr: no USD in a table of 4",
        ),
    ],
)
async def test_what_is_no_table_is_a_failure_in_words(failing: Handler, words: str, bank: Bank) -> None:
    bank.answer = failing
    async with session(PollSettings()) as client:
        fetcher = fetcher_of(client, bank, max_body_bytes=4000)
        with pytest.raises(FORESEEN) as failure:
            await newest(fetcher)

    assert re.fullmatch(words, fetcher.words(SOURCES["nbkr"], failure.value))
    assert bank.paths == ["/XML/daily.xml"]


async def test_a_page_that_is_not_there_is_told_from_a_refusal(bank: Bank, fetcher: Fetcher) -> None:
    bank.answer = answer(b"", 404)

    with pytest.raises(NotThere, match="answered 404"):
        await newest(fetcher)


# Further addresses.

SECOND = replace(
    SOURCES["nbkr"], alternatives=("https://second.example/a.xml", "https://third.example/b.xml")
)


async def test_the_further_addresses_are_asked_in_turn_until_one_gives_a_table(
    bank: Bank, fetcher: Fetcher
) -> None:
    bank.answers = {"/XML/daily.xml": answer(b"", 500), "/a.xml": answer(b"<html></html>")}

    told = await newest(fetcher, SECOND)

    assert told
    assert told.url == f"{bank.url}/b.xml"
    assert bank.paths == ["/XML/daily.xml", "/a.xml", "/b.xml"]


async def test_the_first_address_is_enough(bank: Bank, fetcher: Fetcher) -> None:
    assert await newest(fetcher, SECOND)

    assert bank.paths == ["/XML/daily.xml"]


async def test_if_all_addresses_fail_the_first_one_s_failure_is_told(bank: Bank, fetcher: Fetcher) -> None:
    bank.answer = answer(b"", 404)
    bank.answers = {"/XML/daily.xml": answer(b"", 403)}

    with pytest.raises(Refused, match="answered 403"):
        await newest(fetcher, SECOND)

    assert bank.paths == ["/XML/daily.xml", "/a.xml", "/b.xml"]


async def test_a_further_address_has_conditions_of_its_own(bank: Bank, fetcher: Fetcher) -> None:
    bank.answers = {"/XML/daily.xml": answer(b"", 500)}
    bank.answer = answer(table(TUESDAY), ETag='"a"')
    known = await newest(fetcher, SECOND)
    assert known
    bank.answers["/a.xml"] = answer(b"", 304)

    assert await newest(fetcher, SECOND, known={known.url: known}) is known

    assert [request.headers.get("If-None-Match") for request in bank.asked] == [None, None, None, '"a"']


async def test_a_fault_of_ours_is_not_covered_up_by_a_further_address(bank: Bank, fetcher: Fetcher) -> None:
    def parse(body: bytes) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await newest(fetcher, replace(SECOND, parse=parse))


# Dates.


def rates(source: str, day: date) -> list[Rate]:
    return [Rate(source=source, pair=Pair("USD", "KGS"), value=Decimal(87), nominal=1, as_of=day)]


def refuses(key: str, dated: date, *, asked: date = TUESDAY, today: date = TUESDAY) -> bool:
    """Whether a table of this date is refused, in words that name both days."""
    try:
        check_dates(SOURCES[key], rates(key, dated), asked=asked, today=today)
    except MalformedFeed as error:
        assert str(error) == f"{key}: the table is dated {dated}, but {asked} was asked for on {today}"  # noqa: PT017 - a helper
        return True
    return False


@pytest.mark.parametrize("key", ["nbt", "nbk", "cbu", "fawazahmed0"])
def test_who_is_asked_for_a_day_may_answer_with_an_earlier_one_and_never_with_a_later(key: str) -> None:
    # NBT answers a day out of its range with today's table.
    asked = TUESDAY - 7 * ONE_DAY

    assert [refuses(key, asked + ahead * ONE_DAY, asked=asked) for ahead in (-9, -1, 0, 1, 7)] == [
        *(False, False, False, True, True)
    ]


@pytest.mark.parametrize(
    ("today", "latest"),
    [
        (date(2026, 5, 19), date(2026, 5, 21)),  # from Tuesday to Thursday
        (date(2026, 5, 21), date(2026, 5, 25)),  # from Thursday over the weekend
        (date(2026, 5, 22), date(2026, 5, 26)),
        (date(2026, 5, 24), date(2026, 5, 26)),  # from a Sunday
        # Kyrgyzstan made one closure of 1 to 10 May 2026, from Labour Day to Victory Day.
        (date(2026, 4, 30), date(2026, 5, 12)),
        (date(2026, 3, 19), date(2026, 3, 24)),  # over Eid and Nooruz
    ],
)
def test_who_tells_the_newest_table_may_be_ahead_by_two_working_days(today: date, latest: date) -> None:
    assert not refuses("nbkr", latest, asked=today, today=today)
    assert refuses("nbkr", latest + ONE_DAY, asked=today, today=today)


def test_an_aggregator_may_carry_the_banks_next_working_day() -> None:
    friday = date(2026, 5, 22)

    assert not refuses("frankfurter", friday + 4 * ONE_DAY, asked=friday, today=friday)
    assert refuses("frankfurter", friday + 5 * ONE_DAY, asked=friday, today=friday)


def test_of_a_table_of_several_days_the_newest_is_looked_at() -> None:
    mixed = [*rates("frankfurter", TUESDAY), *rates("frankfurter", TUESDAY + 9 * ONE_DAY)]

    with pytest.raises(MalformedFeed, match="dated 2026-05-28"):
        check_dates(SOURCES["frankfurter"], mixed, asked=TUESDAY, today=TUESDAY)


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(MalformedFeed, match="nbkr: an empty table"):
        check_dates(SOURCES["nbkr"], (), asked=TUESDAY, today=TUESDAY)


async def test_a_table_of_another_day_than_possible_is_a_failure(bank: Bank, fetcher: Fetcher) -> None:
    bank.answer = answer(NBT)

    with pytest.raises(
        MalformedFeed, match="nbt: the table is dated 2026-05-19, but 2026-05-18 was asked for on 2026-05-19"
    ):
        await fetcher.table(SOURCES["nbt"], day=TUESDAY - ONE_DAY, today=TUESDAY)


def test_a_table_of_an_authority_without_its_own_currency_for_the_dollar_is_refused() -> None:
    told = [
        Rate(source="cbu", pair=Pair("EUR", "UZS"), value=Decimal("14079.98"), nominal=1, as_of=TUESDAY),
        Rate(source="cbu", pair=Pair("USD", "EUR"), value=Decimal("0.9"), nominal=1, as_of=TUESDAY),
    ]

    with pytest.raises(MalformedFeed, match="cbu: no UZS for the dollar in a table of 2"):
        fetch.check_currency(SOURCES["cbu"], told)


async def test_a_table_of_one_other_currency_is_a_failure(bank: Bank, fetcher: Fetcher) -> None:
    # CBU's address of one currency answers so.
    bank.answer = answer(b'[{"Ccy":"EUR","Nominal":"1","Rate":"14079.98","Diff":"1","Date":"19.05.2026"}]')

    with pytest.raises(MalformedFeed, match="cbu: no UZS for the dollar in a table of 1"):
        await newest(fetcher, SOURCES["cbu"])


# The history.


async def test_the_history_is_asked_for_by_the_publisher_s_own_name_of_the_currency(
    bank: Bank, fetcher: Fetcher
) -> None:
    bank.answer = answer(ARCHIVE)
    first, last = date(2005, 6, 18), date(2005, 6, 25)

    told = await fetcher.history(SOURCES["nbkr"], "USD", first, last)

    assert told.body == ARCHIVE
    assert [(str(rate.pair), rate.value, rate.day) for rate in told.rates] == [
        ("USD/KGS", Decimal("40.9614"), last),
        ("USD/KGS", Decimal("41.0685"), first),
    ]
    assert bank.asked[0].path == "/index1.jsp"
    assert dict(bank.asked[0].query) == {
        **{"item": "1562", "lang": "ENG", "valuta_id": "15"},
        **{"beg_day": "18", "beg_month": "06", "beg_year": "2005"},
        **{"end_day": "25", "end_month": "06", "end_year": "2005"},
    }


async def test_a_history_with_a_later_day_than_asked_for_is_refused(bank: Bank, fetcher: Fetcher) -> None:
    bank.answer = answer(ARCHIVE)
    first, last = date(2005, 6, 17), date(2005, 6, 24)

    with pytest.raises(
        MalformedFeed,
        match="nbkr: the answer has a rate after 2005-06-24, but 2005-06-17 to 2005-06-24 was asked for",
    ):
        await fetcher.history(SOURCES["nbkr"], "USD", first, last)


async def test_who_tells_no_history_is_not_asked(bank: Bank, fetcher: Fetcher) -> None:
    with pytest.raises(Refused, match="has no history"):
        await fetcher.history(SOURCES["nbk"], "USD", TUESDAY, TUESDAY)

    assert not bank.asked


async def test_an_error_page_is_no_history(bank: Bank, fetcher: Fetcher) -> None:
    bank.answer = answer(b"<html><body>Request Rejected</body></html>")

    with pytest.raises(MalformedFeed):
        await fetcher.history(SOURCES["nbkr"], "USD", TUESDAY, TUESDAY)


# Addresses and keys.


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("", "https://www.nbt.tj/en/kurs/export_xml.php?date=2026-05-19&export=xmlout"),
        (
            "http://127.0.0.1:8000",
            "http://127.0.0.1:8000/en/kurs/export_xml.php?date=2026-05-19&export=xmlout",
        ),
        (
            "http://proxy.example/banks/nbt/",
            "http://proxy.example/banks/nbt/en/kurs/export_xml.php?date=2026-05-19&export=xmlout",
        ),
    ],
)
def test_a_base_url_replaces_the_host_and_puts_its_path_in_front(base_url: str, expected: str) -> None:
    [address] = SOURCES["nbt"].addresses(TUESDAY)

    assert rebased(address, base_url) == expected


async def echo(request: web.Request) -> web.StreamResponse:
    """A publisher that repeats the key that it was given."""
    return web.Response(text=request.query["app_id"])


async def cut(request: web.Request) -> web.StreamResponse:
    assert request.transport
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize(
    ("failing", "words"),
    [
        (echo, "not JSON"),
        (cut, "Server disconnected"),
        (answer(b"", 401), "answered 401"),
        (answer(b"", 302, Location="/"), "answered 302"),
    ],
)
async def test_a_key_is_sent_and_never_told(
    failing: Handler, words: str, bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    bank.answer = failing
    source = SOURCES["openexchangerates"]
    async with session(PollSettings()) as client:
        fetcher = fetcher_of(client, bank, key=SECRET)
        with pytest.raises(FORESEEN) as failure:
            await newest(fetcher, source)
        told = fetcher.words(source, failure.value)

    assert bank.asked[0].query["app_id"] == SECRET
    assert words in told
    assert SECRET not in told
    assert SECRET not in caplog.text


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:1", "http://127.0.0.1:1/x y"])
async def test_a_key_is_not_in_the_words_of_a_connection_that_failed(base_url: str) -> None:
    source = SOURCES["openexchangerates"]
    said = Settings(sources={source.key: SourceSettings(base_url=base_url, key=SecretStr(SECRET))})
    async with session(PollSettings()) as client:
        fetcher = Fetcher(client, said)
        with pytest.raises(FORESEEN) as failure:
            await newest(fetcher, source)

    assert SECRET not in fetcher.words(source, failure.value)


@pytest.mark.parametrize("before", range(250, 301, 10))
async def test_a_key_is_not_told_in_part_where_a_long_error_is_cut(before: int, fetcher: Fetcher) -> None:
    source = SOURCES["openexchangerates"]
    sources = {source.key: SourceSettings(key=SecretStr(SECRET))}
    fetcher = Fetcher(fetcher._session, Settings(sources=sources))

    told = fetcher.words(source, Refused("x" * before + SECRET + " and so on"))

    assert "0123" not in told
    assert len(told) <= 300


async def test_a_key_is_not_in_the_address_that_is_kept_of_an_answer(bank: Bank) -> None:
    bank.answer = answer((PAYLOADS / "openexchangerates" / "latest_2014-05-10.json").read_bytes())
    source, day = SOURCES["openexchangerates"], date(2014, 5, 10)
    async with session(PollSettings()) as client:
        told = await fetcher_of(client, bank, key=SECRET).table(source, day=day, today=day)

    assert bank.asked[0].query["app_id"] == SECRET
    assert told.address == f"{bank.url}/api/latest.json?app_id=KEY"


# Words.


def test_errors_have_words() -> None:
    assert in_words(TimeoutError()) == "timed out"
    assert in_words(aiohttp.ServerTimeoutError("to host")) == "timed out"
    assert in_words(MalformedFeed("nbkr: no\n table")) == "nbkr: no table"
    assert in_words(aiohttp.ClientPayloadError()) == "ClientPayloadError"
    assert in_words(Refused("answered 403")) == "answered 403"
    assert in_words(ValueError("x" * 400)) == "ValueError: " + "x" * 300


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"), "Connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (ssl.SSLCertVerificationError(1, "self-signed certificate"), "self-signed certificate"),
        (OSError("Multiple exceptions"), "Multiple exceptions"),
    ],
)
def test_a_connection_that_failed_says_why(cause: OSError, words: str) -> None:
    key: Any = None

    assert in_words(aiohttp.ClientConnectorError(key, cause)) == f"can't connect: {words}"


# Through a proxy.


@dataclass
class Proxy:
    """A proxy on loopback that is every bank; it remembers the heads of its requests."""

    url: str = ""
    status: str = "200 OK"
    heads: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        body = table(TUESDAY)
        writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()


@pytest.fixture
async def proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)
    proxy = Proxy()
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as server:
        proxy.url = f"http://ulan:Sup3rSecret@127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield proxy


async def asked(base_url: str, **poll: Any) -> Answer:
    settings = Settings(poll=PollSettings(**poll), sources={"nbkr": SourceSettings(base_url=base_url)})
    async with session(settings.poll) as client:
        return await Fetcher(client, settings).table(SOURCES["nbkr"], day=TUESDAY, today=TUESDAY)


@pytest.mark.parametrize("named", [True, False], ids=["poll.proxy", "HTTP_PROXY"])
async def test_a_bank_is_asked_through_the_proxy(
    named: bool, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not named:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
    found = await asked("http://bank.example", **({"proxy": proxy.url} if named else {}))

    assert found.newest == TUESDAY
    [head] = proxy.heads
    assert head.startswith("GET http://bank.example/XML/daily.xml HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic dWxhbjpTdXAzclNlY3JldA==" in head


async def test_https_goes_through_a_tunnel_and_a_proxy_that_refuses_is_named(proxy: Proxy) -> None:
    proxy.status = "407 Proxy Authentication Required"

    with pytest.raises(aiohttp.ClientHttpProxyError) as failed:
        await asked("https://bank.example", proxy=proxy.url)

    assert proxy.heads[0].startswith("CONNECT bank.example:443 HTTP/1.1\r\n")
    assert in_words(failed.value) == "the proxy answered 407"


async def test_a_proxy_that_is_not_there_is_named() -> None:
    with pytest.raises(aiohttp.ClientProxyConnectionError) as failed:
        await asked("http://bank.example", proxy="http://127.0.0.1:1")

    assert in_words(failed.value) == "can't reach the proxy: Connection refused"


async def test_this_machine_is_asked_without_a_proxy(
    bank: Bank, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    await asked(bank.url)
    await asked(bank.url, proxy=proxy.url)

    assert (len(bank.asked), proxy.heads) == (2, [])


@pytest.mark.parametrize(
    ("url", "named", "environment", "expected"),
    [
        ("https://bank.example/x", "", {}, None),
        ("https://bank.example/x", "", {"http_proxy": "http://p:1"}, None),
        ("https://bank.example/x", "", {"HTTPS_PROXY": "p:1"}, "http://p:1"),
        ("https://bank.example/x", "", {"ALL_PROXY": "http://p:1"}, "http://p:1"),
        ("https://bank.example/x", "", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".example"}, None),
        (
            "https://bank.example/x",
            "http://q:2",
            {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"},
            "http://q:2",
        ),
        ("http://localhost:8/x", "http://q:2", {}, None),
        ("http://127.8.0.1:8/x", "http://q:2", {}, None),
        ("http://[::1]:8/x", "http://q:2", {}, None),
    ],
)
def test_whom_a_request_goes_through(
    url: str,
    named: str,
    environment: dict[str, str],
    expected: str | None,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in environment.items():
        monkeypatch.setenv(name, text)

    assert proxy_for(url, named) == expected
