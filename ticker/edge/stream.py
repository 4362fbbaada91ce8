"""
The subscribers of the stream: one frame per selection, written straight to every caught-up transport.

A subscriber is an asyncio.Protocol that took its transport over from aiohttp after the handshake.
While it is idle it owns no parser; the Sans-I/O protocol of `websockets` is made when the client
speaks. A subscriber whose transport is full leaves the round and gets `since(cursor)` when it is
writable again, so there is no queue for it anywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from typing import cast

from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from ticker import wire
from ticker.board import Delta, Mirror
from ticker.config import ServerSettings
from ticker.model import Cursor, Pair, Selection
from ticker.wire import BadFrame, CloseCode

LATE_CLOSE_SECONDS = 1.0
"""How long a client may take to answer a close frame."""
MOST_BAD_FRAMES = 3
MOST_REASON_BYTES = 123
"""A control frame has at most 125 bytes, and two are the code."""


def frame(text: str) -> bytes:
    """A text frame as it goes over the wire, unmasked."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


@lru_cache(maxsize=256)
def _close_frame(code: int, reason: str) -> bytes:
    text = reason.encode()[:MOST_REASON_BYTES].decode(errors="ignore")
    return Frame(Opcode.CLOSE, code.to_bytes(2, "big") + text.encode()).serialize(mask=False)


_PING = Frame(Opcode.PING, b"").serialize(mask=False)


class Group:
    """The subscribers of one selection; those in `caught_up` have everything up to the mirror's cursor."""

    def __init__(self, selection: Selection, mirror: Mirror[str]) -> None:
        self.selection = selection
        self.caught_up: set[Subscriber] = set()
        self.size = 0
        self._mirror = mirror
        self._symbols = frozenset(selection.symbols)
        self._frames: dict[tuple[str, int], bytes] = {}
        self._heartbeat = b""

    def changed(self) -> None:
        """The mirror moved: what was encoded is old."""
        self._frames.clear()
        self._heartbeat = b""

    def wants(self, symbols: frozenset[Pair]) -> bool:
        return not self._symbols.isdisjoint(symbols)

    def since(self, cursor: Cursor | None) -> bytes:
        """The frame with what a subscriber at `cursor` has not seen; equal ones share the same bytes."""
        delta = self.delta(cursor)
        # Of two updates with equally many quotes both have the same: those that changed last. Kept by
        # cursor, which clients make up as they like, the frames would fill the memory.
        key = delta.kind, len(delta.items)
        known = self._frames.get(key)
        if known is None:
            stamp = wire.stamp(delta.cursor, self.selection)
            known = self._frames[key] = frame(wire.encode_quotes(delta.kind, stamp, delta.items))
        return known

    def delta(self, cursor: Cursor | None) -> Delta[str]:
        return self._mirror.since(cursor, self.selection.symbols)

    @property
    def heartbeat(self) -> bytes:
        """A heartbeat frame and a ping, to be written as one."""
        if not self._heartbeat:
            stamp = wire.stamp(self._mirror.cursor, self.selection)
            self._heartbeat = frame(wire.encode_heartbeat(stamp)) + _PING
        return self._heartbeat


