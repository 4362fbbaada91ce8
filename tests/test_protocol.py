"""HTTP, WebSocket and event streams as their standards say, from outside; and behind a real nginx."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest
from stage import LONG, PATIENCE
from test_edge import (
    KEY,
    MANY,
    UPGRADE,
    Client,
    Site,
    client,
    digest,
    flood,
    head,
    masked,
    place,
    running,
    server_of,
    stuffed,
    subscribe,
    until,
    without,
)
from websockets.frames import Opcode

import ticker.edge
from ticker.metrics import Count
from ticker.store import Store

if TYPE_CHECKING:
    from tests.conftest import Publisher, QuoteOf


@pytest.fixture
async def site(store: Store) -> AsyncIterator[Site]:
    async with running(store) as site:
        yield site


@asynccontextmanager
async def asking(site: Site, *pieces: bytes) -> AsyncIterator[Client]:
    """A client that has sent these pieces, each in a segment of its own."""
    one = await Client.dial(site)
    try:
        for piece in pieces:
            one.writer.write(piece)
            await asyncio.sleep(0.001)
        yield one
    finally:
        await hung_up(one)


async def hung_up(*some: Client) -> None:
    for one in some:
        one.writer.transport.abort()
    # The loop closes what was aborted in its next round.
    await asyncio.sleep(0)


async def the_end(one: Client) -> bytes:
    """Everything until the server ends the connection."""
    async with asyncio.timeout(PATIENCE):
        return await one.reader.read()


def lines(*headers: str, start: str = "GET /v1/stream HTTP/1.1") -> bytes:
    """A request head, as it stands here."""
    return ("\r\n".join((start, *headers)) + "\r\n\r\n").encode("latin-1")


def upgrade(**changed: str) -> tuple[str, ...]:
    """The headers of an upgrade; `Sec_WebSocket_Key=""` leaves one out, other words replace it."""
    names = {name.replace("_", "-"): value for name, value in changed.items()}
    headers = {"Host": "localhost"} | UPGRADE | names
    return tuple(f"{name}: {value}" for name, value in headers.items() if value)


class Bystander:
    """A subscriber that others must not disturb."""

    def __init__(self, reader: Client, publisher: Publisher, quote_of: QuoteOf) -> None:
        self._reader, self._publisher, self._quote_of = reader, publisher, quote_of
        self._number = 0

    async def is_served(self) -> None:
        """Publish, and see that the update comes."""
        self._number += 1
        await self._publisher.say(self._quote_of("TMT", f"{self._number}"))
        assert digest(await self._reader.receive())[1] == {"TMT": f"{self._number}"}


@asynccontextmanager
async def watched(site: Site, publisher: Publisher, quote_of: QuoteOf) -> AsyncIterator[Bystander]:
    async with client(site, "/v1/stream?symbols=TMT") as reader:
        await reader.receive()
        bystander = Bystander(reader, publisher, quote_of)
        await bystander.is_served()
        yield bystander
        await bystander.is_served()


# Heads that come slowly, in halves, in heaps.


@pytest.mark.parametrize(("target", "status"), [("/v1/stream", 101), ("/healthz", 200), ("/v1/nothing", 404)])
async def test_a_head_may_come_a_byte_at_a_time(target: str, status: int, site: Site) -> None:
    async with asking(site) as one:
        for byte in head(target):
            one.writer.write(bytes([byte]))
            await asyncio.sleep(0.0005)

        assert (await one.answer())[0] == status


@pytest.mark.parametrize("start", [b"GET /v1/str", b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"\r\n", b"P"])
async def test_a_head_that_does_not_come_in_time_is_answered_by_408(start: bytes, store: Store) -> None:
    async with running(store, head_seconds=0.2) as site, asking(site, start) as one:
        status, headers, body = await one.answer()

        assert (status, headers["Connection"]) == (408, "close")
        assert json.loads(body)["status"] == 408
        assert await the_end(one) == b""


async def test_a_head_that_drips_for_ever_is_ended_and_harms_nobody(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with running(store, head_seconds=0.3) as site, watched(site, publisher, quote_of) as bystander:
        start = time.monotonic()
        dripping = [await Client.dial(site) for _ in range(50)]
        async with asyncio.timeout(PATIENCE):
            while not site.broadcast.tally.total(Count.BAD_HEADS):
                for one in dripping:
                    one.writer.write(b"G")
                await bystander.is_served()
                await asyncio.sleep(0.02)
        assert time.monotonic() - start > 0.3
        for one in dripping:
            assert b" 408 " in await one.reader.readline()
        await hung_up(*dripping)


async def test_who_says_nothing_is_closed_without_a_word(store: Store) -> None:
    async with running(store, head_seconds=0.2) as site, asking(site) as one:
        assert await the_end(one) == b""


async def test_lines_that_end_without_a_carriage_return_are_no_head(store: Store) -> None:
    unended = head().replace(b"\r\n", b"\n")
    async with running(store, head_seconds=0.2) as site, asking(site, unended) as one:
        assert (await one.answer())[0] == 408


async def test_empty_lines_before_a_request_are_passed_over(site: Site) -> None:
    for before in (b"\r\n", b"\r\n\r\n"):
        async with asking(site, before + head()) as one:
            assert (await one.answer())[0] == 101
            await one.leave()


@pytest.mark.parametrize("rest", [b"GET /heal", head("/healthz", {})[:-1]])
async def test_half_a_second_request_is_ended_like_an_idle_connection(
    rest: bytes, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticker.edge, "IDLE_SECONDS", 1)
    async with running(store, head_seconds=LONG) as site:
        start = time.monotonic()
        async with asking(site, head("/healthz", {})) as one:
            assert (await one.answer())[0] == 200
            for byte in rest:
                one.writer.write(bytes([byte]))
                await asyncio.sleep(0.001)
            await one.ended()
        assert time.monotonic() - start > 0.9


async def test_a_body_that_does_not_come_keeps_nobody_from_an_answer(site: Site) -> None:
    async with asking(site, head("/v1/stream", {"Content-Length": "9"}, method="POST") + b"half") as one:
        assert (await one.answer())[0] == 405


async def test_pipelined_requests_are_answered_in_order_and_an_upgrade_comes_last(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "87"), quote_of("KZT", "471"))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)
    targets = ["/healthz", "/v1/quotes?symbols=KGS", "/v1/nothing", "/readyz", "/v1/quotes/KZT"] * 3
    sent = b"".join(head(target, {}) for target in targets) + head()
    sent += masked(json.dumps(subscribe("KZT")).encode()) + masked(b"?", Opcode.PING)

    for cuts in ((len(sent),), (300, 700, len(sent)), (len(sent) - 60, len(sent) - 3, len(sent))):
        pieces = [sent[start:end] for start, end in zip((0, *cuts), cuts, strict=False)]
        async with asking(site, *pieces) as one:
            answers = [await one.answer() for _ in targets]
            assert [status for status, _, _ in answers] == [200, 200, 404, 200, 200] * 3
            assert [b"KGS" in body for _, _, body in answers[:3]] == [False, True, False]
            assert (await one.answer())[0] == 101
            assert digest(await one.receive())[1] == {"KGS": "87", "KZT": "471"}
            assert digest(await one.receive())[1] == {"KZT": "471"}
            assert await one.frame() == (Opcode.PONG, b"?")
            await one.leave()


async def test_an_upgrade_comes_on_a_connection_that_has_seen_errors(site: Site) -> None:
    async with asking(site) as one:
        for request, status in (
            (head("/v1/nothing", {}), 404),
            (head(method="POST"), 405),
            (head(headers=without("Sec-WebSocket-Key")), 400),
            (head("/v1/quotes?symbols=ABC", {}), 400),
            (head("/v1/events?symbols=ABC", {}), 400),
            (head("/healthz"), 200),
        ):
            one.writer.write(request)
            assert (await one.answer())[0] == status

        await one.shake()
        assert (await one.receive())["type"] == "snapshot"
        await one.leave()


@pytest.mark.parametrize("target", ["/v1/stream", "/v1/events"])
@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "OPTIONS"])
async def test_the_stream_is_only_to_be_got(method: str, target: str, site: Site) -> None:
    async with asking(site, head(target, UPGRADE | {"Content-Length": "0"}, method=method)) as one:
        answer = await one.reader.readuntil(b"\r\n\r\n")

        is_preflight = method == "OPTIONS" and target == "/v1/events"
        assert answer.startswith(b"HTTP/1.1 204 " if is_preflight else b"HTTP/1.1 405 ")
        allowed = b"Allow: GET\r\n" if target == "/v1/stream" else b"Allow: GET,OPTIONS\r\n"
        assert is_preflight or b"\r\n" + allowed in answer
        if method == "HEAD":
            one.writer.write(head())
            assert (await one.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert site.broadcast.size == (method == "HEAD")


# Upgrades that are odd or wrong.


ODD_BUT_RIGHT = {
    "Firefox": lines(*upgrade(Connection="keep-alive, Upgrade")),
    "any case": lines(*upgrade(Upgrade="", uPGRADE="WebSocket", Connection="", connection="uPGRADE")),
    "two Connection lines": lines(*upgrade(), "Connection: keep-alive"),
    "no space after the colon": lines(*(each.replace(": ", ":", 1) for each in upgrade())),
    "spaces after the value": lines(*(f"{each}  " for each in upgrade())),
    "the address in full": lines(*upgrade(), start="GET http://localhost/v1/stream HTTP/1.1"),
    "an encoded letter": lines(*upgrade(), start="GET /v1/%73tream HTTP/1.1"),
    "a body of no length": lines(*upgrade(), "Content-Length: 0"),
    "unknown headers": lines(*upgrade(), *(f"X-{number}: {number}" for number in range(90))),
    "extensions that we have not": lines(*upgrade(Sec_WebSocket_Extensions="permessage-deflate; x=1, other")),
    "protocols that we have not": lines(*upgrade(Sec_WebSocket_Protocol="chat, superchat")),
}


@pytest.mark.parametrize("request_head", ODD_BUT_RIGHT.values(), ids=ODD_BUT_RIGHT)
async def test_an_upgrade_may_be_odd(request_head: bytes, site: Site) -> None:
    async with asking(site, request_head) as one:
        answer = await one.reader.readuntil(b"\r\n\r\n")

        assert answer.startswith(b"HTTP/1.1 101 ")
        assert b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" in answer
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer
        assert b"Sec-WebSocket-Extensions" not in answer
        assert b"Sec-WebSocket-Protocol" not in answer
        assert (await one.receive())["type"] == "snapshot"
        await one.leave()


WRONG = {
    "HTTP/1.0": (lines(*upgrade(), start="GET /v1/stream HTTP/1.0"), {400, 426, 505}),
    "HTTP/1.2": (lines(*upgrade(), start="GET /v1/stream HTTP/1.2"), {400, 505}),
    "HTTP/2.0": (lines(*upgrade(), start="GET /v1/stream HTTP/2.0"), {505}),
    "HTTP/2's own beginning": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    "another protocol": (lines(*upgrade(), start="GET /v1/stream HTTX/1.1"), {400}),
    "no version": (lines(*upgrade(), start="GET /v1/stream"), {400}),
    "a method in small letters": (lines(*upgrade(), start="get /v1/stream HTTP/1.1"), {400}),
    "no host": (lines(*upgrade(Host="")), {400}),
    "two hosts": (lines(*upgrade(), "Host: localhost"), {400}),
    "version 12": (lines(*upgrade(Sec_WebSocket_Version="12")), {426}),
    "version 14": (lines(*upgrade(Sec_WebSocket_Version="14")), {426}),
    "version 013": (lines(*upgrade(Sec_WebSocket_Version="013")), {426}),
    "two versions": (lines(*upgrade(Sec_WebSocket_Version="13, 8")), {426}),
    "a version twice": (lines(*upgrade(), "Sec-WebSocket-Version: 13"), {400}),
    "a key twice": (lines(*upgrade(), f"Sec-WebSocket-Key: {KEY}"), {400}),
    "an empty key": (lines(*upgrade(Sec_WebSocket_Key=" ")), {400}),
    "a key of 15 bytes": (lines(*upgrade(Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAA")), {400}),
    "a key of 17 bytes": (lines(*upgrade(Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAAAAA=")), {400}),
    "a key that is no base64": (lines(*upgrade(Sec_WebSocket_Key="!HhlIHNhbXBsZSBub25jZQ==")), {400}),
    "an upgrade to HTTP/2": (lines(*upgrade(Upgrade="h2c")), {426}),
    "no upgrade": (lines(*upgrade(Upgrade="")), {426}),
    "a connection that closes": (lines(*upgrade(Connection="close")), {426}),
    "a folded header": (lines(*upgrade(), "X: a\r\n b"), {400}),
    "a space before the colon": (lines(*upgrade(), "X : a"), {400}),
    "a NUL": (lines(*upgrade(), "X: a\0b"), {400}),
    "a carriage return alone": (lines(*upgrade(), "X: a\rb"), {400}),
    "no colon": (lines(*upgrade(), "X"), {400}),
    "a body": (lines(*upgrade(), "Content-Length: 5") + b"hello", {400}),
    "a body that is still to come": (lines(*upgrade(), "Content-Length: 5"), {400}),
    "a body in chunks": (lines(*upgrade(), "Transfer-Encoding: chunked") + b"0\r\n\r\n", {400}),
    "a length and chunks": (lines(*upgrade(), "Content-Length: 3", "Transfer-Encoding: chunked"), {400}),
    "a length that is none": (lines(*upgrade(), "Content-Length: x"), {400}),
    "a length below nothing": (lines(*upgrade(), "Content-Length: -1"), {400}),
    "TLS": (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" * 5, {400}),
}


@pytest.mark.parametrize(("request_head", "statuses"), WRONG.values(), ids=WRONG)
async def test_an_upgrade_may_not_be_wrong(request_head: bytes, statuses: set[int], site: Site) -> None:
    async with asking(site, request_head) as one:
        status, headers, body = await one.answer()

        assert status in statuses
        assert body
        if "Sec-WebSocket" in body.decode():
            assert headers["Sec-WebSocket-Version"] == "13"
        if status == 426:
            assert headers["Upgrade"] == "websocket"
            assert "Upgrade" in headers["Connection"]
        assert not site.broadcast.size


@pytest.mark.parametrize("target", ["/healthz", "/v1/stream", "/v1/events"])
async def test_what_is_no_http_1_is_told_so(target: str, site: Site) -> None:
    for version in ("HTTP/2.0", "HTTP/3.0", "HTTP/0.9"):
        async with asking(site, lines("Host: x", start=f"GET {target} {version}")) as one:
            status, headers, body = await one.answer()
            assert (status, json.loads(body)["status"], headers["Connection"]) == (505, 505, "close")


async def test_an_upgrade_by_another_version_is_refused_on_a_connection_in_use_too(site: Site) -> None:
    async with asking(site, head("/healthz", {})) as one:
        assert (await one.answer())[0] == 200
        one.writer.write(lines(*upgrade(), start="GET /v1/stream HTTP/2.0"))
        status, headers, body = await one.answer()
        assert (status, headers["Upgrade"], b"HTTP/1.1" in body) == (400, "websocket", True)


async def test_pongs_come_in_their_place_among_other_answers(site: Site) -> None:
    async with client(site) as one:
        await one.receive()
        ask = masked(json.dumps(subscribe("KGS")).encode())
        one.writer.write(masked(b"1", Opcode.PING) + ask + masked(b"2", Opcode.PING) + masked(b"bad"))
        assert await one.frame() == (Opcode.PONG, b"1")
        assert (await one.receive())["type"] == "snapshot"
        assert await one.frame() == (Opcode.PONG, b"2")
        assert (await one.receive())["type"] == "error"


# Connections that end in the middle.


async def test_who_sends_no_more_still_gets_an_answer_to_an_upgrade(site: Site) -> None:
    async with asking(site) as one:
        one.writer.write(head())
        one.writer.write_eof()

        assert (await one.answer())[0] == 101
        assert (await one.receive())["type"] == "snapshot"
        assert await the_end(one) == b""
        assert not site.broadcast.size


async def test_a_stream_whose_client_sends_no_more_is_over(site: Site) -> None:
    async with client(site) as one:
        await one.receive()
        one.writer.write_eof()
        await one.ended()
    assert not site.broadcast.size


async def test_connections_that_end_anywhere_in_a_handshake_leave_nothing_behind(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with watched(site, publisher, quote_of) as bystander:
        sent = head() + masked(b"hello")
        for cut in range(0, len(sent) + 1, 7):
            for how in ("reset", "close", "half close"):
                async with asking(site, sent[:cut]) as one:
                    if how == "reset":
                        one.reset()
                    elif how == "half close":
                        one.writer.write_eof()
        await bystander.is_served()
        await until(lambda: site.broadcast.size == 1 and not site.edge._port._openings)
    await until(lambda: not site.broadcast.admission._size)


async def test_who_leaves_before_reading_earlier_answers_is_no_fault(
    store: Store, publisher: Publisher, quote_of: QuoteOf, caplog: pytest.LogCaptureFixture
) -> None:
    await flood(publisher, quote_of, 1)
    async with running(store, MANY) as site:
        for end in (Client.reset, Client.hang_up):
            slow = await stuffed(site)
            slow.writer.write(head())
            await asyncio.sleep(0.05)
            end(slow)
            await until(lambda: not server_of(site).connections)
            await hung_up(slow)
        assert not site.broadcast.size
    assert "Traceback" not in caplog.text


# Frames.


@asynccontextmanager
async def speaking(site: Site) -> AsyncIterator[Client]:
    async with client(site) as one:
        await one.receive()
        yield one


def raw(first: int, payload: bytes = b"", *, mask: bool = True) -> bytes:
    """A short frame whose first byte is given: whether it is final, reserved bits, what it is."""
    second = len(payload) | (0x80 if mask else 0)
    return bytes([first, second]) + (b"\0\0\0\0" if mask else b"") + payload


FIN = 0x80
BROKEN = {
    **{f"reserved bit {bit}": raw(FIN | bit | Opcode.TEXT, b"x") for bit in (0x10, 0x20, 0x40)},
    **{f"reserved bit {bit} of a ping": raw(FIN | bit | Opcode.PING) for bit in (0x10, 0x20, 0x40)},
    **{f"reserved opcode {code}": raw(FIN | code) for code in (*range(3, 8), *range(11, 16))},
    **{f"a fragmented {code.name}": raw(code) for code in (Opcode.CLOSE, Opcode.PING, Opcode.PONG)},
    **{f"an unmasked {code.name}": raw(FIN | code, mask=False) for code in (Opcode.TEXT, *list(Opcode)[3:])},
    **{
        f"{code.name} of 126 bytes": bytes([FIN | code, 0xFE, 0, 126, 0, 0, 0, 0]) + b"x" * 126
        for code in (Opcode.CLOSE, Opcode.PING, Opcode.PONG)
    },
    "a continuation of nothing": raw(FIN | Opcode.CONT, b"x"),
    "a message within a message": raw(Opcode.TEXT, b"x") + raw(FIN | Opcode.TEXT, b"x"),
    "half a message and goodbye": raw(Opcode.TEXT, b"x") + raw(FIN | Opcode.CLOSE, b"\x03\xe8"),
    "a second request": head(),
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN)
@pytest.mark.usefixtures("no_late_close")
async def test_a_broken_frame_is_the_end_by_1002(sent: bytes, site: Site) -> None:
    async with speaking(site) as one:
        one.writer.write(sent)
        assert (await one.goodbye())[0] == 1002
        # Nothing more is heard, so there is nothing to wait for.
        await one.ended()


CLOSES = {
    **{code: code for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)},
    **dict.fromkeys((0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535), 1002),
}


@pytest.mark.parametrize(("code", "answer"), CLOSES.items())
async def test_a_close_code_is_echoed_or_refused(code: int, answer: int, site: Site) -> None:
    async with speaking(site) as one:
        one.send(code.to_bytes(2, "big") + b"bye", Opcode.CLOSE)
        assert (await one.goodbye())[0] == answer
        await one.ended()


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (b"", b""),
        (b"\x03\xe8", b"\x03\xe8"),
        (b"\x03\xe8" + b"x" * 123, b"\x03\xe8" + b"x" * 123),
        (b"\x03", b"\x03\xea"),
        (b"\x03\xe8\xff\xfe", b"\x03\xef"),
        (b"\x03\xe8\xed\xa0\x80", b"\x03\xef"),
    ],
    ids=["nothing", "a code", "the longest", "half a code", "no UTF-8", "a surrogate"],
)
async def test_a_goodbye_is_answered(payload: bytes, answer: bytes, site: Site) -> None:
    async with speaking(site) as one:
        one.send(payload, Opcode.CLOSE)
        opcode, data = await one.frame()
        assert opcode is Opcode.CLOSE
        assert data == answer if answer == payload else data.startswith(answer)
        await one.ended()


async def test_nothing_is_answered_behind_a_goodbye(site: Site) -> None:
    async with speaking(site) as one:
        one.writer.write(masked(b"\x03\xe8", Opcode.CLOSE) + masked(b"?", Opcode.PING) + masked(b"bad"))
        assert await the_end(one) == b"\x88\x02\x03\xe8"


async def test_answers_come_in_the_order_of_the_questions(site: Site) -> None:
    async with speaking(site) as one:
        good, bad = masked(json.dumps(subscribe("KGS")).encode()), masked(b"bad")
        ping, close = masked(b"?", Opcode.PING), masked(b"\x03\xe8", Opcode.CLOSE)
        one.writer.write(ping + good + ping + bad + ping + good + close)
        frames = [await one.frame() for _ in range(7)]

    said = [json.loads(data)["type"] if opcode is Opcode.TEXT else opcode.name for opcode, data in frames]
    assert said == ["PONG", "snapshot", "PONG", "error", "PONG", "snapshot", "CLOSE"]


BAD_TEXT = {
    "a byte that never is": b"\xff",
    "a continuation alone": b"\x80",
    "half a letter": b"\xce",
    "too long for its letter": b"\xc0\xaf",
    "a surrogate": b"\xed\xa0\x80",
    "beyond the last letter": b"\xf4\x90\x80\x80",
    "late": b"x" * 300 + b"\xfe",
}


@pytest.mark.parametrize("text", BAD_TEXT.values(), ids=BAD_TEXT)
@pytest.mark.parametrize("fragments", [1, 2])
async def test_text_that_is_no_utf_8_is_the_end_by_1007(text: bytes, fragments: int, site: Site) -> None:
    async with speaking(site) as one:
        if fragments == 2:
            one.send(b'{"', fin=False)
            one.send(text, Opcode.CONT)
        else:
            one.send(text)
        assert (await one.goodbye())[0] == 1007
        await one.leave()


async def test_a_letter_may_be_cut_by_fragments(site: Site) -> None:
    async with speaking(site) as one:
        for start, end in ((b'{"\xce', b'\xba":1}'), (b'{"\xf0\x9f', b'\x98\x80":1}')):
            one.send(start, fin=False)
            one.send(end, Opcode.CONT)
            assert "expected" in (await one.receive())["message"]


@pytest.mark.parametrize("data", [b"", b"x", b"x" * 4096], ids=["empty", "short", "the longest"])
@pytest.mark.parametrize("fin", [True, False])
async def test_a_binary_message_is_no_word_of_this_protocol(data: bytes, fin: bool, site: Site) -> None:
    async with speaking(site) as one:
        one.send(data, Opcode.BINARY, fin=fin)
        assert (await one.goodbye())[0] == 4400
        await one.leave()


async def test_frames_that_lie_about_their_length_are_refused_by_their_head(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with watched(site, publisher, quote_of) as bystander:
        for length in (4097, 1 << 20, 1 << 32, (1 << 63) - 1, (1 << 64) - 1):
            async with speaking(site) as one:
                one.writer.write(b"\x81\xff" + length.to_bytes(8, "big") + b"\0\0\0\0x")
                assert (await one.goodbye())[0] == 1009
                await one.ended()
            await bystander.is_served()


async def test_a_megabyte_is_taken_where_the_limit_allows_it_and_not_a_byte_more(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    most = 1 << 20
    text = json.dumps(subscribe("KGS")).encode().ljust(most)
    async with running(store, message_bytes=most) as site, watched(site, publisher, quote_of) as bystander:
        async with speaking(site) as one:
            for parts in ([text], [text[: most // 2], text[most // 2 :]], [text[:9], b"", text[9:]]):
                for number, part in enumerate(parts):
                    last = number == len(parts) - 1
                    one.send(part, Opcode.CONT if number else Opcode.TEXT, fin=last)
                assert (await one.receive())["type"] == "snapshot"
                await bystander.is_served()
            one.send(text[: most // 2], fin=False)
            one.send(text[most // 2 :] + b" ", Opcode.CONT)
            assert (await one.goodbye())[0] == 1009
            await one.ended()
        async with speaking(site) as one:
            one.send(text + b" ")
            assert (await one.goodbye())[0] == 1009
            await one.ended()


@pytest.mark.usefixtures("no_late_close")
async def test_pings_are_answered_until_they_are_a_flood(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    pings = b"".join(masked(b"%d" % number, Opcode.PING) for number in range(40))
    async with (
        running(store, messages_per_second=40) as site,
        watched(site, publisher, quote_of) as bystander,
        speaking(site) as one,
    ):
        for _ in range(2):
            one.writer.write(pings)
            answers = [await one.frame() for _ in range(40)]
            assert answers == [(Opcode.PONG, b"%d" % number) for number in range(40)]
            await until(lambda: not site.broadcast.spoken)
        one.writer.write(pings + masked(b"", Opcode.PING))
        assert (await one.goodbye())[0] == 1013
        one.writer.write(pings)
        await one.ended()
        await bystander.is_served()


FLOODS = {
    "pings": masked(b"", Opcode.PING) * 5000,
    "pongs": masked(b"", Opcode.PONG) * 5000,
    "fragments": masked(b"x", fin=False) + masked(b"", Opcode.CONT, fin=False) * 5000,
    "errors": masked(b"bad") * 5000,
    "wishes": masked(json.dumps(subscribe("KGS")).encode()) * 2000,
}


async def test_floods_are_the_end_by_1013_and_delay_nobody(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with (
        running(store, messages_per_second=20) as site,
        watched(site, publisher, quote_of) as bystander,
        AsyncExitStack() as stack,
    ):
        others = [await stack.enter_async_context(speaking(site)) for _ in FLOODS]
        for _ in range(5):
            for one, data in zip(others, FLOODS.values(), strict=True):
                one.writer.write(data)
            await bystander.is_served()
        assert [(await one.goodbye())[0] for one in others] == [1013] * len(FLOODS)
        await until(lambda: site.broadcast.size == 1)


# Server-Sent Events.


class Listener(Client):
    """An EventSource."""

    async def listen(self, target: str = "/v1/events", **headers: str) -> Self:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.writer.write(head(target, named))
        self.head = await self.reader.readuntil(b"\r\n\r\n")
        assert self.head.startswith(b"HTTP/1.1 200 "), self.head
        assert b"\r\nContent-Type: text/event-stream\r\n" in self.head
        assert (await self.event()).keys() == {"retry"}
        return self

    async def event(self) -> dict[str, str]:
        """The fields of the next event; a comment's name is empty."""
        text = b""
        async with asyncio.timeout(PATIENCE):
            while not text.endswith(b"\n\n"):
                try:
                    text += await self.reader.readuntil(b"\n\n")
                except asyncio.LimitOverrunError as longer:
                    # A client that is to read slowly has a small buffer.
                    text += await self.reader.readexactly(longer.consumed)
        fields = (line.partition(": ") for line in text.decode().splitlines() if line)
        return {name.strip(":"): value for name, _, value in fields}

    async def receive(self) -> dict[str, Any]:
        event = await self.event()
        message: dict[str, Any] = json.loads(event["data"])
        assert event["id"] == message["cursor"]
        return message


