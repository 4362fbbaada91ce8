"""The demo banks' addresses: one HTTP server, each publisher under its own path."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import TracebackType
from typing import Self, TypeVar

from aiohttp import ETag, web

from ticker.demo import aggregators, formats
from ticker.demo.habits import HABITS, Bank
from ticker.demo.replay import as_recorded
from ticker.rates.calendar import ONE_DAY

XML_1251 = "application/xml; charset=windows-1251"
JSON = "application/json"
JSON_UTF8 = "application/json; charset=utf-8"


def _answer(body: bytes, content_type: str) -> web.Response:
    return web.Response(body=body, headers={"Content-Type": content_type})


def _not_recorded() -> web.Response:
    return web.Response(status=404, text="Nothing is recorded for that day.\n")


def _day(text: str, layout: str) -> date | None:
    """The day, if it is written in exactly this layout; else None."""
    try:
        day = datetime.strptime(text, layout).date()  # noqa: DTZ007 - a calendar day has no zone
    except ValueError:
        return None
    return day if f"{day:{layout}}" == text else None


def _nbkr_daily(bank: Bank, request: web.Request) -> web.Response:
    table = bank.table()
    body = formats.nbkr(table)
    modified = bank.habits.published_at(table.stamp)
    tag = ETag(f"{len(body):x}-{int(modified.timestamp()):x}")
    known = _knows(request, tag, modified)
    answer = web.Response(status=304) if known else _answer(body, "application/xml")
    answer.etag = tag
    answer.last_modified = modified
    return answer


def _knows(request: web.Request, tag: ETag, modified: datetime) -> bool:
    """
    Whether the client already has this table.

    The times must be equal, not just later: in a new loop of the recording the bank's time goes back.
    """
    if (tags := request.if_none_match) is not None:
        return any(held.value == tag.value for held in tags)
    return request.if_modified_since == modified


def _nbkr_history(bank: Bank, request: web.Request) -> web.Response:
    code = formats.NBKR_IDS.get(request.query.get("valuta_id", ""))
    first, last = _nbkr_day(request, "beg"), _nbkr_day(request, "end")
    if request.query.get("item") != "1562" or code is None or first is None or last is None:
        return _not_recorded()
    return _answer(formats.nbkr_history(bank.tables(first, last), code), "text/html;charset=UTF-8")


def _nbkr_day(request: web.Request, which: str) -> date | None:
    day, month, year = (request.query.get(f"{which}_{part}", "") for part in ("day", "month", "year"))
    return _day(f"{day:0>2}.{month:0>2}.{year}", "%d.%m.%Y")


def _nbk_of_day(bank: Bank, request: web.Request) -> web.Response:
    # Its answer on a Friday for Sunday or Monday was never recorded: here there is no table yet.
    asked = _day(request.query.get("fdate", ""), "%d.%m.%Y")
    if asked is None or not bank.has(asked):
        return _not_recorded()
    out = bank.is_out(bank.habits.stamp(asked))
    body = formats.nbk(bank.table(asked)) if out else formats.nbk_none(asked)
    return _answer(body, "text/xml; charset=UTF-8")


def _nbt_of_day(bank: Bank, request: web.Request) -> web.Response:
    if "export" not in request.query:
        return web.Response(text="<html><body>export_xml.php?date=YYYY-MM-DD&amp;export=xmlout</body></html>")
    asked = _day(request.query.get("date", ""), "%Y-%m-%d")
    # A date out of range is answered with today's table, and no error.
    in_range = asked if asked and bank.has(asked) else None
    return _answer(formats.nbt(bank.table(in_range)), "text/xml;charset=UTF-8")


def _nbt_history(bank: Bank, request: web.Request) -> web.Response:
    words = request.query
    first, last = (_day(words.get(name, ""), "%Y-%m-%d") for name in ("d1", "d2"))
    if words.get("export") != "xml" or first is None or last is None:
        return _not_recorded()
    tables = bank.tables(first, last, repeats=True)
    body = formats.nbt_history(tables, words.get("cs", ""), first, last)
    return _answer(body, "text/xml; charset=windows-1251")


def _cbu_newest(bank: Bank, _: web.Request) -> web.Response:
    return _answer(formats.cbu(bank.table()), JSON)


def _cbu_of_day(bank: Bank, request: web.Request) -> web.Response:
    asked = _day(request.match_info["day"], "%Y-%m-%d")
    if asked is None or not bank.has(asked):
        return _not_recorded()
    return _answer(formats.cbu(bank.table(asked), request.match_info["code"]), JSON)


def _cbr_of_day(bank: Bank, request: web.Request) -> web.Response:
    if (text := request.query.get("date_req")) is None:
        return _answer(formats.cbr(bank.table()), XML_1251)
    if (asked := _cbr_day(text)) is None:
        return _answer(formats.CBR_ERROR, XML_1251)
    return _answer(formats.cbr(bank.table(asked)), XML_1251) if bank.has(asked) else _not_recorded()


def _cbr_history(bank: Bank, request: web.Request) -> web.Response:
    first, last = (_cbr_day(request.query.get(name, "")) for name in ("date_req1", "date_req2"))
    ident = request.query.get("VAL_NM_RQ", "")
    if first is None or last is None or not re.fullmatch(r"R[0-9]{5}[A-Z]?", ident):
        return _answer(formats.CBR_ERROR, XML_1251)
    return _answer(formats.cbr_history(bank.tables(first, last), ident, first, last), XML_1251)


def _cbr_day(text: str) -> date | None:
    return _day(re.sub(r"[./]", "/", text), "%d/%m/%Y")


# The aggregators


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """Where the aggregators live: all the banks, and the moment of the recording."""

    banks: Mapping[str, Bank]
    now: Callable[[], datetime]


def _fawazahmed0(street: Street, request: web.Request) -> web.Response:
    """The file of a day, not found until it is out; or the newest one."""
    newest = aggregators.fawazahmed0_newest(street.now())
    version = request.match_info.get("version", "latest")
    day = newest if version == "latest" else _day(version, "%Y-%m-%d")
    if day is None or day not in as_recorded() or day > newest:
        return _not_recorded()
    return _answer(aggregators.fawazahmed0(day), JSON_UTF8)


def _floatrates(street: Street, _: web.Request) -> web.Response:
    return _answer(aggregators.floatrates(aggregators.floatrates_newest(street.now())), JSON)


def _frankfurter(street: Street, request: web.Request) -> web.Response:
    words = {name: text.upper() for name, text in request.query.items()}
    days = {name: _day(text, "%Y-%m-%d") for name, text in words.items() if name in ("date", "from", "to")}
    if fault := _frankfurter_fault(words, days):
        body = json.dumps({"status": 422, "message": fault}).encode("ascii")
        return web.Response(status=422, body=body, headers={"Content-Type": JSON_UTF8})
    if words.get("base") != "USD" or set(words) - {"base", "quotes", *days}:
        return _not_recorded()
    today = street.now().date()
    if first := days.get("from"):
        rows = aggregators.frankfurter_range(street.banks, first, days.get("to") or today)
    else:
        # The newest rows may be tomorrow's, but on a Friday none was seen that is Monday's.
        rows = aggregators.frankfurter_day(street.banks, days.get("date") or today + ONE_DAY)
    quotes = words["quotes"].split(",") if "quotes" in words else {row.quote for row in rows}
    return _answer(aggregators.frankfurter(rows, quotes), JSON_UTF8)


def _frankfurter_fault(words: Mapping[str, str], days: Mapping[str, date | None]) -> str:
    """What frankfurter finds wrong with a request, in the words of its public code; empty if nothing."""
    known = ("base", "quotes", "providers", "date", "from", "to", "group", "expand")
    if unknown := [name for name in words if name not in known]:
        return f"unknown parameter: {', '.join(unknown)}"
    if None in days.values():
        return "invalid date"
    return "conflicting params" if "date" in days and len(days) > 1 else ""


ROUTES: tuple[tuple[str, str, Callable[[Bank, web.Request], web.Response]], ...] = (
    ("nbkr", "/XML/daily.xml", _nbkr_daily),
    ("nbkr", "/index1.jsp", _nbkr_history),
    ("nbk", "/rss/get_rates.cfm", _nbk_of_day),
    ("nbt", "/en/kurs/export_xml.php", _nbt_of_day),
    ("nbt", "/en/kurs/export_xml_dynamic.php", _nbt_history),
    ("cbu", "/en/arkhiv-kursov-valyut/json/", _cbu_newest),
    ("cbu", "/en/arkhiv-kursov-valyut/json/{code}/{day}/", _cbu_of_day),
    ("cbr", "/scripts/XML_daily.asp", _cbr_of_day),
    ("cbr", "/scripts/XML_dynamic.asp", _cbr_history),
)
AGGREGATOR_ROUTES: tuple[tuple[str, str, Callable[[Street, web.Request], web.Response]], ...] = (
    ("fawazahmed0", "/npm/@fawazahmed0/currency-api@{version}/v1/currencies/usd.min.json", _fawazahmed0),
    # On its other host the host's name has the version. A `base_url` replaces it, so it is the newest one.
    ("fawazahmed0", "/v1/currencies/usd.min.json", _fawazahmed0),
    ("frankfurter", "/v2/rates", _frankfurter),
    ("floatrates", "/daily/usd.json", _floatrates),
)


class Banks:
    """
    The demo banks and aggregators as one HTTP server on 127.0.0.1, each under its own path.

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
        """The `base_url` of each source, by its key."""
        keys = dict.fromkeys(key for key, *_ in (*ROUTES, *AGGREGATOR_ROUTES))
        return {key: f"http://127.0.0.1:{self._port}/{key}" for key in keys}


def _application(now: Callable[[], datetime]) -> web.Application:
    # Nobody sends these publishers a body.
    app = web.Application(client_max_size=1024)
    street = Street(banks={key: Bank(habits, now) for key, habits in HABITS.items()}, now=now)
    for key, path, answer in ROUTES:
        app.router.add_get(f"/{key}{path}", _handler(answer, street.banks[key]))
    for key, path, reply in AGGREGATOR_ROUTES:
        app.router.add_get(f"/{key}{path}", _handler(reply, street))
    return app


Place = TypeVar("Place")


def _handler(
    answer: Callable[[Place, web.Request], web.Response], place: Place
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return answer(place, request)

    return handle
