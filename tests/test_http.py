"""How HTTP answers: what is packed, what a client has already, who may read, what the documents say of it."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import html
import json
import random
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import brotli
import pytest
from redis.asyncio import Redis
from stage import answer_holds_to_the_schema, until

import ticker
from ticker import assets, line, schemas
from ticker.config import LimitSettings, ServerSettings, Settings
from ticker.edge import Edge
from ticker.edge.http import ASSETS, PLUGIN, Routes
from ticker.edge.packed import ENTRY_BYTES, Packed, Shelf, chosen, is_known
from ticker.edge.scripts import LOOK_SECONDS, Scripts
from ticker.rates.model import Cursor, Pair
from ticker.sources import SOURCES
from ticker.store import Store

if TYPE_CHECKING:
    from tests.conftest import OpenStore, Publisher, QuoteOf

FIVE = tuple(Pair(code, "USD") for code in ("KGS", "KZT", "TJS", "UZS", "TMT"))
BROWSER = "gzip, deflate, br, zstd"
SCRIPT, BOARD = assets.built("ticker.js"), assets.built("board.js")
OURS = {assets.fingerprint(each) for each in (SCRIPT, BOARD)}
OWN = assets.address(assets.fingerprint(SCRIPT))
OLD = b"customElements.define('currency-ticker', class extends HTMLElement {});" * 30
OLDER = assets.address(assets.fingerprint(OLD))
NEWER = OLD + b"// as of tomorrow"
RELEASED = Path(__file__).parents[1] / "widget" / "released"


@dataclass
class Site:
    """A running edge and a client of it that unpacks nothing and holds every answer to its schema."""

    edge: Edge
    url: str
    session: aiohttp.ClientSession

    async def get(
        self, path: str, *, method: str = "GET", **headers: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        skip = ("Accept-Encoding",)
        async with self.session.request(method, path, headers=names, skip_auto_headers=skip) as answer:
            body = await answer.read()
            answer_holds_to_the_schema(path, answer.status, answer.headers, body, method=method)
            return answer.status, answer.headers, body

    @property
    def routes(self) -> Routes:
        return self.edge._routes

    async def reached(self, cursor: Cursor) -> None:
        await until(lambda: self.edge._broadcast.mirror.cursor == cursor)


@asynccontextmanager
async def running(
    store: Store,
    symbols: tuple[Pair, ...] = FIVE,
    *,
    limits: LimitSettings = LimitSettings(),  # noqa: B008 - a frozen value
    **server: Any,
) -> AsyncIterator[Site]:
    settings = Settings(symbols=symbols, server=ServerSettings(port=0, **server), limits=limits)
    edge = Edge(store, settings, dict(SOURCES), enabled=frozenset({"nbkr"}))
    async with (
        edge.serving() as address,
        aiohttp.ClientSession(address, auto_decompress=False) as session,
        following(edge),
    ):
        await edge.until_loaded(5)
        yield Site(edge, address, session)


@asynccontextmanager
async def following(edge: Edge) -> AsyncIterator[None]:
    task: asyncio.Task[None] = asyncio.create_task(edge.follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
async def site(store: Store) -> AsyncIterator[Site]:
    async with running(store) as site:
        yield site


@pytest.fixture
async def five(site: Site, publisher: Publisher, quote_of: QuoteOf) -> Cursor:
    """All five are quoted; the cursor at which they are."""
    cursor = await publisher.say(*(quote_of(symbol.base, "87.45") for symbol in FIVE))
    await site.reached(cursor)
    return cursor


# Codings.


@pytest.mark.parametrize(
    ("accepted", "large", "small"),
    [
        ("", "identity", "identity"),
        ("br", "br", "identity"),
        ("gzip", "gzip", "identity"),
        (BROWSER, "br", "identity"),
        ("GZIP", "gzip", "identity"),
        ("x-gzip", "gzip", "identity"),
        ("deflate", "identity", "identity"),
        ("identity", "identity", "identity"),
        ("*", "br", "identity"),
        ("br;q=0", "identity", "identity"),
        ("br;q=0, gzip", "gzip", "identity"),
        ("br;q=0, *", "gzip", "identity"),
        ("br;q=0.5, gzip;q=0.8", "gzip", "identity"),
        ("br;q=0.8,gzip;q=0.8", "br", "identity"),
        ("gzip; q=0.001", "gzip", "identity"),
        ("gzip ;Q=1.000 , br;q=0.999", "gzip", "identity"),
        ("gzip;q=0.5, identity", "identity", "identity"),
        ("gzip, identity;q=0.5", "gzip", "gzip"),
        ("br, identity;q=0", "br", "br"),
        ("gzip, *;q=0", "gzip", "gzip"),
        ("*;q=0", None, None),
        ("identity;q=0", None, None),
        ("identity;q=0.0, br;q=0, gzip;q=0", None, None),
        ("zstd, *;q=0", None, None),
        ("*;q=0, identity", "identity", "identity"),
        ("*;q=0.1, identity;q=0", "br", "br"),
        # What is none of RFC 9110's is overheard.
        ("br;q=2, gzip;q=-1, x;q=", "identity", "identity"),
        ("br;q=0.0001, gzip;q=nan", "identity", "identity"),
        ("gzip;level=9, br", "br", "identity"),
        ("bro, gzippy", "identity", "identity"),
        (",, ,gzip,", "gzip", "identity"),
    ],
)
def test_a_client_gets_the_coding_that_it_likes_best(
    accepted: str, large: str | None, small: str | None
) -> None:
    assert (chosen(accepted, small=False), chosen(accepted, small=True)) == (large, small)


async def test_quotes_are_packed_as_the_client_asks_and_say_the_same(site: Site, five: Cursor) -> None:
    _, headers, plain = await site.get("/v1/quotes")
    assert "Content-Encoding" not in headers
    assert len(json.loads(plain)["quotes"]) == 5

    for accepted, coding, unpack in (
        (BROWSER, "br", brotli.decompress),
        ("gzip", "gzip", gzip.decompress),
        ("gzip;q=0.9, br;q=0.1", "gzip", gzip.decompress),
        ("br;q=0, gzip;q=0, identity", None, bytes),
        ("", None, bytes),
    ):
        status, headers, body = await site.get("/v1/quotes", Accept_Encoding=accepted)
        assert (status, headers.get("Content-Encoding")) == (200, coding)
        assert headers["Vary"] == "Accept-Encoding"
        # What is packed is the same only in meaning.
        assert headers["ETag"] == (f'W/"{five}"' if coding else f'"{five}"')
        assert int(headers["Content-Length"]) == len(body)
        assert unpack(body) == plain
        assert coding is None or len(body) < len(plain) / 2


async def test_what_fits_into_a_packet_is_packed_only_for_those_who_insist(site: Site, five: Cursor) -> None:
    for path in ("/v1/quotes/KGS", "/v1/quotes?symbols=KGS"):
        _, headers, plain = await site.get(path, Accept_Encoding=BROWSER)
        assert "Content-Encoding" not in headers
        _, headers, body = await site.get(path, Accept_Encoding="br, identity;q=0")
        assert headers["Content-Encoding"] == "br"
        assert brotli.decompress(body) == plain


async def test_who_refuses_every_coding_is_told_so(site: Site, five: Cursor) -> None:
    for path in ("/v1/quotes", "/v1/quotes/KGS", "/ticker.js", "/", "/openapi.json"):
        status, headers, body = await site.get(path, Accept_Encoding="identity;q=0", If_None_Match="*")
        assert (status, headers["Vary"]) == (406, "Accept-Encoding")
        assert "the request refuses all three" in json.loads(body)["detail"]


FILES = [
    *(f"/{name}" for name in ASSETS),
    "/openapi.json",
    "/asyncapi.json",
    "/v1/names/kk.json",
    PLUGIN,
]


@pytest.mark.parametrize("path", FILES)
async def test_files_are_packed_as_tightly_as_can_be(path: str, site: Site) -> None:
    _, headers, plain = await site.get(path)
    _, packed_headers, packed = await site.get(path, Accept_Encoding=BROWSER)

    assert packed_headers["Content-Encoding"] == "br"
    assert packed_headers["ETag"] == f"W/{headers['ETag']}"
    assert packed == brotli.compress(plain, quality=11)
    assert (await site.get(path, Accept_Encoding="gzip"))[2] == gzip.compress(plain, 9, mtime=0)
    for known in (headers["ETag"], packed_headers["ETag"]):
        assert (await site.get(path, If_None_Match=known))[::2] == (304, b"")


# What a client has already.


@pytest.mark.parametrize(
    ("known", "so"),
    [
        ('"1-1"', True),
        ('W/"1-1"', True),
        ('"x", "1-1"', True),
        ('"x",W/"1-1" , "y"', True),
        ('"a, b", "1-1"', True),
        ("*", True),
        (" * ", True),
        ('"1-12"', False),
        ('"11-1"', False),
        ("1-1", False),
        ('"x, 1-1"', False),
        ('"x", "y"', False),
        ('"1-1', False),
        ("", False),
        ("**", False),
        ('w/"1-1', False),
    ],
)
def test_a_tag_is_known_if_it_is_named_among_others_or_weakened(known: str, so: bool) -> None:
    assert is_known('"1-1"', known) is so


async def test_who_has_the_quotes_already_gets_none_of_them(
    site: Site, five: Cursor, publisher: Publisher, quote_of: QuoteOf
) -> None:
    tag = f'"{five}"'
    _, fresh, _ = await site.get("/v1/quotes", Accept_Encoding="br")
    for known in (tag, f"W/{tag}", f'"x", W/{tag}', "*"):
        status, headers, body = await site.get("/v1/quotes", If_None_Match=known, Accept_Encoding="br")
        assert (status, body) == (304, b"")
        for name in ("ETag", "Cache-Control", "Vary", "Access-Control-Allow-Origin"):
            assert headers[name] == fresh[name]
        assert "Content-Encoding" not in headers
    assert (await site.get("/v1/quotes", If_None_Match=str(five)))[0] == 200
    assert (await site.get("/v1/quotes?symbols=KGS", If_None_Match=tag))[0] == 200

    await site.reached(await publisher.say(quote_of("KGS", "88")))
    status, headers, _ = await site.get("/v1/quotes", If_None_Match=tag)
    assert (status, headers["ETag"]) == (200, f'"{publisher.seen}"')


async def test_a_cache_may_show_quotes_while_it_asks_and_while_nobody_answers(site: Site) -> None:
    _, headers, _ = await site.get("/v1/quotes")

    rules = dict(rule.partition("=")[::2] for rule in headers["Cache-Control"].split(", "))
    assert set(rules) == {"public", "max-age", "stale-while-revalidate", "stale-if-error"}
    assert int(rules["max-age"]) < int(rules["stale-while-revalidate"]) < int(rules["stale-if-error"])


async def test_one_quote_changes_its_tag_only_when_it_changes_itself(
    site: Site, five: Cursor, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async def tag(symbol: str) -> str:
        return (await site.get(f"/v1/quotes/{symbol}"))[1]["ETag"]

    kgs, kzt = await tag("KGS"), await tag("KZT")
    await site.reached(await publisher.say(quote_of("KZT", "472")))

    assert await tag("KGS") == kgs
    assert await tag("KZT") != kzt


PATHS = ["/", "/ticker.js", "/board.js", "/openapi.json", "/v1/quotes", "/v1/quotes/KGS", "/v1/history/KGS"]
PATHS += [
    "/v1/line.html",
    "/v1/line.svg?theme=dark",
    f"/{OWN}",
    f"/{assets.address(assets.fingerprint(BOARD), 'board')}",
    "/v1/sources",
    "/v1/names/ky.json",
    "/v1/labels/ky.json",
    "/oembed?url=x",
    "/healthz",
    "/readyz",
    "/health",
    "/v1/quotes?symbols=XYZ",
    "/nowhere",
]


# The words of a route that is none name the method, so that is left out.
@pytest.mark.parametrize("path", [path for path in PATHS if path != "/nowhere"])
async def test_head_is_get_without_the_body(path: str, site: Site, five: Cursor) -> None:
    def lasting(headers: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in headers.items() if name != "Date"}

    for accepted in ("br", "identity"):
        status, headers, body = await site.get(path, Accept_Encoding=accepted)
        head_status, head_headers, nothing = await site.get(path, method="HEAD", Accept_Encoding=accepted)

        assert (head_status, nothing) == (status, b"")
        assert lasting(head_headers) == lasting(headers)
        assert int(head_headers["Content-Length"]) == len(body)


# What is kept.


def packed(size: int) -> Packed:
    return Packed(b"x" * size, "text/plain", tag='"x"', cache="no-cache")


def test_a_coding_is_made_once() -> None:
    one = Packed(b'{"price":"0.0114351"}' * 100, "text/plain", tag='"x"', cache="no-cache")

    for coding, unpack in (("br", brotli.decompress), ("gzip", gzip.decompress), ("identity", bytes)):
        body = one.body(coding)  # type: ignore[arg-type]
        assert unpack(body) == one.body("identity")
        assert one.body(coding) is body  # type: ignore[arg-type]


def test_a_shelf_keeps_what_is_asked_for_until_something_changes() -> None:
    shelf, made = Shelf(1 << 20), []

    def ask(cursor: Cursor, key: str) -> Packed:
        return shelf.get(cursor, key, lambda: made.append((cursor, key)) or packed(100))  # type: ignore[func-returns-value]

    first, then, anew = Cursor(1, 1), Cursor(1, 2), Cursor(2, 1)
    kept = ask(first, "a")
    assert ask(first, "a") is kept
    assert ask(first, "b") is not kept
    assert made == [(first, "a"), (first, "b")]
    for cursor in (then, anew):
        assert ask(cursor, "a") is not kept
        assert len(shelf) == 1
        assert shelf.bytes == packed(100).most_bytes
    # Back to a cursor of before, after a loss of data: what was packed since is not for it.
    last = ask(anew, "a")
    assert ask(first, "a") is not last


def test_a_shelf_never_holds_more_than_it_may_and_lets_the_least_asked_for_go() -> None:
    most = 10 * packed(1000).most_bytes
    shelf, cursor = Shelf(most), Cursor(1, 1)
    usual = shelf.get(cursor, "usual", lambda: packed(1000))

    for number in range(1000):
        shelf.get(cursor, number, lambda: packed(1000))
        assert shelf.get(cursor, "usual", lambda: packed(1000)) is usual
        assert shelf.bytes <= most
    assert len(shelf) == 10
    shelf.get(cursor, "far too large", lambda: packed(most))
    assert (len(shelf), shelf.bytes) == (0, 0)


def test_packed_bytes_are_never_more_than_was_reckoned() -> None:
    for body in (
        b"",
        b"x",
        b"x" * 10_000,
        random.Random(1).randbytes(300),
        random.Random(2).randbytes(70_000),
    ):
        one = Packed(body, "text/plain", tag='"x"', cache="no-cache")
        made = sum(len(one.body(coding)) for coding in ("br", "gzip", "identity"))  # type: ignore[arg-type]
        assert made <= one.most_bytes - ENTRY_BYTES / 2


async def test_quotes_are_packed_once_for_all_who_choose_the_same(
    site: Site, five: Cursor, publisher: Publisher, quote_of: QuoteOf
) -> None:
    shelf = site.routes._answers
    for symbols in ("KGS,KZT", "KZT,KGS", "kzt/usd%20KGS", "KZT,,KGS,KZT"):
        for accepted in (BROWSER, "gzip", "identity"):
            await site.get(f"/v1/quotes?symbols={symbols}", Accept_Encoding=accepted)
    assert len(shelf) == 1
    for symbols in ("", "?symbols=", "?symbols=KGS,KZT,TJS,UZS,TMT"):
        await site.get(f"/v1/quotes{symbols}")
    assert len(shelf) == 2

    await site.reached(await publisher.say(quote_of("KZT", "472")))
    await site.get("/v1/quotes")
    assert len(shelf) == 1


async def test_selections_that_clients_think_of_do_not_fill_the_memory(
    site: Site, five: Cursor, publisher: Publisher, quote_of: QuoteOf
) -> None:
    shelf = site.routes._answers
    shelf.most_bytes = 60_000
    selections = [some for count in range(1, 6) for some in combinations(FIVE, count)]

    for _ in range(2):
        for some in selections:
            path = "/v1/quotes?symbols=" + ",".join(map(str, some))
            _, _, body = await site.get(path)
            assert [quote["symbol"] for quote in json.loads(body)["quotes"]] == list(map(str, some))
            assert shelf.bytes <= 60_000
    assert 0 < len(shelf) < len(selections)


FORWARDED = {
    "X_Forwarded_Proto": "https",
    "X_Forwarded_Host": "rates.example",
    "X_Forwarded_Prefix": "/fx",
}


@pytest.mark.parametrize(
    ("server", "headers", "base"),
    [
        ({}, FORWARDED, "https://rates.example/fx"),
        ({}, {"X_Forwarded_Proto": "https, http", "Host": "rates.example"}, "https://rates.example"),
        ({}, FORWARDED | {"X_Forwarded_Prefix": "/fx/"}, "https://rates.example/fx"),
        # What can't be is left out.
        (
            {},
            {
                "Host": "a.example",
                "X_Forwarded_Proto": "javascript",
                "X_Forwarded_Host": 'a"><script>',
                "X_Forwarded_Prefix": "/a b",
            },
            "http://a.example",
        ),
        # Anybody may write these headers who is no proxy of ours.
        ({"trusted_proxies": ()}, FORWARDED | {"Host": "a.example"}, "http://a.example"),
        ({"public_url": "https://own.example/rates"}, FORWARDED, "https://own.example/rates"),
    ],
)
async def test_the_page_names_the_address_under_which_readers_reach_it(
    server: dict[str, Any], headers: dict[str, str], base: str, store: Store
) -> None:
    async with running(store, **server) as site:
        _, answered, body = await site.get("/", **headers)

    text = html.unescape(body.decode())
    assert f'src="{base}/ticker.js"' in text
    assert f" wss://{urlsplit(base).netloc}" in answered["Content-Security-Policy"]


async def test_names_that_clients_give_the_host_do_not_fill_the_memory(site: Site) -> None:
    shelf = site.routes._pages.shelf
    shelf.most_bytes = most = 400_000

    for number in range(20):
        _, headers, body = await site.get("/", Host=f"site-{number}.example")
        assert f"http://site-{number}.example/ticker.js".encode() in body
        assert f" wss://site-{number}.example;" in headers["Content-Security-Policy"]
        assert shelf.bytes <= most
    assert 0 < len(shelf) < 20


# Who may read.


async def test_any_site_may_read_everything_by_default(site: Site, five: Cursor) -> None:
    for path in PATHS:
        _, headers, _ = await site.get(path, Origin="https://anybody.example")
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert headers["Access-Control-Expose-Headers"] == "Age, Date, ETag, Retry-After"
        assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert "Origin" not in headers.get("Vary", "")


async def test_with_a_list_of_sites_only_those_are_named(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    ours, also = "https://ours.example", "http://localhost:3000"
    async with running(store, origins=(ours, also)) as site:
        await site.reached(await publisher.say(quote_of("KGS", "87")))
        for path in PATHS:
            for origin in (ours, also):
                _, headers, _ = await site.get(path, Origin=origin)
                assert headers["Access-Control-Allow-Origin"] == origin
                assert "Origin" in headers["Vary"].split(", ")
            for origin in (
                "https://theirs.example",
                f"{ours}.evil.example",
                "https://ours.exampl",
                "null",
                "",
            ):
                status, headers, _ = await site.get(path, Origin=origin)
                assert status != 403
                assert "Access-Control-Allow-Origin" not in headers
                assert "Origin" in headers["Vary"].split(", ")
        _, headers, _ = await site.get("/v1/quotes")
        assert "Access-Control-Allow-Origin" not in headers
        assert headers["Vary"] == "Accept-Encoding, Origin"
        status, headers, _ = await site.get("/v1/quotes", If_None_Match="*", Origin=ours)
        assert (status, headers["Access-Control-Allow-Origin"]) == (304, ours)
        assert headers["Vary"] == "Accept-Encoding, Origin"


async def asked_for_leave(site: Site, path: str, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    async with site.session.options(path, headers=names) as answer:
        return answer.status, answer.headers, await answer.read()


SHARED = [path for path in PATHS if path.startswith(("/v1/", "/ticker", "/board", "/oembed"))]
SHARED += ["/v1/events", "/ticker.js.map", "/board.js.map"]


@pytest.mark.parametrize("path", SHARED)
async def test_a_browser_gets_leave_to_ask_with_headers_as_documented(path: str, site: Site) -> None:
    status, headers, body = await asked_for_leave(
        site, path, Origin="https://x.example", Access_Control_Request_Headers="if-none-match"
    )

    assert (status, body) == (204, b"")
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Access-Control-Allow-Methods"] == "GET, HEAD"
    assert headers["Access-Control-Allow-Headers"].split(", ") == [
        *("If-None-Match", "Last-Event-ID", "Cache-Control"),
        *("X-Requested-With", "Content-Type", "Authorization"),
    ]
    assert headers["Access-Control-Max-Age"] == "86400"
    documented = schemas.openapi()["components"]["responses"]["leave"]["headers"]
    assert documented.keys() <= headers.keys()


async def test_leave_is_given_to_the_sites_on_the_list_and_nowhere_else(store: Store) -> None:
    ours = "https://ours.example"
    async with running(store, origins=(ours,)) as site:
        _, named, _ = await asked_for_leave(site, "/v1/quotes", Origin=ours)
        _, unnamed, _ = await asked_for_leave(site, "/v1/quotes", Origin="https://theirs.example")
        for path in ("/", "/healthz", "/openapi.json", "/v1/stream"):
            assert (await asked_for_leave(site, path, Origin=ours))[0] == 405

    assert named["Access-Control-Allow-Origin"] == ours
    assert "Access-Control-Allow-Origin" not in unnamed


async def test_no_answer_tells_the_version_of_what_serves_it(site: Site) -> None:
    address = urlsplit(site.url)
    for request in (
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close",
        b"GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close",
        b"GET /v1/stream HTTP/1.1\r\nHost: a\r\nConnection: close",
        b"NO HTTP AT ALL",
    ):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(request + b"\r\n\r\n")
        head, _, _ = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        servers = [line for line in head.split(b"\r\n") if line.lower().startswith(b"server:")]
        assert servers == [b"Server: ticker"], head


# The script by its bytes.


def unpacked(headers: Mapping[str, str], body: bytes) -> bytes:
    return brotli.decompress(body) if headers.get("Content-Encoding") == "br" else body


async def test_a_script_by_its_bytes_may_be_kept_for_ever(site: Site) -> None:
    status, headers, body = await site.get(f"/{OWN}", Accept_Encoding=BROWSER)

    assert status == 200
    assert unpacked(headers, body) == SCRIPT == (await site.get("/ticker.js"))[2]
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert f"ticker.{hashlib.sha256(SCRIPT).hexdigest()[:16]}.js" == OWN
    assert SCRIPT.rstrip().endswith(b"sourceMappingURL=ticker.js.map")
    assert (await site.get(f"/{OWN}", If_None_Match=headers["ETag"]))[0] == 304


async def test_each_script_is_pinned_under_its_own_name(site: Site) -> None:
    pinned = assets.address(assets.fingerprint(BOARD), "board")
    status, headers, body = await site.get(f"/{pinned}", Accept_Encoding=BROWSER)

    assert (status, unpacked(headers, body)) == (200, BOARD)
    assert unpacked(headers, body) == (await site.get("/board.js"))[2]
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert BOARD.rstrip().endswith(b"sourceMappingURL=board.js.map")
    assert (await site.get(f"/{OWN.replace('ticker', 'board')}"))[0] == 404
    assert (await site.get(f"/{pinned.replace('board', 'ticker')}"))[0] == 404


async def test_another_versions_board_is_served_as_such(site: Site, store: Store) -> None:
    old = OLD + b"//# sourceMappingURL=board.js.map\n"
    await Scripts(store, OLD, old).keep()
    pinned = assets.address(assets.fingerprint(old), "board")
    await until(lambda: status_is(site, f"/{pinned}", 200))

    assert (await site.get(f"/{pinned}"))[2] == old
    for path in (pinned.replace("board", "ticker"), OLDER.replace("ticker", "board")):
        assert (await site.get(f"/{path}"))[0] == 404
    assert (await site.get(f"/{OLDER}"))[::2] == (200, OLD)


async def test_another_versions_script_is_served_by_all_who_share_a_redis(site: Site, store: Store) -> None:
    await until(lambda: store_has(store, OURS))
    assert await store.scripts() == OURS
    assert (await site.get(f"/{OLDER}"))[::2][0] == 404

    # Another machine starts with it, a moment after somebody asked too early.
    await Scripts(store, OLD).keep()
    await until(lambda: status_is(site, f"/{OLDER}", 200))

    status, headers, body = await site.get(f"/{OLDER}", Accept_Encoding=BROWSER)
    assert (status, unpacked(headers, body)) == (200, OLD)
    assert headers["Cache-Control"].endswith("immutable")
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert await store.scripts() == OURS | {assets.fingerprint(OLD)}


async def test_scripts_outlive_a_flush_and_an_upgrade(
    site: Site, store: Store, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was never asked for another version's script brings it back, too."""
    monkeypatch.setattr(ticker.edge.scripts, "KEEP_SECONDS", 0.1)
    await Scripts(store, OLD).keep()
    scripts = Scripts(store, NEWER)
    keeping = asyncio.create_task(scripts.keep_always())
    try:
        everything = OURS | {assets.fingerprint(each) for each in (OLD, NEWER)}
        await until(lambda: store_has(store, everything))
        await until(lambda: scripts._others.keys() == everything - {assets.fingerprint(NEWER)})

        await redis.flushall()

        await until(lambda: store_has(store, everything))
        assert (await site.get(f"/{OLDER}"))[::2] == (200, OLD)
    finally:
        keeping.cancel()