class Broadcast:
    """Everything published, to every subscriber, in order and once."""

    def __init__(self, symbols: tuple[Pair, ...], settings: ServerSettings) -> None:
        self.symbols = symbols
        self.settings = settings
        self.mirror: Mirror[str] = Mirror(symbols)
        self.subscribers: set[Subscriber] = set()
        self.loaded = False
        """Whether what Redis holds was read once; before that there is nothing to say to anybody."""
        self.closing = False
        self._emptied = asyncio.Event()
        self._groups: dict[tuple[Pair, ...], Group] = {}
        # Each slot is greeted once in heartbeat_seconds: no task and no timer per subscriber.
        self._wheel: list[set[Subscriber]] = [set() for _ in range(settings.heartbeat_seconds)]
        self._slot = 0

    def apply(self, cursor: Cursor, rows: Iterable[tuple[Pair, Cursor, str]]) -> None:
        """Take a publication and send every subscriber what it has not seen of it."""
        before = self.mirror.cursor
        changed = self.mirror.apply(cursor, rows)
        if self.mirror.cursor == before:
            return
        for group in list(self._groups.values()):
            group.changed()
            if group.wants(changed) or before.epoch != cursor.epoch:
                data = group.since(before)
                for subscriber in tuple(group.caught_up):
                    subscriber.write(data)

    def join(self, subscriber: Subscriber, cursor: Cursor | None, *, handshake: bytes) -> None:
        """Take a subscriber in; send the handshake and what it has not seen since `cursor` in one write."""
        self.subscribers.add(subscriber)
        slot = self._wheel[(self._slot + len(self._wheel) - 1) % len(self._wheel)]
        slot.add(subscriber)
        subscriber.slot = slot
        subscriber.catch_up(cursor, preface=handshake)
        if subscriber.transport.get_write_buffer_size():
            # Earlier answers may be stuck in it (a pipelining client), which only aiohttp was told.
            subscriber.pause_writing()

    def leave(self, subscriber: Subscriber) -> None:
        self.subscribers.discard(subscriber)
        if self.closing and not self.subscribers:
            self._emptied.set()
        if subscriber.slot is not None:
            subscriber.slot.discard(subscriber)
        self.part(subscriber.group)
        subscriber.group.caught_up.discard(subscriber)

    def group(self, selection: Selection) -> Group:
        """The group of a selection, counted up by one member."""
        group = self._groups.get(selection.symbols)
        if group is None:
            group = self._groups[selection.symbols] = Group(selection, self.mirror)
        group.size += 1
        return group

    def part(self, group: Group) -> None:
        """One member less; nobody left, the group is forgotten."""
        group.size -= 1
        if not group.size:
            self._groups.pop(group.selection.symbols, None)

    async def beat(self) -> None:
        """Heartbeats, pings and the end of those who are silent or stuck; runs until cancelled."""
        while True:
            await asyncio.sleep(1)
            now = asyncio.get_running_loop().time()
            for subscriber in tuple(self._wheel[self._slot]):
                subscriber.beat(now)
            self._slot = (self._slot + 1) % len(self._wheel)

    async def close(self, seconds: float) -> None:
        """Tell everybody that the server goes away (1001); whoever is left after `seconds` is cut off."""
        if self.closing:
            return
        self.closing = True
        for subscriber in tuple(self.subscribers):
            subscriber.close(CloseCode.GOING_AWAY, "the server goes away, come back soon")
        if self.subscribers:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._emptied.wait()
        for subscriber in tuple(self.subscribers):
            subscriber.transport.abort()


