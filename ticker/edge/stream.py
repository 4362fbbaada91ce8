"""
The subscribers of the stream: one frame per selection, written directly to every caught-up socket.

A delivery is one send() of bytes that are made once for all. A socket that does not take them leaves the
round. When it can be written again, it gets `since(cursor)`, so there is no queue for it. An idle subscriber
takes a socket and a few words of memory; its conversation is made when its client speaks. WebSocket and
Server-Sent Events differ only in their framing.
"""

from __future__ import annotations

import asyncio
import math
import random
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from itertools import chain

from ticker import wire
from ticker.config import LimitSettings, ServerSettings
from ticker.edge.admission import Admission
from ticker.edge.conversation import Conversation, Departed, Event, Message, Reply
from ticker.edge.framing import EVENTS, WEBSOCKET, Framing, frame
from ticker.edge.mirror import Awaited, Delta, Mirror, Row
from ticker.edge.sockets import Sockets
from ticker.metrics import Count, Tally
from ticker.protocol import CloseCode
from ticker.rates.model import Cursor, Pair, Selection, both_ways
from ticker.wire import BadFrame

TICK_SECONDS = 0.1
"""Seconds for one slot of the wheel."""
LATE_CLOSE_SECONDS = 1.0
"""Seconds that a client may take to answer a close frame."""
AHEAD_SECONDS = 10.0
"""Seconds that a client which has seen more than this process waits for it."""
CROWD_PER_SECOND = 1000
"""Close frames per second that a site does not notice. Only a larger crowd is spread over the drain."""
MOST_BAD_FRAMES = 3
READ_BYTES = 65536
KEPT_BYTES = 16 << 20
"""The most bytes of encoded frames between two publications: clients choose their selections freely."""
LONGEST_TICK_SECONDS = 1.0
"""Upper bound in seconds on one tick after a stall of this process, during which nobody could answer it."""
LATENESS_SECONDS = 30.0
NOTHING = b""
NEVER = -1.0, ""

_OURS = frozenset({CloseCode.GOING_AWAY, CloseCode.TRY_AGAIN_LATER, CloseCode.SILENT})
"""Ends that were not caused by what the client sent."""


class Group:
    """The subscribers of one selection. Those in `caught_up` have everything up to the mirror's cursor."""

    def __init__(self, selection: Selection, framing: Framing, broadcast: Broadcast) -> None:
        self.selection = selection
        self.framing = framing
        self.caught_up: set[Subscriber] = set()
        self.size = 0
        self.mask = broadcast.mask(selection.symbols)
        self._broadcast = broadcast
        self._mirror = broadcast.mirror
        self._frames: dict[tuple[str, tuple[str, ...], Awaited], tuple[str, bytes]] = {}
        """The last encoded frame and its time, by its kind, its quotes and the awaited symbols."""
        self._heartbeat = "", b""
        self._whole: Delta[str] | None = None
        """What a subscriber without a cursor has not seen: everything."""

    def changed(self) -> None:
        """The mirror has moved: drop the encoded frames."""
        self._frames.clear()
        self._heartbeat = "", b""
        self._whole = None

    def since(self, cursor: Cursor | None) -> bytes:
        """The frame with what a subscriber at `cursor` has not seen. Equal frames share their bytes."""
        return self.encoded(self.delta(cursor))

    def delta(self, cursor: Cursor | None) -> Delta[str]:
        if cursor is not None:
            return self._mirror.since(cursor, self.selection.symbols)
        if self._whole is None:
            self._whole = self._mirror.since(None, self.selection.symbols)
        return self._whole

    def encoded(self, delta: Delta[str]) -> bytes:
        # There are only as many updates as quotes. Cached by cursor, which clients can make up, they would
        # fill the memory.
        key = delta.kind, delta.items, delta.awaited
        made_at, data = self._frames.get(key, ("", NOTHING))
        if made_at != (time := self._broadcast.time):
            stamp, before = wire.stamp(delta.cursor, self.selection), len(data)
            text = wire.encode_quotes(delta.kind, stamp, time, delta.items, delta.awaited)
            data = self.framing.message(stamp, text)
            if self._broadcast.keeps(len(data) - before):
                self._frames[key] = time, data
        return data

    def deliver(self, delta: Delta[str], before: Cursor) -> int:
        """Write what is new since `before` to every caught-up subscriber, and return how many there were."""
        data = self.encoded(delta)
        whole, crowd = len(data), tuple(self.caught_up)
        # The path of every delivery: one send(), and as little Python around it as possible.
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
        """A heartbeat frame and a ping in one piece of bytes, made once for all who get them at a time."""
        made_at, data = self._heartbeat
        if made_at != (time := self._broadcast.time):
            stamp = wire.stamp(self._mirror.cursor, self.selection)
            data = self.framing.message(stamp, wire.encode_heartbeat(stamp, time)) + self.framing.ping
            self._heartbeat = time, data
        return data