async def store_has(store: Store, fingerprints: set[str]) -> bool:
    return await store.scripts() >= fingerprints


def test_the_package_has_the_script_of_every_earlier_version_in_the_changelog() -> None:
    changelog = (Path(ticker.__file__).parent / "docs" / "changelog.md").read_text()
    versions = re.findall(r"^## ([0-9.]+)", changelog, re.MULTILINE)
    assert versions[0] == ticker.__version__
    assert sorted(each.name for each in RELEASED.iterdir()) == sorted(
        f"ticker-{version}.js" for version in versions[1:]
    )


@pytest.mark.parametrize("script", assets.released())
async def test_an_earlier_versions_script_is_served_though_redis_never_had_it(
    script: bytes, site: Site
) -> None:
    status, headers, body = await site.get(f"/ticker.{assets.fingerprint(script)}.js")

    assert (status, body) == (200, script)
    assert headers["Cache-Control"].endswith("immutable")


async def status_is(site: Site, path: str, status: int) -> bool:
    return (await site.get(path))[0] == status


async def test_a_script_that_is_not_what_its_address_says_is_not_served(site: Site, store: Store) -> None:
    await store.keep_script(assets.fingerprint(OLD), OLD.decode() + "steal()", now_ms=1)

    status, headers, _ = await site.get(f"/{OLDER}")
    assert (status, headers["Cache-Control"]) == (404, "no-store")


