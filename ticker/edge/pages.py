"""`/`: the page with the line, the quotes, the sources, and how to embed it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import web

from ticker import assets
from ticker.edge.packed import Packed, Shelf, digest
from ticker.rates.model import NOWHERE

KEPT_BYTES = 1 << 20
_PLACEHOLDER = re.compile(r"<!--notice-->|\{\{(?:origin|script|integrity)\}\}")
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")


_SCHEME = re.compile(r"https?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/?")


class Pages:
    """Fills the page in for the address by which it was asked for; `notice` is shown on it."""

    def __init__(
        self,
        fingerprint: str,
        integrity: str,
        *,
        notice: str,
        public_url: str,
        is_trusted: Callable[[str], bool],
    ) -> None:
        """`is_trusted` tells of an address whether it is a proxy that may say how readers reach us."""
        self._public_url = public_url
        self._is_trusted = is_trusted
        self._page = assets.page()
        self._styles = assets.style_sources(self._page)
        self.shelf = Shelf(KEPT_BYTES)
        self._values = {
            "<!--notice-->": f'<p class="notice" role="note">{html.escape(notice)}</p>' if notice else "",
            "{{script}}": assets.address(fingerprint),
            "{{integrity}}": integrity,
        }

    def answer(self, request: web.Request, peer: str) -> web.Response:
        """The page, for a client at the other end of a connection from `peer`."""
        base = self._public_url or self._base(request, peer)
        return self.shelf.get(NOWHERE, base, lambda: self._pack(base)).answer(request)

    def _base(self, request: web.Request, peer: str) -> str:
        """Where readers reach us, as the request says, or a proxy that we trust."""
        scheme, host, prefix = request.scheme, request.host, ""
        if self._is_trusted(peer):
            scheme = _forwarded(request, "Proto", _SCHEME) or scheme
            host = _forwarded(request, "Host", _HOST) or host
            prefix = _forwarded(request, "Prefix", _PREFIX).rstrip("/")
        return f"{scheme}://{host}{prefix}"

    def _pack(self, base: str) -> Packed:
        values = self._values | {"{{origin}}": html.escape(base)}
        # At once, so that a value that holds another's placeholder stays as it is.
        body = _PLACEHOLDER.sub(lambda found: values[found[0]], self._page).encode(errors="replace")
        rules = {"Content-Security-Policy": self._policy(urlsplit(base).netloc)}
        return Packed(body, "text/html; charset=utf-8", tag=digest(body), cache="no-cache", rules=rules)

    def _policy(self, host: str) -> str:
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


def _forwarded(request: web.Request, name: str, pattern: re.Pattern[str]) -> str:
    """What the proxy nearest to the client says in a X-Forwarded header; empty if that can't be it."""
    text = request.headers.get(f"X-Forwarded-{name}", "").partition(",")[0].strip()
    return text if pattern.fullmatch(text) else ""
