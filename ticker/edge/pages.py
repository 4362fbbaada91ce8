"""`/`: the page with the line, the quotes, the sources, and how to embed it."""

from __future__ import annotations

import html
import re
from urllib.parse import urlsplit

from aiohttp import web

from ticker import assets
from ticker.edge.packed import Packed, Shelf, digest
from ticker.edge.public import HOST, discovery
from ticker.rates.model import NOWHERE

KEPT_BYTES = 1 << 20
_PLACEHOLDER = re.compile(r"\{\{(?:origin|oembed|(?:script|board)(?:-integrity)?)\}\}")
_NOTICE = re.compile(r'<p class="notice".*?</p>\n', re.DOTALL)
"""What only the page of a demo has."""


class Pages:
    """Fills in the page for the address of the request. `demo`: it says that its figures are recorded."""

    def __init__(self, script: bytes, board: bytes, *, demo: bool) -> None:
        self._page = assets.page() if demo else _NOTICE.sub("", assets.page())
        self._styles = assets.style_sources(self._page)
        self.shelf = Shelf(KEPT_BYTES)
        self._values = {
            "{{script}}": assets.address(assets.fingerprint(script)),
            "{{script-integrity}}": assets.integrity(script),
            "{{board}}": assets.address(assets.fingerprint(board), "board"),
            "{{board-integrity}}": assets.integrity(board),
        }

    def answer(self, request: web.Request, base: str) -> web.Response:
        """The page, at this public address of the service."""
        return self.shelf.get(NOWHERE, base, lambda: self._pack(base)).answer(request)

    def _pack(self, base: str) -> Packed:
        here = {"{{origin}}": base, "{{oembed}}": discovery(base, f"{base}/")}
        values = self._values | {name: html.escape(address) for name, address in here.items()}
        # All at once: a value that contains another placeholder must stay as it is.
        body = _PLACEHOLDER.sub(lambda found: values[found[0]], self._page).encode(errors="replace")
        rules = {"Content-Security-Policy": self._policy(urlsplit(base).netloc)}
        return Packed(body, "text/html; charset=utf-8", tag=digest(body), cache="no-cache", rules=rules)

    def _policy(self, host: str) -> str:
        """The Content-Security-Policy: only what the page needs, and only this service."""
        # Safari before 15.4 does not count a WebSocket of the same host as 'self'.
        sockets = f" ws://{host} wss://{host}" if HOST.fullmatch(host) else ""
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