@dataclass(slots=True)
class Ahead:
    """
    A client that has seen more than this mirror, from another server.

    A snapshot would take it back to older quotes, and a heartbeat to an older cursor.
    """

    place: Cursor
    """The position that it has seen."""
    cursor: Cursor | None
    """The position after which it gets what is new; None after it has changed its selection."""
    since: float


class Wheel:
    """
    When each subscriber is greeted: one slot every TICK_SECONDS, one turn per heartbeat interval.

    So a heartbeat needs no task and no timer per subscriber.
    """

    def __init__(self, seconds: float) -> None:
        self._slots: list[set[Subscriber]] = [set() for _ in range(round(seconds / TICK_SECONDS))]
        self._at = 0

    def __iter__(self) -> Iterator[Subscriber]:
        return chain.from_iterable(self._slots)

    def add(self, subscriber: Subscriber) -> None:
        """Greet a subscriber for the first time after a whole turn."""
        subscriber.slot = self._slots[self._at - 1]
        subscriber.slot.add(subscriber)

    def turn(self) -> tuple[Subscriber, ...]:
        """Advance by one slot, and give the subscribers to greet."""
        due = tuple(self._slots[self._at])
        self._at = (self._at + 1) % len(self._slots)
        return due


class Lateness:
    """The longest delay of the event loop in the last LATENESS_SECONDS, or up to twice that."""

    def __init__(self) -> None:
        self._since = self._most = self._most_before = 0.0

    def note(self, seconds: float, now: float) -> int:
        """Take the latest delay, and give the longest one, in microseconds."""
        if now - self._since > LATENESS_SECONDS:
            self._since, self._most_before, self._most = now, self._most, 0.0
        self._most = max(self._most, seconds)
        return int(max(self._most, self._most_before) * 1_000_000)


