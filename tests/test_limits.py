"""Every limit from outside: who is over it is told so, nobody else notices, and the place is free again."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from stage import PATIENCE
from test_edge import UPGRADE, Client, Site, client, digest, head, masked, running, subscribe, until
from websockets.frames import Opcode

from ticker.config import LimitSettings
from ticker.edge.proxy import SIGNATURE
from ticker.metrics import Count
from ticker.store import Store

if TYPE_CHECKING:
    from tests.conftest import Publisher, QuoteOf

BOTH = pytest.mark.parametrize("target", ["/v1/stream", "/v1/events"])


@asynccontextmanager
async def connected(port: int, source: str = "127.0.0.1") -> AsyncIterator[Client]:
    one = Client(*await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0)))
    try:
        yield one
    finally:
        one.writer.transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def asking(
    site: Site, target: str = "/v1/stream", *, source: str = "127.0.0.1", before: bytes = b"", **headers: str
) -> AsyncIterator[Client]:
    """A client that has asked for the stream or the events, from a loopback address of its own."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with connected(site.port, source) as one:
        one.writer.write(before + head(target, (UPGRADE if "stream" in target else {}) | named))
        yield one


async def is_in(one: Client) -> bool:
    """Whether a client was taken in; what turns it away is a problem and says when to come back."""
    async with asyncio.timeout(PATIENCE):
        start = (await one.reader.readuntil(b"\r\n\r\n")).decode()
    status = int(start.split()[1])
    if status in (101, 200):
        return True
    assert status == 503, start
    fields = dict(line.split(": ", 1) for line in start.split("\r\n")[1:-2])
    assert 2 <= int(fields["Retry-After"]) <= 10
    assert fields["Content-Type"].startswith("application/problem+json")
    problem = json.loads(await one.reader.readexactly(int(fields["Content-Length"])))
    assert problem["status"] == 503
    assert len(problem["detail"]) > 20
    return False


@asynccontextmanager
async def unharmed(site: Site, publisher: Publisher, quote_of: QuoteOf) -> AsyncIterator[None]:
    """A subscriber is there before and after, and gets what is published."""
    async with client(site, "/v1/stream?symbols=TMT") as reader:
        await reader.receive()
        yield
        figure = f"{time.monotonic_ns()}"
        await publisher.say(quote_of("TMT", figure))
        assert digest(await reader.receive())[1] == {"TMT": figure}


async def is_empty(site: Site) -> None:
    """Wait until nobody is there any more, and see that nobody is counted either."""
    broadcast, port = site.broadcast, site.edge._port
    await until(lambda: not (broadcast.size or port._openings or port._handing))
    assert broadcast.admission._size == 0
    assert broadcast.admission._inside == {}
    left = broadcast.blocked, broadcast.leaving, broadcast._groups, broadcast.sockets._owners
    assert [each for each in left if each] == []


# Subscribers.


