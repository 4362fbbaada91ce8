"""The one port from outside, over real sockets, with a real Redis and a publisher that needs no bank."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import os
import random
import re
import signal
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server
from redis.asyncio import Redis
from stage import LONG, PATIENCE, answer_holds_to_the_schema, frame_holds_to_the_schema
from websockets.frames import Frame, Opcode

import ticker.edge
import ticker.edge.stream
import ticker.store
from ticker import wire
from ticker.config import LimitSettings, ServerSettings, Settings
from ticker.edge import Edge, PortBusy, utc_now
from ticker.edge.stream import Broadcast, State, Subscriber
from ticker.embedded import EmbeddedServer, embedded
from ticker.rates.events import Asked, Entry
from ticker.rates.model import Cursor, Pair, Rate
from ticker.rates.source import Outcome
from ticker.sources import SOURCES
from ticker.store import UNAVAILABLE, Store

if TYPE_CHECKING:
    from tests.conftest import FixingOf, OpenStore, Publisher, QuoteOf

FIVE = tuple(Pair(code, "USD") for code in ("KGS", "KZT", "TJS", "UZS", "TMT"))
# Enough symbols that a few publications fill the buffers of the kernel.
MANY = tuple(Pair(f"X{one}{two}", "USD") for one in "ABCDEFGHIJ" for two in "ABCDEFGHIJ")
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


@dataclass
class Site:
    """A running edge; `faults` is what asyncio would have had to log."""

    edge: Edge
    port: int
    stop: Callable[[], Awaitable[None]]
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    faults: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def broadcast(self) -> Broadcast:
        return self.edge._broadcast

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def running(
    store: Store,
    symbols: tuple[Pair, ...] = FIVE,
    *,
    demo: bool = False,
    label: str = "",
    clock: Callable[[], datetime] = utc_now,
    alone: bool = True,
    loads: bool = True,
    **server: Any,
) -> AsyncIterator[Site]:
    """
    An edge that serves and follows; `server` may name settings of both sections, `server` and `limits`.

    `alone`: no other server is on its loop, so that every fault that the loop reports is this edge's.
    `loads`: Redis is there.
    """
    limits = {name: server.pop(name) for name in tuple(server) if name in LimitSettings.model_fields}
    settings = Settings(
        symbols=symbols,
        label=label,
        server=ServerSettings(**{"port": 0, **server}),
        limits=LimitSettings(**{"messages_per_second": 1000, **limits}),
    )
    enabled = frozenset({"nbkr", "nbk"})
    edge = Edge(store, settings, dict(SOURCES), enabled=enabled, demo=demo, clock=clock)
    async with AsyncExitStack() as port:
        address = await port.enter_async_context(edge.serving())
        site = Site(edge, urlsplit(address).port or 0, port.aclose)
        if alone:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: site.faults.append(context))
        work = [asyncio.create_task(edge.follow()), asyncio.create_task(edge.beat())]
        try:
            await edge.until_loaded(PATIENCE if loads else 0)
            yield site
        finally:
            for task in work:
                task.cancel()
            await asyncio.wait(work)
    assert [task for task in work if not task.cancelled()] == []
    assert site.faults == []


@pytest.fixture
async def site(store: Store) -> AsyncIterator[Site]:
    async with running(store) as site:
        yield site


class Client:
    """A WebSocket client that says nothing by itself: no pong, no answer to a close."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.head = b""

    @classmethod
    async def dial(cls, site: Site, *, receive_buffer: int = 0) -> Self:
        connection = socket.socket()
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", site.port))
        except OSError:
            connection.close()
            raise
        return cls(*await asyncio.open_connection(sock=connection, limit=receive_buffer or 65536))

    async def shake(self, target: str = "/v1/stream", *, behind: bytes = b"") -> Self:
        self.writer.write(head(target) + behind)
        self.head = await self.reader.readuntil(b"\r\n\r\n")
        assert self.head.startswith(b"HTTP/1.1 101 "), self.head
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in self.head
        return self

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next HTTP response: status, headers and body."""
        async with asyncio.timeout(PATIENCE):
            start, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
            headers = dict(line.split(": ", 1) for line in lines)
            length = 0 if start.split()[1] == "101" else int(headers["Content-Length"])
            return int(start.split()[1]), headers, await self.reader.readexactly(length)

    def send(self, message: object, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> None:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.writer.write(masked(data, opcode, fin=fin))

    async def frame(self, patience: float | None = PATIENCE) -> tuple[Opcode, bytes]:
        async with asyncio.timeout(patience):
            start = await self.reader.readexactly(2)
            assert not start[1] & 0x80, "a server masks nothing"
            length = start[1]
            if length >= 126:
                extra = await self.reader.readexactly(2 if length == 126 else 8)
                length = int.from_bytes(extra, "big")
            return Opcode(start[0] & 0x0F), await self.reader.readexactly(length)

    async def receive(self, patience: float | None = PATIENCE) -> dict[str, Any]:
        """The next JSON frame."""
        while True:
            opcode, data = await self.frame(patience)
            if opcode is Opcode.TEXT:
                message: dict[str, Any] = json.loads(data)
                holds(message)
                return message
            assert opcode is not Opcode.CLOSE, data

    async def goodbye(self) -> tuple[int, str]:
        """The code and the reason of the close frame, whatever comes before it."""
        while True:
            opcode, data = await self.frame()
            if opcode is Opcode.CLOSE:
                return int.from_bytes(data[:2], "big"), data[2:].decode()

    async def ended(self) -> None:
        """Wait for the end of the connection."""
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                while await self.reader.read(65536):
                    pass

    async def leave(self) -> None:
        self.send(b"\x03\xe8", Opcode.CLOSE)
        await self.ended()
        self.hang_up()

    def hang_up(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """End by an RST, as a machine does that lost its power."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


SHAPES: set[str] = set()
"""Of quotes that the schema was asked about; one that differs in its digits alone is the same to it."""


def holds(message: dict[str, Any]) -> None:
    """Hold a frame against the schema. A hundred quotes would take 25 ms, in the loop of the server."""
    quotes = {re.sub(r"[0-9]", "0", json.dumps(each)): each for each in message.get("quotes", ())}
    fresh = quotes.keys() - SHAPES
    few = {"quotes": [quotes[shape] for shape in fresh]} if "quotes" in message else {}
    frame_holds_to_the_schema(message | few)
    SHAPES.update(fresh)


@asynccontextmanager
async def client(site: Site, target: str = "/v1/stream", **how: Any) -> AsyncIterator[Client]:
    connected = await Client.dial(site, **how)
    try:
        yield await connected.shake(target)
    finally:
        connected.writer.transport.abort()
        await asyncio.sleep(0)


def head(
    target: str = "/v1/stream",
    headers: Mapping[str, str] = UPGRADE,
    *,
    method: str = "GET",
    http: str = "1.1",
) -> bytes:
    lines = [f"{method} {target} HTTP/{http}", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def masked(data: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


def subscribe(*symbols: str) -> dict[str, Any]:
    return {"type": "subscribe", "symbols": list(symbols)}


def digest(message: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """The kind of a message and each symbol's figure: enough to tell what a client knows."""
    return message["type"], {quote["symbol"][:3]: quote["inverse"] for quote in message["quotes"]}


def place(message: Mapping[str, Any]) -> Cursor:
    return Cursor.parse(message["cursor"])


async def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)


def server_of(site: Site) -> Server:
    """The part of aiohttp that has the books of its connections."""
    return next(each for each in gc.get_objects() if isinstance(each, Server) and each._loop is site.loop)


def has_answered(server: Server, requests: int) -> bool:
    return server.requests_count > requests


@contextmanager
def stopped(server: EmbeddedServer) -> Iterator[None]:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


# What a subscriber gets.


async def test_who_comes_gets_a_snapshot(site: Site, publisher: Publisher, quote_of: QuoteOf) -> None:
    cursor = await publisher.say(quote_of("KZT", "471"), quote_of("KGS", "87.45"))
    await until(lambda: site.broadcast.mirror.cursor == cursor)

    async with client(site) as reader:
        message = await reader.receive()

    assert digest(message) == ("snapshot", {"KGS": "87.45", "KZT": "471"})
    assert message["cursor"] == str(cursor)
    assert message["quotes"][0] == {
        "symbol": "KGS/USD",
        "price": "0.01143510577472841623785020011",
        "inverse": "87.45",
        "previous": None,
        "change": None,
        "change_percent": None,
        "as_of": "2026-05-22",
        "source": "nbkr",
        "source_name": "NBKR",
        "status": "live",
        "published_at": "2026-05-21T10:02:11Z",
        "value": None,
        "nominal": None,
        "direction": None,
        "next": None,
        "corrected": False,
        "due_at": None,
    }


async def test_every_publication_comes_once_in_order_with_a_rising_cursor(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async def read(reader: Client) -> list[dict[str, Any]]:
        frames: list[dict[str, Any]] = []
        while len(frames) < 201:
            frame = await reader.receive()
            # On a slow machine the reasons of awaited pairs change meanwhile: an update without quotes.
            if frame["quotes"] or not frames:
                frames.append(frame)
        return frames

    async with client(site) as one, client(site) as two, asyncio.TaskGroup() as group:
        tasks = [group.create_task(read(one)), group.create_task(read(two))]
        for number in range(1, 201):
            await publisher.say(quote_of("KGS", f"{number}"))

    for task in tasks:
        first, *updates = task.result()
        assert digest(first) == ("snapshot", {})
        assert digest(updates[0]) == ("snapshot", {"KGS": "1"})
        assert [digest(each) for each in updates[1:]] == [
            ("update", {"KGS": f"{number}"}) for number in range(2, 201)
        ]
        assert [place(each).sequence for each in updates] == list(range(1, 201))


async def test_only_the_chosen_symbols_come(site: Site, publisher: Publisher, quote_of: QuoteOf) -> None:
    await publisher.say(quote_of("KGS", "87"), quote_of("KZT", "471"), quote_of("TJS", "9.2"))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)

    async with client(site, "/v1/stream?symbols=tjs,KGS/USD") as reader:
        first = await reader.receive()
        await publisher.say(quote_of("KZT", "472"))
        await publisher.say(quote_of("KZT", "473"), quote_of("TJS", "9.3"))
        second = await reader.receive()

    assert digest(first) == ("snapshot", {"KGS": "87", "TJS": "9.2"})
    assert [quote["symbol"] for quote in first["quotes"]] == ["KGS/USD", "TJS/USD"]
    assert digest(second) == ("update", {"TJS": "9.3"})
    assert place(second) > place(first)


@pytest.mark.parametrize("symbols", ["", "?symbols=KGS,KZT"])
async def test_a_reconnect_brings_exactly_what_was_missed(
    symbols: str, site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "87"), quote_of("KZT", "471"), quote_of("TJS", "9.2"))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)
    async with client(site, f"/v1/stream{symbols}") as reader:
        cursor = (await reader.receive())["cursor"]
    again = f"/v1/stream{symbols}{'&' if symbols else '?'}cursor="

    async with client(site, again + cursor) as reader:
        message = await reader.receive()
        assert (digest(message), message["cursor"]) == (("update", {}), cursor)
    await publisher.say(quote_of("KZT", "472"))
    await publisher.say(quote_of("KZT", "473"))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)
    async with client(site, again + cursor) as reader:
        message = await reader.receive()
        assert digest(message) == ("update", {"KZT": "473"})
        await publisher.say(quote_of("KGS", "88"))
        assert digest(await reader.receive()) == ("update", {"KGS": "88"})