class Broadcast:
    """
    Sends everything published to every subscriber, in order and once.

    It is long because everything that subscribers share is kept here, and written nowhere else.
    """

    loaded: bool
    """Whether Redis was read once. Before that, there is nothing to send."""
    now: float
    """Seconds that this process has run, as of the last tick. Time in which it stood still hardly counts."""
    blocked: dict[Subscriber, float]
    """The subscribers that read too slowly, with the time since when, the longest first."""
    leaving: dict[Subscriber, float]
    """The subscribers that got a close frame, with its time, the oldest first."""
    ahead: dict[Subscriber, Ahead]
    """The subscribers that wait for the mirror, the longest first."""
    spoken: dict[Subscriber, int]
    """The number of frames from each subscriber in this second."""
    occupied: asyncio.Event
    """Set while there are subscribers."""
    lost: asyncio.Event
    """Set when a subscriber starts to wait for the mirror."""

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
        self.server = server
        self.limits = limits
        self.tally = tally
        self.admission = Admission(server, limits, tally)
        self.sockets = Sockets()
        self.mirror: Mirror[str] = Mirror(symbols, wire.encode_inverted)
        self._set_symbols(symbols)
        self._kept_bytes = 0
        self.loaded = self.leaving_soon = self.closing = False
        self.size = 0
        self.now = 0.0
        self.clock = clock
        self._told_time = NEVER
        self.blocked, self.leaving, self.ahead, self.spoken = {}, {}, {}, {}
        self.buffer = bytearray(READ_BYTES)
        self.occupied, self.lost, self._emptied = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._groups: dict[tuple[Framing, tuple[Pair, ...], bool], Group] = {}
        self._wheel = Wheel(server.heartbeat_seconds)

    def open(self) -> None:
        """Start to read, in the running event loop."""
        self.sockets.open()

    @property
    def subscribers(self) -> set[Subscriber]:
        return set(self._wheel)

    @property
    def time(self) -> str:
        """The time of the last tick or delivery, as frames have it."""
        read_at, time = self._told_time
        if read_at != self.now:
            time = wire.encode_moment(self.clock())
            self._told_time = self.now, time
        return time

    def _set_symbols(self, symbols: tuple[Pair, ...]) -> None:
        self.symbols = symbols
        self._origins = both_ways(symbols)
        # Configured symbols first, so that the ETags of their quotes are the same for every version.
        pairs = dict.fromkeys((*symbols, *self._origins))
        self._bits = {pair: 1 << number for number, pair in enumerate(pairs)}

    def serve(
        self, symbols: tuple[Pair, ...], limits: LimitSettings, rows: Iterable[tuple[Pair, Row[str]]]
    ) -> None:
        """
        Switch to other symbols and limits. `rows` are the published items of the new symbols.

        A subscriber of all symbols gets a snapshot of the new ones. A subscriber that selected a removed
        symbol gets a snapshot of the others, or 4400 if there is no other.
        """
        self.limits = self.admission.limits = limits
        if symbols == self.symbols:
            return
        self._set_symbols(symbols)
        self.mirror.serve(symbols, rows, now=self.clock())
        self._told_time, self._kept_bytes = NEVER, 0
        self._groups = {}
        for subscriber in self.subscribers:
            subscriber.select_again()

    def apply(self, cursor: Cursor, rows: Iterable[tuple[Pair, Row[str]]]) -> None:
        """Take a publication, and send every subscriber what it has not seen of it."""
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
        Send every subscriber the quotes that have become late, and those that are no longer late.

        Gives the seconds until the next quote becomes late, by the current clock; infinity if none will.
        """
        now = self.clock()
        if turned := self.mirror.look(now):
            self._deliver(turned, self.mirror.cursor)
        due = self.mirror.next_due
        return (due - now).total_seconds() if due else math.inf

    def explain(self, reasons: Mapping[Pair, str]) -> None:
        """Take the reasons of symbols without a quote, and send the new ones to their subscribers."""
        if changed := self.mirror.explain(reasons):
            self._deliver(changed, self.mirror.cursor)

    def _deliver(self, changed: frozenset[Pair], before: Cursor) -> None:
        """Send these symbols to every subscriber. All of them have what was published up to `before`."""
        self._kept_bytes = delivered = 0
        self._told_time = NEVER
        news = [(pair, self._bits[pair]) for pair, symbol in self._origins.items() if symbol in changed]
        mask = sum(bit for _, bit in news)
        for group in list(self._groups.values()):
            group.changed()
            if before.epoch != self.mirror.cursor.epoch:
                delivered += group.deliver(group.delta(before), before)
            elif group.mask & mask:
                # Only the changes are looked at: there may be as many selections as subscribers.
                symbols = [symbol for symbol, bit in news if group.mask & bit]
                delivered += group.deliver(self.mirror.current(symbols), before)
        self.tally.add(Count.DELIVERIES, delivered)

    def mask(self, symbols: Iterable[Pair]) -> int:
        """A bit for each of these symbols."""
        return sum(self._bits[symbol] for symbol in symbols)

    def keeps(self, more: int) -> bool:
        """Whether so many more bytes of frames fit in until the next publication."""
        if self._kept_bytes + more > KEPT_BYTES:
            return False
        self._kept_bytes += more
        return True

    def go_on(self, some: Iterable[Subscriber]) -> None:
        """Send the waiting subscribers what is new to them: the mirror has everything that there is."""
        for subscriber in some:
            if wait := self.ahead.pop(subscriber, None):
                subscriber.go_on(wait.cursor)

    def wait(self, subscriber: Subscriber, place: Cursor, cursor: Cursor | None) -> None:
        """Let a subscriber wait for `place`, which it has seen. Then it gets what is new since `cursor`."""
        self.ahead[subscriber] = Ahead(place, cursor, self.now)
        self.lost.set()

    def block(self, subscriber: Subscriber) -> None:
        """The kernel takes no more of a subscriber's bytes. It is notified when that ends."""
        self.blocked[subscriber] = self.now
        self.tally.set(Count.BLOCKED, len(self.blocked))
        self.sockets.change(subscriber.sock, writing=True)

    def unblock(self, subscriber: Subscriber) -> None:
        """The kernel takes bytes again."""
        self.blocked.pop(subscriber, None)
        self.tally.set(Count.BLOCKED, len(self.blocked))
        self.sockets.change(subscriber.sock, writing=False)

    def dismiss(self, subscriber: Subscriber) -> None:
        """A subscriber got a close frame. It gets nothing more, and is cut off if it stays."""
        subscriber.group.caught_up.discard(subscriber)
        self.ahead.pop(subscriber, None)
        self.leaving[subscriber] = self.now

    def is_flood(self, subscriber: Subscriber, frames: int) -> bool:
        """Whether so many more frames exceed a subscriber's limit for this second."""
        self.spoken[subscriber] = count = self.spoken.get(subscriber, 0) + frames
        self.tally.add(Count.MESSAGES, frames)
        return count > self.limits.messages_per_second

    def join(self, subscriber: Subscriber) -> None:
        """Add a subscriber: its socket is read, and it gets heartbeats."""
        self._wheel.add(subscriber)
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
        subscriber.state = State.GONE
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
        """Add a member to the group of a selection."""
        key = framing, selection.symbols, selection.is_all
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(selection, framing, self)
        group.size += 1
        return group

    def part(self, group: Group) -> None:
        """Remove a member. A group without members is dropped."""
        group.size -= 1
        key = group.framing, group.selection.symbols, group.selection.is_all
        # After a change of the served symbols, another group may have its place.
        if not group.size and self._groups.get(key) is group:
            del self._groups[key]

    async def beat(self) -> None:
        """Send heartbeats and pings, and disconnect silent or stuck clients, until cancelled."""
        loop = asyncio.get_running_loop()
        due, lateness = loop.time(), Lateness()
        before = due
        while True:
            if not self.size:
                self.tally.set(Count.LOOP_LAG, 0)
                await self.occupied.wait()
                due = before = loop.time()
            # After a stall it catches up by at most a second; the rest is skipped, so that there is no burst.
            due = max(due + TICK_SECONDS, loop.time() - LONGEST_TICK_SECONDS)
            await asyncio.sleep(due - loop.time())
            self.tally.set(Count.LOOP_LAG, lateness.note(loop.time() - due, loop.time()))
            second, now = int(self.now), loop.time()
            self.now += min(now - before, LONGEST_TICK_SECONDS)
            before = now
            if int(self.now) != second:
                self.spoken.clear()
            for subscriber in self._wheel.turn():
                subscriber.beat()
            for subscriber in _older(self.blocked, self.now - self.server.slow_seconds):
                del self.blocked[subscriber]
                self.tally.add(Count.CLOSED_SLOW)
                subscriber.close(CloseCode.TRY_AGAIN_LATER, "reads too slowly")
            for subscriber in _older(self.leaving, self.now - LATE_CLOSE_SECONDS):
                self.leave(subscriber)
            for subscriber, wait in tuple(self.ahead.items()):
                if wait.since > self.now - AHEAD_SECONDS:
                    break
                subscriber.close(CloseCode.TRY_AGAIN_LATER, "this server is behind, reconnect soon")

    async def close(self, drain_seconds: float, last_seconds: float) -> None:
        """
        Close every subscriber with 1001 because the server is stopping, spread over `drain_seconds` if there
        are many.

        A subscriber that is still connected `last_seconds` after the last close frame is cut off.
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
            subscriber.close(CloseCode.GOING_AWAY, "the server is stopping, reconnect soon")
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
    """The entries at the front of an ordered dict that are older than `moment`."""
    found = []
    for subscriber, since in some.items():
        if since > moment:
            break
        found.append(subscriber)
    return found


class State(Enum):
    """
    Where a subscriber stands.

        JOINING ───┬──────────────> CAUGHT_UP <───> BEHIND
                   └──> AHEAD ──────────┴──────────────┘

        from any of these to LEAVING and then GONE, or at once to GONE where the connection ends

    CAUGHT_UP becomes BEHIND by a write that the kernel does not take whole, and again CAUGHT_UP once it has
    taken the rest. Bytes may also wait for the kernel in AHEAD, which ends in BEHIND then, and in LEAVING.
    """

    JOINING = auto()
    """Its handshake was not answered yet."""
    AHEAD = auto()
    """It has seen more than this process, and gets nothing until this process has that, too."""
    CAUGHT_UP = auto()
    """It has everything, and takes part in the round."""
    BEHIND = auto()
    """It reads too slowly. When its kernel takes bytes again, it gets what is new since `_cursor`."""
    LEAVING = auto()
    """It got a close frame, and gets nothing more."""
    GONE = auto()
    """Its socket is closed."""


_OVER = frozenset({State.LEAVING, State.GONE})


class Subscriber:
    """
    One client of the stream. It owns its socket from the handshake on.

    It is long because every change of its state is here.
    """

    __slots__ = (
        "_broadcast",
        "_cursor",
        "_seen",
        "_talk",
        "_unsent",
        "address",
        "group",
        "slot",
        "sock",
        "state",
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
        """Its slot on the wheel of heartbeats."""
        self.address = address
        """The address for which it counts. The caller that makes a subscriber has admitted it."""
        self.state = State.JOINING
        self._cursor: Cursor | None = None
        """The position after which it gets what is new once it is no longer BEHIND."""
        self._unsent: bytes | None = None
        """The bytes that the kernel did not take; None while it takes everything."""
        self._seen = broadcast.now
        self._talk: Conversation | None = None
        """Made when the client speaks, and dropped when nothing of it must be kept."""

    # Writing.

    def start(self, preface: bytes, cursor: Cursor | None, place: Cursor | None) -> None:
        """
        Answer the handshake, send what is new since `cursor` in the same write, and join the round.

        `place` is the position that the client has seen with any selection (None: nothing). A client that is
        ahead of this process waits until the process has that, too, or until it turns out that nobody has it.
        """
        self._broadcast.join(self)
        if place and place > self._broadcast.mirror.cursor:
            self.state = State.AHEAD
            self._broadcast.wait(self, place, cursor)
            self.write(preface)
        else:
            self.catch_up(cursor, preface=preface)

    def go_on(self, cursor: Cursor | None) -> None:
        """The wait of a client that was ahead is over."""
        if self._unsent is None:
            self.catch_up(cursor)
        else:
            self.state, self._cursor = State.BEHIND, cursor

    def refuse(self, preface: bytes, reason: str) -> None:
        """Complete the handshake only to say what was wrong: a browser's script can't read an HTTP error."""
        self._broadcast.join(self)
        error = wire.encode_error("bad_request", reason)
        self.write(preface + self.group.framing.message("", error))
        self.close(CloseCode.BAD_REQUEST, reason)

    def catch_up(self, cursor: Cursor | None, *, preface: bytes = NOTHING) -> None:
        """Send what is new since `cursor` and join the round."""
        self._broadcast.tally.add(Count.DELIVERIES)
        self._join_the_round()
        self.write(preface + self.group.since(cursor))

    def _join_the_round(self) -> None:
        self.state = State.CAUGHT_UP
        self.group.caught_up.add(self)

    def write(self, data: bytes) -> None:
        """
        Write bytes that belong together.

        If the kernel does not take all of them, the rest is kept, and the reader is slow.
        """
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
        """
        A delivery could not be sent.

        Either the client stays at `before` for now, or the connection has ended.
        """
        if isinstance(error, BlockingIOError):
            self.block(NOTHING, before)
        else:
            self._broadcast.leave(self)

    def block(self, unsent: bytes, cursor: Cursor) -> None:
        """The client reads too slowly: it leaves the round until the kernel takes bytes again."""
        if self.state is State.CAUGHT_UP:
            self.state = State.BEHIND
            self.group.caught_up.discard(self)
        self._unsent, self._cursor = unsent, cursor
        self._broadcast.block(self)

    def writable(self) -> None:
        """The kernel takes bytes: send the rest of the old ones, then one frame with what is new."""
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
            self._unsent = None
            self._broadcast.unblock(self)
            self._unblocked()

    def _unblocked(self) -> None:
        """All written bytes are out."""
        if self.state is State.LEAVING:
            self._hang_up()
        elif self.state is State.BEHIND:
            delta = self.group.delta(self._cursor)
            if delta.kind == "snapshot" or delta.items:
                self._broadcast.tally.add(Count.CONFLATED)
                self.catch_up(self._cursor)
            else:
                self._join_the_round()

    def beat(self) -> None:
        """Send a heartbeat and a ping, or disconnect if the last pings were not answered."""
        if self.state is not State.CAUGHT_UP:
            return
        framing = self.group.framing
        if framing.ping and self._broadcast.now - self._seen > self._broadcast.server.silent_seconds:
            self._broadcast.tally.add(Count.CLOSED_SILENT)
            self.close(CloseCode.SILENT, "answered no ping")
        else:
            self.write(self.group.heartbeat)

    def close(self, code: CloseCode, reason: str) -> None:
        """Send a close frame with the reason. The client has a second to answer before it is cut off."""
        if self.state is State.LEAVING:
            return
        if code not in _OURS:
            self._broadcast.tally.add(Count.CLOSED_BAD)
        self.write(self.group.framing.goodbye(code, reason))
        self._end()
        self._hang_up()

    def _hang_up(self) -> None:
        """
        Nothing more is written to an event stream, or to a client that would not read its close frame.

        If bytes were unread at the close, the kernel would send a reset, and the client would lose the last
        message.
        """
        is_deaf = self._talk is not None and self._talk.deaf
        is_open = self._unsent is None and self.state is not State.GONE
        if (is_deaf or self.group.framing is EVENTS) and is_open:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)

    def _end(self) -> None:
        """Out of the round for ever. A client that does not close or read within a second is cut off."""
        if self.state not in _OVER:
            self.state = State.LEAVING
            self._broadcast.dismiss(self)

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
        """Take bytes from the client, in any pieces."""
        self._seen = self._broadcast.now
        # Nearly always this is only the answer to our ping.
        if self.group.framing is EVENTS or (len(data) == 6 and data[:2] == b"\x8a\x80" and not self._talk):
            return
        limits = self._broadcast.limits
        talk = self._talk or Conversation(limits.message_bytes, limits.messages_per_second)
        if talk.deaf:
            return
        self._talk = talk
        if self._broadcast.is_flood(self, talk.receive(data)):
            self._broadcast.tally.add(Count.CLOSED_BAD)
            talk.deafen()
            self.close(CloseCode.TRY_AGAIN_LATER, "too many messages per second")
        else:
            for event in talk.events():
                self.heard(talk, event)
        if talk.is_over:
            self._talk = None

    def heard(self, talk: Conversation, event: Event) -> None:
        """Act on the client's events."""
        if isinstance(event, Departed):
            self._depart()
        elif self.state in _OVER:
            return
        elif isinstance(event, Reply):
            self.answer(event.data)
        elif isinstance(event, Message):
            self.message(talk, event)
        else:
            self._broadcast.tally.add(Count.CLOSED_BAD)
            self._end()
            self._hang_up()

    def _depart(self) -> None:
        """Both sides have sent a close frame: close as soon as ours is out."""
        if self._unsent is None:
            self._broadcast.leave(self)
        else:
            self._end()

    def answer(self, data: bytes) -> None:
        """
        Answer with a pong, an error or a close frame.

        A client that does not read gets no answers either, because they would pile up.
        """
        if self._unsent is None:
            self.write(data)

    def message(self, talk: Conversation, message: Message) -> None:
        """Take a message of the client, or the part of it that has arrived."""
        if not message.is_text:
            self.close(CloseCode.BAD_REQUEST, "frames of this protocol must be JSON text")
        elif message.is_whole:
            try:
                self.subscribe(wire.decode_subscribe(message.data.decode()))
            except UnicodeDecodeError:
                self.close(CloseCode.INVALID_DATA, "text that is not UTF-8")
            except BadFrame as error:
                self.complain(talk, str(error))
            else:
                talk.bad_frames = 0

    def subscribe(self, texts: tuple[str, ...]) -> None:
        """Replace the selection, and answer with a snapshot. Raises BadFrame."""
        selection = wire.select(texts, self._broadcast.symbols, most=self._broadcast.limits.symbols)
        old = self.group
        self.group = self._broadcast.enroll(selection, old.framing)
        old.caught_up.discard(self)
        self._broadcast.part(old)
        self._begin_again()

    def _begin_again(self) -> None:
        """Send a snapshot of another selection, now or as soon as the client can get it."""
        self._cursor = None
        if self.state is State.AHEAD:
            self._broadcast.ahead[self].cursor = None
        elif self.state is State.CAUGHT_UP:
            self.catch_up(None)

    def select_again(self) -> None:
        """Continue with the rest of the selection, after a change of the served symbols."""
        old, is_caught_up = self.group, self.state is State.CAUGHT_UP
        selection = wire.remaining(old.selection, self._broadcast.symbols)
        self.group = self._broadcast.enroll(
            selection or wire.select((), self._broadcast.symbols), old.framing
        )
        if selection is None:
            names = ", ".join(map(str, old.selection.symbols))
            self.close(CloseCode.BAD_REQUEST, f"{names} is not served here any more")
        elif selection != old.selection:
            self._begin_again()
        elif is_caught_up:
            self.group.caught_up.add(self)

    def complain(self, talk: Conversation, message: str) -> None:
        """Say what was wrong. After three errors in a row the connection is closed."""
        talk.bad_frames += 1
        self.answer(frame(wire.encode_error("bad_request", message)))
        if talk.bad_frames >= MOST_BAD_FRAMES:
            self.close(CloseCode.BAD_REQUEST, "three bad frames in a row")