@asynccontextmanager
async def listening(site: Site, target: str = "/v1/events", **how: Any) -> AsyncIterator[Listener]:
    listener = await Listener.dial(site, receive_buffer=how.pop("receive_buffer", 0))
    try:
        yield await listener.listen(target, **how)
    finally:
        await hung_up(listener)


@pytest.mark.parametrize("query", ["", "?symbols=KGS,KZT"])
async def test_events_are_the_frames_of_the_stream(
    query: str, store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "87"), quote_of("KZT", "471"))
    async with (
        running(store, heartbeat_seconds=1) as site,
        client(site, f"/v1/stream{query}") as reader,
        listening(site, f"/v1/events{query}") as listener,
    ):
        for number in range(1, 20):
            await publisher.say(quote_of("KGS", f"{number}"))
        frames, events = [await until_silent(each.receive) for each in (reader, listener)]

    assert [each["type"] for each in frames] == ["snapshot"] + ["update"] * 19 + ["heartbeat"]
    assert events == frames


async def until_silent(receive: Callable[[], Awaitable[dict[str, Any]]]) -> list[dict[str, Any]]:
    """
    Frames up to the heartbeat after the nineteenth update, whose time is not asked for.

    On a slow machine there are others between the updates.
    """
    frames: list[dict[str, Any]] = []
    while True:
        frame = await receive()
        if frame["type"] != "heartbeat":
            frames.append(frame)
        elif len(frames) == 20:
            return [*frames, {"type": "heartbeat", "cursor": frame["cursor"]}]


