"""`/v1/line.html` and `/v1/line.svg`: the line for pages without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlencode

from aiohttp import web

from ticker import line, wire
from ticker.edge import query
from ticker.edge.admission import retry_after
from ticker.edge.packed import QUOTES_CACHE, SHELF_BYTES, Packed, Shelf, digest
from ticker.edge.problems import away
from ticker.edge.public import discovery
from ticker.edge.stream import Broadcast
from ticker.rates.model import Pair, Quote, Selection
from ticker.rates.source import Source

FRAME, PICTURE = "/v1/line.html", "/v1/line.svg"
KINDS = {
    FRAME: ("text/html; charset=utf-8", line.page, line.HTML_POLICY),
    PICTURE: ("image/svg+xml", line.picture, line.SVG_POLICY),
}
_SIZE = re.compile(r' width="([0-9]+)" height="([0-9]+)" role=')

UNREAD = "The quotes have not been read from Redis yet"


class Lines:
    """Draws the line. Each drawing is cached until a quote changes."""

    def __init__(
        self, broadcast: Broadcast, sources: dict[str, Source], *, label: str, framers: tuple[str, ...]
    ) -> None:
        """`label` is the prefix of every source (`demo`); `framers` are the sites that may frame the line."""
        self._broadcast = broadcast
        self._sources = sources
        self._label = label
        self._framers = f"; frame-ancestors 'self' {' '.join(framers)}" if framers else ""
        self.shelf = Shelf(SHELF_BYTES)

    def answer(self, request: web.Request, selection: Selection, base: str) -> web.Response:
        """The line as a page or a picture, in the order of `?symbols=`, as this reader wants it."""
        look = line.look(request.query, faults=query.unknown(request.query, request.path))
        named = in_their_order(request.query.get("symbols", ""))
        symbols = named or selection.symbols
        if not self._broadcast.loaded:
            return self._waiting(request.path, symbols, look)
        embed = discovery(base, base + address(request.path, named, look))
        return self._drawn(request.path, symbols, look, embed).answer(request)

    def size(self, symbols: tuple[Pair, ...], look: line.Look) -> tuple[int, int]:
        """The width and the height of a picture, in pixels. Raises Problem if there are no quotes yet."""
        if not self._broadcast.loaded:
            raise away(UNREAD)
        picture = self._drawn(PICTURE, symbols, look, "").body("identity").decode()
        [(width, height)] = _SIZE.findall(picture)
        return int(width), int(height)

    def _drawn(self, path: str, symbols: tuple[Pair, ...], look: line.Look, embed: str) -> Packed:
        """The line as it is now. `embed` is where consumers of oEmbed learn how to embed it."""
        key = path, symbols, look, embed
        version = self._broadcast.mirror.version
        return self.shelf.get(version, key, lambda: self._pack(path, symbols, look, embed))

    def _waiting(self, path: str, symbols: tuple[Pair, ...], look: line.Look) -> web.Response:
        """What a reader sees while there is nothing to show: JSON in a frame would not be understood."""
        kind, draw, policy = KINDS[path]
        headers = {"Content-Type": kind, "Cache-Control": "no-store", "Retry-After": str(retry_after())}
        headers |= _rules(policy)
        told = [line.Wait(symbol, UNREAD) for symbol in symbols]
        return web.Response(body=draw(told, look).encode(), status=503, headers=headers)

    def _pack(self, path: str, symbols: tuple[Pair, ...], look: line.Look, embed: str) -> Packed:
        kind, draw, policy = KINDS[path]
        told = [self._told(symbol) for symbol in symbols]
        rules = _rules(policy + self._framers)
        words = {"attributions": self._attributions(told)}
        if path == FRAME:
            words["discovery"] = embed
        else:
            rules["Link"] = f'<{embed}>; rel="alternate"; type="{line.OEMBED}"'
        body = draw(told, look, **words).encode()
        return Packed(body, kind, tag=digest(body), cache=QUOTES_CACHE, rules=rules)

    def _told(self, symbol: Pair) -> Quote | line.Wait:
        mirror = self._broadcast.mirror
        if text := mirror.get(symbol):
            return wire.decode_quote(text)
        return line.Wait(symbol, dict(mirror.reasons((symbol,)))[symbol])

    def _attributions(self, told: Iterable[Quote | line.Wait]) -> str:
        """The attributions that the publishers of these quotes require."""
        quotes = (each for each in told if isinstance(each, Quote))
        keys = dict.fromkeys(quote.source.removeprefix(self._label) for quote in quotes)
        said = "; ".join(self._sources[key].attribution for key in keys if key in self._sources)
        # The quotes of the demo are from no bank.
        return f"{self._label} {said}".strip() if said else ""


def _rules(policy: str) -> dict[str, str]:
    """
    The headers that limit what the line may do.

    An isolated page frames only documents that are isolated, too.
    """
    return {"Content-Security-Policy": policy, "Cross-Origin-Embedder-Policy": "require-corp"}


def in_their_order(asked: str) -> tuple[Pair, ...]:
    """The symbols as a request spells them, without repetitions."""
    return tuple(dict.fromkeys(Pair.parse(each) for each in asked.replace(" ", ",").split(",") if each))


def address(path: str, named: tuple[Pair, ...], look: line.Look) -> str:
    """The path and the query of this line. What is default is left out."""
    symbols = {"symbols": ",".join(map(str, named))} if named else {}
    asked = urlencode(symbols | line.asked(look), safe=",/")
    return f"{path}?{asked}" if asked else path
