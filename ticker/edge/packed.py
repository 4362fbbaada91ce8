"""Bodies that are compressed once and sent often: which coding a client wants, and what is cached."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

import brotli
from aiohttp import web

Coding = Literal["br", "gzip", "identity"]

JSON = "application/json; charset=utf-8"
QUOTES_CACHE = "public, max-age=5, stale-while-revalidate=25, stale-if-error=3600"
SHELF_BYTES = 4 << 20
"""The most bytes that the cached answers of one kind may take, for all selections together."""

SMALL_BYTES = 1024
"""A body that fits into one packet with its head arrives no sooner if it is compressed."""
QUICKLY, TIGHTLY = 5, 11
"""Brotli's quality for changing bodies and for files (five quotes take 0.06 and 4 ms)."""
NONE: Mapping[str, str] = MappingProxyType({})
ENTRY_BYTES = 4096
"""The memory of a cached body beside its bytes: headers, keys, objects."""

_NAMED = re.compile(
    r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:;\s*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*)?", re.IGNORECASE
)


class NotAcceptable(Exception):
    """The client refuses every available coding. The text is for the client."""


@lru_cache(maxsize=64)
def chosen(accepted: str, *, small: bool) -> Coding | None:
    """
    The coding for a client with this Accept-Encoding (RFC 9110, 12.5.3); None if it refuses all of ours.

    A `small` body is not compressed if the client permits that. A client without the header may know no
    coding.
    """
    named = {}
    for element in accepted.split(","):
        if match := _NAMED.fullmatch(element):
            named[match[1].lower().removeprefix("x-")] = float(match[2] or 1)
    others = named.get("*", 0.0)
    weights: dict[Coding, float] = {"br": named.get("br", others), "gzip": named.get("gzip", others)}
    # Plain text is permitted unless it is refused. At equal weight, the shorter body is chosen.
    weights["identity"] = named.get("identity", named.get("*", max(weights.values()) or 1.0))
    preferred: tuple[Coding, ...] = ("identity", "br", "gzip") if small else ("br", "gzip", "identity")
    best = max(preferred, key=lambda coding: weights[coding])
    return best if weights[best] else None


def is_known(tag: str, known: str) -> bool:
    """
    Whether If-None-Match names this tag, also in a list or as a weak one (RFC 9110, 13.1.2).

    Compressed answers have a weak tag. Our tags have no comma or quote, so that none is found across two
    others.
    """
    return known.strip() == "*" or tag in known


def digest(body: bytes) -> str:
    """A tag for a body that has no cursor."""
    return f'"{hashlib.sha256(body).hexdigest()[:20]}"'


class Packed:
    """
    A body with its headers. Each coding is made when it is first requested.

    All codings share one tag, the cursor. It is weak for a compressed body, because a strong tag would
    promise equal bytes (RFC 9110, 8.8.3).
    """

    __slots__ = ("_bodies", "_headers", "_small", "_validators", "quality", "tag")

    def __init__(
        self,
        body: bytes,
        content_type: str,
        *,
        tag: str,
        cache: str,
        quality: int = QUICKLY,
        rules: Mapping[str, str] = NONE,
    ) -> None:
        """`rules` are the headers that limit what a document may do."""
        self.tag = tag
        self.quality = quality
        self._small = len(body) < SMALL_BYTES
        self._bodies: dict[Coding, bytes] = {"identity": body}
        plain = {"ETag": tag, "Cache-Control": cache, "Vary": "Accept-Encoding", **rules}
        packed = plain | {"ETag": f"W/{tag}"}
        self._validators: dict[Coding, dict[str, str]] = {"identity": plain, "br": packed, "gzip": packed}
        kind = {"Content-Type": content_type, "X-Content-Type-Options": "nosniff"}
        self._headers: dict[Coding, dict[str, str]] = {
            "identity": plain | kind,
            "br": packed | kind | {"Content-Encoding": "br"},
            "gzip": packed | kind | {"Content-Encoding": "gzip"},
        }

    def answer(self, request: web.Request) -> web.Response:
        """The body in the coding that the client prefers; 304 if the client has it. Raises NotAcceptable."""
        headers = request.headers
        coding = chosen(",".join(headers.getall("Accept-Encoding", ())), small=self._small)
        if coding is None:
            raise NotAcceptable(
                "the answer is available in br, gzip and identity, and the request refuses all three"
            )
        known = headers.getall("If-None-Match", None)
        if known and is_known(self.tag, ",".join(known)):
            return web.Response(status=304, headers=self._validators[coding])
        return web.Response(body=self.body(coding), headers=self._headers[coding])

    def body(self, coding: Coding) -> bytes:
        """The bytes in a coding."""
        found = self._bodies.get(coding)
        if found is None:
            plain = self._bodies["identity"]
            packed = (
                brotli.compress(plain, quality=self.quality)
                if coding == "br"
                else gzip.compress(plain, min(self.quality, 9), mtime=0)
            )
            found = self._bodies[coding] = packed
        return found

    @property
    def most_bytes(self) -> int:
        """The memory that it can take, all codings made; none of them is longer than the text and a frame."""
        return 3 * len(self._bodies["identity"]) + ENTRY_BYTES


@lru_cache(maxsize=16)
def asset(body: bytes, content_type: str, cache: str) -> Packed:
    """A file that never changes. It is compressed as tightly as possible, at once."""
    packed = Packed(body, content_type, tag=digest(body), cache=cache, quality=TIGHTLY)
    packed.body("br")
    packed.body("gzip")
    return packed


class Shelf:
    """
    The compressed bodies since the last change, by request.

    Clients choose their requests, so it holds at most `most_bytes`. The body that was not requested for
    longest is dropped.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self._version: Hashable = None
        self._packed: OrderedDict[Hashable, Packed] = OrderedDict()

    def __len__(self) -> int:
        return len(self._packed)

    def get(self, version: Hashable, key: Hashable, make: Callable[[], Packed]) -> Packed:
        """The body of a version under this key. It is made if there is none."""
        return self.find(version, key) or self.keep(key, make())

    def find(self, version: Hashable, key: Hashable) -> Packed | None:
        """The body of a version under this key. A new version drops everything."""
        if version != self._version:
            self._packed.clear()
            self._version, self.bytes = version, 0
        found = self._packed.get(key)
        if found is not None:
            self._packed.move_to_end(key)
        return found

    def keep(self, key: Hashable, packed: Packed) -> Packed:
        """Cache this under a new key."""
        self._packed[key] = packed
        self.bytes += packed.most_bytes
        while self.bytes > self.most_bytes:
            _, oldest = self._packed.popitem(last=False)
            self.bytes -= oldest.most_bytes
        return packed