@pytest.mark.parametrize(
    "name", ["0" * 15, "0" * 17, "0" * 15 + "G", "A" * 16, "", "%00" * 16, "../" + "0" * 16]
)
async def test_what_is_no_fingerprint_is_no_address(name: str, site: Site) -> None:
    assert (await site.get(f"/ticker.{name}.js"))[0] == 404


async def test_a_flood_of_scripts_that_are_none_asks_redis_once_a_second(site: Site, redis: Redis) -> None:
    async def questions() -> int:
        counted: Any = await redis.info("commandstats")
        return sum(counted.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("hkeys", "hget"))

    before, start = await questions(), time.monotonic()
    for number in range(300):
        assert (await site.get(f"/ticker.{number:016x}.js"))[0] == 404
    took = time.monotonic() - start

    assert 1 <= await questions() - before <= 2 + took / LOOK_SECONDS
    assert not site.routes.scripts._others


async def test_while_redis_is_away_only_other_versions_scripts_are(open_store: OpenStore) -> None:
    settings = Settings(symbols=FIVE, server=ServerSettings(port=0))
    async with open_store("unix:///nowhere/redis.sock") as store:
        edge = Edge(store, settings, dict(SOURCES), enabled=frozenset())
        async with edge.serving() as url, aiohttp.ClientSession(url, auto_decompress=False) as session:
            site = Site(edge, url, session)
            for _ in range(2):
                status, headers, _ = await site.get(f"/{OLDER}")
                assert (status, "Retry-After" in headers) == (503, True)
            assert (await site.get(f"/{OWN}"))[0] == 200
            for path, words in (("/v1/line.html?locale=ru", "ждём"), ("/v1/line.svg", "waiting for rates")):
                status, headers, body = await site.get(path, If_None_Match="*")
                assert (status, headers["Cache-Control"]) == (503, "no-store")
                assert words in body.decode()
                assert all(f"{pair}: The quotes have not been read" in body.decode() for pair in FIVE)
            assert (await site.get("/v1/line.html?symbols=XYZ"))[0] == 400