@pytest.mark.parametrize(
    "cursor",
    [
        "1-1",
        "garbage",
        "",
        "0-0",
        "-",
        "99999999999999999999999-1",
        "18446744073709551615-18446744073709551615",
        "{epoch}-{beyond}",
        "{older}-1",
        "{newer}-1",
        "%00",
        "{epoch}-1%20",
        "%F0%9F%98%80",
    ],
)
async def test_a_cursor_that_is_not_ours_brings_a_snapshot(
    cursor: str, site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    at = await publisher.say(quote_of("KGS", "87"), quote_of("KZT", "471"))
    await until(lambda: site.broadcast.mirror.cursor == at)
    text = cursor.format(epoch=at.epoch, beyond=at.sequence + 1, older=at.epoch - 1, newer=at.epoch + 1)

    async with client(site, f"/v1/stream?cursor={text}") as reader:
        assert digest(await reader.receive()) == ("snapshot", {"KGS": "87", "KZT": "471"})


async def test_a_cursor_of_another_selection_brings_the_new_symbols_in_full(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "87"), quote_of("KZT", "471"))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)
    async with client(site, "/v1/stream?symbols=KGS") as reader:
        cursor = (await reader.receive())["cursor"]

    for symbols in ("KZT", "KGS,KZT", "KGS,KZT,TJS,UZS,TMT"):
        async with client(site, f"/v1/stream?symbols={symbols}&cursor={cursor}") as reader:
            kind, quotes = digest(await reader.receive())
            assert (kind, quotes["KZT"]) == ("snapshot", "471")
    async with client(site, f"/v1/stream?symbols=KGS&cursor={cursor}") as reader:
        assert digest(await reader.receive()) == ("update", {})


async def test_symbols_the_other_way_round_are_followed_like_the_others(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    before = await publisher.say(quote_of("KGS", "87.45"), quote_of("KZT", "471"))
    await until(lambda: site.broadcast.mirror.cursor == before)

    async with (
        client(site, "/v1/stream?symbols=usdkgs,KGS-USD,TJS") as both,
        client(site, "/v1/stream?symbols=USD/KZT") as other,
        client(site, f"/v1/stream?symbols=USD/KGS&cursor={before}") as everything,
    ):
        snapshot = await both.receive()
        assert (snapshot["type"], figures(snapshot)) == (
            "snapshot",
            [("KGS/USD", "87.45"), ("USD/KGS", quote_price("87.45"))],
        )
        assert figures(await other.receive()) == [("USD/KZT", quote_price("471"))]
        # Who has seen everything has not seen this.
        assert (await everything.receive())["type"] == "snapshot"
        last = await publisher.say(quote_of("KGS", "87.50", previous=Decimal("0.01143510578")))
        update = await both.receive()
        assert figures(update) == [("KGS/USD", "87.50"), ("USD/KGS", quote_price("87.50"))]
        assert [quote["price"] for quote in update["quotes"]][1] == "87.50"
        assert figures(await everything.receive()) == figures(update)[1:]
        other.send(subscribe("USD/KGS"))
        assert figures(await other.receive()) == figures(update)[1:]

    missed = await publisher.say(quote_of("KZT", "472"))
    await until(lambda: site.broadcast.mirror.cursor == missed)
    for symbols, kind, expected in (
        ("KGS/USD,USD/KGS,TJS", "update", []),
        ("USD/KGS", "snapshot", figures(update)[1:]),
    ):
        async with client(site, f"/v1/stream?symbols={symbols}&cursor={update['cursor']}") as reader:
            message = await reader.receive()
            assert (message["type"], figures(message)) == (kind, expected)
    assert place(update) != last


def figures(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(quote["symbol"], quote["inverse"]) for quote in message["quotes"]]


def quote_price(inverse: str) -> str:
    """The price that `quote_of` works out."""
    return format((1 / Decimal(inverse)).normalize(), "f")


async def test_selections_that_clients_make_up_do_not_fill_the_memory(
    store: Store, publisher: Publisher, quote_of: QuoteOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept(site: Site) -> int:
        groups = site.broadcast._groups.values()
        return sum(len(data) for group in groups for _, data in group._frames.values())

    monkeypatch.setattr(ticker.edge.stream, "KEPT_BYTES", 3000)
    codes = ("KGS", "KZT", "TJS", "UZS", "TMT")
    chosen = [each for size in (1, 2, 3) for each in combinations(codes, size)]
    await publisher.say(*(quote_of(code, "1") for code in codes))
    async with running(store) as site, AsyncExitStack() as stack:
        await until(lambda: site.broadcast.mirror.cursor == publisher.seen)
        readers = []
        for some in chosen:
            reader = await stack.enter_async_context(client(site, f"/v1/stream?symbols={','.join(some)}"))
            assert digest(await reader.receive()) == ("snapshot", dict.fromkeys(some, "1"))
            readers.append(reader)
        assert 2000 < kept(site) <= 3000
        for number in range(2, 5):
            news = codes[: 2 * number - 3]
            await publisher.say(*(quote_of(code, f"{number}") for code in news))
            for some, reader in zip(chosen, readers, strict=True):
                if expected := {code: f"{number}" for code in some if code in news}:
                    assert digest(await reader.receive()) == ("update", expected)
            assert 2000 < kept(site) <= 3000


async def test_whoever_comes_gets_the_newest_snapshot(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with client(site) as first:
        assert digest(await first.receive()) == ("snapshot", {})
        for figure, kind in (("86", "snapshot"), ("87", "update"), ("88", "update")):
            await publisher.say(quote_of("KGS", figure))
            assert digest(await first.receive()) == (kind, {"KGS": figure})
            for _ in range(2):
                async with client(site) as reader:
                    assert digest(await reader.receive()) == ("snapshot", {"KGS": figure})


async def test_queries_that_clients_make_up_do_not_fill_the_memory(site: Site) -> None:
    kept = site.edge._port._kept_wish.cache_info
    for number in range(20):
        for target in ("/v1/stream?symbols=KGS", f"/v1/stream?symbols=KGS&_={number:0300}"):
            async with client(site, target) as reader:
                assert (await reader.receive())["type"] == "snapshot"

    assert (kept().currsize, kept().hits) == (1, 19)
    assert kept().maxsize == 1024


async def test_cursors_that_clients_make_up_do_not_fill_the_memory(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    for number in range(1, 40):
        at = await publisher.say(quote_of("KGS", f"{number}"), quote_of("KZT", "471"))
    await until(lambda: site.broadcast.mirror.cursor == at)

    async with client(site) as everything:
        for sequence in range(60):
            async with client(site, f"/v1/stream?cursor={at.epoch}-{sequence}") as reader:
                kind, quotes = digest(await reader.receive())
                missed = {"KGS", "KZT"} if sequence in (0, *range(40, 60)) else {"KGS"}
                assert set(quotes) == (set() if sequence == 39 else missed)
                assert kind == ("update" if sequence < 40 else "snapshot")
        await everything.receive()
        (group,) = site.broadcast._groups.values()
        assert len(group._frames) <= len(FIVE) + 2


# What a subscriber says.


async def test_subscribe_replaces_the_selection_and_brings_a_snapshot(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "87"), quote_of("KZT", "471"))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)

    async with client(site) as reader:
        await reader.receive()
        reader.send(subscribe("kzt"))
        assert digest(await reader.receive()) == ("snapshot", {"KZT": "471"})
        await publisher.say(quote_of("KGS", "88"))
        await publisher.say(quote_of("KZT", "472"))
        assert digest(await reader.receive()) == ("update", {"KZT": "472"})
        reader.send(subscribe("KGS", "KZT"))
        message = await reader.receive()
        assert digest(message) == ("snapshot", {"KGS": "88", "KZT": "472"})
        assert len(site.broadcast._groups) == 1

    async with client(site, f"/v1/stream?symbols=KGS,KZT&cursor={message['cursor']}") as reader:
        assert digest(await reader.receive()) == ("update", {})


BAD_FRAMES = [
    b"",
    b"hello",
    b"[]",
    b"{}",
    b'{"type":"subscribe"}',
    b'{"type":"subscribe","symbols":[]}',
    b'{"type":"subscribe","symbols":"KGS"}',
    b'{"type":"subscribe","symbols":["KGS"],"more":1}',
    b'{"type":"subscribe","symbols":["ABC/USD"]}',
    b'{"type":"subscribe","symbols":["\\ud800"]}',
    b'{"type":"subscribe","symbols":["' + b"\xc3\x84" * 20 + b'"]}',
    b'{"type":"snapshot","symbols":["KGS"]}',
    b"[" * 4000,
    b'{"type":"subscribe","symbols":["KGS"]}' * 2,
]


@pytest.mark.parametrize("bad", BAD_FRAMES, ids=range(len(BAD_FRAMES)))
async def test_a_bad_frame_is_answered_in_words_and_three_in_a_row_are_the_end(
    bad: bytes, site: Site
) -> None:
    async with client(site) as reader:
        await reader.receive()
        for _ in range(2):
            reader.send(bad)
            answer = await reader.receive()
            assert answer["type"] == "error"
            assert answer["code"] == "bad_request"
            assert len(answer["message"]) > 20
        reader.send(subscribe("KGS"))
        assert (await reader.receive())["type"] == "snapshot"
        for _ in range(3):
            reader.send(bad)
            assert (await reader.receive())["type"] == "error"
        assert (await reader.goodbye())[0] == 4400
        reader.send(b"\x11\x30", Opcode.CLOSE)
        await reader.ended()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (masked(b"x", Opcode.BINARY), 4400),
        (masked(b"x", Opcode.BINARY, fin=False), 4400),
        (masked(b"x" * 5000), 1009),
        (masked(b"x" * (1 << 20)), 1009),
        (masked(b"x" * 3000, fin=False) + masked(b"x" * 3000, Opcode.CONT), 1009),
        (masked(b"x" * (1 << 20), Opcode.BINARY), 1009),
        (b"\x81\xff" + b"\xff" * 8, 1009),
        (masked(b"\xff\xfe"), 1007),
        (Frame(Opcode.TEXT, b"x").serialize(mask=False), 1002),
        (masked(b"x", Opcode.CONT), 1002),
        (masked(b"x", fin=False) + masked(b"x"), 1002),
        (b"\x83\x81\0\0\0\0x", 1002),
        (b"\xf1\x81\0\0\0\0x", 1002),
        (b"\x09\x80\0\0\0\0", 1002),
        (b"\x89\xfe\x00\x7e\0\0\0\0" + b"x" * 126, 1002),
        (b"GET / HTTP/1.1\r\n\r\n", 1002),
        (masked(b"\x03", Opcode.CLOSE), 1002),
        (masked(b"\x03\xed", Opcode.CLOSE), 1002),
        (masked(b"\x03\xe8\xff", Opcode.CLOSE), 1007),
    ],
    ids=range(19),
)
async def test_what_is_no_frame_of_this_protocol_ends_it_with_its_code(
    sent: bytes, code: int, site: Site
) -> None:
    async with client(site) as reader:
        await reader.receive()
        reader.writer.write(sent)
        assert (await reader.goodbye())[0] == code
        reader.writer.write_eof()
        await reader.ended()
    await until(lambda: not site.broadcast.subscribers)


