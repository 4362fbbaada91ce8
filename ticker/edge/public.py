"""The address at which readers reach the service."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from aiohttp import web

HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")
_SCHEME = re.compile(r"https?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/?")


class PublicAddress:
    """Finds our public address: the configured one, or what a request or its proxy says."""

    def __init__(self, configured: str, is_trusted: Callable[[str], bool]) -> None:
        """`is_trusted` says whether an address is a proxy that may name our public address."""
        self._configured = configured
        self._is_trusted = is_trusted

    def of(self, request: web.Request, peer: str) -> str:
        """The address without a slash at its end, for a client that is connected from `peer`."""
        if self._configured:
            return self._configured
        scheme, host, prefix = request.scheme, request.host, ""
        if self._is_trusted(peer):
            scheme = _forwarded(request, "Proto", _SCHEME) or scheme
            host = _forwarded(request, "Host", HOST) or host
            prefix = _forwarded(request, "Prefix", _PREFIX).rstrip("/")
        return f"{scheme}://{host}{prefix}"


def discovery(base: str, address: str) -> str:
    """Where consumers of oEmbed find how to embed an address of ours."""
    # A client may have made up the host.
    here, there = (quote(each, safe=safe, errors="replace") for each, safe in ((base, ":/[]"), (address, "")))
    return f"{here}/oembed?url={there}"


def _forwarded(request: web.Request, name: str, pattern: re.Pattern[str]) -> str:
    """The value of an X-Forwarded header that the nearest proxy set; empty if it can't be valid."""
    text = request.headers.get(f"X-Forwarded-{name}", "").partition(",")[0].strip()
    return text if pattern.fullmatch(text) else ""