# The page.


async def test_the_page_names_the_scripts_of_exactly_these_bytes(site: Site) -> None:
    names = "{{script}} {{script-integrity}} {{board}} {{board-integrity}}"
    site.routes._pages._page = names + " {{script}} {{origin}} {{more}}"
    _, _, body = await site.get("/", Host="{{script-integrity}}.example")

    *told, origin, more = body.decode().split(" ")
    pinned = assets.address(assets.fingerprint(BOARD), "board")
    assert told == [OWN, integrity(SCRIPT), pinned, integrity(BOARD), OWN]
    assert (origin, more) == ("http://{{script-integrity}}.example", "{{more}}")


def integrity(script: bytes) -> str:
    return f"sha384-{base64.b64encode(hashlib.sha384(script).digest()).decode()}"


async def test_the_page_may_do_what_it_does_and_no_more(site: Site) -> None:
    _, headers, body = await site.get("/")
    rules = dict(rule.partition(" ")[::2] for rule in headers["Content-Security-Policy"].split("; "))
    styles = re.findall(rb"<style>(.*?)</style>", body, re.DOTALL)

    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'self'"
    assert rules["style-src"].split() == [
        f"'sha256-{base64.b64encode(hashlib.sha256(style).digest()).decode()}'" for style in styles
    ]
    host = urlsplit(site.url).netloc
    assert rules["connect-src"].split() == ["'self'", f"ws://{host}", f"wss://{host}"]
    assert not re.search(rb"<[^>]+ (style|on\w+)=", body)


