"""The routes of the one port: quotes, history, sources, health, the widget, and the door to the stream."""

from __future__ import annotations

import asyncio
import html
import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from datetime import date, datetime
from functools import cache
from http import HTTPStatus
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aiohttp import web
from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.server import ServerProtocol

from ticker import answers, assets, line, schemas, wire
from ticker.answers import (
    FixingAnswer,
    HistoryAnswer,
    ProblemAnswer,
    SourceAnswer,
    SourcesAnswer,
)
from ticker.config import Settings
from ticker.edge import handover, query
from ticker.edge.admin import Operators, json_answer
from ticker.edge.admission import Refused, retry_after
from ticker.edge.framing import (
    EVENT_STREAM,
    EVENTS,
    WEBSOCKET,
    Framing,
    come_back,
    event_head,
    retry_event,
)
from ticker.edge.handshake import http_date
from ticker.edge.packed import NotAcceptable, Packed, Shelf, asset, digest
from ticker.edge.port import Port, Visit
from ticker.edge.scripts import SCRIPT, Scripts
from ticker.edge.stream import Broadcast
from ticker.rates.model import NOWHERE, Fixing, Pair, Quote, Selection, both_ways
from ticker.rates.source import Outcome, Source
from ticker.rates.tables import published
from ticker.store import UNAVAILABLE, Store
from ticker.wire import BadFrame

log = logging.getLogger(__name__)