async def test_the_last_event_s_id_brings_exactly_what_was_missed(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "87"), quote_of("KZT", "471"))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)
    async with listening(site) as listener:
        before = (await listener.event())["id"]
    await publisher.say(quote_of("KZT", "472"))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)

    for target, last in (
        ("/v1/events", before),
        # What the browser remembers is newer than what the page's address once said.
        ("/v1/events?cursor=1-1", before),
        (f"/v1/events?cursor={before}", ""),
    ):
        async with listening(site, target, Last_Event_ID=last) as listener:
            assert digest(await listener.receive()) == ("update", {"KZT": "472"})
    for odd in ("garbage", "1-1", "9" * 400):
        async with listening(site, Last_Event_ID=odd) as listener:
            assert digest(await listener.receive()) == ("snapshot", {"KGS": "87", "KZT": "472"})


@pytest.mark.parametrize(
    "query", ["symbols=ABC", "symbols=KGS,nonsense", "symbols=%FF", "symbols=" + "KGS," * 201]
)
async def test_events_of_no_symbol_are_refused_in_words(query: str, site: Site) -> None:
    async with asking(site, head(f"/v1/events?{query}", {})) as one:
        status, headers, body = await one.answer()

        assert status == 400
        assert headers["Content-Type"].startswith("application/problem+json")
        assert len(json.loads(body)["detail"]) > 20
        assert not site.broadcast.size