@pytest.mark.usefixtures("no_late_close")
async def test_who_answers_a_goodbye_is_let_go_at_once(site: Site) -> None:
    async with client(site) as polite:
        polite.send(b"x", Opcode.BINARY)
        assert (await polite.goodbye())[0] == 4400
        polite.send(b"\x11\x30", Opcode.CLOSE)
        await polite.ended()


async def test_who_does_not_answer_a_goodbye_is_cut_off(site: Site) -> None:
    async with client(site) as rude:
        start = time.monotonic()
        rude.send(b"x", Opcode.BINARY)
        assert (await rude.goodbye())[0] == 4400
        rude.send(b"x" * 100_000, Opcode.BINARY)
        await rude.ended()
        assert time.monotonic() - start > 0.5


@pytest.mark.parametrize(
    "target",
    [
        "/v1/stream?symbols=ABC",
        "/v1/stream?symbols=KGS,nonsense",
        "/v1/stream?symbols=%F0%9F%98%80",
        "/v1/stream?symbols=%FF",
        "/v1/stream?symbols=x" + "%C3%84" * 200,
        "/v1/stream?symbols=" + "KGS," * 190 + "x",
    ],
    ids=range(6),
)
async def test_an_address_that_names_no_symbol_is_refused_in_words(target: str, site: Site) -> None:
    connected = await Client.dial(site)
    await connected.shake(target)
    answer = await connected.receive()
    code, reason = await connected.goodbye()

    assert (answer["type"], answer["code"]) == ("error", "bad_request")
    assert "is not" in answer["message"]
    assert code == 4400
    assert len(reason) > 20
    await connected.leave()
    await until(lambda: not site.broadcast.subscribers)
    assert not site.broadcast._groups


@pytest.mark.parametrize("target", ["/v1/stream?symbol=KGS", "/v1/stream?cursor=1-1&symbol"])
async def test_an_address_with_an_unknown_parameter_is_refused_in_words(target: str, site: Site) -> None:
    connected = await (await Client.dial(site)).shake(target)
    answer = await connected.receive()
    code, reason = await connected.goodbye()

    words = "unknown parameter 'symbol', did you mean 'symbols'?"
    assert (answer["type"], answer["code"], code) == ("error", "bad_request", 4400)
    assert answer["message"].startswith(words)
    assert reason.startswith(words)
    await connected.leave()


async def test_a_stand_in_for_eventsource_may_name_its_cursor_in_the_address(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    older = await publisher.say(quote_of("KGS", "87"))
    newer = await publisher.say(quote_of("KZT", "471"))
    await until(lambda: site.broadcast.mirror.cursor == newer)

    async with client(site, f"/v1/stream?cursor={older}&lastEventId={newer}&_=1") as reader:
        assert digest(await reader.receive()) == ("update", {})
    async with client(site, f"/v1/stream?lastEventId={older}") as reader:
        assert digest(await reader.receive()) == ("update", {"KZT": "471"})


async def test_pings_are_answered(site: Site) -> None:
    async with client(site) as reader:
        await reader.receive()
        reader.send(b"are you there", Opcode.PING)
        assert await reader.frame() == (Opcode.PONG, b"are you there")
        reader.send(b"unasked", Opcode.PONG)
        reader.writer.write(masked(b"1", Opcode.PING) + masked(b"2", Opcode.PING))
        assert [await reader.frame() for _ in range(2)] == [(Opcode.PONG, b"1"), (Opcode.PONG, b"2")]


async def test_a_close_is_answered_and_ends_the_connection(site: Site) -> None:
    async with client(site) as reader:
        await reader.receive()
        reader.send(b"\x03\xe8bye", Opcode.CLOSE)
        assert await reader.goodbye() == (1000, "bye")
        await reader.ended()
    await until(lambda: not site.broadcast.subscribers)


async def test_a_message_may_come_in_fragments_with_a_ping_between_them(site: Site) -> None:
    text = json.dumps(subscribe("KGS")).encode()
    async with client(site) as reader:
        await reader.receive()
        reader.send(text[:9], fin=False)
        reader.send(b"", Opcode.CONT, fin=False)
        reader.send(b"?", Opcode.PING)
        assert await reader.frame() == (Opcode.PONG, b"?")
        reader.send(text[9:20], Opcode.CONT, fin=False)
        reader.send(text[20:], Opcode.CONT)
        assert (await reader.receive())["type"] == "snapshot"
        reader.send(b"", fin=False)
        reader.send(text, Opcode.CONT)
        assert (await reader.receive())["type"] == "snapshot"


async def test_frames_come_in_any_pieces(site: Site, publisher: Publisher, quote_of: QuoteOf) -> None:
    await publisher.say(quote_of("KGS", "87"), quote_of("KZT", "471"))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)
    both = masked(json.dumps(subscribe("KGS")).encode()) + masked(json.dumps(subscribe("KZT")).encode())

    async with client(site) as reader:
        await reader.receive()
        reader.writer.write(both)
        assert [digest(await reader.receive())[1] for _ in range(2)] == [{"KGS": "87"}, {"KZT": "471"}]
        for byte in both:
            reader.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert [digest(await reader.receive())[1] for _ in range(2)] == [{"KGS": "87"}, {"KZT": "471"}]


async def test_a_frame_may_come_right_behind_the_handshake(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "87"), quote_of("KZT", "471"))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)
    sent = masked(json.dumps(subscribe("KZT")).encode()) + masked(b"?", Opcode.PING)

    for cut in (len(sent), 9):
        reader = await (await Client.dial(site)).shake(behind=sent[:cut])
        reader.writer.write(sent[cut:])
        assert digest(await reader.receive())[1] == {"KGS": "87", "KZT": "471"}
        assert digest(await reader.receive())[1] == {"KZT": "471"}
        assert await reader.frame() == (Opcode.PONG, b"?")
        await reader.leave()


