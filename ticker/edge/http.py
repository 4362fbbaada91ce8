"""The HTTP routes of the port, including the entrance to the stream."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus

from aiohttp import web
from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.server import ServerProtocol

from ticker import answers, assets, schemas, wire
from ticker.config import Settings
from ticker.edge import handover
from ticker.edge.admin import Operators
from ticker.edge.admission import Refused
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
from ticker.edge.histories import Histories
from ticker.edge.lines import KINDS, Lines
from ticker.edge.listing import Listing
from ticker.edge.oembed import Embeds
from ticker.edge.packed import JSON, QUOTES_CACHE, SHELF_BYTES, Packed, Shelf, asset, digest
from ticker.edge.pages import Pages
from ticker.edge.port import Port, Visit
from ticker.edge.problems import Handler, Problem, away, parameters, problems, symbol_of
from ticker.edge.public import PublicAddress
from ticker.edge.scripts import SCRIPT, Scripts
from ticker.edge.stream import Broadcast
from ticker.rates.model import Selection, both_ways
from ticker.rates.source import Source
from ticker.store import UNAVAILABLE, Store

log = logging.getLogger(__name__)

ASSETS = {
    "ticker.js": SCRIPT,
    "board.js": SCRIPT,
    "page.js": SCRIPT,
    "ticker.js.map": "application/json",
    "board.js.map": "application/json",
    "page.js.map": "application/json",
}
PLUGIN = "/currency-ticker.zip"
ASSETS_CACHE = "public, max-age=300, stale-while-revalidate=86400"
NAMES_CACHE = "public, max-age=86400, stale-while-revalidate=604800"
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD",
    # The last three are headers that client libraries add automatically.
    "Access-Control-Allow-Headers": (
        "If-None-Match, Last-Event-ID, Cache-Control, X-Requested-With, Content-Type, Authorization"
    ),
    "Access-Control-Max-Age": "86400",
}
EXPOSED = "Age, Date, ETag, Retry-After"
"""The headers that scripts of other sites may read. A cache on the way adds Age to our Date."""
PINNED = f"{{fingerprint:{assets.FINGERPRINT}}}"
DOCUMENTS = {"/openapi.json": schemas.openapi, "/asyncapi.json": schemas.asyncapi}


class Routes:
    """
    Every answer of the port. `demo`: the page says that its figures are recorded.

    It is long because every address is here.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        store: Store,
        settings: Settings,
        sources: dict[str, Source],
        *,
        port: Port,
        enabled: frozenset[str],
        demo: bool = False,
    ) -> None:
        self._broadcast = broadcast
        self._port = port
        self._settings = settings
        self._assets = {
            f"/{name}": asset(assets.built(name), kind, ASSETS_CACHE) for name, kind in ASSETS.items()
        }
        self._assets[PLUGIN] = asset(assets.plugin(), "application/zip", ASSETS_CACHE)
        script = assets.built("ticker.js")
        board = assets.built("board.js")
        self.scripts = Scripts(store, script, board)
        label = f"{settings.label}:" if settings.label else ""
        self._answers = Shelf(SHELF_BYTES)
        self._histories = Histories(broadcast, store, sources, label=label)
        self._lines = Lines(broadcast, sources, label=label, framers=settings.server.origins)
        self._pages = Pages(script, board, demo=demo)
        self._public = PublicAddress(settings.server.public_url, broadcast.admission.is_trusted)
        self._embeds = Embeds(self._lines, self._port.selection)
        self._listing = Listing(broadcast, store, sources, enabled, label=label)
        self._operators = Operators(broadcast, store, settings, enabled)

    def enable(self, enabled: frozenset[str]) -> None:
        """Replace the set of enabled sources."""
        self._listing.enabled = self._operators.enabled = enabled

    def application(self) -> web.Application:
        app = web.Application(middlewares=[problems], client_max_size=16384)
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
            app.router.add_get("/health", self._operators.public_health)
        else:
            app.router.add_get("/health", self._operators.health)
            app.router.add_get("/metrics", self._operators.metrics)
        return app

    def _shared(self) -> dict[str, Handler]:
        """The routes for scripts of other sites, also with headers that need a CORS preflight."""
        return {
            **dict.fromkeys(self._assets, self.asset),
            **{f"/{assets.address(PINNED, name)}": self.script for name in ("ticker", "board")},
            "/v1/events": self.events,
            "/v1/quotes": self.quotes,
            "/v1/quotes/{symbol:.+}": self.quote,
            "/v1/history/{symbol:.+}": self.history,
            "/v1/sources": self.sources,
            "/v1/names/{language}.json": self.names,
            "/v1/labels/{language}.json": self.labels,
            **dict.fromkeys(KINDS, self.standing),
            "/oembed": self.oembed,
        }

    def administration(self) -> web.Application:
        """The routes of `server.admin`, which has the details that are then not public."""
        app = web.Application(middlewares=[problems])
        app.router.add_get("/healthz", self._operators.alive)
        app.router.add_get("/readyz", self._operators.ready)
        app.router.add_get("/health", self._operators.health)
        app.router.add_get("/metrics", self._operators.metrics)
        return app

    # The stream.

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """
        An upgrade on a connection that aiohttp already has, or a malformed one.

        Completes the handshake, then takes the socket away from aiohttp.
        """
        upgrade = {
            "Connection": "Upgrade" if request.keep_alive else "Upgrade, close",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
        }
        if request.version != (1, 1):
            raise Problem(400, "a WebSocket needs HTTP/1.1", headers=upgrade)
        if request.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in request.headers:
            raise Problem(400, "a request for a WebSocket must have no body", headers=upgrade)
        protocol = ServerProtocol()
        headers = Headers(
            [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
        )
        response = protocol.accept(Request(request.raw_path, headers))
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            detail = (response.body or b"").decode().strip()
            is_other = request.headers.get("Sec-WebSocket-Version", "13") != "13"
            raise Problem(426 if is_other else response.status_code, detail, headers=upgrade)
        protocol.send_response(response)
        return await self._subscribe(request, b"".join(protocol.data_to_send()), WEBSOCKET)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The same stream as Server-Sent Events; `Last-Event-ID` is the cursor."""
        self._selection(parameters(request, "/v1/events"))
        return await self._subscribe(request, event_head(self._reader(request)) + retry_event(), EVENTS)

    async def _subscribe(self, request: web.Request, preface: bytes, framing: Framing) -> web.StreamResponse:
        transport = request.transport
        if transport is None:
            raise away("the connection has ended")
        visit = Visit(
            query=request.rel_url.raw_query_string,
            peer=self._peer(transport),
            origin=request.headers.get("Origin"),
            forwarded=",".join(request.headers.getall("X-Forwarded-For", [])),
            last_event_id=request.headers.get("Last-Event-ID", "") if framing is EVENTS else "",
            is_event_source=framing is EVENTS and EVENT_STREAM in request.headers.get("Accept", "").lower(),
        )
        try:
            self._port.check(visit)
            await handover.written(transport)
            # The descriptor may belong to another connection by now.
            if transport.is_closing():
                raise away("the connection has ended")
            sock, tail = handover.taken(request, transport)
            self._port.adopt(sock, preface, visit, framing=framing, tail=tail)
        except Refused as refused:
            if visit.is_event_source and refused.retry_seconds:
                return _come_back(refused.detail, refused.retry_seconds)
            retry = {"Retry-After": str(refused.retry_seconds)} if refused.retry_seconds else {}
            raise Problem(refused.status, refused.detail, headers=retry) from None
        except TimeoutError as error:
            raise away(str(error)) from None
        except OSError as error:
            raise away(f"the limit of connections is reached: {error.strerror}") from None
        return handover.HandedOver()

    def _peer(self, transport: asyncio.BaseTransport | None) -> str:
        """The address of the other end of a connection; empty if it has ended."""
        if transport is None:
            return ""
        name, sock = transport.get_extra_info("peername"), transport.get_extra_info("socket")
        return self._port.peer(sock.fileno(), name)

    def _base(self, request: web.Request) -> str:
        """The address at which this client's readers reach us, without a slash at its end."""
        return self._public.of(request, self._peer(request.transport))

    def _selection(self, asked: Mapping[str, str]) -> Selection:
        """The symbols of the query: `?symbols=KGS,TJS/USD`. Raises BadFrame."""
        return self._port.selection(asked.get("symbols", ""))

    # Quotes.

    async def quotes(self, request: web.Request) -> web.Response:
        """The newest quotes. The ETag covers the cursor, the late quotes and the awaited symbols."""
        asked = parameters(request, "/v1/quotes")
        if not self._broadcast.loaded:
            raise away("no quotes were read from Redis yet")
        selection = self._selection(asked)
        version = self._broadcast.mirror.version
        # Hashing all symbols of the most common request would take half as long as the rest of this function.
        key = selection.symbols if selection.tag else None
        return self._answers.get(version, key, lambda: self._pack_quotes(selection)).answer(request)

    def _pack_quotes(self, selection: Selection) -> Packed:
        mirror = self._broadcast.mirror
        delta = mirror.since(None, selection.symbols)
        cursor = wire.stamp(delta.cursor, selection)
        text = answers.encode_quotes(cursor, delta.items, delta.awaited)
        late = self._broadcast.mask(filter(mirror.is_late, selection.symbols))
        tag = f"{cursor}-{late:x}" if late else cursor
        if self._broadcast.symbols != self._settings.symbols:  # a reload may change the symbols
            tag += f"-{digest(str(self._broadcast.symbols).encode())[1:9]}"
        if delta.awaited:
            tag += f"-{digest(str(delta.awaited).encode())[1:9]}"
        return Packed(text.encode(), JSON, tag=f'"{tag}"', cache=QUOTES_CACHE)

    async def quote(self, request: web.Request) -> web.Response:
        """The newest quote of one symbol."""
        parameters(request, "/v1/quotes/{symbol}")
        symbol = symbol_of(request, both_ways(self._broadcast.symbols))
        text = self._broadcast.mirror.get(symbol)
        if text is None:
            why = dict(self._broadcast.mirror.reasons((symbol,)))[symbol]
            raise away(f"{symbol} has no quote yet: {why}")
        version = self._broadcast.mirror.version
        return self._answers.get(version, symbol, lambda: _pack_quote(text)).answer(request)

    async def history(self, request: web.Request) -> web.Response:
        """The publications of one source for one symbol."""
        return await self._histories.answer(request)

    async def standing(self, request: web.Request) -> web.Response:
        """The line without a script."""
        return self._lines.answer(request, self._selection(request.query), self._base(request))

    async def oembed(self, request: web.Request) -> web.Response:
        """How to embed an address of ours."""
        return self._embeds.answer(request, self._base(request))

    async def sources(self, request: web.Request) -> web.Response:
        """Every source with its terms and the result of its last poll."""
        return await self._listing.answer(request)

    # Files.

    async def names(self, request: web.Request) -> web.Response:
        """The names of all currencies in one language."""
        return _names(_language(request)).answer(request)

    async def labels(self, request: web.Request) -> web.Response:
        """The words of the elements in one language. The scripts themselves have only English."""
        return _labels(_language(request)).answer(request)

    async def asset(self, request: web.Request) -> web.Response:
        """The widget's scripts, the page's, their source maps, and the plugin."""
        return self._assets[request.path].answer(request)

    async def script(self, request: web.Request) -> web.Response:
        """The script with this fingerprint, of any version, which clients may cache for ever."""
        fingerprint = request.match_info["fingerprint"]
        try:
            found = await self.scripts.find(fingerprint, board=request.path.startswith("/board."))
        except UNAVAILABLE as error:
            raise away(f"the scripts of other versions are unreachable: {type(error).__name__}") from None
        if found is None:
            # A process that is just starting may bring it.
            headers = {"Cache-Control": "no-store"}
            raise Problem(404, f"no version that ran here had {request.path}", headers=headers)
        return found.answer(request)

    async def document(self, request: web.Request) -> web.Response:
        """The description of this port for machines: OpenAPI for HTTP, AsyncAPI for the stream."""
        return _document(request.path).answer(request)

    async def page(self, request: web.Request) -> web.Response:
        """The page."""
        return self._pages.answer(request, self._base(request))

    # Who may read.

    async def _share(self, request: web.Request, response: web.StreamResponse) -> None:
        """Permit scripts of every site to read the answer, or those of `server.origins`, each by name."""
        headers = response.headers
        headers["Access-Control-Expose-Headers"] = EXPOSED
        # This clock decides which quotes are late: a reader compares `due_at` with it.
        headers["Date"] = http_date(int(self._broadcast.clock().timestamp()))
        # For sites that load only what permits it (Cross-Origin-Embedder-Policy).
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        if reader := self._reader(request):
            headers["Access-Control-Allow-Origin"] = reader
        if self._settings.server.origins:
            headers["Vary"] = f"{headers['Vary']}, Origin" if "Vary" in headers else "Origin"

    async def preflight(self, request: web.Request) -> web.Response:
        """
        The CORS permission to send the headers of a client that catches up.

        `_share` names the permitted site.
        """
        return web.Response(status=204, headers=PREFLIGHT)

    def _reader(self, request: web.Request) -> str:
        """The origin whose scripts may read the answer: `*`, the asking site, or none (empty)."""
        if not (origins := self._settings.server.origins):
            return "*"
        origin = request.headers.get("Origin", "")
        return origin if origin in origins else ""


def _come_back(detail: str, seconds: int) -> web.Response:
    headers = {"Content-Type": EVENT_STREAM, "Cache-Control": "no-store"}
    return web.Response(body=come_back(detail, seconds), headers=headers)


def _pack_quote(text: str) -> Packed:
    body = text.encode()
    return Packed(body, JSON, tag=digest(body), cache=QUOTES_CACHE)


def _language(request: web.Request) -> str:
    language, served = request.match_info["language"], sorted(assets.languages())
    if language not in served:
        raise Problem(404, f"unknown language {language:.40}; the languages are {', '.join(served)}")
    return language


@cache
def _names(language: str) -> Packed:
    return asset(assets.names_file(language), JSON, NAMES_CACHE)


@cache
def _labels(language: str) -> Packed:
    words = {**assets.labels(language), "board": assets.board_words(language)}
    said = json.dumps(words, ensure_ascii=False, separators=(",", ":"))
    return asset(said.encode(), JSON, NAMES_CACHE)


@cache
def _document(path: str) -> Packed:
    return asset(json.dumps(DOCUMENTS[path](), separators=(",", ":")).encode(), JSON, ASSETS_CACHE)
