"""The parameters of an address: those that each route knows, and the one that was meant. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from urllib.parse import parse_qsl

from ticker.wire import BadFrame

EVERYWHERE = ("cursor", "lastEventId", "_")
"""Parameters that widgets, EventSource replacements and cache bypasses add on any route."""
_LINE = ("symbols", "locale", "theme", "digits", "invert", "format")
KNOWN: Mapping[str, tuple[str, ...]] = {
    "/v1/quotes": ("symbols", *EVERYWHERE),
    "/v1/quotes/{symbol}": EVERYWHERE,
    "/v1/history/{symbol}": ("from", "to", "source", *EVERYWHERE),
    "/v1/sources": EVERYWHERE,
    "/v1/stream": ("symbols", *EVERYWHERE),
    "/v1/events": ("symbols", *EVERYWHERE),
    "/v1/line.html": (*_LINE, *EVERYWHERE),
    "/v1/line.svg": (*_LINE, "width", *EVERYWHERE),
    "/oembed": ("url", "maxwidth", "maxheight", "format", *EVERYWHERE),
}
"""By the template of a route. Routes that are not listed ignore parameters."""
MOST_NAMED = 5
LONGEST_NAME = 40
"""The most characters of a client's unknown name that are repeated in the answer."""


def read(query: str, route: str) -> dict[str, str]:
    """The parameters of a query, by name. Raises BadFrame if the route does not know one of them."""
    asked = dict(parse_qsl(query, keep_blank_values=True))
    if faults := unknown(asked, route):
        raise BadFrame(f"{'; '.join(faults)}; the parameters are {', '.join(KNOWN[route])}")
    return asked


def unknown(names: Sequence[str] | Mapping[str, str], route: str) -> tuple[str, ...]:
    """Words about the names that the route does not know: `unknown parameter 'symbol', ...`."""
    strange = [name for name in names if name not in KNOWN[route]]
    return tuple(_fault(name[:LONGEST_NAME], KNOWN[route]) for name in strange[:MOST_NAMED])


def _fault(name: str, known: Sequence[str]) -> str:
    plain = {each.lower(): each for each in known}
    nearest = get_close_matches(name.lower(), plain, n=1, cutoff=0.5)
    return f"unknown parameter {name!r}" + "".join(f", did you mean {plain[each]!r}?" for each in nearest)