@BOTH
async def test_no_more_subscribers_than_fit(
    target: str, store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with running(store, subscribers=4) as site:
        async with unharmed(site, publisher, quote_of), AsyncExitStack() as stack:
            inside = [await stack.enter_async_context(asking(site, target)) for _ in range(3)]
            assert [await is_in(one) for one in inside] == [True] * 3
            for other in ("/v1/stream", "/v1/events"):
                async with asking(site, other) as refused:
                    assert not await is_in(refused)
            inside[0].hang_up()
            await until(lambda: site.broadcast.size == 3)
            async with asking(site, target) as one, asking(site, target) as refused:
                assert await is_in(one)
                assert not await is_in(refused)
            assert site.broadcast.tally.total(Count.REFUSED_FULL) == 3
        await is_empty(site)


async def test_a_refused_upgrade_on_a_used_connection_is_told_so_too(store: Store) -> None:
    async with running(store, subscribers=1) as site, client(site), asking(site, "/healthz") as one:
        assert (await one.answer())[0] == 200
        one.writer.write(head())
        assert not await is_in(one)
        assert await one.reader.read() == b""


@BOTH
async def test_an_address_has_its_share_and_no_more(
    target: str, store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with running(store, subscribers_per_address=2, trusted_proxies=("127.0.0.1/32",)) as site:
        async with unharmed(site, publisher, quote_of), AsyncExitStack() as stack:
            mine = [await stack.enter_async_context(asking(site, target, source="127.0.0.2")) for _ in "12"]
            assert [await is_in(one) for one in mine] == [True, True]
            # Who is no trusted proxy may say of itself what it likes.
            async with asking(site, target, source="127.0.0.2", X_Forwarded_For="192.0.2.9") as refused:
                assert not await is_in(refused)
            async with asking(site, target, source="127.0.0.3") as other:
                assert await is_in(other)
            mine[0].hang_up()
            await until(lambda: site.broadcast.admission._inside["127.0.0.2"] == 1)
            async with asking(site, target, source="127.0.0.2") as again:
                assert await is_in(again)
            assert site.broadcast.tally.total(Count.REFUSED_ADDRESS) == 1
        await is_empty(site)


@BOTH
@pytest.mark.parametrize("used_before", [False, True])
async def test_a_trusted_proxy_says_who_its_clients_are(target: str, used_before: bool, store: Store) -> None:
    before = head("/healthz", {}) if used_before else b""

    async def came_in(site: Site, stack: AsyncExitStack, forwarded: str) -> bool:
        how = {"X_Forwarded_For": forwarded} if forwarded else {}
        one = await stack.enter_async_context(asking(site, target, before=before, **how))
        assert not before or (await one.answer())[0] == 200
        return await is_in(one)

    async with running(store, subscribers_per_address=1) as site, AsyncExitStack() as stack:
        for forwarded, fits in (
            ("192.0.2.1", True),
            ("192.0.2.1", False),
            ("192.0.2.2, 192.0.2.1", False),
            ("192.0.2.1, 192.0.2.2", True),
            ("192.0.2.3, 127.0.0.9", True),
            ("192.0.2.3", False),
            ("2001:db8::1", True),
            ("2001:db8::2", False),
            ("2001:db8:0:1::1", True),
            # A proxy that does not say whose connection it is would fill one place with everybody.
            ("", True),
            ("", True),
        ):
            assert await came_in(site, stack, forwarded) == fits, forwarded


# Symbols, messages.


async def test_a_subscription_names_only_so_many_symbols(store: Store) -> None:
    async with running(store) as site, client(site, "/v1/stream?symbols=KGS,KZT") as reader:
        site.broadcast.limits = site.edge._port.limits = LimitSettings(symbols=2)
        await reader.receive()
        reader.send(subscribe("KGS", "KZT", "TJS"))
        assert "too many" in (await reader.receive())["message"]
        reader.send(subscribe("TJS", "UZS"))
        assert (await reader.receive())["type"] == "snapshot"
        async with asking(site, "/v1/stream?symbols=KGS,KZT,TJS") as refused:
            assert await is_in(refused)
            assert "too many" in (await refused.receive())["message"]
            assert (await refused.goodbye())[0] == 4400
        async with asking(site, "/v1/events?symbols=KGS,KZT,TJS") as refused:
            assert (await refused.answer())[0] == 400


async def test_a_message_is_only_so_long(store: Store, publisher: Publisher, quote_of: QuoteOf) -> None:
    longest = json.dumps(subscribe("KGS")).encode().ljust(128)
    async with (
        running(store, message_bytes=128) as site,
        unharmed(site, publisher, quote_of),
        client(site) as reader,
    ):
        await reader.receive()
        reader.send(longest)
        assert (await reader.receive())["type"] == "snapshot"
        reader.send(longest + b" ")
        assert (await reader.goodbye())[0] == 1009
        await reader.ended()


async def test_a_subscriber_says_only_so_much_in_a_second(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with (
        running(store, messages_per_second=5) as site,
        unharmed(site, publisher, quote_of),
        client(site) as reader,
        client(site) as other,
    ):
        await reader.receive()
        await other.receive()
        await until(lambda: not site.broadcast.spoken)
        for one in (reader, other):
            one.writer.write(masked(b"", Opcode.PING) * 5)
            assert {await one.frame() for _ in range(5)} == {(Opcode.PONG, b"")}
        reader.send(b"", Opcode.PING)
        code, reason = await reader.goodbye()
        assert code == 1013
        assert "too many" in reason
        await reader.ended()
        await until(lambda: not site.broadcast.spoken)
        other.send(b"", Opcode.PING)
        assert await other.frame() == (Opcode.PONG, b"")


# Handshakes.


async def test_only_so_many_handshakes_come_at_once(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with running(store, handshakes_at_once=4, handshakes_per_second=1) as site:
        async with unharmed(site, publisher, quote_of), AsyncExitStack() as stack:
            crowd = [await stack.enter_async_context(asking(site)) for _ in range(6)]
            assert [await is_in(one) for one in crowd] == [True] * 3 + [False] * 3
            await asyncio.sleep(1.1)
            async with asking(site, "/v1/events") as one, asking(site) as refused:
                assert await is_in(one)
                assert not await is_in(refused)
            assert site.broadcast.tally.total(Count.REFUSED_RATE) == 4
        await is_empty(site)


async def test_only_so_many_requests_are_under_way(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with (
        running(store, handshakes_in_flight=3) as site,
        unharmed(site, publisher, quote_of),
        AsyncExitStack() as stack,
    ):
        halves = []
        for number in range(3):
            halves.append(await stack.enter_async_context(connected(site.port)))
            await until(lambda number=number: len(site.edge._port._openings) == number + 1)
        # Who comes to the point is served; room is made by whoever has said nothing longest.
        async with asking(site) as one:
            assert await is_in(one)
        assert not await is_in(halves[0])
        assert await halves[0].reader.read() == b""
        for free in (2, 1):
            halves[free].writer.write(head())
            assert await is_in(halves[free])
            async with asking(site) as one:
                assert await is_in(one)
        await until(lambda: not site.edge._port._openings)
        assert site.broadcast.tally.total(Count.REFUSED_RATE) == 1


async def test_many_who_say_nothing_shut_nobody_out(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with (
        running(store, handshakes_in_flight=20) as site,
        unharmed(site, publisher, quote_of),
        AsyncExitStack() as stack,
    ):
        for _ in range(60):
            await stack.enter_async_context(connected(site.port))
        await until(lambda: len(site.edge._port._openings) == 20)
        for target in ("/v1/stream", "/healthz", "/v1/events"):
            async with asking(site, target) as one:
                assert await is_in(one)
        assert 40 <= site.broadcast.tally.total(Count.REFUSED_RATE) <= 43


async def test_an_event_source_is_told_to_come_back_in_a_way_that_does_not_end_it(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    # A status other than 200 would end it for good (WHATWG HTML, 9.2.2).
    source = {"Accept": "Text/Event-Stream"}
    async with (
        running(store, subscribers=1) as site,
        unharmed(site, publisher, quote_of),
        asking(site, "/v1/events", **source) as one,
    ):
        assert_comes_back(await the_end(one))
    async with running(store, handshakes_per_second=1, handshakes_at_once=1) as site:
        async with asking(site) as one:
            assert await is_in(one)
        async with asking(site, "/v1/events?symbols=KGS", **source) as one:
            assert_comes_back(await the_end(one))
    async with running(store) as site:
        site.broadcast.loaded = False
        async with asking(site, "/v1/events", **source) as one:
            start = await one.reader.readuntil(b"\r\n\r\n")
            assert_comes_back(start + await one.reader.readuntil(b"\n\n"))


async def the_end(one: Client) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return await one.reader.read()


def assert_comes_back(answer: bytes) -> None:
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    start, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\nContent-Type: text/event-stream\r\n" in start
    assert b"\r\nAccess-Control-Allow-Origin: *" in start
    found = re.search(rb": 503 [ a-z]+\nretry: ([0-9]+)000\n\n$", body)
    assert found, body
    assert 2 <= int(found[1]) <= 10


@pytest.mark.parametrize(("target", "status"), [("/v1/stream", 101), ("/healthz", 200)])
async def test_a_single_header_may_fill_a_head(target: str, status: int, store: Store) -> None:
    # Cookies do, which browsers send to every port of a host.
    async with running(store) as site, connected(site.port) as one:
        one.writer.write(head(target, UPGRADE | {"Cookie": "x" * 15_000}))
        assert (await one.answer())[0] == status


@pytest.mark.parametrize(("target", "status"), [("/v1/stream", 101), ("/healthz", 200)])
async def test_a_request_head_is_only_so_long(target: str, status: int, store: Store) -> None:
    async with running(store, head_bytes=1024) as site:
        rest = len(head(target, UPGRADE | {"X": ""}))
        for sent, expected in (
            (head(target, UPGRADE | {"X": "x" * (1024 - rest)}), status),
            (head(target, UPGRADE | {"X": "x" * (1025 - rest)}), 431),
            (head(target, UPGRADE | {"X": "x" * 60_000}), 431),
            (b"GET " + target.encode() + b"?" + b"x" * 2000, 414),
        ):
            async with connected(site.port) as one:
                # In two pieces: one read takes no more than the limit.
                one.writer.write(sent[:1000])
                await asyncio.sleep(0.01)
                one.writer.write(sent[1000:])
                assert b" %d " % expected in await one.reader.readline()
        assert site.broadcast.tally.total(Count.BAD_HEADS) == 3
        await is_empty(site)


# Origins.


@BOTH
@pytest.mark.parametrize("used_before", [False, True])
async def test_scripts_of_other_sites_may_not_read_where_there_is_a_list(
    target: str, used_before: bool, store: Store
) -> None:
    before = head("/healthz", {}) if used_before else b""
    origins = ("https://news.example", "http://localhost:3000")
    async with running(store, origins=origins) as site:
        for origin in (*origins, None):
            how = {} if origin is None else {"Origin": origin}
            async with asking(site, target, before=before, **how) as one:
                assert not before or (await one.answer())[0] == 200
                assert await is_in(one)
        for origin in ("https://bank.example", "null", "https://news.example.org", "http://news.example"):
            async with asking(site, target, before=before, Origin=origin) as one:
                assert not before or (await one.answer())[0] == 200
                status, headers, body = await one.answer()
                assert status == 403
                assert "Retry-After" not in headers
                assert origin in json.loads(body)["detail"]
        assert site.broadcast.tally.total(Count.REFUSED_ORIGIN) == 4
        await is_empty(site)


# The PROXY header.


def line(client: str) -> bytes:
    return f"PROXY TCP4 {client} 127.0.0.1 4711 80\r\n".encode()


def binary(client: str) -> bytes:
    body = bytes(map(int, client.split("."))) + b"\x7f\0\0\1" + struct.pack("!HH", 4711, 80)
    return SIGNATURE + b"\x21\x11" + struct.pack("!H", len(body)) + body


@BOTH
@pytest.mark.parametrize("header", [line, binary])
async def test_a_proxy_header_says_who_the_client_is(
    header: Callable[[str], bytes], target: str, store: Store
) -> None:
    async with (
        running(store, proxy_protocol=True, subscribers_per_address=1) as site,
        asking(site, target, before=header("192.0.2.1")) as one,
        asking(site, target, before=header("192.0.2.1"), X_Forwarded_For="192.0.2.9") as refused,
        asking(site, target, before=header("192.0.2.2")) as two,
    ):
        assert await is_in(one)
        assert not await is_in(refused)
        assert await is_in(two)
        assert set(site.broadcast.admission._inside) == {"192.0.2.1", "192.0.2.2"}


async def test_a_proxy_header_holds_for_its_whole_connection_and_no_other(store: Store) -> None:
    async with running(store, proxy_protocol=True, subscribers_per_address=1) as site:
        async with asking(site, "/healthz", before=line("192.0.2.1")) as one:
            assert (await one.answer())[0] == 200
            await one.shake()
            assert set(site.broadcast.admission._inside) == {"192.0.2.1"}
            await one.leave()
        # The next connection has the same descriptor, and a load balancer's own check names nobody.
        async with asking(site, "/v1/events", before=SIGNATURE + b"\x20\0\0\0") as check:
            assert await is_in(check)
            assert not site.broadcast.admission._inside
        await is_empty(site)


@pytest.mark.parametrize("header", [line("192.0.2.1"), binary("192.0.2.1")], ids=["line", "binary"])
async def test_a_proxy_header_may_come_a_byte_at_a_time(header: bytes, store: Store) -> None:
    async with running(store, proxy_protocol=True) as site, connected(site.port) as one:
        for byte in header + head():
            one.writer.write(bytes([byte]))
            await asyncio.sleep(0.0005)
        assert await is_in(one)
        assert set(site.broadcast.admission._inside) == {"192.0.2.1"}


@pytest.mark.parametrize("header", [b"", b"PROXY TCP4 nobody\r\n", SIGNATURE + b"\x31\x11\0\0"], ids=range(3))
async def test_a_connection_without_its_proxy_header_is_refused(header: bytes, store: Store) -> None:
    async with running(store, proxy_protocol=True) as site, asking(site, before=header) as one:
        status, _, body = await one.answer()
        assert status == 400
        assert "PROXY" in json.loads(body)["detail"]
        assert site.broadcast.tally.total(Count.BAD_HEADS) == 1


async def test_a_proxy_header_is_only_so_slow(store: Store) -> None:
    async with running(store, proxy_protocol=True, head_seconds=0.2) as site, connected(site.port) as one:
        one.writer.write(line("192.0.2.1")[:20])
        assert (await one.answer())[0] == 408


async def test_only_a_trusted_proxy_may_send_a_proxy_header(store: Store) -> None:
    async with running(store, proxy_protocol=True, trusted_proxies=("127.0.0.1/32",)) as site:
        async with asking(site, source="127.0.0.2") as one:
            assert await is_in(one)
        async with asking(site, source="127.0.0.2", before=line("192.0.2.1")) as liar:
            assert b" 400 " in await liar.reader.readline()
        await is_empty(site)


# Nothing leaks.


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


async def test_hundreds_who_came_and_went_have_left_every_place_free(
    store: Store, publisher: Publisher, quote_of: QuoteOf, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(5)
    limits: dict[str, Any] = {"subscribers": 8, "subscribers_per_address": 3, "handshakes_in_flight": 18}

    async def visit(site: Site) -> None:
        target = chance.choice(
            ["/v1/stream", "/v1/events", "/v1/stream?symbols=ABC", "/v1/events?symbols=ABC"]
        )
        named = {
            "X-Forwarded-For": f"192.0.2.{chance.randrange(5)}",
            "Origin": chance.choice(["https://news.example"] * 4 + ["https://bank.example"]),
        }
        before = head("/healthz", {}) if chance.random() < 0.3 else b""
        sent = before + head(target, (UPGRADE if "stream" in target else {}) | named) + masked(b"bad")
        async with connected(site.port) as one:
            one.writer.write(sent[: chance.choice([len(sent), len(sent), chance.randrange(len(sent))])])
            await asyncio.sleep(chance.random() / 30)
            with suppress(OSError):  # the server may have ended it before
                chance.choice([one.hang_up, one.reset, one.writer.write_eof])()
            await asyncio.sleep(chance.random() / 30)

    async with running(store, origins=("https://news.example",), **limits) as site:
        async with unharmed(site, publisher, quote_of):
            files = open_files()
            # First one address is full, then the whole house.
            for standing in (3, 7):
                async with AsyncExitStack() as stack:
                    for number in range(standing):
                        address = f"192.0.2.{number // 3}"
                        one = await stack.enter_async_context(asking(site, X_Forwarded_For=address))
                        assert await is_in(one)
                    for _ in range(10):
                        await asyncio.gather(*(visit(site) for _ in range(25)))
                await until(lambda: site.broadcast.size == 1)
            tally = site.broadcast.tally
            assert tally.total(Count.JOINED) > 25
            for count in (
                Count.REFUSED_FULL,
                Count.REFUSED_ADDRESS,
                Count.REFUSED_ORIGIN,
                Count.REFUSED_RATE,
            ):
                assert tally.total(count), count
            await until(lambda: site.broadcast.size == 1 and open_files() <= files)
            async with AsyncExitStack() as stack:
                crowd = [
                    await stack.enter_async_context(asking(site, X_Forwarded_For=f"198.51.100.{number // 3}"))
                    for number in range(8)
                ]
                assert [await is_in(one) for one in crowd] == [True] * 7 + [False]
            await until(lambda: site.broadcast.size == 1)
        await is_empty(site)
    assert "Traceback" not in caplog.text


# Open files.


FILES = 160
FULL = "port: new connections are refused"
SERVER = """
import asyncio, logging, os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({files}, {files}))
from ticker.config import LimitSettings, ServerSettings, Settings
from ticker.edge import Edge
from ticker.store import Store

taken = []

def take_or_give():
    # Use all the files up, or give them back.
    os.read(0, 1)
    if taken:
        while taken:
            os.close(taken.pop())
        return
    try:
        while True:
            taken.append(os.dup(0))
    except OSError:
        pass

async def main():
    asyncio.get_running_loop().add_reader(0, take_or_give)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = Settings(server=ServerSettings(port=0), limits=LimitSettings(head_seconds=60))
    async with Store({url!r}, prefix="{{ticker}}:", stream_length=100, history_days=30) as store:
        edge = Edge(store, settings, {{}}, enabled=frozenset())
        async with edge.serving() as address, asyncio.TaskGroup() as group:
            group.create_task(edge.follow())
            group.create_task(edge.beat())
            await edge.until_loaded(5)
            print("ready", address, flush=True)

asyncio.run(main())
"""


def said(log: Path) -> str:
    return log.read_text()


@asynccontextmanager
async def short_of_files(url: str, log: Path) -> AsyncIterator[tuple[int, Callable[[], None]]]:
    """An edge that may open few files: its port, and how to take all of them or give them back."""
    program = SERVER.format(files=FILES, url=url)
    with log.open("wb") as into:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=into,
        )
    assert process.stdin
    assert process.stdout
    toggle = partial(process.stdin.write, b"!")
    try:
        async with asyncio.timeout(PATIENCE):
            ready = (await process.stdout.readline()).decode()
        assert ready.startswith("ready"), said(log)
        yield int(ready.rstrip("/\n").rpartition(":")[2]), toggle
        assert process.returncode is None, said(log)
        assert "Traceback" not in said(log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_without_open_files_nobody_is_harmed_and_it_is_said_once(
    redis_url: str, publisher: Publisher, quote_of: QuoteOf, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with (
        short_of_files(redis_url, log) as (port, take_or_give),
        connected(port) as reader,
        connected(port) as kept,
    ):
        await reader.shake()
        await reader.receive()
        kept.writer.write(head("/healthz", {}))
        assert (await kept.answer())[0] == 200

        take_or_give()
        async with connected(port) as late:
            late.writer.write(head())
            await until(lambda: FULL in said(log))
            kept.writer.write(head())
            assert not await is_in(kept)
            # Longer than it rests between two tries.
            for number in range(7):
                await publisher.say(quote_of("KGS", f"{number + 1}"))
                assert digest(await reader.receive())[1] == {"KGS": f"{number + 1}"}
                await asyncio.sleep(0.1)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(late.reader.read(1), 0.05)
            take_or_give()
            assert await is_in(late)
        kept.writer.write(head())
        assert await is_in(kept)
        async with connected(port) as one:
            one.writer.write(head())
            assert await is_in(one)
        assert said(log).count(FULL) == 1


async def test_files_are_kept_for_other_things_than_subscribers(redis_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with short_of_files(redis_url, log) as (port, _), AsyncExitStack() as stack:
        # Also those who say nothing hold none of the last files.
        silent = [await stack.enter_async_context(connected(port)) for _ in range(FILES)]
        await until(lambda: FULL in said(log))
        async with connected(port) as late:
            assert not await is_in(late)
        for one in silent:
            one.hang_up()
        await asyncio.sleep(1)
        crowd = [await stack.enter_async_context(connected(port)) for _ in range(FILES - 40)]
        for one in crowd:
            one.writer.write(head())
        came_in = [await is_in(one) for one in crowd]
        assert 60 < sum(came_in) < FILES - 64
        assert not any(came_in[FILES - 64 :])
        for one in crowd[:40]:
            one.hang_up()
        await asyncio.sleep(1)
        for _ in range(30):
            one = await stack.enter_async_context(connected(port))
            one.writer.write(head())
            assert await is_in(one)
        assert said(log).count(FULL) == 2
