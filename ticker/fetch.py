"""
Asks a source over HTTP: one request, perhaps conditional, and the checks that make its answer a table.

Only this module uses the aiohttp client (except for the terminal's own requests).
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
import threading
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import date, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from ticker import __version__
from ticker.config import PollSettings, Settings, secrets_of
from ticker.logs import without
from ticker.rates.calendar import MON_FRI
from ticker.rates.model import Rate
from ticker.rates.source import MalformedFeed, Source
from ticker.store import UNAVAILABLE

WORKING_DAYS_AHEAD = 2
"""No bank sets a rate for a later day than its second next working day."""


OLDEST = timedelta(days=45)
"""The greatest age of a newest table, or of one before the requested day: no bank is closed for longer."""


class Refused(Exception):
    """The source answered, but not with a table: `answered 403`."""


class NotThere(Refused):
    """The source has no such page: `answered 404`."""


class _NothingNew(Refused):
    """The source has nothing newer than the answer that the request named."""


FORESEEN = (aiohttp.ClientError, OSError, TimeoutError, MalformedFeed, Refused)
"""The foreseen failures of a source. Any other error is a fault of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The rates of an answer and its bytes, with the validators for the next conditional request."""

    rates: tuple[Rate, ...]
    url: str
    body: bytes
    address: str
    """The URL without the source's key."""
    etag: str = ""
    modified: str = ""

    @property
    def newest(self) -> date:
        """The newest day in the table."""
        return max(rate.day for rate in self.rates)

    @property
    def conditions(self) -> dict[str, str]:
        """The headers of a request for anything other than this answer."""
        conditions = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in conditions.items() if value}


class Fetcher:
    """Asks sources through one session, whose connections are kept alive."""

    def __init__(self, session: aiohttp.ClientSession, settings: Settings) -> None:
        self._session = session
        self._settings = settings
        self._secrets = secrets_of(settings)

    async def table(
        self, source: Source, *, day: date, today: date, known: Mapping[str, Answer] | None = None
    ) -> Answer:
        """
        The table that holds on `day`, from the first of the source's addresses that gives one.

        `known` are earlier answers by their address. If the source says that one of them is still current,
        that one is returned. `today` is the day in the country of the source. Raises the first address's
        error, one of FORESEEN: NotThere or NoTable if the source has no table for the day.
        """
        first: Exception | None = None
        for address in source.addresses(day, key=self._key(source)):
            url = rebased(address, self._settings.source(source.key).base_url)
            try:
                return await self._table(source, url, day=day, today=today, known=(known or {}).get(url))
            except FORESEEN as error:
                first = first or error
        raise first or Refused("no address")

    async def history(self, source: Source, currency: str, first: date, last: date) -> Answer:
        """The days of one currency, from `first` to `last`, both included. Raises one of FORESEEN."""
        if source.history is None:
            raise Refused("has no history")
        address = source.history.address(currency, first, last)
        url = rebased(address, self._settings.source(source.key).base_url)
        body, _ = await self._get(url, {})
        rates = source.history.parse(body, currency)
        # Frankfurter adds the row before the range if its first day has none.
        if any(rate.day > last for rate in rates):
            raise MalformedFeed(
                f"{source.key}: the answer has a rate after {last}, but {first} to {last} was asked for"
            )
        return Answer(rates=rates, url=url, body=body, address=self._public(source, url))

    def words(self, source: Source, error: BaseException) -> str:
        """The error for an operator, without any secret."""
        return in_words(error, secrets=self._secrets)

    def _public(self, source: Source, url: str) -> str:
        """The address without the source's key, or any other secret."""
        key = self._key(source)
        return without(url.replace(key, "KEY") if key else url, self._secrets)

    def _key(self, source: Source) -> str:
        return self._settings.source(source.key).key.get_secret_value()

    async def _table(
        self, source: Source, url: str, *, day: date, today: date, known: Answer | None
    ) -> Answer:
        try:
            body, headers = await self._get(url, known.conditions if known else {})
        except _NothingNew:
            if known:
                return known
            raise
        rates = source.parse(body)
        check_dates(source, rates, asked=day, today=today)
        check_currency(source, rates)
        etag, modified = (headers.get(name, "") for name in ("ETag", "Last-Modified"))
        return Answer(
            rates=rates,
            url=url,
            body=body,
            address=self._public(source, url),
            etag=etag,
            modified=modified,
        )

    async def _get(self, url: str, conditions: dict[str, str]) -> tuple[bytes, Mapping[str, str]]:
        """Body and headers. Raises _NothingNew if the answer that `conditions` names is still current."""
        proxy = proxy_for(url, self._settings.poll.proxy)
        async with self._session.get(
            URL(url, encoded=True), headers=conditions, allow_redirects=False, proxy=proxy
        ) as response:
            if response.status == 304 and conditions:
                raise _NothingNew("answered 304")
            if response.status == 404:
                raise NotThere("answered 404")
            if response.status != 200:
                raise Refused(f"answered {response.status}")
            return await _body(response, self._settings.poll.max_body_bytes), response.headers