async def test_a_host_that_is_none_gets_into_no_header(site: Site) -> None:
    for host in ("x; script-src *", "x,y", "x y", "'unsafe-inline'", "*"):
        _, headers, _ = await site.get("/", Host=host)
        assert "; connect-src 'self';" in headers["Content-Security-Policy"]


# The line without a script.

SHOWN = re.compile(r' data-symbol="([A-Z/]+)"')


async def test_the_line_comes_in_the_order_that_was_asked_for_and_is_packed(site: Site, five: Cursor) -> None:
    status, headers, page = await site.get("/v1/line.html?symbols=TJS,kgs/usd%20TJS&locale=ru")
    _, packed_headers, packed = await site.get("/v1/line.html", Accept_Encoding=BROWSER)

    assert status == 200
    assert SHOWN.findall(page.decode()) == ["TJS/USD", "KGS/USD"]
    assert headers["Content-Security-Policy"] == line.HTML_POLICY
    assert "frame-ancestors" not in line.HTML_POLICY
    assert "max-age=5," in headers["Cache-Control"]
    assert SHOWN.findall(brotli.decompress(packed).decode()) == list(map(str, FIVE))
    assert "National Bank of the Kyrgyz Republic" in brotli.decompress(packed).decode()
    assert (await site.get("/v1/line.html", If_None_Match=packed_headers["ETag"]))[::2] == (304, b"")