async def test_whatever_comes_in_breaks_nothing(site: Site) -> None:
    chance = random.Random(11)
    pieces = [masked(b"x" * 10), masked(b"?", Opcode.PING), masked(json.dumps(subscribe("KGS")).encode())]
    pieces += [masked(b"", fin=False), masked(b"", Opcode.CONT), b"\x81", b"\0", masked(b"", Opcode.CLOSE)]
    async with client(site) as bystander:
        for _ in range(150):
            sent = b"".join(
                chance.choice(pieces) if chance.random() < 0.7 else chance.randbytes(chance.randrange(9))
                for _ in range(chance.randrange(12))
            )
            other = await (await Client.dial(site)).shake(behind=sent[: chance.randrange(len(sent) + 1)])
            other.writer.write(sent)
            await asyncio.sleep(0)
            chance.choice([other.hang_up, other.reset])()
        await until(lambda: len(site.broadcast.subscribers) == 1)
        bystander.send(subscribe("KGS"))
        await bystander.receive()
        assert (await bystander.receive())["type"] == "snapshot"


# The door.


async def test_an_upgrade_may_come_on_a_connection_that_was_used_before(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "87"))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)
    reader = await Client.dial(site)
    for _ in range(2):
        reader.writer.write(head("/healthz", {}))
        assert (await reader.answer())[::2] == (200, b'{"status": "pass"}')
    reader.writer.write(head(headers=UPGRADE | {"Sec-WebSocket-Version": "12"}))
    assert (await reader.answer())[0] == 426

    await reader.shake()
    assert digest(await reader.receive()) == ("snapshot", {"KGS": "87"})
    await reader.leave()


async def test_an_upgrade_may_be_pipelined_behind_a_request(site: Site) -> None:
    reader = await Client.dial(site)
    reader.writer.write(head("/healthz", {}) + head() + masked(b"?", Opcode.PING))

    assert [(await reader.answer())[0] for _ in range(2)] == [200, 101]
    assert (await reader.receive())["type"] == "snapshot"
    assert await reader.frame() == (Opcode.PONG, b"?")
    await reader.leave()


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in UPGRADE.items() if key != name}


@pytest.mark.parametrize(
    ("request_head", "status", "words"),
    [
        (head(headers={}), 426, "Connection"),
        (head(headers=without("Upgrade")), 426, "Upgrade"),
        (head(headers=UPGRADE | {"Upgrade": "h2c"}), 426, "h2c"),
        (head(headers=without("Connection")), 426, "Connection"),
        (head(headers=without("Sec-WebSocket-Key")), 400, "Sec-WebSocket-Key"),
        (head(headers=UPGRADE | {"Sec-WebSocket-Key": "short"}), 400, "Sec-WebSocket-Key"),
        (head(headers=without("Sec-WebSocket-Version")), 400, "Sec-WebSocket-Version"),
        (head(headers=UPGRADE | {"Sec-WebSocket-Version": "8"}), 426, "Sec-WebSocket-Version"),
        (head(http="1.0"), 400, "HTTP/1.1"),
        (head(method="POST"), 405, "POST"),
    ],
    ids=range(10),
)
async def test_what_is_no_upgrade_is_refused_in_words(
    request_head: bytes, status: int, words: str, site: Site
) -> None:
    reader = await Client.dial(site)
    reader.writer.write(request_head)
    found, headers, body = await reader.answer()

    assert found == status
    assert headers["Content-Type"].startswith("application/problem+json")
    if status == 405:
        assert headers["Allow"] == "GET"
    else:
        assert headers["Sec-WebSocket-Version"] == "13"
        assert headers["Upgrade"] == "websocket"
    problem = json.loads(body)
    assert problem["status"] == status
    assert words in problem["detail"]
    reader.hang_up()
    assert not site.broadcast.subscribers


async def test_before_redis_answers_nobody_is_connected_but_silent(
    short_path: Path,
    open_store: OpenStore,
    elected: Callable[[Store], Awaitable[Publisher]],
    quote_of: QuoteOf,
) -> None:
    data = short_path / "data"
    async with (
        open_store(f"unix://{data}/redis.sock") as store,
        running(store, loads=False) as site,
        aiohttp.ClientSession(site.url) as session,
    ):
        for path in ("/v1/stream", "/v1/quotes", "/v1/quotes/KGS", "/v1/history/KGS"):
            async with session.get(path, headers=UPGRADE if path == "/v1/stream" else {}) as answer:
                assert answer.status == 503, path
                assert int(answer.headers["Retry-After"]) > 0
                assert answer.content_type == "application/problem+json"
        assert await statuses(session, "/readyz", "/healthz", "/health") == [503, 200, 503]

        async with embedded(data):
            await until(lambda: site.broadcast.loaded)
            assert await statuses(session, "/readyz", "/healthz") == [200, 200]
            async with client(site) as reader:
                assert digest(await reader.receive()) == ("snapshot", {})
                await (await elected(store)).say(quote_of("KGS", "87"))
                assert digest(await reader.receive()) == ("snapshot", {"KGS": "87"})


async def statuses(session: aiohttp.ClientSession, *paths: str) -> list[int]:
    found = []
    for path in paths:
        async with session.get(path) as answer:
            found.append(answer.status)
    return found


async def test_a_stream_outlives_the_limit_for_idle_connections(
    store: Store, publisher: Publisher, quote_of: QuoteOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticker.edge, "IDLE_SECONDS", 1)
    async with running(store, head_seconds=1) as site, client(site) as reader:
        reused = await Client.dial(site)
        reused.writer.write(head("/healthz", {}))
        await reused.answer()
        await reused.shake("/v1/stream")
        silent, half = await Client.dial(site), await Client.dial(site)
        half.writer.write(head()[:40])
        await asyncio.sleep(1.5)

        await asyncio.gather(silent.ended(), half.ended())
        await publisher.say(quote_of("KGS", "87"))
        for each in (reader, reused):
            assert digest(await each.receive()) == ("snapshot", {})
            assert digest(await each.receive()) == ("snapshot", {"KGS": "87"})
        for each in (reused, silent, half):
            each.hang_up()


# Redis away.


async def test_redis_stopped_restarted_or_flushed_is_a_delay_and_nothing_else(
    short_path: Path,
    open_store: OpenStore,
    elected: Callable[[Store], Awaitable[Publisher]],
    quote_of: QuoteOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ticker.store.clients, "COMMAND_TIMEOUT", 0.3)
    monkeypatch.setattr(ticker.store.clients, "FOLLOW_BLOCK", 0.2)
    async with (
        embedded(short_path / "data") as server,
        open_store(server.url, keeps=True) as store,
        running(store) as site,
        client(site) as reader,
        client(site, "/v1/stream?symbols=KZT") as other,
        Redis.from_url(server.url) as redis,
    ):
        publisher = await elected(store)
        await publisher.say(quote_of("KGS", "87"), quote_of("KZT", "471"))
        assert [digest(await reader.receive())[0] for _ in range(2)] == ["snapshot"] * 2
        assert [digest(await other.receive())[0] for _ in range(2)] == ["snapshot"] * 2

        with stopped(server):
            await asyncio.sleep(2.6)
            async with client(site) as late:
                assert digest(await late.receive()) == ("snapshot", {"KGS": "87", "KZT": "471"})
        await publisher.say(quote_of("KGS", "88"))
        assert digest(await reader.receive()) == ("update", {"KGS": "88"})

        os.kill(server.pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE):
            while publisher.seen.sequence < 3:
                with suppress(*UNAVAILABLE):
                    await publisher.say(quote_of("KGS", "89"))
                await asyncio.sleep(0.01)
        assert digest(await reader.receive()) == ("update", {"KGS": "89"})

        await redis.flushall()
        quotes = quote_of("KGS", "90"), quote_of("KZT", "471")
        successor = await elected(store)
        cursor = await successor.say(*quotes, seen=publisher.seen, mode="everything")
        message = await reader.receive()
        assert digest(message) == ("snapshot", {"KGS": "90", "KZT": "471"})
        assert place(message) == cursor > publisher.seen
        assert digest(await other.receive()) == ("snapshot", {"KZT": "471"})


async def test_what_was_published_while_redis_was_out_of_reach_comes_as_one_update(
    redis_server: EmbeddedServer,
    redis_url: str,
    redis: Redis,
    open_store: OpenStore,
    publisher: Publisher,
    quote_of: QuoteOf,
) -> None:
    await publisher.say(quote_of("KGS", "1"), quote_of("KZT", "471"))
    async with open_store(redis_url) as store, running(store) as site, client(site) as reader:
        await reader.receive()
        for number in range(2, 6):
            await redis.client_kill_filter(_type="normal", skipme=True)
            await publisher.say(quote_of("KGS", f"{number}"))
            await publisher.say(quote_of("KGS", f"{number}0"))
            seen: list[dict[str, str]] = []
            while not seen or seen[-1]["KGS"] != f"{number}0":
                kind, quotes = digest(await reader.receive())
                assert kind == "update"
                seen.append(quotes)
            assert seen in ([{"KGS": f"{number}0"}], [{"KGS": f"{number}"}, {"KGS": f"{number}0"}])


