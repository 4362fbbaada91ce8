"""
The subscribers of the stream: one frame per selection, written straight to every caught-up socket.

A delivery is one send() of bytes that were made once for all. A socket that does not take them leaves
the round and gets `since(cursor)` when it can be written again, so there is no queue for it anywhere. An
idle subscriber owns a socket and a few words of memory; the Sans-I/O protocol of `websockets` is made
when its client speaks. WebSocket and Server-Sent Events differ in their framing alone.
"""

from __future__ import annotations

import asyncio
import math
import random
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from ticker import wire
from ticker.config import LimitSettings, ServerSettings
from ticker.edge.admission import Admission
from ticker.edge.framing import EVENTS, WEBSOCKET, Framing, frame
from ticker.edge.mirror import Delta, Mirror, Row
from ticker.edge.sockets import Sockets
from ticker.metrics import Count, Tally
from ticker.rates.model import Cursor, Pair, Selection, both_ways
from ticker.wire import BadFrame, CloseCode

TICK_SECONDS = 0.1
"""How often the wheel turns by one slot."""
LATE_CLOSE_SECONDS = 1.0
"""How long a client may take to answer a close frame."""
AHEAD_SECONDS = 10.0
"""How long a client that has seen more than we have waits for us."""
CROWD_PER_SECOND = 1000
"""Goodbyes a second that a site takes without noticing; only a larger crowd is spread over the drain."""
MOST_BAD_FRAMES = 3
READ_BYTES = 65536
KEPT_BYTES = 16 << 20
"""What all encoded frames may take between two publications: clients choose their selections as they like."""
LONGEST_TICK_SECONDS = 1.0
"""What counts of a time in which this process stood still: meanwhile nobody could answer it."""
NOTHING = b""
NEVER = -1.0, ""

_ANSWERED = frozenset({Opcode.PING, Opcode.CLOSE})
"""What the parser answers by a frame of its own."""
_OURS = frozenset({CloseCode.GOING_AWAY, CloseCode.TRY_AGAIN_LATER, CloseCode.SILENT})
"""Ends that are no fault of what the client sent."""


class Group:
    """The subscribers of one selection; those in `caught_up` have everything up to the mirror's cursor."""

    def __init__(self, selection: Selection, framing: Framing, broadcast: Broadcast) -> None:
        self.selection = selection
        self.framing = framing
        self.caught_up: set[Subscriber] = set()
        self.size = 0
        self.mask = broadcast.mask(selection.symbols)
        self._broadcast = broadcast
        self._mirror = broadcast.mirror
        self._frames: dict[tuple[str, tuple[str, ...]], tuple[str, bytes]] = {}
        """What was encoded, and the time that it tells, by its kind and its quotes."""
        self._heartbeat = "", b""
        self._whole: Delta[str] | None = None
        """What a subscriber without a cursor has not seen: everything."""

    def changed(self) -> None:
        """The mirror moved: what was encoded is old."""
        self._frames.clear()
        self._heartbeat = "", b""
        self._whole = None

    def since(self, cursor: Cursor | None) -> bytes:
        """The frame with what a subscriber at `cursor` has not seen; equal ones share the same bytes."""
        return self.encoded(self.delta(cursor))

    def delta(self, cursor: Cursor | None) -> Delta[str]:
        if cursor is not None:
            return self._mirror.since(cursor, self.selection.symbols)
        if self._whole is None:
            self._whole = self._mirror.since(None, self.selection.symbols)
        return self._whole

    def encoded(self, delta: Delta[str]) -> bytes:
        # There are only as many updates as quotes. Kept by cursor, which clients make up as they like, the
        # frames would fill the memory.
        key = delta.kind, delta.items
        made_at, data = self._frames.get(key, ("", NOTHING))
        if made_at != (time := self._broadcast.time):
            stamp, before = wire.stamp(delta.cursor, self.selection), len(data)
            text = wire.encode_quotes(delta.kind, stamp, time, delta.items)
            data = self.framing.message(stamp, text)
            if self._broadcast.keeps(len(data) - before):
                self._frames[key] = time, data
        return data

    def deliver(self, delta: Delta[str], before: Cursor) -> int:
        """Write what is new since `before` to everybody who is caught up; return how many that was."""
        data = self.encoded(delta)
        whole, crowd = len(data), tuple(self.caught_up)
        # The path of every delivery: one send(), and Python around it as little as can be.
        for subscriber in crowd:
            try:
                sent = subscriber.sock.send(data)
            except OSError as error:
                subscriber.failed(error, before)
            else:
                if sent != whole:
                    subscriber.block(data[sent:], self._mirror.cursor)
        return len(crowd)

    @property
    def heartbeat(self) -> bytes:
        """A heartbeat frame and a ping, to be written as one; made once for all who get it at a time."""
        made_at, data = self._heartbeat
        if made_at != (time := self._broadcast.time):
            stamp = wire.stamp(self._mirror.cursor, self.selection)
            data = self.framing.message(stamp, wire.encode_heartbeat(stamp, time)) + self.framing.ping
            self._heartbeat = time, data
        return data