async def test_what_an_event_source_sends_is_passed_over(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with watched(site, publisher, quote_of) as bystander, listening(site) as listener:
        await listener.receive()
        await bystander.is_served()
        for data in (head("/healthz", {}), masked(b"\x03\xe8", Opcode.CLOSE), b"\0" * 300_000):
            listener.writer.write(data)
            await listener.writer.drain()
            await bystander.is_served()
        for _ in range(4):
            assert list(digest(await listener.receive())[1]) == ["TMT"]


async def test_events_need_no_newer_http(site: Site) -> None:
    async with asking(site, lines(start="GET /v1/events HTTP/1.0")) as one:
        assert b" 200 " in await one.reader.readline()
        assert b"chunked" not in await one.reader.readuntil(b"\r\n\r\n")


async def test_an_event_source_that_reads_slowly_gets_the_newest_at_once(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with running(store, MANY) as site, listening(site, receive_buffer=4096) as slow:
        await until(lambda: site.broadcast.size)
        (subscriber,) = site.broadcast.subscribers
        async with asyncio.timeout(PATIENCE):
            while subscriber._unsent is None:
                await flood(publisher, quote_of, 10)
        await flood(publisher, quote_of, 30)
        await until(lambda: site.broadcast.mirror.cursor == publisher.seen)

        message, sequences = await slow.receive(), []
        while place(message) != publisher.seen:
            sequences.append(place(message).sequence)
            message = await slow.receive()
        assert sequences == list(range(len(sequences)))
        assert publisher.seen.sequence - sequences[-1] > 30
        assert digest(message) == ("update", {symbol.base: f"{publisher.seen.sequence}" for symbol in MANY})
        await flood(publisher, quote_of, 1)
        assert place(await slow.receive()) == publisher.seen


async def test_an_event_source_that_never_reads_is_cut_off(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with (
        running(store, MANY, slow_seconds=1) as site,
        listening(site, receive_buffer=4096),
        client(site, "/v1/stream?symbols=XAA") as bystander,
    ):
        await until(lambda: site.broadcast.size == 2)
        while not site.broadcast.blocked:
            await flood(publisher, quote_of, 10)
        await until(lambda: site.broadcast.size == 1)
        assert site.broadcast.tally.total(Count.CLOSED_SLOW) == 1
        await bystander.receive()


@pytest.mark.usefixtures("no_late_close")
async def test_at_the_end_an_event_source_is_told_when_to_come_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticker.edge, "CLOSE_SECONDS", LONG)
    async with running(store) as site, listening(site) as listener:
        await listener.receive()
        ending = asyncio.ensure_future(site.stop())
        goodbye = await listener.event()
        assert goodbye[""].startswith("1001 ")
        assert 2_000 <= int(goodbye["retry"]) <= 10_000
        # It waits for nobody's answer.
        assert await the_end(listener) == b""
        listener.hang_up()
        await ending


# Behind a real nginx.


@pytest.fixture(scope="session")
def nginx_binary() -> str:
    # Debian keeps it where only root looks.
    found = shutil.which("nginx", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if not found:
        pytest.fail("no nginx here for the tests behind a proxy; install it (apt install nginx)")
    return found


@pytest.fixture(scope="session")
def nginx_stream_module(nginx_binary: str) -> str:
    """The directive that loads the module which forwards plain TCP; empty if it is built in."""
    options = subprocess.run([nginx_binary, "-V"], capture_output=True, text=True, check=True).stderr.split()
    if "--with-stream" in options:
        return ""
    folders = [each.partition("=")[2] for each in options if each.startswith("--modules-path=")]
    for module in (Path(folder, "ngx_stream_module.so") for folder in folders):
        if module.exists():
            return f"load_module {module};"
    return pytest.fail("nginx has no stream module here; install it (apt install libnginx-mod-stream)")


BEHIND = """
    http {{
        access_log off;
        client_body_temp_path body; proxy_temp_path proxy;
        fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
        map $http_upgrade $wanted {{ default upgrade; '' ''; }}
        upstream edge {{ server 127.0.0.1:{edge}; keepalive 4; }}
        server {{
            listen 127.0.0.1:{port};
            location / {{
                proxy_pass http://edge;
                proxy_http_version 1.1;
                proxy_set_header Host $http_host;
                proxy_set_header Upgrade $http_upgrade;
                proxy_set_header Connection $wanted;
                proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            }}
        }}
    }}
"""
BEFORE = """
    stream {{ server {{ listen 127.0.0.1:{port}; proxy_pass 127.0.0.1:{edge}; proxy_protocol on; }} }}
"""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@asynccontextmanager
async def behind(site: Site, binary: str, folder: Path, text: str, load: str = "") -> AsyncIterator[Site]:
    """The same site as it is reached through nginx."""
    port = free_port()
    conf = folder / "nginx.conf"
    conf.write_text(
        f"{load} daemon off; master_process off; pid nginx.pid; error_log stderr;"
        f"events {{ worker_connections 128; }} {text.format(port=port, edge=site.port)}"
    )
    arguments = ("-p", str(folder), "-e", "stderr", "-c", str(conf))
    process = await asyncio.create_subprocess_exec(binary, *arguments, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(PATIENCE):
            while process.returncode is None and not await answers(port):
                await asyncio.sleep(0.02)
        assert process.returncode is None, (await process.communicate())[1].decode()
        yield Site(site.edge, port, site.stop)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def test_an_upgrade_behind_nginx_comes_on_a_connection_that_it_has_kept(
    site: Site, publisher: Publisher, quote_of: QuoteOf, nginx_binary: str, short_path: Path
) -> None:
    await publisher.say(quote_of("KGS", "87"))
    await until(lambda: site.broadcast.mirror.cursor == publisher.seen)
    async with behind(site, nginx_binary, short_path, BEHIND) as proxied:
        async with asking(proxied) as one:
            for _ in range(3):
                one.writer.write(head("/v1/quotes", {}))
                assert (await one.answer())[0] == 200
        accepted = site.broadcast.tally.total(Count.ACCEPTED)

        async with client(proxied, "/v1/stream?symbols=KGS") as reader:
            assert digest(await reader.receive()) == ("snapshot", {"KGS": "87"})
            await publisher.say(quote_of("KGS", "88"))
            assert digest(await reader.receive()) == ("update", {"KGS": "88"})
            reader.send(subscribe("KGS", "KZT"))
            assert digest(await reader.receive()) == ("snapshot", {"KGS": "88"})
            assert site.broadcast.tally.total(Count.ACCEPTED) == accepted == 1
            reader.send(b"\x03\xe8", Opcode.CLOSE)
            assert (await reader.goodbye())[0] == 1000
            await reader.ended()
        await until(lambda: not site.broadcast.size)


async def test_event_streams_and_refusals_pass_through_nginx(
    site: Site, publisher: Publisher, quote_of: QuoteOf, nginx_binary: str, short_path: Path
) -> None:
    # What is written without a length, nginx passes on in chunks, but not to a client of HTTP/1.0.
    request = lines("Host: localhost", start="GET /v1/events HTTP/1.0")
    async with behind(site, nginx_binary, short_path, BEHIND) as proxied:
        listener = await Listener.dial(proxied)
        listener.writer.write(request)
        await listener.reader.readuntil(b"\r\n\r\n")
        assert (await listener.event()).keys() == {"retry"}
        assert (await listener.receive())["type"] == "snapshot"
        for number in range(1, 5):
            await publisher.say(quote_of("KGS", f"{number}"))
            assert digest(await listener.receive())[1] == {"KGS": f"{number}"}
        await hung_up(listener)
        await until(lambda: not site.broadcast.size)
        async with asking(proxied, head(headers=UPGRADE | {"Sec-WebSocket-Version": "8"})) as refused:
            assert (await refused.answer())[0] == 426


async def test_who_is_behind_nginx_is_told_apart(store: Store, nginx_binary: str, short_path: Path) -> None:
    async with (
        running(store, subscribers_per_address=1) as site,
        behind(site, nginx_binary, short_path, BEHIND) as proxied,
    ):
        # The last address that no trusted proxy has: nginx itself adds 127.0.0.1.
        async with (
            client_of(proxied, "198.51.100.1, 203.0.113.7"),
            client_of(proxied, "198.51.100.1"),
            client_of(proxied, "2001:db8::1"),
            asking(proxied, head(headers=UPGRADE | {"X-Forwarded-For": "203.0.113.7"})) as refused,
        ):
            status, headers, _ = await refused.answer()
            assert status == 503
            assert int(headers["Retry-After"]) > 0
            assert site.broadcast.size == 3
        await until(lambda: not site.broadcast.size)
        async with client_of(proxied, "203.0.113.7"):
            pass


@asynccontextmanager
async def client_of(site: Site, forwarded: str) -> AsyncIterator[Client]:
    async with asking(site, head(headers=UPGRADE | {"X-Forwarded-For": forwarded})) as one:
        assert (await one.answer())[0] == 101
        yield one
        await one.leave()


async def test_nginx_passes_connections_on_with_a_proxy_header(
    store: Store,
    publisher: Publisher,
    quote_of: QuoteOf,
    nginx_binary: str,
    nginx_stream_module: str,
    short_path: Path,
) -> None:
    await publisher.say(quote_of("KGS", "87"))
    async with (
        running(store, proxy_protocol=True, trusted_proxies=("127.0.0.1/32",)) as site,
        behind(site, nginx_binary, short_path, BEFORE, nginx_stream_module) as proxied,
    ):
        for used_before in (False, True):
            one = Client(
                *await asyncio.open_connection("127.0.0.1", proxied.port, local_addr=("127.0.0.2", 0))
            )
            if used_before:
                one.writer.write(head("/healthz", {}))
                assert (await one.answer())[0] == 200
            await one.shake()
            assert digest(await one.receive()) == ("snapshot", {"KGS": "87"})
            assert {each.address for each in site.broadcast.subscribers} == {"127.0.0.2"}
            await one.leave()
        await until(lambda: not site.broadcast.size)


async def test_at_the_end_who_is_behind_nginx_is_told(
    store: Store, nginx_binary: str, short_path: Path
) -> None:
    async with (
        running(store) as site,
        behind(site, nginx_binary, short_path, BEHIND) as proxied,
        client(proxied) as reader,
    ):
        ending = asyncio.ensure_future(site.stop())
        assert (await reader.goodbye())[0] == 1001
        await reader.leave()
        await ending