# Time.


async def test_silence_is_broken_by_heartbeats_that_carry_the_cursor(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "87"), quote_of("KZT", "471"))
    async with (
        running(store, heartbeat_seconds=1) as site,
        client(site) as reader,
        client(site, "/v1/stream?symbols=KGS") as other,
    ):
        first, chosen = await reader.receive(), await other.receive()
        beats = [await reader.receive(), await other.receive()]
        assert [(beat["type"], beat["cursor"]) for beat in beats] == [
            ("heartbeat", first["cursor"]),
            ("heartbeat", chosen["cursor"]),
        ]
        assert await reader.frame() == (Opcode.PING, b"")

        cursor = await publisher.say(quote_of("KZT", "472"))
        assert place(await reader.receive()) == cursor
        beat = await other.receive()
        assert beat["type"] == "heartbeat"
        assert place(beat) > place(chosen)
    async with (
        running(store) as site,
        client(site, f"/v1/stream?symbols=KGS&cursor={beat['cursor']}") as other,
    ):
        assert digest(await other.receive()) == ("update", {})


async def test_a_peer_that_answers_no_ping_is_left_and_one_that_does_stays(store: Store) -> None:
    async def answer(reader: Client) -> None:
        while True:
            opcode, data = await reader.frame()
            assert opcode is not Opcode.CLOSE
            if opcode is Opcode.PING:
                reader.send(data, Opcode.PONG)

    async with (
        running(store, heartbeat_seconds=1, silent_seconds=2) as site,
        client(site) as silent,
        client(site) as lively,
    ):
        answering = asyncio.create_task(answer(lively))
        assert (await silent.goodbye())[0] == 4408
        await silent.ended()
        await asyncio.sleep(1.5)
        assert len(site.broadcast.subscribers) == 1
        answering.cancel()
        await asyncio.wait({answering})
        assert answering.cancelled()


# Slow readers.


@asynccontextmanager
async def blocked(
    site: Site, publisher: Publisher, quote_of: QuoteOf, target: str = "/v1/stream"
) -> AsyncIterator[tuple[Client, Subscriber]]:
    """A client that never reads, after enough publications that the kernel takes no more for it."""
    before = set(site.broadcast.subscribers)
    async with client(site, target, receive_buffer=4096) as slow:
        await until(lambda: len(site.broadcast.subscribers) > len(before))
        (subscriber,) = site.broadcast.subscribers - before
        async with asyncio.timeout(PATIENCE):
            while subscriber._unsent is None:
                await flood(publisher, quote_of, 10)
        yield slow, subscriber


async def flood(publisher: Publisher, quote_of: QuoteOf, count: int) -> None:
    for _ in range(count):
        number = publisher.seen.sequence + 1
        await publisher.say(*(quote_of(symbol.base, f"{number}") for symbol in MANY))


@asynccontextmanager
async def reading(reader: Client) -> AsyncIterator[list[dict[str, Any]]]:
    """Every message that comes, as it comes."""
    messages: list[dict[str, Any]] = []

    async def read() -> None:
        while True:
            # There may be nothing to say for long; whoever waits for a message says for how long.
            messages.append(await reader.receive(None))

    task = asyncio.create_task(read())
    try:
        yield messages
    finally:
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()


