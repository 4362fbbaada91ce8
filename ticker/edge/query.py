"""The parameters of an address: which ones each route knows, and which one a client may have meant. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from urllib.parse import parse_qsl

from ticker.wire import BadFrame

EVERYWHERE = ("cursor", "lastEventId", "_")
"""What widgets, stand-ins for EventSource and whoever goes round a cache send to any route."""
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
}
"""By the template of a route; the routes that are not here take no notice of parameters."""
MOST_NAMED = 5
LONGEST_NAME = 40
"""Of what a client may have made up, this much is repeated to it."""


def read(query: str, route: str) -> dict[str, str]:
    """The parameters of a query, by their names. Raises BadFrame if the route does not know one of them."""
    asked = dict(parse_qsl(query, keep_blank_values=True))
    if faults := unknown(asked, route):
        raise BadFrame(f"{'; '.join(faults)}; the parameters are {', '.join(KNOWN[route])}")
    return asked


def unknown(names: Sequence[str] | Mapping[str, str], route: str) -> tuple[str, ...]:
    """What is to be said of the names that the route does not know: `unknown parameter 'symbol', ...`."""
    strange = [name for name in names if name not in KNOWN[route]]
    return tuple(_fault(name[:LONGEST_NAME], KNOWN[route]) for name in strange[:MOST_NAMED])


def _fault(name: str, known: Sequence[str]) -> str:
    plain = {each.lower(): each for each in known}
    nearest = get_close_matches(name.lower(), plain, n=1, cutoff=0.5)
    return f"unknown parameter {name!r}" + "".join(f", did you mean {plain[each]!r}?" for each in nearest)