@dataclass(slots=True)
class Ahead:
    """
    A client that was told more by another server than our mirror has yet.

    A snapshot would take it back to older quotes, and a heartbeat to an older cursor.
    """

    place: Cursor
    """What it has seen."""
    cursor: Cursor | None
    """From where it is told the rest; None once it has changed its selection."""
    since: float


class Broadcast:
    """Everything published, to every subscriber, in order and once."""

    def __init__(
        self,
        symbols: tuple[Pair, ...],
        server: ServerSettings,
        limits: LimitSettings,
        tally: Tally,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        """`clock` gives the time (aware) by which quotes become late."""
        self.symbols = symbols
        self.server = server
        self.limits = limits
        self.tally = tally
        self.admission = Admission(server, limits, tally)
        self.sockets = Sockets()
        self.mirror: Mirror[str] = Mirror(symbols, wire.encode_inverted)
        self._origins = both_ways(symbols)
        # Configured symbols first, so that the ETags of their quotes are the same for every version.
        pairs = dict.fromkeys((*symbols, *self._origins))
        self._bits = {pair: 1 << number for number, pair in enumerate(pairs)}
        self._kept_bytes = 0
        self.loaded = False
        """Whether what Redis holds was read once; before that there is nothing to say to anybody."""
        self.closing = False
        self.size = 0
        self.now = 0.0
        """Seconds that this process has run, as of the last tick; while it stood still they hardly count."""
        self.clock = clock
        self._told_time = NEVER
        self.blocked: dict[Subscriber, float] = {}
        """Who reads too slowly, since when, the longest first."""
        self.leaving: dict[Subscriber, float] = {}
        """Whom goodbye was said, when, the longest first."""
        self.ahead: dict[Subscriber, Ahead] = {}
        """Who waits for the mirror, the longest first."""
        self.spoken: dict[Subscriber, int] = {}
        """Frames that came from each within this second."""
        self.buffer = bytearray(READ_BYTES)
        self.occupied = asyncio.Event()
        """Set while there are subscribers."""
        self.lost = asyncio.Event()
        """Set when somebody begins to wait for the mirror."""
        self._emptied = asyncio.Event()
        self._groups: dict[tuple[Framing, tuple[Pair, ...]], Group] = {}
        # Each slot is greeted once in heartbeat_seconds: no task and no timer per subscriber.
        self._wheel: list[set[Subscriber]] = [
            set() for _ in range(round(server.heartbeat_seconds / TICK_SECONDS))
        ]
        self._slot = 0

    def open(self) -> None:
        """Begin to read, in the running loop."""
        self.sockets.open()

    @property
    def subscribers(self) -> set[Subscriber]:
        return set().union(*self._wheel)

    @property
    def time(self) -> str:
        """The clock as of the last tick or delivery, as frames tell it."""
        read_at, time = self._told_time
        if read_at != self.now:
            time = wire.encode_moment(self.clock())
            self._told_time = self.now, time
        return time

    def apply(self, cursor: Cursor, rows: Iterable[tuple[Pair, Row[str]]]) -> None:
        """Take a publication and send every subscriber what it has not seen of it."""
        before = self.mirror.cursor
        changed = self.mirror.apply(cursor, rows, now=self.clock())
        if self.mirror.cursor == before:
            return
        self._deliver(changed, before)
        if self.ahead:
            self.go_on([each for each, wait in self.ahead.items() if wait.place <= self.mirror.cursor])
        self.tally.add(Count.PUBLICATIONS)

    def look(self) -> float:
        """
        Send every subscriber the quotes that have become late, and those that are late no more.

        Gives the seconds until the next one will be, by the clock as it is; infinity if none will be.
        """
        now = self.clock()
        if turned := self.mirror.look(now):
            self._deliver(turned, self.mirror.cursor)
        due = self.mirror.next_due
        return (due - now).total_seconds() if due else math.inf

    def _deliver(self, changed: frozenset[Pair], before: Cursor) -> None:
        """Send these symbols to every subscriber, all of whom have what was published until `before`."""
        self._kept_bytes = delivered = 0
        self._told_time = NEVER
        news = [(pair, self._bits[pair]) for pair, symbol in self._origins.items() if symbol in changed]
        mask = sum(bit for _, bit in news)
        for group in list(self._groups.values()):
            group.changed()
            if before.epoch != self.mirror.cursor.epoch:
                delivered += group.deliver(group.delta(before), before)
            elif group.mask & mask:
                # Only what has changed is looked at: there may be as many selections as subscribers.
                symbols = [symbol for symbol, bit in news if group.mask & bit]
                delivered += group.deliver(self.mirror.current(symbols), before)
        self.tally.add(Count.DELIVERIES, delivered)

    def mask(self, symbols: Iterable[Pair]) -> int:
        """A bit for each of these symbols."""
        return sum(self._bits[symbol] for symbol in symbols)

    def keeps(self, more: int) -> bool:
        """Whether there is room to keep so many more bytes of frames until the next publication."""
        if self._kept_bytes + more > KEPT_BYTES:
            return False
        self._kept_bytes += more
        return True

    def go_on(self, some: Iterable[Subscriber]) -> None:
        """Tell those of them who still wait what is new to them: the mirror has all that there is."""
        for subscriber in some:
            if wait := self.ahead.pop(subscriber, None):
                subscriber.go_on(wait.cursor)

    def join(self, subscriber: Subscriber) -> None:
        """Take a subscriber in: its socket is read, its heartbeats come."""
        slot = self._wheel[self._slot - 1]
        slot.add(subscriber)
        subscriber.slot = slot
        if not self.size:
            self._told_time = NEVER  # the wheel stood still
            self.occupied.set()
        self.size += 1
        self.tally.set(Count.SUBSCRIBERS, self.size)
        self.tally.add(Count.JOINED)
        self.sockets.watch(subscriber.sock, subscriber)

    def leave(self, subscriber: Subscriber) -> None:
        """Forget a subscriber and close its socket."""
        if subscriber.slot is None:
            return
        subscriber.slot.discard(subscriber)
        subscriber.slot = None
        subscriber.group.caught_up.discard(subscriber)
        self.part(subscriber.group)
        self.blocked.pop(subscriber, None)
        self.leaving.pop(subscriber, None)
        self.ahead.pop(subscriber, None)
        self.spoken.pop(subscriber, None)
        self.sockets.forget(subscriber.sock)
        subscriber.sock.close()
        self.admission.leave(subscriber.address)
        self.size -= 1
        self.tally.set(Count.SUBSCRIBERS, self.size)
        self.tally.set(Count.BLOCKED, len(self.blocked))
        if not self.size:
            self.occupied.clear()
            self._emptied.set()

    def enroll(self, selection: Selection, framing: Framing) -> Group:
        """One member more in the group of a selection."""
        key = framing, selection.symbols
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(selection, framing, self)
        group.size += 1
        return group

    def part(self, group: Group) -> None:
        """One member less; nobody left, the group is forgotten."""
        group.size -= 1
        if not group.size:
            self._groups.pop((group.framing, group.selection.symbols), None)

    async def beat(self) -> None:
        """Heartbeats, pings and the end of those who are silent or stuck; runs until cancelled."""
        loop = asyncio.get_running_loop()
        due = before = loop.time()
        while True:
            if not self.size:
                await self.occupied.wait()
                due = before = loop.time()
            # Held up, it catches up by at most a second; what is later than that is not made good in a burst.
            due = max(due + TICK_SECONDS, loop.time() - LONGEST_TICK_SECONDS)
            await asyncio.sleep(due - loop.time())
            second, now = int(self.now), loop.time()
            self.now += min(now - before, LONGEST_TICK_SECONDS)
            before = now
            if int(self.now) != second:
                self.spoken.clear()
            for subscriber in tuple(self._wheel[self._slot]):
                subscriber.beat()
            self._slot = (self._slot + 1) % len(self._wheel)
            for subscriber in _older(self.blocked, self.now - self.server.slow_seconds):
                del self.blocked[subscriber]
                self.tally.add(Count.CLOSED_SLOW)
                subscriber.close(CloseCode.TRY_AGAIN_LATER, "reads too slowly")
            for subscriber in _older(self.leaving, self.now - LATE_CLOSE_SECONDS):
                self.leave(subscriber)
            for subscriber, wait in tuple(self.ahead.items()):
                if wait.since > self.now - AHEAD_SECONDS:
                    break
                subscriber.close(CloseCode.TRY_AGAIN_LATER, "this server is behind, come back soon")

    async def close(self, drain_seconds: float, last_seconds: float) -> None:
        """
        Tell everybody that the server goes away (1001), spread over `drain_seconds` if they are many.

        Whoever has not gone `last_seconds` after the last goodbye is cut off.
        """
        if self.closing:
            return
        self.closing = True
        crowd = list(self.subscribers)
        random.shuffle(crowd)
        pause = min(drain_seconds / len(crowd), 1 / CROWD_PER_SECOND) if crowd else 0
        loop = asyncio.get_running_loop()
        start = loop.time()
        for number, subscriber in enumerate(crowd):
            if len(crowd) > CROWD_PER_SECOND / 10 and (ahead := start + number * pause - loop.time()) > 0:
                await asyncio.sleep(max(ahead, TICK_SECONDS / 10))
            subscriber.close(CloseCode.GOING_AWAY, "the server goes away, come back soon")
        end = loop.time() + last_seconds
        while self.size and loop.time() < end:
            self._emptied.clear()
            try:
                async with asyncio.timeout(end - loop.time()):
                    await self._emptied.wait()
            except TimeoutError:
                break
        for subscriber in tuple(self.subscribers):
            self.leave(subscriber)


def _older(some: dict[Subscriber, float], moment: float) -> list[Subscriber]:
    """Those at the front of an ordered dict that are older than `moment`."""
    found = []
    for subscriber, since in some.items():
        if since > moment:
            break
        found.append(subscriber)
    return found


class _Speech:
    """What a client is in the middle of saying."""

    __slots__ = ("bad_frames", "deaf", "parser", "parts", "pending")

    def __init__(self) -> None:
        self.pending = NOTHING
        """The beginning of a frame."""
        self.parser: ServerProtocol | None = None
        self.parts: bytes | None = None
        self.bad_frames = 0
        self.deaf = False
        """The client broke the protocol and is not listened to any more."""

    def is_over(self) -> bool:
        return not (self.pending or self.parser or self.bad_frames or self.deaf)


class Subscriber:
    """One client of the stream; owns its socket from the handshake on."""

    __slots__ = (
        "_broadcast",
        "_closing",
        "_cursor",
        "_seen",
        "_speech",
        "_unsent",
        "address",
        "group",
        "slot",
        "sock",
    )

    def __init__(
        self,
        broadcast: Broadcast,
        sock: socket.socket,
        selection: Selection,
        framing: Framing = WEBSOCKET,
        *,
        address: str = "",
    ) -> None:
        self._broadcast = broadcast
        self.sock = sock
        self.group = broadcast.enroll(selection, framing)
        self.slot: set[Subscriber] | None = None
        self.address = address
        """Whom it counts for; who makes a subscriber has admitted it."""
        self._cursor: Cursor | None = None
        self._unsent: bytes | None = None
        """What the kernel did not take; None while it takes everything."""
        self._seen = broadcast.now
        self._speech: _Speech | None = None
        self._closing = False

    # Writing.

    def start(self, preface: bytes, cursor: Cursor | None, place: Cursor | None) -> None:
        """
        Answer the handshake and send what is new since `cursor` in one write; join the round.

        `place` is what the client has seen with whatever selection (None: nothing). Whoever is ahead of us
        waits until we have that, too, or it turns out that nobody has it any more.
        """
        self._broadcast.join(self)
        if place and place > self._broadcast.mirror.cursor:
            self._broadcast.ahead[self] = Ahead(place, cursor, self._broadcast.now)
            self._broadcast.lost.set()
            self.write(preface)
        else:
            self.catch_up(cursor, preface=preface)

    def go_on(self, cursor: Cursor | None) -> None:
        """The wait of a client that was ahead is over."""
        if self._unsent is None:
            self.catch_up(cursor)
        else:
            self._cursor = cursor

    def refuse(self, preface: bytes, reason: str) -> None:
        """Shake hands only to say what was wrong: a browser's script can't read an HTTP error."""
        self._broadcast.join(self)
        error = wire.encode_error("bad_request", reason)
        self.write(preface + self.group.framing.message("", error))
        self.close(CloseCode.BAD_REQUEST, reason)

    def catch_up(self, cursor: Cursor | None, *, preface: bytes = NOTHING) -> None:
        """Send what is new since `cursor` and join the round."""
        self._broadcast.tally.add(Count.DELIVERIES)
        self.group.caught_up.add(self)
        self.write(preface + self.group.since(cursor))

    def write(self, data: bytes) -> None:
        """Write bytes that belong together; what the kernel does not take is kept, and the reader is slow."""
        if self._unsent is not None:
            self._unsent += data
            return
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._broadcast.leave(self)
            return
        if sent != len(data):
            self.block(data[sent:], self._broadcast.mirror.cursor)

    def failed(self, error: OSError, before: Cursor) -> None:
        """A delivery could not be sent: for now, and the client stands at `before`; or for ever."""
        if isinstance(error, BlockingIOError):
            self.block(NOTHING, before)
        else:
            self._broadcast.leave(self)

    def block(self, unsent: bytes, cursor: Cursor) -> None:
        """The client reads too slowly: out of the round, until the kernel takes bytes again."""
        self.group.caught_up.discard(self)
        self._unsent, self._cursor = unsent, cursor
        self._broadcast.blocked[self] = self._broadcast.now
        self._broadcast.tally.set(Count.BLOCKED, len(self._broadcast.blocked))
        self._broadcast.sockets.change(self.sock, writing=True)

    def writable(self) -> None:
        """The kernel takes bytes: the rest of the old ones, then one frame with what is new."""
        if self._unsent is None:
            return
        try:
            sent = self.sock.send(self._unsent) if self._unsent else 0
        except BlockingIOError:
            return
        except OSError:
            self._broadcast.leave(self)
            return
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._unblock()

    def _unblock(self) -> None:
        self._unsent, cursor = None, self._cursor
        self._broadcast.blocked.pop(self, None)
        self._broadcast.tally.set(Count.BLOCKED, len(self._broadcast.blocked))
        self._broadcast.sockets.change(self.sock, writing=False)
        if self._closing:
            self._hang_up()
            return
        if self in self._broadcast.ahead:
            return
        delta = self.group.delta(cursor)
        if delta.kind == "snapshot" or delta.items:
            self._broadcast.tally.add(Count.CONFLATED)
            self.catch_up(cursor)
        else:
            self.group.caught_up.add(self)

    def beat(self) -> None:
        """A heartbeat and a ping; or the end, if the last ones were not answered."""
        if self._closing or self._unsent is not None or self in self._broadcast.ahead:
            return
        framing = self.group.framing
        if framing.ping and self._broadcast.now - self._seen > self._broadcast.server.silent_seconds:
            self._broadcast.tally.add(Count.CLOSED_SILENT)
            self.close(CloseCode.SILENT, "answered no ping")
        else:
            self.write(self.group.heartbeat)

    def close(self, code: CloseCode, reason: str) -> None:
        """Say why and end; the client has a second to answer before it is cut off."""
        if self._closing:
            return
        if code not in _OURS:
            self._broadcast.tally.add(Count.CLOSED_BAD)
        self.write(self.group.framing.goodbye(code, reason))
        self._end()
        self._hang_up()

    def _hang_up(self) -> None:
        """
        Nothing more is written to an event stream, nor to a client whose goodbye would not be heard.

        Closed with bytes unread, the kernel would send a reset, which eats what was written last.
        """
        is_deaf = self._speech is not None and self._speech.deaf
        if (is_deaf or self.group.framing is EVENTS) and self._unsent is None and self.slot is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)

    def _end(self) -> None:
        """Out of the round for good. Whoever has not closed in a second, or does not read, is cut off."""
        if not self._closing and self.slot is not None:
            self._closing = True
            self.group.caught_up.discard(self)
            self._broadcast.ahead.pop(self, None)
            self._broadcast.leaving[self] = self._broadcast.now

    # Reading.

    def readable(self) -> None:
        buffer = self._broadcast.buffer
        try:
            size = self.sock.recv_into(buffer)
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if size:
            self.received(bytes(memoryview(buffer)[:size]))
        else:
            self._broadcast.leave(self)

    def abandon(self) -> None:
        self._broadcast.leave(self)

    def received(self, data: bytes) -> None:
        """Take bytes of the client, in any pieces."""
        self._seen = self._broadcast.now
        # The answer to our ping, alone, as nearly always.
        if self.group.framing is EVENTS or (len(data) == 6 and data[:2] == b"\x8a\x80" and not self._speech):
            return
        speech = self._speech or _Speech()
        if not speech.deaf:
            self._speech = speech
            self._listen(speech, data)
            if speech.is_over():
                self._speech = None

    def _listen(self, speech: _Speech, data: bytes) -> None:
        most = self._broadcast.limits.message_bytes
        data = speech.pending + data
        ready, frames = whole_frames(data, most, self._broadcast.limits.messages_per_second)
        speech.pending = data[ready:]
        if self._is_flood(frames):
            self._broadcast.tally.add(Count.CLOSED_BAD)
            speech.deaf, speech.pending = True, NOTHING
            self.close(CloseCode.TRY_AGAIN_LATER, "too many messages a second")
        elif ready:
            parser = speech.parser or ServerProtocol(state=OPEN, max_size=most)
            parser.receive_data(data[:ready])
            self._take(speech, parser)

    def _is_flood(self, frames: int) -> bool:
        spoken = self._broadcast.spoken
        spoken[self] = count = spoken.get(self, 0) + frames
        self._broadcast.tally.add(Count.MESSAGES, frames)
        return count > self._broadcast.limits.messages_per_second

    def _take(self, speech: _Speech, parser: ServerProtocol) -> None:
        """Act on what the parser made of whole frames; keep it only half way through a message."""
        answers = iter(parser.data_to_send())
        for event in cast(list[Frame], parser.events_received()):
            if event.opcode in _ANSWERED:
                self._answer(next(answers))
            else:
                self._received(speech, event)
        for answer in answers:
            self._answer(answer)
        speech.parser = parser if speech.parts is not None else None
        if parser.close_expected():
            if parser.parser_exc is None:
                self._depart()
            else:
                speech.deaf, speech.pending = True, NOTHING
                if not self._closing:
                    self._broadcast.tally.add(Count.CLOSED_BAD)
                    self._end()
                    self._hang_up()

    def _depart(self) -> None:
        """Both have said goodbye: close, as soon as ours is out."""
        if self._unsent is None:
            self._broadcast.leave(self)
        else:
            self._end()

    def _answer(self, data: bytes) -> None:
        """
        Answer (by a pong, an error, a close frame), unless we have said goodbye already.

        A client that does not read gets no answers either: they would pile up.
        """
        if data and not self._closing and self._unsent is None:
            self.write(data)

    def _received(self, speech: _Speech, event: Frame) -> None:
        if self._closing:
            return
        if event.opcode is Opcode.BINARY:
            self.binary(speech, event)
        elif event.opcode is Opcode.TEXT:
            self._message(speech, bytes(event.data), last=event.fin)
        elif event.opcode is Opcode.CONT and speech.parts is not None:
            self._message(speech, speech.parts + bytes(event.data), last=event.fin)

    def binary(self, speech: _Speech, event: Frame) -> None:
        """A binary frame, of which this protocol has none."""
        self.close(CloseCode.BAD_REQUEST, "frames of this protocol are JSON text")

    def _message(self, speech: _Speech, data: bytes, *, last: bool) -> None:
        speech.parts = None if last else data
        if not last:
            return
        try:
            self.message(data.decode())
        except UnicodeDecodeError:
            self.close(CloseCode.INVALID_DATA, "text that is not UTF-8")
        except BadFrame as error:
            self.complain(speech, str(error))
        else:
            speech.bad_frames = 0

    def message(self, text: str) -> None:
        """A whole message of the client. Raises BadFrame."""
        self.subscribe(wire.decode_subscribe(text))

    def subscribe(self, texts: tuple[str, ...]) -> None:
        """Replace the selection; answered by a snapshot. Raises BadFrame."""
        selection = wire.select(texts, self._broadcast.symbols, most=self._broadcast.limits.symbols)
        old = self.group
        self.group = self._broadcast.enroll(selection, old.framing)
        old.caught_up.discard(self)
        self._broadcast.part(old)
        if wait := self._broadcast.ahead.get(self):
            wait.cursor = None
        elif self._unsent is None:
            self.catch_up(None)
        else:
            self._cursor = None

    def complain(self, speech: _Speech, message: str) -> None:
        """Say what was wrong; three in a row and the client is a stranger to the protocol."""
        speech.bad_frames += 1
        self._answer(frame(wire.encode_error("bad_request", message)))
        if speech.bad_frames >= MOST_BAD_FRAMES:
            self.close(CloseCode.BAD_REQUEST, "three bad frames in a row")


def whole_frames(data: bytes, most: int, count: int) -> tuple[int, int]:
    """
    How many bytes at the start of `data` are whole frames of a client, and how many frames.

    So a parser never waits half way through a frame and can be dropped between two. A frame that
    claims more than `most` bytes counts as whole: the parser refuses it by its head alone. Counting ends
    one frame after `count`.
    """
    at = frames = 0
    while len(data) - at >= 2 and frames <= count:
        length, head = data[at + 1] & 0x7F, 2
        if length >= 126:
            size = 2 if length == 126 else 8
            if len(data) - at < 2 + size:
                break
            length, head = int.from_bytes(data[at + 2 : at + 2 + size], "big"), 2 + size
        if length > most or not data[at + 1] & 0x80:
            return len(data), frames + 1
        if len(data) - at < head + 4 + length:
            break
        at += head + 4 + length
        frames += 1
    return at, frames