class Subscriber(asyncio.Protocol):
    """One client of the stream."""

    __slots__ = (
        "_bad_frames",
        "_blocked_at",
        "_broadcast",
        "_closing",
        "_cursor",
        "_parser",
        "_parts",
        "_pending",
        "_seen",
        "group",
        "slot",
        "transport",
    )

    def __init__(self, broadcast: Broadcast, transport: asyncio.Transport, selection: Selection) -> None:
        self._broadcast = broadcast
        self.transport = transport
        self.group = broadcast.group(selection)
        self.slot: set[Subscriber] | None = None
        self._cursor: Cursor | None = None
        self._blocked_at = 0.0
        self._seen = asyncio.get_running_loop().time()
        self._parser: ServerProtocol | None = None
        self._pending: bytes | None = b""
        """The beginning of a frame; None once the client broke the protocol and is not listened to."""
        self._parts: bytes | None = None
        self._bad_frames = 0
        self._closing = False
        transport.set_protocol(self)
        # The first byte that the kernel does not take marks a slow reader.
        transport.set_write_buffer_limits(high=0)

    # Writing.

    def write(self, data: bytes) -> None:
        """Write one frame; if the kernel takes it all, the subscriber stays in the round."""
        self.transport.write(data)

    def catch_up(self, cursor: Cursor | None, *, preface: bytes = b"") -> None:
        """Send what is new since `cursor` and join the round."""
        self.group.caught_up.add(self)
        self.write(preface + self.group.since(cursor))

    def pause_writing(self) -> None:
        """The client reads too slowly: out of the round, until the transport is empty again."""
        # What was written last is in the buffer already, so the mirror's cursor is where it stands.
        self.group.caught_up.discard(self)
        self._cursor = self._broadcast.mirror.cursor
        self._blocked_at = asyncio.get_running_loop().time()

    def resume_writing(self) -> None:
        """The transport is empty: one frame with the newest of what was missed, and back into the round."""
        if self._closing or not self._blocked_at:
            return
        self._blocked_at, cursor = 0.0, self._cursor
        delta = self.group.delta(cursor)
        if delta.kind == "snapshot" or delta.items:
            self.catch_up(cursor)
        else:
            self.group.caught_up.add(self)

    def beat(self, now: float) -> None:
        settings = self._broadcast.settings
        if self._blocked_at:
            if now - self._blocked_at > settings.slow_seconds:
                self.close(CloseCode.TRY_AGAIN_LATER, "reads too slowly")
        elif now - self._seen > settings.silent_seconds:
            self.close(CloseCode.SILENT, "answered no ping")
        elif not self._closing:
            self.write(self.group.heartbeat)

    def close(self, code: CloseCode, reason: str) -> None:
        """Say why and end; the client has a second to answer before it is cut off."""
        if not self._closing:
            self.transport.write(_close_frame(code, reason))
            self._end()

    def _end(self) -> None:
        """Out of the round for good. Whoever has not closed in a second, or does not read, is cut off."""
        if not self._closing:
            self._closing = True
            self.group.caught_up.discard(self)
            asyncio.get_running_loop().call_later(LATE_CLOSE_SECONDS, self.transport.abort)

    # Reading.

    def connection_lost(self, error: Exception | None) -> None:
        self._closing = True
        self._broadcast.leave(self)

    def eof_received(self) -> None:
        self._end()

    def data_received(self, data: bytes) -> None:
        self._seen = asyncio.get_running_loop().time()
        if self._pending is None:
            return
        most = self._broadcast.settings.max_message_bytes
        data = self._pending + data
        ready = whole_frames(data, most)
        self._pending = data[ready:]
        if ready:
            parser = self._parser or ServerProtocol(state=OPEN, max_size=most)
            parser.receive_data(data[:ready])
            self._take(parser)

    def _take(self, parser: ServerProtocol) -> None:
        """Act on what the parser made of whole frames; keep it only half way through a message."""
        for event in parser.events_received():
            self._received(cast(Frame, event))
        for answer in parser.data_to_send():
            self._send(answer)
        self._parser = parser if self._parts is not None else None
        if parser.close_expected():
            self._end()
            if parser.parser_exc is None:
                self.transport.close()
            else:
                # Closed with bytes unread, the kernel would send a reset, which eats the close frame.
                self._pending = None

    def _send(self, data: bytes) -> None:
        """
        Answer (by a pong, an error, a close frame), unless we have said goodbye already.

        A client that does not read gets no answers either: they would pile up.
        """
        if data and not self._closing and not self._blocked_at:
            self.transport.write(data)

    def _received(self, event: Frame) -> None:
        if self._closing:
            return
        if event.opcode is Opcode.BINARY:
            self.close(CloseCode.BAD_REQUEST, "frames of this protocol are JSON text")
        elif event.opcode is Opcode.TEXT:
            self._message(bytes(event.data), last=event.fin)
        elif event.opcode is Opcode.CONT and self._parts is not None:
            self._message(self._parts + bytes(event.data), last=event.fin)

    def _message(self, data: bytes, *, last: bool) -> None:
        self._parts = None if last else data
        if not last:
            return
        try:
            self.subscribe(wire.decode_subscribe(data.decode()))
        except UnicodeDecodeError:
            self.close(CloseCode.INVALID_DATA, "text that is not UTF-8")
        except BadFrame as error:
            self.complain(str(error))
        else:
            self._bad_frames = 0

    def subscribe(self, texts: tuple[str, ...]) -> None:
        """Replace the selection; answered by a snapshot. Raises BadFrame."""
        selection = wire.select(texts, self._broadcast.symbols)
        old, blocked = self.group, self._blocked_at
        self.group = self._broadcast.group(selection)
        old.caught_up.discard(self)
        self._broadcast.part(old)
        if blocked:
            self._cursor = None
        else:
            self.catch_up(None)

    def refuse(self, handshake: bytes, reason: str) -> None:
        """Shake hands only to say what was wrong: a browser's script can't read an HTTP error."""
        self._broadcast.subscribers.add(self)
        self.transport.write(handshake + frame(wire.encode_error("bad_request", reason)))
        self.close(CloseCode.BAD_REQUEST, reason)

    def complain(self, message: str) -> None:
        """Say what was wrong; three in a row and the client is a stranger to the protocol."""
        self._bad_frames += 1
        self._send(frame(wire.encode_error("bad_request", message)))
        if self._bad_frames >= MOST_BAD_FRAMES:
            self.close(CloseCode.BAD_REQUEST, "three bad frames in a row")


def whole_frames(data: bytes, most: int) -> int:
    """
    How many bytes at the start of `data` are whole frames of a client.

    So a parser never waits half way through a frame and can be dropped between two. A frame that
    claims more than `most` bytes counts as whole: the parser refuses it by its head alone.
    """
    at = 0
    while len(data) - at >= 2:
        length, head = data[at + 1] & 0x7F, 2
        if length >= 126:
            size = 2 if length == 126 else 8
            if len(data) - at < 2 + size:
                break
            length, head = int.from_bytes(data[at + 2 : at + 2 + size], "big"), 2 + size
        if length > most or not data[at + 1] & 0x80:
            return len(data)
        if len(data) - at < head + 4 + length:
            break
        at += head + 4 + length
    return at
