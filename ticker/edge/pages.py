"""`/`: the page with the line, the quotes, the sources, and how to embed it."""

from __future__ import annotations

import html
import re

from aiohttp import web

from ticker import assets
from ticker.edge.packed import Packed, Shelf, digest
from ticker.rates.model import NOWHERE

KEPT_BYTES = 1 << 20
_PLACEHOLDER = re.compile(r"<!--notice-->|\{\{(?:origin|script|integrity)\}\}")
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")


class Pages:
    """Fills the page in for the address by which it was asked for; `notice` is shown on it."""

    def __init__(self, fingerprint: str, integrity: str, *, notice: str) -> None:
        """Of the script that is to be embedded."""
        self._page = assets.page()
        self._styles = assets.style_sources(self._page)
        self.shelf = Shelf(KEPT_BYTES)
        self._values = {
            "<!--notice-->": f'<p class="notice" role="note">{html.escape(notice)}</p>' if notice else "",
            "{{script}}": assets.address(fingerprint),
            "{{integrity}}": integrity,
        }

    def answer(self, request: web.Request) -> web.Response:
        """The page."""
        key = request.scheme, request.host
        return self.shelf.get(NOWHERE, key, lambda: self._pack(*key)).answer(request)

    def _pack(self, scheme: str, host: str) -> Packed:
        values = self._values | {"{{origin}}": html.escape(f"{scheme}://{host}")}
        # At once, so that a value that holds another's placeholder stays as it is.
        body = _PLACEHOLDER.sub(lambda found: values[found[0]], self._page).encode(errors="replace")
        rules = {"Content-Security-Policy": self._policy(host)}
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
