"""`/oembed`: tells the editors of other sites how to embed an address of ours (oEmbed 1.0)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from html import escape
from urllib.parse import parse_qsl

from aiohttp import web

from ticker import answers, assets, line
from ticker.answers import FrameEmbedAnswer, PictureEmbedAnswer
from ticker.edge import query
from ticker.edge.lines import FRAME, PICTURE, Lines, address, in_their_order
from ticker.edge.packed import JSON, Packed, digest
from ticker.edge.problems import Problem
from ticker.rates.model import Pair, Selection
from ticker.wire import BadFrame

ROUTE = "/oembed"
CACHE_SECONDS = 86400
USUAL_WIDTH = 600
"""The width of a frame in pixels, for a site that does not limit it."""
_ADDRESS = re.compile(r"(https?)://([^/?#]+)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.IGNORECASE | re.DOTALL)
_USUAL_PORT = {"http": ":80", "https": ":443"}
_PIXELS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Limits:
    """The most pixels that the other site has room for. None: any number."""

    width: int | None
    height: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """A line at an address of ours: where we are, the frame or the picture, and what it shows."""

    base: str
    path: str
    named: tuple[Pair, ...]
    look: line.Look

    @property
    def address(self) -> str:
        """The whole address."""
        return self.base + address(self.path, self.named, self.look)


class Embeds:
    """Finds the line at an address, and describes its frame or its picture."""

    def __init__(self, lines: Lines, selection: Callable[[str], Selection]) -> None:
        """`selection` reads symbols. It raises BadFrame."""
        self._lines = lines
        self._selection = selection

    def answer(self, request: web.Request, base: str) -> web.Response:
        """How to embed `?url=`, if that is an address below our own, `base`."""
        asked = _parameters(request.rel_url.raw_query_string)
        limits = Limits(_pixels(asked, "maxwidth"), _pixels(asked, "maxheight"))
        place, symbols = self._place(asked["url"].strip(), base)
        embed = _frame(place, limits) if place.path == FRAME else self._picture(place, symbols, limits)
        body = answers.encode(embed).encode()
        cache = f"public, max-age={CACHE_SECONDS}"
        return Packed(body, JSON, tag=digest(body), cache=cache).answer(request)

    def _place(self, url: str, base: str) -> tuple[Place, tuple[Pair, ...]]:
        """The line at this address, and its symbols. Raises Problem if there is none."""
        ours, theirs = _ADDRESS.fullmatch(base), _ADDRESS.fullmatch(url)
        if not (ours and theirs and _host(ours) == _host(theirs) and theirs[3].startswith(ours[3])):
            raise Problem(404, f"url is not an address of this service, {base}/")
        path = theirs[3].removeprefix(ours[3]) or "/"
        # As in all our answers, the first of several values counts.
        asked = dict(reversed(parse_qsl(theirs[4] or "", keep_blank_values=True)))
        if path == "/":
            path, asked = FRAME, _of_the_page(asked)
        if path not in (FRAME, PICTURE):
            raise Problem(404, f"only /, {FRAME} and {PICTURE} can be embedded")
        try:
            symbols = asked.get("symbols", "")
            selection, named = self._selection(symbols), in_their_order(symbols)
        except BadFrame as error:
            raise Problem(404, f"url: {error}") from None
        look = line.look(asked)
        # The proxy that ends TLS may not have told us so.
        scheme = "https" if theirs[1].lower() == "https" else ours[1]
        place = Place(f"{scheme}://{ours[2]}{ours[3]}", path, named, look)
        return place, named or selection.symbols

    def _picture(self, place: Place, symbols: tuple[Pair, ...], limits: Limits) -> PictureEmbedAnswer:
        width, height = self._lines.size(symbols, place.look)
        if limits.width and width > limits.width:
            rows = min(max(limits.width, line.NARROWEST), line.WIDEST)
            place = replace(place, look=replace(place.look, width=rows))
            width, height = self._lines.size(symbols, place.look)
        scale = min(1, (limits.width or width) / width, (limits.height or height) / height)
        return PictureEmbedAnswer(
            title=_title(place),
            provider_url=f"{place.base}/",
            cache_age=CACHE_SECONDS,
            url=place.address,
            width=max(1, int(width * scale)),
            height=max(1, int(height * scale)),
        )


def _frame(place: Place, limits: Limits) -> FrameEmbedAnswer:
    """
    A frame that is as wide as its place.

    Some sites remove the style of a frame, so its attributes say the same.
    """
    if limits.height and limits.height < line.HIGH:
        raise Problem(404, f"the line is {line.HIGH} px high, and maxheight is {limits.height}")
    place = replace(place, look=replace(place.look, width=None))
    width = min(limits.width or USUAL_WIDTH, line.WIDEST)
    most = f"max-width:{width}px;" if limits.width else ""
    html = (
        f'<iframe src="{escape(place.address)}" title="{escape(_title(place))}" loading="lazy"'
        f' width="{width}" height="{line.HIGH}" frameborder="0"'
        f' style="display:block;width:100%;{most}height:{line.HIGH}px;border:0"></iframe>'
    )
    return FrameEmbedAnswer(
        title=_title(place),
        provider_url=f"{place.base}/",
        cache_age=CACHE_SECONDS,
        html=html,
        width=width,
        height=line.HIGH,
    )


def _title(place: Place) -> str:
    return place.look.locale.labels["rates"]


# What is asked.


def _parameters(text: str) -> dict[str, str]:
    """The parameters of a query. Editors add names of their own, which are ignored."""
    given = parse_qsl(text, keep_blank_values=True)
    counts = Counter(name for name, _ in given)
    asked = dict(given)
    if twice := [name for name in query.KNOWN[ROUTE] if counts[name] > 1]:
        raise Problem(400, f"{' and '.join(twice)} may be given once")
    if not asked.get("url"):
        faults = query.unknown(asked, ROUTE)
        raise Problem(400, "; ".join(("url is missing, the address to embed", *faults)))
    if asked.get("format", "json").lower() not in ("", "json"):
        raise Problem(501, "the only format is json")
    return asked


def _pixels(asked: dict[str, str], name: str) -> int | None:
    """A number of pixels; None if it is left out or 0, as editors write it that have no limit."""
    text = asked.get(name, "")
    if text and not _PIXELS.fullmatch(text):
        raise Problem(400, f"{name} must be a whole number of pixels")
    return int(text or 0) or None


def _host(address: re.Match[str]) -> str:
    return address[2].lower().removesuffix(_USUAL_PORT[address[1].lower()])


def _of_the_page(asked: dict[str, str]) -> dict[str, str]:
    """The query of a line in the language of the page `/`."""
    return {"locale": asked.get("lang", "")} if asked.get("lang") in assets.languages() else {}
