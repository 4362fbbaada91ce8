"""A reader: it comes and goes, changes its mind, stalls, and keeps a log of all that it is told."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from urllib.parse import quote as quoted

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from ticker.protocol import COME_BACK, CloseCode

from .judge import Connection, Message, Quote

Way = Literal["stream", "events"]
Act = Literal["subscribe", "stall", "reset", "leave", "switch", "forget"]

FINAL = frozenset({1002, 1003, 1008, 1011, *CloseCode}) - set(COME_BACK)
"""Close codes after which nobody comes back; no reader here does what they stand for."""
ANSWER_SECONDS = 30.0
"""How long a server may be dead or stopped before it shakes hands."""
SMALL_BYTES, SMALL_SEGMENT = 1, 200
"""
What a reader that stalls has room for (the system raises it to some 2 KB), and what it lets a packet hold.

The server's buffer follows the packets: 13 KB fill both, instead of 4 MB (Linux 6.18, 2026-11).
"""
RESET = struct.pack("ii", 1, 0)


class Refused(Exception):
    """The server asked to come back later."""


class Conversation(Protocol):
    """One connection without its socket: bytes in, messages out."""

    def opening(self) -> bytes: ...
    def messages(self, data: bytes) -> Iterator[Message]: ...
    def answers(self) -> bytes: ...
    def wrong(self) -> str: ...


class Reader:
    """
    One client over all of its connections, by the rules that ticker/docs/stream.md gives to clients.

    `state` is what it would show. `log` is what the judge reads, `odd` what else was wrong.
    """

    def __init__(
        self, ports: tuple[int, ...], symbols: tuple[str, ...], dice: random.Random, *, way: Way, stalls: bool
    ) -> None:
        """Each connection goes to one of the ports."""
        self._ports = ports
        self._port = ports[0]
        self._symbols = symbols
        self._dice = dice
        self._way = way
        self._stalls = stalls
        self._cursor = ""
        self._calm = asyncio.Event()
        self.selection = self._some()
        self.state: dict[str, Quote] = {}
        self.log: list[Connection] = []
        self.refusals = 0
        self.odd: list[str] = []

    def shows(self, board: dict[str, Quote], *, misled: bool = False) -> bool:
        """Whether it has exactly this of what it selected; or the same as `stale`, if it was `misled`."""
        wanted = self.selection or self._symbols
        return all(self._has(board.get(symbol), symbol, misled=misled) for symbol in wanted)

    def _has(self, quote: Quote | None, symbol: str, *, misled: bool) -> bool:
        known = self.state.get(symbol)
        is_late = misled and known and quote and known["status"] == "stale"
        return known == (quote | {"status": "stale"} if is_late and quote else quote)

    def _some(self) -> tuple[str, ...]:
        """A selection; sometimes all, which is said by none. Who stalls wants much, or nothing stalls."""
        count = self._dice.choice((0, 0, 12, 14) if self._stalls else (0, 1, 1, 2, 3, 3, 5, 8))
        count = min(count, len(self._symbols) - 1)  # all are never named: that would be no other selection
        return tuple(self._dice.sample(self._symbols, count))

    async def live(self, calm: asyncio.Event) -> None:
        """Read until cancelled; misbehave until `calm`."""
        self._calm = calm
        await asyncio.sleep(self._dice.random() * 0.3)
        while True:
            try:
                await self._connected()
            except (OSError, EOFError, Refused) as error:
                self.refusals += isinstance(error, Refused)
            # A second or more in earnest; the point is that they do not come together.
            await asyncio.sleep(self._dice.uniform(0.01, 0.25))

    async def _connected(self) -> None:
        self._port = self._dice.choice(self._ports)
        incoming, writer = await self._dial()
        way = _Stream if self._way == "stream" else _Events
        line = _Line(
            incoming,
            writer,
            way(self._port, self.selection, self._cursor),
            Connection(self.selection, self._cursor, is_slow=self._stalls),
        )
        try:
            writer.write(line.conversation.opening())
            await self._talk(line, self._plan())
        finally:
            writer.transport.abort()
            if line.connection.told:
                self.log.append(line.connection)
            if wrong := line.conversation.wrong():
                self.odd.append(wrong)

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        raw = socket.socket()
        if self._stalls:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BYTES)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALL_SEGMENT)
        raw.setblocking(False)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", self._port))
        except BaseException:
            raw.close()
            raise
        return await asyncio.open_connection(sock=raw, limit=1024 if self._stalls else 65536)

    def _plan(self) -> list[tuple[float, Act]]:
        """What it will do, and how long it only reads before each."""
        acts: list[Act] = ["reset", "reset", "leave", "switch", "forget"]
        if self._way == "stream":
            acts += ["subscribe", "subscribe"]
        count = self._dice.choice((0, 1, 1, 2, 3))
        plan = [(self._dice.expovariate(2.5), self._dice.choice(acts)) for _ in range(count)]
        return [(self._dice.random() * 0.2, "stall"), *plan] if self._stalls else plan

    async def _talk(self, line: _Line, plan: list[tuple[float, Act]]) -> None:
        """Read, and do as planned, until the connection is over."""
        loop = asyncio.get_running_loop()
        for seconds, act in plan:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._read(line)
                    return
            if not self._calm.is_set() and await self._is_over_by(act, line):
                return
        answered = line.connection.told
        try:
            async with asyncio.timeout_at(None if answered else loop.time() + ANSWER_SECONDS) as patience:
                await self._read(line, lambda: patience.reschedule(None))
        except TimeoutError:
            self.odd.append(f"no answer within {ANSWER_SECONDS:g} s")

    async def _read(self, line: _Line, answered: Callable[[], None] = lambda: None) -> None:
        """Read until the end of the connection; `answered` is called whenever something has come."""
        while data := await line.reader.read(65536):
            answered()
            for message in line.conversation.messages(data):
                self._told(line.connection, message)
            if answers := line.conversation.answers():
                line.writer.write(answers)

    def _told(self, connection: Connection, message: Message) -> None:
        connection.told.append((asyncio.get_running_loop().time(), message))
        self._cursor = message.get("cursor", self._cursor)
        if message["type"] == "snapshot":
            self.state.clear()
        for quote in message.get("quotes", ()):
            self.state[quote["symbol"]] = quote

    async def _is_over_by(self, act: Act, line: _Line) -> bool:
        """Do something; whether the connection is over."""
        match act:
            case "stall":
                await self._stall(line)
            case "subscribe":
                self._subscribe(line)
            case "reset":
                raw = line.writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            case "leave" if self._way == "stream":
                line.writer.write(Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True))
                await asyncio.sleep(0)
            case "switch":
                self.selection = self._some()
            case "forget":
                self._cursor, self.selection = "", self._some()
                self.state.clear()
        return act not in ("stall", "subscribe")

    async def _stall(self, line: _Line) -> None:
        """Read nothing for a while; perhaps say something meanwhile."""
        await self._idle(self._dice.uniform(0.2, 1))
        if self._way == "stream" and self._dice.random() < 0.5:
            self._subscribe(line)
        await self._idle(self._dice.uniform(0.1, 1))

    async def _idle(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._calm.wait()

    def _subscribe(self, line: _Line) -> None:
        """Change to a selection that this connection has not had: so every frame tells which it is of."""
        fresh, connection = self._some(), line.connection
        used = {frozenset(each) for each in (connection.selection, *connection.asked)}
        if not fresh or frozenset(fresh) in used:
            return
        self.selection = fresh
        connection.asked.append(fresh)
        message = json.dumps({"type": "subscribe", "symbols": fresh})
        line.writer.write(Frame(Opcode.TEXT, message.encode()).serialize(mask=True))


@dataclass(frozen=True, slots=True)
class _Line:
    """A connection that is open."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    conversation: Conversation
    connection: Connection