def check_dates(source: Source, rates: Sequence[Rate], *, asked: date, today: date) -> None:
    """
    Refuse a table with a date that no bank would give it: it would stay the newest for ever.

    A source that was asked for a day may answer with an earlier one (it repeats tables over weekends), but
    never with a later one: NBT answers dates out of its range with today's table. A source that gives only
    its newest table may be ahead by two working days at most.
    """
    if not rates:
        raise MalformedFeed(f"{source.key}: an empty table")
    newest, calendar = max(rate.day for rate in rates), source.calendar
    if source.kind == "market":  # its rows may be the banks', which skip the weekend
        calendar = replace(calendar, week=MON_FRI)
    latest = asked if source.by_day else calendar.working_day_after(today, WORKING_DAYS_AHEAD)
    if newest < (asked if source.by_day else today) - OLDEST:
        raise MalformedFeed(f"{source.key}: the table is dated {newest}, but today is {today}")
    if newest > latest:
        raise MalformedFeed(
            f"{source.key}: the table is dated {newest}, but {asked} was asked for on {today}"
        )


def check_currency(source: Source, rates: Sequence[Rate]) -> None:
    """Refuse an authority's table without the dollar rate of its own currency: it answers something else."""
    own = source.authority_for
    if own and not any({rate.pair.base, rate.pair.quote} == {own, "USD"} for rate in rates):
        raise MalformedFeed(f"{source.key}: no {own} for the dollar in a table of {len(rates)}")


def rebased(address: str, base_url: str) -> str:
    """The address with scheme, host and port of `base_url`, whose path is put before its own."""
    if not base_url:
        return address
    own, base = urlsplit(address), urlsplit(base_url)
    return urlunsplit((base.scheme, base.netloc, base.path.rstrip("/") + own.path, own.query, ""))


def proxy_for(url: str, named: str) -> str | None:
    """
    The proxy for an address: `poll.proxy`, else from HTTPS_PROXY, HTTP_PROXY and NO_PROXY.

    None: the request goes directly, as every request to this machine does.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host == "localhost" or host.endswith(".localhost") or _is_loopback(host):
        return None
    if named:
        return named
    said = {} if proxy_bypass_environment(host) else getproxies_environment()
    found = said.get(parts.scheme) or said.get("all")
    return (found if "://" in found else f"http://{found}") if found else None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def in_words(error: BaseException, *, secrets: Collection[str] = ()) -> str:
    """The error in a few words for an operator: `timed out`, `can't connect: ...`, `answered 403`."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"can't reach the proxy: {_cause(error.os_error)}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"can't connect: {_cause(error.os_error)}"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status}"
    text = re.sub(r"\s+", " ", without(str(error), secrets))[:300]
    if isinstance(error, (*FORESEEN, *UNAVAILABLE)):
        return text or type(error).__name__
    return f"{type(error).__name__}: {text}"


def _cause(error: OSError) -> str:
    """The system's own words, `Connection refused`, where asyncio names only the address."""
    if error.errno and not isinstance(error, (socket.gaierror, ssl.SSLError)):
        return os.strerror(error.errno)
    return error.strerror or str(error)


def session(settings: PollSettings) -> aiohttp.ClientSession:
    """The client of all sources: it names the service, keeps no cookies and follows no redirects."""
    about = f" (+{settings.project_url})" if settings.project_url else ""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=settings.timeout_seconds),
        headers={"User-Agent": f"currency-ticker/{__version__}{about}", "Accept": "*/*"},
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=aiohttp.TCPConnector(limit_per_host=2, keepalive_timeout=60, resolver=_Resolver()),
    )


class _Resolver(AbstractResolver):
    """
    The system's name resolution, in a thread that is not waited for.

    At its end, a process joins the event loop's own threads. A name server that does not answer would then
    delay a Ctrl-C for as long as the system tries (those of .tm are silent abroad).
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found: Future[list[tuple[Any, ...]]] = Future()
        found.set_running_or_notify_cancel()

        def look_up() -> None:
            try:
                found.set_result(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM))
            except Exception as error:
                found.set_exception(error)

        threading.Thread(target=look_up, name=f"look up {host}", daemon=True).start()
        numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(
                hostname=host, host=address[0], port=address[1], family=kind, proto=proto, flags=numeric
            )
            for kind, _, proto, _, address in await asyncio.wrap_future(found)
        ]

    async def close(self) -> None:
        """A running look-up is abandoned."""


async def _body(response: aiohttp.ClientResponse, most: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        body += chunk
        if len(body) > most:
            raise Refused(f"sent more than {most} bytes")
    return bytes(body)