async def test_a_slow_reader_leaves_the_round_and_gets_one_frame_with_the_newest_when_it_wakes(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await flood(publisher, quote_of, 1)
    async with running(store, MANY) as site, client(site) as fast, reading(fast) as messages:
        async with blocked(site, publisher, quote_of) as (slow, subscriber):
            held = subscriber._unsent
            await flood(publisher, quote_of, 30)
            await until(lambda: site.broadcast.mirror.cursor == publisher.seen)
            assert subscriber._unsent is held
            assert len(held or b"") < 60_000

            message, sequences = await slow.receive(), []
            while place(message) < publisher.seen:
                sequences.append(place(message).sequence)
                message = await slow.receive()
            assert sequences == list(range(1, len(sequences) + 1))
            assert place(message).sequence - sequences[-1] > 30
            newest = {symbol.base: f"{publisher.seen.sequence}" for symbol in MANY}
            assert digest(message) == ("update", newest)

            await flood(publisher, quote_of, 1)
            assert place(await slow.receive()) == publisher.seen
        await until(lambda: place(messages[-1]) == publisher.seen)

    assert [place(each).sequence for each in messages] == list(range(1, publisher.seen.sequence + 1))


async def drained(slow: Client, last: Cursor) -> dict[str, Any]:
    """The message that brings a client that wakes up to `last`."""
    message = await slow.receive()
    while place(message) != last:
        message = await slow.receive()
    return message


async def test_a_blocked_reader_may_change_its_mind(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with running(store, MANY) as site, blocked(site, publisher, quote_of) as (slow, subscriber):
        slow.send(subscribe("XAA", "XBB"))
        await until(lambda: len(subscriber.group.selection.symbols) == 2)
        last = str(publisher.seen.sequence)

        message = await slow.receive()
        while len(message["quotes"]) != 2:
            message = await slow.receive()
        assert digest(message) == ("snapshot", {"XAA": last, "XBB": last})
        await publisher.say(quote_of("XCC", "5"))
        await publisher.say(quote_of("XBB", "5"))
        assert digest(await slow.receive()) == ("update", {"XBB": "5"})
        assert len(site.broadcast._groups) == 1


async def test_a_blocked_reader_wakes_up_in_a_new_epoch(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with running(store, MANY) as site, blocked(site, publisher, quote_of) as (slow, _):
        await publisher.say(quote_of("XAA", "7"), mode="reset")
        await until(lambda: site.broadcast.mirror.cursor == publisher.seen)

        assert digest(await drained(slow, publisher.seen)) == ("snapshot", {"XAA": "7"})


async def test_a_blocked_reader_with_nothing_to_miss_just_goes_on(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with running(store, MANY) as site, blocked(site, publisher, quote_of) as (slow, subscriber):
        await drained(slow, publisher.seen)
        await until(lambda: subscriber._unsent is None)
        await publisher.say(quote_of("XAA", "7"))
        assert digest(await slow.receive()) == ("update", {"XAA": "7"})


async def test_what_a_blocked_reader_says_is_not_answered_into_its_full_buffer(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with running(store, MANY) as site, blocked(site, publisher, quote_of) as (slow, subscriber):
        held = subscriber._unsent
        for number in range(100):
            slow.send(b"?" * 100, Opcode.PING)
            slow.send(b"bad" * 300)
            slow.send(b"bad" * 300)
            slow.send(subscribe("XAA" if number % 2 else "XBB"))
        await slow.writer.drain()
        slow.send(subscribe("XCC"))
        await until(lambda: subscriber.group.selection.symbols == (Pair("XCC", "USD"),))

        assert subscriber._unsent is held
        assert len(site.broadcast._groups) == 1


async def test_a_reader_that_stays_blocked_is_told_to_come_back_later_and_cut_off(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with (
        running(store, MANY, slow_seconds=1, heartbeat_seconds=1) as site,
        client(site) as fast,
        reading(fast),
        blocked(site, publisher, quote_of) as (asleep, one),
        blocked(site, publisher, quote_of) as (awakening, two),
    ):
        await until(lambda: {one.state, two.state} <= {State.LEAVING, State.GONE})
        assert (await awakening.goodbye())[0] == 1013
        awakening.writer.write_eof()
        await awakening.ended()
        await until(lambda: len(site.broadcast.subscribers) == 1)
        await asleep.ended()


async def test_a_blocked_reader_that_says_goodbye_is_not_waited_for(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(running(store, MANY))
        slow = [(await stack.enter_async_context(blocked(site, publisher, quote_of)))[0] for _ in range(3)]
        slow[0].send(b"", Opcode.CLOSE)
        slow[1].writer.write(b"\0\0")
        slow[2].writer.write_eof()
        await until(lambda: not site.broadcast.subscribers)


async def stuffed(site: Site) -> Client:
    """A client that asks on and on and does not read, until answers are stuck in its connection."""
    slow = await Client.dial(site, receive_buffer=4096)
    server = server_of(site)
    slow.writer.write(head("/v1/quotes", {}))
    await until(lambda: server.connections)
    (connection,) = server.connections
    assert connection.transport
    while not connection.transport.get_write_buffer_size():
        asked = server.requests_count
        slow.writer.write(head("/v1/quotes", {}))
        await until(partial(has_answered, server, asked))
    return slow


async def test_a_reader_that_has_not_read_its_earlier_answers_is_subscribed_when_it_has(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await flood(publisher, quote_of, 1)
    async with running(store, MANY) as site:
        slow = await stuffed(site)
        slow.writer.write(head())
        await flood(publisher, quote_of, 30)
        await until(lambda: site.broadcast.mirror.cursor == publisher.seen)
        assert not site.broadcast.size

        while (await slow.answer())[0] != 101:
            pass
        assert place(await slow.receive()) == publisher.seen
        await flood(publisher, quote_of, 1)
        assert place(await slow.receive()) == publisher.seen
        slow.writer.transport.abort()


async def test_a_reader_that_never_takes_its_earlier_answers_is_cut_off(
    store: Store, publisher: Publisher, quote_of: QuoteOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticker.edge.handover, "WRITTEN_SECONDS", 0.3)
    await flood(publisher, quote_of, 1)
    async with running(store, MANY) as site:
        slow = await stuffed(site)
        server = server_of(site)
        slow.writer.write(head())

        await until(lambda: not server.connections)
        assert not site.broadcast.size
        slow.hang_up()


# The end.


async def test_at_the_end_everybody_is_told_and_the_port_is_closed(
    store: Store, publisher: Publisher, quote_of: QuoteOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticker.edge, "CLOSE_SECONDS", 2)
    clients = []
    async with running(store, MANY) as site:
        clients = [await (await Client.dial(site)).shake() for _ in range(20)]
        idle, half, late = [await Client.dial(site) for _ in range(3)]
        for each in (idle, late):
            each.writer.write(head("/healthz", {}))
            await each.answer()
        half.writer.write(head()[:30])
        async with blocked(site, publisher, quote_of):
            stuck = await Client.dial(site, receive_buffer=4096)
            stuck.writer.write(head("/v1/quotes", {}) * 600)
            server = server_of(site)
            await until(lambda: any(each.writing_paused for each in server.connections))

            closing = asyncio.create_task(site.stop())
            await until(lambda: site.broadcast.closing)
            with pytest.raises(ConnectionRefusedError):
                await Client.dial(site)
            late.writer.write(head())
            assert (await late.reader.readline()).startswith(b"HTTP/1.1 503 ")
            async with asyncio.timeout(PATIENCE):
                await closing

    for each in clients:
        code, reason = await each.goodbye()
        assert code == 1001
        assert "reconnect" in reason
        await each.ended()
    await asyncio.gather(idle.ended(), half.ended())
    for each in (*clients, idle, half, late, stuck):
        each.hang_up()


async def test_polite_clients_make_the_end_quick(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker.edge, "CLOSE_SECONDS", LONG)

    async def polite(reader: Client) -> None:
        assert (await reader.goodbye())[0] == 1001
        await reader.leave()

    async with running(store) as site:
        clients = [await (await Client.dial(site)).shake() for _ in range(20)]
        partings = [asyncio.create_task(polite(each)) for each in clients]
        await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE):
            await site.stop()
    await asyncio.gather(*partings)


async def test_a_crowd_is_told_over_a_while_and_gets_every_update_until_then(
    store: Store, publisher: Publisher, quote_of: QuoteOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticker.edge.stream, "CROWD_PER_SECOND", 0.5)
    ends: list[float] = []
    known: list[str] = []

    async def follow(reader: Client) -> None:
        newest = ""
        while True:
            opcode, data = await reader.frame()
            if opcode is Opcode.CLOSE:
                break
            newest = digest(json.loads(data))[1].get("KGS", newest) if opcode is Opcode.TEXT else newest
        ends.append(time.monotonic())
        known.append(newest)
        await reader.leave()

    async with running(store, drain_seconds=3) as site:
        clients = [await (await Client.dial(site)).shake() for _ in range(40)]
        following = [asyncio.create_task(follow(each)) for each in clients]
        start = time.monotonic()
        stopping = asyncio.create_task(site.stop())
        await until(lambda: len(ends) >= 10)
        await publisher.say(quote_of("KGS", "87"))
        async with asyncio.timeout(PATIENCE):
            await stopping
            await asyncio.gather(*following)

    assert ends[9] - start > 0.5
    assert ends[-1] - start > 2.5
    assert known.count("") >= 10
    assert known.count("87") >= 10


async def test_a_port_that_is_taken_is_said_in_words(site: Site, store: Store) -> None:
    settings = Settings(server=ServerSettings(port=site.port))
    with pytest.raises(PortBusy, match=f"127.0.0.1:{site.port} is in use .* choose another port"):
        async with Edge(store, settings, dict(SOURCES), enabled=frozenset()).serving():
            pass


# Leaks.


def alive(kind: type, before: Iterable[object] = ()) -> list[Any]:
    """Objects of a kind, but for those of `before`: fixtures of other tests may stand in this process."""
    gc.collect()
    known = {id(each) for each in before}
    return [each for each in gc.get_objects() if isinstance(each, kind) and id(each) not in known]


async def test_who_is_gone_is_not_listened_to_any_more(site: Site) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    site.broadcast.admission.enter("")
    subscriber = Subscriber(site.broadcast, ours, wire.select(["KGS"], FIVE))
    subscriber.start(b"", None, None)
    theirs.close()
    subscriber.received(b"".join(masked(json.dumps(subscribe(code)).encode()) for code in ("KZT", "TJS")))

    assert subscriber.state is State.GONE
    assert not site.broadcast._groups
    assert not site.broadcast.size


async def test_nobody_who_left_is_remembered(store: Store, publisher: Publisher, quote_of: QuoteOf) -> None:
    async def come_and_go(site: Site, number: int) -> None:
        target = "/v1/stream" + ["", "?symbols=KGS", "?symbols=KZT,KGS", "?symbols=NON"][number % 4]
        visitor = await Client.dial(site)
        everybody.append(visitor)
        if number % 7 == 0:
            visitor.writer.write(head(target)[: number % 60])
            visitor.hang_up()
        else:
            await visitor.shake(target)
        if number % 3:
            chance.choice([visitor.hang_up, visitor.reset])()
        else:
            visitor.send(b"", Opcode.CLOSE)

    everybody: list[Client] = []
    chance = random.Random(5)
    handlers, subscribers = alive(RequestHandler), alive(Subscriber)
    async with running(store) as site:
        tasks = len(asyncio.all_tasks())
        server = server_of(site)
        for number in range(300):
            await come_and_go(site, number)
            if number % 50 == 0:
                await publisher.say(quote_of("KGS", f"{number + 1}"))

        await until(lambda: not server.connections and not site.broadcast.subscribers)
        assert not site.broadcast._groups
        assert not list(site.broadcast._wheel)
        await until(lambda: not alive(RequestHandler, handlers))
        await asyncio.sleep(ticker.edge.stream.LATE_CLOSE_SECONDS)
        assert alive(Subscriber, subscribers) == []
        assert len(asyncio.all_tasks()) == tasks
    for each in everybody:
        each.hang_up()


async def test_aiohttp_keeps_nothing_of_a_connection_that_it_handed_over(site: Site) -> None:
    server = server_of(site)
    tasks = len(asyncio.all_tasks())
    handlers = alive(RequestHandler)

    clients = [await Client.dial(site) for _ in range(20)]
    for each in clients:
        each.writer.write(head("/healthz", {}))
        await each.answer()
        await each.shake()
    await until(lambda: not server.connections)

    assert (server.requests_count, site.broadcast.size) == (40, 20)
    assert len(asyncio.all_tasks()) == tasks
    await until(lambda: not alive(RequestHandler, handlers))
    for each in clients:
        await each.leave()
    await until(lambda: not site.broadcast.subscribers)


# HTTP.


@dataclass
class Web:
    """An HTTP client of a site."""

    session: aiohttp.ClientSession

    async def get(
        self, path: str, *, method: str = "GET", **headers: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        names = {"Accept-Encoding": "identity"}
        names |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, path, headers=names) as answer:
            body = await answer.read()
            answer_holds_to_the_schema(path, answer.status, answer.headers, body, method=method)
            return answer.status, answer.headers, body

    async def json(self, path: str, status: int = 200) -> Any:
        found, headers, body = await self.get(path)
        assert found == status, body
        assert headers["Access-Control-Allow-Origin"] == "*"
        return json.loads(body)


@pytest.fixture
async def web(site: Site) -> AsyncIterator[Web]:
    async with aiohttp.ClientSession(site.url, auto_decompress=False) as session:
        yield Web(session)


async def test_quotes_are_tagged_with_the_cursor(
    site: Site, web: Web, publisher: Publisher, quote_of: QuoteOf
) -> None:
    assert (await web.json("/v1/quotes"))["quotes"] == []
    others = [quote_of(code, "3") for code in ("TJS", "UZS", "TMT")]
    cursor = await publisher.say(quote_of("KGS", "87"), quote_of("KZT", "471"), *others)
    await until(lambda: site.broadcast.mirror.cursor == cursor)

    status, headers, body = await web.get("/v1/quotes")
    assert status == 200
    assert headers["ETag"] == f'"{cursor}"'
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Content-Type"].startswith("application/json")
    assert "max-age" in headers["Cache-Control"]
    quotes = {"KGS": "87", "KZT": "471", "TJS": "3", "UZS": "3", "TMT": "3"}
    assert digest(json.loads(body) | {"type": "x"})[1] == quotes
    assert json.loads(body)["cursor"] == str(cursor)
    status, again, body = await web.get("/v1/quotes", If_None_Match=f'"x", {headers["ETag"]}')
    assert (status, body, again["ETag"]) == (304, b"", headers["ETag"])

    await publisher.say(quote_of("KZT", "472"))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)
    assert (await web.get("/v1/quotes", If_None_Match=headers["ETag"]))[0] == 200


async def test_quotes_of_some_symbols(site: Site, web: Web, publisher: Publisher, quote_of: QuoteOf) -> None:
    await publisher.say(quote_of("KGS", "87"), quote_of("KZT", "471"))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)

    some = await web.json("/v1/quotes?symbols=kzt,TJS/USD")
    assert digest(some | {"type": "x"})[1] == {"KZT": "471"}
    async with client(site, f"/v1/stream?symbols=TJS,KZT&cursor={some['cursor']}") as reader:
        assert digest(await reader.receive()) == ("update", {})
    assert "ABC/USD is not served" in (await web.json("/v1/quotes?symbols=ABC", 400))["detail"]
    assert "symbol" in (await web.json("/v1/quotes?symbols=%FF", 400))["detail"]


async def test_one_quote(site: Site, web: Web, publisher: Publisher, quote_of: QuoteOf) -> None:
    await publisher.say(quote_of("KGS", "87"))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)

    for path in ("/v1/quotes/KGS", "/v1/quotes/kgs/usd", "/v1/quotes/KGS%2FUSD"):
        status, headers, body = await web.get(path)
        assert (status, json.loads(body)["inverse"]) == (200, "87")
        assert (await web.get(path, If_None_Match=headers["ETag"]))[0] == 304
    for path in ("/v1/quotes/USD/KGS", "/v1/quotes/usdkgs", "/v1/quotes/USD-KGS"):
        status, headers, body = await web.get(path)
        turned = json.loads(body)
        assert (status, turned["symbol"], turned["price"]) == (200, "USD/KGS", "87")
        assert (await web.get(path, If_None_Match=headers["ETag"]))[0] == 304
    assert (await web.json("/v1/quotes/KGSUSD"))["symbol"] == "KGS/USD"
    both = await web.json("/v1/quotes?symbols=USD/KGS,kgs,USDTJS")
    assert [quote["symbol"] for quote in both["quotes"]] == ["KGS/USD", "USD/KGS"]
    assert "USD/TJS has no quote yet" in (await web.json("/v1/quotes/USD/TJS", 503))["detail"]
    assert "TJS/USD has no quote yet" in (await web.json("/v1/quotes/TJS", 503))["detail"]
    assert "EUR/USD is not served" in (await web.json("/v1/quotes/EUR", 404))["detail"]
    assert "'EURO' is not a symbol" in (await web.json("/v1/quotes/EURO", 400))["detail"]


async def test_the_history_of_a_peg_is_the_day_since_which_it_holds(
    site: Site, web: Web, publisher: Publisher, quote_of: QuoteOf
) -> None:
    peg = {
        "as_of": date(2015, 1, 1),
        "source": "peg",
        "status": "pegged",
        "value": Decimal("3.5"),
        "nominal": 1,
    }
    await publisher.say(quote_of("TJS", "3.5", direction=Pair("USD", "TJS"), **peg), quote_of("KGS", "87.45"))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)

    answer = await web.json("/v1/history/TJS")

    assert answer["source"] == "peg"
    assert [(row["as_of"], row["inverse"], row["value"]) for row in answer["fixings"]] == [
        ("2015-01-01", "3.5", "3.5")
    ]
    assert (await web.json("/v1/history/KGS?source=peg"))["fixings"] == []
    assert (await web.json("/v1/history/TJS?source=nbt"))["fixings"] == []


async def test_history_is_what_one_source_said_by_day(
    site: Site, web: Web, publisher: Publisher, quote_of: QuoteOf, fixing_of: FixingOf
) -> None:
    friday = date(2026, 5, 22)
    days = [friday - timedelta(days=number) for number in range(5)]
    own = [fixing_of("KGS", f"87.4{number}00", day) for number, day in enumerate(days)]
    await publisher.say(quote_of("KGS", "87.4"), fixings=[*own, fixing_of("KGS", "87.5", friday, "cbr")])
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)

    answer = await web.json("/v1/history/KGS?from=2026-05-19&to=2026-05-21")
    assert (answer["symbol"], answer["source"]) == ("KGS/USD", "nbkr")
    assert [(row["as_of"], row["value"]) for row in answer["fixings"]] == [
        ("2026-05-19", "87.4300"),
        ("2026-05-20", "87.4200"),
        ("2026-05-21", "87.4100"),
    ]
    assert answer["fixings"][0] | {"price": "?"} == {
        "as_of": "2026-05-19",
        "price": "?",
        "inverse": "87.4300",
        "value": "87.4300",
        "nominal": 1,
        "direction": "USD/KGS",
        "corrected": False,
        "announced": False,
    }
    assert len((await web.json("/v1/history/kgs/usd"))["fixings"]) == 5
    other = await web.json("/v1/history/KGS?source=cbr&from=2026-05-01")
    assert [row["value"] for row in other["fixings"]] == ["87.5"]
    # A source that is not asked any more may have rows, and one that never was has none.
    assert (await web.json("/v1/history/KGS?source=cbt"))["fixings"] == []
    refused = (await web.json("/v1/history/KGS?source=nobody", 404))["detail"]
    assert refused.startswith("unknown source 'nobody'; the sources are nbkr, nbk, ")
    refused = (await web.json("/v1/history/KGS?from=2027-01-01&to=2026-01-01", 400))["detail"]
    assert refused == "from=2027-01-01 is after to=2026-01-01"
    assert len((await web.json("/v1/history/KGS?from=2026-05-21&to=2026-05-21"))["fixings"]) == 1
    for bad in ("from=yesterday", "to=2026-02-30", "from=%FF", "to=" + "9" * 3000):
        assert "is not a date like 2026-" in (await web.json(f"/v1/history/KGS?{bad}", 400))["detail"]
    assert (await web.json("/v1/history/EUR", 404))["status"] == 404


async def test_a_history_that_is_being_filled_is_what_is_known_at_that_moment(
    site: Site, web: Web, publisher: Publisher, quote_of: QuoteOf, fixing_of: FixingOf
) -> None:
    days = [date(2026, 5, 22) - timedelta(days=number) for number in range(5)]
    events = [
        Entry(number, Asked(at=datetime(2026, 5, 22, 6, tzinfo=UTC), source="nbkr", answered=True))
        for number in range(1, 6)
    ]
    answers = []

    await publisher.say(quote_of("KGS", "87.45"), entries=events[:1])
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)
    for day, event in zip(days, events, strict=True):
        # An archive's row is no news for the line: nothing is published.
        await publisher.say(fixings=[fixing_of("KGS", "87.45", day)], entries=[event])
        answers.append(await web.get("/v1/history/KGS"))
    answers.append(await web.get("/v1/history/KGS"))
    tag = answers[-1][1]["ETag"]
    again = await web.get("/v1/history/KGS", If_None_Match=tag)
    of_before = await web.get("/v1/history/KGS", If_None_Match=answers[0][1]["ETag"])

    assert [len(json.loads(body)["fixings"]) for _, _, body in answers] == [1, 2, 3, 4, 5, 5]
    assert {headers["Cache-Control"] for _, headers, _ in answers} == {"public, no-cache"}
    assert (again[0], of_before[0]) == (304, 200)


async def test_a_history_that_stands_is_read_once(
    site: Site,
    web: Web,
    store: Store,
    publisher: Publisher,
    quote_of: QuoteOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[object] = []
    fixings = store.fixings

    async def counted(*asked: Any, **others: Any) -> Any:
        read.append(asked)
        return await fixings(*asked, **others)

    monkeypatch.setattr(store, "fixings", counted)
    await publisher.say(quote_of("KGS", "87.45"))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)

    for _ in range(5):
        await web.json("/v1/history/KGS")

    assert len(read) == 1


async def test_a_history_is_told_the_other_way_round_too(
    site: Site, web: Web, publisher: Publisher, quote_of: QuoteOf, fixing_of: FixingOf
) -> None:
    days = [date(2026, 5, 22) - timedelta(days=number) for number in range(3)]
    cross = replace(fixing_of("KGS", "88.2534", days[2], "cbr"), legs=RUB_LEGS)
    peg = {"source": "peg", "status": "pegged", "value": Decimal("3.5"), "nominal": 1}
    await publisher.say(
        quote_of("KGS", "87.41"),
        quote_of("TMT", "3.5", direction=Pair("USD", "TMT"), **peg),
        fixings=[*(fixing_of("KGS", f"87.4{number}", day) for number, day in enumerate(days)), cross],
    )
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)

    def turned(row: dict[str, Any]) -> dict[str, Any]:
        return row | {"price": row["inverse"], "inverse": row["price"]}

    for path in ("KGS", "KGS-USD?source=nbkr&from=2026-05-21", "KGS?source=cbr", "TMT"):
        symbol, _, query = path.partition("?")
        plain = await web.json(f"/v1/history/{path}")
        reverse = await web.json(f"/v1/history/USD{symbol[:3]}?{query}")
        assert (reverse["symbol"], reverse["source"]) == (f"USD/{symbol[:3]}", plain["source"])
        assert reverse["fixings"] == list(map(turned, plain["fixings"])) != []
    assert (await web.json("/v1/history/USDKGS"))["fixings"][2]["price"] == "87.40"