class _Stream:
    """`/v1/stream`, by the other side of the library that the server uses."""

    def __init__(self, port: int, selection: tuple[str, ...], cursor: str) -> None:
        query = f"symbols={','.join(selection)}&cursor={cursor}"
        self._protocol = ClientProtocol(
            parse_uri(f"ws://127.0.0.1:{port}/v1/stream?{query}"), max_size=1 << 20
        )

    def opening(self) -> bytes:
        self._protocol.send_request(self._protocol.connect())
        return self.answers()

    def messages(self, data: bytes) -> Iterator[Message]:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                if event.status_code != 101:
                    raise Refused(event.status_code)
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                yield json.loads(bytes(event.data))

    def answers(self) -> bytes:
        return b"".join(self._protocol.data_to_send())

    def wrong(self) -> str:
        error = self._protocol.parser_exc or self._protocol.handshake_exc
        if error and not isinstance(error, EOFError) and "503" not in str(error):
            return f"not the protocol: {error!r}"
        if self._protocol.state is State.CONNECTING:
            return ""
        code = self._protocol.close_rcvd and self._protocol.close_rcvd.code
        return f"closed for good: {self._protocol.close_rcvd}" if code in FINAL else ""


class _Events:
    """`/v1/events`."""

    def __init__(self, port: int, selection: tuple[str, ...], cursor: str) -> None:
        last = f"Last-Event-ID: {cursor}\r\n" if cursor else ""
        self._head = (
            f"GET /v1/events?symbols={quoted(','.join(selection))} HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n{last}\r\n"
        ).encode()
        self._data = b""
        self._has_begun = False
        self._odd = ""

    def opening(self) -> bytes:
        return self._head

    def messages(self, data: bytes) -> Iterator[Message]:
        self._data += data
        if not self._has_begun:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 200 "):
                if not head.startswith(b"HTTP/1.1 503 "):
                    self._odd = f"refused: {head!r}"
                raise Refused(head)
            self._has_begun, self._data = True, rest
        *events, self._data = self._data.split(b"\n\n")
        for event in events:
            yield from self._message(event.decode())

    def _message(self, event: str) -> Iterator[Message]:
        fields = dict(line.split(": ", 1) for line in event.split("\n") if line and not line.startswith(":"))
        if "data" in fields:
            message: dict[str, Any] = json.loads(fields["data"])
            if fields.get("id") != message.get("cursor"):
                self._odd = f"the id of an event is not its cursor: {event:.200}"
            yield message

    def answers(self) -> bytes:
        return b""

    def wrong(self) -> str:
        return self._odd