async def test_the_line_shows_symbols_the_other_way_round(site: Site, five: Cursor) -> None:
    _, _, page = await site.get("/v1/line.html?symbols=usdkgs,KGS-USD,USD/KGS")

    shown = re.findall(r'data-symbol="([^"]+)".*?<b>(.*?)</b> = <span>(.*?)</span>', page.decode())
    assert shown == [("USD/KGS", "USD/KGS", "87.45"), ("KGS/USD", "KGS/USD", "0.01144")]


async def test_the_policy_of_the_line_allows_its_own_style_and_nothing_else(site: Site, five: Cursor) -> None:
    for path in ("/v1/line.html", "/v1/line.svg"):
        _, headers, body = await site.get(path)
        [style] = re.findall(rb"<style>(.*?)</style>", body, re.DOTALL)
        rules = dict(rule.partition(" ")[::2] for rule in headers["Content-Security-Policy"].split("; "))
        assert (rules["default-src"], rules["style-src"]) == ("'none'", hashed(style))
        scripts = {hashed(each) for each in re.findall(rb"<script>(.*?)</script>", body, re.DOTALL)}
        told = "console.warn(document.currentScript.dataset.faults)"
        assert set(rules["script-src"].split()) == {hashed(told.encode()), *scripts}
        assert rules.get("connect-src") == ("'self'" if scripts else None)
        assert headers["X-Content-Type-Options"] == "nosniff"
        # A page that is isolated shows nobody who is not.
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"