RUB_LEGS = tuple(
    Rate(source="cbr", pair=pair, value=Decimal(value), nominal=nominal, as_of=date(2026, 5, 20))
    for pair, value, nominal in ((Pair("KGS", "RUB"), "88.2534", 100), (Pair("USD", "RUB"), "77.1770", 1))
)


async def test_a_row_of_the_history_is_announced_until_midnight_in_its_country(
    store: Store, publisher: Publisher, quote_of: QuoteOf, fixing_of: FixingOf
) -> None:
    friday = date(2026, 5, 22)
    moment = datetime(2026, 5, 21, 17, 59, 59, tzinfo=UTC)  # a second before midnight in Bishkek
    rows = [fixing_of("KGS", f"87.4{number}", friday - timedelta(days=number)) for number in range(2)]
    await publisher.say(quote_of("KGS", "87.41"), fixings=rows)
    async with running(store, clock=lambda: moment) as site, aiohttp.ClientSession(site.url) as session:

        async def announced() -> dict[str, bool]:
            found = await Web(session).json("/v1/history/KGS")
            return {row["as_of"]: row["announced"] for row in found["fixings"]}

        assert await announced() == {"2026-05-21": False, "2026-05-22": True}
        moment += timedelta(seconds=1)
        assert await announced() == {"2026-05-21": False, "2026-05-22": False}