HISTORY_CACHE = "public, no-cache"
"""A history grows while an archive is asked, so a cached copy is revalidated before every use."""
ROWS_AT_ONCE = 20
"""Rows of a history that are made before the loop's other work gets its turn: about a millisecond."""
PEG = "peg"
"""The source of a rate that a country has fixed."""
ASSETS = {
    "ticker.js": SCRIPT,
    "page.js": SCRIPT,
    "ticker.js.map": "application/json",
    "page.js.map": "application/json",
}
QUOTES_CACHE = "public, max-age=5, stale-while-revalidate=25, stale-if-error=3600"
ASSETS_CACHE = "public, max-age=300, stale-while-revalidate=86400"
JSON = "application/json; charset=utf-8"
LINES = {
    "/v1/line.html": ("text/html; charset=utf-8", line.page, line.HTML_POLICY),
    "/v1/line.svg": ("image/svg+xml", line.picture, line.SVG_POLICY),
}
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD",
    # The last three are what client libraries add by themselves.
    "Access-Control-Allow-Headers": (
        "If-None-Match, Last-Event-ID, Cache-Control, X-Requested-With, Content-Type, Authorization"
    ),
    "Access-Control-Max-Age": "86400",
}
EXPOSED = "Age, Date, ETag, Retry-After"
"""What scripts of other sites may read beside the body; a cache on the way adds Age to our Date."""
SHELF_BYTES = 4 << 20
"""What the packed answers to all the selections that clients think of may take."""
PAGES_BYTES = 1 << 20
_PLACEHOLDER = re.compile(r"<!--notice-->|\{\{(?:origin|script|integrity)\}\}")
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")
DOCUMENTS = {"/openapi.json": schemas.openapi, "/asyncapi.json": schemas.asyncapi}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Routes:
    """Everything that the port answers; `notice` is shown on the page (the demo says what it is)."""

    def __init__(
        self,
        broadcast: Broadcast,
        store: Store,
        settings: Settings,
        sources: dict[str, Source],
        *,
        port: Port,
        enabled: frozenset[str],
        notice: str = "",
    ) -> None:
        self._broadcast = broadcast
        self._port = port
        self._store = store
        self._settings = settings
        self._sources = sources
        self._enabled = enabled
        self._notice = notice
        self._page = assets.page()
        self._styles = assets.style_sources(self._page)
        self._assets = {
            f"/{name}": asset(assets.built(name), kind, ASSETS_CACHE) for name, kind in ASSETS.items()
        }
        script = assets.built("ticker.js")
        self.scripts = Scripts(store, script)
        self._integrity = assets.integrity(script)
        self._answers = Shelf(SHELF_BYTES)
        self._lines = Shelf(SHELF_BYTES)
        self._pages = Shelf(PAGES_BYTES)
        self._histories = Shelf(SHELF_BYTES)
        # One at a time: a history of years is a thousand times the work of other answers.
        self._reading = asyncio.Semaphore(1)
        self._outcomes: dict[str, Outcome] = {}
        self._operators = Operators(broadcast, store, settings, enabled)

    def application(self) -> web.Application:
        app = web.Application(middlewares=[_problems], client_max_size=16384)
        app.on_response_prepare.append(self._share)
        app.router.add_get("/", self.page)
        for path in DOCUMENTS:
            app.router.add_get(path, self.document)
        app.router.add_get("/v1/stream", self.stream, allow_head=False)
        for path, handler in self._shared().items():
            app.router.add_get(path, handler, allow_head=path != "/v1/events")
            app.router.add_options(path, self.preflight)
        app.router.add_get("/healthz", self._operators.alive)
        app.router.add_get("/readyz", self._operators.ready)
        if self._settings.server.admin:
            app.router.add_get("/health", self._operators.verdict)
        else:
            app.router.add_get("/health", self._operators.health)
            app.router.add_get("/metrics", self._operators.metrics)
        return app

    def _shared(self) -> dict[str, Handler]:
        """What scripts of other sites ask for, also with headers that a browser asks our leave for."""
        return {
            **dict.fromkeys(self._assets, self.asset),
            f"/{assets.address(f'{{fingerprint:{assets.FINGERPRINT}}}')}": self.script,
            "/v1/events": self.events,
            "/v1/quotes": self.quotes,
            "/v1/quotes/{symbol:.+}": self.quote,
            "/v1/history/{symbol:.+}": self.history,
            "/v1/sources": self.sources,
            **dict.fromkeys(LINES, self.standing),
        }

    def administration(self) -> web.Application:
        """What `server.admin` answers: the details that are not for the public then."""
        app = web.Application(middlewares=[_problems])
        app.router.add_get("/healthz", self._operators.alive)
        app.router.add_get("/health", self._operators.health)
        app.router.add_get("/metrics", self._operators.metrics)
        return app

    # The stream.

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """
        An upgrade that came on a connection which aiohttp had already, or one that is wrong.

        Shakes hands, then takes the socket away from aiohttp.
        """
        upgrade = {
            "Connection": "Upgrade" if request.keep_alive else "Upgrade, close",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
        }
        if request.version != (1, 1):
            raise _problem(400, "a WebSocket is opened by HTTP/1.1", headers=upgrade)
        if request.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in request.headers:
            raise _problem(400, "a request for a WebSocket has no body", headers=upgrade)
        protocol = ServerProtocol()
        headers = Headers(
            [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
        )
        response = protocol.accept(Request(request.raw_path, headers))
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            detail = (response.body or b"").decode().strip()
            is_other = request.headers.get("Sec-WebSocket-Version", "13") != "13"
            raise _problem(426 if is_other else response.status_code, detail, headers=upgrade)
        protocol.send_response(response)
        return await self._subscribe(request, b"".join(protocol.data_to_send()), WEBSOCKET)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The same stream as Server-Sent Events; `Last-Event-ID` is the cursor."""
        self._selection(_parameters(request, "/v1/events"))
        return await self._subscribe(request, event_head(self._reader(request)) + retry_event(), EVENTS)

    async def _subscribe(self, request: web.Request, preface: bytes, framing: Framing) -> web.StreamResponse:
        transport = request.transport
        if transport is None:
            raise _away("the connection has ended")
        name = transport.get_extra_info("peername")
        visit = Visit(
            query=request.rel_url.raw_query_string,
            peer=self._port.peer(transport.get_extra_info("socket").fileno(), name),
            origin=request.headers.get("Origin"),
            forwarded=",".join(request.headers.getall("X-Forwarded-For", [])),
            last_event_id=request.headers.get("Last-Event-ID", "") if framing is EVENTS else "",
            is_event_source=framing is EVENTS and EVENT_STREAM in request.headers.get("Accept", "").lower(),
        )
        try:
            self._port.check(visit)
            await handover.written(transport)
            # Its descriptor may be another connection's by now.
            if transport.is_closing():
                raise _away("the connection has ended")
            sock, tail = handover.taken(request, transport)
            self._port.adopt(sock, preface, visit, framing=framing, tail=tail)
        except Refused as refused:
            if visit.is_event_source and refused.retry_seconds:
                return _come_back(refused.detail, refused.retry_seconds)
            retry = {"Retry-After": str(refused.retry_seconds)} if refused.retry_seconds else {}
            raise _problem(refused.status, refused.detail, headers=retry) from None
        except TimeoutError as error:
            raise _away(str(error)) from None
        except OSError as error:
            raise _away(f"no more connections fit in here: {error.strerror}") from None
        return handover.HandedOver()

    def _selection(self, asked: Mapping[str, str]) -> Selection:
        """The symbols of the query: `?symbols=KGS,TJS/USD`. Raises BadFrame."""
        return self._port.selection(asked.get("symbols", ""))

    # Quotes.

    async def quotes(self, request: web.Request) -> web.Response:
        """The newest quotes; ETag is the cursor, and tells which quotes are late."""
        asked = _parameters(request, "/v1/quotes")
        if not self._broadcast.loaded:
            raise _away("no quotes were read from Redis yet")
        selection = self._selection(asked)
        version = self._broadcast.mirror.version
        # Hashing every symbol of the usual question would take half as long as all the rest here.
        key = selection.symbols if selection.tag else None
        return self._answers.get(version, key, lambda: self._pack_quotes(selection)).answer(request)

    def _pack_quotes(self, selection: Selection) -> Packed:
        mirror = self._broadcast.mirror
        delta = mirror.since(None, selection.symbols)
        cursor = wire.stamp(delta.cursor, selection)
        text = answers.encode_quotes(cursor, delta.items)
        late = self._broadcast.mask(filter(mirror.is_late, selection.symbols))
        tag = f'"{cursor}-{late:x}"' if late else f'"{cursor}"'
        return Packed(text.encode(), JSON, tag=tag, cache=QUOTES_CACHE)

    async def quote(self, request: web.Request) -> web.Response:
        """The newest quote of one symbol."""
        _parameters(request, "/v1/quotes/{symbol}")
        symbol = self._symbol(request)
        text = self._broadcast.mirror.get(symbol)
        if text is None:
            raise _away(f"{symbol} has no quote yet")
        version = self._broadcast.mirror.version
        return self._answers.get(version, symbol, lambda: _pack_quote(text)).answer(request)

    async def history(self, request: web.Request) -> web.Response:
        """What one source said of a symbol, by day: `?from=&to=` (inclusive) and `source=`."""
        part = self._part(request)
        # A history may also grow without a publication, by what an archive says; that is always an event.
        key = part, await self._last_event()
        async with self._reading:
            kept = self._histories.find(self._broadcast.mirror.cursor, key)
            if kept is None:
                kept = self._histories.keep(key, await self._read_history(part))
        return kept.answer(request)

    def _part(self, request: web.Request) -> _Part:
        """The part of a history that a request asks for."""
        asked = _parameters(request, "/v1/history/{symbol}")
        symbol = self._symbol(request)
        first, last = _day(asked, "from", date.min), _day(asked, "to", date.max)
        if first > last:
            raise _problem(400, f"from={first} is after to={last}")
        source = asked.get("source", "")
        if source and self._key(source) not in (PEG, *self._sources):
            there = ", ".join(self._sources)
            raise _problem(404, f"there is no source {source[: query.LONGEST_NAME]!r}; there are {there}")
        source = source or self._source_of(symbol)
        known = self._sources.get(self._key(source))
        today = self._broadcast.clock().astimezone(ZoneInfo(known.timezone)).date() if known else None
        return _Part(symbol, source, first, last, today)

    def _key(self, source: str) -> str:
        """The key of a source as a quote names it: `demo:nbkr` is nbkr."""
        return source.removeprefix(f"{self._settings.label}:" if self._settings.label else "")

    async def _last_event(self) -> int:
        try:
            return await self._store.last_event()
        except UNAVAILABLE as error:
            raise _history_is_away(error) from None

    async def _read_history(self, part: _Part) -> Packed:
        symbol, source, key = part.symbol, part.source, self._key(part.source)
        origin, rows = both_ways(self._broadcast.symbols)[symbol], []
        try:
            fixings = await self._store.fixings([origin], since=part.first, until=part.last, source=key)
        except UNAVAILABLE as error:
            raise _history_is_away(error) from None
        for number, fixing in enumerate(fixings):
            rows.append(_history_row(fixing if origin == symbol else fixing.inverted, part.today))
            if not number % ROWS_AT_ONCE:
                await asyncio.sleep(0)
        answer = HistoryAnswer(symbol=str(symbol), source=source, fixings=rows or self._peg_row(symbol, key))
        body = answers.encode(answer).encode()
        return Packed(body, JSON, tag=digest(body), cache=HISTORY_CACHE)

    def _peg_row(self, symbol: Pair, source: str) -> list[FixingAnswer]:
        """The whole history of a peg: what is fixed, since when."""
        text = self._broadcast.mirror.get(symbol)
        quote = json.loads(text) if text else {}
        if source != PEG or not str(quote.get("source")).endswith(PEG):
            return []
        names = FixingAnswer.model_fields.keys() & quote.keys()
        return [FixingAnswer(**{name: quote[name] for name in names}, announced=False)]

    def _symbol(self, request: web.Request) -> Pair:
        try:
            symbol = Pair.parse(request.match_info["symbol"])
        except ValueError as error:
            raise _problem(400, str(error)) from None
        if symbol not in both_ways(self._broadcast.symbols):
            raise _problem(404, f"{symbol} is not served here")
        return symbol

    def _source_of(self, symbol: Pair) -> str:
        text = self._broadcast.mirror.get(symbol)
        return str(json.loads(text)["source"]) if text else ""

    # The line without a script.

    async def standing(self, request: web.Request) -> web.Response:
        """The line as a page or a picture, in the order of `?symbols=`, as it looks best to this reader."""
        selection = self._selection(request.query)
        look = line.look(request.query, faults=query.unknown(request.query, request.path))
        if not self._broadcast.loaded:
            return self._waiting_line(request.path, look)
        symbols = _in_their_order(request.query.get("symbols", ""), selection)
        key = request.path, symbols, look
        version = self._broadcast.mirror.version
        kept = self._lines.get(version, key, lambda: self._pack_line(request.path, symbols, look))
        return kept.answer(request)

    def _waiting_line(self, path: str, look: line.Look) -> web.Response:
        """What a reader sees in a frame while there is nothing to show: words for a program are a riddle."""
        kind, draw, policy = LINES[path]
        headers = {"Content-Type": kind, "Cache-Control": "no-store", "Retry-After": str(retry_after())}
        headers |= _rules(policy, look)
        return web.Response(body=draw((), look).encode(), status=503, headers=headers)

    def _pack_line(self, path: str, symbols: tuple[Pair, ...], look: line.Look) -> Packed:
        kind, draw, policy = LINES[path]
        texts = (self._broadcast.mirror.get(symbol) for symbol in symbols)
        quotes = [wire.decode_quote(text) for text in texts if text]
        body = draw(quotes, look, attributions=self._attributions(quotes)).encode()
        if framers := " ".join(self._settings.server.origins):
            policy += f"; frame-ancestors 'self' {framers}"
        return Packed(body, kind, tag=digest(body), cache=QUOTES_CACHE, rules=_rules(policy, look))

    def _attributions(self, quotes: Iterable[Quote]) -> str:
        """What the publishers of these quotes want to be said of them."""
        label = f"{self._settings.label}:" if self._settings.label else ""
        keys = dict.fromkeys(self._key(quote.source) for quote in quotes)
        said = "; ".join(self._sources[key].attribution for key in keys if key in self._sources)
        # What the demo says no bank has said.
        return f"{label} {said}".strip() if said else ""

    # Sources and health.

    async def sources(self, request: web.Request) -> web.Response:
        """Every source: who, on what terms, and how its last poll went."""
        _parameters(request, "/v1/sources")
        # While Redis is away, what it said last is nearer to the truth than nothing.
        with suppress(*UNAVAILABLE):
            self._outcomes = await self._store.outcomes(list(self._sources))
        now = self._broadcast.clock()
        rows = [self._source_row(source, now) for source in self._sources.values()]
        return json_answer(SourcesAnswer(label=self._settings.label or None, sources=rows), cache="no-cache")

    def _source_row(self, source: Source, now: datetime) -> SourceAnswer:
        known = self._outcomes.get(source.key) or Outcome(source=source.key)
        enabled = source.key in self._enabled
        label = f"{self._settings.label}:" if self._settings.label else ""
        return SourceAnswer(
            key=source.key,
            name=label + source.name,
            short=label + source.short,
            site=source.site,
            site_required=source.site_required,
            kind=source.kind,
            authority_for=source.authority_for,
            timezone=source.timezone,
            due_by=f"{source.calendar.due_by:%H:%M}",
            grace_seconds=int(source.calendar.grace.total_seconds()),
            status=known.status if enabled else "disabled",
            message=known.message(now) if enabled else "",
            as_of=known.as_of or None,
            missed=known.missed,
            repeats=known.repeats,
            held=list(known.held),
            history=known.history,
            gaps=known.gaps,
            checked_at=_moment(known.checked_at),
            succeeded_at=_moment(known.succeeded_at),
            next_poll_at=_moment(known.next_poll_at) if enabled else None,
            failures=known.failures,
            latency_ms=known.latency_ms,
            attribution=source.attribution,
            terms=source.terms,
            coverage=source.coverage,
        )

    # Files.

    async def asset(self, request: web.Request) -> web.Response:
        """The widget, the page's script, and their source maps."""
        return self._assets[request.path].answer(request)

    async def script(self, request: web.Request) -> web.Response:
        """The widget of exactly these bytes, from whatever version, to be kept for ever."""
        fingerprint = request.match_info["fingerprint"]
        try:
            found = await self.scripts.find(fingerprint)
        except UNAVAILABLE as error:
            raise _away(f"other versions' scripts are out of reach: {type(error).__name__}") from None
        if found is None:
            # A process that starts right now may bring it.
            headers = {"Cache-Control": "no-store"}
            raise _problem(404, f"no version with {request.path} ran here", headers=headers)
        return found.answer(request)

    async def document(self, request: web.Request) -> web.Response:
        """What this page says of HTTP (OpenAPI) or of the stream (AsyncAPI), for machines."""
        return _document(request.path).answer(request)

    async def page(self, request: web.Request) -> web.Response:
        """The page: the line, the quotes, the sources, and how to embed it."""
        key = request.scheme, request.host
        return self._pages.get(NOWHERE, key, lambda: self._pack_page(*key)).answer(request)

    def _pack_page(self, scheme: str, host: str) -> Packed:
        notice = f'<p class="notice" role="note">{html.escape(self._notice)}</p>' if self._notice else ""
        values = {
            "<!--notice-->": notice,
            "{{origin}}": html.escape(f"{scheme}://{host}"),
            "{{script}}": assets.address(self.scripts.fingerprint),
            "{{integrity}}": self._integrity,
        }
        # At once, so that a value that holds another's placeholder stays as it is.
        body = _PLACEHOLDER.sub(lambda found: values[found[0]], self._page).encode(errors="replace")
        rules = {"Content-Security-Policy": self._page_policy(host)}
        return Packed(body, "text/html; charset=utf-8", tag=digest(body), cache="no-cache", rules=rules)

    def _page_policy(self, host: str) -> str:
        """What the page may do: only what it does, with nobody but us."""
        # Safari before 15.4 does not count a WebSocket of the same host as 'self'.
        sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
        return "; ".join(
            (
                "default-src 'none'",
                "script-src 'self'",
                f"style-src {' '.join(self._styles) or repr('none')}",
                f"connect-src 'self'{sockets}",
                "img-src 'self' data:",
                "frame-src 'self'",
                "frame-ancestors 'self'",
                "base-uri 'none'",
                "form-action 'none'",
            )
        )

    # Who may read.

    async def _share(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let scripts of any site read the answers, or of those of `server.origins`, each by its name."""
        headers = response.headers
        headers["Access-Control-Expose-Headers"] = EXPOSED
        # By the clock that decides what is late: a reader compares `due_at` with it.
        headers["Date"] = http_date(int(self._broadcast.clock().timestamp()))
        # For sites that let nothing in but what says so (Cross-Origin-Embedder-Policy).
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        if reader := self._reader(request):
            headers["Access-Control-Allow-Origin"] = reader
        if self._settings.server.origins:
            headers["Vary"] = f"{headers['Vary']}, Origin" if "Vary" in headers else "Origin"

    async def preflight(self, request: web.Request) -> web.Response:
        """Leave to ask with the headers of a client that catches up; `_share` says to whom it is given."""
        return web.Response(status=204, headers=PREFLIGHT)

    def _reader(self, request: web.Request) -> str:
        """Whose scripts may read the answer: anybody's (`*`), the asking site's, or nobody's (empty)."""
        if not (origins := self._settings.server.origins):
            return "*"
        origin = request.headers.get("Origin", "")
        return origin if origin in origins else ""


def _come_back(detail: str, seconds: int) -> web.Response:
    headers = {"Content-Type": EVENT_STREAM, "Cache-Control": "no-store"}
    return web.Response(body=come_back(detail, seconds), headers=headers)


def _parameters(request: web.Request, route: str) -> dict[str, str]:
    """What the query of a request says. Raises BadFrame if the route does not know one of its names."""
    return query.read(request.rel_url.raw_query_string, route)


def _rules(policy: str, look: line.Look) -> dict[str, str]:
    """What the line may do; a page that is isolated frames only those who say that they are, too."""
    if look.faults:
        policy += f"; script-src {line.CONSOLE_SOURCE}"
    return {"Content-Security-Policy": policy, "Cross-Origin-Embedder-Policy": "require-corp"}


def _in_their_order(asked: str, selection: Selection) -> tuple[Pair, ...]:
    """The symbols as the reader named them, each once; all in the server's order if none was."""
    named = dict.fromkeys(Pair.parse(each) for each in asked.replace(" ", ",").split(",") if each)
    return tuple(named) or selection.symbols


class _Part(NamedTuple):
    """The part of a history that is asked for."""

    symbol: Pair
    source: str
    """As quotes name it; empty if the symbol has no quote and none was asked for."""
    first: date
    last: date
    today: date | None
    """The day at the source; None if it is no bank's or market's."""


def _history_row(fixing: Fixing, today: date | None) -> FixingAnswer:
    leg = fixing.legs[0] if len(fixing.legs) == 1 else None
    return FixingAnswer(
        as_of=fixing.as_of.isoformat(),
        price=wire.plain(published(fixing)),
        inverse=wire.plain(published(fixing, inverse=True)),
        value=wire.plain(leg.value) if leg else None,
        nominal=leg.nominal if leg else None,
        direction=str(leg.pair) if leg else None,
        corrected=fixing.corrected,
        announced=today is not None and fixing.day > today,
    )


def _moment(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at else None


def _day(asked: Mapping[str, str], name: str, default: date) -> date:
    text = asked.get(name)
    try:
        return date.fromisoformat(text) if text else default
    except ValueError:
        raise _problem(400, f"{name}={text!r:.40} is not a date like 2026-09-29") from None


def _pack_quote(text: str) -> Packed:
    body = text.encode()
    return Packed(body, JSON, tag=digest(body), cache=QUOTES_CACHE)


@cache
def _document(path: str) -> Packed:
    return asset(json.dumps(DOCUMENTS[path](), separators=(",", ":")).encode(), JSON, ASSETS_CACHE)


class _Problem(Exception):
    def __init__(self, status: int, detail: str, headers: dict[str, str]) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers


def _problem(status: int, detail: str, *, headers: dict[str, str] | None = None) -> _Problem:
    return _Problem(status, detail, headers or {})


def _away(detail: str) -> _Problem:
    return _problem(503, detail, headers={"Retry-After": str(retry_after())})


def _history_is_away(error: BaseException) -> _Problem:
    return _away(f"the history is out of reach: {type(error).__name__}")


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error as application/problem+json (RFC 9457)."""
    try:
        return await handler(request)
    except _Problem as problem:
        status, detail, headers = problem.status, problem.detail, problem.headers
    except BadFrame as error:
        status, detail, headers = 400, str(error), {}
    except NotAcceptable as error:
        status, detail, headers = 406, str(error), {"Vary": "Accept-Encoding"}
    except web.HTTPException as error:
        status, detail, headers = error.status, f"{request.method} {request.path}", {}
        if allow := error.headers.get("Allow"):
            headers = {"Allow": allow}
    answer = ProblemAnswer(title=HTTPStatus(status).phrase, status=status, detail=detail)
    kind = "application/problem+json"
    return web.Response(text=answers.encode(answer), status=status, content_type=kind, headers=headers)