def hashed(text: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'"


async def test_a_pair_without_a_quote_stands_in_the_line(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await site.reached(await publisher.say(quote_of("KZT", "471")))

    for path in ("/v1/line.html", "/v1/line.svg"):
        _, _, body = await site.get(f"{path}?symbols=USD/KGS,KZT")
        assert re.search(r">USD/KGS</?.*>= …<|<b>USD/KGS</b> = <span>…</span>", body.decode())
        assert re.search(r"USD/KGS: (No process|NBKR|No source) ", body.decode())


async def test_a_line_of_symbols_that_are_none_is_refused_in_words(site: Site, five: Cursor) -> None:
    for path in ("/v1/line.html", "/v1/line.svg"):
        status, headers, body = await site.get(f"{path}?symbols=XYZ")
        assert (status, headers["Content-Type"].partition(";")[0]) == (400, "application/problem+json")
        assert "XYZ/USD is not served here" in json.loads(body)["detail"]
        assert (await site.get(f"{path}?locale=%22%3E&theme=x&digits=99&format=&width=x"))[0] == 200


async def test_only_sites_on_the_list_may_frame_the_line(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with running(store, origins=("https://ours.example", "https://also.example")) as site:
        await site.reached(await publisher.say(quote_of("KGS", "87")))
        _, headers, _ = await site.get("/v1/line.html")

    policy = headers["Content-Security-Policy"]
    assert policy.endswith("; frame-ancestors 'self' https://ours.example https://also.example")


async def test_looks_that_clients_think_of_do_not_fill_the_memory(
    site: Site, five: Cursor, publisher: Publisher, quote_of: QuoteOf
) -> None:
    shelf = site.routes._lines.shelf
    shelf.most_bytes = 60_000
    for number in range(80, 140):
        await site.get(f"/v1/line.svg?width={number}&symbols=KGS")
        assert shelf.bytes <= 60_000
    assert 0 < len(shelf) < 60
    shelf.most_bytes = 1 << 20
    await site.reached(await publisher.say(quote_of("KGS", "88")))

    # Whatever a client calls it, what looks the same is kept once.
    for locale in ("ru", "ru-KZ", "RU", "ru-x-1"):
        for theme in ("auto", "", "pink"):
            _, _, body = await site.get(f"/v1/line.html?locale={locale}&theme={theme}&_={locale}")
            assert b"KGS/USD" in body
    assert len(shelf) == 1


async def test_more_symbols_than_the_limit_are_refused_in_words(store: Store) -> None:
    async with running(store, limits=LimitSettings(symbols=2)) as site:
        assert (await site.get("/v1/quotes?symbols=KGS,KZT"))[0] == 200
        status, _, body = await site.get("/v1/quotes?symbols=KGS,KZT,TJS")

    assert status == 400
    assert json.loads(body)["detail"] == "3 symbols are too many, name 2 at most"


# The names of currencies.


@pytest.mark.parametrize("language", sorted(assets.languages()))
async def test_the_names_of_a_language_are_its_file_and_may_be_kept_for_a_day(
    language: str, site: Site
) -> None:
    status, headers, body = await site.get(f"/v1/names/{language}.json")

    assert (status, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert body == (Path(ticker.__file__).parent / "names" / f"{language}.json").read_bytes()
    assert headers["Cache-Control"] == "public, max-age=86400, stale-while-revalidate=604800"


@pytest.mark.parametrize("language", sorted(assets.languages()))
async def test_the_words_of_a_language_are_told_by_their_keys(language: str, site: Site) -> None:
    status, headers, body = await site.get(f"/v1/labels/{language}.json")

    assert (status, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert json.loads(body) == assets.labels(language) | {"board": assets.board_words(language)}
    assert headers["Cache-Control"] == "public, max-age=86400, stale-while-revalidate=604800"


@pytest.mark.parametrize("kind", ["names", "labels"])
@pytest.mark.parametrize("language", ["de", "KY", "ru_RU", "kz", "ky.json", "..%2Fen", "x" * 999])
async def test_a_language_without_words_is_told_which_there_are(language: str, kind: str, site: Site) -> None:
    status, headers, body = await site.get(f"/v1/{kind}/{language}.json")
    detail = json.loads(body)["detail"]

    assert (status, headers["Content-Type"].partition(";")[0]) == (404, "application/problem+json")
    assert detail.endswith("; the languages are en, kk, ky, ru, tg, tk, uz")
    assert len(detail) < 120


# What an address may ask.

STRICT = ["/v1/quotes", "/v1/quotes/KGS", "/v1/history/KGS", "/v1/sources", "/v1/events"]


@pytest.mark.parametrize("path", STRICT)
async def test_an_unknown_parameter_is_refused_in_words(path: str, site: Site, five: Cursor) -> None:
    for query in ("limit=5", "format=csv", "symbol=KGS", "date=2026-09-29", "_=1&Cursor=1-1"):
        status, headers, body = await site.get(f"{path}?{query}")
        assert (status, headers["Content-Type"].partition(";")[0]) == (400, "application/problem+json")
        name = query.split("&")[-1].partition("=")[0]
        assert f"unknown parameter '{name}'" in json.loads(body)["detail"]
    _, _, body = await site.get("/v1/quotes?symbol=KGS")
    assert "did you mean 'symbols'?" in json.loads(body)["detail"]


@pytest.mark.parametrize("path", STRICT[:-1])
async def test_what_clients_add_by_themselves_is_accepted(path: str, site: Site, five: Cursor) -> None:
    plain = await site.get(path)
    asked = await site.get(f"{path}?cursor=1-1&lastEventId=1-1&_=1790000000000")

    assert asked[0] == plain[0] == 200
    assert json.loads(asked[2]) == json.loads(plain[2])


async def test_files_and_operators_answers_ignore_parameters(site: Site, five: Cursor) -> None:
    for path in ("/", f"/{OWN}", *FILES, "/v1/labels/kk.json"):
        assert (await site.get(f"{path}?v=3&symbol=KGS"))[0] == 200
    for path in ("/healthz", "/readyz", "/health", "/metrics"):
        assert (await site.get(f"{path}?v=3"))[0] == (await site.get(path))[0] != 400


@pytest.mark.parametrize("kind", ["html", "svg"])
async def test_the_line_names_unknown_parameters_to_whoever_wrote_its_address(
    kind: str, site: Site, five: Cursor
) -> None:
    _, plain_headers, plain = await site.get(f"/v1/line.{kind}?symbols=KGS&_=1")
    status, headers, body = await site.get(f"/v1/line.{kind}?symbols=KGS&xx=1&local=ru")

    said = "unknown parameter 'xx'; unknown parameter 'local', did you mean 'locale'?"
    [comment] = re.findall(r"<!-- (.*?) -->", body.decode())
    [[told, script]] = re.findall(r'<script data-faults="(.*?)">(.*?)</script>', body.decode())
    assert (status, html.unescape(comment), html.unescape(told)) == (200, said, said)
    rules = dict(rule.partition(" ")[::2] for rule in headers["Content-Security-Policy"].split("; "))
    assert hashed(script.encode()) in rules["script-src"].split()
    assert headers["Content-Security-Policy"] == plain_headers["Content-Security-Policy"]
    assert b"<!--" not in plain
    assert b"data-faults" not in plain
    assert headers["ETag"] != plain_headers["ETag"]


# As the widget of 26 November 2026 (commit 57375a8) sent them; {cursor} is one that it was given.
EARLIER = [
    "/v1/{way}?",
    "/v1/{way}?cursor={cursor}",
    "/v1/{way}?symbols=KGS%2FUSD",
    "/v1/{way}?symbols=KGS%2FUSD%2CTMT%2FUSD&cursor={cursor}",
]
EARLIER_HISTORIES = [
    "/v1/history/KGS/USD?source=nbkr&from=2026-04-22",
    "/v1/history/TMT/USD?source=peg&from=2014-12-02",
    # Its page, for a demo.
    "/v1/history/KGS/USD?from=2026-04-22&to=2026-05-22&source=nbkr",
]


async def test_every_request_of_the_previous_widget_is_answered_as_before(site: Site, five: Cursor) -> None:
    for path in ["/ticker.js", *EARLIER_HISTORIES]:
        assert (await site.get(path))[0] == 200, path
    for path in EARLIER:
        query = path.format(way="quotes", cursor=five)
        status, _, body = await site.get(query)
        assert status == 200, query
        assert len(json.loads(body)["quotes"]) == (5 if "symbols" not in query else query.count("USD"))
        async with site.session.get(path.format(way="events", cursor=five)) as events:
            assert events.status == 200, path
            frame = b""
            while b"data: " not in frame:
                frame = await events.content.readline()
            assert json.loads(frame[6:])["type"] in ("snapshot", "update")
        async with site.session.ws_connect(path.format(way="stream", cursor=five)) as stream:
            assert (await stream.receive_json())["type"] in ("snapshot", "update")


# The documents.


async def test_the_documents_are_served_as_they_are_made(site: Site) -> None:
    for path, build in (("/openapi.json", schemas.openapi), ("/asyncapi.json", schemas.asyncapi)):
        status, headers, body = await site.get(path)
        assert status == 200
        assert headers["Content-Type"].startswith("application/json")
        assert json.loads(body) == build()


async def test_what_is_no_stream_is_answered_as_documented(store: Store) -> None:
    async with running(store, origins=("https://ours.example",)) as site:
        for path, origin, expected in (
            ("/v1/stream", "https://ours.example", 426),
            ("/v1/events?symbols=ABC", "https://ours.example", 400),
            ("/v1/events", "https://theirs.example", 403),
        ):
            assert (await site.get(path, Origin=origin))[0] == expected
        async with site.session.get("/v1/events") as events:
            answer_holds_to_the_schema("/v1/events", events.status, events.headers, b"")


async def test_every_route_is_in_the_document_and_the_other_way_round(site: Site) -> None:
    served = {
        route.resource.canonical for route in site.routes.application().router.routes() if route.resource
    }

    # An operator may put it on another address than the rest.
    assert served | {"/metrics"} == set(schemas.openapi()["paths"])


async def test_where_operators_have_an_address_the_public_gets_one_word(store: Store) -> None:
    async with running(store, admin="127.0.0.1:0") as site:
        status, headers, body = await site.get("/health")

    assert (status, json.loads(body)) == (503, {"status": "fail"})
    assert headers["Content-Type"].startswith("application/health+json")


async def test_only_reading_is_allowed(site: Site) -> None:
    for path in PATHS[:-1]:
        for method in ("POST", "PUT", "DELETE"):
            status, headers, _ = await site.get(path, method=method)
            allowed = "GET,HEAD,OPTIONS" if path in SHARED else "GET,HEAD"
            assert (status, headers["Allow"]) == (405, allowed)


async def test_bytes_that_are_no_text_break_nothing(site: Site, five: Cursor) -> None:
    for path in ("/%FF", "/v1/quotes/%ED%A0%80", "/v1/history/KGS?from=%FF", "/v1/quotes?symbols=%ED%A0%80"):
        assert (await site.get(path))[0] in (400, 404)
    assert await first_line(site, b"Host: a\xffb") == b"HTTP/1.1 200 OK\r\n"
    for name in (b"Accept-Encoding", b"If-None-Match", b"Origin"):
        assert await first_line(site, b"Host: a\r\n" + name + b": \xffx") == b"HTTP/1.1 200 OK\r\n"


async def first_line(site: Site, headers: bytes) -> bytes:
    """How the page answers headers that no client library sends."""
    address = urlsplit(site.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(b"GET / HTTP/1.1\r\n" + headers + b"\r\nConnection: close\r\n\r\n")
    try:
        return (await reader.read()).partition(b"\n")[0] + b"\n"
    finally:
        writer.close()