async def test_history_of_a_demo_is_asked_for_by_the_name_that_its_quotes_have(
    store: Store, publisher: Publisher, quote_of: QuoteOf, fixing_of: FixingOf
) -> None:
    fixing = fixing_of("KGS", "87.4", date(2026, 5, 22))
    await publisher.say(quote_of("KGS", "87.4", source="demo:nbkr"), fixings=[fixing])
    async with running(store, label="demo") as site, aiohttp.ClientSession(site.url) as session:
        for asked in ("", "?source=demo:nbkr", "?source=nbkr"):
            answer = await Web(session).json(f"/v1/history/KGS{asked}")
            assert answer["source"] == "demo:nbkr"
            assert len(answer["fixings"]) == 1


async def test_the_time_of_an_intraday_rate_is_in_utc(
    publisher: Publisher, fixing_of: FixingOf, web: Web
) -> None:
    at = datetime(2026, 9, 2, 23, 55, 1, tzinfo=UTC)
    await publisher.say(fixings=[fixing_of("KGS", "87.4", at, source="floatrates")])

    answer = await web.json("/v1/history/KGS?source=floatrates")

    assert [row["as_of"] for row in answer["fixings"]] == ["2026-09-02T23:55:01Z"]


async def test_sources_are_told_with_their_terms_and_how_they_do(publisher: Publisher, web: Web) -> None:
    now = datetime.now(UTC)
    await publisher.say(
        outcomes=[
            Outcome(source="nbkr", succeeded_at=now, as_of="2026-05-22", latency_ms=40),
            Outcome(source="nbk", failures=2, error="timed out", next_poll_at=now + timedelta(seconds=40)),
        ]
    )
    rows = {row["key"]: row for row in (await web.json("/v1/sources"))["sources"]}

    assert set(rows) == set(SOURCES)
    assert (rows["nbkr"]["status"], rows["nbkr"]["as_of"]) == ("ok", "2026-05-22")
    assert rows["nbk"]["status"] == "failing"
    assert rows["nbk"]["message"].startswith("timed out, retry in ")
    assert rows["cbr"]["status"] == "disabled"
    assert rows["nbkr"]["authority_for"] == "KGS"
    facts = ("short", "site", "site_required", "timezone", "due_by", "grace_seconds")
    assert [rows["nbt"][name] for name in facts] == [
        "NBT",
        "www.nbt.tj",
        True,
        "Asia/Dushanbe",
        "11:30",
        10800,
    ]
    assert rows["floatrates"]["site_required"] is False
    assert rows["nbt"]["attribution"] == "National Bank of Tajikistan, www.nbt.tj"
    assert rows["erapi"]["attribution"] == "Rates by Exchange Rate API, www.exchangerate-api.com"


async def test_health_says_what_to_trust(
    site: Site, web: Web, store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async def health() -> tuple[int, str, str]:
        status, headers, body = await web.get("/health")
        assert headers["Content-Type"].startswith("application/health+json")
        answer = json.loads(body)
        return status, answer["status"], " ".join(answer["notes"])

    assert (await health())[:2] == (503, "fail")
    await publisher.say(*(quote_of(symbol.base, "9") for symbol in FIVE))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)
    assert await health() == (200, "pass", "")

    await publisher.say(outcomes=[Outcome(source="nbkr", failures=1, error="timed out")])
    await publisher.say(quote_of("KZT", "9", status="stale"))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)
    status, verdict, notes = await health()
    assert (status, verdict) == (200, "warn")
    assert "nbkr: timed out" in notes
    assert "KZT/USD is stale" in notes

    await publisher.say(*(quote_of(symbol.base, "9", status="unconfirmed") for symbol in FIVE))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)
    assert (await health())[:2] == (503, "fail")


async def test_with_redis_away_what_is_known_is_served_and_the_rest_refused(
    redis_server: EmbeddedServer,
    store: Store,
    site: Site,
    web: Web,
    publisher: Publisher,
    quote_of: QuoteOf,
) -> None:
    await publisher.say(*(quote_of(symbol.base, "9") for symbol in FIVE))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)

    with stopped(redis_server):
        async with asyncio.timeout(PATIENCE):
            health, history, sources = await asyncio.gather(
                web.json("/health"), web.get("/v1/history/KGS"), web.json("/v1/sources")
            )
        assert health["status"] == "warn"
        assert health["redis"] != "pass"
        assert history[0] == 503
        assert int(history[1]["Retry-After"]) > 0
        assert len(sources["sources"]) == len(SOURCES)
        assert len((await web.json("/v1/quotes"))["quotes"]) == 5
        assert await statuses(web.session, "/readyz", "/healthz") == [200, 200]


async def test_with_redis_away_the_sources_are_told_as_they_were(
    site: Site, web: Web, publisher: Publisher, redis_server: EmbeddedServer
) -> None:
    now = datetime.now(UTC)
    await publisher.say(outcomes=[Outcome(source="nbkr", checked_at=now, succeeded_at=now)])
    before = await web.json("/v1/sources")
    with stopped(redis_server):
        during = await web.json("/v1/sources")

    assert before == during
    assert {each["key"]: each["status"] for each in during["sources"]}["nbkr"] == "ok"


async def test_the_sources_of_a_rehearsal_are_labelled(store: Store, redis_url: str) -> None:
    async with (
        running(store, label="demo") as site,
        aiohttp.ClientSession(site.url) as session,
        session.get("/v1/sources") as answer,
    ):
        told = await answer.json()

    assert told["label"] == "demo"
    assert {each["short"].partition(":")[0] for each in told["sources"]} == {"demo"}


async def test_the_widget_is_packed_and_cached(web: Web) -> None:
    for path in ("/ticker.js", "/page.js"):
        status, headers, body = await web.get(path, Accept_Encoding="gzip")
        assert (status, headers["Content-Encoding"]) == (200, "gzip")
        assert "Accept-Encoding" in headers["Vary"]
        assert headers["Content-Type"].startswith("text/javascript")
        assert headers["Access-Control-Allow-Origin"] == "*"
        status, plain, whole = await web.get(path, Accept_Encoding="identity")
        assert "Content-Encoding" not in plain
        assert gzip.decompress(body) == whole
        assert len(body) < len(whole)
        assert (await web.get(path, If_None_Match=headers["ETag"]))[::2] == (304, b"")
        assert (await web.get(path, If_None_Match='"x"'))[0] == 200
        status, headers, body = await web.get(path, method="HEAD")
        assert (status, body) == (200, b"")


async def test_a_debugger_finds_the_sources_of_the_scripts(web: Web) -> None:
    for path in ("/ticker.js", "/page.js"):
        script = (await web.get(path, Accept_Encoding="identity"))[2].decode()
        name = script.rpartition("//# sourceMappingURL=")[2].strip()
        status, _, body = await web.get(f"/{name}", Accept_Encoding="identity")
        assert (status, json.loads(body)["version"]) == (200, 3)


async def test_the_page_escapes_what_it_did_not_write(store: Store) -> None:
    async with running(store, demo=True) as site:
        for host in ('x"><script>alert(1)</script>', "x' onload='y", "{{origin}}", "{{script}}"):
            reader = await Client.dial(site)
            reader.writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = (await reader.reader.read()).decode()
            reader.hang_up()
            if answer.startswith("HTTP/1.1 400 "):
                continue
            assert answer.startswith("HTTP/1.1 200 ")
            assert '<p class="notice"' in answer
            assert "<script>alert" not in answer
            assert "onload='" not in answer
        async with aiohttp.ClientSession(site.url) as session, session.get("/") as page:
            assert page.content_type == "text/html"
            assert f'&lt;script async src="{site.url}/ticker.js"&gt;' in await page.text()
    async with running(store) as site, aiohttp.ClientSession(site.url) as session, session.get("/") as page:
        assert 'class="notice"' not in await page.text()


async def test_errors_are_problems_in_json(web: Web) -> None:
    for path, method, expected in (
        ("/nowhere", "GET", 404),
        ("/v1/quotes/", "GET", 404),
        ("/v1/quotes", "POST", 405),
        ("/ticker.js", "DELETE", 405),
        ("/v1/stream", "PUT", 405),
    ):
        status, headers, body = await web.get(path, method=method)
        assert (status, headers["Content-Type"].partition(";")[0]) == (expected, "application/problem+json")
        assert json.loads(body)["status"] == status
        assert ("Allow" in headers) == (status == 405)


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (head("/" + "x" * 20_000, {}), 414),
        (head("/v1/stream?symbols=Ä"), 400),
        (head("/v1/stream?symbols=\udcff\udcfe"), 400),
        (head("/healthz", {"X": "x" * 20_000}), 431),
        (head("/healthz", {f"X-{number}": "x" * 90 for number in range(200)}), 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" * 5 + b"\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ],
    ids=range(8),
)
async def test_a_head_that_is_too_long_or_none_is_refused_and_harms_nobody(
    request_head: bytes, status: int, site: Site, web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    reader = await Client.dial(site)
    reader.writer.write(request_head)
    assert b" %d " % status in await reader.reader.readline()
    reader.hang_up()
    assert "Traceback" not in caplog.text

    assert (await web.json("/healthz"))["status"] == "pass"
