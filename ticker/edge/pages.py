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
_PLACEHOLDER = re.compile(r"\{\{(?:origin|script|integrity)\}\}")
_NOTICE = re.compile(r'<p class="notice".*?</p>\n', re.DOTALL)
"""What only the page of a demo has."""
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")


_SCHEME = re.compile(r"https?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/?")


class Pages:
    """Fills in the page for the address of the request. `demo`: it says that its figures are recorded."""

    def __init__(
        self,
        fingerprint: str,
        integrity: str,
        *,
        demo: bool,
        public_url: str,
        is_trusted: Callable[[str], bool],
    ) -> None:
        """`is_trusted` says whether an address is a proxy that may name our public address."""
        self._public_url = public_url
        self._is_trusted = is_trusted
        self._page = assets.page() if demo else _NOTICE.sub("", assets.page())
        self._styles = assets.style_sources(self._page)
        self.shelf = Shelf(KEPT_BYTES)
        self._values = {
            "{{script}}": assets.address(fingerprint),
            "{{integrity}}": integrity,
        }

    def answer(self, request: web.Request, peer: str) -> web.Response:
        """The page, for a client that is connected from `peer`."""
        base = self._public_url or self._base(request, peer)
        return self.shelf.get(NOWHERE, base, lambda: self._pack(base)).answer(request)

    def _base(self, request: web.Request, peer: str) -> str:
        """Our public address, as the request says, or a trusted proxy."""
        scheme, host, prefix = request.scheme, request.host, ""
        if self._is_trusted(peer):
            scheme = _forwarded(request, "Proto", _SCHEME) or scheme
            host = _forwarded(request, "Host", _HOST) or host
            prefix = _forwarded(request, "Prefix", _PREFIX).rstrip("/")
        return f"{scheme}://{host}{prefix}"

    def _pack(self, base: str) -> Packed:
        values = self._values | {"{{origin}}": html.escape(base)}
        # All at once: a value that contains another placeholder must stay as it is.
        body = _PLACEHOLDER.sub(lambda found: values[found[0]], self._page).encode(errors="replace")
        rules = {"Content-Security-Policy": self._policy(urlsplit(base).netloc)}
        return Packed(body, "text/html; charset=utf-8", tag=digest(body), cache="no-cache", rules=rules)

    def _policy(self, host: str) -> str:
        """The Content-Security-Policy: only what the page needs, and only this service."""
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
    """The value of an X-Forwarded header that the nearest proxy set; empty if it can't be valid."""
    text = request.headers.get(f"X-Forwarded-{name}", "").partition(",")[0].strip()
    return text if pattern.fullmatch(text) else ""
